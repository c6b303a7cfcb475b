/*
 * The ledger: one file in packs/ (thinkback-pack(5)) with what the catalogue knows and packs do not
 * tell: the last numbers given out, dates of snapshots that were forgotten, tags and pins. It is
 * written as a whole in place of the one before.
 */
#ifndef THINKBACK_STORE_LEDGERFILE_H
#define THINKBACK_STORE_LEDGERFILE_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEDGERFILE_MAX 67108864u /* bytes of the file */
#define LEDGERFILE_ID 1u         /* its number: there is one */
#define LEDGERFILE_TAG 65        /* room for a tag with its NUL */

/* What was numbered, in the order of the file. */
enum ledgerfile_number {
	LEDGERFILE_DATABASES,
	LEDGERFILE_TABLES,
	LEDGERFILE_RUNS,
	LEDGERFILE_SNAPSHOTS,
	LEDGERFILE_PACKS,
	LEDGERFILE_DICTIONARIES,
	LEDGERFILE_NUMBERS /* how many there are */
};

/* A ledger. Zero it first; ledgerfile_finish frees what it holds. */
struct ledgerfile {
	int64_t last[LEDGERFILE_NUMBERS]; /* the last numbers given out; 0: none */
	struct buf dates;                 /* as in the file: see ledgerfile_date_next */
	struct buf tags;                  /* likewise: see ledgerfile_tag_next */
};

/*
 * ledgerfile_date_add(l, table_id, date), ledgerfile_tag_add(l, snapshot_id, tag):
 * Add the date (seconds) of a forgotten snapshot, or a tag of 1 to 64 bytes. ERR_OK or ERR_NOMEM.
 */
int ledgerfile_date_add(struct ledgerfile *l, int64_t table_id, int64_t date);
int ledgerfile_tag_add(struct ledgerfile *l, int64_t snapshot_id, const char *tag);

/*
 * ledgerfile_date_next(l, at, table_id, date), ledgerfile_tag_next(l, at, snapshot_id, tag):
 * The one at ${at} (0 for the first), which moves on. Return false behind the last.
 */
bool ledgerfile_date_next(const struct ledgerfile *l, size_t *at, int64_t *table_id, int64_t *date);
bool ledgerfile_tag_next(
    const struct ledgerfile *l, size_t *at, int64_t *snapshot_id, char tag[LEDGERFILE_TAG]);

/*
 * ledgerfile_save(packsfd, l, e):
 * Write it durably in the place of the one that is there. Return ERR_OK; ERR_LIMIT when it would be
 * over LEDGERFILE_MAX; or a failure with the one before in its place.
 */
int ledgerfile_save(int packsfd, const struct ledgerfile *l, struct err *e);

/*
 * ledgerfile_load(packsfd, out, e):
 * Read it into ${out}, replacing what that holds. Return ERR_OK; ERR_ABSENT (text set); ERR_CORRUPT
 * when it is damaged; ERR_VERSION when a newer thinkback wrote it; or a failure.
 */
int ledgerfile_load(int packsfd, struct ledgerfile *out, struct err *e);

/*
 * ledgerfile_check(data, len, why):
 * Judge the ${len} bytes of a ledger. Return ERR_OK, ERR_CORRUPT (${why} says how), ERR_VERSION or
 * ERR_NOMEM. Pure; any thread.
 */
int ledgerfile_check(const uint8_t *data, size_t len, const char **why);

/* ledgerfile_finish(l): free what ${l} holds and zero it. */
void ledgerfile_finish(struct ledgerfile *l);

#endif
