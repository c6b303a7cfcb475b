/* Both ends of the small files of packs/: the contracts are in seal.h. */
#include "snapshot/store/seal.h"

#include "catalog/base/bytes.h"

#include <string.h>

#define SEAL_MAGIC 8u /* bytes of a magic */

void
seal_begin(const struct seal_kind *kind, uint8_t head[SEAL_HEAD])
{
	memcpy(head, kind->magic, SEAL_MAGIC);
	bytes_put32(head + SEAL_VERSION, kind->version);
	bytes_put32(head + SEAL_FLAGS, 0);
}

int
seal_end(struct buf *out)
{
	uint8_t digest[SEAL_END];
	int rc = digest_whole(out->data, out->len, digest);

	return rc == ERR_OK ? buf_append(out, digest, sizeof(digest)) : rc;
}

int
seal_check(const struct seal_kind *kind, const uint8_t *data, size_t len, const char **why)
{
	uint8_t digest[SEAL_END];

	*why = "it is cut off";
	if (len < SEAL_HEAD + SEAL_END)
		return ERR_CORRUPT;
	*why = "its first bytes are not those of its kind";
	if (memcmp(data, kind->magic, SEAL_MAGIC) != 0)
		return ERR_CORRUPT;
	len -= SEAL_END;
	if (digest_whole(data, len, digest) != ERR_OK)
		return ERR_NOMEM;
	*why = "its checksum is wrong";
	if (memcmp(digest, data + len, SEAL_END) != 0)
		return ERR_CORRUPT;
	*why = "it is of no known version";
	if (bytes_get32(data + SEAL_VERSION) == 0)
		return ERR_CORRUPT;
	*why = "its format is newer";
	if (bytes_get32(data + SEAL_VERSION) > kind->version ||
	    (bytes_get32(data + SEAL_FLAGS) & SEAL_FLAGS_REQUIRED) != 0)
		return ERR_VERSION;
	return ERR_OK;
}
