/*
 * A stream that plays a server: what it says is told beforehand, what it is told is kept. It can be
 * filled from a recording of a real server (one JSON object a line, with "dir" and "hex").
 */
#ifndef THINKBACK_TESTS_PLAYED_H
#define THINKBACK_TESTS_PLAYED_H

#include "catalog/base/buf.h"
#include "snapshot/rdb/transport.h"

#include <stdbool.h>

struct played {
	struct transport base;
	struct buf says;    /* all that the server sends */
	size_t said;        /* bytes of it that have been read */
	struct buf expects; /* all that a recorded client sent */
	struct buf told;    /* all that has been written so far */
	size_t piece;       /* bytes that one read gives at most; 0: all there are */
	bool breaks;        /* behind the last byte the connection breaks, else it ends */
};

/* played_start(p): make ${p} an empty stream; closing it frees nothing. played_finish(p): free. */
void played_start(struct played *p);
void played_finish(struct played *p);

/* played_load(p, name): add both sides of tests/data/captures/${name}; fails the test if it cannot.
 */
void played_load(struct played *p, const char *name);

/* played_say(p, text): add a handshake message: the text and its NUL. */
void played_say(struct played *p, const char *text);

/* played_frame(p, token, json): add an answer. */
void played_frame(struct played *p, uint64_t token, const char *json);

#endif
