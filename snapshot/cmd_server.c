/* The options of commands that write to a server: the contracts are in cmd_server.h. */
#include "snapshot/cmd_server.h"

#include "snapshot/cmd_password.h"

bool
cmd_server_option(struct cmd_server *s, int opt, const char *value)
{
	if (opt == 'u')
		s->options.user = value;
	else if (opt == CMD_SERVER_PASSWORD_FILE)
		s->password_file = value;
	else if (opt == CMD_SERVER_TLS_CERT)
		s->options.tls_ca = value;
	else if (opt == CMD_SERVER_TLS_CLIENT_CERT)
		s->options.tls_cert = value;
	else if (opt == CMD_SERVER_TLS_CLIENT_KEY)
		s->options.tls_key = value;
	else if (opt == CMD_SERVER_DEEP)
		s->options.deep = true;
	else
		return false;
	return true;
}

bool
cmd_server_given(const struct cmd_server *s)
{
	return s->options.user != NULL || s->password_file != NULL || s->password_ask ||
	       s->options.tls_ca != NULL || s->options.tls_cert != NULL ||
	       s->options.tls_key != NULL || s->options.deep;
}

int
cmd_server_password(struct cmd_server *s, struct err *e)
{
	int rc;

	if (s->password_file == NULL && !s->password_ask)
		return ERR_OK;
	rc = s->password_ask ? cmd_password_ask(&s->password, e)
			     : cmd_password_file(s->password_file, &s->password, e);
	if (rc != ERR_OK) {
		cmd_server_finish(s);
		return rc;
	}
	s->options.password = s->password.data;
	s->options.password_len = s->password.len;
	return ERR_OK;
}

void
cmd_server_finish(struct cmd_server *s)
{
	cmd_password_forget(&s->password);
}
