/* What unit tests share: cmocka, domain assertions, temporary directories. */
#ifndef THINKBACK_TESTS_TEST_H
#define THINKBACK_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "catalog/base/buf.h"
#include "catalog/base/err.h"

/* Whether the tests are built with a sanitizer, which has an allocator and needs of its own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TEST_SANITIZED 1
#endif
#endif
#ifndef TEST_SANITIZED
#define TEST_SANITIZED 0
#endif

/* Fail unless ${rc} is ${want}, naming both codes and showing the text of ${e} (struct err *, or
 * NULL). */
#define assert_err(rc, want, e) test_assert_err((rc), (want), (e), __FILE__, __LINE__)

/* Fail unless ${len} bytes at ${data} are the string literal or C string ${want}. */
#define assert_text(data, len, want) test_assert_text((data), (len), (want), __FILE__, __LINE__)

void test_assert_err(int rc, int want, const struct err *e, const char *file, int line);
void test_assert_text(const void *data, size_t len, const char *want, const char *file, int line);

/* test_dir(): make an empty temporary directory; the path is to be given to test_dir_remove. */
char *test_dir(void);

/* test_dir_remove(path): remove it with all that is in it, and free ${path} (may be NULL). */
void test_dir_remove(char *path);

/* test_data(name): the absolute path of tests/data/${name}, in a static buffer. */
const char *test_data(const char *name);

/* test_read_file(path, out): append a whole file; fails the test when it cannot. */
void test_read_file(const char *path, struct buf *out);

/* test_write_file(path, data, len): write a whole file; fails the test when it cannot. */
void test_write_file(const char *path, const void *data, size_t len);

#endif
