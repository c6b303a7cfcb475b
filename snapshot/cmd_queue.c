/* thinkback queue: look at the restore queue, retry, cancel and undo. */
#include "catalog/base/date.h"
#include "catalog/base/num.h"
#include "catalog/queue.h"
#include "snapshot/cmd_queue_undo.h"
#include "snapshot/cmds.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CMD_QUEUE_PIECE 65536 /* bytes of payload printed at a time */
#define CMD_QUEUE_TIME 32     /* room for a time's text */

/* What one call of the command is about. */
struct cmd_queue_call {
	const struct cmd_env *env;
	struct queue *queue;
	struct repo *repo;
	const char *action;         /* "list", "show", "retry", "cancel", "undo" */
	unsigned states;            /* --state */
	char database[TABLES_NAME]; /* -e; "": any */
	char table[TABLES_NAME];    /* -e; "": any */
	bool all_failed;            /* --all-failed */
	bool payload;               /* --payload */
	enum queue_policy conflict; /* --conflict */
	struct cmd_queue_undo undo; /* what is for undo alone */
	uint64_t shown;             /* restores printed */
};

/* ---- printing ---- */

/* Put a JSON string for the time, or null for none, into ${out}. */
static const char *
cmd_queue_time_json(int64_t ms, char out[CMD_QUEUE_TIME])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	size_t n;

	if (ms <= 0 || gmtime_r(&seconds, &tm) == NULL)
		return "null";
	n = strftime(out, CMD_QUEUE_TIME, "\"%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, CMD_QUEUE_TIME - n, ".%03dZ\"", (int)(ms % 1000));
	return out;
}

/* Put how long ago ${ms} was into ${out}: "12s", "5m", "3h", "8d". */
static const char *
cmd_queue_age(int64_t ms, char out[CMD_QUEUE_TIME])
{
	int64_t s = (date_now() - ms) / 1000;

	if (s < 0)
		s = 0;
	if (s < 120)
		snprintf(out, CMD_QUEUE_TIME, "%" PRId64 "s", s);
	else if (s < 7200)
		snprintf(out, CMD_QUEUE_TIME, "%" PRId64 "m", s / 60);
	else if (s < 172800)
		snprintf(out, CMD_QUEUE_TIME, "%" PRId64 "h", s / 3600);
	else
		snprintf(out, CMD_QUEUE_TIME, "%" PRId64 "d", s / 86400);
	return out;
}

/* File names may hold anything but '/': keep a terminal safe from them. */
static const char *
cmd_queue_clean(const char *name, char out[QUEUE_NAME])
{
	size_t n = 0;

	for (; name[n] != '\0' && n + 1 < QUEUE_NAME; n++)
		out[n] = (unsigned char)name[n] < 0x20 || name[n] == 0x7f ? '?' : name[n];
	out[n] = '\0';
	return out;
}

static int
cmd_queue_json(const struct queue_restore *r, const char *error, struct err *e)
{
	char created[CMD_QUEUE_TIME], updated[CMD_QUEUE_TIME], not_before[CMD_QUEUE_TIME],
	    lease[CMD_QUEUE_TIME], undone[CMD_QUEUE_TIME];
	struct buf name = {0}, owner = {0}, why = {0}, target = {0};
	int rc = cmd_json_string(&name, r->name);

	if (rc == ERR_OK)
		rc = r->owner[0] != '\0' ? cmd_json_string(&owner, r->owner)
					 : buf_puts(&owner, "null");
	if (rc == ERR_OK)
		rc = error[0] != '\0' ? cmd_json_string(&why, error) : buf_puts(&why, "null");
	if (rc == ERR_OK)
		rc = r->target[0] != '\0' ? cmd_json_string(&target, r->target)
					  : buf_puts(&target, "null");
	if (rc == ERR_OK && (buf_str(&name) == NULL || buf_str(&owner) == NULL ||
				buf_str(&why) == NULL || buf_str(&target) == NULL))
		rc = ERR_NOMEM;
	/* Names of databases and tables are [A-Za-z0-9_-]+: nothing in them needs escaping. */
	if (rc == ERR_OK)
		printf("{\"id\":%" PRId64 ",\"state\":\"%s\",\"database\":\"%s\",\"table\":\"%s\","
		       "\"name\":%s,\"documents\":%" PRIu64 ",\"bytes\":%" PRIu64
		       ",\"attempts\":%" PRIu64 ",\"created\":%s,\"updated\":%s,\"not_before\":%s,"
		       "\"lease_until\":%s,\"owner\":%s,\"conflict\":%s%s%s,\"target\":%s,"
		       "\"undone\":%s,\"error\":%s}\n",
		    r->id, queue_state_name(r->state), r->database, r->table,
		    (const char *)name.data, r->documents, r->bytes, r->attempts,
		    cmd_queue_time_json(r->created, created),
		    cmd_queue_time_json(r->updated, updated),
		    cmd_queue_time_json(r->not_before, not_before),
		    cmd_queue_time_json(r->lease_until, lease), (const char *)owner.data,
		    r->policy != QUEUE_POLICY_NONE ? "\"" : "null", queue_policy_name(r->policy),
		    r->policy != QUEUE_POLICY_NONE ? "\"" : "", (const char *)target.data,
		    cmd_queue_time_json(r->undone, undone), (const char *)why.data);
	buf_finish(&name);
	buf_finish(&owner);
	buf_finish(&why);
	buf_finish(&target);
	return rc == ERR_OK ? ERR_OK : err_nomem(e);
}

/* The bytes that printf has to pad ${text} to, so that it is ${width} characters wide. */
static int
cmd_queue_width(const char *text, int width)
{
	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) == 0x80;
	return width;
}

static void
cmd_queue_row(struct cmd_queue_call *c, const struct queue_restore *r, const char *error)
{
	char table[2 * TABLES_NAME], clean[QUEUE_NAME], size[NUM_SIZE_TEXT], age[CMD_QUEUE_TIME];
	const char *name = cmd_queue_clean(r->name, clean);

	if (c->shown == 0)
		printf("%6s  %-9s  %-24s  %-32s %10s %10s %6s  %s\n", "ID", "STATE", "TABLE",
		    "NAME", "DOCUMENTS", "SIZE", "AGE", "REASON");
	snprintf(table, sizeof(table), "%s.%s", r->database, r->table);
	printf("%6" PRId64 "  %-9s  %-24s  %-*s %10" PRIu64 " %10s %6s  %s\n", r->id,
	    queue_state_name(r->state), table, cmd_queue_width(name, 32), name, r->documents,
	    num_size_text(r->bytes, size), cmd_queue_age(r->created, age),
	    error[0] != '\0' ? error
	    : r->undone != 0 ? "undone"
			     : "-");
}

static void
cmd_queue_details(const struct queue_restore *r, const char *error)
{
	char name[QUEUE_NAME], size[NUM_SIZE_TEXT], created[CMD_QUEUE_TIME],
	    updated[CMD_QUEUE_TIME];

	printf("restore    %" PRId64 "\n"
	       "state      %s\n"
	       "table      %s.%s\n"
	       "name       %s\n"
	       "documents  %" PRIu64 "\n"
	       "size       %s\n"
	       "attempts   %" PRIu64 "\n"
	       "created    %s ago\n"
	       "changed    %s ago\n",
	    r->id, queue_state_name(r->state), r->database, r->table,
	    cmd_queue_clean(r->name, name), r->documents, num_size_text(r->bytes, size),
	    r->attempts, cmd_queue_age(r->created, created), cmd_queue_age(r->updated, updated));
	if (r->owner[0] != '\0')
		printf("worker     %s\n", r->owner);
	if (r->policy != QUEUE_POLICY_NONE)
		printf("conflict   %s\n", queue_policy_name(r->policy));
	if (r->target[0] != '\0')
		printf("server     %s\n", r->target);
	if (r->undone != 0)
		printf("undone     %s ago\n", cmd_queue_age(r->undone, updated));
	if (error[0] != '\0')
		printf("reason     %s\n", error);
}

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
		cmd_queue_row(c, r, error);
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
	bool retry = strcmp(c->action, "retry") == 0;
	struct queue_restore r;
	int rc = retry ? queue_retry(c->queue, id, date_now(), e)
		       : queue_cancel(c->queue, id, date_now(), e);

	if (rc == ERR_OK && c->conflict != QUEUE_POLICY_NONE)
		rc = queue_set_policy(c->queue, id, c->conflict, e);
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
	    CMD_SERVER_OPTIONS, {NULL, 0, NULL, 0}};
	enum queue_state state;
	int opt;

	while ((opt = getopt_long(argc, argv, "e:u:", longs, NULL)) != -1) {
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

/* Whether options and arguments fit the action. Return -1 to go on, else the exit code. */
static int
cmd_queue_check(const struct cmd_queue_call *c, char **ids)
{
	bool list = strcmp(c->action, "list") == 0;
	bool retry = strcmp(c->action, "retry") == 0;
	bool show = strcmp(c->action, "show") == 0;
	bool undo = strcmp(c->action, "undo") == 0;
	uint64_t id;

	if (!list && !retry && !show && !undo && strcmp(c->action, "cancel") != 0)
		return cmd_usage(c->env, &cmd_queue, "there is no action \"%s\"", c->action);
	if (c->all_failed && !retry)
		return cmd_usage(c->env, &cmd_queue, "--all-failed is for retry");
	if (c->conflict != QUEUE_POLICY_NONE && !retry)
		return cmd_usage(c->env, &cmd_queue, "--conflict is for retry");
	if (!undo && (c->undo.force || c->undo.target != NULL || cmd_server_given(&c->undo.server)))
		return cmd_usage(
		    c->env, &cmd_queue, "--force, --target and what is of servers are for undo");
	if (c->payload && (!show || ids[0] == NULL || ids[1] != NULL))
		return cmd_usage(c->env, &cmd_queue, "--payload is for show with one ID");
	if ((list || c->all_failed) && ids[0] != NULL)
		return cmd_usage(c->env, &cmd_queue, "\"%s\" is one argument too many", ids[0]);
	if (!list && !c->all_failed && ids[0] == NULL)
		return cmd_usage(c->env, &cmd_queue, "%s which restore? name its ID", c->action);
	for (; *ids != NULL; ids++)
		if (num_parse(*ids, INT64_MAX, &id) != ERR_OK)
			return cmd_usage(c->env, &cmd_queue, "\"%s\" is no restore's ID", *ids);
	return -1;
}

static int
cmd_queue_act(struct cmd_queue_call *c, char **ids)
{
	if (strcmp(c->action, "list") == 0)
		return cmd_queue_list(c);
	if (strcmp(c->action, "show") == 0)
		return cmd_queue_each(c, ids, cmd_queue_show);
	if (strcmp(c->action, "undo") == 0)
		return cmd_queue_each(c, ids, cmd_queue_put_back);
	return c->all_failed ? cmd_queue_retry_all(c) : cmd_queue_each(c, ids, cmd_queue_change);
}

/* Open what the action needs, and do it. */
static int
cmd_queue_open(struct cmd_queue_call *c, char **ids)
{
	bool undo = strcmp(c->action, "undo") == 0;
	bool changes = undo || strcmp(c->action, "retry") == 0 || strcmp(c->action, "cancel") == 0;
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

static int
cmd_queue_run(const struct cmd_env *env, int argc, char **argv)
{
	struct cmd_queue_call c = {.env = env, .action = "list"};
	int code = cmd_queue_options(&c, argc, argv);

	if (code >= 0)
		return code;
	argv += optind;
	if (argv[0] != NULL)
		c.action = *argv++;
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
    .synopsis = "[list|show|retry|cancel|undo] [OPTION ...] [ID ...]",
    .summary = "look at the restore queue, retry, cancel and undo",
    .help = "Every file copied into a table's directory is a restore in the queue: pending,\n"
	    "running, done, failed or cancelled. Without an action the restores are listed.\n"
	    "\n"
	    "  list           the restores, oldest first\n"
	    "  show ID...     all that is known about a restore, with the reason of a failure\n"
	    "  retry ID...    let a failed or cancelled restore be carried out again\n"
	    "  cancel ID...   take a pending or failed restore out of the queue\n"
	    "  undo ID...     put back what a restore has replaced on a server, and delete\n"
	    "                 what had not been there, unless it was changed since\n"
	    "\n"
	    "      --state STATE         list: only restores in this state (may be repeated)\n"
	    "  -e, --export DB[.TABLE]   list, retry --all-failed: only of this one\n"
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
	    "cannot be undone,\n"
	    "3 this holds for some of the IDs.\n",
    .run = cmd_queue_run,
};
