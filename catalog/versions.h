/*
 * Versions in the catalogue: one document over a span of snapshots. A version is visible in
 * snapshot S of its table when born <= S < died. (pack_id, ordinal) is where it is stored and names
 * it for ever: no two versions share it, and it survives gc and rebuild.
 *
 * A version whose document damage has taken is lost: it is never visible, but stays between those
 * before and behind it, so that none of them is shown in its place. Threads as in catalog.h.
 */
#ifndef THINKBACK_CATALOG_VERSIONS_H
#define THINKBACK_CATALOG_VERSIONS_H

#include "catalog/base/digest.h"
#include "catalog/catalog.h"
#include "catalog/key.h"

#include <stddef.h>

#define VERSIONS_ALIVE INT64_MAX /* the "died" of a version that is in the newest snapshot */

struct versions_version {
	struct key key;
	int64_t born;               /* snapshot in which it appeared */
	int64_t died;               /* first snapshot without it, or VERSIONS_ALIVE */
	int64_t pack_id;            /* pack that holds it */
	uint32_t ordinal;           /* its number in that pack */
	uint32_t size;              /* canonical bytes, without a newline */
	uint8_t digest[DIGEST_LEN]; /* of the canonical bytes */
	bool lost;                  /* the document is not stored any more */
};

/*
 * versions_find(c, table_id, snapshot_id, key, out, e):
 * The version of ${key} visible in the snapshot. Return ERR_OK, ERR_ABSENT (no text) or a failure.
 */
int versions_find(struct catalog *c, int64_t table_id, int64_t snapshot_id, const struct key *key,
    struct versions_version *out, struct err *e);

/*
 * versions_page(c, table_id, snapshot_id, after, inclusive, upper, out, room, got, e):
 * The first ${room} versions visible in the snapshot, in key order, whose key is over ${after} (or
 * equal to it when ${inclusive}) and under ${upper} (len 0: no upper bound). Sets ${got}; fewer
 * than
 * ${room} means that there are no more. Return ERR_OK or a failure. O(versions passed over).
 */
int versions_page(struct catalog *c, int64_t table_id, int64_t snapshot_id, const struct key *after,
    bool inclusive, const struct key *upper, struct versions_version *out, size_t room, size_t *got,
    struct err *e);

/*
 * versions_alive(c, table_id, snapshot_id, after, inclusive, upper, out, room, got, e):
 * As versions_page, also of versions that are lost: the keys that the snapshot had.
 */
int versions_alive(struct catalog *c, int64_t table_id, int64_t snapshot_id,
    const struct key *after, bool inclusive, const struct key *upper, struct versions_version *out,
    size_t room, size_t *got, struct err *e);

/*
 * versions_born(c, table_id, key, born, out, e):
 * The version of ${key} born in that snapshot, lost or not. Return ERR_OK, ERR_ABSENT (no text) or
 * a failure.
 */
int versions_born(struct catalog *c, int64_t table_id, const struct key *key, int64_t born,
    struct versions_version *out, struct err *e);

/*
 * versions_touched(c, table_id, snapshot_id, after, inclusive, upper, out, room, got, e):
 * As versions_page, of the keys of which the snapshot's packs have a line: the version born in it,
 * or, when there is none, the one that ended in it; lost or not.
 */
int versions_touched(struct catalog *c, int64_t table_id, int64_t snapshot_id,
    const struct key *after, bool inclusive, const struct key *upper, struct versions_version *out,
    size_t room, size_t *got, struct err *e);

/*
 * versions_same(c, v, after, out, e):
 * Another version with the key, size and digest of ${v}, of any table and not lost, in a pack with
 * a number over ${after} that is not v->pack_id. Return ERR_OK, ERR_ABSENT (no text) or a failure.
 */
int versions_same(struct catalog *c, const struct versions_version *v, int64_t after,
    struct versions_version *out, struct err *e);

/*
 * versions_before(c, table_id, key, born, out, e), versions_after(c, table_id, key, born, out, e):
 * The last version of ${key} born before ${born}, the first born after it; ended or not, lost or
 * not. Return ERR_OK, ERR_ABSENT (no text) or a failure.
 */
int versions_before(struct catalog *c, int64_t table_id, const struct key *key, int64_t born,
    struct versions_version *out, struct err *e);
int versions_after(struct catalog *c, int64_t table_id, const struct key *key, int64_t born,
    struct versions_version *out, struct err *e);

/*
 * versions_insert(c, table_id, v, e):
 * Record a version. Needs a transaction. Return ERR_OK, ERR_EXISTS, or a failure.
 */
int versions_insert(
    struct catalog *c, int64_t table_id, const struct versions_version *v, struct err *e);

/*
 * versions_close(c, table_id, key, born, died, e):
 * End the version of ${key} born in ${born} at snapshot ${died}. Needs a transaction. Return
 * ERR_OK, ERR_ABSENT when there is none that is alive, or a failure.
 */
int versions_close(struct catalog *c, int64_t table_id, const struct key *key, int64_t born,
    int64_t died, struct err *e);

/*
 * versions_delete(c, table_id, key, born, e), versions_extend(c, table_id, key, born, died, e):
 * Take a version away that no snapshot shows; let one that has ended end at ${died} instead, when
 * no snapshot in between shows anything. Need a transaction. Return ERR_OK, ERR_ABSENT (no text)
 * when there is none, or a failure.
 */
int versions_delete(
    struct catalog *c, int64_t table_id, const struct key *key, int64_t born, struct err *e);
int versions_extend(struct catalog *c, int64_t table_id, const struct key *key, int64_t born,
    int64_t died, struct err *e);

/* versions_count(c, table_id, out, e): the number of versions of a table that packs hold, all
 * spans; 0 for all tables. */
int versions_count(struct catalog *c, int64_t table_id, uint64_t *out, struct err *e);

/*
 * versions_lose(c, table_id, key, born, e), versions_regain(c, table_id, key, born, e):
 * Say of the version of ${key} born in ${born} that it is lost; that one which is lost is in the
 * file that will replace its pack (leftovers.h), until when it stays lost. The counts of snapshots
 * are left to the caller (snapshots_count_lost). Need a transaction. Return ERR_OK, ERR_ABSENT (no
 * text) when there is none, or a failure.
 */
int versions_lose(
    struct catalog *c, int64_t table_id, const struct key *key, int64_t born, struct err *e);
int versions_regain(
    struct catalog *c, int64_t table_id, const struct key *key, int64_t born, struct err *e);

/*
 * versions_regained(c, pack_id, e):
 * The pack has been replaced: what versions_regain has named is not lost any more. As above.
 */
int versions_regained(struct catalog *c, int64_t pack_id, struct err *e);

/*
 * versions_lost_next(c, pack_id, table_id, after, out, e):
 * The first version that is lost and whose document was in that pack of the table, with a key over
 * ${after}. Return ERR_OK, ERR_END or a failure.
 */
int versions_lost_next(struct catalog *c, int64_t pack_id, int64_t table_id,
    const struct key *after, struct versions_version *out, struct err *e);

/*
 * versions_lost_pack(c, after, out, e), versions_lost_count(c, pack_id, out, e):
 * The first pack with a number over ${after} that has lost a version; how many it has lost. The
 * first returns ERR_OK, ERR_END or a failure, the second ERR_OK or a failure.
 */
int versions_lost_pack(struct catalog *c, int64_t after, int64_t *out, struct err *e);
int versions_lost_count(struct catalog *c, int64_t pack_id, uint64_t *out, struct err *e);

#endif
