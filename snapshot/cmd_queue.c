/* thinkback queue: look at the restore queue, retry, cancel, undo and forget. */
#include "catalog/base/date.h"
#include "catalog/base/num.h"
#include "catalog/queue.h"
#include "catalog/retention.h"
#include "snapshot/cmd_queue_print.h"
#include "snapshot/cmd_queue_undo.h"
#include "snapshot/cmds.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CMD_QUEUE_PIECE 65536 /* bytes of payload printed at a time */

enum cmd_queue_action {
	CMD_QUEUE_LIST,
	CMD_QUEUE_SHOW,
	CMD_QUEUE_RETRY,
	CMD_QUEUE_CANCEL,
	CMD_QUEUE_UNDO,
	CMD_QUEUE_FORGET,
	CMD_QUEUE_ACTIONS /* how many there are */
};

static const char *const CMD_QUEUE_NAMES[CMD_QUEUE_ACTIONS] = {
    "list", "show", "retry", "cancel", "undo", "forget"};

/* What one call of the command is about. */
struct cmd_queue_call {
	const struct cmd_env *env;
	struct queue *queue;
	struct repo *repo;
	enum cmd_queue_action action;
	unsigned states;            /* --state */
	char database[TABLES_NAME]; /* -e; "": any */
	char table[TABLES_NAME];    /* -e; "": any */
	bool all_failed;            /* --all-failed */
	bool payload;               /* --payload */
	bool dry_run;               /* --dry-run */
	bool old;                   /* --keep-within */
	struct retention_span keep; /* its length */
	enum queue_policy conflict; /* --conflict */
	struct cmd_queue_undo undo; /* what is for undo alone */
	uint64_t shown;             /* restores printed */
};

/* ---- printing ---- */

/* Print one restore: as JSON, as a row, or with all ${details}. */
static int
cmd_queue_print(
    struct cmd_queue_call *c, const struct queue_restore *r, bool details, struct err *e)
{
	struct buf text = {0};
	const char *error;
	int rc = queue_error(c->queue, r->id, &text, e);

	error = rc == ERR_OK || rc == ERR_ABSENT ? buf_str(&text) : "";
	if (error == NULL)
		rc = err_nomem(e);
	else if (rc == ERR_ABSENT)
		rc = ERR_OK;
	if (rc == ERR_OK && c->env->json)
		rc = cmd_queue_json(r, error, e);
	else if (rc == ERR_OK && details)
		cmd_queue_details(r, error);
	else if (rc == ERR_OK)
		cmd_queue_row(r, error, c->shown == 0);
	c->shown++;
	buf_finish(&text);
	return rc;
}

/* ---- actions ---- */

static struct queue_filter
cmd_queue_wanted(const struct cmd_queue_call *c)
{
	return (struct queue_filter){.database = c->database[0] != '\0' ? c->database : NULL,
	    .table = c->table[0] != '\0' ? c->table : NULL,
	    .states = c->states};
}

static int
cmd_queue_list(struct cmd_queue_call *c)
{
	struct queue_filter filter = cmd_queue_wanted(c);
	struct queue_restore r = {0};
	struct err e = {0};
	int rc;

	while ((rc = queue_next(c->queue, &filter, r.id, &r, &e)) == ERR_OK)
		if ((rc = cmd_queue_print(c, &r, false, &e)) != ERR_OK)
			break;
	if (rc != ERR_END)
		return cmd_fail(c->env, &e);
	if (c->shown == 0 && !c->env->json && c->env->verbosity >= 0)
		printf("no restores\n");
	return CMD_DONE;
}

/* Copy the payload, as it was copied in, to standard output. */
static int
cmd_queue_show_payload(struct cmd_queue_call *c, int64_t id, struct err *e)
{
	char *piece = malloc(CMD_QUEUE_PIECE);
	size_t got = CMD_QUEUE_PIECE;
	uint64_t off = 0;
	int rc = piece != NULL ? ERR_OK : err_nomem(e);

	while (rc == ERR_OK && got == CMD_QUEUE_PIECE) {
		rc = queue_read(c->queue, id, off, piece, CMD_QUEUE_PIECE, &got, e);
		if (rc == ERR_OK && fwrite(piece, 1, got, stdout) != got)
			break;
		off += got;
	}
	free(piece);
	return rc;
}

static int
cmd_queue_show(struct cmd_queue_call *c, int64_t id, struct err *e)
{
	struct queue_restore r;
	int rc = queue_get(c->queue, id, &r, e);

	if (rc == ERR_ABSENT)
		return err_set(e, ERR_ABSENT, "there is no restore %" PRId64, id);
	if (rc != ERR_OK)
		return rc;
	if (c->payload)
		return cmd_queue_show_payload(c, id, e);
	if (c->shown > 0 && !c->env->json)
		printf("\n");
	return cmd_queue_print(c, &r, true, e);
}

static int
cmd_queue_change(struct cmd_queue_call *c, int64_t id, struct err *e)
{
	struct queue_restore r;
	int rc = c->action == CMD_QUEUE_RETRY
		     ? queue_retry(c->queue, id, c->conflict, date_now(), e)
		     : queue_cancel(c->queue, id, date_now(), e);

	if (rc != ERR_OK)
		return rc;
	if (c->env->json)
		return cmd_queue_show(c, id, e);
	if (c->env->verbosity >= 0 && queue_get(c->queue, id, &r, e) == ERR_OK)
		printf("restore %" PRId64 " of %s.%s is %s\n", id, r.database, r.table,
		    queue_state_name(r.state));
	return ERR_OK;
}

static int
cmd_queue_put_back(struct cmd_queue_call *c, int64_t id, struct err *e)
{
	uint64_t documents;
	int rc = cmd_queue_undo(&c->undo, id, &documents, e);

	if (rc != ERR_OK)
		return rc;
	if (c->env->json)
		return cmd_queue_show(c, id, e);
	if (c->env->verbosity >= 0)
		printf("restore %" PRId64 " is undone, documents put back: %" PRIu64 "\n", id,
		    documents);
	return ERR_OK;
}

/* Do ${what} for each id; one that cannot be done is told and leaves the others alone. */
static int
cmd_queue_each(struct cmd_queue_call *c, char **ids,
    int (*what)(struct cmd_queue_call *c, int64_t id, struct err *e))
{
	uint64_t id, done = 0, failed = 0;

	for (; *ids != NULL; ids++) {
		struct err e = {0};
		/* Read before, when the arguments were checked. */
		int rc = num_parse(*ids, INT64_MAX, &id);
		if (rc == ERR_OK)
			rc = what(c, (int64_t)id, &e);
		if (rc == ERR_OK) {
			done++;
			continue;
		}
		cmd_fail(c->env, &e);
		failed++;
	}
	if (failed == 0)
		return CMD_DONE;
	return done > 0 ? CMD_PARTIAL : CMD_FAILED;
}

/* Retry every failed restore but those that were refused when they were copied in. */
static int
cmd_queue_retry_all(struct cmd_queue_call *c)
{
	struct queue_filter filter = cmd_queue_wanted(c);
	struct queue_restore r = {0};
	struct err e = {0};
	uint64_t done = 0;
	int rc;

	filter.states = QUEUE_FAILED;
	while ((rc = queue_next(c->queue, &filter, r.id, &r, &e)) == ERR_OK) {
		if (r.documents == 0)
			continue;
		rc = cmd_queue_change(c, r.id, &e);
		if (rc == ERR_OK)
			done++;
		else if (rc != ERR_WRONG_STATE && rc != ERR_ABSENT)
			break;
	}
	if (rc != ERR_END)
		return done > 0 ? (cmd_fail(c->env, &e), CMD_PARTIAL) : cmd_fail(c->env, &e);
	if (done == 0 && !c->env->json && c->env->verbosity >= 0)
		printf("no failed restore to retry\n");
	return CMD_DONE;
}

static int
cmd_queue_forget(struct cmd_queue_call *c, int64_t id, struct err *e)
{
	int rc = queue_forget(c->queue, id, e);

	if (rc != ERR_OK)
		return rc;
	if (c->env->json)
		printf("{\"id\":%" PRId64 ",\"forgotten\":true}\n", id);
	else if (c->env->verbosity >= 0)
		printf("restore %" PRId64 " is forgotten\n", id);
	return ERR_OK;
}

static void
cmd_queue_forgotten(const struct cmd_queue_call *c, uint64_t restores, uint64_t bytes)
{
	char size[NUM_SIZE_TEXT];

	if (c->env->json)
		printf("{\"restores\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"forgotten\":%s}\n",
		    restores, bytes, c->dry_run ? "false" : "true");
	else if (c->env->verbosity >= 0)
		printf("restores %s: %" PRIu64 ", %s\n",
		    c->dry_run ? "that would be forgotten" : "forgotten", restores,
		    num_size_text(bytes, size));
}

/* Forget what is over and older than --keep-within. */
static int
cmd_queue_forget_old(struct cmd_queue_call *c)
{
	struct queue_filter filter = cmd_queue_wanted(c);
	int64_t before = retention_span_before(date_now() / 1000, &c->keep) * 1000;
	uint64_t restores = 0, bytes = 0;
	struct err e = {0};
	int rc = c->dry_run ? queue_count_old(c->queue, &filter, before, &restores, &bytes, &e)
			    : queue_forget_old(c->queue, &filter, before, &restores, &bytes, &e);

	if (rc != ERR_OK)
		return cmd_fail(c->env, &e);
	cmd_queue_forgotten(c, restores, bytes);
	return CMD_DONE;
}

/* Give the room of what was forgotten back; restores are forgotten also when that fails. */
static int
cmd_queue_shrink(struct cmd_queue_call *c, int code)
{
	struct err e = {0};

	if (c->dry_run || code == CMD_FAILED || queue_shrink(c->queue, &e) == ERR_OK)
		return code;
	cmd_fail(c->env, &e);
	return CMD_PARTIAL;
}

/* ---- the command line ---- */

/* Read "DB" or "DB.TABLE". */
static bool
cmd_queue_read_table(struct cmd_queue_call *c, const char *text)
{
	const char *dot = strchr(text, '.');
	size_t len = dot != NULL ? (size_t)(dot - text) : strlen(text);

	if (!tables_name_valid(text, len))
		return false;
	memcpy(c->database, text, len);
	c->database[len] = '\0';
	if (dot == NULL)
		return true;
	if (!tables_name_valid(dot + 1, strlen(dot + 1)))
		return false;
	memcpy(c->table, dot + 1, strlen(dot + 1) + 1);
	return true;
}

/* Read the options. Return -1 to go on, else the exit code. */
static int
cmd_queue_options(struct cmd_queue_call *c, int argc, char **argv)
{
	static const struct option longs[] = {{"state", required_argument, NULL, 's'},
	    {"export", required_argument, NULL, 'e'}, {"all-failed", no_argument, NULL, 'a'},
	    {"payload", no_argument, NULL, 'p'}, {"conflict", required_argument, NULL, 'c'},
	    {"target", required_argument, NULL, 't'}, {"force", no_argument, NULL, 'f'},
	    {"keep-within", required_argument, NULL, 'k'}, {"dry-run", no_argument, NULL, 'n'},
	    CMD_SERVER_OPTIONS, {NULL, 0, NULL, 0}};
	enum queue_state state;
	int opt;

	while ((opt = getopt_long(argc, argv, "e:u:n", longs, NULL)) != -1) {
		if (opt == 's' && queue_state_parse(optarg, &state) == ERR_OK)
			c->states |= state;
		else if (opt == 's')
			return cmd_usage(c->env, &cmd_queue, "there is no state \"%s\"", optarg);
		else if (opt == 'e' && !cmd_queue_read_table(c, optarg))
			return cmd_usage(c->env, &cmd_queue, "\"%s\" is no DB or DB.TABLE", optarg);
		else if (opt == 'a')
			c->all_failed = true;
		else if (opt == 'p')
			c->payload = true;
		else if (opt == 't')
			c->undo.target = optarg;
		else if (opt == 'f')
			c->undo.force = true;
		else if (opt == 'n')
			c->dry_run = true;
		else if (opt == 'k' && retention_span_parse(optarg, &c->keep) != ERR_OK)
			return cmd_usage(c->env, &cmd_queue,
			    "--keep-within takes a length of time as 2y6m or 10d12h, not '%s'",
			    optarg);
		else if (opt == 'k')
			c->old = true;
		else if (opt == 'c' && queue_policy_parse(optarg, &c->conflict) != ERR_OK)
			return cmd_usage(c->env, &cmd_queue,
			    "\"%s\" is no conflict policy: replace, keep or newer-loses", optarg);
		else if (opt == 'c' || cmd_server_option(&c->undo.server, opt, optarg))
			continue;
		else if (opt != 'e')
			return cmd_usage(c->env, &cmd_queue, "see thinkback queue --help");
	}
	if (c->states == 0)
		c->states = QUEUE_ANY;
	return -1;
}

/* Whether the options are for the action. Return -1 to go on, else the exit code. */
static int
cmd_queue_fits(const struct cmd_queue_call *c)
{
	bool retry = c->action == CMD_QUEUE_RETRY, undo = c->action == CMD_QUEUE_UNDO;

	if (c->all_failed && !retry)
		return cmd_usage(c->env, &cmd_queue, "--all-failed is for retry");
	if (c->conflict != QUEUE_POLICY_NONE && !retry)
		return cmd_usage(c->env, &cmd_queue, "--conflict is for retry");
	if (!undo && (c->undo.force || c->undo.target != NULL || cmd_server_given(&c->undo.server)))
		return cmd_usage(
		    c->env, &cmd_queue, "--force, --target and what is of servers are for undo");
	if (c->old && c->action != CMD_QUEUE_FORGET)
		return cmd_usage(c->env, &cmd_queue, "--keep-within is for forget");
	if (c->dry_run && !c->old)
		return cmd_usage(c->env, &cmd_queue, "--dry-run is for forget --keep-within");
	if (c->old && c->states != QUEUE_ANY && (c->states & ~(unsigned)QUEUE_OVER) != 0)
		return cmd_usage(
		    c->env, &cmd_queue, "only what is done, failed or cancelled can be forgotten");
	return -1;
}

/* Whether the arguments are. Return likewise. */
static int
cmd_queue_check(const struct cmd_queue_call *c, char **ids)
{
	bool all = c->action == CMD_QUEUE_LIST || c->all_failed || c->old;
	uint64_t id;

	if (c->payload && (c->action != CMD_QUEUE_SHOW || ids[0] == NULL || ids[1] != NULL))
		return cmd_usage(c->env, &cmd_queue, "--payload is for show with one ID");
	if (all && ids[0] != NULL)
		return cmd_usage(c->env, &cmd_queue, "\"%s\" is one argument too many", ids[0]);
	if (!all && ids[0] == NULL)
		return cmd_usage(c->env, &cmd_queue, "%s which restore? name its ID",
		    CMD_QUEUE_NAMES[c->action]);
	for (; *ids != NULL; ids++)
		if (num_parse(*ids, INT64_MAX, &id) != ERR_OK)
			return cmd_usage(c->env, &cmd_queue, "\"%s\" is no restore's ID", *ids);
	return -1;
}

static int
cmd_queue_act(struct cmd_queue_call *c, char **ids)
{
	switch (c->action) {
	case CMD_QUEUE_SHOW:
		return cmd_queue_each(c, ids, cmd_queue_show);
	case CMD_QUEUE_UNDO:
		return cmd_queue_each(c, ids, cmd_queue_put_back);
	case CMD_QUEUE_FORGET:
		return cmd_queue_shrink(
		    c, c->old ? cmd_queue_forget_old(c) : cmd_queue_each(c, ids, cmd_queue_forget));
	case CMD_QUEUE_RETRY:
	case CMD_QUEUE_CANCEL:
		return c->all_failed ? cmd_queue_retry_all(c)
				     : cmd_queue_each(c, ids, cmd_queue_change);
	default:
		return cmd_queue_list(c);
	}
}

/* Open what the action needs, and do it. */
static int
cmd_queue_open(struct cmd_queue_call *c, char **ids)
{
	bool undo = c->action == CMD_QUEUE_UNDO;
	bool changes = c->action != CMD_QUEUE_LIST && c->action != CMD_QUEUE_SHOW && !c->dry_run;
	struct err e = {0};
	int rc = undo ? cmd_server_password(&c->undo.server, &e) : ERR_OK;
	int code;

	if (rc == ERR_OK)
		rc = queue_open(c->repo, changes, &c->queue, &e);
	if (undo && rc == ERR_OK) {
		c->undo.env = c->env;
		c->undo.repo = c->repo;
		c->undo.queue = c->queue;
		cmd_catch_signals();
	}
	code = rc == ERR_OK ? cmd_queue_act(c, ids) : cmd_fail(c->env, &e);
	cmd_server_finish(&c->undo.server);
	queue_close(c->queue);
	return code;
}

/* Take the action's name, list when there is none. False when there is no such action. */
static bool
cmd_queue_named(struct cmd_queue_call *c, const char *name)
{
	for (int i = 0; name != NULL && i < CMD_QUEUE_ACTIONS; i++)
		if (strcmp(name, CMD_QUEUE_NAMES[i]) == 0) {
			c->action = (enum cmd_queue_action)i;
			return true;
		}
	return name == NULL;
}

static int
cmd_queue_run(const struct cmd_env *env, int argc, char **argv)
{
	struct cmd_queue_call c = {.env = env};
	int code = cmd_queue_options(&c, argc, argv);

	if (code >= 0)
		return code;
	argv += optind;
	if (!cmd_queue_named(&c, argv[0]))
		return cmd_usage(env, &cmd_queue, "there is no action \"%s\"", argv[0]);
	if (argv[0] != NULL)
		argv++;
	code = cmd_queue_fits(&c);
	if (code < 0)
		code = cmd_queue_check(&c, argv);
	if (code >= 0)
		return code;
	if (!cmd_open(env, &cmd_queue, &c.repo, &code))
		return code;
	code = cmd_queue_open(&c, argv);
	repo_close(c.repo);
	return code;
}

const struct cmd cmd_queue = {
    .name = "queue",
    .synopsis = "[ACTION] [OPTION ...] [ID ...]",
    .summary = "look at the restore queue, retry, cancel, undo and forget",
    .help = "Every file copied into a table's directory is a restore in the queue: pending,\n"
	    "running, done, failed or cancelled. Without ACTION the restores are listed.\n"
	    "\n"
	    "  list           the restores, oldest first\n"
	    "  show ID...     all that is known about a restore, with the reason of a failure\n"
	    "  retry ID...    let a failed or cancelled restore be carried out again\n"
	    "  cancel ID...   take a pending or failed restore out of the queue\n"
	    "  undo ID...     put back what a restore has replaced on a server, and delete\n"
	    "                 what had not been there, unless it was changed since\n"
	    "  forget ID...   remove restores that are done, failed or cancelled, with what\n"
	    "                 was copied in; they can be neither retried nor undone then\n"
	    "\n"
	    "      --state STATE         list, forget --keep-within: only restores in this\n"
	    "                            state (may be repeated)\n"
	    "  -e, --export DB[.TABLE]   list, retry --all-failed, forget --keep-within:\n"
	    "                            only of this one\n"
	    "      --keep-within DURATION\n"
	    "                            forget: all that have not changed for longer than\n"
	    "                            this: 30d, 1y6m\n"
	    "  -n, --dry-run             forget --keep-within: only tell how many these are\n"
	    "      --all-failed          retry: all failed restores that can succeed\n"
	    "      --payload             show: print what was copied in, and only that\n"
	    "      --conflict POLICY     retry: what to do with a document that is on the\n"
	    "                            server: replace, keep or newer-loses\n"
	    "      --force               undo: also what was changed since\n"
	    "      --target SERVER       undo: the server, if it has another address now\n"
	    "  -u, --user USER           undo: log in as USER (default: admin)\n"
	    "      --password-file FILE  undo: read the password from the first line of FILE\n"
	    "      --tls-cert CAFILE     undo: use TLS, and trust the certificates in CAFILE\n"
	    "      --tls-client-cert FILE, --tls-client-key FILE\n"
	    "                            certificate and key for a server that wants them\n"
	    "      --deep                undo: write documents nested deeper than 1500 levels\n"
	    "\n"
	    "Exit status: 0 done, 1 an ID is unknown or its restore is in another state or\n"
	    "cannot be undone, 3 this holds for some of the IDs.\n",
    .run = cmd_queue_run,
};
