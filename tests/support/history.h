/*
 * A repository with a history of snapshots of one table, and a second opinion of what it holds:
 * made of the files in packs/ alone, by the rules of thinkback-pack(5), without the catalogue.
 */
#ifndef THINKBACK_TESTS_HISTORY_H
#define THINKBACK_TESTS_HISTORY_H

#include "catalog/catalog.h"
#include "catalog/packs.h"
#include "catalog/repo.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_KEYS 6       /* documents "k0" to "k5" */
#define HISTORY_SNAPSHOTS 64 /* of a history, at most */

/* A document that a snapshot shows. */
struct history_document {
	int value;        /* of its member v; -1: the snapshot does not have it */
	int64_t pack_id;  /* where it was when the snapshot was taken: never changes */
	uint32_t ordinal; /* likewise */
};

/* What was taken. */
struct history_snapshot {
	int64_t id;
	int64_t date;
	bool forgotten; /* by the test */
	struct history_document documents[HISTORY_KEYS];
};

struct history {
	char *dir;
	struct repo *repo;
	int64_t clock;   /* date of the next snapshot */
	uint64_t random; /* state of the random numbers */
	struct history_snapshot snapshots[HISTORY_SNAPSHOTS];
	size_t n;   /* of these */
	bool lossy; /* damage may have taken documents: of each snapshot as many as it counts */
	bool gaps;  /* a lost pack may have: of a snapshot that counts any, perhaps more */
};

/* history_start(h, seed), history_end(h): make an empty repository; remove it. */
void history_start(struct history *h, uint64_t seed);
void history_end(struct history *h);

/* history_copy(from, h): begin ${h} as a copy of ${from}, repository and all, to be given to
 * history_end. */
void history_copy(const struct history *from, struct history *h);

/* history_random(h, below): a random number under ${below}. */
unsigned history_random(struct history *h, unsigned below);

/*
 * history_take(h, values): take a snapshot of d.t with these values (-1: no document). Each
 * document carries so many bytes of padding that a frame holds few.
 */
void history_take(struct history *h, const int values[HISTORY_KEYS]);

/* history_note(h, values): note the newest snapshot, taken with these values by another process. */
void history_note(struct history *h, const int values[HISTORY_KEYS]);

/* history_take_random(h): take one that differs in some documents from the last one. */
void history_take_random(struct history *h);

/* history_forget(h, i): forget snapshot number ${i} of the history. */
void history_forget(struct history *h, size_t i);

/* history_gc(h, threshold, freed): collect, after what a stopped writer left; as gc_run returns. */
int history_gc(struct history *h, unsigned threshold, uint64_t *freed);

/* history_collect(h, threshold): the same, where packs may be damaged: their tables stay as they
 * are. */
void history_collect(struct history *h, unsigned threshold);

/* history_tag(h, i, tag): give snapshot number ${i} of the history a tag. */
void history_tag(struct history *h, size_t i, const char *tag);

/* history_pack_path(h, pack_id, out): write the path of a pack to ${out}, which is returned. */
#define HISTORY_PATH 700 /* room for it */
const char *history_pack_path(const struct history *h, int64_t pack_id, char out[HISTORY_PATH]);

/*
 * history_each_pack(h, one_in, each): hand packs that the catalogue has, of forgotten snapshots
 * too, to ${each}: one in so many, by chance.
 */
void history_each_pack(struct history *h, unsigned one_in,
    void (*each)(struct history *h, struct catalog *c, const struct packs_pack *row));

/* history_drop_catalog(h): remove the catalogue with its log. */
void history_drop_catalog(struct history *h);

/* history_remake(h): make the catalogue again from packs/ alone, as they are. */
void history_remake(struct history *h);

/*
 * history_rebuild(h): the same, after what every writer does first. What is listed of the
 * snapshots, their tags, and the last numbers given out are as before.
 */
void history_rebuild(struct history *h);

/* history_recover(h): what every writer does first. */
void history_recover(struct history *h);

/*
 * history_compare(h): every snapshot that is not forgotten has its documents, with their bytes and
 * their places, as the catalogue has it and as the packs and markers alone have it; others are
 * shown by neither; and check finds nothing.
 */
void history_compare(struct history *h);

/* history_compare_shown(h): the same, as the catalogue has it alone; without a check. */
void history_compare_shown(struct history *h);

#endif
