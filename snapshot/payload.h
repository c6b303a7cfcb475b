/*
 * Reading what somebody copied in: one object, an array of objects, or one object a line; each one
 * a document of a known table. Used to check a file before it is queued and to carry it out
 * afterwards, so that both see the same documents.
 */
#ifndef THINKBACK_SNAPSHOT_PAYLOAD_H
#define THINKBACK_SNAPSHOT_PAYLOAD_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"
#include "catalog/key.h"

#include <stddef.h>
#include <stdint.h>

/* Where the bytes come from. */
struct payload_input {
	/* Put up to ${room} bytes from ${off} on into ${out}, set ${got} (0 only at the end). */
	int (*read)(void *arg, uint64_t off, void *out, size_t room, size_t *got, struct err *e);
	void *arg;
};

/*
 * payload_read(in, primary_key, found, arg, documents, e):
 * Read all documents, and hand each one's key and canonical bytes to ${found} (which may be NULL:
 * only check); a result of ${found} other than ERR_OK ends the reading and is returned. Sets
 * ${documents} to the number of documents. Return ERR_OK; ERR_FORMAT for bad JSON, something that
 * is no object, or nothing at all; ERR_KEY for a key field that is missing or of a type that
 * RethinkDB has not; ERR_LIMIT for a document over the limits; a failure of in->read. Texts have
 * line and column of the input.
 */
int payload_read(const struct payload_input *in, const char *primary_key,
    int (*found)(void *arg, const struct key *key, const struct buf *document, struct err *e),
    void *arg, uint64_t *documents, struct err *e);

#endif
