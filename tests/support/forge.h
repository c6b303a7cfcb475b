/*
 * Packs put together by hand: correct checksums around contents that may lie, for tests of what
 * stands behind the checksums. Header-only, because fuzz targets use it too.
 */
#ifndef THINKBACK_TESTS_FORGE_H
#define THINKBACK_TESTS_FORGE_H

#include "catalog/base/bytes.h"
#include "snapshot/store/codec.h"
#include "snapshot/store/pack_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A pack in the making. Zero it, set meta and footer's totals, add pieces, call forge_finish. */
struct forge {
	struct pack_meta meta;     /* texts owned by the caller */
	struct pack_footer footer; /* totals are the caller's, the rest is filled in */
	struct buf body;           /* compressed pieces */
	struct buf frames;         /* frame table; offsets count from the start of the body */
	struct buf blocks;         /* block table; likewise */
};

/* Compress ${len} bytes at ${raw} to the end of the body. */
static inline uint32_t
forge_pack(struct forge *f, const void *raw, size_t len)
{
	struct codec_packer *packer = codec_packer_create(NULL);
	size_t before = f->body.len;

	if (packer == NULL || codec_pack(packer, raw, len, &f->body, NULL) != ERR_OK)
		abort();
	codec_packer_free(packer);
	return (uint32_t)(f->body.len - before);
}

/* forge_frame(f, first, raw, len): add a frame that decodes to ${raw}. */
static inline void
forge_frame(struct forge *f, uint32_t first, const void *raw, size_t len)
{
	struct pack_frame_at at = {.offset = f->body.len, .first = first};
	uint8_t line[PACK_FORMAT_FRAME_ENTRY];

	at.clen = forge_pack(f, raw, len);
	pack_format_frame_put(&at, line);
	if (buf_append(&f->frames, line, sizeof(line)) != ERR_OK)
		abort();
}

/* forge_block(f, first, entries, raw, len): add an index block that decodes to ${raw}. */
static inline void
forge_block(struct forge *f, uint32_t first, uint32_t entries, const void *raw, size_t len)
{
	struct pack_block_at at = {.offset = f->body.len, .first = first, .entries = entries};
	uint8_t line[PACK_FORMAT_BLOCK_ENTRY];

	at.raw = (uint32_t)len;
	at.clen = forge_pack(f, raw, len);
	pack_format_block_put(&at, line);
	if (buf_append(&f->blocks, line, sizeof(line)) != ERR_OK)
		abort();
}

/* Turn offsets that count from the body's start into ones that count from the file's. */
static inline void
forge_move(struct buf *table, size_t entry, uint64_t by)
{
	for (size_t at = 0; at + entry <= table->len; at += entry)
		bytes_put64(table->data + at, bytes_get64(table->data + at) + by);
}

/* forge_finish(f, out): replace ${out} by the file, and free the memory of ${f} but for meta. */
static inline void
forge_finish(struct forge *f, struct buf *out)
{
	struct digest *d = digest_create();
	struct pack_footer *foot = &f->footer;
	uint8_t raw[PACK_FORMAT_FOOTER];

	buf_clear(out);
	if (d == NULL || pack_format_header_put(&f->meta, d, out, foot->header_digest) != ERR_OK)
		abort();
	foot->pack_id = f->meta.pack_id;
	foot->header_len = out->len;
	foot->body_len = f->body.len;
	foot->frames = f->frames.len / PACK_FORMAT_FRAME_ENTRY;
	foot->blocks = f->blocks.len / PACK_FORMAT_BLOCK_ENTRY;
	forge_move(&f->frames, PACK_FORMAT_FRAME_ENTRY, out->len);
	forge_move(&f->blocks, PACK_FORMAT_BLOCK_ENTRY, out->len);
	if (pack_format_digest(d, f->body.data, f->body.len, foot->body_digest) != ERR_OK ||
	    pack_format_digest(d, f->frames.data, f->frames.len, foot->frames_digest) != ERR_OK ||
	    pack_format_digest(d, f->blocks.data, f->blocks.len, foot->blocks_digest) != ERR_OK ||
	    pack_format_footer_put(foot, d, raw) != ERR_OK ||
	    buf_append(out, f->body.data, f->body.len) != ERR_OK ||
	    buf_append(out, f->frames.data, f->frames.len) != ERR_OK ||
	    buf_append(out, f->blocks.data, f->blocks.len) != ERR_OK ||
	    buf_append(out, raw, sizeof(raw)) != ERR_OK)
		abort();
	digest_free(d);
	buf_finish(&f->body);
	buf_finish(&f->frames);
	buf_finish(&f->blocks);
}

#endif
