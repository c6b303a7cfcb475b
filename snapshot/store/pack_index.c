/* Index blocks: the contracts are in pack_index.h. */
#include "snapshot/store/pack_index.h"

#include "catalog/base/bytes.h"
#include "snapshot/store/frame.h"

#include <string.h>

#define LINE_HEAD 3u                                                       /* kind, shared, rest */
#define LINE_MAX (LINE_HEAD + KEY_MAX + 2 * BYTES_VARINT_MAX + DIGEST_LEN) /* bytes of a line */

_Static_assert(PACK_INDEX_SIZE + LINE_MAX <= PACK_BLOCK_MAX, "a closed block fits its limit");

void
pack_index_finish(struct pack_index_builder *b)
{
	buf_finish(&b->raw);
	*b = (struct pack_index_builder){0};
}

/* Bytes at the front that both keys have. */
static uint8_t
index_shared(const struct key *a, const struct key *b)
{
	uint8_t n = 0;

	while (n < a->len && n < b->len && a->bytes[n] == b->bytes[n])
		n++;
	return n;
}

static size_t
index_line(const struct pack_index_builder *b, const struct pack_entry *entry, uint8_t *line)
{
	uint8_t shared = b->entries > 0 ? index_shared(&b->last, &entry->key) : 0;
	uint8_t rest = (uint8_t)(entry->key.len - shared);
	size_t n = LINE_HEAD;

	line[0] = entry->deleted ? PACK_INDEX_DELETED
		  : entry->lost  ? PACK_INDEX_LOST
				 : PACK_INDEX_PUT;
	line[1] = shared;
	line[2] = rest;
	memcpy(line + n, entry->key.bytes + shared, rest);
	n += rest;
	if (entry->deleted)
		return n;
	n += bytes_put_varint(line + n, entry->ordinal - b->next);
	n += bytes_put_varint(line + n, entry->size);
	memcpy(line + n, entry->digest, DIGEST_LEN);
	return n + DIGEST_LEN;
}

int
pack_index_add(struct pack_index_builder *b, const struct pack_entry *entry)
{
	uint8_t line[LINE_MAX];

	if (entry->key.len > KEY_MAX || key_compare(&b->last, &entry->key) >= 0 ||
	    (!entry->deleted && entry->ordinal < b->next))
		return ERR_BUG;
	if (buf_append(&b->raw, line, index_line(b, entry, line)) != ERR_OK)
		return ERR_NOMEM;
	b->last = entry->key;
	b->entries++;
	if (!entry->deleted)
		b->next = (uint64_t)entry->ordinal + 1;
	return ERR_OK;
}

bool
pack_index_full(const struct pack_index_builder *b)
{
	return b->raw.len >= PACK_INDEX_SIZE;
}

void
pack_index_close(struct pack_index_builder *b, struct pack_block_at *at)
{
	at->raw = (uint32_t)b->raw.len;
	at->first = b->first;
	at->entries = b->entries;
	b->first = (uint32_t)b->next;
	b->entries = 0;
}

void
pack_index_start(
    struct pack_index_cursor *c, const uint8_t *raw, size_t len, const struct pack_block_at *at)
{
	*c = (struct pack_index_cursor){
	    .at = raw, .end = raw + len, .next = at->first, .left = at->entries};
}

/* Read a line's key into the zeroed ${key}; what is shared comes from the line before. */
static const char *
index_key(struct pack_index_cursor *c, struct key *key)
{
	size_t shared = c->at[1], rest = c->at[2];

	c->at += LINE_HEAD;
	if (shared > c->last.len || rest == 0 || shared + rest > KEY_MAX)
		return "a key is malformed";
	if (rest > (size_t)(c->end - c->at))
		return "it ends within a key";
	memcpy(key->bytes, c->last.bytes, shared);
	memcpy(key->bytes + shared, c->at, rest);
	key->len = (uint8_t)(shared + rest);
	c->at += rest;
	if (key_compare(&c->last, key) >= 0)
		return "its keys are not in order";
	return NULL;
}

/* Read what a put or lost line has behind its key. */
static const char *
index_put(struct pack_index_cursor *c, struct pack_entry *out)
{
	uint64_t gap, size;
	size_t n = bytes_get_varint(c->at, c->end, &gap);

	if (n == 0)
		return "it ends within a line";
	c->at += n;
	n = bytes_get_varint(c->at, c->end, &size);
	if (n == 0 || (size_t)(c->end - c->at) < n + DIGEST_LEN)
		return "it ends within a line";
	c->at += n;
	if (gap >= PACK_ORDINALS_MAX || c->next + gap >= PACK_ORDINALS_MAX)
		return "an ordinal is too large";
	if (size < FRAME_DOCUMENT_MIN || size > FRAME_DOCUMENT_MAX)
		return "a document has a size that none can have";
	memcpy(out->digest, c->at, DIGEST_LEN);
	c->at += DIGEST_LEN;
	out->ordinal = (uint32_t)(c->next + gap);
	out->size = (uint32_t)size;
	c->next += gap + 1;
	return NULL;
}

int
pack_index_next(struct pack_index_cursor *c, struct pack_entry *out, const char **why)
{
	struct pack_entry entry = {0};
	uint8_t kind;

	if (c->left == 0) {
		*why = "it has bytes behind its last line";
		return c->at == c->end ? ERR_END : ERR_CORRUPT;
	}
	if ((size_t)(c->end - c->at) < LINE_HEAD) {
		*why = "it ends within a line";
		return ERR_CORRUPT;
	}
	kind = c->at[0];
	entry.deleted = kind == PACK_INDEX_DELETED;
	entry.lost = kind == PACK_INDEX_LOST;
	*why = index_key(c, &entry.key);
	if (*why == NULL && (kind == PACK_INDEX_PUT || kind == PACK_INDEX_LOST))
		*why = index_put(c, &entry);
	else if (*why == NULL && kind != PACK_INDEX_DELETED)
		*why = "a line is of no known kind";
	if (*why != NULL)
		return ERR_CORRUPT;
	c->left--;
	c->last = entry.key;
	*out = entry;
	return ERR_OK;
}
