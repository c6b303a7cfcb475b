/* Queries about single documents: the contracts are in query_write.h. */
#include "snapshot/rdb/query_write.h"

#include "snapshot/json/canon.h"

#include <string.h>

static int
query_write_table(struct buf *out, const struct query_table *t)
{
	int rc = buf_puts(out, "[15,[[14,[");

	if (rc == ERR_OK)
		rc = canon_put_string(out, t->database, strlen(t->database));
	if (rc == ERR_OK)
		rc = buf_puts(out, "]],");
	if (rc == ERR_OK)
		rc = canon_put_string(out, t->name, strlen(t->name));
	return rc == ERR_OK ? buf_puts(out, "]]") : rc;
}

/* Append [16,[TABLE,KEY]]. */
static int
query_write_row(struct buf *out, const struct query_table *t, const struct buf *key)
{
	int rc = buf_puts(out, "[16,[");

	if (rc == ERR_OK)
		rc = query_write_table(out, t);
	if (rc == ERR_OK)
		rc = buf_putc(out, ',');
	if (rc == ERR_OK)
		rc = query_key(out, key);
	return rc == ERR_OK ? buf_puts(out, "]]") : rc;
}

int
query_get(struct buf *out, const struct query_table *t, const struct buf *key)
{
	int rc = buf_puts(out, "[1,");

	if (rc == ERR_OK)
		rc = query_write_row(out, t, key);
	return rc == ERR_OK ? buf_putc(out, ']') : rc;
}

/* Append what is to be there: null, or JSON as text, of which nothing can be taken for a term. */
static int
query_write_want(struct buf *out, const struct buf *want)
{
	int rc;

	if (want->len == 0)
		return buf_puts(out, "null");
	rc = buf_puts(out, "[98,[");
	if (rc == ERR_OK)
		rc = canon_put_string(out, want->data, want->len);
	return rc == ERR_OK ? buf_puts(out, "]]") : rc;
}

/* Append [56,[TABLE,WANT],{"conflict":"error" : nothing is to be there. */
static int
query_write_insert(struct buf *out, const struct query_swap *swap)
{
	int rc = buf_puts(out, "[56,[");

	if (rc == ERR_OK)
		rc = query_write_table(out, &swap->table);
	if (rc == ERR_OK)
		rc = buf_putc(out, ',');
	if (rc == ERR_OK)
		rc = query_write_want(out, swap->want);
	return rc == ERR_OK ? buf_puts(out, "],{\"conflict\":\"error\"") : rc;
}

/* Append [55,[ROW,(row) => row.to_json() == EXPECTED ? WANT : row],{"return_changes":false . */
static int
query_write_replace(struct buf *out, const struct query_swap *swap)
{
	int rc = buf_puts(out, "[55,[");

	if (rc == ERR_OK)
		rc = query_write_row(out, &swap->table, swap->key);
	if (rc == ERR_OK)
		rc = buf_puts(out, ",[69,[[2,[1]],[65,[[17,[[172,[[10,[1]]]],");
	if (rc == ERR_OK)
		rc = canon_put_string(out, swap->expected->data, swap->expected->len);
	if (rc == ERR_OK)
		rc = buf_puts(out, "]],");
	if (rc == ERR_OK)
		rc = query_write_want(out, swap->want);
	return rc == ERR_OK ? buf_puts(out, ",[10,[1]]]]]]],{\"return_changes\":false") : rc;
}

int
query_swap(struct buf *out, const struct query_swap *swap)
{
	int rc = buf_puts(out, "[1,");

	if (rc == ERR_OK)
		rc = swap->expected->len > 0 ? query_write_replace(out, swap)
					     : query_write_insert(out, swap);
	if (rc == ERR_OK)
		rc = buf_puts(out, ",\"durability\":\"hard\"");
	if (rc == ERR_OK && swap->ignore_hook)
		rc = buf_puts(out, ",\"ignore_write_hook\":true");
	return rc == ERR_OK ? buf_puts(out, "}]]") : rc;
}
