/*
 * What the files of the view share. view.c answers for single inodes, view_dir.c lists,
 * view_file.c holds open files, view_document.c knows documents and the dates that show them,
 * view_queue.c the restores, view_json.c writes .table.json, view_cache.c keeps what would be asked
 * for again and again.
 */
#ifndef THINKBACK_FS_VIEW_INTERNAL_H
#define THINKBACK_FS_VIEW_INTERNAL_H

#include "catalog/queue.h"
#include "catalog/snapshots.h"
#include "catalog/versions.h"
#include "fs/view.h"

#define VIEW_TABLES 4  /* tables whose dates are kept */
#define VIEW_RANGES 4  /* date directories whose bounds are kept */
#define VIEW_PACKS 256 /* packs whose dates are kept */
#define VIEW_LATEST "latest"
#define VIEW_RESTORE ".restore"
#define VIEW_TABLE_JSON ".table.json"

/* A complete snapshot of a table. */
struct view_date {
	int64_t id;
	int64_t date;
	uint64_t shards;
};

/* The complete snapshots of a table, oldest first: by id and by date at once. */
struct view_table {
	int64_t id;              /* 0: this place is free */
	uint64_t used;           /* when it was last used, on the clock of the view */
	struct view_date *dates; /* owned */
	size_t n;
	uint64_t shards_most; /* of any of them */
};

/* A date directory: one shard of one snapshot. */
struct view_range {
	int64_t snapshot_id; /* 0: this place is free */
	int64_t table_id;
	int64_t date;
	uint64_t shard;
	struct key lower; /* as in struct snapshots_shard */
	struct key upper;
};

struct view_pack {
	int64_t id; /* 0: this place is free */
	int64_t date;
};

struct view {
	const struct repo *repo; /* not owned */
	struct store *store;     /* not owned */
	struct catalog *catalog; /* owned */
	struct queue *queue;     /* owned; NULL until it is needed */

	/* Known of the catalogue as it was with this stamp (snapshots_stamp). */
	uint64_t stamp;
	uint64_t generation;                   /* of the catalogue when stamp was looked at */
	bool known;                            /* both are set */
	uint64_t clock;                        /* counts uses of tables */
	struct view_table tables[VIEW_TABLES]; /* least recently used first out */
	struct view_range ranges[VIEW_RANGES]; /* by turns */
	unsigned range_turn;                   /* the place to take next */
	struct view_pack packs[VIEW_PACKS];    /* by the low bits of the id */
	int64_t json_snapshot;                 /* snapshot of json, 0: none */
	struct buf json;                       /* the last .table.json */
};

/* A listing. Where it stands is the cookie alone, but for documents, which come in pages. */
struct view_dir {
	struct inode dir;
	uint64_t at;                   /* cookie of the last entry handed out; 0: the start */
	struct versions_version *page; /* owned; NULL until documents are listed */
	size_t page_len;               /* versions in it */
	size_t page_next;              /* the next one to hand out */
	bool page_last;                /* there is none behind it */
	uint64_t page_stamp;           /* of the catalogue when it was read */
	const struct view *fresh; /* the view that has looked for changes since the last seek */
};

/* ---- view.c ---- */

/* view_node(v, in, out, e): view_attr for an unpacked inode, without looking for changes first. */
int view_node(struct view *v, const struct inode *in, struct view_attr *out, struct err *e);

/*
 * view_attr_make(in, type, mtime, out):
 * Attributes with everything else at its default: nlink 1, not writable, not steady, size 0. Return
 * ERR_OK, or ERR_CORRUPT when the numbers make no inode.
 */
int
view_attr_make(const struct inode *in, enum view_type type, int64_t mtime, struct view_attr *out);

/* view_slice(text, off, room, out, e): append the part of ${text} that view_read was asked for. */
int view_slice(const struct buf *text, uint64_t off, size_t room, struct buf *out, struct err *e);

/* ---- view_cache.c ---- */

/* view_cache_refresh(v, e): forget what is known if the catalogue has changed. */
int view_cache_refresh(struct view *v, struct err *e);

/*
 * view_cache_changed(v, changed, e): view_cache_refresh, and whether other snapshots are shown than
 * before. Then what was just found to be absent or damaged may be something that was forgotten.
 */
int view_cache_changed(struct view *v, bool *changed, struct err *e);

/* view_cache_finish(v): free what is known. */
void view_cache_finish(struct view *v);

/*
 * view_cache_table(v, table_id, out, e):
 * The complete snapshots of a table; ${out} is valid until the next call with another table. Return
 * ERR_OK, ERR_ABSENT (no text) when it has none, or a failure.
 */
int
view_cache_table(struct view *v, int64_t table_id, const struct view_table **out, struct err *e);

/*
 * view_cache_range(v, snapshot_id, shard, out, e):
 * Copy a date directory to ${out}. Return ERR_OK, ERR_ABSENT (no text), or a failure.
 */
int view_cache_range(
    struct view *v, int64_t snapshot_id, uint64_t shard, struct view_range *out, struct err *e);

/*
 * view_cache_pack(v, pack_id, date, e):
 * The date of a pack's snapshot. Return ERR_OK, ERR_ABSENT (no text), or a failure.
 */
int view_cache_pack(struct view *v, int64_t pack_id, int64_t *date, struct err *e);

/* view_cache_between(t, born, died): how many snapshots of ${t} show such a version. */
uint64_t view_cache_between(const struct view_table *t, int64_t born, int64_t died);

/*
 * view_cache_newest(t, shard):
 * The newest snapshot that has that shard; NULL when none has.
 */
const struct view_date *view_cache_newest(const struct view_table *t, uint64_t shard);

/* view_cache_at(t, date, shard): the snapshot of ${date}, if it has that shard; else NULL. */
const struct view_date *view_cache_at(const struct view_table *t, int64_t date, uint64_t shard);

/*
 * view_cache_after(t, id, shard):
 * The first snapshot with a number over ${id} that has that shard; NULL when there is none.
 */
const struct view_date *view_cache_after(const struct view_table *t, int64_t id, uint64_t shard);

/* ---- view_document.c ---- */

/* view_document_attr(v, in, out, e): attributes of a document by its number alone. */
int
view_document_attr(struct view *v, const struct inode *in, struct view_attr *out, struct err *e);

/* view_document_lookup(v, dir, name, out, e): a document of a date directory. */
int view_document_lookup(struct view *v, const struct inode *dir, const char *name,
    struct view_attr *out, struct err *e);

/*
 * view_document_gone(v, pack_id, rc, e):
 * What became of something that was not found, or damaged, in a pack (${rc}): ERR_ABSENT when the
 * catalogue has not got the pack any more, which gc takes from it before it takes the file; else
 * ${rc}, or a failure.
 */
int view_document_gone(struct view *v, int64_t pack_id, int rc, struct err *e);

/*
 * view_document_end(off, room, before, size, out, e):
 * A document of ${size} bytes was read from ${off} on to the end of ${out}, which had ${before}
 * bytes: add the newline if it belongs to the ${room} bytes that were asked for.
 */
int view_document_end(
    uint64_t off, size_t room, size_t before, size_t size, struct buf *out, struct err *e);

/* view_document_read(v, in, off, room, out, e): view_read of a document; asks the store alone. */
int view_document_read(struct view *v, const struct inode *in, uint64_t off, size_t room,
    struct buf *out, struct err *e);

/* view_document_next(v, d, out, e): the next document of a listing that is past .table.json. */
int view_document_next(struct view *v, struct view_dir *d, struct view_entry *out, struct err *e);

/*
 * view_document_back(d):
 * Step back by one document, as after one that found no room in a reply, if d->at is the place
 * before it and it is still at hand. Whether it was.
 */
bool view_document_back(struct view_dir *d);

/* ---- view_json.c ---- */

/*
 * view_json_text(v, snapshot_id, out, e):
 * The bytes of .table.json, valid until the next call with ${v}. Return ERR_OK, ERR_ABSENT (no
 * text), or a failure.
 */
int view_json_text(struct view *v, int64_t snapshot_id, const struct buf **out, struct err *e);

/* ---- view_queue.c ---- */

/* view_queue_attr(v, in, out, e): attributes of a restore's file or of its error's. */
int view_queue_attr(struct view *v, const struct inode *in, struct view_attr *out, struct err *e);

/*
 * view_queue_lookup(v, table_id, state, name, out, e):
 * A restore of the table by its file's name, or by its error's: ${state} names the directory below
 * .restore, 0 is the table directory itself.
 */
int view_queue_lookup(struct view *v, int64_t table_id, uint32_t state, const char *name,
    struct view_attr *out, struct err *e);

/*
 * view_queue_next(v, table_id, state, at, out, e):
 * The entry behind the one whose inode is ${at} (any other kind of inode: the first). Return
 * ERR_OK, ERR_END, or a failure.
 */
int view_queue_next(struct view *v, int64_t table_id, uint32_t state, const struct inode *at,
    struct view_entry *out, struct err *e);

/* view_queue_read(v, in, off, room, out, e): view_read of a restore or its error. */
int view_queue_read(struct view *v, const struct inode *in, uint64_t off, size_t room,
    struct buf *out, struct err *e);

/* view_queue_state(name): the enum queue_state of a directory below .restore; 0 for others. */
uint32_t view_queue_state(const char *name);

#endif
