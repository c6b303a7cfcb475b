/* What the files behind catalog.h, tables.h, snapshots.h, versions.h and packs.h share. */
#ifndef THINKBACK_CATALOG_CATALOG_INTERNAL_H
#define THINKBACK_CATALOG_CATALOG_INTERNAL_H

#include "catalog/catalog.h"
#include "catalog/db.h"
#include "catalog/key.h"

struct catalog {
	struct db *db; /* the connection to catalog.db */
};

/* catalog_bind_key(q, at, key): bind a store key, or a bound of length 0, as parameter ${at}. */
void catalog_bind_key(struct db_query *q, int at, const struct key *key);

/*
 * Whether the row h of shards has no pack of its own that could be read to its end, among the rows
 * of ${packs}: rebuild gives it the number of another one, or of one with 0 bytes (remake.h).
 */
#define CATALOG_GAP(packs)                                                                         \
	" NOT EXISTS (SELECT 1 FROM " packs " p WHERE p.id = h.pack_id AND p.bytes > 0"            \
	" AND p.snapshot_id = h.snapshot_id AND p.shard = h.number)"

/*
 * catalog_key(q, col, min, out):
 * Read a store key of at least ${min} bytes from a column. Return false when it is something else.
 */
bool catalog_key(const struct db_query *q, int col, size_t min, struct key *out);

/*
 * catalog_need(changes, e, fmt, ...):
 * ERR_OK when ${changes} is not 0, else ERR_WRONG_STATE with a formatted text: for statements that
 * change a row only in the state in which it may be changed.
 */
int catalog_need(int64_t changes, struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
