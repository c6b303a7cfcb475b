/* Opening and making SQLite databases: the contracts are in db.h. */
#include "catalog/db.h"

#include "catalog/db_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define DB_BUSY_MS 60000         /* wait for other writers: one may be storing a large payload */
#define DB_VALUE_MAX (64 << 20)  /* bytes of one value, whatever a crafted file asks for */
#define DB_LOG_MAX (64 << 20)    /* bytes of the log that stay on disk for the next use */
#define DB_LOG_PAGES 1000        /* pages of the log after which a commit merges it */
#define DB_READ_CACHE_KIB 2048   /* pages kept by a connection that reads */
#define DB_WRITE_CACHE_KIB 32768 /* and by one that writes */

static const char APPLICATION_SQL[] = "PRAGMA application_id";
static const char VERSION_SQL[] = "PRAGMA user_version";
static const char JOURNAL_SQL[] = "PRAGMA journal_mode=WAL";
static const char ATTACH_SQL[] = "ATTACH ?1 AS old";

/* ---- opening ---- */

/* ${path} as a file: URI that says that nobody changes the file. */
static char *
db_immutable_uri(const char *path)
{
	struct buf uri = {0};
	int rc = buf_puts(&uri, "file:");

	for (const char *p = path; *p != '\0' && rc == ERR_OK; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			     (*p >= '-' && *p <= '9') || *p == '_';
		rc = plain ? buf_putc(&uri, (uint8_t)*p)
			   : buf_printf(&uri, "%%%02x", (unsigned)(uint8_t)*p);
	}
	if (rc == ERR_OK)
		rc = buf_puts(&uri, "?immutable=1");
	if (rc != ERR_OK || buf_str(&uri) == NULL) {
		buf_finish(&uri);
		return NULL;
	}
	return (char *)uri.data;
}

/*
 * Whether nobody can change what is at ${path}: it is on a read-only file system, or in a directory
 * that nobody, not even its owner, may write to.
 */
static bool
db_frozen(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *directory = slash == NULL   ? strdup(".")
			  : slash == path ? strdup("/")
					  : strndup(path, (size_t)(slash - path));
	struct statvfs fs;
	struct stat st;
	bool frozen = statvfs(path, &fs) == 0 && (fs.f_flag & ST_RDONLY) != 0;

	/* Whoever has all rights may write there all the same. */
	if (!frozen && directory != NULL && stat(directory, &st) == 0)
		frozen = (st.st_mode & (S_IWUSR | S_IWGRP | S_IWOTH)) == 0 &&
			 faccessat(AT_FDCWD, directory, W_OK, AT_EACCESS) != 0;
	free(directory);
	return frozen;
}

/*
 * Where a database is frozen the shared memory beside it cannot be made, so it is opened as a file
 * that nobody changes; commits that still are in the log would be overlooked. Return ERR_OK and set
 * ${uri}, to be freed; ERR_READONLY when there are such; ERR_NOMEM.
 */
static int
db_frozen_uri(const char *path, char **uri, struct err *e)
{
	char *wal = NULL;
	struct stat st;
	int rc = ERR_OK;

	if (asprintf(&wal, "%s-wal", path) < 0)
		return err_nomem(e);
	if (stat(wal, &st) == 0 && st.st_size > 0)
		rc = err_set(e, ERR_READONLY,
		    "%s cannot be written, and %s still holds changes of it; use a copy of the "
		    "repository that can be written",
		    path, wal);
	free(wal);
	if (rc != ERR_OK)
		return rc;
	*uri = db_immutable_uri(path);
	return *uri != NULL ? ERR_OK : err_nomem(e);
}

static int
db_connect_frozen(struct db *db, struct err *e)
{
	int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI;
	char *uri;
	int opened, rc = db_frozen_uri(db->path, &uri, e);

	if (rc != ERR_OK)
		return rc;
	opened = sqlite3_open_v2(uri, &db->sqlite, flags, NULL);
	free(uri);
	return opened == SQLITE_OK ? ERR_OK : db_fail(db, opened, e);
}

/*
 * A connection that only looks is opened for writing too, with query_only set: only such a one can
 * recover the log after a crash, and merge it and take it away when it is the last to close. SQLite
 * opens a file that may only be read for reading by itself.
 */
static int
db_connect(struct db *db, struct err *e)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
	int rc;

	if (!db->writable && db_frozen(db->path))
		return db_connect_frozen(db, e);
	rc = sqlite3_open_v2(db->path, &db->sqlite, flags, NULL);
	if (rc != SQLITE_OK)
		return db_fail(db, rc, e);
	if (db->writable && sqlite3_db_readonly(db->sqlite, "main") == 1)
		return db_fail(db, SQLITE_READONLY, e);
	return ERR_OK;
}

/*
 * Merge the log into the file. When a sync has failed, what it was to bring to disk may be lost,
 * and the next sync says nothing of it: parts of the log would be gone that the file was made from,
 * and after a loss of power the rest would be laid over it. So a connection that has seen a failure
 * leaves the log as it is until it has written it again (db_renew). Return SQLite's answer.
 */
static int
db_merge(struct db *db, int mode)
{
	int rc = SQLITE_OK;

	if (!db->failed)
		rc = sqlite3_wal_checkpoint_v2(db->sqlite, "main", mode, NULL, NULL);
	db_note(db, rc);
	return rc;
}

/* After each commit. SQLite's own hook does not look whether merging failed. */
static int
db_committed(void *arg, sqlite3 *sqlite, const char *name, int pages)
{
	struct db *db = arg;

	(void)sqlite;
	if (pages >= DB_LOG_PAGES && strcmp(name, "main") == 0)
		db_merge(db, SQLITE_CHECKPOINT_PASSIVE);
	return SQLITE_OK;
}

/* What holds for every connection. Nothing in a database may run by itself: no triggers, no views.
 */
static int
db_configure(struct db *db, struct err *e)
{
	char pragmas[256];
	sqlite3 *s = db->sqlite;

	sqlite3_extended_result_codes(s, 1);
	sqlite3_busy_timeout(s, DB_BUSY_MS);
	sqlite3_limit(s, SQLITE_LIMIT_LENGTH, DB_VALUE_MAX);
	sqlite3_db_config(s, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(s, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(s, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(s, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_wal_hook(s, db_committed, db);
	snprintf(pragmas, sizeof(pragmas),
	    "PRAGMA foreign_keys=ON; PRAGMA cell_size_check=ON; PRAGMA secure_delete=OFF;"
	    "PRAGMA cache_size=-%d; PRAGMA journal_size_limit=%d; PRAGMA synchronous=%s;"
	    "PRAGMA temp_store=%s; PRAGMA query_only=%s",
	    db->writable ? DB_WRITE_CACHE_KIB : DB_READ_CACHE_KIB, DB_LOG_MAX,
	    db->schema->durable ? "FULL" : "NORMAL", db->writable ? "DEFAULT" : "MEMORY",
	    db->writable ? "OFF" : "ON");
	db->full = db->schema->durable;
	return db_exec(db, pragmas, e);
}

static int
db_newer(const struct db *db, int64_t version, struct err *e)
{
	return err_set(e, ERR_VERSION,
	    "%s has schema version %lld, made by a newer thinkback; this one knows %lld", db->path,
	    (long long)version, (long long)db->schema->version);
}

/* Carry out the steps behind the version that the file has, inside a transaction. */
static int
db_climb(struct db *db, struct err *e)
{
	const struct db_schema *schema = db->schema;
	char pragmas[128];
	int64_t from;
	int rc = db_number(db, VERSION_SQL, &from, e);

	if (rc == ERR_OK && from > schema->version)
		rc = db_newer(db, from, e);
	for (size_t i = 0; i < schema->n_steps && rc == ERR_OK; i++)
		if (schema->steps[i].version > from)
			rc = db_exec(db, schema->steps[i].sql, e);
	snprintf(pragmas, sizeof(pragmas), "PRAGMA application_id=%lld; PRAGMA user_version=%lld",
	    (long long)schema->application_id, (long long)schema->version);
	return rc == ERR_OK ? db_exec(db, pragmas, e) : rc;
}

/*
 * Bring the schema up to ours, all steps or none. Another process may have been faster, so the
 * version that counts is the one seen under the write lock.
 */
static int
db_migrate(struct db *db, struct err *e)
{
	int rc = db_begin(db, true, e);

	if (rc != ERR_OK)
		return rc;
	rc = db_climb(db, e);
	if (rc == ERR_OK)
		rc = db_commit(db, e);
	if (rc != ERR_OK)
		db_rollback(db);
	return rc;
}

/* Look whether it is ours and of a version that can be used, maybe ${older} than ours. */
static int
db_identify(struct db *db, bool *older, struct err *e)
{
	const struct db_schema *schema = db->schema;
	int64_t id, version;
	int rc = db_number(db, APPLICATION_SQL, &id, e);

	if (rc == ERR_OK)
		rc = db_number(db, VERSION_SQL, &version, e);
	if (rc != ERR_OK)
		return rc;
	if (id != schema->application_id || version < 1)
		return err_set(e, ERR_CORRUPT, "%s is not a thinkback %s", db->path, schema->what);
	if (version > schema->version)
		return db_newer(db, version, e);
	*older = version < schema->version;
	if (*older && !db->writable)
		return err_set(e, ERR_VERSION,
		    "%s has the older schema version %lld; a command that writes to the repository "
		    "(thinkback snapshot) brings it up to %lld",
		    db->path, (long long)version, (long long)schema->version);
	return ERR_OK;
}

/* The log is what lets readers and the writer not wait for each other: nothing else will do. */
static int
db_use_wal(struct db *db, struct err *e)
{
	struct db_query *q = db_query(db, JOURNAL_SQL);
	char mode[16] = "";
	int rc = db_step(q, e);

	if (rc == ERR_END || (rc == ERR_OK && !db_text(q, 0, mode, sizeof(mode))))
		mode[0] = '\0';
	db_reset(q);
	if (rc == ERR_OK && strcmp(mode, "wal") != 0)
		return err_set(e, ERR_IO,
		    "%s: the file system does not take a write-ahead log; a repository needs a "
		    "local one",
		    db->path);
	return rc;
}

static int
db_allocate(
    const char *path, const struct db_schema *schema, bool writable, struct db **out, struct err *e)
{
	struct db *db = calloc(1, sizeof(*db));

	if (db == NULL)
		return err_nomem(e);
	db->schema = schema;
	db->writable = writable;
	db->path = strdup(path);
	if (db->path == NULL) {
		free(db);
		return err_nomem(e);
	}
	*out = db;
	return ERR_OK;
}

int
db_open(
    const char *path, const struct db_schema *schema, bool writable, struct db **out, struct err *e)
{
	struct db *db;
	bool older = false;
	int rc = db_allocate(path, schema, writable, &db, e);

	if (rc != ERR_OK)
		return rc;
	rc = db_connect(db, e);
	if (rc == ERR_OK)
		rc = db_configure(db, e);
	if (rc == ERR_OK)
		rc = db_prepare_ends(db, e);
	if (rc == ERR_OK)
		rc = db_identify(db, &older, e);
	/* A log that is there was left by a process that was killed or failed, or is another's. */
	if (rc == ERR_OK && writable)
		rc = db_renew(db, e);
	if (rc == ERR_OK && older)
		rc = db_migrate(db, e);
	if (rc == ERR_OK && writable)
		rc = db_use_wal(db, e);
	if (rc != ERR_OK) {
		db_close(db);
		return rc;
	}
	*out = db;
	return ERR_OK;
}

/* SQLite makes such a file for the empty name. */
int
db_scratch(const struct db_schema *schema, struct db **out, struct err *e)
{
	struct db *db;
	int flags =
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI;
	int rc = db_allocate("the database to compare with", schema, true, &db, e);

	if (rc != ERR_OK)
		return rc;
	rc = sqlite3_open_v2("", &db->sqlite, flags, NULL);
	rc = rc == SQLITE_OK ? db_configure(db, e) : db_fail(db, rc, e);
	if (rc == ERR_OK)
		rc = db_prepare_ends(db, e);
	if (rc == ERR_OK)
		rc = db_migrate(db, e);
	if (rc != ERR_OK) {
		db_close(db);
		return rc;
	}
	*out = db;
	return ERR_OK;
}

int
db_attach(struct db *db, const char *path, struct err *e)
{
	struct db_query *q = db_query(db, ATTACH_SQL);
	char *uri = NULL;
	int rc = db_frozen(path) ? db_frozen_uri(path, &uri, e) : ERR_OK;

	if (rc == ERR_OK) {
		db_bind_text(q, 1, uri != NULL ? uri : path);
		rc = db_run(q, NULL, e);
	}
	free(uri);
	return rc;
}

int
db_merge_log(const char *path, struct err *e)
{
	static const struct db_schema any = {.what = "database"};
	struct db *db;
	int rc = db_allocate(path, &any, true, &db, e);

	if (rc != ERR_OK)
		return rc;
	rc = db_connect(db, e);
	if (rc == ERR_OK)
		rc = db_configure(db, e);
	if (rc == ERR_OK) {
		int merged = db_merge(db, SQLITE_CHECKPOINT_TRUNCATE);
		rc = merged == SQLITE_OK ? ERR_OK : db_fail(db, merged, e);
	}
	db_close(db);
	return rc;
}

/* Merging the log is no duty: whoever is the last to close does it, or the next writer. Emptying it
 * is for a worker, which is confined and can take no file away. */
void
db_close(struct db *db)
{
	if (db == NULL)
		return;
	if (db->sqlite != NULL) {
		db_rollback(db);
		for (size_t i = 0; i < DB_STATEMENTS; i++)
			sqlite3_finalize(db->statements[i].stmt);
		sqlite3_busy_timeout(db->sqlite, 0);
		if (db->writable)
			db_merge(db, SQLITE_CHECKPOINT_TRUNCATE);
		if (db->failed)
			sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		sqlite3_close(db->sqlite);
	}
	free(db->path);
	free(db);
}

/* ---- creating ---- */

/* The file itself, so that its mode (which the log and the shared memory inherit) is ours. */
static int
db_create_file(const char *path, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc = ERR_OK;

	if (fd < 0)
		return err_system(e, errno, "cannot make %s", path);
	if (fchmod(fd, 0600) != 0) {
		rc = err_system(e, errno, "cannot set the mode of %s", path);
		unlink(path);
	}
	close(fd);
	return rc;
}

static void
db_remove(const char *path)
{
	static const char *const tails[] = {"", "-wal", "-shm", "-journal"};

	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		char *name;
		if (asprintf(&name, "%s%s", path, tails[i]) < 0)
			continue;
		unlink(name);
		free(name);
	}
}

int
db_create(const char *path, const struct db_schema *schema, struct err *e)
{
	struct db *db = NULL;
	int rc = db_create_file(path, e);

	if (rc != ERR_OK)
		return rc;
	rc = db_allocate(path, schema, true, &db, e);
	if (rc == ERR_OK)
		rc = db_connect(db, e);
	if (rc == ERR_OK)
		rc = db_configure(db, e);
	if (rc == ERR_OK)
		rc = db_prepare_ends(db, e);
	if (rc == ERR_OK)
		rc = db_use_wal(db, e);
	if (rc == ERR_OK)
		rc = db_migrate(db, e);
	db_close(db);
	if (rc != ERR_OK)
		db_remove(path);
	return rc;
}
