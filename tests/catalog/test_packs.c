/* Tests of catalog/packs.c: packs, dictionaries and their numbers. */
#include "tests/catalog/fixture.h"

static void
packs_get__values_come_back_once_complete(void **state)
{
	struct fixture *f = *state;
	struct packs_pack p = {.id = 77}, want;
	struct fixture_build b;
	int64_t dictionary, second, id = 77, snapshot = 77;
	struct err *e = &f->e;

	fixture_start(f, "orders", 100, &b);
	assert_err(packs_dictionary_put(f->c, b.table.id, 9, "d", 1, &dictionary, e), ERR_OK, e);
	assert_err(packs_begin(f->c, b.table.id, b.id, 63, dictionary, &second, e), ERR_OK, e);
	assert_true(second > b.pack_id);
	want = (struct packs_pack){.id = second, .documents = 1, .deletions = 2, .bytes = 3};
	assert_err(packs_describe(f->c, &want, e), ERR_OK, e);
	fixture_record(f, &b);
	assert_err(packs_get(f->c, second, &p, e), ERR_ABSENT, NULL);
	assert_err(packs_next(f->c, 0, &p, e), ERR_END, NULL);
	assert_int_equal(p.id, 77);
	assert_err(packs_unfinished_next(f->c, 0, &id, &snapshot, e), ERR_OK, e);
	assert_int_equal(id, b.pack_id);
	assert_int_equal(snapshot, b.id);
	assert_err(packs_unfinished_next(f->c, id, &id, &snapshot, e), ERR_OK, e);
	assert_int_equal(id, second);
	assert_err(packs_unfinished_next(f->c, id, &id, &snapshot, e), ERR_END, NULL);

	assert_err(snapshots_complete(f->c, &b.id, 1, e), ERR_OK, e);
	assert_err(packs_unfinished_next(f->c, 0, &id, &snapshot, e), ERR_END, NULL);
	assert_err(packs_get(f->c, second, &p, e), ERR_OK, e);
	assert_int_equal(p.snapshot_id, b.id);
	assert_int_equal(p.table_id, b.table.id);
	assert_int_equal(p.date, 100);
	assert_int_equal(p.dictionary_id, dictionary);
	assert_int_equal(p.shard, 63);
	assert_int_equal(p.documents, 1);
	assert_int_equal(p.deletions, 2);
	assert_int_equal(p.bytes, 3);
	assert_err(packs_next(f->c, 0, &p, e), ERR_OK, e);
	assert_int_equal(p.id, b.pack_id);
	assert_int_equal(p.dictionary_id, 0);
	assert_err(packs_next(f->c, b.pack_id, &p, e), ERR_OK, e);
	assert_int_equal(p.id, second);
	assert_err(packs_next(f->c, second, &p, e), ERR_END, NULL);
	assert_err(packs_get(f->c, 999, &p, e), ERR_ABSENT, NULL);
}

static void
packs_unfinished_next__in_order_of_packs(void **state)
{
	struct fixture *f = *state;
	struct fixture_build a, b, done;
	int64_t id = 0, snapshot, more;

	fixture_start(f, "done", 100, &done);
	fixture_finish(f, &done);
	fixture_start(f, "orders", 100, &a);
	assert_err(catalog_commit(f->c, false, &f->e), ERR_OK, &f->e);
	fixture_start(f, "users", 100, &b);
	assert_err(packs_begin(f->c, a.table.id, a.id, 1, 0, &more, &f->e), ERR_OK, &f->e);
	assert_err(catalog_commit(f->c, false, &f->e), ERR_OK, &f->e);
	assert_err(packs_unfinished_next(f->c, id, &id, &snapshot, &f->e), ERR_OK, &f->e);
	assert_int_equal(id, a.pack_id);
	assert_err(packs_unfinished_next(f->c, id, &id, &snapshot, &f->e), ERR_OK, &f->e);
	assert_int_equal(id, b.pack_id);
	assert_int_equal(snapshot, b.id);
	assert_err(packs_unfinished_next(f->c, id, &id, &snapshot, &f->e), ERR_OK, &f->e);
	assert_int_equal(id, more);
	assert_int_equal(snapshot, a.id);
}

static void
packs_begin__only_for_a_snapshot_being_built(void **state)
{
	struct fixture *f = *state;
	struct packs_pack p = {.id = 999};
	struct fixture_build b;
	int64_t id = 77;

	fixture_start(f, "orders", 100, &b);
	fixture_finish(f, &b);
	assert_err(packs_begin(f->c, b.table.id, b.id, 0, 0, &id, &f->e), ERR_BUG, &f->e);
	assert_err(packs_describe(f->c, &p, &f->e), ERR_BUG, &f->e);
	assert_err(packs_dictionary_put(f->c, b.table.id, 1, "d", 1, &id, &f->e), ERR_BUG, &f->e);
	assert_err(catalog_begin(f->c, &f->e), ERR_OK, &f->e);
	assert_err(packs_begin(f->c, b.table.id, b.id, 0, 0, &id, &f->e), ERR_WRONG_STATE, &f->e);
	assert_err(packs_begin(f->c, b.table.id, 999, 0, 0, &id, &f->e), ERR_WRONG_STATE, &f->e);
	assert_err(
	    packs_begin(f->c, b.table.id, b.id, SNAPSHOTS_SHARDS, 0, &id, &f->e), ERR_BUG, &f->e);
	assert_err(packs_describe(f->c, &p, &f->e), ERR_WRONG_STATE, &f->e);
	catalog_rollback(f->c);
	assert_int_equal(id, 77);
}

/* A number is part of inode numbers: not even one that was taken back comes again. */
static void
packs_begin__numbers_end_and_never_return(void **state)
{
	struct fixture *f = *state;
	struct fixture_build b, again;
	int64_t id = 77;

	fixture_start(f, "orders", 100, &b);
	assert_err(catalog_commit(f->c, false, &f->e), ERR_OK, &f->e);
	assert_err(snapshots_take_back(f->c, b.id, &f->e), ERR_OK, &f->e);
	fixture_start(f, "orders", 100, &again);
	assert_true(again.pack_id > b.pack_id);
	assert_err(catalog_commit(f->c, false, &f->e), ERR_OK, &f->e);
	fixture_sql(f, "catalog.db",
	    "UPDATE sqlite_sequence SET seq = 1073741822 WHERE name = 'packs';"
	    "INSERT INTO sqlite_sequence VALUES ('dictionaries', 1073741823)");
	assert_err(catalog_begin(f->c, &f->e), ERR_OK, &f->e);
	assert_err(packs_begin(f->c, again.table.id, again.id, 1, 0, &id, &f->e), ERR_OK, &f->e);
	assert_int_equal(id, PACKS_ID_MAX - 1);
	assert_err(packs_begin(f->c, again.table.id, again.id, 2, 0, &id, &f->e), ERR_LIMIT, &f->e);
	assert_err(
	    packs_dictionary_put(f->c, again.table.id, 1, "d", 1, &id, &f->e), ERR_LIMIT, &f->e);
	assert_int_equal(id, PACKS_ID_MAX - 1);
	catalog_rollback(f->c);
}

static void
packs_reserve__the_next_number_is_over_it(void **state)
{
	struct fixture *f = *state;
	struct fixture_build a, b;
	int64_t id, last = 77;

	assert_err(packs_last(f->c, &last, &f->e), ERR_OK, &f->e);
	assert_int_equal(last, 0);
	assert_err(packs_reserve(f->c, 10, 20, 30, &f->e), ERR_BUG, &f->e);
	/* Also where no number was given out yet. */
	assert_err(catalog_begin(f->c, &f->e), ERR_OK, &f->e);
	assert_err(packs_reserve(f->c, 10, 20, 0, &f->e), ERR_OK, &f->e);
	assert_err(catalog_commit(f->c, true, &f->e), ERR_OK, &f->e);
	fixture_start(f, "orders", 100, &a);
	assert_err(catalog_commit(f->c, false, &f->e), ERR_OK, &f->e);
	assert_int_equal(a.id, 1);
	assert_int_equal(a.pack_id, 11);
	assert_err(packs_last(f->c, &last, &f->e), ERR_OK, &f->e);
	assert_int_equal(last, 11);
	/* Lower ones change nothing. */
	assert_err(catalog_begin(f->c, &f->e), ERR_OK, &f->e);
	assert_err(packs_reserve(f->c, 3, 4, 30, &f->e), ERR_OK, &f->e);
	assert_err(packs_dictionary_put(f->c, a.table.id, 1, "d", 1, &id, &f->e), ERR_OK, &f->e);
	assert_int_equal(id, 21);
	assert_err(catalog_commit(f->c, true, &f->e), ERR_OK, &f->e);
	fixture_start(f, "users", 100, &b);
	assert_int_equal(b.id, 31);
	assert_int_equal(b.pack_id, 12);
}

static void
packs_total__of_complete_snapshots(void **state)
{
	struct fixture *f = *state;
	struct fixture_build a, b;
	uint64_t bytes = 77;

	assert_err(packs_total(f->c, &bytes, &f->e), ERR_OK, &f->e);
	assert_int_equal(bytes, 0);
	fixture_start(f, "orders", 100, &a);
	fixture_finish(f, &a);
	fixture_start(f, "users", 100, &b);
	fixture_record(f, &b);
	assert_err(packs_total(f->c, &bytes, &f->e), ERR_OK, &f->e);
	assert_int_equal(bytes, 1000);
	assert_err(snapshots_complete(f->c, &b.id, 1, &f->e), ERR_OK, &f->e);
	assert_err(packs_total(f->c, &bytes, &f->e), ERR_OK, &f->e);
	assert_int_equal(bytes, 2000);
	fixture_sql(f, "catalog.db", "UPDATE packs SET bytes = 9223372036854775807");
	assert_err(packs_total(f->c, &bytes, &f->e), ERR_CORRUPT, &f->e);
	assert_int_equal(bytes, 2000);
}

static void
packs_dictionary_latest__newest_of_the_table(void **state)
{
	struct fixture *f = *state;
	struct packs_dictionary d = {.id = 77};
	struct fixture_build b;
	struct buf bytes = {0};
	int64_t first, second, id;
	struct err *e = &f->e;

	fixture_start(f, "orders", 100, &b);
	assert_err(packs_dictionary_latest(f->c, b.table.id, &d, e), ERR_ABSENT, NULL);
	assert_err(packs_dictionary_next(f->c, 0, &d, e), ERR_END, NULL);
	assert_int_equal(d.id, 77);
	assert_err(packs_dictionary_put(f->c, b.table.id, 10, "\0one", 4, &first, e), ERR_OK, e);
	assert_err(packs_dictionary_put(f->c, b.table.id, 20, "two", 3, &second, e), ERR_OK, e);
	assert_err(catalog_commit(f->c, true, e), ERR_OK, e);
	assert_err(packs_dictionary_latest(f->c, b.table.id, &d, e), ERR_OK, e);
	assert_int_equal(d.id, second);
	assert_int_equal(d.table_id, b.table.id);
	assert_int_equal(d.documents, 20);
	assert_err(packs_dictionary_latest(f->c, 999, &d, e), ERR_ABSENT, NULL);
	assert_err(packs_dictionary_next(f->c, 0, &d, e), ERR_OK, e);
	assert_int_equal(d.id, first);
	assert_err(packs_dictionary_next(f->c, first, &d, e), ERR_OK, e);
	assert_int_equal(d.id, second);
	assert_err(packs_dictionary_next(f->c, second, &d, e), ERR_END, NULL);
	assert_err(packs_dictionary_bytes(f->c, first, &bytes, e), ERR_OK, e);
	assert_int_equal(bytes.len, 4);
	assert_memory_equal(bytes.data, "\0one", 4);
	assert_err(packs_dictionary_bytes(f->c, 999, &bytes, e), ERR_ABSENT, NULL);
	assert_int_equal(bytes.len, 4);
	buf_finish(&bytes);
	assert_err(catalog_begin(f->c, e), ERR_OK, e);
	assert_err(packs_dictionary_put(f->c, 999, 1, "d", 1, &id, e), ERR_BUG, e);
	catalog_rollback(f->c);
}

static void
packs_get__values_out_of_range_are_damage(void **state)
{
	static const char *const crafted[] = {"shard = 64", "shard = -1", "dictionary_id = -1",
	    "dictionary_id = 1073741824", "documents = -1", "deletions = -1", "bytes = -1",
	    "table_id = 0"};
	struct fixture *f = *state;
	struct packs_pack p = {.id = 77};
	struct fixture_build b;

	fixture_start(f, "orders", 100, &b);
	fixture_finish(f, &b);
	for (size_t i = 0; i < sizeof(crafted) / sizeof(crafted[0]); i++) {
		char sql[200];
		snprintf(sql, sizeof(sql),
		    "UPDATE packs SET shard = 0, dictionary_id = NULL, documents = 0,"
		    " deletions = 0, bytes = 0, table_id = 1; UPDATE packs SET %s",
		    crafted[i]);
		fixture_sql(f, "catalog.db", sql);
		assert_err(packs_get(f->c, b.pack_id, &p, &f->e), ERR_CORRUPT, &f->e);
		assert_err(packs_next(f->c, 0, &p, &f->e), ERR_CORRUPT, &f->e);
		assert_int_equal(p.id, 77);
	}
	fixture_sql(f, "catalog.db",
	    "UPDATE packs SET table_id = 1, id = 1073741824; UPDATE snapshots SET complete = 0");
	assert_err(
	    packs_unfinished_next(f->c, 0, &p.id, &p.snapshot_id, &f->e), ERR_CORRUPT, &f->e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FIXTURE_TEST(packs_get__values_come_back_once_complete),
	    FIXTURE_TEST(packs_unfinished_next__in_order_of_packs),
	    FIXTURE_TEST(packs_begin__only_for_a_snapshot_being_built),
	    FIXTURE_TEST(packs_begin__numbers_end_and_never_return),
	    FIXTURE_TEST(packs_reserve__the_next_number_is_over_it),
	    FIXTURE_TEST(packs_total__of_complete_snapshots),
	    FIXTURE_TEST(packs_dictionary_latest__newest_of_the_table),
	    FIXTURE_TEST(packs_get__values_out_of_range_are_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
