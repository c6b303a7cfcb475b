/*
 * Looking into canonical JSON without building a tree. The input must be what canon_value has
 * written; damage in it that is met is answered with ERR_FORMAT, never with a read out of bounds.
 * Pure; any thread; no recursion.
 */
#ifndef THINKBACK_JSON_MEMBER_H
#define THINKBACK_JSON_MEMBER_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"

#include <stddef.h>
#include <stdint.h>

/* A part of the input: not owned, lives as long as the input. */
struct member_span {
	const uint8_t *data;
	size_t len;
};

/* A walk over an object's members or an array's elements; zero it to start. */
struct member_walk {
	size_t pos; /* next byte to read */
};

/*
 * member_find(object, len, name, name_len, out):
 * The value of the member ${name} (raw UTF-8, not JSON) of an object. Return ERR_OK and set ${out};
 * ERR_ABSENT when the object has none; ERR_FORMAT when it is no object.
 */
int member_find(
    const void *object, size_t len, const void *name, size_t name_len, struct member_span *out);

/*
 * member_next(object, len, walk, name, value):
 * The next member: ${name} is its JSON string with quotes, ${value} its JSON. Return ERR_OK,
 * ERR_END, or ERR_FORMAT.
 */
int member_next(const void *object, size_t len, struct member_walk *walk, struct member_span *name,
    struct member_span *value);

/*
 * member_element(array, len, walk, value):
 * The next element of an array. Return ERR_OK, ERR_END, or ERR_FORMAT.
 */
int
member_element(const void *array, size_t len, struct member_walk *walk, struct member_span *value);

/*
 * member_string(value, len, out):
 * Append the decoded bytes of a JSON string. Return ERR_OK, ERR_FORMAT when it is no string (${out}
 * as before), or ERR_NOMEM.
 */
int member_string(const void *value, size_t len, struct buf *out);

#endif
