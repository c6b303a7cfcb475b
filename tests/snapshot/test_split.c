/* Cutting streams into documents, fed in pieces of every size. */
#include "tests/support/test.h"

#include "snapshot/json/split.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_LIMIT ((size_t)1 << 30)

/*
 * Feed the whole of a stream in pieces of ${piece} bytes; a trace of what came out: each document
 * as "LINE:COLUMN DOCUMENT;" and how it ended.
 */
static void
trace(const char *in, size_t len, size_t piece, size_t limit, struct buf *out)
{
	struct split *s = split_create(limit);
	struct split_document d;
	struct err e = {0};
	int rc = ERR_END;

	assert_non_null(s);
	for (size_t at = 0; at < len && rc == ERR_END; at += piece) {
		size_t n = len - at < piece ? len - at : piece;
		char *fed = malloc(n); /* of its own, so that a sanitizer sees reads beyond it */
		memcpy(fed, in + at, n);
		split_feed(s, fed, n);
		while ((rc = split_next(s, &d, &e)) == ERR_OK)
			assert_int_equal(
			    buf_printf(out, "%llu:%llu %.*s;", (unsigned long long)d.line,
				(unsigned long long)d.column, (int)d.len, (const char *)d.data),
			    ERR_OK);
		free(fed);
	}
	while (rc == ERR_END || rc == ERR_OK) {
		rc = split_finish(s, &d, &e);
		if (rc != ERR_OK)
			break;
		assert_int_equal(
		    buf_printf(out, "%llu:%llu %.*s;", (unsigned long long)d.line,
			(unsigned long long)d.column, (int)d.len, (const char *)d.data),
		    ERR_OK);
	}
	if (rc != ERR_END) {
		assert_int_equal(e.code, rc);
		assert_int_equal(buf_printf(out, "%s: %s",
				     rc == ERR_FORMAT      ? "FORMAT"
				     : rc == ERR_LIMIT     ? "LIMIT"
				     : rc == ERR_TRUNCATED ? "TRUNCATED"
							   : "?",
				     e.text),
		    ERR_OK);
	}
	split_free(s);
}

/* The trace of a stream, however it is fed. */
static void
assert_split(const char *in, size_t limit, const char *want)
{
	for (size_t piece = strlen(in) + 1; piece > 0; piece--) {
		struct buf out = {0};
		trace(in, strlen(in), piece, limit, &out);
		assert_text(out.data, out.len, want);
		buf_finish(&out);
	}
}

static void
split_next__documents_one_after_another(void **state)
{
	(void)state;
	assert_split("", NO_LIMIT, "");
	assert_split(" \t\r\n", NO_LIMIT, "");
	assert_split("{}", NO_LIMIT, "1:1 {};");
	assert_split("{\"a\":1}\n", NO_LIMIT, "1:1 {\"a\":1};");
	assert_split("{\"a\":1}\n{\"b\":[2]}\r\n\n  {\"c\":{}}", NO_LIMIT,
	    "1:1 {\"a\":1};2:1 {\"b\":[2]};4:3 {\"c\":{}};");
	assert_split("{}{} {}", NO_LIMIT, "1:1 {};1:3 {};1:6 {};");
	assert_split("{\n \"a\": [\n1]\n}\n{}", NO_LIMIT, "1:1 {\n \"a\": [\n1]\n};5:1 {};");
	assert_split("1 true\n\"a b\" null -2.5e7", NO_LIMIT,
	    "1:1 1;1:3 true;2:1 \"a b\";2:7 null;2:12 -2.5e7;");
	assert_split("1{}\"a\"\"b\"2[3]4", NO_LIMIT,
	    "1:1 1;1:2 {};1:4 \"a\";1:7 \"b\";1:10 2;1:11 [3];1:14 4;");
	assert_split("{} [1]", NO_LIMIT, "1:1 {};1:4 [1];");
}

static void
split_next__array(void **state)
{
	(void)state;
	assert_split("[]", NO_LIMIT, "");
	assert_split(" [ ] \n", NO_LIMIT, "");
	assert_split("[\n]\n", NO_LIMIT, "");
	assert_split("[{}]", NO_LIMIT, "1:2 {};");
	assert_split(
	    "[\n{\"a\":1},\n{\"b\":\"],[\"}\n]\n", NO_LIMIT, "2:1 {\"a\":1};3:1 {\"b\":\"],[\"};");
	assert_split("[ {} , [1,2] ,\t\"x\" , 1 ,null]", NO_LIMIT,
	    "1:3 {};1:8 [1,2];1:16 \"x\";1:22 1;1:25 null;");
	assert_split("[1,2,3]", NO_LIMIT, "1:2 1;1:4 2;1:6 3;");
	assert_split("[[[]],[]]", NO_LIMIT, "1:2 [[]];1:7 [];");
}

static void
split_next__strings(void **state)
{
	(void)state;
	assert_split("{\"}\":\"{\"}{\"\\\"}\":\"\\\\\"}", NO_LIMIT,
	    "1:1 {\"}\":\"{\"};1:10 {\"\\\"}\":\"\\\\\"};");
	assert_split("{\"a\":\"0123456789\\\"0123456789\\\\\"}\n{}", NO_LIMIT,
	    "1:1 {\"a\":\"0123456789\\\"0123456789\\\\\"};2:1 {};");
	assert_split("[\"\\\\\\\"]\",\"\"]", NO_LIMIT, "1:2 \"\\\\\\\"]\";1:10 \"\";");
	/* A newline in a string is wrong, but it counts. */
	assert_split("\"a\nb\" {}", NO_LIMIT, "1:1 \"a\nb\";2:4 {};");
}

/* Strings and brackets at every distance from the start: what is looked at together ends anywhere.
 */
static void
split_next__at_every_distance(void **state)
{
	(void)state;
	for (int pad = 0; pad <= 130; pad++) {
		char doc[512], in[1100], want[1100];
		snprintf(doc, sizeof(doc),
		    "{\"%*s\":[[{\"a]}\":\"{[\"},{\"\":\"%*s]]]\"}],%*s\"\\\"]}\\\\\",[]]}", pad,
		    "", (pad * 7) % 90, "[{", pad % 3, "");
		snprintf(in, sizeof(in), "%s%s", doc, doc);
		snprintf(want, sizeof(want), "1:1 %s;1:%zu %s;", doc, strlen(doc) + 1, doc);
		assert_split(in, NO_LIMIT, want);
	}
}

static void
split_next__refuses(void **state)
{
	(void)state;
	assert_split(
	    "x", NO_LIMIT, "FORMAT: line 1, column 1: expected a document or '[', found 'x'");
	assert_split(
	    "}", NO_LIMIT, "FORMAT: line 1, column 1: expected a document or '[', found '}'");
	assert_split("\x01", NO_LIMIT,
	    "FORMAT: line 1, column 1: expected a document or '[', found byte 0x01");
	assert_split("\xef\xbb\xbf{}", NO_LIMIT,
	    "FORMAT: line 1, column 1: found byte 0xEF, the first of a UTF-8 byte order mark; save "
	    "the file without one");
	assert_split("\n\xef\xbb\xbf{}", NO_LIMIT,
	    "FORMAT: line 2, column 1: expected a document or '[', found byte 0xEF");
	assert_split(
	    "{} }", NO_LIMIT, "1:1 {};FORMAT: line 1, column 4: expected a document, found '}'");
	assert_split(
	    "{},\n{}", NO_LIMIT, "1:1 {};FORMAT: line 1, column 3: expected a document, found ','");
	assert_split(
	    "1,2", NO_LIMIT, "1:1 1;FORMAT: line 1, column 2: expected a document, found ','");
	assert_split(
	    "[,]", NO_LIMIT, "FORMAT: line 1, column 2: expected a document or ']', found ','");
	assert_split("[{},]", NO_LIMIT,
	    "1:2 {};FORMAT: line 1, column 5: expected a document after ',', found ']'");
	assert_split("[{}\n{}]", NO_LIMIT,
	    "1:2 {};FORMAT: line 2, column 1: expected ',' or ']', found '{'");
	assert_split(
	    "[{}}", NO_LIMIT, "1:2 {};FORMAT: line 1, column 4: expected ',' or ']', found '}'");
	assert_split("[{},,{}]", NO_LIMIT,
	    "1:2 {};FORMAT: line 1, column 5: expected a document after ',', found ','");
	assert_split(
	    "[1 2]", NO_LIMIT, "1:2 1;FORMAT: line 1, column 4: expected ',' or ']', found '2'");
	assert_split("[] {}", NO_LIMIT,
	    "FORMAT: line 1, column 4: expected nothing more after ']', found '{'");
	assert_split("[{}]\n]", NO_LIMIT,
	    "1:2 {};FORMAT: line 2, column 1: expected nothing more after ']', found ']'");
}

static void
split_next__refuses_a_nul(void **state)
{
	static const char in[] = "{}\0";

	(void)state;
	for (size_t piece = 1; piece < 4; piece++) {
		struct buf out = {0};
		trace(in, 3, piece, NO_LIMIT, &out);
		assert_text(out.data, out.len,
		    "1:1 {};FORMAT: line 1, column 3: expected a document, found byte 0x00");
		buf_finish(&out);
	}
}

static void
split_finish__truncated(void **state)
{
	(void)state;
	assert_split(
	    "[", NO_LIMIT, "TRUNCATED: line 1, column 2: the input ends before the array does");
	assert_split("[{}\n", NO_LIMIT,
	    "1:2 {};TRUNCATED: line 2, column 1: the input ends before the array does");
	assert_split("[{},", NO_LIMIT,
	    "1:2 {};TRUNCATED: line 1, column 5: the input ends before the array does");
	assert_split("{}\n {\"a\":\n", NO_LIMIT,
	    "1:1 {};TRUNCATED: line 2, column 2: the input ends before the document that starts "
	    "here "
	    "does");
	assert_split("[1", NO_LIMIT,
	    "TRUNCATED: line 1, column 2: the input ends before the document that starts here "
	    "does");
	assert_split("\"a\\\"", NO_LIMIT,
	    "TRUNCATED: line 1, column 1: the input ends before the document that starts here "
	    "does");
	assert_split("{\"\\", NO_LIMIT,
	    "TRUNCATED: line 1, column 1: the input ends before the document that starts here "
	    "does");
}

static void
split_next__limit(void **state)
{
	(void)state;
	assert_split("{\"a\":1}", 7, "1:1 {\"a\":1};");
	assert_split("{}\n{\"a\":12}", 7,
	    "1:1 {};LIMIT: line 2, column 1: the document that starts here has more than 7 bytes");
	assert_split("[{},{\"a\":123", 7,
	    "1:2 {};LIMIT: line 1, column 5: the document that starts here has more than 7 bytes");
	assert_split("12345678", 7,
	    "LIMIT: line 1, column 1: the document that starts here has more than 7 bytes");
	assert_split("1234567", 7, "1:1 1234567;");
	assert_split(" \n      {\"a\":1}", 7, "2:7 {\"a\":1};");
}

static void
split_next__hands_out_without_copying(void **state)
{
	static const char in[] = "[{\"a\":1},{\"b\":2}";
	struct split *s = split_create(NO_LIMIT);
	struct split_document d;
	struct err e = {0};

	(void)state;
	split_feed(s, in, strlen(in));
	assert_err(split_next(s, &d, &e), ERR_OK, &e);
	assert_ptr_equal(d.data, in + 1);
	assert_err(split_next(s, &d, &e), ERR_OK, &e);
	assert_ptr_equal(d.data, in + 9);
	assert_err(split_next(s, &d, &e), ERR_END, &e);
	split_free(s);
}

static void
split_reset__starts_anew(void **state)
{
	struct split *s = split_create(NO_LIMIT);
	struct split_document d;
	struct err e = {0};

	(void)state;
	split_feed(s, "[{}\n,{\"a", 8);
	assert_err(split_next(s, &d, &e), ERR_OK, &e);
	assert_err(split_next(s, &d, &e), ERR_END, &e);
	split_reset(s);
	split_feed(s, " 7 ", 3);
	assert_err(split_next(s, &d, &e), ERR_OK, &e);
	assert_text(d.data, d.len, "7");
	assert_int_equal(d.line, 1);
	assert_int_equal(d.column, 2);
	assert_err(split_next(s, &d, &e), ERR_END, &e);
	split_feed(s, ",", 1);
	assert_err(split_next(s, &d, &e), ERR_FORMAT, &e);
	assert_err(split_next(s, &d, &e), ERR_BUG, &e);
	assert_err(split_finish(s, &d, &e), ERR_BUG, &e);
	split_reset(s);
	split_feed(s, NULL, 0);
	assert_err(split_next(s, &d, &e), ERR_END, &e);
	assert_err(split_finish(s, &d, &e), ERR_END, &e);
	split_free(s);
	split_free(NULL);
}

/* Deep nesting is only counted. */
static void
split_next__deep(void **state)
{
	const size_t depth = 1000000;
	char *in = malloc(2 * depth);
	struct split *s = split_create(NO_LIMIT);
	struct split_document d;
	struct err e = {0};

	(void)state;
	memset(in, '{', depth);
	memset(in + depth, '}', depth);
	split_feed(s, in, 2 * depth);
	assert_err(split_next(s, &d, &e), ERR_OK, &e);
	assert_int_equal(d.len, 2 * depth);
	split_free(s);
	free(in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(split_next__documents_one_after_another),
	    cmocka_unit_test(split_next__array),
	    cmocka_unit_test(split_next__strings),
	    cmocka_unit_test(split_next__at_every_distance),
	    cmocka_unit_test(split_next__refuses),
	    cmocka_unit_test(split_next__refuses_a_nul),
	    cmocka_unit_test(split_finish__truncated),
	    cmocka_unit_test(split_next__limit),
	    cmocka_unit_test(split_next__hands_out_without_copying),
	    cmocka_unit_test(split_reset__starts_anew),
	    cmocka_unit_test(split_next__deep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
