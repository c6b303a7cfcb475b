/* A table as its snapshot records it: the contracts are in describe.h. */
#include "snapshot/rdb/describe.h"

#include "catalog/key.h"
#include "snapshot/rdb/base64.h"
#include "snapshot/rdb/response.h"

#include <stdio.h>
#include <string.h>

/* One description being put together. */
struct describer {
	struct connection *c;
	const struct query_table *t;
	const struct log *log;
	struct describe *out;
	struct buf query;   /* the question at hand */
	struct buf answer;  /* its answer */
	struct buf scratch; /* a string */
	struct buf point;   /* a split point */
	bool hook_known;    /* the configuration told of the write hook */
};

void
describe_finish(struct describe *d)
{
	buf_finish(&d->json);
	buf_finish(&d->primary_key);
	*d = (struct describe){0};
}

/* ---- asking ---- */

/* Put the question in d->query, and set ${out} to the first result. */
static int
describe_ask(struct describer *d, struct member_span *out, struct err *e)
{
	struct response r;
	uint64_t token;
	int rc = connection_start(d->c, &d->query, &token, e);

	if (rc == ERR_OK)
		rc = connection_receive(d->c, token, &d->answer, e);
	if (rc == ERR_OK)
		rc = response_read(d->answer.data, d->answer.len, &r, e);
	if (rc == ERR_OK)
		rc = response_check(&r, e);
	if (rc != ERR_OK)
		return rc;
	rc = response_first(&r, out);
	if (rc == ERR_FORMAT)
		return err_set(e, rc, "the server's answer is not one of RethinkDB's");
	return rc == ERR_ABSENT ? err_set(e, rc, "the server has nothing of this") : rc;
}

/* Whether a description can do without what the server would not answer. */
static bool
describe_without(const struct describer *d, int rc)
{
	return connection_usable(d->c) && rc != ERR_NOMEM && rc != ERR_INTR && rc != ERR_BUSY;
}

/* Append ,"NAME":VALUE. */
static int
describe_put(struct describer *d, const char *name, const struct member_span *value)
{
	if (buf_printf(&d->out->json, ",\"%s\":", name) != ERR_OK)
		return ERR_NOMEM;
	return buf_append(&d->out->json, value->data, value->len);
}

/* ---- the parts ---- */

static uint64_t
describe_sum(const struct member_span *list)
{
	struct member_walk walk = {0};
	struct member_span value;
	uint64_t sum = 0;

	while (member_element(list->data, list->len, &walk, &value) == ERR_OK) {
		uint64_t n = 0;
		for (size_t i = 0;
		     i < value.len && i < 15 && value.data[i] >= '0' && value.data[i] <= '9'; i++)
			n = n * 10 + (uint64_t)(value.data[i] - '0');
		sum += n;
	}
	return sum;
}

/* Begin the object with what INFO says, but for the names of the indexes. */
static int
describe_copy(struct describer *d, const struct member_span *info)
{
	struct buf *out = &d->out->json;
	struct member_walk walk = {0};
	struct member_span name, value;
	int rc = buf_putc(out, '{');

	while (rc == ERR_OK &&
	       (rc = member_next(info->data, info->len, &walk, &name, &value)) == ERR_OK) {
		if (name.len == 9 && memcmp(name.data, "\"indexes\"", 9) == 0)
			continue;
		if (out->len > 1)
			rc = buf_putc(out, ',');
		if (rc == ERR_OK)
			rc = buf_append(out, name.data, name.len);
		if (rc == ERR_OK)
			rc = buf_putc(out, ':');
		if (rc == ERR_OK)
			rc = buf_append(out, value.data, value.len);
	}
	return rc == ERR_END ? ERR_OK : rc;
}

static int
describe_read_info(struct describer *d, struct err *e)
{
	struct describe *out = d->out;
	struct member_span info, value;
	int rc;

	buf_clear(&d->query);
	if (query_info(&d->query, d->t) != ERR_OK)
		return err_nomem(e);
	rc = describe_ask(d, &info, e);
	if (rc != ERR_OK)
		return rc;
	if (member_find(info.data, info.len, "primary_key", 11, &value) != ERR_OK ||
	    member_string(value.data, value.len, &out->primary_key) != ERR_OK ||
	    memchr(out->primary_key.data, '\0', out->primary_key.len) != NULL)
		return err_set(e, ERR_FORMAT, "the server does not name the table's primary key");
	if (member_find(info.data, info.len, "doc_count_estimates", 19, &value) == ERR_OK)
		out->documents = describe_sum(&value);
	buf_clear(&d->scratch);
	if (member_find(info.data, info.len, "id", 2, &value) == ERR_OK &&
	    member_string(value.data, value.len, &d->scratch) == ERR_OK &&
	    buf_str(&d->scratch) != NULL)
		snprintf(out->id, sizeof(out->id), "%s", (const char *)d->scratch.data);
	if (buf_str(&out->primary_key) == NULL || describe_copy(d, &info) != ERR_OK)
		return err_nomem(e);
	return ERR_OK;
}

static int
describe_read_indexes(struct describer *d, struct err *e)
{
	struct member_span list;
	int rc;

	buf_clear(&d->query);
	if (query_indexes(&d->query, d->t) != ERR_OK)
		return err_nomem(e);
	rc = describe_ask(d, &list, e);
	if (rc == ERR_OK && describe_put(d, "indexes", &list) != ERR_OK)
		rc = err_nomem(e);
	return rc;
}

/* Ask for the configuration where the table's own permissions allow it, else where those on the
 * system tables do. */
static int
describe_ask_config(struct describer *d, struct member_span *config, struct err *e)
{
	int rc;

	buf_clear(&d->query);
	if (query_config(&d->query, d->t) != ERR_OK)
		return err_nomem(e);
	rc = describe_ask(d, config, e);
	if (rc != ERR_DENIED)
		return rc;
	buf_clear(&d->query);
	if (query_system(&d->query, "table_config", d->out->id) != ERR_OK)
		return err_nomem(e);
	return describe_ask(d, config, e);
}

static int
describe_read_config(struct describer *d, struct err *e)
{
	/* Names in the configuration, and those that they get here. */
	static const char *const names[][2] = {{"durability", "durability"},
	    {"flush_interval", "flush_interval"}, {"write_acks", "write_acks"},
	    {"shards", "replicas"}, {"write_hook", "write_hook"}};
	struct member_span config, value;
	int rc = describe_ask_config(d, &config, e);

	if (rc != ERR_OK)
		return describe_without(d, rc) ? ERR_OK : rc;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		rc = member_find(config.data, config.len, names[i][0], strlen(names[i][0]), &value);
		if (rc == ERR_OK && describe_put(d, names[i][1], &value) != ERR_OK)
			return err_nomem(e);
		if (rc == ERR_OK && strcmp(names[i][1], "write_hook") == 0)
			d->hook_known = true;
	}
	return ERR_OK;
}

static int
describe_read_hook(struct describer *d, struct err *e)
{
	const struct member_span none = {(const uint8_t *)"null", 4};
	struct member_span hook;
	int rc;

	buf_clear(&d->query);
	if (query_hook(&d->query, d->t) != ERR_OK)
		return err_nomem(e);
	rc = describe_ask(d, &hook, e);
	if (rc == ERR_ABSENT)
		return describe_put(d, "write_hook", &none) == ERR_OK ? ERR_OK : err_nomem(e);
	if (rc == ERR_OK)
		return describe_put(d, "write_hook", &hook) == ERR_OK ? ERR_OK : err_nomem(e);
	if (!describe_without(d, rc))
		return rc;
	log_line(d->log, LOG_WARNING,
	    "%s.%s: whether it has a write hook is not known, and none is saved: %s",
	    d->t->database, d->t->name, e->text);
	return ERR_OK;
}

/* Append one shard's lower bound, the BINARY ${point}; ERR_FORMAT when it cannot be one. */
static int
describe_put_bound(struct describer *d, const struct member_span *point)
{
	struct member_span data;
	int rc = member_find(point->data, point->len, "data", 4, &data);

	buf_clear(&d->scratch);
	buf_clear(&d->point);
	if (rc == ERR_OK)
		rc = member_string(data.data, data.len, &d->scratch);
	if (rc == ERR_OK)
		rc = base64_decode(d->scratch.data, d->scratch.len, &d->point);
	if (rc == ERR_NOMEM)
		return rc;
	if (rc != ERR_OK || d->point.len == 0 || d->point.len > KEY_MAX)
		return ERR_FORMAT;
	rc = buf_puts(&d->out->json, ",{\"lower\":\"");
	for (size_t i = 0; i < d->point.len && rc == ERR_OK; i++)
		rc = buf_printf(&d->out->json, "%02x", d->point.data[i]);
	return rc == ERR_OK ? buf_puts(&d->out->json, "\"}") : rc;
}

static int
describe_put_bounds(struct describer *d, const struct member_span *points)
{
	size_t start = d->out->json.len;
	struct member_walk walk = {0};
	struct member_span point;
	int rc = buf_puts(&d->out->json, ",\"shards\":[{\"lower\":null}");

	while (rc == ERR_OK &&
	       (rc = member_element(points->data, points->len, &walk, &point)) == ERR_OK)
		rc = describe_put_bound(d, &point);
	if (rc == ERR_END)
		rc = buf_putc(&d->out->json, ']');
	if (rc != ERR_OK)
		d->out->json.len = start;
	return rc == ERR_FORMAT ? ERR_OK : rc;
}

static int
describe_read_bounds(struct describer *d, struct err *e)
{
	struct member_span row, scheme, points;
	int rc;

	buf_clear(&d->query);
	if (query_system(&d->query, "_debug_table_status", d->out->id) != ERR_OK)
		return err_nomem(e);
	rc = describe_ask(d, &row, e);
	if (rc != ERR_OK)
		return describe_without(d, rc) ? ERR_OK : rc;
	if (member_find(row.data, row.len, "shard_scheme", 12, &scheme) != ERR_OK ||
	    member_find(scheme.data, scheme.len, "split_points", 12, &points) != ERR_OK)
		return ERR_OK;
	return describe_put_bounds(d, &points) == ERR_OK ? ERR_OK : err_nomem(e);
}

/* ---- all of it ---- */

static void
describer_finish(struct describer *d, int rc)
{
	buf_finish(&d->query);
	buf_finish(&d->answer);
	buf_finish(&d->scratch);
	buf_finish(&d->point);
	if (rc != ERR_OK)
		describe_finish(d->out);
}

int
describe_info(
    struct connection *c, const struct query_table *t, struct describe *out, struct err *e)
{
	struct describer d = {.c = c, .t = t, .out = out};
	int rc;

	describe_finish(out);
	rc = describe_read_info(&d, e);
	describer_finish(&d, rc);
	return rc;
}

int
describe_same(struct connection *c, const struct query_table *t, const char *id, struct err *e)
{
	struct describe now = {0};
	int rc = describe_info(c, t, &now, e);

	if (rc == ERR_OK && strcmp(now.id, id) != 0)
		rc = err_set(e, ERR_ABSENT, "it was dropped and made anew while it was read");
	describe_finish(&now);
	return rc;
}

int
describe_table(struct connection *c, const struct query_table *t, bool admin, const struct log *log,
    struct describe *out, struct err *e)
{
	struct describer d = {.c = c, .t = t, .log = log, .out = out};
	struct err own;
	int rc;

	if (e == NULL)
		e = &own;
	describe_finish(out);
	rc = describe_read_info(&d, e);
	if (rc == ERR_OK)
		rc = describe_read_indexes(&d, e);
	if (rc == ERR_OK && connection_modern(c)) {
		rc = describe_read_config(&d, e);
		if (rc == ERR_OK && !d.hook_known)
			rc = describe_read_hook(&d, e);
		if (rc == ERR_OK && admin && out->id[0] != '\0')
			rc = describe_read_bounds(&d, e);
	}
	if (rc == ERR_OK && buf_putc(&out->json, '}') != ERR_OK)
		rc = err_nomem(e);
	describer_finish(&d, rc);
	return rc;
}
