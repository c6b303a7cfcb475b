/* thinkback worker: carry out the restores of the queue. */
#include "catalog/base/num.h"
#include "catalog/cmd_hold.h"
#include "snapshot/cmd_server.h"
#include "snapshot/cmds.h"
#include "snapshot/worker.h"

#include <getopt.h>
#include <inttypes.h>
#include <limits.h>

/* Read the options into ${o}. Return -1 to go on, else the exit code. */
static int
cmd_worker_options(const struct cmd_env *env, struct worker_options *o, struct cmd_server *server,
    int argc, char **argv)
{
	static const struct option longs[] = {{"once", no_argument, NULL, 'o'},
	    {"target", required_argument, NULL, 't'}, {"parent-fd", required_argument, NULL, 'f'},
	    {"password", no_argument, NULL, 'p'}, {"conflict", required_argument, NULL, 'c'},
	    CMD_SERVER_OPTIONS, {NULL, 0, NULL, 0}};
	uint64_t fd;
	int opt;

	while ((opt = getopt_long(argc, argv, "u:p", longs, NULL)) != -1) {
		if (opt == 'o') {
			o->once = true;
		} else if (opt == 'p') {
			server->password_ask = true;
		} else if (cmd_server_option(server, opt, optarg)) {
			continue;
		} else if (opt == 't') {
			o->target = optarg;
		} else if (opt == 'c' && queue_policy_parse(optarg, &o->conflict) == ERR_OK) {
			continue;
		} else if (opt == 'c') {
			return cmd_usage(env, &cmd_worker,
			    "\"%s\" is no conflict policy: replace, keep or newer-loses", optarg);
		} else if (opt == 'f' && num_parse(optarg, INT_MAX, &fd) == ERR_OK) {
			o->parent_fd = (int)fd;
		} else if (opt == 'f') {
			return cmd_usage(env, &cmd_worker, "\"%s\" is no file descriptor", optarg);
		} else {
			return cmd_usage(env, &cmd_worker, "see thinkback worker --help");
		}
	}
	if (optind != argc)
		return cmd_usage(env, &cmd_worker, "it takes no arguments");
	if (server->password_ask && server->password_file != NULL)
		return cmd_usage(env, &cmd_worker, "-p and --password-file exclude each other");
	if (cmd_server_given(server) && (o->target == NULL || !target_is_server(o->target)))
		return cmd_usage(env, &cmd_worker, "a user, a password and TLS are for servers");
	return -1;
}

static int
cmd_worker_exit_code(const struct worker_result *r)
{
	if (r->failed == 0 && r->put_off == 0)
		return CMD_DONE;
	return r->done > 0 ? CMD_PARTIAL : CMD_FAILED;
}

/* Work on ${repo}, while another process keeps the databases open: there may be no mount. */
static int
cmd_worker_work(const struct cmd_env *env, const struct repo *repo,
    const struct worker_options *options, struct worker_result *result)
{
	struct cmd_hold *hold = NULL;
	struct err e = {0};
	int rc = cmd_hold_start(repo, &hold, &e);

	if (rc == ERR_OK)
		rc = worker_run(repo, options, result, &e);
	cmd_hold_end(hold);
	return rc == ERR_OK ? CMD_DONE : cmd_fail(env, &e);
}

static int
cmd_worker_run(const struct cmd_env *env, int argc, char **argv)
{
	struct worker_options options = {
	    .stop = &cmd_stop, .confine = true, .parent_fd = -1, .log = &env->log};
	struct worker_result result = {0};
	struct cmd_server server = {0};
	struct repo *repo;
	struct err e = {0};
	int code = cmd_worker_options(env, &options, &server, argc, argv);

	if (code >= 0)
		return code;
	if (cmd_server_password(&server, &e) != ERR_OK)
		return cmd_fail(env, &e);
	if (!cmd_open(env, &cmd_worker, &repo, &code)) {
		cmd_server_finish(&server);
		return code;
	}
	options.server = &server.options;
	cmd_catch_signals();
	code = cmd_worker_work(env, repo, &options, &result);
	if (code == CMD_DONE && options.once)
		code = cmd_worker_exit_code(&result);
	if (env->json)
		printf("{\"event\":\"worker\",\"done\":%" PRIu64 ",\"failed\":%" PRIu64
		       ",\"put_off\":%" PRIu64 "}\n",
		    result.done, result.failed, result.put_off);
	repo_close(repo);
	cmd_server_finish(&server);
	return code;
}

const struct cmd cmd_worker = {
    .name = "worker",
    .synopsis = "[--once] [--target DIR | SERVER] [OPTION ...]",
    .summary = "carry out the restores of the queue",
    .help = "Carry out the restores of the queue until interrupted, oldest first. Their\n"
	    "documents are merged by key into DIR/DB/TABLE.json, in the layout that\n"
	    "\"rethinkdb import -d DIR\" reads; or they are written to a server, each one by\n"
	    "compare-and-set, after what it replaces has been kept for \"queue undo\". Several\n"
	    "workers may run at a time; one that is killed loses nothing. A restore that\n"
	    "cannot be carried out now is tried again after 1 second, then 2, 4 ... 300.\n"
	    "\n"
	    "      --once             end when there is nothing left to do now\n"
	    "      --target DIR       the directory (default: restores in the repository)\n"
	    "      --target SERVER    rethinkdb://[USER@]HOST[:PORT]\n"
	    "      --conflict POLICY  what to do with a document that is on the server, if\n"
	    "                         the restore does not say it: replace (default),\n"
	    "                         keep, or newer-loses (replace it only when it is as\n"
	    "                         the newest snapshot has it)\n"
	    "      --parent-fd N      end when file descriptor N reaches its end\n"
	    "\n"
	    "Of servers; thinkback-rethinkdb(7) tells which permissions are needed:\n"
	    "  -u, --user USER        log in as USER (default: admin)\n"
	    "  -p, --password         ask for the password on the terminal\n"
	    "      --password-file FILE\n"
	    "                         read the password from the first line of FILE\n"
	    "      --tls-cert CAFILE  use TLS, and trust the certificates in CAFILE\n"
	    "      --tls-client-cert FILE, --tls-client-key FILE\n"
	    "                         certificate and key for a server that wants them\n"
	    "      --deep             write documents nested deeper than 1500 levels, too,\n"
	    "                         which can end the process of a server\n"
	    "\n"
	    "Exit status: 0 done; with --once, 1 no restore could be carried out, 3 some\n"
	    "could not.\n",
    .run = cmd_worker_run,
};
