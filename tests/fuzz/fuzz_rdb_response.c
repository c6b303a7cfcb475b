/*
 * Whatever a server answers: what is cut out lies inside the answer and in order, and errors are
 * texts of one line.
 */
#include "snapshot/rdb/feed.h"
#include "snapshot/rdb/query.h"
#include "snapshot/rdb/response.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
	if (!holds)
		abort();
}

/* A key goes into a query so that no array stands bare and all brackets close. */
static void
check_key(const struct member_span *document)
{
	struct buf json = {0}, out = {0};
	struct member_span key;

	if (member_find(document->data, document->len, "id", 2, &key) == ERR_OK) {
		require(buf_append(&json, key.data, key.len) == ERR_OK);
		require(query_key(&out, &json) == ERR_OK && out.len >= json.len);
	}
	buf_finish(&json);
	buf_finish(&out);
}

/* What a feed says of a document lies inside of its element. */
static void
check_feed(const struct member_span *element)
{
	struct member_span document;
	enum feed_word word;
	struct err e = {0};
	int rc = feed_read(element, &word, &document, &e);

	require(rc == ERR_OK || ((rc == ERR_FORMAT || rc == ERR_LIMIT) && e.text[0] != '\0'));
	if (rc != ERR_OK)
		return;
	require((document.data != NULL) == (word == FEED_DOCUMENT || word == FEED_DELETION));
	require(document.data == NULL ||
		(document.data > element->data &&
		    document.data + document.len < element->data + element->len));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *before = data;
	struct member_walk walk = {0};
	struct member_span value;
	struct response r;
	struct err e = {0};
	int rc = response_read(data, size, &r, &e);

	require(rc == ERR_OK || rc == ERR_FORMAT);
	if (rc != ERR_OK)
		return 0;
	rc = response_check(&r, &e);
	require(rc == ERR_OK || (e.text[0] != '\0' && strpbrk(e.text, "\n\r") == NULL));
	require(r.results.data >= data && r.results.len <= size);
	rc = response_first(&r, &value);
	require(rc == ERR_OK || rc == ERR_ABSENT || rc == ERR_FORMAT);
	while ((rc = member_element(r.results.data, r.results.len, &walk, &value)) == ERR_OK) {
		require(value.data > before && value.len > 0);
		require(value.data + value.len <= data + size);
		before = value.data + value.len - 1;
		check_key(&value);
		check_feed(&value);
	}
	require(rc == ERR_END || rc == ERR_FORMAT);
	return 0;
}
