/*
 * Packs and dictionaries in the catalogue. Numbers (ids) are positive, never used twice and below
 * PACKS_ID_MAX, because a document's inode number is made of them. Threads as in catalog.h.
 */
#ifndef THINKBACK_CATALOG_PACKS_H
#define THINKBACK_CATALOG_PACKS_H

#include "catalog/base/buf.h"
#include "catalog/catalog.h"

#include <stddef.h>

#define PACKS_ID_MAX ((int64_t)1 << 30) /* first number that a pack or dictionary cannot have */

struct packs_pack {
	int64_t id;
	int64_t snapshot_id; /* the snapshot that it records */
	int64_t table_id;
	int64_t date;          /* of that snapshot, seconds */
	int64_t dictionary_id; /* 0: none */
	uint64_t shard;        /* number of the shard that it records */
	uint64_t documents;    /* versions stored in it */
	uint64_t deletions;    /* keys recorded in it as deleted */
	uint64_t bytes;        /* size of the file */
	bool forgotten;        /* its snapshot is */
};

struct packs_dictionary {
	int64_t id;
	int64_t table_id;
	uint64_t documents; /* documents in the snapshot that it was trained on */
};

/*
 * packs_begin(c, table_id, snapshot_id, shard, dictionary_id, out, e):
 * Record a pack that is about to be written, and set ${out} to its number. Needs a transaction,
 * whose commit must be durable before a file bears the number: after a power cut it would be given
 * out again. Return ERR_OK; ERR_WRONG_STATE when the snapshot is not being built; ERR_LIMIT when
 * the numbers have run out; else a failure.
 */
int packs_begin(struct catalog *c, int64_t table_id, int64_t snapshot_id, uint64_t shard,
    int64_t dictionary_id, int64_t *out, struct err *e);

/* packs_describe(c, p, e): set documents, deletions and bytes of pack p->id. Needs a transaction.
 */
int packs_describe(struct catalog *c, const struct packs_pack *p, struct err *e);

/*
 * packs_get(c, id, out, e), packs_next(c, after, out, e):
 * A pack of a complete snapshot, forgotten or not, by number, or the first with a number over
 * ${after}. Return ERR_OK; ERR_ABSENT or ERR_END (no text); or a failure.
 */
int packs_get(struct catalog *c, int64_t id, struct packs_pack *out, struct err *e);
int packs_next(struct catalog *c, int64_t after, struct packs_pack *out, struct err *e);

/* packs_of_next(c, snapshot_id, after, out, e): as packs_next, of one snapshot. */
int packs_of_next(
    struct catalog *c, int64_t snapshot_id, int64_t after, struct packs_pack *out, struct err *e);

/*
 * packs_drop(c, id, e):
 * Delete the row of a pack of a forgotten snapshot and of the shard that it records, and record its
 * file as a leftover. Needs a transaction. Return ERR_OK; ERR_WRONG_STATE when it is not such a
 * pack; or a failure.
 */
int packs_drop(struct catalog *c, int64_t id, struct err *e);

/*
 * packs_unfinished_next(c, after, id, snapshot_id, e):
 * The first pack of a snapshot that is not complete, with a number over ${after}: one being built,
 * or what a crash left. Return ERR_OK and set ${id} and ${snapshot_id}, ERR_END, or a failure.
 */
int packs_unfinished_next(
    struct catalog *c, int64_t after, int64_t *id, int64_t *snapshot_id, struct err *e);

/*
 * packs_known(c, id, e):
 * Whether there is a pack, complete or not, of that number: ERR_OK, ERR_ABSENT (no text), or a
 * failure.
 */
int packs_known(struct catalog *c, int64_t id, struct err *e);

/* packs_total(c, bytes, e): the sum of the sizes of all packs of complete snapshots. */
int packs_total(struct catalog *c, uint64_t *bytes, struct err *e);

/*
 * packs_dictionary_put(c, table_id, documents, bytes, len, out, e):
 * Keep a dictionary for a table and set ${out} to its number. Needs a transaction, whose commit
 * must come after the file that bears the number is durable; until then the number may be given out
 * again.
 */
int packs_dictionary_put(struct catalog *c, int64_t table_id, uint64_t documents, const void *bytes,
    size_t len, int64_t *out, struct err *e);

/*
 * packs_dictionary_latest(c, table_id, out, e), packs_dictionary_next(c, after, out, e):
 * The newest dictionary of a table; the first dictionary of all with a number over ${after}. Return
 * ERR_OK; ERR_ABSENT or ERR_END (no text); or a failure.
 */
int packs_dictionary_latest(
    struct catalog *c, int64_t table_id, struct packs_dictionary *out, struct err *e);
int packs_dictionary_next(
    struct catalog *c, int64_t after, struct packs_dictionary *out, struct err *e);

/*
 * packs_dictionary_unused(c, out, e), packs_dictionary_drop(c, id, e):
 * A dictionary that no pack needs, and no next snapshot either: it is not its table's newest one,
 * or its table has no snapshots left. Delete its row and record its file as a leftover. Return
 * ERR_OK; ERR_ABSENT (no text) when there is none; or a failure. The second needs a transaction.
 */
int packs_dictionary_unused(struct catalog *c, int64_t *out, struct err *e);
int packs_dictionary_drop(struct catalog *c, int64_t id, struct err *e);

/*
 * packs_dictionary_bytes(c, id, out, e):
 * Append the bytes of a dictionary to ${out}. Return ERR_OK, ERR_ABSENT (no text) or a failure.
 */
int packs_dictionary_bytes(struct catalog *c, int64_t id, struct buf *out, struct err *e);

/* packs_last(c, out, e): the highest number that a pack has ever got; 0: none. */
int packs_last(struct catalog *c, int64_t *out, struct err *e);

/*
 * packs_reserve(c, pack_id, dictionary_id, snapshot_id, e):
 * Never give out these numbers of packs, dictionaries and snapshots, nor lower ones. Needs a
 * transaction, which goes on disk with the next durable one.
 */
int packs_reserve(
    struct catalog *c, int64_t pack_id, int64_t dictionary_id, int64_t snapshot_id, struct err *e);

#endif
