/*
 * The map of scratch files and directories. It is a plain list: there are at most INBOX_FILES, and
 * comparing that many parents and names takes less time than the kernel's own request.
 */
#include "catalog/base/date.h"
#include "fs/inbox_internal.h"

#include <stdlib.h>
#include <string.h>

struct inbox_node *
inbox_node_find(struct inbox *b, uint64_t parent, const char *name)
{
	for (struct inbox_node *n = b->nodes; n != NULL; n = n->next)
		if (n->place == INBOX_LISTED && n->parent == parent && strcmp(n->name, name) == 0)
			return n;
	return NULL;
}

struct inbox_node *
inbox_node_by_ino(struct inbox *b, uint64_t ino)
{
	for (struct inbox_node *n = b->nodes; n != NULL; n = n->next)
		if (n->ino == ino)
			return n;
	return NULL;
}

struct inbox_node *
inbox_node_by_restore(struct inbox *b, int64_t id)
{
	for (struct inbox_node *n = b->nodes; n != NULL; n = n->next)
		if (n->place == INBOX_QUEUED && n->restore == id)
			return n;
	return NULL;
}

/* Take a node out of the map and free it. */
static void
inbox_node_free(struct inbox *b, struct inbox_node *n)
{
	struct inbox_node **at = &b->nodes;

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	b->count--;
	inbox_bytes_finish(&n->bytes);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

/* Drop the file that has been closed for longest. */
static int
inbox_node_evict(struct inbox *b, struct err *e)
{
	struct inbox_node *oldest = NULL;

	for (struct inbox_node *n = b->nodes; n != NULL; n = n->next)
		if (!n->directory && n->uses == 0 && (oldest == NULL || n->closed < oldest->closed))
			oldest = n;
	if (oldest == NULL)
		return err_set(e, ERR_NOSPACE, "%d unfinished files are open in the mount already",
		    INBOX_FILES);
	log_line(b->log, LOG_WARNING, "dropped the unfinished file %s: there are %d newer ones",
	    oldest->name, INBOX_FILES);
	inbox_node_free(b, oldest);
	return ERR_OK;
}

int
inbox_node_make(struct inbox *b, enum inode_kind kind, uint64_t parent, int64_t table_id,
    const char *name, enum inbox_place place, struct inbox_node **out, struct err *e)
{
	struct inbox_node *n;
	int rc = b->count < INBOX_FILES ? ERR_OK : inbox_node_evict(b, e);

	if (rc != ERR_OK)
		return rc;
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return err_nomem(e);
	if (pthread_mutex_init(&n->lock, NULL) != 0) {
		free(n);
		return err_nomem(e);
	}
	inbox_bytes_start(&n->bytes);
	n->ino = inode_pack((struct inode){.kind = kind, .a = b->next++});
	n->parent = parent;
	n->table_id = table_id;
	memcpy(n->name, name, strlen(name) + 1);
	n->directory = kind == INODE_SCRATCH_DIR;
	n->place = place;
	n->uses = 1;
	n->mtime = date_now() / 1000;
	n->next = b->nodes;
	b->nodes = n;
	b->count++;
	*out = n;
	return ERR_OK;
}

void
inbox_node_drop(struct inbox *b, struct inbox_node *n)
{
	n->place = INBOX_DROPPED;
	if (n->uses == 0)
		inbox_node_free(b, n);
}

bool
inbox_node_empty(const struct inbox *b, const struct inbox_node *n)
{
	for (const struct inbox_node *in = b->nodes; in != NULL; in = in->next)
		if (in->place == INBOX_LISTED && in->parent == n->ino)
			return false;
	return true;
}

void
inbox_node_attr(struct inbox_node *n, uint64_t ino, struct view_attr *out)
{
	*out = (struct view_attr){.ino = ino,
	    .type = n->directory ? VIEW_DIRECTORY : VIEW_FILE,
	    .writable = true,
	    .size = n->size,
	    .nlink = 1,
	    .mtime = n->mtime};
}

void
inbox_node_unuse(struct inbox *b, struct inbox_node *n)
{
	if (n == NULL)
		return;
	pthread_mutex_lock(&b->map_lock);
	n->closed = ++b->clock;
	if (--n->uses == 0 && n->place != INBOX_LISTED)
		inbox_node_free(b, n);
	pthread_mutex_unlock(&b->map_lock);
}

void
inbox_node_free_all(struct inbox *b)
{
	while (b->nodes != NULL)
		inbox_node_free(b, b->nodes);
}
