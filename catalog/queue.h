/*
 * The restore queue: queue.db, a database of its own so that copying a document in never waits for
 * a running snapshot. A restore is one copied-in file: one or many documents of one table.
 *
 * States (strings in the table and in --json output):
 *
 *   pending -> running (claimed with a lease) -> done | failed
 *   running -> pending   when the lease runs out, or the worker gives it back
 *   pending -> cancelled; failed | cancelled -> pending by retry
 *   done | failed | cancelled -> gone, with payload and what was replaced, when forgotten
 *
 * Each change is one durable transaction with a compare-and-set on the state. A struct queue is one
 * connection and belongs to one thread at a time; any number of processes may have one. Times are
 * milliseconds since 1970 (date_now) and are given by the caller.
 */
#ifndef THINKBACK_CATALOG_QUEUE_H
#define THINKBACK_CATALOG_QUEUE_H

#include "catalog/base/buf.h"
#include "catalog/base/digest.h"
#include "catalog/base/err.h"
#include "catalog/key.h"
#include "catalog/repo.h"
#include "catalog/tables.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUEUE_NAME 256    /* room for a file name with its NUL */
#define QUEUE_OWNER 128   /* room for a worker's name with its NUL */
#define QUEUE_TARGET 1024 /* room for a server's address with its NUL */

/* Opaque types. */
struct queue;

enum queue_state {
	QUEUE_PENDING = 1,
	QUEUE_RUNNING = 2,
	QUEUE_DONE = 4,
	QUEUE_FAILED = 8,
	QUEUE_CANCELLED = 16,
	QUEUE_OVER = QUEUE_DONE | QUEUE_FAILED | QUEUE_CANCELLED, /* for filters */
	QUEUE_ANY = 31                                            /* likewise */
};

/* What to do with a document that is on the server already. */
enum queue_policy {
	QUEUE_POLICY_NONE, /* nothing was asked for: as the worker is told */
	QUEUE_REPLACE,     /* replace it */
	QUEUE_KEEP,        /* leave it alone */
	QUEUE_NEWER_LOSES  /* replace it only when it is as the newest snapshot has it */
};

struct queue_restore {
	int64_t id; /* positive, never used twice */
	enum queue_state state;
	char database[TABLES_NAME];
	char table[TABLES_NAME];
	char name[QUEUE_NAME];   /* the file's name as it was copied in: a label */
	uint64_t documents;      /* documents in the payload; 0 when it could not be read */
	uint64_t bytes;          /* bytes of the payload as it was copied in */
	uint64_t attempts;       /* times that a worker has claimed it */
	int64_t created;         /* ms */
	int64_t updated;         /* ms, last change of state or payload */
	int64_t not_before;      /* ms, a worker leaves it alone until then */
	int64_t lease_until;     /* ms, of a running one */
	char owner[QUEUE_OWNER]; /* the worker that has or had it */
	enum queue_policy policy;
	char target[QUEUE_TARGET]; /* the server on which it has replaced documents, or "" */
	int64_t undone;            /* ms, when it was undone; 0: it was not */
};

/* A new restore. */
struct queue_request {
	const char *database;
	const char *table;
	const char *name;
	uint64_t documents;
	uint64_t bytes;    /* of the payload */
	const char *error; /* NULL: it is to be carried out. Else it was refused: kept as failed */
	int64_t replaces;  /* a pending restore that this one takes the place of, or 0 */
	enum queue_policy policy;
	/* Put up to ${room} payload bytes from ${off} on into ${out}, set ${got} (0 only at the
	 * end). */
	int (*read)(void *arg, uint64_t off, void *out, size_t room, size_t *got, struct err *e);
	void *arg;
};

struct queue_filter {
	const char *database; /* NULL: any */
	const char *table;    /* NULL: any */
	unsigned states;      /* of enum queue_state, or-ed */
};

/* queue_create(dir, e): make an empty queue.db in the directory path ${dir}; as catalog_create. */
int queue_create(const char *dir, struct err *e);

/*
 * queue_open(repo, writable, out, e):
 * Open the queue. Returns as catalog_open. To be closed with queue_close.
 */
int queue_open(const struct repo *repo, bool writable, struct queue **out, struct err *e);

/* queue_close(q): close; ${q} may be NULL. */
void queue_close(struct queue *q);

/* queue_state_name(state): "pending", "running", "done", "failed", "cancelled"; NULL for others. */
const char *queue_state_name(enum queue_state state);

/* queue_state_parse(name, out): the reverse. Return ERR_OK or ERR_FORMAT. */
int queue_state_parse(const char *name, enum queue_state *out);

/*
 * queue_policy_name(policy), queue_policy_parse(name, out):
 * "replace", "keep", "newer-loses", and "" for none; NULL for others. The reverse takes all but "";
 * ERR_OK or ERR_FORMAT.
 */
const char *queue_policy_name(enum queue_policy policy);
int queue_policy_parse(const char *name, enum queue_policy *out);

/*
 * queue_put(q, req, now, out, e):
 * Store a restore with its payload in one durable transaction: when ERR_OK is returned it survives
 * a power cut. If req->replaces is still pending it is overwritten and keeps its number; if it is
 * not pending any more a new restore is made. Sets ${out} to the number. Nothing is stored on
 * failure.
 */
int queue_put(
    struct queue *q, const struct queue_request *req, int64_t now, int64_t *out, struct err *e);

/* queue_get(q, id, out, e): one restore. Return ERR_OK, ERR_ABSENT (no text) or a failure. */
int queue_get(struct queue *q, int64_t id, struct queue_restore *out, struct err *e);

/*
 * queue_find(q, filter, name, out, e):
 * The newest restore with that name among those of ${filter} (database and table must be set).
 * Return ERR_OK, ERR_ABSENT (no text) or a failure.
 */
int queue_find(struct queue *q, const struct queue_filter *filter, const char *name,
    struct queue_restore *out, struct err *e);

/*
 * queue_next(q, filter, after, out, e):
 * The first restore of ${filter} with a number over ${after}. Return ERR_OK, ERR_END or a failure.
 */
int queue_next(struct queue *q, const struct queue_filter *filter, int64_t after,
    struct queue_restore *out, struct err *e);

/*
 * queue_next_name(q, filter, after, out, e):
 * As queue_next, but passes over a restore when a newer one of ${filter} has the same name: what a
 * directory lists.
 */
int queue_next_name(struct queue *q, const struct queue_filter *filter, int64_t after,
    struct queue_restore *out, struct err *e);

/*
 * queue_read(q, id, off, out, room, got, e):
 * Read payload bytes from ${off} on; ${got} is less than ${room} only at the end. Return ERR_OK,
 * ERR_ABSENT when there is no such restore, ERR_CORRUPT when a part of it is missing, or a failure.
 */
int queue_read(
    struct queue *q, int64_t id, uint64_t off, void *out, size_t room, size_t *got, struct err *e);

/*
 * queue_error(q, id, out, e):
 * Append the reason of a failed (or given back) restore, one line without newline, to ${out}; ""
 * when there is none. Return ERR_OK, ERR_ABSENT or a failure.
 */
int queue_error(struct queue *q, int64_t id, struct buf *out, struct err *e);

/*
 * queue_claim(q, owner, now, lease, out, room, got, e):
 * Take the oldest restore that is pending (and not before its time) or whose lease has run out, and
 * up to ${room} - 1 of the same table that follow it, oldest first; mark them running by ${owner}
 * until ${now} + ${lease} ms. Restores of one table are taken in the order of their numbers: one
 * that is put off, or that another worker has, holds up all that are newer. Sets ${got}, 0 when
 * there is nothing to do.
 */
int queue_claim(struct queue *q, const char *owner, int64_t now, int64_t lease,
    struct queue_restore *out, size_t room, size_t *got, struct err *e);

/*
 * queue_renew(q, owner, first, last, now, lease, held, e):
 * Renew the leases of the restores of the table of ${first}, with numbers up to ${last}, that
 * ${owner} still holds, in one transaction, and set ${held} to how many these are. Return ERR_OK or
 * a failure.
 */
int queue_renew(struct queue *q, const char *owner, int64_t first, int64_t last, int64_t now,
    int64_t lease, size_t *held, struct err *e);

/*
 * queue_done(q, id, owner, now, e), queue_fail(q, id, owner, reason, now, e),
 * queue_give_back(q, id, owner, reason, now, not_before, e):
 * The worker's reports. Return ERR_OK; ERR_WRONG_STATE when ${owner} does not hold it any more
 * (another worker took it after the lease ran out): the report is dropped; else a failure.
 */
int queue_done(struct queue *q, int64_t id, const char *owner, int64_t now, struct err *e);
int queue_fail(
    struct queue *q, int64_t id, const char *owner, const char *reason, int64_t now, struct err *e);
int queue_give_back(struct queue *q, int64_t id, const char *owner, const char *reason, int64_t now,
    int64_t not_before, struct err *e);

/*
 * queue_rename(q, id, name, now, e):
 * Give a pending restore another file name, under its own number; a pending one of its table that
 * has that name is cancelled. One durable transaction. Return as queue_cancel, or ERR_ARG when
 * ${name} is no file name.
 */
int queue_rename(struct queue *q, int64_t id, const char *name, int64_t now, struct err *e);

/*
 * queue_retry(q, id, policy, now, e), queue_cancel(q, id, now, e):
 * A user's wish. Retry: failed or cancelled -> pending, with another policy unless that is
 * QUEUE_POLICY_NONE; one that was refused when it was copied in (documents is 0) cannot succeed and
 * is ERR_WRONG_STATE. Cancel: pending -> cancelled, or failed -> cancelled. Return ERR_OK,
 * ERR_ABSENT (text set), ERR_WRONG_STATE (text says why), or a failure.
 */
int queue_retry(struct queue *q, int64_t id, enum queue_policy policy, int64_t now, struct err *e);
int queue_cancel(struct queue *q, int64_t id, int64_t now, struct err *e);

/* ---- queue_forget.c: restores that are over ---- */

/* queue_over(r): whether it is done, failed or cancelled: no worker will take it by itself. */
bool queue_over(const struct queue_restore *r);

/*
 * queue_forget(q, id, e):
 * Remove a restore that is over, its payload and what is known of the documents that it replaced;
 * it can be neither retried nor undone afterwards. Durable. Return as queue_cancel.
 */
int queue_forget(struct queue *q, int64_t id, struct err *e);

/*
 * queue_count_old(q, filter, before, restores, bytes, e), queue_forget_old(q, filter, before,
 * restores, bytes, e):
 * Count, and forget in one durable transaction, the restores of ${filter} that are over and last
 * changed before ${before} (ms); states of ${filter} in which one is not over select nothing. Set
 * ${restores} to how many these are and ${bytes} to the sum of their payloads. Return ERR_OK or a
 * failure, after which nothing is forgotten.
 */
int queue_count_old(struct queue *q, const struct queue_filter *filter, int64_t before,
    uint64_t *restores, uint64_t *bytes, struct err *e);
int queue_forget_old(struct queue *q, const struct queue_filter *filter, int64_t before,
    uint64_t *restores, uint64_t *bytes, struct err *e);

/*
 * queue_shrink(q, e):
 * Write queue.db anew when more than 1 MiB and half of it is free: what is forgotten leaves only
 * room for new restores otherwise. Others can read meanwhile. Return ERR_OK or a failure, after
 * which all is as before.
 */
int queue_shrink(struct queue *q, struct err *e);

/* ---- queue_undo.c: what restores into servers replaced ---- */

/* One document that a restore writes to a server. Not owned. */
struct queue_replaced {
	const struct key *key;
	const void *document; /* canonical bytes of what was there; NULL: nothing was */
	size_t len;
	uint8_t written[DIGEST_LEN]; /* tells what is written from what others write */
};

/*
 * queue_remember(q, id, target, replaced, n, e):
 * Write down, durably and in one transaction, what restore ${id} is about to replace on the server
 * ${target}. What is known of the same keys is written over.
 */
int queue_remember(struct queue *q, int64_t id, const char *target,
    const struct queue_replaced *replaced, size_t n, struct err *e);

/*
 * queue_recall(q, id, key, written, e):
 * Whether something is known of a key of restore ${id}. Return ERR_OK and set ${written},
 * ERR_ABSENT (no text), or a failure.
 */
int queue_recall(
    struct queue *q, int64_t id, const struct key *key, uint8_t written[DIGEST_LEN], struct err *e);

/*
 * queue_rewrite(q, id, key, written, e):
 * Change what is known to be written under a key; what was replaced stays. Durable.
 */
int queue_rewrite(struct queue *q, int64_t id, const struct key *key,
    const uint8_t written[DIGEST_LEN], struct err *e);

/*
 * queue_replaced_next(q, id, key, written, document, existed, e):
 * What restore ${id} replaced under the first key behind ${key} (len 0: the first of all), which is
 * set to that one; ${document}, emptied first, gets the canonical bytes of what was there, if
 * ${existed}. Return ERR_OK, ERR_END, or a failure.
 */
int queue_replaced_next(struct queue *q, int64_t id, struct key *key, uint8_t written[DIGEST_LEN],
    struct buf *document, bool *existed, struct err *e);

/*
 * queue_undone(q, id, now, e):
 * Write down that restore ${id} was undone. Return ERR_OK; ERR_ABSENT (text set) when it has been
 * forgotten meanwhile: then not all may have been put back; or a failure.
 */
int queue_undone(struct queue *q, int64_t id, int64_t now, struct err *e);

/*
 * queue_generation(q, out, e):
 * Set ${out} to a number that changes whenever another connection has committed to the queue.
 */
int queue_generation(struct queue *q, uint64_t *out, struct err *e);

#endif
