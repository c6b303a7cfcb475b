/*
 * One connection to a server: login, then frames (server source client_protocol/server.cc: int64
 * token, uint32 length, JSON, all little-endian) in both directions. Every query has a token of its
 * own; answers to queries that were given up are passed over. Memory: one answer, grown as its
 * bytes arrive, at most the limit set. A struct connection belongs to one thread at a time.
 */
#ifndef THINKBACK_RDB_CONNECTION_H
#define THINKBACK_RDB_CONNECTION_H

#include "catalog/base/buf.h"
#include "snapshot/rdb/address.h"
#include "snapshot/rdb/tls.h"
#include "snapshot/rdb/transport.h"

#include <stdbool.h>

#define CONNECTION_LIMIT 536870912u /* bytes of an answer, unless set otherwise */

struct connection_options {
	struct address address;
	const char *user;     /* whom to log in as */
	const void *password; /* NULL: an empty one */
	size_t password_len;
	struct tls_files tls;              /* whom to trust and who we are; without a CA no TLS */
	int64_t connect_ms;                /* until connected and logged in, each */
	int64_t idle_ms;                   /* without a byte before a connection counts as lost */
	size_t limit;                      /* bytes of the longest answer; 0: CONNECTION_LIMIT */
	const volatile sig_atomic_t *stop; /* give up when this becomes non-zero; may be NULL */
};

/* Opaque types. */
struct connection;

/*
 * connection_open(options, out, e):
 * Connect (over TLS when asked to) and log in. ${options} must live as long as the connection.
 * Return ERR_OK and set ${out}, to be closed with connection_close; ERR_IO when the server cannot
 * be reached or breaks off; ERR_DENIED, ERR_FORMAT, ERR_ARG as plain.h, tls.h and handshake.h have
 * them; ERR_INTR; ERR_NOMEM. Texts begin with the address.
 */
int
connection_open(const struct connection_options *options, struct connection **out, struct err *e);

/*
 * connection_over(t, options, nonce, out, e):
 * The same over the stream ${t}, which is taken over when it succeeds; ${nonce} as handshake.h has
 * it.
 */
int connection_over(struct transport *t, const struct connection_options *options,
    const char *nonce, struct connection **out, struct err *e);

/* connection_close(c): close and free; ${c} may be NULL. */
void connection_close(struct connection *c);

/* connection_name(c): "HOST:PORT". connection_version(c): the server's version, "" if unknown. */
const char *connection_name(const struct connection *c);
const char *connection_version(const struct connection *c);

/*
 * connection_modern(c):
 * Whether the server has what came with RethinkDB 2.4: write hooks, and the terms and system tables
 * that are asked for with them. One whose version is not known has not.
 */
bool connection_modern(const struct connection *c);

/*
 * connection_usable(c): whether nothing has failed on it so far: after a failure of the functions
 * below the connection can only be closed.
 */
bool connection_usable(const struct connection *c);

/*
 * connection_start(c, query, token, e):
 * Send a query ("[1,...]") and set its ${token}. Return ERR_OK, ERR_LIMIT for one over what a
 * server takes, or a failure of the stream.
 */
int connection_start(struct connection *c, const struct buf *query, uint64_t *token, struct err *e);

/* connection_more(c, token, e): ask for the next part of the answer. Returns as connection_start.
 */
int connection_more(struct connection *c, uint64_t token, struct err *e);

/* connection_stop(c, token, e): end an answer early; what comes of it is passed over later. */
int connection_stop(struct connection *c, uint64_t token, struct err *e);

/*
 * connection_receive(c, token, out, e):
 * Put the next answer to ${token} into ${out}, replacing what it holds. Return ERR_OK; ERR_IO when
 * the connection is lost; ERR_LIMIT when the answer is over the limit; ERR_FORMAT for an answer to
 * something that was never asked; ERR_INTR; ERR_NOMEM.
 */
int connection_receive(struct connection *c, uint64_t token, struct buf *out, struct err *e);

/*
 * connection_receive_any(c, token, out, e):
 * Put the next answer to whatever was asked into ${out}, and set ${token} to that query's: answers
 * to several queries come in any order. Returns as connection_receive.
 */
int connection_receive_any(struct connection *c, uint64_t *token, struct buf *out, struct err *e);

/*
 * connection_try(c, token, out, e):
 * The same without waiting, for callers that poll several connections: ${token} is 0, and ${out} as
 * before, while no answer is whole. Silence for as long as idle_ms counts as a lost connection, so
 * ask only while something has been asked.
 */
int connection_try(struct connection *c, uint64_t *token, struct buf *out, struct err *e);

/*
 * connection_fd(c): what poll(2) finds readable when more has come since connection_try found no
 * answer whole; -1 when there is no need to wait.
 */
int connection_fd(const struct connection *c);

#endif
