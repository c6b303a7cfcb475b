/* Verifying a repository: the contract is in check.h. */
#include "snapshot/check.h"

#include "catalog/base/date.h"
#include "catalog/base/digest.h"
#include "catalog/forgotten.h"
#include "catalog/leftovers.h"
#include "catalog/packs.h"
#include "catalog/queue.h"
#include "catalog/runs.h"
#include "catalog/snapshots.h"
#include "catalog/versions.h"
#include "snapshot/json/jsonkey.h"
#include "snapshot/ledger.h"
#include "snapshot/rebuild.h"
#include "snapshot/reclaim.h"
#include "snapshot/store/dictionary.h"
#include "snapshot/store/marker.h"
#include "snapshot/store/pack.h"
#include "snapshot/store/runfile.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One check in progress. */
struct check {
	const struct repo *repo;
	const struct check_options *options;
	struct check_result *result;
	struct catalog *cat;
	struct digest *digest;
	struct pack_reader *reader; /* for the walk over an index */
	struct pack_reader *frames; /* for frames: a walk keeps its block in its own reader */
	struct buf frame;           /* the decoded frame at hand */
	uint64_t frame_number;      /* its number; UINT64_MAX: none */
	uint32_t frame_first;       /* ordinal of its first document */
	uint64_t done, total;       /* bytes of packs, for progress */
	int64_t newest;             /* highest number of a snapshot that was there at the start */
	bool holding;               /* problems wait in held until it is sure that they are some */
	struct buf held;            /* one a line */
};

/* The pack being looked at. */
struct check_pack {
	struct packs_pack row; /* what the catalogue says */
	struct tables_table table;
	struct pack *pack;
	struct dictionary *dict;
};

static void check_problem(struct check *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
check_problem(struct check *c, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* Without memory to wait in it is told at once. */
	if (c->holding && buf_printf(&c->held, "%s\n", text) == ERR_OK)
		return;
	c->result->problems++;
	c->options->problem(c->options->arg, text);
}

/* Tell the problems that were held back, or forget them. */
static void
check_release(struct check *c, bool tell)
{
	char *line = c->held.len > 0 ? (char *)c->held.data : NULL;
	char *end = line != NULL ? line + c->held.len : NULL;

	c->holding = false;
	for (; tell && line < end; line += strlen(line) + 1) {
		*(char *)memchr(line, '\n', (size_t)(end - line)) = '\0';
		check_problem(c, "%s", line);
	}
	buf_clear(&c->held);
}

static void
check_database_problem(void *arg, const char *text)
{
	check_problem(arg, "%s", text);
}

/* Whether ${rc} says that something is damaged or missing: a problem to report, not a failure. */
static bool
check_is_damage(int rc)
{
	return rc == ERR_CORRUPT || rc == ERR_ABSENT || rc == ERR_VERSION || rc == ERR_TRUNCATED;
}

/* Report damage and go on; pass failures up. */
static int
check_result(struct check *c, int rc, const struct err *e)
{
	if (!check_is_damage(rc))
		return rc;
	check_problem(c, "%s", e->text[0] != '\0' ? e->text : err_str(rc));
	return ERR_OK;
}

/* ---- dictionaries ---- */

static int
check_dictionary(struct check *c, const struct packs_dictionary *d, struct err *e)
{
	struct buf stored = {0}, kept = {0};
	uint64_t table_id = 0;
	int rc = dictionary_load(c->repo->packsfd, (uint64_t)d->id, &table_id, &stored, e);
	int known = packs_dictionary_bytes(c->cat, d->id, &kept, rc == ERR_OK ? e : NULL);

	/* A gc that is at work has removed it. */
	if (rc == ERR_ABSENT && known == ERR_ABSENT)
		return ERR_OK;
	if (rc == ERR_OK)
		rc = known;
	if (rc == ERR_OK &&
	    (stored.len != kept.len || memcmp(stored.data, kept.data, kept.len) != 0 ||
		table_id != (uint64_t)d->table_id))
		check_problem(
		    c, "dictionary %" PRId64 " in packs/ is not the one in catalog.db", d->id);
	rc = check_result(c, rc, e);
	buf_finish(&stored);
	buf_finish(&kept);
	c->result->dictionaries++;
	return rc;
}

static int
check_dictionaries(struct check *c, struct err *e)
{
	struct packs_dictionary d = {0};
	int rc;

	while ((rc = packs_dictionary_next(c->cat, d.id, &d, e)) == ERR_OK)
		if ((rc = check_dictionary(c, &d, e)) != ERR_OK)
			return rc;
	return rc == ERR_END ? ERR_OK : rc;
}

/* ---- packs ---- */

static void
check_key_problem(
    struct check *c, const struct check_pack *p, const struct key *key, const char *what)
{
	struct buf text = {0};
	char date[DATE_NAME];

	date_name(p->row.date, date);
	if (jsonkey_write(key, &text) != ERR_OK || buf_str(&text) == NULL)
		check_problem(c, "%s.%s of %s: a document with an unreadable key: %s",
		    p->table.database, p->table.name, date, what);
	else
		check_problem(c, "%s.%s of %s: document %s: %s (pack %" PRId64 ")",
		    p->table.database, p->table.name, date, (const char *)text.data, what,
		    p->row.id);
	buf_finish(&text);
}

/* Compare an index line with the catalogue. */
static int
check_entry(
    struct check *c, const struct check_pack *p, const struct pack_entry *entry, struct err *e)
{
	struct versions_version v;
	int rc = versions_born(c->cat, p->table.id, &entry->key, p->row.snapshot_id, &v, e);

	if (rc == ERR_ABSENT) {
		check_key_problem(c, p, &entry->key, "it is in its pack but not in catalog.db");
		return ERR_OK;
	}
	if (rc == ERR_OK &&
	    (v.pack_id != p->row.id || v.ordinal != entry->ordinal || v.size != entry->size ||
		memcmp(v.digest, entry->digest, DIGEST_LEN) != 0 || v.lost != entry->lost))
		check_key_problem(c, p, &entry->key, "catalog.db and its pack do not agree on it");
	return check_result(c, rc, e);
}

/* Decode the frame of ${entry} (unless it is at hand) and compare the document's digest. */
static int
check_data(
    struct check *c, const struct check_pack *p, const struct pack_entry *entry, struct err *e)
{
	uint8_t digest[DIGEST_LEN];
	const uint8_t *data;
	uint64_t frame;
	size_t size;
	int rc = pack_frame_of(p->pack, entry->ordinal, &frame);

	if (rc == ERR_OK && frame != c->frame_number) {
		c->frame_number = UINT64_MAX;
		rc = pack_frame_read(
		    p->pack, c->frames, p->dict, frame, &c->frame, &c->frame_first, e);
		if (rc == ERR_OK)
			c->frame_number = frame;
	}
	if (rc == ERR_OK)
		rc = pack_frame_document(
		    c->frame.data, c->frame.len, c->frame_first, entry->ordinal, &data, &size);
	if (check_is_damage(rc)) {
		check_key_problem(c, p, &entry->key, "its bytes are damaged or missing");
		return ERR_OK;
	}
	if (rc != ERR_OK)
		return rc;
	if (digest_document(c->digest, data, size, digest) != ERR_OK)
		return err_nomem(e);
	if (size != entry->size || memcmp(digest, entry->digest, DIGEST_LEN) != 0)
		check_key_problem(c, p, &entry->key, "its bytes do not have its digest");
	return ERR_OK;
}

static int
check_entries(struct check *c, const struct check_pack *p, struct err *e)
{
	struct pack_walk walk = {0};
	struct pack_entry entry;
	int rc;

	c->frame_number = UINT64_MAX;
	while ((rc = pack_entry_next(p->pack, c->reader, &walk, &entry, e)) == ERR_OK) {
		if (c->options->stop != NULL && *c->options->stop != 0)
			return err_set(e, ERR_INTR, "interrupted");
		if (entry.deleted)
			continue;
		rc = check_entry(c, p, &entry, e);
		if (rc == ERR_OK && c->options->read_data && !entry.lost)
			rc = check_data(c, p, &entry, e);
		if (rc != ERR_OK)
			return rc;
		c->result->versions++;
		if (c->options->progress != NULL && c->result->versions % 1024 == 0)
			c->options->progress(
			    c->options->arg, c->done, c->total, c->result->versions);
	}
	return rc == ERR_END ? ERR_OK : check_result(c, rc, e);
}

/* Does the pack say of itself what the catalogue says of it? */
static void
check_describe(struct check *c, const struct check_pack *p)
{
	const struct pack_meta *m = pack_describe(p->pack);
	const struct pack_totals *t = pack_count(p->pack);

	if (m->pack_id != (uint64_t)p->row.id || m->snapshot_id != (uint64_t)p->row.snapshot_id ||
	    m->table_id != (uint64_t)p->row.table_id || m->date != p->row.date ||
	    m->shard != p->row.shard || m->dictionary_id != (uint64_t)p->row.dictionary_id)
		check_problem(
		    c, "pack %" PRId64 " is of another snapshot than catalog.db says", p->row.id);
	/* 0 bytes has what rebuild could not read to its end. */
	if (t->documents != p->row.documents || t->deletions != p->row.deletions ||
	    (t->bytes != p->row.bytes && p->row.bytes != 0))
		check_problem(
		    c, "pack %" PRId64 " has other totals than catalog.db says", p->row.id);
}

static int
check_pack_open(struct check *c, struct check_pack *p, struct err *e)
{
	struct buf bytes = {0};
	int rc = tables_get(c->cat, p->row.table_id, &p->table, e);

	if (rc == ERR_ABSENT)
		err_set(e, rc, "pack %" PRId64 " is of a table that catalog.db has not", p->row.id);
	if (rc == ERR_OK)
		rc = pack_open(c->repo->packsfd, (uint64_t)p->row.id, &p->pack, e);
	if (rc == ERR_OK && p->row.dictionary_id != 0) {
		rc = dictionary_load(
		    c->repo->packsfd, (uint64_t)p->row.dictionary_id, NULL, &bytes, e);
		if (rc == ERR_OK)
			rc = dictionary_create(
			    (uint64_t)p->row.dictionary_id, bytes.data, bytes.len, &p->dict, e);
	}
	buf_finish(&bytes);
	return rc;
}

static int
check_pack_whole(struct check *c, const struct packs_pack *row, struct err *e)
{
	struct check_pack p = {.row = *row};
	int rc = check_pack_open(c, &p, e);

	if (rc == ERR_OK) {
		check_describe(c, &p);
		rc = pack_verify(p.pack, e);
		/* A bad checksum is a problem, and the documents that are still whole are worth
		 * naming. */
		rc = check_result(c, rc, e);
		if (rc == ERR_OK)
			rc = check_entries(c, &p, e);
	} else {
		rc = check_result(c, rc, e);
	}
	dictionary_free(p.dict);
	pack_close(p.pack);
	return rc;
}

/*
 * Whether a pack is in the hands of a gc or repair, at work or stopped: it is not there any more,
 * another one than it was, or about to become that, or has become that and its documents are still
 * to be shown.
 */
static int
check_pack_moves(struct check *c, const struct packs_pack *row, bool *moves, struct err *e)
{
	struct packs_pack now;
	int rc = packs_get(c->cat, row->id, &now, e);

	*moves = rc == ERR_ABSENT || now.bytes != row->bytes;
	if (rc == ERR_OK && !*moves) {
		rc = leftovers_has(c->cat, LEFTOVERS_REPLACEMENT, row->id, e);
		*moves = rc == ERR_OK && (pack_staged(c->repo->packsfd, (uint64_t)row->id) ||
					     reclaim_compare(c->repo, row, NULL) == ERR_OK);
	}
	return rc == ERR_ABSENT ? ERR_OK : rc;
}

/* The replacement has come meanwhile, or was lost: look at what there is now. */
static int
check_pack_again(struct check *c, const struct packs_pack *row, struct err *e)
{
	uint64_t versions = c->result->versions;
	int rc;

	check_release(c, false);
	rc = check_pack_whole(c, row, e);
	c->result->versions = versions;
	return rc;
}

static int
check_pack(struct check *c, const struct packs_pack *row, struct err *e)
{
	bool moves = false, replaced;
	int rc;

	/* Of a pack that a snapshot shows there may be a problem with every document: they are held
	 * back only when it is being replaced. */
	rc = leftovers_has(c->cat, LEFTOVERS_REPLACEMENT, row->id, e);
	replaced = rc == ERR_OK;
	c->holding = replaced || row->forgotten;
	if (rc == ERR_OK || rc == ERR_ABSENT)
		rc = check_pack_whole(c, row, e);
	if (rc == ERR_OK && c->holding)
		rc = check_pack_moves(c, row, &moves, e);
	if (rc == ERR_OK && replaced && !moves && c->held.len > 0)
		rc = check_pack_again(c, row, e);
	check_release(c, !moves);
	c->result->packs++;
	c->done += row->bytes;
	return rc;
}

/*
 * Has the catalogue versions that are in no pack? While a writer is at work, and after one was
 * killed, it rightly has those of an unfinished snapshot: then there is nothing to compare with.
 */
static int
check_total(struct check *c, uint64_t stored, uint64_t began, struct err *e)
{
	uint64_t known = 0, now = 0;
	int64_t pack_id, snapshot_id;
	int rc = versions_count(c->cat, 0, &known, e);

	if (rc == ERR_OK)
		rc = packs_unfinished_next(c->cat, 0, &pack_id, &snapshot_id, e);
	if (rc == ERR_END)
		rc = catalog_generation(c->cat, &now, e);
	else
		return rc;
	if (rc == ERR_OK && now == began && known != stored)
		check_problem(c, "catalog.db has %" PRIu64 " versions, the packs have %" PRIu64,
		    known, stored);
	return rc;
}

static int
check_packs(struct check *c, struct err *e)
{
	struct packs_pack row = {0};
	uint64_t stored = 0, began = 0;
	int rc = packs_total(c->cat, &c->total, e);

	if (rc == ERR_OK)
		rc = catalog_generation(c->cat, &began, e);
	while (rc == ERR_OK && (rc = packs_next(c->cat, row.id, &row, e)) == ERR_OK) {
		stored += row.documents;
		rc = check_pack(c, &row, e);
	}
	return rc == ERR_END ? check_total(c, stored, began, e) : rc;
}

/* ---- the whole catalogue ---- */

/* Whether a file that the catalogue does not know is one that a gc, at work or stopped, removes. */
static int
check_file_goes(struct check *c, uint64_t id, bool *goes, struct err *e)
{
	struct pack *pack = NULL;
	int rc =
	    id <= INT64_MAX ? leftovers_has(c->cat, LEFTOVERS_PACK, (int64_t)id, e) : ERR_ABSENT;

	*goes = rc == ERR_OK;
	if (rc != ERR_ABSENT)
		return rc;
	/* The row of a leftover goes behind the file. */
	*goes = pack_open(c->repo->packsfd, id, &pack, NULL) == ERR_ABSENT;
	pack_close(pack);
	return ERR_OK;
}

/*
 * A pack that the catalogue does not know. A dictionary is on disk before the catalogue has it, so
 * one that it does not know may be new, or left by a writer that was killed: where one is really
 * missing, a pack that needs it tells.
 */
static int
check_file(void *arg, uint64_t id, bool is_dictionary)
{
	struct check *c = arg;
	struct err e = {0};
	bool goes = false;
	int rc;

	if (is_dictionary)
		return ERR_OK;
	rc = packs_known(c->cat, id <= INT64_MAX ? (int64_t)id : 0, &e);
	if (rc == ERR_ABSENT) {
		rc = check_file_goes(c, id, &goes, &e);
		if (rc != ERR_OK || goes)
			return check_result(c, rc, &e);
		check_problem(c,
		    "pack %016" PRIx64 " is in packs/ but not in catalog.db, which thinkback "
		    "rebuild makes again",
		    id);
		return ERR_OK;
	}
	return check_result(c, rc, &e);
}

#define CHECK_COMPARE_TRIES 3
#define CHECK_COMPARE_LINES 65536u /* bytes of differences kept, in whole lines */

/* What a comparison has found; lines that end in NUL. */
struct check_found {
	struct buf lines;
	int rc; /* ERR_NOMEM when lines are missing */
};

static void
check_compare_found(void *arg, const char *text)
{
	struct check_found *f = arg;

	if (f->lines.len < CHECK_COMPARE_LINES &&
	    buf_append(&f->lines, text, strlen(text) + 1) != ERR_OK)
		f->rc = ERR_NOMEM;
}

/*
 * Compare once. Differences count only when nothing was committed meanwhile, as the catalogue is
 * read in several steps, and when no pack waits for its replacement (leftovers.h): that one says
 * more than the catalogue. Sets ${settled} to whether that is so.
 */
static int
check_compare_once(struct check *c, bool *settled, struct err *e)
{
	struct check_found found = {.rc = ERR_OK};
	const struct rebuild_options options = {
	    .stop = c->options->stop, .problem = check_compare_found, .arg = &found};
	uint64_t before = 0, behind = 0;
	int64_t id;
	int rc = catalog_generation(c->cat, &before, e);

	if (rc == ERR_OK)
		rc = leftovers_next(c->cat, LEFTOVERS_REPLACEMENT, 0, &id, e);
	if (rc != ERR_END) {
		*settled = check_is_damage(rc);
		return rc;
	}
	rc = rebuild_compare(c->repo, c->cat, &options, e);
	if (rc == ERR_OK && found.rc != ERR_OK)
		rc = err_nomem(e);
	if (rc == ERR_OK || check_is_damage(rc)) {
		struct err why = {0};
		int again = catalog_generation(c->cat, &behind, &why);
		*settled = again != ERR_OK || before == behind;
	}
	for (size_t i = 0; *settled && i < found.lines.len;
	     i += strlen((const char *)found.lines.data + i) + 1)
		check_problem(c, "%s", (const char *)found.lines.data + i);
	buf_finish(&found.lines);
	return rc;
}

/*
 * Does the catalogue say what its packs say, in every row? Where damage was found already this
 * would only tell again what follows from it. A catalogue that does not hold still is a writer's at
 * work, which reads what it builds on itself.
 */
static int
check_compare(struct check *c, struct err *e)
{
	bool settled = false;
	int rc = pack_list(c->repo->packsfd, check_file, c, e);

	if (rc != ERR_OK || c->result->problems > 0)
		return rc;
	for (int i = 0; i < CHECK_COMPARE_TRIES && !settled; i++) {
		rc = check_compare_once(c, &settled, e);
		if (rc != ERR_OK && !check_is_damage(rc))
			return rc;
	}
	return settled ? check_result(c, rc, e) : ERR_OK;
}

/* ---- snapshots ---- */

/* A snapshot that is shown has no marker that says the contrary. */
static int
check_unmarked(struct check *c, const struct tables_table *t, const struct snapshots_snapshot *s,
    struct err *e)
{
	struct snapshots_snapshot now;
	struct marker m;
	char date[DATE_NAME];
	int rc = marker_load(c->repo->packsfd, (uint64_t)s->id, &m, e);

	if (rc == ERR_ABSENT)
		return ERR_OK;
	/* A forget that is at work, or was stopped, is not done yet. */
	if (leftovers_has(c->cat, LEFTOVERS_MARKER, s->id, NULL) == ERR_OK ||
	    snapshots_get(c->cat, s->id, &now, NULL) != ERR_OK)
		return ERR_OK;
	date_name(s->date, date);
	if (rc == ERR_OK)
		check_problem(c, "%s.%s of %s has a marker in packs/ that says it is forgotten",
		    t->database, t->name, date);
	return check_result(c, rc, e);
}

/* Shards follow one another without a gap, and their documents add up. */
static int
check_snapshot(struct check *c, const struct tables_table *t, const struct snapshots_snapshot *s,
    struct err *e)
{
	struct snapshots_shard shard;
	struct key expected = {0};
	uint64_t documents = 0;
	char date[DATE_NAME];
	int rc = ERR_OK;

	date_name(s->date, date);
	for (uint64_t i = 0; i < s->shards && rc == ERR_OK; i++) {
		rc = snapshots_shard(c->cat, s->id, i, &shard, e);
		if (rc == ERR_ABSENT) {
			check_problem(c, "%s.%s of %s has lost shard %" PRIu64, t->database,
			    t->name, date, i);
			return ERR_OK;
		}
		if (rc == ERR_OK && key_compare(&shard.lower, &expected) != 0)
			check_problem(c,
			    "%s.%s of %s: shard %" PRIu64 " does not begin where the one "
			    "before ends",
			    t->database, t->name, date, i);
		expected = shard.upper;
		documents += shard.documents;
	}
	if (rc == ERR_OK && (documents != s->documents || expected.len != 0))
		check_problem(
		    c, "%s.%s of %s: its shards do not add up", t->database, t->name, date);
	c->result->snapshots++;
	if (s->id > c->newest)
		c->newest = s->id;
	rc = check_result(c, rc, e);
	return rc == ERR_OK ? check_unmarked(c, t, s, e) : rc;
}

/* A forgotten snapshot has its marker. */
static int
check_marked(struct check *c, const struct snapshots_snapshot *s, struct err *e)
{
	struct snapshots_snapshot now;
	struct marker m;
	int rc = marker_load(c->repo->packsfd, (uint64_t)s->id, &m, e);

	if (rc == ERR_ABSENT &&
	    (forgotten_before(c->cat, s->table_id, s->id + 1, &now, e) != ERR_OK ||
		now.id != s->id))
		return ERR_OK;
	if (rc == ERR_ABSENT)
		err_set(e, rc,
		    "snapshot %" PRId64 " is forgotten, but has no marker in packs/; "
		    "run: thinkback check --repair",
		    s->id);
	if (rc == ERR_OK && (m.table_id != (uint64_t)s->table_id || m.date != s->date))
		check_problem(
		    c, "the marker of forgotten snapshot %" PRId64 " is of another one", s->id);
	return check_result(c, rc, e);
}

static int
check_forgotten(struct check *c, struct err *e)
{
	int64_t table_id = 0;
	int rc;

	while ((rc = forgotten_table_next(c->cat, table_id, &table_id, e)) == ERR_OK) {
		struct snapshots_snapshot s = {0};
		while ((rc = forgotten_next(c->cat, table_id, s.id, &s, e)) == ERR_OK)
			if ((rc = check_marked(c, &s, e)) != ERR_OK)
				return rc;
		if (rc != ERR_END)
			return rc;
	}
	return rc == ERR_END ? ERR_OK : rc;
}

/* Hand each snapshot of the catalogue to ${visit}. */
static int
check_each_snapshot(struct check *c,
    int (*visit)(struct check *, const struct tables_table *, const struct snapshots_snapshot *,
	struct err *),
    struct err *e)
{
	struct tables_database d = {0};
	int rc;

	while ((rc = tables_database_next(c->cat, d.name, &d, e)) == ERR_OK) {
		struct tables_table t = {0};
		while ((rc = tables_next(c->cat, d.id, t.name, &t, e)) == ERR_OK) {
			struct snapshots_snapshot s = {0};
			while ((rc = snapshots_next(c->cat, t.id, s.id, &s, e)) == ERR_OK)
				if ((rc = visit(c, &t, &s, e)) != ERR_OK)
					return rc;
			if (rc != ERR_END)
				return rc;
		}
		if (rc != ERR_END)
			return rc;
	}
	return rc == ERR_END ? ERR_OK : rc;
}

static int
check_mark(struct check *c, const struct tables_table *t, const struct snapshots_snapshot *s,
    struct err *e)
{
	(void)t;
	/* One that was completed meanwhile may have packs that were not looked at. */
	if (s->id > c->newest)
		return ERR_OK;
	return snapshots_verified(c->cat, s->id, date_now() / 1000, e);
}

/* Write the time into the catalogue, if no other writer is at work and the repository can be
 * written. */
static void
check_record(struct check *c)
{
	struct catalog *read_only = c->cat;
	int lock;

	if (repo_lock(c->repo, &lock, NULL) != ERR_OK)
		return;
	if (catalog_open(c->repo, CATALOG_WRITE, &c->cat, NULL) == ERR_OK) {
		c->result->recorded = check_each_snapshot(c, check_mark, NULL) == ERR_OK;
		catalog_close(c->cat);
	}
	c->cat = read_only;
	close(lock);
}

/* ---- the ledger ---- */

/* It says what the catalogue says, unless that changes meanwhile or it is still to be written. */
static int
check_ledger(struct check *c, struct err *e)
{
	uint64_t before = 0, behind = 0;
	bool same = true;
	int rc = catalog_generation(c->cat, &before, e);

	if (rc == ERR_OK)
		rc = leftovers_has(c->cat, LEFTOVERS_LEDGER, LEFTOVERS_ONLY, e);
	if (rc != ERR_ABSENT)
		return check_result(c, rc, e);
	rc = ledger_same(c->repo, c->cat, &same, e);
	if (rc == ERR_OK && !same)
		rc = catalog_generation(c->cat, &behind, e);
	if (rc == ERR_OK && !same && before == behind)
		check_problem(c, "tags, pins or forgotten dates in packs/ are not those in "
				 "catalog.db; run: thinkback check --repair");
	return check_result(c, rc, e);
}

/* ---- runs ---- */

static bool
check_same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* The record of a run is in the catalogue and beside the packs, and both are the same. */
static int
check_run_record(struct check *c, const struct runs_run *run, struct err *e)
{
	struct runfile file = {0};
	struct buf source = {0}, kept = {0};
	int rc = runfile_load(c->repo->packsfd, (uint64_t)run->id, &file, e);

	if (rc == ERR_OK)
		rc = runs_record(c->cat, run->id, &kept, e);
	if (rc == ERR_OK)
		rc = snapshots_run_source(c->cat, run->id, &source, e);
	if (rc == ERR_OK && (file.date != run->date || !check_same(&file.record, &kept) ||
				!check_same(&file.source, &source)))
		check_problem(c,
		    "the record of run %" PRId64 " in packs/ is not the one in catalog.db",
		    run->id);
	rc = check_result(c, rc, e);
	runfile_finish(&file);
	buf_finish(&kept);
	buf_finish(&source);
	return rc;
}

static int
check_runs(struct check *c, struct err *e)
{
	struct runs_run run = {0};
	int rc;

	while ((rc = runs_next(c->cat, run.id, &run, e)) == ERR_OK)
		if (run.has_record && (rc = check_run_record(c, &run, e)) != ERR_OK)
			return rc;
	return rc == ERR_END ? ERR_OK : check_result(c, rc, e);
}

/* ---- the whole ---- */

static int
check_queue(struct check *c, struct err *e)
{
	struct queue_filter all = {.states = QUEUE_ANY};
	struct queue_restore r = {0};
	struct queue *q;
	int rc = queue_open(c->repo, false, &q, e);

	if (rc != ERR_OK)
		return check_result(c, rc, e);
	while ((rc = queue_next(q, &all, r.id, &r, e)) == ERR_OK)
		continue;
	queue_close(q);
	return rc == ERR_END ? ERR_OK : check_result(c, rc, e);
}

static int
check_all(struct check *c, struct err *e)
{
	int rc = catalog_open(c->repo, CATALOG_READ, &c->cat, e);

	if (rc != ERR_OK)
		return check_result(c, rc, e);
	rc = catalog_check(c->cat, check_database_problem, c, e);
	if (rc == ERR_CORRUPT)
		rc = ERR_OK;
	if (rc == ERR_OK)
		rc = check_dictionaries(c, e);
	if (rc == ERR_OK)
		rc = check_runs(c, e);
	if (rc == ERR_OK)
		rc = check_each_snapshot(c, check_snapshot, e);
	if (rc == ERR_OK)
		rc = check_forgotten(c, e);
	if (rc == ERR_OK)
		rc = check_ledger(c, e);
	if (rc == ERR_OK)
		rc = check_packs(c, e);
	if (rc == ERR_OK)
		rc = check_compare(c, e);
	if (rc == ERR_OK)
		rc = check_queue(c, e);
	rc = check_result(c, rc, e);
	if (rc == ERR_OK && c->options->read_data && c->result->problems == 0)
		check_record(c);
	return rc;
}

int
check_run(const struct repo *repo, const struct check_options *options, struct check_result *result,
    struct err *e)
{
	struct check c = {.repo = repo, .options = options, .result = result};
	struct err own = {0};
	int rc;

	if (e == NULL)
		e = &own;
	*result = (struct check_result){0};
	c.digest = digest_create();
	c.reader = pack_reader_create();
	c.frames = pack_reader_create();
	if (c.digest == NULL || c.reader == NULL || c.frames == NULL)
		rc = err_nomem(e);
	else
		rc = check_all(&c, e);
	catalog_close(c.cat);
	digest_free(c.digest);
	pack_reader_free(c.reader);
	pack_reader_free(c.frames);
	buf_finish(&c.frame);
	buf_finish(&c.held);
	if (rc == ERR_OK && result->problems > 0)
		return err_set(e, ERR_CORRUPT, "%" PRIu64 " problems were found", result->problems);
	return rc;
}
