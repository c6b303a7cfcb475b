/* thinkback tag: words for snapshots, and pins. */
#include "catalog/base/date.h"
#include "catalog/named.h"
#include "catalog/tags.h"
#include "snapshot/cmd_gc.h"
#include "snapshot/cmds.h"
#include "snapshot/reclaim.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* What is done to which snapshots. */
struct tag {
	const struct cmd_env *env;
	struct catalog *cat;
	bool add;         /* else remove */
	const char *name; /* the tag */
	uint64_t n;       /* snapshots that were met */
};

/* ---- list ---- */

static int
tag_list_json(const struct tables_table *t, const struct snapshots_snapshot *s, struct catalog *cat,
    struct err *e)
{
	char date[DATE_NAME], tag[TAGS_NAME] = "";
	bool first = true;
	int rc;

	date_name(s->date, date);
	/* Names and tags are of characters that need no escaping. */
	printf("{\"database\":\"%s\",\"table\":\"%s\",\"date\":\"%s\",\"snapshot\":%" PRId64
	       ",\"pinned\":%s,\"tags\":[",
	    t->database, t->name, date, s->id, s->pinned ? "true" : "false");
	while ((rc = tags_next(cat, s->id, tag, tag, e)) == ERR_OK) {
		printf("%s\"%s\"", first ? "" : ",", tag);
		first = false;
	}
	printf("]}\n");
	return rc == ERR_END ? ERR_OK : rc;
}

/* Show a snapshot that is pinned or has tags. */
static int
tag_list_one(
    void *arg, const struct tables_table *t, const struct snapshots_snapshot *s, struct err *e)
{
	struct tag *g = arg;
	char date[DATE_NAME], tag[TAGS_NAME] = "";
	int rc = tags_next(g->cat, s->id, "", tag, e);

	if (rc != ERR_OK && (rc != ERR_END || !s->pinned))
		return rc == ERR_END ? ERR_OK : rc;
	g->n++;
	if (g->env->json)
		return tag_list_json(t, s, g->cat, e);
	date_name(s->date, date);
	printf("%s  %s.%s %s", date, t->database, t->name, s->pinned ? " " TAGS_PIN : "");
	for (; rc == ERR_OK; rc = tags_next(g->cat, s->id, tag, tag, e))
		printf(" %s", tag);
	putchar('\n');
	return rc == ERR_END ? ERR_OK : rc;
}

static int
tag_list(struct tag *g, const struct repo *repo, const char *only, struct err *e)
{
	int rc = catalog_open(repo, CATALOG_READ, &g->cat, e);

	if (rc == ERR_OK)
		rc = named_tables(g->cat, &only, only != NULL, tag_list_one, g, e);
	/* An empty repository has no tags, which is no failure. */
	if (rc == ERR_ABSENT && only == NULL)
		rc = ERR_OK;
	if (rc == ERR_OK && g->n == 0 && !g->env->json && g->env->verbosity >= 0)
		printf("no snapshot has a tag\n");
	catalog_close(g->cat);
	return rc;
}

/* ---- add, remove ---- */

static int
tag_change_one(
    void *arg, const struct tables_table *t, const struct snapshots_snapshot *s, struct err *e)
{
	struct tag *g = arg;

	(void)t;
	g->n++;
	if (strcmp(g->name, TAGS_PIN) == 0)
		return tags_pin(g->cat, s->id, g->add, e);
	return g->add ? tags_add(g->cat, s->id, g->name, e)
		      : tags_remove(g->cat, s->id, g->name, e);
}

/* All of it in one durable transaction. */
static int
tag_change_all(struct tag *g, const char *table, char *const *dates, struct err *e)
{
	int rc = catalog_begin(g->cat, e);

	if (rc != ERR_OK)
		return rc;
	for (; *dates != NULL && rc == ERR_OK; dates++)
		rc = named_at(g->cat, table, *dates, tag_change_one, g, e);
	if (rc == ERR_OK)
		rc = catalog_commit(g->cat, true, e);
	if (rc != ERR_OK)
		catalog_rollback(g->cat);
	return rc;
}

static int
tag_change(
    struct tag *g, const struct repo *repo, const char *table, char *const *dates, struct err *e)
{
	int lock;
	int rc = cmd_gc_open(repo, false, &lock, &g->cat, e);

	if (rc != ERR_OK)
		return rc;
	rc = tag_change_all(g, table, dates, e);
	if (rc == ERR_OK)
		rc = reclaim_leftovers(repo, g->cat, e);
	cmd_gc_close(lock, g->cat);
	if (rc == ERR_OK && g->env->json)
		printf("{\"event\":\"tag\",\"tag\":\"%s\",\"%s\":%" PRIu64 "}\n", g->name,
		    g->add ? "added" : "removed", g->n);
	else if (rc == ERR_OK && g->env->verbosity >= 0)
		printf("%s %s %" PRIu64 " snapshots\n", g->name,
		    g->add ? "added to" : "removed from", g->n);
	return rc;
}

/* ---- the command ---- */

static int
cmd_tag_run(const struct cmd_env *env, int argc, char **argv)
{
	struct tag g = {.env = env};
	const char *action;
	struct repo *repo;
	struct err e = {0};
	int code = CMD_DONE, rc;
	bool list;

	if (getopt(argc, argv, "+") != -1)
		return cmd_usage(env, &cmd_tag, "it takes no options");
	argv += optind;
	argc -= optind;
	action = argc > 0 ? argv[0] : "list";
	list = strcmp(action, "list") == 0;
	g.add = strcmp(action, "add") == 0;
	if (!list && !g.add && strcmp(action, "remove") != 0)
		return cmd_usage(env, &cmd_tag, "it is add, remove or list, not '%s'", action);
	if (list ? argc > 2 : argc < 4)
		return cmd_usage(env, &cmd_tag,
		    list ? "one database or table at a time"
			 : "a tag, a database or table, and dates are needed");
	if (!list && !tags_valid(argv[1]))
		return cmd_usage(env, &cmd_tag,
		    "'%s' is no tag: 1 to 64 letters, digits, '.', '_' and '-'", argv[1]);
	if (!cmd_open(env, &cmd_tag, &repo, &code))
		return code;
	g.name = list ? NULL : argv[1];
	rc = list ? tag_list(&g, repo, argc > 1 ? argv[1] : NULL, &e)
		  : tag_change(&g, repo, argv[2], argv + 3, &e);
	if (rc != ERR_OK)
		code = cmd_fail(env, &e);
	repo_close(repo);
	return code;
}

const struct cmd cmd_tag = {
    .name = "tag",
    .synopsis = "[list [DB[.TABLE]]] | add|remove TAG DB[.TABLE] DATE ...",
    .summary = "tag snapshots, or pin them",
    .help = "Give the snapshots of a table, or of all tables of a database, at these dates\n"
	    "a tag, or take it from them; DATE may be \"latest\". forget --keep-tag keeps\n"
	    "what has a tag. The tag \"pin\" pins: a pinned snapshot is never forgotten.\n"
	    "list shows what has tags.\n",
    .run = cmd_tag_run,
};
