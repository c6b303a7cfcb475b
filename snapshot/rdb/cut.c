/* Where to cut a table: the contracts are in cut.h. */
#include "snapshot/rdb/cut.h"

#include "snapshot/json/jsonkey.h"
#include "snapshot/rdb/ask.h"

#include <math.h>
#include <string.h>

#define CUT_LETTERS 8 /* letters of a string that are looked at: 95^8 is less than 2^64 */

#define CUT_UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define CUT_LOWER "abcdefghijklmnopqrstuvwxyz"

/* What strings are made of, in the order of bytes, fewest letters first. */
static const char *const cut_alphabets[] = {
    "0123456789",
    "0123456789abcdef",
    "0123456789ABCDEF",
    ("0123456789" CUT_UPPER CUT_LOWER),
    (" !\"#$%&'()*+,-./0123456789:;<=>?@" CUT_UPPER "[\\]^_`" CUT_LOWER "{|}~"),
};

/* The letters that come next in a key, behind what it has in common with another. */
struct cut_letters {
	const uint8_t *data;
	size_t len;
};

static struct cut_letters
cut_letters(const struct key *k, size_t common)
{
	struct cut_letters l = {k->bytes + common, k->len - common};

	l.len = l.len < CUT_LETTERS ? l.len : CUT_LETTERS;
	return l;
}

/* The bytes that both keys begin with, and no part of a letter. */
static size_t
cut_common(const struct key *a, const struct key *b)
{
	size_t n = 0;

	while (n < a->len && n < b->len && a->bytes[n] == b->bytes[n])
		n++;
	while (n > 1 && n < b->len && (b->bytes[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static bool
cut_made_of(const struct cut_letters *l, const char *alphabet)
{
	for (size_t i = 0; i < l->len; i++)
		if (l->data[i] == '\0' || strchr(alphabet, l->data[i]) == NULL)
			return false;
	return true;
}

/* The alphabet that both are made of; the largest will do for everything. */
static const char *
cut_alphabet(const struct cut_letters *a, const struct cut_letters *b)
{
	const size_t n = sizeof(cut_alphabets) / sizeof(cut_alphabets[0]);

	for (size_t i = 0; i + 1 < n; i++)
		if (cut_made_of(a, cut_alphabets[i]) && cut_made_of(b, cut_alphabets[i]))
			return cut_alphabets[i];
	return cut_alphabets[n - 1];
}

/* Letters as a number; one that is not in the alphabet counts as the one below it. */
static uint64_t
cut_value(const struct cut_letters *l, const char *alphabet)
{
	size_t base = strlen(alphabet);
	uint64_t value = 0;

	for (size_t i = 0; i < CUT_LETTERS; i++) {
		uint64_t digit = 0;
		while (i < l->len && digit + 1 < base && (uint8_t)alphabet[digit + 1] <= l->data[i])
			digit++;
		value = value * base + digit;
	}
	return value;
}

static int
cut_string(
    const struct key *like, size_t common, uint64_t value, const char *alphabet, struct key *out)
{
	size_t base = strlen(alphabet), len = common - 1;
	uint8_t text[KEY_MAX + CUT_LETTERS];

	memcpy(text, like->bytes + 1, len);
	for (size_t i = CUT_LETTERS; i-- > 0; value /= base)
		text[len + i] = (uint8_t)alphabet[value % base];
	*out = (struct key){0};
	return key_put_string(out, 0, text, len + CUT_LETTERS);
}

/* The ${i}-th of ${n} - 1 cuts between two strings. */
static int
cut_between_strings(
    const struct key *first, const struct key *last, size_t i, size_t n, struct key *out)
{
	size_t common = cut_common(first, last);
	struct cut_letters a = cut_letters(first, common), b = cut_letters(last, common);
	const char *alphabet = cut_alphabet(&a, &b);
	uint64_t from = cut_value(&a, alphabet), to = cut_value(&b, alphabet);

	if (to <= from)
		return ERR_ABSENT;
	from += (to - from) / n * i + (to - from) % n * i / n;
	return cut_string(first, common, from, alphabet, out);
}

static int
cut_between_numbers(double first, double last, size_t i, size_t n, struct key *out)
{
	double part = (double)i / (double)n, cut = first * (1 - part) + last * part;

	if (first == floor(first) && last == floor(last))
		cut = floor(cut);
	*out = (struct key){0};
	return key_put_number(out, 0, cut);
}

size_t
cut_between(const struct key *first, const struct key *last, size_t n, struct key *out)
{
	struct key_walk a = {0}, b = {0};
	struct key_item from, to;
	const struct key *before = first;
	size_t got = 0;

	if (key_next(first, &a, &from) != ERR_OK || key_next(last, &b, &to) != ERR_OK ||
	    from.type != to.type || (from.type != KEY_STRING && from.type != KEY_NUMBER))
		return 0;
	for (size_t i = 1; i < n; i++) {
		int rc = from.type == KEY_STRING
			     ? cut_between_strings(first, last, i, n, &out[got])
			     : cut_between_numbers(from.number, to.number, i, n, &out[got]);
		if (rc != ERR_OK || key_compare(before, &out[got]) >= 0 ||
		    key_compare(&out[got], last) > 0)
			continue;
		before = &out[got++];
	}
	return got;
}

/* Ask for the first or last key. */
static int
cut_edge(
    struct connection *c, const struct query_scan *scan, bool last, struct key *out, struct err *e)
{
	struct buf query = {0}, answer = {0};
	struct member_span document, value;
	const char *field = scan->primary_key;
	int rc = query_edge(&query, scan, last) == ERR_OK ? ERR_OK : err_nomem(e);

	if (rc == ERR_OK)
		rc = ask_first(c, &query, &answer, &document, e);
	if (rc == ERR_OK && (document.data == NULL || member_find(document.data, document.len,
							  field, strlen(field), &value) != ERR_OK))
		rc = err_set(e, ERR_ABSENT, "the server names no key");
	if (rc == ERR_OK)
		rc = jsonkey_read(value.data, value.len, out, e);
	buf_finish(&query);
	buf_finish(&answer);
	return rc;
}

size_t
cut_ask(
    struct connection *c, const struct query_scan *scan, size_t n, struct key *out, struct err *e)
{
	struct key first, last;

	if (cut_edge(c, scan, false, &first, e) != ERR_OK ||
	    cut_edge(c, scan, true, &last, e) != ERR_OK)
		return 0;
	return cut_between(&first, &last, n, out);
}

size_t
cut_check(const struct key *keys, size_t n)
{
	size_t good = 0;

	while (good < n && key_valid(&keys[good]) &&
	       (good == 0 || key_compare(&keys[good - 1], &keys[good]) < 0))
		good++;
	return good;
}
