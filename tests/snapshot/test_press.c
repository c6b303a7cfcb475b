/* Compressing frames on threads: the same bytes in the same order as without any. */
#include "tests/support/packs.h"
#include "tests/support/test.h"

#include "snapshot/store/codec.h"
#include "snapshot/store/press.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES 1000u

/* Frame ${n}: most are of the usual size, some are tiny, some large. */
static void
make(uint32_t n, struct buf *out)
{
	uint64_t state = n + 1;
	size_t len = n % 50 == 49 ? 2000000 : n % 7 == 0 ? 10 + n : 16000;

	codec_trim(out);
	assert_int_equal(buf_reserve(out, len), ERR_OK);
	while (out->len < len) {
		if (out->len % 4096 == 0)
			state = n + 1;
		buf_putc(out, (uint8_t)('a' + packs_random(&state) % 16));
	}
}

/* Take the oldest frame, which must be ${n}, and compare. */
static void
take(struct press *p, struct codec_packer *alone, uint32_t n)
{
	struct buf raw = {0}, want = {0};
	struct err e = {0};
	const struct buf *packed;
	uint32_t first;

	make(n, &raw);
	assert_err(codec_pack(alone, raw.data, raw.len, &want, &e), ERR_OK, &e);
	assert_err(press_take(p, &packed, &first, &e), ERR_OK, &e);
	assert_int_equal(first, n * 10);
	assert_int_equal(packed->len, want.len);
	assert_memory_equal(packed->data, want.data, want.len);
	buf_finish(&raw);
	buf_finish(&want);
}

static void
run(struct packs *packs)
{
	struct press *p = press_create(packs->dict);
	struct codec_packer *alone = codec_packer_create(packs->dict);
	struct buf raw = {0};
	uint32_t taken = 0;

	assert_non_null(p);
	assert_true(press_empty(p));
	for (uint32_t n = 0; n < FRAMES; n++) {
		make(n, &raw);
		press_put(p, &raw, n * 10);
		assert_false(press_empty(p));
		if (!press_full(p))
			continue;
		while (press_half_full(p))
			take(p, alone, taken++);
		assert_false(press_full(p));
	}
	while (!press_empty(p))
		take(p, alone, taken++);
	assert_int_equal(taken, FRAMES);
	press_free(p);
	codec_packer_free(alone);
	buf_finish(&raw);
}

static void
press__gives_what_one_thread_does(void **state)
{
	run(*state);
	packs_dictionary(*state);
	run(*state);
}

/* However much is put in, a bound holds for what is in it. */
static void
press__is_full_in_time(void **state)
{
	struct press *p = press_create(NULL);
	struct buf raw = {0};
	unsigned n = 0;

	(void)state;
	for (; !press_full(p); n++) {
		make(0, &raw);
		press_put(p, &raw, n);
	}
	assert_in_range(n, 2, 1000);
	press_free(p);
	p = press_create(NULL);
	for (n = 0; !press_full(p); n++) {
		make(49, &raw);
		press_put(p, &raw, n);
	}
	assert_in_range(n, 1, 4);
	press_free(p);
	buf_finish(&raw);
}

/* With frames in it, whatever the threads are doing. */
static void
press__can_be_freed_at_any_time(void **state)
{
	struct buf raw = {0};

	(void)state;
	for (unsigned most = 0; most < 200; most += 9) {
		struct press *p = press_create(NULL);
		for (unsigned n = 0; n < most; n++) {
			const struct buf *packed;
			uint32_t first;
			if (press_full(p))
				assert_int_equal(press_take(p, &packed, &first, NULL), ERR_OK);
			make(n % 40, &raw);
			press_put(p, &raw, n);
		}
		press_free(p);
	}
	press_free(NULL);
	buf_finish(&raw);
}

/* The pack of a plan, written on one processor and on all there are. */
static void
pack__is_the_same_on_any_number_of_processors(void **state)
{
	struct packs *p = *state;
	struct packs_plan plan = {
	    .id = 1, .lines = 110000, .deleted = 9, .most = 120, .dict = true};
	struct pack_totals totals;
	cpu_set_t all, one;
	struct buf first = {0}, second = {0};
	char path[4096];
	size_t cpu = 0;

	packs_dictionary(p);
	packs_write(p, &plan, &totals);
	assert_in_range(totals.frames, 128, 100000); /* enough for threads */
	test_read_file(packs_path(p, 1, "pack", path), &first);
	assert_int_equal(pack_remove(p->fd, 1, NULL), ERR_OK);
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	packs_write(p, &plan, &totals);
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	test_read_file(packs_path(p, 1, "pack", path), &second);
	/* The index went into it in several runs. */
	assert_in_range(first.len, 2u << 20, 100u << 20);
	assert_int_equal(first.len, second.len);
	assert_memory_equal(first.data, second.data, first.len);
	buf_finish(&first);
	buf_finish(&second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, packs_setup, packs_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(press__gives_what_one_thread_does),
	    TEST(press__is_full_in_time),
	    TEST(press__can_be_freed_at_any_time),
	    TEST(pack__is_the_same_on_any_number_of_processors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
