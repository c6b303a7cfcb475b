/*
 * Reading documents by (pack, ordinal): open packs, dictionaries and decoded frames are kept within
 * set bounds, least recently used first out. The one used last is kept even if it is larger than
 * its bound, until another takes its place: a large document is read in many parts and must not be
 * decoded for each. A struct store may be used by any number of threads.
 */
#ifndef THINKBACK_STORE_STORE_H
#define THINKBACK_STORE_STORE_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"
#include "snapshot/store/pack.h"

#include <stddef.h>
#include <stdint.h>

/* Opaque types. */
struct store;
struct store_hold;

struct store_options {
	size_t frame_bytes; /* decoded frames kept; 0: STORE_FRAME_BYTES */
	size_t pack_bytes;  /* memory of open packs and dictionaries kept; 0: STORE_PACK_BYTES */
	unsigned packs;     /* open packs (file descriptors) kept; 0: STORE_PACKS */
	void (*slow)(void); /* called by a thread that is about to wait for a disk; NULL: not */
};

#define STORE_FRAME_BYTES (4u << 20)
#define STORE_PACK_BYTES (16u << 20)
#define STORE_PACKS 64u
#define STORE_MARK_BYTES (2u << 20) /* marks of documents kept, 8 bytes each */

/*
 * store_create(packsfd, options, out, e):
 * A store over the directory ${packsfd}, which must stay open. ${options} NULL: defaults. Return
 * ERR_OK and set ${out}, to be freed with store_free; or ERR_NOMEM.
 */
int
store_create(int packsfd, const struct store_options *options, struct store **out, struct err *e);

/* store_free(s): free ${s}, which may be NULL. */
void store_free(struct store *s);

/*
 * store_read(s, pack_id, ordinal, off, room, out, size, e):
 * Append up to ${room} bytes from ${off} on of a document (canonical, no newline) to ${out}, and
 * set
 * ${size} to the document's whole size. Return ERR_OK; ERR_ABSENT when the pack has no such
 * document; ERR_CORRUPT when the pack or its dictionary is missing or damaged; else a failure.
 * ${out} is as before unless ERR_OK.
 */
int store_read(struct store *s, uint64_t pack_id, uint32_t ordinal, size_t off, size_t room,
    struct buf *out, size_t *size, struct err *e);

/*
 * store_entry(s, pack_id, ordinal, entry, snapshot_id, table_id, e):
 * The index line of a document, and the snapshot in which it was born and the table it belongs to.
 * Returns as store_read.
 */
int store_entry(struct store *s, uint64_t pack_id, uint32_t ordinal, struct pack_entry *entry,
    uint64_t *snapshot_id, uint64_t *table_id, struct err *e);

/*
 * store_hold(s, pack_id, ordinal, out, e):
 * Hold a document so that it can be read whatever gc does to its pack meanwhile, until store_drop.
 * Costs the open file of the pack, shared by all that hold something in it. Return ERR_OK and set
 * ${out}; else as store_read. A damaged frame is left for store_hold_read to say.
 */
int store_hold(
    struct store *s, uint64_t pack_id, uint32_t ordinal, struct store_hold **out, struct err *e);

/* store_hold_read(h, off, room, out, size, e): as store_read, of what is held. */
int store_hold_read(
    struct store_hold *h, size_t off, size_t room, struct buf *out, size_t *size, struct err *e);

/* store_hold_date(h): date of the snapshot in which the document that is held was born. */
int64_t store_hold_date(const struct store_hold *h);

/* store_drop(h): let it go; ${h} may be NULL. Before store_free. */
void store_drop(struct store_hold *h);

/*
 * store_sweep(s): close the packs that gc has removed or replaced and that nobody holds, so that
 * their space on the disk becomes free: to be called now and then.
 */
void store_sweep(struct store *s);

/*
 * store_matches(s, pack_id, entry, e):
 * Whether the pack's document entry->ordinal has the key, size and digest of ${entry}: ERR_OK;
 * ERR_ABSENT (no text) when it has not, or there is none. Damage of the catalogue goes unseen once
 * in 2^32 times. Else as store_read. Cheap for documents of a neighbourhood.
 */
int store_matches(struct store *s, uint64_t pack_id, const struct pack_entry *entry, struct err *e);

#endif
