/*
 * What a table's configuration says as JSON: the .info of a dump or an export, the .table.json of a
 * tree.
 */
#ifndef THINKBACK_SNAPSHOT_INFO_H
#define THINKBACK_SNAPSHOT_INFO_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"

/*
 * info_primary_key(json, out, e):
 * Put the name of the key field that the canonical ${json} tells into the empty ${out},
 * NUL-terminated behind its length. Return ERR_OK, ERR_FORMAT when it tells none, or ERR_NOMEM.
 */
int info_primary_key(const struct buf *json, struct buf *out, struct err *e);

/*
 * info_read_key(dirfd, name, path, out, e):
 * The same of the file ${name} in ${dirfd}; ${path} is its name in texts. Return ERR_OK; ERR_ABSENT
 * when there is no such file; ERR_FORMAT when it is damaged or no regular file; else a
 * failure.
 */
int info_read_key(int dirfd, const char *name, const char *path, struct buf *out, struct err *e);

#endif
