/* The store: whatever is asked for in whatever order by however many threads, within its bounds. */
/* libc must not inline what is defined here in its place. */
#undef _FORTIFY_SOURCE

#include "snapshot/store/store.h"

#include "snapshot/store/cache.h"
#include "tests/support/packs.h"
#include "tests/support/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STORE_TEST_PACKS 5

static atomic_ullong bytes_read; /* from files, by pread */

/* Takes the place of libc's, to count. */
ssize_t
pread(int fd, void *data, size_t len, off_t off)
{
	ssize_t n = syscall(SYS_pread64, fd, data, len, off);

	if (n > 0)
		bytes_read += (unsigned long long)n;
	return n;
}

/* Plans of the packs 1 to STORE_TEST_PACKS, every other one with the dictionary. */
static struct packs_plan
store_plan(uint64_t id)
{
	return (struct packs_plan){.id = id,
	    .lines = 300,
	    .most = id == 3 ? 40000 : 900,
	    .deleted = 6,
	    .dict = id % 2 == 0};
}

static int
store_setup(void **state)
{
	packs_setup(state);
	packs_dictionary(*state);
	for (uint64_t id = 1; id <= STORE_TEST_PACKS; id++) {
		const struct packs_plan plan = store_plan(id);
		struct pack_totals totals;
		packs_write(*state, &plan, &totals);
	}
	return 0;
}

/* The line of the plan whose document has that ordinal. */
static uint32_t
store_line(uint32_t ordinal)
{
	return ordinal / 5 * 6 + ordinal % 5;
}

/* Whether the store reads document ${ordinal} of pack ${id} right, in whole and in part. Asserts
 * nothing: any thread may ask. */
static bool
store_right(struct store *s, uint64_t id, uint32_t ordinal, struct buf *want, struct buf *got)
{
	const struct packs_plan plan = store_plan(id);
	size_t size = 0, off = ordinal % 7, room = 1 + ordinal % 900;
	size_t part;

	packs_document(&plan, store_line(ordinal), want);
	buf_clear(got);
	if (store_read(s, id, ordinal, 0, SIZE_MAX, got, &size, NULL) != ERR_OK ||
	    size != want->len || got->len != size || memcmp(got->data, want->data, size) != 0)
		return false;
	if (store_read(s, id, ordinal, off, room, got, &size, NULL) != ERR_OK || size != want->len)
		return false;
	part = off >= size ? 0 : (size - off < room ? size - off : room);
	return got->len == size + part && memcmp(got->data + size, want->data + off, part) == 0;
}

static bool
store_entry_right(struct store *s, uint64_t id, uint32_t ordinal)
{
	const struct key key = packs_key(store_line(ordinal));
	struct pack_entry entry;
	uint64_t snapshot_id, table_id;

	return store_entry(s, id, ordinal, &entry, &snapshot_id, &table_id, NULL) == ERR_OK &&
	       entry.ordinal == ordinal && key_compare(&entry.key, &key) == 0 &&
	       snapshot_id == 31 && table_id == 32 && store_matches(s, id, &entry, NULL) == ERR_OK;
}

/* Read ${n} documents at random. Return the number of wrong answers. */
static unsigned
store_random(struct store *s, uint64_t seed, unsigned n)
{
	struct buf want = {0}, got = {0};
	unsigned wrong = 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t id = 1 + packs_random(&seed) % STORE_TEST_PACKS;
		uint32_t ordinal = (uint32_t)(packs_random(&seed) % 250);
		wrong += !store_right(s, id, ordinal, &want, &got);
		if (i % 8 == 0)
			wrong += !store_entry_right(s, id, ordinal);
	}
	buf_finish(&want);
	buf_finish(&got);
	return wrong;
}

static struct store *
store_open(const struct packs *p, const struct store_options *options)
{
	struct store *s = NULL;
	struct err e = {0};

	assert_err(store_create(p->fd, options, &s, &e), ERR_OK, &e);
	return s;
}

/* Whatever is said of a document that is not so of the one with that number is noticed. */
static void
store_matches__nothing_else(void **state)
{
	struct store *s = store_open(*state, NULL);

	for (uint32_t ordinal = 0; ordinal < 250; ordinal++) {
		struct pack_entry right, wrong;
		uint64_t snapshot_id, table_id;
		assert_int_equal(
		    store_entry(s, 1, ordinal, &right, &snapshot_id, &table_id, NULL), ERR_OK);
		assert_int_equal(store_matches(s, 1, &right, NULL), ERR_OK);
		for (unsigned what = 0; what < 6; what++) {
			wrong = right;
			if (what == 0)
				wrong.ordinal ^= 1;
			else if (what == 1)
				wrong.ordinal ^= 0x80000000u;
			else if (what == 2)
				wrong.size ^= 1;
			else if (what == 3)
				wrong.key.bytes[wrong.key.len - 1]++;
			else if (what == 4)
				wrong.digest[ordinal % DIGEST_LEN]++;
			else
				wrong.key.len--;
			assert_int_equal(store_matches(s, 1, &wrong, NULL), ERR_ABSENT);
		}
	}
	store_free(s);
}

static void
store_read__every_document(void **state)
{
	struct store *s = store_open(*state, NULL);
	struct buf want = {0}, got = {0};

	for (uint64_t id = 1; id <= STORE_TEST_PACKS; id++)
		for (uint32_t ordinal = 0; ordinal < 250; ordinal++) {
			assert_true(store_right(s, id, ordinal, &want, &got));
			assert_true(store_entry_right(s, id, ordinal));
		}
	buf_finish(&want);
	buf_finish(&got);
	store_free(s);
	store_free(NULL);
}

static void
store_read__tiny_bounds(void **state)
{
	const struct store_options tiny[] = {{.frame_bytes = 1, .pack_bytes = 1, .packs = 1},
	    {.frame_bytes = 1}, {.pack_bytes = 1}, {.packs = 1}, {.packs = 2},
	    {.frame_bytes = 50000, .pack_bytes = 3000, .packs = 3}};

	for (size_t i = 0; i < sizeof(tiny) / sizeof(tiny[0]); i++) {
		struct store *s = store_open(*state, &tiny[i]);
		assert_int_equal(store_random(s, i + 1, 500), 0);
		store_free(s);
	}
}

static unsigned
store_files_open(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 200; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void
store_read__files_open(void **state)
{
	const struct store_options options = {.packs = 2};
	struct store *s = store_open(*state, &options);
	unsigned before = store_files_open();

	for (uint64_t seed = 1; seed < 50; seed++) {
		assert_int_equal(store_random(s, seed, 10), 0);
		assert_in_range(store_files_open(), before, before + 2);
	}
	store_free(s);
	assert_int_equal(store_files_open(), before);
}

/* What is kept is not read again; what does not fit is. */
static void
store_read__keeps_frames(void **state)
{
	struct store *s = store_open(*state, NULL);
	struct buf want = {0}, got = {0};
	unsigned long long before;

	assert_true(store_right(s, 2, 17, &want, &got));
	before = bytes_read;
	for (unsigned i = 0; i < 100; i++)
		assert_true(store_right(s, 2, 17, &want, &got));
	assert_int_equal(bytes_read - before, 0);
	store_free(s);
	s = store_open(*state, &(struct store_options){.frame_bytes = 40000});
	assert_int_equal(store_random(s, 3, 300), 0);
	before = bytes_read;
	assert_int_equal(store_random(s, 3, 300), 0);
	assert_true(bytes_read - before > 100000);
	store_free(s);
	buf_finish(&want);
	buf_finish(&got);
}

/* A document over all bounds that is read in parts is decoded once. */
static void
store_read__large_document_in_parts(void **state)
{
	const struct packs_plan plan = {.id = 9, .lines = 1, .most = 1999};
	struct packs *p = *state;
	struct store *s = store_open(p, &(struct store_options){.frame_bytes = 65536});
	const size_t len = 3000000;
	uint8_t *document = malloc(len);
	const uint8_t sum[DIGEST_LEN] = {0};
	const struct key key = packs_key(0);
	struct pack_totals totals;
	struct pack_writer *w;
	struct pack_meta meta;
	struct buf got = {0};
	uint64_t random = 1;
	unsigned long long before;
	struct err e = {0};
	uint32_t ordinal;
	size_t size;

	assert_non_null(document);
	for (size_t i = 0; i < len; i++)
		document[i] = (uint8_t)packs_random(&random);
	packs_meta(&plan, &meta);
	assert_err(pack_writer_create(p->fd, &meta, NULL, &w, &e), ERR_OK, &e);
	assert_err(pack_writer_put(w, &key, document, len, sum, &ordinal, &e), ERR_OK, &e);
	assert_err(pack_writer_commit(w, &totals, &e), ERR_OK, &e);
	before = bytes_read;
	for (size_t off = 0; off < len; off += 131072)
		assert_err(store_read(s, 9, 0, off, 131072, &got, &size, &e), ERR_OK, &e);
	assert_int_equal(size, len);
	assert_int_equal(got.len, len);
	assert_memory_equal(got.data, document, len);
	assert_true(bytes_read - before < totals.bytes + 10000);
	pack_meta_finish(&meta);
	buf_finish(&got);
	free(document);
	store_free(s);
}

static void
store_read__ranges(void **state)
{
	struct store *s = store_open(*state, NULL);
	struct buf out = {0};
	struct err e = {0};
	size_t size = 0;

	assert_int_equal(buf_puts(&out, "kept"), ERR_OK);
	assert_err(store_read(s, 1, 0, 0, 0, &out, &size, &e), ERR_OK, &e);
	assert_true(size >= 2);
	assert_err(store_read(s, 1, 0, size, 10, &out, &size, &e), ERR_OK, &e);
	assert_err(store_read(s, 1, 0, SIZE_MAX, SIZE_MAX, &out, &size, &e), ERR_OK, &e);
	assert_text(out.data, out.len, "kept");
	assert_err(store_read(s, 1, 0, size - 1, 10, &out, &size, &e), ERR_OK, &e);
	assert_text(out.data, out.len, "kept}");
	buf_finish(&out);
	store_free(s);
}

static void
store_read__absent(void **state)
{
	struct store *s = store_open(*state, NULL);
	struct buf out = {0};
	struct pack_entry entry;
	struct err e = {0};
	uint64_t snapshot_id, table_id;
	size_t size = 77;

	assert_int_equal(store_read(s, 1, 250, 0, 10, &out, &size, &e), ERR_ABSENT);
	assert_string_equal(e.text, "pack 0000000000000001 has no document 250");
	assert_int_equal(store_entry(s, 1, 250, &entry, &snapshot_id, &table_id, &e), ERR_ABSENT);
	/* A pack that the catalogue knows and that is not there is damage. */
	assert_int_equal(store_read(s, 700, 0, 0, 10, &out, &size, &e), ERR_CORRUPT);
	assert_int_equal(e.code, ERR_CORRUPT);
	assert_string_equal(e.text, "pack 00000000000002bc is missing; run: thinkback check");
	assert_int_equal(store_entry(s, 700, 0, &entry, &snapshot_id, &table_id, &e), ERR_CORRUPT);
	assert_int_equal(size, 77);
	assert_int_equal(out.len, 0);
	store_free(s);
}

static void
store_read__dictionary_missing(void **state)
{
	struct packs *p = *state;
	struct store *s = store_open(p, NULL);
	struct buf want = {0}, got = {0};
	struct err e = {0};
	size_t size;

	assert_err(dictionary_remove(p->fd, PACKS_DICTIONARY, &e), ERR_OK, &e);
	assert_int_equal(store_read(s, 2, 0, 0, 10, &got, &size, &e), ERR_CORRUPT);
	assert_string_equal(e.text, "dictionary 0000000000000005 is missing; run: thinkback check");
	assert_true(store_right(s, 1, 0, &want, &got));
	buf_finish(&want);
	buf_finish(&got);
	store_free(s);
}

/* One frame is damaged: its documents are errors, each time, the others are as before. */
static void
store_read__damaged_frame(void **state)
{
	struct packs *p = *state;
	struct store *s = store_open(p, NULL);
	struct buf want = {0}, got = {0};
	unsigned good = 0, bad = 0;
	struct err e = {0};
	uint8_t byte;
	char path[4096];
	size_t size;
	int fd = open(packs_path(p, 1, "pack", path), O_RDWR);

	assert_int_equal(pread(fd, &byte, 1, 1000), 1);
	byte ^= 4;
	assert_int_equal(pwrite(fd, &byte, 1, 1000), 1);
	close(fd);
	for (uint32_t ordinal = 0; ordinal < 500; ordinal++) {
		int rc;
		buf_clear(&got);
		rc = store_read(s, 1, ordinal % 250, 0, SIZE_MAX, &got, &size, &e);
		if (rc == ERR_OK) {
			assert_true(store_right(s, 1, ordinal % 250, &want, &got));
			good++;
			continue;
		}
		assert_err(rc, ERR_CORRUPT, &e);
		assert_non_null(strstr(e.text, "pack 0000000000000001 is damaged: frame 0: "));
		assert_int_equal(got.len, 0);
		bad++;
	}
	assert_true(good > 100 && bad > 20 && bad % 2 == 0);
	buf_finish(&want);
	buf_finish(&got);
	store_free(s);
}

/* A pack is written again without some documents: what is left keeps its number. */
static void
store_read__pack_written_again(void **state)
{
	struct packs *p = *state;
	struct packs_plan plan = {.id = 50, .lines = 100, .most = 900};
	struct store *s = store_open(p, &(struct store_options){.packs = 1});
	struct store_hold *hold, *none;
	struct pack_totals totals;
	struct buf want = {0}, got = {0};
	struct err e = {0};
	size_t size;

	packs_write(p, &plan, &totals);
	assert_err(store_read(s, 50, 1, 0, SIZE_MAX, &got, &size, &e), ERR_OK, &e);
	assert_err(store_hold(s, 50, 1, &hold, &e), ERR_OK, &e);
	assert_int_equal(store_hold(s, 50, 100, &none, &e), ERR_ABSENT);
	assert_err(pack_remove(p->fd, 50, &e), ERR_OK, &e);
	/* It is not found any more, but as long as it is held the old file answers. */
	assert_int_equal(store_read(s, 50, 1, 0, SIZE_MAX, &got, &size, &e), ERR_CORRUPT);
	plan.skipped = 7;
	packs_write(p, &plan, &totals);
	store_sweep(s);
	buf_clear(&got);
	assert_err(store_hold_read(hold, 0, SIZE_MAX, &got, &size, &e), ERR_OK, &e);
	packs_document(&plan, 1, &want);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.data, want.data, want.len);
	store_drop(hold);
	assert_true(store_right(s, 1, 0, &want, &got));
	buf_clear(&got);
	packs_document(&plan, 1, &want);
	assert_err(store_read(s, 50, 8, 0, SIZE_MAX, &got, &size, &e), ERR_OK, &e);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.data, want.data, want.len);
	assert_int_equal(store_read(s, 50, 1, 0, SIZE_MAX, &got, &size, &e), ERR_ABSENT);
	buf_finish(&want);
	buf_finish(&got);
	store_free(s);
}

/* ---- threads ---- */

#define THREADS 4

/* What a thread does and finds. */
struct reader {
	struct store *s;
	uint64_t seed;
	unsigned reads;
	unsigned wrong;
};

static void *
reader_run(void *arg)
{
	struct reader *r = arg;

	r->wrong = store_random(r->s, r->seed, r->reads);
	return NULL;
}

static void
threads_run(struct packs *p, const struct store_options *options, bool same)
{
	struct store *s = store_open(p, options);
	struct reader readers[THREADS];
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		readers[i] = (struct reader){.s = s, .seed = same ? 1 : i + 1, .reads = 1500};
		assert_int_equal(pthread_create(&threads[i], NULL, reader_run, &readers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(readers[i].wrong, 0);
	store_free(s);
}

static void
store_threads__roomy(void **state)
{
	threads_run(*state, NULL, false);
}

static void
store_threads__always_evicting(void **state)
{
	threads_run(*state,
	    &(struct store_options){.frame_bytes = 20000, .pack_bytes = 4000, .packs = 2}, false);
}

static void
store_threads__same_order(void **state)
{
	threads_run(*state, &(struct store_options){.frame_bytes = 1, .packs = 1}, true);
}

/* ---- the cache alone ---- */

/* What loading does and has done. */
struct loads {
	atomic_uint n;       /* times */
	atomic_uint dropped; /* values freed */
	int rc;              /* what it returns */
	size_t bytes;        /* of each value */
	unsigned pause;      /* microseconds it takes */
};

static struct loads loads;

static int
loads_load(void *arg, void **value, size_t *bytes, struct err *e)
{
	const struct cache_key *key = arg;

	(void)e;
	usleep(loads.pause);
	loads.n++;
	if (loads.rc != ERR_OK)
		return loads.rc;
	*value = malloc(sizeof(uint64_t));
	if (*value == NULL)
		return ERR_NOMEM;
	memcpy(*value, &key->c, sizeof(uint64_t));
	*bytes = loads.bytes;
	return ERR_OK;
}

static void
loads_drop(void *value)
{
	loads.dropped++;
	free(value);
}

/* Get ${n}, check what comes and give it back. */
static bool
loads_get(struct cache *c, uint64_t n)
{
	struct cache_key key = {.c = n};
	struct cache_slot *slot;
	uint64_t got;

	if (cache_get(c, &key, loads_load, &key, &slot, NULL) != ERR_OK)
		return false;
	memcpy(&got, cache_value(slot), sizeof(got));
	cache_release(c, slot);
	return got == n;
}

static void
cache_get__least_recently_used_goes_first(void **state)
{
	struct cache *c = cache_create(30, 100, loads_drop);

	(void)state;
	loads = (struct loads){.bytes = 10};
	for (uint64_t n = 1; n <= 3; n++)
		assert_true(loads_get(c, n));
	assert_true(loads_get(c, 1));
	assert_int_equal(loads.n, 3);
	assert_true(loads_get(c, 4));
	assert_int_equal(loads.dropped, 1);
	assert_true(loads_get(c, 1));
	assert_true(loads_get(c, 3));
	assert_int_equal(loads.n, 4);
	assert_true(loads_get(c, 2));
	assert_int_equal(loads.n, 5);
	/* One that is larger than the limit drives out all others, and goes with the next. */
	loads.bytes = 1000;
	assert_true(loads_get(c, 5));
	assert_true(loads_get(c, 5));
	assert_int_equal(loads.n, 6);
	assert_int_equal(loads.dropped, 5);
	loads.bytes = 10;
	assert_true(loads_get(c, 6));
	assert_int_equal(loads.dropped, 6);
	cache_free(c);
	assert_int_equal(loads.dropped, 7);
}

static void
cache_get__in_hands_stays_alive(void **state)
{
	struct cache *c = cache_create(1000, 2, loads_drop);
	struct cache_slot *held[10];

	(void)state;
	loads = (struct loads){.bytes = 10};
	for (uint64_t n = 0; n < 10; n++) {
		struct cache_key key = {.c = n};
		assert_int_equal(cache_get(c, &key, loads_load, &key, &held[n], NULL), ERR_OK);
	}
	assert_int_equal(loads.dropped, 0);
	for (uint64_t n = 0; n < 10; n++) {
		assert_memory_equal(cache_value(held[n]), &n, sizeof(n));
		cache_release(c, held[n]);
	}
	cache_release(c, NULL);
	assert_int_equal(loads.dropped, 8);
	cache_free(c);
	assert_int_equal(loads.dropped, 10);
}

static void
cache_get__failed_loads_are_tried_again(void **state)
{
	struct cache *c = cache_create(1000, 2, loads_drop);
	struct cache_key key = {.c = 1};
	struct cache_slot *slot = NULL;

	(void)state;
	loads = (struct loads){.rc = ERR_CORRUPT};
	assert_int_equal(cache_get(c, &key, loads_load, &key, &slot, NULL), ERR_CORRUPT);
	assert_null(slot);
	loads.rc = ERR_OK;
	assert_true(loads_get(c, 1));
	assert_int_equal(loads.n, 2);
	cache_free(c);
}

static void *
loads_run(void *arg)
{
	return loads_get(arg, 7) ? arg : NULL;
}

/* Four threads get the same at once; ${rc} is what loading returns. */
static unsigned
loads_together(int rc)
{
	struct cache *c = cache_create(1000, 2, loads_drop);
	pthread_t threads[THREADS];
	unsigned got = 0;

	loads = (struct loads){.rc = rc, .pause = 20000};
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, loads_run, c), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		void *result;
		assert_int_equal(pthread_join(threads[i], &result), 0);
		got += result != NULL;
	}
	cache_free(c);
	return got;
}

static void
cache_get__one_thread_loads(void **state)
{
	(void)state;
	assert_int_equal(loads_together(ERR_OK), THREADS);
	assert_int_equal(loads.n, 1);
	assert_int_equal(loads_together(ERR_IO), 0);
	assert_int_equal(loads.n, THREADS);
}

#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, store_setup, packs_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(store_matches__nothing_else),
	    STORE_TEST(store_read__every_document),
	    STORE_TEST(store_read__tiny_bounds),
	    STORE_TEST(store_read__files_open),
	    STORE_TEST(store_read__keeps_frames),
	    STORE_TEST(store_read__large_document_in_parts),
	    STORE_TEST(store_read__ranges),
	    STORE_TEST(store_read__absent),
	    STORE_TEST(store_read__dictionary_missing),
	    STORE_TEST(store_read__damaged_frame),
	    STORE_TEST(store_read__pack_written_again),
	    STORE_TEST(store_threads__roomy),
	    STORE_TEST(store_threads__always_evicting),
	    STORE_TEST(store_threads__same_order),
	    cmocka_unit_test(cache_get__least_recently_used_goes_first),
	    cmocka_unit_test(cache_get__in_hands_stays_alive),
	    cmocka_unit_test(cache_get__failed_loads_are_tried_again),
	    cmocka_unit_test(cache_get__one_thread_loads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
