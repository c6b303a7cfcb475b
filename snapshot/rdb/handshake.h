/*
 * The V1_0 handshake of a new connection (server source client_protocol/server.cc): magic number,
 * then JSON texts closed by a NUL each, with SCRAM-SHA-256 inside.
 */
#ifndef THINKBACK_RDB_HANDSHAKE_H
#define THINKBACK_RDB_HANDSHAKE_H

#include "snapshot/rdb/transport.h"

#include <stdbool.h>

#define HANDSHAKE_MESSAGE 4096 /* bytes of the longest message that is taken from a server */
#define HANDSHAKE_VERSION 64   /* room for a server's version with its NUL */

struct handshake_login {
	const char *user;
	const void *password; /* NULL: an empty one */
	size_t password_len;
	const char *nonce; /* as scram.h wants it; NULL: random */
};

/*
 * handshake_run(t, login, version, e):
 * Log in over the new stream ${t}. Sets ${version} to the server's ("" when it does not say).
 * Return ERR_OK; ERR_DENIED when the login is refused, or the server cannot prove that it knows the
 * password; ERR_FORMAT when the other side is no RethinkDB server, or wants TLS; ERR_IO when
 * it ends the stream, or another failure of that. Texts say what to do.
 */
int handshake_run(struct transport *t, const struct handshake_login *login,
    char version[HANDSHAKE_VERSION], struct err *e);

#endif
