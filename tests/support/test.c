/* What unit tests share: see test.h. */
#include "tests/support/test.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
test_assert_err(int rc, int want, const struct err *e, const char *file, int line)
{
	if (rc == want)
		return;
	print_error("got %d (%s), wanted %d (%s)%s%s\n", rc, err_str(rc), want, err_str(want),
	    e != NULL ? ": " : "", e != NULL ? e->text : "");
	_fail(file, line);
}

void
test_assert_text(const void *data, size_t len, const char *want, const char *file, int line)
{
	if (len == strlen(want) && (len == 0 || memcmp(data, want, len) == 0))
		return;
	print_error(
	    "got    %.*s\nwanted %s\n", (int)(len > 2000 ? 2000 : len), (const char *)data, want);
	_fail(file, line);
}

char *
test_dir(void)
{
	const char *base = getenv("TMPDIR");
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/thinkback-test-XXXXXX", base != NULL ? base : "/tmp");
	if (mkdtemp(path) == NULL) {
		print_error("cannot make %s\n", path);
		fail();
	}
	return strdup(path);
}

static int
test_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	remove(path);
	return 0;
}

void
test_dir_remove(char *path)
{
	if (path == NULL)
		return;
	nftw(path, test_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(path);
}

const char *
test_data(const char *name)
{
	static char path[PATH_MAX];
	const char *root = getenv("THINKBACK_TEST_DATA");

	snprintf(path, sizeof(path), "%s/%s", root != NULL ? root : "tests/data", name);
	return path;
}

void
test_read_file(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "rb");
	char part[65536];
	size_t n;

	if (f == NULL) {
		print_error("cannot open %s\n", path);
		fail();
		return;
	}
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		assert_int_equal(buf_append(out, part, n), ERR_OK);
	fclose(f);
}

void
test_write_file(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}
