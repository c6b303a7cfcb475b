/*
 * The worker that a mount starts: a process of its own, because restoring needs what a mount must
 * not have (connections, much memory) and must not end it. It gets a pipe that ends with the mount,
 * however that ends, and it is started again when it dies. What it says goes to the mount's log.
 */
#ifndef THINKBACK_FS_CMD_MOUNT_WORKER_H
#define THINKBACK_FS_CMD_MOUNT_WORKER_H

#include "catalog/base/err.h"
#include "catalog/base/log.h"

#include <stdbool.h>

/* Opaque types. */
struct cmd_mount_worker;

struct cmd_mount_worker_options {
	const char *program;         /* argv[0] of the worker */
	const char *repo;            /* absolute path */
	const char *target;          /* NULL: the worker's default */
	const char *password_file;   /* absolute; NULL: none */
	const char *tls_cert;        /* absolute; NULL: none */
	const char *tls_client_cert; /* likewise */
	const char *tls_client_key;  /* likewise */
	bool any_owner;              /* as in struct cmd_env */
	int verbosity;               /* as in struct cmd_env */
	const struct log *log;       /* must outlive the worker; called from a thread of its own */
};

/*
 * cmd_mount_worker_start(options, out, e):
 * Start the worker and a thread that looks after it. The strings of ${options} must live as long.
 * Return ERR_OK and set ${out}, to be given to cmd_mount_worker_stop; or a failure.
 */
int cmd_mount_worker_start(
    const struct cmd_mount_worker_options *options, struct cmd_mount_worker **out, struct err *e);

/*
 * cmd_mount_worker_stop(w):
 * Let the worker end (within seconds; then it is made to), and free ${w}, which may be NULL.
 */
void cmd_mount_worker_stop(struct cmd_mount_worker *w);

#endif
