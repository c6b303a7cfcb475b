/* thinkback cat: the bytes of files of the tree, exactly. */
#include "fs/cmd.h"
#include "fs/cmd_tree.h"
#include "fs/path.h"

#include <getopt.h>

#define CAT_PART ((size_t)128 << 10) /* bytes read at a time */

/* Write one file to stdout. ERR_END: stdout takes no more. */
static int
cat_file(struct cmd_tree *t, const char *path, struct buf *part, struct err *e)
{
	struct view_attr attr;
	uint64_t off = 0;
	int rc = path_find(t->view, path, &attr, e);

	if (rc != ERR_OK)
		return rc;
	if (attr.type == VIEW_DIRECTORY)
		return err_set(e, ERR_ARG, "%s: is a directory", path);
	for (;;) {
		buf_clear(part);
		rc = view_read(t->view, attr.ino, off, CAT_PART, part, e);
		if (rc == ERR_ABSENT)
			rc = err_set(e, ERR_ABSENT, "it has just vanished");
		if (rc != ERR_OK) {
			err_prefix(e, "%s", path);
			return rc;
		}
		if (part->len == 0)
			return ERR_OK;
		if (fwrite(part->data, 1, part->len, stdout) != part->len)
			return ERR_END;
		off += part->len;
	}
}

static int
cmd_cat_run(const struct cmd_env *env, int argc, char **argv)
{
	struct cmd_tree t = {0};
	struct buf part = {0};
	int code = CMD_DONE;
	int rc = ERR_OK;

	opterr = 0;
	if (getopt(argc, argv, "") != -1)
		return cmd_usage(env, &cmd_cat, "it takes no options");
	if (optind == argc)
		return cmd_usage(env, &cmd_cat, "name at least one file");
	if (cmd_tree_open(&t, env, &cmd_cat, &code)) {
		for (int i = optind; i < argc && rc != ERR_END; i++) {
			struct err e = {0};
			rc = cat_file(&t, argv[i], &part, &e);
			if (rc != ERR_END)
				cmd_tree_count(&t, rc, &e);
		}
		code = cmd_tree_code(&t);
	}
	buf_finish(&part);
	cmd_tree_close(&t);
	return code;
}

const struct cmd cmd_cat = {
    .name = "cat",
    .synopsis = "PATH...",
    .summary = "show documents, as the mount would",
    .help = "Write the bytes of each file to standard output, one after the other. A path is\n"
	    "one of the tree that a mount shows:\n"
	    "\n"
	    "  thinkback cat shop/orders/shard-00/latest/=1.json\n",
    .run = cmd_cat_run,
};
