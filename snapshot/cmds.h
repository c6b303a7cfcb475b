/* The commands that move documents: each is defined in its own cmd_NAME.c. */
#ifndef THINKBACK_SNAPSHOT_CMDS_H
#define THINKBACK_SNAPSHOT_CMDS_H

#include "catalog/cmd.h"

extern const struct cmd cmd_snapshot, cmd_check, cmd_rebuild, cmd_restore, cmd_export, cmd_worker,
    cmd_queue, cmd_forget, cmd_gc, cmd_tag;

#endif
