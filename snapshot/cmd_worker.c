/* thinkback worker: carry out the restores of the queue. */
#include "catalog/base/num.h"
#include "snapshot/cmds.h"
#include "snapshot/worker.h"

#include <getopt.h>
#include <inttypes.h>
#include <limits.h>

/* Read the options into ${o}. Return -1 to go on, else the exit code. */
static int
cmd_worker_options(const struct cmd_env *env, struct worker_options *o, int argc, char **argv)
{
	static const struct option longs[] = {{"once", no_argument, NULL, 'o'},
	    {"target", required_argument, NULL, 't'}, {"parent-fd", required_argument, NULL, 'p'},
	    {NULL, 0, NULL, 0}};
	uint64_t fd;
	int opt;

	while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (opt == 'o') {
			o->once = true;
		} else if (opt == 't') {
			o->target = optarg;
		} else if (opt == 'p' && num_parse(optarg, INT_MAX, &fd) == ERR_OK) {
			o->parent_fd = (int)fd;
		} else if (opt == 'p') {
			return cmd_usage(env, &cmd_worker, "\"%s\" is no file descriptor", optarg);
		} else {
			return cmd_usage(env, &cmd_worker, "see thinkback worker --help");
		}
	}
	if (optind != argc)
		return cmd_usage(env, &cmd_worker, "it takes no arguments");
	return -1;
}

static int
cmd_worker_exit_code(const struct worker_result *r)
{
	if (r->failed == 0 && r->put_off == 0)
		return CMD_DONE;
	return r->done > 0 ? CMD_PARTIAL : CMD_FAILED;
}

static int
cmd_worker_run(const struct cmd_env *env, int argc, char **argv)
{
	struct worker_options options = {.stop = &cmd_stop, .parent_fd = -1, .log = &env->log};
	struct worker_result result;
	struct repo *repo;
	struct err e = {0};
	int code = cmd_worker_options(env, &options, argc, argv);

	if (code >= 0)
		return code;
	if (!cmd_open(env, &cmd_worker, &repo, &code))
		return code;
	cmd_catch_signals();
	code = worker_run(repo, &options, &result, &e) == ERR_OK ? CMD_DONE : cmd_fail(env, &e);
	if (code == CMD_DONE && options.once)
		code = cmd_worker_exit_code(&result);
	if (env->json)
		printf("{\"event\":\"worker\",\"done\":%" PRIu64 ",\"failed\":%" PRIu64
		       ",\"put_off\":%" PRIu64 "}\n",
		    result.done, result.failed, result.put_off);
	repo_close(repo);
	return code;
}

const struct cmd cmd_worker = {
    .name = "worker",
    .synopsis = "[--once] [--target DIR]",
    .summary = "carry out the restores of the queue",
    .help = "Carry out the restores of the queue until interrupted, oldest first. Their\n"
	    "documents are merged by key into DIR/DB/TABLE.json, in the layout that\n"
	    "\"rethinkdb import -d DIR\" reads. Several workers may run at a time; one that is\n"
	    "killed loses nothing. A restore that cannot be carried out now is tried again\n"
	    "after 1 second, then 2, 4 ... 300.\n"
	    "\n"
	    "      --once          end when there is nothing left to do now\n"
	    "      --target DIR    the directory (default: restores in the repository)\n"
	    "      --parent-fd N   end when file descriptor N reaches its end\n"
	    "\n"
	    "Exit status: 0 done; with --once, 1 no restore could be carried out, 3 some\n"
	    "could not.\n",
    .run = cmd_worker_run,
};
