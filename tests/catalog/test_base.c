/* The floor: errors, buffers, integers, numbers, dates, digests, files. */
#include "tests/support/test.h"

#include "catalog/base/bytes.h"
#include "catalog/base/date.h"
#include "catalog/base/digest.h"
#include "catalog/base/file.h"
#include "catalog/base/log.h"
#include "catalog/base/newfile.h"
#include "catalog/base/num.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void
err_set__keeps_one_clean_line(void **state)
{
	struct err e = {0};
	char longer[2 * ERR_TEXT_MAX];

	(void)state;
	assert_int_equal(err_set(&e, ERR_FORMAT, "bad \"%s\"", "a\nb\033[31m"), ERR_FORMAT);
	assert_string_equal(e.text, "bad \"a?b?[31m\"");
	err_prefix(&e, "file %d", 3);
	assert_string_equal(e.text, "file 3: bad \"a?b?[31m\"");
	assert_int_equal(e.code, ERR_FORMAT);
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	err_set(&e, ERR_IO, "%s", longer);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	assert_string_equal(e.text + ERR_TEXT_MAX - 4, "...");
	assert_int_equal(err_set(NULL, ERR_IO, "nobody listens"), ERR_IO);
}

static void
err_system__tells_absent_from_failed(void **state)
{
	struct err e = {0};

	(void)state;
	assert_int_equal(err_system(&e, ENOENT, "cannot open x"), ERR_ABSENT);
	assert_string_equal(e.text, "cannot open x: No such file or directory");
	assert_int_equal(err_system(&e, EIO, "x"), ERR_IO);
	assert_int_equal(err_system(&e, ENOSPC, "x"), ERR_NOSPACE);
	assert_int_equal(err_system(&e, EDQUOT, "x"), ERR_NOSPACE);
	assert_int_equal(err_system(&e, EACCES, "x"), ERR_DENIED);
	assert_int_equal(err_system(&e, EROFS, "x"), ERR_READONLY);
	assert_int_equal(err_system(NULL, EEXIST, "x"), ERR_EXISTS);
}

static void
err_str__knows_every_code(void **state)
{
	(void)state;
	for (int code = ERR_BUG; code <= ERR_ABSENT; code++)
		assert_string_not_equal(err_str(code), "unknown error");
	assert_string_equal(err_str(ERR_BUG - 1), "unknown error");
}

static void
buf__grows_and_refuses_to_wrap(void **state)
{
	struct buf b = {0};

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(buf_printf(&b, "%03d,", i), ERR_OK);
	assert_int_equal(b.len, 4000);
	assert_memory_equal(b.data + 3996, "999,", 4);
	assert_int_equal(buf_reserve(&b, SIZE_MAX), ERR_NOMEM);
	assert_int_equal(buf_reserve(&b, SIZE_MAX - 4000), ERR_NOMEM);
	assert_int_equal(b.len, 4000);
	buf_clear(&b);
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(buf_putc(&b, 'x'), ERR_OK);
	assert_int_equal(buf_append(&b, NULL, 0), ERR_OK);
	assert_string_equal(buf_str(&b), "x");
	buf_finish(&b);
	assert_null(b.data);
	buf_finish(NULL);
}

static void
bytes__are_little_endian_and_checked(void **state)
{
	uint8_t p[BYTES_VARINT_MAX];
	uint64_t out = 7;

	(void)state;
	bytes_put64(p, 0x0102030405060708);
	assert_int_equal(p[0], 8);
	assert_int_equal(p[7], 1);
	assert_true(bytes_get64(p) == 0x0102030405060708);
	assert_int_equal(bytes_get32(p), 0x05060708);
	assert_int_equal(bytes_get16(p), 0x0708);
	assert_false(bytes_add(UINT64_MAX, 1, &out));
	assert_false(bytes_mul(UINT64_MAX / 2, 3, &out));
	assert_int_equal(out, 7);
	assert_true(bytes_add(UINT64_MAX - 1, 1, &out));
	assert_true(out == UINT64_MAX);
}

static void
bytes__varint_round_trip_and_limits(void **state)
{
	static const uint64_t values[] = {0, 1, 127, 128, 300, UINT32_MAX, UINT64_MAX};
	static const uint8_t overlong[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2};
	uint8_t p[BYTES_VARINT_MAX];
	uint64_t out;

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		size_t n = bytes_put_varint(p, values[i]);
		assert_int_equal(bytes_get_varint(p, p + n, &out), n);
		assert_true(out == values[i]);
		assert_int_equal(bytes_get_varint(p, p + n - 1, &out), 0);
	}
	assert_int_equal(bytes_get_varint(overlong, overlong + sizeof(overlong), &out), 0);
}

static void
num_parse__takes_whole_numbers_only(void **state)
{
	uint64_t v = 9;

	(void)state;
	assert_int_equal(num_parse("42", 100, &v), ERR_OK);
	assert_true(v == 42);
	assert_int_equal(num_parse("", 100, &v), ERR_FORMAT);
	assert_int_equal(num_parse("-1", 100, &v), ERR_FORMAT);
	assert_int_equal(num_parse("4x", 100, &v), ERR_FORMAT);
	assert_int_equal(num_parse(" 4", 100, &v), ERR_FORMAT);
	assert_int_equal(num_parse("101", 100, &v), ERR_LIMIT);
	assert_int_equal(num_parse("18446744073709551616", UINT64_MAX, &v), ERR_LIMIT);
	assert_true(v == 42);
}

static void
num_size_text__is_for_people(void **state)
{
	char text[NUM_SIZE_TEXT];

	(void)state;
	assert_string_equal(num_size_text(0, text), "0 B");
	assert_string_equal(num_size_text(1023, text), "1023 B");
	assert_string_equal(num_size_text(1536, text), "1.5 KiB");
	assert_string_equal(num_size_text(UINT64_MAX, text), "16.0 EiB");
}

static void
date_name__round_trip(void **state)
{
	char name[DATE_NAME];
	int64_t date = 0;

	(void)state;
	assert_int_equal(date_name(1763434800, name), ERR_OK);
	assert_string_equal(name, "2025-11-18T03-00-00Z");
	assert_int_equal(date_from_name(name, strlen(name), &date), ERR_OK);
	assert_true(date == 1763434800);
	assert_int_equal(date_from_name("2025-02-30T03-00-00Z", 20, &date), ERR_FORMAT);
	assert_int_equal(date_from_name("2025-11-18T03:00:00Z", 20, &date), ERR_FORMAT);
	assert_int_equal(date_from_name("2025-11-18T24-00-00Z", 20, &date), ERR_FORMAT);
	assert_int_equal(date_from_name("2025-11-18T03-00-00", 19, &date), ERR_FORMAT);
	assert_int_equal(date_name(INT64_MAX, name), ERR_LIMIT);
	assert_string_equal(name, "");
}

static void
date_parse__takes_local_and_utc(void **state)
{
	int64_t utc = 0, local = 0;

	(void)state;
	setenv("TZ", "EST5", 1);
	tzset();
	assert_int_equal(date_parse("2025-11-18T03:00:00Z", &utc), ERR_OK);
	assert_int_equal(date_parse("2025-11-18T03:00:00", &local), ERR_OK);
	assert_true(local - utc == 5 * 3600);
	assert_int_equal(date_parse("2025-11-18 03:00:00", &utc), ERR_OK);
	assert_true(local == utc);
	assert_int_equal(date_from_local("2025-11-18T03:00:00", 19, &utc), ERR_OK);
	assert_true(local == utc);
	assert_int_equal(date_from_local("2025-11-18T03-00-00", 19, &utc), ERR_OK);
	assert_true(local == utc);
	assert_int_equal(date_parse("2025-11-18", &utc), ERR_OK);
	assert_true(local - utc == 3 * 3600);
	assert_int_equal(date_parse("@1763434800", &utc), ERR_OK);
	assert_true(utc == 1763434800);
	assert_int_equal(date_parse("yesterday", &utc), ERR_FORMAT);
	assert_int_equal(date_parse("2025-13-18", &utc), ERR_FORMAT);
	assert_int_equal(date_parse("2025-11-18T03:00:00+01:00", &utc), ERR_FORMAT);
	unsetenv("TZ");
	tzset();
}

static void
digest_document__is_sha256_cut_to_16_bytes(void **state)
{
	static const uint8_t abc[DIGEST_LEN] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
	    0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23};
	struct digest *d = digest_create();
	uint8_t out[DIGEST_LEN], full[DIGEST_FULL];

	(void)state;
	assert_int_equal(digest_document(d, "abc", 3, out), ERR_OK);
	assert_memory_equal(out, abc, DIGEST_LEN);
	assert_int_equal(digest_start(d), ERR_OK);
	assert_int_equal(digest_update(d, "a", 1), ERR_OK);
	assert_int_equal(digest_update(d, "bc", 2), ERR_OK);
	assert_int_equal(digest_final(d, full), ERR_OK);
	assert_memory_equal(full, abc, DIGEST_LEN);
	digest_free(d);
	digest_free(NULL);
}

/* What ${path} holds is ${want}, and its mode is 0600. */
static void
assert_holds(const char *path, const char *want)
{
	char got[64] = "";
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, got, sizeof(got) - 1), (ssize_t)strlen(want));
	assert_string_equal(got, want);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	close(fd);
}

/* How many names there are in ${dir}. */
static int
names_in(const char *dir)
{
	DIR *d = opendir(dir);
	int n = -2; /* . and .. */

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void
newfile__is_written_by_one_and_replaces_only_when_told(void **state)
{
	char *dir = test_dir();
	char path[300], other[400];
	struct newfile a, b;
	struct err e = {0};
	mode_t before = umask(0777);

	(void)state;
	snprintf(path, sizeof(path), "%s/new", dir);
	/* Somebody has a name for what was left under ours. */
	snprintf(other, sizeof(other), "%s.part-%ld", path, (long)getpid());
	assert_int_equal(symlink("/nowhere/victim", other), 0);
	assert_err(newfile_open(&a, path, &e), ERR_OK, &e);
	assert_err(newfile_open(&b, path, &e), ERR_OK, &e);
	umask(before);
	assert_string_not_equal(a.temp, b.temp);
	assert_err(file_write(a.fd, "one", 3, path, &e), ERR_OK, &e);
	assert_err(file_write(b.fd, "another", 7, path, &e), ERR_OK, &e);
	assert_int_equal(access(path, F_OK), -1);

	assert_err(newfile_place(&a, false, &e), ERR_OK, &e);
	newfile_close(&a);
	assert_holds(path, "one");
	assert_err(newfile_place(&b, false, &e), ERR_EXISTS, NULL);
	assert_holds(path, "one");
	assert_err(newfile_place(&b, true, &e), ERR_OK, &e);
	newfile_close(&b);
	assert_holds(path, "another");

	assert_err(newfile_open(&a, path, &e), ERR_OK, &e);
	newfile_close(&a);
	newfile_close(&a);
	assert_int_equal(unlink(other), 0);
	assert_int_equal(names_in(dir), 1);
	test_dir_remove(dir);
}

static void
file__reads_exactly_or_says_truncated(void **state)
{
	char *dir = test_dir();
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY);
	struct err e = {0};
	char out[8];
	size_t got;
	int fd;

	(void)state;
	assert_err(file_temp(dirfd, &fd, &e), ERR_OK, &e);
	assert_int_equal(rmdir(dir), 0);
	assert_err(file_write(fd, "hello", 5, "it", &e), ERR_OK, &e);
	assert_err(file_write_at(fd, "J", 1, 0, "it", &e), ERR_OK, &e);
	assert_err(file_read_at(fd, out, 5, 0, "it", &e), ERR_OK, &e);
	assert_memory_equal(out, "Jello", 5);
	assert_err(file_read_at(fd, out, 5, 2, "it", &e), ERR_TRUNCATED, NULL);
	assert_string_equal(e.text, "it ends at byte 5, before byte 7");
	assert_err(file_read_some(fd, out, 5, 2, &got, "it", &e), ERR_OK, &e);
	assert_int_equal(got, 3);
	assert_err(file_sync(fd, "it", &e), ERR_OK, &e);
	close(fd);
	assert_err(file_write(fd, "x", 1, "it", &e), ERR_IO, NULL);
	close(dirfd);
	free(dir);
}

static void
gather(void *arg, enum log_level level, const char *text)
{
	buf_printf(arg, "%d %s\n", (int)level, text);
}

static void
log_line__drops_what_is_over_the_level(void **state)
{
	struct buf out = {0};
	struct log log = {.line = gather, .arg = &out, .most = LOG_WARNING};

	(void)state;
	log_line(&log, LOG_ERROR, "one %d", 1);
	log_line(&log, LOG_NOTICE, "two");
	log_line(NULL, LOG_ERROR, "three");
	assert_text(out.data, out.len, "0 one 1\n");
	buf_finish(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(err_set__keeps_one_clean_line),
	    cmocka_unit_test(err_system__tells_absent_from_failed),
	    cmocka_unit_test(err_str__knows_every_code),
	    cmocka_unit_test(buf__grows_and_refuses_to_wrap),
	    cmocka_unit_test(bytes__are_little_endian_and_checked),
	    cmocka_unit_test(bytes__varint_round_trip_and_limits),
	    cmocka_unit_test(num_parse__takes_whole_numbers_only),
	    cmocka_unit_test(num_size_text__is_for_people),
	    cmocka_unit_test(date_name__round_trip),
	    cmocka_unit_test(date_parse__takes_local_and_utc),
	    cmocka_unit_test(digest_document__is_sha256_cut_to_16_bytes),
	    cmocka_unit_test(newfile__is_written_by_one_and_replaces_only_when_told),
	    cmocka_unit_test(file__reads_exactly_or_says_truncated),
	    cmocka_unit_test(log_line__drops_what_is_over_the_level),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
