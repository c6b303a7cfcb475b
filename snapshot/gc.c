/*
 * Collecting what forgotten snapshots leave: the contract is in gc.h.
 *
 * A pack of a forgotten snapshot F has two kinds of lines (thinkback-pack(5)):
 * - A version (lost or not), born in F and ended at D, is dead when no snapshot between F and D is
 * shown (from F on, before D). If the one before it ended at F, that one lasts until D now: there
 * is a line for its key at D.
 * - A deletion ends the version before it. It is dead when there is none that it ends, or when no
 *   snapshot between F and the next version of the key is shown; then the one before lasts until
 *   that one.
 * So whatever is shown finds for each key the same version as before, in the catalogue and in the
 * packs.
 *
 * Behind the newest snapshot that is shown all lines are dead. These snapshots are looked at newest
 * first, and each step leaves the table as if the snapshot had never been taken: what lived until
 * it is alive again, and no later line is there to end it in the packs. The next snapshot is
 * compared with what is alive, whether gc was through or not.
 *
 * Each pack is one step: the new file is written under a temporary name, rows are deleted and the
 * file recorded as a leftover in one durable transaction, then the file is removed or replaced.
 * Whoever reads meanwhile and misses something asks the catalogue again, which has not had it since
 * before the file went (fs/view.h); what is open stays readable.
 */
#include "snapshot/gc.h"

#include "catalog/base/digest.h"
#include "catalog/forgotten.h"
#include "catalog/leftovers.h"
#include "catalog/packs.h"
#include "catalog/snapshots.h"
#include "catalog/versions.h"
#include "snapshot/gc_internal.h"
#include "snapshot/reclaim.h"
#include "snapshot/store/marker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is shown ---- */

static int
gc_shown_add(struct gc *g, int64_t id, struct err *e)
{
	/* Powers of two: room is made when the count reaches one. */
	if ((g->n_shown & (g->n_shown - 1)) == 0) {
		size_t room = g->n_shown > 0 ? g->n_shown * 2 : 1;
		int64_t *shown = reallocarray(g->shown, room, sizeof(*shown));
		if (shown == NULL)
			return err_nomem(e);
		g->shown = shown;
	}
	g->shown[g->n_shown++] = id;
	return ERR_OK;
}

static int
gc_shown_load(struct gc *g, int64_t table_id, struct err *e)
{
	struct snapshots_snapshot s = {0};
	int rc;

	g->n_shown = 0;
	while ((rc = snapshots_next(g->cat, table_id, s.id, &s, e)) == ERR_OK)
		if ((rc = gc_shown_add(g, s.id, e)) != ERR_OK)
			return rc;
	return rc == ERR_END ? ERR_OK : rc;
}

/* Whether a snapshot from ${from} on and before ${to} is shown. */
static bool
gc_shown_between(const struct gc *g, int64_t from, int64_t to)
{
	size_t low = 0, high = g->n_shown;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (g->shown[middle] < from)
			low = middle + 1;
		else
			high = middle;
	}
	return low < g->n_shown && g->shown[low] < to;
}

/* ---- lines ---- */

static int
gc_judge_put(struct gc *g, const struct packs_pack *p, const struct pack_entry *entry,
    struct gc_verdict *out, struct err *e)
{
	struct versions_version v, before;
	int rc = versions_born(g->cat, p->table_id, &entry->key, p->snapshot_id, &v, e);

	if (rc == ERR_ABSENT ||
	    (rc == ERR_OK && (v.pack_id != p->id || v.ordinal != entry->ordinal)))
		return err_set(e, ERR_CORRUPT,
		    "catalog.db does not agree with pack %" PRId64 "; run: thinkback check", p->id);
	if (rc != ERR_OK || gc_shown_between(g, v.born, v.died))
		return rc;
	out->dead = true;
	out->until = v.died;
	rc = versions_before(g->cat, p->table_id, &entry->key, v.born, &before, e);
	if (rc == ERR_OK && before.died == v.born)
		out->extended = before.born;
	return rc == ERR_ABSENT ? ERR_OK : rc;
}

static int
gc_judge_deletion(struct gc *g, const struct packs_pack *p, const struct pack_entry *entry,
    struct gc_verdict *out, struct err *e)
{
	struct versions_version before, after;
	int64_t next = VERSIONS_ALIVE;
	int rc = versions_before(g->cat, p->table_id, &entry->key, p->snapshot_id, &before, e);

	if (rc == ERR_ABSENT || (rc == ERR_OK && before.died != p->snapshot_id)) {
		out->dead = true;
		return ERR_OK;
	}
	if (rc == ERR_OK)
		rc = versions_after(g->cat, p->table_id, &entry->key, p->snapshot_id, &after, e);
	if (rc == ERR_OK)
		next = after.born;
	else if (rc != ERR_ABSENT)
		return rc;
	if (gc_shown_between(g, p->snapshot_id, next))
		return ERR_OK;
	*out = (struct gc_verdict){.dead = true, .extended = before.born, .until = next};
	return ERR_OK;
}

/* Is the line of ${p} still needed, and what follows for the version before it if not? */
static int
gc_judge(struct gc *g, const struct packs_pack *p, const struct pack_entry *entry,
    struct gc_verdict *out, struct err *e)
{
	*out = (struct gc_verdict){0};
	return entry->deleted ? gc_judge_deletion(g, p, entry, out, e)
			      : gc_judge_put(g, p, entry, out, e);
}

/*
 * A document counts as changed where the version before it ends, and else as new, as the packs have
 * it: with a version that goes and leaves none to end there one is new that was changed, and with a
 * deletion that goes one is changed that was new.
 */
static int
gc_recount(struct gc *g, const struct packs_pack *p, const struct pack_entry *entry,
    const struct gc_verdict *verdict, struct err *e)
{
	struct versions_version v;
	int rc;

	if (entry->deleted != (verdict->extended != 0) || verdict->until == VERSIONS_ALIVE)
		return ERR_OK;
	rc = versions_born(g->cat, p->table_id, &entry->key, verdict->until, &v, e);
	if (rc == ERR_OK)
		rc = snapshots_recount(g->cat, verdict->until, entry->deleted ? 1 : -1, e);
	return rc == ERR_ABSENT ? ERR_OK : rc;
}

/* Let the catalogue know that the line is gone. */
static int
gc_bury(struct gc *g, const struct packs_pack *p, const struct pack_entry *entry,
    const struct gc_verdict *verdict, struct err *e)
{
	int rc = ERR_OK;

	if (!entry->deleted)
		rc = versions_delete(g->cat, p->table_id, &entry->key, p->snapshot_id, e);
	if (rc == ERR_OK && verdict->extended != 0)
		rc = versions_extend(
		    g->cat, p->table_id, &entry->key, verdict->extended, verdict->until, e);
	if (rc == ERR_ABSENT)
		return err_set(e, ERR_BUG, "a version of pack %" PRId64 " has vanished", p->id);
	return rc == ERR_OK ? gc_recount(g, p, entry, verdict, e) : rc;
}

/* ---- packs ---- */

/* Hand each line of the pack with its verdict to ${line}. */
static int
gc_walk(struct gc *g, const struct gc_pack *p,
    int (*line)(struct gc *g, const struct gc_pack *p, const struct pack_entry *entry,
	const struct gc_verdict *verdict, struct err *e),
    struct err *e)
{
	struct pack_walk walk = {0};
	struct gc_verdict verdict;
	struct pack_entry entry;
	int rc;

	while ((rc = pack_entry_next(p->pack, g->reader, &walk, &entry, e)) == ERR_OK) {
		if (g->options->stop != NULL && *g->options->stop != 0)
			return err_set(e, ERR_INTR, "interrupted");
		rc = gc_judge(g, &p->row, &entry, &verdict, e);
		if (rc == ERR_OK)
			rc = line(g, p, &entry, &verdict, e);
		if (rc != ERR_OK)
			return rc;
	}
	return rc == ERR_END ? ERR_OK : rc;
}

static int
gc_line_count(struct gc *g, const struct gc_pack *p, const struct pack_entry *entry,
    const struct gc_verdict *verdict, struct err *e)
{
	struct gc_tally *t = &g->tally;

	(void)p;
	(void)e;
	if (!verdict->dead)
		t->live++;
	else if (!entry->deleted)
		t->dead_versions++;
	if (entry->lost)
		return ERR_OK;
	if (verdict->dead)
		t->dead_bytes += entry->size;
	t->bytes += entry->size;
	return ERR_OK;
}

static int
gc_line_bury(struct gc *g, const struct gc_pack *p, const struct pack_entry *entry,
    const struct gc_verdict *verdict, struct err *e)
{
	return verdict->dead ? gc_bury(g, &p->row, entry, verdict, e) : ERR_OK;
}

static int
gc_line_copy(struct gc *g, const struct gc_pack *p, const struct pack_entry *entry,
    const struct gc_verdict *verdict, struct err *e)
{
	if (verdict->dead)
		return gc_bury(g, &p->row, entry, verdict, e);
	return gc_copy_line(g->copy, entry, e);
}

/* The rows of a pack that goes, with its snapshot's when it was the last one. */
static int
gc_remove_rows(struct gc *g, const struct gc_pack *p, bool *last, struct err *e)
{
	int rc = gc_walk(g, p, gc_line_bury, e);

	if (rc == ERR_OK)
		rc = packs_drop(g->cat, p->row.id, e);
	if (rc == ERR_OK)
		rc = forgotten_drop(g->cat, p->row.snapshot_id, e);
	*last = rc == ERR_OK;
	return rc == ERR_ABSENT ? ERR_OK : rc;
}

/* The rows of a pack that is written again, and its new file under a temporary name. */
static int
gc_rewrite_rows(struct gc *g, const struct gc_pack *p, uint64_t *bytes, struct err *e)
{
	struct pack_totals totals;
	struct packs_pack row;
	int rc = gc_copy_create(g->repo, p, &g->copy, e);

	if (rc != ERR_OK)
		return rc;
	rc = gc_walk(g, p, gc_line_copy, e);
	if (rc == ERR_OK)
		rc = gc_copy_stage(g->copy, &totals, e);
	else
		gc_copy_abort(g->copy);
	g->copy = NULL;
	if (rc != ERR_OK)
		return rc;
	row = (struct packs_pack){.id = p->row.id,
	    .documents = totals.documents,
	    .deletions = totals.deletions,
	    .bytes = totals.bytes};
	*bytes = totals.bytes;
	rc = packs_describe(g->cat, &row, e);
	return rc == ERR_OK ? leftovers_add(g->cat, LEFTOVERS_REPLACEMENT, p->row.id, e) : rc;
}

/* Take the dead lines of the pack away: ${whole} says that there are no others. */
static int
gc_apply(struct gc *g, const struct gc_pack *p, bool whole, struct err *e)
{
	struct gc_result *r = g->result;
	uint64_t left = 0;
	bool last = false;
	int rc = catalog_begin(g->cat, e);

	if (rc != ERR_OK)
		return rc;
	rc = whole ? gc_remove_rows(g, p, &last, e) : gc_rewrite_rows(g, p, &left, e);
	if (rc == ERR_OK)
		rc = catalog_commit(g->cat, true, e);
	if (rc != ERR_OK) {
		catalog_rollback(g->cat);
		return rc;
	}
	r->removed += whole;
	r->rewritten += !whole;
	r->snapshots += last;
	r->versions += g->tally.dead_versions;
	r->freed += p->row.bytes > left ? p->row.bytes - left : 0;
	return reclaim_leftovers(g->repo, g->cat, e);
}

/* What gc_apply would do; of a pack that would be written again as much goes as is dead. */
static void
gc_foresee(struct gc *g, const struct gc_pack *p, bool whole)
{
	const struct gc_tally *t = &g->tally;
	struct gc_result *r = g->result;
	double part = t->bytes > 0 ? (double)t->dead_bytes / (double)t->bytes : 0;

	r->removed += whole;
	r->rewritten += !whole;
	r->versions += t->dead_versions;
	r->freed += whole ? p->row.bytes : (uint64_t)((double)p->row.bytes * part);
}

static int
gc_pack_decide(struct gc *g, const struct gc_pack *p, struct err *e)
{
	struct gc_tally *t = &g->tally;
	bool whole;
	int rc;

	*t = (struct gc_tally){0};
	rc = gc_walk(g, p, gc_line_count, e);
	if (rc != ERR_OK)
		return rc;
	whole = t->live == 0;
	if (!whole && (t->dead_bytes == 0 ||
			  (double)t->dead_bytes * 100 < (double)t->bytes * g->options->threshold)) {
		g->result->dead += t->dead_bytes;
		return ERR_OK;
	}
	if (!g->options->dry_run)
		return gc_apply(g, p, whole, e);
	gc_foresee(g, p, whole);
	return ERR_OK;
}

static int
gc_pack_collect(struct gc *g, const struct packs_pack *row, struct err *e)
{
	struct gc_pack p = {.row = *row};
	int rc = pack_open(g->repo->packsfd, (uint64_t)row->id, &p.pack, e);

	if (rc == ERR_OK)
		rc = gc_pack_decide(g, &p, e);
	pack_close(p.pack);
	g->done += row->bytes;
	g->result->looked_at++;
	if (g->options->progress != NULL)
		g->options->progress(g->options->arg, g->done, g->total, g->result->looked_at);
	return rc;
}

/* ---- tables ---- */

/* A marker that was lost is written again: the packs would show the snapshot without it. */
static int
gc_marker(struct gc *g, const struct snapshots_snapshot *s, struct err *e)
{
	struct marker m;
	int rc = marker_load(g->repo->packsfd, (uint64_t)s->id, &m, e);

	if (rc != ERR_ABSENT)
		return rc;
	m = (struct marker){
	    .snapshot_id = (uint64_t)s->id, .table_id = (uint64_t)s->table_id, .date = s->date};
	return marker_save(g->repo->packsfd, &m, e);
}

static int
gc_snapshot(struct gc *g, const struct snapshots_snapshot *s, struct err *e)
{
	struct packs_pack row = {0};
	int rc = g->options->dry_run ? ERR_OK : gc_marker(g, s, e);

	if (rc != ERR_OK)
		return rc;
	while ((rc = packs_of_next(g->cat, s->id, row.id, &row, e)) == ERR_OK)
		if ((rc = gc_pack_collect(g, &row, e)) != ERR_OK)
			return rc;
	return rc == ERR_END ? ERR_OK : rc;
}

static int
gc_table(struct gc *g, int64_t table_id, struct err *e)
{
	struct snapshots_snapshot s = {.id = INT64_MAX};
	int64_t newest;
	int rc = gc_shown_load(g, table_id, e);

	newest = rc == ERR_OK && g->n_shown > 0 ? g->shown[g->n_shown - 1] : 0;
	while (rc == ERR_OK) {
		rc = forgotten_before(g->cat, table_id, s.id, &s, e);
		if (rc == ERR_OK && s.id < newest)
			break;
		if (rc == ERR_OK)
			rc = gc_snapshot(g, &s, e);
	}
	if (rc != ERR_OK && rc != ERR_END)
		return rc;
	s.id = 0;
	while ((rc = forgotten_next(g->cat, table_id, s.id, &s, e)) == ERR_OK && s.id < newest)
		if ((rc = gc_snapshot(g, &s, e)) != ERR_OK)
			return rc;
	return rc == ERR_END ? ERR_OK : rc;
}

/* Whether ${rc} is about one table's bytes, so that the others can be gone on with. */
static bool
gc_is_damage(int rc)
{
	return rc == ERR_CORRUPT || rc == ERR_ABSENT || rc == ERR_VERSION;
}

static int
gc_tables(struct gc *g, struct err *e)
{
	int64_t table_id = 0;
	int rc;

	while ((rc = forgotten_table_next(g->cat, table_id, &table_id, e)) == ERR_OK) {
		rc = gc_table(g, table_id, e);
		if (gc_is_damage(rc)) {
			g->result->failed++;
			g->options->problem(g->options->arg, e);
		} else if (rc != ERR_OK) {
			return rc;
		}
	}
	return rc == ERR_END ? ERR_OK : rc;
}

/* Bytes of the packs that will be looked at, for progress. */
static int
gc_measure(struct gc *g, struct err *e)
{
	struct packs_pack row = {0};
	int rc;

	while ((rc = packs_next(g->cat, row.id, &row, e)) == ERR_OK)
		if (row.forgotten)
			g->total += row.bytes;
	return rc == ERR_END ? ERR_OK : rc;
}

/* What nothing needs any more when packs have gone. */
static int
gc_rest(struct gc *g, struct err *e)
{
	int64_t id;
	int rc = reclaim_records(g->repo, g->cat, e);

	if (rc == ERR_OK)
		rc = catalog_begin(g->cat, e);
	if (rc != ERR_OK)
		return rc;
	while ((rc = packs_dictionary_unused(g->cat, &id, e)) == ERR_OK) {
		rc = packs_dictionary_drop(g->cat, id, e);
		if (rc != ERR_OK)
			break;
		g->result->dictionaries++;
	}
	if (rc == ERR_ABSENT)
		rc = forgotten_runs(g->cat, e);
	if (rc == ERR_OK)
		rc = catalog_commit(g->cat, true, e);
	if (rc != ERR_OK) {
		catalog_rollback(g->cat);
		return rc;
	}
	return reclaim_leftovers(g->repo, g->cat, e);
}

int
gc_run(const struct repo *repo, struct catalog *cat, const struct gc_options *options,
    struct gc_result *result, struct err *e)
{
	struct gc g = {.repo = repo, .cat = cat, .options = options, .result = result};
	struct err own = {0};
	int rc;

	if (e == NULL)
		e = &own;
	*result = (struct gc_result){0};
	g.reader = pack_reader_create();
	rc = g.reader != NULL ? gc_measure(&g, e) : err_nomem(e);
	if (rc == ERR_OK)
		rc = gc_tables(&g, e);
	if (rc == ERR_OK && !options->dry_run)
		rc = gc_rest(&g, e);
	pack_reader_free(g.reader);
	free(g.shown);
	return rc;
}
