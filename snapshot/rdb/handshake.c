/* The V1_0 handshake: the contracts are in handshake.h. */
#include "snapshot/rdb/handshake.h"

#include "snapshot/json/canon.h"
#include "snapshot/json/member.h"
#include "snapshot/rdb/base64.h"
#include "snapshot/rdb/scram.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define NONCE_BYTES 18 /* random ones; 24 characters of base64 */

static const uint8_t handshake_magic[4] = {0xc3, 0xbd, 0xc2, 0x34};

/* A handshake under way. */
struct handshake {
	struct transport *t;
	struct scram_login login;
	struct canon *canon;
	struct buf raw;                /* what has come of the server: a message, and more behind */
	size_t len;                    /* of the message, without its NUL */
	bool whole;                    /* raw begins with a message that has been looked at */
	struct buf message;            /* the same in canonical form */
	struct buf text;               /* a string of it */
	struct buf first;              /* the server's first SCRAM message */
	struct buf sending;            /* the client's SCRAM message */
	struct buf packet;             /* the JSON text around it */
	uint8_t signature[SCRAM_HASH]; /* what the server must show */
};

static void
handshake_finish(struct handshake *h)
{
	canon_free(h->canon);
	buf_finish(&h->raw);
	buf_finish(&h->message);
	buf_finish(&h->text);
	buf_finish(&h->first);
	buf_finish(&h->sending);
	buf_finish(&h->packet);
}

/* ---- messages ---- */

/* What came in place of the server's hello. */
static int
handshake_stranger(const struct handshake *h, struct err *e)
{
	const struct buf *raw = &h->raw;

	if (raw->len == 0)
		return err_set(e, ERR_IO, "the server ended the connection without an answer");
	if (raw->data[0] == 0x15 || raw->data[0] == 0x16)
		return err_set(
		    e, ERR_FORMAT, "the server wants TLS: name the file with its CA by --tls-cert");
	if (raw->len >= 6 && memcmp(raw->data, "ERROR:", 6) == 0)
		return err_set(e, ERR_FORMAT,
		    "the server is older than RethinkDB 2.3 or not RethinkDB; it says: %.*s",
		    (int)(raw->len < 200 ? strnlen((const char *)raw->data, raw->len) : 200),
		    (const char *)raw->data);
	return err_set(e, ERR_FORMAT, "this is not the driver port of a RethinkDB server");
}

/* Forget the message that has been looked at. */
static void
handshake_pass(struct handshake *h)
{
	struct buf *raw = &h->raw;

	if (!h->whole)
		return;
	raw->len -= h->len + 1;
	memmove(raw->data, raw->data + h->len + 1, raw->len);
	h->whole = false;
}

/* Have raw begin with the next message; what the server has sent behind it stays there. */
static int
handshake_receive_raw(struct handshake *h, struct err *e)
{
	struct buf *raw = &h->raw;

	handshake_pass(h);
	if (buf_reserve(raw, HANDSHAKE_MESSAGE) != ERR_OK)
		return err_nomem(e);
	for (;;) {
		const uint8_t *nul = memchr(raw->data, '\0', raw->len);
		size_t got = 0;
		int rc;
		if (raw->len > 0 && raw->data[0] != '{' && raw->data[0] != 'E')
			return handshake_stranger(h, e);
		if (nul != NULL) {
			h->len = (size_t)(nul - raw->data);
			h->whole = true;
			return ERR_OK;
		}
		if (raw->len >= HANDSHAKE_MESSAGE)
			return handshake_stranger(h, e);
		rc = h->t->functions->read(
		    h->t, raw->data + raw->len, HANDSHAKE_MESSAGE - raw->len, &got, e);
		if (rc != ERR_OK)
			return rc;
		if (got == 0)
			return handshake_stranger(h, e);
		raw->len += got;
	}
}

/* The error that the server tells in place of going on. */
static int
handshake_refused(struct handshake *h, struct err *e)
{
	struct member_span code = {0}, text;
	unsigned n = 0;

	buf_clear(&h->text);
	if (member_find(h->message.data, h->message.len, "error_code", 10, &code) == ERR_OK)
		for (size_t i = 0; i < code.len && n < 10000; i++)
			n = n * 10 + ((unsigned)code.data[i] - '0') % 10;
	if (member_find(h->message.data, h->message.len, "error", 5, &text) == ERR_OK)
		member_string(text.data, text.len, &h->text);
	if (buf_str(&h->text) == NULL)
		return err_nomem(e);
	if (n == 12 && h->login.password_len == 0)
		return err_set(e, ERR_DENIED,
		    "user \"%s\" has a password: give it with -p or --password-file",
		    h->login.user);
	if (n == 12)
		return err_set(e, ERR_DENIED, "wrong password for user \"%s\"", h->login.user);
	if (n == 17)
		return err_set(
		    e, ERR_DENIED, "there is no user \"%s\"; name another with -u", h->login.user);
	return err_set(e, n >= 10 && n <= 20 ? ERR_DENIED : ERR_FORMAT,
	    "the server refuses the login: %.200s (error %u)", (const char *)h->text.data, n);
}

/* Read one message, which must say that it is well. */
static int
handshake_receive(struct handshake *h, struct err *e)
{
	struct member_span success;
	int rc = handshake_receive_raw(h, e);

	if (rc != ERR_OK)
		return rc;
	buf_clear(&h->message);
	rc = canon_value(h->canon, h->raw.data, h->len, &h->message, NULL, e);
	if (rc == ERR_NOMEM)
		return rc;
	if (rc != ERR_OK ||
	    member_find(h->message.data, h->message.len, "success", 7, &success) != ERR_OK)
		return handshake_stranger(h, e);
	return success.len == 4 ? ERR_OK : handshake_refused(h, e);
}

/* The server's SCRAM message, into ${out}. */
static int
handshake_receive_scram(struct handshake *h, struct buf *out, struct err *e)
{
	struct member_span value;
	int rc = handshake_receive(h, e);

	if (rc != ERR_OK)
		return rc;
	buf_clear(out);
	if (member_find(h->message.data, h->message.len, "authentication", 14, &value) != ERR_OK ||
	    member_string(value.data, value.len, out) != ERR_OK)
		return err_set(e, ERR_FORMAT, "the server's answer to the login makes no sense");
	return ERR_OK;
}

/* Put h->sending, inside a JSON object that begins with ${head}, behind what h->packet holds. */
static int
handshake_pack(struct handshake *h, const char *head, struct err *e)
{
	if (buf_puts(&h->packet, head) != ERR_OK ||
	    buf_puts(&h->packet, "\"authentication\":") != ERR_OK ||
	    canon_put_string(&h->packet, h->sending.data, h->sending.len) != ERR_OK ||
	    buf_puts(&h->packet, "}") != ERR_OK || buf_putc(&h->packet, '\0') != ERR_OK)
		return err_nomem(e);
	return ERR_OK;
}

/* ---- the steps ---- */

/*
 * Send the magic number and, without waiting, the first message of the login: a server that wants
 * TLS would wait for more than the four bytes.
 */
static int
handshake_begin(struct handshake *h, struct err *e)
{
	int rc;

	if (scram_first(&h->login, &h->sending) != ERR_OK ||
	    buf_append(&h->packet, handshake_magic, sizeof(handshake_magic)) != ERR_OK)
		return err_nomem(e);
	rc = handshake_pack(
	    h, "{\"protocol_version\":0,\"authentication_method\":\"SCRAM-SHA-256\",", e);
	return rc == ERR_OK ? h->t->functions->write(h->t, h->packet.data, h->packet.len, e) : rc;
}

/* Read the server's hello. */
static int
handshake_hello(struct handshake *h, char version[HANDSHAKE_VERSION], struct err *e)
{
	struct member_span value;
	int rc = handshake_receive(h, e);

	if (rc == ERR_IO && h->raw.len == 0) {
		struct err why = *e;
		return err_set(e, rc,
		    "%s; if the server wants TLS, name the file with its CA by --tls-cert, else "
		    "see whether this is its driver port",
		    why.text);
	}
	if (rc != ERR_OK)
		return rc;
	version[0] = '\0';
	buf_clear(&h->text);
	if (member_find(h->message.data, h->message.len, "server_version", 14, &value) == ERR_OK &&
	    member_string(value.data, value.len, &h->text) == ERR_OK && buf_str(&h->text) != NULL)
		snprintf(version, HANDSHAKE_VERSION, "%s", (const char *)h->text.data);
	return ERR_OK;
}

/* Prove that the password is known, and have the server prove the same. */
static int
handshake_authenticate(struct handshake *h, struct err *e)
{
	int rc = handshake_receive_scram(h, &h->first, e);

	buf_clear(&h->sending);
	buf_clear(&h->packet);
	if (rc == ERR_OK)
		rc = scram_final(
		    &h->login, h->first.data, h->first.len, &h->sending, h->signature, e);
	if (rc == ERR_OK)
		rc = handshake_pack(h, "{", e);
	if (rc == ERR_OK)
		rc = h->t->functions->write(h->t, h->packet.data, h->packet.len, e);
	if (rc == ERR_OK)
		rc = handshake_receive_scram(h, &h->first, e);
	if (rc == ERR_OK)
		rc = scram_verify(h->first.data, h->first.len, h->signature, e);
	handshake_pass(h);
	return rc == ERR_OK && h->raw.len > 0 ? handshake_stranger(h, e) : rc;
}

static int
handshake_nonce(struct buf *out, struct err *e)
{
	uint8_t random[NONCE_BYTES];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return err_system(e, errno, "cannot get random bytes");
	if (base64_encode(random, sizeof(random), out) != ERR_OK || buf_str(out) == NULL)
		return err_nomem(e);
	return ERR_OK;
}

int
handshake_run(struct transport *t, const struct handshake_login *login,
    char version[HANDSHAKE_VERSION], struct err *e)
{
	struct handshake h = {.t = t};
	struct buf nonce = {0};
	struct err own;
	int rc = ERR_OK;

	if (e == NULL)
		e = &own;
	h.login =
	    (struct scram_login){login->user, login->password, login->password_len, login->nonce};
	h.canon = canon_create();
	if (h.canon == NULL)
		rc = err_nomem(e);
	if (rc == ERR_OK && login->nonce == NULL) {
		rc = handshake_nonce(&nonce, e);
		h.login.nonce = (const char *)nonce.data;
	}
	if (rc == ERR_OK)
		rc = handshake_begin(&h, e);
	if (rc == ERR_OK)
		rc = handshake_hello(&h, version, e);
	if (rc == ERR_OK)
		rc = handshake_authenticate(&h, e);
	handshake_finish(&h);
	buf_finish(&nonce);
	return rc;
}
