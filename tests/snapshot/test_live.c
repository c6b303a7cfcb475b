/* A live server as a source: what is asked, what is handed out, and what happens when it fails. */
#include "tests/support/test.h"

#include "snapshot/source.h"
#include "tests/support/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DENIED                                                                                     \
	"{\"t\":18,\"e\":6000000,\"r\":[\"User `bk` does not have the required `config` "          \
	"permission.\"]}"
#define BUSY "{\"t\":18,\"e\":4100000,\"r\":[\"primary replica not available\"]}"
#define GONE "{\"t\":18,\"e\":4100000,\"r\":[\"Table `d.t` does not exist.\"]}"

/* A server with the tables d.t (documents 1 to 9) and d.u (document 1). */
struct world {
	struct server server;
	struct source *source;
	struct source_server options;
	struct buf got; /* what the source handed out, a line each */
	struct buf log; /* what it told */
	int cut;        /* so many times, end the connection in place of the second part of d.t */
	int busy;       /* so many times, say that replicas are not available */
	bool gone;      /* d.t vanishes before its second part */
	bool anew;      /* and is made anew when asked for again */
	bool leaves;    /* nobody can connect any more after the first cut */
	bool mute;      /* the second part of d.t never comes, and nothing any more after that */
	bool garbage;   /* the second part of d.t is none */
	bool denied;    /* configurations may not be seen */
	int next;       /* document to begin the next part with */
	int last;       /* of the table that is being read */
	atomic_bool muted;
	atomic_bool stop; /* the mute server may go on */
};

static void
world_part(struct world *w, struct buf *out)
{
	int to = w->next + 2 < w->last ? w->next + 2 : w->last;

	buf_printf(out, "{\"t\":%d,\"r\":[", to < w->last ? 3 : 2);
	for (int i = w->next; i <= to; i++)
		buf_printf(out, "%s{\"id\":%d}", i > w->next ? "," : "", i);
	buf_puts(out, "]}");
	w->next = to + 1;
}

static void
world_silence(const struct world *w)
{
	while (!w->stop && !w->server.ending)
		usleep(1000);
}

/* The second part of d.t, or what comes in its place. */
static void
world_more(struct world *w, struct buf *out)
{
	if (w->cut > 0) {
		w->cut--;
		w->server.away = w->leaves;
	} else if (w->busy > 0) {
		w->busy--;
		buf_puts(out, BUSY);
	} else if (w->gone) {
		buf_puts(out, GONE);
	} else if (w->garbage) {
		buf_puts(out, "{]");
	} else if (w->mute) {
		w->muted = true;
		world_silence(w);
	} else {
		world_part(w, out);
	}
}

static void
world_scan(struct world *w, const char *query, struct buf *out)
{
	const char *key = strstr(query, ",[181,");

	w->last = strstr(query, "\"u\"") != NULL ? 1 : 9;
	w->next = 1;
	while (key != NULL && key[-1] != ',')
		key--;
	if (key != NULL)
		w->next = atoi(key) + 1;
	world_part(w, out);
}

static void
world_info(const struct world *w, const char *query, struct buf *out)
{
	bool u = strstr(query, "\"u\"") != NULL;
	bool anew = w->anew && w->next > 1;

	buf_printf(out,
	    "{\"t\":1,\"r\":[{\"db\":{\"name\":\"d\"},\"doc_count_estimates\":[%s],\"id\":\"%s\","
	    "\"indexes\":[\"i\"],\"name\":\"x\",\"primary_key\":\"id\",\"type\":\"TABLE\"}]}",
	    u ? "1" : "4,5", u || anew ? "id-2" : "id-1");
}

static void
world_answer(void *arg, unsigned connection, unsigned n, const char *query, struct buf *out)
{
	struct world *w = arg;
	int term = strncmp(query, "[1,[", 4) == 0 ? atoi(query + 4) : 0;
	(void)connection;
	(void)n;

	if (w->muted)
		world_silence(w);
	else if (strcmp(query, "[2]") == 0)
		world_more(w, out);
	else if (term == 59)
		buf_puts(out, "{\"t\":1,\"r\":[[\"d\",\"rethinkdb\"]]}");
	else if (term == 62)
		buf_puts(out, "{\"t\":1,\"r\":[[\"t\",\"u\"]]}");
	else if (term == 79)
		world_info(w, query, out);
	else if (term == 139)
		buf_puts(out, "{\"t\":1,\"r\":[[{\"index\":\"i\"}]]}");
	else if (w->denied && (term == 174 || term == 190 || term == 16))
		buf_puts(out, DENIED);
	else if (term == 174)
		buf_puts(
		    out, "{\"t\":1,\"r\":[{\"durability\":\"soft\",\"shards\":[{}],\"x\":1}]}");
	else if (term == 190)
		buf_puts(out, "{\"t\":1,\"r\":[null]}");
	else if (term == 16)
		buf_puts(out, "{\"t\":1,\"r\":[{\"shard_scheme\":{\"split_points\":[{\"data\":"
			      "\"TmMwMTQ=\"}]}}]}");
	else if (term == 41)
		world_scan(w, query, out);
	else
		buf_puts(out, "{\"t\":1,\"r\":[{\"ready\":1}]}");
}

static int
world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	static struct log log;

	w->server.answer = world_answer;
	w->server.arg = w;
	server_start(&w->server);
	log = (struct log){.line = server_told, .arg = &w->log, .most = LOG_DETAIL};
	w->options =
	    (struct source_server){.log = &log, .connect_ms = 5000, .idle_ms = 5000, .retry_ms = 1};
	*state = w;
	return 0;
}

static int
world_teardown(void **state)
{
	struct world *w = *state;

	source_close(w->source);
	w->stop = true;
	server_stop(&w->server);
	server_finish(&w->server);
	buf_finish(&w->got);
	buf_finish(&w->log);
	free(w);
	return 0;
}

/* Write down one item. */
static void
world_note(struct world *w, const struct source_item *item, const struct err *e)
{
	static const char *const names[] = {"info", "table", "", "gone", "end", "bad"};

	if (item->event == SOURCE_DOCUMENT)
		buf_append(&w->got, item->data, item->len);
	else
		buf_printf(&w->got, "%s %s.%s", names[item->event], item->database, item->table);
	if (item->event == SOURCE_TABLE_BAD)
		buf_printf(&w->got, ": %s", e->text);
	assert_int_equal(buf_putc(&w->got, '\n'), ERR_OK);
}

/* Open the source and read all of it; what ended it. */
static int
world_read(struct world *w, struct err *e)
{
	struct source_item item;
	int rc = source_open_server(w->server.address, &w->options, &w->source, e);

	assert_err(rc, ERR_OK, e);
	assert_err(source_start(w->source, 0, e), ERR_OK, e);
	while ((rc = source_next(w->source, &item, e)) == ERR_OK)
		world_note(w, &item, e);
	assert_non_null(buf_str(&w->got));
	assert_non_null(buf_str(&w->log));
	return rc;
}

#define T_DOCUMENTS                                                                                \
	"{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n{\"id\":4}\n{\"id\":5}\n{\"id\":6}\n{\"id\":7}\n"     \
	"{\"id\":8}\n{\"id\":9}\n"
#define ALL                                                                                        \
	"info d.t\ntable d.t\n" T_DOCUMENTS "end d.t\ninfo d.u\ntable d.u\n{\"id\":1}\nend d.u\n"

/* ---- reading ---- */

static void
live__hands_out_every_table(void **state)
{
	struct world *w = *state;
	struct source_item item;
	uint64_t done, total;
	struct err e;

	assert_err(world_read(w, &e), ERR_END, &e);
	assert_string_equal((const char *)w->got.data, ALL);
	assert_string_equal((const char *)w->log.data, "");
	assert_int_equal(source_kind_of(w->source), SOURCE_LIVE);
	assert_string_equal(source_label(w->source), w->server.address);
	assert_true(source_run(w->source, 0).dated);
	source_progress(w->source, &done, &total);
	assert_int_equal(done, 10);
	assert_int_equal(total, 10);
	assert_err(source_start(w->source, 0, &e), ERR_OK, &e);
	assert_err(source_next(w->source, &item, &e), ERR_OK, &e);
	buf_clear(&w->got);
	assert_int_equal(buf_append(&w->got, item.data, item.len), ERR_OK);
	assert_string_equal(buf_str(&w->got),
	    "{\"db\":{\"name\":\"d\"},\"doc_count_estimates\":[4,5],\"id\":\"id-1\",\"name\":\"x\","
	    "\"primary_key\":\"id\",\"type\":\"TABLE\",\"indexes\":[{\"index\":\"i\"}],"
	    "\"durability\":\"soft\",\"replicas\":[{}],\"write_hook\":null,"
	    "\"shards\":[{\"lower\":null},{\"lower\":\"4e63303134\"}]}");
}

/* Others than admin must never read that table: it can end the server's process. */
static void
live__split_points_as_admin_alone(void **state)
{
	struct world *w = *state;
	struct err e;

	w->options.user = "bk";
	assert_err(world_read(w, &e), ERR_END, &e);
	server_stop(&w->server);
	assert_non_null(buf_str(&w->server.asked));
	assert_null(strstr((const char *)w->server.asked.data, "_debug"));
	assert_non_null(strstr((const char *)w->server.asked.data, "[190,"));
	server_start(&w->server);
}

static void
live__what_may_not_be_seen(void **state)
{
	struct world *w = *state;
	struct err e;

	w->denied = true;
	assert_err(world_read(w, &e), ERR_END, &e);
	assert_string_equal((const char *)w->got.data, ALL);
	assert_non_null(strstr((const char *)w->log.data,
	    "d.t: whether it has a write hook is not known, and none is saved: User `bk`"));
}

static void
live__tables_that_are_wanted(void **state)
{
	static const char *const only[] = {"d.u", "dd"};
	struct world *w = *state;
	struct err e;

	w->options.only = only;
	w->options.n_only = 2;
	w->options.read_outdated = true;
	assert_err(world_read(w, &e), ERR_END, &e);
	assert_string_equal(
	    (const char *)w->got.data, "info d.u\ntable d.u\n{\"id\":1}\nend d.u\n");
	server_stop(&w->server);
	assert_non_null(buf_str(&w->server.asked));
	assert_null(strstr((const char *)w->server.asked.data, "\"t\""));
	assert_non_null(strstr((const char *)w->server.asked.data, "{\"read_mode\":\"outdated\"}"));
	server_start(&w->server);
}

static void
live__skips(void **state)
{
	struct world *w = *state;
	struct source_item item;
	struct err e;
	int rc = source_open_server(w->server.address, &w->options, &w->source, &e);

	assert_err(rc, ERR_OK, &e);
	assert_err(source_start(w->source, 0, &e), ERR_OK, &e);
	while (source_next(w->source, &item, &e) == ERR_OK) {
		world_note(w, &item, &e);
		if (item.event == SOURCE_DOCUMENT)
			source_skip_table(w->source);
	}
	assert_string_equal(
	    buf_str(&w->got), "info d.t\ntable d.t\n{\"id\":1}\ninfo d.u\ntable d.u\n{\"id\":1}\n");
}

/* ---- failures ---- */

static void
live__reads_on_behind_the_last_key(void **state)
{
	struct world *w = *state;
	struct err e;

	w->cut = 3;
	assert_err(world_read(w, &e), ERR_END, &e);
	assert_string_equal((const char *)w->got.data, ALL);
	assert_non_null(
	    strstr((const char *)w->log.data, "the server ended the connection; trying again\n"));
	server_stop(&w->server);
	assert_non_null(buf_str(&w->server.asked));
	assert_non_null(strstr((const char *)w->server.asked.data,
	    "[182,[[15,[[14,[\"d\"]],\"t\"]],3,[181,[]]],"
	    "{\"index\":\"id\",\"left_bound\":\"open\"}]"));
	server_start(&w->server);
}

static void
live__waits_for_replicas(void **state)
{
	struct world *w = *state;
	struct err e;

	w->busy = 5;
	assert_err(world_read(w, &e), ERR_END, &e);
	assert_string_equal((const char *)w->got.data, ALL);
	server_stop(&w->server);
	assert_non_null(buf_str(&w->server.asked));
	assert_non_null(strstr((const char *)w->server.asked.data,
	    "[1,[177,[[15,[[14,[\"d\"]],\"t\"]]],{\"wait_for\":\"ready_for_reads\""));
	server_start(&w->server);
}

static void
live__a_server_that_stays_away_ends_the_run(void **state)
{
	struct world *w = *state;
	struct err e;

	w->cut = 1;
	w->leaves = true;
	assert_err(world_read(w, &e), ERR_TRUNCATED, &e);
	assert_non_null(
	    strstr(e.text, "the tables before d.t are whole, the others are not taken"));
}

static void
live__a_table_that_goes_fails_alone(void **state)
{
	struct world *w = *state;
	struct err e;

	w->gone = true;
	assert_err(world_read(w, &e), ERR_END, &e);
	assert_string_equal((const char *)w->got.data,
	    "info d.t\ntable d.t\n{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n"
	    "bad d.t: Table `d.t` does not exist.\n"
	    "info d.u\ntable d.u\n{\"id\":1}\nend d.u\n");
}

static void
live__a_table_made_anew_is_another(void **state)
{
	struct world *w = *state;
	struct err e;

	w->cut = 1;
	w->anew = true;
	assert_err(world_read(w, &e), ERR_END, &e);
	assert_non_null(strstr((const char *)w->got.data,
	    "{\"id\":3}\nbad d.t: it was dropped and made anew while it was read\ninfo d.u\n"));
}

static void
live__garbage_fails_the_table(void **state)
{
	struct world *w = *state;
	struct err e;

	w->garbage = true;
	assert_err(world_read(w, &e), ERR_END, &e);
	assert_non_null(strstr((const char *)w->got.data, "{\"id\":3}\nbad d.t: the server's"));
	assert_non_null(strstr((const char *)w->got.data, "end d.u\n"));
}

static void
live__silence_counts_as_loss(void **state)
{
	struct world *w = *state;
	struct err e;

	w->mute = true;
	w->options.idle_ms = 50;
	w->options.connect_ms = 50;
	assert_err(world_read(w, &e), ERR_TRUNCATED, &e);
	assert_non_null(strstr(e.text, "no answer for"));
	assert_non_null(strstr(e.text, "the others are not taken"));
	w->stop = true;
}

static void
live__stops_when_told(void **state)
{
	static volatile sig_atomic_t stop;
	struct world *w = *state;
	struct source_item item;
	struct err e;
	int rc;

	w->mute = true;
	w->options.stop = &stop;
	rc = source_open_server(w->server.address, &w->options, &w->source, &e);
	assert_err(rc, ERR_OK, &e);
	assert_err(source_start(w->source, 0, &e), ERR_OK, &e);
	for (int i = 0; i < 5; i++)
		assert_err(source_next(w->source, &item, &e), ERR_OK, &e);
	stop = 1;
	assert_err(source_next(w->source, &item, &e), ERR_INTR, &e);
	w->stop = true;
	stop = 0;
}

static void
live__refuses_to_open(void **state)
{
	struct world *w = *state;
	char address[128];
	struct err e;

	w->options.user = "a";
	snprintf(address, sizeof(address), "rethinkdb://b@%s", strrchr(w->server.address, '/') + 1);
	assert_err(source_open_server(address, &w->options, &w->source, &e), ERR_ARG, &e);
	assert_err(source_open_server("ftp://h", &w->options, &w->source, &e), ERR_ARG, &e);
	w->options.user = NULL;
	w->options.password = "x";
	w->options.password_len = 1;
	assert_err(source_open_server(w->server.address, &w->options, &w->source, &e), ERR_IO, &e);
	assert_err(
	    source_open_server("rethinkdb://127.0.0.1:1", &w->options, &w->source, &e), ERR_IO, &e);
	assert_non_null(strstr(e.text, "127.0.0.1:1: cannot connect"));
	assert_null(w->source);
}

int
main(void)
{
#define LIVE(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
	    LIVE(live__hands_out_every_table),
	    LIVE(live__split_points_as_admin_alone),
	    LIVE(live__what_may_not_be_seen),
	    LIVE(live__tables_that_are_wanted),
	    LIVE(live__skips),
	    LIVE(live__reads_on_behind_the_last_key),
	    LIVE(live__waits_for_replicas),
	    LIVE(live__a_server_that_stays_away_ends_the_run),
	    LIVE(live__a_table_that_goes_fails_alone),
	    LIVE(live__a_table_made_anew_is_another),
	    LIVE(live__garbage_fails_the_table),
	    LIVE(live__silence_counts_as_loss),
	    LIVE(live__stops_when_told),
	    LIVE(live__refuses_to_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
