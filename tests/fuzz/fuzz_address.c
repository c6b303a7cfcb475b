/* Addresses of servers: what is taken can be read again from its own name, and has no password. */
#include "snapshot/rdb/address.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(int truth)
{
	if (!truth)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct address a, again;
	struct err e = {0};
	char text[1024], name[ADDRESS_TEXT + 32];
	unsigned long port;
	char *end;

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (address_parse(text, &a, &e) != ERR_OK) {
		check(e.code == ERR_ARG && e.text[0] != '\0' && strchr(e.text, '\n') == NULL);
		return 0;
	}
	check(memchr(a.host, '\0', sizeof(a.host)) != NULL && a.host[0] != '\0');
	check(memchr(a.user, '\0', sizeof(a.user)) != NULL && strchr(a.user, ':') == NULL);
	port = strtoul(a.port, &end, 10);
	check(*end == '\0' && port >= 1 && port <= 65535);
	snprintf(name, sizeof(name), "rethinkdb://%s", a.name);
	check(address_parse(name, &again, &e) == ERR_OK);
	check(strcmp(again.host, a.host) == 0 && strtoul(again.port, NULL, 10) == port);
	check(again.user[0] == '\0');
	return 0;
}
