/*
 * A table as its snapshot records it: what INFO says, the secondary indexes with their functions,
 * the write hook, replicas and durability where the user may see them, and the server's own split
 * points where that is safe. A struct describe belongs to one thread at a time.
 */
#ifndef THINKBACK_RDB_DESCRIBE_H
#define THINKBACK_RDB_DESCRIBE_H

#include "catalog/base/buf.h"
#include "catalog/base/log.h"
#include "snapshot/rdb/connection.h"
#include "snapshot/rdb/query.h"

#define DESCRIBE_ID 64 /* room for a table's id with its NUL */

/* What is known of a table. Zero it first; describe_finish frees what it holds. */
struct describe {
	struct buf json;        /* one object: the configuration */
	struct buf primary_key; /* name of the key field, NUL-terminated behind len */
	char id[DESCRIBE_ID]; /* changes when a table is dropped and made anew; "" when not told */
	uint64_t documents;   /* the server's estimate */
};

/*
 * describe_info(c, t, out, e):
 * Ask for id, primary key and estimate alone; json is the server's INFO. Return ERR_OK; ERR_ABSENT
 * when there is no such table; ERR_DENIED, ERR_BUSY, ERR_FORMAT as response_check; what
 * connection_receive returns when the connection is lost.
 */
int describe_info(
    struct connection *c, const struct query_table *t, struct describe *out, struct err *e);

/*
 * describe_same(c, t, id, e):
 * Make sure that the table is the one that had ${id}. Return ERR_OK; ERR_ABSENT when it was dropped
 * and made anew, or is not there; else as describe_info.
 */
int describe_same(struct connection *c, const struct query_table *t, const char *id, struct err *e);

/*
 * describe_table(c, t, admin, log, out, e):
 * Ask for everything. What the user may not see is left out; a write hook that is not seen is told
 * to
 * ${log}. ${admin} says that the connected user is "admin": only then the split points are read,
 * for reading them as anybody else can end the server's process (server source
 * clustering/administration/tables/debug_table_status.cc). Returns as describe_info.
 */
int describe_table(struct connection *c, const struct query_table *t, bool admin,
    const struct log *log, struct describe *out, struct err *e);

/* describe_finish(d): free what ${d} holds. */
void describe_finish(struct describe *d);

#endif
