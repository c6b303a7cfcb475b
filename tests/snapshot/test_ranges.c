/* A server that is read over several connections: where tables are cut, and what becomes of it. */
#include "tests/support/test.h"

#include "snapshot/json/jsonkey.h"
#include "snapshot/json/member.h"
#include "snapshot/rdb/cut.h"
#include "snapshot/source.h"
#include "tests/support/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS 64
#define PART 7 /* documents in an answer */

static struct key
key_of(const char *json)
{
	struct key k;
	struct err e;

	assert_err(jsonkey_read(json, strlen(json), &k, &e), ERR_OK, &e);
	return k;
}

/* ---- where to cut ---- */

/* Cut between two keys of JSON; the cuts are put into ${out}, a line each. */
static size_t
cut(const char *first, const char *last, size_t n, struct buf *out)
{
	struct key a = key_of(first), b = key_of(last), cuts[64];
	size_t got = cut_between(&a, &b, n, cuts);

	assert_true(got < n);
	assert_int_equal(cut_check(cuts, got), got);
	buf_clear(out);
	for (size_t i = 0; i < got; i++) {
		assert_true(key_compare(&a, &cuts[i]) < 0 && key_compare(&cuts[i], &b) <= 0);
		assert_int_equal(jsonkey_write(&cuts[i], out), ERR_OK);
		assert_int_equal(buf_putc(out, '\n'), ERR_OK);
	}
	assert_non_null(buf_str(out));
	return got;
}

static void
cut__numbers_evenly(void **state)
{
	struct buf out = {0};
	(void)state;

	cut("0", "100", 4, &out);
	assert_string_equal(buf_str(&out), "25\n50\n75\n");
	cut("1", "3", 8, &out);
	assert_string_equal(buf_str(&out), "2\n");
	cut("-1.5", "1.5", 2, &out);
	assert_string_equal(buf_str(&out), "0\n");
	assert_int_equal(cut("-1.7e308", "1.7e308", 4, &out), 3);
	assert_int_equal(cut("5", "5", 4, &out), 0);
	assert_int_equal(cut("0", "1e-320", 64, &out), 63);
	buf_finish(&out);
}

static void
cut__strings_by_their_letters(void **state)
{
	struct buf out = {0};
	(void)state;

	cut("\"order-000000\"", "\"order-999999\"", 4, &out);
	assert_string_equal(
	    buf_str(&out), "\"order-24999975\"\n\"order-49999950\"\n\"order-74999925\"\n");
	cut("\"00000000-aaaa\"", "\"ffffffff-bbbb\"", 4, &out);
	assert_string_equal(buf_str(&out), "\"3fffffff\"\n\"7fffffff\"\n\"bfffffff\"\n");
	/* What both begin with is not cut in the middle of a letter. */
	cut("\"gr\xc3\xbc"
	    "1\"",
	    "\"gr\xc3\xb6\"", 2, &out);
	cut("\"gr\xc3\xb6\"", "\"gr\xc3\xbc\"", 2, &out);
	assert_null(strchr(buf_str(&out), '\xc3'));
	assert_int_equal(cut("\"\"", "\"zebra\"", 12, &out), 11);
	assert_int_equal(cut("\"a\"", "\"a \"", 12, &out), 0);
	assert_int_equal(cut("\"\x7f\"", "\"\xf0\x9f\x90\x98\"", 12, &out), 0);
	buf_finish(&out);
}

static void
cut__nothing_else(void **state)
{
	struct buf out = {0};
	(void)state;

	assert_int_equal(cut("1", "\"a\"", 4, &out), 0);
	assert_int_equal(cut("false", "true", 4, &out), 0);
	assert_int_equal(cut("[1]", "[9]", 4, &out), 0);
	buf_finish(&out);
}

/* Whatever the strings, the cuts are keys, and ascend: cut() looks. */
static void
cut__any_strings(void **state)
{
	struct buf out = {0};
	(void)state;

	srand(7);
	for (int i = 0; i < 20000; i++) {
		char text[2][16];
		struct key keys[2];
		for (int t = 0; t < 2; t++) {
			int len = rand() % 12;
			text[t][0] = '"';
			for (int c = 1; c <= len; c++) {
				text[t][c] = (char)(' ' + rand() % 95);
				if (text[t][c] == '"' || text[t][c] == '\\')
					text[t][c] = 'a';
			}
			memcpy(text[t] + len + 1, "\"", 2);
			keys[t] = key_of(text[t]);
		}
		if (key_compare(&keys[0], &keys[1]) <= 0)
			cut(text[0], text[1], 2 + (size_t)rand() % 40, &out);
	}
	buf_finish(&out);
}

static void
cut__check(void **state)
{
	struct key keys[4] = {key_of("1"), key_of("2"), key_of("2"), key_of("3")};
	(void)state;

	assert_int_equal(cut_check(keys, 4), 2);
	keys[1].len = 3;
	assert_int_equal(cut_check(keys, 4), 1);
	assert_int_equal(cut_check(keys, 0), 0);
}

/* ---- a server with one table ---- */

/* A scan of one connection. */
struct cursor {
	size_t next, end; /* documents */
	int parts;        /* answers so far */
};

struct world {
	struct server server;
	struct source *source;
	struct source_server options;
	struct key *keys; /* of the documents, ascending */
	size_t n;
	struct cursor cursors[CONNECTIONS];
	struct key cuts[SOURCE_CLIENTS_MAX * 4];
	size_t n_cuts;              /* what the callback knows */
	unsigned seen[4000];        /* how often each document was handed out */
	struct buf log;             /* what the source told */
	struct buf bad;             /* why the table is bad */
	pthread_mutex_t lock;       /* of log: never held by two, for the source is one thread */
	atomic_uint cut_connection; /* it ends in place of its second part; 0: none */
	unsigned mute;              /* it does not answer any more after its first part; 0: none */
	unsigned anew;              /* from this scan on the table is another; 0: never */
	atomic_uint scans;          /* begun so far */
	atomic_int busy;            /* so many times, say that replicas are not available */
};

static void
put_document(const struct world *w, size_t i, struct buf *out)
{
	buf_puts(out, "{\"id\":");
	jsonkey_write(&w->keys[i], out);
	buf_printf(out, ",\"n\":%zu}", i);
}

static void
world_part(struct world *w, struct cursor *c, struct buf *out)
{
	size_t to = c->end - c->next > PART ? c->next + PART : c->end;

	buf_printf(out, "{\"t\":%d,\"r\":[", to < c->end ? 3 : 2);
	for (size_t i = c->next; i < to; i++) {
		if (i > c->next)
			buf_putc(out, ',');
		put_document(w, i, out);
	}
	buf_puts(out, "]}");
	c->next = to;
	c->parts++;
}

/* The ${i}-th element of an array. */
static struct member_span
element(struct member_span array, int i)
{
	struct member_walk walk = {0};
	struct member_span out = {0};

	for (; i >= 0; i--)
		assert_int_equal(member_element(array.data, array.len, &walk, &out), ERR_OK);
	return out;
}

/* The first document at (or behind) a bound. */
static size_t
world_bound(const struct world *w, struct member_span bound, bool open)
{
	struct key key;
	size_t i = 0;

	if (bound.data[0] == '[' && memcmp(bound.data, "[180", 4) == 0)
		return 0;
	if (bound.data[0] == '[' && memcmp(bound.data, "[181", 4) == 0)
		return w->n;
	if (bound.data[0] == '[')
		bound = element(bound, 1);
	assert_int_equal(jsonkey_read(bound.data, bound.len, &key, NULL), ERR_OK);
	while (i < w->n && key_compare(&w->keys[i], &key) < (open ? 1 : 0))
		i++;
	return i;
}

static void
world_scan(struct world *w, unsigned connection, const char *query, struct buf *out)
{
	struct member_span all = {(const uint8_t *)query, strlen(query)};
	struct member_span range = element(element(element(all, 1), 1), 0), bounds;
	struct cursor *c = &w->cursors[connection];

	*c = (struct cursor){0, w->n, 0};
	if (memcmp(range.data, "[182", 4) == 0) {
		bounds = element(range, 1);
		c->next = world_bound(
		    w, element(bounds, 1), strstr(query, "\"left_bound\":\"open\"") != NULL);
		c->end = world_bound(
		    w, element(bounds, 2), strstr(query, "\"right_bound\":\"closed\"") != NULL);
	}
	w->scans++;
	world_part(w, c, out);
}

static void
world_more(struct world *w, unsigned connection, struct buf *out)
{
	struct cursor *c = &w->cursors[connection];

	if (connection == w->cut_connection && c->parts == 1) {
		w->cut_connection = 0;
		return;
	}
	while (connection == w->mute && !w->server.ending)
		usleep(1000);
	if (w->busy > 0 && w->busy-- > 0)
		buf_puts(out, "{\"t\":18,\"e\":4100000,\"r\":[\"replica not available\"]}");
	else
		world_part(w, c, out);
}

static void
world_edge(const struct world *w, const char *query, struct buf *out)
{
	buf_puts(out, "{\"t\":2,\"r\":[{\"id\":");
	jsonkey_write(&w->keys[strstr(query, "[74,") != NULL ? w->n - 1 : 0], out);
	buf_puts(out, "}]}");
}

static void
world_answer(void *arg, unsigned connection, unsigned n, const char *query, struct buf *out)
{
	struct world *w = arg;
	int term = strncmp(query, "[1,[", 4) == 0 ? atoi(query + 4) : 0;
	(void)n;

	if (strcmp(query, "[2]") == 0)
		world_more(w, connection, out);
	else if (term == 59)
		buf_puts(out, "{\"t\":1,\"r\":[[\"d\"]]}");
	else if (term == 62)
		buf_puts(out, "{\"t\":1,\"r\":[[\"t\"]]}");
	else if (term == 79)
		buf_printf(out,
		    "{\"t\":1,\"r\":[{\"doc_count_estimates\":[%zu],\"id\":\"id-%d\",\"name\":"
		    "\"t\",\"primary_key\":\"id\"}]}",
		    w->n > 100 ? 1000000 : w->n, w->anew > 0 && w->scans >= w->anew);
	else if (term == 33)
		world_edge(w, query, out);
	else if (term == 41)
		world_scan(w, connection, query, out);
	else
		buf_puts(out, "{\"t\":1,\"r\":[[]]}");
}

static size_t
world_cuts(void *arg, const char *database, const char *table, uint64_t documents, size_t n,
    struct key *out)
{
	const struct world *w = arg;

	assert_string_equal(database, "d");
	assert_string_equal(table, "t");
	assert_int_equal(documents, 1000000);
	n = n < w->n_cuts ? n : w->n_cuts;
	memcpy(out, w->cuts, n * sizeof(*out));
	return n;
}

static int
key_order(const void *a, const void *b)
{
	return key_compare(a, b);
}

static void
world_keys(struct world *w, size_t n, void (*make)(size_t i, char out[64]))
{
	char json[64];

	w->n = n;
	w->keys = calloc(n, sizeof(*w->keys));
	for (size_t i = 0; i < n; i++) {
		make(i, json);
		w->keys[i] = key_of(json);
	}
	qsort(w->keys, n, sizeof(*w->keys), key_order);
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
	w->options = (struct source_server){.log = &log,
	    .connect_ms = 60000,
	    .idle_ms = 60000,
	    .retry_ms = 1,
	    .clients = 4,
	    .cuts_arg = w};
	*state = w;
	return 0;
}

static int
world_teardown(void **state)
{
	struct world *w = *state;

	source_close(w->source);
	server_stop(&w->server);
	server_finish(&w->server);
	buf_finish(&w->log);
	buf_finish(&w->bad);
	free(w->keys);
	free(w);
	return 0;
}

/* Note that a document was handed out. */
static void
world_seen(struct world *w, const struct source_item *item)
{
	struct member_span n;

	assert_int_equal(member_find(item->data, item->len, "n", 1, &n), ERR_OK);
	w->seen[atoi((const char *)n.data)]++;
}

/* Read the table to its end; whether it was whole. */
static bool
world_read(struct world *w)
{
	struct source_item item;
	struct err e = {0};
	bool whole = false;
	int rc = source_open_server(w->server.address, &w->options, &w->source, &e);

	assert_err(rc, ERR_OK, &e);
	assert_err(source_start(w->source, 0, &e), ERR_OK, &e);
	while ((rc = source_next(w->source, &item, &e)) == ERR_OK) {
		if (item.event == SOURCE_DOCUMENT)
			world_seen(w, &item);
		if (item.event == SOURCE_TABLE_BAD)
			assert_int_equal(buf_puts(&w->bad, e.text), ERR_OK);
		whole = whole || item.event == SOURCE_TABLE_END;
	}
	assert_err(rc, ERR_END, &e);
	assert_non_null(buf_str(&w->log));
	assert_non_null(buf_str(&w->bad));
	return whole;
}

/* Every document exactly once. */
static void
world_all_once(struct world *w)
{
	assert_true(world_read(w));
	for (size_t i = 0; i < w->n; i++)
		assert_int_equal(w->seen[i], 1);
}

static void
make_string(size_t i, char out[64])
{
	snprintf(out, 64, "\"k%06zu\"", i * 7);
}

static void
make_number(size_t i, char out[64])
{
	snprintf(out, 64, "%zu", i);
}

/* All types of keys; every second number is the key of a cut, too. */
static void
make_mixed(size_t i, char out[64])
{
	static const char *const odd[] = {"[1]", "[]", "[\"a\",2]", "true", "false", "\"\"",
	    "{\"$reql_type$\":\"TIME\",\"epoch_time\":1.5,\"timezone\":\"+00:00\"}"};

	if (i < sizeof(odd) / sizeof(odd[0]))
		snprintf(out, 64, "%s", odd[i]);
	else if (i % 3 == 0)
		snprintf(out, 64, "\"%c%zu\"", (char)('A' + i % 26), i);
	else
		snprintf(out, 64, "%g", (double)i / 8 - 50);
}

/* What was asked so far, after the server was stopped and started again. */
static const char *
world_asked(struct world *w)
{
	source_close(w->source);
	w->source = NULL;
	server_stop(&w->server);
	server_start(&w->server);
	assert_non_null(buf_str(&w->server.asked));
	return (const char *)w->server.asked.data;
}

static unsigned
count_of(const char *text, const char *part)
{
	unsigned n = 0;

	for (; (text = strstr(text, part)) != NULL; text++)
		n++;
	return n;
}

/* ---- ranges ---- */

static void
ranges__strings_over_four_connections(void **state)
{
	struct world *w = *state;
	const char *asked;

	world_keys(w, 1000, make_string);
	world_all_once(w);
	assert_int_equal(w->server.n_clients, 4);
	assert_int_equal(w->scans, 16);
	assert_text(w->log.data, w->log.len, "");
	asked = world_asked(w);
	assert_int_equal(count_of(asked, "[180,[]]"), 1);
	assert_int_equal(count_of(asked, "[181,[]]"), 1);
	assert_int_equal(count_of(asked, "[33,[[71,"), 2);
}

static void
ranges__a_small_table_costs_one_login(void **state)
{
	struct world *w = *state;

	world_keys(w, 100, make_string);
	world_all_once(w);
	assert_int_equal(w->server.n_clients, 1);
	assert_int_equal(w->scans, 1);
}

static void
ranges__numbers_and_a_rate(void **state)
{
	struct world *w = *state;

	world_keys(w, 500, make_number);
	w->options.max_rate = 1000000;
	w->options.clients = 3;
	world_all_once(w);
	assert_int_equal(w->server.n_clients, 3);
	assert_non_null(strstr(world_asked(w), "{\"max_batch_rows\":333334}"));
}

static void
ranges__keys_at_the_cuts(void **state)
{
	struct world *w = *state;

	world_keys(w, 400, make_mixed);
	w->options.cuts = world_cuts;
	for (size_t i = 1; i < w->n && w->n_cuts < 15; i += w->n_cuts < 8 ? 1 : 50)
		w->cuts[w->n_cuts++] = w->keys[i];
	world_all_once(w);
	assert_int_equal(w->scans, w->n_cuts + 1);
	assert_null(strstr(world_asked(w), "[33,"));
}

/* Cuts between keys, before the first one and behind the last. */
static void
ranges__keys_beside_the_cuts(void **state)
{
	static const char *const cuts[] = {"[]", "-3", "3.5", "4.5", "1e9", "\"x\""};
	struct world *w = *state;

	world_keys(w, 200, make_number);
	w->options.cuts = world_cuts;
	for (; w->n_cuts < sizeof(cuts) / sizeof(cuts[0]); w->n_cuts++)
		w->cuts[w->n_cuts] = key_of(cuts[w->n_cuts]);
	world_all_once(w);
	assert_int_equal(w->scans, 7);
}

static void
ranges__many_connections(void **state)
{
	struct world *w = *state;

	world_keys(w, 3000, make_number);
	w->options.clients = 40;
	world_all_once(w);
	assert_int_equal(w->server.n_clients, 40);
}

/* ---- failures ---- */

static void
ranges__one_that_is_cut_off_goes_on_alone(void **state)
{
	struct world *w = *state;
	const char *asked;

	world_keys(w, 1000, make_number);
	w->cut_connection = 2;
	world_all_once(w);
	assert_int_equal(count_of((const char *)w->log.data, "trying again\n"), 1);
	asked = world_asked(w);
	assert_int_equal(count_of(asked, "\"left_bound\":\"open\""), 1);
	assert_int_equal(count_of(asked, "[1,[41,"), 17);
}

/* One that is silent is given up; the others are read meanwhile, and do not count as silent. */
static void
ranges__a_dead_one_does_not_hold_up_others(void **state)
{
	struct world *w = *state;

	world_keys(w, 1000, make_number);
	w->mute = 3;
	w->options.idle_ms = 2000;
	world_all_once(w);
	assert_non_null(strstr((const char *)w->log.data, "no answer for 2 seconds; trying again"));
	assert_int_equal(count_of((const char *)w->log.data, "\n"), 1);
}

static void
ranges__replicas_are_waited_for(void **state)
{
	struct world *w = *state;

	world_keys(w, 1000, make_number);
	w->busy = 3;
	world_all_once(w);
	assert_int_equal(count_of((const char *)w->log.data, "available; trying again\n"), 3);
	assert_true(count_of(world_asked(w), "[1,[177,") >= 1);
}

static void
ranges__fewer_connections_will_do(void **state)
{
	struct world *w = *state;

	world_keys(w, 1000, make_number);
	w->server.most = 2;
	world_all_once(w);
	assert_int_equal(
	    count_of((const char *)w->log.data, "; reading over fewer connections\n"), 2);
}

static void
ranges__a_table_made_anew_between_two(void **state)
{
	struct world *w = *state;

	world_keys(w, 1000, make_number);
	w->anew = 9;
	assert_false(world_read(w));
	assert_non_null(strstr((const char *)w->bad.data, "it was dropped and made anew"));
}

/* With a key nothing else is asked for, however large the table and many the clients. */
static void
key__alone(void **state)
{
	struct world *w = *state;
	unsigned seen = 0;

	world_keys(w, 1000, make_string);
	w->options.cuts = world_cuts;
	w->options.key = &w->keys[500];
	assert_true(world_read(w));
	for (size_t i = 0; i < w->n; i++)
		seen += w->seen[i];
	assert_int_equal(seen, 1);
	assert_int_equal(w->seen[500], 1);
	assert_int_equal(w->scans, 1);
}

int
main(void)
{
#define RANGES(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(cut__numbers_evenly),
	    cmocka_unit_test(cut__strings_by_their_letters),
	    cmocka_unit_test(cut__nothing_else),
	    cmocka_unit_test(cut__any_strings),
	    cmocka_unit_test(cut__check),
	    RANGES(ranges__strings_over_four_connections),
	    RANGES(ranges__a_small_table_costs_one_login),
	    RANGES(ranges__numbers_and_a_rate),
	    RANGES(ranges__keys_at_the_cuts),
	    RANGES(ranges__keys_beside_the_cuts),
	    RANGES(ranges__many_connections),
	    RANGES(ranges__one_that_is_cut_off_goes_on_alone),
	    RANGES(ranges__a_dead_one_does_not_hold_up_others),
	    RANGES(ranges__replicas_are_waited_for),
	    RANGES(ranges__fewer_connections_will_do),
	    RANGES(ranges__a_table_made_anew_between_two),
	    RANGES(key__alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
