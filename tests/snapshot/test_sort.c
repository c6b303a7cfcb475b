/* The external merge sort: order, stability, spilling to the file, and what happens when it fails.
 */
#include "tests/support/test.h"

#include "snapshot/sort.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define TINY 1u /* raised to the smallest budget there is, 256 KiB */

struct fixture {
	char *path;
	int dirfd;
	struct sort *sort;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->path = test_dir();
	f->dirfd = open(f->path, O_RDONLY | O_DIRECTORY);
	assert_true(f->dirfd >= 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	sort_free(f->sort);
	close(f->dirfd);
	test_dir_remove(f->path);
	free(f);
	return 0;
}

static void
create(struct fixture *f, size_t budget)
{
	struct err e = {0};

	sort_free(f->sort);
	f->sort = NULL;
	assert_err(sort_create(f->dirfd, budget, &f->sort, &e), ERR_OK, &e);
}

static struct key
make_key(const char *text)
{
	struct key k = {.len = (uint8_t)strlen(text)};

	memcpy(k.bytes, text, k.len);
	return k;
}

static void
add(struct fixture *f, const char *key, const void *data, size_t len)
{
	struct key k = make_key(key);
	struct err e = {0};

	assert_err(sort_add(f->sort, &k, data, len, &e), ERR_OK, &e);
}

static void
finish(struct fixture *f)
{
	struct err e = {0};

	assert_err(sort_finish(f->sort, &e), ERR_OK, &e);
}

static void
expect(struct fixture *f, const char *key, uint64_t sequence, const void *data, size_t len)
{
	struct sort_item item;
	struct err e = {0};

	assert_err(sort_next(f->sort, &item, &e), ERR_OK, &e);
	assert_text(item.key.bytes, item.key.len, key);
	assert_int_equal(item.sequence, sequence);
	assert_int_equal(item.len, len);
	if (len > 0)
		assert_memory_equal(item.data, data, len);
}

static void
expect_end(struct fixture *f)
{
	struct sort_item item;

	assert_err(sort_next(f->sort, &item, NULL), ERR_END, NULL);
	assert_err(sort_next(f->sort, &item, NULL), ERR_END, NULL);
}

/* The nameless file of the sorter: its descriptor, or -1. */
static int
temporary_file(void)
{
	for (int fd = 3; fd < 256; fd++) {
		struct stat st;
		if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 0)
			return fd;
	}
	return -1;
}

/* ---- many documents against qsort ---- */

struct document {
	char key[KEY_MAX + 1];
	uint64_t sequence;
	size_t len;
	char data[300];
};

static uint64_t seed;

static uint64_t
next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static int
by_key_and_sequence(const void *a, const void *b)
{
	const struct document *x = a, *y = b;
	int order = strcmp(x->key, y->key);

	if (order != 0)
		return order;
	return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

static void
make_document(struct document *d, uint64_t i, uint64_t keys)
{
	size_t len;

	d->sequence = i;
	/* Many keys are equal, and many differ behind the first eight bytes only. */
	len = (size_t)snprintf(d->key, sizeof(d->key), "Scommon-prefix-%llu",
	    (unsigned long long)(next_random() % keys));
	if (next_random() % 7 == 0)
		d->key[len / 2] = '\0';
	d->len = next_random() % sizeof(d->data);
	for (size_t n = 0; n < d->len; n++)
		d->data[n] = (char)next_random();
}

/* ${n} documents, the last ${ordered} of them in order. */
static void
compare_with_qsort(struct fixture *f, size_t n, uint64_t keys, size_t ordered, size_t budget)
{
	struct document *all = calloc(n, sizeof(*all));
	uint64_t bytes = 0;

	assert_non_null(all);
	create(f, budget);
	for (size_t i = 0; i < n; i++)
		make_document(&all[i], i, keys);
	qsort(all + n - ordered, ordered, sizeof(*all), by_key_and_sequence);
	for (size_t i = 0; i < n; i++) {
		all[i].sequence = i;
		add(f, all[i].key, all[i].data, all[i].len);
		bytes += all[i].len;
	}
	finish(f);
	assert_int_equal(sort_count(f->sort), n);
	assert_int_equal(sort_bytes(f->sort), bytes);
	qsort(all, n, sizeof(*all), by_key_and_sequence);
	for (size_t i = 0; i < n; i++)
		expect(f, all[i].key, all[i].sequence, all[i].data, all[i].len);
	expect_end(f);
	free(all);
}

static void
sort__200000_documents_in_a_tiny_budget_as_qsort(void **state)
{
	seed = 42;
	/* About 35 MB: some 150 runs, and three buffers to merge them with. */
	compare_with_qsort(*state, 200000, 100000, 0, TINY);
}

static void
sort__in_memory_as_qsort(void **state)
{
	struct fixture *f = *state;

	seed = 7;
	for (size_t n = 0; n < 40; n++)
		compare_with_qsort(f, n, 10, 0, 0);
	compare_with_qsort(f, 20000, 1000, 0, 0);
	assert_int_equal(temporary_file(), -1);
}

static void
sort__one_pass_of_many_runs_as_qsort(void **state)
{
	seed = 99;
	compare_with_qsort(*state, 60000, 60000, 0, 2u << 20);
}

/* ---- order ---- */

static void
sort__shorter_key_first_and_bytes_unsigned(void **state)
{
	struct fixture *f = *state;

	create(f, 0);
	add(f, "S\xff", "f", 1);
	add(f, "Sab", "c", 1);
	add(f, "Sa", "a", 1);
	add(f, "S", "s", 1);
	add(f, "Sabcdefghijk", "e", 1);
	add(f, "Sabcdefghij", "d", 1);
	finish(f);
	expect(f, "S", 3, "s", 1);
	expect(f, "Sa", 2, "a", 1);
	expect(f, "Sab", 1, "c", 1);
	expect(f, "Sabcdefghij", 5, "d", 1);
	expect(f, "Sabcdefghijk", 4, "e", 1);
	expect(f, "S\xff", 0, "f", 1);
	expect_end(f);
}

static void
sort__keys_of_zeros_differ_by_length(void **state)
{
	struct fixture *f = *state;
	struct key k = {.bytes = {'P'}};
	struct sort_item item;
	struct err e = {0};

	create(f, 0);
	for (uint8_t len = 12; len > 0; len--) {
		k.len = len;
		assert_err(sort_add(f->sort, &k, "x", 1, &e), ERR_OK, &e);
	}
	finish(f);
	for (uint8_t len = 1; len <= 12; len++) {
		assert_err(sort_next(f->sort, &item, &e), ERR_OK, &e);
		assert_int_equal(item.key.len, len);
	}
	expect_end(f);
}

static void
sort__longest_key(void **state)
{
	struct fixture *f = *state;
	char key[KEY_MAX + 1];

	memset(key, 'k', KEY_MAX);
	key[KEY_MAX] = '\0';
	create(f, 0);
	add(f, key, "long", 4);
	add(f, "S", "", 0);
	finish(f);
	expect(f, "S", 1, "", 0);
	expect(f, key, 0, "long", 4);
	expect_end(f);
}

static void
sort__equal_keys_keep_their_order_across_runs(void **state)
{
	struct fixture *f = *state;
	static char data[1000];
	const uint64_t n = 3000; /* 3 MB in 256 KiB */

	create(f, TINY);
	for (uint64_t i = 0; i < n; i++)
		add(f, i % 2 == 0 ? "Seven" : "Sodd", data, sizeof(data));
	finish(f);
	for (uint64_t i = 0; i < n; i += 2)
		expect(f, "Seven", i, data, sizeof(data));
	for (uint64_t i = 1; i < n; i += 2)
		expect(f, "Sodd", i, data, sizeof(data));
	expect_end(f);
}

/* What is in memory at the end is merged from there when it is in order, else by way of the file.
 */
static void
sort__last_ones_in_order_as_qsort(void **state)
{
	seed = 5;
	for (size_t ordered = 0; ordered < 6000; ordered += 331)
		compare_with_qsort(*state, 6000, 500, ordered, TINY);
}

/* ---- input in order ---- */

static void
sort__sorted_input_is_written_once(void **state)
{
	struct fixture *f = *state;
	static char data[1000];
	char key[32];
	const unsigned n = 20000; /* 20 MB in 256 KiB: more runs than buffers, were they apart */
	struct stat before, after;

	create(f, TINY);
	for (unsigned i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "S%08u", i / 2);
		memcpy(data, &i, sizeof(i));
		add(f, key, data, sizeof(data));
	}
	assert_int_equal(fstat(temporary_file(), &before), 0);
	finish(f);
	/* Merging runs that do not continue one another would have begun a new file. */
	assert_int_equal(fstat(temporary_file(), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_in_range(after.st_size, n * 1000 - TINY, n * 1020);
	for (unsigned i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "S%08u", i / 2);
		memcpy(data, &i, sizeof(i));
		expect(f, key, i, data, sizeof(data));
	}
	expect_end(f);
}

static void
sort__reversed_input(void **state)
{
	struct fixture *f = *state;
	static char data[500];
	char key[32];
	const unsigned n = 5000;

	create(f, TINY);
	for (unsigned i = n; i > 0; i--) {
		snprintf(key, sizeof(key), "S%08u", i);
		add(f, key, data, sizeof(data));
	}
	finish(f);
	for (unsigned i = 1; i <= n; i++) {
		snprintf(key, sizeof(key), "S%08u", i);
		expect(f, key, n - i, data, sizeof(data));
	}
	expect_end(f);
}

/* ---- sizes ---- */

static void
sort__empty(void **state)
{
	struct fixture *f = *state;

	create(f, 0);
	finish(f);
	assert_int_equal(sort_count(f->sort), 0);
	assert_int_equal(sort_bytes(f->sort), 0);
	expect_end(f);
}

static void
sort__documents_larger_than_everything(void **state)
{
	struct fixture *f = *state;
	const size_t sizes[] = {3u << 20, 100, 70000, 0, 262144, 261900, 65536, 5u << 20, 64000};
	const size_t n = sizeof(sizes) / sizeof(sizes[0]);
	uint8_t *data = malloc(5u << 20);
	char key[32];

	assert_non_null(data);
	for (size_t i = 0; i < 5u << 20; i++)
		data[i] = (uint8_t)(i * 31 >> 3);
	for (int reversed = 0; reversed < 2; reversed++) {
		create(f, TINY);
		for (size_t i = 0; i < n; i++) {
			snprintf(key, sizeof(key), "S%zu", reversed ? n - i : i);
			add(f, key, data + i, sizes[i] > i ? sizes[i] - i : 0);
		}
		finish(f);
		for (size_t j = 0; j < n; j++) {
			size_t i = reversed ? n - 1 - j : j;
			snprintf(key, sizeof(key), "S%zu", reversed ? n - i : i);
			expect(f, key, i, data + i, sizes[i] > i ? sizes[i] - i : 0);
		}
		expect_end(f);
	}
	free(data);
}

static void
sort__large_documents_survive_a_pass(void **state)
{
	struct fixture *f = *state;
	const size_t large = 300000;
	uint8_t *data = malloc(large);
	char key[32];

	assert_non_null(data);
	memset(data, 'd', large);
	create(f, TINY);
	for (unsigned i = 40; i > 0; i--) {
		snprintf(key, sizeof(key), "S%02u", i);
		data[0] = (uint8_t)i;
		add(f, key, data, large - i);
	}
	finish(f);
	for (unsigned i = 1; i <= 40; i++) {
		snprintf(key, sizeof(key), "S%02u", i);
		data[0] = (uint8_t)i;
		expect(f, key, 40 - i, data, large - i);
	}
	expect_end(f);
	free(data);
}

/* The memory that this process has had at its peak, in KiB. */
static long
peak(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

static void
sort__memory_stays_within_the_budget(void **state)
{
	struct fixture *f = *state;
	const size_t budget = 8u << 20;
	static char data[100];
	char key[32];
	long before = peak();

	seed = 3;
	create(f, budget);
	for (unsigned i = 0; i < 600000; i++) { /* 70 MB */
		snprintf(key, sizeof(key), "S%016llx", (unsigned long long)next_random());
		add(f, key, data, sizeof(data));
	}
	finish(f);
	for (unsigned i = 0; i < 600000; i++) {
		struct sort_item item;
		assert_int_equal(sort_next(f->sort, &item, NULL), ERR_OK);
	}
	expect_end(f);
	/* Twice the budget, and sanitizers keep some memory for themselves. */
	assert_in_range(peak() - before, 0, (long)(budget / 1024) * 4);
}

/* Documents that are put aside come out as they would have. */
static void
sort__parked_gives_its_memory_back(void **state)
{
	struct fixture *f = *state;
	struct key k = make_key("S9");
	struct err e = {0};

	create(f, 0);
	add(f, "S2", "two", 3);
	add(f, "S1", "one", 3);
	assert_in_range(sort_memory(f->sort), 6, 100);
	assert_int_equal(temporary_file(), -1);
	assert_err(sort_park(f->sort, &e), ERR_OK, &e);
	assert_int_equal(sort_memory(f->sort), 0);
	assert_true(temporary_file() >= 0);
	assert_err(sort_add(f->sort, &k, "x", 1, &e), ERR_BUG, &e);
	assert_int_equal(sort_count(f->sort), 2);
	assert_int_equal(sort_bytes(f->sort), 6);
	finish(f);
	expect(f, "S1", 1, "one", 3);
	expect(f, "S2", 0, "two", 3);
	expect_end(f);
	assert_err(sort_park(f->sort, &e), ERR_BUG, &e);
	create(f, 0);
	assert_err(sort_park(f->sort, &e), ERR_OK, &e);
	finish(f);
	expect_end(f);
}

/* ---- failures ---- */

static void
sort__full_disk_is_reported_with_its_place(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, small;
	static char data[1000];
	struct key k = make_key("S");
	struct err e = {0};
	struct sort_item item;
	int rc = ERR_OK;

	create(f, TINY);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = (struct rlimit){1u << 20, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (unsigned i = 0; i < 10000 && rc == ERR_OK; i++)
		rc = sort_add(f->sort, &k, data, sizeof(data), &e);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_err(rc, ERR_NOSPACE, &e);
	assert_non_null(strstr(e.text, f->path));
	/* What was lost must not look like an end. */
	assert_err(sort_add(f->sort, &k, data, 1, &e), ERR_BUG, &e);
	assert_err(sort_finish(f->sort, &e), ERR_BUG, &e);
	assert_err(sort_next(f->sort, &item, &e), ERR_BUG, &e);
}

static void
sort__full_disk_in_a_pass_is_reported(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, small;
	static char data[1000];
	char key[32];
	struct err e = {0};
	struct sort_item item;
	int rc;

	create(f, TINY);
	for (unsigned i = 5000; i > 0; i--) {
		snprintf(key, sizeof(key), "S%08u", i);
		add(f, key, data, sizeof(data));
	}
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = (struct rlimit){2u << 20, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	rc = sort_finish(f->sort, &e);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_err(rc, ERR_NOSPACE, &e);
	assert_err(sort_next(f->sort, &item, &e), ERR_BUG, &e);
}

static void
spill(struct fixture *f)
{
	static char data[1000];
	char key[32];

	create(f, TINY);
	for (unsigned i = 600; i > 0; i--) {
		snprintf(key, sizeof(key), "S%08u", i);
		add(f, key, data, sizeof(data));
	}
}

static int
drain(struct fixture *f, struct err *e)
{
	struct sort_item item;
	int rc = sort_finish(f->sort, e);

	while (rc == ERR_OK)
		rc = sort_next(f->sort, &item, e);
	return rc;
}

static void
sort__cut_off_file_is_corrupt(void **state)
{
	struct fixture *f = *state;
	struct sort_item item;
	struct err e = {0};

	spill(f);
	assert_true(temporary_file() >= 0);
	assert_int_equal(ftruncate(temporary_file(), 100000), 0);
	assert_err(drain(f, &e), ERR_CORRUPT, &e);
	assert_err(sort_next(f->sort, &item, &e), ERR_BUG, &e);
}

static void
sort__wrong_lengths_in_the_file_are_corrupt(void **state)
{
	struct fixture *f = *state;
	/* A sequence that was never given; a document of 2^60 bytes; a key of 255 bytes. */
	const uint8_t bad[][12] = {{0xff, 0xff, 0xff, 0x7f, 1, 1, 'S'},
	    {0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10, 1, 'S'}, {0, 1, 255, 'S'},
	    {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	uint8_t now[2];
	struct err e = {0};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		spill(f);
		assert_int_equal(
		    pwrite(temporary_file(), bad[i], sizeof(bad[i]), 0), sizeof(bad[i]));
		assert_err(drain(f, &e), ERR_CORRUPT, &e);
	}
	/* The first record is the 588th document or so: two bytes of sequence, both replaced. */
	spill(f);
	assert_int_equal(pread(temporary_file(), now, 2, 0), 2);
	assert_true((now[0] & 0x80) != 0 && (now[1] & 0x80) == 0);
	assert_int_equal(pwrite(temporary_file(), "\xd8\x04", 2, 0), 2); /* 600 of 0 to 599 */
	assert_err(drain(f, &e), ERR_CORRUPT, &e);
}

static void
sort__directory_that_cannot_be_written(void **state)
{
	struct fixture *f = *state;
	static char data[1000];
	struct key k = make_key("S");
	struct err e = {0};
	int rc = ERR_OK;
	int proc = open("/proc/self", O_RDONLY | O_DIRECTORY);

	assert_err(sort_create(proc, TINY, &f->sort, &e), ERR_OK, &e);
	for (unsigned i = 0; i < 1000 && rc == ERR_OK; i++)
		rc = sort_add(f->sort, &k, data, sizeof(data), &e);
	close(proc);
	assert_true(rc < 0);
	assert_non_null(strstr(e.text, "/proc/"));
}

static void
sort__calls_out_of_turn_are_refused(void **state)
{
	struct fixture *f = *state;
	struct key k = make_key("S");
	struct sort_item item;
	struct err e = {0};

	create(f, 0);
	assert_err(sort_next(f->sort, &item, &e), ERR_BUG, &e);
	add(f, "S", "x", 1);
	finish(f);
	assert_err(sort_add(f->sort, &k, "x", 1, &e), ERR_BUG, &e);
	create(f, 0);
	finish(f);
	assert_err(sort_finish(f->sort, &e), ERR_BUG, &e);
	sort_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(sort__memory_stays_within_the_budget),
	    TEST(sort__200000_documents_in_a_tiny_budget_as_qsort),
	    TEST(sort__in_memory_as_qsort),
	    TEST(sort__one_pass_of_many_runs_as_qsort),
	    TEST(sort__last_ones_in_order_as_qsort),
	    TEST(sort__shorter_key_first_and_bytes_unsigned),
	    TEST(sort__keys_of_zeros_differ_by_length),
	    TEST(sort__longest_key),
	    TEST(sort__equal_keys_keep_their_order_across_runs),
	    TEST(sort__sorted_input_is_written_once),
	    TEST(sort__reversed_input),
	    TEST(sort__empty),
	    TEST(sort__parked_gives_its_memory_back),
	    TEST(sort__documents_larger_than_everything),
	    TEST(sort__large_documents_survive_a_pass),
	    TEST(sort__full_disk_is_reported_with_its_place),
	    TEST(sort__full_disk_in_a_pass_is_reported),
	    TEST(sort__cut_off_file_is_corrupt),
	    TEST(sort__wrong_lengths_in_the_file_are_corrupt),
	    TEST(sort__directory_that_cannot_be_written),
	    TEST(sort__calls_out_of_turn_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
