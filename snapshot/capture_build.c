/*
 * Building a snapshot: the sorted documents of a table are merged with the versions that are alive
 * in its previous snapshot. A document that is the same costs nothing; a new or changed one goes
 * into the pack of its shard and into the catalogue; a key that is gone is recorded in both.
 *
 * Nothing of it can be seen until the snapshot is completed. Order on disk: every pack is durable
 * before the row that makes the snapshot visible.
 */
#include "catalog/runs.h"
#include "snapshot/capture_internal.h"
#include "snapshot/json/jsonkey.h"
#include "snapshot/reclaim.h"
#include "snapshot/sorted.h"
#include "snapshot/store/dictionary.h"
#include "snapshot/store/pack.h"
#include "snapshot/store/runfile.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUILD_PAGE 512       /* versions of the previous snapshot read at a time */
#define BUILD_BATCH 20000    /* rows written in one transaction */
#define BUILD_STEP 512       /* documents between two looks at the progress */
#define DICTIONARY_GROWTH 10 /* train anew when the table has grown this much since */

/* Everything about the snapshot being built. */
struct build {
	struct capture *c;
	struct capture_table *t;
	const struct capture_purpose *purpose;
	struct tables_table table;
	struct snapshots_snapshot snap; /* what is built: id, counts */
	struct snapshots_snapshot prev; /* the table's newest one, forgotten or not; id 0: none */
	struct dictionary *dict;        /* NULL: none */
	struct pack_writer *writer;     /* of the shard being filled */
	struct snapshots_shard shard;   /* likewise */
	struct key lower[SNAPSHOTS_SHARDS]; /* lower bounds of the shards, when they are known */
	uint64_t cut[SNAPSHOTS_SHARDS];     /* else: number of the first document of each shard */
	bool bounds_known;
	uint64_t documents;           /* taken from the sorter so far */
	struct versions_version *old; /* a page of the previous snapshot */
	size_t n_old, next_old;       /* rows in it, rows passed */
	bool old_ended;               /* no more pages */
	unsigned rows;                /* written in the open transaction */
};

/* ---- the catalogue's transactions ---- */

static int
build_row(struct build *b, struct err *e)
{
	int rc;

	if (++b->rows < BUILD_BATCH)
		return ERR_OK;
	b->rows = 0;
	rc = catalog_commit(b->c->cat, false, e);
	return rc == ERR_OK ? catalog_begin(b->c->cat, e) : rc;
}

/* ---- shards ---- */

/* Shards by proportion: each begins at a document's number, none is empty. */
static void
build_cut(struct build *b, uint64_t total)
{
	const struct capture_config *config = &b->t->config;
	uint64_t sum = 0, before = 0, n = 1;

	for (size_t i = 0; i < config->n_parts; i++)
		sum += config->parts[i];
	b->cut[0] = 0;
	for (size_t i = 0; i + 1 < config->n_parts; i++) {
		uint64_t first;
		before += config->parts[i];
		first = sum > 0 ? (uint64_t)((double)total * (double)before / (double)sum)
				: total * (i + 1) / config->n_parts;
		if (first > b->cut[n - 1] && first < total)
			b->cut[n++] = first;
	}
	b->snap.shards = n;
}

/* The previous snapshot's bounds. ERR_ABSENT: it was forgotten, and gc has taken one. */
static int
build_bounds_previous(struct build *b, struct err *e)
{
	struct snapshots_shard shard;

	b->snap.shards = b->prev.shards;
	for (uint64_t i = 0; i < b->prev.shards; i++) {
		int rc = snapshots_shard(b->c->cat, b->prev.id, i, &shard, e);
		if (rc == ERR_ABSENT && !b->prev.forgotten)
			rc = err_set(e, ERR_CORRUPT,
			    "catalog.db has lost a shard of %s.%s; "
			    "run: thinkback check",
			    b->t->database, b->t->name);
		if (rc != ERR_OK)
			return rc;
		b->lower[i] = shard.lower;
	}
	return ERR_OK;
}

/* The bounds that the source knows, or the previous snapshot's while their number stays. */
static int
build_bounds(struct build *b, uint64_t total, struct err *e)
{
	const struct capture_config *config = &b->t->config;
	int rc;

	b->bounds_known = true;
	if (config->n_bounds > 0) {
		memcpy(b->lower, config->bounds, config->n_bounds * sizeof(b->lower[0]));
		b->snap.shards = config->n_bounds;
		return ERR_OK;
	}
	if (b->prev.id != 0 && b->prev.shards == config->n_parts) {
		rc = build_bounds_previous(b, e);
		if (rc != ERR_ABSENT)
			return rc;
	}
	b->bounds_known = false;
	build_cut(b, total);
	return ERR_OK;
}

static int
build_meta(struct build *b, struct pack_meta *meta, int64_t pack_id, struct err *e)
{
	const struct capture_table *t = b->t;

	*meta = (struct pack_meta){.pack_id = (uint64_t)pack_id,
	    .snapshot_id = (uint64_t)b->snap.id,
	    .table_id = (uint64_t)b->table.id,
	    .database_id = (uint64_t)b->table.database_id,
	    .dictionary_id = dictionary_id(b->dict),
	    .date = b->purpose->date,
	    .shard = b->shard.number,
	    .shards = b->snap.shards,
	    .lower = b->shard.lower,
	    .upper = b->shard.upper};
	if (buf_puts(&meta->database, t->database) != ERR_OK ||
	    buf_puts(&meta->table, t->name) != ERR_OK ||
	    buf_append(&meta->primary_key, t->config.primary_key.data, t->config.primary_key.len) !=
		ERR_OK ||
	    buf_append(&meta->config, t->config.json.data, t->config.json.len) != ERR_OK ||
	    buf_puts(&meta->source, b->purpose->source) != ERR_OK)
		return err_nomem(e);
	return ERR_OK;
}

/* Open shard ${number}, whose first key is ${lower}. */
static int
build_shard_open(struct build *b, uint64_t number, const struct key *lower, struct err *e)
{
	struct pack_meta meta = {0};
	int rc;

	b->shard = (struct snapshots_shard){.number = number, .lower = *lower};
	if (b->bounds_known && number + 1 < b->snap.shards)
		b->shard.upper = b->lower[number + 1];
	rc = packs_begin(b->c->cat, b->table.id, b->snap.id, number,
	    (int64_t)dictionary_id(b->dict), &b->shard.pack_id, e);
	/* Durable before a file bears this number: after a power cut it must not be given out
	 * again. */
	if (rc == ERR_OK)
		rc = catalog_commit(b->c->cat, true, e);
	if (rc == ERR_OK)
		rc = catalog_begin(b->c->cat, e);
	if (rc == ERR_OK)
		rc = build_meta(b, &meta, b->shard.pack_id, e);
	if (rc == ERR_OK)
		rc = pack_writer_create(b->c->repo->packsfd, &meta, b->dict, &b->writer, e);
	pack_meta_finish(&meta);
	return rc;
}

/* Finish the open shard; ${upper} is the first key of the next one. */
static int
build_shard_close(struct build *b, const struct key *upper, struct err *e)
{
	struct pack_writer *writer = b->writer;
	struct pack_totals totals;
	struct packs_pack pack;
	int rc;

	b->shard.upper = *upper;
	b->writer = NULL;
	pack_writer_upper(writer, upper);
	rc = pack_writer_commit(writer, &totals, e);
	if (rc != ERR_OK)
		return rc;
	b->snap.stored_bytes += totals.bytes;
	pack = (struct packs_pack){.id = b->shard.pack_id,
	    .documents = totals.documents,
	    .deletions = totals.deletions,
	    .bytes = totals.bytes};
	rc = packs_describe(b->c->cat, &pack, e);
	return rc == ERR_OK ? snapshots_shard_put(b->c->cat, b->snap.id, &b->shard, e) : rc;
}

/* Go on to the shard that ${key} (a document's when ${is_document}) belongs to. */
static int
build_shard_for(struct build *b, const struct key *key, bool is_document, struct err *e)
{
	for (;;) {
		uint64_t next = b->shard.number + 1;
		const struct key *upper = key;
		int rc;

		if (next >= b->snap.shards)
			return ERR_OK;
		if (b->bounds_known) {
			upper = &b->lower[next];
			if (key_compare(key, upper) < 0)
				return ERR_OK;
		} else if (!is_document || b->documents < b->cut[next]) {
			return ERR_OK;
		}
		rc = build_shard_close(b, upper, e);
		if (rc == ERR_OK)
			rc = build_shard_open(b, next, upper, e);
		if (rc != ERR_OK)
			return rc;
	}
}

/* ---- the previous snapshot ---- */

/*
 * The version of the previous snapshot that is next in key order, also one that is lost: its key
 * was there. NULL when there is none left.
 */
static int
build_old(struct build *b, const struct versions_version **out, struct err *e)
{
	static const struct key none;
	struct key after;
	int rc;

	*out = NULL;
	if (b->next_old == b->n_old && !b->old_ended && b->prev.id != 0) {
		after = b->n_old > 0 ? b->old[b->n_old - 1].key : none;
		rc = versions_alive(b->c->cat, b->table.id, b->prev.id, &after, false, &none,
		    b->old, BUILD_PAGE, &b->n_old, e);
		if (rc != ERR_OK)
			return rc;
		b->next_old = 0;
		b->old_ended = b->n_old < BUILD_PAGE;
	}
	if (b->next_old < b->n_old)
		*out = &b->old[b->next_old];
	return ERR_OK;
}

/* The key of ${old} is gone: record it in the pack and end the version. */
static int
build_delete(struct build *b, const struct versions_version *old, struct err *e)
{
	int rc = build_shard_for(b, &old->key, false, e);

	if (rc == ERR_OK)
		rc = pack_writer_delete(b->writer, &old->key, e);
	if (rc == ERR_OK)
		rc = versions_close(b->c->cat, b->table.id, &old->key, old->born, b->snap.id, e);
	if (rc != ERR_OK)
		return rc;
	b->snap.deleted++;
	b->next_old++;
	return build_row(b, e);
}

/* ---- documents ---- */

/* Store ${item} as a version born now. */
static int
build_put(struct build *b, const struct sorted_item *item, struct err *e)
{
	struct versions_version v = {.key = item->key,
	    .born = b->snap.id,
	    .died = VERSIONS_ALIVE,
	    .pack_id = b->shard.pack_id,
	    .size = (uint32_t)item->len};
	int rc = pack_writer_put(
	    b->writer, &item->key, item->data, item->len, item->digest, &v.ordinal, e);

	memcpy(v.digest, item->digest, DIGEST_LEN);
	if (rc == ERR_OK)
		rc = versions_insert(b->c->cat, b->table.id, &v, e);
	return rc == ERR_OK ? build_row(b, e) : rc;
}

/* Take ${item} in: the same as before, changed, or new. */
static int
build_document(struct build *b, const struct sorted_item *item, struct err *e)
{
	const struct versions_version *old;
	int rc = build_old(b, &old, e);

	while (rc == ERR_OK && old != NULL && key_compare(&old->key, &item->key) < 0) {
		rc = build_delete(b, old, e);
		if (rc == ERR_OK)
			rc = build_old(b, &old, e);
	}
	if (rc == ERR_OK)
		rc = build_shard_for(b, &item->key, true, e);
	if (rc != ERR_OK)
		return rc;
	b->documents++;
	b->shard.documents++;
	b->shard.bytes += item->len;
	b->snap.bytes += item->len;
	if (old == NULL || key_compare(&old->key, &item->key) != 0) {
		b->snap.added++;
		return build_put(b, item, e);
	}
	b->next_old++;
	/* One that is lost is stored anew, whatever it was. */
	if (!old->lost && old->size == item->len &&
	    memcmp(old->digest, item->digest, DIGEST_LEN) == 0)
		return ERR_OK;
	b->snap.changed++;
	rc = versions_close(b->c->cat, b->table.id, &old->key, old->born, b->snap.id, e);
	return rc == ERR_OK ? build_put(b, item, e) : rc;
}

static int
build_twice(const struct build *b, const struct key *key, struct err *e)
{
	struct buf text = {0};
	const char *shown = "?";
	int rc;

	if (jsonkey_write(key, &text) == ERR_OK && buf_str(&text) != NULL)
		shown = (const char *)text.data;
	rc = err_set(e, ERR_FORMAT, "two documents of %s.%s have the primary key %s",
	    b->t->database, b->t->name, shown);
	buf_finish(&text);
	return rc;
}

/* Between two documents: show how far it is, and see whether to go on. */
static int
build_step(const struct build *b, struct err *e)
{
	const struct capture_options *o = b->purpose->options;

	if (o->stop != NULL && *o->stop != 0)
		return err_set(e, ERR_INTR, "interrupted");
	if (o->storing != NULL && b->documents % BUILD_STEP == 0)
		o->storing(o->arg, b->t->database, b->t->name, b->snap.bytes,
		    sort_bytes(b->t->sort), b->documents);
	return ERR_OK;
}

static int
build_sorted(struct build *b, struct sorted *sorted, struct err *e)
{
	const struct sorted_item *item;
	struct key last = {0};
	int rc;

	while ((rc = sorted_next(sorted, &item, e)) == ERR_OK) {
		if (b->documents > 0 && key_compare(&last, &item->key) == 0)
			return build_twice(b, &item->key, e);
		last = item->key;
		rc = build_step(b, e);
		if (rc == ERR_OK)
			rc = build_document(b, item, e);
		if (rc != ERR_OK)
			return rc;
	}
	return rc == ERR_END ? ERR_OK : rc;
}

static int
build_documents(struct build *b, struct err *e)
{
	struct sorted *sorted;
	int rc = sorted_create(b->t->sort, &sorted, e);

	if (rc != ERR_OK)
		return rc;
	rc = build_sorted(b, sorted, e);
	sorted_free(sorted);
	return rc;
}

/* What is left of the previous snapshot is deleted; then the shards that nothing fell into. */
static int
build_rest(struct build *b, struct err *e)
{
	static const struct key end;
	const struct versions_version *old;
	int rc;

	while ((rc = build_old(b, &old, e)) == ERR_OK && old != NULL)
		if ((rc = build_delete(b, old, e)) != ERR_OK)
			return rc;
	while (rc == ERR_OK && b->shard.number + 1 < b->snap.shards) {
		const struct key upper = b->lower[b->shard.number + 1];
		rc = build_shard_close(b, &upper, e);
		if (rc == ERR_OK)
			rc = build_shard_open(b, b->shard.number + 1, &upper, e);
	}
	return rc == ERR_OK ? build_shard_close(b, &end, e) : rc;
}

/* ---- the dictionary ---- */

/*
 * Train on the samples and keep the result twice: in packs/ and in the catalogue. The file comes
 * first, so that the catalogue never has a dictionary whose file is missing. One that bears the
 * number already was left by a crash before the commit: nothing refers to it.
 */
static int
build_dictionary_train(struct build *b, struct err *e)
{
	const struct capture_samples *s = &b->t->samples;
	struct buf bytes = {0};
	int64_t id;
	int rc = dictionary_train(s->bytes.data, s->sizes, s->n, &bytes, e);

	if (rc == ERR_OK)
		rc = packs_dictionary_put(
		    b->c->cat, b->table.id, sort_count(b->t->sort), bytes.data, bytes.len, &id, e);
	if (rc == ERR_OK)
		rc = dictionary_remove(b->c->repo->packsfd, (uint64_t)id, e);
	if (rc == ERR_OK)
		rc = dictionary_save(b->c->repo->packsfd, (uint64_t)id, (uint64_t)b->table.id,
		    bytes.data, bytes.len, e);
	if (rc == ERR_OK)
		rc = catalog_commit(b->c->cat, false, e);
	if (rc == ERR_OK)
		rc = catalog_begin(b->c->cat, e);
	if (rc == ERR_OK)
		rc = dictionary_create((uint64_t)id, bytes.data, bytes.len, &b->dict, e);
	buf_finish(&bytes);
	return rc;
}

static int
build_dictionary(struct build *b, struct err *e)
{
	struct packs_dictionary last;
	struct buf bytes = {0};
	int rc = packs_dictionary_latest(b->c->cat, b->table.id, &last, e);

	if (rc == ERR_ABSENT ||
	    (rc == ERR_OK && sort_count(b->t->sort) / DICTIONARY_GROWTH > last.documents)) {
		/* Too little to learn from is no failure: what there is goes on being used. */
		int trained = build_dictionary_train(b, e);
		if (trained != ERR_ABSENT)
			return trained;
	}
	if (rc != ERR_OK)
		return rc == ERR_ABSENT ? ERR_OK : rc;
	rc = packs_dictionary_bytes(b->c->cat, last.id, &bytes, e);
	if (rc == ERR_OK)
		rc = dictionary_create((uint64_t)last.id, bytes.data, bytes.len, &b->dict, e);
	if (rc == ERR_ABSENT)
		rc = err_set(e, ERR_CORRUPT, "catalog.db has lost dictionary %" PRId64, last.id);
	buf_finish(&bytes);
	return rc;
}

/* ---- the whole ---- */

/* Record the snapshot and find what it is compared with. */
static int
build_begin(struct build *b, struct err *e)
{
	struct catalog *cat = b->c->cat;
	int rc = tables_intern(cat, b->t->database, b->t->name, &b->table, e);

	if (rc == ERR_OK) {
		rc = snapshots_previous(cat, b->table.id, &b->prev, e);
		if (rc == ERR_ABSENT) {
			b->prev = (struct snapshots_snapshot){0};
			rc = ERR_OK;
		}
	}
	b->snap.table_id = b->table.id;
	b->snap.run_id = b->purpose->run_id;
	b->snap.date = b->purpose->date;
	if (rc == ERR_OK)
		rc = snapshots_begin(
		    cat, b->table.id, b->purpose->run_id, b->purpose->date, &b->snap.id, e);
	return rc;
}

static int
build_fill(struct build *b, struct err *e)
{
	static const struct key start;
	/* Before the sorter is waited for, which may be writing yet. */
	int rc = build_dictionary(b, e);

	if (rc == ERR_OK)
		rc = sort_finish(b->t->sort, e);
	if (rc == ERR_OK)
		rc = build_bounds(b, sort_count(b->t->sort), e);
	if (rc == ERR_OK)
		rc = build_shard_open(b, 0, &start, e);
	if (rc == ERR_OK)
		rc = build_documents(b, e);
	if (rc == ERR_OK)
		rc = build_rest(b, e);
	b->snap.documents = b->documents;
	if (rc == ERR_OK)
		rc = snapshots_describe(b->c->cat, &b->snap,
		    (const char *)b->t->config.primary_key.data, b->t->config.json.data,
		    b->t->config.json.len, e);
	return rc;
}

int
capture_build(struct capture *c, struct capture_table *t, const struct capture_purpose *purpose,
    struct err *e)
{
	struct build b = {.c = c, .t = t, .purpose = purpose};
	bool recorded = false;
	int rc = ERR_OK;

	b.old = malloc(BUILD_PAGE * sizeof(*b.old));
	if (b.old == NULL)
		rc = err_nomem(e);
	if (rc == ERR_OK)
		rc = catalog_begin(c->cat, e);
	if (rc == ERR_OK)
		rc = build_begin(&b, e);
	/* The snapshot's row comes first on disk: what a crash leaves can be found by it. */
	if (rc == ERR_OK)
		rc = catalog_commit(c->cat, false, e);
	recorded = rc == ERR_OK;
	if (rc == ERR_OK)
		rc = catalog_begin(c->cat, e);
	if (rc == ERR_OK)
		rc = build_fill(&b, e);
	if (rc == ERR_OK)
		rc = catalog_commit(c->cat, false, e);
	if (rc == ERR_OK) {
		t->snapshot = b.snap;
	} else {
		pack_writer_abort(b.writer);
		catalog_rollback(c->cat);
		if (recorded)
			reclaim_take_back(c->repo, c->cat, b.snap.id, NULL);
	}
	dictionary_free(b.dict);
	free(b.old);
	return rc;
}
