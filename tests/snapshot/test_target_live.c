/* Restores into a live server: what is asked of it, what is kept, and what happens when it fails.
 */
#include "tests/support/server.h"
#include "tests/support/table.h"

#include "catalog/base/date.h"
#include "snapshot/rdb/pseudotype.h"
#include "snapshot/rdb/swap.h"
#include "snapshot/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DENIED                                                                                     \
	"{\"t\":18,\"e\":6000000,\"r\":[\"User `bk` does not have the required `config` "          \
	"permission.\"]}"
#define BUSY "{\"t\":18,\"e\":4200000,\"r\":[\"The primary was lost.\"]}"
#define KEYS 10 /* the documents' keys are the digits */

/* A server with the table shop.orders. */
struct world {
	struct server server;
	char docs[KEYS][256];    /* "" is none */
	const char *primary_key; /* of the table */
	const char *row;         /* of table_config; NULL: it may not be seen */
	bool hook_denied;        /* the write hook may not be seen */
	bool gone;               /* there is no such table */
	int races;               /* so many times, a document changes before it is replaced */
	bool lost;               /* the connection is lost after the next write was made */
	bool indeterminate;      /* the next write is made, and answered with doubt */
	const char *refuses;     /* what it says of the next write */
	bool mangles;            /* it stores something else */
	unsigned writes;         /* made so far */
	const char *newer;       /* when a document is read, another worker has been here with it */

	char *dir;
	struct repo *repo;
	struct worker_options options;
	struct target_server how;
	struct worker_result result;
	struct err e;
};

/* Copy the JSON string at ${from}, behind its quote, without its escapes. Return what is behind. */
static const char *
unescape(const char *from, char out[256])
{
	size_t n = 0;

	for (; *from != '"' && n < 255; from++) {
		if (*from == '\\')
			from++;
		out[n++] = *from;
	}
	out[n] = '\0';
	return from;
}

/* The server takes 0 and -0.0 for equal. */
static bool
equal(const char *a, const char *b)
{
	char x[256], y[256];
	char *at;

	snprintf(x, sizeof(x), "%s", a);
	snprintf(y, sizeof(y), "%s", b);
	while ((at = strstr(x, "-0.0")) != NULL)
		memmove(at, "0", 1), memmove(at + 1, at + 4, strlen(at + 4) + 1);
	while ((at = strstr(y, "-0.0")) != NULL)
		memmove(at, "0", 1), memmove(at + 1, at + 4, strlen(at + 4) + 1);
	return strcmp(x, y) == 0;
}

static void
world_store(struct world *w, int key, const char *want, struct buf *out)
{
	const char *what = w->docs[key][0] == '\0' ? "inserted"
			   : want[0] == '\0'       ? "deleted"
						   : "replaced";

	if (equal(w->docs[key], want))
		what = "unchanged";
	else
		snprintf(w->docs[key], sizeof(w->docs[key]), "%s",
		    w->mangles ? "{\"id\":1,\"hook\":true}" : want);
	w->writes++;
	if (w->lost)
		w->lost = false;
	else if (w->indeterminate)
		buf_puts(out, BUSY);
	else
		buf_printf(out, "{\"t\":1,\"r\":[{\"errors\":0,\"%s\":1}]}", what);
	w->indeterminate = false;
}

static void
world_write(struct world *w, const char *query, struct buf *out)
{
	const char *expected = strstr(query, "[172,[[10,[1]]]],\"");
	const char *text = strstr(query, "[98,[\"");
	char was[256] = "", want[256] = "";
	const char *id;
	int key;

	if (text != NULL)
		unescape(text + 6, want);
	if (expected != NULL)
		unescape(expected + 18, was);
	id = strstr(expected != NULL ? was : want, "\"id\":");
	key = id != NULL ? id[5] - '0' : 0;
	if (w->refuses != NULL) {
		buf_printf(
		    out, "{\"t\":1,\"r\":[{\"errors\":1,\"first_error\":\"%s\"}]}", w->refuses);
		w->refuses = NULL;
		return;
	}
	if (w->races > 0) {
		w->races--;
		snprintf(
		    w->docs[key], sizeof(w->docs[key]), "{\"id\":%d,\"race\":%d}", key, w->races);
	}
	if (strcmp(w->docs[key], was) == 0)
		world_store(w, key, want, out);
	else if (expected != NULL)
		buf_puts(out, "{\"t\":1,\"r\":[{\"errors\":0,\"unchanged\":1}]}");
	else
		buf_puts(out,
		    "{\"t\":1,\"r\":[{\"errors\":1,\"first_error\":\"Duplicate primary key "
		    "`id`:\"}]}");
}

/* Another worker takes what is running, when its lease has run out, and does it and a newer one. */
static void
world_overtake(struct world *w)
{
	int64_t later = date_now() + 1000000;
	struct queue_restore r;
	struct err e = {0};
	struct queue *q;
	size_t got;

	assert_err(queue_open(w->repo, true, &q, &e), ERR_OK, &e);
	assert_err(queue_claim(q, "another", later, 1, &r, 1, &got, &e), ERR_OK, &e);
	assert_int_equal(got, 1);
	assert_err(queue_done(q, r.id, "another", later, &e), ERR_OK, &e);
	queue_close(q);
	snprintf(w->docs[1], sizeof(w->docs[1]), "%s", w->newer);
	w->newer = NULL;
}

static void
world_get(struct world *w, const char *query, struct buf *out)
{
	const char *key = strstr(query, "\"orders\"]],");

	if (key != NULL && w->newer != NULL)
		world_overtake(w);
	if (strstr(query, "table_config") != NULL)
		buf_printf(out, w->row == NULL ? DENIED : "{\"t\":1,\"r\":[%s]}", w->row);
	else if (w->docs[key[11] - '0'][0] == '\0')
		buf_puts(out, "{\"t\":1,\"r\":[null]}");
	else
		buf_printf(out, "{\"t\":1,\"r\":[%s]}", w->docs[key[11] - '0']);
}

static void
world_answer(void *arg, unsigned connection, unsigned n, const char *query, struct buf *out)
{
	struct world *w = arg;
	int term = strncmp(query, "[1,[", 4) == 0 ? atoi(query + 4) : 0;
	(void)connection;
	(void)n;

	if (w->gone)
		buf_puts(out, "{\"t\":18,\"e\":4100000,\"r\":[\"Table `shop.orders` does not "
			      "exist.\"]}");
	else if (term == 79)
		buf_printf(out,
		    "{\"t\":1,\"r\":[{\"db\":{\"name\":\"shop\"},\"doc_count_estimates\":[1],"
		    "\"id\":"
		    "\"i\",\"indexes\":[],\"name\":\"orders\",\"primary_key\":\"%s\"}]}",
		    w->primary_key);
	else if (term == 190)
		buf_puts(out, w->hook_denied ? DENIED : "{\"t\":1,\"r\":[null]}");
	else if (term == 16)
		world_get(w, query, out);
	else
		world_write(w, query, out);
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->primary_key = "id";
	w->server.answer = world_answer;
	w->server.arg = w;
	server_start(&w->server);
	w->dir = test_dir();
	w->repo = test_repo(w->dir);
	test_table(w->repo, "shop", "orders", "id", "{}");
	w->options = (struct worker_options){
	    .target = w->server.address, .server = &w->how, .once = true, .parent_fd = -1};
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	if (!w->server.ending)
		server_stop(&w->server);
	server_finish(&w->server);
	repo_close(w->repo);
	test_dir_remove(w->dir);
	free(w);
	return 0;
}

static int64_t
put(struct world *w, const char *payload)
{
	return test_put(w->repo, "orders", "x.json", payload, 1);
}

static void
run(struct world *w)
{
	assert_err(worker_run(w->repo, &w->options, &w->result, &w->e), ERR_OK, &w->e);
}

/* Put off restores are to be tried now. */
static void
run_again(struct world *w, int64_t id)
{
	struct queue *q;

	assert_err(queue_open(w->repo, true, &q, &w->e), ERR_OK, &w->e);
	assert_err(queue_cancel(q, id, 1, &w->e), ERR_OK, &w->e);
	assert_err(queue_retry(q, id, QUEUE_POLICY_NONE, 1, &w->e), ERR_OK, &w->e);
	queue_close(q);
	run(w);
}

static void
failed(struct world *w, int64_t id, const char *words)
{
	struct buf text = {0};

	assert_int_equal(test_restore(w->repo, id).state, QUEUE_FAILED);
	test_reason(w->repo, id, &text);
	if (strstr(buf_str(&text), words) == NULL)
		fail_msg("no \"%s\" in: %s", words, (const char *)text.data);
	buf_finish(&text);
}

/* What restore ${id} is known to have replaced under the key ${n}: NULL, nothing is known. */
static void
remembers(struct world *w, int64_t id, int n, const char *want)
{
	uint8_t written[DIGEST_LEN], mark[DIGEST_LEN];
	struct key key = {0}, wanted = {0};
	struct buf document = {0};
	bool existed = false, found = false;
	struct queue *q;

	key_put_number(&wanted, 0, n);
	assert_err(queue_open(w->repo, false, &q, &w->e), ERR_OK, &w->e);
	while (queue_replaced_next(q, id, &key, written, &document, &existed, &w->e) == ERR_OK) {
		if (key_compare(&key, &wanted) != 0)
			continue;
		found = true;
		assert_non_null(want);
		assert_int_equal(existed, want[0] != '\0');
		assert_text(document.data, document.len, want);
		if (w->docs[n][0] != '\0' && !w->server.away) {
			assert_int_equal(swap_mark(w->docs[n], strlen(w->docs[n]), mark), ERR_OK);
			assert_memory_equal(mark, written, DIGEST_LEN);
		}
	}
	assert_int_equal(found, want != NULL);
	buf_finish(&document);
	queue_close(q);
}

/* Whether the server was asked something with ${words} in it; ends the server. */
static bool
asked(struct world *w, const char *words)
{
	server_stop(&w->server);
	return strstr(buf_str(&w->server.asked), words) != NULL;
}

/* ---- carrying out ---- */

static void
apply__replaces_and_remembers(void **state)
{
	struct world *w = *state;
	int64_t id;

	strcpy(w->docs[1], "{\"id\":1,\"v\":\"old\"}");
	strcpy(w->docs[3], "{\"id\":3}");
	id = put(w, "[{\"id\":1,\"v\":\"n\\\"w\"},{\"id\":2},{\"id\":3},{\"id\":1,\"v\":[[]]}]");
	run(w);
	assert_int_equal(w->result.done, 1);
	assert_string_equal(w->docs[1], "{\"id\":1,\"v\":[[]]}");
	assert_string_equal(w->docs[2], "{\"id\":2}");
	remembers(w, id, 1, "{\"id\":1,\"v\":\"old\"}");
	remembers(w, id, 2, "");
	remembers(w, id, 3, NULL);
	assert_int_equal(w->writes, 2);
	assert_string_equal(test_restore(w->repo, id).target, w->server.address);
	assert_true(asked(w, "\"durability\":\"hard\",\"ignore_write_hook\":true}"));
}

static void
apply__a_race_loses_no_write(void **state)
{
	struct world *w = *state;
	int64_t id = put(w, "{\"id\":1,\"v\":2}");

	w->races = 3;
	run(w);
	assert_int_equal(w->result.done, 1);
	assert_string_equal(w->docs[1], "{\"id\":1,\"v\":2}");
	remembers(w, id, 1, "{\"id\":1,\"race\":0}");
	w->races = 100;
	id = put(w, "{\"id\":1,\"v\":3}");
	run(w);
	assert_int_equal(w->result.put_off, 1);
	assert_int_equal(test_restore(w->repo, id).state, QUEUE_PENDING);
}

/* What a worker has lost while it was asleep is not written over what is newer. */
static void
apply__nothing_when_another_worker_has_it(void **state)
{
	struct world *w = *state;
	int64_t id = put(w, "{\"id\":1,\"v\":\"old\"}"), next = put(w, "{\"id\":2}");

	w->newer = "{\"id\":1,\"v\":\"new\"}";
	run(w);
	assert_int_equal(test_restore(w->repo, id).state, QUEUE_DONE);
	assert_string_equal(w->docs[1], "{\"id\":1,\"v\":\"new\"}");
	/* The rest of the batch is given back, and taken anew. */
	assert_int_equal(test_restore(w->repo, next).state, QUEUE_DONE);
	assert_int_equal(test_restore(w->repo, next).attempts, 2);
	assert_int_equal(w->result.done, 1);
	assert_int_equal(w->result.put_off, 1);
	assert_int_equal(w->writes, 1);
	remembers(w, id, 1, NULL);
}

static void
apply__doubt_is_tried_again(void **state)
{
	struct world *w = *state;
	int64_t id = put(w, "{\"id\":1,\"v\":2}");

	strcpy(w->docs[1], "{\"id\":1}");
	w->lost = true;
	run(w);
	assert_int_equal(w->result.put_off, 1);
	assert_string_equal(w->docs[1], "{\"id\":1,\"v\":2}");
	run_again(w, id);
	assert_int_equal(test_restore(w->repo, id).state, QUEUE_DONE);
	remembers(w, id, 1, "{\"id\":1}");
	w->indeterminate = true;
	id = put(w, "{\"id\":1,\"v\":3}");
	run(w);
	assert_int_equal(test_restore(w->repo, id).state, QUEUE_PENDING);
	run_again(w, id);
	assert_int_equal(test_restore(w->repo, id).state, QUEUE_DONE);
	remembers(w, id, 1, "{\"id\":1,\"v\":2}");
}

static void
apply__what_the_server_takes_for_equal(void **state)
{
	struct world *w = *state;
	int64_t id = put(w, "{\"id\":1,\"z\":-0.0}");

	strcpy(w->docs[1], "{\"id\":1,\"z\":0}");
	run(w);
	assert_int_equal(w->result.done, 1);
	assert_string_equal(w->docs[1], "{\"id\":1,\"z\":-0.0}");
	remembers(w, id, 1, "{\"id\":1,\"z\":0}");
}

static void
apply__refused(void **state)
{
	struct world *w = *state;
	int64_t id = put(w, "[{\"id\":1},{\"id\":2}]");

	w->refuses = "Array too large";
	run(w);
	failed(w, id, "1 of 2 documents: the first: the server refuses it: Array too large");
	assert_string_equal(w->docs[2], "{\"id\":2}");
	w->refuses = "Cannot perform write: primary replica for shard not available";
	id = put(w, "{\"id\":3}");
	run(w);
	assert_int_equal(test_restore(w->repo, id).state, QUEUE_PENDING);
	w->mangles = true;
	run_again(w, id);
	failed(w, id, "what is read back is not what was written");
}

static void
apply__too_deep(void **state)
{
	struct world *w = *state;
	struct buf deep = {0};
	int64_t id;

	buf_puts(&deep, "{\"id\":1,\"v\":");
	for (int i = 0; i < 1500; i++)
		buf_putc(&deep, '[');
	for (int i = 0; i < 1500; i++)
		buf_putc(&deep, ']');
	buf_putc(&deep, '}');
	id = put(w, buf_str(&deep));
	buf_finish(&deep);
	run(w);
	failed(w, id, "nested deeper than 1500 levels");
	assert_int_equal(w->writes, 0);
	w->how.deep = true;
	run_again(w, id);
	assert_int_equal(w->writes, 1);
}

/* ---- tables, permissions, servers ---- */

static void
apply__wrong_tables(void **state)
{
	struct world *w = *state;
	int64_t id = put(w, "{\"id\":1}");

	w->primary_key = "no";
	run(w);
	failed(w, id, "the key field of shop.orders is \"no\" on the server and \"id\"");
	w->gone = true;
	run_again(w, id);
	failed(w, id, "does not exist");
	assert_int_equal(w->writes, 0);
}

static void
apply__hooks(void **state)
{
	struct world *w = *state;
	int64_t id = put(w, "{\"id\":1}");

	w->hook_denied = true;
	run(w);
	failed(w, id, "may not pass by write hooks, nor see that shop.orders has none: grant it");
	w->row = "{\"write_hook\":{\"function\":1}}";
	run_again(w, id);
	failed(w, id, "may not pass by write hooks");
	assert_int_equal(w->writes, 0);
	w->row = "{\"write_hook\":null}";
	run_again(w, id);
	assert_int_equal(test_restore(w->repo, id).state, QUEUE_DONE);
	assert_int_equal(w->writes, 1);
	assert_false(asked(w, "ignore_write_hook"));
}

static void
apply__server_away(void **state)
{
	struct world *w = *state;
	int64_t id = put(w, "{\"id\":1}");

	w->server.away = true;
	run(w);
	assert_int_equal(test_restore(w->repo, id).state, QUEUE_PENDING);
	assert_int_equal(w->result.put_off, 1);
	w->server.away = false;
	run_again(w, id);
	assert_int_equal(test_restore(w->repo, id).state, QUEUE_DONE);
	w->options.target = "rethinkdb://me:secret@localhost";
	assert_err(worker_run(w->repo, &w->options, NULL, &w->e), ERR_ARG, &w->e);
}

/* ---- policies ---- */

static void
policy__of_worker_and_restore(void **state)
{
	struct world *w = *state;
	struct queue *q;
	int64_t id = put(w, "[{\"id\":1,\"v\":1},{\"id\":2}]");

	strcpy(w->docs[1], "{\"id\":1}");
	w->options.conflict = QUEUE_KEEP;
	run(w);
	assert_int_equal(test_restore(w->repo, id).state, QUEUE_DONE);
	assert_string_equal(w->docs[1], "{\"id\":1}");
	assert_string_equal(w->docs[2], "{\"id\":2}");
	remembers(w, id, 1, NULL);
	w->options.conflict = QUEUE_NEWER_LOSES;
	id = put(w, "[{\"id\":1,\"v\":1},{\"id\":3}]");
	run(w);
	failed(w, id, "1 of 2 documents: the first: not restored: the server has a document that");
	assert_string_equal(w->docs[3], "{\"id\":3}");
	assert_err(queue_open(w->repo, true, &q, &w->e), ERR_OK, &w->e);
	assert_err(queue_retry(q, id, QUEUE_REPLACE, 1, &w->e), ERR_OK, &w->e);
	queue_close(q);
	run(w);
	assert_string_equal(w->docs[1], "{\"id\":1,\"v\":1}");
}

static void
policy__not_for_directories(void **state)
{
	struct world *w = *state;
	int64_t id = put(w, "{\"id\":1}");

	w->options.target = NULL;
	w->options.conflict = QUEUE_KEEP;
	run(w);
	failed(w, id, "the conflict policy keep is for servers");
}

/* ---- undoing ---- */

/* Undo with what ${id} is known to have replaced under the key ${n}. Return its code. */
static int
undo(struct world *w, int64_t id, int n, bool force)
{
	struct target_table table = {.database = "shop", .table = "orders", .primary_key = "id"};
	struct target_undo item = {0};
	struct key wanted = {0};
	struct buf document = {0};
	struct target *target;
	bool existed = false;
	struct queue *q;

	key_put_number(&wanted, 0, n);
	assert_err(queue_open(w->repo, false, &q, &w->e), ERR_OK, &w->e);
	do {
		assert_err(
		    queue_replaced_next(q, id, &item.key, item.written, &document, &existed, &w->e),
		    ERR_OK, &w->e);
	} while (key_compare(&item.key, &wanted) != 0);
	queue_close(q);
	item.document = existed ? document.data : NULL;
	item.len = document.len;
	assert_err(target_open_server(w->server.address, &w->how, &target, &w->e), ERR_OK, &w->e);
	assert_err(target_undo(target, &table, &item, 1, force, &w->e), ERR_OK, &w->e);
	target_close(target);
	buf_finish(&document);
	return item.why.code;
}

static void
undo__puts_back_and_deletes(void **state)
{
	struct world *w = *state;
	int64_t id = put(w, "[{\"id\":1,\"v\":1},{\"id\":2}]");

	strcpy(w->docs[1], "{\"id\":1}");
	run(w);
	assert_int_equal(undo(w, id, 1, false), ERR_OK);
	assert_string_equal(w->docs[1], "{\"id\":1}");
	assert_int_equal(undo(w, id, 2, false), ERR_OK);
	assert_string_equal(w->docs[2], "");
	/* Once more: it is as it is to be. */
	assert_int_equal(undo(w, id, 1, false), ERR_OK);
	assert_int_equal(undo(w, id, 2, false), ERR_OK);
}

static void
undo__refuses_what_was_changed_since(void **state)
{
	struct world *w = *state;
	int64_t id = put(w, "[{\"id\":1,\"v\":1},{\"id\":2}]");

	strcpy(w->docs[1], "{\"id\":1}");
	run(w);
	strcpy(w->docs[1], "{\"id\":1,\"v\":2}");
	assert_int_equal(undo(w, id, 1, false), ERR_WRONG_STATE);
	assert_string_equal(w->docs[1], "{\"id\":1,\"v\":2}");
	w->docs[1][0] = '\0';
	assert_int_equal(undo(w, id, 1, false), ERR_WRONG_STATE);
	assert_int_equal(undo(w, id, 1, true), ERR_OK);
	assert_string_equal(w->docs[1], "{\"id\":1}");
	/* What is changed between reading and replacing is not lost. */
	w->races = 1;
	assert_int_equal(undo(w, id, 2, false), ERR_WRONG_STATE);
	assert_string_equal(w->docs[2], "{\"id\":2,\"race\":0}");
}

/* ---- what servers do to values ---- */

static void
normal(const char *in, const char *want)
{
	struct buf out = {0};

	assert_int_equal(pseudotype_normal(in, strlen(in), &out), ERR_OK);
	assert_text(out.data, out.len, want);
	buf_finish(&out);
}

static void
pseudotype__normal(void **state)
{
	(void)state;
	normal("{\"a\":\"{\\\"$reql_type$\\\":\\\"BINARY\\\"\",\"b\":[1,{}]}",
	    "{\"a\":\"{\\\"$reql_type$\\\":\\\"BINARY\\\"\",\"b\":[1,{}]}");
	normal("{\"x\":{\"$reql_type$\":\"BINARY\",\"data\":\"AA\\r\\nEC=\"},\"y\":\"=\"}",
	    "{\"x\":{\"$reql_type$\":\"BINARY\",\"data\":\"AAEC\"},\"y\":\"=\"}");
	normal("[{\"$reql_type$\":\"TIME\",\"epoch_time\":1.23456,\"timezone\":\"Z\"}]",
	    "[{\"$reql_type$\":\"TIME\",\"epoch_time\":1.235,\"timezone\":\"+00:00\"}]");
	normal("{\"$reql_type$\":\"TIME\",\"epoch_time\":-1,\"timezone\":\"-0130\"}",
	    "{\"$reql_type$\":\"TIME\",\"epoch_time\":-1,\"timezone\":\"-01:30\"}");
	normal("{\"$reql_type$\":\"TIME\",\"epoch_time\":7,\"timezone\":\"+02\"}",
	    "{\"$reql_type$\":\"TIME\",\"epoch_time\":7,\"timezone\":\"+02:00\"}");
	/* What is cut off. */
	normal("{\"$reql_type$\":\"TIME\",\"epoch_time\":",
	    "{\"$reql_type$\":\"TIME\",\"epoch_time\":");
	normal("{\"$reql_type$\":\"BINARY\",\"data\":\"A\\",
	    "{\"$reql_type$\":\"BINARY\",\"data\":\"A");
	normal("", "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(apply__replaces_and_remembers),
	    TEST(apply__a_race_loses_no_write),
	    TEST(apply__nothing_when_another_worker_has_it),
	    TEST(apply__doubt_is_tried_again),
	    TEST(apply__what_the_server_takes_for_equal),
	    TEST(apply__refused),
	    TEST(apply__too_deep),
	    TEST(apply__wrong_tables),
	    TEST(apply__hooks),
	    TEST(apply__server_away),
	    TEST(policy__of_worker_and_restore),
	    TEST(policy__not_for_directories),
	    TEST(undo__puts_back_and_deletes),
	    TEST(undo__refuses_what_was_changed_since),
	    cmocka_unit_test(pseudotype__normal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
