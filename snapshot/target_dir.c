/*
 * A directory in rethinkdb export layout as a target: DIR/DB/TABLE.json and DIR/DB/TABLE.info.
 *
 * A batch is merged with the file that is there in one sorter: first the restores, then the file's
 * documents. The result goes to a temporary file beside it, is synced, read back and compared, and
 * only then takes the file's place. One worker at a time has the directory locked, so that the
 * temporary names can be fixed ones: what a crash has left is taken away by the next batch.
 */
#include "catalog/base/file.h"
#include "catalog/tables.h"
#include "snapshot/info.h"
#include "snapshot/payload.h"
#include "snapshot/target_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TARGET_DIR_TRIES 20 /* to lock, 50 ms apart */
#define TARGET_DIR_BLANK 64 /* bytes of an array without documents, at most */
#define TARGET_DIR_JSON ".thinkback-json.tmp"
#define TARGET_DIR_INFO ".thinkback-info.tmp"

struct target_dir {
	struct target base;
	char *path; /* for texts, owned */
	int fd;
};

/* One batch on its way. */
struct target_dir_batch {
	struct target_dir *dir;
	const struct target_table *table;
	struct sort *documents;
	uint64_t restores; /* the first so many documents of the sorter are restores */
	int fd;            /* DIR/DB, or -1 */
	bool made;         /* DIR/DB was not there before */
	char json_name[TABLES_NAME + 8]; /* TABLE.json */
	char info_name[TABLES_NAME + 8]; /* TABLE.info */
	struct buf db_path;              /* DIR/DB, for texts */
	struct buf json_path;            /* DIR/DB/TABLE.json, for texts */
	struct buf info_path;            /* DIR/DB/TABLE.info, for texts */
	struct target_file json;         /* what is to become TABLE.json */
	struct target_file info;         /* what is to become TABLE.info */
};

static int
target_dir_step(const struct target_dir_batch *b, struct err *e)
{
	return b->table->step != NULL ? b->table->step(b->table->arg, e) : ERR_OK;
}

/* ---- locking and opening ---- */

static int
target_dir_lock(struct target_dir *d, struct err *e)
{
	const struct timespec pause = {.tv_nsec = 50000000};

	for (int i = 0; flock(d->fd, LOCK_EX | LOCK_NB) != 0; i++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_system(e, errno, "cannot lock %s", d->path);
		if (i == TARGET_DIR_TRIES)
			return err_set(e, ERR_BUSY, "another worker is using %s", d->path);
		nanosleep(&pause, NULL);
	}
	return ERR_OK;
}

/*
 * Open DIR/DB, making it if it is missing. Its name is synced also when it is there: whoever made
 * it may have crashed before that.
 */
static int
target_dir_enter(struct target_dir_batch *b, struct err *e)
{
	const char *name = b->table->database;
	const char *path = (const char *)b->db_path.data;
	struct stat st;
	int rc;

	b->made = mkdirat(b->dir->fd, name, 0700) == 0;
	if (!b->made && errno != EEXIST)
		return err_system(e, errno, "cannot make %s", path);
	rc = file_sync(b->dir->fd, b->dir->path, e);
	if (rc != ERR_OK)
		return rc;
	if (fstatat(b->dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode))
		return err_set(e, ERR_FORMAT, "%s is no directory", path);
	b->fd = openat(b->dir->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (b->fd < 0)
		return err_system(e, errno, "cannot open %s", path);
	return ERR_OK;
}

/* Open a file of DIR/DB for reading. Return ERR_ABSENT (no text) when there is none. */
static int
target_dir_open_file(const struct target_dir_batch *b, const char *name, const char *path, int *fd,
    struct stat *st, struct err *e)
{
	if (fstatat(b->fd, name, st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? ERR_ABSENT
				       : err_system(e, errno, "cannot look at %s", path);
	if (!S_ISREG(st->st_mode))
		return err_set(e, ERR_FORMAT, "%s is no regular file", path);
	/* O_NONBLOCK: should a FIFO have come in between, it must not keep us waiting. */
	*fd = openat(b->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (*fd < 0)
		return err_system(e, errno, "cannot open %s", path);
	return ERR_OK;
}

/* ---- what is there ---- */

/* The file at hand. */
struct target_dir_input {
	int fd;
	const char *path;
};

static int
target_dir_read(void *arg, uint64_t off, void *out, size_t room, size_t *got, struct err *e)
{
	const struct target_dir_input *in = arg;

	return file_read_some(in->fd, out, room, off, got, in->path, e);
}

static int
target_dir_found(void *arg, const struct key *key, const struct buf *document, struct err *e)
{
	struct target_dir_batch *b = arg;
	int rc = target_dir_step(b, e);

	return rc == ERR_OK ? sort_add(b->documents, key, document->data, document->len, e) : rc;
}

/* Whether the file is an array without documents, as an export writes an empty table. */
static int
target_dir_empty(const struct target_dir_input *in, bool *empty, struct err *e)
{
	char text[TARGET_DIR_BLANK + 1], least[3];
	size_t got, n = 0;
	int rc = file_read_some(in->fd, text, sizeof(text), 0, &got, in->path, e);

	if (rc != ERR_OK)
		return rc;
	for (size_t i = 0; i < got && n < sizeof(least); i++)
		if (memchr(" \t\r\n", text[i], 4) == NULL)
			least[n++] = text[i];
	*empty = got <= TARGET_DIR_BLANK && n == 2 && memcmp(least, "[]", 2) == 0;
	return ERR_OK;
}

/*
 * The documents that are there have to be those of a table with the same key field: read with
 * another one, all that are equal in it would become one.
 */
static int
target_dir_check_key(const struct target_dir_batch *b, struct err *e)
{
	const char *path = (const char *)b->info_path.data;
	struct buf key = {0};
	int rc = info_read_key(b->fd, b->info_name, path, &key, e);

	if (rc == ERR_OK && strcmp((const char *)key.data, b->table->primary_key) != 0)
		rc = err_set(e, ERR_ARG,
		    "the key field of %s.%s is \"%s\" in %s and \"%s\" in the repository",
		    b->table->database, b->table->table, (const char *)key.data, path,
		    b->table->primary_key);
	else if (rc == ERR_FORMAT)
		err_prefix(e, "cannot add to %s.%s", b->table->database, b->table->table);
	buf_finish(&key);
	return rc == ERR_ABSENT ? ERR_OK : rc;
}

/* Put the documents of the file that is there behind the restores in the sorter. */
static int
target_dir_load(struct target_dir_batch *b, struct err *e)
{
	struct target_dir_input in = {.fd = -1, .path = (const char *)b->json_path.data};
	struct payload_input payload = {.read = target_dir_read, .arg = &in};
	uint64_t documents;
	bool empty = false;
	struct stat st;
	int rc = target_dir_open_file(b, b->json_name, in.path, &in.fd, &st, e);

	if (rc != ERR_OK)
		return rc == ERR_ABSENT ? ERR_OK : rc;
	rc = target_dir_empty(&in, &empty, e);
	if (rc == ERR_OK && !empty)
		rc = payload_read(
		    &payload, b->table->primary_key, target_dir_found, b, &documents, e);
	if (rc == ERR_FORMAT || rc == ERR_KEY || rc == ERR_LIMIT || rc == ERR_TRUNCATED) {
		err_prefix(e, "cannot add to %s", in.path);
		rc = ERR_FORMAT;
	}
	close(in.fd);
	return rc;
}

/* Whether TABLE.info is there with the table's configuration. */
static int
target_dir_info_same(struct target_dir_batch *b, bool *same, struct err *e)
{
	const char *path = (const char *)b->info_path.data;
	size_t len = b->table->config_len;
	struct buf have = {0};
	struct stat st;
	int fd, rc;

	*same = false;
	rc = target_dir_open_file(b, b->info_name, path, &fd, &st, e);
	if (rc != ERR_OK)
		return rc == ERR_ABSENT ? ERR_OK : rc;
	if ((uint64_t)st.st_size == (uint64_t)len + 1) {
		rc = buf_reserve(&have, len + 1) == ERR_OK ? ERR_OK : err_nomem(e);
		if (rc == ERR_OK)
			rc = file_read_at(fd, have.data, len + 1, 0, path, e);
		*same = rc == ERR_OK && have.data[len] == '\n' &&
			memcmp(have.data, b->table->config, len) == 0;
	}
	close(fd);
	buf_finish(&have);
	return rc;
}

/* ---- writing ---- */

/* The document to be written next, unless one with the same key takes its place. */
struct target_dir_held {
	bool any;     /* there is one */
	bool restore; /* it is a restore, not the file's */
	bool later;   /* there are documents in the file before it */
	struct key key;
	struct buf document;
};

/* Write the held document. */
static int
target_dir_emit(struct target_dir_batch *b, struct target_dir_held *h, struct err *e)
{
	int rc = ERR_OK;

	if (!h->any)
		return ERR_OK;
	if (h->later)
		rc = target_file_put(&b->json, ",\n", 2, e);
	if (rc == ERR_OK)
		rc = target_file_put(&b->json, h->document.data, h->document.len, e);
	h->later = true;
	h->any = false;
	return rc;
}

/* Take the sorter's next document: of equal keys the last restore counts, or the file's last. */
static int
target_dir_take(struct target_dir_batch *b, struct target_dir_held *h, const struct sort_item *item,
    struct err *e)
{
	bool restore = item->sequence < b->restores;
	int rc = ERR_OK;

	if (h->any && key_compare(&h->key, &item->key) == 0) {
		if (h->restore && !restore)
			return ERR_OK;
	} else {
		rc = target_dir_emit(b, h, e);
	}
	if (rc != ERR_OK)
		return rc;
	h->any = true;
	h->restore = restore;
	h->key = item->key;
	buf_clear(&h->document);
	return buf_append(&h->document, item->data, item->len) == ERR_OK ? ERR_OK : err_nomem(e);
}

static int
target_dir_write_json(struct target_dir_batch *b, struct err *e)
{
	struct target_dir_held held = {0};
	struct sort_item item;
	int rc = target_file_create(
	    &b->json, b->fd, TARGET_DIR_JSON, (const char *)b->json_path.data, e);

	if (rc == ERR_OK)
		rc = target_file_put(&b->json, "[\n", 2, e);
	while (rc == ERR_OK && (rc = sort_next(b->documents, &item, e)) == ERR_OK) {
		rc = target_dir_take(b, &held, &item, e);
		if (rc == ERR_OK)
			rc = target_dir_step(b, e);
	}
	if (rc == ERR_END)
		rc = target_dir_emit(b, &held, e);
	if (rc == ERR_OK)
		rc = target_file_put(&b->json, held.later ? "\n]\n" : "]\n", held.later ? 3 : 2, e);
	if (rc == ERR_OK)
		rc = target_file_finish(&b->json, b->table, e);
	buf_finish(&held.document);
	return rc;
}

static int
target_dir_write_info(struct target_dir_batch *b, struct err *e)
{
	int rc = target_file_create(
	    &b->info, b->fd, TARGET_DIR_INFO, (const char *)b->info_path.data, e);

	if (rc == ERR_OK)
		rc = target_file_put(&b->info, b->table->config, b->table->config_len, e);
	if (rc == ERR_OK)
		rc = target_file_put(&b->info, "\n", 1, e);
	return rc == ERR_OK ? target_file_finish(&b->info, b->table, e) : rc;
}

/* ---- a batch ---- */

/* Check what the batch is for, and make the names from it. */
static int
target_dir_start(struct target_dir_batch *b, struct err *e)
{
	const struct target_table *t = b->table;
	size_t len = strlen(t->table);

	if (!tables_name_valid(t->database, strlen(t->database)) ||
	    !tables_name_valid(t->table, len) || len + sizeof(".json") > NAME_MAX + 1)
		return err_set(e, ERR_ARG, "no table in a directory can be called \"%s.%s\"",
		    t->database, t->table);
	if (t->config_len == 0)
		return err_set(
		    e, ERR_ARG, "table %s.%s has no configuration", t->database, t->table);
	snprintf(b->json_name, sizeof(b->json_name), "%s.json", t->table);
	snprintf(b->info_name, sizeof(b->info_name), "%s.info", t->table);
	if (buf_printf(&b->db_path, "%s/%s", b->dir->path, t->database) != ERR_OK ||
	    buf_str(&b->db_path) == NULL ||
	    buf_printf(&b->json_path, "%s/%s/%s", b->dir->path, t->database, b->json_name) !=
		ERR_OK ||
	    buf_str(&b->json_path) == NULL ||
	    buf_printf(&b->info_path, "%s/%s/%s", b->dir->path, t->database, b->info_name) !=
		ERR_OK ||
	    buf_str(&b->info_path) == NULL)
		return err_nomem(e);
	return ERR_OK;
}

/* Everything between locking and unlocking. */
static int
target_dir_merge(struct target_dir_batch *b, struct err *e)
{
	bool same = false;
	int rc = target_dir_enter(b, e);

	if (rc == ERR_OK)
		rc = target_dir_check_key(b, e);
	if (rc == ERR_OK && !b->table->exact)
		rc = target_dir_load(b, e);
	if (rc == ERR_OK)
		rc = target_dir_info_same(b, &same, e);
	if (rc == ERR_OK)
		rc = sort_finish(b->documents, e);
	if (rc == ERR_OK)
		rc = target_dir_write_json(b, e);
	if (rc == ERR_OK && !same)
		rc = target_dir_write_info(b, e);
	if (rc == ERR_OK && b->table->hold != NULL)
		rc = b->table->hold(b->table->arg, e);
	if (rc == ERR_OK)
		rc = target_file_rename(&b->json, b->json_name, e);
	if (rc == ERR_OK && !same)
		rc = target_file_rename(&b->info, b->info_name, e);
	if (rc == ERR_OK)
		rc = file_sync(b->fd, (const char *)b->db_path.data, e);
	return rc;
}

static void
target_dir_end(struct target_dir_batch *b, bool failed)
{
	target_file_drop(&b->json);
	target_file_drop(&b->info);
	if (b->fd >= 0)
		close(b->fd);
	/* It is not empty, and stays, when something has been put there. */
	if (failed && b->made)
		unlinkat(b->dir->fd, b->table->database, AT_REMOVEDIR);
	buf_finish(&b->db_path);
	buf_finish(&b->json_path);
	buf_finish(&b->info_path);
}

static int
target_dir_apply(
    struct target *t, const struct target_table *table, struct sort *documents, struct err *e)
{
	struct target_dir_batch b = {.dir = (struct target_dir *)t,
	    .table = table,
	    .documents = documents,
	    .restores = sort_count(documents),
	    .fd = -1};
	int rc = target_dir_start(&b, e);

	if (rc == ERR_OK)
		rc = target_dir_lock(b.dir, e);
	if (rc == ERR_OK) {
		rc = target_dir_merge(&b, e);
		target_dir_end(&b, rc != ERR_OK);
		flock(b.dir->fd, LOCK_UN);
		/* Something that was there has gone meanwhile: no answer to a question here. */
		return rc == ERR_ABSENT ? ERR_IO : rc;
	}
	target_dir_end(&b, false);
	return rc;
}

static void
target_dir_free(struct target_dir *d)
{
	if (d->fd >= 0)
		close(d->fd);
	free(d->path);
	free(d);
}

static void
target_dir_close(struct target *t)
{
	target_dir_free((struct target_dir *)t);
}

static const struct target_kind target_dir_kind = {
    .apply = target_dir_apply, .close = target_dir_close};

int
target_dir_open(const char *path, struct target **out, struct err *e)
{
	struct target_dir *d = calloc(1, sizeof(*d));
	int rc = ERR_OK;

	if (d == NULL)
		return err_nomem(e);
	d->base.kind = &target_dir_kind;
	d->fd = -1;
	d->path = strdup(path);
	if (d->path == NULL)
		rc = err_nomem(e);
	else if (mkdir(path, 0700) != 0 && errno != EEXIST)
		rc = err_system(e, errno, "cannot make the target directory %s", path);
	if (rc == ERR_OK) {
		d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (d->fd < 0)
			rc = err_system(e, errno, "cannot open the target directory %s", path);
	}
	/* Before a restore into it counts as done, its own name must be on disk. */
	if (rc == ERR_OK)
		rc = file_sync_parent(path, e);
	if (rc != ERR_OK) {
		target_dir_free(d);
		return rc == ERR_ABSENT ? ERR_ARG : rc;
	}
	*out = (struct target *)d;
	return ERR_OK;
}
