/*
 * The bytes of a file that may be compressed: gzip (by zlib, as libarchive 3.6 does not look at
 * gzip's checksum), zstd and xz (by libarchive), or none. What it is is told by the first bytes,
 * and the end is checked: a stream that ends with ERR_END was whole. Texts speak of "the archive".
 * A struct stream belongs to one thread at a time.
 */
#ifndef THINKBACK_ARCHIVE_STREAM_H
#define THINKBACK_ARCHIVE_STREAM_H

#include "catalog/base/err.h"

#include <stddef.h>
#include <stdint.h>

#define STREAM_BLOCK 262144u /* bytes read, or decompressed, at a time */

/* Opaque types. */
struct stream;

/*
 * stream_open(fd, out, e):
 * Begin at the first byte of the regular file ${fd}, which stays the caller's and must stay open.
 * Return ERR_OK and set ${out}, to be closed with stream_close; ERR_TRUNCATED when the file is
 * empty; else a failure.
 */
int stream_open(int fd, struct stream **out, struct err *e);

/* stream_close(s): close; ${s} may be NULL. */
void stream_close(struct stream *s);

/*
 * stream_read(s, out, len, e):
 * Put the next decompressed bytes, at least one and STREAM_BLOCK at most, into ${out}. Return
 * ERR_OK; ERR_END; ERR_TRUNCATED when the file ends inside compressed data; ERR_FORMAT when it is
 * damaged or something else follows it; else a failure. After a failure only stream_close is
 * allowed.
 */
int stream_read(struct stream *s, uint8_t out[STREAM_BLOCK], size_t *len, struct err *e);

/* stream_position(s): bytes of the file read so far. */
uint64_t stream_position(const struct stream *s);

#endif
