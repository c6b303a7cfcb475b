/*
 * The tables of catalog.db and queue.db, as steps of a ladder that leads from one user_version to
 * the next. A step that has been released is never changed; a new version is one more step.
 * thinkback-catalog(5) says what every column means.
 *
 * What the choices rest on:
 * - Numbers that name something for ever (packs are part of inode numbers) are AUTOINCREMENT, which
 *   alone promises that the number of a deleted row is not given out again.
 * - versions is by far the largest table. It is WITHOUT ROWID in key order, so that a listing is
 * one range of the file; it has no other index (but for one of what is lost, which is empty), and
 * no foreign keys, whose checks would cost a lookup for each row written and a scan of it for each
 * pack deleted.
 * - Every other foreign key has an index that begins with it.
 * - snapshots_by_shards is of a question that nobody asks any more. It has a row for each snapshot,
 *   which is not worth a step that keeps older programs out.
 */
#include "catalog/schema.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char CATALOG_SNAPSHOTS[] =
    "CREATE TABLE databases ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 255)"
    ") STRICT;"

    "CREATE TABLE tables ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  database_id INTEGER NOT NULL REFERENCES databases (id),"
    "  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 255),"
    "  UNIQUE (database_id, name)"
    ") STRICT;"

    "CREATE TABLE runs ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  date INTEGER NOT NULL,"
    "  source TEXT NOT NULL,"
    "  started INTEGER NOT NULL"
    ") STRICT;"

    "CREATE TABLE snapshots ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  table_id INTEGER NOT NULL REFERENCES tables (id),"
    "  run_id INTEGER NOT NULL REFERENCES runs (id),"
    "  date INTEGER NOT NULL,"
    "  complete INTEGER NOT NULL DEFAULT 0 CHECK (complete IN (0, 1)),"
    "  shards INTEGER NOT NULL DEFAULT 0 CHECK (shards BETWEEN 0 AND 64),"
    "  documents INTEGER NOT NULL DEFAULT 0 CHECK (documents >= 0),"
    "  bytes INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0),"
    "  added INTEGER NOT NULL DEFAULT 0 CHECK (added >= 0),"
    "  changed INTEGER NOT NULL DEFAULT 0 CHECK (changed >= 0),"
    "  deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted >= 0),"
    "  stored_bytes INTEGER NOT NULL DEFAULT 0 CHECK (stored_bytes >= 0),"
    "  verified INTEGER NOT NULL DEFAULT 0 CHECK (verified >= 0),"
    "  primary_key TEXT,"
    "  config TEXT"
    ") STRICT;"
    "CREATE INDEX snapshots_of_table ON snapshots (table_id, complete, id);"
    "CREATE UNIQUE INDEX snapshots_at_date ON snapshots (table_id, date) WHERE complete = 1;"
    "CREATE INDEX snapshots_by_date ON snapshots (date) WHERE complete = 1;"
    "CREATE INDEX snapshots_by_shards ON snapshots (table_id, shards) WHERE complete = 1;"
    "CREATE INDEX snapshots_of_run ON snapshots (run_id);"
    "CREATE INDEX snapshots_unfinished ON snapshots (id) WHERE complete = 0;";

static const char CATALOG_PACKS[] =
    "CREATE TABLE dictionaries ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  table_id INTEGER NOT NULL REFERENCES tables (id),"
    "  documents INTEGER NOT NULL CHECK (documents >= 0),"
    "  bytes BLOB NOT NULL"
    ") STRICT;"
    "CREATE INDEX dictionaries_of_table ON dictionaries (table_id, id);"

    "CREATE TABLE packs ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  snapshot_id INTEGER NOT NULL REFERENCES snapshots (id),"
    "  table_id INTEGER NOT NULL REFERENCES tables (id),"
    "  shard INTEGER NOT NULL CHECK (shard BETWEEN 0 AND 63),"
    "  dictionary_id INTEGER REFERENCES dictionaries (id),"
    "  documents INTEGER NOT NULL DEFAULT 0 CHECK (documents >= 0),"
    "  deletions INTEGER NOT NULL DEFAULT 0 CHECK (deletions >= 0),"
    "  bytes INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0)"
    ") STRICT;"
    "CREATE INDEX packs_of_snapshot ON packs (snapshot_id, id);"
    "CREATE INDEX packs_of_table ON packs (table_id);"
    "CREATE INDEX packs_of_dictionary ON packs (dictionary_id);"

    "CREATE TABLE shards ("
    "  snapshot_id INTEGER NOT NULL REFERENCES snapshots (id),"
    "  number INTEGER NOT NULL CHECK (number BETWEEN 0 AND 63),"
    "  lower BLOB NOT NULL CHECK (length(lower) <= 128),"
    "  upper BLOB NOT NULL CHECK (length(upper) <= 128),"
    "  documents INTEGER NOT NULL CHECK (documents >= 0),"
    "  bytes INTEGER NOT NULL CHECK (bytes >= 0),"
    "  pack_id INTEGER NOT NULL REFERENCES packs (id),"
    "  PRIMARY KEY (snapshot_id, number)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX shards_of_pack ON shards (pack_id);"

    "CREATE TABLE versions ("
    "  table_id INTEGER NOT NULL,"
    "  key BLOB NOT NULL,"
    "  born INTEGER NOT NULL,"
    "  died INTEGER NOT NULL,"
    "  pack_id INTEGER NOT NULL,"
    "  ordinal INTEGER NOT NULL,"
    "  size INTEGER NOT NULL,"
    "  digest BLOB NOT NULL,"
    "  PRIMARY KEY (table_id, key, born)"
    ") STRICT, WITHOUT ROWID;";

/* For people with the sqlite3 shell; thinkback itself does not look at views. */
static const char CATALOG_VIEWS[] =
    "CREATE VIEW snapshot_list AS"
    " SELECT s.id, d.name AS \"database\", t.name AS \"table\","
    "  strftime('%Y-%m-%dT%H-%M-%SZ', s.date, 'unixepoch') AS date,"
    "  s.complete, s.shards, s.documents, s.bytes, s.added, s.changed, s.deleted, s.stored_bytes,"
    "  CASE s.verified WHEN 0 THEN NULL"
    "   ELSE strftime('%Y-%m-%dT%H-%M-%SZ', s.verified, 'unixepoch') END AS verified,"
    "  r.source"
    " FROM snapshots s JOIN tables t ON t.id = s.table_id"
    " JOIN databases d ON d.id = t.database_id JOIN runs r ON r.id = s.run_id"
    " ORDER BY s.id;"
    "CREATE VIEW version_list AS"
    " SELECT d.name AS \"database\", t.name AS \"table\", CAST(v.key AS TEXT) AS key,"
    "  strftime('%Y-%m-%dT%H-%M-%SZ', b.date, 'unixepoch') AS born,"
    "  strftime('%Y-%m-%dT%H-%M-%SZ', e.date, 'unixepoch') AS died,"
    "  v.pack_id, v.ordinal, v.size, lower(hex(v.digest)) AS digest"
    " FROM versions v JOIN tables t ON t.id = v.table_id"
    " JOIN databases d ON d.id = t.database_id"
    " JOIN snapshots b ON b.id = v.born LEFT JOIN snapshots e ON e.id = v.died;";

/* What damage has taken from a snapshot is told wherever it is shown. */
static const char CATALOG_LOST[] =
    "ALTER TABLE snapshots ADD COLUMN lost INTEGER NOT NULL DEFAULT 0 CHECK (lost >= 0);";

/*
 * Forgetting: a snapshot that is hidden keeps its row until gc has taken its packs. What shows
 * snapshots looks at those that are complete and not forgotten, and has indexes of these.
 */
static const char CATALOG_FORGOTTEN[] =
    "ALTER TABLE snapshots ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0"
    " CHECK (forgotten IN (0, 1));"
    "ALTER TABLE snapshots ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0"
    " CHECK (pinned IN (0, 1));"
    "DROP INDEX snapshots_of_table;"
    "DROP INDEX snapshots_at_date;"
    "DROP INDEX snapshots_by_date;"
    "DROP INDEX snapshots_by_shards;"
    "CREATE INDEX snapshots_of_table ON snapshots (table_id, complete, forgotten, id);"
    "CREATE UNIQUE INDEX snapshots_at_date ON snapshots (table_id, date)"
    " WHERE complete = 1 AND forgotten = 0;"
    "CREATE INDEX snapshots_by_date ON snapshots (date) WHERE complete = 1 AND forgotten = 0;"
    "CREATE INDEX snapshots_by_shards ON snapshots (table_id, shards)"
    " WHERE complete = 1 AND forgotten = 0;"
    "CREATE INDEX snapshots_forgotten ON snapshots (table_id, id) WHERE forgotten = 1;"

    "CREATE TABLE tags ("
    "  snapshot_id INTEGER NOT NULL REFERENCES snapshots (id),"
    "  tag TEXT NOT NULL CHECK (length(tag) BETWEEN 1 AND 64),"
    "  PRIMARY KEY (snapshot_id, tag)"
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE forgotten_dates ("
    "  table_id INTEGER NOT NULL REFERENCES tables (id),"
    "  date INTEGER NOT NULL,"
    "  PRIMARY KEY (table_id, date)"
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE leftovers ("
    "  kind TEXT NOT NULL CHECK (kind IN"
    "   ('dictionary', 'ledger', 'marker', 'pack', 'replacement')),"
    "  id INTEGER NOT NULL,"
    "  PRIMARY KEY (kind, id)"
    ") STRICT, WITHOUT ROWID;"

    "DROP VIEW snapshot_list;"
    "CREATE VIEW snapshot_list AS"
    " SELECT s.id, d.name AS \"database\", t.name AS \"table\","
    "  strftime('%Y-%m-%dT%H-%M-%SZ', s.date, 'unixepoch') AS date,"
    "  s.complete, s.forgotten, s.pinned,"
    "  (SELECT group_concat(g.tag, ' ') FROM tags g WHERE g.snapshot_id = s.id) AS tags,"
    "  s.shards, s.documents, s.bytes, s.added, s.changed, s.deleted, s.stored_bytes, s.lost,"
    "  CASE s.verified WHEN 0 THEN NULL"
    "   ELSE strftime('%Y-%m-%dT%H-%M-%SZ', s.verified, 'unixepoch') END AS verified,"
    "  r.source"
    " FROM snapshots s JOIN tables t ON t.id = s.table_id"
    " JOIN databases d ON d.id = t.database_id JOIN runs r ON r.id = s.run_id"
    " ORDER BY s.id;";

/*
 * A version whose document damage has taken keeps its row (lost 1, or 2 while a file that has the
 * document again is on its way to its place), so that it goes on ending the one before it and is
 * ended by the next; nothing shows it.
 */
static const char CATALOG_LOST_VERSIONS[] =
    "ALTER TABLE versions ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX versions_lost ON versions (pack_id) WHERE lost > 0;"

    "DROP VIEW version_list;"
    "CREATE VIEW version_list AS"
    " SELECT d.name AS \"database\", t.name AS \"table\", CAST(v.key AS TEXT) AS key,"
    "  strftime('%Y-%m-%dT%H-%M-%SZ', b.date, 'unixepoch') AS born,"
    "  strftime('%Y-%m-%dT%H-%M-%SZ', e.date, 'unixepoch') AS died,"
    "  v.pack_id, v.ordinal, v.size, lower(hex(v.digest)) AS digest, v.lost"
    " FROM versions v JOIN tables t ON t.id = v.table_id"
    " JOIN databases d ON d.id = t.database_id"
    " JOIN snapshots b ON b.id = v.born LEFT JOIN snapshots e ON e.id = v.died;";

static const char QUEUE_RESTORES[] =
    "CREATE TABLE restores ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  state TEXT NOT NULL"
    "   CHECK (state IN ('pending', 'running', 'done', 'failed', 'cancelled')),"
    "  database_name TEXT NOT NULL,"
    "  table_name TEXT NOT NULL,"
    "  name TEXT NOT NULL,"
    "  documents INTEGER NOT NULL CHECK (documents >= 0),"
    "  bytes INTEGER NOT NULL CHECK (bytes >= 0),"
    "  attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),"
    "  created INTEGER NOT NULL,"
    "  updated INTEGER NOT NULL,"
    "  not_before INTEGER NOT NULL DEFAULT 0,"
    "  lease_until INTEGER NOT NULL DEFAULT 0,"
    "  owner TEXT NOT NULL DEFAULT '',"
    "  error TEXT NOT NULL DEFAULT ''"
    ") STRICT;"
    "CREATE INDEX restores_by_state ON restores (state, id);"
    "CREATE INDEX restores_of_table ON restores (database_name, table_name, state, id);"
    "CREATE INDEX restores_by_name ON restores (database_name, table_name, name, state, id);"

    "CREATE TABLE payload ("
    "  restore_id INTEGER NOT NULL REFERENCES restores (id),"
    "  seq INTEGER NOT NULL CHECK (seq >= 0),"
    "  bytes BLOB NOT NULL,"
    "  PRIMARY KEY (restore_id, seq)"
    ") STRICT;";

/* Likewise. */
static const char QUEUE_VIEWS[] =
    "CREATE VIEW restore_list AS"
    " SELECT id, state, database_name AS \"database\", table_name AS \"table\", name, documents,"
    "  bytes, attempts, strftime('%Y-%m-%dT%H-%M-%SZ', created / 1000, 'unixepoch') AS created,"
    "  strftime('%Y-%m-%dT%H-%M-%SZ', updated / 1000, 'unixepoch') AS updated, owner, error"
    " FROM restores ORDER BY id;";

/* What restores into servers replaced, so that it can be put back. */
static const char QUEUE_REPLACED[] =
    "ALTER TABLE restores ADD COLUMN policy TEXT NOT NULL DEFAULT ''"
    " CHECK (policy IN ('', 'replace', 'keep', 'newer-loses'));"
    "ALTER TABLE restores ADD COLUMN target TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE restores ADD COLUMN undone INTEGER NOT NULL DEFAULT 0;"

    "CREATE TABLE replaced ("
    "  restore_id INTEGER NOT NULL REFERENCES restores (id),"
    "  key BLOB NOT NULL CHECK (length(key) BETWEEN 1 AND 128),"
    "  written BLOB NOT NULL CHECK (length(written) = 16),"
    "  document BLOB,"
    "  PRIMARY KEY (restore_id, key)"
    ") STRICT;"

    "DROP VIEW restore_list;"
    "CREATE VIEW restore_list AS"
    " SELECT id, state, database_name AS \"database\", table_name AS \"table\", name, documents,"
    "  bytes, attempts, strftime('%Y-%m-%dT%H-%M-%SZ', created / 1000, 'unixepoch') AS created,"
    "  strftime('%Y-%m-%dT%H-%M-%SZ', updated / 1000, 'unixepoch') AS updated, owner, policy,"
    "  target, CASE undone WHEN 0 THEN NULL"
    "   ELSE strftime('%Y-%m-%dT%H-%M-%SZ', undone / 1000, 'unixepoch') END AS undone, error"
    " FROM restores ORDER BY id;";

/* What a run saved besides its tables. */
static const char CATALOG_RECORDS[] = "ALTER TABLE runs ADD COLUMN record TEXT;";

static const struct db_step CATALOG_STEPS[] = {{1, CATALOG_SNAPSHOTS}, {1, CATALOG_PACKS},
    {1, CATALOG_VIEWS}, {2, CATALOG_RECORDS}, {3, CATALOG_LOST}, {4, CATALOG_FORGOTTEN},
    {5, CATALOG_LOST_VERSIONS}};
static const struct db_step QUEUE_STEPS[] = {
    {1, QUEUE_RESTORES}, {1, QUEUE_VIEWS}, {2, QUEUE_REPLACED}};

const struct db_schema *
schema_catalog(void)
{
	static const struct db_schema schema = {
	    .what = "catalogue",
	    .application_id = 0x54426361, /* "TBca" */
	    .steps = CATALOG_STEPS,
	    .n_steps = COUNT(CATALOG_STEPS),
	    .version = 5,
	};

	return &schema;
}

const struct db_schema *
schema_queue(void)
{
	static const struct db_schema schema = {
	    .what = "queue",
	    .application_id = 0x54427175, /* "TBqu" */
	    .steps = QUEUE_STEPS,
	    .n_steps = COUNT(QUEUE_STEPS),
	    .version = 2,
	    .durable = true,
	};

	return &schema;
}
