/*
 * The catalogue: what exists (thinkback-catalog(5)). A struct catalog is one SQLite connection with
 * its prepared statements; it belongs to one thread at a time. Open as many as there are threads.
 * Readers never wait for the writer. Only one process at a time may write: hold repo_lock.
 *
 * Lookups outside catalog_begin/catalog_commit each see the newest committed state.
 */
#ifndef THINKBACK_CATALOG_CATALOG_H
#define THINKBACK_CATALOG_CATALOG_H

#include "catalog/base/err.h"
#include "catalog/repo.h"

#include <stdbool.h>
#include <stdint.h>

/* Opaque types. */
struct catalog;

enum catalog_mode {
	CATALOG_READ, /* look only; needs no lock */
	CATALOG_WRITE /* the caller holds repo_lock */
};

/*
 * catalog_create(dir, e):
 * Make an empty catalog.db in the directory path ${dir}. Return ERR_OK, ERR_EXISTS, or a failure.
 */
int catalog_create(const char *dir, struct err *e);

/*
 * catalog_open(repo, mode, out, e):
 * Open ${repo}'s catalogue, migrating an older schema in CATALOG_WRITE mode. Return ERR_OK and set
 * ${out}, to be closed with catalog_close; ERR_CORRUPT when it is damaged or no catalogue;
 * ERR_VERSION when a newer thinkback made it; ERR_ABSENT when the file is missing; else a failure.
 */
int
catalog_open(const struct repo *repo, enum catalog_mode mode, struct catalog **out, struct err *e);

/* catalog_close(c): close, rolling back what was not committed; ${c} may be NULL. */
void catalog_close(struct catalog *c);

/*
 * catalog_begin(c, e), catalog_commit(c, durable, e), catalog_rollback(c):
 * A write transaction. With ${durable} the commit, and all commits before it, is on disk
 * (synchronous FULL) when it returns ERR_OK; without, it survives a crash of the process but maybe
 * not of the machine, and is never seen half. A commit that failed has been rolled back; only when
 * it is the sync that failed (ERR_IO) may it have been carried out all the same.
 * catalog_rollback without a transaction does nothing.
 */
int catalog_begin(struct catalog *c, struct err *e);
int catalog_commit(struct catalog *c, bool durable, struct err *e);
void catalog_rollback(struct catalog *c);

/*
 * catalog_generation(c, out, e):
 * Set ${out} to a number that changes whenever another connection has committed to the catalogue.
 * Cheap (one file read): for polling once a second.
 */
int catalog_generation(struct catalog *c, uint64_t *out, struct err *e);

/*
 * catalog_replaced(c, out, e):
 * Set ${out} to whether another file is in the place of the catalogue that ${c} was opened on, as
 * after a rebuild: ${c} goes on answering as things were. One look at the directory.
 */
int catalog_replaced(struct catalog *c, bool *out, struct err *e);

/*
 * catalog_is_early(code): whether catalog_open failed with ${code} because there is no catalogue,
 * or none that this process can open until another has: as long as it is being made again
 * (thinkback rebuild).
 */
bool catalog_is_early(int code);

/*
 * catalog_follow(repo, c, changed, e):
 * When another file is in the place of the catalogue that ${*c} was opened on, open that for
 * reading, close ${*c} and set it to the new one. Sets ${changed} to whether that was so. Return
 * ERR_OK; ERR_BUSY when there is another but none that can be opened yet (catalog_is_early), or a
 * failure: then ${*c} is as before and goes on answering.
 */
int catalog_follow(const struct repo *repo, struct catalog **c, bool *changed, struct err *e);

/*
 * catalog_check(c, problem, arg, e):
 * Check the database itself (integrity_check, foreign keys) and hand each problem, one line, to
 * ${problem}. Return ERR_OK when there was none, ERR_CORRUPT when there was, else a failure.
 */
int catalog_check(
    struct catalog *c, void (*problem)(void *arg, const char *text), void *arg, struct err *e);

#endif
