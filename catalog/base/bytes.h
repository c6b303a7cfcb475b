/*
 * Little-endian integers, variable-length integers and overflow-checked arithmetic. All formats on
 * disk and on the wire go through these: no structure is ever laid over bytes. Pure; any thread.
 */
#ifndef THINKBACK_BASE_BYTES_H
#define THINKBACK_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BYTES_VARINT_MAX 10 /* bytes of the longest varint */

/* bytes_put16(p, v): store ${v} in the 2 bytes at ${p}. */
static inline void
bytes_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

/* bytes_put32(p, v): store ${v} in the 4 bytes at ${p}. */
static inline void
bytes_put32(uint8_t *p, uint32_t v)
{
	bytes_put16(p, (uint16_t)v);
	bytes_put16(p + 2, (uint16_t)(v >> 16));
}

/* bytes_put64(p, v): store ${v} in the 8 bytes at ${p}. */
static inline void
bytes_put64(uint8_t *p, uint64_t v)
{
	bytes_put32(p, (uint32_t)v);
	bytes_put32(p + 4, (uint32_t)(v >> 32));
}

/* bytes_get16(p): the integer in the 2 bytes at ${p}. */
static inline uint16_t
bytes_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | (unsigned)p[1] << 8);
}

/* bytes_get32(p): the integer in the 4 bytes at ${p}. */
static inline uint32_t
bytes_get32(const uint8_t *p)
{
	return (uint32_t)bytes_get16(p) | (uint32_t)bytes_get16(p + 2) << 16;
}

/* bytes_get64(p): the integer in the 8 bytes at ${p}. */
static inline uint64_t
bytes_get64(const uint8_t *p)
{
	return (uint64_t)bytes_get32(p) | (uint64_t)bytes_get32(p + 4) << 32;
}

/*
 * bytes_put_varint(p, v):
 * Store ${v} at ${p} (room for BYTES_VARINT_MAX bytes), seven bits a byte, lowest first, the top
 * bit set on all but the last. Return the number of bytes stored.
 */
static inline size_t
bytes_put_varint(uint8_t *p, uint64_t v)
{
	size_t n = 0;

	while (v >= 0x80) {
		p[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	p[n++] = (uint8_t)v;
	return n;
}

/*
 * bytes_get_varint(p, end, v):
 * Read a varint that starts at ${p} and does not reach ${end}. Return the number of bytes read and
 * set ${v}, or 0 with ${v} untouched when it is cut off or longer than 64 bits.
 */
static inline size_t
bytes_get_varint(const uint8_t *p, const uint8_t *end, uint64_t *v)
{
	uint64_t out = 0;

	for (size_t n = 0; n < BYTES_VARINT_MAX && p + n < end; n++) {
		if (n == 9 && p[n] > 1)
			return 0;
		out |= (uint64_t)(p[n] & 0x7f) << (7 * n);
		if ((p[n] & 0x80) == 0) {
			*v = out;
			return n + 1;
		}
	}
	return 0;
}

/* bytes_add(a, b, out): set ${out} to ${a} + ${b}; return false, ${out} untouched, on overflow. */
static inline bool
bytes_add(uint64_t a, uint64_t b, uint64_t *out)
{
	if (a > UINT64_MAX - b)
		return false;
	*out = a + b;
	return true;
}

/* bytes_mul(a, b, out): set ${out} to ${a} * ${b}; return false, ${out} untouched, on overflow. */
static inline bool
bytes_mul(uint64_t a, uint64_t b, uint64_t *out)
{
	if (b != 0 && a > UINT64_MAX / b)
		return false;
	*out = a * b;
	return true;
}

#endif
