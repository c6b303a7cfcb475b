/*
 * Compressing the frames of one pack: frames go in and come out, compressed, in the same order. A
 * pack of more than a few frames gets threads for it, one for each processor but the caller's; a
 * small one does without, and so does one whose threads cannot be started, only slower. What comes
 * out does not depend on that.
 *
 * All calls come from one thread.
 */
#ifndef THINKBACK_STORE_PRESS_H
#define THINKBACK_STORE_PRESS_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Opaque types. */
struct press;
struct dictionary;

/* press_create(dict): a press with the dictionary ${dict} (NULL: none), which is not needed
 * afterwards; to be freed with press_free. NULL when out of memory. */
struct press *press_create(const struct dictionary *dict);

/* press_free(p): end the threads and free ${p}, which may be NULL, with all that is in it. */
void press_free(struct press *p);

/*
 * press_empty(p), press_full(p), press_half_full(p):
 * Whether nothing is in it; whether it has room for no more; whether more than half of it is used:
 * a full one is best emptied down to that, so that the threads are seldom waited for.
 */
bool press_empty(const struct press *p);
bool press_full(const struct press *p);
bool press_half_full(const struct press *p);

/*
 * press_put(p, raw, first):
 * Put a frame in, whose first ordinal is ${first}. Its bytes are taken out of ${raw}, which gets
 * other memory to be filled anew. The press must not be full, and what was taken out of it last is
 * not valid any more.
 */
void press_put(struct press *p, struct buf *raw, uint32_t first);

/*
 * press_take(p, packed, first, e):
 * Take the oldest frame out, waiting until it is compressed: ${packed} is valid until the next
 * call. The press must not be empty. Return ERR_OK, or as codec_pack.
 */
int press_take(struct press *p, const struct buf **packed, uint32_t *first, struct err *e);

#endif
