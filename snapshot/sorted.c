/*
 * Documents prepared ahead: the contracts are in sorted.h. A ring of batches: the caller works on
 * the one at head, the thread fills the one at tail when there is room.
 *
 * A batch holds copies. A document that is too large for that is a batch of its own and lies where
 * the sorter has it: the sorter is not asked for another before the caller has gone on.
 */
#include "snapshot/sorted.h"

#include "catalog/base/thread.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SORTED_BATCHES 4u    /* in the ring */
#define SORTED_BYTES 262144u /* of documents in a batch */
#define SORTED_ITEMS 512u    /* documents in a batch */
#define SORTED_ALONE 2u      /* batches that are made without a thread */

struct sorted_batch {
	struct sorted_item *items; /* room for SORTED_ITEMS; owned */
	size_t n;
	uint8_t *bytes; /* room for SORTED_BYTES; owned */
	size_t used;
	bool lent;      /* its document lies where the sorter has it */
	int rc;         /* what comes behind the documents; ERR_OK: the next batch */
	struct err why; /* likewise */
};

struct sorted {
	struct sort *sort;     /* the thread's alone while there is one */
	struct digest *digest; /* likewise; owned */
	struct sort_item next; /* likewise; from the sorter, and in no batch yet */
	bool has_next;
	struct sorted_batch ring[SORTED_BATCHES];
	struct sorted_batch *current; /* the one at head, when the caller has begun with it */
	size_t at;                    /* number of its next item */
	pthread_t thread;
	bool threaded;        /* it runs, or is to be joined */
	pthread_mutex_t lock; /* guards what is below */
	pthread_cond_t room;  /* the caller has gone on, or stop is set */
	pthread_cond_t ready; /* a batch was filled */
	uint64_t head, tail;  /* numbers of batches; head is changed by the caller alone */
	bool stop;
};

int
sorted_create(struct sort *sort, struct sorted **out, struct err *e)
{
	struct sorted *s = calloc(1, sizeof(*s));
	bool whole;

	if (s == NULL)
		return err_nomem(e);
	s->sort = sort;
	s->digest = digest_create();
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->room, NULL);
	pthread_cond_init(&s->ready, NULL);
	whole = s->digest != NULL;
	for (unsigned i = 0; i < SORTED_BATCHES && whole; i++) {
		struct sorted_batch *b = &s->ring[i];
		b->items = malloc(SORTED_ITEMS * sizeof(*b->items));
		b->bytes = malloc(SORTED_BYTES);
		whole = b->items != NULL && b->bytes != NULL;
	}
	if (!whole) {
		sorted_free(s);
		return err_nomem(e);
	}
	*out = s;
	return ERR_OK;
}

void
sorted_free(struct sorted *s)
{
	if (s == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->room);
	pthread_mutex_unlock(&s->lock);
	if (s->threaded)
		pthread_join(s->thread, NULL);
	for (unsigned i = 0; i < SORTED_BATCHES; i++) {
		free(s->ring[i].items);
		free(s->ring[i].bytes);
	}
	digest_free(s->digest);
	pthread_cond_destroy(&s->ready);
	pthread_cond_destroy(&s->room);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* ---- making batches: by the thread, or the caller while there is none ---- */

/* Put the sorter's document into ${b}. Return false when it has to be the next batch's. */
static bool
sorted_put(struct sorted *s, struct sorted_batch *b)
{
	const struct sort_item *from = &s->next;
	struct sorted_item *item = &b->items[b->n];
	bool large = from->len > SORTED_BYTES / 2;

	if (b->n == SORTED_ITEMS || (large && b->n > 0) ||
	    (!large && from->len > SORTED_BYTES - b->used))
		return false;
	item->key = from->key;
	item->len = from->len;
	item->data = from->data;
	if (!large) {
		memcpy(b->bytes + b->used, from->data, from->len);
		item->data = b->bytes + b->used;
		b->used += from->len;
	}
	b->lent = large;
	b->n++;
	s->has_next = false;
	return true;
}

static void
sorted_fill(struct sorted *s, struct sorted_batch *b)
{
	b->n = b->used = 0;
	b->lent = false;
	b->rc = ERR_OK;
	while (b->rc == ERR_OK && !b->lent) {
		if (!s->has_next)
			b->rc = sort_next(s->sort, &s->next, &b->why);
		s->has_next = b->rc == ERR_OK;
		if (b->rc == ERR_OK && !sorted_put(s, b))
			break;
	}
	for (size_t i = 0; i < b->n; i++) {
		struct sorted_item *item = &b->items[i];
		if (digest_document(s->digest, item->data, item->len, item->digest) == ERR_OK)
			continue;
		b->n = i;
		b->rc = err_nomem(&b->why);
	}
}

/* The batch to be filled next, when there is room for it; NULL: it is over. */
static struct sorted_batch *
sorted_room(struct sorted *s, bool alone)
{
	struct sorted_batch *b = NULL;

	pthread_mutex_lock(&s->lock);
	while (!s->stop && s->tail - s->head >= (alone ? 1 : SORTED_BATCHES))
		pthread_cond_wait(&s->room, &s->lock);
	if (!s->stop)
		b = &s->ring[s->tail % SORTED_BATCHES];
	pthread_mutex_unlock(&s->lock);
	return b;
}

static void *
sorted_run(void *arg)
{
	struct sorted *s = arg;
	struct sorted_batch *b;
	bool lent = false;
	int rc = ERR_OK;

	while (rc == ERR_OK && (b = sorted_room(s, lent)) != NULL) {
		sorted_fill(s, b);
		/* From the moment that it counts it is the caller's. */
		rc = b->rc;
		lent = b->lent;
		pthread_mutex_lock(&s->lock);
		s->tail++;
		pthread_cond_signal(&s->ready);
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

/* ---- the caller ---- */

/* Go on to the next batch, which has been filled then. */
static void
sorted_go_on(struct sorted *s)
{
	if (s->current != NULL) {
		pthread_mutex_lock(&s->lock);
		s->head++;
		pthread_cond_signal(&s->room);
		pthread_mutex_unlock(&s->lock);
	}
	if (!s->threaded && s->head >= SORTED_ALONE)
		s->threaded = thread_start(&s->thread, sorted_run, s);
	s->current = &s->ring[s->head % SORTED_BATCHES];
	s->at = 0;
	if (!s->threaded) {
		sorted_fill(s, s->current);
		s->tail++;
		return;
	}
	pthread_mutex_lock(&s->lock);
	while (s->tail == s->head)
		pthread_cond_wait(&s->ready, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

int
sorted_next(struct sorted *s, const struct sorted_item **out, struct err *e)
{
	const struct sorted_batch *b;

	while (s->current == NULL || (s->at == s->current->n && s->current->rc == ERR_OK))
		sorted_go_on(s);
	b = s->current;
	if (s->at == b->n)
		return b->rc >= ERR_OK ? b->rc : err_set(e, b->rc, "%s", b->why.text);
	*out = &b->items[s->at++];
	return ERR_OK;
}
