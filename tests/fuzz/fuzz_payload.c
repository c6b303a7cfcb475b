/*
 * Payloads of any bytes: read at once and in small pieces, for checking and for carrying out, they
 * have the same documents, or the same fault.
 */
#include "snapshot/payload.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct source {
	const uint8_t *data;
	size_t size;
	size_t most; /* bytes in one read */
};

struct seen {
	struct buf text;    /* all documents */
	uint64_t documents; /* how many */
};

static void
check(int truth)
{
	if (!truth)
		abort();
}

static int
source_read(void *arg, uint64_t off, void *out, size_t room, size_t *got, struct err *e)
{
	struct source *s = arg;
	size_t n = s->size - (size_t)off;

	(void)e;
	check(off <= s->size);
	n = n < room ? n : room;
	n = n < s->most ? n : s->most;
	if (n > 0)
		memcpy(out, s->data + off, n);
	*got = n;
	return ERR_OK;
}

static int
see(void *arg, const struct key *key, const struct buf *document, struct err *e)
{
	struct seen *s = arg;

	(void)e;
	check(key_valid(key));
	check(document->len > 1 && document->data[0] == '{');
	check(buf_append(&s->text, document->data, document->len) == ERR_OK);
	s->documents++;
	return ERR_OK;
}

static int
run(struct source *source, struct seen *seen, struct err *e)
{
	struct payload_input in = {.read = source_read, .arg = source};
	uint64_t documents = 0;
	int rc = payload_read(&in, "id", seen != NULL ? see : NULL, seen, &documents, e);

	if (rc == ERR_OK)
		check(documents > 0 && (seen == NULL || documents == seen->documents));
	else
		check(e->code == rc && e->text[0] != '\0');
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source whole = {data, size, size}, pieces = {data, size, 1 + size % 7};
	struct seen first = {0}, second = {0};
	struct err a = {0}, b = {0}, c = {0};
	int rc = run(&whole, &first, &a);

	check(run(&pieces, &second, &b) == rc);
	check(run(&pieces, NULL, &c) == rc);
	check(strcmp(a.text, b.text) == 0 && strcmp(a.text, c.text) == 0);
	check(first.documents == second.documents && first.text.len == second.text.len);
	if (first.text.len > 0)
		check(memcmp(first.text.data, second.text.data, first.text.len) == 0);
	buf_finish(&first.text);
	buf_finish(&second.text);
	return 0;
}
