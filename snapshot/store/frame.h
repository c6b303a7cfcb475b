/*
 * What is in a frame of documents, decoded (thinkback-pack(5)):
 *
 *   u32 first ordinal | u32 count | count x u32 size | the documents, back to back
 *
 * A size of 0 is an ordinal whose document is not there any more. Pure; any thread; a struct
 * frame_builder belongs to one thread at a time.
 */
#ifndef THINKBACK_STORE_FRAME_H
#define THINKBACK_STORE_FRAME_H

#include "catalog/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_COUNT_MAX 16384u        /* ordinals in a frame */
#define FRAME_DOCUMENT_MIN 2u         /* bytes of the smallest document, {} */
#define FRAME_DOCUMENT_MAX 134217728u /* bytes of the largest document, 128 MiB */
#define FRAME_HEAD 8u                 /* bytes before the sizes */
#define FRAME_SIZE_LEN 4u             /* bytes of a size */

/* A frame being filled. Zero it to start; frame_finish gives its memory back. */
struct frame_builder {
	uint32_t first;       /* ordinal of the first document */
	uint32_t count;       /* ordinals in it */
	struct buf sizes;     /* count sizes, as they will be on disk */
	struct buf documents; /* their bytes */
};

/* frame_finish(f): free the memory of ${f} and zero it. */
void frame_finish(struct frame_builder *f);

/*
 * frame_fits(f, ordinal, len):
 * Whether a document of ${len} bytes with the number ${ordinal}, over all that are in it, should go
 * into the open frame, which has PACK_FRAME_SIZE bytes then at most: up to 16 KiB zstd takes a
 * dictionary as it is, over that it copies its tables for each frame. An empty frame takes
 * everything.
 */
bool frame_fits(const struct frame_builder *f, uint32_t ordinal, size_t len);

/* frame_add(f, ordinal, document, len): add a document that fits. Return ERR_OK or ERR_NOMEM. */
int frame_add(struct frame_builder *f, uint32_t ordinal, const void *document, size_t len);

/* frame_close(f, out): replace ${out} by the finished frame, and empty ${f}. ERR_OK or ERR_NOMEM.
 */
int frame_close(struct frame_builder *f, struct buf *out);

/*
 * frame_fault(frame, len, first, room):
 * What is wrong with a decoded frame that must begin with ordinal ${first} and may hold at most
 * ${room} ordinals: a static text, or NULL when all its parts agree.
 */
const char *frame_fault(const uint8_t *frame, size_t len, uint32_t first, uint64_t room);

/* frame_find(...): as pack_frame_document (pack.h). */
int frame_find(const uint8_t *frame, size_t len, uint32_t first, uint32_t ordinal,
    const uint8_t **data, size_t *size);

#endif
