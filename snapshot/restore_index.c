/*
 * Secondary indexes and write hooks of restored tables. Both are handed back to the server as the
 * BINARY that it describes their functions with (server source rdb_protocol/terms/sindex.cc). The
 * contracts are in restore_internal.h.
 */
#include "snapshot/rdb/wait.h"
#include "snapshot/restore_internal.h"

#include <string.h>

#define INDEX_TRIES 4   /* to make one */
#define INDEX_PAUSE 200 /* ms between two looks at indexes that are being built */

static int
index_status(const struct restore_index *x, struct member_span *out, struct err *e)
{
	struct buf *query = restore_live_query(x->r);

	return restore_live_ask(x->r, query_indexes(query, &x->table), true, out, e);
}

/* The index of a list whose name is the JSON ${name}. */
static bool
index_find(const struct member_span *list, const struct member_span *name, struct member_span *out)
{
	struct member_walk walk = {0};
	struct member_span index, value;

	while (list->data != NULL && member_element(list->data, list->len, &walk, &index) == ERR_OK)
		if (member_find(index.data, index.len, "index", 5, &value) == ERR_OK &&
		    value.len == name->len && memcmp(value.data, name->data, name->len) == 0) {
			*out = index;
			return true;
		}
	return false;
}

/* The text of the function's BINARY, without the line ends that different printers differ in. */
static bool
index_same(const struct member_span *a, const struct member_span *b)
{
	struct member_span fa, fb, da, db;
	struct buf text[2] = {{0}, {0}};
	bool same;

	if (member_find(a->data, a->len, "function", 8, &fa) != ERR_OK ||
	    member_find(b->data, b->len, "function", 8, &fb) != ERR_OK ||
	    member_find(fa.data, fa.len, "data", 4, &da) != ERR_OK ||
	    member_find(fb.data, fb.len, "data", 4, &db) != ERR_OK)
		return false;
	same = member_string(da.data, da.len, &text[0]) == ERR_OK &&
	       member_string(db.data, db.len, &text[1]) == ERR_OK && text[0].len == text[1].len &&
	       memcmp(text[0].data, text[1].data, text[0].len) == 0;
	buf_finish(&text[0]);
	buf_finish(&text[1]);
	return same;
}

/* Make one index of the snapshot; one of that name with another function has to go. */
static int
index_make(const struct restore_index *x, const struct member_span *index, struct err *e)
{
	struct member_span name, function, list, there;
	struct buf *query;
	int rc;

	if (member_find(index->data, index->len, "index", 5, &name) != ERR_OK ||
	    member_find(index->data, index->len, "function", 8, &function) != ERR_OK)
		return err_set(e, ERR_CORRUPT, "the snapshot has an index without its function");
	/* An array would go into the query as a term, which the server carries out. */
	if (name.data[0] != '"')
		return err_set(
		    e, ERR_CORRUPT, "the snapshot has an index whose name is not a string");
	rc = index_status(x, &list, e);
	if (rc == ERR_OK && index_find(&list, &name, &there)) {
		if (index_same(index, &there))
			return ERR_OK;
		query = restore_live_query(x->r);
		rc = restore_live_ask(
		    x->r, alter_index_drop(query, &x->table, &name), false, NULL, e);
	}
	if (rc != ERR_OK)
		return rc;
	query = restore_live_query(x->r);
	rc =
	    restore_live_ask(x->r, alter_index(query, &x->table, &name, &function), false, NULL, e);
	if (rc != ERR_OK) {
		err_prefix(
		    e, "index %.*s", name.len < 100 ? (int)name.len : 100, (const char *)name.data);
		return rc;
	}
	x->job->table.indexes++;
	return ERR_OK;
}

/* A connection that is lost leaves open whether the index was made: that is seen when it is tried
 * again. */
static int
index_make_surely(const struct restore_index *x, const struct member_span *index, struct err *e)
{
	int rc = index_make(x, index, e);

	for (int tries = 1; rc == ERR_IO && tries < INDEX_TRIES; tries++)
		rc = index_make(x, index, e);
	return rc;
}

/* How far the indexes are, in percent; 100: all ready. */
static uint64_t
index_percent(const struct member_span *list)
{
	struct member_walk walk = {0};
	struct member_span index, value;
	uint64_t n = 0, sum = 0;

	while (
	    list->data != NULL && member_element(list->data, list->len, &walk, &index) == ERR_OK) {
		n++;
		if (member_find(index.data, index.len, "ready", 5, &value) == ERR_OK &&
		    value.len == 4)
			sum += 100;
		else if (member_find(index.data, index.len, "progress", 8, &value) == ERR_OK &&
			 value.len >= 3 && value.data[0] == '0' && value.data[1] == '.' &&
			 value.data[2] >= '0' && value.data[2] <= '9')
			sum += (uint64_t)(value.data[2] - '0') * 10;
	}
	return n > 0 ? sum / n : 100;
}

static int
index_wait(const struct restore_index *x, struct err *e)
{
	struct member_span list;

	for (;;) {
		int rc = index_status(x, &list, e);
		uint64_t percent;
		if (rc != ERR_OK)
			return rc;
		percent = index_percent(&list);
		restore_show(x->r, "indexing", x->job, percent, 100);
		if (percent == 100)
			return ERR_OK;
		rc = wait_pause(INDEX_PAUSE, x->r->options->stop, e);
		if (rc != ERR_OK)
			return rc;
	}
}

int
restore_index_build(const struct restore_index *x, struct err *e)
{
	const struct buf *config = &x->job->config;
	struct member_walk walk = {0};
	struct member_span list, index;
	int rc;

	if (member_find(config->data, config->len, "indexes", 7, &list) != ERR_OK)
		return ERR_OK;
	while ((rc = member_element(list.data, list.len, &walk, &index)) == ERR_OK)
		if ((rc = index_make_surely(x, &index, e)) != ERR_OK)
			return rc;
	if (rc == ERR_FORMAT)
		return err_set(e, ERR_CORRUPT, "the snapshot's list of indexes is none");
	return list.len > 2 ? index_wait(x, e) : ERR_OK;
}

/* The function of the snapshot's write hook, if it has one. Sets ${known}: it says so. */
static bool
index_hook_of(const struct buf *config, struct member_span *function, bool *known)
{
	struct member_span hook;

	*known = member_find(config->data, config->len, "write_hook", 10, &hook) == ERR_OK;
	return *known && hook.data[0] == '{' &&
	       member_find(hook.data, hook.len, "function", 8, function) == ERR_OK;
}

int
restore_index_hook(const struct restore_index *x, struct err *e)
{
	struct buf *query = restore_live_query(x->r);
	struct member_span function;
	bool known;
	bool has = index_hook_of(&x->job->config, &function, &known);
	int rc;

	if (!has && (!known || !x->job->table.exists || !x->r->options->exact))
		return ERR_OK;
	if (!x->modern) {
		if (has)
			log_line(x->r->options->log, LOG_WARNING,
			    "%s.%s: its write hook is left out: this server has none",
			    x->table.database, x->table.name);
		return ERR_OK;
	}
	rc = restore_live_ask(
	    x->r, alter_hook(query, &x->table, has ? &function : NULL), true, NULL, e);
	if (rc != ERR_OK)
		err_prefix(e, "write hook");
	return rc;
}
