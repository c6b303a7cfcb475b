/*
 * What a view remembers of the catalogue: the dates of a few tables, the bounds of a few date
 * directories, the dates of packs. All of it is forgotten when the catalogue changes.
 */
#include "fs/view_internal.h"

#include "catalog/packs.h"

#include <stdlib.h>
#include <string.h>

static void
view_cache_forget(struct view *v)
{
	for (size_t i = 0; i < VIEW_TABLES; i++)
		free(v->tables[i].dates);
	memset(v->tables, 0, sizeof(v->tables));
	memset(v->ranges, 0, sizeof(v->ranges));
	memset(v->packs, 0, sizeof(v->packs));
	v->json_snapshot = 0;
}

void
view_cache_finish(struct view *v)
{
	view_cache_forget(v);
	buf_finish(&v->json);
}

/*
 * Go over to another catalogue that has taken the place of the one that is open. While there is
 * none that can be opened, the old one goes on answering.
 */
static int
view_cache_follow(struct view *v, struct err *e)
{
	bool changed;
	int rc = catalog_follow(v->repo, &v->catalog, &changed, e);

	if (changed)
		v->known = false;
	return rc == ERR_BUSY ? ERR_OK : rc;
}

int
view_cache_refresh(struct view *v, struct err *e)
{
	uint64_t generation;
	uint64_t stamp;
	int rc = view_cache_follow(v, e);

	if (rc == ERR_OK)
		rc = catalog_generation(v->catalog, &generation, e);
	/* A snapshot that is being built commits all the time: nothing of that is to be seen. */
	if (rc != ERR_OK || (v->known && generation == v->generation))
		return rc;
	rc = snapshots_stamp(v->catalog, &stamp, e);
	if (rc != ERR_OK)
		return rc;
	if (!v->known || stamp != v->stamp)
		view_cache_forget(v);
	v->generation = generation;
	v->stamp = stamp;
	v->known = true;
	return ERR_OK;
}

int
view_cache_changed(struct view *v, bool *changed, struct err *e)
{
	uint64_t before = v->stamp;
	int rc = view_cache_refresh(v, e);

	*changed = rc == ERR_OK && v->stamp != before;
	return rc;
}

/* Add a date; the room in t->dates is ${cap}. */
static int
view_cache_append(struct view_table *t, size_t *cap, struct view_date d, struct err *e)
{
	if (t->n == *cap) {
		size_t more = *cap == 0 ? 64 : *cap * 2;
		struct view_date *p = reallocarray(t->dates, more, sizeof(*p));
		if (p == NULL)
			return err_nomem(e);
		t->dates = p;
		*cap = more;
	}
	t->dates[t->n++] = d;
	if (d.shards > t->shards_most)
		t->shards_most = d.shards;
	return ERR_OK;
}

/* Read all complete snapshots of a table. */
static int
view_cache_load(struct view *v, int64_t table_id, struct view_table *out, struct err *e)
{
	struct view_table t = {.id = table_id};
	struct snapshots_snapshot s = {0};
	size_t cap = 0;
	int rc;

	while ((rc = snapshots_next(v->catalog, table_id, s.id, &s, e)) == ERR_OK) {
		rc = view_cache_append(&t, &cap, (struct view_date){s.id, s.date, s.shards}, e);
		if (rc != ERR_OK)
			break;
	}
	if (rc == ERR_END && t.n > 0) {
		*out = t;
		return ERR_OK;
	}
	free(t.dates);
	return rc == ERR_END ? ERR_ABSENT : rc;
}

int
view_cache_table(struct view *v, int64_t table_id, const struct view_table **out, struct err *e)
{
	struct view_table *place = &v->tables[0];
	struct view_table loaded;
	int rc;

	if (table_id <= 0)
		return ERR_ABSENT;
	v->clock++;
	for (size_t i = 0; i < VIEW_TABLES; i++) {
		struct view_table *t = &v->tables[i];
		if (t->id == table_id) {
			t->used = v->clock;
			*out = t;
			return ERR_OK;
		}
		if (t->used < place->used)
			place = t;
	}
	rc = view_cache_load(v, table_id, &loaded, e);
	if (rc != ERR_OK)
		return rc;
	free(place->dates);
	*place = loaded;
	place->used = v->clock;
	*out = place;
	return ERR_OK;
}

int
view_cache_range(
    struct view *v, int64_t snapshot_id, uint64_t shard, struct view_range *out, struct err *e)
{
	struct view_range *place = &v->ranges[v->range_turn];
	struct snapshots_snapshot s;
	struct snapshots_shard b;
	int rc;

	for (size_t i = 0; i < VIEW_RANGES; i++) {
		if (v->ranges[i].snapshot_id == snapshot_id && v->ranges[i].shard == shard) {
			*out = v->ranges[i];
			return ERR_OK;
		}
	}
	rc = snapshots_get(v->catalog, snapshot_id, &s, e);
	if (rc == ERR_OK)
		rc = snapshots_shard(v->catalog, snapshot_id, shard, &b, e);
	if (rc != ERR_OK)
		return rc;
	*place = (struct view_range){
	    .snapshot_id = snapshot_id,
	    .table_id = s.table_id,
	    .date = s.date,
	    .shard = shard,
	    .lower = b.lower,
	    .upper = b.upper,
	};
	v->range_turn = (v->range_turn + 1) % VIEW_RANGES;
	*out = *place;
	return ERR_OK;
}

int
view_cache_pack(struct view *v, int64_t pack_id, int64_t *date, struct err *e)
{
	struct view_pack *place = &v->packs[(uint64_t)pack_id % VIEW_PACKS];
	struct packs_pack p;
	int rc;

	if (place->id != pack_id) {
		rc = packs_get(v->catalog, pack_id, &p, e);
		if (rc != ERR_OK)
			return rc;
		*place = (struct view_pack){pack_id, p.date};
	}
	*date = place->date;
	return ERR_OK;
}

/* The first place in ${t} whose id is at least ${id}. */
static size_t
view_cache_search(const struct view_table *t, int64_t id)
{
	size_t low = 0;
	size_t high = t->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (t->dates[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint64_t
view_cache_between(const struct view_table *t, int64_t born, int64_t died)
{
	size_t first = view_cache_search(t, born);
	size_t end = view_cache_search(t, died);

	return end > first ? end - first : 0;
}

const struct view_date *
view_cache_newest(const struct view_table *t, uint64_t shard)
{
	for (size_t i = t->n; i > 0; i--)
		if (t->dates[i - 1].shards > shard)
			return &t->dates[i - 1];
	return NULL;
}

const struct view_date *
view_cache_at(const struct view_table *t, int64_t date, uint64_t shard)
{
	size_t low = 0;
	size_t high = t->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (t->dates[middle].date < date)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == t->n || t->dates[low].date != date || t->dates[low].shards <= shard)
		return NULL;
	return &t->dates[low];
}

const struct view_date *
view_cache_after(const struct view_table *t, int64_t id, uint64_t shard)
{
	for (size_t i = view_cache_search(t, id + 1); i < t->n; i++)
		if (t->dates[i].shards > shard)
			return &t->dates[i];
	return NULL;
}
