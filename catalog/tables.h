/*
 * Databases and tables in the catalogue. Numbers (ids) are positive and never used twice. Threads
 * as in catalog.h.
 */
#ifndef THINKBACK_CATALOG_TABLES_H
#define THINKBACK_CATALOG_TABLES_H

#include "catalog/catalog.h"

#include <stddef.h>

#define TABLES_NAME 256 /* room for a database's or table's name with its NUL */

struct tables_database {
	int64_t id;
	char name[TABLES_NAME]; /* [A-Za-z0-9_-]+ */
};

struct tables_table {
	int64_t id;
	int64_t database_id;
	char database[TABLES_NAME]; /* [A-Za-z0-9_-]+ */
	char name[TABLES_NAME];     /* [A-Za-z0-9_-]+ */
};

/*
 * tables_name_valid(name, len):
 * Whether the ${len} bytes are a name that RethinkDB gives to databases and tables
 * (containers/name_string.cc: [A-Za-z0-9_-]+) of less than TABLES_NAME bytes. Pure.
 */
bool tables_name_valid(const char *name, size_t len);

/*
 * tables_match(only, n, database, table):
 * Whether one of the ${n} texts at ${only}, "DB" or "DB.TABLE" each, names the table or its
 * database; without any of them every table does. Pure.
 */
bool tables_match(const char *const *only, size_t n, const char *database, const char *table);

/*
 * tables_database_find(c, name, out, e), tables_database_get(c, id, out, e),
 * tables_find(c, database, table, out, e), tables_get(c, id, out, e):
 * Look one up. Return ERR_OK, ERR_ABSENT (no text), or a failure. Only databases and tables with at
 * least one snapshot to show are there; tables_get and tables_database_get find the others too.
 */
int tables_database_find(
    struct catalog *c, const char *name, struct tables_database *out, struct err *e);
int tables_database_get(struct catalog *c, int64_t id, struct tables_database *out, struct err *e);
int tables_find(struct catalog *c, const char *database, const char *table,
    struct tables_table *out, struct err *e);
int tables_get(struct catalog *c, int64_t id, struct tables_table *out, struct err *e);

/*
 * tables_database_next(c, after, out, e), tables_next(c, database_id, after, out, e):
 * The first database, or table of a database, whose name is bytewise after ${after} ("" for the
 * first), with at least one snapshot to show. Return ERR_OK, ERR_END, or a failure.
 */
int tables_database_next(
    struct catalog *c, const char *after, struct tables_database *out, struct err *e);
int tables_next(struct catalog *c, int64_t database_id, const char *after, struct tables_table *out,
    struct err *e);

/*
 * tables_intern(c, database, table, out, e):
 * Look up a table and make it (and its database) if it is new. Needs a transaction of the caller.
 * Return ERR_OK, ERR_ARG for an illegal name, or a failure.
 */
int tables_intern(struct catalog *c, const char *database, const char *table,
    struct tables_table *out, struct err *e);

#endif
