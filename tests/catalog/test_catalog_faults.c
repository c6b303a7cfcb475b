/*
 * Fault sweeps of the catalogue and the queue: an operation is run again and again, and the n-th
 * allocation of SQLite, write or sync fails, once or from there on, until a run gets by without.
 * Each run must end in a clean code, with outputs as they were, and leave a database that is whole.
 * Promises: 3.
 */
#include "tests/catalog/fixture.h"

#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

/* ---- faults ---- */

enum fault_kind { FAULT_MEMORY, FAULT_WRITE, FAULT_SYNC };

static struct {
	bool armed;           /* count at all */
	enum fault_kind kind; /* what fails */
	bool lasting;         /* all after the n-th fail too */
	unsigned left;        /* calls until the first failure */
	unsigned fired;       /* failures so far */
} fault;

/* Whether this call is to fail. */
static bool
fault_now(enum fault_kind kind)
{
	if (!fault.armed || fault.kind != kind)
		return false;
	if (fault.left > 0)
		fault.left--;
	if (fault.left > 0 || (fault.fired > 0 && !fault.lasting))
		return false;
	fault.fired++;
	return true;
}

static sqlite3_mem_methods memory;

static void *
fault_malloc(int size)
{
	return fault_now(FAULT_MEMORY) ? NULL : memory.xMalloc(size);
}

static void *
fault_realloc(void *old, int size)
{
	return fault_now(FAULT_MEMORY) ? NULL : memory.xRealloc(old, size);
}

static ssize_t
fault_pwrite(int fd, const void *data, size_t len, off_t off)
{
	if (fault_now(FAULT_WRITE)) {
		errno = ENOSPC;
		return -1;
	}
	return pwrite(fd, data, len, off);
}

/*
 * These take the place of libc's, also for the SQLite library. Nothing here asks what a power cut
 * leaves, so a sync that works does nothing, and thousands of runs take seconds.
 */
static unsigned syncs; /* calls so far */

static int
fault_sync(void)
{
	syncs++;
	if (fault_now(FAULT_SYNC)) {
		errno = EIO;
		return -1;
	}
	return 0;
}

int
fsync(int fd)
{
	(void)fd;
	return fault_sync();
}

int
fdatasync(int fd)
{
	(void)fd;
	return fault_sync();
}

static void
fault_install(void)
{
	sqlite3_mem_methods failing;
	sqlite3_vfs *vfs;

	assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory), SQLITE_OK);
	failing = memory;
	failing.xMalloc = fault_malloc;
	failing.xRealloc = fault_realloc;
	assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &failing), SQLITE_OK);
	assert_int_equal(sqlite3_initialize(), SQLITE_OK);
	vfs = sqlite3_vfs_find(NULL);
	assert_non_null(vfs);
	for (int i = 0; i < 2; i++)
		vfs->xSetSystemCall(vfs, i == 0 ? "pwrite" : "pwrite64",
		    (sqlite3_syscall_ptr)(void (*)(void))fault_pwrite);
}

/*
 * An operation to sweep: ${run} does it from the start and returns its code; ${check}, without
 * faults, looks that all is well afterwards, the operation having succeeded or not.
 */
struct sweep {
	const char *name;
	int (*run)(struct fixture *f, unsigned n, struct err *e);
	void (*check)(struct fixture *f, unsigned n, bool done);
};

static int
want_code(enum fault_kind kind)
{
	return kind == FAULT_MEMORY ? ERR_NOMEM : kind == FAULT_WRITE ? ERR_NOSPACE : ERR_IO;
}

/*
 * Sweep; return the number of points that failed. Allocations that fail for good are so many, and
 * so like those that fail once, that every fifth has to do.
 */
static unsigned
sweep(struct fixture *f, const struct sweep *s, enum fault_kind kind, bool lasting)
{
	static const char *const kinds[] = {"allocations", "writes", "syncs"};
	static unsigned n; /* never the same twice: dates and names are made of it */
	unsigned points = 0;

	for (unsigned at = 1;; at += lasting && kind == FAULT_MEMORY ? 5 : 1) {
		struct err e = {0};
		int rc;
		n++;
		fault.armed = true;
		fault.kind = kind;
		fault.lasting = lasting;
		fault.left = at;
		fault.fired = 0;
		rc = s->run(f, n, &e);
		fault.armed = false;
		/* SQLite gets along without some of its memory, and a close merges the log only
		 * if it can: success after a fault is fine when what was done is there. */
		if (rc != ERR_OK) {
			assert_err(rc, want_code(kind), &e);
			assert_true(fault.fired > 0);
			assert_int_not_equal(e.text[0], '\0');
		}
		s->check(f, n, rc == ERR_OK);
		if (fault.fired == 0)
			break;
		points++;
	}
	print_message("%s: swept %u failing %s%s\n", s->name, points, kinds[kind],
	    lasting ? " (lasting)" : "");
	return points;
}

static void
sweep_all(struct fixture *f, const struct sweep *s, bool writes)
{
	for (int lasting = 0; lasting < 2; lasting++) {
		assert_true(sweep(f, s, FAULT_MEMORY, lasting) > 10);
		if (writes) {
			assert_true(sweep(f, s, FAULT_WRITE, lasting) > 2);
			assert_true(sweep(f, s, FAULT_SYNC, lasting) > 0);
		}
	}
}

static void
check_integrity(struct fixture *f, const char *name)
{
	assert_int_equal(fixture_number(f, name,
			     "SELECT count(*) FROM pragma_integrity_check"
			     " WHERE integrity_check <> 'ok'"),
	    0);
	assert_int_equal(
	    fixture_number(f, name, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

/* ---- the queue ---- */

static int64_t stored; /* restores that must be in the queue */

static int
give(void *arg, uint64_t off, void *out, size_t room, size_t *got, struct err *e)
{
	(void)arg;
	(void)e;
	*got = off < 150000 ? (room < 150000 - off ? room : (size_t)(150000 - off)) : 0;
	memset(out, 'x', *got);
	return ERR_OK;
}

static int
put_run(struct fixture *f, unsigned n, struct err *e)
{
	struct queue_request req = {
	    .database = "shop", .table = "orders", .documents = 1, .bytes = 150000, .read = give};
	struct queue *q = NULL;
	char name[32];
	int64_t id = -7;
	int rc = queue_open(f->repo, true, &q, e);

	snprintf(name, sizeof(name), "%u.json", n);
	req.name = name;
	if (rc == ERR_OK)
		rc = queue_put(q, &req, n, &id, e);
	assert_true((rc == ERR_OK) == (id != -7));
	/* What the connection says afterwards must not be stale. */
	fault.armed = false;
	if (q != NULL)
		stored += rc == ERR_OK;
	if (q != NULL && rc != ERR_OK)
		assert_int_equal(
		    queue_get(q, stored + 1, &(struct queue_restore){0}, e), ERR_ABSENT);
	fault.armed = true;
	queue_close(q);
	return rc;
}

static void
put_check(struct fixture *f, unsigned n, bool done)
{
	char sql[300];

	snprintf(sql, sizeof(sql),
	    "SELECT (SELECT count(*) FROM restores) = %lld AND"
	    " (SELECT count(*) FROM payload) = %lld * 3 AND"
	    " (SELECT count(*) FROM restores WHERE name = '%u.json') = %d",
	    (long long)stored, (long long)stored, n, done);
	assert_int_equal(fixture_number(f, "queue.db", sql), 1);
	if (n % 16 == 0 || done)
		check_integrity(f, "queue.db");
}

static void
queue_put__sweep(void **state)
{
	static const struct sweep s = {"queue_put", put_run, put_check};

	stored = 0;
	sweep_all(*state, &s, true);
}

/* One restore through claim, give back, claim, fail, retry, cancel. */
static int
work_run(struct fixture *f, unsigned n, struct err *e)
{
	struct queue_restore r;
	struct queue *q = NULL;
	size_t got = 0;
	int rc = queue_open(f->repo, true, &q, e);

	if (rc == ERR_OK)
		rc = queue_claim(q, "w", n, 0, &r, 1, &got, e);
	if (rc == ERR_OK && got == 0)
		fail_msg("%s", "the restore cannot be claimed");
	if (rc == ERR_OK)
		rc = queue_renew(q, "w", r.id, r.id, n, 10, &got, e);
	if (rc == ERR_OK)
		rc = queue_give_back(q, r.id, "w", "later", n, n, e);
	if (rc == ERR_OK)
		rc = queue_claim(q, "w", n, 0, &r, 1, &got, e);
	if (rc == ERR_OK)
		rc = queue_fail(q, r.id, "w", "reason", n, e);
	if (rc == ERR_OK)
		rc = queue_cancel(q, r.id, n, e);
	if (rc == ERR_OK)
		rc = queue_retry(q, r.id, QUEUE_POLICY_NONE, n, e);
	queue_close(q);
	return rc;
}

/* Back to pending, whatever state the run ended in. */
static void
work_check(struct fixture *f, unsigned n, bool done)
{
	assert_int_equal(fixture_number(f, "queue.db", "SELECT count(*) FROM restores"), 1);
	if (done)
		assert_int_equal(
		    fixture_number(f, "queue.db",
			"SELECT count(*) FROM restores WHERE state = 'pending' AND error = ''"),
		    1);
	if (n % 16 == 0)
		check_integrity(f, "queue.db");
	fixture_sql(f, "queue.db", "UPDATE restores SET state = 'pending', not_before = 0");
}

static void
queue_claim__sweep(void **state)
{
	static const struct sweep s = {"queue_claim and reports", work_run, work_check};
	struct fixture *f = *state;

	stored = 0;
	assert_int_equal(put_run(f, 1, &f->e), ERR_OK);
	sweep_all(f, &s, true);
}

/* ---- building a snapshot ---- */

#define DOCUMENTS 60

static struct key
numbered_key(int i)
{
	struct key k = {.len = 1};
	int n = snprintf((char *)k.bytes, sizeof(k.bytes), "Skey%05d", i);

	k.len = (uint8_t)n;
	return k;
}

/* Change every third document of the newest snapshot; the first time, make all. */
static int
build_versions(struct catalog *c, int64_t table_id, int64_t id, int64_t pack_id,
    const struct snapshots_snapshot *last, struct err *e)
{
	for (int i = 0; i < DOCUMENTS; i++) {
		struct versions_version v = {.key = numbered_key(i),
		    .born = id,
		    .died = VERSIONS_ALIVE,
		    .pack_id = pack_id,
		    .ordinal = (uint32_t)i};
		struct versions_version old;
		int rc = ERR_OK;
		if (last->id != 0 && i % 3 != 0)
			continue;
		if (last->id != 0) {
			rc = versions_find(c, table_id, last->id, &v.key, &old, e);
			if (rc == ERR_OK)
				rc = versions_close(c, table_id, &v.key, old.born, id, e);
		}
		if (rc == ERR_OK)
			rc = versions_insert(c, table_id, &v, e);
		if (rc != ERR_OK)
			return rc;
	}
	return ERR_OK;
}

static int
build_inside(struct catalog *c, unsigned n, int64_t *id, struct err *e)
{
	struct snapshots_snapshot last = {0}, s = {.shards = 1, .documents = DOCUMENTS};
	struct snapshots_shard shard = {.documents = DOCUMENTS};
	struct packs_pack pack = {.bytes = 5};
	struct tables_table table;
	int64_t run;
	int rc = tables_intern(c, "shop", "orders", &table, e);

	if (rc == ERR_OK)
		rc = snapshots_latest(c, table.id, &last, e);
	if (rc == ERR_ABSENT)
		rc = ERR_OK;
	if (rc == ERR_OK)
		rc = snapshots_run_begin(c, n, "a source", 1, &run, e);
	if (rc == ERR_OK)
		rc = snapshots_begin(c, table.id, run, n, id, e);
	if (rc == ERR_OK)
		rc = packs_begin(c, table.id, *id, 0, 0, &shard.pack_id, e);
	if (rc == ERR_OK)
		rc = catalog_commit(c, true, e);
	if (rc == ERR_OK)
		rc = catalog_begin(c, e);
	if (rc == ERR_OK)
		rc = build_versions(c, table.id, *id, shard.pack_id, &last, e);
	pack.id = shard.pack_id;
	if (rc == ERR_OK)
		rc = packs_describe(c, &pack, e);
	if (rc == ERR_OK)
		rc = snapshots_shard_put(c, *id, &shard, e);
	s.id = *id;
	return rc == ERR_OK ? snapshots_describe(c, &s, "id", "{}", 2, e) : rc;
}

static int64_t built; /* complete snapshots that must be there */

static int
build_run(struct fixture *f, unsigned n, struct err *e)
{
	struct catalog *c = NULL;
	int64_t id;
	int rc = catalog_open(f->repo, CATALOG_WRITE, &c, e);

	if (rc == ERR_OK)
		rc = snapshots_recover(c, e);
	if (rc == ERR_OK)
		rc = catalog_begin(c, e);
	if (rc == ERR_OK)
		rc = build_inside(c, n, &id, e);
	if (rc == ERR_OK)
		rc = catalog_commit(c, false, e);
	if (rc == ERR_OK)
		rc = snapshots_complete(c, &id, 1, e);
	if (rc != ERR_OK && c != NULL)
		catalog_rollback(c);
	catalog_close(c);
	built += rc == ERR_OK;
	return rc;
}

/* The newest complete snapshot shows every document once, before and after taking back. */
static void
build_check(struct fixture *f, unsigned n, bool done)
{
	struct versions_version page[DOCUMENTS + 1];
	struct snapshots_snapshot s;
	struct key none = {0};
	struct catalog *c;
	int64_t complete;
	size_t got;

	assert_err(catalog_open(f->repo, CATALOG_WRITE, &c, &f->e), ERR_OK, &f->e);
	complete =
	    fixture_number(f, "catalog.db", "SELECT count(*) FROM snapshots WHERE complete = 1");
	/* A commit whose sync failed is in the log without having been promised: whoever opens
	 * the log next may find it there. It is whole, though. */
	if (fault.kind == FAULT_SYNC && !done && complete == built + 1)
		built++;
	assert_int_equal(complete, built);
	for (int i = 0; i < 2 && built > 0; i++) {
		assert_err(snapshots_latest(c, 1, &s, &f->e), ERR_OK, &f->e);
		if (done)
			assert_int_equal(s.date, n);
		assert_err(versions_page(
			       c, 1, s.id, &none, false, &none, page, DOCUMENTS + 1, &got, &f->e),
		    ERR_OK, &f->e);
		assert_int_equal(got, DOCUMENTS);
		/* The next run recovers too; doing it here as well tests both. */
		if (n % 2 == 0)
			assert_err(snapshots_recover(c, &f->e), ERR_OK, &f->e);
	}
	if (n % 16 == 0 || done)
		check_integrity(f, "catalog.db");
	catalog_close(c);
}

static void
snapshots_complete__sweep(void **state)
{
	static const struct sweep s = {"snapshot building", build_run, build_check};
	struct fixture *f = *state;

	catalog_close(f->c);
	f->c = NULL;
	built = 0;
	sweep_all(f, &s, true);
}

/* ---- looking ---- */

static int
look_run(struct fixture *f, unsigned n, struct err *e)
{
	struct versions_version page[DOCUMENTS], one;
	struct tables_database d = {.id = -7};
	struct tables_table t = {.id = -7};
	struct snapshots_snapshot s = {.id = -7};
	struct snapshots_shard shard;
	struct packs_pack pack;
	struct key none = {0}, key = numbered_key(5);
	struct catalog *c = NULL;
	struct buf text = {0};
	size_t got = 777;
	int rc = catalog_open(f->repo, CATALOG_READ, &c, e);

	(void)n;
	if (rc == ERR_OK)
		rc = tables_database_next(c, "", &d, e);
	assert_true((rc == ERR_OK) == (d.id != -7));
	if (rc == ERR_OK)
		rc = tables_next(c, d.id, "", &t, e);
	if (rc == ERR_OK)
		rc = snapshots_next(c, t.id, 0, &s, e);
	if (rc == ERR_OK)
		rc = snapshots_config(c, s.id, &text, e);
	if (rc == ERR_OK)
		rc = snapshots_shard(c, s.id, 0, &shard, e);
	if (rc == ERR_OK)
		rc = packs_get(c, shard.pack_id, &pack, e);
	if (rc == ERR_OK)
		rc = versions_page(c, t.id, s.id, &none, false, &none, page, DOCUMENTS, &got, e);
	assert_true(got == (rc == ERR_OK ? DOCUMENTS : 777));
	if (rc == ERR_OK)
		rc = versions_find(c, t.id, s.id, &key, &one, e);
	catalog_close(c);
	buf_finish(&text);
	return rc;
}

static void
look_check(struct fixture *f, unsigned n, bool done)
{
	(void)f;
	(void)n;
	(void)done;
}

static void
versions_page__sweep(void **state)
{
	static const struct sweep s = {"looking", look_run, look_check};
	struct fixture *f = *state;

	catalog_close(f->c);
	f->c = NULL;
	built = 0;
	assert_int_equal(build_run(f, 1, &f->e), ERR_OK);
	sweep_all(f, &s, false);
}

/* ---- what is on disk when a function returns ---- */

static void
catalog_commit__syncs_when_durable(void **state)
{
	struct fixture *f = *state;
	struct fixture_build b;

	fixture_start(f, "orders", 100, &b);
	fixture_add(f, &b, "Sa");
	assert_err(catalog_commit(f->c, false, &f->e), ERR_OK, &f->e);
	syncs = 0;
	assert_err(catalog_begin(f->c, &f->e), ERR_OK, &f->e);
	fixture_add(f, &b, "Sb");
	assert_err(catalog_commit(f->c, true, &f->e), ERR_OK, &f->e);
	assert_int_equal(syncs, 1);
	assert_err(catalog_begin(f->c, &f->e), ERR_OK, &f->e);
	fixture_add(f, &b, "Sc");
	fixture_record(f, &b);
	assert_int_equal(syncs, 1);
	assert_err(snapshots_complete(f->c, &b.id, 1, &f->e), ERR_OK, &f->e);
	assert_int_equal(syncs, 2);
	/* A durable commit whose sync fails says so. */
	assert_err(catalog_begin(f->c, &f->e), ERR_OK, &f->e);
	fixture_add(f, &b, "Sd");
	fault.armed = true;
	fault.kind = FAULT_SYNC;
	fault.left = 1;
	fault.fired = 0;
	assert_err(catalog_commit(f->c, true, &f->e), ERR_IO, &f->e);
	fault.armed = false;
}

static void
queue_put__each_change_syncs(void **state)
{
	struct fixture *f = *state;
	struct queue_request req = {.database = "shop",
	    .table = "orders",
	    .name = "a.json",
	    .documents = 1,
	    .bytes = 10,
	    .read = give};
	struct queue_restore r;
	struct queue *q;
	struct err *e = &f->e;
	int64_t id;
	size_t got;

	assert_err(queue_open(f->repo, true, &q, e), ERR_OK, e);
	for (int round = 0; round < 2; round++) {
		unsigned before = syncs;
		assert_err(queue_put(q, &req, 1, &id, e), ERR_OK, e);
		assert_true(syncs > before);
	}
	syncs = 0;
	assert_err(queue_claim(q, "w", 1, 10, &r, 1, &got, e), ERR_OK, e);
	assert_int_equal(syncs, 1);
	assert_err(queue_renew(q, "w", r.id, r.id, 1, 20, &got, e), ERR_OK, e);
	assert_int_equal(syncs, 2);
	assert_err(queue_fail(q, r.id, "w", "no", 1, e), ERR_OK, e);
	assert_int_equal(syncs, 3);
	assert_err(queue_cancel(q, r.id, 1, e), ERR_OK, e);
	assert_int_equal(syncs, 4);
	assert_err(queue_retry(q, r.id, QUEUE_POLICY_NONE, 1, e), ERR_OK, e);
	assert_int_equal(syncs, 5);
	queue_close(q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FIXTURE_TEST(queue_put__sweep),
	    FIXTURE_TEST(queue_claim__sweep),
	    FIXTURE_TEST(snapshots_complete__sweep),
	    FIXTURE_TEST(versions_page__sweep),
	    FIXTURE_TEST(catalog_commit__syncs_when_durable),
	    FIXTURE_TEST(queue_put__each_change_syncs),
	};

	fault_install();
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
