/*
 * rethinkdb dump archives, as a source. The file is read once, from its first byte to its last:
 * stream.c decompresses it, on a thread of ahead.c, libarchive takes the tar apart, rows.c cuts the
 * documents out of the blocks that libarchive hands on. Contracts: source.h.
 *
 * Not trusted: libarchive takes a tar that breaks off between two entries for a whole one, stops at
 * the first block of zeros and keeps a sparse file's map in memory, however long. So the end of the
 * archive is checked here, and how much it may read for one header is limited.
 */
#include "snapshot/source_internal.h"

#include "catalog/base/buf.h"
#include "catalog/tables.h"
#include "snapshot/archive/ahead.h"
#include "snapshot/archive/listing.h"
#include "snapshot/archive/rows.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DUMP_TAR_BLOCK 512u
#define DUMP_HEADER_MAX (1u << 20) /* bytes of an entry's headers: long names, pax, sparse map */
#define DUMP_NAME 256u             /* room for a component of a member's path, with its NUL */
#define DUMP_PATH (3 * DUMP_NAME)  /* room for a member's path */
#define DUMP_ROWS (LISTING_JSON | LISTING_NDJSON)

struct dump {
	struct source base;
	int fd;                      /* owned */
	uint64_t size;               /* bytes of the file */
	struct ahead *ahead;         /* decompressed bytes of it */
	struct archive *tar;         /* entries of these */
	bool data;                   /* the current entry's data is to be passed over */
	bool header;                 /* libarchive is reading headers */
	uint64_t header_bytes;       /* handed to it meanwhile */
	uint64_t handed;             /* decompressed bytes handed to libarchive */
	uint64_t solid;              /* offset in these behind the last byte that is not zero */
	bool drained;                /* there are no more of these */
	struct err fault;            /* why reading failed below libarchive */
	char top[DUMP_NAME];         /* top directory, as the first entry has it */
	struct listing tables;       /* of the run so far */
	struct listing_table *table; /* of the current member */
	unsigned what;               /* what the current member is: one of enum listing_flags */
	char path[DUMP_PATH];        /* of the current member */
	int64_t expected;            /* offset in the member of its next block */
	bool reading;                /* the member's documents are being handed out */
	struct rows rows;            /* of these */
	struct buf info;             /* an .info */
};

static struct dump *
dump_of(struct source *s)
{
	return (struct dump *)s;
}

/* ---- the tar ---- */

/* Note where the last byte that is not zero is: behind the last entry there are only zeros. */
static void
tar_note(struct dump *d, const uint8_t *data, size_t len)
{
	size_t n = len;

	while (n > 0 && data[n - 1] == 0)
		n--;
	if (n > 0)
		d->solid = d->handed + n;
	d->handed += len;
}

/* The next decompressed bytes: ERR_OK, ERR_END, or a failure, which is kept in fault. */
static int
tar_fill(struct dump *d, const uint8_t **data, size_t *len)
{
	const volatile sig_atomic_t *stop = d->base.stop;
	int rc;

	if (stop != NULL && *stop != 0)
		return err_set(&d->fault, ERR_INTR, "interrupted");
	rc = ahead_next(d->ahead, data, len, &d->fault);
	if (rc == ERR_END)
		d->drained = true;
	if (rc == ERR_OK)
		tar_note(d, *data, *len);
	return rc;
}

/* libarchive's read callback. */
static la_ssize_t
tar_read(struct archive *tar, void *arg, const void **block)
{
	struct dump *d = arg;
	const uint8_t *data = NULL;
	size_t len = 0;
	int rc;

	(void)tar;
	if (d->header && d->header_bytes > DUMP_HEADER_MAX) {
		err_set(&d->fault, ERR_FORMAT, "the headers of an entry are longer than %u bytes",
		    DUMP_HEADER_MAX);
		return -1;
	}
	rc = tar_fill(d, &data, &len);
	if (rc == ERR_END)
		return 0;
	if (rc != ERR_OK)
		return -1;
	d->header_bytes += len;
	*block = data;
	return (la_ssize_t)len;
}

/* Say in ${e} why libarchive gave up. */
static int
tar_fault(struct dump *d, const char *member, struct err *e)
{
	const char *text = d->tar != NULL ? archive_error_string(d->tar) : NULL;

	if (d->fault.code != ERR_OK)
		*e = d->fault;
	else if (d->tar != NULL && archive_format(d->tar) == 0)
		err_set(e, ERR_FORMAT, "not a rethinkdb dump archive, which is a gzipped tar");
	else if (d->drained)
		err_set(e, ERR_TRUNCATED,
		    "the archive is truncated: the tar breaks off at byte %llu",
		    (unsigned long long)d->handed);
	else
		err_set(e, ERR_FORMAT, "the archive is damaged near byte %llu: tar says %s",
		    (unsigned long long)d->handed, text != NULL ? text : "invalid data");
	source_blame(d->base.label, member, e);
	return e->code;
}

static void
tar_close(struct dump *d)
{
	archive_read_free(d->tar);
	d->tar = NULL;
	ahead_close(d->ahead);
	d->ahead = NULL;
}

/* Begin again at the file's first byte. */
static int
tar_open(struct dump *d, struct err *e)
{
	int rc;

	tar_close(d);
	err_clear(&d->fault);
	d->data = d->drained = false;
	d->handed = d->solid = d->header_bytes = 0;
	rc = ahead_open(d->fd, &d->ahead, e);
	if (rc != ERR_OK) {
		source_blame(d->base.label, NULL, e);
		return rc;
	}
	d->tar = archive_read_new();
	if (d->tar == NULL)
		return err_nomem(e);
	if (archive_read_support_format_tar(d->tar) != ARCHIVE_OK ||
	    archive_read_open(d->tar, d, NULL, tar_read, NULL) != ARCHIVE_OK)
		return tar_fault(d, NULL, e);
	return ERR_OK;
}

/*
 * Behind the last entry: read the file to its end, so that its checksum is checked, and see that
 * nothing but zeros is left, and some zeros at least.
 */
static int
tar_finish(struct dump *d, struct err *e)
{
	la_int64_t end = archive_filter_bytes(d->tar, 0);
	const uint8_t *data;
	size_t len;
	int rc = ERR_OK;

	while (rc == ERR_OK && !d->drained)
		rc = tar_fill(d, &data, &len);
	if (rc < 0)
		return tar_fault(d, NULL, e);
	if (d->handed - d->solid < DUMP_TAR_BLOCK)
		err_set(e, ERR_TRUNCATED,
		    "the archive is truncated: the tar has no end mark after its last entry");
	else if (end >= 0 && d->solid > (uint64_t)end)
		err_set(e, ERR_FORMAT,
		    "the archive is damaged: something follows behind its end at byte %llu",
		    (unsigned long long)end);
	else
		return ERR_END;
	source_blame(d->base.label, NULL, e);
	return e->code;
}

/* The next header. ERR_OK, ERR_END behind the last entry of a whole archive, or a failure. */
static int
tar_header(struct dump *d, struct archive_entry **entry, struct err *e)
{
	int rc = ARCHIVE_OK;

	if (d->data)
		rc = archive_read_data_skip(d->tar);
	if (rc != ARCHIVE_OK)
		return tar_fault(d, d->path, e);
	d->data = false;
	d->header = true;
	d->header_bytes = 0;
	rc = archive_read_next_header(d->tar, entry);
	d->header = false;
	if (rc == ARCHIVE_EOF)
		return tar_finish(d, e);
	if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
		return tar_fault(d, NULL, e);
	d->data = true;
	return ERR_OK;
}

/* rows.c's source of bytes: the current member's data, as libarchive has it. */
static int
tar_block(void *arg, const void **data, size_t *len, struct err *e)
{
	struct dump *d = arg;
	la_int64_t off;
	int rc;

	do {
		rc = archive_read_data_block(d->tar, data, len, &off);
	} while (rc == ARCHIVE_OK && *len == 0);
	if (rc != ARCHIVE_OK && rc != ARCHIVE_EOF)
		return tar_fault(d, d->path, e);
	if (off != d->expected) {
		err_set(e, ERR_FORMAT, "a sparse file, which no dump has");
		source_blame(d->base.label, d->path, e);
		return ERR_FORMAT;
	}
	if (rc == ARCHIVE_EOF)
		return ERR_END;
	d->expected += (la_int64_t)*len;
	return ERR_OK;
}

/* ---- members ---- */

/* Put the component at ${p} into ${out}; return what is behind it and its '/', NULL if it is bad.
 */
static const char *
member_component(const char *p, char out[DUMP_NAME])
{
	size_t len = strcspn(p, "/");

	if (len == 0 || len >= DUMP_NAME)
		return NULL;
	memcpy(out, p, len);
	out[len] = '\0';
	if (strcmp(out, ".") == 0 || strcmp(out, "..") == 0)
		return NULL;
	return p[len] == '/' ? p + len + 1 : p + len;
}

/* Whether a path leaves the place where it is unpacked. */
static bool
member_escapes(const char *path)
{
	if (path[0] == '/')
		return true;
	for (const char *p = path; p != NULL; p = strchr(p, '/')) {
		p += *p == '/' ? 1 : 0;
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0'))
			return true;
	}
	return false;
}

/* Take TOP/DB/TABLE.EXTENSION apart. Return NULL, or what is wrong with it. */
static const char *
member_parse(struct dump *d, const char *path, char database[DUMP_NAME], char *table)
{
	char top[DUMP_NAME], file[DUMP_NAME];
	const char *p = path;

	while (strncmp(p, "./", 2) == 0)
		p += 2;
	p = member_component(p, top);
	p = p != NULL && *p != '\0' ? member_component(p, database) : NULL;
	p = p != NULL && *p != '\0' ? member_component(p, file) : NULL;
	if (p == NULL || *p != '\0')
		return "not a path that a dump has, which is TOP/DATABASE/TABLE.json or .info";
	if (d->top[0] == '\0')
		memcpy(d->top, top, sizeof(top));
	if (strcmp(d->top, top) != 0)
		return "in another top directory than the entries before it";
	if (!tables_name_valid(database, strlen(database)))
		return "not a name that a database can have";
	d->what = listing_extension(file, table, DUMP_NAME);
	if (d->what == 0)
		return "neither .json, .ndjson nor .info of a table";
	snprintf(d->path, sizeof(d->path), "%s/%s/%s", top, database, file);
	return NULL;
}

/* Refuse what no dump has: everything but plain files and directories. */
static const char *
member_strange(struct archive_entry *entry, const char *path)
{
	if (member_escapes(path))
		return "a path that leaves its directory";
	if (archive_entry_hardlink(entry) != NULL)
		return "a hard link, which no dump has";
	if (archive_entry_filetype(entry) == AE_IFLNK)
		return "a symbolic link, which no dump has";
	if (archive_entry_filetype(entry) != AE_IFREG && archive_entry_filetype(entry) != AE_IFDIR)
		return "a device or the like, which no dump has";
	if (archive_entry_sparse_count(entry) > 0)
		return "a sparse file, which no dump has";
	return NULL;
}

/* Go to the next file. Directories are passed over. */
static int
member_next(struct dump *d, struct err *e)
{
	char database[DUMP_NAME], table[DUMP_NAME];
	struct archive_entry *entry = NULL;
	const char *path, *wrong;
	int rc;

	do {
		rc = tar_header(d, &entry, e);
		if (rc != ERR_OK)
			return rc;
		path = archive_entry_pathname(entry);
		if (path == NULL)
			path = archive_entry_pathname_utf8(entry);
		wrong = path != NULL ? member_strange(entry, path) : "an entry without a name";
	} while (wrong == NULL && archive_entry_filetype(entry) == AE_IFDIR);
	if (wrong == NULL)
		wrong = member_parse(d, path, database, table);
	if (wrong != NULL) {
		err_set(e, ERR_FORMAT, "%s", wrong);
		source_blame(d->base.label, path, e);
		return ERR_FORMAT;
	}
	rc = listing_put(&d->tables, database, table, &d->table, e);
	if (rc != ERR_OK)
		source_blame(d->base.label, NULL, e);
	return rc;
}

/* ---- items ---- */

static int
dump_item(struct dump *d, enum source_event event, struct source_item *out)
{
	*out = (struct source_item){.event = event,
	    .database = d->table->database,
	    .table = d->table->table,
	    .file = d->path};
	return ERR_OK;
}

/* The reason is in ${e}. */
static int
dump_bad(struct dump *d, struct source_item *out, struct err *e)
{
	d->reading = false;
	d->table->flags |= LISTING_BAD;
	source_blame(d->base.label, d->path, e);
	return dump_item(d, SOURCE_TABLE_BAD, out);
}

static int
dump_info(struct dump *d, struct source_item *out, struct err *e)
{
	const void *data;
	size_t len;
	int rc;

	buf_clear(&d->info);
	while ((rc = tar_block(d, &data, &len, e)) == ERR_OK) {
		if (len > SOURCE_INFO_MAX - d->info.len) {
			err_set(e, ERR_LIMIT, "larger than %u bytes", SOURCE_INFO_MAX);
			return dump_bad(d, out, e);
		}
		if (buf_append(&d->info, data, len) != ERR_OK)
			return err_nomem(e);
	}
	if (rc != ERR_END)
		return rc;
	dump_item(d, SOURCE_INFO, out);
	out->data = d->info.data;
	out->len = d->info.len;
	out->line = out->column = 1;
	return ERR_OK;
}

static int
dump_document(struct dump *d, struct source_item *out, struct err *e)
{
	struct split_document document;
	int rc = rows_next(&d->rows, &document, e);

	if (rc == ERR_OK) {
		dump_item(d, SOURCE_DOCUMENT, out);
		out->data = document.data;
		out->len = document.len;
		out->line = document.line;
		out->column = document.column;
		return ERR_OK;
	}
	if (rc != ERR_END && !d->rows.broken)
		return dump_bad(d, out, e);
	if (rc != ERR_END)
		return rc;
	d->reading = false;
	return dump_item(d, SOURCE_TABLE_END, out);
}

/* The first item of the member that has been gone to. */
static int
dump_member(struct dump *d, struct source_item *out, struct err *e)
{
	unsigned had = d->table->flags;
	int rc;

	d->table->flags |= d->what;
	if ((had & d->what) != 0 || ((had & DUMP_ROWS) != 0 && (d->what & DUMP_ROWS) != 0)) {
		err_set(e, ERR_FORMAT, "the table stands twice in the archive");
		return dump_bad(d, out, e);
	}
	if (d->what == LISTING_CSV) {
		source_csv(e);
		return dump_bad(d, out, e);
	}
	d->expected = 0;
	if (d->what == LISTING_INFO)
		return dump_info(d, out, e);
	rc = rows_begin(&d->rows, d->what == LISTING_NDJSON, tar_block, d, e);
	if (rc != ERR_OK)
		return rc;
	d->reading = true;
	return dump_item(d, SOURCE_TABLE, out);
}

static int
dump_next(struct source *s, struct source_item *out, struct err *e)
{
	struct dump *d = dump_of(s);
	int rc;

	if (d->reading)
		return dump_document(d, out, e);
	do {
		rc = member_next(d, e);
		if (rc != ERR_OK)
			return rc;
	} while ((d->table->flags & LISTING_BAD) != 0);
	return dump_member(d, out, e);
}

static void
dump_skip_table(struct source *s)
{
	dump_of(s)->reading = false;
}

static int
dump_start(struct source *s, size_t i, struct err *e)
{
	struct dump *d = dump_of(s);

	(void)i;
	d->reading = false;
	listing_finish(&d->tables);
	return tar_open(d, e);
}

static int
dump_tables(struct source *s, size_t i,
    int (*found)(void *arg, const char *database, const char *table), void *arg, struct err *e)
{
	struct dump *d = dump_of(s);
	int rc = dump_start(s, i, e);

	while (rc == ERR_OK) {
		rc = member_next(d, e);
		if (rc != ERR_OK)
			return rc == ERR_END ? ERR_OK : rc;
		if ((d->what & DUMP_ROWS) != 0 && (d->table->flags & DUMP_ROWS) == 0)
			rc = found(arg, d->table->database, d->table->table);
		d->table->flags |= d->what;
	}
	return rc;
}

static void
dump_progress(const struct source *s, uint64_t *done, uint64_t *total)
{
	const struct dump *d = (const struct dump *)s;

	*done = d->ahead != NULL ? ahead_position(d->ahead) : 0;
	*total = d->size;
}

/* Free all but the file. */
static void
dump_free(struct dump *d)
{
	tar_close(d);
	rows_finish(&d->rows);
	listing_finish(&d->tables);
	buf_finish(&d->info);
	free(d->base.dates);
	free(d);
}

static void
dump_close(struct source *s)
{
	close(dump_of(s)->fd);
	dump_free(dump_of(s));
}

/* Read the first entry: it says whether this is a dump at all, and of when. */
static int
dump_probe(struct dump *d, struct err *e)
{
	int rc = tar_open(d, e);

	if (rc == ERR_OK)
		rc = member_next(d, e);
	tar_close(d);
	if (rc == ERR_END) {
		rc = err_set(e, ERR_FORMAT, "there is no table in this archive");
		source_blame(d->base.label, NULL, e);
	}
	return rc == ERR_OK ? source_dated(&d->base, d->top, e) : rc;
}

int
archive_open(int fd, uint64_t size, char *label, struct source **out, struct err *e)
{
	static const struct source_functions functions = {
	    .close = dump_close,
	    .tables = dump_tables,
	    .start = dump_start,
	    .next = dump_next,
	    .skip_table = dump_skip_table,
	    .progress = dump_progress,
	};
	struct dump *d = calloc(1, sizeof(*d));
	int rc;

	if (d == NULL)
		return err_nomem(e);
	d->base.functions = &functions;
	d->base.kind = SOURCE_ARCHIVE;
	d->base.label = label;
	d->fd = fd;
	d->size = size;
	rc = dump_probe(d, e);
	if (rc != ERR_OK) {
		dump_free(d);
		return rc;
	}
	*out = &d->base;
	return ERR_OK;
}
