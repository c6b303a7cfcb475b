/*
 * Where to cut a table for reading it in several ranges of its primary key at once. A cut is a key,
 * there or not, that begins a range: whatever the cuts, the ranges between them hold every key
 * exactly once. How even they are is luck with keys that are not spread evenly.
 */
#ifndef THINKBACK_RDB_CUT_H
#define THINKBACK_RDB_CUT_H

#include "catalog/key.h"
#include "snapshot/rdb/connection.h"
#include "snapshot/rdb/query.h"

#include <stddef.h>

/*
 * cut_between(first, last, n, out):
 * Cut the keys from ${first} to ${last} into ${n} parts: numbers evenly, strings evenly by the
 * letters behind what both begin with. Put up to ${n} - 1 keys into ${out}, strictly ascending,
 * each over ${first} and not over ${last}; they are ASCII behind what the two have in common.
 * Return how many; 0 for keys of other types, or of two types. Pure; any thread.
 */
size_t cut_between(const struct key *first, const struct key *last, size_t n, struct key *out);

/*
 * cut_ask(c, scan, n, out, e):
 * Ask for the first and the last key of scan->table and cut between them. Return how many keys were
 * put into ${out}; 0, too, when the server would not tell, with the reason in ${e}.
 */
size_t cut_ask(
    struct connection *c, const struct query_scan *scan, size_t n, struct key *out, struct err *e);

/* cut_check(keys, n): the number of keys from the first on that are whole and strictly ascending.
 */
size_t cut_check(const struct key *keys, size_t n);

#endif
