/* thinkback check: verify the repository. */
#include "snapshot/check.h"
#include "snapshot/cmds.h"
#include "snapshot/repair.h"

#include <getopt.h>
#include <inttypes.h>
#include <unistd.h>

/* What the callbacks need. */
struct check_view {
	const struct cmd_env *env;
	struct cmd_progress progress;
};

static void
show_problem(void *arg, const char *text)
{
	struct check_view *v = arg;

	cmd_problem(v->env, &v->progress, text);
}

static void
show_progress(void *arg, uint64_t done, uint64_t total, uint64_t versions)
{
	struct check_view *v = arg;

	cmd_progress_show(&v->progress, done, total, versions, "versions");
}

/* Repairs go to the output, what is lost is told as an error. */
static void
show_repaired(void *arg, const char *text)
{
	struct check_view *v = arg;
	struct buf line = {0};

	cmd_progress_end(&v->progress);
	if (!v->env->json && v->env->verbosity >= 0)
		printf("%s\n", text);
	if (v->env->json && cmd_json_string(&line, text) == ERR_OK && buf_str(&line) != NULL)
		printf("{\"event\":\"repaired\",\"text\":%s}\n", (const char *)line.data);
	buf_finish(&line);
}

/* Repair what can be, under the writer's lock. */
static int
check_repair(
    struct check_view *view, const struct repo *repo, struct repair_result *result, struct err *e)
{
	struct repair_options options = {
	    .stop = &cmd_stop, .repaired = show_repaired, .lost = show_problem, .arg = view};
	int lock;
	int rc = repo_lock(repo, &lock, e);

	if (rc != ERR_OK)
		return rc;
	rc = repair_run(repo, &options, result, e);
	close(lock);
	return rc;
}

static void
show_result(const struct cmd_env *env, const struct check_result *r, bool read_data)
{
	if (env->json)
		printf("{\"event\":\"check\",\"read_data\":%s,\"snapshots\":%" PRIu64
		       ",\"packs\":%" PRIu64 ",\"dictionaries\":%" PRIu64 ",\"versions\":%" PRIu64
		       ",\"problems\":%" PRIu64 "}\n",
		    read_data ? "true" : "false", r->snapshots, r->packs, r->dictionaries,
		    r->versions, r->problems);
	else if (env->verbosity >= 0)
		printf("%" PRIu64 " snapshots, %" PRIu64 " packs, %" PRIu64
		       " versions checked%s: %s\n",
		    r->snapshots, r->packs, r->versions, read_data ? ", every byte read" : "",
		    r->problems == 0 ? "no problems" : "PROBLEMS FOUND");
}

static int
cmd_check_run(const struct cmd_env *env, int argc, char **argv)
{
	static const struct option longs[] = {{"read-data", no_argument, NULL, 'd'},
	    {"repair", no_argument, NULL, 'r'}, {NULL, 0, NULL, 0}};
	struct check_view view = {.env = env};
	struct check_options options = {
	    .stop = &cmd_stop, .problem = show_problem, .progress = show_progress, .arg = &view};
	struct repair_result repaired = {0};
	struct check_result result;
	struct repo *repo;
	struct err e = {0};
	bool repair = false;
	int code = CMD_DONE;
	int c, rc = ERR_OK;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'd')
			options.read_data = true;
		else if (c == 'r')
			repair = true;
		else
			return cmd_usage(env, &cmd_check, "see thinkback check --help");
	}
	if (optind != argc)
		return cmd_usage(env, &cmd_check, "it takes no arguments");
	if (!cmd_open(env, &cmd_check, &repo, &code))
		return code;
	cmd_catch_signals();
	cmd_progress_start(&view.progress, env, "check");
	if (repair)
		rc = check_repair(&view, repo, &repaired, &e);
	if (rc != ERR_OK) {
		cmd_progress_end(&view.progress);
		repo_close(repo);
		return cmd_fail(env, &e);
	}
	rc = check_run(repo, &options, &result, &e);
	cmd_progress_end(&view.progress);
	if (rc == ERR_OK || rc == ERR_CORRUPT)
		show_result(env, &result, options.read_data);
	if (rc != ERR_OK)
		code = rc == ERR_CORRUPT && result.problems > 0 ? CMD_FAILED : cmd_fail(env, &e);
	else if (repaired.lost > 0)
		code = CMD_FAILED;
	repo_close(repo);
	return code;
}

const struct cmd cmd_check = {
    .name = "check",
    .synopsis = "[--read-data] [--repair]",
    .summary = "verify the repository",
    .help = "Check the catalogue, the checksums of every pack and dictionary, and that they\n"
	    "agree with each other, row by row. Problems are listed one a line. A damaged\n"
	    "catalogue can be made again: see thinkback rebuild.\n"
	    "\n"
	    "      --read-data  also decode every document and compare it with its digest; if\n"
	    "                   all is well, the time is recorded (see thinkback list)\n"
	    "      --repair     before that, write damaged packs and dictionaries again from\n"
	    "                   what else there is; documents that are nowhere else are\n"
	    "                   listed and dropped, until a snapshot stores them again\n"
	    "\n"
	    "Exit status: 0 no problems, 1 problems, documents were dropped, or the check\n"
	    "could not be made.\n",
    .run = cmd_check_run,
};
