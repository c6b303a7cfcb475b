/* Files of runs: what is saved is loaded; every kind of damage is found. */
#include "snapshot/store/runfile.h"

#include "catalog/base/bytes.h"
#include "catalog/base/digest.h"
#include "snapshot/store/pack.h"
#include "tests/support/packs.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUN 7 /* number of the run that is saved */

static const char record[] = "{\"users\":[{\"id\":\"admin\",\"password\":false}]}";

static void
run_make(struct runfile *r)
{
	*r = (struct runfile){.id = RUN, .date = -1763434800};
	assert_int_equal(buf_puts(&r->source, "rethinkdb://localhost:28015"), ERR_OK);
	assert_int_equal(buf_puts(&r->record, record), ERR_OK);
}

/* Save it, read the file's bytes into ${file}, and put its path into ${path}. */
static void
run_save(struct packs *p, struct buf *file, char path[4096])
{
	struct runfile r;
	struct err e = {0};

	run_make(&r);
	assert_err(runfile_save(p->fd, &r, &e), ERR_OK, &e);
	runfile_finish(&r);
	test_read_file(packs_path(p, RUN, "run", path), file);
}

/* Load what the bytes in ${file} are; the text of a failure names the run. */
static int
run_load(struct packs *p, const struct buf *file, const char *path, struct err *e)
{
	struct runfile r = {0};
	int rc;

	unlink(path);
	test_write_file(path, file->data, file->len);
	rc = runfile_load(p->fd, RUN, &r, e);
	if (rc != ERR_OK) {
		assert_non_null(strstr(e->text, "run 0000000000000007"));
		assert_int_equal(r.record.len, 0);
	}
	runfile_finish(&r);
	return rc;
}

/* Make the checksum of a changed file right. */
static void
run_correct(struct buf *file)
{
	size_t len = file->len - DIGEST_FULL;

	assert_int_equal(digest_whole(file->data, len, file->data + len), ERR_OK);
}

static void
runfile_load__what_was_saved(void **state)
{
	struct packs *p = *state;
	struct runfile r = {0};
	struct buf file = {0};
	struct err e = {0};
	struct stat st;
	char path[4096];

	run_save(p, &file, path);
	assert_int_equal(file.len, 48 + 27 + strlen(record) + DIGEST_FULL);
	assert_memory_equal(file.data, "TBRUN\0\r\n\1\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0", 24);
	assert_memory_equal(file.data + 48, "rethinkdb://localhost:28015{", 28);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_err(runfile_load(p->fd, RUN, &r, &e), ERR_OK, &e);
	assert_int_equal(r.id, RUN);
	assert_true(r.date == -1763434800);
	assert_string_equal(buf_str(&r.source), "rethinkdb://localhost:28015");
	assert_string_equal(buf_str(&r.record), record);
	runfile_finish(&r);
	buf_finish(&file);
}

static void
runfile_save__never_replaces(void **state)
{
	struct packs *p = *state;
	struct runfile r;
	struct buf file = {0}, again = {0};
	struct err e = {0};
	char path[4096];

	run_save(p, &file, path);
	run_make(&r);
	assert_int_equal(buf_putc(&r.record, ' '), ERR_OK);
	assert_int_equal(runfile_save(p->fd, &r, &e), ERR_EXISTS);
	test_read_file(path, &again);
	assert_int_equal(again.len, file.len);
	assert_memory_equal(again.data, file.data, file.len);
	assert_err(runfile_remove(p->fd, RUN, &e), ERR_OK, &e);
	assert_err(runfile_remove(p->fd, RUN, &e), ERR_OK, &e);
	assert_int_equal(runfile_load(p->fd, RUN, &r, &e), ERR_ABSENT);
	assert_string_equal(e.text, "run 0000000000000007 is missing; run: thinkback check");
	runfile_finish(&r);
	buf_finish(&file);
	buf_finish(&again);
}

static void
runfile_save__too_long(void **state)
{
	struct packs *p = *state;
	struct runfile r;
	size_t source;

	run_make(&r);
	source = r.source.len;
	r.source.len = RUNFILE_SOURCE_MAX + 1;
	assert_int_equal(runfile_save(p->fd, &r, NULL), ERR_LIMIT);
	r.source.len = source;
	r.record.len = RUNFILE_RECORD_MAX + 1;
	assert_int_equal(runfile_save(p->fd, &r, NULL), ERR_LIMIT);
	assert_int_equal(packs_files(p), 0);
	runfile_finish(&r);
}

/* Every byte of it counts, and so does its end. */
static void
runfile_load__damage(void **state)
{
	struct packs *p = *state;
	struct buf file = {0};
	struct err e = {0};
	size_t whole;
	char path[4096];

	run_save(p, &file, path);
	whole = file.len;
	for (size_t i = 0; i < file.len; i++) {
		int rc;
		file.data[i] ^= 0x20;
		rc = run_load(p, &file, path, &e);
		assert_int_equal(rc, ERR_CORRUPT);
		file.data[i] ^= 0x20;
	}
	while (file.len-- > 0)
		assert_int_equal(run_load(p, &file, path, &e), ERR_CORRUPT);
	file.len = whole;
	assert_int_equal(buf_putc(&file, 0), ERR_OK);
	assert_int_equal(run_load(p, &file, path, &e), ERR_CORRUPT);
	assert_int_equal(truncate(path, 1 << 30), 0);
	assert_int_equal(runfile_load(p->fd, RUN, &(struct runfile){0}, &e), ERR_CORRUPT);
	assert_non_null(strstr(e.text, "too long"));
	buf_finish(&file);
}

/* Headers that lie with a correct checksum. */
static void
runfile_load__lies(void **state)
{
	/* Where a number is changed, how many bytes it has, what to, and what is made of it. */
	static const struct {
		size_t at;
		uint32_t to;
		int rc;
	} lies[] = {{8, 0, ERR_CORRUPT}, {8, 2, ERR_VERSION}, {12, 1, ERR_VERSION},
	    {12, 0x8000, ERR_VERSION}, {12, 0x10000, ERR_OK}, {16, 8, ERR_CORRUPT},
	    {32, 0, ERR_CORRUPT}, {32, UINT32_MAX, ERR_CORRUPT}, {32, 65537, ERR_CORRUPT},
	    {36, UINT32_MAX, ERR_CORRUPT}, {36, 0, ERR_CORRUPT}};
	struct packs *p = *state;
	struct buf file = {0}, whole = {0};
	struct err e = {0};
	char path[4096];

	run_save(p, &whole, path);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		buf_clear(&file);
		assert_int_equal(buf_append(&file, whole.data, whole.len), ERR_OK);
		bytes_put32(file.data + lies[i].at, lies[i].to);
		run_correct(&file);
		assert_int_equal(run_load(p, &file, path, &e), lies[i].rc);
	}
	buf_finish(&file);
	buf_finish(&whole);
}

/* Under another run's name it is not that run's. */
static void
runfile_load__another_ones_file(void **state)
{
	struct packs *p = *state;
	struct buf file = {0};
	char from[4096], to[4096];

	run_save(p, &file, from);
	assert_int_equal(rename(from, packs_path(p, RUN + 1, "run", to)), 0);
	assert_int_equal(runfile_load(p->fd, RUN + 1, &(struct runfile){0}, NULL), ERR_CORRUPT);
	buf_finish(&file);
}

static int
count_run(void *arg, uint64_t id)
{
	assert_int_equal(id, RUN);
	++*(int *)arg;
	return ERR_OK;
}

static int
count_pack(void *arg, uint64_t id, bool is_dictionary)
{
	(void)id;
	(void)is_dictionary;
	++*(int *)arg;
	return ERR_OK;
}

/* Each list shows its own kind. */
static void
runfile_list__alone(void **state)
{
	struct packs *p = *state;
	struct packs_plan plan = {.id = 3, .lines = 2, .most = 100};
	struct pack_totals totals;
	struct buf file = {0};
	struct err e = {0};
	char path[4096];
	int runs = 0, packs = 0;

	run_save(p, &file, path);
	packs_write(p, &plan, &totals);
	assert_err(runfile_list(p->fd, count_run, &runs, &e), ERR_OK, &e);
	assert_err(pack_list(p->fd, count_pack, &packs, &e), ERR_OK, &e);
	assert_int_equal(runs, 1);
	assert_int_equal(packs, 1);
	buf_finish(&file);
}

#define RUNFILE_TEST(f) cmocka_unit_test_setup_teardown(f, packs_setup, packs_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    RUNFILE_TEST(runfile_load__what_was_saved),
	    RUNFILE_TEST(runfile_save__never_replaces),
	    RUNFILE_TEST(runfile_save__too_long),
	    RUNFILE_TEST(runfile_load__damage),
	    RUNFILE_TEST(runfile_load__lies),
	    RUNFILE_TEST(runfile_load__another_ones_file),
	    RUNFILE_TEST(runfile_list__alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
