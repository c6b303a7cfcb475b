/*
 * The keeper: the part of a mount that keeps its privileges. The process that serves confines
 * itself and can then start no program and unmount nothing, so before that it starts this one,
 * which reads no document and no request. It starts the worker, and starts it again; takes the
 * mount down when the one that serves says so; and has catalogue and queue open (a new catalogue as
 * soon as that has replaced the old one), so that SQLite's log and shared memory are beside them as
 * long as the mount is there. It ends with the process that serves, however that ends, and takes no
 * mount down that it was not told to.
 */
#ifndef THINKBACK_FS_CMD_MOUNT_KEEPER_H
#define THINKBACK_FS_CMD_MOUNT_KEEPER_H

#include "catalog/repo.h"
#include "fs/cmd_mount_worker.h"

#include <stdbool.h>

/* Opaque types. */
struct cmd_mount_keeper;

struct cmd_mount_keeper_options {
	const struct repo *repo;
	const char *mountpoint;                        /* absolute path */
	const struct cmd_mount_worker_options *worker; /* NULL: none is started */
	void (*forked)(void *arg); /* called first in the keeper's process: close what is not its */
	void (*detach)(void *arg); /* called there to leave the terminal */
	void *arg;                 /* handed to both */
	const struct log *log;     /* used in both processes */
};

/*
 * cmd_mount_keeper_start(options, out, e):
 * Fork the keeper, in a process that has one thread and no database open, and wait until it is
 * ready. ${options} must live as long. Return ERR_OK and set ${out}, to be given to
 * cmd_mount_keeper_stop; or a failure.
 */
int cmd_mount_keeper_start(
    const struct cmd_mount_keeper_options *options, struct cmd_mount_keeper **out, struct err *e);

/*
 * cmd_mount_keeper_work(k, e):
 * The mount is there: let the worker be started. From now on a thread of this process looks whether
 * the keeper lives. Return ERR_OK or a failure.
 */
int cmd_mount_keeper_work(struct cmd_mount_keeper *k, struct err *e);

/* cmd_mount_keeper_detach(k): have it leave the terminal. Any thread. */
void cmd_mount_keeper_detach(struct cmd_mount_keeper *k);

/*
 * cmd_mount_keeper_stop(k, unmount):
 * Let the keeper end, after the worker (which has some seconds for that) and, if ${unmount}, after
 * it has taken the mount down; free ${k}, which may be NULL. Return false when the mount could not
 * be taken down.
 */
bool cmd_mount_keeper_stop(struct cmd_mount_keeper *k, bool unmount);

#endif
