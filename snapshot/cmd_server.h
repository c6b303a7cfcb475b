/* The options of commands that write to a server: whom to log in as, and how. */
#ifndef THINKBACK_SNAPSHOT_CMD_SERVER_H
#define THINKBACK_SNAPSHOT_CMD_SERVER_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"
#include "snapshot/target.h"

#include <stdbool.h>

/* What getopt_long returns for them; -u is the user, too. */
enum {
	CMD_SERVER_PASSWORD_FILE = 256,
	CMD_SERVER_TLS_CERT,
	CMD_SERVER_TLS_CLIENT_CERT,
	CMD_SERVER_TLS_CLIENT_KEY,
	CMD_SERVER_DEEP
};

/* Rows of the table for getopt_long. */
#define CMD_SERVER_OPTIONS                                                                         \
	{"user", required_argument, NULL, 'u'},                                                    \
	    {"password-file", required_argument, NULL, CMD_SERVER_PASSWORD_FILE},                  \
	    {"tls-cert", required_argument, NULL, CMD_SERVER_TLS_CERT},                            \
	    {"tls-client-cert", required_argument, NULL, CMD_SERVER_TLS_CLIENT_CERT},              \
	    {"tls-client-key", required_argument, NULL, CMD_SERVER_TLS_CLIENT_KEY},                \
	{                                                                                          \
		"deep", no_argument, NULL, CMD_SERVER_DEEP                                         \
	}

/* Zero it first. */
struct cmd_server {
	struct target_server options; /* what they come to */
	const char *password_file;    /* NULL: not given */
	bool password_ask;            /* ask for it on the terminal */
	struct buf password;          /* wiped at the end */
};

/* cmd_server_option(s, opt, value): take an option. Return false when it is none of these. */
bool cmd_server_option(struct cmd_server *s, int opt, const char *value);

/* cmd_server_given(s): whether any was given. */
bool cmd_server_given(const struct cmd_server *s);

/* cmd_server_password(s, e): read the password from its file, or ask for it. ERR_OK, or as
 * cmd_password_file and cmd_password_ask. */
int cmd_server_password(struct cmd_server *s, struct err *e);

/* cmd_server_finish(s): wipe the password. */
void cmd_server_finish(struct cmd_server *s);

#endif
