/* Where to cut a table that is read over several connections: the contract is in capture.h. */
#include "snapshot/capture_internal.h"

#include <stdlib.h>

#define CUTS_PAGE 1024 /* versions read at a time */

/* Put every ${step}-th key of ${snap} into ${out}, the first left out; fewer when reading fails. */
static size_t
cuts_walk(const struct capture *c, const struct snapshots_snapshot *snap, uint64_t step, size_t n,
    struct key *out)
{
	static const struct key none;
	struct versions_version *page = calloc(CUTS_PAGE, sizeof(*page));
	struct key after = {0};
	uint64_t number = 0;
	size_t got = 0, rows = page != NULL ? CUTS_PAGE : 0;

	while (rows == CUTS_PAGE && got < n) {
		if (versions_page(c->cat, snap->table_id, snap->id, &after, false, &none, page,
			CUTS_PAGE, &rows, NULL) != ERR_OK)
			break;
		for (size_t i = 0; i < rows && got < n; i++, number++)
			if (number > 0 && number % step == 0)
				out[got++] = page[i].key;
		if (rows > 0)
			after = page[rows - 1].key;
	}
	free(page);
	return got;
}

size_t
capture_cuts(void *arg, const char *database, const char *table, uint64_t documents, size_t n,
    struct key *out)
{
	const struct capture *c = arg;
	struct tables_table found;
	struct snapshots_snapshot last;

	if (tables_find(c->cat, database, table, &found, NULL) != ERR_OK ||
	    snapshots_latest(c->cat, found.id, &last, NULL) != ERR_OK || last.documents <= n ||
	    last.documents < documents / 2)
		return 0;
	return cuts_walk(c, &last, last.documents / (n + 1), n, out);
}
