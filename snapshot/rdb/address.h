/* Where a server is, as users write it: rethinkdb://[USER@]HOST[:PORT]. Pure; any thread. */
#ifndef THINKBACK_RDB_ADDRESS_H
#define THINKBACK_RDB_ADDRESS_H

#include "catalog/base/err.h"

#define ADDRESS_TEXT 256     /* room for a host or a user with its NUL */
#define ADDRESS_SHOWN 128    /* room for what is shown of a text that may be none */
#define ADDRESS_PORT "28015" /* a server's driver port, unless told otherwise */

struct address {
	char host[ADDRESS_TEXT];      /* a name or an address, IPv6 without its brackets */
	char port[8];                 /* decimal, 1 to 65535 */
	char user[ADDRESS_TEXT];      /* "" when not given; %XX are decoded */
	char name[ADDRESS_TEXT + 16]; /* "HOST:PORT" for people, IPv6 in brackets */
};

/*
 * address_parse(text, out, e):
 * Read "rethinkdb://[USER@]HOST[:PORT][/]". Return ERR_OK, or ERR_ARG with a text that says what is
 * wrong with it: another scheme, a password (texts on command lines are seen by all users), also as
 * a ":" in %XX, no host, a bad port, something behind it. No text has what stands before the last
 * "@".
 */
int address_parse(const char *text, struct address *out, struct err *e);

/*
 * address_shown(text, out):
 * Write ${text}, which was meant to be an address, for people: "..." stands for all between its
 * scheme and its last "@", for a password may be there, and for an end that does not fit. Return
 * ${out}.
 */
const char *address_shown(const char *text, char out[ADDRESS_SHOWN]);

/*
 * address_login(a, user, out, e):
 * Find whom to log in as at ${a}: ${user} (NULL: nobody was named), else who is named in the
 * address, else "admin". Return ERR_OK and set ${out}, to be freed; ERR_ARG when both name
 * somebody, and not the same; ERR_NOMEM.
 */
int address_login(const struct address *a, const char *user, char **out, struct err *e);

#endif
