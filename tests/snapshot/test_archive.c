/* Dump archives: what real ones, odd ones and hostile ones read as. */
#include "tests/support/test.h"
#include "tests/support/transcript.h"

#include "catalog/base/date.h"
#include "snapshot/json/split.h"
#include "snapshot/source.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOP "rethinkdb_dump_2026-11-18T03:00:00"
#define INFO "{\"primary_key\":\"id\"}"

/* One entry of an archive that a test makes. */
struct member {
	const char *path;
	const char *text;
	char type; /* 0: file; 'd', 'l' (link to text), 'h' (hard link to text), 'p', 'c', 's'
		      (sparse) */
};

struct fixture {
	char *dir;
	char *path; /* DIR/dump.tar.gz */
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	setenv("TZ", "UTC", 1);
	f->dir = test_dir();
	assert_true(asprintf(&f->path, "%s/dump.tar.gz", f->dir) > 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	test_dir_remove(f->dir);
	free(f->path);
	free(f);
	return 0;
}

/* ---- making archives ---- */

static struct archive *
make_begin(const char *path, const char *filter)
{
	struct archive *a = archive_write_new();

	assert_int_equal(archive_write_set_format_pax_restricted(a), ARCHIVE_OK);
	if (strcmp(filter, "none") != 0)
		assert_int_equal(archive_write_add_filter_by_name(a, filter), ARCHIVE_OK);
	assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
	return a;
}

static void
make_type(struct archive_entry *entry, const struct member *m)
{
	archive_entry_set_filetype(entry, m->type == 'd'   ? AE_IFDIR
					  : m->type == 'l' ? AE_IFLNK
					  : m->type == 'p' ? AE_IFIFO
					  : m->type == 'c' ? AE_IFCHR
							   : AE_IFREG);
	if (m->type == 'l')
		archive_entry_set_symlink(entry, m->text);
	if (m->type == 'h')
		archive_entry_set_hardlink(entry, m->text);
	if (m->type == 's')
		archive_entry_sparse_add_entry(entry, 1 << 20, 5);
}

static void
make_member(struct archive *a, const struct member *m)
{
	static const uint8_t hole[(1 << 20) + 5];
	struct archive_entry *entry = archive_entry_new();
	size_t len = m->type == 0 ? strlen(m->text) : 0;

	archive_entry_set_pathname(entry, m->path);
	archive_entry_set_perm(entry, 0644);
	archive_entry_set_size(entry, m->type == 's' ? (1 << 20) + 5 : (la_int64_t)len);
	make_type(entry, m);
	/* A warning is about names that are not ASCII: they are written as they are. */
	assert_true(archive_write_header(a, entry) >= ARCHIVE_WARN);
	if (m->type == 's')
		assert_int_equal(archive_write_data(a, hole, sizeof(hole)), sizeof(hole));
	if (len > 0)
		assert_int_equal(archive_write_data(a, m->text, len), len);
	archive_entry_free(entry);
}

static void
make(const char *path, const char *filter, const struct member *members)
{
	struct archive *a = make_begin(path, filter);

	for (const struct member *m = members; m->path != NULL; m++)
		make_member(a, m);
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
}

#define MEMBERS(...)                                                                               \
	(const struct member[])                                                                    \
	{                                                                                          \
		__VA_ARGS__,                                                                       \
		{                                                                                  \
			NULL, NULL, 0                                                              \
		}                                                                                  \
	}
#define TEXT(...)                                                                                  \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

/* A whole archive with one table, which most tests below damage. */
static const struct member whole[] = {
    {TOP "/shop/orders.json", "[\n{\"id\": 1},\n{\"id\": 2}\n]\n", 0},
    {TOP "/shop/orders.info", INFO, 0}, {NULL, NULL, 0}};

#define WHOLE                                                                                      \
	"table shop.orders " TOP "/shop/orders.json\n"                                             \
	"2:1 {\"id\": 1}\n"                                                                        \
	"3:1 {\"id\": 2}\n"                                                                        \
	"end shop.orders\n"                                                                        \
	"info shop.orders " TOP "/shop/orders.info " INFO "\n"

/* ---- real archives ---- */

struct count {
	const char *table;
	uint64_t documents;
};

/* Compare the items of ${s} with what libarchive alone reads: member by member, split whole. */
static void
compare_member(struct source *s, const char *path, const uint8_t *data, size_t len)
{
	struct split *split = split_create(SOURCE_DOCUMENT_MAX);
	struct split_document want;
	struct source_item item;
	struct err e = {0};
	int rc;

	assert_err(source_next(s, &item, &e), ERR_OK, &e);
	assert_string_equal(item.file, path);
	if (item.event == SOURCE_INFO) {
		assert_int_equal(item.len, len);
		assert_memory_equal(item.data, data, len);
		split_free(split);
		return;
	}
	assert_int_equal(item.event, SOURCE_TABLE);
	split_feed(split, data, len);
	while ((rc = split_next(split, &want, &e)) == ERR_OK) {
		assert_err(source_next(s, &item, &e), ERR_OK, &e);
		assert_int_equal(item.event, SOURCE_DOCUMENT);
		assert_int_equal(item.line, want.line);
		assert_int_equal(item.column, want.column);
		assert_int_equal(item.len, want.len);
		assert_memory_equal(item.data, want.data, want.len);
	}
	assert_err(rc, ERR_END, &e);
	assert_err(split_finish(split, &want, &e), ERR_END, &e);
	assert_err(source_next(s, &item, &e), ERR_OK, &e);
	assert_int_equal(item.event, SOURCE_TABLE_END);
	split_free(split);
}

static void
compare_archive(const char *path)
{
	struct archive *a = archive_read_new();
	struct archive_entry *entry;
	struct source *s = NULL;
	struct source_item item;
	struct err e = {0};
	uint64_t done, total;
	struct stat st;

	archive_read_support_filter_gzip(a);
	archive_read_support_format_tar(a);
	assert_int_equal(archive_read_open_filename(a, path, 10240), ARCHIVE_OK);
	assert_err(source_open(path, &s, &e), ERR_OK, &e);
	assert_err(source_start(s, 0, &e), ERR_OK, &e);
	while (archive_read_next_header(a, &entry) == ARCHIVE_OK) {
		size_t len = (size_t)archive_entry_size(entry);
		uint8_t *data = malloc(len + 1);
		assert_int_equal(archive_read_data(a, data, len), len);
		compare_member(s, archive_entry_pathname(entry), data, len);
		free(data);
	}
	assert_err(source_next(s, &item, &e), ERR_END, &e);
	assert_int_equal(stat(path, &st), 0);
	source_progress(s, &done, &total);
	assert_int_equal(total, st.st_size);
	assert_int_equal(done, total);
	source_close(s);
	archive_read_free(a);
}

static void
archive__real_dumps_give_what_tar_and_split_give(void **state)
{
	(void)state;
	compare_archive(test_data("rethinkdb_dump_2026-11-18T03:00:00.tar.gz"));
	compare_archive(test_data("rethinkdb_dump_2026-11-19T03:00:01.tar.gz"));
	compare_archive(test_data("rethinkdb_dump_2026-11-20T03:00:01.tar.gz"));
}

static void
archive__real_dump_has_the_documents_that_the_server_had(void **state)
{
	struct count counts[] = {{"shop.keys", 52}, {"shop.orders", 2045}, {"shop.products", 399},
	    {"shop.coupons", 1}, {"telemetry.devices", 478}};
	struct source *s = NULL;
	struct source_item item;
	struct err e = {0};
	char name[2 * TABLES_NAME];

	(void)state;
	assert_err(source_open(test_data("rethinkdb_dump_2026-11-20T03:00:01.tar.gz"), &s, &e),
	    ERR_OK, &e);
	assert_err(source_start(s, 0, &e), ERR_OK, &e);
	while (source_next(s, &item, &e) == ERR_OK) {
		snprintf(name, sizeof(name), "%s.%s", item.database, item.table);
		for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
			if (item.event == SOURCE_DOCUMENT && strcmp(counts[i].table, name) == 0)
				counts[i].documents--;
	}
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		assert_int_equal(counts[i].documents, 0);
	source_close(s);
}

static void
archive__date_is_the_top_directorys_local_time(void **state)
{
	struct source *s = NULL;
	struct err e = {0};
	char name[DATE_NAME];

	(void)state;
	setenv("TZ", "Europe/Stockholm", 1);
	assert_err(source_open(test_data("rethinkdb_dump_2026-11-20T03:00:01.tar.gz"), &s, &e),
	    ERR_OK, &e);
	assert_int_equal(source_kind_of(s), SOURCE_ARCHIVE);
	assert_string_equal(source_label(s), "rethinkdb_dump_2026-11-20T03:00:01.tar.gz");
	assert_int_equal(source_runs(s), 1);
	assert_true(source_run(s, 0).dated);
	assert_int_equal(date_name(source_run(s, 0).date, name), ERR_OK);
	assert_string_equal(name, "2026-11-20T02-00-01Z");
	source_close(s);
}

static int
note_table(void *arg, const char *database, const char *table)
{
	return buf_printf(arg, "%s.%s ", database, table);
}

static int
stop_at_table(void *arg, const char *database, const char *table)
{
	(void)arg;
	(void)database;
	return strcmp(table, "keys") == 0 ? ERR_EXISTS : ERR_OK;
}

static void
archive__gives_up_when_told(void **state)
{
	volatile sig_atomic_t stop = 0;
	struct source *s = NULL;
	struct source_item item;
	struct buf out = {0};
	struct err e = {0};
	int rc;

	(void)state;
	assert_err(source_open(test_data("rethinkdb_dump_2026-11-20T03:00:01.tar.gz"), &s, &e),
	    ERR_OK, &e);
	source_set_stop(s, &stop);
	assert_err(source_start(s, 0, &e), ERR_OK, &e);
	stop = 1;
	/* What libarchive has been given already may still come. */
	do {
		rc = source_next(s, &item, &e);
	} while (rc == ERR_OK);
	assert_err(rc, ERR_INTR, &e);
	assert_err(source_tables(s, 0, note_table, &out, &e), ERR_INTR, &e);
	stop = 0;
	buf_clear(&out);
	assert_err(source_tables(s, 0, note_table, &out, &e), ERR_OK, &e);
	buf_finish(&out);
	source_close(s);
}

static void
archive__tables_are_those_with_documents(void **state)
{
	struct source *s = NULL;
	struct buf out = {0};
	struct source_item item;
	struct err e = {0};

	(void)state;
	assert_err(source_open(test_data("rethinkdb_dump_2026-11-20T03:00:01.tar.gz"), &s, &e),
	    ERR_OK, &e);
	assert_err(source_tables(s, 0, note_table, &out, &e), ERR_OK, &e);
	assert_text(out.data, out.len,
	    "telemetry.events telemetry.devices shop.orders shop.keys shop.products shop.coupons ");
	assert_err(source_tables(s, 0, stop_at_table, NULL, &e), ERR_EXISTS, NULL);
	assert_err(source_tables(s, 1, note_table, &out, &e), ERR_ARG, NULL);
	/* The iteration was given up, and has to be started. */
	assert_err(source_next(s, &item, &e), ERR_BUG, NULL);
	assert_err(source_start(s, 0, &e), ERR_OK, &e);
	assert_err(source_next(s, &item, &e), ERR_OK, &e);
	assert_int_equal(item.event, SOURCE_TABLE);
	source_close(s);
	buf_finish(&out);
}

/* ---- odd, but fine ---- */

static void
archive__all_filters(void **state)
{
	const char *filters[] = {"gzip", "none", "zstd", "xz"};
	struct fixture *f = *state;

	for (size_t i = 0; i < 4; i++) {
		make(f->path, filters[i], whole);
		transcript_of(f->path, WHOLE, ERR_END, NULL);
	}
}

static void
archive__dot_slash_pax_headers_and_directories(void **state)
{
	struct fixture *f = *state;
	char top[200], path[300], want[600];

	memset(top, 't', 150);
	memcpy(top + 150, "\xc3\xa5", 3); /* needs a pax header, long and not ASCII */
	snprintf(path, sizeof(path), "././%s/shop/orders.json", top);
	snprintf(want, sizeof(want), "table shop.orders %s\n1:2 1\nend shop.orders\n", path + 4);
	make(f->path, "gzip",
	    MEMBERS({"./", "", 'd'}, {top, "", 'd'}, {path, "[1]", 0}, {"other", "", 'd'}));
	transcript_of(f->path, want, ERR_END, NULL);
}

static void
archive__top_without_a_date_is_not_dated(void **state)
{
	struct fixture *f = *state;
	const char *tops[] = {"nightly/a/b.json", "2026-11-18/a/b.json",
	    "dump_2026-13-18T03:00:00/a/b.json", "T03:00:00/a/b.json"};
	struct source *s = NULL;
	struct err e = {0};

	for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++) {
		make(f->path, "gzip", MEMBERS({tops[i], "[]", 0}));
		assert_err(source_open(f->path, &s, &e), ERR_OK, &e);
		assert_int_equal(source_runs(s), 1);
		assert_false(source_run(s, 0).dated);
		source_close(s);
	}
	make(f->path, "gzip", MEMBERS({"rethinkdb_dump_2026-11-18T03-00-00/a/b.json", "[]", 0}));
	assert_err(source_open(f->path, &s, &e), ERR_OK, &e);
	assert_true(source_run(s, 0).dated);
	assert_int_equal(source_run(s, 0).date, 1794970800);
	source_close(s);
}

static void
archive__ndjson_and_empty_tables(void **state)
{
	struct fixture *f = *state;

	make(f->path, "gzip",
	    MEMBERS({"t/d/lines.ndjson", "{\"id\":1}\n{\"id\":2}", 0}, {"t/d/none.ndjson", "", 0},
		{"t/d/empty.json", "[\n]\n", 0}));
	transcript_of(f->path,
	    "table d.lines t/d/lines.ndjson\n1:1 {\"id\":1}\n2:1 {\"id\":2}\nend d.lines\n"
	    "table d.none t/d/none.ndjson\nend d.none\n"
	    "table d.empty t/d/empty.json\nend d.empty\n",
	    ERR_END, NULL);
}

static void
archive__several_gzip_members_and_zeros_behind(void **state)
{
	struct fixture *f = *state;
	struct buf tar = {0}, gz = {0};
	char command[600];

	make(f->path, "none", whole);
	test_read_file(f->path, &tar);
	snprintf(command, sizeof(command),
	    "head -c 700 %s | gzip >%s.1 && tail -c +701 %s | gzip >>%s.1 && "
	    "head -c 3000 /dev/zero >>%s.1",
	    f->path, f->path, f->path, f->path, f->path);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "%s.1", f->path);
	transcript_of(command, WHOLE, ERR_END, NULL);
	buf_finish(&tar);
	buf_finish(&gz);
}

static void
archive__documents_across_blocks(void **state)
{
	struct fixture *f = *state;
	struct buf json = {0}, out = {0};
	struct source *s = NULL;
	struct source_item item;
	struct err e = {0};
	uint64_t n = 0;

	/* One document is longer than any block, the others end in all places of one. */
	assert_int_equal(buf_puts(&json, "[\n"), ERR_OK);
	for (unsigned i = 0; i < 30000; i++)
		assert_int_equal(buf_printf(&json, "%s{\"n\": %u, \"text\": \"%0*u\"}",
				     i > 0 ? ",\n" : "", i, i == 777 ? 1000000 : (int)(i % 97), 0),
		    ERR_OK);
	assert_int_equal(buf_puts(&json, "\n]\n"), ERR_OK);
	make(f->path, "gzip", MEMBERS({"t/d/big.json", buf_str(&json), 0}));
	assert_err(source_open(f->path, &s, &e), ERR_OK, &e);
	assert_err(source_start(s, 0, &e), ERR_OK, &e);
	assert_err(source_next(s, &item, &e), ERR_OK, &e);
	assert_int_equal(buf_puts(&out, "[\n"), ERR_OK);
	while (source_next(s, &item, &e) == ERR_OK && item.event == SOURCE_DOCUMENT) {
		assert_int_equal(item.line, n + 2);
		assert_int_equal(item.column, 1);
		assert_int_equal(buf_puts(&out, n++ > 0 ? ",\n" : ""), ERR_OK);
		assert_int_equal(buf_append(&out, item.data, item.len), ERR_OK);
	}
	assert_int_equal(item.event, SOURCE_TABLE_END);
	assert_int_equal(buf_puts(&out, "\n]\n"), ERR_OK);
	assert_int_equal(out.len, json.len);
	assert_memory_equal(out.data, json.data, out.len);
	source_close(s);
	buf_finish(&json);
	buf_finish(&out);
}

/* ---- skipping and beginning again ---- */

static void
archive__skipped_table_leaves_the_others(void **state)
{
	struct fixture *f = *state;
	struct source *s = NULL;
	struct source_item item;
	struct buf out = {0};
	struct err e = {0};

	make(f->path, "gzip",
	    MEMBERS(
		{"t/d/a.json", "[1,2,3]", 0}, {"t/d/a.info", INFO, 0}, {"t/d/b.json", "[4]", 0}));
	assert_err(source_open(f->path, &s, &e), ERR_OK, &e);
	assert_err(source_start(s, 0, &e), ERR_OK, &e);
	source_skip_table(s); /* nothing is being read */
	for (unsigned documents = 0; documents < 3; documents++) {
		assert_err(source_start(s, 0, &e), ERR_OK, &e);
		for (unsigned i = 0; i <= documents; i++)
			assert_err(source_next(s, &item, &e), ERR_OK, &e);
		source_skip_table(s);
		assert_err(source_next(s, &item, &e), ERR_OK, &e);
		assert_int_equal(item.event, SOURCE_INFO);
		assert_err(source_next(s, &item, &e), ERR_OK, &e);
		assert_int_equal(item.event, SOURCE_TABLE);
		assert_string_equal(item.table, "b");
	}
	assert_err(transcript(s, 0, &out, &e), ERR_END, &e);
	assert_text(out.data, out.len,
	    "table d.a t/d/a.json\n1:2 1\n1:4 2\n1:6 3\nend d.a\n"
	    "info d.a t/d/a.info " INFO "\ntable d.b t/d/b.json\n1:2 4\nend d.b\n");
	source_close(s);
	buf_finish(&out);
}

/* ---- tables that are bad, in an archive that is not ---- */

static void
archive__broken_json_leaves_the_other_tables(void **state)
{
	struct fixture *f = *state;

	make(f->path, "gzip",
	    MEMBERS({"t/d/a.json", "[\n{\"id\": 1},\n{\"id\": 2}}\n]\n", 0},
		{"t/d/a.info", INFO, 0}, {"t/d/b.json", "[4]", 0}));
	transcript_of(f->path,
	    "table d.a t/d/a.json\n2:1 {\"id\": 1}\n3:1 {\"id\": 2}\nbad d.a malformed input\n"
	    "table d.b t/d/b.json\n1:2 4\nend d.b\n",
	    ERR_END, TEXT("dump.tar.gz: t/d/a.json: line 3, column 10: "));
}

static void
archive__json_that_breaks_off_is_a_bad_table(void **state)
{
	struct fixture *f = *state;
	const char *texts[] = {"[\n{\"id\": 1},\n{\"id\": 2", "[\n{\"id\": 1},\n",
	    "[\n{\"id\": 1}\n", "[\n", "", "\n \n"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		make(f->path, "gzip", MEMBERS({"t/d/a.json", texts[i], 0}));
		transcript_of(f->path,
		    i < 3 ? "table d.a t/d/a.json\n2:1 {\"id\": 1}\nbad d.a input is truncated\n"
			  : "table d.a t/d/a.json\nbad d.a input is truncated\n",
		    ERR_END, TEXT("dump.tar.gz: t/d/a.json: line ", ", column "));
	}
}

static void
archive__table_that_stands_twice_is_bad(void **state)
{
	struct fixture *f = *state;

	make(f->path, "gzip",
	    MEMBERS({"t/d/a.json", "[1]", 0}, {"t/d/b.info", INFO, 0}, {"t/d/a.json", "[2]", 0},
		{"t/d/a.info", INFO, 0}, {"t/d/b.info", INFO, 0}, {"t/d/b.json", "[3]", 0},
		{"t/d/c.json", "[4]", 0}, {"t/d/c.ndjson", "5", 0}));
	transcript_of(f->path,
	    "table d.a t/d/a.json\n1:2 1\nend d.a\ninfo d.b t/d/b.info " INFO "\n"
	    "bad d.a malformed input\nbad d.b malformed input\n"
	    "table d.c t/d/c.json\n1:2 4\nend d.c\nbad d.c malformed input\n",
	    ERR_END, TEXT("dump.tar.gz: t/d/c.ndjson: ", "twice"));
}

static void
archive__csv_is_refused_with_the_reason(void **state)
{
	struct fixture *f = *state;

	make(f->path, "gzip",
	    MEMBERS(
		{"t/d/a.csv", "id\n1\n", 0}, {"t/d/a.info", INFO, 0}, {"t/d/b.json", "[1]", 0}));
	transcript_of(f->path, "bad d.a malformed input\ntable d.b t/d/b.json\n1:2 1\nend d.b\n",
	    ERR_END, TEXT("dump.tar.gz: t/d/a.csv: ", "csv", "string"));
}

/* Add a file of ${len} times ${c} without having it in memory. */
static void
make_long(struct archive *a, const char *path, uint64_t len, char c)
{
	struct archive_entry *entry = archive_entry_new();
	static char block[1 << 20];

	archive_entry_set_pathname(entry, path);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_size(entry, (la_int64_t)len);
	assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
	memset(block, c, sizeof(block));
	for (uint64_t done = 0; done < len;) {
		size_t n = len - done < sizeof(block) ? (size_t)(len - done) : sizeof(block);
		assert_int_equal(archive_write_data(a, block, n), n);
		done += n;
	}
	archive_entry_free(entry);
}

static void
archive__info_over_the_limit_is_a_bad_table(void **state)
{
	struct fixture *f = *state;
	struct archive *a = make_begin(f->path, "gzip");

	make_long(a, "t/d/a.info", SOURCE_INFO_MAX + 1, ' ');
	make_member(a, &(struct member){"t/d/a.json", "[1]", 0});
	make_member(a, &(struct member){"t/d/b.json", "[2]", 0});
	archive_write_free(a);
	transcript_of(f->path, "bad d.a over a limit\ntable d.b t/d/b.json\n1:2 2\nend d.b\n",
	    ERR_END, TEXT("dump.tar.gz: t/d/a.info: ", "16777216"));
}

/* The memory that this process has had at its peak, in KiB. */
static long
peak(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

static void
archive__bomb_does_not_take_memory(void **state)
{
	struct fixture *f = *state;
	struct archive *a = make_begin(f->path, "gzip");
	long before = peak();

	/* Each of these is packed in some hundred KiB. */
	make_long(a, "t/d/blanks.json", 128u << 20, ' ');
	make_long(a, "t/d/info.info", 128u << 20, 0);
	make_long(a, "t/d/zeros.json", 128u << 20, 0);
	make_member(a, &(struct member){"t/d/b.json", "[2]", 0});
	archive_write_free(a);
	transcript_of(f->path,
	    "table d.blanks t/d/blanks.json\nbad d.blanks input is truncated\n"
	    "bad d.info over a limit\n"
	    "table d.zeros t/d/zeros.json\nbad d.zeros malformed input\n"
	    "table d.b t/d/b.json\n1:2 2\nend d.b\n",
	    ERR_END, NULL);
	assert_in_range(peak() - before, 0, 64 << 10);
}

/* ---- entries that no dump has ---- */

static void
archive__strange_entries_end_the_run(void **state)
{
	struct fixture *f = *state;
	const struct {
		struct member member;
		const char *reason;
	} strange[] = {
	    {{"../t/d.json", "[1]", 0}, "leaves"},
	    {{"t/../x/d.json", "[1]", 0}, "leaves"},
	    {{"t/d/..", "[1]", 0}, "leaves"},
	    {{"t/d/../../../etc/passwd", "[1]", 0}, "leaves"},
	    {{"../", "", 'd'}, "leaves"},
	    {{"/t/d/a.json", "[1]", 0}, "leaves"},
	    {{"t/d/a.json", "/etc/passwd", 'l'}, "symbolic link"},
	    {{"t/d/a.json", "t/d/ok.json", 'h'}, "hard link"},
	    {{"t/d/a.json", "", 'p'}, "device"},
	    {{"t/d/a.json", "", 'c'}, "device"},
	    {{"t/d/a.json", "", 's'}, "sparse"},
	    {{"t/a.json", "[1]", 0}, "TOP/DATABASE/TABLE"},
	    {{"a.json", "[1]", 0}, "TOP/DATABASE/TABLE"},
	    {{"t/d/x/a.json", "[1]", 0}, "TOP/DATABASE/TABLE"},
	    {{"t//a.json", "[1]", 0}, "TOP/DATABASE/TABLE"},
	    {{"t/d//a.json", "[1]", 0}, "TOP/DATABASE/TABLE"},
	    {{"t/./a.json", "[1]", 0}, "TOP/DATABASE/TABLE"},
	    {{"other/d/a.json", "[1]", 0}, "another top directory"},
	    {{"t2/d/a.json", "[1]", 0}, "another top directory"},
	    {{"t/d b/a.json", "[1]", 0}, "database"},
	    {{"t/d\n/a.json", "[1]", 0}, "database"},
	    {{"t/d.e/a.json", "[1]", 0}, "database"},
	    {{"t/d/a\x1b[2J.json", "[1]", 0}, "neither"},
	    {{"t/d/\xc3\xa5.json", "[1]", 0}, "neither"},
	    {{"t/d/.json", "[1]", 0}, "neither"},
	    {{"t/d/a", "[1]", 0}, "neither"},
	    {{"t/d/a.txt", "[1]", 0}, "neither"},
	    {{"t/d/a.b.json", "[1]", 0}, "neither"},
	    {{"t/d/a.JSON", "[1]", 0}, "neither"},
	    {{"t/d/a.json.gz", "[1]", 0}, "neither"},
	};

	for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
		make(f->path, "gzip",
		    MEMBERS(
			{"t/d/ok.json", "[0]", 0}, strange[i].member, {"t/d/b.json", "[9]", 0}));
		transcript_of(f->path, "table d.ok t/d/ok.json\n1:2 0\nend d.ok\n", ERR_FORMAT,
		    TEXT("dump.tar.gz: ", strange[i].reason));
	}
}

static void
archive__strange_first_entry_is_no_dump(void **state)
{
	struct fixture *f = *state;
	struct source *s = NULL;
	struct err e = {0};

	make(f->path, "gzip", MEMBERS({"etc/passwd", "root", 0}));
	assert_err(source_open(f->path, &s, &e), ERR_FORMAT, &e);
	assert_non_null(strstr(e.text, "dump.tar.gz: etc/passwd: "));
	assert_null(s);
}

static void
archive__long_names_leave_the_reason_in_the_text(void **state)
{
	struct fixture *f = *state;
	char path[700];

	memset(path, 'n', sizeof(path));
	memcpy(path + 200, "/", 1);
	strcpy(path + 690, ".json");
	make(f->path, "gzip", MEMBERS({path, "[1]", 0}));
	transcript_of(
	    f->path, NULL, ERR_FORMAT, TEXT("dump.tar.gz: ", "nnnn.json: ", "TOP/DATABASE/TABLE"));
}

static void
archive__too_many_tables(void **state)
{
	struct fixture *f = *state;
	struct archive *a = make_begin(f->path, "gzip");
	char path[64];
	struct source *s = NULL;
	struct source_item item;
	struct err e = {0};
	int rc;

	for (unsigned i = 0; i <= SOURCE_TABLES_MAX; i++) {
		snprintf(path, sizeof(path), "t/d/%u.info", i);
		make_member(a, &(struct member){path, "", 0});
	}
	archive_write_free(a);
	assert_err(source_open(f->path, &s, &e), ERR_OK, &e);
	rc = source_start(s, 0, &e);
	while (rc == ERR_OK)
		rc = source_next(s, &item, &e);
	assert_err(rc, ERR_LIMIT, &e);
	source_close(s);
}

/* ---- damage ---- */

static void
archive__not_an_archive(void **state)
{
	struct fixture *f = *state;
	static const char text[] = "id,name\n1,one\n";
	static const char zip[2000] = "PK\003\004";
	static uint8_t noise[5000];

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)(i * i * 31 + 7);
	test_write_file(f->path, "", 0);
	transcript_of(f->path, NULL, ERR_TRUNCATED, TEXT("dump.tar.gz: ", "empty"));
	test_write_file(f->path, text, sizeof(text));
	transcript_of(f->path, NULL, ERR_FORMAT, TEXT("dump.tar.gz: ", "not a rethinkdb dump"));
	test_write_file(f->path, zip, sizeof(zip));
	transcript_of(f->path, NULL, ERR_FORMAT, TEXT("dump.tar.gz: ", "not a rethinkdb dump"));
	test_write_file(f->path, noise, sizeof(noise));
	transcript_of(f->path, NULL, ERR_FORMAT, TEXT("dump.tar.gz: ", "not a rethinkdb dump"));
	/* Magic numbers of compressors, and nothing sensible behind them. */
	memcpy(noise, "\x1f\x8b", 2);
	test_write_file(f->path, noise, sizeof(noise));
	transcript_of(f->path, NULL, ERR_FORMAT, TEXT("dump.tar.gz: ", "damaged"));
	memcpy(noise, "\x28\xb5\x2f\xfd", 4);
	test_write_file(f->path, noise, sizeof(noise));
	transcript_of(f->path, NULL, ERR_FORMAT, TEXT("dump.tar.gz: "));
	memcpy(noise, "\xfd\x37zXZ", 6);
	test_write_file(f->path, noise, sizeof(noise));
	transcript_of(f->path, NULL, ERR_FORMAT, TEXT("dump.tar.gz: "));
}

static void
archive__gzip_of_something_else(void **state)
{
	struct fixture *f = *state;
	char command[300];

	snprintf(command, sizeof(command), "seq 100000 | gzip >%s", f->path);
	assert_int_equal(system(command), 0);
	transcript_of(f->path, NULL, ERR_FORMAT, TEXT("dump.tar.gz: ", "not a rethinkdb dump"));
}

static void
archive__without_tables(void **state)
{
	struct fixture *f = *state;

	make(f->path, "gzip", MEMBERS({"top/", "", 'd'}));
	transcript_of(f->path, NULL, ERR_FORMAT, TEXT("dump.tar.gz: ", "no table"));
	make(f->path, "gzip", &(const struct member){NULL, NULL, 0});
	transcript_of(f->path, NULL, ERR_FORMAT, TEXT("dump.tar.gz: ", "no table"));
}

/*
 * Read an archive of these bytes to its end: the code, and whether all of ${want} came; it has to
 * begin with what came.
 */
static int
read_part(const void *data, size_t len, const char *want, bool *all, struct err *e)
{
	int fd = memfd_create("dump.tar.gz", MFD_CLOEXEC);
	struct source *s = NULL;
	struct buf out = {0};
	char path[64];
	int rc;

	assert_int_equal(write(fd, data, len), len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	rc = source_open(path, &s, e);
	close(fd);

	if (rc == ERR_OK)
		rc = transcript(s, 0, &out, e);
	assert_true(out.len <= strlen(want));
	if (out.len > 0)
		assert_memory_equal(out.data, want, out.len);
	*all = out.len == strlen(want);
	source_close(s);
	buf_finish(&out);
	return rc;
}

/* Cut the archive at every byte: it never passes for whole. */
static void
cut_everywhere(struct fixture *f, const char *filter, size_t format_below)
{
	struct buf file = {0};
	bool all;

	make(f->path, filter, whole);
	test_read_file(f->path, &file);
	for (size_t len = 0; len < file.len; len += len < 2048 ? 1 : 97) {
		struct err e = {0};
		int rc;
		rc = read_part(file.data, len, WHOLE, &all, &e);
		if (rc == ERR_END && strcmp(filter, "none") == 0 && all)
			continue; /* within the zeros that stand behind a tar's end mark */
		assert_err(rc, len > 0 && len < format_below ? ERR_FORMAT : ERR_TRUNCATED, &e);
		assert_true(strlen(e.text) > 0);
	}
	buf_finish(&file);
}

static void
archive__cut_off_anywhere_is_truncated(void **state)
{
	cut_everywhere(*state, "gzip", 2);
	cut_everywhere(*state, "none", 512);
	cut_everywhere(*state, "xz", 6);
	cut_everywhere(*state, "zstd", 4);
}

static void
archive__truncated_text_names_archive_and_member(void **state)
{
	struct fixture *f = *state;
	struct buf file = {0};

	test_read_file(test_data("rethinkdb_dump_2026-11-18T03:00:00.tar.gz"), &file);
	test_write_file(f->path, file.data, file.len / 2);
	transcript_of(f->path, NULL, ERR_TRUNCATED,
	    TEXT("dump.tar.gz: " TOP "/", "the archive is truncated"));
	buf_finish(&file);
}

static void
archive__any_flipped_bit_of_a_gzip_is_seen(void **state)
{
	struct fixture *f = *state;
	struct buf file = {0};

	make(f->path, "gzip", whole);
	test_read_file(f->path, &file);
	for (size_t i = 0; i < file.len * 8; i++) {
		struct err e = {0};
		bool all;
		int rc;
		file.data[i / 8] ^= (uint8_t)(1 << i % 8);
		rc = read_part(file.data, file.len, WHOLE, &all, &e);
		/* Some bits mean nothing: a time and a system's name in the header, padding. */
		if (rc == ERR_END)
			assert_true(all);
		else
			assert_true(rc == ERR_FORMAT || rc == ERR_TRUNCATED);
		file.data[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	buf_finish(&file);
}

static void
archive__wrong_checksum_is_damage_though_all_tables_were_read(void **state)
{
	struct fixture *f = *state;
	struct buf file = {0};
	struct err e = {0};
	bool all;

	make(f->path, "gzip", whole);
	test_read_file(f->path, &file);
	file.data[file.len - 8] ^= 1;
	test_write_file(f->path, file.data, file.len);
	transcript_of(f->path, NULL, ERR_FORMAT, TEXT("dump.tar.gz: ", "damaged", "check"));
	/* The length behind it. */
	file.data[file.len - 8] ^= 1;
	file.data[file.len - 1] ^= 1;
	assert_err(read_part(file.data, file.len, WHOLE, &all, &e), ERR_FORMAT, &e);
	buf_finish(&file);
}

static void
archive__something_behind_the_end_is_damage(void **state)
{
	struct fixture *f = *state;
	struct buf file = {0};

	make(f->path, "gzip", whole);
	test_read_file(f->path, &file);
	assert_int_equal(buf_puts(&file, "garbage"), ERR_OK);
	test_write_file(f->path, file.data, file.len);
	transcript_of(f->path, NULL, ERR_FORMAT, TEXT("dump.tar.gz: ", "not gzip"));
	/* Two tars in a row: what is in the second one would be passed over. */
	make(f->path, "none", whole);
	buf_clear(&file);
	test_read_file(f->path, &file);
	test_read_file(f->path, &file);
	test_write_file(f->path, file.data, file.len);
	transcript_of(f->path, WHOLE, ERR_FORMAT, TEXT("dump.tar.gz: ", "follows"));
	buf_finish(&file);
}

static void
archive__damaged_tar_headers(void **state)
{
	struct fixture *f = *state;
	struct buf file = {0};
	struct err e = {0};
	bool all;

	make(f->path, "none", whole);
	test_read_file(f->path, &file);
	/* The second header is at 1024: the first file's text fills one block. */
	file.data[1024 + 3] ^= 1;
	test_write_file(f->path, file.data, file.len);
	transcript_of(f->path, NULL, ERR_FORMAT, TEXT("dump.tar.gz: ", "damaged"));
	/* A header of zeros looks like the end. */
	memset(file.data + 1024, 0, 512);
	assert_err(read_part(file.data, file.len, WHOLE, &all, &e), ERR_FORMAT, &e);
	assert_non_null(strstr(e.text, "follows"));
	buf_finish(&file);
}

/* Write ${n} bytes of a tar header by hand: libarchive would not. */
static void
raw_header(uint8_t h[512], const char *name, char type, uint64_t size)
{
	unsigned sum = 0;

	memset(h, 0, 512);
	snprintf((char *)h, 100, "%s", name);
	memcpy(h + 100, "0000644", 8);
	snprintf((char *)h + 124, 12, "%011llo", (unsigned long long)size);
	memset(h + 148, ' ', 8);
	h[156] = (uint8_t)type;
	memcpy(h + 257, "ustar\00000", 8);
	for (unsigned i = 0; i < 512; i++)
		sum += h[i];
	snprintf((char *)h + 148, 8, "%06o", sum);
}

static void
archive__headers_without_end_do_not_take_memory(void **state)
{
	struct fixture *f = *state;
	struct buf tar = {0};
	uint8_t h[512];
	char pax[512], gz[300];
	long before = peak();

	/* A sparse map of 128 MiB, packed in some KiB. */
	raw_header(h, "x", 'x', 512);
	memset(pax, '\n', sizeof(pax));
	snprintf(pax, sizeof(pax),
	    "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
	    "30 GNU.sparse.name=t/d/a.json\n");
	pax[strlen(pax)] = '\n';
	raw_header(h, "x", 'x', strlen("22 GNU.sparse.major=1\n") * 2 + 30);
	assert_int_equal(buf_append(&tar, h, 512), ERR_OK);
	assert_int_equal(buf_append(&tar, pax, 512), ERR_OK);
	raw_header(h, "t/d/a.json", '0', 077777777777);
	assert_int_equal(buf_append(&tar, h, 512), ERR_OK);
	assert_int_equal(buf_puts(&tar, "99999999\n"), ERR_OK);
	test_write_file(f->path, tar.data, tar.len);
	snprintf(gz, sizeof(gz), "(cat %s; yes 0 | head -c 134217728) | gzip -1 >%s.gz", f->path,
	    f->path);
	assert_int_equal(system(gz), 0);
	snprintf(gz, sizeof(gz), "%s.gz", f->path);
	transcript_of(gz, NULL, ERR_FORMAT, TEXT("dump.tar.gz.gz: ", "headers"));
	assert_in_range(peak() - before, 0, 64 << 10);
	buf_finish(&tar);
}

static void
archive__file_that_is_one_hole(void **state)
{
	struct fixture *f = *state;
	uint8_t tar[3072] = {0};

	/* libarchive hands out nothing of it, as if it were empty. */
	raw_header(tar, "x", 'x', 21);
	memcpy(tar + 512, "21 SUN.holesdata= 19\n", 21);
	raw_header(tar + 1024, "t/d/a.ndjson", '0', 19);
	memcpy(tar + 1536, "{\"id\":1}\n{\"id\":23}\n", 19);
	test_write_file(f->path, tar, sizeof(tar));
	transcript_of(f->path, "table d.a t/d/a.ndjson\n", ERR_FORMAT,
	    TEXT("dump.tar.gz: t/d/a.ndjson: ", "sparse"));
}

static void
archive__checksum_behind_long_padding(void **state)
{
	struct fixture *f = *state;
	struct buf file = {0};
	char command[900];

	/* More zeros than one block: they are read, as the checksum stands behind them. */
	make(f->path, "none", whole);
	snprintf(command, sizeof(command),
	    "head -c 1000000 /dev/zero >>%s && gzip -c %s >%s.1 && mv %s.1 %s", f->path, f->path,
	    f->path, f->path, f->path);
	assert_int_equal(system(command), 0);
	transcript_of(f->path, WHOLE, ERR_END, NULL);
	test_read_file(f->path, &file);
	file.data[file.len - 8] ^= 1;
	test_write_file(f->path, file.data, file.len);
	transcript_of(f->path, WHOLE, ERR_FORMAT, TEXT("dump.tar.gz: ", "damaged"));
	file.data[file.len - 8] ^= 1;
	test_write_file(f->path, file.data, file.len - 1);
	transcript_of(f->path, WHOLE, ERR_TRUNCATED, TEXT("dump.tar.gz: ", "truncated"));
	buf_finish(&file);
}

static void
archive__entry_larger_than_the_archive(void **state)
{
	struct fixture *f = *state;
	uint8_t tar[1536] = {0};

	raw_header(tar, "t/d/a.json", '0', 077777777777);
	memcpy(tar + 512, "[1,", 3);
	test_write_file(f->path, tar, 515);
	transcript_of(f->path, "table d.a t/d/a.json\n1:2 1\n", ERR_TRUNCATED,
	    TEXT("dump.tar.gz: t/d/a.json: ", "truncated"));
}

static void
archive__nothing_there(void **state)
{
	struct fixture *f = *state;

	transcript_of(f->path, NULL, ERR_ABSENT, TEXT("dump.tar.gz"));
}

static void
archive__null_error_is_fine(void **state)
{
	struct fixture *f = *state;
	struct source *s = NULL;
	struct source_item item;

	assert_int_equal(source_open(f->path, &s, NULL), ERR_ABSENT);
	make(f->path, "gzip",
	    MEMBERS({"t/d/a.json", "[1}", 0}, {"t/d/a.json", "[1]", 0}, {"bad", "", 0}));
	assert_int_equal(source_open(f->path, &s, NULL), ERR_OK);
	assert_int_equal(source_start(s, 0, NULL), ERR_OK);
	assert_int_equal(source_start(s, 1, NULL), ERR_ARG);
	while (source_next(s, &item, NULL) == ERR_OK)
		;
	assert_int_equal(source_next(s, &item, NULL), ERR_FORMAT);
	assert_int_equal(source_tables(s, 0, stop_at_table, NULL, NULL), ERR_FORMAT);
	source_close(s);
	source_close(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(archive__bomb_does_not_take_memory),
	    TEST(archive__headers_without_end_do_not_take_memory),
	    TEST(archive__real_dumps_give_what_tar_and_split_give),
	    TEST(archive__real_dump_has_the_documents_that_the_server_had),
	    TEST(archive__date_is_the_top_directorys_local_time),
	    TEST(archive__gives_up_when_told),
	    TEST(archive__tables_are_those_with_documents),
	    TEST(archive__all_filters),
	    TEST(archive__dot_slash_pax_headers_and_directories),
	    TEST(archive__top_without_a_date_is_not_dated),
	    TEST(archive__ndjson_and_empty_tables),
	    TEST(archive__several_gzip_members_and_zeros_behind),
	    TEST(archive__documents_across_blocks),
	    TEST(archive__skipped_table_leaves_the_others),
	    TEST(archive__broken_json_leaves_the_other_tables),
	    TEST(archive__json_that_breaks_off_is_a_bad_table),
	    TEST(archive__table_that_stands_twice_is_bad),
	    TEST(archive__csv_is_refused_with_the_reason),
	    TEST(archive__info_over_the_limit_is_a_bad_table),
	    TEST(archive__strange_entries_end_the_run),
	    TEST(archive__strange_first_entry_is_no_dump),
	    TEST(archive__long_names_leave_the_reason_in_the_text),
	    TEST(archive__too_many_tables),
	    TEST(archive__not_an_archive),
	    TEST(archive__gzip_of_something_else),
	    TEST(archive__without_tables),
	    TEST(archive__cut_off_anywhere_is_truncated),
	    TEST(archive__truncated_text_names_archive_and_member),
	    TEST(archive__any_flipped_bit_of_a_gzip_is_seen),
	    TEST(archive__wrong_checksum_is_damage_though_all_tables_were_read),
	    TEST(archive__something_behind_the_end_is_damage),
	    TEST(archive__damaged_tar_headers),
	    TEST(archive__file_that_is_one_hole),
	    TEST(archive__checksum_behind_long_padding),
	    TEST(archive__entry_larger_than_the_archive),
	    TEST(archive__nothing_there),
	    TEST(archive__null_error_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
