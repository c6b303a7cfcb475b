/*
 * The tree without FUSE: single inodes. What each kind of inode is and holds stands in one table at
 * the end of the file; listings are in view_dir.c.
 */
#include "fs/view_internal.h"

#include "catalog/base/date.h"
#include "catalog/packs.h"
#include "catalog/tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What there is to know of a kind of inode. NULL: nothing of that sort. */
struct view_kind {
	int (*attr)(struct view *v, const struct inode *in, struct view_attr *out, struct err *e);
	/* Of directories: the entry of a name, the directory above. */
	int (*lookup)(struct view *v, const struct inode *in, const char *name,
	    struct view_attr *out, struct err *e);
	int (*parent)(struct view *v, const struct inode *in, struct inode *out, struct err *e);
	/* Of files: view_read. */
	int (*read)(struct view *v, const struct inode *in, uint64_t off, size_t room,
	    struct buf *out, struct err *e);
};

static const struct view_kind *view_kind_of(enum inode_kind kind);

int
view_create(const struct repo *repo, struct store *store, struct view **out, struct err *e)
{
	struct view *v = calloc(1, sizeof(*v));
	int rc;

	if (v == NULL)
		return err_nomem(e);
	v->repo = repo;
	v->store = store;
	rc = catalog_open(repo, CATALOG_READ, &v->catalog, e);
	if (rc != ERR_OK) {
		free(v);
		return rc;
	}
	*out = v;
	return ERR_OK;
}

void
view_free(struct view *v)
{
	if (v == NULL)
		return;
	view_cache_finish(v);
	queue_close(v->queue);
	catalog_close(v->catalog);
	free(v);
}

int
view_attr_make(const struct inode *in, enum view_type type, int64_t mtime, struct view_attr *out)
{
	uint64_t ino = inode_pack(*in);

	if (ino == 0)
		return ERR_CORRUPT;
	*out = (struct view_attr){.ino = ino, .type = type, .nlink = 1, .mtime = mtime};
	return ERR_OK;
}

int
view_slice(const struct buf *text, uint64_t off, size_t room, struct buf *out, struct err *e)
{
	size_t left = off < text->len ? text->len - (size_t)off : 0;
	size_t len = left < room ? left : room;

	if (len > 0 && buf_append(out, text->data + off, len) != ERR_OK)
		return err_nomem(e);
	return ERR_OK;
}

int
view_node(struct view *v, const struct inode *in, struct view_attr *out, struct err *e)
{
	return view_kind_of(in->kind)->attr(v, in, out, e);
}

/* Attributes of a directory whose number may be an impossible one of a damaged catalogue. */
static int
view_directory(const struct inode *in, int64_t mtime, struct view_attr *out, struct err *e)
{
	if (view_attr_make(in, VIEW_DIRECTORY, mtime, out) != ERR_OK)
		return err_set(e, ERR_CORRUPT, "the catalogue has an impossible number");
	return ERR_OK;
}

/* ---- attributes ---- */

/* A kind that the view does not have: the inbox's. */
static int
view_attr_none(struct view *v, const struct inode *in, struct view_attr *out, struct err *e)
{
	(void)v;
	(void)in;
	(void)out;
	(void)e;
	return ERR_ABSENT;
}

static int
view_attr_root(struct view *v, const struct inode *in, struct view_attr *out, struct err *e)
{
	int64_t newest = 0;
	int rc = snapshots_newest_date(v->catalog, &newest, e);

	if (rc != ERR_OK && rc != ERR_ABSENT)
		return rc;
	return view_directory(in, newest, out, e);
}

static int
view_attr_database(struct view *v, const struct inode *in, struct view_attr *out, struct err *e)
{
	struct tables_database db;
	struct tables_table table = {0};
	int64_t newest = INT64_MIN;
	int rc = tables_database_get(v->catalog, in->a, &db, e);

	while (rc == ERR_OK) {
		struct snapshots_snapshot s;
		rc = tables_next(v->catalog, in->a, table.name, &table, e);
		if (rc != ERR_OK)
			break;
		rc = snapshots_latest(v->catalog, table.id, &s, e);
		if (rc == ERR_OK && s.date > newest)
			newest = s.date;
		if (rc == ERR_ABSENT)
			rc = ERR_OK;
	}
	if (rc != ERR_END)
		return rc;
	return newest == INT64_MIN ? ERR_ABSENT : view_directory(in, newest, out, e);
}

static int
view_attr_table(struct view *v, const struct inode *in, struct view_attr *out, struct err *e)
{
	struct snapshots_snapshot s;
	int rc = snapshots_latest(v->catalog, in->a, &s, e);

	if (rc == ERR_OK)
		rc = view_directory(in, s.date, out, e);
	if (rc == ERR_OK)
		out->writable = true;
	return rc;
}

static int
view_attr_shard(struct view *v, const struct inode *in, struct view_attr *out, struct err *e)
{
	const struct view_date *newest;
	const struct view_table *t;
	int rc = view_cache_table(v, in->a, &t, e);

	if (rc != ERR_OK)
		return rc;
	newest = view_cache_newest(t, in->b);
	return newest == NULL ? ERR_ABSENT : view_directory(in, newest->date, out, e);
}

static int
view_attr_date(struct view *v, const struct inode *in, struct view_attr *out, struct err *e)
{
	struct view_range r;
	int rc = view_cache_range(v, in->a, in->b, &r, e);

	if (rc == ERR_OK)
		rc = view_directory(in, r.date, out, e);
	if (rc == ERR_OK)
		out->steady = true;
	return rc;
}

/* Of "latest" the number goes with the date that it leads to: the name is another inode when a
 * newer date comes, so that whoever has read the link may keep what was in it. */
static int
view_attr_latest(struct view *v, const struct inode *in, struct view_attr *out, struct err *e)
{
	int rc = view_attr_date(v, in, out, e);

	if (rc != ERR_OK)
		return rc;
	out->type = VIEW_LINK;
	out->size = DATE_NAME - 1;
	out->steady = false;
	return ERR_OK;
}

static int
view_attr_table_json(struct view *v, const struct inode *in, struct view_attr *out, struct err *e)
{
	const struct buf *text;
	int rc = view_attr_date(v, in, out, e);

	if (rc == ERR_OK)
		rc = view_json_text(v, in->a, &text, e);
	if (rc != ERR_OK)
		return rc;
	out->type = VIEW_FILE;
	out->size = text->len;
	return ERR_OK;
}

static int
view_attr_restore(struct view *v, const struct inode *in, struct view_attr *out, struct err *e)
{
	struct snapshots_snapshot s;
	int rc = snapshots_latest(v->catalog, in->a, &s, e);

	return rc == ERR_OK ? view_directory(in, s.date, out, e) : rc;
}

static int
view_attr_state(struct view *v, const struct inode *in, struct view_attr *out, struct err *e)
{
	if (in->b != QUEUE_PENDING && in->b != QUEUE_DONE && in->b != QUEUE_FAILED)
		return ERR_ABSENT;
	return view_attr_restore(v, in, out, e);
}

/* ---- names ---- */

static int
view_lookup_root(
    struct view *v, const struct inode *in, const char *name, struct view_attr *out, struct err *e)
{
	struct inode found = {INODE_DATABASE, 0, 0};
	struct tables_database db;
	int rc = tables_database_find(v->catalog, name, &db, e);

	(void)in;
	if (rc != ERR_OK)
		return rc;
	found.a = db.id;
	return view_node(v, &found, out, e);
}

static int
view_lookup_database(
    struct view *v, const struct inode *in, const char *name, struct view_attr *out, struct err *e)
{
	struct inode found = {INODE_TABLE, 0, 0};
	struct tables_database db;
	struct tables_table table;
	int rc = tables_database_get(v->catalog, in->a, &db, e);

	if (rc == ERR_OK)
		rc = tables_find(v->catalog, db.name, name, &table, e);
	if (rc != ERR_OK)
		return rc;
	found.a = table.id;
	return view_node(v, &found, out, e);
}

/* The number in "shard-NN"; SNAPSHOTS_SHARDS when it is another name. */
static uint32_t
view_shard_number(const char *name)
{
	uint32_t n;

	if (strncmp(name, "shard-", 6) != 0 || name[6] < '0' || name[6] > '9' || name[7] < '0' ||
	    name[7] > '9' || name[8] != '\0')
		return SNAPSHOTS_SHARDS;
	n = (uint32_t)(name[6] - '0') * 10 + (uint32_t)(name[7] - '0');
	return n < SNAPSHOTS_SHARDS ? n : SNAPSHOTS_SHARDS;
}

bool
view_is_shard(const char *name)
{
	return view_shard_number(name) < SNAPSHOTS_SHARDS;
}

static int
view_lookup_table(
    struct view *v, const struct inode *in, const char *name, struct view_attr *out, struct err *e)
{
	struct inode shard = {INODE_SHARD, in->a, view_shard_number(name)};
	struct inode restore = {INODE_RESTORE, in->a, 0};

	if (shard.b < SNAPSHOTS_SHARDS)
		return view_node(v, &shard, out, e);
	if (strcmp(name, VIEW_RESTORE) == 0)
		return view_node(v, &restore, out, e);
	return view_queue_lookup(v, in->a, 0, name, out, e);
}

static int
view_lookup_shard(
    struct view *v, const struct inode *in, const char *name, struct view_attr *out, struct err *e)
{
	bool latest = strcmp(name, VIEW_LATEST) == 0;
	const struct view_date *found;
	const struct view_table *t;
	struct inode inode;
	int64_t date = 0;
	int rc;

	if (!latest && date_from_name(name, strlen(name), &date) != ERR_OK)
		return ERR_ABSENT;
	rc = view_cache_table(v, in->a, &t, e);
	if (rc != ERR_OK)
		return rc;
	found = latest ? view_cache_newest(t, in->b) : view_cache_at(t, date, in->b);
	if (found == NULL)
		return ERR_ABSENT;
	inode = (struct inode){latest ? INODE_LATEST : INODE_DATE, found->id, in->b};
	return view_node(v, &inode, out, e);
}

static int
view_lookup_date(
    struct view *v, const struct inode *in, const char *name, struct view_attr *out, struct err *e)
{
	struct inode json = {INODE_TABLE_JSON, in->a, in->b};

	if (strcmp(name, VIEW_TABLE_JSON) == 0)
		return view_node(v, &json, out, e);
	return view_document_lookup(v, in, name, out, e);
}

static int
view_lookup_restore(
    struct view *v, const struct inode *in, const char *name, struct view_attr *out, struct err *e)
{
	struct inode state = {INODE_RESTORE_STATE, in->a, view_queue_state(name)};

	return view_node(v, &state, out, e);
}

static int
view_lookup_state(
    struct view *v, const struct inode *in, const char *name, struct view_attr *out, struct err *e)
{
	return view_queue_lookup(v, in->a, in->b, name, out, e);
}

/* ---- the directory above ---- */

static int
view_parent_root(struct view *v, const struct inode *in, struct inode *out, struct err *e)
{
	(void)v;
	(void)in;
	(void)e;
	*out = (struct inode){INODE_ROOT, 0, 0};
	return ERR_OK;
}

static int
view_parent_table(struct view *v, const struct inode *in, struct inode *out, struct err *e)
{
	struct tables_table table;
	int rc = tables_get(v->catalog, in->a, &table, e);

	if (rc == ERR_OK)
		*out = (struct inode){INODE_DATABASE, table.database_id, 0};
	return rc;
}

/* Of a shard and of .restore. */
static int
view_parent_shard(struct view *v, const struct inode *in, struct inode *out, struct err *e)
{
	(void)v;
	(void)e;
	*out = (struct inode){INODE_TABLE, in->a, 0};
	return ERR_OK;
}

static int
view_parent_date(struct view *v, const struct inode *in, struct inode *out, struct err *e)
{
	struct view_range r;
	int rc = view_cache_range(v, in->a, in->b, &r, e);

	if (rc == ERR_OK)
		*out = (struct inode){INODE_SHARD, r.table_id, in->b};
	return rc;
}

static int
view_parent_state(struct view *v, const struct inode *in, struct inode *out, struct err *e)
{
	(void)v;
	(void)e;
	*out = (struct inode){INODE_RESTORE, in->a, 0};
	return ERR_OK;
}

/* ---- bytes ---- */

static int
view_read_table_json(struct view *v, const struct inode *in, uint64_t off, size_t room,
    struct buf *out, struct err *e)
{
	const struct buf *text;
	int rc = view_cache_refresh(v, e);

	if (rc == ERR_OK)
		rc = view_json_text(v, in->a, &text, e);
	return rc == ERR_OK ? view_slice(text, off, room, out, e) : rc;
}

/* ---- the table of kinds ---- */

static const struct view_kind *
view_kind_of(enum inode_kind kind)
{
	static const struct view_kind none = {view_attr_none, NULL, NULL, NULL};
	static const struct view_kind kinds[] = {
	    [INODE_ROOT] = {view_attr_root, view_lookup_root, view_parent_root, NULL},
	    [INODE_DATABASE] = {view_attr_database, view_lookup_database, view_parent_root, NULL},
	    [INODE_TABLE] = {view_attr_table, view_lookup_table, view_parent_table, NULL},
	    [INODE_SHARD] = {view_attr_shard, view_lookup_shard, view_parent_shard, NULL},
	    [INODE_LATEST] = {view_attr_latest, NULL, NULL, NULL},
	    [INODE_DATE] = {view_attr_date, view_lookup_date, view_parent_date, NULL},
	    [INODE_TABLE_JSON] = {view_attr_table_json, NULL, NULL, view_read_table_json},
	    [INODE_DOCUMENT] = {view_document_attr, NULL, NULL, view_document_read},
	    [INODE_RESTORE] = {view_attr_restore, view_lookup_restore, view_parent_shard, NULL},
	    [INODE_RESTORE_STATE] = {view_attr_state, view_lookup_state, view_parent_state, NULL},
	    [INODE_QUEUED] = {view_queue_attr, NULL, NULL, view_queue_read},
	    [INODE_QUEUED_ERROR] = {view_queue_attr, NULL, NULL, view_queue_read},
	};
	size_t n = sizeof(kinds) / sizeof(kinds[0]);

	return (size_t)kind < n && kinds[kind].attr != NULL ? &kinds[kind] : &none;
}

/* ---- what others call ---- */

/*
 * Whether other snapshots are shown than before: then what looked damaged may have been forgotten
 * and collected between two looks at the catalogue, and is worth another one.
 */
static bool
view_again(struct view *v)
{
	bool changed;

	return view_cache_changed(v, &changed, NULL) == ERR_OK && changed;
}

int
view_lookup(struct view *v, uint64_t parent, const char *name, struct view_attr *out, struct err *e)
{
	const struct view_kind *kind;
	struct inode in;
	int rc;

	if (!inode_unpack(parent, &in))
		return ERR_ABSENT;
	kind = view_kind_of(in.kind);
	if (kind->lookup == NULL)
		return err_set(e, ERR_ARG, "not a directory");
	if (strlen(name) > NAME_MAX_BYTES)
		return ERR_ABSENT;
	rc = view_cache_refresh(v, e);
	if (rc == ERR_OK)
		rc = kind->lookup(v, &in, name, out, e);
	if (rc == ERR_CORRUPT && view_again(v))
		rc = kind->lookup(v, &in, name, out, e);
	return rc;
}

int
view_attr(struct view *v, uint64_t ino, struct view_attr *out, struct err *e)
{
	struct inode in;
	int rc;

	if (!inode_unpack(ino, &in))
		return ERR_ABSENT;
	rc = view_cache_refresh(v, e);
	if (rc == ERR_OK)
		rc = view_node(v, &in, out, e);
	if (rc == ERR_CORRUPT && view_again(v))
		rc = view_node(v, &in, out, e);
	return rc;
}

int
view_parent(struct view *v, uint64_t ino, uint64_t *out, struct err *e)
{
	const struct view_kind *kind;
	struct inode parent;
	struct inode in;
	int rc;

	if (!inode_unpack(ino, &in))
		return ERR_ABSENT;
	kind = view_kind_of(in.kind);
	if (kind->parent == NULL)
		return err_set(e, ERR_ARG, "not a directory");
	rc = view_cache_refresh(v, e);
	if (rc == ERR_OK)
		rc = kind->parent(v, &in, &parent, e);
	if (rc == ERR_OK)
		*out = inode_pack(parent);
	return rc;
}

int
view_link(struct view *v, uint64_t ino, struct buf *out, struct err *e)
{
	char name[DATE_NAME];
	struct view_range r;
	struct inode in;
	int rc;

	if (!inode_unpack(ino, &in))
		return ERR_ABSENT;
	if (in.kind != INODE_LATEST)
		return err_set(e, ERR_ARG, "not a symbolic link");
	rc = view_cache_refresh(v, e);
	if (rc == ERR_OK)
		rc = view_cache_range(v, in.a, in.b, &r, e);
	if (rc != ERR_OK)
		return rc;
	if (date_name(r.date, name) != ERR_OK)
		return err_set(
		    e, ERR_CORRUPT, "the catalogue has a snapshot with an impossible date");
	return buf_puts(out, name) == ERR_OK ? ERR_OK : err_nomem(e);
}

int
view_read(struct view *v, uint64_t ino, uint64_t off, size_t room, struct buf *out, struct err *e)
{
	const struct view_kind *kind;
	struct inode in;

	if (!inode_unpack(ino, &in))
		return ERR_ABSENT;
	kind = view_kind_of(in.kind);
	if (kind->read == NULL)
		return err_set(e, ERR_ARG, "not a file");
	return kind->read(v, &in, off, room, out, e);
}

int
view_generation(struct view *v, uint64_t *out, struct err *e)
{
	int rc = view_cache_refresh(v, e);

	if (rc == ERR_OK)
		*out = v->stamp;
	return rc;
}

int
view_space(struct view *v, uint64_t *bytes, struct err *e)
{
	return packs_total(v->catalog, bytes, e);
}
