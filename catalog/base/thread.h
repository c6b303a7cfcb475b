/*
 * Starting helper threads: they only work, signals are for the threads of whoever started them.
 */
#ifndef THINKBACK_BASE_THREAD_H
#define THINKBACK_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/*
 * thread_start(id, run, arg):
 * Start a thread that runs ${run} with ${arg}, with all signals blocked. Return true and set ${id},
 * to be joined; false when there can be no thread now.
 */
bool thread_start(pthread_t *id, void *(*run)(void *arg), void *arg);

/* thread_processors(): how many threads can run at once on this machine; at least 1. */
unsigned thread_processors(void);

#endif
