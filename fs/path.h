/* Paths of the tree ("shop/orders/shard-00/latest/=1.json") for programs without a mount. */
#ifndef THINKBACK_FS_PATH_H
#define THINKBACK_FS_PATH_H

#include "fs/view.h"

#define PATH_LINKS 8 /* symbolic links followed in one path */

/*
 * path_find(v, path, out, e):
 * Walk ${path} from the root, following "latest" and "..", with or without a leading slash; "" is
 * the root. Return ERR_OK; ERR_ABSENT with a text that names the first part that is not there; else
 * as view_lookup.
 */
int path_find(struct view *v, const char *path, struct view_attr *out, struct err *e);

#endif
