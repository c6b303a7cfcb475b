/*
 * The fixed structures of a pack as bytes: header, footer and the entries of the two tables, with
 * the limits that hold for them (thinkback-pack(5) has the same names and numbers). What a frame
 * and an index block hold is in frame.h and pack_index.h. Pure; any thread.
 *
 *   header | body: frames and index blocks | frame table | block table | footer
 */
#ifndef THINKBACK_STORE_PACK_FORMAT_H
#define THINKBACK_STORE_PACK_FORMAT_H

#include "snapshot/store/pack.h"

#include <stddef.h>
#include <stdint.h>

#define PACK_FORMAT_MAGIC "TBPACK\r\n"     /* first bytes of a pack */
#define PACK_FORMAT_END_MAGIC "TBPEND\r\n" /* last bytes of a pack */
#define PACK_FORMAT_MAGIC_LEN 8u
#define PACK_FORMAT_FLAGS_REQUIRED 0x0000ffffu /* who does not know one must not read on */
#define PACK_FORMAT_FLAG_LOSSY 0x00000001u     /* the index may have lost lines */
#define PACK_FORMAT_HEADER 104u                /* bytes of a header before its variable part */
#define PACK_FORMAT_FOOTER 376u                /* bytes of a footer */
#define PACK_FORMAT_FRAME_ENTRY 16u            /* bytes of an entry of the frame table */
#define PACK_FORMAT_BLOCK_ENTRY 24u            /* bytes of an entry of the block table */

#define PACK_NAME_MAX 255u           /* bytes of a database's or table's name */
#define PACK_FIELD_MAX 65535u        /* bytes of the primary-key field's name */
#define PACK_TEXT_MAX 16777216u      /* bytes of config, and of source */
#define PACK_ID_MAX INT64_MAX        /* largest number of a snapshot, table, database */
#define PACK_ORDINALS_MAX UINT32_MAX /* ordinals of a pack: 0 to this less 1 */
#define PACK_BLOCK_MAX 65536u        /* bytes of the largest index block, decoded */
#define PACK_BLOCK_ENTRY_MIN 4u      /* bytes of the smallest entry in one */

/* The footer. */
struct pack_footer {
	uint64_t pack_id;
	uint64_t documents; /* put lines of the index */
	uint64_t deletions; /* deleted lines of the index */
	uint64_t raw_bytes; /* sum of the sizes in the put lines */
	uint32_t lost;      /* lost lines of the index */
	uint64_t ordinals;  /* ordinals in use are below this */
	uint64_t frames;
	uint64_t blocks;
	uint64_t header_len; /* bytes of the header, variable part and digest included */
	uint64_t body_len;
	struct key upper;                   /* upper bound of the shard */
	uint8_t header_digest[DIGEST_FULL]; /* the digest that ends the header */
	uint8_t body_digest[DIGEST_FULL];
	uint8_t frames_digest[DIGEST_FULL]; /* of the frame table */
	uint8_t blocks_digest[DIGEST_FULL]; /* of the block table */
	uint8_t digest[DIGEST_FULL];        /* of the footer; set by pack_format_footer_get */
};

/* An entry of the frame table. */
struct pack_frame_at {
	uint64_t offset; /* from the start of the file */
	uint32_t clen;   /* compressed bytes */
	uint32_t first;  /* ordinal */
};

/* An entry of the block table. */
struct pack_block_at {
	uint64_t offset;  /* from the start of the file */
	uint32_t clen;    /* compressed bytes */
	uint32_t raw;     /* decoded bytes */
	uint32_t first;   /* ordinal that follows the last one put in the blocks before */
	uint32_t entries; /* lines in it */
};

/*
 * pack_format_digest(d, data, len, out): SHA-256 of some bytes. ERR_OK or ERR_NOMEM.
 */
int pack_format_digest(struct digest *d, const void *data, size_t len, uint8_t out[DIGEST_FULL]);

/*
 * pack_format_meta_check(m, why):
 * Whether ${m} is within the limits. Return ERR_OK; ERR_ARG for numbers that make no sense;
 * ERR_LIMIT for a text that is too long; ${why} then says which.
 */
int pack_format_meta_check(const struct pack_meta *m, const char **why);

/*
 * pack_format_header_put(m, d, out, digest):
 * Append the header of a pack to ${out} and set ${digest} to the one that ends it. ${m} must pass
 * pack_format_meta_check; m->upper is not part of it. Return ERR_OK or ERR_NOMEM.
 */
int pack_format_header_put(
    const struct pack_meta *m, struct digest *d, struct buf *out, uint8_t digest[DIGEST_FULL]);

/*
 * pack_format_header_len(fixed, len, why):
 * Judge the first PACK_FORMAT_HEADER bytes of a pack, and set ${len} to the bytes of the whole
 * header. Return ERR_OK; ERR_VERSION when a newer thinkback wrote it; ERR_CORRUPT, ${why} says how.
 */
int
pack_format_header_len(const uint8_t fixed[PACK_FORMAT_HEADER], uint64_t *len, const char **why);

/*
 * pack_format_header_get(data, len, d, m, why):
 * Read a whole header, whose length pack_format_header_len has found to be ${len}, into the zeroed
 * ${m}; m->upper is left alone. Return ERR_OK, ERR_CORRUPT (${why} says how), or ERR_NOMEM; ${m}
 * must go to pack_meta_finish in any case.
 */
int pack_format_header_get(
    const uint8_t *data, size_t len, struct digest *d, struct pack_meta *m, const char **why);

/* pack_format_footer_put(f, d, out): write a footer. ERR_OK or ERR_NOMEM. */
int pack_format_footer_put(
    const struct pack_footer *f, struct digest *d, uint8_t out[PACK_FORMAT_FOOTER]);

/*
 * pack_format_footer_get(data, file_len, d, f, why):
 * Read a footer, the last bytes of a pack of ${file_len} bytes, and check that its numbers fit the
 * file and each other. Return ERR_OK and set ${f}; ERR_CORRUPT (${why} says how); or ERR_NOMEM.
 */
int pack_format_footer_get(const uint8_t data[PACK_FORMAT_FOOTER], uint64_t file_len,
    struct digest *d, struct pack_footer *f, const char **why);

/* pack_format_frame_put(at, out), pack_format_frame_get(table, i): an entry of the frame table. */
void pack_format_frame_put(const struct pack_frame_at *at, uint8_t out[PACK_FORMAT_FRAME_ENTRY]);
struct pack_frame_at pack_format_frame_get(const uint8_t *table, uint64_t i);

/* pack_format_block_put(at, out), pack_format_block_get(table, i): an entry of the block table. */
void pack_format_block_put(const struct pack_block_at *at, uint8_t out[PACK_FORMAT_BLOCK_ENTRY]);
struct pack_block_at pack_format_block_get(const uint8_t *table, uint64_t i);

/*
 * pack_format_tables_check(f, frames, blocks, why):
 * Check that the entries of both tables agree with the footer: in order, within the body, not over
 * each other within a table, numbers within limits. Return ERR_OK or ERR_CORRUPT (${why} says how).
 */
int pack_format_tables_check(
    const struct pack_footer *f, const uint8_t *frames, const uint8_t *blocks, const char **why);

/*
 * pack_format_tiles_check(f, frames, blocks, why):
 * Check that the frames and blocks of checked tables fill the body without gap or overlap. Return
 * ERR_OK or ERR_CORRUPT (${why} says how).
 */
int pack_format_tiles_check(
    const struct pack_footer *f, const uint8_t *frames, const uint8_t *blocks, const char **why);

#endif
