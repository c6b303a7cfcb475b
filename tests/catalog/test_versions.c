/* Tests of catalog/versions.c: what a snapshot shows, page by page. */
#include "tests/catalog/fixture.h"

/* ---- a history that is kept twice: in the catalogue and here ---- */

#define KEYS 60
#define DATES 25

struct history {
	int64_t born[DATES][KEYS]; /* the version of a key at a date; 0: none */
	int64_t ids[DATES];        /* the snapshots */
	struct fixture_build b;    /* of the newest */
};

/* A small generator of our own: the same history on every machine. */
static uint32_t
draw(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 16;
}

/* Keys that are prefixes of each other and end in zero bytes and 0xff, in memcmp order. */
static struct key
history_key(int n)
{
	struct key k = {.len = 2};

	k.bytes[0] = 'S';
	k.bytes[1] = (uint8_t)(n / 4 + 1);
	if (n % 4 > 0) {
		static const uint8_t tails[] = {0, 0x41, 0xff};
		k.bytes[k.len++] = tails[n % 4 - 1];
		if (n % 8 > 4)
			k.bytes[k.len++] = 0;
	}
	return k;
}

static void
history_step(struct fixture *f, struct history *h, int date, uint32_t *seed)
{
	fixture_start(f, "orders", 1000 + date, &h->b);
	h->ids[date] = h->b.id;
	for (int n = 0; n < KEYS; n++) {
		int64_t old = date > 0 ? h->born[date - 1][n] : 0;
		bool there = draw(seed) % 4 != 0;
		bool same = old != 0 && there && draw(seed) % 3 != 0;
		struct versions_version v = {.key = history_key(n),
		    .born = h->b.id,
		    .died = VERSIONS_ALIVE,
		    .pack_id = h->b.pack_id,
		    .ordinal = h->b.ordinal,
		    .size = (uint32_t)n};
		if (old != 0 && !same)
			assert_err(versions_close(f->c, h->b.table.id, &v.key, old, h->b.id, &f->e),
			    ERR_OK, &f->e);
		if (there && !same) {
			assert_err(versions_insert(f->c, h->b.table.id, &v, &f->e), ERR_OK, &f->e);
			h->b.ordinal++;
		}
		h->b.documents += there;
		h->born[date][n] = !there ? 0 : same ? old : h->b.id;
	}
	fixture_finish(f, &h->b);
}

static struct history *
history_make(struct fixture *f)
{
	struct history *h = calloc(1, sizeof(*h));
	uint32_t seed = 7;

	assert_non_null(h);
	for (int date = 0; date < DATES; date++)
		history_step(f, h, date, &seed);
	return h;
}

/* The keys from ${from} to before ${to} at a date, in pages of ${room}, must be those of the model.
 */
static void
history_check(struct fixture *f, const struct history *h, int date, int from, int to,
    bool inclusive, size_t room)
{
	struct key after = from >= 0 ? history_key(from) : (struct key){0};
	struct key upper = to < KEYS ? history_key(to) : (struct key){0};
	struct versions_version page[KEYS + 1];
	int n = from < 0 ? 0 : inclusive ? from : from + 1;
	size_t got;

	do {
		assert_err(versions_page(f->c, h->b.table.id, h->ids[date], &after, inclusive,
			       &upper, page, room, &got, &f->e),
		    ERR_OK, &f->e);
		for (size_t i = 0; i < got; i++) {
			struct key want;
			while (n < KEYS && h->born[date][n] == 0)
				n++;
			assert_in_range(n, 0, to - 1);
			want = history_key(n);
			assert_int_equal(page[i].key.len, want.len);
			assert_memory_equal(page[i].key.bytes, want.bytes, want.len);
			assert_int_equal(page[i].born, h->born[date][n]);
			assert_int_equal(page[i].size, n);
			after = page[i].key;
			n++;
		}
		inclusive = false;
	} while (got == room);
	while (n < to)
		assert_int_equal(h->born[date][n++], 0);
}

static void
versions_page__every_snapshot_of_a_long_history(void **state)
{
	static const size_t rooms[] = {1, 7, KEYS + 1};
	struct fixture *f = *state;
	struct history *h = history_make(f);
	uint32_t seed = 3;

	for (int date = 0; date < DATES; date++) {
		for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++)
			history_check(f, h, date, -1, KEYS, false, rooms[i]);
		for (int i = 0; i < 10; i++) {
			int from = (int)(draw(&seed) % KEYS);
			int to = from + (int)(draw(&seed) % (uint32_t)(KEYS + 1 - from));
			if (to > from)
				history_check(f, h, date, from, to, i % 2 == 0, 5);
		}
	}
	free(h);
}

static void
versions_find__every_key_of_every_snapshot(void **state)
{
	struct fixture *f = *state;
	struct history *h = history_make(f);
	struct versions_version v, w;

	for (int date = 0; date < DATES; date++)
		for (int n = 0; n < KEYS; n++) {
			struct key k = history_key(n);
			int64_t born = h->born[date][n];
			assert_err(versions_find(f->c, h->b.table.id, h->ids[date], &k, &v, &f->e),
			    born != 0 ? ERR_OK : ERR_ABSENT, &f->e);
			if (born == 0)
				continue;
			assert_int_equal(v.born, born);
			assert_err(
			    versions_born(f->c, h->b.table.id, &k, born, &w, &f->e), ERR_OK, &f->e);
			assert_int_equal(w.ordinal, v.ordinal);
			assert_int_equal(w.pack_id, v.pack_id);
			assert_int_equal(w.died, v.died);
		}
	free(h);
}

/* ---- single functions ---- */

static void
versions_insert__all_fields_come_back(void **state)
{
	struct fixture *f = *state;
	struct versions_version v, out;
	struct fixture_build b;

	fixture_start(f, "orders", 100, &b);
	v = (struct versions_version){.key = {.len = KEY_MAX},
	    .born = b.id,
	    .died = VERSIONS_ALIVE,
	    .pack_id = b.pack_id,
	    .ordinal = UINT32_MAX,
	    .size = UINT32_MAX};
	for (int i = 0; i < KEY_MAX; i++)
		v.key.bytes[i] = (uint8_t)(i * 2);
	for (int i = 0; i < DIGEST_LEN; i++)
		v.digest[i] = (uint8_t)(255 - i);
	assert_err(versions_insert(f->c, b.table.id, &v, &f->e), ERR_OK, &f->e);
	assert_err(versions_find(f->c, b.table.id, b.id, &v.key, &out, &f->e), ERR_OK, &f->e);
	assert_int_equal(out.key.len, KEY_MAX);
	assert_memory_equal(out.key.bytes, v.key.bytes, KEY_MAX);
	assert_int_equal(out.born, b.id);
	assert_true(out.died == VERSIONS_ALIVE);
	assert_int_equal(out.pack_id, b.pack_id);
	assert_int_equal(out.ordinal, UINT32_MAX);
	assert_int_equal(out.size, UINT32_MAX);
	assert_memory_equal(out.digest, v.digest, DIGEST_LEN);
	assert_err(versions_insert(f->c, b.table.id, &v, &f->e), ERR_EXISTS, &f->e);
	/* The failure of one statement leaves the transaction as it was. */
	assert_err(catalog_commit(f->c, false, &f->e), ERR_OK, &f->e);
	assert_err(versions_find(f->c, b.table.id, b.id, &v.key, &out, &f->e), ERR_OK, &f->e);
}

static void
versions_insert__refuses_what_could_not_be_read_back(void **state)
{
	struct fixture *f = *state;
	struct versions_version good, v;
	struct fixture_build b;

	fixture_start(f, "orders", 100, &b);
	good = (struct versions_version){
	    .key = fixture_key("Sa"), .born = b.id, .died = VERSIONS_ALIVE, .pack_id = b.pack_id};
	v = good;
	v.key.len = 0;
	assert_err(versions_insert(f->c, b.table.id, &v, &f->e), ERR_BUG, &f->e);
	v = good;
	v.key.len = KEY_MAX + 1;
	assert_err(versions_insert(f->c, b.table.id, &v, &f->e), ERR_BUG, &f->e);
	v = good;
	v.died = v.born;
	assert_err(versions_insert(f->c, b.table.id, &v, &f->e), ERR_BUG, &f->e);
	v = good;
	v.pack_id = PACKS_ID_MAX;
	assert_err(versions_insert(f->c, b.table.id, &v, &f->e), ERR_BUG, &f->e);
	catalog_rollback(f->c);
	assert_err(versions_insert(f->c, b.table.id, &good, &f->e), ERR_BUG, &f->e);
}

static void
versions_close__once_and_only_what_lives(void **state)
{
	struct fixture *f = *state;
	struct key a = fixture_key("Sa"), none = fixture_key("Sb");
	struct versions_version v;
	struct fixture_build first, second;

	fixture_start(f, "orders", 100, &first);
	fixture_add(f, &first, "Sa");
	fixture_finish(f, &first);
	fixture_start(f, "orders", 200, &second);
	assert_err(versions_close(f->c, first.table.id, &none, first.id, second.id, &f->e),
	    ERR_ABSENT, NULL);
	assert_err(versions_close(f->c, first.table.id, &a, second.id, second.id + 1, &f->e),
	    ERR_ABSENT, NULL);
	assert_err(
	    versions_close(f->c, first.table.id, &a, first.id, first.id, &f->e), ERR_BUG, &f->e);
	assert_err(
	    versions_close(f->c, first.table.id, &a, first.id, second.id, &f->e), ERR_OK, &f->e);
	assert_err(
	    versions_close(f->c, first.table.id, &a, first.id, second.id, &f->e), ERR_ABSENT, NULL);
	assert_err(versions_find(f->c, first.table.id, first.id, &a, &v, &f->e), ERR_OK, &f->e);
	assert_int_equal(v.died, second.id);
	assert_err(versions_find(f->c, first.table.id, second.id, &a, &v, &f->e), ERR_ABSENT, NULL);
	catalog_rollback(f->c);
	assert_err(
	    versions_close(f->c, first.table.id, &a, first.id, second.id, &f->e), ERR_BUG, &f->e);
}

static void
versions_count__of_one_table_and_of_all(void **state)
{
	struct fixture *f = *state;
	struct fixture_build orders, users;
	uint64_t n = 77;

	assert_err(versions_count(f->c, 0, &n, &f->e), ERR_OK, &f->e);
	assert_int_equal(n, 0);
	fixture_start(f, "orders", 100, &orders);
	fixture_add(f, &orders, "Sa");
	fixture_add(f, &orders, "Sb");
	fixture_finish(f, &orders);
	fixture_start(f, "users", 100, &users);
	fixture_add(f, &users, "Sa");
	fixture_finish(f, &users);
	assert_err(versions_count(f->c, orders.table.id, &n, &f->e), ERR_OK, &f->e);
	assert_int_equal(n, 2);
	assert_err(versions_count(f->c, 0, &n, &f->e), ERR_OK, &f->e);
	assert_int_equal(n, 3);
	assert_err(versions_count(f->c, 999, &n, &f->e), ERR_OK, &f->e);
	assert_int_equal(n, 0);
}

/* Each value of a crafted file that the rest of the program relies on. */
static void
versions_find__values_out_of_range_are_damage(void **state)
{
	static const char *const crafted[] = {"born = 0", "died = born", "died = -1", "pack_id = 0",
	    "pack_id = 1073741824", "ordinal = -1", "ordinal = 4294967296", "size = -1",
	    "size = 4294967296", "digest = x'00'", "digest = zeroblob(17)", "key = x'' ",
	    "key = zeroblob(129)"};
	struct fixture *f = *state;
	struct key none = {0};
	struct versions_version page[4];
	struct fixture_build b;
	size_t got = 77;

	fixture_start(f, "orders", 100, &b);
	fixture_add(f, &b, "Sa");
	fixture_finish(f, &b);
	for (size_t i = 0; i < sizeof(crafted) / sizeof(crafted[0]); i++) {
		char sql[200];
		int rc;
		snprintf(sql, sizeof(sql),
		    "CREATE TABLE kept AS SELECT * FROM versions;"
		    "UPDATE versions SET %s",
		    crafted[i]);
		fixture_sql(f, "catalog.db", sql);
		rc = versions_page(
		    f->c, b.table.id, b.id, &none, false, &none, page, 4, &got, &f->e);
		/* A row that is not visible is not read: these two end before the snapshot. */
		if (i == 1 || i == 2) {
			assert_err(rc, ERR_OK, &f->e);
			assert_int_equal(got, 0);
			got = 77;
		} else {
			assert_err(rc, ERR_CORRUPT, &f->e);
			assert_int_equal(got, 77);
		}
		fixture_sql(f, "catalog.db",
		    "DELETE FROM versions; INSERT INTO versions SELECT * FROM kept;"
		    "DROP TABLE kept");
	}
	assert_err(versions_page(f->c, b.table.id, b.id, &none, false, &none, page, 4, &got, &f->e),
	    ERR_OK, &f->e);
	assert_int_equal(got, 1);
}

static void
versions_page__two_versions_of_a_key_are_damage(void **state)
{
	struct fixture *f = *state;
	struct key none = {0};
	struct versions_version page[4];
	struct fixture_build a, b;
	size_t got;

	fixture_start(f, "orders", 100, &a);
	fixture_add(f, &a, "Sa");
	fixture_finish(f, &a);
	fixture_start(f, "orders", 200, &b);
	fixture_add(f, &b, "Sa");
	fixture_finish(f, &b);
	assert_err(versions_page(f->c, b.table.id, b.id, &none, false, &none, page, 4, &got, &f->e),
	    ERR_CORRUPT, &f->e);
	assert_err(versions_page(f->c, a.table.id, a.id, &none, false, &none, page, 4, &got, &f->e),
	    ERR_OK, &f->e);
	assert_int_equal(got, 1);
	none.len = KEY_MAX + 1;
	assert_err(versions_page(f->c, a.table.id, a.id, &none, false, &none, page, 4, &got, &f->e),
	    ERR_BUG, &f->e);
}

/* A key that was changed in the file where it stands: taken as it is, a listing would go back to
 * it. */
static void
versions_page__wrong_order_is_damage(void **state)
{
	struct fixture *f = *state;
	struct key none = {0};
	struct versions_version page[100];
	struct fixture_build b;
	struct buf bytes = {0};
	char path[600], key[16];
	uint8_t *at;
	size_t got;

	fixture_start(f, "orders", 100, &b);
	for (int i = 100; i < 120; i++) {
		snprintf(key, sizeof(key), "Skey%d", i);
		fixture_add(f, &b, key);
	}
	fixture_finish(f, &b);
	catalog_close(f->c);
	f->c = NULL;
	snprintf(path, sizeof(path), "%s/catalog.db", f->path);
	test_read_file(path, &bytes);
	at = memmem(bytes.data, bytes.len, "Skey110", 7);
	assert_non_null(at);
	memcpy(at, "Skey101", 7);
	test_write_file(path, bytes.data, bytes.len);
	buf_finish(&bytes);
	assert_err(catalog_open(f->repo, CATALOG_READ, &f->c, &f->e), ERR_OK, &f->e);
	assert_err(
	    versions_page(f->c, b.table.id, b.id, &none, false, &none, page, 100, &got, &f->e),
	    ERR_CORRUPT, &f->e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FIXTURE_TEST(versions_page__every_snapshot_of_a_long_history),
	    FIXTURE_TEST(versions_find__every_key_of_every_snapshot),
	    FIXTURE_TEST(versions_insert__all_fields_come_back),
	    FIXTURE_TEST(versions_insert__refuses_what_could_not_be_read_back),
	    FIXTURE_TEST(versions_close__once_and_only_what_lives),
	    FIXTURE_TEST(versions_count__of_one_table_and_of_all),
	    FIXTURE_TEST(versions_find__values_out_of_range_are_damage),
	    FIXTURE_TEST(versions_page__wrong_order_is_damage),
	    FIXTURE_TEST(versions_page__two_versions_of_a_key_are_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
