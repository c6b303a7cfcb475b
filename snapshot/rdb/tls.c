/*
 * TLS over another stream: the contracts are in tls.h. OpenSSL works on two memory buffers, so that
 * deadlines, interruption and broken pipes are the inner stream's business alone.
 */
#include "snapshot/rdb/tls.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define TLS_CHUNK 32768 /* bytes read from the inner stream at a time */

struct tls {
	struct transport base;
	struct transport *inner;  /* owned once the handshake is done */
	SSL_CTX *context;         /* owned */
	SSL *ssl;                 /* owned, with both buffers */
	BIO *in, *out;            /* from and to the inner stream; ssl's */
	char host[256];           /* for OpenSSL, which takes no const */
	uint8_t chunk[TLS_CHUNK]; /* between the inner stream and in */
};

static void
tls_free(struct tls *s)
{
	SSL_free(s->ssl);
	SSL_CTX_free(s->context);
	free(s);
}

/* What OpenSSL says of the last failure. */
static const char *
tls_reason(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

	return reason != NULL ? reason : "unknown reason";
}

/* ---- moving bytes ---- */

/* Send what OpenSSL wants to be sent. */
static int
tls_flush(struct tls *s, struct err *e)
{
	char *data;
	long len = BIO_get_mem_data(s->out, &data);
	int rc;

	if (len <= 0)
		return ERR_OK;
	s->inner->patience = s->base.patience;
	rc = s->inner->functions->write(s->inner, data, (size_t)len, e);
	(void)BIO_reset(s->out);
	return rc;
}

/* Fetch bytes for OpenSSL; ${got} is 0 at the end of the stream. */
static int
tls_fill(struct tls *s, size_t *got, struct err *e)
{
	int rc;

	s->inner->patience = s->base.patience;
	s->inner->nowait = s->base.nowait;
	rc = s->inner->functions->read(s->inner, s->chunk, sizeof(s->chunk), got, e);
	if (rc == ERR_OK && *got > 0 && BIO_write(s->in, s->chunk, (int)*got) != (int)*got)
		rc = err_nomem(e);
	return rc;
}

static int
tls_read(struct transport *t, void *out, size_t room, size_t *got, struct err *e)
{
	struct tls *s = (struct tls *)t;

	for (;;) {
		size_t some;
		int what, rc;
		ERR_clear_error();
		if (SSL_read_ex(s->ssl, out, room, got) == 1)
			return ERR_OK;
		what = SSL_get_error(s->ssl, 0);
		*got = 0;
		if (what == SSL_ERROR_ZERO_RETURN)
			return ERR_OK;
		if (what != SSL_ERROR_WANT_READ)
			return err_set(e, ERR_IO, "TLS failed: %s", tls_reason());
		rc = tls_flush(s, e);
		if (rc == ERR_OK)
			rc = tls_fill(s, &some, e);
		if (rc != ERR_OK || some == 0)
			return rc;
	}
}

static int
tls_write(struct transport *t, const void *data, size_t len, struct err *e)
{
	struct tls *s = (struct tls *)t;
	size_t done;

	ERR_clear_error();
	if (len > 0 && SSL_write_ex(s->ssl, data, len, &done) != 1)
		return err_set(e, ERR_IO, "TLS failed: %s", tls_reason());
	return tls_flush(s, e);
}

static void
tls_close(struct transport *t)
{
	struct tls *s = (struct tls *)t;

	if (SSL_shutdown(s->ssl) >= 0)
		tls_flush(s, NULL);
	transport_close(s->inner);
	tls_free(s);
}

/* Before tls_read answers ERR_BUSY it has taken all that the inner stream had. */
static int
tls_fd(const struct transport *t)
{
	const struct tls *s = (const struct tls *)t;

	return s->inner->functions->fd(s->inner);
}

/* ---- the handshake ---- */

/* Say whom to trust and whom to expect. */
static int
tls_expect(struct tls *s, const char *host, const char *ca_file, struct err *e)
{
	X509_VERIFY_PARAM *param;

	s->context = SSL_CTX_new(TLS_client_method());
	if (s->context == NULL || SSL_CTX_set_min_proto_version(s->context, TLS1_2_VERSION) != 1)
		return err_nomem(e);
	SSL_CTX_set_verify(s->context, SSL_VERIFY_PEER, NULL);
	ERR_clear_error();
	if (SSL_CTX_load_verify_locations(s->context, ca_file, NULL) != 1)
		return err_set(
		    e, ERR_ARG, "cannot use the certificates in %.200s: %s", ca_file, tls_reason());
	s->ssl = SSL_new(s->context);
	if (s->ssl == NULL)
		return err_nomem(e);
	param = SSL_get0_param(s->ssl);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
		return ERR_OK;
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (X509_VERIFY_PARAM_set1_host(param, host, 0) != 1 ||
	    SSL_set_tlsext_host_name(s->ssl, s->host) != 1)
		return err_nomem(e);
	return ERR_OK;
}

static int
tls_buffers(struct tls *s, struct err *e)
{
	s->in = BIO_new(BIO_s_mem());
	s->out = BIO_new(BIO_s_mem());
	if (s->in == NULL || s->out == NULL) {
		BIO_free(s->in);
		BIO_free(s->out);
		return err_nomem(e);
	}
	BIO_set_mem_eof_return(s->in, -1);
	SSL_set_bio(s->ssl, s->in, s->out);
	SSL_set_connect_state(s->ssl);
	return ERR_OK;
}

/* Why the handshake failed, and what to do. */
static int
tls_refused(const struct tls *s, const char *host, struct err *e)
{
	long verified = SSL_get_verify_result(s->ssl);

	if (verified != X509_V_OK)
		return err_set(e, ERR_DENIED,
		    "the server's certificate is not to be trusted: %s; it must come from the CA "
		    "given and be made out to \"%.100s\"",
		    X509_verify_cert_error_string(verified), host);
	if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_WRONG_VERSION_NUMBER)
		return err_set(e, ERR_FORMAT,
		    "the server does not speak TLS on this port; connect without --tls-cert");
	return err_set(e, ERR_IO, "TLS failed: %s", tls_reason());
}

static int
tls_handshake(struct tls *s, const char *host, struct err *e)
{
	for (;;) {
		size_t got;
		int n, what, rc;
		ERR_clear_error();
		n = SSL_do_handshake(s->ssl);
		what = n == 1 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, n);
		if (what != SSL_ERROR_NONE && what != SSL_ERROR_WANT_READ) {
			rc = tls_refused(s, host, e);
			tls_flush(s, NULL);
			return rc;
		}
		rc = tls_flush(s, e);
		if (rc != ERR_OK || n == 1)
			return rc;
		rc = tls_fill(s, &got, e);
		if (rc != ERR_OK)
			return rc;
		if (got == 0)
			return err_set(
			    e, ERR_IO, "the server ended the connection during TLS's handshake");
	}
}

int
tls_wrap(struct transport *inner, const char *host, const char *ca_file, struct transport **out,
    struct err *e)
{
	static const struct transport_functions functions = {
	    tls_read, tls_write, tls_close, tls_fd};
	struct tls *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return err_nomem(e);
	s->base = *inner;
	s->base.functions = &functions;
	s->inner = inner;
	snprintf(s->host, sizeof(s->host), "%s", host);
	rc = tls_expect(s, host, ca_file, e);
	if (rc == ERR_OK)
		rc = tls_buffers(s, e);
	if (rc == ERR_OK)
		rc = tls_handshake(s, host, e);
	if (rc != ERR_OK) {
		tls_free(s);
		return rc;
	}
	*out = &s->base;
	return ERR_OK;
}
