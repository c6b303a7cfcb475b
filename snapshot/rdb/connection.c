/* One connection to a server: the contracts are in connection.h. */
#include "snapshot/rdb/connection.h"

#include "catalog/base/bytes.h"
#include "snapshot/rdb/handshake.h"
#include "snapshot/rdb/plain.h"
#include "snapshot/rdb/wait.h"

#include <stdlib.h>

#define FRAME_HEAD 12        /* bytes of token and length */
#define QUERY_MAX 134217727u /* bytes of the longest query that a server takes */
#define RECEIVE_FIRST 65536u /* bytes of memory for an answer, before any of it has come */

struct connection {
	struct transport *t; /* owned */
	const struct connection_options *options;
	uint64_t token; /* of the last query, from 1 */
	uint64_t due;   /* answers that are to come: one to each frame that was sent */
	bool usable;
	struct buf sending;              /* one frame */
	uint8_t head[FRAME_HEAD];        /* of the answer that is coming */
	size_t head_len;                 /* bytes of it that have come */
	struct buf coming;               /* what has come of that answer behind its head */
	int64_t heard;                   /* wait_now of the last query sent, or byte received */
	char version[HANDSHAKE_VERSION]; /* of the server */
};

/* ---- opening ---- */

int
connection_over(struct transport *t, const struct connection_options *options, const char *nonce,
    struct connection **out, struct err *e)
{
	struct handshake_login login = {
	    options->user, options->password, options->password_len, nonce};
	struct connection *c = calloc(1, sizeof(*c));
	int rc;

	if (c == NULL)
		return err_nomem(e);
	t->patience = options->connect_ms;
	t->stop = options->stop;
	rc = handshake_run(t, &login, c->version, e);
	if (rc != ERR_OK) {
		err_prefix(e, "%s", options->address.name);
		free(c);
		return rc;
	}
	t->patience = options->idle_ms;
	c->t = t;
	c->options = options;
	c->usable = true;
	*out = c;
	return ERR_OK;
}

/* Put TLS around ${t}, which is closed when that fails. */
static int
connection_tls(const struct connection_options *options, struct transport **t, struct err *e)
{
	struct transport *inner = *t;
	int rc;

	inner->patience = options->connect_ms;
	rc = tls_wrap(inner, options->address.host, &options->tls, t, e);
	if (rc != ERR_OK) {
		err_prefix(e, "%s", options->address.name);
		transport_close(inner);
	}
	return rc;
}

int
connection_open(const struct connection_options *options, struct connection **out, struct err *e)
{
	struct transport *t;
	int rc = plain_connect(&options->address, options->connect_ms, options->stop, &t, e);

	if (rc == ERR_OK && options->tls.ca != NULL)
		rc = connection_tls(options, &t, e);
	if (rc != ERR_OK)
		return rc;
	rc = connection_over(t, options, NULL, out, e);
	if (rc != ERR_OK)
		transport_close(t);
	return rc;
}

void
connection_close(struct connection *c)
{
	if (c == NULL)
		return;
	transport_close(c->t);
	buf_finish(&c->sending);
	buf_finish(&c->coming);
	free(c);
}

const char *
connection_name(const struct connection *c)
{
	return c->options->address.name;
}

const char *
connection_version(const struct connection *c)
{
	return c->version;
}

bool
connection_modern(const struct connection *c)
{
	char *end;
	unsigned long major = strtoul(c->version, &end, 10), minor;

	if (end == c->version || *end != '.')
		return false;
	minor = strtoul(end + 1, NULL, 10);
	return major > 2 || (major == 2 && minor >= 4);
}

bool
connection_usable(const struct connection *c)
{
	return c->usable;
}

/* ---- sending ---- */

/* Nothing more can be done on a connection that has failed. */
static int
connection_failed(struct connection *c, int rc, struct err *e)
{
	c->usable = false;
	if (rc != ERR_INTR && rc != ERR_NOMEM)
		err_prefix(e, "%s", connection_name(c));
	return rc;
}

static int
connection_send(struct connection *c, uint64_t token, const void *query, size_t len, struct err *e)
{
	uint8_t head[FRAME_HEAD];
	int rc;

	if (!c->usable)
		return err_set(e, ERR_IO, "%s: the connection is lost", connection_name(c));
	bytes_put64(head, token);
	bytes_put32(head + 8, (uint32_t)len);
	buf_clear(&c->sending);
	if (buf_append(&c->sending, head, sizeof(head)) != ERR_OK ||
	    buf_append(&c->sending, query, len) != ERR_OK)
		return err_nomem(e);
	c->heard = wait_now();
	c->due++;
	rc = c->t->functions->write(c->t, c->sending.data, c->sending.len, e);
	return rc == ERR_OK ? ERR_OK : connection_failed(c, rc, e);
}

int
connection_start(struct connection *c, const struct buf *query, uint64_t *token, struct err *e)
{
	int rc;

	if (query->len > QUERY_MAX)
		return err_set(
		    e, ERR_LIMIT, "a query of %zu bytes is more than a server takes", query->len);
	rc = connection_send(c, c->token + 1, query->data, query->len, e);
	if (rc == ERR_OK)
		*token = ++c->token;
	return rc;
}

int
connection_more(struct connection *c, uint64_t token, struct err *e)
{
	return connection_send(c, token, "[2]", 3, e);
}

int
connection_stop(struct connection *c, uint64_t token, struct err *e)
{
	return connection_send(c, token, "[3]", 3, e);
}

/* ---- receiving ---- */

/* Read up to ${room} bytes, at least one. */
static int
connection_read(struct connection *c, void *out, size_t room, size_t *got, struct err *e)
{
	int rc = c->t->functions->read(c->t, out, room, got, e);

	if (rc == ERR_OK && *got == 0)
		return err_set(e, ERR_IO, "the server ended the connection");
	if (rc == ERR_OK)
		c->heard = wait_now();
	return rc;
}

/* Look at the head of an answer: it must be one to something that was asked, and not too long. */
static int
connection_head(const struct connection *c, struct err *e)
{
	size_t limit = c->options->limit > 0 ? c->options->limit : CONNECTION_LIMIT;
	uint64_t token = bytes_get64(c->head);
	size_t len = bytes_get32(c->head + 8);

	if (token == 0 || token > c->token || c->due == 0)
		return err_set(e, ERR_FORMAT,
		    "the server answers what was not asked; is something between it "
		    "and us that damages data");
	if (len > limit)
		return err_set(
		    e, ERR_LIMIT, "an answer of %zu bytes is over the limit of %zu", len, limit);
	return ERR_OK;
}

/* Read on in the body of an answer; memory is taken as bytes come, for the length may be a lie. */
static int
connection_body(struct connection *c, size_t len, struct err *e)
{
	size_t part = c->coming.len > RECEIVE_FIRST ? c->coming.len : RECEIVE_FIRST;
	size_t got;
	int rc;

	if (part > len - c->coming.len)
		part = len - c->coming.len;
	if (buf_reserve(&c->coming, part) != ERR_OK)
		return err_nomem(e);
	rc = connection_read(c, c->coming.data + c->coming.len, part, &got, e);
	if (rc == ERR_OK)
		c->coming.len += got;
	return rc;
}

/* Read on until an answer is whole. Nothing of it is lost when that fails. A server that is never
 * waited for, as it always has more to say, is not to keep us from stopping. */
static int
connection_gather(struct connection *c, struct err *e)
{
	const volatile sig_atomic_t *stop = c->options->stop;
	size_t got;
	int rc = wait_pause(0, stop, e);

	while (rc == ERR_OK && c->head_len < FRAME_HEAD) {
		rc = connection_read(c, c->head + c->head_len, FRAME_HEAD - c->head_len, &got, e);
		if (rc == ERR_OK)
			c->head_len += got;
		if (rc == ERR_OK && c->head_len == FRAME_HEAD)
			rc = connection_head(c, e);
	}
	while (rc == ERR_OK && c->coming.len < bytes_get32(c->head + 8))
		rc = connection_body(c, bytes_get32(c->head + 8), e);
	return rc;
}

/* Hand the whole answer out. */
static void
connection_take(struct connection *c, uint64_t *token, struct buf *out)
{
	struct buf swap = *out;

	*token = bytes_get64(c->head);
	*out = c->coming;
	c->coming = swap;
	buf_clear(&c->coming);
	c->head_len = 0;
	c->due--;
}

int
connection_receive_any(struct connection *c, uint64_t *token, struct buf *out, struct err *e)
{
	int rc;

	if (!c->usable)
		return err_set(e, ERR_IO, "%s: the connection is lost", connection_name(c));
	rc = connection_gather(c, e);
	if (rc != ERR_OK)
		return connection_failed(c, rc, e);
	connection_take(c, token, out);
	return ERR_OK;
}

int
connection_try(struct connection *c, uint64_t *token, struct buf *out, struct err *e)
{
	int rc;

	*token = 0;
	if (!c->usable)
		return err_set(e, ERR_IO, "%s: the connection is lost", connection_name(c));
	c->t->nowait = true;
	rc = connection_gather(c, e);
	c->t->nowait = false;
	if (rc == ERR_BUSY && wait_now() - c->heard < c->options->idle_ms)
		return ERR_OK;
	if (rc == ERR_BUSY)
		rc = err_set(e, ERR_IO, "no answer for %lld seconds",
		    (long long)(c->options->idle_ms + 999) / 1000);
	if (rc != ERR_OK)
		return connection_failed(c, rc, e);
	connection_take(c, token, out);
	return ERR_OK;
}

int
connection_fd(const struct connection *c)
{
	return c->t->functions->fd(c->t);
}

int
connection_receive(struct connection *c, uint64_t token, struct buf *out, struct err *e)
{
	uint64_t got = token;
	int rc;

	do {
		rc = connection_receive_any(c, &got, out, e);
	} while (rc == ERR_OK && got != token);
	return rc;
}
