/* Store keys: the server's bytes, their order, and bytes that are no key. */
#include "tests/support/test.h"

#include "catalog/key.h"

#include <math.h>
#include <string.h>

static void
assert_key(const struct key *k, const void *bytes, size_t len)
{
	assert_int_equal(k->len, len);
	assert_memory_equal(k->bytes, bytes, len);
	assert_true(key_valid(k));
}

static struct key
number(double v)
{
	struct key k = {0};

	assert_int_equal(key_put_number(&k, 0, v), ERR_OK);
	return k;
}

static struct key
raw(const void *bytes, size_t len)
{
	struct key k = {.len = (uint8_t)len};

	memcpy(k.bytes, bytes, len);
	return k;
}

/* ---- encoding -----------------------------------------------------------------------------------
 */

static void
key_put__scalars(void **state)
{
	struct key k = {0};

	(void)state;
	assert_int_equal(key_put_string(&k, 0, "SKU-1", 5), ERR_OK);
	assert_key(&k, "SSKU-1", 6);
	k.len = 0;
	assert_int_equal(key_put_string(&k, 0, "", 0), ERR_OK);
	assert_key(&k, "S", 1);
	k.len = 0;
	assert_int_equal(key_put_bool(&k, 0, true), ERR_OK);
	assert_key(&k, "Bt", 2);
	k.len = 0;
	assert_int_equal(key_put_bool(&k, 0, false), ERR_OK);
	assert_key(&k, "Bf", 2);
	k.len = 0;
	assert_int_equal(key_put_binary(&k, 0, "a\0\x01\x02\xff", 5), ERR_OK);
	assert_key(&k, "PBINARY:a\x01\x01\x01\x02\x02\xff", 15);
	k.len = 0;
	assert_int_equal(key_put_time(&k, 0, 1763400000.125), ERR_OK);
	assert_key(&k, "PTIME:Nc1da46d650080000#1763400000.125", 38);
}

static void
key_put__numbers(void **state)
{
	static const struct {
		double number;
		const char *bytes;
	} cases[] = {
	    {0, "N8000000000000000#0"},
	    {-0.0, "N8000000000000000#0"},
	    {1, "Nbff0000000000000#1"},
	    {-1, "N400fffffffffffff#-1"},
	    {1.5, "Nbff8000000000000#1.5"},
	    {0.1, "Nbfb999999999999a#0.10000000000000000555"},
	    {9007199254740992.0, "Nc340000000000000#9007199254740992"},
	    {1e21, "Nc44b1ae4d6e2ef50#1e+21"},
	    {5e-324, "N8000000000000001#4.9406564584124654418e-324"},
	    {-1.7976931348623157e308, "N0010000000000000#-1.7976931348623157081e+308"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct key k = number(cases[i].number);
		assert_key(&k, cases[i].bytes, strlen(cases[i].bytes));
	}
}

static void
key_put__arrays(void **state)
{
	struct key k = {0};
	int depth = 0;

	(void)state;
	assert_int_equal(key_array_begin(&k, &depth), ERR_OK);
	assert_int_equal(key_array_end(&k, &depth), ERR_OK);
	assert_key(&k, "A", 1);
	/* ["a",[true,[]],"b"] */
	k.len = 0;
	assert_int_equal(key_array_begin(&k, &depth), ERR_OK);
	assert_int_equal(key_put_string(&k, depth, "a", 1), ERR_OK);
	assert_int_equal(key_array_begin(&k, &depth), ERR_OK);
	assert_int_equal(key_put_bool(&k, depth, true), ERR_OK);
	assert_int_equal(key_array_begin(&k, &depth), ERR_OK);
	assert_int_equal(depth, 3);
	assert_int_equal(key_array_end(&k, &depth), ERR_OK);
	assert_int_equal(key_array_end(&k, &depth), ERR_OK);
	assert_int_equal(key_put_string(&k, depth, "b", 1), ERR_OK);
	assert_int_equal(key_array_end(&k, &depth), ERR_OK);
	assert_int_equal(depth, 0);
	assert_key(&k, "ASa\0ABt\0A\0\0Sb\0", 14);
}

static void
key_put__limits(void **state)
{
	struct key k = {0};
	char text[KEY_MAX];
	int depth = 0;

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(key_put_string(&k, 0, text, 127), ERR_OK);
	assert_int_equal(k.len, KEY_MAX);
	assert_true(key_valid(&k));
	k.len = 0;
	assert_int_equal(key_put_string(&k, 0, text, 128), ERR_LIMIT);
	k.len = 0;
	assert_int_equal(key_put_binary(&k, 0, text, 120), ERR_OK);
	k.len = 0;
	assert_int_equal(key_put_binary(&k, 0, text, 121), ERR_LIMIT);
	memset(text, '\0', sizeof(text));
	k.len = 0;
	assert_int_equal(key_put_binary(&k, 0, text, 60), ERR_OK);
	assert_true(key_valid(&k));
	k.len = 0;
	assert_int_equal(key_put_binary(&k, 0, text, 61), ERR_LIMIT);
	/* inside an array the end of an item needs room, too */
	k.len = 0;
	memset(text, 'x', sizeof(text));
	assert_int_equal(key_array_begin(&k, &depth), ERR_OK);
	assert_int_equal(key_put_string(&k, depth, text, 126), ERR_LIMIT);
}

static void
key_put__refuses(void **state)
{
	struct key k = {0};

	(void)state;
	assert_int_equal(key_put_string(&k, 0, "a\0b", 3), ERR_KEY);
	k.len = 0;
	assert_int_equal(key_put_number(&k, 0, (double)INFINITY), ERR_KEY);
	k.len = 0;
	assert_int_equal(key_put_number(&k, 0, (double)NAN), ERR_KEY);
	k.len = 0;
	assert_int_equal(key_put_time(&k, 0, -(double)INFINITY), ERR_KEY);
}

static void
key_array_begin__depth_limit(void **state)
{
	struct key k = {0};
	int depth = 0;

	(void)state;
	for (int i = 0; i < KEY_DEPTH; i++)
		assert_int_equal(key_array_begin(&k, &depth), ERR_OK);
	assert_int_equal(key_array_begin(&k, &depth), ERR_LIMIT);
	assert_int_equal(depth, KEY_DEPTH);
	while (depth > 0)
		assert_int_equal(key_array_end(&k, &depth), ERR_OK);
	assert_int_equal(k.len, 2 * KEY_DEPTH - 1);
	assert_true(key_valid(&k));
}

/* ---- order --------------------------------------------------------------------------------------
 */

static void
key_compare__number_order(void **state)
{
	static const double ordered[] = {-1.7976931348623157e308, -1e300, -2, -1, -0.5, -5e-324, 0,
	    5e-324, 2.2250738585072014e-308, 0.1, 0.5, 1, 1.5, 2, 10, 1e21, 1.7976931348623157e308};

	(void)state;
	for (size_t i = 0; i < sizeof(ordered) / sizeof(ordered[0]); i++) {
		for (size_t j = 0; j < sizeof(ordered) / sizeof(ordered[0]); j++) {
			struct key a = number(ordered[i]), b = number(ordered[j]);
			int order = key_compare(&a, &b);
			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
	}
}

static void
key_compare__type_and_length_order(void **state)
{
	struct key ordered[] = {raw("", 0), raw("A", 1), raw("ABf\0", 4), raw("ABf\0Bf\0", 7),
	    raw("Bf", 2), raw("Bt", 2), number(-1), number(3), raw("PBINARY:", 8),
	    raw("PTIME:N8000000000000000#0", 25), raw("S", 1), raw("Sa", 2), raw("Sab", 3),
	    raw("Sb", 2), raw("S\xff", 2)};
	size_t n = sizeof(ordered) / sizeof(ordered[0]);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < n; j++) {
			int order = key_compare(&ordered[i], &ordered[j]);
			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
	}
}

/* ---- decoding -----------------------------------------------------------------------------------
 */

static void
key_next__walks(void **state)
{
	struct key k = {0};
	struct key_walk walk = {0};
	struct key_item item;
	int depth = 0;

	(void)state;
	assert_int_equal(key_array_begin(&k, &depth), ERR_OK);
	assert_int_equal(key_put_number(&k, depth, -2.25), ERR_OK);
	assert_int_equal(key_array_begin(&k, &depth), ERR_OK);
	assert_int_equal(key_put_binary(&k, depth, "\0\x01z", 3), ERR_OK);
	assert_int_equal(key_array_end(&k, &depth), ERR_OK);
	assert_int_equal(key_put_time(&k, depth, 1.5), ERR_OK);
	assert_int_equal(key_put_string(&k, depth, "", 0), ERR_OK);
	assert_int_equal(key_put_bool(&k, depth, true), ERR_OK);
	assert_int_equal(key_array_end(&k, &depth), ERR_OK);

	assert_int_equal(key_next(&k, &walk, &item), ERR_OK);
	assert_int_equal(item.type, KEY_ARRAY_BEGIN);
	assert_int_equal(key_next(&k, &walk, &item), ERR_OK);
	assert_int_equal(item.type, KEY_NUMBER);
	assert_true(item.number == -2.25);
	assert_int_equal(key_next(&k, &walk, &item), ERR_OK);
	assert_int_equal(item.type, KEY_ARRAY_BEGIN);
	assert_int_equal(key_next(&k, &walk, &item), ERR_OK);
	assert_int_equal(item.type, KEY_BINARY);
	assert_int_equal(item.len, 3);
	assert_memory_equal(item.bytes, "\0\x01z", 3);
	assert_int_equal(key_next(&k, &walk, &item), ERR_OK);
	assert_int_equal(item.type, KEY_ARRAY_END);
	assert_int_equal(key_next(&k, &walk, &item), ERR_OK);
	assert_int_equal(item.type, KEY_TIME);
	assert_true(item.number == 1.5);
	assert_int_equal(key_next(&k, &walk, &item), ERR_OK);
	assert_int_equal(item.type, KEY_STRING);
	assert_int_equal(item.len, 0);
	assert_int_equal(key_next(&k, &walk, &item), ERR_OK);
	assert_int_equal(item.type, KEY_BOOL);
	assert_true(item.truth);
	assert_int_equal(key_next(&k, &walk, &item), ERR_OK);
	assert_int_equal(item.type, KEY_ARRAY_END);
	assert_int_equal(key_next(&k, &walk, &item), ERR_END);
	assert_int_equal(key_next(&k, &walk, &item), ERR_END);
}

static void
key_valid__refuses(void **state)
{
#define BYTES(s)                                                                                   \
	{                                                                                          \
		s, sizeof(s) - 1                                                                   \
	}
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
	    BYTES(""),
	    BYTES("X"),
	    BYTES("@"),
	    BYTES("["),
	    BYTES("B"),
	    BYTES("Bx"),
	    BYTES("Btt"),
	    BYTES("Bt\0"),
	    BYTES("Sa\0b"),
	    BYTES("Sa\0"),
	    BYTES("N"),
	    BYTES("Nbff0000000000000"),
	    BYTES("Nbff0000000000000#"),
	    BYTES("Nbff0000000000000#2"),
	    BYTES("Nbff0000000000000#1.0"),
	    BYTES("Nbff0000000000000#1 "),
	    BYTES("NBFF0000000000000#1"),
	    BYTES("Nbff000000000000g#1"),
	    BYTES("N7fffffffffffffff#-0"), /* -0.0 is written as 0 */
	    BYTES("Nfff0000000000000#inf"),
	    BYTES("Nfff8000000000000#nan"),
	    BYTES("N0000000000000000#-nan"),
	    BYTES("P"),
	    BYTES("PBINARY"),
	    BYTES("PBINARY:\x01"),
	    BYTES("PBINARY:\x01\x03"),
	    BYTES("PBINARY:a\0"),
	    BYTES("PTIME:"),
	    BYTES("PTIME:1.5"),
	    BYTES("PGEOMETRY:x"),
	    BYTES("\0"),
	    BYTES("A\0"),
	    BYTES("ASa"),
	    BYTES("ASa\0\0"),
	    BYTES("AA"),
	    BYTES("AA\0\0"),
	    BYTES("ASa\0Sb"),
	};
#undef BYTES

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct key k = raw(cases[i].bytes, cases[i].len);
		if (key_valid(&k)) {
			print_error("case %zu is taken for a key\n", i);
			fail();
		}
	}
}

static void
key_valid__refuses_a_length_beyond_the_bytes(void **state)
{
	struct key k = {0};

	(void)state;
	memset(k.bytes, 'S', sizeof(k.bytes));
	k.len = KEY_MAX;
	assert_true(key_valid(&k));
	k.len = KEY_MAX + 1;
	assert_false(key_valid(&k));
}

static void
key_next__depth_limit(void **state)
{
	struct key k = {.len = KEY_DEPTH + 1};
	struct key_walk walk = {0};
	struct key_item item;

	(void)state;
	memset(k.bytes, 'A', KEY_DEPTH + 1);
	for (int i = 0; i < KEY_DEPTH; i++)
		assert_int_equal(key_next(&k, &walk, &item), ERR_OK);
	assert_int_equal(key_next(&k, &walk, &item), ERR_CORRUPT);
	assert_false(key_valid(&k));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(key_put__scalars),
	    cmocka_unit_test(key_put__numbers),
	    cmocka_unit_test(key_put__arrays),
	    cmocka_unit_test(key_put__limits),
	    cmocka_unit_test(key_put__refuses),
	    cmocka_unit_test(key_array_begin__depth_limit),
	    cmocka_unit_test(key_compare__number_order),
	    cmocka_unit_test(key_compare__type_and_length_order),
	    cmocka_unit_test(key_next__walks),
	    cmocka_unit_test(key_valid__refuses),
	    cmocka_unit_test(key_valid__refuses_a_length_beyond_the_bytes),
	    cmocka_unit_test(key_next__depth_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
