/*
 * Runs and snapshots in the catalogue: the contracts are in snapshots.h.
 *
 * A snapshot's life is one column: complete is 0 while it is built, when nothing looks at it or at
 * what refers to it, and 1 from snapshots_complete on. What a crash leaves is 0 and is taken back.
 * One that is forgotten is complete and not looked at any more (forgotten.h).
 */
#include "catalog/snapshots.h"

#include "catalog/base/date.h"
#include "catalog/catalog_internal.h"
#include "catalog/packs.h"

#include <inttypes.h>
#include <string.h>

#define SNAPSHOT_FROM                                                                              \
	"SELECT id, table_id, run_id, date, shards, documents, bytes, added, changed, deleted,"    \
	" stored_bytes, verified, complete, lost, forgotten, pinned FROM snapshots"
#define SHOWN "complete = 1 AND forgotten = 0"

static const char RUN_INSERT_SQL[] = "INSERT INTO runs (date, source, started) VALUES (?1, ?2, ?3)";
static const char RUN_SOURCE_SQL[] = "SELECT source FROM runs WHERE id = ?1";
static const char NOT_AFTER_SQL[] =
    SNAPSHOT_FROM " WHERE table_id = ?1 AND " SHOWN " AND date >= ?2 ORDER BY date DESC LIMIT 1";
static const char UNFINISHED_OF_TABLE_SQL[] =
    "SELECT id FROM snapshots WHERE table_id = ?1 AND complete = 0 LIMIT 1";
static const char INSERT_SQL[] =
    "INSERT INTO snapshots (table_id, run_id, date) VALUES (?1, ?2, ?3)";
static const char DESCRIBE_SQL[] =
    "UPDATE snapshots SET shards = ?2, documents = ?3, bytes = ?4, added = ?5, changed = ?6,"
    " deleted = ?7, stored_bytes = ?8, primary_key = ?9, config = ?10"
    " WHERE id = ?1 AND complete = 0";
static const char SHARD_INSERT_SQL[] =
    "INSERT INTO shards (snapshot_id, number, lower, upper, documents, bytes, pack_id)"
    " SELECT id, ?2, ?3, ?4, ?5, ?6, ?7 FROM snapshots WHERE id = ?1 AND complete = 0";
static const char COMPLETE_SQL[] =
    "UPDATE snapshots SET complete = 1 WHERE id = ?1 AND complete = 0 AND shards > 0"
    " AND primary_key IS NOT NULL AND config IS NOT NULL"
    " AND shards = (SELECT count(*) FROM shards h"
    "  WHERE h.snapshot_id = snapshots.id AND h.number < snapshots.shards)";
/* All versions of a pack are born in its snapshot, so only their ends are looked at. */
static const char COUNT_LOST_SQL[] =
    "UPDATE snapshots AS s SET lost = lost + ?2 * l.n, documents = documents - ?2 * l.n,"
    "  bytes = bytes - ?2 * l.size FROM"
    " (SELECT h.id, count(*) AS n, sum(v.size) AS size FROM packs p"
    "  JOIN snapshots h ON h.table_id = p.table_id AND h.complete = 1 AND h.forgotten = 0"
    "   AND h.id >= p.snapshot_id"
    "  JOIN versions v ON v.lost > 0 AND v.pack_id = p.id AND v.died > h.id"
    "  WHERE p.id = ?1 GROUP BY h.id) AS l WHERE s.id = l.id";
static const char COUNT_LOST_SHARDS_SQL[] =
    "UPDATE shards AS s SET documents = documents - ?2 * l.n, bytes = bytes - ?2 * l.size FROM"
    " (SELECT h.id, r.number, count(*) AS n, sum(v.size) AS size FROM packs p"
    "  JOIN snapshots h ON h.table_id = p.table_id AND h.complete = 1 AND h.forgotten = 0"
    "   AND h.id >= p.snapshot_id"
    "  JOIN shards r ON r.snapshot_id = h.id"
    "  JOIN versions v ON v.lost > 0 AND v.pack_id = p.id AND v.died > h.id AND v.key >= r.lower"
    "    AND (length(r.upper) = 0 OR v.key < r.upper)"
    "  WHERE p.id = ?1 GROUP BY h.id, r.number) AS l"
    " WHERE s.snapshot_id = l.id AND s.number = l.number";
static const char STORED_SQL[] =
    "UPDATE snapshots SET (stored_bytes, deleted) ="
    " (SELECT coalesce(sum(p.bytes), 0), coalesce(sum(p.deletions), 0) FROM packs p"
    "  WHERE p.snapshot_id = snapshots.id) WHERE id = ?1";
static const char RECOUNT_SQL[] =
    "UPDATE snapshots SET added = added - ?2, changed = changed + ?2 WHERE id = ?1";
static const char VERIFIED_SQL[] =
    "UPDATE snapshots SET verified = ?2 WHERE id = ?1 AND complete = 1";

static const char GET_SQL[] = SNAPSHOT_FROM " WHERE id = ?1 AND " SHOWN;
static const char ANY_SQL[] = SNAPSHOT_FROM " WHERE id = ?1 AND complete = 1";
static const char GAP_SQL[] =
    "SELECT 1 FROM shards h WHERE h.snapshot_id = ?1 AND" CATALOG_GAP("packs") " LIMIT 1";
static const char SHARD_GAP_SQL[] =
    "SELECT h.pack_id FROM shards h WHERE h.snapshot_id = ?1 AND h.number = ?2"
    " AND EXISTS (SELECT 1 FROM snapshots s WHERE s.id = ?1 AND s.complete = 1)"
    " AND" CATALOG_GAP("packs");
static const char AT_SQL[] = SNAPSHOT_FROM " WHERE table_id = ?1 AND date = ?2 AND " SHOWN;
static const char LATEST_SQL[] =
    SNAPSHOT_FROM " WHERE table_id = ?1 AND " SHOWN " ORDER BY id DESC LIMIT 1";
static const char PREVIOUS_SQL[] =
    SNAPSHOT_FROM " WHERE table_id = ?1 AND complete = 1 ORDER BY id DESC LIMIT 1";
static const char NEXT_SQL[] =
    SNAPSHOT_FROM " WHERE table_id = ?1 AND " SHOWN " AND id > ?2 ORDER BY id LIMIT 1";
static const char NEWEST_DATE_SQL[] =
    "SELECT date FROM snapshots WHERE " SHOWN " ORDER BY date DESC LIMIT 1";
static const char STAMP_SQL[] =
    "SELECT count(*), coalesce(max(id), 0), coalesce(sum(id), 0), coalesce(sum(lost), 0)"
    " FROM snapshots WHERE " SHOWN;
static const char PRIMARY_KEY_SQL[] =
    "SELECT primary_key FROM snapshots WHERE id = ?1 AND complete = 1";
static const char CONFIG_SQL[] = "SELECT config FROM snapshots WHERE id = ?1 AND complete = 1";
static const char SHARD_SQL[] =
    "SELECT number, lower, upper, documents, bytes, pack_id FROM shards"
    " WHERE snapshot_id = ?1 AND number = ?2"
    " AND EXISTS (SELECT 1 FROM snapshots s WHERE s.id = ?1 AND s.complete = 1)";

/* ---- rows ---- */

static bool
snapshots_row_counts(const struct db_query *q, struct snapshots_snapshot *s)
{
	return db_count(q, 4, SNAPSHOTS_SHARDS, &s->shards) &&
	       db_count(q, 5, INT64_MAX, &s->documents) && db_count(q, 6, INT64_MAX, &s->bytes) &&
	       db_count(q, 7, INT64_MAX, &s->added) && db_count(q, 8, INT64_MAX, &s->changed) &&
	       db_count(q, 9, INT64_MAX, &s->deleted) &&
	       db_count(q, 10, INT64_MAX, &s->stored_bytes);
}

/*
 * Step to the one row (of SNAPSHOT_FROM) of ${q}, read it and reset; ${none} when there is none.
 * Its number must be over ${after}: in a damaged index it may not be, and listings would never end.
 */
static int
snapshots_read(
    struct db_query *q, int none, int64_t after, struct snapshots_snapshot *out, struct err *e)
{
	struct snapshots_snapshot s;
	int64_t complete, forgotten, pinned;
	int rc = db_step(q, e);

	if (rc == ERR_OK &&
	    !(db_int(q, 0, 1, INT64_MAX - 1, &s.id) && s.id > after &&
		db_int(q, 1, 1, INT64_MAX, &s.table_id) && db_int(q, 2, 1, INT64_MAX, &s.run_id) &&
		db_int(q, 3, INT64_MIN, INT64_MAX, &s.date) && snapshots_row_counts(q, &s) &&
		s.shards > 0 && db_int(q, 11, 0, INT64_MAX, &s.verified) &&
		db_int(q, 12, 1, 1, &complete) && db_count(q, 13, INT64_MAX, &s.lost) &&
		db_int(q, 14, 0, 1, &forgotten) && db_int(q, 15, 0, 1, &pinned)))
		rc = db_damaged(q->db, e, "a row of snapshots has values out of range");
	db_reset(q);
	if (rc == ERR_OK) {
		s.complete = true;
		s.forgotten = forgotten == 1;
		s.pinned = pinned == 1;
		*out = s;
	}
	return rc == ERR_END ? none : rc;
}

/* ---- runs ---- */

int
snapshots_run_begin(struct catalog *c, int64_t date, const char *source, int64_t started,
    int64_t *out, struct err *e)
{
	struct db_query *q;
	int rc = db_need_transaction(c->db, e);

	if (rc != ERR_OK)
		return rc;
	q = db_query(c->db, RUN_INSERT_SQL);
	db_bind_int(q, 1, date);
	db_bind_text(q, 2, source);
	db_bind_int(q, 3, started);
	rc = db_run(q, NULL, e);
	if (rc == ERR_OK)
		*out = db_last_id(c->db);
	return rc;
}

int
snapshots_run_source(struct catalog *c, int64_t run_id, struct buf *out, struct err *e)
{
	struct db_query *q = db_query(c->db, RUN_SOURCE_SQL);

	db_bind_int(q, 1, run_id);
	return db_append(q, ERR_ABSENT, out, e);
}

/* ---- building ---- */

/* ERR_OK when a snapshot at ${date} may follow what the table has. */
static int
snapshots_may_begin(struct catalog *c, int64_t table_id, int64_t date, struct err *e)
{
	struct db_query *q = db_query(c->db, NOT_AFTER_SQL);
	struct snapshots_snapshot newest;
	char name[DATE_NAME];
	int rc;

	db_bind_int(q, 1, table_id);
	db_bind_int(q, 2, date);
	rc = snapshots_read(q, ERR_ABSENT, 0, &newest, e);
	if (rc == ERR_OK) {
		date_name(newest.date, name);
		return err_set(e, ERR_ORDER,
		    "the table has a snapshot of %s; only later ones can be added", name);
	}
	if (rc != ERR_ABSENT)
		return rc;
	/* Versions born in one that is unfinished would be seen by the next. */
	q = db_query(c->db, UNFINISHED_OF_TABLE_SQL);
	db_bind_int(q, 1, table_id);
	rc = db_step(q, e);
	db_reset(q);
	if (rc == ERR_OK)
		return err_set(e, ERR_WRONG_STATE,
		    "the table has an unfinished snapshot, which must be taken back first");
	return rc == ERR_END ? ERR_OK : rc;
}

int
snapshots_begin(
    struct catalog *c, int64_t table_id, int64_t run_id, int64_t date, int64_t *out, struct err *e)
{
	struct db_query *q;
	int rc = db_need_transaction(c->db, e);

	if (rc == ERR_OK)
		rc = snapshots_may_begin(c, table_id, date, e);
	if (rc != ERR_OK)
		return rc;
	q = db_query(c->db, INSERT_SQL);
	db_bind_int(q, 1, table_id);
	db_bind_int(q, 2, run_id);
	db_bind_int(q, 3, date);
	rc = db_run(q, NULL, e);
	if (rc == ERR_OK)
		*out = db_last_id(c->db);
	return rc;
}

int
snapshots_describe(struct catalog *c, const struct snapshots_snapshot *s, const char *primary_key,
    const void *config, size_t config_len, struct err *e)
{
	struct db_query *q;
	int64_t changes = 0;
	int rc = db_need_transaction(c->db, e);

	if (rc != ERR_OK)
		return rc;
	if (s->shards < 1 || s->shards > SNAPSHOTS_SHARDS)
		return err_set(
		    e, ERR_BUG, "a snapshot of %" PRIu64 " shards cannot be recorded", s->shards);
	q = db_query(c->db, DESCRIBE_SQL);
	db_bind_int(q, 1, s->id);
	db_bind_count(q, 2, s->shards);
	db_bind_count(q, 3, s->documents);
	db_bind_count(q, 4, s->bytes);
	db_bind_count(q, 5, s->added);
	db_bind_count(q, 6, s->changed);
	db_bind_count(q, 7, s->deleted);
	db_bind_count(q, 8, s->stored_bytes);
	db_bind_text(q, 9, primary_key);
	db_bind_string(q, 10, config, config_len);
	rc = db_run(q, &changes, e);
	return rc == ERR_OK
		   ? catalog_need(changes, e, "snapshot %" PRId64 " is not being built", s->id)
		   : rc;
}

static bool
snapshots_bounds_valid(const struct key *lower, const struct key *upper)
{
	return lower->len <= KEY_MAX && upper->len <= KEY_MAX &&
	       (upper->len == 0 || key_compare(lower, upper) <= 0);
}

int
snapshots_shard_put(
    struct catalog *c, int64_t snapshot_id, const struct snapshots_shard *shard, struct err *e)
{
	struct db_query *q;
	int64_t changes = 0;
	int rc = db_need_transaction(c->db, e);

	if (rc != ERR_OK)
		return rc;
	if (shard->number >= SNAPSHOTS_SHARDS ||
	    !snapshots_bounds_valid(&shard->lower, &shard->upper))
		return err_set(e, ERR_BUG, "a shard with values out of range, of snapshot %" PRId64,
		    snapshot_id);
	q = db_query(c->db, SHARD_INSERT_SQL);
	db_bind_int(q, 1, snapshot_id);
	db_bind_count(q, 2, shard->number);
	catalog_bind_key(q, 3, &shard->lower);
	catalog_bind_key(q, 4, &shard->upper);
	db_bind_count(q, 5, shard->documents);
	db_bind_count(q, 6, shard->bytes);
	db_bind_int(q, 7, shard->pack_id);
	rc = db_run(q, &changes, e);
	return rc == ERR_OK ? catalog_need(changes, e, "snapshot %" PRId64 " is not being built",
				  snapshot_id)
			    : rc;
}

int
snapshots_complete(struct catalog *c, const int64_t *ids, size_t n, struct err *e)
{
	int rc;

	if (n == 0)
		return ERR_OK;
	rc = db_begin(c->db, true, e);
	if (rc != ERR_OK)
		return rc;
	for (size_t i = 0; i < n && rc == ERR_OK; i++) {
		struct db_query *q = db_query(c->db, COMPLETE_SQL);
		int64_t changes = 0;
		db_bind_int(q, 1, ids[i]);
		rc = db_run(q, &changes, e);
		if (rc == ERR_OK)
			rc = catalog_need(changes, e,
			    "snapshot %" PRId64 " is not one whose shards are all recorded",
			    ids[i]);
	}
	if (rc == ERR_OK)
		rc = db_commit(c->db, e);
	if (rc != ERR_OK)
		db_rollback(c->db);
	return rc;
}

int
snapshots_recount(struct catalog *c, int64_t id, int64_t changed, struct err *e)
{
	struct db_query *q;
	int rc = db_need_transaction(c->db, e);

	if (rc != ERR_OK)
		return rc;
	q = db_query(c->db, RECOUNT_SQL);
	db_bind_int(q, 1, id);
	db_bind_int(q, 2, changed);
	return db_run(q, NULL, e);
}

int
snapshots_stored(struct catalog *c, int64_t id, struct err *e)
{
	struct db_query *q;
	int rc = db_need_transaction(c->db, e);

	if (rc != ERR_OK)
		return rc;
	q = db_query(c->db, STORED_SQL);
	db_bind_int(q, 1, id);
	return db_run(q, NULL, e);
}

/* Carry out one of the two statements of snapshots_count_lost. */
static int
snapshots_count(struct catalog *c, const char *sql, int64_t pack_id, bool back, struct err *e)
{
	struct db_query *q = db_query(c->db, sql);

	db_bind_int(q, 1, pack_id);
	db_bind_int(q, 2, back ? -1 : 1);
	return db_run(q, NULL, e);
}

int
snapshots_count_lost(struct catalog *c, int64_t pack_id, bool back, struct err *e)
{
	int rc = db_need_transaction(c->db, e);

	if (rc == ERR_OK)
		rc = snapshots_count(c, COUNT_LOST_SQL, pack_id, back, e);
	return rc == ERR_OK ? snapshots_count(c, COUNT_LOST_SHARDS_SQL, pack_id, back, e) : rc;
}

int
snapshots_verified(struct catalog *c, int64_t id, int64_t date, struct err *e)
{
	struct db_query *q = db_query(c->db, VERIFIED_SQL);
	int64_t changes = 0;
	int rc;

	db_bind_int(q, 1, id);
	db_bind_int(q, 2, date);
	rc = db_run(q, &changes, e);
	return rc == ERR_OK ? catalog_need(changes, e, "there is no snapshot %" PRId64, id) : rc;
}

/* ---- looking ---- */

int
snapshots_get(struct catalog *c, int64_t id, struct snapshots_snapshot *out, struct err *e)
{
	struct db_query *q = db_query(c->db, GET_SQL);

	db_bind_int(q, 1, id);
	return snapshots_read(q, ERR_ABSENT, 0, out, e);
}

int
snapshots_any(struct catalog *c, int64_t id, struct snapshots_snapshot *out, struct err *e)
{
	struct db_query *q = db_query(c->db, ANY_SQL);

	db_bind_int(q, 1, id);
	return snapshots_read(q, ERR_ABSENT, 0, out, e);
}

int
snapshots_gap(struct catalog *c, int64_t id, bool *out, struct err *e)
{
	struct db_query *q = db_query(c->db, GAP_SQL);
	int rc;

	db_bind_int(q, 1, id);
	rc = db_step(q, e);
	db_reset(q);
	*out = rc == ERR_OK;
	return rc == ERR_END ? ERR_OK : rc;
}

int
snapshots_shard_gap(struct catalog *c, int64_t id, uint64_t number, int64_t *pack_id, struct err *e)
{
	struct db_query *q;
	int rc;

	if (number >= SNAPSHOTS_SHARDS)
		return ERR_ABSENT;
	q = db_query(c->db, SHARD_GAP_SQL);
	db_bind_int(q, 1, id);
	db_bind_count(q, 2, number);
	rc = db_step(q, e);
	if (rc == ERR_OK && !db_int(q, 0, 1, PACKS_ID_MAX - 1, pack_id))
		rc = db_damaged(c->db, e, "a row of shards has values out of range");
	db_reset(q);
	return rc == ERR_END ? ERR_ABSENT : rc;
}

int
snapshots_at(struct catalog *c, int64_t table_id, int64_t date, struct snapshots_snapshot *out,
    struct err *e)
{
	struct db_query *q = db_query(c->db, AT_SQL);

	db_bind_int(q, 1, table_id);
	db_bind_int(q, 2, date);
	return snapshots_read(q, ERR_ABSENT, 0, out, e);
}

int
snapshots_latest(struct catalog *c, int64_t table_id, struct snapshots_snapshot *out, struct err *e)
{
	struct db_query *q = db_query(c->db, LATEST_SQL);

	db_bind_int(q, 1, table_id);
	return snapshots_read(q, ERR_ABSENT, 0, out, e);
}

int
snapshots_previous(
    struct catalog *c, int64_t table_id, struct snapshots_snapshot *out, struct err *e)
{
	struct db_query *q = db_query(c->db, PREVIOUS_SQL);

	db_bind_int(q, 1, table_id);
	return snapshots_read(q, ERR_ABSENT, 0, out, e);
}

int
snapshots_next(struct catalog *c, int64_t table_id, int64_t after, struct snapshots_snapshot *out,
    struct err *e)
{
	struct db_query *q = db_query(c->db, NEXT_SQL);

	db_bind_int(q, 1, table_id);
	db_bind_int(q, 2, after);
	return snapshots_read(q, ERR_END, after, out, e);
}

int
snapshots_newest_date(struct catalog *c, int64_t *out, struct err *e)
{
	struct db_query *q = db_query(c->db, NEWEST_DATE_SQL);
	int rc = db_step(q, e);

	if (rc == ERR_OK && !db_int(q, 0, INT64_MIN, INT64_MAX, out))
		rc = db_damaged(c->db, e, "a row of snapshots has no date");
	db_reset(q);
	return rc == ERR_END ? ERR_ABSENT : rc;
}

int
snapshots_stamp(struct catalog *c, uint64_t *out, struct err *e)
{
	struct db_query *q = db_query(c->db, STAMP_SQL);
	int64_t count, newest, sum, lost;
	int rc = db_step(q, e);

	if (rc == ERR_END ||
	    (rc == ERR_OK &&
		!(db_int(q, 0, 0, INT64_MAX, &count) && db_int(q, 1, 0, INT64_MAX, &newest) &&
		    db_int(q, 2, 0, INT64_MAX, &sum) && db_int(q, 3, 0, INT64_MAX, &lost))))
		rc = db_damaged(c->db, e, "the numbers of the snapshots have no sum");
	db_reset(q);
	/* Numbers are not used twice, so one of the first three differs; the factors are odd and
	 * large.
	 */
	if (rc == ERR_OK)
		*out = (uint64_t)count * 0x9e3779b97f4a7c15u +
		       (uint64_t)newest * 0xc2b2ae3d27d4eb4fu +
		       (uint64_t)sum * 0x165667b19e3779f9u + (uint64_t)lost * 0xd6e8feb86659fd93u;
	return rc;
}

int
snapshots_primary_key(struct catalog *c, int64_t id, struct buf *out, struct err *e)
{
	struct db_query *q = db_query(c->db, PRIMARY_KEY_SQL);

	db_bind_int(q, 1, id);
	return db_append(q, ERR_ABSENT, out, e);
}

int
snapshots_config(struct catalog *c, int64_t id, struct buf *out, struct err *e)
{
	struct db_query *q = db_query(c->db, CONFIG_SQL);

	db_bind_int(q, 1, id);
	return db_append(q, ERR_ABSENT, out, e);
}

int
snapshots_shard(struct catalog *c, int64_t snapshot_id, uint64_t number,
    struct snapshots_shard *out, struct err *e)
{
	struct snapshots_shard s;
	struct db_query *q;
	int rc;

	if (number >= SNAPSHOTS_SHARDS)
		return ERR_ABSENT;
	q = db_query(c->db, SHARD_SQL);
	db_bind_int(q, 1, snapshot_id);
	db_bind_count(q, 2, number);
	rc = db_step(q, e);
	if (rc == ERR_OK &&
	    !(db_count(q, 0, SNAPSHOTS_SHARDS - 1, &s.number) && catalog_key(q, 1, 0, &s.lower) &&
		catalog_key(q, 2, 0, &s.upper) && snapshots_bounds_valid(&s.lower, &s.upper) &&
		db_count(q, 3, INT64_MAX, &s.documents) && db_count(q, 4, INT64_MAX, &s.bytes) &&
		db_int(q, 5, 1, PACKS_ID_MAX - 1, &s.pack_id)))
		rc = db_damaged(c->db, e, "a row of shards has values out of range");
	db_reset(q);
	if (rc == ERR_OK)
		*out = s;
	return rc == ERR_END ? ERR_ABSENT : rc;
}
