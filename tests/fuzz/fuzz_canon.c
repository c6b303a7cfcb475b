/*
 * Canonical JSON of any bytes: what comes out is canonical, can be looked into, and keys in it come
 * back. The same bytes are also given to what only expects canonical JSON.
 */
#include "snapshot/json/canon.h"
#include "snapshot/json/jsonkey.h"
#include "snapshot/json/member.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(int truth)
{
	if (!truth)
		abort();
}

/* Walk over the members or elements. Return how the walk ended. */
static int
walk(const uint8_t *data, size_t len)
{
	struct member_walk walk = {0};
	struct member_span name, value;
	struct buf text = {0};
	int rc = ERR_OK;

	while (rc == ERR_OK) {
		size_t before = walk.pos;
		if (len > 0 && data[0] == '{') {
			rc = member_next(data, len, &walk, &name, &value);
			if (rc == ERR_OK)
				member_string(name.data, name.len, &text);
		} else {
			rc = member_element(data, len, &walk, &value);
		}
		check(rc != ERR_OK || walk.pos > before);
		check(rc != ERR_OK || (value.data >= data && value.data + value.len <= data + len));
	}
	buf_finish(&text);
	return rc;
}

static void
check_key(const struct key *k)
{
	struct buf json = {0};
	struct key again = {0};

	check(key_valid(k));
	check(jsonkey_write(k, &json) == ERR_OK);
	check(jsonkey_read(json.data, json.len, &again, NULL) == ERR_OK);
	check(key_compare(k, &again) == 0);
	buf_finish(&json);
}

static void
check_canonical(struct canon *c, const struct buf *once)
{
	struct buf twice = {0};
	struct key k = {0}, prefix = {0};

	check(canon_value(c, once->data, once->len, &twice, NULL, NULL) == ERR_OK);
	check(twice.len == once->len && memcmp(twice.data, once->data, once->len) == 0);
	check(canon_utf8(once->data, once->len) == once->len);
	if (once->data[0] == '{' || once->data[0] == '[')
		check(walk(once->data, once->len) == ERR_END);
	if (once->data[0] == '{' && jsonkey_of(once->data, once->len, "id", &k, NULL) == ERR_OK)
		check_key(&k);
	if (jsonkey_read(once->data, once->len, &k, NULL) == ERR_OK) {
		check_key(&k);
		for (size_t len = 0; len <= once->len && len < 300; len++) {
			if (canon_utf8(once->data, len) != len)
				continue;
			check(jsonkey_prefix(once->data, len, &prefix) == ERR_OK);
			check(
			    prefix.len <= k.len && memcmp(prefix.bytes, k.bytes, prefix.len) == 0);
		}
	}
	buf_finish(&twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct canon *c = canon_create();
	struct canon_where where = {0};
	struct buf out = {0};
	struct err e = {0};
	struct key k = {0};
	int rc;

	rc = canon_value(c, data, size, &out, &where, &e);
	if (rc == ERR_OK) {
		check_canonical(c, &out);
	} else {
		check(out.len == 0 && where.offset <= size && where.line > 0 && where.column > 0);
		check(e.code == rc && e.text[0] != '\0');
	}
	buf_clear(&out);
	canon_put_string(&out, data, size);
	check_canonical(c, &out);
	walk(data, size);
	if (jsonkey_read(data, size, &k, NULL) == ERR_OK)
		check_key(&k);
	jsonkey_prefix(data, size, &k);
	buf_finish(&out);
	canon_free(c);
	return 0;
}
