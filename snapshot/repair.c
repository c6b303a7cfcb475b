/*
 * Repairing: the contracts are in repair.h. A pack is written again as by gc: the new file is
 * written and synced under a temporary name; what it says, and that it is to take the place of the
 * old one, is committed in one durable transaction; then it does (reclaim.h). Cut off before the
 * commit, nothing has happened; behind it, the next writer finishes.
 */
#include "snapshot/repair.h"

#include "catalog/base/date.h"
#include "catalog/base/digest.h"
#include "catalog/forgotten.h"
#include "catalog/leftovers.h"
#include "catalog/packs.h"
#include "catalog/snapshots.h"
#include "catalog/versions.h"
#include "snapshot/json/jsonkey.h"
#include "snapshot/ledger.h"
#include "snapshot/reclaim.h"
#include "snapshot/store/dictionary.h"
#include "snapshot/store/marker.h"
#include "snapshot/store/pack.h"
#include "snapshot/store/salvage.h"
#include "snapshot/store/store.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPAIR_PAGE 256 /* versions read at a time */

/* One repair in progress. */
struct repair {
	const struct repo *repo;
	const struct repair_options *options;
	struct repair_result *result;
	struct catalog *cat; /* for writing */
	struct store *store; /* for reading documents */
	struct digest *digest;
	struct salvage *salvage; /* of the pack at hand, which cannot be opened; NULL: it can */
	int64_t salvaged;        /* its number */
	struct buf document;     /* the one at hand */
	struct versions_version *page; /* owned, REPAIR_PAGE */
};

/* The pack being written again. */
struct repair_pack {
	const struct packs_pack *row;
	struct tables_table table;
	struct snapshots_snapshot snapshot;
	struct snapshots_shard shard;
	struct dictionary *dict;    /* NULL: none */
	struct pack_writer *writer; /* NULL: none */
	bool lossy;                 /* the new file says of versions that they are lost */
	uint64_t next;              /* ordinals up to this one have been passed */
	uint64_t missing;           /* documents that it had lost before */
	uint64_t lost;              /* documents that it loses now */
	uint64_t restored;          /* documents that it gets back */
	char date[DATE_NAME];
};

static void repair_say(struct repair *r, void (*say)(void *arg, const char *text), const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));

static void
repair_say(struct repair *r, void (*say)(void *arg, const char *text), const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say(r->options->arg, text);
}

/* Whether ${rc} says that something is damaged or missing. */
static bool
repair_is_damage(int rc)
{
	return rc == ERR_CORRUPT || rc == ERR_ABSENT || rc == ERR_TRUNCATED;
}

/* ---- dictionaries ---- */

static int
repair_dictionary(struct repair *r, const struct packs_dictionary *d, struct err *e)
{
	struct dictionary *usable = NULL;
	struct buf bytes = {0};
	struct err why = {0};
	int rc = dictionary_load(r->repo->packsfd, (uint64_t)d->id, NULL, &bytes, e);

	buf_clear(&bytes);
	if (!repair_is_damage(rc)) {
		buf_finish(&bytes);
		return rc;
	}
	rc = packs_dictionary_bytes(r->cat, d->id, &bytes, e);
	if (rc == ERR_OK)
		rc = dictionary_create((uint64_t)d->id, bytes.data, bytes.len, &usable, &why);
	dictionary_free(usable);
	if (rc == ERR_OK)
		rc = dictionary_replace(r->repo->packsfd, (uint64_t)d->id, (uint64_t)d->table_id,
		    bytes.data, bytes.len, e);
	buf_finish(&bytes);
	if (rc == ERR_OK) {
		r->result->dictionaries++;
		repair_say(r, r->options->repaired, "dictionary %016" PRIx64 " is repaired",
		    (uint64_t)d->id);
	} else if (repair_is_damage(rc)) {
		r->result->damaged++;
		repair_say(r, r->options->lost,
		    "dictionary %016" PRIx64 " is lost, and its copy in catalog.db is damaged too",
		    (uint64_t)d->id);
		rc = ERR_OK;
	}
	return rc;
}

static int
repair_dictionaries(struct repair *r, struct err *e)
{
	struct packs_dictionary d = {0};
	int rc;

	while ((rc = packs_dictionary_next(r->cat, d.id, &d, e)) == ERR_OK)
		if ((rc = repair_dictionary(r, &d, e)) != ERR_OK)
			return rc;
	return rc == ERR_END ? ERR_OK : rc;
}

/* ---- markers, and the ledger ---- */

static int
repair_marker(struct repair *r, const struct snapshots_snapshot *s, struct err *e)
{
	const struct marker want = {
	    .snapshot_id = (uint64_t)s->id, .table_id = (uint64_t)s->table_id, .date = s->date};
	struct marker have;
	int rc = marker_load(r->repo->packsfd, want.snapshot_id, &have, e);

	if (!repair_is_damage(rc))
		return rc;
	rc = marker_remove(r->repo->packsfd, want.snapshot_id, e);
	if (rc == ERR_OK)
		rc = marker_save(r->repo->packsfd, &want, e);
	if (rc != ERR_OK)
		return rc;
	r->result->markers++;
	repair_say(r, r->options->repaired, "marker %016" PRIx64 " is repaired", want.snapshot_id);
	return ERR_OK;
}

static int
repair_markers(struct repair *r, struct err *e)
{
	int64_t table_id = 0;
	int rc;

	while ((rc = forgotten_table_next(r->cat, table_id, &table_id, e)) == ERR_OK) {
		struct snapshots_snapshot s = {0};
		while ((rc = forgotten_next(r->cat, table_id, s.id, &s, e)) == ERR_OK)
			if ((rc = repair_marker(r, &s, e)) != ERR_OK)
				return rc;
		if (rc != ERR_END)
			return rc;
	}
	return rc == ERR_END ? ERR_OK : rc;
}

static int
repair_ledger(struct repair *r, struct err *e)
{
	bool same = false;
	int rc = ledger_same(r->repo, r->cat, &same, e);

	if ((rc != ERR_OK && rc != ERR_CORRUPT) || same)
		return rc;
	rc = ledger_write(r->repo, r->cat, e);
	if (rc == ERR_OK)
		repair_say(r, r->options->repaired, "the ledger is repaired");
	return rc;
}

/* ---- documents ---- */

/* Whether the document at hand is that of ${v}: ERR_OK or ERR_CORRUPT. */
static int
repair_compare(struct repair *r, const struct versions_version *v, struct err *e)
{
	uint8_t digest[DIGEST_LEN];

	if (digest_document(r->digest, r->document.data, r->document.len, digest) != ERR_OK)
		return err_nomem(e);
	if (r->document.len != v->size || memcmp(digest, v->digest, DIGEST_LEN) != 0)
		return ERR_CORRUPT;
	return ERR_OK;
}

/* Read a document of the pack that cannot be opened; ERR_CORRUPT when it was not found in it. */
static int
repair_read_salvaged(struct repair *r, const struct versions_version *v, struct err *e)
{
	uint64_t walk = 0;
	int rc;

	do {
		rc = salvage_read(r->salvage, v->ordinal, &walk, &r->document, e);
		if (rc != ERR_OK)
			return rc == ERR_ABSENT ? ERR_CORRUPT : rc;
		rc = repair_compare(r, v, e);
	} while (rc == ERR_CORRUPT);
	return rc;
}

/* Read a document; ERR_CORRUPT when it is not whole where it is stored. */
static int
repair_read(struct repair *r, const struct versions_version *v, struct err *e)
{
	size_t size = 0;
	int rc;

	if (r->salvage != NULL && r->salvaged == v->pack_id)
		return repair_read_salvaged(r, v, e);
	buf_clear(&r->document);
	rc = store_read(
	    r->store, (uint64_t)v->pack_id, v->ordinal, 0, SIZE_MAX, &r->document, &size, e);
	if (rc != ERR_OK)
		return repair_is_damage(rc) || rc == ERR_VERSION ? ERR_CORRUPT : rc;
	return repair_compare(r, v, e);
}

/* Find the bytes of a version, where it is stored or in any other pack. ERR_ABSENT: nowhere. */
static int
repair_find(struct repair *r, const struct versions_version *v, struct err *e)
{
	struct versions_version other = {0};
	int rc = repair_read(r, v, e);

	while (rc == ERR_CORRUPT) {
		rc = versions_same(r->cat, v, other.pack_id, &other, e);
		if (rc == ERR_OK)
			rc = repair_read(r, &other, e);
	}
	return rc;
}

/* Tell which document ${what} ("is lost", "is restored"), and where. */
static void
repair_tell(struct repair *r, const struct repair_pack *p, const struct versions_version *v,
    void (*say)(void *arg, const char *text), const char *what)
{
	struct snapshots_snapshot until;
	struct buf text = {0};
	char date[DATE_NAME] = "";
	const char *key = "?";

	if (jsonkey_write(&v->key, &text) == ERR_OK && buf_str(&text) != NULL)
		key = (const char *)text.data;
	if (v->died != VERSIONS_ALIVE && snapshots_any(r->cat, v->died, &until, NULL) == ERR_OK)
		date_name(until.date, date);
	repair_say(r, say, "%s.%s: document %s %s from %s %s%s", p->table.database, p->table.name,
	    key, what, p->date, date[0] != '\0' ? "on, before " : "on", date);
	buf_finish(&text);
}

/* ---- lines ---- */

/* Whether the line of the pack at hand says that a document is lost: then p->lossy is set. */
static int
repair_line_look(
    struct repair *r, struct repair_pack *p, const struct versions_version *v, struct err *e)
{
	int rc = ERR_OK;

	if (v->born == p->row->snapshot_id && !p->lossy)
		rc = repair_find(r, v, e);
	p->lossy |= rc == ERR_ABSENT;
	return rc == ERR_ABSENT ? ERR_OK : rc;
}

/* Write the line of a version whose document is nowhere. */
static int
repair_line_lost(
    struct repair *r, struct repair_pack *p, const struct versions_version *v, struct err *e)
{
	struct pack_entry line = {.key = v->key, .ordinal = v->ordinal, .size = v->size};
	int rc;

	memcpy(line.digest, v->digest, DIGEST_LEN);
	rc = pack_writer_lose(p->writer, &line, e);
	if (rc != ERR_OK || v->lost)
		return rc;
	p->lost++;
	r->result->lost++;
	repair_tell(r, p, v, r->options->lost, "is lost");
	return versions_lose(r->cat, p->row->table_id, &v->key, v->born, e);
}

/* Write the line of a version whose document is at hand. */
static int
repair_line_put(
    struct repair *r, struct repair_pack *p, const struct versions_version *v, struct err *e)
{
	uint32_t ordinal;
	int rc = ERR_OK;

	if (v->ordinal > p->next)
		rc = pack_writer_skip(p->writer, (uint32_t)(v->ordinal - p->next), e);
	if (rc == ERR_OK)
		rc = pack_writer_put(
		    p->writer, &v->key, r->document.data, r->document.len, v->digest, &ordinal, e);
	if (rc != ERR_OK || !v->lost)
		return rc;
	p->restored++;
	r->result->restored++;
	repair_tell(r, p, v, r->options->repaired, "is restored");
	return versions_regain(r->cat, p->row->table_id, &v->key, v->born, e);
}

/* Write the line of a key again. */
static int
repair_line_write(
    struct repair *r, struct repair_pack *p, const struct versions_version *v, struct err *e)
{
	int rc;

	if (v->born != p->row->snapshot_id)
		return pack_writer_delete(p->writer, &v->key, e);
	if (v->pack_id != p->row->id || v->ordinal < p->next)
		return err_set(e, ERR_CORRUPT, "its versions are out of order in catalog.db");
	rc = repair_find(r, v, e);
	if (rc == ERR_ABSENT)
		rc = repair_line_lost(r, p, v, e);
	else if (rc == ERR_OK)
		rc = repair_line_put(r, p, v, e);
	p->next = (uint64_t)v->ordinal + 1;
	return rc;
}

/* Hand each version or deletion of the pack, as the catalogue has them, to ${line}. */
static int
repair_lines(struct repair *r, struct repair_pack *p,
    int (*line)(
	struct repair *r, struct repair_pack *p, const struct versions_version *v, struct err *e),
    struct err *e)
{
	struct key after = p->shard.lower;
	bool start = true;
	size_t got;
	int rc;

	do {
		rc = versions_touched(r->cat, p->row->table_id, p->row->snapshot_id, &after, start,
		    &p->shard.upper, r->page, REPAIR_PAGE, &got, e);
		for (size_t i = 0; i < got && rc == ERR_OK; i++)
			rc = line(r, p, &r->page[i], e);
		if (rc == ERR_OK && r->options->stop != NULL && *r->options->stop != 0)
			rc = err_set(e, ERR_INTR, "interrupted");
		if (rc == ERR_OK && got > 0)
			after = r->page[got - 1].key;
		start = false;
	} while (rc == ERR_OK && got == REPAIR_PAGE);
	return rc;
}

/* ---- packs ---- */

/* What the catalogue says of the pack, as its header has it. */
static int
repair_meta(struct repair *r, const struct repair_pack *p, struct pack_meta *m, struct err *e)
{
	const struct packs_pack *row = p->row;
	int rc;

	*m = (struct pack_meta){.pack_id = (uint64_t)row->id,
	    .snapshot_id = (uint64_t)row->snapshot_id,
	    .table_id = (uint64_t)row->table_id,
	    .database_id = (uint64_t)p->table.database_id,
	    .dictionary_id = (uint64_t)row->dictionary_id,
	    .date = row->date,
	    .shard = row->shard,
	    .shards = p->snapshot.shards,
	    .lower = p->shard.lower,
	    .upper = p->shard.upper,
	    .lossy = p->lossy};
	if (buf_puts(&m->database, p->table.database) != ERR_OK ||
	    buf_puts(&m->table, p->table.name) != ERR_OK)
		return err_nomem(e);
	rc = snapshots_primary_key(r->cat, row->snapshot_id, &m->primary_key, e);
	if (rc == ERR_OK)
		rc = snapshots_config(r->cat, row->snapshot_id, &m->config, e);
	return rc == ERR_OK ? snapshots_run_source(r->cat, p->snapshot.run_id, &m->source, e) : rc;
}

/* Find what the catalogue knows of the pack, and its dictionary. */
static int
repair_begin(struct repair *r, struct repair_pack *p, struct err *e)
{
	const struct packs_pack *row = p->row;
	struct buf bytes = {0};
	int rc = tables_get(r->cat, row->table_id, &p->table, e);

	date_name(row->date, p->date);
	if (rc == ERR_OK)
		rc = snapshots_any(r->cat, row->snapshot_id, &p->snapshot, e);
	if (rc == ERR_OK)
		rc = snapshots_shard(r->cat, row->snapshot_id, row->shard, &p->shard, e);
	if (rc == ERR_OK && p->shard.pack_id != row->id)
		rc = err_set(e, ERR_CORRUPT, "catalog.db has another pack in its place");
	/* Every pack has bytes: of this one rebuild could not read all lines. */
	if (rc == ERR_OK && row->bytes == 0)
		rc = err_set(e, ERR_CORRUPT, "catalog.db does not have all of its lines");
	if (rc == ERR_OK)
		rc = versions_lost_count(r->cat, row->id, &p->missing, e);
	if (rc == ERR_OK && row->dictionary_id != 0) {
		rc = dictionary_load(
		    r->repo->packsfd, (uint64_t)row->dictionary_id, NULL, &bytes, e);
		if (rc == ERR_OK)
			rc = dictionary_create(
			    (uint64_t)row->dictionary_id, bytes.data, bytes.len, &p->dict, e);
	}
	buf_finish(&bytes);
	return rc;
}

/* When the pack cannot be opened, its documents are searched for. */
static int
repair_salvage(struct repair *r, const struct repair_pack *p, struct err *e)
{
	uint64_t id = (uint64_t)p->row->id;
	struct pack *pack = NULL;
	int rc = pack_open(r->repo->packsfd, id, &pack, e);

	pack_close(pack);
	if (rc == ERR_CORRUPT || rc == ERR_TRUNCATED)
		rc = salvage_open(r->repo->packsfd, id, p->dict, r->options->stop, &r->salvage, e);
	r->salvaged = p->row->id;
	return repair_is_damage(rc) ? ERR_OK : rc;
}

/*
 * Whether the pack that was written has what the old one had, as far as anything needs it: where gc
 * has been, there may be deletions of which the catalogue does not know, as they end nothing.
 */
static int
repair_same(
    struct repair *r, const struct repair_pack *p, const struct pack_totals *t, struct err *e)
{
	int rc = t->documents + t->lost == p->row->documents + p->missing &&
			 t->deletions <= p->row->deletions
		     ? ERR_OK
		     : ERR_ABSENT;

	if (rc == ERR_OK && t->deletions < p->row->deletions)
		rc = forgotten_any(r->cat, p->row->table_id, e);
	return rc == ERR_ABSENT
		   ? err_set(e, ERR_CORRUPT, "catalog.db does not have all of its lines")
		   : rc;
}

/* Write the new file under its temporary name. */
static int
repair_stage(struct repair *r, struct repair_pack *p, struct pack_totals *t, struct err *e)
{
	struct pack_meta meta = {0};
	struct pack_writer *writer;
	int rc = repair_meta(r, p, &meta, e);

	if (rc == ERR_OK)
		rc = pack_writer_create(r->repo->packsfd, &meta, p->dict, &p->writer, e);
	pack_meta_finish(&meta);
	if (rc == ERR_OK)
		rc = repair_lines(r, p, repair_line_write, e);
	writer = p->writer;
	p->writer = NULL;
	if (rc == ERR_OK)
		return pack_writer_stage(writer, t, e);
	pack_writer_abort(writer);
	return rc;
}

/* Say in the catalogue what the new file says, within a transaction. */
static int
repair_rows(
    struct repair *r, const struct repair_pack *p, const struct pack_totals *t, struct err *e)
{
	struct packs_pack row = *p->row;
	int rc = repair_same(r, p, t, e);

	row.documents = t->documents;
	row.deletions = t->deletions;
	row.bytes = t->bytes;
	if (rc == ERR_OK)
		rc = packs_describe(r->cat, &row, e);
	if (rc == ERR_OK)
		rc = snapshots_stored(r->cat, row.snapshot_id, e);
	if (rc == ERR_OK)
		rc = snapshots_count_lost(r->cat, row.id, false, e);
	return rc == ERR_OK ? leftovers_add(r->cat, LEFTOVERS_REPLACEMENT, row.id, e) : rc;
}

/* Write the pack again, and let it take the place of the old one. */
static int
repair_write(struct repair *r, struct repair_pack *p, struct err *e)
{
	struct pack_totals t;
	int rc = catalog_begin(r->cat, e);

	if (rc != ERR_OK)
		return rc;
	rc = snapshots_count_lost(r->cat, p->row->id, true, e);
	if (rc == ERR_OK)
		rc = repair_stage(r, p, &t, e);
	if (rc == ERR_OK) {
		rc = repair_rows(r, p, &t, e);
		if (rc != ERR_OK)
			pack_clean(r->repo->packsfd, NULL);
	}
	/* When this fails it may be on disk all the same: the next writer sees what is true. */
	if (rc == ERR_OK)
		rc = catalog_commit(r->cat, true, e);
	if (rc != ERR_OK) {
		catalog_rollback(r->cat);
		return rc;
	}
	return reclaim_leftovers(r->repo, r->cat, e);
}

/* Repair the pack; ${damaged} false: only if that restores something that it has lost. */
static int
repair_pack(struct repair *r, const struct packs_pack *row, bool damaged, struct err *e)
{
	struct repair_pack p = {.row = row};
	int rc = repair_begin(r, &p, e);

	if (rc == ERR_OK && damaged)
		rc = repair_salvage(r, &p, e);
	if (rc == ERR_OK)
		rc = repair_lines(r, &p, repair_line_look, e);
	if (rc == ERR_OK)
		rc = repair_write(r, &p, e);
	salvage_close(r->salvage);
	r->salvage = NULL;
	dictionary_free(p.dict);
	if (rc == ERR_OK && damaged) {
		r->result->packs++;
		repair_say(r, r->options->repaired,
		    p.lost == 0 ? "pack %016" PRIx64 " (%s.%s of %s) is repaired"
				: "pack %016" PRIx64
				  " (%s.%s of %s) is repaired, without the documents that are lost",
		    (uint64_t)row->id, p.table.database, p.table.name, p.date);
	}
	if (rc == ERR_OK || !repair_is_damage(rc))
		return rc;
	r->result->damaged++;
	repair_say(r, r->options->lost, "pack %016" PRIx64 " cannot be repaired: %s",
	    (uint64_t)row->id, e->text);
	return ERR_OK;
}

/* Whether all bytes of the pack are those that were written. */
static int
repair_verify(struct repair *r, const struct packs_pack *row, struct err *e)
{
	struct pack *pack;
	int rc = pack_open(r->repo->packsfd, (uint64_t)row->id, &pack, e);

	if (rc != ERR_OK)
		return rc;
	rc = pack_verify(pack, e);
	pack_close(pack);
	return rc;
}

static int
repair_packs(struct repair *r, struct err *e)
{
	struct packs_pack row = {0};
	int rc;

	while ((rc = packs_next(r->cat, row.id, &row, e)) == ERR_OK) {
		if (r->options->stop != NULL && *r->options->stop != 0)
			return err_set(e, ERR_INTR, "interrupted");
		rc = repair_verify(r, &row, e);
		if (repair_is_damage(rc))
			rc = repair_pack(r, &row, true, e);
		if (rc != ERR_OK)
			return rc;
	}
	return rc == ERR_END ? ERR_OK : rc;
}

/* ---- what was lost and is there again ---- */

/* ERR_OK when one of the documents that the pack has lost is stored elsewhere, else ERR_ABSENT. */
static int
repair_found(struct repair *r, const struct packs_pack *row, struct err *e)
{
	struct versions_version v = {0};
	int rc;

	while ((rc = versions_lost_next(r->cat, row->id, row->table_id, &v.key, &v, e)) == ERR_OK)
		if ((rc = repair_find(r, &v, e)) != ERR_ABSENT)
			return rc;
	return rc == ERR_END ? ERR_ABSENT : rc;
}

static int
repair_restore(struct repair *r, struct err *e)
{
	struct packs_pack row;
	int64_t id = 0;
	int rc;

	while ((rc = versions_lost_pack(r->cat, id, &id, e)) == ERR_OK) {
		rc = packs_get(r->cat, id, &row, e);
		if (rc == ERR_OK)
			rc = repair_found(r, &row, e);
		/* What is damaged is left to repair_packs. */
		if (rc == ERR_OK)
			rc = repair_verify(r, &row, e);
		if (rc == ERR_OK)
			rc = repair_pack(r, &row, false, e);
		if (rc != ERR_OK && !repair_is_damage(rc))
			return rc;
	}
	return rc == ERR_END ? ERR_OK : rc;
}

/* ---- the whole ---- */

static void
repair_ignore(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

/* What packs are repaired from must be whole itself. */
static int
repair_catalog(struct repair *r, struct err *e)
{
	int rc = catalog_open(r->repo, CATALOG_WRITE, &r->cat, e);

	if (rc == ERR_OK)
		rc = catalog_check(r->cat, repair_ignore, NULL, e);
	if (rc == ERR_CORRUPT)
		return err_set(
		    e, rc, "catalog.db is damaged; make it again with: thinkback rebuild");
	return rc == ERR_OK ? reclaim_recover(r->repo, r->cat, e) : rc;
}

/* Have what a repair needs besides the catalogue. */
static int
repair_prepare(struct repair *r, struct err *e)
{
	*r->result = (struct repair_result){0};
	r->digest = digest_create();
	r->page = malloc(REPAIR_PAGE * sizeof(*r->page));
	if (r->digest == NULL || r->page == NULL)
		return err_nomem(e);
	return store_create(r->repo->packsfd, NULL, &r->store, e);
}

static void
repair_done(struct repair *r)
{
	store_free(r->store);
	digest_free(r->digest);
	buf_finish(&r->document);
	free(r->page);
}

int
repair_run(const struct repo *repo, const struct repair_options *options,
    struct repair_result *result, struct err *e)
{
	struct repair r = {.repo = repo, .options = options, .result = result};
	struct err own = {0};
	int rc;

	if (e == NULL)
		e = &own;
	rc = repair_prepare(&r, e);
	if (rc == ERR_OK)
		rc = repair_catalog(&r, e);
	if (rc == ERR_OK)
		rc = repair_dictionaries(&r, e);
	if (rc == ERR_OK)
		rc = repair_markers(&r, e);
	if (rc == ERR_OK)
		rc = repair_ledger(&r, e);
	if (rc == ERR_OK)
		rc = repair_packs(&r, e);
	if (rc == ERR_OK)
		rc = repair_restore(&r, e);
	catalog_close(r.cat);
	repair_done(&r);
	return rc;
}

int
repair_lost(const struct repo *repo, struct catalog *cat, const struct repair_options *options,
    struct repair_result *result, struct err *e)
{
	struct repair r = {.repo = repo, .options = options, .result = result, .cat = cat};
	struct err own = {0};
	int64_t id;
	int rc;

	if (e == NULL)
		e = &own;
	*result = (struct repair_result){0};
	/* Nearly always there is nothing to do. */
	rc = versions_lost_pack(cat, 0, &id, e);
	if (rc != ERR_OK)
		return rc == ERR_END ? ERR_OK : rc;
	rc = repair_prepare(&r, e);
	if (rc == ERR_OK)
		rc = repair_restore(&r, e);
	repair_done(&r);
	return rc;
}
