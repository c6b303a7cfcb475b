/*
 * Forgotten snapshots: complete ones that nothing shows any more. Their rows stay until gc has
 * taken the last of their packs, and the versions born in them stay as long as a snapshot shows
 * them. Threads as in catalog.h.
 */
#ifndef THINKBACK_CATALOG_FORGOTTEN_H
#define THINKBACK_CATALOG_FORGOTTEN_H

#include "catalog/catalog.h"
#include "catalog/snapshots.h"

#include <stddef.h>

/*
 * forgotten_intend(c, ids, n, e), forgotten_hide(c, ids, n, e):
 * Forget the ${n} snapshots, in two durable transactions of their own: before their markers are
 * written, and when they are on disk. A forget that was stopped in between is undone by who carries
 * out the leftovers: the markers go. All or none. Return ERR_OK; ERR_WRONG_STATE when one is not
 * there or pinned; else a failure.
 */
int forgotten_intend(struct catalog *c, const int64_t *ids, size_t n, struct err *e);
int forgotten_hide(struct catalog *c, const int64_t *ids, size_t n, struct err *e);

/*
 * forgotten_table_next(c, after, out, e):
 * The first table with a number over ${after} that has forgotten snapshots. Return ERR_OK and set
 * ${out}, ERR_END, or a failure.
 */
int forgotten_table_next(struct catalog *c, int64_t after, int64_t *out, struct err *e);

/*
 * forgotten_next(c, table_id, after, out, e), forgotten_before(c, table_id, before, out, e):
 * The first forgotten snapshot of a table with a number over ${after}, the last one with a number
 * under ${before}. Only id, table_id, date and shards are set. Return ERR_OK, ERR_END, or a
 * failure.
 */
int forgotten_next(struct catalog *c, int64_t table_id, int64_t after,
    struct snapshots_snapshot *out, struct err *e);
int forgotten_before(struct catalog *c, int64_t table_id, int64_t before,
    struct snapshots_snapshot *out, struct err *e);

/*
 * forgotten_drop(c, id, e):
 * Delete the row of a forgotten snapshot that has no packs any more, and record its marker as a
 * leftover. Needs a transaction. Return ERR_OK; ERR_ABSENT (no text) when it has packs; or a
 * failure.
 */
int forgotten_drop(struct catalog *c, int64_t id, struct err *e);

/* forgotten_runs(c, e): delete the runs that have no snapshots any more. Needs a transaction. */
int forgotten_runs(struct catalog *c, struct err *e);

/*
 * forgotten_date(c, table_id, date, e):
 * Whether the table has had a snapshot at that very date that was forgotten, gone from the disk or
 * not. Return ERR_OK, ERR_ABSENT (no text), or a failure.
 */
int forgotten_date(struct catalog *c, int64_t table_id, int64_t date, struct err *e);

/* forgotten_any(c, table_id, e): whether the table has had any that was. As forgotten_date. */
int forgotten_any(struct catalog *c, int64_t table_id, struct err *e);

/*
 * forgotten_date_next(c, table_id, date, e):
 * Go from one such table and date (0 and INT64_MIN for the first) to the next. Return ERR_OK,
 * ERR_END or a failure.
 */
int forgotten_date_next(struct catalog *c, int64_t *table_id, int64_t *date, struct err *e);

#endif
