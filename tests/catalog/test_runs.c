/* Tests of catalog/runs.c: records of runs, and catalogues from before there were any. */
#include "catalog/remake.h"
#include "catalog/runs.h"
#include "tests/catalog/fixture.h"

static void
put(struct fixture *f, int64_t id, const char *record, int expected)
{
	assert_err(catalog_begin(f->c, &f->e), ERR_OK, &f->e);
	assert_err(runs_record_put(f->c, id, record, strlen(record), &f->e), expected, &f->e);
	assert_err(catalog_commit(f->c, true, &f->e), ERR_OK, &f->e);
}

static void
runs_record__comes_back(void **state)
{
	struct fixture *f = *state;
	struct fixture_build b;
	struct buf out = {0};

	fixture_start(f, "orders", 100, &b);
	fixture_finish(f, &b);
	assert_err(runs_record(f->c, b.run_id, &out, &f->e), ERR_ABSENT, NULL);
	put(f, b.run_id, "{\"users\":[]}", ERR_OK);
	assert_err(runs_record(f->c, b.run_id, &out, &f->e), ERR_OK, &f->e);
	assert_string_equal(buf_str(&out), "{\"users\":[]}");
	put(f, b.run_id + 1, "{}", ERR_WRONG_STATE);
	assert_err(runs_record(f->c, b.run_id + 1, &out, &f->e), ERR_ABSENT, NULL);
	assert_err(runs_record_put(f->c, b.run_id, "{}", 2, &f->e), ERR_BUG, &f->e);
	buf_finish(&out);
}

/* A run counts when a snapshot of it is complete. */
static void
runs_next__complete_ones(void **state)
{
	struct fixture *f = *state;
	struct fixture_build first, second, third;
	struct runs_run run = {0};
	int64_t id = 0;

	fixture_start(f, "orders", 100, &first);
	fixture_finish(f, &first);
	fixture_start(f, "orders", 200, &second);
	fixture_finish(f, &second);
	fixture_start(f, "orders", 300, &third);
	fixture_record(f, &third);
	put(f, first.run_id, "{\"n\":1}", ERR_OK);
	assert_err(runs_next(f->c, 0, &run, &f->e), ERR_OK, &f->e);
	assert_int_equal(run.id, first.run_id);
	assert_int_equal(run.date, 100);
	assert_true(run.has_record);
	assert_err(runs_next(f->c, run.id, &run, &f->e), ERR_OK, &f->e);
	assert_int_equal(run.id, second.run_id);
	assert_false(run.has_record);
	assert_err(runs_next(f->c, run.id, &run, &f->e), ERR_END, NULL);
	/* What has no record has no file that would have to be taken back. */
	assert_err(runs_unfinished_next(f->c, 0, &id, &f->e), ERR_END, NULL);
	put(f, third.run_id, "{\"n\":3}", ERR_OK);
	assert_err(runs_unfinished_next(f->c, 0, &id, &f->e), ERR_OK, &f->e);
	assert_int_equal(id, third.run_id);
	assert_err(runs_unfinished_next(f->c, id, &id, &f->e), ERR_END, NULL);
	assert_err(runs_recorded(f->c, INT64_MAX, &run, &f->e), ERR_OK, &f->e);
	assert_int_equal(run.id, first.run_id);
	put(f, second.run_id, "{\"n\":2}", ERR_OK);
	assert_err(runs_recorded(f->c, 200, &run, &f->e), ERR_OK, &f->e);
	assert_int_equal(run.id, second.run_id);
	assert_err(runs_recorded(f->c, 199, &run, &f->e), ERR_OK, &f->e);
	assert_int_equal(run.id, first.run_id);
	assert_err(runs_recorded(f->c, 99, &run, &f->e), ERR_ABSENT, NULL);
}

static void
runs_next__damaged_rows(void **state)
{
	struct fixture *f = *state;
	struct runs_run run = {.id = 77};
	struct fixture_build b;
	struct buf out = {0};

	fixture_start(f, "orders", 100, &b);
	fixture_finish(f, &b);
	fixture_sql(f, "catalog.db",
	    "UPDATE runs SET id = 9223372036854775807;"
	    "UPDATE snapshots SET run_id = 9223372036854775807");
	assert_err(runs_next(f->c, 0, &run, &f->e), ERR_CORRUPT, &f->e);
	assert_int_equal(run.id, 77);
	assert_err(runs_record(f->c, 1, &out, &f->e), ERR_ABSENT, NULL);
	buf_finish(&out);
}

/* What takes each version of the catalogue back to the one before, the newest first. */
static const char *const older[] = {
    /* 4 */
    "DROP VIEW version_list; DROP INDEX versions_lost; ALTER TABLE versions DROP COLUMN lost;"
    "CREATE VIEW version_list AS SELECT 1; PRAGMA user_version = 4",
    /* 3 */
    "DROP VIEW snapshot_list; CREATE VIEW snapshot_list AS SELECT id FROM snapshots;"
    "DROP INDEX snapshots_of_table; DROP INDEX snapshots_at_date; DROP INDEX snapshots_by_date;"
    "DROP INDEX snapshots_by_shards; DROP INDEX snapshots_forgotten;"
    "DROP TABLE tags; DROP TABLE forgotten_dates; DROP TABLE leftovers;"
    "ALTER TABLE snapshots DROP COLUMN pinned;"
    "ALTER TABLE snapshots DROP COLUMN forgotten;"
    "CREATE INDEX snapshots_of_table ON snapshots (table_id, complete, id);"
    "CREATE UNIQUE INDEX snapshots_at_date ON snapshots (table_id, date) WHERE complete = 1;"
    "CREATE INDEX snapshots_by_date ON snapshots (date) WHERE complete = 1;"
    "CREATE INDEX snapshots_by_shards ON snapshots (table_id, shards) WHERE complete = 1;"
    "PRAGMA user_version = 3",
    /* 2 */
    "ALTER TABLE snapshots DROP COLUMN lost; PRAGMA user_version = 2",
    /* 1 */
    "ALTER TABLE runs DROP COLUMN record; PRAGMA user_version = 1"};

/* The definitions that are not those of a new catalogue. */
static void
definition_differs(void *arg, const char *text)
{
	if (strncmp(text, "the definition", strlen("the definition")) == 0) {
		print_error("%s\n", text);
		++*(int *)arg;
	}
}

/* Open a catalogue of a version before: only a writer may, and makes it a new one. */
static void
upgrade(struct fixture *f, int64_t id)
{
	struct catalog *reader = NULL, *new = NULL;
	struct snapshots_snapshot s;
	struct err *e = &f->e;
	int differ = 0;

	assert_err(catalog_open(f->repo, CATALOG_READ, &reader, e), ERR_VERSION, e);
	assert_err(catalog_open(f->repo, CATALOG_WRITE, &f->c, e), ERR_OK, e);
	assert_err(snapshots_get(f->c, id, &s, e), ERR_OK, e);
	assert_int_equal(s.lost, 0);
	assert_false(s.forgotten);
	assert_false(s.pinned);
	assert_err(catalog_open(f->repo, CATALOG_READ, &reader, e), ERR_OK, e);
	catalog_close(reader);
	assert_err(remake_scratch(&new, e), ERR_OK, e);
	assert_err(remake_compare(new, f->repo, definition_differs, &differ, e), ERR_OK, e);
	assert_int_equal(differ, 0);
	catalog_close(new);
}

/* Catalogues of all versions before are brought up to date by a writer; nothing is lost. */
static void
catalog_open__older_versions(void **state)
{
	struct fixture *f = *state;
	struct fixture_build b;
	struct buf out = {0};

	fixture_start(f, "orders", 100, &b);
	fixture_finish(f, &b);
	for (size_t n = 1; n <= sizeof(older) / sizeof(older[0]); n++) {
		catalog_close(f->c);
		f->c = NULL;
		for (size_t i = 0; i < n; i++)
			fixture_sql(f, "catalog.db", older[i]);
		upgrade(f, b.id);
	}
	assert_err(snapshots_run_source(f->c, b.run_id, &out, &f->e), ERR_OK, &f->e);
	assert_string_equal(buf_str(&out), "a source");
	put(f, b.run_id, "{}", ERR_OK);
	buf_finish(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FIXTURE_TEST(runs_record__comes_back),
	    FIXTURE_TEST(runs_next__complete_ones),
	    FIXTURE_TEST(runs_next__damaged_rows),
	    FIXTURE_TEST(catalog_open__older_versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
