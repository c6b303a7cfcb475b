/*
 * Marks of an index block: 32 bits for each of its documents that tell whether somebody speaks of
 * that document or of another, without decoding the block again. They guard against a catalogue
 * that has been damaged, not against one that was forged. Read-only once made; any thread.
 */
#ifndef THINKBACK_STORE_MARKS_H
#define THINKBACK_STORE_MARKS_H

#include "catalog/base/err.h"
#include "snapshot/store/pack.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opaque types. */
struct marks;

/*
 * marks_create(p, r, block, out, e):
 * Make the marks of a block of ${p}. Return ERR_OK and set ${out}, to be freed with marks_free;
 * ERR_CORRUPT when the block is damaged; else a failure.
 */
int marks_create(
    const struct pack *p, struct pack_reader *r, uint64_t block, struct marks **out, struct err *e);

/* marks_free(m): free ${m}, which may be NULL. */
void marks_free(struct marks *m);

/* marks_memory(m): bytes of memory that ${m} holds. */
size_t marks_memory(const struct marks *m);

/*
 * marks_match(m, entry): whether the document entry->ordinal has the key, the size and the digest
 * of ${entry}. False also when there is no such document. Another one passes once in 2^32 times.
 */
bool marks_match(const struct marks *m, const struct pack_entry *entry);

#endif
