/*
 * Writing an archive as rethinkdb dump makes it: a gzipped tar of plain files TOP/DB/TABLE.json and
 * TOP/DB/TABLE.info (official driver: _dump.py; checks of _restore.py). A struct tarball belongs to
 * one thread at a time.
 */
#ifndef THINKBACK_ARCHIVE_TARBALL_H
#define THINKBACK_ARCHIVE_TARBALL_H

#include "catalog/base/err.h"

#include <stddef.h>
#include <stdint.h>

/* Opaque types. */
struct tarball;

/*
 * tarball_create(fd, date, out, e):
 * Start an archive on the file ${fd} (not owned), whose members bear ${date} (seconds). Return
 * ERR_OK and set ${out}, to be given to tarball_finish or tarball_abort; or a failure.
 */
int tarball_create(int fd, int64_t date, struct tarball **out, struct err *e);

/* tarball_member(t, path, size, e): start the member ${path} of exactly ${size} bytes. */
int tarball_member(struct tarball *t, const char *path, uint64_t size, struct err *e);

/*
 * tarball_write(t, data, len, e):
 * Write bytes of the member. Return ERR_OK; ERR_BUG when it gets more than its size; or a failure.
 */
int tarball_write(struct tarball *t, const void *data, size_t len, struct err *e);

/*
 * tarball_finish(t, e):
 * End the archive and free ${t}. Return ERR_OK; ERR_BUG when the last member got less than its
 * size; or a failure. The file is not synced.
 */
int tarball_finish(struct tarball *t, struct err *e);

/* tarball_abort(t): free ${t} (may be NULL) without ending the archive. */
void tarball_abort(struct tarball *t);

#endif
