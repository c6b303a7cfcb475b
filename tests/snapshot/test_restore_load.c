/* Writing documents over several connections. */
#include "tests/support/server.h"
#include "tests/support/test.h"

#include "snapshot/restore_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BATCHES 8
#define PATIENCE 60               /* seconds: a load that waits for ever ends the test */
#define DOCUMENT_LEN (600u << 10) /* of a document that is a batch */

struct world {
	struct server server;
	struct connection_options connect;
	struct restore_load *load;
	atomic_uint answered;
	unsigned
	    lose; /* the connection ends at every query whose number this divides; 0: at none */
	struct err e;
};

static void
world_answer(void *arg, unsigned connection, unsigned n, const char *query, struct buf *out)
{
	struct world *w = arg;

	(void)connection;
	assert_non_null(strstr(query, "\"conflict\":\"replace\""));
	if (n == w->lose)
		return;
	buf_puts(out, "{\"t\":1,\"r\":[{\"errors\":0,\"inserted\":1}]}");
	w->answered++;
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct restore_load_options o = {.clients = 1, .table = {"shop", "orders"}, .retry_ms = 1};

	*state = w;
	if (w == NULL)
		return -1;
	w->server.answer = world_answer;
	w->server.arg = w;
	server_start(&w->server);
	assert_err(address_parse(w->server.address, &w->connect.address, &w->e), ERR_OK, &w->e);
	w->connect.user = "admin";
	w->connect.connect_ms = w->connect.idle_ms = 1000L * PATIENCE;
	o.connect = &w->connect;
	alarm(PATIENCE);
	assert_err(restore_load_open(&o, &w->load, &w->e), ERR_OK, &w->e);
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	restore_load_close(w->load);
	server_stop(&w->server);
	server_finish(&w->server);
	alarm(0);
	free(w);
	return 0;
}

/* Put a document that is a batch of its own. */
static void
put(struct world *w)
{
	char *document = malloc(DOCUMENT_LEN);

	assert_non_null(document);
	memset(document, 'x', DOCUMENT_LEN);
	memcpy(document, "{\"id\":\"", 7);
	memcpy(document + DOCUMENT_LEN - 2, "\"}", 2);
	assert_err(restore_load_put(w->load, document, DOCUMENT_LEN, &w->e), ERR_OK, &w->e);
	free(document);
}

static void
put__waits_for_no_one(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < BATCHES; i++)
		put(w);
	assert_err(restore_load_finish(w->load, &w->e), ERR_OK, &w->e);
	assert_int_equal(w->answered, BATCHES);
}

/* A source may be slower than the server: the thread has nothing to do then, and stays. */
static void
put__after_all_was_answered(void **state)
{
	const struct timespec pause = {.tv_nsec = 20000000};
	struct world *w = *state;

	for (unsigned i = 0; i < BATCHES; i++) {
		put(w);
		while (w->answered <= i)
			nanosleep(&pause, NULL);
		nanosleep(&pause, NULL);
	}
	assert_err(restore_load_finish(w->load, &w->e), ERR_OK, &w->e);
	assert_int_equal(w->answered, BATCHES);
}

/* What was with the server when a connection broke is sent again over the next. */
static void
put__over_connections_that_break(void **state)
{
	struct world *w = *state;

	w->lose = 3;
	for (unsigned i = 0; i < BATCHES; i++)
		put(w);
	assert_err(restore_load_finish(w->load, &w->e), ERR_OK, &w->e);
	assert_int_equal(w->answered, BATCHES);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(put__waits_for_no_one, setup, teardown),
	    cmocka_unit_test_setup_teardown(put__after_all_was_answered, setup, teardown),
	    cmocka_unit_test_setup_teardown(put__over_connections_that_break, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
