/* Putting snapshots back: the contract is in restore.h. */
#include "snapshot/restore.h"

#include "snapshot/json/jsonkey.h"
#include "snapshot/restore_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define RESTORE_NAMED 5 /* tables named in a text, at most */

/* ---- what the files of restore share ---- */

int
restore_stopped(const struct restore *r, struct err *e)
{
	bool stop = r->options->stop != NULL && *r->options->stop != 0;

	return stop ? err_set(e, ERR_INTR, "interrupted") : ERR_OK;
}

int
restore_same_key(const struct restore_job *job, const struct buf *have, struct err *e)
{
	const char *there = (const char *)have->data;
	const char *want = (const char *)job->primary_key.data;

	return strcmp(there, want) == 0
		   ? ERR_OK
		   : err_set(e, ERR_WRONG_STATE,
			 "%s.%s is there with the primary key \"%s\", the snapshot has \"%s\"; "
			 "--into takes another name",
			 job->table.database, job->table.name, there, want);
}

void
restore_show(const struct restore *r, const char *what, const struct restore_job *job,
    uint64_t done, uint64_t total)
{
	if (r->options->progress != NULL)
		r->options->progress(r->options->arg, what, &job->table, done, total);
}

int
restore_documents(
    struct restore *r, const struct restore_job *job, struct documents **out, struct err *e)
{
	int rc = documents_open(r->cat, r->store, &job->table.item->snapshot, out, e);

	if (rc == ERR_OK && r->options->only != NULL)
		documents_only(*out, r->options->only);
	return rc;
}

/* A comparison of a job, for its callbacks. */
struct restore_comparison {
	struct restore *r;
	struct restore_job *job;
	const char *what;
	int (*found)(void *arg, enum compare_state state, const struct key *key, struct err *e);
	void *arg;
};

static int
restore_found(void *arg, enum compare_state state, const struct key *key, struct err *e)
{
	const struct restore_comparison *c = arg;

	return c->found != NULL ? c->found(c->arg, state, key, e) : ERR_OK;
}

static void
restore_read(void *arg, uint64_t documents)
{
	const struct restore_comparison *c = arg;
	uint64_t total = c->job->table.item->snapshot.documents;

	if (documents % 64 == 0)
		restore_show(
		    c->r, c->what, c->job, documents, documents > total ? documents : total);
}

int
restore_compare(struct restore *r, struct restore_job *job, const char *what,
    int (*found)(void *arg, enum compare_state state, const struct key *key, struct err *e),
    void *arg, struct err *e)
{
	struct restore_comparison c = {r, job, what, found, arg};
	struct compare_options o = {.repo = r->repo,
	    .cat = r->cat,
	    .snapshot = &job->table.item->snapshot,
	    .primary_key = (const char *)job->primary_key.data,
	    .only = r->options->only,
	    .found = restore_found,
	    .progress = restore_read,
	    .arg = &c,
	    .stop = r->options->stop};
	struct source *source;
	int rc = r->kind->open(r, job, &source, e);

	if (rc != ERR_OK)
		return rc;
	rc = compare_run(source, job->table.database, job->table.name, &o, &job->table.compared, e);
	source_close(source);
	return rc;
}

int
restore_verdict(const struct restore_job *job, bool exact, struct err *e)
{
	const struct restore_table *t = &job->table;
	const uint64_t *n = t->compared.count;

	uint64_t lacking = n[COMPARE_MISSING] + n[COMPARE_CHANGED];
	uint64_t extra = exact ? n[COMPARE_EXTRA] : 0;

	if (lacking == 0 && extra == 0)
		return ERR_OK;
	/* In the place of one that was left out the server may have another, or the same. */
	if (lacking <= t->refused && extra == 0)
		return err_set(e, ERR_LIMIT,
		    "%" PRIu64 " documents are nested too deep for a server and were left out",
		    lacking);
	return err_set(e, ERR_CORRUPT,
	    "read back and compared: %" PRIu64 " documents are missing, %" PRIu64
	    " are not those of the snapshot, %" PRIu64 " are not in it; does another client write",
	    n[COMPARE_MISSING], n[COMPARE_CHANGED], n[COMPARE_EXTRA]);
}

/* ---- what is to be done ---- */

/* Where a table goes: its own name, or what --into makes of it. */
static int
restore_name(const struct restore *r, struct restore_table *t, struct err *e)
{
	const struct tables_table *from = &t->item->table;
	const char *into = r->options->into;
	const char *dot = into != NULL ? strchr(into, '.') : NULL;
	size_t len = into == NULL ? 0 : dot != NULL ? (size_t)(dot - into) : strlen(into);

	memcpy(t->database, from->database, sizeof(t->database));
	memcpy(t->name, from->name, sizeof(t->name));
	if (into == NULL)
		return ERR_OK;
	if (!tables_name_valid(into, len) ||
	    (dot != NULL && !tables_name_valid(dot + 1, strlen(dot + 1))))
		return err_set(e, ERR_ARG,
		    "\"%s\" is no name for a database or a table: DB or DB.TABLE, of letters, "
		    "digits, _ and -",
		    into);
	memcpy(t->database, into, len);
	t->database[len] = '\0';
	if (dot != NULL)
		memcpy(t->name, dot + 1, strlen(dot + 1) + 1);
	return ERR_OK;
}

/* A new name must not bring two databases or tables together. */
static int
restore_check_into(const struct restore *r, struct err *e)
{
	const struct selection *s = &r->selection;
	const char *into = r->options->into;

	if (into == NULL)
		return ERR_OK;
	if (strchr(into, '.') != NULL && s->n > 1)
		return err_set(e, ERR_ARG,
		    "--into %s takes one table, and %zu are chosen; choose one with -e DB.TABLE",
		    into, s->n);
	for (size_t i = 1; i < s->n; i++)
		if (strcmp(s->items[i].table.database, s->items[0].table.database) != 0)
			return err_set(e, ERR_ARG,
			    "--into %s takes one database, and several are chosen; choose one with "
			    "-e DB",
			    into);
	return ERR_OK;
}

/* Whether the snapshot has what is wanted of it; sets the number of documents. */
static int
restore_count(struct restore *r, struct restore_job *job, struct err *e)
{
	const struct snapshots_snapshot *s = &job->table.item->snapshot;
	struct versions_version v;
	int rc;

	job->table.documents = s->documents;
	if (r->options->only == NULL)
		return ERR_OK;
	rc = versions_find(r->cat, s->table_id, s->id, r->options->only, &v, e);
	job->table.documents = rc == ERR_OK;
	return rc == ERR_ABSENT ? ERR_OK : rc;
}

static int
restore_job_read(struct restore *r, struct restore_job *job, struct err *e)
{
	int64_t id = job->table.item->snapshot.id;
	int rc = restore_name(r, &job->table, e);

	if (rc == ERR_OK)
		rc = restore_count(r, job, e);
	if (rc != ERR_OK)
		return rc;
	rc = snapshots_primary_key(r->cat, id, &job->primary_key, e);
	if (rc == ERR_OK)
		rc = snapshots_config(r->cat, id, &job->config, e);
	if (rc == ERR_ABSENT)
		rc = err_set(e, ERR_CORRUPT, "catalog.db has lost the configuration of %s.%s",
		    job->table.item->table.database, job->table.item->table.name);
	if (rc == ERR_OK && (buf_str(&job->primary_key) == NULL || buf_str(&job->config) == NULL))
		rc = err_nomem(e);
	return rc;
}

/* Make the jobs. With a key, only tables that have it are jobs. */
static int
restore_plan(struct restore *r, struct err *e)
{
	int rc = restore_check_into(r, e);

	if (rc != ERR_OK)
		return rc;
	r->jobs = calloc(r->selection.n, sizeof(*r->jobs));
	if (r->jobs == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < r->selection.n; i++) {
		struct restore_job *job = &r->jobs[r->n_jobs++];
		job->table.item = &r->selection.items[i];
		rc = restore_job_read(r, job, e);
		if (rc != ERR_OK)
			return rc;
		if (r->options->only != NULL && job->table.documents == 0) {
			buf_finish(&job->primary_key);
			buf_finish(&job->config);
			r->jobs[--r->n_jobs] = (struct restore_job){0};
		}
	}
	if (r->n_jobs == 0)
		return err_set(e, ERR_ABSENT, "no document of these snapshots has that key");
	return ERR_OK;
}

/* Whether there are permissions to be granted, and somewhere to grant them. */
static int
restore_check_permissions(const struct restore *r, struct err *e)
{
	struct member_span rows;

	if (!r->options->permissions)
		return ERR_OK;
	if (!source_is_server(r->target))
		return err_set(e, ERR_ARG, "permissions can only be granted on a server");
	for (size_t i = 0; i < r->n_jobs; i++)
		if (restore_grant_find(&r->jobs[i], &rows))
			return ERR_OK;
	return err_set(e, ERR_ARG,
	    "these snapshots have no permissions: they are not of a server, or were taken by a "
	    "user "
	    "who could not see them");
}

/* Look at all tables before anything is changed. */
static int
restore_look(struct restore *r, struct err *e)
{
	struct buf names = {0};
	size_t n = 0;
	int rc = ERR_OK;

	for (size_t i = 0; i < r->n_jobs && rc == ERR_OK; i++) {
		const struct restore_table *t = &r->jobs[i].table;
		rc = r->kind->look(r, &r->jobs[i], e);
		if (rc == ERR_OK && t->exists && n++ < RESTORE_NAMED &&
		    buf_printf(&names, "%s%s.%s", n > 1 ? ", " : "", t->database, t->name) !=
			ERR_OK)
			rc = err_nomem(e);
	}
	if (rc == ERR_OK && n > RESTORE_NAMED && buf_puts(&names, ", ...") != ERR_OK)
		rc = err_nomem(e);
	if (rc == ERR_OK && n > 0 && !r->options->force && !r->options->dry_run) {
		rc = buf_str(&names) == NULL
			 ? err_nomem(e)
			 : err_set(e, ERR_EXISTS,
			       "%s: there already; --force writes into tables that exist, --into "
			       "takes another name",
			       (const char *)names.data);
	}
	buf_finish(&names);
	return rc;
}

/* ---- doing it ---- */

/* A dry run's caller wants to know of each document. */
struct restore_finding {
	struct restore *r;
	const struct restore_job *job;
};

static int
restore_tell(void *arg, enum compare_state state, const struct key *key, struct err *e)
{
	const struct restore_finding *f = arg;

	(void)e;
	if (f->r->options->found != NULL)
		f->r->options->found(f->r->options->arg, &f->job->table, state, key);
	return ERR_OK;
}

/* What a restore into nothing would write: all of it. */
static int
restore_dry_new(struct restore *r, struct restore_job *job, struct err *e)
{
	const struct versions_version *v;
	struct documents *d;
	int rc;

	job->table.compared.count[COMPARE_MISSING] = job->table.documents;
	if (r->options->found == NULL)
		return ERR_OK;
	rc = restore_documents(r, job, &d, e);
	if (rc != ERR_OK)
		return rc;
	while (rc == ERR_OK && (rc = documents_skim(d, &v, e)) == ERR_OK) {
		r->options->found(r->options->arg, &job->table, COMPARE_MISSING, &v->key);
		rc = restore_stopped(r, e);
	}
	documents_close(d);
	return rc == ERR_END ? ERR_OK : rc;
}

static int
restore_dry(struct restore *r, struct restore_job *job, struct err *e)
{
	struct restore_finding f = {r, job};

	if (!job->table.exists)
		return restore_dry_new(r, job, e);
	return restore_compare(r, job, "comparing", restore_tell, &f, e);
}

static int
restore_tables(struct restore *r, struct restore_result *result, struct err *e)
{
	for (size_t i = 0; i < r->n_jobs; i++) {
		struct restore_job *job = &r->jobs[i];
		struct err why = {0};
		int rc =
		    r->options->dry_run ? restore_dry(r, job, &why) : r->kind->table(r, job, &why);
		if (rc == ERR_INTR || rc == ERR_NOMEM)
			return err_set(e, rc, "%s", why.text);
		job->restored = rc == ERR_OK;
		result->tables += rc == ERR_OK;
		result->failed += rc != ERR_OK;
		if (r->options->table_done != NULL)
			r->options->table_done(
			    r->options->arg, &job->table, rc == ERR_OK ? NULL : &why);
	}
	return ERR_OK;
}

static int
restore_all(struct restore *r, struct restore_result *result, struct err *e)
{
	int rc = catalog_open(r->repo, CATALOG_READ, &r->cat, e);

	if (rc == ERR_OK)
		rc = selection_make(r->cat, &r->options->select, &r->selection, e);
	if (rc == ERR_OK)
		rc = store_create(r->repo->packsfd, NULL, &r->store, e);
	if (rc == ERR_OK)
		rc = restore_plan(r, e);
	if (rc == ERR_OK)
		rc = restore_check_permissions(r, e);
	if (rc == ERR_OK)
		rc = source_is_server(r->target) ? restore_live_open(r, e) : restore_dir_open(r, e);
	if (rc == ERR_OK)
		rc = restore_look(r, e);
	if (rc == ERR_OK)
		rc = restore_tables(r, result, e);
	return rc == ERR_OK && r->options->permissions ? restore_grant(r, result, e) : rc;
}

int
restore_run(const struct repo *repo, const char *target, const struct restore_options *options,
    struct restore_result *result, struct err *e)
{
	struct restore r = {.repo = repo, .options = options, .target = target};
	int rc;

	*result = (struct restore_result){0};
	rc = restore_all(&r, result, e);
	if (r.kind != NULL)
		r.kind->close(&r);
	for (size_t i = 0; i < r.n_jobs; i++) {
		buf_finish(&r.jobs[i].primary_key);
		buf_finish(&r.jobs[i].config);
	}
	free(r.jobs);
	store_free(r.store);
	catalog_close(r.cat);
	selection_finish(&r.selection);
	return rc;
}
