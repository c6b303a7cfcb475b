/*
 * Exporting snapshots as an archive that rethinkdb restore reads, written as a stream: memory does
 * not grow with a table. Every document is compared with its digest on the way.
 */
#ifndef THINKBACK_SNAPSHOT_EXPORT_H
#define THINKBACK_SNAPSHOT_EXPORT_H

#include "catalog/base/err.h"
#include "catalog/repo.h"
#include "snapshot/selection.h"

#include <signal.h>
#include <stdint.h>

struct export_options {
	struct selection_options select; /* which snapshots */
	const volatile sig_atomic_t
	    *stop; /* give up soon after this becomes non-zero; may be NULL */
	/* What a caller shows; each may be NULL. */
	void (*progress)(void *arg, uint64_t done, uint64_t total, uint64_t documents);
	void (*table_done)(void *arg, const struct selection_item *item);
	void *arg; /* handed to these */
};

/*
 * export_archive(repo, fd, options, e):
 * Write the chosen snapshots to ${fd}, which is not synced. The top directory of the archive bears
 * the newest of their dates, in local time as rethinkdb dump names it. Return ERR_OK; ERR_ABSENT
 * when nothing was chosen; ERR_CORRUPT when a document is damaged (text names it); ERR_INTR; or a
 * failure: then what was written is no whole archive.
 */
int export_archive(
    const struct repo *repo, int fd, const struct export_options *options, struct err *e);

#endif
