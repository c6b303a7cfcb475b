/*
 * Taking snapshots: source -> canonical -> sorted by key -> compared with the versions alive ->
 * packs
 * -> catalogue. Memory is bounded, whatever a table's size. What is taken in one run becomes
 * visible at once, when all of it is durable; a table that cannot be taken leaves the others as
 * they are.
 */
#ifndef THINKBACK_SNAPSHOT_CAPTURE_H
#define THINKBACK_SNAPSHOT_CAPTURE_H

#include "catalog/base/err.h"
#include "catalog/base/log.h"
#include "catalog/repo.h"
#include "catalog/snapshots.h"
#include "snapshot/source.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct capture_options {
	bool has_date;           /* date overrides the source's own */
	int64_t date;            /* seconds */
	const char *const *only; /* "DB" or "DB.TABLE": take these alone; NULL: all */
	size_t n_only;
	bool *matched; /* of n_only: set where the source has a table that only[] names, taken or
			  not; may be NULL */
	const volatile sig_atomic_t
	    *stop; /* give up soon after this becomes non-zero; may be NULL */
	const struct log *log;
	/* What a caller shows; each may be NULL. First a source is read: bytes of it, of all. Then
	 * each table is stored: canonical bytes of its documents, of all. */
	void (*reading)(void *arg, uint64_t done, uint64_t total, uint64_t documents);
	void (*storing)(void *arg, const char *database, const char *table, uint64_t done,
	    uint64_t total, uint64_t documents);
	void (*table_done)(
	    void *arg, const char *database, const char *table, const struct snapshots_snapshot *s);
	void (*table_failed)(
	    void *arg, const char *database, const char *table, const struct err *e);
	/* A document that was lost and that this run has stored again: one line (repair.h). */
	void (*restored)(void *arg, const char *text);
	void *arg;
};

struct capture_result {
	int64_t date;          /* of the run, seconds */
	uint64_t tables;       /* taken */
	uint64_t failed;       /* not taken */
	uint64_t documents;    /* in the tables taken */
	uint64_t new_versions; /* stored */
	uint64_t stored_bytes; /* of all packs written */
	bool already;          /* the repository had this run already: nothing was done */
};

/* Opaque types. */
struct capture;

/*
 * capture_open(repo, log, out, e):
 * Take the writer's lock, open the catalogue for writing, and take back what a crash left. Return
 * ERR_OK and set ${out}, to be closed with capture_close; ERR_BUSY when another writer is at work.
 */
int
capture_open(const struct repo *repo, const struct log *log, struct capture **out, struct err *e);

/* capture_close(c): close; ${c} may be NULL. */
void capture_close(struct capture *c);

/*
 * capture_run(c, source, run, options, result, e):
 * Take run ${run} of ${source}. Tables that cannot be taken are reported by table_failed and
 * counted; table_done is called for each table after all of them have become visible. Then
 * documents that earlier snapshots have lost, and that are stored again now, are put back. Return
 * ERR_OK when the run went through, whatever its tables did; ERR_ORDER (nothing was written) when a
 * table has a snapshot of this date or a later one; ERR_TRUNCATED and others when the source broke
 * off: result then tells what was taken all the same.
 */
int capture_run(struct capture *c, struct source *source, size_t run,
    const struct capture_options *options, struct capture_result *result, struct err *e);

/*
 * capture_cuts(arg, database, table, documents, n, out):
 * The function of this name in struct source_server, with a struct capture as ${arg}: keys at even
 * distances in the table's newest snapshot, unless that has fewer than half as many ${documents}.
 * It looks at every version of the table.
 */
size_t capture_cuts(void *arg, const char *database, const char *table, uint64_t documents,
    size_t n, struct key *out);

#endif
