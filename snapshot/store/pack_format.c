/* Header, footer and tables of a pack as bytes: the contracts are in pack_format.h. */
#include "snapshot/store/pack_format.h"

#include "catalog/base/bytes.h"
#include "snapshot/store/frame.h"
#include "snapshot/store/packfile.h"

#include <string.h>

/* Where the fields of the header are. */
enum {
	HEADER_VERSION = 8,
	HEADER_FLAGS = 12,
	HEADER_PACK = 16,
	HEADER_SNAPSHOT = 24,
	HEADER_TABLE = 32,
	HEADER_DATABASE = 40,
	HEADER_DICTIONARY = 48,
	HEADER_DATE = 56,
	HEADER_SHARD = 64,
	HEADER_SHARDS = 68,
	HEADER_LENGTHS = 72, /* of the texts, 4 bytes each */
	HEADER_RESERVED = 96
};

/* The texts behind the fixed part, in this order. */
enum { TEXT_LOWER, TEXT_DATABASE, TEXT_TABLE, TEXT_KEY, TEXT_CONFIG, TEXT_SOURCE, TEXTS };

/* Where the fields of the footer are. */
enum {
	FOOTER_PACK = 0,
	FOOTER_DOCUMENTS = 8,
	FOOTER_DELETIONS = 16,
	FOOTER_RAW = 24,
	FOOTER_ORDINALS = 32,
	FOOTER_FRAMES = 40,
	FOOTER_BLOCKS = 48,
	FOOTER_HEADER_LEN = 56,
	FOOTER_BODY_LEN = 64,
	FOOTER_UPPER_LEN = 72,
	FOOTER_LOST = 76,
	FOOTER_UPPER = 80,
	FOOTER_HEADER_DIGEST = 208,
	FOOTER_BODY_DIGEST = 240,
	FOOTER_FRAMES_DIGEST = 272,
	FOOTER_BLOCKS_DIGEST = 304,
	FOOTER_DIGEST = 336,
	FOOTER_MAGIC = 368
};

_Static_assert(HEADER_LENGTHS + 4 * TEXTS == HEADER_RESERVED, "texts");
_Static_assert(HEADER_RESERVED + 8 == PACK_FORMAT_HEADER, "header");
_Static_assert(FOOTER_UPPER + KEY_MAX == FOOTER_HEADER_DIGEST, "upper bound");
_Static_assert(FOOTER_DIGEST + DIGEST_FULL == FOOTER_MAGIC, "footer digest");
_Static_assert(FOOTER_MAGIC + PACK_FORMAT_MAGIC_LEN == PACK_FORMAT_FOOTER, "footer");

static const uint32_t text_max[TEXTS] = {
    KEY_MAX, PACK_NAME_MAX, PACK_NAME_MAX, PACK_FIELD_MAX, PACK_TEXT_MAX, PACK_TEXT_MAX};

int
pack_format_digest(struct digest *d, const void *data, size_t len, uint8_t out[DIGEST_FULL])
{
	if (digest_start(d) != ERR_OK || digest_update(d, data, len) != ERR_OK)
		return ERR_NOMEM;
	return digest_final(d, out);
}

/* Put the reason of a refusal into ${why}. */
static int
format_fault(int code, const char **why, const char *text)
{
	*why = text;
	return code;
}

/* ---- header ---- */

int
pack_format_meta_check(const struct pack_meta *m, const char **why)
{
	if (!packfile_id_valid(m->pack_id) || m->snapshot_id > PACK_ID_MAX ||
	    m->table_id > PACK_ID_MAX || m->database_id > PACK_ID_MAX ||
	    m->dictionary_id > PACKFILE_ID_MAX)
		return format_fault(ERR_ARG, why, "a number is out of range");
	if (m->shard >= m->shards || m->shards > UINT32_MAX)
		return format_fault(ERR_ARG, why, "there is no such shard");
	if (m->lower.len > KEY_MAX || m->upper.len > KEY_MAX)
		return format_fault(ERR_LIMIT, why, "a bound is too long");
	if (m->database.len > PACK_NAME_MAX || m->table.len > PACK_NAME_MAX)
		return format_fault(ERR_LIMIT, why, "a name is too long");
	if (m->primary_key.len > PACK_FIELD_MAX)
		return format_fault(ERR_LIMIT, why, "the name of the primary key is too long");
	if (m->config.len > PACK_TEXT_MAX)
		return format_fault(ERR_LIMIT, why, "the table's configuration is too long");
	if (m->source.len > PACK_TEXT_MAX)
		return format_fault(ERR_LIMIT, why, "the name of the source is too long");
	return ERR_OK;
}

static void
header_fixed(const struct pack_meta *m, uint8_t out[PACK_FORMAT_HEADER])
{
	const uint64_t lens[TEXTS] = {m->lower.len, m->database.len, m->table.len,
	    m->primary_key.len, m->config.len, m->source.len};

	memset(out, 0, PACK_FORMAT_HEADER);
	memcpy(out, PACK_FORMAT_MAGIC, PACK_FORMAT_MAGIC_LEN);
	bytes_put32(out + HEADER_VERSION, PACK_FORMAT_VERSION);
	bytes_put32(out + HEADER_FLAGS, m->lossy ? PACK_FORMAT_FLAG_LOSSY : 0);
	bytes_put64(out + HEADER_PACK, m->pack_id);
	bytes_put64(out + HEADER_SNAPSHOT, m->snapshot_id);
	bytes_put64(out + HEADER_TABLE, m->table_id);
	bytes_put64(out + HEADER_DATABASE, m->database_id);
	bytes_put64(out + HEADER_DICTIONARY, m->dictionary_id);
	bytes_put64(out + HEADER_DATE, (uint64_t)m->date);
	bytes_put32(out + HEADER_SHARD, (uint32_t)m->shard);
	bytes_put32(out + HEADER_SHARDS, (uint32_t)m->shards);
	for (size_t i = 0; i < TEXTS; i++)
		bytes_put32(out + HEADER_LENGTHS + 4 * i, (uint32_t)lens[i]);
}

int
pack_format_header_put(
    const struct pack_meta *m, struct digest *d, struct buf *out, uint8_t digest[DIGEST_FULL])
{
	size_t start = out->len;
	uint8_t fixed[PACK_FORMAT_HEADER];

	header_fixed(m, fixed);
	if (buf_append(out, fixed, sizeof(fixed)) != ERR_OK ||
	    buf_append(out, m->lower.bytes, m->lower.len) != ERR_OK ||
	    buf_append(out, m->database.data, m->database.len) != ERR_OK ||
	    buf_append(out, m->table.data, m->table.len) != ERR_OK ||
	    buf_append(out, m->primary_key.data, m->primary_key.len) != ERR_OK ||
	    buf_append(out, m->config.data, m->config.len) != ERR_OK ||
	    buf_append(out, m->source.data, m->source.len) != ERR_OK ||
	    pack_format_digest(d, out->data + start, out->len - start, digest) != ERR_OK)
		return ERR_NOMEM;
	return buf_append(out, digest, DIGEST_FULL);
}

int
pack_format_header_len(const uint8_t fixed[PACK_FORMAT_HEADER], uint64_t *len, const char **why)
{
	uint64_t sum = PACK_FORMAT_HEADER + DIGEST_FULL;

	if (memcmp(fixed, PACK_FORMAT_MAGIC, PACK_FORMAT_MAGIC_LEN) != 0)
		return format_fault(ERR_CORRUPT, why, "it does not begin as a pack");
	if (bytes_get32(fixed + HEADER_VERSION) == 0)
		return format_fault(ERR_CORRUPT, why, "it is of no known version");
	if (bytes_get32(fixed + HEADER_VERSION) > PACK_FORMAT_VERSION)
		return format_fault(ERR_VERSION, why, "its format is newer");
	if ((bytes_get32(fixed + HEADER_FLAGS) & PACK_FORMAT_FLAGS_REQUIRED &
		~PACK_FORMAT_FLAG_LOSSY) != 0)
		return format_fault(ERR_VERSION, why, "it needs something that is newer");
	for (size_t i = 0; i < TEXTS; i++) {
		uint32_t n = bytes_get32(fixed + HEADER_LENGTHS + 4 * i);
		if (n > text_max[i])
			return format_fault(
			    ERR_CORRUPT, why, "a length in its header is too large");
		sum += n;
	}
	*len = sum;
	return ERR_OK;
}

/* The numbers of the header; the texts are still to come. */
static int
header_numbers(const uint8_t *data, struct pack_meta *m, const char **why)
{
	m->pack_id = bytes_get64(data + HEADER_PACK);
	m->snapshot_id = bytes_get64(data + HEADER_SNAPSHOT);
	m->table_id = bytes_get64(data + HEADER_TABLE);
	m->database_id = bytes_get64(data + HEADER_DATABASE);
	m->dictionary_id = bytes_get64(data + HEADER_DICTIONARY);
	m->date = (int64_t)bytes_get64(data + HEADER_DATE);
	m->shard = bytes_get32(data + HEADER_SHARD);
	m->shards = bytes_get32(data + HEADER_SHARDS);
	m->lossy = (bytes_get32(data + HEADER_FLAGS) & PACK_FORMAT_FLAG_LOSSY) != 0;
	return pack_format_meta_check(m, why) == ERR_OK ? ERR_OK : ERR_CORRUPT;
}

int
pack_format_header_get(
    const uint8_t *data, size_t len, struct digest *d, struct pack_meta *m, const char **why)
{
	struct buf *const texts[TEXTS] = {
	    NULL, &m->database, &m->table, &m->primary_key, &m->config, &m->source};
	const uint8_t *p = data + PACK_FORMAT_HEADER;
	uint8_t digest[DIGEST_FULL];
	int rc;

	if (pack_format_digest(d, data, len - DIGEST_FULL, digest) != ERR_OK)
		return ERR_NOMEM;
	if (memcmp(digest, data + len - DIGEST_FULL, DIGEST_FULL) != 0)
		return format_fault(ERR_CORRUPT, why, "the checksum of its header is wrong");
	rc = header_numbers(data, m, why);
	for (size_t i = 0; rc == ERR_OK && i < TEXTS; i++) {
		uint32_t n = bytes_get32(data + HEADER_LENGTHS + 4 * i);
		if (i == TEXT_LOWER) {
			m->lower.len = (uint8_t)n;
			memcpy(m->lower.bytes, p, n);
		} else {
			rc = buf_append(texts[i], p, n);
		}
		p += n;
	}
	return rc;
}

/* ---- footer ---- */

int
pack_format_footer_put(
    const struct pack_footer *f, struct digest *d, uint8_t out[PACK_FORMAT_FOOTER])
{
	memset(out, 0, PACK_FORMAT_FOOTER);
	bytes_put64(out + FOOTER_PACK, f->pack_id);
	bytes_put64(out + FOOTER_DOCUMENTS, f->documents);
	bytes_put64(out + FOOTER_DELETIONS, f->deletions);
	bytes_put64(out + FOOTER_RAW, f->raw_bytes);
	bytes_put64(out + FOOTER_ORDINALS, f->ordinals);
	bytes_put64(out + FOOTER_FRAMES, f->frames);
	bytes_put64(out + FOOTER_BLOCKS, f->blocks);
	bytes_put64(out + FOOTER_HEADER_LEN, f->header_len);
	bytes_put64(out + FOOTER_BODY_LEN, f->body_len);
	bytes_put32(out + FOOTER_UPPER_LEN, f->upper.len);
	bytes_put32(out + FOOTER_LOST, f->lost);
	memcpy(out + FOOTER_UPPER, f->upper.bytes, f->upper.len);
	memcpy(out + FOOTER_HEADER_DIGEST, f->header_digest, DIGEST_FULL);
	memcpy(out + FOOTER_BODY_DIGEST, f->body_digest, DIGEST_FULL);
	memcpy(out + FOOTER_FRAMES_DIGEST, f->frames_digest, DIGEST_FULL);
	memcpy(out + FOOTER_BLOCKS_DIGEST, f->blocks_digest, DIGEST_FULL);
	memcpy(out + FOOTER_MAGIC, PACK_FORMAT_END_MAGIC, PACK_FORMAT_MAGIC_LEN);
	return pack_format_digest(d, out, FOOTER_DIGEST, out + FOOTER_DIGEST);
}

/* Whether the lengths in ${f} add up to the file's. */
static bool
footer_fills(const struct pack_footer *f, uint64_t file_len)
{
	uint64_t frames, blocks, sum;

	return bytes_mul(f->frames, PACK_FORMAT_FRAME_ENTRY, &frames) &&
	       bytes_mul(f->blocks, PACK_FORMAT_BLOCK_ENTRY, &blocks) &&
	       bytes_add(f->header_len, f->body_len, &sum) && bytes_add(sum, frames, &sum) &&
	       bytes_add(sum, blocks, &sum) && bytes_add(sum, PACK_FORMAT_FOOTER, &sum) &&
	       sum == file_len;
}

/* Whether the totals in ${f} can be true together. */
static bool
footer_agrees(const struct pack_footer *f)
{
	uint64_t lines;

	if (f->ordinals > PACK_ORDINALS_MAX || f->documents > f->ordinals ||
	    f->lost > f->ordinals - f->documents || f->frames > f->ordinals ||
	    f->documents > f->frames * FRAME_COUNT_MAX)
		return false;
	if (f->raw_bytes < f->documents * FRAME_DOCUMENT_MIN ||
	    f->raw_bytes > f->documents * FRAME_DOCUMENT_MAX)
		return false;
	return bytes_add(f->documents + f->lost, f->deletions, &lines) && f->blocks <= lines &&
	       lines / (PACK_BLOCK_MAX / PACK_BLOCK_ENTRY_MIN) <= f->blocks &&
	       (lines == 0 || f->blocks > 0);
}

static void
footer_numbers(const uint8_t *data, struct pack_footer *f)
{
	*f = (struct pack_footer){.pack_id = bytes_get64(data + FOOTER_PACK),
	    .documents = bytes_get64(data + FOOTER_DOCUMENTS),
	    .deletions = bytes_get64(data + FOOTER_DELETIONS),
	    .raw_bytes = bytes_get64(data + FOOTER_RAW),
	    .lost = bytes_get32(data + FOOTER_LOST),
	    .ordinals = bytes_get64(data + FOOTER_ORDINALS),
	    .frames = bytes_get64(data + FOOTER_FRAMES),
	    .blocks = bytes_get64(data + FOOTER_BLOCKS),
	    .header_len = bytes_get64(data + FOOTER_HEADER_LEN),
	    .body_len = bytes_get64(data + FOOTER_BODY_LEN)};
	memcpy(f->header_digest, data + FOOTER_HEADER_DIGEST, DIGEST_FULL);
	memcpy(f->body_digest, data + FOOTER_BODY_DIGEST, DIGEST_FULL);
	memcpy(f->frames_digest, data + FOOTER_FRAMES_DIGEST, DIGEST_FULL);
	memcpy(f->blocks_digest, data + FOOTER_BLOCKS_DIGEST, DIGEST_FULL);
}

int
pack_format_footer_get(const uint8_t data[PACK_FORMAT_FOOTER], uint64_t file_len, struct digest *d,
    struct pack_footer *f, const char **why)
{
	uint8_t digest[DIGEST_FULL];
	struct pack_footer got;
	uint32_t upper = bytes_get32(data + FOOTER_UPPER_LEN);

	if (memcmp(data + FOOTER_MAGIC, PACK_FORMAT_END_MAGIC, PACK_FORMAT_MAGIC_LEN) != 0)
		return format_fault(ERR_CORRUPT, why, "it is cut off or overwritten at its end");
	if (pack_format_digest(d, data, FOOTER_DIGEST, digest) != ERR_OK)
		return ERR_NOMEM;
	if (memcmp(digest, data + FOOTER_DIGEST, DIGEST_FULL) != 0)
		return format_fault(ERR_CORRUPT, why, "the checksum of its footer is wrong");
	footer_numbers(data, &got);
	if (upper > KEY_MAX)
		return format_fault(ERR_CORRUPT, why, "a bound is too long");
	got.upper.len = (uint8_t)upper;
	memcpy(got.upper.bytes, data + FOOTER_UPPER, upper);
	if (!footer_fills(&got, file_len))
		return format_fault(ERR_CORRUPT, why, "its parts do not add up to its length");
	if (!footer_agrees(&got))
		return format_fault(ERR_CORRUPT, why, "its totals contradict each other");
	memcpy(got.digest, digest, DIGEST_FULL);
	*f = got;
	return ERR_OK;
}

/* ---- tables ---- */

void
pack_format_frame_put(const struct pack_frame_at *at, uint8_t out[PACK_FORMAT_FRAME_ENTRY])
{
	bytes_put64(out, at->offset);
	bytes_put32(out + 8, at->clen);
	bytes_put32(out + 12, at->first);
}

struct pack_frame_at
pack_format_frame_get(const uint8_t *table, uint64_t i)
{
	const uint8_t *p = table + i * PACK_FORMAT_FRAME_ENTRY;

	return (struct pack_frame_at){
	    .offset = bytes_get64(p), .clen = bytes_get32(p + 8), .first = bytes_get32(p + 12)};
}

void
pack_format_block_put(const struct pack_block_at *at, uint8_t out[PACK_FORMAT_BLOCK_ENTRY])
{
	bytes_put64(out, at->offset);
	bytes_put32(out + 8, at->clen);
	bytes_put32(out + 12, at->raw);
	bytes_put32(out + 16, at->first);
	bytes_put32(out + 20, at->entries);
}

struct pack_block_at
pack_format_block_get(const uint8_t *table, uint64_t i)
{
	const uint8_t *p = table + i * PACK_FORMAT_BLOCK_ENTRY;

	return (struct pack_block_at){.offset = bytes_get64(p),
	    .clen = bytes_get32(p + 8),
	    .raw = bytes_get32(p + 12),
	    .first = bytes_get32(p + 16),
	    .entries = bytes_get32(p + 20)};
}

/* Whether a piece lies in the body, not before ${*from}, which is moved behind it. */
static bool
table_extent(const struct pack_footer *f, uint64_t offset, uint32_t clen, uint64_t *from)
{
	uint64_t end = f->header_len + f->body_len;

	if (offset < *from || offset > end || clen == 0 || clen > end - offset)
		return false;
	*from = offset + clen;
	return true;
}

static bool
table_frames_ok(const struct pack_footer *f, const uint8_t *frames)
{
	uint64_t from = f->header_len, ordinal = 0;

	for (uint64_t i = 0; i < f->frames; i++) {
		struct pack_frame_at at = pack_format_frame_get(frames, i);
		if (!table_extent(f, at.offset, at.clen, &from) || at.first < ordinal ||
		    at.first >= f->ordinals)
			return false;
		ordinal = (uint64_t)at.first + 1;
	}
	return true;
}

static bool
table_blocks_ok(const struct pack_footer *f, const uint8_t *blocks)
{
	uint64_t from = f->header_len, lines = 0;
	uint32_t ordinal = 0;

	for (uint64_t i = 0; i < f->blocks; i++) {
		struct pack_block_at at = pack_format_block_get(blocks, i);
		if (!table_extent(f, at.offset, at.clen, &from) || at.first < ordinal ||
		    at.first > f->ordinals || (i == 0 && at.first != 0))
			return false;
		if (at.raw > PACK_BLOCK_MAX || at.entries == 0 ||
		    at.entries > at.raw / PACK_BLOCK_ENTRY_MIN)
			return false;
		ordinal = at.first;
		lines += at.entries;
	}
	return lines == f->documents + f->lost + f->deletions;
}

int
pack_format_tables_check(
    const struct pack_footer *f, const uint8_t *frames, const uint8_t *blocks, const char **why)
{
	if (!table_frames_ok(f, frames))
		return format_fault(ERR_CORRUPT, why, "its frame table contradicts itself");
	if (!table_blocks_ok(f, blocks))
		return format_fault(ERR_CORRUPT, why, "its block table contradicts itself");
	return ERR_OK;
}

int
pack_format_tiles_check(
    const struct pack_footer *f, const uint8_t *frames, const uint8_t *blocks, const char **why)
{
	uint64_t i = 0, j = 0, at = f->header_len;

	while (i < f->frames || j < f->blocks) {
		struct pack_frame_at frame = {0};
		struct pack_block_at block = {0};
		if (i < f->frames)
			frame = pack_format_frame_get(frames, i);
		if (j < f->blocks)
			block = pack_format_block_get(blocks, j);
		if (i < f->frames && frame.offset == at) {
			at += frame.clen;
			i++;
		} else if (j < f->blocks && block.offset == at) {
			at += block.clen;
			j++;
		} else {
			return format_fault(
			    ERR_CORRUPT, why, "its frames and blocks leave gaps or overlap");
		}
	}
	if (at != f->header_len + f->body_len)
		return format_fault(ERR_CORRUPT, why, "it has bytes that belong to nothing");
	return ERR_OK;
}
