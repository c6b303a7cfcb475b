/* Taking in one table's documents: canonical form, key, sorter, samples for a dictionary. */
#include "snapshot/capture_internal.h"
#include "snapshot/json/jsonkey.h"

#include <stdlib.h>
#include <string.h>

#define SAMPLES_BYTES (4u << 20) /* of documents kept for training */

void
capture_table_drop(struct capture_table *t)
{
	sort_free(t->sort);
	t->sort = NULL;
	buf_finish(&t->samples.bytes);
	free(t->samples.sizes);
	t->samples = (struct capture_samples){0};
}

void
capture_table_finish(struct capture_table *t)
{
	capture_table_drop(t);
	capture_config_finish(&t->config);
	buf_finish(&t->guess);
}

/* The key field that the table had last time is most likely the one that it has now. */
static int
table_guess(struct capture *c, struct capture_table *t, struct err *e)
{
	struct tables_table table;
	struct snapshots_snapshot last;
	int rc;

	buf_clear(&t->guess);
	rc = tables_find(c->cat, t->database, t->name, &table, e);
	if (rc == ERR_OK)
		rc = snapshots_latest(c->cat, table.id, &last, e);
	if (rc == ERR_OK)
		rc = snapshots_primary_key(c->cat, last.id, &t->guess, e);
	if (rc == ERR_ABSENT)
		rc = buf_puts(&t->guess, "id");
	if (rc == ERR_OK && buf_str(&t->guess) == NULL)
		rc = err_nomem(e);
	return rc;
}

int
capture_table_begin(struct capture *c, struct capture_table *t, bool latest, struct err *e)
{
	int rc;

	capture_table_drop(t);
	t->latest = latest;
	t->samples.stride = 1;
	t->has_documents = true;
	t->state = CAPTURE_READING;
	if (!t->has_config) {
		rc = table_guess(c, t, e);
		if (rc != ERR_OK)
			return rc;
	}
	return sort_create(c->repo->dirfd, 0, &t->sort, e);
}

/* Keep every other sample, to make room for more at twice the distance. */
static void
samples_thin(struct capture_samples *s)
{
	size_t from = 0, to = 0, kept = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (i % 2 == 0) {
			memmove(s->bytes.data + to, s->bytes.data + from, s->sizes[i]);
			to += s->sizes[i];
			s->sizes[kept++] = s->sizes[i];
		}
		from += s->sizes[i];
	}
	s->bytes.len = to;
	s->n = kept;
	s->stride *= 2;
}

static int
samples_add(struct capture_samples *s, uint64_t number, const struct buf *document)
{
	if (number % s->stride != 0 || document->len > SAMPLES_BYTES / 16)
		return ERR_OK;
	if (s->bytes.len + document->len > SAMPLES_BYTES)
		samples_thin(s);
	if (s->n == s->cap) {
		size_t cap = s->cap > 0 ? s->cap * 2 : 1024;
		size_t *sizes = realloc(s->sizes, cap * sizeof(*sizes));
		if (sizes == NULL)
			return ERR_NOMEM;
		s->sizes = sizes;
		s->cap = cap;
	}
	if (buf_append(&s->bytes, document->data, document->len) != ERR_OK)
		return ERR_NOMEM;
	s->sizes[s->n++] = document->len;
	return ERR_OK;
}

/* Where the offending byte is in the file: a document may begin anywhere in a line. */
static void
table_place(const struct source_item *item, const struct canon_where *where, struct err *e)
{
	uint64_t line = item->line + where->line - 1;
	uint64_t column = where->line == 1 ? item->column + where->column - 1 : where->column;

	err_prefix(e, "%s: line %llu, column %llu", item->file, (unsigned long long)line,
	    (unsigned long long)column);
}

int
capture_table_add(
    struct capture *c, struct capture_table *t, const struct source_item *item, struct err *e)
{
	const struct buf *field = t->has_config ? &t->config.primary_key : &t->guess;
	struct canon_where where = {.line = 1, .column = 1};
	struct key key;
	int rc;

	buf_clear(&c->document);
	rc = canon_value(c->canon, item->data, item->len, &c->document, &where, e);
	if (rc == ERR_OK && (c->document.len == 0 || c->document.data[0] != '{')) {
		where = (struct canon_where){.line = 1, .column = 1};
		rc = err_set(e, ERR_FORMAT, "a document must be a JSON object");
	}
	if (rc == ERR_OK) {
		where = (struct canon_where){.line = 1, .column = 1};
		rc = jsonkey_of(
		    c->document.data, c->document.len, (const char *)field->data, &key, e);
	}
	if (rc == ERR_FORMAT || rc == ERR_KEY || rc == ERR_LIMIT)
		table_place(item, &where, e);
	if (rc != ERR_OK)
		return rc;
	/* No document is empty: that stands for a deletion. */
	if (item->event == SOURCE_DELETION)
		return sort_add(t->sort, &key, NULL, 0, e);
	if (samples_add(&t->samples, sort_count(t->sort), &c->document) != ERR_OK)
		return err_nomem(e);
	return sort_add(t->sort, &key, c->document.data, c->document.len, e);
}

/* Put the last word for a key, unless it is a deletion. */
static int
table_settle_key(struct sort *to, const struct key *key, const struct buf *last, struct err *e)
{
	return last->len > 0 ? sort_add(to, key, last->data, last->len, e) : ERR_OK;
}

/* What the sorter hands out with one key stands in the order in which it came. */
static int
table_settle(struct sort *from, struct sort *to, struct err *e)
{
	struct sort_item item;
	struct key key = {0};
	struct buf last = {0};
	int rc = sort_finish(from, e);

	while (rc == ERR_OK && (rc = sort_next(from, &item, e)) == ERR_OK) {
		if (key_compare(&key, &item.key) != 0)
			rc = table_settle_key(to, &key, &last, e);
		key = item.key;
		buf_clear(&last);
		if (rc == ERR_OK && buf_append(&last, item.data, item.len) != ERR_OK)
			rc = err_nomem(e);
	}
	if (rc == ERR_END)
		rc = table_settle_key(to, &key, &last, e);
	buf_finish(&last);
	return rc;
}

int
capture_table_settle(struct capture *c, struct capture_table *t, struct err *e)
{
	struct sort *to;
	int rc;

	if (!t->latest)
		return ERR_OK;
	rc = sort_create(c->repo->dirfd, 0, &to, e);
	if (rc != ERR_OK)
		return rc;
	rc = table_settle(t->sort, to, e);
	sort_free(t->sort);
	t->sort = to;
	return rc;
}
