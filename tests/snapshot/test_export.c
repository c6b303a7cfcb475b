/* Export directories as a source. */
#include "tests/support/test.h"
#include "tests/support/transcript.h"

#include "snapshot/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INFO "{\"primary_key\":\"id\"}"
#define TEXT(...)                                                                                  \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

struct fixture {
	char *parent;
	char *dir; /* PARENT/export */
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	setenv("TZ", "UTC", 1);
	f->parent = test_dir();
	assert_true(asprintf(&f->dir, "%s/export", f->parent) > 0);
	assert_int_equal(mkdir(f->dir, 0700), 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	test_dir_remove(f->parent);
	free(f->dir);
	free(f);
	return 0;
}

/* Make DIR/${path}, and directories on the way. */
static void
put(struct fixture *f, const char *path, const char *text)
{
	char whole[600];

	snprintf(whole, sizeof(whole), "%s/%s", f->dir, path);
	for (char *p = whole + strlen(f->dir) + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		mkdir(whole, 0700);
		*p = '/';
	}
	test_write_file(whole, text, strlen(text));
}

static void
put_link(struct fixture *f, const char *path, const char *target)
{
	char whole[600];

	snprintf(whole, sizeof(whole), "%s/%s", f->dir, path);
	assert_int_equal(symlink(target, whole), 0);
}

static void
export__tables_in_order_and_info_first(void **state)
{
	struct fixture *f = *state;

	put(f, "shop/orders.json", "[\n{\"id\": 1},\n{\"id\": 2}\n]\n");
	put(f, "shop/orders.info", INFO);
	put(f, "app/z-z_9.ndjson", "{\"id\": 3}\n{\"id\": 4}");
	put(f, "app/z-z_9.info", INFO);
	put(f, "app/A.json", "[\n]\n");
	put(f, "app/only-info.info", INFO);
	transcript_of(f->dir,
	    "table app.A app/A.json\nend app.A\n"
	    "info app.only-info app/only-info.info " INFO "\n"
	    "info app.z-z_9 app/z-z_9.info " INFO "\n"
	    "table app.z-z_9 app/z-z_9.ndjson\n1:1 {\"id\": 3}\n2:1 {\"id\": 4}\nend app.z-z_9\n"
	    "info shop.orders shop/orders.info " INFO "\n"
	    "table shop.orders shop/orders.json\n2:1 {\"id\": 1}\n3:1 {\"id\": 2}\n"
	    "end shop.orders\n",
	    ERR_END, NULL);
}

static void
export__other_files_are_passed_over(void **state)
{
	struct fixture *f = *state;

	put(f, "README.json", "top-level");
	put(f, ".hidden/a.json", "[1]");
	put(f, "not a database/a.json", "[1]");
	put(f, "d/a.json", "[1]");
	put(f, "d/a.json.bak", "x");
	put(f, "d/.b.json", "[1]");
	put(f, "d/b c.json", "[1]");
	put(f, "d/notes.txt", "x");
	put(f, "d/sub/a.json", "[1]");
	put_link(f, "linked", "d");
	transcript_of(f->dir, "table d.a d/a.json\n1:2 1\nend d.a\n", ERR_END, NULL);
}

static void
export__csv_is_a_bad_table(void **state)
{
	struct fixture *f = *state;

	put(f, "d/a.csv", "id\n1\n");
	put(f, "d/a.info", INFO);
	put(f, "d/b.json", "[1]");
	put(f, "d/b.csv", "id\n1\n");
	transcript_of(f->dir,
	    "info d.a d/a.info " INFO "\nbad d.a malformed input\n"
	    "table d.b d/b.json\n1:2 1\nend d.b\n",
	    ERR_END, TEXT("export: d/a", "csv", "string"));
}

static void
export__broken_tables_leave_the_others(void **state)
{
	struct fixture *f = *state;

	put(f, "d/a.json", "[\n{\"id\": 1},\n{\"id\": 2");
	put(f, "d/b.json", "");
	put(f, "d/c.json", "[1]");
	put(f, "d/c.ndjson", "1");
	put(f, "d/e.json", "[1}");
	put(f, "d/f.json", "[1]");
	transcript_of(f->dir,
	    "table d.a d/a.json\n2:1 {\"id\": 1}\nbad d.a input is truncated\n"
	    "table d.b d/b.json\nbad d.b input is truncated\n"
	    "bad d.c malformed input\n"
	    "table d.e d/e.json\n1:2 1\nbad d.e malformed input\n"
	    "table d.f d/f.json\n1:2 1\nend d.f\n",
	    ERR_END, TEXT("export: d/e.json: line 1, column 3: "));
}

static void
export__links_and_fifos_are_not_read(void **state)
{
	struct fixture *f = *state;
	char path[600];

	put(f, "d/real.json", "[1]");
	put_link(f, "d/a.json", "real.json");
	put_link(f, "d/b.info", "/etc/passwd");
	snprintf(path, sizeof(path), "%s/d/c.json", f->dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	transcript_of(f->dir,
	    "bad d.a malformed input\nbad d.b malformed input\nbad d.c malformed input\n"
	    "table d.real d/real.json\n1:2 1\nend d.real\n",
	    ERR_END, TEXT("export: d/c.json: not a regular file"));
	assert_int_equal(unlink(path), 0);
	put(f, "d/c.json", "[2]");
	transcript_of(f->dir, NULL, ERR_END, TEXT("export: d/b.info: ", "link"));
}

static void
export__info_over_the_limit(void **state)
{
	struct fixture *f = *state;
	char path[600];

	put(f, "d/a.info", "");
	put(f, "d/a.json", "[1]");
	snprintf(path, sizeof(path), "%s/d/a.info", f->dir);
	assert_int_equal(truncate(path, SOURCE_INFO_MAX + 1), 0);
	transcript_of(
	    f->dir, "bad d.a over a limit\n", ERR_END, TEXT("export: d/a.info: ", "16777216"));
}

static void
export__file_that_vanishes_is_a_bad_table(void **state)
{
	struct fixture *f = *state;
	struct source *s = NULL;
	struct buf out = {0};
	struct err e = {0};
	char path[600];

	put(f, "d/a.json", "[1]");
	put(f, "d/b.json", "[2]");
	assert_err(source_open(f->dir, &s, &e), ERR_OK, &e);
	snprintf(path, sizeof(path), "%s/d/a.json", f->dir);
	assert_int_equal(unlink(path), 0);
	assert_err(transcript(s, 0, &out, &e), ERR_END, &e);
	assert_text(out.data, out.len,
	    "bad d.a input or output failed\ntable d.b d/b.json\n1:2 2\nend d.b\n");
	assert_non_null(strstr(e.text, "export: cannot open d/a.json: "));
	source_close(s);
	buf_finish(&out);
}

static void
export__date_is_in_the_name(void **state)
{
	struct fixture *f = *state;
	const struct {
		const char *name;
		int64_t date; /* 0: none */
	} names[] = {{"rethinkdb_export_2026-11-18T03:00:00", 1794970800},
	    {"rethinkdb_export_2026-11-18T03-00-00", 1794970800},
	    {"2026-11-18T03:00:00", 1794970800}, {"2026-11-18T03:00:00.old", 0},
	    {"export-2026-11-18", 0}};
	char path[600], link[600];
	struct source *s = NULL;
	struct err e = {0};

	put(f, "d/a.json", "[1]");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->parent, names[i].name);
		assert_int_equal(rename(f->dir, path), 0);
		/* A link's own name does not count, and neither does a slash at the end. */
		snprintf(link, sizeof(link), "%s/latest", f->parent);
		unlink(link);
		assert_int_equal(symlink(names[i].name, link), 0);
		strcat(link, "/");
		assert_err(source_open(link, &s, &e), ERR_OK, &e);
		assert_int_equal(source_kind_of(s), SOURCE_EXPORT);
		assert_string_equal(source_label(s), names[i].name);
		assert_int_equal(source_runs(s), 1);
		assert_int_equal(source_run(s, 0).dated, names[i].date != 0);
		if (names[i].date != 0)
			assert_int_equal(source_run(s, 0).date, names[i].date);
		source_close(s);
		assert_int_equal(rename(path, f->dir), 0);
	}
}

static int
note_table(void *arg, const char *database, const char *table)
{
	return buf_printf(arg, "%s.%s ", database, table);
}

static void
export__tables_progress_and_skipping(void **state)
{
	struct fixture *f = *state;
	struct source *s = NULL;
	struct source_item item;
	struct buf out = {0};
	struct err e = {0};
	uint64_t done, total;

	put(f, "d/a.json", "[1,2]");
	put(f, "d/b.info", INFO);
	put(f, "d/c.json", "[3]");
	assert_err(source_open(f->dir, &s, &e), ERR_OK, &e);
	assert_err(source_next(s, &item, &e), ERR_BUG, NULL);
	assert_err(source_tables(s, 0, note_table, &out, &e), ERR_OK, &e);
	assert_text(out.data, out.len, "d.a d.c ");
	assert_err(source_start(s, 0, &e), ERR_OK, &e);
	source_progress(s, &done, &total);
	assert_int_equal(done, 0);
	assert_int_equal(total, 5 + strlen(INFO) + 3);
	assert_err(source_next(s, &item, &e), ERR_OK, &e);
	assert_err(source_next(s, &item, &e), ERR_OK, &e);
	source_skip_table(s);
	assert_err(source_next(s, &item, &e), ERR_OK, &e);
	assert_int_equal(item.event, SOURCE_INFO);
	source_skip_table(s); /* nothing is being read */
	assert_err(source_next(s, &item, &e), ERR_OK, &e);
	assert_string_equal(item.table, "c");
	buf_clear(&out);
	assert_err(transcript(s, 0, &out, &e), ERR_END, &e);
	source_progress(s, &done, &total);
	assert_int_equal(done, total);
	source_close(s);
	buf_finish(&out);
}

static void
export__documents_across_blocks(void **state)
{
	struct fixture *f = *state;
	struct buf json = {0}, want = {0};

	assert_int_equal(buf_puts(&json, "["), ERR_OK);
	assert_int_equal(buf_puts(&want, "table d.a d/a.json\n"), ERR_OK);
	for (unsigned i = 0; i < 20000; i++) {
		size_t column = json.len + 2 - (i == 0);
		assert_int_equal(
		    buf_printf(&json, "%s\"%0*u\"", i > 0 ? "," : "", (int)(i % 89 + 1), 0),
		    ERR_OK);
		assert_int_equal(
		    buf_printf(&want, "1:%zu \"%0*u\"\n", column, (int)(i % 89 + 1), 0), ERR_OK);
	}
	assert_int_equal(buf_puts(&json, "]"), ERR_OK);
	assert_int_equal(buf_puts(&want, "end d.a\n"), ERR_OK);
	put(f, "d/a.json", buf_str(&json));
	transcript_of(f->dir, buf_str(&want), ERR_END, NULL);
	buf_finish(&json);
	buf_finish(&want);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(export__tables_in_order_and_info_first),
	    TEST(export__other_files_are_passed_over),
	    TEST(export__csv_is_a_bad_table),
	    TEST(export__broken_tables_leave_the_others),
	    TEST(export__links_and_fifos_are_not_read),
	    TEST(export__info_over_the_limit),
	    TEST(export__file_that_vanishes_is_a_bad_table),
	    TEST(export__date_is_in_the_name),
	    TEST(export__tables_progress_and_skipping),
	    TEST(export__documents_across_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
