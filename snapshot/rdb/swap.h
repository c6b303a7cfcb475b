/*
 * Replacing documents of a table by compare-and-set: what is on the server is read, its reader
 * decides, and a document is replaced only if it is still what was read. No write of somebody
 * else's is ever lost unseen. Several queries are on their way at a time. A struct swap belongs to
 * one thread at a time.
 */
#ifndef THINKBACK_RDB_SWAP_H
#define THINKBACK_RDB_SWAP_H

#include "catalog/base/buf.h"
#include "catalog/base/digest.h"
#include "catalog/key.h"
#include "snapshot/rdb/connection.h"
#include "snapshot/rdb/query.h"

#include <stdbool.h>

#define SWAP_ITEMS 64 /* documents dealt with at a time */
#define SWAP_DEPTH                                                                                 \
	1500u /* levels of nesting that are sent without being asked to: at 3,000 a server's       \
	       * process has ended (its coroutines have small stacks) */

enum swap_state {
	SWAP_READ,  /* to be read */
	SWAP_WRITE, /* to be written */
	SWAP_DONE,  /* it is there as wanted */
	SWAP_FAILED /* it cannot be; why says the reason */
};

/* A document to be replaced. Zero it first; swap_item_finish frees what it holds. */
struct swap_item {
	struct key key;
	struct buf want;  /* canonical JSON of what is to be there; empty: nothing */
	struct buf there; /* what is there, as the server sent it; empty: nothing */
	struct buf found; /* the canonical form of that */
	enum swap_state state;
	uint64_t token; /* of the query on its way; 0: none */
	bool written;   /* the server has said that it wrote it */
	struct err why; /* of a failed one */
};

/* A table on a connection. */
struct swap {
	struct connection *c; /* not owned */
	struct query_table table;
	bool ignore_hook;                      /* pass the table's write hook by */
	bool deep;                             /* send documents of any depth */
	int (*step)(void *arg, struct err *e); /* called often, may be NULL; not ERR_OK: give up */
	void *arg;                             /* for step */
};

/* swap_item_finish(item): free what it holds. */
void swap_item_finish(struct swap_item *item);

/*
 * swap_mark(document, len, out):
 * Put a digest into ${out} that tells a canonical document from others, whether it is read back
 * from a server or was sent there. Return ERR_OK or ERR_NOMEM.
 */
int swap_mark(const void *document, size_t len, uint8_t out[DIGEST_LEN]);

/*
 * swap_passing(document, len):
 * Whether the canonical document is one that swap_write writes for a moment, when the server takes
 * what is wanted for equal to what is there though it is not: only a crash leaves one.
 */
bool swap_passing(const void *document, size_t len);

/*
 * swap_read(s, items, n, e):
 * Read the documents of all items in the state SWAP_READ, at most SWAP_ITEMS; they stay in that
 * state. Return ERR_OK, what response_check makes of the server's answer, or a failure of the
 * connection.
 */
int swap_read(const struct swap *s, struct swap_item *items, size_t n, struct err *e);

/*
 * swap_write(s, items, n, e):
 * No item may be in the state SWAP_READ. Replace each document in the state SWAP_WRITE if it is
 * still what swap_read has found, durably, and read it back. Afterwards it is SWAP_DONE;
 * SWAP_FAILED when the server does not take it or gives back another one; or SWAP_READ when it was
 * changed in between, so that it is to be read again. Returns as swap_read; after a failure what is
 * written is not known.
 */
int swap_write(const struct swap *s, struct swap_item *items, size_t n, struct err *e);

#endif
