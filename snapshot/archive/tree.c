/*
 * Trees of documents as a mount shows them, or a copy of one, as a source:
 * DB/TABLE/shard-NN/DATE/NAME.json, and .table.json beside the documents. Any part may be missing;
 * what stands anywhere else ("latest", restores that were copied in) is not looked at. Directories
 * are read as they come, so that memory stays flat whatever they hold. Contracts: source.h.
 */
#include "snapshot/source_internal.h"

#include "catalog/base/buf.h"
#include "catalog/base/date.h"
#include "catalog/snapshots.h"
#include "snapshot/archive/dir.h"
#include "snapshot/archive/listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TREE_CONFIG ".table.json"
#define TREE_DIRECTORY (2 * TABLES_NAME + 40) /* room for DB/TABLE/shard-NN/DATE */
#define TREE_PATH (TREE_DIRECTORY + NAME_MAX + 2)

_Static_assert(SNAPSHOTS_SHARDS == 64, "the shards of a table are bits of a uint64_t");

/* What comes next of the current table. */
enum tree_phase {
	TREE_INFO,      /* its configuration, if there is one */
	TREE_TABLE,     /* its beginning */
	TREE_DOCUMENTS, /* one of its documents, or their end */
	TREE_OVER       /* nothing */
};

struct tree {
	struct source base;
	int root;                       /* the directory, owned */
	char date[DATE_NAME];           /* of the run that is being read */
	struct listing tables;          /* of this run */
	size_t at;                      /* current table */
	enum tree_phase phase;          /* in the current table */
	unsigned shard;                 /* of the current table, the one being read or the next */
	DIR *dir;                       /* its documents, owned; NULL: not open */
	char directory[TREE_DIRECTORY]; /* path of dir */
	char path[TREE_PATH];           /* of the current file, below the root */
	struct buf data;                /* its contents */
	uint64_t done;                  /* bytes read in this run */
};

static struct tree *
tree_of(struct source *s)
{
	return (struct tree *)s;
}

/* ---- looking around ---- */

/* A walk through all date directories. */
struct tree_walk {
	struct tree *t;
	const char *date;     /* only this one; NULL: all */
	const char *database; /* where the walk is */
	const char *table;
	unsigned shard;
	bool tree; /* there is a directory of a shard */
};

static int
tree_found_date(void *arg, int dirfd, const char *name, bool directory, struct err *e)
{
	struct tree_walk *w = arg;
	struct listing_table *table;
	int64_t date;
	int rc;

	(void)dirfd;
	if (!directory || date_from_name(name, strlen(name), &date) != ERR_OK)
		return ERR_OK;
	if (w->date == NULL)
		return source_date_add(&w->t->base, date, e);
	if (strcmp(name, w->date) != 0)
		return ERR_OK;
	rc = listing_put(&w->t->tables, w->database, w->table, &table, e);
	if (rc == ERR_OK)
		table->shards |= (uint64_t)1 << w->shard;
	return rc;
}

static int
tree_found_shard(void *arg, int dirfd, const char *name, bool directory, struct err *e)
{
	struct tree_walk *w = arg;
	const char *digits = name + strlen("shard-");

	if (!directory || strncmp(name, "shard-", strlen("shard-")) != 0 || strlen(digits) != 2 ||
	    strspn(digits, "0123456789") != 2)
		return ERR_OK;
	w->shard = (unsigned)(digits[0] - '0') * 10 + (unsigned)(digits[1] - '0');
	if (w->shard >= SNAPSHOTS_SHARDS)
		return ERR_OK;
	w->tree = true;
	return dir_each(dirfd, name, tree_found_date, w, e);
}

static int
tree_found_table(void *arg, int dirfd, const char *name, bool directory, struct err *e)
{
	struct tree_walk *w = arg;

	if (!directory || !tables_name_valid(name, strlen(name)))
		return ERR_OK;
	w->table = name;
	return dir_each(dirfd, name, tree_found_shard, w, e);
}

static int
tree_found_database(void *arg, int dirfd, const char *name, bool directory, struct err *e)
{
	struct tree_walk *w = arg;

	if (!directory || !tables_name_valid(name, strlen(name)))
		return ERR_OK;
	w->database = name;
	return dir_each(dirfd, name, tree_found_table, w, e);
}

static int
tree_walk(struct tree_walk *w, struct err *e)
{
	int rc = dir_each(w->t->root, "", tree_found_database, w, e);

	if (rc != ERR_OK)
		source_blame(w->t->base.label, NULL, e);
	return rc;
}

/* ---- items ---- */

static const struct listing_table *
tree_current(const struct tree *t)
{
	return t->tables.list[t->at];
}

static int
tree_item(struct tree *t, enum source_event event, struct source_item *out)
{
	*out = (struct source_item){.event = event,
	    .database = tree_current(t)->database,
	    .table = tree_current(t)->table,
	    .file = t->path};
	return ERR_OK;
}

/* End the current table; the reason is in ${e} and names the file. */
static int
tree_bad(struct tree *t, struct source_item *out, struct err *e)
{
	t->phase = TREE_OVER;
	source_gone(e);
	source_blame(t->base.label, NULL, e);
	return tree_item(t, SOURCE_TABLE_BAD, out);
}

/* Read ${name} in the directory ${dirfd} and make it an item. */
static int
tree_file(struct tree *t, int dirfd, const char *name, enum source_event event, size_t max,
    struct source_item *out, struct err *e)
{
	int rc;

	snprintf(t->path, sizeof(t->path), "%s/%s", t->directory, name);
	rc = dir_read(dirfd, name, t->path, max, &t->data, e);
	if (rc != ERR_OK)
		return rc;
	t->done += t->data.len;
	tree_item(t, event, out);
	out->data = t->data.data;
	out->len = t->data.len;
	out->line = out->column = 1;
	return ERR_OK;
}

/* Open the directory of shard ${number} of the current table. */
static int
tree_shard(struct tree *t, unsigned number, int *fd, struct err *e)
{
	snprintf(t->directory, sizeof(t->directory), "%s/%s/shard-%02u/%s",
	    tree_current(t)->database, tree_current(t)->table, number, t->date);
	snprintf(t->path, sizeof(t->path), "%s", t->directory);
	return dir_open(t->root, t->directory, fd, e);
}

/* The first shard that has the configuration is as good as any: all have the same. */
static int
tree_info(struct tree *t, struct source_item *out, struct err *e)
{
	int rc = ERR_ABSENT;
	int fd;

	for (unsigned i = 0; i < SNAPSHOTS_SHARDS && rc == ERR_ABSENT; i++) {
		if ((tree_current(t)->shards >> i & 1) == 0)
			continue;
		rc = tree_shard(t, i, &fd, e);
		if (rc != ERR_OK)
			return rc == ERR_NOMEM ? rc : tree_bad(t, out, e);
		rc = tree_file(t, fd, TREE_CONFIG, SOURCE_INFO, SOURCE_INFO_MAX, out, e);
		close(fd);
	}
	if (rc == ERR_OK || rc == ERR_ABSENT || rc == ERR_NOMEM)
		return rc;
	return tree_bad(t, out, e);
}

/* Open the next shard's directory: ERR_OK, ERR_END behind the last, or a failure. */
static int
tree_open_shard(struct tree *t, struct err *e)
{
	int fd, rc;

	while (t->shard < SNAPSHOTS_SHARDS && (tree_current(t)->shards >> t->shard & 1) == 0)
		t->shard++;
	if (t->shard >= SNAPSHOTS_SHARDS)
		return ERR_END;
	rc = tree_shard(t, t->shard++, &fd, e);
	if (rc != ERR_OK)
		return rc;
	t->dir = fdopendir(fd);
	if (t->dir == NULL) {
		rc = err_system(e, errno, "cannot read the directory %s", t->directory);
		close(fd);
	}
	return rc;
}

static void
tree_close_shard(struct tree *t)
{
	if (t->dir != NULL)
		closedir(t->dir);
	t->dir = NULL;
}

/* Whether a file is a document: control files begin with a dot, as do copies that are under way. */
static bool
tree_is_document(const char *name)
{
	size_t len = strlen(name);

	return name[0] != '.' && len > 5 && strcmp(name + len - 5, ".json") == 0;
}

/* The name of the next document, of whatever shard: ERR_OK, ERR_END, or a failure. */
static int
tree_next_name(struct tree *t, const char **name, struct err *e)
{
	struct dirent *entry;
	int rc;

	for (;;) {
		if (t->dir == NULL) {
			rc = tree_open_shard(t, e);
			if (rc != ERR_OK)
				return rc;
		}
		errno = 0;
		entry = readdir(t->dir);
		if (entry == NULL && errno != 0)
			return err_system(e, errno, "cannot read the directory %s", t->directory);
		if (entry == NULL) {
			tree_close_shard(t);
		} else if (tree_is_document(entry->d_name)) {
			*name = entry->d_name;
			return ERR_OK;
		}
	}
}

static int
tree_document(struct tree *t, struct source_item *out, struct err *e)
{
	const char *name = NULL;
	int rc = tree_next_name(t, &name, e);

	if (rc == ERR_OK)
		rc =
		    tree_file(t, dirfd(t->dir), name, SOURCE_DOCUMENT, SOURCE_DOCUMENT_MAX, out, e);
	if (rc == ERR_OK || rc == ERR_NOMEM)
		return rc;
	if (rc != ERR_END)
		return tree_bad(t, out, e);
	t->phase = TREE_OVER;
	return tree_item(t, SOURCE_TABLE_END, out);
}

/* Go to the next table. */
static void
tree_leave(struct tree *t)
{
	tree_close_shard(t);
	t->phase = TREE_INFO;
	t->shard = 0;
	t->at++;
}

static int
tree_next(struct source *s, struct source_item *out, struct err *e)
{
	struct tree *t = tree_of(s);
	int rc;

	for (; t->at < t->tables.n; tree_leave(t)) {
		if (t->phase == TREE_INFO) {
			t->phase = TREE_TABLE;
			rc = tree_info(t, out, e);
			if (rc != ERR_ABSENT)
				return rc;
			err_clear(e);
		}
		if (t->phase == TREE_TABLE) {
			t->phase = TREE_DOCUMENTS;
			snprintf(t->path, sizeof(t->path), "%s/%s", tree_current(t)->database,
			    tree_current(t)->table);
			return tree_item(t, SOURCE_TABLE, out);
		}
		if (t->phase == TREE_DOCUMENTS)
			return tree_document(t, out, e);
	}
	return ERR_END;
}

static void
tree_skip_table(struct source *s)
{
	if (tree_of(s)->phase == TREE_DOCUMENTS)
		tree_of(s)->phase = TREE_OVER;
}

static int
tree_start(struct source *s, size_t i, struct err *e)
{
	struct tree *t = tree_of(s);
	struct tree_walk w = {.t = t, .date = t->date};

	tree_close_shard(t);
	listing_finish(&t->tables);
	t->at = 0;
	t->shard = 0;
	t->phase = TREE_INFO;
	t->done = 0;
	t->path[0] = '\0';
	date_name(s->dates[i], t->date);
	return tree_walk(&w, e);
}

static int
tree_tables(struct source *s, size_t i,
    int (*found)(void *arg, const char *database, const char *table), void *arg, struct err *e)
{
	struct tree *t = tree_of(s);
	int rc = tree_start(s, i, e);

	for (size_t n = 0; n < t->tables.n && rc == ERR_OK; n++)
		rc = found(arg, t->tables.list[n]->database, t->tables.list[n]->table);
	return rc;
}

/* What there is in all could only be found out by looking at each file. */
static void
tree_progress(const struct source *s, uint64_t *done, uint64_t *total)
{
	*done = ((const struct tree *)s)->done;
	*total = 0;
}

/* Free all but the directory. */
static void
tree_free(struct tree *t)
{
	tree_close_shard(t);
	listing_finish(&t->tables);
	buf_finish(&t->data);
	free(t->base.dates);
	free(t);
}

static void
tree_close(struct source *s)
{
	close(tree_of(s)->root);
	tree_free(tree_of(s));
}

/* Find the dates: ERR_OK, ERR_ABSENT when this is no tree, or a failure. */
static int
tree_find(struct tree *t, struct err *e)
{
	struct tree_walk w = {.t = t};
	int rc = tree_walk(&w, e);

	if (rc != ERR_OK)
		return rc;
	if (!w.tree)
		return ERR_ABSENT;
	if (t->base.n_dates > 0)
		return ERR_OK;
	err_set(e, ERR_FORMAT, "a tree without any date (DB/TABLE/shard-NN/DATE)");
	source_blame(t->base.label, NULL, e);
	return ERR_FORMAT;
}

int
tree_open(int fd, char *label, struct source **out, struct err *e)
{
	static const struct source_functions functions = {
	    .close = tree_close,
	    .tables = tree_tables,
	    .start = tree_start,
	    .next = tree_next,
	    .skip_table = tree_skip_table,
	    .progress = tree_progress,
	};
	struct tree *t = calloc(1, sizeof(*t));
	int rc;

	if (t == NULL)
		return err_nomem(e);
	t->base.functions = &functions;
	t->base.kind = SOURCE_TREE;
	t->base.label = label;
	t->root = fd;
	rc = tree_find(t, e);
	if (rc != ERR_OK) {
		tree_free(t);
		return rc;
	}
	*out = &t->base;
	return ERR_OK;
}
