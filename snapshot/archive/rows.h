/*
 * The documents of one .json or .ndjson file, cut out of blocks of its bytes as they come. A struct
 * rows belongs to one thread at a time.
 */
#ifndef THINKBACK_ARCHIVE_ROWS_H
#define THINKBACK_ARCHIVE_ROWS_H

#include "catalog/base/err.h"
#include "snapshot/json/split.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Where the bytes come from: set ${data} and ${len} to the next ones, which stay valid until the
 * next call. Return ERR_OK, ERR_END at the end of the file, or a failure.
 */
typedef int rows_block(void *arg, const void **data, size_t *len, struct err *e);

/* A zeroed one is valid for rows_finish and rows_begin. */
struct rows {
	struct split *split; /* owned, kept from file to file */
	rows_block *block;   /* where the bytes come from */
	void *arg;           /* handed to block */
	bool may_be_empty;   /* no bytes at all are no documents (.ndjson) */
	bool seen;           /* a byte that is not blank has come */
	bool fed;            /* the splitter has a block that is not used up */
	bool ended;          /* split_finish has been called */
	bool broken; /* the last failure is one of block or memory, not of the file's JSON */
};

/*
 * rows_begin(r, ndjson, block, arg, e):
 * Get ready for a file's documents; ${ndjson} says that an empty file is fine. ERR_OK or ERR_NOMEM.
 */
int rows_begin(struct rows *r, bool ndjson, rows_block *block, void *arg, struct err *e);

/*
 * rows_next(r, out, e):
 * The next document, valid until the next call. Return ERR_OK; ERR_END when the file is complete;
 * ERR_FORMAT, ERR_LIMIT or ERR_TRUNCATED (text with line and column) for what it holds; else, with
 * r->broken set, a failure of block or memory. Nothing but rows_begin and rows_finish may follow
 * anything but ERR_OK.
 */
int rows_next(struct rows *r, struct split_document *out, struct err *e);

/* rows_finish(r): free what ${r} holds; it is zeroed. */
void rows_finish(struct rows *r);

#endif
