/* Whole reads, writes and syncs: the contracts are in file.h. */
#include "catalog/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_TEMP_ELSEWHERE "/var/tmp" /* where large files without a name belong */

int
file_write(int fd, const void *data, size_t len, const char *what, struct err *e)
{
	const uint8_t *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_system(e, errno, "cannot write %s", what);
		p += n;
		len -= (size_t)n;
	}
	return ERR_OK;
}

int
file_write_at(int fd, const void *data, size_t len, uint64_t off, const char *what, struct err *e)
{
	const uint8_t *p = data;

	while (len > 0) {
		ssize_t n = pwrite(fd, p, len, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_system(e, errno, "cannot write %s", what);
		p += n;
		len -= (size_t)n;
		off += (uint64_t)n;
	}
	return ERR_OK;
}

int
file_read_some(
    int fd, void *data, size_t len, uint64_t off, size_t *got, const char *what, struct err *e)
{
	uint8_t *p = data;
	size_t have = 0;

	while (have < len) {
		ssize_t n = pread(fd, p + have, len - have, (off_t)(off + have));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_system(e, errno, "cannot read %s", what);
		if (n == 0)
			break;
		have += (size_t)n;
	}
	*got = have;
	return ERR_OK;
}

int
file_read_at(int fd, void *data, size_t len, uint64_t off, const char *what, struct err *e)
{
	size_t got;
	int rc = file_read_some(fd, data, len, off, &got, what, e);

	if (rc != ERR_OK)
		return rc;
	if (got != len)
		return err_set(e, ERR_TRUNCATED, "%s ends at byte %llu, before byte %llu", what,
		    (unsigned long long)(off + got), (unsigned long long)(off + len));
	return ERR_OK;
}

int
file_sync(int fd, const char *what, struct err *e)
{
	if (fsync(fd) != 0)
		return err_system(e, errno, "cannot sync %s", what);
	return ERR_OK;
}

int
file_sync_parent(const char *path, struct err *e)
{
	char *copy = strdup(path);
	int rc = ERR_OK;
	int fd;

	if (copy == NULL)
		return err_nomem(e);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		rc = file_sync(fd, path, e);
		close(fd);
	}
	free(copy);
	return rc;
}

/* For file systems without O_TMPFILE: a name that is taken away at once. */
static int
file_temp_named(int dirfd, int *fd, struct err *e)
{
	char name[64];

	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), ".tmp-%ld-%u", (long)getpid(), i);
		*fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (*fd >= 0) {
			unlinkat(dirfd, name, 0);
			return ERR_OK;
		}
		if (errno != EEXIST)
			break;
	}
	return err_system(e, errno, "cannot make a temporary file");
}

int
file_temp(int dirfd, int *fd, struct err *e)
{
	*fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (*fd < 0 && (errno == EROFS || errno == EACCES))
		*fd = open(FILE_TEMP_ELSEWHERE, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (*fd >= 0)
		return ERR_OK;
	if (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT || errno == EINVAL)
		return file_temp_named(dirfd, fd, e);
	return err_system(e, errno, "cannot make a temporary file");
}
