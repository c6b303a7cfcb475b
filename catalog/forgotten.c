/* Forgotten snapshots: the contracts are in forgotten.h. */
#include "catalog/forgotten.h"

#include "catalog/catalog_internal.h"
#include "catalog/leftovers.h"

#include <inttypes.h>

static const char HIDE_SQL[] = "UPDATE snapshots SET forgotten = 1"
			       " WHERE id = ?1 AND complete = 1 AND forgotten = 0 AND pinned = 0";
static const char DATE_ADD_SQL[] = "INSERT OR IGNORE INTO forgotten_dates (table_id, date)"
				   " SELECT table_id, date FROM snapshots WHERE id = ?1";
static const char DATE_SQL[] = "SELECT 1 FROM forgotten_dates WHERE table_id = ?1 AND date = ?2";
static const char DATES_SQL[] = "SELECT 1 FROM forgotten_dates WHERE table_id = ?1 LIMIT 1";
static const char DATE_NEXT_SQL[] = "SELECT table_id, date FROM forgotten_dates"
				    " WHERE (table_id, date) > (?1, ?2)"
				    " ORDER BY table_id, date LIMIT 1";
static const char TABLE_NEXT_SQL[] = "SELECT table_id FROM snapshots"
				     " WHERE forgotten = 1 AND table_id > ?1"
				     " ORDER BY table_id LIMIT 1";
static const char NEXT_SQL[] = "SELECT id, table_id, date, shards FROM snapshots"
			       " WHERE forgotten = 1 AND table_id = ?1 AND id > ?2"
			       " ORDER BY id LIMIT 1";
static const char BEFORE_SQL[] = "SELECT id, table_id, date, shards FROM snapshots"
				 " WHERE forgotten = 1 AND table_id = ?1 AND id < ?2"
				 " ORDER BY id DESC LIMIT 1";
static const char DELETE_TAGS_SQL[] = "DELETE FROM tags WHERE snapshot_id = ?1";
static const char DELETE_SQL[] =
    "DELETE FROM snapshots WHERE id = ?1 AND forgotten = 1"
    " AND NOT EXISTS (SELECT 1 FROM packs p WHERE p.snapshot_id = snapshots.id)";
static const char HAS_PACKS_SQL[] = "SELECT 1 FROM packs WHERE snapshot_id = ?1 LIMIT 1";
static const char RUNS_SQL[] =
    "DELETE FROM runs WHERE NOT EXISTS (SELECT 1 FROM snapshots s WHERE s.run_id = runs.id)";

/* Carry out ${each} for every snapshot in one durable transaction. */
static int
forgotten_each(struct catalog *c, const int64_t *ids, size_t n,
    int (*each)(struct catalog *c, int64_t id, struct err *e), struct err *e)
{
	int rc = db_begin(c->db, true, e);

	if (rc != ERR_OK)
		return rc;
	for (size_t i = 0; i < n && rc == ERR_OK; i++)
		rc = each(c, ids[i], e);
	if (rc == ERR_OK)
		rc = db_commit(c->db, e);
	if (rc != ERR_OK)
		db_rollback(c->db);
	return rc;
}

static int
forgotten_intend_one(struct catalog *c, int64_t id, struct err *e)
{
	struct snapshots_snapshot s;
	int rc = snapshots_get(c, id, &s, e);

	if (rc == ERR_ABSENT)
		return err_set(e, ERR_WRONG_STATE, "there is no snapshot %" PRId64, id);
	if (rc == ERR_OK && s.pinned)
		return err_set(e, ERR_WRONG_STATE, "snapshot %" PRId64 " is pinned", id);
	return rc == ERR_OK ? leftovers_add(c, LEFTOVERS_MARKER, id, e) : rc;
}

int
forgotten_intend(struct catalog *c, const int64_t *ids, size_t n, struct err *e)
{
	return forgotten_each(c, ids, n, forgotten_intend_one, e);
}

static int
forgotten_hide_one(struct catalog *c, int64_t id, struct err *e)
{
	struct db_query *q = db_query(c->db, HIDE_SQL);
	int64_t changes = 0;
	int rc;

	db_bind_int(q, 1, id);
	rc = db_run(q, &changes, e);
	if (rc == ERR_OK)
		rc =
		    catalog_need(changes, e, "snapshot %" PRId64 " is not there, or is pinned", id);
	if (rc == ERR_OK) {
		q = db_query(c->db, DATE_ADD_SQL);
		db_bind_int(q, 1, id);
		rc = db_run(q, NULL, e);
	}
	if (rc == ERR_OK)
		rc = leftovers_add(c, LEFTOVERS_LEDGER, LEFTOVERS_ONLY, e);
	return rc == ERR_OK ? leftovers_done(c, LEFTOVERS_MARKER, id, e) : rc;
}

int
forgotten_hide(struct catalog *c, const int64_t *ids, size_t n, struct err *e)
{
	return forgotten_each(c, ids, n, forgotten_hide_one, e);
}

int
forgotten_table_next(struct catalog *c, int64_t after, int64_t *out, struct err *e)
{
	struct db_query *q = db_query(c->db, TABLE_NEXT_SQL);
	int64_t id = 0;
	int rc;

	db_bind_int(q, 1, after);
	rc = db_step(q, e);
	if (rc == ERR_OK && !db_int(q, 0, after + 1, INT64_MAX, &id))
		rc = db_damaged(c->db, e, "a row of snapshots has values out of range");
	db_reset(q);
	if (rc == ERR_OK)
		*out = id;
	return rc;
}

/* The one snapshot that ${sql} finds, with a number between the two. */
static int
forgotten_find(struct catalog *c, const char *sql, int64_t table_id, int64_t after, int64_t before,
    struct snapshots_snapshot *out, struct err *e)
{
	struct snapshots_snapshot s = {.complete = true, .forgotten = true};
	struct db_query *q = db_query(c->db, sql);
	int rc;

	db_bind_int(q, 1, table_id);
	db_bind_int(q, 2, sql == BEFORE_SQL ? before : after);
	rc = db_step(q, e);
	if (rc == ERR_OK && !(db_int(q, 0, after + 1, before - 1, &s.id) &&
				db_int(q, 1, table_id, table_id, &s.table_id) &&
				db_int(q, 2, INT64_MIN, INT64_MAX, &s.date) &&
				db_count(q, 3, SNAPSHOTS_SHARDS, &s.shards)))
		rc = db_damaged(c->db, e, "a row of snapshots has values out of range");
	db_reset(q);
	if (rc == ERR_OK)
		*out = s;
	return rc;
}

int
forgotten_next(struct catalog *c, int64_t table_id, int64_t after, struct snapshots_snapshot *out,
    struct err *e)
{
	return forgotten_find(c, NEXT_SQL, table_id, after, INT64_MAX, out, e);
}

int
forgotten_before(struct catalog *c, int64_t table_id, int64_t before,
    struct snapshots_snapshot *out, struct err *e)
{
	return forgotten_find(c, BEFORE_SQL, table_id, 0, before, out, e);
}

int
forgotten_drop(struct catalog *c, int64_t id, struct err *e)
{
	struct db_query *q = db_query(c->db, HAS_PACKS_SQL);
	int64_t changes = 0;
	int rc = db_need_transaction(c->db, e);

	if (rc != ERR_OK)
		return rc;
	db_bind_int(q, 1, id);
	rc = db_step(q, e);
	db_reset(q);
	if (rc != ERR_END)
		return rc == ERR_OK ? ERR_ABSENT : rc;
	q = db_query(c->db, DELETE_TAGS_SQL);
	db_bind_int(q, 1, id);
	rc = db_run(q, NULL, e);
	if (rc == ERR_OK) {
		q = db_query(c->db, DELETE_SQL);
		db_bind_int(q, 1, id);
		rc = db_run(q, &changes, e);
	}
	if (rc == ERR_OK)
		rc = catalog_need(changes, e, "snapshot %" PRId64 " is not forgotten", id);
	return rc == ERR_OK ? leftovers_add(c, LEFTOVERS_MARKER, id, e) : rc;
}

int
forgotten_runs(struct catalog *c, struct err *e)
{
	int rc = db_need_transaction(c->db, e);

	return rc == ERR_OK ? db_run(db_query(c->db, RUNS_SQL), NULL, e) : rc;
}

int
forgotten_date(struct catalog *c, int64_t table_id, int64_t date, struct err *e)
{
	struct db_query *q = db_query(c->db, DATE_SQL);

	db_bind_int(q, 1, table_id);
	db_bind_int(q, 2, date);
	return db_found(q, e);
}

int
forgotten_any(struct catalog *c, int64_t table_id, struct err *e)
{
	struct db_query *q = db_query(c->db, DATES_SQL);

	db_bind_int(q, 1, table_id);
	return db_found(q, e);
}

int
forgotten_date_next(struct catalog *c, int64_t *table_id, int64_t *date, struct err *e)
{
	struct db_query *q = db_query(c->db, DATE_NEXT_SQL);
	int64_t table = 0, at = 0;
	int rc;

	db_bind_int(q, 1, *table_id);
	db_bind_int(q, 2, *date);
	rc = db_step(q, e);
	if (rc == ERR_OK &&
	    !(db_int(q, 0, *table_id > 0 ? *table_id : 1, INT64_MAX - 1, &table) &&
		db_int(q, 1, INT64_MIN, INT64_MAX, &at) && (table > *table_id || at > *date)))
		rc = db_damaged(c->db, e, "a row of forgotten_dates has values out of range");
	db_reset(q);
	if (rc == ERR_OK) {
		*table_id = table;
		*date = at;
	}
	return rc;
}
