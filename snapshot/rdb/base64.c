/* Base64: the contracts are in base64.h. */
#include "snapshot/rdb/base64.h"

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int
base64_encode(const void *data, size_t len, struct buf *out)
{
	const uint8_t *p = data;

	if (len > SIZE_MAX / 2 || buf_reserve(out, (len + 2) / 3 * 4) != ERR_OK)
		return ERR_NOMEM;
	for (; len > 0; p += 3) {
		size_t n = len < 3 ? len : 3;
		uint32_t w = (uint32_t)p[0] << 16;
		w |= n > 1 ? (uint32_t)p[1] << 8 : 0;
		w |= n > 2 ? (uint32_t)p[2] : 0;
		for (size_t i = 0; i < 4; i++)
			out->data[out->len++] =
			    (uint8_t)(i <= n ? base64_digits[w >> (18 - 6 * i) & 63] : '=');
		len -= n;
	}
	return ERR_OK;
}

static int
base64_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int
base64_decode(const void *text, size_t len, struct buf *out)
{
	const uint8_t *p = text;
	size_t start = out->len, digits = 0;
	uint32_t w = 0;

	if (buf_reserve(out, len) != ERR_OK)
		return ERR_NOMEM;
	while (len > 0 && (p[len - 1] == '=' || p[len - 1] == '\r' || p[len - 1] == '\n'))
		len--;
	for (size_t i = 0; i < len; i++) {
		int v = base64_value(p[i]);
		if (p[i] == '\r' || p[i] == '\n')
			continue;
		if (v < 0)
			goto bad;
		w = (w << 6 | (uint32_t)v) & 0xffffff;
		digits++;
		if (digits % 4 != 1)
			out->data[out->len++] = (uint8_t)(w >> (8 - 2 * (digits % 4)) % 8);
	}
	if (digits % 4 == 1)
		goto bad;
	return ERR_OK;
bad:
	out->len = start;
	return ERR_FORMAT;
}
