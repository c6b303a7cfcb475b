/*
 * Operations that write: the inbox does the work. Anywhere but in a table's directory the file
 * system is read-only. Owner, mode and times of what is copied in are accepted and not kept, so
 * that cp -p and rsync -a succeed.
 */
#include "fs/fuse_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Whether ${name} may be made or moved in ${parent}; if not, the request is answered. */
static bool
fuse_write_allowed(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_fs *fs = fuse_answer_fs(req);

	if (fs->inbox == NULL || !fuse_ops_inbox_dir(parent)) {
		fuse_answer_refuse(req, ERRMAP_READONLY);
		return false;
	}
	if (strlen(name) > NAME_MAX_BYTES) {
		fuse_answer_refuse(req, ERRMAP_NAME_TOO_LONG);
		return false;
	}
	return true;
}

void
fuse_write_create(
    fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	struct fuse_fs *fs = fuse_answer_fs(req);
	struct fuse_entry_param param;
	struct inbox_file *file;
	struct view_attr attr;
	struct err e = {0};
	int rc;

	(void)mode;
	if (!fuse_write_allowed(req, parent, name))
		return;
	rc = inbox_make(fs->inbox, parent, name, (fi->flags & O_EXCL) != 0, &file, &attr, &e);
	if (rc != ERR_OK) {
		fuse_answer_error(req, rc, &e);
		return;
	}
	inbox_opened_by(file, fuse_req_ctx(req)->pid);
	fi->fh = (uintptr_t)file;
	fuse_answer_param(fs, &attr, &param);
	/* A request that was interrupted gets no release. */
	if (fuse_reply_create(req, &param, fi) != 0)
		inbox_release(file);
}

void
fuse_write_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
	struct fuse_fs *fs = fuse_answer_fs(req);
	struct inbox_file *file;
	struct view_attr attr;
	struct err e = {0};
	int rc;

	(void)device;
	if (!S_ISREG(mode)) {
		fuse_answer_refuse(req, ERRMAP_NOT_PERMITTED);
		return;
	}
	if (!fuse_write_allowed(req, parent, name))
		return;
	rc = inbox_make(fs->inbox, parent, name, true, &file, &attr, &e);
	if (rc != ERR_OK) {
		fuse_answer_error(req, rc, &e);
		return;
	}
	inbox_release(file);
	fuse_answer_entry(req, &attr);
}

void
fuse_write_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t off,
    struct fuse_file_info *fi)
{
	struct inbox_file *file = fuse_ops_file(ino, fi);
	struct err e = {0};
	int rc;

	if (file == NULL) {
		fuse_answer_refuse(req, ERRMAP_READONLY);
		return;
	}
	rc = inbox_write(file, (uint64_t)off, data, size, &e);
	if (rc == ERR_OK)
		fuse_reply_write(req, size);
	else
		fuse_answer_error(req, rc, &e);
}

void
fuse_write_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct inbox_file *file = fuse_ops_file(ino, fi);
	struct err e = {0};
	int rc = ERR_OK;

	if (atomic_load(&fuse_answer_fs(req)->no_open)) {
		fuse_answer_refuse(req, ERRMAP_NOT_NEEDED);
		return;
	}
	fuse_serve_slow();
	if (file != NULL)
		rc = inbox_close(file, fuse_req_ctx(req)->pid, &e);
	fuse_answer_error(req, rc, &e);
}

void
fuse_write_fsync(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *fi)
{
	struct inbox_file *file = fuse_ops_file(ino, fi);
	struct err e = {0};

	(void)data_only;
	fuse_serve_slow();
	fuse_answer_error(req, file == NULL ? ERR_OK : inbox_sync(file, &e), &e);
}

void
fuse_write_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct inbox_file *file = fuse_ops_file(ino, fi);

	if (file != NULL)
		inbox_release(file);
	else
		fuse_file_close(fuse_answer_fs(req), ino, fi);
	fuse_answer_error(req, ERR_OK, NULL);
}

/* Change the size of a file of the inbox. */
static int
fuse_write_resize(struct fuse_fs *fs, fuse_ino_t ino, uint64_t size,
    const struct fuse_file_info *fi, struct err *e)
{
	struct inbox_file *file = fuse_ops_file(ino, fi);

	if (file != NULL)
		return inbox_truncate(file, size, e);
	return inbox_truncate_path(fs->inbox, ino, size, e);
}

void
fuse_write_setattr(
    fuse_req_t req, fuse_ino_t ino, struct stat *attr, int which, struct fuse_file_info *fi)
{
	struct fuse_fs *fs = fuse_answer_fs(req);
	bool sized = (which & FUSE_SET_ATTR_SIZE) != 0;
	struct view_attr now;
	struct err e = {0};
	int rc;

	rc = fuse_ops_attr(fs, ino, &now, &e);
	if (rc == ERR_OK && (fs->inbox == NULL || !now.writable))
		rc = ERR_READONLY;
	if (rc == ERR_OK && sized && now.type == VIEW_DIRECTORY) {
		fuse_answer_refuse(req, ERRMAP_IS_DIRECTORY);
		return;
	}
	if (rc == ERR_OK && sized) {
		rc = fuse_write_resize(fs, ino, (uint64_t)attr->st_size, fi, &e);
		if (rc == ERR_OK)
			rc = fuse_ops_attr(fs, ino, &now, &e);
	}
	if (rc != ERR_OK) {
		fuse_answer_error(req, rc, &e);
		return;
	}
	now.ino = ino;
	fuse_answer_attr(req, &now);
}

void
fuse_write_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to_parent,
    const char *to, unsigned flags)
{
	struct fuse_fs *fs = fuse_answer_fs(req);
	bool noreplace = (flags & RENAME_NOREPLACE) != 0;
	struct err e = {0};
	int rc;

	if ((flags & ~(unsigned)RENAME_NOREPLACE) != 0) {
		fuse_answer_refuse(req, ERRMAP_INVALID);
		return;
	}
	/* Out of a snapshot, EXDEV would make mv copy, and fail when it cannot remove. */
	if (!fuse_write_allowed(req, parent, name) || !fuse_write_allowed(req, to_parent, to))
		return;
	fuse_serve_slow();
	rc = inbox_rename(fs->inbox, parent, name, to_parent, to, noreplace, &e);
	if (rc == ERR_ARG)
		fuse_answer_refuse(req, ERRMAP_CROSS);
	else
		fuse_answer_error(req, rc, &e);
}

void
fuse_write_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_fs *fs = fuse_answer_fs(req);
	struct err e = {0};

	fuse_serve_slow();
	if (fuse_write_allowed(req, parent, name))
		fuse_answer_error(req, inbox_unlink(fs->inbox, parent, name, &e), &e);
}

void
fuse_write_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct fuse_fs *fs = fuse_answer_fs(req);
	struct view_attr attr;
	struct err e = {0};
	int rc;

	(void)mode;
	if (!fuse_write_allowed(req, parent, name))
		return;
	rc = inbox_mkdir(fs->inbox, parent, name, &attr, &e);
	if (rc == ERR_OK)
		fuse_answer_entry(req, &attr);
	else
		fuse_answer_error(req, rc, &e);
}

void
fuse_write_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_fs *fs = fuse_answer_fs(req);
	struct err e = {0};
	int rc;

	if (!fuse_write_allowed(req, parent, name))
		return;
	rc = inbox_rmdir(fs->inbox, parent, name, &e);
	if (rc == ERR_WRONG_STATE)
		fuse_answer_refuse(req, ERRMAP_NOT_EMPTY);
	else
		fuse_answer_error(req, rc, &e);
}

void
fuse_write_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	(void)target;
	(void)parent;
	(void)name;
	fuse_answer_refuse(req, ERRMAP_NOT_PERMITTED);
}

void
fuse_write_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	(void)ino;
	(void)parent;
	(void)name;
	fuse_answer_refuse(req, ERRMAP_NOT_PERMITTED);
}
