/* What gc.c, which decides, and gc_copy.c, which writes a pack again, share. */
#ifndef THINKBACK_SNAPSHOT_GC_INTERNAL_H
#define THINKBACK_SNAPSHOT_GC_INTERNAL_H

#include "catalog/packs.h"
#include "snapshot/gc.h"
#include "snapshot/store/dictionary.h"
#include "snapshot/store/pack.h"

/* A pack being looked at. */
struct gc_pack {
	struct packs_pack row; /* what the catalogue says */
	struct pack *pack;     /* open */
};

/* What is decided about a line. */
struct gc_verdict {
	bool dead;        /* it goes */
	int64_t until;    /* the snapshot in which its key has a line again, as far as it matters */
	int64_t extended; /* the version of its key born here lasts until then; 0: none */
};

/* What a pack has. */
struct gc_tally {
	uint64_t live;          /* lines that stay */
	uint64_t dead_versions; /* versions that go */
	uint64_t dead_bytes;    /* of these */
	uint64_t bytes;         /* of all versions */
};

struct gc_copy;

/* One gc. */
struct gc {
	const struct repo *repo;
	struct catalog *cat;
	const struct gc_options *options;
	struct gc_result *result;
	struct pack_reader *reader; /* for the walk over an index */
	struct gc_copy *copy;       /* the pack being written again; NULL: none */
	struct gc_tally tally;      /* of the pack at hand */
	int64_t *shown;       /* owned: the snapshots of the table that are shown, ascending */
	size_t n_shown;       /* of these */
	uint64_t done, total; /* bytes of packs, for progress */
};

/*
 * gc_copy_create(repo, p, out, e):
 * Begin to write the pack again under a temporary name. Return ERR_OK and set ${out}, to be given
 * to gc_copy_stage or gc_copy_abort; ERR_CORRUPT when its dictionary is missing or damaged; else a
 * failure. ${p} must outlive it.
 */
int gc_copy_create(
    const struct repo *repo, const struct gc_pack *p, struct gc_copy **out, struct err *e);

/*
 * gc_copy_line(c, entry, e):
 * Take a line over, in the order of the pack, a version with its bytes and its number. Return
 * ERR_OK; ERR_CORRUPT when the document is damaged; else a failure.
 */
int gc_copy_line(struct gc_copy *c, const struct pack_entry *entry, struct err *e);

/* gc_copy_stage(c, totals, e): pack_writer_stage. gc_copy_abort(c): throw it away; NULL is fine. */
int gc_copy_stage(struct gc_copy *c, struct pack_totals *totals, struct err *e);
void gc_copy_abort(struct gc_copy *c);

#endif
