/*
 * Snapshots that a user names: DB or DB.TABLE, and a date. Threads as in catalog.h.
 */
#ifndef THINKBACK_CATALOG_NAMED_H
#define THINKBACK_CATALOG_NAMED_H

#include "catalog/catalog.h"
#include "catalog/snapshots.h"
#include "catalog/tables.h"

/* What is done with each snapshot; another result than ERR_OK ends the walk and is returned. */
typedef int (*named_visit)(void *arg, const struct tables_table *table,
    const struct snapshots_snapshot *snapshot, struct err *e);

/*
 * named_tables(c, only, n, visit, arg, e):
 * Hand every snapshot of the tables that the ${n} names at ${only}, "DB" or "DB.TABLE", choose (n
 * 0: of all) to ${visit}: by database, table and date. Return ERR_OK; ERR_ABSENT when a name fits
 * nothing (text says which) or there is nothing at all; else what ${visit} returned or a failure.
 */
int named_tables(struct catalog *c, const char *const *only, size_t n, named_visit visit, void *arg,
    struct err *e);

/*
 * named_at(c, name, date, visit, arg, e):
 * Hand the snapshots of ${name}, "DB" or "DB.TABLE", whose date is as ${date} says to ${visit}:
 * "latest", or as date_parse reads it. Return ERR_OK; ERR_FORMAT when that is no date; ERR_ABSENT
 * when there is none (text set); else what ${visit} returned or a failure.
 */
int named_at(struct catalog *c, const char *name, const char *date, named_visit visit, void *arg,
    struct err *e);

#endif
