/* The restore queue, put into and looked at: the contracts are in queue.h. */
#include "catalog/queue.h"

#include "catalog/queue_internal.h"
#include "catalog/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_FILE "queue.db"
#define QUEUE_PIECE 65536u /* payload bytes of a row; a part of the format */

/* The states with their bits, as a table in SQL. */
#define STATES                                                                                     \
	"WITH states (bit, state) AS (VALUES (1, 'pending'), (2, 'running'), (4, 'done'),"         \
	" (8, 'failed'), (16, 'cancelled'))"
/* QUEUE_OF_TABLE, where the filter may lack either. */
#define OF_ANY " AND (?3 IS NULL OR r.database_name = ?3) AND (?4 IS NULL OR r.table_name = ?4)"
/* No newer row with the name of r is in the states of the filter. */
#define NEWEST                                                                                     \
	" AND NOT EXISTS (SELECT 1 FROM states o WHERE o.bit & ?1 AND EXISTS"                      \
	"  (SELECT 1 FROM restores n WHERE n.database_name = r.database_name"                      \
	"   AND n.table_name = r.table_name AND n.name = r.name AND n.state = o.state"             \
	"   AND n.id > r.id))"
/* The first row over ?2 in each state of the mask ?1, by index; the least of these. */
#define FIRST(conditions)                                                                          \
	STATES QUEUE_RESTORE_FROM                                                                  \
	    " WHERE id = (SELECT min((SELECT r.id FROM restores r WHERE r.state = s.state"         \
	    " AND r.id > ?2" conditions " ORDER BY r.id LIMIT 1)) FROM states s WHERE s.bit & ?1)"

static const char NEXT_SQL[] = FIRST(OF_ANY);
static const char NEXT_OF_TABLE_SQL[] = FIRST(QUEUE_OF_TABLE);
static const char NEXT_NAME_SQL[] = FIRST(OF_ANY NEWEST);
static const char NEXT_NAME_OF_TABLE_SQL[] = FIRST(QUEUE_OF_TABLE NEWEST);
static const char FIND_SQL[] = STATES QUEUE_RESTORE_FROM
    " WHERE id = (SELECT max((SELECT r.id FROM restores r WHERE r.state = s.state"
    " AND r.database_name = ?2 AND r.table_name = ?3 AND r.name = ?4"
    " ORDER BY r.id DESC LIMIT 1)) FROM states s WHERE s.bit & ?1)";
static const char GET_SQL[] = QUEUE_RESTORE_FROM " WHERE id = ?1";
static const char ERROR_SQL[] = "SELECT error FROM restores WHERE id = ?1";
static const char PIECE_SQL[] = "SELECT bytes FROM payload WHERE restore_id = ?1 AND seq = ?2";

static const char INSERT_SQL[] =
    "INSERT INTO restores (state, database_name, table_name, name, documents, bytes, created,"
    " updated, error, policy) VALUES (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, coalesce(?9, ''), ?10)";
static const char REPLACE_SQL[] =
    "UPDATE restores SET state = ?2, database_name = ?3, table_name = ?4, name = ?5,"
    " documents = ?6, bytes = ?7, updated = ?8, error = coalesce(?9, ''), attempts = 0,"
    " not_before = 0, lease_until = 0, owner = '', policy = ?10 WHERE id = ?1 AND state = "
    "'pending'";
static const char DROP_PAYLOAD_SQL[] = "DELETE FROM payload WHERE restore_id = ?1";
static const char PUT_PIECE_SQL[] =
    "INSERT INTO payload (restore_id, seq, bytes) VALUES (?1, ?2, ?3)";

/* ---- states ---- */

static const struct {
	enum queue_state state;
	const char *name;
} QUEUE_STATES[] = {{QUEUE_PENDING, "pending"}, {QUEUE_RUNNING, "running"}, {QUEUE_DONE, "done"},
    {QUEUE_FAILED, "failed"}, {QUEUE_CANCELLED, "cancelled"}};

#define N_STATES (sizeof(QUEUE_STATES) / sizeof(QUEUE_STATES[0]))

const char *
queue_state_name(enum queue_state state)
{
	for (size_t i = 0; i < N_STATES; i++)
		if (QUEUE_STATES[i].state == state)
			return QUEUE_STATES[i].name;
	return NULL;
}

int
queue_state_parse(const char *name, enum queue_state *out)
{
	for (size_t i = 0; i < N_STATES; i++)
		if (strcmp(QUEUE_STATES[i].name, name) == 0) {
			*out = QUEUE_STATES[i].state;
			return ERR_OK;
		}
	return ERR_FORMAT;
}

static const struct {
	enum queue_policy policy;
	const char *name;
} QUEUE_POLICIES[] = {{QUEUE_POLICY_NONE, ""}, {QUEUE_REPLACE, "replace"}, {QUEUE_KEEP, "keep"},
    {QUEUE_NEWER_LOSES, "newer-loses"}};

#define N_POLICIES (sizeof(QUEUE_POLICIES) / sizeof(QUEUE_POLICIES[0]))

const char *
queue_policy_name(enum queue_policy policy)
{
	for (size_t i = 0; i < N_POLICIES; i++)
		if (QUEUE_POLICIES[i].policy == policy)
			return QUEUE_POLICIES[i].name;
	return NULL;
}

int
queue_policy_parse(const char *name, enum queue_policy *out)
{
	for (size_t i = 1; i < N_POLICIES; i++)
		if (strcmp(QUEUE_POLICIES[i].name, name) == 0) {
			*out = QUEUE_POLICIES[i].policy;
			return ERR_OK;
		}
	return ERR_FORMAT;
}

/* ---- opening ---- */

int
queue_create(const char *dir, struct err *e)
{
	char *path;
	int rc;

	if (asprintf(&path, "%s/" QUEUE_FILE, dir) < 0)
		return err_nomem(e);
	rc = db_create(path, schema_queue(), e);
	free(path);
	return rc;
}

int
queue_open(const struct repo *repo, bool writable, struct queue **out, struct err *e)
{
	struct queue *q = calloc(1, sizeof(*q));
	char *path;
	int rc;

	if (q == NULL)
		return err_nomem(e);
	if (asprintf(&path, "%s/" QUEUE_FILE, repo->path) < 0) {
		free(q);
		return err_nomem(e);
	}
	rc = db_open(path, schema_queue(), writable, &q->db, e);
	free(path);
	if (rc != ERR_OK) {
		free(q);
		return rc;
	}
	*out = q;
	return ERR_OK;
}

void
queue_close(struct queue *q)
{
	if (q == NULL)
		return;
	db_close(q->db);
	free(q);
}

int
queue_generation(struct queue *q, uint64_t *out, struct err *e)
{
	return db_generation(q->db, out, e);
}

/* ---- rows ---- */

static bool
queue_row_labels(const struct db_query *q, struct queue_restore *r)
{
	char state[16];

	return db_int(q, 0, 1, INT64_MAX, &r->id) && db_text(q, 1, state, sizeof(state)) &&
	       queue_state_parse(state, &r->state) == ERR_OK &&
	       db_text(q, 2, r->database, sizeof(r->database)) &&
	       tables_name_valid(r->database, strlen(r->database)) &&
	       db_text(q, 3, r->table, sizeof(r->table)) &&
	       tables_name_valid(r->table, strlen(r->table)) &&
	       db_text(q, 4, r->name, sizeof(r->name)) && r->name[0] != '\0' &&
	       strchr(r->name, '/') == NULL;
}

static bool
queue_row_numbers(const struct db_query *q, struct queue_restore *r)
{
	return db_count(q, 5, INT64_MAX, &r->documents) && db_count(q, 6, INT64_MAX, &r->bytes) &&
	       db_count(q, 7, INT64_MAX, &r->attempts) &&
	       db_int(q, 8, INT64_MIN, INT64_MAX, &r->created) &&
	       db_int(q, 9, INT64_MIN, INT64_MAX, &r->updated) &&
	       db_int(q, 10, INT64_MIN, INT64_MAX, &r->not_before) &&
	       db_int(q, 11, INT64_MIN, INT64_MAX, &r->lease_until);
}

/* Who has it, what it may do, and what became of that. */
static bool
queue_row_work(const struct db_query *q, struct queue_restore *r)
{
	char policy[16];

	r->policy = QUEUE_POLICY_NONE;
	return db_text(q, 12, r->owner, sizeof(r->owner)) &&
	       db_text(q, 13, policy, sizeof(policy)) &&
	       (policy[0] == '\0' || queue_policy_parse(policy, &r->policy) == ERR_OK) &&
	       db_text(q, 14, r->target, sizeof(r->target)) &&
	       db_int(q, 15, 0, INT64_MAX, &r->undone);
}

int
queue_restore_read(
    struct db_query *q, int none, int64_t after, struct queue_restore *out, struct err *e)
{
	struct queue_restore r;
	int rc = db_step(q, e);

	if (rc == ERR_OK && !(queue_row_labels(q, &r) && r.id > after && queue_row_numbers(q, &r) &&
				queue_row_work(q, &r)))
		rc = db_damaged(q->db, e, "a row of restores has values out of range");
	db_reset(q);
	if (rc == ERR_OK)
		*out = r;
	return rc == ERR_END ? none : rc;
}

/* ---- looking ---- */

int
queue_get(struct queue *queue, int64_t id, struct queue_restore *out, struct err *e)
{
	struct db_query *q = db_query(queue->db, GET_SQL);

	db_bind_int(q, 1, id);
	return queue_restore_read(q, ERR_ABSENT, 0, out, e);
}

int
queue_find(struct queue *queue, const struct queue_filter *filter, const char *name,
    struct queue_restore *out, struct err *e)
{
	struct db_query *q;

	if (filter->database == NULL || filter->table == NULL)
		return err_set(e, ERR_BUG, "a restore is looked for by name in no table");
	q = db_query(queue->db, FIND_SQL);
	db_bind_int(q, 1, filter->states);
	db_bind_text(q, 2, filter->database);
	db_bind_text(q, 3, filter->table);
	db_bind_text(q, 4, name);
	return queue_restore_read(q, ERR_ABSENT, 0, out, e);
}

/* ${any} and ${of_table} are the same search without and with the table's indexes. */
static int
queue_search(struct queue *queue, const char *any, const char *of_table,
    const struct queue_filter *filter, int64_t after, struct queue_restore *out, struct err *e)
{
	bool table = filter->database != NULL && filter->table != NULL;
	struct db_query *q = db_query(queue->db, table ? of_table : any);

	db_bind_int(q, 1, filter->states);
	db_bind_int(q, 2, after);
	db_bind_text(q, 3, filter->database);
	db_bind_text(q, 4, filter->table);
	return queue_restore_read(q, ERR_END, after, out, e);
}

int
queue_next(struct queue *q, const struct queue_filter *filter, int64_t after,
    struct queue_restore *out, struct err *e)
{
	return queue_search(q, NEXT_SQL, NEXT_OF_TABLE_SQL, filter, after, out, e);
}

int
queue_next_name(struct queue *q, const struct queue_filter *filter, int64_t after,
    struct queue_restore *out, struct err *e)
{
	return queue_search(q, NEXT_NAME_SQL, NEXT_NAME_OF_TABLE_SQL, filter, after, out, e);
}

int
queue_error(struct queue *queue, int64_t id, struct buf *out, struct err *e)
{
	struct db_query *q = db_query(queue->db, ERROR_SQL);

	db_bind_int(q, 1, id);
	return db_append(q, ERR_ABSENT, out, e);
}

/* ---- payloads ---- */

/* Copy what piece ${seq}, which must have ${want} bytes, holds from ${skip} on. */
static int
queue_read_piece(struct queue *queue, int64_t id, uint64_t seq, size_t want, size_t skip,
    uint8_t *out, size_t n, struct err *e)
{
	struct db_query *q = db_query(queue->db, PIECE_SQL);
	const uint8_t *p;
	size_t len;
	int rc;

	db_bind_int(q, 1, id);
	db_bind_count(q, 2, seq);
	rc = db_step(q, e);
	if (rc == ERR_END)
		rc = db_damaged(
		    queue->db, e, "a part of the payload of restore %" PRId64 " is missing", id);
	else if (rc == ERR_OK && (!db_bytes(q, 0, want, &p, &len) || len != want))
		rc = db_damaged(queue->db, e,
		    "a part of the payload of restore %" PRId64 " has a wrong length", id);
	else if (rc == ERR_OK)
		memcpy(out, p + skip, n);
	db_reset(q);
	return rc;
}

int
queue_read(
    struct queue *q, int64_t id, uint64_t off, void *out, size_t room, size_t *got, struct err *e)
{
	struct queue_restore r;
	uint8_t *to = out;
	size_t n = 0;
	int rc = queue_get(q, id, &r, e);

	while (rc == ERR_OK && n < room && off < r.bytes) {
		uint64_t seq = off / QUEUE_PIECE;
		size_t skip = (size_t)(off % QUEUE_PIECE);
		uint64_t left = r.bytes - seq * QUEUE_PIECE;
		size_t want = left < QUEUE_PIECE ? (size_t)left : QUEUE_PIECE;
		size_t take = want - skip < room - n ? want - skip : room - n;
		rc = queue_read_piece(q, id, seq, want, skip, to + n, take, e);
		off += take;
		n += take;
	}
	if (rc == ERR_OK)
		*got = n;
	return rc;
}

/* Fill one piece of ${want} bytes from the request; it may come in smaller ones. */
static int
queue_fetch(
    const struct queue_request *req, uint64_t off, uint8_t *piece, size_t want, struct err *e)
{
	size_t have = 0;

	while (have < want) {
		size_t got = 0;
		int rc = req->read(req->arg, off + have, piece + have, want - have, &got, e);
		if (rc != ERR_OK)
			return rc;
		if (got > want - have)
			return err_set(e, ERR_BUG, "%s gives more bytes than asked for", req->name);
		if (got == 0)
			return err_set(e, ERR_TRUNCATED,
			    "%s ends after %" PRIu64 " of %" PRIu64 " bytes", req->name, off + have,
			    req->bytes);
		have += got;
	}
	return ERR_OK;
}

static int
queue_put_payload(struct queue *queue, int64_t id, const struct queue_request *req, struct err *e)
{
	uint8_t *piece = malloc(QUEUE_PIECE);
	int rc = piece != NULL ? ERR_OK : err_nomem(e);

	for (uint64_t off = 0, seq = 0; rc == ERR_OK && off < req->bytes; seq++) {
		uint64_t left = req->bytes - off;
		size_t want = left < QUEUE_PIECE ? (size_t)left : QUEUE_PIECE;
		struct db_query *q;
		rc = queue_fetch(req, off, piece, want, e);
		if (rc != ERR_OK)
			break;
		q = db_query(queue->db, PUT_PIECE_SQL);
		db_bind_int(q, 1, id);
		db_bind_count(q, 2, seq);
		db_bind_bytes(q, 3, piece, want);
		rc = db_run(q, NULL, e);
		off += want;
	}
	free(piece);
	return rc;
}

/* ---- putting in ---- */

int
queue_name_check(const char *name, struct err *e)
{
	size_t len = strlen(name);

	if (len == 0 || len >= QUEUE_NAME || strchr(name, '/') != NULL)
		return err_set(e, ERR_ARG, "'%s' is no file name for a restore", name);
	return ERR_OK;
}

static int
queue_check(const struct queue_request *req, struct err *e)
{
	if (!tables_name_valid(req->database, strlen(req->database)))
		return err_set(e, ERR_ARG, "'%s' is no name for a database", req->database);
	if (!tables_name_valid(req->table, strlen(req->table)))
		return err_set(e, ERR_ARG, "'%s' is no name for a table", req->table);
	return queue_name_check(req->name, e);
}

const char *
queue_line(const char *reason, struct err *line)
{
	if (reason == NULL)
		return NULL;
	err_set(line, ERR_OK, "%s", reason);
	return line->text;
}

/* Write the row: over the one that ${req} replaces if that is still pending, else a new one. */
static int
queue_put_row(struct queue *queue, const struct queue_request *req, int64_t now, const char *sql,
    int64_t *changes, struct err *e)
{
	struct db_query *q = db_query(queue->db, sql);
	enum queue_state state = req->error == NULL ? QUEUE_PENDING : QUEUE_FAILED;
	struct err line;

	if (sql == REPLACE_SQL)
		db_bind_int(q, 1, req->replaces);
	db_bind_text(q, 2, queue_state_name(state));
	db_bind_text(q, 3, req->database);
	db_bind_text(q, 4, req->table);
	db_bind_text(q, 5, req->name);
	db_bind_count(q, 6, req->documents);
	db_bind_count(q, 7, req->bytes);
	db_bind_int(q, 8, now);
	db_bind_text(q, 9, queue_line(req->error, &line));
	db_bind_text(q, 10, queue_policy_name(req->policy));
	return db_run(q, changes, e);
}

static int
queue_drop_payload(struct queue *queue, int64_t id, struct err *e)
{
	struct db_query *q = db_query(queue->db, DROP_PAYLOAD_SQL);

	db_bind_int(q, 1, id);
	return db_run(q, NULL, e);
}

static int
queue_put_inside(
    struct queue *q, const struct queue_request *req, int64_t now, int64_t *id, struct err *e)
{
	int64_t changes = 0;
	int rc = ERR_OK;

	*id = req->replaces;
	if (req->replaces != 0)
		rc = queue_put_row(q, req, now, REPLACE_SQL, &changes, e);
	if (rc == ERR_OK && changes > 0) {
		rc = queue_drop_payload(q, req->replaces, e);
	} else if (rc == ERR_OK) {
		rc = queue_put_row(q, req, now, INSERT_SQL, NULL, e);
		*id = db_last_id(q->db);
	}
	return rc == ERR_OK ? queue_put_payload(q, *id, req, e) : rc;
}

int
queue_put(
    struct queue *q, const struct queue_request *req, int64_t now, int64_t *out, struct err *e)
{
	int64_t id;
	int rc = queue_check(req, e);

	if (rc == ERR_OK)
		rc = db_begin(q->db, true, e);
	if (rc != ERR_OK)
		return rc;
	rc = queue_put_inside(q, req, now, &id, e);
	if (rc == ERR_OK)
		rc = db_commit(q->db, e);
	if (rc != ERR_OK) {
		db_rollback(q->db);
		return rc;
	}
	*out = id;
	return ERR_OK;
}
