/*
 * Primary keys in RethinkDB's own store-key bytes, ordered by memcmp as the server orders them
 * (reference: server source rdb_protocol/datum.cc print_primary; thinkback-names(7) has the table):
 *
 *   string  'S' + UTF-8            number  'N' + 16 hex digits of the order-preserving bits + '#' +
 *   bool    "Bt" / "Bf"                    "%.20g"
 *   array   'A' + (element + 00)*  binary  "PBINARY:" + data with 00 -> 01 01, 01 -> 01 02
 *                                  time    "PTIME:" + the number encoding of epoch_time
 *
 * An encoded key has at most KEY_MAX bytes. This file knows bytes only; JSON and file names are
 * made of keys in snapshot/json/jsonkey and fs/name. Pure; any thread.
 */
#ifndef THINKBACK_CATALOG_KEY_H
#define THINKBACK_CATALOG_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_MAX 128  /* bytes of the longest encoded key (server: MAX_PRIMARY_KEY_SIZE) */
#define KEY_DEPTH 64 /* arrays nest at most this deep: each level costs two bytes of KEY_MAX */

struct key {
	uint8_t len; /* bytes in use, 0 is "before every key" in ranges, never a real key */
	uint8_t bytes[KEY_MAX]; /* the store key */
};

enum key_type {
	KEY_STRING,
	KEY_NUMBER,
	KEY_BOOL,
	KEY_BINARY,
	KEY_TIME,
	KEY_ARRAY_BEGIN, /* elements follow */
	KEY_ARRAY_END
};

/* One step of a decoded key. */
struct key_item {
	enum key_type type;
	double number;          /* KEY_NUMBER, and the epoch_time of KEY_TIME */
	bool truth;             /* KEY_BOOL */
	uint8_t bytes[KEY_MAX]; /* KEY_STRING and KEY_BINARY: decoded bytes */
	size_t len;             /* of bytes */
};

/* A walk through a key; zero it, then call key_next. */
struct key_walk {
	size_t pos; /* next byte */
	int depth;  /* open arrays */
};

/* key_compare(a, b): memcmp order, the shorter of equal prefixes first; <0, 0, >0. */
int key_compare(const struct key *a, const struct key *b);

/*
 * key_put_*(k, ...):
 * Append one item to the key being built in ${k} (zero it first). Between key_array_begin and
 * key_array_end any number of items may be put. Return ERR_OK; ERR_LIMIT when the key would pass
 * KEY_MAX or KEY_DEPTH; ERR_KEY for a string with a NUL byte or a number that is not finite. ${k}
 * is not usable after a failure. ${depth} counts the open arrays, kept by the caller, 0 at first.
 */
int key_put_string(struct key *k, int depth, const void *bytes, size_t len);
int key_put_number(struct key *k, int depth, double number);
int key_put_bool(struct key *k, int depth, bool truth);
int key_put_binary(struct key *k, int depth, const void *bytes, size_t len);
int key_put_time(struct key *k, int depth, double epoch_time);
int key_array_begin(struct key *k, int *depth);
int key_array_end(struct key *k, int *depth);

/*
 * key_next(k, walk, item):
 * Decode the next item of ${k}. Return ERR_OK with ${item} set, ERR_END after the last, or
 * ERR_CORRUPT when the bytes are no store key. Never reads past k->len, never recurses.
 */
int key_next(const struct key *k, struct key_walk *walk, struct key_item *item);

/* key_valid(k): whether ${k} is exactly one well-formed key in canonical form. */
bool key_valid(const struct key *k);

#endif
