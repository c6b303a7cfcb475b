/*
 * The tables of a source: a list without duplicates, in bytewise order of database and table. At
 * most SOURCE_TABLES_MAX. A struct listing belongs to one thread at a time.
 */
#ifndef THINKBACK_ARCHIVE_LISTING_H
#define THINKBACK_ARCHIVE_LISTING_H

#include "catalog/base/err.h"

#include <stddef.h>
#include <stdint.h>

/* What is known of a table's files. */
enum listing_flags {
	LISTING_INFO = 1,   /* there is an .info */
	LISTING_JSON = 2,   /* there is a .json */
	LISTING_NDJSON = 4, /* there is an .ndjson */
	LISTING_CSV = 8,    /* there is a .csv */
	LISTING_BAD = 16    /* SOURCE_TABLE_BAD was handed out */
};

struct listing_table {
	char *database;  /* a valid name, owned */
	char *table;     /* a valid name, in the same memory */
	unsigned flags;  /* of enum listing_flags */
	uint64_t shards; /* bit N: there is a shard-N (trees) */
};

/* A zeroed one is an empty list. */
struct listing {
	struct listing_table **list; /* owned, sorted; each element stays where it is */
	size_t n;                    /* tables in use */
	size_t cap;                  /* room for tables */
};

/*
 * listing_put(l, database, table, out, e):
 * Find a table and make it, without flags, if it is new. Both names must be valid. Return ERR_OK
 * and set ${out}, which lives as long as ${l}; ERR_LIMIT; ERR_NOMEM. O(log n), or O(n) for a new
 * one.
 */
int listing_put(struct listing *l, const char *database, const char *table,
    struct listing_table **out, struct err *e);

/*
 * listing_extension(name, table, size):
 * Take a file name apart: put what stands before the first dot into ${table} (${size} bytes of
 * room) when it is a valid name of a table. Return what the extension stands for (one of enum
 * listing_flags), or 0 for any other file.
 */
unsigned listing_extension(const char *name, char *table, size_t size);

/* listing_finish(l): free it; it is an empty list again. */
void listing_finish(struct listing *l);

#endif
