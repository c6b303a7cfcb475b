/*
 * Taking unfinished snapshots back: the contracts are in snapshots.h.
 *
 * The table's versions are walked through in key order, a range at a time: those born in the
 * snapshot go, those that died in it live on. Each range is a transaction, so that a large table
 * neither fills the log nor starts over after a crash. Shards, packs and the snapshot's own row go
 * last, in one durable transaction: as long as that row is there, it can all be done again.
 */
#include "catalog/snapshots.h"

#include "catalog/catalog_internal.h"

#include <inttypes.h>
#include <string.h>

#define RANGE 50000 /* versions looked at in one transaction */

static const char STATE_SQL[] = "SELECT table_id, complete FROM snapshots WHERE id = ?1";
static const char UNFINISHED_SQL[] =
    "SELECT id FROM snapshots WHERE complete = 0 AND id > ?1 ORDER BY id LIMIT 1";
static const char RANGE_END_SQL[] =
    "SELECT key FROM versions WHERE table_id = ?1 AND key > ?2 ORDER BY key LIMIT 1 OFFSET ?3";
static const char REVIVE_SQL[] = "UPDATE versions SET died = 9223372036854775807"
				 " WHERE table_id = ?1 AND key > ?2 AND key <= ?3 AND died = ?4";
static const char DELETE_VERSIONS_SQL[] =
    "DELETE FROM versions WHERE table_id = ?1 AND key > ?2 AND key <= ?3 AND born = ?4";
static const char DELETE_SHARDS_SQL[] = "DELETE FROM shards WHERE snapshot_id = ?1";
static const char DELETE_PACKS_SQL[] = "DELETE FROM packs WHERE snapshot_id = ?1";
static const char DELETE_SNAPSHOT_SQL[] = "DELETE FROM snapshots WHERE id = ?1 AND complete = 0";
static const char DELETE_RUNS_SQL[] =
    "DELETE FROM runs WHERE NOT EXISTS (SELECT 1 FROM snapshots s WHERE s.run_id = runs.id)";

/* A range of the keys of a table: over after, up to and including last. */
struct range {
	struct key after; /* len 0: from the start */
	struct key last;  /* not looked at when end is set */
	bool end;         /* there is nothing behind it */
};

/* Set the end of ${r} so that it has about RANGE versions: all of each key that it touches. */
static int
range_find_end(struct catalog *c, int64_t table_id, struct range *r, struct err *e)
{
	struct db_query *q = db_query(c->db, RANGE_END_SQL);
	int rc;

	db_bind_int(q, 1, table_id);
	catalog_bind_key(q, 2, &r->after);
	db_bind_int(q, 3, RANGE);
	rc = db_step(q, e);
	if (rc == ERR_OK &&
	    !(catalog_key(q, 0, 1, &r->last) && key_compare(&r->last, &r->after) > 0))
		rc = db_damaged(c->db, e, "a row of versions has a bad key or is out of order");
	db_reset(q);
	r->end = rc == ERR_END;
	return r->end ? ERR_OK : rc;
}

/* Carry out ${sql} on the versions in the range; over every key is a longer run of 0xff. */
static int
range_run(struct catalog *c, const char *sql, int64_t table_id, int64_t snapshot_id,
    const struct range *r, struct err *e)
{
	struct db_query *q = db_query(c->db, sql);
	uint8_t top[KEY_MAX + 1];

	memset(top, 0xff, sizeof(top));
	db_bind_int(q, 1, table_id);
	catalog_bind_key(q, 2, &r->after);
	if (r->end)
		db_bind_bytes(q, 3, top, sizeof(top));
	else
		catalog_bind_key(q, 3, &r->last);
	db_bind_int(q, 4, snapshot_id);
	return db_run(q, NULL, e);
}

/* Undo what the snapshot did to the versions of its table. */
static int
snapshots_revert(struct catalog *c, int64_t table_id, int64_t snapshot_id, struct err *e)
{
	struct range r = {0};

	while (!r.end) {
		int rc = db_begin(c->db, false, e);
		if (rc != ERR_OK)
			return rc;
		rc = range_find_end(c, table_id, &r, e);
		if (rc == ERR_OK)
			rc = range_run(c, DELETE_VERSIONS_SQL, table_id, snapshot_id, &r, e);
		if (rc == ERR_OK)
			rc = range_run(c, REVIVE_SQL, table_id, snapshot_id, &r, e);
		if (rc == ERR_OK)
			rc = db_commit(c->db, e);
		if (rc != ERR_OK) {
			db_rollback(c->db);
			return rc;
		}
		r.after = r.last;
	}
	return ERR_OK;
}

static int
snapshots_run_by_id(struct catalog *c, const char *sql, int64_t id, struct err *e)
{
	struct db_query *q = db_query(c->db, sql);

	db_bind_int(q, 1, id);
	return db_run(q, NULL, e);
}

static int
snapshots_remove(struct catalog *c, int64_t id, struct err *e)
{
	int rc = db_begin(c->db, true, e);

	if (rc != ERR_OK)
		return rc;
	rc = snapshots_run_by_id(c, DELETE_SHARDS_SQL, id, e);
	if (rc == ERR_OK)
		rc = snapshots_run_by_id(c, DELETE_PACKS_SQL, id, e);
	if (rc == ERR_OK)
		rc = snapshots_run_by_id(c, DELETE_SNAPSHOT_SQL, id, e);
	if (rc == ERR_OK)
		rc = db_commit(c->db, e);
	if (rc != ERR_OK)
		db_rollback(c->db);
	return rc;
}

int
snapshots_take_back(struct catalog *c, int64_t id, struct err *e)
{
	struct db_query *q = db_query(c->db, STATE_SQL);
	int64_t table_id, complete;
	int rc;

	db_bind_int(q, 1, id);
	rc = db_step(q, e);
	if (rc == ERR_OK &&
	    !(db_int(q, 0, 1, INT64_MAX, &table_id) && db_int(q, 1, 0, 1, &complete)))
		rc = db_damaged(c->db, e, "a row of snapshots has values out of range");
	db_reset(q);
	if (rc != ERR_OK)
		return rc == ERR_END ? ERR_OK : rc;
	if (complete != 0)
		return err_set(e, ERR_WRONG_STATE,
		    "snapshot %" PRId64 " is complete and cannot be taken back", id);
	rc = snapshots_revert(c, table_id, id, e);
	return rc == ERR_OK ? snapshots_remove(c, id, e) : rc;
}

/* The first unfinished snapshot over ${after}. */
static int
snapshots_unfinished_next(struct catalog *c, int64_t after, int64_t *id, struct err *e)
{
	struct db_query *q = db_query(c->db, UNFINISHED_SQL);
	int rc;

	db_bind_int(q, 1, after);
	rc = db_step(q, e);
	if (rc == ERR_OK && !(db_int(q, 0, 1, INT64_MAX - 1, id) && *id > after))
		rc = db_damaged(c->db, e, "a row of snapshots has values out of range");
	db_reset(q);
	return rc;
}

int
snapshots_recover(struct catalog *c, struct err *e)
{
	int64_t id = 0;
	int rc;

	while ((rc = snapshots_unfinished_next(c, id, &id, e)) == ERR_OK) {
		rc = snapshots_take_back(c, id, e);
		if (rc != ERR_OK)
			return rc;
	}
	if (rc != ERR_END)
		return rc;
	rc = db_begin(c->db, true, e);
	if (rc != ERR_OK)
		return rc;
	rc = db_run(db_query(c->db, DELETE_RUNS_SQL), NULL, e);
	if (rc == ERR_OK)
		rc = db_commit(c->db, e);
	if (rc != ERR_OK)
		db_rollback(c->db);
	return rc;
}
