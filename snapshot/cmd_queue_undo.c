/* thinkback queue undo: the contract is in cmd_queue_undo.h. */
#include "snapshot/cmd_queue_undo.h"

#include "catalog/base/date.h"
#include "catalog/snapshots.h"
#include "snapshot/json/jsonkey.h"
#include "snapshot/rdb/address.h"

#include <inttypes.h>
#include <stdlib.h>

#define UNDO_GROUP                                                                                 \
	(8u << 20) /* bytes of documents put back at a time, unless it is one document             \
		    */

/* A restore being undone. */
struct undo {
	const struct cmd_queue_undo *u;
	struct queue_restore restore;
	struct target *target;
	struct target_table table;
	struct buf primary_key;
	struct key after;                      /* the last key that was read */
	struct target_undo items[TARGET_UNDO]; /* documents to be put back together */
	struct buf documents[TARGET_UNDO];     /* their bytes */
	size_t n;
	size_t bytes;    /* of the documents of the group */
	uint64_t back;   /* documents that are as they were */
	uint64_t failed; /* documents that are not */
};

/* Stop when a signal has come. */
static int
undo_step(void *arg, struct err *e)
{
	(void)arg;
	return cmd_stop != 0 ? err_set(e, ERR_INTR, "interrupted") : ERR_OK;
}

/* ---- what is to be undone ---- */

static int
undo_find(struct undo *d, int64_t id, struct err *e)
{
	int rc = queue_get(d->u->queue, id, &d->restore, e);
	const struct queue_restore *r = &d->restore;

	if (rc == ERR_ABSENT)
		return err_set(e, ERR_ABSENT, "there is no restore %" PRId64, id);
	if (rc != ERR_OK)
		return rc;
	if (r->state == QUEUE_PENDING || r->state == QUEUE_RUNNING)
		return err_set(e, ERR_WRONG_STATE,
		    "restore %" PRId64 " is %s; only one that is done, failed or cancelled can be "
		    "undone",
		    id, queue_state_name(r->state));
	if (r->target[0] == '\0')
		return err_set(e, ERR_ARG,
		    "restore %" PRId64 " has changed nothing on a server: there is nothing to undo "
		    "(restores into a directory cannot be undone)",
		    id);
	return ERR_OK;
}

/* The name of the key field, which is not on the rows of the queue. */
static int
undo_table(struct undo *d, struct err *e)
{
	struct snapshots_snapshot newest;
	struct tables_table table;
	struct catalog *c;
	int rc = catalog_open(d->u->repo, CATALOG_READ, &c, e);

	if (rc != ERR_OK)
		return rc;
	rc = tables_find(c, d->restore.database, d->restore.table, &table, e);
	if (rc == ERR_OK)
		rc = snapshots_latest(c, table.id, &newest, e);
	if (rc == ERR_OK)
		rc = snapshots_primary_key(c, newest.id, &d->primary_key, e);
	catalog_close(c);
	if (rc == ERR_ABSENT)
		return err_set(e, rc, "the repository has no snapshot of a table %s.%s",
		    d->restore.database, d->restore.table);
	if (rc == ERR_OK && buf_str(&d->primary_key) == NULL)
		rc = err_nomem(e);
	d->table = (struct target_table){.database = d->restore.database,
	    .table = d->restore.table,
	    .primary_key = (const char *)d->primary_key.data,
	    .step = undo_step};
	return rc;
}

static int
undo_open(struct undo *d, struct err *e)
{
	const char *uri = d->u->target != NULL ? d->u->target : d->restore.target;
	struct target_server server = d->u->server.options;
	char shown[ADDRESS_SHOWN];

	server.stop = &cmd_stop;
	server.log = &d->u->env->log;
	if (!target_is_server(uri))
		return err_set(e, ERR_ARG, "%s is no server: write it as rethinkdb://HOST:PORT",
		    address_shown(uri, shown));
	return target_open_server(uri, &server, &d->target, e);
}

/* ---- putting back ---- */

/* Say which document is not put back, and why. */
static void
undo_tell(struct undo *d, const struct target_undo *item)
{
	struct buf key = {0};

	if (jsonkey_write(&item->key, &key) == ERR_OK && buf_str(&key) != NULL)
		cmd_error(d->u->env, "%s.%s %s is not put back: %s", d->restore.database,
		    d->restore.table, (const char *)key.data, item->why.text);
	buf_finish(&key);
}

static int
undo_group(struct undo *d, struct err *e)
{
	int rc;

	if (d->n == 0)
		return ERR_OK;
	rc = target_undo(d->target, &d->table, d->items, d->n, d->u->force, e);
	for (size_t i = 0; i < d->n && rc == ERR_OK; i++) {
		if (d->items[i].why.code == ERR_OK) {
			d->back++;
			continue;
		}
		d->failed++;
		undo_tell(d, &d->items[i]);
	}
	d->n = 0;
	d->bytes = 0;
	return rc;
}

/* Read what is to be put back, group by group. */
static int
undo_run(struct undo *d, struct err *e)
{
	int rc = ERR_OK;

	while (rc == ERR_OK) {
		struct target_undo *item = &d->items[d->n];
		struct buf *document = &d->documents[d->n];
		bool existed;
		rc = queue_replaced_next(
		    d->u->queue, d->restore.id, &d->after, item->written, document, &existed, e);
		if (rc != ERR_OK)
			break;
		item->key = d->after;
		item->document = existed ? document->data : NULL;
		item->len = document->len;
		d->bytes += document->len;
		d->n++;
		if (d->n == TARGET_UNDO || d->bytes > UNDO_GROUP)
			rc = undo_group(d, e);
	}
	return rc == ERR_END ? undo_group(d, e) : rc;
}

int
cmd_queue_undo(const struct cmd_queue_undo *u, int64_t id, uint64_t *documents, struct err *e)
{
	struct undo *d = calloc(1, sizeof(*d));
	int rc;

	if (d == NULL)
		return err_nomem(e);
	d->u = u;
	rc = undo_find(d, id, e);
	if (rc == ERR_OK)
		rc = undo_table(d, e);
	if (rc == ERR_OK)
		rc = undo_open(d, e);
	if (rc == ERR_OK)
		rc = undo_run(d, e);
	if (rc == ERR_OK && d->failed > 0)
		rc = err_set(e, ERR_WRONG_STATE,
		    "restore %" PRId64 " is not undone: %" PRIu64 " of %" PRIu64
		    " documents were not put back; --force puts back what was changed since",
		    id, d->failed, d->back + d->failed);
	if (rc == ERR_OK)
		rc = queue_undone(u->queue, id, date_now(), e);
	if (rc == ERR_OK)
		*documents = d->back;
	target_close(d->target);
	buf_finish(&d->primary_key);
	for (size_t i = 0; i < TARGET_UNDO; i++)
		buf_finish(&d->documents[i]);
	free(d);
	return rc;
}
