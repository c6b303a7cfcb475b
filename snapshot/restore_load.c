/*
 * Writing documents over several connections: the caller fills batches, and each thread keeps a few
 * of them with the server, so that it has the next one when it has answered the one before. Answers
 * come in any order, and batches of one snapshot share no key: which is written first does not
 * matter. Memory: LOAD_FLIGHT + 2 batches for each connection. The contracts are in
 * restore_internal.h.
 */
#include "snapshot/json/member.h"
#include "snapshot/rdb/response.h"
#include "snapshot/rdb/wait.h"
#include "snapshot/restore_internal.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOAD_DOCUMENTS 500      /* of a batch */
#define LOAD_BYTES (512u << 10) /* of a batch, unless one document is longer */
#define LOAD_FLIGHT 2           /* batches with the server on one connection */
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
	struct buf *waiting;    /* owned; under lock: a ring of whole queries */
	size_t places;          /* in the ring */
	size_t oldest;          /* under lock: where in the ring the next to be taken is */
	size_t waits;           /* under lock: queries that wait */
	unsigned busy;          /* under lock: batches with the threads */
	bool ending;            /* under lock: nothing more comes */
	int failed;             /* under lock: the first failure, or ERR_OK */
	struct err why;         /* under lock: its text */
	uint64_t refused;       /* under lock: documents that the server did not take */
	char first[LOAD_ERROR]; /* under lock: what it said of the first of them */
};

/* ---- the threads ---- */

/* A batch that a connection has taken and that is not answered yet. */
struct load_batch {
	struct buf query;
	uint64_t token;
	bool sent;  /* over the connection there is */
	int failed; /* how often it has to be sent again */
};

/* One connection at work. */
struct load_worker {
	struct restore_load *l;
	struct connection *c;                  /* NULL: not connected */
	struct load_batch flight[LOAD_FLIGHT]; /* in the order in which they were taken */
	size_t n;                              /* of these; the others lend their memory */
	struct buf answer, text;
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

/* Send the batches that have not been sent over this connection, the oldest first. */
static int
load_send(struct load_worker *w, struct err *e)
{
	int rc = ERR_OK;

	if (w->c == NULL)
		rc = connection_open(w->l->o.connect, &w->c, e);
	for (size_t i = 0; i < w->n && rc == ERR_OK; i++) {
		struct load_batch *b = &w->flight[i];
		if (b->sent)
			continue;
		rc = connection_start(w->c, &b->query, &b->token, e);
		b->sent = rc == ERR_OK;
	}
	return rc;
}

/* Wait for the next answer, and find out what became of that batch, ${which}. */
static int
load_receive(struct load_worker *w, size_t *which, struct err *e)
{
	struct response r;
	struct member_span result = {0};
	uint64_t token;
	int rc;

	*which = w->n;
	while (*which == w->n) {
		rc = connection_receive_any(w->c, &token, &w->answer, e);
		if (rc != ERR_OK)
			return rc;
		for (*which = 0; *which < w->n && w->flight[*which].token != token; ++*which)
			;
	}
	rc = response_read(w->answer.data, w->answer.len, &r, e);
	if (rc == ERR_OK)
		rc = response_check(&r, e);
	if (rc != ERR_OK)
		return rc;
	if (response_first(&r, &result) == ERR_FORMAT)
		return err_set(e, ERR_FORMAT, "the server's answer is not one of RethinkDB's");
	return load_judge(w, &result, e);
}

/* A batch is done, or given up: it leaves the others in their order. */
static void
load_drop(struct load_worker *w, size_t which)
{
	struct load_batch gone = w->flight[which];

	for (size_t i = which + 1; i < w->n; i++)
		w->flight[i - 1] = w->flight[i];
	w->flight[--w->n] = gone;
}

/*
 * What was not answered has to be sent again: the batch ${which}, or, when the connection is lost,
 * all of them. Return ${rc} with its text when one of them was sent often enough.
 */
static int
load_again(struct load_worker *w, size_t which, int rc, struct err *e)
{
	const struct restore_load_options *o = &w->l->o;
	bool lost = w->c == NULL || !connection_usable(w->c);
	int most = 0;

	if (!(rc == ERR_IO && lost) && !(rc == ERR_BUSY && which < w->n))
		return rc;
	for (size_t i = 0; i < w->n; i++) {
		struct load_batch *b = &w->flight[i];
		if (!lost && i != which)
			continue;
		b->sent = false;
		b->failed++;
		most = b->failed > most ? b->failed : most;
	}
	if (most > LOAD_TRIES)
		return rc;
	if (lost) {
		connection_close(w->c);
		w->c = NULL;
	}
	log_line(o->log, LOG_WARNING, "%s.%s: %s; trying again", o->table.database, o->table.name,
	    e->text);
	return wait_pause(o->retry_ms << (most - 1), o->connect->stop, e);
}

/*
 * Take the batch that waits; while others are with the server, only if there is one. False when
 * none was taken: then none will come, or answers are to be waited for.
 */
static bool
load_take(struct load_worker *w)
{
	struct restore_load *l = w->l;
	struct load_batch *b = &w->flight[w->n];
	struct buf swap = b->query;
	bool taken;

	pthread_mutex_lock(&l->lock);
	while (w->n == 0 && l->waits == 0 && !l->ending && l->failed == ERR_OK)
		pthread_cond_wait(&l->work, &l->lock);
	taken = l->waits > 0 && l->failed == ERR_OK;
	if (taken) {
		*b = (struct load_batch){.query = l->waiting[l->oldest]};
		l->waiting[l->oldest] = swap;
		l->oldest = (l->oldest + 1) % l->places;
		l->waits--;
		l->busy++;
		w->n++;
		pthread_cond_broadcast(&l->room);
	}
	pthread_mutex_unlock(&l->lock);
	return taken;
}

/* ${n} batches are answered (${rc} is ERR_OK), or have failed. */
static void
load_answered(struct restore_load *l, size_t n, int rc, const struct err *e)
{
	pthread_mutex_lock(&l->lock);
	l->busy -= (unsigned)n;
	if (rc != ERR_OK && l->failed == ERR_OK) {
		l->failed = rc;
		l->why = *e;
		pthread_cond_broadcast(&l->work);
	}
	pthread_cond_broadcast(&l->room);
	pthread_mutex_unlock(&l->lock);
}

/* Go on until a batch is answered or nothing helps. */
static int
load_step(struct load_worker *w, struct err *e)
{
	for (;;) {
		size_t which = w->n;
		int rc = load_send(w, e);
		if (rc == ERR_OK)
			rc = load_receive(w, &which, e);
		if (rc == ERR_OK) {
			load_drop(w, which);
			load_answered(w->l, 1, ERR_OK, e);
			return ERR_OK;
		}
		rc = load_again(w, which, rc, e);
		if (rc != ERR_OK)
			return rc;
	}
}

static void *
load_work(void *arg)
{
	struct load_worker w = {.l = arg};
	struct err e = {0};
	int rc = ERR_OK;

	while (rc == ERR_OK) {
		while (w.n < LOAD_FLIGHT && load_take(&w))
			;
		/* With nothing to wait for, none taken means that none will come. */
		if (w.n == 0)
			break;
		rc = load_step(&w, &e);
	}
	if (rc != ERR_OK)
		load_answered(w.l, w.n, rc, &e);
	connection_close(w.c);
	for (size_t i = 0; i < LOAD_FLIGHT; i++)
		buf_finish(&w.flight[i].query);
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
	l->places = o->clients + 1;
	l->waiting = calloc(l->places, sizeof(*l->waiting));
	l->threads = calloc(o->clients, sizeof(*l->threads));
	while (l->threads != NULL && l->waiting != NULL && l->running < o->clients &&
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
	int rc;

	pthread_mutex_lock(&l->lock);
	while (l->waits == l->places && l->failed == ERR_OK)
		pthread_cond_wait(&l->room, &l->lock);
	rc = load_failure(l, e);
	if (rc == ERR_OK) {
		struct buf *place = &l->waiting[(l->oldest + l->waits++) % l->places];
		struct buf swap = *place;
		*place = l->filling;
		l->filling = swap;
		pthread_cond_signal(&l->work);
	}
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
	while ((l->waits > 0 || l->busy > 0) && l->failed == ERR_OK)
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
	l->waits = 0;
	pthread_cond_broadcast(&l->work);
	pthread_mutex_unlock(&l->lock);
	for (unsigned i = 0; i < l->running; i++)
		pthread_join(l->threads[i], NULL);
	pthread_cond_destroy(&l->work);
	pthread_cond_destroy(&l->room);
	pthread_mutex_destroy(&l->lock);
	buf_finish(&l->filling);
	for (size_t i = 0; l->waiting != NULL && i < l->places; i++)
		buf_finish(&l->waiting[i]);
	free(l->waiting);
	free(l->threads);
	free(l);
}
