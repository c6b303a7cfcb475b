/* The ledger: what is saved is loaded; every kind of damage is found; what a rebuild takes from it.
 */
#include "snapshot/ledger.h"

#include "catalog/base/bytes.h"
#include "catalog/base/digest.h"
#include "catalog/leftovers.h"
#include "catalog/packs.h"
#include "catalog/remake.h"
#include "catalog/snapshots.h"
#include "catalog/tags.h"
#include "snapshot/check.h"
#include "snapshot/rebuild.h"
#include "snapshot/repair.h"
#include "snapshot/store/ledgerfile.h"
#include "tests/support/history.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
ledger_path(const struct history *h, char path[700])
{
	snprintf(path, 700, "%s/repo/packs/000000/0000000000000001.ledger", h->dir);
}

static void
ledger_fill(struct ledgerfile *l)
{
	*l = (struct ledgerfile){.last = {1, 2, 3, 44, 55, 6}};
	assert_int_equal(ledgerfile_date_add(l, 2, -7), ERR_OK);
	assert_int_equal(ledgerfile_date_add(l, 3, 1763434800), ERR_OK);
	assert_int_equal(ledgerfile_tag_add(l, 41, TAGS_PIN), ERR_OK);
	assert_int_equal(ledgerfile_tag_add(l, 44, "before-2.0"), ERR_OK);
}

static void
ledgerfile_save__comes_back(void **state)
{
	struct ledgerfile l, got = {0};
	struct history h;
	int64_t id, date;
	char tag[LEDGERFILE_TAG];
	size_t at = 0;
	struct err e = {0};

	(void)state;
	history_start(&h, 1);
	assert_err(ledgerfile_load(h.repo->packsfd, &got, &e), ERR_ABSENT, &e);
	ledger_fill(&l);
	assert_err(ledgerfile_save(h.repo->packsfd, &(struct ledgerfile){0}, &e), ERR_OK, &e);
	assert_err(ledgerfile_save(h.repo->packsfd, &l, &e), ERR_OK, &e);
	assert_err(ledgerfile_load(h.repo->packsfd, &got, &e), ERR_OK, &e);
	assert_memory_equal(got.last, l.last, sizeof(l.last));
	assert_true(ledgerfile_date_next(&got, &at, &id, &date));
	assert_int_equal(id, 2);
	assert_int_equal(date, -7);
	assert_true(ledgerfile_date_next(&got, &at, &id, &date));
	assert_int_equal(date, 1763434800);
	assert_false(ledgerfile_date_next(&got, &at, &id, &date));
	at = 0;
	assert_true(ledgerfile_tag_next(&got, &at, &id, tag));
	assert_int_equal(id, 41);
	assert_string_equal(tag, "pin");
	assert_true(ledgerfile_tag_next(&got, &at, &id, tag));
	assert_string_equal(tag, "before-2.0");
	assert_false(ledgerfile_tag_next(&got, &at, &id, tag));
	ledgerfile_finish(&l);
	ledgerfile_finish(&got);
	history_end(&h);
}

/* Make the checksum of a changed file right. */
static void
ledger_correct(struct buf *file)
{
	size_t len = file->len - DIGEST_FULL;

	assert_int_equal(digest_whole(file->data, len, file->data + len), ERR_OK);
}

static void
ledgerfile_check__damage(void **state)
{
	/* Where, and what with a right checksum makes no sense there. */
	static const struct {
		size_t at;
		uint8_t value;
	} wrong[] = {{16, 2}, {31, 0xff}, {60, 4}, {72, 31}, {80, 1}, {95, 0x80}, {120 + 8, 65},
	    {120 + 8, 0}, {120 + 9, 0}};
	struct ledgerfile l;
	struct history h;
	struct buf file = {0};
	const char *why;
	char path[700];
	struct err e = {0};

	(void)state;
	history_start(&h, 1);
	ledger_fill(&l);
	assert_err(ledgerfile_save(h.repo->packsfd, &l, &e), ERR_OK, &e);
	ledger_path(&h, path);
	test_read_file(path, &file);
	assert_int_equal(ledgerfile_check(file.data, file.len, &why), ERR_OK);
	for (size_t i = 0; i < file.len; i++) {
		file.data[i] ^= 0x40;
		assert_int_equal(ledgerfile_check(file.data, file.len, &why), ERR_CORRUPT);
		file.data[i] ^= 0x40;
		assert_int_equal(ledgerfile_check(file.data, i, &why), ERR_CORRUPT);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		uint8_t was = file.data[wrong[i].at];
		file.data[wrong[i].at] = wrong[i].value;
		ledger_correct(&file);
		assert_int_equal(ledgerfile_check(file.data, file.len, &why), ERR_CORRUPT);
		file.data[wrong[i].at] = was;
	}
	file.data[8] = 2;
	ledger_correct(&file);
	test_write_file(path, file.data, file.len);
	assert_err(ledgerfile_load(h.repo->packsfd, &l, &e), ERR_VERSION, &e);
	assert_int_equal(l.tags.len, 0);
	buf_finish(&file);
	history_end(&h);
}

static void
ledger_problem(void *arg, const char *text)
{
	(void)text;
	++*(int *)arg;
}

/* Check; return how many problems there are. */
static int
ledger_check(struct history *h)
{
	int problems = 0;
	const struct check_options options = {.problem = ledger_problem, .arg = &problems};
	struct check_result result;
	int rc = check_run(h->repo, &options, &result, NULL);

	assert_int_equal(rc, problems > 0 ? ERR_CORRUPT : ERR_OK);
	return problems;
}

static void
ledger_repair(struct history *h)
{
	int said = 0;
	const struct repair_options options = {
	    .repaired = ledger_problem, .lost = ledger_problem, .arg = &said};
	struct repair_result result;
	struct err e = {0};
	int lock;

	assert_err(repo_lock(h->repo, &lock, &e), ERR_OK, &e);
	assert_err(repair_run(h->repo, &options, &result, &e), ERR_OK, &e);
	close(lock);
	assert_int_equal(said, 1);
}

/* check misses it, finds another one, and sees damage; a repair writes it again. */
static void
ledger__checked_and_repaired(void **state)
{
	static const int values[HISTORY_KEYS] = {1, 1, 1, 1, 1, 1};
	struct history h;
	struct buf file = {0};
	char path[700];

	(void)state;
	history_start(&h, 1);
	history_take(&h, values);
	history_take(&h, values);
	assert_int_equal(ledger_check(&h), 0);
	history_tag(&h, 1, "some");
	history_forget(&h, 0);
	assert_int_equal(ledger_check(&h), 0);
	ledger_path(&h, path);
	test_read_file(path, &file);
	unlink(path);
	assert_int_equal(ledger_check(&h), 1);
	ledger_repair(&h);
	assert_int_equal(ledger_check(&h), 0);
	file.data[30] ^= 1;
	test_write_file(path, file.data, file.len);
	assert_int_equal(ledger_check(&h), 1);
	ledger_repair(&h);
	assert_int_equal(ledger_check(&h), 0);
	file.data[30] ^= 1;
	history_tag(&h, 1, "more");
	test_write_file(path, file.data, file.len);
	assert_int_equal(ledger_check(&h), 1);
	history_tag(&h, 1, "more");
	assert_int_equal(ledger_check(&h), 0);
	buf_finish(&file);
	history_end(&h);
}

/* What is about snapshots and tables that are not there does no harm. */
static void
ledger_restore__of_others(void **state)
{
	static const int values[HISTORY_KEYS] = {1, 1, 1, 1, 1, 1};
	struct ledgerfile l;
	struct history h;
	struct catalog *c;
	int64_t last;
	struct err e = {0};

	(void)state;
	history_start(&h, 1);
	history_take(&h, values);
	ledger_fill(&l);
	assert_err(ledgerfile_save(h.repo->packsfd, &l, &e), ERR_OK, &e);
	ledgerfile_finish(&l);
	history_remake(&h);
	assert_err(catalog_open(h.repo, CATALOG_READ, &c, &e), ERR_OK, &e);
	assert_err(remake_last(c, "packs", &last, &e), ERR_OK, &e);
	assert_int_equal(last, 55);
	assert_err(remake_last(c, "snapshots", &last, &e), ERR_OK, &e);
	assert_int_equal(last, 44);
	assert_err(leftovers_has(c, LEFTOVERS_LEDGER, LEFTOVERS_ONLY, &e), ERR_OK, &e);
	catalog_close(c);
	history_recover(&h);
	assert_int_equal(ledger_check(&h), 0);
	history_take(&h, values);
	assert_int_equal(h.snapshots[1].id, 45);
	assert_int_equal(h.snapshots[1].documents[0].pack_id, h.snapshots[0].documents[0].pack_id);
	history_compare(&h);
	history_end(&h);
}

/* Nor does one with what a catalogue cannot have: it is said, and the next writer mends it. */
static void
ledger_restore__out_of_range(void **state)
{
	static const int values[HISTORY_KEYS] = {1, 1, 1, 1, 1, 1};
	struct history h;
	struct err e = {0};

	(void)state;
	history_start(&h, 1);
	history_take(&h, values);
	for (int i = 0; i < 2; i++) {
		struct ledgerfile l = {0};
		int problems = 0, lock;
		const struct rebuild_options options = {
		    .problem = ledger_problem, .arg = &problems};
		struct rebuild_result result;
		if (i == 0)
			l.last[LEDGERFILE_PACKS] = PACKS_ID_MAX;
		else
			assert_int_equal(ledgerfile_tag_add(&l, h.snapshots[0].id, "a/b"), ERR_OK);
		assert_err(ledgerfile_save(h.repo->packsfd, &l, &e), ERR_OK, &e);
		ledgerfile_finish(&l);
		assert_err(repo_lock(h.repo, &lock, &e), ERR_OK, &e);
		assert_err(rebuild_run(h.repo, &options, &result, &e), ERR_OK, &e);
		close(lock);
		assert_int_equal(problems, 1);
		history_recover(&h);
		assert_int_equal(ledger_check(&h), 0);
	}
	history_end(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ledgerfile_save__comes_back),
	    cmocka_unit_test(ledgerfile_check__damage),
	    cmocka_unit_test(ledger__checked_and_repaired),
	    cmocka_unit_test(ledger_restore__of_others),
	    cmocka_unit_test(ledger_restore__out_of_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
