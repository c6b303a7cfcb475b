/*
 * Writing and reading packs when the system fails: each system call and each allocation of an
 * operation fails once, in turn. It must be reported, leave nothing behind and lose no memory.
 *
 * The functions of libc that are used are defined here and so take the place of the real ones.
 */
/* libc must not inline what is defined here in its place. */
#undef _FORTIFY_SOURCE

#include "snapshot/store/pack.h"

#include "tests/support/packs.h"
#include "tests/support/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Which call is to fail. */
static struct {
	bool on;           /* count at all */
	bool no_noreplace; /* the file system cannot rename without replacing */
	unsigned left;     /* calls until the one that fails; it is 1 for the next one */
	unsigned fired;    /* calls that have failed */
	int errnum;        /* with this reason */
} fault;

static bool
fault_now(void)
{
	if (!fault.on || fault.left == 0 || --fault.left > 0)
		return false;
	fault.fired++;
	errno = fault.errnum;
	return true;
}

static void
fault_arm(unsigned n, int errnum)
{
	fault.on = true;
	fault.left = n;
	fault.fired = 0;
	fault.errnum = errnum;
}

ssize_t
write(int fd, const void *data, size_t len)
{
	return fault_now() ? -1 : syscall(SYS_write, fd, data, len);
}

ssize_t
pread(int fd, void *data, size_t len, off_t off)
{
	return fault_now() ? -1 : syscall(SYS_pread64, fd, data, len, off);
}

int
fsync(int fd)
{
	return fault_now() ? -1 : (int)syscall(SYS_fsync, fd);
}

int
renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	if (fault.no_noreplace && flags != 0) {
		errno = EINVAL;
		return -1;
	}
	return fault_now() ? -1 : (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

int
renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return fault_now() ? -1 : (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
}

int
linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	return fault_now() ? -1 : (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
}

int
mkdirat(int fd, const char *name, mode_t mode)
{
	return fault_now() ? -1 : (int)syscall(SYS_mkdirat, fd, name, mode);
}

int
fchmod(int fd, mode_t mode)
{
	return fault_now() ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

int
fchmodat(int fd, const char *name, mode_t mode, int flags)
{
	(void)flags;
	return fault_now() ? -1 : (int)syscall(SYS_fchmodat, fd, name, mode);
}

int
openat(int fd, const char *name, int flags, ...)
{
	return fault_now() ? -1 : (int)syscall(SYS_openat, fd, name, flags, 0600);
}

/* The allocator: not with a sanitizer, which has one of its own (and finds leaks itself). */
#if !TEST_SANITIZED
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void __libc_free(void *p);

static struct {
	bool on;        /* count at all */
	unsigned left;  /* as in fault */
	unsigned fired; /* likewise */
	long alive;     /* pieces allocated and not freed while counting */
} memory;

static bool
memory_now(void)
{
	if (!memory.on || memory.left == 0 || --memory.left > 0)
		return false;
	memory.fired++;
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t size)
{
	void *p = memory_now() ? NULL : __libc_malloc(size);

	memory.alive += memory.on && p != NULL;
	return p;
}

void *
calloc(size_t n, size_t size)
{
	void *p = memory_now() ? NULL : __libc_calloc(n, size);

	memory.alive += memory.on && p != NULL;
	return p;
}

void *
realloc(void *old, size_t size)
{
	void *p = memory_now() ? NULL : __libc_realloc(old, size);

	memory.alive += memory.on && p != NULL && old == NULL;
	return p;
}

void
free(void *p)
{
	memory.alive -= memory.on && p != NULL;
	__libc_free(p);
}

/* OpenSSL does without some of its memory and keeps some for ever: it is left out. */
static void *
memory_openssl_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return __libc_malloc(size);
}

static void *
memory_openssl_realloc(void *old, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return __libc_realloc(old, size);
}

static void
memory_openssl_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	__libc_free(p);
}
#endif

/* ---- system calls ---- */

static const struct packs_plan plan = {.id = 1, .lines = 400, .most = 2000, .deleted = 9};

/* Write the pack of the plan; documents and keys are made beforehand. */
static int
fault_write(const struct packs *p, struct pack_totals *totals, struct err *e)
{
	static const uint8_t sum[DIGEST_LEN] = {1};
	struct pack_writer *w = NULL;
	struct buf document = {0};
	struct pack_meta meta;
	uint32_t ordinal;
	int rc;

	packs_meta(&plan, &meta);
	rc = pack_writer_create(p->fd, &meta, NULL, &w, e);
	for (uint32_t n = 0; rc == ERR_OK && n < plan.lines; n++) {
		const struct key key = packs_key(n);
		packs_document(&plan, n, &document);
		rc = packs_deleted(&plan, n)
			 ? pack_writer_delete(w, &key, e)
			 : pack_writer_put(w, &key, document.data, document.len, sum, &ordinal, e);
	}
	if (rc == ERR_OK)
		rc = pack_writer_commit(w, totals, e);
	else
		pack_writer_abort(w);
	buf_finish(&document);
	pack_meta_finish(&meta);
	return rc;
}

static unsigned
fault_files_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* Let the n-th call of a write fail, for all n. Return the number of calls. */
static unsigned
fault_sweep_write(const struct packs *p, int errnum, int want)
{
	struct pack_totals totals = {.bytes = 99};
	unsigned open_before = fault_files_open();

	for (unsigned n = 1;; n++) {
		struct err e = {0};
		int rc;
		fault_arm(n, errnum);
		rc = fault_write(p, &totals, &e);
		fault.on = false;
		if (fault.fired == 0) {
			assert_err(rc, ERR_OK, &e);
			assert_err(pack_remove(p->fd, plan.id, &e), ERR_OK, &e);
			return n - 1;
		}
		assert_err(rc, want, &e);
		assert_true(strlen(e.text) > 20);
		assert_int_equal(totals.bytes, 99);
		assert_int_equal(packs_files(p), 0);
		assert_int_equal(fault_files_open(), open_before);
	}
}

static void
pack_faults__disk_full(void **state)
{
	/* open, chmod, write, sync, mkdir, chmod, open, rename, sync, sync */
	assert_int_equal(fault_sweep_write(*state, ENOSPC, ERR_NOSPACE), 10);
}

static void
pack_faults__input_output_error(void **state)
{
	fault.no_noreplace = true;
	assert_in_range(fault_sweep_write(*state, EIO, ERR_IO), 10, 20);
	fault.no_noreplace = false;
}

/* Write the pack of the plan again, in place of the one that is there. */
static int
fault_write_again(const struct packs *p, struct pack_totals *totals, struct err *e)
{
	static const uint8_t sum[DIGEST_LEN] = {1};
	const struct key key = packs_key(0);
	struct pack_writer *w = NULL;
	struct pack_meta meta;
	uint32_t ordinal;
	int rc;

	packs_meta(&plan, &meta);
	rc = pack_writer_create(p->fd, &meta, NULL, &w, e);
	if (rc == ERR_OK)
		rc = pack_writer_skip(w, 7, e);
	if (rc == ERR_OK)
		rc = pack_writer_put(w, &key, "{}", 2, sum, &ordinal, e);
	if (rc == ERR_OK)
		rc = pack_writer_stage(w, totals, e);
	else
		pack_writer_abort(w);
	pack_meta_finish(&meta);
	return rc;
}

/* A pack that is written again is there as it was, or as it is now; nothing else is left. */
static void
pack_faults__written_again(void **state)
{
	struct packs *p = *state;
	struct pack_totals before, totals;
	struct pack *pack;
	unsigned open_before;

	packs_write(p, &plan, &before);
	open_before = fault_files_open();
	for (unsigned n = 1; n == 1 || fault.fired > 0; n++) {
		struct err e = {0};
		int rc;
		fault_arm(n, EIO);
		rc = fault_write_again(p, &totals, &e);
		fault.on = false;
		assert_err(rc, fault.fired > 0 ? ERR_IO : ERR_OK, &e);
		assert_int_equal(packs_files(p), fault.fired > 0 ? 2 : 3);
		assert_int_equal(fault_files_open(), open_before);
	}
	for (unsigned n = 1; n == 1 || fault.fired > 0; n++) {
		struct err e = {0};
		int rc;
		fault_arm(n, EIO);
		rc = pack_replace(p->fd, plan.id, &e);
		fault.on = false;
		assert_err(rc, fault.fired > 0 ? ERR_IO : ERR_OK, &e);
		assert_int_equal(fault_files_open(), open_before);
		assert_err(pack_open(p->fd, plan.id, &pack, &e), ERR_OK, &e);
		assert_true(pack_count(pack)->bytes == before.bytes ||
			    pack_count(pack)->bytes == totals.bytes);
		pack_close(pack);
	}
	/* Again there is nothing to do. */
	assert_err(pack_replace(p->fd, plan.id, NULL), ERR_OK, NULL);
	assert_err(pack_open(p->fd, plan.id, &pack, NULL), ERR_OK, NULL);
	assert_int_equal(pack_count(pack)->bytes, totals.bytes);
	assert_false(pack_is_stale(pack));
	assert_err(pack_remove(p->fd, plan.id, NULL), ERR_OK, NULL);
	assert_true(pack_is_stale(pack));
	pack_close(pack);
	assert_int_equal(packs_files(p), 1);
}

/* Without a rename that never replaces, a link does the same. */
static void
pack_faults__no_rename_noreplace(void **state)
{
	struct packs *p = *state;
	struct pack_totals totals;
	struct err e = {0};

	fault.no_noreplace = true;
	assert_err(fault_write(p, &totals, &e), ERR_OK, &e);
	assert_int_equal(packs_files(p), 2);
	assert_err(fault_write(p, &totals, &e), ERR_EXISTS, &e);
	assert_int_equal(packs_files(p), 2);
	fault.no_noreplace = false;
}

/* The real thing, at every size. */
static void
pack_faults__every_file_size(void **state)
{
	struct packs *p = *state;
	struct rlimit before, limit;
	struct pack_totals totals;
	struct err e = {0};
	int rc;

	signal(SIGXFSZ, SIG_IGN);
	assert_err(fault_write(p, &totals, &e), ERR_OK, &e);
	assert_err(pack_remove(p->fd, plan.id, &e), ERR_OK, &e);
	assert_int_equal(unlinkat(p->fd, "000000", AT_REMOVEDIR), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	for (uint64_t size = 0; size < totals.bytes; size += totals.bytes / 50) {
		struct pack_totals none = {.bytes = 99};
		limit = before;
		limit.rlim_cur = size;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		rc = fault_write(p, &none, &e);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
		assert_err(rc, ERR_NOSPACE, &e);
		assert_int_equal(none.bytes, 99);
		assert_int_equal(packs_files(p), 0);
	}
}

/* Something else stands where the subdirectory should be. */
static void
pack_faults__subdirectory_is_a_file(void **state)
{
	struct packs *p = *state;
	struct pack_totals totals;
	struct err e = {0};
	char path[4096];

	snprintf(path, sizeof(path), "%s/000000", p->dir);
	test_write_file(path, "x", 1);
	assert_true(fault_write(p, &totals, &e) != ERR_OK);
	assert_non_null(strstr(e.text, "packs/000000"));
	assert_int_equal(packs_files(p), 1);
}

/* Open the pack, read one frame and one line. */
static int
fault_read(const struct packs *p, struct err *e)
{
	struct pack_reader *r = pack_reader_create();
	struct pack *pack = NULL;
	struct buf frame = {0};
	struct pack_entry entry;
	uint32_t first;
	int rc = r != NULL ? pack_open(p->fd, plan.id, &pack, e) : err_nomem(e);

	if (rc == ERR_OK)
		rc = pack_frame_read(pack, r, NULL, 1, &frame, &first, e);
	if (rc == ERR_OK)
		rc = pack_entry_of(pack, r, 200, &entry, e);
	if (rc == ERR_OK)
		rc = pack_verify(pack, e);
	buf_finish(&frame);
	pack_reader_free(r);
	pack_close(pack);
	return rc;
}

static void
pack_faults__reading(void **state)
{
	struct packs *p = *state;
	struct pack_totals totals;
	unsigned open_before;

	packs_write(p, &plan, &totals);
	open_before = fault_files_open();
	for (unsigned n = 1;; n++) {
		struct err e = {0};
		int rc;
		fault_arm(n, EIO);
		rc = fault_read(p, &e);
		fault.on = false;
		assert_int_equal(fault_files_open(), open_before);
		if (fault.fired == 0) {
			assert_err(rc, ERR_OK, &e);
			assert_true(n > 8);
			break;
		}
		assert_err(rc, ERR_IO, &e);
		assert_non_null(strstr(e.text, "pack 0000000000000001"));
	}
}

/* ---- memory ---- */

#if !TEST_SANITIZED
/* Let the n-th allocation of ${run} fail, for all n; there must be more than ${least}. */
static void
memory_sweep(
    const struct packs *p, int (*run)(const struct packs *p, struct err *e), unsigned least)
{
	for (unsigned n = 1;; n++) {
		struct err e = {0};
		int rc;
		memory.left = n;
		memory.fired = 0;
		memory.alive = 0;
		memory.on = true;
		rc = run(p, &e);
		memory.on = false;
		assert_int_equal(memory.alive, 0);
		if (memory.fired == 0) {
			assert_err(rc, ERR_OK, &e);
			assert_true(n > least);
			return;
		}
		assert_err(rc, ERR_NOMEM, &e);
	}
}

static int
memory_write(const struct packs *p, struct err *e)
{
	static const uint8_t sum[DIGEST_LEN] = {1};
	struct pack_meta meta = {.pack_id = 7, .shards = 1};
	struct pack_writer *w = NULL;
	struct pack_totals totals;
	uint32_t ordinal;
	int rc;

	meta.dictionary_id = dictionary_id(p->dict);
	rc = pack_writer_create(p->fd, &meta, p->dict, &w, e);
	for (uint32_t n = 0; rc == ERR_OK && n < 2000; n++) {
		static const uint8_t document[100] = {1};
		const struct key key = packs_key(n);
		rc = pack_writer_put(w, &key, document, sizeof(document), sum, &ordinal, e);
	}
	if (rc != ERR_OK)
		pack_writer_abort(w);
	else
		rc = pack_writer_commit(w, &totals, e);
	if (rc == ERR_OK)
		rc = pack_remove(p->fd, meta.pack_id, e);
	return rc;
}

static void
pack_faults__no_memory_to_write(void **state)
{
	memory_sweep(*state, memory_write, 20);
}

static void
pack_faults__no_memory_to_read(void **state)
{
	struct pack_totals totals;

	packs_write(*state, &plan, &totals);
	memory_sweep(*state, fault_read, 20);
}

static int
memory_dictionary(const struct packs *p, struct err *e)
{
	struct dictionary *d;
	struct buf bytes = {0};
	int rc = dictionary_load(p->fd, PACKS_DICTIONARY, NULL, &bytes, e);

	if (rc == ERR_OK)
		rc = dictionary_create(9, bytes.data, bytes.len, &d, e);
	if (rc == ERR_OK) {
		dictionary_free(d);
		rc = dictionary_save(p->fd, 9, 1, bytes.data, bytes.len, e);
	}
	if (rc == ERR_OK)
		rc = dictionary_remove(p->fd, 9, e);
	buf_finish(&bytes);
	return rc;
}

static void
pack_faults__no_memory_for_a_dictionary(void **state)
{
	packs_dictionary(*state);
	memory_sweep(*state, memory_dictionary, 10);
}
#endif

#define FAULT_TEST(f) cmocka_unit_test_setup_teardown(f, packs_setup, packs_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FAULT_TEST(pack_faults__disk_full),
		FAULT_TEST(pack_faults__input_output_error),
		FAULT_TEST(pack_faults__no_rename_noreplace),
		FAULT_TEST(pack_faults__written_again),
		FAULT_TEST(pack_faults__every_file_size),
		FAULT_TEST(pack_faults__subdirectory_is_a_file),
		FAULT_TEST(pack_faults__reading),
#if !TEST_SANITIZED
		FAULT_TEST(pack_faults__no_memory_to_write),
		FAULT_TEST(pack_faults__no_memory_to_read),
		FAULT_TEST(pack_faults__no_memory_for_a_dictionary),
#endif
	};

#if !TEST_SANITIZED
	if (CRYPTO_set_mem_functions(
		memory_openssl_malloc, memory_openssl_realloc, memory_openssl_free) != 1)
		return 1;
#endif
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
