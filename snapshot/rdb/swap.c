/* Replacing documents by compare-and-set: the contracts are in swap.h. */
#include "snapshot/rdb/swap.h"

#include "snapshot/json/canon.h"
#include "snapshot/json/jsonkey.h"
#include "snapshot/rdb/pseudotype.h"
#include "snapshot/rdb/query_write.h"
#include "snapshot/rdb/response.h"

#include <stdio.h>
#include <string.h>

#define SWAP_TEXT 200 /* bytes shown of what a server says of a document: it may quote it whole */
#define SWAP_MEMBER "$thinkback" /* the member that makes a document another one for a moment */

void
swap_item_finish(struct swap_item *item)
{
	buf_finish(&item->want);
	buf_finish(&item->there);
	buf_finish(&item->found);
}

int
swap_mark(const void *document, size_t len, uint8_t out[DIGEST_LEN])
{
	struct digest *d = digest_create();
	struct buf normal = {0};
	int rc = d != NULL ? pseudotype_normal(document, len, &normal) : ERR_NOMEM;

	if (rc == ERR_OK)
		rc = digest_document(d, normal.data, normal.len, out);
	buf_finish(&normal);
	digest_free(d);
	return rc;
}

bool
swap_passing(const void *document, size_t len)
{
	struct member_span value;

	return len > 0 &&
	       member_find(document, len, SWAP_MEMBER, strlen(SWAP_MEMBER), &value) == ERR_OK;
}

/* Whether two canonical documents are the same once a server has stored them; empty is none. */
static int
swap_same(const struct buf *a, const struct buf *b, bool *same, struct err *e)
{
	uint8_t x[DIGEST_LEN], y[DIGEST_LEN];

	*same = a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
	if (*same || a->len == 0 || b->len == 0)
		return ERR_OK;
	if (swap_mark(a->data, a->len, x) != ERR_OK || swap_mark(b->data, b->len, y) != ERR_OK)
		return err_nomem(e);
	*same = memcmp(x, y, sizeof(x)) == 0;
	return ERR_OK;
}

/* The levels of nesting of canonical JSON. */
static unsigned
swap_depth(const struct buf *document)
{
	unsigned depth = 0, most = 0;
	bool string = false;

	for (size_t i = 0; i < document->len; i++) {
		uint8_t c = document->data[i];
		if (c == '\\')
			i++;
		else if (c == '"')
			string = !string;
		else if (!string && (c == '{' || c == '['))
			most = ++depth > most ? depth : most;
		else if (!string && (c == '}' || c == ']'))
			depth--;
	}
	return most;
}

static void
swap_fail(struct swap_item *item, const char *text)
{
	item->state = SWAP_FAILED;
	err_set(&item->why, ERR_ARG, "%s", text);
}

/* ---- asking ---- */

/* Append a query about ${item} to ${out}: what is there, or the swap. */
static int
swap_query(const struct swap *s, const struct swap_item *item, bool write, struct buf *out)
{
	struct buf key = {0};
	struct query_swap q = {.table = s->table,
	    .key = &key,
	    .expected = &item->there,
	    .want = &item->want,
	    .ignore_hook = s->ignore_hook};
	int rc = jsonkey_write(&item->key, &key);

	if (rc == ERR_OK)
		rc = write ? query_swap(out, &q) : query_get(out, &s->table, &key);
	buf_finish(&key);
	return rc;
}

/* Send the queries about all items in ${state}. Sets ${asked} to how many are on their way. */
static int
swap_ask(const struct swap *s, struct swap_item *items, size_t n, enum swap_state state,
    size_t *asked, struct err *e)
{
	struct buf query = {0};
	int rc = ERR_OK;

	*asked = 0;
	for (size_t i = 0; i < n && rc == ERR_OK; i++) {
		items[i].token = 0;
		if (items[i].state != state)
			continue;
		buf_clear(&query);
		if (swap_query(s, &items[i], state == SWAP_WRITE, &query) != ERR_OK)
			rc = err_nomem(e);
		else
			rc = connection_start(s->c, &query, &items[i].token, e);
		if (rc == ERR_LIMIT) {
			swap_fail(&items[i],
			    "the document, with the one that it replaces, is larger "
			    "than a server takes");
			rc = ERR_OK;
		} else if (rc == ERR_OK) {
			(*asked)++;
		}
	}
	buf_finish(&query);
	return rc;
}

/* Wait for the answers to what was asked, in whatever order, and hand them to ${answered}. */
static int
swap_await(const struct swap *s, struct swap_item *items, size_t n, size_t asked,
    int (*answered)(struct swap_item *item, const struct response *r, struct err *e), struct err *e)
{
	struct buf answer = {0};
	struct response r;
	uint64_t token;
	int rc = ERR_OK;

	while (asked > 0 && rc == ERR_OK) {
		size_t i = 0;
		if (s->step != NULL)
			rc = s->step(s->arg, e);
		if (rc == ERR_OK)
			rc = connection_receive_any(s->c, &token, &answer, e);
		if (rc != ERR_OK)
			break;
		while (i < n && items[i].token != token)
			i++;
		if (i == n)
			continue;
		items[i].token = 0;
		asked--;
		rc = response_read(answer.data, answer.len, &r, e);
		if (rc == ERR_OK)
			rc = answered(&items[i], &r, e);
	}
	buf_finish(&answer);
	return rc;
}

/* ---- reading ---- */

static int
swap_was_read(struct swap_item *item, const struct response *r, struct err *e)
{
	struct member_span value;
	struct canon *canon;
	int rc = response_check(r, e);

	buf_clear(&item->there);
	buf_clear(&item->found);
	if (rc != ERR_OK)
		return rc;
	rc = response_first(r, &value);
	if (rc == ERR_ABSENT)
		return ERR_OK;
	if (rc != ERR_OK)
		return err_set(e, rc, "the server's answer is not one of RethinkDB's");
	canon = canon_create();
	if (canon == NULL || buf_append(&item->there, value.data, value.len) != ERR_OK)
		rc = err_nomem(e);
	else
		rc = canon_value(canon, value.data, value.len, &item->found, NULL, e);
	canon_free(canon);
	return rc;
}

int
swap_read(const struct swap *s, struct swap_item *items, size_t n, struct err *e)
{
	size_t asked;
	int rc = swap_ask(s, items, n, SWAP_READ, &asked, e);

	return rc == ERR_OK ? swap_await(s, items, n, asked, swap_was_read, e) : rc;
}

/* ---- writing ---- */

/* Whether the count ${name} of a write's result is not 0. */
static bool
swap_count(const struct member_span *result, const char *name)
{
	struct member_span value;

	return member_find(result->data, result->len, name, strlen(name), &value) == ERR_OK &&
	       !(value.len == 1 && value.data[0] == '0');
}

/* What the server says of a document that it has not written. */
static int
swap_refused(struct swap_item *item, const struct member_span *result, struct err *e)
{
	struct member_span value;
	struct buf text = {0};

	if (member_find(result->data, result->len, "first_error", 11, &value) == ERR_OK)
		member_string(value.data, value.len, &text);
	if (text.len > SWAP_TEXT)
		text.len = SWAP_TEXT;
	if (buf_str(&text) == NULL)
		return err_nomem(e);
	err_set(&item->why, ERR_ARG, "the server refuses it: %s", (const char *)text.data);
	buf_finish(&text);
	/* Somebody has written one in between. */
	if (strstr(item->why.text, "Duplicate primary key") != NULL)
		return ERR_OK;
	item->state = SWAP_FAILED;
	/* Replicas that are away are no fault of the document. */
	if (strstr(item->why.text, "Cannot perform write") != NULL ||
	    strstr(item->why.text, "not available") != NULL)
		return err_set(e, ERR_BUSY, "%s", item->why.text);
	return ERR_OK;
}

static int
swap_was_written(struct swap_item *item, const struct response *r, struct err *e)
{
	struct member_span result;
	int rc = response_check(r, &item->why);

	if (rc == ERR_FORMAT || rc == ERR_LIMIT) {
		item->state = SWAP_FAILED;
		return ERR_OK;
	}
	if (rc != ERR_OK)
		return err_set(e, rc, "%s", item->why.text);
	rc = response_first(r, &result);
	if (rc != ERR_OK || result.data[0] != '{')
		return err_set(e, ERR_FORMAT, "the server's answer is not one of RethinkDB's");
	if (swap_count(&result, "errors"))
		return swap_refused(item, &result, e);
	item->written = swap_count(&result, "inserted") || swap_count(&result, "replaced") ||
			swap_count(&result, "deleted");
	return ERR_OK;
}

/* Send the swaps of all items in the state SWAP_WRITE, and take the answers. */
static int
swap_send(const struct swap *s, struct swap_item *items, size_t n, struct err *e)
{
	size_t asked;
	int rc;

	for (size_t i = 0; i < n; i++) {
		items[i].written = false;
		if (items[i].state == SWAP_WRITE && !s->deep &&
		    swap_depth(&items[i].want) > SWAP_DEPTH)
			swap_fail(&items[i],
			    "it is nested deeper than 1500 levels, which can end the server's "
			    "process; --deep sends it all the same");
	}
	rc = swap_ask(s, items, n, SWAP_WRITE, &asked, e);
	return rc == ERR_OK ? swap_await(s, items, n, asked, swap_was_written, e) : rc;
}

/*
 * The server takes what is wanted for equal to what is there, and so has not written it, but its
 * bytes are others. Write a document that is another one in between, with one more member.
 */
static int
swap_detour(const struct swap *s, struct swap_item *item, struct err *e)
{
	struct buf want = item->want;
	int rc;

	item->want = (struct buf){0};
	rc = buf_puts(&item->want, "{\"" SWAP_MEMBER "\":true");
	if (rc == ERR_OK && want.len > 2)
		rc = buf_putc(&item->want, ',');
	if (rc == ERR_OK)
		rc = buf_append(&item->want, want.data + 1, want.len - 1);
	if (rc != ERR_OK)
		rc = err_nomem(e);
	item->state = SWAP_WRITE;
	if (rc == ERR_OK)
		rc = swap_send(s, item, 1, e);
	buf_finish(&item->want);
	item->want = want;
	if (rc != ERR_OK || item->state == SWAP_FAILED)
		return rc;
	item->state = SWAP_READ;
	if (!item->written)
		return ERR_OK;
	rc = swap_read(s, item, 1, e);
	if (rc != ERR_OK || !swap_passing(item->found.data, item->found.len))
		return rc;
	item->state = SWAP_WRITE;
	rc = swap_send(s, item, 1, e);
	if (rc == ERR_OK && item->state != SWAP_FAILED) {
		item->state = SWAP_READ;
		rc = swap_read(s, item, 1, e);
	}
	return rc;
}

/* Decide about a document that was read back; ${before} is what had been there. */
static int
swap_judge(const struct swap *s, struct swap_item *item, const struct buf *before, struct err *e)
{
	bool same;
	int rc = swap_same(&item->found, &item->want, &same, e);

	if (rc == ERR_OK && !same && !item->written && item->want.len > 0 && item->there.len > 0 &&
	    item->there.len == before->len &&
	    memcmp(item->there.data, before->data, before->len) == 0) {
		rc = swap_detour(s, item, e);
		if (rc == ERR_OK && item->state == SWAP_READ)
			rc = swap_same(&item->found, &item->want, &same, e);
	}
	if (rc != ERR_OK || item->state == SWAP_FAILED)
		return rc;
	if (same)
		item->state = SWAP_DONE;
	else if (item->written)
		swap_fail(item, "what is read back is not what was written: somebody else writes "
				"it at this moment, or a write hook has changed it");
	return ERR_OK;
}

int
swap_write(const struct swap *s, struct swap_item *items, size_t n, struct err *e)
{
	struct buf before[SWAP_ITEMS] = {0};
	int rc = swap_send(s, items, n, e);

	for (size_t i = 0; i < n && rc == ERR_OK; i++) {
		if (items[i].state != SWAP_WRITE)
			continue;
		before[i] = items[i].there;
		items[i].there = (struct buf){0};
		items[i].state = SWAP_READ;
	}
	if (rc == ERR_OK)
		rc = swap_read(s, items, n, e);
	for (size_t i = 0; i < n; i++) {
		if (rc == ERR_OK && items[i].state == SWAP_READ)
			rc = swap_judge(s, &items[i], &before[i], e);
		buf_finish(&before[i]);
	}
	return rc;
}
