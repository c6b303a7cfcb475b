/* Tests of catalog/catalog.c: opening, transactions, generations, the check of the database. */
#include "tests/catalog/fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- opening ---- */

static void
catalog_create__not_over_another(void **state)
{
	struct fixture *f = *state;

	assert_err(catalog_create(f->path, &f->e), ERR_EXISTS, &f->e);
	assert_err(catalog_create("/nowhere/at/all", &f->e), ERR_ABSENT, &f->e);
}

static void
catalog_open__absent_newer_damaged(void **state)
{
	struct fixture *f = *state;
	struct catalog *c = NULL;
	char file[600];

	catalog_close(f->c);
	f->c = NULL;
	snprintf(file, sizeof(file), "%s/catalog.db", f->path);
	fixture_sql(f, "catalog.db", "PRAGMA user_version = 1000");
	assert_err(catalog_open(f->repo, CATALOG_READ, &c, &f->e), ERR_VERSION, &f->e);
	assert_err(catalog_open(f->repo, CATALOG_WRITE, &c, &f->e), ERR_VERSION, &f->e);
	assert_non_null(strstr(f->e.text, file));
	test_write_file(file, "rubbish rubbish rubbish", 23);
	assert_err(catalog_open(f->repo, CATALOG_READ, &c, &f->e), ERR_CORRUPT, &f->e);
	assert_int_equal(unlink(file), 0);
	assert_err(catalog_open(f->repo, CATALOG_READ, &c, &f->e), ERR_ABSENT, &f->e);
	assert_int_equal(rename(strcat(f->path, "/queue.db"), file), 0);
	assert_err(catalog_open(f->repo, CATALOG_READ, &c, &f->e), ERR_CORRUPT, &f->e);
	assert_non_null(strstr(f->e.text, "not a thinkback catalogue"));
	assert_null(c);
	catalog_close(NULL);
}

static void
catalog_open__for_looking_cannot_write(void **state)
{
	struct fixture *f = *state;
	struct catalog *c = NULL;

	assert_err(catalog_open(f->repo, CATALOG_READ, &c, &f->e), ERR_OK, &f->e);
	assert_err(catalog_begin(c, &f->e), ERR_READONLY, &f->e);
	assert_err(snapshots_verified(c, 1, 1, &f->e), ERR_READONLY, &f->e);
	catalog_rollback(c);
	catalog_close(c);
}

/* ---- transactions ---- */

static void
catalog_begin__others_see_all_or_nothing(void **state)
{
	struct fixture *f = *state;
	struct catalog *reader = NULL;
	struct fixture_build b;
	uint64_t n, before, after;

	assert_err(catalog_open(f->repo, CATALOG_READ, &reader, &f->e), ERR_OK, &f->e);
	assert_err(catalog_generation(reader, &before, &f->e), ERR_OK, &f->e);
	fixture_start(f, "orders", 100, &b);
	fixture_add(f, &b, "Sa");
	fixture_add(f, &b, "Sb");
	assert_err(versions_count(reader, 0, &n, &f->e), ERR_OK, &f->e);
	assert_int_equal(n, 0);
	assert_err(versions_count(f->c, 0, &n, &f->e), ERR_OK, &f->e);
	assert_int_equal(n, 2);
	assert_err(catalog_generation(reader, &after, &f->e), ERR_OK, &f->e);
	assert_true(before == after);
	assert_err(catalog_commit(f->c, true, &f->e), ERR_OK, &f->e);
	assert_err(catalog_generation(reader, &after, &f->e), ERR_OK, &f->e);
	assert_true(before != after);
	assert_err(versions_count(reader, 0, &n, &f->e), ERR_OK, &f->e);
	assert_int_equal(n, 2);
	assert_err(catalog_begin(f->c, &f->e), ERR_OK, &f->e);
	fixture_add(f, &b, "Sc");
	catalog_rollback(f->c);
	catalog_rollback(f->c);
	assert_err(versions_count(f->c, 0, &n, &f->e), ERR_OK, &f->e);
	assert_int_equal(n, 2);
	assert_err(catalog_commit(f->c, false, &f->e), ERR_BUG, &f->e);
	catalog_close(reader);
}

/* A child commits without durability, goes on in another transaction, and is killed. */
static void
catalog_commit__outlives_kill(void **state)
{
	struct fixture *f = *state;
	struct fixture_build b;
	int ready[2], status;
	uint64_t n;
	char byte;
	pid_t child;

	catalog_close(f->c);
	f->c = NULL;
	assert_int_equal(pipe(ready), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (catalog_open(f->repo, CATALOG_WRITE, &f->c, &f->e) != ERR_OK)
			_exit(1);
		fixture_start(f, "orders", 100, &b);
		fixture_add(f, &b, "Sa");
		if (catalog_commit(f->c, false, &f->e) != ERR_OK ||
		    catalog_begin(f->c, &f->e) != ERR_OK)
			_exit(1);
		fixture_add(f, &b, "Sb");
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_err(catalog_open(f->repo, CATALOG_WRITE, &f->c, &f->e), ERR_OK, &f->e);
	assert_err(versions_count(f->c, 0, &n, &f->e), ERR_OK, &f->e);
	assert_int_equal(n, 1);
	assert_err(snapshots_recover(f->c, &f->e), ERR_OK, &f->e);
	assert_err(versions_count(f->c, 0, &n, &f->e), ERR_OK, &f->e);
	assert_int_equal(n, 0);
	assert_int_equal(fixture_number(f, "catalog.db", "SELECT count(*) FROM runs"), 0);
	close(ready[0]);
	close(ready[1]);
}

/* ---- the check ---- */

struct problems {
	unsigned n;      /* told so far */
	char text[4000]; /* all of them, one a line */
};

static void
note(void *arg, const char *text)
{
	struct problems *p = arg;

	size_t len = strlen(p->text);

	p->n++;
	snprintf(p->text + len, sizeof(p->text) - len, "%s\n", text);
	assert_null(strchr(text, '\n'));
}

/* Two tables with two snapshots each. */
static void
populate(struct fixture *f)
{
	struct fixture_build a, b;

	for (int t = 0; t < 2; t++) {
		fixture_start(f, t == 0 ? "orders" : "users", 100, &a);
		fixture_add(f, &a, "Sa");
		fixture_add(f, &a, "Sb");
		fixture_finish(f, &a);
		fixture_start(f, t == 0 ? "orders" : "users", 200, &b);
		fixture_end(f, &b, "Sa", a.id);
		fixture_add(f, &b, "Sa");
		b.documents++;
		fixture_finish(f, &b);
	}
}

static void
catalog_check__a_sound_one(void **state)
{
	struct fixture *f = *state;
	struct problems p = {0};

	assert_err(catalog_check(f->c, note, &p, &f->e), ERR_OK, &f->e);
	populate(f);
	assert_err(catalog_check(f->c, note, &p, &f->e), ERR_OK, &f->e);
	assert_int_equal(p.n, 0);
}

static void
catalog_check__finds_each_kind_of_damage(void **state)
{
	static const struct {
		const char *sql;
		const char *text;
	} damages[] = {
	    {"UPDATE versions SET died = 9223372036854775807 WHERE born = 1", "overlap"},
	    {"UPDATE versions SET pack_id = 99 WHERE born = 1 AND key = x'5362'", "pack"},
	    {"UPDATE versions SET pack_id = 3 WHERE born = 1 AND key = x'5362'", "pack"},
	    {"UPDATE versions SET digest = x'00' WHERE born = 4", "out of range"},
	    {"UPDATE versions SET died = born WHERE born = 1 AND key = x'5361'", "out of range"},
	    {"UPDATE versions SET size = -1 WHERE born = 4", "out of range"},
	    {"DELETE FROM shards WHERE snapshot_id = 2", "snapshot 2"},
	    {"UPDATE shards SET documents = 7 WHERE snapshot_id = 2", "snapshot 2"},
	    {"UPDATE snapshots SET config = NULL WHERE id = 3", "snapshot 3"},
	    {"DELETE FROM runs WHERE id = 2", "runs"},
	    {"DELETE FROM packs WHERE id = 4", "packs"},
	    {"UPDATE snapshots SET documents = -1 WHERE id = 1", "snapshots"},
	};
	struct fixture *f = *state;

	populate(f);
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		struct problems p = {0};
		char save[600], back[700];
		snprintf(save, sizeof(save), "VACUUM INTO '%s/saved'", f->dir);
		fixture_sql(f, "catalog.db", save);
		fixture_sql(f, "catalog.db", damages[i].sql);
		assert_err(catalog_check(f->c, note, &p, &f->e), ERR_CORRUPT, &f->e);
		assert_true(p.n > 0);
		if (strstr(p.text, damages[i].text) == NULL)
			print_error("%s: %s\n", damages[i].sql, p.text);
		assert_non_null(strstr(p.text, damages[i].text));
		assert_non_null(strstr(f->e.text, "catalog.db"));
		snprintf(back, sizeof(back),
		    "ATTACH '%s/saved' AS s;"
		    "DELETE FROM versions; INSERT INTO versions SELECT * FROM s.versions;"
		    "DELETE FROM shards; INSERT INTO shards SELECT * FROM s.shards;"
		    "DELETE FROM packs; INSERT INTO packs SELECT * FROM s.packs;"
		    "DELETE FROM snapshots; INSERT INTO snapshots SELECT * FROM s.snapshots;"
		    "DELETE FROM runs; INSERT INTO runs SELECT * FROM s.runs;",
		    f->dir);
		fixture_sql(f, "catalog.db", back);
		snprintf(save, sizeof(save), "%s/saved", f->dir);
		assert_int_equal(unlink(save), 0);
		assert_err(catalog_check(f->c, note, &p, &f->e), ERR_OK, &f->e);
	}
}

/* Overwrite every third leaf page of the versions in the file. */
static void
overwrite_pages(struct fixture *f)
{
	struct buf bytes = {0};
	char file[600];
	unsigned leaves = 0;

	snprintf(file, sizeof(file), "%s/catalog.db", f->path);
	test_read_file(file, &bytes);
	for (size_t at = 4096; at + 4096 <= bytes.len; at += 4096) {
		if (bytes.data[at] != 0x0a || memmem(bytes.data + at, 4096, "Skey", 4) == NULL)
			continue;
		if (leaves++ % 3 == 1)
			memset(bytes.data + at, 0x5a, 4096);
	}
	assert_true(leaves > 10);
	test_write_file(file, bytes.data, bytes.len);
	buf_finish(&bytes);
}

/* Reading damaged pages and checking them say so; nothing crashes and nothing is left out. */
static void
catalog_check__pages_overwritten(void **state)
{
	struct fixture *f = *state;
	struct versions_version page[64];
	struct problems p = {0};
	struct key after = {0}, none = {0};
	struct fixture_build b;
	size_t got;
	int rc;

	fixture_start(f, "orders", 100, &b);
	for (int i = 0; i < 3000; i++) {
		char key[32];
		snprintf(key, sizeof(key), "Skey%06d", i);
		fixture_add(f, &b, key);
	}
	fixture_finish(f, &b);
	catalog_close(f->c);
	f->c = NULL;
	overwrite_pages(f);
	assert_err(catalog_open(f->repo, CATALOG_READ, &f->c, &f->e), ERR_OK, &f->e);
	while ((rc = versions_page(f->c, b.table.id, b.id, &after, false, &none, page, 64, &got,
		    &f->e)) == ERR_OK) {
		assert_true(got == 64);
		after = page[got - 1].key;
	}
	assert_err(rc, ERR_CORRUPT, &f->e);
	assert_err(catalog_check(f->c, note, &p, &f->e), ERR_CORRUPT, &f->e);
	assert_true(p.n > 0);
}

/* The views are for people, and work. */
static void
catalog_create__views_for_people(void **state)
{
	struct fixture *f = *state;

	populate(f);
	assert_int_equal(fixture_number(f, "catalog.db",
			     "SELECT count(*) FROM snapshot_list WHERE \"database\" = 'shop' AND"
			     " \"table\" = 'users' AND date = '1970-01-01T00-03-20Z' AND"
			     " source = 'a source' AND verified IS NULL"),
	    1);
	assert_int_equal(fixture_number(f, "catalog.db",
			     "SELECT count(*) FROM version_list WHERE key = 'Sa' AND born ="
			     " '1970-01-01T00-01-40Z' AND died = '1970-01-01T00-03-20Z'"),
	    2);
	assert_int_equal(fixture_number(f, "queue.db", "SELECT count(*) FROM restore_list"), 0);
	assert_int_equal(fixture_number(f, "catalog.db", "PRAGMA application_id"), 0x54426361);
	assert_int_equal(fixture_number(f, "queue.db", "PRAGMA application_id"), 0x54427175);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FIXTURE_TEST(catalog_create__not_over_another),
	    FIXTURE_TEST(catalog_open__absent_newer_damaged),
	    FIXTURE_TEST(catalog_open__for_looking_cannot_write),
	    FIXTURE_TEST(catalog_begin__others_see_all_or_nothing),
	    FIXTURE_TEST(catalog_commit__outlives_kill),
	    FIXTURE_TEST(catalog_check__a_sound_one),
	    FIXTURE_TEST(catalog_check__finds_each_kind_of_damage),
	    FIXTURE_TEST(catalog_check__pages_overwritten),
	    FIXTURE_TEST(catalog_create__views_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
