/*
 * Markers of forgotten snapshots: the contracts are in marker.h, the bytes in thinkback-pack(5).
 *
 *   0 magic | 8 u32 version | 12 u32 flags | 16 u64 snapshot | 24 u64 table | 32 i64 date | 40
 * digest
 */
#include "snapshot/store/marker.h"

#include "catalog/base/bytes.h"
#include "snapshot/store/packfile.h"
#include "snapshot/store/seal.h"

#include <string.h>

#define MARKER_FILE_MAX 65536u /* bytes of one of a later version */

static const struct seal_kind marker_kind = {"TBGONE\r\n", 1};

/* What the bytes of a marker that was judged say. */
static struct marker
marker_numbers(const uint8_t *data)
{
	return (struct marker){.snapshot_id = bytes_get64(data + 16),
	    .table_id = bytes_get64(data + 24),
	    .date = (int64_t)bytes_get64(data + 32)};
}

int
marker_decode(const uint8_t *data, size_t len, struct marker *out, const char **why)
{
	struct marker m;
	int rc = seal_check(&marker_kind, data, len, why);

	if (rc != ERR_OK)
		return rc;
	*why = "it has another length than it should";
	if (len != MARKER_LEN)
		return ERR_CORRUPT;
	m = marker_numbers(data);
	*why = "its numbers make no sense";
	if (!packfile_id_valid(m.snapshot_id) || m.table_id < 1 || m.table_id > INT64_MAX)
		return ERR_CORRUPT;
	*out = m;
	return ERR_OK;
}

int
marker_save(int packsfd, const struct marker *m, struct err *e)
{
	uint8_t head[MARKER_LEN - SEAL_END];
	struct buf file = {0};
	int rc;

	seal_begin(&marker_kind, head);
	bytes_put64(head + 16, m->snapshot_id);
	bytes_put64(head + 24, m->table_id);
	bytes_put64(head + 32, (uint64_t)m->date);
	if (buf_append(&file, head, sizeof(head)) != ERR_OK || seal_end(&file) != ERR_OK)
		rc = err_nomem(e);
	else
		rc = packfile_save(packsfd, PACKFILE_MARKER, m->snapshot_id, file.data, file.len,
		    packfile_commit, e);
	buf_finish(&file);
	return rc == ERR_EXISTS ? ERR_OK : rc;
}

static int
marker_check(const struct buf *file, uint64_t id, const char **why)
{
	struct marker m;
	int rc = marker_decode(file->data, file->len, &m, why);

	if (rc != ERR_OK || m.snapshot_id == id)
		return rc;
	*why = "it is of another snapshot";
	return ERR_CORRUPT;
}

int
marker_load(int packsfd, uint64_t snapshot_id, struct marker *out, struct err *e)
{
	static const struct packfile_whole whole = {.most = MARKER_FILE_MAX, .check = marker_check};
	struct buf file = {0};
	int rc = packfile_load(packsfd, PACKFILE_MARKER, snapshot_id, &whole, &file, e);

	if (rc == ERR_OK)
		*out = marker_numbers(file.data);
	buf_finish(&file);
	return rc;
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
