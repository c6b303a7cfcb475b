/*
 * A server on threads of the test: it listens on the loopback interface, takes every login with an
 * empty password, and answers the queries of each connection on a thread of its own, as the test
 * says.
 */
#ifndef THINKBACK_TESTS_SERVER_H
#define THINKBACK_TESTS_SERVER_H

#include "catalog/base/buf.h"
#include "catalog/base/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define SERVER_CLIENTS 128 /* connections in the life of a server */

struct server;

/* One connection; a test has nothing to do with it. */
struct server_client {
	struct server *server;
	unsigned number; /* from 1 */
	int fd;          /* open until server_stop */
	pthread_t thread;
};

struct server {
	/*
	 * Answer ${query} (its JSON, NUL-terminated), the ${n}-th of connection ${connection} (both
	 * from 1): put JSON into ${out}. Nothing put there: end the connection. Runs on that
	 * connection's thread, while others may answer theirs.
	 */
	void (*answer)(
	    void *arg, unsigned connection, unsigned n, const char *query, struct buf *out);
	void *arg;
	char address[64];     /* rethinkdb://127.0.0.1:PORT */
	struct buf asked;     /* all queries, a line each; to be read after server_stop */
	pthread_mutex_t lock; /* of asked */
	atomic_bool away;     /* new connections are ended at once */
	unsigned most;        /* those after so many likewise; 0: none */
	int listener;
	struct server_client clients[SERVER_CLIENTS];
	unsigned n_clients; /* connections so far */
	atomic_bool ending;
	pthread_t thread;
};

/* server_start(s): start it; answer and arg are set. server_stop(s): end it. */
void server_start(struct server *s);
void server_stop(struct server *s);

/* server_told(arg, level, text): a log's line function that puts each line into the buf ${arg}. */
void server_told(void *arg, enum log_level level, const char *text);

/* server_finish(s): free what it holds, after server_stop. */
void server_finish(struct server *s);

#endif
