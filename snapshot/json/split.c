/*
 * Cutting a stream into documents: the contracts are in split.h.
 *
 * Between documents a small state machine knows what may come; inside one only brackets are counted
 * and strings skipped. A document that the fed bytes hold whole is handed out where it lies; one
 * that they end in is carried over in a buffer.
 */
#include "snapshot/json/split.h"

#include "catalog/base/buf.h"
#include "snapshot/json/block.h"
#include "snapshot/json/word.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum split_state {
	SPLIT_START,    /* nothing but blanks so far */
	SPLIT_BETWEEN,  /* documents one after another: the next one, or the end */
	SPLIT_FIRST,    /* array: the first document or ']' */
	SPLIT_ELEMENT,  /* array: a document, after a comma */
	SPLIT_COMMA,    /* array: ',' or ']' */
	SPLIT_OVER,     /* behind the array: only blanks */
	SPLIT_DOCUMENT, /* in a document */
	SPLIT_FAILED    /* an error has been reported */
};

/* What a byte is to the splitter; the ones from SPLIT_QUOTE on matter inside a document. */
enum split_class {
	SPLIT_OTHER,
	SPLIT_BLANK,
	SPLIT_SEPARATOR,
	SPLIT_QUOTE,
	SPLIT_OPEN,
	SPLIT_CLOSE
};

struct split {
	size_t limit;         /* bytes of the longest document */
	struct buf carry;     /* what earlier feeds held of the present document */
	const uint8_t *p;     /* next byte of the feed */
	const uint8_t *end;   /* behind the feed */
	const uint8_t *place; /* the byte of the feed at line and column */
	uint64_t line;
	uint64_t column;
	enum split_state state;
	bool array;     /* the documents are elements of an array */
	bool string;    /* in a string of the document */
	bool escaped;   /* behind a backslash there */
	bool bare;      /* the document is a number or a word: it ends where another thing starts */
	uint64_t depth; /* open brackets of the document */
	uint64_t start_line;   /* of the document */
	uint64_t start_column; /* of the document */
};

static const uint8_t split_classes[256] = {
    [' '] = SPLIT_BLANK,
    ['\t'] = SPLIT_BLANK,
    ['\n'] = SPLIT_BLANK,
    ['\r'] = SPLIT_BLANK,
    ['"'] = SPLIT_QUOTE,
    ['{'] = SPLIT_OPEN,
    ['['] = SPLIT_OPEN,
    ['}'] = SPLIT_CLOSE,
    [']'] = SPLIT_CLOSE,
    [','] = SPLIT_SEPARATOR,
};

struct split *
split_create(size_t limit)
{
	struct split *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->limit = limit;
	split_reset(s);
	return s;
}

void
split_free(struct split *s)
{
	if (s == NULL)
		return;
	buf_finish(&s->carry);
	free(s);
}

void
split_reset(struct split *s)
{
	struct split fresh = {.limit = s->limit, .carry = s->carry, .line = 1, .column = 1};

	buf_clear(&fresh.carry);
	*s = fresh;
}

void
split_feed(struct split *s, const void *data, size_t len)
{
	static const uint8_t nothing[1];

	s->p = len > 0 ? data : nothing;
	s->end = s->p + len;
	s->place = s->p;
}

/* Bring line and column up to ${p}. */
static void
split_count(struct split *s, const uint8_t *p)
{
	const uint8_t *newline;

	while (s->place < p && (newline = memchr(s->place, '\n', (size_t)(p - s->place))) != NULL) {
		s->line++;
		s->column = 1;
		s->place = newline + 1;
	}
	s->column += (uint64_t)(p - s->place);
	s->place = p;
}

static int
split_fail(struct split *s, int code, const char *text, struct err *e)
{
	s->state = SPLIT_FAILED;
	return err_set(e, code, "line %llu, column %llu: %s", (unsigned long long)s->line,
	    (unsigned long long)s->column, text);
}

/* Fail at the next byte, which is not ${expected}. */
static int
split_unexpected(struct split *s, const char *expected, struct err *e)
{
	char text[128];
	uint8_t c = *s->p;

	if (c > 0x20 && c < 0x7f)
		snprintf(text, sizeof(text), "expected %s, found '%c'", expected, c);
	else
		snprintf(text, sizeof(text), "expected %s, found byte 0x%02X", expected, c);
	return split_fail(s, ERR_FORMAT, text, e);
}

static int
split_too_large(struct split *s, struct err *e)
{
	char text[128];

	s->line = s->start_line;
	s->column = s->start_column;
	snprintf(
	    text, sizeof(text), "the document that starts here has more than %zu bytes", s->limit);
	return split_fail(s, ERR_LIMIT, text, e);
}

/*
 * Go through whole blocks, which have to lie in an array or object, while no string in them has an
 * escape. Return where that ends: behind the last bracket when ${done} is set.
 */
static const uint8_t *
split_scan_blocks(struct split *s, const uint8_t *p, bool *done)
{
	for (; s->end - p >= BLOCK_LEN; p += BLOCK_LEN) {
		uint64_t inside;
		struct block b;

		block_look(p, &b);
		if (b.escapes != 0)
			break;
		inside = block_inside(b.quotes) ^ (0 - (uint64_t)s->string);
		for (uint64_t m = (b.opens | b.closes) & ~inside; m != 0; m &= m - 1) {
			if ((b.opens & m & (0 - m)) != 0) {
				s->depth++;
			} else if (--s->depth == 0) {
				*done = true;
				s->string = false;
				return p + __builtin_ctzll(m) + 1;
			}
		}
		s->string = inside >> (BLOCK_LEN - 1) != 0;
	}
	return p;
}

/* Skip the rest of a string, its closing quote included, or all there is of it. */
static const uint8_t *
split_skip_string(struct split *s, const uint8_t *p)
{
	for (;;) {
		if (s->escaped && p < s->end) {
			s->escaped = false;
			p++;
		}
		while (s->end - p >= WORD_LEN) {
			uint64_t w = word_load(p);
			uint64_t found = word_equal(w, '"') | word_equal(w, '\\');
			p += found != 0 ? word_first(found) : WORD_LEN;
			if (found != 0)
				break;
		}
		while (p < s->end && *p != '"' && *p != '\\')
			p++;
		if (p == s->end)
			return p;
		s->escaped = *p == '\\';
		s->string = s->escaped;
		p++;
		if (!s->string)
			return p;
	}
}

/* Move on to the end of a number or a word: whether it is in this feed. */
static bool
split_scan_bare(struct split *s)
{
	while (s->p < s->end && split_classes[*s->p] == SPLIT_OTHER)
		s->p++;
	return s->p < s->end;
}

/* Go through the next string or to the next bracket: where that ends, as split_scan_blocks. */
static const uint8_t *
split_scan_bytes(struct split *s, const uint8_t *p, bool *done)
{
	if (s->string) {
		p = split_skip_string(s, p);
		*done = !s->string && s->depth == 0;
		return p;
	}
	while (p < s->end && split_classes[*p] < SPLIT_QUOTE)
		p++;
	if (p == s->end)
		return p;
	switch ((enum split_class)split_classes[*p++]) {
	case SPLIT_QUOTE:
		s->string = true;
		break;
	case SPLIT_OPEN:
		s->depth++;
		break;
	default:
		*done = --s->depth == 0;
	}
	return p;
}

/* Move on to the end of a string, an array or an object: whether it is in this feed. */
static bool
split_scan(struct split *s)
{
	bool done = false;

	while (!done && s->p < s->end) {
		if (s->depth > 0 && !s->escaped)
			s->p = split_scan_blocks(s, s->p, &done);
		if (!done)
			s->p = split_scan_bytes(s, s->p, &done);
	}
	return done;
}

/* Go on with the present document, of which this feed has the bytes from ${from} on. */
static int
split_document(struct split *s, const uint8_t *from, struct split_document *out, struct err *e)
{
	bool done = s->bare ? split_scan_bare(s) : split_scan(s);
	size_t len = (size_t)(s->p - from);

	if (len > s->limit || s->carry.len > s->limit - len)
		return split_too_large(s, e);
	if ((!done || s->carry.len > 0) && buf_append(&s->carry, from, len) != ERR_OK) {
		s->state = SPLIT_FAILED;
		return err_nomem(e);
	}
	if (!done) {
		split_count(s, s->end);
		return ERR_END;
	}
	s->state = s->array ? SPLIT_COMMA : SPLIT_BETWEEN;
	*out = (struct split_document){.data = s->carry.len > 0 ? s->carry.data : from,
	    .len = s->carry.len > 0 ? s->carry.len : len,
	    .line = s->start_line,
	    .column = s->start_column};
	return ERR_OK;
}

/* Start a document with the next byte. */
static int
split_begin(struct split *s, const char *expected, struct split_document *out, struct err *e)
{
	enum split_class first = (enum split_class)split_classes[*s->p];

	if (first == SPLIT_OTHER && (*s->p == '\0' || strchr("-0123456789tfn", *s->p) == NULL))
		return split_unexpected(s, expected, e);
	if (first == SPLIT_CLOSE || first == SPLIT_SEPARATOR)
		return split_unexpected(s, expected, e);
	s->start_line = s->line;
	s->start_column = s->column;
	s->state = SPLIT_DOCUMENT;
	s->bare = first == SPLIT_OTHER;
	return split_document(s, s->p, out, e);
}

/* Take the byte that is next and go on in ${state}. */
static int
split_move(struct split *s, enum split_state state)
{
	s->p++;
	s->state = state;
	return ERR_END;
}

/*
 * Deal with the byte that is next, between documents and not blank. ERR_END: go on with the one
 * behind it.
 */
static int
split_step(struct split *s, struct split_document *out, struct err *e)
{
	bool close = *s->p == ']';

	switch (s->state) {
	case SPLIT_START:
		if (*s->p == 0xef && s->line == 1 && s->column == 1)
			return split_fail(s, ERR_FORMAT,
			    "found byte 0xEF, the first of a UTF-8 byte order mark; save the "
			    "file without one",
			    e);
		s->array = *s->p == '[';
		if (s->array)
			return split_move(s, SPLIT_FIRST);
		return split_begin(s, "a document or '['", out, e);
	case SPLIT_BETWEEN:
		return split_begin(s, "a document", out, e);
	case SPLIT_FIRST:
		if (close)
			return split_move(s, SPLIT_OVER);
		return split_begin(s, "a document or ']'", out, e);
	case SPLIT_ELEMENT:
		return split_begin(s, "a document after ','", out, e);
	case SPLIT_COMMA:
		if (close || *s->p == ',')
			return split_move(s, close ? SPLIT_OVER : SPLIT_ELEMENT);
		return split_unexpected(s, "',' or ']'", e);
	case SPLIT_OVER:
		return split_unexpected(s, "nothing more after ']'", e);
	case SPLIT_DOCUMENT:
	case SPLIT_FAILED:
		break;
	}
	return err_set(e, ERR_BUG, "a stream of documents was read on after a failure");
}

int
split_next(struct split *s, struct split_document *out, struct err *e)
{
	int rc = ERR_END;

	if (s->state == SPLIT_DOCUMENT)
		return s->p < s->end ? split_document(s, s->p, out, e) : ERR_END;
	buf_clear(&s->carry);
	while (rc == ERR_END && s->state != SPLIT_DOCUMENT) {
		while (s->p < s->end && split_classes[*s->p] == SPLIT_BLANK)
			s->p++;
		split_count(s, s->p);
		if (s->p == s->end)
			return ERR_END;
		rc = split_step(s, out, e);
	}
	return rc;
}

int
split_finish(struct split *s, struct split_document *out, struct err *e)
{
	switch (s->state) {
	case SPLIT_START:
	case SPLIT_BETWEEN:
	case SPLIT_OVER:
		return ERR_END;
	case SPLIT_FIRST:
	case SPLIT_ELEMENT:
	case SPLIT_COMMA:
		return split_fail(s, ERR_TRUNCATED, "the input ends before the array does", e);
	case SPLIT_DOCUMENT:
		break;
	case SPLIT_FAILED:
		return err_set(e, ERR_BUG, "a stream of documents was read on after a failure");
	}
	if (!s->bare || s->array) {
		s->line = s->start_line;
		s->column = s->start_column;
		return split_fail(s, ERR_TRUNCATED,
		    "the input ends before the document that starts here does", e);
	}
	s->state = SPLIT_BETWEEN;
	*out = (struct split_document){.data = s->carry.data,
	    .len = s->carry.len,
	    .line = s->start_line,
	    .column = s->start_column};
	return ERR_OK;
}
