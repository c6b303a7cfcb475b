/* Reading ahead on a thread: the same blocks, ends and failures as without one. */
#include "tests/support/test.h"

#include "snapshot/archive/ahead.h"
#include "snapshot/archive/stream.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIZE (5u << 20) /* bytes of the file: more than the blocks that come without a thread */

struct fixture {
	char *dir;
	char plain[512];
	char gzip[512];
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char command[2048];
	char *data = malloc(SIZE);
	uint64_t seed = 1;

	f->dir = test_dir();
	snprintf(f->plain, sizeof(f->plain), "%s/plain", f->dir);
	snprintf(f->gzip, sizeof(f->gzip), "%s/plain.gz", f->dir);
	for (size_t i = 0; i < SIZE; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		data[i] = (char)('a' + (seed >> 60));
	}
	test_write_file(f->plain, data, SIZE);
	free(data);
	snprintf(command, sizeof(command), "gzip -1 -k %s", f->plain);
	assert_int_equal(system(command), 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	test_dir_remove(f->dir);
	free(f);
	return 0;
}

/* The same file read without and with a thread. */
static void
compare(const char *path, int end)
{
	static uint8_t block[STREAM_BLOCK];
	int fd = open(path, O_RDONLY);
	struct stream *s;
	struct ahead *a;
	struct err want = {0}, e = {0};
	const uint8_t *data;
	size_t want_len, len;
	int want_rc, rc;

	assert_err(stream_open(fd, &s, &e), ERR_OK, &e);
	assert_err(ahead_open(fd, &a, &e), ERR_OK, &e);
	do {
		want_rc = stream_read(s, block, &want_len, &want);
		rc = ahead_next(a, &data, &len, &e);
		assert_err(rc, want_rc, &e);
		assert_int_equal(ahead_position(a), stream_position(s));
		if (rc == ERR_OK) {
			assert_int_equal(len, want_len);
			assert_memory_equal(data, block, len);
		}
	} while (rc == ERR_OK);
	assert_int_equal(rc, end);
	assert_string_equal(e.text, want.text);
	/* And the same again. */
	err_clear(&e);
	assert_err(ahead_next(a, &data, &len, &e), end, &e);
	assert_string_equal(e.text, want.text);
	stream_close(s);
	ahead_close(a);
	close(fd);
}

static void
ahead__gives_what_the_stream_does(void **state)
{
	struct fixture *f = *state;

	compare(f->plain, ERR_END);
	compare(f->gzip, ERR_END);
}

static void
ahead__fails_behind_what_came_before(void **state)
{
	struct fixture *f = *state;
	const off_t cuts[] = {2600000, 300000, 20};
	struct buf file = {0};

	test_read_file(f->gzip, &file);
	file.data[2400000] ^= 0xff;
	test_write_file(f->gzip, file.data, file.len);
	compare(f->gzip, ERR_FORMAT);
	file.data[2400000] ^= 0xff;
	test_write_file(f->gzip, file.data, file.len);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		assert_int_equal(truncate(f->gzip, cuts[i]), 0);
		compare(f->gzip, ERR_TRUNCATED);
	}
	buf_finish(&file);
}

/* Whatever the thread is doing, it ends. */
static void
ahead__closes_at_any_time(void **state)
{
	struct fixture *f = *state;
	struct err e = {0};
	const uint8_t *data;
	size_t len;

	for (unsigned n = 0; n < 20; n++) {
		int fd = open(f->plain, O_RDONLY);
		struct ahead *a;
		assert_err(ahead_open(fd, &a, &e), ERR_OK, &e);
		for (unsigned i = 0; i < n; i++)
			assert_err(ahead_next(a, &data, &len, &e), ERR_OK, &e);
		ahead_close(a);
		close(fd);
	}
	ahead_close(NULL);
}

/* A caller may work on a block for as long as it likes. */
static void
ahead__leaves_the_callers_block_alone(void **state)
{
	struct fixture *f = *state;
	static uint8_t copy[STREAM_BLOCK];
	int fd = open(f->plain, O_RDONLY);
	struct err e = {0};
	struct ahead *a;
	const uint8_t *data;
	size_t len;

	assert_err(ahead_open(fd, &a, &e), ERR_OK, &e);
	for (unsigned i = 0; i < 8; i++)
		assert_err(ahead_next(a, &data, &len, &e), ERR_OK, &e);
	memcpy(copy, data, len);
	usleep(50000);
	assert_memory_equal(copy, data, len);
	ahead_close(a);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(ahead__gives_what_the_stream_does),
	    TEST(ahead__fails_behind_what_came_before),
	    TEST(ahead__closes_at_any_time),
	    TEST(ahead__leaves_the_callers_block_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
