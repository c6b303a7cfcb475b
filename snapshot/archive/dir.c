/* Reading directories of strangers: the contracts are in dir.h. */
#include "snapshot/archive/dir.h"

#include "catalog/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Open the component at ${path} below ${parent}; -1 with errno on failure. */
static int
dir_step(int parent, const char *path)
{
	char name[NAME_MAX + 1];
	size_t len = strcspn(path, "/");

	if (len > NAME_MAX)
		len = NAME_MAX;
	memcpy(name, path, len);
	name[len] = '\0';
	return openat(parent, len > 0 ? name : ".", DIR_FLAGS);
}

int
dir_open(int root, const char *path, int *fd, struct err *e)
{
	const char *rest = path;
	int at = root, next;

	for (;;) {
		next = dir_step(at, rest);
		if (next < 0)
			break;
		if (at != root)
			close(at);
		at = next;
		rest += strcspn(rest, "/");
		if (*rest == '\0') {
			*fd = at;
			return ERR_OK;
		}
		rest++;
	}
	next = err_system(e, errno, "cannot open the directory %s", path);
	if (at != root)
		close(at);
	return next;
}

static bool
dir_is_directory(int dirfd, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_DIR;
	return fstatat(dirfd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int
dir_found(int dirfd, const char *path, const struct dirent *entry,
    int (*found)(void *arg, int dirfd, const char *name, bool directory, struct err *e), void *arg,
    struct err *e)
{
	int rc = found(arg, dirfd, entry->d_name, dir_is_directory(dirfd, entry), e);

	if (rc == ERR_ABSENT)
		return ERR_OK;
	if (rc < 0 && path[0] != '\0')
		err_prefix(e, "%s", path);
	return rc;
}

int
dir_each(int root, const char *path,
    int (*found)(void *arg, int dirfd, const char *name, bool directory, struct err *e), void *arg,
    struct err *e)
{
	struct dirent *entry;
	DIR *dir;
	int fd, rc = dir_open(root, path, &fd, e);

	if (rc != ERR_OK)
		return rc;
	dir = fdopendir(fd);
	if (dir == NULL) {
		rc = err_system(e, errno, "cannot read the directory %s", path);
		close(fd);
		return rc;
	}
	while (rc == ERR_OK) {
		errno = 0;
		entry = readdir(dir);
		if (entry == NULL && errno != 0)
			rc = err_system(e, errno, "cannot read the directory %s", path);
		if (entry == NULL)
			break;
		if (entry->d_name[0] != '.')
			rc = dir_found(fd, path, entry, found, arg, e);
	}
	closedir(dir);
	return rc;
}

int
dir_file(int dirfd, const char *name, const char *path, int *fd, uint64_t *size, struct err *e)
{
	int got = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int errnum = errno;
	struct stat st;

	if (got < 0 && fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
		return err_set(
		    e, ERR_FORMAT, "%s: a symbolic link, and links are not followed", path);
	if (got < 0)
		return err_system(e, errnum, "cannot open %s", path);
	if (fstat(got, &st) != 0) {
		errnum = errno;
		close(got);
		return err_system(e, errnum, "cannot look at %s", path);
	}
	if (!S_ISREG(st.st_mode)) {
		close(got);
		return err_set(e, ERR_FORMAT, "%s: not a regular file", path);
	}
	*fd = got;
	*size = (uint64_t)st.st_size;
	return ERR_OK;
}

/* Read on to the end of the file, whatever its size was a moment ago. */
static int
dir_read_fd(int fd, const char *path, uint64_t size, size_t max, struct buf *out, struct err *e)
{
	size_t room = (size_t)size + 1, got;
	int rc;

	buf_clear(out);
	do {
		if (out->len > max || size > max)
			return err_set(e, ERR_LIMIT, "%s: larger than %zu bytes", path, max);
		if (buf_reserve(out, room) != ERR_OK)
			return err_nomem(e);
		rc = file_read_some(fd, out->data + out->len, room, out->len, &got, path, e);
		if (rc != ERR_OK)
			return rc;
		out->len += got;
	} while (got == room);
	return ERR_OK;
}

int
dir_read(int dirfd, const char *name, const char *path, size_t max, struct buf *out, struct err *e)
{
	uint64_t size;
	int fd, rc = dir_file(dirfd, name, path, &fd, &size, e);

	if (rc != ERR_OK)
		return rc;
	rc = dir_read_fd(fd, path, size, max, out, e);
	close(fd);
	return rc;
}
