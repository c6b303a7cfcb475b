/* thinkback snapshot: take snapshots of archives, directories and servers. */
#include "catalog/base/date.h"
#include "catalog/base/num.h"
#include "snapshot/capture.h"
#include "snapshot/cmd_password.h"
#include "snapshot/cmds.h"
#include "snapshot/rdb/address.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SNAPSHOT_CLIENTS 3 /* connections to a server, as of rethinkdb dump */

/* A source of the command line. */
struct job {
	const char *path;
	size_t run;   /* which of its dates */
	int64_t date; /* seconds */
};

/* The command's own state. */
struct snapshot {
	const struct cmd_env *env;
	struct capture *capture;
	struct capture_options options;
	const char **only;           /* -e, owned */
	struct source_server server; /* how to read servers */
	const char *password_file;   /* --password-file; NULL: not given */
	bool password_ask;           /* -p */
	struct log log;              /* what servers tell, around the progress bar */
	struct buf password;         /* wiped at the end */
	struct job *jobs;            /* owned */
	size_t n_jobs;
	struct cmd_progress progress;
	const char *source;                 /* label of the one at work */
	bool live;                          /* it is a server */
	char storing[2 * TABLES_NAME + 16]; /* what the progress bar says while a table is stored */
	const struct capture_result *result; /* of the run at work */
	bool headed;                         /* its heading is printed */
	bool *matched;                       /* of only[]: some source has it; owned */
	bool taken, failed;                  /* some tables were; something was not */
	bool unread;                         /* not all of every source was read */
};

/* ---- output ---- */

static void
show_reading(void *arg, uint64_t done, uint64_t total, uint64_t documents)
{
	struct snapshot *s = arg;

	if (s->progress.label != s->source)
		cmd_progress_start(&s->progress, s->env, s->source);
	s->progress.counted = s->live;
	cmd_progress_show(&s->progress, done, total, documents, "documents");
}

static void
show_storing(void *arg, const char *database, const char *table, uint64_t done, uint64_t total,
    uint64_t documents)
{
	struct snapshot *s = arg;

	if (s->progress.label != s->storing || documents == 0) {
		snprintf(s->storing, sizeof(s->storing), "storing %s.%s", database, table);
		cmd_progress_start(&s->progress, s->env, s->storing);
	}
	cmd_progress_show(&s->progress, done, total, documents, "documents");
}

/* A line of the log takes the place of the progress bar, which is drawn again below it. */
static void
show_log(void *arg, enum log_level level, const char *text)
{
	struct snapshot *s = arg;
	bool on = s->progress.on;

	cmd_progress_end(&s->progress);
	s->progress.on = on;
	log_line(&s->env->log, level, "%s", text);
}

static void
print_json(const char *event, const char *database, const char *table, const char *tail)
{
	/* Names are [A-Za-z0-9_-]+: nothing in them needs escaping. */
	printf("{\"event\":\"%s\",\"database\":\"%s\",\"table\":\"%s\",%s}\n", event, database,
	    table, tail);
}

/* The date of the run at work, in ${out}. */
static const char *
show_date(const struct snapshot *s, char out[DATE_NAME])
{
	date_name(s->result->date, out);
	return out;
}

static void
show_table(void *arg, const char *database, const char *table, const struct snapshots_snapshot *t)
{
	struct snapshot *s = arg;
	char date[DATE_NAME], size[NUM_SIZE_TEXT], text[512];

	cmd_progress_end(&s->progress);
	if (s->env->json) {
		snprintf(text, sizeof(text),
		    "\"date\":\"%s\",\"snapshot\":%" PRId64 ",\"shards\":%" PRIu64
		    ",\"documents\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"new\":%" PRIu64
		    ",\"changed\":%" PRIu64 ",\"deleted\":%" PRIu64 ",\"stored_bytes\":%" PRIu64,
		    show_date(s, date), t->id, t->shards, t->documents, t->bytes, t->added,
		    t->changed, t->deleted, t->stored_bytes);
		print_json("table", database, table, text);
		return;
	}
	if (s->env->verbosity < 0)
		return;
	if (!s->headed)
		printf("%s  %s\n", show_date(s, date), s->source);
	s->headed = true;
	snprintf(text, sizeof(text), "%s.%s", database, table);
	printf("  %-24s %9" PRIu64 " documents, %" PRIu64 " new, %" PRIu64 " changed, %" PRIu64
	       " deleted, %s stored\n",
	    text, t->documents, t->added, t->changed, t->deleted,
	    num_size_text(t->stored_bytes, size));
}

static void
show_restored(void *arg, const char *text)
{
	struct snapshot *s = arg;
	struct buf line = {0};

	cmd_progress_end(&s->progress);
	if (!s->env->json && s->env->verbosity >= 0)
		printf("  %s\n", text);
	if (s->env->json && cmd_json_string(&line, text) == ERR_OK && buf_str(&line) != NULL)
		printf("{\"event\":\"repaired\",\"text\":%s}\n", (const char *)line.data);
	buf_finish(&line);
}

static void
show_failed(void *arg, const char *database, const char *table, const struct err *e)
{
	struct snapshot *s = arg;
	char date[DATE_NAME];
	struct buf text = {0};

	cmd_progress_end(&s->progress);
	s->failed = true;
	cmd_error(s->env, "%s.%s not taken: %s", database, table, e->text);
	if (s->env->json &&
	    buf_printf(&text, "\"date\":\"%s\",\"error\":", show_date(s, date)) == ERR_OK &&
	    cmd_json_string(&text, e->text) == ERR_OK && buf_str(&text) != NULL)
		print_json("failed", database, table, (const char *)text.data);
	buf_finish(&text);
}

static void
show_run(struct snapshot *s, const struct capture_result *r)
{
	char date[DATE_NAME];
	struct buf source = {0};

	if (s->env->json && cmd_json_string(&source, s->source) == ERR_OK &&
	    buf_str(&source) != NULL)
		printf("{\"event\":\"run\",\"source\":%s,\"date\":\"%s\",\"already\":%s,\"tables\":"
		       "%" PRIu64 ",\"failed\":%" PRIu64 ",\"documents\":%" PRIu64
		       ",\"new_versions\":%" PRIu64 ",\"stored_bytes\":%" PRIu64 "}\n",
		    (const char *)source.data, show_date(s, date), r->already ? "true" : "false",
		    r->tables, r->failed, r->documents, r->new_versions, r->stored_bytes);
	else if (!s->env->json && r->already && s->env->verbosity >= 0)
		printf("%s  %s is in the repository already\n", show_date(s, date), s->source);
	buf_finish(&source);
}

/* ---- jobs ---- */

static int
job_compare(const void *a, const void *b)
{
	const struct job *x = a, *y = b;

	if (x->date != y->date)
		return x->date < y->date ? -1 : 1;
	return strcmp(x->path, y->path);
}

static int
job_open(const struct snapshot *s, const char *path, struct source **out, struct err *e)
{
	int rc;

	if (source_is_server(path))
		return source_open_server(path, &s->server, out, e);
	rc = source_open(path, out, e);
	if (rc == ERR_OK)
		source_set_stop(*out, s->options.stop);
	return rc;
}

/* ${path} as texts show it: of an address not what may be a password. */
static const char *
job_name(const char *path, char shown[ADDRESS_SHOWN])
{
	return source_is_server(path) ? address_shown(path, shown) : path;
}

/* Whether ${path} and the options make sense together. */
static int
job_check(const struct snapshot *s, const char *path, struct err *e)
{
	struct address address;
	int rc = source_is_server(path) ? address_parse(path, &address, e) : ERR_OK;

	if (rc == ERR_OK && source_is_server(path) && s->options.has_date)
		return err_set(e, ERR_ARG,
		    "%s: --at is for archives; a snapshot of a server is of the time it is taken "
		    "at",
		    address.name);
	return rc;
}

/* Put every date of the source ${path} on the list. */
static int
jobs_add(struct snapshot *s, const char *path, struct err *e)
{
	struct source *source;
	struct job *jobs;
	size_t n;
	int rc = job_check(s, path, e);

	if (rc == ERR_OK)
		rc = job_open(s, path, &source, e);
	if (rc != ERR_OK)
		return rc;
	n = source_runs(source);
	jobs = realloc(s->jobs, (s->n_jobs + n) * sizeof(*jobs));
	if (jobs == NULL) {
		source_close(source);
		return err_nomem(e);
	}
	s->jobs = jobs;
	for (size_t i = 0; i < n; i++) {
		struct source_run run = source_run(source, i);
		jobs[s->n_jobs++] = (struct job){path, i,
		    s->options.has_date ? s->options.date
		    : run.dated         ? run.date
					: INT64_MAX};
	}
	if (s->options.has_date && n > 1)
		rc = err_set(e, ERR_ARG, "%s holds %zu dates: --at cannot give them one", path, n);
	source_close(source);
	return rc;
}

static int
job_run(struct snapshot *s, const struct job *job, struct err *e)
{
	struct capture_result result = {0};
	struct source *source;
	char shown[ADDRESS_SHOWN];
	int rc = job_open(s, job->path, &source, e);

	if (rc != ERR_OK) {
		s->unread = true;
		return rc;
	}
	s->source = source_label(source);
	s->live = source_kind_of(source) == SOURCE_LIVE;
	s->headed = false;
	s->result = &result;
	cmd_progress_start(&s->progress, s->env, s->source);
	rc = capture_run(s->capture, source, job->run, &s->options, &result, e);
	cmd_progress_end(&s->progress);
	s->unread = s->unread || rc != ERR_OK;
	if (rc == ERR_OK || result.tables > 0)
		show_run(s, &result);
	if (rc == ERR_OK && result.tables == 0 && result.failed == 0 && !result.already)
		rc = err_set(e, ERR_ABSENT, "%s holds no table%s", job_name(job->path, shown),
		    s->options.n_only > 0 ? " that was asked for" : "");
	s->taken = s->taken || result.tables > 0 || result.already;
	s->result = NULL;
	source_close(source);
	return rc;
}

/* ---- the command ---- */

/* Take one option. Return false when it is bad, said already. */
static bool
read_option(struct snapshot *s, int c)
{
	uint64_t n;

	switch (c) {
	case 'a':
		s->options.has_date = true;
		if (date_parse(optarg, &s->options.date) == ERR_OK)
			return true;
		cmd_usage(s->env, &cmd_snapshot,
		    "\"%s\" is no date; write it as 2026-11-18T03:00:00Z", optarg);
		return false;
	case 'e':
		s->only[s->options.n_only++] = optarg;
		return true;
	case 'u':
		s->server.user = optarg;
		return true;
	case 'p':
		s->password_ask = true;
		return true;
	case 'P':
		s->password_file = optarg;
		return true;
	case 't':
		s->server.tls_ca = optarg;
		return true;
	case 'C':
		s->server.tls_cert = optarg;
		return true;
	case 'K':
		s->server.tls_key = optarg;
		return true;
	case 'o':
		s->server.read_outdated = true;
		return true;
	case 's':
		s->server.consistent = true;
		return true;
	case 'c':
		if (num_parse(optarg, SOURCE_CLIENTS_MAX, &n) == ERR_OK && n > 0) {
			s->server.clients = (unsigned)n;
			return true;
		}
		cmd_usage(s->env, &cmd_snapshot, "--clients takes 1 to %d, not \"%s\"",
		    SOURCE_CLIENTS_MAX, optarg);
		return false;
	case 'm':
		if (num_parse(optarg, 1000000000, &s->server.max_rate) == ERR_OK &&
		    s->server.max_rate > 0)
			return true;
		cmd_usage(s->env, &cmd_snapshot, "--max-rate takes documents a second, not \"%s\"",
		    optarg);
		return false;
	default:
		cmd_usage(s->env, &cmd_snapshot, "see thinkback snapshot --help");
		return false;
	}
}

static int
read_options(struct snapshot *s, int argc, char **argv)
{
	static const struct option longs[] = {{"at", required_argument, NULL, 'a'},
	    {"export", required_argument, NULL, 'e'}, {"user", required_argument, NULL, 'u'},
	    {"password", no_argument, NULL, 'p'}, {"password-file", required_argument, NULL, 'P'},
	    {"tls-cert", required_argument, NULL, 't'},
	    {"tls-client-cert", required_argument, NULL, 'C'},
	    {"tls-client-key", required_argument, NULL, 'K'},
	    {"read-outdated", no_argument, NULL, 'o'}, {"max-rate", required_argument, NULL, 'm'},
	    {"clients", required_argument, NULL, 'c'}, {"consistent", no_argument, NULL, 's'},
	    {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "e:u:p", longs, NULL)) != -1)
		if (!read_option(s, c))
			return CMD_USAGE;
	if (optind == argc)
		return cmd_usage(s->env, &cmd_snapshot, "name an archive, a directory or a server");
	if (s->password_ask && s->password_file != NULL)
		return cmd_usage(
		    s->env, &cmd_snapshot, "-p and --password-file exclude each other");
	if (s->server.consistent && s->server.read_outdated)
		return cmd_usage(s->env, &cmd_snapshot,
		    "--consistent and --read-outdated exclude each other: only primaries know all "
		    "changes");
	return CMD_DONE;
}

/* Fetch the password from where the options say. */
static int
read_password(struct snapshot *s)
{
	struct err e = {0};
	int rc = ERR_OK;

	if (s->password_file != NULL)
		rc = cmd_password_file(s->password_file, &s->password, &e);
	else if (s->password_ask)
		rc = cmd_password_ask(&s->password, &e);
	s->server.password = s->password.data;
	s->server.password_len = s->password.len;
	return rc == ERR_OK ? CMD_DONE : cmd_fail(s->env, &e);
}

/*
 * Whether ${rc} is the fault of one source, so that the next one can be taken. After anything else,
 * as a full disk, going on would leave a gap in the dates that could not be filled afterwards.
 */
static bool
job_source_fault(int rc)
{
	switch (rc) {
	case ERR_ABSENT:
	case ERR_FORMAT:
	case ERR_KEY:
	case ERR_LIMIT:
	case ERR_ORDER:
	case ERR_TRUNCATED:
		return true;
	default:
		return false;
	}
}

/* Put all dates of all sources on the list, in their order. */
static void
list_jobs(struct snapshot *s, char **paths)
{
	struct err e = {0};

	for (char **p = paths; *p != NULL; p++) {
		if (jobs_add(s, *p, &e) == ERR_OK)
			continue;
		cmd_fail(s->env, &e);
		s->failed = true;
		s->unread = true;
	}
	if (s->n_jobs > 0)
		qsort(s->jobs, s->n_jobs, sizeof(*s->jobs), job_compare);
}

/* Do what is on the list. Return whether all of it was looked at. */
static bool
do_jobs(struct snapshot *s)
{
	struct err e = {0};
	char shown[ADDRESS_SHOWN];
	int rc = ERR_OK;

	for (size_t i = 0; i < s->n_jobs && (rc == ERR_OK || job_source_fault(rc)); i++) {
		rc = cmd_stop != 0 ? err_set(&e, ERR_INTR, "interrupted before %s was taken",
					 job_name(s->jobs[i].path, shown))
				   : job_run(s, &s->jobs[i], &e);
		if (rc == ERR_OK)
			continue;
		cmd_fail(s->env, &e);
		s->failed = true;
	}
	return rc == ERR_OK || job_source_fault(rc);
}

/* Say which names of -e no source has. When none has any of them, each source was reported. */
static void
show_unmatched(struct snapshot *s)
{
	const char *sources = s->unread ? "no source that could be read" : "no source";
	size_t n = 0;
	struct err e = {0};

	for (size_t i = 0; i < s->options.n_only; i++)
		n += s->matched[i];
	for (size_t i = 0; i < s->options.n_only && n > 0; i++) {
		const char *name = s->options.only[i];
		if (s->matched[i])
			continue;
		err_set(&e, ERR_ABSENT, "%s has a table %s%s", sources,
		    strchr(name, '.') == NULL ? "in a database " : "", name);
		cmd_fail(s->env, &e);
		s->failed = true;
	}
}

static int
run_jobs(struct snapshot *s, const struct repo *repo, char **paths)
{
	struct err e = {0};

	list_jobs(s, paths);
	if (s->n_jobs > 0 && capture_open(repo, &s->env->log, &s->capture, &e) != ERR_OK)
		return cmd_fail(s->env, &e);
	s->server.cuts = capture_cuts;
	s->server.cuts_arg = s->capture;
	if (do_jobs(s))
		show_unmatched(s);
	capture_close(s->capture);
	if (!s->failed)
		return CMD_DONE;
	return s->taken ? CMD_PARTIAL : CMD_FAILED;
}

static int
cmd_snapshot_run(const struct cmd_env *env, int argc, char **argv)
{
	struct snapshot s = {.env = env};
	struct repo *repo;
	int code;

	s.only = calloc((size_t)argc, sizeof(*s.only));
	s.matched = calloc((size_t)argc, sizeof(*s.matched));
	if (s.only == NULL || s.matched == NULL) {
		free(s.matched);
		free(s.only);
		return cmd_fail(env, &(struct err){.code = ERR_NOMEM});
	}
	s.options = (struct capture_options){.only = s.only,
	    .matched = s.matched,
	    .stop = &cmd_stop,
	    .log = &env->log,
	    .reading = show_reading,
	    .storing = show_storing,
	    .table_done = show_table,
	    .table_failed = show_failed,
	    .restored = show_restored,
	    .arg = &s};
	s.log = (struct log){.line = show_log, .arg = &s, .most = env->log.most};
	s.server = (struct source_server){
	    .record = true, .clients = SNAPSHOT_CLIENTS, .stop = &cmd_stop, .log = &s.log};
	code = read_options(&s, argc, argv);
	s.server.only = s.only;
	s.server.n_only = s.options.n_only;
	if (code == CMD_DONE)
		code = read_password(&s);
	if (code == CMD_DONE && cmd_open(env, &cmd_snapshot, &repo, &code)) {
		cmd_catch_signals();
		code = run_jobs(&s, repo, argv + optind);
		repo_close(repo);
	}
	cmd_password_forget(&s.password);
	free(s.jobs);
	free(s.matched);
	free(s.only);
	return code;
}

const struct cmd cmd_snapshot = {
    .name = "snapshot",
    .synopsis = "[--at DATE] [-e DB[.TABLE]] [OPTION ...] SOURCE ...",
    .summary = "take snapshots",
    .help = "Take a snapshot of every table in each SOURCE; several are taken oldest first.\n"
	    "Only documents that are new or have changed are stored.\n"
	    "\n"
	    "SOURCE is a server (rethinkdb://[USER@]HOST[:PORT]), an archive of rethinkdb\n"
	    "dump (.tar.gz), a directory of rethinkdb export, or a tree of documents copied\n"
	    "from a mount.\n"
	    "\n"
	    "      --at DATE        date of the snapshots, instead of the one that SOURCE has\n"
	    "                       in its name: 2026-11-18T03:00:00Z; without Z local time\n"
	    "  -e, --export DB[.TABLE]\n"
	    "                       take this database or table alone; may be repeated\n"
	    "\n"
	    "Of servers; thinkback-rethinkdb(7) tells which permissions are needed:\n"
	    "  -u, --user USER      log in as USER (default: admin)\n"
	    "  -p, --password       ask for the password on the terminal\n"
	    "      --password-file FILE\n"
	    "                       read the password from the first line of FILE\n"
	    "      --tls-cert CAFILE\n"
	    "                       use TLS, and trust the certificates in CAFILE\n"
	    "      --tls-client-cert FILE, --tls-client-key FILE\n"
	    "                       certificate and key for a server that wants them\n"
	    "      --clients N      connections that a large table is read over (default: 3)\n"
	    "      --consistent     take each table as it is at one moment, not as it changes\n"
	    "                       while it is read\n"
	    "      --read-outdated  let any replica answer, to spare the primaries\n"
	    "      --max-rate DOCS/S\n"
	    "                       read no more documents a second than this\n"
	    "\n"
	    "Exit status: 0 done, 1 nothing was taken, 3 some tables were not taken.\n",
    .run = cmd_snapshot_run,
};
