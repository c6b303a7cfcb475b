/*
 * The store: the contracts are in store.h. Four caches (open packs, dictionaries, decoded frames,
 * marks of index blocks) and a pool of decompression contexts. Each cache has a lock of its own,
 * held for lookups alone; loading a frame takes things from the other two caches, never the other
 * way round.
 */
#include "snapshot/store/store.h"

#include "snapshot/store/cache.h"
#include "snapshot/store/dictionary.h"
#include "snapshot/store/marks.h"
#include "snapshot/store/pack_internal.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define STORE_READERS 32u         /* idle readers kept */
#define STORE_DICTIONARY_SHARE 4u /* of pack_bytes, one part in so many is for dictionaries */
#define STORE_NO_LIMIT SIZE_MAX

struct store {
	int packsfd;                /* not owned */
	void (*slow)(void);         /* as in struct store_options */
	struct cache *packs;        /* struct pack, by number */
	struct cache *dictionaries; /* struct dictionary, by number */
	struct cache *frames;       /* struct store_frame, by pack, its contents and frame number */
	struct cache *marks;        /* struct marks, by pack, its contents and block number */
	pthread_mutex_t lock;       /* guards the pool */
	unsigned idle;              /* readers in the pool */
	struct pack_reader *readers[STORE_READERS]; /* the pool */
};

/* A decoded frame. */
struct store_frame {
	struct buf bytes; /* decoded */
	uint32_t first;   /* ordinal of its first document */
};

/* What loading needs to know; only what applies is set. */
struct store_load {
	struct store *s;
	uint64_t id;             /* of the pack or dictionary */
	const struct pack *pack; /* of the frame or block */
	uint64_t frame;          /* its number in the pack, or the block's */
};

static void
store_pack_drop(void *value)
{
	pack_close(value);
}

static void
store_dictionary_drop(void *value)
{
	dictionary_free(value);
}

static void
store_marks_drop(void *value)
{
	marks_free(value);
}

static void
store_frame_drop(void *value)
{
	struct store_frame *f = value;

	buf_finish(&f->bytes);
	free(f);
}

int
store_create(int packsfd, const struct store_options *options, struct store **out, struct err *e)
{
	static const struct store_options none;
	const struct store_options *o = options != NULL ? options : &none;
	size_t frame_bytes = o->frame_bytes > 0 ? o->frame_bytes : STORE_FRAME_BYTES;
	size_t pack_bytes = o->pack_bytes > 0 ? o->pack_bytes : STORE_PACK_BYTES;
	size_t dictionary_bytes = pack_bytes / STORE_DICTIONARY_SHARE;
	struct store *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_nomem(e);
	if (pthread_mutex_init(&s->lock, NULL) != 0) {
		free(s);
		return err_nomem(e);
	}
	s->packsfd = packsfd;
	s->slow = o->slow;
	s->packs = cache_create(
	    pack_bytes - dictionary_bytes, o->packs > 0 ? o->packs : STORE_PACKS, store_pack_drop);
	s->dictionaries = cache_create(dictionary_bytes, STORE_NO_LIMIT, store_dictionary_drop);
	s->frames = cache_create(frame_bytes, STORE_NO_LIMIT, store_frame_drop);
	s->marks = cache_create(STORE_MARK_BYTES, STORE_NO_LIMIT, store_marks_drop);
	if (s->packs == NULL || s->dictionaries == NULL || s->frames == NULL || s->marks == NULL) {
		store_free(s);
		return err_nomem(e);
	}
	*out = s;
	return ERR_OK;
}

void
store_free(struct store *s)
{
	if (s == NULL)
		return;
	while (s->idle > 0)
		pack_reader_free(s->readers[--s->idle]);
	cache_free(s->marks);
	cache_free(s->frames);
	cache_free(s->dictionaries);
	cache_free(s->packs);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* ---- readers ---- */

/* The one that was given back last: most likely it has the right index block. */
static struct pack_reader *
store_reader_take(struct store *s)
{
	struct pack_reader *r = NULL;

	pthread_mutex_lock(&s->lock);
	if (s->idle > 0)
		r = s->readers[--s->idle];
	pthread_mutex_unlock(&s->lock);
	return r != NULL ? r : pack_reader_create();
}

static void
store_reader_give(struct store *s, struct pack_reader *r)
{
	pthread_mutex_lock(&s->lock);
	if (s->idle < STORE_READERS) {
		s->readers[s->idle++] = r;
		r = NULL;
	}
	pthread_mutex_unlock(&s->lock);
	pack_reader_free(r);
}

/* ---- loading ---- */

/* Before reading a file. */
static void
store_slow(const struct store *s)
{
	if (s->slow != NULL)
		s->slow();
}

/* A file that the catalogue knows and that is not there is damage. */
static int
store_missing(int rc, struct err *e)
{
	if (rc != ERR_ABSENT)
		return rc;
	if (e != NULL)
		e->code = ERR_CORRUPT;
	return ERR_CORRUPT;
}

static int
store_pack_load(void *arg, void **value, size_t *bytes, struct err *e)
{
	const struct store_load *load = arg;
	struct pack *p;
	int rc;

	store_slow(load->s);
	rc = store_missing(pack_open(load->s->packsfd, load->id, &p, e), e);

	if (rc != ERR_OK)
		return rc;
	*value = p;
	*bytes = pack_memory(p);
	return ERR_OK;
}

/* The pack ${id} as it is on disk now. */
static int
store_pack(struct store *s, uint64_t id, struct cache_slot **out, struct err *e)
{
	struct store_load load = {.s = s, .id = id};
	struct cache_slot *slot;
	int rc;

	for (;;) {
		rc = cache_get(
		    s->packs, &(struct cache_key){.a = id}, store_pack_load, &load, &slot, e);
		if (rc != ERR_OK)
			return rc;
		if (!pack_is_stale(cache_value(slot)))
			break;
		cache_forget(s->packs, slot);
		cache_release(s->packs, slot);
	}
	*out = slot;
	return ERR_OK;
}

static int
store_dictionary_load(void *arg, void **value, size_t *bytes, struct err *e)
{
	const struct store_load *load = arg;
	struct dictionary *d;
	struct buf raw = {0};
	int rc;

	store_slow(load->s);
	rc = store_missing(dictionary_load(load->s->packsfd, load->id, NULL, &raw, e), e);
	if (rc == ERR_OK)
		rc = dictionary_create(load->id, raw.data, raw.len, &d, e);
	buf_finish(&raw);
	if (rc != ERR_OK)
		return rc;
	*value = d;
	*bytes = dictionary_memory(d);
	return ERR_OK;
}

/* The dictionary ${id}; for 0 ${out} stays NULL. */
static int
store_dictionary(struct store *s, uint64_t id, struct cache_slot **out, struct err *e)
{
	struct store_load load = {.s = s, .id = id};

	if (id == 0)
		return ERR_OK;
	return cache_get(
	    s->dictionaries, &(struct cache_key){.a = id}, store_dictionary_load, &load, out, e);
}

static int
store_frame_load(void *arg, void **value, size_t *bytes, struct err *e)
{
	const struct store_load *load = arg;
	struct store *s = load->s;
	struct cache_slot *dict = NULL;
	struct pack_reader *r = store_reader_take(s);
	struct store_frame *f = calloc(1, sizeof(*f));
	int rc = r != NULL && f != NULL ? ERR_OK : err_nomem(e);

	store_slow(s);
	if (rc == ERR_OK)
		rc = store_dictionary(s, pack_describe(load->pack)->dictionary_id, &dict, e);
	if (rc == ERR_OK)
		rc = pack_frame_read(load->pack, r, dict != NULL ? cache_value(dict) : NULL,
		    load->frame, &f->bytes, &f->first, e);
	cache_release(s->dictionaries, dict);
	if (r != NULL)
		store_reader_give(s, r);
	if (rc != ERR_OK) {
		if (f != NULL)
			store_frame_drop(f);
		return rc;
	}
	*value = f;
	*bytes = sizeof(*f) + f->bytes.cap;
	return ERR_OK;
}

static int
store_frame(
    struct store *s, const struct pack *p, uint64_t frame, struct cache_slot **out, struct err *e)
{
	struct store_load load = {.s = s, .pack = p, .frame = frame};
	/* A pack that gc has written again has other frames under the same numbers. */
	struct cache_key key = {.a = pack_describe(p)->pack_id, .b = p->identity, .c = frame};

	return cache_get(s->frames, &key, store_frame_load, &load, out, e);
}

static int
store_marks_load(void *arg, void **value, size_t *bytes, struct err *e)
{
	const struct store_load *load = arg;
	struct pack_reader *r = store_reader_take(load->s);
	struct marks *m;
	int rc;

	if (r == NULL)
		return err_nomem(e);
	store_slow(load->s);
	rc = marks_create(load->pack, r, load->frame, &m, e);
	store_reader_give(load->s, r);
	if (rc != ERR_OK)
		return rc;
	*value = m;
	*bytes = marks_memory(m);
	return ERR_OK;
}

/* ---- reading ---- */

static int
store_absent(uint64_t pack_id, uint32_t ordinal, struct err *e)
{
	return err_set(
	    e, ERR_ABSENT, "pack %016" PRIx64 " has no document %" PRIu32, pack_id, ordinal);
}

/* Append the wanted part of a document. */
static int
store_copy(const uint8_t *data, size_t len, size_t off, size_t room, struct buf *out, struct err *e)
{
	if (off >= len)
		return ERR_OK;
	if (room > len - off)
		room = len - off;
	return buf_append(out, data + off, room) == ERR_OK ? ERR_OK : err_nomem(e);
}

/* store_read in an open pack. */
static int
store_read_pack(struct store *s, const struct pack *p, uint32_t ordinal, size_t off, size_t room,
    struct buf *out, size_t *size, struct err *e)
{
	uint64_t id = pack_describe(p)->pack_id;
	struct cache_slot *slot;
	const struct store_frame *f;
	const uint8_t *data;
	uint64_t frame;
	size_t len;
	int rc;

	if (pack_frame_of(p, ordinal, &frame) != ERR_OK)
		return store_absent(id, ordinal, e);
	rc = store_frame(s, p, frame, &slot, e);
	if (rc != ERR_OK)
		return rc;
	f = cache_value(slot);
	rc = pack_frame_document(f->bytes.data, f->bytes.len, f->first, ordinal, &data, &len);
	if (rc == ERR_OK)
		rc = store_copy(data, len, off, room, out, e);
	else if (rc == ERR_ABSENT)
		store_absent(id, ordinal, e);
	else
		packfile_damaged(PACKFILE_PACK, id, e, "frame %" PRIu64, frame);
	cache_release(s->frames, slot);
	if (rc == ERR_OK)
		*size = len;
	return rc;
}

int
store_read(struct store *s, uint64_t pack_id, uint32_t ordinal, size_t off, size_t room,
    struct buf *out, size_t *size, struct err *e)
{
	struct cache_slot *slot;
	int rc = store_pack(s, pack_id, &slot, e);

	if (rc != ERR_OK)
		return rc;
	rc = store_read_pack(s, cache_value(slot), ordinal, off, room, out, size, e);
	cache_release(s->packs, slot);
	return rc;
}

int
store_entry(struct store *s, uint64_t pack_id, uint32_t ordinal, struct pack_entry *entry,
    uint64_t *snapshot_id, uint64_t *table_id, struct err *e)
{
	struct cache_slot *slot;
	struct pack_reader *r;
	const struct pack *p;
	int rc = store_pack(s, pack_id, &slot, e);

	if (rc != ERR_OK)
		return rc;
	p = cache_value(slot);
	r = store_reader_take(s);
	rc = r != NULL ? pack_entry_of(p, r, ordinal, entry, e) : err_nomem(e);
	if (r != NULL)
		store_reader_give(s, r);
	if (rc == ERR_OK) {
		*snapshot_id = pack_describe(p)->snapshot_id;
		*table_id = pack_describe(p)->table_id;
	} else if (rc == ERR_ABSENT) {
		store_absent(pack_id, ordinal, e);
	}
	cache_release(s->packs, slot);
	return rc;
}

/* ---- holding ---- */

/* A document in hands. */
struct store_hold {
	struct store *s;
	struct cache_slot *pack;       /* in hands */
	struct cache_slot *dictionary; /* likewise; NULL: none, or it is damaged */
	uint32_t ordinal;
};

int
store_hold(
    struct store *s, uint64_t pack_id, uint32_t ordinal, struct store_hold **out, struct err *e)
{
	struct store_hold *h = calloc(1, sizeof(*h));
	struct buf none = {0};
	size_t size;
	int rc;

	if (h == NULL)
		return err_nomem(e);
	h->s = s;
	h->ordinal = ordinal;
	rc = store_pack(s, pack_id, &h->pack, e);
	if (rc == ERR_OK) {
		(void)store_dictionary(
		    s, pack_describe(cache_value(h->pack))->dictionary_id, &h->dictionary, NULL);
		/* Whoever opens it reads it next: then its frame is at hand. */
		rc = store_read_pack(s, cache_value(h->pack), ordinal, 0, 0, &none, &size, e);
		if (rc != ERR_ABSENT)
			rc = ERR_OK;
	}
	if (rc != ERR_OK) {
		store_drop(h);
		return rc;
	}
	*out = h;
	return ERR_OK;
}

int
store_hold_read(
    struct store_hold *h, size_t off, size_t room, struct buf *out, size_t *size, struct err *e)
{
	return store_read_pack(h->s, cache_value(h->pack), h->ordinal, off, room, out, size, e);
}

int64_t
store_hold_date(const struct store_hold *h)
{
	return pack_describe(cache_value(h->pack))->date;
}

void
store_drop(struct store_hold *h)
{
	if (h == NULL)
		return;
	cache_release(h->s->dictionaries, h->dictionary);
	cache_release(h->s->packs, h->pack);
	free(h);
}

static bool
store_pack_stale(const void *value)
{
	return pack_is_stale(value);
}

void
store_sweep(struct store *s)
{
	cache_sweep(s->packs, store_pack_stale);
}

/* store_matches in an open pack. */
static int
store_matches_pack(
    struct store *s, const struct pack *p, const struct pack_entry *entry, struct err *e)
{
	struct store_load load = {.s = s, .pack = p, .frame = pack_block_of(p, entry->ordinal)};
	struct cache_key key = {.a = pack_describe(p)->pack_id, .b = p->identity, .c = load.frame};
	struct cache_slot *slot;
	int rc = cache_get(s->marks, &key, store_marks_load, &load, &slot, e);

	if (rc != ERR_OK)
		return rc;
	if (!marks_match(cache_value(slot), entry))
		rc = ERR_ABSENT;
	cache_release(s->marks, slot);
	return rc;
}

int
store_matches(struct store *s, uint64_t pack_id, const struct pack_entry *entry, struct err *e)
{
	struct cache_slot *slot;
	int rc = store_pack(s, pack_id, &slot, e);

	if (rc != ERR_OK)
		return rc;
	rc = store_matches_pack(s, cache_value(slot), entry, e);
	cache_release(s->packs, slot);
	return rc;
}
