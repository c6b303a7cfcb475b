/* What compression needs to know of a dictionary (dictionary.h): for snapshot/store/ alone. */
#ifndef THINKBACK_STORE_DICTIONARY_INTERNAL_H
#define THINKBACK_STORE_DICTIONARY_INTERNAL_H

#include "catalog/base/buf.h"
#include "snapshot/store/dictionary.h"

#include <stdint.h>
#include <zstd.h>

/* dictionary_bytes(d): its raw bytes; they live as long as ${d}. */
const struct buf *dictionary_bytes(const struct dictionary *d);

/* dictionary_ddict(d): the form in which it decompresses; it lives as long as ${d}. */
const ZSTD_DDict *dictionary_ddict(const struct dictionary *d);

/* dictionary_zstd_id(d): the number that zstd writes into frames made with it; 0 for NULL. */
uint32_t dictionary_zstd_id(const struct dictionary *d);

#endif
