/*
 * What the commands share: options, output, progress, exit codes. Only thinkback.c and files named
 * cmd*.c print or read the environment.
 */
#ifndef THINKBACK_CATALOG_CMD_H
#define THINKBACK_CATALOG_CMD_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"
#include "catalog/base/log.h"
#include "catalog/repo.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Exit codes, the same for every command. */
enum cmd_exit {
	CMD_DONE = 0,
	CMD_FAILED = 1,
	CMD_USAGE = 2,
	CMD_PARTIAL = 3 /* done in part: some tables or documents failed, listed */
};

/* What the global options say. */
struct cmd_env {
	const char *repo;    /* -r or THINKBACK_REPO; NULL: not given */
	bool any_owner;      /* --any-owner or THINKBACK_ANY_OWNER: repo_check_owner is not asked */
	bool json;           /* --json */
	int verbosity;       /* -q: -1, -v: 1 */
	bool color_out;      /* colours on stdout */
	bool color_err;      /* colours on stderr */
	bool err_tty;        /* stderr is a terminal: progress may be shown */
	struct log log;      /* the sink to hand to libraries: writes to stderr */
	const char *program; /* argv[0], for starting ourselves again */
};

/* A command: one file cmd_NAME.c with one of these. */
struct cmd {
	const char *name;
	const char *synopsis; /* behind the name: "[-f] [-o OPTIONS] MOUNTPOINT" */
	const char *summary;  /* one line for the list of commands */
	const char *help;     /* lines for --help, each at most 80 columns, options included */
	int (*run)(const struct cmd_env *env, int argc,
	    char **argv); /* argv[0] is the name; an exit code */
};

/* The commands that need the catalogue alone; the others are in snapshot/cmds.h and fs/cmd.h. */
extern const struct cmd cmd_init, cmd_list;

/* Non-zero once SIGINT, SIGTERM or SIGHUP has come, after cmd_catch_signals. */
extern volatile sig_atomic_t cmd_stop;

/*
 * cmd_catch_signals():
 * From now on those signals set cmd_stop instead of ending the process, and interrupt system calls.
 * One that was ignored when the program was started stays so.
 */
void cmd_catch_signals(void);

/*
 * cmd_error(env, fmt, ...):
 * One line "thinkback: ..." on stderr (with --json also fine: stdout stays clean).
 */
void cmd_error(const struct cmd_env *env, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* cmd_fail(env, e): cmd_error of the text in ${e}. Return CMD_FAILED. */
int cmd_fail(const struct cmd_env *env, const struct err *e);

/*
 * cmd_usage(env, cmd, fmt, ...):
 * One line that says what is wrong with the command line, and one that shows the synopsis, on
 * stderr. Return CMD_USAGE.
 */
int cmd_usage(const struct cmd_env *env, const struct cmd *cmd, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * cmd_open(env, cmd, out, code):
 * Open the repository of the global options. Return true, or print why not, set ${code} to the exit
 * code and return false.
 */
bool cmd_open(const struct cmd_env *env, const struct cmd *cmd, struct repo **out, int *code);

/*
 * cmd_trusts(env, repo):
 * Whether ${repo}, opened by the path of the global options, may be used: repo_check_owner, or
 * --any-owner. Prints why not. cmd_open has asked already.
 */
bool cmd_trusts(const struct cmd_env *env, const struct repo *repo);

/*
 * cmd_json_string(out, text):
 * Append a JSON string with quotes to ${out}; what is no UTF-8 becomes U+FFFD. ERR_OK or ERR_NOMEM.
 */
int cmd_json_string(struct buf *out, const char *text);

/* cmd_finish(env, code): flush stdout; ${code}, or CMD_FAILED (with a line) when that fails. */
int cmd_finish(const struct cmd_env *env, int code);

/* A progress bar on stderr; silent unless that is a terminal. Zero it before cmd_progress_start. */
struct cmd_progress {
	bool on;           /* shown at all */
	bool counted;      /* done and total count items, not bytes; set it after the start */
	const char *label; /* what is being done, not owned */
	int64_t started;   /* ms */
	int64_t drawn;     /* ms, last drawing */
};

/*
 * cmd_progress_start(p, env, label), cmd_progress_show(p, done, total, items, unit),
 * cmd_progress_end(p):
 * Show (at most ten times a second) a bar with bytes (or items) done of total, percent, ${items}
 * with their
 * ${unit} ("documents") a second, and time left; take it away at the end.
 */
void cmd_progress_start(struct cmd_progress *p, const struct cmd_env *env, const char *label);
void cmd_progress_show(
    struct cmd_progress *p, uint64_t done, uint64_t total, uint64_t items, const char *unit);
void cmd_progress_end(struct cmd_progress *p);

/*
 * cmd_problem(env, p, text):
 * Tell of something that was found damaged or lost, where the bar was: a line of cmd_error, and
 * with --json an event "problem" on stdout.
 */
void cmd_problem(const struct cmd_env *env, struct cmd_progress *p, const char *text);

#endif
