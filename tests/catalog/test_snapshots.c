/* Tests of catalog/snapshots.c and snapshots_recover.c: from begun to visible, or taken back. */
#include "tests/catalog/fixture.h"

/* ---- building ---- */

static void
snapshots_complete__nothing_shows_before(void **state)
{
	struct fixture *f = *state;
	struct snapshots_snapshot s = {.id = 77};
	struct snapshots_shard shard = {.number = 77};
	struct fixture_build b;
	struct catalog *reader;
	struct buf text = {0};
	int64_t date = 77;

	assert_err(catalog_open(f->repo, CATALOG_READ, &reader, &f->e), ERR_OK, &f->e);
	fixture_start(f, "orders", 100, &b);
	fixture_add(f, &b, "Sa");
	fixture_record(f, &b);
	assert_err(snapshots_get(reader, b.id, &s, &f->e), ERR_ABSENT, NULL);
	assert_err(snapshots_at(reader, b.table.id, 100, &s, &f->e), ERR_ABSENT, NULL);
	assert_err(snapshots_latest(reader, b.table.id, &s, &f->e), ERR_ABSENT, NULL);
	assert_err(snapshots_next(reader, b.table.id, 0, &s, &f->e), ERR_END, NULL);
	assert_err(snapshots_newest_date(reader, &date, &f->e), ERR_ABSENT, NULL);
	assert_err(snapshots_primary_key(reader, b.id, &text, &f->e), ERR_ABSENT, NULL);
	assert_err(snapshots_config(reader, b.id, &text, &f->e), ERR_ABSENT, NULL);
	assert_err(snapshots_shard(reader, b.id, 0, &shard, &f->e), ERR_ABSENT, NULL);
	assert_int_equal(s.id, 77);
	assert_int_equal(date, 77);
	assert_int_equal(shard.number, 77);
	assert_err(snapshots_complete(f->c, &b.id, 1, &f->e), ERR_OK, &f->e);
	assert_err(snapshots_get(reader, b.id, &s, &f->e), ERR_OK, &f->e);
	assert_true(s.complete);
	assert_err(snapshots_shard(reader, b.id, 0, &shard, &f->e), ERR_OK, &f->e);
	catalog_close(reader);
}

static void
snapshots_describe__all_values_come_back(void **state)
{
	struct fixture *f = *state;
	struct snapshots_snapshot s, out;
	struct snapshots_shard shard, got;
	struct buf text = {0};
	struct fixture_build b;
	struct err *e = &f->e;

	fixture_start(f, "orders", -5, &b);
	s = (struct snapshots_snapshot){.id = b.id,
	    .shards = 2,
	    .documents = 3,
	    .bytes = INT64_MAX,
	    .added = 4,
	    .changed = 5,
	    .deleted = 6,
	    .stored_bytes = 7};
	assert_err(snapshots_describe(f->c, &s, "k\303\251y", "{\"a\":1}", 7, e), ERR_OK, e);
	shard = (struct snapshots_shard){.number = 0,
	    .upper = fixture_key("Sm"),
	    .documents = 1,
	    .bytes = 2,
	    .pack_id = b.pack_id};
	assert_err(snapshots_shard_put(f->c, b.id, &shard, e), ERR_OK, e);
	assert_err(snapshots_shard_put(f->c, b.id, &shard, e), ERR_EXISTS, e);
	shard = (struct snapshots_shard){
	    .number = 1, .lower = fixture_key("Sm"), .documents = 2, .pack_id = b.pack_id};
	assert_err(snapshots_shard_put(f->c, b.id, &shard, e), ERR_OK, e);
	assert_err(catalog_commit(f->c, false, e), ERR_OK, e);
	assert_err(snapshots_complete(f->c, &b.id, 1, e), ERR_OK, e);

	assert_err(snapshots_get(f->c, b.id, &out, e), ERR_OK, e);
	assert_int_equal(out.table_id, b.table.id);
	assert_int_equal(out.run_id, b.run_id);
	assert_int_equal(out.date, -5);
	assert_int_equal(out.shards, 2);
	assert_int_equal(out.documents, 3);
	assert_true(out.bytes == INT64_MAX);
	assert_int_equal(out.added, 4);
	assert_int_equal(out.changed, 5);
	assert_int_equal(out.deleted, 6);
	assert_int_equal(out.stored_bytes, 7);
	assert_int_equal(out.verified, 0);
	assert_err(snapshots_primary_key(f->c, b.id, &text, e), ERR_OK, e);
	assert_text(text.data, text.len, "k\303\251y");
	assert_err(snapshots_config(f->c, b.id, &text, e), ERR_OK, e);
	assert_text(text.data, text.len, "k\303\251y{\"a\":1}");
	buf_clear(&text);
	assert_err(snapshots_run_source(f->c, b.run_id, &text, e), ERR_OK, e);
	assert_text(text.data, text.len, "a source");
	assert_err(snapshots_run_source(f->c, 999, &text, e), ERR_ABSENT, NULL);
	assert_err(snapshots_shard(f->c, b.id, 0, &got, e), ERR_OK, e);
	assert_int_equal(got.lower.len, 0);
	assert_memory_equal(got.upper.bytes, "Sm", 2);
	assert_int_equal(got.bytes, 2);
	assert_err(snapshots_shard(f->c, b.id, 1, &got, e), ERR_OK, e);
	assert_int_equal(got.number, 1);
	assert_int_equal(got.lower.len, 2);
	assert_int_equal(got.upper.len, 0);
	assert_int_equal(got.documents, 2);
	assert_int_equal(got.pack_id, b.pack_id);
	assert_err(snapshots_shard(f->c, b.id, 2, &got, e), ERR_ABSENT, NULL);
	assert_err(snapshots_shard(f->c, b.id, UINT64_MAX, &got, e), ERR_ABSENT, NULL);
	buf_finish(&text);
}

static void
snapshots_begin__dates_only_grow(void **state)
{
	struct fixture *f = *state;
	struct fixture_build b;
	int64_t id = 77;

	fixture_start(f, "orders", 1700000000, &b);
	fixture_finish(f, &b);
	assert_err(
	    snapshots_begin(f->c, b.table.id, b.run_id, 1700000001, &id, &f->e), ERR_BUG, &f->e);
	assert_err(catalog_begin(f->c, &f->e), ERR_OK, &f->e);
	assert_err(
	    snapshots_begin(f->c, b.table.id, b.run_id, 1700000000, &id, &f->e), ERR_ORDER, &f->e);
	assert_non_null(strstr(f->e.text, "2023-11-14T22-13-20Z"));
	assert_err(snapshots_begin(f->c, b.table.id, b.run_id, 1, &id, &f->e), ERR_ORDER, &f->e);
	assert_int_equal(id, 77);
	assert_err(
	    snapshots_begin(f->c, b.table.id, b.run_id, 1700000001, &id, &f->e), ERR_OK, &f->e);
	assert_true(id > b.id);
	/* Two unfinished ones of one table would see each other's versions. */
	assert_err(snapshots_begin(f->c, b.table.id, b.run_id, 1700000002, &id, &f->e),
	    ERR_WRONG_STATE, &f->e);
	catalog_rollback(f->c);
	/* No such table, no such run. */
	assert_err(catalog_begin(f->c, &f->e), ERR_OK, &f->e);
	assert_err(snapshots_begin(f->c, 999, b.run_id, 1700000003, &id, &f->e), ERR_BUG, &f->e);
	catalog_rollback(f->c);
}

static void
snapshots_complete__only_whole_ones_and_all_at_once(void **state)
{
	struct fixture *f = *state;
	struct snapshots_snapshot s;
	struct fixture_build whole, bare;
	int64_t ids[2];

	fixture_start(f, "orders", 100, &whole);
	fixture_record(f, &whole);
	fixture_start(f, "users", 100, &bare);
	assert_err(catalog_commit(f->c, false, &f->e), ERR_OK, &f->e);
	ids[0] = whole.id;
	ids[1] = bare.id;
	assert_err(snapshots_complete(f->c, ids, 2, &f->e), ERR_WRONG_STATE, &f->e);
	assert_err(snapshots_get(f->c, whole.id, &s, &f->e), ERR_ABSENT, NULL);
	assert_err(snapshots_complete(f->c, ids, 1, &f->e), ERR_OK, &f->e);
	assert_err(snapshots_complete(f->c, ids, 1, &f->e), ERR_WRONG_STATE, &f->e);
	assert_err(snapshots_complete(f->c, NULL, 0, &f->e), ERR_OK, &f->e);
	/* What is complete cannot be described or get shards any more. */
	assert_err(catalog_begin(f->c, &f->e), ERR_OK, &f->e);
	assert_err(snapshots_complete(f->c, ids + 1, 1, &f->e), ERR_BUG, &f->e);
	s = (struct snapshots_snapshot){.id = whole.id, .shards = 1};
	assert_err(snapshots_describe(f->c, &s, "id", "{}", 2, &f->e), ERR_WRONG_STATE, &f->e);
	assert_err(snapshots_shard_put(f->c, whole.id,
		       &(struct snapshots_shard){.number = 1, .pack_id = whole.pack_id}, &f->e),
	    ERR_WRONG_STATE, &f->e);
	catalog_rollback(f->c);
}

static void
snapshots_shard_put__refuses_what_could_not_be_read_back(void **state)
{
	struct fixture *f = *state;
	struct snapshots_snapshot s = {0};
	struct snapshots_shard shard = {.number = SNAPSHOTS_SHARDS};
	struct fixture_build b;

	fixture_start(f, "orders", 100, &b);
	s.id = b.id;
	assert_err(snapshots_shard_put(f->c, b.id, &shard, &f->e), ERR_BUG, &f->e);
	shard = (struct snapshots_shard){
	    .lower = fixture_key("Sb"), .upper = fixture_key("Sa"), .pack_id = b.pack_id};
	assert_err(snapshots_shard_put(f->c, b.id, &shard, &f->e), ERR_BUG, &f->e);
	shard = (struct snapshots_shard){.pack_id = b.pack_id, .documents = UINT64_MAX};
	assert_err(snapshots_shard_put(f->c, b.id, &shard, &f->e), ERR_LIMIT, &f->e);
	shard = (struct snapshots_shard){.pack_id = 999};
	assert_err(snapshots_shard_put(f->c, b.id, &shard, &f->e), ERR_BUG, &f->e);
	assert_err(snapshots_describe(f->c, &s, "id", "{}", 2, &f->e), ERR_BUG, &f->e);
	s.shards = SNAPSHOTS_SHARDS + 1;
	assert_err(snapshots_describe(f->c, &s, "id", "{}", 2, &f->e), ERR_BUG, &f->e);
	catalog_rollback(f->c);
	assert_err(snapshots_describe(f->c, &s, "id", "{}", 2, &f->e), ERR_BUG, &f->e);
	assert_err(snapshots_shard_put(f->c, b.id, &shard, &f->e), ERR_BUG, &f->e);
	assert_err(snapshots_run_begin(f->c, 1, "x", 1, &s.run_id, &f->e), ERR_BUG, &f->e);
}

/* ---- looking ---- */

static void
snapshots_next__oldest_first_and_by_date(void **state)
{
	struct fixture *f = *state;
	struct snapshots_snapshot s = {0};
	struct fixture_build b[3], other;
	int64_t date;

	for (int i = 0; i < 3; i++) {
		fixture_start(f, "orders", 100 * (i + 1), &b[i]);
		fixture_finish(f, &b[i]);
		fixture_start(f, "users", 1000 + i, &other);
		fixture_finish(f, &other);
	}
	for (int i = 0; i < 3; i++) {
		assert_err(snapshots_next(f->c, b[0].table.id, s.id, &s, &f->e), ERR_OK, &f->e);
		assert_int_equal(s.id, b[i].id);
		assert_int_equal(s.date, 100 * (i + 1));
	}
	assert_err(snapshots_next(f->c, b[0].table.id, s.id, &s, &f->e), ERR_END, NULL);
	assert_err(snapshots_latest(f->c, b[0].table.id, &s, &f->e), ERR_OK, &f->e);
	assert_int_equal(s.id, b[2].id);
	assert_err(snapshots_at(f->c, b[0].table.id, 200, &s, &f->e), ERR_OK, &f->e);
	assert_int_equal(s.id, b[1].id);
	assert_err(snapshots_at(f->c, b[0].table.id, 201, &s, &f->e), ERR_ABSENT, NULL);
	assert_err(snapshots_newest_date(f->c, &date, &f->e), ERR_OK, &f->e);
	assert_int_equal(date, 1002);
}

static void
snapshots_verified__stays(void **state)
{
	struct fixture *f = *state;
	struct snapshots_snapshot s;
	struct fixture_build b;

	fixture_start(f, "orders", 100, &b);
	fixture_record(f, &b);
	assert_err(snapshots_verified(f->c, b.id, 555, &f->e), ERR_WRONG_STATE, &f->e);
	assert_err(snapshots_complete(f->c, &b.id, 1, &f->e), ERR_OK, &f->e);
	assert_err(snapshots_verified(f->c, b.id, 555, &f->e), ERR_OK, &f->e);
	assert_err(snapshots_get(f->c, b.id, &s, &f->e), ERR_OK, &f->e);
	assert_int_equal(s.verified, 555);
}

static void
snapshots_get__values_out_of_range_are_damage(void **state)
{
	static const char *const crafted[] = {"shards = 0", "shards = 65", "documents = -1",
	    "bytes = -1", "added = -1", "changed = -1", "deleted = -1", "stored_bytes = -1",
	    "verified = -1", "table_id = 0", "run_id = -3"};
	struct fixture *f = *state;
	struct snapshots_snapshot s = {.id = 77};
	struct fixture_build b;

	fixture_start(f, "orders", 100, &b);
	fixture_finish(f, &b);
	for (size_t i = 0; i < sizeof(crafted) / sizeof(crafted[0]); i++) {
		char sql[200];
		snprintf(sql, sizeof(sql),
		    "CREATE TABLE kept AS SELECT * FROM snapshots; UPDATE snapshots SET %s",
		    crafted[i]);
		fixture_sql(f, "catalog.db", sql);
		assert_err(snapshots_get(f->c, b.id, &s, &f->e), ERR_CORRUPT, &f->e);
		assert_int_equal(s.id, 77);
		fixture_sql(f, "catalog.db",
		    "DELETE FROM snapshots; INSERT INTO snapshots SELECT * FROM kept;"
		    "DROP TABLE kept");
	}
	assert_err(snapshots_get(f->c, b.id, &s, &f->e), ERR_OK, &f->e);
}

static void
snapshots_shard__values_out_of_range_are_damage(void **state)
{
	static const char *const crafted[] = {"lower = zeroblob(129)", "upper = zeroblob(129)",
	    "lower = x'02', upper = x'01'", "documents = -1", "bytes = -1", "pack_id = 0",
	    "pack_id = 1073741824"};
	struct fixture *f = *state;
	struct snapshots_shard s = {.number = 77};
	struct fixture_build b;

	fixture_start(f, "orders", 100, &b);
	fixture_finish(f, &b);
	for (size_t i = 0; i < sizeof(crafted) / sizeof(crafted[0]); i++) {
		char sql[200];
		snprintf(sql, sizeof(sql),
		    "UPDATE shards SET lower = x'', upper = x'', documents = 0, bytes = 0,"
		    " pack_id = 1; UPDATE shards SET %s",
		    crafted[i]);
		fixture_sql(f, "catalog.db", sql);
		assert_err(snapshots_shard(f->c, b.id, 0, &s, &f->e), ERR_CORRUPT, &f->e);
		assert_int_equal(s.number, 77);
	}
	fixture_sql(f, "catalog.db", "UPDATE snapshots SET primary_key = NULL");
	assert_err(snapshots_primary_key(f->c, b.id, &(struct buf){0}, &f->e), ERR_CORRUPT, &f->e);
}

/* ---- taking back ---- */

/* Everything in the catalogue but for numbers given out, as one digest of text. */
static void
contents(struct fixture *f, struct buf *out)
{
	static const char *const tables[] = {"runs", "snapshots", "shards", "packs", "versions"};
	char path[600];
	sqlite3 *db;

	buf_clear(out);
	snprintf(path, sizeof(path), "%s/catalog.db", f->path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		char sql[100];
		sqlite3_stmt *stmt;
		snprintf(sql, sizeof(sql), "SELECT * FROM %s ORDER BY 1, 2, 3", tables[i]);
		assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
		while (sqlite3_step(stmt) == SQLITE_ROW)
			for (int col = 0; col < sqlite3_column_count(stmt); col++)
				assert_int_equal(buf_printf(out, "%s.%d=%s\n", tables[i], col,
						     (const char *)sqlite3_column_text(stmt, col)),
				    ERR_OK);
		sqlite3_finalize(stmt);
	}
	sqlite3_close(db);
}

/* A complete snapshot, and a second one that has inserted, closed and recorded things. */
static void
half_built(struct fixture *f, struct fixture_build *b, struct buf *before)
{
	struct fixture_build first;

	fixture_start(f, "orders", 100, &first);
	fixture_add(f, &first, "Sa");
	fixture_add(f, &first, "Sb");
	fixture_add(f, &first, "Sc");
	fixture_finish(f, &first);
	contents(f, before);
	fixture_start(f, "orders", 200, b);
	fixture_end(f, b, "Sa", first.id);
	fixture_end(f, b, "Sb", first.id);
	fixture_add(f, b, "Sb");
	fixture_add(f, b, "Sd");
	fixture_record(f, b);
}

static void
snapshots_take_back__as_if_it_had_never_been(void **state)
{
	struct fixture *f = *state;
	struct buf before = {0}, after = {0};
	struct fixture_build b, again;

	half_built(f, &b, &before);
	assert_err(snapshots_take_back(f->c, b.id, &f->e), ERR_OK, &f->e);
	assert_err(snapshots_take_back(f->c, b.id, &f->e), ERR_OK, &f->e);
	/* The run stays until snapshots_recover. */
	fixture_sql(f, "catalog.db", "DELETE FROM runs WHERE id = 2");
	contents(f, &after);
	assert_text(after.data, after.len, buf_str(&before));
	fixture_start(f, "orders", 200, &again);
	assert_true(again.id > b.id);
	assert_true(again.pack_id > b.pack_id);
	catalog_rollback(f->c);
	buf_finish(&before);
	buf_finish(&after);
}

static void
snapshots_take_back__not_what_is_complete(void **state)
{
	struct fixture *f = *state;
	struct snapshots_snapshot s;
	struct fixture_build b;

	fixture_start(f, "orders", 100, &b);
	fixture_finish(f, &b);
	assert_err(snapshots_take_back(f->c, b.id, &f->e), ERR_WRONG_STATE, &f->e);
	assert_err(snapshots_get(f->c, b.id, &s, &f->e), ERR_OK, &f->e);
	assert_err(snapshots_take_back(f->c, 999, &f->e), ERR_OK, &f->e);
}

static void
snapshots_recover__all_unfinished_with_their_runs(void **state)
{
	struct fixture *f = *state;
	struct buf before = {0}, after = {0};
	struct fixture_build b, users;
	struct catalog *reader;
	struct snapshots_snapshot s;
	uint64_t old, new;

	half_built(f, &b, &before);
	fixture_start(f, "users", 200, &users);
	fixture_add(f, &users, "Sz");
	assert_err(catalog_commit(f->c, false, &f->e), ERR_OK, &f->e);
	assert_err(catalog_open(f->repo, CATALOG_READ, &reader, &f->e), ERR_OK, &f->e);
	assert_err(catalog_generation(reader, &old, &f->e), ERR_OK, &f->e);
	assert_err(snapshots_recover(f->c, &f->e), ERR_OK, &f->e);
	assert_err(snapshots_recover(f->c, &f->e), ERR_OK, &f->e);
	assert_err(catalog_generation(reader, &new, &f->e), ERR_OK, &f->e);
	assert_true(old != new);
	assert_err(snapshots_latest(reader, b.table.id, &s, &f->e), ERR_OK, &f->e);
	assert_int_equal(s.date, 100);
	catalog_close(reader);
	contents(f, &after);
	assert_text(after.data, after.len, buf_str(&before));
	buf_finish(&before);
	buf_finish(&after);
}

/* More versions than one transaction looks at, many of them of one key. */
static void
snapshots_take_back__in_several_ranges(void **state)
{
	struct fixture *f = *state;
	struct buf before = {0}, after = {0};
	struct fixture_build first, second;

	fixture_start(f, "orders", 100, &first);
	fixture_finish(f, &first);
	fixture_sql(f, "catalog.db",
	    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120000)"
	    " INSERT INTO versions SELECT 1, CASE WHEN i BETWEEN 40000 AND 100000 THEN x'534d'"
	    "  ELSE CAST(printf('S%c%06d', CASE WHEN i < 40000 THEN 'A' ELSE 'Z' END, i) AS BLOB)"
	    "  END, i + 10, 9223372036854775807, 1, i, 1, zeroblob(16), 0 FROM n");
	contents(f, &before);
	fixture_start(f, "orders", 200, &second);
	assert_err(catalog_commit(f->c, false, &f->e), ERR_OK, &f->e);
	fixture_sql(f, "catalog.db",
	    "UPDATE versions SET died = 2 WHERE ordinal % 3 = 0;"
	    "INSERT INTO versions SELECT table_id, CAST(key || x'21' AS BLOB), 2, died, 2, "
	    "ordinal, 1, digest, 0"
	    " FROM versions WHERE ordinal % 7 = 0 AND key <> x'534d'");
	assert_true(fixture_number(f, "catalog.db", "SELECT count(*) FROM versions") > 125000);
	assert_err(snapshots_recover(f->c, &f->e), ERR_OK, &f->e);
	contents(f, &after);
	assert_int_equal(after.len, before.len);
	assert_memory_equal(after.data, before.data, before.len);
	buf_finish(&before);
	buf_finish(&after);
}

/* An index that has an unfinished snapshot that the table does not have: the end is still reached.
 */
static void
snapshots_recover__ends_with_a_damaged_index(void **state)
{
	struct fixture *f = *state;
	struct fixture_build b;
	uint64_t n;

	fixture_start(f, "orders", 100, &b);
	assert_err(catalog_commit(f->c, false, &f->e), ERR_OK, &f->e);
	catalog_close(f->c);
	f->c = NULL;
	fixture_sql(f, "catalog.db",
	    "PRAGMA writable_schema=ON; UPDATE sqlite_schema"
	    " SET sql = replace(sql, 'complete = 0', 'complete = 7')"
	    " WHERE name = 'snapshots_unfinished'");
	fixture_sql(f, "catalog.db", "DELETE FROM packs; DELETE FROM snapshots");
	fixture_sql(f, "catalog.db",
	    "PRAGMA writable_schema=ON; UPDATE sqlite_schema"
	    " SET sql = replace(sql, 'complete = 7', 'complete = 0')"
	    " WHERE name = 'snapshots_unfinished'");
	assert_err(catalog_open(f->repo, CATALOG_WRITE, &f->c, &f->e), ERR_OK, &f->e);
	assert_err(snapshots_recover(f->c, &f->e), ERR_OK, &f->e);
	assert_err(versions_count(f->c, 0, &n, &f->e), ERR_OK, &f->e);
}

static void
snapshots_run_begin__needs_a_transaction_of_the_caller(void **state)
{
	struct fixture *f = *state;
	struct fixture_build b;

	fixture_start(f, "orders", 100, &b);
	assert_err(snapshots_take_back(f->c, b.id, &f->e), ERR_BUG, &f->e);
	assert_err(snapshots_recover(f->c, &f->e), ERR_BUG, &f->e);
	catalog_rollback(f->c);
	assert_err(snapshots_run_begin(f->c, 1, "x", 1, &b.run_id, &f->e), ERR_BUG, &f->e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FIXTURE_TEST(snapshots_complete__nothing_shows_before),
	    FIXTURE_TEST(snapshots_describe__all_values_come_back),
	    FIXTURE_TEST(snapshots_begin__dates_only_grow),
	    FIXTURE_TEST(snapshots_complete__only_whole_ones_and_all_at_once),
	    FIXTURE_TEST(snapshots_shard_put__refuses_what_could_not_be_read_back),
	    FIXTURE_TEST(snapshots_next__oldest_first_and_by_date),
	    FIXTURE_TEST(snapshots_verified__stays),
	    FIXTURE_TEST(snapshots_get__values_out_of_range_are_damage),
	    FIXTURE_TEST(snapshots_shard__values_out_of_range_are_damage),
	    FIXTURE_TEST(snapshots_take_back__as_if_it_had_never_been),
	    FIXTURE_TEST(snapshots_take_back__not_what_is_complete),
	    FIXTURE_TEST(snapshots_recover__all_unfinished_with_their_runs),
	    FIXTURE_TEST(snapshots_take_back__in_several_ranges),
	    FIXTURE_TEST(snapshots_recover__ends_with_a_damaged_index),
	    FIXTURE_TEST(snapshots_run_begin__needs_a_transaction_of_the_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
