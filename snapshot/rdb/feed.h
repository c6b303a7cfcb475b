/*
 * The elements of a changefeed that was asked for by query_feed (server source
 * rdb_protocol/changefeed.cc): states, initial documents in any order, changes in between. The
 * words of the server stand beside new_val and old_val, what users have stored stands in these, so
 * that no document can pass for a state. Pure; any thread.
 */
#ifndef THINKBACK_RDB_FEED_H
#define THINKBACK_RDB_FEED_H

#include "catalog/base/err.h"
#include "snapshot/json/member.h"

enum feed_word {
	FEED_STATE,    /* nothing about a document */
	FEED_READY,    /* all before it together are the table as it was at one time */
	FEED_DOCUMENT, /* what has its key now */
	FEED_DELETION  /* its key has nothing any more */
};

/*
 * feed_read(element, word, document, e):
 * Tell what ${element} says; ${document} is the new or, for a deletion, the old document in it.
 * Return ERR_OK; ERR_LIMIT when the server has dropped changes, because they came faster than they
 * were read: what came of the feed is worth nothing then; ERR_FORMAT when it is no feed's element.
 */
int feed_read(const struct member_span *element, enum feed_word *word, struct member_span *document,
    struct err *e);

#endif
