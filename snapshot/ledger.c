/* The ledger, from the catalogue and back: the contracts are in ledger.h. */
#include "snapshot/ledger.h"

#include "catalog/forgotten.h"
#include "catalog/named.h"
#include "catalog/packs.h"
#include "catalog/remake.h"
#include "catalog/tags.h"
#include "snapshot/store/ledgerfile.h"

#include <string.h>

/* The tables of the catalogue whose numbers are kept. */
static const char *const ledger_tables[LEDGERFILE_NUMBERS] = {[LEDGERFILE_DATABASES] = "databases",
    [LEDGERFILE_TABLES] = "tables",
    [LEDGERFILE_RUNS] = "runs",
    [LEDGERFILE_SNAPSHOTS] = "snapshots",
    [LEDGERFILE_PACKS] = "packs",
    [LEDGERFILE_DICTIONARIES] = "dictionaries"};

/* ---- from the catalogue ---- */

/* A ledger being filled. */
struct ledger_fill {
	struct catalog *cat;
	struct ledgerfile *file;
};

static int
ledger_snapshot(
    void *arg, const struct tables_table *table, const struct snapshots_snapshot *s, struct err *e)
{
	struct ledger_fill *f = arg;
	char tag[TAGS_NAME] = "";
	int rc;

	(void)table;
	if (s->pinned && ledgerfile_tag_add(f->file, s->id, TAGS_PIN) != ERR_OK)
		return err_nomem(e);
	while ((rc = tags_next(f->cat, s->id, tag, tag, e)) == ERR_OK)
		if (ledgerfile_tag_add(f->file, s->id, tag) != ERR_OK)
			return err_nomem(e);
	return rc == ERR_END ? ERR_OK : rc;
}

static int
ledger_collect(struct catalog *cat, struct ledgerfile *out, struct err *e)
{
	struct ledger_fill f = {cat, out};
	int64_t table_id = 0, date = INT64_MIN;
	int rc = ERR_OK;

	for (size_t i = 0; i < LEDGERFILE_NUMBERS && rc == ERR_OK; i++)
		rc = remake_last(cat, ledger_tables[i], &out->last[i], e);
	if (rc != ERR_OK)
		return rc;
	while ((rc = forgotten_date_next(cat, &table_id, &date, e)) == ERR_OK)
		if (ledgerfile_date_add(out, table_id, date) != ERR_OK)
			return err_nomem(e);
	if (rc != ERR_END)
		return rc;
	rc = named_tables(cat, NULL, 0, ledger_snapshot, &f, e);
	return rc == ERR_ABSENT ? ERR_OK : rc;
}

int
ledger_write(const struct repo *repo, struct catalog *cat, struct err *e)
{
	struct ledgerfile l = {0};
	int rc = ledger_collect(cat, &l, e);

	if (rc == ERR_OK)
		rc = ledgerfile_save(repo->packsfd, &l, e);
	ledgerfile_finish(&l);
	return rc;
}

/* ---- comparing ---- */

static bool
ledger_same_bytes(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

int
ledger_same(const struct repo *repo, struct catalog *cat, bool *same, struct err *e)
{
	struct ledgerfile have = {0}, want = {0};
	int rc = ledgerfile_load(repo->packsfd, &have, e);

	if (rc == ERR_OK || rc == ERR_ABSENT)
		rc = ledger_collect(cat, &want, e);
	*same = rc == ERR_OK && ledger_same_bytes(&have.dates, &want.dates) &&
		ledger_same_bytes(&have.tags, &want.tags);
	ledgerfile_finish(&have);
	ledgerfile_finish(&want);
	return rc;
}

/* ---- back ---- */

/* Whether a catalogue can have all that is in it. */
static bool
ledger_fits(const struct ledgerfile *l)
{
	char tag[LEDGERFILE_TAG];
	size_t at = 0;
	int64_t id;

	if (l->last[LEDGERFILE_PACKS] >= PACKS_ID_MAX ||
	    l->last[LEDGERFILE_DICTIONARIES] >= PACKS_ID_MAX)
		return false;
	while (ledgerfile_tag_next(l, &at, &id, tag))
		if (!tags_valid(tag))
			return false;
	return true;
}

static int
ledger_restore_tag(struct catalog *cat, int64_t snapshot_id, const char *tag, struct err *e)
{
	struct snapshots_snapshot s;
	int rc = snapshots_get(cat, snapshot_id, &s, e);

	if (rc == ERR_OK)
		rc = strcmp(tag, TAGS_PIN) == 0 ? tags_pin(cat, snapshot_id, true, e)
						: tags_add(cat, snapshot_id, tag, e);
	return rc == ERR_ABSENT ? ERR_OK : rc;
}

static int
ledger_restore_all(struct catalog *cat, const struct ledgerfile *l, struct err *e)
{
	int64_t id, date;
	char tag[LEDGERFILE_TAG];
	size_t at = 0;
	int rc = ERR_OK;

	for (size_t i = 0; i < LEDGERFILE_NUMBERS && rc == ERR_OK; i++)
		rc = remake_sequence(cat, ledger_tables[i], l->last[i], e);
	while (rc == ERR_OK && ledgerfile_date_next(l, &at, &id, &date))
		rc = remake_forgotten_date(cat, id, date, e);
	at = 0;
	while (rc == ERR_OK && ledgerfile_tag_next(l, &at, &id, tag))
		rc = ledger_restore_tag(cat, id, tag, e);
	return rc;
}

int
ledger_restore(const struct repo *repo, struct catalog *cat, struct err *e)
{
	struct ledgerfile l = {0};
	int rc = ledgerfile_load(repo->packsfd, &l, e);

	if (rc == ERR_OK && !ledger_fits(&l))
		rc = err_set(e, ERR_CORRUPT, "the ledger in packs/ has values out of range");
	if (rc == ERR_OK)
		rc = ledger_restore_all(cat, &l, e);
	ledgerfile_finish(&l);
	return rc == ERR_ABSENT ? ERR_OK : rc;
}
