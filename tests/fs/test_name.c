/* File names of documents: reversible, within 255 bytes, one spelling only. */
#include "tests/support/test.h"

#include "fs/name.h"
#include "snapshot/json/jsonkey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct key
json_key(const char *json)
{
	struct key k = {0};
	struct err e = {0};

	assert_err(jsonkey_read(json, strlen(json), &k, &e), ERR_OK, &e);
	return k;
}

static struct key
string_key(const char *text)
{
	struct key k = {0};

	assert_int_equal(key_put_string(&k, 0, text, strlen(text)), ERR_OK);
	return k;
}

/* Check that a key has a good name, and that the name leads back to it. */
static void
check_name(const struct key *k, char name[NAME_ROOM])
{
	struct key back = {0}, other = {0};
	bool cut = true;
	char again[NAME_ROOM];

	assert_int_equal(name_of_key(k, name), ERR_OK);
	assert_in_range(strlen(name), 6, NAME_MAX_BYTES);
	assert_null(strchr(name, '/'));
	assert_int_not_equal(name[0], '.');
	assert_false(name_is_scratch(name));
	assert_int_equal(name_to_key(name, &back, &cut), ERR_OK);
	if (!cut) {
		assert_int_equal(key_compare(k, &back), 0);
		return;
	}
	assert_in_range(strlen(name), NAME_MAX_BYTES - 3, NAME_MAX_BYTES);
	assert_in_range(back.len, 1, k->len);
	assert_memory_equal(back.bytes, k->bytes, back.len);
	/* a key that differs at the very end has another name with the same beginning */
	other = *k;
	other.bytes[other.len - 1] ^= 1;
	if (key_valid(&other) && name_of_key(&other, again) == ERR_OK)
		assert_string_not_equal(again, name);
}

static void
assert_name(const struct key *k, const char *want)
{
	char name[NAME_ROOM];

	check_name(k, name);
	assert_string_equal(name, want);
}

static void
name_of_key__strings(void **state)
{
	static const char *const cases[][2] = {
	    {"", "%.json"},
	    {"a", "a.json"},
	    {".", "%2E.json"},
	    {"..", "%2E..json"},
	    {".hidden", "%2Ehidden.json"},
	    {"a.b", "a.b.json"},
	    {"=1", "%3D1.json"},
	    {"a=1", "a=1.json"},
	    {"a/b", "a%2Fb.json"},
	    {"a%2Fb", "a%252Fb.json"},
	    {"%", "%25.json"},
	    {"%~", "%25~.json"},
	    {"100%", "100%25.json"},
	    {"a.json", "a.json.json"},
	    {"line\nbreak", "line%0Abreak.json"},
	    {"\x01\x1f\x7f", "%01%1F%7F.json"},
	    {"caf\xc3\xa9", "caf\xc3\xa9.json"},
	    {"\xf0\x9f\x99\x82", "\xf0\x9f\x99\x82.json"},
	    {"\xff\xc3", "%FF%C3.json"},
	    {"\xed\xa0\x80", "%ED%A0%80.json"},
	    {"a b~c", "a b~c.json"},
	    {"back\\slash\"'*?", "back\\slash\"'*?.json"},
	    {"1", "1.json"},
	    {"true", "true.json"},
	    {"-dash", "-dash.json"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct key k = string_key(cases[i][0]);
		assert_name(&k, cases[i][1]);
	}
}

static void
name_of_key__other_types(void **state)
{
	static const char *const cases[][2] = {
	    {"1", "=1.json"},
	    {"0", "=0.json"},
	    {"-2.25", "=-2.25.json"},
	    {"1.5e-7", "=1.5e-7.json"},
	    {"1e21", "=1e21.json"},
	    {"true", "=true.json"},
	    {"false", "=false.json"},
	    {"[]", "=[].json"},
	    {"[1,\"a\",[true,2.5]]", "=[1,\"a\",[true,2.5]].json"},
	    {"[\"a/b\",\".\",\"=\",\"%\"]", "=[\"a%2Fb\",\".\",\"=\",\"%25\"].json"},
	    {"[\"\\n\\u0001\\\"\"]", "=[\"\\n\\u0001\\\"\"].json"},
	    {"[\"\xc3\xa9\"]", "=[\"\xc3\xa9\"].json"},
	    {"{\"$reql_type$\":\"BINARY\",\"data\":\"+/8=\"}",
		"={\"$reql_type$\":\"BINARY\",\"data\":\"+%2F8=\"}.json"},
	    {"{\"$reql_type$\":\"TIME\",\"epoch_time\":1.5,\"timezone\":\"+00:00\"}",
		"={\"$reql_type$\":\"TIME\",\"epoch_time\":1.5,\"timezone\":\"+00:00\"}.json"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct key k = json_key(cases[i][0]);
		assert_name(&k, cases[i][1]);
	}
}

static void
fill(char *text, const char *unit, size_t len)
{
	size_t n = strlen(unit);

	for (size_t i = 0; i < len; i++)
		text[i] = unit[i % n];
	text[len] = '\0';
}

/* A name of 255 bytes is not cut; one more unit, and it is, at a whole unit. */
static void
name_of_key__cut_at_the_limit(void **state)
{
	char text[KEY_MAX + 1], name[NAME_ROOM];
	struct key k;

	(void)state;
	/* 83 slashes and a letter are 250 bytes of body */
	fill(text, "/", 83);
	text[83] = 'x';
	text[84] = '\0';
	k = string_key(text);
	check_name(&k, name);
	assert_int_equal(strlen(name), NAME_MAX_BYTES);
	assert_null(strstr(name, "%~"));
	text[84] = 'y';
	text[85] = '\0';
	k = string_key(text);
	check_name(&k, name);
	assert_int_equal(strlen(name), NAME_MAX_BYTES);
	assert_memory_equal(name + 213, "%2F%~", 5);
	/* 72 slashes are 216 bytes: the head is as long as it can be */
	fill(text, "/", 127);
	k = string_key(text);
	check_name(&k, name);
	assert_string_equal(name + 210, "%2F%2F%~8e2230c54abd63adb2f564c0104c9556.json");
}

/* Characters of several bytes are not cut in the middle. */
static void
name_of_key__cut_at_whole_characters(void **state)
{
	static const struct {
		const char *first;
		size_t slashes;
		const char *character;
		size_t head;
	} cases[] = {
	    {"", 71, "\xc3\xa9", 215},            /* 213 + 2, and 2 more would be 217 */
	    {"a", 71, "\xc3\xa9", 216},           /* 214 + 2 */
	    {"ab", 71, "\xc3\xa9", 215},          /* 215, and 2 more would be 217 */
	    {"", 71, "\xe2\x82\xac", 216},        /* 213 + 3 */
	    {"a", 71, "\xe2\x82\xac", 214},       /* 214, and 3 more would be 217 */
	    {"", 71, "\xf0\x9f\x99\x82", 213},    /* 213, and 4 more would be 217 */
	    {"ab", 70, "\xf0\x9f\x99\x82", 216},  /* 212 + 4 */
	    {"abc", 70, "\xf0\x9f\x99\x82", 213}, /* 213, and 4 more would be 217 */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[KEY_MAX + 1], name[NAME_ROOM];
		struct key k;
		size_t n = strlen(cases[i].first);
		memcpy(text, cases[i].first, n);
		fill(text + n, "/", cases[i].slashes);
		n += cases[i].slashes;
		fill(text + n, cases[i].character, 48);
		k = string_key(text);
		check_name(&k, name);
		assert_memory_equal(name + cases[i].head, "%~", 2);
		assert_int_equal(strlen(name), cases[i].head + 34 + 5);
	}
}

static void
name_of_key__longest_keys(void **state)
{
	static const char *const units[] = {"/", "%", ".", "=", "\x01", "\x7f", "a", "\xc3\xa9",
	    "\xe2\x82\xac", "\xf0\x9f\x99\x82", "\xff"};
	char text[KEY_MAX + 1], name[NAME_ROOM];

	(void)state;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		for (size_t len = 60; len <= 127; len++) {
			struct key k;
			fill(text, units[i], len);
			k = string_key(text);
			check_name(&k, name);
		}
	}
	/* 127 bytes of a two-byte character fit */
	fill(text, "\xc3\xa9", 126);
	{
		struct key k = string_key(text);
		check_name(&k, name);
		assert_int_equal(strlen(name), 126 + 5);
	}
}

/* Arrays and binaries whose JSON is too long for a name. */
static void
name_of_key__long_keys_of_other_types(void **state)
{
	char name[NAME_ROOM], json[1024];
	struct key k = {0};
	uint8_t bytes[120];
	int depth = 0;

	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(key_put_binary(&k, 0, bytes, sizeof(bytes)), ERR_OK);
	check_name(&k, name);
	assert_non_null(strstr(name, "%~"));
	memset(bytes, 0x55, sizeof(bytes));
	k.len = 0;
	assert_int_equal(key_put_binary(&k, 0, bytes, sizeof(bytes)), ERR_OK);
	check_name(&k, name);
	assert_null(strstr(name, "%~"));
	memset(bytes, 0x01, sizeof(bytes));
	k.len = 0;
	assert_int_equal(key_array_begin(&k, &depth), ERR_OK);
	assert_int_equal(key_put_bool(&k, depth, true), ERR_OK);
	assert_int_equal(key_put_string(&k, depth, bytes, 120), ERR_OK);
	assert_int_equal(key_array_end(&k, &depth), ERR_OK);
	check_name(&k, name);
	assert_non_null(strstr(name, "%~"));
	{
		struct key prefix;
		bool cut = false;
		assert_int_equal(name_to_key(name, &prefix, &cut), ERR_OK);
		assert_true(cut);
		/* 'A', "Bt" 00, 'S' and the characters of which the whole escape is in the name */
		assert_in_range(prefix.len, 5 + 30, 5 + 40);
	}
	snprintf(json, sizeof(json), "[%s]",
	    "true,true,true,true,true,true,true,true,true,true,true,"
	    "true,true,true,true,true,true,true,true,true,true,true,"
	    "false,false,false,false,false,false,false,false,false,"
	    "false,false,false,false,false,false,false,false,false");
	k = json_key(json);
	check_name(&k, name);
}

static void
name_of_key__refuses_what_is_no_key(void **state)
{
	struct key bad[] = {{0}, {.len = 1, .bytes = "X"}, {.len = 4, .bytes = "Sa\0b"},
	    {.len = 4, .bytes = "AS\xff"}};
	char name[NAME_ROOM];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(name_of_key(&bad[i], name), ERR_CORRUPT);
}

/* Every other spelling of a name is no name. */
static void
name_to_key__one_spelling_only(void **state)
{
	static const char *const cases[] = {"", "a", ".json", "a.JSON", "a.jso", "a.json ",
	    "..json", ".a.json", "=.json", "%%.json", "%2.json", "%2f.json", "%2g.json", "a%.json",
	    "a%2.json", "%61.json", "%C3%A9.json", "caf\xc3.json", "\xff.json", "a/b.json",
	    "a\nb.json", "a%2Eb.json", "a%3Db.json", "%00.json", "a%00.json", "=01.json",
	    "=1.0.json", "=1e0.json", "=+1.json", "=-0.json", "=-0.0.json", "= 1.json", "=1 .json",
	    "=null.json", "={}.json", "=\"a\".json", "=[1, 2].json", "=[\"\\u0041\"].json",
	    "=[\"%FF\"].json", "=[\"\\/\"].json", "=[1,].json", "=[null].json", "=%31.json",
	    "={\"$reql_type$\":\"BINARY\",\"data\":\"eHg\"}.json",
	    "={\"$reql_type$\":\"TIME\",\"epoch_time\":1,\"timezone\":\"+02:00\"}.json", "%~.json",
	    "a%~47dd7d1a4e44f8d4fcbbd9c7ab1a0b46.json", "%~47dd7d1a4e44f8d4fcbbd9c7ab1a0b46.json",
	    "%~%~47dd7d1a4e44f8d4fcbbd9c7ab1a0b46.json", "%25%.json"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct key k = {.len = 77};
		bool cut = true;
		int rc = name_to_key(cases[i], &k, &cut);
		if (rc != ERR_ABSENT)
			print_error("%s gives %d\n", cases[i], rc);
		assert_int_equal(rc, ERR_ABSENT);
		assert_int_equal(k.len, 77);
		assert_true(cut);
	}
}

/* A cut name has to look as name_of_key makes it. */
static void
name_to_key__cut_names(void **state)
{
	char good[NAME_ROOM], bad[NAME_ROOM + 16], text[KEY_MAX + 1];
	struct key k, back;
	bool cut = false;

	(void)state;
	fill(text, "/", 127);
	k = string_key(text);
	assert_int_equal(name_of_key(&k, good), ERR_OK);
	assert_int_equal(name_to_key(good, &back, &cut), ERR_OK);
	assert_true(cut);
	assert_int_equal(back.len, 73);
	/* the digest is not looked at here, its digits are */
	strcpy(bad, good);
	bad[249] = bad[249] == '0' ? '1' : '0';
	assert_int_equal(name_to_key(bad, &back, &cut), ERR_OK);
	bad[249] = 'A';
	assert_int_equal(name_to_key(bad, &back, &cut), ERR_ABSENT);
	bad[249] = 'g';
	assert_int_equal(name_to_key(bad, &back, &cut), ERR_ABSENT);
	/* a head that could be longer: the last slash is missing, then three units of one byte */
	snprintf(bad, sizeof(bad), "%.210s%s", good, good + 216);
	assert_int_equal(name_to_key(bad, &back, &cut), ERR_ABSENT);
	snprintf(bad, sizeof(bad), "%.210sab%s", good, good + 216);
	assert_int_equal(name_to_key(bad, &back, &cut), ERR_ABSENT);
	snprintf(bad, sizeof(bad), "%.210sabc%s", good, good + 216);
	assert_int_equal(name_to_key(bad, &back, &cut), ERR_OK);
	/* one that is too long */
	snprintf(bad, sizeof(bad), "%.216sa%s", good, good + 216);
	assert_int_equal(name_to_key(bad, &back, &cut), ERR_ABSENT);
	/* another spelling in the head */
	strcpy(bad, good);
	memcpy(bad + 210, "%41", 3);
	assert_int_equal(name_to_key(bad, &back, &cut), ERR_ABSENT);
	strcpy(bad, good);
	memcpy(bad + 210, "%2f", 3);
	assert_int_equal(name_to_key(bad, &back, &cut), ERR_ABSENT);
	/* JSON that begins no key */
	strcpy(bad, good);
	memcpy(bad, "=[x", 3);
	assert_int_equal(name_to_key(bad, &back, &cut), ERR_ABSENT);
}

static void
name_is_scratch__rules(void **state)
{
	static const char *const scratch[] = {".", "..", ".json", ".a.json", ".a.json.Xy12zQ",
	    ".a.json.swp", ".a.json.swx", "4913", "a.json~", "a~", "sedAbC123", "a.json.tmp",
	    "a.swp", "", ".~tmp~", "a", "a.txt", "#a.json#", "a.json.part", "a.JSON"};
	static const char *const documents[] = {"a.json", "=1.json", "%.json", "%2Ea.json",
	    "4913.json", "whatever I call it.json", "a~.json"};

	(void)state;
	for (size_t i = 0; i < sizeof(scratch) / sizeof(scratch[0]); i++)
		assert_true(name_is_scratch(scratch[i]));
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++)
		assert_false(name_is_scratch(documents[i]));
}

/* Every key that the server was given for its strangeness has a name of its own. */
static void
name_of_key__all_strange_keys(void **state)
{
	static char names[64][NAME_ROOM];
	struct buf file = {0};
	size_t n = 0;
	uint8_t *newline;

	(void)state;
	test_read_file(test_data("wire/shop.keys.jsonl"), &file);
	for (uint8_t *p = file.data; p < file.data + file.len; p = newline + 1) {
		struct key k = {0};
		struct err e = {0};
		newline = memchr(p, '\n', (size_t)(file.data + file.len - p));
		assert_non_null(newline);
		assert_err(jsonkey_of(p, (size_t)(newline - p), "id", &k, &e), ERR_OK, &e);
		assert_in_range(n, 0, 63);
		check_name(&k, names[n]);
		for (size_t i = 0; i < n; i++)
			assert_string_not_equal(names[i], names[n]);
		n++;
	}
	assert_int_equal(n, 52);
	buf_finish(&file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(name_of_key__strings),
	    cmocka_unit_test(name_of_key__other_types),
	    cmocka_unit_test(name_of_key__cut_at_the_limit),
	    cmocka_unit_test(name_of_key__cut_at_whole_characters),
	    cmocka_unit_test(name_of_key__longest_keys),
	    cmocka_unit_test(name_of_key__long_keys_of_other_types),
	    cmocka_unit_test(name_of_key__refuses_what_is_no_key),
	    cmocka_unit_test(name_to_key__one_spelling_only),
	    cmocka_unit_test(name_to_key__cut_names),
	    cmocka_unit_test(name_is_scratch__rules),
	    cmocka_unit_test(name_of_key__all_strange_keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
