/*
 * Listings. The cookie of an entry is its inode number: unique in its directory, never used for
 * anything else, the same after a remount, below 2^63. So a listing can be taken up at any cookie
 * without having been there before: each kind of directory has a function that finds what comes
 * behind an inode. Only documents keep more between two entries: the page that they came in.
 */
#include "fs/view_internal.h"

#include "catalog/base/date.h"
#include "catalog/tables.h"

#include <stdio.h>
#include <stdlib.h>

/* Finds the entry behind ${at}; ${at} is the directory itself at the start. */
typedef int (*view_dir_step)(struct view *v, struct view_dir *d, const struct inode *at,
    struct view_entry *out, struct err *e);

/* Complete an entry whose name is set. */
static int
view_dir_entry(struct view *v, struct inode in, struct view_entry *out, struct err *e)
{
	return view_node(v, &in, &out->attr, e);
}

static int
view_dir_root(struct view *v, struct view_dir *d, const struct inode *at, struct view_entry *out,
    struct err *e)
{
	struct tables_database db = {0};
	int rc = ERR_OK;

	(void)d;
	if (at->kind == INODE_DATABASE)
		rc = tables_database_get(v->catalog, at->a, &db, e);
	if (rc == ERR_OK)
		rc = tables_database_next(v->catalog, db.name, &db, e);
	if (rc != ERR_OK)
		return rc;
	snprintf(out->name, NAME_ROOM, "%s", db.name);
	return view_dir_entry(v, (struct inode){INODE_DATABASE, db.id, 0}, out, e);
}

static int
view_dir_database(struct view *v, struct view_dir *d, const struct inode *at,
    struct view_entry *out, struct err *e)
{
	struct tables_table table = {0};
	int rc = ERR_OK;

	if (at->kind == INODE_TABLE)
		rc = tables_get(v->catalog, at->a, &table, e);
	if (rc == ERR_OK)
		rc = tables_next(v->catalog, d->dir.a, table.name, &table, e);
	if (rc != ERR_OK)
		return rc;
	snprintf(out->name, NAME_ROOM, "%s", table.name);
	return view_dir_entry(v, (struct inode){INODE_TABLE, table.id, 0}, out, e);
}

/* The shards, then the restores that wait. */
static int
view_dir_table(struct view *v, struct view_dir *d, const struct inode *at, struct view_entry *out,
    struct err *e)
{
	struct inode shard = {INODE_SHARD, d->dir.a, 0};
	const struct view_table *t;
	int rc;

	if (at->kind == INODE_TABLE || at->kind == INODE_SHARD) {
		shard.b = at->kind == INODE_SHARD ? at->b + 1 : 0;
		rc = view_cache_table(v, d->dir.a, &t, e);
		if (rc != ERR_OK)
			return rc;
		if (shard.b < t->shards_most) {
			snprintf(out->name, NAME_ROOM, "shard-%02u", shard.b);
			return view_dir_entry(v, shard, out, e);
		}
	}
	return view_queue_next(v, d->dir.a, 0, at, out, e);
}

/* The dates, then "latest". */
static int
view_dir_shard(struct view *v, struct view_dir *d, const struct inode *at, struct view_entry *out,
    struct err *e)
{
	const struct view_date *date;
	const struct view_table *t;
	int rc;

	if (at->kind == INODE_LATEST)
		return ERR_END;
	rc = view_cache_table(v, d->dir.a, &t, e);
	if (rc != ERR_OK)
		return rc;
	date = view_cache_after(t, at->kind == INODE_DATE ? at->a : 0, d->dir.b);
	if (date == NULL) {
		date = view_cache_newest(t, d->dir.b);
		if (date == NULL)
			return ERR_END;
		snprintf(out->name, NAME_ROOM, VIEW_LATEST);
		return view_dir_entry(v, (struct inode){INODE_LATEST, date->id, d->dir.b}, out, e);
	}
	if (date_name(date->date, out->name) != ERR_OK)
		return err_set(
		    e, ERR_CORRUPT, "the catalogue has a snapshot with an impossible date");
	return view_dir_entry(v, (struct inode){INODE_DATE, date->id, d->dir.b}, out, e);
}

static int
view_dir_date(struct view *v, struct view_dir *d, const struct inode *at, struct view_entry *out,
    struct err *e)
{
	if (at->kind == INODE_DATE) {
		snprintf(out->name, NAME_ROOM, VIEW_TABLE_JSON);
		return view_dir_entry(
		    v, (struct inode){INODE_TABLE_JSON, d->dir.a, d->dir.b}, out, e);
	}
	return view_document_next(v, d, out, e);
}

static int
view_dir_restore(struct view *v, struct view_dir *d, const struct inode *at, struct view_entry *out,
    struct err *e)
{
	static const char *const names[] = {"pending", "done", "failed"};
	struct inode state = {INODE_RESTORE_STATE, d->dir.a, 0};
	size_t i = 0;

	if (at->kind == INODE_RESTORE_STATE)
		while (i < 3 && view_queue_state(names[i++]) != at->b)
			continue;
	if (i == 3)
		return ERR_END;
	state.b = view_queue_state(names[i]);
	snprintf(out->name, NAME_ROOM, "%s", names[i]);
	return view_dir_entry(v, state, out, e);
}

static int
view_dir_state(struct view *v, struct view_dir *d, const struct inode *at, struct view_entry *out,
    struct err *e)
{
	return view_queue_next(v, d->dir.a, d->dir.b, at, out, e);
}

static view_dir_step
view_dir_step_of(enum inode_kind kind)
{
	switch (kind) {
	case INODE_ROOT:
		return view_dir_root;
	case INODE_DATABASE:
		return view_dir_database;
	case INODE_TABLE:
		return view_dir_table;
	case INODE_SHARD:
		return view_dir_shard;
	case INODE_DATE:
		return view_dir_date;
	case INODE_RESTORE:
		return view_dir_restore;
	case INODE_RESTORE_STATE:
		return view_dir_state;
	case INODE_LATEST:
	case INODE_TABLE_JSON:
	case INODE_DOCUMENT:
	case INODE_QUEUED:
	case INODE_QUEUED_ERROR:
	case INODE_SCRATCH:
	case INODE_SCRATCH_DIR:
		return NULL;
	}
	return NULL;
}

int
view_dir_open(struct view *v, uint64_t ino, struct view_dir **out, struct err *e)
{
	struct view_attr attr;
	struct view_dir *d;
	int rc = view_attr(v, ino, &attr, e);

	if (rc != ERR_OK)
		return rc;
	if (attr.type != VIEW_DIRECTORY)
		return err_set(e, ERR_ARG, "not a directory");
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return err_nomem(e);
	(void)inode_unpack(ino, &d->dir);
	*out = d;
	return ERR_OK;
}

void
view_dir_close(struct view_dir *d)
{
	if (d == NULL)
		return;
	free(d->page);
	free(d);
}

int
view_dir_seek(struct view *v, struct view_dir *d, uint64_t cookie, struct err *e)
{
	struct inode at;

	(void)v;
	if (cookie != 0 && !inode_unpack(cookie, &at))
		return err_set(e, ERR_ARG, "no place in this directory");
	d->fresh = NULL;
	if (cookie == d->at)
		return ERR_OK;
	d->at = cookie;
	if (view_document_back(d))
		return ERR_OK;
	d->page_len = d->page_next = 0;
	d->page_last = false;
	return ERR_OK;
}

/*
 * The entry behind ${at}. What was there a moment ago may have been forgotten in between: then the
 * next one is looked for, as long as other snapshots are shown than before.
 */
static int
view_dir_find(struct view *v, struct view_dir *d, const struct inode *at, struct view_entry *out,
    struct err *e)
{
	bool changed = true;
	int rc = ERR_ABSENT;

	while (changed && (rc == ERR_ABSENT || rc == ERR_CORRUPT)) {
		int looked;
		rc = view_dir_step_of(d->dir.kind)(v, d, at, out, e);
		if (rc != ERR_ABSENT && rc != ERR_CORRUPT)
			break;
		looked = view_cache_changed(v, &changed, e);
		if (looked != ERR_OK)
			return looked;
	}
	/* Not the end of the listing, which would hide it. */
	if (rc == ERR_ABSENT)
		rc = err_set(e, ERR_STALE, "the directory has gone while it was being listed");
	return rc;
}

int
view_dir_next(struct view *v, struct view_dir *d, struct view_entry *out, struct err *e)
{
	struct inode at = d->dir;
	int rc = ERR_OK;

	out->damaged = false;
	if (d->at != 0 && !inode_unpack(d->at, &at))
		return err_set(e, ERR_BUG, "a listing has lost its place");
	/* Documents look for changes once a page. */
	if (at.kind != INODE_DOCUMENT)
		rc = view_cache_refresh(v, e);
	if (rc == ERR_OK)
		rc = view_dir_find(v, d, &at, out, e);
	if (rc != ERR_OK)
		return rc;
	out->next = out->attr.ino;
	d->at = out->next;
	return ERR_OK;
}
