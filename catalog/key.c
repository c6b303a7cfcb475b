/* Store-key bytes: the contracts are in key.h. */
#include "catalog/key.h"

#include "catalog/base/err.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define KEY_HEX 16        /* hex digits of a number's order-preserving bits */
#define KEY_NUMBER_MAX 48 /* room for 'N', the digits, '#' and "%.20g" */

static const char KEY_TAG_BINARY[] = "PBINARY:";
static const char KEY_TAG_TIME[] = "PTIME:";

int
key_compare(const struct key *a, const struct key *b)
{
	size_t both = a->len < b->len ? a->len : b->len;
	int order = memcmp(a->bytes, b->bytes, both);

	return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

static int
key_put(struct key *k, const void *bytes, size_t len)
{
	if (len > (size_t)(KEY_MAX - k->len))
		return ERR_LIMIT;
	if (len > 0)
		memcpy(k->bytes + k->len, bytes, len);
	k->len = (uint8_t)(k->len + len);
	return ERR_OK;
}

/* End an item: inside an array a zero byte follows it. */
static int
key_put_end(struct key *k, int depth)
{
	return depth > 0 ? key_put(k, "", 1) : ERR_OK;
}

int
key_put_string(struct key *k, int depth, const void *bytes, size_t len)
{
	if (len > 0 && memchr(bytes, '\0', len) != NULL)
		return ERR_KEY;
	if (key_put(k, "S", 1) != ERR_OK || key_put(k, bytes, len) != ERR_OK)
		return ERR_LIMIT;
	return key_put_end(k, depth);
}

/* Copy what printf made of a number; whatever the process's locale has between the digits of a
 * fraction becomes '.'. */
static size_t
key_plain_number(const char *text, char *out)
{
	size_t n = 0;

	for (const char *p = text; *p != '\0'; p++) {
		if ((*p >= '0' && *p <= '9') || *p == '-' || *p == '+' || *p == 'e')
			out[n++] = *p;
		else if (n > 0 && out[n - 1] != '.')
			out[n++] = '.';
	}
	return n;
}

/* Write the encoding of a finite number. Return its length. */
static size_t
key_encode_number(double number, char out[KEY_NUMBER_MAX])
{
	char text[KEY_NUMBER_MAX];
	uint64_t bits;

	if (number == 0)
		number = 0; /* -0.0 is the same key */
	memcpy(&bits, &number, sizeof(bits));
	bits = bits >> 63 != 0 ? ~bits : bits | (uint64_t)1 << 63;
	snprintf(out, KEY_NUMBER_MAX, "N%016llx#", (unsigned long long)bits);
	snprintf(text, sizeof(text), "%.20g", number);
	return KEY_HEX + 2 + key_plain_number(text, out + KEY_HEX + 2);
}

int
key_put_number(struct key *k, int depth, double number)
{
	char text[KEY_NUMBER_MAX];

	if (!isfinite(number))
		return ERR_KEY;
	if (key_put(k, text, key_encode_number(number, text)) != ERR_OK)
		return ERR_LIMIT;
	return key_put_end(k, depth);
}

int
key_put_bool(struct key *k, int depth, bool truth)
{
	if (key_put(k, truth ? "Bt" : "Bf", 2) != ERR_OK)
		return ERR_LIMIT;
	return key_put_end(k, depth);
}

int
key_put_binary(struct key *k, int depth, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	if (key_put(k, KEY_TAG_BINARY, strlen(KEY_TAG_BINARY)) != ERR_OK)
		return ERR_LIMIT;
	for (size_t i = 0; i < len; i++) {
		const uint8_t pair[2] = {0x01, (uint8_t)(p[i] + 1)};
		if (key_put(k, p[i] > 0x01 ? p + i : pair, p[i] > 0x01 ? 1 : 2) != ERR_OK)
			return ERR_LIMIT;
	}
	return key_put_end(k, depth);
}

int
key_put_time(struct key *k, int depth, double epoch_time)
{
	if (key_put(k, KEY_TAG_TIME, strlen(KEY_TAG_TIME)) != ERR_OK)
		return ERR_LIMIT;
	return key_put_number(k, depth, epoch_time);
}

int
key_array_begin(struct key *k, int *depth)
{
	if (*depth >= KEY_DEPTH || key_put(k, "A", 1) != ERR_OK)
		return ERR_LIMIT;
	*depth += 1;
	return ERR_OK;
}

int
key_array_end(struct key *k, int *depth)
{
	*depth -= 1;
	return key_put_end(k, *depth);
}

/* The value of 16 lower-case hex digits, or false. */
static bool
key_hex(const uint8_t *p, uint64_t *out)
{
	uint64_t v = 0;

	for (int i = 0; i < KEY_HEX; i++) {
		if (p[i] >= '0' && p[i] <= '9')
			v = v << 4 | (uint64_t)(p[i] - '0');
		else if (p[i] >= 'a' && p[i] <= 'f')
			v = v << 4 | (uint64_t)(p[i] - 'a' + 10);
		else
			return false;
	}
	*out = v;
	return true;
}

static int
key_decode_number(const uint8_t *p, size_t len, double *out)
{
	char text[KEY_NUMBER_MAX];
	uint64_t bits;
	double number;

	if (len < 1 + KEY_HEX || p[0] != 'N' || !key_hex(p + 1, &bits))
		return ERR_CORRUPT;
	bits = bits >> 63 != 0 ? bits & ~((uint64_t)1 << 63) : ~bits;
	memcpy(&number, &bits, sizeof(number));
	if (!isfinite(number))
		return ERR_CORRUPT;
	if (key_encode_number(number, text) != len || memcmp(text, p, len) != 0)
		return ERR_CORRUPT;
	*out = number;
	return ERR_OK;
}

static int
key_decode_binary(const uint8_t *p, size_t len, struct key_item *item)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t c = p[i];
		if (c == 0x01) {
			if (++i == len || (p[i] != 0x01 && p[i] != 0x02))
				return ERR_CORRUPT;
			c = (uint8_t)(p[i] - 1);
		}
		item->bytes[item->len++] = c;
	}
	return ERR_OK;
}

/* Decode the one item that is all of ${len} bytes at ${p}; arrays are not among these. */
static int
key_decode(const uint8_t *p, size_t len, struct key_item *item)
{
	size_t tag = strlen(KEY_TAG_BINARY);

	item->len = 0;
	switch (p[0]) {
	case 'S':
		item->type = KEY_STRING;
		item->len = len - 1;
		memcpy(item->bytes, p + 1, len - 1);
		return ERR_OK;
	case 'B':
		item->type = KEY_BOOL;
		item->truth = len == 2 && p[1] == 't';
		return len == 2 && (p[1] == 't' || p[1] == 'f') ? ERR_OK : ERR_CORRUPT;
	case 'N':
		item->type = KEY_NUMBER;
		return key_decode_number(p, len, &item->number);
	case 'P':
		if (len >= tag && memcmp(p, KEY_TAG_BINARY, tag) == 0) {
			item->type = KEY_BINARY;
			return key_decode_binary(p + tag, len - tag, item);
		}
		tag = strlen(KEY_TAG_TIME);
		item->type = KEY_TIME;
		if (len < tag || memcmp(p, KEY_TAG_TIME, tag) != 0)
			return ERR_CORRUPT;
		return key_decode_number(p + tag, len - tag, &item->number);
	default:
		return ERR_CORRUPT;
	}
}

/* Step into an array, or out of one. The outermost array ends where the key ends. */
static int
key_next_bracket(struct key_walk *walk, int step, struct key_item *item)
{
	if (step > 0 && walk->depth == KEY_DEPTH)
		return ERR_CORRUPT;
	walk->depth += step;
	item->type = step > 0 ? KEY_ARRAY_BEGIN : KEY_ARRAY_END;
	return ERR_OK;
}

int
key_next(const struct key *k, struct key_walk *walk, struct key_item *item)
{
	size_t len = k->len < KEY_MAX ? k->len : KEY_MAX;
	size_t left = len - walk->pos;
	const uint8_t *p = k->bytes + walk->pos;
	const uint8_t *zero;
	int rc;

	if (left == 0 && walk->depth < 2)
		return walk->depth == 0 ? ERR_END : key_next_bracket(walk, -1, item);
	if (left == 0)
		return ERR_CORRUPT;
	if (p[0] == 'A' || (p[0] == '\0' && walk->depth > 1)) {
		walk->pos++;
		return key_next_bracket(walk, p[0] == 'A' ? 1 : -1, item);
	}
	zero = memchr(p, '\0', left);
	if (zero == p || (zero == NULL) != (walk->depth == 0))
		return ERR_CORRUPT;
	rc = key_decode(p, zero != NULL ? (size_t)(zero - p) : left, item);
	if (rc == ERR_OK)
		walk->pos += zero != NULL ? (size_t)(zero - p) + 1 : left;
	return rc;
}

bool
key_valid(const struct key *k)
{
	struct key_walk walk = {0};
	struct key_item item;
	int rc = k->len <= KEY_MAX ? ERR_OK : ERR_CORRUPT;
	size_t items = 0;

	while (rc == ERR_OK) {
		rc = key_next(k, &walk, &item);
		items += rc == ERR_OK;
	}
	return rc == ERR_END && items > 0;
}
