/*
 * A hold: a process of its own that has a repository's catalogue and queue open, so that what
 * SQLite keeps beside them (log and shared memory) is there as long as it lives, and is merged and
 * taken away at the end. For a process that is to be confined, which can neither make these files
 * nor take them away, and can open a catalogue that it cannot write only while they are there.
 */
#ifndef THINKBACK_CATALOG_CMD_HOLD_H
#define THINKBACK_CATALOG_CMD_HOLD_H

#include "catalog/base/err.h"
#include "catalog/repo.h"

/* Opaque types. */
struct cmd_hold;

/*
 * cmd_hold_start(repo, out, e):
 * Fork that process, in a process that has one thread and no database open, and wait until it has
 * both open. It ignores signals, reads nothing but the databases, and ends when this process does,
 * leaving all as it is when that was without cmd_hold_end. Return
 * ERR_OK and set ${out}, to be given to cmd_hold_end; or a failure, also when a database cannot be
 * opened.
 */
int cmd_hold_start(const struct repo *repo, struct cmd_hold **out, struct err *e);

/* cmd_hold_end(h): let it close the databases, wait for its end, free ${h}, which may be NULL. */
void cmd_hold_end(struct cmd_hold *h);

#endif
