/*
 * Primary keys between canonical JSON and store-key bytes (catalog/key.h). Types: string, number,
 * bool, array of these, BINARY, TIME; not null, object, geometry. A TIME's time zone is no part of
 * the key: it comes back as "+00:00"; times are rounded to milliseconds as the server does. -0.0 is
 * the key 0. Pure; any thread; no recursion.
 */
#ifndef THINKBACK_JSON_JSONKEY_H
#define THINKBACK_JSON_JSONKEY_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"
#include "catalog/key.h"

#include <stddef.h>

/*
 * jsonkey_read(value, len, out, e):
 * Make a key of a canonical JSON value. Return ERR_OK and set ${out}; ERR_KEY (text says why: the
 * type is not one that a key can have, a string holds a NUL, it is longer than the server takes).
 */
int jsonkey_read(const void *value, size_t len, struct key *out, struct err *e);

/*
 * jsonkey_prefix(value, len, out):
 * For canonical JSON that has been cut off somewhere: set ${out} to bytes that the key of each
 * value beginning like this begins with, as many as are certain (maybe none). Return ERR_OK, or
 * ERR_KEY when no key begins like this.
 */
int jsonkey_prefix(const void *value, size_t len, struct key *out);

/*
 * jsonkey_of(document, len, primary_key, out, e):
 * The key of a canonical document whose key field is ${primary_key} (UTF-8). Return ERR_OK and set
 * ${out}; ERR_KEY when the field is missing (text names it) or as jsonkey_read; ERR_FORMAT when it
 * is no object.
 */
int jsonkey_of(
    const void *document, size_t len, const char *primary_key, struct key *out, struct err *e);

/*
 * jsonkey_write(k, out):
 * Append the canonical JSON of a key. Return ERR_OK, ERR_CORRUPT when the bytes are no key, or
 * ERR_NOMEM.
 */
int jsonkey_write(const struct key *k, struct buf *out);

#endif
