/* Inode numbers: every inode has one number of its own, every number at most one inode.
 * Promises: 6. */
#include "tests/support/test.h"

#include "fs/inode.h"

#include <stdlib.h>

#define LAST_A (((int64_t)1 << 50) - 1)
#define LAST_PACK (((int64_t)1 << 30) - 1)
#define LAST_KIND INODE_SCRATCH_DIR

/* Whether inodes of a kind have a b. */
static bool
has_b(enum inode_kind kind)
{
	switch (kind) {
	case INODE_SHARD:
	case INODE_LATEST:
	case INODE_DATE:
	case INODE_TABLE_JSON:
	case INODE_DOCUMENT:
	case INODE_RESTORE_STATE:
		return true;
	default:
		return false;
	}
}

static void
assert_round_trip(enum inode_kind kind, int64_t a, uint32_t b)
{
	struct inode in = {kind, a, b};
	uint64_t number = inode_pack(in);
	struct inode out;

	assert_int_not_equal(number, 0);
	assert_true(number <= INT64_MAX);
	assert_true(inode_unpack(number, &out));
	assert_int_equal(out.kind, kind);
	assert_int_equal(out.a, a);
	assert_int_equal(out.b, b);
}

static void
assert_no_number(enum inode_kind kind, int64_t a, uint32_t b)
{
	assert_int_equal(inode_pack((struct inode){kind, a, b}), 0);
}

static void
inode_pack__comes_back(void **state)
{
	(void)state;
	assert_round_trip(INODE_ROOT, 0, 0);
	for (int kind = INODE_DATABASE; kind <= LAST_KIND; kind++) {
		bool document = kind == INODE_DOCUMENT;
		int64_t a[] = {1, 2, 63, 64, 4096, document ? LAST_PACK : LAST_A};
		uint32_t b[] = {0, 1, 31, 63, document ? UINT32_MAX : 62};
		for (size_t i = 0; i < 6; i++)
			for (size_t k = 0; k < (has_b((enum inode_kind)kind) ? 5 : 1); k++)
				assert_round_trip((enum inode_kind)kind, a[i], b[k]);
	}
}

static void
inode_pack__refuses_what_has_no_room(void **state)
{
	(void)state;
	assert_no_number(INODE_ROOT, 1, 0);
	assert_no_number(INODE_ROOT, 0, 1);
	for (int kind = INODE_DATABASE; kind <= LAST_KIND; kind++) {
		enum inode_kind k = (enum inode_kind)kind;
		int64_t last = k == INODE_DOCUMENT ? LAST_PACK : LAST_A;
		assert_no_number(k, 0, 0);
		assert_no_number(k, -1, 0);
		assert_no_number(k, INT64_MIN, 0);
		assert_no_number(k, last + 1, 0);
		assert_no_number(k, INT64_MAX, 0);
		if (k != INODE_DOCUMENT)
			assert_no_number(k, 1, 64);
		if (!has_b(k))
			assert_no_number(k, 1, 1);
	}
	assert_no_number((enum inode_kind)(LAST_KIND + 1), 1, 0);
}

static int
compare_numbers(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
inode_pack__all_numbers_differ(void **state)
{
	static uint64_t numbers[200000];
	size_t n = 0;

	(void)state;
	numbers[n++] = inode_pack((struct inode){INODE_ROOT, 0, 0});
	for (int kind = INODE_DATABASE; kind <= LAST_KIND; kind++)
		for (int64_t a = 1; a <= 200; a++)
			for (uint32_t b = 0; b < (has_b((enum inode_kind)kind) ? 64 : 1); b++)
				numbers[n++] =
				    inode_pack((struct inode){(enum inode_kind)kind, a, b});
	qsort(numbers, n, sizeof(numbers[0]), compare_numbers);
	for (size_t i = 1; i < n; i++)
		assert_true(numbers[i - 1] != 0 && numbers[i - 1] < numbers[i]);
}

static void
inode_unpack__knows_only_numbers_that_were_given(void **state)
{
	const uint64_t none[] = {0, 2, 63, (uint64_t)1 << 63, UINT64_MAX,
	    ((uint64_t)1 << 62) | 5,                       /* pack 0 */
	    ((uint64_t)INODE_DATABASE << 56) | 1 << 6 | 1, /* a database with a b */
	    (uint64_t)INODE_TABLE << 56,                   /* table 0 */
	    ((uint64_t)INODE_DOCUMENT << 56) | 1 << 6,     /* a document in the other layout */
	    ((uint64_t)(LAST_KIND + 1) << 56) | 1 << 6};
	struct inode out = {INODE_DATE, 7, 8};

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_false(inode_unpack(none[i], &out));
	assert_int_equal(out.a, 7);
	assert_int_equal(out.b, 8);
}

static void
inode_unpack__any_number_is_one_inode_or_none(void **state)
{
	uint64_t x = 88172645463325252u;
	unsigned known = 0;

	(void)state;
	for (int i = 0; i < 1000000; i++) {
		struct inode out;
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		if (!inode_unpack(x, &out))
			continue;
		known++;
		assert_true(inode_pack(out) == x);
	}
	/* All numbers with bit 62 alone on top are documents. */
	assert_true(known > 200000);
}

static void
inode_pack__numbers_stay_what_they_are(void **state)
{
	(void)state;
	assert_int_equal(inode_pack((struct inode){INODE_ROOT, 0, 0}), INODE_ROOT_NUMBER);
	assert_true(inode_pack((struct inode){INODE_DOCUMENT, 5, 9}) == 0x4000000500000009u);
	assert_true(inode_pack((struct inode){INODE_TABLE, 3, 0}) == 0x02000000000000c0u);
	assert_true(inode_pack((struct inode){INODE_DATE, 3, 2}) == 0x05000000000000c2u);
	assert_true(inode_pack((struct inode){INODE_QUEUED, 1, 0}) == 0x0a00000000000040u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(inode_pack__comes_back),
	    cmocka_unit_test(inode_pack__refuses_what_has_no_room),
	    cmocka_unit_test(inode_pack__all_numbers_differ),
	    cmocka_unit_test(inode_pack__numbers_stay_what_they_are),
	    cmocka_unit_test(inode_unpack__knows_only_numbers_that_were_given),
	    cmocka_unit_test(inode_unpack__any_number_is_one_inode_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
