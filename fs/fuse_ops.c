/*
 * Operations that read, and the table of all operations. What is not in the table is answered with
 * ENOSYS by libfuse, after which the kernel does not ask again: extended attributes (two requests a
 * file for ls -l), access (the kernel checks modes itself), locks, copy_file_range.
 */
#include "fs/fuse_internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>

#define OPS_BLOCK 4096u

enum inode_kind
fuse_ops_kind(fuse_ino_t ino)
{
	struct inode in;

	return inode_unpack(ino, &in) ? in.kind : INODE_ROOT;
}

bool
fuse_ops_inbox_dir(fuse_ino_t ino)
{
	enum inode_kind kind = fuse_ops_kind(ino);

	return kind == INODE_TABLE || kind == INODE_SCRATCH_DIR;
}

struct inbox_file *
fuse_ops_file(fuse_ino_t ino, const struct fuse_file_info *fi)
{
	enum inode_kind kind = fuse_ops_kind(ino);

	if (fi == NULL || kind == INODE_DOCUMENT || kind == INODE_TABLE_JSON)
		return NULL;
	return (struct inbox_file *)(uintptr_t)fi->fh;
}

static void
fuse_ops_init(void *userdata, struct fuse_conn_info *conn)
{
	struct fuse_fs *fs = userdata;

	/* ENOSYS to open or flush holds for all files for ever: the kernel never asks again, keeps
	 * what it has read, and tells of no truncation. A mount that takes files in needs all
	 * three. */
	if (fs->inbox == NULL && (conn->capable & FUSE_CAP_NO_OPEN_SUPPORT) != 0)
		atomic_store(&fs->no_open, true);
	/* Attributes with every listing: find -size and rsync would look up each file instead. */
	if ((conn->capable & FUSE_CAP_READDIRPLUS) != 0)
		conn->want |= FUSE_CAP_READDIRPLUS;
	conn->want &= ~(unsigned)FUSE_CAP_READDIRPLUS_AUTO;
	/* Programs that go through "latest" read it for every file. An inode of it never changes.
	 */
	if ((conn->capable & FUSE_CAP_CACHE_SYMLINKS) != 0)
		conn->want |= FUSE_CAP_CACHE_SYMLINKS;
	/* An NFS server finds inodes again by looking up "." and "..". */
	if ((conn->capable & FUSE_CAP_EXPORT_SUPPORT) != 0)
		conn->want |= FUSE_CAP_EXPORT_SUPPORT;
}

/* Whether the inbox has it. A restore that is just being written anew is the inbox's. */
static bool
fuse_ops_inbox_attr(struct fuse_fs *fs, fuse_ino_t ino, struct view_attr *out)
{
	enum inode_kind kind = fuse_ops_kind(ino);

	return fs->inbox != NULL &&
	       (kind == INODE_SCRATCH || kind == INODE_SCRATCH_DIR || kind == INODE_QUEUED) &&
	       inbox_attr(fs->inbox, ino, out) == ERR_OK;
}

/* An entry of a directory, with the inbox's. ${v} is the one view that the caller has. */
static int
fuse_ops_find(struct fuse_fs *fs, struct view *v, fuse_ino_t parent, const char *name,
    struct view_attr *out, struct err *e)
{
	uint64_t above;
	int rc;

	if (strcmp(name, ".") == 0 && fuse_ops_inbox_attr(fs, parent, out))
		return ERR_OK;
	if (strcmp(name, ".") == 0)
		return view_attr(v, parent, out, e);
	if (strcmp(name, "..") == 0) {
		rc = view_parent(v, parent, &above, e);
		return rc == ERR_OK ? view_attr(v, above, out, e) : rc;
	}
	if (fs->inbox != NULL && fuse_ops_inbox_dir(parent) &&
	    inbox_lookup(fs->inbox, parent, name, out) == ERR_OK)
		return ERR_OK;
	if (fuse_ops_kind(parent) == INODE_SCRATCH_DIR)
		return ERR_ABSENT;
	return view_lookup(v, parent, name, out, e);
}

static void
fuse_ops_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_fs *fs = fuse_answer_fs(req);
	struct fuse_slot *slot;
	struct view_attr attr;
	struct err e = {0};
	int rc;

	if (strlen(name) > NAME_MAX_BYTES) {
		fuse_answer_refuse(req, ERRMAP_NAME_TOO_LONG);
		return;
	}
	rc = fuse_pool_take(fs, &slot, &e);
	if (rc == ERR_OK) {
		rc = fuse_ops_find(fs, slot->view, parent, name, &attr, &e);
		fuse_pool_give(fs, slot);
	}
	if (rc == ERR_OK)
		fuse_answer_entry(req, &attr);
	else if (rc == ERR_ABSENT)
		fuse_answer_absent(req, parent);
	else if (rc == ERR_ARG)
		fuse_answer_refuse(req, ERRMAP_NOT_DIRECTORY);
	else
		fuse_answer_error(req, rc, &e);
}

static void
fuse_ops_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	(void)ino;
	(void)count;
	fuse_reply_none(req);
}

static void
fuse_ops_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	(void)count;
	(void)forgets;
	fuse_reply_none(req);
}

int
fuse_ops_attr(struct fuse_fs *fs, fuse_ino_t ino, struct view_attr *out, struct err *e)
{
	struct fuse_slot *slot;
	int rc;

	if (fuse_ops_inbox_attr(fs, ino, out))
		return ERR_OK;
	rc = fuse_pool_take(fs, &slot, e);
	if (rc != ERR_OK)
		return rc;
	rc = view_attr(slot->view, ino, out, e);
	fuse_pool_give(fs, slot);
	return rc;
}

static void
fuse_ops_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct inbox_file *file = fuse_ops_file(ino, fi);
	struct view_file *held = fuse_file_view(ino, fi);
	struct view_attr attr;
	struct err e = {0};
	int rc;

	if (file != NULL)
		rc = inbox_file_attr(file, &attr);
	else
		rc = fuse_ops_attr(fuse_answer_fs(req), ino, &attr, &e);
	/* What is open can be looked at when it was forgotten, as a file that was unlinked. */
	if (rc == ERR_ABSENT && held != NULL)
		rc = view_file_attr(held, &attr);
	if (rc != ERR_OK) {
		fuse_answer_error(req, rc, &e);
		return;
	}
	/* A handle's file may have become a restore; the kernel goes on with the old number. */
	attr.ino = ino;
	fuse_answer_attr(req, &attr);
}

static void
fuse_ops_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct fuse_fs *fs = fuse_answer_fs(req);
	struct fuse_slot *slot;
	struct err e = {0};
	const char *target;
	int rc = fuse_pool_take(fs, &slot, &e);

	if (rc != ERR_OK) {
		fuse_answer_error(req, rc, &e);
		return;
	}
	rc = view_link(slot->view, ino, &slot->buf, &e);
	target = rc == ERR_OK ? buf_str(&slot->buf) : NULL;
	if (target != NULL)
		fuse_reply_readlink(req, target);
	else
		fuse_answer_error(req, rc == ERR_OK ? err_nomem(&e) : rc, &e);
	fuse_pool_give(fs, slot);
}

/* Open a file of the inbox: scratch, or a restore to be written anew. */
static void
fuse_ops_open_inbox(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fuse_fs *fs = fuse_answer_fs(req);
	struct inbox_file *file;
	struct err e = {0};
	int rc;

	if (fs->inbox == NULL) {
		fuse_answer_refuse(req, ERRMAP_READONLY);
		return;
	}
	rc = inbox_open(fs->inbox, ino, (fi->flags & O_TRUNC) != 0, &file, &e);
	if (rc != ERR_OK) {
		fuse_answer_error(req, rc, &e);
		return;
	}
	inbox_opened_by(file, fuse_req_ctx(req)->pid);
	fi->fh = (uintptr_t)file;
	if (fuse_reply_open(req, fi) != 0)
		inbox_release(file);
}

static void
fuse_ops_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	bool writes = (fi->flags & O_ACCMODE) != O_RDONLY || (fi->flags & O_TRUNC) != 0;
	struct fuse_fs *fs = fuse_answer_fs(req);
	enum inode_kind kind = fuse_ops_kind(ino);
	struct err e = {0};
	int rc;

	if (atomic_load(&fuse_answer_fs(req)->no_open)) {
		fuse_answer_refuse(req, ERRMAP_NOT_NEEDED);
		return;
	}
	if (kind == INODE_SCRATCH || (kind == INODE_QUEUED && writes)) {
		fuse_ops_open_inbox(req, ino, fi);
		return;
	}
	if (writes) {
		fuse_answer_refuse(req, ERRMAP_READONLY);
		return;
	}
	rc = fuse_file_open(fs, ino, fi, &e);
	if (rc != ERR_OK) {
		fuse_answer_error(req, rc, &e);
		return;
	}
	/* The bytes never change, so that the kernel may keep them, and closing has nothing to
	 * report. */
	fi->keep_cache = kind == INODE_DOCUMENT || kind == INODE_TABLE_JSON;
	fi->noflush = 1;
	/* A request that was interrupted gets no release. */
	if (fuse_reply_open(req, fi) != 0)
		fuse_file_close(fs, ino, fi);
}

static void
fuse_ops_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct fuse_fs *fs = fuse_answer_fs(req);
	struct inbox_file *file = fuse_ops_file(ino, fi);
	struct view_file *held = fuse_file_view(ino, fi);
	struct fuse_slot *slot;
	struct err e = {0};
	size_t got = 0;
	int rc = fuse_pool_take(fs, &slot, &e);

	if (rc != ERR_OK) {
		fuse_answer_error(req, rc, &e);
		return;
	}
	if (held != NULL)
		rc = view_file_read(held, (uint64_t)off, size, &slot->buf, &e);
	else if (file == NULL)
		rc = view_read(slot->view, ino, (uint64_t)off, size, &slot->buf, &e);
	else if (buf_reserve(&slot->buf, size) != ERR_OK)
		rc = err_nomem(&e);
	else
		rc = inbox_read(file, (uint64_t)off, slot->buf.data, size, &got, &e);
	slot->buf.len += got;
	if (rc == ERR_OK)
		fuse_reply_buf(req, (const char *)slot->buf.data, slot->buf.len);
	else
		fuse_answer_error(req, rc, &e);
	fuse_pool_give(fs, slot);
}

static void
fuse_ops_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct fuse_fs *fs = fuse_answer_fs(req);
	struct statvfs out = {.f_bsize = OPS_BLOCK, .f_frsize = OPS_BLOCK};
	struct statvfs disk;
	struct fuse_slot *slot;
	uint64_t used = 0;
	struct err e = {0};
	int rc = fuse_pool_take(fs, &slot, &e);

	(void)ino;
	if (rc == ERR_OK) {
		rc = view_space(slot->view, &used, &e);
		fuse_pool_give(fs, slot);
	}
	if (rc != ERR_OK) {
		fuse_answer_error(req, rc, &e);
		return;
	}
	out.f_blocks = (used + OPS_BLOCK - 1) / OPS_BLOCK;
	/* What is copied in goes to the queue, which may grow as far as the repository's disk. */
	if (fs->inbox != NULL && fstatvfs(fs->repo->dirfd, &disk) == 0) {
		out.f_bfree = disk.f_bfree * disk.f_frsize / OPS_BLOCK;
		out.f_bavail = disk.f_bavail * disk.f_frsize / OPS_BLOCK;
		out.f_blocks += out.f_bfree;
	}
	out.f_namemax = NAME_MAX_BYTES;
	fuse_reply_statfs(req, &out);
}

const struct fuse_lowlevel_ops *
fuse_ops_table(void)
{
	static const struct fuse_lowlevel_ops table = {
	    .init = fuse_ops_init,
	    .lookup = fuse_ops_lookup,
	    .forget = fuse_ops_forget,
	    .forget_multi = fuse_ops_forget_multi,
	    .getattr = fuse_ops_getattr,
	    .readlink = fuse_ops_readlink,
	    .open = fuse_ops_open,
	    .read = fuse_ops_read,
	    .statfs = fuse_ops_statfs,
	    .opendir = fuse_dir_open,
	    .readdir = fuse_dir_read,
	    .readdirplus = fuse_dir_readplus,
	    .releasedir = fuse_dir_release,
	    .create = fuse_write_create,
	    .mknod = fuse_write_mknod,
	    .write = fuse_write_write,
	    .flush = fuse_write_flush,
	    .fsync = fuse_write_fsync,
	    .release = fuse_write_release,
	    .setattr = fuse_write_setattr,
	    .rename = fuse_write_rename,
	    .unlink = fuse_write_unlink,
	    .mkdir = fuse_write_mkdir,
	    .rmdir = fuse_write_rmdir,
	    .symlink = fuse_write_symlink,
	    .link = fuse_write_link,
	};

	return &table;
}
