/*
 * Dates. A snapshot's date is whole seconds since 1970-01-01 UTC. Its name in the tree is
 * "2026-11-18T03-00-00Z": UTC, no colons, so that it is a safe file name everywhere and sorts by
 * time. Thread-safe; date_parse and date_from_local read the process's time zone (TZ).
 */
#ifndef THINKBACK_BASE_DATE_H
#define THINKBACK_BASE_DATE_H

#include <stddef.h>
#include <stdint.h>

#define DATE_NAME 21 /* bytes of a date's name, with its NUL */

/*
 * date_name(date, out):
 * Write the name of ${date}. Return ERR_OK, or ERR_LIMIT (${out} is "") outside the years 1 to
 * 9999.
 */
int date_name(int64_t date, char out[DATE_NAME]);

/*
 * date_from_name(name, len, out):
 * Read the name in the ${len} bytes at ${name}, in the exact spelling of date_name. Return ERR_OK
 * and set ${out}, or ERR_FORMAT.
 */
int date_from_name(const char *name, size_t len, int64_t *out);

/*
 * date_from_local(text, len, out):
 * Read "YYYY-MM-DDTHH:MM:SS" (or with '-' for ':') as local time, the form in which rethinkdb dump
 * names archives. Return ERR_OK and set ${out}, or ERR_FORMAT.
 */
int date_from_local(const char *text, size_t len, int64_t *out);

/*
 * date_parse(text, out):
 * Read a date as a user writes it: a name of the tree, "YYYY-MM-DDTHH:MM:SSZ" (UTC), the same
 * without Z or with a blank for T (local time), "YYYY-MM-DD" (local midnight), "@SECONDS". Return
 * ERR_OK and set ${out}, or ERR_FORMAT.
 */
int date_parse(const char *text, int64_t *out);

/* date_now(): the present time in milliseconds since 1970-01-01 UTC. */
int64_t date_now(void);

#endif
