/* thinkback ls: directories of the tree, without a mount. */
#include "catalog/base/date.h"
#include "fs/cmd.h"
#include "fs/cmd_tree.h"
#include "fs/path.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How entries are shown. */
struct ls {
	struct cmd_tree tree;
	bool details;    /* -l */
	bool all;        /* -a: names with a leading dot too */
	bool terminal;   /* stdout is one: nothing in a name may steer it */
	bool several;    /* directories get a heading */
	bool shown;      /* something was printed: a heading is set off by an empty line */
	struct buf text; /* for what one entry needs */
};

static const char *
ls_type(enum view_type type)
{
	switch (type) {
	case VIEW_DIRECTORY:
		return "directory";
	case VIEW_LINK:
		return "link";
	case VIEW_FILE:
		break;
	}
	return "file";
}

static const char *
ls_mode(const struct view_attr *attr)
{
	switch (attr->type) {
	case VIEW_DIRECTORY:
		return attr->writable ? "drwxr-xr-x" : "dr-xr-xr-x";
	case VIEW_LINK:
		return "lrwxrwxrwx";
	case VIEW_FILE:
		break;
	}
	return attr->writable ? "-rw-r--r--" : "-r--r--r--";
}

/* Write ${seconds} as "2026-11-18T03:00:00Z". */
static void
ls_date(int64_t seconds, char out[DATE_NAME])
{
	if (date_name(seconds, out) == ERR_OK)
		out[13] = out[16] = ':';
}

/* Write a name; for a terminal with '?' for control characters, C1 (U+0080 to U+009F) included. */
static void
ls_name(const struct ls *ls, const char *name, enum view_type type)
{
	const char *color = "";

	if (ls->tree.env->color_out && type != VIEW_FILE)
		color = type == VIEW_DIRECTORY ? "\033[1;34m" : "\033[1;36m";
	fputs(color, stdout);
	for (const unsigned char *p = (const unsigned char *)name; *p != '\0'; p++) {
		bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;
		if (ls->terminal && (*p < 0x20 || *p == 0x7f || c1))
			putchar('?');
		else
			putchar(*p);
		p += ls->terminal && c1 ? 1 : 0;
	}
	fputs(color[0] != '\0' ? "\033[0m" : "", stdout);
}

/* Set ls->text to the target of a link, "" for others. */
static int
ls_target(struct ls *ls, const struct view_attr *attr, struct err *e)
{
	int rc = ERR_OK;

	buf_clear(&ls->text);
	if (attr->type == VIEW_LINK)
		rc = view_link(ls->tree.view, attr->ino, &ls->text, e);
	if (rc == ERR_OK && buf_str(&ls->text) == NULL)
		rc = err_nomem(e);
	return rc;
}

static int
ls_json(struct ls *ls, const char *name, const struct view_attr *attr, struct err *e)
{
	char date[DATE_NAME];

	buf_clear(&ls->text);
	if (cmd_json_string(&ls->text, name) != ERR_OK || buf_str(&ls->text) == NULL)
		return err_nomem(e);
	ls_date(attr->mtime, date);
	printf("{\"name\":%s,\"type\":\"%s\",\"size\":%" PRIu64 ",\"mtime\":\"%s\",\"ino\":%" PRIu64
	       ",\"nlink\":%" PRIu32 "}\n",
	    buf_str(&ls->text), ls_type(attr->type), attr->size, date, attr->ino, attr->nlink);
	return ERR_OK;
}

/* Show one entry. */
static int
ls_entry(struct ls *ls, const char *name, const struct view_attr *attr, struct err *e)
{
	char date[DATE_NAME];
	int rc;

	ls->shown = true;
	if (ls->tree.env->json)
		return ls_json(ls, name, attr, e);
	if (!ls->details) {
		ls_name(ls, name, attr->type);
		putchar('\n');
		return ERR_OK;
	}
	rc = ls_target(ls, attr, e);
	if (rc != ERR_OK)
		return rc;
	ls_date(attr->mtime, date);
	printf("%s %4" PRIu32 " %10" PRIu64 " %s ", ls_mode(attr), attr->nlink, attr->size, date);
	ls_name(ls, name, attr->type);
	if (ls->text.len > 0)
		printf(" -> %s", buf_str(&ls->text));
	putchar('\n');
	return ERR_OK;
}

/* Say what is wrong with an entry that is damaged; the others are shown. */
static void
ls_damaged(struct ls *ls, const char *path, uint64_t directory, const char *name)
{
	struct view_attr attr;
	struct err e = {0};
	int rc = view_lookup(ls->tree.view, directory, name, &attr, &e);

	if (rc != ERR_OK)
		err_prefix(&e, "%s/%s", path, name);
	cmd_tree_count(&ls->tree, rc, &e);
}

/* Show what is in a directory. */
static int
ls_entries(struct ls *ls, const char *path, const struct view_attr *attr, struct err *e)
{
	struct view_entry entry;
	struct view_dir *d;
	int rc = view_dir_open(ls->tree.view, attr->ino, &d, e);

	if (rc != ERR_OK)
		return rc;
	while (!ferror(stdout) && (rc = view_dir_next(ls->tree.view, d, &entry, e)) == ERR_OK) {
		if (entry.name[0] == '.' && !ls->all)
			continue;
		if (entry.damaged) {
			ls_damaged(ls, path, attr->ino, entry.name);
			continue;
		}
		rc = ls_entry(ls, entry.name, &entry.attr, e);
		if (rc != ERR_OK)
			break;
	}
	view_dir_close(d);
	return rc == ERR_END ? ERR_OK : rc;
}

/* Show a directory with its heading. */
static int
ls_directory(struct ls *ls, const char *path, const struct view_attr *attr, struct err *e)
{
	int rc;

	if (ls->several && !ls->tree.env->json) {
		fputs(ls->shown ? "\n" : "", stdout);
		ls_name(ls, path, VIEW_FILE);
		fputs(":\n", stdout);
		ls->shown = true;
	}
	rc = ls_entries(ls, path, attr, e);
	if (rc == ERR_ABSENT)
		rc = err_set(e, ERR_ABSENT, "it has just vanished");
	if (rc != ERR_OK)
		err_prefix(e, "%s", path);
	return rc;
}

/* Show those of the paths that are directories, or those that are not. Missing ones are told once,
 * with the files. */
static void
ls_paths(struct ls *ls, int n, char **paths, bool directories)
{
	for (int i = 0; i < n; i++) {
		struct err e = {0};
		struct view_attr attr;
		int rc = path_find(ls->tree.view, paths[i], &attr, &e);
		if (rc != ERR_OK ? directories : (attr.type == VIEW_DIRECTORY) != directories)
			continue;
		if (rc == ERR_OK)
			rc = directories ? ls_directory(ls, paths[i], &attr, &e)
					 : ls_entry(ls, paths[i], &attr, &e);
		cmd_tree_count(&ls->tree, rc, &e);
	}
}

static int
cmd_ls_run(const struct cmd_env *env, int argc, char **argv)
{
	static const struct option longs[] = {{NULL, 0, NULL, 0}};
	static char root[] = "";
	char *only[] = {root};
	struct ls ls = {.terminal = isatty(STDOUT_FILENO) != 0};
	int code = CMD_DONE;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "la1", longs, NULL)) != -1) {
		if (c == '?' && optopt != 0)
			return cmd_usage(env, &cmd_ls, "there is no option -%c", optopt);
		if (c == '?')
			return cmd_usage(env, &cmd_ls, "there is no option %s", argv[optind - 1]);
		ls.details = ls.details || c == 'l';
		ls.all = ls.all || c == 'a';
	}
	argc -= optind;
	argv += optind;
	ls.several = argc > 1;
	if (argc == 0) {
		argv = only;
		argc = 1;
	}
	if (cmd_tree_open(&ls.tree, env, &cmd_ls, &code)) {
		ls_paths(&ls, argc, argv, false);
		ls_paths(&ls, argc, argv, true);
		code = cmd_tree_code(&ls.tree);
	}
	buf_finish(&ls.text);
	cmd_tree_close(&ls.tree);
	return code;
}

const struct cmd cmd_ls = {
    .name = "ls",
    .synopsis = "[-la] [PATH...]",
    .summary = "list directories, as the mount would",
    .help = "List the names in each directory, one a line; the top without a path. A path is\n"
	    "one of the tree that a mount shows, such as shop/orders/shard-00/latest.\n"
	    "\n"
	    "  -l  with mode, number of dates that show it, size and date\n"
	    "  -a  names with a leading dot too\n"
	    "\n"
	    "With --json: one object a line with name, type, size, mtime, ino and nlink.\n",
    .run = cmd_ls_run,
};
