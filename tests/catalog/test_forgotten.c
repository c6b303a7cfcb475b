/* Forgotten snapshots, leftovers and tags in the catalogue. */
#include "tests/catalog/fixture.h"

#include "catalog/forgotten.h"
#include "catalog/leftovers.h"
#include "catalog/named.h"
#include "catalog/tags.h"

/* Two snapshots of shop.orders, one of shop.users: at 100, 200 and 100. */
static void
populate(struct fixture *f, struct fixture_build b[3])
{
	fixture_start(f, "orders", 100, &b[0]);
	fixture_add(f, &b[0], "Sa");
	fixture_finish(f, &b[0]);
	fixture_start(f, "orders", 200, &b[1]);
	fixture_end(f, &b[1], "Sa", b[0].id);
	fixture_finish(f, &b[1]);
	fixture_start(f, "users", 100, &b[2]);
	fixture_finish(f, &b[2]);
}

static void
forget(struct fixture *f, int64_t id)
{
	assert_err(forgotten_intend(f->c, &id, 1, &f->e), ERR_OK, &f->e);
	assert_err(forgotten_hide(f->c, &id, 1, &f->e), ERR_OK, &f->e);
}

/* Nothing that shows snapshots finds it, its packs and the one before it stay. */
static void
forgotten_hide__nothing_shows_it(void **state)
{
	struct fixture *f = *state;
	struct fixture_build b[3];
	struct snapshots_snapshot s;
	struct tables_table t;
	struct packs_pack p;
	uint64_t before, after, n;
	int64_t date;
	struct err *e = &f->e;

	populate(f, b);
	assert_err(snapshots_stamp(f->c, &before, e), ERR_OK, e);
	forget(f, b[1].id);
	assert_err(snapshots_stamp(f->c, &after, e), ERR_OK, e);
	assert_true(before != after);
	assert_err(snapshots_get(f->c, b[1].id, &s, e), ERR_ABSENT, e);
	assert_err(snapshots_at(f->c, b[1].table.id, 200, &s, e), ERR_ABSENT, e);
	assert_err(snapshots_next(f->c, b[1].table.id, b[0].id, &s, e), ERR_END, e);
	assert_err(snapshots_latest(f->c, b[1].table.id, &s, e), ERR_OK, e);
	assert_int_equal(s.id, b[0].id);
	assert_false(s.forgotten);
	assert_err(snapshots_newest_date(f->c, &date, e), ERR_OK, e);
	assert_int_equal(date, 100);
	assert_err(snapshots_previous(f->c, b[1].table.id, &s, e), ERR_OK, e);
	assert_int_equal(s.id, b[1].id);
	assert_true(s.forgotten);
	assert_err(packs_get(f->c, b[1].pack_id, &p, e), ERR_OK, e);
	assert_true(p.forgotten);
	assert_err(packs_get(f->c, b[0].pack_id, &p, e), ERR_OK, e);
	assert_false(p.forgotten);
	assert_err(packs_total(f->c, &n, e), ERR_OK, e);
	assert_int_equal(n, 3000);
	/* A table with nothing else is not shown. */
	forget(f, b[2].id);
	assert_err(tables_find(f->c, "shop", "users", &t, e), ERR_ABSENT, e);
	assert_err(tables_find(f->c, "shop", "orders", &t, e), ERR_OK, e);
	forget(f, b[0].id);
	assert_err(tables_find(f->c, "shop", "orders", &t, e), ERR_ABSENT, e);
	assert_err(catalog_check(f->c, NULL, NULL, e), ERR_OK, e);
}

static void
forgotten_intend__refusals(void **state)
{
	struct fixture *f = *state;
	struct fixture_build b[3];
	struct err *e = &f->e;
	int64_t ids[2], id;

	populate(f, b);
	ids[0] = b[0].id;
	ids[1] = 999;
	assert_err(forgotten_intend(f->c, ids, 2, e), ERR_WRONG_STATE, e);
	/* All or none. */
	assert_err(leftovers_next(f->c, LEFTOVERS_MARKER, 0, &id, e), ERR_END, e);
	assert_err(catalog_begin(f->c, e), ERR_OK, e);
	assert_err(tags_pin(f->c, b[0].id, true, e), ERR_OK, e);
	assert_err(catalog_commit(f->c, false, e), ERR_OK, e);
	assert_err(forgotten_intend(f->c, ids, 1, e), ERR_WRONG_STATE, e);
	assert_non_null(strstr(e->text, "pinned"));
	assert_err(forgotten_hide(f->c, ids, 1, e), ERR_WRONG_STATE, e);
	assert_err(catalog_begin(f->c, e), ERR_OK, e);
	assert_err(tags_pin(f->c, b[0].id, false, e), ERR_OK, e);
	assert_err(catalog_commit(f->c, false, e), ERR_OK, e);
	assert_err(forgotten_intend(f->c, ids, 1, e), ERR_OK, e);
	assert_err(leftovers_has(f->c, LEFTOVERS_MARKER, b[0].id, e), ERR_OK, e);
	assert_err(forgotten_hide(f->c, ids, 1, e), ERR_OK, e);
	assert_err(leftovers_has(f->c, LEFTOVERS_MARKER, b[0].id, e), ERR_ABSENT, e);
	/* A second time there is nothing to forget. */
	assert_err(forgotten_intend(f->c, ids, 1, e), ERR_WRONG_STATE, e);
	assert_err(forgotten_hide(f->c, ids, 1, e), ERR_WRONG_STATE, e);
}

static void
forgotten_drop__when_its_packs_are_gone(void **state)
{
	struct fixture *f = *state;
	struct fixture_build b[3];
	struct snapshots_snapshot s;
	struct err *e = &f->e;
	int64_t id;

	populate(f, b);
	assert_err(catalog_begin(f->c, e), ERR_OK, e);
	/* Neither a pack nor a row of what is shown can be dropped. */
	assert_err(packs_drop(f->c, b[0].pack_id, e), ERR_WRONG_STATE, e);
	catalog_rollback(f->c);
	forget(f, b[0].id);
	assert_err(forgotten_table_next(f->c, 0, &id, e), ERR_OK, e);
	assert_int_equal(id, b[0].table.id);
	assert_err(forgotten_table_next(f->c, id, &id, e), ERR_END, e);
	assert_err(forgotten_next(f->c, id, 0, &s, e), ERR_OK, e);
	assert_int_equal(s.id, b[0].id);
	assert_int_equal(s.date, 100);
	assert_err(forgotten_next(f->c, id, s.id, &s, e), ERR_END, e);
	assert_err(forgotten_before(f->c, id, s.id + 1, &s, e), ERR_OK, e);
	assert_err(forgotten_before(f->c, id, s.id, &s, e), ERR_END, e);
	assert_err(catalog_begin(f->c, e), ERR_OK, e);
	assert_err(forgotten_drop(f->c, b[0].id, e), ERR_ABSENT, e);
	assert_err(packs_drop(f->c, b[0].pack_id, e), ERR_OK, e);
	assert_err(forgotten_drop(f->c, b[0].id, e), ERR_OK, e);
	assert_err(forgotten_runs(f->c, e), ERR_OK, e);
	assert_err(catalog_commit(f->c, false, e), ERR_OK, e);
	assert_err(leftovers_has(f->c, LEFTOVERS_PACK, b[0].pack_id, e), ERR_OK, e);
	assert_err(leftovers_has(f->c, LEFTOVERS_MARKER, b[0].id, e), ERR_OK, e);
	assert_int_equal(fixture_number(f, "catalog.db", "SELECT count(*) FROM snapshots"), 2);
	assert_int_equal(fixture_number(f, "catalog.db", "SELECT count(*) FROM runs"), 2);
	/* That it was there is remembered. */
	assert_err(forgotten_date(f->c, id, 100, e), ERR_OK, e);
	assert_err(forgotten_date(f->c, id, 200, e), ERR_ABSENT, e);
	assert_err(forgotten_date(f->c, id + 1, 100, e), ERR_ABSENT, e);
}

static void
leftovers__by_kind_and_number(void **state)
{
	struct fixture *f = *state;
	struct err *e = &f->e;
	int64_t id = 77;

	assert_err(leftovers_add(f->c, LEFTOVERS_PACK, 3, e), ERR_BUG, e);
	assert_err(catalog_begin(f->c, e), ERR_OK, e);
	assert_err(leftovers_add(f->c, LEFTOVERS_PACK, 3, e), ERR_OK, e);
	assert_err(leftovers_add(f->c, LEFTOVERS_PACK, 3, e), ERR_OK, e);
	assert_err(leftovers_add(f->c, LEFTOVERS_PACK, 1, e), ERR_OK, e);
	assert_err(leftovers_add(f->c, LEFTOVERS_REPLACEMENT, 2, e), ERR_OK, e);
	assert_err(leftovers_add(f->c, LEFTOVERS_DICTIONARY, 3, e), ERR_OK, e);
	assert_err(catalog_commit(f->c, false, e), ERR_OK, e);
	assert_err(leftovers_next(f->c, LEFTOVERS_PACK, 0, &id, e), ERR_OK, e);
	assert_int_equal(id, 1);
	assert_err(leftovers_next(f->c, LEFTOVERS_PACK, 1, &id, e), ERR_OK, e);
	assert_int_equal(id, 3);
	assert_err(leftovers_next(f->c, LEFTOVERS_PACK, 3, &id, e), ERR_END, e);
	assert_err(leftovers_done(f->c, LEFTOVERS_PACK, 3, e), ERR_OK, e);
	assert_err(leftovers_next(f->c, LEFTOVERS_PACK, 1, &id, e), ERR_END, e);
	assert_err(leftovers_next(f->c, LEFTOVERS_DICTIONARY, 0, &id, e), ERR_OK, e);
	assert_err(leftovers_next(f->c, LEFTOVERS_MARKER, 0, &id, e), ERR_END, e);
	fixture_sql(
	    f, "catalog.db", "INSERT INTO leftovers VALUES ('marker', 9223372036854775807)");
	assert_err(leftovers_next(f->c, LEFTOVERS_MARKER, 0, &id, e), ERR_CORRUPT, e);
}

static void
versions__deleted_and_extended(void **state)
{
	struct fixture *f = *state;
	struct key key = fixture_key("Sa"), other = fixture_key("Sb");
	struct versions_version v;
	struct fixture_build b[3];
	int64_t table;
	struct err *e = &f->e;

	populate(f, b);
	table = b[0].table.id;
	assert_err(versions_before(f->c, table, &key, b[0].id, &v, e), ERR_ABSENT, e);
	assert_err(versions_before(f->c, table, &key, b[0].id + 1, &v, e), ERR_OK, e);
	assert_int_equal(v.born, b[0].id);
	assert_err(versions_after(f->c, table, &key, 0, &v, e), ERR_OK, e);
	assert_err(versions_after(f->c, table, &key, b[0].id, &v, e), ERR_ABSENT, e);
	assert_err(versions_after(f->c, table, &other, 0, &v, e), ERR_ABSENT, e);
	assert_err(versions_extend(f->c, table, &key, b[0].id, 9, e), ERR_BUG, e);
	assert_err(catalog_begin(f->c, e), ERR_OK, e);
	assert_err(versions_extend(f->c, table, &key, b[0].id, 9, e), ERR_OK, e);
	/* A life is never shortened. */
	assert_err(versions_extend(f->c, table, &key, b[0].id, 8, e), ERR_ABSENT, e);
	assert_err(versions_born(f->c, table, &key, b[0].id, &v, e), ERR_OK, e);
	assert_int_equal(v.died, 9);
	assert_err(versions_delete(f->c, table, &other, b[0].id, e), ERR_ABSENT, e);
	assert_err(versions_delete(f->c, table, &key, b[0].id, e), ERR_OK, e);
	assert_err(versions_born(f->c, table, &key, b[0].id, &v, e), ERR_ABSENT, e);
	catalog_rollback(f->c);
}

static void
tags__added_and_removed(void **state)
{
	struct fixture *f = *state;
	struct fixture_build b[3];
	char tag[TAGS_NAME] = "", long_tag[TAGS_NAME + 1];
	struct err *e = &f->e;

	populate(f, b);
	memset(long_tag, 'x', sizeof(long_tag));
	long_tag[TAGS_NAME] = '\0';
	assert_false(tags_valid(long_tag));
	assert_true(tags_valid(long_tag + 1));
	assert_false(tags_valid(""));
	assert_false(tags_valid("a b"));
	assert_true(tags_valid("v1.2_rc-3"));
	assert_err(tags_add(f->c, b[0].id, "x", e), ERR_BUG, e);
	assert_err(catalog_begin(f->c, e), ERR_OK, e);
	assert_err(tags_add(f->c, b[0].id, "zebra", e), ERR_OK, e);
	assert_err(tags_add(f->c, b[0].id, "ant", e), ERR_OK, e);
	assert_err(tags_add(f->c, b[0].id, "ant", e), ERR_OK, e);
	assert_err(tags_add(f->c, b[0].id, "an ant", e), ERR_ARG, e);
	assert_err(tags_add(f->c, 999, "ant", e), ERR_WRONG_STATE, e);
	assert_err(tags_next(f->c, b[0].id, tag, tag, e), ERR_OK, e);
	assert_string_equal(tag, "ant");
	assert_err(tags_next(f->c, b[0].id, tag, tag, e), ERR_OK, e);
	assert_string_equal(tag, "zebra");
	assert_err(tags_next(f->c, b[0].id, tag, tag, e), ERR_END, e);
	assert_err(tags_next(f->c, b[1].id, "", tag, e), ERR_END, e);
	assert_err(tags_remove(f->c, b[0].id, "ant", e), ERR_OK, e);
	assert_err(tags_remove(f->c, b[0].id, "ant", e), ERR_OK, e);
	assert_err(tags_next(f->c, b[0].id, "", tag, e), ERR_OK, e);
	assert_string_equal(tag, "zebra");
	assert_err(catalog_commit(f->c, false, e), ERR_OK, e);
}

static int
count_visit(void *arg, const struct tables_table *table, const struct snapshots_snapshot *snapshot,
    struct err *e)
{
	(void)table;
	(void)snapshot;
	(void)e;
	++*(int *)arg;
	return ERR_OK;
}

static void
named__tables_and_dates(void **state)
{
	struct fixture *f = *state;
	const char *const orders[] = {"shop.orders"}, *const both[] = {"shop.orders", "shop.none"};
	struct fixture_build b[3];
	struct err *e = &f->e;
	int n = 0;

	assert_err(named_tables(f->c, NULL, 0, count_visit, &n, e), ERR_ABSENT, e);
	populate(f, b);
	assert_err(named_tables(f->c, NULL, 0, count_visit, &n, e), ERR_OK, e);
	assert_int_equal(n, 3);
	assert_err(named_tables(f->c, orders, 1, count_visit, &n, e), ERR_OK, e);
	assert_int_equal(n, 5);
	assert_err(named_tables(f->c, both, 2, count_visit, &n, e), ERR_ABSENT, e);
	assert_non_null(strstr(e->text, "shop.none"));
	n = 0;
	assert_err(named_at(f->c, "shop", "@100", count_visit, &n, e), ERR_OK, e);
	assert_int_equal(n, 2);
	assert_err(named_at(f->c, "shop.orders", "latest", count_visit, &n, e), ERR_OK, e);
	assert_int_equal(n, 3);
	assert_err(named_at(f->c, "shop", "@150", count_visit, &n, e), ERR_ABSENT, e);
	assert_err(named_at(f->c, "shop", "now", count_visit, &n, e), ERR_FORMAT, e);
	assert_int_equal(n, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FIXTURE_TEST(forgotten_hide__nothing_shows_it),
	    FIXTURE_TEST(forgotten_intend__refusals),
	    FIXTURE_TEST(forgotten_drop__when_its_packs_are_gone),
	    FIXTURE_TEST(leftovers__by_kind_and_number),
	    FIXTURE_TEST(versions__deleted_and_extended),
	    FIXTURE_TEST(tags__added_and_removed),
	    FIXTURE_TEST(named__tables_and_dates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
