/* thinkback export: write an archive that rethinkdb restore reads. */
#include "catalog/base/date.h"
#include "catalog/base/newfile.h"
#include "catalog/base/num.h"
#include "snapshot/cmds.h"
#include "snapshot/export.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The command's own state. */
struct export_view {
	const struct cmd_env *env;
	struct export_options options;
	const char **only; /* -e, owned */
	bool overwrite;    /* --overwrite-file */
	FILE *out;         /* where the report goes: stderr when the archive goes to stdout */
	struct cmd_progress progress;
};

static void
show_progress(void *arg, uint64_t done, uint64_t total, uint64_t documents)
{
	struct export_view *v = arg;

	cmd_progress_show(&v->progress, done, total, documents, "documents");
}

static void
show_table(void *arg, const struct selection_item *item)
{
	struct export_view *v = arg;
	char date[DATE_NAME], size[NUM_SIZE_TEXT], name[2 * TABLES_NAME];

	cmd_progress_end(&v->progress);
	date_name(item->snapshot.date, date);
	snprintf(name, sizeof(name), "%s.%s", item->table.database, item->table.name);
	if (v->env->json)
		fprintf(v->out,
		    "{\"event\":\"table\",\"database\":\"%s\",\"table\":\"%s\",\"date\":\"%s\","
		    "\"documents\":%" PRIu64 ",\"bytes\":%" PRIu64 "}\n",
		    item->table.database, item->table.name, date, item->snapshot.documents,
		    item->snapshot.bytes);
	else if (v->env->verbosity >= 0)
		fprintf(v->out, "  %-24s %s %9" PRIu64 " documents, %s\n", name, date,
		    item->snapshot.documents, num_size_text(item->snapshot.bytes, size));
	cmd_progress_start(&v->progress, v->env, "export");
}

static int
read_options(struct export_view *v, int argc, char **argv)
{
	static const struct option longs[] = {{"at", required_argument, NULL, 'a'},
	    {"export", required_argument, NULL, 'e'}, {"overwrite-file", no_argument, NULL, 'o'},
	    {NULL, 0, NULL, 0}};
	struct selection_options *select = &v->options.select;
	int c;

	while ((c = getopt_long(argc, argv, "e:", longs, NULL)) != -1) {
		switch (c) {
		case 'a':
			if (date_parse(optarg, &select->date) != ERR_OK)
				return cmd_usage(v->env, &cmd_export,
				    "\"%s\" is no date; write it as 2026-11-18T03:00:00Z", optarg);
			select->has_date = true;
			break;
		case 'e':
			v->only[select->n_only++] = optarg;
			break;
		case 'o':
			v->overwrite = true;
			break;
		default:
			return cmd_usage(v->env, &cmd_export, "see thinkback export --help");
		}
	}
	if (argc - optind != 1)
		return cmd_usage(v->env, &cmd_export, "name one file, or - for standard output");
	return CMD_DONE;
}

/* Write under a temporary name, and give the file its own when it is whole and durable. */
static int
export_file(struct export_view *v, const struct repo *repo, const char *path, struct err *e)
{
	struct newfile file;
	struct stat st;
	int rc;

	/* Said before the work; placing the file sees what comes in the meantime. */
	if (!v->overwrite && lstat(path, &st) == 0)
		return err_set(e, ERR_EXISTS, "%s exists; --overwrite-file replaces it", path);
	rc = newfile_open(&file, path, e);
	if (rc != ERR_OK)
		return rc;
	rc = export_archive(repo, file.fd, &v->options, e);
	if (rc == ERR_OK)
		rc = newfile_place(&file, v->overwrite, e);
	if (rc == ERR_EXISTS)
		err_set(e, rc, "%s exists; --overwrite-file replaces it", path);
	newfile_close(&file);
	return rc;
}

static int
run_export(struct export_view *v, const struct repo *repo, const char *path)
{
	struct err e = {0};
	int rc;

	v->out = stdout;
	cmd_catch_signals();
	cmd_progress_start(&v->progress, v->env, "export");
	if (strcmp(path, "-") != 0) {
		rc = export_file(v, repo, path, &e);
	} else if (isatty(STDOUT_FILENO)) {
		rc = err_set(
		    &e, ERR_ARG, "an archive is not for a terminal; redirect standard output");
	} else {
		v->out = stderr;
		rc = export_archive(repo, STDOUT_FILENO, &v->options, &e);
	}
	cmd_progress_end(&v->progress);
	return rc == ERR_OK ? CMD_DONE : cmd_fail(v->env, &e);
}

static int
cmd_export_run(const struct cmd_env *env, int argc, char **argv)
{
	struct export_view v = {.env = env};
	struct repo *repo;
	int code;

	v.only = calloc((size_t)argc, sizeof(*v.only));
	if (v.only == NULL)
		return cmd_fail(env, &(struct err){.code = ERR_NOMEM});
	v.options = (struct export_options){.select.only = v.only,
	    .stop = &cmd_stop,
	    .progress = show_progress,
	    .table_done = show_table,
	    .arg = &v};
	code = read_options(&v, argc, argv);
	if (code == CMD_DONE && cmd_open(env, &cmd_export, &repo, &code)) {
		code = run_export(&v, repo, argv[optind]);
		repo_close(repo);
	}
	free(v.only);
	return code;
}

const struct cmd cmd_export = {
    .name = "export",
    .synopsis = "[--at DATE] [-e DB[.TABLE]] [OPTION ...] FILE.tar.gz",
    .summary = "write an archive that rethinkdb restore reads",
    .help = "Write the newest snapshot of every table to an archive in the form of rethinkdb\n"
	    "dump, comparing every document with its digest. FILE - is standard output.\n"
	    "\n"
	    "      --at DATE         the newest snapshots that are not newer than DATE\n"
	    "  -e, --export DB[.TABLE]\n"
	    "                        this database or table alone; may be repeated\n"
	    "      --overwrite-file  replace FILE if it exists\n",
    .run = cmd_export_run,
};
