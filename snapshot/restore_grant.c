/*
 * Granting the permissions that a snapshot has saved, to users that are there: a user that is made
 * here could have no password but an empty or an invented one, so none is made. Global permissions
 * and those of a database are granted only when what they are about is restored as a whole. The
 * contract is in restore_internal.h.
 */
#include "snapshot/restore_internal.h"

#include <stdlib.h>
#include <string.h>

/* A user that has been looked up. */
struct grant_user {
	struct grant_user *next;
	bool there;
	char name[]; /* NUL-terminated */
};

/* All grants of one restore. */
struct granting {
	struct restore *r;
	struct restore_result *result;
	struct grant_user *users; /* owned; the last one looked up first */
	struct buf user;          /* of the row at hand, NUL-terminated behind len */
	struct buf permissions;   /* of the row at hand: JSON that a server takes */
};

/* ---- rows ---- */

bool
restore_grant_find(const struct restore_job *job, struct member_span *rows)
{
	return member_find(job->config.data, job->config.len, "permissions", 11, rows) == ERR_OK &&
	       rows->data[0] == '[';
}

/* Whether the member ${name} of ${row} is the name ${want}. Names need no escaping. */
static bool
grant_names(const struct member_span *row, const char *name, const char *want)
{
	struct member_span value;
	size_t len = strlen(want);

	return member_find(row->data, row->len, name, strlen(name), &value) == ERR_OK &&
	       value.len == len + 2 && memcmp(value.data + 1, want, len) == 0;
}

/* Whether the whole database of ${job} is restored under one name. */
static bool
grant_whole_database(const struct granting *g, const struct restore_job *job)
{
	const struct selection_options *s = &g->r->options->select;
	const char *into = g->r->options->into;

	if (into != NULL && strchr(into, '.') != NULL)
		return false;
	for (size_t i = 0; i < s->n_only; i++)
		if (strcmp(s->only[i], job->table.item->table.database) == 0)
			return true;
	return s->n_only == 0;
}

/*
 * Where the permissions of ${row} go; false when they are not to be granted. The row of a database
 * stands in each of its tables, and a global one in all: ${first} says of which ${job} is the
 * first.
 */
static bool
grant_place(const struct granting *g, const struct restore_job *job, const struct member_span *row,
    bool first_of_all, bool first_of_database, struct alter_grant *out)
{
	const struct tables_table *from = &job->table.item->table;
	struct member_span value;
	bool of_table = member_find(row->data, row->len, "table", 5, &value) == ERR_OK;

	if (member_find(row->data, row->len, "database", 8, &value) != ERR_OK)
		return !of_table && first_of_all && g->r->options->select.n_only == 0 &&
		       g->r->options->into == NULL;
	out->database = job->table.database;
	out->table = of_table ? job->table.name : NULL;
	return grant_names(row, "database", from->database) &&
	       (of_table ? grant_names(row, "table", from->name)
			 : first_of_database && grant_whole_database(g, job));
}

/* Copy what a server knows as permissions, and nothing else. */
static int
grant_permissions(struct granting *g, const struct member_span *row)
{
	static const char *const names[] = {"read", "write", "config", "connect"};
	struct member_span given, value;
	struct buf *out = &g->permissions;
	int rc;

	buf_clear(out);
	if (member_find(row->data, row->len, "permissions", 11, &given) != ERR_OK)
		return ERR_OK;
	rc = buf_putc(out, '{');
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && rc == ERR_OK; i++) {
		if (member_find(given.data, given.len, names[i], strlen(names[i]), &value) !=
			ERR_OK ||
		    (value.data[0] != 't' && value.data[0] != 'f'))
			continue;
		rc = buf_printf(out, "%s\"%s\":%s", out->len > 1 ? "," : "", names[i],
		    value.data[0] == 't' ? "true" : "false");
	}
	return rc == ERR_OK ? buf_putc(out, '}') : rc;
}

/* ---- users ---- */

static int
grant_look_up(struct granting *g, const char *name, bool *there, struct err *e)
{
	struct buf *query = restore_live_query(g->r);
	struct member_span row = {0};
	int rc = restore_live_ask(g->r, query_system(query, "users", name), true, &row, e);

	*there = row.data != NULL;
	if (rc != ERR_OK)
		err_prefix(e, "looking for user \"%.100s\"", name);
	return rc;
}

static int
grant_remember(struct granting *g, const char *name, bool there, struct err *e)
{
	size_t len = strlen(name);
	struct grant_user *user = malloc(sizeof(*user) + len + 1);

	if (user == NULL)
		return err_nomem(e);
	user->next = g->users;
	user->there = there;
	memcpy(user->name, name, len + 1);
	g->users = user;
	return ERR_OK;
}

/* Tell of one grant; a failed one is counted. */
static void
grant_tell(struct granting *g, const struct alter_grant *grant, const struct err *e)
{
	const struct restore_options *o = g->r->options;

	g->result->granted += e == NULL;
	g->result->not_granted += e != NULL;
	if (o->granted != NULL)
		o->granted(o->arg, grant, e);
}

/* Whether the user of ${grant} is there; one that is not is told of once. */
static int
grant_user_there(struct granting *g, const struct alter_grant *grant, bool *there, struct err *e)
{
	struct err why = {0};
	int rc;

	for (const struct grant_user *user = g->users; user != NULL; user = user->next)
		if (strcmp(user->name, grant->user) == 0) {
			*there = user->there;
			return ERR_OK;
		}
	rc = grant_look_up(g, grant->user, there, e);
	if (rc == ERR_OK)
		rc = grant_remember(g, grant->user, *there, e);
	if (rc != ERR_OK || *there)
		return rc;
	err_set(&why, ERR_ABSENT,
	    "there is no such user; make it with a password of its own, and restore again");
	grant_tell(g, &(struct alter_grant){.user = grant->user}, &why);
	return ERR_OK;
}

/* ---- granting ---- */

static int
grant_one(struct granting *g, const struct alter_grant *grant, struct err *e)
{
	struct buf *query;
	struct err why = {0};
	bool there = false;
	int rc = grant_user_there(g, grant, &there, e);

	if (rc != ERR_OK || !there)
		return rc;
	if (g->r->options->dry_run) {
		grant_tell(g, grant, NULL);
		return ERR_OK;
	}
	query = restore_live_query(g->r);
	rc = restore_live_ask(g->r, alter_grant(query, grant), true, NULL, &why);
	if (rc == ERR_INTR || rc == ERR_NOMEM || rc == ERR_DENIED || rc == ERR_IO)
		return err_set(e, rc, "%s", why.text);
	grant_tell(g, grant, rc == ERR_OK ? NULL : &why);
	return ERR_OK;
}

static int
grant_row(struct granting *g, const struct restore_job *job, const struct member_span *row,
    bool first_of_all, bool first_of_database, struct err *e)
{
	struct alter_grant grant = {0};
	struct member_span name;

	buf_clear(&g->user);
	if (member_find(row->data, row->len, "user", 4, &name) != ERR_OK ||
	    !grant_place(g, job, row, first_of_all, first_of_database, &grant))
		return ERR_OK;
	if (member_string(name.data, name.len, &g->user) == ERR_NOMEM ||
	    buf_str(&g->user) == NULL || grant_permissions(g, row) != ERR_OK ||
	    buf_str(&g->permissions) == NULL)
		return err_nomem(e);
	grant.user = (const char *)g->user.data;
	grant.permissions = (const char *)g->permissions.data;
	/* The administrator has all of them, and they cannot be changed. */
	if (g->user.len == 0 || strlen(grant.user) != g->user.len ||
	    strcmp(grant.user, "admin") == 0 || g->permissions.len <= 2)
		return ERR_OK;
	return grant_one(g, &grant, e);
}

static int
grant_job(struct granting *g, const struct restore_job *job, bool first_of_all,
    bool first_of_database, struct err *e)
{
	struct member_walk walk = {0};
	struct member_span rows, row;
	int rc = restore_stopped(g->r, e);

	if (!restore_grant_find(job, &rows))
		return rc;
	while (rc == ERR_OK && member_element(rows.data, rows.len, &walk, &row) == ERR_OK)
		rc = grant_row(g, job, &row, first_of_all, first_of_database, e);
	return rc;
}

static int
grant_all(struct granting *g, struct err *e)
{
	const struct restore_job *last = NULL;
	int rc = ERR_OK;

	for (size_t i = 0; i < g->r->n_jobs && rc == ERR_OK; i++) {
		const struct restore_job *job = &g->r->jobs[i];
		bool first = last == NULL || strcmp(last->table.item->table.database,
						 job->table.item->table.database) != 0;
		if (!job->restored)
			continue;
		rc = grant_job(g, job, last == NULL, first, e);
		last = job;
	}
	return rc;
}

int
restore_grant(struct restore *r, struct restore_result *result, struct err *e)
{
	struct granting g = {.r = r, .result = result};
	int rc = grant_all(&g, e);

	if (rc != ERR_OK && rc != ERR_INTR && rc != ERR_NOMEM) {
		grant_tell(&g, &(struct alter_grant){0}, e);
		rc = ERR_OK;
	}
	while (g.users != NULL) {
		struct grant_user *user = g.users;
		g.users = user->next;
		free(user);
	}
	buf_finish(&g.user);
	buf_finish(&g.permissions);
	return rc;
}
