/* Repositories with tables and restores, for tests: see table.h. */
#include "tests/support/table.h"

#include "catalog/base/date.h"
#include "catalog/packs.h"
#include "catalog/snapshots.h"

#include <stdio.h>
#include <string.h>

struct repo *
test_repo(const char *dir)
{
	struct repo *repo = NULL;
	struct err e = {0};
	char path[512];

	snprintf(path, sizeof(path), "%s/repo", dir);
	assert_err(repo_create(path, &e), ERR_OK, &e);
	assert_err(repo_open(path, &repo, &e), ERR_OK, &e);
	return repo;
}

int64_t
test_table(const struct repo *repo, const char *database, const char *table,
    const char *primary_key, const char *config)
{
	struct snapshots_snapshot s = {.shards = 1}, newest;
	struct snapshots_shard shard = {0};
	struct tables_table t;
	struct catalog *c = NULL;
	struct err e = {0};
	int64_t date = 1000000, run;

	assert_err(catalog_open(repo, CATALOG_WRITE, &c, &e), ERR_OK, &e);
	assert_err(catalog_begin(c, &e), ERR_OK, &e);
	assert_err(tables_intern(c, database, table, &t, &e), ERR_OK, &e);
	if (snapshots_latest(c, t.id, &newest, &e) == ERR_OK)
		date = newest.date + 1;
	assert_err(snapshots_run_begin(c, date, "a test", date, &run, &e), ERR_OK, &e);
	assert_err(snapshots_begin(c, t.id, run, date, &s.id, &e), ERR_OK, &e);
	assert_err(packs_begin(c, t.id, s.id, 0, 0, &shard.pack_id, &e), ERR_OK, &e);
	assert_err(snapshots_shard_put(c, s.id, &shard, &e), ERR_OK, &e);
	assert_err(snapshots_describe(c, &s, primary_key, config, strlen(config), &e), ERR_OK, &e);
	assert_err(catalog_commit(c, true, &e), ERR_OK, &e);
	assert_err(snapshots_complete(c, &s.id, 1, &e), ERR_OK, &e);
	catalog_close(c);
	return t.id;
}

static struct queue *
test_queue(const struct repo *repo)
{
	struct queue *q = NULL;
	struct err e = {0};

	assert_err(queue_open(repo, true, &q, &e), ERR_OK, &e);
	return q;
}

static int
test_put_read(void *arg, uint64_t off, void *out, size_t room, size_t *got, struct err *e)
{
	const char *payload = arg;
	size_t len = strlen(payload);

	(void)e;
	*got = off < len ? len - (size_t)off : 0;
	if (*got > room)
		*got = room;
	if (*got > 0)
		memcpy(out, payload + off, *got);
	return ERR_OK;
}

int64_t
test_put(const struct repo *repo, const char *table, const char *name, const char *payload,
    uint64_t documents)
{
	struct queue *q = test_queue(repo);
	char copy[4096];
	struct queue_request req = {.database = "shop",
	    .table = table,
	    .name = name,
	    .documents = documents,
	    .bytes = strlen(payload),
	    .read = test_put_read,
	    .arg = copy};
	struct err e = {0};
	int64_t id = 0;

	assert_true(strlen(payload) < sizeof(copy));
	memcpy(copy, payload, strlen(payload) + 1);
	assert_err(queue_put(q, &req, date_now(), &id, &e), ERR_OK, &e);
	queue_close(q);
	return id;
}

struct queue_restore
test_restore(const struct repo *repo, int64_t id)
{
	struct queue *q = test_queue(repo);
	struct queue_restore r = {0};
	struct err e = {0};

	assert_err(queue_get(q, id, &r, &e), ERR_OK, &e);
	queue_close(q);
	return r;
}

unsigned
test_count(const struct repo *repo, unsigned states)
{
	struct queue *q = test_queue(repo);
	struct queue_filter filter = {.states = states};
	struct queue_restore r = {0};
	struct err e = {0};
	unsigned n = 0;
	int rc;

	while ((rc = queue_next(q, &filter, r.id, &r, &e)) == ERR_OK)
		n++;
	assert_err(rc, ERR_END, &e);
	queue_close(q);
	return n;
}

void
test_payload(const struct repo *repo, int64_t id, struct buf *out)
{
	struct queue *q = test_queue(repo);
	char piece[4096];
	struct err e = {0};
	uint64_t off = 0;
	size_t got;

	do {
		assert_err(queue_read(q, id, off, piece, sizeof(piece), &got, &e), ERR_OK, &e);
		assert_int_equal(buf_append(out, piece, got), ERR_OK);
		off += got;
	} while (got == sizeof(piece));
	queue_close(q);
}

void
test_reason(const struct repo *repo, int64_t id, struct buf *out)
{
	struct queue *q = test_queue(repo);
	struct err e = {0};

	assert_err(queue_error(q, id, out, &e), ERR_OK, &e);
	queue_close(q);
}
