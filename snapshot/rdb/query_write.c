/* Queries about single documents: the contracts are in query_write.h. */
#include "snapshot/rdb/query_write.h"

#include "snapshot/json/canon.h"

#include <string.h>

/* Append [16,[TABLE,KEY]]. */
static int
query_row(struct buf *out, const struct query_table *t, const struct buf *key)
{
	int rc = buf_puts(out, "[16,[[15,[[14,[");

	if (rc == ERR_OK)
		rc = canon_put_string(out, t->database, strlen(t->database));
	if (rc == ERR_OK)
		rc = buf_puts(out, "]],");
	if (rc == ERR_OK)
		rc = canon_put_string(out, t->name, strlen(t->name));
	if (rc == ERR_OK)
		rc = buf_puts(out, "]],");
	if (rc == ERR_OK)
		rc = query_key(out, key);
	return rc == ERR_OK ? buf_puts(out, "]]") : rc;
}

int
query_get(struct buf *out, const struct query_table *t, const struct buf *key)
{
	int rc = buf_puts(out, "[1,");

	if (rc == ERR_OK)
		rc = query_row(out, t, key);
	return rc == ERR_OK ? buf_putc(out, ']') : rc;
}

/* Append the condition: the text of the row, which is parameter 1, is the expected one. */
static int
query_condition(struct buf *out, const struct buf *expected)
{
	int rc = buf_puts(out, "[17,[[172,[[10,[1]]]],");

	if (rc == ERR_OK && expected->len == 0)
		rc = buf_puts(out, "\"null\"");
	else if (rc == ERR_OK)
		rc = canon_put_string(out, expected->data, expected->len);
	return rc == ERR_OK ? buf_puts(out, "]]") : rc;
}

int
query_swap(struct buf *out, const struct query_swap *swap)
{
	int rc = buf_puts(out, "[1,[55,[");

	if (rc == ERR_OK)
		rc = query_row(out, &swap->table, swap->key);
	if (rc == ERR_OK)
		rc = buf_puts(out, ",[69,[[2,[1]],[65,[");
	if (rc == ERR_OK)
		rc = query_condition(out, swap->expected);
	if (rc == ERR_OK && swap->want->len == 0)
		rc = buf_puts(out, ",null");
	else if (rc == ERR_OK && (rc = buf_puts(out, ",[1,")) == ERR_OK &&
		 (rc = buf_append(out, swap->want->data, swap->want->len)) == ERR_OK)
		rc = buf_putc(out, ']');
	if (rc == ERR_OK)
		rc = buf_puts(out, ",[10,[1]]]]]]],{\"durability\":\"hard\"");
	if (rc == ERR_OK && swap->ignore_hook)
		rc = buf_puts(out, ",\"ignore_write_hook\":true");
	return rc == ERR_OK ? buf_puts(out, "}]]") : rc;
}
