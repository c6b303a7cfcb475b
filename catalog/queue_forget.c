/*
 * Forgetting restores that are over, and giving their room back: the contracts are in queue.h.
 */
#include "catalog/queue.h"

#include "catalog/queue_internal.h"

#include <inttypes.h>

#define QUEUE_SLACK 256 /* free pages that are no reason to write the file anew: 1 MiB */

/* Of restores r: the states are the bits of ?1, in the order of enum queue_state. */
#define QUEUE_OLD                                                                                  \
	" FROM restores r WHERE ((r.state = 'done' AND ?1 & 4) OR (r.state = 'failed' AND ?1 & 8)" \
	" OR (r.state = 'cancelled' AND ?1 & 16)) AND r.updated < ?2"                              \
	" AND (?3 IS NULL OR r.database_name = ?3) AND (?4 IS NULL OR r.table_name = ?4)"

static const char COUNT_SQL[] = "SELECT count(*), coalesce(sum(r.bytes), 0)" QUEUE_OLD;
static const char *const DROP_OLD_SQL[] = {
    "DELETE FROM payload WHERE restore_id IN (SELECT r.id" QUEUE_OLD ")",
    "DELETE FROM replaced WHERE restore_id IN (SELECT r.id" QUEUE_OLD ")",
    "DELETE FROM restores WHERE id IN (SELECT r.id" QUEUE_OLD ")"};
static const char *const DROP_SQL[] = {"DELETE FROM payload WHERE restore_id = ?1",
    "DELETE FROM replaced WHERE restore_id = ?1", "DELETE FROM restores WHERE id = ?1"};
static const char PAGES_SQL[] = "SELECT f.freelist_count, p.page_count"
				" FROM pragma_freelist_count f, pragma_page_count p";
static const char SHRINK_SQL[] = "VACUUM";

#define DROP_TABLES (sizeof(DROP_SQL) / sizeof(DROP_SQL[0]))

bool
queue_over(const struct queue_restore *r)
{
	return (r->state & QUEUE_OVER) != 0;
}

/* ---- one ---- */

static int
queue_forget_inside(struct queue *queue, int64_t id, struct err *e)
{
	struct queue_restore r;
	int rc = queue_get(queue, id, &r, e);

	if (rc == ERR_ABSENT)
		return err_set(e, ERR_ABSENT, "there is no restore %" PRId64, id);
	if (rc == ERR_OK && !queue_over(&r))
		return err_set(e, ERR_WRONG_STATE,
		    "restore %" PRId64 " is %s; only one that is done, failed or cancelled can be "
		    "forgotten",
		    id, queue_state_name(r.state));
	for (size_t i = 0; i < DROP_TABLES && rc == ERR_OK; i++) {
		struct db_query *q = db_query(queue->db, DROP_SQL[i]);
		db_bind_int(q, 1, id);
		rc = db_run(q, NULL, e);
	}
	return rc;
}

int
queue_forget(struct queue *q, int64_t id, struct err *e)
{
	int rc = db_begin(q->db, true, e);

	if (rc != ERR_OK)
		return rc;
	rc = queue_forget_inside(q, id, e);
	if (rc == ERR_OK)
		rc = db_commit(q->db, e);
	if (rc != ERR_OK)
		db_rollback(q->db);
	return rc;
}

/* ---- all that are old ---- */

/* The statement ${sql} with what QUEUE_OLD takes. */
static struct db_query *
queue_old(struct queue *queue, const char *sql, const struct queue_filter *filter, int64_t before)
{
	struct db_query *q = db_query(queue->db, sql);

	db_bind_int(q, 1, filter->states);
	db_bind_int(q, 2, before);
	db_bind_text(q, 3, filter->database);
	db_bind_text(q, 4, filter->table);
	return q;
}

int
queue_count_old(struct queue *queue, const struct queue_filter *filter, int64_t before,
    uint64_t *restores, uint64_t *bytes, struct err *e)
{
	struct db_query *q = queue_old(queue, COUNT_SQL, filter, before);
	int rc = db_step(q, e);

	if (rc == ERR_OK &&
	    !(db_count(q, 0, INT64_MAX, restores) && db_count(q, 1, INT64_MAX, bytes)))
		rc = db_damaged(queue->db, e, "rows of restores have values out of range");
	db_reset(q);
	return rc;
}

int
queue_forget_old(struct queue *q, const struct queue_filter *filter, int64_t before,
    uint64_t *restores, uint64_t *bytes, struct err *e)
{
	int rc = db_begin(q->db, true, e);

	if (rc != ERR_OK)
		return rc;
	rc = queue_count_old(q, filter, before, restores, bytes, e);
	for (size_t i = 0; i < DROP_TABLES && rc == ERR_OK; i++)
		rc = db_run(queue_old(q, DROP_OLD_SQL[i], filter, before), NULL, e);
	if (rc == ERR_OK)
		rc = db_commit(q->db, e);
	if (rc != ERR_OK)
		db_rollback(q->db);
	return rc;
}

/* ---- the file ---- */

int
queue_shrink(struct queue *queue, struct err *e)
{
	struct db_query *q = db_query(queue->db, PAGES_SQL);
	uint64_t spare = 0, pages = 0;
	int rc = db_step(q, e);

	if (rc == ERR_OK &&
	    !(db_count(q, 0, INT64_MAX, &spare) && db_count(q, 1, INT64_MAX, &pages)))
		rc = db_damaged(queue->db, e, "the numbers of its pages are out of range");
	db_reset(q);
	if (rc != ERR_OK || spare < QUEUE_SLACK || spare < pages / 2)
		return rc;
	return db_run(db_query(queue->db, SHRINK_SQL), NULL, e);
}
