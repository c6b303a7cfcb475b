/* The commands that show the tree: each is defined in its own cmd_NAME.c. */
#ifndef THINKBACK_FS_CMD_H
#define THINKBACK_FS_CMD_H

#include "catalog/cmd.h"

extern const struct cmd cmd_mount, cmd_ls, cmd_cat;

#endif
