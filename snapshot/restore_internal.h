/* What the files of restore share: jobs, the kinds of targets, and loading. */
#ifndef THINKBACK_SNAPSHOT_RESTORE_INTERNAL_H
#define THINKBACK_SNAPSHOT_RESTORE_INTERNAL_H

#include "snapshot/documents.h"
#include "snapshot/rdb/alter.h"
#include "snapshot/rdb/connection.h"
#include "snapshot/restore.h"

/* A table to be restored, and what the snapshot says of it. */
struct restore_job {
	struct restore_table table;
	struct buf primary_key; /* NUL-terminated behind len */
	struct buf config;      /* canonical JSON of one object */
	bool restored;          /* and verified; or compared, by a dry run */
};

struct restore;

/* What a kind of target can do. */
struct restore_kind {
	/* Set job->table.exists. ERR_WRONG_STATE when the table has another primary key. */
	int (*look)(struct restore *r, struct restore_job *job, struct err *e);
	/* Open what is there of the table, to compare with. */
	int (*open)(
	    struct restore *r, const struct restore_job *job, struct source **out, struct err *e);
	/* Restore and verify. */
	int (*table)(struct restore *r, struct restore_job *job, struct err *e);
	void (*close)(struct restore *r);
};

/* One call of restore_run. */
struct restore {
	const struct repo *repo;
	const struct restore_options *options;
	const char *target;
	const struct restore_kind *kind;
	struct catalog *cat;
	struct store *store;
	struct selection selection;
	struct restore_job *jobs; /* owned, one for each of the selection */
	size_t n_jobs;
	void *own; /* the kind's own state */
};

/* restore_stopped(r, e): ERR_INTR when it is to give up, else ERR_OK. */
int restore_stopped(const struct restore *r, struct err *e);

/*
 * restore_same_key(job, have, e): ERR_OK when ${have}, which ends in a NUL, is the key field of the
 * snapshot; ERR_WRONG_STATE when the table that is there has another.
 */
int restore_same_key(const struct restore_job *job, const struct buf *have, struct err *e);

/* restore_show(r, what, job, done, total): options->progress, if it is set. */
void restore_show(const struct restore *r, const char *what, const struct restore_job *job,
    uint64_t done, uint64_t total);

/* restore_documents(r, job, out, e): the documents that are wanted of the job's snapshot. */
int restore_documents(
    struct restore *r, const struct restore_job *job, struct documents **out, struct err *e);

/*
 * restore_compare(r, job, what, found, arg, e):
 * Compare what is there with the snapshot, into job->table.compared. ${found} is called as
 * compare_options.found with ${arg}; may be NULL.
 */
int restore_compare(struct restore *r, struct restore_job *job, const char *what,
    int (*found)(void *arg, enum compare_state state, const struct key *key, struct err *e),
    void *arg, struct err *e);

/* restore_verdict(job, exact, e): whether the comparison says that the table is as it should be. */
int restore_verdict(const struct restore_job *job, bool exact, struct err *e);

/* restore_dir_open(r, e), restore_live_open(r, e): set r->kind and r->own for r->target. */
int restore_dir_open(struct restore *r, struct err *e);
int restore_live_open(struct restore *r, struct err *e);

/*
 * restore_live_query(r): where to put the next query together. restore_live_ask(r, made, again,
 * out, e): ask it, over a new connection if the one before is lost; ${made} is what putting it
 * together returned, ${again} says that it may be asked more than once: it is then, while replicas
 * are not available or connections break. ${out} may be NULL; it lives until the next question.
 * Return what ask_first returns.
 */
struct buf *restore_live_query(struct restore *r);
int
restore_live_ask(struct restore *r, int made, bool again, struct member_span *out, struct err *e);

/* ---- restore_index.c: secondary indexes and write hooks ---- */

/* A table on a server that is being set up. */
struct restore_index {
	struct restore *r;
	struct restore_job *job;
	struct query_table table;
	bool modern; /* the server is one of 2.4 or later: it knows write hooks */
};

/*
 * restore_index_build(x, e):
 * Make the secondary indexes that the snapshot has, unless the table has the same already, and wait
 * until they are ready. Return ERR_OK, or what ask_first returns.
 */
int restore_index_build(const struct restore_index *x, struct err *e);

/*
 * restore_index_hook(x, e):
 * Set the write hook that the snapshot has. Without one, a hook that the table has is left alone,
 * or taken away when the table is to be exactly the snapshot.
 */
int restore_index_hook(const struct restore_index *x, struct err *e);

/* ---- restore_grant.c: permissions ---- */

/* restore_grant_find(job, rows): the permissions that the snapshot has; false without any. */
bool restore_grant_find(const struct restore_job *job, struct member_span *rows);

/*
 * restore_grant(r, result, e):
 * Grant the permissions of the tables that were restored, into a server. Each is told to
 * options->granted and counted in ${result}, also what fails. Return ERR_OK, ERR_INTR or ERR_NOMEM.
 */
int restore_grant(struct restore *r, struct restore_result *result, struct err *e);

/* ---- restore_load.c: writing documents over several connections ---- */

/* Opaque types. */
struct restore_load;

struct restore_load_options {
	const struct connection_options *connect; /* outlives the load */
	unsigned clients;                         /* connections */
	struct query_table table;
	struct alter_write write;
	int64_t retry_ms; /* before the first new try */
	const struct log *log;
};

/* restore_load_open(o, out, e): start the threads. Ended with restore_load_close. */
int
restore_load_open(const struct restore_load_options *o, struct restore_load **out, struct err *e);

/*
 * restore_load_put(l, data, len, e), restore_load_delete(l, key, e):
 * Write a document, or delete the one with that key (canonical JSON), sooner or later; of one load
 * only one of the two may be used. What is sent twice because a connection was lost does no harm.
 * Return ERR_OK, or the failure that some connection has met.
 */
int restore_load_put(struct restore_load *l, const void *data, size_t len, struct err *e);
int restore_load_delete(struct restore_load *l, const struct buf *key, struct err *e);

/*
 * restore_load_finish(l, e):
 * Wait until everything is answered. Return ERR_OK when the server has taken all of it; ERR_FORMAT
 * when it refused documents (text says how many, and why the first); or the first failure. After
 * ERR_OK more can be put.
 */
int restore_load_finish(struct restore_load *l, struct err *e);

/* restore_load_close(l): end the threads and free; ${l} may be NULL. */
void restore_load_close(struct restore_load *l);

#endif
