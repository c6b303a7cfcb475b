/* TCP sockets as streams. The contracts of reading and writing are in transport.h. */
#ifndef THINKBACK_RDB_PLAIN_H
#define THINKBACK_RDB_PLAIN_H

#include "snapshot/rdb/address.h"
#include "snapshot/rdb/transport.h"

/*
 * plain_connect(address, patience, stop, out, e):
 * Connect to a server, trying each of the host's addresses (IPv6 and IPv4), within ${patience} ms,
 * the lookup of its name included.
 * Return ERR_OK and set ${out}, to be closed with transport_close; ERR_IO with a text that says
 * where and why; ERR_INTR; ERR_NOMEM.
 */
int plain_connect(const struct address *address, int64_t patience,
    const volatile sig_atomic_t *stop, struct transport **out, struct err *e);

#endif
