/*
 * A server on a thread of the test: it listens on the loopback interface, takes every login with an
 * empty password, and answers queries as the test says.
 */
#ifndef THINKBACK_TESTS_SERVER_H
#define THINKBACK_TESTS_SERVER_H

#include "catalog/base/buf.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct server {
	/*
	 * Answer ${query} (its JSON, NUL-terminated), the ${n}-th of connection ${connection} (both
	 * from 1): put JSON into ${out}. Nothing put there: end the connection. Runs on the
	 * server's thread.
	 */
	void (*answer)(
	    void *arg, unsigned connection, unsigned n, const char *query, struct buf *out);
	void *arg;
	char address[64]; /* rethinkdb://127.0.0.1:PORT */
	struct buf asked; /* all queries, a line each; to be read after server_stop */
	atomic_bool away; /* new connections are ended at once */
	int listener;
	atomic_int client; /* the connection at work, or -1 */
	atomic_bool ending;
	pthread_t thread;
};

/* server_start(s): start it; answer and arg are set. server_stop(s): end it. */
void server_start(struct server *s);
void server_stop(struct server *s);

/* server_finish(s): free what it holds, after server_stop. */
void server_finish(struct server *s);

#endif
