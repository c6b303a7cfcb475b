/*
 * What restores into servers replaced: the contracts are in queue.h. It is written down before the
 * server is told to replace it, so that no crash can lose it.
 */
#include "catalog/queue.h"

#include "catalog/queue_internal.h"

#include <inttypes.h>
#include <string.h>

#define QUEUE_DOCUMENT_MAX 536870912u /* bytes of the longest document that is read back */

/* No INSERT OR REPLACE: SQLite would keep what goes in a temporary file, if it is long, and a
 * confined worker can make none. */
#define REMEMBER(document)                                                                         \
	"INSERT INTO replaced (restore_id, key, written, document)"                                \
	" VALUES (?1, ?2, ?3, " document ") ON CONFLICT (restore_id, key)"                         \
	" DO UPDATE SET written = excluded.written, document = excluded.document"

static const char REMEMBER_SQL[] = REMEMBER("?4");
static const char REMEMBER_NONE_SQL[] = REMEMBER("NULL");
static const char TARGET_SQL[] = "UPDATE restores SET target = ?2, undone = 0 WHERE id = ?1";
static const char RECALL_SQL[] = "SELECT written FROM replaced WHERE restore_id = ?1 AND key = ?2";
static const char REWRITE_SQL[] =
    "UPDATE replaced SET written = ?3 WHERE restore_id = ?1 AND key = ?2";
static const char REPLACED_SQL[] =
    "SELECT key, written, document IS NOT NULL, document FROM replaced WHERE restore_id = ?1"
    " AND key > ?2 ORDER BY key LIMIT 1";
static const char UNDONE_SQL[] = "UPDATE restores SET undone = ?2 WHERE id = ?1";

/* ---- writing down ---- */

static int
queue_remember_one(struct queue *queue, int64_t id, const struct queue_replaced *r, struct err *e)
{
	struct db_query *q =
	    db_query(queue->db, r->document != NULL ? REMEMBER_SQL : REMEMBER_NONE_SQL);

	db_bind_int(q, 1, id);
	db_bind_bytes(q, 2, r->key->bytes, r->key->len);
	db_bind_bytes(q, 3, r->written, sizeof(r->written));
	if (r->document != NULL)
		db_bind_bytes(q, 4, r->document, r->len);
	return db_run(q, NULL, e);
}

static int
queue_remember_target(struct queue *queue, int64_t id, const char *target, struct err *e)
{
	struct db_query *q = db_query(queue->db, TARGET_SQL);

	db_bind_int(q, 1, id);
	db_bind_text(q, 2, target);
	return db_run(q, NULL, e);
}

int
queue_remember(struct queue *q, int64_t id, const char *target,
    const struct queue_replaced *replaced, size_t n, struct err *e)
{
	int rc;

	if (strlen(target) >= QUEUE_TARGET)
		return err_set(e, ERR_ARG, "the address of the server is too long");
	rc = db_begin(q->db, true, e);
	if (rc != ERR_OK)
		return rc;
	rc = queue_remember_target(q, id, target, e);
	for (size_t i = 0; i < n && rc == ERR_OK; i++)
		rc = queue_remember_one(q, id, &replaced[i], e);
	if (rc == ERR_OK)
		rc = db_commit(q->db, e);
	if (rc != ERR_OK)
		db_rollback(q->db);
	return rc;
}

int
queue_rewrite(struct queue *queue, int64_t id, const struct key *key,
    const uint8_t written[DIGEST_LEN], struct err *e)
{
	struct db_query *q = db_query(queue->db, REWRITE_SQL);

	db_bind_int(q, 1, id);
	db_bind_bytes(q, 2, key->bytes, key->len);
	db_bind_bytes(q, 3, written, DIGEST_LEN);
	return db_run(q, NULL, e);
}

int
queue_undone(struct queue *queue, int64_t id, int64_t now, struct err *e)
{
	struct db_query *q = db_query(queue->db, UNDONE_SQL);
	int64_t changes = 0;
	int rc;

	db_bind_int(q, 1, id);
	db_bind_int(q, 2, now);
	rc = db_run(q, &changes, e);
	if (rc == ERR_OK && changes == 0)
		return err_set(e, ERR_ABSENT,
		    "restore %" PRId64 " was forgotten while it was being undone: not all may have "
		    "been put back",
		    id);
	return rc;
}

/* ---- looking ---- */

int
queue_recall(struct queue *queue, int64_t id, const struct key *key, uint8_t written[DIGEST_LEN],
    struct err *e)
{
	struct db_query *q = db_query(queue->db, RECALL_SQL);
	const uint8_t *data;
	size_t len;
	int rc;

	db_bind_int(q, 1, id);
	db_bind_bytes(q, 2, key->bytes, key->len);
	rc = db_step(q, e);
	if (rc == ERR_OK && (!db_bytes(q, 0, DIGEST_LEN, &data, &len) || len != DIGEST_LEN))
		rc = db_damaged(queue->db, e, "a row of replaced has values out of range");
	else if (rc == ERR_OK)
		memcpy(written, data, DIGEST_LEN);
	db_reset(q);
	return rc == ERR_END ? ERR_ABSENT : rc;
}

/* Read the row; false when its values are out of range. */
static bool
queue_replaced_row(const struct db_query *q, struct key *key, uint8_t written[DIGEST_LEN],
    bool *existed, const uint8_t **document, size_t *len)
{
	const uint8_t *bytes;
	int64_t there;
	size_t n;

	*len = 0;
	if (!db_bytes(q, 0, KEY_MAX, &bytes, &n) || n == 0)
		return false;
	key->len = (uint8_t)n;
	memcpy(key->bytes, bytes, n);
	if (!key_valid(key) || !db_bytes(q, 1, DIGEST_LEN, &bytes, &n) || n != DIGEST_LEN)
		return false;
	memcpy(written, bytes, n);
	if (!db_int(q, 2, 0, 1, &there))
		return false;
	*existed = there != 0;
	return !*existed || db_bytes(q, 3, QUEUE_DOCUMENT_MAX, document, len);
}

int
queue_replaced_next(struct queue *queue, int64_t id, struct key *key, uint8_t written[DIGEST_LEN],
    struct buf *document, bool *existed, struct err *e)
{
	struct db_query *q = db_query(queue->db, REPLACED_SQL);
	const uint8_t *bytes = NULL;
	struct key found = {0};
	size_t len;
	int rc;

	db_bind_int(q, 1, id);
	db_bind_bytes(q, 2, key->bytes, key->len);
	rc = db_step(q, e);
	if (rc == ERR_OK && !queue_replaced_row(q, &found, written, existed, &bytes, &len))
		rc = db_damaged(queue->db, e, "a row of replaced has values out of range");
	if (rc == ERR_OK) {
		buf_clear(document);
		if (len > 0 && buf_append(document, bytes, len) != ERR_OK)
			rc = err_nomem(e);
	}
	db_reset(q);
	if (rc == ERR_OK)
		*key = found;
	return rc;
}
