/*
 * Writing packs: the contracts are in pack.h. The file grows from front to back: header, then the
 * body, then tables and footer.
 *
 * Documents go into the open frame; closed frames go through the press (press.h), which compresses
 * several at once, and are appended in their order. Index blocks are gathered compressed and
 * appended in long runs between the frames, so that memory does not grow with the pack (but for the
 * tables: 16 bytes a frame) and the index is read in few places. A run stands behind the frames
 * that were closed before it: a pack's bytes do not tell how many threads there were.
 */
#include "snapshot/store/codec.h"
#include "snapshot/store/dictionary.h"
#include "snapshot/store/frame.h"
#include "snapshot/store/pack_format.h"
#include "snapshot/store/pack_index.h"
#include "snapshot/store/packfile.h"
#include "snapshot/store/press.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_RUN (1u << 20) /* bytes of index blocks that are gathered */

struct pack_writer {
	struct packfile_writer *file;    /* owned */
	struct digest *digest;           /* owned; runs over the body */
	struct press *press;             /* owned; closed frames, with the dictionary */
	struct codec_packer *blocks;     /* owned */
	struct frame_builder frame;      /* the open frame */
	struct buf raw;                  /* a closed frame */
	struct pack_index_builder index; /* the open index block */
	struct buf run;                  /* closed index blocks, compressed */
	uint64_t run_first;              /* number of the first block in it */
	struct buf frame_table;          /* entries as they will be on disk */
	struct buf block_table;    /* likewise; offsets of blocks in the run count from its start */
	struct pack_footer footer; /* filled as the pack grows; ordinals is the next one */
	bool lossy;                /* lost lines are allowed */
	int failed;                /* code of the first failure: nothing goes on after it */
};

static void
writer_free(struct pack_writer *w)
{
	digest_free(w->digest);
	press_free(w->press);
	codec_packer_free(w->blocks);
	frame_finish(&w->frame);
	buf_finish(&w->raw);
	pack_index_finish(&w->index);
	buf_finish(&w->run);
	buf_finish(&w->frame_table);
	buf_finish(&w->block_table);
	free(w);
}

/* Check what a caller wants to have written. */
static int
writer_check(const struct pack_meta *meta, const struct dictionary *dict, struct err *e)
{
	const char *why;
	int rc = pack_format_meta_check(meta, &why);

	if (rc != ERR_OK)
		return err_set(e, rc, "cannot write pack %016" PRIx64 ": %s", meta->pack_id, why);
	if (dictionary_id(dict) != meta->dictionary_id)
		return err_set(e, ERR_ARG,
		    "cannot write pack %016" PRIx64 " with another dictionary than it names",
		    meta->pack_id);
	return ERR_OK;
}

/* Write the header and begin the body. */
static int
writer_begin(struct pack_writer *w, const struct pack_meta *meta, struct err *e)
{
	struct buf header = {0};
	int rc = pack_format_header_put(meta, w->digest, &header, w->footer.header_digest);

	if (rc == ERR_OK)
		rc = digest_start(w->digest);
	if (rc == ERR_OK)
		rc = packfile_append(w->file, header.data, header.len, e);
	else
		err_nomem(e);
	w->footer.header_len = header.len;
	buf_finish(&header);
	return rc;
}

int
pack_writer_create(int packsfd, const struct pack_meta *meta, const struct dictionary *dict,
    struct pack_writer **out, struct err *e)
{
	int rc = writer_check(meta, dict, e);
	struct pack_writer *w;

	if (rc != ERR_OK)
		return rc;
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return err_nomem(e);
	w->footer.pack_id = meta->pack_id;
	w->footer.upper = meta->upper;
	w->lossy = meta->lossy;
	w->digest = digest_create();
	w->press = press_create(dict);
	w->blocks = codec_packer_create(NULL);
	if (w->digest == NULL || w->press == NULL || w->blocks == NULL)
		rc = err_nomem(e);
	if (rc == ERR_OK)
		rc = packfile_create(packsfd, PACKFILE_PACK, meta->pack_id, &w->file, e);
	if (rc == ERR_OK)
		rc = writer_begin(w, meta, e);
	if (rc != ERR_OK) {
		pack_writer_abort(w);
		return rc;
	}
	*out = w;
	return ERR_OK;
}

/* Append bytes to the body. */
static int
writer_body(struct pack_writer *w, const struct buf *bytes, struct err *e)
{
	int rc = packfile_append(w->file, bytes->data, bytes->len, e);

	if (rc == ERR_OK && digest_update(w->digest, bytes->data, bytes->len) != ERR_OK)
		rc = err_nomem(e);
	if (rc == ERR_OK)
		w->footer.body_len += bytes->len;
	return rc;
}

/* Append the oldest closed frame, compressed, and enter it into the table. */
static int
writer_frame_append(struct pack_writer *w, struct err *e)
{
	struct pack_frame_at at = {.offset = packfile_size(w->file)};
	uint8_t line[PACK_FORMAT_FRAME_ENTRY];
	const struct buf *packed;
	int rc = press_take(w->press, &packed, &at.first, e);

	if (rc == ERR_OK)
		rc = writer_body(w, packed, e);
	if (rc != ERR_OK)
		return rc;
	at.clen = (uint32_t)packed->len;
	pack_format_frame_put(&at, line);
	if (buf_append(&w->frame_table, line, sizeof(line)) != ERR_OK)
		return err_nomem(e);
	w->footer.frames++;
	return ERR_OK;
}

static int
writer_frame_close(struct pack_writer *w, struct err *e)
{
	uint32_t first = w->frame.first;
	int rc = ERR_OK;

	if (w->frame.count == 0)
		return ERR_OK;
	if (frame_close(&w->frame, &w->raw) != ERR_OK)
		return err_nomem(e);
	press_put(w->press, &w->raw, first);
	if (!press_full(w->press))
		return ERR_OK;
	while (rc == ERR_OK && press_half_full(w->press))
		rc = writer_frame_append(w, e);
	return rc;
}

/* Append all closed frames. */
static int
writer_frames_flush(struct pack_writer *w, struct err *e)
{
	int rc = ERR_OK;

	while (rc == ERR_OK && !press_empty(w->press))
		rc = writer_frame_append(w, e);
	return rc;
}

/* Append the gathered index blocks; now their offsets are known. */
static int
writer_run_flush(struct pack_writer *w, struct err *e)
{
	uint64_t start;
	int rc = writer_frames_flush(w, e);

	start = packfile_size(w->file);
	if (rc == ERR_OK)
		rc = writer_body(w, &w->run, e);
	if (rc != ERR_OK)
		return rc;
	for (; w->run_first < w->footer.blocks; w->run_first++) {
		struct pack_block_at at = pack_format_block_get(w->block_table.data, w->run_first);
		at.offset += start;
		pack_format_block_put(
		    &at, w->block_table.data + w->run_first * PACK_FORMAT_BLOCK_ENTRY);
	}
	buf_clear(&w->run);
	return ERR_OK;
}

/* Compress the open index block and put it to the gathered ones. */
static int
writer_block_close(struct pack_writer *w, struct err *e)
{
	struct pack_block_at at = {.offset = w->run.len};
	uint8_t line[PACK_FORMAT_BLOCK_ENTRY];
	int rc;

	if (w->index.entries == 0)
		return ERR_OK;
	pack_index_close(&w->index, &at);
	rc = codec_pack(w->blocks, w->index.raw.data, w->index.raw.len, &w->run, e);
	if (rc != ERR_OK)
		return rc;
	buf_clear(&w->index.raw);
	at.clen = (uint32_t)(w->run.len - at.offset);
	pack_format_block_put(&at, line);
	if (buf_append(&w->block_table, line, sizeof(line)) != ERR_OK)
		return err_nomem(e);
	w->footer.blocks++;
	return w->run.len >= WRITE_RUN ? writer_run_flush(w, e) : ERR_OK;
}

static int
writer_line(struct pack_writer *w, const struct pack_entry *entry, struct err *e)
{
	int rc = pack_index_add(&w->index, entry);

	if (rc == ERR_BUG)
		return err_set(
		    e, rc, "a key for pack %016" PRIx64 " is out of order", w->footer.pack_id);
	if (rc != ERR_OK)
		return err_nomem(e);
	return pack_index_full(&w->index) ? writer_block_close(w, e) : ERR_OK;
}

static int
writer_document(
    struct pack_writer *w, uint32_t ordinal, const void *document, size_t len, struct err *e)
{
	int rc = ERR_OK;

	if (!frame_fits(&w->frame, ordinal, len))
		rc = writer_frame_close(w, e);
	if (rc == ERR_OK && frame_add(&w->frame, ordinal, document, len) != ERR_OK)
		rc = err_nomem(e);
	return rc;
}

static int
writer_put(struct pack_writer *w, const struct key *key, const void *document, size_t len,
    const uint8_t digest[DIGEST_LEN], struct err *e)
{
	struct pack_entry entry = {
	    .key = *key, .ordinal = (uint32_t)w->footer.ordinals, .size = (uint32_t)len};
	int rc;

	if (w->footer.ordinals == PACK_ORDINALS_MAX)
		return err_set(e, ERR_LIMIT, "pack %016" PRIx64 " is full", w->footer.pack_id);
	if (len < FRAME_DOCUMENT_MIN || len > FRAME_DOCUMENT_MAX)
		return err_set(e, ERR_LIMIT, "a document of %zu bytes cannot be stored", len);
	memcpy(entry.digest, digest, DIGEST_LEN);
	rc = writer_line(w, &entry, e);
	if (rc == ERR_OK)
		rc = writer_document(w, entry.ordinal, document, len, e);
	return rc;
}

int
pack_writer_put(struct pack_writer *w, const struct key *key, const void *document, size_t len,
    const uint8_t digest[DIGEST_LEN], uint32_t *ordinal, struct err *e)
{
	if (w->failed == ERR_OK)
		w->failed = writer_put(w, key, document, len, digest, e);
	if (w->failed != ERR_OK)
		return w->failed;
	*ordinal = (uint32_t)w->footer.ordinals++;
	w->footer.documents++;
	w->footer.raw_bytes += len;
	return ERR_OK;
}

int
pack_writer_delete(struct pack_writer *w, const struct key *key, struct err *e)
{
	struct pack_entry entry = {.key = *key, .deleted = true};

	if (w->failed == ERR_OK)
		w->failed = writer_line(w, &entry, e);
	if (w->failed == ERR_OK)
		w->footer.deletions++;
	return w->failed;
}

static int
writer_lose(struct pack_writer *w, const struct pack_entry *entry, struct err *e)
{
	struct pack_entry line = *entry;

	if (!w->lossy || entry->deleted || entry->ordinal < w->footer.ordinals)
		return err_set(e, ERR_BUG, "pack %016" PRIx64 " cannot have this lost line",
		    w->footer.pack_id);
	if (entry->ordinal >= PACK_ORDINALS_MAX)
		return err_set(e, ERR_LIMIT, "pack %016" PRIx64 " is full", w->footer.pack_id);
	if (entry->size < FRAME_DOCUMENT_MIN || entry->size > FRAME_DOCUMENT_MAX)
		return err_set(
		    e, ERR_LIMIT, "a document of %" PRIu32 " bytes cannot be stored", entry->size);
	line.lost = true;
	return writer_line(w, &line, e);
}

int
pack_writer_lose(struct pack_writer *w, const struct pack_entry *entry, struct err *e)
{
	if (w->failed == ERR_OK)
		w->failed = writer_lose(w, entry, e);
	if (w->failed != ERR_OK)
		return w->failed;
	w->footer.ordinals = (uint64_t)entry->ordinal + 1;
	w->footer.lost++;
	return ERR_OK;
}

int
pack_writer_skip(struct pack_writer *w, uint32_t ordinals, struct err *e)
{
	if (w->failed == ERR_OK && ordinals > PACK_ORDINALS_MAX - w->footer.ordinals)
		w->failed = err_set(e, ERR_LIMIT, "pack %016" PRIx64 " is full", w->footer.pack_id);
	if (w->failed == ERR_OK)
		w->footer.ordinals += ordinals;
	return w->failed;
}

void
pack_writer_upper(struct pack_writer *w, const struct key *upper)
{
	w->footer.upper = *upper;
}

/* Close what is open; the body is complete then. */
static int
writer_body_end(struct pack_writer *w, struct err *e)
{
	int rc = writer_frame_close(w, e);

	if (rc == ERR_OK)
		rc = writer_block_close(w, e);
	if (rc == ERR_OK)
		rc = writer_run_flush(w, e);
	if (rc == ERR_OK && digest_final(w->digest, w->footer.body_digest) != ERR_OK)
		rc = err_nomem(e);
	return rc;
}

/* Append tables and footer. */
static int
writer_end(struct pack_writer *w, struct err *e)
{
	struct pack_footer *f = &w->footer;
	uint8_t raw[PACK_FORMAT_FOOTER];
	int rc;

	if (f->upper.len > KEY_MAX)
		return err_set(
		    e, ERR_BUG, "the upper bound of pack %016" PRIx64 " is too long", f->pack_id);
	if (pack_format_digest(
		w->digest, w->frame_table.data, w->frame_table.len, f->frames_digest) != ERR_OK ||
	    pack_format_digest(
		w->digest, w->block_table.data, w->block_table.len, f->blocks_digest) != ERR_OK ||
	    pack_format_footer_put(f, w->digest, raw) != ERR_OK)
		return err_nomem(e);
	rc = packfile_append(w->file, w->frame_table.data, w->frame_table.len, e);
	if (rc == ERR_OK)
		rc = packfile_append(w->file, w->block_table.data, w->block_table.len, e);
	if (rc == ERR_OK)
		rc = packfile_append(w->file, raw, sizeof(raw), e);
	return rc;
}

/* Finish the file and hand it to ${place}. */
static int
writer_finish(struct pack_writer *w, int (*place)(struct packfile_writer *file, struct err *e),
    struct pack_totals *totals, struct err *e)
{
	struct pack_totals sum;
	int rc = w->failed;

	if (rc != ERR_OK)
		err_set(e, rc, "pack %016" PRIx64 " cannot be finished: writing it has failed",
		    w->footer.pack_id);
	else
		rc = writer_body_end(w, e);
	if (rc == ERR_OK)
		rc = writer_end(w, e);
	if (rc != ERR_OK) {
		pack_writer_abort(w);
		return rc;
	}
	sum = (struct pack_totals){.documents = w->footer.documents,
	    .deletions = w->footer.deletions,
	    .bytes = packfile_size(w->file),
	    .raw_bytes = w->footer.raw_bytes,
	    .lost = w->footer.lost,
	    .frames = w->footer.frames};
	rc = place(w->file, e);
	writer_free(w);
	if (rc == ERR_OK)
		*totals = sum;
	return rc;
}

int
pack_writer_commit(struct pack_writer *w, struct pack_totals *totals, struct err *e)
{
	return writer_finish(w, packfile_commit, totals, e);
}

int
pack_writer_stage(struct pack_writer *w, struct pack_totals *totals, struct err *e)
{
	return writer_finish(w, packfile_stage, totals, e);
}

void
pack_writer_abort(struct pack_writer *w)
{
	if (w == NULL)
		return;
	packfile_abort(w->file);
	writer_free(w);
}
