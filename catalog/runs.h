/*
 * Runs in the catalogue, and the record that a run of a server has besides its tables: users,
 * permissions and configuration, as canonical JSON of one object. A run begins with
 * snapshots_run_begin (snapshots.h) and counts when a snapshot of it is complete. Threads as in
 * catalog.h. Dates in seconds.
 */
#ifndef THINKBACK_CATALOG_RUNS_H
#define THINKBACK_CATALOG_RUNS_H

#include "catalog/base/buf.h"
#include "catalog/catalog.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct runs_run {
	int64_t id;
	int64_t date;
	bool has_record;
};

/*
 * runs_record_put(c, id, record, len, e):
 * Write the record of the run ${id}. Needs a transaction. Return ERR_OK; ERR_WRONG_STATE when there
 * is no such run; or a failure.
 */
int runs_record_put(struct catalog *c, int64_t id, const void *record, size_t len, struct err *e);

/* runs_record(c, id, out, e): append the record to ${out}. Return ERR_OK, ERR_ABSENT or a failure.
 */
int runs_record(struct catalog *c, int64_t id, struct buf *out, struct err *e);

/*
 * runs_next(c, after, out, e):
 * The first run with a number over ${after} that has a complete snapshot. Return ERR_OK, ERR_END or
 * a failure.
 */
int runs_next(struct catalog *c, int64_t after, struct runs_run *out, struct err *e);

/*
 * runs_recorded(c, date, out, e):
 * The newest run that has a complete snapshot and a record, and is not newer than ${date}. Return
 * ERR_OK, ERR_ABSENT (no text) or a failure.
 */
int runs_recorded(struct catalog *c, int64_t date, struct runs_run *out, struct err *e);

/*
 * runs_unfinished_next(c, after, id, e):
 * Set ${id} to the first number over ${after} of a run that has a record but no complete snapshot.
 * Return ERR_OK, ERR_END or a failure.
 */
int runs_unfinished_next(struct catalog *c, int64_t after, int64_t *id, struct err *e);

#endif
