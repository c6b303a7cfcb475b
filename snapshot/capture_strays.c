/*
 * Packs that the catalogue does not know: the contract is in capture_internal.h.
 *
 * A catalogue that was copied while a snapshot was taken, or put back from an older copy, knows
 * less than packs/ holds. What packs/ has more may be all that is left of a snapshot, so nothing of
 * it is removed or replaced; and a snapshot that is taken now must not get a number that packs bear
 * already, because packs/ alone has to tell one snapshot from the other.
 */
#include "catalog/packs.h"
#include "snapshot/capture_internal.h"
#include "snapshot/store/pack.h"

#include <inttypes.h>

/* What a walk through packs/ has found. */
struct strays {
	struct capture *c;
	int64_t last;       /* highest number that the catalogue has given to a pack */
	uint64_t packs;     /* packs over it */
	int64_t pack;       /* the highest number of a pack */
	int64_t dictionary; /* of a dictionary */
	int64_t snapshot;   /* of a snapshot that a stray names */
};

static int
strays_found(void *arg, uint64_t id, bool is_dictionary)
{
	struct strays *s = arg;
	int64_t number = (int64_t)id;
	struct pack *pack;

	if (is_dictionary && number > s->dictionary)
		s->dictionary = number;
	if (is_dictionary || number <= s->last)
		return ERR_OK;
	s->packs++;
	if (number > s->pack)
		s->pack = number;
	/* One that cannot be read names no snapshot. */
	if (pack_open(s->c->repo->packsfd, id, &pack, NULL) == ERR_OK) {
		if (pack_describe(pack)->snapshot_id > (uint64_t)s->snapshot)
			s->snapshot = (int64_t)pack_describe(pack)->snapshot_id;
		pack_close(pack);
	}
	return ERR_OK;
}

static int
strays_reserve(const struct strays *s, struct err *e)
{
	struct catalog *cat = s->c->cat;
	int rc = catalog_begin(cat, e);

	if (rc != ERR_OK)
		return rc;
	rc = packs_reserve(cat, s->pack, s->dictionary, s->snapshot, e);
	if (rc == ERR_OK)
		rc = catalog_commit(cat, false, e);
	if (rc != ERR_OK)
		catalog_rollback(cat);
	return rc;
}

int
capture_strays(struct capture *c, struct err *e)
{
	struct strays s = {.c = c};
	int rc = packs_last(c->cat, &s.last, e);

	if (rc == ERR_OK)
		rc = pack_list(c->repo->packsfd, strays_found, &s, e);
	if (rc != ERR_OK || s.packs == 0)
		return rc;
	log_line(c->log, LOG_WARNING,
	    "%s/packs holds newer packs (%" PRIu64 ") than catalog.db knows, which may be an older "
	    "copy; they are left as they are, and thinkback rebuild takes them in",
	    c->repo->path, s.packs);
	return strays_reserve(&s, e);
}
