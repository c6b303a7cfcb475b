/* The kinds of targets behind target.h, and what they are made of. */
#ifndef THINKBACK_SNAPSHOT_TARGET_INTERNAL_H
#define THINKBACK_SNAPSHOT_TARGET_INTERNAL_H

#include "catalog/base/buf.h"
#include "catalog/base/digest.h"
#include "snapshot/target.h"

#include <stdbool.h>
#include <sys/types.h>

/* What a kind of target can do: the contracts are those of the functions of target.h. */
struct target_kind {
	int (*apply)(struct target *t, const struct target_table *table, struct sort *documents,
	    struct err *e);
	int (*undo)(struct target *t, const struct target_table *table, struct target_undo *items,
	    size_t n, bool force, struct err *e); /* NULL: there is no such thing */
	void (*close)(struct target *t);
	bool single; /* as target_single */
};

/* The first member of each kind's own structure. */
struct target {
	const struct target_kind *kind;
};

/* target_dir_open(path, out, e): as target_open, for a directory in export layout. */
int target_dir_open(const char *path, struct target **out, struct err *e);

/* target_live_open(uri, server, out, e): as target_open_server. */
int target_live_open(
    const char *uri, const struct target_server *server, struct target **out, struct err *e);

/* ---- target_file.c: a file that is written beside the one that it is to replace ---- */

/* Zero it, then call target_file_create; target_file_drop is allowed at any time after. */
struct target_file {
	int dirfd;             /* the directory that it is in, not owned */
	const char *temp;      /* its name for now, not owned; NULL: there is no file */
	const char *what;      /* what to call it in texts, not owned */
	int fd;                /* open for writing, or -1 */
	struct buf piece;      /* not yet written */
	struct digest *digest; /* of what was written */
	uint64_t size;
	uint8_t sha[DIGEST_FULL]; /* set by target_file_finish */
	ino_t ino;                /* set by target_file_finish */
};

/*
 * target_file_create(f, dirfd, temp, what, e):
 * Make the file ${temp}, taking away what a crash has left under that name.
 */
int target_file_create(
    struct target_file *f, int dirfd, const char *temp, const char *what, struct err *e);

/* target_file_put(f, data, len, e): write the next bytes. */
int target_file_put(struct target_file *f, const void *data, size_t len, struct err *e);

/*
 * target_file_finish(f, table, e):
 * Sync the file, open it again, read it back and compare; calls table->step meanwhile. Return
 * ERR_OK, ERR_CORRUPT when it is not what was put, or a failure.
 */
int target_file_finish(struct target_file *f, const struct target_table *table, struct err *e);

/*
 * target_file_rename(f, name, e):
 * Let the finished file take the place of ${name}; the directory is yet to be synced. Return
 * ERR_OK, ERR_CORRUPT when something else is there afterwards, or a failure.
 */
int target_file_rename(struct target_file *f, const char *name, struct err *e);

/* target_file_drop(f): remove the file unless it was renamed, and free what ${f} holds. */
void target_file_drop(struct target_file *f);

#endif
