/* A file written beside the one that it is to replace: the contracts are in target_internal.h. */
#include "catalog/base/file.h"
#include "snapshot/target_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TARGET_FILE_PIECE (256u << 10) /* bytes written or read at a time */

int
target_file_create(
    struct target_file *f, int dirfd, const char *temp, const char *what, struct err *e)
{
	*f = (struct target_file){.dirfd = dirfd, .what = what, .fd = -1};
	f->digest = digest_create();
	if (f->digest == NULL || digest_start(f->digest) != ERR_OK)
		return err_nomem(e);
	if (unlinkat(dirfd, temp, 0) != 0 && errno != ENOENT)
		return err_system(e, errno, "cannot remove an old %s for %s", temp, what);
	f->fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (f->fd < 0)
		return err_system(e, errno, "cannot make %s for %s", temp, what);
	f->temp = temp;
	return ERR_OK;
}

static int
target_file_flush(struct target_file *f, struct err *e)
{
	int rc = file_write(f->fd, f->piece.data, f->piece.len, f->what, e);

	if (rc == ERR_OK && digest_update(f->digest, f->piece.data, f->piece.len) != ERR_OK)
		rc = err_nomem(e);
	f->size += f->piece.len;
	buf_clear(&f->piece);
	return rc;
}

int
target_file_put(struct target_file *f, const void *data, size_t len, struct err *e)
{
	if (buf_append(&f->piece, data, len) != ERR_OK)
		return err_nomem(e);
	return f->piece.len >= TARGET_FILE_PIECE ? target_file_flush(f, e) : ERR_OK;
}

/* The digest and the number of the bytes that can be read from ${fd}. */
static int
target_file_digest(struct target_file *f, int fd, const struct target_table *table,
    uint8_t sha[DIGEST_FULL], uint64_t *size, struct err *e)
{
	uint8_t *piece = malloc(TARGET_FILE_PIECE);
	size_t got = TARGET_FILE_PIECE;
	int rc = ERR_OK;

	*size = 0;
	if (piece == NULL || digest_start(f->digest) != ERR_OK)
		rc = err_nomem(e);
	while (rc == ERR_OK && got == TARGET_FILE_PIECE) {
		rc = file_read_some(fd, piece, TARGET_FILE_PIECE, *size, &got, f->what, e);
		if (rc == ERR_OK && digest_update(f->digest, piece, got) != ERR_OK)
			rc = err_nomem(e);
		if (rc == ERR_OK && table->step != NULL)
			rc = table->step(table->arg, e);
		*size += got;
	}
	if (rc == ERR_OK && digest_final(f->digest, sha) != ERR_OK)
		rc = err_nomem(e);
	free(piece);
	return rc;
}

static int
target_file_verify(struct target_file *f, const struct target_table *table, struct err *e)
{
	int fd = openat(f->dirfd, f->temp, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	uint8_t sha[DIGEST_FULL];
	uint64_t size;
	int rc;

	if (fd < 0)
		return err_system(e, errno, "cannot read back %s", f->what);
	rc = target_file_digest(f, fd, table, sha, &size, e);
	if (rc == ERR_OK && (size != f->size || memcmp(sha, f->sha, sizeof(sha)) != 0))
		rc = err_set(e, ERR_CORRUPT, "%s does not read back as it was written", f->what);
	close(fd);
	return rc;
}

int
target_file_finish(struct target_file *f, const struct target_table *table, struct err *e)
{
	struct stat st;
	int rc = target_file_flush(f, e);

	if (rc == ERR_OK && digest_final(f->digest, f->sha) != ERR_OK)
		rc = err_nomem(e);
	if (rc == ERR_OK)
		rc = file_sync(f->fd, f->what, e);
	if (rc != ERR_OK)
		return rc;
	if (fstat(f->fd, &st) != 0)
		return err_system(e, errno, "cannot look at %s", f->what);
	f->ino = st.st_ino;
	/* So that what is read back comes from the disk and not from memory; it may be refused. */
	(void)posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED);
	return target_file_verify(f, table, e);
}

int
target_file_rename(struct target_file *f, const char *name, struct err *e)
{
	struct stat st;

	if (renameat(f->dirfd, f->temp, f->dirfd, name) != 0)
		return err_system(e, errno, "cannot replace %s", f->what);
	f->temp = NULL;
	if (fstatat(f->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_ino != f->ino ||
	    (uint64_t)st.st_size != f->size)
		return err_set(e, ERR_CORRUPT, "%s is not the file that was written", f->what);
	return ERR_OK;
}

void
target_file_drop(struct target_file *f)
{
	if (f->temp != NULL)
		unlinkat(f->dirfd, f->temp, 0);
	if (f->digest != NULL && f->fd >= 0)
		close(f->fd);
	digest_free(f->digest);
	buf_finish(&f->piece);
	*f = (struct target_file){.fd = -1};
}
