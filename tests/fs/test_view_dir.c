/* Listings of the tree: whole, in order, the same from any cookie, and never short by mistake. */
#include "tests/support/tree.h"

#include "catalog/base/date.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES 1000 /* room for any listing of these tests */

struct listing {
	struct view_entry entries[ENTRIES];
	size_t n;
};

/* ---- helpers ---- */

static uint64_t
date_ino(const struct tree *t, unsigned day, unsigned shard)
{
	return inode_pack((struct inode){INODE_DATE, t->snapshots[day], shard});
}

static struct view_dir *
open_dir(struct tree *t, uint64_t ino)
{
	struct view_dir *d = NULL;

	assert_err(view_dir_open(t->view, ino, &d, &t->e), ERR_OK, &t->e);
	return d;
}

/* Read on to the end. */
static void
read_rest(struct tree *t, struct view *v, struct view_dir *d, struct listing *out)
{
	int rc;

	out->n = 0;
	while ((rc = view_dir_next(v, d, &out->entries[out->n], &t->e)) == ERR_OK)
		assert_true(++out->n < ENTRIES);
	assert_err(rc, ERR_END, &t->e);
	/* The end is the end. */
	assert_err(view_dir_next(v, d, &out->entries[out->n], &t->e), ERR_END, &t->e);
}

static struct listing *
list(struct tree *t, uint64_t ino)
{
	struct listing *l = calloc(1, sizeof(*l));
	struct view_dir *d = open_dir(t, ino);

	assert_non_null(l);
	read_rest(t, t->view, d, l);
	view_dir_close(d);
	return l;
}

/* All names of a directory, with a blank behind each. */
static void
assert_names(struct tree *t, const char *path, const char *want)
{
	struct listing *l = list(t, tree_find(t, path));
	char got[2000] = "";

	for (size_t i = 0; i < l->n; i++) {
		strncat(got, l->entries[i].name, sizeof(got) - strlen(got) - 1);
		strncat(got, " ", sizeof(got) - strlen(got) - 1);
	}
	assert_string_equal(got, want);
	free(l);
}

static void
assert_same_entry(const struct view_entry *a, const struct view_entry *b)
{
	assert_string_equal(a->name, b->name);
	assert_true(a->attr.ino == b->attr.ino);
	assert_int_equal(a->attr.size, b->attr.size);
	assert_int_equal(a->attr.nlink, b->attr.nlink);
	assert_int_equal(a->attr.mtime, b->attr.mtime);
	assert_true(a->next == b->next);
}

/* Read up to ${most} entries and compare them with those of ${l} from ${from} on. */
static void
assert_goes_on(struct tree *t, struct view *v, struct view_dir *d, const struct listing *l,
    size_t from, size_t most)
{
	struct view_entry entry;

	for (size_t i = from; i < l->n && i - from < most; i++) {
		assert_err(view_dir_next(v, d, &entry, &t->e), ERR_OK, &t->e);
		assert_same_entry(&entry, &l->entries[i]);
	}
	if (l->n - from < most)
		assert_err(view_dir_next(v, d, &entry, &t->e), ERR_END, &t->e);
}

/* The cookie before entry ${i}. */
static uint64_t
cookie_before(const struct listing *l, size_t i)
{
	return i == 0 ? 0 : l->entries[i - 1].next;
}

static void
seek(struct tree *t, struct view *v, struct view_dir *d, uint64_t cookie)
{
	assert_err(view_dir_seek(v, d, cookie, &t->e), ERR_OK, &t->e);
}

/* Run SQL on the catalogue behind everybody's back. */
static void
change_catalogue(struct tree *t, const char *sql)
{
	char path[600];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/catalog.db", t->repo->path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* ---- what is listed ---- */

static void
view_dir__upper_levels(void **state)
{
	struct tree *t = *state;

	assert_names(t, "", "shop ");
	assert_names(t, "shop", "coupons orders ");
	assert_names(t, "shop/orders", "shard-00 shard-01 ");
	assert_names(t, "shop/coupons", "shard-00 shard-01 ");
	assert_names(t, "shop/orders/shard-01", TREE_DAY1 " " TREE_DAY2 " " TREE_DAY3 " latest ");
	assert_names(t, "shop/coupons/shard-01", TREE_DAY2 " latest ");
	assert_names(t, "shop/coupons/shard-01/" TREE_DAY2, ".table.json ");
	assert_names(t, "shop/orders/.restore", "pending done failed ");
	assert_names(t, "shop/orders/.restore/failed", "");
}

/* Each date lists what it should, in the order of the keys, and each entry is what a lookup of its
 * name and a look at its number say. */
static void
view_dir__documents_of_every_date(void **state)
{
	struct tree *t = *state;

	for (unsigned i = 0; i < 6; i++) {
		unsigned day = i / 2, shard = i % 2;
		uint64_t ino = date_ino(t, day, shard);
		struct listing *l = list(t, ino);
		size_t at = 1;
		assert_string_equal(l->entries[0].name, ".table.json");
		for (unsigned n = shard ? TREE_CUT : 0; n < (shard ? TREE_ALL : TREE_CUT); n++) {
			if (tree_version(n, day) == 0)
				continue;
			assert_true(at < l->n);
			assert_true(l->entries[at].attr.ino == tree_ino(t, n, day));
			at++;
		}
		assert_int_equal(at, l->n);
		for (size_t k = 0; k < l->n; k++) {
			struct view_entry *e = &l->entries[k];
			struct view_entry found = {.next = e->next};
			memcpy(found.name, e->name, sizeof(found.name));
			assert_err(
			    view_lookup(t->view, ino, e->name, &found.attr, &t->e), ERR_OK, &t->e);
			assert_same_entry(e, &found);
			assert_err(
			    view_attr(t->view, e->attr.ino, &found.attr, &t->e), ERR_OK, &t->e);
			assert_same_entry(e, &found);
		}
		free(l);
	}
}

static void
view_dir__cookies_are_positive_and_differ(void **state)
{
	struct tree *t = *state;
	struct listing *l = list(t, date_ino(t, 1, 0));

	for (size_t i = 0; i < l->n; i++) {
		/* 0 is the start, 1 and 2 are for "." and "..". */
		assert_true(l->entries[i].next > 2 && l->entries[i].next <= INT64_MAX);
		for (size_t k = 0; k < i; k++)
			assert_true(l->entries[i].next != l->entries[k].next);
	}
	free(l);
}

/* ---- seeking ---- */

static void
view_dir_seek__any_cookie_in_a_fresh_listing(void **state)
{
	struct tree *t = *state;
	const char *paths[] = {"", "shop", "shop/orders", "shop/orders/shard-00",
	    "shop/coupons/shard-01", "shop/orders/.restore", "shop/orders/shard-00/" TREE_DAY2,
	    "shop/orders/shard-01/" TREE_DAY3};

	for (size_t p = 0; p < sizeof(paths) / sizeof(paths[0]); p++) {
		uint64_t ino = tree_find(t, paths[p]);
		struct listing *l = list(t, ino);
		for (size_t i = 0; i <= l->n; i++) {
			struct view_dir *d = open_dir(t, ino);
			seek(t, t->view, d, cookie_before(l, i));
			assert_goes_on(t, t->view, d, l, i, i % 50 == 0 ? ENTRIES : 3);
			view_dir_close(d);
		}
		free(l);
	}
}

static void
view_dir_seek__to_and_fro(void **state)
{
	struct tree *t = *state;
	uint64_t ino = date_ino(t, 2, 0);
	struct listing *l = list(t, ino);
	struct view_dir *d = open_dir(t, ino);

	for (size_t i = l->n + 1; i-- > 0;) {
		seek(t, t->view, d, cookie_before(l, i));
		assert_goes_on(t, t->view, d, l, i, 2);
	}
	seek(t, t->view, d, l->entries[l->n - 1].next);
	assert_goes_on(t, t->view, d, l, l->n, 1);
	seek(t, t->view, d, 0);
	assert_goes_on(t, t->view, d, l, 0, ENTRIES);
	view_dir_close(d);
	free(l);
}

/* As FUSE does: an entry that finds no room is asked for again, where pages meet too. */
static void
view_dir_seek__one_entry_back(void **state)
{
	struct tree *t = *state;
	uint64_t ino = date_ino(t, 2, 1);
	struct listing *l = list(t, ino);

	assert_true(l->n > 2 * 150);
	for (size_t step = 1; step < 8; step++) {
		struct view_dir *d = open_dir(t, ino);
		struct view_entry dropped;
		for (size_t i = 0; i < l->n; i += step) {
			seek(t, t->view, d, cookie_before(l, i));
			assert_goes_on(t, t->view, d, l, i, step < l->n - i ? step : l->n - i);
			if (i + step < l->n)
				assert_err(
				    view_dir_next(t->view, d, &dropped, &t->e), ERR_OK, &t->e);
		}
		view_dir_close(d);
	}
	free(l);
}

static void
view_dir_seek__with_views_by_turns(void **state)
{
	struct tree *t = *state;
	uint64_t ino = date_ino(t, 2, 0);
	struct listing *l = list(t, ino);
	struct view_dir *d = open_dir(t, ino);
	struct view *views[2] = {t->view, NULL};

	assert_err(view_create(t->repo, t->store, &views[1], &t->e), ERR_OK, &t->e);
	for (size_t i = 0; i < l->n; i += 7) {
		struct view *v = views[i / 7 % 2];
		if (i % 3 == 0)
			seek(t, v, d, cookie_before(l, i));
		assert_goes_on(t, v, d, l, i, l->n - i < 7 ? l->n - i : 7);
	}
	view_dir_close(d);
	view_free(views[1]);
	free(l);
}

static void
view_dir_seek__cookies_that_are_none(void **state)
{
	struct tree *t = *state;
	struct view_dir *d = open_dir(t, date_ino(t, 1, 0));
	struct view_entry entry;
	const uint64_t strange[] = {
	    inode_pack((struct inode){INODE_DOCUMENT, 999, 0}),
	    inode_pack((struct inode){INODE_DOCUMENT, t->packs[0][0], 99999}),
	};

	assert_err(view_dir_seek(t->view, d, 2, &t->e), ERR_ARG, &t->e);
	assert_err(view_dir_seek(t->view, d, UINT64_MAX, &t->e), ERR_ARG, &t->e);
	for (size_t i = 0; i < 2; i++) {
		assert_err(view_dir_seek(t->view, d, strange[i], &t->e), ERR_OK, &t->e);
		assert_true(view_dir_next(t->view, d, &entry, &t->e) < 0);
	}
	view_dir_close(d);
}

/* A cookie of a document that this date does not show: the listing goes on behind its key. */
static void
view_dir_seek__behind_a_document_of_another_date(void **state)
{
	struct tree *t = *state;
	struct listing *l = list(t, date_ino(t, 2, 0));
	struct view_dir *d = open_dir(t, date_ino(t, 2, 0));
	struct view_entry entry;

	seek(t, t->view, d, tree_ino(t, 16, 0));
	assert_err(view_dir_next(t->view, d, &entry, &t->e), ERR_OK, &t->e);
	assert_true(entry.attr.ino == tree_ino(t, 17, 2));
	view_dir_close(d);
	free(l);
}

/* ---- changes while listing ---- */

static void
view_dir__a_snapshot_comes(void **state)
{
	struct tree *t = *state;
	uint64_t ino = date_ino(t, 2, 0);
	struct listing *before = list(t, ino);
	struct view_dir *d = open_dir(t, ino);
	struct listing *after;

	assert_goes_on(t, t->view, d, before, 0, 10);
	tree_next_day(t);
	after = list(t, ino);
	assert_int_equal(after->n, before->n);
	/* The same names with one more link, also where the listing was begun before. */
	seek(t, t->view, d, cookie_before(before, 10));
	assert_goes_on(t, t->view, d, after, 10, ENTRIES);
	assert_string_equal(after->entries[17].name, before->entries[17].name);
	assert_int_equal(after->entries[17].attr.nlink, before->entries[17].attr.nlink + 1);
	assert_names(t, "shop/orders/shard-00",
	    TREE_DAY1 " " TREE_DAY2 " " TREE_DAY3 " " TREE_DAY4 " latest ");
	view_dir_close(d);
	free(before);
	free(after);
}

static void
view_dir__a_snapshot_goes(void **state)
{
	struct tree *t = *state;
	struct view_dir *d = open_dir(t, date_ino(t, 1, 0));
	struct view_dir *again = NULL;
	struct view_entry entry;
	char sql[200];
	int rc = ERR_OK;

	for (int i = 0; i < 100; i++)
		assert_err(view_dir_next(t->view, d, &entry, &t->e), ERR_OK, &t->e);
	snprintf(sql, sizeof(sql), "UPDATE snapshots SET complete = 0 WHERE id = %lld",
	    (long long)t->snapshots[1]);
	change_catalogue(t, sql);
	/* Not the end, not "there is no such directory": both would look like a short listing. */
	while (rc == ERR_OK)
		rc = view_dir_next(t->view, d, &entry, &t->e);
	assert_err(rc, ERR_STALE, &t->e);
	assert_err(view_dir_next(t->view, d, &entry, &t->e), ERR_STALE, &t->e);
	assert_err(view_dir_open(t->view, date_ino(t, 1, 0), &again, &t->e), ERR_ABSENT, &t->e);
	assert_names(t, "shop/orders/shard-00", TREE_DAY1 " " TREE_DAY3 " latest ");
	view_dir_close(d);
}

static void
view_dir__a_damaged_row(void **state)
{
	struct tree *t = *state;
	struct view_dir *d = open_dir(t, date_ino(t, 1, 0));
	struct view_entry entry;
	char sql[200];
	int rc = ERR_OK;
	unsigned n = 0;

	snprintf(sql, sizeof(sql),
	    "UPDATE versions SET key = X'4E00FF' WHERE pack_id = %lld AND ordinal = 40",
	    (long long)t->packs[0][0]);
	change_catalogue(t, sql);
	while (rc == ERR_OK && n++ < ENTRIES)
		rc = view_dir_next(t->view, d, &entry, &t->e);
	assert_err(rc, ERR_CORRUPT, &t->e);
	view_dir_close(d);
}

/* A row whose place is another document's: its name is listed and said to be damaged, it is never
 * found under another's number, and nothing else suffers. */
static void
view_dir__a_row_with_the_place_of_another(void **state)
{
	struct tree *t = *state;
	uint64_t directory = date_ino(t, 0, 0);
	struct view_dir *d = open_dir(t, directory);
	unsigned n = 0, damaged = 0;
	struct view_entry entry;
	char sql[200];
	int rc;

	snprintf(sql, sizeof(sql),
	    "UPDATE versions SET ordinal = 41 WHERE pack_id = %lld AND ordinal = 40",
	    (long long)t->packs[0][0]);
	change_catalogue(t, sql);
	while ((rc = view_dir_next(t->view, d, &entry, &t->e)) == ERR_OK) {
		struct view_attr attr = {0};
		struct err e = {0};
		n++;
		damaged += entry.damaged;
		rc = view_lookup(t->view, directory, entry.name, &attr, &e);
		assert_err(rc, entry.damaged ? ERR_CORRUPT : ERR_OK, &e);
		assert_true(attr.ino == (entry.damaged ? 0 : entry.attr.ino));
	}
	assert_err(rc, ERR_END, &t->e);
	assert_int_equal(damaged, 1);
	assert_true(n > 300);
	view_dir_close(d);
}

static void
view_dir__a_catalogue_without_its_tables(void **state)
{
	struct tree *t = *state;
	struct view_dir *d = open_dir(t, INODE_ROOT_NUMBER);
	struct view_entry entry;

	change_catalogue(t, "PRAGMA foreign_keys = OFF; DROP TABLE snapshots;");
	assert_true(view_dir_next(t->view, d, &entry, &t->e) < 0);
	view_dir_close(d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TREE_TEST(view_dir__upper_levels),
	    TREE_TEST(view_dir__documents_of_every_date),
	    TREE_TEST(view_dir__cookies_are_positive_and_differ),
	    TREE_TEST(view_dir_seek__any_cookie_in_a_fresh_listing),
	    TREE_TEST(view_dir_seek__to_and_fro),
	    TREE_TEST(view_dir_seek__one_entry_back),
	    TREE_TEST(view_dir_seek__with_views_by_turns),
	    TREE_TEST(view_dir_seek__cookies_that_are_none),
	    TREE_TEST(view_dir_seek__behind_a_document_of_another_date),
	    TREE_TEST(view_dir__a_snapshot_comes),
	    TREE_TEST(view_dir__a_snapshot_goes),
	    TREE_TEST(view_dir__a_damaged_row),
	    TREE_TEST(view_dir__a_row_with_the_place_of_another),
	    TREE_TEST(view_dir__a_catalogue_without_its_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
