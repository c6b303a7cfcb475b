/*
 * TLS over another stream: the contracts are in tls.h. OpenSSL works on two memory buffers, so that
 * deadlines, interruption and broken pipes are the inner stream's business alone.
 */
#include "snapshot/rdb/tls.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
	bool presented;           /* there is a client certificate */
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

int
tls_check(const struct tls_files *files, struct err *e)
{
	if ((files->cert == NULL) != (files->key == NULL))
		return err_set(e, ERR_ARG,
		    "a client certificate and its key go together: --tls-client-cert and "
		    "--tls-client-key");
	if (files->cert != NULL && files->ca == NULL)
		return err_set(
		    e, ERR_ARG, "a client certificate is for TLS: --tls-cert turns it on");
	return ERR_OK;
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

/* Why the stream failed. A server that does not like our certificate says so behind the handshake.
 */
static int
tls_broken(const struct tls *s, struct err *e)
{
	switch (ERR_GET_REASON(ERR_peek_last_error())) {
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
		return err_set(e, ERR_DENIED,
		    "the server wants a client certificate: --tls-client-cert and "
		    "--tls-client-key");
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
		return err_set(e, ERR_DENIED, "the server does not trust %s: %s",
		    s->presented ? "the client certificate" : "us", tls_reason());
	default:
		return err_set(e, ERR_IO, "TLS failed: %s", tls_reason());
	}
}

static int
tls_read(struct transport *t, void *out, size_t room, size_t *got, struct err *e)
{
	struct tls *s = (struct tls *)t;

	for (;;) {
		size_t some = 0;
		int what, rc;
		ERR_clear_error();
		if (SSL_read_ex(s->ssl, out, room, got) == 1)
			return ERR_OK;
		what = SSL_get_error(s->ssl, 0);
		*got = 0;
		if (what == SSL_ERROR_ZERO_RETURN)
			return ERR_OK;
		if (what != SSL_ERROR_WANT_READ)
			return tls_broken(s, e);
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

/* A key that needs a passphrase is refused, not asked about on some terminal. */
static int
tls_no_passphrase(char *out, int room, int writing, void *arg)
{
	(void)out;
	(void)room;
	(void)writing;
	(void)arg;
	return -1;
}

/* OpenSSL's words for a file that cannot be opened help nobody. */
static int
tls_readable(const char *what, const char *file, struct err *e)
{
	if (access(file, R_OK) == 0)
		return ERR_OK;
	return err_set(e, ERR_ARG, "cannot read the %s in %.200s: %s", what, file, strerror(errno));
}

/* Say who we are, for servers that want to know. */
static int
tls_present(struct tls *s, const struct tls_files *files, struct err *e)
{
	int reason, rc;

	if (files->cert == NULL)
		return ERR_OK;
	rc = tls_readable("client certificate", files->cert, e);
	if (rc == ERR_OK)
		rc = tls_readable("client's key", files->key, e);
	if (rc != ERR_OK)
		return rc;
	SSL_CTX_set_default_passwd_cb(s->context, tls_no_passphrase);
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(s->context, files->cert) != 1)
		return err_set(e, ERR_ARG, "cannot use the client certificate in %.200s: %s",
		    files->cert, tls_reason());
	s->presented = true;
	if (SSL_CTX_use_PrivateKey_file(s->context, files->key, SSL_FILETYPE_PEM) == 1)
		return ERR_OK;
	reason = ERR_GET_REASON(ERR_peek_last_error());
	if (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH)
		return err_set(e, ERR_ARG,
		    "the key in %.150s is not that of the client certificate in %.150s", files->key,
		    files->cert);
	return err_set(e, ERR_ARG,
	    "cannot use the client's key in %.200s (without a passphrase): %s", files->key,
	    tls_reason());
}

/* Say whom to trust and whom to expect. */
static int
tls_expect(struct tls *s, const char *host, const struct tls_files *files, struct err *e)
{
	X509_VERIFY_PARAM *param;
	int rc;

	s->context = SSL_CTX_new(TLS_client_method());
	if (s->context == NULL || SSL_CTX_set_min_proto_version(s->context, TLS1_2_VERSION) != 1)
		return err_nomem(e);
	SSL_CTX_set_verify(s->context, SSL_VERIFY_PEER, NULL);
	ERR_clear_error();
	if (SSL_CTX_load_verify_locations(s->context, files->ca, NULL) != 1)
		return err_set(e, ERR_ARG, "cannot use the certificates in %.200s: %s", files->ca,
		    tls_reason());
	rc = tls_present(s, files, e);
	if (rc != ERR_OK)
		return rc;
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
	return tls_broken(s, e);
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
tls_wrap(struct transport *inner, const char *host, const struct tls_files *files,
    struct transport **out, struct err *e)
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
	rc = tls_expect(s, host, files, e);
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
