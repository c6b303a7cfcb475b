/* snapshot/rdb below the source: addresses, login, frames, answers, scans, against a played server.
 */
#include "tests/support/test.h"

#include "catalog/base/bytes.h"
#include "snapshot/rdb/address.h"
#include "snapshot/rdb/base64.h"
#include "snapshot/rdb/connection.h"
#include "snapshot/rdb/describe.h"
#include "snapshot/rdb/handshake.h"
#include "snapshot/rdb/query.h"
#include "snapshot/rdb/response.h"
#include "snapshot/rdb/scan.h"
#include "snapshot/rdb/scram.h"
#include "tests/support/played.h"

#include <stdlib.h>
#include <string.h>

#define HELLO                                                                                      \
	"{\"max_protocol_version\":0,\"min_protocol_version\":0,\"server_version\":\"2.4.4\","     \
	"\"success\":true}"

static const struct handshake_login admin = {"admin", NULL, 0, "yDq3V9Pz65q/sUw2gGrFIUll"};
static volatile sig_atomic_t stop;

static const struct connection_options options = {
    .address = {.name = "server:28015"}, .user = "admin", .limit = 4096, .stop = &stop};

/* ---- addresses ---- */

static void
address__all_parts(void **state)
{
	struct address a;
	(void)state;

	assert_err(address_parse("rethinkdb://db1", &a, NULL), ERR_OK, NULL);
	assert_string_equal(a.host, "db1");
	assert_string_equal(a.port, "28015");
	assert_string_equal(a.user, "");
	assert_err(address_parse("rethinkdb://b%40c@[::1]:29/", &a, NULL), ERR_OK, NULL);
	assert_string_equal(a.user, "b@c");
	assert_string_equal(a.host, "::1");
	assert_string_equal(a.port, "29");
	assert_string_equal(a.name, "[::1]:29");
	assert_err(address_parse("rethinkdb://[fe80::2]", &a, NULL), ERR_OK, NULL);
	assert_string_equal(a.name, "[fe80::2]:28015");
}

static void
address__login(void **state)
{
	struct address named, plain;
	char *user = NULL;
	struct err e = {0};
	(void)state;

	assert_err(address_parse("rethinkdb://bk@db1", &named, NULL), ERR_OK, NULL);
	assert_err(address_parse("rethinkdb://db1", &plain, NULL), ERR_OK, NULL);
	assert_err(address_login(&plain, NULL, &user, &e), ERR_OK, &e);
	assert_string_equal(user, "admin");
	free(user);
	assert_err(address_login(&plain, "ro", &user, &e), ERR_OK, &e);
	assert_string_equal(user, "ro");
	free(user);
	assert_err(address_login(&named, NULL, &user, &e), ERR_OK, &e);
	assert_string_equal(user, "bk");
	free(user);
	assert_err(address_login(&named, "bk", &user, &e), ERR_OK, &e);
	assert_string_equal(user, "bk");
	free(user);
	assert_err(address_login(&named, "ro", &user, &e), ERR_ARG, NULL);
	assert_string_equal(
	    e.text, "db1:28015: the address names another user than \"ro\": name one");
}

static void
address__refusals(void **state)
{
	static const char *const bad[] = {"http://h", "rethinkdb://", "rethinkdb://:1",
	    "rethinkdb://h:0", "rethinkdb://h:65536", "rethinkdb://h:x",
	    "rethinkdb://h:", "rethinkdb://::1", "rethinkdb://[::1", "rethinkdb://[::1]x",
	    "rethinkdb://h/db", "rethinkdb://u:p@h", "rethinkdb://%4@h", "rethinkdb://%00@h",
	    "rethinkdb://@h"};
	struct address a = {.host = "same"};
	struct err e;
	(void)state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_err(address_parse(bad[i], &a, &e), ERR_ARG, &e);
		assert_true(e.text[0] != '\0');
		assert_string_equal(a.host, "same");
	}
	address_parse("rethinkdb://me:secret@h", &a, &e);
	assert_non_null(strstr(e.text, "--password-file"));
	assert_null(strstr(e.text, "secret"));
}

/* What stands before the last "@" is in no text, whatever is wrong. */
static void
address__shows_no_password(void **state)
{
	static const char *const bad[] = {"rethinkdb://me:secret@h", "http://me:secret@h",
	    "rethinkdb://me:secret@h:0", "rethinkdb://me:secret@h/db", "rethinkdb://secret%@h",
	    "rethinkdb://me%3Asecret@h", "rethinkdb://me:a@secret@h", "me:secret@h",
	    "http://me:a://secret@h", "me:http://secret@h", "rethinkdb://me:secret@"};
	static const char *const shown[][2] = {{"rethinkdb://me:s@h:1", "rethinkdb://...@h:1"},
	    {"http://me@s@h", "http://...@h"}, {"me:s@h", "...@h"}, {"a:b://s@h", "...@h"},
	    {"rethinkdb://h", "rethinkdb://h"}, {"", ""}, {"@", "...@"}};
	struct address a;
	struct err e;
	char out[ADDRESS_SHOWN], large[3 * ADDRESS_SHOWN] = "";
	(void)state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_err(address_parse(bad[i], &a, &e), ERR_ARG, &e);
		assert_null(strstr(e.text, "secret"));
	}
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		assert_string_equal(address_shown(shown[i][0], out), shown[i][1]);
	memset(large, 'x', sizeof(large) - 1);
	assert_int_equal(strlen(address_shown(large, out)), ADDRESS_SHOWN - 1);
	assert_string_equal(out + ADDRESS_SHOWN - 5, "x...");
}

/* ---- base64 and SCRAM ---- */

static void
base64__both_ways(void **state)
{
	static const char *const texts[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE="};
	struct buf text = {0}, back = {0};
	(void)state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		buf_clear(&text);
		buf_clear(&back);
		assert_int_equal(base64_encode("foobar", i, &text), ERR_OK);
		assert_text(text.data, text.len, texts[i]);
		assert_int_equal(base64_decode(text.data, text.len, &back), ERR_OK);
		assert_int_equal(back.len, i);
		assert_true(i == 0 || memcmp(back.data, "foobar", i) == 0);
	}
	buf_clear(&back);
	assert_int_equal(base64_decode("Zm9v\r\nYmE====", 13, &back), ERR_OK);
	assert_text(back.data, back.len, "fooba");
	assert_int_equal(base64_decode("Zm9vY", 5, &back), ERR_FORMAT);
	assert_int_equal(base64_decode("Zm9*", 4, &back), ERR_FORMAT);
	assert_int_equal(base64_decode("Zm=v", 4, &back), ERR_FORMAT);
	assert_text(back.data, back.len, "fooba");
	buf_finish(&text);
	buf_finish(&back);
}

/* What a live server and its official driver said to each other. */
static void
scram__known_answer(void **state)
{
	static const char first[] = "r=rOprNGfwEbeRWgbNEkqOrOprhPLWA4GDMOOP3Fsk7UVG,"
				    "s=fRyQB3atK1/L4ypPaE58PQ==,i=4096";
	static const char final[] = "v=IwIA9M/X2+RwIT5w6MBX+qai/REFh1oDFAuj56cu0kM=";
	const struct scram_login login = {"bk", "pw", 2, "rOprNGfwEbeRWgbNEkqOrOpr"};
	uint8_t signature[SCRAM_HASH];
	struct buf out = {0};
	struct err e;
	(void)state;

	assert_int_equal(scram_first(&login, &out), ERR_OK);
	assert_text(out.data, out.len, "n,,n=bk,r=rOprNGfwEbeRWgbNEkqOrOpr");
	buf_clear(&out);
	assert_err(scram_final(&login, first, strlen(first), &out, signature, &e), ERR_OK, &e);
	assert_text(out.data, out.len,
	    "c=biws,r=rOprNGfwEbeRWgbNEkqOrOprhPLWA4GDMOOP3Fsk7UVG,"
	    "p=LqZYOroQ9lGcVtB+P9qTkYGNSLodcCOJzKfKmpVdfos=");
	assert_err(scram_verify(final, strlen(final), signature, &e), ERR_OK, &e);
	signature[31] ^= 1;
	assert_err(scram_verify(final, strlen(final), signature, &e), ERR_DENIED, &e);
	buf_finish(&out);
}

static void
scram__hostile_servers(void **state)
{
	static const char *const bad[] = {"", "r=", "r=abcX", "r=abc,s=QQ==,i=1",
	    "r=xyzX,s=QQ==,i=1", "r=abcX,s=QQ==,i=0", "r=abcX,s=QQ==,i=", "r=abcX,s=QQ==,i=-1",
	    "r=abcX,s=QQ==,i=1000001", "r=abcX,s=QQ==,i=99999999999999999999", "r=abcX,s=,i=1",
	    "r=abcX,s=*,i=1", "s=QQ==,r=abcX,i=1"};
	const struct scram_login login = {"a=b,c", "pw", 2, "abc"};
	uint8_t signature[SCRAM_HASH];
	struct buf out = {0};
	struct err e;
	(void)state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_err(scram_final(&login, bad[i], strlen(bad[i]), &out, signature, &e),
		    ERR_FORMAT, &e);
	assert_int_equal(out.len, 0);
	assert_int_equal(scram_first(&login, &out), ERR_OK);
	assert_text(out.data, out.len, "n,,n=a=3Db=2Cc,r=abc");
	assert_err(scram_verify("", 0, signature, &e), ERR_DENIED, &e);
	assert_err(scram_verify("v=QQ==", 6, signature, &e), ERR_DENIED, &e);
	buf_finish(&out);
}

/* ---- handshakes ---- */

static void
handshake__recorded(void **state)
{
	char version[HANDSHAKE_VERSION];
	(void)state;

	for (size_t piece = 0; piece <= 3; piece++) {
		struct played p;
		struct err e;
		played_start(&p);
		played_load(&p, "start_continue_stop.jsonl");
		/* The queries of the recording are none of the handshake's business. */
		p.says.len = 92 + 114 + 83;
		p.piece = piece;
		assert_err(handshake_run(&p.base, &admin, version, &e), ERR_OK, &e);
		assert_string_equal(version, "2.4.4");
		assert_int_equal(p.told.len, 4 + 120 + 122);
		assert_memory_equal(p.told.data, p.expects.data, p.told.len);
		played_finish(&p);
	}
}

/* Run the handshake of a recording; the text of what comes of it. */
static void
handshake_fails(const char *name, const struct handshake_login *login, int want, const char *text)
{
	char version[HANDSHAKE_VERSION];
	struct played p;
	struct err e;

	played_start(&p);
	played_load(&p, name);
	assert_err(handshake_run(&p.base, login, version, &e), want, &e);
	assert_non_null(strstr(e.text, text));
	assert_memory_equal(p.told.data, p.expects.data, 4);
	played_finish(&p);
}

static void
handshake__recorded_refusals(void **state)
{
	const struct handshake_login wrong = {"admin", "x", 1, "DEluONUMgnKEjjyReeJ9oRbE"};
	const struct handshake_login empty = {"admin", NULL, 0, "DEluONUMgnKEjjyReeJ9oRbE"};
	struct handshake_login nobody = {"nobody", NULL, 0, NULL};
	struct played p;
	char nonce[25];
	const char *at;
	(void)state;

	handshake_fails("handshake_badpw.jsonl", &wrong, ERR_DENIED, "wrong password for user");
	handshake_fails("handshake_badpw.jsonl", &empty, ERR_DENIED, "--password-file");
	played_start(&p);
	played_load(&p, "handshake_baduser.jsonl");
	assert_non_null(buf_str(&p.expects));
	at = strstr((const char *)p.expects.data + 4, ",r=");
	assert_non_null(at);
	memcpy(nonce, at + 3, 24);
	nonce[24] = '\0';
	played_finish(&p);
	nobody.nonce = nonce;
	handshake_fails("handshake_baduser.jsonl", &nobody, ERR_DENIED, "no user \"nobody\"");
}

/* What a server of another kind says first, and a text that tells what to do. */
static void
handshake_stranger(const void *data, size_t len, const char *text)
{
	int want = len == 0 ? ERR_IO : ERR_FORMAT;
	char version[HANDSHAKE_VERSION];
	struct played p;
	struct err e;

	played_start(&p);
	assert_int_equal(buf_append(&p.says, data, len), ERR_OK);
	assert_err(handshake_run(&p.base, &admin, version, &e), want, &e);
	assert_non_null(strstr(e.text, text));
	played_finish(&p);
}

static void
handshake__strangers(void **state)
{
	static const uint8_t alert[] = {0x15, 3, 1, 0, 2, 2, 70};
	static const char old[] = "ERROR: Received an unsupported protocol version.\n";
	char endless[HANDSHAKE_MESSAGE + 10];
	(void)state;

	memset(endless, '{', sizeof(endless));
	handshake_stranger("", 0, "without an answer; if the server wants TLS");
	handshake_stranger(alert, sizeof(alert), "the server wants TLS");
	handshake_stranger(old, sizeof(old), "unsupported protocol version.?");
	handshake_stranger("HTTP/1.1 400\r\n", 14, "not the driver port");
	handshake_stranger("{\"a\":1}", 8, "not the driver port");
	handshake_stranger("{]", 3, "not the driver port");
	handshake_stranger(endless, sizeof(endless), "not the driver port");
}

/* A server that knows not the password can't make us believe that it does. */
static void
handshake__server_must_prove(void **state)
{
	char version[HANDSHAKE_VERSION];
	struct played p;
	struct err e;
	(void)state;

	played_start(&p);
	played_say(&p, HELLO);
	played_say(&p, "{\"authentication\":\"r=yDq3V9Pz65q/sUw2gGrFIUllX,s=QQ==,i=1\","
		       "\"success\":true}");
	played_say(&p, "{\"authentication\":\"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\","
		       "\"success\":true}");
	assert_err(handshake_run(&p.base, &admin, version, &e), ERR_DENIED, &e);
	played_finish(&p);
}

static void
handshake__random_nonces(void **state)
{
	struct handshake_login login = {"admin", NULL, 0, NULL};
	char version[HANDSHAKE_VERSION];
	struct played a, b;
	(void)state;

	played_start(&a);
	played_start(&b);
	assert_err(handshake_run(&a.base, &login, version, NULL), ERR_IO, NULL);
	assert_err(handshake_run(&b.base, &login, version, NULL), ERR_IO, NULL);
	assert_int_equal(a.told.len, b.told.len);
	assert_memory_not_equal(a.told.data, b.told.data, a.told.len);
	played_finish(&a);
	played_finish(&b);
}

/* ---- frames ---- */

/* A connection that has logged in to ${p}, to which answers can still be added. */
static struct connection *
logged_in(struct played *p)
{
	struct connection *c;
	struct err e;

	played_start(p);
	played_load(p, "start_continue_stop.jsonl");
	p->says.len = 92 + 114 + 83;
	assert_err(connection_over(&p->base, &options, admin.nonce, &c, &e), ERR_OK, &e);
	buf_clear(&p->told);
	return c;
}

/* Send "[1,1]" as the next query. */
static uint64_t
ask(struct connection *c)
{
	struct buf query = {0};
	uint64_t token;

	assert_int_equal(buf_puts(&query, "[1,1]"), ERR_OK);
	assert_err(connection_start(c, &query, &token, NULL), ERR_OK, NULL);
	buf_finish(&query);
	return token;
}

static void
connection__answers_to_other_queries_are_passed_over(void **state)
{
	struct played p;
	struct connection *c = logged_in(&p);
	struct buf out = {0};
	struct err e;
	uint64_t second;
	(void)state;

	ask(c);
	second = ask(c);
	played_frame(&p, 1, "{\"t\":1,\"r\":[1]}");
	played_frame(&p, 2, "{\"t\":1,\"r\":[2]}");
	p.piece = 5;
	assert_err(connection_receive(c, second, &out, &e), ERR_OK, &e);
	assert_text(out.data, out.len, "{\"t\":1,\"r\":[2]}");
	assert_string_equal(connection_version(c), "2.4.4");
	connection_close(c);
	buf_finish(&out);
	played_finish(&p);
}

/* Whatever the server sends, one query ends as ${want}, and the connection is of no use any more.
 */
static void
receive_fails(const void *data, size_t len, bool breaks, int want)
{
	struct played p;
	struct connection *c = logged_in(&p);
	struct buf out = {0}, query = {0};
	struct err e;
	uint64_t token = ask(c);

	assert_int_equal(buf_append(&p.says, data, len), ERR_OK);
	p.breaks = breaks;
	assert_err(connection_receive(c, token, &out, &e), want, &e);
	assert_memory_equal(e.text, "server:28015: ", 14);
	assert_false(connection_usable(c));
	assert_err(connection_receive(c, token, &out, &e), ERR_IO, &e);
	assert_err(connection_start(c, &query, &token, &e), ERR_IO, &e);
	assert_true(out.cap <= 131072);
	connection_close(c);
	buf_finish(&out);
	played_finish(&p);
}

static void
connection__lies_and_losses(void **state)
{
	static const uint8_t half_head[] = {1, 0, 0, 0, 0};
	static const uint8_t half_body[] = {1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, '{', '"'};
	static const uint8_t too_long[] = {1, 0, 0, 0, 0, 0, 0, 0, 1, 16, 0, 0};
	static const uint8_t huge[] = {1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255};
	static const uint8_t no_token[] = {0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, '{', '}'};
	static const uint8_t future[] = {2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, '{', '}'};
	(void)state;

	receive_fails("", 0, false, ERR_IO);
	receive_fails("", 0, true, ERR_IO);
	receive_fails(half_head, sizeof(half_head), false, ERR_IO);
	receive_fails(half_body, sizeof(half_body), false, ERR_IO);
	receive_fails(half_body, sizeof(half_body), true, ERR_IO);
	receive_fails(too_long, sizeof(too_long), false, ERR_LIMIT);
	receive_fails(huge, sizeof(huge), false, ERR_LIMIT);
	receive_fails(no_token, sizeof(no_token), false, ERR_FORMAT);
	receive_fails(future, sizeof(future), false, ERR_FORMAT);
}

/* A server may say as much as it was asked, and cannot keep us busy with more. */
static void
connection__more_answers_than_questions(void **state)
{
	struct played p;
	struct connection *c = logged_in(&p);
	struct buf out = {0};
	struct err e;
	uint64_t token;
	(void)state;

	ask(c);
	token = ask(c);
	for (int i = 0; i < 3; i++)
		played_frame(&p, 1, "{\"t\":3,\"r\":[]}");
	assert_err(connection_receive(c, token, &out, &e), ERR_FORMAT, &e);
	assert_non_null(strstr(e.text, "what was not asked"));
	connection_close(c);
	buf_finish(&out);
	played_finish(&p);
}

static void
connection__stops_before_it_reads_on(void **state)
{
	struct played p;
	struct connection *c = logged_in(&p);
	struct buf out = {0};
	struct err e;
	uint64_t token = ask(c);
	(void)state;

	stop = 1;
	played_frame(&p, token, "{\"t\":1,\"r\":[1]}");
	assert_err(connection_receive(c, token, &out, &e), ERR_INTR, &e);
	stop = 0;
	connection_close(c);
	buf_finish(&out);
	played_finish(&p);
}

/* ---- answers ---- */

static void
response_is(const char *json, int want, const char *text)
{
	struct response r;
	struct err e = {0};
	int rc = response_read(json, strlen(json), &r, &e);

	if (rc == ERR_OK)
		rc = response_check(&r, &e);
	assert_err(rc, want, &e);
	assert_non_null(strstr(e.text, text));
}

static void
response__errors(void **state)
{
	(void)state;

	response_is("{\"t\":1,\"r\":[3]}", ERR_OK, "");
	response_is(
	    "{\"t\":18,\"e\":1000000,\"r\":[\"Unexpected exception: User `bob` does not have the "
	    "required `config` permission.\"]}",
	    ERR_DENIED,
	    "User `bob` does not have the required `config` permission. Grant it as admin");
	response_is("{\"t\":18,\"e\":6000000,\"r\":[\"User `bob` does not have the required "
		    "`read` permission.\"],\"b\":[]}",
	    ERR_DENIED, "`read` permission. Grant it as admin");
	response_is("{\"t\":18,\"e\":4100000,\"r\":[\"Table `a.b` does not exist.\"],\"b\":[]}",
	    ERR_ABSENT, "Table `a.b` does not exist.");
	response_is("{\"t\":18,\"r\":[\"Table `a.b` does not exist.\"]}", ERR_ABSENT, "exist");
	response_is("{\"t\":18,\"e\":4100000,\"r\":[\"primary replica not available\"]}", ERR_BUSY,
	    "not available");
	response_is("{\"t\":18,\"e\":4200000,\"r\":[\"x\"]}", ERR_BUSY, "x");
	response_is("{\"t\":18,\"e\":2000000,\"r\":[\"x\"]}", ERR_LIMIT, "at a limit: x");
	response_is("{\"t\":18,\"e\":1000000,\"r\":[\"x\"]}", ERR_IO, "x");
	response_is("{\"t\":18,\"e\":5000000,\"r\":[\"x\"]}", ERR_FORMAT, "x");
	response_is("{\"t\":17,\"r\":[\"Unrecognized TermType: 190.\"]}", ERR_VERSION, "too old");
	response_is("{\"t\":16,\"r\":[\"a\\nb\"]}", ERR_FORMAT, "a?b");
	response_is("{\"t\":18,\"e\":4100000,\"r\":[]}", ERR_BUSY, "no reason is given");
	response_is("{\"t\":99,\"r\":[]}", ERR_FORMAT, "99");
}

static void
response__garbage(void **state)
{
	static const char *const bad[] = {"", "{", "{}", "[]", "{\"t\":1}", "{\"r\":[]}",
	    "{\"t\":1,\"r\":{}}", "{\"t\":1,\"r\":[}", "{\"t\":\"1\",\"r\":[]}",
	    "{\"t\":1,\"r\":[]", "{\"t\":1,\"r\":[]}x", "{\"t\":9999999999,\"r\":[]}"};
	struct response r;
	(void)state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_err(response_read(bad[i], strlen(bad[i]), &r, NULL), ERR_FORMAT, NULL);
}

/* ---- queries ---- */

static void
query__keys_are_data(void **state)
{
	struct buf json = {0}, out = {0};
	(void)state;

	assert_int_equal(
	    buf_puts(&json, "[1,\"a\\\"[{\\\\\",[true],{\"$reql_type$\":\"TIME\"}]"), ERR_OK);
	assert_int_equal(query_key(&out, &json), ERR_OK);
	assert_text(
	    out.data, out.len, "[2,[1,\"a\\\"[{\\\\\",[2,[true]],[1,{\"$reql_type$\":\"TIME\"}]]]");
	buf_finish(&json);
	buf_finish(&out);
}

static void
query__scans(void **state)
{
	struct buf last = {0}, out = {0};
	struct query_scan scan = {.table = {"d", "t"}, .primary_key = "i\"d", .after = &last};
	(void)state;

	assert_int_equal(query_scan(&out, &scan), ERR_OK);
	assert_text(
	    out.data, out.len, "[1,[41,[[15,[[14,[\"d\"]],\"t\"]]],{\"index\":\"i\\\"d\"}]]");
	buf_clear(&out);
	assert_int_equal(buf_puts(&last, "\"k\""), ERR_OK);
	scan.outdated = true;
	scan.batch = 7;
	assert_int_equal(query_scan(&out, &scan), ERR_OK);
	assert_text(out.data, out.len,
	    "[1,[41,[[182,[[15,[[14,[\"d\"]],\"t\"],{\"read_mode\":\"outdated\"}],\"k\","
	    "[181,[]]],{\"index\":\"i\\\"d\",\"left_bound\":\"open\"}]],{\"index\":\"i\\\"d\"}],"
	    "{\"max_batch_rows\":7}]");
	buf_clear(&out);
	scan = (struct query_scan){
	    .table = {"d", "t"}, .primary_key = "id", .from = &last, .to = &last, .with_to = true};
	assert_int_equal(query_scan(&out, &scan), ERR_OK);
	assert_text(out.data, out.len,
	    "[1,[41,[[182,[[15,[[14,[\"d\"]],\"t\"]],\"k\",\"k\"],{\"index\":\"id\","
	    "\"right_bound\":\"closed\"}]],{\"index\":\"id\"}]]");
	buf_finish(&last);
	buf_finish(&out);
}

/* ---- scans ---- */

/* Take the next frame that the recorded client sent; its JSON. */
static void
recorded_query(const struct played *p, size_t *at, struct buf *out)
{
	size_t len = bytes_get32(p->expects.data + *at + 8);

	buf_clear(out);
	assert_int_equal(buf_append(out, p->expects.data + *at + 12, len), ERR_OK);
	*at += 12 + len;
}

/* 60 documents in three parts, the last one empty, byte for byte as they went over the wire. */
static void
scan__recorded(void **state)
{
	struct connection_options large = options;
	struct buf query = {0}, out = {0}, last = {0};
	struct member_span document;
	struct connection *c;
	struct scan *s;
	struct played p;
	struct err e;
	uint64_t token;
	size_t at = 4 + 120 + 122, n = 0;
	int rc;
	(void)state;

	large.limit = 0;
	played_start(&p);
	played_load(&p, "start_continue_stop.jsonl");
	/* What is sent before it is asked for must not come before the handshake is over. */
	p.piece = 1;
	p.says.len = 92 + 114 + 83;
	assert_err(connection_over(&p.base, &large, admin.nonce, &c, &e), ERR_OK, &e);
	played_finish(&p);
	played_start(&p);
	played_load(&p, "start_continue_stop.jsonl");
	p.said = 92 + 114 + 83;
	recorded_query(&p, &at, &query);
	assert_err(connection_start(c, &query, &token, &e), ERR_OK, &e);
	assert_err(connection_receive(c, token, &out, &e), ERR_OK, &e);
	recorded_query(&p, &at, &query);
	assert_err(scan_open(c, &query, &s, &e), ERR_OK, &e);
	while ((rc = scan_next(s, &document, &e)) == ERR_OK) {
		assert_int_equal(document.data[0], '{');
		n++;
	}
	assert_err(rc, ERR_END, &e);
	assert_int_equal(n, 60);
	assert_err(scan_last(s, "id", &last), ERR_OK, NULL);
	assert_text(last.data, last.len, "59");
	assert_err(scan_last(s, "no", &last), ERR_FORMAT, NULL);
	at += 2 * 15;
	assert_int_equal(p.told.len, at - (4 + 120 + 122));
	assert_memory_equal(p.told.data, p.expects.data + 4 + 120 + 122, p.told.len);
	scan_close(s);
	assert_int_equal(p.told.len, at - (4 + 120 + 122));
	connection_close(c);
	buf_finish(&query);
	buf_finish(&out);
	buf_finish(&last);
	played_finish(&p);
}

static struct scan *
scanning(struct connection *c)
{
	struct buf query = {0};
	struct scan *s;

	assert_int_equal(buf_puts(&query, "[1,1]"), ERR_OK);
	assert_err(scan_open(c, &query, &s, NULL), ERR_OK, NULL);
	buf_finish(&query);
	return s;
}

/* The next part is asked for before the first is handed out; closing early tells the server. */
static void
scan__reads_ahead_and_stops(void **state)
{
	struct played p;
	struct connection *c = logged_in(&p);
	struct scan *s = scanning(c);
	struct buf last = {0};
	struct member_span document;
	struct err e;
	(void)state;

	played_frame(&p, 1, "{\"t\":3,\"r\":[{\"id\":1},{\"id\":[2,\"]\"]}],\"n\":[]}");
	assert_err(scan_next(s, &document, &e), ERR_OK, &e);
	assert_text(p.told.data + 12 + 5 + 12, p.told.len - 29, "[2]");
	assert_err(scan_next(s, &document, &e), ERR_OK, &e);
	assert_text(document.data, document.len, "{\"id\":[2,\"]\"]}");
	played_frame(&p, 1, "{\"t\":3,\"r\":[],\"n\":[]}");
	p.breaks = true;
	assert_err(scan_next(s, &document, &e), ERR_IO, &e);
	assert_err(scan_last(s, "id", &last), ERR_OK, NULL);
	assert_text(last.data, last.len, "[2,\"]\"]");
	scan_close(s);
	connection_close(c);
	played_finish(&p);

	c = logged_in(&p);
	s = scanning(c);
	played_frame(&p, 1, "{\"t\":3,\"r\":[{\"id\":1}],\"n\":[]}");
	assert_err(scan_next(s, &document, &e), ERR_OK, &e);
	scan_close(s);
	assert_text(p.told.data + p.told.len - 3, 3, "[3]");
	connection_close(c);
	buf_finish(&last);
	played_finish(&p);
}

static void
scan__odd_answers(void **state)
{
	struct played p;
	struct connection *c = logged_in(&p);
	struct scan *s = scanning(c);
	struct buf last = {0};
	struct member_span document;
	struct err e;
	(void)state;

	/* One array counts as its elements. */
	played_frame(&p, 1, "{\"t\":1,\"r\":[[{\"id\":1},{\"id\":2}]]}");
	assert_err(scan_next(s, &document, &e), ERR_OK, &e);
	assert_err(scan_next(s, &document, &e), ERR_OK, &e);
	assert_text(document.data, document.len, "{\"id\":2}");
	assert_err(scan_next(s, &document, &e), ERR_END, &e);
	scan_close(s);
	s = scanning(c);
	played_frame(&p, 2, "{\"t\":2,\"r\":[{\"id\":1},,]}");
	assert_err(scan_next(s, &document, &e), ERR_OK, &e);
	assert_err(scan_next(s, &document, &e), ERR_FORMAT, &e);
	scan_close(s);
	s = scanning(c);
	played_frame(&p, 3, "{\"t\":18,\"e\":4100000,\"r\":[\"gone: it does not exist\"]}");
	assert_err(scan_next(s, &document, &e), ERR_ABSENT, &e);
	assert_err(scan_last(s, "id", &last), ERR_OK, NULL);
	assert_int_equal(last.len, 0);
	scan_close(s);
	connection_close(c);
	played_finish(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(address__all_parts),
	    cmocka_unit_test(address__login),
	    cmocka_unit_test(address__refusals),
	    cmocka_unit_test(address__shows_no_password),
	    cmocka_unit_test(base64__both_ways),
	    cmocka_unit_test(scram__known_answer),
	    cmocka_unit_test(scram__hostile_servers),
	    cmocka_unit_test(handshake__recorded),
	    cmocka_unit_test(handshake__recorded_refusals),
	    cmocka_unit_test(handshake__strangers),
	    cmocka_unit_test(handshake__server_must_prove),
	    cmocka_unit_test(handshake__random_nonces),
	    cmocka_unit_test(connection__answers_to_other_queries_are_passed_over),
	    cmocka_unit_test(connection__lies_and_losses),
	    cmocka_unit_test(connection__more_answers_than_questions),
	    cmocka_unit_test(connection__stops_before_it_reads_on),
	    cmocka_unit_test(response__errors),
	    cmocka_unit_test(response__garbage),
	    cmocka_unit_test(query__keys_are_data),
	    cmocka_unit_test(query__scans),
	    cmocka_unit_test(scan__recorded),
	    cmocka_unit_test(scan__reads_ahead_and_stops),
	    cmocka_unit_test(scan__odd_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
