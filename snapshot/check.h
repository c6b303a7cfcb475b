/*
 * Verifying a repository: the catalogue's own structure, every pack and dictionary against its
 * checksums and against the catalogue, (read_data) every version against its digest, and, when all
 * of that is well, every row of the catalogue against the one that the packs make (rebuild.h).
 */
#ifndef THINKBACK_SNAPSHOT_CHECK_H
#define THINKBACK_SNAPSHOT_CHECK_H

#include "catalog/base/err.h"
#include "catalog/repo.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct check_options {
	bool read_data; /* decode every frame and compare every digest */
	const volatile sig_atomic_t
	    *stop; /* give up soon after this becomes non-zero; may be NULL */
	/* What a caller shows; the last may be NULL. */
	void (*problem)(void *arg, const char *text);
	void (*progress)(void *arg, uint64_t done, uint64_t total, uint64_t versions);
	void *arg;
};

struct check_result {
	uint64_t snapshots;
	uint64_t packs;
	uint64_t dictionaries;
	uint64_t versions; /* index lines compared, with read_data also their bytes */
	uint64_t problems;
	bool recorded; /* the time of this verification was written into the catalogue */
};

/*
 * check_run(repo, options, result, e):
 * Check everything; each problem, one line, goes to options->problem and does not end the check.
 * With read_data and no problem the time is recorded for all snapshots, unless another writer is at
 * work. Return ERR_OK when no problem was found; ERR_CORRUPT when there was one; ERR_INTR; or a
 * failure that kept it from looking.
 */
int check_run(const struct repo *repo, const struct check_options *options,
    struct check_result *result, struct err *e);

#endif
