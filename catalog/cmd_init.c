/* thinkback init: make a repository. */
#include "catalog/cmd.h"

#include <getopt.h>

static int
cmd_init_run(const struct cmd_env *env, int argc, char **argv)
{
	const char *path = env->repo;
	struct err e = {0};

	if (getopt(argc, argv, "+") != -1)
		return cmd_usage(env, &cmd_init, "it takes no options");
	if (argc - optind > 1)
		return cmd_usage(env, &cmd_init, "one directory at a time");
	if (argc - optind == 1)
		path = argv[optind];
	if (path == NULL)
		return cmd_usage(env, &cmd_init, "name the directory, or set THINKBACK_REPO");
	if (repo_create(path, &e) != ERR_OK)
		return cmd_fail(env, &e);
	if (env->json) {
		struct buf line = {0};
		if (cmd_json_string(&line, path) == ERR_OK && buf_str(&line) != NULL)
			printf("{\"repository\":%s}\n", (const char *)line.data);
		buf_finish(&line);
	} else if (env->verbosity >= 0) {
		printf("made repository %s\n", path);
	}
	return CMD_DONE;
}

const struct cmd cmd_init = {
    .name = "init",
    .synopsis = "[REPO]",
    .summary = "create a repository",
    .help = "Create a repository in the directory REPO, which must not exist or be empty.\n"
	    "Without REPO the one of -r or THINKBACK_REPO is made.\n",
    .run = cmd_init_run,
};
