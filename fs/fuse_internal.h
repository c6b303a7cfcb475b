/*
 * What the files of the FUSE layer share: fuse_mount.c (session), fuse_ops.c (reading and the table
 * of operations), fuse_file.c (open files), fuse_dir.c (listings), fuse_write.c (writing),
 * fuse_answer.c (replies), fuse_pool.c (views), fuse_serve.c (threads), fuse_watch.c (tells the
 * kernel of new snapshots).
 *
 * Requests come in several threads at once. None of these files keeps a table of inodes: an inode
 * number says all, so that FORGET needs no work and numbers hold over a remount.
 */
#ifndef THINKBACK_FS_FUSE_INTERNAL_H
#define THINKBACK_FS_FUSE_INTERNAL_H

#include "catalog/base/log.h"
#include "fs/errmap.h"
#include "fs/inbox.h"
#include "fs/view.h"

#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>

/* A view that one thread at a time uses, and a buffer that goes with it. */
struct fuse_slot {
	struct view *view;      /* owned */
	struct buf buf;         /* for a reply */
	struct fuse_slot *next; /* in the list of idle ones */
};

struct fuse_dir;
struct fuse_file;

/* What all requests share. */
struct fuse_fs {
	const struct repo *repo; /* not owned */
	const struct log *log;   /* not owned */
	struct store *store;     /* owned */
	struct inbox *inbox;     /* owned; NULL: read-only */
	uid_t uid;               /* owner that everything shows */
	gid_t gid;
	mode_t umask; /* bits that modes do not show */

	/* The kernel forgets what it knows when it is told to (fuse_watch.c), so that it may know
	 * it for long. */
	atomic_bool epochs;
	/* Nothing can be written here, so opening and closing need no request (fuse_ops.c). */
	atomic_bool no_open;

	pthread_mutex_t lock;    /* for what follows */
	pthread_cond_t given;    /* a view has been given back */
	struct fuse_slot *idle;  /* views that nobody uses, the last used first */
	size_t lent;             /* views that somebody uses */
	struct fuse_dir *dirs;   /* open directories */
	struct fuse_file *files; /* open files of snapshots */
	int64_t log_second;      /* the second in which log_lines were logged */
	unsigned log_lines;      /* lines in that second, dropped ones included */
};

/* ---- fuse_pool.c ---- */

/* fuse_pool_init(fs): begin; ended by fuse_pool_destroy. */
void fuse_pool_init(struct fuse_fs *fs);

/*
 * fuse_pool_take(fs, out, e), fuse_pool_give(fs, slot):
 * Borrow a view: an idle one or a new one, so there are as many as threads that work at once. While
 * there is no catalogue to open (catalog_is_early), wait for one that is in use; the caller must
 * have none. Return ERR_OK or as view_create. Any thread. The slot's buffer is empty.
 */
int fuse_pool_take(struct fuse_fs *fs, struct fuse_slot **out, struct err *e);
void fuse_pool_give(struct fuse_fs *fs, struct fuse_slot *slot);

/*
 * fuse_pool_finish(fs): free all views; all must have been given back.
 * fuse_pool_destroy(fs): and the lock, too.
 */
void fuse_pool_finish(struct fuse_fs *fs);
void fuse_pool_destroy(struct fuse_fs *fs);

/* ---- fuse_answer.c ---- */

/* fuse_answer_fs(req): what the request's file system shares. */
struct fuse_fs *fuse_answer_fs(fuse_req_t req);

/*
 * fuse_answer_error(req, code, e):
 * Reply with the errno of ${code} (0 for ERR_OK), and log ${e} when it is nothing that a user of
 * the tree caused.
 */
void fuse_answer_error(fuse_req_t req, int code, const struct err *e);

/* fuse_answer_refuse(req, answer): reply with that errno. */
void fuse_answer_refuse(fuse_req_t req, enum errmap_answer answer);

/* fuse_answer_stat(fs, attr, out): what stat shows. */
void fuse_answer_stat(const struct fuse_fs *fs, const struct view_attr *attr, struct stat *out);

/* fuse_answer_param(fs, attr, out): an entry with attributes and how long they hold. */
void fuse_answer_param(
    const struct fuse_fs *fs, const struct view_attr *attr, struct fuse_entry_param *out);

/* fuse_answer_entry(req, attr), fuse_answer_attr(req, attr): reply with these. */
void fuse_answer_entry(fuse_req_t req, const struct view_attr *attr);
void fuse_answer_attr(fuse_req_t req, const struct view_attr *attr);

/* fuse_answer_absent(req, parent): reply that ${parent} has no such entry. */
void fuse_answer_absent(fuse_req_t req, fuse_ino_t parent);

/* ---- fuse_ops.c ---- */

/* fuse_ops_table(): the operations. */
const struct fuse_lowlevel_ops *fuse_ops_table(void);

/* fuse_ops_kind(ino): the kind of an inode; INODE_ROOT for a number that is none. */
enum inode_kind fuse_ops_kind(fuse_ino_t ino);

/* fuse_ops_inbox_dir(ino): whether files can be made in that directory. */
bool fuse_ops_inbox_dir(fuse_ino_t ino);

/* fuse_ops_attr(fs, ino, out, e): view_attr, with the inbox's inodes. */
int fuse_ops_attr(struct fuse_fs *fs, fuse_ino_t ino, struct view_attr *out, struct err *e);

/* fuse_ops_file(ino, fi): the inbox's open file of a handle; NULL when it is another one. */
struct inbox_file *fuse_ops_file(fuse_ino_t ino, const struct fuse_file_info *fi);

/* ---- fuse_file.c ---- */

/*
 * fuse_file_open(fs, ino, fi, e), fuse_file_close(fs, ino, fi):
 * Hold an open file of a snapshot and set fi->fh; let it go. Other kinds of files need nothing: 0.
 * Return ERR_OK or as view_file_open. Any thread.
 */
int fuse_file_open(struct fuse_fs *fs, fuse_ino_t ino, struct fuse_file_info *fi, struct err *e);
void fuse_file_close(struct fuse_fs *fs, fuse_ino_t ino, const struct fuse_file_info *fi);

/* fuse_file_view(ino, fi): the file that a handle holds; NULL when it holds none. */
struct view_file *fuse_file_view(fuse_ino_t ino, const struct fuse_file_info *fi);

/* fuse_file_finish(fs): free what is still open when the mount ends. */
void fuse_file_finish(struct fuse_fs *fs);

/* ---- fuse_dir.c ---- */

/*
 * fuse_dir_*(req, ...):
 * The operations opendir, readdir, readdirplus and releasedir, with arguments as fuse_lowlevel.h
 * has them. Each answers its request. Any thread.
 */
void fuse_dir_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void
fuse_dir_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void fuse_dir_readplus(
    fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void fuse_dir_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);

/* fuse_dir_finish(fs): free what is still open when the mount ends. */
void fuse_dir_finish(struct fuse_fs *fs);

/* ---- fuse_write.c ---- */

/*
 * fuse_write_*(req, ...):
 * The operations that write, with arguments as fuse_lowlevel.h has them. Each answers its request.
 * Any thread.
 */
void fuse_write_create(
    fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi);
void
fuse_write_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device);
void fuse_write_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t off,
    struct fuse_file_info *fi);
void fuse_write_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fuse_write_fsync(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *fi);
void fuse_write_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fuse_write_setattr(
    fuse_req_t req, fuse_ino_t ino, struct stat *attr, int which, struct fuse_file_info *fi);
void fuse_write_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to_parent,
    const char *to, unsigned flags);
void fuse_write_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void fuse_write_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void fuse_write_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void fuse_write_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void fuse_write_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name);

/* ---- fuse_serve.c ---- */

/*
 * fuse_serve(session, e):
 * Answer the requests of a mounted session until somebody unmounts it or a signal tells it to end:
 * ERR_OK. Else a failure. The signals that end it are to be blocked in all other threads.
 */
int fuse_serve(struct fuse_session *session, struct err *e);

/*
 * fuse_serve_slow():
 * To be called before what may take longer than a few system calls, such as a disk or a commit: if
 * this thread is the one that waits for requests, another one is from now on. Any thread.
 */
void fuse_serve_slow(void);

/* ---- fuse_watch.c ---- */

struct fuse_watch;

/*
 * fuse_watch_start(fs, session, out, e):
 * Start the thread that looks for new snapshots. Return ERR_OK and set ${out}, to be given to
 * fuse_watch_stop before the session ends; or a failure.
 */
int fuse_watch_start(
    struct fuse_fs *fs, struct fuse_session *session, struct fuse_watch **out, struct err *e);

/* fuse_watch_stop(w): end the thread and free ${w}, which may be NULL. */
void fuse_watch_stop(struct fuse_watch *w);

#endif
