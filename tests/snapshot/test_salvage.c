/* Searching packs that cannot be opened. Promises: 4. */
#include "snapshot/store/salvage.h"

#include "snapshot/store/pack.h"
#include "tests/support/packs.h"
#include "tests/support/test.h"

#include <string.h>

#define SALVAGE_TEST(f) cmocka_unit_test_setup_teardown(f, packs_setup, packs_teardown)

#define PART 262144u       /* bytes that are searched at a time */
#define HEADS_LEN 8388608u /* bytes of what looks like frames */

static const struct packs_plan plain = {.id = 0x12, .lines = 6000, .most = 200};
static const struct packs_plan with_dictionary = {
    .id = 0x13, .lines = 6000, .most = 200, .dict = true};

/* Write a pack that cannot be opened into ${file}: its header is gone. */
static void
headless(const struct packs *p, const struct packs_plan *plan, struct buf *file)
{
	struct pack_totals totals;
	char path[4096];

	packs_write(p, plan, &totals);
	buf_clear(file);
	test_read_file(packs_path(p, plan->id, "pack", path), file);
	memset(file->data, 0, 64);
}

/* Heads of frames of 128 MiB, back to back: none of them is followed by a frame. */
static void
heads(struct buf *out)
{
	static const uint8_t head[] = {0x28, 0xb5, 0x2f, 0xfd, 0xa4, 0, 0, 0, 8};

	while (out->len + sizeof(head) <= HEADS_LEN)
		assert_int_equal(buf_append(out, head, sizeof(head)), ERR_OK);
}

static void
store(const struct packs *p, const struct packs_plan *plan, const struct buf *file)
{
	struct pack *pack = NULL;
	char path[4096];

	test_write_file(packs_path(p, plan->id, "pack", path), file->data, file->len);
	assert_int_equal(pack_open(p->fd, plan->id, &pack, NULL), ERR_CORRUPT);
}

/* How many documents of the plan are found; what is found must be right. */
static uint32_t
found(const struct packs *p, const struct packs_plan *plan)
{
	struct salvage *s = NULL;
	struct buf got = {0}, document = {0};
	struct err e = {0};
	uint32_t n = 0;

	assert_err(
	    salvage_open(p->fd, plan->id, plan->dict ? p->dict : NULL, NULL, &s, &e), ERR_OK, &e);
	for (uint32_t i = 0; i < plan->lines; i++) {
		uint64_t walk = 0;
		int rc = salvage_read(s, i, &walk, &got, &e);
		if (rc == ERR_ABSENT)
			continue;
		assert_err(rc, ERR_OK, &e);
		packs_document(plan, i, &document);
		assert_int_equal(got.len, document.len);
		assert_memory_equal(got.data, document.data, document.len);
		assert_int_equal(salvage_read(s, i, &walk, &got, &e), ERR_ABSENT);
		n++;
	}
	salvage_close(s);
	buf_finish(&got);
	buf_finish(&document);
	return n;
}

static void
salvage__finds_all_frames(void **state)
{
	struct packs *p = *state;
	struct buf file = {0};

	packs_dictionary(p);
	headless(p, &plain, &file);
	store(p, &plain, &file);
	assert_int_equal(found(p, &plain), plain.lines);
	headless(p, &with_dictionary, &file);
	store(p, &with_dictionary, &file);
	assert_int_equal(found(p, &with_dictionary), with_dictionary.lines);
	buf_finish(&file);
}

/* Wherever the search goes on in the next part of the file, it misses nothing. */
static void
salvage__frames_over_two_parts(void **state)
{
	static const uint8_t magic[] = {0x28, 0xb5, 0x2f, 0xfd};
	static const uint8_t zeros[4096];
	struct packs *p = *state;
	struct buf file = {0}, moved = {0};
	const uint8_t *frame;
	size_t begin;

	headless(p, &plain, &file);
	frame = memmem(file.data, file.len, magic, sizeof(magic));
	assert_non_null(frame);
	begin = PART - (size_t)(frame - file.data);
	for (size_t shift = begin - 8; shift < begin + 8; shift++) {
		buf_clear(&moved);
		while (moved.len + sizeof(zeros) < shift)
			assert_int_equal(buf_append(&moved, zeros, sizeof(zeros)), ERR_OK);
		assert_int_equal(buf_append(&moved, zeros, shift - moved.len), ERR_OK);
		assert_int_equal(buf_append(&moved, file.data, file.len), ERR_OK);
		store(p, &plain, &moved);
		assert_int_equal(found(p, &plain), plain.lines);
	}
	buf_finish(&file);
	buf_finish(&moved);
}

/* To try all of the heads would be to read a million times 8 MiB. */
static void
salvage__gives_up_on_what_only_looks_like_frames(void **state)
{
	struct packs *p = *state;
	struct buf file = {0}, before = {0};
	size_t len;

	headless(p, &plain, &file);
	heads(&before);
	len = before.len;
	assert_int_equal(buf_append(&before, file.data, file.len), ERR_OK);
	store(p, &plain, &before);
	assert_int_equal(found(p, &plain), 0);
	assert_int_equal(buf_append(&file, before.data, len), ERR_OK);
	store(p, &plain, &file);
	assert_int_equal(found(p, &plain), plain.lines);
	buf_finish(&file);
	buf_finish(&before);
}

static void
salvage__stops_when_told(void **state)
{
	volatile sig_atomic_t stop = 1;
	struct packs *p = *state;
	struct salvage *s = NULL;
	struct buf file = {0};
	struct err e = {0};

	headless(p, &plain, &file);
	store(p, &plain, &file);
	assert_err(salvage_open(p->fd, plain.id, NULL, &stop, &s, &e), ERR_INTR, &e);
	assert_null(s);
	buf_finish(&file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    SALVAGE_TEST(salvage__finds_all_frames),
	    SALVAGE_TEST(salvage__frames_over_two_parts),
	    SALVAGE_TEST(salvage__gives_up_on_what_only_looks_like_frames),
	    SALVAGE_TEST(salvage__stops_when_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
