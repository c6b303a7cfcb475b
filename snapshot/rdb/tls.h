/*
 * TLS 1.2 or later over another stream. The server's certificate must lead to a given CA and bear
 * the host's name or address. The contracts of reading and writing are in transport.h.
 */
#ifndef THINKBACK_RDB_TLS_H
#define THINKBACK_RDB_TLS_H

#include "snapshot/rdb/transport.h"

/*
 * tls_wrap(inner, host, ca_file, out, e):
 * Shake hands over ${inner}, which is taken over when that succeeds. ${ca_file} holds the
 * certificates to trust (PEM), ${host} is the name or IP address that the server's must bear.
 * Return ERR_OK and set ${out}, to be closed with transport_close; ERR_ARG when ${ca_file} cannot
 * be used; ERR_DENIED when the certificate is not to be trusted; ERR_FORMAT when the server does
 * not speak TLS; ERR_IO; ERR_INTR; ERR_NOMEM. Texts say what to do.
 */
int tls_wrap(struct transport *inner, const char *host, const char *ca_file, struct transport **out,
    struct err *e);

#endif
