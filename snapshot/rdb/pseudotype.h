/*
 * Times and binary data as a server stores them (server source rdb_protocol/pseudo_time.cc,
 * pseudo_binary.cc): it rounds times to milliseconds, writes "Z" as "+00:00", and breaks the lines
 * of base64. What is sent and what is read back are compared in a form that has none of these
 * differences. Pure; any thread; no recursion.
 */
#ifndef THINKBACK_RDB_PSEUDOTYPE_H
#define THINKBACK_RDB_PSEUDOTYPE_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"

#include <stddef.h>

/*
 * pseudotype_normal(document, len, out):
 * Append canonical JSON to ${out} with each time and each binary in that form. Return ERR_OK or
 * ERR_NOMEM.
 */
int pseudotype_normal(const void *document, size_t len, struct buf *out);

#endif
