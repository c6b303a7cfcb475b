/* Dictionaries: training, files, damage. */
#include "snapshot/store/dictionary.h"

#include "catalog/base/digest.h"
#include "tests/support/packs.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAMPLES_MAX 20000

/* Documents to train on. */
struct samples {
	struct buf bytes;
	size_t sizes[SAMPLES_MAX];
	size_t n;
};

/* Make ${n} documents of about ${size} bytes. */
static void
samples_make(struct samples *s, size_t n, size_t size)
{
	const struct packs_plan plan = {.id = 4, .most = 2 * size};
	struct buf document = {0};

	*s = (struct samples){.n = n};
	for (uint32_t i = 0; i < n; i++) {
		packs_document(&plan, i, &document);
		s->sizes[i] = document.len;
		assert_int_equal(buf_append(&s->bytes, document.data, document.len), ERR_OK);
	}
	buf_finish(&document);
}

/* Train on ${n} documents of about ${size} bytes. */
static int
train(size_t n, size_t size, struct buf *out, size_t *total)
{
	static struct samples s;
	struct err e = {0};
	int rc;

	samples_make(&s, n, size);
	rc = dictionary_train(s.bytes.data, s.sizes, s.n, out, &e);
	assert_string_equal(e.text, "");
	*total = s.bytes.len;
	buf_finish(&s.bytes);
	return rc;
}

static void
dictionary_train__size(void **state)
{
	struct buf out = {0};
	size_t total;

	(void)state;
	assert_int_equal(train(2000, 200, &out, &total), ERR_OK);
	assert_in_range(out.len, 1000, total / 50);
	buf_clear(&out);
	assert_int_equal(buf_puts(&out, "kept"), ERR_OK);
	assert_int_equal(train(3000, 400, &out, &total), ERR_OK);
	assert_in_range(out.len, 4 + total / 100, 4 + total / 50);
	assert_memory_equal(out.data, "kept", 4);
	buf_clear(&out);
	assert_int_equal(train(20000, 500, &out, &total), ERR_OK);
	assert_true(total / 50 > DICTIONARY_MAX);
	assert_in_range(out.len, 40000, DICTIONARY_MAX);
	buf_finish(&out);
}

static void
dictionary_train__too_little(void **state)
{
	static uint8_t few[99 * 3000];
	size_t sizes[99];
	struct buf out = {0};
	size_t total;

	(void)state;
	for (size_t i = 0; i < 99; i++)
		sizes[i] = 3000;
	assert_true(sizeof(few) > 262144);
	assert_int_equal(dictionary_train(few, sizes, 99, &out, NULL), ERR_ABSENT);
	assert_int_equal(train(1000, 150, &out, &total), ERR_ABSENT);
	assert_true(total < 262144);
	assert_int_equal(train(0, 150, &out, &total), ERR_ABSENT);
	assert_int_equal(out.len, 0);
	buf_finish(&out);
}

/* Documents that have nothing in common, and sizes whose sum wraps around. */
static void
dictionary_train__nothing_to_learn(void **state)
{
	static uint8_t noise[300000];
	size_t sizes[300];
	struct buf out = {0};
	uint64_t random = 5;
	int rc;

	(void)state;
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)packs_random(&random);
	for (size_t i = 0; i < 300; i++)
		sizes[i] = 1000;
	rc = dictionary_train(noise, sizes, 300, &out, NULL);
	assert_true(rc == ERR_OK || rc == ERR_ABSENT);
	assert_true(rc == ERR_OK || out.len == 0);
	for (size_t i = 0; i < 300; i++)
		sizes[i] = SIZE_MAX / 2;
	buf_clear(&out);
	assert_int_equal(dictionary_train(noise, sizes, 300, &out, NULL), ERR_ABSENT);
	buf_finish(&out);
}

static void
dictionary_load__what_was_saved(void **state)
{
	struct packs *p = *state;
	struct dictionary *d;
	struct buf bytes = {0};
	uint64_t table_id = 0;
	struct err e = {0};
	struct stat st;
	char path[4096];

	packs_dictionary(p);
	assert_int_equal(dictionary_id(p->dict), PACKS_DICTIONARY);
	assert_int_equal(dictionary_id(NULL), 0);
	assert_int_equal(buf_puts(&bytes, "kept"), ERR_OK);
	assert_err(dictionary_load(p->fd, PACKS_DICTIONARY, &table_id, &bytes, &e), ERR_OK, &e);
	assert_int_equal(table_id, 32);
	assert_memory_equal(bytes.data, "kept", 4);
	assert_err(dictionary_create(77, bytes.data + 4, bytes.len - 4, &d, &e), ERR_OK, &e);
	assert_int_equal(dictionary_id(d), 77);
	assert_in_range(dictionary_memory(d), bytes.len, bytes.len * 2 + 100000);
	dictionary_free(d);
	dictionary_free(NULL);
	assert_int_equal(stat(packs_path(p, PACKS_DICTIONARY, "dict", path), &st), 0);
	assert_int_equal(st.st_size, 48 + bytes.len - 4 + DIGEST_FULL);
	assert_int_equal(st.st_mode & 07777, 0600);
	buf_finish(&bytes);
}

static void
dictionary_save__never_replaces(void **state)
{
	struct packs *p = *state;
	struct buf bytes = {0}, again = {0};
	struct err e = {0};
	size_t total;

	packs_dictionary(p);
	assert_err(dictionary_load(p->fd, PACKS_DICTIONARY, NULL, &bytes, &e), ERR_OK, &e);
	assert_int_equal(train(2000, 200, &again, &total), ERR_OK);
	assert_int_equal(
	    dictionary_save(p->fd, PACKS_DICTIONARY, 1, again.data, again.len, &e), ERR_EXISTS);
	buf_clear(&again);
	assert_err(dictionary_load(p->fd, PACKS_DICTIONARY, NULL, &again, &e), ERR_OK, &e);
	assert_int_equal(again.len, bytes.len);
	assert_memory_equal(again.data, bytes.data, bytes.len);
	assert_int_equal(packs_files(p), 2);
	assert_err(dictionary_remove(p->fd, PACKS_DICTIONARY, &e), ERR_OK, &e);
	assert_err(dictionary_remove(p->fd, PACKS_DICTIONARY, &e), ERR_OK, &e);
	assert_int_equal(dictionary_load(p->fd, PACKS_DICTIONARY, NULL, &again, &e), ERR_ABSENT);
	assert_string_equal(e.text, "dictionary 0000000000000005 is missing; run: thinkback check");
	buf_finish(&bytes);
	buf_finish(&again);
}

static void
dictionary_save__no_dictionary(void **state)
{
	static const uint8_t raw[5000] = {1};
	struct packs *p = *state;
	struct dictionary *d = NULL;
	struct err e = {0};

	assert_int_equal(dictionary_save(p->fd, 1, 1, raw, sizeof(raw), &e), ERR_ARG);
	assert_int_equal(dictionary_save(p->fd, 1, 1, raw, 0, &e), ERR_ARG);
	assert_int_equal(dictionary_create(1, raw, sizeof(raw), &d, &e), ERR_CORRUPT);
	assert_int_equal(dictionary_create(1, raw, 0, &d, &e), ERR_CORRUPT);
	assert_null(d);
	assert_int_equal(packs_files(p), 0);
}

/* A file is small: flip one byte in many, and every one of header and digest. */
static void
dictionary_load__damage(void **state)
{
	struct packs *p = *state;
	struct buf file = {0}, out = {0};
	struct err e = {0};
	char path[4096];

	packs_dictionary(p);
	test_read_file(packs_path(p, PACKS_DICTIONARY, "dict", path), &file);
	for (size_t i = 0; i < file.len; i += i < 60 || i + 40 > file.len ? 1 : 37) {
		int rc;
		file.data[i] ^= 0x20;
		unlink(path);
		test_write_file(path, file.data, file.len);
		rc = dictionary_load(p->fd, PACKS_DICTIONARY, NULL, &out, &e);
		assert_int_equal(rc, ERR_CORRUPT);
		assert_non_null(strstr(e.text, "dictionary 0000000000000005"));
		file.data[i] ^= 0x20;
	}
	for (size_t len = 0; len < file.len; len += len < 90 ? 1 : 37) {
		unlink(path);
		test_write_file(path, file.data, len);
		assert_int_equal(
		    dictionary_load(p->fd, PACKS_DICTIONARY, NULL, &out, &e), ERR_CORRUPT);
	}
	assert_int_equal(out.len, 0);
	buf_finish(&file);
	buf_finish(&out);
}

static void
dictionary_load__too_long(void **state)
{
	struct packs *p = *state;
	struct buf out = {0};
	struct err e = {0};
	char path[4096];

	packs_dictionary(p);
	assert_int_equal(truncate(packs_path(p, PACKS_DICTIONARY, "dict", path), 1 << 30), 0);
	assert_int_equal(dictionary_load(p->fd, PACKS_DICTIONARY, NULL, &out, &e), ERR_CORRUPT);
	assert_non_null(strstr(e.text, "too long"));
	assert_int_equal(out.cap, 0);
}

static void
dictionary_load__another_ones_file(void **state)
{
	struct packs *p = *state;
	struct buf out = {0};
	char from[4096], to[4096];

	packs_dictionary(p);
	assert_int_equal(rename(packs_path(p, PACKS_DICTIONARY, "dict", from),
			     packs_path(p, PACKS_DICTIONARY + 1, "dict", to)),
	    0);
	assert_int_equal(
	    dictionary_load(p->fd, PACKS_DICTIONARY + 1, NULL, &out, NULL), ERR_CORRUPT);
}

#define DICTIONARY_TEST(f) cmocka_unit_test_setup_teardown(f, packs_setup, packs_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(dictionary_train__size),
	    cmocka_unit_test(dictionary_train__too_little),
	    cmocka_unit_test(dictionary_train__nothing_to_learn),
	    DICTIONARY_TEST(dictionary_load__what_was_saved),
	    DICTIONARY_TEST(dictionary_save__never_replaces),
	    DICTIONARY_TEST(dictionary_save__no_dictionary),
	    DICTIONARY_TEST(dictionary_load__damage),
	    DICTIONARY_TEST(dictionary_load__too_long),
	    DICTIONARY_TEST(dictionary_load__another_ones_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
