/*
 * Opening packs: header, footer and tables are read and checked, the body is left for later. The
 * contracts are in pack.h.
 */
#include "snapshot/store/pack_internal.h"

#include "catalog/base/bytes.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of the longest header that is looked at to tell whether its version is a later one. */
#define PACK_LATER_HEADER_MAX 67108864u
/* Bytes of a pack with nothing in it. */
#define PACK_LEN_MIN (PACK_FORMAT_HEADER + DIGEST_FULL + PACK_FORMAT_FOOTER)

int
pack_fault(uint64_t id, int rc, const char *why, struct err *e)
{
	char what[PACKFILE_WHAT];

	if (rc == ERR_CORRUPT)
		return packfile_damaged(PACKFILE_PACK, id, e, "%s", why);
	if (rc == ERR_VERSION)
		return err_set(e, rc, "%s cannot be read: %s; use a newer thinkback",
		    packfile_what(PACKFILE_PACK, id, what), why);
	return rc == ERR_NOMEM ? err_nomem(e) : rc;
}

/*
 * What a header that names a later version is: ERR_VERSION when it is whole, ERR_CORRUPT when the
 * footer, where both digests are in every version, says that it was another.
 */
static int
open_later(const struct pack *p, const uint8_t foot[PACK_FORMAT_FOOTER], struct digest *d,
    const char **why, struct err *e)
{
	uint8_t digest[DIGEST_FULL];
	struct pack_footer f;
	const char *unused;
	uint8_t *data;
	size_t len;
	int rc = pack_format_footer_get(foot, packfile_length(p->file), d, &f, &unused);

	if (rc != ERR_OK)
		return rc == ERR_CORRUPT ? ERR_VERSION : rc;
	if (f.header_len < PACK_FORMAT_HEADER + DIGEST_FULL || f.header_len > PACK_LATER_HEADER_MAX)
		return ERR_VERSION;
	len = (size_t)f.header_len - DIGEST_FULL;
	data = malloc(len);
	if (data == NULL)
		return ERR_NOMEM;
	rc = packfile_read(p->file, 0, data, len, e);
	if (rc == ERR_OK)
		rc = pack_format_digest(d, data, len, digest);
	free(data);
	if (rc != ERR_OK)
		return rc;
	if (memcmp(digest, f.header_digest, DIGEST_FULL) == 0)
		return ERR_VERSION;
	*why = "the checksum of its header is wrong";
	return ERR_CORRUPT;
}

/* Read the fixed parts at both ends and see that they fit the file and each other. */
static int
open_ends(struct pack *p, uint64_t id, struct digest *d, struct err *e)
{
	uint64_t len = packfile_length(p->file);
	uint8_t head[PACK_FORMAT_HEADER], foot[PACK_FORMAT_FOOTER];
	const char *why = "it is cut off";
	uint64_t header_len;
	int rc;

	if (len < PACK_LEN_MIN)
		return pack_fault(id, ERR_CORRUPT, why, e);
	rc = packfile_read(p->file, 0, head, sizeof(head), e);
	if (rc == ERR_OK)
		rc = packfile_read(p->file, len - PACK_FORMAT_FOOTER, foot, sizeof(foot), e);
	if (rc != ERR_OK)
		return rc;
	rc = pack_format_header_len(head, &header_len, &why);
	if (rc == ERR_VERSION)
		rc = open_later(p, foot, d, &why, e);
	if (rc == ERR_OK)
		rc = pack_format_footer_get(foot, len, d, &p->footer, &why);
	if (rc == ERR_OK && (p->footer.header_len != header_len || p->footer.pack_id != id)) {
		rc = ERR_CORRUPT;
		why = "its footer belongs to another pack";
	}
	return pack_fault(id, rc, why, e);
}

static int
open_header(struct pack *p, uint64_t id, struct digest *d, struct err *e)
{
	size_t len = (size_t)p->footer.header_len;
	const char *why = NULL;
	uint8_t *data = malloc(len);
	int rc;

	if (data == NULL)
		return err_nomem(e);
	rc = packfile_read(p->file, 0, data, len, e);
	if (rc == ERR_OK) {
		rc = pack_format_header_get(data, len, d, &p->meta, &why);
		if (rc == ERR_OK &&
		    (p->meta.pack_id != id || memcmp(data + len - DIGEST_FULL,
						  p->footer.header_digest, DIGEST_FULL) != 0)) {
			rc = ERR_CORRUPT;
			why = "its header belongs to another pack";
		}
		p->meta.upper = p->footer.upper;
		rc = pack_fault(id, rc, why, e);
	}
	free(data);
	return rc;
}

/* Whether the digest of a table is the one that the footer has. */
static int
open_table_check(struct digest *d, const uint8_t *table, size_t len,
    const uint8_t want[DIGEST_FULL], const char **why)
{
	uint8_t digest[DIGEST_FULL];

	if (pack_format_digest(d, table, len, digest) != ERR_OK)
		return ERR_NOMEM;
	*why = "the checksum of its tables is wrong";
	return memcmp(digest, want, DIGEST_FULL) == 0 ? ERR_OK : ERR_CORRUPT;
}

static int
open_tables(struct pack *p, uint64_t id, struct digest *d, struct err *e)
{
	const struct pack_footer *f = &p->footer;
	/* footer_get has seen that these are in the file. */
	size_t frames_len = (size_t)f->frames * PACK_FORMAT_FRAME_ENTRY;
	size_t blocks_len = (size_t)f->blocks * PACK_FORMAT_BLOCK_ENTRY;
	const char *why = NULL;
	int rc;

	p->tables = malloc(frames_len + blocks_len + 1);
	if (p->tables == NULL)
		return err_nomem(e);
	p->frames = p->tables;
	p->blocks = p->tables + frames_len;
	rc = packfile_read(
	    p->file, f->header_len + f->body_len, p->tables, frames_len + blocks_len, e);
	if (rc != ERR_OK)
		return rc;
	rc = open_table_check(d, p->frames, frames_len, f->frames_digest, &why);
	if (rc == ERR_OK)
		rc = open_table_check(d, p->blocks, blocks_len, f->blocks_digest, &why);
	if (rc == ERR_OK)
		rc = pack_format_tables_check(f, p->frames, p->blocks, &why);
	return pack_fault(id, rc, why, e);
}

int
pack_open(int packsfd, uint64_t pack_id, struct pack **out, struct err *e)
{
	struct pack *p = calloc(1, sizeof(*p));
	struct digest *d = digest_create();
	int rc = p != NULL && d != NULL ? ERR_OK : err_nomem(e);

	if (rc == ERR_OK)
		rc = packfile_open(packsfd, PACKFILE_PACK, pack_id, &p->file, e);
	if (rc == ERR_OK)
		rc = open_ends(p, pack_id, d, e);
	if (rc == ERR_OK)
		rc = open_header(p, pack_id, d, e);
	if (rc == ERR_OK && p->footer.lost > 0 && !p->meta.lossy)
		rc = pack_fault(pack_id, ERR_CORRUPT, "its header and its footer disagree", e);
	if (rc == ERR_OK)
		rc = open_tables(p, pack_id, d, e);
	digest_free(d);
	if (rc != ERR_OK) {
		pack_close(p);
		return rc;
	}
	p->identity = bytes_get64(p->footer.digest);
	p->totals = (struct pack_totals){.documents = p->footer.documents,
	    .deletions = p->footer.deletions,
	    .bytes = packfile_length(p->file),
	    .raw_bytes = p->footer.raw_bytes,
	    .lost = p->footer.lost,
	    .frames = p->footer.frames};
	*out = p;
	return ERR_OK;
}

/* Read the header of ${f} alone. */
static int
header_read(
    const struct packfile *f, uint64_t id, struct digest *d, struct pack_meta *meta, struct err *e)
{
	uint8_t head[PACK_FORMAT_HEADER];
	const char *why = NULL;
	struct buf data = {0};
	uint64_t len;
	int rc = packfile_read(f, 0, head, sizeof(head), e);

	if (rc != ERR_OK)
		return rc;
	rc = pack_format_header_len(head, &len, &why);
	if (rc == ERR_OK && len > packfile_length(f)) {
		rc = ERR_CORRUPT;
		why = "it is cut off";
	}
	if (rc == ERR_OK && buf_reserve(&data, (size_t)len) != ERR_OK)
		rc = ERR_NOMEM;
	if (rc != ERR_OK)
		return pack_fault(id, rc, why, e);
	rc = packfile_read(f, 0, data.data, (size_t)len, e);
	if (rc == ERR_OK) {
		rc = pack_format_header_get(data.data, (size_t)len, d, meta, &why);
		if (rc == ERR_OK && meta->pack_id != id) {
			rc = ERR_CORRUPT;
			why = "its header belongs to another pack";
		}
		rc = pack_fault(id, rc, why, e);
	}
	buf_finish(&data);
	return rc;
}

int
pack_open_header(int packsfd, uint64_t pack_id, struct pack_meta *meta, struct err *e)
{
	struct digest *d = digest_create();
	struct packfile *f = NULL;
	int rc = d != NULL ? packfile_open(packsfd, PACKFILE_PACK, pack_id, &f, e) : err_nomem(e);

	if (rc == ERR_OK)
		rc = header_read(f, pack_id, d, meta, e);
	packfile_close(f);
	digest_free(d);
	return rc;
}

void
pack_meta_finish(struct pack_meta *m)
{
	buf_finish(&m->database);
	buf_finish(&m->table);
	buf_finish(&m->primary_key);
	buf_finish(&m->config);
	buf_finish(&m->source);
	*m = (struct pack_meta){0};
}

void
pack_close(struct pack *p)
{
	if (p == NULL)
		return;
	packfile_close(p->file);
	pack_meta_finish(&p->meta);
	free(p->tables);
	free(p);
}

const struct pack_meta *
pack_describe(const struct pack *p)
{
	return &p->meta;
}

const struct pack_totals *
pack_count(const struct pack *p)
{
	return &p->totals;
}

bool
pack_is_stale(const struct pack *p)
{
	return packfile_is_unlinked(p->file);
}

size_t
pack_memory(const struct pack *p)
{
	const struct pack_meta *m = &p->meta;

	return sizeof(*p) + (size_t)p->footer.frames * PACK_FORMAT_FRAME_ENTRY +
	       (size_t)p->footer.blocks * PACK_FORMAT_BLOCK_ENTRY + m->database.cap + m->table.cap +
	       m->primary_key.cap + m->config.cap + m->source.cap;
}

int
pack_remove(int packsfd, uint64_t pack_id, struct err *e)
{
	return packfile_remove(packsfd, PACKFILE_PACK, pack_id, e);
}

int
pack_replace(int packsfd, uint64_t pack_id, struct err *e)
{
	return packfile_replace(packsfd, PACKFILE_PACK, pack_id, e);
}

bool
pack_staged(int packsfd, uint64_t pack_id)
{
	return packfile_staged(packsfd, PACKFILE_PACK, pack_id);
}

int
pack_clean(int packsfd, struct err *e)
{
	return packfile_clean(packsfd, e);
}

/* The caller of pack_list, who does not want to see every kind. */
struct pack_listing {
	int (*found)(void *arg, uint64_t id, bool is_dictionary);
	void *arg;
};

static int
pack_listed(void *arg, enum packfile_kind kind, uint64_t id)
{
	const struct pack_listing *l = arg;

	if (kind != PACKFILE_PACK && kind != PACKFILE_DICTIONARY)
		return ERR_OK;
	return l->found(l->arg, id, kind == PACKFILE_DICTIONARY);
}

int
pack_list(
    int packsfd, int (*found)(void *arg, uint64_t id, bool is_dictionary), void *arg, struct err *e)
{
	struct pack_listing l = {found, arg};

	return packfile_list(packsfd, pack_listed, &l, e);
}
