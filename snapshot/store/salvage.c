/* Searching a damaged pack for frames: the contracts are in salvage.h. */
#include "snapshot/store/salvage.h"

#include "catalog/base/bytes.h"
#include "snapshot/store/codec.h"
#include "snapshot/store/dictionary.h"
#include "snapshot/store/frame.h"
#include "snapshot/store/packfile.h"

#include <stdlib.h>
#include <string.h>

#define SALVAGE_PART 262144u /* bytes searched at a time */
/* What may be spent, in bytes read, on what turns out to be no frame; each try is at least a page.
 * A pack of undamaged frames costs nothing of it, one that was made to be slow to search all. */
#define SALVAGE_WASTE ((uint64_t)4 << 30)
#define SALVAGE_TRY 4096u
#define SALVAGE_FRAME_MAX (FRAME_HEAD + FRAME_SIZE_LEN * FRAME_COUNT_MAX + FRAME_DOCUMENT_MAX)

/* A frame that was found. */
struct salvage_frame {
	uint64_t offset;
	uint32_t clen;  /* compressed bytes */
	uint32_t first; /* ordinal */
	uint32_t count; /* ordinals */
};

struct salvage {
	struct packfile *file;         /* owned */
	const struct dictionary *dict; /* NULL: none */
	struct codec_unpacker *codec;  /* owned */
	struct salvage_frame *frames;  /* owned; in the order of the file */
	size_t n, cap;                 /* in use, allocated */
	uint64_t wasted;               /* of SALVAGE_WASTE */
	struct buf part;               /* the bytes of the file that are being searched */
	uint64_t part_at;              /* where they begin */
	struct buf packed;             /* compressed bytes at hand */
	struct buf frame;              /* a decoded frame */
	size_t number;                 /* which one; SIZE_MAX: none */
};

/* Decode the ${clen} bytes at ${offset} into s->frame. ERR_CORRUPT: that is no frame. */
static int
salvage_decode(struct salvage *s, uint64_t offset, size_t clen, struct err *e)
{
	const char *why;
	int rc;

	if (codec_room(&s->packed, clen) != ERR_OK)
		return err_nomem(e);
	rc = packfile_read(s->file, offset, s->packed.data, clen, e);
	if (rc == ERR_OK)
		rc = codec_unpack(
		    s->codec, s->dict, s->packed.data, clen, SALVAGE_FRAME_MAX, &s->frame, &why);
	return rc == ERR_NOMEM ? err_nomem(e) : rc;
}

static int
salvage_add(struct salvage *s, const struct salvage_frame *f, struct err *e)
{
	if (s->n == s->cap) {
		size_t cap = s->cap > 0 ? s->cap * 2 : 256;
		struct salvage_frame *p = reallocarray(s->frames, cap, sizeof(*p));
		if (p == NULL)
			return err_nomem(e);
		s->frames = p;
		s->cap = cap;
	}
	s->frames[s->n++] = *f;
	return ERR_OK;
}

/*
 * Look whether a frame begins at ${offset}; sets ${clen} to its bytes, 0 when there is none. As
 * much is read as a frame of the content that its head claims can have.
 */
static int
salvage_try(struct salvage *s, uint64_t offset, size_t *clen, struct err *e)
{
	uint64_t left = packfile_length(s->file) - offset;
	uint8_t head[CODEC_HEAD];
	size_t len = left < sizeof(head) ? (size_t)left : sizeof(head);
	struct salvage_frame f = {.offset = offset};
	uint64_t wasted = s->wasted;
	int rc = packfile_read(s->file, offset, head, len, e);

	*clen = 0;
	if (rc != ERR_OK)
		return rc;
	len = codec_bound(head, len, SALVAGE_FRAME_MAX);
	s->wasted += SALVAGE_TRY + len;
	if (len == 0)
		return ERR_OK;
	if (len > left)
		len = (size_t)left;
	if (codec_room(&s->packed, len) != ERR_OK)
		return err_nomem(e);
	rc = packfile_read(s->file, offset, s->packed.data, len, e);
	if (rc == ERR_OK)
		len = codec_extent(s->packed.data, len);
	if (rc != ERR_OK || len == 0)
		return rc;
	rc = salvage_decode(s, offset, len, e);
	if (rc != ERR_OK)
		return rc == ERR_CORRUPT ? ERR_OK : rc;
	f.clen = (uint32_t)len;
	f.first = s->frame.len >= FRAME_HEAD ? bytes_get32(s->frame.data) : 0;
	f.count = s->frame.len >= FRAME_HEAD ? bytes_get32(s->frame.data + 4) : 0;
	*clen = len;
	if (frame_fault(s->frame.data, s->frame.len, f.first, FRAME_COUNT_MAX) != NULL)
		return ERR_OK;
	s->wasted = wasted;
	return salvage_add(s, &f, e);
}

/* Have the bytes from ${at} on at hand. */
static int
salvage_part(struct salvage *s, uint64_t at, struct err *e)
{
	uint64_t left = packfile_length(s->file) - at;

	if (codec_room(&s->part, SALVAGE_PART) != ERR_OK)
		return err_nomem(e);
	s->part_at = at;
	s->part.len = left < SALVAGE_PART ? (size_t)left : SALVAGE_PART;
	return packfile_read(s->file, at, s->part.data, s->part.len, e);
}

/* Move ${at} to the next place where a frame may begin. ERR_ABSENT: there is none. */
static int
salvage_next(struct salvage *s, uint64_t *at, struct err *e)
{
	uint64_t length = packfile_length(s->file);

	while (*at + CODEC_MAGIC_LEN <= length) {
		const uint8_t *from, *hit;
		if (*at + CODEC_MAGIC_LEN > s->part_at + s->part.len) {
			int rc = salvage_part(s, *at, e);
			if (rc != ERR_OK)
				return rc;
		}
		from = s->part.data + (*at - s->part_at);
		hit = memmem(
		    from, s->part.len - (size_t)(*at - s->part_at), CODEC_MAGIC, CODEC_MAGIC_LEN);
		if (hit != NULL) {
			*at += (uint64_t)(hit - from);
			return ERR_OK;
		}
		/* What begins a frame may lie across two parts. */
		*at = s->part_at + s->part.len - (CODEC_MAGIC_LEN - 1);
	}
	return ERR_ABSENT;
}

/* Go through the file. */
static int
salvage_search(struct salvage *s, const volatile sig_atomic_t *stop, struct err *e)
{
	uint64_t at = 0;
	size_t clen;
	int rc = ERR_OK;

	while (rc == ERR_OK && s->wasted < SALVAGE_WASTE) {
		if (stop != NULL && *stop != 0)
			return err_set(e, ERR_INTR, "interrupted");
		rc = salvage_next(s, &at, e);
		if (rc == ERR_OK)
			rc = salvage_try(s, at, &clen, e);
		if (rc == ERR_OK)
			at += clen > 0 ? clen : 1;
	}
	return rc == ERR_ABSENT ? ERR_OK : rc;
}

int
salvage_open(int packsfd, uint64_t pack_id, const struct dictionary *dict,
    const volatile sig_atomic_t *stop, struct salvage **out, struct err *e)
{
	struct salvage *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return err_nomem(e);
	s->dict = dict;
	s->number = SIZE_MAX;
	s->codec = codec_unpacker_create();
	rc = s->codec != NULL ? packfile_open(packsfd, PACKFILE_PACK, pack_id, &s->file, e)
			      : err_nomem(e);
	if (rc == ERR_OK)
		rc = salvage_search(s, stop, e);
	if (rc != ERR_OK) {
		salvage_close(s);
		return rc;
	}
	*out = s;
	return ERR_OK;
}

int
salvage_read(struct salvage *s, uint32_t ordinal, uint64_t *walk, struct buf *out, struct err *e)
{
	const uint8_t *data;
	size_t size;
	int rc;

	for (; *walk < s->n; ++*walk) {
		const struct salvage_frame *f = &s->frames[*walk];
		if (ordinal < f->first || ordinal - f->first >= f->count)
			continue;
		if (s->number != *walk) {
			s->number = SIZE_MAX;
			rc = salvage_decode(s, f->offset, f->clen, e);
			if (rc == ERR_CORRUPT)
				continue;
			if (rc != ERR_OK)
				return rc;
			s->number = (size_t)*walk;
		}
		if (frame_find(s->frame.data, s->frame.len, f->first, ordinal, &data, &size) !=
		    ERR_OK)
			continue;
		buf_clear(out);
		++*walk;
		return buf_append(out, data, size) == ERR_OK ? ERR_OK : err_nomem(e);
	}
	return ERR_ABSENT;
}

void
salvage_close(struct salvage *s)
{
	if (s == NULL)
		return;
	packfile_close(s->file);
	codec_unpacker_free(s->codec);
	buf_finish(&s->part);
	buf_finish(&s->packed);
	buf_finish(&s->frame);
	free(s->frames);
	free(s);
}
