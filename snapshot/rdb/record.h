/*
 * What a server has besides its tables, as a snapshot records it: users (their passwords cannot be
 * read by anybody), permissions, the configuration of databases, servers and cluster. It is read
 * from system tables, each only as far as the user may see it. The table _debug_table_status is not
 * among them (describe.h says why).
 */
#ifndef THINKBACK_RDB_RECORD_H
#define THINKBACK_RDB_RECORD_H

#include "catalog/base/buf.h"
#include "catalog/base/log.h"
#include "snapshot/rdb/connection.h"

#define RECORD_PART_MAX 8388608u /* bytes of what is kept of one system table */

/* Zero it first; record_finish frees what it holds. */
struct record {
	struct buf json;        /* one object: {"server":{"version":...},"users":[...],...} */
	struct buf permissions; /* an array of {"database","permissions","table","user"}, names as
				   they are now; empty: not readable */
	struct buf version;     /* JSON string: of the server */
};

/*
 * record_read(c, user, log, out, e):
 * Ask for everything. A part that the server would not show is left out; a missing permission is
 * told to ${log} in one line that names ${user}. Return ERR_OK, or a failure that ends the
 * connection, ERR_NOMEM, ERR_INTR.
 */
int record_read(struct connection *c, const char *user, const struct log *log, struct record *out,
    struct err *e);

/*
 * record_describe(r, database, table, json):
 * Add to the table's configuration, the object ${json}, the server's version and the permissions
 * that concern the table: global ones, its database's, its own. Return ERR_OK or ERR_NOMEM.
 */
int
record_describe(const struct record *r, const char *database, const char *table, struct buf *json);

/* record_finish(r): free what ${r} holds. */
void record_finish(struct record *r);

#endif
