/*
 * Making the catalogue again when packs are lost: random histories, in which what is shown is never
 * wrong and never lacks a document without saying so, whatever was taken, forgotten, collected and
 * lost before. Promises: 2, 4.
 */
#include "tests/support/history.h"
#include "tests/support/test.h"

#include "catalog/forgotten.h"
#include "catalog/packs.h"
#include "catalog/snapshots.h"
#include "snapshot/rebuild.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/* What all histories have seen together. */
static struct {
	unsigned removed, returned, cut, kept, marked, unfinished;
} seen;

/* Where a pack is kept that was removed. */
static void
away_path(const struct history *h, int64_t pack_id, char *out, size_t room)
{
	snprintf(out, room, "%s/%016" PRIx64 ".pack", h->dir, (uint64_t)pack_id);
}

static bool
lost_exists(const struct history *h, int64_t pack_id)
{
	char path[HISTORY_PATH];

	return access(history_pack_path(h, pack_id, path), F_OK) == 0;
}

/* How many packs of a snapshot are there. */
static unsigned
lost_left(struct history *h, struct catalog *c, int64_t snapshot_id)
{
	struct packs_pack row = {0};
	struct err e = {0};
	unsigned n = 0;
	int rc;

	while ((rc = packs_of_next(c, snapshot_id, row.id, &row, &e)) == ERR_OK)
		n += lost_exists(h, row.id);
	assert_err(rc, ERR_END, &e);
	return n;
}

/*
 * Lose a pack: cut off its last byte, so that its header alone can be read, or remove it. That one
 * was there is told by others of its snapshot, and of a forgotten one by nothing.
 */
static void
lost_pack(struct history *h, struct catalog *c, const struct packs_pack *row)
{
	struct buf file = {0};
	char path[HISTORY_PATH], away[HISTORY_PATH];

	if (!lost_exists(h, row->id))
		return;
	history_pack_path(h, row->id, path);
	if (!row->forgotten && history_random(h, 2) == 0 && lost_left(h, c, row->snapshot_id) > 1) {
		away_path(h, row->id, away, sizeof(away));
		assert_int_equal(rename(path, away), 0);
		seen.removed++;
		return;
	}
	test_read_file(path, &file);
	test_write_file(path, file.data, file.len - 1);
	buf_finish(&file);
	seen.cut++;
}

static void
lost_ignore(void *arg, const char *text)
{
	(void)arg;
	assert_true(text[0] != '\0');
}

/* The newest snapshots may be taken for unfinished when nothing but packs tells: they are gone. */
static void
lost_note(struct history *h)
{
	struct snapshots_snapshot row;
	struct catalog *c;
	struct err e = {0};

	assert_err(catalog_open(h->repo, CATALOG_READ, &c, &e), ERR_OK, &e);
	while (h->n > 0 && !h->snapshots[h->n - 1].forgotten &&
	       snapshots_get(c, h->snapshots[h->n - 1].id, &row, &e) == ERR_ABSENT) {
		h->n--;
		seen.unfinished++;
	}
	for (size_t i = 0; i < h->n; i++)
		if (snapshots_get(c, h->snapshots[i].id, &row, &e) == ERR_OK)
			seen.marked += row.lost > 0;
	catalog_close(c);
}

/* Put back packs that were removed. Whether there were any. */
static bool
lost_return(struct history *h)
{
	char path[HISTORY_PATH], away[HISTORY_PATH];
	bool any = false;

	for (int64_t id = 1; id < 200; id++) {
		away_path(h, id, away, sizeof(away));
		history_pack_path(h, id, path);
		if (history_random(h, 4) > 0 && rename(away, path) == 0) {
			any = true;
			seen.returned++;
		}
	}
	return any;
}

static void
lost_rebuild(struct history *h, bool keep)
{
	const struct rebuild_options options = {.problem = lost_ignore};
	struct rebuild_result result;
	size_t before = h->n;
	struct err e = {0};
	int lock;

	if (!keep)
		history_drop_catalog(h);
	assert_err(repo_lock(h->repo, &lock, &e), ERR_OK, &e);
	assert_err(rebuild_run(h->repo, &options, &result, &e), ERR_OK, &e);
	close(lock);
	lost_note(h);
	if (keep)
		assert_int_equal(h->n, before);
}

/* Forget a snapshot, unless it tells of a lost pack. */
static void
lost_forget(struct history *h, size_t i)
{
	struct catalog *c;
	struct err e = {0};
	bool gap;

	assert_err(catalog_open(h->repo, CATALOG_READ, &c, &e), ERR_OK, &e);
	assert_err(snapshots_gap(c, h->snapshots[i].id, &gap, &e), ERR_OK, &e);
	catalog_close(c);
	seen.kept += gap;
	if (!gap)
		history_forget(h, i);
}

static void
lost_step(struct history *h, bool *returns)
{
	unsigned what = history_random(h, 10);

	if (h->n == 0 || what < 4) {
		history_take_random(h);
	} else if (what < 6) {
		size_t i = history_random(h, (unsigned)h->n);
		if (!h->snapshots[i].forgotten)
			lost_forget(h, i);
	} else if (what < 8) {
		/* It goes no further than a damaged pack. */
		history_collect(h, history_random(h, 2) * 40);
	} else {
		/* What later snapshots do not have of a pack that returns is told by the catalogue.
		 */
		bool returned = what == 9 && lost_return(h);
		if (what == 9 && !returned)
			history_each_pack(h, 6, lost_pack);
		*returns = *returns || returned;
		lost_rebuild(h, *returns || history_random(h, 2) == 0);
	}
}

static void
rebuild__random_losses(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct history h;
		bool returns = false;
		history_start(&h, seed);
		h.lossy = h.gaps = true;
		for (unsigned step = 0; step < 28; step++) {
			lost_step(&h, &returns);
			history_compare_shown(&h);
		}
		lost_rebuild(&h, true);
		history_compare_shown(&h);
		history_end(&h);
	}
	print_message("%u packs removed, %u returned, %u cut, %u snapshots marked, %u not "
		      "forgotten, %u unfinished\n",
	    seen.removed, seen.returned, seen.cut, seen.marked, seen.kept, seen.unfinished);
	assert_true(seen.removed > 15 && seen.cut > 30 && seen.marked > 50 && seen.kept > 5 &&
		    seen.returned > 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(rebuild__random_losses)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
