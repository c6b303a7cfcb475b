/* Snapshots that a user names: the contracts are in named.h. */
#include "catalog/named.h"

#include "catalog/base/date.h"

#include <stdlib.h>
#include <string.h>

/* Hand each table that has something to show to ${each}. */
static int
named_each_table(struct catalog *c,
    int (*each)(void *arg, const struct tables_table *table, struct err *e), void *arg,
    struct err *e)
{
	struct tables_database d = {0};
	int rc;

	while ((rc = tables_database_next(c, d.name, &d, e)) == ERR_OK) {
		struct tables_table t = {0};
		while ((rc = tables_next(c, d.id, t.name, &t, e)) == ERR_OK)
			if ((rc = each(arg, &t, e)) != ERR_OK)
				return rc;
		if (rc != ERR_END)
			return rc;
	}
	return rc == ERR_END ? ERR_OK : rc;
}

/* ---- whole tables ---- */

/* A walk over the snapshots of some tables. */
struct named_walk {
	struct catalog *c;
	const char *const *only; /* names that choose; none: all */
	size_t n_only;           /* of these */
	bool *met;               /* which of them fitted something */
	named_visit visit;       /* for each snapshot */
	void *arg;               /* handed to it */
	bool any;                /* it was called */
};

static int
named_walk_table(void *arg, const struct tables_table *table, struct err *e)
{
	struct named_walk *w = arg;
	struct snapshots_snapshot s = {0};
	int rc;

	if (!tables_match(w->only, w->n_only, table->database, table->name))
		return ERR_OK;
	for (size_t i = 0; i < w->n_only; i++)
		if (tables_match(&w->only[i], 1, table->database, table->name))
			w->met[i] = true;
	while ((rc = snapshots_next(w->c, table->id, s.id, &s, e)) == ERR_OK) {
		w->any = true;
		rc = w->visit(w->arg, table, &s, e);
		if (rc != ERR_OK)
			return rc;
	}
	return rc == ERR_END ? ERR_OK : rc;
}

int
named_tables(struct catalog *c, const char *const *only, size_t n, named_visit visit, void *arg,
    struct err *e)
{
	struct named_walk w = {.c = c, .only = only, .n_only = n, .visit = visit, .arg = arg};
	int rc;

	w.met = calloc(n + 1, sizeof(*w.met));
	if (w.met == NULL)
		return err_nomem(e);
	rc = named_each_table(c, named_walk_table, &w, e);
	for (size_t i = 0; i < n && rc == ERR_OK; i++)
		if (!w.met[i])
			rc = err_set(e, ERR_ABSENT, "there are no snapshots of %s", only[i]);
	if (rc == ERR_OK && !w.any)
		rc = err_set(e, ERR_ABSENT, "there are no snapshots");
	free(w.met);
	return rc;
}

/* ---- one date ---- */

/* A look for the snapshots of one date. */
struct named_look {
	struct catalog *c;
	const char *name;  /* DB or DB.TABLE */
	bool latest;       /* the newest of each table, and not this: */
	int64_t date;      /* seconds */
	named_visit visit; /* for each snapshot */
	void *arg;         /* handed to it */
	bool any;          /* it was called */
};

static int
named_look_table(void *arg, const struct tables_table *table, struct err *e)
{
	struct named_look *l = arg;
	struct snapshots_snapshot s;
	int rc;

	if (!tables_match(&l->name, 1, table->database, table->name))
		return ERR_OK;
	rc = l->latest ? snapshots_latest(l->c, table->id, &s, e)
		       : snapshots_at(l->c, table->id, l->date, &s, e);
	if (rc == ERR_ABSENT)
		return ERR_OK;
	if (rc != ERR_OK)
		return rc;
	l->any = true;
	return l->visit(l->arg, table, &s, e);
}

int
named_at(struct catalog *c, const char *name, const char *date, named_visit visit, void *arg,
    struct err *e)
{
	struct named_look l = {.c = c, .name = name, .visit = visit, .arg = arg};
	int rc;

	l.latest = strcmp(date, "latest") == 0;
	if (!l.latest && date_parse(date, &l.date) != ERR_OK)
		return err_set(e, ERR_FORMAT, "'%s' is no date; see thinkback list", date);
	rc = named_each_table(c, named_look_table, &l, e);
	if (rc == ERR_OK && !l.any)
		rc = err_set(e, ERR_ABSENT, "there is no snapshot of %s at %s", name, date);
	return rc;
}
