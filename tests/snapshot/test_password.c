/*
 * Passwords: which bytes of a file are one, and that a process that has read
 * one leaves no core dump with it.
 * Promises: 8.
 */
#include "tests/support/test.h"

#include "snapshot/cmd_password.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
	char *dir;
	char path[400];
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->dir = test_dir();
	snprintf(f->path, sizeof(f->path), "%s/password", f->dir);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	test_dir_remove(f->dir);
	free(f);
	return 0;
}

/* Run ${body} in a child, which changes what holds for the whole process; it returns 0. */
static void
in_child(struct fixture *f, int (*body)(struct fixture *f))
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(body(f));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define NEED(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond))                                                                       \
			return __LINE__ & 0x7f;                                                    \
	} while (0)

static int
body_lines(struct fixture *f)
{
	static const struct {
		const char *file, *password;
	} cases[] = {{"", ""}, {"\n", ""}, {"\r\n", ""}, {"secret", "secret"},
	    {"secret\n", "secret"}, {"secret\r\nsecond line\n", "secret"},
	    {" with blanks \n", " with blanks "}, {"\xff\x01\n", "\xff\x01"}};
	struct buf out = {0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		test_write_file(f->path, cases[i].file, strlen(cases[i].file));
		NEED(cmd_password_file(f->path, &out, NULL) == ERR_OK);
		NEED(out.len == strlen(cases[i].password));
		NEED(out.len == 0 || memcmp(out.data, cases[i].password, out.len) == 0);
	}
	cmd_password_forget(&out);
	return 0;
}

static void
password__is_the_first_line(void **state)
{
	in_child(*state, body_lines);
}

static int
body_limits(struct fixture *f)
{
	char text[4098];
	struct buf out = {0};
	struct err e = {0};

	memset(text, 'x', sizeof(text));
	text[4096] = '\n';
	test_write_file(f->path, text, sizeof(text));
	NEED(cmd_password_file(f->path, &out, &e) == ERR_OK && out.len == 4096);
	text[4096] = 'x';
	test_write_file(f->path, text, sizeof(text));
	NEED(cmd_password_file(f->path, &out, &e) == ERR_LIMIT);
	NEED(strstr(e.text, "xxx") == NULL);
	NEED(unlink(f->path) == 0);
	NEED(cmd_password_file(f->path, &out, &e) != ERR_OK && strstr(e.text, f->path) != NULL);
	cmd_password_forget(&out);
	return 0;
}

static void
password__of_4096_bytes_at_most(void **state)
{
	in_child(*state, body_limits);
}

static int
body_forget(struct fixture *f)
{
	struct buf out = {0};

	test_write_file(f->path, "secret", 6);
	NEED(cmd_password_file(f->path, &out, NULL) == ERR_OK);
	cmd_password_forget(&out);
	NEED(out.data == NULL && out.len == 0);
	return 0;
}

static void
password__is_forgotten(void **state)
{
	in_child(*state, body_forget);
}

/* The kernel dumps no core of a process that is not dumpable, wherever dumps go. */
static int
body_core(struct fixture *f)
{
	struct rlimit most;
	struct buf out = {0};

	NEED(getrlimit(RLIMIT_CORE, &most) == 0);
	most.rlim_cur = most.rlim_max;
	NEED(setrlimit(RLIMIT_CORE, &most) == 0);
	test_write_file(f->path, "secret", 6);
	NEED(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1);
	NEED(cmd_password_file(f->path, &out, NULL) == ERR_OK);
	NEED(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	NEED(getrlimit(RLIMIT_CORE, &most) == 0 && most.rlim_cur == 0 && most.rlim_max == 0);
	/* Who is not root cannot have it back. */
	most.rlim_max = RLIM_INFINITY;
	NEED(geteuid() == 0 || setrlimit(RLIMIT_CORE, &most) != 0);
	cmd_password_forget(&out);
	return 0;
}

static void
password__is_in_no_core_dump(void **state)
{
	in_child(*state, body_core);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(password__is_the_first_line),
	    TEST(password__of_4096_bytes_at_most),
	    TEST(password__is_forgotten),
	    TEST(password__is_in_no_core_dump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
