/* What ls and cat share: the view that they look through, and counting what failed. */
#ifndef THINKBACK_FS_CMD_TREE_H
#define THINKBACK_FS_CMD_TREE_H

#include "catalog/cmd.h"
#include "fs/view.h"

/* The tree as a command sees it. Zero it before cmd_tree_open. */
struct cmd_tree {
	const struct cmd_env *env; /* not owned */
	struct repo *repo;
	struct store *store;
	struct view *view;
	unsigned done;   /* paths that were shown whole */
	unsigned failed; /* paths that were not; each has had its line */
};

/*
 * cmd_tree_open(t, env, cmd, code):
 * Open the repository of the global options and its tree. Return true; or print why not, set
 * ${code} to the exit code and return false. cmd_tree_close in any case.
 */
bool cmd_tree_open(struct cmd_tree *t, const struct cmd_env *env, const struct cmd *cmd, int *code);

/* cmd_tree_close(t): close what is open. */
void cmd_tree_close(struct cmd_tree *t);

/*
 * cmd_tree_count(t, rc, e):
 * Count a path: done when ${rc} is ERR_OK, else failed, with the line of ${e} on stderr.
 */
void cmd_tree_count(struct cmd_tree *t, int rc, const struct err *e);

/* cmd_tree_code(t): the exit code for what was counted. */
int cmd_tree_code(const struct cmd_tree *t);

#endif
