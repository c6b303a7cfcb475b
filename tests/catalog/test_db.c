/*
 * Tests of catalog/db.c and db_open.c: opening, SQLite's answers as codes, what is synced when.
 * statvfs, pwrite64, fsync and fdatasync are replaced by ones of this file, also for the SQLite
 * library.
 */
#include "tests/support/test.h"

#include "catalog/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool read_only_fs; /* statvfs says that the file system is read-only */
static unsigned syncs;    /* calls of fsync and fdatasync */
static bool sync_fails;   /* they fail */
static uint64_t written;  /* bytes, by pwrite64 */

int
statvfs(const char *path, struct statvfs *out)
{
	(void)path;
	memset(out, 0, sizeof(*out));
	out->f_flag = read_only_fs ? ST_RDONLY : 0;
	return 0;
}

ssize_t
pwrite64(int fd, const void *data, size_t len, off_t off)
{
	written += len;
	return syscall(SYS_pwrite64, fd, data, len, off);
}

static int
count_sync(int fd, long number)
{
	syncs++;
	if (sync_fails) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(number, fd);
}

int
fsync(int fd)
{
	return count_sync(fd, SYS_fsync);
}

int
fdatasync(int fd)
{
	return count_sync(fd, SYS_fdatasync);
}

/* ---- a kind of database for tests, in two versions ---- */

static const struct db_step STEPS[] = {
    {1, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, n INTEGER CHECK (n < 10),"
	" data BLOB) STRICT; CREATE TABLE child (t INTEGER REFERENCES t (id)) STRICT"},
    {2, "ALTER TABLE t ADD COLUMN added INTEGER"},
    {2, "CREATE TABLE u (id INTEGER PRIMARY KEY) STRICT"},
};
static const struct db_step BROKEN[] = {
    {1, ""},
    {2, "CREATE TABLE u (id INTEGER PRIMARY KEY) STRICT"},
    {2, "CREATE TABLE t (twice INTEGER) STRICT"},
};

static const struct db_schema OLD = {"test", 4711, 1, STEPS, 1, false};
static const struct db_schema NEW = {"test", 4711, 2, STEPS, 3, false};
static const struct db_schema FAULTY = {"test", 4711, 2, BROKEN, 3, false};
static const struct db_schema OTHER = {"other", 4712, 1, STEPS, 1, false};
static const struct db_schema DURABLE = {"test", 4711, 1, STEPS, 1, true};

static const char INSERT_SQL[] = "INSERT INTO t (id, name, n, data) VALUES (?1, ?2, ?3, ?4)";
static const char SELECT_SQL[] = "SELECT id, name, n, data FROM t ORDER BY id";

struct place {
	char *dir;      /* temporary directory */
	char path[512]; /* of the database in it */
	struct db *db;  /* open, or NULL */
	struct err e;   /* for the calls of a test */
};

static int
setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->dir = test_dir();
	snprintf(p->path, sizeof(p->path), "%s/a %% ?#&=+~\303\251.db", p->dir);
	read_only_fs = false;
	sync_fails = false;
	assert_err(db_create(p->path, &OLD, &p->e), ERR_OK, &p->e);
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	struct place *p = *state;

	db_close(p->db);
	test_dir_remove(p->dir);
	free(p);
	return 0;
}

static void
open_again(struct place *p, const struct db_schema *schema, bool writable)
{
	db_close(p->db);
	p->db = NULL;
	assert_err(db_open(p->path, schema, writable, &p->db, &p->e), ERR_OK, &p->e);
}

static int
insert(struct place *p, int64_t id, const char *name, int64_t n)
{
	struct db_query *q = db_query(p->db, INSERT_SQL);

	db_bind_int(q, 1, id);
	db_bind_text(q, 2, name);
	db_bind_int(q, 3, n);
	db_bind_bytes(q, 4, NULL, 0);
	return db_run(q, NULL, &p->e);
}

static void
run_sql(const struct place *p, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static bool
exists(const struct place *p, const char *tail)
{
	char path[600];
	struct stat st;

	snprintf(path, sizeof(path), "%s%s", p->path, tail);
	return stat(path, &st) == 0;
}

/* ---- making and opening ---- */

static void
db_create__private_and_never_over_a_file(void **state)
{
	struct place *p = *state;
	struct stat st;
	mode_t old = umask(0777);

	unlink(p->path);
	assert_err(db_create(p->path, &OLD, &p->e), ERR_OK, &p->e);
	umask(old);
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_err(db_create(p->path, &OLD, &p->e), ERR_EXISTS, &p->e);
	assert_true(exists(p, ""));
	/* The log inherits the mode. */
	open_again(p, &OLD, true);
	assert_err(insert(p, 1, "a", 1), ERR_OK, &p->e);
	snprintf(p->path + strlen(p->path), 10, "-wal");
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void
db_create__leaves_nothing_after_a_failure(void **state)
{
	struct place *p = *state;

	unlink(p->path);
	assert_err(db_create(p->path, &FAULTY, &p->e), ERR_OK, &p->e);
	unlink(p->path);
	sync_fails = true;
	assert_err(db_create(p->path, &OLD, &p->e), ERR_IO, &p->e);
	assert_non_null(strstr(p->e.text, p->path));
	sync_fails = false;
	assert_false(exists(p, ""));
	assert_false(exists(p, "-wal"));
	assert_false(exists(p, "-shm"));
}

static void
db_open__absent_damaged_and_other_files(void **state)
{
	struct place *p = *state;
	char path[600];
	struct db *db = NULL;

	for (int writable = 0; writable < 2; writable++) {
		snprintf(path, sizeof(path), "%s/none", p->dir);
		assert_err(db_open(path, &OLD, writable, &db, &p->e), ERR_ABSENT, &p->e);
		assert_non_null(strstr(p->e.text, path));
		assert_err(db_open(p->dir, &OLD, writable, &db, &p->e), ERR_CORRUPT, &p->e);
		assert_err(db_open(p->path, &OTHER, writable, &db, &p->e), ERR_CORRUPT, &p->e);
		assert_non_null(strstr(p->e.text, "not a thinkback other"));
		snprintf(path, sizeof(path), "%s/empty", p->dir);
		test_write_file(path, "", 0);
		assert_err(db_open(path, &OLD, writable, &db, &p->e), ERR_CORRUPT, &p->e);
		snprintf(path, sizeof(path), "%s/text", p->dir);
		test_write_file(path, "This is no database at all, but it is long enough.", 50);
		assert_err(db_open(path, &OLD, writable, &db, &p->e), ERR_CORRUPT, &p->e);
		assert_non_null(strstr(p->e.text, path));
	}
	assert_null(db);
}

static void
db_open__garbage_in_a_page(void **state)
{
	struct place *p = *state;
	char page[4096];
	struct db *db = NULL;
	int fd = open(p->path, O_RDWR);

	/* The first page from behind the file's header on: the list of tables. */
	memset(page, 0xa5, sizeof(page));
	assert_int_equal(pwrite(fd, page, sizeof(page) - 100, 100), sizeof(page) - 100);
	close(fd);
	assert_err(db_open(p->path, &OLD, false, &db, &p->e), ERR_CORRUPT, &p->e);
	assert_err(db_open(p->path, &OLD, true, &db, &p->e), ERR_CORRUPT, &p->e);
	assert_null(db);
}

static void
db_open__newer_version(void **state)
{
	struct place *p = *state;
	struct db *db = NULL;

	run_sql(p, "PRAGMA user_version = 3");
	assert_err(db_open(p->path, &NEW, false, &db, &p->e), ERR_VERSION, &p->e);
	assert_err(db_open(p->path, &NEW, true, &db, &p->e), ERR_VERSION, &p->e);
	assert_non_null(strstr(p->e.text, "newer"));
	run_sql(p, "PRAGMA user_version = 0");
	assert_err(db_open(p->path, &NEW, true, &db, &p->e), ERR_CORRUPT, &p->e);
	run_sql(p, "PRAGMA user_version = -1");
	assert_err(db_open(p->path, &NEW, true, &db, &p->e), ERR_CORRUPT, &p->e);
}

static void
db_open__climbs_from_an_older_version(void **state)
{
	static const char added_sql[] = "SELECT added FROM t";
	struct place *p = *state;
	struct db *db = NULL;

	open_again(p, &OLD, true);
	assert_err(insert(p, 1, "kept", 1), ERR_OK, &p->e);
	assert_err(db_open(p->path, &NEW, false, &db, &p->e), ERR_VERSION, &p->e);
	assert_non_null(strstr(p->e.text, "older"));
	open_again(p, &NEW, true);
	assert_err(db_step(db_query(p->db, added_sql), &p->e), ERR_OK, &p->e);
	db_reset(db_query(p->db, added_sql));
	assert_err(insert(p, 2, "kept", 1), ERR_EXISTS, &p->e);
	open_again(p, &NEW, false);
	db_close(p->db);
	p->db = NULL;
	assert_err(db_open(p->path, &OLD, true, &db, &p->e), ERR_VERSION, &p->e);
}

/* A step that fails takes the steps before it along. */
static void
db_open__a_failed_climb_changes_nothing(void **state)
{
	struct place *p = *state;
	struct db *db = NULL;

	assert_err(db_open(p->path, &FAULTY, true, &db, &p->e), ERR_CORRUPT, &p->e);
	assert_non_null(strstr(p->e.text, "already exists"));
	open_again(p, &OLD, true);
	open_again(p, &NEW, true);
}

static void
db_open__on_a_read_only_file_system(void **state)
{
	struct place *p = *state;
	struct db_query *q;
	char name[8];

	open_again(p, &OLD, true);
	assert_err(insert(p, 1, "one", 1), ERR_OK, &p->e);
	db_close(p->db);
	p->db = NULL;
	read_only_fs = true;
	open_again(p, &OLD, false);
	q = db_query(p->db, SELECT_SQL);
	assert_err(db_step(q, &p->e), ERR_OK, &p->e);
	assert_true(db_text(q, 1, name, sizeof(name)));
	assert_string_equal(name, "one");
	db_reset(q);
	assert_false(exists(p, "-wal"));
	assert_false(exists(p, "-shm"));
	assert_err(insert(p, 2, "two", 1), ERR_READONLY, &p->e);
}

static void
db_open__not_past_a_log_that_cannot_be_read(void **state)
{
	struct place *p = *state;
	struct db *db = NULL;
	char wal[600];

	snprintf(wal, sizeof(wal), "%s-wal", p->path);
	test_write_file(wal, "commits", 7);
	read_only_fs = true;
	assert_err(db_open(p->path, &OLD, false, &db, &p->e), ERR_READONLY, &p->e);
	assert_non_null(strstr(p->e.text, wal));
	test_write_file(wal, "", 0);
	assert_err(db_open(p->path, &OLD, false, &p->db, &p->e), ERR_OK, &p->e);
}

static void
db_close__leaves_the_file_alone_in_the_directory(void **state)
{
	struct place *p = *state;
	struct db *reader = NULL;

	open_again(p, &OLD, true);
	assert_err(db_open(p->path, &OLD, false, &reader, &p->e), ERR_OK, &p->e);
	assert_err(insert(p, 1, "a", 1), ERR_OK, &p->e);
	assert_true(exists(p, "-wal"));
	db_close(p->db);
	p->db = NULL;
	/* The last to close is one that only looked. */
	db_close(reader);
	db_close(NULL);
	assert_false(exists(p, "-wal"));
	assert_false(exists(p, "-shm"));
	open_again(p, &OLD, false);
	assert_err(db_step(db_query(p->db, SELECT_SQL), &p->e), ERR_OK, &p->e);
	db_reset(db_query(p->db, SELECT_SQL));
}

/* ---- answers as codes ---- */

static void
db_step__answers_of_constraints(void **state)
{
	static const char child_sql[] = "INSERT INTO child VALUES (99)";
	struct place *p = *state;

	open_again(p, &OLD, true);
	assert_err(insert(p, 1, "a", 1), ERR_OK, &p->e);
	assert_err(insert(p, 2, "a", 1), ERR_EXISTS, &p->e);
	assert_err(insert(p, 3, "b", 10), ERR_BUG, &p->e);
	assert_err(db_run(db_query(p->db, child_sql), NULL, &p->e), ERR_BUG, &p->e);
	assert_err(insert(p, 4, "c", 1), ERR_OK, &p->e);
}

static void
db_step__writing_where_only_looking_is_allowed(void **state)
{
	struct place *p = *state;

	open_again(p, &OLD, false);
	assert_err(insert(p, 1, "a", 1), ERR_READONLY, &p->e);
	assert_err(db_begin(p->db, false, &p->e), ERR_READONLY, &p->e);
	assert_false(db_in_transaction(p->db));
}

static void
db_query__a_file_without_the_tables(void **state)
{
	static const char missing_sql[] = "SELECT x FROM missing";
	struct place *p = *state;
	struct db_query *q;

	open_again(p, &OLD, true);
	q = db_query(p->db, missing_sql);
	db_bind_int(q, 1, 1);
	db_bind_count(q, 1, UINT64_MAX);
	db_bind_text(q, 1, "x");
	db_bind_bytes(q, 1, "x", 1);
	db_bind_string(q, 1, "x", 1);
	assert_err(db_step(q, &p->e), ERR_CORRUPT, &p->e);
	assert_non_null(strstr(p->e.text, "no such table"));
	db_reset(q);
	assert_err(db_run(db_query(p->db, missing_sql), NULL, &p->e), ERR_CORRUPT, &p->e);
}

static void
db_bind_count__values_too_large(void **state)
{
	struct place *p = *state;
	struct db_query *q;

	open_again(p, &OLD, true);
	q = db_query(p->db, INSERT_SQL);
	db_bind_count(q, 1, (uint64_t)INT64_MAX + 1);
	assert_err(db_run(q, NULL, &p->e), ERR_LIMIT, &p->e);
	q = db_query(p->db, INSERT_SQL);
	db_bind_bytes(q, 4, p, (size_t)1 << 30);
	assert_err(db_run(q, NULL, &p->e), ERR_LIMIT, &p->e);
	q = db_query(p->db, INSERT_SQL);
	db_bind_int(q, 9, 1);
	assert_err(db_run(q, NULL, &p->e), ERR_BUG, &p->e);
	assert_err(insert(p, 1, "a", 1), ERR_OK, &p->e);
}

/* A crafted file cannot make a reader take more memory than that. */
static void
db_step__values_too_large_in_the_file(void **state)
{
	struct place *p = *state;

	open_again(p, &OLD, false);
	assert_err(db_step(db_query(p->db, "SELECT zeroblob(67108865)"), &p->e), ERR_LIMIT, &p->e);
	db_reset(db_query(p->db, "SELECT zeroblob(67108865)"));
}

static void
db_reset__forgets_what_was_bound(void **state)
{
	static const char echo_sql[] = "SELECT ?1";
	struct place *p = *state;
	struct db_query *q;
	int64_t v = 0;

	open_again(p, &OLD, false);
	q = db_query(p->db, echo_sql);
	db_bind_int(q, 1, 5);
	assert_err(db_step(q, &p->e), ERR_OK, &p->e);
	assert_true(db_int(q, 0, 5, 5, &v));
	db_reset(q);
	q = db_query(p->db, echo_sql);
	assert_err(db_step(q, &p->e), ERR_OK, &p->e);
	assert_false(db_int(q, 0, INT64_MIN, INT64_MAX, &v));
	db_reset(q);
}

/* What a crafted file would like to have run: a trigger, and a view in a table's place. */
static void
db_query__nothing_in_a_file_runs_by_itself(void **state)
{
	struct place *p = *state;

	run_sql(p,
	    "CREATE TRIGGER tr AFTER INSERT ON t BEGIN DELETE FROM t; END;"
	    "DROP TABLE child;"
	    "CREATE VIEW child (t) AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i FROM n)"
	    " SELECT i FROM n");
	open_again(p, &OLD, true);
	assert_err(insert(p, 1, "a", 1), ERR_OK, &p->e);
	assert_err(db_step(db_query(p->db, SELECT_SQL), &p->e), ERR_OK, &p->e);
	db_reset(db_query(p->db, SELECT_SQL));
	assert_err(db_step(db_query(p->db, "SELECT t FROM child"), &p->e), ERR_CORRUPT, &p->e);
}

static void
db_query__more_statements_than_slots(void **state)
{
	static char sql[200][32];
	struct place *p = *state;
	int failed = 0;

	open_again(p, &OLD, true);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 200; i++) {
			struct db_query *q;
			int64_t got = -1;
			int rc;
			snprintf(sql[i], sizeof(sql[i]), "SELECT %d", i);
			q = db_query(p->db, sql[i]);
			rc = db_step(q, &p->e);
			failed += rc == ERR_BUG;
			assert_err(rc, rc == ERR_BUG ? ERR_BUG : ERR_OK, &p->e);
			if (rc == ERR_OK) {
				assert_true(db_int(q, 0, 0, 1000, &got));
				assert_int_equal(got, i);
			}
			db_reset(q);
		}
	assert_in_range(failed, 100, 200);
	assert_err(db_begin(p->db, false, &p->e), ERR_OK, &p->e);
	db_rollback(p->db);
}

/* ---- columns ---- */

static void
db_int__types_and_ranges(void **state)
{
	static const char row_sql[] = "SELECT 5, -1, 'text', x'00ff', NULL, 1.5, 'a' || char(0)";
	struct place *p = *state;
	const uint8_t *data = NULL;
	struct db_query *q;
	char text[5] = "keep";
	uint64_t n = 77;
	int64_t v = 77;
	size_t len = 77;

	open_again(p, &OLD, false);
	q = db_query(p->db, row_sql);
	assert_err(db_step(q, &p->e), ERR_OK, &p->e);
	assert_false(db_int(q, 0, 6, 9, &v));
	assert_false(db_int(q, 0, 1, 4, &v));
	assert_false(db_int(q, 2, INT64_MIN, INT64_MAX, &v));
	assert_false(db_int(q, 4, INT64_MIN, INT64_MAX, &v));
	assert_false(db_int(q, 5, INT64_MIN, INT64_MAX, &v));
	assert_int_equal(v, 77);
	assert_true(db_int(q, 0, 5, 5, &v));
	assert_int_equal(v, 5);
	assert_false(db_count(q, 1, UINT64_MAX, &n));
	assert_false(db_count(q, 0, 4, &n));
	assert_int_equal(n, 77);
	assert_true(db_count(q, 0, UINT64_MAX, &n));
	assert_int_equal(n, 5);
	assert_false(db_text(q, 2, text, 4));
	assert_false(db_text(q, 6, text, sizeof(text)));
	assert_false(db_text(q, 0, text, sizeof(text)));
	assert_false(db_text(q, 4, text, sizeof(text)));
	assert_string_equal(text, "keep");
	assert_true(db_text(q, 2, text, sizeof(text)));
	assert_string_equal(text, "text");
	assert_false(db_bytes(q, 3, 1, &data, &len));
	assert_false(db_bytes(q, 4, 1, &data, &len));
	assert_int_equal(len, 77);
	assert_true(db_bytes(q, 3, 2, &data, &len));
	assert_int_equal(len, 2);
	assert_memory_equal(data, "\x00\xff", 2);
	db_reset(q);
}

static void
db_append__row_none_and_no_text(void **state)
{
	struct place *p = *state;
	struct buf out = {0};

	open_again(p, &OLD, false);
	assert_err(
	    db_append(db_query(p->db, "SELECT 'ab'"), ERR_ABSENT, &out, &p->e), ERR_OK, &p->e);
	assert_err(db_append(db_query(p->db, "SELECT 1 WHERE 0"), ERR_ABSENT, &out, &p->e),
	    ERR_ABSENT, NULL);
	assert_err(
	    db_append(db_query(p->db, "SELECT NULL"), ERR_ABSENT, &out, &p->e), ERR_CORRUPT, &p->e);
	assert_text(out.data, out.len, "ab");
	buf_finish(&out);
}

/* ---- transactions ---- */

static void
db_begin__not_twice(void **state)
{
	struct place *p = *state;
	struct db *other = NULL;

	open_again(p, &OLD, true);
	assert_err(db_need_transaction(p->db, &p->e), ERR_BUG, &p->e);
	assert_err(db_commit(p->db, &p->e), ERR_BUG, &p->e);
	assert_err(db_begin(p->db, false, &p->e), ERR_OK, &p->e);
	assert_err(db_begin(p->db, true, &p->e), ERR_BUG, &p->e);
	assert_true(db_in_transaction(p->db));
	assert_err(insert(p, 1, "a", 1), ERR_OK, &p->e);
	db_rollback(p->db);
	db_rollback(p->db);
	assert_err(insert(p, 1, "a", 1), ERR_OK, &p->e);
	assert_err(db_begin(p->db, false, &p->e), ERR_OK, &p->e);
	assert_err(insert(p, 2, "b", 1), ERR_OK, &p->e);
	/* Closing in the middle rolls back. */
	open_again(p, &OLD, true);
	assert_err(insert(p, 2, "b", 1), ERR_OK, &p->e);
	assert_err(db_open(p->path, &OLD, false, &other, &p->e), ERR_OK, &p->e);
	db_close(other);
}

static void
db_generation__others_commits_alone(void **state)
{
	struct place *p = *state;
	struct db *other = NULL;
	uint64_t a, b;

	open_again(p, &OLD, true);
	assert_err(db_open(p->path, &OLD, false, &other, &p->e), ERR_OK, &p->e);
	assert_err(db_generation(other, &a, &p->e), ERR_OK, &p->e);
	assert_err(db_generation(other, &b, &p->e), ERR_OK, &p->e);
	assert_true(a == b);
	assert_err(db_begin(p->db, false, &p->e), ERR_OK, &p->e);
	assert_err(insert(p, 1, "a", 1), ERR_OK, &p->e);
	assert_err(db_generation(other, &b, &p->e), ERR_OK, &p->e);
	assert_true(a == b);
	assert_err(db_commit(p->db, &p->e), ERR_OK, &p->e);
	assert_err(db_generation(other, &b, &p->e), ERR_OK, &p->e);
	assert_true(a != b);
	db_close(other);
}

/* Not every commit that fails has been rolled back by SQLite itself. */
static void
db_commit__a_failed_one_is_over(void **state)
{
	static const char defer_sql[] = "PRAGMA defer_foreign_keys=ON";
	static const char child_sql[] = "INSERT INTO child VALUES (99)";
	struct place *p = *state;

	open_again(p, &OLD, true);
	assert_err(db_begin(p->db, false, &p->e), ERR_OK, &p->e);
	assert_err(insert(p, 1, "a", 1), ERR_OK, &p->e);
	assert_err(db_run(db_query(p->db, defer_sql), NULL, &p->e), ERR_OK, &p->e);
	assert_err(db_run(db_query(p->db, child_sql), NULL, &p->e), ERR_OK, &p->e);
	assert_err(db_commit(p->db, &p->e), ERR_BUG, &p->e);
	assert_false(db_in_transaction(p->db));
	assert_err(insert(p, 1, "a", 1), ERR_OK, &p->e);
}

/* The number of syncs that a commit of one row (and db_sync, if ${synced}) makes. */
static unsigned
syncs_of(struct place *p, int64_t id, bool durable, bool synced)
{
	char name[24];

	snprintf(name, sizeof(name), "%lld", (long long)id);
	syncs = 0;
	assert_err(db_begin(p->db, durable, &p->e), ERR_OK, &p->e);
	assert_err(insert(p, id, name, 1), ERR_OK, &p->e);
	assert_err(db_commit(p->db, &p->e), ERR_OK, &p->e);
	if (synced)
		assert_err(db_sync(p->db, &p->e), ERR_OK, &p->e);
	return syncs;
}

static void
db_commit__syncs_what_it_promises(void **state)
{
	struct place *p = *state;

	open_again(p, &OLD, true);
	syncs_of(p, 1, false, false); /* the first one makes the log */
	assert_int_equal(syncs_of(p, 2, false, false), 0);
	assert_int_equal(syncs_of(p, 3, true, false), 1);
	assert_int_equal(syncs_of(p, 4, false, false), 0);
	assert_int_equal(syncs_of(p, 5, false, true), 1);
	open_again(p, &DURABLE, true);
	syncs_of(p, 6, false, false);
	assert_int_equal(syncs_of(p, 7, false, false), 1);
	/* A statement on its own is a transaction too. */
	syncs = 0;
	assert_err(insert(p, 8, "x", 1), ERR_OK, &p->e);
	assert_int_equal(syncs, 1);
}

static void
db_commit__a_failed_sync_is_a_failed_commit(void **state)
{
	struct place *p = *state;
	struct db_query *q;
	int64_t id;

	open_again(p, &OLD, true);
	syncs_of(p, 1, false, false);
	assert_err(db_begin(p->db, true, &p->e), ERR_OK, &p->e);
	assert_err(insert(p, 2, "b", 1), ERR_OK, &p->e);
	sync_fails = true;
	assert_err(db_commit(p->db, &p->e), ERR_IO, &p->e);
	assert_false(db_in_transaction(p->db));
	assert_err(db_sync(p->db, &p->e), ERR_IO, &p->e);
	sync_fails = false;
	q = db_query(p->db, SELECT_SQL);
	assert_err(db_step(q, &p->e), ERR_OK, &p->e);
	assert_true(db_int(q, 0, 1, 1, &id));
	assert_err(db_step(q, &p->e), ERR_END, &p->e);
	db_reset(q);
	/* The log is brought to disk again before anything is put behind it, but once. */
	assert_int_equal(syncs_of(p, 2, true, false), 2);
	assert_int_equal(syncs_of(p, 3, true, false), 1);
}

/* Commit so many rows, and fail to sync them; from then on every sync fails. */
static void
unsynced(struct place *p, int rows)
{
	open_again(p, &OLD, true);
	for (int id = 1; id <= rows; id++)
		syncs_of(p, id, false, false);
	sync_fails = true;
	assert_err(db_sync(p->db, &p->e), ERR_IO, &p->e);
}

static void
db_begin__not_before_the_log_is_on_disk(void **state)
{
	struct place *p = *state;

	unsynced(p, 1);
	assert_err(db_begin(p->db, false, &p->e), ERR_IO, &p->e);
	assert_false(db_in_transaction(p->db));
	sync_fails = false;
	syncs_of(p, 2, false, false);
	/* It is whole again, so it is merged. */
	db_close(p->db);
	p->db = NULL;
	assert_false(exists(p, "-wal"));
}

/* What the sync was to bring to disk may be lost from there: it is not merged by the one who knows.
 */
static void
db_close__leaves_the_log_after_a_failed_sync(void **state)
{
	struct place *p = *state;

	unsynced(p, 1);
	sync_fails = false;
	syncs = 0;
	db_close(p->db);
	p->db = NULL;
	assert_true(exists(p, "-wal"));
	assert_int_equal(syncs, 0);
	open_again(p, &OLD, true);
	assert_err(db_step(db_query(p->db, SELECT_SQL), &p->e), ERR_OK, &p->e);
	db_reset(db_query(p->db, SELECT_SQL));
}

/* The bytes of the log; to be freed. */
static struct buf
log_of(const struct place *p)
{
	char path[600];
	struct buf out = {0};

	snprintf(path, sizeof(path), "%s-wal", p->path);
	test_read_file(path, &out);
	return out;
}

/* Nobody but the one whose sync failed knows of it: a log that is found is written again. */
static void
db_open__brings_the_log_to_disk(void **state)
{
	struct place *p = *state;
	struct buf before, after;

	unsynced(p, 9);
	db_close(p->db);
	p->db = NULL;
	before = log_of(p);
	assert_true(before.len > 16384);
	assert_err(db_open(p->path, &OLD, true, &p->db, &p->e), ERR_IO, &p->e);
	sync_fails = false;
	syncs = 0;
	written = 0;
	open_again(p, &OLD, true);
	after = log_of(p);
	/* The shared memory that goes with it gets a byte for each of its pages. */
	assert_in_range(written, before.len, before.len + 8);
	/* The log and, as it was opened anew, its directory. */
	assert_int_equal(syncs, 2);
	assert_int_equal(after.len, before.len);
	assert_memory_equal(after.data, before.data, before.len);
	buf_finish(&before);
	buf_finish(&after);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(db_create__private_and_never_over_a_file),
	    TEST(db_create__leaves_nothing_after_a_failure),
	    TEST(db_open__absent_damaged_and_other_files),
	    TEST(db_open__garbage_in_a_page),
	    TEST(db_open__newer_version),
	    TEST(db_open__climbs_from_an_older_version),
	    TEST(db_open__a_failed_climb_changes_nothing),
	    TEST(db_open__on_a_read_only_file_system),
	    TEST(db_open__not_past_a_log_that_cannot_be_read),
	    TEST(db_close__leaves_the_file_alone_in_the_directory),
	    TEST(db_step__answers_of_constraints),
	    TEST(db_step__writing_where_only_looking_is_allowed),
	    TEST(db_query__a_file_without_the_tables),
	    TEST(db_bind_count__values_too_large),
	    TEST(db_step__values_too_large_in_the_file),
	    TEST(db_reset__forgets_what_was_bound),
	    TEST(db_query__nothing_in_a_file_runs_by_itself),
	    TEST(db_query__more_statements_than_slots),
	    TEST(db_int__types_and_ranges),
	    TEST(db_append__row_none_and_no_text),
	    TEST(db_begin__not_twice),
	    TEST(db_generation__others_commits_alone),
	    TEST(db_commit__a_failed_one_is_over),
	    TEST(db_commit__syncs_what_it_promises),
	    TEST(db_commit__a_failed_sync_is_a_failed_commit),
	    TEST(db_begin__not_before_the_log_is_on_disk),
	    TEST(db_close__leaves_the_log_after_a_failed_sync),
	    TEST(db_open__brings_the_log_to_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
