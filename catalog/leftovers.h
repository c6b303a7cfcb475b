/*
 * Files below packs/ that the catalogue has done with and that are still to be removed, to be
 * given their name, or to be written: what a forget or gc that is at work, or was stopped, has
 * left. Who holds the writer's lock carries them out before anything else is written
 * (snapshot/reclaim.h), so that the packs always say what the catalogue says when a snapshot is
 * built on it. Threads as in catalog.h.
 */
#ifndef THINKBACK_CATALOG_LEFTOVERS_H
#define THINKBACK_CATALOG_LEFTOVERS_H

#include "catalog/catalog.h"

enum leftovers_kind {
	LEFTOVERS_LEDGER,      /* the ledger, to be written again */
	LEFTOVERS_REPLACEMENT, /* a pack whose replacement is to take its place */
	LEFTOVERS_PACK,        /* a pack to be removed */
	LEFTOVERS_DICTIONARY,  /* a dictionary to be removed */
	LEFTOVERS_MARKER       /* the marker of a snapshot to be removed, when its packs are gone */
};

#define LEFTOVERS_ONLY 1 /* the number of the ledger: there is one */

/* leftovers_add(c, kind, id, e): record a file; again does no harm. Needs a transaction. */
int leftovers_add(struct catalog *c, enum leftovers_kind kind, int64_t id, struct err *e);

/* leftovers_done(c, kind, id, e): it has been carried out. With or without a transaction. */
int leftovers_done(struct catalog *c, enum leftovers_kind kind, int64_t id, struct err *e);

/*
 * leftovers_next(c, kind, after, id, e):
 * The first file of that kind with a number over ${after}. Return ERR_OK and set ${id}, ERR_END, or
 * a failure.
 */
int leftovers_next(
    struct catalog *c, enum leftovers_kind kind, int64_t after, int64_t *id, struct err *e);

/* leftovers_has(c, kind, id, e): ERR_OK when it is among them, ERR_ABSENT (no text), or a failure.
 */
int leftovers_has(struct catalog *c, enum leftovers_kind kind, int64_t id, struct err *e);

#endif
