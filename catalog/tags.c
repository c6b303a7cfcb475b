/* Tags of snapshots: the contracts are in tags.h. */
#include "catalog/tags.h"

#include "catalog/catalog_internal.h"
#include "catalog/leftovers.h"
#include "catalog/snapshots.h"

#include <inttypes.h>
#include <string.h>

static const char ADD_SQL[] = "INSERT OR IGNORE INTO tags (snapshot_id, tag) VALUES (?1, ?2)";
static const char REMOVE_SQL[] = "DELETE FROM tags WHERE snapshot_id = ?1 AND tag = ?2";
static const char NEXT_SQL[] =
    "SELECT tag FROM tags WHERE snapshot_id = ?1 AND tag > ?2 ORDER BY tag LIMIT 1";
static const char PIN_SQL[] =
    "UPDATE snapshots SET pinned = ?2 WHERE id = ?1 AND complete = 1 AND forgotten = 0";

bool
tags_valid(const char *tag)
{
	size_t len = strlen(tag);

	if (len == 0 || len >= TAGS_NAME)
		return false;
	for (size_t i = 0; i < len; i++) {
		char ch = tag[i];
		if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
			(ch >= '0' && ch <= '9') || ch == '.' || ch == '_' || ch == '-'))
			return false;
	}
	return true;
}

/* What all changes need: a transaction, a good tag, a snapshot. */
static int
tags_check(struct catalog *c, int64_t snapshot_id, const char *tag, struct err *e)
{
	struct snapshots_snapshot s;
	int rc = db_need_transaction(c->db, e);

	if (rc == ERR_OK && !tags_valid(tag))
		rc = err_set(
		    e, ERR_ARG, "'%s' is no tag: 1 to 64 letters, digits, '.', '_' and '-'", tag);
	if (rc == ERR_OK)
		rc = snapshots_get(c, snapshot_id, &s, e);
	return rc == ERR_ABSENT
		   ? err_set(e, ERR_WRONG_STATE, "there is no snapshot %" PRId64, snapshot_id)
		   : rc;
}

static int
tags_run(struct catalog *c, const char *sql, int64_t snapshot_id, const char *tag, struct err *e)
{
	int rc = tags_check(c, snapshot_id, tag, e);
	struct db_query *q;

	if (rc != ERR_OK)
		return rc;
	q = db_query(c->db, sql);
	db_bind_int(q, 1, snapshot_id);
	db_bind_text(q, 2, tag);
	rc = db_run(q, NULL, e);
	return rc == ERR_OK ? leftovers_add(c, LEFTOVERS_LEDGER, LEFTOVERS_ONLY, e) : rc;
}

int
tags_add(struct catalog *c, int64_t snapshot_id, const char *tag, struct err *e)
{
	return tags_run(c, ADD_SQL, snapshot_id, tag, e);
}

int
tags_remove(struct catalog *c, int64_t snapshot_id, const char *tag, struct err *e)
{
	return tags_run(c, REMOVE_SQL, snapshot_id, tag, e);
}

int
tags_pin(struct catalog *c, int64_t snapshot_id, bool pinned, struct err *e)
{
	int rc = db_need_transaction(c->db, e);
	struct db_query *q;
	int64_t changes = 0;

	if (rc != ERR_OK)
		return rc;
	q = db_query(c->db, PIN_SQL);
	db_bind_int(q, 1, snapshot_id);
	db_bind_int(q, 2, pinned);
	rc = db_run(q, &changes, e);
	if (rc == ERR_OK)
		rc = catalog_need(changes, e, "there is no snapshot %" PRId64, snapshot_id);
	return rc == ERR_OK ? leftovers_add(c, LEFTOVERS_LEDGER, LEFTOVERS_ONLY, e) : rc;
}

int
tags_next(
    struct catalog *c, int64_t snapshot_id, const char *after, char out[TAGS_NAME], struct err *e)
{
	struct db_query *q = db_query(c->db, NEXT_SQL);
	char tag[TAGS_NAME];
	int rc;

	db_bind_int(q, 1, snapshot_id);
	db_bind_text(q, 2, after);
	rc = db_step(q, e);
	if (rc == ERR_OK &&
	    !(db_text(q, 0, tag, sizeof(tag)) && tags_valid(tag) && strcmp(tag, after) > 0))
		rc = db_damaged(c->db, e, "a row of tags has values out of range");
	db_reset(q);
	if (rc == ERR_OK)
		memcpy(out, tag, sizeof(tag));
	return rc;
}
