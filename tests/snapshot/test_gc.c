/*
 * Forgetting and collecting: random histories, in which what is shown must stay what was taken, by
 * the catalogue, by the packs alone, and by a catalogue that is made again from them; what becomes
 * free; a stop at every system call.
 */
#include "tests/support/stop.h" /* first: it defines calls of libc */

#include "tests/support/history.h"
#include "tests/support/test.h"

#include "catalog/base/digest.h"
#include "catalog/forgotten.h"
#include "catalog/packs.h"
#include "catalog/snapshots.h"
#include "catalog/versions.h"
#include "snapshot/check.h"
#include "snapshot/gc.h"
#include "snapshot/store/marker.h"
#include "snapshot/store/pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- random histories ---- */

/* Forget some of what is left, now and then all or the newest. */
static void
gc_forget_some(struct history *h)
{
	unsigned one_in = 1 + history_random(h, 3);

	for (size_t i = 0; i < h->n; i++)
		if (!h->snapshots[i].forgotten && history_random(h, one_in) == 0)
			history_forget(h, i);
}

static void
gc_history(uint64_t seed, unsigned steps)
{
	static const unsigned thresholds[] = {0, 20, 60, 100};
	struct history h;
	uint64_t freed;

	history_start(&h, seed);
	for (unsigned step = 0; step < steps; step++) {
		unsigned what = history_random(&h, 12);
		if (h.n == 0 || what < 6)
			history_take_random(&h);
		else if (what < 8)
			gc_forget_some(&h);
		else if (what < 10)
			assert_int_equal(
			    history_gc(&h, thresholds[history_random(&h, 4)], &freed), ERR_OK);
		else
			history_rebuild(&h);
		if (!h.snapshots[h.n - 1].forgotten && history_random(&h, 4) == 0)
			history_tag(&h, h.n - 1, "some");
		history_compare(&h);
	}
	gc_forget_some(&h);
	assert_int_equal(history_gc(&h, 0, &freed), ERR_OK);
	history_compare(&h);
	/* All that is dead has gone: a second time there is nothing to do. */
	assert_int_equal(history_gc(&h, 0, &freed), ERR_OK);
	assert_int_equal(freed, 0);
	history_rebuild(&h);
	history_compare(&h);
	history_take_random(&h);
	history_compare(&h);
	history_end(&h);
}

static void
gc__random_histories(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++)
		gc_history(seed, 12);
}

/* ---- stops ---- */

/* Not every call, which takes a sanitizer too long: the sweeps of tests/crash/ take each. */
#define STOPS_GC 3     /* from one call to the next; with the four things that follow, all meet */
#define STOPS_FORGET 2 /* likewise */

/* A history in which gc removes packs, writes one again, and leaves one. */
static void
gc_prepare(struct history *h)
{
	static const int values[][HISTORY_KEYS] = {
	    {1, 1, 1, 1, 1, 1}, /* of the first, k3 to k5 are shown by the second: written again */
	    {2, 2, 2, 1, 1, 1},
	    {3, 3, -1, 1, 1, 1}, /* all of this is dead but the deletion, which nothing needs */
	    {4, 4, 2, 1, -1, 1},
	    {5, 4, 2, 1, 1, 1}}; /* and this is behind the newest that is shown */

	history_start(h, 7);
	for (size_t i = 0; i < 5; i++)
		history_take(h, values[i]);
}

static void
gc_forget_them(struct history *h)
{
	history_forget(h, 0);
	history_forget(h, 2);
	history_forget(h, 4);
}

static void
gc_collect(struct history *h)
{
	assert_int_equal(history_gc(h, 0, NULL), ERR_OK);
}

/* After each stop the packs and the catalogue show the same; any writer carries on from there. */
static void
gc__stopped_anywhere(void **state)
{
	struct history base;
	bool stopped = true;
	unsigned n;

	(void)state;
	gc_prepare(&base);
	gc_forget_them(&base);
	for (n = 1; stopped; n += STOPS_GC) {
		struct history h;
		history_copy(&base, &h);
		stopped = stop_in(&h, gc_collect, n);
		history_compare(&h);
		switch (n % 4) {
		case 0:
			history_recover(&h);
			break;
		case 1:
			history_take_random(&h);
			break;
		case 2:
			history_remake(&h);
			break;
		default:
			gc_collect(&h);
			break;
		}
		history_compare(&h);
		history_end(&h);
	}
	history_end(&base);
	assert_in_range(n, 40, 400);
}

/* A stopped forget has forgotten all or nothing, once the next writer has been there. */
static void
gc__forget_stopped_anywhere(void **state)
{
	struct history base;
	bool stopped = true;
	unsigned n, done = 0;

	(void)state;
	gc_prepare(&base);
	for (n = 1; stopped; n += STOPS_FORGET) {
		struct snapshots_snapshot s;
		struct history h;
		struct catalog *c;
		history_copy(&base, &h);
		stopped = stop_in(&h, gc_forget_them, n);
		history_recover(&h);
		assert_int_equal(catalog_open(h.repo, CATALOG_READ, &c, NULL), ERR_OK);
		for (size_t i = 0; i < h.n; i++)
			h.snapshots[i].forgotten =
			    snapshots_get(c, h.snapshots[i].id, &s, NULL) == ERR_ABSENT;
		catalog_close(c);
		done += h.snapshots[0].forgotten;
		assert_false(h.snapshots[1].forgotten || h.snapshots[3].forgotten);
		history_compare(&h);
		history_end(&h);
	}
	history_end(&base);
	assert_in_range(n, 20, 400);
	assert_in_range(done, 5, n);
}

/* ---- what becomes free ---- */

static uint64_t
gc_packs(struct history *h, int64_t snapshot_id, uint64_t *bytes)
{
	struct packs_pack p = {0};
	struct catalog *c;
	uint64_t n = 0;

	*bytes = 0;
	assert_int_equal(catalog_open(h->repo, CATALOG_READ, &c, NULL), ERR_OK);
	while (packs_of_next(c, snapshot_id, p.id, &p, NULL) == ERR_OK) {
		*bytes += p.bytes;
		n++;
	}
	catalog_close(c);
	return n;
}

/* Dead parts are left below the threshold, and taken over it; documents keep their numbers. */
static void
gc__threshold(void **state)
{
	uint64_t freed, before, after;
	struct history h;

	(void)state;
	gc_prepare(&h);
	history_forget(&h, 0);
	assert_true(gc_packs(&h, h.snapshots[0].id, &before) > 0);
	/* k0 to k2 of six are dead. */
	assert_int_equal(history_gc(&h, 60, &freed), ERR_OK);
	assert_int_equal(freed, 0);
	assert_int_equal(history_gc(&h, 50, &freed), ERR_OK);
	assert_true(gc_packs(&h, h.snapshots[0].id, &after) > 0);
	assert_int_equal(freed, before - after);
	assert_in_range(after, before / 3, before * 2 / 3);
	history_compare(&h);
	history_end(&h);
}

/* With everything forgotten nothing is left but an empty catalogue, and it starts anew. */
static void
gc__everything(void **state)
{
	struct history h;
	uint64_t bytes;
	char command[700];

	(void)state;
	gc_prepare(&h);
	for (size_t i = 0; i < 5; i++)
		history_forget(&h, i);
	gc_collect(&h);
	history_compare(&h);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(gc_packs(&h, h.snapshots[i].id, &bytes), 0);
	snprintf(command, sizeof(command),
	    "test -z \"$(find '%s/repo/packs' -type f ! -name '*.ledger')\"", h.dir);
	assert_int_equal(system(command), 0);
	history_take_random(&h);
	history_compare(&h);
	history_end(&h);
}

/* A look changes nothing and foresees what will be done. */
static void
gc__dry_run(void **state)
{
	struct gc_options options = {.dry_run = true};
	struct gc_result seen, done;
	struct catalog *c;
	struct history h;
	struct err e = {0};

	(void)state;
	gc_prepare(&h);
	gc_forget_them(&h);
	assert_int_equal(catalog_open(h.repo, CATALOG_READ, &c, NULL), ERR_OK);
	assert_err(gc_run(h.repo, c, &options, &seen, &e), ERR_OK, &e);
	catalog_close(c);
	history_compare(&h);
	assert_int_equal(catalog_open(h.repo, CATALOG_WRITE, &c, NULL), ERR_OK);
	options.dry_run = false;
	assert_err(gc_run(h.repo, c, &options, &done, &e), ERR_OK, &e);
	catalog_close(c);
	history_compare(&h);
	assert_int_equal(seen.removed, done.removed);
	assert_int_equal(seen.rewritten, done.rewritten);
	assert_int_equal(seen.versions, done.versions);
	assert_true(done.removed > 0 && done.rewritten > 0 && done.versions > 5);
	assert_in_range(seen.freed, done.freed / 2, done.freed * 2);
	assert_int_equal(done.snapshots, 2);
	history_end(&h);
}

/* ---- damage ---- */

static void
gc_note_problem(void *arg, const struct err *e)
{
	*(struct err *)arg = *e;
}

static void
gc_note_check(void *arg, const char *text)
{
	(void)arg;
	assert_non_null(strstr(text, "marker"));
}

/* A damaged pack is named and left as it is: it is not written again with good checksums. */
static void
gc__damaged_document(void **state)
{
	struct err problem = {0}, e = {0};
	struct gc_options options = {.problem = gc_note_problem, .arg = &problem};
	struct gc_result result;
	struct buf before = {0}, after = {0};
	struct catalog *c;
	struct history h;
	char path[700];

	(void)state;
	gc_prepare(&h);
	history_forget(&h, 0);
	snprintf(path, sizeof(path), "%s/repo/packs/000000/%016llx.pack", h.dir,
	    (unsigned long long)h.snapshots[0].documents[4].pack_id);
	test_read_file(path, &before);
	/* In the frame of a document that is shown. */
	before.data[before.len / 2] ^= 1;
	test_write_file(path, before.data, before.len);
	assert_int_equal(catalog_open(h.repo, CATALOG_WRITE, &c, NULL), ERR_OK);
	assert_err(gc_run(h.repo, c, &options, &result, &e), ERR_OK, &e);
	catalog_close(c);
	assert_int_equal(result.failed, 1);
	assert_int_equal(result.rewritten, 0);
	assert_non_null(strstr(problem.text, "damaged"));
	test_read_file(path, &after);
	assert_int_equal(after.len, before.len);
	assert_memory_equal(after.data, before.data, after.len);
	buf_finish(&before);
	buf_finish(&after);
	history_end(&h);
}

/* ---- markers ---- */

/* check misses a marker, and gc writes it again. */
static void
gc__lost_marker(void **state)
{
	struct check_options options = {.problem = gc_note_check};
	struct check_result result;
	struct err e = {0};
	struct history h;

	(void)state;
	gc_prepare(&h);
	history_forget(&h, 0);
	assert_err(marker_remove(h.repo->packsfd, (uint64_t)h.snapshots[0].id, &e), ERR_OK, &e);
	assert_int_equal(check_run(h.repo, &options, &result, &e), ERR_CORRUPT);
	assert_int_equal(history_gc(&h, 100, NULL), ERR_OK);
	history_compare(&h);
	/* And one too many. */
	assert_err(marker_save(h.repo->packsfd,
		       &(struct marker){.snapshot_id = (uint64_t)h.snapshots[1].id,
			   .table_id = 1,
			   .date = h.snapshots[1].date},
		       &e),
	    ERR_OK, &e);
	assert_int_equal(check_run(h.repo, &options, &result, &e), ERR_CORRUPT);
	assert_int_equal(result.problems, 1);
	history_end(&h);
}

static void
gc__markers(void **state)
{
	const struct marker want = {.snapshot_id = 5, .table_id = 7, .date = -3};
	struct marker got;
	struct history h;
	struct buf raw = {0};
	const char *why;
	char path[700];
	struct err e = {0};

	(void)state;
	history_start(&h, 1);
	assert_err(marker_load(h.repo->packsfd, 5, &got, &e), ERR_ABSENT, &e);
	assert_err(marker_save(h.repo->packsfd, &want, &e), ERR_OK, &e);
	assert_err(marker_save(h.repo->packsfd, &want, &e), ERR_OK, &e);
	assert_err(marker_load(h.repo->packsfd, 5, &got, &e), ERR_OK, &e);
	assert_memory_equal(&got, &want, sizeof(got));
	snprintf(path, sizeof(path), "%s/repo/packs/000000/0000000000000005.gone", h.dir);
	test_read_file(path, &raw);
	assert_int_equal(raw.len, MARKER_LEN);
	/* Every byte is looked at. */
	for (size_t i = 0; i < raw.len; i++) {
		raw.data[i] ^= 0x40;
		assert_int_equal(marker_decode(raw.data, raw.len, &got, &why), ERR_CORRUPT);
		raw.data[i] ^= 0x40;
		assert_int_equal(marker_decode(raw.data, i, &got, &why), ERR_CORRUPT);
	}
	raw.data[8] = 2;
	assert_int_equal(
	    digest_whole(raw.data, MARKER_LEN - DIGEST_FULL, raw.data + MARKER_LEN - DIGEST_FULL),
	    ERR_OK);
	assert_int_equal(marker_decode(raw.data, raw.len, &got, &why), ERR_VERSION);
	test_write_file(path, raw.data, raw.len);
	assert_err(marker_load(h.repo->packsfd, 5, &got, &e), ERR_VERSION, &e);
	raw.data[8] = 1;
	test_write_file(path, raw.data, raw.len - 1);
	assert_err(marker_load(h.repo->packsfd, 5, &got, &e), ERR_CORRUPT, &e);
	assert_err(marker_remove(h.repo->packsfd, 5, &e), ERR_OK, &e);
	assert_err(marker_remove(h.repo->packsfd, 5, &e), ERR_OK, &e);
	assert_err(marker_load(h.repo->packsfd, 5, &got, &e), ERR_ABSENT, &e);
	buf_finish(&raw);
	history_end(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gc__random_histories),
	    cmocka_unit_test(gc__stopped_anywhere),
	    cmocka_unit_test(gc__forget_stopped_anywhere),
	    cmocka_unit_test(gc__threshold),
	    cmocka_unit_test(gc__everything),
	    cmocka_unit_test(gc__dry_run),
	    cmocka_unit_test(gc__damaged_document),
	    cmocka_unit_test(gc__markers),
	    cmocka_unit_test(gc__lost_marker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
