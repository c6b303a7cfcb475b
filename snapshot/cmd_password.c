/* Passwords: the contracts are in cmd_password.h. */
#include "snapshot/cmd_password.h"

#include "catalog/base/file.h"
#include "catalog/base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
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

int
cmd_password_ask(struct buf *out, struct err *e)
{
	static const char question[] = "Password: ";
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
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(fd, TCSAFLUSH, &hidden);
	rc = file_write(fd, question, sizeof(question) - 1, "the terminal", e);
	if (rc == ERR_OK)
		rc = password_line(fd, out, "the terminal", e);
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
