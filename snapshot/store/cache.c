/*
 * The cache: the contract is in cache.h.
 *
 * A slot is LOADING (in the table; others wait for it), then READY (in the table and the list of
 * use), then out of both; or FAILED (out of the table; those who waited try again). It is freed by
 * whoever lets go of it last.
 */
#include "snapshot/store/cache.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_BUCKETS_MIN 64u
#define CACHE_BUCKETS_MAX 65536u
#define CACHE_THING 16384u /* bytes of a usual thing, to guess the number of buckets */

enum cache_state { CACHE_LOADING, CACHE_READY, CACHE_FAILED };

struct cache_slot {
	struct cache_key key;
	enum cache_state state;
	void *value;              /* owned, when READY */
	size_t bytes;             /* that it holds */
	unsigned users;           /* threads that have it in hands or wait for it */
	bool kept;                /* in the table */
	struct cache_slot *next;  /* in the bucket, or in a list of slots to be freed */
	struct cache_slot *newer; /* in the list of use */
	struct cache_slot *older; /* likewise */
};

struct cache {
	pthread_mutex_t lock;        /* guards all below and all slots but for value */
	pthread_cond_t loaded;       /* some slot is not LOADING any more */
	void (*drop)(void *value);   /* frees a value */
	size_t bytes_max;            /* limits */
	size_t pieces_max;           /* likewise */
	size_t bytes;                /* in the list of use */
	size_t pieces;               /* likewise */
	struct cache_slot *newest;   /* ends of the list of use */
	struct cache_slot *oldest;   /* likewise */
	size_t mask;                 /* number of buckets, a power of two, less 1 */
	struct cache_slot **buckets; /* owned */
};

struct cache *
cache_create(size_t bytes, size_t pieces, void (*drop)(void *value))
{
	struct cache *c = calloc(1, sizeof(*c));
	size_t buckets = CACHE_BUCKETS_MIN;

	if (c == NULL)
		return NULL;
	while (buckets < CACHE_BUCKETS_MAX && buckets < bytes / CACHE_THING)
		buckets *= 2;
	c->buckets = calloc(buckets, sizeof(*c->buckets));
	if (c->buckets == NULL || pthread_mutex_init(&c->lock, NULL) != 0)
		goto fail_memory;
	if (pthread_cond_init(&c->loaded, NULL) != 0)
		goto fail_lock;
	c->mask = buckets - 1;
	c->bytes_max = bytes;
	c->pieces_max = pieces;
	c->drop = drop;
	return c;
fail_lock:
	pthread_mutex_destroy(&c->lock);
fail_memory:
	free(c->buckets);
	free(c);
	return NULL;
}

void
cache_free(struct cache *c)
{
	if (c == NULL)
		return;
	while (c->newest != NULL) {
		struct cache_slot *s = c->newest;
		c->newest = s->older;
		c->drop(s->value);
		free(s);
	}
	pthread_cond_destroy(&c->loaded);
	pthread_mutex_destroy(&c->lock);
	free(c->buckets);
	free(c);
}

/* ---- with the lock held ---- */

/* Numbers that follow each other must not fall into few buckets: mix them (splitmix64). */
static struct cache_slot **
cache_bucket(const struct cache *c, const struct cache_key *key)
{
	uint64_t h = key->a * 0x9e3779b97f4a7c15u + key->b * 0xbf58476d1ce4e5b9u + key->c;

	h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
	h = (h ^ h >> 27) * 0x94d049bb133111ebu;
	return &c->buckets[(h ^ h >> 31) & c->mask];
}

static struct cache_slot *
cache_find(const struct cache *c, const struct cache_key *key)
{
	struct cache_slot *s = *cache_bucket(c, key);

	while (s != NULL && (s->key.a != key->a || s->key.b != key->b || s->key.c != key->c))
		s = s->next;
	return s;
}

static void
cache_table_remove(struct cache *c, struct cache_slot *s)
{
	struct cache_slot **at = cache_bucket(c, &s->key);

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	s->next = NULL;
	s->kept = false;
}

static void
cache_list_remove(struct cache *c, struct cache_slot *s)
{
	if (s->newer != NULL)
		s->newer->older = s->older;
	else
		c->newest = s->older;
	if (s->older != NULL)
		s->older->newer = s->newer;
	else
		c->oldest = s->newer;
	s->newer = s->older = NULL;
}

static void
cache_list_add(struct cache *c, struct cache_slot *s)
{
	s->older = c->newest;
	if (c->newest != NULL)
		c->newest->newer = s;
	else
		c->oldest = s;
	c->newest = s;
}

/* Take ${s} out of the list and the table; put it to ${dead} when nobody has it in hands. */
static void
cache_take_out(struct cache *c, struct cache_slot *s, struct cache_slot **dead)
{
	cache_list_remove(c, s);
	cache_table_remove(c, s);
	c->bytes -= s->bytes;
	c->pieces--;
	if (s->users == 0) {
		s->next = *dead;
		*dead = s;
	}
}

/* Take the oldest that nobody has in hands out until the limits hold. Return a list of them. */
static struct cache_slot *
cache_evict(struct cache *c)
{
	struct cache_slot *dead = NULL, *s = c->oldest, *newer;

	for (; s != c->newest && (c->bytes > c->bytes_max || c->pieces > c->pieces_max);
	     s = newer) {
		newer = s->newer;
		if (s->users == 0)
			cache_take_out(c, s, &dead);
	}
	return dead;
}

/* ---- without the lock ---- */

static void
cache_bury(struct cache *c, struct cache_slot *dead)
{
	while (dead != NULL) {
		struct cache_slot *next = dead->next;
		if (dead->state == CACHE_READY)
			c->drop(dead->value);
		free(dead);
		dead = next;
	}
}

/* Load the slot ${s}, which this thread has put into the table as LOADING. */
static int
cache_load(struct cache *c, struct cache_slot *s,
    int (*load)(void *arg, void **value, size_t *bytes, struct err *e), void *arg, struct err *e)
{
	struct cache_slot *dead = NULL;
	void *value = NULL;
	size_t bytes = 0;
	int rc = load(arg, &value, &bytes, e);

	pthread_mutex_lock(&c->lock);
	if (rc == ERR_OK) {
		s->value = value;
		s->bytes = bytes;
		s->state = CACHE_READY;
		cache_list_add(c, s);
		c->bytes += bytes;
		c->pieces++;
		dead = cache_evict(c);
	} else {
		s->state = CACHE_FAILED;
		cache_table_remove(c, s);
		if (--s->users == 0)
			dead = s;
	}
	pthread_cond_broadcast(&c->loaded);
	pthread_mutex_unlock(&c->lock);
	cache_bury(c, dead);
	return rc;
}

/* Look a slot up, waiting for a thread that loads it. NULL: it is not there, and ${spare}, unless
 * that is NULL, has been put in its place. */
static struct cache_slot *
cache_look(struct cache *c, const struct cache_key *key, struct cache_slot *spare)
{
	struct cache_slot *s, *dead = NULL;

	pthread_mutex_lock(&c->lock);
	while ((s = cache_find(c, key)) != NULL) {
		s->users++;
		while (s->state == CACHE_LOADING)
			pthread_cond_wait(&c->loaded, &c->lock);
		if (s->state == CACHE_READY)
			break;
		if (--s->users == 0) {
			s->next = dead;
			dead = s;
		}
	}
	if (s == NULL && spare != NULL) {
		struct cache_slot **bucket = cache_bucket(c, key);
		spare->next = *bucket;
		*bucket = spare;
	} else if (s != NULL && s->kept && s != c->newest) {
		cache_list_remove(c, s);
		cache_list_add(c, s);
	}
	pthread_mutex_unlock(&c->lock);
	cache_bury(c, dead);
	return s;
}

int
cache_get(struct cache *c, const struct cache_key *key,
    int (*load)(void *arg, void **value, size_t *bytes, struct err *e), void *arg,
    struct cache_slot **out, struct err *e)
{
	struct cache_slot *s = cache_look(c, key, NULL);
	struct cache_slot *spare;
	int rc = ERR_OK;

	if (s != NULL) {
		*out = s;
		return ERR_OK;
	}
	spare = calloc(1, sizeof(*spare));
	if (spare == NULL)
		return err_nomem(e);
	*spare = (struct cache_slot){.key = *key, .state = CACHE_LOADING, .users = 1, .kept = true};
	s = cache_look(c, key, spare);
	if (s != NULL) {
		free(spare);
	} else {
		s = spare;
		rc = cache_load(c, s, load, arg, e);
	}
	if (rc == ERR_OK)
		*out = s;
	return rc;
}

void *
cache_value(const struct cache_slot *s)
{
	return s->value;
}

void
cache_forget(struct cache *c, struct cache_slot *s)
{
	struct cache_slot *dead = NULL;

	/* The caller is a user: it is not freed here. */
	pthread_mutex_lock(&c->lock);
	if (s->kept)
		cache_take_out(c, s, &dead);
	pthread_mutex_unlock(&c->lock);
}

void
cache_sweep(struct cache *c, bool (*dead)(const void *value))
{
	struct cache_slot *buried = NULL, *s, *older;

	pthread_mutex_lock(&c->lock);
	for (s = c->newest; s != NULL; s = older) {
		older = s->older;
		if (dead(s->value))
			cache_take_out(c, s, &buried);
	}
	pthread_mutex_unlock(&c->lock);
	cache_bury(c, buried);
}

void
cache_release(struct cache *c, struct cache_slot *s)
{
	struct cache_slot *dead = NULL;

	if (s == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	if (--s->users == 0 && !s->kept)
		dead = s;
	else if (s->users == 0)
		dead = cache_evict(c);
	pthread_mutex_unlock(&c->lock);
	cache_bury(c, dead);
}
