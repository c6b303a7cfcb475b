/*
 * A cache of things that are loaded by number, shared by threads: least recently used first out,
 * within a limit of bytes and one of pieces. What a thread has in hands stays alive until it gives
 * it back, in the cache or not. A thing is loaded by one thread at a time: others that want it wait
 * for that one. Nothing is locked while loading or freeing.
 *
 * What was put in last stays in, however large, until something else is, and so does what somebody
 * has in hands: putting it out would free nothing.
 */
#ifndef THINKBACK_STORE_CACHE_H
#define THINKBACK_STORE_CACHE_H

#include "catalog/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opaque types. */
struct cache;
struct cache_slot;

/* What a thing is found by. */
struct cache_key {
	uint64_t a, b, c;
};

/*
 * cache_create(bytes, pieces, drop): a cache that holds up to ${bytes} of memory and ${pieces} of
 * things and frees them with ${drop}; to be freed with cache_free. NULL when out of memory.
 */
struct cache *cache_create(size_t bytes, size_t pieces, void (*drop)(void *value));

/* cache_free(c): free ${c}, which may be NULL, and all that is in it; nothing may be in use. */
void cache_free(struct cache *c);

/*
 * cache_get(c, key, load, arg, out, e):
 * The thing of ${key}. When it is not there, ${load} is called: it sets the value and the bytes
 * that it holds and returns ERR_OK, or returns another code, which is returned. Sets ${out}, which
 * must go to cache_release. May block while another thread loads the same thing.
 */
int cache_get(struct cache *c, const struct cache_key *key,
    int (*load)(void *arg, void **value, size_t *bytes, struct err *e), void *arg,
    struct cache_slot **out, struct err *e);

/* cache_value(s): the thing itself, alive until ${s} is released. */
void *cache_value(const struct cache_slot *s);

/*
 * cache_forget(c, s): let what is in hands not be found any more: whoever comes next loads it anew.
 * It is still to be given to cache_release.
 */
void cache_forget(struct cache *c, struct cache_slot *s);

/*
 * cache_sweep(c, dead): forget all things of which ${dead} says that they are; it is called with
 * the cache locked.
 */
void cache_sweep(struct cache *c, bool (*dead)(const void *value));

/* cache_release(c, s): give a thing back; ${s} may be NULL. */
void cache_release(struct cache *c, struct cache_slot *s);

#endif
