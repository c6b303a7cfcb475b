/*
 * A stream of bytes to a server: a plain socket (plain.h), TLS over another stream (tls.h), or, in
 * tests, a script. A struct transport belongs to one thread at a time.
 */
#ifndef THINKBACK_RDB_TRANSPORT_H
#define THINKBACK_RDB_TRANSPORT_H

#include "catalog/base/err.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct transport;

/* What a kind of stream does. */
struct transport_functions {
	/*
	 * Wait for bytes and put up to ${room} of them into ${out}; ${got} is 0 when the other side
	 * has ended the stream. Return ERR_OK; ERR_IO when it broke or nothing came in time;
	 * ERR_BUSY (no text) when nothing is there and nowait is set; ERR_INTR.
	 */
	int (*read)(struct transport *t, void *out, size_t room, size_t *got, struct err *e);
	/* Send all ${len} bytes. Return as read. */
	int (*write)(struct transport *t, const void *data, size_t len, struct err *e);
	/* End the stream and free it. */
	void (*close)(struct transport *t);
	/*
	 * The descriptor that poll(2) finds readable when there is more after read has answered
	 * ERR_BUSY; -1 for a stream that never answers so.
	 */
	int (*fd)(const struct transport *t);
};

struct transport {
	const struct transport_functions *functions; /* of its kind */
	int64_t patience;                  /* ms that one call waits for the other side to move */
	bool nowait;                       /* reading takes what is there, without patience */
	const volatile sig_atomic_t *stop; /* give up when this becomes non-zero; may be NULL */
};

/* transport_close(t): end the stream and free it; ${t} may be NULL. */
static inline void
transport_close(struct transport *t)
{
	if (t != NULL)
		t->functions->close(t);
}

#endif
