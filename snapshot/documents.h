/*
 * Reading the documents of a snapshot in key order, each one compared with its digest: for restores
 * and exports. A struct documents belongs to one thread at a time, as does the catalogue it was
 * given.
 */
#ifndef THINKBACK_SNAPSHOT_DOCUMENTS_H
#define THINKBACK_SNAPSHOT_DOCUMENTS_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"
#include "catalog/snapshots.h"
#include "catalog/versions.h"
#include "snapshot/store/store.h"

/* Opaque types. */
struct documents;

/*
 * documents_open(cat, store, snapshot, out, e):
 * Start before the first document of ${snapshot}. ${cat} and ${store} must outlive it; without
 * ${store} (NULL) only documents_skim is allowed. Return
 * ERR_OK and set ${out}, to be closed with documents_close; or ERR_NOMEM.
 */
int documents_open(struct catalog *cat, struct store *store,
    const struct snapshots_snapshot *snapshot, struct documents **out, struct err *e);

/* documents_close(d): close; ${d} may be NULL. */
void documents_close(struct documents *d);

/* documents_only(d, key): hand out the document with that key alone, before any other call. */
void documents_only(struct documents *d, const struct key *key);

/*
 * documents_skim(d, version, e):
 * The next document as documents_next hands it out, but without its bytes, which are not read.
 */
int documents_skim(struct documents *d, const struct versions_version **version, struct err *e);

/*
 * documents_next(d, version, bytes, e):
 * The next document: its version and its canonical bytes, both valid until the next call. Return
 * ERR_OK; ERR_END; ERR_CORRUPT when its bytes are missing or do not have its digest (text names the
 * pack; the next call goes on behind it); ERR_STALE when the snapshot was forgotten meanwhile; else
 * a failure. documents_skim likewise.
 */
int documents_next(struct documents *d, const struct versions_version **version,
    const struct buf **bytes, struct err *e);

#endif
