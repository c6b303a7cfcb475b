/* thinkback queue undo: put back what a restore has replaced on a server. */
#ifndef THINKBACK_SNAPSHOT_CMD_QUEUE_UNDO_H
#define THINKBACK_SNAPSHOT_CMD_QUEUE_UNDO_H

#include "catalog/cmd.h"
#include "catalog/queue.h"
#include "snapshot/cmd_server.h"

/* What the command line says, and what it is to work on. */
struct cmd_queue_undo {
	const struct cmd_env *env;
	const struct repo *repo;
	struct queue *queue;
	const char *target;       /* --target; NULL: where the restore was carried out */
	struct cmd_server server; /* how to talk to it */
	bool force;               /* --force */
};

/*
 * cmd_queue_undo(u, id, documents, e):
 * Undo restore ${id}; a line on stderr tells of each document that is not put back. Sets
 * ${documents} to how many are as they were. Return ERR_OK when all are; ERR_WRONG_STATE when some
 * are not; ERR_ABSENT, ERR_WRONG_STATE or ERR_ARG when there is nothing that could be undone; else
 * a failure.
 */
int cmd_queue_undo(const struct cmd_queue_undo *u, int64_t id, uint64_t *documents, struct err *e);

#endif
