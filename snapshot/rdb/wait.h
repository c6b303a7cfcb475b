/*
 * Waiting with an end: a monotonic clock, pauses and polling that give up when a deadline has
 * passed or a signal handler has asked to stop. Any thread.
 */
#ifndef THINKBACK_RDB_WAIT_H
#define THINKBACK_RDB_WAIT_H

#include "catalog/base/err.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>

/* wait_now(): milliseconds of a clock that never goes back. */
int64_t wait_now(void);

/*
 * wait_pause(ms, stop, e):
 * Sleep for ${ms} milliseconds. Return ERR_OK, or ERR_INTR soon after *stop (which may be NULL) has
 * become non-zero.
 */
int wait_pause(int64_t ms, const volatile sig_atomic_t *stop, struct err *e);

/*
 * wait_fd(fd, events, deadline, stop, e):
 * Wait until poll's ${events} hold for ${fd}. Return ERR_OK; ERR_BUSY (no text) when wait_now has
 * reached ${deadline}; ERR_INTR as wait_pause; or what err_system makes of poll's failure.
 */
int
wait_fd(int fd, short events, int64_t deadline, const volatile sig_atomic_t *stop, struct err *e);

/*
 * wait_any(fds, n, deadline, stop, e):
 * The same for several descriptors: wait until the events of one of them hold. ${n} may be 0.
 */
int wait_any(struct pollfd *fds, size_t n, int64_t deadline, const volatile sig_atomic_t *stop,
    struct err *e);

#endif
