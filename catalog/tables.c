/* Databases and tables in the catalogue: the contracts are in tables.h. */
#include "catalog/tables.h"

#include "catalog/catalog_internal.h"

#include <string.h>

/* Whether database d, or table t, has anything to show. */
#define DATABASE_SHOWN                                                                             \
	"EXISTS (SELECT 1 FROM tables t JOIN snapshots s ON s.table_id = t.id AND s.complete = 1"  \
	" AND s.forgotten = 0 WHERE t.database_id = d.id)"
#define TABLE_SHOWN                                                                                \
	"EXISTS (SELECT 1 FROM snapshots s WHERE s.table_id = t.id AND s.complete = 1"             \
	" AND s.forgotten = 0)"
#define TABLE_FROM                                                                                 \
	"SELECT t.id, d.id, d.name, t.name FROM tables t JOIN databases d ON d.id = t.database_id"

static const char DATABASE_FIND_SQL[] =
    "SELECT d.id, d.name FROM databases d WHERE d.name = ?1 AND " DATABASE_SHOWN;
static const char DATABASE_GET_SQL[] = "SELECT d.id, d.name FROM databases d WHERE d.id = ?1";
static const char DATABASE_NEXT_SQL[] =
    "SELECT d.id, d.name FROM databases d WHERE d.name > ?1 AND " DATABASE_SHOWN
    " ORDER BY d.name LIMIT 1";
static const char DATABASE_ID_SQL[] = "SELECT d.id, d.name FROM databases d WHERE d.name = ?1";
static const char DATABASE_INSERT_SQL[] = "INSERT INTO databases (name) VALUES (?1)";
static const char TABLE_FIND_SQL[] =
    TABLE_FROM " WHERE d.name = ?1 AND t.name = ?2 AND " TABLE_SHOWN;
static const char TABLE_GET_SQL[] = TABLE_FROM " WHERE t.id = ?1";
static const char TABLE_NEXT_SQL[] = TABLE_FROM
    " WHERE t.database_id = ?1 AND t.name > ?2 AND " TABLE_SHOWN " ORDER BY t.name LIMIT 1";
static const char TABLE_ID_SQL[] = TABLE_FROM " WHERE t.database_id = ?1 AND t.name = ?2";
static const char TABLE_INSERT_SQL[] = "INSERT INTO tables (database_id, name) VALUES (?1, ?2)";

bool
tables_name_valid(const char *name, size_t len)
{
	if (len == 0 || len >= TABLES_NAME)
		return false;
	for (size_t i = 0; i < len; i++) {
		char ch = name[i];
		bool ok = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
			  (ch >= '0' && ch <= '9') || ch == '_' || ch == '-';
		if (!ok)
			return false;
	}
	return true;
}

bool
tables_match(const char *const *only, size_t n, const char *database, const char *table)
{
	size_t len = strlen(database);

	for (size_t i = 0; i < n; i++)
		if (strncmp(only[i], database, len) == 0 &&
		    (only[i][len] == '\0' ||
			(only[i][len] == '.' && strcmp(only[i] + len + 1, table) == 0)))
			return true;
	return n == 0;
}

/* ---- rows ---- */

static bool
tables_column_name(const struct db_query *q, int col, char out[TABLES_NAME])
{
	return db_text(q, col, out, TABLES_NAME) && tables_name_valid(out, strlen(out));
}

/*
 * Step to the one row of ${q}, read it and reset; ${none} when there is no row. Its name must be
 * over
 * ${after}: in a damaged index it may not be, and listings would never end.
 */
static int
tables_read_database(
    struct db_query *q, int none, const char *after, struct tables_database *out, struct err *e)
{
	struct tables_database d;
	int rc = db_step(q, e);

	if (rc == ERR_OK && !(db_int(q, 0, 1, INT64_MAX, &d.id) &&
				tables_column_name(q, 1, d.name) && strcmp(d.name, after) > 0))
		rc = db_damaged(q->db, e, "a row of databases has values out of range");
	db_reset(q);
	if (rc == ERR_OK)
		*out = d;
	return rc == ERR_END ? none : rc;
}

/* The same for a table. */
static int
tables_read(
    struct db_query *q, int none, const char *after, struct tables_table *out, struct err *e)
{
	struct tables_table t;
	int rc = db_step(q, e);

	if (rc == ERR_OK &&
	    !(db_int(q, 0, 1, INT64_MAX, &t.id) && db_int(q, 1, 1, INT64_MAX, &t.database_id) &&
		tables_column_name(q, 2, t.database) && tables_column_name(q, 3, t.name) &&
		strcmp(t.name, after) > 0))
		rc = db_damaged(q->db, e, "a row of tables has values out of range");
	db_reset(q);
	if (rc == ERR_OK)
		*out = t;
	return rc == ERR_END ? none : rc;
}

/* ---- looking ---- */

int
tables_database_find(
    struct catalog *c, const char *name, struct tables_database *out, struct err *e)
{
	struct db_query *q = db_query(c->db, DATABASE_FIND_SQL);

	db_bind_text(q, 1, name);
	return tables_read_database(q, ERR_ABSENT, "", out, e);
}

int
tables_database_get(struct catalog *c, int64_t id, struct tables_database *out, struct err *e)
{
	struct db_query *q = db_query(c->db, DATABASE_GET_SQL);

	db_bind_int(q, 1, id);
	return tables_read_database(q, ERR_ABSENT, "", out, e);
}

int
tables_find(struct catalog *c, const char *database, const char *table, struct tables_table *out,
    struct err *e)
{
	struct db_query *q = db_query(c->db, TABLE_FIND_SQL);

	db_bind_text(q, 1, database);
	db_bind_text(q, 2, table);
	return tables_read(q, ERR_ABSENT, "", out, e);
}

int
tables_get(struct catalog *c, int64_t id, struct tables_table *out, struct err *e)
{
	struct db_query *q = db_query(c->db, TABLE_GET_SQL);

	db_bind_int(q, 1, id);
	return tables_read(q, ERR_ABSENT, "", out, e);
}

int
tables_database_next(
    struct catalog *c, const char *after, struct tables_database *out, struct err *e)
{
	struct db_query *q = db_query(c->db, DATABASE_NEXT_SQL);

	db_bind_text(q, 1, after);
	return tables_read_database(q, ERR_END, after, out, e);
}

int
tables_next(struct catalog *c, int64_t database_id, const char *after, struct tables_table *out,
    struct err *e)
{
	struct db_query *q = db_query(c->db, TABLE_NEXT_SQL);

	db_bind_int(q, 1, database_id);
	db_bind_text(q, 2, after);
	return tables_read(q, ERR_END, after, out, e);
}

/* ---- making ---- */

static int
tables_database_intern(
    struct catalog *c, const char *name, struct tables_database *out, struct err *e)
{
	struct db_query *q = db_query(c->db, DATABASE_ID_SQL);
	int rc;

	db_bind_text(q, 1, name);
	rc = tables_read_database(q, ERR_ABSENT, "", out, e);
	if (rc != ERR_ABSENT)
		return rc;
	q = db_query(c->db, DATABASE_INSERT_SQL);
	db_bind_text(q, 1, name);
	rc = db_run(q, NULL, e);
	return rc == ERR_OK ? tables_database_get(c, db_last_id(c->db), out, e) : rc;
}

int
tables_intern(struct catalog *c, const char *database, const char *table, struct tables_table *out,
    struct err *e)
{
	struct tables_database d;
	struct db_query *q;
	int rc;

	if (!tables_name_valid(database, strlen(database)))
		return err_set(e, ERR_ARG, "'%s' is no name for a database", database);
	if (!tables_name_valid(table, strlen(table)))
		return err_set(e, ERR_ARG, "'%s' is no name for a table", table);
	rc = db_need_transaction(c->db, e);
	if (rc == ERR_OK)
		rc = tables_database_intern(c, database, &d, e);
	if (rc != ERR_OK)
		return rc;
	q = db_query(c->db, TABLE_ID_SQL);
	db_bind_int(q, 1, d.id);
	db_bind_text(q, 2, table);
	rc = tables_read(q, ERR_ABSENT, "", out, e);
	if (rc != ERR_ABSENT)
		return rc;
	q = db_query(c->db, TABLE_INSERT_SQL);
	db_bind_int(q, 1, d.id);
	db_bind_text(q, 2, table);
	rc = db_run(q, NULL, e);
	return rc == ERR_OK ? tables_get(c, db_last_id(c->db), out, e) : rc;
}
