/* File names of documents: the contracts are in name.h. */
#include "fs/name.h"

#include "catalog/base/buf.h"
#include "catalog/base/digest.h"
#include "snapshot/json/canon.h"
#include "snapshot/json/jsonkey.h"

#include <string.h>

#define NAME_END ".json"
#define NAME_CUT "%~"
#define NAME_BODY_MAX (NAME_MAX_BYTES - (sizeof(NAME_END) - 1))
#define NAME_TAIL                                                                                  \
	(sizeof(NAME_CUT) - 1 + (size_t)2 * DIGEST_LEN) /* behind the head of a cut name */
#define NAME_HEAD_MAX (NAME_BODY_MAX - NAME_TAIL)
#define NAME_UNIT_MAX 4 /* bytes of the longest unit: a character or %XX */

/* A name, without ".json", that is being written. */
struct name_text {
	char text[NAME_BODY_MAX]; /* not NUL-terminated */
	size_t len;               /* bytes in use */
	size_t head;              /* as many of them as a cut name keeps */
	bool cut;                 /* there was more than fits */
};

/* Add one unit. */
static void
name_put(struct name_text *t, const void *unit, size_t len)
{
	if (t->cut || len > NAME_BODY_MAX - t->len) {
		t->cut = true;
		return;
	}
	memcpy(t->text + t->len, unit, len);
	t->len += len;
	if (t->len <= NAME_HEAD_MAX)
		t->head = t->len;
}

static void
name_put_escape(struct name_text *t, uint8_t c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char unit[3] = {'%', digits[c >> 4], digits[c & 15]};

	name_put(t, unit, sizeof(unit));
}

/* The length of the character of more than one byte at ${p}, 0 when it is not valid. */
static size_t
name_character(const uint8_t *p, size_t left)
{
	size_t len = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;

	return len <= left && canon_utf8(p, len) == len ? len : 0;
}

/* Encode bytes at the end of the name. */
static void
name_encode(struct name_text *t, const uint8_t *p, size_t len)
{
	size_t i = 0, n;

	while (i < len) {
		uint8_t c = p[i];
		n = c < 0x80 ? 1 : name_character(p + i, len - i);
		if (n == 0 || c < 0x20 || c == 0x7f || c == '%' || c == '/' ||
		    (t->len == 0 && (c == '.' || c == '=')))
			name_put_escape(t, c);
		else
			name_put(t, p + i, n);
		i += n > 0 ? n : 1;
	}
}

/* Encode a string key; an empty one has to have a name, too. */
static void
name_encode_string(struct name_text *t, const uint8_t *p, size_t len)
{
	if (len == 0)
		name_put(t, "%", 1);
	name_encode(t, p, len);
}

static void
name_encode_json(struct name_text *t, const uint8_t *p, size_t len)
{
	name_put(t, "=", 1);
	name_encode(t, p, len);
}

/* Cut the name to its head and end it with the digest of the key. */
static int
name_cut(struct name_text *t, const struct key *k)
{
	static const char digits[] = "0123456789abcdef";
	struct digest *d = digest_create();
	uint8_t sum[DIGEST_LEN];
	int rc = d != NULL ? digest_document(d, k->bytes, k->len, sum) : ERR_NOMEM;

	digest_free(d);
	if (rc != ERR_OK)
		return rc;
	t->len = t->head;
	memcpy(t->text + t->len, NAME_CUT, strlen(NAME_CUT));
	t->len += strlen(NAME_CUT);
	for (size_t i = 0; i < DIGEST_LEN; i++) {
		t->text[t->len++] = digits[sum[i] >> 4];
		t->text[t->len++] = digits[sum[i] & 15];
	}
	return ERR_OK;
}

/* Encode a key as it would be if names had no limit; whether it has been cut is in ${t}. */
static int
name_of_any(const struct key *k, struct name_text *t)
{
	struct key_walk walk = {0};
	struct key_item item;
	struct buf json = {0};
	int rc;

	if (!key_valid(k) || key_next(k, &walk, &item) != ERR_OK)
		return ERR_CORRUPT;
	if (item.type == KEY_STRING) {
		name_encode_string(t, item.bytes, item.len);
		return ERR_OK;
	}
	rc = jsonkey_write(k, &json);
	if (rc == ERR_OK)
		name_encode_json(t, json.data, json.len);
	buf_finish(&json);
	return rc;
}

int
name_of_key(const struct key *k, char out[NAME_ROOM])
{
	struct name_text t = {.len = 0};
	int rc = name_of_any(k, &t);

	if (rc == ERR_OK && t.cut)
		rc = name_cut(&t, k);
	if (rc != ERR_OK)
		return rc;
	memcpy(out, t.text, t.len);
	memcpy(out + t.len, NAME_END, sizeof(NAME_END));
	return ERR_OK;
}

/* The value of the upper-case hex digit ${c}, or -1. */
static int
name_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Undo name_encode. Return the number of bytes, at most ${len}; ${ok} is false for a bad escape. */
static size_t
name_decode(const char *text, size_t len, uint8_t *out, bool *ok)
{
	size_t n = 0;

	*ok = true;
	for (size_t i = 0; i < len; i++) {
		int high, low;
		if (text[i] != '%') {
			out[n++] = (uint8_t)text[i];
			continue;
		}
		high = len - i > 2 ? name_hex(text[i + 1]) : -1;
		low = len - i > 2 ? name_hex(text[i + 2]) : -1;
		if (high < 0 || low < 0) {
			*ok = false;
			return n;
		}
		out[n++] = (uint8_t)(high << 4 | low);
		i += 2;
	}
	return n;
}

/* The body's length of a name that ends as documents' names do, or 0. */
static size_t
name_body(const char *name)
{
	size_t len = strlen(name), end = strlen(NAME_END);

	if (len <= end || len > NAME_MAX_BYTES || memcmp(name + len - end, NAME_END, end) != 0)
		return 0;
	return len - end;
}

static int
name_to_whole_key(const char *name, size_t len, struct key *out)
{
	char again[NAME_ROOM];
	uint8_t text[NAME_BODY_MAX];
	struct key k = {0};
	bool json = name[0] == '=', ok;
	size_t n;
	int rc;

	if (len == 1 && name[0] == '%') {
		n = 0;
	} else {
		n = name_decode(name + json, len - json, text, &ok);
		if (!ok)
			return ERR_ABSENT;
	}
	rc = json ? jsonkey_read(text, n, &k, NULL) : key_put_string(&k, 0, text, n);
	if (rc == ERR_OK)
		rc = name_of_key(&k, again);
	if (rc != ERR_OK)
		return rc == ERR_NOMEM ? rc : ERR_ABSENT;
	if (strcmp(again, name) != 0)
		return ERR_ABSENT;
	*out = k;
	return ERR_OK;
}

/* Whether the bytes behind the head of a cut name are as name_cut makes them. */
static bool
name_is_tail(const char *tail)
{
	if (memcmp(tail, NAME_CUT, strlen(NAME_CUT)) != 0)
		return false;
	for (size_t i = strlen(NAME_CUT); i < NAME_TAIL; i++)
		if (strchr("0123456789abcdef", tail[i]) == NULL)
			return false;
	return true;
}

/* The first bytes of the keys whose cut names have this head. */
static int
name_to_prefix(const char *head, size_t len, struct key *out)
{
	struct name_text again = {.len = 0};
	uint8_t text[NAME_BODY_MAX];
	struct key k = {0};
	bool json = head[0] == '=', ok;
	size_t n = name_decode(head + json, len - json, text, &ok);

	if (!ok)
		return ERR_ABSENT;
	if (json)
		name_encode_json(&again, text, n);
	else
		name_encode_string(&again, text, n);
	if (again.len != len || memcmp(again.text, head, len) != 0)
		return ERR_ABSENT;
	if ((json ? jsonkey_prefix(text, n, &k) : key_put_string(&k, 0, text, n)) != ERR_OK)
		return ERR_ABSENT;
	*out = k;
	return ERR_OK;
}

int
name_to_key(const char *name, struct key *k, bool *cut)
{
	size_t len = name_body(name);
	bool tail = len > NAME_TAIL && name_is_tail(name + len - NAME_TAIL);
	int rc;

	if (len == 0)
		return ERR_ABSENT;
	if (!tail)
		rc = name_to_whole_key(name, len, k);
	else if (len <= NAME_BODY_MAX - NAME_UNIT_MAX)
		return ERR_ABSENT; /* one more unit would have fitted into the head */
	else
		rc = name_to_prefix(name, len - NAME_TAIL, k);
	if (rc == ERR_OK)
		*cut = tail;
	return rc;
}

bool
name_is_scratch(const char *name)
{
	return name[0] == '.' || name_body(name) == 0;
}
