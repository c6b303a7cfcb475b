/* What the tests of the catalogue and the queue share: a repository and snapshots to put in it. */
#ifndef THINKBACK_TESTS_CATALOG_FIXTURE_H
#define THINKBACK_TESTS_CATALOG_FIXTURE_H

#include "tests/support/test.h"

#include "catalog/catalog.h"
#include "catalog/packs.h"
#include "catalog/queue.h"
#include "catalog/repo.h"
#include "catalog/snapshots.h"
#include "catalog/tables.h"
#include "catalog/versions.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
	char *dir;         /* temporary directory */
	char path[512];    /* of the repository in it */
	struct repo *repo; /* open */
	struct catalog *c; /* open for writing */
	struct err e;      /* for the calls of a test */
};

/* A snapshot that is being built. */
struct fixture_build {
	struct tables_table table; /* of which table */
	int64_t run_id;            /* of the run */
	int64_t id;                /* of the snapshot */
	int64_t pack_id;           /* of its only pack */
	uint32_t ordinal;          /* of the next version */
	uint64_t documents;        /* documents in it; kept by the test */
};

static inline int
fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->dir = test_dir();
	snprintf(f->path, sizeof(f->path), "%s/repo", f->dir);
	assert_err(repo_create(f->path, &f->e), ERR_OK, &f->e);
	assert_err(repo_open(f->path, &f->repo, &f->e), ERR_OK, &f->e);
	assert_err(catalog_open(f->repo, CATALOG_WRITE, &f->c, &f->e), ERR_OK, &f->e);
	*state = f;
	return 0;
}

static inline int
fixture_teardown(void **state)
{
	struct fixture *f = *state;

	catalog_close(f->c);
	repo_close(f->repo);
	test_dir_remove(f->dir);
	free(f);
	return 0;
}

/* A test with a repository. */
#define FIXTURE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static inline struct key
fixture_key(const char *text)
{
	struct key k = {.len = (uint8_t)strlen(text)};

	assert_true(strlen(text) <= KEY_MAX);
	memcpy(k.bytes, text, k.len);
	return k;
}

/* Carry out SQL on ${name} of the repository, past all that guards it but the types. */
static inline void
fixture_sql(struct fixture *f, const char *name, const char *sql)
{
	char path[600];
	char *message = NULL;
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	sqlite3_exec(
	    db, "PRAGMA ignore_check_constraints=ON; PRAGMA foreign_keys=OFF", NULL, NULL, NULL);
	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
		print_error("%s: %s\n", sql, message);
		fail();
	}
	sqlite3_close(db);
}

/* The one number that a SELECT gives. */
static inline int64_t
fixture_number(struct fixture *f, const char *name, const char *sql)
{
	char path[600];
	sqlite3_stmt *stmt;
	int64_t out;
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	out = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return out;
}

/* Begin a snapshot of shop.${table}; the transaction stays open. */
static inline void
fixture_start(struct fixture *f, const char *table, int64_t date, struct fixture_build *b)
{
	struct err *e = &f->e;

	memset(b, 0, sizeof(*b));
	assert_err(catalog_begin(f->c, e), ERR_OK, e);
	assert_err(tables_intern(f->c, "shop", table, &b->table, e), ERR_OK, e);
	assert_err(snapshots_run_begin(f->c, date, "a source", 5, &b->run_id, e), ERR_OK, e);
	assert_err(snapshots_begin(f->c, b->table.id, b->run_id, date, &b->id, e), ERR_OK, e);
	assert_err(packs_begin(f->c, b->table.id, b->id, 0, 0, &b->pack_id, e), ERR_OK, e);
}

/* Record a version of ${key} born in the snapshot. */
static inline void
fixture_add(struct fixture *f, struct fixture_build *b, const char *key)
{
	struct versions_version v = {.key = fixture_key(key),
	    .born = b->id,
	    .died = VERSIONS_ALIVE,
	    .pack_id = b->pack_id,
	    .ordinal = b->ordinal++,
	    .size = (uint32_t)(100 + b->id)};

	memset(v.digest, (int)b->id, sizeof(v.digest));
	b->documents++;
	assert_err(versions_insert(f->c, b->table.id, &v, &f->e), ERR_OK, &f->e);
}

/* End the version of ${key} born in ${born}. */
static inline void
fixture_end(struct fixture *f, struct fixture_build *b, const char *key, int64_t born)
{
	struct key k = fixture_key(key);

	assert_err(versions_close(f->c, b->table.id, &k, born, b->id, &f->e), ERR_OK, &f->e);
}

/* Record shard and counts, and commit: only completing is left. */
static inline void
fixture_record(struct fixture *f, struct fixture_build *b)
{
	struct snapshots_shard shard = {.pack_id = b->pack_id, .documents = b->documents};
	struct snapshots_snapshot s = {.id = b->id, .shards = 1, .documents = b->documents};
	struct packs_pack pack = {.id = b->pack_id, .documents = b->ordinal, .bytes = 1000};
	struct err *e = &f->e;

	assert_err(packs_describe(f->c, &pack, e), ERR_OK, e);
	assert_err(snapshots_shard_put(f->c, b->id, &shard, e), ERR_OK, e);
	assert_err(snapshots_describe(f->c, &s, "id", "{}", 2, e), ERR_OK, e);
	assert_err(catalog_commit(f->c, false, e), ERR_OK, e);
}

static inline void
fixture_finish(struct fixture *f, struct fixture_build *b)
{
	fixture_record(f, b);
	assert_err(snapshots_complete(f->c, &b->id, 1, &f->e), ERR_OK, &f->e);
}

#endif
