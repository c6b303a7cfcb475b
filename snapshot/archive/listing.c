/* The tables of a source: the contracts are in listing.h. */
#include "snapshot/archive/listing.h"

#include "catalog/tables.h"
#include "snapshot/source.h"

#include <stdlib.h>
#include <string.h>

static int
listing_compare(const struct listing_table *t, const char *database, const char *table)
{
	int order = strcmp(t->database, database);

	return order != 0 ? order : strcmp(t->table, table);
}

/* The place of the first table that is not before the one given. */
static size_t
listing_place(const struct listing *l, const char *database, const char *table)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (listing_compare(l->list[middle], database, table) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct listing_table *
listing_new(const char *database, const char *table)
{
	size_t first = strlen(database) + 1, second = strlen(table) + 1;
	struct listing_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->database = malloc(first + second);
	if (t->database == NULL) {
		free(t);
		return NULL;
	}
	memcpy(t->database, database, first);
	t->table = t->database + first;
	memcpy(t->table, table, second);
	return t;
}

static int
listing_grow(struct listing *l, struct err *e)
{
	size_t cap = l->cap > 0 ? l->cap * 2 : 16;
	struct listing_table **list;

	if (l->n >= SOURCE_TABLES_MAX)
		return err_set(e, ERR_LIMIT, "more than %u tables", SOURCE_TABLES_MAX);
	if (l->n < l->cap)
		return ERR_OK;
	list = realloc(l->list, cap * sizeof(*list));
	if (list == NULL)
		return err_nomem(e);
	l->list = list;
	l->cap = cap;
	return ERR_OK;
}

int
listing_put(struct listing *l, const char *database, const char *table, struct listing_table **out,
    struct err *e)
{
	size_t at = listing_place(l, database, table);
	struct listing_table *t;
	int rc;

	if (at < l->n && listing_compare(l->list[at], database, table) == 0) {
		*out = l->list[at];
		return ERR_OK;
	}
	rc = listing_grow(l, e);
	if (rc != ERR_OK)
		return rc;
	t = listing_new(database, table);
	if (t == NULL)
		return err_nomem(e);
	memmove(&l->list[at + 1], &l->list[at], (l->n - at) * sizeof(*l->list));
	l->list[at] = t;
	l->n++;
	*out = t;
	return ERR_OK;
}

unsigned
listing_extension(const char *name, char *table, size_t size)
{
	static const struct {
		const char *extension;
		unsigned flag;
	} known[] = {{".info", LISTING_INFO}, {".json", LISTING_JSON}, {".ndjson", LISTING_NDJSON},
	    {".csv", LISTING_CSV}};
	size_t len = strcspn(name, ".");

	if (len >= size || !tables_name_valid(name, len))
		return 0;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(name + len, known[i].extension) != 0)
			continue;
		memcpy(table, name, len);
		table[len] = '\0';
		return known[i].flag;
	}
	return 0;
}

void
listing_finish(struct listing *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->list[i]->database);
		free(l->list[i]);
	}
	free(l->list);
	*l = (struct listing){0};
}
