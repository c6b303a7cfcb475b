/* Taking snapshots of what a test has written into a directory of rethinkdb export. */
#ifndef THINKBACK_TESTS_TAKE_H
#define THINKBACK_TESTS_TAKE_H

#include "catalog/repo.h"

#include <stdint.h>

/* take_export(repo, dir, date, tables): take a snapshot, at ${date}, of all so many tables there.
 */
void take_export(const struct repo *repo, const char *dir, int64_t date, uint64_t tables);

#endif
