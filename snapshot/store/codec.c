/* zstd frames: the contracts are in codec.h. */
#include "snapshot/store/codec.h"

#include "catalog/base/bytes.h"
#include "snapshot/store/dictionary_internal.h"
#include "snapshot/store/pack.h"

#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

/* Facts of the frame format (zstd's doc/zstd_compression_format.md). */
#define ZSTD_FRAME_MAGIC 0xFD2FB528u
#define ZSTD_FRAME_MIN 6          /* magic, descriptor, at least one byte more */
#define ZSTD_FRAME_CHECKSUM 0x04  /* bit of the descriptor: a checksum ends the frame */
#define ZSTD_BLOCK_BYTES_MIN 4    /* bytes of the smallest block that has contents */
#define ZSTD_BLOCK_CONTENT_LOG 17 /* no block has more contents than 128 KiB */

struct codec_packer {
	ZSTD_CCtx *ctx;         /* owned */
	ZSTD_CDict *dict;       /* owned; NULL: none of its own */
	const ZSTD_CDict *used; /* the one to compress with, perhaps another's; NULL: none */
};

struct codec_unpacker {
	ZSTD_DCtx *ctx; /* owned */
};

/* A context that uses ${used}, whoever owns it; NULL: no dictionary. */
static struct codec_packer *
codec_packer_with(const ZSTD_CDict *used)
{
	struct codec_packer *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->used = used;
	p->ctx = ZSTD_createCCtx();
	if (p->ctx == NULL ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(p->ctx, ZSTD_c_compressionLevel, PACK_LEVEL)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(p->ctx, ZSTD_c_checksumFlag, 1)) ||
	    ZSTD_isError(ZSTD_CCtx_refCDict(p->ctx, used))) {
		codec_packer_free(p);
		return NULL;
	}
	return p;
}

struct codec_packer *
codec_packer_create(const struct dictionary *dict)
{
	const struct buf *bytes = dict != NULL ? dictionary_bytes(dict) : NULL;
	ZSTD_CDict *made = NULL;
	struct codec_packer *p;

	if (bytes != NULL) {
		made = ZSTD_createCDict(bytes->data, bytes->len, PACK_LEVEL);
		if (made == NULL)
			return NULL;
	}
	p = codec_packer_with(made);
	if (p == NULL)
		ZSTD_freeCDict(made);
	else
		p->dict = made;
	return p;
}

struct codec_packer *
codec_packer_share(const struct codec_packer *of)
{
	return codec_packer_with(of->used);
}

void
codec_packer_free(struct codec_packer *p)
{
	if (p == NULL)
		return;
	ZSTD_freeCCtx(p->ctx);
	ZSTD_freeCDict(p->dict);
	free(p);
}

int
codec_pack(struct codec_packer *p, const void *raw, size_t len, struct buf *out, struct err *e)
{
	size_t bound = ZSTD_compressBound(len);
	size_t n;

	if (ZSTD_isError(bound) || buf_reserve(out, bound) != ERR_OK)
		return err_nomem(e);
	n = ZSTD_compress2(p->ctx, out->data + out->len, bound, raw, len);
	if (ZSTD_isError(n) && ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
		return err_nomem(e);
	if (ZSTD_isError(n))
		return err_set(e, ERR_BUG, "cannot compress: %s", ZSTD_getErrorName(n));
	out->len += n;
	return ERR_OK;
}

struct codec_unpacker *
codec_unpacker_create(void)
{
	struct codec_unpacker *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return NULL;
	u->ctx = ZSTD_createDCtx();
	if (u->ctx == NULL) {
		free(u);
		return NULL;
	}
	return u;
}

void
codec_unpacker_free(struct codec_unpacker *u)
{
	if (u == NULL)
		return;
	ZSTD_freeDCtx(u->ctx);
	free(u);
}

/* Judge a frame by its head alone; sets ${content} to the bytes that it decodes to. */
static const char *
codec_frame_fault(const struct dictionary *dict, const uint8_t *packed, size_t len, uint64_t most,
    uint64_t *content)
{
	if (len < ZSTD_FRAME_MIN || bytes_get32(packed) != ZSTD_FRAME_MAGIC)
		return "it does not begin as a zstd frame";
	if ((packed[4] & ZSTD_FRAME_CHECKSUM) == 0)
		return "it has no checksum";
	*content = ZSTD_getFrameContentSize(packed, len);
	if (*content == ZSTD_CONTENTSIZE_UNKNOWN || *content == ZSTD_CONTENTSIZE_ERROR)
		return "it does not tell its size";
	if (*content == 0)
		return "it is empty";
	if (*content > most)
		return "it is larger than it may be";
	if ((*content - 1) >> ZSTD_BLOCK_CONTENT_LOG >= len / ZSTD_BLOCK_BYTES_MIN)
		return "it claims to be larger than so few bytes can become";
	if (ZSTD_findFrameCompressedSize(packed, len) != len)
		return "it does not end where it should";
	if (ZSTD_getDictID_fromFrame(packed, len) != dictionary_zstd_id(dict))
		return "it was made with another dictionary";
	return NULL;
}

int
codec_unpack(struct codec_unpacker *u, const struct dictionary *dict, const uint8_t *packed,
    size_t len, uint64_t most, struct buf *out, const char **why)
{
	uint64_t content;
	size_t n;

	*why = codec_frame_fault(dict, packed, len, most, &content);
	if (*why != NULL)
		return ERR_CORRUPT;
	if (codec_room(out, (size_t)content) != ERR_OK)
		return ERR_NOMEM;
	if (dict != NULL)
		n = ZSTD_decompress_usingDDict(
		    u->ctx, out->data, (size_t)content, packed, len, dictionary_ddict(dict));
	else
		n = ZSTD_decompressDCtx(u->ctx, out->data, (size_t)content, packed, len);
	if (ZSTD_isError(n) && ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
		return ERR_NOMEM;
	if (ZSTD_isError(n)) {
		*why = ZSTD_getErrorName(n);
		return ERR_CORRUPT;
	}
	if (n != content) {
		*why = "it is shorter than it says";
		return ERR_CORRUPT;
	}
	out->len = n;
	return ERR_OK;
}

size_t
codec_bound(const uint8_t *head, size_t len, uint64_t most)
{
	uint64_t content = ZSTD_getFrameContentSize(head, len);

	if (content == ZSTD_CONTENTSIZE_UNKNOWN || content == ZSTD_CONTENTSIZE_ERROR ||
	    content == 0 || content > most)
		return 0;
	/* Header and checksum are not counted. */
	return ZSTD_compressBound((size_t)content) + CODEC_HEAD + 4;
}

size_t
codec_extent(const uint8_t *data, size_t len)
{
	size_t n = ZSTD_findFrameCompressedSize(data, len);

	return ZSTD_isError(n) ? 0 : n;
}

int
codec_room(struct buf *b, size_t len)
{
	uint8_t *data;

	b->len = 0;
	if (b->cap >= len)
		return ERR_OK;
	buf_finish(b);
	data = malloc(len);
	if (data == NULL)
		return ERR_NOMEM;
	*b = (struct buf){.data = data, .len = 0, .cap = len};
	return ERR_OK;
}

void
codec_trim(struct buf *b)
{
	b->len = 0;
	if (b->cap > CODEC_KEEP)
		buf_finish(b);
}
