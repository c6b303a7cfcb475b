/*
 * Queries about single documents: reading one, and replacing one if it is still what it was. Each
 * function appends a query to ${out} and returns ERR_OK or ERR_NOMEM. Pure; any thread.
 */
#ifndef THINKBACK_RDB_QUERY_WRITE_H
#define THINKBACK_RDB_QUERY_WRITE_H

#include "snapshot/rdb/query.h"

/* A document to be replaced. Not owned. */
struct query_swap {
	struct query_table table;
	const struct buf *key; /* canonical JSON */
	const struct buf
	    *expected;          /* what has to be there, as the server sent it; empty: nothing */
	const struct buf *want; /* canonical JSON of what is to be there; empty: nothing */
	bool ignore_hook;       /* pass the table's write hook by; needs the config permission */
};

/* query_get(out, t, key): the document with that key, or null. */
int query_get(struct buf *out, const struct query_table *t, const struct buf *key);

/*
 * query_swap(out, swap):
 * Replace the document if the server still prints it as expected: its text is compared, because
 * values that the server takes for equal (0 and -0.0, one time in two time zones) are not the same
 * bytes. Where nothing is expected, a document that is there is the error "Duplicate primary key".
 * Durable when it is answered.
 */
int query_swap(struct buf *out, const struct query_swap *swap);

#endif
