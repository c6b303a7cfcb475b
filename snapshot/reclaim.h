/*
 * What a writer that was stopped has left: every process that takes the writer's lock to change
 * packs or snapshots carries it out or takes it back before it does anything else. Threads as in
 * catalog.h; the caller holds repo_lock.
 */
#ifndef THINKBACK_SNAPSHOT_RECLAIM_H
#define THINKBACK_SNAPSHOT_RECLAIM_H

#include "catalog/base/err.h"
#include "catalog/catalog.h"
#include "catalog/packs.h"
#include "catalog/repo.h"

#include <stdint.h>

/*
 * reclaim_recover(repo, cat, e):
 * Take back unfinished snapshots with their packs, finish what a gc or forget has begun
 * (reclaim_leftovers), remove unfinished files. Return ERR_OK or a failure; starting over is
 * harmless.
 */
int reclaim_recover(const struct repo *repo, struct catalog *cat, struct err *e);

/*
 * reclaim_leftovers(repo, cat, e), reclaim_files(repo, cat, e):
 * Write the ledger, give replacements of packs their name (and let the catalogue show what they
 * have again that was lost), then remove packs, dictionaries and markers that the catalogue has
 * done with, in this order: a marker outlives the packs of its snapshot. The second leaves the
 * ledger out. Return ERR_OK; ERR_CORRUPT when a pack is not what the catalogue says, or is still in
 * it; or a failure.
 */
int reclaim_leftovers(const struct repo *repo, struct catalog *cat, struct err *e);
int reclaim_files(const struct repo *repo, struct catalog *cat, struct err *e);

/*
 * reclaim_compare(repo, row, e):
 * Whether the pack that is there is the one that the catalogue describes, by its totals. Return
 * ERR_OK; ERR_WRONG_STATE when it is another one; else what pack_open returns.
 */
int reclaim_compare(const struct repo *repo, const struct packs_pack *row, struct err *e);

/*
 * reclaim_records(repo, cat, e):
 * Remove the records of runs that have no snapshot (any more); their rows are to be deleted
 * afterwards. Return ERR_OK or a failure.
 */
int reclaim_records(const struct repo *repo, struct catalog *cat, struct err *e);

/* reclaim_take_back(repo, cat, snapshot_id, e): remove an unfinished snapshot (0: all) and its
 * packs. ERR_OK or a failure. */
int
reclaim_take_back(const struct repo *repo, struct catalog *cat, int64_t snapshot_id, struct err *e);

#endif
