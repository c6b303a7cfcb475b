/*
 * What the parts of capture share: capture.c walks the source, capture_table.c takes in one table's
 * documents, capture_config.c reads its configuration, capture_build.c makes a snapshot of it.
 */
#ifndef THINKBACK_SNAPSHOT_CAPTURE_INTERNAL_H
#define THINKBACK_SNAPSHOT_CAPTURE_INTERNAL_H

#include "catalog/base/buf.h"
#include "catalog/packs.h"
#include "catalog/snapshots.h"
#include "catalog/versions.h"
#include "snapshot/capture.h"
#include "snapshot/json/canon.h"
#include "snapshot/sort.h"

/* The working set of one writer. */
struct capture {
	const struct repo *repo;
	const struct log *log;
	int lock;            /* the writer's lock, held until closed */
	struct catalog *cat; /* for writing */
	struct canon *canon; /* one document at a time */
	struct buf document; /* canonical bytes of the document at hand */
};

/* What a table's configuration says. */
struct capture_config {
	struct buf json;        /* canonical, without the members that only the mount adds */
	struct buf primary_key; /* name of the key field, NUL-terminated behind len */
	uint64_t parts[SNAPSHOTS_SHARDS];    /* estimated documents of each shard */
	size_t n_parts;                      /* 1 to SNAPSHOTS_SHARDS */
	struct key bounds[SNAPSHOTS_SHARDS]; /* lower bounds, when the source knows them exactly */
	size_t n_bounds;                     /* 0: it does not; else the number of shards */
	bool counted;       /* the mount wrote how many documents the snapshot has */
	uint64_t documents; /* that number */
};

/* Documents to train a dictionary on, spread evenly over the table. */
struct capture_samples {
	struct buf bytes; /* one after the other */
	size_t *sizes;    /* owned */
	size_t n, cap;    /* sizes in use, allocated */
	uint64_t stride;  /* every so many documents is kept */
};

enum capture_state {
	CAPTURE_READING,  /* documents are coming, or only the configuration has come */
	CAPTURE_READ,     /* all documents are in the sorter, the configuration is to come */
	CAPTURE_DEFERRED, /* to be read again, now that the configuration is known */
	CAPTURE_READY,    /* built, to become visible with the others */
	CAPTURE_FAILED,   /* reported */
	CAPTURE_SKIPPED   /* not wanted, or there already */
};

/* One table of a run. */
struct capture_table {
	char database[TABLES_NAME];
	char name[TABLES_NAME];
	enum capture_state state;
	bool has_config;    /* config is filled */
	bool has_documents; /* its documents began at some time */
	bool latest;        /* keys may come again: the last word for each counts */
	struct capture_config config;
	struct buf guess;  /* key field used so far, while the configuration is unknown */
	struct sort *sort; /* its documents; NULL when not reading */
	struct capture_samples samples;
	struct snapshots_snapshot snapshot; /* what was built */
};

/* What a snapshot is built for. */
struct capture_purpose {
	int64_t run_id;                        /* the run that it belongs to */
	int64_t date;                          /* seconds */
	const char *source;                    /* the run's source, for people */
	const struct capture_options *options; /* for stop and storing */
};

/*
 * capture_config_read(c, json, len, out, e):
 * Read an .info or .table.json. Return ERR_OK, ERR_FORMAT (text says what is missing), or
 * ERR_NOMEM. capture_config_finish(config) frees what it holds.
 */
int capture_config_read(
    struct capture *c, const void *json, size_t len, struct capture_config *out, struct err *e);
void capture_config_finish(struct capture_config *config);

/*
 * capture_table_begin(c, t, latest, e):
 * Get ready for the documents of ${t}, forgetting those that have come. With ${latest} a key may
 * come again, and the last document or deletion is the one that counts. The key field is the
 * configuration's or, while that is unknown, the one of the table's newest snapshot or "id". Return
 * ERR_OK or a failure.
 */
int capture_table_begin(struct capture *c, struct capture_table *t, bool latest, struct err *e);

/*
 * capture_table_add(c, t, item, e):
 * Take in one document, or the deletion of one. Return ERR_OK; ERR_FORMAT, ERR_KEY, ERR_LIMIT (text
 * with the place) when it is not fit; else a failure.
 */
int capture_table_add(
    struct capture *c, struct capture_table *t, const struct source_item *item, struct err *e);

/*
 * capture_table_settle(c, t, e):
 * All has come: where keys may have come again, leave the last document of each, and none where the
 * last word was a deletion. Return ERR_OK or a failure.
 */
int capture_table_settle(struct capture *c, struct capture_table *t, struct err *e);

/* capture_table_drop(t): forget the documents of ${t}. capture_table_finish(t): free all of it. */
void capture_table_drop(struct capture_table *t);
void capture_table_finish(struct capture_table *t);

/*
 * capture_build(c, t, purpose, e):
 * Make an invisible snapshot of ${t}, whose documents and configuration are there; sets
 * t->snapshot. Return ERR_OK; ERR_FORMAT when two documents have one key; ERR_INTR when
 * it was told to stop; or a failure: then nothing of it is left.
 */
int capture_build(struct capture *c, struct capture_table *t, const struct capture_purpose *purpose,
    struct err *e);

/*
 * capture_strays(c, e):
 * See whether packs/ has packs that are newer than the catalogue: it may be an older copy. They are
 * left alone, and their numbers are not given out again. Return ERR_OK or a failure.
 */
int capture_strays(struct capture *c, struct err *e);

/*
 * capture_date_now(c, stop, date, e):
 * The date, in seconds, that a snapshot of now gets. Dates tell snapshots apart and have no parts
 * of a second: when the newest one is of this very second, or the clock has been set back by a
 * moment, the next one is waited for. Return ERR_OK and set ${date}, which is before that of the
 * newest snapshot when the clock is further back; ERR_INTR after *stop (which may be NULL) has
 * become non-zero; else a failure.
 */
int capture_date_now(
    struct capture *c, const volatile sig_atomic_t *stop, int64_t *date, struct err *e);

#endif
