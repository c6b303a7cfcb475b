/*
 * Forgetting: the contracts are in forget.h. Order on disk: the intention is committed, the markers
 * are written, the commit that hides the snapshots. What is cut off before that last commit is
 * undone by the next writer (reclaim.h): so the markers and the catalogue always say the same.
 */
#include "snapshot/forget.h"

#include "catalog/base/date.h"
#include "catalog/forgotten.h"
#include "catalog/named.h"
#include "catalog/tags.h"
#include "snapshot/reclaim.h"
#include "snapshot/store/marker.h"

#include <stdlib.h>
#include <string.h>

/* ---- plans ---- */

static int
forget_plan_add(void *arg, const struct tables_table *table,
    const struct snapshots_snapshot *snapshot, struct err *e)
{
	struct forget_plan *p = arg;

	/* Powers of two: room is made when the count reaches one. */
	if ((p->n & (p->n - 1)) == 0) {
		size_t room = p->n > 0 ? p->n * 2 : 1;
		struct forget_item *items = reallocarray(p->items, room, sizeof(*items));
		if (items == NULL)
			return err_nomem(e);
		p->items = items;
	}
	p->items[p->n++] = (struct forget_item){.table = *table, .snapshot = *snapshot};
	return ERR_OK;
}

void
forget_plan_finish(struct forget_plan *p)
{
	free(p->items);
	*p = (struct forget_plan){0};
}

/* Whether the snapshot has one of the policy's tags. */
static int
forget_tagged(struct catalog *cat, const struct forget_policy *policy, int64_t snapshot_id,
    bool *out, struct err *e)
{
	char tag[TAGS_NAME] = "";
	int rc;

	*out = false;
	while ((rc = tags_next(cat, snapshot_id, tag, tag, e)) == ERR_OK)
		for (size_t i = 0; i < policy->n_tags; i++)
			*out = *out || strcmp(policy->tags[i], tag) == 0;
	return rc == ERR_END ? ERR_OK : rc;
}

/* Judge the ${n} snapshots of one table. */
static int
forget_judge(struct catalog *cat, const struct forget_policy *policy, struct forget_item *items,
    size_t n, struct err *e)
{
	struct retention_policy rules = policy->rules;
	struct retention_item *judged = calloc(n, sizeof(*judged));
	int rc = judged != NULL ? ERR_OK : err_nomem(e);

	rules.tags = policy->n_tags > 0;
	for (size_t i = 0; i < n && rc == ERR_OK; i++) {
		const struct snapshots_snapshot *s = &items[i].snapshot;
		judged[i] = (struct retention_item){
		    .date = s->date, .pinned = s->pinned, .lost = s->lost > 0};
		rc = snapshots_gap(cat, s->id, &judged[i].gap, e);
		if (rc == ERR_OK && rules.tags)
			rc = forget_tagged(cat, policy, s->id, &judged[i].tagged, e);
	}
	if (rc == ERR_OK)
		retention_apply(&rules, judged, n);
	for (size_t i = 0; i < n && rc == ERR_OK; i++)
		items[i].reasons = judged[i].reasons;
	free(judged);
	return rc;
}

/* Judge all tables of the plan, whose snapshots stand together. */
static int
forget_judge_all(
    struct catalog *cat, const struct forget_policy *policy, struct forget_plan *p, struct err *e)
{
	int rc = ERR_OK;

	for (size_t from = 0, to; from < p->n && rc == ERR_OK; from = to) {
		for (to = from + 1; to < p->n; to++)
			if (p->items[to].table.id != p->items[from].table.id)
				break;
		rc = forget_judge(cat, policy, p->items + from, to - from, e);
	}
	for (size_t i = 0; i < p->n; i++)
		p->forgotten += p->items[i].reasons == 0;
	return rc;
}

int
forget_plan_policy(
    struct catalog *cat, const struct forget_policy *policy, struct forget_plan *out, struct err *e)
{
	struct forget_plan p = {0};
	int rc = named_tables(cat, policy->only, policy->n_only, forget_plan_add, &p, e);

	if (rc == ERR_OK)
		rc = forget_judge_all(cat, policy, &p, e);
	if (rc != ERR_OK) {
		forget_plan_finish(&p);
		return rc;
	}
	*out = p;
	return ERR_OK;
}

static int
forget_by_name(const void *a, const void *b)
{
	const struct forget_item *x = a, *y = b;
	int order = strcmp(x->table.database, y->table.database);

	if (order == 0)
		order = strcmp(x->table.name, y->table.name);
	if (order == 0)
		order = (x->snapshot.id > y->snapshot.id) - (x->snapshot.id < y->snapshot.id);
	return order;
}

/* Whether a snapshot that was named may be forgotten: ERR_OK, ERR_WRONG_STATE or a failure. */
static int
forget_may(struct catalog *cat, const struct forget_item *item, struct err *e)
{
	const struct tables_table *t = &item->table;
	char date[DATE_NAME];
	bool gap;
	int rc;

	date_name(item->snapshot.date, date);
	if (item->snapshot.pinned)
		return err_set(e, ERR_WRONG_STATE,
		    "%s.%s of %s is pinned; first: thinkback tag remove pin %s.%s %s", t->database,
		    t->name, date, t->database, t->name, date);
	rc = snapshots_gap(cat, item->snapshot.id, &gap, e);
	if (rc == ERR_OK && gap)
		return err_set(e, ERR_WRONG_STATE,
		    "%s.%s of %s has lost a pack, and only it tells later snapshots apart from "
		    "what was before: it is kept",
		    t->database, t->name, date);
	return rc;
}

/* Sort what was named, each snapshot once; all of them may be forgotten. */
static int
forget_plan_settle(struct catalog *cat, struct forget_plan *p, struct err *e)
{
	size_t n = 0;
	int rc;

	if (p->n > 0)
		qsort(p->items, p->n, sizeof(*p->items), forget_by_name);
	for (size_t i = 0; i < p->n; i++) {
		const struct forget_item *item = &p->items[i];
		if (n > 0 && item->snapshot.id == p->items[n - 1].snapshot.id)
			continue;
		rc = forget_may(cat, item, e);
		if (rc != ERR_OK)
			return rc;
		p->items[n++] = *item;
	}
	p->n = p->forgotten = n;
	return ERR_OK;
}

int
forget_plan_named(struct catalog *cat, const char *name, char *const *dates, size_t n,
    struct forget_plan *out, struct err *e)
{
	struct forget_plan p = {0};
	int rc = ERR_OK;

	for (size_t i = 0; i < n && rc == ERR_OK; i++)
		rc = named_at(cat, name, dates[i], forget_plan_add, &p, e);
	if (rc == ERR_OK)
		rc = forget_plan_settle(cat, &p, e);
	if (rc != ERR_OK) {
		forget_plan_finish(&p);
		return rc;
	}
	*out = p;
	return ERR_OK;
}

/* ---- carrying out ---- */

static int
forget_mark(const struct repo *repo, const struct forget_plan *plan, struct err *e)
{
	int rc = ERR_OK;

	for (size_t i = 0; i < plan->n && rc == ERR_OK; i++) {
		const struct snapshots_snapshot *s = &plan->items[i].snapshot;
		const struct marker m = {.snapshot_id = (uint64_t)s->id,
		    .table_id = (uint64_t)s->table_id,
		    .date = s->date};
		if (plan->items[i].reasons == 0)
			rc = marker_save(repo->packsfd, &m, e);
	}
	return rc;
}

int
forget_run(
    const struct repo *repo, struct catalog *cat, const struct forget_plan *plan, struct err *e)
{
	int64_t *ids;
	size_t n = 0;
	int rc;

	if (plan->forgotten == 0)
		return ERR_OK;
	ids = calloc(plan->forgotten, sizeof(*ids));
	if (ids == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < plan->n && n < plan->forgotten; i++)
		if (plan->items[i].reasons == 0)
			ids[n++] = plan->items[i].snapshot.id;
	rc = forgotten_intend(cat, ids, n, e);
	if (rc == ERR_OK) {
		rc = forget_mark(repo, plan, e);
		if (rc == ERR_OK)
			rc = forgotten_hide(cat, ids, n, e);
		/* What cannot be undone now is left to the next writer, and so is the ledger. */
		if (rc == ERR_OK)
			rc = reclaim_leftovers(repo, cat, e);
		else
			(void)reclaim_leftovers(repo, cat, NULL);
	}
	free(ids);
	return rc;
}
