/*
 * Tags of snapshots: words that people give them, for policies to keep them by; and the pin, which
 * keeps a snapshot whatever a policy says. Threads as in catalog.h.
 */
#ifndef THINKBACK_CATALOG_TAGS_H
#define THINKBACK_CATALOG_TAGS_H

#include "catalog/catalog.h"

#include <stddef.h>

#define TAGS_NAME 65   /* room for a tag with its NUL */
#define TAGS_PIN "pin" /* what the pin is called where tags are */

/* tags_valid(tag): whether ${tag} is one: 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'. Pure. */
bool tags_valid(const char *tag);

/*
 * tags_add(c, snapshot_id, tag, e), tags_remove(c, snapshot_id, tag, e), tags_pin(c, snapshot_id,
 * pinned, e):
 * Give a snapshot a tag or take it away, pin it or not; what is so already stays so. Need a
 * transaction; the ledger is recorded as a leftover. Return ERR_OK; ERR_ARG for a bad tag;
 * ERR_WRONG_STATE when the snapshot is not there; else a failure.
 */
int tags_add(struct catalog *c, int64_t snapshot_id, const char *tag, struct err *e);
int tags_remove(struct catalog *c, int64_t snapshot_id, const char *tag, struct err *e);
int tags_pin(struct catalog *c, int64_t snapshot_id, bool pinned, struct err *e);

/*
 * tags_next(c, snapshot_id, after, out, e):
 * The first tag of a snapshot that is bytewise after ${after} ("" for the first). Return ERR_OK,
 * ERR_END, or a failure. ${out} and ${after} may be the same.
 */
int tags_next(
    struct catalog *c, int64_t snapshot_id, const char *after, char out[TAGS_NAME], struct err *e);

#endif
