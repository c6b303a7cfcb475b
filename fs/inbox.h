/*
 * The inbox: the writable part of a table directory. What programs write there is scratch until it
 * is a complete file under its final name; then it becomes a restore in the queue.
 *
 * When: a flush (close) or fsync of a file with a final name that was written to since the last
 * time and is not empty; or a rename of a scratch file to a final name. Each content is queued
 * once. A program that writes the same name again replaces the restore while it is pending.
 *
 * A struct inbox belongs to one mount and may be used by any number of threads. Scratch bytes are
 * held in memory up to INBOX_MEMORY a file, beyond that in nameless temporary files in scratch/ of
 * the repository. Functions return codes of err.h; texts are for the log.
 */
#ifndef THINKBACK_FS_INBOX_H
#define THINKBACK_FS_INBOX_H

#include "catalog/base/err.h"
#include "catalog/base/log.h"
#include "catalog/queue.h"
#include "catalog/repo.h"
#include "fs/name.h"
#include "fs/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INBOX_MEMORY (64u << 10) /* bytes of a scratch file in memory */
#define INBOX_FILES 1024         /* scratch files at a time; the oldest closed ones go first */
#define INBOX_FILE_MAX ((uint64_t)64 << 30) /* bytes of one file */

/* Opaque types. */
struct inbox;
struct inbox_file; /* an open scratch file */

/* An entry of a table directory that is still scratch. */
struct inbox_entry {
	char name[NAME_ROOM];
	struct view_attr attr;
};

/* inbox_create(repo, log, out, e): the inbox of a mount. Return ERR_OK or a failure. */
int inbox_create(const struct repo *repo, const struct log *log, struct inbox **out, struct err *e);

/*
 * inbox_set_policy(b, policy):
 * What restores queued from now on do with documents that are on a server already; before that,
 * what the worker is told. To be called before other threads use the inbox.
 */
void inbox_set_policy(struct inbox *b, enum queue_policy policy);

/* inbox_free(b): free ${b} (may be NULL) and all scratch. */
void inbox_free(struct inbox *b);

/*
 * inbox_lookup(b, parent, name, out), inbox_attr(b, ino, out):
 * A scratch file or directory: ${parent} is the inode number of a table or of a scratch directory.
 * inbox_attr answers for INODE_QUEUED too while that restore is open for writing: its size is then
 * the one that has been written, not yet the queue's. Return ERR_OK or ERR_ABSENT.
 */
int inbox_lookup(struct inbox *b, uint64_t parent, const char *name, struct view_attr *out);
int inbox_attr(struct inbox *b, uint64_t ino, struct view_attr *out);

/*
 * inbox_list(b, parent, after, out):
 * The first scratch entry of ${parent} with an inode number over ${after} (0 for the first), for
 * listings. Files that have become restores are not among them. Return ERR_OK or ERR_END.
 */
int inbox_list(struct inbox *b, uint64_t parent, uint64_t after, struct inbox_entry *out);

/*
 * inbox_make(b, parent, name, exclusive, out, attr, e):
 * Make and open the file ${name}, or with ${exclusive} false open and empty the one that is there.
 * Return ERR_OK with ${out} (to be given back with inbox_release) and ${attr}; ERR_EXISTS;
 * ERR_ABSENT when ${parent} is no table; ERR_READONLY when it is no directory to write in;
 * ERR_LIMIT for a name over NAME_MAX_BYTES; or a failure.
 */
int inbox_make(struct inbox *b, uint64_t parent, const char *name, bool exclusive,
    struct inbox_file **out, struct view_attr *attr, struct err *e);

/*
 * inbox_open(b, ino, truncate, out, e):
 * Open a scratch file (INODE_SCRATCH), or a queued one (INODE_QUEUED) for writing: then the scratch
 * begins as a copy of its payload and, when it is queued, replaces the restore while that is
 * pending. One that a worker has taken, or with ${truncate} also carried out, in the meantime is
 * opened too: what is written becomes a new restore of that name. Return ERR_OK and set ${out};
 * ERR_ABSENT; ERR_READONLY when the restore is not waiting any more; or a failure.
 */
int
inbox_open(struct inbox *b, uint64_t ino, bool truncate, struct inbox_file **out, struct err *e);

/* inbox_read(f, off, out, room, got, e), inbox_write(f, off, data, len, e), inbox_truncate(f, size,
 * e), inbox_file_attr(f, out): Bytes and attributes of an open file. ERR_OK, ERR_LIMIT over
 * INBOX_FILE_MAX, or a failure. */
int
inbox_read(struct inbox_file *f, uint64_t off, void *out, size_t room, size_t *got, struct err *e);
int inbox_write(struct inbox_file *f, uint64_t off, const void *data, size_t len, struct err *e);
int inbox_truncate(struct inbox_file *f, uint64_t size, struct err *e);
int inbox_file_attr(struct inbox_file *f, struct view_attr *out);

/*
 * inbox_flush(f, e):
 * A close. Queues the file when the rules above say so: ERR_OK is returned when it is
 * durable in the queue or there was nothing to queue; ERR_FORMAT, ERR_KEY, ERR_LIMIT when it was
 * refused (it is in the queue as failed, with the reason and the bytes); else a failure, and the
 * file is kept as it is.
 */
int inbox_flush(struct inbox_file *f, struct err *e);

/*
 * inbox_sync(f, e), inbox_opened_by(f, process), inbox_close(f, process, e):
 * Moments at which it is not certain that all has been written: as inbox_flush, but what would be
 * refused is left alone with ERR_OK, until a later close, or at the latest inbox_release.
 * inbox_sync is an fsync (every write of a program with O_SYNC has one). inbox_close is a close by
 * ${process}; it is left alone only when another process has opened the file, as told by
 * inbox_opened_by, and this one has inherited it ("{ head -1 a; tail -1 b; } >c.json"). Processes
 * are the kernel's numbers of any of their threads, 0: unknown.
 */
int inbox_sync(struct inbox_file *f, struct err *e);
void inbox_opened_by(struct inbox_file *f, int64_t process);
int inbox_close(struct inbox_file *f, int64_t process, struct err *e);

/*
 * inbox_release(f):
 * The end of an open file; never fails. Queues nothing but what has been left alone before.
 */
void inbox_release(struct inbox_file *f);

/*
 * inbox_rename(b, from_parent, from, to_parent, to, noreplace, e):
 * Rename scratch within one table (its scratch directories included) or a pending restore. To a
 * final name: queue it as inbox_flush does; a refused one is gone from scratch. Return as
 * inbox_flush, or ERR_ABSENT; ERR_EXISTS; ERR_READONLY for names that are not of the inbox; ERR_ARG
 * across tables.
 */
int inbox_rename(struct inbox *b, uint64_t from_parent, const char *from, uint64_t to_parent,
    const char *to, bool noreplace, struct err *e);

/*
 * inbox_unlink(b, parent, name, e):
 * Drop a scratch file; or cancel the pending restore of that name. ERR_OK, ERR_ABSENT, ERR_READONLY
 * for other entries of the tree, ERR_BUSY when a worker is at it, or a failure.
 */
int inbox_unlink(struct inbox *b, uint64_t parent, const char *name, struct err *e);

/*
 * inbox_mkdir(b, parent, name, attr, e), inbox_rmdir(b, parent, name, e):
 * Scratch directories, for programs that keep temporary files in one (rsync's .~tmp~). Only names
 * with a leading dot in a table directory, others are ERR_READONLY. inbox_rmdir: ERR_WRONG_STATE
 * when not empty.
 */
int inbox_mkdir(
    struct inbox *b, uint64_t parent, const char *name, struct view_attr *attr, struct err *e);
int inbox_rmdir(struct inbox *b, uint64_t parent, const char *name, struct err *e);

/* inbox_truncate_path(b, ino, size, e): truncate(2) by name: as open, truncate, close. */
int inbox_truncate_path(struct inbox *b, uint64_t ino, uint64_t size, struct err *e);

#endif
