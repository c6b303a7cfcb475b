/* Renames: how rsync, sed and most editors bring a finished file under its final name. */
#include "fs/inbox_internal.h"

#include <string.h>

/* Whether ${to} can be taken, for a rename that must not replace. */
static int
inbox_rename_free(struct inbox *b, const struct inbox_directory *dir, const char *to, struct err *e)
{
	struct queue_restore r;
	bool listed;
	int rc;

	pthread_mutex_lock(&b->map_lock);
	listed = inbox_node_find(b, dir->ino, to) != NULL;
	pthread_mutex_unlock(&b->map_lock);
	rc = listed ? ERR_OK : inbox_pending(b, dir, to, &r, e);
	if (rc == ERR_OK)
		return err_set(e, ERR_EXISTS, "%s is there already", to);
	return rc == ERR_ABSENT ? ERR_OK : rc;
}

/* List ${n} as ${to}, in the place of a file that is there. Takes the map's lock. */
static int
inbox_rename_list(struct inbox *b, struct inbox_node *n, const struct inbox_directory *dir,
    const char *to, struct err *e)
{
	struct inbox_node *other;
	int rc = ERR_OK;

	pthread_mutex_lock(&b->map_lock);
	other = inbox_node_find(b, dir->ino, to);
	if (other != NULL && other->directory) {
		rc = err_set(e, ERR_EXISTS, "%s is a directory", to);
	} else {
		if (other != NULL && other != n)
			inbox_node_drop(b, other);
		n->place = INBOX_LISTED;
		n->restore = 0;
		n->parent = dir->ino;
		memcpy(n->name, to, strlen(to) + 1);
	}
	pthread_mutex_unlock(&b->map_lock);
	return rc;
}

/* Whether ${n} is still where it was when it was looked up. */
static bool
inbox_rename_there(
    struct inbox *b, struct inbox_node *n, const struct inbox_directory *dir, const char *name)
{
	bool there;

	pthread_mutex_lock(&b->map_lock);
	there = inbox_node_find(b, dir->ino, name) == n;
	pthread_mutex_unlock(&b->map_lock);
	return there;
}

static int
inbox_rename_scratch(struct inbox *b, struct inbox_node *n, const struct inbox_directory *from_dir,
    const char *from, const struct inbox_directory *to_dir, const char *to, struct err *e)
{
	int rc;

	if (n->directory)
		return err_set(e, ERR_READONLY, "%s is a directory and keeps its name", from);
	pthread_mutex_lock(&n->lock);
	if (!inbox_rename_there(b, n, from_dir, from))
		rc = ERR_ABSENT;
	else if (inbox_final(to_dir, to) && n->bytes.size > 0)
		rc = inbox_settle(b, n, to_dir, to, false, e);
	else
		rc = inbox_rename_list(b, n, to_dir, to, e);
	pthread_mutex_unlock(&n->lock);
	return rc;
}

/* Those who have a pending restore open go on with it under its new name; what those have open who
 * had the one in whose place it came is no restore any more. */
static void
inbox_rename_live(
    struct inbox *b, int64_t restore, const struct inbox_directory *dir, const char *to)
{
	struct inbox_node *live, *next;

	pthread_mutex_lock(&b->map_lock);
	live = inbox_node_by_restore(b, restore);
	for (struct inbox_node *n = b->nodes; n != NULL; n = next) {
		next = n->next;
		if (n != live && n->parent == dir->ino && strcmp(n->name, to) == 0)
			inbox_node_drop(b, n);
	}
	if (live != NULL) {
		live->parent = dir->ino;
		memcpy(live->name, to, strlen(to) + 1);
	}
	pthread_mutex_unlock(&b->map_lock);
}

/* Give a pending restore another final name. Its bytes, which somebody may just be replacing, stay
 * where they are. */
static int
inbox_rename_restore(struct inbox *b, const struct queue_restore *r,
    const struct inbox_directory *dir, const char *to, struct err *e)
{
	int rc = inbox_queue_rename(b, r->id, to, e);

	if (rc == ERR_OK)
		inbox_rename_live(b, r->id, dir, to);
	return rc;
}

/* Take a pending restore back into scratch, as an editor does that keeps the old file aside. */
static int
inbox_rename_back(struct inbox *b, const struct queue_restore *r, const struct inbox_directory *dir,
    const char *to, struct err *e)
{
	struct inbox_node *n;
	int rc = inbox_adopt(b, r, dir->table_id, true, &n, e);

	if (rc != ERR_OK)
		return rc;
	rc = inbox_queue_cancel(b, r->id, e);
	if (rc == ERR_OK)
		rc = inbox_rename_list(b, n, dir, to, e);
	inbox_node_unuse(b, n);
	return rc;
}

static int
inbox_rename_queued(struct inbox *b, const struct inbox_directory *from_dir, const char *from,
    const struct inbox_directory *to_dir, const char *to, struct err *e)
{
	struct queue_restore r;
	int rc = inbox_final(from_dir, from) ? inbox_queue_find(b, from_dir->table_id, from, &r, e)
					     : ERR_ABSENT;

	if (rc == ERR_ABSENT && inbox_reserved(from_dir, from))
		return err_set(e, ERR_READONLY, "%s belongs to the tree itself", from);
	if (rc != ERR_OK)
		return rc;
	if (r.state != QUEUE_PENDING)
		return err_set(e, ERR_BUSY, "a worker is carrying out %s", from);
	if (inbox_final(to_dir, to))
		return inbox_rename_restore(b, &r, to_dir, to, e);
	return inbox_rename_back(b, &r, to_dir, to, e);
}

int
inbox_rename(struct inbox *b, uint64_t from_parent, const char *from, uint64_t to_parent,
    const char *to, bool noreplace, struct err *e)
{
	struct inbox_directory from_dir, to_dir;
	struct inbox_node *n;
	int rc = inbox_check_name(to, e);

	if (rc == ERR_OK)
		rc = inbox_directory(b, from_parent, &from_dir, e);
	if (rc == ERR_OK)
		rc = inbox_directory(b, to_parent, &to_dir, e);
	if (rc != ERR_OK)
		return rc;
	if (from_dir.table_id != to_dir.table_id)
		return err_set(e, ERR_ARG, "%s cannot be renamed into another table", from);
	if (inbox_reserved(&to_dir, to))
		return err_set(e, ERR_READONLY, "the name %s belongs to the tree itself", to);
	if (noreplace)
		rc = inbox_rename_free(b, &to_dir, to, e);
	if (rc != ERR_OK || (from_parent == to_parent && strcmp(from, to) == 0))
		return rc;
	pthread_mutex_lock(&b->map_lock);
	n = inbox_node_find(b, from_parent, from);
	if (n != NULL)
		n->uses++;
	pthread_mutex_unlock(&b->map_lock);
	if (n == NULL)
		return inbox_rename_queued(b, &from_dir, from, &to_dir, to, e);
	rc = inbox_rename_scratch(b, n, &from_dir, from, &to_dir, to, e);
	inbox_node_unuse(b, n);
	return rc;
}
