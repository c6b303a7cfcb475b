/* Trees of documents, as a mount shows them, as a source. */
#include "tests/support/test.h"
#include "tests/support/transcript.h"

#include "catalog/base/date.h"
#include "snapshot/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define D1 "2026-11-18T03-00-00Z"
#define D2 "2026-11-19T03-00-00Z"
#define CONFIG "{\"primary_key\":\"id\",\"shards\":[],\"snapshot\":{}}"
#define TEXT(...)                                                                                  \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

struct fixture {
	char *dir;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	/* Dates of trees are UTC wherever one is. */
	setenv("TZ", "Asia/Tokyo", 1);
	f->dir = test_dir();
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

/* Make DIR/${path}, and directories on the way; a path that ends in '/' is a directory. */
static void
put(struct fixture *f, const char *path, const char *text)
{
	char whole[1000];

	snprintf(whole, sizeof(whole), "%s/%s", f->dir, path);
	for (char *p = whole + strlen(f->dir) + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		mkdir(whole, 0700);
		*p = '/';
	}
	if (whole[strlen(whole) - 1] != '/')
		test_write_file(whole, text, strlen(text));
}

static void
put_link(struct fixture *f, const char *path, const char *target)
{
	char whole[1000];

	snprintf(whole, sizeof(whole), "%s/%s", f->dir, path);
	assert_int_equal(symlink(target, whole), 0);
}

/* What run ${run} of the tree reads as. */
static void
expect(struct fixture *f, size_t run, const char *want, struct err *e)
{
	struct source *s = NULL;
	struct buf out = {0};

	assert_err(source_open(f->dir, &s, e), ERR_OK, e);
	assert_int_equal(source_kind_of(s), SOURCE_TREE);
	assert_err(transcript(s, run, &out, e), ERR_END, e);
	assert_text(out.data, out.len, want);
	source_close(s);
	buf_finish(&out);
}

static void
tree__runs_are_all_dates_oldest_first(void **state)
{
	struct fixture *f = *state;
	struct source *s = NULL;
	struct err e = {0};
	char name[DATE_NAME];
	const char *want[] = {"1999-12-31T23-59-59Z", D1, D2, "2027-01-01T00-00-00Z"};

	put(f, "b/t/shard-00/" D2 "/", NULL);
	put(f, "b/t/shard-00/1999-12-31T23-59-59Z/", NULL);
	put(f, "a/t/shard-00/" D2 "/", NULL);
	put(f, "a/t/shard-07/" D1 "/", NULL);
	put(f, "a/t/shard-63/2027-01-01T00-00-00Z/", NULL);
	put_link(f, "a/t/shard-00/latest", D2);
	put(f, "a/t/shard-00/2026-11-20/", NULL);
	put(f, "a/t/shard-00/2026-11-20T03:00:00Z/", NULL);
	put(f, "a/t/shard-00/2026-02-30T03-00-00Z/", NULL);
	put(f, "a/t/shard-00/.tmp/", NULL);
	put_link(f, "a/t/shard-00/2026-12-01T00-00-00Z", D2);
	put(f, "a/t/shard-64/2026-12-02T00-00-00Z/", NULL);
	put(f, "a/t/shard-1/2026-12-03T00-00-00Z/", NULL);
	put(f, "a/t/shards/2026-12-04T00-00-00Z/", NULL);
	assert_err(source_open(f->dir, &s, &e), ERR_OK, &e);
	assert_int_equal(source_runs(s), 4);
	for (size_t i = 0; i < 4; i++) {
		assert_true(source_run(s, i).dated);
		assert_int_equal(date_name(source_run(s, i).date, name), ERR_OK);
		assert_string_equal(name, want[i]);
	}
	assert_false(source_run(s, 4).dated);
	assert_err(source_start(s, 4, &e), ERR_ARG, NULL);
	source_close(s);
}

static void
tree__run_has_the_tables_and_shards_of_its_date(void **state)
{
	struct fixture *f = *state;
	struct err e = {0};

	put(f, "shop/orders/shard-00/" D1 "/=1.json", "{\"id\":1}\n");
	put(f, "shop/orders/shard-00/" D1 "/.table.json", CONFIG);
	put(f, "shop/orders/shard-01/" D1 "/=2.json", "{\"id\":2}\n");
	put(f, "shop/orders/shard-01/" D1 "/.table.json", "of another shard: not read");
	put(f, "shop/orders/shard-02/" D2 "/=3.json", "{\"id\":3}\n");
	put(f, "app/empty/shard-00/" D1 "/.table.json", CONFIG);
	put(f, "app/none/shard-10/" D1 "/", NULL);
	put(f, "app/none/shard-11/" D1 "/.table.json", CONFIG);
	put(f, "app/none/shard-11/" D1 "/%.json", "1");
	expect(f, 0,
	    "info app.empty app/empty/shard-00/" D1 "/.table.json " CONFIG "\n"
	    "table app.empty app/empty\nend app.empty\n"
	    "info app.none app/none/shard-11/" D1 "/.table.json " CONFIG "\n"
	    "table app.none app/none\n1:1 1\nend app.none\n"
	    "info shop.orders shop/orders/shard-00/" D1 "/.table.json " CONFIG "\n"
	    "table shop.orders shop/orders\n"
	    "1:1 {\"id\":1}\n\n1:1 {\"id\":2}\n\nend shop.orders\n",
	    &e);
	expect(f, 1,
	    "table shop.orders shop/orders\n1:1 {\"id\":3}\n\n"
	    "end shop.orders\n",
	    &e);
}

static void
tree__only_documents_are_read(void **state)
{
	struct fixture *f = *state;
	struct err e = {0};

	put(f, "d/t/shard-00/" D1 "/a.json", "1");
	put(f, "d/t/shard-00/" D1 "/.a.json.Xy12Z9", "half");
	put(f, "d/t/shard-00/" D1 "/.history/a.json", "2");
	put(f, "d/t/shard-00/" D1 "/.json", "3");
	put(f, "d/t/shard-00/" D1 "/a.json~", "4");
	put(f, "d/t/shard-00/" D1 "/a.txt", "5");
	put(f, "d/t/=333.json", "a restore");
	put(f, "d/t/.restore/pending/=333.json", "a restore");
	put(f, "d/t.json", "no table");
	put(f, ".thinkback/status.json", "{}");
	put(f, "status.json", "{}");
	put_link(f, "linked", "d");
	put_link(f, "d/linked", "t");
	expect(f, 0, "table d.t d/t\n1:1 1\nend d.t\n", &e);
}

static void
tree__item_names_the_documents_file(void **state)
{
	struct fixture *f = *state;
	struct source *s = NULL;
	struct source_item item;
	struct err e = {0};
	uint64_t done, total;

	put(f, "d/t/shard-05/" D1 "/=[1,\"a\"].json", "{\"id\":[1,\"a\"]}");
	assert_err(source_open(f->dir, &s, &e), ERR_OK, &e);
	assert_err(source_start(s, 0, &e), ERR_OK, &e);
	assert_err(source_next(s, &item, &e), ERR_OK, &e);
	assert_err(source_next(s, &item, &e), ERR_OK, &e);
	assert_int_equal(item.event, SOURCE_DOCUMENT);
	assert_string_equal(item.file, "d/t/shard-05/" D1 "/=[1,\"a\"].json");
	assert_text(item.data, item.len, "{\"id\":[1,\"a\"]}");
	source_progress(s, &done, &total);
	assert_int_equal(done, item.len);
	assert_int_equal(total, 0);
	source_close(s);
}

static void
tree__link_or_directory_in_place_of_a_document_is_a_bad_table(void **state)
{
	struct fixture *f = *state;
	struct err e = {0};
	char path[600];

	put(f, "d/a/shard-00/" D1 "/", NULL);
	put_link(f, "d/a/shard-00/" D1 "/=1.json", "/etc/passwd");
	put(f, "d/b/shard-00/" D1 "/=1.json/", NULL);
	put(f, "d/c/shard-00/" D1 "/", NULL);
	snprintf(path, sizeof(path), "%s/d/c/shard-00/" D1 "/=1.json", f->dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	put(f, "d/e/shard-00/" D1 "/=1.json", "1");
	put_link(f, "d/e/shard-00/" D1 "/.table.json", "=1.json");
	put(f, "d/f/shard-00/" D1 "/=1.json", "1");
	expect(f, 0,
	    "table d.a d/a\nbad d.a malformed input\n"
	    "table d.b d/b\nbad d.b malformed input\n"
	    "table d.c d/c\nbad d.c malformed input\n"
	    "bad d.e malformed input\n"
	    "table d.f d/f\n1:1 1\nend d.f\n",
	    &e);
	assert_non_null(strstr(e.text, ": d/e/shard-00/" D1 "/.table.json: "));
	assert_non_null(strstr(e.text, "link"));
}

static void
tree__hard_links_are_documents(void **state)
{
	struct fixture *f = *state;
	struct err e = {0};
	char from[600], to[600];

	put(f, "d/t/shard-00/" D1 "/=1.json", "1");
	put(f, "d/t/shard-00/" D2 "/", NULL);
	snprintf(from, sizeof(from), "%s/d/t/shard-00/" D1 "/=1.json", f->dir);
	snprintf(to, sizeof(to), "%s/d/t/shard-00/" D2 "/=1.json", f->dir);
	assert_int_equal(link(from, to), 0);
	expect(f, 1, "table d.t d/t\n1:1 1\nend d.t\n", &e);
}

static void
tree__documents_and_configuration_over_their_limits(void **state)
{
	struct fixture *f = *state;
	struct err e = {0};
	char path[600];

	put(f, "d/a/shard-00/" D1 "/=1.json", "");
	put(f, "d/b/shard-00/" D1 "/.table.json", "");
	put(f, "d/c/shard-00/" D1 "/=1.json", "");
	snprintf(path, sizeof(path), "%s/d/a/shard-00/" D1 "/=1.json", f->dir);
	assert_int_equal(truncate(path, (off_t)SOURCE_DOCUMENT_MAX + 1), 0);
	snprintf(path, sizeof(path), "%s/d/b/shard-00/" D1 "/.table.json", f->dir);
	assert_int_equal(truncate(path, (off_t)SOURCE_INFO_MAX + 1), 0);
	expect(f, 0,
	    "table d.a d/a\nbad d.a over a limit\nbad d.b over a limit\n"
	    "table d.c d/c\n1:1 \nend d.c\n",
	    &e);
}

static void
tree__shard_that_vanishes_is_a_bad_table(void **state)
{
	struct fixture *f = *state;
	struct source *s = NULL;
	struct source_item item;
	struct err e = {0};
	char path[600];

	put(f, "d/t/shard-00/" D1 "/=1.json", "1");
	put(f, "d/t/shard-01/" D1 "/", NULL);
	assert_err(source_open(f->dir, &s, &e), ERR_OK, &e);
	assert_err(source_start(s, 0, &e), ERR_OK, &e);
	assert_err(source_next(s, &item, &e), ERR_OK, &e);
	assert_err(source_next(s, &item, &e), ERR_OK, &e);
	snprintf(path, sizeof(path), "%s/d/t/shard-01/" D1, f->dir);
	assert_int_equal(rmdir(path), 0);
	assert_err(source_next(s, &item, &e), ERR_OK, &e);
	assert_int_equal(item.event, SOURCE_TABLE_BAD);
	assert_non_null(strstr(e.text, "d/t/shard-01/" D1));
	assert_err(source_next(s, &item, &e), ERR_END, &e);
	source_close(s);
}

static void
tree__directory_that_becomes_a_link_is_not_followed(void **state)
{
	struct fixture *f = *state;
	struct source *s = NULL;
	struct source_item item;
	struct err e = {0};
	char from[600], to[600];

	put(f, "d/t/shard-00/" D1 "/=1.json", "1");
	assert_err(source_open(f->dir, &s, &e), ERR_OK, &e);
	assert_err(source_start(s, 0, &e), ERR_OK, &e);
	snprintf(from, sizeof(from), "%s/d/t", f->dir);
	snprintf(to, sizeof(to), "%s/d/moved", f->dir);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(symlink("moved", from), 0);
	assert_err(source_next(s, &item, &e), ERR_OK, &e);
	assert_int_equal(item.event, SOURCE_TABLE_BAD);
	assert_non_null(strstr(e.text, "d/t/shard-00/" D1));
	assert_err(source_next(s, &item, &e), ERR_END, &e);
	source_close(s);
}

static int
note_table(void *arg, const char *database, const char *table)
{
	return buf_printf(arg, "%s.%s ", database, table);
}

static void
tree__tables_and_skipping(void **state)
{
	struct fixture *f = *state;
	struct source *s = NULL;
	struct source_item item;
	struct buf out = {0};
	struct err e = {0};

	put(f, "d/a/shard-00/" D1 "/=1.json", "1");
	put(f, "d/a/shard-00/" D1 "/=2.json", "2");
	put(f, "d/b/shard-00/" D1 "/=1.json", "3");
	put(f, "d/c/shard-00/" D2 "/=1.json", "4");
	assert_err(source_open(f->dir, &s, &e), ERR_OK, &e);
	assert_err(source_tables(s, 0, note_table, &out, &e), ERR_OK, &e);
	assert_err(source_tables(s, 1, note_table, &out, &e), ERR_OK, &e);
	assert_text(out.data, out.len, "d.a d.b d.c ");
	assert_err(source_next(s, &item, &e), ERR_BUG, NULL);
	assert_err(source_start(s, 0, &e), ERR_OK, &e);
	assert_err(source_next(s, &item, &e), ERR_OK, &e);
	assert_err(source_next(s, &item, &e), ERR_OK, &e);
	source_skip_table(s);
	assert_err(source_next(s, &item, &e), ERR_OK, &e);
	assert_int_equal(item.event, SOURCE_TABLE);
	assert_string_equal(item.table, "b");
	/* Beginning again in the middle of a directory. */
	assert_err(source_next(s, &item, &e), ERR_OK, &e);
	assert_err(source_start(s, 1, &e), ERR_OK, &e);
	assert_err(source_next(s, &item, &e), ERR_OK, &e);
	assert_string_equal(item.table, "c");
	source_close(s);
	buf_finish(&out);
}

static void
tree__large_directory_does_not_take_memory(void **state)
{
	struct fixture *f = *state;
	struct source *s = NULL;
	struct source_item item;
	struct err e = {0};
	struct rusage before, after;
	char path[600];
	unsigned documents = 0;

	/* 4,000 names of 240 bytes: 1 MB, were they kept. */
	put(f, "d/t/shard-00/" D1 "/", NULL);
	for (unsigned i = 0; i < 4000; i++) {
		snprintf(path, sizeof(path), "%s/d/t/shard-00/" D1 "/%0240u.json", f->dir, i);
		test_write_file(path, "1", 1);
	}
	assert_err(source_open(f->dir, &s, &e), ERR_OK, &e);
	getrusage(RUSAGE_SELF, &before);
	assert_err(source_start(s, 0, &e), ERR_OK, &e);
	while (source_next(s, &item, &e) == ERR_OK)
		documents += item.event == SOURCE_DOCUMENT;
	getrusage(RUSAGE_SELF, &after);
	assert_int_equal(documents, 4000);
	assert_in_range(after.ru_maxrss - before.ru_maxrss, 0, 512);
	source_close(s);
}

static void
tree__without_dates_says_so(void **state)
{
	struct fixture *f = *state;

	put(f, "d/t/shard-00/", NULL);
	transcript_of(f->dir, NULL, ERR_FORMAT, TEXT("without any date"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(tree__large_directory_does_not_take_memory),
	    TEST(tree__runs_are_all_dates_oldest_first),
	    TEST(tree__run_has_the_tables_and_shards_of_its_date),
	    TEST(tree__only_documents_are_read),
	    TEST(tree__item_names_the_documents_file),
	    TEST(tree__link_or_directory_in_place_of_a_document_is_a_bad_table),
	    TEST(tree__hard_links_are_documents),
	    TEST(tree__documents_and_configuration_over_their_limits),
	    TEST(tree__shard_that_vanishes_is_a_bad_table),
	    TEST(tree__directory_that_becomes_a_link_is_not_followed),
	    TEST(tree__tables_and_skipping),
	    TEST(tree__without_dates_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
