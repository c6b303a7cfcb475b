/*
 * Whatever a server says during the handshake: no login succeeds without its proof, and nothing but
 * the set answers comes out.
 */
#include "snapshot/rdb/handshake.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A stream that says the input, in pieces of the size that its first byte tells. */
struct input {
	struct transport base;
	const uint8_t *data;
	size_t len, piece;
};

static int
input_read(struct transport *t, void *out, size_t room, size_t *got, struct err *e)
{
	struct input *in = (struct input *)t;
	size_t n = in->len < in->piece ? in->len : in->piece;
	(void)e;

	n = n < room ? n : room;
	if (n > 0)
		memcpy(out, in->data, n);
	in->data += n;
	in->len -= n;
	*got = n;
	return ERR_OK;
}

static int
input_write(struct transport *t, const void *data, size_t len, struct err *e)
{
	(void)t;
	(void)data;
	(void)len;
	(void)e;
	return ERR_OK;
}

static void
input_close(struct transport *t)
{
	(void)t;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct transport_functions functions = {
	    input_read, input_write, input_close, NULL};
	static const struct handshake_login login = {"admin", "pw", 2, "yDq3V9Pz65q/sUw2gGrFIUll"};
	struct input in = {.base = {.functions = &functions}};
	char version[HANDSHAKE_VERSION] = "";
	struct err e = {0};
	int rc;

	if (size == 0)
		return 0;
	in.piece = data[0] % 64 + 1;
	in.data = data + 1;
	in.len = size - 1;
	rc = handshake_run(&in.base, &login, version, &e);
	/* Only one who knows the password can end it well. */
	if (rc != ERR_FORMAT && rc != ERR_DENIED && rc != ERR_IO)
		abort();
	if (e.text[0] == '\0' || strnlen(version, sizeof(version)) == sizeof(version))
		abort();
	return 0;
}
