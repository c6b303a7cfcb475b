/*
 * The documents of a query's answer, cut out of the server's bytes. While those of one part are
 * handed out the next part is on its way already. Memory: one part. A struct scan belongs to one
 * thread at a time.
 */
#ifndef THINKBACK_RDB_SCAN_H
#define THINKBACK_RDB_SCAN_H

#include "snapshot/json/member.h"
#include "snapshot/rdb/connection.h"

/* Opaque types. */
struct scan;

/*
 * scan_open(c, query, out, e):
 * Start a query on ${c}, which must live longer than the scan. Return ERR_OK and set ${out}, to be
 * closed with scan_close, or what connection_start returns.
 */
int scan_open(struct connection *c, const struct buf *query, struct scan **out, struct err *e);

/* scan_close(s): end the answer if more of it could come, and free; ${s} may be NULL. */
void scan_close(struct scan *s);

/*
 * scan_next(s, out, e):
 * The next document, valid until the next call. Return ERR_OK; ERR_END after the last; what
 * response_check makes of an error of the server, or connection_receive of a lost connection. After
 * anything but ERR_OK only scan_last and scan_close are allowed.
 */
int scan_next(struct scan *s, struct member_span *out, struct err *e);

/*
 * scan_try(s, out, e):
 * The same without waiting: out->data is NULL when the next document has not come yet.
 */
int scan_try(struct scan *s, struct member_span *out, struct err *e);

/*
 * scan_last(s, field, out):
 * Put the JSON of member ${field} of the document that was handed out last into ${out}, replacing
 * what it holds; nothing is changed when none was. Return ERR_OK; ERR_FORMAT when it has no such
 * member; ERR_NOMEM.
 */
int scan_last(const struct scan *s, const char *field, struct buf *out);

#endif
