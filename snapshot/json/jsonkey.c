/* Keys between JSON and store-key bytes: the contracts are in jsonkey.h. */
#include "snapshot/json/jsonkey.h"

#include "snapshot/json/canon_internal.h"
#include "snapshot/json/member.h"

#include <math.h>
#include <string.h>

#define JSONKEY_LINE 76       /* base64 characters between the server's line breaks */
#define JSONKEY_CRLF "\\r\\n" /* such a break as JSON */

static const char jsonkey_type[] = "\"$reql_type$\"";
static const char jsonkey_binary[] = "{\"$reql_type$\":\"BINARY\",\"data\":\"";
static const char jsonkey_time[] = "{\"$reql_type$\":\"TIME\",\"epoch_time\":";
static const char jsonkey_zone[] = ",\"timezone\":\"+00:00\"}";
static const char jsonkey_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Reading one key. */
struct jsonkey_read {
	const uint8_t *p;   /* next byte of the JSON */
	const uint8_t *end; /* behind it */
	int depth;          /* open arrays */
	bool cut;           /* the JSON may end anywhere: read what is certain */
	struct key key;     /* what has been read */
	struct err *e;      /* may be NULL */
};

/* Bits of base64 on their way to bytes. */
struct jsonkey_bits {
	uint32_t bits; /* the last characters, six bits each */
	int count;     /* characters in bits, up to 4 */
	bool padded;   /* '=' has been seen */
	uint8_t bytes[KEY_MAX];
	size_t len; /* of bytes */
};

static int
jsonkey_fail(struct jsonkey_read *r, const char *text)
{
	return err_set(r->e, ERR_KEY, "%s", text);
}

static int
jsonkey_too_long(struct jsonkey_read *r)
{
	return jsonkey_fail(r, "the primary key is too long, RethinkDB takes at most 127 bytes");
}

/* What key_put_* has answered. */
static int
jsonkey_put(struct jsonkey_read *r, int rc)
{
	if (rc == ERR_LIMIT)
		return jsonkey_too_long(r);
	if (rc == ERR_KEY)
		return jsonkey_fail(r, "the primary key holds a NUL character");
	return rc;
}

/*
 * Where the string that starts at ${p} ends: at its closing quote, or, with ${r}->cut, where the
 * input does. NULL when it has no end.
 */
static const uint8_t *
jsonkey_string_end(const struct jsonkey_read *r, const uint8_t *p)
{
	for (p++; p < r->end && *p != '"'; p++)
		p += *p == '\\' && r->end - p > 1;
	return p < r->end || r->cut ? p : NULL;
}

/*
 * Decode the character at ${*p} of a string that ends at ${end}. Return its number of bytes, 0 for
 * an escape that is none or, with ${cut} set, one that is cut off.
 */
static size_t
jsonkey_character(const uint8_t **p, const uint8_t *end, uint8_t out[4], bool *cut)
{
	size_t used, n;

	*cut = false;
	if (**p != '\\') {
		out[0] = *(*p)++;
		return 1;
	}
	n = canon_unescape(*p, end, out, &used);
	if (n > 0)
		*p += used;
	else
		*cut = used == CANON_ESCAPE_CUT;
	return n;
}

static int
jsonkey_string(struct jsonkey_read *r)
{
	const uint8_t *p = r->p + 1, *end = jsonkey_string_end(r, r->p);
	bool whole = end != NULL && end < r->end, cut;
	uint8_t text[KEY_MAX + 4], character[4];
	size_t len = 0, n;

	if (end == NULL)
		return jsonkey_fail(r, "the primary key is no JSON value");
	while (p < end) {
		n = jsonkey_character(&p, end, character, &cut);
		if (cut && !whole)
			break;
		if (n == 0)
			return jsonkey_fail(r, "the primary key is no JSON value");
		memcpy(text + len, character, n);
		len += n;
		if (len >= KEY_MAX)
			return jsonkey_too_long(r);
	}
	if (whole && canon_utf8(text, len) != len)
		return jsonkey_fail(r, "the primary key is no JSON value");
	r->p = whole ? end + 1 : r->end;
	return jsonkey_put(r, key_put_string(&r->key, whole ? r->depth : 0, text, len));
}

static int
jsonkey_number(struct jsonkey_read *r)
{
	struct canon_decimal d;
	size_t len = canon_scan(r->p, r->end, &d);
	double number;

	if (r->cut && (len == 0 || r->p + len == r->end)) {
		r->p = r->end;
		return ERR_OK;
	}
	if (len == 0 || !canon_double_read(&d, r->p, len, &number))
		return jsonkey_fail(r, "the primary key is a number that RethinkDB cannot hold");
	r->p += len;
	return jsonkey_put(r, key_put_number(&r->key, r->depth, number));
}

/* Add one character of base64, as the server does (rdb_protocol/base64.cc). */
static int
jsonkey_base64(struct jsonkey_read *r, struct jsonkey_bits *b, uint8_t c)
{
	const char *digit = c != '\0' ? strchr(jsonkey_digits, c) : NULL;

	if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
		return ERR_OK;
	if (c == '=') {
		b->padded = true;
		return ERR_OK;
	}
	if (digit == NULL || b->padded)
		return jsonkey_fail(r, "the primary key is a BINARY with invalid base64");
	b->bits = b->bits << 6 | (uint32_t)(digit - jsonkey_digits);
	if (++b->count < 4)
		return ERR_OK;
	if (b->len > KEY_MAX - 3)
		return jsonkey_too_long(r);
	for (int shift = 16; shift >= 0; shift -= 8)
		b->bytes[b->len++] = (uint8_t)(b->bits >> shift);
	b->count = 0;
	return ERR_OK;
}

/* Take the bytes of the last, incomplete group of base64. */
static int
jsonkey_base64_end(struct jsonkey_read *r, struct jsonkey_bits *b)
{
	if (b->count == 1)
		return jsonkey_fail(r, "the primary key is a BINARY with invalid base64");
	for (int i = 1; i < b->count; i++) {
		if (b->len == KEY_MAX)
			return jsonkey_too_long(r);
		b->bytes[b->len++] = (uint8_t)(b->bits >> (6 * b->count - 8 * i));
	}
	return ERR_OK;
}

/* Read the base64 in the JSON string at ${p} that ends at ${end}; ${whole} if nothing is missing.
 */
static int
jsonkey_data(struct jsonkey_read *r, const uint8_t *p, const uint8_t *end, bool whole)
{
	struct jsonkey_bits b = {0};
	uint8_t character[4];
	int rc = ERR_OK;
	bool cut;

	while (p < end && rc == ERR_OK) {
		size_t n = jsonkey_character(&p, end, character, &cut);
		if (cut && !whole)
			break;
		rc = jsonkey_base64(r, &b, n == 1 ? character[0] : '\0');
	}
	if (rc == ERR_OK && whole)
		rc = jsonkey_base64_end(r, &b);
	if (rc != ERR_OK)
		return rc;
	return jsonkey_put(r, key_put_binary(&r->key, whole ? r->depth : 0, b.bytes, b.len));
}

/* Whether a span is the JSON text ${text}. */
static bool
jsonkey_is(const struct member_span *span, const char *text)
{
	return span->len == strlen(text) && memcmp(span->data, text, span->len) == 0;
}

/* The server rounds times to milliseconds (rdb_protocol/pseudo_time.cc). */
static int
jsonkey_epoch(struct jsonkey_read *r, const struct member_span *value)
{
	struct canon_decimal d;
	double number;

	if (canon_scan(value->data, value->data + value->len, &d) != value->len ||
	    !canon_double_read(&d, value->data, value->len, &number))
		return jsonkey_fail(r, "the primary key is a TIME whose epoch_time is no number");
	number = round(number * 1000) / 1000;
	if (!isfinite(number))
		return jsonkey_fail(r, "the primary key is a TIME that RethinkDB cannot hold");
	return jsonkey_put(r, key_put_time(&r->key, r->depth, number));
}

/* Read the object that has the ${len} bytes at r->p. */
static int
jsonkey_pseudotype(struct jsonkey_read *r, size_t len)
{
	struct member_span name, value, rest, type = {NULL, 0};
	struct member_walk walk = {0};
	bool binary, time;

	if (member_next(r->p, len, &walk, &name, &type) != ERR_OK ||
	    !jsonkey_is(&name, jsonkey_type))
		return jsonkey_fail(
		    r, "the primary key is an object, which RethinkDB does not allow");
	binary = jsonkey_is(&type, "\"BINARY\"");
	time = jsonkey_is(&type, "\"TIME\"");
	if (!binary && !time)
		return err_set(r->e, ERR_KEY,
		    "the primary key is %s, which RethinkDB does not allow",
		    jsonkey_is(&type, "\"GEOMETRY\"") ? "a GEOMETRY" : "of an unknown $reql_type$");
	if (member_next(r->p, len, &walk, &name, &value) != ERR_OK ||
	    !jsonkey_is(&name, binary ? "\"data\"" : "\"epoch_time\"") ||
	    (time && (member_next(r->p, len, &walk, &name, &rest) != ERR_OK ||
			 !jsonkey_is(&name, "\"timezone\"") || rest.data[0] != '"')) ||
	    member_next(r->p, len, &walk, &name, &rest) != ERR_END)
		return err_set(r->e, ERR_KEY,
		    "the primary key is a %s with missing or unknown fields",
		    binary ? "BINARY" : "TIME");
	if (time)
		return jsonkey_epoch(r, &value);
	if (value.data[0] != '"')
		return jsonkey_fail(r, "the primary key is a BINARY whose data is no string");
	return jsonkey_data(r, value.data + 1, value.data + value.len - 1, true);
}

/* Where the object at r->p ends, NULL when it doesn't. A pseudotype holds no other object. */
static const uint8_t *
jsonkey_object_end(const struct jsonkey_read *r)
{
	const uint8_t *p = r->p;
	size_t depth = 0;

	for (; p < r->end; p++) {
		if (*p == '"') {
			p = jsonkey_string_end(r, p);
			if (p == NULL || p == r->end)
				return NULL;
		}
		depth += *p == '{';
		if (*p == '}' && --depth == 0)
			return p + 1;
	}
	return NULL;
}

/* Whether ${text} is next; with ${r}->cut, as much of it as there is input left. */
static bool
jsonkey_at(const struct jsonkey_read *r, const char *text)
{
	size_t left = (size_t)(r->end - r->p), len = strlen(text);

	return (left >= len || r->cut) && memcmp(r->p, text, left < len ? left : len) == 0;
}

static int
jsonkey_object(struct jsonkey_read *r)
{
	const uint8_t *end = jsonkey_object_end(r);
	size_t tag = strlen(jsonkey_binary);
	int rc = ERR_OK;

	if (end != NULL) {
		rc = jsonkey_pseudotype(r, (size_t)(end - r->p));
		r->p = end;
		return rc;
	}
	if (!r->cut || (!jsonkey_at(r, jsonkey_binary) && !jsonkey_at(r, jsonkey_time)))
		return jsonkey_fail(r, "the primary key is no JSON value");
	if ((size_t)(r->end - r->p) >= tag && memcmp(r->p, jsonkey_binary, tag) == 0)
		rc = jsonkey_data(r, r->p + tag, jsonkey_string_end(r, r->p + tag - 1), false);
	r->p = r->end;
	return rc;
}

static int
jsonkey_word(struct jsonkey_read *r)
{
	bool truth = jsonkey_at(r, "true");
	size_t len = truth ? 4 : 5;

	if (jsonkey_at(r, "null"))
		return jsonkey_fail(
		    r, r->depth > 0 ? "the primary key holds a null, which RethinkDB does not allow"
				    : "the primary key is null, which RethinkDB does not allow");
	if (!truth && !jsonkey_at(r, "false"))
		return jsonkey_fail(r, "the primary key is no JSON value");
	if ((size_t)(r->end - r->p) < len) {
		r->p = r->end;
		return ERR_OK;
	}
	r->p += len;
	return jsonkey_put(r, key_put_bool(&r->key, r->depth, truth));
}

/* Read the value that is next; of an array only its bracket. */
static int
jsonkey_value(struct jsonkey_read *r)
{
	switch (*r->p) {
	case '"':
		return jsonkey_string(r);
	case '{':
		return jsonkey_object(r);
	case '[':
		r->p++;
		return jsonkey_put(r, key_array_begin(&r->key, &r->depth));
	case '-':
	case '0':
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
	case '7':
	case '8':
	case '9':
		return jsonkey_number(r);
	default:
		return jsonkey_word(r);
	}
}

/*
 * Read values, commas and closing brackets until all is read. ${value} says whether a value has to
 * be next; behind '[' it may be.
 */
static int
jsonkey_run(struct jsonkey_read *r)
{
	bool value = true, first = false;
	int rc = ERR_OK;

	while (rc == ERR_OK && r->p < r->end && (value || r->depth > 0)) {
		uint8_t c = *r->p;
		if (c == ']' && r->depth > 0 && (!value || first)) {
			r->p++;
			rc = jsonkey_put(r, key_array_end(&r->key, &r->depth));
			value = first = false;
		} else if (value) {
			rc = jsonkey_value(r);
			value = first = c == '[';
		} else {
			value = c == ',';
			if (!value)
				rc = jsonkey_fail(r, "the primary key is no JSON value");
			r->p++;
		}
	}
	if (rc == ERR_OK && (r->p < r->end || (!r->cut && (value || r->depth > 0))))
		rc = jsonkey_fail(r, "the primary key is no JSON value");
	return rc;
}

static int
jsonkey_begin(const void *value, size_t len, bool cut, struct key *out, struct err *e)
{
	struct jsonkey_read r = {.p = value, .cut = cut, .e = e};
	int rc;

	r.end = r.p + len;
	rc = jsonkey_run(&r);
	if (rc == ERR_OK)
		*out = r.key;
	return rc;
}

int
jsonkey_read(const void *value, size_t len, struct key *out, struct err *e)
{
	return jsonkey_begin(value, len, false, out, e);
}

int
jsonkey_prefix(const void *value, size_t len, struct key *out)
{
	return jsonkey_begin(value, len, true, out, NULL);
}

int
jsonkey_of(
    const void *document, size_t len, const char *primary_key, struct key *out, struct err *e)
{
	struct member_span value;
	int rc = member_find(document, len, primary_key, strlen(primary_key), &value);

	if (rc == ERR_ABSENT)
		return err_set(e, ERR_KEY, "the primary key \"%s\" is missing", primary_key);
	if (rc != ERR_OK)
		return err_set(e, rc, "a document has to be an object");
	return jsonkey_read(value.data, value.len, out, e);
}

static int
jsonkey_write_binary(const struct key_item *item, struct buf *out)
{
	size_t written = 0;
	int rc = buf_puts(out, jsonkey_binary);

	for (size_t i = 0; i < item->len && rc == ERR_OK; i += 3) {
		size_t left = item->len - i;
		uint32_t bits = (uint32_t)item->bytes[i] << 16;
		char text[4];
		bits |= left > 1 ? (uint32_t)item->bytes[i + 1] << 8 : 0;
		bits |= left > 2 ? item->bytes[i + 2] : 0;
		for (int n = 0; n < 4; n++)
			text[n] = jsonkey_digits[bits >> (18 - 6 * n) & 63];
		if (left < 3)
			text[3] = '=';
		if (left < 2)
			text[2] = '=';
		rc = buf_append(out, text, sizeof(text));
		written += sizeof(text);
		if (rc == ERR_OK && written % JSONKEY_LINE == 0 && left > 3)
			rc = buf_puts(out, JSONKEY_CRLF);
	}
	return rc == ERR_OK ? buf_puts(out, "\"}") : rc;
}

static int
jsonkey_write_item(const struct key_item *item, struct buf *out)
{
	char number[CANON_NUMBER_MAX];
	int rc;

	switch (item->type) {
	case KEY_STRING:
		if (canon_utf8(item->bytes, item->len) != item->len)
			return ERR_CORRUPT;
		return canon_put_string(out, item->bytes, item->len);
	case KEY_NUMBER:
		return buf_append(out, number, canon_number(item->number, number));
	case KEY_BOOL:
		return buf_puts(out, item->truth ? "true" : "false");
	case KEY_BINARY:
		return jsonkey_write_binary(item, out);
	case KEY_TIME:
		rc = buf_puts(out, jsonkey_time);
		if (rc == ERR_OK)
			rc = buf_append(out, number, canon_number(item->number, number));
		return rc == ERR_OK ? buf_puts(out, jsonkey_zone) : rc;
	case KEY_ARRAY_BEGIN:
		return buf_putc(out, '[');
	case KEY_ARRAY_END:
		return buf_putc(out, ']');
	}
	return ERR_CORRUPT;
}

int
jsonkey_write(const struct key *k, struct buf *out)
{
	struct key_walk walk = {0};
	struct key_item item;
	size_t start = out->len;
	bool comma = false; /* a value has been written where another one may follow */
	int rc;

	while ((rc = key_next(k, &walk, &item)) == ERR_OK) {
		if (comma && item.type != KEY_ARRAY_END)
			rc = buf_putc(out, ',');
		if (rc == ERR_OK)
			rc = jsonkey_write_item(&item, out);
		if (rc != ERR_OK)
			break;
		comma = item.type != KEY_ARRAY_BEGIN;
	}
	if (rc == ERR_END && out->len > start)
		return ERR_OK;
	out->len = start;
	return rc == ERR_END ? ERR_CORRUPT : rc;
}
