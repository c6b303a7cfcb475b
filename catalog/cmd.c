/* What the commands share: the contracts are in cmd.h. */
#include "catalog/cmd.h"

#include <stdarg.h>
#include <string.h>

volatile sig_atomic_t cmd_stop;

static void
cmd_on_signal(int sig)
{
	(void)sig;
	cmd_stop = 1;
}

/* Whoever started us with ${sig} ignored, as nohup and the "&" of a script do, wants it to end us
 * not. */
static void
cmd_catch_signal(int sig)
{
	struct sigaction sa = {.sa_handler = cmd_on_signal}, before;

	sigemptyset(&sa.sa_mask);
	if (sigaction(sig, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
		sigaction(sig, &sa, NULL);
}

void
cmd_catch_signals(void)
{
	cmd_catch_signal(SIGINT);
	cmd_catch_signal(SIGTERM);
	cmd_catch_signal(SIGHUP);
}

void
cmd_error(const struct cmd_env *env, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%sthinkback:%s ", env->color_err ? "\033[31m" : "",
	    env->color_err ? "\033[0m" : "");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int
cmd_fail(const struct cmd_env *env, const struct err *e)
{
	cmd_error(env, "%s", e->text[0] != '\0' ? e->text : err_str(e->code));
	return CMD_FAILED;
}

int
cmd_usage(const struct cmd_env *env, const struct cmd *cmd, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cmd_error(env, "%s: %s", cmd->name, text);
	fprintf(stderr, "usage: thinkback %s %s\n", cmd->name, cmd->synopsis);
	return CMD_USAGE;
}

bool
cmd_trusts(const struct cmd_env *env, const struct repo *repo)
{
	struct err e = {0};

	if (env->any_owner || repo_check_owner(repo, env->repo, &e) == ERR_OK)
		return true;
	if (e.code == ERR_DENIED)
		cmd_error(env, "%s; use it all the same: thinkback --any-owner", e.text);
	else
		cmd_fail(env, &e);
	return false;
}

bool
cmd_open(const struct cmd_env *env, const struct cmd *cmd, struct repo **out, int *code)
{
	struct err e = {0};

	if (env->repo == NULL) {
		*code =
		    cmd_usage(env, cmd, "no repository: name it with -r REPO or in THINKBACK_REPO");
		return false;
	}
	if (repo_open(env->repo, out, &e) != ERR_OK) {
		*code = cmd_fail(env, &e);
		return false;
	}
	if (cmd_trusts(env, *out))
		return true;
	repo_close(*out);
	*out = NULL;
	*code = CMD_FAILED;
	return false;
}

/* The bytes of the character at ${p}, 0 when they are no UTF-8. */
static size_t
cmd_character(const unsigned char *p)
{
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	unsigned value = len == 1 ? p[0] : p[0] & (0x7fu >> len);
	static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};

	if ((p[0] >= 0x80 && p[0] < 0xc0) || p[0] >= 0xf8)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (p[i] & 0x3f);
	}
	if (value < least[len] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
		return 0;
	return len;
}

int
cmd_json_string(struct buf *out, const char *text)
{
	int rc = buf_putc(out, '"');

	for (const unsigned char *p = (const unsigned char *)text; *p != '\0' && rc == ERR_OK;) {
		size_t len = cmd_character(p);
		if (len == 0)
			rc = buf_puts(out, "\xef\xbf\xbd");
		else if (*p == '"' || *p == '\\')
			rc = buf_printf(out, "\\%c", *p);
		else if (*p < 0x20)
			rc = buf_printf(out, "\\u%04X", *p);
		else
			rc = buf_append(out, p, len);
		p += len > 0 ? len : 1;
	}
	return rc == ERR_OK ? buf_putc(out, '"') : rc;
}

int
cmd_finish(const struct cmd_env *env, int code)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		cmd_error(env, "cannot write to standard output");
		return CMD_FAILED;
	}
	return code;
}
