/*
 * Repairing packs and dictionaries that are damaged or missing, from what else the repository
 * holds: a dictionary from its copy in the catalogue; a pack from the catalogue, which knows its
 * lines, and from documents that are whole in it or stored a second time in another pack. A pack is
 * written again as a whole or left as it is: what cannot be found stays an error (EIO) where it is
 * read, and is never left out as if it had not been there. Left out are deletions of keys whose
 * versions gc has taken, which end nothing. Markers of forgotten snapshots and the ledger are
 * written again from the catalogue.
 */
#ifndef THINKBACK_SNAPSHOT_REPAIR_H
#define THINKBACK_SNAPSHOT_REPAIR_H

#include "catalog/base/err.h"
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
};

/*
 * repair_run(repo, options, result, e):
 * Do it. The caller holds repo_lock. Return ERR_OK, also when something stays damaged; ERR_CORRUPT
 * when the catalogue itself is damaged and must be made again first (nothing was changed);
 * ERR_INTR; or a failure.
 */
int repair_run(const struct repo *repo, const struct repair_options *options,
    struct repair_result *result, struct err *e);

#endif
