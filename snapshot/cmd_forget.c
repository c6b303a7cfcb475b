/* thinkback forget: snapshots that a policy does not keep, or that are named, are hidden. */
#include "catalog/base/date.h"
#include "catalog/base/num.h"
#include "snapshot/cmd_gc.h"
#include "snapshot/cmds.h"
#include "snapshot/forget.h"
#include "snapshot/gc.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The command line. */
struct forget_args {
	const struct cmd_env *env;
	struct forget_policy policy;
	const char **tags; /* owned: --keep-tag */
	const char **only; /* owned: -e */
	bool dry_run;
	bool gc;
	const char *name; /* DB[.TABLE] whose snapshots are named; NULL: the policy chooses */
	char **dates;     /* of these */
	size_t n_dates;   /* of these */
};

/* ---- what is printed ---- */

static void
show_item_json(const struct forget_item *item)
{
	char date[DATE_NAME];
	const char *reason;

	date_name(item->snapshot.date, date);
	/* Names are [A-Za-z0-9_-]+ and reasons are ours: nothing in them needs escaping. */
	printf("{\"event\":\"snapshot\",\"database\":\"%s\",\"table\":\"%s\",\"date\":\"%s\","
	       "\"snapshot\":%" PRId64 ",\"kept\":%s,\"reasons\":[",
	    item->table.database, item->table.name, date, item->snapshot.id,
	    item->reasons != 0 ? "true" : "false");
	for (size_t i = 0; (reason = retention_reason(item->reasons, i)) != NULL; i++)
		printf("%s\"%s\"", i > 0 ? "," : "", reason);
	printf("]}\n");
}

static void
show_item(const struct forget_item *item)
{
	char date[DATE_NAME];
	const char *reason;

	date_name(item->snapshot.date, date);
	printf("  %-6s  %s", item->reasons != 0 ? "keep" : "forget", date);
	for (size_t i = 0; (reason = retention_reason(item->reasons, i)) != NULL; i++)
		printf("%s%s", i > 0 ? ", " : "  ", reason);
	putchar('\n');
}

static void
show_plan(const struct cmd_env *env, const struct forget_plan *plan)
{
	int64_t table = 0;

	for (size_t i = 0; i < plan->n; i++) {
		const struct forget_item *item = &plan->items[i];
		if (env->json) {
			show_item_json(item);
			continue;
		}
		if (env->verbosity < 0)
			continue;
		if (item->table.id != table)
			printf("%s.%s\n", item->table.database, item->table.name);
		table = item->table.id;
		show_item(item);
	}
}

static void
show_result(const struct forget_args *a, const struct forget_plan *plan)
{
	size_t kept = plan->n - plan->forgotten;

	if (a->env->json)
		printf("{\"event\":\"forget\",\"dry_run\":%s,\"kept\":%zu,\"forgotten\":%zu}\n",
		    a->dry_run ? "true" : "false", kept, plan->forgotten);
	else if (a->env->verbosity >= 0 && a->name != NULL)
		printf(
		    "%zu snapshots%s forgotten\n", plan->forgotten, a->dry_run ? " would be" : "");
	else if (a->env->verbosity >= 0)
		printf("%zu snapshots kept, %zu%s forgotten\n", kept, plan->forgotten,
		    a->dry_run ? " would be" : "");
}

/* ---- the command line ---- */

static const struct option FORGET_LONGS[] = {{"keep-last", required_argument, NULL, RETENTION_LAST},
    {"keep-hourly", required_argument, NULL, RETENTION_HOURLY},
    {"keep-daily", required_argument, NULL, RETENTION_DAILY},
    {"keep-weekly", required_argument, NULL, RETENTION_WEEKLY},
    {"keep-monthly", required_argument, NULL, RETENTION_MONTHLY},
    {"keep-yearly", required_argument, NULL, RETENTION_YEARLY},
    {"keep-within", required_argument, NULL, 'w'}, {"keep-tag", required_argument, NULL, 't'},
    {"export", required_argument, NULL, 'e'}, {"dry-run", no_argument, NULL, 'n'},
    {"gc", no_argument, NULL, 'g'}, {NULL, 0, NULL, 0}};

/* Set one of the rules that count. Return false when ${text} is no number. */
static bool
args_rule(struct forget_args *a, int rule, const char *text)
{
	uint64_t *keep = &a->policy.rules.keep[rule];

	if (strcmp(text, "unlimited") == 0)
		*keep = RETENTION_UNLIMITED;
	else if (num_parse(text, UINT32_MAX, keep) != ERR_OK)
		return false;
	return true;
}

/* Take one option. Return -1 to go on, else an exit code. */
static int
args_option(struct forget_args *a, int c)
{
	if (c >= 0 && c < RETENTION_RULES && !args_rule(a, c, optarg))
		return cmd_usage(a->env, &cmd_forget,
		    "--%s takes a number or 'unlimited', not '%s'", FORGET_LONGS[c].name, optarg);
	switch (c) {
	case 'w':
		if (retention_span_parse(optarg, &a->policy.rules.within) != ERR_OK)
			return cmd_usage(a->env, &cmd_forget,
			    "--keep-within takes a length of time as 2y6m or 10d12h, not '%s'",
			    optarg);
		break;
	case 't':
		a->tags[a->policy.n_tags++] = optarg;
		break;
	case 'e':
		a->only[a->policy.n_only++] = optarg;
		break;
	case 'n':
		a->dry_run = true;
		break;
	case 'g':
		a->gc = true;
		break;
	case '?':
		return cmd_usage(a->env, &cmd_forget, "see thinkback forget --help");
	default:
		break;
	}
	return -1;
}

/* See that what was asked for is one thing. Return -1, or an exit code. */
static int
args_settle(struct forget_args *a, int argc, char **argv)
{
	bool policy;

	a->policy.tags = a->tags;
	a->policy.only = a->only;
	policy = retention_any(&a->policy.rules) || a->policy.n_tags > 0;
	if (optind == argc)
		return policy ? -1
			      : cmd_usage(a->env, &cmd_forget,
				    "say what to keep (--keep-daily 7), or which snapshots to "
				    "forget");
	if (policy || a->policy.n_only > 0)
		return cmd_usage(a->env, &cmd_forget,
		    "either a policy (--keep-..., -e) or named snapshots, not both");
	if (argc - optind < 2)
		return cmd_usage(
		    a->env, &cmd_forget, "name the dates to forget of %s", argv[optind]);
	a->name = argv[optind];
	a->dates = argv + optind + 1;
	a->n_dates = (size_t)(argc - optind - 1);
	return -1;
}

static int
args_read(struct forget_args *a, int argc, char **argv)
{
	int c, code = -1;

	while (code < 0 && (c = getopt_long(argc, argv, "e:n", FORGET_LONGS, NULL)) != -1)
		code = args_option(a, c);
	return code < 0 ? args_settle(a, argc, argv) : code;
}

/* ---- the whole ---- */

static int
forget_in(const struct forget_args *a, const struct repo *repo, struct catalog *cat)
{
	struct forget_plan plan;
	struct err e = {0};
	int rc = a->name != NULL ? forget_plan_named(cat, a->name, a->dates, a->n_dates, &plan, &e)
				 : forget_plan_policy(cat, &a->policy, &plan, &e);

	if (rc != ERR_OK)
		return cmd_fail(a->env, &e);
	show_plan(a->env, &plan);
	if (!a->dry_run)
		rc = forget_run(repo, cat, &plan, &e);
	if (rc == ERR_OK)
		show_result(a, &plan);
	forget_plan_finish(&plan);
	if (rc != ERR_OK)
		return cmd_fail(a->env, &e);
	return a->gc ? cmd_gc_collect(a->env, repo, cat, GC_THRESHOLD, a->dry_run) : CMD_DONE;
}

static int
forget_open(const struct forget_args *a)
{
	struct catalog *cat;
	struct repo *repo;
	struct err e = {0};
	int code, lock;

	if (!cmd_open(a->env, &cmd_forget, &repo, &code))
		return code;
	if (cmd_gc_open(repo, a->dry_run, &lock, &cat, &e) == ERR_OK) {
		code = forget_in(a, repo, cat);
		cmd_gc_close(lock, cat);
	} else {
		code = cmd_fail(a->env, &e);
	}
	repo_close(repo);
	return code;
}

static int
cmd_forget_run(const struct cmd_env *env, int argc, char **argv)
{
	struct forget_args a = {.env = env};
	struct err e = {0};
	int code;

	/* Each option has at least one word of its own. */
	a.tags = calloc((size_t)argc, sizeof(*a.tags));
	a.only = calloc((size_t)argc, sizeof(*a.only));
	if (a.tags == NULL || a.only == NULL) {
		err_nomem(&e);
		code = cmd_fail(env, &e);
	} else {
		code = args_read(&a, argc, argv);
		if (code < 0)
			code = forget_open(&a);
	}
	free(a.tags);
	free(a.only);
	return code;
}

const struct cmd cmd_forget = {
    .name = "forget",
    .synopsis = "[-n] [--gc] --keep-RULE N ... | DB[.TABLE] DATE ...",
    .summary = "hide snapshots that are no longer kept",
    .help = "Forget the snapshots of each table that no rule keeps, or those that are named.\n"
	    "They are hidden at once; thinkback gc frees their space. The newest snapshot of\n"
	    "a table, the newest that has lost nothing to damage, and pinned ones are always\n"
	    "kept, unless named (and not pinned). So is one that tells of a lost pack, for\n"
	    "good.\n"
	    "\n"
	    "      --keep-last N     the N newest snapshots of each table\n"
	    "      --keep-hourly N   of the N newest hours that have any, the newest; the\n"
	    "                        calendar is that of UTC, N may be unlimited\n"
	    "      --keep-daily N    of days\n"
	    "      --keep-weekly N   of ISO weeks, which begin on Monday\n"
	    "      --keep-monthly N  of months\n"
	    "      --keep-yearly N   of years\n"
	    "      --keep-within DURATION  as far back as this from the newest: 2y6m, 10d12h\n"
	    "      --keep-tag TAG    those with this tag; may be repeated\n"
	    "  -e, --export DB[.TABLE]  of this database or table alone; may be repeated\n"
	    "  -n, --dry-run         change nothing, tell what would be forgotten\n"
	    "      --gc              then free the space, as thinkback gc does\n",
    .run = cmd_forget_run,
};
