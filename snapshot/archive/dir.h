/*
 * Reading directories of strangers: every step is one component, symbolic links are never followed
 * and only regular files are read. Errors' texts name the path below the directory that was opened
 * first. Any thread.
 */
#ifndef THINKBACK_ARCHIVE_DIR_H
#define THINKBACK_ARCHIVE_DIR_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * dir_open(root, path, fd, e):
 * Open the directory ${path}, components with '/' between, below ${root}; "" is ${root} itself.
 * Return ERR_OK and set ${fd}, the caller's; ERR_ABSENT; else a failure.
 */
int dir_open(int root, const char *path, int *fd, struct err *e);

/*
 * dir_each(root, path, found, arg, e):
 * Hand every name in a directory but those with a leading dot to ${found}, in no order, with the
 * open directory and whether it is a directory itself (a link to one is not); a result of ${found}
 * other than ERR_OK and ERR_ABSENT (it has gone meanwhile) ends the walk and is returned, its text
 * with ${path} before it. Other failures as dir_open, or of reading.
 */
int dir_each(int root, const char *path,
    int (*found)(void *arg, int dirfd, const char *name, bool directory, struct err *e), void *arg,
    struct err *e);

/*
 * dir_file(dirfd, name, path, fd, size, e):
 * Open the regular file ${name} in ${dirfd} for reading; ${path} is its name in texts. Return
 * ERR_OK and set ${fd}, the caller's, and ${size}; ERR_ABSENT; ERR_FORMAT when it is no regular
 * file; else a failure.
 */
int dir_file(int dirfd, const char *name, const char *path, int *fd, uint64_t *size, struct err *e);

/*
 * dir_read(dirfd, name, path, max, out, e):
 * Replace ${out} by the whole of a regular file. As dir_file, and ERR_LIMIT over ${max} bytes.
 */
int
dir_read(int dirfd, const char *name, const char *path, size_t max, struct buf *out, struct err *e);

#endif
