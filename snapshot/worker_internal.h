/* The parts of the worker: the loop (worker.c) and a batch (worker_batch.c). One thread. */
#ifndef THINKBACK_SNAPSHOT_WORKER_INTERNAL_H
#define THINKBACK_SNAPSHOT_WORKER_INTERNAL_H

#include "catalog/catalog.h"
#include "catalog/queue.h"
#include "snapshot/target.h"
#include "snapshot/worker.h"

#define WORKER_BATCH 256 /* restores claimed at a time */

/* What becomes of a claimed restore. */
enum worker_fate {
	WORKER_OPEN, /* not decided */
	WORKER_DONE,
	WORKER_FAILED,
	WORKER_BACK /* given back */
};

struct worker {
	const struct repo *repo;
	const struct worker_options *options;
	struct worker_result *result;
	struct queue *queue;
	struct catalog *catalog;
	struct target *target;
	int scratch; /* directory of temporary files */
	char owner[QUEUE_OWNER];
	int64_t lease;   /* ms */
	bool orphan;     /* the parent is gone */
	int64_t renewed; /* ms, when the leases of the batch were last renewed */
	unsigned steps;  /* counted down to the next look at the clock */
	struct queue_restore batch[WORKER_BATCH];
	enum worker_fate fate[WORKER_BATCH];
	size_t n;  /* restores in the batch, in the order of their numbers */
	bool lost; /* another worker has taken some of the batch */
};

/* worker_stopping(w): whether the worker has to end. */
bool worker_stopping(const struct worker *w);

/*
 * worker_hold(w, e):
 * Renew the leases of the open restores. Return ERR_OK when all are still held; ERR_WRONG_STATE
 * when another worker has taken some of the batch, which may have carried out newer ones too: the
 * rest is to be given back, and nothing of it may be written any more; or a failure of the queue.
 * ${w} is a struct worker.
 */
int worker_hold(void *w, struct err *e);

/* worker_renew(w, e): the same when a quarter of the time has gone, else ERR_OK. */
int worker_renew(struct worker *w, struct err *e);

/*
 * worker_step(w, e):
 * To be called between documents: renews the leases in time. Return what worker_renew returns, or
 * ERR_INTR when the worker has to end. ${w} is a struct worker.
 */
int worker_step(void *w, struct err *e);

/*
 * worker_batch_run(w, e):
 * Carry out the claimed batch and report what became of each restore. Return ERR_OK whatever that
 * is; a failure only when the queue failed, which leaves restores to be claimed again when their
 * lease has run out.
 */
int worker_batch_run(struct worker *w, struct err *e);

#endif
