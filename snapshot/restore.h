/*
 * Putting whole snapshots back: into a live server, or into a directory in rethinkdb export layout.
 * Tables are restored one after the other; each is verified by reading it back and comparing every
 * document with the snapshot. A table that cannot be restored leaves the others as they are.
 */
#ifndef THINKBACK_SNAPSHOT_RESTORE_H
#define THINKBACK_SNAPSHOT_RESTORE_H

#include "catalog/base/err.h"
#include "catalog/base/log.h"
#include "catalog/repo.h"
#include "snapshot/compare.h"
#include "snapshot/rdb/alter.h"
#include "snapshot/selection.h"
#include "snapshot/source.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define RESTORE_CLIENTS 4      /* connections that documents are written over, unless set */
#define RESTORE_CLIENTS_MAX 64 /* at most */
/* Nesting of a document that is sent to a server: deeper ones can end its process. */
#define RESTORE_DEPTH_MAX 1500

/* A table on its way back. */
struct restore_table {
	const struct selection_item *item; /* what is restored */
	char database[TABLES_NAME];        /* where to */
	char name[TABLES_NAME];
	bool exists;        /* it was there before */
	uint64_t documents; /* of the snapshot that are wanted */
	uint64_t written;   /* documents that were sent */
	uint64_t deleted;   /* documents that were not in the snapshot and were deleted */
	uint64_t refused;   /* documents that could not be sent */
	uint64_t indexes;   /* built */
	int64_t load_ms;    /* how long it took a server to take them; 0 elsewhere */
	struct compare_result compared; /* with the snapshot: before a dry run, after a restore */
};

struct restore_options {
	struct selection_options select; /* which snapshots */
	const char *into;       /* "DB" or "DB.TABLE": restore under this name; NULL: own */
	const struct key *only; /* the document with that key alone; NULL: all */
	struct source_server
	    server;       /* how to log in to a server; stop, log and only are set here */
	unsigned clients; /* connections to write over; 0: RESTORE_CLIENTS */
	bool force;       /* write into tables that exist, replacing documents with the same keys */
	bool exact;       /* with force: delete the documents that are not in the snapshot */
	bool dry_run;     /* change nothing, only compare */
	bool no_indexes;  /* make no secondary indexes */
	bool permissions; /* grant those that the snapshots have, to users that are there */
	bool hard;        /* every write is on disk when it is answered; else one sync at the end */
	const volatile sig_atomic_t *stop; /* give up when this becomes non-zero; may be NULL */
	const struct log *log;
	/* What a caller shows; each may be NULL. ${what} is "loading", "indexing", "comparing" or
	 * "verifying", and the numbers count documents (of an index: percent). */
	void (*progress)(void *arg, const char *what, const struct restore_table *t, uint64_t done,
	    uint64_t total);
	/* A document that a dry run would touch. */
	void (*found)(void *arg, const struct restore_table *t, enum compare_state state,
	    const struct key *key);
	/* A table is done, or (${e} is not NULL) has failed. */
	void (*table_done)(void *arg, const struct restore_table *t, const struct err *e);
	/* Permissions are granted (by a dry run: would be), or (${e} is not NULL) are not; without
	 * a user, none of the others are; without permissions, none of that user's. */
	void (*granted)(void *arg, const struct alter_grant *grant, const struct err *e);
	void *arg; /* handed to these */
};

struct restore_result {
	uint64_t tables;      /* restored, or compared by a dry run */
	uint64_t failed;      /* tables that were not */
	uint64_t granted;     /* permissions: one of a user on one thing */
	uint64_t not_granted; /* times that something was in their way */
};

/*
 * restore_run(repo, target, options, result, e):
 * Restore into ${target}: "rethinkdb://[USER@]HOST[:PORT]", or a directory's path, made if it is
 * missing. Return ERR_OK when it went through, whatever its tables did (${result} tells); before
 * anything is changed: ERR_ABSENT when nothing fits the selection or no snapshot has the key;
 * ERR_EXISTS when tables are there and force is not set; ERR_WRONG_STATE when one there has another
 * primary key; ERR_FORMAT when the .info of one in a directory is damaged; ERR_ARG for names that
 * make no sense, and for permissions that are to go into a directory or that no snapshot has; what
 * source_open_server returns when the server cannot be used. ERR_INTR when interrupted.
 */
int restore_run(const struct repo *repo, const char *target, const struct restore_options *options,
    struct restore_result *result, struct err *e);

#endif
