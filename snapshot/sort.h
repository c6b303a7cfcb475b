/*
 * Sorting documents by key in bounded memory: an external merge sort. Documents are gathered in
 * memory; over the budget, sorted runs go to a nameless temporary file, written by a thread while
 * more are gathered. Documents with equal keys
 * come out in the order in which they went in. Input that is sorted already (as dumps are) is not
 * compared again. A struct sort belongs to one thread at a time.
 *
 * After a failure documents are missing, so sort_add, sort_finish and sort_next answer ERR_BUG.
 */
#ifndef THINKBACK_SNAPSHOT_SORT_H
#define THINKBACK_SNAPSHOT_SORT_H

#include "catalog/base/err.h"
#include "catalog/key.h"

#include <stddef.h>
#include <stdint.h>

#define SORT_BUDGET (64u << 20) /* bytes of memory for documents */

/* Opaque types. */
struct sort;

/* One document. Not owned; valid until the next call with the same sort. */
struct sort_item {
	struct key key;
	uint64_t sequence;   /* its place in the input, from 0 */
	const uint8_t *data; /* canonical bytes */
	size_t len;
};

/*
 * sort_create(dirfd, budget, out, e):
 * A sorter whose runs go to the directory ${dirfd}, which must stay open. ${budget} in bytes, 0:
 * SORT_BUDGET, raised to 256 KiB if it is less; when a file is needed twice as much is used, and a
 * document that is larger is held on top of it.
 * Return ERR_OK and set ${out}, to be freed with sort_free; or a failure.
 */
int sort_create(int dirfd, size_t budget, struct sort **out, struct err *e);

/* sort_free(s): free ${s}, which may be NULL, and its file. */
void sort_free(struct sort *s);

/* sort_add(s, key, data, len, e): add a document (copied). Return ERR_OK or a failure. */
int sort_add(struct sort *s, const struct key *key, const void *data, size_t len, struct err *e);

/* sort_count(s): documents added so far. */
uint64_t sort_count(const struct sort *s);

/* sort_bytes(s): the sum of their lengths. */
uint64_t sort_bytes(const struct sort *s);

/* sort_memory(s): bytes of memory that the documents take before sort_finish. */
size_t sort_memory(const struct sort *s);

/*
 * sort_park(s, e):
 * No more documents will come, and sort_finish may be a while away: move what is in memory to the
 * file. Nothing but sort_finish and sort_free may follow. Return ERR_OK or a failure.
 */
int sort_park(struct sort *s, struct err *e);

/* sort_finish(s, e): end the input; sort_next may be called from now on. ERR_OK or a failure. */
int sort_finish(struct sort *s, struct err *e);

/* sort_next(s, out, e): the next document in key order. ERR_OK, ERR_END, or a failure. */
int sort_next(struct sort *s, struct sort_item *out, struct err *e);

#endif
