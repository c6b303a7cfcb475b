/*
 * The sandbox: a process gives up what it does not need, for the rest of its life and for whatever
 * it starts, so that a fault in it reaches no further than its work. Linux has two means, and each
 * is used as far as the kernel has it: Landlock (landlock(7)) for files, and a filter of system
 * calls (seccomp(2)) for sockets, for starting programs and for all that only administrators need.
 * Descriptors that are open stay as they are.
 *
 * no_new_privs comes with it: programs with the set-user-ID bit (fusermount3) are of no use behind
 * it, and behind Landlock nothing can be mounted or unmounted.
 */
#ifndef THINKBACK_BASE_SANDBOX_H
#define THINKBACK_BASE_SANDBOX_H

#include "catalog/base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* What may be done to a path and, if it is a directory, to all below it; bits. */
enum sandbox_access {
	SANDBOX_READ = 1,  /* read files and list directories */
	SANDBOX_WRITE = 2, /* write to files that are there */
	SANDBOX_MAKE = 4   /* make, rename and remove files and directories; with SANDBOX_WRITE */
};

struct sandbox_path {
	int dirfd;        /* what ${path} starts from, or AT_FDCWD */
	const char *path; /* passed over when it does not exist */
	unsigned access;  /* bits of enum sandbox_access */
};

/* What a process still needs. */
struct sandbox {
	const struct sandbox_path *paths; /* all that can be opened, by that name or another */
	size_t n_paths;
	bool read_all; /* files can be read wherever the user may */
	bool network;  /* sockets can be made */
	bool syslog;   /* without a network: datagrams to sockets of this machine, for syslog(3) */
};

/* What the kernel has put up; bits. */
enum sandbox_wall {
	SANDBOX_FILES = 1, /* Landlock */
	SANDBOX_CALLS = 2  /* the filter of system calls */
};

/*
 * sandbox_enter(s, walls, e):
 * Confine the calling thread and all that it starts from now on; call it while there is but one
 * thread. Sets ${walls}, also to 0: a kernel without these means is no failure. Capabilities are
 * given up too, but for those that let root read and write files of others. Return ERR_OK, or a
 * failure of a kernel that has them, after which a part of it may be in force.
 */
int sandbox_enter(const struct sandbox *s, unsigned *walls, struct err *e);

/*
 * sandbox_guard_memory(): no core dump of this process is written and no other process of the user
 * may look into its memory, from now on: for processes that hold a password.
 */
void sandbox_guard_memory(void);

#endif
