/*
 * Stopping a process at any of its calls that change files: for one test file that includes this
 * before anything else.
 */
#ifndef THINKBACK_TESTS_STOP_H
#define THINKBACK_TESTS_STOP_H

/* libc must not inline what is defined here in its place. */
#undef _FORTIFY_SOURCE

#include "tests/support/history.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOPPED 77 /* exit status of a process that was stopped */

/*
 * The calls that change files are defined here and take the place of libc's: the process ends at
 * the one that is chosen, before it is carried out. Syncs, which take most of the time, do nothing
 * else: this is about processes that are killed.
 */
static unsigned stop_at; /* calls until the end, 1 for the next one; 0: never */

static void
stop_here(void)
{
	if (stop_at != 0 && --stop_at == 0)
		_exit(STOPPED);
}

int
fsync(int fd)
{
	(void)fd;
	stop_here();
	return 0;
}

int
fdatasync(int fd)
{
	(void)fd;
	stop_here();
	return 0;
}

ssize_t
write(int fd, const void *data, size_t len)
{
	stop_here();
	return syscall(SYS_write, fd, data, len);
}

ssize_t
pwrite64(int fd, const void *data, size_t len, off_t off)
{
	stop_here();
	return syscall(SYS_pwrite64, fd, data, len, off);
}

int
renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	stop_here();
	return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
}

int
renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	stop_here();
	return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

int
unlinkat(int fd, const char *name, int flags)
{
	stop_here();
	return (int)syscall(SYS_unlinkat, fd, name, flags);
}

/* Carry out ${run} in a process that ends at its ${n}th call. Whether it was cut off. */
static bool
stop_in(struct history *h, void (*run)(struct history *h), unsigned n)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		stop_at = n;
		run(h);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == STOPPED);
	return WEXITSTATUS(status) == STOPPED;
}

#endif
