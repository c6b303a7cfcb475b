/* Choosing snapshots: the contracts are in selection.h. */
#include "snapshot/selection.h"

#include "catalog/base/date.h"

#include <stdlib.h>
#include <string.h>

/* The newest snapshot of ${table} that is not newer than the date. */
static int
selection_choose(struct catalog *cat, const struct selection_options *o, int64_t table_id,
    struct snapshots_snapshot *out, struct err *e)
{
	struct snapshots_snapshot s = {0};
	bool found = false;
	int rc;

	if (!o->has_date)
		return snapshots_latest(cat, table_id, out, e);
	while ((rc = snapshots_next(cat, table_id, s.id, &s, e)) == ERR_OK && s.date <= o->date) {
		*out = s;
		found = true;
	}
	if (rc != ERR_OK && rc != ERR_END)
		return rc;
	return found ? ERR_OK : ERR_ABSENT;
}

static int
selection_add(struct selection *s, const struct selection_item *item, struct err *e)
{
	/* Powers of two: room is made when the count reaches one. */
	if ((s->n & (s->n - 1)) == 0) {
		size_t room = s->n > 0 ? s->n * 2 : 1;
		struct selection_item *items = realloc(s->items, room * sizeof(*items));
		if (items == NULL)
			return err_nomem(e);
		s->items = items;
	}
	s->items[s->n++] = *item;
	return ERR_OK;
}

static int
selection_database(struct catalog *cat, const struct selection_options *o, int64_t database_id,
    struct selection *out, struct err *e)
{
	struct selection_item item = {0};
	int rc;

	while ((rc = tables_next(cat, database_id, item.table.name, &item.table, e)) == ERR_OK) {
		if (!tables_match(o->only, o->n_only, item.table.database, item.table.name))
			continue;
		rc = selection_choose(cat, o, item.table.id, &item.snapshot, e);
		if (rc == ERR_OK)
			rc = selection_add(out, &item, e);
		if (rc != ERR_OK && rc != ERR_ABSENT)
			return rc;
	}
	return rc == ERR_END ? ERR_OK : rc;
}

/* Everything that was asked for by name must be among what was chosen. */
static int
selection_complete(const struct selection *s, const struct selection_options *o, struct err *e)
{
	char date[DATE_NAME] = "";

	if (o->has_date)
		date_name(o->date, date);
	for (size_t i = 0; i < o->n_only; i++) {
		bool found = false;
		for (size_t k = 0; k < s->n && !found; k++)
			found = tables_match(
			    &o->only[i], 1, s->items[k].table.database, s->items[k].table.name);
		if (!found)
			return err_set(e, ERR_ABSENT, "there is no snapshot of %s%s%s", o->only[i],
			    o->has_date ? " at or before " : "", date);
	}
	if (s->n == 0)
		return err_set(e, ERR_ABSENT, "there are no snapshots%s%s",
		    o->has_date ? " at or before " : "", date);
	return ERR_OK;
}

int
selection_make(struct catalog *cat, const struct selection_options *options, struct selection *out,
    struct err *e)
{
	struct selection s = {0};
	struct tables_database d = {0};
	int rc;

	while ((rc = tables_database_next(cat, d.name, &d, e)) == ERR_OK)
		if ((rc = selection_database(cat, options, d.id, &s, e)) != ERR_OK)
			break;
	if (rc == ERR_END)
		rc = selection_complete(&s, options, e);
	if (rc != ERR_OK) {
		selection_finish(&s);
		return rc;
	}
	*out = s;
	return ERR_OK;
}

void
selection_finish(struct selection *s)
{
	free(s->items);
	*s = (struct selection){0};
}
