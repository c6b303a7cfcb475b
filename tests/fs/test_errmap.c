/* errno values: each code has one, and none says that something is absent that was not looked for.
 */
#include "tests/support/test.h"

#include "fs/errmap.h"

#include <errno.h>
#include <string.h>

#define LAST_CODE ERR_BUG /* the most negative */

static void
errmap_errno__every_code_has_one(void **state)
{
	int codes = 0;

	(void)state;
	for (int code = LAST_CODE; code <= ERR_ABSENT; code++) {
		int value = errmap_errno(code);
		assert_string_not_equal(err_str(code), "unknown error");
		if (code == ERR_OK || code == ERR_END)
			assert_int_equal(value, 0);
		else
			assert_true(value > 0);
		if (code != ERR_ABSENT)
			assert_int_not_equal(value, ENOENT);
		/* These have meanings of their own to the kernel or to mv. */
		assert_int_not_equal(value, ENOSYS);
		assert_int_not_equal(value, EXDEV);
		assert_int_not_equal(value, ENOTCONN);
		codes++;
	}
	assert_int_equal(codes, 23);
	/* The enum ends where this test believes. */
	assert_string_equal(err_str(LAST_CODE - 1), "unknown error");
	assert_string_equal(err_str(ERR_ABSENT + 1), "unknown error");
}

static void
errmap_errno__says_what_happened(void **state)
{
	const struct {
		int code;
		int want;
	} cases[] = {
	    {ERR_ABSENT, ENOENT},
	    {ERR_NOMEM, ENOMEM},
	    {ERR_IO, EIO},
	    {ERR_NOSPACE, ENOSPC},
	    {ERR_CORRUPT, EIO},
	    {ERR_FORMAT, EINVAL},
	    {ERR_KEY, EINVAL},
	    {ERR_LIMIT, EFBIG},
	    {ERR_EXISTS, EEXIST},
	    {ERR_BUSY, EBUSY},
	    {ERR_VERSION, EIO},
	    {ERR_READONLY, EROFS},
	    {ERR_DENIED, EACCES},
	    {12345, EIO},
	    {-12345, EIO},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(errmap_errno(cases[i].code), cases[i].want);
}

static void
errmap_answer__says_what_happened(void **state)
{
	const struct {
		enum errmap_answer answer;
		int want;
	} cases[] = {
	    {ERRMAP_NOT_PERMITTED, EPERM},
	    {ERRMAP_INVALID, EINVAL},
	    {ERRMAP_READONLY, EROFS},
	    {ERRMAP_CROSS, EXDEV},
	    {ERRMAP_NOT_DIRECTORY, ENOTDIR},
	    {ERRMAP_IS_DIRECTORY, EISDIR},
	    {ERRMAP_NOT_EMPTY, ENOTEMPTY},
	    {ERRMAP_ABSENT, ENOENT},
	    {ERRMAP_NAME_TOO_LONG, ENAMETOOLONG},
	    {ERRMAP_NOT_NEEDED, ENOSYS},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(errmap_answer(cases[i].answer), cases[i].want);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(errmap_errno__every_code_has_one),
	    cmocka_unit_test(errmap_errno__says_what_happened),
	    cmocka_unit_test(errmap_answer__says_what_happened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
