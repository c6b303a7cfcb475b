/*
 * How thinkback queue shows restores, on standard output. What comes from file names and reasons is
 * made harmless for terminals, or escaped as JSON wants it.
 */
#ifndef THINKBACK_SNAPSHOT_CMD_QUEUE_PRINT_H
#define THINKBACK_SNAPSHOT_CMD_QUEUE_PRINT_H

#include "catalog/base/err.h"
#include "catalog/queue.h"

#include <stdbool.h>

/* cmd_queue_row(r, error, first): one line; behind a heading if it is the ${first} one. */
void cmd_queue_row(const struct queue_restore *r, const char *error, bool first);

/* cmd_queue_details(r, error): all that is known, a line each; ${error} is its reason or "". */
void cmd_queue_details(const struct queue_restore *r, const char *error);

/* cmd_queue_json(r, error, e): an object with every field. Return ERR_OK or ERR_NOMEM. */
int cmd_queue_json(const struct queue_restore *r, const char *error, struct err *e);

#endif
