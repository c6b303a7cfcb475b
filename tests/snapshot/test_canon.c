/* Canonical JSON: RethinkDB's own bytes, real archives, hard numbers, hostile documents.
 * Promises: 7. */
#include "tests/support/test.h"

#include "snapshot/json/canon.h"
#include "snapshot/json/canon_internal.h"
#include "snapshot/json/split.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const archives[] = {"rethinkdb_dump_2026-11-18T03:00:00",
    "rethinkdb_dump_2026-11-19T03:00:01", "rethinkdb_dump_2026-11-20T03:00:01"};
#define LAST_ARCHIVE 2 /* the one whose documents are in wire/ */

static const char *const wire_tables[] = {"shop.coupons", "shop.keys", "shop.orders",
    "shop.products", "telemetry.devices", "telemetry.events"};

/* ---- helpers ------------------------------------------------------------------------------------
 */

/* Canonicalise the C string ${in}; the result is valid until the next call. */
static const char *
canonical(const char *in)
{
	static struct buf out;
	struct canon *c = canon_create();
	struct err e = {0};

	buf_clear(&out);
	assert_err(canon_value(c, in, strlen(in), &out, NULL, &e), ERR_OK, &e);
	canon_free(c);
	return buf_str(&out);
}

static void
refuse(const char *in, size_t len, int code, uint64_t line, uint64_t column, const char *text)
{
	struct canon *c = canon_create();
	struct canon_where where = {0};
	struct buf out = {0};
	struct err e = {0};

	assert_int_equal(buf_puts(&out, "kept"), ERR_OK);
	assert_err(canon_value(c, in, len, &out, &where, &e), code, &e);
	assert_string_equal(e.text, text);
	assert_int_equal(e.code, code);
	assert_int_equal(where.line, line);
	assert_int_equal(where.column, column);
	assert_text(out.data, out.len, "kept");
	/* The canonicaliser is as good as new. */
	assert_err(canon_value(c, " [1]", 4, &out, NULL, &e), ERR_OK, &e);
	assert_text(out.data, out.len, "kept[1]");
	buf_finish(&out);
	canon_free(c);
}

static uint64_t
next_random(void)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static double
from_bits(uint64_t bits)
{
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

/* ---- structure ----------------------------------------------------------------------------------
 */

static void
canon_value__scalars_and_blanks(void **state)
{
	(void)state;
	assert_string_equal(canonical(" \t\r\n true \n"), "true");
	assert_string_equal(canonical("false"), "false");
	assert_string_equal(canonical("null"), "null");
	assert_string_equal(canonical("\"\""), "\"\"");
	assert_string_equal(canonical(" [ ] "), "[]");
	assert_string_equal(canonical(" { } "), "{}");
	assert_string_equal(canonical("[ 1 , [ ] , { } , \"a b\" ]"), "[1,[],{},\"a b\"]");
	assert_string_equal(canonical("{ \"a\" : 1 , \"b\" : { \"c\" : [ true ] } }"),
	    "{\"a\":1,\"b\":{\"c\":[true]}}");
}

static void
canon_value__sorts_keys_bytewise(void **state)
{
	(void)state;
	assert_string_equal(canonical("{\"b\":1,\"a\":2}"), "{\"a\":2,\"b\":1}");
	assert_string_equal(canonical("{\"ab\":1,\"\":2,\"a\":3,\"abc\":4}"),
	    "{\"\":2,\"a\":3,\"ab\":1,\"abc\":4}");
	/* By decoded bytes: 0x1f, '!', '"', '#', '\', ']', U+007F, U+00E9, U+10000. */
	assert_string_equal(
	    canonical("{\"\xc3\xa9\":7,\"]\":5,\"\\\\\":4,\"#\":3,\"\\\"\":2,\"!\":1,\"\\u001f\":0,"
		      "\"\\ud800\\udc00\":8,\"\x7f\":6}"),
	    "{\"\\u001F\":0,\"!\":1,\"\\\"\":2,\"#\":3,\"\\\\\":4,\"]\":5,\"\x7f\":6,\"\xc3\xa9\":"
	    "7,"
	    "\"\xf0\x90\x80\x80\":8}");
	/* UTF-8 order is not UTF-16 order. */
	assert_string_equal(canonical("{\"\\ud83d\\ude00\":1,\"\\uffff\":2}"),
	    "{\"\xef\xbf\xbf\":2,\"\xf0\x9f\x98\x80\":1}");
}

static void
canon_value__sorts_nested_objects(void **state)
{
	(void)state;
	assert_string_equal(canonical("{\"b\":{\"d\":[{\"z\":1,\"y\":{\"q\":1,\"p\":2}}],\"c\":3},"
				      "\"a\":{\"k\":1,\"l\":2}}"),
	    "{\"a\":{\"k\":1,\"l\":2},\"b\":{\"c\":3,\"d\":[{\"y\":{\"p\":2,\"q\":1},\"z\":1}]}}");
	assert_string_equal(canonical("[{\"b\":1,\"a\":2},{\"a\":1,\"b\":2},{\"d\":{},\"c\":[]}]"),
	    "[{\"a\":2,\"b\":1},{\"a\":1,\"b\":2},{\"c\":[],\"d\":{}}]");
	assert_string_equal(canonical("{\"a\":{\"b\":1,\"a\":2},\"b\":{\"b\":1,\"a\":2}}"),
	    "{\"a\":{\"a\":2,\"b\":1},\"b\":{\"a\":2,\"b\":1}}");
}

/* All orders of five keys, and a thousand keys backwards. */
static void
canon_value__sorts_any_order(void **state)
{
	struct buf in = {0}, want = {0};

	(void)state;
	for (int n = 0; n < 120; n++) {
		char left[] = "abcde", text[64] = "{";
		int rest = n;
		for (int i = 5; i > 0; i--) {
			int pick = rest % i;
			rest /= i;
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\"%c\":%d",
			    i < 5 ? "," : "", left[pick], left[pick]);
			memmove(left + pick, left + pick + 1, strlen(left + pick));
		}
		memcpy(text + strlen(text), "}", 2);
		assert_string_equal(
		    canonical(text), "{\"a\":97,\"b\":98,\"c\":99,\"d\":100,\"e\":101}");
	}
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(
		    buf_printf(&in, "%c\"%03d\":%d", i > 0 ? ',' : '{', 999 - i, i), ERR_OK);
		assert_int_equal(
		    buf_printf(&want, "%c\"%03d\":%d", i > 0 ? ',' : '{', i, 999 - i), ERR_OK);
	}
	assert_int_equal(buf_putc(&in, '}'), ERR_OK);
	assert_int_equal(buf_putc(&want, '}'), ERR_OK);
	assert_string_equal(canonical(buf_str(&in)), buf_str(&want));
	buf_finish(&in);
	buf_finish(&want);
}

static void
canon_value__refuses_duplicate_keys(void **state)
{
	static const struct {
		const char *in;
		uint64_t column;
		const char *text;
	} cases[] = {
	    {"{\"a\":1,\"a\":2}", 8, "duplicate key \"a\""},
	    {"{\"a\":1,\"b\":2,\"a\":3}", 14, "duplicate key \"a\""},
	    {"{\"b\":1,\"a\":{},\"c\":1,\"b\":2}", 21, "duplicate key \"b\""},
	    {"{\"a\":1,\"\\u0061\":2}", 8, "duplicate key \"a\""},
	    {"{\"\":1,\"\":2}", 7, "duplicate key \"\""},
	    {"{\"\\n\":1,\"\\u000A\":2}", 9, "duplicate key \"\\n\""},
	    {"[{\"b\":{\"y\":1,\"x\":1,\"y\":1},\"a\":1}]", 20, "duplicate key \"y\""},
	    {"{\"0123456789012345678901234567890123456789012345678901234567\xc3\xa9\xc3\xa9\":1,"
	     "\"0123456789012345678901234567890123456789012345678901234567\xc3\xa9\xc3\xa9\":1}",
		69,
		"duplicate key \"0123456789012345678901234567890123456789012345678901234567"
		"\xc3\xa9..."},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		refuse(cases[i].in, strlen(cases[i].in), ERR_FORMAT, 1, cases[i].column,
		    cases[i].text);
}

/* What is no document, the place of the fault, and what is said about it. */
static const struct {
	const char *in;
	uint64_t line;
	uint64_t column;
	const char *text;
} faults[] = {
    {"", 1, 1, "expected a value, found the end of the input"},
    {" \n ", 2, 2, "expected a value, found the end of the input"},
    {"{\"a\"}", 1, 5, "expected ':' after a key, found '}'"},
    {"{\"a\":}", 1, 6, "expected a value, found '}'"},
    {"{\"a\":1", 1, 7, "expected ',' or '}', found the end of the input"},
    {"{\"a\":1]", 1, 7, "expected ',' or '}', found ']'"},
    {"{\n\"a\":1,\n}", 3, 1, "expected a key after ',', found '}'"},
    {"{a:1}", 1, 2, "expected a key or '}', found 'a'"},
    {"{", 1, 2, "expected a key or '}', found the end of the input"},
    {"[1,]", 1, 4, "expected a value, found ']'"},
    {"[1 2]", 1, 4, "expected ',' or ']', found '2'"},
    {"[", 1, 2, "expected a value, found the end of the input"},
    {"[}", 1, 2, "expected a value, found '}'"},
    {"]", 1, 1, "expected a value, found ']'"},
    {"1 2", 1, 3, "expected nothing more after the value, found '2'"},
    {"tru", 1, 1, "expected a value, found 't'"},
    {"True", 1, 1, "expected a value, found 'T'"},
    {"nullx", 1, 5, "expected nothing more after the value, found 'x'"},
    {"NaN", 1, 1, "expected a value, found 'N'"},
    {"'a'", 1, 1, "expected a value, found '''"},
    {"\xef\xbb\xbf{}", 1, 1, "expected a value, found byte 0xEF"},
    {"/* */ 1", 1, 1, "expected a value, found '/'"},
    {"-", 1, 1, "a malformed number"},
    {"[-a]", 1, 2, "a malformed number"},
    {"1.", 1, 1, "a malformed number"},
    {"1e", 1, 1, "a malformed number"},
    {"1e+", 1, 1, "a malformed number"},
    {".5", 1, 1, "expected a value, found '.'"},
    {"+1", 1, 1, "expected a value, found '+'"},
    {"01", 1, 2, "expected nothing more after the value, found '1'"},
    {"[1e309]", 1, 2, "a number that is beyond the largest double, 1.8e308"},
    {"[-1e99999999999]", 1, 2, "a number that is beyond the largest double, 1.8e308"},
    {"\"a", 1, 3, "expected '\"' at the end of a string, found the end of the input"},
    {"\"a\\", 1, 4, "expected '\"' at the end of a string, found the end of the input"},
    {"\"\\u12", 1, 6, "expected '\"' at the end of a string, found the end of the input"},
    {"\"\\ud800", 1, 8, "expected '\"' at the end of a string, found the end of the input"},
    {"\"a\nb\"", 1, 3, "control character 0x0A in a string, expected an escape"},
    {"\"0123456789\x1f\"", 1, 12, "control character 0x1F in a string, expected an escape"},
    {"\"\\x41\"", 1, 2, "unknown escape in a string"},
    {"\"\\u12G4\"", 1, 2, "\\u without four hex digits behind it"},
    {"\"ab\\ud800x\"", 1, 4, "\\ud800 is one half of a surrogate pair without the other"},
    {"\"\\ud800\\u0041\"", 1, 2, "\\ud800 is one half of a surrogate pair without the other"},
    {"\"\\udc00\"", 1, 2, "\\udc00 is one half of a surrogate pair without the other"},
    {"\"\\udc00\\udc00\"", 1, 2, "\\udc00 is one half of a surrogate pair without the other"},
    {"\"\\ud800\"", 1, 2, "\\ud800 is one half of a surrogate pair without the other"},
    {"\"a\xff\"", 1, 3, "byte 0xFF is not valid UTF-8 here"},
    {"\"\xc0\x80\"", 1, 2, "byte 0xC0 is not valid UTF-8 here"},
    {"\"\xed\xa0\x80\"", 1, 2, "byte 0xED is not valid UTF-8 here"},
    {"\"\xf4\x90\x80\x80\"", 1, 2, "byte 0xF4 is not valid UTF-8 here"},
    {"\"\xe2\x82\"", 1, 2, "byte 0xE2 is not valid UTF-8 here"},
    {"{\"\xc3\":1}", 1, 3, "byte 0xC3 is not valid UTF-8 here"},
};

static void
canon_value__tells_what_is_wrong_and_where(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		refuse(faults[i].in, strlen(faults[i].in), ERR_FORMAT, faults[i].line,
		    faults[i].column, faults[i].text);
	refuse("\"\0\"", 3, ERR_FORMAT, 1, 2,
	    "control character 0x00 in a string, expected an escape");
	refuse("{\"a\0\":1}", 8, ERR_FORMAT, 1, 4,
	    "control character 0x00 in a string, expected an escape");
	refuse(
	    "1\0", 2, ERR_FORMAT, 1, 2, "expected nothing more after the value, found byte 0x00");
}

static void
canon_value__works_without_where_and_err(void **state)
{
	struct canon *c = canon_create();
	struct buf out = {0};

	(void)state;
	assert_int_equal(canon_value(c, "{\"a\"", 4, &out, NULL, NULL), ERR_FORMAT);
	assert_int_equal(canon_value(c, "\"\\ud800.\"", 9, &out, NULL, NULL), ERR_FORMAT);
	assert_int_equal(canon_value(c, NULL, 0, &out, NULL, NULL), ERR_FORMAT);
	canon_free(c);
	canon_free(NULL);
	buf_finish(&out);
}

/* ---- strings ------------------------------------------------------------------------------------
 */

static void
canon_value__escapes_as_the_server(void **state)
{
	(void)state;
	assert_string_equal(
	    canonical("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), "\"\\\"\\\\/\\b\\f\\n\\r\\t\"");
	assert_string_equal(
	    canonical("\"\\u0000\\u0001\\u000b\\u001F\\u007f\\u0022\\u005c\\u002f\\u0008\""),
	    "\"\\u0000\\u0001\\u000B\\u001F\x7f\\\"\\\\/\\b\"");
	assert_string_equal(canonical("\"\\u00e9\\u20AC\\ud83d\\uDE00\\u2028\""),
	    "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xe2\x80\xa8\"");
	assert_string_equal(canonical("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\""),
	    "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\"");
}

/* Something special at each place around the words in which strings are looked at. */
static void
canon_value__finds_specials_anywhere(void **state)
{
	(void)state;
	for (size_t len = 0; len < 40; len++) {
		for (size_t at = 0; at < len; at++) {
			char in[64] = "\"", want[64] = "\"";
			memset(in + 1, 'x', len);
			memset(want + 1, 'x', len);
			in[1 + at] = '\\';
			memcpy(in + 1 + len, "\"", 2);
			memcpy(want + 1 + len, "\"", 2);
			/* a backslash before 'x', or before the closing quote */
			if (at + 1 < len)
				refuse(in, len + 2, ERR_FORMAT, 1, at + 2,
				    "unknown escape in a string");
			else
				refuse(in, len + 2, ERR_FORMAT, 1, len + 3,
				    "expected '\"' at the end of a string, found the end of the "
				    "input");
			in[1 + at] = want[1 + at] = '~' + 1;
			assert_string_equal(canonical(in), want);
			in[1 + at] = 0x1f;
			refuse(in, len + 2, ERR_FORMAT, 1, at + 2,
			    "control character 0x1F in a string, expected an escape");
			in[1 + at] = (char)0x80;
			refuse(in, len + 2, ERR_FORMAT, 1, at + 2,
			    "byte 0x80 is not valid UTF-8 here");
		}
	}
}

static void
canon_put_string__replaces_bad_utf8(void **state)
{
	struct buf out = {0};

	(void)state;
	assert_int_equal(canon_put_string(&out, "a\"\\\n\x01\xc3\xa9/", 8), ERR_OK);
	assert_text(out.data, out.len, "\"a\\\"\\\\\\n\\u0001\xc3\xa9/\"");
	buf_clear(&out);
	assert_int_equal(canon_put_string(&out,
			     "\xff"
			     "a\xc3",
			     3),
	    ERR_OK);
	assert_text(out.data, out.len,
	    "\"\xef\xbf\xbd"
	    "a\xef\xbf\xbd\"");
	buf_clear(&out);
	assert_int_equal(canon_put_string(&out, "\0", 1), ERR_OK);
	assert_text(out.data, out.len, "\"\\u0000\"");
	buf_finish(&out);
}

static void
canon_utf8__finds_the_first_bad_byte(void **state)
{
	static const char text[] = "0123456789abcdef\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";

	(void)state;
	assert_int_equal(canon_utf8(text, sizeof(text) - 1), sizeof(text) - 1);
	assert_int_equal(canon_utf8(text, 17), 16);
	assert_int_equal(canon_utf8(text, 20), 18);
	assert_int_equal(canon_utf8(text, 24), 21);
	assert_int_equal(canon_utf8("", 0), 0);
	assert_int_equal(canon_utf8("\xc1\xbf", 2), 0);
	assert_int_equal(canon_utf8("\xe0\x9f\xbf", 3), 0);
	assert_int_equal(canon_utf8("\xed\x9f\xbf", 3), 3);
	assert_int_equal(canon_utf8("\xed\xa0\x80", 3), 0);
	assert_int_equal(canon_utf8("\xf0\x8f\xbf\xbf", 4), 0);
	assert_int_equal(canon_utf8("\xf4\x8f\xbf\xbf", 4), 4);
	assert_int_equal(canon_utf8("\xf4\x90\x80\x80", 4), 0);
	assert_int_equal(canon_utf8("\xf5\x80\x80\x80", 4), 0);
}

/* ---- numbers ------------------------------------------------------------------------------------
 */

/* Numbers as they may be written, and as the server prints the same double. */
static const char *const number_cases[][2] = {
    {"0", "0"},
    {"-0", "0"},
    {"0.0", "0"},
    {"-0.0", "-0.0"},
    {"-0e5", "-0.0"},
    {"0e99999", "0"},
    {"1", "1"},
    {"-1", "-1"},
    {"1.0", "1"},
    {"1e2", "100"},
    {"1E+2", "100"},
    {"100e-2", "1"},
    {"1.50", "1.5"},
    {"12.5e1", "125"},
    {"0.1", "0.1"},
    {"0.30000000000000004", "0.30000000000000004"},
    {"0.30000000000000007", "0.30000000000000004"},
    {"123456789012345", "123456789012345"},
    {"9007199254740991", "9007199254740991"},
    {"9007199254740992", "9007199254740992"},
    {"9007199254740993", "9007199254740992"},
    {"9007199254740994", "9007199254740994.0"},
    {"-9007199254740992", "-9007199254740992"},
    {"-9007199254740994", "-9007199254740994.0"},
    {"9007199254740992.0", "9007199254740992"},
    {"9.007199254740992e15", "9007199254740992"},
    {"10000000000000000", "10000000000000000.0"},
    {"123456789012345678901", "123456789012345680000.0"},
    {"1e20", "100000000000000000000.0"},
    {"1e21", "1e21"},
    {"1e15", "1000000000000000"},
    {"1e16", "10000000000000000.0"},
    {"999999999999999999999", "1e21"},
    {"123e20", "1.23e22"},
    /* half way between two doubles, and a little more */
    {"36028797018964100", "36028797018964100.0"},
    {"36028797018964100.00001", "36028797018964104.0"},
    {"0.000001", "0.000001"},
    {"0.0000001", "1e-7"},
    {"0.00000015", "1.5e-7"},
    {"9.5367431640625e-7", "9.5367431640625e-7"},
    {"0.00000095367431640625", "9.5367431640625e-7"},
    {"5.684341886080802e-14", "5.684341886080802e-14"},
    {"5.6843418860808015e-14", "5.684341886080802e-14"},
    {"5.684341886080801e-14", "5.684341886080801e-14"},
    {"1e300", "1e300"},
    {"1e-300", "1e-300"},
    {"4.9406564584124654e-324", "5e-324"},
    {"3e-324", "5e-324"},
    {"2e-324", "0"},
    {"-2e-324", "-0.0"},
    {"1e-400", "0"},
    {"1e-99999999999999999999", "0"},
    {"1.7976931348623157e308", "1.7976931348623157e308"},
    {"1.7976931348623158e308", "1.7976931348623157e308"},
    {"2.2250738585072014e-308", "2.2250738585072014e-308"},
    {"2.225073858507201e-308", "2.225073858507201e-308"},
    {"2.2250738585072011e-308", "2.225073858507201e-308"},
    {"9.88e-324", "1e-323"},
    {"179769313486231570000e288", "1.7976931348623157e308"},
    {"1.00000000000000011102230246251565404236316680908203125", "1"},
    {"1.00000000000000011102230246251565404236316680908203126", "1.0000000000000002"},
    {"1.00000000000000011102230246251565404236316680908203124", "1"},
    {"0.500000000000000166533453693773481063544750213623046875", "0.5000000000000002"},
};

static void
canon_value__numbers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(number_cases) / sizeof(number_cases[0]); i++)
		assert_string_equal(canonical(number_cases[i][0]), number_cases[i][1]);
}

/* Numbers with more digits than any fixed buffer, and exponents that take them back. */
static void
canon_value__long_numbers(void **state)
{
	struct buf in = {0};

	(void)state;
	assert_int_equal(buf_puts(&in, "1."), ERR_OK);
	for (int i = 0; i < 5000; i++)
		assert_int_equal(buf_putc(&in, '0'), ERR_OK);
	assert_string_equal(canonical(buf_str(&in)), "1");
	/* half way between 1 and the next double, and a bit more at the very end */
	buf_clear(&in);
	assert_int_equal(
	    buf_puts(&in, "1.00000000000000011102230246251565404236316680908203125"), ERR_OK);
	for (int i = 0; i < 5000; i++)
		assert_int_equal(buf_putc(&in, '0'), ERR_OK);
	assert_string_equal(canonical(buf_str(&in)), "1");
	assert_int_equal(buf_putc(&in, '3'), ERR_OK);
	assert_string_equal(canonical(buf_str(&in)), "1.0000000000000002");
	/* 0.000...001e5001 and 1000...000e-5000 */
	buf_clear(&in);
	assert_int_equal(buf_puts(&in, "0."), ERR_OK);
	for (int i = 0; i < 5000; i++)
		assert_int_equal(buf_putc(&in, '0'), ERR_OK);
	assert_int_equal(buf_puts(&in, "1e5001"), ERR_OK);
	assert_string_equal(canonical(buf_str(&in)), "1");
	buf_clear(&in);
	assert_int_equal(buf_puts(&in, "7"), ERR_OK);
	for (int i = 0; i < 5000; i++)
		assert_int_equal(buf_putc(&in, '0'), ERR_OK);
	assert_int_equal(buf_puts(&in, "e-5000"), ERR_OK);
	assert_string_equal(canonical(buf_str(&in)), "7");
	buf_finish(&in);
}

/* RapidJSON's layout of ${digits} * 10^${k}, written from its description. */
static void
lay_out(const char *digits, int k, char *out)
{
	int n = (int)strlen(digits), kk = n + k;

	if (k >= 0 && kk <= 21)
		sprintf(out, "%s%.*s.0", digits, k, "000000000000000000000");
	else if (kk > 0 && kk <= 21)
		sprintf(out, "%.*s.%s", kk, digits, digits + kk);
	else if (kk > -6 && kk <= 0)
		sprintf(out, "0.%.*s%s", -kk, "000000", digits);
	else if (n == 1)
		sprintf(out, "%se%d", digits, kk - 1);
	else
		sprintf(out, "%c.%se%d", digits[0], digits + 1, kk - 1);
}

/*
 * The slow and sure way to the canonical form of a positive ${v}: for each number of digits try the
 * nearest decimal, then its neighbours, until one reads back as ${v}.
 */
static void
shortest(double v, char *out)
{
	char text[64], digits[32];
	int exponent;

	if (v <= 9007199254740992.0 && v == floor(v)) {
		sprintf(out, "%.0f", v);
		return;
	}
	for (int n = 1; n <= 17; n++) {
		long long nearest, tries[3];
		sprintf(text, "%.*e", n - 1, v);
		exponent = atoi(strchr(text, 'e') + 1) - (n - 1);
		snprintf(digits, sizeof(digits), "%c%.*s", text[0], n - 1, text + 2);
		nearest = atoll(digits);
		tries[0] = nearest;
		tries[1] = nearest + 1;
		tries[2] = nearest - 1;
		for (int i = 0; i < 3; i++) {
			sprintf(text, "%llde%d", tries[i], exponent);
			if (strtod(text, NULL) != v)
				continue;
			sprintf(digits, "%lld", tries[i]);
			while (digits[strlen(digits) - 1] == '0') {
				digits[strlen(digits) - 1] = '\0';
				exponent++;
			}
			lay_out(digits, exponent, out);
			return;
		}
	}
	fail();
}

/* Check the number with these bits from its shortest text, from 17 digits, and as a double. */
static void
check_number(struct canon *c, uint64_t bits)
{
	double v = from_bits(bits & INT64_MAX);
	char want[64], got[CANON_NUMBER_MAX], text[64];
	struct buf out = {0};
	struct err e = {0};

	if (!isfinite(v) || v == 0)
		return;
	shortest(v, want);
	assert_int_equal(canon_number(v, got), strlen(want));
	assert_string_equal(got, want);
	assert_true(strtod(got, NULL) == v);
	assert_err(canon_value(c, want, strlen(want), &out, NULL, &e), ERR_OK, &e);
	assert_text(out.data, out.len, want);
	buf_clear(&out);
	sprintf(text, "-%.17g", v);
	assert_err(canon_value(c, text, strlen(text), &out, NULL, &e), ERR_OK, &e);
	assert_int_equal(out.data[0], '-');
	assert_text(out.data + 1, out.len - 1, want);
	buf_finish(&out);
}

static void
canon_number__shortest_of_special_doubles(void **state)
{
	struct canon *c = canon_create();

	(void)state;
	for (uint64_t exponent = 0; exponent < 2047; exponent++) {
		uint64_t power = exponent << 52;
		check_number(c, power - 1);
		check_number(c, power);
		check_number(c, power + 1);
	}
	for (uint64_t bits = 1; bits < 200; bits++)
		check_number(c, bits);
	for (int k = -323; k <= 308; k++) {
		char text[16];
		double v;
		uint64_t bits;
		sprintf(text, "1e%d", k);
		v = strtod(text, NULL);
		memcpy(&bits, &v, sizeof(bits));
		check_number(c, bits - 1);
		check_number(c, bits);
		check_number(c, bits + 1);
	}
	canon_free(c);
}

static void
canon_number__shortest_of_random_doubles(void **state)
{
	struct canon *c = canon_create();

	(void)state;
	for (int i = 0; i < 10000; i++) {
		check_number(c, next_random());
		/* everyday magnitudes */
		check_number(c, (next_random() >> 12) | (UINT64_C(990) + next_random() % 80) << 52);
	}
	canon_free(c);
}

/* Any digits and exponent are read as strtod reads them. */
static void
canon_value__reads_as_strtod(void **state)
{
	struct canon *c = canon_create();
	struct buf out = {0};
	struct err e = {0};

	(void)state;
	for (int i = 0; i < 20000; i++) {
		char text[64], want[CANON_NUMBER_MAX];
		int digits = 1 + (int)(next_random() % 24), n = 0;
		text[n++] = (char)('1' + next_random() % 9);
		for (int d = 1; d < digits; d++) {
			if (d == 1)
				text[n++] = '.';
			text[n++] = (char)('0' + next_random() % 10);
		}
		sprintf(text + n, "e%d", (int)(next_random() % 700) - 370);
		if (!isfinite(strtod(text, NULL)))
			continue;
		canon_number(strtod(text, NULL), want);
		buf_clear(&out);
		assert_err(canon_value(c, text, strlen(text), &out, NULL, &e), ERR_OK, &e);
		assert_text(out.data, out.len, want);
	}
	buf_finish(&out);
	canon_free(c);
}

static void
canon_value__has_no_locale(void **state)
{
	static const char *const locales[] = {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8"};

	(void)state;
	/* Where no such locale is installed, this checks the C locale once more. */
	for (size_t i = 0; i < sizeof(locales) / sizeof(locales[0]); i++)
		if (setlocale(LC_ALL, locales[i]) != NULL)
			break;
	assert_string_equal(canonical("[1.5,2.2250738585072011e-308,0.30000000000000007]"),
	    "[1.5,2.225073858507201e-308,0.30000000000000004]");
	setlocale(LC_ALL, "C");
}

#define LIMBS 48

/* Numbers of LIMBS * 32 bits, lowest limb first. */
static uint32_t
divide_by_ten(uint32_t limbs[LIMBS])
{
	uint64_t rest = 0;

	for (int i = LIMBS - 1; i >= 0; i--) {
		rest = rest << 32 | limbs[i];
		limbs[i] = (uint32_t)(rest / 10);
		rest %= 10;
	}
	return (uint32_t)rest;
}

static void
multiply_by_ten(uint32_t limbs[LIMBS])
{
	uint64_t carry = 0;

	for (int i = 0; i < LIMBS; i++) {
		carry += (uint64_t)limbs[i] * 10;
		limbs[i] = (uint32_t)carry;
		carry >>= 32;
	}
}

/* Compare a table entry with the highest 128 bits of a number, rounded up if ${inexact} or cut. */
static void
check_power(int k, const uint32_t limbs[LIMBS], bool inexact)
{
	int top = LIMBS * 32 - 1;
	uint64_t high = 0, low = 0;

	while ((limbs[top / 32] >> (top % 32) & 1) == 0)
		top--;
	for (int i = 0; i < 128; i++, top--) {
		uint64_t bit = top >= 0 ? limbs[top / 32] >> (top % 32) & 1 : 0;
		high = high << 1 | low >> 63;
		low = low << 1 | bit;
	}
	for (; top >= 0 && !inexact; top--)
		inexact = (limbs[top / 32] >> (top % 32) & 1) != 0;
	low += inexact;
	high += inexact && low == 0;
	assert_true(canon_powers[k - CANON_POWER_MIN][0] == high);
	assert_true(canon_powers[k - CANON_POWER_MIN][1] == low);
}

static void
canon_powers__are_the_powers_of_ten(void **state)
{
	uint32_t limbs[LIMBS] = {1};

	(void)state;
	for (int k = 0; k <= CANON_POWER_MAX; k++) {
		check_power(k, limbs, false);
		multiply_by_ten(limbs);
	}
	/* 2^1500 / 10^n has more than 128 bits left at the end, and is never exact */
	memset(limbs, 0, sizeof(limbs));
	limbs[1500 / 32] = (uint32_t)1 << 1500 % 32;
	for (int k = -1; k >= CANON_POWER_MIN; k--) {
		divide_by_ten(limbs);
		check_power(k, limbs, true);
	}
}

/* ---- limits -------------------------------------------------------------------------------------
 */

static void
canon_value__depth_limit(void **state)
{
	struct canon *c = canon_create();
	struct canon_where where = {0};
	struct buf in = {0}, out = {0};
	struct err e = {0};

	(void)state;
	for (unsigned i = 0; i < CANON_DEPTH_MAX; i++)
		assert_int_equal(buf_puts(&in, i % 2 == 0 ? "[" : "{\"a\":"), ERR_OK);
	for (unsigned i = CANON_DEPTH_MAX; i > 0; i--)
		assert_int_equal(buf_puts(&in, i == CANON_DEPTH_MAX ? "1}"
					       : i % 2 == 1         ? "]"
								    : "}"),
		    ERR_OK);
	assert_err(canon_value(c, in.data, in.len, &out, NULL, &e), ERR_OK, &e);
	assert_int_equal(out.len, in.len);
	assert_memory_equal(out.data, in.data, in.len);
	buf_clear(&in);
	for (unsigned i = 0; i < CANON_DEPTH_MAX + 1; i++)
		assert_int_equal(buf_putc(&in, '['), ERR_OK);
	assert_err(canon_value(c, in.data, in.len, &out, &where, &e), ERR_LIMIT, &e);
	assert_int_equal(where.offset, CANON_DEPTH_MAX);
	assert_string_equal(
	    e.text, "nested more than 20000 deep, which is more than the server takes");
	buf_finish(&in);
	buf_finish(&out);
	canon_free(c);
}

/* Unsorted objects in unsorted objects to the last level, around much text: no work is repeated. */
static void
canon_value__sorting_nested_objects_is_linear(void **state)
{
	struct canon *c = canon_create();
	struct buf in = {0}, out = {0}, want = {0};
	struct err e = {0};
	const unsigned depth = CANON_DEPTH_MAX;
	const size_t text = 4000000;

	(void)state;
	for (unsigned i = 0; i < depth; i++) {
		assert_int_equal(buf_puts(&in, "{\"b\":0,\"a\":"), ERR_OK);
		assert_int_equal(buf_puts(&want, "{\"a\":"), ERR_OK);
	}
	assert_int_equal(buf_reserve(&in, text), ERR_OK);
	assert_int_equal(buf_reserve(&want, text), ERR_OK);
	memset(in.data + in.len, '1', text);
	memset(want.data + want.len, '1', text);
	in.data[in.len] = want.data[want.len] = '"';
	in.data[in.len + text - 1] = want.data[want.len + text - 1] = '"';
	in.len += text;
	want.len += text;
	for (unsigned i = 0; i < depth; i++) {
		assert_int_equal(buf_puts(&in, "}"), ERR_OK);
		assert_int_equal(buf_puts(&want, ",\"b\":0}"), ERR_OK);
	}
	assert_err(canon_value(c, in.data, in.len, &out, NULL, &e), ERR_OK, &e);
	assert_int_equal(out.len, want.len);
	assert_memory_equal(out.data, want.data, want.len);
	buf_finish(&in);
	buf_finish(&out);
	buf_finish(&want);
	canon_free(c);
}

static void
canon_value__size_limit(void **state)
{
	struct canon *c = canon_create();
	struct buf in = {0}, out = {0};
	struct err e = {0};

	(void)state;
	assert_int_equal(buf_reserve(&in, CANON_SIZE_MAX + 9), ERR_OK);
	memset(in.data, 'x', CANON_SIZE_MAX + 1);
	in.data[0] = in.data[CANON_SIZE_MAX - 1] = '"';
	in.data[CANON_SIZE_MAX] = ' ';
	assert_err(canon_value(c, in.data, CANON_SIZE_MAX + 1, &out, NULL, &e), ERR_OK, &e);
	assert_int_equal(out.len, CANON_SIZE_MAX);
	in.data[CANON_SIZE_MAX - 1] = 'x';
	in.data[CANON_SIZE_MAX] = '"';
	buf_clear(&out);
	assert_err(canon_value(c, in.data, CANON_SIZE_MAX + 1, &out, NULL, &e), ERR_LIMIT, &e);
	assert_int_equal(out.len, 0);
	assert_string_equal(
	    e.text, "a document over 134216704 bytes, which is more than the server takes");
	/* many small values that only together are too much */
	for (size_t i = 0; i < CANON_SIZE_MAX + 9; i++)
		in.data[i] = i == 0 || i % 3 == 1 ? '[' : i % 3 == 2 ? ']' : ',';
	assert_err(canon_value(c, in.data, CANON_SIZE_MAX + 9, &out, NULL, &e), ERR_LIMIT, &e);
	buf_finish(&in);
	buf_finish(&out);
	canon_free(c);
}

/* ---- what the server and the archives hold
 * ------------------------------------------------------- */

/* Whether the byte may be in a number. */
static bool
in_number(uint8_t c)
{
	return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/*
 * Check that canonical bytes and the server's are the same but for numbers that are the same double
 * in fewer or as many digits. Return how many there are of these.
 */
static size_t
compare_but_for_numbers(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	size_t i = 0, j = 0, numbers = 0;

	while (i < a_len && j < b_len) {
		size_t a_start, b_start;
		char *end;
		if (a[i] == b[j]) {
			i++;
			j++;
			continue;
		}
		for (a_start = i; a_start > 0 && in_number(a[a_start - 1]); a_start--)
			;
		for (b_start = j; b_start > 0 && in_number(b[b_start - 1]); b_start--)
			;
		assert_true(strchr(":,[", a[a_start - 1]) != NULL);
		while (i < a_len && in_number(a[i]))
			i++;
		while (j < b_len && in_number(b[j]))
			j++;
		assert_true(i <= a_start + (j - b_start));
		assert_true(strtod((const char *)a + a_start, &end) ==
			    strtod((const char *)b + b_start, NULL));
		assert_ptr_equal(end, a + i);
		numbers++;
	}
	assert_int_equal(i, a_len);
	assert_int_equal(j, b_len);
	return numbers;
}

static void
canon_value__keeps_the_servers_bytes(void **state)
{
	struct canon *c = canon_create();
	struct buf file = {0}, out = {0};
	struct err e = {0};
	size_t documents = 0, numbers = 0;

	(void)state;
	for (size_t t = 0; t < sizeof(wire_tables) / sizeof(wire_tables[0]); t++) {
		char name[64];
		uint8_t *line, *newline;
		snprintf(name, sizeof(name), "wire/%s.jsonl", wire_tables[t]);
		buf_clear(&file);
		test_read_file(test_data(name), &file);
		assert_non_null(buf_str(&file));
		for (line = file.data; line < file.data + file.len; line = newline + 1) {
			newline = memchr(line, '\n', (size_t)(file.data + file.len - line));
			assert_non_null(newline);
			buf_clear(&out);
			assert_err(canon_value(c, line, (size_t)(newline - line), &out, NULL, &e),
			    ERR_OK, &e);
			assert_non_null(buf_str(&out));
			numbers += compare_but_for_numbers(
			    out.data, out.len, line, (size_t)(newline - line));
			documents++;
		}
	}
	print_message(
	    "%zu documents as the server sent them, %zu numbers shorter than it prints them\n",
	    documents, numbers);
	assert_int_equal(documents, 3175);
	assert_int_equal(numbers, 1781);
	buf_finish(&file);
	buf_finish(&out);
	canon_free(c);
}

/* Append a table's .json of an archive to ${out}; it is empty when the archive has no such table.
 */
static void
read_archive(const char *archive, const char *table, struct buf *out)
{
	char command[1024], path[512], part[65536];
	const char *dot = strchr(table, '.');
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s.tar.gz", archive);
	snprintf(command, sizeof(command),
	    "tar -xzOf '%s' --force-local '%s/%.*s/%s.json' 2>/dev/null", test_data(path), archive,
	    (int)(dot - table), table, dot + 1);
	f = popen(command, "r");
	assert_non_null(f);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		assert_int_equal(buf_append(out, part, n), ERR_OK);
	pclose(f);
}

/* Canonicalise all documents of an array, one a line. Return how many. */
static size_t
canonical_lines(struct canon *c, const struct buf *file, struct buf *out)
{
	struct split *s = split_create(CANON_SIZE_MAX);
	struct split_document document;
	struct err e = {0};
	size_t documents = 0;
	int rc;

	split_feed(s, file->data, file->len);
	while ((rc = split_next(s, &document, &e)) == ERR_OK) {
		assert_err(canon_value(c, document.data, document.len, out, NULL, &e), ERR_OK, &e);
		assert_int_equal(buf_putc(out, '\n'), ERR_OK);
		documents++;
	}
	assert_err(rc, ERR_END, &e);
	assert_err(split_finish(s, &document, &e), ERR_END, &e);
	split_free(s);
	return documents;
}

static void
canon_value__is_idempotent_on_archives(void **state)
{
	struct canon *c = canon_create();
	struct buf file = {0}, once = {0}, twice = {0};
	size_t documents = 0;

	(void)state;
	for (size_t a = 0; a < sizeof(archives) / sizeof(archives[0]); a++) {
		for (size_t t = 0; t < sizeof(wire_tables) / sizeof(wire_tables[0]); t++) {
			size_t n;
			buf_clear(&file);
			buf_clear(&once);
			buf_clear(&twice);
			read_archive(archives[a], wire_tables[t], &file);
			n = canonical_lines(c, &file, &once);
			assert_int_equal(canonical_lines(c, &once, &twice), n);
			assert_int_equal(once.len, twice.len);
			if (once.len > 0)
				assert_memory_equal(once.data, twice.data, once.len);
			documents += n;
		}
	}
	print_message("%zu documents of three archives\n", documents);
	assert_true(documents > 15000);
	buf_finish(&file);
	buf_finish(&once);
	buf_finish(&twice);
	canon_free(c);
}

/* The same document from a dump archive and from the server becomes the same bytes. */
static void
canon_value__archive_equals_server(void **state)
{
	struct canon *c = canon_create();
	struct buf file = {0}, archive = {0}, server = {0};

	(void)state;
	for (size_t t = 0; t < sizeof(wire_tables) / sizeof(wire_tables[0]); t++) {
		size_t archived, served;
		char name[64];
		buf_clear(&file);
		buf_clear(&archive);
		buf_clear(&server);
		read_archive(archives[LAST_ARCHIVE], wire_tables[t], &file);
		archived = canonical_lines(c, &file, &archive);
		buf_clear(&file);
		snprintf(name, sizeof(name), "wire/%s.jsonl", wire_tables[t]);
		test_read_file(test_data(name), &file);
		served = canonical_lines(c, &file, &server);
		/* telemetry.events has more documents than were recorded: the first ones were */
		if (strcmp(wire_tables[t], "telemetry.events") == 0)
			assert_true(archived > served);
		else
			assert_int_equal(archived, served);
		assert_true(archive.len >= server.len);
		assert_memory_equal(archive.data, server.data, server.len);
	}
	buf_finish(&file);
	buf_finish(&archive);
	buf_finish(&server);
	canon_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(canon_value__scalars_and_blanks),
	    cmocka_unit_test(canon_value__sorts_keys_bytewise),
	    cmocka_unit_test(canon_value__sorts_nested_objects),
	    cmocka_unit_test(canon_value__sorts_any_order),
	    cmocka_unit_test(canon_value__refuses_duplicate_keys),
	    cmocka_unit_test(canon_value__tells_what_is_wrong_and_where),
	    cmocka_unit_test(canon_value__works_without_where_and_err),
	    cmocka_unit_test(canon_value__escapes_as_the_server),
	    cmocka_unit_test(canon_value__finds_specials_anywhere),
	    cmocka_unit_test(canon_put_string__replaces_bad_utf8),
	    cmocka_unit_test(canon_utf8__finds_the_first_bad_byte),
	    cmocka_unit_test(canon_value__numbers),
	    cmocka_unit_test(canon_value__long_numbers),
	    cmocka_unit_test(canon_number__shortest_of_special_doubles),
	    cmocka_unit_test(canon_number__shortest_of_random_doubles),
	    cmocka_unit_test(canon_value__reads_as_strtod),
	    cmocka_unit_test(canon_value__has_no_locale),
	    cmocka_unit_test(canon_powers__are_the_powers_of_ten),
	    cmocka_unit_test(canon_value__depth_limit),
	    cmocka_unit_test(canon_value__sorting_nested_objects_is_linear),
	    cmocka_unit_test(canon_value__size_limit),
	    cmocka_unit_test(canon_value__keeps_the_servers_bytes),
	    cmocka_unit_test(canon_value__is_idempotent_on_archives),
	    cmocka_unit_test(canon_value__archive_equals_server),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
