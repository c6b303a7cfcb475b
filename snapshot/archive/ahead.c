/*
 * Reading ahead: the contracts are in ahead.h. A ring of blocks: the caller has the one before
 * head, [head, tail) are filled, the thread fills the next one as long as that is not the caller's.
 */
#include "snapshot/archive/ahead.h"

#include "catalog/base/thread.h"
#include "snapshot/archive/stream.h"

#include <stdbool.h>
#include <stdlib.h>

#define AHEAD_BLOCKS 6u /* in the ring */
#define AHEAD_ALONE 4u  /* blocks that come without a thread */

struct ahead_block {
	uint8_t *data; /* STREAM_BLOCK bytes; owned */
	size_t len;
	int rc;            /* of reading it */
	struct err why;    /* likewise */
	uint64_t position; /* in the file, behind it */
};

struct ahead {
	struct stream *stream; /* the thread's alone while there is one */
	struct ahead_block ring[AHEAD_BLOCKS];
	uint64_t position; /* behind the caller's block */
	pthread_t thread;
	bool threaded;        /* it runs, or is to be joined */
	pthread_mutex_t lock; /* guards what is below */
	pthread_cond_t room;  /* the caller has gone on, or stop is set */
	pthread_cond_t ready; /* a block was filled */
	uint64_t head, tail;  /* numbers of blocks; head is changed by the caller alone */
	bool stop;
};

int
ahead_open(int fd, struct ahead **out, struct err *e)
{
	struct ahead *a = calloc(1, sizeof(*a));
	int rc = ERR_OK;

	if (a == NULL)
		return err_nomem(e);
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->room, NULL);
	pthread_cond_init(&a->ready, NULL);
	for (unsigned i = 0; i < AHEAD_BLOCKS && rc == ERR_OK; i++) {
		a->ring[i].data = malloc(STREAM_BLOCK);
		rc = a->ring[i].data != NULL ? ERR_OK : err_nomem(e);
	}
	if (rc == ERR_OK)
		rc = stream_open(fd, &a->stream, e);
	if (rc != ERR_OK) {
		ahead_close(a);
		return rc;
	}
	*out = a;
	return ERR_OK;
}

void
ahead_close(struct ahead *a)
{
	if (a == NULL)
		return;
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_signal(&a->room);
	pthread_mutex_unlock(&a->lock);
	if (a->threaded)
		pthread_join(a->thread, NULL);
	stream_close(a->stream);
	for (unsigned i = 0; i < AHEAD_BLOCKS; i++)
		free(a->ring[i].data);
	pthread_cond_destroy(&a->ready);
	pthread_cond_destroy(&a->room);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

static void
ahead_fill(struct ahead *a, struct ahead_block *b)
{
	b->rc = stream_read(a->stream, b->data, &b->len, &b->why);
	b->position = stream_position(a->stream);
}

/* ---- the thread ---- */

/* The next block to be filled, when the caller has done with it; NULL: it is over. */
static struct ahead_block *
ahead_room(struct ahead *a)
{
	struct ahead_block *b = NULL;

	pthread_mutex_lock(&a->lock);
	/* The block before head is the caller's. */
	while (!a->stop && a->tail - a->head == AHEAD_BLOCKS - 1)
		pthread_cond_wait(&a->room, &a->lock);
	if (!a->stop)
		b = &a->ring[a->tail % AHEAD_BLOCKS];
	pthread_mutex_unlock(&a->lock);
	return b;
}

static void *
ahead_run(void *arg)
{
	struct ahead *a = arg;
	struct ahead_block *b;
	int rc = ERR_OK;

	while (rc == ERR_OK && (b = ahead_room(a)) != NULL) {
		ahead_fill(a, b);
		/* From the moment that it counts it is the caller's. */
		rc = b->rc;
		pthread_mutex_lock(&a->lock);
		a->tail++;
		pthread_cond_signal(&a->ready);
		pthread_mutex_unlock(&a->lock);
	}
	return NULL;
}

/* ---- the caller ---- */

/* The next block, filled. */
static struct ahead_block *
ahead_take(struct ahead *a)
{
	struct ahead_block *b = &a->ring[a->head % AHEAD_BLOCKS];

	/* A block that is there already, without a thread, is the last one. */
	if (!a->threaded && a->tail == a->head) {
		if (a->head >= AHEAD_ALONE)
			a->threaded = thread_start(&a->thread, ahead_run, a);
		if (!a->threaded) {
			ahead_fill(a, b);
			a->tail++;
		}
	}
	pthread_mutex_lock(&a->lock);
	while (a->tail == a->head)
		pthread_cond_wait(&a->ready, &a->lock);
	/* The last block stays where it is. */
	if (b->rc == ERR_OK)
		a->head++;
	pthread_cond_signal(&a->room);
	pthread_mutex_unlock(&a->lock);
	return b;
}

int
ahead_next(struct ahead *a, const uint8_t **data, size_t *len, struct err *e)
{
	const struct ahead_block *b = ahead_take(a);

	a->position = b->position;
	*data = b->data;
	*len = b->len;
	return b->rc >= ERR_OK ? b->rc : err_set(e, b->rc, "%s", b->why.text);
}

uint64_t
ahead_position(const struct ahead *a)
{
	return a->position;
}
