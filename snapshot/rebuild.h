/*
 * Making the catalogue again from packs/ alone. Numbers of databases, tables, snapshots, packs and
 * dictionaries are those in the files, so that inode numbers and listings are the same as before.
 * The new catalogue is built beside the old one and takes its place in one step at the end; memory
 * does not grow with the documents (8 bytes a pack, about 150 a snapshot of the largest table).
 *
 * A snapshot that has a marker is forgotten, as before: what gc has taken of it is no loss. So a
 * pack of a forgotten snapshot that damage took as a whole is taken for one that gc took.
 *
 * What packs do not hold is not made up: when a snapshot was verified, and when a run was started
 * (its date stands for it).
 *
 * What is lost: a pack that was repaired says of which versions it has lost the document, and these
 * count as lost where they would be visible. When a pack of a snapshot is missing or its index is
 * damaged, it is not known what happened to the keys of that range in that snapshot. What was alive
 * there before ends with it, because it may have changed or gone; and the snapshots from there on
 * count as having lost documents (struct snapshots_snapshot, lost). The newest snapshots of a table
 * that lack packs without any sign of damage are those of a run that was stopped: they are recorded
 * as unfinished, and the next writer takes them back. That one was complete is told by the
 * catalogue that is there, when it is whole, and by the ledger, when it has their number.
 *
 * A pack that was lost when the catalogue was made again before, and is there again, shows what it
 * has. Snapshots that were taken while it was away have no line where something ended in them: the
 * catalogue that is there tells that, so the pack goes on being recorded as one of which not all is
 * known, for the next time. Where gc may have taken what it would show, its snapshots stay marked.
 *
 * Of a pack that cannot be read at all the table is not known unless another pack of its snapshot
 * is there: then everything that was taken after it counts as having lost documents. When all packs
 * of a snapshot are missing, nothing tells that there was one.
 */
#ifndef THINKBACK_SNAPSHOT_REBUILD_H
#define THINKBACK_SNAPSHOT_REBUILD_H

#include "catalog/base/err.h"
#include "catalog/catalog.h"
#include "catalog/repo.h"

#include <signal.h>
#include <stdint.h>

#define REBUILD_NAME 80 /* room for the name of the old catalogue, with its NUL */

struct rebuild_options {
	const volatile sig_atomic_t
	    *stop; /* give up soon after this becomes non-zero; may be NULL */
	/* What a caller shows; the last may be NULL. A problem is one line about what is lost. */
	void (*problem)(void *arg, const char *text);
	void (*progress)(void *arg, uint64_t done, uint64_t total, uint64_t versions);
	void *arg;
};

struct rebuild_result {
	uint64_t tables;
	uint64_t snapshots; /* that are shown */
	uint64_t packs;     /* recorded */
	uint64_t dictionaries;
	uint64_t versions;
	uint64_t unfinished;     /* snapshots that are not shown: their run was stopped */
	uint64_t damaged;        /* snapshots that are shown and have lost documents */
	uint64_t problems;       /* lines that went to options->problem */
	char kept[REBUILD_NAME]; /* the file beside catalog.db that the old one is now; "": none */
};

/*
 * rebuild_run(repo, options, result, e):
 * Do it, when the catalogue that is there is whole after what it has begun with files
 * (reclaim_leftovers). The caller holds repo_lock; ${repo} may come from repo_open_packs. Return
 * ERR_OK when the new catalogue is in its place, also with problems; ERR_VERSION when a newer
 * thinkback wrote some file; ERR_INTR; or a failure: then the old one is in its place still.
 */
int rebuild_run(const struct repo *repo, const struct rebuild_options *options,
    struct rebuild_result *result, struct err *e);

/*
 * rebuild_compare(repo, cat, options, e):
 * Compare the catalogue ${cat} of ${repo} with what its packs make, in all that they tell: each
 * difference goes to options->problem. Meant for packs that were found whole; nothing is written to
 * the repository but a file without a name. Return ERR_OK, ERR_INTR, or a failure.
 */
int rebuild_compare(const struct repo *repo, struct catalog *cat,
    const struct rebuild_options *options, struct err *e);

#endif
