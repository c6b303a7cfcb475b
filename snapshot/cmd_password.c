/* Passwords: the contracts are in cmd_password.h. */
#include "snapshot/cmd_password.h"

#include "catalog/base/file.h"
#include "catalog/base/sandbox.h"
#include "catalog/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define PASSWORD_MAX 4096 /* bytes of a line */

/* Read a line of ${fd} into ${out}, which has room for PASSWORD_MAX + 1 bytes. */
static int
password_line(int fd, struct buf *out, const char *what, struct err *e)
{
	while (memchr(out->data, '\n', out->len) == NULL && out->len <= PASSWORD_MAX) {
		ssize_t n = read(fd, out->data + out->len, PASSWORD_MAX + 1 - out->len);
		if (n < 0)
			return err_system(e, errno, "cannot read %s", what);
		if (n == 0)
			break;
		out->len += (size_t)n;
	}
	if (memchr(out->data, '\n', out->len) != NULL)
		out->len = (size_t)((uint8_t *)memchr(out->data, '\n', out->len) - out->data);
	else if (out->len > PASSWORD_MAX)
		return err_set(
		    e, ERR_LIMIT, "%s: no password is longer than %d bytes", what, PASSWORD_MAX);
	if (out->len > 0 && out->data[out->len - 1] == '\r')
		out->len--;
	return ERR_OK;
}

int
cmd_password_file(const char *path, struct buf *out, struct err *e)
{
	int fd, rc;

	sandbox_guard_memory();
	buf_clear(out);
	if (buf_reserve(out, PASSWORD_MAX + 1) != ERR_OK)
		return err_nomem(e);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_system(e, errno, "cannot open the password file %s", path);
	rc = password_line(fd, out, path, e);
	close(fd);
	return rc;
}

/* Wait for a line on the terminal ${fd}. Signals come in only while it is waited, so that none
 * comes between the look at cmd_stop and the wait. */
static int
password_wait(int fd, struct err *e)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	sigset_t held, before;
	int failed = 0;

	sigemptyset(&held);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGHUP);
	sigprocmask(SIG_BLOCK, &held, &before);
	while (cmd_stop == 0 && ppoll(&p, 1, NULL, &before) < 0 && failed == 0)
		failed = errno == EINTR ? 0 : errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (cmd_stop != 0)
		return err_set(e, ERR_INTR, "interrupted before a password was given");
	return failed == 0 ? ERR_OK : err_system(e, failed, "cannot read the terminal");
}

/* Put the question on the terminal ${fd} and read the answer. */
static int
password_question(int fd, struct buf *out, struct err *e)
{
	static const char question[] = "Password: ";
	int rc = file_write(fd, question, sizeof(question) - 1, "the terminal", e);

	if (rc == ERR_OK)
		rc = password_wait(fd, e);
	return rc == ERR_OK ? password_line(fd, out, "the terminal", e) : rc;
}

/*
 * The terminal without what is typed. Keys that would end or stop the program at once are letters
 * meanwhile: it could not put the terminal back.
 */
static struct termios
password_hidden(const struct termios *shown)
{
	struct termios hidden = *shown;

	hidden.c_lflag &= ~(tcflag_t)ECHO;
	hidden.c_cc[VQUIT] = _POSIX_VDISABLE;
	hidden.c_cc[VSUSP] = _POSIX_VDISABLE;
	return hidden;
}

int
cmd_password_ask(struct buf *out, struct err *e)
{
	struct termios shown, hidden;
	int fd, rc;

	sandbox_guard_memory();
	buf_clear(out);
	if (buf_reserve(out, PASSWORD_MAX + 1) != ERR_OK)
		return err_nomem(e);
	fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || tcgetattr(fd, &shown) != 0) {
		if (fd >= 0)
			close(fd);
		return err_set(
		    e, ERR_ARG, "there is no terminal to ask for a password: use --password-file");
	}
	cmd_catch_signals();
	hidden = password_hidden(&shown);
	rc = tcsetattr(fd, TCSAFLUSH, &hidden) == 0
		 ? password_question(fd, out, e)
		 : err_system(e, errno, "cannot keep the terminal from showing the password");
	tcsetattr(fd, TCSAFLUSH, &shown);
	file_write(fd, "\n", 1, "the terminal", NULL);
	close(fd);
	return rc;
}

void
cmd_password_forget(struct buf *password)
{
	if (password->data != NULL)
		explicit_bzero(password->data, password->cap);
	buf_finish(password);
}
