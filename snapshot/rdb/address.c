/* Where a server is: the contracts are in address.h. */
#include "snapshot/rdb/address.h"

#include "catalog/base/num.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ADDRESS_SCHEME "rethinkdb://"

static int
address_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decode the %XX of the ${len} bytes at ${in}; false when they are none, NUL, or too long. */
static bool
address_decode(const char *in, size_t len, char out[ADDRESS_TEXT])
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = in[i];
		if (c == '%') {
			int hi = len - i > 2 ? address_hex(in[i + 1]) : -1;
			int lo = len - i > 2 ? address_hex(in[i + 2]) : -1;
			if (hi < 0 || lo < 0)
				return false;
			c = (char)(hi << 4 | lo);
			i += 2;
		}
		if (c == '\0' || n + 1 == ADDRESS_TEXT)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return n > 0;
}

static int
address_user(const char *in, size_t len, struct address *out, struct err *e)
{
	bool decoded = address_decode(in, len, out->user);

	if (memchr(in, ':', len) != NULL || (decoded && strchr(out->user, ':') != NULL))
		return err_set(e, ERR_ARG,
		    "a password in an address is seen by every user of this machine: put it into a "
		    "file and name that with --password-file");
	if (!decoded)
		return err_set(
		    e, ERR_ARG, "what stands before the \"@\" of the address is no user name");
	return ERR_OK;
}

static int
address_port(const char *in, struct address *out, struct err *e)
{
	uint64_t port;

	if (num_parse(in, 65535, &port) != ERR_OK || port == 0)
		return err_set(e, ERR_ARG, "\"%.20s\" is no port", in);
	snprintf(out->port, sizeof(out->port), "%u", (unsigned)port);
	return ERR_OK;
}

/* Read "HOST[:PORT]" or "[HOST][:PORT]", the ${len} bytes at ${in}. */
static int
address_host(const char *in, size_t len, struct address *out, struct err *e)
{
	char text[ADDRESS_TEXT + 16], *host = text, *rest;
	bool bracket = in[0] == '[';

	if (len == 0 || len >= sizeof(text))
		return err_set(e, ERR_ARG, "write a server as rethinkdb://HOST:PORT");
	memcpy(text, in, len);
	text[len] = '\0';
	host += bracket;
	rest = strchr(host, bracket ? ']' : ':');
	if (bracket && rest == NULL)
		return err_set(e, ERR_ARG, "%.80s: the \"]\" of the address is missing", text);
	if (bracket)
		*rest++ = '\0';
	if (rest != NULL && !bracket && strchr(rest + 1, ':') != NULL)
		return err_set(e, ERR_ARG, "%.80s: write an IPv6 address as [%.80s]", text, text);
	if (rest != NULL && *rest != '\0' && *rest != ':')
		return err_set(e, ERR_ARG, "there is \"%.20s\" behind the address", rest);
	snprintf(out->port, sizeof(out->port), "%s", ADDRESS_PORT);
	if (rest != NULL && *rest == ':') {
		int rc = address_port(rest + 1, out, e);
		if (rc != ERR_OK)
			return rc;
		*rest = '\0';
	}
	if (host[0] == '\0' || strlen(host) >= sizeof(out->host))
		return err_set(e, ERR_ARG, "write a server as rethinkdb://HOST:PORT");
	snprintf(out->host, sizeof(out->host), "%s", host);
	snprintf(out->name, sizeof(out->name), bracket ? "[%s]:%s" : "%s:%s", out->host, out->port);
	return ERR_OK;
}

const char *
address_shown(const char *text, char out[ADDRESS_SHOWN])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-.";
	const char *at = strrchr(text, '@');
	size_t scheme = strspn(text, letters);
	int len;

	scheme = strncmp(text + scheme, "://", 3) == 0 ? scheme + 3 : 0;
	if (at == NULL)
		len = snprintf(out, ADDRESS_SHOWN, "%s", text);
	else
		len = snprintf(out, ADDRESS_SHOWN, "%.*s...%s", (int)scheme, text, at);
	if (len >= ADDRESS_SHOWN)
		memcpy(out + ADDRESS_SHOWN - 4, "...", 4);
	return out;
}

int
address_parse(const char *text, struct address *out, struct err *e)
{
	struct address read = {0};
	char shown[ADDRESS_SHOWN];
	const char *at, *end;
	int rc = ERR_OK;

	if (strncmp(text, ADDRESS_SCHEME, strlen(ADDRESS_SCHEME)) != 0)
		return err_set(e, ERR_ARG,
		    "%s: a server is written as rethinkdb://[USER@]HOST[:PORT]",
		    address_shown(text, shown));
	text += strlen(ADDRESS_SCHEME);
	at = strrchr(text, '@');
	if (at != NULL) {
		rc = address_user(text, (size_t)(at - text), &read, e);
		text = at + 1;
	}
	end = strchr(text, '/');
	if (end == NULL)
		end = text + strlen(text);
	else if (end[1] != '\0' && rc == ERR_OK)
		rc = err_set(e, ERR_ARG,
		    "\"%.80s\" behind the server: choose databases and tables with -e DB[.TABLE]",
		    end);
	if (rc == ERR_OK)
		rc = address_host(text, (size_t)(end - text), &read, e);
	if (rc == ERR_OK)
		*out = read;
	return rc;
}

int
address_login(const struct address *a, const char *user, char **out, struct err *e)
{
	const char *named = a->user[0] != '\0' ? a->user : NULL;

	if (user != NULL && named != NULL && strcmp(user, named) != 0)
		return err_set(e, ERR_ARG,
		    "%s: the address names another user than \"%s\": name one", a->name, user);
	*out = strdup(user != NULL ? user : named != NULL ? named : "admin");
	return *out != NULL ? ERR_OK : err_nomem(e);
}
