/*
 * zstd: the only place that compresses and decompresses frames of documents and blocks of an index.
 * A packer and an unpacker belong to one thread at a time.
 */
#ifndef THINKBACK_STORE_CODEC_H
#define THINKBACK_STORE_CODEC_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"

#include <stddef.h>
#include <stdint.h>

#define CODEC_KEEP (1u << 20) /* bytes of scratch memory that are kept from one use to the next */
#define CODEC_MAGIC "\x28\xb5\x2f\xfd" /* the first bytes of a frame (RFC 8878, 3.1.1) */
#define CODEC_MAGIC_LEN 4u
#define CODEC_HEAD 18u /* bytes of the longest frame header (RFC 8878, 3.1.1.1) */

/* Opaque types. */
struct codec_packer;
struct codec_unpacker;
struct dictionary;

/*
 * codec_packer_create(dict): a compression context with the dictionary ${dict} (NULL: none), which
 * is not needed afterwards; to be freed with codec_packer_free. NULL when out of memory.
 */
struct codec_packer *codec_packer_create(const struct dictionary *dict);

/*
 * codec_packer_share(of): another context with the dictionary of ${of}, which must outlive it; to
 * be freed with codec_packer_free. NULL when out of memory.
 */
struct codec_packer *codec_packer_share(const struct codec_packer *of);

/* codec_packer_free(p): free ${p}, which may be NULL. */
void codec_packer_free(struct codec_packer *p);

/*
 * codec_pack(p, raw, len, out, e):
 * Append one zstd frame (content size, checksum, dictionary number) of the ${len} bytes at ${raw}
 * to ${out}. Return ERR_OK; ERR_NOMEM; ERR_BUG with zstd's reason.
 */
int codec_pack(struct codec_packer *p, const void *raw, size_t len, struct buf *out, struct err *e);

/* codec_unpacker_create(): a decompression context; NULL when out of memory. */
struct codec_unpacker *codec_unpacker_create(void);

/* codec_unpacker_free(u): free ${u}, which may be NULL. */
void codec_unpacker_free(struct codec_unpacker *u);

/*
 * codec_unpack(u, dict, packed, len, most, out, why):
 * Replace ${out} by the contents of the ${len} bytes at ${packed}, which must be exactly one zstd
 * frame with content size and checksum, made with ${dict} (NULL: none), of at most ${most} bytes
 * and not more than so few bytes can become. Nothing is allocated before that is sure. Return
 * ERR_OK; ERR_CORRUPT (${why} says how); or ERR_NOMEM.
 */
int codec_unpack(struct codec_unpacker *u, const struct dictionary *dict, const uint8_t *packed,
    size_t len, uint64_t most, struct buf *out, const char **why);

/*
 * codec_bound(head, len, most), codec_extent(data, len):
 * For who searches for frames: how many bytes the frame that begins with the ${len} (CODEC_HEAD, or
 * fewer at the end) at ${head} can have at most, when its content has at most ${most}; then how
 * many it really has, when all of them are among the ${len} at ${data}. 0: that is no frame.
 */
size_t codec_bound(const uint8_t *head, size_t len, uint64_t most);
size_t codec_extent(const uint8_t *data, size_t len);

/*
 * codec_room(b, len):
 * Forget what is in ${b} and make room for exactly ${len} bytes, unless it has that room already.
 * Unlike buf_reserve it does not round up: a frame may be 128 MiB. Return ERR_OK or ERR_NOMEM.
 */
int codec_room(struct buf *b, size_t len);

/* codec_trim(b): forget what is in ${b}, and give its memory back when it is over CODEC_KEEP. */
void codec_trim(struct buf *b);

#endif
