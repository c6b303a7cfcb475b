/* Packs: what is written comes back, names and limits hold. */
#include "snapshot/store/pack.h"

#include "catalog/base/bytes.h"
#include "snapshot/store/frame.h"
#include "snapshot/store/pack_format.h"
#include "snapshot/store/packfile.h"
#include "tests/support/packs.h"
#include "tests/support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- round trips ---- */

static void
round_trip(struct packs *p, const struct packs_plan *plan)
{
	struct pack_totals totals;
	struct pack_walk walk = {0};
	struct pack_entry entry;
	struct reading r;
	struct err e = {0};
	uint64_t lines = 0;

	if (plan->dict)
		packs_dictionary(p);
	packs_write(p, plan, &totals);
	assert_int_equal(reading_open(&r, p, plan, false), ERR_OK);
	assert_memory_equal(pack_count(r.pack), &totals, sizeof(totals));
	assert_int_equal(totals.documents + totals.deletions, plan->lines);
	reading_compare(&r);
	while (pack_entry_next(r.pack, r.reader, &walk, &entry, &e) == ERR_OK)
		lines++;
	assert_int_equal(lines, plan->lines);
	assert_int_equal(pack_entry_next(r.pack, r.reader, &walk, &entry, &e), ERR_END);
	assert_err(pack_verify(r.pack, &e), ERR_OK, &e);
	assert_true(pack_memory(r.pack) >= totals.frames * 16);
	assert_true(pack_memory(r.pack) < totals.frames * 16 + plan->lines * 8 + 2000);
	reading_close(&r);
}

/* Small documents share frames of up to PACK_FRAME_SIZE, larger ones have one each. */
static void
pack_round_trip__frames(void **state)
{
	const struct packs_plan small = {.id = 1, .lines = 10000, .most = 100};
	const struct packs_plan gaps = {.id = 3, .lines = 100, .most = 100, .skipped = 1000};
	const struct packs_plan large = {.id = 2, .lines = 1000, .most = 300000};
	struct pack_totals totals;
	struct reading r;
	struct err e = {0};
	uint32_t first;

	packs_write(*state, &small, &totals);
	/* Sizes of documents take 4 bytes each; less than a document is left free. */
	assert_in_range(totals.frames, (totals.raw_bytes + 40000) / PACK_FRAME_SIZE,
	    (totals.raw_bytes + 40000) / (PACK_FRAME_SIZE - 120) + 1);
	packs_write(*state, &gaps, &totals);
	assert_int_equal(totals.frames, 10);
	packs_write(*state, &large, &totals);
	assert_int_equal(reading_open(&r, *state, &large, false), ERR_OK);
	for (uint64_t i = 0; i < totals.frames; i++) {
		assert_err(
		    pack_frame_read(r.pack, r.reader, NULL, i, &r.frame, &first, &e), ERR_OK, &e);
		assert_true(r.frame.len <= PACK_FRAME_SIZE || bytes_get32(r.frame.data + 4) == 1);
	}
	reading_close(&r);
}

static void
pack_round_trip__one(void **state)
{
	round_trip(*state, &(struct packs_plan){.id = 1, .lines = 1, .most = 2000});
}

static void
pack_round_trip__smallest_documents(void **state)
{
	round_trip(*state, &(struct packs_plan){.id = 1, .lines = 20000, .most = 2});
}

static void
pack_round_trip__many(void **state)
{
	round_trip(*state, &(struct packs_plan){.id = 1023, .lines = 10000, .most = 300});
}

/* So many lines that the index lies in several places between the frames. */
static void
pack_round_trip__long_index(void **state)
{
	round_trip(*state, &(struct packs_plan){.id = 1, .lines = 70000, .most = 60});
}

static void
pack_round_trip__large_and_small(void **state)
{
	round_trip(*state, &(struct packs_plan){.id = 1, .lines = 1000, .most = 300000});
}

static void
pack_round_trip__dictionary(void **state)
{
	round_trip(
	    *state, &(struct packs_plan){
			.id = 1024, .lines = 2000, .most = 60000, .deleted = 7, .dict = true});
}

static void
pack_round_trip__deletions(void **state)
{
	round_trip(*state, &(struct packs_plan){.id = 1, .lines = 9000, .most = 90, .deleted = 3});
}

static void
pack_round_trip__only_deletions(void **state)
{
	round_trip(*state, &(struct packs_plan){.id = 1, .lines = 5000, .deleted = 1});
}

static void
pack_round_trip__short_gaps(void **state)
{
	round_trip(*state,
	    &(struct packs_plan){.id = 1, .lines = 3000, .most = 90, .deleted = 4, .skipped = 3});
}

static void
pack_round_trip__long_gaps(void **state)
{
	round_trip(
	    *state, &(struct packs_plan){.id = 1, .lines = 3000, .most = 90, .skipped = 1000000});
}

static void
pack_writer__dictionary_makes_it_smaller(void **state)
{
	struct packs_plan plan = {.id = 1, .lines = 10, .most = 700};
	struct pack_totals without, with;

	packs_dictionary(*state);
	packs_write(*state, &plan, &without);
	plan.id = 2;
	plan.dict = true;
	packs_write(*state, &plan, &with);
	assert_true(with.bytes < without.bytes);
}

static void
pack_writer__empty_pack(void **state)
{
	const struct packs_plan plan = {.id = PACKFILE_ID_MAX};
	struct pack_walk walk = {0};
	struct pack_entry entry;
	struct pack_totals totals;
	struct reading r;
	struct err e = {0};
	uint64_t frame;

	packs_write(*state, &plan, &totals);
	assert_true(totals.bytes < 700);
	assert_int_equal(reading_open(&r, *state, &plan, false), ERR_OK);
	assert_int_equal(pack_count(r.pack)->documents, 0);
	assert_int_equal(pack_entry_next(r.pack, r.reader, &walk, &entry, &e), ERR_END);
	assert_int_equal(pack_entry_of(r.pack, r.reader, 0, &entry, &e), ERR_ABSENT);
	assert_int_equal(pack_frame_of(r.pack, 0, &frame), ERR_ABSENT);
	assert_err(pack_verify(r.pack, &e), ERR_OK, &e);
	reading_close(&r);
}

static void
pack_describe__all_fields(void **state)
{
	const struct packs_plan plan = {.id = 12};
	const struct key upper = packs_key(77);
	struct packs *p = *state;
	struct pack_writer *w;
	struct pack_totals totals;
	struct pack_meta meta;
	const struct pack_meta *got;
	struct pack *pack;
	struct err e = {0};

	packs_meta(&plan, &meta);
	buf_clear(&meta.config);
	for (unsigned i = 0; i < 300000; i++)
		assert_int_equal(buf_putc(&meta.config, (uint8_t)i), ERR_OK);
	assert_err(pack_writer_create(p->fd, &meta, NULL, &w, &e), ERR_OK, &e);
	pack_writer_upper(w, &upper);
	assert_err(pack_writer_commit(w, &totals, &e), ERR_OK, &e);
	assert_err(pack_open(p->fd, 12, &pack, &e), ERR_OK, &e);
	got = pack_describe(pack);
	assert_int_equal(got->pack_id, 12);
	assert_int_equal(got->snapshot_id, 31);
	assert_int_equal(got->table_id, 32);
	assert_int_equal(got->database_id, 33);
	assert_int_equal(got->dictionary_id, 0);
	assert_true(got->date == -5);
	assert_int_equal(got->shard, 2);
	assert_int_equal(got->shards, 3);
	assert_int_equal(key_compare(&got->lower, &meta.lower), 0);
	assert_int_equal(key_compare(&got->upper, &upper), 0);
	assert_text(got->database.data, got->database.len, "shop");
	assert_text(got->table.data, got->table.len, "orders");
	assert_text(got->primary_key.data, got->primary_key.len, "id");
	assert_text(got->source.data, got->source.len, "a test");
	assert_int_equal(got->config.len, 300000);
	assert_memory_equal(got->config.data, meta.config.data, 300000);
	pack_close(pack);
	pack_meta_finish(&meta);
}

/* ---- what a writer refuses ---- */

static struct pack_writer *
writer_open(const struct packs *p, uint64_t id)
{
	const struct packs_plan plan = {.id = id};
	struct pack_writer *w = NULL;
	struct pack_meta meta;
	struct err e = {0};

	packs_meta(&plan, &meta);
	assert_err(pack_writer_create(p->fd, &meta, NULL, &w, &e), ERR_OK, &e);
	pack_meta_finish(&meta);
	return w;
}

static void
pack_writer_put__key_order(void **state)
{
	static const uint8_t sum[DIGEST_LEN] = {1};
	const struct key none = {0}, first = packs_key(1), second = packs_key(2);
	const struct key third = packs_key(3);
	struct pack_writer *w = writer_open(*state, 1);
	struct pack_totals totals;
	struct err e = {0};
	uint32_t ordinal = 77;

	assert_int_equal(pack_writer_put(w, &none, "{}", 2, sum, &ordinal, &e), ERR_BUG);
	assert_int_equal(ordinal, 77);
	pack_writer_abort(w);
	w = writer_open(*state, 1);
	assert_err(pack_writer_delete(w, &second, &e), ERR_OK, &e);
	assert_int_equal(pack_writer_put(w, &second, "{}", 2, sum, &ordinal, &e), ERR_BUG);
	pack_writer_abort(w);
	w = writer_open(*state, 1);
	assert_err(pack_writer_put(w, &second, "{}", 2, sum, &ordinal, &e), ERR_OK, &e);
	assert_int_equal(pack_writer_delete(w, &first, &e), ERR_BUG);
	/* A writer that has failed makes no pack. */
	assert_int_equal(pack_writer_put(w, &third, "{}", 2, sum, &ordinal, &e), ERR_BUG);
	assert_int_equal(pack_writer_commit(w, &totals, &e), ERR_BUG);
	assert_int_equal(packs_files(*state), 0);
}

static void
pack_writer_put__sizes(void **state)
{
	static const uint8_t sum[DIGEST_LEN] = {1};
	const struct key key = packs_key(1);
	struct pack_writer *w = writer_open(*state, 1);
	uint32_t ordinal;

	assert_int_equal(pack_writer_put(w, &key, "{", 1, sum, &ordinal, NULL), ERR_LIMIT);
	pack_writer_abort(w);
	w = writer_open(*state, 1);
	/* Refused by its length: its bytes are not looked at. */
	assert_int_equal(
	    pack_writer_put(w, &key, "{}", FRAME_DOCUMENT_MAX + 1, sum, &ordinal, NULL), ERR_LIMIT);
	pack_writer_abort(w);
	assert_int_equal(packs_files(*state), 0);
}

static void
pack_writer_put__too_many_ordinals(void **state)
{
	static const uint8_t sum[DIGEST_LEN] = {1};
	const struct packs_plan plan = {.id = 1};
	struct pack_writer *w = writer_open(*state, 1);
	struct key key = packs_key(1);
	struct pack_totals totals;
	struct pack_entry entry;
	struct reading r;
	struct err e = {0};
	uint32_t ordinal;

	assert_err(pack_writer_skip(w, UINT32_MAX - 1, &e), ERR_OK, &e);
	assert_err(pack_writer_put(w, &key, "{}", 2, sum, &ordinal, &e), ERR_OK, &e);
	assert_int_equal(ordinal, UINT32_MAX - 1);
	assert_err(pack_writer_commit(w, &totals, &e), ERR_OK, &e);
	assert_int_equal(reading_open(&r, *state, &plan, false), ERR_OK);
	assert_err(pack_entry_of(r.pack, r.reader, UINT32_MAX - 1, &entry, &e), ERR_OK, &e);
	assert_int_equal(pack_entry_of(r.pack, r.reader, UINT32_MAX, &entry, &e), ERR_ABSENT);
	assert_int_equal(pack_entry_of(r.pack, r.reader, 5, &entry, &e), ERR_ABSENT);
	assert_err(pack_verify(r.pack, &e), ERR_OK, &e);
	reading_close(&r);
	w = writer_open(*state, 2);
	assert_err(pack_writer_skip(w, UINT32_MAX, &e), ERR_OK, &e);
	assert_int_equal(pack_writer_put(w, &key, "{}", 2, sum, &ordinal, &e), ERR_LIMIT);
	pack_writer_abort(w);
}

static void
pack_writer_create__bad_meta(void **state)
{
	const struct packs_plan plan = {.id = 1};
	struct packs *p = *state;
	struct pack_writer *w = NULL;
	struct pack_meta meta;
	struct err e = {0};

	packs_meta(&plan, &meta);
	meta.shard = meta.shards;
	assert_int_equal(pack_writer_create(p->fd, &meta, NULL, &w, &e), ERR_ARG);
	meta.shard = 0;
	meta.pack_id = 0;
	assert_int_equal(pack_writer_create(p->fd, &meta, NULL, &w, &e), ERR_ARG);
	meta.pack_id = PACKFILE_ID_MAX + 1;
	assert_int_equal(pack_writer_create(p->fd, &meta, NULL, &w, &e), ERR_ARG);
	meta.pack_id = 1;
	meta.table_id = UINT64_MAX;
	assert_int_equal(pack_writer_create(p->fd, &meta, NULL, &w, &e), ERR_ARG);
	meta.table_id = 1;
	meta.dictionary_id = 3;
	assert_int_equal(pack_writer_create(p->fd, &meta, NULL, &w, &e), ERR_ARG);
	meta.dictionary_id = 0;
	for (unsigned i = 0; i < PACK_NAME_MAX; i++)
		assert_int_equal(buf_putc(&meta.table, 'x'), ERR_OK);
	assert_int_equal(pack_writer_create(p->fd, &meta, NULL, &w, &e), ERR_LIMIT);
	pack_meta_finish(&meta);
	assert_null(w);
	assert_int_equal(packs_files(p), 0);
}

/* ---- ordinals that are not there ---- */

static void
pack_frame_document__absent(void **state)
{
	const struct packs_plan plan = {.id = 1, .lines = 30, .most = 50, .skipped = 2};
	struct buf frame = {0};
	struct pack_entry entry;
	struct pack_totals totals;
	struct reading r;
	const uint8_t *data;
	struct err e = {0};
	uint64_t number;
	uint32_t first;
	size_t size;

	packs_write(*state, &plan, &totals);
	assert_int_equal(reading_open(&r, *state, &plan, false), ERR_OK);
	assert_int_equal(totals.frames, 1);
	/* 2 ordinals are left out before lines 0, 10 and 20. */
	assert_int_equal(pack_frame_of(r.pack, 0, &number), ERR_ABSENT);
	assert_int_equal(pack_frame_of(r.pack, 12, &number), ERR_OK);
	assert_err(pack_frame_read(r.pack, r.reader, NULL, number, &frame, &first, &e), ERR_OK, &e);
	assert_int_equal(first, 2);
	assert_int_equal(
	    pack_frame_document(frame.data, frame.len, first, 11, &data, &size), ERR_OK);
	assert_int_equal(
	    pack_frame_document(frame.data, frame.len, first, 12, &data, &size), ERR_ABSENT);
	assert_int_equal(
	    pack_frame_document(frame.data, frame.len, first, 13, &data, &size), ERR_ABSENT);
	assert_int_equal(
	    pack_frame_document(frame.data, frame.len, first, 14, &data, &size), ERR_OK);
	assert_int_equal(
	    pack_frame_document(frame.data, frame.len, first, 1, &data, &size), ERR_ABSENT);
	assert_int_equal(
	    pack_frame_document(frame.data, frame.len, first, 36, &data, &size), ERR_ABSENT);
	assert_int_equal(pack_frame_of(r.pack, 36, &number), ERR_ABSENT);
	assert_int_equal(pack_entry_of(r.pack, r.reader, 12, &entry, &e), ERR_ABSENT);
	assert_int_equal(pack_entry_of(r.pack, r.reader, 36, &entry, &e), ERR_ABSENT);
	/* Walks are not disturbed by look-ups in between. */
	assert_int_equal(
	    pack_frame_document(frame.data, frame.len, 0, 0, &data, &size), ERR_CORRUPT);
	assert_int_equal(
	    pack_frame_document(frame.data, frame.len - 1, 2, 35, &data, &size), ERR_CORRUPT);
	buf_finish(&frame);
	reading_close(&r);
}

static void
pack_entry_next__look_ups_between(void **state)
{
	const struct packs_plan plan = {.id = 1, .lines = 4000, .most = 50, .deleted = 3};
	struct pack_walk walk = {0};
	struct pack_entry entry, other;
	struct pack_totals totals;
	uint64_t random = 7;
	struct reading r;
	struct err e = {0};

	packs_write(*state, &plan, &totals);
	assert_int_equal(reading_open(&r, *state, &plan, false), ERR_OK);
	for (uint32_t n = 0; n < plan.lines; n++) {
		const struct key key = packs_key(n);
		assert_err(pack_entry_next(r.pack, r.reader, &walk, &entry, &e), ERR_OK, &e);
		assert_int_equal(key_compare(&entry.key, &key), 0);
		if (n % 100 == 0)
			assert_err(
			    pack_entry_of(r.pack, r.reader,
				(uint32_t)(packs_random(&random) % totals.documents), &other, &e),
			    ERR_OK, &e);
	}
	reading_close(&r);
}

/* ---- files and names ---- */

static void
pack_open__not_there(void **state)
{
	struct packs *p = *state;
	struct pack *pack = NULL;
	struct err e = {0};
	char path[4096];

	assert_int_equal(pack_open(p->fd, 0x12, &pack, &e), ERR_ABSENT);
	assert_string_equal(e.text, "pack 0000000000000012 is missing; run: thinkback check");
	assert_int_equal(pack_open(p->fd, 0, &pack, &e), ERR_ARG);
	assert_int_equal(mkdirat(p->fd, "000000", 0700), 0);
	assert_int_equal(mkfifo(packs_path(p, 1, "pack", path), 0600), 0);
	assert_int_equal(pack_open(p->fd, 1, &pack, &e), ERR_CORRUPT);
	assert_int_equal(mkdir(packs_path(p, 2, "pack", path), 0700), 0);
	assert_int_equal(pack_open(p->fd, 2, &pack, &e), ERR_CORRUPT);
	assert_int_equal(symlink("/dev/zero", packs_path(p, 3, "pack", path)), 0);
	assert_true(pack_open(p->fd, 3, &pack, &e) < 0);
	assert_null(pack);
}

static void
pack_open__another_packs_file(void **state)
{
	const struct packs_plan plan = {.id = 1, .lines = 1, .most = 20};
	struct packs *p = *state;
	struct pack_totals totals;
	struct pack *pack;
	char from[4096], to[4096];

	packs_write(p, &plan, &totals);
	assert_int_equal(rename(packs_path(p, 1, "pack", from), packs_path(p, 2, "pack", to)), 0);
	assert_int_equal(pack_open(p->fd, 2, &pack, NULL), ERR_CORRUPT);
}

/* Nobody else may read them, whatever the umask. */
static void
pack_writer_commit__modes(void **state)
{
	const struct packs_plan plan = {.id = 1, .lines = 1, .most = 20};
	const mode_t masks[] = {0, 0777};
	struct packs *p = *state;

	for (size_t i = 0; i < 2; i++) {
		struct pack_totals totals;
		struct stat st;
		mode_t before = umask(masks[i]);
		char path[4096];
		packs_write(p, &plan, &totals);
		umask(before);
		assert_int_equal(stat(packs_path(p, 1, "pack", path), &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		assert_int_equal(st.st_size, totals.bytes);
		assert_int_equal(fstatat(p->fd, "000000", &st, 0), 0);
		assert_int_equal(st.st_mode & 07777, 0700);
		assert_err(pack_remove(p->fd, 1, NULL), ERR_OK, NULL);
		assert_int_equal(unlinkat(p->fd, "000000", AT_REMOVEDIR), 0);
	}
}

static void
pack_writer_commit__never_replaces(void **state)
{
	const struct packs_plan plan = {.id = 1, .lines = 3, .most = 20};
	struct packs *p = *state;
	struct pack_totals totals, untouched = {.bytes = 1};
	struct pack_writer *w;
	struct reading r;
	struct err e = {0};

	packs_write(p, &plan, &totals);
	w = writer_open(p, 1);
	assert_int_equal(pack_writer_commit(w, &untouched, &e), ERR_EXISTS);
	assert_string_equal(e.text, "pack 0000000000000001 exists already");
	assert_int_equal(untouched.bytes, 1);
	assert_int_equal(packs_files(p), 2);
	assert_int_equal(reading_open(&r, p, &plan, false), ERR_OK);
	reading_compare(&r);
	reading_close(&r);
}

static void
pack_writer_abort__leaves_nothing(void **state)
{
	struct pack_writer *w = writer_open(*state, 1);

	assert_int_equal(packs_files(*state), 1);
	pack_writer_abort(w);
	pack_writer_abort(NULL);
	assert_int_equal(packs_files(*state), 0);
}

/* What a crash left of the same number is in nobody's way. */
static void
pack_writer_create__after_crash(void **state)
{
	const struct packs_plan plan = {.id = 1, .lines = 3, .most = 20};
	struct packs *p = *state;
	struct pack_totals totals;
	struct reading r;
	char path[4096];

	snprintf(path, sizeof(path), "%s/.tmp-0000000000000001.pack", p->dir);
	test_write_file(path, "half a pack that is longer than the one to come", 47);
	packs_write(p, &plan, &totals);
	assert_int_equal(packs_files(p), 2);
	assert_int_equal(reading_open(&r, p, &plan, false), ERR_OK);
	reading_compare(&r);
	reading_close(&r);
}

static void
pack_clean__unfinished(void **state)
{
	const struct packs_plan plan = {.id = 1};
	struct packs *p = *state;
	struct pack_totals totals;
	char path[4096];

	packs_write(p, &plan, &totals);
	snprintf(path, sizeof(path), "%s/.tmp-0000000000000007.pack", p->dir);
	test_write_file(path, "x", 1);
	snprintf(path, sizeof(path), "%s/.tmp-0000000000000007.dict", p->dir);
	test_write_file(path, "x", 1);
	snprintf(path, sizeof(path), "%s/README", p->dir);
	test_write_file(path, "x", 1);
	assert_err(pack_clean(p->fd, NULL), ERR_OK, NULL);
	assert_int_equal(packs_files(p), 3);
	assert_int_equal(access(path, F_OK), 0);
}

static void
pack_remove__finished_or_not(void **state)
{
	const struct packs_plan plan = {.id = 1};
	struct packs *p = *state;
	struct pack_totals totals;
	char path[4096];

	assert_err(pack_remove(p->fd, 1, NULL), ERR_OK, NULL);
	packs_write(p, &plan, &totals);
	snprintf(path, sizeof(path), "%s/.tmp-0000000000000001.pack", p->dir);
	test_write_file(path, "x", 1);
	assert_err(pack_remove(p->fd, 1, NULL), ERR_OK, NULL);
	assert_int_equal(packs_files(p), 1);
	assert_err(pack_remove(p->fd, 1, NULL), ERR_OK, NULL);
}

/* What pack_list has found. */
struct found {
	uint64_t packs, dictionaries; /* sums of numbers */
	unsigned n, stop;             /* found; ask to stop after so many */
};

static int
found_one(void *arg, uint64_t id, bool is_dictionary)
{
	struct found *found = arg;

	*(is_dictionary ? &found->dictionaries : &found->packs) += id;
	return ++found->n == found->stop ? ERR_END : ERR_OK;
}

static void
pack_list__files(void **state)
{
	static const char *const others[] = {"000000/0000000000000009.tmp",
	    "000000/000000000000000A.pack", "000000/0000000000000400.pack",
	    "000000/0000000000000000.pack", "000000/00000000000000007.pack",
	    ".tmp-0000000000000007.pack", "0000000000000007.pack", "000001/x"};
	struct packs *p = *state;
	struct found found = {0};
	struct pack_totals totals;
	char path[4096];

	packs_dictionary(p);
	for (uint64_t id = 1023; id < 1026; id++)
		packs_write(p, &(struct packs_plan){.id = id}, &totals);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", p->dir, others[i]);
		test_write_file(path, "x", 1);
	}
	snprintf(path, sizeof(path), "%s/000002", p->dir);
	test_write_file(path, "x", 1);
	assert_err(pack_list(p->fd, found_one, &found, NULL), ERR_OK, NULL);
	assert_int_equal(found.n, 4);
	assert_int_equal(found.packs, 1023 + 1024 + 1025);
	assert_int_equal(found.dictionaries, PACKS_DICTIONARY);
	found = (struct found){.stop = 2};
	assert_int_equal(pack_list(p->fd, found_one, &found, NULL), ERR_END);
	assert_int_equal(found.n, 2);
}

static void
pack_open__stays_readable_when_removed(void **state)
{
	const struct packs_plan plan = {.id = 1, .lines = 100, .most = 2000};
	struct packs *p = *state;
	struct pack_totals totals;
	struct reading r;
	struct err e = {0};

	packs_write(p, &plan, &totals);
	assert_int_equal(reading_open(&r, p, &plan, false), ERR_OK);
	assert_err(pack_remove(p->fd, 1, NULL), ERR_OK, NULL);
	reading_compare(&r);
	assert_err(pack_verify(r.pack, &e), ERR_OK, &e);
	reading_close(&r);
}

/* ---- the page that describes the format ---- */

/* Whether thinkback-pack(5) has the text. */
static void
page_has(struct buf *page, const char *text)
{
	if (strstr(buf_str(page), text) == NULL)
		fail_msg("thinkback-pack(5) does not say: %s", text);
}

static void
page_limit(struct buf *page, const char *name, uint64_t value)
{
	char text[128];

	snprintf(text, sizeof(text), ".It %s Ta %" PRIu64 "\n", name, value);
	page_has(page, text);
}

static void
pack_format__as_the_page_says(void **state)
{
	struct buf page = {0};
	char text[128];

	(void)state;
	test_read_file(test_data("../../man/thinkback-pack.5"), &page);
	snprintf(text, sizeof(text), ".It 8 Ta u32 Ta format version: %d\n", PACK_FORMAT_VERSION);
	page_has(&page, text);
	page_has(&page, "\n.Qq TBPACK\nand the bytes 0D 0A\n");
	page_has(&page, "\n.Qq TBPEND\nand the bytes 0D 0A\n");
	snprintf(text, sizeof(text), ".It header Ta %u, texts, and %u\n", PACK_FORMAT_HEADER,
	    DIGEST_FULL);
	page_has(&page, text);
	page_limit(&page, "footer", PACK_FORMAT_FOOTER);
	snprintf(text, sizeof(text), "has at most %u bytes",
	    FRAME_HEAD + FRAME_SIZE_LEN * FRAME_COUNT_MAX + FRAME_DOCUMENT_MAX);
	page_has(&page, text);
	snprintf(text, sizeof(text), "frames of up to %u bytes decompressed", PACK_FRAME_SIZE);
	page_has(&page, text);
	page_limit(&page, "documents and absent ordinals of a pack", PACK_ORDINALS_MAX);
	page_limit(&page, "bytes of a document", FRAME_DOCUMENT_MAX);
	page_limit(&page, "bytes of a key", KEY_MAX);
	page_limit(&page, "ordinals of a frame", FRAME_COUNT_MAX);
	page_limit(&page, "bytes of a block, decompressed", PACK_BLOCK_MAX);
	page_limit(&page, "bytes of a database's or table's name", PACK_NAME_MAX);
	page_limit(&page, "bytes of the primary key's name", PACK_FIELD_MAX);
	page_limit(&page, "bytes of config, and of source", PACK_TEXT_MAX);
	buf_finish(&page);
}

#define PACK_TEST(f) cmocka_unit_test_setup_teardown(f, packs_setup, packs_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    PACK_TEST(pack_round_trip__frames),
	    PACK_TEST(pack_round_trip__one),
	    PACK_TEST(pack_round_trip__smallest_documents),
	    PACK_TEST(pack_round_trip__many),
	    PACK_TEST(pack_round_trip__long_index),
	    PACK_TEST(pack_round_trip__large_and_small),
	    PACK_TEST(pack_round_trip__dictionary),
	    PACK_TEST(pack_round_trip__deletions),
	    PACK_TEST(pack_round_trip__only_deletions),
	    PACK_TEST(pack_round_trip__short_gaps),
	    PACK_TEST(pack_round_trip__long_gaps),
	    PACK_TEST(pack_writer__dictionary_makes_it_smaller),
	    PACK_TEST(pack_writer__empty_pack),
	    PACK_TEST(pack_describe__all_fields),
	    PACK_TEST(pack_writer_put__key_order),
	    PACK_TEST(pack_writer_put__sizes),
	    PACK_TEST(pack_writer_put__too_many_ordinals),
	    PACK_TEST(pack_writer_create__bad_meta),
	    PACK_TEST(pack_frame_document__absent),
	    PACK_TEST(pack_entry_next__look_ups_between),
	    PACK_TEST(pack_open__not_there),
	    PACK_TEST(pack_open__another_packs_file),
	    PACK_TEST(pack_writer_commit__modes),
	    PACK_TEST(pack_writer_commit__never_replaces),
	    PACK_TEST(pack_writer_abort__leaves_nothing),
	    PACK_TEST(pack_writer_create__after_crash),
	    PACK_TEST(pack_clean__unfinished),
	    PACK_TEST(pack_remove__finished_or_not),
	    PACK_TEST(pack_list__files),
	    PACK_TEST(pack_open__stays_readable_when_removed),
	    cmocka_unit_test(pack_format__as_the_page_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
