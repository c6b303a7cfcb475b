/* A table's configuration as sources carry it: the .info of a dump, the .table.json of a tree. */
#include "snapshot/capture_internal.h"
#include "snapshot/info.h"
#include "snapshot/json/member.h"

#include <string.h>

void
capture_config_finish(struct capture_config *config)
{
	buf_finish(&config->json);
	buf_finish(&config->primary_key);
	*config = (struct capture_config){0};
}

/* Whether the JSON string ${name} (with quotes) is ${want}. */
static bool
config_is(const struct member_span *name, const char *want)
{
	size_t len = strlen(want);

	return name->len == len + 2 && memcmp(name->data + 1, want, len) == 0;
}

/* Copy the members that belong to the table itself, not to the picture that the mount shows of it.
 */
static int
config_copy(const struct buf *in, struct buf *out)
{
	struct member_walk walk = {0};
	struct member_span name, value;
	bool first = true;
	int rc = buf_putc(out, '{');

	while (rc == ERR_OK) {
		rc = member_next(in->data, in->len, &walk, &name, &value);
		if (rc != ERR_OK)
			break;
		if (config_is(&name, "shards") || config_is(&name, "snapshot"))
			continue;
		if (!first)
			rc = buf_putc(out, ',');
		first = false;
		if (rc == ERR_OK)
			rc = buf_append(out, name.data, name.len);
		if (rc == ERR_OK)
			rc = buf_putc(out, ':');
		if (rc == ERR_OK)
			rc = buf_append(out, value.data, value.len);
	}
	return rc == ERR_END ? buf_putc(out, '}') : rc;
}

/* The number of elements is the number of shards; their values are rough counts of documents. */
static int
config_parts(const struct buf *in, struct capture_config *out)
{
	struct member_span list, value;
	struct member_walk walk = {0};

	out->n_parts = 0;
	if (member_find(in->data, in->len, "doc_count_estimates", 19, &list) == ERR_OK) {
		while (out->n_parts < SNAPSHOTS_SHARDS &&
		       member_element(list.data, list.len, &walk, &value) == ERR_OK) {
			uint64_t n = 0;
			for (size_t i = 0; i < value.len && value.data[i] >= '0' &&
					   value.data[i] <= '9' && n < UINT32_MAX;
			     i++)
				n = n * 10 + (uint64_t)(value.data[i] - '0');
			out->parts[out->n_parts++] = n;
		}
	}
	if (out->n_parts == 0)
		out->parts[out->n_parts++] = 1;
	return ERR_OK;
}

static int
config_hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Read the JSON string ${value} of hex digits, or null, as a key. */
static bool
config_bound(const struct member_span *value, struct key *out)
{
	*out = (struct key){0};
	if (value->len == 4 && memcmp(value->data, "null", 4) == 0)
		return true;
	if (value->len < 4 || value->len % 2 != 0 || (value->len - 2) / 2 > KEY_MAX ||
	    value->data[0] != '"')
		return false;
	for (size_t i = 1; i + 2 < value->len; i += 2) {
		int hi = config_hex(value->data[i]), lo = config_hex(value->data[i + 1]);
		if (hi < 0 || lo < 0)
			return false;
		out->bytes[out->len++] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

/* The exact bounds that the mount wrote; anything odd about them, and they are cut anew. */
static void
config_bounds(const struct buf *in, struct capture_config *out)
{
	struct member_span list, shard, value;
	struct member_walk walk = {0};
	size_t n = 0;

	out->n_bounds = 0;
	if (member_find(in->data, in->len, "shards", 6, &list) != ERR_OK)
		return;
	while (member_element(list.data, list.len, &walk, &shard) == ERR_OK) {
		if (n == SNAPSHOTS_SHARDS ||
		    member_find(shard.data, shard.len, "lower", 5, &value) != ERR_OK ||
		    !config_bound(&value, &out->bounds[n]))
			return;
		if (n == 0 ? out->bounds[n].len != 0
			   : key_compare(&out->bounds[n - 1], &out->bounds[n]) >= 0)
			return;
		n++;
	}
	out->n_bounds = n;
}

/* How many documents the mount says that the snapshot has. */
static void
config_count(const struct buf *in, struct capture_config *out)
{
	struct member_span snapshot, value;
	uint64_t n = 0;

	out->counted = member_find(in->data, in->len, "snapshot", 8, &snapshot) == ERR_OK &&
		       snapshot.data[0] == '{' &&
		       member_find(snapshot.data, snapshot.len, "documents", 9, &value) == ERR_OK;
	for (size_t i = 0; out->counted && i < value.len; i++) {
		out->counted = value.data[i] >= '0' && value.data[i] <= '9' && n < UINT64_MAX / 100;
		n = n * 10 + (uint64_t)(value.data[i] - '0');
	}
	out->documents = n;
}

int
capture_config_read(
    struct capture *c, const void *json, size_t len, struct capture_config *out, struct err *e)
{
	struct buf whole = {0};
	struct canon_where where;
	int rc;

	capture_config_finish(out);
	rc = canon_value(c->canon, json, len, &whole, &where, e);
	if (rc == ERR_FORMAT || rc == ERR_LIMIT)
		err_prefix(e, "line %llu, column %llu", (unsigned long long)where.line,
		    (unsigned long long)where.column);
	if (rc == ERR_OK)
		rc = info_primary_key(&whole, &out->primary_key, e);
	if (rc == ERR_OK && config_copy(&whole, &out->json) != ERR_OK)
		rc = err_nomem(e);
	if (rc == ERR_OK) {
		config_parts(&whole, out);
		config_bounds(&whole, out);
		config_count(&whole, out);
	}
	buf_finish(&whole);
	if (rc != ERR_OK)
		capture_config_finish(out);
	return rc;
}
