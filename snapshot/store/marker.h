/*
 * Markers: small files in packs/ that say that a snapshot is forgotten (thinkback-pack(5)), so that
 * packs/ alone still tells what the repository shows. Written once, never changed, removed after
 * the last pack of the snapshot.
 */
#ifndef THINKBACK_STORE_MARKER_H
#define THINKBACK_STORE_MARKER_H

#include "catalog/base/err.h"

#include <stddef.h>
#include <stdint.h>

#define MARKER_LEN 72u /* bytes of a marker */

struct marker {
	uint64_t snapshot_id; /* names the file too */
	uint64_t table_id;
	int64_t date; /* of the snapshot, seconds */
};

/*
 * marker_decode(data, len, out, why):
 * Read the ${len} bytes of a marker. Return ERR_OK; ERR_VERSION when a newer thinkback wrote it;
 * ERR_CORRUPT (${why} says how); or ERR_NOMEM. Pure; any thread.
 */
int marker_decode(const uint8_t *data, size_t len, struct marker *out, const char **why);

/*
 * marker_save(packsfd, m, e):
 * Write the marker of snapshot m->snapshot_id durably; one that is there already stays. Return
 * ERR_OK or a failure with nothing left behind.
 */
int marker_save(int packsfd, const struct marker *m, struct err *e);

/*
 * marker_load(packsfd, snapshot_id, out, e):
 * Read the marker of a snapshot. Return ERR_OK; ERR_ABSENT (text set) when it has none: then it is
 * not forgotten; ERR_CORRUPT; ERR_VERSION; or a failure.
 */
int marker_load(int packsfd, uint64_t snapshot_id, struct marker *out, struct err *e);

/* marker_remove(packsfd, snapshot_id, e): unlink it durably. ERR_OK (also without one) or a
 * failure. */
int marker_remove(int packsfd, uint64_t snapshot_id, struct err *e);

/*
 * marker_list(packsfd, found, arg, e):
 * Hand the number of every snapshot that has a marker to ${found}, in no order. A result of
 * ${found} other than ERR_OK ends the walk and is returned.
 */
int
marker_list(int packsfd, int (*found)(void *arg, uint64_t snapshot_id), void *arg, struct err *e);

#endif
