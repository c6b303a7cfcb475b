/*
 * Looking at eight bytes at once. A word is loaded so that its lowest byte is the first one in
 * memory, on any machine. The tests give a mask with the top bit of a byte set where it holds; only
 * the lowest of these bits is to be relied on (word_first). Pure; any thread.
 */
#ifndef THINKBACK_JSON_WORD_H
#define THINKBACK_JSON_WORD_H

#include "catalog/base/bytes.h"

#include <stddef.h>
#include <stdint.h>

#define WORD_LEN 8                             /* bytes of a word */
#define WORD_ONES UINT64_C(0x0101010101010101) /* 1 in each byte */
#define WORD_TOPS UINT64_C(0x8080808080808080) /* the top bit of each byte */

/* word_load(p): the 8 bytes at ${p}. */
static inline uint64_t
word_load(const uint8_t *p)
{
	return bytes_get64(p);
}

/* word_equal(w, c): mask of the bytes of ${w} that are ${c}. */
static inline uint64_t
word_equal(uint64_t w, uint8_t c)
{
	uint64_t x = w ^ WORD_ONES * c;
	return (x - WORD_ONES) & ~x & WORD_TOPS;
}

/* word_less(w, c): mask of the bytes of ${w} that are under ${c}, which is at most 0x80. */
static inline uint64_t
word_less(uint64_t w, uint8_t c)
{
	return (w - WORD_ONES * c) & ~w & WORD_TOPS;
}

/* word_first(mask): the number (0 to 7) of the first byte in a mask that is not 0. */
static inline size_t
word_first(uint64_t mask)
{
	return (size_t)__builtin_ctzll(mask) / 8;
}

#endif
