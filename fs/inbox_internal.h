/*
 * The parts of the inbox: bytes of scratch files, the map of nodes, the way to the queue.
 *
 * Three kinds of locks, always taken in this order and never while a later one is held:
 *   inbox_node.lock  bytes of one file; held while it is checked and queued
 *   inbox.db_lock    the connections to catalogue and queue
 *   inbox.map_lock   which nodes there are and under which names; held for moments only
 */
#ifndef THINKBACK_FS_INBOX_INTERNAL_H
#define THINKBACK_FS_INBOX_INTERNAL_H

#include "catalog/base/buf.h"
#include "catalog/catalog.h"
#include "catalog/queue.h"
#include "catalog/tables.h"
#include "fs/inbox.h"
#include "fs/inode.h"

#include <pthread.h>
#include <stdatomic.h>

/* What a scratch file holds: in memory, or in a nameless file. */
struct inbox_bytes {
	struct buf mem; /* the bytes while fd is -1 */
	int fd;         /* holds the bytes, or -1 */
	uint64_t size;
};

/* Where a node is to be seen. */
enum inbox_place {
	INBOX_LISTED, /* scratch, under its name in its directory */
	INBOX_QUEUED, /* the queue shows it; the node lives on for those who have it open */
	INBOX_DROPPED /* unlinked or replaced: as INBOX_QUEUED, but never queued again */
};

/* A scratch file or directory. */
struct inbox_node {
	/* Under the map's lock: */
	struct inbox_node *next; /* in the list of all nodes */
	uint64_t ino;
	uint64_t parent; /* inode number of the table or the scratch directory that it is in */
	int64_t table_id;
	char name[NAME_ROOM];
	bool directory;
	enum inbox_place place;
	unsigned uses;   /* open files and calls at work; a node that is not listed goes with
			    the last one */
	uint64_t closed; /* when the last use ended, in ticks of the inbox's clock */
	int64_t restore; /* INBOX_QUEUED: the restore that shows it, 0: none (it was refused) */
	/* Written under the node's own lock, read by anyone: */
	_Atomic uint64_t size;
	_Atomic int64_t mtime; /* seconds */
	/* Under the node's own lock: */
	pthread_mutex_t lock;
	struct inbox_bytes bytes;
	uint64_t version;   /* counts changes of the bytes */
	uint64_t settled;   /* the version that was last queued or refused */
	struct err verdict; /* what became of that version: ERR_OK or why it was refused */
};

struct inbox_file {
	struct inbox *inbox;
	struct inbox_node *node;
	uint64_t ino;   /* under which it was opened */
	int64_t opener; /* thread that opened it, 0: unknown */
	/* Under the node's lock: */
	uint64_t written; /* node->version after the last change by this file, 0: none */
	bool undecided;   /* what would be refused has been left alone */
};

struct inbox {
	const struct repo *repo;  /* not owned */
	int scratch;              /* directory of temporary files; -1: there can be none */
	const struct log *log;    /* not owned */
	enum queue_policy policy; /* of new restores */

	pthread_mutex_t map_lock;
	struct inbox_node *nodes; /* newest first */
	size_t count;             /* of nodes */
	int64_t next;             /* number of the next node */
	uint64_t clock;           /* counts closings */

	pthread_mutex_t db_lock;
	struct catalog *catalog; /* NULL until it is needed */
	struct queue *queue;     /* NULL until it is needed */
};

/* A directory in which files can be made. */
struct inbox_directory {
	uint64_t ino;
	int64_t table_id;
	bool table; /* the table's own directory: a file with a final name is a restore there */
};

/* ---- inbox_bytes.c: one file's bytes. Threads: the caller holds the node's lock. ---- */

/* inbox_bytes_start(s): make ${s} empty. inbox_bytes_finish(s): free what it holds; tolerant. */
void inbox_bytes_start(struct inbox_bytes *s);
void inbox_bytes_finish(struct inbox_bytes *s);

/*
 * inbox_bytes_read(s, off, out, room, got, e), inbox_bytes_write(s, dirfd, off, data, len, e),
 * inbox_bytes_truncate(s, dirfd, size, e):
 * As the functions of the inbox. What outgrows INBOX_MEMORY moves to a file in ${dirfd}.
 */
int inbox_bytes_read(
    const struct inbox_bytes *s, uint64_t off, void *out, size_t room, size_t *got, struct err *e);
int inbox_bytes_write(
    struct inbox_bytes *s, int dirfd, uint64_t off, const void *data, size_t len, struct err *e);
int inbox_bytes_truncate(struct inbox_bytes *s, int dirfd, uint64_t size, struct err *e);

/* ---- inbox_node.c: the map. Threads: the caller holds the map's lock, or says otherwise. ---- */

/* inbox_node_find(b, parent, name): the listed node of that name, or NULL. */
struct inbox_node *inbox_node_find(struct inbox *b, uint64_t parent, const char *name);

/* inbox_node_by_ino(b, ino): the node of that number, listed or only open; NULL. */
struct inbox_node *inbox_node_by_ino(struct inbox *b, uint64_t ino);

/* inbox_node_by_restore(b, id): the node that is open and shown by that restore; NULL. */
struct inbox_node *inbox_node_by_restore(struct inbox *b, int64_t id);

/*
 * inbox_node_make(b, kind, parent, table_id, name, place, out, e):
 * A new node (INODE_SCRATCH or INODE_SCRATCH_DIR) with one use, in the map. Drops the oldest closed
 * file when there are INBOX_FILES. Return ERR_OK, ERR_NOSPACE when all are open, or ERR_NOMEM.
 */
int inbox_node_make(struct inbox *b, enum inode_kind kind, uint64_t parent, int64_t table_id,
    const char *name, enum inbox_place place, struct inbox_node **out, struct err *e);

/* inbox_node_drop(b, n): take a listed node out of its directory. */
void inbox_node_drop(struct inbox *b, struct inbox_node *n);

/* inbox_node_empty(b, n): whether nothing is listed in directory ${n}. */
bool inbox_node_empty(const struct inbox *b, const struct inbox_node *n);

/* inbox_node_attr(n, ino, out): attributes; ${ino} is what to call it. */
void inbox_node_attr(struct inbox_node *n, uint64_t ino, struct view_attr *out);

/* inbox_node_unuse(b, n): end a use; takes the map's lock itself. ${n} may be NULL. */
void inbox_node_unuse(struct inbox *b, struct inbox_node *n);

/* inbox_node_free_all(b): free every node, whatever its uses. */
void inbox_node_free_all(struct inbox *b);

/* ---- inbox.c and inbox_settle.c. Threads: any; they take what locks they need. ---- */

/*
 * inbox_directory(b, ino, out, e):
 * The directory with that inode number. Return ERR_OK, or ERR_READONLY when files cannot be made in
 * it.
 */
int inbox_directory(struct inbox *b, uint64_t ino, struct inbox_directory *out, struct err *e);

/* inbox_check_name(name, e): ERR_OK, ERR_LIMIT when it is too long, ERR_ARG when it is no name. */
int inbox_check_name(const char *name, struct err *e);

/* inbox_final(dir, name): whether a file of that name there is meant to become a restore. */
bool inbox_final(const struct inbox_directory *dir, const char *name);

/* inbox_reserved(dir, name): whether the tree itself has, or may get, an entry of that name. */
bool inbox_reserved(const struct inbox_directory *dir, const char *name);

/*
 * inbox_pending(b, dir, name, out, e):
 * The pending restore that the queue shows under that name there. Return ERR_OK, ERR_ABSENT (no
 * text), or a failure.
 */
int inbox_pending(struct inbox *b, const struct inbox_directory *dir, const char *name,
    struct queue_restore *out, struct err *e);

/*
 * inbox_adopt(b, r, table_id, load, out, e):
 * Use the node that is open for restore ${r}, or make one: with its payload, or empty when ${load}
 * is false. Return ERR_OK and set ${out}, one use of which is the caller's; or a failure.
 */
int inbox_adopt(struct inbox *b, const struct queue_restore *r, int64_t table_id, bool load,
    struct inbox_node **out, struct err *e);

/*
 * inbox_settle(b, n, dir, name, patient, e):
 * Queue the bytes of ${n} under ${name} in the table's directory ${dir}; the caller holds the
 * node's lock. What is refused is kept as failed and answered with the reason; or, with ${patient},
 * left alone with ERR_OK. Return as inbox_flush. On a failure nothing has changed.
 */
int inbox_settle(struct inbox *b, struct inbox_node *n, const struct inbox_directory *dir,
    const char *name, bool patient, struct err *e);

/* ---- inbox_queue.c: catalogue and queue. Threads: any; takes db_lock itself. ---- */

/* What a table is called. */
struct inbox_table {
	char database[TABLES_NAME];
	char table[TABLES_NAME];
};

/* inbox_queue_close(b): close the connections. */
void inbox_queue_close(struct inbox *b);

/*
 * inbox_queue_table(b, table_id, out, primary_key, e):
 * The table's name, and (unless ${primary_key} is NULL) append the name of its key field in its
 * newest snapshot. Return ERR_OK, ERR_ABSENT when there is no such table, or a failure.
 */
int inbox_queue_table(struct inbox *b, int64_t table_id, struct inbox_table *out,
    struct buf *primary_key, struct err *e);

/*
 * inbox_queue_find(b, table_id, name, out, e):
 * The newest restore of that name that is pending or running. Return ERR_OK, ERR_ABSENT (no text),
 * or a failure.
 */
int inbox_queue_find(
    struct inbox *b, int64_t table_id, const char *name, struct queue_restore *out, struct err *e);

/*
 * inbox_queue_get(b, id, out, table_id, e):
 * A restore by number and its table's. Returns as inbox_queue_find.
 */
int inbox_queue_get(
    struct inbox *b, int64_t id, struct queue_restore *out, int64_t *table_id, struct err *e);

/*
 * inbox_queue_put(b, table, name, bytes, documents, refused, out, e):
 * Queue ${bytes} durably, in the place of a pending restore of that name; with ${refused} (why) as
 * failed, beside it. Sets ${out} to its number.
 */
int inbox_queue_put(struct inbox *b, const struct inbox_table *table, const char *name,
    struct inbox_bytes *bytes, uint64_t documents, const char *refused, int64_t *out,
    struct err *e);

/* inbox_queue_load(b, id, bytes, e): make ${bytes} a copy of the payload. */
int inbox_queue_load(struct inbox *b, int64_t id, struct inbox_bytes *bytes, struct err *e);

/*
 * inbox_queue_cancel(b, id, e):
 * Cancel a pending restore. Return ERR_OK; ERR_BUSY when a worker has it; ERR_ABSENT when it is not
 * pending any more; or a failure.
 */
int inbox_queue_cancel(struct inbox *b, int64_t id, struct err *e);

/*
 * inbox_queue_rename(b, id, name, e):
 * Give a pending restore another name, in the place of a pending one that has it. Return as
 * inbox_queue_cancel.
 */
int inbox_queue_rename(struct inbox *b, int64_t id, const char *name, struct err *e);

#endif
