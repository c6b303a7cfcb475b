/*
 * The documents of a sorter in key order, each with its digest, prepared ahead on a thread while
 * the caller works on those before. A table of few documents starts no thread, and where there can
 * be none all is done by the caller, only slower.
 *
 * All calls come from one thread. What they return does not depend on how far the other thread is;
 * a failure arrives behind the documents before it.
 */
#ifndef THINKBACK_SNAPSHOT_SORTED_H
#define THINKBACK_SNAPSHOT_SORTED_H

#include "catalog/base/digest.h"
#include "catalog/base/err.h"
#include "snapshot/sort.h"

#include <stddef.h>
#include <stdint.h>

/* Opaque types. */
struct sorted;

/* One document. Not owned; valid until the next call. */
struct sorted_item {
	struct key key;
	uint8_t digest[DIGEST_LEN];
	const uint8_t *data; /* canonical bytes */
	size_t len;
};

/*
 * sorted_create(sort, out, e):
 * Read ${sort}, for which sort_finish has been called. It must outlive ${out}, and until that is
 * freed with sorted_free nothing else may use it but to ask for its counts. Return ERR_OK or
 * ERR_NOMEM.
 */
int sorted_create(struct sort *sort, struct sorted **out, struct err *e);

/* sorted_free(s): end the thread and free ${s}, which may be NULL. */
void sorted_free(struct sorted *s);

/*
 * sorted_next(s, out, e):
 * The next document. Returns as sort_next; after anything but ERR_OK the same again.
 */
int sorted_next(struct sorted *s, const struct sorted_item **out, struct err *e);

#endif
