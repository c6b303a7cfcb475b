/* Runs in the catalogue: the contracts are in runs.h. */
#include "catalog/runs.h"

#include "catalog/catalog_internal.h"

#include <inttypes.h>

#define RUN_COMPLETE                                                                               \
	"EXISTS (SELECT 1 FROM snapshots s WHERE s.run_id = runs.id AND s.complete = 1)"
#define RUN_FROM "SELECT id, date, record IS NOT NULL FROM runs"

static const char RECORD_PUT_SQL[] = "UPDATE runs SET record = ?2 WHERE id = ?1";
static const char RECORD_SQL[] = "SELECT record FROM runs WHERE id = ?1 AND record IS NOT NULL";
static const char NEXT_SQL[] = RUN_FROM " WHERE id > ?1 AND " RUN_COMPLETE " ORDER BY id LIMIT 1";
static const char RECORDED_SQL[] =
    RUN_FROM " WHERE record IS NOT NULL AND date <= ?1"
	     " AND " RUN_COMPLETE " ORDER BY date DESC, id DESC LIMIT 1";
static const char UNFINISHED_SQL[] =
    RUN_FROM " WHERE id > ?1 AND record IS NOT NULL AND NOT " RUN_COMPLETE " ORDER BY id LIMIT 1";

/*
 * Step to the one row (of RUN_FROM) of ${q}, read it and reset; ${none} when there is none. Its
 * number must be over ${after}, so that a walk ends in a damaged file, too.
 */
static int
runs_read(struct db_query *q, int none, int64_t after, struct runs_run *out, struct err *e)
{
	struct runs_run r;
	int64_t has_record;
	int rc = db_step(q, e);

	if (rc == ERR_OK &&
	    !(db_int(q, 0, 1, INT64_MAX - 1, &r.id) && r.id > after &&
		db_int(q, 1, INT64_MIN, INT64_MAX, &r.date) && db_int(q, 2, 0, 1, &has_record)))
		rc = db_damaged(q->db, e, "a row of runs has values out of range");
	db_reset(q);
	if (rc == ERR_OK) {
		r.has_record = has_record != 0;
		*out = r;
	}
	return rc == ERR_END ? none : rc;
}

int
runs_record_put(struct catalog *c, int64_t id, const void *record, size_t len, struct err *e)
{
	struct db_query *q;
	int64_t changes = 0;
	int rc = db_need_transaction(c->db, e);

	if (rc != ERR_OK)
		return rc;
	q = db_query(c->db, RECORD_PUT_SQL);
	db_bind_int(q, 1, id);
	db_bind_string(q, 2, record, len);
	rc = db_run(q, &changes, e);
	return rc == ERR_OK ? catalog_need(changes, e, "there is no run %" PRId64, id) : rc;
}

int
runs_record(struct catalog *c, int64_t id, struct buf *out, struct err *e)
{
	struct db_query *q = db_query(c->db, RECORD_SQL);

	db_bind_int(q, 1, id);
	return db_append(q, ERR_ABSENT, out, e);
}

int
runs_next(struct catalog *c, int64_t after, struct runs_run *out, struct err *e)
{
	struct db_query *q = db_query(c->db, NEXT_SQL);

	db_bind_int(q, 1, after);
	return runs_read(q, ERR_END, after, out, e);
}

int
runs_recorded(struct catalog *c, int64_t date, struct runs_run *out, struct err *e)
{
	struct db_query *q = db_query(c->db, RECORDED_SQL);

	db_bind_int(q, 1, date);
	return runs_read(q, ERR_ABSENT, 0, out, e);
}

int
runs_unfinished_next(struct catalog *c, int64_t after, int64_t *id, struct err *e)
{
	struct db_query *q = db_query(c->db, UNFINISHED_SQL);
	struct runs_run run;
	int rc;

	db_bind_int(q, 1, after);
	rc = runs_read(q, ERR_END, after, &run, e);
	if (rc == ERR_OK)
		*id = run.id;
	return rc;
}
