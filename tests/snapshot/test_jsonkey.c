/* Keys between JSON and store-key bytes, on what the server sent and on what it never would. */
#include "tests/support/test.h"

#include "snapshot/json/canon.h"
#include "snapshot/json/jsonkey.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *file;
	const char *primary_key;
} wire_tables[] = {
    {"wire/shop.coupons.jsonl", "id"},
    {"wire/shop.keys.jsonl", "id"},
    {"wire/shop.orders.jsonl", "order_no"},
    {"wire/shop.products.jsonl", "id"},
    {"wire/telemetry.devices.jsonl", "serial"},
    {"wire/telemetry.events.jsonl", "uuid"},
};

static struct key
key_of(const char *json)
{
	struct key k = {0};
	struct err e = {0};

	assert_err(jsonkey_read(json, strlen(json), &k, &e), ERR_OK, &e);
	assert_true(key_valid(&k));
	return k;
}

static void
assert_bytes(const char *json, const void *bytes, size_t len)
{
	struct key k = key_of(json);

	assert_int_equal(k.len, len);
	assert_memory_equal(k.bytes, bytes, len);
}

static void
assert_back(const char *json, const char *want)
{
	struct key k = key_of(json);
	struct buf out = {0};

	assert_int_equal(jsonkey_write(&k, &out), ERR_OK);
	assert_text(out.data, out.len, want);
	buf_finish(&out);
}

static void
refuse(const char *json, const char *text)
{
	struct key k = {.len = 77};
	struct err e = {0};

	assert_err(jsonkey_read(json, strlen(json), &k, &e), ERR_KEY, &e);
	assert_string_equal(e.text, text);
	assert_int_equal(jsonkey_read(json, strlen(json), &k, NULL), ERR_KEY);
	assert_int_equal(k.len, 77);
}

static void
jsonkey_read__encodes(void **state)
{
	(void)state;
	assert_bytes("\"\"", "S", 1);
	assert_bytes("\"a/b\"", "Sa/b", 4);
	assert_bytes("\"\\\"\\n\\u0001\xc3\xa9\"", "S\"\n\x01\xc3\xa9", 6);
	assert_bytes("1", "Nbff0000000000000#1", 19);
	assert_bytes("-0.0", "N8000000000000000#0", 19);
	assert_bytes("true", "Bt", 2);
	assert_bytes("false", "Bf", 2);
	assert_bytes("[]", "A", 1);
	assert_bytes("[\"a\",[true,[]],\"b\"]", "ASa\0ABt\0A\0\0Sb\0", 14);
	assert_bytes("{\"$reql_type$\":\"BINARY\",\"data\":\"\"}", "PBINARY:", 8);
	assert_bytes("{\"$reql_type$\":\"BINARY\",\"data\":\"AAEC/w==\"}",
	    "PBINARY:\x01\x01\x01\x02\x02\xff", 14);
	assert_bytes("[{\"$reql_type$\":\"BINARY\",\"data\":\"eA==\"},1]",
	    "APBINARY:x\0Nbff0000000000000#1\0", 31);
	assert_bytes(
	    "{\"$reql_type$\":\"TIME\",\"epoch_time\":1763400000.125,\"timezone\":\"+00:00\"}",
	    "PTIME:Nc1da46d650080000#1763400000.125", 38);
}

/* Time zones are not in the key, and the server keeps milliseconds. */
static void
jsonkey_read__times(void **state)
{
	(void)state;
	assert_back("{\"$reql_type$\":\"TIME\",\"epoch_time\":1767315845,\"timezone\":\"+02:00\"}",
	    "{\"$reql_type$\":\"TIME\",\"epoch_time\":1767315845,\"timezone\":\"+00:00\"}");
	assert_back("{\"$reql_type$\":\"TIME\",\"epoch_time\":1.23456,\"timezone\":\"+00:00\"}",
	    "{\"$reql_type$\":\"TIME\",\"epoch_time\":1.235,\"timezone\":\"+00:00\"}");
	assert_back("{\"$reql_type$\":\"TIME\",\"epoch_time\":-0.0,\"timezone\":\"+00:00\"}",
	    "{\"$reql_type$\":\"TIME\",\"epoch_time\":0,\"timezone\":\"+00:00\"}");
}

/* 57 bytes fit into a line of base64; the break comes before the 58th. */
static void
jsonkey_write__breaks_base64_as_the_server(void **state)
{
	static const char *const data[] = {
	    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4",
	    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4\\r\\nOQ="
	    "=",
	    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4\\r\\n"
	    "OTo7",
	    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4\\r\\n"
	    "OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5fYGFiY2RlZmdoaWprbG1ub3Bx",
	    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4\\r\\n"
	    "OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5fYGFiY2RlZmdoaWprbG1ub3Bx"
	    "\\r\\ncnM=",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(data) / sizeof(data[0]); i++) {
		char json[512];
		snprintf(
		    json, sizeof(json), "{\"$reql_type$\":\"BINARY\",\"data\":\"%s\"}", data[i]);
		assert_back(json, json);
	}
}

/* The server skips white space, and does not insist on padding (rdb_protocol/base64.cc). */
static void
jsonkey_read__takes_any_base64_the_server_takes(void **state)
{
	(void)state;
	assert_bytes(
	    "{\"$reql_type$\":\"BINARY\",\"data\":\" e\\tH\\r\\nh 4\\n\"}", "PBINARY:xxx", 11);
	assert_bytes("{\"$reql_type$\":\"BINARY\",\"data\":\"eHg\"}", "PBINARY:xx", 10);
	assert_bytes("{\"$reql_type$\":\"BINARY\",\"data\":\"eHg== \\n\"}", "PBINARY:xx", 10);
	assert_bytes("{\"$reql_type$\":\"BINARY\",\"data\":\"=\"}", "PBINARY:", 8);
}

static void
jsonkey_read__refuses(void **state)
{
	static const char null[] = "the primary key is null, which RethinkDB does not allow";
	static const char object[] = "the primary key is an object, which RethinkDB does not allow";
	static const char base64[] = "the primary key is a BINARY with invalid base64";
	static const char no_json[] = "the primary key is no JSON value";

	(void)state;
	refuse("null", null);
	refuse("[1,null]", "the primary key holds a null, which RethinkDB does not allow");
	refuse("{}", object);
	refuse("{\"a\":1}", object);
	refuse("[{\"a\":1}]", object);
	refuse("{\"$reql_type$\":\"GEOMETRY\",\"coordinates\":[1,2],\"type\":\"Point\"}",
	    "the primary key is a GEOMETRY, which RethinkDB does not allow");
	refuse("{\"$reql_type$\":\"X\"}",
	    "the primary key is of an unknown $reql_type$, which RethinkDB does not allow");
	refuse("{\"$reql_type$\":\"BINARY\"}",
	    "the primary key is a BINARY with missing or unknown fields");
	refuse("{\"$reql_type$\":\"BINARY\",\"data\":\"\",\"more\":1}",
	    "the primary key is a BINARY with missing or unknown fields");
	refuse("{\"$reql_type$\":\"BINARY\",\"data\":1}",
	    "the primary key is a BINARY whose data is no string");
	refuse("{\"$reql_type$\":\"BINARY\",\"data\":\"e\"}", base64);
	refuse("{\"$reql_type$\":\"BINARY\",\"data\":\"eHh4e\"}", base64);
	refuse("{\"$reql_type$\":\"BINARY\",\"data\":\"eH=h\"}", base64);
	refuse("{\"$reql_type$\":\"BINARY\",\"data\":\"eH-h\"}", base64);
	refuse("{\"$reql_type$\":\"BINARY\",\"data\":\"eH\xc3\xa9h\"}", base64);
	refuse("{\"$reql_type$\":\"BINARY\",\"data\":\"eH\\u0000h\"}", base64);
	refuse("{\"$reql_type$\":\"TIME\",\"epoch_time\":1}",
	    "the primary key is a TIME with missing or unknown fields");
	refuse("{\"$reql_type$\":\"TIME\",\"epoch_time\":1,\"timezone\":0}",
	    "the primary key is a TIME with missing or unknown fields");
	refuse("{\"$reql_type$\":\"TIME\",\"epoch_time\":\"1\",\"timezone\":\"Z\"}",
	    "the primary key is a TIME whose epoch_time is no number");
	refuse("{\"$reql_type$\":\"TIME\",\"epoch_time\":1e308,\"timezone\":\"Z\"}",
	    "the primary key is a TIME that RethinkDB cannot hold");
	refuse("\"a\\u0000b\"", "the primary key holds a NUL character");
	refuse("1e999", "the primary key is a number that RethinkDB cannot hold");
	refuse("-", "the primary key is a number that RethinkDB cannot hold");
	refuse("", no_json);
	refuse("\"a", no_json);
	refuse("\"\\x\"", no_json);
	refuse("\"\xff\"", no_json);
	refuse("[", no_json);
	refuse("[1", no_json);
	refuse("[1,", no_json);
	refuse("[1,]", no_json);
	refuse("[,1]", no_json);
	refuse("[1 ,2]", no_json);
	refuse("]", no_json);
	refuse("[]]", no_json);
	refuse("1,2", no_json);
	refuse("truex", no_json);
	refuse("tru", no_json);
	refuse("{\"a\":1", no_json);
}

static void
jsonkey_read__too_long(void **state)
{
	static const char text[] = "the primary key is too long, RethinkDB takes at most 127 bytes";
	char json[1200];
	size_t n = 0;

	(void)state;
	snprintf(json, sizeof(json), "\"%127s\"", "");
	assert_int_equal(key_of(json).len, KEY_MAX);
	snprintf(json, sizeof(json), "\"%128s\"", "");
	refuse(json, text);
	snprintf(json, sizeof(json), "\"%1000s\"", "");
	refuse(json, text);
	for (int i = 0; i < KEY_DEPTH; i++)
		json[n++] = '[';
	for (int i = 0; i < KEY_DEPTH; i++)
		json[n++] = ']';
	json[n] = '\0';
	assert_back(json, json);
	for (int i = 0; i < 500; i++)
		json[i] = '[';
	json[500] = '\0';
	refuse(json, text);
	snprintf(json, sizeof(json), "[\"%123s\",true]", "");
	refuse(json, text);
	n = (size_t)snprintf(json, sizeof(json), "{\"$reql_type$\":\"BINARY\",\"data\":\"");
	memset(json + n, 'B', 1000);
	memcpy(json + n + 1000, "\"}", 3);
	refuse(json, text);
}

static void
jsonkey_of__finds_the_field(void **state)
{
	static const char document[] = "{\"a\":{\"id\":1},\"id\":\"x\",\"n\":null,\"\xc3\xa9\":2}";
	struct key k = {0};
	struct err e = {0};

	(void)state;
	assert_err(jsonkey_of(document, strlen(document), "id", &k, &e), ERR_OK, &e);
	assert_int_equal(k.len, 2);
	assert_memory_equal(k.bytes, "Sx", 2);
	assert_err(jsonkey_of(document, strlen(document), "\xc3\xa9", &k, &e), ERR_OK, &e);
	assert_err(jsonkey_of(document, strlen(document), "key", &k, &e), ERR_KEY, &e);
	assert_string_equal(e.text, "the primary key \"key\" is missing");
	assert_err(jsonkey_of(document, strlen(document), "n", &k, &e), ERR_KEY, &e);
	assert_err(jsonkey_of("[1]", 3, "id", &k, &e), ERR_FORMAT, &e);
	assert_string_equal(e.text, "a document has to be an object");
}

/* What is cut off an array's JSON, wherever, gives the first bytes of its key. */
static void
jsonkey_prefix__is_a_prefix_wherever_it_is_cut(void **state)
{
	static const char *const cases[] = {
	    "[\"a\\u0001\\\"b\",[true,[],12.5],-1,{\"$reql_type$\":\"BINARY\",\"data\":"
	    "\"AAECAwQF\"},"
	    "\"z\",false]",
	    "[[[\"\xc3\xa9\"]],{\"$reql_type$\":\"TIME\",\"epoch_time\":1.5,\"timezone\":\"+00:"
	    "00\"}]",
	    "{\"$reql_type$\":\"BINARY\",\"data\":"
	    "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUm"
	    "JygpKissLS4vMDEyMzQ1Njc4\\r\\nOTo7PD0+P0BBQkNERUY=\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct key whole = key_of(cases[i]);
		size_t longest = 0;
		for (size_t len = 0; len <= strlen(cases[i]); len++) {
			struct key k = {0};
			if (len > 0 && (cases[i][len] & 0xc0) == 0x80)
				continue;
			assert_int_equal(jsonkey_prefix(cases[i], len, &k), ERR_OK);
			assert_in_range(k.len, longest, whole.len);
			assert_memory_equal(k.bytes, whole.bytes, k.len);
			longest = k.len;
		}
		assert_int_equal(longest, whole.len);
	}
}

static void
jsonkey_prefix__refuses(void **state)
{
	static const char *const cases[] = {"[1]x", "x", "{\"a", "[{\"$reql_type$\":\"G", "[null",
	    "[1,,", "[\"\\x", "]", "{\"$reql_type$\":\"BINARY\",\"data\":\"-",
	    "{\"$reql_type$\":\"BINARY\",\"data\":\"\\x"};
	struct key k = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(jsonkey_prefix(cases[i], strlen(cases[i]), &k), ERR_KEY);
}

static void
jsonkey_write__refuses(void **state)
{
	struct key bad[] = {{0}, {.len = 1, .bytes = "X"}, {.len = 3, .bytes = "Sa\xff"},
	    {.len = 3, .bytes = "ABt"}, {.len = 5, .bytes = "ASa\0S"}};
	struct buf out = {0};

	(void)state;
	assert_int_equal(buf_puts(&out, "kept"), ERR_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(jsonkey_write(&bad[i], &out), ERR_CORRUPT);
		assert_text(out.data, out.len, "kept");
	}
	buf_finish(&out);
}

/* Each file is in the server's own order: keys must be strictly increasing, and come back. */
static void
jsonkey_of__wire_files_are_in_order(void **state)
{
	size_t keys = 0;

	(void)state;
	for (size_t t = 0; t < sizeof(wire_tables) / sizeof(wire_tables[0]); t++) {
		struct buf file = {0};
		struct key before = {0};
		uint8_t *newline;
		test_read_file(test_data(wire_tables[t].file), &file);
		for (uint8_t *p = file.data; p < file.data + file.len; p = newline + 1) {
			struct key k = {0}, again = {0};
			struct err e = {0};
			struct buf json = {0};
			newline = memchr(p, '\n', (size_t)(file.data + file.len - p));
			assert_non_null(newline);
			assert_err(jsonkey_of(p, (size_t)(newline - p), wire_tables[t].primary_key,
				       &k, &e),
			    ERR_OK, &e);
			assert_true(key_valid(&k));
			assert_true(key_compare(&before, &k) < 0);
			assert_int_equal(jsonkey_write(&k, &json), ERR_OK);
			assert_err(jsonkey_read(json.data, json.len, &again, &e), ERR_OK, &e);
			assert_int_equal(key_compare(&k, &again), 0);
			/* but for a time's zone the key's JSON is what the server sent */
			if (memmem(p, (size_t)(newline - p), "\"timezone\":\"+02:00\"", 19) == NULL)
				assert_non_null(
				    memmem(p, (size_t)(newline - p), json.data, json.len));
			buf_finish(&json);
			before = k;
			keys++;
		}
		buf_finish(&file);
	}
	assert_int_equal(keys, 3175);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(jsonkey_read__encodes),
	    cmocka_unit_test(jsonkey_read__times),
	    cmocka_unit_test(jsonkey_write__breaks_base64_as_the_server),
	    cmocka_unit_test(jsonkey_read__takes_any_base64_the_server_takes),
	    cmocka_unit_test(jsonkey_read__refuses),
	    cmocka_unit_test(jsonkey_read__too_long),
	    cmocka_unit_test(jsonkey_of__finds_the_field),
	    cmocka_unit_test(jsonkey_prefix__is_a_prefix_wherever_it_is_cut),
	    cmocka_unit_test(jsonkey_prefix__refuses),
	    cmocka_unit_test(jsonkey_write__refuses),
	    cmocka_unit_test(jsonkey_of__wire_files_are_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
