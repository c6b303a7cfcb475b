/*
 * Listings through FUSE: ".", "..", the view's entries, then what is still scratch. Offsets are the
 * view's cookies, which are inode numbers; no entry has the numbers 1 and 2, so these stand for the
 * places behind "." and "..".
 */
#include "fs/fuse_internal.h"

#include <stdlib.h>
#include <string.h>

#define DIR_BEHIND_SELF 1
#define DIR_BEHIND_PARENT 2
#define DIR_REPLY_MAX ((size_t)1 << 20) /* bytes of one reply; a kernel may ask for much more */

/* An open directory. */
struct fuse_dir {
	struct fuse_dir *previous; /* in the list of open ones, under the lock of struct fuse_fs */
	struct fuse_dir *next;
	fuse_ino_t ino;
	pthread_mutex_t lock;  /* for what follows: a descriptor may be shared */
	struct view_dir *view; /* owned; NULL for a directory of the inbox */
	uint64_t at;           /* offset of the next entry */
};

static void
fuse_dir_free(struct fuse_dir *d)
{
	view_dir_close(d->view);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

static void
fuse_dir_link(struct fuse_fs *fs, struct fuse_dir *d)
{
	pthread_mutex_lock(&fs->lock);
	d->next = fs->dirs;
	if (d->next != NULL)
		d->next->previous = d;
	fs->dirs = d;
	pthread_mutex_unlock(&fs->lock);
}

static void
fuse_dir_unlink(struct fuse_fs *fs, struct fuse_dir *d)
{
	pthread_mutex_lock(&fs->lock);
	if (d->next != NULL)
		d->next->previous = d->previous;
	if (d->previous != NULL)
		d->previous->next = d->next;
	else
		fs->dirs = d->next;
	pthread_mutex_unlock(&fs->lock);
}

void
fuse_dir_finish(struct fuse_fs *fs)
{
	while (fs->dirs != NULL) {
		struct fuse_dir *d = fs->dirs;
		fs->dirs = d->next;
		fuse_dir_free(d);
	}
}

/* The open directory of a handle. */
static struct fuse_dir *
fuse_dir_of(const struct fuse_file_info *fi)
{
	return (struct fuse_dir *)(uintptr_t)fi->fh;
}

/* Open the view's part of a directory. */
static int
fuse_dir_start(struct fuse_fs *fs, struct fuse_dir *d, struct err *e)
{
	struct fuse_slot *slot;
	struct view_attr attr;
	int rc;

	if (fuse_ops_kind(d->ino) == INODE_SCRATCH_DIR)
		return fuse_ops_attr(fs, d->ino, &attr, e);
	rc = fuse_pool_take(fs, &slot, e);
	if (rc != ERR_OK)
		return rc;
	rc = view_dir_open(slot->view, d->ino, &d->view, e);
	fuse_pool_give(fs, slot);
	return rc;
}

void
fuse_dir_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fuse_fs *fs = fuse_answer_fs(req);
	struct fuse_dir *d = calloc(1, sizeof(*d));
	struct err e = {0};
	int rc;

	if (d == NULL) {
		fuse_answer_error(req, err_nomem(&e), &e);
		return;
	}
	d->ino = ino;
	pthread_mutex_init(&d->lock, NULL);
	rc = fuse_dir_start(fs, d, &e);
	if (rc != ERR_OK) {
		fuse_dir_free(d);
		fuse_answer_error(req, rc, &e);
		return;
	}
	fuse_dir_link(fs, d);
	fi->fh = (uintptr_t)d;
	/* A request that was interrupted gets no release. */
	if (fuse_reply_open(req, fi) != 0) {
		fuse_dir_unlink(fs, d);
		fuse_dir_free(d);
	}
}

void
fuse_dir_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fuse_dir *d = fuse_dir_of(fi);

	(void)ino;
	fuse_dir_unlink(fuse_answer_fs(req), d);
	fuse_dir_free(d);
	fuse_answer_error(req, ERR_OK, NULL);
}

/* "." or "..": only their number and type are looked at. */
static void
fuse_dir_dot(struct fuse_dir *d, struct view *v, struct view_entry *out)
{
	bool self = d->at == 0;
	uint64_t ino = d->ino;

	/* A directory that has lost its parent is listed as if it were at the top. */
	if (!self)
		(void)view_parent(v, d->ino, &ino, NULL);
	*out = (struct view_entry){.attr = {.ino = ino, .type = VIEW_DIRECTORY, .nlink = 1}};
	memcpy(out->name, "..", self ? 1 : 2);
	out->next = self ? DIR_BEHIND_SELF : DIR_BEHIND_PARENT;
}

/* The next scratch entry; ${after} 0: the first. */
static int
fuse_dir_scratch(struct fuse_fs *fs, struct fuse_dir *d, uint64_t after, struct view_entry *out)
{
	struct inbox_entry entry;

	if (fs->inbox == NULL || !fuse_ops_inbox_dir(d->ino) ||
	    inbox_list(fs->inbox, d->ino, after, &entry) != ERR_OK)
		return ERR_END;
	memcpy(out->name, entry.name, sizeof(out->name));
	out->attr = entry.attr;
	out->next = entry.attr.ino;
	out->damaged = false;
	return ERR_OK;
}

/* Whether ${entry} is a restore that somebody is just writing anew: then its scratch is listed. */
static bool
fuse_dir_hidden(struct fuse_fs *fs, struct fuse_dir *d, const struct view_entry *entry)
{
	struct view_attr attr;

	return fs->inbox != NULL && fuse_ops_kind(d->ino) == INODE_TABLE &&
	       fuse_ops_kind(entry->attr.ino) == INODE_QUEUED &&
	       inbox_lookup(fs->inbox, d->ino, entry->name, &attr) == ERR_OK;
}

/* Whether an offset is behind a scratch entry. */
static bool
fuse_dir_in_scratch(uint64_t at)
{
	enum inode_kind kind = fuse_ops_kind(at);

	return kind == INODE_SCRATCH || kind == INODE_SCRATCH_DIR;
}

/* The entry at d->at; the view's listing must stand there. */
static int
fuse_dir_next(
    struct fuse_fs *fs, struct fuse_dir *d, struct view *v, struct view_entry *out, struct err *e)
{
	int rc;

	if (d->at < DIR_BEHIND_PARENT) {
		fuse_dir_dot(d, v, out);
		return ERR_OK;
	}
	if (fuse_dir_in_scratch(d->at))
		return fuse_dir_scratch(fs, d, d->at, out);
	if (d->view == NULL)
		return fuse_dir_scratch(fs, d, 0, out);
	do {
		rc = view_dir_next(v, d->view, out, e);
	} while (rc == ERR_OK && fuse_dir_hidden(fs, d, out));
	return rc == ERR_END ? fuse_dir_scratch(fs, d, 0, out) : rc;
}

static int
fuse_dir_seek(struct fuse_dir *d, struct view *v, uint64_t off, struct err *e)
{
	d->at = off;
	if (d->view == NULL || fuse_dir_in_scratch(off))
		return ERR_OK;
	return view_dir_seek(v, d->view, off <= DIR_BEHIND_PARENT ? 0 : off, e);
}

/* Put an entry into a reply. Return its length; over ${room}: it did not fit. */
static size_t
fuse_dir_put(fuse_req_t req, bool plus, const struct view_entry *entry, char *out, size_t room)
{
	struct fuse_fs *fs = fuse_answer_fs(req);
	struct fuse_entry_param param;

	fuse_answer_param(fs, &entry->attr, &param);
	/* These two are no lookups: number 0 says so. Nor may the kernel believe it what is
	 * damaged: it looks that up when somebody uses the name, and gets the error. */
	if (entry->next <= DIR_BEHIND_PARENT || entry->damaged)
		param.ino = 0;
	if (plus)
		return fuse_add_direntry_plus(
		    req, out, room, entry->name, &param, (off_t)entry->next);
	return fuse_add_direntry(req, out, room, entry->name, &param.attr, (off_t)entry->next);
}

/* Fill a reply from ${off} on. An error behind the first entry waits for the next request. */
static int
fuse_dir_fill(fuse_req_t req, struct fuse_dir *d, bool plus, uint64_t off, char *out, size_t size,
    size_t *used, struct err *e)
{
	struct fuse_fs *fs = fuse_answer_fs(req);
	struct fuse_slot *slot;
	size_t have = 0;
	int rc = fuse_pool_take(fs, &slot, e);

	if (rc != ERR_OK)
		return rc;
	rc = fuse_dir_seek(d, slot->view, off, e);
	while (rc == ERR_OK) {
		struct view_entry entry;
		size_t need;
		rc = fuse_dir_next(fs, d, slot->view, &entry, e);
		if (rc != ERR_OK)
			break;
		need = fuse_dir_put(req, plus, &entry, out + have, size - have);
		if (need > size - have)
			break;
		have += need;
		d->at = entry.next;
	}
	fuse_pool_give(fs, slot);
	*used = have;
	/* To the kernel ENOENT would be the end of the directory. */
	if (rc == ERR_ABSENT)
		rc = err_set(e, ERR_STALE, "a directory vanished while it was being listed");
	return have > 0 || rc == ERR_END ? ERR_OK : rc;
}

static void
fuse_dir_reply(fuse_req_t req, struct fuse_file_info *fi, bool plus, size_t size, off_t off)
{
	size_t room = size < DIR_REPLY_MAX ? size : DIR_REPLY_MAX;
	struct fuse_dir *d = fuse_dir_of(fi);
	struct err e = {0};
	char *out = malloc(room);
	size_t used = 0;
	int rc;

	if (out == NULL) {
		fuse_answer_error(req, err_nomem(&e), &e);
		return;
	}
	fuse_serve_slow();
	pthread_mutex_lock(&d->lock);
	rc = fuse_dir_fill(req, d, plus, (uint64_t)off, out, room, &used, &e);
	pthread_mutex_unlock(&d->lock);
	if (rc != ERR_OK)
		fuse_answer_error(req, rc, &e);
	else
		fuse_reply_buf(req, out, used);
	free(out);
}

void
fuse_dir_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)ino;
	fuse_dir_reply(req, fi, false, size, off);
}

void
fuse_dir_readplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)ino;
	fuse_dir_reply(req, fi, true, size, off);
}
