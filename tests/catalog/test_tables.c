/* Tests of catalog/tables.c: names, what is shown and what is only there. */
#include "tests/catalog/fixture.h"

static void
tables_name_valid__rethinkdb_names_alone(void **state)
{
	char longest[TABLES_NAME + 1];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	assert_true(tables_name_valid("a", 1));
	assert_true(tables_name_valid("Az_0-9", 6));
	assert_true(tables_name_valid("-", 1));
	assert_true(tables_name_valid(longest, TABLES_NAME - 1));
	assert_false(tables_name_valid(longest, TABLES_NAME));
	assert_false(tables_name_valid("", 0));
	assert_false(tables_name_valid("..", 2));
	assert_false(tables_name_valid("a/b", 3));
	assert_false(tables_name_valid("a b", 3));
	assert_false(tables_name_valid("a\0b", 3));
	assert_false(tables_name_valid("\303\244", 2));
	for (int ch = 0; ch < 256; ch++) {
		char c = (char)ch;
		bool want =
		    strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", c) !=
			NULL &&
		    ch != 0;
		assert_int_equal(tables_name_valid(&c, 1), want);
	}
}

static void
tables_intern__same_number_again(void **state)
{
	struct fixture *f = *state;
	struct tables_table a, b, other;

	assert_err(catalog_begin(f->c, &f->e), ERR_OK, &f->e);
	assert_err(tables_intern(f->c, "shop", "orders", &a, &f->e), ERR_OK, &f->e);
	assert_err(tables_intern(f->c, "shop", "orders", &b, &f->e), ERR_OK, &f->e);
	assert_err(tables_intern(f->c, "Shop", "orders", &other, &f->e), ERR_OK, &f->e);
	assert_err(catalog_commit(f->c, false, &f->e), ERR_OK, &f->e);
	assert_true(a.id > 0);
	assert_int_equal(a.id, b.id);
	assert_string_equal(a.database, "shop");
	assert_string_equal(a.name, "orders");
	assert_true(other.id != a.id);
	assert_true(other.database_id != a.database_id);
	assert_err(tables_get(f->c, a.id, &b, &f->e), ERR_OK, &f->e);
	assert_int_equal(b.database_id, a.database_id);
}

static void
tables_intern__refuses_bad_names_and_no_transaction(void **state)
{
	struct fixture *f = *state;
	struct tables_table t = {.id = 77};

	assert_err(tables_intern(f->c, "shop", "orders", &t, &f->e), ERR_BUG, &f->e);
	assert_err(catalog_begin(f->c, &f->e), ERR_OK, &f->e);
	assert_err(tables_intern(f->c, "sh.op", "orders", &t, &f->e), ERR_ARG, &f->e);
	assert_non_null(strstr(f->e.text, "sh.op"));
	assert_err(tables_intern(f->c, "shop", "", &t, &f->e), ERR_ARG, &f->e);
	catalog_rollback(f->c);
	assert_int_equal(t.id, 77);
}

static void
tables_find__only_with_a_complete_snapshot(void **state)
{
	struct fixture *f = *state;
	struct tables_database d = {.id = 77};
	struct tables_table t = {.id = 77};
	struct fixture_build b;

	fixture_start(f, "orders", 100, &b);
	fixture_record(f, &b);
	assert_err(tables_database_find(f->c, "shop", &d, &f->e), ERR_ABSENT, NULL);
	assert_err(tables_database_next(f->c, "", &d, &f->e), ERR_END, NULL);
	assert_err(tables_find(f->c, "shop", "orders", &t, &f->e), ERR_ABSENT, NULL);
	assert_err(tables_next(f->c, b.table.database_id, "", &t, &f->e), ERR_END, NULL);
	assert_int_equal(d.id, 77);
	assert_int_equal(t.id, 77);
	assert_err(tables_get(f->c, b.table.id, &t, &f->e), ERR_OK, &f->e);
	assert_err(tables_database_get(f->c, b.table.database_id, &d, &f->e), ERR_OK, &f->e);
	assert_string_equal(d.name, "shop");
	assert_err(snapshots_complete(f->c, &b.id, 1, &f->e), ERR_OK, &f->e);
	assert_err(tables_database_find(f->c, "shop", &d, &f->e), ERR_OK, &f->e);
	assert_err(tables_find(f->c, "shop", "orders", &t, &f->e), ERR_OK, &f->e);
	assert_int_equal(t.id, b.table.id);
	assert_err(tables_find(f->c, "shop", "order", &t, &f->e), ERR_ABSENT, NULL);
	assert_err(tables_get(f->c, 999, &t, &f->e), ERR_ABSENT, NULL);
	assert_err(tables_database_get(f->c, 999, &d, &f->e), ERR_ABSENT, NULL);
}

static void
tables_next__bytewise_order(void **state)
{
	static const char *const made[] = {"b", "a", "B", "a-", "a0", "_", "aa"};
	static const char *const want[] = {"B", "_", "a", "a-", "a0", "aa", "b"};
	struct fixture *f = *state;
	struct tables_table t = {0};
	struct fixture_build b;

	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
		fixture_start(f, made[i], 100, &b);
		fixture_finish(f, &b);
	}
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		char after[TABLES_NAME];
		snprintf(after, sizeof(after), "%s", t.name);
		assert_err(tables_next(f->c, b.table.database_id, after, &t, &f->e), ERR_OK, &f->e);
		assert_string_equal(t.name, want[i]);
		assert_string_equal(t.database, "shop");
	}
	assert_err(tables_next(f->c, b.table.database_id, "b", &t, &f->e), ERR_END, NULL);
	assert_err(tables_next(f->c, b.table.database_id + 1, "", &t, &f->e), ERR_END, NULL);
}

static void
tables_database_next__names_from_a_crafted_file_are_checked(void **state)
{
	static const char *const names[] = {
	    "'../x'", "x'2f'||''", "char(10)", "replace(hex(zeroblob(200)),'00','ab')"};
	struct fixture *f = *state;
	struct tables_database d = {.id = 77};
	struct tables_table t;
	struct fixture_build b;

	fixture_start(f, "orders", 100, &b);
	fixture_finish(f, &b);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char sql[200];
		snprintf(
		    sql, sizeof(sql), "UPDATE databases SET name = CAST(%s AS TEXT)", names[i]);
		fixture_sql(f, "catalog.db", sql);
		assert_err(tables_database_next(f->c, "", &d, &f->e), ERR_CORRUPT, &f->e);
		assert_non_null(strstr(f->e.text, "catalog.db"));
		assert_err(tables_get(f->c, b.table.id, &t, &f->e), ERR_CORRUPT, &f->e);
		assert_int_equal(d.id, 77);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tables_name_valid__rethinkdb_names_alone),
	    FIXTURE_TEST(tables_intern__same_number_again),
	    FIXTURE_TEST(tables_intern__refuses_bad_names_and_no_transaction),
	    FIXTURE_TEST(tables_find__only_with_a_complete_snapshot),
	    FIXTURE_TEST(tables_next__bytewise_order),
	    FIXTURE_TEST(tables_database_next__names_from_a_crafted_file_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
