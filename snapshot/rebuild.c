/*
 * Making the catalogue again: the contract is in rebuild.h. First all packs are opened, in the
 * order of their numbers, and what they say of themselves is recorded; then each table is gone
 * through in the order of its keys.
 */
#include "snapshot/rebuild.h"

#include "catalog/forgotten.h"
#include "catalog/leftovers.h"
#include "catalog/packs.h"
#include "catalog/queue.h"
#include "snapshot/ledger.h"
#include "snapshot/rebuild_internal.h"
#include "snapshot/reclaim.h"
#include "snapshot/store/dictionary.h"
#include "snapshot/store/marker.h"
#include "snapshot/store/runfile.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void
rebuild_problem(struct rebuild *r, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->result->problems++;
	r->options->problem(r->options->arg, text);
}

int
rebuild_step(struct rebuild *r, uint64_t packs, struct err *e)
{
	const struct rebuild_options *o = r->options;
	int rc = ERR_OK;

	r->done += packs;
	if (o->stop != NULL && *o->stop != 0)
		return err_set(e, ERR_INTR, "interrupted");
	if (o->progress != NULL && (packs > 0 || r->rows % 1024 == 0))
		o->progress(o->arg, r->done, r->total, r->result->versions);
	if (++r->rows < REBUILD_BATCH)
		return ERR_OK;
	r->rows = 0;
	rc = catalog_commit(r->cat, false, e);
	return rc == ERR_OK ? catalog_begin(r->cat, e) : rc;
}

/* ---- what files there are ---- */

static int
ids_add(struct rebuild_ids *list, uint64_t id)
{
	if (list->n == list->cap) {
		size_t cap = list->cap > 0 ? list->cap * 2 : 1024;
		uint64_t *ids = reallocarray(list->ids, cap, sizeof(*ids));
		if (ids == NULL)
			return ERR_NOMEM;
		list->ids = ids;
		list->cap = cap;
	}
	list->ids[list->n++] = id;
	return ERR_OK;
}

static int
ids_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void
ids_sort(struct rebuild_ids *list)
{
	if (list->n > 0)
		qsort(list->ids, list->n, sizeof(uint64_t), ids_compare);
}

static int
rebuild_found(void *arg, uint64_t id, bool is_dictionary)
{
	struct rebuild *r = arg;

	return ids_add(is_dictionary ? &r->dicts : &r->packs, id);
}

static int
rebuild_list(struct rebuild *r, struct err *e)
{
	int rc = pack_list(r->repo->packsfd, rebuild_found, r, e);

	if (rc == ERR_NOMEM)
		return err_nomem(e);
	ids_sort(&r->packs);
	ids_sort(&r->dicts);
	r->total = 2 * r->packs.n;
	return rc;
}

/* ---- what else tells of snapshots ---- */

/* What nobody is told. */
static void
rebuild_untold(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

/*
 * When the catalogue that there is is whole, what it has begun with files is carried out first: of
 * a pack that is to be replaced, the file under the temporary name may be the only whole one. The
 * ledger is left alone: it may be newer than a catalogue that was put back.
 */
static int
rebuild_old(struct rebuild *r, struct err *e)
{
	struct catalog *old;
	int rc = catalog_open(r->repo, CATALOG_WRITE, &old, NULL);

	if (rc != ERR_OK)
		return ERR_OK;
	if (catalog_check(old, rebuild_untold, NULL, NULL) != ERR_OK) {
		catalog_close(old);
		return ERR_OK;
	}
	r->old = old;
	rc = reclaim_files(r->repo, old, e);
	return rc == ERR_CORRUPT ? ERR_OK : rc;
}

int
rebuild_was_complete(
    struct rebuild *r, const struct snapshots_snapshot *s, bool *out, struct err *e)
{
	struct snapshots_snapshot was = {0};
	int rc = ERR_ABSENT;

	*out = s->id <= r->ledger.last[LEDGERFILE_SNAPSHOTS];
	if (r->old != NULL && !*out)
		rc = snapshots_any(r->old, s->id, &was, e);
	if (rc == ERR_OK)
		*out = was.table_id == s->table_id && was.date == s->date;
	return rc == ERR_ABSENT ? ERR_OK : rc;
}

/* ---- what is forgotten ---- */

static int
rebuild_marker_found(void *arg, uint64_t snapshot_id)
{
	return ids_add(arg, snapshot_id);
}

/*
 * The snapshots that have a marker. One that is damaged is one all the same: it got its name when
 * it was whole, and gc may have taken what the snapshot would show.
 */
static int
rebuild_markers(struct rebuild *r, struct err *e)
{
	int rc = marker_list(r->repo->packsfd, rebuild_marker_found, &r->forgotten, e);

	ids_sort(&r->forgotten);
	for (size_t i = 0; i < r->forgotten.n && rc == ERR_OK; i++) {
		struct marker m;
		struct err why = {0};
		rc = marker_load(r->repo->packsfd, r->forgotten.ids[i], &m, &why);
		if (rc == ERR_CORRUPT) {
			rebuild_problem(r, "%s", why.text);
			rc = ERR_OK;
		} else if (rc != ERR_OK) {
			err_set(e, rc, "%s", why.text);
		}
	}
	return rc == ERR_NOMEM ? err_nomem(e) : rc;
}

bool
rebuild_is_forgotten(const struct rebuild *r, int64_t snapshot_id)
{
	uint64_t id = (uint64_t)snapshot_id;

	return r->forgotten.n > 0 &&
	       bsearch(&id, r->forgotten.ids, r->forgotten.n, sizeof(id), ids_compare) != NULL;
}

/* ---- packs ---- */

/* A pack's texts, each with a NUL behind it. */
struct rebuild_texts {
	char *database, *table, *primary_key, *source;
};

static char *
texts_copy(const struct buf *b)
{
	return strndup(b->len > 0 ? (const char *)b->data : "", b->len);
}

static void
texts_free(struct rebuild_texts *t)
{
	free(t->database);
	free(t->table);
	free(t->primary_key);
	free(t->source);
}

/* Record a pack that says ${m} of itself; ${totals} NULL: that is all that can be read of it. */
static int
rebuild_record(
    struct rebuild *r, const struct pack_meta *m, const struct pack_totals *totals, struct err *e)
{
	struct rebuild_texts t = {.database = texts_copy(&m->database),
	    .table = texts_copy(&m->table),
	    .primary_key = texts_copy(&m->primary_key),
	    .source = texts_copy(&m->source)};
	struct remake_pack p = {.id = (int64_t)m->pack_id,
	    .snapshot_id = (int64_t)m->snapshot_id,
	    .table_id = (int64_t)m->table_id,
	    .database_id = (int64_t)m->database_id,
	    .dictionary_id = (int64_t)m->dictionary_id,
	    .date = m->date,
	    .shard = m->shard,
	    .shards = m->shards,
	    .lower = m->lower,
	    .upper = m->upper,
	    .config = m->config.data,
	    .config_len = m->config.len,
	    .has_shard = totals != NULL};
	int rc = ERR_NOMEM;

	p.database = t.database;
	p.table = t.table;
	p.primary_key = t.primary_key;
	p.source = t.source;
	if (totals != NULL) {
		p.documents = totals->documents;
		p.deletions = totals->deletions;
		p.bytes = totals->bytes;
	}
	if (t.database != NULL && t.table != NULL && t.primary_key != NULL && t.source != NULL)
		rc = remake_pack_add(r->cat, &p, e);
	else
		err_nomem(e);
	texts_free(&t);
	return rc;
}

static int
rebuild_damage_add(struct rebuild *r, const struct pack_meta *m, struct err *e)
{
	if (r->n_damages == r->cap_damages) {
		size_t cap = r->cap_damages > 0 ? r->cap_damages * 2 : 16;
		struct rebuild_damage *d = reallocarray(r->damages, cap, sizeof(*d));
		if (d == NULL)
			return err_nomem(e);
		r->damages = d;
		r->cap_damages = cap;
	}
	r->damages[r->n_damages++] = (struct rebuild_damage){
	    (int64_t)m->pack_id, (int64_t)m->snapshot_id, m->shard, m->lower};
	return ERR_OK;
}

/* A pack of which only the header can be read: its snapshot is known, its lines are not. */
static int
rebuild_record_header(struct rebuild *r, uint64_t id, int64_t *snapshot_id, struct err *e)
{
	struct pack_meta m = {0};
	int rc = pack_open_header(r->repo->packsfd, id, &m, e);

	if (rc == ERR_OK)
		rc = rebuild_record(r, &m, NULL, e);
	if (rc == ERR_OK) {
		*snapshot_id = (int64_t)m.snapshot_id;
		rc = rebuild_damage_add(r, &m, e);
	}
	pack_meta_finish(&m);
	return rc;
}

/* Of a pack that cannot be read nothing is known but its number. */
static int
rebuild_blind_add(struct rebuild *r, int64_t before, struct err *e)
{
	if (r->n_blinds == r->cap_blinds) {
		size_t cap = r->cap_blinds > 0 ? r->cap_blinds * 2 : 16;
		struct rebuild_blind *b = reallocarray(r->blinds, cap, sizeof(*b));
		if (b == NULL)
			return err_nomem(e);
		r->blinds = b;
		r->cap_blinds = cap;
	}
	r->blinds[r->n_blinds++] = (struct rebuild_blind){before, INT64_MAX};
	return ERR_OK;
}

/* Look at one pack; ${last} is the snapshot of the one before. */
static int
rebuild_pack(struct rebuild *r, uint64_t id, int64_t *last, struct err *e)
{
	struct err why = {0};
	int64_t before = *last;
	struct pack *pack = NULL;
	int rc = pack_open(r->repo->packsfd, id, &pack, &why);

	if (rc == ERR_OK)
		rc = rebuild_record(r, pack_describe(pack), pack_count(pack), &why);
	if (rc == ERR_OK) {
		*last = (int64_t)pack_describe(pack)->snapshot_id;
		r->result->packs++;
	}
	pack_close(pack);
	if (rc == ERR_CORRUPT) {
		rebuild_problem(r, "%s", why.text);
		rc = rebuild_record_header(r, id, last, &why);
		if (rc == ERR_CORRUPT)
			return rebuild_blind_add(r, before, e);
	}
	if (rc != ERR_OK)
		return err_set(e, rc == ERR_ABSENT ? ERR_IO : rc, "%s", why.text);
	for (size_t i = r->n_blinds; i > 0 && r->blinds[i - 1].behind == INT64_MAX; i--)
		r->blinds[i - 1].behind = *last;
	return ERR_OK;
}

static int
rebuild_packs(struct rebuild *r, struct err *e)
{
	int64_t last = 0;
	int rc = ERR_OK;

	for (size_t i = 0; i < r->packs.n && rc == ERR_OK; i++) {
		rc = rebuild_pack(r, r->packs.ids[i], &last, e);
		if (rc == ERR_OK)
			rc = rebuild_step(r, 1, e);
	}
	return rc;
}

bool
rebuild_may_be_blind(const struct rebuild *r, int64_t snapshot_id)
{
	for (size_t i = 0; i < r->n_blinds; i++)
		if (r->blinds[i].before == snapshot_id || r->blinds[i].behind == snapshot_id)
			return true;
	return false;
}

bool
rebuild_is_damaged(const struct rebuild *r, int64_t snapshot_id)
{
	for (size_t i = 0; i < r->n_damages; i++)
		if (r->damages[i].snapshot_id == snapshot_id)
			return true;
	return rebuild_may_be_blind(r, snapshot_id);
}

const struct rebuild_damage *
rebuild_shard_damage(const struct rebuild *r, int64_t snapshot_id, uint64_t shard)
{
	for (size_t i = 0; i < r->n_damages; i++)
		if (r->damages[i].snapshot_id == snapshot_id && r->damages[i].shard == shard)
			return &r->damages[i];
	return NULL;
}

/* ---- runs ---- */

static int
rebuild_run_found(void *arg, uint64_t id)
{
	return ids_add(arg, id);
}

static int
rebuild_run_file(struct rebuild *r, uint64_t id, struct err *e)
{
	struct runfile run = {0};
	struct err why = {0};
	int rc = runfile_load(r->repo->packsfd, id, &run, &why);

	if (rc == ERR_OK && buf_str(&run.source) == NULL)
		rc = ERR_NOMEM;
	if (rc == ERR_OK)
		rc = remake_run_add(r->cat, (int64_t)id, run.date, (const char *)run.source.data,
		    run.record.data, run.record.len, &why);
	runfile_finish(&run);
	if (rc == ERR_CORRUPT) {
		rebuild_problem(r, "%s", why.text);
		return ERR_OK;
	}
	return rc == ERR_OK ? rc : err_set(e, rc, "%s", why.text);
}

/* Runs that have a file keep the number that it has. */
static int
rebuild_runs(struct rebuild *r, struct err *e)
{
	struct rebuild_ids runs = {0};
	int rc = runfile_list(r->repo->packsfd, rebuild_run_found, &runs, e);

	ids_sort(&runs);
	for (size_t i = 0; i < runs.n && rc == ERR_OK; i++)
		rc = rebuild_run_file(r, runs.ids[i], e);
	free(runs.ids);
	return rc == ERR_NOMEM ? err_nomem(e) : rc;
}

/* ---- dictionaries ---- */

static int
rebuild_dictionary(struct rebuild *r, uint64_t id, struct err *e)
{
	struct dictionary *d = NULL;
	struct buf bytes = {0};
	struct err why = {0};
	uint64_t table_id = 0;
	int rc = dictionary_load(r->repo->packsfd, id, &table_id, &bytes, &why);

	if (rc == ERR_OK)
		rc = dictionary_create(id, bytes.data, bytes.len, &d, &why);
	dictionary_free(d);
	if (rc == ERR_OK)
		rc = remake_dictionary(
		    r->cat, (int64_t)id, (int64_t)table_id, bytes.data, bytes.len, &why);
	buf_finish(&bytes);
	if (rc == ERR_CORRUPT) {
		rebuild_problem(r, "%s", why.text);
		return ERR_OK;
	}
	if (rc == ERR_OK)
		r->result->dictionaries++;
	return rc == ERR_OK ? rc : err_set(e, rc, "%s", why.text);
}

static int
rebuild_dictionaries(struct rebuild *r, struct err *e)
{
	int rc = ERR_OK;

	for (size_t i = 0; i < r->dicts.n && rc == ERR_OK; i++) {
		rc = rebuild_dictionary(r, r->dicts.ids[i], e);
		if (rc == ERR_OK)
			rc = rebuild_step(r, 0, e);
	}
	return rc;
}

/* ---- the whole ---- */

static int
rebuild_tables(struct rebuild *r, struct err *e)
{
	struct tables_table t = {0};
	int rc;

	while ((rc = remake_table_next(r->cat, t.id, &t, e)) == ERR_OK) {
		rc = rebuild_table(r, &t, e);
		if (rc != ERR_OK)
			return rc;
		r->result->tables++;
	}
	return rc == ERR_END ? ERR_OK : rc;
}

/* Numbers that were given out are not given out again, as far as anything tells of them. */
static int
rebuild_numbers(struct rebuild *r, struct err *e)
{
	struct catalog *old;
	int rc = ERR_OK;

	for (size_t i = r->packs.n; i > 0 && rc == ERR_OK; i--)
		if (r->packs.ids[i - 1] < (uint64_t)PACKS_ID_MAX) {
			rc = remake_sequence(r->cat, "packs", (int64_t)r->packs.ids[i - 1], e);
			break;
		}
	for (size_t i = r->dicts.n; i > 0 && rc == ERR_OK; i--)
		if (r->dicts.ids[i - 1] < (uint64_t)PACKS_ID_MAX) {
			rc = remake_sequence(
			    r->cat, "dictionaries", (int64_t)r->dicts.ids[i - 1], e);
			break;
		}
	if (rc == ERR_OK && r->forgotten.n > 0)
		rc = remake_sequence(
		    r->cat, "snapshots", (int64_t)r->forgotten.ids[r->forgotten.n - 1], e);
	if (rc != ERR_OK || catalog_open(r->repo, CATALOG_READ, &old, NULL) != ERR_OK)
		return rc;
	rc = remake_sequences(r->cat, old, e);
	catalog_close(old);
	return rc;
}

/* Tags, pins, and what is forgotten and gone; the next writer writes what there is of it now. */
static int
rebuild_ledger(struct rebuild *r, struct err *e)
{
	struct err why = {0};
	int rc = ledger_restore(r->repo, r->cat, &why);

	if (rc == ERR_CORRUPT)
		rebuild_problem(r, "%s; tags and pins are lost", why.text);
	else if (rc != ERR_OK)
		return err_set(e, rc, "%s", why.text);
	return leftovers_add(r->cat, LEFTOVERS_LEDGER, LEFTOVERS_ONLY, e);
}

static int
rebuild_fill(struct rebuild *r, struct err *e)
{
	int rc = catalog_begin(r->cat, e);

	if (rc == ERR_OK)
		rc = rebuild_runs(r, e);
	if (rc == ERR_OK)
		rc = rebuild_packs(r, e);
	if (rc == ERR_OK)
		rc = rebuild_dictionaries(r, e);
	if (rc == ERR_OK)
		rc = rebuild_tables(r, e);
	if (rc == ERR_OK)
		rc = rebuild_ledger(r, e);
	if (rc == ERR_OK)
		rc = remake_finish(r->cat, e);
	if (rc == ERR_OK)
		rc = rebuild_numbers(r, e);
	return rc == ERR_OK ? catalog_commit(r->cat, true, e) : rc;
}

/* A repository of which packs/ alone was copied has no queue either. */
static int
rebuild_queue(const struct repo *repo, struct err *e)
{
	struct stat st;

	if (fstatat(repo->dirfd, "queue.db", &st, AT_SYMLINK_NOFOLLOW) == 0)
		return ERR_OK;
	return queue_create(repo->path, e);
}

static void
rebuild_free(struct rebuild *r)
{
	pack_reader_free(r->reader);
	free(r->packs.ids);
	free(r->dicts.ids);
	free(r->damages);
	free(r->forgotten.ids);
	ledgerfile_finish(&r->ledger);
	free(r->blinds);
}

/* Look what there is below packs/. */
static int
rebuild_look(struct rebuild *r, struct err *e)
{
	int rc;

	r->reader = pack_reader_create();
	if (r->reader == NULL)
		return err_nomem(e);
	rc = rebuild_list(r, e);
	if (rc == ERR_OK)
		rc = rebuild_markers(r, e);
	/* It is judged when it is taken over (rebuild_ledger): here it tells what it can. */
	(void)ledgerfile_load(r->repo->packsfd, &r->ledger, NULL);
	return rc;
}

int
rebuild_run(const struct repo *repo, const struct rebuild_options *options,
    struct rebuild_result *result, struct err *e)
{
	struct rebuild r = {.repo = repo, .options = options, .result = result};
	int rc;

	*result = (struct rebuild_result){0};
	rc = rebuild_old(&r, e);
	if (rc == ERR_OK)
		rc = rebuild_look(&r, e);
	if (rc == ERR_OK)
		rc = remake_create(repo, &r.cat, e);
	if (rc == ERR_OK) {
		rc = rebuild_fill(&r, e);
		if (rc == ERR_OK)
			rc = rebuild_queue(repo, e);
		catalog_close(r.old);
		r.old = NULL;
		if (rc == ERR_OK)
			rc = remake_place(repo, r.cat, result->kept, sizeof(result->kept), e);
		else
			remake_abort(repo, r.cat);
	}
	catalog_close(r.old);
	rebuild_free(&r);
	return rc;
}

/* ---- comparing ---- */

/* What the catalogue says is forgotten: check compares that with the markers. */
static int
compare_forgotten(struct rebuild *r, struct catalog *cat, struct err *e)
{
	int64_t table_id = 0;
	int rc;

	while ((rc = forgotten_table_next(cat, table_id, &table_id, e)) == ERR_OK) {
		struct snapshots_snapshot s = {0};
		while ((rc = forgotten_next(cat, table_id, s.id, &s, e)) == ERR_OK)
			if (ids_add(&r->forgotten, (uint64_t)s.id) != ERR_OK)
				return err_nomem(e);
		if (rc != ERR_END)
			return rc;
	}
	ids_sort(&r->forgotten);
	return rc == ERR_END ? ERR_OK : rc;
}

/* The packs of complete snapshots, and all dictionaries. */
static int
compare_list(struct rebuild *r, struct catalog *cat, struct err *e)
{
	struct packs_dictionary d = {0};
	struct packs_pack p = {0};
	int rc;

	while ((rc = packs_next(cat, p.id, &p, e)) == ERR_OK)
		if (ids_add(&r->packs, (uint64_t)p.id) != ERR_OK)
			return err_nomem(e);
	if (rc != ERR_END)
		return rc;
	while ((rc = packs_dictionary_next(cat, d.id, &d, e)) == ERR_OK)
		if (ids_add(&r->dicts, (uint64_t)d.id) != ERR_OK)
			return err_nomem(e);
	return rc == ERR_END ? ERR_OK : rc;
}

static int
compare_fill(struct rebuild *r, struct err *e)
{
	int rc = catalog_begin(r->cat, e);

	if (rc == ERR_OK)
		rc = rebuild_packs(r, e);
	if (rc == ERR_OK)
		rc = rebuild_dictionaries(r, e);
	if (rc == ERR_OK)
		rc = rebuild_tables(r, e);
	return rc == ERR_OK ? catalog_commit(r->cat, false, e) : rc;
}

int
rebuild_compare(const struct repo *repo, struct catalog *cat, const struct rebuild_options *options,
    struct err *e)
{
	struct rebuild_options quiet = *options;
	struct rebuild_result result = {0};
	struct rebuild r = {.repo = repo, .options = &quiet, .result = &result, .old = cat};
	int rc;

	/* That documents were lost is no difference: it is in the catalogue. */
	quiet.problem = rebuild_untold;
	quiet.progress = NULL;
	r.reader = pack_reader_create();
	rc = r.reader != NULL ? compare_list(&r, cat, e) : err_nomem(e);
	if (rc == ERR_OK)
		rc = compare_forgotten(&r, cat, e);
	if (rc == ERR_OK)
		rc = remake_scratch(&r.cat, e);
	if (rc == ERR_OK)
		rc = compare_fill(&r, e);
	if (rc == ERR_OK)
		rc = remake_compare(r.cat, repo, options->problem, options->arg, e);
	catalog_close(r.cat);
	rebuild_free(&r);
	return rc;
}
