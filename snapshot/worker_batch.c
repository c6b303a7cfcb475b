/*
 * A batch: some restores of one table, claimed together. Their documents go through one sorter into
 * the target, in the order in which the restores were copied in, so that the last one wins. A
 * restore whose payload turns out bad fails alone; what the target refuses is tried one restore at
 * a time, so that none can block the others; what the target cannot do now is given back. So is all
 * of a batch of which another worker has taken some: what is newer must not be written over.
 */
#include "catalog/base/date.h"
#include "catalog/snapshots.h"
#include "catalog/versions.h"
#include "snapshot/payload.h"
#include "snapshot/sort.h"
#include "snapshot/worker_internal.h"

#include <string.h>

#define WORKER_BACK_OFF_MAX 300000 /* ms, the longest time that a restore waits after a failure */

/* The table of a batch, as its newest snapshot has it. */
struct worker_table {
	struct buf primary_key;
	struct buf config;
	struct target_table target;
	struct target_memory memory;
	struct worker *w;
	int64_t id;       /* of the table */
	int64_t snapshot; /* the newest one */
	int64_t restore;  /* the one that is carried out, when that is one alone */
};

/* ---- reports ---- */

/*
 * Write down what became of restore ${i}. A lost lease is no failure: another worker has it. One
 * that could not be written down is still open.
 */
static int
worker_report(struct worker *w, size_t i, enum worker_fate fate, const char *reason,
    int64_t not_before, struct err *e)
{
	const struct queue_restore *r = &w->batch[i];
	const struct log *log = w->options->log;
	int64_t now = date_now();
	long long id = r->id;
	int rc;

	if (fate == WORKER_DONE)
		rc = queue_done(w->queue, r->id, w->owner, now, e);
	else if (fate == WORKER_FAILED)
		rc = queue_fail(w->queue, r->id, w->owner, reason, now, e);
	else
		rc = queue_give_back(w->queue, r->id, w->owner, reason, now, not_before, e);
	if (rc == ERR_OK || rc == ERR_WRONG_STATE)
		w->fate[i] = fate;
	if (rc == ERR_WRONG_STATE) {
		w->lost = true;
		log_line(log, LOG_WARNING, "restore %lld of %s.%s: another worker has taken it", id,
		    r->database, r->table);
		return ERR_OK;
	}
	if (rc != ERR_OK)
		return rc;
	if (fate == WORKER_DONE) {
		w->result->done++;
		log_line(log, LOG_NOTICE, "restored %s.%s %s (restore %lld, documents: %llu)",
		    r->database, r->table, r->name, id, (unsigned long long)r->documents);
	} else if (fate == WORKER_FAILED) {
		w->result->failed++;
		log_line(log, LOG_ERROR, "restore %lld of %s.%s %s failed: %s", id, r->database,
		    r->table, r->name, reason);
	} else {
		w->result->put_off++;
		log_line(log, LOG_WARNING, "restore %lld of %s.%s %s has to wait: %s", id,
		    r->database, r->table, r->name, reason);
	}
	return ERR_OK;
}

/* When a restore that has been tried so often is tried again: 1 s later, doubling to 5 min. */
static int64_t
worker_back_off(uint64_t attempts)
{
	int64_t wait = 1000;

	while (attempts-- > 1 && wait < WORKER_BACK_OFF_MAX)
		wait *= 2;
	return wait < WORKER_BACK_OFF_MAX ? wait : WORKER_BACK_OFF_MAX;
}

/* Report the same about every restore from ${from} to before ${to} that is still open. */
static int
worker_report_all(struct worker *w, size_t from, size_t to, enum worker_fate fate,
    const char *reason, struct err *e)
{
	int rc = ERR_OK;

	for (size_t i = from; i < to && rc == ERR_OK; i++) {
		/* Of a batch that was lost, the other worker's part holds up the rest. */
		int64_t wait =
		    worker_stopping(w) || w->lost ? 0 : worker_back_off(w->batch[i].attempts);
		if (w->fate[i] == WORKER_OPEN)
			rc = worker_report(w, i, fate, reason, date_now() + wait, e);
	}
	return rc;
}

/* ---- the table ---- */

static void
worker_table_finish(struct worker_table *t)
{
	buf_finish(&t->primary_key);
	buf_finish(&t->config);
}

/* The step of a server, which answers slowly: look at the clock each time. */
static int
worker_step_now(void *arg, struct err *e)
{
	struct worker *w = arg;

	w->steps = 0;
	return worker_step(w, e);
}

/* What the newest snapshot has under a key. */
static int
worker_version(void *arg, const struct key *key, uint8_t digest[DIGEST_LEN], struct err *e)
{
	struct worker_table *t = arg;
	struct versions_version v;
	int rc = versions_find(t->w->catalog, t->id, t->snapshot, key, &v, e);

	if (rc == ERR_OK)
		memcpy(digest, v.digest, DIGEST_LEN);
	return rc;
}

static int
worker_recall(void *arg, const struct key *key, uint8_t written[DIGEST_LEN], struct err *e)
{
	struct worker_table *t = arg;

	return queue_recall(t->w->queue, t->restore, key, written, e);
}

static int
worker_rewrite(void *arg, const struct key *key, const uint8_t written[DIGEST_LEN], struct err *e)
{
	struct worker_table *t = arg;

	return queue_rewrite(t->w->queue, t->restore, key, written, e);
}

static int
worker_remember(void *arg, const struct queue_replaced *replaced, size_t n, struct err *e)
{
	struct worker_table *t = arg;

	return queue_remember(t->w->queue, t->restore, t->w->options->target, replaced, n, e);
}

/* Look up what the newest snapshot says of the batch's table. ERR_ABSENT: it has none. ERR_BUSY:
 * that is not known as long as the catalogue is being made again. */
static int
worker_table(struct worker *w, struct worker_table *t, struct err *e)
{
	const struct queue_restore *r = &w->batch[0];
	struct snapshots_snapshot newest;
	struct tables_table table;
	bool changed;
	int rc = catalog_follow(w->repo, &w->catalog, &changed, e);

	if (rc == ERR_OK)
		rc = tables_find(w->catalog, r->database, r->table, &table, e);
	if (rc == ERR_OK)
		rc = snapshots_latest(w->catalog, table.id, &newest, e);
	if (rc == ERR_OK)
		rc = snapshots_primary_key(w->catalog, newest.id, &t->primary_key, e);
	if (rc == ERR_OK)
		rc = snapshots_config(w->catalog, newest.id, &t->config, e);
	if (rc == ERR_ABSENT)
		return err_set(e, ERR_ABSENT, "the repository has no snapshot of a table %s.%s",
		    r->database, r->table);
	if (rc != ERR_OK)
		return rc;
	if (buf_str(&t->primary_key) == NULL)
		return err_nomem(e);
	t->w = w;
	t->id = table.id;
	t->snapshot = newest.id;
	t->memory = (struct target_memory){
	    worker_version, worker_recall, worker_rewrite, worker_remember, t};
	t->target = (struct target_table){.database = r->database,
	    .table = r->table,
	    .primary_key = (const char *)t->primary_key.data,
	    .config = t->config.data,
	    .config_len = t->config.len,
	    .step = target_single(w->target) ? worker_step_now : worker_step,
	    .hold = worker_hold,
	    .arg = w,
	    .memory = &t->memory};
	return ERR_OK;
}

/* What restore ${i} does with documents that are there. */
static enum queue_policy
worker_policy(const struct worker *w, size_t i)
{
	if (w->batch[i].policy != QUEUE_POLICY_NONE)
		return w->batch[i].policy;
	return w->options->conflict != QUEUE_POLICY_NONE ? w->options->conflict : QUEUE_REPLACE;
}

/* ---- gathering documents ---- */

/* A restore's payload on its way into the sorter. */
struct worker_payload {
	struct worker *w;
	int64_t id;
	struct sort *sort;
	bool bad; /* what failed is the payload itself */
};

static int
worker_payload_read(void *arg, uint64_t off, void *out, size_t room, size_t *got, struct err *e)
{
	struct worker_payload *p = arg;
	int rc = queue_read(p->w->queue, p->id, off, out, room, got, e);

	p->bad = rc == ERR_CORRUPT || rc == ERR_ABSENT;
	return rc;
}

static int
worker_payload_found(void *arg, const struct key *key, const struct buf *document, struct err *e)
{
	struct worker_payload *p = arg;
	int rc = worker_step(p->w, e);

	return rc == ERR_OK ? sort_add(p->sort, key, document->data, document->len, e) : rc;
}

/* Put the documents of restore ${i} into ${sort}. Sets ${bad} when the payload is to blame. */
static int
worker_add(struct worker *w, size_t i, const struct worker_table *t, struct sort *sort, bool *bad,
    struct err *e)
{
	struct worker_payload p = {.w = w, .id = w->batch[i].id, .sort = sort};
	struct payload_input in = {.read = worker_payload_read, .arg = &p};
	uint64_t documents;
	int rc;

	*bad = !target_single(w->target) && worker_policy(w, i) != QUEUE_REPLACE;
	if (*bad)
		return err_set(e, ERR_ARG,
		    "the conflict policy %s is for servers: a directory takes each restore",
		    queue_policy_name(worker_policy(w, i)));
	rc = payload_read(&in, t->target.primary_key, worker_payload_found, &p, &documents, e);

	*bad = p.bad || rc == ERR_FORMAT || rc == ERR_KEY || rc == ERR_LIMIT;
	return rc;
}

/*
 * Gather the open restores from ${from} to before ${to} in a new sorter. Those with a bad payload
 * fail alone, and the gathering starts over without them. Sets ${out} to NULL when none is left.
 */
static int
worker_gather(struct worker *w, size_t from, size_t to, const struct worker_table *t,
    struct sort **out, struct err *e)
{
	struct sort *sort = NULL;
	bool any, bad;
	int rc;

	do {
		any = bad = false;
		sort_free(sort);
		sort = NULL;
		rc = sort_create(w->scratch, 0, &sort, e);
		for (size_t i = from; i < to && rc == ERR_OK; i++) {
			if (w->fate[i] != WORKER_OPEN)
				continue;
			any = true;
			rc = worker_add(w, i, t, sort, &bad, e);
			if (bad) {
				struct err why = *e;
				rc = worker_report(w, i, WORKER_FAILED,
				    why.text[0] != '\0' ? why.text : err_str(rc), 0, e);
				break;
			}
		}
	} while (rc == ERR_OK && bad);
	if (rc != ERR_OK || !any) {
		sort_free(sort);
		sort = NULL;
	}
	if (rc == ERR_OK)
		*out = sort;
	return rc;
}

/* ---- batches ---- */

/* Whether trying the same again could only give the same. */
static bool
worker_final(int rc)
{
	return rc == ERR_FORMAT || rc == ERR_ARG || rc == ERR_CORRUPT || rc == ERR_KEY ||
	       rc == ERR_LIMIT || rc == ERR_VERSION;
}

/*
 * Carry out the open restores from ${from} to before ${to} together. Return what gathering them or
 * the target said, ERR_OK also when none was left; only ERR_OK has been reported to the queue.
 */
static int
worker_try(struct worker *w, size_t from, size_t to, struct worker_table *t, struct err *e)
{
	struct sort *sort = NULL;
	int rc = worker_gather(w, from, to, t, &sort, e);

	t->restore = w->batch[from].id;
	t->target.policy = worker_policy(w, from);
	if (rc != ERR_OK || sort == NULL)
		return rc;
	rc = worker_renew(w, e);
	if (rc == ERR_OK)
		rc = target_apply(w->target, &t->target, sort, e);
	sort_free(sort);
	return rc == ERR_OK ? worker_report_all(w, from, to, WORKER_DONE, NULL, e) : rc;
}

/* Report what could not be done: for good, or given back to be tried again. */
static int
worker_settle(
    struct worker *w, size_t from, size_t to, int rc, const struct err *why, struct err *e)
{
	const char *reason = why->text[0] != '\0' ? why->text : err_str(rc);

	if (rc == ERR_OK)
		return ERR_OK;
	return worker_report_all(
	    w, from, to, worker_final(rc) ? WORKER_FAILED : WORKER_BACK, reason, e);
}

/* Carry out the restores of the batch one by one, so that none can block the others. */
static int
worker_try_each(struct worker *w, struct worker_table *t, struct err *e)
{
	for (size_t i = 0; i < w->n; i++) {
		struct err why = {0};
		int rc = worker_try(w, i, i + 1, t, &why);
		bool final = rc == ERR_OK || worker_final(rc);
		rc = worker_settle(w, i, final ? i + 1 : w->n, rc, &why, e);
		if (rc != ERR_OK || !final)
			return rc;
	}
	return ERR_OK;
}

int
worker_batch_run(struct worker *w, struct err *e)
{
	struct worker_table t = {0};
	struct err why = {0};
	int rc;

	for (size_t i = 0; i < w->n; i++)
		w->fate[i] = WORKER_OPEN;
	w->renewed = date_now();
	w->lost = false;
	rc = worker_table(w, &t, &why);
	if (rc == ERR_ABSENT) {
		rc = worker_report_all(w, 0, w->n, WORKER_FAILED, why.text, e);
	} else if (rc != ERR_OK) {
		rc = worker_settle(w, 0, w->n, rc, &why, e);
	} else if (target_single(w->target)) {
		rc = worker_try_each(w, &t, e);
	} else {
		rc = worker_try(w, 0, w->n, &t, &why);
		rc = w->n > 1 && worker_final(rc) ? worker_try_each(w, &t, e)
						  : worker_settle(w, 0, w->n, rc, &why, e);
	}
	worker_table_finish(&t);
	return rc;
}
