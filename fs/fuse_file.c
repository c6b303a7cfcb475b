/*
 * Open files of snapshots. Each is held in the view, so that it stays readable when its snapshot is
 * forgotten and collected. The handle that the kernel brings back is the struct fuse_file; 0 stands
 * for what is read by its number.
 */
#include "fs/fuse_internal.h"

#include <stdlib.h>

struct fuse_file {
	struct fuse_file *previous; /* in the list of open ones, under the lock of struct fuse_fs */
	struct fuse_file *next;
	struct view_file *view; /* owned */
};

static bool
fuse_file_is_kind(fuse_ino_t ino)
{
	enum inode_kind kind = fuse_ops_kind(ino);

	return kind == INODE_DOCUMENT || kind == INODE_TABLE_JSON;
}

static struct fuse_file *
fuse_file_of(fuse_ino_t ino, const struct fuse_file_info *fi)
{
	if (fi == NULL || !fuse_file_is_kind(ino))
		return NULL;
	return (struct fuse_file *)(uintptr_t)fi->fh;
}

static void
fuse_file_free(struct fuse_file *f)
{
	view_file_close(f->view);
	free(f);
}

static int
fuse_file_hold(struct fuse_fs *fs, fuse_ino_t ino, struct view_file **out, struct err *e)
{
	struct fuse_slot *slot;
	int rc = fuse_pool_take(fs, &slot, e);

	if (rc != ERR_OK)
		return rc;
	rc = view_file_open(slot->view, ino, out, e);
	fuse_pool_give(fs, slot);
	return rc;
}

int
fuse_file_open(struct fuse_fs *fs, fuse_ino_t ino, struct fuse_file_info *fi, struct err *e)
{
	struct view_file *view = NULL;
	struct fuse_file *f;
	int rc = ERR_OK;

	fi->fh = 0;
	if (fuse_file_is_kind(ino))
		rc = fuse_file_hold(fs, ino, &view, e);
	if (rc != ERR_OK || view == NULL)
		return rc;
	f = calloc(1, sizeof(*f));
	if (f == NULL) {
		view_file_close(view);
		return err_nomem(e);
	}
	f->view = view;
	pthread_mutex_lock(&fs->lock);
	f->next = fs->files;
	if (f->next != NULL)
		f->next->previous = f;
	fs->files = f;
	pthread_mutex_unlock(&fs->lock);
	fi->fh = (uintptr_t)f;
	return ERR_OK;
}

void
fuse_file_close(struct fuse_fs *fs, fuse_ino_t ino, const struct fuse_file_info *fi)
{
	struct fuse_file *f = fuse_file_of(ino, fi);

	if (f == NULL)
		return;
	pthread_mutex_lock(&fs->lock);
	if (f->next != NULL)
		f->next->previous = f->previous;
	if (f->previous != NULL)
		f->previous->next = f->next;
	else
		fs->files = f->next;
	pthread_mutex_unlock(&fs->lock);
	fuse_file_free(f);
}

struct view_file *
fuse_file_view(fuse_ino_t ino, const struct fuse_file_info *fi)
{
	struct fuse_file *f = fuse_file_of(ino, fi);

	return f != NULL ? f->view : NULL;
}

void
fuse_file_finish(struct fuse_fs *fs)
{
	while (fs->files != NULL) {
		struct fuse_file *f = fs->files;
		fs->files = f->next;
		fuse_file_free(f);
	}
}
