/* Strings: UTF-8, escapes and their canonical form. */
#include "snapshot/json/canon_internal.h"
#include "snapshot/json/word.h"

#include <string.h>

#define STRING_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
#define STRING_ESCAPE_MAX 6               /* bytes of the longest escape */

/* Bytes that a canonical string has as they are: all but '"', '\' and the ones under 0x20; here
 * those from 0x80 on are left out too, because they are to be checked. */
static bool
canon_is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/*
 * Copy plain bytes from ${p} to ${out}. Return how many. May write up to WORD_LEN bytes more than
 * that, which CANON_SLACK has room for.
 */
static size_t
canon_copy_plain(const uint8_t *p, const uint8_t *end, uint8_t *out)
{
	const uint8_t *start = p;

	for (; end - p >= WORD_LEN; p += WORD_LEN, out += WORD_LEN) {
		uint64_t w = word_load(p);
		uint64_t special =
		    word_equal(w, '"') | word_equal(w, '\\') | word_less(w, 0x20) | (w & WORD_TOPS);
		memcpy(out, p, WORD_LEN);
		if (special != 0)
			return (size_t)(p - start) + word_first(special);
	}
	while (p < end && canon_is_plain(*p))
		*out++ = *p++;
	return (size_t)(p - start);
}

size_t
canon_character(const uint8_t *p, const uint8_t *end)
{
	size_t left = (size_t)(end - p);
	size_t len;
	uint8_t least = 0x80, most = 0xbf; /* of the second byte */

	if (left == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		least = 0xa0; /* no over-long forms */
	else if (p[0] == 0xed)
		most = 0x9f; /* no surrogates */
	else if (p[0] == 0xf0)
		least = 0x90;
	else if (p[0] == 0xf4)
		most = 0x8f; /* nothing over U+10FFFF */
	if (left < len || p[1] < least || p[1] > most)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return len;
}

size_t
canon_utf8(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	size_t at = 0, n;

	while (at < len) {
		if (len - at >= WORD_LEN && (word_load(p + at) & WORD_TOPS) == 0) {
			at += WORD_LEN;
			continue;
		}
		n = canon_character(p + at, p + len);
		if (n == 0)
			break;
		at += n;
	}
	return at;
}

/* Write the escape for '"', '\' or a byte under 0x20. Return its length. */
static size_t
canon_put_escape(uint8_t c, uint8_t out[STRING_ESCAPE_MAX])
{
	static const char digits[] = "0123456789ABCDEF";
	static const char letters[0x20] = {
	    ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
	char letter = c < 0x20 ? letters[c] : (char)c;

	out[0] = '\\';
	out[1] = (uint8_t)letter;
	if (letter != '\0')
		return 2;
	memcpy(out + 1, "u00", 3);
	out[4] = (uint8_t)digits[c >> 4];
	out[5] = (uint8_t)digits[c & 15];
	return STRING_ESCAPE_MAX;
}

/* Write one valid character canonically. Return its length. */
static size_t
canon_put_character(const uint8_t *p, size_t len, uint8_t out[STRING_ESCAPE_MAX])
{
	if (*p < 0x20 || *p == '"' || *p == '\\')
		return canon_put_escape(*p, out);
	memcpy(out, p, len);
	return len;
}

/* Read the four hex digits at ${p}. Return -1 when there are none, -2 when the input ends. */
static int32_t
canon_hex4(const uint8_t *p, const uint8_t *end)
{
	int32_t v = 0;

	for (int i = 0; i < 4; i++, p++) {
		if (p >= end)
			return -2;
		if (*p >= '0' && *p <= '9')
			v = v << 4 | (*p - '0');
		else if ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'f')
			v = v << 4 | ((*p | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return v;
}

static size_t
canon_encode(uint32_t code, uint8_t out[4])
{
	if (code < 0x80) {
		out[0] = (uint8_t)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (uint8_t)(0xc0 | code >> 6);
		out[1] = (uint8_t)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (uint8_t)(0xe0 | code >> 12);
		out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | code >> 18);
	out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (code & 0x3f));
	return 4;
}

/* The escape \uXXXX at ${p}, or two of them that make a pair. Returns as canon_unescape. */
static size_t
canon_unescape_code(const uint8_t *p, const uint8_t *end, uint8_t out[4], size_t *used)
{
	int32_t first = canon_hex4(p + 2, end), second = -1;

	*used = first == -2 ? CANON_ESCAPE_CUT : CANON_ESCAPE_BAD;
	if (first < 0)
		return 0;
	if (first < 0xd800 || first > 0xdfff) {
		*used = 6;
		return canon_encode((uint32_t)first, out);
	}
	*used = CANON_ESCAPE_LONE;
	if (first >= 0xdc00)
		return 0;
	if (end - p <= 7 || p[6] != '\\' || p[7] != 'u') {
		if (end - p == 6 || (end - p == 7 && p[6] == '\\'))
			*used = CANON_ESCAPE_CUT;
		return 0;
	}
	second = canon_hex4(p + 8, end);
	if (second == -2)
		*used = CANON_ESCAPE_CUT;
	if (second < 0xdc00 || second > 0xdfff)
		return 0;
	*used = 12;
	return canon_encode((uint32_t)(0x10000 + ((first & 0x3ff) << 10) + (second & 0x3ff)), out);
}

size_t
canon_unescape(const uint8_t *p, const uint8_t *end, uint8_t out[4], size_t *used)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *found;

	*used = CANON_ESCAPE_CUT;
	if (end - p < 2)
		return 0;
	if (p[1] == 'u')
		return canon_unescape_code(p, end, out, used);
	*used = CANON_ESCAPE_BAD;
	found = p[1] != '\0' ? strchr(from, p[1]) : NULL;
	if (found == NULL)
		return 0;
	*used = 2;
	out[0] = (uint8_t)to[found - from];
	return 1;
}

/* Write the escape that is next in its canonical form. */
static int
canon_string_escape(struct canon_pass *pass, uint8_t **out)
{
	uint8_t character[4];
	size_t used, len = canon_unescape(pass->p, pass->end, character, &used);

	if (len > 0) {
		*out += canon_put_character(character, len, *out);
		pass->p += used;
		return ERR_OK;
	}
	if (used == CANON_ESCAPE_LONE)
		return canon_fail(pass, pass->p, ERR_FORMAT,
		    "%.6s is one half of a surrogate pair without the other",
		    (const char *)pass->p);
	if (used == CANON_ESCAPE_BAD)
		return canon_fail(pass, pass->p, ERR_FORMAT,
		    pass->p[1] == 'u' ? "\\u without four hex digits behind it"
				      : "unknown escape in a string");
	pass->p = pass->end;
	return canon_expected(pass, "'\"' at the end of a string");
}

/* Write the character that is next and not plain, or fail. */
static int
canon_string_special(struct canon_pass *pass, uint8_t **out)
{
	const uint8_t *p = pass->p;
	size_t len;

	if (p == pass->end)
		return canon_expected(pass, "'\"' at the end of a string");
	if (*p == '\\')
		return canon_string_escape(pass, out);
	if (*p < 0x20)
		return canon_fail(pass, p, ERR_FORMAT,
		    "control character 0x%02X in a string, expected an escape", *p);
	len = canon_character(p, pass->end);
	if (len == 0)
		return canon_fail(pass, p, ERR_FORMAT, "byte 0x%02X is not valid UTF-8 here", *p);
	memcpy(*out, p, len);
	*out += len;
	pass->p += len;
	return ERR_OK;
}

int
canon_string(struct canon_pass *pass)
{
	uint8_t *out = pass->out->data + pass->out->len;
	size_t n;
	int rc;

	*out++ = *pass->p++;
	for (;;) {
		n = canon_copy_plain(pass->p, pass->end, out);
		pass->p += n;
		out += n;
		if (pass->p < pass->end && *pass->p == '"')
			break;
		rc = canon_string_special(pass, &out);
		if (rc != ERR_OK)
			return rc;
	}
	*out++ = *pass->p++;
	pass->out->len = (size_t)(out - pass->out->data);
	return ERR_OK;
}

int
canon_put_string(struct buf *out, const void *bytes, size_t len)
{
	const uint8_t *p = bytes, *end = p + len;
	size_t start = out->len;
	int rc = buf_putc(out, '"');

	while (p < end && rc == ERR_OK) {
		uint8_t text[STRING_ESCAPE_MAX];
		size_t left = (size_t)(end - p), n;
		rc = buf_reserve(out, left + WORD_LEN);
		if (rc != ERR_OK)
			break;
		n = canon_copy_plain(p, end, out->data + out->len);
		out->len += n;
		p += n;
		if (p == end)
			break;
		n = canon_character(p, end);
		if (n > 0)
			rc = buf_append(out, text, canon_put_character(p, n, text));
		else
			rc = buf_append(out, STRING_REPLACEMENT, strlen(STRING_REPLACEMENT));
		p += n > 0 ? n : 1;
	}
	if (rc == ERR_OK)
		rc = buf_putc(out, '"');
	if (rc != ERR_OK)
		out->len = start;
	return rc;
}

/* The decoded byte at ${*p} of a canonical string, moving past it; -1 at its closing quote. */
static int
canon_name_byte(const uint8_t **p)
{
	const uint8_t *at = *p;
	uint8_t character[4];
	size_t used;

	if (*at == '"')
		return -1;
	if (*at != '\\') {
		*p = at + 1;
		return *at;
	}
	if (canon_unescape(at, at + STRING_ESCAPE_MAX, character, &used) == 0)
		return -1;
	*p = at + used;
	return character[0];
}

int
canon_name_compare(const uint8_t *a, const uint8_t *b)
{
	int x, y;

	a++;
	b++;
	do {
		x = canon_name_byte(&a);
		y = canon_name_byte(&b);
	} while (x == y && x >= 0);
	return x - y;
}
