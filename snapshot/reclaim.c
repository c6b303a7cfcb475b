/* What a writer that was stopped has left: the contracts are in reclaim.h. */
#include "snapshot/reclaim.h"

#include "catalog/base/file.h"
#include "catalog/leftovers.h"
#include "catalog/runs.h"
#include "catalog/snapshots.h"
#include "catalog/versions.h"
#include "snapshot/ledger.h"
#include "snapshot/store/dictionary.h"
#include "snapshot/store/marker.h"
#include "snapshot/store/pack.h"
#include "snapshot/store/runfile.h"

#include <inttypes.h>

int
reclaim_compare(const struct repo *repo, const struct packs_pack *row, struct err *e)
{
	const struct pack_totals *t;
	struct pack *pack;
	bool same;
	int rc = pack_open(repo->packsfd, (uint64_t)row->id, &pack, e);

	if (rc != ERR_OK)
		return rc;
	t = pack_count(pack);
	same = t->documents == row->documents && t->deletions == row->deletions &&
	       t->bytes == row->bytes;
	pack_close(pack);
	return same ? ERR_OK
		    : err_set(e, ERR_WRONG_STATE,
			  "pack %016" PRIx64 " is not the one that catalog.db describes; "
			  "run: thinkback rebuild",
			  (uint64_t)row->id);
}

/*
 * Let the replacement of a pack take its place. Where it is not any more, that has been done,
 * unless it was lost: a copy of packs/ may lack what has a temporary name.
 */
static int
reclaim_replace(const struct repo *repo, struct catalog *cat, int64_t id, struct err *e)
{
	struct packs_pack row;
	int rc = pack_replace(repo->packsfd, (uint64_t)id, e);

	if (rc == ERR_OK)
		rc = packs_get(cat, id, &row, e);
	if (rc != ERR_OK)
		return rc == ERR_ABSENT ? ERR_OK : rc;
	/* What is wrong with a pack that cannot be opened is for check to say. */
	return reclaim_compare(repo, &row, e) == ERR_WRONG_STATE ? ERR_CORRUPT : ERR_OK;
}

/* Remove a pack with which the catalogue has done, and of which it therefore has no row. */
static int
reclaim_remove(const struct repo *repo, struct catalog *cat, int64_t id, struct err *e)
{
	struct packs_pack row;
	int rc = packs_get(cat, id, &row, e);

	if (rc == ERR_ABSENT)
		return pack_remove(repo->packsfd, (uint64_t)id, e);
	return rc == ERR_OK ? err_set(e, ERR_CORRUPT,
				  "catalog.db is damaged: it needs pack %016" PRIx64
				  ", and has it removed; run: thinkback rebuild",
				  (uint64_t)id)
			    : rc;
}

/* Carry out one leftover. */
static int
reclaim_file(const struct repo *repo, struct catalog *cat, enum leftovers_kind kind, int64_t id,
    struct err *e)
{
	int packsfd = repo->packsfd;

	switch (kind) {
	case LEFTOVERS_LEDGER:
		return ledger_write(repo, cat, e);
	case LEFTOVERS_REPLACEMENT:
		return reclaim_replace(repo, cat, id, e);
	case LEFTOVERS_PACK:
		return reclaim_remove(repo, cat, id, e);
	case LEFTOVERS_DICTIONARY:
		return dictionary_remove(packsfd, (uint64_t)id, e);
	case LEFTOVERS_MARKER:
		return marker_remove(packsfd, (uint64_t)id, e);
	}
	return err_set(e, ERR_BUG, "an unknown kind of leftovers");
}

/* The pack has been replaced: what it had lost, and the new file has, is there again. */
static int
reclaim_regained(struct catalog *cat, int64_t pack_id, struct err *e)
{
	int rc = snapshots_count_lost(cat, pack_id, true, e);

	if (rc == ERR_OK)
		rc = versions_regained(cat, pack_id, e);
	return rc == ERR_OK ? snapshots_count_lost(cat, pack_id, false, e) : rc;
}

/*
 * Strike one off, durably: after a power cut a replacement that was already made must not be taken
 * for one that is still to be, when there is another unfinished file of the same number.
 */
static int
reclaim_strike(struct catalog *cat, enum leftovers_kind kind, int64_t id, struct err *e)
{
	int rc = catalog_begin(cat, e);

	if (rc != ERR_OK)
		return rc;
	rc = leftovers_done(cat, kind, id, e);
	if (rc == ERR_OK && kind == LEFTOVERS_REPLACEMENT)
		rc = reclaim_regained(cat, id, e);
	if (rc == ERR_OK)
		rc = catalog_commit(cat, kind == LEFTOVERS_REPLACEMENT, e);
	if (rc != ERR_OK)
		catalog_rollback(cat);
	return rc;
}

/* Carry out all of one kind. */
static int
reclaim_kind(const struct repo *repo, struct catalog *cat, enum leftovers_kind kind, struct err *e)
{
	int64_t id = 0;
	int rc;

	while ((rc = leftovers_next(cat, kind, id, &id, e)) == ERR_OK) {
		rc = reclaim_file(repo, cat, kind, id, e);
		if (rc == ERR_OK)
			rc = reclaim_strike(cat, kind, id, e);
		if (rc != ERR_OK)
			return rc;
	}
	return rc == ERR_END ? ERR_OK : rc;
}

int
reclaim_files(const struct repo *repo, struct catalog *cat, struct err *e)
{
	static const enum leftovers_kind order[] = {
	    LEFTOVERS_REPLACEMENT, LEFTOVERS_PACK, LEFTOVERS_DICTIONARY, LEFTOVERS_MARKER};
	int rc = ERR_OK;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]) && rc == ERR_OK; i++)
		rc = reclaim_kind(repo, cat, order[i], e);
	return rc;
}

int
reclaim_leftovers(const struct repo *repo, struct catalog *cat, struct err *e)
{
	int rc = reclaim_kind(repo, cat, LEFTOVERS_LEDGER, e);

	return rc == ERR_OK ? reclaim_files(repo, cat, e) : rc;
}

int
reclaim_records(const struct repo *repo, struct catalog *cat, struct err *e)
{
	int64_t id = 0;
	int rc;

	while ((rc = runs_unfinished_next(cat, id, &id, e)) == ERR_OK) {
		rc = runfile_remove(repo->packsfd, (uint64_t)id, e);
		if (rc != ERR_OK)
			return rc;
	}
	return rc == ERR_END ? ERR_OK : rc;
}

int
reclaim_take_back(const struct repo *repo, struct catalog *cat, int64_t snapshot_id, struct err *e)
{
	int64_t id = 0, owner;
	int rc;

	while ((rc = packs_unfinished_next(cat, id, &id, &owner, e)) == ERR_OK) {
		if (owner == snapshot_id || snapshot_id == 0)
			rc = pack_remove(repo->packsfd, (uint64_t)id, e);
		if (rc != ERR_OK)
			return rc;
	}
	if (rc != ERR_END)
		return rc;
	if (snapshot_id != 0)
		return snapshots_take_back(cat, snapshot_id, e);
	rc = reclaim_records(repo, cat, e);
	return rc == ERR_OK ? snapshots_recover(cat, e) : rc;
}

int
reclaim_recover(const struct repo *repo, struct catalog *cat, struct err *e)
{
	/*
	 * SQLite syncs the directory in which its log is new, but does not look whether that
	 * worked: without the log's name all commits would be lost, whose packs are on disk.
	 */
	int rc = file_sync(repo->dirfd, repo->path, e);

	/* Of a snapshot with a number that the ledger has, no unfinished pack is left (rebuild.c).
	 */
	if (rc == ERR_OK)
		rc = reclaim_take_back(repo, cat, 0, e);
	/* The replacements are unfinished files by name. */
	if (rc == ERR_OK)
		rc = reclaim_leftovers(repo, cat, e);
	return rc == ERR_OK ? pack_clean(repo->packsfd, e) : rc;
}
