/*
 * The one place through which every byte of a pack, dictionary, run file, marker or ledger goes to
 * disk and comes back. Files are named by number below the directory packs/ (thinkback-pack(5));
 * they are written once, front to back, under a temporary name, and appear under their own name
 * when they are durable. What is above this file sees a plain run of bytes.
 *
 * A struct packfile_writer belongs to one thread at a time; an open struct packfile may be read by
 * any number of threads.
 */
#ifndef THINKBACK_STORE_PACKFILE_H
#define THINKBACK_STORE_PACKFILE_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKFILE_ID_MAX (((uint64_t)1 << 34) - 1) /* 6 hex digits name the subdirectory */
#define PACKFILE_WHAT 32 /* room for "dictionary 0000000000000012" with its NUL */

/* Opaque types. */
struct packfile;
struct packfile_writer;

enum packfile_kind {
	PACKFILE_PACK,
	PACKFILE_DICTIONARY,
	PACKFILE_RUN,
	PACKFILE_MARKER,
	PACKFILE_LEDGER
};

/* packfile_id_valid(id): whether a file can have this number: 1 to PACKFILE_ID_MAX. */
bool packfile_id_valid(uint64_t id);

/* packfile_what(kind, id, out): write the name of a file for people into ${out}; return it. */
const char *packfile_what(enum packfile_kind kind, uint64_t id, char out[PACKFILE_WHAT]);

/*
 * packfile_damaged(kind, id, e, fmt, ...):
 * Put a line that names the file, says that it is damaged and how, and what to do, into ${e}.
 * Return ERR_CORRUPT.
 */
int packfile_damaged(enum packfile_kind kind, uint64_t id, struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * packfile_create(packsfd, kind, id, out, e):
 * Start a file below the directory ${packsfd}, which must stay open. What a crashed writer left of
 * the same number is replaced. Return ERR_OK and set ${out}, which must go to packfile_commit or
 * packfile_abort; ERR_ARG for a number that no file can have; else a failure.
 */
int packfile_create(
    int packsfd, enum packfile_kind kind, uint64_t id, struct packfile_writer **out, struct err *e);

/* packfile_append(w, data, len, e): write at the end. After a failure only abort is allowed. */
int packfile_append(struct packfile_writer *w, const void *data, size_t len, struct err *e);

/* packfile_size(w): bytes appended so far. */
uint64_t packfile_size(const struct packfile_writer *w);

/*
 * packfile_staged(packsfd, kind, id): whether a file of that kind and number waits under its
 * temporary name, finished or not. False also when that cannot be looked at.
 */
bool packfile_staged(int packsfd, enum packfile_kind kind, uint64_t id);

/*
 * packfile_commit(w, e):
 * Sync the file, give it its name, sync the directories. ${w} is freed, also on failure, and then
 * nothing is left behind. Return ERR_OK; ERR_EXISTS when there is a file of that name, which is
 * left alone; else a failure.
 */
int packfile_commit(struct packfile_writer *w, struct err *e);

/*
 * packfile_stage(w, e), packfile_replace(packsfd, kind, id, e):
 * Sync the file and leave it under its temporary name, durably; then give it its own name, in place
 * of the file that has it. In between the machine may stop: a replacement that is not there any
 * more has taken its place already. ${w} is freed, also on failure, and then nothing is left
 * behind. Return ERR_OK or a failure.
 */
int packfile_stage(struct packfile_writer *w, struct err *e);
int packfile_replace(int packsfd, enum packfile_kind kind, uint64_t id, struct err *e);

/*
 * packfile_save(packsfd, kind, id, data, len, place, e):
 * Write a file of these bytes and hand it to ${place}, packfile_commit or packfile_stage. Return as
 * that, or a failure: then nothing is left behind.
 */
int packfile_save(int packsfd, enum packfile_kind kind, uint64_t id, const void *data, size_t len,
    int (*place)(struct packfile_writer *w, struct err *e), struct err *e);

/* packfile_abort(w): throw the file away and free ${w}, which may be NULL. */
void packfile_abort(struct packfile_writer *w);

/*
 * packfile_open(packsfd, kind, id, out, e):
 * Open a file for reading. Return ERR_OK and set ${out}, to be closed with packfile_close;
 * ERR_ABSENT (text set) when there is none; ERR_CORRUPT when it is no regular file; else a failure.
 */
int packfile_open(
    int packsfd, enum packfile_kind kind, uint64_t id, struct packfile **out, struct err *e);

/* packfile_close(f): close; ${f} may be NULL. */
void packfile_close(struct packfile *f);

/* packfile_length(f): bytes of the file when it was opened. */
uint64_t packfile_length(const struct packfile *f);

/* packfile_is_unlinked(f): whether the file has been removed or replaced since it was opened. */
bool packfile_is_unlinked(const struct packfile *f);

/*
 * packfile_read(f, off, data, len, e):
 * Read exactly ${len} bytes from ${off} on. Return ERR_OK; ERR_CORRUPT when the file ends before;
 * else a failure.
 */
int packfile_read(const struct packfile *f, uint64_t off, void *data, size_t len, struct err *e);

/*
 * packfile_load(packsfd, kind, id, whole, out, e):
 * Replace ${out} by all bytes of a file of at least whole->least and at most whole->most bytes that
 * whole->check finds good: it is given these bytes and the number, and answers ERR_OK, ERR_CORRUPT
 * (${why} says how), ERR_VERSION or ERR_NOMEM. Return ERR_OK; ERR_ABSENT (text set) when there is
 * none; ERR_CORRUPT, ERR_VERSION, or a failure.
 */
struct packfile_whole {
	uint64_t least, most;
	int (*check)(const struct buf *file, uint64_t id, const char **why);
};
int packfile_load(int packsfd, enum packfile_kind kind, uint64_t id,
    const struct packfile_whole *whole, struct buf *out, struct err *e);

/*
 * packfile_remove(packsfd, kind, id, e):
 * Unlink a file, finished or not, durably. Return ERR_OK (also when there is none) or a failure.
 */
int packfile_remove(int packsfd, enum packfile_kind kind, uint64_t id, struct err *e);

/*
 * packfile_clean(packsfd, e):
 * As pack_clean (pack.h).
 */
int packfile_clean(int packsfd, struct err *e);

/*
 * packfile_list(packsfd, found, arg, e):
 * Hand kind and number of every finished file to ${found}, in no order. A result of ${found} other
 * than ERR_OK ends the walk and is returned.
 */
int packfile_list(int packsfd, int (*found)(void *arg, enum packfile_kind kind, uint64_t id),
    void *arg, struct err *e);

#endif
