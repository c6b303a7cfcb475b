/* What a server has besides its tables: the contracts are in record.h. */
#include "snapshot/rdb/record.h"

#include "snapshot/json/canon.h"
#include "snapshot/rdb/ask.h"
#include "snapshot/rdb/query.h"

#include <stdio.h>
#include <string.h>

/* One reading. */
struct reader {
	struct connection *c;
	const char *user;
	const struct log *log;
	struct record *out;
	struct buf query, answer;
	struct buf denied; /* names of the system tables that the user may not see */
};

void
record_finish(struct record *r)
{
	buf_finish(&r->json);
	buf_finish(&r->permissions);
	buf_finish(&r->version);
	*r = (struct record){0};
}

/* ---- permissions ---- */

/* Append the member ${name} of ${row} to the object in ${out}, if the row has it. */
static int
record_copy(const struct member_span *row, const char *name, struct buf *out)
{
	struct member_span value;

	if (member_find(row->data, row->len, name, strlen(name), &value) != ERR_OK)
		return ERR_OK;
	if (buf_printf(out, "%s\"%s\":", out->data[out->len - 1] == '{' ? "" : ",", name) != ERR_OK)
		return ERR_NOMEM;
	return buf_append(out, value.data, value.len);
}

/* Keep of each row the names and what is permitted; its id has those names as numbers. */
static int
record_permissions(const struct member_span *rows, struct buf *out)
{
	static const char *const names[] = {"database", "permissions", "table", "user"};
	struct member_walk walk = {0};
	struct member_span row;
	int rc = buf_putc(out, '[');

	while (
	    rc == ERR_OK && (rc = member_element(rows->data, rows->len, &walk, &row)) == ERR_OK) {
		rc = buf_puts(out, out->len > 1 ? ",{" : "{");
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && rc == ERR_OK; i++)
			rc = record_copy(&row, names[i], out);
		if (rc == ERR_OK)
			rc = buf_putc(out, '}');
	}
	return rc == ERR_NOMEM ? rc : buf_putc(out, ']');
}

/* ---- reading ---- */

/* Append ,"NAME":VALUE to the record. */
static int
record_put(struct record *r, const char *name, const void *value, size_t len)
{
	if (buf_printf(&r->json, ",\"%s\":", name) != ERR_OK)
		return ERR_NOMEM;
	return buf_append(&r->json, value, len);
}

/* Keep the rows of a system table. What is no list of rows is no system table of RethinkDB's. */
static int
record_keep(struct reader *r, const char *name, const struct member_span *rows)
{
	struct record *out = r->out;

	if (rows->len < 2 || rows->data[0] != '[')
		return ERR_OK;
	if (rows->len > RECORD_PART_MAX) {
		log_line(r->log, LOG_WARNING, "%s: %s is too long to be saved",
		    connection_name(r->c), name);
		return ERR_OK;
	}
	if (strcmp(name, "permissions") != 0)
		return record_put(out, name, rows->data, rows->len);
	if (record_permissions(rows, &out->permissions) != ERR_OK)
		return ERR_NOMEM;
	return record_put(out, name, out->permissions.data, out->permissions.len);
}

static int
record_read_table(struct reader *r, const char *name, struct err *e)
{
	struct member_span rows = {0};
	struct err why = {0};
	int rc;

	buf_clear(&r->query);
	if (query_system_rows(&r->query, name) != ERR_OK)
		return err_nomem(e);
	rc = ask_first(r->c, &r->query, &r->answer, &rows, &why);
	if (rc == ERR_OK)
		return record_keep(r, name, &rows) == ERR_OK ? ERR_OK : err_nomem(e);
	if (!connection_usable(r->c) || rc == ERR_NOMEM || rc == ERR_INTR)
		return err_set(e, rc, "%s", why.text);
	if (rc == ERR_DENIED)
		return buf_printf(&r->denied, "%s%s", r->denied.len > 0 ? ", " : "", name) == ERR_OK
			   ? ERR_OK
			   : err_nomem(e);
	/* Old servers do not have all of them. */
	log_line(r->log, rc == ERR_ABSENT || rc == ERR_FORMAT ? LOG_DETAIL : LOG_WARNING,
	    "%s: %s is not saved: %s", connection_name(r->c), name, why.text);
	return ERR_OK;
}

static void
record_tell(struct reader *r)
{
	const char *names = buf_str(&r->denied);

	if (r->denied.len > 0 && names != NULL)
		log_line(r->log, LOG_NOTICE,
		    "%s: %s are not saved: user \"%s\" lacks the permission \"read\" on the "
		    "database \"rethinkdb\"",
		    connection_name(r->c), names, r->user);
}

static int
record_read_all(struct reader *r, struct err *e)
{
	static const char *const names[] = {
	    "users", "permissions", "db_config", "server_config", "cluster_config"};
	const char *version = connection_version(r->c);
	struct record *out = r->out;
	int rc = canon_put_string(&out->version, version, strlen(version));

	if (rc == ERR_OK)
		rc = buf_puts(&out->json, "{\"server\":{\"version\":");
	if (rc == ERR_OK)
		rc = buf_append(&out->json, out->version.data, out->version.len);
	if (rc == ERR_OK)
		rc = buf_putc(&out->json, '}');
	if (rc != ERR_OK)
		return err_nomem(e);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && rc == ERR_OK; i++)
		rc = record_read_table(r, names[i], e);
	if (rc == ERR_OK && buf_putc(&out->json, '}') != ERR_OK)
		rc = err_nomem(e);
	return rc;
}

int
record_read(struct connection *c, const char *user, const struct log *log, struct record *out,
    struct err *e)
{
	struct reader r = {.c = c, .user = user, .log = log, .out = out};
	int rc;

	record_finish(out);
	rc = record_read_all(&r, e);
	if (rc == ERR_OK)
		record_tell(&r);
	else
		record_finish(out);
	buf_finish(&r.query);
	buf_finish(&r.answer);
	buf_finish(&r.denied);
	return rc;
}

/* ---- a table's part ---- */

/* Whether the member ${name} of ${row} is ${want}, or not there. Names need no escaping. */
static bool
record_concerns(const struct member_span *row, const char *name, const char *want)
{
	struct member_span value;
	size_t len = strlen(want);

	return member_find(row->data, row->len, name, strlen(name), &value) != ERR_OK ||
	       (value.len == len + 2 && memcmp(value.data + 1, want, len) == 0);
}

static int
record_describe_permissions(
    const struct record *r, const char *database, const char *table, struct buf *json)
{
	struct member_walk walk = {0};
	struct member_span row;
	bool first = true;
	int rc = buf_puts(json, ",\"permissions\":[");

	while (rc == ERR_OK &&
	       member_element(r->permissions.data, r->permissions.len, &walk, &row) == ERR_OK) {
		if (!record_concerns(&row, "database", database) ||
		    !record_concerns(&row, "table", table))
			continue;
		if (!first)
			rc = buf_putc(json, ',');
		first = false;
		if (rc == ERR_OK)
			rc = buf_append(json, row.data, row.len);
	}
	return rc == ERR_OK ? buf_putc(json, ']') : rc;
}

int
record_describe(const struct record *r, const char *database, const char *table, struct buf *json)
{
	int rc = ERR_OK;

	if (json->len < 2 || json->data[json->len - 1] != '}' || r->version.len == 0)
		return ERR_OK;
	json->len--;
	if (r->permissions.len > 0)
		rc = record_describe_permissions(r, database, table, json);
	if (rc == ERR_OK)
		rc = buf_puts(json, ",\"server\":{\"version\":");
	if (rc == ERR_OK)
		rc = buf_append(json, r->version.data, r->version.len);
	return rc == ERR_OK ? buf_puts(json, "}}") : rc;
}
