/*
 * Reading a table in several ranges at once: the contracts are in ranges.h.
 *
 * A range is pending, taken by a line (a connection that reads it), or done. A line that has none
 * takes the first that is due. After a failure the range is pending again, due after a pause, and
 * the line is free for another one; only while replicas are not available the line keeps its range
 * and asks the server to tell when they are.
 */
#include "snapshot/rdb/ranges.h"

#include "snapshot/json/jsonkey.h"
#include "snapshot/rdb/describe.h"
#include "snapshot/rdb/response.h"
#include "snapshot/rdb/scan.h"
#include "snapshot/rdb/wait.h"

#include <stdlib.h>
#include <string.h>

#define RANGES_LOOK 1000 /* ms, at most, between two looks at connections that are silent */

enum range_state { RANGE_PENDING, RANGE_TAKEN, RANGE_DONE };

struct range {
	struct buf from;  /* JSON of its first possible key; empty: the first of all */
	struct buf to;    /* JSON of the first key behind it; empty: there is none */
	struct buf after; /* JSON of the last key read; empty before the first */
	enum range_state state;
	unsigned tries; /* new ones since its last document */
	int64_t due;    /* wait_now of the next try */
};

/* A connection and what it does. */
struct line {
	struct connection *c; /* owned; NULL: not open */
	struct range *range;  /* NULL: free */
	struct scan *scan;    /* of the range; NULL: not asked for yet */
	uint64_t waiting;     /* token of the question whether replicas are there; 0: not asked */
	bool given_up;        /* it could not be opened; not tried again for this table */
};

struct ranges {
	struct ranges_options options;
	struct line *lines;    /* owned, options.clients of them */
	struct pollfd *polled; /* owned, room for one a line */
	struct ranges_table table;
	struct range *list; /* of the table, owned; NULL: none is being read */
	size_t n, done;     /* ranges in all, read to their end */
	unsigned at;        /* the line that documents come from */
	bool unsure;        /* it may be another table of that name since a connection was lost */
	unsigned tries;     /* vain ones to connect, since the last document */
	int64_t due;        /* wait_now of the next try to connect */
	bool moved;         /* something was begun or ended since the lines were last looked at */
	struct buf query, answer;
};

/* ---- lines ---- */

static void
line_close(struct line *line)
{
	scan_close(line->scan);
	line->scan = NULL;
	line->waiting = 0;
	connection_close(line->c);
	line->c = NULL;
}

static bool
line_usable(const struct line *line)
{
	return line->c != NULL && connection_usable(line->c);
}

static int
line_open(struct ranges *r, struct line *line, struct err *e)
{
	if (line_usable(line))
		return ERR_OK;
	line_close(line);
	return connection_open(r->options.connect, &line->c, e);
}

/* The line has nothing to do any more with its range, which is ${state} now. */
static void
line_leave(struct line *line, enum range_state state)
{
	scan_close(line->scan);
	line->scan = NULL;
	line->waiting = 0;
	line->range->state = state;
	line->range = NULL;
}

/* Whether a line other than ${line} is reading. */
static bool
ranges_others(const struct ranges *r, const struct line *line)
{
	for (unsigned i = 0; i < r->options.clients; i++)
		if (&r->lines[i] != line && r->lines[i].scan != NULL && line_usable(&r->lines[i]))
			return true;
	return false;
}

/* ---- the whole ---- */

int
ranges_create(const struct ranges_options *options, struct ranges **out, struct err *e)
{
	struct ranges *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return err_nomem(e);
	r->options = *options;
	r->lines = calloc(options->clients, sizeof(*r->lines));
	r->polled = calloc(options->clients, sizeof(*r->polled));
	if (r->lines == NULL || r->polled == NULL) {
		free(r->lines);
		free(r->polled);
		free(r);
		return err_nomem(e);
	}
	*out = r;
	return ERR_OK;
}

void
ranges_free(struct ranges *r)
{
	if (r == NULL)
		return;
	ranges_end(r);
	for (unsigned i = 0; i < r->options.clients; i++)
		line_close(&r->lines[i]);
	buf_finish(&r->query);
	buf_finish(&r->answer);
	free(r->lines);
	free(r->polled);
	free(r);
}

int
ranges_connection(struct ranges *r, struct connection **out, struct err *e)
{
	int rc = line_open(r, &r->lines[0], e);

	if (rc == ERR_OK)
		*out = r->lines[0].c;
	return rc;
}

bool
ranges_usable(const struct ranges *r)
{
	for (unsigned i = 0; i < r->options.clients; i++)
		if (line_usable(&r->lines[i]))
			return true;
	return false;
}

void
ranges_drop(struct ranges *r)
{
	for (unsigned i = 0; i < r->options.clients; i++)
		if (r->lines[i].range == NULL)
			line_close(&r->lines[i]);
}

/* Put ${cut} where one range ends and the next one begins. */
static int
ranges_cut(struct range *before, struct range *behind, const struct key *cut)
{
	int rc = jsonkey_write(cut, &before->to);

	return rc == ERR_OK ? buf_append(&behind->from, before->to.data, before->to.len) : rc;
}

/* Let ${range} be ${key} alone. */
static int
ranges_only(struct range *range, const struct key *key)
{
	int rc = jsonkey_write(key, &range->from);

	return rc == ERR_OK ? buf_append(&range->to, range->from.data, range->from.len) : rc;
}

int
ranges_begin(struct ranges *r, const struct ranges_table *table, struct err *e)
{
	int rc = ERR_OK;

	ranges_end(r);
	r->table = *table;
	r->list = calloc(table->n_cuts + 1, sizeof(*r->list));
	if (r->list == NULL)
		return err_nomem(e);
	r->n = table->n_cuts + 1;
	if (table->only != NULL)
		rc = ranges_only(&r->list[0], table->only);
	for (size_t i = 0; i < table->n_cuts && rc == ERR_OK; i++)
		rc = ranges_cut(&r->list[i], &r->list[i + 1], &table->cuts[i]);
	if (rc == ERR_NOMEM)
		return err_nomem(e);
	return rc == ERR_OK ? ERR_OK
			    : err_set(e, ERR_BUG, "a table is to be read by what is no key");
}

void
ranges_end(struct ranges *r)
{
	for (unsigned i = 0; i < r->options.clients; i++) {
		if (r->lines[i].range != NULL)
			line_leave(&r->lines[i], RANGE_PENDING);
		r->lines[i].given_up = false;
	}
	for (size_t i = 0; i < r->n; i++) {
		buf_finish(&r->list[i].from);
		buf_finish(&r->list[i].to);
		buf_finish(&r->list[i].after);
	}
	free(r->list);
	r->list = NULL;
	r->n = r->done = 0;
	r->at = 0;
	r->unsure = false;
	r->tries = 0;
	r->due = 0;
}

/* ---- failures ---- */

static int64_t
ranges_pause(const struct ranges *r, unsigned tries)
{
	return wait_now() + (r->options.retry_ms << tries);
}

static void
ranges_again(const struct ranges *r, const struct err *e)
{
	log_line(r->options.log, LOG_WARNING, "%s: %s; trying again", r->table.name, e->text);
}

/*
 * A connection could not be opened. While others read that is no reason to end: the table is read
 * over fewer. Return ERR_OK when it is worth going on.
 */
static int
ranges_unopened(struct ranges *r, struct line *line, int rc, const struct err *e)
{
	if (rc == ERR_INTR || rc == ERR_NOMEM)
		return rc;
	if (ranges_others(r, line)) {
		log_line(r->options.log, LOG_WARNING, "%s: %s; reading over fewer connections",
		    r->table.name, e->text);
		line->given_up = true;
		return ERR_OK;
	}
	if (rc != ERR_IO || r->tries == RANGES_TRIES)
		return rc;
	ranges_again(r, e);
	r->due = ranges_pause(r, r->tries++);
	return ERR_OK;
}

/* Ask the server to tell when the table can be read, or that it still cannot in a while. */
static int
line_wait(struct ranges *r, struct line *line, int64_t ms)
{
	buf_clear(&r->query);
	if (query_wait(&r->query, &r->table.table, (unsigned)((ms + 999) / 1000)) != ERR_OK)
		return ERR_NOMEM;
	return connection_start(line->c, &r->query, &line->waiting, NULL);
}

/*
 * Reading the range of ${line} has failed with ${rc}: get ready to try the same again. Return
 * ERR_OK when it is worth it, else ${rc}.
 */
static int
line_failed(struct ranges *r, struct line *line, int rc, const struct err *e)
{
	struct range *range = line->range;
	unsigned tries = range->tries;

	if ((rc != ERR_IO && rc != ERR_BUSY) || tries == RANGES_TRIES)
		return rc;
	ranges_again(r, e);
	if (line->scan != NULL &&
	    scan_last(line->scan, r->table.primary_key, &range->after) != ERR_OK)
		return rc;
	scan_close(line->scan);
	line->scan = NULL;
	range->due = ranges_pause(r, tries);
	range->tries++;
	r->unsure = true;
	if (rc == ERR_BUSY && line_usable(line) &&
	    line_wait(r, line, r->options.retry_ms << tries) == ERR_OK)
		return ERR_OK;
	line_leave(line, RANGE_PENDING);
	if (!line_usable(line))
		ranges_drop(r);
	return ERR_OK;
}

/* ---- reading ---- */

/* A table that was dropped and made anew meanwhile is not the one half read. */
static int
ranges_same(struct ranges *r, struct connection *c, struct err *e)
{
	int rc = describe_same(c, &r->table.table, r->table.id, e);

	r->unsure = rc != ERR_OK;
	return rc;
}

/* Ask for the documents of the line's range, or for the rest of them. */
static int
line_ask(struct ranges *r, struct line *line, struct err *e)
{
	struct query_scan what = {.table = r->table.table,
	    .primary_key = r->table.primary_key,
	    .from = &line->range->from,
	    .after = &line->range->after,
	    .to = &line->range->to,
	    .with_to = r->table.only != NULL,
	    .outdated = r->table.outdated,
	    .batch = r->table.batch};
	int rc = r->unsure ? ranges_same(r, line->c, e) : ERR_OK;

	buf_clear(&r->query);
	if (rc == ERR_OK && query_scan(&r->query, &what) != ERR_OK)
		rc = err_nomem(e);
	return rc == ERR_OK ? scan_open(line->c, &r->query, &line->scan, e) : rc;
}

/* Hear whether replicas are there: when they are, the pause is over. */
static int
line_hear(struct ranges *r, struct line *line, struct err *e)
{
	struct response answer;
	uint64_t token;
	int rc = connection_try(line->c, &token, &r->answer, e);

	if (rc != ERR_OK || token != line->waiting)
		return rc;
	if (response_read(r->answer.data, r->answer.len, &answer, NULL) == ERR_OK &&
	    response_check(&answer, NULL) == ERR_OK)
		line->range->due = 0;
	line_leave(line, RANGE_PENDING);
	r->moved = true;
	return ERR_OK;
}

/* The range that a free line can take now; NULL: none. */
static struct range *
ranges_due(const struct ranges *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct range *range = &r->list[i];
		if (range->state == RANGE_PENDING && (range->due == 0 || range->due <= wait_now()))
			return range;
	}
	return NULL;
}

/* Give a free line something to do, if there is something. */
static int
line_take(struct ranges *r, struct line *line, struct err *e)
{
	struct range *range = line->given_up ? NULL : ranges_due(r);
	int rc;

	if (range == NULL || (!line_usable(line) && r->due > wait_now()))
		return ERR_OK;
	r->moved = true;
	rc = line_open(r, line, e);
	if (rc != ERR_OK)
		return ranges_unopened(r, line, rc, e);
	range->state = RANGE_TAKEN;
	line->range = range;
	return ERR_OK;
}

/* Read on in the line's range. */
static int
line_read(struct ranges *r, struct line *line, struct member_span *out, struct err *e)
{
	int rc = ERR_OK;

	if (line->waiting != 0) {
		rc = line_hear(r, line, e);
	} else {
		if (line->scan == NULL)
			rc = line_ask(r, line, e);
		if (rc == ERR_OK)
			rc = scan_try(line->scan, out, e);
	}
	if (rc == ERR_OK)
		return ERR_OK;
	r->moved = true;
	*out = (struct member_span){0};
	if (rc != ERR_END)
		return line_failed(r, line, rc, e);
	line_leave(line, RANGE_DONE);
	r->done++;
	return ERR_OK;
}

/*
 * Look at each line once, beginning with the one that the last document came from. Return ERR_OK
 * and a document, or with out->data NULL none.
 */
static int
ranges_look(struct ranges *r, struct member_span *out, struct err *e)
{
	unsigned clients = r->options.clients;
	int rc = ERR_OK;

	r->moved = false;
	*out = (struct member_span){0};
	for (unsigned i = 0; i < clients && rc == ERR_OK; i++) {
		unsigned number = (r->at + i) % clients;
		struct line *line = &r->lines[number];
		struct range *range;
		if (line->range == NULL)
			rc = line_take(r, line, e);
		if (rc != ERR_OK || line->range == NULL)
			continue;
		range = line->range;
		rc = line_read(r, line, out, e);
		if (rc != ERR_OK || out->data == NULL)
			continue;
		r->at = number;
		range->tries = 0;
		r->tries = 0;
		return ERR_OK;
	}
	return rc;
}

/* The first moment at which there is something to do that no connection tells of. */
static int64_t
ranges_deadline(const struct ranges *r)
{
	int64_t now = wait_now(), idle = r->options.connect->idle_ms;
	int64_t first = now + (idle < RANGES_LOOK ? idle : RANGES_LOOK);

	if (r->due > now && r->due < first)
		first = r->due;
	for (size_t i = 0; i < r->n; i++) {
		const struct range *range = &r->list[i];
		if (range->state == RANGE_PENDING && range->due > now && range->due < first)
			first = range->due;
	}
	return first;
}

/* Wait until a connection has more, or something is due. */
static int
ranges_wait(struct ranges *r, struct err *e)
{
	size_t n = 0;
	int rc;

	for (unsigned i = 0; i < r->options.clients; i++) {
		const struct line *line = &r->lines[i];
		if (line->range != NULL)
			r->polled[n++] =
			    (struct pollfd){.fd = connection_fd(line->c), .events = POLLIN};
	}
	rc = wait_any(r->polled, n, ranges_deadline(r), r->options.connect->stop, e);
	return rc == ERR_BUSY ? ERR_OK : rc;
}

/* All ranges are read: make sure that they were all of one table. */
static int
ranges_last(struct ranges *r, struct err *e)
{
	struct connection *c;
	int rc = ERR_OK;

	while (r->n > 1 || r->unsure) {
		rc = ranges_connection(r, &c, e);
		if (rc == ERR_OK)
			rc = ranges_same(r, c, e);
		if (rc == ERR_OK || (rc != ERR_IO && rc != ERR_BUSY) || r->tries == RANGES_TRIES)
			break;
		ranges_again(r, e);
		rc = wait_pause(r->options.retry_ms << r->tries++, r->options.connect->stop, e);
		if (rc != ERR_OK)
			break;
	}
	return rc == ERR_OK ? ERR_END : rc;
}

int
ranges_next(struct ranges *r, struct member_span *out, struct err *e)
{
	for (;;) {
		int rc = ranges_look(r, out, e);
		if (rc != ERR_OK || out->data != NULL)
			return rc;
		if (r->done == r->n)
			return ranges_last(r, e);
		if (!r->moved)
			rc = ranges_wait(r, e);
		if (rc != ERR_OK)
			return rc;
	}
}
