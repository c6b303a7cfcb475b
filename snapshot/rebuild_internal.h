/* What the parts of rebuild share: rebuild.c looks at files, rebuild_table.c goes through a table.
 */
#ifndef THINKBACK_SNAPSHOT_REBUILD_INTERNAL_H
#define THINKBACK_SNAPSHOT_REBUILD_INTERNAL_H

#include "catalog/catalog.h"
#include "catalog/remake.h"
#include "snapshot/rebuild.h"
#include "snapshot/store/ledgerfile.h"
#include "snapshot/store/pack.h"

#include <stdbool.h>
#include <stddef.h>

#define REBUILD_BATCH 20000 /* rows written in one transaction */

/* Numbers of files, in order. */
struct rebuild_ids {
	uint64_t *ids; /* owned */
	size_t n, cap;
};

/* A pack of which only the header could be read: where its shard ends is not in it. */
struct rebuild_damage {
	int64_t pack_id;
	int64_t snapshot_id;
	uint64_t shard;
	struct key lower;
};

/* A pack that could not be read: where it stood among those that could. */
struct rebuild_blind {
	int64_t before; /* snapshot of the pack with the next lower number; 0: none */
	int64_t behind; /* likewise the next higher; INT64_MAX: none */
};

struct rebuild {
	const struct repo *repo;
	const struct rebuild_options *options;
	struct rebuild_result *result;
	struct catalog *cat;            /* the new one, inside a transaction */
	struct catalog *old;            /* the one before, when it is whole; NULL: it is not */
	struct pack_reader *reader;     /* for walks over an index */
	struct rebuild_ids packs;       /* all files */
	struct rebuild_ids dicts;       /* likewise */
	struct rebuild_ids forgotten;   /* snapshots that are */
	struct ledgerfile ledger;       /* empty when it cannot be read */
	struct rebuild_damage *damages; /* owned */
	size_t n_damages, cap_damages;
	struct rebuild_blind *blinds; /* owned */
	size_t n_blinds, cap_blinds;  /* in use, allocated */
	uint64_t done, total;         /* steps, for progress: two for each pack */
	unsigned rows;                /* written in the open transaction */
};

/* rebuild_problem(r, fmt, ...): tell one line. */
void rebuild_problem(struct rebuild *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * rebuild_step(r, packs, e):
 * Count ${packs} steps, show how far it is, see whether to go on, and commit when there are many
 * rows.
 */
int rebuild_step(struct rebuild *r, uint64_t packs, struct err *e);

/* rebuild_is_damaged(r, snapshot_id): whether a pack of it is known to be damaged. */
bool rebuild_is_damaged(const struct rebuild *r, int64_t snapshot_id);

/* rebuild_shard_damage(r, snapshot_id, shard): the damaged pack of a shard; NULL: none is known. */
const struct rebuild_damage *
rebuild_shard_damage(const struct rebuild *r, int64_t snapshot_id, uint64_t shard);

/* rebuild_may_be_blind(r, snapshot_id): whether a pack that cannot be read may be one of it. */
bool rebuild_may_be_blind(const struct rebuild *r, int64_t snapshot_id);

/*
 * rebuild_was_complete(r, s, out, e):
 * Set ${out} to whether anything but its packs tells that the snapshot was complete: the catalogue
 * before, or the ledger. When that was written, the packs of all unfinished snapshots with numbers
 * up to its last had been taken back (reclaim_recover). Return ERR_OK or a failure.
 */
int rebuild_was_complete(
    struct rebuild *r, const struct snapshots_snapshot *s, bool *out, struct err *e);

/* rebuild_is_forgotten(r, snapshot_id): whether it is. */
bool rebuild_is_forgotten(const struct rebuild *r, int64_t snapshot_id);

/*
 * rebuild_table(r, t, e):
 * Write the versions of a table whose packs are recorded, count its snapshots and make them
 * visible.
 */
int rebuild_table(struct rebuild *r, const struct tables_table *t, struct err *e);

#endif
