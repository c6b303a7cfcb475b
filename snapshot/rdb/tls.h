/*
 * TLS 1.2 or later over another stream. The server's certificate must lead to a given CA and bear
 * the host's name or address. The contracts of reading and writing are in transport.h.
 */
#ifndef THINKBACK_RDB_TLS_H
#define THINKBACK_RDB_TLS_H

#include "snapshot/rdb/transport.h"

/* Files in PEM form. Not owned. */
struct tls_files {
	const char *ca;   /* certificates of the authorities to trust; NULL: no TLS */
	const char *cert; /* our own certificate, for a server that wants one; NULL: none */
	const char *key;  /* its private key; NULL: none */
};

/*
 * tls_check(files, e):
 * Whether the files that are named make sense together. Return ERR_OK or ERR_ARG. Pure; any thread.
 */
int tls_check(const struct tls_files *files, struct err *e);

/*
 * tls_wrap(inner, host, files, out, e):
 * Shake hands over ${inner}, which is taken over when that succeeds. ${host} is the name or IP
 * address that the server's certificate must bear. Return ERR_OK and set ${out}, to be closed with
 * transport_close; ERR_ARG when a file cannot be used; ERR_DENIED when the certificate is not to be
 * trusted; ERR_FORMAT when the server does not speak TLS; ERR_IO; ERR_INTR; ERR_NOMEM. Texts say
 * what to do.
 */
int tls_wrap(struct transport *inner, const char *host, const struct tls_files *files,
    struct transport **out, struct err *e);

#endif
