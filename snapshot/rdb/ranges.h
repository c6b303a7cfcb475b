/*
 * The documents of one table after the other, each read in several ranges of its primary key at
 * once: one thread, a connection for each range at work, and the next part of each on its way while
 * another's documents are handed out. What fails is tried again: a range goes on behind its last
 * key, on whatever connection is free. Connections are opened when there is a range for them, and
 * kept. Memory: for each connection the part that is handed out, and the one that comes.
 *
 * A struct ranges belongs to one thread at a time.
 */
#ifndef THINKBACK_RDB_RANGES_H
#define THINKBACK_RDB_RANGES_H

#include "catalog/base/log.h"
#include "catalog/key.h"
#include "snapshot/json/member.h"
#include "snapshot/rdb/connection.h"
#include "snapshot/rdb/query.h"

#define RANGES_TRIES 7 /* new ones, without a document between them; over a minute in all */

/* How to read. What it points to must live as long as the ranges. */
struct ranges_options {
	const struct connection_options *connect;
	unsigned clients;      /* connections, at least 1 */
	int64_t retry_ms;      /* before the first new try, doubled for each other */
	const struct log *log; /* told of what is tried again */
};

/* What to read. What it points to must live until ranges_end, but for its
 * keys. */
struct ranges_table {
	struct query_table table;
	const char *name;        /* of the table, for messages */
	const char *primary_key; /* name of the key field */
	const char *id;          /* describe.h's: a table with another one is another table */
	bool outdated;           /* let any replica answer */
	uint64_t batch;          /* documents in an answer; 0: as the server likes */
	const struct key *only;  /* the one key that is read, without cuts; NULL: all */
	const struct key *cuts;  /* keys, strictly ascending: each begins a range */
	size_t n_cuts;
};

/* Opaque types. */
struct ranges;

/* ranges_create(options, out, e): nothing is opened yet. Return ERR_OK, to be freed with
 * ranges_free; or ERR_NOMEM. */
int ranges_create(const struct ranges_options *options, struct ranges **out, struct err *e);

/* ranges_free(r): end what is being read, close the connections; ${r} may be NULL. */
void ranges_free(struct ranges *r);

/*
 * ranges_connection(r, out, e):
 * The first connection, opened if there is none that can be used: for questions, while no table is
 * being read. It stays ${r}'s own. Returns as connection_open.
 */
int ranges_connection(struct ranges *r, struct connection **out, struct err *e);

/*
 * ranges_usable(r): whether a connection is open that nothing has failed on. ranges_drop(r): close
 * all, after a failure of one while no table is being read: the others may be lost as well.
 */
bool ranges_usable(const struct ranges *r);
void ranges_drop(struct ranges *r);

/* ranges_begin(r, table, e): begin to read a table. Return ERR_OK or ERR_NOMEM. */
int ranges_begin(struct ranges *r, const struct ranges_table *table, struct err *e);

/*
 * ranges_next(r, out, e):
 * The next document, valid until the next call: in the order of keys within a range, in any order
 * among them. Return ERR_OK; ERR_END after the last one of all ranges; ERR_ABSENT when the table is
 * not there any more, or not the same one; ERR_INTR; else what has failed once too often, or is not
 * to be tried again (what response_check and connection_open return). After anything but ERR_OK
 * only ranges_end is allowed.
 */
int ranges_next(struct ranges *r, struct member_span *out, struct err *e);

/* ranges_end(r): end what is being read, if a table is. The connections stay. */
void ranges_end(struct ranges *r);

#endif
