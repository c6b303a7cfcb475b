/* Frames of documents: the contracts are in frame.h. */
#include "snapshot/store/frame.h"

#include "catalog/base/bytes.h"
#include "catalog/base/err.h"
#include "snapshot/store/codec.h"
#include "snapshot/store/pack.h"

#include <string.h>

#define FRAME_GAP_MAX 64 /* absent ordinals in a row that do not cost a new frame */

void
frame_finish(struct frame_builder *f)
{
	buf_finish(&f->sizes);
	buf_finish(&f->documents);
	*f = (struct frame_builder){0};
}

bool
frame_fits(const struct frame_builder *f, uint32_t ordinal, size_t len)
{
	uint32_t gap = ordinal - (f->first + f->count);
	size_t used = FRAME_HEAD + f->sizes.len + f->documents.len;

	if (f->count == 0)
		return true;
	if (gap > FRAME_GAP_MAX || ordinal - f->first >= FRAME_COUNT_MAX)
		return false;
	used += FRAME_SIZE_LEN * ((size_t)gap + 1);
	return used <= PACK_FRAME_SIZE && len <= PACK_FRAME_SIZE - used;
}

static int
frame_add_size(struct frame_builder *f, uint32_t size)
{
	uint8_t raw[FRAME_SIZE_LEN];

	bytes_put32(raw, size);
	return buf_append(&f->sizes, raw, sizeof(raw));
}

int
frame_add(struct frame_builder *f, uint32_t ordinal, const void *document, size_t len)
{
	if (f->count == 0)
		f->first = ordinal;
	while (f->first + f->count < ordinal) {
		if (frame_add_size(f, 0) != ERR_OK)
			return ERR_NOMEM;
		f->count++;
	}
	if (frame_add_size(f, (uint32_t)len) != ERR_OK ||
	    buf_append(&f->documents, document, len) != ERR_OK)
		return ERR_NOMEM;
	f->count++;
	return ERR_OK;
}

int
frame_close(struct frame_builder *f, struct buf *out)
{
	uint8_t head[FRAME_HEAD];

	bytes_put32(head, f->first);
	bytes_put32(head + 4, f->count);
	if (codec_room(out, sizeof(head) + f->sizes.len + f->documents.len) != ERR_OK ||
	    buf_append(out, head, sizeof(head)) != ERR_OK ||
	    buf_append(out, f->sizes.data, f->sizes.len) != ERR_OK ||
	    buf_append(out, f->documents.data, f->documents.len) != ERR_OK)
		return ERR_NOMEM;
	codec_trim(&f->sizes);
	codec_trim(&f->documents);
	f->count = 0;
	return ERR_OK;
}

const char *
frame_fault(const uint8_t *frame, size_t len, uint32_t first, uint64_t room)
{
	uint64_t sum;
	uint32_t count;

	if (len < FRAME_HEAD)
		return "it is too short";
	if (bytes_get32(frame) != first)
		return "it begins with another document than it should";
	count = bytes_get32(frame + 4);
	if (count == 0 || count > FRAME_COUNT_MAX || count > room)
		return "it holds more documents than it may";
	sum = FRAME_HEAD + (uint64_t)FRAME_SIZE_LEN * count;
	if (sum > len)
		return "it is too short for its sizes";
	for (uint32_t i = 0; i < count; i++) {
		uint32_t size = bytes_get32(frame + FRAME_HEAD + (size_t)FRAME_SIZE_LEN * i);
		if (size != 0 && (size < FRAME_DOCUMENT_MIN || size > FRAME_DOCUMENT_MAX))
			return "a document has a size that none can have";
		sum += size;
	}
	return sum == len ? NULL : "its documents and its length differ";
}

int
frame_find(const uint8_t *frame, size_t len, uint32_t first, uint32_t ordinal, const uint8_t **data,
    size_t *size)
{
	uint64_t off;
	uint32_t count, at, found;

	if (len < FRAME_HEAD || bytes_get32(frame) != first)
		return ERR_CORRUPT;
	count = bytes_get32(frame + 4);
	off = FRAME_HEAD + (uint64_t)FRAME_SIZE_LEN * count;
	if (off > len)
		return ERR_CORRUPT;
	if (ordinal < first || ordinal - first >= count)
		return ERR_ABSENT;
	at = ordinal - first;
	for (uint32_t i = 0; i < at; i++)
		off += bytes_get32(frame + FRAME_HEAD + (size_t)FRAME_SIZE_LEN * i);
	found = bytes_get32(frame + FRAME_HEAD + (size_t)FRAME_SIZE_LEN * at);
	if (off > len || found > len - off)
		return ERR_CORRUPT;
	if (found == 0)
		return ERR_ABSENT;
	*data = frame + off;
	*size = found;
	return ERR_OK;
}
