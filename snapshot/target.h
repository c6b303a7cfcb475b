/*
 * Where restores go. A target takes batches of documents of one table, puts them in place, reads
 * them back and compares. The one kind so far is a directory in rethinkdb export layout
 * (DB/TABLE.json and DB/TABLE.info, which rethinkdb import -d reads): documents are merged by key
 * and the file is replaced atomically. A struct target belongs to one thread at a time.
 */
#ifndef THINKBACK_SNAPSHOT_TARGET_H
#define THINKBACK_SNAPSHOT_TARGET_H

#include "catalog/base/err.h"
#include "snapshot/sort.h"

#include <stdbool.h>
#include <stddef.h>

/* Opaque types. */
struct target;

/* What a batch is for. */
struct target_table {
	const char *database;
	const char *table;
	const char *primary_key;
	const void *config; /* canonical JSON of the table's configuration */
	size_t config_len;
	bool exact; /* the documents are all that the table is to have: what is there is dropped */
	/* Called often while at work, may be NULL. Another result than ERR_OK gives up with it. */
	int (*step)(void *arg, struct err *e);
	void *arg; /* handed to step */
};

/*
 * target_open(uri, out, e):
 * Open the target ${uri}: a directory's path, made if it is missing. Return ERR_OK and set ${out},
 * to be closed with target_close; ERR_ARG for a kind that there is not; else a failure.
 */
int target_open(const char *uri, struct target **out, struct err *e);

/* target_close(t): close; ${t} may be NULL. */
void target_close(struct target *t);

/*
 * target_apply(t, table, documents, e):
 * Put the documents of the sorter (input not finished; of equal keys the last one counts) in place,
 * durably, and read them back. Applying the same batch twice gives the same result. Return ERR_OK
 * when what was read back equals what was sent; ERR_CORRUPT when it does not; ERR_FORMAT when what
 * the target holds cannot be merged with (text says where); ERR_BUSY when another worker uses the
 * target; ERR_NOSPACE, ERR_IO ...; the target is as before unless ERR_OK or ERR_CORRUPT.
 */
int target_apply(
    struct target *t, const struct target_table *table, struct sort *documents, struct err *e);

#endif
