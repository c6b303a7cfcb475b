/* What gc and forget --gc share. */
#ifndef THINKBACK_SNAPSHOT_CMD_GC_H
#define THINKBACK_SNAPSHOT_CMD_GC_H

#include "catalog/catalog.h"
#include "catalog/cmd.h"

/*
 * cmd_gc_collect(env, repo, cat, threshold, dry_run):
 * Run gc (gc.h), with progress, and print what it did. Return an exit code.
 */
int cmd_gc_collect(const struct cmd_env *env, const struct repo *repo, struct catalog *cat,
    unsigned threshold, bool dry_run);

/*
 * cmd_gc_open(repo, dry_run, lock, cat, e), cmd_gc_close(lock, cat):
 * Open the catalogue to change what is kept: with the writer's lock, after what a stopped writer
 * has left; for a dry run without, to look only. Return ERR_OK and set ${lock} (-1: none) and
 * ${cat}, to be given to cmd_gc_close; or a failure.
 */
int
cmd_gc_open(const struct repo *repo, bool dry_run, int *lock, struct catalog **cat, struct err *e);
void cmd_gc_close(int lock, struct catalog *cat);

#endif
