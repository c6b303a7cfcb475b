/* thinkback gc: take the bytes of forgotten snapshots from the disk. */
#include "snapshot/cmd_gc.h"

#include "catalog/base/num.h"
#include "snapshot/cmds.h"
#include "snapshot/gc.h"
#include "snapshot/reclaim.h"

#include <getopt.h>
#include <inttypes.h>
#include <unistd.h>

/* What the callbacks need. */
struct gc_view {
	const struct cmd_env *env;
	struct cmd_progress progress;
};

static void
show_problem(void *arg, const struct err *e)
{
	struct gc_view *v = arg;

	cmd_progress_end(&v->progress);
	cmd_error(v->env, "%s", e->text);
}

static void
show_progress(void *arg, uint64_t done, uint64_t total, uint64_t packs)
{
	struct gc_view *v = arg;

	cmd_progress_show(&v->progress, done, total, packs, "packs");
}

static void
show_result(const struct cmd_env *env, const struct gc_result *r, bool dry_run)
{
	char freed[NUM_SIZE_TEXT], dead[NUM_SIZE_TEXT];

	if (env->json) {
		printf("{\"event\":\"gc\",\"dry_run\":%s,\"packs_removed\":%" PRIu64
		       ",\"packs_rewritten\":%" PRIu64 ",\"snapshots_removed\":%" PRIu64
		       ",\"dictionaries_removed\":%" PRIu64 ",\"versions_removed\":%" PRIu64
		       ",\"freed_bytes\":%" PRIu64 ",\"dead_bytes\":%" PRIu64
		       ",\"tables_failed\":%" PRIu64 "}\n",
		    dry_run ? "true" : "false", r->removed, r->rewritten, r->snapshots,
		    r->dictionaries, r->versions, r->freed, r->dead, r->failed);
		return;
	}
	if (env->verbosity < 0)
		return;
	if (r->removed + r->rewritten == 0)
		printf("nothing to free");
	else
		printf("%s%s freed: %" PRIu64 " packs removed, %" PRIu64 " written again, %" PRIu64
		       " versions",
		    num_size_text(r->freed, freed), dry_run ? " would be" : "", r->removed,
		    r->rewritten, r->versions);
	if (r->dead > 0)
		printf(
		    "; %s of dead documents stay (see --threshold)", num_size_text(r->dead, dead));
	putchar('\n');
}

int
cmd_gc_collect(const struct cmd_env *env, const struct repo *repo, struct catalog *cat,
    unsigned threshold, bool dry_run)
{
	struct gc_view view = {.env = env};
	const struct gc_options options = {.dry_run = dry_run,
	    .threshold = threshold,
	    .stop = &cmd_stop,
	    .problem = show_problem,
	    .progress = show_progress,
	    .arg = &view};
	struct gc_result result;
	struct err e = {0};
	int rc;

	cmd_catch_signals();
	cmd_progress_start(&view.progress, env, "gc");
	rc = gc_run(repo, cat, &options, &result, &e);
	cmd_progress_end(&view.progress);
	show_result(env, &result, dry_run);
	if (rc != ERR_OK)
		return cmd_fail(env, &e);
	return result.failed > 0 ? CMD_PARTIAL : CMD_DONE;
}

int
cmd_gc_open(const struct repo *repo, bool dry_run, int *lock, struct catalog **cat, struct err *e)
{
	int rc;

	*lock = -1;
	*cat = NULL;
	if (dry_run)
		return catalog_open(repo, CATALOG_READ, cat, e);
	rc = repo_lock(repo, lock, e);
	if (rc == ERR_OK)
		rc = catalog_open(repo, CATALOG_WRITE, cat, e);
	if (rc == ERR_OK)
		rc = reclaim_recover(repo, *cat, e);
	if (rc != ERR_OK)
		cmd_gc_close(*lock, *cat);
	return rc;
}

void
cmd_gc_close(int lock, struct catalog *cat)
{
	catalog_close(cat);
	if (lock >= 0)
		close(lock);
}

static int
cmd_gc_run(const struct cmd_env *env, int argc, char **argv)
{
	static const struct option longs[] = {{"threshold", required_argument, NULL, 't'},
	    {"dry-run", no_argument, NULL, 'n'}, {NULL, 0, NULL, 0}};
	uint64_t threshold = GC_THRESHOLD;
	bool dry_run = false;
	struct catalog *cat;
	struct repo *repo;
	struct err e = {0};
	int code, c, lock;

	while ((c = getopt_long(argc, argv, "n", longs, NULL)) != -1) {
		if (c == 'n')
			dry_run = true;
		else if (c != 't')
			return cmd_usage(env, &cmd_gc, "see thinkback gc --help");
		else if (num_parse(optarg, 100, &threshold) != ERR_OK)
			return cmd_usage(env, &cmd_gc,
			    "--threshold takes a percentage, 0 to 100, not '%s'", optarg);
	}
	if (optind != argc)
		return cmd_usage(env, &cmd_gc, "it takes no arguments");
	if (!cmd_open(env, &cmd_gc, &repo, &code))
		return code;
	if (cmd_gc_open(repo, dry_run, &lock, &cat, &e) == ERR_OK) {
		code = cmd_gc_collect(env, repo, cat, (unsigned)threshold, dry_run);
		cmd_gc_close(lock, cat);
	} else {
		code = cmd_fail(env, &e);
	}
	repo_close(repo);
	return code;
}

const struct cmd cmd_gc = {
    .name = "gc",
    .synopsis = "[-n] [--threshold PERCENT]",
    .summary = "free the space of forgotten snapshots",
    .help = "Remove what only forgotten snapshots have. A pack with nothing else is removed;\n"
	    "one of which enough is dead is written again without that. Mounts go on as they\n"
	    "are: what is open stays readable.\n"
	    "\n"
	    "      --threshold PERCENT  write a pack again when so much of its documents is\n"
	    "                           dead (default: 20)\n"
	    "  -n, --dry-run            change nothing, tell what would be freed\n",
    .run = cmd_gc_run,
};
