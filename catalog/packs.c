/* Packs and dictionaries in the catalogue: the contracts are in packs.h. */
#include "catalog/packs.h"

#include "catalog/catalog_internal.h"
#include "catalog/leftovers.h"
#include "catalog/remake.h"
#include "catalog/snapshots.h"

#include <inttypes.h>

#define PACK_FROM                                                                                  \
	"SELECT p.id, p.snapshot_id, p.table_id, s.date, coalesce(p.dictionary_id, 0), p.shard,"   \
	" p.documents, p.deletions, p.bytes, s.forgotten"                                          \
	" FROM packs p CROSS JOIN snapshots s ON s.id = p.snapshot_id AND s.complete = 1"

static const char INSERT_SQL[] = "INSERT INTO packs (snapshot_id, table_id, shard, dictionary_id)"
				 " SELECT id, table_id, ?3, nullif(?4, 0) FROM snapshots"
				 " WHERE id = ?1 AND table_id = ?2 AND complete = 0";
static const char DESCRIBE_SQL[] =
    "UPDATE packs SET documents = ?2, deletions = ?3, bytes = ?4 WHERE id = ?1";
static const char GET_SQL[] = PACK_FROM " WHERE p.id = ?1";
static const char NEXT_SQL[] = PACK_FROM " WHERE p.id > ?1 ORDER BY p.id LIMIT 1";
static const char OF_NEXT_SQL[] =
    PACK_FROM " WHERE p.snapshot_id = ?1 AND p.id > ?2 ORDER BY p.id LIMIT 1";
static const char DROP_SHARD_SQL[] =
    "DELETE FROM shards WHERE pack_id = ?1 AND EXISTS"
    " (SELECT 1 FROM snapshots s WHERE s.id = shards.snapshot_id AND s.forgotten = 1)";
static const char DROP_SQL[] =
    "DELETE FROM packs WHERE id = ?1 AND EXISTS"
    " (SELECT 1 FROM snapshots s WHERE s.id = packs.snapshot_id AND s.forgotten = 1)";
static const char UNFINISHED_SQL[] =
    "SELECT p.id, p.snapshot_id FROM snapshots s CROSS JOIN packs p ON p.snapshot_id = s.id"
    " WHERE s.complete = 0 AND p.id > ?1 ORDER BY p.id LIMIT 1";
static const char KNOWN_SQL[] = "SELECT 1 FROM packs WHERE id = ?1";
static const char TOTAL_SQL[] =
    "SELECT coalesce(sum(p.bytes), 0) FROM packs p CROSS JOIN snapshots s"
    " ON s.id = p.snapshot_id AND s.complete = 1";
static const char DICTIONARY_INSERT_SQL[] =
    "INSERT INTO dictionaries (table_id, documents, bytes) VALUES (?1, ?2, ?3)";
static const char DICTIONARY_LATEST_SQL[] = "SELECT id, table_id, documents FROM dictionaries"
					    " WHERE table_id = ?1 ORDER BY id DESC LIMIT 1";
static const char DICTIONARY_NEXT_SQL[] = "SELECT id, table_id, documents FROM dictionaries"
					  " WHERE id > ?1 ORDER BY id LIMIT 1";
static const char DICTIONARY_UNUSED_SQL[] =
    "SELECT d.id FROM dictionaries d"
    " WHERE NOT EXISTS (SELECT 1 FROM packs p WHERE p.dictionary_id = d.id)"
    " AND (EXISTS (SELECT 1 FROM dictionaries n WHERE n.table_id = d.table_id AND n.id > d.id)"
    "  OR NOT EXISTS (SELECT 1 FROM snapshots s WHERE s.table_id = d.table_id)) LIMIT 1";
static const char DICTIONARY_DROP_SQL[] = "DELETE FROM dictionaries WHERE id = ?1";
static const char DICTIONARY_BYTES_SQL[] = "SELECT bytes FROM dictionaries WHERE id = ?1";
static const char LAST_SQL[] = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?1";

/* The number that the row inserted last got; it must fit into inode numbers. */
static int
packs_new_id(struct catalog *c, int64_t *out, struct err *e)
{
	int64_t id = db_last_id(c->db);

	if (id >= PACKS_ID_MAX)
		return err_set(e, ERR_LIMIT, "the repository has no numbers left for packs");
	*out = id;
	return ERR_OK;
}

/* ---- packs ---- */

int
packs_begin(struct catalog *c, int64_t table_id, int64_t snapshot_id, uint64_t shard,
    int64_t dictionary_id, int64_t *out, struct err *e)
{
	struct db_query *q;
	int64_t changes = 0;
	int rc = db_need_transaction(c->db, e);

	if (rc != ERR_OK)
		return rc;
	if (shard >= SNAPSHOTS_SHARDS)
		return err_set(e, ERR_BUG, "a pack of shard %" PRIu64 " cannot be recorded", shard);
	q = db_query(c->db, INSERT_SQL);
	db_bind_int(q, 1, snapshot_id);
	db_bind_int(q, 2, table_id);
	db_bind_count(q, 3, shard);
	db_bind_int(q, 4, dictionary_id);
	rc = db_run(q, &changes, e);
	if (rc == ERR_OK)
		rc = catalog_need(changes, e,
		    "snapshot %" PRId64 " of table %" PRId64 " is not being built", snapshot_id,
		    table_id);
	return rc == ERR_OK ? packs_new_id(c, out, e) : rc;
}

int
packs_describe(struct catalog *c, const struct packs_pack *p, struct err *e)
{
	struct db_query *q;
	int64_t changes = 0;
	int rc = db_need_transaction(c->db, e);

	if (rc != ERR_OK)
		return rc;
	q = db_query(c->db, DESCRIBE_SQL);
	db_bind_int(q, 1, p->id);
	db_bind_count(q, 2, p->documents);
	db_bind_count(q, 3, p->deletions);
	db_bind_count(q, 4, p->bytes);
	rc = db_run(q, &changes, e);
	return rc == ERR_OK ? catalog_need(changes, e, "there is no pack %" PRId64, p->id) : rc;
}

/*
 * Step to the one row (of PACK_FROM) of ${q}, read it and reset; ${none} when there is none. Its
 * number must be over ${after}: in a damaged index it may not be, and listings would never end.
 */
static int
packs_read(struct db_query *q, int none, int64_t after, struct packs_pack *out, struct err *e)
{
	struct packs_pack p;
	int64_t forgotten;
	int rc = db_step(q, e);

	if (rc == ERR_OK &&
	    !(db_int(q, 0, 1, PACKS_ID_MAX - 1, &p.id) && p.id > after &&
		db_int(q, 1, 1, INT64_MAX - 1, &p.snapshot_id) &&
		db_int(q, 2, 1, INT64_MAX, &p.table_id) &&
		db_int(q, 3, INT64_MIN, INT64_MAX, &p.date) &&
		db_int(q, 4, 0, PACKS_ID_MAX - 1, &p.dictionary_id) &&
		db_count(q, 5, SNAPSHOTS_SHARDS - 1, &p.shard) &&
		db_count(q, 6, INT64_MAX, &p.documents) &&
		db_count(q, 7, INT64_MAX, &p.deletions) && db_count(q, 8, INT64_MAX, &p.bytes) &&
		db_int(q, 9, 0, 1, &forgotten)))
		rc = db_damaged(q->db, e, "a row of packs has values out of range");
	db_reset(q);
	if (rc == ERR_OK) {
		p.forgotten = forgotten == 1;
		*out = p;
	}
	return rc == ERR_END ? none : rc;
}

int
packs_get(struct catalog *c, int64_t id, struct packs_pack *out, struct err *e)
{
	struct db_query *q = db_query(c->db, GET_SQL);

	db_bind_int(q, 1, id);
	return packs_read(q, ERR_ABSENT, 0, out, e);
}

int
packs_next(struct catalog *c, int64_t after, struct packs_pack *out, struct err *e)
{
	struct db_query *q = db_query(c->db, NEXT_SQL);

	db_bind_int(q, 1, after);
	return packs_read(q, ERR_END, after, out, e);
}

int
packs_of_next(
    struct catalog *c, int64_t snapshot_id, int64_t after, struct packs_pack *out, struct err *e)
{
	struct db_query *q = db_query(c->db, OF_NEXT_SQL);

	db_bind_int(q, 1, snapshot_id);
	db_bind_int(q, 2, after);
	return packs_read(q, ERR_END, after, out, e);
}

int
packs_drop(struct catalog *c, int64_t id, struct err *e)
{
	struct db_query *q;
	int64_t changes = 0;
	int rc = db_need_transaction(c->db, e);

	if (rc != ERR_OK)
		return rc;
	q = db_query(c->db, DROP_SHARD_SQL);
	db_bind_int(q, 1, id);
	rc = db_run(q, NULL, e);
	if (rc == ERR_OK) {
		q = db_query(c->db, DROP_SQL);
		db_bind_int(q, 1, id);
		rc = db_run(q, &changes, e);
	}
	if (rc == ERR_OK)
		rc =
		    catalog_need(changes, e, "pack %" PRId64 " is not of a forgotten snapshot", id);
	return rc == ERR_OK ? leftovers_add(c, LEFTOVERS_PACK, id, e) : rc;
}

int
packs_unfinished_next(
    struct catalog *c, int64_t after, int64_t *id, int64_t *snapshot_id, struct err *e)
{
	struct db_query *q = db_query(c->db, UNFINISHED_SQL);
	int64_t pack, snapshot;
	int rc;

	db_bind_int(q, 1, after);
	rc = db_step(q, e);
	if (rc == ERR_OK && !(db_int(q, 0, 1, PACKS_ID_MAX - 1, &pack) && pack > after &&
				db_int(q, 1, 1, INT64_MAX - 1, &snapshot)))
		rc = db_damaged(c->db, e, "a row of packs has values out of range");
	db_reset(q);
	if (rc == ERR_OK) {
		*id = pack;
		*snapshot_id = snapshot;
	}
	return rc;
}

int
packs_known(struct catalog *c, int64_t id, struct err *e)
{
	struct db_query *q = db_query(c->db, KNOWN_SQL);

	db_bind_int(q, 1, id);
	return db_found(q, e);
}

int
packs_total(struct catalog *c, uint64_t *bytes, struct err *e)
{
	struct db_query *q = db_query(c->db, TOTAL_SQL);
	int rc = db_step(q, e);

	if (rc == ERR_END || (rc == ERR_OK && !db_count(q, 0, INT64_MAX, bytes)))
		rc = db_damaged(c->db, e, "the sizes of the packs have no sum");
	db_reset(q);
	return rc;
}

/* ---- dictionaries ---- */

int
packs_dictionary_put(struct catalog *c, int64_t table_id, uint64_t documents, const void *bytes,
    size_t len, int64_t *out, struct err *e)
{
	struct db_query *q;
	int rc = db_need_transaction(c->db, e);

	if (rc != ERR_OK)
		return rc;
	q = db_query(c->db, DICTIONARY_INSERT_SQL);
	db_bind_int(q, 1, table_id);
	db_bind_count(q, 2, documents);
	db_bind_bytes(q, 3, bytes, len);
	rc = db_run(q, NULL, e);
	return rc == ERR_OK ? packs_new_id(c, out, e) : rc;
}

static int
packs_read_dictionary(
    struct db_query *q, int none, int64_t after, struct packs_dictionary *out, struct err *e)
{
	struct packs_dictionary d;
	int rc = db_step(q, e);

	if (rc == ERR_OK &&
	    !(db_int(q, 0, 1, PACKS_ID_MAX - 1, &d.id) && d.id > after &&
		db_int(q, 1, 1, INT64_MAX, &d.table_id) && db_count(q, 2, INT64_MAX, &d.documents)))
		rc = db_damaged(q->db, e, "a row of dictionaries has values out of range");
	db_reset(q);
	if (rc == ERR_OK)
		*out = d;
	return rc == ERR_END ? none : rc;
}

int
packs_dictionary_latest(
    struct catalog *c, int64_t table_id, struct packs_dictionary *out, struct err *e)
{
	struct db_query *q = db_query(c->db, DICTIONARY_LATEST_SQL);

	db_bind_int(q, 1, table_id);
	return packs_read_dictionary(q, ERR_ABSENT, 0, out, e);
}

int
packs_dictionary_next(struct catalog *c, int64_t after, struct packs_dictionary *out, struct err *e)
{
	struct db_query *q = db_query(c->db, DICTIONARY_NEXT_SQL);

	db_bind_int(q, 1, after);
	return packs_read_dictionary(q, ERR_END, after, out, e);
}

int
packs_dictionary_unused(struct catalog *c, int64_t *out, struct err *e)
{
	struct db_query *q = db_query(c->db, DICTIONARY_UNUSED_SQL);
	int64_t id = 0;
	int rc = db_step(q, e);

	if (rc == ERR_OK && !db_int(q, 0, 1, PACKS_ID_MAX - 1, &id))
		rc = db_damaged(c->db, e, "a row of dictionaries has values out of range");
	db_reset(q);
	if (rc == ERR_OK)
		*out = id;
	return rc == ERR_END ? ERR_ABSENT : rc;
}

int
packs_dictionary_drop(struct catalog *c, int64_t id, struct err *e)
{
	struct db_query *q;
	int rc = db_need_transaction(c->db, e);

	if (rc != ERR_OK)
		return rc;
	q = db_query(c->db, DICTIONARY_DROP_SQL);
	db_bind_int(q, 1, id);
	rc = db_run(q, NULL, e);
	return rc == ERR_OK ? leftovers_add(c, LEFTOVERS_DICTIONARY, id, e) : rc;
}

int
packs_dictionary_bytes(struct catalog *c, int64_t id, struct buf *out, struct err *e)
{
	struct db_query *q = db_query(c->db, DICTIONARY_BYTES_SQL);

	db_bind_int(q, 1, id);
	return db_append(q, ERR_ABSENT, out, e);
}

/* ---- numbers ---- */

int
packs_last(struct catalog *c, int64_t *out, struct err *e)
{
	struct db_query *q = db_query(c->db, LAST_SQL);
	int rc;

	db_bind_text(q, 1, "packs");
	rc = db_step(q, e);
	if (rc == ERR_END || (rc == ERR_OK && !db_int(q, 0, 0, INT64_MAX, out)))
		rc = db_damaged(c->db, e, "the last number of packs is out of range");
	db_reset(q);
	return rc;
}

int
packs_reserve(
    struct catalog *c, int64_t pack_id, int64_t dictionary_id, int64_t snapshot_id, struct err *e)
{
	int rc = db_need_transaction(c->db, e);

	if (rc == ERR_OK)
		rc = remake_sequence(c, "packs", pack_id, e);
	if (rc == ERR_OK)
		rc = remake_sequence(c, "dictionaries", dictionary_id, e);
	return rc == ERR_OK ? remake_sequence(c, "snapshots", snapshot_id, e) : rc;
}
