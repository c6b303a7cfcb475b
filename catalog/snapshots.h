/*
 * Runs and snapshots in the catalogue. A snapshot is one table at one date; it is built invisibly
 * and appears with snapshots_complete. One that is forgotten (forgotten.h) is not found by any
 * function here that does not say so. Within a table, numbers (ids) grow with dates. Numbers are
 * positive and never used twice. Threads as in catalog.h. Sizes in bytes, dates in seconds
 * (date.h).
 */
#ifndef THINKBACK_CATALOG_SNAPSHOTS_H
#define THINKBACK_CATALOG_SNAPSHOTS_H

#include "catalog/base/buf.h"
#include "catalog/catalog.h"
#include "catalog/key.h"
#include "catalog/tables.h"

#include <stddef.h>

#define SNAPSHOTS_SHARDS                                                                           \
	64 /* a table has at most this many shards (server: generate_config.cc)                    \
	    */

struct snapshots_snapshot {
	int64_t id;
	int64_t table_id;
	int64_t run_id;
	int64_t date;
	uint64_t shards;       /* 1 to SNAPSHOTS_SHARDS */
	uint64_t documents;    /* documents in it */
	uint64_t bytes;        /* canonical bytes of these, without newlines */
	uint64_t added;        /* documents whose key the previous snapshot did not have */
	uint64_t changed;      /* documents that differ from the previous snapshot */
	uint64_t deleted;      /* keys that only the previous snapshot has */
	uint64_t stored_bytes; /* bytes of its packs */
	int64_t verified; /* date of the last check --read-data that found it whole; 0: never */
	bool complete;
	uint64_t lost;  /* documents that damage has taken from it, as far as they are known; 0: it
			   is whole */
	bool forgotten; /* hidden, its packs wait for gc */
	bool pinned;    /* kept whatever a policy says */
};

struct snapshots_shard {
	uint64_t number;    /* from 0 */
	struct key lower;   /* first key; len 0: from the start */
	struct key upper;   /* first key behind it; len 0 on the last shard: to the end */
	uint64_t documents; /* documents of the snapshot in it */
	uint64_t bytes;     /* canonical bytes of these */
	int64_t pack_id;    /* the pack that records it */
};

/*
 * snapshots_run_begin(c, date, source, started, out, e):
 * Record a run over ${source} (a text for people: an archive's name, a server) whose tables share
 * ${date}; ${started} is the present time in seconds. Needs a transaction. Sets ${out} to its id.
 */
int snapshots_run_begin(struct catalog *c, int64_t date, const char *source, int64_t started,
    int64_t *out, struct err *e);

/*
 * snapshots_run_source(c, run_id, out, e):
 * Append the run's source text to ${out}. Return ERR_OK, ERR_ABSENT or a failure.
 */
int snapshots_run_source(struct catalog *c, int64_t run_id, struct buf *out, struct err *e);

/*
 * snapshots_begin(c, table_id, run_id, date, out, e):
 * Record a snapshot that is not complete. Needs a transaction. Return ERR_OK and set ${out} to its
 * id; ERR_ORDER when the table has a snapshot at ${date} or later that is not forgotten;
 * ERR_WRONG_STATE when it has an unfinished one, to be taken back first; else a failure.
 */
int snapshots_begin(
    struct catalog *c, int64_t table_id, int64_t run_id, int64_t date, int64_t *out, struct err *e);

/*
 * snapshots_describe(c, s, primary_key, config, config_len, e):
 * Write the counts of ${s} (documents ... stored_bytes, shards), the name of the primary-key field
 * and the table's configuration (canonical JSON of one object) into the row of the incomplete
 * snapshot s->id. Needs a transaction.
 */
int snapshots_describe(struct catalog *c, const struct snapshots_snapshot *s,
    const char *primary_key, const void *config, size_t config_len, struct err *e);

/*
 * snapshots_shard_put(c, snapshot_id, shard, e):
 * Record one shard of an incomplete snapshot. Needs a transaction.
 */
int snapshots_shard_put(
    struct catalog *c, int64_t snapshot_id, const struct snapshots_shard *shard, struct err *e);

/*
 * snapshots_complete(c, ids, n, e):
 * Make the ${n} snapshots visible, all at once, durably: a transaction of its own. Their packs must
 * be durable already. Return ERR_OK; ERR_WRONG_STATE when one is not there, complete already, or
 * not described with all its shards; else a failure. All or none.
 */
int snapshots_complete(struct catalog *c, const int64_t *ids, size_t n, struct err *e);

/*
 * snapshots_take_back(c, id, e), snapshots_recover(c, e):
 * Remove an incomplete snapshot (or all of them, with runs that have none left) and everything that
 * was recorded for it: versions born in it, deaths in it, shards, packs. Transactions of their own,
 * in batches; starting over after a crash is harmless. ERR_WRONG_STATE for a complete one.
 */
int snapshots_take_back(struct catalog *c, int64_t id, struct err *e);
int snapshots_recover(struct catalog *c, struct err *e);

/*
 * snapshots_get(c, id, out, e), snapshots_at(c, table_id, date, out, e),
 * snapshots_latest(c, table_id, out, e):
 * One complete snapshot: by number, by exact date, the newest. Return ERR_OK, ERR_ABSENT (no text),
 * or a failure.
 */
int snapshots_get(struct catalog *c, int64_t id, struct snapshots_snapshot *out, struct err *e);
int snapshots_at(struct catalog *c, int64_t table_id, int64_t date, struct snapshots_snapshot *out,
    struct err *e);
int snapshots_latest(
    struct catalog *c, int64_t table_id, struct snapshots_snapshot *out, struct err *e);

/*
 * snapshots_any(c, id, out, e): a complete snapshot by number, forgotten or not. Returns as
 * snapshots_get.
 */
int snapshots_any(struct catalog *c, int64_t id, struct snapshots_snapshot *out, struct err *e);

/*
 * snapshots_previous(c, table_id, out, e):
 * The newest complete snapshot of a table, forgotten or not: what the next one is compared with,
 * because the versions that are alive are those that it has. Returns as snapshots_latest.
 */
int snapshots_previous(
    struct catalog *c, int64_t table_id, struct snapshots_snapshot *out, struct err *e);

/*
 * snapshots_next(c, table_id, after, out, e):
 * The first complete snapshot of the table with a number over ${after} (0 for the first): oldest
 * first. Return ERR_OK, ERR_END or a failure.
 */
int snapshots_next(struct catalog *c, int64_t table_id, int64_t after,
    struct snapshots_snapshot *out, struct err *e);

/*
 * snapshots_newest_date(c, out, e):
 * Set ${out} to the newest date of any complete snapshot. Return ERR_OK, ERR_ABSENT or a failure.
 */
int snapshots_newest_date(struct catalog *c, int64_t *out, struct err *e);

/*
 * snapshots_stamp(c, out, e):
 * Set ${out} to a number that is another one when other snapshots are shown than before, or have
 * lost documents since, and the same for every connection. It looks at all snapshots: call it when
 * catalog_generation has changed.
 */
int snapshots_stamp(struct catalog *c, uint64_t *out, struct err *e);

/*
 * snapshots_primary_key(c, id, out, e), snapshots_config(c, id, out, e):
 * Append the name of the primary-key field, or the configuration's JSON, of a complete snapshot to
 * ${out}. Return ERR_OK, ERR_ABSENT or a failure.
 */
int snapshots_primary_key(struct catalog *c, int64_t id, struct buf *out, struct err *e);
int snapshots_config(struct catalog *c, int64_t id, struct buf *out, struct err *e);

/*
 * snapshots_shard(c, snapshot_id, number, out, e):
 * One shard of a complete snapshot, forgotten or not. Return ERR_OK, ERR_ABSENT (of a forgotten
 * one: gc has taken its pack) or a failure.
 */
int snapshots_shard(struct catalog *c, int64_t snapshot_id, uint64_t number,
    struct snapshots_shard *out, struct err *e);

/*
 * snapshots_gap(c, id, out, e), snapshots_shard_gap(c, id, number, pack_id, e):
 * Set ${out} to whether a complete snapshot has a shard whose pack was missing, or could not be
 * read to its end, when the catalogue was made again. The row alone tells that what was known of
 * its keys ended there. Of one shard: return ERR_OK and set ${pack_id} to the pack that the row
 * names, be it that one or another, when it is such a shard; ERR_ABSENT (no text); or a failure.
 */
int snapshots_gap(struct catalog *c, int64_t id, bool *out, struct err *e);
int snapshots_shard_gap(
    struct catalog *c, int64_t id, uint64_t number, int64_t *pack_id, struct err *e);

/*
 * snapshots_recount(c, id, changed, e):
 * Count ${changed} documents more (or less) of a snapshot as changed instead of new: gc has let the
 * version before last until it, or has taken that away. Needs a transaction.
 */
int snapshots_recount(struct catalog *c, int64_t id, int64_t changed, struct err *e);

/*
 * snapshots_stored(c, id, e): set stored_bytes and deleted of a snapshot to the sums of its packs,
 * one of which was written again. Needs a transaction.
 */
int snapshots_stored(struct catalog *c, int64_t id, struct err *e);

/*
 * snapshots_count_lost(c, pack_id, back, e):
 * Take the versions that are lost and were in that pack out of the counts (documents, bytes, also
 * of shards) of the snapshots between their birth and their end that are not forgotten, and count
 * them there as lost; or, ${back}, the other way round. Around a change of which ones are lost it
 * is called twice: first to give back, then to take out. Needs a transaction. Return ERR_OK or a
 * failure.
 */
int snapshots_count_lost(struct catalog *c, int64_t pack_id, bool back, struct err *e);

/*
 * snapshots_verified(c, id, date, e):
 * Record that check found the snapshot whole at ${date}. ERR_WRONG_STATE when it is not there.
 */
int snapshots_verified(struct catalog *c, int64_t id, int64_t date, struct err *e);

#endif
