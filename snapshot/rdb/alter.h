/*
 * Queries that change a server: databases, tables and their configuration, many documents at a
 * time. Each function appends a query (or a part of one) to ${out} and returns ERR_OK or ERR_NOMEM.
 * Pure; any thread.
 */
#ifndef THINKBACK_RDB_ALTER_H
#define THINKBACK_RDB_ALTER_H

#include "snapshot/json/member.h"
#include "snapshot/rdb/query.h"

/* A table to be made. Not owned. */
struct alter_table {
	struct query_table table;
	const char *primary_key;
	const char *durability; /* "hard", "soft"; NULL: as the server likes */
	uint64_t shards;        /* 0: as the server likes */
	uint64_t replicas;      /* of each shard; 0: as the server likes */
};

/* How documents are written. */
struct alter_write {
	bool hard;        /* on disk when it is answered */
	bool ignore_hook; /* pass the table's write hook by; needs the config permission, and 2.4 */
};

/* alter_database(out, name): make a database. alter_create(out, t): make a table. */
int alter_database(struct buf *out, const char *name);
int alter_create(struct buf *out, const struct alter_table *t);

/* alter_config(out, t, json): merge the object ${json} into the table's configuration. */
int alter_config(struct buf *out, const struct query_table *t, const struct buf *json);

/*
 * alter_wait(out, t, seconds): wait until all replicas are there. alter_rebalance(out, t): spread
 * the documents evenly over the shards. alter_sync(out, t): have all that was written on disk.
 */
int alter_wait(struct buf *out, const struct query_table *t, unsigned seconds);
int alter_rebalance(struct buf *out, const struct query_table *t);
int alter_sync(struct buf *out, const struct query_table *t);

/*
 * alter_insert_begin(out, t), alter_insert_put(out, first, json, len), alter_insert_end(out, w):
 * Write documents, replacing those with the same keys: begin, any number of documents, end. A
 * document goes in as text that the server parses, so that nothing in it is taken for a term; a
 * very large one as data, for as text it could be more than a query holds.
 */
int alter_insert_begin(struct buf *out, const struct query_table *t);
int alter_insert_put(struct buf *out, bool first, const void *json, size_t len);
int alter_insert_end(struct buf *out, const struct alter_write *w);

/*
 * alter_delete_begin(out, t), alter_delete_put(out, key), alter_delete_end(out, w):
 * Delete the documents with these keys (canonical JSON): begin, at least one key, end.
 */
int alter_delete_begin(struct buf *out, const struct query_table *t);
int alter_delete_put(struct buf *out, const struct buf *key);
int alter_delete_end(struct buf *out, const struct alter_write *w);

/*
 * alter_index(out, t, name, function), alter_index_drop(out, t, name):
 * Make an index from the BINARY that describes its function, options included; drop one. ${name} is
 * JSON, with its quotes: nothing else may go in, for an array would be a term.
 */
int alter_index(struct buf *out, const struct query_table *t, const struct member_span *name,
    const struct member_span *function);
int alter_index_drop(struct buf *out, const struct query_table *t, const struct member_span *name);

/* Permissions to be granted. Not owned. */
struct alter_grant {
	const char *user;
	const char *database;    /* NULL: everywhere */
	const char *table;       /* NULL: in the whole database */
	const char *permissions; /* JSON of one object: {"read":true,...} */
};

/* alter_grant(out, g): grant permissions. */
int alter_grant(struct buf *out, const struct alter_grant *g);

/* alter_hook(out, t, function): set the write hook to the BINARY ${function}; NULL: have none. */
int alter_hook(struct buf *out, const struct query_table *t, const struct member_span *function);

#endif
