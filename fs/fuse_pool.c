/* Views for the threads that answer requests: the contracts are in fuse_internal.h. */
#include "fs/fuse_internal.h"

#include <stdlib.h>

void
fuse_pool_init(struct fuse_fs *fs)
{
	pthread_mutex_init(&fs->lock, NULL);
	pthread_cond_init(&fs->given, NULL);
}

/* Make another. Return ERR_OK or as view_create. */
static int
fuse_pool_add(struct fuse_fs *fs, struct fuse_slot **out, struct err *e)
{
	struct fuse_slot *slot = calloc(1, sizeof(*slot));
	int rc;

	if (slot == NULL)
		return err_nomem(e);
	rc = view_create(fs->repo, fs->store, &slot->view, e);
	if (rc != ERR_OK) {
		free(slot);
		return rc;
	}
	pthread_mutex_lock(&fs->lock);
	fs->lent++;
	pthread_mutex_unlock(&fs->lock);
	*out = slot;
	return ERR_OK;
}

/*
 * An idle one; NULL when there is none. With ${wait}, as long as somebody has one who will give it
 * back.
 */
static struct fuse_slot *
fuse_pool_idle(struct fuse_fs *fs, bool wait)
{
	struct fuse_slot *slot;

	pthread_mutex_lock(&fs->lock);
	while (wait && fs->idle == NULL && fs->lent > 0)
		pthread_cond_wait(&fs->given, &fs->lock);
	slot = fs->idle;
	if (slot != NULL) {
		fs->idle = slot->next;
		fs->lent++;
	}
	pthread_mutex_unlock(&fs->lock);
	return slot;
}

/* Whoever has a view takes no second one, so waiting for it ends. */
int
fuse_pool_take(struct fuse_fs *fs, struct fuse_slot **out, struct err *e)
{
	struct fuse_slot *slot = fuse_pool_idle(fs, false);

	if (slot == NULL) {
		int rc = fuse_pool_add(fs, &slot, e);
		if (catalog_is_early(rc))
			slot = fuse_pool_idle(fs, true);
		if (slot == NULL)
			return rc;
	}
	buf_clear(&slot->buf);
	*out = slot;
	return ERR_OK;
}

void
fuse_pool_give(struct fuse_fs *fs, struct fuse_slot *slot)
{
	pthread_mutex_lock(&fs->lock);
	slot->next = fs->idle;
	fs->idle = slot;
	fs->lent--;
	pthread_cond_signal(&fs->given);
	pthread_mutex_unlock(&fs->lock);
}

void
fuse_pool_finish(struct fuse_fs *fs)
{
	while (fs->idle != NULL) {
		struct fuse_slot *slot = fs->idle;
		fs->idle = slot->next;
		view_free(slot->view);
		buf_finish(&slot->buf);
		free(slot);
	}
}

void
fuse_pool_destroy(struct fuse_fs *fs)
{
	fuse_pool_finish(fs);
	pthread_cond_destroy(&fs->given);
	pthread_mutex_destroy(&fs->lock);
}
