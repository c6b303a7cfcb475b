/*
 * Comparing a catalogue with the one that its packs make: the contracts are in remake.h.
 *
 * The one that is made is a temporary database of SQLite, gone when it is closed; the other is
 * attached to it as "old". What an unfinished snapshot has done in it is left out: the versions
 * born in it, and that others ended with it. What packs do not tell is not compared: when a run was
 * started, when a snapshot was verified, on how many documents a dictionary was trained, that a
 * snapshot has stored anew what those before it have lost (its lost is 0 then), and how much was
 * lost with a pack. The counts of a forgotten snapshot are those
 * that it had, and what gc has taken of it is not in the packs.
 */
#include "catalog/remake.h"

#include "catalog/catalog_internal.h"
#include "catalog/schema.h"

#include <stdio.h>
#include <stdlib.h>

#define UNFINISHED "(SELECT id FROM old.snapshots WHERE complete = 0)"
#define DIED "CASE WHEN o.died IN " UNFINISHED " THEN 9223372036854775807 ELSE o.died END"

/* A pack of the table's snapshots up to this one was lost: of its shard there is a row without it.
 */
#define GAP                                                                                        \
	"SELECT 1 FROM main.snapshots s JOIN main.shards h ON h.snapshot_id = s.id"                \
	" WHERE s.table_id = n.table_id AND s.id <= n.id AND" CATALOG_GAP("main.packs")

/* Each gives a text for every row that is not what the packs say. */
static const char SCHEMA_COMPARE_SQL[] =
    "SELECT 'the definition of ' || quote(name) || ' is not the one that it should be' FROM"
    " (SELECT type, name, tbl_name, sql FROM old.sqlite_schema"
    "  EXCEPT SELECT type, name, tbl_name, sql FROM main.sqlite_schema)"
    " UNION ALL SELECT 'the definition of ' || name || ' is missing' FROM main.sqlite_schema m"
    " WHERE NOT EXISTS (SELECT 1 FROM old.sqlite_schema o WHERE o.name = m.name)";
static const char TABLES_COMPARE_SQL[] =
    "SELECT 'table ' || t.id || ' is not ' || d.name || '.' || t.name || ', as its packs say'"
    " FROM main.tables t JOIN main.databases d ON d.id = t.database_id"
    " WHERE NOT EXISTS (SELECT 1 FROM old.tables o JOIN old.databases p ON p.id = o.database_id"
    "  WHERE o.id = t.id AND p.id = d.id AND o.name = t.name AND p.name = d.name)";
static const char SNAPSHOTS_COMPARE_SQL[] =
    "SELECT 'snapshot ' || n.id || ' is not what its packs say' FROM main.snapshots n"
    " JOIN main.runs r ON r.id = n.run_id"
    " WHERE n.complete = 1 AND NOT EXISTS (SELECT 1 FROM old.snapshots o"
    "  JOIN old.runs q ON q.id = o.run_id"
    "  WHERE o.id = n.id AND o.complete = 1 AND o.forgotten = n.forgotten"
    "  AND o.table_id = n.table_id AND o.date = n.date AND o.shards = n.shards"
    "  AND o.primary_key = n.primary_key AND o.config = n.config"
    "  AND q.date = r.date AND q.source = r.source AND (o.forgotten = 1"
    "   OR (o.documents = n.documents AND o.bytes = n.bytes AND o.added = n.added"
    "    AND o.changed = n.changed AND o.deleted = n.deleted AND o.stored_bytes = n.stored_bytes"
    "    AND (o.lost = n.lost OR (o.lost = 0 AND n.lost > 0)"
    "     OR (o.lost > 0 AND n.lost > 0 AND EXISTS (" GAP "))))))"
    " UNION ALL SELECT 'snapshot ' || o.id || ' has no packs' FROM old.snapshots o"
    " WHERE o.complete = 1 AND NOT EXISTS (SELECT 1 FROM main.snapshots n"
    "  WHERE n.id = o.id AND n.complete = 1)";
static const char ORDER_COMPARE_SQL[] =
    "SELECT 'snapshot ' || o.id || ' is unfinished, and there is a later one of its table'"
    " FROM old.snapshots o WHERE o.complete = 0 AND EXISTS (SELECT 1 FROM old.snapshots l"
    "  WHERE l.table_id = o.table_id AND l.id > o.id)";
static const char SHARDS_COMPARE_SQL[] =
    "SELECT 'shard ' || n.number || ' of snapshot ' || n.snapshot_id || ' is not what its packs"
    " say' FROM main.shards n WHERE NOT EXISTS (SELECT 1 FROM old.shards o"
    "  WHERE o.snapshot_id = n.snapshot_id AND o.number = n.number AND o.lower = n.lower"
    "  AND o.upper = n.upper AND o.pack_id = n.pack_id"
    "  AND ((o.documents = n.documents AND o.bytes = n.bytes) OR EXISTS (SELECT 1"
    "   FROM old.snapshots s WHERE s.id = o.snapshot_id AND s.forgotten = 1)))"
    " UNION ALL SELECT 'shard ' || o.number || ' of snapshot ' || o.snapshot_id || ' has no pack'"
    " FROM old.shards o WHERE o.snapshot_id NOT IN " UNFINISHED
    " AND NOT EXISTS (SELECT 1 FROM main.shards n"
    "  WHERE n.snapshot_id = o.snapshot_id AND n.number = o.number)";
static const char PACKS_COMPARE_SQL[] =
    "SELECT 'pack ' || n.id || ' says something else of itself' FROM main.packs n"
    " WHERE NOT EXISTS (SELECT 1 FROM old.packs o WHERE o.id = n.id"
    "  AND o.snapshot_id = n.snapshot_id AND o.table_id = n.table_id AND o.shard = n.shard"
    "  AND o.dictionary_id IS n.dictionary_id AND o.documents = n.documents"
    "  AND o.deletions = n.deletions AND o.bytes = n.bytes)";
static const char VERSIONS_COMPARE_SQL[] =
    "SELECT 'version ' || hex(o.key) || ' of table ' || o.table_id || ', born in snapshot ' ||"
    " o.born || ', is not what the packs say' FROM old.versions o"
    " LEFT JOIN main.versions n ON n.table_id = o.table_id AND n.key = o.key AND n.born = o.born"
    " WHERE o.born NOT IN " UNFINISHED " AND (n.key IS NULL OR n.died <> " DIED
    "  OR n.pack_id <> o.pack_id OR n.ordinal <> o.ordinal OR n.size <> o.size"
    "  OR n.digest <> o.digest OR n.lost <> o.lost)";
static const char VERSIONS_MISSING_SQL[] =
    "SELECT 'version ' || hex(n.key) || ' of table ' || n.table_id || ', born in snapshot ' ||"
    " n.born || ', is missing' FROM main.versions n WHERE NOT EXISTS (SELECT 1 FROM old.versions o"
    "  WHERE o.table_id = n.table_id AND o.key = n.key AND o.born = n.born)";
static const char SEQUENCES_COMPARE_SQL[] =
    "SELECT 'the last number given out in ' || n.name || ' is not what it can be'"
    " FROM main.sqlite_sequence n WHERE NOT EXISTS (SELECT 1 FROM old.sqlite_sequence o"
    "  WHERE o.name = n.name AND typeof(o.seq) = 'integer' AND o.seq >= n.seq"
    "  AND (o.name NOT IN ('packs', 'dictionaries') OR o.seq < 1073741824))";

int
remake_scratch(struct catalog **out, struct err *e)
{
	struct catalog *c = calloc(1, sizeof(*c));
	int rc;

	if (c == NULL)
		return err_nomem(e);
	rc = db_scratch(schema_catalog(), &c->db, e);
	if (rc == ERR_OK)
		rc = db_without_foreign_keys(c->db, e);
	if (rc != ERR_OK) {
		catalog_close(c);
		return rc;
	}
	*out = c;
	return ERR_OK;
}

/* Only now: a transaction that fills the new one would hold up writers of the other. */
static int
remake_attach(struct catalog *c, const struct repo *repo, struct err *e)
{
	char *path = NULL;
	int rc;

	if (asprintf(&path, "%s/catalog.db", repo->path) < 0)
		return err_nomem(e);
	rc = db_attach(c->db, path, e);
	free(path);
	return rc;
}

/* Hand the texts that ${sql} gives to ${problem}. */
static int
remake_search(struct catalog *c, const char *sql, void (*problem)(void *arg, const char *text),
    void *arg, struct err *e)
{
	struct db_query *q = db_query(c->db, sql);
	char text[ERR_TEXT_MAX];
	int rc;

	while ((rc = db_step(q, e)) == ERR_OK) {
		if (!db_text(q, 0, text, sizeof(text)))
			snprintf(text, sizeof(text), "a row is not what the packs say");
		problem(arg, text);
	}
	db_reset(q);
	return rc == ERR_END ? ERR_OK : rc;
}

int
remake_compare(struct catalog *c, const struct repo *repo,
    void (*problem)(void *arg, const char *text), void *arg, struct err *e)
{
	static const char *const searches[] = {SCHEMA_COMPARE_SQL, TABLES_COMPARE_SQL,
	    SNAPSHOTS_COMPARE_SQL, ORDER_COMPARE_SQL, SHARDS_COMPARE_SQL, PACKS_COMPARE_SQL,
	    VERSIONS_COMPARE_SQL, VERSIONS_MISSING_SQL, SEQUENCES_COMPARE_SQL};
	int rc = remake_attach(c, repo, e);

	for (size_t i = 0; i < sizeof(searches) / sizeof(searches[0]) && rc == ERR_OK; i++)
		rc = remake_search(c, searches[i], problem, arg, e);
	return rc;
}
