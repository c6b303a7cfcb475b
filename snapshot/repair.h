/*
 * Repairing packs and dictionaries that are damaged or missing, from what else the repository
 * holds: a dictionary from its copy in the catalogue; a pack from the catalogue, which knows its
 * lines, and from documents that are whole in it or stored a second time in another pack. Markers
 * of forgotten snapshots and the ledger are written again from the catalogue.
 *
 * A document that is nowhere is lost. The pack is written again without it: its line says that it
 * is lost, the catalogue says so too (versions.h), it is not shown any more, and it counts as lost
 * in the snapshots that showed it. When the same document is stored again later, it is put back
 * into its place, and these snapshots are whole again. Nothing else is ever left out, but for
 * deletions of keys whose versions gc has taken, which end nothing. A pack of which the catalogue
 * does not have all lines (made again by rebuild while the pack was damaged) stays as it is.
 */
#ifndef THINKBACK_SNAPSHOT_REPAIR_H
#define THINKBACK_SNAPSHOT_REPAIR_H

#include "catalog/base/err.h"
#include "catalog/catalog.h"
#include "catalog/repo.h"

#include <signal.h>
#include <stdint.h>

struct repair_options {
	const volatile sig_atomic_t
	    *stop; /* give up soon after this becomes non-zero; may be NULL */
	/* What a caller shows, one line each: what was repaired, and what is lost. */
	void (*repaired)(void *arg, const char *text);
	void (*lost)(void *arg, const char *text);
	void *arg;
};

struct repair_result {
	uint64_t dictionaries; /* written again */
	uint64_t packs;        /* likewise */
	uint64_t markers;      /* likewise */
	uint64_t damaged;      /* packs and dictionaries that stay as they are */
	uint64_t lost;         /* documents that could not be found */
	uint64_t restored;     /* documents that were lost before and are there again */
};

/*
 * repair_run(repo, options, result, e):
 * Do it. Each pack is a step of its own: what is done stays done when it is interrupted. The caller
 * holds repo_lock. Return ERR_OK, also when something stays damaged or is lost; ERR_CORRUPT when
 * the catalogue itself is damaged and must be made again first (nothing was changed); ERR_INTR; or
 * a failure.
 */
int repair_run(const struct repo *repo, const struct repair_options *options,
    struct repair_result *result, struct err *e);

/*
 * repair_lost(repo, cat, options, result, e):
 * Only put documents back that were lost and are stored elsewhere by now, for a writer that has
 * completed a snapshot; the caller holds repo_lock and has called reclaim_recover. Without losses
 * it is one lookup. Returns as repair_run.
 */
int repair_lost(const struct repo *repo, struct catalog *cat, const struct repair_options *options,
    struct repair_result *result, struct err *e);

#endif
