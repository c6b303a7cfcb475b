/* The inbox: the contracts are in inbox.h, its parts in inbox_internal.h. */
#include "fs/inbox.h"

#include "catalog/base/date.h"
#include "fs/inbox_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INBOX_NUMBERS 256 /* scratch files that a millisecond has numbers for */
#define INBOX_TIMES                                                                                \
	(((int64_t)1 << 42) - 1) /* milliseconds till 2109, what a number has room for */

static void
inbox_close_scratch(const struct inbox *b)
{
	if (b->scratch >= 0)
		close(b->scratch);
}

int
inbox_create(const struct repo *repo, const struct log *log, struct inbox **out, struct err *e)
{
	struct inbox *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return err_nomem(e);
	b->repo = repo;
	/* On a read-only disk there is none: what needs it will be told. */
	if (repo_scratch(repo, &b->scratch, NULL) != ERR_OK)
		b->scratch = -1;
	b->log = log;
	/* Numbers that no mount before has given out: whoever still has one (an NFS client) is told
	 * that it is gone. */
	b->next = (date_now() & INBOX_TIMES) * INBOX_NUMBERS + 1;
	if (pthread_mutex_init(&b->map_lock, NULL) != 0) {
		inbox_close_scratch(b);
		free(b);
		return err_nomem(e);
	}
	if (pthread_mutex_init(&b->db_lock, NULL) != 0) {
		pthread_mutex_destroy(&b->map_lock);
		inbox_close_scratch(b);
		free(b);
		return err_nomem(e);
	}
	*out = b;
	return ERR_OK;
}

void
inbox_set_policy(struct inbox *b, enum queue_policy policy)
{
	b->policy = policy;
}

void
inbox_free(struct inbox *b)
{
	if (b == NULL)
		return;
	inbox_node_free_all(b);
	inbox_queue_close(b);
	pthread_mutex_destroy(&b->db_lock);
	pthread_mutex_destroy(&b->map_lock);
	inbox_close_scratch(b);
	free(b);
}

/* ---- names and attributes ---- */

int
inbox_directory(struct inbox *b, uint64_t ino, struct inbox_directory *out, struct err *e)
{
	const struct inbox_node *n;
	struct inode i;
	int rc = ERR_READONLY;

	if (inode_unpack(ino, &i) && i.kind == INODE_TABLE) {
		*out = (struct inbox_directory){.ino = ino, .table_id = i.a, .table = true};
		return ERR_OK;
	}
	pthread_mutex_lock(&b->map_lock);
	n = inbox_node_by_ino(b, ino);
	if (n != NULL && n->directory && n->place == INBOX_LISTED) {
		*out = (struct inbox_directory){.ino = ino, .table_id = n->table_id};
		rc = ERR_OK;
	}
	pthread_mutex_unlock(&b->map_lock);
	return rc == ERR_OK ? ERR_OK
			    : err_set(e, rc, "files can be copied into a table's directory only");
}

bool
inbox_final(const struct inbox_directory *dir, const char *name)
{
	return dir->table && !name_is_scratch(name);
}

bool
inbox_reserved(const struct inbox_directory *dir, const char *name)
{
	return dir->table && (strcmp(name, ".restore") == 0 || strcmp(name, ".history") == 0 ||
				 strcmp(name, ".changes") == 0 || view_is_shard(name));
}

int
inbox_check_name(const char *name, struct err *e)
{
	size_t len = strlen(name);

	if (len > NAME_MAX_BYTES)
		return err_set(e, ERR_LIMIT, "a file name has at most %d bytes", NAME_MAX_BYTES);
	if (len == 0 || strchr(name, '/') != NULL || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return err_set(e, ERR_ARG, "\"%s\" is no file name", name);
	return ERR_OK;
}

int
inbox_lookup(struct inbox *b, uint64_t parent, const char *name, struct view_attr *out)
{
	struct inbox_node *n;

	pthread_mutex_lock(&b->map_lock);
	n = inbox_node_find(b, parent, name);
	if (n != NULL)
		inbox_node_attr(n, n->ino, out);
	pthread_mutex_unlock(&b->map_lock);
	return n != NULL ? ERR_OK : ERR_ABSENT;
}

int
inbox_attr(struct inbox *b, uint64_t ino, struct view_attr *out)
{
	struct inbox_node *n = NULL;
	struct inode i;

	if (!inode_unpack(ino, &i))
		return ERR_ABSENT;
	pthread_mutex_lock(&b->map_lock);
	if (i.kind == INODE_SCRATCH || i.kind == INODE_SCRATCH_DIR)
		n = inbox_node_by_ino(b, ino);
	else if (i.kind == INODE_QUEUED)
		n = inbox_node_by_restore(b, i.a);
	if (n != NULL)
		inbox_node_attr(n, ino, out);
	pthread_mutex_unlock(&b->map_lock);
	return n != NULL ? ERR_OK : ERR_ABSENT;
}

int
inbox_list(struct inbox *b, uint64_t parent, uint64_t after, struct inbox_entry *out)
{
	struct inbox_node *first = NULL;

	pthread_mutex_lock(&b->map_lock);
	for (struct inbox_node *n = b->nodes; n != NULL; n = n->next)
		if (n->place == INBOX_LISTED && n->parent == parent && n->ino > after &&
		    (first == NULL || n->ino < first->ino))
			first = n;
	if (first != NULL) {
		memcpy(out->name, first->name, sizeof(out->name));
		inbox_node_attr(first, first->ino, &out->attr);
	}
	pthread_mutex_unlock(&b->map_lock);
	return first != NULL ? ERR_OK : ERR_END;
}

/* ---- opening ---- */

/* Make an open file of a node; takes over the caller's use of it, also on failure. */
static int
inbox_open_node(struct inbox *b, struct inbox_node *n, uint64_t ino, bool truncate,
    struct inbox_file **out, struct err *e)
{
	struct inbox_file *f = calloc(1, sizeof(*f));
	int rc;

	if (f == NULL) {
		inbox_node_unuse(b, n);
		return err_nomem(e);
	}
	*f = (struct inbox_file){.inbox = b, .node = n, .ino = ino};
	rc = truncate && n->size > 0 ? inbox_truncate(f, 0, e) : ERR_OK;
	if (rc != ERR_OK) {
		inbox_release(f);
		return rc;
	}
	*out = f;
	return ERR_OK;
}

int
inbox_adopt(struct inbox *b, const struct queue_restore *r, int64_t table_id, bool load,
    struct inbox_node **out, struct err *e)
{
	uint64_t parent = inode_pack((struct inode){.kind = INODE_TABLE, .a = table_id});
	struct inbox_bytes bytes;
	struct inbox_node *n;
	int rc = ERR_OK;

	inbox_bytes_start(&bytes);
	if (load)
		rc = inbox_queue_load(b, r->id, &bytes, e);
	if (rc == ERR_OK) {
		pthread_mutex_lock(&b->map_lock);
		n = inbox_node_by_restore(b, r->id);
		if (n != NULL) {
			n->uses++;
		} else {
			rc = inbox_node_make(
			    b, INODE_SCRATCH, parent, table_id, r->name, INBOX_QUEUED, &n, e);
			if (rc == ERR_OK) {
				n->restore = r->id;
				n->bytes = bytes;
				n->size = bytes.size;
				inbox_bytes_start(&bytes);
			}
		}
		pthread_mutex_unlock(&b->map_lock);
		*out = n;
	}
	inbox_bytes_finish(&bytes);
	return rc;
}

static int
inbox_open_queued(struct inbox *b, int64_t id, uint64_t ino, bool truncate, struct inbox_file **out,
    struct err *e)
{
	/* Nobody's write must fail because a worker has been quicker. */
	unsigned allowed = QUEUE_PENDING | QUEUE_RUNNING | (truncate ? QUEUE_DONE : 0);
	struct queue_restore r;
	struct inbox_node *n;
	int64_t table_id;
	int rc = inbox_queue_get(b, id, &r, &table_id, e);

	if (rc != ERR_OK)
		return rc;
	if ((r.state & allowed) == 0)
		return err_set(e, ERR_READONLY, "%s is %s: copy it in again", r.name,
		    queue_state_name(r.state));
	rc = inbox_adopt(b, &r, table_id, !truncate, &n, e);
	return rc == ERR_OK ? inbox_open_node(b, n, ino, truncate, out, e) : rc;
}

int
inbox_open(struct inbox *b, uint64_t ino, bool truncate, struct inbox_file **out, struct err *e)
{
	struct inbox_node *n = NULL;
	struct inode i;

	if (!inode_unpack(ino, &i) || (i.kind != INODE_SCRATCH && i.kind != INODE_QUEUED))
		return err_set(e, ERR_READONLY, "this file cannot be written");
	if (i.kind == INODE_QUEUED)
		return inbox_open_queued(b, i.a, ino, truncate, out, e);
	pthread_mutex_lock(&b->map_lock);
	n = inbox_node_by_ino(b, ino);
	if (n != NULL)
		n->uses++;
	pthread_mutex_unlock(&b->map_lock);
	return n != NULL ? inbox_open_node(b, n, ino, truncate, out, e) : ERR_ABSENT;
}

int
inbox_pending(struct inbox *b, const struct inbox_directory *dir, const char *name,
    struct queue_restore *out, struct err *e)
{
	int rc = ERR_ABSENT;

	if (inbox_final(dir, name))
		rc = inbox_queue_find(b, dir->table_id, name, out, e);
	return rc == ERR_OK && out->state != QUEUE_PENDING ? ERR_ABSENT : rc;
}

/* Use the listed file ${name}, or make it. Sets ${made}. */
static int
inbox_find_or_make(struct inbox *b, const struct inbox_directory *dir, const char *name,
    struct inbox_node **out, bool *made, struct err *e)
{
	int rc = ERR_OK;

	pthread_mutex_lock(&b->map_lock);
	*out = inbox_node_find(b, dir->ino, name);
	*made = *out == NULL;
	if (!*made)
		(*out)->uses++;
	else
		rc = inbox_node_make(
		    b, INODE_SCRATCH, dir->ino, dir->table_id, name, INBOX_LISTED, out, e);
	pthread_mutex_unlock(&b->map_lock);
	return rc;
}

int
inbox_make(struct inbox *b, uint64_t parent, const char *name, bool exclusive,
    struct inbox_file **out, struct view_attr *attr, struct err *e)
{
	struct inbox_directory dir;
	struct inbox_table table;
	struct queue_restore r;
	struct inbox_node *n;
	uint64_t ino;
	bool made;
	int rc = inbox_check_name(name, e);

	if (rc == ERR_OK)
		rc = inbox_directory(b, parent, &dir, e);
	if (rc == ERR_OK)
		rc = inbox_queue_table(b, dir.table_id, &table, NULL, e);
	if (rc != ERR_OK)
		return rc;
	if (inbox_reserved(&dir, name))
		return err_set(e, ERR_READONLY, "the name %s belongs to the tree itself", name);
	rc = inbox_pending(b, &dir, name, &r, e);
	if (rc != ERR_OK && rc != ERR_ABSENT)
		return rc;
	if (rc == ERR_OK && exclusive)
		return err_set(e, ERR_EXISTS, "%s is pending already", name);
	if (rc == ERR_OK) {
		ino = inode_pack((struct inode){.kind = INODE_QUEUED, .a = r.id});
		rc = inbox_open_queued(b, r.id, ino, true, out, e);
	} else {
		rc = inbox_find_or_make(b, &dir, name, &n, &made, e);
		if (rc == ERR_OK && !made && (exclusive || n->directory)) {
			inbox_node_unuse(b, n);
			return err_set(e, ERR_EXISTS, "%s is there already", name);
		}
		if (rc == ERR_OK)
			rc = inbox_open_node(b, n, n->ino, true, out, e);
	}
	return rc == ERR_OK ? inbox_file_attr(*out, attr) : rc;
}

/* ---- bytes ---- */

int
inbox_read(struct inbox_file *f, uint64_t off, void *out, size_t room, size_t *got, struct err *e)
{
	int rc;

	pthread_mutex_lock(&f->node->lock);
	rc = inbox_bytes_read(&f->node->bytes, off, out, room, got, e);
	pthread_mutex_unlock(&f->node->lock);
	return rc;
}

/* Take note that the bytes have changed through ${f}. */
static void
inbox_changed(struct inbox_file *f)
{
	f->written = ++f->node->version;
	f->node->size = f->node->bytes.size;
	f->node->mtime = date_now() / 1000;
}

int
inbox_write(struct inbox_file *f, uint64_t off, const void *data, size_t len, struct err *e)
{
	int rc;

	pthread_mutex_lock(&f->node->lock);
	rc = inbox_bytes_write(&f->node->bytes, f->inbox->scratch, off, data, len, e);
	if (rc == ERR_OK)
		inbox_changed(f);
	pthread_mutex_unlock(&f->node->lock);
	return rc;
}

int
inbox_truncate(struct inbox_file *f, uint64_t size, struct err *e)
{
	int rc = ERR_OK;

	pthread_mutex_lock(&f->node->lock);
	if (size != f->node->bytes.size) {
		rc = inbox_bytes_truncate(&f->node->bytes, f->inbox->scratch, size, e);
		if (rc == ERR_OK)
			inbox_changed(f);
	}
	pthread_mutex_unlock(&f->node->lock);
	return rc;
}

int
inbox_file_attr(struct inbox_file *f, struct view_attr *out)
{
	inbox_node_attr(f->node, f->ino, out);
	return ERR_OK;
}

int
inbox_truncate_path(struct inbox *b, uint64_t ino, uint64_t size, struct err *e)
{
	struct inbox_file *f;
	int rc = inbox_open(b, ino, size == 0, &f, e);

	if (rc != ERR_OK)
		return rc;
	rc = inbox_truncate(f, size, e);
	if (rc == ERR_OK)
		rc = inbox_flush(f, e);
	inbox_release(f);
	return rc;
}

/* ---- queueing ---- */

/* Where ${n} is and what it is called. Return whether it is meant to become a restore there. */
static bool
inbox_destined(
    struct inbox *b, struct inbox_node *n, struct inbox_directory *dir, char name[NAME_ROOM])
{
	struct inode i;
	bool final;

	pthread_mutex_lock(&b->map_lock);
	*dir = (struct inbox_directory){.ino = n->parent, .table_id = n->table_id};
	dir->table = inode_unpack(n->parent, &i) && i.kind == INODE_TABLE;
	memcpy(name, n->name, NAME_ROOM);
	final = n->place != INBOX_DROPPED && inbox_final(dir, name);
	pthread_mutex_unlock(&b->map_lock);
	return final;
}

/* Queue the file if that is due; with ${patient} leave alone what would be refused. */
static int
inbox_decide(struct inbox_file *f, bool patient, struct err *e)
{
	struct inbox_node *n = f->node;
	struct inbox_directory dir;
	char name[NAME_ROOM];
	int rc = ERR_OK;

	pthread_mutex_lock(&n->lock);
	if (f->written > 0 && n->bytes.size > 0 && inbox_destined(f->inbox, n, &dir, name)) {
		if (f->written > n->settled)
			rc = inbox_settle(f->inbox, n, &dir, name, patient, e);
		else if (n->verdict.code != ERR_OK)
			rc = err_set(e, n->verdict.code, "%s", n->verdict.text);
		f->undecided = rc == ERR_OK && f->written > n->settled;
	}
	pthread_mutex_unlock(&n->lock);
	return rc;
}

int
inbox_flush(struct inbox_file *f, struct err *e)
{
	return inbox_decide(f, false, e);
}

int
inbox_sync(struct inbox_file *f, struct err *e)
{
	return inbox_decide(f, true, e);
}

void
inbox_opened_by(struct inbox_file *f, int64_t process)
{
	f->opener = process;
}

/* Whether two threads are of one process. */
static bool
inbox_same_process(int64_t a, int64_t b)
{
	char path[64];

	if (a == b || a == 0 || b == 0)
		return true;
	snprintf(path, sizeof(path), "/proc/%lld/task/%lld", (long long)a, (long long)b);
	return access(path, F_OK) == 0;
}

int
inbox_close(struct inbox_file *f, int64_t process, struct err *e)
{
	return inbox_decide(f, !inbox_same_process(process, f->opener), e);
}

void
inbox_release(struct inbox_file *f)
{
	bool undecided;

	pthread_mutex_lock(&f->node->lock);
	undecided = f->undecided;
	pthread_mutex_unlock(&f->node->lock);
	/* Nobody hears of a refusal any more: it is in the log and in the queue. */
	if (undecided)
		inbox_decide(f, false, NULL);
	inbox_node_unuse(f->inbox, f->node);
	free(f);
}

/* ---- names that go, and directories ---- */

/* Cancel the pending restore of this name. */
static int
inbox_unlink_queued(
    struct inbox *b, const struct inbox_directory *dir, const char *name, struct err *e)
{
	struct queue_restore r;
	struct inbox_node *n;
	int rc =
	    inbox_final(dir, name) ? inbox_queue_find(b, dir->table_id, name, &r, e) : ERR_ABSENT;

	if (rc == ERR_ABSENT && inbox_reserved(dir, name))
		return err_set(e, ERR_READONLY, "%s belongs to the tree itself", name);
	if (rc == ERR_OK)
		rc = inbox_queue_cancel(b, r.id, e);
	if (rc != ERR_OK)
		return rc;
	pthread_mutex_lock(&b->map_lock);
	n = inbox_node_by_restore(b, r.id);
	if (n != NULL)
		inbox_node_drop(b, n);
	pthread_mutex_unlock(&b->map_lock);
	return ERR_OK;
}

int
inbox_unlink(struct inbox *b, uint64_t parent, const char *name, struct err *e)
{
	struct inbox_directory dir;
	struct inbox_node *n;
	int rc = inbox_directory(b, parent, &dir, e);

	if (rc != ERR_OK)
		return rc;
	pthread_mutex_lock(&b->map_lock);
	n = inbox_node_find(b, parent, name);
	if (n != NULL && n->directory)
		rc = err_set(e, ERR_READONLY, "%s is a directory", name);
	else if (n != NULL)
		inbox_node_drop(b, n);
	pthread_mutex_unlock(&b->map_lock);
	return n != NULL ? rc : inbox_unlink_queued(b, &dir, name, e);
}

int
inbox_mkdir(
    struct inbox *b, uint64_t parent, const char *name, struct view_attr *attr, struct err *e)
{
	struct inbox_directory dir;
	struct inbox_node *n;
	int rc = inbox_check_name(name, e);

	if (rc == ERR_OK)
		rc = inbox_directory(b, parent, &dir, e);
	if (rc != ERR_OK)
		return rc;
	if (!dir.table || name[0] != '.' || inbox_reserved(&dir, name))
		return err_set(e, ERR_READONLY,
		    "only a program's own directory, its name with a leading dot, can be made");
	pthread_mutex_lock(&b->map_lock);
	if (inbox_node_find(b, parent, name) != NULL)
		rc = err_set(e, ERR_EXISTS, "%s is there already", name);
	else
		rc = inbox_node_make(
		    b, INODE_SCRATCH_DIR, parent, dir.table_id, name, INBOX_LISTED, &n, e);
	if (rc == ERR_OK) {
		n->uses = 0;
		inbox_node_attr(n, n->ino, attr);
	}
	pthread_mutex_unlock(&b->map_lock);
	return rc;
}

int
inbox_rmdir(struct inbox *b, uint64_t parent, const char *name, struct err *e)
{
	struct inbox_directory dir;
	struct inbox_node *n;
	int rc = inbox_directory(b, parent, &dir, e);

	if (rc != ERR_OK)
		return rc;
	pthread_mutex_lock(&b->map_lock);
	n = inbox_node_find(b, parent, name);
	if (n == NULL || !n->directory)
		rc = inbox_reserved(&dir, name)
			 ? err_set(e, ERR_READONLY, "%s belongs to the tree itself", name)
			 : ERR_ABSENT;
	else if (!inbox_node_empty(b, n))
		rc = err_set(e, ERR_WRONG_STATE, "%s is not empty", name);
	else
		inbox_node_drop(b, n);
	pthread_mutex_unlock(&b->map_lock);
	return rc;
}
