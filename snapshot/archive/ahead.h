/*
 * A stream (stream.h) that is read ahead: a thread decompresses the next blocks while the caller
 * works on one. The first blocks come without a thread, so that looking at the head of a file and
 * reading a small one start none; where there can be no thread all blocks do, only slower.
 *
 * All calls come from one thread. What a call returns does not depend on how far the other thread
 * is; a failure arrives behind the blocks that were read before it.
 */
#ifndef THINKBACK_ARCHIVE_AHEAD_H
#define THINKBACK_ARCHIVE_AHEAD_H

#include "catalog/base/err.h"

#include <stddef.h>
#include <stdint.h>

/* Opaque types. */
struct ahead;

/*
 * ahead_open(fd, out, e):
 * As stream_open. To be closed with ahead_close.
 */
int ahead_open(int fd, struct ahead **out, struct err *e);

/* ahead_close(a): end the thread and close; ${a} may be NULL. */
void ahead_close(struct ahead *a);

/*
 * ahead_next(a, data, len, e):
 * The next block, valid until the next call. Returns as stream_read; after anything but ERR_OK
 * the same again.
 */
int ahead_next(struct ahead *a, const uint8_t **data, size_t *len, struct err *e);

/* ahead_position(a): bytes of the file that the blocks so far were made of. */
uint64_t ahead_position(const struct ahead *a);

#endif
