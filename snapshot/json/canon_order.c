/*
 * Members in order. Documents mostly come with sorted keys, and then nothing here does any work.
 * Otherwise the document is written as it comes, each object that needs it keeps its members'
 * places in their right order, and at the end the document is written once more by these. So the
 * work is in proportion to the document whatever it nests, and nothing recurses.
 */
#include "snapshot/json/canon_internal.h"

#include <string.h>

#define ORDER_NAME_SHOWN 60 /* bytes of a name that an error text shows */

/* What is still to be written of an object or a span of the document. */
struct canon_rest {
	uint32_t at;     /* the span, from the document's start */
	uint32_t end;    /* behind it */
	uint32_t member; /* then these members in kept */
	uint32_t last;   /* behind them */
	bool comma;      /* a member has been written */
};

void
canon_order_start(struct canon *c)
{
	buf_clear(&c->objects);
	buf_clear(&c->kept);
}

int
canon_order_duplicate(struct canon_pass *pass, const struct canon_member *member)
{
	const uint8_t *name = pass->out->data + pass->base + member->at + 1;
	const uint8_t *end = name, *next;

	while (*end != '"' && end - name < ORDER_NAME_SHOWN) {
		next = end + (*end == '\\' ? 2 : 1);
		while (next - name < ORDER_NAME_SHOWN && (*next & 0xc0) == 0x80)
			next++;
		end = next;
	}
	return canon_fail(pass, pass->start + member->in, ERR_FORMAT, "duplicate key \"%.*s%s",
	    (int)(end - name), (const char *)name, *end == '"' ? "\"" : "...");
}

/* Merge the sorted runs [${from}, ${half}) and [${half}, ${to}) into ${out}. */
static void
canon_merge(const uint8_t *document, const struct canon_member *in, size_t from, size_t half,
    size_t to, struct canon_member *out)
{
	size_t a = from, b = half;

	for (size_t i = from; i < to; i++) {
		bool left = b == to || (a < half && canon_name_compare(document + in[a].at,
							document + in[b].at) <= 0);
		out[i] = in[left ? a++ : b++];
	}
}

/* Sort ${n} members by merging runs from the bottom up, with room for ${n} more at ${other}. */
static void
canon_sort(
    const uint8_t *document, struct canon_member *members, size_t n, struct canon_member *other)
{
	struct canon_member *in = members, *out = other, *swap;

	for (size_t run = 1; run < n; run *= 2) {
		for (size_t from = 0; from < n; from += 2 * run) {
			size_t half = from + run < n ? from + run : n;
			size_t to = half + run < n ? half + run : n;
			canon_merge(document, in, from, half, to, out);
		}
		swap = in;
		in = out;
		out = swap;
	}
	if (in != members)
		memcpy(members, in, n * sizeof(*members));
}

int
canon_order_close(struct canon_pass *pass, const struct canon_frame *frame)
{
	struct canon *c = pass->c;
	const uint8_t *document = pass->out->data + pass->base;
	struct canon_member *members = (struct canon_member *)(void *)c->members.data;
	struct canon_object *object = (struct canon_object *)(void *)c->objects.data;
	size_t n = c->members.len / sizeof(*members) - frame->member;

	members += frame->member;
	object += frame->object;
	buf_clear(&c->scratch);
	if (buf_reserve(&c->scratch, n * sizeof(*members)) != ERR_OK)
		return err_nomem(pass->e);
	canon_sort(document, members, n, (struct canon_member *)(void *)c->scratch.data);
	for (size_t i = 1; i < n; i++)
		if (canon_name_compare(document + members[i - 1].at, document + members[i].at) == 0)
			return canon_order_duplicate(pass, &members[i]);
	object->first = (uint32_t)(c->kept.len / sizeof(*members));
	object->count = (uint32_t)n;
	if (buf_append(&c->kept, members, n * sizeof(*members)) != ERR_OK)
		return err_nomem(pass->e);
	return ERR_OK;
}

/* The first object in the span that has to be reordered; NULL when none has. Spans do not overlap:
 * as none is looked at behind its end, each object is passed over once at most. */
static const struct canon_object *
canon_order_find(const struct canon *c, uint32_t at, uint32_t end)
{
	const struct canon_object *objects = (const void *)c->objects.data;
	size_t low = 0, count = c->objects.len / sizeof(*objects), high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (objects[middle].at < at)
			low = middle + 1;
		else
			high = middle;
	}
	while (low < count && objects[low].at < end && objects[low].count == 0)
		low++;
	return low < count && objects[low].at < end ? &objects[low] : NULL;
}

static int
canon_order_push(struct canon *c, struct canon_rest rest)
{
	return buf_append(&c->frames, &rest, sizeof(rest));
}

/* Write a span up to the first object in it that has to be reordered, and go into that one. */
static int
canon_order_span(struct canon *c, struct canon_rest *rest, const uint8_t *document)
{
	const struct canon_object *object = canon_order_find(c, rest->at, rest->end);
	uint32_t at = rest->at;

	if (object == NULL) {
		rest->at = rest->end;
		return buf_append(&c->scratch, document + at, rest->end - at);
	}
	rest->at = object->end - 1;
	if (buf_append(&c->scratch, document + at, object->at + 1 - at) != ERR_OK)
		return ERR_NOMEM;
	return canon_order_push(
	    c, (struct canon_rest){.member = object->first, .last = object->first + object->count});
}

/* Go into the next member of an object. */
static int
canon_order_member(struct canon *c, struct canon_rest *rest)
{
	const struct canon_member *member =
	    (const struct canon_member *)(const void *)c->kept.data + rest->member++;

	if (rest->comma && buf_putc(&c->scratch, ',') != ERR_OK)
		return ERR_NOMEM;
	rest->comma = true;
	return canon_order_push(
	    c, (struct canon_rest){.at = member->at, .end = member->at + member->len});
}

int
canon_order_finish(struct canon_pass *pass)
{
	struct canon *c = pass->c;
	uint8_t *document = pass->out->data + pass->base;
	size_t len = pass->out->len - pass->base;
	int rc;

	buf_clear(&c->frames);
	buf_clear(&c->scratch);
	rc = canon_order_push(c, (struct canon_rest){.end = (uint32_t)len});
	while (rc == ERR_OK && c->frames.len > 0) {
		struct canon_rest *rest =
		    (struct canon_rest *)(void *)(c->frames.data + c->frames.len) - 1;
		if (rest->at < rest->end)
			rc = canon_order_span(c, rest, document);
		else if (rest->member < rest->last)
			rc = canon_order_member(c, rest);
		else
			c->frames.len -= sizeof(*rest);
	}
	if (rc != ERR_OK)
		return err_nomem(pass->e);
	memcpy(document, c->scratch.data, len);
	return ERR_OK;
}
