/*
 * Looks at a mount more closely than a shell can: exact error numbers, telldir and seekdir,
 * getdents with any buffer, reads at any offset. Prints what it found; exits 1 where an invariant
 * does not hold, 2 when it was called wrongly.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One entry of a listing. */
struct entry {
	char *name;
	ino_t ino;
	long before; /* cookie that leads to it */
};

struct listing {
	struct entry *entries;
	size_t n;
	long end; /* cookie behind the last */
};

static void *
need(void *p)
{
	if (p == NULL) {
		perror("probe");
		exit(1);
	}
	return p;
}

static void
fail(const char *what, const char *detail)
{
	fprintf(stderr, "probe: %s: %s\n", what, detail);
	exit(1);
}

static void
listing_add(struct listing *l, const char *name, ino_t ino, long before)
{
	if ((l->n & (l->n + 1)) == 0)
		l->entries = need(realloc(l->entries, (2 * l->n + 2) * sizeof(*l->entries)));
	l->entries[l->n].name = need(strdup(name));
	l->entries[l->n].ino = ino;
	l->entries[l->n].before = before;
	l->n++;
}

static void
listing_free(struct listing *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->entries[i].name);
	free(l->entries);
}

/* Read on from where the directory stands; cookies are noted when asked for. */
static void
listing_read(DIR *d, struct listing *l, int cookies)
{
	struct dirent *e;
	long before = cookies ? telldir(d) : 0;

	errno = 0;
	while ((e = readdir(d)) != NULL) {
		listing_add(l, e->d_name, e->d_ino, before);
		if (cookies)
			before = telldir(d);
	}
	if (errno != 0)
		fail("readdir", strerror(errno));
	l->end = before;
}

/* The rest of a listing from entry ${from} on must be what ${d} says now. */
static void
expect_rest(DIR *d, const struct listing *l, size_t from, size_t at_most)
{
	for (size_t i = from; i < l->n && i - from < at_most; i++) {
		struct dirent *e = readdir(d);
		if (e == NULL)
			fail("listing ends early after a seek, before", l->entries[i].name);
		if (strcmp(e->d_name, l->entries[i].name) != 0 || e->d_ino != l->entries[i].ino)
			fail("another entry after a seek", e->d_name);
	}
	if (l->n - from < at_most && readdir(d) != NULL)
		fail("listing", "more entries after a seek than before");
}

/*
 * seek DIR: seek to every cookie, backwards, in the same and in a fresh open, and see that the rest
 * of the listing is the same each time; of large directories the rest is cut.
 */
static int
probe_seek(char **args)
{
	struct listing l = {0};
	DIR *d = need(opendir(args[0])), *fresh;
	size_t most, step;

	listing_read(d, &l, 1);
	most = l.n > 3000 ? 200 : l.n + 1;
	step = l.n > 3000 ? l.n / 1000 : 1;
	for (size_t i = l.n; i > 0; i -= i > step ? step : i) {
		seekdir(d, l.entries[i - 1].before);
		expect_rest(d, &l, i - 1, most);
	}
	seekdir(d, l.end);
	if (readdir(d) != NULL)
		fail("listing", "an entry behind the end");
	for (size_t i = 0; i < l.n; i += 1 + l.n / 50) {
		fresh = need(opendir(args[0]));
		seekdir(fresh, l.entries[i].before);
		expect_rest(fresh, &l, i, most);
		closedir(fresh);
	}
	rewinddir(d);
	expect_rest(d, &l, 0, most);
	closedir(d);
	printf("%zu\n", l.n);
	listing_free(&l);
	return 0;
}

/* getdents DIR BYTES: the names, read by getdents64 with a buffer of so many bytes. */
static int
probe_getdents(char **args)
{
	size_t room = strtoul(args[1], NULL, 10);
	char *buf = need(malloc(room));
	int fd = open(args[0], O_RDONLY | O_DIRECTORY);
	long got;

	if (fd < 0)
		fail(args[0], strerror(errno));
	while ((got = syscall(SYS_getdents64, fd, buf, room)) > 0) {
		for (long at = 0; at < got;) {
			const struct dirent64 *e = (const void *)(buf + at);
			puts(e->d_name);
			at += e->d_reclen;
		}
	}
	if (got < 0)
		fail("getdents64", strerror(errno));
	close(fd);
	free(buf);
	return 0;
}

/* inodes DIR: d_ino of every entry is st_ino, no name and no cookie comes twice. */
static int
probe_inodes(char **args)
{
	struct listing l = {0};
	DIR *d = need(opendir(args[0]));

	listing_read(d, &l, 1);
	for (size_t i = 0; i < l.n; i++) {
		struct stat st;
		if (strcmp(l.entries[i].name, "..") == 0)
			continue;
		if (fstatat(dirfd(d), l.entries[i].name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			fail(l.entries[i].name, strerror(errno));
		if (st.st_ino != l.entries[i].ino)
			fail("d_ino is not st_ino", l.entries[i].name);
		if (i > 0 && l.entries[i].before == l.entries[i - 1].before)
			fail("two entries have one cookie", l.entries[i].name);
	}
	closedir(d);
	printf("%zu\n", l.n);
	listing_free(&l);
	return 0;
}

/* Read a whole file into memory by read(2). */
static char *
slurp(int fd, size_t *len)
{
	char *all = NULL;
	ssize_t got;

	*len = 0;
	do {
		all = need(realloc(all, *len + 65536));
		got = read(fd, all + *len, 65536);
		if (got < 0)
			fail("read", strerror(errno));
		*len += (size_t)got;
	} while (got > 0);
	return all;
}

/* read FILE: st_size is what read gives, and pread at odd offsets gives the same bytes. */
static int
probe_read(char **args)
{
	static const size_t steps[] = {1, 7, 511, 4095, 4096, 4097, 65537};
	int fd = open(args[0], O_RDONLY);
	struct stat st;
	size_t len;
	char *all, part[70000];

	if (fd < 0 || fstat(fd, &st) != 0)
		fail(args[0], strerror(errno));
	all = slurp(fd, &len);
	if (len != (size_t)st.st_size)
		fail(args[0], "st_size is not what was read");
	if (st.st_blocks * 512 < st.st_size)
		fail(args[0], "st_blocks makes it sparse");
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		for (size_t off = 0; off < len + 10; off += steps[i] * (1 + len / 5000)) {
			size_t want = off < len ? len - off : 0;
			ssize_t got = pread(fd, part, steps[i], (off_t)off);
			if (want > steps[i])
				want = steps[i];
			if (got < 0 || (size_t)got != want)
				fail(args[0], "pread gives another length");
			if (want > 0 && memcmp(part, all + off, want) != 0)
				fail(args[0], "pread gives other bytes");
		}
	}
	close(fd);
	free(all);
	return 0;
}

/* One system call by name; its errno. */
static int
try_call(const char *call, char **args)
{
	struct stat st;
	char part[4096];
	int fd, saved;

	if (strcmp(call, "stat") == 0)
		return lstat(args[0], &st) == 0 ? 0 : errno;
	if (strcmp(call, "mkdir") == 0)
		return mkdir(args[0], 0777) == 0 ? 0 : errno;
	if (strcmp(call, "rmdir") == 0)
		return rmdir(args[0]) == 0 ? 0 : errno;
	if (strcmp(call, "unlink") == 0)
		return unlink(args[0]) == 0 ? 0 : errno;
	if (strcmp(call, "rename") == 0)
		return rename(args[0], args[1]) == 0 ? 0 : errno;
	if (strcmp(call, "link") == 0)
		return link(args[0], args[1]) == 0 ? 0 : errno;
	if (strcmp(call, "symlink") == 0)
		return symlink(args[0], args[1]) == 0 ? 0 : errno;
	if (strcmp(call, "truncate") == 0)
		return truncate(args[0], 0) == 0 ? 0 : errno;
	if (strcmp(call, "create") == 0)
		fd = open(args[0], O_WRONLY | O_CREAT | O_EXCL, 0666);
	else if (strcmp(call, "write") == 0)
		fd = open(args[0], O_WRONLY);
	else
		fd = open(args[0], O_RDONLY);
	if (fd < 0)
		return errno;
	saved = strcmp(call, "read") == 0 && read(fd, part, sizeof(part)) < 0 ? errno : 0;
	close(fd);
	return saved;
}

/* errno CALL ARGUMENT...: print the name of the error that a system call gives, or "OK". */
static int
probe_errno(char **args)
{
	int number = try_call(args[0], args + 1);

	puts(number == 0 ? "OK" : strerrorname_np(number));
	return 0;
}

/* statfs PATH: files, free files, longest name, block size. */
static int
probe_statfs(char **args)
{
	struct statvfs v;

	if (statvfs(args[0], &v) != 0)
		fail(args[0], strerror(errno));
	printf("%ju %ju %lu %lu\n", (uintmax_t)v.f_files, (uintmax_t)v.f_ffree, v.f_namemax,
	    v.f_bsize);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int arguments;
		int (*run)(char **args);
	} commands[] = {
	    {"seek", 1, probe_seek},
	    {"getdents", 2, probe_getdents},
	    {"inodes", 1, probe_inodes},
	    {"read", 1, probe_read},
	    {"errno", 2, probe_errno},
	    {"statfs", 1, probe_statfs},
	};

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (argc >= 2 && strcmp(argv[1], commands[i].name) == 0 &&
		    argc >= 2 + commands[i].arguments)
			return commands[i].run(argv + 2);
	}
	fprintf(stderr, "usage: probe seek|getdents|inodes|read|errno|statfs ARGUMENT...\n");
	return 2;
}
