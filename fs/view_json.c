/*
 * .table.json: the table's configuration at a date, with its shards and facts of the snapshot. One
 * line of JSON with sorted keys, made when it is asked for; the last one is kept.
 */
#include "fs/view_internal.h"

#include "catalog/base/date.h"
#include "snapshot/json/canon.h"
#include "snapshot/json/member.h"

#include <inttypes.h>
#include <string.h>

#define JSON_SHARDS "shards"
#define JSON_SNAPSHOT "snapshot"

/* Append a store key as a hex string; null for an open end. */
static int
view_json_bound(struct buf *out, const struct key *key)
{
	int rc = ERR_OK;

	if (key->len == 0)
		return buf_puts(out, "null");
	rc = buf_putc(out, '"');
	for (size_t i = 0; rc == ERR_OK && i < key->len; i++)
		rc = buf_printf(out, "%02x", key->bytes[i]);
	return rc == ERR_OK ? buf_putc(out, '"') : rc;
}

static int
view_json_shard(struct buf *out, const struct snapshots_shard *shard)
{
	int rc = buf_printf(out, "{\"documents\":%" PRIu64 ",\"lower\":", shard->documents);

	if (rc == ERR_OK)
		rc = view_json_bound(out, &shard->lower);
	if (rc == ERR_OK)
		rc = buf_puts(out, ",\"upper\":");
	if (rc == ERR_OK)
		rc = view_json_bound(out, &shard->upper);
	return rc == ERR_OK ? buf_putc(out, '}') : rc;
}

/* Append the member "shards". */
static int
view_json_shards(struct view *v, const struct snapshots_snapshot *s, struct buf *out, struct err *e)
{
	int rc = buf_puts(out, "\"" JSON_SHARDS "\":[");

	for (uint64_t i = 0; rc == ERR_OK && i < s->shards; i++) {
		struct snapshots_shard shard;
		rc = snapshots_shard(v->catalog, s->id, i, &shard, e);
		if (rc == ERR_ABSENT)
			return err_set(e, ERR_CORRUPT,
			    "the catalogue has no shard %" PRIu64 " of snapshot %lld", i,
			    (long long)s->id);
		if (rc != ERR_OK)
			return rc;
		if (i > 0)
			rc = buf_putc(out, ',');
		if (rc == ERR_OK)
			rc = view_json_shard(out, &shard);
	}
	if (rc == ERR_OK)
		rc = buf_putc(out, ']');
	return rc == ERR_OK ? ERR_OK : err_nomem(e);
}

/* Append the member "snapshot". */
static int
view_json_snapshot(
    struct view *v, const struct snapshots_snapshot *s, struct buf *out, struct err *e)
{
	struct buf source = {0};
	char date[DATE_NAME];
	int rc = snapshots_run_source(v->catalog, s->run_id, &source, e);

	if (rc == ERR_ABSENT)
		rc = err_set(e, ERR_CORRUPT, "the catalogue has no run %lld", (long long)s->run_id);
	if (rc != ERR_OK)
		goto done;
	(void)date_name(s->date, date);
	rc = buf_printf(out,
	    "\"" JSON_SNAPSHOT "\":{\"bytes\":%" PRIu64 ",\"date\":\"%s\",\"documents\":%" PRIu64,
	    s->bytes, date, s->documents);
	if (rc == ERR_OK && s->lost > 0)
		rc = buf_printf(out, ",\"lost\":%" PRIu64, s->lost);
	if (rc == ERR_OK)
		rc = buf_puts(out, ",\"source\":");
	if (rc == ERR_OK)
		rc = canon_put_string(out, source.data, source.len);
	if (rc == ERR_OK)
		rc = buf_putc(out, '}');
	if (rc != ERR_OK)
		rc = err_nomem(e);
done:
	buf_finish(&source);
	return rc;
}

/* The members that are added: each goes before the first of the configuration that sorts behind. */
struct view_json_added {
	const char *name;
	int (*put)(
	    struct view *v, const struct snapshots_snapshot *s, struct buf *out, struct err *e);
};

static const struct view_json_added view_json_added[] = {
    {JSON_SHARDS, view_json_shards},
    {JSON_SNAPSHOT, view_json_snapshot},
};

#define JSON_ADDED (sizeof(view_json_added) / sizeof(view_json_added[0]))

/* Bytewise order of a member's name and a string. */
static int
view_json_order(const struct buf *name, const char *text)
{
	size_t len = strlen(text);
	size_t least = name->len < len ? name->len : len;
	int order = least == 0 ? 0 : memcmp(name->data, text, least);

	return order != 0 ? order : (name->len > len) - (name->len < len);
}

/* What view_json_merge is at. */
struct view_json_merge {
	const struct snapshots_snapshot *s;
	struct buf *out;
	size_t added; /* of view_json_added, done so far */
};

static int
view_json_comma(struct view_json_merge *m, struct err *e)
{
	if (m->out->len > 1 && buf_putc(m->out, ',') != ERR_OK)
		return err_nomem(e);
	return ERR_OK;
}

/* Add what sorts before ${name}; NULL: all that is left. */
static int
view_json_add(struct view *v, struct view_json_merge *m, const struct buf *name, struct err *e)
{
	while (m->added < JSON_ADDED) {
		const struct view_json_added *next = &view_json_added[m->added];
		int rc;
		if (name != NULL && view_json_order(name, next->name) < 0)
			return ERR_OK;
		rc = view_json_comma(m, e);
		if (rc == ERR_OK)
			rc = next->put(v, m->s, m->out, e);
		if (rc != ERR_OK)
			return rc;
		m->added++;
	}
	return ERR_OK;
}

/* Copy one member of the configuration, unless one that was added has its name. */
static int
view_json_copy(struct view *v, struct view_json_merge *m, const struct member_span *name,
    const struct member_span *value, struct err *e)
{
	struct buf decoded = {0};
	bool replaced = false;
	int rc = member_string(name->data, name->len, &decoded);

	if (rc == ERR_NOMEM)
		rc = err_nomem(e);
	if (rc == ERR_OK)
		rc = view_json_add(v, m, &decoded, e);
	for (size_t i = 0; rc == ERR_OK && i < JSON_ADDED; i++)
		replaced = replaced || view_json_order(&decoded, view_json_added[i].name) == 0;
	buf_finish(&decoded);
	if (rc != ERR_OK || replaced)
		return rc;
	rc = view_json_comma(m, e);
	if (rc == ERR_OK && (buf_append(m->out, name->data, name->len) != ERR_OK ||
				buf_putc(m->out, ':') != ERR_OK ||
				buf_append(m->out, value->data, value->len) != ERR_OK))
		rc = err_nomem(e);
	return rc;
}

/* Write the configuration and what is added to it. */
static int
view_json_merge(struct view *v, const struct snapshots_snapshot *s, const struct buf *config,
    struct buf *out, struct err *e)
{
	struct view_json_merge m = {.s = s, .out = out};
	struct member_walk walk = {0};
	struct member_span name;
	struct member_span value;
	int rc = buf_putc(out, '{') == ERR_OK ? ERR_OK : err_nomem(e);

	while (rc == ERR_OK) {
		rc = member_next(config->data, config->len, &walk, &name, &value);
		if (rc == ERR_END)
			break;
		if (rc == ERR_OK)
			rc = view_json_copy(v, &m, &name, &value, e);
		if (rc == ERR_FORMAT)
			return err_set(e, ERR_CORRUPT,
			    "the configuration of snapshot %lld is no JSON object",
			    (long long)s->id);
	}
	if (rc == ERR_END)
		rc = view_json_add(v, &m, NULL, e);
	if (rc == ERR_OK && buf_puts(out, "}\n") != ERR_OK)
		rc = err_nomem(e);
	return rc;
}

int
view_json_text(struct view *v, int64_t snapshot_id, const struct buf **out, struct err *e)
{
	struct snapshots_snapshot s;
	struct buf config = {0};
	int rc = ERR_OK;

	if (v->json_snapshot != snapshot_id) {
		v->json_snapshot = 0;
		buf_clear(&v->json);
		rc = snapshots_get(v->catalog, snapshot_id, &s, e);
		if (rc == ERR_OK)
			rc = snapshots_config(v->catalog, snapshot_id, &config, e);
		if (rc == ERR_OK)
			rc = view_json_merge(v, &s, &config, &v->json, e);
		buf_finish(&config);
	}
	if (rc != ERR_OK)
		return rc;
	v->json_snapshot = snapshot_id;
	*out = &v->json;
	return ERR_OK;
}
