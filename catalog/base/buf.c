/* A growable byte buffer: the contracts are in buf.h. */
#include "catalog/base/buf.h"

#include "catalog/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST 64 /* bytes of the first allocation */

int
buf_reserve(struct buf *b, size_t more)
{
	size_t need, cap;
	uint8_t *data;

	if (more > SIZE_MAX - b->len)
		return ERR_NOMEM;
	need = b->len + more;
	if (need <= b->cap)
		return ERR_OK;
	if (need > PTRDIFF_MAX)
		return ERR_NOMEM;
	cap = b->cap > 0 ? b->cap : BUF_FIRST;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	data = realloc(b->data, cap);
	if (data == NULL)
		return ERR_NOMEM;
	b->data = data;
	b->cap = cap;
	return ERR_OK;
}

int
buf_append(struct buf *b, const void *data, size_t len)
{
	if (len == 0)
		return ERR_OK;
	if (buf_reserve(b, len) != ERR_OK)
		return ERR_NOMEM;
	memcpy(b->data + b->len, data, len);
	b->len += len;
	return ERR_OK;
}

int
buf_putc(struct buf *b, uint8_t c)
{
	if (b->len == b->cap && buf_reserve(b, 1) != ERR_OK)
		return ERR_NOMEM;
	b->data[b->len++] = c;
	return ERR_OK;
}

int
buf_puts(struct buf *b, const char *s)
{
	return buf_append(b, s, strlen(s));
}

int
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || buf_reserve(b, (size_t)n + 1) != ERR_OK)
		return ERR_NOMEM;
	va_start(ap, fmt);
	vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return ERR_OK;
}

const char *
buf_str(struct buf *b)
{
	if (buf_reserve(b, 1) != ERR_OK)
		return NULL;
	b->data[b->len] = '\0';
	return (const char *)b->data;
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
}

void
buf_finish(struct buf *b)
{
	if (b == NULL)
		return;
	free(b->data);
	*b = (struct buf){0};
}
