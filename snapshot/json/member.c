/* Looking into canonical JSON: the contracts are in member.h. */
#include "snapshot/json/member.h"

#include "snapshot/json/block.h"
#include "snapshot/json/canon_internal.h"
#include "snapshot/json/word.h"

#include <string.h>

/* Where the string whose opening quote is at ${p} ends, behind its closing quote; or NULL. */
static const uint8_t *
member_skip_string(const uint8_t *p, const uint8_t *end)
{
	for (p++; p < end; p++) {
		while (end - p >= WORD_LEN) {
			uint64_t w = word_load(p);
			uint64_t found = word_equal(w, '"') | word_equal(w, '\\');
			p += found != 0 ? word_first(found) : WORD_LEN;
			if (found != 0)
				break;
		}
		if (p < end && *p == '"')
			return p + 1;
		p += p < end && *p == '\\';
	}
	return NULL;
}

/*
 * The bytes of a block that an escape has taken. ${carry} says whether the block before ended in a
 * backslash that takes the first one, and is set for the block behind.
 */
static uint64_t
member_escaped(uint64_t escapes, bool *carry)
{
	uint64_t escaped = *carry;

	*carry = false;
	escapes &= ~escaped;
	while (escapes != 0) {
		uint64_t first = escapes & (0 - escapes);
		escaped |= first << 1;
		*carry = first >> (BLOCK_LEN - 1) != 0;
		escapes &= ~(first | first << 1);
	}
	return escaped;
}

/* Where the array or object that starts at ${p} ends; NULL when it doesn't. */
static const uint8_t *
member_skip_nested(const uint8_t *p, const uint8_t *end)
{
	uint8_t last[BLOCK_LEN] = {0};
	size_t depth = 0;
	uint64_t inside = 0; /* all bits: the block begins in a string */
	bool escaped = false;

	for (; p < end; p += BLOCK_LEN) {
		const uint8_t *at = p;
		struct block b;
		if (end - p < BLOCK_LEN)
			at = memcpy(last, p, (size_t)(end - p));
		block_look(at, &b);
		if (b.escapes != 0 || escaped)
			b.quotes &= ~member_escaped(b.escapes, &escaped);
		inside ^= block_inside(b.quotes);
		for (uint64_t m = (b.opens | b.closes) & ~inside; m != 0; m &= m - 1) {
			if ((b.opens & m & (0 - m)) != 0)
				depth++;
			else if (--depth == 0)
				return p + __builtin_ctzll(m) + 1;
		}
		inside = 0 - (inside >> (BLOCK_LEN - 1));
		if (end - p < BLOCK_LEN)
			break;
	}
	return NULL;
}

/* Where the value that starts at ${p} ends; NULL when it doesn't, or there is none. */
static const uint8_t *
member_skip(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *start = p;

	if (p == end)
		return NULL;
	if (*p == '"')
		return member_skip_string(p, end);
	if (*p == '{' || *p == '[')
		return member_skip_nested(p, end);
	while (p<end && * p> 0x20 && *p != ',' && *p != '}' && *p != ']' && *p != '"')
		p++;
	return p > start ? p : NULL;
}

/*
 * Move to the next member or element of a container that starts with ${open}. Return ERR_OK with
 * ${p} at it, ERR_END behind the last, or ERR_FORMAT.
 */
static int
member_step(const uint8_t *data, size_t len, uint8_t open, size_t pos, const uint8_t **p)
{
	uint8_t close = open == '{' ? '}' : ']';

	if (len < 2 || pos >= len || data[0] != open || data[len - 1] != close)
		return ERR_FORMAT;
	if (pos == 0 && len == 2)
		return ERR_END;
	if (pos == len - 1)
		return ERR_END;
	if (pos > 0 && data[pos] != ',')
		return ERR_FORMAT;
	*p = data + pos + 1;
	return ERR_OK;
}

int
member_next(const void *object, size_t len, struct member_walk *walk, struct member_span *name,
    struct member_span *value)
{
	const uint8_t *data = object, *start, *colon, *end;
	int rc = member_step(data, len, '{', walk->pos, &start);

	if (rc != ERR_OK)
		return rc;
	if (*start != '"')
		return ERR_FORMAT;
	colon = member_skip_string(start, data + len - 1);
	if (colon == NULL || *colon != ':')
		return ERR_FORMAT;
	end = member_skip(colon + 1, data + len - 1);
	if (end == NULL)
		return ERR_FORMAT;
	*name = (struct member_span){start, (size_t)(colon - start)};
	*value = (struct member_span){colon + 1, (size_t)(end - colon - 1)};
	walk->pos = (size_t)(end - data);
	return ERR_OK;
}

int
member_element(const void *array, size_t len, struct member_walk *walk, struct member_span *value)
{
	const uint8_t *data = array, *start, *end;
	int rc = member_step(data, len, '[', walk->pos, &start);

	if (rc != ERR_OK)
		return rc;
	end = member_skip(start, data + len - 1);
	if (end == NULL)
		return ERR_FORMAT;
	*value = (struct member_span){start, (size_t)(end - start)};
	walk->pos = (size_t)(end - data);
	return ERR_OK;
}

/*
 * Read the character that is next in a JSON string's contents and move past it. Return the number
 * of its UTF-8 bytes, 0 when it is an escape that is none.
 */
static size_t
member_character(const uint8_t **p, const uint8_t *end, uint8_t out[4])
{
	size_t used, n;

	if (**p != '\\') {
		out[0] = *(*p)++;
		return 1;
	}
	n = canon_unescape(*p, end, out, &used);
	if (n > 0)
		*p += used;
	return n;
}

/* Whether the JSON string ${json} is the raw ${name}. */
static bool
member_is(const struct member_span *json, const uint8_t *name, size_t len)
{
	const uint8_t *p = json->data + 1, *end = json->data + json->len - 1;

	while (p < end) {
		uint8_t character[4];
		size_t n = member_character(&p, end, character);
		if (n == 0 || n > len || memcmp(character, name, n) != 0)
			return false;
		name += n;
		len -= n;
	}
	return len == 0;
}

int
member_find(
    const void *object, size_t len, const void *name, size_t name_len, struct member_span *out)
{
	struct member_walk walk = {0};
	struct member_span found, value;
	int rc;

	while ((rc = member_next(object, len, &walk, &found, &value)) == ERR_OK) {
		if (member_is(&found, name, name_len)) {
			*out = value;
			return ERR_OK;
		}
	}
	return rc == ERR_END ? ERR_ABSENT : rc;
}

int
member_string(const void *value, size_t len, struct buf *out)
{
	const uint8_t *p = value, *end = p + len;
	size_t start = out->len;

	if (len < 2 || *p != '"' || member_skip_string(p, end) != end)
		return ERR_FORMAT;
	/* Decoding never makes a string longer. */
	if (buf_reserve(out, len) != ERR_OK)
		return ERR_NOMEM;
	p++;
	end--;
	while (p < end) {
		uint8_t character[4];
		size_t n = member_character(&p, end, character);
		if (n == 0) {
			out->len = start;
			return ERR_FORMAT;
		}
		memcpy(out->data + out->len, character, n);
		out->len += n;
	}
	return ERR_OK;
}
