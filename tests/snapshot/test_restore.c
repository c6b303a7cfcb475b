/* Restoring into a directory, and comparing snapshots with what is there. */
#include "tests/support/take.h"
#include "tests/support/test.h"

#include "catalog/catalog.h"
#include "snapshot/documents.h"
#include "snapshot/json/jsonkey.h"
#include "snapshot/restore.h"
#include "snapshot/store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INFO "{\"primary_key\":\"id\",\"indexes\":[]}"
#define DATE 1794970800

/* A repository with one snapshot of d.t and d.u, and a target. */
struct fixture {
	char *dir;
	char target[512];
	char path[700]; /* of a file in the target */
	struct repo *repo;
	struct restore_options options;
	struct restore_result result;
	struct buf lines; /* what the callbacks said */
	struct err e;
};

static void
put(const char *dir, const char *name, const char *text)
{
	char path[700];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	test_write_file(path, text, strlen(text));
}

static void
take(struct fixture *f)
{
	char export[600], database[620];

	snprintf(export, sizeof(export), "%s/export", f->dir);
	snprintf(database, sizeof(database), "%s/d", export);
	assert_int_equal(mkdir(export, 0700), 0);
	assert_int_equal(mkdir(database, 0700), 0);
	put(database, "t.info", INFO);
	put(database, "t.json", "[{\"id\":1,\"a\":-0.0},{\"id\":2},{\"id\":\"x\",\"b\":[1]}]");
	put(database, "u.info", INFO);
	put(database, "u.json", "[]");
	take_export(f->repo, export, DATE, 2);
}

static void
on_found(void *arg, const struct restore_table *t, enum compare_state state, const struct key *key)
{
	static const char *const names[] = {"same", "changed", "missing", "extra"};
	struct fixture *f = arg;
	struct buf text = {0};

	assert_int_equal(jsonkey_write(key, &text), ERR_OK);
	buf_printf(&f->lines, "%s %s.%s %.*s\n", names[state], t->database, t->name, (int)text.len,
	    (const char *)text.data);
	buf_finish(&text);
}

static void
on_done(void *arg, const struct restore_table *t, const struct err *e)
{
	struct fixture *f = arg;
	const uint64_t *n = t->compared.count;

	buf_printf(&f->lines, "%s.%s %s: %d same, %d changed, %d missing, %d extra; %d deleted\n",
	    t->database, t->name, e == NULL ? "done" : "failed", (int)n[COMPARE_SAME],
	    (int)n[COMPARE_CHANGED], (int)n[COMPARE_MISSING], (int)n[COMPARE_EXTRA],
	    (int)t->deleted);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[600];

	f->dir = test_dir();
	snprintf(f->target, sizeof(f->target), "%s/target", f->dir);
	snprintf(path, sizeof(path), "%s/repo", f->dir);
	assert_int_equal(repo_create(path, NULL), ERR_OK);
	assert_int_equal(repo_open(path, &f->repo, NULL), ERR_OK);
	f->options = (struct restore_options){.found = on_found, .table_done = on_done, .arg = f};
	take(f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	repo_close(f->repo);
	test_dir_remove(f->dir);
	buf_finish(&f->lines);
	free(f);
	return 0;
}

/* Restore, and compare the code and what the callbacks say. */
static void
run(struct fixture *f, int want, const char *lines)
{
	int rc = restore_run(f->repo, f->target, &f->options, &f->result, &f->e);

	assert_err(rc, want, &f->e);
	assert_text(f->lines.data, f->lines.len, lines);
	buf_clear(&f->lines);
}

/* A file of the target has these bytes; NULL: there is none. */
static void
holds(struct fixture *f, const char *name, const char *text)
{
	struct buf got = {0};
	struct stat st;

	snprintf(f->path, sizeof(f->path), "%s/%s", f->target, name);
	if (text == NULL) {
		assert_int_not_equal(lstat(f->path, &st), 0);
		return;
	}
	test_read_file(f->path, &got);
	assert_text(got.data, got.len, text);
	buf_finish(&got);
}

#define T_DONE "d.t done: 3 same, 0 changed, 0 missing, 0 extra; 0 deleted\n"
#define U_DONE "d.u done: 0 same, 0 changed, 0 missing, 0 extra; 0 deleted\n"
#define T_JSON "[\n{\"a\":-0.0,\"id\":1},\n{\"id\":2},\n{\"b\":[1],\"id\":\"x\"}\n]\n"

static void
restore__a_new_directory_holds_all(void **state)
{
	struct fixture *f = *state;

	run(f, ERR_OK, T_DONE U_DONE);
	assert_int_equal(f->result.tables, 2);
	assert_int_equal(f->result.failed, 0);
	holds(f, "d/t.json", T_JSON);
	holds(f, "d/u.json", "[\n]\n");
	holds(f, "d/t.info", "{\"indexes\":[],\"primary_key\":\"id\"}\n");
}

static void
restore__tables_that_exist_are_left_alone(void **state)
{
	struct fixture *f = *state;

	run(f, ERR_OK, T_DONE U_DONE);
	put(f->target, "d/t.json", "[{\"id\":7}]");
	run(f, ERR_EXISTS, "");
	assert_non_null(strstr(f->e.text, "d.t, d.u: there already; --force"));
	holds(f, "d/t.json", "[{\"id\":7}]");
}

static void
restore__force_merges_and_exact_drops(void **state)
{
	struct fixture *f = *state;
	const char *only[] = {"d.t"};

	run(f, ERR_OK, T_DONE U_DONE);
	put(f->target, "d/t.json", "[{\"id\":2,\"mine\":1},{\"id\":7}]");
	f->options.select.only = only;
	f->options.select.n_only = 1;
	f->options.force = true;
	run(f, ERR_OK, "d.t done: 3 same, 0 changed, 0 missing, 1 extra; 0 deleted\n");
	holds(f, "d/t.json",
	    "[\n{\"a\":-0.0,\"id\":1},\n{\"id\":2},\n{\"id\":7},\n{\"b\":[1],\"id\":\"x\"}\n]\n");
	f->options.exact = true;
	run(f, ERR_OK, "d.t done: 3 same, 0 changed, 0 missing, 0 extra; 1 deleted\n");
	holds(f, "d/t.json", T_JSON);
}

static void
restore__a_dry_run_compares_alone(void **state)
{
	struct fixture *f = *state;
	const char *only[] = {"d.t"};

	f->options.select.only = only;
	f->options.select.n_only = 1;
	f->options.dry_run = true;
	run(f, ERR_OK,
	    "missing d.t 1\nmissing d.t 2\nmissing d.t \"x\"\n"
	    "d.t done: 0 same, 0 changed, 3 missing, 0 extra; 0 deleted\n");
	holds(f, "d/t.json", NULL);
	f->options.dry_run = false;
	run(f, ERR_OK, T_DONE);
	/* 0 and -0.0 are not the same bytes; the order of a file does not matter. */
	put(f->target, "d/t.json", "[{\"id\":9},{\"id\":\"x\",\"b\":[1]},{\"a\":0,\"id\":1}]");
	f->options.dry_run = true;
	run(f, ERR_OK,
	    "changed d.t 1\nmissing d.t 2\nextra d.t 9\n"
	    "d.t done: 1 same, 1 changed, 1 missing, 1 extra; 0 deleted\n");
	holds(f, "d/t.json", "[{\"id\":9},{\"id\":\"x\",\"b\":[1]},{\"a\":0,\"id\":1}]");
}

static void
restore__a_key_alone(void **state)
{
	struct fixture *f = *state;
	struct key key;

	assert_int_equal(jsonkey_read("\"x\"", 3, &key, NULL), ERR_OK);
	f->options.only = &key;
	run(f, ERR_OK, "d.t done: 1 same, 0 changed, 0 missing, 0 extra; 0 deleted\n");
	holds(f, "d/t.json", "[\n{\"b\":[1],\"id\":\"x\"}\n]\n");
	holds(f, "d/u.json", NULL);
	assert_int_equal(jsonkey_read("\"y\"", 3, &key, NULL), ERR_OK);
	run(f, ERR_ABSENT, "");
}

static void
restore__other_names(void **state)
{
	struct fixture *f = *state;
	const char *only[] = {"d.t"};

	f->options.into = "other";
	run(f, ERR_OK,
	    "other.t done: 3 same, 0 changed, 0 missing, 0 extra; 0 deleted\n"
	    "other.u done: 0 same, 0 changed, 0 missing, 0 extra; 0 deleted\n");
	holds(f, "other/t.json", T_JSON);
	f->options.into = "other.one";
	run(f, ERR_ARG, "");
	f->options.select.only = only;
	f->options.select.n_only = 1;
	run(f, ERR_OK, "other.one done: 3 same, 0 changed, 0 missing, 0 extra; 0 deleted\n");
	holds(f, "other/one.json", T_JSON);
	f->options.into = "../x";
	run(f, ERR_ARG, "");
	f->options.into = "";
	run(f, ERR_ARG, "");
}

static void
restore__a_broken_file_fails_its_table(void **state)
{
	struct fixture *f = *state;

	run(f, ERR_OK, T_DONE U_DONE);
	put(f->target, "d/t.json", "[{\"id\":7}");
	f->options.force = true;
	run(f, ERR_OK, "d.t failed: 0 same, 0 changed, 0 missing, 0 extra; 0 deleted\n" U_DONE);
	assert_int_equal(f->result.tables, 1);
	assert_int_equal(f->result.failed, 1);
	holds(f, "d/t.json", "[{\"id\":7}");
}

static void
restore__another_primary_key_is_refused(void **state)
{
	static const char there[] = "[{\"no\":1,\"id\":1},{\"no\":2,\"id\":1}]";
	struct fixture *f = *state;

	run(f, ERR_OK, T_DONE U_DONE);
	put(f->target, "d/t.json", there);
	put(f->target, "d/t.info", "{\"primary_key\": \"no\"}");
	f->options.force = true;
	for (int exact = 0; exact < 2; exact++) {
		f->options.exact = exact;
		run(f, ERR_WRONG_STATE, "");
		assert_non_null(strstr(f->e.text,
		    "d.t is there with the primary key \"no\", the snapshot has \"id\"; --into"));
		holds(f, "d/t.json", there);
		holds(f, "d/t.info", "{\"primary_key\": \"no\"}");
	}
	/* What it is cannot be known: nothing is written over it. */
	put(f->target, "d/t.info", "{\"primary_key\":");
	run(f, ERR_FORMAT, "");
	assert_non_null(strstr(f->e.text, "target/d/t.info: line 1, column "));
	holds(f, "d/t.json", there);
	f->options.into = "other";
	run(f, ERR_OK,
	    "other.t done: 3 same, 0 changed, 0 missing, 0 extra; 0 deleted\n"
	    "other.u done: 0 same, 0 changed, 0 missing, 0 extra; 0 deleted\n");
}

static void
restore__stops_when_told(void **state)
{
	struct fixture *f = *state;
	volatile sig_atomic_t stop = 1;

	f->options.stop = &stop;
	run(f, ERR_INTR, "");
	holds(f, "d/t.json", NULL);
}

static void
documents__one_and_all_without_bytes(void **state)
{
	struct fixture *f = *state;
	struct selection_options all = {0};
	struct selection s = {0};
	const struct versions_version *v;
	const struct buf *bytes;
	struct documents *d;
	struct catalog *cat;
	struct store *store;
	struct key key;
	int n = 0;

	assert_err(catalog_open(f->repo, CATALOG_READ, &cat, &f->e), ERR_OK, &f->e);
	assert_err(store_create(f->repo->packsfd, NULL, &store, &f->e), ERR_OK, &f->e);
	assert_err(selection_make(cat, &all, &s, &f->e), ERR_OK, &f->e);
	assert_int_equal(s.n, 2);
	assert_int_equal(documents_open(cat, NULL, &s.items[0].snapshot, &d, NULL), ERR_OK);
	while (documents_skim(d, &v, NULL) == ERR_OK)
		n++;
	assert_int_equal(n, 3);
	documents_close(d);
	assert_int_equal(jsonkey_read("2", 1, &key, NULL), ERR_OK);
	assert_int_equal(documents_open(cat, store, &s.items[0].snapshot, &d, NULL), ERR_OK);
	documents_only(d, &key);
	assert_err(documents_next(d, &v, &bytes, &f->e), ERR_OK, &f->e);
	assert_text(bytes->data, bytes->len, "{\"id\":2}");
	assert_int_equal(documents_next(d, &v, &bytes, &f->e), ERR_END);
	assert_int_equal(documents_next(d, &v, &bytes, &f->e), ERR_END);
	documents_close(d);
	selection_finish(&s);
	store_free(store);
	catalog_close(cat);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(restore__a_new_directory_holds_all),
	    TEST(restore__tables_that_exist_are_left_alone),
	    TEST(restore__force_merges_and_exact_drops),
	    TEST(restore__a_dry_run_compares_alone),
	    TEST(restore__a_key_alone),
	    TEST(restore__other_names),
	    TEST(restore__a_broken_file_fails_its_table),
	    TEST(restore__another_primary_key_is_refused),
	    TEST(restore__stops_when_told),
	    TEST(documents__one_and_all_without_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
