/*
 * Packs: immutable files with the versions born in one shard of one snapshot (thinkback-pack(5)).
 * A pack describes itself: the catalogue can be made again from packs alone. All bytes of a pack go
 * to disk and come back through snapshot/store/packfile.c.
 *
 * A writer belongs to one thread at a time. An open pack is read-only and may be read by any number
 * of threads, each with a pack_reader of its own.
 */
#ifndef THINKBACK_STORE_PACK_H
#define THINKBACK_STORE_PACK_H

#include "catalog/base/buf.h"
#include "catalog/base/digest.h"
#include "catalog/base/err.h"
#include "catalog/key.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACK_FORMAT_VERSION 1
#define PACK_FRAME_SIZE 16384u /* bytes of a decoded frame, unless one document has more */
#define PACK_LEVEL 3           /* zstd level */

/* Opaque types. */
struct pack;
struct pack_reader;
struct pack_writer;
struct dictionary;

/* What a pack says of itself. */
struct pack_meta {
	uint64_t pack_id;
	uint64_t snapshot_id;
	uint64_t table_id;
	uint64_t database_id;
	uint64_t dictionary_id; /* 0: none */
	int64_t date;           /* of the snapshot, seconds */
	uint64_t shard;         /* from 0 */
	uint64_t shards;        /* of the snapshot */
	struct key lower;       /* bounds of the shard, as snapshots_shard */
	struct key upper;
	struct buf database; /* name, owned by whoever fills it */
	struct buf table;
	struct buf primary_key;
	struct buf config; /* canonical JSON of the table's configuration */
	struct buf source; /* text for people */
	bool lossy; /* it was repaired, and its index may say of versions that they are lost */
};

/* The end of a pack: what is in it. */
struct pack_totals {
	uint64_t documents; /* versions stored */
	uint64_t deletions; /* keys recorded as deleted */
	uint64_t bytes;     /* of the file */
	uint64_t raw_bytes; /* canonical bytes of the versions stored */
	uint64_t lost;      /* versions that are not stored because damage took them */
	uint64_t frames;
};

/* One line of a pack's index, in key order. */
struct pack_entry {
	struct key key;
	bool deleted; /* the key is not in this snapshot any more; the rest is 0 */
	bool lost;    /* the version was born here, but damage took its document */
	uint32_t ordinal;
	uint32_t size; /* canonical bytes */
	uint8_t digest[DIGEST_LEN];
};

/* pack_meta_finish(m): free the buffers in ${m} and zero it. */
void pack_meta_finish(struct pack_meta *m);

/*
 * pack_writer_create(packsfd, meta, dict, out, e):
 * Start the pack meta->pack_id below the directory ${packsfd}, under a temporary name. ${meta} is
 * copied; ${dict} (NULL: none) must outlive the writer. Return ERR_OK and set ${out}, which must go
 * to pack_writer_commit or pack_writer_abort; else a failure.
 */
int pack_writer_create(int packsfd, const struct pack_meta *meta, const struct dictionary *dict,
    struct pack_writer **out, struct err *e);

/*
 * pack_writer_put(w, key, document, len, digest, ordinal, e):
 * Add a version; keys must come in strictly growing order, deletions included. Sets ${ordinal}.
 * Return ERR_OK; ERR_BUG for a key out of order; ERR_LIMIT over 2^32-1 documents, and for one under
 * 2 or over 134217728 bytes; else a failure, after which only pack_writer_abort is allowed.
 */
int pack_writer_put(struct pack_writer *w, const struct key *key, const void *document, size_t len,
    const uint8_t digest[DIGEST_LEN], uint32_t *ordinal, struct err *e);

/* pack_writer_delete(w, key, e): record that ${key} is gone. Returns as pack_writer_put. */
int pack_writer_delete(struct pack_writer *w, const struct key *key, struct err *e);

/*
 * pack_writer_lose(w, entry, e):
 * Record a version whose document is lost, with its key, ordinal, size and digest; of a pack that
 * is lossy. Returns as pack_writer_put; ERR_BUG also for an ordinal that is not over all before.
 */
int pack_writer_lose(struct pack_writer *w, const struct pack_entry *entry, struct err *e);

/*
 * pack_writer_skip(w, ordinals, e):
 * Leave out the next ${ordinals} numbers: when a pack is written again without some versions, the
 * others keep theirs. Returns as pack_writer_put.
 */
int pack_writer_skip(struct pack_writer *w, uint32_t ordinals, struct err *e);

/*
 * pack_writer_upper(w, upper):
 * Set the shard's upper bound, when it was not known at the start: before pack_writer_commit.
 */
void pack_writer_upper(struct pack_writer *w, const struct key *upper);

/*
 * pack_writer_commit(w, totals, e):
 * Finish the file, sync it, give it its name (never replacing another file) and sync its directory.
 * Sets ${totals}. ${w} is freed, also on failure, and then nothing is left behind.
 */
int pack_writer_commit(struct pack_writer *w, struct pack_totals *totals, struct err *e);

/*
 * pack_writer_stage(w, totals, e), pack_replace(packsfd, pack_id, e):
 * Write a pack again: finish the file under its temporary name, durably; then let it take the place
 * of the pack that has its number. What goes between the two, as the commit that both belong to,
 * may be cut off: pack_replace is repeated then, and does nothing when it has been done. ${w} is
 * freed, also on failure, and then nothing is left behind.
 */
int pack_writer_stage(struct pack_writer *w, struct pack_totals *totals, struct err *e);
int pack_replace(int packsfd, uint64_t pack_id, struct err *e);

/* pack_staged(packsfd, pack_id): whether the new file is there under its temporary name. */
bool pack_staged(int packsfd, uint64_t pack_id);

/* pack_writer_abort(w): throw the pack away and free ${w}, which may be NULL. */
void pack_writer_abort(struct pack_writer *w);

/*
 * pack_open(packsfd, pack_id, out, e):
 * Open a pack and check its header and footer. Return ERR_OK and set ${out}, to be closed with
 * pack_close; ERR_ABSENT (text set) when the file is missing; ERR_CORRUPT when it is damaged;
 * ERR_VERSION when a newer thinkback wrote it; else a failure. Memory: about 16 bytes a frame.
 */
int pack_open(int packsfd, uint64_t pack_id, struct pack **out, struct err *e);

/*
 * pack_open_header(packsfd, pack_id, meta, e):
 * What a pack whose other parts are damaged says of itself, if its header is whole: all but upper
 * goes into the zeroed ${meta}, to be given to pack_meta_finish in any case. Returns as pack_open.
 */
int pack_open_header(int packsfd, uint64_t pack_id, struct pack_meta *meta, struct err *e);

/* pack_close(p): close; ${p} may be NULL. */
void pack_close(struct pack *p);

/* pack_describe(p): what the pack says of itself; lives as long as ${p}. */
const struct pack_meta *pack_describe(const struct pack *p);

/* pack_count(p): its totals; lives as long as ${p}. */
const struct pack_totals *pack_count(const struct pack *p);

/*
 * pack_is_stale(p): whether gc has removed or replaced the file since it was opened. It can still
 * be read.
 */
bool pack_is_stale(const struct pack *p);

/* pack_memory(p): bytes of memory that ${p} holds. */
size_t pack_memory(const struct pack *p);

/* pack_reader_create(), pack_reader_free(r): a decompression context of one thread. */
struct pack_reader *pack_reader_create(void);
void pack_reader_free(struct pack_reader *r);

/* pack_frame_of(p, ordinal, frame): the frame that holds a version. ERR_OK or ERR_ABSENT. */
int pack_frame_of(const struct pack *p, uint32_t ordinal, uint64_t *frame);

/*
 * pack_frame_read(p, r, dict, frame, out, first, e):
 * Replace ${out} by the decoded frame number ${frame}; ${dict} must be the dictionary that the pack
 * names (NULL: none). Sets ${first} to the ordinal of its first document. Return ERR_OK;
 * ERR_CORRUPT when it is damaged (checksum, sizes, ordinal); else a failure.
 */
int pack_frame_read(const struct pack *p, struct pack_reader *r, const struct dictionary *dict,
    uint64_t frame, struct buf *out, uint32_t *first, struct err *e);

/*
 * pack_frame_document(frame, len, first, ordinal, data, size):
 * The document ${ordinal} in a decoded frame of ${len} bytes whose first ordinal is ${first}; the
 * result points into it. Return ERR_OK, ERR_ABSENT, or ERR_CORRUPT.
 */
int pack_frame_document(const uint8_t *frame, size_t len, uint32_t first, uint32_t ordinal,
    const uint8_t **data, size_t *size);

/*
 * pack_entry_of(p, r, ordinal, out, e):
 * The index line of a version. Return ERR_OK; ERR_ABSENT (no text), also when it is lost;
 * ERR_CORRUPT; else a failure.
 */
int pack_entry_of(const struct pack *p, struct pack_reader *r, uint32_t ordinal,
    struct pack_entry *out, struct err *e);

/*
 * pack_entry_next(p, r, walk, out, e):
 * The next index line; zero ${walk} to start. Return ERR_OK, ERR_END, ERR_CORRUPT, or a failure.
 * Entries are read block by block into ${r}: one walk at a time a reader.
 */
struct pack_walk {
	uint64_t block; /* index block */
	uint64_t entry; /* entries of it that were handed out */
};
int pack_entry_next(const struct pack *p, struct pack_reader *r, struct pack_walk *walk,
    struct pack_entry *out, struct err *e);

/*
 * pack_verify(p, e):
 * Check the checksums of all sections and that the file has no other bytes, without decoding
 * frames. Return ERR_OK, ERR_CORRUPT, or a failure.
 */
int pack_verify(const struct pack *p, struct err *e);

/*
 * pack_remove(packsfd, pack_id, e):
 * Unlink a pack, finished or not. Return ERR_OK (also when there is none) or a failure.
 */
int pack_remove(int packsfd, uint64_t pack_id, struct err *e);

/*
 * pack_clean(packsfd, e):
 * Unlink what writers left unfinished below ${packsfd}. Only the holder of the writer's lock may do
 * that. Return ERR_OK or a failure.
 */
int pack_clean(int packsfd, struct err *e);

/*
 * pack_list(packsfd, found, arg, e):
 * Hand the numbers of all pack files (${is_dictionary} false) and dictionary files (true) below
 * ${packsfd} to ${found}, in no order; unfinished ones are left out. A result of ${found} other
 * than ERR_OK ends the walk and is returned.
 */
int pack_list(int packsfd, int (*found)(void *arg, uint64_t id, bool is_dictionary), void *arg,
    struct err *e);

#endif
