/*
 * The tree without FUSE: everything that a filesystem answers, over the catalogue, the store and
 * the queue. thinkback mount, ls and cat are its users. Nothing here writes.
 *
 * A struct view belongs to one thread at a time; views of one mount share a struct store. It holds
 * no table of inodes: memory is flat whatever is listed.
 */
#ifndef THINKBACK_FS_VIEW_H
#define THINKBACK_FS_VIEW_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"
#include "catalog/repo.h"
#include "fs/inode.h"
#include "fs/name.h"
#include "snapshot/store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opaque types. */
struct view;
struct view_dir;
struct view_file;

enum view_type { VIEW_DIRECTORY, VIEW_FILE, VIEW_LINK };

/* What stat shows. */
struct view_attr {
	uint64_t ino;
	enum view_type type;
	bool writable;     /* files may be made in it, or it is an inbox file */
	uint64_t size;     /* exact: what a read to the end returns */
	uint32_t nlink;    /* a document: the number of dates that show this version */
	int64_t mtime;     /* seconds; a document: the date at which this version first appeared */
	uint32_t mtime_ns; /* nanoseconds of it; only what may be replaced has any */
	bool
	    steady; /* never changes while the mount lives, but for nlink: may be cached for long */
};

/* An entry of a directory. */
struct view_entry {
	char name[NAME_ROOM];
	struct view_attr attr;
	uint64_t next; /* cookie of the entry behind it: give it to view_dir_seek to go on there */
	bool damaged;  /* the catalogue and the pack disagree about it: view_lookup says so, too */
};

/*
 * view_create(repo, store, out, e):
 * Open a view. ${repo} and ${store} must outlive it. Return ERR_OK and set ${out}, to be freed with
 * view_free; else as catalog_open.
 */
int view_create(const struct repo *repo, struct store *store, struct view **out, struct err *e);

/* view_is_shard(name): whether ${name} is one that a shard's directory in a table's can have. */
bool view_is_shard(const char *name);

/* view_free(v): free ${v}, which may be NULL. */
void view_free(struct view *v);

/*
 * view_lookup(v, parent, name, out, e):
 * The entry ${name} of directory ${parent}. Names that are not listed (.restore) are found too.
 * Return ERR_OK; ERR_ABSENT (no text); ERR_ARG when ${parent} is no directory; ERR_CORRUPT, also
 * when the pack holds another document where the catalogue says that this one is; or a failure.
 * What is forgotten is absent; gc may take its pack at any moment, which is never taken for damage:
 * the catalogue has let go of it before.
 */
int view_lookup(
    struct view *v, uint64_t parent, const char *name, struct view_attr *out, struct err *e);

/* view_attr(v, ino, out, e): attributes of an inode. Returns as view_lookup. */
int view_attr(struct view *v, uint64_t ino, struct view_attr *out, struct err *e);

/* view_parent(v, ino, out, e): the directory that holds directory ${ino}. Returns as view_lookup.
 */
int view_parent(struct view *v, uint64_t ino, uint64_t *out, struct err *e);

/* view_link(v, ino, out, e): append the target of a symbolic link. Returns as view_lookup. */
int view_link(struct view *v, uint64_t ino, struct buf *out, struct err *e);

/*
 * view_read(v, ino, off, room, out, e):
 * Append up to ${room} bytes from ${off} on of a file to ${out}; fewer only at its end. A document
 * is its canonical bytes and a newline. Returns as view_lookup; ERR_CORRUPT for damage, never wrong
 * bytes.
 */
int
view_read(struct view *v, uint64_t ino, uint64_t off, size_t room, struct buf *out, struct err *e);

/*
 * view_file_open(v, ino, out, e):
 * Hold a file so that it can be read to its end whatever is forgotten and collected meanwhile. Sets
 * ${out}, to be closed with view_file_close, or to NULL for a file that is read with view_read: a
 * restore, or what is damaged. Returns as view_lookup.
 */
int view_file_open(struct view *v, uint64_t ino, struct view_file **out, struct err *e);

/* view_file_close(f): close; ${f} may be NULL. */
void view_file_close(struct view_file *f);

/*
 * view_file_read(f, off, room, out, e): as view_read. Any number of threads at once.
 */
int view_file_read(struct view_file *f, uint64_t off, size_t room, struct buf *out, struct err *e);

/* view_file_attr(f, out): its attributes when no date shows it any more. ERR_OK or ERR_CORRUPT. */
int view_file_attr(struct view_file *f, struct view_attr *out);

/*
 * view_dir_open(v, ino, out, e):
 * Start listing a directory. Return ERR_OK and set ${out}, to be closed with view_dir_close; else
 * as view_lookup. The listing may be used with any view of the same repository, one at a time.
 */
int view_dir_open(struct view *v, uint64_t ino, struct view_dir **out, struct err *e);

/* view_dir_close(d): close; ${d} may be NULL. */
void view_dir_close(struct view_dir *d);

/*
 * view_dir_seek(v, d, cookie, e):
 * Go to the entry that has ${cookie} before it: 0 is the start, others come from view_entry.next,
 * also of another listing of the same directory, before a remount too. Cookies stay below 2^63.
 * Return ERR_OK or a failure.
 */
int view_dir_seek(struct view *v, struct view_dir *d, uint64_t cookie, struct err *e);

/*
 * view_dir_next(v, d, out, e):
 * The next entry ("." and ".." are not among them). Return ERR_OK, ERR_END, ERR_CORRUPT, ERR_STALE
 * when the directory was forgotten while it was being listed, or a failure; a listing is never
 * short without an error.
 */
int view_dir_next(struct view *v, struct view_dir *d, struct view_entry *out, struct err *e);

/*
 * view_generation(v, out, e):
 * Set ${out} to a number that changes when the catalogue has changed: then entries seen before may
 * have other attributes or company.
 */
int view_generation(struct view *v, uint64_t *out, struct err *e);

/* view_space(v, bytes, e): bytes of all packs, for statfs. */
int view_space(struct view *v, uint64_t *bytes, struct err *e);

#endif
