/*
 * Documents of a pack that cannot be opened, because its header, footer or tables are damaged or it
 * was cut off: the file is searched for frames, each of which tells the ordinals of its documents
 * and has a checksum. What is found is to be compared with a digest that is known from elsewhere.
 * A struct salvage belongs to one thread at a time.
 */
#ifndef THINKBACK_STORE_SALVAGE_H
#define THINKBACK_STORE_SALVAGE_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"

#include <signal.h>
#include <stdint.h>

/* Opaque types. */
struct dictionary;
struct salvage;

/*
 * salvage_open(packsfd, pack_id, dict, stop, out, e):
 * Search the pack for frames that were made with ${dict} (NULL: none), which must outlive ${out}.
 * Return ERR_OK and set ${out}, to be closed with salvage_close; ERR_ABSENT (text set) when the
 * file is missing; ERR_CORRUPT when it cannot be read as a file; ERR_INTR soon after *stop has
 * become non-zero (${stop} may be NULL); else a failure. Memory: 24 bytes a frame. Time: after 4
 * GiB of what looked like frames and was none the search ends, with what has been found.
 */
int salvage_open(int packsfd, uint64_t pack_id, const struct dictionary *dict,
    const volatile sig_atomic_t *stop, struct salvage **out, struct err *e);

/*
 * salvage_read(s, ordinal, walk, out, e):
 * Replace ${out} by the next document found with that ordinal; ${walk} is 0 at first. Return
 * ERR_OK; ERR_ABSENT (no text) when there is none, or no other; or a failure.
 */
int
salvage_read(struct salvage *s, uint32_t ordinal, uint64_t *walk, struct buf *out, struct err *e);

/* salvage_close(s): close; ${s} may be NULL. */
void salvage_close(struct salvage *s);

#endif
