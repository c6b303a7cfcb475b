/* Checking a whole pack without decoding its frames: the contract is in pack.h. */
#include "snapshot/store/pack_index.h"
#include "snapshot/store/pack_internal.h"

#include <stdlib.h>
#include <string.h>

#define VERIFY_PART 262144 /* bytes read at a time */

/* What one verification works with. */
struct verify {
	const struct pack *p;
	struct digest *digest;
	uint8_t *part; /* VERIFY_PART bytes */
};

/* Compare the digest of ${len} bytes from ${off} on with ${want}. */
static int
verify_range(const struct verify *v, const char *name, uint64_t off, uint64_t len,
    const uint8_t want[DIGEST_FULL], struct err *e)
{
	uint8_t digest[DIGEST_FULL];
	int rc = digest_start(v->digest) == ERR_OK ? ERR_OK : err_nomem(e);

	while (rc == ERR_OK && len > 0) {
		size_t n = len < VERIFY_PART ? (size_t)len : VERIFY_PART;
		rc = packfile_read(v->p->file, off, v->part, n, e);
		if (rc == ERR_OK && digest_update(v->digest, v->part, n) != ERR_OK)
			rc = err_nomem(e);
		off += n;
		len -= n;
	}
	if (rc == ERR_OK && digest_final(v->digest, digest) != ERR_OK)
		rc = err_nomem(e);
	if (rc == ERR_OK && memcmp(digest, want, DIGEST_FULL) != 0)
		rc = packfile_damaged(
		    PACKFILE_PACK, v->p->meta.pack_id, e, "the checksum of its %s is wrong", name);
	return rc;
}

/* The footer may have changed on disk since the pack was opened. */
static int
verify_footer(const struct verify *v, struct err *e)
{
	uint64_t len = packfile_length(v->p->file);
	uint8_t raw[PACK_FORMAT_FOOTER];
	struct pack_footer footer;
	const char *why = NULL;
	int rc = packfile_read(v->p->file, len - sizeof(raw), raw, sizeof(raw), e);

	if (rc != ERR_OK)
		return rc;
	rc = pack_format_footer_get(raw, len, v->digest, &footer, &why);
	if (rc == ERR_OK && memcmp(footer.digest, v->p->footer.digest, DIGEST_FULL) != 0) {
		rc = ERR_CORRUPT;
		why = "it was replaced while in use";
	}
	return pack_fault(v->p->meta.pack_id, rc, why, e);
}

static int
verify_sections(const struct verify *v, struct err *e)
{
	const struct pack_footer *f = &v->p->footer;
	uint64_t frames_at = f->header_len + f->body_len;
	uint64_t frames_len = f->frames * PACK_FORMAT_FRAME_ENTRY;
	const char *why = NULL;
	int rc = verify_range(v, "header", 0, f->header_len - DIGEST_FULL, f->header_digest, e);

	if (rc == ERR_OK)
		rc = verify_range(v, "body", f->header_len, f->body_len, f->body_digest, e);
	if (rc == ERR_OK)
		rc = verify_range(v, "frame table", frames_at, frames_len, f->frames_digest, e);
	if (rc == ERR_OK)
		rc = verify_range(v, "block table", frames_at + frames_len,
		    f->blocks * PACK_FORMAT_BLOCK_ENTRY, f->blocks_digest, e);
	if (rc == ERR_OK)
		rc = verify_footer(v, e);
	if (rc != ERR_OK)
		return rc;
	rc = pack_format_tiles_check(f, v->p->frames, v->p->blocks, &why);
	return pack_fault(v->p->meta.pack_id, rc, why, e);
}

/* Walk through the index: its lines must be well-formed and add up to the totals. */
static int
verify_index(const struct verify *v, struct pack_reader *r, struct err *e)
{
	const struct pack_footer *f = &v->p->footer;
	uint64_t documents = 0, deletions = 0, lost = 0, raw_bytes = 0, frame;
	struct pack_walk walk = {0};
	struct pack_entry entry;
	int rc;

	while ((rc = pack_entry_next(v->p, r, &walk, &entry, e)) == ERR_OK) {
		if (entry.deleted) {
			deletions++;
			continue;
		}
		if (entry.lost) {
			lost++;
			continue;
		}
		documents++;
		raw_bytes += entry.size;
		if (pack_frame_of(v->p, entry.ordinal, &frame) != ERR_OK)
			return packfile_damaged(PACKFILE_PACK, f->pack_id, e,
			    "its index names a document that no frame holds");
	}
	if (rc != ERR_END)
		return rc;
	if (documents != f->documents || deletions != f->deletions || lost != f->lost ||
	    raw_bytes != f->raw_bytes)
		return packfile_damaged(
		    PACKFILE_PACK, f->pack_id, e, "its index does not add up to its totals");
	return ERR_OK;
}

int
pack_verify(const struct pack *p, struct err *e)
{
	struct verify v = {.p = p, .digest = digest_create(), .part = malloc(VERIFY_PART)};
	struct pack_reader *r = pack_reader_create();
	int rc = v.digest != NULL && v.part != NULL && r != NULL ? ERR_OK : err_nomem(e);

	if (rc == ERR_OK)
		rc = verify_sections(&v, e);
	if (rc == ERR_OK)
		rc = verify_index(&v, r, e);
	pack_reader_free(r);
	digest_free(v.digest);
	free(v.part);
	return rc;
}
