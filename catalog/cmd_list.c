/* thinkback list: the snapshots of the repository. */
#include "catalog/base/date.h"
#include "catalog/base/num.h"
#include "catalog/cmd.h"
#include "catalog/snapshots.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

/* What is listed, and how. */
struct list {
	const struct cmd_env *env;
	struct catalog *cat;
	const char *only; /* "DB" or "DB.TABLE"; NULL: all */
	uint64_t shown;   /* snapshots printed */
};

static void
list_json(const struct tables_table *t, const struct snapshots_snapshot *s)
{
	char date[DATE_NAME], verified[DATE_NAME];

	date_name(s->date, date);
	date_name(s->verified, verified);
	/* Names are [A-Za-z0-9_-]+: nothing in them needs escaping. */
	printf("{\"database\":\"%s\",\"table\":\"%s\",\"date\":\"%s\",\"snapshot\":%" PRId64
	       ",\"shards\":%" PRIu64 ",\"documents\":%" PRIu64 ",\"bytes\":%" PRIu64
	       ",\"new\":%" PRIu64 ",\"changed\":%" PRIu64 ",\"deleted\":%" PRIu64
	       ",\"stored_bytes\":%" PRIu64 ",\"verified\":",
	    t->database, t->name, date, s->id, s->shards, s->documents, s->bytes, s->added,
	    s->changed, s->deleted, s->stored_bytes);
	if (s->verified != 0)
		printf("\"%s\"}\n", verified);
	else
		printf("null}\n");
}

static void
list_text(struct list *l, const struct tables_table *t, const struct snapshots_snapshot *s)
{
	char date[DATE_NAME], verified[DATE_NAME], size[2][NUM_SIZE_TEXT];
	char name[2 * TABLES_NAME];

	if (l->shown == 0)
		printf("%-20s  %-24s %11s %10s %9s %9s %9s %10s  %s\n", "DATE", "TABLE",
		    "DOCUMENTS", "SIZE", "NEW", "CHANGED", "DELETED", "STORED", "VERIFIED");
	date_name(s->date, date);
	date_name(s->verified, verified);
	snprintf(name, sizeof(name), "%s.%s", t->database, t->name);
	printf("%-20s  %-24s %11" PRIu64 " %10s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %10s  %s\n",
	    date, name, s->documents, num_size_text(s->bytes, size[0]), s->added, s->changed,
	    s->deleted, num_size_text(s->stored_bytes, size[1]),
	    s->verified != 0 ? verified : "never");
}

static int
list_table(struct list *l, const struct tables_table *t, struct err *e)
{
	struct snapshots_snapshot s = {0};
	int rc;

	if (!tables_match(&l->only, l->only != NULL, t->database, t->name))
		return ERR_OK;
	while ((rc = snapshots_next(l->cat, t->id, s.id, &s, e)) == ERR_OK) {
		if (l->env->json)
			list_json(t, &s);
		else
			list_text(l, t, &s);
		l->shown++;
	}
	return rc == ERR_END ? ERR_OK : rc;
}

static int
list_all(struct list *l, struct err *e)
{
	struct tables_database d = {0};
	int rc;

	while ((rc = tables_database_next(l->cat, d.name, &d, e)) == ERR_OK) {
		struct tables_table t = {0};
		while ((rc = tables_next(l->cat, d.id, t.name, &t, e)) == ERR_OK)
			if ((rc = list_table(l, &t, e)) != ERR_OK)
				return rc;
		if (rc != ERR_END)
			return rc;
	}
	return rc == ERR_END ? ERR_OK : rc;
}

static int
cmd_list_run(const struct cmd_env *env, int argc, char **argv)
{
	struct list l = {.env = env};
	struct repo *repo;
	struct err e = {0};
	int code = CMD_DONE;
	int rc;

	if (getopt(argc, argv, "+") != -1)
		return cmd_usage(env, &cmd_list, "it takes no options");
	if (argc - optind > 1)
		return cmd_usage(env, &cmd_list, "one database or table at a time");
	l.only = argv[optind];
	if (!cmd_open(env, &cmd_list, &repo, &code))
		return code;
	rc = catalog_open(repo, CATALOG_READ, &l.cat, &e);
	if (rc == ERR_OK)
		rc = list_all(&l, &e);
	if (rc != ERR_OK)
		code = cmd_fail(env, &e);
	else if (l.shown == 0 && l.only != NULL) {
		cmd_error(env, "there are no snapshots of %s", l.only);
		code = CMD_FAILED;
	} else if (l.shown == 0 && !env->json && env->verbosity >= 0)
		printf("no snapshots yet; take some with: thinkback snapshot ARCHIVE.tar.gz\n");
	catalog_close(l.cat);
	repo_close(repo);
	return code;
}

const struct cmd cmd_list = {
    .name = "list",
    .synopsis = "[DB[.TABLE]]",
    .summary = "list snapshots",
    .help = "List the snapshots of each table, oldest first: date (UTC), documents, their\n"
	    "size, what was new, changed and deleted against the snapshot before, the bytes\n"
	    "stored for it, and when check --read-data last found it whole.\n",
    .run = cmd_list_run,
};
