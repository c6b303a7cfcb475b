/*
 * Rows of a catalogue that somebody else has made: each row is what the schema's columns can hold,
 * without its constraints, and everything that reads must end with a code of err.h.
 *
 * The input is rows: a byte for the table, then for each column a byte for the kind of value and
 * what that takes: 0 NULL, 1 a signed byte, 2 eight bytes of a number, 3 text and 4 bytes, both
 * with a byte for the length.
 */
#include "catalog/catalog.h"
#include "catalog/packs.h"
#include "catalog/repo.h"
#include "catalog/runs.h"
#include "catalog/snapshots.h"
#include "catalog/tables.h"
#include "catalog/versions.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TABLES 16
#define STEPS 100 /* rows that are read of anything */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	char dir[64];
	struct repo *repo;
	struct catalog *catalog;
	sqlite3 *raw;
	sqlite3_stmt *insert[TABLES], *empty[TABLES];
	int columns[TABLES];
	unsigned n;
} fuzz;

struct input {
	const uint8_t *at, *end;
};

static void
check(int truth)
{
	if (!truth)
		abort();
}

static void
clean_up(void)
{
	char command[128];

	for (unsigned i = 0; i < fuzz.n; i++) {
		sqlite3_finalize(fuzz.insert[i]);
		sqlite3_finalize(fuzz.empty[i]);
	}
	sqlite3_close(fuzz.raw);
	catalog_close(fuzz.catalog);
	repo_close(fuzz.repo);
	snprintf(command, sizeof(command), "rm -rf %s", fuzz.dir);
	check(system(command) == 0);
}

static sqlite3_stmt *
prepare(const char *sql)
{
	sqlite3_stmt *stmt;

	check(sqlite3_prepare_v2(fuzz.raw, sql, -1, &stmt, NULL) == SQLITE_OK);
	return stmt;
}

/* The statements that empty and fill ${table}. */
static void
add_table(const char *table)
{
	char sql[512];
	sqlite3_stmt *all;

	snprintf(sql, sizeof(sql), "SELECT * FROM %s", table);
	all = prepare(sql);
	fuzz.columns[fuzz.n] = sqlite3_column_count(all);
	sqlite3_finalize(all);
	snprintf(sql, sizeof(sql), "DELETE FROM %s", table);
	fuzz.empty[fuzz.n] = prepare(sql);
	snprintf(sql, sizeof(sql), "INSERT OR REPLACE INTO %s VALUES (?1", table);
	for (int i = 2; i <= fuzz.columns[fuzz.n]; i++)
		snprintf(sql + strlen(sql), sizeof(sql) - strlen(sql), ",?%d", i);
	snprintf(sql + strlen(sql), sizeof(sql) - strlen(sql), ")");
	fuzz.insert[fuzz.n++] = prepare(sql);
}

static void
begin(void)
{
	char path[128];
	sqlite3_stmt *tables;

	snprintf(fuzz.dir, sizeof(fuzz.dir), "/tmp/thinkback-fuzz-XXXXXX");
	check(mkdtemp(fuzz.dir) != NULL);
	check(repo_create(fuzz.dir, NULL) == ERR_OK);
	check(repo_open(fuzz.dir, &fuzz.repo, NULL) == ERR_OK);
	check(catalog_open(fuzz.repo, CATALOG_READ, &fuzz.catalog, NULL) == ERR_OK);
	snprintf(path, sizeof(path), "%s/catalog.db", fuzz.dir);
	check(sqlite3_open(path, &fuzz.raw) == SQLITE_OK);
	check(sqlite3_exec(fuzz.raw,
		  "PRAGMA foreign_keys=OFF; PRAGMA ignore_check_constraints=ON;"
		  "PRAGMA synchronous=OFF",
		  NULL, NULL, NULL) == SQLITE_OK);
	tables = prepare("SELECT name FROM sqlite_schema WHERE type = 'table' "
			 "AND name NOT LIKE 'sqlite_%' ORDER BY name");
	while (sqlite3_step(tables) == SQLITE_ROW && fuzz.n < TABLES)
		add_table((const char *)sqlite3_column_text(tables, 0));
	sqlite3_finalize(tables);
	check(fuzz.n > 0 && fuzz.n < TABLES);
	check(atexit(clean_up) == 0);
}

static uint8_t
byte(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static void
bind(struct input *in, sqlite3_stmt *stmt, int column)
{
	uint64_t number = 0;
	uint8_t kind = byte(in) % 5, len;

	if (kind == 0) {
		sqlite3_bind_null(stmt, column);
	} else if (kind == 1) {
		sqlite3_bind_int64(stmt, column, (int8_t)byte(in));
	} else if (kind == 2) {
		for (int i = 0; i < 8; i++)
			number = number << 8 | byte(in);
		sqlite3_bind_int64(stmt, column, (sqlite3_int64)number);
	} else {
		len = byte(in);
		if (len > in->end - in->at)
			len = (uint8_t)(in->end - in->at);
		if (kind == 3)
			sqlite3_bind_text(
			    stmt, column, (const char *)in->at, len, SQLITE_TRANSIENT);
		else
			sqlite3_bind_blob(stmt, column, in->at, len, SQLITE_TRANSIENT);
		in->at += len;
	}
}

/* A row that the schema does not take at all (its types are strict) is left out. */
static void
fill(struct input *in)
{
	check(sqlite3_exec(fuzz.raw, "BEGIN", NULL, NULL, NULL) == SQLITE_OK);
	for (unsigned i = 0; i < fuzz.n; i++) {
		check(sqlite3_step(fuzz.empty[i]) == SQLITE_DONE);
		sqlite3_reset(fuzz.empty[i]);
	}
	while (in->at < in->end) {
		unsigned table = byte(in) % fuzz.n;
		for (int i = 1; i <= fuzz.columns[table]; i++)
			bind(in, fuzz.insert[table], i);
		sqlite3_step(fuzz.insert[table]);
		sqlite3_reset(fuzz.insert[table]);
	}
	check(sqlite3_exec(fuzz.raw, "COMMIT", NULL, NULL, NULL) == SQLITE_OK);
}

/* ---- reading ---- */

/* Whether there is more to read after an answer. */
static bool
answered(int rc)
{
	check(rc == ERR_OK || rc == ERR_END || rc == ERR_ABSENT || rc == ERR_CORRUPT ||
	      rc == ERR_LIMIT || rc == ERR_VERSION);
	return rc == ERR_OK;
}

static void
read_versions(struct catalog *c, int64_t table, int64_t snapshot)
{
	struct versions_version page[8], one;
	struct key zero = {0};
	size_t got = 0;

	if (answered(versions_page(c, table, snapshot, &zero, true, &zero, page, 8, &got, NULL))) {
		check(got <= 8);
		for (size_t i = 0; i < got; i++) {
			check(i == 0 || key_compare(&page[i - 1].key, &page[i].key) < 0);
			answered(versions_find(c, table, snapshot, &page[i].key, &one, NULL));
			answered(versions_born(c, table, &page[i].key, page[i].born, &one, NULL));
		}
	}
	got = 0;
	answered(versions_touched(c, table, snapshot, &zero, true, &zero, page, 8, &got, NULL));
	check(got <= 8);
}

static void
read_snapshots(struct catalog *c, int64_t table)
{
	struct snapshots_snapshot s = {0}, same;
	struct snapshots_shard shard;
	struct buf text = {0};
	uint64_t n;

	answered(versions_count(c, table, &n, NULL));
	answered(snapshots_latest(c, table, &same, NULL));
	for (int i = 0, id = 0; i < STEPS; i++) {
		int64_t before = i == 0 ? id : s.id;
		if (!answered(snapshots_next(c, table, before, &s, NULL)))
			break;
		check(s.id > before && s.shards <= SNAPSHOTS_SHARDS);
		for (uint64_t k = 0; k < s.shards; k++)
			answered(snapshots_shard(c, s.id, k, &shard, NULL));
		answered(snapshots_at(c, table, s.date, &same, NULL));
		answered(snapshots_primary_key(c, s.id, &text, NULL));
		answered(snapshots_config(c, s.id, &text, NULL));
		read_versions(c, table, s.id);
	}
	buf_finish(&text);
}

static void
read_tables(struct catalog *c)
{
	struct tables_database db = {0};
	struct tables_table table;

	for (int i = 0; i < STEPS; i++) {
		struct tables_database last = db;
		if (!answered(tables_database_next(c, i == 0 ? "" : last.name, &db, NULL)))
			return;
		check(tables_name_valid(db.name, strlen(db.name)));
		memset(&table, 0, sizeof(table));
		for (int k = 0; k < STEPS; k++) {
			struct tables_table before = table;
			if (!answered(
				tables_next(c, db.id, k == 0 ? "" : before.name, &table, NULL)))
				break;
			read_snapshots(c, table.id);
		}
	}
}

static void
read_packs(struct catalog *c)
{
	struct packs_pack pack = {0};
	struct packs_dictionary dictionary = {0};
	struct buf bytes = {0};
	int64_t id = 0, snapshot;
	uint64_t total;

	for (int i = 0; i < STEPS && answered(packs_next(c, pack.id, &pack, NULL)); i++)
		answered(packs_known(c, pack.id, NULL));
	for (int i = 0; i < STEPS && answered(packs_unfinished_next(c, id, &id, &snapshot, NULL));
	     i++)
		continue;
	for (int i = 0;
	     i < STEPS && answered(packs_dictionary_next(c, dictionary.id, &dictionary, NULL)); i++)
		answered(packs_dictionary_bytes(c, dictionary.id, &bytes, NULL));
	answered(packs_total(c, &total, NULL));
	answered(packs_last(c, &id, NULL));
	buf_finish(&bytes);
}

static void
read_runs(struct catalog *c)
{
	struct runs_run run = {0};
	struct buf text = {0};
	int64_t id = 0;

	for (int i = 0; i < STEPS && answered(runs_next(c, run.id, &run, NULL)); i++) {
		answered(runs_record(c, run.id, &text, NULL));
		answered(snapshots_run_source(c, run.id, &text, NULL));
	}
	for (int i = 0; i < STEPS && answered(runs_unfinished_next(c, id, &id, NULL)); i++)
		continue;
	buf_finish(&text);
}

static void
ignore(void *arg, const char *text)
{
	(void)arg;
	check(text[0] != '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};
	struct catalog *c;
	uint64_t stamp;
	int64_t date;

	if (fuzz.raw == NULL)
		begin();
	fill(&in);
	c = fuzz.catalog;
	read_tables(c);
	read_packs(c);
	read_runs(c);
	answered(snapshots_stamp(c, &stamp, NULL));
	answered(snapshots_newest_date(c, &date, NULL));
	answered(catalog_check(c, ignore, NULL, NULL));
	return 0;
}
