/* Files that get their names when they are whole: the contracts are in newfile.h. */
#include "catalog/base/newfile.h"

#include "catalog/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEWFILE_TRIES 100 /* names that may be taken: a killed process leaves its own behind */

/* Make the file under its ${i}-th name. Return ERR_OK, ERR_EXISTS, or a failure. */
static int
newfile_try(struct newfile *f, unsigned i, struct err *e)
{
	int len = i == 0 ? asprintf(&f->temp, "%s.part-%ld", f->path, (long)getpid())
			 : asprintf(&f->temp, "%s.part-%ld-%u", f->path, (long)getpid(), i);

	if (len < 0) {
		f->temp = NULL;
		return err_nomem(e);
	}
	f->fd = open(f->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->fd >= 0)
		return ERR_OK;
	err_system(e, errno, "cannot make %s", f->temp);
	free(f->temp);
	f->temp = NULL;
	return err_failure(e->code);
}

int
newfile_open(struct newfile *f, const char *path, struct err *e)
{
	struct err why = {0};
	int rc = ERR_EXISTS;

	*f = (struct newfile){.fd = -1, .path = path};
	for (unsigned i = 0; i < NEWFILE_TRIES && rc == ERR_EXISTS; i++)
		rc = newfile_try(f, i, &why);
	if (rc == ERR_OK && fchmod(f->fd, 0600) != 0) {
		rc = err_system(&why, errno, "cannot set the mode of %s", f->temp);
		newfile_close(f);
	}
	return rc == ERR_OK ? ERR_OK : err_set(e, rc, "%s", why.text);
}

/* Whether ${errnum} is of a file system that cannot do what it was asked for. */
static bool
newfile_unable(int errnum)
{
	return errnum == EINVAL || errnum == ENOSYS || errnum == EOPNOTSUPP || errnum == EPERM ||
	       errnum == EMLINK;
}

/* Rename, if nothing has the name. Return 0 or an errno. */
static int
newfile_rename_new(const struct newfile *f)
{
	struct stat st;

	if (renameat2(AT_FDCWD, f->temp, AT_FDCWD, f->path, RENAME_NOREPLACE) == 0)
		return 0;
	if (!newfile_unable(errno))
		return errno;
	if (link(f->temp, f->path) == 0)
		return unlink(f->temp) == 0 ? 0 : errno;
	if (!newfile_unable(errno))
		return errno;
	if (lstat(f->path, &st) == 0)
		return EEXIST;
	return rename(f->temp, f->path) == 0 ? 0 : errno;
}

int
newfile_place(struct newfile *f, bool replace, struct err *e)
{
	int rc = file_sync(f->fd, f->temp, e);
	int failed = 0;

	if (rc != ERR_OK)
		return rc;
	if (!replace)
		failed = newfile_rename_new(f);
	else if (rename(f->temp, f->path) != 0)
		failed = errno;
	if (failed == EEXIST)
		return err_set(e, ERR_EXISTS, "%s exists", f->path);
	if (failed != 0)
		return err_system(e, failed, "cannot rename %s", f->temp);
	free(f->temp);
	f->temp = NULL;
	return file_sync_parent(f->path, e);
}

void
newfile_close(struct newfile *f)
{
	if (f->fd >= 0 && f->path != NULL)
		close(f->fd);
	if (f->temp != NULL)
		unlink(f->temp);
	free(f->temp);
	*f = (struct newfile){.fd = -1};
}
