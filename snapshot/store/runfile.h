/*
 * What a run saved besides its tables: the record of its source (a server's users, permissions and
 * configuration), in a file of its own in packs/ (thinkback-pack(5)), so that the catalogue's copy
 * can be made again. It belongs to the run whose packs have its date and source.
 */
#ifndef THINKBACK_STORE_RUNFILE_H
#define THINKBACK_STORE_RUNFILE_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"

#include <stdint.h>

#define RUNFILE_SOURCE_MAX 65536u    /* bytes of the source's text */
#define RUNFILE_RECORD_MAX 67108864u /* bytes of the record */

/* A run's file. Zero it first; runfile_finish frees what it holds. */
struct runfile {
	uint64_t id;       /* number of the run */
	int64_t date;      /* of the run, seconds */
	struct buf source; /* text for people, as in the run's packs */
	struct buf record; /* canonical JSON of one object */
};

/*
 * runfile_save(packsfd, r, e):
 * Write the file durably (checksummed, synced, named, directory synced). Return ERR_OK; ERR_EXISTS
 * when there is one of that number; ERR_LIMIT when the record or the source is too long; or a
 * failure with nothing left behind.
 */
int runfile_save(int packsfd, const struct runfile *r, struct err *e);

/*
 * runfile_load(packsfd, id, out, e):
 * Read the file of run ${id} into ${out}, replacing what it holds. Return ERR_OK; ERR_ABSENT (text
 * set); ERR_CORRUPT when it is damaged; ERR_VERSION when a newer thinkback wrote it; or a failure.
 */
int runfile_load(int packsfd, uint64_t id, struct runfile *out, struct err *e);

/* runfile_remove(packsfd, id, e): unlink it. Return ERR_OK (also when there is none) or a failure.
 */
int runfile_remove(int packsfd, uint64_t id, struct err *e);

/*
 * runfile_list(packsfd, found, arg, e):
 * Hand the number of every run's file below ${packsfd} to ${found}, in no order. A result of
 * ${found} other than ERR_OK ends the walk and is returned.
 */
int runfile_list(int packsfd, int (*found)(void *arg, uint64_t id), void *arg, struct err *e);

/* runfile_finish(r): free what ${r} holds and zero it. */
void runfile_finish(struct runfile *r);

#endif
