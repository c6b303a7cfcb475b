/*
 * Restores in the tree: pending ones in their table's directory, all of them below .restore, under
 * the names with which they were copied in; a failed one has its reason beside it.
 */
#include "fs/view_internal.h"

#include "catalog/base/num.h"

#include <stdio.h>
#include <string.h>

#define QUEUE_ERROR ".error"
#define QUEUE_WAITING (QUEUE_PENDING | QUEUE_RUNNING)
#define QUEUE_NUMBERED "restore-"

/* The queue, opened when somebody asks for it: most of what is done with a tree never does. */
static int
view_queue_open(struct view *v, struct err *e)
{
	return v->queue != NULL ? ERR_OK : queue_open(v->repo, false, &v->queue, e);
}

uint32_t
view_queue_state(const char *name)
{
	if (strcmp(name, "pending") == 0)
		return QUEUE_PENDING;
	if (strcmp(name, "done") == 0)
		return QUEUE_DONE;
	return strcmp(name, "failed") == 0 ? QUEUE_FAILED : 0;
}

/* The states that the directory ${state} shows. */
static unsigned
view_queue_states(uint32_t state)
{
	return state == 0 || state == QUEUE_PENDING ? QUEUE_WAITING : state;
}

/* The restores of a directory; ${table} must live as long as ${out}. */
static int
view_queue_filter(struct view *v, int64_t table_id, uint32_t state, struct tables_table *table,
    struct queue_filter *out, struct err *e)
{
	int rc = view_queue_open(v, e);

	if (rc == ERR_OK)
		rc = tables_get(v->catalog, table_id, table, e);
	if (rc != ERR_OK)
		return rc;
	*out = (struct queue_filter){table->database, table->name, view_queue_states(state)};
	return ERR_OK;
}

/* Set the time at which a restore changed last; to the ms, as it may do so again within a second
 * and keep its size, and a kernel that keeps its bytes has nothing else to go by. */
static void
view_queue_time(const struct queue_restore *r, struct view_attr *out)
{
	out->mtime = r->updated / 1000;
	out->mtime_ns = (uint32_t)(r->updated % 1000) * 1000000u;
}

static int
view_queue_attr_of(const struct queue_restore *r, struct view_attr *out)
{
	struct inode in = {INODE_QUEUED, r->id, 0};
	int rc = view_attr_make(&in, VIEW_FILE, 0, out);

	if (rc != ERR_OK)
		return rc;
	view_queue_time(r, out);
	out->size = r->bytes;
	/* Of a running one too: what is written over it becomes a new restore. */
	out->writable = (r->state & QUEUE_WAITING) != 0;
	return ERR_OK;
}

/* The bytes of NAME.error. */
static int
view_queue_error_text(struct view *v, int64_t id, struct buf *out, struct err *e)
{
	int rc = queue_error(v->queue, id, out, e);

	if (rc == ERR_OK && buf_putc(out, '\n') != ERR_OK)
		rc = err_nomem(e);
	return rc;
}

static int
view_queue_error_attr(
    struct view *v, const struct queue_restore *r, struct view_attr *out, struct err *e)
{
	struct inode in = {INODE_QUEUED_ERROR, r->id, 0};
	struct view_attr attr;
	struct buf text = {0};
	int rc = view_attr_make(&in, VIEW_FILE, 0, &attr);

	if (rc != ERR_OK)
		return err_set(e, rc, "the queue has an impossible number");
	view_queue_time(r, &attr);
	rc = view_queue_error_text(v, r->id, &text, e);
	attr.size = text.len;
	buf_finish(&text);
	if (rc == ERR_OK)
		*out = attr;
	return rc;
}

/* A restore that the tree shows; ${error}: with its reason. */
static int
view_queue_get(struct view *v, int64_t id, bool error, struct queue_restore *out, struct err *e)
{
	int rc = view_queue_open(v, e);

	if (rc == ERR_OK)
		rc = queue_get(v->queue, id, out, e);
	if (rc != ERR_OK)
		return rc;
	if (out->state == QUEUE_CANCELLED || (error && out->state != QUEUE_FAILED))
		return ERR_ABSENT;
	return ERR_OK;
}

int
view_queue_attr(struct view *v, const struct inode *in, struct view_attr *out, struct err *e)
{
	bool error = in->kind == INODE_QUEUED_ERROR;
	struct queue_restore r;
	int rc = view_queue_get(v, in->a, error, &r, e);

	if (rc != ERR_OK)
		return rc;
	return error ? view_queue_error_attr(v, &r, out, e) : view_queue_attr_of(&r, out);
}

/* The name of the file with the reason of ${r}; when there is no room for it, one by number. */
static void
view_queue_error_name(const struct queue_restore *r, char out[NAME_ROOM])
{
	int n = snprintf(out, NAME_ROOM, "%s" QUEUE_ERROR, r->name);

	if (n < 0 || n > NAME_MAX_BYTES)
		snprintf(out, NAME_ROOM, QUEUE_NUMBERED "%lld.json" QUEUE_ERROR, (long long)r->id);
}

/* Whether a restore's label can stand in a directory. */
static bool
view_queue_name_fits(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= NAME_MAX_BYTES && strchr(name, '/') == NULL &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* The number in "restore-NUMBER.json.error"; 0 when it is another name. */
static int64_t
view_queue_error_number(const char *name)
{
	size_t head = strlen(QUEUE_NUMBERED);
	const char *dot = strchr(name, '.');
	char digits[20];
	uint64_t id;

	if (strncmp(name, QUEUE_NUMBERED, head) != 0 || dot == NULL ||
	    strcmp(dot, ".json" QUEUE_ERROR) != 0 || (size_t)(dot - name) - head >= sizeof(digits))
		return 0;
	snprintf(digits, sizeof(digits), "%.*s", (int)((size_t)(dot - name) - head), name + head);
	return num_parse(digits, INT64_MAX, &id) == ERR_OK ? (int64_t)id : 0;
}

/* Find the failed restore whose reason has the file name ${name}. */
static int
view_queue_error_find(struct view *v, const struct queue_filter *filter, const char *name,
    struct queue_restore *out, struct err *e)
{
	size_t len = strlen(name);
	size_t tail = strlen(QUEUE_ERROR);
	int64_t id = view_queue_error_number(name);
	char own[NAME_ROOM];
	char base[NAME_ROOM];
	int rc = ERR_ABSENT;

	if (len <= tail || len > NAME_MAX_BYTES || strcmp(name + len - tail, QUEUE_ERROR) != 0)
		return ERR_ABSENT;
	snprintf(base, sizeof(base), "%.*s", (int)(len - tail), name);
	rc = queue_find(v->queue, filter, base, out, e);
	if (rc == ERR_ABSENT && id > 0) {
		rc = queue_get(v->queue, id, out, e);
		if (rc == ERR_OK &&
		    (out->state != QUEUE_FAILED || strcmp(out->database, filter->database) != 0 ||
			strcmp(out->table, filter->table) != 0))
			rc = ERR_ABSENT;
	}
	if (rc != ERR_OK)
		return rc;
	view_queue_error_name(out, own);
	return strcmp(own, name) == 0 ? ERR_OK : ERR_ABSENT;
}

int
view_queue_lookup(struct view *v, int64_t table_id, uint32_t state, const char *name,
    struct view_attr *out, struct err *e)
{
	struct queue_filter filter;
	struct tables_table table;
	struct queue_restore r;
	int rc = view_queue_filter(v, table_id, state, &table, &filter, e);

	if (rc != ERR_OK)
		return rc;
	rc = queue_find(v->queue, &filter, name, &r, e);
	if (rc == ERR_OK)
		return view_queue_attr_of(&r, out);
	if (rc != ERR_ABSENT || state != QUEUE_FAILED)
		return rc;
	rc = view_queue_error_find(v, &filter, name, &r, e);
	return rc == ERR_OK ? view_queue_error_attr(v, &r, out, e) : rc;
}

/* The entry with the reason of restore ${id}, if it is still a failed one. */
static int
view_queue_next_error(struct view *v, int64_t id, struct view_entry *out, struct err *e)
{
	struct queue_restore r;
	int rc = view_queue_get(v, id, true, &r, e);

	if (rc != ERR_OK)
		return rc;
	view_queue_error_name(&r, out->name);
	return view_queue_error_attr(v, &r, &out->attr, e);
}

int
view_queue_next(struct view *v, int64_t table_id, uint32_t state, const struct inode *at,
    struct view_entry *out, struct err *e)
{
	bool inside = at->kind == INODE_QUEUED || at->kind == INODE_QUEUED_ERROR;
	struct queue_filter filter;
	struct tables_table table;
	struct queue_restore r;
	int rc = view_queue_filter(v, table_id, state, &table, &filter, e);

	if (rc == ERR_OK && state == QUEUE_FAILED && at->kind == INODE_QUEUED) {
		rc = view_queue_next_error(v, at->a, out, e);
		if (rc != ERR_ABSENT)
			return rc;
		rc = ERR_OK;
	}
	if (rc == ERR_OK)
		rc = queue_next_name(v->queue, &filter, inside ? at->a : 0, &r, e);
	if (rc != ERR_OK)
		return rc;
	if (!view_queue_name_fits(r.name) || view_queue_attr_of(&r, &out->attr) != ERR_OK)
		return err_set(e, ERR_CORRUPT, "restore %lld in the queue has no usable name",
		    (long long)r.id);
	snprintf(out->name, NAME_ROOM, "%s", r.name);
	return ERR_OK;
}

int
view_queue_read(struct view *v, const struct inode *in, uint64_t off, size_t room, struct buf *out,
    struct err *e)
{
	struct queue_restore r;
	struct buf text = {0};
	size_t got;
	int rc = view_queue_get(v, in->a, in->kind == INODE_QUEUED_ERROR, &r, e);

	if (rc != ERR_OK)
		return rc;
	if (in->kind == INODE_QUEUED_ERROR) {
		rc = view_queue_error_text(v, in->a, &text, e);
		if (rc == ERR_OK)
			rc = view_slice(&text, off, room, out, e);
		buf_finish(&text);
		return rc;
	}
	if (buf_reserve(out, room) != ERR_OK)
		return err_nomem(e);
	rc = queue_read(v->queue, in->a, off, out->data + out->len, room, &got, e);
	if (rc == ERR_OK)
		out->len += got;
	return rc;
}
