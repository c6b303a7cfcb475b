/*
 * Canonical JSON: the bytes that RethinkDB itself prints for a document (thinkback-names(7) and the
 * server's rdb_protocol/datum.cc, RapidJSON's Writer): no blanks, object keys sorted bytewise,
 * escapes only for '"', '\' and bytes under 0x20, raw UTF-8, numbers as the shortest text that
 * reads back as the same double in the server's form (integers up to 2^53 plain, else "1.5",
 * "1.5e-7", "123456789012345680000.0", "1e21", "-0.0"). The same document always becomes the same
 * bytes.
 *
 * A struct canon keeps its memory between documents; it belongs to one thread at a time. It never
 * recurses on input and holds at most a small multiple of the document.
 */
#ifndef THINKBACK_JSON_CANON_H
#define THINKBACK_JSON_CANON_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"

#include <stddef.h>
#include <stdint.h>

#define CANON_DEPTH_MAX 20000u    /* nested arrays and objects that the server takes */
#define CANON_SIZE_MAX 134216704u /* canonical bytes: 128 MiB less room for the query around it */
#define CANON_NUMBER_MAX 32       /* bytes of the longest canonical number, with a NUL */

/* Opaque types. */
struct canon;

/* Where in its input a document is wrong. */
struct canon_where {
	size_t offset;   /* bytes from the start of the input */
	uint64_t line;   /* from 1 */
	uint64_t column; /* from 1, in bytes */
};

/* canon_create(): a canonicaliser, to be freed with canon_free; NULL when out of memory. */
struct canon *canon_create(void);

/* canon_free(c): free ${c}, which may be NULL. */
void canon_free(struct canon *c);

/*
 * canon_value(c, in, len, out, where, e):
 * Append the canonical form of the one JSON value in the ${len} bytes at ${in} (blanks around it
 * allowed) to ${out}. Return ERR_OK; ERR_FORMAT for bad JSON, bad UTF-8, a lone surrogate, a key
 * that occurs twice, a number beyond a double; ERR_LIMIT over CANON_DEPTH_MAX or CANON_SIZE_MAX;
 * ERR_NOMEM. On failure ${out} is as before, ${where} (may be NULL) tells the place, and the text
 * of ${e} says what was found and what was expected, without the place.
 */
int canon_value(struct canon *c, const void *in, size_t len, struct buf *out,
    struct canon_where *where, struct err *e);

/*
 * canon_number(number, out):
 * Write a finite ${number} in canonical form, NUL-terminated. Return its length.
 */
size_t canon_number(double number, char out[CANON_NUMBER_MAX]);

/*
 * canon_put_string(out, bytes, len):
 * Append the canonical JSON string of the UTF-8 ${bytes}, with its quotes; invalid UTF-8 becomes
 * U+FFFD. For writing JSON by hand. Return ERR_OK or ERR_NOMEM.
 */
int canon_put_string(struct buf *out, const void *bytes, size_t len);

/*
 * canon_utf8(bytes, len):
 * The length of the valid UTF-8 prefix of the bytes (surrogates and over-long forms are invalid);
 * ${len} when all of it is. Pure; any thread.
 */
size_t canon_utf8(const void *bytes, size_t len);

#endif
