/* Writing a pack again without some of its lines: the contracts are in gc_internal.h. */
#include "snapshot/gc_internal.h"

#include "catalog/base/digest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct gc_copy {
	const struct pack *pack;    /* what is copied, not owned */
	struct pack_writer *writer; /* owned */
	struct pack_reader *frames; /* owned; the walk has a reader of its own */
	struct dictionary *dict;    /* owned; NULL: none */
	struct digest *digest;      /* owned */
	struct buf frame;           /* the decoded frame at hand */
	uint64_t number;            /* its number; UINT64_MAX: none */
	uint32_t first;             /* ordinal of its first document */
	uint64_t next;              /* ordinal that the writer gives next */
};

static void
gc_copy_free(struct gc_copy *c)
{
	pack_reader_free(c->frames);
	dictionary_free(c->dict);
	digest_free(c->digest);
	buf_finish(&c->frame);
	free(c);
}

void
gc_copy_abort(struct gc_copy *c)
{
	if (c == NULL)
		return;
	pack_writer_abort(c->writer);
	gc_copy_free(c);
}

static int
gc_copy_dictionary(struct gc_copy *c, int packsfd, uint64_t id, struct err *e)
{
	struct buf bytes = {0};
	int rc;

	if (id == 0)
		return ERR_OK;
	rc = dictionary_load(packsfd, id, NULL, &bytes, e);
	if (rc == ERR_OK)
		rc = dictionary_create(id, bytes.data, bytes.len, &c->dict, e);
	buf_finish(&bytes);
	return rc;
}

int
gc_copy_create(
    const struct repo *repo, const struct gc_pack *p, struct gc_copy **out, struct err *e)
{
	const struct pack_meta *meta = pack_describe(p->pack);
	struct gc_copy *c = calloc(1, sizeof(*c));
	int rc;

	if (c == NULL)
		return err_nomem(e);
	c->pack = p->pack;
	c->number = UINT64_MAX;
	c->frames = pack_reader_create();
	c->digest = digest_create();
	rc = c->frames != NULL && c->digest != NULL ? ERR_OK : err_nomem(e);
	if (rc == ERR_OK)
		rc = gc_copy_dictionary(c, repo->packsfd, meta->dictionary_id, e);
	if (rc == ERR_OK)
		rc = pack_writer_create(repo->packsfd, meta, c->dict, &c->writer, e);
	if (rc != ERR_OK) {
		gc_copy_free(c);
		return rc;
	}
	*out = c;
	return ERR_OK;
}

/* The bytes of a version, compared with its digest: damage must not get new checksums. */
static int
gc_copy_document(struct gc_copy *c, const struct pack_entry *entry, const uint8_t **data,
    size_t *size, struct err *e)
{
	uint8_t digest[DIGEST_LEN];
	uint64_t frame;
	int rc = pack_frame_of(c->pack, entry->ordinal, &frame);

	if (rc == ERR_OK && frame != c->number) {
		c->number = UINT64_MAX;
		rc = pack_frame_read(c->pack, c->frames, c->dict, frame, &c->frame, &c->first, e);
		if (rc != ERR_OK)
			return rc;
		c->number = frame;
	}
	if (rc == ERR_OK)
		rc = pack_frame_document(
		    c->frame.data, c->frame.len, c->first, entry->ordinal, data, size);
	if (rc == ERR_OK && digest_document(c->digest, *data, *size, digest) != ERR_OK)
		return err_nomem(e);
	if (rc != ERR_OK || *size != entry->size || memcmp(digest, entry->digest, DIGEST_LEN) != 0)
		return err_set(e, ERR_CORRUPT,
		    "document %" PRIu32 " of pack %016" PRIx64
		    " is damaged or missing; run: thinkback check --read-data",
		    entry->ordinal, pack_describe(c->pack)->pack_id);
	return ERR_OK;
}

int
gc_copy_line(struct gc_copy *c, const struct pack_entry *entry, struct err *e)
{
	const uint8_t *data;
	uint32_t ordinal;
	size_t size;
	int rc;

	if (entry->deleted)
		return pack_writer_delete(c->writer, &entry->key, e);
	if (entry->lost) {
		c->next = (uint64_t)entry->ordinal + 1;
		return pack_writer_lose(c->writer, entry, e);
	}
	rc = gc_copy_document(c, entry, &data, &size, e);
	if (rc == ERR_OK && entry->ordinal > c->next)
		rc = pack_writer_skip(c->writer, (uint32_t)(entry->ordinal - c->next), e);
	if (rc == ERR_OK)
		rc =
		    pack_writer_put(c->writer, &entry->key, data, size, entry->digest, &ordinal, e);
	if (rc == ERR_OK && ordinal != entry->ordinal)
		rc = err_set(e, ERR_BUG, "a version would get another number in pack %016" PRIx64,
		    pack_describe(c->pack)->pack_id);
	c->next = (uint64_t)entry->ordinal + 1;
	return rc;
}

int
gc_copy_stage(struct gc_copy *c, struct pack_totals *totals, struct err *e)
{
	int rc = pack_writer_stage(c->writer, totals, e);

	gc_copy_free(c);
	return rc;
}
