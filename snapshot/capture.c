/*
 * Taking snapshots of a source: one run. The source is read once; a table whose documents came
 * before its configuration, and whose key field was not the one expected, is read a second time.
 * Nothing becomes visible before the end of the run.
 */
#include "catalog/base/date.h"
#include "catalog/forgotten.h"
#include "catalog/runs.h"
#include "snapshot/capture_internal.h"
#include "snapshot/reclaim.h"
#include "snapshot/repair.h"
#include "snapshot/store/pack.h"
#include "snapshot/store/runfile.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAPTURE_TABLES 100000 /* tables of one run */

/* What may wait for its configuration: bytes in memory; bytes in files, when a table ends that is
 * to wait in a file too; and such tables. */
#define CAPTURE_WAITING_MEMORY (64u << 20)
#define CAPTURE_WAITING_STORED (UINT64_C(4) << 30)
#define CAPTURE_WAITING_FILES 32u

/* One run in progress. */
struct run {
	struct capture *c;
	struct source *source;
	size_t number; /* the source's run */
	const struct capture_options *options;
	struct capture_result *result;
	struct capture_purpose purpose;
	bool recorded;                /* the run has a row in the catalogue */
	struct capture_table *tables; /* owned */
	size_t n, cap;
	size_t last;        /* the table that was asked for last */
	bool again;         /* second reading: only what was deferred */
	bool completing;    /* the commit that makes all of it visible was begun */
	uint64_t documents; /* read so far, for progress */
};

int
capture_open(const struct repo *repo, const struct log *log, struct capture **out, struct err *e)
{
	struct capture *c = calloc(1, sizeof(*c));
	int rc;

	if (c == NULL)
		return err_nomem(e);
	c->repo = repo;
	c->log = log;
	c->lock = -1;
	c->canon = canon_create();
	rc = c->canon != NULL ? ERR_OK : err_nomem(e);
	if (rc == ERR_OK)
		rc = repo_lock(repo, &c->lock, e);
	if (rc == ERR_OK)
		rc = catalog_open(repo, CATALOG_WRITE, &c->cat, e);
	if (rc == ERR_OK)
		rc = reclaim_recover(repo, c->cat, e);
	if (rc == ERR_OK)
		rc = capture_strays(c, e);
	if (rc != ERR_OK) {
		capture_close(c);
		return rc;
	}
	*out = c;
	return ERR_OK;
}

void
capture_close(struct capture *c)
{
	if (c == NULL)
		return;
	catalog_close(c->cat);
	if (c->lock >= 0)
		close(c->lock);
	canon_free(c->canon);
	buf_finish(&c->document);
	free(c);
}

/* ---- the run's tables ---- */

/* The source has this table: whether it is wanted. The names that want it are told apart from those
 * that nothing has. */
static bool
run_wants(const struct run *r, const char *database, const char *table)
{
	const struct capture_options *o = r->options;

	for (size_t i = 0; i < o->n_only && o->matched != NULL; i++)
		if (tables_match(&o->only[i], 1, database, table))
			o->matched[i] = true;
	return tables_match(o->only, o->n_only, database, table);
}

/* The table of that name; NULL: it is not known. Most items are of the one asked for last. */
static struct capture_table *
run_find(struct run *r, const char *database, const char *name)
{
	for (size_t i = 0; i <= r->n; i++) {
		size_t at = i == 0 ? r->last : r->n - i;
		struct capture_table *t = &r->tables[at];
		if (at < r->n && strcmp(t->name, name) == 0 && strcmp(t->database, database) == 0) {
			r->last = at;
			return t;
		}
	}
	return NULL;
}

/* The table of that name, new when it is not known; NULL when out of memory or over the limit. */
static struct capture_table *
run_table(struct run *r, const char *database, const char *name)
{
	struct capture_table *t = run_find(r, database, name);

	if (t != NULL)
		return t;
	if (r->n == r->cap) {
		size_t cap = r->cap > 0 ? r->cap * 2 : 16;
		if (cap > CAPTURE_TABLES)
			cap = CAPTURE_TABLES;
		if (r->n == cap || (t = realloc(r->tables, cap * sizeof(*t))) == NULL)
			return NULL;
		r->tables = t;
		r->cap = cap;
	}
	r->last = r->n;
	t = &r->tables[r->n++];
	*t = (struct capture_table){0};
	memcpy(t->database, database, strlen(database) + 1);
	memcpy(t->name, name, strlen(name) + 1);
	t->state = run_wants(r, database, name) ? CAPTURE_READING : CAPTURE_SKIPPED;
	return t;
}

/* Report ${t} as not taken, once. */
static void
run_fail(struct run *r, struct capture_table *t, const struct err *e)
{
	if (t->state == CAPTURE_FAILED)
		return;
	t->state = CAPTURE_FAILED;
	capture_table_drop(t);
	r->result->failed++;
	if (r->options->table_failed != NULL)
		r->options->table_failed(r->options->arg, t->database, t->name, e);
}

/* Whether ${rc} is the fault of one table's contents: the others can still be taken. */
static bool
run_table_fault(int rc)
{
	return rc == ERR_FORMAT || rc == ERR_KEY || rc == ERR_LIMIT;
}

/* ---- dates ---- */

/* What a look at the tables of a source that may be too old has found. */
struct dates {
	struct run *r;
	struct err *e;
	uint64_t wanted, there; /* tables wanted, those that have or had a snapshot at this very
				   date */
};

/* Whether the date is that of this machine's clock, not one that stands somewhere. */
static bool
run_is_of_now(const struct run *r)
{
	return !r->options->has_date && source_kind_of(r->source) == SOURCE_LIVE;
}

/* The repository has, or has had, the table at this date. */
static int
dates_skip(struct dates *d, const char *database, const char *name)
{
	struct capture_table *t = run_table(d->r, database, name);

	if (t == NULL)
		return err_nomem(d->e);
	t->state = CAPTURE_SKIPPED;
	d->there++;
	return ERR_OK;
}

static int
dates_table(void *arg, const char *database, const char *name)
{
	struct dates *d = arg;
	struct catalog *cat = d->r->c->cat;
	struct tables_table table;
	struct snapshots_snapshot last;
	char held[DATE_NAME], own[DATE_NAME];
	bool now = run_is_of_now(d->r);
	int rc;

	if (!run_wants(d->r, database, name))
		return ERR_OK;
	d->wanted++;
	rc = tables_find(cat, database, name, &table, d->e);
	if (rc == ERR_OK)
		rc = snapshots_at(cat, table.id, d->r->purpose.date, &last, d->e);
	/* What is of now cannot be there already, whatever the clock says. */
	if (rc == ERR_OK && !now)
		return dates_skip(d, database, name);
	if (rc == ERR_OK ||
	    (rc == ERR_ABSENT && tables_find(cat, database, name, &table, d->e) == ERR_OK))
		rc = snapshots_latest(cat, table.id, &last, d->e);
	if (rc == ERR_ABSENT || (rc == ERR_OK && last.date < d->r->purpose.date))
		return ERR_OK;
	/* An archive that lies about for longer than its snapshot was kept is no mistake. */
	if (rc == ERR_OK && !now)
		rc = forgotten_date(cat, table.id, d->r->purpose.date, d->e);
	if (rc == ERR_OK && !now)
		return dates_skip(d, database, name);
	if (rc != ERR_ABSENT && rc != ERR_OK)
		return rc;
	date_name(last.date, held);
	date_name(d->r->purpose.date, own);
	if (now)
		return err_set(d->e, ERR_ORDER,
		    "the clock says %s, but the repository already holds %s.%s of %s: set the "
		    "clock right, or forget that snapshot if it was wrong then",
		    own, database, name, held);
	return err_set(d->e, ERR_ORDER,
	    "%s is of %s, but the repository already holds %s.%s of %s: snapshots are taken oldest "
	    "first",
	    d->r->purpose.source, own, database, name, held);
}

/*
 * Refuse a run that is older than what its tables have, before anything is written. A source is
 * read from start to end for that only when some table of the repository is as new.
 */
static int
run_check_dates(struct run *r, struct err *e)
{
	struct dates d = {.r = r, .e = e};
	int64_t newest;
	int rc = snapshots_newest_date(r->c->cat, &newest, e);

	if (rc == ERR_ABSENT || (rc == ERR_OK && newest < r->purpose.date))
		return ERR_OK;
	if (rc == ERR_OK)
		rc = source_tables(r->source, r->number, dates_table, &d, e);
	if (rc == ERR_OK && d.wanted > 0 && d.there == d.wanted)
		r->result->already = true;
	return rc;
}

/* ---- items of the source ---- */

static int
run_record(struct run *r, struct err *e)
{
	int rc;

	if (r->recorded)
		return ERR_OK;
	rc = catalog_begin(r->c->cat, e);
	if (rc == ERR_OK)
		rc = snapshots_run_begin(r->c->cat, r->purpose.date, r->purpose.source,
		    date_now() / 1000, &r->purpose.run_id, e);
	if (rc == ERR_OK)
		rc = catalog_commit(r->c->cat, false, e);
	if (rc != ERR_OK)
		catalog_rollback(r->c->cat);
	r->recorded = rc == ERR_OK;
	return rc;
}

/* A copy of a tree that was broken off must not pass for all of the table. */
static int
run_whole(const struct run *r, const struct capture_table *t, struct err *e)
{
	uint64_t n = sort_count(t->sort);

	if (source_kind_of(r->source) != SOURCE_TREE || !t->config.counted ||
	    t->config.documents == n)
		return ERR_OK;
	return err_set(e, ERR_FORMAT,
	    "%s.%s: %" PRIu64 " documents, and the snapshot has %" PRIu64 ": copy all of it, or "
	    "take \"snapshot\" out of its .table.json to have it as it is",
	    t->database, t->name, n, t->config.documents);
}

/* All of ${t} is there: build its snapshot. */
static int
run_build(struct run *r, struct capture_table *t, struct err *e)
{
	int rc = run_whole(r, t, e);

	if (rc == ERR_OK)
		rc = run_record(r, e);
	if (rc == ERR_OK)
		rc = capture_build(r->c, t, &r->purpose, e);
	capture_table_drop(t);
	if (rc == ERR_OK) {
		t->state = CAPTURE_READY;
	} else if (run_table_fault(rc)) {
		err_prefix(e, "%s", r->purpose.source);
		run_fail(r, t, e);
		return ERR_OK;
	}
	return rc;
}

static void
run_defer(struct capture_table *t)
{
	capture_table_drop(t);
	t->state = CAPTURE_DEFERRED;
}

static int
run_config(struct run *r, struct capture_table *t, const struct source_item *item, struct err *e)
{
	int rc;

	if (t->has_config || t->state == CAPTURE_FAILED || t->state == CAPTURE_SKIPPED)
		return ERR_OK;
	rc = capture_config_read(r->c, item->data, item->len, &t->config, e);
	if (rc != ERR_OK) {
		if (!run_table_fault(rc))
			return rc;
		err_prefix(e, "%s: %s", r->purpose.source, item->file);
		run_fail(r, t, e);
		return ERR_OK;
	}
	t->has_config = true;
	if (t->state != CAPTURE_READ)
		return ERR_OK;
	if (t->guess.len != t->config.primary_key.len ||
	    memcmp(t->guess.data, t->config.primary_key.data, t->guess.len) != 0) {
		run_defer(t);
		return ERR_OK;
	}
	return run_build(r, t, e);
}

static int
run_document(struct run *r, struct capture_table *t, const struct source_item *item, struct err *e)
{
	int rc = capture_table_add(r->c, t, item, e);

	if (rc == ERR_OK) {
		r->documents++;
		return ERR_OK;
	}
	if (!run_table_fault(rc))
		return rc;
	source_skip_table(r->source);
	if (rc == ERR_KEY && !t->has_config) {
		run_defer(t);
		return ERR_OK;
	}
	err_prefix(e, "%s", r->purpose.source);
	run_fail(r, t, e);
	return ERR_OK;
}

/* The tables whose documents wait for a configuration that comes behind them. */
struct run_waiting {
	uint64_t memory; /* bytes in memory */
	uint64_t stored; /* bytes in files */
	size_t files;    /* tables that have one */
};

static struct run_waiting
run_waiting(const struct run *r)
{
	struct run_waiting w = {0};

	for (size_t i = 0; i < r->n; i++) {
		const struct sort *sort = r->tables[i].sort;
		if (r->tables[i].state != CAPTURE_READ)
			continue;
		w.memory += sort_memory(sort);
		if (sort_memory(sort) < sort_bytes(sort)) {
			w.stored += sort_bytes(sort);
			w.files++;
		}
	}
	return w;
}

/*
 * All documents of ${t} are there, and its configuration is not. It waits in memory while there is
 * room, else in a file; only when many others wait there already is it read a second time.
 */
static int
run_wait(struct run *r, struct capture_table *t, struct err *e)
{
	const struct run_waiting others = run_waiting(r);
	bool in_file = sort_memory(t->sort) < sort_bytes(t->sort);

	t->state = CAPTURE_READ;
	if (!in_file && others.memory + sort_memory(t->sort) <= CAPTURE_WAITING_MEMORY)
		return ERR_OK;
	if (others.stored <= CAPTURE_WAITING_STORED && others.files < CAPTURE_WAITING_FILES)
		return sort_park(t->sort, e);
	run_defer(t);
	return ERR_OK;
}

static int
run_table_end(struct run *r, struct capture_table *t, struct err *e)
{
	int rc;

	if (t->state != CAPTURE_READING || t->sort == NULL)
		return ERR_OK;
	rc = capture_table_settle(r->c, t, e);
	if (rc != ERR_OK)
		return rc;
	return t->has_config ? run_build(r, t, e) : run_wait(r, t, e);
}

/* Whether the documents that begin now are to be read. */
static bool
run_reads(const struct run *r, const struct capture_table *t)
{
	if (r->again)
		return t->state == CAPTURE_DEFERRED && t->has_config;
	return t->state == CAPTURE_READING;
}

/* ${t} is bad: also one that is built already, when the source has it twice. */
static int
run_bad(struct run *r, struct capture_table *t, struct err *e)
{
	struct err reason = *e;
	int rc = ERR_OK;

	if (t->state == CAPTURE_SKIPPED)
		return ERR_OK;
	if (t->state == CAPTURE_READY)
		rc = reclaim_take_back(r->c->repo, r->c->cat, t->snapshot.id, e);
	if (rc == ERR_OK)
		run_fail(r, t, &reason);
	return rc;
}

static int
run_item(struct run *r, const struct source_item *item, struct err *e)
{
	struct capture_table *t = run_table(r, item->database, item->table);

	if (t == NULL)
		return err_set(e, ERR_NOMEM, "%s: too many tables", r->purpose.source);
	switch (item->event) {
	case SOURCE_INFO:
		return run_config(r, t, item, e);
	case SOURCE_TABLE:
		if (run_reads(r, t))
			return capture_table_begin(r->c, t, item->latest, e);
		source_skip_table(r->source);
		return ERR_OK;
	case SOURCE_DOCUMENT:
	case SOURCE_DELETION:
		return t->sort != NULL && t->state == CAPTURE_READING ? run_document(r, t, item, e)
								      : ERR_OK;
	case SOURCE_TABLE_END:
		return run_table_end(r, t, e);
	case SOURCE_TABLE_BAD:
		return run_bad(r, t, e);
	}
	return ERR_OK;
}

/* Read the source from its first item to its last. */
static int
run_read(struct run *r, struct err *e)
{
	const struct capture_options *o = r->options;
	struct source_item item;
	uint64_t done, total, items = 0;
	int rc = source_start(r->source, r->number, e);

	while (rc == ERR_OK && (rc = source_next(r->source, &item, e)) == ERR_OK) {
		rc = run_item(r, &item, e);
		if (rc == ERR_OK && o->stop != NULL && *o->stop != 0)
			rc = err_set(e, ERR_INTR, "interrupted");
		if (o->reading != NULL && items++ % 256 == 0) {
			source_progress(r->source, &done, &total);
			o->reading(o->arg, done, total, r->documents);
		}
	}
	return rc == ERR_END ? ERR_OK : rc;
}

static bool
run_has_deferred(const struct run *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->tables[i].state == CAPTURE_DEFERRED && r->tables[i].has_config)
			return true;
	return false;
}

/* ---- the end of a run ---- */

/* What never became whole is reported. */
static void
run_incomplete(struct run *r, struct err *e)
{
	for (size_t i = 0; i < r->n; i++) {
		struct capture_table *t = &r->tables[i];
		if (t->state != CAPTURE_READING && t->state != CAPTURE_READ &&
		    t->state != CAPTURE_DEFERRED)
			continue;
		if (!t->has_config)
			err_set(e, ERR_FORMAT,
			    "%s: %s.%s has documents but no .info with its primary key",
			    r->purpose.source, t->database, t->name);
		else
			err_set(e, ERR_FORMAT, "%s: %s.%s has an .info but no documents (.json)",
			    r->purpose.source, t->database, t->name);
		run_fail(r, t, e);
	}
}

/* A catalogue older than packs/ may give out a number again; the record in that file is not ours to
 * take back. */
static int
run_record_free(const struct run *r, struct err *e)
{
	struct runfile there = {0};
	int rc = runfile_load(r->c->repo->packsfd, (uint64_t)r->purpose.run_id, &there, e);

	runfile_finish(&there);
	if (rc == ERR_OK || rc == ERR_CORRUPT || rc == ERR_VERSION)
		return err_set(e, ERR_EXISTS,
		    "packs/ has the record of a run %lld that catalog.db does not know: is "
		    "catalog.db "
		    "an older copy",
		    (long long)r->purpose.run_id);
	return rc == ERR_ABSENT ? ERR_OK : rc;
}

/* Write the record into the catalogue, durably: while the run's row has it, the file of that number
 * can be taken back. */
static int
run_record_row(struct run *r, const struct buf *record, struct err *e)
{
	struct catalog *cat = r->c->cat;
	int rc = catalog_begin(cat, e);

	if (rc == ERR_OK)
		rc = runs_record_put(cat, r->purpose.run_id, record->data, record->len, e);
	if (rc == ERR_OK)
		rc = catalog_commit(cat, true, e);
	if (rc != ERR_OK)
		catalog_rollback(cat);
	return rc;
}

/* Save what the source has besides its tables, into the catalogue and beside the packs. */
static int
run_save_record(struct run *r, struct err *e)
{
	const struct buf *raw = source_record(r->source);
	struct runfile file = {.id = (uint64_t)r->purpose.run_id, .date = r->purpose.date};
	int rc;

	if (raw == NULL)
		return ERR_OK;
	rc = canon_value(r->c->canon, raw->data, raw->len, &file.record, NULL, e);
	if (rc != ERR_OK)
		err_prefix(e, "%s: its users, permissions and configuration", r->purpose.source);
	else if (buf_puts(&file.source, r->purpose.source) != ERR_OK)
		rc = err_nomem(e);
	if (rc == ERR_OK)
		rc = run_record_free(r, e);
	if (rc == ERR_OK)
		rc = run_record_row(r, &file.record, e);
	if (rc == ERR_OK)
		rc = runfile_save(r->c->repo->packsfd, &file, e);
	runfile_finish(&file);
	return rc;
}

static int
run_complete(struct run *r, struct err *e)
{
	struct capture_result *result = r->result;
	int64_t *ids = calloc(r->n + 1, sizeof(*ids));
	size_t n = 0;
	int rc;

	if (ids == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < r->n; i++)
		if (r->tables[i].state == CAPTURE_READY)
			ids[n++] = r->tables[i].snapshot.id;
	rc = n > 0 ? run_save_record(r, e) : ERR_OK;
	r->completing = n > 0 && rc == ERR_OK;
	if (r->completing)
		rc = snapshots_complete(r->c->cat, ids, n, e);
	free(ids);
	if (rc != ERR_OK)
		return rc;
	for (size_t i = 0; i < r->n; i++) {
		const struct capture_table *t = &r->tables[i];
		if (t->state != CAPTURE_READY)
			continue;
		result->tables++;
		result->documents += t->snapshot.documents;
		result->new_versions += t->snapshot.added + t->snapshot.changed;
		result->stored_bytes += t->snapshot.stored_bytes;
		if (r->options->table_done != NULL)
			r->options->table_done(r->options->arg, t->database, t->name, &t->snapshot);
	}
	return ERR_OK;
}

static int
run_all(struct run *r, struct err *e)
{
	struct err reason = {0};
	int broken = ERR_OK;
	int rc = run_read(r, e);

	if (rc == ERR_TRUNCATED) {
		/* What was read whole is good; one line tells of the rest. */
		broken = rc;
		reason = *e;
	} else if (rc != ERR_OK) {
		return rc;
	}
	if (run_has_deferred(r)) {
		r->again = true;
		rc = run_read(r, e);
		if (rc != ERR_OK && rc != ERR_TRUNCATED)
			return rc;
	}
	if (broken == ERR_OK)
		run_incomplete(r, e);
	rc = run_complete(r, e);
	if (rc == ERR_OK && broken != ERR_OK) {
		*e = reason;
		return broken;
	}
	return rc;
}

static void
run_quiet(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

/* Put back what earlier snapshots have lost. What was taken is taken, whatever becomes of this. */
static void
run_restore(const struct run *r)
{
	const struct capture_options *o = r->options;
	const struct repair_options options = {.stop = o->stop,
	    .repaired = o->restored != NULL ? o->restored : run_quiet,
	    .lost = run_quiet,
	    .arg = o->arg};
	struct repair_result result;
	struct err e = {0};
	int rc = repair_lost(r->c->repo, r->c->cat, &options, &result, &e);

	if (rc != ERR_OK && (o->stop == NULL || *o->stop == 0))
		log_line(o->log, LOG_WARNING,
		    "what earlier snapshots have lost could not be put back: %s", e.text);
}

static int
run_date(struct run *r, struct err *e)
{
	struct source_run own = source_run(r->source, r->number);
	int rc;

	if (run_is_of_now(r)) {
		rc = capture_date_now(r->c, r->options->stop, &own.date, e);
		if (rc != ERR_OK)
			return rc;
	} else if (!r->options->has_date && !own.dated) {
		return err_set(e, ERR_ARG, "%s does not say its date; give it with --at DATE",
		    r->purpose.source);
	}
	r->purpose.date = r->options->has_date ? r->options->date : own.date;
	r->result->date = r->purpose.date;
	return ERR_OK;
}

int
capture_run(struct capture *c, struct source *source, size_t number,
    const struct capture_options *options, struct capture_result *result, struct err *e)
{
	struct err own = {0};
	struct run r = {
	    .c = c, .source = source, .number = number, .options = options, .result = result};
	int rc;

	if (e == NULL)
		e = &own;
	*result = (struct capture_result){0};
	r.purpose = (struct capture_purpose){.source = source_label(source), .options = options};
	rc = run_date(&r, e);
	if (rc == ERR_OK)
		rc = run_check_dates(&r, e);
	if (rc == ERR_OK && !result->already)
		rc = run_all(&r, e);
	for (size_t i = 0; i < r.n; i++)
		capture_table_finish(&r.tables[i]);
	free(r.tables);
	/* A commit whose sync failed may be on disk all the same: the next writer sees what is
	 * true. */
	if (!r.completing)
		reclaim_take_back(c->repo, c->cat, 0, NULL);
	/* One that is there already may have been stopped before it came to this. */
	if (result->tables > 0 || result->already)
		run_restore(&r);
	return rc;
}
