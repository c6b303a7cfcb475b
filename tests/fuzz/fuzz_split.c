/*
 * Splitting any bytes: whole, byte by byte and in pieces that the input itself chooses must give
 * the same documents, places and errors. The first byte sets the limit, the second the pieces.
 */
#include "catalog/base/buf.h"
#include "snapshot/json/split.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(int truth)
{
	if (!truth)
		abort();
}

static void
note(struct buf *out, const struct split_document *d, size_t limit)
{
	check(d->len > 0 && d->len <= limit && d->line > 0 && d->column > 0);
	check(buf_printf(out, "%llu:%llu ", (unsigned long long)d->line,
		  (unsigned long long)d->column) == ERR_OK);
	check(buf_append(out, d->data, d->len) == ERR_OK);
	check(buf_putc(out, '\n') == ERR_OK);
}

static void
trace(const uint8_t *data, size_t size, size_t piece, size_t limit, struct buf *out)
{
	struct split *s = split_create(limit);
	struct split_document d;
	struct err e = {0};
	int rc = ERR_END;

	for (size_t at = 0, n; at < size && rc == ERR_END; at += n) {
		uint8_t *fed;
		n = piece > 0 ? piece : 1 + data[at] % 23u;
		n = n < size - at ? n : size - at;
		fed = malloc(n);
		check(fed != NULL);
		memcpy(fed, data + at, n);
		split_feed(s, fed, n);
		while ((rc = split_next(s, &d, &e)) == ERR_OK)
			note(out, &d, limit);
		free(fed);
	}
	if (rc == ERR_END) {
		while ((rc = split_finish(s, &d, &e)) == ERR_OK)
			note(out, &d, limit);
	}
	check(buf_printf(out, "%d %s", rc, e.text) == ERR_OK);
	split_free(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = {0}, bytes = {0}, pieces = {0};
	size_t limit;

	if (size < 3)
		return 0;
	limit = data[0] == 0xff ? size : data[0] + 1u;
	trace(data + 2, size - 2, size, limit, &whole);
	trace(data + 2, size - 2, 1, limit, &bytes);
	trace(data + 2, size - 2, data[1] % 64, limit, &pieces);
	check(whole.len == bytes.len && memcmp(whole.data, bytes.data, whole.len) == 0);
	check(whole.len == pieces.len && memcmp(whole.data, pieces.data, whole.len) == 0);
	buf_finish(&whole);
	buf_finish(&bytes);
	buf_finish(&pieces);
	return 0;
}
