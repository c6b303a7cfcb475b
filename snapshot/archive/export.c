/*
 * rethinkdb export directories, as a source: DB/TABLE.json or .ndjson, and DB/TABLE.info. Tables
 * come in bytewise order, each one's .info before its documents. A file that cannot be read makes
 * its table bad and leaves the others. Contracts: source.h.
 */
#include "snapshot/source_internal.h"

#include "catalog/base/buf.h"
#include "catalog/base/file.h"
#include "snapshot/archive/dir.h"
#include "snapshot/archive/listing.h"
#include "snapshot/archive/rows.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPORT_BLOCK (256u << 10)         /* bytes read at a time */
#define EXPORT_PATH (2 * TABLES_NAME + 8) /* room for DB/TABLE.ndjson */
#define EXPORT_ROWS (LISTING_JSON | LISTING_NDJSON)

/* What comes next of the current table. */
enum export_phase {
	EXPORT_BEGIN,     /* its .info, if it has one */
	EXPORT_TABLE,     /* its documents, if it has any */
	EXPORT_DOCUMENTS, /* one of these, or their end */
	EXPORT_OVER       /* nothing */
};

struct export
{
	struct source base;
	int root;                    /* the directory, owned */
	struct listing tables;       /* what was found in it */
	uint64_t total;              /* bytes of their files */
	uint64_t done;               /* of these, read in this run */
	size_t at;                   /* current table */
	enum export_phase phase;     /* in the current table */
	char path[EXPORT_PATH];      /* of the current file, below the directory */
	int file;                    /* the documents of the current table, owned; -1: none open */
	uint64_t off;                /* next byte of it */
	struct rows rows;            /* its documents */
	struct buf info;             /* an .info */
	uint8_t block[EXPORT_BLOCK]; /* bytes of the file */
};

static struct export *
export_of(struct source *s)
{
	return (struct export *)s;
}

/* ---- finding the tables ---- */

/* A walk through the directory. */
struct export_walk {
	struct export *x;
	const char *database; /* whose directory is being read */
};

static int
export_found_file(void *arg, int dirfd, const char *name, bool directory, struct err *e)
{
	struct export_walk *w = arg;
	char table[TABLES_NAME];
	struct listing_table *t;
	struct stat st;
	unsigned what = listing_extension(name, table, sizeof(table));
	int rc;

	if (what == 0 || directory)
		return ERR_OK;
	rc = listing_put(&w->x->tables, w->database, table, &t, e);
	if (rc != ERR_OK)
		return rc;
	t->flags |= what;
	if (what != LISTING_CSV && fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode))
		w->x->total += (uint64_t)st.st_size;
	return ERR_OK;
}

static int
export_found_database(void *arg, int dirfd, const char *name, bool directory, struct err *e)
{
	struct export_walk *w = arg;

	if (!directory || !tables_name_valid(name, strlen(name)))
		return ERR_OK;
	w->database = name;
	return dir_each(dirfd, name, export_found_file, w, e);
}

/* ---- items ---- */

static const struct listing_table *
export_current(const struct export *x)
{
	return x->tables.list[x->at];
}

static int
export_item(struct export *x, enum source_event event, struct source_item *out)
{
	*out = (struct source_item){.event = event,
	    .database = export_current(x)->database,
	    .table = export_current(x)->table,
	    .file = x->path};
	return ERR_OK;
}

/* End the current table; the reason is in ${e}, and names the file if ${named}. */
static int
export_bad(struct export *x, bool named, struct source_item *out, struct err *e)
{
	x->phase = EXPORT_OVER;
	source_gone(e);
	source_blame(x->base.label, named ? NULL : x->path, e);
	return export_item(x, SOURCE_TABLE_BAD, out);
}

/* Set path to the current table's file, and its name below the database into ${name}. */
static void
export_name(struct export *x, const char *extension, char name[EXPORT_PATH])
{
	snprintf(name, EXPORT_PATH, "%s%s", export_current(x)->table, extension);
	snprintf(x->path, sizeof(x->path), "%s/%s", export_current(x)->database, name);
}

static int
export_info(struct export *x, struct source_item *out, struct err *e)
{
	char name[EXPORT_PATH];
	int fd, rc = dir_open(x->root, export_current(x)->database, &fd, e);

	x->phase = EXPORT_TABLE;
	export_name(x, ".info", name);
	if (rc == ERR_OK) {
		rc = dir_read(fd, name, x->path, SOURCE_INFO_MAX, &x->info, e);
		close(fd);
	}
	if (rc == ERR_NOMEM)
		return rc;
	if (rc != ERR_OK)
		return export_bad(x, true, out, e);
	x->done += x->info.len;
	export_item(x, SOURCE_INFO, out);
	out->data = x->info.data;
	out->len = x->info.len;
	out->line = out->column = 1;
	return ERR_OK;
}

/* rows.c's source of bytes. */
static int
export_block(void *arg, const void **data, size_t *len, struct err *e)
{
	struct export *x = arg;
	int rc = file_read_some(x->file, x->block, EXPORT_BLOCK, x->off, len, x->path, e);

	if (rc != ERR_OK)
		return rc;
	x->off += *len;
	x->done += *len;
	*data = x->block;
	return *len > 0 ? ERR_OK : ERR_END;
}

static int
export_begin(struct export *x, bool ndjson, struct err *e)
{
	char name[EXPORT_PATH];
	uint64_t size;
	int fd, rc = dir_open(x->root, export_current(x)->database, &fd, e);

	export_name(x, ndjson ? ".ndjson" : ".json", name);
	if (rc != ERR_OK)
		return rc;
	rc = dir_file(fd, name, x->path, &x->file, &size, e);
	close(fd);
	x->off = 0;
	return rc == ERR_OK ? rows_begin(&x->rows, ndjson, export_block, x, e) : rc;
}

/* The documents of the current table begin, if it has a file of them. */
static int
export_table(struct export *x, struct source_item *out, struct err *e)
{
	unsigned flags = export_current(x)->flags;
	int rc;

	if ((flags & EXPORT_ROWS) == EXPORT_ROWS) {
		err_set(e, ERR_FORMAT, "the table stands twice, as .json and as .ndjson");
		return export_bad(x, false, out, e);
	}
	if ((flags & EXPORT_ROWS) == 0) {
		source_csv(e);
		return export_bad(x, false, out, e);
	}
	rc = export_begin(x, (flags & LISTING_NDJSON) != 0, e);
	if (rc == ERR_NOMEM)
		return rc;
	if (rc != ERR_OK)
		return export_bad(x, true, out, e);
	x->phase = EXPORT_DOCUMENTS;
	return export_item(x, SOURCE_TABLE, out);
}

static int
export_document(struct export *x, struct source_item *out, struct err *e)
{
	struct split_document document;
	int rc = rows_next(&x->rows, &document, e);

	if (rc == ERR_NOMEM)
		return rc;
	if (rc == ERR_END) {
		x->phase = EXPORT_OVER;
		return export_item(x, SOURCE_TABLE_END, out);
	}
	if (rc != ERR_OK)
		return export_bad(x, x->rows.broken, out, e);
	export_item(x, SOURCE_DOCUMENT, out);
	out->data = document.data;
	out->len = document.len;
	out->line = document.line;
	out->column = document.column;
	return ERR_OK;
}

/* Go to the next table. */
static void
export_leave(struct export *x)
{
	if (x->file >= 0)
		close(x->file);
	x->file = -1;
	x->phase = EXPORT_BEGIN;
	x->at++;
}

static int
export_next(struct source *s, struct source_item *out, struct err *e)
{
	struct export *x = export_of(s);

	for (; x->at < x->tables.n; export_leave(x)) {
		unsigned flags = export_current(x)->flags;
		if (x->phase == EXPORT_BEGIN && (flags & LISTING_INFO) != 0)
			return export_info(x, out, e);
		if (x->phase <= EXPORT_TABLE && (flags & ~(unsigned)LISTING_INFO) != 0)
			return export_table(x, out, e);
		if (x->phase == EXPORT_DOCUMENTS)
			return export_document(x, out, e);
	}
	return ERR_END;
}

static void
export_skip_table(struct source *s)
{
	if (export_of(s)->phase == EXPORT_DOCUMENTS)
		export_of(s)->phase = EXPORT_OVER;
}

static int
export_start(struct source *s, size_t i, struct err *e)
{
	struct export *x = export_of(s);

	(void)i;
	(void)e;
	if (x->at < x->tables.n)
		export_leave(x);
	x->at = 0;
	x->done = 0;
	return ERR_OK;
}

static int
export_tables(struct source *s, size_t i,
    int (*found)(void *arg, const char *database, const char *table), void *arg, struct err *e)
{
	struct export *x = export_of(s);
	int rc = export_start(s, i, e);

	for (size_t n = 0; n < x->tables.n && rc == ERR_OK; n++)
		if ((x->tables.list[n]->flags & EXPORT_ROWS) != 0)
			rc = found(arg, x->tables.list[n]->database, x->tables.list[n]->table);
	return rc;
}

static void
export_progress(const struct source *s, uint64_t *done, uint64_t *total)
{
	const struct export *x = (const struct export *)s;

	*done = x->done;
	*total = x->total;
}

/* Free all but the directory. */
static void
export_free(struct export *x)
{
	if (x->file >= 0)
		close(x->file);
	rows_finish(&x->rows);
	buf_finish(&x->info);
	listing_finish(&x->tables);
	free(x->base.dates);
	free(x);
}

static void
export_close(struct source *s)
{
	close(export_of(s)->root);
	export_free(export_of(s));
}

/* Find the tables: ERR_OK, ERR_ABSENT when there is none, or a failure. */
static int
export_find(struct export *x, struct err *e)
{
	struct export_walk w = {.x = x};
	int rc = dir_each(x->root, "", export_found_database, &w, e);

	if (rc != ERR_OK)
		source_blame(x->base.label, NULL, e);
	else if (x->tables.n == 0)
		rc = ERR_ABSENT;
	else
		rc = source_dated(&x->base, x->base.label, e);
	return rc;
}

int
export_open(int fd, char *label, struct source **out, struct err *e)
{
	static const struct source_functions functions = {
	    .close = export_close,
	    .tables = export_tables,
	    .start = export_start,
	    .next = export_next,
	    .skip_table = export_skip_table,
	    .progress = export_progress,
	};
	struct export *x = calloc(1, sizeof(*x));
	int rc;

	if (x == NULL)
		return err_nomem(e);
	x->base.functions = &functions;
	x->base.kind = SOURCE_EXPORT;
	x->base.label = label;
	x->root = fd;
	x->file = -1;
	rc = export_find(x, e);
	if (rc != ERR_OK) {
		export_free(x);
		return rc;
	}
	*out = &x->base;
	return ERR_OK;
}
