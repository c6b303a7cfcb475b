/*
 * A mount: the tree served through FUSE (the view for reading, the inbox for writing). It writes
 * nothing but the queue, opens no network, and serves confined (catalog/base/sandbox.h). One mount
 * a process: libfuse keeps its log function and its signal handlers in global variables.
 */
#ifndef THINKBACK_FS_FUSE_MOUNT_H
#define THINKBACK_FS_FUSE_MOUNT_H

#include "catalog/base/err.h"
#include "catalog/base/log.h"
#include "catalog/queue.h"
#include "catalog/repo.h"

#include <stdbool.h>
#include <sys/types.h>

/* Opaque types. */
struct fuse_mount;

struct fuse_mount_options {
	const char *mountpoint;     /* absolute path of a directory */
	const char *options;        /* of mount(8) and libfuse, separated by commas; NULL: none */
	bool readonly;              /* no inbox */
	enum queue_policy conflict; /* what restores do with documents that are on a server */
	uid_t uid;                  /* owner that everything shows */
	gid_t gid;
	mode_t umask;          /* bits that modes do not show */
	bool syslog;           /* the log needs a socket */
	const struct log *log; /* must outlive the mount; called from any thread */
};

/*
 * fuse_mount_create(repo, options, out, e):
 * Open what the mount needs and mount. From now on SIGINT, SIGTERM and SIGHUP end fuse_mount_serve;
 * block them in threads of your own. ${repo} must outlive the mount. Return ERR_OK and set ${out},
 * to be freed with fuse_mount_free; ERR_ARG for an option that nobody knows; else as catalog_open,
 * or a failure. Nothing is mounted then.
 */
int fuse_mount_create(const struct repo *repo, const struct fuse_mount_options *options,
    struct fuse_mount **out, struct err *e);

/*
 * fuse_mount_confine(m, e):
 * Give up all that serving does not need: of the repository only the queue and temporary files can
 * be written, nothing outside it can be read, no socket made, no program started. What the kernel
 * has no means for is logged. To be called once, from the process's only thread, and while another
 * process has catalogue and queue open. Return ERR_OK or a failure.
 */
int fuse_mount_confine(struct fuse_mount *m, struct err *e);

/*
 * fuse_mount_serve(m, e):
 * Answer requests until somebody unmounts or a signal comes: ERR_OK. Else a failure: then the mount
 * is left as it is, so that whoever uses it gets errors and not an empty directory.
 */
int fuse_mount_serve(struct fuse_mount *m, struct err *e);

/*
 * fuse_mount_free(m):
 * End the connection to the kernel and free ${m}, which may be NULL. Return whether the mount is
 * still there and is to be taken down (serving did not fail, and nobody has unmounted it): a
 * process that is confined cannot.
 */
bool fuse_mount_free(struct fuse_mount *m);

#endif
