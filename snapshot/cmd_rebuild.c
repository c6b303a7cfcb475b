/* thinkback rebuild: make the catalogue again from the packs. */
#include "snapshot/cmds.h"
#include "snapshot/rebuild.h"

#include <getopt.h>
#include <inttypes.h>
#include <unistd.h>

/* What the callbacks need. */
struct rebuild_view {
	const struct cmd_env *env;
	struct cmd_progress progress;
};

static void
show_problem(void *arg, const char *text)
{
	struct rebuild_view *v = arg;

	cmd_problem(v->env, &v->progress, text);
}

static void
show_progress(void *arg, uint64_t done, uint64_t total, uint64_t versions)
{
	struct rebuild_view *v = arg;

	cmd_progress_show(&v->progress, done, total, versions, "versions");
}

static void
show_result(const struct cmd_env *env, const struct rebuild_result *r)
{
	if (env->json) {
		printf("{\"event\":\"rebuild\",\"tables\":%" PRIu64 ",\"snapshots\":%" PRIu64
		       ",\"packs\":%" PRIu64 ",\"dictionaries\":%" PRIu64 ",\"versions\":%" PRIu64
		       ",\"unfinished\":%" PRIu64 ",\"damaged\":%" PRIu64 ",\"problems\":%" PRIu64,
		    r->tables, r->snapshots, r->packs, r->dictionaries, r->versions, r->unfinished,
		    r->damaged, r->problems);
		/* The name is made of letters, digits, dots and hyphens. */
		if (r->kept[0] != '\0')
			printf(",\"kept\":\"%s\"}\n", r->kept);
		else
			printf(",\"kept\":null}\n");
		return;
	}
	if (env->verbosity < 0)
		return;
	printf("%" PRIu64 " snapshots of %" PRIu64 " tables, %" PRIu64 " versions in %" PRIu64
	       " packs\n",
	    r->snapshots, r->tables, r->versions, r->packs);
	if (r->damaged > 0)
		printf(
		    "%" PRIu64 " snapshots HAVE LOST DOCUMENTS: see thinkback list\n", r->damaged);
	if (r->kept[0] != '\0')
		printf("the old catalogue is kept as %s\n", r->kept);
}

/* Rebuild under the writer's lock. */
static int
rebuild_locked(const struct repo *repo, const struct rebuild_options *options,
    struct rebuild_result *result, struct err *e)
{
	int lock;
	int rc = repo_lock(repo, &lock, e);

	if (rc != ERR_OK)
		return rc;
	rc = rebuild_run(repo, options, result, e);
	close(lock);
	return rc;
}

static int
cmd_rebuild_run(const struct cmd_env *env, int argc, char **argv)
{
	static const struct option none[] = {{NULL, 0, NULL, 0}};
	struct rebuild_view view = {.env = env};
	struct rebuild_options options = {
	    .stop = &cmd_stop, .problem = show_problem, .progress = show_progress, .arg = &view};
	struct rebuild_result result;
	struct repo *repo;
	struct err e = {0};
	int rc;

	if (getopt_long(argc, argv, "", none, NULL) != -1)
		return cmd_usage(env, &cmd_rebuild, "it takes no options");
	if (optind != argc)
		return cmd_usage(env, &cmd_rebuild, "it takes no arguments");
	if (env->repo == NULL)
		return cmd_usage(
		    env, &cmd_rebuild, "no repository: name it with -r REPO or in THINKBACK_REPO");
	if (repo_open_packs(env->repo, &repo, &e) != ERR_OK)
		return cmd_fail(env, &e);
	if (!cmd_trusts(env, repo)) {
		repo_close(repo);
		return CMD_FAILED;
	}
	cmd_catch_signals();
	cmd_progress_start(&view.progress, env, "rebuild");
	view.progress.counted = true;
	rc = rebuild_locked(repo, &options, &result, &e);
	cmd_progress_end(&view.progress);
	repo_close(repo);
	if (rc != ERR_OK)
		return cmd_fail(env, &e);
	show_result(env, &result);
	return result.problems > 0 ? CMD_PARTIAL : CMD_DONE;
}

const struct cmd cmd_rebuild = {
    .name = "rebuild",
    .synopsis = "",
    .summary = "make the catalogue again from the packs",
    .help = "Make catalog.db again from packs/ alone, when it is lost or damaged. The new\n"
	    "one takes the place of the old one when it is complete and on disk; the old one\n"
	    "is kept beside it. What the packs do not hold is lost: when snapshots were\n"
	    "verified.\n"
	    "\n"
	    "Damaged packs are told of, one a line, and snapshots that have lost documents\n"
	    "are shown as such (see thinkback list). Restores in the queue are not touched.\n"
	    "\n"
	    "Exit status: 0 done, 1 failed and nothing was changed, 3 done and something is\n"
	    "lost or not shown.\n",
    .run = cmd_rebuild_run,
};
