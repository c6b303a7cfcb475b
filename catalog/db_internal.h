/* A connection as db.c and db_open.c see it: see db.h. */
#ifndef THINKBACK_CATALOG_DB_INTERNAL_H
#define THINKBACK_CATALOG_DB_INTERNAL_H

#include "catalog/db.h"

#define DB_STATEMENTS 128 /* slots for statements, a power of two */

struct db {
	sqlite3 *sqlite;                           /* the connection */
	char *path;                                /* of the file, for texts */
	const struct db_schema *schema;            /* what it is */
	bool writable;                             /* opened for writing */
	bool full;                                 /* synchronous is FULL now, else NORMAL */
	bool failed;                               /* a write or a sync has failed since db_renew */
	struct db_query statements[DB_STATEMENTS]; /* by the address of their SQL */
	struct db_query spare;                     /* stands for a statement that found no slot */
};

/* db_fail(db, rc, e): SQLite's answer ${rc}, which is no success, as a code with a text. */
int db_fail(const struct db *db, int rc, struct err *e);

/* db_note(db, rc): whatever SQLite answers may be a write or a sync that failed: remember it. */
void db_note(struct db *db, int rc);

/* db_exec(db, sql, e): carry out SQL without parameters and rows that is needed once. */
int db_exec(struct db *db, const char *sql, struct err *e);

/* db_number(db, sql, out, e): the one number that ${sql} gives. */
int db_number(struct db *db, const char *sql, int64_t *out, struct err *e);

/*
 * db_renew(db, e):
 * Bring the whole log to disk, also what an earlier sync, of this process or of another, has failed
 * to. To be called outside of transactions. Return ERR_OK or a failure.
 */
int db_renew(struct db *db, struct err *e);

/*
 * db_prepare_ends(db, e):
 * Prepare the statements that end a transaction ahead: when memory has run out it must still be
 * possible to roll back.
 */
int db_prepare_ends(struct db *db, struct err *e);

#endif
