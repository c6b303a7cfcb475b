/*
 * What is in an index block, decoded (thinkback-pack(5)): lines in key order, front-coded.
 *
 *   u8 kind | u8 shared | u8 rest | rest bytes of the key | of a put or lost line: varint gap,
 * varint size, 16 bytes of digest
 *
 * A line's ordinal is the one after that of the last put or lost line, plus the gap. Pure; any
 * thread; a builder and a cursor belong to one thread at a time.
 */
#ifndef THINKBACK_STORE_PACK_INDEX_H
#define THINKBACK_STORE_PACK_INDEX_H

#include "catalog/base/buf.h"
#include "snapshot/store/pack.h"
#include "snapshot/store/pack_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACK_INDEX_SIZE 16384u /* bytes after which a block is closed */

enum pack_index_kind { PACK_INDEX_PUT = 1, PACK_INDEX_DELETED = 2, PACK_INDEX_LOST = 3 };

/* A block being filled. Zero it to start; pack_index_finish gives its memory back. */
struct pack_index_builder {
	struct buf raw;   /* lines of the open block */
	struct key last;  /* key of the last line, of any block; len 0: none */
	uint64_t next;    /* ordinal after the last put or lost line's, of any block */
	uint32_t first;   /* next, as it was when the open block began */
	uint32_t entries; /* lines in the open block */
};

/* A walk through the lines of one block. */
struct pack_index_cursor {
	const uint8_t *at;  /* next byte; NULL: no block */
	const uint8_t *end; /* behind the last one */
	uint64_t next;      /* ordinal after the last put or lost line's */
	uint32_t left;      /* lines not handed out yet */
	struct key last;    /* key of the line before; len 0: none */
};

/* pack_index_finish(b): free the memory of ${b} and zero it. */
void pack_index_finish(struct pack_index_builder *b);

/*
 * pack_index_add(b, entry):
 * Add a line. Return ERR_OK; ERR_BUG when its key or ordinal is not over all before; ERR_NOMEM.
 */
int pack_index_add(struct pack_index_builder *b, const struct pack_entry *entry);

/* pack_index_full(b): whether the block has reached its size and should be closed. */
bool pack_index_full(const struct pack_index_builder *b);

/*
 * pack_index_close(b, at):
 * Set raw, first and entries of ${at} for the open block, whose bytes are b->raw; the next line
 * begins a new one. The caller clears b->raw when it has used it.
 */
void pack_index_close(struct pack_index_builder *b, struct pack_block_at *at);

/*
 * pack_index_start(c, raw, len, at):
 * Begin to walk through the ${len} bytes of the block ${at}, which must live as long as the walk.
 */
void pack_index_start(
    struct pack_index_cursor *c, const uint8_t *raw, size_t len, const struct pack_block_at *at);

/*
 * pack_index_next(c, out, why):
 * The next line. Return ERR_OK and set ${out}; ERR_END; or ERR_CORRUPT, ${why} says how.
 */
int pack_index_next(struct pack_index_cursor *c, struct pack_entry *out, const char **why);

#endif
