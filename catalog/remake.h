/*
 * Making a catalogue again, with the numbers that its packs have: rows are written under given
 * numbers, and looked at before they are complete. The catalogue is an empty one that nobody else
 * knows yet, open for writing; all of this happens inside catalog_begin and catalog_commit. Threads
 * as in catalog.h.
 */
#ifndef THINKBACK_CATALOG_REMAKE_H
#define THINKBACK_CATALOG_REMAKE_H

#include "catalog/catalog.h"
#include "catalog/key.h"
#include "catalog/snapshots.h"

#include <stddef.h>

/* What a pack says of itself. The texts are not owned. */
struct remake_pack {
	int64_t id;
	int64_t snapshot_id;
	int64_t table_id;
	int64_t database_id;
	int64_t dictionary_id; /* 0: none */
	int64_t date;          /* of the snapshot, seconds */
	uint64_t shard;
	uint64_t shards; /* of the snapshot */
	struct key lower, upper;
	const char *database, *table, *primary_key, *source;
	const void *config;
	size_t config_len;
	uint64_t documents, deletions, bytes;
	bool has_shard; /* record the shard too; else only that there is such a pack */
};

/* A snapshot that has rows of packs. */
struct remake_snapshot {
	int64_t id;
	int64_t date;
	uint64_t shards; /* that it should have */
	uint64_t found;  /* of these, recorded */
	uint64_t stored_bytes;
	int64_t first_pack; /* the lowest number of its packs */
};

/*
 * remake_run_add(c, id, date, source, record, len, e):
 * Record a run that has a file of its own, before the packs: theirs is found by date and source.
 * Return ERR_OK, ERR_EXISTS, or a failure.
 */
int remake_run_add(struct catalog *c, int64_t id, int64_t date, const char *source,
    const void *record, size_t len, struct err *e);

/*
 * remake_pack_add(c, p, e):
 * Record a pack, and its database, table, run, snapshot and shard where they are not known yet.
 * Runs are told apart by date and source and numbered as they come. Return ERR_OK; ERR_CORRUPT when
 * what it says contradicts a pack that was recorded before, or cannot be: then nothing is recorded;
 * or a failure.
 */
int remake_pack_add(struct catalog *c, const struct remake_pack *p, struct err *e);

/*
 * remake_dictionary(c, id, table_id, bytes, len, e):
 * Record a dictionary. That it was trained on the first snapshot with packs that need it is settled
 * by remake_finish. Return ERR_OK, ERR_EXISTS, or a failure.
 */
int remake_dictionary(
    struct catalog *c, int64_t id, int64_t table_id, const void *bytes, size_t len, struct err *e);

/*
 * remake_pack_unread(c, id, e):
 * Of a pack that was recorded not all lines can be read: as of one that was recorded without its
 * shard, its row has 0 bytes.
 */
int remake_pack_unread(struct catalog *c, int64_t id, struct err *e);

/* remake_shard(c, snapshot_id, shard, e): record one shard of a snapshot. */
int remake_shard(
    struct catalog *c, int64_t snapshot_id, const struct snapshots_shard *shard, struct err *e);

/*
 * remake_shard_get(c, snapshot_id, number, out, e): a recorded shard, complete or not. Return
 * ERR_OK, ERR_ABSENT (no text), or a failure.
 */
int remake_shard_get(struct catalog *c, int64_t snapshot_id, uint64_t number,
    struct snapshots_shard *out, struct err *e);

/* remake_shard_count(c, snapshot_id, number, documents, bytes, e): set the counts of a shard. */
int remake_shard_count(struct catalog *c, int64_t snapshot_id, uint64_t number, uint64_t documents,
    uint64_t bytes, struct err *e);

/*
 * remake_describe(c, s, e):
 * Write the counts of ${s}, lost, complete and forgotten into the row s->id; the date of a
 * forgotten one is recorded as such.
 */
int remake_describe(struct catalog *c, const struct snapshots_snapshot *s, struct err *e);

/*
 * remake_table_next(c, after, out, e), remake_snapshot_next(c, table_id, after, out, e):
 * The first table with a number over ${after} that was recorded, and the first snapshot of a table.
 * Return ERR_OK, ERR_END, or a failure.
 */
int remake_table_next(struct catalog *c, int64_t after, struct tables_table *out, struct err *e);
int remake_snapshot_next(
    struct catalog *c, int64_t table_id, int64_t after, struct remake_snapshot *out, struct err *e);

/*
 * remake_finish(c, e):
 * Settle what needs all snapshots: on how many documents dictionaries were trained. A dictionary
 * that packs need and that was not recorded gets a row without bytes. Then see that every row names
 * others that are there. Return ERR_OK, ERR_CORRUPT, or a failure.
 */
int remake_finish(struct catalog *c, struct err *e);

/*
 * remake_forgotten_date(c, table_id, date, e):
 * Record that the table had a snapshot at that date (seconds) that was forgotten, if there is such
 * a table; again does no harm.
 */
int remake_forgotten_date(struct catalog *c, int64_t table_id, int64_t date, struct err *e);

/*
 * remake_last(c, table, out, e):
 * Set ${out} to the last number given out in a table of remake_sequence; 0: none. Of any catalogue.
 */
int remake_last(struct catalog *c, const char *table, int64_t *out, struct err *e);

/*
 * remake_sequence(c, table, least, e):
 * See that the next number given out in "databases", "tables", "runs", "snapshots", "packs" or
 * "dictionaries" is over ${least}.
 */
int remake_sequence(struct catalog *c, const char *table, int64_t least, struct err *e);

/*
 * remake_sequences(c, old, e):
 * The same for all of them, with the numbers that the catalogue ${old} has given out.
 */
int remake_sequences(struct catalog *c, struct catalog *old, struct err *e);

/*
 * remake_scratch(out, e), remake_compare(c, repo, problem, arg, e):
 * An empty catalogue that vanishes when it is closed, to be filled from the packs of the complete
 * snapshots of ${repo}'s catalogue and compared with that then, once: each row that differs goes to
 * ${problem} as one line. What is found means nothing when catalog_generation has changed
 * meanwhile. Return ERR_OK or a failure (also ERR_CORRUPT, when the catalogue cannot be read).
 */
int remake_scratch(struct catalog **out, struct err *e);
int remake_compare(struct catalog *c, const struct repo *repo,
    void (*problem)(void *arg, const char *text), void *arg, struct err *e);

/*
 * remake_create(repo, out, e):
 * Make the empty catalogue in a directory of its own inside the repository, in place of one that
 * was left there, and open it. The caller holds repo_lock. To be given to remake_place or
 * remake_abort. Return ERR_OK or a failure.
 */
int remake_create(const struct repo *repo, struct catalog **out, struct err *e);

/*
 * remake_place(repo, c, kept, room, e):
 * Close ${c}, sync it, and put it in the place of catalog.db. The one before is kept beside it
 * under the name that is written to ${kept} ("" when there was none). Up to the last step, one
 * rename, the old one is in its place; also when the machine stops. Return ERR_OK; ERR_BUSY when
 * others read the old one all the time; else a failure, after which the new one is gone.
 */
int
remake_place(const struct repo *repo, struct catalog *c, char *kept, size_t room, struct err *e);

/* remake_abort(repo, c): close ${c} (may be NULL) and remove it. */
void remake_abort(const struct repo *repo, struct catalog *c);

#endif
