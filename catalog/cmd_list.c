/* thinkback list: the snapshots of the repository, and what a run saved besides. */
#include "catalog/base/date.h"
#include "catalog/base/num.h"
#include "catalog/cmd.h"
#include "catalog/runs.h"
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
	       ",\"stored_bytes\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"verified\":",
	    t->database, t->name, date, s->id, s->shards, s->documents, s->bytes, s->added,
	    s->changed, s->deleted, s->stored_bytes, s->lost);
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
	printf("%-20s  %-24s %11" PRIu64 " %10s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %10s  %s",
	    date, name, s->documents, num_size_text(s->bytes, size[0]), s->added, s->changed,
	    s->deleted, num_size_text(s->stored_bytes, size[1]),
	    s->verified != 0 ? verified : "never");
	if (s->lost != 0)
		printf("  LOST %" PRIu64 " OR MORE", s->lost);
	putchar('\n');
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

/* ---- the record of a run ---- */

#define RECORD_DEPTH 2 /* down to here a value has a line of its own */

static void
record_line(unsigned depth)
{
	printf("\n%*s", (int)(2 * depth), "");
}

/* Print canonical JSON so that a list has a line for each of its rows. */
static void
record_print(const struct buf *record)
{
	unsigned depth = 0;
	bool string = false;

	for (size_t i = 0; i < record->len; i++) {
		char c = (char)record->data[i];
		char before = i > 0 ? (char)record->data[i - 1] : ' ';
		bool open = !string && (c == '{' || c == '['),
		     close = !string && (c == '}' || c == ']');
		if (close && depth-- <= RECORD_DEPTH && before != '{' && before != '[')
			record_line(depth);
		putchar(c);
		if (open && ++depth <= RECORD_DEPTH && i + 1 < record->len &&
		    record->data[i + 1] != '}' && record->data[i + 1] != ']')
			record_line(depth);
		else if (!string && c == ',' && depth <= RECORD_DEPTH)
			record_line(depth);
		if (string && c == '\\' && i + 1 < record->len)
			putchar(record->data[++i]);
		else if (c == '"')
			string = !string;
	}
	putchar('\n');
}

static void
record_show(const struct list *l, const struct runs_run *run, const struct buf *source,
    const struct buf *record)
{
	char date[DATE_NAME];
	struct buf name = {0};

	date_name(run->date, date);
	if (!l->env->json) {
		printf("%s %.*s\n", date, (int)source->len, (const char *)source->data);
		record_print(record);
	} else if (cmd_json_string(&name, (const char *)source->data) == ERR_OK &&
		   buf_str(&name) != NULL) {
		printf("{\"date\":\"%s\",\"run\":%" PRId64 ",\"source\":%s,\"record\":", date,
		    run->id, (const char *)name.data);
		fwrite(record->data, 1, record->len, stdout);
		printf("}\n");
	}
	buf_finish(&name);
}

/* Show the newest record that is not newer than ${date}. */
static int
list_record(struct list *l, int64_t date, struct err *e)
{
	struct buf source = {0}, record = {0};
	struct runs_run run;
	int rc = runs_recorded(l->cat, date, &run, e);

	if (rc == ERR_ABSENT)
		return err_set(e, rc,
		    "no snapshot has a record of a server: only those that are taken of a server "
		    "have one");
	if (rc == ERR_OK)
		rc = snapshots_run_source(l->cat, run.id, &source, e);
	if (rc == ERR_OK)
		rc = runs_record(l->cat, run.id, &record, e);
	if (rc == ERR_OK && buf_str(&source) == NULL)
		rc = err_nomem(e);
	if (rc == ERR_OK)
		record_show(l, &run, &source, &record);
	buf_finish(&source);
	buf_finish(&record);
	return rc;
}

/* ---- the command ---- */

/* Show what there is; return the exit code. */
static int
list_show(struct list *l, bool record, int64_t date)
{
	struct err e = {0};
	int rc = record ? list_record(l, date, &e) : list_all(l, &e);

	if (rc != ERR_OK)
		return cmd_fail(l->env, &e);
	if (!record && l->shown == 0 && l->only != NULL) {
		cmd_error(l->env, "there are no snapshots of %s", l->only);
		return CMD_FAILED;
	}
	if (!record && l->shown == 0 && !l->env->json && l->env->verbosity >= 0)
		printf("no snapshots yet; take some with: thinkback snapshot ARCHIVE.tar.gz\n");
	return CMD_DONE;
}

static int
cmd_list_run(const struct cmd_env *env, int argc, char **argv)
{
	static const struct option longs[] = {
	    {"record", no_argument, NULL, 'r'}, {NULL, 0, NULL, 0}};
	struct list l = {.env = env};
	struct repo *repo;
	struct err e = {0};
	int64_t date = INT64_MAX;
	bool record = false;
	int code = CMD_DONE;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'r')
			return cmd_usage(env, &cmd_list, "see thinkback list --help");
		record = true;
	}
	if (argc - optind > 1)
		return cmd_usage(env, &cmd_list,
		    record ? "one date at a time" : "one database or table at a time");
	l.only = argv[optind];
	if (record && l.only != NULL && date_parse(l.only, &date) != ERR_OK)
		return cmd_usage(
		    env, &cmd_list, "\"%s\" is no date; write it as 2026-11-18T03:00:00Z", l.only);
	if (!cmd_open(env, &cmd_list, &repo, &code))
		return code;
	code = catalog_open(repo, CATALOG_READ, &l.cat, &e) == ERR_OK ? list_show(&l, record, date)
								      : cmd_fail(env, &e);
	catalog_close(l.cat);
	repo_close(repo);
	return code;
}

const struct cmd cmd_list = {
    .name = "list",
    .synopsis = "[DB[.TABLE]] | --record [DATE]",
    .summary = "list snapshots",
    .help = "List the snapshots of each table, oldest first: date (UTC), documents, their\n"
	    "size, what was new, changed and deleted against the snapshot before, the bytes\n"
	    "stored for it, and when check --read-data last found it whole. LOST tells of\n"
	    "documents that damage has taken from it: what is shown of it is not all.\n"
	    "\n"
	    "      --record          show the record of the newest run of a server (not newer\n"
	    "                        than DATE): its users, permissions and configuration\n",
    .run = cmd_list_run,
};
