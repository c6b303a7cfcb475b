/*
 * Where restores go. A target takes batches of documents of one table, puts them in place, reads
 * them back and compares. There are two kinds: a directory in rethinkdb export layout
 * (DB/TABLE.json and DB/TABLE.info, which rethinkdb import -d reads), where documents are merged by
 * key and the file is replaced atomically; and a live server, where each document is replaced by
 * compare-and-set after what it replaces has been written down. A struct target belongs to one
 * thread at a time.
 */
#ifndef THINKBACK_SNAPSHOT_TARGET_H
#define THINKBACK_SNAPSHOT_TARGET_H

#include "catalog/base/err.h"
#include "catalog/base/log.h"
#include "catalog/queue.h"
#include "snapshot/sort.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TARGET_UNDO 64 /* documents put back at a time */

/* Opaque types. */
struct target;

/* How to talk to a server. What it points to must live as long as the target. */
struct target_server {
	const char *user;     /* NULL: the one in the address, else "admin" */
	const void *password; /* NULL: an empty one */
	size_t password_len;
	const char *tls_ca;   /* file with the CA certificates to trust; NULL: no TLS */
	const char *tls_cert; /* file with a client certificate; NULL: none */
	const char *tls_key;  /* file with its key; NULL: none */
	bool deep;            /* send documents nested deeper than is safe for a server */
	const volatile sig_atomic_t *stop; /* give up when this becomes non-zero; may be NULL */
	const struct log *log;             /* told of documents that were left alone */
	int64_t connect_ms;                /* to connect and to log in, each; 0: 20 seconds */
	int64_t idle_ms; /* without a byte before a connection counts as lost; 0: 2 minutes */
};

/* What a server needs to know and to write down about one restore. */
struct target_memory {
	/* The digest of the document that the newest snapshot has; ERR_OK or ERR_ABSENT. */
	int (*version)(void *arg, const struct key *key, uint8_t digest[DIGEST_LEN], struct err *e);
	/* As queue_recall, queue_rewrite and queue_remember of the restore. */
	int (*recall)(void *arg, const struct key *key, uint8_t written[DIGEST_LEN], struct err *e);
	int (*rewrite)(
	    void *arg, const struct key *key, const uint8_t written[DIGEST_LEN], struct err *e);
	int (*remember)(void *arg, const struct queue_replaced *replaced, size_t n, struct err *e);
	void *arg; /* handed to them */
};

/* A document to be put back. Not owned. */
struct target_undo {
	struct key key;
	const void *document; /* canonical bytes of what is to be there; NULL: nothing */
	size_t len;
	uint8_t written[DIGEST_LEN]; /* of what the restore wrote, as queue_replaced_next has it */
	struct err why; /* out: why it was not put back; its code is ERR_OK when it was */
};

/* What a batch is for. */
struct target_table {
	const char *database;
	const char *table;
	const char *primary_key;
	const void *config; /* canonical JSON of the table's configuration */
	size_t config_len;
	bool exact; /* the documents are all that the table is to have: what is there is dropped */
	/* Called often while at work, may be NULL. Another result than ERR_OK gives up with it. */
	int (*step)(void *arg, struct err *e);
	/* Called right before documents are replaced, when nobody else can do so unseen; may be
	 * NULL. Another result than ERR_OK gives up with it. */
	int (*hold)(void *arg, struct err *e);
	void *arg;                          /* handed to these */
	enum queue_policy policy;           /* what to do with documents that are there */
	const struct target_memory *memory; /* for servers, of the one restore of the batch */
};

/*
 * target_open(uri, out, e):
 * Open the target ${uri}: a directory's path, made if it is missing. Return ERR_OK and set ${out},
 * to be closed with target_close; ERR_ARG for a kind that there is not; else a failure.
 */
int target_open(const char *uri, struct target **out, struct err *e);

/*
 * target_open_server(uri, server, out, e):
 * Open the server at ${uri} ("rethinkdb://[USER@]HOST[:PORT]") as a target. It is connected to when
 * there is something to do. Return ERR_OK and set ${out}; ERR_ARG for an address that makes no
 * sense; ERR_NOMEM.
 */
int target_open_server(
    const char *uri, const struct target_server *server, struct target **out, struct err *e);

/* target_is_server(text): whether ${text} is a server's address, not a path. Pure. */
bool target_is_server(const char *text);

/* target_single(t): whether it takes the documents of one restore at a time (a server does). */
bool target_single(const struct target *t);

/* target_close(t): close; ${t} may be NULL. */
void target_close(struct target *t);

/*
 * target_apply(t, table, documents, e):
 * Put the documents of the sorter (input not finished; of equal keys the last one counts) in place,
 * durably, and read them back. Applying the same batch twice gives the same result. Return ERR_OK
 * when what was read back equals what was sent; ERR_CORRUPT when it does not; ERR_FORMAT when what
 * the target holds cannot be merged with (text says where); ERR_BUSY when another worker uses the
 * target; ERR_ARG when its .info names another key field; ERR_NOSPACE, ERR_IO ...; the target is as
 * before unless ERR_OK or ERR_CORRUPT.
 *
 * On a server each document stands for itself: one that cannot be restored (ERR_ARG, with the
 * reason of the first) leaves the others alone. ERR_ARG also for a table that is not there or has
 * another key field, and for a missing permission; ERR_BUSY when the server is away, refuses the
 * login, or lacks replicas: nothing is known to be wrong with the restore.
 */
int target_apply(
    struct target *t, const struct target_table *table, struct sort *documents, struct err *e);

/*
 * target_undo(t, table, items, n, force, e):
 * Put up to TARGET_UNDO documents back, each only if what is there is what the restore wrote, or
 * whatever is there if ${force}. What became of each is in its ${why}: ERR_OK, also when it had
 * been as it is to be; ERR_WRONG_STATE when it was changed since; ERR_ARG when the server refuses
 * it. Return ERR_OK; as target_apply when the server or its table cannot be used; ERR_ARG for a
 * directory.
 */
int target_undo(struct target *t, const struct target_table *table, struct target_undo *items,
    size_t n, bool force, struct err *e);

#endif
