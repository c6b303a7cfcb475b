/*
 * What a server answers (server source rdb_protocol/ql2.proto): {"t":TYPE,"r":[RESULTS],...}, with
 * "e" for errors. Bytes are looked at, never parsed into trees. Pure; any thread.
 */
#ifndef THINKBACK_RDB_RESPONSE_H
#define THINKBACK_RDB_RESPONSE_H

#include "snapshot/json/member.h"

#include <stdbool.h>

enum response_type {
	RESPONSE_ATOM = 1,     /* one result */
	RESPONSE_SEQUENCE = 2, /* results, and these are the last */
	RESPONSE_PARTIAL = 3   /* results, and there may be more */
};

/* An answer, taken apart; spans lie in the bytes that were read. */
struct response {
	unsigned type;
	unsigned error;             /* kind of a run-time error; 0 when not told */
	struct member_span results; /* an array */
};

/*
 * response_read(data, len, out, e):
 * Take an answer apart. Return ERR_OK, or ERR_FORMAT when it is none.
 */
int response_read(const void *data, size_t len, struct response *out, struct err *e);

/*
 * response_check(r, e):
 * Whether the answer holds results. Return ERR_OK, or what the server's error means, with its text
 * (shortened) in ${e}: ERR_DENIED (a permission is missing; the text tells what to do), ERR_ABSENT
 * (database, table or document is not there), ERR_BUSY (replicas are not available; may pass),
 * ERR_LIMIT (resources), ERR_IO (internal error of the server), ERR_VERSION (a term that this
 * server does not have), ERR_FORMAT (anything else).
 */
int response_check(const struct response *r, struct err *e);

/*
 * response_first(r, out):
 * The first result. Return ERR_OK, ERR_ABSENT when there is none or it is null, or ERR_FORMAT.
 */
int response_first(const struct response *r, struct member_span *out);

#endif
