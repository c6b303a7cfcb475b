/*
 * Digests: SHA-256 by OpenSSL's libcrypto. A document's digest is SHA-256 of its canonical bytes
 * cut to 16 bytes; it decides whether two versions are the same and whether what came back is what
 * was saved. A struct digest belongs to one thread at a time.
 */
#ifndef THINKBACK_BASE_DIGEST_H
#define THINKBACK_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_LEN 16  /* bytes of a document's digest */
#define DIGEST_FULL 32 /* bytes of a whole SHA-256 */

/* Opaque types. */
struct digest;

/* digest_create(): return a digest context, to be freed with digest_free; NULL when out of memory.
 */
struct digest *digest_create(void);

/* digest_free(d): free ${d}, which may be NULL. */
void digest_free(struct digest *d);

/*
 * digest_document(d, data, len, out):
 * Put the digest of the ${len} canonical bytes at ${data} into ${out}. Return ERR_OK or ERR_NOMEM.
 */
int digest_document(struct digest *d, const void *data, size_t len, uint8_t out[DIGEST_LEN]);

/*
 * digest_start(d), digest_update(d, data, len), digest_final(d, out):
 * The whole SHA-256 of a stream. Each returns ERR_OK or ERR_NOMEM. digest_document may not be
 * called on ${d} between start and final.
 */
int digest_start(struct digest *d);
int digest_update(struct digest *d, const void *data, size_t len);
int digest_final(struct digest *d, uint8_t out[DIGEST_FULL]);

/* digest_whole(data, len, out): the same of ${len} bytes at once. ERR_OK or ERR_NOMEM. Any thread.
 */
int digest_whole(const void *data, size_t len, uint8_t out[DIGEST_FULL]);

#endif
