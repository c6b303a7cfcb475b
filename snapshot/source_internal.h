/*
 * What the kinds of sources share: each one embeds a struct source and fills in its functions.
 * Below source.c the error pointer is never NULL.
 */
#ifndef THINKBACK_SNAPSHOT_SOURCE_INTERNAL_H
#define THINKBACK_SNAPSHOT_SOURCE_INTERNAL_H

#include "catalog/base/buf.h"
#include "snapshot/source.h"

/* What a kind does; the contracts are those of the functions of these names in source.h. */
struct source_functions {
	void (*close)(struct source *s); /* frees ${s} and all that it holds but the label */
	int (*tables)(struct source *s, size_t i,
	    int (*found)(void *arg, const char *database, const char *table), void *arg,
	    struct err *e);
	int (*start)(struct source *s, size_t i, struct err *e);
	int (*next)(struct source *s, struct source_item *out, struct err *e);
	void (*skip_table)(struct source *s);
	void (*progress)(const struct source *s, uint64_t *done, uint64_t *total);
	const struct buf *(*record)(const struct source *s); /* NULL: it has none */
};

struct source {
	const struct source_functions *functions; /* of its kind */
	enum source_kind kind;
	char *label;                       /* base name; source.c frees it */
	int64_t *dates;                    /* of the runs, ascending, owned; NULL: not dated */
	size_t n_dates;                    /* at least 1, or 0 when not dated */
	struct err fault;                  /* what ended the run; its code is ERR_OK before that */
	const volatile sig_atomic_t *stop; /* give up when this becomes non-zero; may be NULL */
};

/*
 * archive_open(fd, size, label, out, e):
 * Make a source of the archive ${fd}, a regular file of ${size} bytes. It takes over ${fd} when it
 * succeeds; ${label} must live as long. Returns as source_open.
 */
int archive_open(int fd, uint64_t size, char *label, struct source **out, struct err *e);

/*
 * export_open(fd, label, out, e), tree_open(fd, label, out, e):
 * Make a source of the directory ${fd}. It takes over ${fd} when it succeeds; ${label} must live as
 * long. Return ERR_OK; ERR_ABSENT (no text) when there is nothing of its kind; else a failure.
 */
int export_open(int fd, char *label, struct source **out, struct err *e);
int tree_open(int fd, char *label, struct source **out, struct err *e);

/*
 * live_open(address, server, out, e):
 * Make a source of a server that has no run yet. Returns as source_open_server.
 */
int live_open(
    const char *address, const struct source_server *server, struct source **out, struct err *e);

/*
 * source_dated(s, name, e):
 * Give ${s} one run, dated when ${name} ends in a date. ERR_OK or ERR_NOMEM.
 */
int source_dated(struct source *s, const char *name, struct err *e);

/*
 * source_date_add(s, date, e):
 * Add a run, unless there is one of that date. ERR_OK or ERR_NOMEM.
 */
int source_date_add(struct source *s, int64_t date, struct err *e);

/*
 * source_blame(label, file, e):
 * Put the names of the source and (if not NULL) of the file in it before the text of ${e}; long
 * ones are shortened, so that the reason is not lost.
 */
void source_blame(const char *label, const char *file, struct err *e);

/* source_gone(e): make a failure of a file that was there a moment ago and now is absent. */
void source_gone(struct err *e);

/* source_csv(e): the failure of a table that is there as .csv alone. */
int source_csv(struct err *e);

#endif
