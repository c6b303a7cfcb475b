/* What is still to be done below packs/: the contracts are in leftovers.h. */
#include "catalog/leftovers.h"

#include "catalog/catalog_internal.h"

static const char ADD_SQL[] = "INSERT OR IGNORE INTO leftovers (kind, id) VALUES (?1, ?2)";
static const char DONE_SQL[] = "DELETE FROM leftovers WHERE kind = ?1 AND id = ?2";
static const char NEXT_SQL[] =
    "SELECT id FROM leftovers WHERE kind = ?1 AND id > ?2 ORDER BY id LIMIT 1";
static const char HAS_SQL[] = "SELECT 1 FROM leftovers WHERE kind = ?1 AND id = ?2";

/* The kind's name in the table. */
static const char *
leftovers_name(enum leftovers_kind kind)
{
	switch (kind) {
	case LEFTOVERS_LEDGER:
		return "ledger";
	case LEFTOVERS_REPLACEMENT:
		return "replacement";
	case LEFTOVERS_PACK:
		return "pack";
	case LEFTOVERS_DICTIONARY:
		return "dictionary";
	case LEFTOVERS_MARKER:
		return "marker";
	}
	return "";
}

int
leftovers_add(struct catalog *c, enum leftovers_kind kind, int64_t id, struct err *e)
{
	int rc = db_need_transaction(c->db, e);
	struct db_query *q;

	if (rc != ERR_OK)
		return rc;
	q = db_query(c->db, ADD_SQL);
	db_bind_text(q, 1, leftovers_name(kind));
	db_bind_int(q, 2, id);
	return db_run(q, NULL, e);
}

int
leftovers_done(struct catalog *c, enum leftovers_kind kind, int64_t id, struct err *e)
{
	struct db_query *q = db_query(c->db, DONE_SQL);

	db_bind_text(q, 1, leftovers_name(kind));
	db_bind_int(q, 2, id);
	return db_run(q, NULL, e);
}

int
leftovers_next(
    struct catalog *c, enum leftovers_kind kind, int64_t after, int64_t *id, struct err *e)
{
	struct db_query *q = db_query(c->db, NEXT_SQL);
	int64_t found = 0;
	int rc;

	db_bind_text(q, 1, leftovers_name(kind));
	db_bind_int(q, 2, after);
	rc = db_step(q, e);
	if (rc == ERR_OK && !db_int(q, 0, after + 1, INT64_MAX - 1, &found))
		rc = db_damaged(c->db, e, "a row of leftovers has values out of range");
	db_reset(q);
	if (rc == ERR_OK)
		*id = found;
	return rc;
}

int
leftovers_has(struct catalog *c, enum leftovers_kind kind, int64_t id, struct err *e)
{
	struct db_query *q = db_query(c->db, HAS_SQL);

	db_bind_text(q, 1, leftovers_name(kind));
	db_bind_int(q, 2, id);
	return db_found(q, e);
}
