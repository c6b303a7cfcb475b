/*
 * Making a catalogue again: the contracts are in remake.h.
 *
 * Rows come in the order of packs, and name others that come later: foreign keys are looked at
 * once, at the end.
 */
#include "catalog/remake.h"

#include "catalog/catalog_internal.h"
#include "catalog/packs.h"

#include <inttypes.h>
#include <string.h>

static const char DATABASE_SQL[] = "SELECT name FROM databases WHERE id = ?1";
static const char DATABASE_INSERT_SQL[] = "INSERT INTO databases (id, name) VALUES (?1, ?2)";
static const char TABLE_SQL[] =
    "SELECT 1 FROM tables WHERE id = ?1 AND database_id = ?2 AND name = ?3";
static const char TABLE_INSERT_SQL[] =
    "INSERT INTO tables (id, database_id, name) VALUES (?1, ?2, ?3)";
static const char RUN_SQL[] = "SELECT id FROM runs WHERE date = ?1 AND source = ?2";
static const char RUN_INSERT_SQL[] = "INSERT INTO runs (date, source, started) VALUES (?1, ?2, ?1)";
static const char RUN_ADD_SQL[] =
    "INSERT INTO runs (id, date, source, started, record) VALUES (?1, ?2, ?3, ?2, ?4)";
static const char SNAPSHOT_SQL[] =
    "SELECT table_id = ?2 AND date = ?3 AND shards = ?4 AND primary_key = ?5 AND config = ?6"
    " FROM snapshots WHERE id = ?1";
static const char SNAPSHOT_INSERT_SQL[] =
    "INSERT INTO snapshots (id, table_id, run_id, date, shards, primary_key, config)"
    " VALUES (?1, ?2, ?7, ?3, ?4, ?5, ?6)";
static const char PACK_INSERT_SQL[] =
    "INSERT INTO packs (id, snapshot_id, table_id, shard, dictionary_id, documents, deletions,"
    " bytes) VALUES (?1, ?2, ?3, ?4, nullif(?5, 0), ?6, ?7, ?8)";
static const char PACK_UNREAD_SQL[] = "UPDATE packs SET bytes = 0 WHERE id = ?1";
static const char SHARD_INSERT_SQL[] =
    "INSERT INTO shards (snapshot_id, number, lower, upper, documents, bytes, pack_id)"
    " VALUES (?1, ?2, ?3, ?4, 0, 0, ?5)";
static const char SHARD_GET_SQL[] =
    "SELECT lower, upper, documents, bytes, pack_id FROM shards WHERE snapshot_id = ?1"
    " AND number = ?2";
static const char SHARD_COUNT_SQL[] =
    "UPDATE shards SET documents = ?3, bytes = ?4 WHERE snapshot_id = ?1 AND number = ?2";
static const char DESCRIBE_SQL[] =
    "UPDATE snapshots SET documents = ?2, bytes = ?3, added = ?4, changed = ?5, deleted = ?6,"
    " stored_bytes = ?7, lost = ?8, complete = ?9, forgotten = ?10 WHERE id = ?1";
static const char FORGOTTEN_DATE_SQL[] = "INSERT OR IGNORE INTO forgotten_dates (table_id, date)"
					 " SELECT id, ?2 FROM tables WHERE id = ?1";
static const char DICTIONARY_INSERT_SQL[] =
    "INSERT INTO dictionaries (id, table_id, documents, bytes) VALUES (?1, ?2, 0, ?3)";
static const char DICTIONARIES_MISSING_SQL[] =
    "INSERT INTO dictionaries (id, table_id, documents, bytes)"
    " SELECT p.dictionary_id, min(p.table_id), 0, x'' FROM packs p WHERE p.dictionary_id IS NOT "
    "NULL"
    " AND NOT EXISTS (SELECT 1 FROM dictionaries d WHERE d.id = p.dictionary_id)"
    " GROUP BY p.dictionary_id";
static const char DICTIONARIES_DOCUMENTS_SQL[] =
    "UPDATE dictionaries SET documents = coalesce((SELECT s.documents FROM packs p"
    " JOIN snapshots s ON s.id = p.snapshot_id WHERE p.dictionary_id = dictionaries.id"
    " ORDER BY s.id LIMIT 1), 0)";
static const char DICTIONARIES_ORPHANED_SQL[] =
    "DELETE FROM dictionaries WHERE NOT EXISTS (SELECT 1 FROM tables t WHERE t.id = table_id)";
static const char FOREIGN_SQL[] = "SELECT \"table\" || ' names a row of ' || parent ||"
				  " ' that is not there' FROM pragma_foreign_key_check LIMIT 1";
static const char TABLE_NEXT_SQL[] =
    "SELECT t.id, d.id, d.name, t.name FROM tables t JOIN databases d ON d.id = t.database_id"
    " WHERE t.id > ?1 ORDER BY t.id LIMIT 1";
static const char SNAPSHOT_NEXT_SQL[] =
    "SELECT s.id, s.date, s.shards, (SELECT count(*) FROM shards h WHERE h.snapshot_id = s.id),"
    " (SELECT coalesce(sum(p.bytes), 0) FROM packs p WHERE p.snapshot_id = s.id),"
    " (SELECT coalesce(min(p.id), 1) FROM packs p WHERE p.snapshot_id = s.id)"
    " FROM snapshots s WHERE s.table_id = ?1 AND s.id > ?2 ORDER BY s.id LIMIT 1";
static const char SEQUENCE_GET_SQL[] = "SELECT seq FROM sqlite_sequence WHERE name = ?1";
static const char SEQUENCE_SET_SQL[] =
    "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1";
static const char SEQUENCE_INSERT_SQL[] =
    "INSERT INTO sqlite_sequence (name, seq) SELECT ?1, ?2"
    " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)";

/* ---- packs ---- */

/* A row of the name space: insert it, or see that the one that is there says the same. */
static int
remake_database(struct catalog *c, const struct remake_pack *p, struct err *e)
{
	struct db_query *q = db_query(c->db, DATABASE_SQL);
	char name[TABLES_NAME];
	int rc;

	db_bind_int(q, 1, p->database_id);
	rc = db_step(q, e);
	if (rc == ERR_OK && !(db_text(q, 0, name, sizeof(name)) && strcmp(name, p->database) == 0))
		rc = err_set(e, ERR_CORRUPT, "its database has another name elsewhere");
	db_reset(q);
	if (rc != ERR_END)
		return rc;
	q = db_query(c->db, DATABASE_INSERT_SQL);
	db_bind_int(q, 1, p->database_id);
	db_bind_text(q, 2, p->database);
	return db_run(q, NULL, e);
}

static void
remake_bind_table(struct db_query *q, const struct remake_pack *p)
{
	db_bind_int(q, 1, p->table_id);
	db_bind_int(q, 2, p->database_id);
	db_bind_text(q, 3, p->table);
}

static int
remake_table(struct catalog *c, const struct remake_pack *p, struct err *e)
{
	struct db_query *q = db_query(c->db, TABLE_SQL);
	int rc;

	remake_bind_table(q, p);
	rc = db_step(q, e);
	db_reset(q);
	if (rc != ERR_END)
		return rc;
	q = db_query(c->db, TABLE_INSERT_SQL);
	remake_bind_table(q, p);
	return db_run(q, NULL, e);
}

int
remake_run_add(struct catalog *c, int64_t id, int64_t date, const char *source, const void *record,
    size_t len, struct err *e)
{
	struct db_query *q = db_query(c->db, RUN_ADD_SQL);

	db_bind_int(q, 1, id);
	db_bind_int(q, 2, date);
	db_bind_text(q, 3, source);
	db_bind_string(q, 4, record, len);
	return db_run(q, NULL, e);
}

/* The run of that date and source, made if it is new. */
static int
remake_run(struct catalog *c, const struct remake_pack *p, int64_t *out, struct err *e)
{
	struct db_query *q = db_query(c->db, RUN_SQL);
	int rc;

	db_bind_int(q, 1, p->date);
	db_bind_text(q, 2, p->source);
	rc = db_step(q, e);
	if (rc == ERR_OK && !db_int(q, 0, 1, INT64_MAX, out))
		rc = db_damaged(c->db, e, "a row of runs has values out of range");
	db_reset(q);
	if (rc != ERR_END)
		return rc;
	q = db_query(c->db, RUN_INSERT_SQL);
	db_bind_int(q, 1, p->date);
	db_bind_text(q, 2, p->source);
	rc = db_run(q, NULL, e);
	if (rc == ERR_OK)
		*out = db_last_id(c->db);
	return rc;
}

static void
remake_bind_snapshot(struct db_query *q, const struct remake_pack *p)
{
	db_bind_int(q, 1, p->snapshot_id);
	db_bind_int(q, 2, p->table_id);
	db_bind_int(q, 3, p->date);
	db_bind_count(q, 4, p->shards);
	db_bind_text(q, 5, p->primary_key);
	db_bind_string(q, 6, p->config, p->config_len);
}

static int
remake_snapshot(struct catalog *c, const struct remake_pack *p, struct err *e)
{
	struct db_query *q = db_query(c->db, SNAPSHOT_SQL);
	int64_t same, run_id;
	int rc;

	remake_bind_snapshot(q, p);
	rc = db_step(q, e);
	if (rc == ERR_OK && !db_int(q, 0, 1, 1, &same))
		rc = err_set(e, ERR_CORRUPT, "other packs say something else of its snapshot");
	db_reset(q);
	if (rc != ERR_END)
		return rc;
	rc = remake_run(c, p, &run_id, e);
	if (rc != ERR_OK)
		return rc;
	q = db_query(c->db, SNAPSHOT_INSERT_SQL);
	remake_bind_snapshot(q, p);
	db_bind_int(q, 7, run_id);
	return db_run(q, NULL, e);
}

static int
remake_pack_row(struct catalog *c, const struct remake_pack *p, struct err *e)
{
	struct db_query *q = db_query(c->db, PACK_INSERT_SQL);
	int rc;

	db_bind_int(q, 1, p->id);
	db_bind_int(q, 2, p->snapshot_id);
	db_bind_int(q, 3, p->table_id);
	db_bind_count(q, 4, p->shard);
	db_bind_int(q, 5, p->dictionary_id);
	db_bind_count(q, 6, p->documents);
	db_bind_count(q, 7, p->deletions);
	db_bind_count(q, 8, p->bytes);
	rc = db_run(q, NULL, e);
	if (rc == ERR_OK && p->has_shard)
		rc = remake_shard(c, p->snapshot_id,
		    &(struct snapshots_shard){
			.number = p->shard, .lower = p->lower, .upper = p->upper, .pack_id = p->id},
		    e);
	return rc;
}

/* Whether the numbers and names of ${p} fit into a catalogue. */
static bool
remake_pack_fits(const struct remake_pack *p)
{
	return p->id > 0 && p->id < PACKS_ID_MAX && p->snapshot_id > 0 &&
	       p->snapshot_id < INT64_MAX && p->table_id > 0 && p->database_id > 0 &&
	       p->dictionary_id >= 0 && p->dictionary_id < PACKS_ID_MAX && p->shards > 0 &&
	       p->shards <= SNAPSHOTS_SHARDS && p->shard < p->shards &&
	       (p->upper.len == 0 || key_compare(&p->lower, &p->upper) <= 0) &&
	       tables_name_valid(p->database, strlen(p->database)) &&
	       tables_name_valid(p->table, strlen(p->table));
}

int
remake_pack_add(struct catalog *c, const struct remake_pack *p, struct err *e)
{
	int rc = db_need_transaction(c->db, e);

	if (rc != ERR_OK)
		return rc;
	if (!remake_pack_fits(p))
		return err_set(e, ERR_CORRUPT, "it has numbers or names that no pack can have");
	rc = db_savepoint(c->db, e);
	if (rc != ERR_OK)
		return rc;
	rc = remake_database(c, p, e);
	if (rc == ERR_OK)
		rc = remake_table(c, p, e);
	if (rc == ERR_OK)
		rc = remake_snapshot(c, p, e);
	if (rc == ERR_OK)
		rc = remake_pack_row(c, p, e);
	if (rc == ERR_EXISTS)
		rc = err_set(e, ERR_CORRUPT, "another pack has its place or its names already");
	return db_savepoint_end(c->db, rc, e);
}

int
remake_pack_unread(struct catalog *c, int64_t id, struct err *e)
{
	struct db_query *q = db_query(c->db, PACK_UNREAD_SQL);

	db_bind_int(q, 1, id);
	return db_run(q, NULL, e);
}

/* ---- shards and snapshots ---- */

int
remake_shard(
    struct catalog *c, int64_t snapshot_id, const struct snapshots_shard *shard, struct err *e)
{
	struct db_query *q = db_query(c->db, SHARD_INSERT_SQL);

	db_bind_int(q, 1, snapshot_id);
	db_bind_count(q, 2, shard->number);
	catalog_bind_key(q, 3, &shard->lower);
	catalog_bind_key(q, 4, &shard->upper);
	db_bind_int(q, 5, shard->pack_id);
	return db_run(q, NULL, e);
}

int
remake_shard_get(struct catalog *c, int64_t snapshot_id, uint64_t number,
    struct snapshots_shard *out, struct err *e)
{
	struct db_query *q = db_query(c->db, SHARD_GET_SQL);
	struct snapshots_shard s = {.number = number};
	int rc;

	db_bind_int(q, 1, snapshot_id);
	db_bind_count(q, 2, number);
	rc = db_step(q, e);
	if (rc == ERR_OK &&
	    !(catalog_key(q, 0, 0, &s.lower) && catalog_key(q, 1, 0, &s.upper) &&
		db_count(q, 2, INT64_MAX, &s.documents) && db_count(q, 3, INT64_MAX, &s.bytes) &&
		db_int(q, 4, 1, PACKS_ID_MAX - 1, &s.pack_id)))
		rc = db_damaged(c->db, e, "a row of shards has values out of range");
	db_reset(q);
	if (rc == ERR_OK)
		*out = s;
	return rc == ERR_END ? ERR_ABSENT : rc;
}

int
remake_shard_count(struct catalog *c, int64_t snapshot_id, uint64_t number, uint64_t documents,
    uint64_t bytes, struct err *e)
{
	struct db_query *q = db_query(c->db, SHARD_COUNT_SQL);

	db_bind_int(q, 1, snapshot_id);
	db_bind_count(q, 2, number);
	db_bind_count(q, 3, documents);
	db_bind_count(q, 4, bytes);
	return db_run(q, NULL, e);
}

int
remake_describe(struct catalog *c, const struct snapshots_snapshot *s, struct err *e)
{
	struct db_query *q = db_query(c->db, DESCRIBE_SQL);
	int rc;

	db_bind_int(q, 1, s->id);
	db_bind_count(q, 2, s->documents);
	db_bind_count(q, 3, s->bytes);
	db_bind_count(q, 4, s->added);
	db_bind_count(q, 5, s->changed);
	db_bind_count(q, 6, s->deleted);
	db_bind_count(q, 7, s->stored_bytes);
	db_bind_count(q, 8, s->lost);
	db_bind_int(q, 9, s->complete);
	db_bind_int(q, 10, s->forgotten);
	rc = db_run(q, NULL, e);
	if (rc == ERR_EXISTS)
		rc = err_set(e, ERR_CORRUPT, "two snapshots of a table have the same date");
	if (rc != ERR_OK || !s->forgotten)
		return rc;
	return remake_forgotten_date(c, s->table_id, s->date, e);
}

int
remake_forgotten_date(struct catalog *c, int64_t table_id, int64_t date, struct err *e)
{
	struct db_query *q = db_query(c->db, FORGOTTEN_DATE_SQL);

	db_bind_int(q, 1, table_id);
	db_bind_int(q, 2, date);
	return db_run(q, NULL, e);
}

int
remake_table_next(struct catalog *c, int64_t after, struct tables_table *out, struct err *e)
{
	struct db_query *q = db_query(c->db, TABLE_NEXT_SQL);
	int rc;

	db_bind_int(q, 1, after);
	rc = db_step(q, e);
	if (rc == ERR_OK &&
	    !(db_int(q, 0, 1, INT64_MAX, &out->id) &&
		db_int(q, 1, 1, INT64_MAX, &out->database_id) &&
		db_text(q, 2, out->database, TABLES_NAME) && db_text(q, 3, out->name, TABLES_NAME)))
		rc = db_damaged(c->db, e, "a row of tables has values out of range");
	db_reset(q);
	return rc;
}

int
remake_snapshot_next(
    struct catalog *c, int64_t table_id, int64_t after, struct remake_snapshot *out, struct err *e)
{
	struct db_query *q = db_query(c->db, SNAPSHOT_NEXT_SQL);
	int rc;

	db_bind_int(q, 1, table_id);
	db_bind_int(q, 2, after);
	rc = db_step(q, e);
	if (rc == ERR_OK && !(db_int(q, 0, 1, INT64_MAX - 1, &out->id) &&
				db_int(q, 1, INT64_MIN, INT64_MAX, &out->date) &&
				db_count(q, 2, SNAPSHOTS_SHARDS, &out->shards) &&
				db_count(q, 3, SNAPSHOTS_SHARDS, &out->found) &&
				db_count(q, 4, INT64_MAX, &out->stored_bytes) &&
				db_int(q, 5, 1, PACKS_ID_MAX - 1, &out->first_pack)))
		rc = db_damaged(c->db, e, "a row of snapshots has values out of range");
	db_reset(q);
	return rc;
}

/* ---- dictionaries, and the end ---- */

int
remake_dictionary(
    struct catalog *c, int64_t id, int64_t table_id, const void *bytes, size_t len, struct err *e)
{
	struct db_query *q;

	if (id >= PACKS_ID_MAX)
		return err_set(e, ERR_CORRUPT, "no dictionary can have this number");
	q = db_query(c->db, DICTIONARY_INSERT_SQL);
	db_bind_int(q, 1, id);
	db_bind_int(q, 2, table_id);
	db_bind_bytes(q, 3, bytes, len);
	return db_run(q, NULL, e);
}

int
remake_finish(struct catalog *c, struct err *e)
{
	static const char *const steps[] = {
	    DICTIONARIES_ORPHANED_SQL, DICTIONARIES_MISSING_SQL, DICTIONARIES_DOCUMENTS_SQL};
	struct db_query *q;
	char text[256] = "";
	int rc = ERR_OK;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && rc == ERR_OK; i++)
		rc = db_run(db_query(c->db, steps[i]), NULL, e);
	if (rc != ERR_OK)
		return rc;
	q = db_query(c->db, FOREIGN_SQL);
	rc = db_step(q, e);
	if (rc == ERR_OK) {
		db_text(q, 0, text, sizeof(text));
		rc = err_set(e, ERR_CORRUPT, "the packs contradict each other: a row of %s", text);
	}
	db_reset(q);
	return rc == ERR_END ? ERR_OK : rc;
}

/* ---- numbers ---- */

int
remake_sequence(struct catalog *c, const char *table, int64_t least, struct err *e)
{
	static const char *const steps[] = {SEQUENCE_INSERT_SQL, SEQUENCE_SET_SQL};
	int rc = ERR_OK;

	for (size_t i = 0; i < 2 && rc == ERR_OK && least > 0; i++) {
		struct db_query *q = db_query(c->db, steps[i]);
		db_bind_text(q, 1, table);
		db_bind_int(q, 2, least);
		rc = db_run(q, NULL, e);
	}
	return rc;
}

int
remake_last(struct catalog *c, const char *table, int64_t *out, struct err *e)
{
	struct db_query *q = db_query(c->db, SEQUENCE_GET_SQL);
	int64_t seq = 0;
	int rc;

	db_bind_text(q, 1, table);
	rc = db_step(q, e);
	if (rc == ERR_OK && !db_int(q, 0, 0, INT64_MAX - 1, &seq))
		rc = db_damaged(c->db, e, "the last number given out in %s is out of range", table);
	db_reset(q);
	if (rc == ERR_OK || rc == ERR_END)
		*out = seq;
	return rc == ERR_END ? ERR_OK : rc;
}

int
remake_sequences(struct catalog *c, struct catalog *old, struct err *e)
{
	/* A number that damage made absurdly large would leave none for the packs to come. */
	static const struct {
		const char *table;
		int64_t most;
	} all[] = {{"databases", INT64_MAX / 2}, {"tables", INT64_MAX / 2}, {"runs", INT64_MAX / 2},
	    {"snapshots", INT64_MAX / 2}, {"packs", PACKS_ID_MAX / 2},
	    {"dictionaries", PACKS_ID_MAX / 2}};
	int rc = ERR_OK;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && rc == ERR_OK; i++) {
		struct db_query *q = db_query(old->db, SEQUENCE_GET_SQL);
		int64_t seq = 0;
		db_bind_text(q, 1, all[i].table);
		if (db_step(q, NULL) != ERR_OK || !db_int(q, 0, 1, all[i].most, &seq))
			seq = 0;
		db_reset(q);
		rc = remake_sequence(c, all[i].table, seq, e);
	}
	return rc;
}
