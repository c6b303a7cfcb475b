/* Restoring into a live server: documents that have to go before they can come, and that stay. */
#include "tests/support/server.h"
#include "tests/support/take.h"
#include "tests/support/test.h"

#include "snapshot/restore.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INFO "{\"primary_key\":\"id\",\"indexes\":[]}"
#define KEYS 250  /* documents of the snapshot, numbered from 0 */
#define DEEP 1600 /* levels of document 0, if it is deep */
#define GROUP 100 /* documents that may be away at a time */

/* What the server has under a key. */
enum there {
	THERE_OLD,  /* a document that it takes for equal to the snapshot's */
	THERE_NONE, /* nothing */
	THERE_NEW   /* the snapshot's */
};

/* A server with the table d.t, and a repository with a snapshot of it. */
struct world {
	struct server server;
	enum there docs[KEYS];
	unsigned deletes;           /* queries that deleted */
	unsigned most;              /* documents that were away at a time */
	volatile sig_atomic_t stop; /* set at the first of these, if wanted */
	bool interrupted;           /* it is wanted */
	char *dir;
	struct repo *repo;
	struct restore_options options;
	struct restore_result result;
	struct restore_table table; /* as it was told at its end */
	struct err why;             /* of its failure */
	struct err e;
};

/* ---- the server ---- */

static void
world_insert(struct world *w, const char *query)
{
	for (const char *at = query; (at = strstr(at, "id\\\":")) != NULL; at++) {
		int key = atoi(at + 5);
		if (w->docs[key] == THERE_NONE)
			w->docs[key] = THERE_NEW;
	}
}

static void
world_delete(struct world *w, const char *query)
{
	const char *at = strstr(query, "\"t\"]]") + 5;
	unsigned away = 0;

	for (; *at == ','; at += strspn(at, "0123456789"))
		w->docs[atoi(++at)] = THERE_NONE;
	for (int i = 0; i < KEYS; i++)
		away += w->docs[i] == THERE_NONE;
	w->most = away > w->most ? away : w->most;
	w->deletes++;
	if (w->interrupted)
		w->stop = 1;
}

static void
world_scan(const struct world *w, struct buf *out)
{
	const char *comma = "";

	buf_puts(out, "{\"t\":2,\"r\":[");
	for (int i = 0; i < KEYS; i++) {
		if (w->docs[i] == THERE_NONE)
			continue;
		buf_printf(out, "%s{\"id\":%d,\"a\":%s}", comma, i,
		    w->docs[i] == THERE_NEW ? "-0.0" : "0");
		comma = ",";
	}
	buf_puts(out, "]}");
}

static void
world_answer(void *arg, unsigned connection, unsigned n, const char *query, struct buf *out)
{
	struct world *w = arg;
	int term = strncmp(query, "[1,[", 4) == 0 ? atoi(query + 4) : 0;
	(void)connection;
	(void)n;

	if (term == 56)
		world_insert(w, query);
	else if (term == 54)
		world_delete(w, query);
	if (term == 59)
		buf_puts(out, "{\"t\":1,\"r\":[[\"d\"]]}");
	else if (term == 62)
		buf_puts(out, "{\"t\":1,\"r\":[[\"t\"]]}");
	else if (term == 79)
		buf_puts(out,
		    "{\"t\":1,\"r\":[{\"db\":{\"name\":\"d\"},\"doc_count_estimates\":[1],"
		    "\"id\":\"i\",\"indexes\":[],\"name\":\"t\",\"primary_key\":\"id\"}]}");
	else if (term == 139)
		buf_puts(out, "{\"t\":1,\"r\":[[]]}");
	else if (term == 190)
		buf_puts(out, "{\"t\":1,\"r\":[null]}");
	else if (term == 41)
		world_scan(w, out);
	else
		buf_puts(out, "{\"t\":1,\"r\":[{\"errors\":0}]}");
}

/* ---- the snapshot ---- */

/* Write the documents, the first of them with ${levels} of nesting. */
static void
world_documents(const char *path, unsigned levels)
{
	struct buf text = {0};

	buf_puts(&text, "[{\"id\":0,\"a\":-0.0");
	if (levels > 0)
		buf_puts(&text, ",\"deep\":");
	for (unsigned i = 1; i < levels; i++)
		buf_putc(&text, '[');
	for (unsigned i = 1; i < levels; i++)
		buf_putc(&text, ']');
	buf_putc(&text, '}');
	for (int i = 1; i < KEYS; i++)
		buf_printf(&text, ",{\"id\":%d,\"a\":-0.0}", i);
	assert_int_equal(buf_putc(&text, ']'), ERR_OK);
	test_write_file(path, text.data, text.len);
	buf_finish(&text);
}

static void
world_take(struct world *w, unsigned levels)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/export", w->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/export/d", w->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/export/d/t.info", w->dir);
	test_write_file(path, INFO, strlen(INFO));
	snprintf(path, sizeof(path), "%s/export/d/t.json", w->dir);
	world_documents(path, levels);
	snprintf(path, sizeof(path), "%s/export", w->dir);
	take_export(w->repo, path, 1794970800, 1);
}

static void
on_done(void *arg, const struct restore_table *t, const struct err *e)
{
	struct world *w = arg;

	w->table = *t;
	w->why = e != NULL ? *e : (struct err){0};
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char path[600];

	w->server.answer = world_answer;
	w->server.arg = w;
	server_start(&w->server);
	w->dir = test_dir();
	snprintf(path, sizeof(path), "%s/repo", w->dir);
	assert_int_equal(repo_create(path, NULL), ERR_OK);
	assert_int_equal(repo_open(path, &w->repo, NULL), ERR_OK);
	w->options = (struct restore_options){.force = true,
	    .clients = 1,
	    .server = {.connect_ms = 5000, .idle_ms = 5000, .retry_ms = 1},
	    .stop = &w->stop,
	    .table_done = on_done,
	    .arg = w};
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	server_stop(&w->server);
	server_finish(&w->server);
	repo_close(w->repo);
	test_dir_remove(w->dir);
	free(w);
	return 0;
}

static void
run(struct world *w, int want)
{
	int rc = restore_run(w->repo, w->server.address, &w->options, &w->result, &w->e);

	assert_err(rc, want, &w->e);
}

static unsigned
count(const struct world *w, enum there there)
{
	unsigned n = 0;

	for (int i = 0; i < KEYS; i++)
		n += w->docs[i] == there;
	return n;
}

/* ---- mending ---- */

static void
mend__a_few_at_a_time(void **state)
{
	struct world *w = *state;

	world_take(w, 0);
	run(w, ERR_OK);
	assert_err(w->why.code, ERR_OK, &w->why);
	assert_int_equal(count(w, THERE_NEW), KEYS);
	assert_int_equal(w->table.written, KEYS);
	assert_int_equal(w->table.compared.count[COMPARE_SAME], KEYS);
	assert_int_equal(w->deletes, (KEYS + GROUP - 1) / GROUP);
	assert_int_equal(w->most, GROUP);
}

/* What is deleted when the interrupt comes is written again all the same, and no more is deleted.
 */
static void
mend__an_interrupt_leaves_nothing_deleted(void **state)
{
	struct world *w = *state;

	world_take(w, 0);
	w->interrupted = true;
	run(w, ERR_INTR);
	assert_int_equal(w->deletes, 1);
	assert_int_equal(count(w, THERE_NONE), 0);
	assert_int_equal(count(w, THERE_NEW), GROUP);
}

/* A document that is too deep for a server takes nobody's place. */
static void
refused__what_is_there_stays(void **state)
{
	struct world *w = *state;

	world_take(w, DEEP);
	for (int exact = 0; exact < 2; exact++) {
		w->options.exact = exact;
		run(w, ERR_OK);
		assert_int_equal(w->result.failed, 1);
		assert_err(w->why.code, ERR_LIMIT, &w->why);
		assert_string_equal(
		    w->why.text, "1 documents are nested too deep for a server and were left out");
		assert_int_equal(w->table.refused, 1);
		assert_int_equal(w->docs[0], THERE_OLD);
		assert_int_equal(count(w, THERE_NEW), KEYS - 1);
	}
	w->docs[0] = THERE_NONE;
	run(w, ERR_OK);
	assert_err(w->why.code, ERR_LIMIT, &w->why);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(mend__a_few_at_a_time),
	    TEST(mend__an_interrupt_leaves_nothing_deleted),
	    TEST(refused__what_is_there_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
