/*
 * SCRAM-SHA-256 as RethinkDB speaks it (RFC 5802, RFC 7677; server source
 * clustering/administration/auth/scram_authenticator.cc): no channel binding, passwords as they
 * are. Pure; any thread.
 */
#ifndef THINKBACK_RDB_SCRAM_H
#define THINKBACK_RDB_SCRAM_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"

#include <stddef.h>
#include <stdint.h>

#define SCRAM_ROUNDS_MAX                                                                           \
	1000000u      /* of password hashing that a server may ask for (it uses 4096)              \
		       */
#define SCRAM_HASH 32 /* bytes of SHA-256 */

/* What a client knows before it has talked to the server. */
struct scram_login {
	const char *user;
	const void *password;
	size_t password_len;
	const char *nonce; /* printable, without commas, new for every login */
};

/*
 * scram_first(login, out):
 * Append the client's first message ("n,,n=USER,r=NONCE"). Return ERR_OK or ERR_NOMEM.
 */
int scram_first(const struct scram_login *login, struct buf *out);

/*
 * scram_final(login, server_first, len, out, signature, e):
 * Answer the server's first message: append the client's final one and set the signature that the
 * server must show. Return ERR_OK; ERR_FORMAT when the message is not what SCRAM has, or not an
 * answer to this login, or asks for more than SCRAM_ROUNDS_MAX; ERR_NOMEM.
 */
int scram_final(const struct scram_login *login, const void *server_first, size_t len,
    struct buf *out, uint8_t signature[SCRAM_HASH], struct err *e);

/*
 * scram_verify(server_final, len, signature, e):
 * Whether the server's final message ("v=...") shows ${signature}, compared in constant time.
 * Return ERR_OK, or ERR_DENIED: it does not know the password.
 */
int scram_verify(
    const void *server_final, size_t len, const uint8_t signature[SCRAM_HASH], struct err *e);

#endif
