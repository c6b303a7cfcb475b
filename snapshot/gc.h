/*
 * Taking the bytes of forgotten snapshots from the disk. A version that some snapshot shows stays,
 * under its own number; packs with nothing left are removed, packs with much that is dead are
 * written again. What is shown is the same before, during and after it. Threads as in catalog.h.
 */
#ifndef THINKBACK_SNAPSHOT_GC_H
#define THINKBACK_SNAPSHOT_GC_H

#include "catalog/base/err.h"
#include "catalog/catalog.h"
#include "catalog/repo.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define GC_THRESHOLD 20u /* percent: the usual threshold */

struct gc_options {
	bool dry_run;       /* look only; what writing again frees is estimated */
	unsigned threshold; /* percent of a pack's documents (in bytes) that must be dead before it
			       is written again; 0: whenever anything is */
	const volatile sig_atomic_t
	    *stop; /* give up soon after this becomes non-zero; may be NULL */
	/* What a caller shows; progress may be NULL. A table that is not whole is left alone. */
	void (*problem)(void *arg, const struct err *e);
	void (*progress)(void *arg, uint64_t done, uint64_t total, uint64_t packs);
	void *arg;
};

struct gc_result {
	uint64_t looked_at;    /* packs of forgotten snapshots that were looked at */
	uint64_t removed;      /* packs removed */
	uint64_t rewritten;    /* packs written again */
	uint64_t snapshots;    /* snapshots of which nothing is left */
	uint64_t dictionaries; /* removed */
	uint64_t versions;     /* taken away */
	uint64_t freed;        /* bytes of files */
	uint64_t dead;         /* bytes of documents that are dead and stay, below the threshold */
	uint64_t failed;       /* tables that were left alone because of damage */
};

/*
 * gc_run(repo, cat, options, result, e):
 * Do it. Each pack is a step of its own: what is done stays done when it is interrupted. The caller
 * holds repo_lock and has called reclaim_recover; for a dry run neither is needed and ${cat} may be
 * open for reading. Return ERR_OK, also when tables failed (each went to options->problem);
 * ERR_INTR; or a failure.
 */
int gc_run(const struct repo *repo, struct catalog *cat, const struct gc_options *options,
    struct gc_result *result, struct err *e);

#endif
