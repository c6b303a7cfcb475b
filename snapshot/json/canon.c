/* The canonicaliser's walk through a document: the contracts are in canon.h. */
#include "snapshot/json/canon_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct canon *
canon_create(void)
{
	return calloc(1, sizeof(struct canon));
}

void
canon_free(struct canon *c)
{
	if (c == NULL)
		return;
	buf_finish(&c->frames);
	buf_finish(&c->members);
	buf_finish(&c->objects);
	buf_finish(&c->kept);
	buf_finish(&c->scratch);
	free(c);
}

int
canon_fail(struct canon_pass *pass, const uint8_t *at, int code, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pass->bad = at;
	return err_set(pass->e, code, "%s", text);
}

int
canon_expected(struct canon_pass *pass, const char *what)
{
	const uint8_t *p = pass->p;

	if (p == pass->end)
		return canon_fail(
		    pass, p, ERR_FORMAT, "expected %s, found the end of the input", what);
	if (*p > 0x20 && *p < 0x7f)
		return canon_fail(pass, p, ERR_FORMAT, "expected %s, found '%c'", what, *p);
	return canon_fail(pass, p, ERR_FORMAT, "expected %s, found byte 0x%02X", what, *p);
}

static void
canon_blanks(struct canon_pass *pass)
{
	const uint8_t *p = pass->p;

	while (p < pass->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	pass->p = p;
}

/* Skip blanks; whether ${c} is then next. */
static bool
canon_at(struct canon_pass *pass, uint8_t c)
{
	canon_blanks(pass);
	return pass->p < pass->end && *pass->p == c;
}

/* Take the byte that is next over into the output. */
static void
canon_take(struct canon_pass *pass)
{
	pass->out->data[pass->out->len++] = *pass->p++;
}

/* The place in the output, from the document's start. canon_check_size keeps it within 32 bits. */
static uint32_t
canon_here(const struct canon_pass *pass)
{
	return (uint32_t)(pass->out->len - pass->base);
}

static int
canon_check_size(struct canon_pass *pass)
{
	if (pass->out->len - pass->base <= CANON_SIZE_MAX)
		return ERR_OK;
	return canon_fail(pass, pass->p, ERR_LIMIT,
	    "a document over %u bytes, which is more than the server takes", CANON_SIZE_MAX);
}

/* buf_append, without two calls for the few bytes of a structure. */
static inline int
canon_push(struct buf *b, const void *item, size_t size)
{
	if (b->cap - b->len < size && buf_reserve(b, size) != ERR_OK)
		return ERR_NOMEM;
	memcpy(b->data + b->len, item, size);
	b->len += size;
	return ERR_OK;
}

static struct canon_frame *
canon_top(const struct canon *c)
{
	return (struct canon_frame *)(void *)(c->frames.data + c->frames.len) - 1;
}

/* Go into the array or object whose bracket is next. */
static int
canon_open(struct canon_pass *pass)
{
	struct canon *c = pass->c;
	struct canon_object object = {.at = canon_here(pass)};
	struct canon_frame frame = {.array = *pass->p == '[', .sorted = true};

	if (c->frames.len / sizeof(frame) == CANON_DEPTH_MAX)
		return canon_fail(pass, pass->p, ERR_LIMIT,
		    "nested more than %u deep, which is more than the server takes",
		    CANON_DEPTH_MAX);
	frame.object = (uint32_t)(c->objects.len / sizeof(object));
	frame.member = (uint32_t)(c->members.len / sizeof(struct canon_member));
	if (canon_push(&c->frames, &frame, sizeof(frame)) != ERR_OK)
		return err_nomem(pass->e);
	if (!frame.array && canon_push(&c->objects, &object, sizeof(object)) != ERR_OK)
		return err_nomem(pass->e);
	canon_take(pass);
	return ERR_OK;
}

/* Compare the key just read with the one before it in the same object. */
static int
canon_check_order(struct canon_pass *pass)
{
	struct canon *c = pass->c;
	struct canon_frame *frame = canon_top(c);
	size_t count = c->members.len / sizeof(struct canon_member);
	const struct canon_member *member =
	    (const struct canon_member *)(const void *)c->members.data + count - 1;
	const uint8_t *document = pass->out->data + pass->base;
	int order;

	if (count - frame->member < 2)
		return ERR_OK;
	order = canon_name_compare(document + member[-1].at, document + member->at);
	if (order == 0)
		return canon_order_duplicate(pass, member);
	if (order > 0)
		frame->sorted = false;
	return ERR_OK;
}

/* Write the key that is next, and the colon. */
static int
canon_key(struct canon_pass *pass, const char *expected)
{
	struct canon_member member = {
	    .in = (size_t)(pass->p - pass->start), .at = canon_here(pass)};
	int rc;

	if (pass->p == pass->end || *pass->p != '"')
		return canon_expected(pass, expected);
	if (canon_push(&pass->c->members, &member, sizeof(member)) != ERR_OK)
		return err_nomem(pass->e);
	rc = canon_string(pass);
	if (rc == ERR_OK)
		rc = canon_check_size(pass);
	if (rc == ERR_OK)
		rc = canon_check_order(pass);
	if (rc != ERR_OK)
		return rc;
	if (!canon_at(pass, ':'))
		return canon_expected(pass, "':' after a key");
	canon_take(pass);
	return ERR_OK;
}

/* The value of the innermost object's last member is complete. */
static void
canon_end_member(struct canon_pass *pass)
{
	struct canon *c = pass->c;
	struct canon_member *last =
	    (struct canon_member *)(void *)(c->members.data + c->members.len) - 1;

	last->len = canon_here(pass) - last->at;
}

/* Leave the array or object whose closing bracket is next. */
static int
canon_close(struct canon_pass *pass)
{
	struct canon *c = pass->c;
	struct canon_frame frame = *canon_top(c);
	struct canon_object *object;
	int rc = ERR_OK;

	canon_take(pass);
	c->frames.len -= sizeof(frame);
	if (frame.array)
		return ERR_OK;
	object = (struct canon_object *)(void *)c->objects.data + frame.object;
	object->end = canon_here(pass);
	if (!frame.sorted)
		rc = canon_order_close(pass, &frame);
	else if (frame.object == c->objects.len / sizeof(*object) - 1)
		c->objects.len -= sizeof(*object);
	c->members.len = frame.member * sizeof(struct canon_member);
	return rc;
}

static int
canon_literal(struct canon_pass *pass)
{
	static const char *const words[] = {"true", "false", "null"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t len = strlen(words[i]);
		if ((size_t)(pass->end - pass->p) >= len && memcmp(pass->p, words[i], len) == 0) {
			memcpy(pass->out->data + pass->out->len, words[i], len);
			pass->out->len += len;
			pass->p += len;
			return ERR_OK;
		}
	}
	return canon_expected(pass, "a value");
}

static int
canon_scalar(struct canon_pass *pass)
{
	if (*pass->p == '"')
		return canon_string(pass);
	if (*pass->p == '-' || (*pass->p >= '0' && *pass->p <= '9'))
		return canon_token(pass);
	return canon_literal(pass);
}

/*
 * Write the start of the value that is next: a scalar, a bracket and maybe a key. ${more} says
 * whether a value has to follow.
 */
static int
canon_start_value(struct canon_pass *pass, bool *more)
{
	bool array;
	int rc;

	canon_blanks(pass);
	*more = false;
	if (pass->p == pass->end)
		return canon_expected(pass, "a value");
	if (*pass->p != '{' && *pass->p != '[')
		return canon_scalar(pass);
	array = *pass->p == '[';
	rc = canon_open(pass);
	if (rc != ERR_OK)
		return rc;
	if (canon_at(pass, array ? ']' : '}'))
		return canon_close(pass);
	*more = true;
	return array ? ERR_OK : canon_key(pass, "a key or '}'");
}

/* A value is complete: write what may follow it, up to where the next value has to be. */
static int
canon_end_value(struct canon_pass *pass, bool *more)
{
	struct canon *c = pass->c;
	int rc = canon_check_size(pass);

	while (rc == ERR_OK && c->frames.len > 0) {
		bool array = canon_top(c)->array;
		if (!array)
			canon_end_member(pass);
		if (canon_at(pass, ',')) {
			canon_take(pass);
			canon_blanks(pass);
			*more = true;
			return array ? ERR_OK : canon_key(pass, "a key after ','");
		}
		if (!canon_at(pass, array ? ']' : '}'))
			return canon_expected(pass, array ? "',' or ']'" : "',' or '}'");
		rc = canon_close(pass);
		if (rc == ERR_OK)
			rc = canon_check_size(pass);
	}
	return rc;
}

static int
canon_run(struct canon_pass *pass)
{
	bool more = true;
	int rc = ERR_OK;

	while (rc == ERR_OK && more) {
		rc = canon_start_value(pass, &more);
		if (rc == ERR_OK && !more)
			rc = canon_end_value(pass, &more);
	}
	if (rc != ERR_OK)
		return rc;
	canon_blanks(pass);
	if (pass->p < pass->end)
		return canon_expected(pass, "nothing more after the value");
	if (pass->c->objects.len > 0)
		return canon_order_finish(pass);
	return ERR_OK;
}

/* Line and column of the byte at ${offset}. */
static void
canon_locate(const uint8_t *in, size_t offset, struct canon_where *where)
{
	const uint8_t *line = in;
	const uint8_t *newline;

	*where = (struct canon_where){.offset = offset, .line = 1};
	while ((newline = memchr(line, '\n', offset - (size_t)(line - in))) != NULL) {
		line = newline + 1;
		where->line++;
	}
	where->column = offset - (size_t)(line - in) + 1;
}

int
canon_value(struct canon *c, const void *in, size_t len, struct buf *out, struct canon_where *where,
    struct err *e)
{
	const uint8_t *start = len > 0 ? in : (const uint8_t *)"";
	struct canon_pass pass = {.c = c,
	    .start = start,
	    .p = start,
	    .end = start + len,
	    .out = out,
	    .base = out->len,
	    .bad = start,
	    .e = e};
	int rc;

	buf_clear(&c->frames);
	buf_clear(&c->members);
	canon_order_start(c);
	if (len > SIZE_MAX - CANON_SLACK || buf_reserve(out, len + CANON_SLACK) != ERR_OK)
		rc = err_nomem(e);
	else
		rc = canon_run(&pass);
	if (rc == ERR_OK)
		return ERR_OK;
	out->len = pass.base;
	if (where != NULL)
		canon_locate(start, (size_t)(pass.bad - start), where);
	return rc;
}
