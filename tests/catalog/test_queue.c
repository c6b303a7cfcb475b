/* Tests of catalog/queue*.c: storing, finding, each change of state, and forgetting. */
#include "tests/catalog/fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- a queue and requests ---- */

struct inbox {
	struct fixture *f; /* the repository */
	struct queue *q;   /* open for writing */
	struct err e;      /* for the calls of a test */
};

/* Where the bytes of a request come from. */
struct bytes {
	const uint8_t *data; /* NULL: byte n is a function of n */
	uint64_t len;        /* where they end */
	size_t most;         /* bytes given at a time; 0: as many as asked for */
	uint64_t fails_at;   /* reading from here on fails; 0: never */
	unsigned calls;      /* so far */
};

static uint8_t
byte_at(uint64_t off)
{
	return (uint8_t)(off * 7 + (off >> 16) * 3);
}

static int
give(void *arg, uint64_t off, void *out, size_t room, size_t *got, struct err *e)
{
	struct bytes *b = arg;
	size_t n = off < b->len ? (size_t)(b->len - off < room ? b->len - off : room) : 0;

	b->calls++;
	if (b->fails_at != 0 && off >= b->fails_at)
		return err_set(e, ERR_IO, "the source broke");
	if (b->most != 0 && n > b->most)
		n = b->most;
	for (size_t i = 0; i < n; i++)
		((uint8_t *)out)[i] = b->data != NULL ? b->data[off + i] : byte_at(off + i);
	*got = n;
	return ERR_OK;
}

static int
setup(void **state)
{
	struct inbox *x = calloc(1, sizeof(*x));
	void *fixture;

	assert_non_null(x);
	fixture_setup(&fixture);
	x->f = fixture;
	assert_err(queue_open(x->f->repo, true, &x->q, &x->e), ERR_OK, &x->e);
	*state = x;
	return 0;
}

static int
teardown(void **state)
{
	struct inbox *x = *state;
	void *fixture = x->f;

	queue_close(x->q);
	fixture_teardown(&fixture);
	free(x);
	return 0;
}

/* Put ${text} in as ${name} of shop.${table} at ${now}. */
static int64_t
put_text(struct inbox *x, const char *table, const char *name, const char *text, int64_t now)
{
	struct bytes b = {.data = (const uint8_t *)text, .len = strlen(text)};
	struct queue_request req = {.database = "shop",
	    .table = table,
	    .name = name,
	    .documents = 1,
	    .bytes = strlen(text),
	    .read = give,
	    .arg = &b};
	int64_t id = 0;

	assert_err(queue_put(x->q, &req, now, &id, &x->e), ERR_OK, &x->e);
	return id;
}

/* Assert the state of a restore, and return it. */
static struct queue_restore
expect(struct inbox *x, int64_t id, enum queue_state want)
{
	struct queue_restore r;

	assert_err(queue_get(x->q, id, &r, &x->e), ERR_OK, &x->e);
	assert_string_equal(queue_state_name(r.state), queue_state_name(want));
	return r;
}

static void
expect_payload(struct inbox *x, int64_t id, const char *want)
{
	char text[100];
	size_t got;

	assert_err(queue_read(x->q, id, 0, text, sizeof(text), &got, &x->e), ERR_OK, &x->e);
	assert_text(text, got, want);
}

static void
expect_error(struct inbox *x, int64_t id, const char *want)
{
	struct buf text = {0};

	assert_err(queue_error(x->q, id, &text, &x->e), ERR_OK, &x->e);
	assert_text(text.data, text.len, want);
	buf_finish(&text);
}

/* Claim one for ${owner}; its number, or 0. */
static int64_t
claim(struct inbox *x, const char *owner, int64_t now, int64_t lease)
{
	struct queue_restore r = {0};
	size_t got = 77;

	assert_err(queue_claim(x->q, owner, now, lease, &r, 1, &got, &x->e), ERR_OK, &x->e);
	if (got == 0)
		return 0;
	assert_int_equal(got, 1);
	assert_int_equal(r.state, QUEUE_RUNNING);
	assert_string_equal(r.owner, owner);
	return r.id;
}

/* ---- states and opening ---- */

static void
queue_state_name__there_and_back(void **state)
{
	static const char *const names[] = {"pending", "running", "done", "failed", "cancelled"};

	(void)state;
	for (int i = 0; i < 5; i++) {
		enum queue_state parsed;
		assert_string_equal(queue_state_name((enum queue_state)(1 << i)), names[i]);
		assert_int_equal(queue_state_parse(names[i], &parsed), ERR_OK);
		assert_int_equal(parsed, 1 << i);
	}
	assert_null(queue_state_name(QUEUE_ANY));
	assert_null(queue_state_name((enum queue_state)0));
	assert_int_equal(queue_state_parse("Pending", &(enum queue_state){0}), ERR_FORMAT);
}

static void
queue_open__absent_newer_damaged(void **state)
{
	struct inbox *x = *state;
	struct queue *q = NULL;
	char file[600];

	assert_err(queue_create(x->f->path, &x->e), ERR_EXISTS, &x->e);
	queue_close(x->q);
	x->q = NULL;
	snprintf(file, sizeof(file), "%s/queue.db", x->f->path);
	fixture_sql(x->f, "queue.db", "PRAGMA user_version = 1000");
	assert_err(queue_open(x->f->repo, true, &q, &x->e), ERR_VERSION, &x->e);
	test_write_file(file, "rubbish", 7);
	assert_err(queue_open(x->f->repo, false, &q, &x->e), ERR_CORRUPT, &x->e);
	assert_int_equal(unlink(file), 0);
	assert_err(queue_open(x->f->repo, true, &q, &x->e), ERR_ABSENT, &x->e);
	assert_null(q);
}

static void
queue_open__for_looking_cannot_write(void **state)
{
	struct inbox *x = *state;
	struct queue *reader = NULL;
	struct queue_restore r;
	struct bytes b = {.len = 3};
	struct queue_request req = {
	    .database = "shop", .table = "t", .name = "n", .bytes = 3, .read = give, .arg = &b};
	int64_t id = put_text(x, "orders", "a.json", "{}", 5);
	size_t got;

	assert_err(queue_open(x->f->repo, false, &reader, &x->e), ERR_OK, &x->e);
	assert_err(queue_get(reader, id, &r, &x->e), ERR_OK, &x->e);
	assert_err(queue_put(reader, &req, 1, &id, &x->e), ERR_READONLY, &x->e);
	assert_err(queue_claim(reader, "w", 9, 1, &r, 1, &got, &x->e), ERR_READONLY, &x->e);
	assert_err(queue_cancel(reader, id, 1, &x->e), ERR_READONLY, &x->e);
	assert_err(queue_done(reader, id, "w", 1, &x->e), ERR_READONLY, &x->e);
	queue_close(reader);
	queue_close(NULL);
}

/* ---- putting and reading ---- */

static void
queue_put__all_fields_come_back(void **state)
{
	struct inbox *x = *state;
	struct bytes b = {.data = (const uint8_t *)"[{},{}]", .len = 7};
	struct queue_request req = {.database = "shop",
	    .table = "orders",
	    .name = "=[1,\"a\"].json",
	    .documents = 2,
	    .bytes = 7,
	    .read = give,
	    .arg = &b};
	struct queue_restore r;
	int64_t id = 0;

	assert_err(queue_put(x->q, &req, 1234, &id, &x->e), ERR_OK, &x->e);
	assert_true(id > 0);
	r = expect(x, id, QUEUE_PENDING);
	assert_int_equal(r.id, id);
	assert_string_equal(r.database, "shop");
	assert_string_equal(r.table, "orders");
	assert_string_equal(r.name, "=[1,\"a\"].json");
	assert_int_equal(r.documents, 2);
	assert_int_equal(r.bytes, 7);
	assert_int_equal(r.attempts, 0);
	assert_int_equal(r.created, 1234);
	assert_int_equal(r.updated, 1234);
	assert_int_equal(r.not_before, 0);
	assert_int_equal(r.lease_until, 0);
	assert_string_equal(r.owner, "");
	expect_payload(x, id, "[{},{}]");
	expect_error(x, id, "");
	assert_err(queue_get(x->q, id + 1, &r, &x->e), ERR_ABSENT, NULL);
	assert_err(queue_error(x->q, id + 1, &(struct buf){0}, &x->e), ERR_ABSENT, NULL);
}

static void
queue_put__numbers_never_return(void **state)
{
	struct inbox *x = *state;
	int64_t id = put_text(x, "orders", "a.json", "{}", 1);

	fixture_sql(x->f, "queue.db", "DELETE FROM payload; DELETE FROM restores");
	assert_true(put_text(x, "orders", "a.json", "{}", 1) > id);
}

static void
queue_put__refused_ones_are_kept_as_failed(void **state)
{
	struct inbox *x = *state;
	struct bytes b = {.data = (const uint8_t *)"{bad", .len = 4};
	struct queue_request req = {.database = "shop",
	    .table = "orders",
	    .name = "bad.json",
	    .bytes = 4,
	    .error = "line 1:\n no JSON\x1b[31m",
	    .read = give,
	    .arg = &b};
	int64_t id;

	assert_err(queue_put(x->q, &req, 5, &id, &x->e), ERR_OK, &x->e);
	expect(x, id, QUEUE_FAILED);
	expect_payload(x, id, "{bad");
	expect_error(x, id, "line 1:? no JSON?[31m");
	assert_int_equal(claim(x, "w", 10, 10), 0);
	assert_err(queue_retry(x->q, id, QUEUE_POLICY_NONE, 6, &x->e), ERR_WRONG_STATE, &x->e);
	assert_non_null(strstr(x->e.text, "copy it in again"));
}

static void
queue_put__refuses_bad_names(void **state)
{
	static const char *const bad[][3] = {{"sh op", "t", "n"}, {"shop", "", "n"},
	    {"shop", "t/u", "n"}, {"shop", "t", ""}, {"shop", "t", "a/b"}};
	struct inbox *x = *state;
	struct bytes b = {.len = 1};
	struct queue_request req = {.bytes = 1, .read = give, .arg = &b};
	char name[QUEUE_NAME + 1];
	int64_t id = 77;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		req.database = bad[i][0];
		req.table = bad[i][1];
		req.name = bad[i][2];
		assert_err(queue_put(x->q, &req, 1, &id, &x->e), ERR_ARG, &x->e);
	}
	memset(name, 'n', sizeof(name));
	name[QUEUE_NAME] = '\0';
	req.database = "shop";
	req.table = "t";
	req.name = name;
	assert_err(queue_put(x->q, &req, 1, &id, &x->e), ERR_ARG, &x->e);
	assert_int_equal(id, 77);
	name[QUEUE_NAME - 1] = '\0';
	assert_err(queue_put(x->q, &req, 1, &id, &x->e), ERR_OK, &x->e);
	req.documents = UINT64_MAX;
	assert_err(queue_put(x->q, &req, 1, &id, &x->e), ERR_LIMIT, &x->e);
}

static void
queue_put__nothing_stays_of_a_broken_source(void **state)
{
	struct inbox *x = *state;
	struct queue_filter all = {.states = QUEUE_ANY};
	struct queue_restore r;
	struct bytes b = {.len = 200000, .fails_at = 150000, .most = 1000};
	struct queue_request req = {.database = "shop",
	    .table = "orders",
	    .name = "a.json",
	    .bytes = 200000,
	    .read = give,
	    .arg = &b};
	int64_t id = 77;

	assert_err(queue_put(x->q, &req, 1, &id, &x->e), ERR_IO, &x->e);
	assert_string_equal(x->e.text, "the source broke");
	b = (struct bytes){.len = 199999};
	assert_err(queue_put(x->q, &req, 1, &id, &x->e), ERR_TRUNCATED, &x->e);
	assert_int_equal(id, 77);
	assert_err(queue_next(x->q, &all, 0, &r, &x->e), ERR_END, NULL);
	assert_int_equal(fixture_number(x->f, "queue.db", "SELECT count(*) FROM payload"), 0);
}

/* Sizes around those of the pieces; sources that give little at a time; reads across pieces. */
static void
queue_read__any_offset_and_length(void **state)
{
	static const uint64_t sizes[] = {0, 1, 65535, 65536, 65537, 131072, 300001};
	struct inbox *x = *state;
	uint8_t *out = malloc(400000);

	assert_non_null(out);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct bytes b = {.len = sizes[i], .most = i % 2 == 0 ? 999 : 0};
		struct queue_request req = {.database = "shop",
		    .table = "orders",
		    .name = "a.json",
		    .bytes = sizes[i],
		    .read = give,
		    .arg = &b};
		int64_t id;
		assert_err(queue_put(x->q, &req, 1, &id, &x->e), ERR_OK, &x->e);
		for (uint64_t off = 0; off <= sizes[i] + 70000; off += 32749) {
			size_t room = 1 + (size_t)(off % 100003) * 2, got = 77;
			uint64_t left = off < sizes[i] ? sizes[i] - off : 0;
			assert_err(
			    queue_read(x->q, id, off, out, room, &got, &x->e), ERR_OK, &x->e);
			assert_int_equal(got, left < room ? left : room);
			for (size_t n = 0; n < got; n++)
				if (out[n] != byte_at(off + n))
					fail();
		}
	}
	assert_err(queue_read(x->q, 999, 0, out, 1, &(size_t){0}, &x->e), ERR_ABSENT, NULL);
	free(out);
}

static void
queue_read__missing_and_short_pieces_are_damage(void **state)
{
	struct inbox *x = *state;
	struct bytes b = {.len = 200000};
	struct queue_request req = {.database = "shop",
	    .table = "orders",
	    .name = "a.json",
	    .bytes = 200000,
	    .read = give,
	    .arg = &b};
	uint8_t out[10];
	size_t got = 77;
	int64_t id;

	assert_err(queue_put(x->q, &req, 1, &id, &x->e), ERR_OK, &x->e);
	fixture_sql(x->f, "queue.db", "UPDATE payload SET bytes = zeroblob(65535) WHERE seq = 1");
	fixture_sql(x->f, "queue.db", "DELETE FROM payload WHERE seq = 2");
	assert_err(queue_read(x->q, id, 65530, out, 10, &got, &x->e), ERR_CORRUPT, &x->e);
	assert_err(queue_read(x->q, id, 131072, out, 10, &got, &x->e), ERR_CORRUPT, &x->e);
	assert_non_null(strstr(x->e.text, "queue.db"));
	assert_int_equal(got, 77);
	assert_err(queue_read(x->q, id, 196608, out, 10, &got, &x->e), ERR_OK, &x->e);
	fixture_sql(x->f, "queue.db", "UPDATE restores SET bytes = 9000000000000000000");
	assert_err(
	    queue_read(x->q, id, 8000000000000000000, out, 10, &got, &x->e), ERR_CORRUPT, &x->e);
}

static void
queue_put__replaces_what_is_pending(void **state)
{
	struct inbox *x = *state;
	struct bytes b = {.data = (const uint8_t *)"new", .len = 3};
	struct queue_request req = {.database = "shop",
	    .table = "orders",
	    .name = "a.json",
	    .documents = 3,
	    .bytes = 3,
	    .read = give,
	    .arg = &b};
	struct queue_restore r;
	int64_t id = put_text(x, "orders", "a.json", "the old one", 5), again;

	/* One that a worker has had and given back: what it says of the old bytes goes. */
	assert_int_equal(claim(x, "w", 6, 10), id);
	assert_err(queue_give_back(x->q, id, "w", "later", 7, 1000, &x->e), ERR_OK, &x->e);
	req.replaces = id;
	assert_err(queue_put(x->q, &req, 8, &again, &x->e), ERR_OK, &x->e);
	assert_int_equal(again, id);
	r = expect(x, id, QUEUE_PENDING);
	assert_int_equal(r.created, 5);
	assert_int_equal(r.updated, 8);
	assert_int_equal(r.documents, 3);
	assert_int_equal(r.attempts, 0);
	assert_int_equal(r.not_before, 0);
	expect_payload(x, id, "new");
	expect_error(x, id, "");
	/* When it breaks off, the old one stays. */
	b.fails_at = 1;
	b.most = 1;
	assert_err(queue_put(x->q, &req, 9, &again, &x->e), ERR_IO, &x->e);
	expect_payload(x, id, "new");
	b.fails_at = 0;
	/* What runs is not touched: a new one is made. */
	assert_int_equal(claim(x, "w", 10, 10), id);
	assert_err(queue_put(x->q, &req, 11, &again, &x->e), ERR_OK, &x->e);
	assert_true(again > id);
	expect(x, id, QUEUE_RUNNING);
	expect(x, again, QUEUE_PENDING);
	/* Also by one that is refused. */
	req.replaces = again;
	req.error = "bad";
	assert_err(queue_put(x->q, &req, 12, &again, &x->e), ERR_OK, &x->e);
	expect(x, again, QUEUE_FAILED);
	assert_int_equal(fixture_number(x->f, "queue.db", "SELECT count(*) FROM payload"), 2);
}

/* ---- finding ---- */

static void
queue_next__filters_in_order(void **state)
{
	struct inbox *x = *state;
	struct queue_filter any = {.states = QUEUE_ANY};
	struct queue_filter orders = {"shop", "orders", QUEUE_PENDING | QUEUE_CANCELLED};
	struct queue_filter shop = {"shop", NULL, QUEUE_DONE};
	struct queue_filter none = {.states = 0};
	struct queue_restore r = {0};
	int64_t ids[6];

	for (int i = 0; i < 6; i++)
		ids[i] = put_text(x, i % 2 == 0 ? "orders" : "users", "a.json", "{}", i);
	assert_err(queue_cancel(x->q, ids[2], 10, &x->e), ERR_OK, &x->e);
	assert_int_equal(claim(x, "w", 10, 10), ids[0]);
	assert_int_equal(claim(x, "w", 10, 10), ids[1]);
	assert_err(queue_done(x->q, ids[1], "w", 11, &x->e), ERR_OK, &x->e);
	for (int i = 0; i < 6; i++) {
		assert_err(queue_next(x->q, &any, r.id, &r, &x->e), ERR_OK, &x->e);
		assert_int_equal(r.id, ids[i]);
	}
	assert_err(queue_next(x->q, &any, r.id, &r, &x->e), ERR_END, NULL);
	assert_err(queue_next(x->q, &orders, 0, &r, &x->e), ERR_OK, &x->e);
	assert_int_equal(r.id, ids[2]);
	assert_err(queue_next(x->q, &orders, r.id, &r, &x->e), ERR_OK, &x->e);
	assert_int_equal(r.id, ids[4]);
	assert_err(queue_next(x->q, &orders, r.id, &r, &x->e), ERR_END, NULL);
	assert_err(queue_next(x->q, &shop, 0, &r, &x->e), ERR_OK, &x->e);
	assert_int_equal(r.id, ids[1]);
	shop.database = "shops";
	assert_err(queue_next(x->q, &shop, 0, &r, &x->e), ERR_END, NULL);
	assert_err(queue_next(x->q, &none, 0, &r, &x->e), ERR_END, NULL);
}

static void
queue_next_name__newest_of_each_name(void **state)
{
	static const char *const names[] = {"a", "b", "a", "c", "a", "b"};
	struct inbox *x = *state;
	struct queue_filter pending = {"shop", "orders", QUEUE_PENDING};
	struct queue_filter any = {.states = QUEUE_PENDING};
	struct queue_filter failed = {"shop", "orders", QUEUE_FAILED};
	struct queue_restore r = {0};
	int64_t ids[7];

	for (int i = 0; i < 6; i++)
		ids[i] = put_text(x, "orders", names[i], "{}", i);
	ids[6] = put_text(x, "users", "c", "{}", 6);
	/* The newest "a" is no longer pending, so the one before it is what the name means. */
	assert_err(queue_cancel(x->q, ids[4], 10, &x->e), ERR_OK, &x->e);
	for (int round = 0; round < 2; round++) {
		const struct queue_filter *f = round == 0 ? &pending : &any;
		assert_err(queue_next_name(x->q, f, 0, &r, &x->e), ERR_OK, &x->e);
		assert_int_equal(r.id, ids[2]);
		assert_err(queue_next_name(x->q, f, r.id, &r, &x->e), ERR_OK, &x->e);
		assert_int_equal(r.id, ids[3]);
		assert_err(queue_next_name(x->q, f, r.id, &r, &x->e), ERR_OK, &x->e);
		assert_int_equal(r.id, ids[5]);
	}
	assert_err(queue_next_name(x->q, &any, r.id, &r, &x->e), ERR_OK, &x->e);
	assert_int_equal(r.id, ids[6]);
	assert_err(queue_next_name(x->q, &pending, ids[5], &r, &x->e), ERR_END, NULL);
	assert_err(queue_next_name(x->q, &failed, 0, &r, &x->e), ERR_END, NULL);
}

static void
queue_find__newest_with_the_name_and_state(void **state)
{
	struct inbox *x = *state;
	struct queue_filter f = {"shop", "orders", QUEUE_ANY};
	struct queue_filter all = {.states = QUEUE_ANY};
	struct queue_restore r = {.id = 77};
	int64_t first = put_text(x, "orders", "a", "{}", 1);
	int64_t second = put_text(x, "orders", "a", "{}", 2);

	put_text(x, "users", "a", "{}", 3);
	put_text(x, "orders", "b", "{}", 4);
	assert_err(queue_find(x->q, &f, "a", &r, &x->e), ERR_OK, &x->e);
	assert_int_equal(r.id, second);
	assert_err(queue_cancel(x->q, second, 5, &x->e), ERR_OK, &x->e);
	f.states = QUEUE_PENDING | QUEUE_RUNNING;
	assert_err(queue_find(x->q, &f, "a", &r, &x->e), ERR_OK, &x->e);
	assert_int_equal(r.id, first);
	f.states = QUEUE_CANCELLED;
	assert_err(queue_find(x->q, &f, "a", &r, &x->e), ERR_OK, &x->e);
	assert_int_equal(r.id, second);
	f.states = QUEUE_DONE;
	assert_err(queue_find(x->q, &f, "a", &r, &x->e), ERR_ABSENT, NULL);
	assert_err(queue_find(x->q, &f, "A", &r, &x->e), ERR_ABSENT, NULL);
	assert_err(queue_find(x->q, &all, "a", &r, &x->e), ERR_BUG, &x->e);
	assert_int_equal(r.id, second);
}

static void
queue_get__values_out_of_range_are_damage(void **state)
{
	static const char *const crafted[] = {"state = 'lost'", "database_name = '..'",
	    "table_name = ''", "name = ''", "name = 'a/b'", "name = 'a' || char(0)",
	    "name = hex(zeroblob(200))", "documents = -1", "bytes = -1", "attempts = -1",
	    "owner = hex(zeroblob(200))"};
	struct inbox *x = *state;
	struct queue_filter any = {.states = QUEUE_ANY};
	struct queue_restore r = {.id = 77};
	int64_t id = put_text(x, "orders", "a", "{}", 1);

	for (size_t i = 0; i < sizeof(crafted) / sizeof(crafted[0]); i++) {
		char sql[300];
		snprintf(sql, sizeof(sql),
		    "UPDATE restores SET state = 'pending', database_name = 'd', table_name = 't',"
		    " name = 'n', documents = 1, bytes = 1, attempts = 1, owner = '';"
		    "UPDATE restores SET %s",
		    crafted[i]);
		fixture_sql(x->f, "queue.db", sql);
		assert_err(queue_get(x->q, id, &r, &x->e), ERR_CORRUPT, &x->e);
		if (i > 0)
			assert_err(queue_next(x->q, &any, 0, &r, &x->e), ERR_CORRUPT, &x->e);
		assert_int_equal(r.id, 77);
	}
}

/* ---- claiming ---- */

static void
queue_claim__oldest_first_and_more_of_its_table(void **state)
{
	struct inbox *x = *state;
	struct queue_restore r[10];
	int64_t ids[6];
	size_t got;

	for (int i = 0; i < 6; i++)
		ids[i] = put_text(x, i == 2 ? "users" : "orders", "a", "{}", i);
	assert_err(queue_claim(x->q, "w1", 100, 50, r, 3, &got, &x->e), ERR_OK, &x->e);
	assert_int_equal(got, 3);
	assert_int_equal(r[0].id, ids[0]);
	assert_int_equal(r[1].id, ids[1]);
	assert_int_equal(r[2].id, ids[3]);
	for (size_t i = 0; i < got; i++) {
		struct queue_restore now = expect(x, r[i].id, QUEUE_RUNNING);
		assert_int_equal(r[i].state, QUEUE_RUNNING);
		assert_int_equal(r[i].attempts, 1);
		assert_int_equal(r[i].lease_until, 150);
		assert_int_equal(r[i].updated, 100);
		assert_int_equal(now.attempts, 1);
		assert_int_equal(now.lease_until, 150);
		assert_int_equal(now.updated, 100);
		assert_string_equal(now.owner, "w1");
	}
	assert_err(queue_claim(x->q, "w2", 100, 50, r, 10, &got, &x->e), ERR_OK, &x->e);
	assert_int_equal(got, 1);
	assert_int_equal(r[0].id, ids[2]);
	assert_int_equal(claim(x, "w2", 100, 50), 0);
	for (size_t i = 0; i < 4; i++)
		if (i != 2)
			assert_err(queue_done(x->q, ids[i], "w1", 100, &x->e), ERR_OK, &x->e);
	assert_err(queue_claim(x->q, "w2", 100, 50, r, 10, &got, &x->e), ERR_OK, &x->e);
	assert_int_equal(got, 2);
	assert_int_equal(r[0].id, ids[4]);
	assert_int_equal(r[1].id, ids[5]);
}

/* What is put off, and what another worker has, keeps its place: none is overtaken by a newer one.
 */
static void
queue_claim__in_the_order_of_numbers(void **state)
{
	struct inbox *x = *state;
	struct queue_restore r[10];
	int64_t ids[4], other;
	size_t got;

	for (int i = 0; i < 4; i++)
		ids[i] = put_text(x, "orders", "a", "{}", i);
	assert_int_equal(claim(x, "w1", 100, 50), ids[0]);
	assert_int_equal(claim(x, "w2", 149, 50), 0);
	assert_err(queue_give_back(x->q, ids[0], "w1", "", 150, 500, &x->e), ERR_OK, &x->e);
	assert_int_equal(claim(x, "w2", 499, 50), 0);
	/* Other tables go on, whether their names come before or after. */
	for (int i = 0; i < 3; i++) {
		static const char *const tables[] = {"customers", "users", "users"};
		other = put_text(x, tables[i], "a", "{}", 1);
		assert_int_equal(claim(x, "w2", 499, 50), other);
		assert_err(queue_done(x->q, other, "w2", 499, &x->e), ERR_OK, &x->e);
	}
	/* The first two together; then the second is put off, and holds up two more. */
	assert_err(queue_claim(x->q, "w1", 500, 50, r, 2, &got, &x->e), ERR_OK, &x->e);
	assert_int_equal(got, 2);
	assert_err(queue_done(x->q, ids[0], "w1", 500, &x->e), ERR_OK, &x->e);
	assert_err(queue_give_back(x->q, ids[1], "w1", "", 500, 600, &x->e), ERR_OK, &x->e);
	assert_int_equal(claim(x, "w1", 560, 50), 0);
	assert_err(queue_claim(x->q, "w1", 600, 50, r, 10, &got, &x->e), ERR_OK, &x->e);
	assert_int_equal(got, 3);
	for (size_t i = 0; i < got; i++)
		assert_int_equal(r[i].id, ids[i + 1]);
	/* One in the midst that is put off ends what is taken. */
	for (size_t i = 0; i < got; i++)
		assert_err(
		    queue_give_back(x->q, ids[i + 1], "w1", "", 600, i == 1 ? 700 : 0, &x->e),
		    ERR_OK, &x->e);
	assert_err(queue_claim(x->q, "w1", 605, 50, r, 10, &got, &x->e), ERR_OK, &x->e);
	assert_int_equal(got, 1);
	assert_int_equal(r[0].id, ids[1]);
}

static void
queue_claim__refuses_nameless_workers(void **state)
{
	struct inbox *x = *state;
	struct queue_restore r;
	char owner[QUEUE_OWNER + 1];
	size_t got = 77;

	put_text(x, "orders", "a", "{}", 1);
	memset(owner, 'w', sizeof(owner));
	owner[QUEUE_OWNER] = '\0';
	assert_err(queue_claim(x->q, owner, 1, 1, &r, 1, &got, &x->e), ERR_ARG, &x->e);
	assert_err(queue_claim(x->q, "", 1, 1, &r, 1, &got, &x->e), ERR_ARG, &x->e);
	assert_err(queue_claim(x->q, "w", 1, 1, &r, 0, &got, &x->e), ERR_ARG, &x->e);
	assert_int_equal(got, 77);
	owner[QUEUE_OWNER - 1] = '\0';
	assert_int_equal(claim(x, owner, 1, 1), 1);
}

static void
queue_claim__again_when_the_lease_has_run_out(void **state)
{
	struct inbox *x = *state;
	int64_t id = put_text(x, "orders", "a", "{}", 1);
	struct queue_restore r;
	size_t held;

	assert_int_equal(claim(x, "w1", 100, 50), id);
	assert_int_equal(claim(x, "w2", 149, 50), 0);
	assert_err(queue_renew(x->q, "w1", id, id, 140, 50, &held, &x->e), ERR_OK, &x->e);
	assert_int_equal(held, 1);
	assert_int_equal(claim(x, "w2", 189, 50), 0);
	assert_int_equal(claim(x, "w2", 190, 50), id);
	r = expect(x, id, QUEUE_RUNNING);
	assert_int_equal(r.attempts, 2);
	assert_string_equal(r.owner, "w2");
	/* The first worker's reports are dropped, whatever they are. */
	assert_err(queue_renew(x->q, "w1", id, id, 191, 50, &held, &x->e), ERR_OK, &x->e);
	assert_int_equal(held, 0);
	assert_int_equal(expect(x, id, QUEUE_RUNNING).lease_until, 240);
	assert_err(queue_done(x->q, id, "w1", 191, &x->e), ERR_WRONG_STATE, &x->e);
	assert_err(queue_fail(x->q, id, "w1", "x", 191, &x->e), ERR_WRONG_STATE, &x->e);
	assert_err(queue_give_back(x->q, id, "w1", "x", 191, 0, &x->e), ERR_WRONG_STATE, &x->e);
	assert_non_null(strstr(x->e.text, "w1"));
	assert_err(queue_done(x->q, id, "w2", 192, &x->e), ERR_OK, &x->e);
	/* A lease does not wrap around. */
	id = put_text(x, "orders", "a", "{}", 1);
	assert_int_equal(claim(x, "w", INT64_MAX - 5, 50), id);
	assert_true(expect(x, id, QUEUE_RUNNING).lease_until == INT64_MAX);
}

static void
queue_renew__what_is_held_and_in_the_range(void **state)
{
	struct inbox *x = *state;
	struct queue_restore r[4];
	size_t got, held;
	int64_t id[4];

	for (unsigned i = 0; i < 4; i++)
		id[i] = put_text(x, "orders", (char[]){(char)('a' + i), '\0'}, "{}", 1);
	assert_err(queue_claim(x->q, "w", 100, 50, r, 4, &got, &x->e), ERR_OK, &x->e);
	assert_int_equal(got, 4);
	assert_err(queue_done(x->q, id[1], "w", 110, &x->e), ERR_OK, &x->e);
	assert_err(queue_renew(x->q, "w", id[0], id[2], 120, 50, &held, &x->e), ERR_OK, &x->e);
	assert_int_equal(held, 2);
	assert_int_equal(expect(x, id[0], QUEUE_RUNNING).lease_until, 170);
	assert_int_equal(expect(x, id[2], QUEUE_RUNNING).lease_until, 170);
	assert_int_equal(expect(x, id[3], QUEUE_RUNNING).lease_until, 150);
	assert_err(queue_renew(x->q, "other", id[0], id[3], 120, 50, &held, &x->e), ERR_OK, &x->e);
	assert_int_equal(held, 0);
}

static void
queue_renew__of_one_table(void **state)
{
	struct inbox *x = *state;
	int64_t a = put_text(x, "orders", "a", "{}", 1);
	int64_t b = put_text(x, "products", "b", "{}", 1);
	int64_t c = put_text(x, "orders", "c", "{}", 1);
	struct queue_restore r[2];
	size_t got, held;

	assert_err(queue_claim(x->q, "w", 100, 50, r, 2, &got, &x->e), ERR_OK, &x->e);
	assert_int_equal(got, 2);
	assert_int_equal(claim(x, "w", 100, 50), b);
	assert_err(queue_renew(x->q, "w", a, c, 120, 50, &held, &x->e), ERR_OK, &x->e);
	assert_int_equal(held, 2);
	assert_int_equal(expect(x, b, QUEUE_RUNNING).lease_until, 150);
	assert_int_equal(expect(x, c, QUEUE_RUNNING).lease_until, 170);
}

/* A worker that was only slow may still report, as long as nobody has taken the restore. */
static void
queue_done__after_the_lease_but_still_held(void **state)
{
	struct inbox *x = *state;
	int64_t id = put_text(x, "orders", "a", "{}", 1);
	struct queue_restore r;

	assert_int_equal(claim(x, "w", 100, 50), id);
	assert_err(queue_done(x->q, id, "w", 1000, &x->e), ERR_OK, &x->e);
	r = expect(x, id, QUEUE_DONE);
	assert_int_equal(r.updated, 1000);
	assert_int_equal(r.lease_until, 0);
	assert_string_equal(r.owner, "w");
	expect_payload(x, id, "{}");
	assert_err(queue_done(x->q, id, "w", 1001, &x->e), ERR_WRONG_STATE, &x->e);
	assert_int_equal(claim(x, "w", 2000, 50), 0);
}

static void
queue_fail__with_a_reason(void **state)
{
	struct inbox *x = *state;
	int64_t id = put_text(x, "orders", "a", "{}", 1);

	assert_int_equal(claim(x, "w", 100, 50), id);
	assert_err(queue_fail(x->q, id, "w", "no\nsuch table", 101, &x->e), ERR_OK, &x->e);
	expect(x, id, QUEUE_FAILED);
	expect_error(x, id, "no?such table");
	assert_int_equal(claim(x, "w", 1000, 50), 0);
	assert_err(queue_retry(x->q, id, QUEUE_POLICY_NONE, 1001, &x->e), ERR_OK, &x->e);
	expect_error(x, id, "");
	assert_int_equal(claim(x, "w", 1002, 50), id);
	assert_int_equal(expect(x, id, QUEUE_RUNNING).attempts, 2);
}

static void
queue_give_back__not_before_its_time(void **state)
{
	struct inbox *x = *state;
	int64_t id = put_text(x, "orders", "a", "{}", 1), other;

	assert_int_equal(claim(x, "w", 100, 50), id);
	assert_err(queue_give_back(x->q, id, "w", "try later", 110, 500, &x->e), ERR_OK, &x->e);
	assert_int_equal(expect(x, id, QUEUE_PENDING).not_before, 500);
	expect_error(x, id, "try later");
	assert_int_equal(claim(x, "w", 499, 50), 0);
	other = put_text(x, "users", "b", "{}", 1);
	assert_int_equal(claim(x, "w", 499, 50), other);
	assert_int_equal(claim(x, "w", 500, 50), id);
}

/* ---- users ---- */

static void
queue_cancel__and_retry_from_each_state(void **state)
{
	struct inbox *x = *state;
	int64_t id = put_text(x, "orders", "a", "{}", 1);

	assert_err(queue_retry(x->q, id, QUEUE_POLICY_NONE, 2, &x->e), ERR_WRONG_STATE, &x->e);
	assert_non_null(strstr(x->e.text, "is pending"));
	assert_err(queue_cancel(x->q, id, 3, &x->e), ERR_OK, &x->e);
	assert_int_equal(expect(x, id, QUEUE_CANCELLED).updated, 3);
	assert_err(queue_cancel(x->q, id, 4, &x->e), ERR_WRONG_STATE, &x->e);
	assert_int_equal(claim(x, "w", 5, 10), 0);
	assert_err(queue_retry(x->q, id, QUEUE_POLICY_NONE, 6, &x->e), ERR_OK, &x->e);
	assert_int_equal(expect(x, id, QUEUE_PENDING).updated, 6);
	assert_int_equal(claim(x, "w", 7, 10), id);
	assert_err(queue_cancel(x->q, id, 8, &x->e), ERR_WRONG_STATE, &x->e);
	assert_non_null(strstr(x->e.text, "is running"));
	assert_err(queue_retry(x->q, id, QUEUE_POLICY_NONE, 8, &x->e), ERR_WRONG_STATE, &x->e);
	assert_err(queue_fail(x->q, id, "w", "no", 9, &x->e), ERR_OK, &x->e);
	assert_err(queue_cancel(x->q, id, 10, &x->e), ERR_OK, &x->e);
	expect(x, id, QUEUE_CANCELLED);
	expect_error(x, id, "no");
	assert_err(queue_retry(x->q, id, QUEUE_POLICY_NONE, 11, &x->e), ERR_OK, &x->e);
	assert_int_equal(claim(x, "w", 12, 10), id);
	assert_err(queue_done(x->q, id, "w", 13, &x->e), ERR_OK, &x->e);
	assert_err(queue_retry(x->q, id, QUEUE_POLICY_NONE, 14, &x->e), ERR_WRONG_STATE, &x->e);
	assert_err(queue_cancel(x->q, id, 14, &x->e), ERR_WRONG_STATE, &x->e);
	assert_err(queue_cancel(x->q, 999, 14, &x->e), ERR_ABSENT, &x->e);
	assert_non_null(strstr(x->e.text, "999"));
	assert_err(queue_retry(x->q, 999, QUEUE_POLICY_NONE, 14, &x->e), ERR_ABSENT, &x->e);
}

static void
queue_generation__others_commits(void **state)
{
	struct inbox *x = *state;
	struct queue *other = NULL;
	uint64_t a, b;

	assert_err(queue_open(x->f->repo, false, &other, &x->e), ERR_OK, &x->e);
	assert_err(queue_generation(other, &a, &x->e), ERR_OK, &x->e);
	put_text(x, "orders", "a", "{}", 1);
	assert_err(queue_generation(other, &b, &x->e), ERR_OK, &x->e);
	assert_true(a != b);
	/* Asking for work that is not there changes nothing. */
	assert_int_equal(claim(x, "w", 5, 10), 1);
	assert_err(queue_generation(other, &a, &x->e), ERR_OK, &x->e);
	assert_int_equal(claim(x, "w", 5, 10), 0);
	assert_err(queue_generation(other, &b, &x->e), ERR_OK, &x->e);
	assert_true(a == b);
	queue_close(other);
}

/* ---- processes ---- */

#define WORKERS 3
#define RESTORES 150

/* Claim and finish until there is nothing left; write each number down. */
static void
work(struct inbox *x, int worker, int out)
{
	struct queue *q;
	struct queue_restore r[4];
	char name[16];
	size_t got;

	snprintf(name, sizeof(name), "w%d", worker);
	if (queue_open(x->f->repo, true, &q, NULL) != ERR_OK)
		_exit(1);
	for (;;) {
		if (queue_claim(q, name, 100, 1000, r, 1 + (size_t)worker, &got, NULL) != ERR_OK)
			_exit(2);
		if (got == 0)
			break;
		for (size_t i = 0; i < got; i++)
			if (queue_done(q, r[i].id, name, 101, NULL) != ERR_OK ||
			    write(out, &r[i].id, sizeof(r[i].id)) != sizeof(r[i].id))
				_exit(3);
	}
	queue_close(q);
	_exit(0);
}

static void
queue_claim__each_restore_goes_to_one_process(void **state)
{
	struct inbox *x = *state;
	int64_t ids[RESTORES], id;
	unsigned seen[RESTORES] = {0};
	pid_t children[WORKERS];
	int out[2], status, total = 0;

	for (int i = 0; i < RESTORES; i++)
		ids[i] = put_text(x, i % 3 == 0 ? "orders" : "users", "a", "{}", i);
	queue_close(x->q);
	x->q = NULL;
	assert_int_equal(pipe(out), 0);
	for (int i = 0; i < WORKERS; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0)
			work(x, i, out[1]);
	}
	close(out[1]);
	while (read(out[0], &id, sizeof(id)) == sizeof(id)) {
		assert_in_range(id, ids[0], ids[RESTORES - 1]);
		seen[id - ids[0]]++;
		total++;
	}
	close(out[0]);
	for (int i = 0; i < WORKERS; i++) {
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(total, RESTORES);
	for (int i = 0; i < RESTORES; i++)
		assert_int_equal(seen[i], 1);
}

/* A child stores restores until it is killed in the middle of one: those it told of are whole. */
static void
queue_put__outlives_kill(void **state)
{
	struct inbox *x = *state;
	struct queue_filter any = {.states = QUEUE_ANY};
	struct queue_restore r = {0};
	int told[2], status, n = 0, kept = 0;
	int64_t id, last = 0;
	pid_t child;

	queue_close(x->q);
	x->q = NULL;
	assert_int_equal(pipe(told), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct bytes b = {.len = 150000};
		struct queue_request req = {.database = "shop",
		    .table = "orders",
		    .name = "a.json",
		    .documents = 1,
		    .bytes = 150000,
		    .read = give,
		    .arg = &b};
		if (queue_open(x->f->repo, true, &x->q, NULL) != ERR_OK)
			_exit(1);
		while (queue_put(x->q, &req, 1, &id, NULL) == ERR_OK &&
		       write(told[1], &id, sizeof(id)) == sizeof(id))
			continue;
		_exit(2);
	}
	for (n = 0; n < 10; n++)
		assert_int_equal(read(told[0], &last, sizeof(last)), sizeof(last));
	usleep(3000);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	close(told[1]);
	while (read(told[0], &last, sizeof(last)) == sizeof(last))
		n++;
	close(told[0]);
	assert_err(queue_open(x->f->repo, true, &x->q, &x->e), ERR_OK, &x->e);
	while (queue_next(x->q, &any, r.id, &r, &x->e) == ERR_OK) {
		uint8_t out[1000];
		size_t got;
		kept++;
		assert_err(queue_read(x->q, r.id, 149000, out, 1000, &got, &x->e), ERR_OK, &x->e);
		assert_int_equal(got, 1000);
		assert_int_equal(out[999], byte_at(149999));
	}
	assert_in_range(kept, n, n + 1);
	assert_true(r.id >= last);
	assert_int_equal(
	    fixture_number(x->f, "queue.db", "SELECT count(*) FROM payload"), kept * 3);
}

/* ---- what restores replace ---- */

static struct key
number_key(double n)
{
	struct key key = {0};

	assert_int_equal(key_put_number(&key, 0, n), ERR_OK);
	return key;
}

static void
queue_remember__comes_back_in_order(void **state)
{
	struct inbox *x = *state;
	int64_t id = put_text(x, "orders", "a.json", "{}", 5);
	struct key two = number_key(2), one = number_key(1), at = {0};
	struct queue_replaced r[] = {
	    {.key = &two, .document = "{\"id\":2}", .len = 8, .written = {2}},
	    {.key = &one, .written = {1}}};
	uint8_t written[DIGEST_LEN] = {9};
	struct buf document = {0};
	struct queue_restore restore;
	bool existed;

	assert_err(queue_recall(x->q, id, &one, written, &x->e), ERR_ABSENT, &x->e);
	assert_err(queue_remember(x->q, id, "rethinkdb://h", r, 2, &x->e), ERR_OK, &x->e);
	assert_err(queue_recall(x->q, id, &two, written, &x->e), ERR_OK, &x->e);
	assert_int_equal(written[0], 2);
	assert_err(queue_rewrite(x->q, id, &two, (uint8_t[DIGEST_LEN]){7}, &x->e), ERR_OK, &x->e);
	assert_err(
	    queue_replaced_next(x->q, id, &at, written, &document, &existed, &x->e), ERR_OK, &x->e);
	assert_false(existed);
	assert_int_equal(key_compare(&at, &one), 0);
	assert_err(
	    queue_replaced_next(x->q, id, &at, written, &document, &existed, &x->e), ERR_OK, &x->e);
	assert_true(existed);
	assert_int_equal(written[0], 7);
	assert_text(document.data, document.len, "{\"id\":2}");
	assert_err(queue_replaced_next(x->q, id, &at, written, &document, &existed, &x->e), ERR_END,
	    &x->e);
	buf_finish(&document);
	assert_err(queue_undone(x->q, id, 77, &x->e), ERR_OK, &x->e);
	assert_err(queue_get(x->q, id, &restore, &x->e), ERR_OK, &x->e);
	assert_string_equal(restore.target, "rethinkdb://h");
	assert_int_equal(restore.undone, 77);
	fixture_sql(x->f, "queue.db", "UPDATE replaced SET key = x'00' WHERE document IS NULL");
	at = (struct key){0};
	assert_err(queue_replaced_next(x->q, id, &at, written, &document, &existed, &x->e),
	    ERR_CORRUPT, &x->e);
}

/* ---- forgetting ---- */

/* A restore of ${table} that is done at ${now} and has replaced a document. */
static int64_t
put_done(struct inbox *x, const char *table, int64_t now)
{
	int64_t id = put_text(x, table, "a.json", "[{}]", now - 1);
	struct key key = number_key(1);
	struct queue_replaced r = {.key = &key, .document = "{\"id\":1}", .len = 8, .written = {2}};

	assert_int_equal(claim(x, "w", now - 1, 10), id);
	assert_err(queue_remember(x->q, id, "rethinkdb://h", &r, 1, &x->e), ERR_OK, &x->e);
	assert_err(queue_done(x->q, id, "w", now, &x->e), ERR_OK, &x->e);
	return id;
}

/* How many rows of each kind there are. */
static void
expect_rows(struct inbox *x, int64_t restores, int64_t payload, int64_t replaced)
{
	const char *db = "queue.db";

	assert_int_equal(fixture_number(x->f, db, "SELECT count(*) FROM restores"), restores);
	assert_int_equal(fixture_number(x->f, db, "SELECT count(*) FROM payload"), payload);
	assert_int_equal(fixture_number(x->f, db, "SELECT count(*) FROM replaced"), replaced);
}

static void
queue_forget__all_that_belongs_to_it(void **state)
{
	struct inbox *x = *state;
	int64_t first = put_done(x, "orders", 10), second = put_done(x, "orders", 20), third;
	struct queue_restore r;
	size_t got;

	assert_err(queue_forget(x->q, second, &x->e), ERR_OK, &x->e);
	expect_rows(x, 1, 1, 1);
	assert_err(queue_get(x->q, second, &r, &x->e), ERR_ABSENT, NULL);
	assert_err(queue_read(x->q, second, 0, &(char){0}, 1, &got, &x->e), ERR_ABSENT, NULL);
	expect_payload(x, first, "[{}]");
	assert_err(queue_forget(x->q, second, &x->e), ERR_ABSENT, &x->e);
	assert_non_null(strstr(x->e.text, "there is no restore 2"));
	/* One that undoes it at that moment is told. */
	assert_err(queue_undone(x->q, second, 30, &x->e), ERR_ABSENT, &x->e);
	assert_non_null(strstr(x->e.text, "not all may have been put back"));
	third = put_text(x, "orders", "b.json", "{}", 40);
	assert_true(third > second);
}

static void
queue_forget__only_what_is_over(void **state)
{
	struct inbox *x = *state;
	int64_t id = put_text(x, "orders", "a.json", "{}", 1);

	assert_err(queue_forget(x->q, id, &x->e), ERR_WRONG_STATE, &x->e);
	assert_non_null(strstr(x->e.text, "is pending"));
	assert_int_equal(claim(x, "w", 2, 10), id);
	assert_err(queue_forget(x->q, id, &x->e), ERR_WRONG_STATE, &x->e);
	assert_non_null(strstr(x->e.text, "is running"));
	expect_rows(x, 1, 1, 0);
	assert_err(queue_fail(x->q, id, "w", "no", 3, &x->e), ERR_OK, &x->e);
	assert_err(queue_forget(x->q, id, &x->e), ERR_OK, &x->e);
	id = put_text(x, "orders", "a.json", "{}", 4);
	assert_err(queue_cancel(x->q, id, 5, &x->e), ERR_OK, &x->e);
	assert_err(queue_forget(x->q, id, &x->e), ERR_OK, &x->e);
	expect_rows(x, 0, 0, 0);
}

/* Count, then forget: both must say ${restores} and ${bytes}. */
static void
forget_old(struct inbox *x, struct queue_filter filter, int64_t before, uint64_t restores)
{
	uint64_t n = 77, bytes = 77;

	assert_err(queue_count_old(x->q, &filter, before, &n, &bytes, &x->e), ERR_OK, &x->e);
	assert_int_equal(n, restores);
	assert_int_equal(bytes, restores * 4);
	n = bytes = 77;
	assert_err(queue_forget_old(x->q, &filter, before, &n, &bytes, &x->e), ERR_OK, &x->e);
	assert_int_equal(n, restores);
	assert_int_equal(bytes, restores * 4);
}

static void
queue_forget_old__by_age_state_and_table(void **state)
{
	struct inbox *x = *state;
	struct queue_filter any = {.states = QUEUE_ANY};
	int64_t orders = put_done(x, "orders", 10), users = put_done(x, "users", 20), cancelled,
		waiting;

	cancelled = put_text(x, "orders", "b.json", "[{}]", 5);
	assert_err(queue_cancel(x->q, cancelled, 15, &x->e), ERR_OK, &x->e);
	waiting = put_text(x, "orders", "c.json", "[{}]", 5);
	forget_old(x, any, 10, 0);
	forget_old(x, (struct queue_filter){.states = QUEUE_PENDING | QUEUE_RUNNING}, 1000, 0);
	forget_old(x, (struct queue_filter){.states = QUEUE_FAILED}, 1000, 0);
	forget_old(x, (struct queue_filter){"shops", NULL, QUEUE_ANY}, 1000, 0);
	forget_old(x, (struct queue_filter){"shop", "users", QUEUE_ANY}, 20, 0);
	expect_rows(x, 4, 4, 2);
	forget_old(x, any, 11, 1);
	assert_err(queue_get(x->q, orders, &(struct queue_restore){0}, &x->e), ERR_ABSENT, NULL);
	forget_old(x, (struct queue_filter){"shop", "users", QUEUE_DONE}, 1000, 1);
	assert_err(queue_get(x->q, users, &(struct queue_restore){0}, &x->e), ERR_ABSENT, NULL);
	expect(x, cancelled, QUEUE_CANCELLED);
	forget_old(x, any, INT64_MAX, 1);
	expect(x, waiting, QUEUE_PENDING);
	expect_rows(x, 1, 1, 0);
}

static void
queue_shrink__when_half_is_free(void **state)
{
	struct inbox *x = *state;
	const char *pages = "SELECT page_count FROM pragma_page_count";
	struct bytes b = {.len = 4000000};
	struct queue_request req = {.database = "shop",
	    .table = "orders",
	    .name = "a.json",
	    .documents = 1,
	    .bytes = 4000000,
	    .read = give,
	    .arg = &b};
	int64_t large[2], small = put_text(x, "orders", "b.json", "{\"id\":1}", 5), before;

	for (int i = 0; i < 2; i++) {
		b.calls = 0;
		assert_err(queue_put(x->q, &req, 1, &large[i], &x->e), ERR_OK, &x->e);
		assert_err(queue_cancel(x->q, large[i], 2, &x->e), ERR_OK, &x->e);
	}
	before = fixture_number(x->f, "queue.db", pages);
	assert_true(before > 1900);
	assert_err(queue_shrink(x->q, &x->e), ERR_OK, &x->e);
	assert_int_equal(fixture_number(x->f, "queue.db", pages), before);
	for (int i = 0; i < 2; i++)
		assert_err(queue_forget(x->q, large[i], &x->e), ERR_OK, &x->e);
	assert_int_equal(fixture_number(x->f, "queue.db", pages), before);
	assert_err(queue_shrink(x->q, &x->e), ERR_OK, &x->e);
	assert_true(fixture_number(x->f, "queue.db", pages) < 50);
	expect_payload(x, small, "{\"id\":1}");
	/* Numbers still never come back. */
	assert_true(put_text(x, "orders", "c.json", "{}", 9) > large[1]);
}

static void
queue_rename__in_the_place_of_another(void **state)
{
	struct inbox *x = *state;
	int64_t id = put_text(x, "orders", "a.json", "{\"id\":1}", 5);
	int64_t other = put_text(x, "orders", "b.json", "{\"id\":2}", 6);
	int64_t elsewhere = put_text(x, "users", "b.json", "{}", 7);

	assert_err(queue_rename(x->q, id, "a/b", 8, &x->e), ERR_ARG, &x->e);
	assert_err(queue_rename(x->q, 99, "b.json", 8, &x->e), ERR_ABSENT, &x->e);
	assert_err(queue_rename(x->q, id, "b.json", 8, &x->e), ERR_OK, &x->e);
	assert_string_equal(expect(x, id, QUEUE_PENDING).name, "b.json");
	assert_int_equal(expect(x, id, QUEUE_PENDING).updated, 8);
	expect_payload(x, id, "{\"id\":1}");
	assert_int_equal(expect(x, other, QUEUE_CANCELLED).updated, 8);
	expect(x, elsewhere, QUEUE_PENDING);
	assert_err(queue_rename(x->q, id, "b.json", 9, &x->e), ERR_OK, &x->e);
	expect(x, id, QUEUE_PENDING);
	assert_int_equal(claim(x, "w", 10, 50), id);
	assert_err(queue_rename(x->q, id, "c.json", 11, &x->e), ERR_WRONG_STATE, &x->e);
	assert_string_equal(expect(x, id, QUEUE_RUNNING).name, "b.json");
}

static void
queue_retry__with_another_policy(void **state)
{
	struct inbox *x = *state;
	int64_t id = put_text(x, "orders", "a.json", "{}", 5);
	enum queue_policy policy = QUEUE_POLICY_NONE;
	struct queue_restore r;
	size_t got;

	assert_err(queue_get(x->q, id, &r, &x->e), ERR_OK, &x->e);
	assert_int_equal(r.policy, QUEUE_POLICY_NONE);
	assert_int_equal(queue_policy_parse("newer-loses", &policy), ERR_OK);
	assert_int_equal(queue_policy_parse("", &policy), ERR_FORMAT);
	assert_err(queue_retry(x->q, id, policy, 6, &x->e), ERR_WRONG_STATE, &x->e);
	assert_int_equal(expect(x, id, QUEUE_PENDING).policy, QUEUE_POLICY_NONE);
	assert_err(queue_cancel(x->q, id, 7, &x->e), ERR_OK, &x->e);
	assert_err(queue_retry(x->q, id, policy, 8, &x->e), ERR_OK, &x->e);
	assert_err(queue_claim(x->q, "w", 9, 1000, &r, 1, &got, &x->e), ERR_OK, &x->e);
	assert_int_equal(r.policy, QUEUE_NEWER_LOSES);
	assert_err(queue_fail(x->q, id, "w", "no", 10, &x->e), ERR_OK, &x->e);
	assert_err(queue_cancel(x->q, id, 11, &x->e), ERR_OK, &x->e);
	assert_err(queue_retry(x->q, id, QUEUE_POLICY_NONE, 12, &x->e), ERR_OK, &x->e);
	assert_int_equal(expect(x, id, QUEUE_PENDING).policy, QUEUE_NEWER_LOSES);
}

static void
queue_open__climbs_from_the_first_version(void **state)
{
	struct inbox *x = *state;
	int64_t id = put_text(x, "orders", "a.json", "{}", 5);
	struct queue_restore r;

	queue_close(x->q);
	x->q = NULL;
	fixture_sql(x->f, "queue.db",
	    "DROP TABLE replaced; DROP VIEW restore_list;"
	    "ALTER TABLE restores DROP COLUMN policy; ALTER TABLE restores DROP COLUMN target;"
	    "ALTER TABLE restores DROP COLUMN undone;"
	    "CREATE VIEW restore_list AS SELECT id FROM restores; PRAGMA user_version = 1");
	assert_err(queue_open(x->f->repo, false, &x->q, &x->e), ERR_VERSION, &x->e);
	assert_err(queue_open(x->f->repo, true, &x->q, &x->e), ERR_OK, &x->e);
	assert_err(queue_get(x->q, id, &r, &x->e), ERR_OK, &x->e);
	assert_int_equal(r.policy, QUEUE_POLICY_NONE);
	assert_string_equal(r.target, "");
	assert_int_equal(
	    fixture_number(x->f, "queue.db", "SELECT count(policy) FROM restore_list"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(queue_state_name__there_and_back),
	    TEST(queue_open__absent_newer_damaged),
	    TEST(queue_open__for_looking_cannot_write),
	    TEST(queue_put__all_fields_come_back),
	    TEST(queue_put__numbers_never_return),
	    TEST(queue_put__refused_ones_are_kept_as_failed),
	    TEST(queue_put__refuses_bad_names),
	    TEST(queue_put__nothing_stays_of_a_broken_source),
	    TEST(queue_read__any_offset_and_length),
	    TEST(queue_read__missing_and_short_pieces_are_damage),
	    TEST(queue_put__replaces_what_is_pending),
	    TEST(queue_next__filters_in_order),
	    TEST(queue_next_name__newest_of_each_name),
	    TEST(queue_find__newest_with_the_name_and_state),
	    TEST(queue_get__values_out_of_range_are_damage),
	    TEST(queue_claim__oldest_first_and_more_of_its_table),
	    TEST(queue_claim__in_the_order_of_numbers),
	    TEST(queue_claim__refuses_nameless_workers),
	    TEST(queue_claim__again_when_the_lease_has_run_out),
	    TEST(queue_renew__what_is_held_and_in_the_range),
	    TEST(queue_renew__of_one_table),
	    TEST(queue_done__after_the_lease_but_still_held),
	    TEST(queue_fail__with_a_reason),
	    TEST(queue_give_back__not_before_its_time),
	    TEST(queue_cancel__and_retry_from_each_state),
	    TEST(queue_generation__others_commits),
	    TEST(queue_claim__each_restore_goes_to_one_process),
	    TEST(queue_put__outlives_kill),
	    TEST(queue_remember__comes_back_in_order),
	    TEST(queue_forget__all_that_belongs_to_it),
	    TEST(queue_forget__only_what_is_over),
	    TEST(queue_forget_old__by_age_state_and_table),
	    TEST(queue_shrink__when_half_is_free),
	    TEST(queue_rename__in_the_place_of_another),
	    TEST(queue_retry__with_another_policy),
	    TEST(queue_open__climbs_from_the_first_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
