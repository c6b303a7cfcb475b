/* Queries as a server takes them: the contracts are in query.h. */
#include "snapshot/rdb/query.h"

#include "snapshot/json/canon.h"

#include <inttypes.h>
#include <string.h>

static int
query_string(struct buf *out, const char *s)
{
	return canon_put_string(out, s, strlen(s));
}

/* Append ${head}, the string ${s}, ${tail}. */
static int
query_around(struct buf *out, const char *head, const char *s, const char *tail)
{
	int rc = buf_puts(out, head);

	if (rc == ERR_OK)
		rc = query_string(out, s);
	return rc == ERR_OK ? buf_puts(out, tail) : rc;
}

/* Append the term for a table: [15,[[14,[DATABASE]],TABLE],OPTIONS]. */
static int
query_table_term(struct buf *out, const struct query_table *t, bool outdated)
{
	int rc = query_around(out, "[15,[[14,[", t->database, "]],");

	if (rc == ERR_OK)
		rc = query_string(out, t->name);
	if (rc == ERR_OK)
		rc = buf_puts(out, outdated ? "],{\"read_mode\":\"outdated\"}]" : "]]");
	return rc;
}

/* Append [1,[TERM,[TABLE]TAIL. */
static int
query_of_table(struct buf *out, int term, const struct query_table *t, const char *tail)
{
	int rc = buf_printf(out, "[1,[%d,[", term);

	if (rc == ERR_OK)
		rc = query_table_term(out, t, false);
	return rc == ERR_OK ? buf_puts(out, tail) : rc;
}

int
query_databases(struct buf *out)
{
	return buf_puts(out, "[1,[59,[]]]");
}

int
query_tables(struct buf *out, const char *database)
{
	return query_around(out, "[1,[62,[[14,[", database, "]]]]]");
}

int
query_info(struct buf *out, const struct query_table *t)
{
	return query_of_table(out, 79, t, "]]]");
}

int
query_indexes(struct buf *out, const struct query_table *t)
{
	return query_of_table(out, 139, t, "]]]");
}

int
query_hook(struct buf *out, const struct query_table *t)
{
	return query_of_table(out, 190, t, "]]]");
}

int
query_config(struct buf *out, const struct query_table *t)
{
	return query_of_table(out, 174, t, "]]]");
}

int
query_system(struct buf *out, const char *table, const char *id)
{
	int rc = query_around(out, "[1,[16,[[15,[[14,[\"rethinkdb\"]],", table, "]],");

	if (rc == ERR_OK)
		rc = query_string(out, id);
	return rc == ERR_OK ? buf_puts(out, "]]]") : rc;
}

int
query_system_rows(struct buf *out, const char *table)
{
	return query_around(
	    out, "[1,[51,[[41,[[15,[[14,[\"rethinkdb\"]],", table, "]],\"id\"]],\"array\"]]]");
}

int
query_wait(struct buf *out, const struct query_table *t, unsigned seconds)
{
	int rc = query_of_table(out, 177, t, "],");

	if (rc == ERR_OK)
		rc =
		    buf_printf(out, "{\"wait_for\":\"ready_for_reads\",\"timeout\":%u}]]", seconds);
	return rc;
}

static bool
query_given(const struct buf *key)
{
	return key != NULL && key->len > 0;
}

int
query_key(struct buf *out, const struct buf *json)
{
	bool string = false;
	int rc = ERR_OK;

	for (size_t i = 0; i < json->len && rc == ERR_OK; i++) {
		uint8_t c = json->data[i];
		const char *wrap = NULL;
		if (string && c == '\\' && i + 1 < json->len) {
			rc = buf_putc(out, c);
			c = json->data[++i];
		} else if (c == '"') {
			string = !string;
		} else if (!string) {
			wrap = c == '[' ? "[2," : c == '{' ? "[1," : NULL;
		}
		if (rc == ERR_OK && wrap != NULL)
			rc = buf_puts(out, wrap);
		if (rc == ERR_OK)
			rc = buf_putc(out, c);
		if (rc == ERR_OK && !string && (c == ']' || c == '}'))
			rc = buf_putc(out, ']');
	}
	return rc;
}

/* Append a bound: a key, or ${open} where there is none. */
static int
query_bound(struct buf *out, const struct buf *key, const char *open)
{
	return query_given(key) ? query_key(out, key) : buf_puts(out, open);
}

/* Append what is to be read: the table, or a part of it. */
static int
query_range(struct buf *out, const struct query_scan *scan)
{
	bool after = query_given(scan->after);
	int rc;

	if (!after && !query_given(scan->from) && !query_given(scan->to))
		return query_table_term(out, &scan->table, scan->outdated);
	rc = buf_puts(out, "[182,[");
	if (rc == ERR_OK)
		rc = query_table_term(out, &scan->table, scan->outdated);
	if (rc == ERR_OK)
		rc = buf_putc(out, ',');
	if (rc == ERR_OK)
		rc = query_bound(out, after ? scan->after : scan->from, "[180,[]]");
	if (rc == ERR_OK)
		rc = buf_putc(out, ',');
	if (rc == ERR_OK)
		rc = query_bound(out, scan->to, "[181,[]]");
	if (rc == ERR_OK)
		rc = query_around(out, "],{\"index\":", scan->primary_key,
		    after ? ",\"left_bound\":\"open\"" : "");
	if (rc == ERR_OK && scan->with_to)
		rc = buf_puts(out, ",\"right_bound\":\"closed\"");
	return rc == ERR_OK ? buf_puts(out, "}]") : rc;
}

/* Append the query's own options, and close it. */
static int
query_end(struct buf *out, uint64_t batch)
{
	int rc = batch > 0 ? buf_printf(out, ",{\"max_batch_rows\":%" PRIu64 "}", batch) : ERR_OK;

	return rc == ERR_OK ? buf_putc(out, ']') : rc;
}

int
query_scan(struct buf *out, const struct query_scan *scan)
{
	int rc = buf_puts(out, "[1,[41,[");

	if (rc == ERR_OK)
		rc = query_range(out, scan);
	if (rc == ERR_OK)
		rc = query_around(out, "],{\"index\":", scan->primary_key, "}]");
	return rc == ERR_OK ? query_end(out, scan->batch) : rc;
}

int
query_edge(struct buf *out, const struct query_scan *scan, bool last)
{
	int rc = buf_puts(out, "[1,[33,[[71,[[41,[");

	if (rc == ERR_OK)
		rc = query_table_term(out, &scan->table, scan->outdated);
	if (rc == ERR_OK)
		rc = query_around(out,
		    last ? "],{\"index\":[74,[" : "],{\"index\":", scan->primary_key,
		    last ? "]]}],1]]," : "}],1]],");
	if (rc == ERR_OK)
		rc = query_string(out, scan->primary_key);
	return rc == ERR_OK ? buf_puts(out, "]]]") : rc;
}

int
query_feed(struct buf *out, const struct query_table *t, uint64_t queue, uint64_t batch)
{
	int rc = buf_puts(out, "[1,[152,[");

	if (rc == ERR_OK)
		rc = query_table_term(out, t, false);
	if (rc == ERR_OK)
		rc = buf_printf(out,
		    "],{\"changefeed_queue_size\":%" PRIu64
		    ",\"include_initial\":true,\"include_states\":true,\"include_types\":true}]",
		    queue);
	return rc == ERR_OK ? query_end(out, batch) : rc;
}
