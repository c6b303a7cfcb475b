/* SQLite statements and transactions: the contracts are in db.h. */
#include "catalog/db.h"

#include "catalog/db_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char BEGIN_SQL[] = "BEGIN IMMEDIATE";
static const char COMMIT_SQL[] = "COMMIT";
static const char ROLLBACK_SQL[] = "ROLLBACK";
static const char GENERATION_SQL[] = "PRAGMA data_version";

/* ---- errors ---- */

/*
 * A file that cannot be opened: missing, or the system's reason. When it is there and the system
 * still missed a file, that is the one that SQLite keeps beside it, which a process that is
 * confined cannot make: the first to open the database has to be another.
 */
static int
db_fail_open(const char *path, int errnum, struct err *e)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return err_system(e, errno, "cannot open %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_CORRUPT, "%s is not a file", path);
	if (errnum == ENOENT)
		return err_set(e, ERR_DENIED,
		    "cannot open %s: the file that SQLite needs beside it cannot be made here",
		    path);
	if (errnum != 0)
		return err_system(e, errnum, "cannot open %s", path);
	return err_set(e, ERR_IO, "cannot open %s", path);
}

/* A read or write that failed. Only some of the system's reasons have a code of their own here. */
static int
db_fail_io(const char *path, int extended, int errnum, const char *text, struct err *e)
{
	int code;

	if (extended == SQLITE_IOERR_NOMEM)
		return err_nomem(e);
	if (extended == SQLITE_IOERR_CORRUPTFS || extended == SQLITE_IOERR_DATA)
		return err_set(e, ERR_CORRUPT, "%s is damaged: %s", path, text);
	if (errnum == 0)
		return err_set(e, ERR_IO, "%s: %s", path, text);
	code = err_system(e, errnum, "%s: %s", path, text);
	if (code == ERR_NOSPACE || code == ERR_DENIED || code == ERR_READONLY || code == ERR_NOMEM)
		return code;
	if (e != NULL)
		e->code = ERR_IO;
	return ERR_IO;
}

/*
 * SQLite's answer ${rc} as a code. SQLITE_ERROR is damage: the statements are right, so when one
 * cannot be prepared the tables are not those of the schema.
 */
int
db_fail(const struct db *db, int rc, struct err *e)
{
	const char *text = sqlite3_extended_errcode(db->sqlite) == rc ? sqlite3_errmsg(db->sqlite)
								      : sqlite3_errstr(rc);

	switch (rc & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_ERROR:
	case SQLITE_MISMATCH:
	case SQLITE_NOTADB:
	case SQLITE_SCHEMA:
		return db_damaged(db, e, "%s", text);
	case SQLITE_FULL:
		return err_set(e, ERR_NOSPACE, "%s: no space left", db->path);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return err_set(e, ERR_BUSY, "%s is in use by another process", db->path);
	case SQLITE_READONLY:
		return err_set(e, ERR_READONLY, "%s can only be read here", db->path);
	case SQLITE_AUTH:
	case SQLITE_PERM:
		return err_set(e, ERR_DENIED, "%s: %s", db->path, text);
	case SQLITE_CANTOPEN:
		return db_fail_open(db->path, sqlite3_system_errno(db->sqlite), e);
	case SQLITE_NOMEM:
		return err_nomem(e);
	case SQLITE_TOOBIG:
		return err_set(e, ERR_LIMIT, "%s: a value is too large", db->path);
	case SQLITE_INTERRUPT:
		return err_set(e, ERR_INTR, "%s: interrupted", db->path);
	case SQLITE_CONSTRAINT:
		if (rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_UNIQUE)
			return err_set(e, ERR_EXISTS, "%s: it is there already", db->path);
		if (rc == SQLITE_CONSTRAINT_DATATYPE)
			return db_damaged(db, e, "%s", text);
		return err_set(e, ERR_BUG, "%s: %s", db->path, text);
	case SQLITE_IOERR:
		return db_fail_io(db->path, rc, sqlite3_system_errno(db->sqlite), text, e);
	default:
		return err_set(e, ERR_BUG, "%s: %s", db->path, text);
	}
}

#undef db_damaged
int
db_damaged(const struct db *db, struct err *e, const char *fmt, ...)
{
	struct err what = {0};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what.text, sizeof(what.text), fmt, ap);
	va_end(ap);
	return err_set(e, ERR_CORRUPT, "%s is damaged: %s", db->path, what.text);
}

/* ---- statements ---- */

/*
 * The slot of a statement: open addressing by the address of its SQL. Addresses of constants differ
 * and stay, so nothing has to be compared or numbered.
 */
static struct db_query *
db_slot(struct db *db, const char *sql)
{
	size_t at = (size_t)((uintptr_t)sql >> 3) * 0x9e3779b1u;

	for (size_t i = 0; i < DB_STATEMENTS; i++) {
		struct db_query *q = &db->statements[(at + i) % DB_STATEMENTS];
		if (q->sql == sql)
			return q;
		if (q->sql == NULL) {
			q->sql = sql;
			return q;
		}
	}
	return &db->spare;
}

struct db_query *
db_query(struct db *db, const char *sql)
{
	struct db_query *q = db_slot(db, sql);

	q->db = db;
	q->failed = q == &db->spare ? SQLITE_INTERNAL : SQLITE_OK;
	if (q->stmt == NULL && q->failed == SQLITE_OK)
		q->failed = sqlite3_prepare_v3(
		    db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &q->stmt, NULL);
	return q;
}

void
db_bind_int(struct db_query *q, int at, int64_t v)
{
	if (q->failed == SQLITE_OK)
		q->failed = sqlite3_bind_int64(q->stmt, at, v);
}

void
db_bind_count(struct db_query *q, int at, uint64_t v)
{
	if (v > INT64_MAX && q->failed == SQLITE_OK)
		q->failed = SQLITE_TOOBIG;
	db_bind_int(q, at, (int64_t)v);
}

void
db_bind_text(struct db_query *q, int at, const char *text)
{
	if (q->failed == SQLITE_OK)
		q->failed = sqlite3_bind_text(q->stmt, at, text, -1, SQLITE_STATIC);
}

/* An address of NULL would bind NULL, so nothing at all has to be some empty thing. */
void
db_bind_bytes(struct db_query *q, int at, const void *data, size_t len)
{
	if (q->failed == SQLITE_OK)
		q->failed = sqlite3_bind_blob64(
		    q->stmt, at, len > 0 ? data : "", (sqlite3_uint64)len, SQLITE_STATIC);
}

void
db_bind_string(struct db_query *q, int at, const void *data, size_t len)
{
	if (q->failed == SQLITE_OK)
		q->failed = sqlite3_bind_text64(q->stmt, at, len > 0 ? data : "",
		    (sqlite3_uint64)len, SQLITE_STATIC, SQLITE_UTF8);
}

void
db_note(struct db *db, int rc)
{
	if ((rc & 0xff) == SQLITE_IOERR)
		db->failed = true;
}

int
db_step(struct db_query *q, struct err *e)
{
	if (q->failed == SQLITE_OK) {
		int rc = sqlite3_step(q->stmt);
		db_note(q->db, rc);
		if (rc == SQLITE_ROW)
			return ERR_OK;
		if (rc == SQLITE_DONE)
			return ERR_END;
		q->failed = rc;
	}
	return db_fail(q->db, q->failed, e);
}

void
db_reset(struct db_query *q)
{
	if (q->stmt == NULL)
		return;
	sqlite3_reset(q->stmt);
	sqlite3_clear_bindings(q->stmt);
}

int
db_run(struct db_query *q, int64_t *changes, struct err *e)
{
	int rc;

	while ((rc = db_step(q, e)) == ERR_OK)
		continue;
	if (rc == ERR_END && changes != NULL)
		*changes = sqlite3_changes64(q->db->sqlite);
	db_reset(q);
	return rc == ERR_END ? ERR_OK : rc;
}

int
db_found(struct db_query *q, struct err *e)
{
	int rc = db_step(q, e);

	db_reset(q);
	return rc == ERR_END ? ERR_ABSENT : rc;
}

int64_t
db_last_id(const struct db *db)
{
	return sqlite3_last_insert_rowid(db->sqlite);
}

/* ---- columns ---- */

bool
db_int(const struct db_query *q, int col, int64_t min, int64_t max, int64_t *out)
{
	int64_t v;

	if (sqlite3_column_type(q->stmt, col) != SQLITE_INTEGER)
		return false;
	v = sqlite3_column_int64(q->stmt, col);
	if (v < min || v > max)
		return false;
	*out = v;
	return true;
}

bool
db_count(const struct db_query *q, int col, uint64_t max, uint64_t *out)
{
	int64_t v;

	if (!db_int(q, col, 0, max < INT64_MAX ? (int64_t)max : INT64_MAX, &v))
		return false;
	*out = (uint64_t)v;
	return true;
}

/* Text too is read as bytes: that never converts and never allocates. */
bool
db_bytes(const struct db_query *q, int col, size_t max, const uint8_t **data, size_t *len)
{
	int type = sqlite3_column_type(q->stmt, col);
	const uint8_t *p;
	size_t n;

	if (type != SQLITE_BLOB && type != SQLITE_TEXT)
		return false;
	p = sqlite3_column_blob(q->stmt, col);
	n = (size_t)sqlite3_column_bytes(q->stmt, col);
	if (n > max || (n > 0 && p == NULL))
		return false;
	*data = p;
	*len = n;
	return true;
}

bool
db_text(const struct db_query *q, int col, char *out, size_t room)
{
	const uint8_t *p;
	size_t n;

	if (!db_bytes(q, col, room - 1, &p, &n) || (n > 0 && memchr(p, '\0', n) != NULL))
		return false;
	if (n > 0)
		memcpy(out, p, n);
	out[n] = '\0';
	return true;
}

int
db_append(struct db_query *q, int none, struct buf *out, struct err *e)
{
	const uint8_t *p;
	size_t n;
	int rc = db_step(q, e);

	if (rc == ERR_OK && !db_bytes(q, 0, SIZE_MAX, &p, &n))
		rc = db_damaged(q->db, e, "a text is missing");
	else if (rc == ERR_OK && buf_append(out, p, n) != ERR_OK)
		rc = err_nomem(e);
	db_reset(q);
	return rc == ERR_END ? none : rc;
}

/* ---- transactions ---- */

int
db_exec(struct db *db, const char *sql, struct err *e)
{
	int rc = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);

	db_note(db, rc);
	return rc == SQLITE_OK ? ERR_OK : db_fail(db, rc, e);
}

bool
db_in_transaction(const struct db *db)
{
	return sqlite3_get_autocommit(db->sqlite) == 0;
}

int
db_need_transaction(const struct db *db, struct err *e)
{
	if (!db_in_transaction(db))
		return err_set(e, ERR_BUG, "%s: a transaction is needed here", db->path);
	return ERR_OK;
}

/* SQLite takes a change of this only outside transactions, and when it compiles the pragma. */
static int
db_synchronous(struct db *db, bool full, struct err *e)
{
	int rc;

	if (db->full == full)
		return ERR_OK;
	rc = db_exec(db, full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", e);
	if (rc == ERR_OK)
		db->full = full;
	return rc;
}

int
db_begin(struct db *db, bool durable, struct err *e)
{
	int rc = ERR_OK;

	if (db_in_transaction(db))
		return err_set(e, ERR_BUG, "%s: already in a transaction", db->path);
	if (db->failed)
		rc = db_renew(db, e);
	if (rc == ERR_OK)
		rc = db_synchronous(db, durable || db->schema->durable, e);
	return rc == ERR_OK ? db_run(db_query(db, BEGIN_SQL), NULL, e) : rc;
}

/*
 * A commit whose sync failed is taken back, but stands in the log to its end, where whoever opens
 * the database next would find it: write something over it that changes nothing. When that fails
 * too it may be found all the same.
 */
static void
db_bury(struct db *db)
{
	int64_t version = 0;
	char sql[64];

	if (db_number(db, "PRAGMA user_version", &version, NULL) != ERR_OK)
		return;
	snprintf(sql, sizeof(sql), "PRAGMA user_version=%lld", (long long)version);
	db_exec(db, sql, NULL);
}

int
db_commit(struct db *db, struct err *e)
{
	int rc = db_need_transaction(db, e);

	if (rc == ERR_OK)
		rc = db_run(db_query(db, COMMIT_SQL), NULL, e);
	if (rc != ERR_OK)
		db_rollback(db);
	if (rc != ERR_OK && db->failed)
		db_bury(db);
	return rc;
}

/* SQLite itself has rolled back after some failures (disk full, out of memory). */
void
db_rollback(struct db *db)
{
	if (db_in_transaction(db))
		db_run(db_query(db, ROLLBACK_SQL), NULL, NULL);
}

static const char SAVEPOINT_SQL[] = "SAVEPOINT part";
static const char RELEASE_SQL[] = "RELEASE part";
static const char TAKE_BACK_SQL[] = "ROLLBACK TO part";

int
db_savepoint(struct db *db, struct err *e)
{
	return db_run(db_query(db, SAVEPOINT_SQL), NULL, e);
}

int
db_savepoint_end(struct db *db, int rc, struct err *e)
{
	int ended = ERR_OK;

	if (!db_in_transaction(db))
		return rc;
	if (rc != ERR_OK)
		ended = db_run(db_query(db, TAKE_BACK_SQL), NULL, NULL);
	if (ended == ERR_OK)
		ended = db_run(db_query(db, RELEASE_SQL), NULL, rc == ERR_OK ? e : NULL);
	return rc != ERR_OK ? rc : ended;
}

int
db_without_foreign_keys(struct db *db, struct err *e)
{
	return db_exec(db, "PRAGMA foreign_keys=OFF", e);
}

int
db_moved(struct db *db, bool *out, struct err *e)
{
	int moved = 0;
	int rc = sqlite3_file_control(db->sqlite, "main", SQLITE_FCNTL_HAS_MOVED, &moved);

	if (rc != SQLITE_OK)
		return db_fail(db, rc, e);
	*out = moved != 0;
	return ERR_OK;
}

/*
 * The write-ahead log, as SQLite has it open once the database has been read; NULL: there is none.
 * Return SQLite's answer.
 */
static int
db_log(const struct db *db, sqlite3_file **out)
{
	sqlite3_file *wal = NULL;
	int rc = sqlite3_file_control(db->sqlite, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);

	*out = rc == SQLITE_OK && wal != NULL && wal->pMethods != NULL ? wal : NULL;
	return rc;
}

/*
 * Syncing the write-ahead log is all that makes a commit under FULL different from one under
 * NORMAL. The log is one file that grows in commit order, so this sync also takes along all commits
 * before the last one; those that are not in it any more were synced into the database when it was
 * started over. After a failed sync the pages may be lost although they can still be read: the
 * caller must give up what it was doing.
 */
int
db_sync(struct db *db, struct err *e)
{
	sqlite3_file *wal;
	int rc = db_log(db, &wal);

	if (wal != NULL)
		rc = wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL);
	db_note(db, rc);
	return rc == SQLITE_OK ? ERR_OK : db_fail(db, rc, e);
}

/* Write every byte of ${wal} again and sync it; SQLite's answer. */
static int
db_rewrite(sqlite3_file *wal)
{
	uint8_t part[16384];
	sqlite3_int64 size = 0;
	int rc = wal->pMethods->xFileSize(wal, &size);

	for (sqlite3_int64 off = 0; off < size && rc == SQLITE_OK; off += (int)sizeof(part)) {
		sqlite3_int64 left = size - off;
		int n = left < (int)sizeof(part) ? (int)left : (int)sizeof(part);
		rc = wal->pMethods->xRead(wal, part, n, off);
		if (rc == SQLITE_OK)
			rc = wal->pMethods->xWrite(wal, part, n, off);
	}
	return rc == SQLITE_OK ? wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL) : rc;
}

/*
 * A page whose way to the disk has failed can be read as if nothing had happened, and no later sync
 * says a word of it (fsync(2)): it has to be written again. While the write lock is held nobody
 * else changes the log.
 */
int
db_renew(struct db *db, struct err *e)
{
	sqlite3_file *wal;
	sqlite3_int64 size = 0;
	int rc = db_log(db, &wal);

	if (wal != NULL)
		rc = wal->pMethods->xFileSize(wal, &size);
	if (rc != SQLITE_OK)
		return db_fail(db, rc, e);
	if (size == 0)
		return ERR_OK;
	rc = db_run(db_query(db, BEGIN_SQL), NULL, e);
	if (rc != ERR_OK)
		return rc;
	rc = db_rewrite(wal);
	db_rollback(db);
	db->failed = rc != SQLITE_OK;
	return rc == SQLITE_OK ? ERR_OK : db_fail(db, rc, e);
}

/* The one number of the one row of a pragma. */
int
db_number(struct db *db, const char *sql, int64_t *out, struct err *e)
{
	struct db_query *q = db_query(db, sql);
	int rc = db_step(q, e);

	if (rc == ERR_END || (rc == ERR_OK && !db_int(q, 0, INT64_MIN, INT64_MAX, out)))
		rc = db_damaged(db, e, "%s has no answer", sql);
	db_reset(q);
	return rc;
}

int
db_generation(struct db *db, uint64_t *out, struct err *e)
{
	int64_t v = 0;
	int rc = db_number(db, GENERATION_SQL, &v, e);

	if (rc == ERR_OK)
		*out = (uint64_t)v;
	return rc;
}

int
db_prepare_ends(struct db *db, struct err *e)
{
	static const char *const ends[] = {BEGIN_SQL, COMMIT_SQL, ROLLBACK_SQL};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct db_query *q = db_query(db, ends[i]);
		if (q->failed != SQLITE_OK)
			return db_fail(db, q->failed, e);
	}
	return ERR_OK;
}
