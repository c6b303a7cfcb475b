/*
 * A library for LD_PRELOAD that counts the calls which change files below one directory and, at the
 * n-th, kills the process or lets the call fail. It can also write down all of them, for the
 * replayer of a power cut (replay.c).
 *
 * CRASH_BELOW  the directory, absolute and without links
 * CRASH_LOG    file to append a record of each counted call to
 * CRASH_AT     number of the call to interfere with, from 1
 * CRASH_HOW    kill: the process is killed before it; torn: after half of it; after: behind it;
 *              short: only half of it is done and said to be; ENOSPC, EIO, EINTR: it fails so
 * CRASH_LASTING  when not empty, all calls from there on fail, too
 * CRASH_FIRED  file to append the number, the call and its file to when that happens; else empty
 *
 * A record is a line "CALL OFFSET LENGTH PATH[<tab>PATH]" and LENGTH bytes of data; paths are
 * relative to the directory. The n-th record belongs to the n-th call. One lock is held around each
 * counted call, so the records are in the order of the calls, whatever threads make them.
 */
/* libc's headers must neither inline nor rename what is defined here in its place. */
#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define SHIM_PATH (PATH_MAX + 300) /* a directory's path and a name in it */

enum shim_how { SHIM_NOT, SHIM_KILL, SHIM_TORN, SHIM_AFTER, SHIM_SHORT, SHIM_FAIL };

static struct {
	char below[PATH_MAX]; /* empty: nothing is counted */
	size_t below_len;
	int log;   /* -1: none */
	int fired; /* likewise */
	enum shim_how how;
	int errnum;
	uint64_t at;
	bool lasting;
	uint64_t count; /* calls so far */
	pthread_mutex_t lock;
} shim = {.log = -1, .fired = -1, .lock = PTHREAD_MUTEX_INITIALIZER};

/* A call on its way. */
struct shim_call {
	const char *op; /* its name in records */
	char path[SHIM_PATH];
	char to[SHIM_PATH]; /* the second one of a rename or link; else empty */
	const void *data;   /* of a write; else NULL */
	uint64_t off;       /* likewise; the new length of a truncation */
	long nr;            /* the system call */
	long args[5];       /* its arguments; the third is the length of a write */
	bool sync;          /* an fsync */
};

static void
shim_how_read(const char *how)
{
	static const struct {
		const char *name;
		enum shim_how how;
		int errnum;
	} hows[] = {{"kill", SHIM_KILL, 0}, {"torn", SHIM_TORN, 0}, {"after", SHIM_AFTER, 0},
	    {"short", SHIM_SHORT, 0}, {"ENOSPC", SHIM_FAIL, ENOSPC}, {"EIO", SHIM_FAIL, EIO},
	    {"EINTR", SHIM_FAIL, EINTR}};

	for (size_t i = 0; how != NULL && i < sizeof(hows) / sizeof(hows[0]); i++) {
		if (strcmp(how, hows[i].name) != 0)
			continue;
		shim.how = hows[i].how;
		shim.errnum = hows[i].errnum;
		return;
	}
	if (how != NULL)
		abort();
}

static int
shim_append(const char *path)
{
	const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;

	return path == NULL ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
}

__attribute__((constructor)) static void
shim_start(void)
{
	const char *below = getenv("CRASH_BELOW"), *log = getenv("CRASH_LOG");
	const char *at = getenv("CRASH_AT"), *lasting = getenv("CRASH_LASTING");
	const char *fired = getenv("CRASH_FIRED");

	if (below == NULL || strlen(below) >= sizeof(shim.below))
		return;
	shim_how_read(getenv("CRASH_HOW"));
	shim.at = at != NULL ? strtoull(at, NULL, 10) : 0;
	shim.lasting = lasting != NULL && lasting[0] != '\0';
	/* A process that confines itself can open neither of them later. */
	shim.log = shim_append(log);
	shim.fired = shim_append(fired);
	strcpy(shim.below, below);
	shim.below_len = strlen(below);
}

/* ---- paths ---- */

/* The path that the descriptor ${fd} has now. */
static void
shim_fd_path(int fd, char out[SHIM_PATH])
{
	char link[64];
	long n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = syscall(
	    SYS_readlinkat, AT_FDCWD, fd == AT_FDCWD ? "/proc/self/cwd" : link, out, PATH_MAX);
	out[n > 0 ? n : 0] = '\0';
}

static void
shim_at_path(int dirfd, const char *name, char out[SHIM_PATH])
{
	size_t len = 0;

	if (name[0] != '/') {
		shim_fd_path(dirfd, out);
		len = strlen(out);
		out[len++] = '/';
	}
	snprintf(out + len, SHIM_PATH - len, "%s", name);
}

static bool
shim_is_below(const char *path)
{
	return shim.below_len > 0 && strncmp(path, shim.below, shim.below_len) == 0 &&
	       path[shim.below_len] == '/';
}

/* ---- what happens to a call ---- */

static void
shim_record(const struct shim_call *c, const char *op, size_t len)
{
	char head[3 * SHIM_PATH];
	struct iovec parts[2] = {{head, 0}, {0}};
	int n;

	if (shim.log < 0)
		return;
	n = snprintf(head, sizeof(head), "%s %llu %zu %s%s%s\n", op, (unsigned long long)c->off,
	    c->data != NULL ? len : 0, c->path + shim.below_len + 1, c->to[0] != '\0' ? "\t" : "",
	    c->to[0] != '\0' ? c->to + shim.below_len + 1 : "");
	parts[0].iov_len = (size_t)n;
	memcpy(&parts[1].iov_base, &c->data, sizeof(c->data));
	parts[1].iov_len = c->data != NULL ? len : 0;
	if (syscall(SYS_writev, shim.log, parts, 2) < 0)
		abort();
}

static void
shim_tell(const struct shim_call *c)
{
	char text[SHIM_PATH + 64];
	int n;

	if (shim.fired < 0)
		return;
	n = snprintf(text, sizeof(text), "%llu %s %s\n", (unsigned long long)shim.count, c->op,
	    c->path + shim.below_len + 1);
	if (syscall(SYS_write, shim.fired, text, n) < 0)
		abort();
}

static void
shim_die(void)
{
	syscall(SYS_kill, getpid(), SIGKILL);
	for (;;)
		pause();
}

static long
shim_system(const struct shim_call *c)
{
	return syscall(c->nr, c->args[0], c->args[1], c->args[2], c->args[3], c->args[4]);
}

/* What is to happen to this call, the next one in the count. */
static enum shim_how
shim_verdict(struct shim_call *c)
{
	bool now = ++shim.count == shim.at;

	if (now && shim.how != SHIM_NOT)
		shim_tell(c);
	if (!now && !(shim.lasting && shim.at > 0 && shim.count > shim.at))
		return SHIM_NOT;
	return shim.how;
}

static long
shim_counted(struct shim_call *c)
{
	enum shim_how how = shim_verdict(c);
	long rc;

	if (how == SHIM_KILL)
		shim_die();
	if (how == SHIM_FAIL) {
		shim_record(c, c->sync ? "fail" : "none", 0);
		errno = shim.errnum;
		return -1;
	}
	if ((how == SHIM_TORN || how == SHIM_SHORT) && c->data != NULL && c->args[2] > 1)
		c->args[2] /= 2;
	rc = shim_system(c);
	if (how == SHIM_TORN || how == SHIM_AFTER)
		shim_die();
	shim_record(c, rc >= 0 ? c->op : "none", rc > 0 ? (size_t)rc : 0);
	return rc;
}

/* Make the call, counting it when it is about a file below the directory. */
static long
shim_call(struct shim_call *c)
{
	long rc;
	int saved;

	if (!shim_is_below(c->path))
		return shim_system(c);
	pthread_mutex_lock(&shim.lock);
	rc = shim_counted(c);
	saved = errno;
	pthread_mutex_unlock(&shim.lock);
	errno = saved;
	return rc;
}

/* ---- libc's functions ---- */

ssize_t
write(int fd, const void *data, size_t len)
{
	struct shim_call c = {
	    .op = "write", .data = data, .nr = SYS_write, .args = {fd, (long)data, (long)len}};
	off_t off = lseek(fd, 0, SEEK_CUR);

	c.off = off > 0 ? (uint64_t)off : 0;
	shim_fd_path(fd, c.path);
	return shim_call(&c);
}

/* The first piece that is not empty: to write less than was asked for is always allowed. */
ssize_t
writev(int fd, const struct iovec *parts, int n)
{
	char path[SHIM_PATH];

	shim_fd_path(fd, path);
	for (int i = 0; i < n && shim_is_below(path); i++)
		if (parts[i].iov_len > 0)
			return write(fd, parts[i].iov_base, parts[i].iov_len);
	return syscall(SYS_writev, fd, parts, n);
}

ssize_t
pwrite(int fd, const void *data, size_t len, off_t off)
{
	struct shim_call c = {.op = "write",
	    .data = data,
	    .off = (uint64_t)off,
	    .nr = SYS_pwrite64,
	    .args = {fd, (long)data, (long)len, off}};

	shim_fd_path(fd, c.path);
	return shim_call(&c);
}

ssize_t
pwrite64(int fd, const void *data, size_t len, off64_t off)
{
	return pwrite(fd, data, len, off);
}

static int
shim_sync(int fd, long nr)
{
	struct shim_call c = {.op = "sync", .nr = nr, .args = {fd}, .sync = true};

	shim_fd_path(fd, c.path);
	/* The directory itself is named by the files in it. */
	if (strcmp(c.path, shim.below) == 0)
		strcat(c.path, "/");
	return (int)shim_call(&c);
}

int
fsync(int fd)
{
	return shim_sync(fd, SYS_fsync);
}

int
fdatasync(int fd)
{
	return shim_sync(fd, SYS_fdatasync);
}

int
ftruncate(int fd, off_t len)
{
	struct shim_call c = {
	    .op = "truncate", .off = (uint64_t)len, .nr = SYS_ftruncate, .args = {fd, len}};

	shim_fd_path(fd, c.path);
	return (int)shim_call(&c);
}

int
ftruncate64(int fd, off64_t len)
{
	return ftruncate(fd, len);
}

/* Nothing below the directory needs room ahead: that it cannot be had is always allowed. */
int
fallocate(int fd, int mode, off_t off, off_t len)
{
	struct shim_call c = {.op = "none", .nr = SYS_fallocate, .args = {fd, mode, off, len}};

	shim_fd_path(fd, c.path);
	if (shim_is_below(c.path)) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return (int)shim_call(&c);
}

int
fallocate64(int fd, int mode, off64_t off, off64_t len)
{
	return fallocate(fd, mode, off, len);
}

static int
shim_open(int dirfd, const char *name, int flags, mode_t mode)
{
	struct shim_call c = {
	    .op = "create", .nr = SYS_openat, .args = {dirfd, (long)name, flags, mode}};
	struct stat st;
	bool there;

	shim_at_path(dirfd, name, c.path);
	if ((flags & O_TMPFILE) == O_TMPFILE) {
		c.op = "none";
		return (int)shim_call(&c);
	}
	there = (flags & (O_CREAT | O_TRUNC)) != 0 && fstatat(dirfd, name, &st, 0) == 0;
	if ((flags & O_TRUNC) != 0 && there)
		c.op = "truncate";
	else if ((flags & O_CREAT) == 0 || there)
		return (int)shim_system(&c);
	return (int)shim_call(&c);
}

#define SHIM_MODE(flags, mode)                                                                     \
	do {                                                                                       \
		va_list ap;                                                                        \
		va_start(ap, flags);                                                               \
		mode = ((flags) & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(ap, mode_t) : 0;            \
		va_end(ap);                                                                        \
	} while (0)

int
open(const char *name, int flags, ...)
{
	mode_t mode;

	SHIM_MODE(flags, mode);
	return shim_open(AT_FDCWD, name, flags, mode);
}

int
open64(const char *name, int flags, ...)
{
	mode_t mode;

	SHIM_MODE(flags, mode);
	return shim_open(AT_FDCWD, name, flags, mode);
}

int
openat(int dirfd, const char *name, int flags, ...)
{
	mode_t mode;

	SHIM_MODE(flags, mode);
	return shim_open(dirfd, name, flags, mode);
}

int
openat64(int dirfd, const char *name, int flags, ...)
{
	mode_t mode;

	SHIM_MODE(flags, mode);
	return shim_open(dirfd, name, flags, mode);
}

int
renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	struct shim_call c = {.op = "rename",
	    .nr = SYS_renameat2,
	    .args = {from_fd, (long)from, to_fd, (long)to, (long)flags}};

	shim_at_path(from_fd, from, c.path);
	shim_at_path(to_fd, to, c.to);
	return (int)shim_call(&c);
}

int
renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return renameat2(from_fd, from, to_fd, to, 0);
}

int
rename(const char *from, const char *to)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int
linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	struct shim_call c = {
	    .op = "link", .nr = SYS_linkat, .args = {from_fd, (long)from, to_fd, (long)to, flags}};

	shim_at_path(from_fd, from, c.path);
	shim_at_path(to_fd, to, c.to);
	return (int)shim_call(&c);
}

int
link(const char *from, const char *to)
{
	return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int
unlinkat(int dirfd, const char *name, int flags)
{
	struct shim_call c = {
	    .op = "unlink", .nr = SYS_unlinkat, .args = {dirfd, (long)name, flags}};

	shim_at_path(dirfd, name, c.path);
	return (int)shim_call(&c);
}

int
unlink(const char *name)
{
	return unlinkat(AT_FDCWD, name, 0);
}

int
rmdir(const char *name)
{
	return unlinkat(AT_FDCWD, name, AT_REMOVEDIR);
}

int
mkdirat(int dirfd, const char *name, mode_t mode)
{
	struct shim_call c = {
	    .op = "mkdir", .nr = SYS_mkdirat, .args = {dirfd, (long)name, (long)mode}};

	shim_at_path(dirfd, name, c.path);
	return (int)shim_call(&c);
}

int
mkdir(const char *name, mode_t mode)
{
	return mkdirat(AT_FDCWD, name, mode);
}
