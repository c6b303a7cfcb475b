/* Writing dump archives: the contracts are in tarball.h. */
#include "snapshot/archive/tarball.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#define TARBALL_BLOCK 65536 /* bytes written at a time */

struct tarball {
	struct archive *archive; /* owned */
	int fd;                  /* not owned */
	bool aborted;            /* what libarchive writes on its way out is dropped */
	int64_t date;            /* of all members, seconds */
	uint64_t left;           /* bytes that the open member still has to get */
};

/*
 * What libarchive calls to write. An archive that is given up must not get the end marks that
 * archive_write_free writes: on a pipe it would pass for a whole one. archive_write_fail keeps them
 * back too, but leaves the compressor's memory behind.
 */
static la_ssize_t
tarball_put(struct archive *archive, void *arg, const void *data, size_t len)
{
	const struct tarball *t = arg;
	ssize_t n;

	if (t->aborted)
		return (la_ssize_t)len;
	do
		n = write(t->fd, data, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		archive_set_error(archive, errno, "write failed");
	return n;
}

static int
tarball_failed(const struct tarball *t, struct err *e)
{
	int number = archive_errno(t->archive);

	if (number > 0)
		return err_system(e, number, "cannot write the archive");
	return err_set(e, ERR_IO, "cannot write the archive: %s", archive_error_string(t->archive));
}

int
tarball_create(int fd, int64_t date, struct tarball **out, struct err *e)
{
	struct tarball *t = calloc(1, sizeof(*t));

	if (t == NULL || (t->archive = archive_write_new()) == NULL) {
		free(t);
		return err_nomem(e);
	}
	t->date = date;
	t->fd = fd;
	if (archive_write_set_format_pax_restricted(t->archive) != ARCHIVE_OK ||
	    archive_write_add_filter_gzip(t->archive) != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(t->archive, TARBALL_BLOCK) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(t->archive, 1) != ARCHIVE_OK ||
	    archive_write_open(t->archive, t, NULL, tarball_put, NULL) != ARCHIVE_OK) {
		int rc = tarball_failed(t, e);
		tarball_abort(t);
		return rc;
	}
	*out = t;
	return ERR_OK;
}

void
tarball_abort(struct tarball *t)
{
	if (t == NULL)
		return;
	t->aborted = true;
	archive_write_free(t->archive);
	free(t);
}

/* The open member must be whole before anything follows it. */
static int
tarball_whole(const struct tarball *t, struct err *e)
{
	if (t->left != 0)
		return err_set(e, ERR_BUG, "a member of the archive is %llu bytes short",
		    (unsigned long long)t->left);
	return ERR_OK;
}

int
tarball_member(struct tarball *t, const char *path, uint64_t size, struct err *e)
{
	struct archive_entry *entry;
	int rc = tarball_whole(t, e);

	if (rc != ERR_OK)
		return rc;
	entry = archive_entry_new();
	if (entry == NULL)
		return err_nomem(e);
	archive_entry_set_pathname(entry, path);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0644);
	archive_entry_set_size(entry, (la_int64_t)size);
	archive_entry_set_mtime(entry, (time_t)t->date, 0);
	rc = archive_write_header(t->archive, entry) == ARCHIVE_OK ? ERR_OK : tarball_failed(t, e);
	archive_entry_free(entry);
	t->left = size;
	return rc;
}

int
tarball_write(struct tarball *t, const void *data, size_t len, struct err *e)
{
	if (len > t->left)
		return err_set(e, ERR_BUG, "a member of the archive is longer than was said");
	if (archive_write_data(t->archive, data, len) != (la_ssize_t)len)
		return tarball_failed(t, e);
	t->left -= len;
	return ERR_OK;
}

int
tarball_finish(struct tarball *t, struct err *e)
{
	int rc = tarball_whole(t, e);

	if (rc == ERR_OK && archive_write_close(t->archive) != ARCHIVE_OK)
		rc = tarball_failed(t, e);
	if (rc != ERR_OK) {
		tarball_abort(t);
		return rc;
	}
	archive_write_free(t->archive);
	free(t);
	return ERR_OK;
}
