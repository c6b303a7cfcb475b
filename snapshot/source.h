/*
 * Where documents come from: live servers, and what is in files: rethinkdb dump archives (a gzipped
 * tar, read as a stream and never unpacked to disk), rethinkdb export directories (DB/TABLE.json or
 * .ndjson with DB/TABLE.info), and trees of documents as the mount shows them
 * (DB/TABLE/shard-NN/DATE/NAME.json with .table.json), which may hold several dates. The layout of
 * an archive: official driver's _dump.py and _export.py; entries are TOP/DB/TABLE.json and
 * TOP/DB/TABLE.info in any order.
 *
 * Everything in a source is hostile. A struct source belongs to one thread at a time. Memory: one
 * document (at most SOURCE_DOCUMENT_MAX), one .info, and the list of tables (SOURCE_TABLES_MAX).
 */
#ifndef THINKBACK_SNAPSHOT_SOURCE_H
#define THINKBACK_SNAPSHOT_SOURCE_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"
#include "catalog/base/log.h"
#include "catalog/key.h"
#include "catalog/tables.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOURCE_DOCUMENT_MAX                                                                        \
	805306368u                /* bytes of a document's text in a source: 6 x CANON_SIZE_MAX, */
				  /* as "\u0001" may stand for each canonical byte */
#define SOURCE_INFO_MAX 16777216u /* bytes of an .info or a .table.json */
#define SOURCE_TABLES_MAX 100000u /* tables in a source */
#define SOURCE_CLIENTS_MAX 64     /* connections to a server */

/* Opaque types. */
struct source;

enum source_kind {
	SOURCE_ARCHIVE, /* rethinkdb dump archive */
	SOURCE_EXPORT,  /* rethinkdb export directory */
	SOURCE_TREE,    /* documents as the mount shows them */
	SOURCE_LIVE     /* a server */
};

enum source_event {
	SOURCE_INFO,      /* the table's configuration: data and len are set */
	SOURCE_TABLE,     /* its documents begin; again: what came of them so far is void */
	SOURCE_DOCUMENT,  /* one of them: data and len are its JSON text */
	SOURCE_DELETION,  /* its key has nothing any more; only where latest is set: likewise */
	SOURCE_TABLE_END, /* they are complete */
	SOURCE_TABLE_BAD  /* this table cannot be read on; the error's text says why. Other tables
			     can */
};

/* What source_next hands out. Not owned; valid until the next call. */
struct source_item {
	enum source_event event;
	bool latest; /* of SOURCE_TABLE: keys may come again, and the last word for each counts;
			else each comes once */
	const char *database; /* a valid name (tables_name_valid) */
	const char *table;    /* a valid name */
	const uint8_t *data;
	size_t len;
	const char *file; /* the member or file that it came from, for messages */
	uint64_t
	    line; /* of the document's first byte in it, from 1; 0 where there is no such thing */
	uint64_t column;
};

struct source_run {
	int64_t date; /* seconds; only meaningful when dated */
	bool
	    dated; /* the source says its date (archive: its top directory, local time; tree: the */
		   /* names of the date directories; export: its name, when it ends in a date) */
};

/* How to read a server. What it points to must live as long as the source. */
struct source_server {
	const char *user;     /* NULL: the one in the address, else "admin" */
	const void *password; /* NULL: an empty one */
	size_t password_len;
	const char *tls_ca;    /* file with the CA certificates to trust; NULL: no TLS */
	const char *tls_cert;  /* file with a client certificate; NULL: none */
	const char *tls_key;   /* file with its key; NULL: none */
	bool record;           /* read what the server has besides its tables, for source_record */
	const struct key *key; /* read the document with that primary key alone; NULL: all */
	unsigned clients;      /* connections, up to SOURCE_CLIENTS_MAX; 0: one */
	bool consistent;       /* read each table as it is at one time, not as it changes */
	bool read_outdated;    /* let any replica answer, not only primaries; not if consistent */
	uint64_t max_rate;     /* documents a second, of all connections; 0: as fast as it goes */
	/*
	 * Tell where a table that holds about ${documents} may be cut for several connections: put
	 * up to ${n} keys that spread evenly over it into ${out}, ascending. Return how many; 0
	 * when nothing is known. May be NULL.
	 */
	size_t (*cuts)(void *arg, const char *database, const char *table, uint64_t documents,
	    size_t n, struct key *out);
	void *cuts_arg;
	const char *const *only; /* as in capture.h: other tables are not asked for; NULL: all */
	size_t n_only;
	const volatile sig_atomic_t *stop; /* give up when this becomes non-zero; may be NULL */
	const struct log *log; /* told of what was tried again, and of what was not seen */
	int64_t connect_ms;    /* to connect and to log in, each; 0: 20 seconds */
	int64_t idle_ms;       /* without a byte before a connection counts as lost; 0: 2 minutes */
	int64_t retry_ms; /* before the first new try, doubled for each other; 0: half a second */
};

/*
 * source_is_server(text): whether ${text} is a server's address ("rethinkdb://..." or, to be
 * refused by source_open_server, another scheme), not a path.
 */
bool source_is_server(const char *text);

/*
 * source_open_server(address, server, out, e):
 * Log in to the server at ${address} (rethinkdb://[USER@]HOST[:PORT]). Its one run is of now. Lost
 * connections are made again while it is read, and a table is read on behind its last keys (a
 * consistent read begins again, five times at most); when that is in vain source_next returns
 * ERR_TRUNCATED. Documents come in order of keys over one connection, in any order otherwise.
 * Return ERR_OK and set ${out}, to be closed with source_close; ERR_ARG for an address or option
 * that makes no sense; ERR_IO when the server cannot be reached; ERR_DENIED when it refuses the
 * login, or its certificate is not to be trusted; ERR_FORMAT when it is no RethinkDB server;
 * ERR_INTR.
 */
int source_open_server(
    const char *address, const struct source_server *server, struct source **out, struct err *e);

/*
 * source_open(path, out, e):
 * Open what is at ${path} and find out its kind and dates; of an archive only the first entry is
 * read. Return ERR_OK and set ${out}, to be closed with source_close; ERR_FORMAT or ERR_TRUNCATED
 * when it is none of the three kinds; ERR_ABSENT when there is nothing; else a failure. Texts name
 * the file.
 */
int source_open(const char *path, struct source **out, struct err *e);

/*
 * source_set_stop(s, stop):
 * Have source_tables and source_next give up with ERR_INTR soon after *stop has become non-zero,
 * while they read on in an archive: what is passed over in it can be long. A server has it from
 * struct source_server. ${stop} must live as long as ${s}.
 */
void source_set_stop(struct source *s, const volatile sig_atomic_t *stop);

/* source_close(s): close; ${s} may be NULL. */
void source_close(struct source *s);

/* source_kind_of(s): its kind. */
enum source_kind source_kind_of(const struct source *s);

/* source_label(s): a text for people that says what was read (the file's base name), lives as ${s}.
 */
const char *source_label(const struct source *s);

/* source_runs(s): how many dates it holds, at least 1; more only in a tree. */
size_t source_runs(const struct source *s);

/* source_run(s, i): the i-th of them, oldest first. */
struct source_run source_run(const struct source *s, size_t i);

/*
 * source_tables(s, i, found, arg, e):
 * Hand each table that run ${i} has documents of to ${found}; a result of ${found} other than
 * ERR_OK ends the walk and is returned. Reads an archive from start to end. Restarts any iteration.
 */
int source_tables(struct source *s, size_t i,
    int (*found)(void *arg, const char *database, const char *table), void *arg, struct err *e);

/*
 * source_start(s, i, e):
 * Begin (or begin again) at the first item of run ${i}. Return ERR_OK or a failure.
 */
int source_start(struct source *s, size_t i, struct err *e);

/*
 * source_next(s, out, e):
 * The next item. Of a table SOURCE_INFO may come before SOURCE_TABLE or after SOURCE_TABLE_END
 * (archives: whichever member stands first), once or not at all; documents
 * (and deletions) stand between SOURCE_TABLE and SOURCE_TABLE_END, tables never interleave.
 * SOURCE_TABLE_BAD ends its table, and carries the reason in ${e} while ERR_OK is returned: bad
 * JSON structure (with line and column), a document over SOURCE_DOCUMENT_MAX, an .info over
 * SOURCE_INFO_MAX, a member that stands twice, a .csv (its values are all strings), in a directory
 * also a file that cannot be read. It may come without SOURCE_TABLE or after SOURCE_TABLE_END, and
 * is the last item of its table. Return ERR_OK; ERR_END after the last; or what ends the whole run:
 * ERR_TRUNCATED or ERR_FORMAT for a damaged archive, ERR_FORMAT for an entry that no dump has (a
 * path with ".." or an absolute one, a link or device, another top directory, another extension),
 * else a failure.
 */
int source_next(struct source *s, struct source_item *out, struct err *e);

/*
 * source_skip_table(s):
 * Pass over the rest of the documents of the table that is being read, if one is: the next item is
 * what stands behind them, and there is no SOURCE_TABLE_END for it.
 */
void source_skip_table(struct source *s);

/*
 * source_progress(s, done, total):
 * Bytes of the file or files read so far in this run, and of all; ${total} is 0 when that is not
 * known (a tree). Of a server: documents, and its estimate of all.
 */
void source_progress(const struct source *s, uint64_t *done, uint64_t *total);

/*
 * source_record(s):
 * What the source has besides its tables, when source_start has been called: of a server its users,
 * permissions and configuration, as far as they may be read (rdb/record.h), as JSON of one object.
 * NULL when there is nothing. Lives until the next source_start.
 */
const struct buf *source_record(const struct source *s);

#endif
