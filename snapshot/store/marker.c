/*
 * Markers of forgotten snapshots: the contracts are in marker.h, the bytes in thinkback-pack(5).
 *
 *   0 magic | 8 u32 version | 12 u32 flags | 16 u64 snapshot | 24 u64 table | 32 i64 date | 40
 * digest
 */
#include "snapshot/store/marker.h"

#include "catalog/base/bytes.h"
#include "catalog/base/digest.h"
#include "snapshot/store/packfile.h"

#include <string.h>

#define MARKER_MAGIC "TBGONE\r\n"
#define MARKER_MAGIC_LEN 8u
#define MARKER_DIGEST_AT 40u
#define MARKER_FLAGS_REQUIRED 0x0000ffffu /* who does not know one must not read on */

int
marker_decode(const uint8_t *data, size_t len, struct marker *out, const char **why)
{
	uint8_t digest[DIGEST_FULL];
	struct marker m;

	*why = "it is cut off";
	if (len < MARKER_MAGIC_LEN + 8)
		return ERR_CORRUPT;
	*why = "it does not begin as a marker does";
	if (memcmp(data, MARKER_MAGIC, MARKER_MAGIC_LEN) != 0)
		return ERR_CORRUPT;
	*why = "it is of a later version";
	if (bytes_get32(data + 8) != MARKER_FORMAT_VERSION ||
	    (bytes_get32(data + 12) & MARKER_FLAGS_REQUIRED) != 0)
		return ERR_VERSION;
	*why = "it has another length than it should";
	if (len != MARKER_LEN)
		return ERR_CORRUPT;
	if (digest_whole(data, MARKER_DIGEST_AT, digest) != ERR_OK)
		return ERR_NOMEM;
	*why = "its checksum is wrong";
	if (memcmp(digest, data + MARKER_DIGEST_AT, DIGEST_FULL) != 0)
		return ERR_CORRUPT;
	m.snapshot_id = bytes_get64(data + 16);
	m.table_id = bytes_get64(data + 24);
	m.date = (int64_t)bytes_get64(data + 32);
	*why = "its numbers make no sense";
	if (!packfile_id_valid(m.snapshot_id) || m.table_id < 1 || m.table_id > INT64_MAX)
		return ERR_CORRUPT;
	*out = m;
	return ERR_OK;
}

int
marker_save(int packsfd, const struct marker *m, struct err *e)
{
	uint8_t raw[MARKER_LEN];
	int rc;

	memcpy(raw, MARKER_MAGIC, MARKER_MAGIC_LEN);
	bytes_put32(raw + 8, MARKER_FORMAT_VERSION);
	bytes_put32(raw + 12, 0);
	bytes_put64(raw + 16, m->snapshot_id);
	bytes_put64(raw + 24, m->table_id);
	bytes_put64(raw + 32, (uint64_t)m->date);
	if (digest_whole(raw, MARKER_DIGEST_AT, raw + MARKER_DIGEST_AT) != ERR_OK)
		return err_nomem(e);
	rc = packfile_save(
	    packsfd, PACKFILE_MARKER, m->snapshot_id, raw, sizeof(raw), packfile_commit, e);
	return rc == ERR_EXISTS ? ERR_OK : rc;
}

int
marker_load(int packsfd, uint64_t snapshot_id, struct marker *out, struct err *e)
{
	char what[PACKFILE_WHAT];
	uint8_t raw[MARKER_LEN];
	struct packfile *f;
	struct marker m;
	const char *why;
	uint64_t len;
	int rc = packfile_open(packsfd, PACKFILE_MARKER, snapshot_id, &f, e);

	if (rc != ERR_OK)
		return rc;
	len = packfile_length(f);
	rc = packfile_read(f, 0, raw, len < MARKER_LEN ? (size_t)len : MARKER_LEN, e);
	packfile_close(f);
	if (rc != ERR_OK)
		return rc;
	rc = marker_decode(raw, len <= MARKER_LEN ? (size_t)len : MARKER_LEN + 1, &m, &why);
	if (rc == ERR_OK && m.snapshot_id != snapshot_id) {
		why = "it is of another snapshot";
		rc = ERR_CORRUPT;
	}
	if (rc == ERR_VERSION)
		return err_set(e, rc, "%s cannot be read: %s; use a newer thinkback",
		    packfile_what(PACKFILE_MARKER, snapshot_id, what), why);
	if (rc == ERR_CORRUPT)
		return packfile_damaged(PACKFILE_MARKER, snapshot_id, e, "%s", why);
	if (rc != ERR_OK)
		return err_nomem(e);
	*out = m;
	return ERR_OK;
}

int
marker_remove(int packsfd, uint64_t snapshot_id, struct err *e)
{
	return packfile_remove(packsfd, PACKFILE_MARKER, snapshot_id, e);
}

/* The caller of marker_list, who wants to see this kind alone. */
struct marker_listing {
	int (*found)(void *arg, uint64_t snapshot_id);
	void *arg;
};

static int
marker_listed(void *arg, enum packfile_kind kind, uint64_t id)
{
	const struct marker_listing *l = arg;

	return kind == PACKFILE_MARKER ? l->found(l->arg, id) : ERR_OK;
}

int
marker_list(int packsfd, int (*found)(void *arg, uint64_t snapshot_id), void *arg, struct err *e)
{
	struct marker_listing l = {found, arg};

	return packfile_list(packsfd, marker_listed, &l, e);
}
