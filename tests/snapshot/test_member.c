/* Looking into canonical JSON. */
#include "tests/support/test.h"

#include "snapshot/json/member.h"

#include <stdlib.h>
#include <string.h>

static const char document[] = "{\"\":0,\"a\":{\"id\":\"inner\",\"x\":[{},\"]}\"]},\"b\\\"c\":-1."
			       "5e-7,\"d\":\"\\\\\",\"id\":\"outer\","
			       "\"long\":\"0123456789 0123456789 \\\"quoted\\\" "
			       "0123456789\",\"n\":null,\"\xc3\xa9\\n\":[true,false]}";

static void
assert_found(const char *name, size_t len, const char *want)
{
	struct member_span value = {0};

	assert_int_equal(member_find(document, sizeof(document) - 1, name, len, &value), ERR_OK);
	assert_text(value.data, value.len, want);
}

static void
member_find__members(void **state)
{
	struct member_span value;

	(void)state;
	assert_found("", 0, "0");
	assert_found("a", 1, "{\"id\":\"inner\",\"x\":[{},\"]}\"]}");
	assert_found("b\"c", 3, "-1.5e-7");
	assert_found("d", 1, "\"\\\\\"");
	assert_found("id", 2, "\"outer\"");
	assert_found("long", 4, "\"0123456789 0123456789 \\\"quoted\\\" 0123456789\"");
	assert_found("n", 1, "null");
	assert_found("\xc3\xa9\n", 3, "[true,false]");
	assert_int_equal(member_find(document, sizeof(document) - 1, "i", 1, &value), ERR_ABSENT);
	assert_int_equal(member_find(document, sizeof(document) - 1, "idx", 3, &value), ERR_ABSENT);
	assert_int_equal(
	    member_find(document, sizeof(document) - 1, "b\\\"c", 4, &value), ERR_ABSENT);
	assert_int_equal(member_find("{}", 2, "", 0, &value), ERR_ABSENT);
	assert_int_equal(member_find("[]", 2, "a", 1, &value), ERR_FORMAT);
	assert_int_equal(member_find("1", 1, "a", 1, &value), ERR_FORMAT);
}

/* Strings are looked at 64 bytes at a time: whatever is in them, wherever they lie and end. */
static void
member_element__ends_nested_values_at_any_distance(void **state)
{
	static const char *const parts[] = {"x", "\\\\", "\\\"", "]", "{", "\xc3\xa9", "\\u00e9"};
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct member_walk walk = {0};
		struct member_span value;
		struct buf array = {0};
		size_t len, n;
		assert_int_equal(buf_puts(&array, "[[{\"\":\""), ERR_OK);
		seed = seed * 1664525 + 1013904223;
		n = seed >> 24;
		for (size_t i = 0; i < n; i++) {
			seed = seed * 1664525 + 1013904223;
			/* Long runs of one byte, and others of everything. */
			if (round % 2 == 0 || seed >> 29 == 0)
				assert_int_equal(buf_puts(&array, parts[(seed >> 20) % 7]), ERR_OK);
			else
				assert_int_equal(buf_puts(&array, parts[1]), ERR_OK);
		}
		assert_int_equal(buf_puts(&array, "\"},[]]"), ERR_OK);
		len = array.len - 1;
		assert_int_equal(buf_puts(&array, ",0]"), ERR_OK);
		assert_int_equal(member_element(array.data, array.len, &walk, &value), ERR_OK);
		assert_int_equal(value.len, len);
		assert_int_equal(member_element(array.data, array.len, &walk, &value), ERR_OK);
		assert_text(value.data, value.len, "0");
		assert_int_equal(member_element(array.data, array.len, &walk, &value), ERR_END);
		buf_finish(&array);
	}
}

static void
member_next__walks(void **state)
{
	static const char object[] = "{\"a\":1,\"b\\\\\":[1,{\"c\":2}],\"d\":\"\"}";
	struct member_walk walk = {0};
	struct member_span name, value;

	(void)state;
	assert_int_equal(member_next(object, strlen(object), &walk, &name, &value), ERR_OK);
	assert_text(name.data, name.len, "\"a\"");
	assert_text(value.data, value.len, "1");
	assert_int_equal(member_next(object, strlen(object), &walk, &name, &value), ERR_OK);
	assert_text(name.data, name.len, "\"b\\\\\"");
	assert_text(value.data, value.len, "[1,{\"c\":2}]");
	assert_int_equal(member_next(object, strlen(object), &walk, &name, &value), ERR_OK);
	assert_text(value.data, value.len, "\"\"");
	assert_int_equal(member_next(object, strlen(object), &walk, &name, &value), ERR_END);
	assert_int_equal(member_next(object, strlen(object), &walk, &name, &value), ERR_END);
}

static void
member_element__walks(void **state)
{
	static const char array[] = "[\"a,]\",[[]],{\"k\":[1]},null,0]";
	static const char *const want[] = {"\"a,]\"", "[[]]", "{\"k\":[1]}", "null", "0"};
	struct member_walk walk = {0};
	struct member_span value;

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		assert_int_equal(member_element(array, strlen(array), &walk, &value), ERR_OK);
		assert_text(value.data, value.len, want[i]);
	}
	assert_int_equal(member_element(array, strlen(array), &walk, &value), ERR_END);
	walk.pos = 0;
	assert_int_equal(member_element("[]", 2, &walk, &value), ERR_END);
	assert_int_equal(member_element("{}", 2, &walk, &value), ERR_FORMAT);
}

static void
member_next__refuses(void **state)
{
	static const char *const cases[] = {"", "{", "}", "{]", "{a:1}", "{\"a\"}", "{\"a\":}",
	    "{\"a\":1", "{\"a\":1 ,\"b\":2}", "{\"a:1}", "{\"a\\\":1}", "{\"a\":\"b}", "{\"a\":[1}",
	    "{\"a\":{\"b\":1}", "{,}", "{\"a\":1,}", "{\"a\",1}", "{\"a\":1\"b\":2}", "{ }"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct member_walk walk = {0};
		struct member_span name, value;
		size_t len = strlen(cases[i]);
		char *exact = malloc(len + 1); /* so that a sanitizer sees reads beyond it */
		int rc = ERR_OK;
		memcpy(exact, cases[i], len);
		for (int steps = 0; rc == ERR_OK && steps < 10; steps++)
			rc = member_next(exact, len, &walk, &name, &value);
		if (rc != ERR_FORMAT)
			print_error("%s gives %d\n", cases[i], rc);
		assert_int_equal(rc, ERR_FORMAT);
		free(exact);
	}
}

static void
member_element__refuses(void **state)
{
	static const char *const cases[] = {
	    "", "[", "[}", "[1", "[,]", "[1,]", "[\"a\"x1]", "[1\"a\"]", "[[]", "[\"]", "[1 ]"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct member_walk walk = {0};
		struct member_span value;
		int rc = ERR_OK;
		for (int steps = 0; rc == ERR_OK && steps < 10; steps++)
			rc = member_element(cases[i], strlen(cases[i]), &walk, &value);
		if (rc != ERR_FORMAT)
			print_error("%s gives %d\n", cases[i], rc);
		assert_int_equal(rc, ERR_FORMAT);
	}
}

static void
member_string__decodes(void **state)
{
	static const char *const bad[] = {"", "\"", "1", "\"a", "\"a\"b", "\"\\\"", "\"\\x\"",
	    "\"\\ud800\"", "\"\\u12\"", "null"};
	static const char text[] = "\"a\\\"\\\\\\n\\u0001\\u00e9\xe2\x82\xac\"";
	struct buf out = {0};

	(void)state;
	assert_int_equal(buf_puts(&out, "x"), ERR_OK);
	assert_int_equal(member_string("\"\"", 2, &out), ERR_OK);
	assert_text(out.data, out.len, "x");
	assert_int_equal(member_string(text, strlen(text), &out), ERR_OK);
	assert_text(out.data, out.len, "xa\"\\\n\x01\xc3\xa9\xe2\x82\xac");
	buf_clear(&out);
	assert_int_equal(member_string("\"\\u0000\"", 8, &out), ERR_OK);
	assert_int_equal(out.len, 1);
	assert_int_equal(out.data[0], 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(member_string(bad[i], strlen(bad[i]), &out), ERR_FORMAT);
		assert_int_equal(out.len, 1);
	}
	buf_finish(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(member_find__members),
	    cmocka_unit_test(member_next__walks),
	    cmocka_unit_test(member_element__walks),
	    cmocka_unit_test(member_element__ends_nested_values_at_any_distance),
	    cmocka_unit_test(member_next__refuses),
	    cmocka_unit_test(member_element__refuses),
	    cmocka_unit_test(member_string__decodes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
