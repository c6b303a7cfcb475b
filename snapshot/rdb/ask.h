/*
 * Asking a server one thing and waiting for the answer, for everything that is not a stream of
 * documents. Threads as in connection.h.
 */
#ifndef THINKBACK_RDB_ASK_H
#define THINKBACK_RDB_ASK_H

#include "snapshot/json/member.h"
#include "snapshot/rdb/connection.h"

/*
 * ask_first(c, query, answer, out, e):
 * Ask ${query}, put the answer into ${answer} and set ${out} to its first result, in there; its
 * data is NULL when that is null. Return ERR_OK; what response_check makes of an error of the
 * server; what connection_receive returns when the connection is lost.
 */
int ask_first(struct connection *c, const struct buf *query, struct buf *answer,
    struct member_span *out, struct err *e);

#endif
