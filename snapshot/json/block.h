/*
 * Looking at 64 bytes of JSON at once: where its quotes, backslashes and brackets are. Bit i of a
 * mask stands for byte i. With SSE2, which every x86-64 has, or else eight bytes at a time. Pure;
 * any thread.
 */
#ifndef THINKBACK_JSON_BLOCK_H
#define THINKBACK_JSON_BLOCK_H

#include "snapshot/json/word.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define BLOCK_LEN 64  /* bytes of a block */
#define BLOCK_FOLD 32 /* the bit in which '[' and '{' differ, and ']' and '}' */

struct block {
	uint64_t quotes;  /* '"' */
	uint64_t escapes; /* '\' */
	uint64_t opens;   /* '[' and '{' */
	uint64_t closes;  /* ']' and '}' */
};

#ifdef __SSE2__

/* The bytes of ${v} that are ${c}. */
static inline uint64_t
block_equal(__m128i v, char c)
{
	return (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(c)));
}

/* block_look(p, out): find them in the BLOCK_LEN bytes at ${p}. */
static inline void
block_look(const uint8_t *p, struct block *out)
{
	*out = (struct block){0};
	for (unsigned i = 0; i < BLOCK_LEN; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
		__m128i folded = _mm_or_si128(v, _mm_set1_epi8(BLOCK_FOLD));
		out->quotes |= block_equal(v, '"') << i;
		out->escapes |= block_equal(v, '\\') << i;
		out->opens |= block_equal(folded, '{') << i;
		out->closes |= block_equal(folded, '}') << i;
	}
}

#else

/* The bytes of ${w} that are ${c}, in the lowest bits: unlike word_equal, exactly these. */
static inline uint64_t
block_equal(uint64_t w, uint8_t c)
{
	uint64_t x = w ^ WORD_ONES * c;
	uint64_t zero = ~(((x & ~WORD_TOPS) + ~WORD_TOPS) | x | ~WORD_TOPS);

	/* Brings bit 8 * i, of which there is one for each byte, to bit 56 + i. */
	return (zero >> 7) * UINT64_C(0x0102040810204080) >> 56;
}

static inline void
block_look(const uint8_t *p, struct block *out)
{
	*out = (struct block){0};
	for (unsigned i = 0; i < BLOCK_LEN; i += WORD_LEN) {
		uint64_t w = word_load(p + i);
		uint64_t folded = w | WORD_ONES * BLOCK_FOLD;
		out->quotes |= block_equal(w, '"') << i;
		out->escapes |= block_equal(w, '\\') << i;
		out->opens |= block_equal(folded, '{') << i;
		out->closes |= block_equal(folded, '}') << i;
	}
}

#endif

/* block_inside(quotes): the bytes from each quote of an odd number on to the one behind it. */
static inline uint64_t
block_inside(uint64_t quotes)
{
	for (unsigned by = 1; by < BLOCK_LEN; by *= 2)
		quotes ^= quotes << by;
	return quotes;
}

#endif
