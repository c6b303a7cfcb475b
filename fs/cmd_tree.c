/* What ls and cat share: the contracts are in cmd_tree.h. */
#include "fs/cmd_tree.h"

bool
cmd_tree_open(struct cmd_tree *t, const struct cmd_env *env, const struct cmd *cmd, int *code)
{
	struct err e = {0};
	int rc;

	t->env = env;
	if (!cmd_open(env, cmd, &t->repo, code))
		return false;
	rc = store_create(t->repo->packsfd, NULL, &t->store, &e);
	if (rc == ERR_OK)
		rc = view_create(t->repo, t->store, &t->view, &e);
	if (rc != ERR_OK)
		*code = cmd_fail(env, &e);
	return rc == ERR_OK;
}

void
cmd_tree_close(struct cmd_tree *t)
{
	view_free(t->view);
	store_free(t->store);
	repo_close(t->repo);
}

void
cmd_tree_count(struct cmd_tree *t, int rc, const struct err *e)
{
	if (rc == ERR_OK) {
		t->done++;
		return;
	}
	t->failed++;
	(void)cmd_fail(t->env, e);
}

int
cmd_tree_code(const struct cmd_tree *t)
{
	if (t->failed == 0)
		return CMD_DONE;
	return t->done > 0 ? CMD_PARTIAL : CMD_FAILED;
}
