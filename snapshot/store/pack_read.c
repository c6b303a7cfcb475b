/* Reading frames and index lines of an open pack: the contracts are in pack.h. */
#include "snapshot/store/codec.h"
#include "snapshot/store/dictionary.h"
#include "snapshot/store/frame.h"
#include "snapshot/store/pack_index.h"
#include "snapshot/store/pack_internal.h"

#include <inttypes.h>
#include <stdlib.h>

/* Bytes of the largest decoded frame: one document of the largest size, and sizes of many. */
#define READ_FRAME_MAX (FRAME_HEAD + FRAME_SIZE_LEN * FRAME_COUNT_MAX + FRAME_DOCUMENT_MAX)

struct pack_reader {
	struct codec_unpacker *codec;    /* owned */
	struct buf packed;               /* compressed bytes of the frame or block being read */
	struct buf block;                /* decoded index block */
	bool loaded;                     /* block holds one; the next three tell which */
	uint64_t identity;               /* of its pack */
	uint64_t number;                 /* of the block */
	struct pack_block_at at;         /* its line in the table */
	struct pack_index_cursor cursor; /* walks through block */
};

struct pack_reader *
pack_reader_create(void)
{
	struct pack_reader *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->codec = codec_unpacker_create();
	if (r->codec == NULL) {
		free(r);
		return NULL;
	}
	return r;
}

void
pack_reader_free(struct pack_reader *r)
{
	if (r == NULL)
		return;
	codec_unpacker_free(r->codec);
	buf_finish(&r->packed);
	buf_finish(&r->block);
	free(r);
}

/* Read and decode ${clen} bytes at ${offset}: the frame or block (${kind}) number ${n}. */
static int
read_piece(const struct pack *p, struct pack_reader *r, const struct dictionary *dict,
    uint64_t offset, uint32_t clen, uint64_t most, const char *kind, uint64_t n, struct buf *out,
    struct err *e)
{
	const char *why;
	int rc;

	if (codec_room(&r->packed, clen) != ERR_OK)
		return err_nomem(e);
	rc = packfile_read(p->file, offset, r->packed.data, clen, e);
	if (rc == ERR_OK) {
		rc = codec_unpack(r->codec, dict, r->packed.data, clen, most, out, &why);
		if (rc == ERR_CORRUPT)
			packfile_damaged(
			    PACKFILE_PACK, p->meta.pack_id, e, "%s %" PRIu64 ": %s", kind, n, why);
		else if (rc == ERR_NOMEM)
			err_nomem(e);
	}
	codec_trim(&r->packed);
	return rc;
}

/* ---- frames ---- */

int
pack_frame_of(const struct pack *p, uint32_t ordinal, uint64_t *frame)
{
	uint64_t low = 0, high = p->footer.frames;

	if (ordinal >= p->footer.ordinals)
		return ERR_ABSENT;
	/* The first frame that begins behind the ordinal. */
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		if (pack_format_frame_get(p->frames, middle).first <= ordinal)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return ERR_ABSENT;
	*frame = low - 1;
	return ERR_OK;
}

/* Bytes that a decoded frame of ${p} can have at most. */
static uint64_t
read_frame_most(const struct pack *p)
{
	uint64_t all = FRAME_HEAD + FRAME_SIZE_LEN * FRAME_COUNT_MAX + p->footer.raw_bytes;

	return all < READ_FRAME_MAX ? all : READ_FRAME_MAX;
}

/* Ordinals that frame ${n}, which begins with ${first}, can hold: up to the next frame's first. */
static uint64_t
read_frame_room(const struct pack *p, uint64_t n, uint32_t first)
{
	uint64_t end = p->footer.ordinals;

	if (n + 1 < p->footer.frames)
		end = pack_format_frame_get(p->frames, n + 1).first;
	return end - first;
}

int
pack_frame_read(const struct pack *p, struct pack_reader *r, const struct dictionary *dict,
    uint64_t frame, struct buf *out, uint32_t *first, struct err *e)
{
	struct pack_frame_at at;
	const char *why;
	int rc;

	if (frame >= p->footer.frames)
		return err_set(e, ERR_ARG, "there is no frame %" PRIu64, frame);
	if (dictionary_id(dict) != p->meta.dictionary_id)
		return err_set(e, ERR_ARG, "pack %016" PRIx64 " needs dictionary %016" PRIx64,
		    p->meta.pack_id, p->meta.dictionary_id);
	at = pack_format_frame_get(p->frames, frame);
	rc = read_piece(p, r, dict, at.offset, at.clen, read_frame_most(p), "frame", frame, out, e);
	if (rc != ERR_OK)
		return rc;
	why = frame_fault(out->data, out->len, at.first, read_frame_room(p, frame, at.first));
	if (why != NULL) {
		buf_clear(out);
		return packfile_damaged(
		    PACKFILE_PACK, p->meta.pack_id, e, "frame %" PRIu64 ": %s", frame, why);
	}
	*first = at.first;
	return ERR_OK;
}

int
pack_frame_document(const uint8_t *frame, size_t len, uint32_t first, uint32_t ordinal,
    const uint8_t **data, size_t *size)
{
	return frame_find(frame, len, first, ordinal, data, size);
}

/* ---- the index ---- */

static int
read_block_fault(const struct pack *p, uint64_t n, const char *why, struct err *e)
{
	return packfile_damaged(
	    PACKFILE_PACK, p->meta.pack_id, e, "index block %" PRIu64 ": %s", n, why);
}

/* Whether the block that was just loaded goes on where the one before it, ${before}, ended. */
static const char *
read_block_follows(const struct pack_reader *r, const struct pack_index_cursor *before)
{
	struct pack_index_cursor ahead = r->cursor;
	struct pack_entry entry;
	const char *why;

	if (r->at.first != before->next)
		return "its ordinals do not go on where the last block ended";
	if (pack_index_next(&ahead, &entry, &why) != ERR_OK)
		return why;
	if (key_compare(&before->last, &entry.key) >= 0)
		return "its keys do not go on where the last block ended";
	return NULL;
}

/* Decode block ${n} into ${r}, unless it is there already, and go to its first line. */
static int
read_block(const struct pack *p, struct pack_reader *r, uint64_t n, struct err *e)
{
	struct pack_index_cursor before = r->cursor;
	bool same = r->loaded && r->identity == p->identity;
	const char *why = NULL;
	int rc;

	if (!same || r->number != n) {
		/* Whether the block before it has just been walked through to its end. */
		bool follows = same && r->number + 1 == n && before.left == 0;
		r->loaded = false;
		r->at = pack_format_block_get(p->blocks, n);
		rc = read_piece(p, r, NULL, r->at.offset, r->at.clen, r->at.raw, "index block", n,
		    &r->block, e);
		if (rc != ERR_OK)
			return rc;
		if (r->block.len != r->at.raw)
			return read_block_fault(p, n, "it has another length than it should", e);
		pack_index_start(&r->cursor, r->block.data, r->block.len, &r->at);
		if (follows)
			why = read_block_follows(r, &before);
		if (why != NULL)
			return read_block_fault(p, n, why, e);
		r->loaded = true;
		r->identity = p->identity;
		r->number = n;
	}
	pack_index_start(&r->cursor, r->block.data, r->block.len, &r->at);
	return ERR_OK;
}

/* What is wrong with a line in this pack; NULL: nothing. */
static const char *
read_line_fault(const struct pack *p, const struct pack_entry *line)
{
	if (!line->deleted && line->ordinal >= p->footer.ordinals)
		return "an ordinal is too large";
	if (line->lost && !p->meta.lossy)
		return "a document is lost in it, which its header does not say";
	return NULL;
}

/* The next line of the loaded block; ERR_END behind its last. */
static int
read_line(const struct pack *p, struct pack_reader *r, struct pack_entry *out, struct err *e)
{
	const char *why;
	int rc = pack_index_next(&r->cursor, out, &why);

	if (rc == ERR_OK) {
		why = read_line_fault(p, out);
		if (why == NULL)
			return ERR_OK;
		rc = ERR_CORRUPT;
	}
	if (rc != ERR_CORRUPT)
		return rc;
	r->loaded = false;
	return read_block_fault(p, r->number, why, e);
}

/* Bring ${r} to the place of ${walk}, which is in one of the pack's blocks. */
static int
read_walk_to(
    const struct pack *p, struct pack_reader *r, const struct pack_walk *walk, struct err *e)
{
	struct pack_entry skipped;
	int rc;

	if (r->loaded && r->identity == p->identity && r->number == walk->block &&
	    r->at.entries - r->cursor.left == walk->entry)
		return ERR_OK;
	rc = read_block(p, r, walk->block, e);
	for (uint64_t i = 0; rc == ERR_OK && i < walk->entry; i++)
		rc = read_line(p, r, &skipped, e);
	return rc;
}

int
pack_entry_next(const struct pack *p, struct pack_reader *r, struct pack_walk *walk,
    struct pack_entry *out, struct err *e)
{
	while (walk->block < p->footer.blocks) {
		int rc = read_walk_to(p, r, walk, e);
		if (rc == ERR_OK)
			rc = read_line(p, r, out, e);
		if (rc == ERR_OK)
			walk->entry++;
		if (rc != ERR_END)
			return rc;
		walk->block++;
		walk->entry = 0;
	}
	return ERR_END;
}

uint64_t
pack_block_of(const struct pack *p, uint32_t ordinal)
{
	uint64_t low = 0, high = p->footer.blocks;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		if (pack_format_block_get(p->blocks, middle).first <= ordinal)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 ? low - 1 : 0;
}

int
pack_entry_of(const struct pack *p, struct pack_reader *r, uint32_t ordinal, struct pack_entry *out,
    struct err *e)
{
	struct pack_entry entry;
	int rc;

	if (ordinal >= p->footer.ordinals || p->footer.blocks == 0)
		return ERR_ABSENT;
	rc = read_block(p, r, pack_block_of(p, ordinal), e);
	while (rc == ERR_OK) {
		rc = read_line(p, r, &entry, e);
		if (rc != ERR_OK || entry.deleted || entry.ordinal < ordinal)
			continue;
		if (entry.ordinal > ordinal || entry.lost)
			return ERR_ABSENT;
		*out = entry;
		return ERR_OK;
	}
	return rc == ERR_END ? ERR_ABSENT : rc;
}
