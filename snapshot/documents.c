/* Reading a snapshot's documents: the contracts are in documents.h. */
#include "snapshot/documents.h"

#include "catalog/base/digest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DOCUMENTS_PAGE 512 /* versions looked up at a time */

struct documents {
	struct catalog *cat;           /* not owned */
	struct store *store;           /* not owned */
	int64_t table_id, snapshot_id; /* what is read */
	struct digest *digest;         /* owned */
	struct buf bytes;              /* the document at hand */
	size_t n, next;                /* rows in the page, rows handed out */
	bool last;                     /* no page behind this one */
	struct key only;               /* the document that is wanted; len 0: all of them */
	struct versions_version page[DOCUMENTS_PAGE]; /* rows in key order */
};

int
documents_open(struct catalog *cat, struct store *store, const struct snapshots_snapshot *snapshot,
    struct documents **out, struct err *e)
{
	struct documents *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return err_nomem(e);
	d->cat = cat;
	d->store = store;
	d->table_id = snapshot->table_id;
	d->snapshot_id = snapshot->id;
	d->digest = digest_create();
	if (d->digest == NULL) {
		free(d);
		return err_nomem(e);
	}
	*out = d;
	return ERR_OK;
}

void
documents_close(struct documents *d)
{
	if (d == NULL)
		return;
	digest_free(d->digest);
	buf_finish(&d->bytes);
	free(d);
}

void
documents_only(struct documents *d, const struct key *key)
{
	d->only = *key;
}

/*
 * Whether the snapshot is still shown. If not, gc may have taken any of its versions, and what was
 * read may lack some: it is looked at after each reading.
 */
static int
documents_still(struct documents *d, struct err *e)
{
	struct snapshots_snapshot s;
	int rc = snapshots_get(d->cat, d->snapshot_id, &s, e);

	return rc == ERR_ABSENT
		   ? err_set(e, ERR_STALE, "the snapshot was forgotten while it was being read")
		   : rc;
}

/* The one document that is wanted is a page of its own. */
static int
documents_page_only(struct documents *d, struct err *e)
{
	int rc = versions_find(d->cat, d->table_id, d->snapshot_id, &d->only, d->page, e);

	d->last = true;
	d->next = 0;
	d->n = rc == ERR_OK;
	if (rc == ERR_OK || rc == ERR_ABSENT) {
		int still = documents_still(d, e);
		rc = still != ERR_OK ? still : rc;
	}
	return rc == ERR_ABSENT ? ERR_END : rc;
}

/* Read the page behind the one at hand. */
static int
documents_page(struct documents *d, struct err *e)
{
	static const struct key open_end;
	struct key after = {0};
	int rc;

	if (d->last)
		return ERR_END;
	if (d->only.len > 0)
		return documents_page_only(d, e);
	if (d->n > 0)
		after = d->page[d->n - 1].key;
	rc = versions_page(d->cat, d->table_id, d->snapshot_id, &after, false, &open_end, d->page,
	    DOCUMENTS_PAGE, &d->n, e);
	if (rc == ERR_OK)
		rc = documents_still(d, e);
	if (rc != ERR_OK)
		return rc;
	d->next = 0;
	d->last = d->n < DOCUMENTS_PAGE;
	return d->n > 0 ? ERR_OK : ERR_END;
}

/* Compare the document at hand with what the catalogue knows of it. */
static int
documents_verify(struct documents *d, const struct versions_version *v, struct err *e)
{
	uint8_t digest[DIGEST_LEN];

	if (digest_document(d->digest, d->bytes.data, d->bytes.len, digest) != ERR_OK)
		return err_nomem(e);
	if (d->bytes.len != v->size || memcmp(digest, v->digest, DIGEST_LEN) != 0)
		return err_set(e, ERR_CORRUPT,
		    "document %" PRIu32 " of pack %" PRId64
		    " does not have its digest; run: thinkback check --read-data",
		    v->ordinal, v->pack_id);
	return ERR_OK;
}

int
documents_skim(struct documents *d, const struct versions_version **version, struct err *e)
{
	int rc = d->next < d->n ? ERR_OK : documents_page(d, e);

	if (rc == ERR_OK)
		*version = &d->page[d->next++];
	return rc;
}

int
documents_next(struct documents *d, const struct versions_version **version,
    const struct buf **bytes, struct err *e)
{
	const struct versions_version *v;
	size_t size;
	int rc = documents_skim(d, &v, e);

	if (rc != ERR_OK)
		return rc;
	buf_clear(&d->bytes);
	rc = store_read(
	    d->store, (uint64_t)v->pack_id, v->ordinal, 0, SIZE_MAX, &d->bytes, &size, e);
	if (rc == ERR_ABSENT)
		rc = err_set(e, ERR_CORRUPT, "pack %" PRId64 " has lost document %" PRIu32,
		    v->pack_id, v->ordinal);
	if (rc == ERR_OK)
		rc = documents_verify(d, v, e);
	if (rc == ERR_CORRUPT) {
		int still = documents_still(d, e);
		rc = still != ERR_OK ? still : rc;
	}
	if (rc != ERR_OK)
		return rc;
	*version = v;
	*bytes = &d->bytes;
	return ERR_OK;
}
