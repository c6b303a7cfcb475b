/* Taking snapshots: what is new, changed and deleted; shards; dates; refusals that change nothing.
 */
#include "tests/support/test.h"

#include "catalog/packs.h"
#include "catalog/snapshots.h"
#include "catalog/versions.h"
#include "snapshot/capture.h"
#include "snapshot/check.h"
#include "snapshot/json/canon.h"
#include "snapshot/store/store.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A repository and an export directory to take snapshots of. */
struct fixture {
	char *dir;
	char repo_path[512];
	char export_path[512];
	struct repo *repo;
	struct buf lines; /* what the callbacks said */
	uint64_t read;    /* documents read so far, as a callback said last */
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[600];

	f->dir = test_dir();
	snprintf(f->repo_path, sizeof(f->repo_path), "%s/repo", f->dir);
	snprintf(f->export_path, sizeof(f->export_path), "%s/export", f->dir);
	assert_int_equal(mkdir(f->export_path, 0700), 0);
	snprintf(path, sizeof(path), "%s/d", f->export_path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(repo_create(f->repo_path, NULL), ERR_OK);
	assert_int_equal(repo_open(f->repo_path, &f->repo, NULL), ERR_OK);
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

/* Write DB d's table ${table}: its .info (NULL: take it away) and its .json likewise. */
static void
put_table(struct fixture *f, const char *table, const char *info, const char *json)
{
	char path[700];

	snprintf(path, sizeof(path), "%s/d/%s.info", f->export_path, table);
	if (info != NULL)
		test_write_file(path, info, strlen(info));
	else
		remove(path);
	snprintf(path, sizeof(path), "%s/d/%s.json", f->export_path, table);
	if (json != NULL)
		test_write_file(path, json, strlen(json));
	else
		remove(path);
}

#define INFO1 "{\"primary_key\":\"id\",\"doc_count_estimates\":[5],\"indexes\":[]}"
#define INFO2 "{\"primary_key\":\"id\",\"doc_count_estimates\":[1,3]}"

static void
on_done(void *arg, const char *database, const char *table, const struct snapshots_snapshot *s)
{
	struct fixture *f = arg;

	buf_printf(&f->lines, "%s.%s %d docs %d new %d changed %d deleted %d shards\n", database,
	    table, (int)s->documents, (int)s->added, (int)s->changed, (int)s->deleted,
	    (int)s->shards);
}

static void
on_failed(void *arg, const char *database, const char *table, const struct err *e)
{
	struct fixture *f = arg;

	buf_printf(&f->lines, "%s.%s FAILED %s\n", database, table, e->text);
}

static void
on_reading(void *arg, uint64_t done, uint64_t total, uint64_t documents)
{
	struct fixture *f = arg;

	assert_true(total == 0 || done <= total);
	f->read = documents;
}

static int
take_from(
    struct fixture *f, const char *path, int64_t date, struct capture_result *result, struct err *e)
{
	struct capture_options options = {.has_date = date != 0,
	    .date = date,
	    .reading = on_reading,
	    .table_done = on_done,
	    .table_failed = on_failed,
	    .arg = f};
	struct capture *c;
	struct source *source;
	int rc;

	buf_clear(&f->lines);
	assert_err(capture_open(f->repo, NULL, &c, e), ERR_OK, e);
	rc = source_open(path, &source, e);
	assert_err(rc, ERR_OK, e);
	rc = capture_run(c, source, 0, &options, result, e);
	source_close(source);
	capture_close(c);
	return rc;
}

static int
take(struct fixture *f, int64_t date, struct capture_result *result, struct err *e)
{
	return take_from(f, f->export_path, date, result, e);
}

static void
on_problem(void *arg, const char *text)
{
	buf_printf(arg, "%s\n", text);
}

/* The repository is whole, and has as many versions as it should. */
static void
assert_sound(struct fixture *f, uint64_t versions)
{
	struct buf problems = {0};
	struct check_options options = {.read_data = true, .problem = on_problem, .arg = &problems};
	struct check_result result;
	struct err e = {0};

	check_run(f->repo, &options, &result, &e);
	assert_text(problems.data, problems.len, "");
	assert_int_equal(result.versions, versions);
	buf_finish(&problems);
}

/* Number of files below ${path}, whatever their names. */
static int
count_files(const char *path)
{
	struct dirent *d;
	DIR *dir = opendir(path);
	int n = 0;

	assert_non_null(dir);
	while ((d = readdir(dir)) != NULL) {
		char below[1024];
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, d->d_name);
		n += d->d_type == DT_DIR ? count_files(below) : 1;
	}
	closedir(dir);
	return n;
}

static int
count_packs(struct fixture *f)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/packs", f->repo_path);
	return count_files(path);
}

static void
run__counts_are_the_differences(void **state)
{
	struct fixture *f = *state;
	struct capture_result r;
	struct err e = {0};

	put_table(
	    f, "t", INFO1, "[\n{\"id\":1,\"v\":1},\n{\"id\":2,\"v\":1},\n{\"id\":3,\"v\":1}\n]\n");
	assert_err(take(f, 1000, &r, &e), ERR_OK, &e);
	assert_text(f->lines.data, f->lines.len, "d.t 3 docs 3 new 0 changed 0 deleted 1 shards\n");
	put_table(f, "t", INFO1,
	    "[\n{\"v\":1.0,\"id\":2},{\"id\":3,\"v\":2},\n{\"id\":4,\"v\":1},{\"id\":\"4\"}]");
	assert_err(take(f, 2000, &r, &e), ERR_OK, &e);
	assert_text(f->lines.data, f->lines.len, "d.t 4 docs 2 new 1 changed 1 deleted 1 shards\n");
	assert_int_equal(r.new_versions, 3);
	assert_sound(f, 6);
	/* The same again costs a pack without versions: the record of the snapshot. */
	assert_err(take(f, 3000, &r, &e), ERR_OK, &e);
	assert_text(f->lines.data, f->lines.len, "d.t 4 docs 0 new 0 changed 0 deleted 1 shards\n");
	assert_int_equal(count_packs(f), 3);
	put_table(f, "t", INFO1, "[\n]\n");
	assert_err(take(f, 4000, &r, &e), ERR_OK, &e);
	assert_text(f->lines.data, f->lines.len, "d.t 0 docs 0 new 0 changed 4 deleted 1 shards\n");
	assert_sound(f, 6);
}

/* The visible keys of ${date} in shard ${number}, as JSON numbers' first digits: enough to tell. */
static void
assert_shard(struct fixture *f, int64_t date, uint64_t number, uint64_t documents, size_t lower)
{
	struct tables_table t;
	struct snapshots_snapshot s;
	struct snapshots_shard shard;
	struct catalog *cat;
	struct versions_version rows[64];
	struct err e = {0};
	size_t got;

	assert_err(catalog_open(f->repo, CATALOG_READ, &cat, &e), ERR_OK, &e);
	assert_err(tables_find(cat, "d", "t", &t, &e), ERR_OK, &e);
	assert_err(snapshots_at(cat, t.id, date, &s, &e), ERR_OK, &e);
	assert_err(snapshots_shard(cat, s.id, number, &shard, &e), ERR_OK, &e);
	assert_int_equal(shard.documents, documents);
	assert_int_equal(shard.lower.len != 0, lower);
	assert_err(
	    versions_page(cat, t.id, s.id, &shard.lower, true, &shard.upper, rows, 64, &got, &e),
	    ERR_OK, &e);
	assert_int_equal(got, documents);
	catalog_close(cat);
}

static void
shards__are_cut_once_and_stay(void **state)
{
	struct fixture *f = *state;
	struct capture_result r;
	struct err e = {0};

	put_table(f, "t", INFO2, "[{\"id\":1},{\"id\":2},{\"id\":3},{\"id\":4}]");
	assert_err(take(f, 1000, &r, &e), ERR_OK, &e);
	assert_text(f->lines.data, f->lines.len, "d.t 4 docs 4 new 0 changed 0 deleted 2 shards\n");
	assert_shard(f, 1000, 0, 1, 0);
	assert_shard(f, 1000, 1, 3, 1);
	/* The bound stays at key 2 although the proportions would move it. */
	put_table(f, "t", INFO2, "[{\"id\":0},{\"id\":1},{\"id\":-1},{\"id\":-5},{\"id\":4}]");
	assert_err(take(f, 2000, &r, &e), ERR_OK, &e);
	assert_text(f->lines.data, f->lines.len, "d.t 5 docs 3 new 0 changed 2 deleted 2 shards\n");
	assert_shard(f, 2000, 0, 4, 0);
	assert_shard(f, 2000, 1, 1, 1);
	/* Another number of shards: cut anew. */
	put_table(f, "t", INFO1, "[{\"id\":0},{\"id\":1},{\"id\":4}]");
	assert_err(take(f, 3000, &r, &e), ERR_OK, &e);
	assert_shard(f, 3000, 0, 3, 0);
	assert_sound(f, 7);
}

static void
shards__of_few_documents_are_fewer(void **state)
{
	struct fixture *f = *state;
	struct capture_result r;
	struct err e = {0};

	put_table(f, "t", "{\"primary_key\":\"id\",\"doc_count_estimates\":[0,0,0,0]}", "[]");
	assert_err(take(f, 1000, &r, &e), ERR_OK, &e);
	assert_text(f->lines.data, f->lines.len, "d.t 0 docs 0 new 0 changed 0 deleted 1 shards\n");
	put_table(f, "t", "{\"primary_key\":\"id\",\"doc_count_estimates\":[0,0,0,0]}",
	    "[{\"id\":3},{\"id\":2},{\"id\":1},{\"id\":4}]");
	assert_err(take(f, 2000, &r, &e), ERR_OK, &e);
	assert_text(f->lines.data, f->lines.len, "d.t 4 docs 4 new 0 changed 0 deleted 4 shards\n");
	assert_shard(f, 2000, 3, 1, 1);
	assert_sound(f, 4);
}

static void
run__one_bad_table_leaves_the_others(void **state)
{
	static const struct {
		const char *info, *json, *says;
	} bad[] = {
	    {INFO1, "[{\"id\":1},\n {\"id\" 2}]", "d/bad.json: line 2, column 8: "},
	    {INFO1, "[{\"id\":1},{\"id\":1.0}]", "two documents of d.bad have the primary key 1"},
	    {INFO1, "[{\"id\":1},{\"di\":1}]", "\"id\""},
	    {INFO1, "[{\"id\":null}]", "null"},
	    {INFO1, "[{\"id\":1}", "d/bad.json"},
	    {INFO1, "[[]]", "a document must be a JSON object"},
	    {INFO1, NULL, "no documents"},
	    {NULL, "[{\"id\":1}]", "no .info"},
	    {"{\"primary_key\":7}", "[]", "primary_key"},
	    {"{", "[]", "d/bad.info: line 1, column 2: "},
	};
	struct fixture *f = *state;
	struct capture_result r;
	struct err e = {0};

	put_table(f, "good", INFO1, "[{\"id\":1}]");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_table(f, "bad", bad[i].info, bad[i].json);
		assert_err(take(f, 1000 + (int64_t)i, &r, &e), ERR_OK, &e);
		assert_int_equal(r.tables, 1);
		assert_int_equal(r.failed, 1);
		if (strstr(buf_str(&f->lines), bad[i].says) == NULL) {
			print_error("%s lacks: %s\n", (const char *)f->lines.data, bad[i].says);
			fail();
		}
	}
	assert_sound(f, 1);
	/* Each run stored one pack for the good table and nothing of the bad one. */
	assert_int_equal(count_packs(f), sizeof(bad) / sizeof(bad[0]));
}

static void
run__older_is_refused_before_anything_is_written(void **state)
{
	struct fixture *f = *state;
	struct capture_result r;
	struct err e = {0};

	put_table(f, "t", INFO1, "[{\"id\":1}]");
	put_table(f, "u", INFO1, "[{\"id\":1}]");
	assert_err(take(f, 2000, &r, &e), ERR_OK, &e);
	assert_err(take(f, 1000, &r, &e), ERR_ORDER, NULL);
	assert_non_null(strstr(e.text, "1970-01-01T00-16-40Z"));
	assert_non_null(strstr(e.text, "1970-01-01T00-33-20Z"));
	assert_int_equal(count_packs(f), 2);
	assert_err(take(f, 2000, &r, &e), ERR_OK, &e);
	assert_true(r.already);
	assert_int_equal(r.tables, 0);
	/* Of a run that was taken in part the rest can be taken later. */
	put_table(f, "v", INFO1, "[{\"id\":1}]");
	assert_err(take(f, 2000, &r, &e), ERR_OK, &e);
	assert_text(f->lines.data, f->lines.len, "d.v 1 docs 1 new 0 changed 0 deleted 1 shards\n");
	/* Other tables may be older. */
	put_table(f, "t", NULL, NULL);
	put_table(f, "u", NULL, NULL);
	put_table(f, "v", NULL, NULL);
	put_table(f, "w", INFO1, "[{\"id\":1}]");
	assert_err(take(f, 1500, &r, &e), ERR_OK, &e);
	assert_sound(f, 4);
}

static void
run__undated_source_needs_a_date(void **state)
{
	struct fixture *f = *state;
	struct capture_result r;
	struct err e = {0};

	put_table(f, "t", INFO1, "[{\"id\":1}]");
	assert_err(take(f, 0, &r, &e), ERR_ARG, NULL);
	assert_non_null(strstr(e.text, "--at"));
}

/* A crash while a snapshot is being built: the next writer finds rows and a pack, and takes them
 * back. */
static void
open__takes_back_what_a_crash_left(void **state)
{
	struct fixture *f = *state;
	struct capture_result r;
	struct tables_table t;
	struct catalog *cat;
	struct err e = {0};
	struct versions_version v = {.key = {.len = 2, .bytes = "Sx"}, .died = VERSIONS_ALIVE};
	int64_t run, snapshot, pack;

	put_table(f, "t", INFO1, "[{\"id\":1}]");
	assert_err(take(f, 1000, &r, &e), ERR_OK, &e);
	assert_err(catalog_open(f->repo, CATALOG_WRITE, &cat, &e), ERR_OK, &e);
	assert_err(catalog_begin(cat, &e), ERR_OK, &e);
	assert_err(tables_find(cat, "d", "t", &t, &e), ERR_OK, &e);
	assert_err(snapshots_run_begin(cat, 2000, "x", 1, &run, &e), ERR_OK, &e);
	assert_err(snapshots_begin(cat, t.id, run, 2000, &snapshot, &e), ERR_OK, &e);
	assert_err(packs_begin(cat, t.id, snapshot, 0, 0, &pack, &e), ERR_OK, &e);
	v.born = snapshot;
	v.pack_id = pack;
	assert_err(versions_insert(cat, t.id, &v, &e), ERR_OK, &e);
	assert_err(catalog_commit(cat, true, &e), ERR_OK, &e);
	catalog_close(cat);
	put_table(f, "t", INFO1, "[{\"id\":2}]");
	assert_err(take(f, 2000, &r, &e), ERR_OK, &e);
	assert_text(f->lines.data, f->lines.len, "d.t 1 docs 1 new 0 changed 1 deleted 1 shards\n");
	assert_sound(f, 2);
}

static void
open__one_writer_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct capture *a, *b;
	struct err e = {0};

	assert_err(capture_open(f->repo, NULL, &a, &e), ERR_OK, &e);
	assert_err(capture_open(f->repo, NULL, &b, &e), ERR_BUSY, NULL);
	capture_close(a);
	assert_err(capture_open(f->repo, NULL, &b, &e), ERR_OK, &e);
	capture_close(b);
}

/* Write a table of ${n} documents, each with ${len} bytes of text. */
static void
put_documents(struct fixture *f, const char *table, unsigned n, size_t len)
{
	char *text = calloc(len + 1, 1);
	char path[700];
	FILE *out;

	put_table(f, table, INFO1, NULL);
	snprintf(path, sizeof(path), "%s/d/%s.json", f->export_path, table);
	out = fopen(path, "w");
	assert_non_null(out);
	memset(text, 'x', len);
	for (unsigned i = 0; i < n; i++)
		fprintf(out, "%s{\"id\":%u,\"text\":\"%s\"}", i > 0 ? ",\n" : "[", n - i, text);
	fputs("]", out);
	assert_int_equal(fclose(out), 0);
	free(text);
}

/*
 * More documents than may wait in memory for a configuration that comes behind them wait in a file:
 * an archive is read once. Every 256 items of it the number of documents read is told.
 */
static void
archive__of_a_large_table_before_its_info_is_read_once(void **state)
{
	struct fixture *f = *state;
	struct capture_result r;
	char command[2000], path[700];
	struct err e = {0};

	put_documents(f, "large", 70, 1 << 20);
	put_documents(f, "small", 300, 1);
	snprintf(path, sizeof(path), "%s/a.tar", f->dir);
	snprintf(command, sizeof(command),
	    "tar -C %s --transform='s,^,rethinkdb_dump_2026-11-18T03:00:00/,' -cf %s d/large.json "
	    "d/small.json d/small.info d/large.info",
	    f->export_path, path);
	assert_int_equal(system(command), 0);
	assert_err(take_from(f, path, 1000, &r, &e), ERR_OK, &e);
	assert_text(f->lines.data, f->lines.len,
	    "d.large 70 docs 70 new 0 changed 0 deleted 1 shards\n"
	    "d.small 300 docs 300 new 0 changed 0 deleted 1 shards\n");
	assert_in_range(f->read, 70, 300);
	assert_sound(f, 370);
}

/*
 * What was stored of the real archives is found, document by document, as the server sent it; but
 * for numbers that the server prints longer than need be, so its bytes are made canonical first.
 */
static void
archive__documents_are_the_servers_bytes(void **state)
{
	struct fixture *f = *state;
	struct capture_result r;
	struct tables_table t;
	struct snapshots_snapshot s;
	struct catalog *cat;
	struct store *store;
	struct versions_version rows[64];
	struct buf wire = {0}, got_bytes = {0}, expected = {0};
	struct canon *canon = canon_create();
	struct key none = {0};
	struct err e = {0};
	const uint8_t *line;
	size_t got, size;

	assert_err(
	    take_from(f, test_data("rethinkdb_dump_2026-11-19T03:00:01.tar.gz"), 1000, &r, &e),
	    ERR_OK, &e);
	assert_err(
	    take_from(f, test_data("rethinkdb_dump_2026-11-20T03:00:01.tar.gz"), 2000, &r, &e),
	    ERR_OK, &e);
	assert_int_equal(r.tables, 6);
	assert_err(catalog_open(f->repo, CATALOG_READ, &cat, &e), ERR_OK, &e);
	assert_err(store_create(f->repo->packsfd, NULL, &store, &e), ERR_OK, &e);
	assert_err(tables_find(cat, "shop", "keys", &t, &e), ERR_OK, &e);
	assert_err(snapshots_latest(cat, t.id, &s, &e), ERR_OK, &e);
	assert_err(
	    versions_page(cat, t.id, s.id, &none, false, &none, rows, 64, &got, &e), ERR_OK, &e);
	assert_int_equal(got, 52);
	test_read_file(test_data("wire/shop.keys.jsonl"), &wire);
	line = wire.data;
	for (size_t i = 0; i < got; i++) {
		const uint8_t *end = memchr(line, '\n', wire.len - (size_t)(line - wire.data));
		buf_clear(&got_bytes);
		assert_err(store_read(store, (uint64_t)rows[i].pack_id, rows[i].ordinal, 0,
			       SIZE_MAX, &got_bytes, &size, &e),
		    ERR_OK, &e);
		buf_clear(&expected);
		assert_err(canon_value(canon, line, (size_t)(end - line), &expected, NULL, &e),
		    ERR_OK, &e);
		assert_int_equal(size, expected.len);
		assert_memory_equal(got_bytes.data, expected.data, size);
		line = end + 1;
	}
	store_free(store);
	catalog_close(cat);
	canon_free(canon);
	buf_finish(&expected);
	buf_finish(&wire);
	buf_finish(&got_bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(run__counts_are_the_differences, setup, teardown),
	    cmocka_unit_test_setup_teardown(shards__are_cut_once_and_stay, setup, teardown),
	    cmocka_unit_test_setup_teardown(shards__of_few_documents_are_fewer, setup, teardown),
	    cmocka_unit_test_setup_teardown(run__one_bad_table_leaves_the_others, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		run__older_is_refused_before_anything_is_written, setup, teardown),
	    cmocka_unit_test_setup_teardown(run__undated_source_needs_a_date, setup, teardown),
	    cmocka_unit_test_setup_teardown(open__takes_back_what_a_crash_left, setup, teardown),
	    cmocka_unit_test_setup_teardown(open__one_writer_at_a_time, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		archive__of_a_large_table_before_its_info_is_read_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		archive__documents_are_the_servers_bytes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
