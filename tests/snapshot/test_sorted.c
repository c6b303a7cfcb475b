/* Documents of a sorter prepared ahead: the same ones with their digests, ends and failures. */
#include "tests/support/test.h"

#include "snapshot/sorted.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TINY 1u   /* raised to the smallest budget of a sorter */
#define LARGE 3u  /* of the lengths below, those that no batch holds with others */
#define MEDIUM 50 /* one document in so many is large */

static const size_t larges[LARGE] = {140000, 262145, 5000000};

struct fixture {
	char *path;
	int dirfd;
	struct sort *sort;
	struct digest *digest;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->path = test_dir();
	f->dirfd = open(f->path, O_RDONLY | O_DIRECTORY);
	f->digest = digest_create();
	assert_true(f->dirfd >= 0 && f->digest != NULL);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	sort_free(f->sort);
	digest_free(f->digest);
	close(f->dirfd);
	test_dir_remove(f->path);
	free(f);
	return 0;
}

/* The document of key ${n}. */
static void
make(uint32_t n, bool large, struct buf *out)
{
	size_t len = large && n % MEDIUM == 7 ? larges[n / MEDIUM % LARGE] : 2 + n % 900;

	buf_clear(out);
	assert_int_equal(buf_reserve(out, len), ERR_OK);
	memset(out->data, 'a' + (int)(n % 26), len);
	memcpy(out->data, &n, len < sizeof(n) ? len : sizeof(n));
	out->len = len;
}

static void
fill(struct fixture *f, uint32_t n, bool large, size_t budget)
{
	struct buf document = {0};
	struct err e = {0};

	sort_free(f->sort);
	f->sort = NULL;
	assert_err(sort_create(f->dirfd, budget, &f->sort, &e), ERR_OK, &e);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t number = (uint32_t)((uint64_t)i * 7919 % n);
		struct key key = {.len = 9};
		snprintf((char *)key.bytes, KEY_MAX, "S%08u", number);
		make(number, large, &document);
		assert_err(sort_add(f->sort, &key, document.data, document.len, &e), ERR_OK, &e);
	}
	assert_err(sort_finish(f->sort, &e), ERR_OK, &e);
	buf_finish(&document);
}

/* Take ${n} documents from the first on, and compare. */
static void
take(struct fixture *f, struct sorted *s, uint32_t n, bool large)
{
	struct buf want = {0};
	struct err e = {0};

	for (uint32_t i = 0; i < n; i++) {
		const struct sorted_item *item;
		uint8_t digest[DIGEST_LEN];
		char key[16];
		assert_err(sorted_next(s, &item, &e), ERR_OK, &e);
		snprintf(key, sizeof(key), "S%08u", i);
		assert_text(item->key.bytes, item->key.len, key);
		make(i, large, &want);
		assert_int_equal(item->len, want.len);
		assert_memory_equal(item->data, want.data, want.len);
		digest_document(f->digest, want.data, want.len, digest);
		assert_memory_equal(item->digest, digest, DIGEST_LEN);
	}
	buf_finish(&want);
}

static void
compare(struct fixture *f, uint32_t n, bool large, size_t budget)
{
	const struct sorted_item *item;
	struct sorted *s;
	struct err e = {0};

	fill(f, n, large, budget);
	assert_err(sorted_create(f->sort, &s, &e), ERR_OK, &e);
	take(f, s, n, large);
	for (unsigned i = 0; i < 3; i++)
		assert_err(sorted_next(s, &item, &e), ERR_END, &e);
	sorted_free(s);
}

static void
sorted__gives_what_the_sorter_does(void **state)
{
	struct fixture *f = *state;

	/* 7919, by which documents are shuffled, is a prime and divides none of these. */
	compare(f, 0, false, 0);
	compare(f, 1, false, 0);
	compare(f, 511, false, 0);
	compare(f, 512, false, 0);
	compare(f, 20000, false, 0);
	compare(f, 20000, false, TINY);
}

static void
sorted__large_documents_come_in_their_place(void **state)
{
	struct fixture *f = *state;

	compare(f, 8, true, 0);
	compare(f, 600, true, 0);
	compare(f, 600, true, TINY);
}

static void
sorted__can_be_freed_at_any_time(void **state)
{
	struct fixture *f = *state;

	for (uint32_t n = 0; n < 1400; n += 111) {
		struct sorted *s;
		fill(f, n % 2 == 0 ? 150 : 3000, n % 2 == 0, TINY);
		assert_int_equal(sorted_create(f->sort, &s, NULL), ERR_OK);
		take(f, s, n % 2 == 0 ? n / 10 : n, n % 2 == 0);
		sorted_free(s);
	}
	sorted_free(NULL);
}

/* The sorter's nameless file. */
static int
temporary_file(void)
{
	for (int fd = 3; fd < 256; fd++) {
		struct stat st;
		if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 0)
			return fd;
	}
	fail_msg("no temporary file");
	return -1;
}

static void
sorted__fails_behind_what_came_before(void **state)
{
	struct fixture *f = *state;
	const struct sorted_item *item;
	struct sorted *s;
	struct stat st;
	struct err e = {0};
	uint32_t n = 0;
	int rc;

	fill(f, 20000, false, TINY);
	assert_int_equal(fstat(temporary_file(), &st), 0);
	assert_int_equal(ftruncate(temporary_file(), st.st_size * 9 / 10), 0);
	assert_err(sorted_create(f->sort, &s, &e), ERR_OK, &e);
	while ((rc = sorted_next(s, &item, &e)) == ERR_OK)
		n++;
	assert_err(rc, ERR_CORRUPT, &e);
	assert_non_null(strstr(e.text, "temporary file"));
	assert_in_range(n, 2000, 19999);
	err_clear(&e);
	assert_err(sorted_next(s, &item, &e), ERR_CORRUPT, &e);
	assert_non_null(strstr(e.text, "temporary file"));
	sorted_free(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(sorted__gives_what_the_sorter_does),
	    TEST(sorted__large_documents_come_in_their_place),
	    TEST(sorted__can_be_freed_at_any_time),
	    TEST(sorted__fails_behind_what_came_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
