/*
 * Choosing snapshots: of each table that is wanted, the newest one that is not newer than a date.
 * Threads as in catalog.h.
 */
#ifndef THINKBACK_SNAPSHOT_SELECTION_H
#define THINKBACK_SNAPSHOT_SELECTION_H

#include "catalog/base/err.h"
#include "catalog/catalog.h"
#include "catalog/snapshots.h"
#include "catalog/tables.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct selection_options {
	bool has_date;           /* false: the newest of each table */
	int64_t date;            /* seconds: nothing newer than this */
	const char *const *only; /* "DB" or "DB.TABLE": these alone; NULL: all tables */
	size_t n_only;           /* of these */
};

/* A table with the snapshot that was chosen of it. */
struct selection_item {
	struct tables_table table;
	struct snapshots_snapshot snapshot;
};

struct selection {
	struct selection_item *items; /* owned; by database and table name */
	size_t n;                     /* of these */
};

/*
 * selection_make(cat, options, out, e):
 * Choose. Return ERR_OK and set ${out}, to be freed with selection_finish; ERR_ABSENT when there is
 * nothing that fits, or one of options->only names nothing that fits (text says which); else a
 * failure.
 */
int selection_make(struct catalog *cat, const struct selection_options *options,
    struct selection *out, struct err *e);

/* selection_finish(s): free what it holds. */
void selection_finish(struct selection *s);

#endif
