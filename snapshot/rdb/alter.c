/* Queries that change a server: the contracts are in alter.h. */
#include "snapshot/rdb/alter.h"

#include "snapshot/json/canon.h"

#include <inttypes.h>
#include <string.h>

/* Bytes of the longest document that goes in as text: escaped, it may be twice as long. */
#define ALTER_TEXT_MAX (32u << 20)

static int
alter_string(struct buf *out, const char *s)
{
	return canon_put_string(out, s, strlen(s));
}

/* Append [1,[TERM,[TABLE: the start of a query that does something to a table. */
static int
alter_begin(struct buf *out, int term, const struct query_table *t)
{
	int rc = buf_printf(out, "[1,[%d,[[15,[[14,[", term);

	if (rc == ERR_OK)
		rc = alter_string(out, t->database);
	if (rc == ERR_OK)
		rc = buf_puts(out, "]],");
	if (rc == ERR_OK)
		rc = alter_string(out, t->name);
	return rc == ERR_OK ? buf_puts(out, "]]") : rc;
}

static int
alter_simple(struct buf *out, int term, const struct query_table *t, const char *tail)
{
	int rc = alter_begin(out, term, t);

	return rc == ERR_OK ? buf_puts(out, tail) : rc;
}

/* Append the end of a query that writes documents: its options. */
static int
alter_options(struct buf *out, const char *head, const struct alter_write *w)
{
	return buf_printf(out, "%s\"durability\":\"%s\"%s}]]", head, w->hard ? "hard" : "soft",
	    w->ignore_hook ? ",\"ignore_write_hook\":true" : "");
}

/* ---- databases and tables ---- */

int
alter_database(struct buf *out, const char *name)
{
	int rc = buf_puts(out, "[1,[57,[");

	if (rc == ERR_OK)
		rc = alter_string(out, name);
	return rc == ERR_OK ? buf_puts(out, "]]]") : rc;
}

int
alter_create(struct buf *out, const struct alter_table *t)
{
	int rc = buf_puts(out, "[1,[60,[[14,[");

	if (rc == ERR_OK)
		rc = alter_string(out, t->table.database);
	if (rc == ERR_OK)
		rc = buf_puts(out, "]],");
	if (rc == ERR_OK)
		rc = alter_string(out, t->table.name);
	if (rc == ERR_OK)
		rc = buf_puts(out, "],{\"primary_key\":");
	if (rc == ERR_OK)
		rc = alter_string(out, t->primary_key);
	if (rc == ERR_OK && t->durability != NULL)
		rc = buf_printf(out, ",\"durability\":\"%s\"", t->durability);
	if (rc == ERR_OK && t->shards > 0)
		rc = buf_printf(out, ",\"shards\":%" PRIu64, t->shards);
	if (rc == ERR_OK && t->replicas > 0)
		rc = buf_printf(out, ",\"replicas\":%" PRIu64, t->replicas);
	return rc == ERR_OK ? buf_puts(out, "}]]") : rc;
}

int
alter_config(struct buf *out, const struct query_table *t, const struct buf *json)
{
	int rc = buf_puts(out, "[1,[53,[[174,[[15,[[14,[");

	if (rc == ERR_OK)
		rc = alter_string(out, t->database);
	if (rc == ERR_OK)
		rc = buf_puts(out, "]],");
	if (rc == ERR_OK)
		rc = alter_string(out, t->name);
	if (rc == ERR_OK)
		rc = buf_puts(out, "]]]],[1,");
	if (rc == ERR_OK)
		rc = buf_append(out, json->data, json->len);
	return rc == ERR_OK ? buf_puts(out, "]]]]") : rc;
}

int
alter_wait(struct buf *out, const struct query_table *t, unsigned seconds)
{
	int rc = alter_begin(out, 177, t);

	return rc == ERR_OK ? buf_printf(out, "],{\"timeout\":%u}]]", seconds) : rc;
}

int
alter_rebalance(struct buf *out, const struct query_table *t)
{
	return alter_simple(out, 179, t, "]]]");
}

int
alter_sync(struct buf *out, const struct query_table *t)
{
	return alter_simple(out, 138, t, "]]]");
}

/* ---- documents ---- */

int
alter_insert_begin(struct buf *out, const struct query_table *t)
{
	return alter_simple(out, 56, t, ",[2,[");
}

int
alter_insert_put(struct buf *out, bool first, const void *json, size_t len)
{
	bool text = len <= ALTER_TEXT_MAX;
	int rc = buf_puts(out, first ? "" : ",");

	if (rc == ERR_OK)
		rc = buf_puts(out, text ? "[98,[" : "[1,");
	if (rc == ERR_OK)
		rc = text ? canon_put_string(out, json, len) : buf_append(out, json, len);
	return rc == ERR_OK ? buf_puts(out, text ? "]]" : "]") : rc;
}

int
alter_insert_end(struct buf *out, const struct alter_write *w)
{
	return alter_options(out, "]]],{\"conflict\":\"replace\",", w);
}

int
alter_delete_begin(struct buf *out, const struct query_table *t)
{
	int rc = buf_puts(out, "[1,[54,[[78,[[15,[[14,[");

	if (rc == ERR_OK)
		rc = alter_string(out, t->database);
	if (rc == ERR_OK)
		rc = buf_puts(out, "]],");
	if (rc == ERR_OK)
		rc = alter_string(out, t->name);
	return rc == ERR_OK ? buf_puts(out, "]]") : rc;
}

int
alter_delete_put(struct buf *out, const struct buf *key)
{
	int rc = buf_putc(out, ',');

	return rc == ERR_OK ? query_key(out, key) : rc;
}

int
alter_delete_end(struct buf *out, const struct alter_write *w)
{
	return alter_options(out, "]]],{", w);
}

/* ---- indexes and hooks ---- */

/* Append a value as data and the end of the query. */
static int
alter_data(struct buf *out, const struct member_span *value)
{
	int rc = buf_puts(out, ",[1,");

	if (rc == ERR_OK)
		rc = buf_append(out, value->data, value->len);
	return rc == ERR_OK ? buf_puts(out, "]]]]") : rc;
}

int
alter_index(struct buf *out, const struct query_table *t, const struct member_span *name,
    const struct member_span *function)
{
	int rc = alter_simple(out, 75, t, ",");

	if (rc == ERR_OK)
		rc = buf_append(out, name->data, name->len);
	return rc == ERR_OK ? alter_data(out, function) : rc;
}

int
alter_index_drop(struct buf *out, const struct query_table *t, const struct member_span *name)
{
	int rc = alter_simple(out, 76, t, ",");

	if (rc == ERR_OK)
		rc = buf_append(out, name->data, name->len);
	return rc == ERR_OK ? buf_puts(out, "]]]") : rc;
}

int
alter_hook(struct buf *out, const struct query_table *t, const struct member_span *function)
{
	int rc = alter_begin(out, 189, t);

	if (rc != ERR_OK)
		return rc;
	return function != NULL ? alter_data(out, function) : buf_puts(out, ",null]]]");
}

int
alter_grant(struct buf *out, const struct alter_grant *g)
{
	const struct query_table t = {g->database, g->table};
	int rc;

	if (g->table != NULL)
		rc = alter_begin(out, 188, &t);
	else
		rc = buf_puts(out, g->database != NULL ? "[1,[188,[[14,[" : "[1,[188,[");
	if (rc == ERR_OK && g->table == NULL && g->database != NULL) {
		rc = alter_string(out, g->database);
		if (rc == ERR_OK)
			rc = buf_puts(out, "]]");
	}
	if (rc == ERR_OK && g->database != NULL)
		rc = buf_putc(out, ',');
	if (rc == ERR_OK)
		rc = alter_string(out, g->user);
	return rc == ERR_OK ? buf_printf(out, ",[1,%s]]]]", g->permissions) : rc;
}
