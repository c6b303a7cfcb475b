/* The program: global options, the table of commands, exit codes. */
#include "catalog/cmd.h"
#include "fs/cmd.h"
#include "snapshot/cmds.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct cmd *const commands[] = {
    &cmd_init,
    &cmd_snapshot,
    &cmd_mount,
    &cmd_ls,
    &cmd_cat,
    &cmd_list,
    &cmd_queue,
    &cmd_worker,
    &cmd_check,
    &cmd_rebuild,
    &cmd_restore,
    &cmd_export,
    &cmd_forget,
    &cmd_gc,
    &cmd_tag,
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void
show_usage(FILE *out)
{
	fputs("usage: thinkback [-r REPO] [-q | -v] [--json] COMMAND [ARGUMENT ...]\n"
	      "\n"
	      "RethinkDB backups that you can ls, cat, cp and rsync.\n"
	      "\n",
	    out);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n"
	      "  -r, --repo REPO      the repository (default: THINKBACK_REPO)\n"
	      "  -q, --quiet          only errors\n"
	      "  -v, --verbose        more detail\n"
	      "      --json           output for programs: one JSON object a line\n"
	      "      --any-owner      use a repository of another user, or one that others can\n"
	      "                       write to\n"
	      "      --version        show the version\n"
	      "  -h, --help           show this; with COMMAND, its options\n"
	      "\n"
	      "thinkback COMMAND --help tells more; the manual is thinkback(1).\n",
	    out);
}

static void
show_help(const struct cmd *cmd)
{
	printf("usage: thinkback %s %s\n\n%s", cmd->name, cmd->synopsis, cmd->help);
}

static void
log_to_stderr(void *arg, enum log_level level, const char *text)
{
	const struct cmd_env *env = arg;

	if (level <= LOG_WARNING)
		cmd_error(env, "%s", text);
	else
		fprintf(stderr, "%s\n", text);
}

static const struct cmd *
find_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

/* Whether ${argv} asks for help before any "--". */
static bool
wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

/* Take "--json" out of a command's arguments: it may stand behind the command's name too. */
static void
take_json(struct cmd_env *env, int *argc, char **argv)
{
	int n = 1, i = 1;

	for (; i < *argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--json") == 0)
			env->json = true;
		else
			argv[n++] = argv[i];
	}
	while (i < *argc)
		argv[n++] = argv[i++];
	argv[n] = NULL;
	*argc = n;
}

/* Read the global options into ${env}. Return -1 to go on, else the exit code. */
static int
read_options(struct cmd_env *env, int argc, char **argv)
{
	static const struct option longs[] = {{"repo", required_argument, NULL, 'r'},
	    {"quiet", no_argument, NULL, 'q'}, {"verbose", no_argument, NULL, 'v'},
	    {"json", no_argument, NULL, 'j'}, {"version", no_argument, NULL, 'V'},
	    {"help", no_argument, NULL, 'h'}, {"any-owner", no_argument, NULL, 'O'},
	    {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "+r:qvh", longs, NULL)) != -1) {
		switch (c) {
		case 'r':
			env->repo = optarg;
			break;
		case 'q':
			env->verbosity = -1;
			break;
		case 'v':
			env->verbosity = 1;
			break;
		case 'O':
			env->any_owner = true;
			break;
		case 'j':
			env->json = true;
			break;
		case 'V':
			printf("thinkback %s\n", THINKBACK_VERSION);
			return CMD_DONE;
		case 'h':
			show_usage(stdout);
			return CMD_DONE;
		default:
			fputs("try: thinkback --help\n", stderr);
			return CMD_USAGE;
		}
	}
	return -1;
}

static void
fill_env(struct cmd_env *env, char *program)
{
	bool color = getenv("NO_COLOR") == NULL;

	env->repo = getenv("THINKBACK_REPO");
	if (env->repo != NULL && env->repo[0] == '\0')
		env->repo = NULL;
	env->any_owner = getenv("THINKBACK_ANY_OWNER") != NULL;
	env->program = program;
	env->err_tty = isatty(STDERR_FILENO) != 0;
	env->color_err = color && env->err_tty;
	env->color_out = color && isatty(STDOUT_FILENO) != 0;
	env->log = (struct log){.line = log_to_stderr, .arg = env};
}

int
main(int argc, char **argv)
{
	struct cmd_env env = {0};
	const struct cmd *cmd;
	int code;

	/* Modes come out as they are asked for, and nothing is for others. */
	umask(077);
	fill_env(&env, argv[0]);
	code = read_options(&env, argc, argv);
	if (code >= 0)
		return cmd_finish(&env, code);
	env.log.most = env.verbosity < 0 ? LOG_ERROR : env.verbosity > 0 ? LOG_DETAIL : LOG_NOTICE;
	if (optind >= argc) {
		show_usage(stderr);
		return CMD_USAGE;
	}
	argv += optind;
	argc -= optind;
	cmd = find_command(argv[0]);
	if (cmd == NULL) {
		cmd_error(&env, "there is no command \"%s\"; try: thinkback --help", argv[0]);
		return CMD_USAGE;
	}
	if (wants_help(argc, argv)) {
		show_help(cmd);
		return cmd_finish(&env, CMD_DONE);
	}
	take_json(&env, &argc, argv);
	/* 0 makes getopt start over for the command's own options. */
	optind = 0;
	return cmd_finish(&env, cmd->run(&env, argc, argv));
}
