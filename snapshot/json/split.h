/*
 * Cutting a stream into JSON documents without parsing them: an array of documents ("[" document
 * "," ... "]", as in a dump archive's .json), or documents one after another, with blanks or
 * newlines between or none (.ndjson, a single document). Which one is told by the first byte that
 * is not blank. Only brackets, strings and commas are looked at; what is inside a document is
 * canon_value's business.
 *
 * Memory: one document, at most the limit given. A struct split belongs to one thread at a time.
 */
#ifndef THINKBACK_JSON_SPLIT_H
#define THINKBACK_JSON_SPLIT_H

#include "catalog/base/err.h"

#include <stddef.h>
#include <stdint.h>

/* Opaque types. */
struct split;

/* One document: not owned, valid until the next call with the same split. */
struct split_document {
	const uint8_t *data;
	size_t len;
	uint64_t line;   /* of its first byte, from 1 */
	uint64_t column; /* of its first byte, from 1, in bytes */
};

/*
 * split_create(limit):
 * A splitter for documents of at most ${limit} bytes, to be freed with split_free; NULL when out of
 * memory.
 */
struct split *split_create(size_t limit);

/* split_free(s): free ${s}, which may be NULL. */
void split_free(struct split *s);

/* split_reset(s): get ready for another stream, keeping memory. */
void split_reset(struct split *s);

/*
 * split_feed(s, data, len):
 * Give the next bytes of the stream; they must stay as they are until split_next has returned
 * ERR_END. Only allowed at the start and after ERR_END.
 */
void split_feed(struct split *s, const void *data, size_t len);

/*
 * split_next(s, out, e):
 * The next whole document. Return ERR_OK; ERR_END when more bytes are needed (or the stream is
 * over); ERR_FORMAT when the stream is neither of the two forms (text with line and column);
 * ERR_LIMIT when a document is over the limit (text with line and column); ERR_NOMEM. After a
 * failure only split_reset and split_free are allowed.
 */
int split_next(struct split *s, struct split_document *out, struct err *e);

/*
 * split_finish(s, out, e):
 * Say that the stream has ended. Return ERR_OK with a last document (a bare value at the very end
 * of the stream); ERR_END when it ended where it may, ERR_TRUNCATED (text with line and column)
 * inside a document or an array; or as split_next.
 */
int split_finish(struct split *s, struct split_document *out, struct err *e);

#endif
