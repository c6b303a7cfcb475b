/* Marks of an index block: the contracts are in marks.h. */
#include "snapshot/store/marks.h"

#include "catalog/base/bytes.h"
#include "snapshot/store/pack_internal.h"

#include <stdlib.h>

/* A document of the block. */
struct mark {
	uint32_t ordinal;
	uint32_t mark;
};

struct marks {
	size_t n;
	struct mark marks[]; /* by ordinal */
};

/* FNV-1a over the key; the digest is as good as random already. */
static uint32_t
marks_of(const struct pack_entry *entry)
{
	uint64_t h = 14695981039346656037u ^ entry->size;

	for (size_t i = 0; i < entry->key.len; i++)
		h = (h ^ entry->key.bytes[i]) * 1099511628211u;
	h ^= bytes_get64(entry->digest);
	h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9u;
	h ^= bytes_get64(entry->digest + 8);
	h = (h ^ h >> 29) * 0x94d049bb133111ebu;
	return (uint32_t)(h >> 32);
}

int
marks_create(
    const struct pack *p, struct pack_reader *r, uint64_t block, struct marks **out, struct err *e)
{
	struct pack_walk walk = {.block = block};
	struct marks *m;
	uint32_t lines = 0;
	int rc = ERR_OK;

	if (block < p->footer.blocks)
		lines = pack_format_block_get(p->blocks, block).entries;
	m = calloc(1, sizeof(*m) + (size_t)lines * sizeof(m->marks[0]));
	if (m == NULL)
		return err_nomem(e);
	for (uint32_t i = 0; rc == ERR_OK && i < lines; i++) {
		struct pack_entry entry;
		rc = pack_entry_next(p, r, &walk, &entry, e);
		if (rc == ERR_OK && !entry.deleted)
			m->marks[m->n++] = (struct mark){entry.ordinal, marks_of(&entry)};
	}
	if (rc != ERR_OK) {
		free(m);
		return rc == ERR_END ? packfile_damaged(PACKFILE_PACK, p->meta.pack_id, e,
					   "its index ends too early")
				     : rc;
	}
	*out = m;
	return ERR_OK;
}

void
marks_free(struct marks *m)
{
	free(m);
}

size_t
marks_memory(const struct marks *m)
{
	return sizeof(*m) + m->n * sizeof(m->marks[0]);
}

bool
marks_match(const struct marks *m, const struct pack_entry *entry)
{
	size_t low = 0, high = m->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (m->marks[middle].ordinal < entry->ordinal)
			low = middle + 1;
		else
			high = middle;
	}
	return low < m->n && m->marks[low].ordinal == entry->ordinal &&
	       m->marks[low].mark == marks_of(entry);
}
