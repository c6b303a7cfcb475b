/*
 * The worker: claims restores from the queue, carries them out into a target, and reports. A crash
 * at any moment loses none: the lease runs out and another worker claims it again, and applying
 * twice gives the same result.
 */
#ifndef THINKBACK_SNAPSHOT_WORKER_H
#define THINKBACK_SNAPSHOT_WORKER_H

#include "catalog/base/err.h"
#include "catalog/base/log.h"
#include "catalog/queue.h"
#include "catalog/repo.h"
#include "snapshot/target.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* ms that a claim holds without renewal: longer than any wait in which none is made, be it for a
 * slow server or for a disk to sync */
#define WORKER_LEASE 180000

struct worker_options {
	const char *target; /* a directory or a server; NULL: "restores" in the repository */
	const struct target_server *server; /* how to talk to a server; stop and log are set here */
	enum queue_policy conflict; /* for restores without one; QUEUE_POLICY_NONE: replace */
	bool once;                  /* end when there is nothing left to do now */
	bool confine;  /* give up all that the work does not need, for the process's whole life:
			  catalog/base/sandbox.h. Another process has the databases open:
			  catalog/cmd_hold.h */
	int64_t lease; /* ms; 0: WORKER_LEASE */
	const volatile sig_atomic_t *stop; /* the worker ends soon after this becomes non-zero */
	int parent_fd; /* the worker ends when this reaches end of file (the mount is gone); -1:
			  none */
	const struct log *log;
};

struct worker_result {
	uint64_t done;    /* restores carried out */
	uint64_t failed;  /* restores that failed */
	uint64_t put_off; /* times that a restore was given back, to be tried again later */
};

/*
 * worker_run(repo, options, result, e):
 * Work until stopped. Return ERR_OK when it was told to stop or (once) ran out of work; a failure
 * when the queue or the target cannot be used at all. Sets ${result} (may be NULL) in any case.
 */
int worker_run(const struct repo *repo, const struct worker_options *options,
    struct worker_result *result, struct err *e);

#endif
