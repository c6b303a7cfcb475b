/*
 * The ledger in packs/ (store/ledgerfile.h), from the catalogue and back: so that a catalogue that
 * is made again has the tags and pins of its snapshots, knows what was forgotten, and gives no
 * number out again, also when gc has removed the files that had the highest. Threads as in
 * catalog.h.
 */
#ifndef THINKBACK_SNAPSHOT_LEDGER_H
#define THINKBACK_SNAPSHOT_LEDGER_H

#include "catalog/base/err.h"
#include "catalog/catalog.h"
#include "catalog/repo.h"

#include <stdbool.h>

/*
 * ledger_write(repo, cat, e):
 * Write what the catalogue says now, durably. The caller holds repo_lock. A change of tags or of
 * what is forgotten records it as a leftover (leftovers.h): so it is there before gc removes files
 * whose numbers may be the highest. Return ERR_OK or a failure.
 */
int ledger_write(const struct repo *repo, struct catalog *cat, struct err *e);

/*
 * ledger_same(repo, cat, same, e):
 * Set ${same} to whether tags and forgotten dates in it are those of the catalogue; without a file,
 * whether there are none. Return ERR_OK; ERR_CORRUPT or ERR_VERSION when it cannot be read; or a
 * failure.
 */
int ledger_same(const struct repo *repo, struct catalog *cat, bool *same, struct err *e);

/*
 * ledger_restore(repo, cat, e):
 * Take what is in it into a catalogue that is being made again (remake.h) and has its snapshots;
 * what is about others is left out. Return ERR_OK, also without a file; else as ledger_same.
 */
int ledger_restore(const struct repo *repo, struct catalog *cat, struct err *e);

#endif
