/* Reading directories of strangers. */
#include "tests/support/test.h"

#include "snapshot/archive/dir.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
	char *path;
	int fd;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->path = test_dir();
	f->fd = open(f->path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(mkdirat(f->fd, "a", 0700), 0);
	assert_int_equal(mkdirat(f->fd, "a/b", 0700), 0);
	assert_int_equal(symlinkat("a", f->fd, "link"), 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	close(f->fd);
	test_dir_remove(f->path);
	free(f);
	return 0;
}

static void
dir_open__goes_down_without_following_links(void **state)
{
	struct fixture *f = *state;
	struct err e = {0};
	char name[400];
	int fd = -1;

	assert_err(dir_open(f->fd, "a/b", &fd, &e), ERR_OK, &e);
	close(fd);
	assert_err(dir_open(f->fd, "", &fd, &e), ERR_OK, &e);
	assert_int_not_equal(fd, f->fd);
	close(fd);
	assert_true(dir_open(f->fd, "link", &fd, &e) != ERR_OK);
	assert_true(dir_open(f->fd, "link/b", &fd, &e) != ERR_OK);
	assert_non_null(strstr(e.text, "cannot open the directory link/b: "));
	assert_err(dir_open(f->fd, "a/missing/b", &fd, &e), ERR_ABSENT, &e);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_err(dir_open(f->fd, name, &fd, &e), ERR_ABSENT, &e);
}

struct walk {
	unsigned found;  /* calls */
	const char *bad; /* this name gets the answer */
	int answer;
};

static int
note(void *arg, int dirfd, const char *name, bool directory, struct err *e)
{
	struct walk *w = arg;

	assert_true(dirfd >= 0);
	assert_int_equal(directory, strcmp(name, "a") == 0 || strcmp(name, "b") == 0);
	w->found++;
	return strcmp(name, w->bad) == 0 ? err_set(e, w->answer, "the answer") : ERR_OK;
}

static void
dir_each__answers_end_it_but_absent_does_not(void **state)
{
	struct fixture *f = *state;
	struct walk w = {.bad = "a", .answer = ERR_ABSENT};
	struct err e = {0};

	assert_int_equal(mkdirat(f->fd, ".hidden", 0700), 0);
	assert_err(dir_each(f->fd, "", note, &w, &e), ERR_OK, &e);
	assert_int_equal(w.found, 2);
	w.answer = ERR_IO;
	assert_err(dir_each(f->fd, "", note, &w, &e), ERR_IO, &e);
	assert_string_equal(e.text, "the answer");
	w = (struct walk){.bad = "b", .answer = ERR_IO};
	assert_err(dir_each(f->fd, "a", note, &w, &e), ERR_IO, &e);
	assert_string_equal(e.text, "a: the answer");
	w.answer = ERR_END;
	assert_err(dir_each(f->fd, "a", note, &w, &e), ERR_END, &e);
	assert_err(dir_each(f->fd, "missing", note, &w, &e), ERR_ABSENT, &e);
}

static void
dir_read__limit_is_exact(void **state)
{
	struct fixture *f = *state;
	struct buf out = {0};
	struct err e = {0};
	char path[300];

	snprintf(path, sizeof(path), "%s/file", f->path);
	test_write_file(path, "12345", 5);
	assert_int_equal(buf_puts(&out, "what was there"), ERR_OK);
	assert_err(dir_read(f->fd, "file", "shown", 5, &out, &e), ERR_OK, &e);
	assert_text(out.data, out.len, "12345");
	assert_err(dir_read(f->fd, "file", "shown", 4, &out, &e), ERR_LIMIT, &e);
	assert_string_equal(e.text, "shown: larger than 4 bytes");
	assert_err(dir_read(f->fd, "missing", "shown", 4, &out, &e), ERR_ABSENT, &e);
	assert_err(dir_read(f->fd, "a", "shown", 4, &out, &e), ERR_FORMAT, &e);
	assert_err(dir_read(f->fd, "link", "shown", 4, &out, &e), ERR_FORMAT, &e);
	buf_finish(&out);
}

static void
dir_read__file_that_says_it_is_empty(void **state)
{
	struct buf out = {0};
	struct err e = {0};
	int fd = open("/proc/self", O_RDONLY | O_DIRECTORY);

	(void)state;
	assert_err(dir_read(fd, "status", "status", 65536, &out, &e), ERR_OK, &e);
	assert_true(out.len > 100);
	assert_err(dir_read(fd, "status", "status", 100, &out, &e), ERR_LIMIT, &e);
	close(fd);
	buf_finish(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(dir_open__goes_down_without_following_links),
	    TEST(dir_each__answers_end_it_but_absent_does_not),
	    TEST(dir_read__limit_is_exact),
	    TEST(dir_read__file_that_says_it_is_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
