/* Consistent reads: the words of a changefeed, what is done when it is lost, and what is kept. */
#include "tests/support/test.h"

#include "snapshot/capture.h"
#include "snapshot/rdb/feed.h"
#include "snapshot/rdb/scan.h"
#include "snapshot/source.h"
#include "tests/support/played.h"
#include "tests/support/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INIT "{\"state\":\"initializing\",\"type\":\"state\"}"
#define READY "{\"state\":\"ready\",\"type\":\"state\"}"
#define FIRST(doc) "{\"new_val\":" doc ",\"type\":\"initial\"}"
#define ADD(doc) "{\"new_val\":" doc ",\"old_val\":null,\"type\":\"add\"}"
#define CHANGE(old, doc) "{\"new_val\":" doc ",\"old_val\":" old ",\"type\":\"change\"}"
#define REMOVE(old) "{\"new_val\":null,\"old_val\":" old ",\"type\":\"remove\"}"
#define OVERFLOW                                                                                   \
	"{\"error\":\"Changefeed cache over array size limit, skipped 12 elements.\","             \
	"\"type\":\"error\"}"
#define PARTIAL(list) "{\"t\":3,\"r\":[" list "],\"n\":[1,5]}"
#define ABORTED "{\"t\":18,\"e\":4100000,\"r\":[\"Changefeed aborted (unavailable).\"],\"b\":[]}"
#define CUT "" /* the connection ends */

/* ---- words ---- */

static int
word_of(const char *json, enum feed_word *word, struct member_span *document, struct err *e)
{
	struct member_span element = {(const uint8_t *)json, strlen(json)};

	return feed_read(&element, word, document, e);
}

static void
feed__words(void **state)
{
	static const struct {
		const char *json;
		enum feed_word word;
		const char *document;
	} cases[] = {
	    {INIT, FEED_STATE, NULL},
	    {READY, FEED_READY, NULL},
	    {"{\"state\":\"ready\"}", FEED_READY, NULL},
	    {FIRST("{\"id\":1}"), FEED_DOCUMENT, "{\"id\":1}"},
	    {ADD("{\"id\":2}"), FEED_DOCUMENT, "{\"id\":2}"},
	    {CHANGE("{\"id\":3}", "{\"id\":3,\"a\":1}"), FEED_DOCUMENT, "{\"id\":3,\"a\":1}"},
	    {REMOVE("{\"id\":4}"), FEED_DELETION, "{\"id\":4}"},
	    {"{\"old_val\":{\"id\":5},\"type\":\"uninitial\"}", FEED_DELETION, "{\"id\":5}"},
	    /* What users store is no word of the server. */
	    {FIRST("{\"id\":6,\"state\":\"ready\"}"), FEED_DOCUMENT,
		"{\"id\":6,\"state\":\"ready\"}"},
	    {FIRST("{\"error\":\"x\",\"id\":7,\"new_val\":null,\"old_val\":{},\"type\":\"state\"}"),
		FEED_DOCUMENT,
		"{\"error\":\"x\",\"id\":7,\"new_val\":null,\"old_val\":{},\"type\":\"state\"}"},
	    {REMOVE("{\"id\":8,\"state\":\"ready\"}"), FEED_DELETION,
		"{\"id\":8,\"state\":\"ready\"}"},
	};
	struct member_span document;
	enum feed_word word;
	struct err e;
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_err(word_of(cases[i].json, &word, &document, &e), ERR_OK, &e);
		assert_int_equal(word, cases[i].word);
		if (cases[i].document != NULL)
			assert_text(document.data, document.len, cases[i].document);
		else
			assert_null(document.data);
	}
}

static void
feed__no_words(void **state)
{
	static const char *const bad[] = {"{}", "1", "[]", "\"ready\"", "{\"type\":\"state\"}",
	    "{\"new_val\":null,\"old_val\":null}", "{\"new_val\":", "{\"state\" \"ready\"}"};
	struct member_span document;
	enum feed_word word;
	struct err e;
	(void)state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_err(word_of(bad[i], &word, &document, &e), ERR_FORMAT, &e);
	assert_err(word_of(OVERFLOW, &word, &document, &e), ERR_LIMIT, &e);
	assert_non_null(strstr(e.text, "skipped 12 elements"));
	assert_err(word_of("{\"error\":7}", &word, &document, &e), ERR_LIMIT, &e);
}

/* ---- recordings ---- */

/* Read the feed of a recording until it is ready; a letter for each of its words. */
static void
recorded(const char *name, const char *nonce, size_t login, const char *want, int end)
{
	struct connection_options options = {.address = {.name = "server:28015"}, .user = "admin"};
	struct buf query = {0}, words = {0};
	struct member_span element, document;
	enum feed_word word = FEED_STATE;
	struct connection *c;
	struct played p;
	struct scan *s;
	struct err e;
	int rc;

	played_start(&p);
	played_load(&p, name);
	p.piece = 1;
	p.says.len = login;
	assert_err(connection_over(&p.base, &options, nonce, &c, &e), ERR_OK, &e);
	played_finish(&p);
	played_start(&p);
	played_load(&p, name);
	p.said = login;
	assert_int_equal(buf_puts(&query, "[1,[152,[]]]"), ERR_OK);
	assert_err(scan_open(c, &query, &s, &e), ERR_OK, &e);
	while ((rc = scan_next(s, &element, &e)) == ERR_OK && word != FEED_READY) {
		assert_err(feed_read(&element, &word, &document, &e), ERR_OK, &e);
		assert_int_equal(buf_putc(&words, (uint8_t) "sRdx"[word]), ERR_OK);
	}
	assert_err(rc, end, &e);
	assert_text(words.data, words.len, want);
	scan_close(s);
	connection_close(c);
	buf_finish(&query);
	buf_finish(&words);
	played_finish(&p);
}

static void
feed__recorded(void **state)
{
	(void)state;

	recorded(
	    "changes_types.jsonl", "EDS/JR5Lz3b4DLqCKTfcN2lT", 92 + 114 + 83, "sddddddddR", ERR_OK);
	recorded("changes_initial_states.jsonl", "u8udqxWnuZGNP/3GQDWClZLV", 92 + 114 + 83,
	    "sdddddR", ERR_OK);
	recorded("changes_drop.jsonl", "CJFPGq/Y41CLB5HW/1RguOf3", 92 + 114 + 83, "R", ERR_BUSY);
}

/* ---- a server with the tables d.t and d.u, both with feeds ---- */

struct world {
	struct server server;
	struct source *source;
	struct source_server options;
	const char *const *answers; /* to what is asked of d.t's feed, NULL behind the last */
	atomic_uint given;          /* of these */
	bool anew;                  /* d.t is another one after its feed was lost */
	atomic_uint described;
	struct buf got; /* what the source handed out, a line each */
	struct buf log; /* what it told */
};

static void
world_answer(void *arg, unsigned connection, unsigned n, const char *query, struct buf *out)
{
	struct world *w = arg;
	int term = strncmp(query, "[1,[", 4) == 0 ? atoi(query + 4) : 0;
	bool u = strstr(query, "\"u\"") != NULL;
	(void)connection;
	(void)n;

	if (strcmp(query, "[2]") == 0 || (term == 152 && !u))
		buf_puts(out, w->answers[w->given] != NULL ? w->answers[w->given++] : "");
	else if (strcmp(query, "[3]") == 0)
		buf_puts(out, "{\"t\":2,\"r\":[],\"n\":[]}");
	else if (term == 152)
		buf_puts(out, PARTIAL(INIT "," FIRST("{\"id\":1}") "," READY));
	else if (term == 59)
		buf_puts(out, "{\"t\":1,\"r\":[[\"d\"]]}");
	else if (term == 62)
		buf_puts(out, "{\"t\":1,\"r\":[[\"t\",\"u\"]]}");
	else if (term == 79)
		buf_printf(out,
		    "{\"t\":1,\"r\":[{\"doc_count_estimates\":[3,4],\"id\":\"id-%d\",\"name\":"
		    "\"t\",\"primary_key\":\"id\"}]}",
		    w->anew && !u && w->given > 0);
	else
		buf_puts(out, "{\"t\":1,\"r\":[[]]}");
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
	    .user = "bk",
	    .consistent = true};
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
	buf_finish(&w->got);
	buf_finish(&w->log);
	free(w);
	return 0;
}

/* Write down one item. */
static void
world_note(struct world *w, const struct source_item *item, const struct err *e)
{
	static const char *const names[] = {"info ", "table ", "", "gone ", "end ", "bad "};

	assert_int_equal(item->latest, item->event == SOURCE_TABLE);
	buf_puts(&w->got, names[item->event]);
	if (item->event == SOURCE_DOCUMENT || item->event == SOURCE_DELETION)
		buf_append(&w->got, item->data, item->len);
	else
		buf_puts(&w->got, item->table);
	if (item->event == SOURCE_TABLE_BAD)
		buf_printf(&w->got, ": %s", e->text);
	assert_int_equal(buf_putc(&w->got, '\n'), ERR_OK);
}

static void
world_read(struct world *w, const char *const *answers, const char *want)
{
	struct source_item item;
	struct err e;
	int rc;

	w->answers = answers;
	rc = source_open_server(w->server.address, &w->options, &w->source, &e);
	assert_err(rc, ERR_OK, &e);
	assert_err(source_start(w->source, 0, &e), ERR_OK, &e);
	while ((rc = source_next(w->source, &item, &e)) == ERR_OK)
		world_note(w, &item, &e);
	assert_err(rc, ERR_END, &e);
	assert_text(w->got.data, w->got.len, want);
	assert_non_null(buf_str(&w->log));
}

#define U "info u\ntable u\n{\"id\":1}\nend u\n"

static unsigned
count_of(const char *text, const char *part)
{
	unsigned n = 0;

	for (; (text = strstr(text, part)) != NULL; text++)
		n++;
	return n;
}

/* ---- feeds ---- */

static void
feed__drained_until_ready(void **state)
{
	static const char *const answers[] = {PARTIAL(INIT "," FIRST("{\"id\":2}")),
	    PARTIAL(FIRST("{\"id\":1}") "," ADD("{\"id\":3}")), PARTIAL(""),
	    PARTIAL(CHANGE("{\"id\":2}", "{\"id\":2,\"a\":1}") "," REMOVE(
		"{\"id\":1}") "," READY "," ADD("{\"id\":9}")),
	    PARTIAL(ADD("{\"id\":10}")), NULL};
	struct world *w = *state;

	world_read(w, answers,
	    "info t\ntable t\n{\"id\":2}\n{\"id\":1}\n{\"id\":3}\n{\"id\":2,\"a\":1}\n"
	    "gone {\"id\":1}\nend t\n" U);
	assert_text(w->log.data, w->log.len, "");
	source_close(w->source);
	w->source = NULL;
	server_stop(&w->server);
	assert_non_null(buf_str(&w->server.asked));
	assert_true(count_of((const char *)w->server.asked.data, "[3]\n") >= 1);
	assert_non_null(strstr((const char *)w->server.asked.data,
	    "[1,[152,[[15,[[14,[\"d\"]],\"t\"]]],{\"changefeed_queue_size\":100000,"
	    "\"include_initial\":true,\"include_states\":true,\"include_types\":true}]]\n"));
	server_start(&w->server);
}

static void
feed__begins_again(void **state)
{
	static const char *const answers[] = {PARTIAL(INIT "," FIRST("{\"id\":1}") "," OVERFLOW),
	    PARTIAL(""),                                                 /* overflow */
	    PARTIAL(INIT "," FIRST("{\"id\":2}")), ABORTED,              /* aborted */
	    PARTIAL(INIT "," FIRST("{\"id\":3}")), CUT,                  /* lost */
	    PARTIAL(INIT "," FIRST("{\"id\":4}")), "{\"t\":2,\"r\":[]}", /* ended */
	    PARTIAL(INIT "," FIRST("{\"id\":5}") "," READY), PARTIAL(""), NULL};
	struct world *w = *state;
	const char *log;

	world_read(w, answers,
	    "info t\ntable t\n{\"id\":1}\ntable t\n{\"id\":2}\ntable t\n{\"id\":3}\ntable "
	    "t\n{\"id\":4}\ntable t\n{\"id\":5}\nend t\n" U);
	log = (const char *)w->log.data;
	assert_int_equal(count_of(log, "; reading it from the start\n"), 4);
	assert_non_null(strstr(log, "d.t: changes came faster than they were read: Changefeed "
				    "cache over array size limit, skipped 12 elements."));
	assert_non_null(strstr(log, "d.t: Changefeed aborted (unavailable).; reading"));
	assert_non_null(strstr(log, "the server ended the connection; reading"));
	source_close(w->source);
	w->source = NULL;
	server_stop(&w->server);
	assert_non_null(buf_str(&w->server.asked));
	/* After an overflow, and only then, the server is to keep more; it was waited for. */
	log = (const char *)w->server.asked.data;
	assert_int_equal(count_of(log, "\"changefeed_queue_size\":100000,"), 2);
	assert_int_equal(count_of(log, "\"changefeed_queue_size\":200000,"), 4);
	assert_true(count_of(log, "[1,[177,") >= 2);
	server_start(&w->server);
}

static void
feed__gives_up_and_others_go_on(void **state)
{
#define VAIN PARTIAL(INIT), ABORTED
	static const char *const answers[] = {VAIN, VAIN, VAIN, VAIN, VAIN, VAIN, VAIN, NULL};
	struct world *w = *state;

	world_read(w, answers,
	    "info t\ntable t\ntable t\ntable t\ntable t\ntable t\ntable t\n"
	    "bad t: Changefeed aborted (unavailable).; a consistent read was begun 6 times in "
	    "vain\n" U);
}

static void
feed__connections_that_are_lost_fail_the_table_alone(void **state)
{
#define LOST PARTIAL(INIT "," FIRST("{\"id\":1}")), CUT
	static const char *const answers[] = {LOST, LOST, LOST, LOST, LOST, LOST, LOST, NULL};
	struct world *w = *state;
	struct buf want = {0};

	buf_puts(&want, "info t\n");
	for (int i = 0; i < 6; i++)
		buf_puts(&want, "table t\n{\"id\":1}\n");
	buf_printf(&want,
	    "bad t: %s: the server ended the connection; a consistent read was begun 6 times in "
	    "vain\n" U,
	    strrchr(w->server.address, '/') + 1);
	assert_non_null(buf_str(&want));
	world_read(w, answers, (const char *)want.data);
	buf_finish(&want);
}

static void
feed__a_table_made_anew(void **state)
{
	static const char *const answers[] = {PARTIAL(INIT "," FIRST("{\"id\":1}")), ABORTED,
	    PARTIAL(INIT "," FIRST("{\"id\":2}") "," READY), NULL};
	struct world *w = *state;

	w->anew = true;
	world_read(w, answers,
	    "info t\ntable t\n{\"id\":1}\ntable t\nbad t: it was dropped and made anew while it "
	    "was read\n" U);
}

/* ---- what is kept ---- */

static void
on_done(void *arg, const char *database, const char *table, const struct snapshots_snapshot *s)
{
	buf_printf(arg, "%s.%s %d documents %d new %d changed %d deleted %d shards\n", database,
	    table, (int)s->documents, (int)s->added, (int)s->changed, (int)s->deleted,
	    (int)s->shards);
}

/* Take a snapshot of ${source}, which is closed. */
static void
take(const struct repo *repo, struct source *source, int64_t date, struct buf *lines)
{
	static const char *const only[] = {"d.t"};
	struct capture_options options = {.has_date = true,
	    .date = date,
	    .only = only,
	    .n_only = 1,
	    .table_done = on_done,
	    .arg = lines};
	struct capture_result result;
	struct capture *c;
	struct err e = {0};

	assert_err(capture_open(repo, NULL, &c, &e), ERR_OK, &e);
	assert_err(capture_run(c, source, 0, &options, &result, &e), ERR_OK, &e);
	assert_int_equal(result.failed, 0);
	source_close(source);
	capture_close(c);
}

static void
write_text(const char *dir, const char *name, const char *text)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (text == NULL)
		assert_int_equal(mkdir(path, 0700), 0);
	else
		test_write_file(path, text, strlen(text));
}

/* The last word for each key counts; an export of what is left is the same. */
static void
feed__the_last_word_counts(void **state)
{
	static const char *const answers[] = {PARTIAL(INIT "," FIRST("{\"id\":99}")),
	    ABORTED, /* all of it is void */
	    PARTIAL(INIT "," FIRST("{\"id\":5}") "," FIRST("{\"id\":1,\"v\":1}") "," CHANGE(
		"{\"id\":1,\"v\":1}", "{\"id\":1,\"v\":2}") "," FIRST("{\"id\":2}")),
	    PARTIAL(REMOVE("{\"id\":5}") "," ADD("{\"id\":3}") "," REMOVE("{\"id\":3}") "," REMOVE(
		"{\"id\":2}") "," ADD("{\"id\":2,\"v\":3}") ","
							    "" FIRST("{\"id\":4}")),
	    PARTIAL(CHANGE("{\"id\":1,\"v\":2}", "{\"id\":1,\"v\":3}") "," REMOVE(
		"{\"id\":77}") "," READY),
	    NULL};
	struct world *w = *state;
	struct buf lines = {0};
	struct source *source;
	struct repo *repo;
	struct err e = {0};
	char *dir = test_dir();
	char path[600];

	snprintf(path, sizeof(path), "%s/repo", dir);
	assert_err(repo_create(path, &e), ERR_OK, &e);
	assert_err(repo_open(path, &repo, &e), ERR_OK, &e);
	w->answers = answers;
	w->options.only = (const char *const[]){"d.t"};
	w->options.n_only = 1;
	assert_err(source_open_server(w->server.address, &w->options, &source, &e), ERR_OK, &e);
	take(repo, source, 1000, &lines);
	write_text(dir, "export", NULL);
	write_text(dir, "export/d", NULL);
	write_text(
	    dir, "export/d/t.info", "{\"primary_key\":\"id\",\"doc_count_estimates\":[3,4]}");
	write_text(
	    dir, "export/d/t.json", "[{\"id\":1,\"v\":3},\n{\"id\":2,\"v\":3},\n{\"id\":4}]\n");
	snprintf(path, sizeof(path), "%s/export", dir);
	assert_err(source_open(path, &source, &e), ERR_OK, &e);
	take(repo, source, 2000, &lines);
	assert_text(lines.data, lines.len,
	    "d.t 3 documents 3 new 0 changed 0 deleted 2 shards\n"
	    "d.t 3 documents 0 new 0 changed 0 deleted 2 shards\n");
	repo_close(repo);
	test_dir_remove(dir);
	buf_finish(&lines);
}

int
main(void)
{
#define FEED(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(feed__words),
	    cmocka_unit_test(feed__no_words),
	    cmocka_unit_test(feed__recorded),
	    FEED(feed__drained_until_ready),
	    FEED(feed__begins_again),
	    FEED(feed__gives_up_and_others_go_on),
	    FEED(feed__connections_that_are_lost_fail_the_table_alone),
	    FEED(feed__a_table_made_anew),
	    FEED(feed__the_last_word_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
