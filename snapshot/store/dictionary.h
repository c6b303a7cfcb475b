/*
 * Compression dictionaries: trained per table, stored once in packs/ beside the packs (and a second
 * time in the catalogue, catalog/packs.h), used by many packs. A dictionary is read-only once made
 * and may be used by any number of threads.
 */
#ifndef THINKBACK_STORE_DICTIONARY_H
#define THINKBACK_STORE_DICTIONARY_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"

#include <stddef.h>
#include <stdint.h>

#define DICTIONARY_MAX 65536u /* bytes of the largest dictionary */

/* Opaque types. */
struct dictionary;

/*
 * dictionary_train(samples, sizes, n, out, e):
 * Train on ${n} documents of ${sizes} bytes that lie one after the other at ${samples}, and append
 * the dictionary's raw bytes to ${out}: about a fiftieth of the samples, DICTIONARY_MAX at most.
 * Return ERR_OK; ERR_ABSENT (no text) when there is too little to learn from; else
 * a failure.
 */
int dictionary_train(
    const void *samples, const size_t *sizes, size_t n, struct buf *out, struct err *e);

/*
 * dictionary_create(id, bytes, len, out, e):
 * Make a usable dictionary of raw bytes (copied). Return ERR_OK and set ${out}, to be freed with
 * dictionary_free; ERR_CORRUPT when the bytes are no dictionary; ERR_NOMEM.
 */
int dictionary_create(
    uint64_t id, const void *bytes, size_t len, struct dictionary **out, struct err *e);

/* dictionary_free(d): free ${d}, which may be NULL. */
void dictionary_free(struct dictionary *d);

/* dictionary_id(d): its number in the repository; 0 for NULL. */
uint64_t dictionary_id(const struct dictionary *d);

/* dictionary_memory(d): bytes of memory that it holds. */
size_t dictionary_memory(const struct dictionary *d);

/*
 * dictionary_save(packsfd, id, table_id, bytes, len, e):
 * Write the dictionary's file durably (checksummed, synced, named, directory synced). Return
 * ERR_OK, ERR_EXISTS, or a failure with nothing left behind.
 */
int dictionary_save(
    int packsfd, uint64_t id, uint64_t table_id, const void *bytes, size_t len, struct err *e);

/*
 * dictionary_replace(packsfd, id, table_id, bytes, len, e):
 * As dictionary_save, in place of the file that is there, if any.
 */
int dictionary_replace(
    int packsfd, uint64_t id, uint64_t table_id, const void *bytes, size_t len, struct err *e);

/*
 * dictionary_load(packsfd, id, table_id, out, e):
 * Append the raw bytes of a stored dictionary to ${out} and set ${table_id} (may be NULL). Return
 * ERR_OK, ERR_ABSENT (text set), ERR_CORRUPT, or a failure.
 */
int dictionary_load(int packsfd, uint64_t id, uint64_t *table_id, struct buf *out, struct err *e);

/* dictionary_remove(packsfd, id, e): unlink it. Return ERR_OK (also when there is none) or a
 * failure. */
int dictionary_remove(int packsfd, uint64_t id, struct err *e);

#endif
