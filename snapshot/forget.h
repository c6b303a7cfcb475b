/*
 * Forgetting: choosing snapshots that are no longer kept, and hiding them. Their bytes stay until
 * gc (gc.h). Threads as in catalog.h.
 */
#ifndef THINKBACK_SNAPSHOT_FORGET_H
#define THINKBACK_SNAPSHOT_FORGET_H

#include "catalog/base/err.h"
#include "catalog/catalog.h"
#include "catalog/repo.h"
#include "catalog/retention.h"
#include "catalog/snapshots.h"
#include "catalog/tables.h"

#include <stddef.h>

/* A snapshot with what is decided about it. */
struct forget_item {
	struct tables_table table;
	struct snapshots_snapshot snapshot;
	uint32_t reasons; /* to keep it (retention.h); 0: it is to be forgotten */
};

struct forget_plan {
	struct forget_item *items; /* owned; by database, table and date */
	size_t n;                  /* of these */
	size_t forgotten;          /* those to be forgotten */
};

struct forget_policy {
	struct retention_policy rules; /* for each table separately; tags is set by forget_plan */
	const char *const *tags;       /* snapshots with one of these are kept */
	size_t n_tags;                 /* of these */
	const char *const *only;       /* "DB" or "DB.TABLE": these alone; none: all tables */
	size_t n_only;                 /* of these */
};

/*
 * forget_plan_policy(cat, policy, out, e):
 * Judge the snapshots of each table by the policy. Return ERR_OK and set ${out}, to be given to
 * forget_plan_finish; else as named_tables (named.h).
 */
int forget_plan_policy(struct catalog *cat, const struct forget_policy *policy,
    struct forget_plan *out, struct err *e);

/*
 * forget_plan_named(cat, name, dates, n, out, e):
 * Choose the snapshots of ${name}, "DB" or "DB.TABLE", at the ${n} dates (named_at). Return ERR_OK
 * and set ${out}, to be given to forget_plan_finish; ERR_WRONG_STATE when one is pinned
 * or tells of a lost pack (snapshots_gap); else as
 * named_at.
 */
int forget_plan_named(struct catalog *cat, const char *name, char *const *dates, size_t n,
    struct forget_plan *out, struct err *e);

/* forget_plan_finish(p): free what it holds. */
void forget_plan_finish(struct forget_plan *p);

/*
 * forget_run(repo, cat, plan, e):
 * Forget what the plan says, all at once: durable when it returns ERR_OK, and otherwise not done,
 * or done but for the ledger, which the next writer writes.
 * The caller holds repo_lock and has called reclaim_recover.
 */
int forget_run(
    const struct repo *repo, struct catalog *cat, const struct forget_plan *plan, struct err *e);

#endif
