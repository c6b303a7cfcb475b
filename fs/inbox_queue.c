/*
 * The inbox's way to the catalogue and the queue: one connection each, opened when first needed
 * (after the mount has gone to the background: SQLite's connections do not survive a fork).
 */
#include "catalog/base/date.h"
#include "catalog/snapshots.h"
#include "fs/inbox_internal.h"

#include <stdlib.h>
#include <string.h>

#define INBOX_PIECE 65536 /* bytes copied at a time */

void
inbox_queue_close(struct inbox *b)
{
	catalog_close(b->catalog);
	queue_close(b->queue);
	b->catalog = NULL;
	b->queue = NULL;
}

/* Open the catalogue, or go over to one that has taken its place, as soon as that can be opened. */
static int
inbox_queue_catalog(struct inbox *b, struct err *e)
{
	bool changed;
	int rc;

	if (b->catalog == NULL)
		return catalog_open(b->repo, CATALOG_READ, &b->catalog, e);
	rc = catalog_follow(b->repo, &b->catalog, &changed, e);
	return rc == ERR_BUSY ? ERR_OK : rc;
}

/* Take the lock and see to it that both connections are there. Locked only when ERR_OK. */
static int
inbox_queue_lock(struct inbox *b, struct err *e)
{
	int rc;

	pthread_mutex_lock(&b->db_lock);
	rc = inbox_queue_catalog(b, e);
	if (rc == ERR_OK && b->queue == NULL)
		rc = queue_open(b->repo, true, &b->queue, e);
	if (rc != ERR_OK) {
		pthread_mutex_unlock(&b->db_lock);
		/* A missing database is not a missing file of the tree. */
		return rc == ERR_ABSENT ? ERR_IO : rc;
	}
	return ERR_OK;
}

static void
inbox_queue_unlock(struct inbox *b)
{
	pthread_mutex_unlock(&b->db_lock);
}

/* inbox_queue_table with the lock held. */
static int
inbox_queue_names(struct inbox *b, int64_t table_id, struct inbox_table *out,
    struct buf *primary_key, struct err *e)
{
	struct snapshots_snapshot newest;
	struct tables_table table;
	int rc = tables_get(b->catalog, table_id, &table, e);

	if (rc == ERR_OK)
		rc = snapshots_latest(b->catalog, table_id, &newest, e);
	if (rc == ERR_ABSENT)
		return err_set(e, ERR_ABSENT, "there is no such table any more");
	if (rc == ERR_OK && primary_key != NULL)
		rc = snapshots_primary_key(b->catalog, newest.id, primary_key, e);
	if (rc != ERR_OK)
		return rc;
	memcpy(out->database, table.database, sizeof(out->database));
	memcpy(out->table, table.name, sizeof(out->table));
	return ERR_OK;
}

int
inbox_queue_table(struct inbox *b, int64_t table_id, struct inbox_table *out,
    struct buf *primary_key, struct err *e)
{
	int rc = inbox_queue_lock(b, e);

	if (rc != ERR_OK)
		return rc;
	rc = inbox_queue_names(b, table_id, out, primary_key, e);
	inbox_queue_unlock(b);
	return rc;
}

int
inbox_queue_find(
    struct inbox *b, int64_t table_id, const char *name, struct queue_restore *out, struct err *e)
{
	struct queue_filter filter = {.states = QUEUE_PENDING | QUEUE_RUNNING};
	struct inbox_table table;
	int rc = inbox_queue_lock(b, e);

	if (rc != ERR_OK)
		return rc;
	rc = inbox_queue_names(b, table_id, &table, NULL, e);
	if (rc == ERR_OK) {
		filter.database = table.database;
		filter.table = table.table;
		rc = queue_find(b->queue, &filter, name, out, e);
	}
	inbox_queue_unlock(b);
	return rc;
}

int
inbox_queue_get(
    struct inbox *b, int64_t id, struct queue_restore *out, int64_t *table_id, struct err *e)
{
	struct tables_table table;
	int rc = inbox_queue_lock(b, e);

	if (rc != ERR_OK)
		return rc;
	rc = queue_get(b->queue, id, out, e);
	if (rc == ERR_OK)
		rc = tables_find(b->catalog, out->database, out->table, &table, e);
	if (rc == ERR_OK)
		*table_id = table.id;
	inbox_queue_unlock(b);
	return rc;
}

static int
inbox_queue_piece(void *arg, uint64_t off, void *out, size_t room, size_t *got, struct err *e)
{
	return inbox_bytes_read(arg, off, out, room, got, e);
}

int
inbox_queue_put(struct inbox *b, const struct inbox_table *table, const char *name,
    struct inbox_bytes *bytes, uint64_t documents, const char *refused, int64_t *out, struct err *e)
{
	struct queue_filter pending = {
	    .database = table->database, .table = table->table, .states = QUEUE_PENDING};
	struct queue_request req = {.database = table->database,
	    .table = table->table,
	    .name = name,
	    .documents = documents,
	    .bytes = bytes->size,
	    .error = refused,
	    .policy = b->policy,
	    .read = inbox_queue_piece,
	    .arg = bytes};
	struct queue_restore old;
	int rc = inbox_queue_lock(b, e);

	if (rc != ERR_OK)
		return rc;
	/* What was refused takes the place of nothing: a restore promised earlier still holds. */
	if (refused == NULL) {
		rc = queue_find(b->queue, &pending, name, &old, e);
		if (rc == ERR_OK)
			req.replaces = old.id;
	}
	if (rc == ERR_OK || rc == ERR_ABSENT)
		rc = queue_put(b->queue, &req, date_now(), out, e);
	inbox_queue_unlock(b);
	return rc;
}

int
inbox_queue_load(struct inbox *b, int64_t id, struct inbox_bytes *bytes, struct err *e)
{
	uint8_t *piece = malloc(INBOX_PIECE);
	uint64_t off = 0;
	size_t got = 0;
	int rc;

	if (piece == NULL)
		return err_nomem(e);
	rc = inbox_queue_lock(b, e);
	if (rc != ERR_OK) {
		free(piece);
		return rc;
	}
	do {
		rc = queue_read(b->queue, id, off, piece, INBOX_PIECE, &got, e);
		if (rc == ERR_OK)
			rc = inbox_bytes_write(bytes, b->scratch, off, piece, got, e);
		off += got;
	} while (rc == ERR_OK && got == INBOX_PIECE);
	inbox_queue_unlock(b);
	free(piece);
	return rc;
}

/* What ${rc} of a change of restore ${id} means: it may have been claimed or carried out before. */
static int
inbox_queue_changed(struct inbox *b, int64_t id, int rc, struct err *e)
{
	struct queue_restore r;

	if (rc != ERR_WRONG_STATE)
		return rc;
	return queue_get(b->queue, id, &r, e) == ERR_OK && r.state == QUEUE_RUNNING
		   ? err_set(e, ERR_BUSY, "a worker is carrying out %s", r.name)
		   : ERR_ABSENT;
}

int
inbox_queue_cancel(struct inbox *b, int64_t id, struct err *e)
{
	struct queue_restore r;
	int rc = inbox_queue_lock(b, e);

	if (rc != ERR_OK)
		return rc;
	rc = queue_get(b->queue, id, &r, e);
	if (rc == ERR_OK && r.state == QUEUE_PENDING)
		rc = queue_cancel(b->queue, id, date_now(), e);
	else if (rc == ERR_OK)
		rc = ERR_WRONG_STATE;
	rc = inbox_queue_changed(b, id, rc, e);
	inbox_queue_unlock(b);
	return rc;
}

int
inbox_queue_rename(struct inbox *b, int64_t id, const char *name, struct err *e)
{
	int rc = inbox_queue_lock(b, e);

	if (rc != ERR_OK)
		return rc;
	rc = inbox_queue_changed(b, id, queue_rename(b->queue, id, name, date_now(), e), e);
	inbox_queue_unlock(b);
	return rc;
}
