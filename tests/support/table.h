/* A repository with tables that have a snapshot, without going through capture. */
#ifndef THINKBACK_TESTS_TABLE_H
#define THINKBACK_TESTS_TABLE_H

#include "catalog/queue.h"
#include "tests/support/test.h"

/* test_repo(dir): make a repository in ${dir}/repo and open it; to be closed with repo_close. */
struct repo *test_repo(const char *dir);

/*
 * test_table(repo, database, table, primary_key, config):
 * Give the table one more complete snapshot, without documents. Returns the table's number.
 */
int64_t test_table(const struct repo *repo, const char *database, const char *table,
    const char *primary_key, const char *config);

/* test_put(repo, table, name, payload, documents): queue a restore for shop.${table}. */
int64_t test_put(const struct repo *repo, const char *table, const char *name, const char *payload,
    uint64_t documents);

/* test_restore(repo, id): look a restore up. */
struct queue_restore test_restore(const struct repo *repo, int64_t id);

/* test_count(repo, states): the number of restores in these states. */
unsigned test_count(const struct repo *repo, unsigned states);

/* test_payload(repo, id, out), test_reason(repo, id, out): append payload or error to ${out}. */
void test_payload(const struct repo *repo, int64_t id, struct buf *out);
void test_reason(const struct repo *repo, int64_t id, struct buf *out);

#endif
