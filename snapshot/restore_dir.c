/*
 * Restoring into a directory in rethinkdb export layout, by the target that restores of the queue
 * go through too: files are merged, read back and replaced atomically. The contracts are in
 * restore_internal.h.
 */
#include "snapshot/info.h"
#include "snapshot/restore_internal.h"
#include "snapshot/sort.h"
#include "snapshot/target.h"

#include <fcntl.h>
#include <sys/stat.h>

/* Room for DIR/DB/TABLE.json is taken as it is needed: DIR is as long as a user likes. */
static int
dir_path(const struct restore *r, const struct restore_job *job, const char *extension,
    struct buf *out, struct err *e)
{
	buf_clear(out);
	if (buf_printf(out, "%s/%s/%s%s", r->target, job->table.database, job->table.name,
		extension) != ERR_OK ||
	    buf_str(out) == NULL)
		return err_nomem(e);
	return ERR_OK;
}

/* What is there has to have the key field of the snapshot, as far as it tells. */
static int
dir_look_key(const struct restore *r, const struct restore_job *job, struct err *e)
{
	struct buf path = {0}, key = {0};
	int rc = dir_path(r, job, ".info", &path, e);

	if (rc == ERR_OK)
		rc = info_read_key(
		    AT_FDCWD, (const char *)path.data, (const char *)path.data, &key, e);
	if (rc == ERR_OK)
		rc = restore_same_key(job, &key, e);
	buf_finish(&path);
	buf_finish(&key);
	return rc == ERR_ABSENT ? ERR_OK : rc;
}

static int
dir_look(struct restore *r, struct restore_job *job, struct err *e)
{
	static const char *const extensions[] = {".json", ".ndjson", ".csv"};
	struct buf path = {0};
	struct stat st;
	int rc = ERR_OK;

	for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]) && rc == ERR_OK; i++) {
		rc = dir_path(r, job, extensions[i], &path, e);
		if (rc != ERR_OK || lstat((const char *)path.data, &st) != 0)
			continue;
		job->table.exists = true;
		if (i > 0 && r->options->force)
			rc = err_set(e, ERR_WRONG_STATE,
			    "%s cannot be merged with, only a .json file can",
			    (const char *)path.data);
	}
	buf_finish(&path);
	return rc == ERR_OK ? dir_look_key(r, job, e) : rc;
}

static int
dir_open(struct restore *r, const struct restore_job *job, struct source **out, struct err *e)
{
	(void)job;
	return source_open(r->target, out, e);
}

/* Called while the target is at work. */
static int
dir_step(void *arg, struct err *e)
{
	return restore_stopped(arg, e);
}

/* Put the documents that are wanted in the sorter. */
static int
dir_fill(struct restore *r, struct restore_job *job, struct sort *sort, struct err *e)
{
	const struct versions_version *version;
	const struct buf *bytes;
	struct documents *d;
	int rc = restore_documents(r, job, &d, e);

	if (rc != ERR_OK)
		return rc;
	while (rc == ERR_OK && (rc = documents_next(d, &version, &bytes, e)) == ERR_OK) {
		rc = sort_add(sort, &version->key, bytes->data, bytes->len, e);
		if (rc == ERR_OK)
			rc = restore_stopped(r, e);
		if (rc == ERR_OK && ++job->table.written % 256 == 0)
			restore_show(r, "loading", job, job->table.written, job->table.documents);
	}
	documents_close(d);
	return rc == ERR_END ? ERR_OK : rc;
}

static int
dir_apply(struct restore *r, struct restore_job *job, struct sort *sort, struct err *e)
{
	struct target_table table = {.database = job->table.database,
	    .table = job->table.name,
	    .primary_key = (const char *)job->primary_key.data,
	    .config = job->config.data,
	    .config_len = job->config.len,
	    .exact = r->options->exact,
	    .step = dir_step,
	    .arg = r};
	struct target *target;
	int rc = target_open(r->target, &target, e);

	if (rc != ERR_OK)
		return rc;
	rc = target_apply(target, &table, sort, e);
	target_close(target);
	return rc;
}

static int
dir_table(struct restore *r, struct restore_job *job, struct err *e)
{
	struct sort *sort;
	int rc;

	/* What an exact restore takes away is told, and only known as long as it is there. */
	if (r->options->exact && job->table.exists) {
		rc = restore_compare(r, job, "comparing", NULL, NULL, e);
		if (rc != ERR_OK)
			return rc;
		job->table.deleted = job->table.compared.count[COMPARE_EXTRA];
	}
	rc = sort_create(r->repo->dirfd, 0, &sort, e);
	if (rc != ERR_OK)
		return rc;
	rc = dir_fill(r, job, sort, e);
	if (rc == ERR_OK)
		rc = dir_apply(r, job, sort, e);
	sort_free(sort);
	if (rc == ERR_OK)
		rc = restore_compare(r, job, "verifying", NULL, NULL, e);
	return rc == ERR_OK ? restore_verdict(job, r->options->exact, e) : rc;
}

static void
dir_close(struct restore *r)
{
	(void)r;
}

int
restore_dir_open(struct restore *r, struct err *e)
{
	static const struct restore_kind kind = {dir_look, dir_open, dir_table, dir_close};
	struct stat st;

	if (r->target[0] == '\0')
		return err_set(e, ERR_ARG, "the target has no name");
	if (stat(r->target, &st) == 0 && !S_ISDIR(st.st_mode))
		return err_set(e, ERR_ARG,
		    "%s is no directory; to write an archive use: thinkback export", r->target);
	r->kind = &kind;
	return ERR_OK;
}
