/* What is at a path: which kind of source, or none. */
#include "tests/support/test.h"

#include "snapshot/source.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
setup(void **state)
{
	*state = test_dir();
	return 0;
}

static int
teardown(void **state)
{
	test_dir_remove(*state);
	return 0;
}

/* Run a shell command with D set to ${dir}. */
static void
shell(const char *dir, const char *command)
{
	setenv("D", dir, 1);
	assert_int_equal(system(command), 0);
}

/* Opening ${path} fails with ${code} and a text that has ${reason}. */
static void
refuse(const char *path, int code, const char *reason)
{
	struct source *s = NULL;
	struct err e = {0};

	assert_err(source_open(path, &s, &e), code, &e);
	assert_null(s);
	if (strstr(e.text, reason) == NULL) {
		print_error("\"%s\" is not in: %s\n", reason, e.text);
		fail();
	}
}

static void
accept_kind(const char *path, enum source_kind kind)
{
	struct source *s = NULL;
	struct err e = {0};

	assert_err(source_open(path, &s, &e), ERR_OK, &e);
	assert_int_equal(source_kind_of(s), kind);
	source_close(s);
}

static void
source__kind_is_told_by_what_is_there(void **state)
{
	const char *dir = *state;

	shell(dir, "mkdir -p $D/d/t/shard-00/2026-11-18T03-00-00Z");
	accept_kind(dir, SOURCE_TREE);
	shell(dir, "rm -r $D/d/t; echo '{}' >$D/d/t.info");
	accept_kind(dir, SOURCE_EXPORT);
	shell(dir, "mv $D/d/t.info $D/d/t.json");
	accept_kind(dir, SOURCE_EXPORT);
	shell(dir, "mv $D/d/t.json $D/d/t.ndjson");
	accept_kind(dir, SOURCE_EXPORT);
	accept_kind(test_data("rethinkdb_dump_2026-11-18T03:00:00.tar.gz"), SOURCE_ARCHIVE);
}

static void
source__repository_is_refused(void **state)
{
	const char *dir = *state;

	shell(dir, "mkdir -p $D/d/t/shard-00/2026-11-18T03-00-00Z; touch $D/catalog.db");
	refuse(dir, ERR_FORMAT, "repository");
}

static void
source__other_directories_are_refused(void **state)
{
	const char *dir = *state;

	refuse(dir, ERR_FORMAT, "export directory");
	shell(dir, "mkdir -p $D/a/b/c; touch $D/x.json $D/a/b/c.json $D/a/x.txt");
	refuse(dir, ERR_FORMAT, "export directory");
	/* One level too low, and one too high. */
	shell(dir, "mkdir -p $D/up/d/t/shard-00/2026-11-18T03-00-00Z $D/export/d; "
		   "touch $D/export/d/t.json");
	refuse(dir, ERR_FORMAT, "export directory");
	shell(dir, "rm -r $D/export $D/a $D/x.json; mv $D/up/d $D/d");
	accept_kind(dir, SOURCE_TREE);
	shell(dir, "mv $D/d/t $D/t; rm -r $D/d $D/up");
	refuse(dir, ERR_FORMAT, "export directory");
}

static void
source__neither_file_nor_directory(void **state)
{
	const char *dir = *state;
	char path[300];

	snprintf(path, sizeof(path), "%s/pipe", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	refuse(path, ERR_FORMAT, "pipe: ");
	refuse("/dev/null", ERR_FORMAT, "null: ");
	snprintf(path, sizeof(path), "%s/pipe/x", dir);
	refuse(path, ERR_ABSENT, "pipe/x");
}

static void
source__long_path_leaves_the_reason(void **state)
{
	char path[3000];

	(void)state;
	memset(path, 'x', sizeof(path));
	for (size_t i = 0; i < sizeof(path); i += 200)
		path[i] = '/';
	path[sizeof(path) - 1] = '\0';
	refuse(path, ERR_ABSENT, "No such file");
}

/* Number of open file descriptors. */
static unsigned
descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void
source__descriptors_are_given_back(void **state)
{
	const char *dir = *state;
	struct source *s = NULL;
	struct source_item item;
	struct err e = {0};
	unsigned before = descriptors();

	refuse(dir, ERR_FORMAT, "");
	refuse("/dev/null", ERR_FORMAT, "");
	shell(dir, "mkdir $D/d; echo x >$D/x.tar.gz; echo '[1,2]' >$D/d/t.json");
	for (int tree = 0; tree < 2; tree++) {
		assert_err(source_open(dir, &s, &e), ERR_OK, &e);
		assert_err(source_start(s, 0, &e), ERR_OK, &e);
		for (unsigned i = 0; i < 2; i++)
			assert_err(source_next(s, &item, &e), ERR_OK, &e);
		assert_err(source_start(s, 0, &e), ERR_OK, &e);
		for (unsigned i = 0; i < 2; i++)
			assert_err(source_next(s, &item, &e), ERR_OK, &e);
		source_close(s);
		shell(dir, "mkdir -p $D/d/t/shard-00/2026-11-18T03-00-00Z; "
			   "echo 1 >$D/d/t/shard-00/2026-11-18T03-00-00Z/a.json");
	}
	assert_int_equal(descriptors(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(source__kind_is_told_by_what_is_there),
	    TEST(source__repository_is_refused),
	    TEST(source__other_directories_are_refused),
	    TEST(source__neither_file_nor_directory),
	    TEST(source__long_path_leaves_the_reason),
	    TEST(source__descriptors_are_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
