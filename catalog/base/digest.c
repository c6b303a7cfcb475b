/* SHA-256: the contracts are in digest.h. */
#include "catalog/base/digest.h"

#include "catalog/base/err.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

struct digest {
	EVP_MD *md;      /* fetched once: a fetch costs more than the digest of a document */
	EVP_MD_CTX *ctx; /* reused for every digest */
};

struct digest *
digest_create(void)
{
	struct digest *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	d->ctx = EVP_MD_CTX_new();
	if (d->md == NULL || d->ctx == NULL) {
		digest_free(d);
		return NULL;
	}
	return d;
}

void
digest_free(struct digest *d)
{
	if (d == NULL)
		return;
	EVP_MD_CTX_free(d->ctx);
	EVP_MD_free(d->md);
	free(d);
}

int
digest_start(struct digest *d)
{
	return EVP_DigestInit_ex2(d->ctx, d->md, NULL) == 1 ? ERR_OK : ERR_NOMEM;
}

int
digest_update(struct digest *d, const void *data, size_t len)
{
	return EVP_DigestUpdate(d->ctx, data, len) == 1 ? ERR_OK : ERR_NOMEM;
}

int
digest_final(struct digest *d, uint8_t out[DIGEST_FULL])
{
	return EVP_DigestFinal_ex(d->ctx, out, NULL) == 1 ? ERR_OK : ERR_NOMEM;
}

int
digest_document(struct digest *d, const void *data, size_t len, uint8_t out[DIGEST_LEN])
{
	uint8_t full[DIGEST_FULL];

	if (digest_start(d) != ERR_OK || digest_update(d, data, len) != ERR_OK ||
	    digest_final(d, full) != ERR_OK)
		return ERR_NOMEM;
	memcpy(out, full, DIGEST_LEN);
	return ERR_OK;
}

int
digest_whole(const void *data, size_t len, uint8_t out[DIGEST_FULL])
{
	struct digest *d = digest_create();
	int rc = ERR_NOMEM;

	if (d != NULL && digest_start(d) == ERR_OK && digest_update(d, data, len) == ERR_OK)
		rc = digest_final(d, out);
	digest_free(d);
	return rc;
}
