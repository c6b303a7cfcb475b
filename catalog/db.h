/*
 * What catalog.db and queue.db share: one SQLite connection with its prepared statements, SQLite's
 * answers as codes of err.h, and values read back with their ranges checked. Private to catalog/.
 *
 * A struct db belongs to one thread at a time (SQLITE_OPEN_NOMUTEX) and must not cross a fork. Each
 * statement is prepared at its first use and kept; it is reset as soon as its rows are read,
 * because a SELECT that is left open pins the write-ahead log. Error texts begin with the file's
 * path.
 */
#ifndef THINKBACK_CATALOG_DB_H
#define THINKBACK_CATALOG_DB_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opaque types. */
struct db;

/* A step from one schema to the next. */
struct db_step {
	int64_t version; /* the user_version that it is a part of */
	const char *sql; /* what to do */
};

/* A kind of database: how to know it and how to make it. */
struct db_schema {
	const char *what;            /* "catalogue", for texts */
	int64_t application_id;      /* PRAGMA application_id */
	int64_t version;             /* the user_version that this program knows, from 1 */
	const struct db_step *steps; /* from nothing to there, in order */
	size_t n_steps;              /* of steps */
	bool durable; /* every commit is on disk when it returns (synchronous FULL) */
};

/*
 * A statement of a connection. A failure in one of its calls is remembered and comes out of db_step
 * or db_run, so that only these need a look.
 */
struct db_query {
	struct db *db;      /* its connection */
	const char *sql;    /* which one; its address is what it is found by */
	sqlite3_stmt *stmt; /* NULL: could not be prepared */
	int failed;         /* SQLite's code of what went wrong since db_query, or SQLITE_OK */
};

/*
 * db_create(path, schema, e):
 * Make the file ${path}, mode 0600, with an empty database of that kind. Return ERR_OK, ERR_EXISTS,
 * or a failure, after which nothing is left behind.
 */
int db_create(const char *path, const struct db_schema *schema, struct err *e);

/*
 * db_open(path, schema, writable, out, e):
 * Open a database of that kind and, when it is ${writable}, bring the log that is found there to
 * disk, whoever has left it, and an older schema up to date. One that is not can be read while
 * others write, and where nobody can write (a read-only file system, a directory that is nobody's
 * to write to). Return ERR_OK and set
 * ${out}, to be closed with db_close; ERR_ABSENT when the file is missing; ERR_CORRUPT when it is
 * damaged or of another kind; ERR_VERSION when its schema is newer, or older and not ${writable};
 * ERR_READONLY when ${writable} and it cannot be written; ERR_DENIED when this process may not,
 * which holds for a confined one until another has opened the database; else a failure.
 */
int db_open(const char *path, const struct db_schema *schema, bool writable, struct db **out,
    struct err *e);

/*
 * db_scratch(schema, out, e): open a new, empty database of that kind, in a file without a name
 * that is gone when it is closed. To be closed with db_close.
 */
int db_scratch(const struct db_schema *schema, struct db **out, struct err *e);

/*
 * db_attach(db, path, e):
 * Let the statements of ${db}, which is of db_scratch, read the database at ${path} as "old".
 * Return ERR_OK or as db_open.
 */
int db_attach(struct db *db, const char *path, struct err *e);

/* db_close(db): close, rolling back what was not committed; ${db} may be NULL. */
void db_close(struct db *db);

/*
 * db_begin(db, durable, e):
 * Begin a write transaction, waiting for other writers. Its commit will be on disk when it returns,
 * together with all commits before it, if ${durable} (or the schema) says so. After a failed write
 * or sync the log is brought to disk first. Return ERR_OK or a failure: then there is none.
 */
int db_begin(struct db *db, bool durable, struct err *e);

/* db_commit(db, e): commit. On failure the transaction has been rolled back. */
int db_commit(struct db *db, struct err *e);

/* db_rollback(db): roll back; does nothing without a transaction. */
void db_rollback(struct db *db);

/* db_sync(db, e): have all commits made so far on disk when it returns ERR_OK. */
int db_sync(struct db *db, struct err *e);

/*
 * db_savepoint(db, e), db_savepoint_end(db, rc, e):
 * Inside a transaction: begin a part that can be taken back by itself; end it, keeping it when
 * ${rc} is ERR_OK. Return ${rc}, or a failure.
 */
int db_savepoint(struct db *db, struct err *e);
int db_savepoint_end(struct db *db, int rc, struct err *e);

/* db_without_foreign_keys(db, e): from now on the connection does not look at foreign keys. */
int db_without_foreign_keys(struct db *db, struct err *e);

/*
 * db_moved(db, out): set ${out} to whether the connection's file is no longer the one that its path
 * names. One look at the directory.
 */
int db_moved(struct db *db, bool *out, struct err *e);

/*
 * db_merge_log(path, e):
 * Merge the write-ahead log of any database into it and empty the log. Nobody may be writing.
 * Return ERR_OK, ERR_BUSY when readers hold on to it for long, or a failure.
 */
int db_merge_log(const char *path, struct err *e);

/* db_in_transaction(db): whether db_begin has been called and nothing has ended it. */
bool db_in_transaction(const struct db *db);

/*
 * db_generation(db, out, e):
 * Set ${out} to a number that changes whenever another connection has committed.
 */
int db_generation(struct db *db, uint64_t *out, struct err *e);

/*
 * db_query(db, sql):
 * The statement ${sql}, ready for binding: a constant with static storage, used for nothing else at
 * this moment. Never NULL. To be given back with db_reset or db_run before the next one is begun.
 */
struct db_query *db_query(struct db *db, const char *sql);

/*
 * db_bind_int(q, at, v), db_bind_count(q, at, v), db_bind_text(q, at, text), db_bind_bytes(q, at,
 * data, len):
 * Bind parameter ${at}, the first is 1; text and bytes must stay where they are until the reset. A
 * count over INT64_MAX is a failure. NULL text binds NULL; bytes never do.
 */
void db_bind_int(struct db_query *q, int at, int64_t v);
void db_bind_count(struct db_query *q, int at, uint64_t v);
void db_bind_text(struct db_query *q, int at, const char *text);
void db_bind_bytes(struct db_query *q, int at, const void *data, size_t len);

/* db_bind_string(q, at, data, len): as db_bind_bytes, of type TEXT. */
void db_bind_string(struct db_query *q, int at, const void *data, size_t len);

/*
 * db_step(q, e):
 * Go to the next row. Return ERR_OK with a row, ERR_END after the last, ERR_EXISTS when the row
 * that it would write is there already, or a failure.
 */
int db_step(struct db_query *q, struct err *e);

/* db_reset(q): end the statement and forget what was bound. */
void db_reset(struct db_query *q);

/*
 * db_run(q, changes, e):
 * Carry out a statement without rows and reset it. Sets ${changes}, which may be NULL, to the
 * number of rows it changed. Return ERR_OK, ERR_EXISTS, or a failure.
 */
int db_run(struct db_query *q, int64_t *changes, struct err *e);

/* db_found(q, e): whether there is a row; resets. Return ERR_OK, ERR_ABSENT, or a failure. */
int db_found(struct db_query *q, struct err *e);

/* db_last_id(db): the number of the row inserted last by this connection. */
int64_t db_last_id(const struct db *db);

/*
 * db_int(q, col, min, max, out), db_count(q, col, max, out), db_bytes(q, col, max, data, len),
 * db_text(q, col, out, room):
 * Read a column of the row, the first is 0. Return false, outputs untouched, when it is of another
 * type or out of range: a number under ${min} (a count: 0) or over ${max}, more than ${max} bytes,
 * a text with a NUL or without room for one in the ${room} bytes at ${out}. The bytes of db_bytes
 * live until the next step or reset.
 */
bool db_int(const struct db_query *q, int col, int64_t min, int64_t max, int64_t *out);
bool db_count(const struct db_query *q, int col, uint64_t max, uint64_t *out);
bool db_bytes(const struct db_query *q, int col, size_t max, const uint8_t **data, size_t *len);
bool db_text(const struct db_query *q, int col, char *out, size_t room);

/*
 * db_append(q, none, out, e):
 * Step, append column 0 (bytes or text) of the row to ${out}, and reset. Return ERR_OK; ${none}
 * when there is no row; or a failure with ${out} unchanged.
 */
int db_append(struct db_query *q, int none, struct buf *out, struct err *e);

/*
 * db_damaged(db, e, fmt, ...):
 * A text that says what is wrong in the file. Return ERR_CORRUPT, seen by every caller to be no
 * success (err_failure).
 */
int db_damaged(const struct db *db, struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#define db_damaged(...) err_failure(db_damaged(__VA_ARGS__))

/* db_need_transaction(db, e): ERR_OK inside db_begin and db_commit, else ERR_BUG. */
int db_need_transaction(const struct db *db, struct err *e);

#endif
