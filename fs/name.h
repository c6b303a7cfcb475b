/*
 * File names of documents: a reversible encoding of keys (thinkback-names(7)). A string key is
 * itself, with %XX (upper-case hex) for '%', '/', bytes under 0x20, 0x7f, invalid UTF-8, a leading
 * '.' or '=', and the empty key as a bare "%"; every other key is '=' and its canonical JSON text,
 * encoded the same way. ".json" follows. A name that would pass NAME_MAX_BYTES is cut at a whole
 * character and ends in
 * "%~", 32 hex digits of the SHA-256 of the store key, and ".json". Two keys never have the same
 * name. Pure; any thread.
 */
#ifndef THINKBACK_FS_NAME_H
#define THINKBACK_FS_NAME_H

#include "catalog/base/err.h"
#include "catalog/key.h"

#include <stdbool.h>
#include <stddef.h>

#define NAME_MAX_BYTES 255 /* of a file name, ".json" included */
#define NAME_ROOM 256      /* with the NUL */

/*
 * name_of_key(k, out):
 * Write the file name of a key. Return ERR_OK, ERR_CORRUPT when ${k} is no key, or ERR_NOMEM.
 */
int name_of_key(const struct key *k, char out[NAME_ROOM]);

/*
 * name_to_key(name, k, cut):
 * The key that a file name stands for. Return ERR_OK and set ${k}, with ${cut} false; or, for a
 * name with "%~", ${cut} true and in ${k} a store key's first bytes: every key with this name
 * begins with them (a search has to compare name_of_key of those). Return ERR_ABSENT when no key
 * has this name: not ending in ".json", or not in the one spelling that name_of_key gives;
 * ERR_NOMEM.
 */
int name_to_key(const char *name, struct key *k, bool *cut);

/*
 * name_is_scratch(name):
 * Whether a file of this name, copied into a table directory, is work in progress of some program
 * and never a restore: a leading dot, no ".json" at the end, a trailing '~', ".swp", ".swx", and
 * the like.
 */
bool name_is_scratch(const char *name);

#endif
