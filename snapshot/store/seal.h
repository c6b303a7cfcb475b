/*
 * What the small files of packs/ have in common (thinkback-pack(5)): they begin with a magic, the
 * version of their format and flags, and end in the SHA-256 of all that is before it, in every
 * version. So a file whose checksum is right and whose version is later was made by a newer
 * thinkback, and one whose checksum is wrong is damaged, whatever version it names. Pure; any
 * thread.
 */
#ifndef THINKBACK_STORE_SEAL_H
#define THINKBACK_STORE_SEAL_H

#include "catalog/base/buf.h"
#include "catalog/base/digest.h"
#include "catalog/base/err.h"

#include <stddef.h>
#include <stdint.h>

#define SEAL_HEAD 16u                   /* bytes of magic, version and flags */
#define SEAL_END DIGEST_FULL            /* bytes of the digest */
#define SEAL_VERSION 8u                 /* where the version is: u32 */
#define SEAL_FLAGS 12u                  /* where the flags are: u32 */
#define SEAL_FLAGS_REQUIRED 0x0000ffffu /* who does not know one of these must not read on */

/* A kind of file. */
struct seal_kind {
	const char *magic; /* 8 bytes */
	uint32_t version;  /* the last that is known */
};

/* seal_begin(kind, head): write magic, version and flags. */
void seal_begin(const struct seal_kind *kind, uint8_t head[SEAL_HEAD]);

/* seal_end(out): append the digest of all that is in ${out}. ERR_OK or ERR_NOMEM. */
int seal_end(struct buf *out);

/*
 * seal_check(kind, data, len, why):
 * Judge both ends of ${len} bytes. Return ERR_OK: between them are ${len} - SEAL_HEAD - SEAL_END
 * bytes; ERR_CORRUPT and ERR_VERSION, ${why} says how; or ERR_NOMEM.
 */
int seal_check(const struct seal_kind *kind, const uint8_t *data, size_t len, const char **why);

#endif
