/*
 * Writing documents over several connections: the caller fills batches, each thread sends one at a
 * time. The contracts are in restore_internal.h.
 */
#include "snapshot/json/member.h"
#include "snapshot/rdb/ask.h"
#include "snapshot/rdb/wait.h"
#include "snapshot/restore_internal.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOAD_DOCUMENTS 200      /* of a batch */
#define LOAD_BYTES (512u << 10) /* of a batch, unless one document is longer */
#define LOAD_TRIES 7            /* for a batch; with the pauses a minute */
#define LOAD_ERROR 200          /* bytes shown of a server's text: it may quote documents */

struct restore_load {
	struct restore_load_options o;
	pthread_t *threads; /* owned */
	unsigned running;   /* of these */
	struct buf filling; /* the query that is being put together */
	size_t documents;   /* in it */
	bool deletes;       /* they are keys of documents to be deleted */
	pthread_mutex_t lock;
	pthread_cond_t work;    /* a batch waits, or the end has come */
	pthread_cond_t room;    /* a batch was taken, or answered */
	struct buf waiting;     /* under lock: a whole query; empty: none waits */
	unsigned busy;          /* under lock: batches being sent */
	bool ending;            /* under lock: nothing more comes */
	int failed;             /* under lock: the first failure, or ERR_OK */
	struct err why;         /* under lock: its text */
	uint64_t refused;       /* under lock: documents that the server did not take */
	char first[LOAD_ERROR]; /* under lock: what it said of the first of them */
};

/* ---- the threads ---- */

/* One connection at work. */
struct load_worker {
	struct restore_load *l;
	struct connection *c; /* NULL: not connected */
	struct buf query, answer, text;
};

static uint64_t
load_number(const struct member_span *object, const char *name)
{
	struct member_span value;
	uint64_t n = 0;

	if (member_find(object->data, object->len, name, strlen(name), &value) != ERR_OK)
		return 0;
	for (size_t i = 0; i < value.len && i < 15 && value.data[i] >= '0' && value.data[i] <= '9';
	     i++)
		n = n * 10 + (uint64_t)(value.data[i] - '0');
	return n;
}

/* What became of a batch's documents. ERR_BUSY: a replica was away, the same may work later. */
static int
load_judge(struct load_worker *w, const struct member_span *answer, struct err *e)
{
	struct restore_load *l = w->l;
	uint64_t errors = answer->data != NULL ? load_number(answer, "errors") : 0;
	struct member_span text;

	if (answer->data == NULL || answer->data[0] != '{')
		return err_set(e, ERR_FORMAT, "the server's answer to a write is none");
	if (errors == 0)
		return ERR_OK;
	buf_clear(&w->text);
	if (member_find(answer->data, answer->len, "first_error", 11, &text) == ERR_OK &&
	    member_string(text.data, text.len, &w->text) == ERR_NOMEM)
		return err_nomem(e);
	if (buf_str(&w->text) == NULL)
		return err_nomem(e);
	if (strstr((const char *)w->text.data, "not available") != NULL)
		return err_set(e, ERR_BUSY, "%.*s", LOAD_ERROR, (const char *)w->text.data);
	pthread_mutex_lock(&l->lock);
	if (l->refused == 0)
		snprintf(l->first, sizeof(l->first), "%s", (const char *)w->text.data);
	l->refused += errors;
	pthread_mutex_unlock(&l->lock);
	return ERR_OK;
}

static int
load_try(struct load_worker *w, struct err *e)
{
	struct member_span answer;
	int rc = ERR_OK;

	if (w->c != NULL && !connection_usable(w->c)) {
		connection_close(w->c);
		w->c = NULL;
	}
	if (w->c == NULL)
		rc = connection_open(w->l->o.connect, &w->c, e);
	if (rc == ERR_OK)
		rc = ask_first(w->c, &w->query, &w->answer, &answer, e);
	return rc == ERR_OK ? load_judge(w, &answer, e) : rc;
}

/* Send a batch until it is answered or nothing helps. */
static int
load_send(struct load_worker *w, struct err *e)
{
	const struct restore_load_options *o = &w->l->o;

	for (int tries = 0;; tries++) {
		int rc = load_try(w, e);
		bool lost = rc == ERR_IO && (w->c == NULL || !connection_usable(w->c));
		if ((!lost && rc != ERR_BUSY) || tries == LOAD_TRIES)
			return rc;
		log_line(o->log, LOG_WARNING, "%s.%s: %s; trying again", o->table.database,
		    o->table.name, e->text);
		rc = wait_pause(o->retry_ms << tries, o->connect->stop, e);
		if (rc != ERR_OK)
			return rc;
	}
}

/* Take the batch that waits; false at the end, or when some connection has failed. */
static bool
load_take(struct load_worker *w)
{
	struct restore_load *l = w->l;
	struct buf swap = w->query;
	bool taken;

	pthread_mutex_lock(&l->lock);
	while (l->waiting.len == 0 && !l->ending && l->failed == ERR_OK)
		pthread_cond_wait(&l->work, &l->lock);
	taken = l->waiting.len > 0 && l->failed == ERR_OK;
	if (taken) {
		w->query = l->waiting;
		l->waiting = swap;
		buf_clear(&l->waiting);
		l->busy++;
		pthread_cond_broadcast(&l->room);
	}
	pthread_mutex_unlock(&l->lock);
	return taken;
}

static void
load_answered(struct restore_load *l, int rc, const struct err *e)
{
	pthread_mutex_lock(&l->lock);
	l->busy--;
	if (rc != ERR_OK && l->failed == ERR_OK) {
		l->failed = rc;
		l->why = *e;
		pthread_cond_broadcast(&l->work);
	}
	pthread_cond_broadcast(&l->room);
	pthread_mutex_unlock(&l->lock);
}

static void *
load_work(void *arg)
{
	struct load_worker w = {.l = arg};
	struct err e = {0};

	while (load_take(&w)) {
		int rc = load_send(&w, &e);
		load_answered(w.l, rc, &e);
	}
	connection_close(w.c);
	buf_finish(&w.query);
	buf_finish(&w.answer);
	buf_finish(&w.text);
	return NULL;
}

/* ---- filling ---- */

int
restore_load_open(const struct restore_load_options *o, struct restore_load **out, struct err *e)
{
	struct restore_load *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return err_nomem(e);
	l->o = *o;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->work, NULL);
	pthread_cond_init(&l->room, NULL);
	l->threads = calloc(o->clients, sizeof(*l->threads));
	while (l->threads != NULL && l->running < o->clients &&
	       pthread_create(&l->threads[l->running], NULL, load_work, l) == 0)
		l->running++;
	/* Fewer threads than asked for do the same, only slower. */
	if (l->running == 0) {
		restore_load_close(l);
		return err_nomem(e);
	}
	*out = l;
	return ERR_OK;
}

/* The failure that a thread has met; under lock. */
static int
load_failure(const struct restore_load *l, struct err *e)
{
	if (l->failed == ERR_OK)
		return ERR_OK;
	return err_set(e, l->failed, "%s", l->why.text);
}

/* Hand the batch to a thread. */
static int
load_hand_over(struct restore_load *l, struct err *e)
{
	struct buf swap;
	int rc;

	pthread_mutex_lock(&l->lock);
	while (l->waiting.len > 0 && l->failed == ERR_OK)
		pthread_cond_wait(&l->room, &l->lock);
	swap = l->waiting;
	l->waiting = l->filling;
	l->filling = swap;
	pthread_cond_signal(&l->work);
	rc = load_failure(l, e);
	pthread_mutex_unlock(&l->lock);
	buf_clear(&l->filling);
	l->documents = 0;
	return rc;
}

int
restore_load_put(struct restore_load *l, const void *data, size_t len, struct err *e)
{
	bool first = l->documents == 0;
	int rc = ERR_OK;

	/* A large document goes alone: the others of its batch would be over a query's limit. */
	if (!first && len > LOAD_BYTES) {
		rc = alter_insert_end(&l->filling, &l->o.write) == ERR_OK ? load_hand_over(l, e)
									  : err_nomem(e);
		first = true;
	}
	if (rc != ERR_OK)
		return rc;
	if (first)
		rc = alter_insert_begin(&l->filling, &l->o.table);
	if (rc == ERR_OK)
		rc = alter_insert_put(&l->filling, first, data, len);
	l->documents++;
	if (rc != ERR_OK)
		return err_nomem(e);
	if (l->documents < LOAD_DOCUMENTS && l->filling.len < LOAD_BYTES)
		return ERR_OK;
	return alter_insert_end(&l->filling, &l->o.write) == ERR_OK ? load_hand_over(l, e)
								    : err_nomem(e);
}

int
restore_load_delete(struct restore_load *l, const struct buf *key, struct err *e)
{
	int rc = l->documents == 0 ? alter_delete_begin(&l->filling, &l->o.table) : ERR_OK;

	if (rc == ERR_OK)
		rc = alter_delete_put(&l->filling, key);
	l->deletes = true;
	l->documents++;
	if (rc == ERR_OK && l->documents == LOAD_DOCUMENTS) {
		rc = alter_delete_end(&l->filling, &l->o.write);
		return rc == ERR_OK ? load_hand_over(l, e) : err_nomem(e);
	}
	return rc == ERR_OK ? ERR_OK : err_nomem(e);
}

int
restore_load_finish(struct restore_load *l, struct err *e)
{
	int rc = ERR_OK;

	if (l->documents > 0) {
		rc = l->deletes ? alter_delete_end(&l->filling, &l->o.write)
				: alter_insert_end(&l->filling, &l->o.write);
		rc = rc == ERR_OK ? load_hand_over(l, e) : err_nomem(e);
	}
	if (rc != ERR_OK)
		return rc;
	pthread_mutex_lock(&l->lock);
	while ((l->waiting.len > 0 || l->busy > 0) && l->failed == ERR_OK)
		pthread_cond_wait(&l->room, &l->lock);
	rc = load_failure(l, e);
	if (rc == ERR_OK && l->refused > 0)
		rc = err_set(e, ERR_FORMAT,
		    "the server refused %" PRIu64 " documents; of the first it says: %s",
		    l->refused, l->first);
	pthread_mutex_unlock(&l->lock);
	return rc;
}

void
restore_load_close(struct restore_load *l)
{
	if (l == NULL)
		return;
	pthread_mutex_lock(&l->lock);
	l->ending = true;
	buf_clear(&l->waiting);
	pthread_cond_broadcast(&l->work);
	pthread_mutex_unlock(&l->lock);
	for (unsigned i = 0; i < l->running; i++)
		pthread_join(l->threads[i], NULL);
	pthread_cond_destroy(&l->work);
	pthread_cond_destroy(&l->room);
	pthread_mutex_destroy(&l->lock);
	buf_finish(&l->filling);
	buf_finish(&l->waiting);
	free(l->threads);
	free(l);
}
