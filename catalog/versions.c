/* Versions in the catalogue: the contracts are in versions.h. */
#include "catalog/versions.h"

#include "catalog/catalog_internal.h"
#include "catalog/packs.h"

#include <inttypes.h>
#include <string.h>

#define VERSION_COLUMNS "key, born, died, pack_id, ordinal, size, digest, lost"

static const char FIND_SQL[] = "SELECT " VERSION_COLUMNS " FROM versions"
			       " WHERE table_id = ?1 AND key = ?2 AND born <= ?3 AND died > ?3"
			       " AND lost = 0 ORDER BY born DESC LIMIT 1";
static const char PAGE_SQL[] =
    "SELECT " VERSION_COLUMNS " FROM versions"
    " WHERE table_id = ?1 AND key >= ?2 AND key < ?3 AND born <= ?4 AND died > ?4 AND lost = 0"
    " ORDER BY key LIMIT ?5";
static const char ALIVE_SQL[] =
    "SELECT " VERSION_COLUMNS " FROM versions"
    " WHERE table_id = ?1 AND key >= ?2 AND key < ?3 AND born <= ?4 AND died > ?4"
    " ORDER BY key LIMIT ?5";
static const char TOUCHED_SQL[] =
    "SELECT " VERSION_COLUMNS " FROM versions v"
    " WHERE table_id = ?1 AND key >= ?2 AND key < ?3 AND (born = ?4 OR (died = ?4"
    "  AND NOT EXISTS (SELECT 1 FROM versions w"
    "   WHERE w.table_id = ?1 AND w.key = v.key AND w.born = ?4)))"
    " ORDER BY key LIMIT ?5";
static const char SAME_SQL[] =
    "SELECT " VERSION_COLUMNS " FROM tables t CROSS JOIN versions v ON v.table_id = t.id"
    " WHERE v.key = ?1 AND v.size = ?2 AND v.digest = ?3 AND v.pack_id > ?4 AND v.pack_id <> ?5"
    "  AND v.lost = 0"
    " ORDER BY v.pack_id LIMIT 1";
static const char BORN_SQL[] = "SELECT " VERSION_COLUMNS " FROM versions"
			       " WHERE table_id = ?1 AND key = ?2 AND born = ?3";
static const char BEFORE_SQL[] = "SELECT " VERSION_COLUMNS " FROM versions"
				 " WHERE table_id = ?1 AND key = ?2 AND born < ?3"
				 " ORDER BY born DESC LIMIT 1";
static const char AFTER_SQL[] = "SELECT " VERSION_COLUMNS " FROM versions"
				" WHERE table_id = ?1 AND key = ?2 AND born > ?3"
				" ORDER BY born LIMIT 1";
static const char DELETE_SQL[] =
    "DELETE FROM versions WHERE table_id = ?1 AND key = ?2 AND born = ?3";
static const char EXTEND_SQL[] =
    "UPDATE versions SET died = ?4 WHERE table_id = ?1 AND key = ?2 AND born = ?3 AND died < ?4";
static const char INSERT_SQL[] = "INSERT INTO versions"
				 " (table_id, key, born, died, pack_id, ordinal, size, digest,"
				 "  lost) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
static const char CLOSE_SQL[] = "UPDATE versions SET died = ?4"
				" WHERE table_id = ?1 AND key = ?2 AND born = ?3"
				" AND died = 9223372036854775807";
static const char COUNT_SQL[] = "SELECT count(*) FROM versions WHERE table_id = ?1 AND lost <> 1";
static const char COUNT_ALL_SQL[] =
    "SELECT (SELECT count(*) FROM versions)"
    " - (SELECT count(*) FROM versions WHERE lost > 0 AND lost = 1)";
static const char LOSE_SQL[] =
    "UPDATE versions SET lost = 1 WHERE table_id = ?1 AND key = ?2 AND born = ?3";
static const char REGAIN_SQL[] =
    "UPDATE versions SET lost = 2 WHERE table_id = ?1 AND key = ?2 AND born = ?3 AND lost > 0";
static const char REGAINED_SQL[] =
    "UPDATE versions SET lost = 0 WHERE lost > 0 AND lost = 2 AND pack_id = ?1";
static const char LOST_NEXT_SQL[] =
    "SELECT " VERSION_COLUMNS " FROM versions"
    " WHERE lost > 0 AND pack_id = ?1 AND table_id = ?2 AND key > ?3 ORDER BY key LIMIT 1";
static const char LOST_PACK_SQL[] =
    "SELECT pack_id FROM versions WHERE lost > 0 AND pack_id > ?1 ORDER BY pack_id LIMIT 1";
static const char LOST_COUNT_SQL[] =
    "SELECT count(*) FROM versions WHERE lost > 0 AND pack_id = ?1";

/* ---- rows ---- */

/* Read the row of VERSION_COLUMNS into ${v}, which is not to be used when this fails. */
static int
versions_row(const struct db_query *q, struct versions_version *v, struct err *e)
{
	const uint8_t *digest;
	uint64_t ordinal, size;
	int64_t lost;
	size_t len;

	if (!catalog_key(q, 0, 1, &v->key) || !db_int(q, 1, 1, INT64_MAX - 1, &v->born) ||
	    !db_int(q, 2, v->born + 1, VERSIONS_ALIVE, &v->died) ||
	    !db_int(q, 3, 1, PACKS_ID_MAX - 1, &v->pack_id) ||
	    !db_count(q, 4, UINT32_MAX, &ordinal) || !db_count(q, 5, UINT32_MAX, &size) ||
	    !db_bytes(q, 6, DIGEST_LEN, &digest, &len) || len != DIGEST_LEN ||
	    !db_int(q, 7, 0, 2, &lost))
		return db_damaged(q->db, e, "a row of versions has values out of range");
	v->ordinal = (uint32_t)ordinal;
	v->size = (uint32_t)size;
	memcpy(v->digest, digest, DIGEST_LEN);
	v->lost = lost > 0;
	return ERR_OK;
}

/* Step to the one row of ${q}, read it and reset. */
static int
versions_one(struct db_query *q, struct versions_version *out, struct err *e)
{
	struct versions_version v;
	int rc = db_step(q, e);

	if (rc == ERR_OK)
		rc = versions_row(q, &v, e);
	db_reset(q);
	if (rc == ERR_OK)
		*out = v;
	return rc == ERR_END ? ERR_ABSENT : rc;
}

/* ---- looking ---- */

int
versions_find(struct catalog *c, int64_t table_id, int64_t snapshot_id, const struct key *key,
    struct versions_version *out, struct err *e)
{
	struct db_query *q = db_query(c->db, FIND_SQL);

	db_bind_int(q, 1, table_id);
	catalog_bind_key(q, 2, key);
	db_bind_int(q, 3, snapshot_id);
	return versions_one(q, out, e);
}

/* The version of ${key} that ${sql} finds with its birth. */
static int
versions_by_birth(struct catalog *c, const char *sql, int64_t table_id, const struct key *key,
    int64_t born, struct versions_version *out, struct err *e)
{
	struct db_query *q = db_query(c->db, sql);

	db_bind_int(q, 1, table_id);
	catalog_bind_key(q, 2, key);
	db_bind_int(q, 3, born);
	return versions_one(q, out, e);
}

int
versions_born(struct catalog *c, int64_t table_id, const struct key *key, int64_t born,
    struct versions_version *out, struct err *e)
{
	return versions_by_birth(c, BORN_SQL, table_id, key, born, out, e);
}

int
versions_before(struct catalog *c, int64_t table_id, const struct key *key, int64_t born,
    struct versions_version *out, struct err *e)
{
	return versions_by_birth(c, BEFORE_SQL, table_id, key, born, out, e);
}

int
versions_after(struct catalog *c, int64_t table_id, const struct key *key, int64_t born,
    struct versions_version *out, struct err *e)
{
	return versions_by_birth(c, AFTER_SQL, table_id, key, born, out, e);
}

/*
 * Fill ${out} with the rows of ${q}, whose keys must be over ${after} (or equal, if ${inclusive})
 * and grow: two versions of one key in one snapshot are damage, and so is a wrong order, with which
 * listings would never end.
 */
static int
versions_fill(struct db_query *q, const struct key *after, bool inclusive,
    struct versions_version *out, size_t room, size_t *got, struct err *e)
{
	size_t n = 0;
	int rc = ERR_OK, order;

	while (n < room && (rc = db_step(q, e)) == ERR_OK) {
		rc = versions_row(q, &out[n], e);
		if (rc != ERR_OK)
			return rc;
		order = key_compare(n > 0 ? &out[n - 1].key : after, &out[n].key);
		if (order > 0 || (order == 0 && !(n == 0 && inclusive)))
			return db_damaged(q->db, e, "versions overlap or are out of order");
		n++;
	}
	if (rc != ERR_OK && rc != ERR_END)
		return rc;
	*got = n;
	return ERR_OK;
}

/*
 * One statement serves all kinds of ranges: the first key over K is K with a zero byte behind it,
 * and a run of 0xff longer than any key is over all of them.
 */
static int
versions_range(struct catalog *c, const char *sql, int64_t table_id, int64_t snapshot_id,
    const struct key *after, bool inclusive, const struct key *upper, struct versions_version *out,
    size_t room, size_t *got, struct err *e)
{
	uint8_t from[KEY_MAX + 1], to[KEY_MAX + 1];
	size_t from_len = after->len, to_len = upper->len;
	struct db_query *q;
	int rc;

	if (from_len > KEY_MAX || to_len > KEY_MAX)
		return err_set(e, ERR_BUG, "a bound longer than any key");
	memcpy(from, after->bytes, from_len);
	if (!inclusive && from_len > 0)
		from[from_len++] = 0;
	memcpy(to, upper->bytes, to_len);
	if (to_len == 0) {
		memset(to, 0xff, sizeof(to));
		to_len = sizeof(to);
	}
	q = db_query(c->db, sql);
	db_bind_int(q, 1, table_id);
	db_bind_bytes(q, 2, from, from_len);
	db_bind_bytes(q, 3, to, to_len);
	db_bind_int(q, 4, snapshot_id);
	db_bind_count(q, 5, room);
	rc = versions_fill(q, after, inclusive, out, room, got, e);
	db_reset(q);
	return rc;
}

int
versions_page(struct catalog *c, int64_t table_id, int64_t snapshot_id, const struct key *after,
    bool inclusive, const struct key *upper, struct versions_version *out, size_t room, size_t *got,
    struct err *e)
{
	return versions_range(
	    c, PAGE_SQL, table_id, snapshot_id, after, inclusive, upper, out, room, got, e);
}

int
versions_alive(struct catalog *c, int64_t table_id, int64_t snapshot_id, const struct key *after,
    bool inclusive, const struct key *upper, struct versions_version *out, size_t room, size_t *got,
    struct err *e)
{
	return versions_range(
	    c, ALIVE_SQL, table_id, snapshot_id, after, inclusive, upper, out, room, got, e);
}

int
versions_touched(struct catalog *c, int64_t table_id, int64_t snapshot_id, const struct key *after,
    bool inclusive, const struct key *upper, struct versions_version *out, size_t room, size_t *got,
    struct err *e)
{
	return versions_range(
	    c, TOUCHED_SQL, table_id, snapshot_id, after, inclusive, upper, out, room, got, e);
}

int
versions_same(struct catalog *c, const struct versions_version *v, int64_t after,
    struct versions_version *out, struct err *e)
{
	struct db_query *q = db_query(c->db, SAME_SQL);

	catalog_bind_key(q, 1, &v->key);
	db_bind_int(q, 2, v->size);
	db_bind_bytes(q, 3, v->digest, DIGEST_LEN);
	db_bind_int(q, 4, after);
	db_bind_int(q, 5, v->pack_id);
	return versions_one(q, out, e);
}

int
versions_count(struct catalog *c, int64_t table_id, uint64_t *out, struct err *e)
{
	struct db_query *q = db_query(c->db, table_id == 0 ? COUNT_ALL_SQL : COUNT_SQL);
	int rc;

	if (table_id != 0)
		db_bind_int(q, 1, table_id);
	rc = db_step(q, e);
	if (rc == ERR_END || (rc == ERR_OK && !db_count(q, 0, INT64_MAX, out)))
		rc = db_damaged(c->db, e, "versions cannot be counted");
	db_reset(q);
	return rc;
}

/* ---- what is lost ---- */

int
versions_lost_next(struct catalog *c, int64_t pack_id, int64_t table_id, const struct key *after,
    struct versions_version *out, struct err *e)
{
	struct db_query *q = db_query(c->db, LOST_NEXT_SQL);
	int rc;

	db_bind_int(q, 1, pack_id);
	db_bind_int(q, 2, table_id);
	catalog_bind_key(q, 3, after);
	rc = versions_one(q, out, e);
	return rc == ERR_ABSENT ? ERR_END : rc;
}

int
versions_lost_pack(struct catalog *c, int64_t after, int64_t *out, struct err *e)
{
	struct db_query *q = db_query(c->db, LOST_PACK_SQL);
	int rc;

	db_bind_int(q, 1, after);
	rc = db_step(q, e);
	if (rc == ERR_OK && !(db_int(q, 0, 1, PACKS_ID_MAX - 1, out) && *out > after))
		rc = db_damaged(c->db, e, "a row of versions has values out of range");
	db_reset(q);
	return rc;
}

int
versions_lost_count(struct catalog *c, int64_t pack_id, uint64_t *out, struct err *e)
{
	struct db_query *q = db_query(c->db, LOST_COUNT_SQL);
	int rc;

	db_bind_int(q, 1, pack_id);
	rc = db_step(q, e);
	if (rc == ERR_END || (rc == ERR_OK && !db_count(q, 0, INT64_MAX, out)))
		rc = db_damaged(c->db, e, "versions cannot be counted");
	db_reset(q);
	return rc;
}

/* ---- writing ---- */

int
versions_insert(
    struct catalog *c, int64_t table_id, const struct versions_version *v, struct err *e)
{
	struct db_query *q;
	int rc = db_need_transaction(c->db, e);

	if (rc != ERR_OK)
		return rc;
	if (v->key.len == 0 || v->key.len > KEY_MAX || v->born < 1 || v->died <= v->born ||
	    v->pack_id < 1 || v->pack_id >= PACKS_ID_MAX)
		return err_set(
		    e, ERR_BUG, "a version with values out of range, of table %" PRId64, table_id);
	q = db_query(c->db, INSERT_SQL);
	db_bind_int(q, 1, table_id);
	catalog_bind_key(q, 2, &v->key);
	db_bind_int(q, 3, v->born);
	db_bind_int(q, 4, v->died);
	db_bind_int(q, 5, v->pack_id);
	db_bind_int(q, 6, v->ordinal);
	db_bind_int(q, 7, v->size);
	db_bind_bytes(q, 8, v->digest, DIGEST_LEN);
	db_bind_int(q, 9, v->lost);
	return db_run(q, NULL, e);
}

/* Carry out ${sql} on one version; ${died} is the fourth parameter when it is not 0. */
static int
versions_change(struct catalog *c, const char *sql, int64_t table_id, const struct key *key,
    int64_t born, int64_t died, struct err *e)
{
	struct db_query *q;
	int64_t changes = 0;
	int rc = db_need_transaction(c->db, e);

	if (rc != ERR_OK)
		return rc;
	q = db_query(c->db, sql);
	db_bind_int(q, 1, table_id);
	catalog_bind_key(q, 2, key);
	db_bind_int(q, 3, born);
	if (died != 0)
		db_bind_int(q, 4, died);
	rc = db_run(q, &changes, e);
	return rc == ERR_OK && changes == 0 ? ERR_ABSENT : rc;
}

int
versions_close(struct catalog *c, int64_t table_id, const struct key *key, int64_t born,
    int64_t died, struct err *e)
{
	int rc = db_need_transaction(c->db, e);

	if (rc == ERR_OK && died <= born)
		return err_set(e, ERR_BUG, "a version cannot die before it is born");
	return rc == ERR_OK ? versions_change(c, CLOSE_SQL, table_id, key, born, died, e) : rc;
}

int
versions_delete(
    struct catalog *c, int64_t table_id, const struct key *key, int64_t born, struct err *e)
{
	return versions_change(c, DELETE_SQL, table_id, key, born, 0, e);
}

int
versions_extend(struct catalog *c, int64_t table_id, const struct key *key, int64_t born,
    int64_t died, struct err *e)
{
	return versions_change(c, EXTEND_SQL, table_id, key, born, died, e);
}

int
versions_lose(
    struct catalog *c, int64_t table_id, const struct key *key, int64_t born, struct err *e)
{
	return versions_change(c, LOSE_SQL, table_id, key, born, 0, e);
}

int
versions_regain(
    struct catalog *c, int64_t table_id, const struct key *key, int64_t born, struct err *e)
{
	return versions_change(c, REGAIN_SQL, table_id, key, born, 0, e);
}

int
versions_regained(struct catalog *c, int64_t pack_id, struct err *e)
{
	struct db_query *q;
	int rc = db_need_transaction(c->db, e);

	if (rc != ERR_OK)
		return rc;
	q = db_query(c->db, REGAINED_SQL);
	db_bind_int(q, 1, pack_id);
	return db_run(q, NULL, e);
}
