/*
 * A thousand damages, drawn with a fixed seed, to the packs, dictionaries and the catalogue of a
 * repository. Each is found by a check that reads all data, unless nothing that the files hold is
 * different; what is read all the same is what was stored; and a catalogue that is made again is
 * the one from before. A repair keeps all that could be read and drops what is nowhere; a snapshot
 * that holds the same documents again puts them back into every date.
 *
 * The one exception is decided by looking, not by allowing for it: a damage to catalog.db counts as
 * none when every value of every row is as before, but for those that nothing else tells (when a
 * run was started, when a snapshot was verified, on how many documents a dictionary was trained)
 * and for a last number given out that is larger than needed.
 */
#include "snapshot/check.h"
#include "snapshot/documents.h"
#include "snapshot/rebuild.h"
#include "snapshot/repair.h"
#include "tests/support/packs.h"
#include "tests/support/take.h"
#include "tests/support/test.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SWEEP_DAMAGES 1000
#define SWEEP_REPAIRS (TEST_SANITIZED ? 10 : 1) /* one damage in so many is repaired */
#define SWEEP_FILES 64
#define SWEEP_VERSIONS 4096
#define SWEEP_DOCUMENTS 150 /* of the large table */
#define SWEEP_DAYS 3

struct sweep_file {
	char *path; /* owned */
	bool is_catalog;
	struct buf whole;   /* as it was */
	struct buf damaged; /* as it is written */
};

/* Whether anything is on disk is not asked here, and asking takes most of the time. */
int
fsync(int fd)
{
	(void)fd;
	return 0;
}

int
fdatasync(int fd)
{
	(void)fd;
	return 0;
}

/* A document of a snapshot. */
struct sweep_shown {
	uint8_t digest[DIGEST_LEN]; /* of its bytes */
	int64_t table_id;
	int64_t snapshot_id;
};

/* What is shown, sorted by digest. */
struct sweep_set {
	struct sweep_shown items[SWEEP_VERSIONS];
	size_t n;
};

struct sweep {
	char *dir;
	char export[600];
	char repo_path[512];
	struct repo *repo;
	struct sweep_file files[SWEEP_FILES];
	size_t n_files;
	struct buf rows; /* of the whole catalogue */
	struct sweep_set whole;
	struct sweep_set damaged, repaired, healed; /* after each of these */
	struct digest *digest;
	uint64_t random;
	/* What was seen. */
	unsigned catalog, harmless, found, refused;
	uint64_t served, lost, restored;
};

/* ---- the repository ---- */

/* One day's documents of a table: some change, some go and come back. */
static void
sweep_table(const char *dir, const char *table, unsigned documents, unsigned day, const char *parts)
{
	struct buf text = {0};
	char path[700];

	snprintf(path, sizeof(path), "%s/d/%s.info", dir, table);
	buf_printf(&text, "{\"primary_key\":\"id\",\"doc_count_estimates\":%s}", parts);
	test_write_file(path, text.data, text.len);
	buf_clear(&text);
	buf_puts(&text, "[\n");
	for (unsigned n = 0; n < documents; n++) {
		unsigned version = n % 9 == 0 ? day : n % 17 == 0 ? day / 2 : 0;
		if ((n + day) % 23 == 0)
			continue;
		buf_printf(
		    &text, "%s{\"id\":%u,\"v\":%u,\"a\":[", text.len > 2 ? ",\n" : "", n, version);
		for (unsigned i = 0; i < 440; i++)
			buf_printf(&text, "%s%u", i > 0 ? "," : "", (n * 31 + i * i * 17) % 9973);
		buf_puts(&text, "],\"state\":\"as it should be\"}");
	}
	buf_puts(&text, "\n]\n");
	snprintf(path, sizeof(path), "%s/d/%s.json", dir, table);
	test_write_file(path, text.data, text.len);
	buf_finish(&text);
}

/* Take a snapshot of what was exported last. */
static void
sweep_take(struct sweep *s, unsigned day)
{
	take_export(s->repo, s->export, 1795000000 + 86400 * (int64_t)day, 2);
}

static void
sweep_add_file(struct sweep *s, const char *path, bool is_catalog)
{
	struct sweep_file *f = &s->files[s->n_files++];

	assert_true(s->n_files <= SWEEP_FILES);
	f->path = strdup(path);
	f->is_catalog = is_catalog;
	test_read_file(path, &f->whole);
}

static int
sweep_by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int
sweep_is_file(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

/* All files, in the order of their names. */
static void
sweep_files(struct sweep *s)
{
	struct dirent **names;
	char dir[600], path[900];
	int n;

	snprintf(path, sizeof(path), "%s/catalog.db", s->repo_path);
	sweep_add_file(s, path, true);
	snprintf(dir, sizeof(dir), "%s/packs/000000", s->repo_path);
	n = scandir(dir, &names, sweep_is_file, sweep_by_name);
	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		sweep_add_file(s, path, false);
		free(names[i]);
	}
	free(names);
}

/* ---- what the catalogue says ---- */

static const char *const SWEEP_ROWS[] = {
    "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name",
    "SELECT * FROM databases ORDER BY id", "SELECT * FROM tables ORDER BY id",
    "SELECT id, date, source FROM runs ORDER BY id",
    ("SELECT id, table_id, run_id, date, complete, shards, documents, bytes, added, changed,"
     " deleted, stored_bytes, primary_key, config, lost FROM snapshots ORDER BY id"),
    "SELECT * FROM shards ORDER BY snapshot_id, number", "SELECT * FROM packs ORDER BY id",
    "SELECT id, table_id, bytes FROM dictionaries ORDER BY id",
    "SELECT * FROM versions ORDER BY table_id, key, born"};
static const char SWEEP_NUMBERS[] = "SELECT name, seq FROM sqlite_sequence ORDER BY name";

static int
sweep_append_rows(sqlite3 *db, const char *sql, struct buf *out)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(stmt); i++) {
			const void *p = sqlite3_column_blob(stmt, i);
			int len = sqlite3_column_bytes(stmt, i);
			buf_printf(out, "%d:%d:", sqlite3_column_type(stmt, i), len);
			buf_append(out, p != NULL ? p : "", (size_t)len);
		}
		buf_putc(out, '\n');
		rc = SQLITE_OK;
	}
	sqlite3_finalize(stmt);
	return rc;
}

/* Append all rows of the catalogue (and, with ${numbers}, the last numbers given out) to ${out}. */
static bool
sweep_rows(const struct sweep *s, bool numbers, struct buf *out)
{
	sqlite3 *db = NULL;
	int rc = sqlite3_open_v2(s->files[0].path, &db, SQLITE_OPEN_READWRITE, NULL);

	buf_clear(out);
	for (size_t i = 0; i < sizeof(SWEEP_ROWS) / sizeof(SWEEP_ROWS[0]); i++)
		if (rc == SQLITE_OK || rc == SQLITE_DONE)
			rc = sweep_append_rows(db, SWEEP_ROWS[i], out);
	if (numbers && rc == SQLITE_DONE)
		rc = sweep_append_rows(db, SWEEP_NUMBERS, out);
	sqlite3_close(db);
	return rc == SQLITE_DONE;
}

/* ---- reading ---- */

static int
sweep_digest_compare(const void *a, const void *b)
{
	return memcmp(a, b, DIGEST_LEN);
}

static int
sweep_shown_compare(const void *a, const void *b)
{
	const struct sweep_shown *x = a, *y = b;
	int order = memcmp(x->digest, y->digest, DIGEST_LEN);

	if (order == 0)
		order = (x->snapshot_id > y->snapshot_id) - (x->snapshot_id < y->snapshot_id);
	return order;
}

/* Whether ${set} shows that document in the same snapshot. */
static bool
sweep_shows(const struct sweep_set *set, const struct sweep_shown *shown)
{
	return bsearch(shown, set->items, set->n, sizeof(*shown), sweep_shown_compare) != NULL;
}

/* Whether all that ${part} shows is shown by ${set}. */
static bool
sweep_within(const struct sweep_set *part, const struct sweep_set *set)
{
	for (size_t i = 0; i < part->n; i++)
		if (!sweep_shows(set, &part->items[i]))
			return false;
	return true;
}

/* Read every document of a snapshot; each must be one that was stored. */
static void
sweep_read_snapshot(struct sweep *s, struct catalog *cat, struct store *store,
    const struct snapshots_snapshot *snapshot, struct sweep_set *out)
{
	const struct versions_version *version;
	const struct buf *bytes;
	struct documents *d;
	struct err e = {0};
	int rc;

	assert_int_equal(documents_open(cat, store, snapshot, &d, &e), ERR_OK);
	for (unsigned n = 0; n < 2 * SWEEP_DOCUMENTS; n++) {
		struct sweep_shown *shown = &out->items[out->n];
		rc = documents_next(d, &version, &bytes, &e);
		if (rc == ERR_CORRUPT) {
			s->refused++;
			continue;
		}
		if (rc != ERR_OK)
			break;
		s->served++;
		assert_true(out->n++ < SWEEP_VERSIONS);
		*shown = (struct sweep_shown){
		    .table_id = snapshot->table_id, .snapshot_id = snapshot->id};
		assert_int_equal(
		    digest_document(s->digest, bytes->data, bytes->len, shown->digest), ERR_OK);
		if (out != &s->whole && bsearch(shown->digest, s->whole.items, s->whole.n,
					    sizeof(*shown), sweep_digest_compare) == NULL)
			fail_msg("served: %.*s", (int)bytes->len, (const char *)bytes->data);
	}
	documents_close(d);
}

/* Read what there is to read. */
static void
sweep_read(struct sweep *s, struct sweep_set *out)
{
	struct catalog *cat;
	struct store *store;
	struct err e = {0};

	out->n = 0;
	if (catalog_open(s->repo, CATALOG_READ, &cat, &e) != ERR_OK)
		return;
	assert_int_equal(store_create(s->repo->packsfd, NULL, &store, &e), ERR_OK);
	for (int64_t table = 1; table <= 2; table++) {
		struct snapshots_snapshot snapshot = {0};
		for (unsigned n = 0; n < 2 * SWEEP_DAYS; n++) {
			if (snapshots_next(cat, table, snapshot.id, &snapshot, &e) != ERR_OK)
				break;
			sweep_read_snapshot(s, cat, store, &snapshot, out);
		}
	}
	store_free(store);
	catalog_close(cat);
	qsort(out->items, out->n, sizeof(out->items[0]), sweep_shown_compare);
}

/* ---- damaging ---- */

/* Flip a bit, cut off, zero a block, or swap two. */
static void
sweep_damage(struct sweep *s, struct sweep_file *f)
{
	uint64_t kind = packs_random(&s->random) % 100;
	size_t len = f->whole.len, block = len / 4 < 512 ? len / 4 : 512;
	size_t a = packs_random(&s->random) % len, b = packs_random(&s->random) % len;
	uint8_t part[512];

	buf_clear(&f->damaged);
	assert_int_equal(buf_append(&f->damaged, f->whole.data, len), ERR_OK);
	if (kind < 64) {
		f->damaged.data[a] ^= (uint8_t)(1u << (b % 8));
	} else if (kind < 76) {
		f->damaged.len = a;
	} else if (kind < 88) {
		memset(f->damaged.data + a, 0, len - a < block ? len - a : block);
	} else {
		a = a % (len / block) * block;
		b = b % (len / block) * block;
		memcpy(part, f->damaged.data + a, block);
		memcpy(f->damaged.data + a, f->damaged.data + b, block);
		memcpy(f->damaged.data + b, part, block);
	}
}

static void
sweep_problem(void *arg, const char *text)
{
	(void)text;
	++*(unsigned *)arg;
}

static int
sweep_check(struct sweep *s)
{
	unsigned problems = 0;
	struct check_options options = {
	    .read_data = true, .problem = sweep_problem, .arg = &problems};
	struct check_result result;
	struct err e = {0};
	int rc = check_run(s->repo, &options, &result, &e);

	assert_true((rc == ERR_OK) == (problems == 0) || rc != ERR_CORRUPT);
	return rc;
}

static void
sweep_put(const struct sweep_file *f, const struct buf *bytes)
{
	char path[1000];

	test_write_file(f->path, bytes->data, bytes->len);
	if (!f->is_catalog)
		return;
	snprintf(path, sizeof(path), "%s-wal", f->path);
	unlink(path);
	snprintf(path, sizeof(path), "%s-shm", f->path);
	unlink(path);
}

/* Make the catalogue again: its rows are ${before}. */
static void
sweep_rebuild(struct sweep *s, const struct buf *before)
{
	unsigned problems = 0;
	struct rebuild_options options = {.problem = sweep_problem, .arg = &problems};
	struct rebuild_result result;
	struct buf rows = {0};
	struct err e = {0};
	char path[1000];

	assert_err(rebuild_run(s->repo, &options, &result, &e), ERR_OK, &e);
	assert_int_equal(problems, 0);
	assert_true(sweep_rows(s, false, &rows));
	assert_int_equal(rows.len, before->len);
	assert_memory_equal(rows.data, before->data, rows.len);
	buf_finish(&rows);
	snprintf(path, sizeof(path), "%s/%s", s->repo_path, result.kept);
	assert_int_equal(unlink(path), 0);
}

/* Everything as it was before a repair. */
static void
sweep_reset(const struct sweep *s)
{
	struct dirent **names;
	char dir[600], path[900];
	int n;

	snprintf(dir, sizeof(dir), "%s/packs/000000", s->repo_path);
	n = scandir(dir, &names, sweep_is_file, sweep_by_name);
	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		assert_int_equal(unlink(path), 0);
		free(names[i]);
	}
	free(names);
	for (size_t i = 0; i < s->n_files; i++)
		sweep_put(&s->files[i], &s->files[i].whole);
}

/* ---- repairing ---- */

static void
sweep_repaired(void *arg, const char *text)
{
	(void)arg;
	assert_true(text[0] != '\0');
}

/* How many documents the snapshots say they have lost, each counted at every date. */
static uint64_t
sweep_lost(const struct sweep *s)
{
	struct snapshots_snapshot snapshot = {0};
	struct catalog *cat;
	struct err e = {0};
	uint64_t lost = 0;
	int rc;

	assert_err(catalog_open(s->repo, CATALOG_READ, &cat, &e), ERR_OK, &e);
	for (int64_t table = 1; table <= 2; table++) {
		snapshot.id = 0;
		while ((rc = snapshots_next(cat, table, snapshot.id, &snapshot, &e)) == ERR_OK)
			lost += snapshot.lost;
		assert_err(rc, ERR_END, &e);
	}
	catalog_close(cat);
	return lost;
}

/* Repair: what could be read is still there, the rest is dropped and counted. */
static void
sweep_repair(struct sweep *s)
{
	unsigned told = 0;
	struct repair_options options = {
	    .repaired = sweep_repaired, .lost = sweep_problem, .arg = &told};
	struct repair_result result;
	struct err e = {0};
	int lock;

	assert_err(repo_lock(s->repo, &lock, &e), ERR_OK, &e);
	assert_err(repair_run(s->repo, &options, &result, &e), ERR_OK, &e);
	close(lock);
	assert_int_equal(result.damaged, 0);
	assert_int_equal(result.lost, told);
	assert_int_equal(sweep_check(s), ERR_OK);
	sweep_read(s, &s->repaired);
	assert_true(sweep_within(&s->damaged, &s->repaired));
	assert_true(sweep_within(&s->repaired, &s->whole));
	assert_int_equal(sweep_lost(s), s->whole.n - s->repaired.n);
	assert_true((result.lost == 0) == (s->whole.n == s->repaired.n));
	s->lost += result.lost;
}

/* Whether the snapshots taken last, of each table the one behind ${last}, show that document. */
static bool
sweep_stored_again(const struct sweep *s, const struct sweep_shown *shown, int64_t last)
{
	for (size_t i = 0; i < s->healed.n; i++) {
		const struct sweep_shown *item = &s->healed.items[i];
		if (item->snapshot_id > last && item->table_id == shown->table_id &&
		    memcmp(item->digest, shown->digest, DIGEST_LEN) == 0)
			return true;
	}
	return false;
}

/* The last export is taken again: of what was lost, all that it holds is back at every date. */
static void
sweep_heal(struct sweep *s)
{
	int64_t last = 2 * SWEEP_DAYS; /* the number of the last snapshot before */

	sweep_take(s, SWEEP_DAYS);
	assert_int_equal(sweep_check(s), ERR_OK);
	sweep_read(s, &s->healed);
	assert_true(sweep_within(&s->repaired, &s->healed));
	for (size_t i = 0; i < s->whole.n; i++) {
		const struct sweep_shown *shown = &s->whole.items[i];
		bool back = sweep_shows(&s->healed, shown);
		assert_true(back || !sweep_stored_again(s, shown, last));
		s->restored += back && !sweep_shows(&s->repaired, shown);
	}
}

/* ---- one damage ---- */

static void
sweep_one(struct sweep *s, struct sweep_file *f, unsigned number)
{
	struct buf rows = {0};
	bool same;
	int rc;

	sweep_damage(s, f);
	sweep_put(f, &f->damaged);
	same = f->damaged.len == f->whole.len &&
	       memcmp(f->damaged.data, f->whole.data, f->whole.len) == 0;
	if (f->is_catalog && !same)
		same = sweep_rows(s, false, &rows) && rows.len == s->rows.len &&
		       memcmp(rows.data, s->rows.data, rows.len) == 0;
	rc = sweep_check(s);
	if (rc == ERR_OK && !same)
		fail_msg("damage %u to %s was not found", number, f->path);
	s->found += rc != ERR_OK;
	s->harmless += rc == ERR_OK;
	s->catalog += f->is_catalog;
	sweep_read(s, &s->damaged);
	if (f->is_catalog) {
		sweep_rebuild(s, &s->rows);
	} else if (!same && number % SWEEP_REPAIRS == 0) {
		sweep_repair(s);
		sweep_heal(s);
		assert_true(sweep_rows(s, false, &rows));
		sweep_rebuild(s, &rows);
	}
	sweep_reset(s);
	buf_finish(&rows);
}

/* ---- the test ---- */

static int
sweep_setup(void **state)
{
	struct sweep *s = calloc(1, sizeof(*s));
	char path[700];

	assert_non_null(s);
	s->dir = test_dir();
	s->random = 20261118;
	s->digest = digest_create();
	snprintf(s->repo_path, sizeof(s->repo_path), "%s/repo", s->dir);
	snprintf(s->export, sizeof(s->export), "%s/export", s->dir);
	snprintf(path, sizeof(path), "%s/d", s->export);
	assert_int_equal(mkdir(s->export, 0700), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(repo_create(s->repo_path, NULL), ERR_OK);
	assert_int_equal(repo_open(s->repo_path, &s->repo, NULL), ERR_OK);
	for (unsigned day = 0; day < SWEEP_DAYS; day++) {
		sweep_table(s->export, "large", SWEEP_DOCUMENTS, day, "[3,1]");
		sweep_table(s->export, "small", 12, day, "[12]");
		sweep_take(s, day);
	}
	sweep_files(s);
	assert_true(sweep_rows(s, false, &s->rows));
	sweep_read(s, &s->whole);
	*state = s;
	return 0;
}

static int
sweep_teardown(void **state)
{
	struct sweep *s = *state;

	for (size_t i = 0; i < s->n_files; i++) {
		free(s->files[i].path);
		buf_finish(&s->files[i].whole);
		buf_finish(&s->files[i].damaged);
	}
	buf_finish(&s->rows);
	digest_free(s->digest);
	repo_close(s->repo);
	test_dir_remove(s->dir);
	free(s);
	return 0;
}

/* Two in five are to the catalogue. */
static void
sweep__a_thousand_damages(void **state)
{
	struct sweep *s = *state;

	assert_int_equal(sweep_check(s), ERR_OK);
	/* The catalogue, a dictionary, and a pack for each shard of each snapshot. */
	assert_int_equal(s->n_files, 1 + 1 + SWEEP_DAYS * 3);
	for (unsigned n = 0; n < SWEEP_DAMAGES; n++) {
		uint64_t which = packs_random(&s->random);
		size_t at = which % 5 < 2 ? 0 : 1 + which / 5 % (s->n_files - 1);
		sweep_one(s, &s->files[at], n);
	}
	assert_int_equal(sweep_check(s), ERR_OK);
	print_message(
	    "%u damages, %u of them to the catalogue: %u found, %u changed nothing that is "
	    "stored; %llu documents read meanwhile, %u refused, none wrong; %llu lost by repairs, "
	    "at %llu dates there again\n",
	    SWEEP_DAMAGES, s->catalog, s->found, s->harmless, (unsigned long long)s->served,
	    s->refused, (unsigned long long)s->lost, (unsigned long long)s->restored);
	assert_int_equal(s->found + s->harmless, SWEEP_DAMAGES);
	assert_true(s->found > SWEEP_DAMAGES / 2 && s->refused > 0);
	assert_true(
	    s->lost > SWEEP_DAMAGES / SWEEP_REPAIRS && s->restored > SWEEP_DAMAGES / SWEEP_REPAIRS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(sweep__a_thousand_damages, sweep_setup, sweep_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
