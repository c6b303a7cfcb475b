/* An open pack from the inside: for the files of snapshot/store/ that read packs. */
#ifndef THINKBACK_STORE_PACK_INTERNAL_H
#define THINKBACK_STORE_PACK_INTERNAL_H

#include "snapshot/store/pack.h"
#include "snapshot/store/pack_format.h"
#include "snapshot/store/packfile.h"

/* Read-only once pack_open has returned it. */
struct pack {
	struct packfile *file;     /* owned */
	struct pack_meta meta;     /* owned */
	struct pack_totals totals; /* from the footer */
	struct pack_footer footer; /* checked */
	uint64_t identity; /* of the contents: from the footer's digest. Another file of the same
			      number has another one, the same file opened again has the same */
	uint8_t *tables;   /* owned: both tables, checked */
	const uint8_t *frames; /* the frame table in it */
	const uint8_t *blocks; /* the block table in it */
};

/*
 * pack_fault(id, rc, why, e):
 * Turn an outcome of pack_format or codec into a line of text about pack ${id}. Return ${rc}.
 */
int pack_fault(uint64_t id, int rc, const char *why, struct err *e);

/*
 * pack_block_of(p, ordinal):
 * The index block that would hold the line of ${ordinal}: the last one that begins at or before it.
 */
uint64_t pack_block_of(const struct pack *p, uint32_t ordinal);

#endif
