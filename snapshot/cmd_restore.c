/* thinkback restore: put whole snapshots back, into a server or a directory. */
#include "catalog/base/date.h"
#include "catalog/base/num.h"
#include "snapshot/cmd_password.h"
#include "snapshot/cmds.h"
#include "snapshot/json/canon.h"
#include "snapshot/json/jsonkey.h"
#include "snapshot/restore.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The command's own state. */
struct restore_view {
	const struct cmd_env *env;
	struct restore_options options;
	const char **only;         /* -e, owned */
	const char *key_text;      /* --key; NULL: not given */
	struct key key;            /* the same */
	const char *password_file; /* --password-file; NULL: not given */
	bool password_ask;         /* -p */
	struct buf password;       /* wiped at the end */
	struct cmd_progress progress;
	const char *what;                 /* what is being done to the table at hand */
	const struct restore_table *at;   /* that table */
	char label[2 * TABLES_NAME + 16]; /* of the progress bar */
};

/* ---- output ---- */

static void
show_progress(
    void *arg, const char *what, const struct restore_table *t, uint64_t done, uint64_t total)
{
	struct restore_view *v = arg;

	if (v->what != what || v->at != t) {
		cmd_progress_end(&v->progress);
		snprintf(v->label, sizeof(v->label), "%s %s.%s", what, t->database, t->name);
		cmd_progress_start(&v->progress, v->env, v->label);
		v->progress.counted = true;
		v->what = what;
		v->at = t;
	}
	cmd_progress_show(&v->progress, done, total, done,
	    strcmp(what, "indexing") == 0 ? "percent" : "documents");
}

/* What a restore does to a document in that state. */
static const char *
state_name(const struct restore_view *v, enum compare_state state)
{
	if (state == COMPARE_MISSING)
		return "write";
	if (state == COMPARE_CHANGED)
		return "change";
	return v->options.exact ? "delete" : "keep";
}

static void
show_found(
    void *arg, const struct restore_table *t, enum compare_state state, const struct key *key)
{
	struct restore_view *v = arg;
	struct buf text = {0};

	if (v->env->verbosity <= 0)
		return;
	cmd_progress_end(&v->progress);
	v->what = NULL;
	if (jsonkey_write(key, &text) == ERR_OK && buf_str(&text) != NULL && v->env->json)
		printf("{\"event\":\"%s\",\"database\":\"%s\",\"table\":\"%s\",\"key\":%s}\n",
		    state_name(v, state), t->database, t->name, (const char *)text.data);
	else if (buf_str(&text) != NULL)
		printf("%-6s %s.%s %s\n", state_name(v, state), t->database, t->name,
		    (const char *)text.data);
	buf_finish(&text);
}

static void
print_json(const struct restore_view *v, const struct restore_table *t, const struct err *e)
{
	const uint64_t *n = t->compared.count;
	char date[DATE_NAME];
	struct buf text = {0};

	date_name(t->item->snapshot.date, date);
	/* Names are [A-Za-z0-9_-]+: nothing in them needs escaping. */
	printf("{\"event\":\"%s\",\"database\":\"%s\",\"table\":\"%s\",\"date\":\"%s\","
	       "\"documents\":%" PRIu64,
	    e != NULL            ? "failed"
	    : v->options.dry_run ? "compared"
				 : "table",
	    t->database, t->name, date, t->documents);
	if (v->options.dry_run)
		printf(",\"exists\":%s,\"write\":%" PRIu64 ",\"change\":%" PRIu64
		       ",\"delete\":%" PRIu64 ",\"keep\":%" PRIu64 ",\"same\":%" PRIu64,
		    t->exists ? "true" : "false", n[COMPARE_MISSING], n[COMPARE_CHANGED],
		    v->options.exact ? n[COMPARE_EXTRA] : 0,
		    v->options.exact ? 0 : n[COMPARE_EXTRA], n[COMPARE_SAME]);
	else
		printf(",\"created\":%s,\"written\":%" PRIu64 ",\"deleted\":%" PRIu64
		       ",\"refused\":%" PRIu64 ",\"indexes\":%" PRIu64 ",\"verified\":%" PRIu64
		       ",\"others\":%" PRIu64 ",\"load_ms\":%" PRId64,
		    t->exists ? "false" : "true", t->written, t->deleted, t->refused, t->indexes,
		    n[COMPARE_SAME], n[COMPARE_EXTRA], t->load_ms);
	if (e != NULL && cmd_json_string(&text, e->text) == ERR_OK && buf_str(&text) != NULL)
		printf(",\"error\":%s", (const char *)text.data);
	printf("}\n");
	buf_finish(&text);
}

static void
print_dry(const struct restore_view *v, const struct restore_table *t, const char *name)
{
	const uint64_t *n = t->compared.count;

	printf("  %-24s %9" PRIu64 " to write, %" PRIu64 " to change, %" PRIu64 " to %s, %" PRIu64
	       " the same%s\n",
	    name, n[COMPARE_MISSING], n[COMPARE_CHANGED], n[COMPARE_EXTRA],
	    v->options.exact ? "delete" : "keep", n[COMPARE_SAME],
	    !t->exists          ? "; a new table"
	    : !v->options.force ? "; it exists: --force would be needed"
				: "");
}

static void
print_done(const struct restore_table *t, const char *name)
{
	const uint64_t *n = t->compared.count;
	char date[DATE_NAME];

	date_name(t->item->snapshot.date, date);
	printf("  %-24s %s %9" PRIu64 " documents written", name, date, t->written);
	if (t->deleted > 0)
		printf(", %" PRIu64 " deleted", t->deleted);
	if (t->indexes > 0)
		printf(", %" PRIu64 " indexes built", t->indexes);
	printf(", %" PRIu64 " verified", n[COMPARE_SAME]);
	if (n[COMPARE_EXTRA] > 0)
		printf(", %" PRIu64 " others kept", n[COMPARE_EXTRA]);
	printf("\n");
}

static void
show_table(void *arg, const struct restore_table *t, const struct err *e)
{
	struct restore_view *v = arg;
	char name[2 * TABLES_NAME];

	cmd_progress_end(&v->progress);
	v->what = NULL;
	snprintf(name, sizeof(name), "%s.%s", t->database, t->name);
	if (e != NULL)
		cmd_error(v->env, "%s not %s: %s", name,
		    v->options.dry_run ? "compared" : "restored", e->text);
	if (v->env->json)
		print_json(v, t, e);
	else if (e == NULL && v->options.dry_run)
		print_dry(v, t, name);
	else if (e == NULL && v->env->verbosity >= 0)
		print_done(t, name);
	fflush(stdout);
}

/* What permissions are on, for people. */
static const char *
grant_place(const struct alter_grant *g, char out[2 * TABLES_NAME])
{
	if (g->database == NULL)
		return "everything";
	snprintf(out, 2UL * TABLES_NAME, "%s%s%s", g->database, g->table != NULL ? "." : "",
	    g->table != NULL ? g->table : "");
	return out;
}

static void
print_grant_json(const struct restore_view *v, const struct alter_grant *g)
{
	struct buf user = {0};

	if (cmd_json_string(&user, g->user) == ERR_OK && buf_str(&user) != NULL) {
		printf("{\"event\":\"%s\",\"user\":%s", v->options.dry_run ? "grant" : "granted",
		    (const char *)user.data);
		if (g->database != NULL)
			printf(",\"database\":\"%s\"", g->database);
		if (g->table != NULL)
			printf(",\"table\":\"%s\"", g->table);
		printf(",\"permissions\":%s}\n", g->permissions);
	}
	buf_finish(&user);
}

static void
show_grant(void *arg, const struct alter_grant *g, const struct err *e)
{
	struct restore_view *v = arg;
	char place[2 * TABLES_NAME];

	cmd_progress_end(&v->progress);
	v->what = NULL;
	if (e != NULL && g->user == NULL)
		cmd_error(v->env, "permissions not granted: %s", e->text);
	else if (e != NULL && g->permissions == NULL)
		cmd_error(v->env, "permissions of user \"%s\" not granted: %s", g->user, e->text);
	else if (e != NULL)
		cmd_error(v->env, "permissions of user \"%s\" on %s not granted: %s", g->user,
		    grant_place(g, place), e->text);
	else if (v->env->json)
		print_grant_json(v, g);
	else if (v->env->verbosity >= 0)
		printf("  %s user \"%s\" on %s: %s\n", v->options.dry_run ? "to grant" : "granted",
		    g->user, grant_place(g, place), g->permissions);
	fflush(stdout);
}

/* ---- options ---- */

/* A key as a user writes it: JSON, or else a string. */
static int
read_key(struct restore_view *v)
{
	struct canon *canon = canon_create();
	size_t len = strlen(v->key_text);
	struct buf json = {0};
	struct err e = {0};
	int rc =
	    canon == NULL ? err_nomem(&e) : canon_value(canon, v->key_text, len, &json, NULL, NULL);

	if (rc == ERR_FORMAT && canon_utf8(v->key_text, len) != len)
		rc = err_set(&e, ERR_FORMAT, "it is no UTF-8");
	else if (rc == ERR_FORMAT)
		rc = canon_put_string(&json, v->key_text, len);
	if (rc == ERR_OK)
		rc = jsonkey_read(json.data, json.len, &v->key, &e);
	v->options.only = &v->key;
	canon_free(canon);
	buf_finish(&json);
	if (rc == ERR_OK)
		return CMD_DONE;
	return cmd_usage(v->env, &cmd_restore, "\"%s\" is no key: %s", v->key_text,
	    e.text[0] != '\0' ? e.text : err_str(rc));
}

/* Take one of the options that say what to do. Return false when it is none of them. */
static bool
read_flag(struct restore_view *v, int c)
{
	struct restore_options *o = &v->options;

	switch (c) {
	case 'f':
		o->force = true;
		return true;
	case 'd':
		o->exact = true;
		return true;
	case 'n':
		o->dry_run = true;
		return true;
	case 'x':
		o->no_indexes = true;
		return true;
	case 'h':
		o->hard = true;
		return true;
	case 'g':
		o->permissions = true;
		return true;
	case 'p':
		v->password_ask = true;
		return true;
	default:
		return false;
	}
}

/* Take one option with an argument. Return CMD_DONE, or CMD_USAGE when it is bad, said already. */
static int
read_argument(struct restore_view *v, int c)
{
	struct restore_options *o = &v->options;
	uint64_t n;

	switch (c) {
	case 'a':
		if (date_parse(optarg, &o->select.date) != ERR_OK)
			return cmd_usage(v->env, &cmd_restore,
			    "\"%s\" is no date; write it as 2026-11-18T03:00:00Z", optarg);
		o->select.has_date = true;
		return CMD_DONE;
	case 'e':
		v->only[o->select.n_only++] = optarg;
		return CMD_DONE;
	case 'i':
		o->into = optarg;
		return CMD_DONE;
	case 'k':
		v->key_text = optarg;
		return CMD_DONE;
	case 'c':
		if (num_parse(optarg, RESTORE_CLIENTS_MAX, &n) != ERR_OK || n == 0)
			return cmd_usage(v->env, &cmd_restore,
			    "--clients takes 1 to %d, not \"%s\"", RESTORE_CLIENTS_MAX, optarg);
		o->clients = (unsigned)n;
		return CMD_DONE;
	case 'u':
		o->server.user = optarg;
		return CMD_DONE;
	case 'P':
		v->password_file = optarg;
		return CMD_DONE;
	case 't':
		o->server.tls_ca = optarg;
		return CMD_DONE;
	case 'C':
		o->server.tls_cert = optarg;
		return CMD_DONE;
	case 'K':
		o->server.tls_key = optarg;
		return CMD_DONE;
	default:
		return cmd_usage(v->env, &cmd_restore, "see thinkback restore --help");
	}
}

/* Whether the options make sense together. */
static int
check_options(struct restore_view *v, int left)
{
	const struct restore_options *o = &v->options;

	if (left != 1)
		return cmd_usage(v->env, &cmd_restore, "name one server or directory");
	if (o->exact && !o->force && !o->dry_run)
		return cmd_usage(
		    v->env, &cmd_restore, "--delete is for tables that exist, and needs --force");
	if (o->exact && v->key_text != NULL)
		return cmd_usage(v->env, &cmd_restore,
		    "--delete with --key would delete all other documents: they exclude each "
		    "other");
	if (o->permissions && v->key_text != NULL)
		return cmd_usage(v->env, &cmd_restore,
		    "--permissions is for whole tables, --key for one document: they exclude each "
		    "other");
	if (v->password_ask && v->password_file != NULL)
		return cmd_usage(v->env, &cmd_restore, "-p and --password-file exclude each other");
	return v->key_text != NULL ? read_key(v) : CMD_DONE;
}

static int
read_options(struct restore_view *v, int argc, char **argv)
{
	static const struct option longs[] = {{"at", required_argument, NULL, 'a'},
	    {"export", required_argument, NULL, 'e'}, {"into", required_argument, NULL, 'i'},
	    {"key", required_argument, NULL, 'k'}, {"clients", required_argument, NULL, 'c'},
	    {"force", no_argument, NULL, 'f'}, {"delete", no_argument, NULL, 'd'},
	    {"dry-run", no_argument, NULL, 'n'}, {"no-secondary-indexes", no_argument, NULL, 'x'},
	    {"permissions", no_argument, NULL, 'g'}, {"hard-durability", no_argument, NULL, 'h'},
	    {"user", required_argument, NULL, 'u'}, {"password", no_argument, NULL, 'p'},
	    {"password-file", required_argument, NULL, 'P'},
	    {"tls-cert", required_argument, NULL, 't'},
	    {"tls-client-cert", required_argument, NULL, 'C'},
	    {"tls-client-key", required_argument, NULL, 'K'}, {NULL, 0, NULL, 0}};
	int c, code;

	while ((c = getopt_long(argc, argv, "e:nu:p", longs, NULL)) != -1) {
		if (read_flag(v, c))
			continue;
		code = read_argument(v, c);
		if (code != CMD_DONE)
			return code;
	}
	return check_options(v, argc - optind);
}

/* Fetch the password from where the options say. */
static int
read_password(struct restore_view *v)
{
	struct err e = {0};
	int rc = ERR_OK;

	if (v->password_file != NULL)
		rc = cmd_password_file(v->password_file, &v->password, &e);
	else if (v->password_ask)
		rc = cmd_password_ask(&v->password, &e);
	v->options.server.password = v->password.data;
	v->options.server.password_len = v->password.len;
	return rc == ERR_OK ? CMD_DONE : cmd_fail(v->env, &e);
}

/* ---- the command ---- */

static int
run_restore(struct restore_view *v, const struct repo *repo, const char *target)
{
	struct restore_result result;
	struct err e = {0};
	int rc;

	cmd_catch_signals();
	rc = restore_run(repo, target, &v->options, &result, &e);
	cmd_progress_end(&v->progress);
	if (rc != ERR_OK) {
		cmd_fail(v->env, &e);
		return result.tables > 0 ? CMD_PARTIAL : CMD_FAILED;
	}
	if (result.failed == 0 && result.not_granted == 0)
		return CMD_DONE;
	return result.tables > 0 ? CMD_PARTIAL : CMD_FAILED;
}

static int
cmd_restore_run(const struct cmd_env *env, int argc, char **argv)
{
	struct restore_view v = {.env = env};
	struct repo *repo;
	int code;

	v.only = calloc((size_t)argc, sizeof(*v.only));
	if (v.only == NULL)
		return cmd_fail(env, &(struct err){.code = ERR_NOMEM});
	v.options = (struct restore_options){.select.only = v.only,
	    .stop = &cmd_stop,
	    .log = &env->log,
	    .progress = show_progress,
	    .found = env->verbosity > 0 ? show_found : NULL,
	    .table_done = show_table,
	    .granted = show_grant,
	    .arg = &v};
	code = read_options(&v, argc, argv);
	if (code == CMD_DONE)
		code = read_password(&v);
	if (code == CMD_DONE && cmd_open(env, &cmd_restore, &repo, &code)) {
		code = run_restore(&v, repo, argv[optind]);
		repo_close(repo);
	}
	cmd_password_forget(&v.password);
	free(v.only);
	return code;
}

const struct cmd cmd_restore = {
    .name = "restore",
    .synopsis = "[--at DATE] [-e DB[.TABLE]] [OPTION ...] TARGET",
    .summary = "put whole snapshots back into a server or a directory",
    .help = "Restore the newest snapshot of every table into TARGET: a server\n"
	    "(rethinkdb://[USER@]HOST[:PORT]), or a directory in the layout of rethinkdb\n"
	    "export. Databases and tables are made, documents are loaded, indexes are built,\n"
	    "the write hook is set; then every document is read back and compared.\n"
	    "\n"
	    "      --at DATE         the newest snapshots that are not newer than DATE\n"
	    "  -e, --export DB[.TABLE]\n"
	    "                        this database or table alone; may be repeated\n"
	    "      --into DB[.TABLE] restore under this name\n"
	    "      --key KEY         the document with that primary key alone; KEY is JSON,\n"
	    "                        or a string when it is none\n"
	    "  -n, --dry-run         change nothing; tell what would be written, changed and\n"
	    "                        deleted, with -v each key\n"
	    "      --force           write into tables that exist: documents with the same\n"
	    "                        keys are replaced, others are kept\n"
	    "      --delete          with --force: delete the documents that the snapshot has\n"
	    "                        not, so that the table is exactly the snapshot\n"
	    "\n"
	    "Of servers; thinkback-rethinkdb(7) tells which permissions are needed:\n"
	    "      --clients N       connections that documents are written over (default: 4)\n"
	    "      --no-secondary-indexes\n"
	    "                        make no secondary indexes; write hooks are set all\n"
	    "                        the same\n"
	    "      --hard-durability every write is on disk when the server answers it; else\n"
	    "                        there is one sync at the end of each table\n"
	    "      --permissions     grant the permissions that the snapshots have, to users\n"
	    "                        that are there; users are not made\n"
	    "  -u, --user USER       log in as USER (default: admin)\n"
	    "  -p, --password        ask for the password on the terminal\n"
	    "      --password-file FILE\n"
	    "                        read the password from the first line of FILE\n"
	    "      --tls-cert CAFILE use TLS, and trust the certificates in CAFILE\n"
	    "      --tls-client-cert FILE, --tls-client-key FILE\n"
	    "                        certificate and key for a server that wants them\n"
	    "\n"
	    "Exit status: 0 done, 1 nothing was restored, 3 some tables were not restored,\n"
	    "or permissions not granted.\n",
    .run = cmd_restore_run,
};
