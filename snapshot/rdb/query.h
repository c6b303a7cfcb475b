/*
 * Queries as a server takes them: "[1,TERM,OPTIONS]" (server source rdb_protocol/ql2.proto numbers
 * the terms). A bare JSON array inside a query would be taken as a term, so nothing from outside
 * goes in but as a string, or as a key by query_key. Each function appends a query to ${out} and
 * returns ERR_OK or ERR_NOMEM. Pure; any thread.
 */
#ifndef THINKBACK_RDB_QUERY_H
#define THINKBACK_RDB_QUERY_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A table to be asked about; names not owned. */
struct query_table {
	const char *database;
	const char *name;
};

/* What a scan is to read. Keys are JSON as the server sends it; NULL or empty: none is given. */
struct query_scan {
	struct query_table table;
	const char *primary_key;
	const struct buf *from;  /* start at this key */
	const struct buf *after; /* start behind this one, whatever from is */
	const struct buf *to;    /* end before this one */
	bool with_to;            /* end with it instead */
	bool outdated;           /* let any replica answer */
	uint64_t batch;          /* documents in an answer; 0: as the server likes */
};

/* query_databases(out): the list of databases. query_tables(out, database): of one's tables. */
int query_databases(struct buf *out);
int query_tables(struct buf *out, const char *database);

/* query_info(out, t): name, ids, primary key, estimated documents of each shard. */
int query_info(struct buf *out, const struct query_table *t);

/* query_indexes(out, t): the secondary indexes with their functions. */
int query_indexes(struct buf *out, const struct query_table *t);

/* query_hook(out, t): the write hook or null; for servers from 2.4 on. */
int query_hook(struct buf *out, const struct query_table *t);

/* query_config(out, t): replicas, durability and so on; needs the config permission. */
int query_config(struct buf *out, const struct query_table *t);

/* query_system(out, table, id): the row ${id} of a system table. */
int query_system(struct buf *out, const char *table, const char *id);

/* query_system_rows(out, table): all rows of a system table, in the order of their keys, as one
 * array; the server makes none of more than 100,000. */
int query_system_rows(struct buf *out, const char *table);

/* query_wait(out, t, seconds): wait until the table can be read. */
int query_wait(struct buf *out, const struct query_table *t, unsigned seconds);

/* query_scan(out, scan): all documents in the order of their keys. */
int query_scan(struct buf *out, const struct query_scan *scan);

/*
 * query_edge(out, scan, last): the document with the first (or last) key of scan->table; of it only
 * the key's field, whatever else ${scan} says.
 */
int query_edge(struct buf *out, const struct query_scan *scan, bool last);

/*
 * query_feed(out, t, queue, batch):
 * A changefeed that begins with all documents and tells when it has caught up. ${queue} is the
 * number of changes that the server keeps while we read, ${batch} as in struct query_scan.
 */
int query_feed(struct buf *out, const struct query_table *t, uint64_t queue, uint64_t batch);

/*
 * query_key(out, json):
 * Append a key as a term: arrays are made by MAKE_ARRAY, objects (times, binary data) go in as
 * data.
 */
int query_key(struct buf *out, const struct buf *json);

#endif
