/*
 * Sorting documents by key: the contracts are in sort.h.
 *
 * Documents are kept in an arena as records, which look the same in memory and in the file:
 *
 *   varint sequence, varint length of the document, 1 byte length of the key, key, document
 *
 * When the arena is full its records go to the file in order, as a run: a thread does that, while
 * another arena is filled. A run whose first key is not before the last key of the run in front of
 * it continues that one, so that input in order ends up as a single run however large it is. In the
 * end the runs are merged; when there are more than the budget has buffers for, several are first
 * merged into one, in a new file. The last records stay in memory, if they are in order as they
 * are, and are merged from there.
 *
 * Invariants:
 *   1. Records of an earlier run have lower sequences than those of a later one.
 *   2. In a run keys never decrease, and sequences increase among equal keys.
 *   3. used + count * 2 * sizeof(struct sort_entry) never passes the arena's size: its index grows
 *      from its end towards the records, and there is room to merge it in between them.
 *   4. While the thread is busy, it alone uses the full arena, the file and what belongs to it.
 */
#include "snapshot/sort.h"

#include "catalog/base/buf.h"
#include "catalog/base/bytes.h"
#include "catalog/base/file.h"
#include "catalog/base/thread.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SORT_BUDGET_MIN (256u << 10)                       /* smaller budgets are raised to this */
#define SORT_BUFFER_MIN (64u << 10)                        /* bytes of a run's read buffer */
#define SORT_BUFFER_MAX (4u << 20)                         /* more does not read any faster */
#define SORT_HEAD_MAX (2 * BYTES_VARINT_MAX + 1 + KEY_MAX) /* bytes before a record's document */

/* One record in an index: sorting moves these. */
struct sort_entry {
	uint64_t prefix; /* first bytes of the key, big-endian, zeros behind it */
	uint64_t off;    /* of the record in the arena */
};

/* A record taken apart. */
struct sort_record {
	uint64_t sequence;
	uint64_t len;       /* bytes of the document */
	const uint8_t *key; /* not owned */
	uint8_t key_len;
	size_t head; /* bytes of the record before the document */
};

/* A part of the file whose records are in order. */
struct sort_run {
	uint64_t off;
	uint64_t end;
};

struct sort_runs {
	int fd;                /* the file, owned; -1: none */
	uint64_t size;         /* bytes written to it */
	struct sort_run *list; /* owned */
	size_t n;              /* runs in use */
	size_t cap;            /* room for runs */
};

/* Reading one run, or an arena that is all in the buffer. */
struct sort_cursor {
	uint64_t next;             /* offset in the file of what the buffer has not */
	uint64_t end;              /* of the run */
	uint8_t *buf;              /* owned */
	size_t pos;                /* in the buffer, of the current record */
	size_t have;               /* bytes in the buffer */
	uint64_t prefix;           /* of the current record's key */
	struct sort_record record; /* the current one; its key is in the buffer */
	bool whole;                /* its document is in the buffer too */
};

/* Merging runs: the cursor with the first record is heap[0]. */
struct sort_merge {
	struct sort_cursor *cursors; /* owned */
	size_t n;                    /* of these */
	size_t *heap;                /* owned: numbers of the cursors that have records left */
	size_t left;                 /* of these */
	size_t room;                 /* bytes of each cursor's buffer */
	bool started;                /* heap[0]'s record has been handed out */
};

/* Collects writes to a file. */
struct sort_writer {
	struct sort_runs *runs; /* whose file grows */
	uint8_t *buf;           /* not owned */
	size_t len;             /* bytes in it */
};

/* Documents in memory. */
struct sort_arena {
	uint8_t *data;            /* records, and at its end their index; owned, may be NULL */
	size_t size;              /* bytes of it */
	size_t used;              /* bytes of records */
	size_t n;                 /* records */
	bool ordered;             /* these are in order */
	struct key last;          /* key of the newest of these */
	struct sort_entry *index; /* in order, when they are not; set by sort_arena_order */
};

/* The thread that writes full arenas to the file. */
struct sort_flusher {
	pthread_t thread;
	bool threaded;         /* it runs, or is to be joined */
	pthread_mutex_t lock;  /* guards busy and stop */
	pthread_cond_t change; /* of these */
	bool busy;             /* it writes the full arena, or is to */
	bool stop;
	int rc;         /* of writing it, when not busy */
	struct err why; /* likewise */
};

struct sort {
	int dirfd;               /* not owned */
	size_t budget;           /* bytes */
	struct sort_arena arena; /* the one being filled; no data while merging */
	struct sort_arena full;  /* the one being written, or empty; no data before the first run */
	struct sort_flusher flusher;
	struct key run_last; /* last key of the newest run */
	struct sort_runs runs;
	uint8_t *out;            /* write buffer, owned; NULL before the first run */
	bool parked;             /* sort_park has been called */
	bool finished;           /* sort_finish has been called */
	bool broken;             /* a failure has been reported */
	size_t at;               /* in memory: number of the next record */
	size_t off;              /* in memory, in order: its place in the arena */
	struct sort_merge merge; /* of the runs */
	struct buf big;          /* a document that is larger than a read buffer */
	uint64_t count;          /* documents added */
	uint64_t bytes;          /* of these */
};

/* ---- records ---- */

static size_t
sort_head(uint8_t head[SORT_HEAD_MAX], uint64_t sequence, const struct key *key, size_t len)
{
	size_t n = bytes_put_varint(head, sequence);

	n += bytes_put_varint(head + n, len);
	head[n++] = key->len;
	memcpy(head + n, key->bytes, key->len);
	return n + key->len;
}

/* Take the head of a record apart; false when it is cut off or makes no sense. */
static bool
sort_parse(const uint8_t *p, size_t len, struct sort_record *out)
{
	const uint8_t *end = p + len;
	size_t first = bytes_get_varint(p, end, &out->sequence);
	size_t second = first > 0 ? bytes_get_varint(p + first, end, &out->len) : 0;
	size_t n = first + second;

	if (second == 0 || n >= len || p[n] > KEY_MAX || p[n] > len - n - 1)
		return false;
	out->key_len = p[n];
	out->key = p + n + 1;
	out->head = n + 1 + out->key_len;
	return true;
}

static uint64_t
sort_prefix(const uint8_t *key, size_t len)
{
	uint64_t prefix = 0;

	for (size_t i = 0; i < sizeof(prefix); i++)
		prefix = prefix << 8 | (i < len ? key[i] : 0);
	return prefix;
}

static int
sort_compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

	if (order != 0)
		return order;
	return (a_len > b_len) - (a_len < b_len);
}

/* ---- sorting the arena ---- */

/* A record of the arena, which was written by sort_head: it is well formed. */
static struct sort_record
sort_at(const struct sort_arena *a, uint64_t off)
{
	struct sort_record r = {0};

	sort_parse(a->data + off, a->used - (size_t)off, &r);
	return r;
}

/* Whether ${a} comes before or with ${b}, by key alone: merging keeps equal ones in place. */
static bool
sort_entry_before(
    const struct sort_arena *arena, const struct sort_entry *a, const struct sort_entry *b)
{
	struct sort_record x, y;

	if (a->prefix != b->prefix)
		return a->prefix < b->prefix;
	x = sort_at(arena, a->off);
	y = sort_at(arena, b->off);
	return sort_compare(x.key, x.key_len, y.key, y.key_len) <= 0;
}

static void
sort_index_merge(const struct sort_arena *arena, const struct sort_entry *from, size_t low,
    size_t middle, size_t high, struct sort_entry *to)
{
	size_t a = low, b = middle;

	if (middle >= high || sort_entry_before(arena, &from[middle - 1], &from[middle])) {
		memcpy(to + low, from + low, (high - low) * sizeof(*to));
		return;
	}
	for (size_t i = low; i < high; i++) {
		if (a < middle && (b >= high || sort_entry_before(arena, &from[a], &from[b])))
			to[i] = from[a++];
		else
			to[i] = from[b++];
	}
}

/* Sort the ${n} entries at ${from} by merging, with ${to} as room. Return where the result is. */
static struct sort_entry *
sort_index_sort(
    const struct sort_arena *arena, struct sort_entry *from, struct sort_entry *to, size_t n)
{
	struct sort_entry *swap;

	for (size_t width = 1; width < n; width *= 2) {
		for (size_t low = 0; low < n; low += 2 * width) {
			size_t middle = n - low < width ? n : low + width;
			size_t high = n - low < 2 * width ? n : low + 2 * width;
			sort_index_merge(arena, from, low, middle, high, to);
		}
		swap = from;
		from = to;
		to = swap;
	}
	return from;
}

/* Behind the last place of the arena's index: its entries stand before it, the first one last. */
static struct sort_entry *
sort_index_end(const struct sort_arena *a)
{
	return (struct sort_entry *)(void *)a->data + a->size / sizeof(struct sort_entry);
}

/* Put the arena's index in order, unless its records are in order themselves. */
static void
sort_arena_order(struct sort_arena *a)
{
	struct sort_entry *index = sort_index_end(a) - a->n, swap;

	a->index = NULL;
	if (a->ordered)
		return;
	for (size_t i = 0; i < a->n / 2; i++) {
		swap = index[i];
		index[i] = index[a->n - 1 - i];
		index[a->n - 1 - i] = swap;
	}
	a->index = sort_index_sort(a, index, index - a->n, a->n);
}

/* Whether one more record keeps invariant 3. */
static bool
sort_has_room(const struct sort_arena *a, size_t head_len, size_t len)
{
	size_t left = a->size - a->used;
	size_t other =
	    head_len + 2 * alignof(struct sort_entry) + (a->n + 1) * 2 * sizeof(struct sort_entry);

	return other <= left && len <= left - other;
}

static void
sort_add_arena(struct sort_arena *a, const struct key *key, const uint8_t *head, size_t head_len,
    const void *data, size_t len)
{
	if (a->n > 0 && a->ordered)
		a->ordered = key_compare(&a->last, key) <= 0;
	memcpy(a->data + a->used, head, head_len);
	if (len > 0)
		memcpy(a->data + a->used + head_len, data, len);
	a->n++;
	*(sort_index_end(a) - a->n) =
	    (struct sort_entry){sort_prefix(key->bytes, key->len), a->used};
	a->used += head_len + len;
	a->last = *key;
}

static void
sort_arena_clear(struct sort_arena *a)
{
	a->used = a->n = 0;
	a->ordered = true;
	a->index = NULL;
}

/* Pages that are never written take no memory: a small batch costs what it holds. */
static int
sort_arena_make(struct sort_arena *a, size_t size, struct err *e)
{
	a->data = malloc(size);
	a->size = size;
	sort_arena_clear(a);
	return a->data != NULL ? ERR_OK : err_nomem(e);
}

static void
sort_arena_free(struct sort_arena *a)
{
	free(a->data);
	*a = (struct sort_arena){.ordered = true};
}

/* ---- the file ---- */

/* Say where the disk is full, or whatever it is. */
static int
sort_fault(const struct sort *s, int rc, struct err *e)
{
	char link[64], path[256];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", s->dirfd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n > 0)
		err_prefix(e, "sorting, in %.*s", (int)n, path);
	return rc;
}

static int
sort_runs_open(struct sort *s, struct sort_runs *runs, struct err *e)
{
	int rc;

	*runs = (struct sort_runs){.fd = -1};
	rc = file_temp(s->dirfd, &runs->fd, e);
	if (rc != ERR_OK) {
		runs->fd = -1;
		return sort_fault(s, rc, e);
	}
	return ERR_OK;
}

static void
sort_runs_close(struct sort_runs *runs)
{
	if (runs->fd >= 0)
		close(runs->fd);
	free(runs->list);
	*runs = (struct sort_runs){.fd = -1};
}

/* Begin a run at the end of the file. */
static int
sort_runs_begin(struct sort_runs *runs, struct err *e)
{
	size_t cap = runs->cap > 0 ? runs->cap * 2 : 16;
	struct sort_run *list;

	if (runs->n == runs->cap) {
		list = realloc(runs->list, cap * sizeof(*list));
		if (list == NULL)
			return err_nomem(e);
		runs->list = list;
		runs->cap = cap;
	}
	runs->list[runs->n++] = (struct sort_run){runs->size, runs->size};
	return ERR_OK;
}

/* Append to the file and to its last run. */
static int
sort_runs_write(
    const struct sort *s, struct sort_runs *runs, const void *data, size_t len, struct err *e)
{
	int rc = file_write(runs->fd, data, len, "a temporary file", e);

	if (rc != ERR_OK)
		return sort_fault(s, rc, e);
	runs->size += len;
	runs->list[runs->n - 1].end = runs->size;
	return ERR_OK;
}

static int
sort_writer_flush(const struct sort *s, struct sort_writer *w, struct err *e)
{
	int rc = sort_runs_write(s, w->runs, w->buf, w->len, e);

	w->len = 0;
	return rc;
}

static int
sort_writer_put(
    const struct sort *s, struct sort_writer *w, const uint8_t *data, size_t len, struct err *e)
{
	int rc = ERR_OK;

	if (len > SORT_BUFFER_MIN - w->len)
		rc = sort_writer_flush(s, w, e);
	if (rc != ERR_OK)
		return rc;
	if (len > SORT_BUFFER_MIN)
		return sort_runs_write(s, w->runs, data, len, e);
	memcpy(w->buf + w->len, data, len);
	w->len += len;
	return ERR_OK;
}

/* Begin a run, or go on with the last one when ${first} may stand behind it. */
static int
sort_run_open(struct sort *s, const uint8_t *first, size_t first_len, struct err *e)
{
	int rc;

	if (s->out == NULL) {
		s->out = malloc(SORT_BUFFER_MIN);
		if (s->out == NULL)
			return err_nomem(e);
		rc = sort_runs_open(s, &s->runs, e);
		if (rc != ERR_OK)
			return rc;
	}
	if (s->runs.n > 0 &&
	    sort_compare(s->run_last.bytes, s->run_last.len, first, first_len) <= 0)
		return ERR_OK;
	return sort_runs_begin(&s->runs, e);
}

static void
sort_run_close(struct sort *s, const uint8_t *last, size_t last_len)
{
	s->run_last.len = (uint8_t)last_len;
	memcpy(s->run_last.bytes, last, last_len);
}

/* Write the records of a full arena, which are in order, in pieces: more at once is slower. */
static int
sort_arena_copy(struct sort *s, const struct sort_arena *a, struct err *e)
{
	int rc = ERR_OK;

	for (size_t at = 0; at < a->used && rc == ERR_OK; at += SORT_BUFFER_MIN) {
		size_t len = a->used - at < SORT_BUFFER_MIN ? a->used - at : SORT_BUFFER_MIN;
		rc = sort_runs_write(s, &s->runs, a->data + at, len, e);
	}
	return rc;
}

/* Write the records of a full arena by its index. */
static int
sort_arena_write(struct sort *s, const struct sort_arena *a, struct err *e)
{
	struct sort_writer w = {.runs = &s->runs, .buf = s->out};
	int rc = ERR_OK;

	if (a->index == NULL)
		return sort_arena_copy(s, a, e);
	for (size_t i = 0; i < a->n && rc == ERR_OK; i++) {
		struct sort_record r = sort_at(a, a->index[i].off);
		rc = sort_writer_put(s, &w, a->data + a->index[i].off, r.head + (size_t)r.len, e);
	}
	return rc == ERR_OK ? sort_writer_flush(s, &w, e) : rc;
}

/* Make a run of what is in an arena. */
static int
sort_arena_flush(struct sort *s, struct sort_arena *a, struct err *e)
{
	struct sort_record first, last;
	int rc;

	sort_arena_order(a);
	first = sort_at(a, a->index != NULL ? a->index[0].off : 0);
	last = (struct sort_record){.key = a->last.bytes, .key_len = a->last.len};
	if (a->index != NULL)
		last = sort_at(a, a->index[a->n - 1].off);
	rc = sort_run_open(s, first.key, first.key_len, e);
	if (rc == ERR_OK)
		rc = sort_arena_write(s, a, e);
	if (rc == ERR_OK)
		sort_run_close(s, last.key, last.key_len);
	return rc;
}

/* ---- the thread that writes full arenas ---- */

static void *
sort_flusher_run(void *arg)
{
	struct sort *s = arg;
	struct sort_flusher *f = &s->flusher;
	bool busy;

	for (;;) {
		pthread_mutex_lock(&f->lock);
		while (!f->busy && !f->stop)
			pthread_cond_wait(&f->change, &f->lock);
		busy = f->busy;
		pthread_mutex_unlock(&f->lock);
		if (!busy)
			return NULL;
		f->rc = sort_arena_flush(s, &s->full, &f->why);
		pthread_mutex_lock(&f->lock);
		f->busy = false;
		pthread_cond_signal(&f->change);
		pthread_mutex_unlock(&f->lock);
	}
}

/* Wait until the file and the full arena are the caller's. Return what became of the last one. */
static int
sort_flusher_wait(struct sort *s, struct err *e)
{
	struct sort_flusher *f = &s->flusher;

	pthread_mutex_lock(&f->lock);
	while (f->busy)
		pthread_cond_wait(&f->change, &f->lock);
	pthread_mutex_unlock(&f->lock);
	sort_arena_clear(&s->full);
	return f->rc == ERR_OK ? ERR_OK : err_set(e, f->rc, "%s", f->why.text);
}

/* End the thread, when it has written what it has. */
static void
sort_flusher_stop(struct sort_flusher *f)
{
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_cond_signal(&f->change);
	pthread_mutex_unlock(&f->lock);
	if (f->threaded)
		pthread_join(f->thread, NULL);
	f->threaded = false;
}

/* Have the arena written, and go on with an empty one. Failures may come one call late. */
static int
sort_hand_over(struct sort *s, struct err *e)
{
	struct sort_flusher *f = &s->flusher;
	struct sort_arena swap;
	int rc = sort_flusher_wait(s, e);

	if (rc == ERR_OK && s->full.data == NULL)
		rc = sort_arena_make(&s->full, s->budget, e);
	if (rc != ERR_OK)
		return rc;
	swap = s->full;
	s->full = s->arena;
	s->arena = swap;
	if (!f->threaded)
		f->threaded = thread_start(&f->thread, sort_flusher_run, s);
	if (!f->threaded) {
		rc = sort_arena_flush(s, &s->full, e);
		sort_arena_clear(&s->full);
		return rc;
	}
	pthread_mutex_lock(&f->lock);
	f->busy = true;
	pthread_cond_signal(&f->change);
	pthread_mutex_unlock(&f->lock);
	return ERR_OK;
}

/* Have full arenas written, and give their memory back. */
static int
sort_settle(struct sort *s, struct err *e)
{
	int rc = sort_flusher_wait(s, e);

	sort_flusher_stop(&s->flusher);
	sort_arena_free(&s->full);
	return rc;
}

/* Have the newest records written, too. */
static int
sort_empty(struct sort *s, struct err *e)
{
	int rc = s->arena.n > 0 ? sort_arena_flush(s, &s->arena, e) : ERR_OK;

	sort_arena_free(&s->arena);
	return rc;
}

/* A record that the arena has no room for, empty as it is, goes to the file alone. */
static int
sort_add_alone(struct sort *s, const struct key *key, const uint8_t *head, size_t head_len,
    const void *data, size_t len, struct err *e)
{
	int rc = sort_flusher_wait(s, e);

	if (rc == ERR_OK)
		rc = sort_run_open(s, key->bytes, key->len, e);
	if (rc == ERR_OK)
		rc = sort_runs_write(s, &s->runs, head, head_len, e);
	if (rc == ERR_OK)
		rc = sort_runs_write(s, &s->runs, data, len, e);
	if (rc == ERR_OK)
		sort_run_close(s, key->bytes, key->len);
	return rc;
}

/* ---- reading runs ---- */

static int
sort_spoilt(struct err *e)
{
	return err_set(
	    e, ERR_CORRUPT, "sorting: the temporary file does not hold what was written");
}

/* Move the current record to the front of the buffer and read on behind it. */
static int
sort_cursor_fill(const struct sort *s, struct sort_cursor *c, size_t room, int fd, struct err *e)
{
	size_t keep = c->have - c->pos, more = room - keep;
	int rc;

	if (more > c->end - c->next)
		more = (size_t)(c->end - c->next);
	memmove(c->buf, c->buf + c->pos, keep);
	rc = file_read_at(fd, c->buf + keep, more, c->next, "a temporary file", e);
	if (rc != ERR_OK)
		return sort_fault(s, rc == ERR_TRUNCATED ? sort_spoilt(e) : rc, e);
	c->next += more;
	c->pos = 0;
	c->have = keep + more;
	return ERR_OK;
}

/* Read the record at pos. ERR_OK, ERR_END behind the run's last one, or a failure. */
static int
sort_cursor_read(const struct sort *s, struct sort_cursor *c, size_t room, int fd, struct err *e)
{
	size_t left = c->have - c->pos;
	int rc = ERR_OK;

	if (left == 0 && c->next == c->end)
		return ERR_END;
	if (left < SORT_HEAD_MAX && c->next < c->end)
		rc = sort_cursor_fill(s, c, room, fd, e);
	if (rc != ERR_OK)
		return rc;
	if (!sort_parse(c->buf + c->pos, c->have - c->pos, &c->record) ||
	    c->record.sequence >= s->count)
		return sort_spoilt(e);
	left = c->have - c->pos - c->record.head;
	if (c->record.len > left && c->record.len - left > c->end - c->next)
		return sort_spoilt(e);
	c->whole = c->record.len <= left;
	if (!c->whole && c->record.len <= room - SORT_HEAD_MAX) {
		rc = sort_cursor_fill(s, c, room, fd, e);
		c->whole = true;
		c->record.key = c->buf + c->record.head - c->record.key_len;
	}
	c->prefix = sort_prefix(c->record.key, c->record.key_len);
	return rc;
}

/* Go behind the current record. */
static void
sort_cursor_pass(struct sort_cursor *c)
{
	uint64_t len = c->record.head + c->record.len;
	size_t left = c->have - c->pos;

	if (len <= left) {
		c->pos += (size_t)len;
		return;
	}
	c->next += len - left;
	c->pos = c->have = 0;
}

/* Offset in the file of the current record's document. */
static uint64_t
sort_cursor_off(const struct sort_cursor *c)
{
	return c->next - (c->have - c->pos) + c->record.head;
}

/* ---- merging runs ---- */

static bool
sort_merge_before(const struct sort_merge *m, size_t a, size_t b)
{
	const struct sort_cursor *x = &m->cursors[a], *y = &m->cursors[b];
	int order;

	if (x->prefix != y->prefix)
		return x->prefix < y->prefix;
	order = sort_compare(x->record.key, x->record.key_len, y->record.key, y->record.key_len);
	return order != 0 ? order < 0 : x->record.sequence < y->record.sequence;
}

/* Let heap[${i}] sink to its place. */
static void
sort_merge_sink(struct sort_merge *m, size_t i)
{
	for (;;) {
		size_t child = 2 * i + 1, number = m->heap[i];
		if (child >= m->left)
			return;
		if (child + 1 < m->left && sort_merge_before(m, m->heap[child + 1], m->heap[child]))
			child++;
		if (!sort_merge_before(m, m->heap[child], number))
			return;
		m->heap[i] = m->heap[child];
		m->heap[child] = number;
		i = child;
	}
}

static void
sort_merge_close(struct sort_merge *m)
{
	for (size_t i = 0; i < m->n && m->cursors != NULL; i++)
		free(m->cursors[i].buf);
	free(m->cursors);
	free(m->heap);
	*m = (struct sort_merge){0};
}

/* One more cursor, whose buffer becomes the merge's, at its first record. */
static int
sort_merge_add(const struct sort *s, struct sort_merge *m, const struct sort_cursor *cursor, int fd,
    struct err *e)
{
	struct sort_cursor *c = &m->cursors[m->left];

	*c = *cursor;
	m->heap[m->left] = m->left;
	m->left++;
	return c->buf != NULL ? sort_cursor_read(s, c, m->room, fd, e) : err_nomem(e);
}

/*
 * Open a cursor on each of the runs [from, to) of ${runs}, and on ${rest}, unless that is NULL or
 * empty, whose memory becomes the merge's. Put their first records in order.
 */
static int
sort_merge_open(const struct sort *s, struct sort_merge *m, const struct sort_runs *runs,
    size_t from, size_t to, struct sort_arena *rest, struct err *e)
{
	size_t n = to - from, room = s->budget / (n + 1);
	int rc = ERR_OK;

	room = room > SORT_BUFFER_MAX ? SORT_BUFFER_MAX : room;
	room = room < SORT_BUFFER_MIN ? SORT_BUFFER_MIN : room;
	*m = (struct sort_merge){.n = n + 1, .room = room};
	m->cursors = calloc(m->n, sizeof(*m->cursors));
	m->heap = calloc(m->n, sizeof(*m->heap));
	if (m->cursors == NULL || m->heap == NULL) {
		sort_merge_close(m);
		return err_nomem(e);
	}
	for (size_t i = from; i < to && rc == ERR_OK; i++) {
		struct sort_cursor c = {.next = runs->list[i].off, .end = runs->list[i].end};
		c.buf = malloc(room);
		rc = sort_merge_add(s, m, &c, runs->fd, e);
	}
	if (rc == ERR_OK && rest != NULL && rest->n > 0) {
		struct sort_cursor c = {.buf = rest->data, .have = rest->used};
		rest->data = NULL;
		rc = sort_merge_add(s, m, &c, runs->fd, e);
	}
	for (size_t i = m->left / 2; i > 0 && rc == ERR_OK; i--)
		sort_merge_sink(m, i - 1);
	if (rc != ERR_OK)
		sort_merge_close(m);
	return rc;
}

/* The next record of the runs: ERR_OK and its cursor, ERR_END, or a failure. */
static int
sort_merge_next(
    const struct sort *s, struct sort_merge *m, int fd, struct sort_cursor **out, struct err *e)
{
	struct sort_cursor *c;
	int rc;

	if (m->left > 0 && m->started) {
		c = &m->cursors[m->heap[0]];
		sort_cursor_pass(c);
		rc = sort_cursor_read(s, c, m->room, fd, e);
		if (rc < 0)
			return rc;
		if (rc == ERR_END)
			m->heap[0] = m->heap[--m->left];
		if (m->left > 0)
			sort_merge_sink(m, 0);
	}
	m->started = true;
	if (m->left == 0)
		return ERR_END;
	*out = &m->cursors[m->heap[0]];
	return ERR_OK;
}

/* Copy the current record of ${c} to another file. */
static int
sort_pass_copy(
    const struct sort *s, struct sort_writer *w, const struct sort_cursor *c, int fd, struct err *e)
{
	uint64_t off = sort_cursor_off(c), left = c->record.len;
	uint8_t part[16384];
	int rc;

	if (c->whole)
		return sort_writer_put(
		    s, w, c->buf + c->pos, c->record.head + (size_t)c->record.len, e);
	rc = sort_writer_put(s, w, c->buf + c->pos, c->record.head, e);
	while (rc == ERR_OK && left > 0) {
		size_t n = left < sizeof(part) ? (size_t)left : sizeof(part);
		rc = file_read_at(fd, part, n, off, "a temporary file", e);
		if (rc == ERR_OK)
			rc = sort_writer_put(s, w, part, n, e);
		off += n;
		left -= n;
	}
	return rc;
}

/* Merge the runs [from, to) of ${s} into one run of ${to_runs}. */
static int
sort_pass_group(struct sort *s, size_t from, size_t to, struct sort_runs *into, struct err *e)
{
	struct sort_writer w = {.runs = into, .buf = s->out};
	struct sort_merge m;
	struct sort_cursor *c;
	int rc = sort_runs_begin(into, e);

	if (rc == ERR_OK)
		rc = sort_merge_open(s, &m, &s->runs, from, to, NULL, e);
	if (rc != ERR_OK)
		return rc;
	while (rc == ERR_OK && (rc = sort_merge_next(s, &m, s->runs.fd, &c, e)) == ERR_OK)
		rc = sort_pass_copy(s, &w, c, s->runs.fd, e);
	if (rc == ERR_END)
		rc = sort_writer_flush(s, &w, e);
	sort_merge_close(&m);
	return rc;
}

/* Merge the runs, ${most} at a time, in a new file: fewer and longer ones. */
static int
sort_pass(struct sort *s, size_t most, struct err *e)
{
	struct sort_runs into;
	int rc = sort_runs_open(s, &into, e);

	for (size_t from = 0; from < s->runs.n && rc == ERR_OK; from += most) {
		size_t to = s->runs.n - from < most ? s->runs.n : from + most;
		rc = sort_pass_group(s, from, to, &into, e);
	}
	if (rc != ERR_OK) {
		sort_runs_close(&into);
		return rc;
	}
	sort_runs_close(&s->runs);
	s->runs = into;
	return ERR_OK;
}

/* ---- the whole ---- */

int
sort_create(int dirfd, size_t budget, struct sort **out, struct err *e)
{
	struct sort *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_nomem(e);
	s->dirfd = dirfd;
	s->budget = budget > 0 ? budget : SORT_BUDGET;
	if (s->budget < SORT_BUDGET_MIN)
		s->budget = SORT_BUDGET_MIN;
	s->runs.fd = -1;
	pthread_mutex_init(&s->flusher.lock, NULL);
	pthread_cond_init(&s->flusher.change, NULL);
	if (sort_arena_make(&s->arena, s->budget, e) != ERR_OK) {
		sort_free(s);
		return ERR_NOMEM;
	}
	*out = s;
	return ERR_OK;
}

void
sort_free(struct sort *s)
{
	if (s == NULL)
		return;
	sort_flusher_stop(&s->flusher);
	pthread_cond_destroy(&s->flusher.change);
	pthread_mutex_destroy(&s->flusher.lock);
	sort_merge_close(&s->merge);
	sort_runs_close(&s->runs);
	buf_finish(&s->big);
	free(s->out);
	sort_arena_free(&s->full);
	sort_arena_free(&s->arena);
	free(s);
}

/* Only before the end, or behind it; and no more after a failure, which has lost documents. */
static int
sort_allowed(const struct sort *s, bool finished, struct err *e)
{
	if (s->broken)
		return err_set(e, ERR_BUG, "sorting: used after a failure");
	if (s->finished != finished)
		return err_set(e, ERR_BUG, "sorting: %s",
		    finished ? "asked for documents before the end" : "used after the end");
	return ERR_OK;
}

int
sort_add(struct sort *s, const struct key *key, const void *data, size_t len, struct err *e)
{
	uint8_t head[SORT_HEAD_MAX];
	size_t head_len = sort_head(head, s->count, key, len);
	int rc = sort_allowed(s, false, e);

	if (rc == ERR_OK && s->parked)
		return err_set(e, ERR_BUG, "sorting: used after the end");
	if (rc == ERR_OK && !sort_has_room(&s->arena, head_len, len) && s->arena.n > 0)
		rc = sort_hand_over(s, e);
	if (rc == ERR_OK && sort_has_room(&s->arena, head_len, len))
		sort_add_arena(&s->arena, key, head, head_len, data, len);
	else if (rc == ERR_OK)
		rc = sort_add_alone(s, key, head, head_len, data, len, e);
	s->broken = rc != ERR_OK;
	if (rc != ERR_OK)
		return rc;
	s->count++;
	s->bytes += len;
	return ERR_OK;
}

uint64_t
sort_count(const struct sort *s)
{
	return s->count;
}

uint64_t
sort_bytes(const struct sort *s)
{
	return s->bytes;
}

size_t
sort_memory(const struct sort *s)
{
	return s->arena.used;
}

int
sort_park(struct sort *s, struct err *e)
{
	int rc = sort_allowed(s, false, e);

	if (rc != ERR_OK || s->count == 0)
		return rc;
	rc = sort_settle(s, e);
	if (rc == ERR_OK)
		rc = sort_empty(s, e);
	s->broken = rc != ERR_OK;
	s->parked = true;
	return rc;
}

/* Some of it is in the file: make the runs few enough, and begin to merge all there is. */
static int
sort_finish_file(struct sort *s, struct err *e)
{
	size_t most = (s->budget - SORT_BUFFER_MIN) / SORT_BUFFER_MIN;
	int rc = sort_settle(s, e);

	if (rc == ERR_OK && !s->arena.ordered)
		rc = sort_empty(s, e);
	while (s->runs.n > most && rc == ERR_OK)
		rc = sort_pass(s, most, e);
	if (rc == ERR_OK)
		rc = sort_merge_open(s, &s->merge, &s->runs, 0, s->runs.n, &s->arena, e);
	sort_arena_free(&s->arena);
	return rc;
}

int
sort_finish(struct sort *s, struct err *e)
{
	int rc = sort_allowed(s, false, e);

	if (rc != ERR_OK)
		return rc;
	/* The thread may be about to make what the second one looks at. */
	if (s->full.data != NULL || s->out != NULL)
		rc = sort_finish_file(s, e);
	else
		sort_arena_order(&s->arena);
	s->finished = true;
	s->broken = rc != ERR_OK;
	return rc;
}

static void
sort_item_set(struct sort_item *out, const struct sort_record *r, const uint8_t *data)
{
	out->key.len = r->key_len;
	/* Where there is a record there is an arena. */
	/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
	memcpy(out->key.bytes, r->key, r->key_len);
	out->sequence = r->sequence;
	out->data = data;
	out->len = (size_t)r->len;
}

static int
sort_next_memory(struct sort *s, struct sort_item *out)
{
	struct sort_record r;
	size_t off = s->off;

	if (s->at == s->arena.n)
		return ERR_END;
	if (s->arena.index != NULL)
		off = (size_t)s->arena.index[s->at].off;
	r = sort_at(&s->arena, off);
	sort_item_set(out, &r, s->arena.data + off + r.head);
	s->off = off + r.head + (size_t)r.len;
	s->at++;
	return ERR_OK;
}

static int
sort_next_file(struct sort *s, struct sort_item *out, struct err *e)
{
	struct sort_cursor *c;
	const uint8_t *data;
	int rc = sort_merge_next(s, &s->merge, s->runs.fd, &c, e);

	if (rc != ERR_OK)
		return rc;
	data = c->buf + c->pos + c->record.head;
	if (!c->whole) {
		buf_clear(&s->big);
		if (buf_reserve(&s->big, (size_t)c->record.len) != ERR_OK)
			return err_nomem(e);
		rc = file_read_at(s->runs.fd, s->big.data, (size_t)c->record.len,
		    sort_cursor_off(c), "a temporary file", e);
		data = s->big.data;
	}
	if (rc == ERR_OK)
		sort_item_set(out, &c->record, data);
	return rc;
}

int
sort_next(struct sort *s, struct sort_item *out, struct err *e)
{
	int rc = sort_allowed(s, true, e);

	if (rc != ERR_OK)
		return rc;
	rc = s->runs.n > 0 ? sort_next_file(s, out, e) : sort_next_memory(s, out);
	s->broken = rc < 0;
	return rc;
}
