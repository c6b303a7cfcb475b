/* What queue.c and the other queue_*.c share. */
#ifndef THINKBACK_CATALOG_QUEUE_INTERNAL_H
#define THINKBACK_CATALOG_QUEUE_INTERNAL_H

#include "catalog/db.h"
#include "catalog/queue.h"

struct queue {
	struct db *db; /* the connection to queue.db */
};

/* The columns that queue_restore_read takes. */
#define QUEUE_RESTORE_FROM                                                                         \
	"SELECT id, state, database_name, table_name, name, documents, bytes, attempts, created,"  \
	" updated, not_before, lease_until, owner, policy, target, undone FROM restores"

/* A condition: row r is of database ?3 and table ?4. */
#define QUEUE_OF_TABLE " AND r.database_name = ?3 AND r.table_name = ?4"

/*
 * queue_restore_read(q, none, after, out, e):
 * Step to the one row of ${q} (QUEUE_RESTORE_FROM), read it into ${out}, and reset. Return ERR_OK;
 * ${none} when there is no row; ERR_CORRUPT for values out of range or a number not over ${after},
 * as a damaged index may give; or a failure.
 */
int queue_restore_read(
    struct db_query *q, int none, int64_t after, struct queue_restore *out, struct err *e);

/* queue_name_check(name, e): ERR_OK, or ERR_ARG when ${name} is no file name for a restore. */
int queue_name_check(const char *name, struct err *e);

/*
 * queue_line(reason, line):
 * ${reason} as one clean line in ${line}: reasons come from servers and documents. NULL stays NULL.
 */
const char *queue_line(const char *reason, struct err *line);

#endif
