/*
 * Base64 as RethinkDB and SCRAM write it. Reading takes line breaks (the server breaks lines every
 * 76 characters) and any number of closing '='. Pure; any thread.
 */
#ifndef THINKBACK_RDB_BASE64_H
#define THINKBACK_RDB_BASE64_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"

#include <stddef.h>

/* base64_encode(data, len, out): append the text of ${len} bytes. Return ERR_OK or ERR_NOMEM. */
int base64_encode(const void *data, size_t len, struct buf *out);

/*
 * base64_decode(text, len, out):
 * Append the bytes that ${text} stands for. Return ERR_OK; ERR_FORMAT (${out} as before) when it is
 * no base64; ERR_NOMEM.
 */
int base64_decode(const void *text, size_t len, struct buf *out);

#endif
