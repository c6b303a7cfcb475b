/*
 * Changes of state in the queue: the contracts are in queue.h.
 *
 * Each change is one transaction under synchronous FULL that names the state (and the owner) that
 * it expects, so that two processes can never both make it.
 */
#include "catalog/queue.h"

#include "catalog/queue_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The oldest restore of the table of ${of} that waits or runs, with a number over ${after}. */
#define OLDEST_IN(state, of, after)                                                                \
	"(SELECT o.id FROM restores o WHERE o.database_name = " of ".database_name"                \
	" AND o.table_name = " of ".table_name AND o.state = '" state "' AND o.id > " after        \
	" ORDER BY o.id LIMIT 1)"
#define OLDEST(of, after)                                                                          \
	"(SELECT min(id) FROM (SELECT " OLDEST_IN(                                                 \
	    "pending", of, after) " AS id"                                                         \
				  " UNION ALL SELECT " OLDEST_IN("running", of, after) "))"
/* Row r may be taken at ?1: pending and not put off, or running with its lease run out. */
#define READY                                                                                      \
	" ((r.state = 'pending' AND r.not_before <= ?1)"                                           \
	" OR (r.state = 'running' AND r.lease_until <= ?1))"

/*
 * Of each table only the oldest that is open may be taken, so that none is overtaken by a newer one
 * while it is put off or another worker has it: the last one copied in must win. One row of each
 * table stands for it, found by stepping through the index, so that it does not matter how many
 * wait. (UNION: a damaged index cannot lead in a circle.)
 */
static const char CLAIMABLE_SQL[] =
    "WITH RECURSIVE one_each (id) AS ("
    " SELECT (SELECT id FROM restores ORDER BY database_name, table_name LIMIT 1)"
    " UNION SELECT coalesce("
    "   (SELECT n.id FROM restores n WHERE n.database_name = t.database_name"
    "    AND n.table_name > t.table_name ORDER BY n.table_name LIMIT 1),"
    "   (SELECT n.id FROM restores n WHERE n.database_name > t.database_name"
    "    ORDER BY n.database_name, n.table_name LIMIT 1))"
    "  FROM one_each JOIN restores t ON t.id = one_each.id)" QUEUE_RESTORE_FROM
    " WHERE id = (SELECT min(r.id) FROM one_each JOIN restores t ON t.id = one_each.id"
    "  JOIN restores r ON r.id = " OLDEST("t", "0") " WHERE" READY ")";
/* The next one of the table of ?2, which has been taken with all before it. */
static const char CLAIMABLE_NEXT_SQL[] =
    QUEUE_RESTORE_FROM " WHERE id = (SELECT r.id FROM restores t JOIN restores r ON r.id = " OLDEST(
	"t", "?2") "  WHERE t.id = ?2 AND" READY ")";
static const char CLAIM_SQL[] =
    "UPDATE restores SET state = 'running', owner = ?2, lease_until = ?3, updated = ?4,"
    " attempts = attempts + 1 WHERE id = ?1";
static const char RENEW_SQL[] = "UPDATE restores SET lease_until = ?3"
				" WHERE id BETWEEN ?1 AND ?4 AND state = 'running'"
				" AND owner = ?2 AND (database_name, table_name) ="
				" (SELECT database_name, table_name FROM restores"
				"  WHERE id = ?1)";
static const char REPORT_SQL[] =
    "UPDATE restores SET state = ?3, error = coalesce(?4, ''), updated = ?5, not_before = ?6,"
    " lease_until = 0 WHERE id = ?1 AND state = 'running' AND owner = ?2";
static const char WISH_SQL[] =
    "UPDATE restores SET state = ?2, updated = ?3, not_before = 0, lease_until = 0,"
    " error = CASE WHEN ?2 = 'pending' THEN '' ELSE error END,"
    " policy = CASE WHEN ?5 = '' THEN policy ELSE ?5 END WHERE id = ?1 AND state = ?4";

static const char MAKE_ROOM_SQL[] =
    "UPDATE restores SET state = 'cancelled', updated = ?3, not_before = 0 WHERE id IN"
    " (SELECT o.id FROM restores r JOIN restores o ON o.database_name = r.database_name"
    "   AND o.table_name = r.table_name AND o.name = ?2 AND o.state = 'pending'"
    "  WHERE r.id = ?1 AND o.id <> ?1)";
static const char RENAME_SQL[] =
    "UPDATE restores SET name = ?2, updated = ?3 WHERE id = ?1 AND state = 'pending'";

/* ---- workers ---- */

static int64_t
queue_later(int64_t now, int64_t ms)
{
	return ms > 0 && now > INT64_MAX - ms ? INT64_MAX : now + ms;
}

/* The oldest that may be taken; the one behind ${last} in its table, unless that is NULL. */
static int
queue_claimable(struct queue *queue, int64_t now, const struct queue_restore *last,
    struct queue_restore *out, struct err *e)
{
	struct db_query *q = db_query(queue->db, last != NULL ? CLAIMABLE_NEXT_SQL : CLAIMABLE_SQL);

	db_bind_int(q, 1, now);
	if (last != NULL)
		db_bind_int(q, 2, last->id);
	return queue_restore_read(q, ERR_END, last != NULL ? last->id : 0, out, e);
}

/* Mark ${r} as running by ${owner}, in the row and in the struct. */
static int
queue_take(struct queue *queue, const char *owner, int64_t now, int64_t lease,
    struct queue_restore *r, struct err *e)
{
	struct db_query *q = db_query(queue->db, CLAIM_SQL);

	r->state = QUEUE_RUNNING;
	r->lease_until = queue_later(now, lease);
	r->updated = now;
	r->attempts++;
	snprintf(r->owner, sizeof(r->owner), "%s", owner);
	db_bind_int(q, 1, r->id);
	db_bind_text(q, 2, r->owner);
	db_bind_int(q, 3, r->lease_until);
	db_bind_int(q, 4, now);
	return db_run(q, NULL, e);
}

static int
queue_claim_inside(struct queue *q, const char *owner, int64_t now, int64_t lease,
    struct queue_restore *out, size_t room, size_t *got, struct err *e)
{
	size_t n = 0;
	int rc = ERR_OK;

	while (rc == ERR_OK && n < room) {
		rc = queue_claimable(q, now, n > 0 ? &out[n - 1] : NULL, &out[n], e);
		if (rc == ERR_OK)
			rc = queue_take(q, owner, now, lease, &out[n], e);
		if (rc == ERR_OK)
			n++;
	}
	*got = n;
	return rc == ERR_END ? ERR_OK : rc;
}

/*
 * Idle workers ask often: a look without the write lock comes first, so that they wait for nobody
 * and cost no sync.
 */
int
queue_claim(struct queue *q, const char *owner, int64_t now, int64_t lease,
    struct queue_restore *out, size_t room, size_t *got, struct err *e)
{
	struct queue_restore first;
	size_t n = 0;
	int rc;

	if (room == 0 || owner[0] == '\0' || strlen(owner) >= QUEUE_OWNER)
		return err_set(e, ERR_ARG, "'%s' is no name for a worker", owner);
	rc = queue_claimable(q, now, NULL, &first, e);
	if (rc == ERR_END) {
		*got = 0;
		return ERR_OK;
	}
	if (rc == ERR_OK)
		rc = db_begin(q->db, true, e);
	if (rc != ERR_OK)
		return rc;
	rc = queue_claim_inside(q, owner, now, lease, out, room, &n, e);
	if (rc == ERR_OK)
		rc = db_commit(q->db, e);
	if (rc != ERR_OK) {
		db_rollback(q->db);
		return rc;
	}
	*got = n;
	return ERR_OK;
}

/* Carry out a report: nothing changes unless ${owner} still holds the restore. */
static int
queue_reported(struct db_query *q, int64_t id, const char *owner, struct err *e)
{
	int64_t changes = 0;
	int rc = db_run(q, &changes, e);

	if (rc == ERR_OK && changes == 0)
		return err_set(e, ERR_WRONG_STATE,
		    "restore %" PRId64 " is not held by worker %s any more", id, owner);
	return rc;
}

static int
queue_report(struct queue *queue, int64_t id, const char *owner, enum queue_state state,
    const char *reason, int64_t now, int64_t not_before, struct err *e)
{
	struct db_query *q = db_query(queue->db, REPORT_SQL);
	struct err line;

	db_bind_int(q, 1, id);
	db_bind_text(q, 2, owner);
	db_bind_text(q, 3, queue_state_name(state));
	db_bind_text(q, 4, queue_line(reason, &line));
	db_bind_int(q, 5, now);
	db_bind_int(q, 6, not_before);
	return queue_reported(q, id, owner, e);
}

int
queue_renew(struct queue *queue, const char *owner, int64_t first, int64_t last, int64_t now,
    int64_t lease, size_t *held, struct err *e)
{
	struct db_query *q = db_query(queue->db, RENEW_SQL);
	int64_t changes = 0;
	int rc;

	db_bind_int(q, 1, first);
	db_bind_text(q, 2, owner);
	db_bind_int(q, 3, queue_later(now, lease));
	db_bind_int(q, 4, last);
	rc = db_run(q, &changes, e);
	*held = (size_t)changes;
	return rc;
}

int
queue_done(struct queue *q, int64_t id, const char *owner, int64_t now, struct err *e)
{
	return queue_report(q, id, owner, QUEUE_DONE, NULL, now, 0, e);
}

int
queue_fail(
    struct queue *q, int64_t id, const char *owner, const char *reason, int64_t now, struct err *e)
{
	return queue_report(q, id, owner, QUEUE_FAILED, reason, now, 0, e);
}

int
queue_give_back(struct queue *q, int64_t id, const char *owner, const char *reason, int64_t now,
    int64_t not_before, struct err *e)
{
	return queue_report(q, id, owner, QUEUE_PENDING, reason, now, not_before, e);
}

/* ---- users ---- */

/* ERR_OK when a user may bring ${r} into the state ${to}. */
static int
queue_may(const struct queue_restore *r, enum queue_state to, struct err *e)
{
	unsigned from =
	    to == QUEUE_PENDING ? QUEUE_FAILED | QUEUE_CANCELLED : QUEUE_FAILED | QUEUE_PENDING;

	if ((r->state & from) == 0)
		return err_set(e, ERR_WRONG_STATE,
		    "restore %" PRId64 " is %s; only one that is %s can be %s", r->id,
		    queue_state_name(r->state),
		    to == QUEUE_PENDING ? "failed or cancelled" : "pending or failed",
		    to == QUEUE_PENDING ? "retried" : "cancelled");
	if (to == QUEUE_PENDING && r->documents == 0)
		return err_set(e, ERR_WRONG_STATE,
		    "restore %" PRId64 " was refused when it was copied in; correct the file and "
		    "copy it in again",
		    r->id);
	return ERR_OK;
}

static int
queue_wish_inside(struct queue *queue, int64_t id, enum queue_state to, enum queue_policy policy,
    int64_t now, struct err *e)
{
	struct queue_restore r;
	struct db_query *q;
	int rc = queue_get(queue, id, &r, e);

	if (rc == ERR_ABSENT)
		return err_set(e, ERR_ABSENT, "there is no restore %" PRId64, id);
	if (rc == ERR_OK)
		rc = queue_may(&r, to, e);
	if (rc != ERR_OK)
		return rc;
	q = db_query(queue->db, WISH_SQL);
	db_bind_int(q, 1, id);
	db_bind_text(q, 2, queue_state_name(to));
	db_bind_int(q, 3, now);
	db_bind_text(q, 4, queue_state_name(r.state));
	db_bind_text(q, 5, queue_policy_name(policy));
	return db_run(q, NULL, e);
}

static int
queue_wish(struct queue *q, int64_t id, enum queue_state to, enum queue_policy policy, int64_t now,
    struct err *e)
{
	int rc = db_begin(q->db, true, e);

	if (rc != ERR_OK)
		return rc;
	rc = queue_wish_inside(q, id, to, policy, now, e);
	if (rc == ERR_OK)
		rc = db_commit(q->db, e);
	if (rc != ERR_OK)
		db_rollback(q->db);
	return rc;
}

int
queue_retry(struct queue *q, int64_t id, enum queue_policy policy, int64_t now, struct err *e)
{
	return queue_wish(q, id, QUEUE_PENDING, policy, now, e);
}

int
queue_cancel(struct queue *q, int64_t id, int64_t now, struct err *e)
{
	return queue_wish(q, id, QUEUE_CANCELLED, QUEUE_POLICY_NONE, now, e);
}

/* Both statements take the same. */
static int
queue_rename_run(
    struct queue *queue, const char *sql, int64_t id, const char *name, int64_t now, struct err *e)
{
	struct db_query *q = db_query(queue->db, sql);

	db_bind_int(q, 1, id);
	db_bind_text(q, 2, name);
	db_bind_int(q, 3, now);
	return db_run(q, NULL, e);
}

static int
queue_rename_inside(struct queue *q, int64_t id, const char *name, int64_t now, struct err *e)
{
	struct queue_restore r;
	int rc = queue_get(q, id, &r, e);

	if (rc == ERR_ABSENT)
		return err_set(e, ERR_ABSENT, "there is no restore %" PRId64, id);
	if (rc == ERR_OK && r.state != QUEUE_PENDING)
		return err_set(e, ERR_WRONG_STATE,
		    "restore %" PRId64 " is %s; only one that is pending can be renamed", id,
		    queue_state_name(r.state));
	if (rc == ERR_OK)
		rc = queue_rename_run(q, MAKE_ROOM_SQL, id, name, now, e);
	return rc == ERR_OK ? queue_rename_run(q, RENAME_SQL, id, name, now, e) : rc;
}

int
queue_rename(struct queue *q, int64_t id, const char *name, int64_t now, struct err *e)
{
	int rc = queue_name_check(name, e);

	if (rc == ERR_OK)
		rc = db_begin(q->db, true, e);
	if (rc != ERR_OK)
		return rc;
	rc = queue_rename_inside(q, id, name, now, e);
	if (rc == ERR_OK)
		rc = db_commit(q->db, e);
	if (rc != ERR_OK)
		db_rollback(q->db);
	return rc;
}
