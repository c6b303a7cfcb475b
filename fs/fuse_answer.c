/*
 * Replies: attributes as stat shows them, how long the kernel may believe them, errors and what is
 * logged of them.
 */
#include "fs/fuse_internal.h"

#include <time.h>

#define ANSWER_LONG 86400.0 /* seconds that something steady holds, until the kernel is told */
#define ANSWER_SHORT 1.0    /* seconds that something that may change holds */
#define ANSWER_LOG_LINES 20 /* lines logged in one second */
#define ANSWER_BLOCK 512u   /* bytes of a block of st_blocks */

struct fuse_fs *
fuse_answer_fs(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* Whether ${code} is what a user did wrong and learns from errno, and no trouble of the mount's. */
static bool
fuse_answer_is_usual(int code)
{
	switch ((enum err_code)code) {
	case ERR_OK:
	case ERR_END:
	case ERR_ABSENT:
	case ERR_FORMAT:
	case ERR_KEY:
	case ERR_LIMIT:
	case ERR_ARG:
	case ERR_EXISTS:
	case ERR_BUSY:
	case ERR_READONLY:
	case ERR_WRONG_STATE:
	case ERR_INTR:
	case ERR_STALE:
		return true;
	case ERR_NOMEM:
	case ERR_IO:
	case ERR_NOSPACE:
	case ERR_CORRUPT:
	case ERR_VERSION:
	case ERR_NOTREPO:
	case ERR_ORDER:
	case ERR_DENIED:
	case ERR_TRUNCATED:
	case ERR_BUG:
		return false;
	}
	return false;
}

/* Count a line; whether it may be logged: a damaged pack read by rsync must not fill the log. */
static bool
fuse_answer_may_log(struct fuse_fs *fs, unsigned *dropped)
{
	int64_t now = (int64_t)time(NULL);
	bool may;

	*dropped = 0;
	pthread_mutex_lock(&fs->lock);
	if (fs->log_second != now) {
		if (fs->log_lines > ANSWER_LOG_LINES)
			*dropped = fs->log_lines - ANSWER_LOG_LINES;
		fs->log_second = now;
		fs->log_lines = 0;
	}
	may = fs->log_lines++ < ANSWER_LOG_LINES;
	pthread_mutex_unlock(&fs->lock);
	return may;
}

void
fuse_answer_error(fuse_req_t req, int code, const struct err *e)
{
	struct fuse_fs *fs = fuse_answer_fs(req);
	unsigned dropped;

	if (!fuse_answer_is_usual(code) && fuse_answer_may_log(fs, &dropped)) {
		if (dropped > 0)
			log_line(fs->log, LOG_WARNING, "%u more errors were not logged", dropped);
		log_line(fs->log, LOG_ERROR, "%s", e->text[0] != '\0' ? e->text : err_str(code));
	}
	fuse_reply_err(req, errmap_errno(code));
}

void
fuse_answer_refuse(fuse_req_t req, enum errmap_answer answer)
{
	fuse_reply_err(req, errmap_answer(answer));
}

/* Links are never asked for permissions. */
static mode_t
fuse_answer_mode(const struct fuse_fs *fs, const struct view_attr *attr)
{
	bool writable = attr->writable && fs->inbox != NULL;

	switch (attr->type) {
	case VIEW_DIRECTORY:
		return S_IFDIR | ((writable ? 0755u : 0555u) & ~fs->umask);
	case VIEW_LINK:
		return S_IFLNK | 0777;
	case VIEW_FILE:
		break;
	}
	return S_IFREG | ((writable ? 0644u : 0444u) & ~fs->umask);
}

void
fuse_answer_stat(const struct fuse_fs *fs, const struct view_attr *attr, struct stat *out)
{
	*out = (struct stat){
	    .st_ino = attr->ino,
	    .st_mode = fuse_answer_mode(fs, attr),
	    .st_nlink = attr->nlink,
	    .st_uid = fs->uid,
	    .st_gid = fs->gid,
	    .st_size = (off_t)attr->size,
	    .st_blksize = 4096,
	    .st_blocks = (blkcnt_t)((attr->size + ANSWER_BLOCK - 1) / ANSWER_BLOCK),
	    .st_atim.tv_sec = attr->mtime,
	    .st_mtim = {.tv_sec = attr->mtime, .tv_nsec = attr->mtime_ns},
	    .st_ctim.tv_sec = attr->mtime,
	};
}

/*
 * How long attributes and names hold. Files of the inbox are replaced by restores and come and go
 * with the worker: what is known of them is never believed twice.
 */
static double
fuse_answer_timeout(const struct fuse_fs *fs, const struct view_attr *attr)
{
	switch (fuse_ops_kind(attr->ino)) {
	case INODE_QUEUED:
	case INODE_QUEUED_ERROR:
	case INODE_SCRATCH:
	case INODE_SCRATCH_DIR:
		return 0;
	default:
		return attr->steady && atomic_load(&fs->epochs) ? ANSWER_LONG : ANSWER_SHORT;
	}
}

void
fuse_answer_param(
    const struct fuse_fs *fs, const struct view_attr *attr, struct fuse_entry_param *out)
{
	*out = (struct fuse_entry_param){.ino = attr->ino, .generation = 1};
	fuse_answer_stat(fs, attr, &out->attr);
	out->attr_timeout = fuse_answer_timeout(fs, attr);
	out->entry_timeout = out->attr_timeout;
}

void
fuse_answer_entry(fuse_req_t req, const struct view_attr *attr)
{
	struct fuse_entry_param param;

	fuse_answer_param(fuse_answer_fs(req), attr, &param);
	fuse_reply_entry(req, &param);
}

void
fuse_answer_attr(fuse_req_t req, const struct view_attr *attr)
{
	struct fuse_fs *fs = fuse_answer_fs(req);
	struct stat st;

	fuse_answer_stat(fs, attr, &st);
	fuse_reply_attr(req, &st, fuse_answer_timeout(fs, attr));
}

void
fuse_answer_absent(fuse_req_t req, fuse_ino_t parent)
{
	struct fuse_entry_param param = {.entry_timeout = ANSWER_SHORT};

	/* What is not in a date never will be. Elsewhere it may be there the next moment. */
	if (fuse_ops_kind(parent) == INODE_DATE)
		fuse_reply_entry(req, &param);
	else
		fuse_answer_refuse(req, ERRMAP_ABSENT);
}
