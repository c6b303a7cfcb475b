/* Views for the threads that answer requests: the contracts are in fuse_internal.h. */
#include "fs/fuse_internal.h"

#include <stdlib.h>

int
fuse_pool_take(struct fuse_fs *fs, struct fuse_slot **out, struct err *e)
{
	struct fuse_slot *slot;
	int rc;

	pthread_mutex_lock(&fs->lock);
	slot = fs->idle;
	if (slot != NULL)
		fs->idle = slot->next;
	pthread_mutex_unlock(&fs->lock);
	if (slot == NULL) {
		slot = calloc(1, sizeof(*slot));
		if (slot == NULL)
			return err_nomem(e);
		rc = view_create(fs->repo, fs->store, &slot->view, e);
		if (rc != ERR_OK) {
			free(slot);
			return rc;
		}
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
