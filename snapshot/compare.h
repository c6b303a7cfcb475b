/*
 * Comparing a snapshot with what a source holds of a table: which documents it lacks, which are
 * others there, which it has more. Digests alone are compared; memory is bounded. Used before a
 * restore (what would be done) and after it (whether it has been done).
 */
#ifndef THINKBACK_SNAPSHOT_COMPARE_H
#define THINKBACK_SNAPSHOT_COMPARE_H

#include "catalog/catalog.h"
#include "catalog/repo.h"
#include "catalog/snapshots.h"
#include "snapshot/source.h"

#include <signal.h>
#include <stdint.h>

enum compare_state {
	COMPARE_SAME,    /* in both, and the same */
	COMPARE_CHANGED, /* in both, but not the same */
	COMPARE_MISSING, /* in the snapshot alone */
	COMPARE_EXTRA    /* in the source alone */
};
#define COMPARE_STATES (COMPARE_EXTRA + 1)

struct compare_options {
	const struct repo *repo; /* for temporary files */
	struct catalog *cat;     /* of the snapshot */
	const struct snapshots_snapshot *snapshot;
	const char *primary_key; /* of both */
	const struct key *only;  /* compare the document with that key alone; NULL: all */
	/* Called with each document that is not the same, in the order of keys; may be NULL.
	 * Another result than ERR_OK ends the comparison with it. */
	int (*found)(void *arg, enum compare_state state, const struct key *key, struct err *e);
	/* Called with each document that was read from the source; may be NULL. */
	void (*progress)(void *arg, uint64_t documents);
	void *arg;                         /* handed to these */
	const volatile sig_atomic_t *stop; /* give up when this becomes non-zero; may be NULL */
};

struct compare_result {
	uint64_t count[COMPARE_STATES]; /* documents, by state */
};

/*
 * compare_run(source, database, table, options, result, e):
 * Read that table from the first run of ${source} and compare. Return ERR_OK and set ${result};
 * ERR_ABSENT when the source has no such table; ERR_FORMAT, ERR_KEY ... when it cannot be read;
 * ERR_INTR; or a failure.
 */
int compare_run(struct source *source, const char *database, const char *table,
    const struct compare_options *options, struct compare_result *result, struct err *e);

#endif
