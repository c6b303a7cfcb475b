/*
 * Whole reads and writes on file descriptors, and the directory syncs that make a rename durable.
 * Interrupted calls are taken up again; a failed sync is reported and never repeated as if it had
 * worked. Any thread.
 */
#ifndef THINKBACK_BASE_FILE_H
#define THINKBACK_BASE_FILE_H

#include "catalog/base/err.h"

#include <stddef.h>
#include <stdint.h>

/*
 * file_write(fd, data, len, what, e):
 * Write all ${len} bytes at the file's position. ${what} names the file in an error's text. Return
 * ERR_OK or what err_system makes of errno.
 */
int file_write(int fd, const void *data, size_t len, const char *what, struct err *e);

/*
 * file_write_at(fd, data, len, off, what, e):
 * Write all ${len} bytes at offset ${off}. Returns as file_write.
 */
int
file_write_at(int fd, const void *data, size_t len, uint64_t off, const char *what, struct err *e);

/*
 * file_read_at(fd, data, len, off, what, e):
 * Read exactly ${len} bytes at offset ${off}. Return ERR_OK, ERR_TRUNCATED when the file ends
 * before that (text set), or what err_system makes of errno.
 */
int file_read_at(int fd, void *data, size_t len, uint64_t off, const char *what, struct err *e);

/*
 * file_read_some(fd, data, len, off, got, what, e):
 * Read up to ${len} bytes at offset ${off}; fewer only where the file ends. Sets ${got}.
 */
int file_read_some(
    int fd, void *data, size_t len, uint64_t off, size_t *got, const char *what, struct err *e);

/* file_sync(fd, what, e): fsync. Return ERR_OK or what err_system makes of errno. */
int file_sync(int fd, const char *what, struct err *e);

/*
 * file_sync_parent(path, e):
 * Sync the directory that ${path} is in, so that its name there survives a power cut. Return
 * ERR_OK, also when that directory cannot be opened by us: then there is nothing to sync through;
 * or a failure.
 */
int file_sync_parent(const char *path, struct err *e);

/*
 * file_temp(dirfd, fd, e):
 * Open a file without a name in the directory ${dirfd} for reading and writing, mode 0600; it is
 * gone when closed, also after a crash. Where nothing can be written it is in /var/tmp. Sets ${fd},
 * owned by the caller.
 */
int file_temp(int dirfd, int *fd, struct err *e);

#endif
