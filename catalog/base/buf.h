/*
 * A growable byte buffer. A zeroed struct buf is a valid empty one; capacity is kept by buf_clear,
 * so that one buffer serves many documents without allocating. Sizes are checked: a buffer never
 * wraps. Not thread-safe; different buffers are independent.
 */
#ifndef THINKBACK_BASE_BUF_H
#define THINKBACK_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data; /* owned; NULL while cap is 0 */
	size_t len;    /* bytes in use */
	size_t cap;    /* bytes allocated */
};

/*
 * buf_reserve(b, more):
 * Make room for ${more} bytes after the ones in use. Return ERR_OK, or ERR_NOMEM with ${b}
 * unchanged. Amortised O(1) a byte.
 */
int buf_reserve(struct buf *b, size_t more);

/*
 * buf_append(b, data, len):
 * Append ${len} bytes. Return ERR_OK, or ERR_NOMEM with ${b} unchanged.
 */
int buf_append(struct buf *b, const void *data, size_t len);

/*
 * buf_putc(b, c):
 * Append one byte. Return ERR_OK, or ERR_NOMEM with ${b} unchanged.
 */
int buf_putc(struct buf *b, uint8_t c);

/*
 * buf_puts(b, s):
 * Append the string ${s} without its NUL. Return ERR_OK, or ERR_NOMEM with ${b} unchanged.
 */
int buf_puts(struct buf *b, const char *s);

/*
 * buf_printf(b, fmt, ...):
 * Append formatted text without its NUL. Return ERR_OK, or ERR_NOMEM with ${b} unchanged.
 */
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * buf_str(b):
 * End the contents with a NUL that does not count in len, and return them as a string, valid until
 * the next change of ${b}. Return NULL when out of memory.
 */
const char *buf_str(struct buf *b);

/*
 * buf_clear(b):
 * Forget the contents and keep the memory.
 */
void buf_clear(struct buf *b);

/*
 * buf_finish(b):
 * Free the memory; ${b} (which may be NULL) is a valid empty buffer again.
 */
void buf_finish(struct buf *b);

#endif
