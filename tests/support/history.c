/* Histories of snapshots: the contracts are in history.h. */
#include "tests/support/history.h"

#include "tests/support/take.h"
#include "tests/support/test.h"

#include "catalog/forgotten.h"
#include "catalog/named.h"
#include "catalog/remake.h"
#include "catalog/snapshots.h"
#include "catalog/tags.h"
#include "catalog/versions.h"
#include "snapshot/check.h"
#include "snapshot/forget.h"
#include "snapshot/gc.h"
#include "snapshot/rebuild.h"
#include "snapshot/reclaim.h"
#include "snapshot/store/marker.h"
#include "snapshot/store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PADDING 6000 /* bytes of a document: three of them fill a frame */

/* ---- making ---- */

void
history_start(struct history *h, uint64_t seed)
{
	char path[600];
	struct err e = {0};

	*h = (struct history){.dir = test_dir(), .clock = 1000000000, .random = seed};
	snprintf(path, sizeof(path), "%s/export", h->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/export/d", h->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/repo", h->dir);
	assert_err(repo_create(path, &e), ERR_OK, &e);
	assert_err(repo_open(path, &h->repo, &e), ERR_OK, &e);
}

void
history_end(struct history *h)
{
	repo_close(h->repo);
	test_dir_remove(h->dir);
}

void
history_copy(const struct history *from, struct history *h)
{
	char command[1400], path[600];
	struct err e = {0};

	*h = *from;
	h->dir = test_dir();
	snprintf(command, sizeof(command), "cp -R '%s/.' '%s'", from->dir, h->dir);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof(path), "%s/repo", h->dir);
	assert_err(repo_open(path, &h->repo, &e), ERR_OK, &e);
}

unsigned
history_random(struct history *h, unsigned below)
{
	/* splitmix64 */
	uint64_t x = h->random += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return (unsigned)((x ^ x >> 31) % below);
}

/* The canonical bytes of a document. */
static void
history_text(unsigned key, int value, struct buf *out)
{
	/* Random letters: they do not shrink to nothing. */
	uint32_t x = key * 31 + (uint32_t)value * 1009 + 1;

	buf_clear(out);
	assert_int_equal(buf_printf(out, "{\"id\":\"k%u\",\"p\":\"", key), ERR_OK);
	for (unsigned i = 0; i < PADDING; i++) {
		x = x * 1103515245u + 12345u;
		assert_int_equal(buf_putc(out, (uint8_t)('a' + (x >> 16) % 26)), ERR_OK);
	}
	assert_int_equal(buf_printf(out, "\",\"v\":%d}", value), ERR_OK);
}

static void
history_write(struct history *h, const int values[HISTORY_KEYS])
{
	struct buf all = {0}, one = {0};
	char path[600], info[80];
	unsigned n = 0;

	buf_putc(&all, '[');
	for (unsigned k = 0; k < HISTORY_KEYS; k++) {
		if (values[k] < 0)
			continue;
		history_text(k, values[k], &one);
		if (n++ > 0)
			buf_putc(&all, ',');
		buf_append(&all, one.data, one.len);
	}
	assert_int_equal(buf_putc(&all, ']'), ERR_OK);
	snprintf(path, sizeof(path), "%s/export/d/t.json", h->dir);
	test_write_file(path, all.data, all.len);
	/* One shard or two: a key may change its shard. */
	snprintf(info, sizeof(info), "{\"primary_key\":\"id\",\"doc_count_estimates\":[%s]}",
	    history_random(h, 3) == 0 ? "1" : "1,1");
	snprintf(path, sizeof(path), "%s/export/d/t.info", h->dir);
	test_write_file(path, info, strlen(info));
	buf_finish(&all);
	buf_finish(&one);
}

static struct key
history_key(unsigned k)
{
	struct key key = {.len = 3};

	memcpy(key.bytes, "Sk", 2);
	key.bytes[2] = (uint8_t)('0' + k);
	return key;
}

void
history_note(struct history *h, const int values[HISTORY_KEYS])
{
	struct history_snapshot *s = &h->snapshots[h->n++];
	struct snapshots_snapshot row;
	struct tables_table table;
	struct catalog *c;
	struct err e = {0};

	assert_true(h->n <= HISTORY_SNAPSHOTS);
	assert_err(catalog_open(h->repo, CATALOG_READ, &c, &e), ERR_OK, &e);
	assert_err(tables_find(c, "d", "t", &table, &e), ERR_OK, &e);
	assert_err(snapshots_latest(c, table.id, &row, &e), ERR_OK, &e);
	*s = (struct history_snapshot){.id = row.id, .date = row.date};
	for (unsigned k = 0; k < HISTORY_KEYS; k++) {
		struct key key = history_key(k);
		struct versions_version v;
		int rc = versions_find(c, table.id, row.id, &key, &v, &e);
		assert_err(rc, values[k] < 0 ? ERR_ABSENT : ERR_OK, &e);
		s->documents[k].value = values[k];
		if (rc != ERR_OK)
			continue;
		s->documents[k].pack_id = v.pack_id;
		s->documents[k].ordinal = v.ordinal;
	}
	catalog_close(c);
}

void
history_take(struct history *h, const int values[HISTORY_KEYS])
{
	char path[600];

	history_write(h, values);
	snprintf(path, sizeof(path), "%s/export", h->dir);
	take_export(h->repo, path, h->clock, 1);
	h->clock += 1000;
	history_note(h, values);
}

void
history_take_random(struct history *h)
{
	int values[HISTORY_KEYS];

	for (unsigned k = 0; k < HISTORY_KEYS; k++) {
		values[k] = h->n > 0 ? h->snapshots[h->n - 1].documents[k].value : -1;
		if (h->n == 0 || history_random(h, 2) == 0)
			values[k] = (int)history_random(h, 4) - 1;
	}
	history_take(h, values);
}

/* Open the catalogue as a writer does. */
static struct catalog *
history_open(struct history *h, int *lock)
{
	struct catalog *c;
	struct err e = {0};

	assert_err(repo_lock(h->repo, lock, &e), ERR_OK, &e);
	assert_err(catalog_open(h->repo, CATALOG_WRITE, &c, &e), ERR_OK, &e);
	assert_err(reclaim_recover(h->repo, c, &e), ERR_OK, &e);
	return c;
}

void
history_recover(struct history *h)
{
	int lock;

	catalog_close(history_open(h, &lock));
	close(lock);
}

void
history_forget(struct history *h, size_t i)
{
	struct forget_plan plan;
	char date[32], *dates[] = {date};
	struct err e = {0};
	int lock;
	struct catalog *c = history_open(h, &lock);

	snprintf(date, sizeof(date), "@%lld", (long long)h->snapshots[i].date);
	assert_err(forget_plan_named(c, "d.t", dates, 1, &plan, &e), ERR_OK, &e);
	assert_int_equal(plan.n, 1);
	assert_int_equal(plan.items[0].snapshot.id, h->snapshots[i].id);
	assert_err(forget_run(h->repo, c, &plan, &e), ERR_OK, &e);
	forget_plan_finish(&plan);
	catalog_close(c);
	close(lock);
	h->snapshots[i].forgotten = true;
}

static void
history_problem(void *arg, const struct err *e)
{
	(void)arg;
	print_error("gc: %s\n", e->text);
	fail();
}

static void
history_damage(void *arg, const struct err *e)
{
	(void)arg;
	assert_true(e->text[0] != '\0');
}

static int
history_gc_run(struct history *h, const struct gc_options *options, uint64_t *freed)
{
	struct gc_result result = {0};
	struct err e = {0};
	int lock;
	struct catalog *c = history_open(h, &lock);
	int rc = gc_run(h->repo, c, options, &result, &e);

	catalog_close(c);
	close(lock);
	if (rc == ERR_OK && freed != NULL)
		*freed = result.freed;
	return rc;
}

int
history_gc(struct history *h, unsigned threshold, uint64_t *freed)
{
	const struct gc_options options = {.threshold = threshold, .problem = history_problem};

	return history_gc_run(h, &options, freed);
}

void
history_collect(struct history *h, unsigned threshold)
{
	const struct gc_options options = {.threshold = threshold, .problem = history_damage};

	assert_int_equal(history_gc_run(h, &options, NULL), ERR_OK);
}

void
history_tag(struct history *h, size_t i, const char *tag)
{
	struct err e = {0};
	int lock;
	struct catalog *c = history_open(h, &lock);

	assert_err(catalog_begin(c, &e), ERR_OK, &e);
	assert_err(tags_add(c, h->snapshots[i].id, tag, &e), ERR_OK, &e);
	assert_err(catalog_commit(c, true, &e), ERR_OK, &e);
	assert_err(reclaim_leftovers(h->repo, c, &e), ERR_OK, &e);
	catalog_close(c);
	close(lock);
}

/* ---- packs ---- */

const char *
history_pack_path(const struct history *h, int64_t pack_id, char out[HISTORY_PATH])
{
	snprintf(out, HISTORY_PATH, "%s/repo/packs/000000/%016" PRIx64 ".pack", h->dir,
	    (uint64_t)pack_id);
	return out;
}

void
history_each_pack(struct history *h, unsigned one_in,
    void (*each)(struct history *h, struct catalog *c, const struct packs_pack *row))
{
	struct packs_pack row = {0};
	struct catalog *c;
	struct err e = {0};
	int rc;

	assert_err(catalog_open(h->repo, CATALOG_READ, &c, &e), ERR_OK, &e);
	while ((rc = packs_next(c, row.id, &row, &e)) == ERR_OK)
		if (history_random(h, one_in) == 0)
			each(h, c, &row);
	assert_err(rc, ERR_END, &e);
	catalog_close(c);
}

/* ---- making the catalogue again ---- */

/* A listing in the making. */
struct history_listing {
	struct catalog *c;
	struct buf *out;
};

static int
history_list_snapshot(
    void *arg, const struct tables_table *t, const struct snapshots_snapshot *s, struct err *e)
{
	struct history_listing *l = arg;
	char tag[TAGS_NAME] = "";
	int rc;

	assert_int_equal(buf_printf(l->out,
			     "%s.%s %" PRId64 " %" PRId64 ": %" PRIu64 " shards, %" PRIu64
			     " documents, %" PRIu64 " bytes, %" PRIu64 " new, %" PRIu64
			     " changed, %" PRIu64 " deleted, %" PRIu64 " stored, %" PRIu64 " lost",
			     t->database, t->name, s->id, s->date, s->shards, s->documents,
			     s->bytes, s->added, s->changed, s->deleted, s->stored_bytes, s->lost),
	    ERR_OK);
	while ((rc = tags_next(l->c, s->id, tag, tag, e)) == ERR_OK)
		assert_int_equal(buf_printf(l->out, " %s", tag), ERR_OK);
	assert_err(rc, ERR_END, e);
	return buf_puts(l->out, "\n");
}

/* All that is listed, and the last numbers given out. */
static void
history_list(struct history *h, struct buf *out)
{
	struct history_listing l = {.out = out};
	int64_t packs, snapshots;
	struct err e = {0};
	int rc;

	assert_err(catalog_open(h->repo, CATALOG_READ, &l.c, &e), ERR_OK, &e);
	rc = named_tables(l.c, NULL, 0, history_list_snapshot, &l, &e);
	if (rc != ERR_ABSENT)
		assert_err(rc, ERR_OK, &e);
	assert_err(remake_last(l.c, "packs", &packs, &e), ERR_OK, &e);
	assert_err(remake_last(l.c, "snapshots", &snapshots, &e), ERR_OK, &e);
	catalog_close(l.c);
	assert_int_equal(
	    buf_printf(out, "last: %" PRId64 " %" PRId64 "\n", packs, snapshots), ERR_OK);
	assert_non_null(buf_str(out));
}

static void
history_rebuild_problem(void *arg, const char *text)
{
	(void)arg;
	print_error("rebuild: %s\n", text);
	fail();
}

void
history_drop_catalog(struct history *h)
{
	static const char *const tails[] = {"", "-wal", "-shm"};
	char path[HISTORY_PATH];

	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/repo/catalog.db%s", h->dir, tails[i]);
		unlink(path);
	}
}

void
history_remake(struct history *h)
{
	const struct rebuild_options options = {.problem = history_rebuild_problem};
	struct rebuild_result result;
	struct err e = {0};
	int lock;

	history_drop_catalog(h);
	assert_err(repo_lock(h->repo, &lock, &e), ERR_OK, &e);
	assert_err(rebuild_run(h->repo, &options, &result, &e), ERR_OK, &e);
	close(lock);
}

void
history_rebuild(struct history *h)
{
	struct buf before = {0}, after = {0};

	history_recover(h);
	history_list(h, &before);
	history_remake(h);
	history_list(h, &after);
	assert_string_equal(after.data, before.data);
	buf_finish(&before);
	buf_finish(&after);
}

/* ---- what the packs say ---- */

/* Lines of all packs: for each snapshot of the history and key, the one that is there. */
struct model {
	struct history *h;
	bool taken[HISTORY_SNAPSHOTS]; /* it has a pack */
	struct model_line {
		bool there, deleted, lost;
		int64_t pack_id;
		uint32_t ordinal;
	} lines[HISTORY_SNAPSHOTS][HISTORY_KEYS];
};

static int
model_pack(void *arg, uint64_t id, bool is_dictionary)
{
	struct model *m = arg;
	struct pack_reader *r;
	struct pack_walk walk = {0};
	struct pack_entry entry;
	struct pack *p;
	struct err e = {0};
	size_t i = 0;
	int rc;

	if (is_dictionary)
		return ERR_OK;
	r = pack_reader_create();
	assert_err(pack_open(m->h->repo->packsfd, id, &p, &e), ERR_OK, &e);
	while (i < m->h->n && m->h->snapshots[i].id != (int64_t)pack_describe(p)->snapshot_id)
		i++;
	assert_true(i < m->h->n);
	m->taken[i] = true;
	while ((rc = pack_entry_next(p, r, &walk, &entry, &e)) == ERR_OK) {
		unsigned k = (unsigned)(entry.key.bytes[2] - '0');
		struct key key = history_key(k);
		assert_true(k < HISTORY_KEYS);
		assert_int_equal(key_compare(&key, &entry.key), 0);
		assert_false(m->lines[i][k].there);
		m->lines[i][k] = (struct model_line){
		    true, entry.deleted, entry.lost, (int64_t)id, entry.ordinal};
	}
	assert_err(rc, ERR_END, &e);
	pack_close(p);
	pack_reader_free(r);
	return ERR_OK;
}

/* Snapshot ${i} by the packs: for each key the last line up to it. */
static void
model_compare(const struct model *m, size_t i)
{
	const struct history_snapshot *s = &m->h->snapshots[i];

	for (unsigned k = 0; k < HISTORY_KEYS; k++) {
		const struct history_document *want = &s->documents[k];
		const struct model_line *line = NULL;
		for (size_t j = 0; j <= i; j++)
			if (m->lines[j][k].there)
				line = &m->lines[j][k];
		if (line != NULL && line->lost) {
			assert_true(m->h->lossy && want->value >= 0);
			continue;
		}
		if (line != NULL && line->deleted)
			line = NULL;
		assert_int_equal(line != NULL, want->value >= 0);
		if (line == NULL)
			continue;
		assert_int_equal(line->pack_id, want->pack_id);
		assert_int_equal(line->ordinal, want->ordinal);
	}
}

static void
history_compare_packs(struct history *h)
{
	struct model *m = calloc(1, sizeof(*m));
	struct err e = {0};

	assert_non_null(m);
	m->h = h;
	assert_err(pack_list(h->repo->packsfd, model_pack, m, &e), ERR_OK, &e);
	for (size_t i = 0; i < h->n; i++) {
		struct marker marker;
		int rc = marker_load(h->repo->packsfd, (uint64_t)h->snapshots[i].id, &marker, &e);
		bool shown = m->taken[i] && rc == ERR_ABSENT;
		if (rc != ERR_OK)
			assert_err(rc, ERR_ABSENT, &e);
		assert_int_equal(shown, !h->snapshots[i].forgotten);
		if (shown)
			model_compare(m, i);
	}
	free(m);
}

/* ---- what the catalogue says ---- */

/* Compare what is shown of a snapshot; sets ${missing} to the documents that it should have too. */
static void
history_compare_snapshot(const struct history_snapshot *s, int64_t table_id, struct catalog *c,
    struct store *store, uint64_t *missing)
{
	struct buf want = {0}, got = {0};
	struct err e = {0};

	for (unsigned k = 0; k < HISTORY_KEYS; k++) {
		const struct history_document *d = &s->documents[k];
		struct key key = history_key(k);
		struct versions_version v;
		size_t size;
		int rc = versions_find(c, table_id, s->id, &key, &v, &e);
		if (rc != ERR_ABSENT)
			assert_err(rc, d->value < 0 ? ERR_ABSENT : ERR_OK, &e);
		*missing += rc == ERR_ABSENT && d->value >= 0;
		if (rc != ERR_OK)
			continue;
		assert_int_equal(v.pack_id, d->pack_id);
		assert_int_equal(v.ordinal, d->ordinal);
		history_text(k, d->value, &want);
		buf_clear(&got);
		rc =
		    store_read(store, (uint64_t)v.pack_id, v.ordinal, 0, SIZE_MAX, &got, &size, &e);
		assert_err(rc, ERR_OK, &e);
		assert_int_equal(got.len, want.len);
		assert_memory_equal(got.data, want.data, got.len);
	}
	buf_finish(&want);
	buf_finish(&got);
}

void
history_compare_shown(struct history *h)
{
	struct tables_table table;
	struct catalog *c;
	struct store *store;
	struct err e = {0};
	int rc;

	assert_err(catalog_open(h->repo, CATALOG_READ, &c, &e), ERR_OK, &e);
	assert_err(store_create(h->repo->packsfd, NULL, &store, &e), ERR_OK, &e);
	rc = tables_find(c, "d", "t", &table, &e);
	for (size_t i = 0; i < h->n; i++) {
		struct snapshots_snapshot row;
		uint64_t missing = 0;
		if (h->snapshots[i].forgotten) {
			assert_err(snapshots_get(c, h->snapshots[i].id, &row, &e), ERR_ABSENT, &e);
			continue;
		}
		assert_err(rc, ERR_OK, &e);
		assert_err(snapshots_get(c, h->snapshots[i].id, &row, &e), ERR_OK, &e);
		history_compare_snapshot(&h->snapshots[i], table.id, c, store, &missing);
		if (!h->gaps)
			assert_int_equal(missing, row.lost);
		assert_true(missing == 0 || (h->lossy && row.lost > 0));
	}
	store_free(store);
	catalog_close(c);
}

static void
history_check_problem(void *arg, const char *text)
{
	(void)arg;
	print_error("check: %s\n", text);
}

void
history_compare(struct history *h)
{
	struct check_options options = {.read_data = true, .problem = history_check_problem};
	struct check_result result;
	struct err e = {0};

	history_compare_shown(h);
	history_compare_packs(h);
	assert_err(check_run(h->repo, &options, &result, &e), ERR_OK, &e);
}
