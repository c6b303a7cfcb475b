/*
 * Looking up the addresses of a host, with an end: the system's resolver alone may take minutes
 * when a name server is silent, and can't be interrupted.
 */
#ifndef THINKBACK_RDB_RESOLVE_H
#define THINKBACK_RDB_RESOLVE_H

#include "catalog/base/err.h"

#include <netdb.h>
#include <signal.h>
#include <stdint.h>

/*
 * resolve_host(host, port, deadline, stop, list, e):
 * Find the addresses that TCP connections to ${host} (a name, or an address as numbers) and ${port}
 * go to, before wait_now reaches ${deadline}. Return ERR_OK and set ${list}, to be freed with
 * freeaddrinfo; ERR_IO when there are none or no answer came in time, with a text that names the
 * host; ERR_INTR soon after *stop (which may be NULL) has become non-zero; ERR_NOMEM. A lookup that
 * was given up goes on in a thread of its own, which cleans up after itself. Any thread.
 */
int resolve_host(const char *host, const char *port, int64_t deadline,
    const volatile sig_atomic_t *stop, struct addrinfo **list, struct err *e);

#endif
