/* Passwords, from where other users cannot see them: a file, or the terminal. */
#ifndef THINKBACK_SNAPSHOT_CMD_PASSWORD_H
#define THINKBACK_SNAPSHOT_CMD_PASSWORD_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"

/*
 * cmd_password_file(path, out, e):
 * Put the first line of a file into ${out}, without its line end. Return ERR_OK; what err_system
 * makes of a failure; ERR_LIMIT for a line that is too long to be a password.
 */
int cmd_password_file(const char *path, struct buf *out, struct err *e);

/*
 * cmd_password_ask(out, e):
 * Ask on the terminal, without showing what is typed, and put it into ${out}. From then on signals
 * are caught (cmd_catch_signals), and the terminal is as before when this returns. Return ERR_OK;
 * ERR_ARG when there is no terminal; ERR_INTR when a signal came first; else a failure.
 */
int cmd_password_ask(struct buf *out, struct err *e);

/* cmd_password_forget(password): wipe and free it. */
void cmd_password_forget(struct buf *password);

#endif
