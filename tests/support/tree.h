/*
 * A repository made by hand through catalogue and pack writer, for tests of the tree: shop.orders
 * with 700 numbered documents and some with odd keys, in two shards, at three dates (a fourth can
 * be added); shop.coupons without documents, whose second snapshot alone has two shards. What is in
 * which snapshot is computed here a second time (tree_version), to compare with.
 */
#ifndef THINKBACK_TESTS_TREE_H
#define THINKBACK_TESTS_TREE_H

#include "catalog/catalog.h"
#include "catalog/key.h"
#include "fs/view.h"
#include "tests/support/test.h"

#define TREE_NUMBERS 700 /* documents 0 to 699 have their number as key */
#define TREE_ODD 6       /* documents 700 to 705 have the keys of tree_key */
#define TREE_ALL (TREE_NUMBERS + TREE_ODD)
#define TREE_CUT 331 /* the first number of the second shard */
#define TREE_DAYS 4  /* snapshots of orders, the fourth only after tree_next_day */

#define TREE_DAY1 "2026-11-18T03-00-00Z"
#define TREE_DAY2 "2026-11-19T03-00-00Z"
#define TREE_DAY3 "2026-11-20T03-00-00Z"
#define TREE_DAY4 "2026-11-21T03-00-00Z"

struct tree {
	char *dir;           /* temporary directory */
	struct repo *repo;   /* in it */
	struct catalog *c;   /* open for writing */
	struct store *store; /* over its packs */
	struct view *view;
	int64_t orders;                         /* number of the table */
	int64_t coupons;                        /* likewise */
	int64_t snapshots[TREE_DAYS];           /* of orders */
	int64_t packs[TREE_DAYS][2];            /* of orders, by day and shard */
	uint32_t ordinals[TREE_DAYS][TREE_ALL]; /* of the documents born on a day */
	struct err e;                           /* for the calls of a test */
};

/* tree_setup(state), tree_teardown(state): fixtures whose state is a struct tree. */
int tree_setup(void **state);
int tree_teardown(void **state);

/* A test with a tree. */
#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, tree_setup, tree_teardown)

/* tree_next_day(t): take the fourth snapshot of orders. */
void tree_next_day(struct tree *t);

/* tree_date(day): the date of a day from 0. */
int64_t tree_date(unsigned day);

/* tree_key(n): the key of a document. Keys grow with n. */
struct key tree_key(unsigned n);

/* tree_version(n, day): which version of a document is in a snapshot: 0 none, else from 1. */
unsigned tree_version(unsigned n, unsigned day);

/* tree_born(n, day): the day on which the version of that day appeared. */
unsigned tree_born(unsigned n, unsigned day);

/* tree_document(n, version, out): replace ${out} by its canonical bytes. */
void tree_document(unsigned n, unsigned version, struct buf *out);

/* tree_ino(t, n, day): the inode number of a document of a day. */
uint64_t tree_ino(const struct tree *t, unsigned n, unsigned day);

/* tree_find(t, path): the inode number at a path, which must be there; no links are followed. */
uint64_t tree_find(struct tree *t, const char *path);

#endif
