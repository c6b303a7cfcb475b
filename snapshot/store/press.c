/*
 * The press: the contracts are in press.h. A ring of frames: [head, next) are compressed or being
 * so, [next, tail) wait. A frame that still waits when it is to be taken out is compressed by
 * whoever takes it, so that threads only ever help. They are called, and call, for several frames
 * at once: to wake a thread can take as long as to compress a frame.
 */
#include "snapshot/store/press.h"

#include "catalog/base/thread.h"
#include "snapshot/store/codec.h"

#include <stdlib.h>

#define PRESS_SLOTS 256u       /* frames in it at most */
#define PRESS_BYTES (4u << 20) /* before compression, of all in it: then it is full */
#define PRESS_BATCH                                                                                \
	(60u << 10)      /* bytes that a thread is woken for: a few frames, or a large one         \
			  */
#define PRESS_THREADS 8u /* at most */
#define PRESS_ALONE 64u  /* frames that are put in before there are threads */

struct press_slot {
	struct buf raw;
	struct buf packed;
	uint32_t first; /* ordinal */
	int rc;         /* of compressing, when done */
	struct err why; /* likewise */
	bool done;      /* guarded by the lock */
};

struct press_thread {
	struct press *press;
	struct codec_packer *packer; /* owned */
	pthread_t id;
};

struct press {
	struct codec_packer *packer; /* the caller's; owned; the threads use its dictionary */
	pthread_mutex_t lock;        /* guards next, tail, waiting, stop, and done of the slots */
	pthread_cond_t work;         /* a batch waits, or stop is set */
	pthread_cond_t ready;        /* frames are done */
	uint64_t head, next, tail;   /* numbers of frames; head is the caller's alone */
	size_t waiting;              /* bytes of the frames [next, tail) */
	bool stop;
	struct press_slot *taken; /* whose bytes the caller has; NULL: none */
	size_t bytes;             /* in the ring, before compression; the caller's alone */
	struct press_slot slots[PRESS_SLOTS];
	struct press_thread threads[PRESS_THREADS];
	unsigned running; /* threads */
	bool started;     /* threads have been asked for */
};

struct press *
press_create(const struct dictionary *dict)
{
	struct press *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->packer = codec_packer_create(dict);
	if (p->packer == NULL) {
		free(p);
		return NULL;
	}
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->ready, NULL);
	return p;
}

void
press_free(struct press *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->running; i++) {
		pthread_join(p->threads[i].id, NULL);
		codec_packer_free(p->threads[i].packer);
	}
	for (unsigned i = 0; i < PRESS_SLOTS; i++) {
		buf_finish(&p->slots[i].raw);
		buf_finish(&p->slots[i].packed);
	}
	pthread_cond_destroy(&p->ready);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	codec_packer_free(p->packer);
	free(p);
}

bool
press_empty(const struct press *p)
{
	return p->tail - p->head == 0;
}

bool
press_full(const struct press *p)
{
	return p->tail - p->head == PRESS_SLOTS || p->bytes >= PRESS_BYTES;
}

bool
press_half_full(const struct press *p)
{
	return p->tail - p->head > PRESS_SLOTS / 2 || p->bytes > PRESS_BYTES / 2;
}

static struct press_slot *
press_slot(struct press *p, uint64_t number)
{
	return &p->slots[number % PRESS_SLOTS];
}

static void
press_compress(struct press_slot *s, struct codec_packer *packer)
{
	buf_clear(&s->packed);
	s->rc = codec_pack(packer, s->raw.data, s->raw.len, &s->packed, &s->why);
}

/* ---- threads ---- */

/* Begin with the frames that come next, a batch of them: set ${first}. Return how many; 0: it is
 * over. */
static uint64_t
press_begin(struct press *p, uint64_t *first)
{
	size_t bytes = 0;
	uint64_t n = 0;

	pthread_mutex_lock(&p->lock);
	while (!p->stop && p->waiting < PRESS_BATCH)
		pthread_cond_wait(&p->work, &p->lock);
	*first = p->next;
	for (; !p->stop && bytes < PRESS_BATCH; n++)
		bytes += press_slot(p, *first + n)->raw.len;
	p->next += n;
	p->waiting -= bytes;
	pthread_mutex_unlock(&p->lock);
	return n;
}

static void
press_done(struct press *p, uint64_t first, uint64_t n)
{
	pthread_mutex_lock(&p->lock);
	for (uint64_t i = first; i < first + n; i++)
		press_slot(p, i)->done = true;
	pthread_cond_signal(&p->ready);
	pthread_mutex_unlock(&p->lock);
}

static void *
press_run(void *arg)
{
	struct press_thread *t = arg;
	uint64_t first, n;

	while ((n = press_begin(t->press, &first)) > 0) {
		for (uint64_t i = first; i < first + n; i++)
			press_compress(press_slot(t->press, i), t->packer);
		press_done(t->press, first, n);
	}
	return NULL;
}

/* Start what threads there can be: the caller's own work, and what prepares it, fill a processor.
 */
static void
press_start(struct press *p)
{
	unsigned wanted = thread_processors() - 1;

	p->started = true;
	if (wanted > PRESS_THREADS)
		wanted = PRESS_THREADS;
	while (p->running < wanted) {
		struct press_thread *t = &p->threads[p->running];
		*t = (struct press_thread){.press = p, .packer = codec_packer_share(p->packer)};
		if (t->packer == NULL || !thread_start(&t->id, press_run, t)) {
			codec_packer_free(t->packer);
			return;
		}
		p->running++;
	}
}

/* ---- the caller ---- */

/* The caller has done with the bytes that it took: what a huge frame needed goes back. */
static void
press_release(struct press *p)
{
	if (p->taken != NULL)
		codec_trim(&p->taken->packed);
	p->taken = NULL;
}

void
press_put(struct press *p, struct buf *raw, uint32_t first)
{
	struct press_slot *s = press_slot(p, p->tail);
	struct buf empty = s->raw;

	press_release(p);
	if (!p->started && p->tail >= PRESS_ALONE)
		press_start(p);
	p->bytes += raw->len;
	s->raw = *raw;
	s->first = first;
	s->done = false;
	*raw = empty;
	pthread_mutex_lock(&p->lock);
	p->tail++;
	p->waiting += s->raw.len;
	if (p->waiting >= PRESS_BATCH)
		pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
}

/* Wait for the oldest frame; false when nobody has begun with it, and now nobody will. */
static bool
press_wait(struct press *p, const struct press_slot *oldest)
{
	bool begun;

	pthread_mutex_lock(&p->lock);
	begun = p->next > p->head;
	if (!begun) {
		p->next++;
		p->waiting -= oldest->raw.len;
	}
	while (begun && !oldest->done)
		pthread_cond_wait(&p->ready, &p->lock);
	pthread_mutex_unlock(&p->lock);
	return begun;
}

int
press_take(struct press *p, const struct buf **packed, uint32_t *first, struct err *e)
{
	struct press_slot *s = press_slot(p, p->head);

	press_release(p);
	if (!press_wait(p, s))
		press_compress(s, p->packer);
	p->head++;
	p->bytes -= s->raw.len;
	codec_trim(&s->raw);
	p->taken = s;
	*packed = &s->packed;
	*first = s->first;
	return s->rc == ERR_OK ? ERR_OK : err_set(e, s->rc, "%s", s->why.text);
}
