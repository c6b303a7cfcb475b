/* Exporting snapshots as an archive: the contract is in export.h. */
#include "snapshot/export.h"

#include "snapshot/archive/tarball.h"
#include "snapshot/documents.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define EXPORT_PATH (2 * TABLES_NAME + 128) /* room for a member's path */

/* One export in progress. */
struct export
{
	const struct export_options *options;
	struct catalog *cat;
	struct store *store;
	struct tarball *tarball;
	char top[64];         /* the archive's top directory */
	uint64_t documents;   /* written so far */
	uint64_t done, total; /* bytes of documents, for progress */
};

static int
export_info(struct export *x, const struct selection_item *item, struct err *e)
{
	struct buf config = {0};
	char path[EXPORT_PATH];
	int rc = snapshots_config(x->cat, item->snapshot.id, &config, e);

	if (rc == ERR_ABSENT)
		rc = err_set(e, ERR_CORRUPT, "catalog.db has lost the configuration of %s.%s",
		    item->table.database, item->table.name);
	if (rc == ERR_OK && buf_putc(&config, '\n') != ERR_OK)
		rc = err_nomem(e);
	snprintf(
	    path, sizeof(path), "%s/%s/%s.info", x->top, item->table.database, item->table.name);
	if (rc == ERR_OK)
		rc = tarball_member(x->tarball, path, config.len, e);
	if (rc == ERR_OK)
		rc = tarball_write(x->tarball, config.data, config.len, e);
	buf_finish(&config);
	return rc;
}

/* The exact size of "[", the documents with ",\n" between, and "]". */
static uint64_t
export_size(const struct snapshots_snapshot *s)
{
	if (s->documents == 0)
		return 4;
	return s->bytes + 2 * (s->documents - 1) + 5;
}

static int
export_documents(struct export *x, struct documents *d, struct err *e)
{
	const struct versions_version *version;
	const struct buf *bytes;
	uint64_t n = 0;
	int rc = tarball_write(x->tarball, "[\n", 2, e);

	while (rc == ERR_OK && (rc = documents_next(d, &version, &bytes, e)) == ERR_OK) {
		if (x->options->stop != NULL && *x->options->stop != 0)
			return err_set(e, ERR_INTR, "interrupted");
		if (n++ > 0)
			rc = tarball_write(x->tarball, ",\n", 2, e);
		if (rc == ERR_OK)
			rc = tarball_write(x->tarball, bytes->data, bytes->len, e);
		x->documents++;
		x->done += bytes->len;
		if (x->options->progress != NULL && x->documents % 256 == 0)
			x->options->progress(x->options->arg, x->done, x->total, x->documents);
	}
	if (rc != ERR_END)
		return rc;
	return n > 0 ? tarball_write(x->tarball, "\n]\n", 3, e)
		     : tarball_write(x->tarball, "]\n", 2, e);
}

static int
export_table(struct export *x, const struct selection_item *item, struct err *e)
{
	struct documents *d;
	char path[EXPORT_PATH];
	int rc = export_info(x, item, e);

	if (rc != ERR_OK)
		return rc;
	snprintf(
	    path, sizeof(path), "%s/%s/%s.json", x->top, item->table.database, item->table.name);
	rc = tarball_member(x->tarball, path, export_size(&item->snapshot), e);
	if (rc == ERR_OK)
		rc = documents_open(x->cat, x->store, &item->snapshot, &d, e);
	if (rc != ERR_OK)
		return rc;
	rc = export_documents(x, d, e);
	documents_close(d);
	if (rc == ERR_BUG || rc == ERR_CORRUPT)
		err_prefix(e, "%s.%s", item->table.database, item->table.name);
	if (rc == ERR_OK && x->options->table_done != NULL)
		x->options->table_done(x->options->arg, item);
	return rc;
}

/* Name the top directory after the newest date, and add up what there is to do. */
static void
export_head(struct export *x, const struct selection *s, int64_t *date)
{
	struct tm tm;
	time_t t;

	*date = s->items[0].snapshot.date;
	for (size_t i = 0; i < s->n; i++) {
		if (s->items[i].snapshot.date > *date)
			*date = s->items[i].snapshot.date;
		x->total += s->items[i].snapshot.bytes;
	}
	t = (time_t)*date;
	localtime_r(&t, &tm);
	strftime(x->top, sizeof(x->top), "rethinkdb_dump_%Y-%m-%dT%H:%M:%S", &tm);
}

static int
export_all(struct export *x, int fd, const struct selection *s, struct err *e)
{
	int64_t date;
	int rc;

	export_head(x, s, &date);
	rc = tarball_create(fd, date, &x->tarball, e);
	for (size_t i = 0; i < s->n && rc == ERR_OK; i++)
		rc = export_table(x, &s->items[i], e);
	if (rc == ERR_OK)
		return tarball_finish(x->tarball, e);
	tarball_abort(x->tarball);
	return rc;
}

int
export_archive(const struct repo *repo, int fd, const struct export_options *options, struct err *e)
{
	struct export x = {.options = options};
	struct selection s = {0};
	int rc = catalog_open(repo, CATALOG_READ, &x.cat, e);

	if (rc == ERR_OK)
		rc = selection_make(x.cat, &options->select, &s, e);
	if (rc == ERR_OK)
		rc = store_create(repo->packsfd, NULL, &x.store, e);
	if (rc == ERR_OK)
		rc = export_all(&x, fd, &s, e);
	store_free(x.store);
	catalog_close(x.cat);
	selection_finish(&s);
	return rc;
}
