/* SCRAM-SHA-256: the contracts are in scram.h. */
#include "snapshot/rdb/scram.h"

#include "snapshot/json/member.h"
#include "snapshot/rdb/base64.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

/* The server's first message, taken apart. */
struct scram_challenge {
	struct member_span nonce; /* in the message */
	struct buf salt;          /* owned */
	int rounds;
};

/* Append "n=USER,r=NONCE". */
static int
scram_bare(const struct scram_login *login, struct buf *out)
{
	int rc = buf_puts(out, "n=");

	for (const char *p = login->user; *p != '\0' && rc == ERR_OK; p++) {
		if (*p == '=')
			rc = buf_puts(out, "=3D");
		else if (*p == ',')
			rc = buf_puts(out, "=2C");
		else
			rc = buf_putc(out, (uint8_t)*p);
	}
	if (rc == ERR_OK)
		rc = buf_puts(out, ",r=");
	return rc == ERR_OK ? buf_puts(out, login->nonce) : rc;
}

int
scram_first(const struct scram_login *login, struct buf *out)
{
	if (buf_puts(out, "n,,") != ERR_OK)
		return ERR_NOMEM;
	return scram_bare(login, out);
}

/* The value of attribute ${name}, which must be the next one of the message at ${p}. */
static bool
scram_attribute(const uint8_t **p, const uint8_t *end, char name, struct member_span *out)
{
	const uint8_t *comma;

	if (end - *p < 2 || (*p)[0] != (uint8_t)name || (*p)[1] != '=')
		return false;
	*p += 2;
	comma = memchr(*p, ',', (size_t)(end - *p));
	*out = (struct member_span){*p, (size_t)((comma != NULL ? comma : end) - *p)};
	*p = comma != NULL ? comma + 1 : end;
	return true;
}

static bool
scram_rounds(const struct member_span *text, int *out)
{
	unsigned n = 0;

	for (size_t i = 0; i < text->len; i++) {
		if (text->data[i] < '0' || text->data[i] > '9' || n > SCRAM_ROUNDS_MAX)
			return false;
		n = n * 10 + (unsigned)(text->data[i] - '0');
	}
	*out = (int)n;
	return n > 0 && n <= SCRAM_ROUNDS_MAX;
}

static int
scram_challenge_read(const struct scram_login *login, const void *message, size_t len,
    struct scram_challenge *out, struct err *e)
{
	const uint8_t *p = message, *end = p + len;
	struct member_span salt, rounds;
	size_t own = strlen(login->nonce);

	if (!scram_attribute(&p, end, 'r', &out->nonce) || !scram_attribute(&p, end, 's', &salt) ||
	    !scram_attribute(&p, end, 'i', &rounds) ||
	    base64_decode(salt.data, salt.len, &out->salt) != ERR_OK || out->salt.len == 0)
		return err_set(e, ERR_FORMAT, "the server's answer to the login makes no sense");
	if (!scram_rounds(&rounds, &out->rounds))
		return err_set(e, ERR_FORMAT,
		    "the server asks for %.*s rounds of password hashing, more than %u",
		    (int)(rounds.len < 20 ? rounds.len : 20), (const char *)rounds.data,
		    SCRAM_ROUNDS_MAX);
	if (out->nonce.len <= own || memcmp(out->nonce.data, login->nonce, own) != 0)
		return err_set(e, ERR_FORMAT, "the server's answer is not to this login");
	return ERR_OK;
}

static bool
scram_hmac(const uint8_t key[SCRAM_HASH], const void *data, size_t len, uint8_t out[SCRAM_HASH])
{
	unsigned got = SCRAM_HASH;

	return HMAC(EVP_sha256(), key, SCRAM_HASH, data, len, out, &got) != NULL;
}

/* The keys: what the client proves, and what the server must show, both for ${message}. */
static bool
scram_keys(const struct scram_login *login, const struct scram_challenge *c,
    const struct buf *message, uint8_t proof[SCRAM_HASH], uint8_t signature[SCRAM_HASH])
{
	uint8_t salted[SCRAM_HASH], client[SCRAM_HASH], key[SCRAM_HASH], sign[SCRAM_HASH];
	bool ok = login->password_len <= INT_MAX && c->salt.len <= INT_MAX &&
		  PKCS5_PBKDF2_HMAC(login->password_len > 0 ? login->password : "",
		      (int)login->password_len, c->salt.data, (int)c->salt.len, c->rounds,
		      EVP_sha256(), SCRAM_HASH, salted) == 1;

	ok = ok && scram_hmac(salted, "Client Key", 10, client) &&
	     SHA256(client, SCRAM_HASH, key) != NULL &&
	     scram_hmac(key, message->data, message->len, sign);
	for (size_t i = 0; ok && i < SCRAM_HASH; i++)
		proof[i] = client[i] ^ sign[i];
	ok = ok && scram_hmac(salted, "Server Key", 10, key) &&
	     scram_hmac(key, message->data, message->len, signature);
	OPENSSL_cleanse(salted, sizeof(salted));
	OPENSSL_cleanse(client, sizeof(client));
	OPENSSL_cleanse(key, sizeof(key));
	return ok;
}

int
scram_final(const struct scram_login *login, const void *server_first, size_t len, struct buf *out,
    uint8_t signature[SCRAM_HASH], struct err *e)
{
	struct scram_challenge c = {0};
	struct buf message = {0};
	uint8_t proof[SCRAM_HASH];
	size_t start = out->len;
	int rc = scram_challenge_read(login, server_first, len, &c, e);

	if (rc != ERR_OK)
		goto done;
	if (buf_puts(out, "c=biws,r=") != ERR_OK ||
	    buf_append(out, c.nonce.data, c.nonce.len) != ERR_OK ||
	    scram_bare(login, &message) != ERR_OK || buf_putc(&message, ',') != ERR_OK ||
	    buf_append(&message, server_first, len) != ERR_OK ||
	    buf_putc(&message, ',') != ERR_OK ||
	    buf_append(&message, out->data + start, out->len - start) != ERR_OK ||
	    !scram_keys(login, &c, &message, proof, signature) || buf_puts(out, ",p=") != ERR_OK ||
	    base64_encode(proof, SCRAM_HASH, out) != ERR_OK)
		rc = err_nomem(e);
done:
	buf_finish(&c.salt);
	buf_finish(&message);
	return rc;
}

int
scram_verify(
    const void *server_final, size_t len, const uint8_t signature[SCRAM_HASH], struct err *e)
{
	const uint8_t *p = server_final;
	struct member_span value;
	struct buf shown = {0};
	bool same;

	same = scram_attribute(&p, p + len, 'v', &value) &&
	       base64_decode(value.data, value.len, &shown) == ERR_OK && shown.len == SCRAM_HASH &&
	       CRYPTO_memcmp(shown.data, signature, SCRAM_HASH) == 0;
	buf_finish(&shown);
	if (!same)
		return err_set(e, ERR_DENIED,
		    "the server does not know this user's password: it is not the server that it "
		    "claims to be, or the password is wrong");
	return ERR_OK;
}
