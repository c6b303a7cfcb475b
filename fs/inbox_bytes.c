/* The bytes of a scratch file: in memory while they are few, then in a nameless file. */
#include "catalog/base/bytes.h"
#include "catalog/base/file.h"
#include "fs/inbox_internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define INBOX_WHAT "scratch of the mount"

void
inbox_bytes_start(struct inbox_bytes *s)
{
	*s = (struct inbox_bytes){.fd = -1};
}

void
inbox_bytes_finish(struct inbox_bytes *s)
{
	buf_finish(&s->mem);
	if (s->fd >= 0)
		close(s->fd);
	inbox_bytes_start(s);
}

int
inbox_bytes_read(
    const struct inbox_bytes *s, uint64_t off, void *out, size_t room, size_t *got, struct err *e)
{
	if (off >= s->size || room == 0) {
		*got = 0;
		return ERR_OK;
	}
	if (room > s->size - off)
		room = (size_t)(s->size - off);
	if (s->fd >= 0)
		return file_read_some(s->fd, out, room, off, got, INBOX_WHAT, e);
	memcpy(out, s->mem.data + off, room);
	*got = room;
	return ERR_OK;
}

/* Move the bytes from memory to a file. */
static int
inbox_bytes_spill(struct inbox_bytes *s, int dirfd, struct err *e)
{
	int fd, rc;

	if (dirfd < 0)
		return err_set(e, ERR_READONLY, "the repository has no place for " INBOX_WHAT);
	rc = file_temp(dirfd, &fd, e);
	if (rc != ERR_OK)
		return rc;
	rc = file_write_at(fd, s->mem.data, s->mem.len, 0, INBOX_WHAT, e);
	if (rc != ERR_OK) {
		close(fd);
		return rc;
	}
	buf_finish(&s->mem);
	s->fd = fd;
	return ERR_OK;
}

/* Lengthen the bytes in memory with zeros up to ${size}. */
static int
inbox_bytes_fill(struct inbox_bytes *s, size_t size, struct err *e)
{
	if (size <= s->mem.len)
		return ERR_OK;
	if (buf_reserve(&s->mem, size - s->mem.len) != ERR_OK)
		return err_nomem(e);
	memset(s->mem.data + s->mem.len, 0, size - s->mem.len);
	s->mem.len = size;
	return ERR_OK;
}

/* Check the size to come, and leave memory when it is too much for it. */
static int
inbox_bytes_grow(struct inbox_bytes *s, int dirfd, uint64_t size, struct err *e)
{
	if (size > INBOX_FILE_MAX)
		return err_set(e, ERR_LIMIT, "a file copied in has at most %llu bytes",
		    (unsigned long long)INBOX_FILE_MAX);
	if (s->fd >= 0 || size <= INBOX_MEMORY)
		return ERR_OK;
	return inbox_bytes_spill(s, dirfd, e);
}

int
inbox_bytes_write(
    struct inbox_bytes *s, int dirfd, uint64_t off, const void *data, size_t len, struct err *e)
{
	uint64_t end;
	int rc;

	if (len == 0)
		return ERR_OK;
	if (!bytes_add(off, len, &end))
		end = UINT64_MAX;
	rc = inbox_bytes_grow(s, dirfd, end, e);
	if (rc != ERR_OK)
		return rc;
	if (s->fd >= 0) {
		rc = file_write_at(s->fd, data, len, off, INBOX_WHAT, e);
		/* What a failed write left behind the end must not come up when the file grows. */
		if (rc != ERR_OK && ftruncate(s->fd, (off_t)s->size) != 0)
			return rc;
	} else {
		rc = inbox_bytes_fill(s, (size_t)end, e);
		if (rc == ERR_OK)
			memcpy(s->mem.data + off, data, len);
	}
	if (rc == ERR_OK && end > s->size)
		s->size = end;
	return rc;
}

int
inbox_bytes_truncate(struct inbox_bytes *s, int dirfd, uint64_t size, struct err *e)
{
	int rc = inbox_bytes_grow(s, dirfd, size, e);

	if (rc != ERR_OK)
		return rc;
	if (s->fd >= 0) {
		if (ftruncate(s->fd, (off_t)size) != 0)
			return err_system(e, errno, "cannot cut %s", INBOX_WHAT);
	} else {
		rc = inbox_bytes_fill(s, (size_t)size, e);
		if (rc != ERR_OK)
			return rc;
		s->mem.len = (size_t)size;
	}
	s->size = size;
	return ERR_OK;
}
