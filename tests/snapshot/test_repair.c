/*
 * Repairing: random histories in which packs are damaged or vanish, and what is lost is all that is
 * not shown, by the catalogue, by the packs alone, and by a catalogue that is made again from them;
 * packs that cannot be opened, of which nothing is lost; a stop at every system call.
 */
#include "tests/support/stop.h" /* first: it defines calls of libc */

#include "tests/support/history.h"
#include "tests/support/test.h"

#include "catalog/packs.h"
#include "catalog/snapshots.h"
#include "snapshot/repair.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What a repair has told. */
struct told {
	unsigned repaired, lost;
};

static void
told_repaired(void *arg, const char *text)
{
	struct told *t = arg;

	assert_true(text[0] != '\0');
	t->repaired++;
}

static void
told_lost(void *arg, const char *text)
{
	struct told *t = arg;

	assert_non_null(strstr(text, " is lost from "));
	t->lost++;
}

static struct repair_result
repair(struct history *h)
{
	struct told told = {0};
	const struct repair_options options = {
	    .repaired = told_repaired, .lost = told_lost, .arg = &told};
	struct repair_result result;
	struct err e = {0};
	int lock;

	assert_err(repo_lock(h->repo, &lock, &e), ERR_OK, &e);
	assert_err(repair_run(h->repo, &options, &result, &e), ERR_OK, &e);
	close(lock);
	assert_int_equal(result.damaged, 0);
	assert_int_equal(told.lost, result.lost);
	return result;
}

/* A second repair finds nothing to do. */
static struct repair_result
repair_all(struct history *h)
{
	struct repair_result result = repair(h), none = repair(h);

	assert_int_equal(none.packs + none.lost + none.restored, 0);
	return result;
}

/* Damage a pack: it vanishes, a bit is another, or it is cut off. */
static void
repair_damage(struct history *h, struct catalog *c, const struct packs_pack *row)
{
	unsigned how = history_random(h, 4);
	struct buf file = {0};
	char path[HISTORY_PATH];

	(void)c;
	history_pack_path(h, row->id, path);
	test_read_file(path, &file);
	if (how == 0) {
		assert_int_equal(unlink(path), 0);
	} else {
		size_t at = history_random(h, (unsigned)file.len);
		if (how == 1)
			file.len = at;
		else
			file.data[at] ^= (uint8_t)(1u << history_random(h, 8));
		test_write_file(path, file.data, file.len);
	}
	buf_finish(&file);
}

/* Have documents again as one of the snapshots had them. */
static void
repair_take_again(struct history *h)
{
	const struct history_snapshot *s = &h->snapshots[history_random(h, (unsigned)h->n)];
	int values[HISTORY_KEYS];

	for (unsigned k = 0; k < HISTORY_KEYS; k++)
		values[k] = s->documents[k].value;
	history_take(h, values);
}

/* ---- random histories ---- */

/* What all of them have seen together. */
static struct repair_result seen;

static void
repair_step(struct history *h)
{
	struct repair_result result;
	unsigned what = history_random(h, 12);

	if (h->n == 0 || what < 3) {
		history_take_random(h);
	} else if (what < 5) {
		repair_take_again(h);
	} else if (what < 6) {
		size_t i = history_random(h, (unsigned)h->n);
		if (!h->snapshots[i].forgotten)
			history_forget(h, i);
	} else if (what < 8) {
		assert_int_equal(history_gc(h, history_random(h, 2) * 40, NULL), ERR_OK);
	} else if (what < 9) {
		history_rebuild(h);
	} else {
		history_each_pack(h, 4, repair_damage);
		result = repair_all(h);
		seen.packs += result.packs;
		seen.lost += result.lost;
		seen.restored += result.restored;
	}
}

static void
repair__random_histories(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 24; seed++) {
		struct history h;
		history_start(&h, seed);
		h.lossy = true;
		for (unsigned step = 0; step < 14; step++) {
			repair_step(&h);
			history_compare(&h);
		}
		history_rebuild(&h);
		history_compare(&h);
		history_end(&h);
	}
	print_message("%" PRIu64 " packs repaired, %" PRIu64 " documents lost, %" PRIu64
		      " restored by a repair\n",
	    seen.packs, seen.lost, seen.restored);
	assert_true(seen.packs > 50 && seen.lost > 50);
}

/* ---- what cannot be opened ---- */

/* A snapshot of which every document is new. */
static void
repair_prepare(struct history *h)
{
	static const int values[][HISTORY_KEYS] = {
	    {1, 1, 1, 1, 1, -1}, {2, 2, 2, 2, 2, 2}, {3, 2, 2, -1, 3, 2}};

	history_start(h, 11);
	for (size_t i = 0; i < 3; i++)
		history_take(h, values[i]);
}

/* Header, footer and tables hold no document: without them all are found. */
static void
repair__ends_overwritten(void **state)
{
	struct history h;
	char path[HISTORY_PATH];
	int64_t id;

	(void)state;
	repair_prepare(&h);
	id = h.snapshots[1].documents[0].pack_id;
	history_pack_path(&h, id, path);
	for (unsigned how = 0; how < 3; how++) {
		struct buf whole = {0}, file = {0}, again = {0};
		struct repair_result result;
		test_read_file(path, &whole);
		test_read_file(path, &file);
		if (how != 1)
			memset(file.data, 0xa5, 100);
		if (how != 0)
			memset(file.data + file.len - 400, 0xa5, 400);
		test_write_file(path, file.data, file.len);
		result = repair_all(&h);
		assert_int_equal(result.packs, 1);
		assert_int_equal(result.lost, 0);
		test_read_file(path, &again);
		assert_int_equal(again.len, whole.len);
		assert_memory_equal(again.data, whole.data, whole.len);
		history_compare(&h);
		buf_finish(&whole);
		buf_finish(&file);
		buf_finish(&again);
	}
	history_end(&h);
}

/* ---- stops ---- */

static void
repair_vanish(struct history *h)
{
	char path[HISTORY_PATH];

	repair_prepare(h);
	h->lossy = true;
	for (unsigned k = 0; k < HISTORY_KEYS; k++) {
		history_pack_path(h, h->snapshots[1].documents[k].pack_id, path);
		unlink(path);
	}
}

static void
repair_run_it(struct history *h)
{
	repair(h);
}

/* Whatever a repair had done when it was stopped, the next one comes to the same end. */
static void
repair__stopped_anywhere(void **state)
{
	struct history base;
	bool stopped = true;
	unsigned n;

	(void)state;
	repair_vanish(&base);
	for (n = 1; stopped; n++) {
		struct snapshots_snapshot s;
		struct catalog *c;
		struct history h;
		history_copy(&base, &h);
		stopped = stop_in(&h, repair_run_it, n);
		if (n % 2 == 0)
			history_recover(&h);
		if (stopped)
			repair_all(&h);
		history_compare(&h);
		assert_int_equal(catalog_open(h.repo, CATALOG_READ, &c, NULL), ERR_OK);
		assert_int_equal(snapshots_get(c, h.snapshots[1].id, &s, NULL), ERR_OK);
		assert_int_equal(s.lost, 6);
		assert_int_equal(snapshots_get(c, h.snapshots[2].id, &s, NULL), ERR_OK);
		assert_int_equal(s.lost, 3);
		catalog_close(c);
		history_rebuild(&h);
		history_compare(&h);
		history_end(&h);
	}
	history_end(&base);
	assert_in_range(n, 20, 400);
}

static const int again[HISTORY_KEYS] = {2, 2, 2, 2, 2, 2};

static void
repair_store_again(struct history *h)
{
	history_take(h, again);
}

/*
 * A snapshot that stores again what was lost, stopped: what is shown can be read at any time, and
 * when it had been completed, the next writer or repair puts all of it back.
 */
static void
repair__stopped_while_restoring(void **state)
{
	struct history base;
	bool stopped = true;
	unsigned n, completed = 0, restored = 0;

	(void)state;
	repair_vanish(&base);
	assert_int_equal(repair_all(&base).lost, 6);
	for (n = 1; stopped; n++) {
		struct snapshots_snapshot s;
		struct catalog *c;
		struct history h;
		history_copy(&base, &h);
		stopped = stop_in(&h, repair_store_again, n);
		history_compare_shown(&h);
		if (n % 2 == 0)
			history_recover(&h);
		restored += repair_all(&h).restored > 0;
		assert_int_equal(catalog_open(h.repo, CATALOG_READ, &c, NULL), ERR_OK);
		assert_int_equal(snapshots_latest(c, 1, &s, NULL), ERR_OK);
		catalog_close(c);
		if (s.id != h.snapshots[2].id) {
			completed++;
			history_note(&h, again);
			h.lossy = false;
		}
		history_compare(&h);
		history_remake(&h);
		history_compare(&h);
		history_end(&h);
	}
	history_end(&base);
	assert_in_range(n, 40, 600);
	assert_true(completed > 5 && restored > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(repair__random_histories),
	    cmocka_unit_test(repair__ends_overwritten),
	    cmocka_unit_test(repair__stopped_anywhere),
	    cmocka_unit_test(repair__stopped_while_restoring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
