/*
 * The repository: a directory with catalog.db, queue.db, packs/ and lock (and, once there was need
 * for them, scratch/ and restores/). A struct repo is
 * read-only after repo_open and may be used by any number of threads; a lock belongs to the
 * process.
 */
#ifndef THINKBACK_CATALOG_REPO_H
#define THINKBACK_CATALOG_REPO_H

#include "catalog/base/err.h"
#include "catalog/base/sandbox.h"

#include <stdbool.h>
#include <stddef.h>

struct repo {
	char *path;  /* absolute path, owned */
	int dirfd;   /* the directory itself */
	int packsfd; /* packs/ */
};

/*
 * repo_create(path, e):
 * Make a repository in ${path}, which must not exist or be an empty directory: mode 0700, with
 * catalog.db, queue.db, packs/ and lock. Return ERR_OK; ERR_EXISTS when it is a repository already
 * or not empty; else a system failure. What was made is taken away again on failure.
 */
int repo_create(const char *path, struct err *e);

/*
 * repo_open(path, out, e):
 * Open the repository at ${path}. Return ERR_OK and set ${out}, to be closed with repo_close;
 * ERR_NOTREPO when there is none (text says what to do); else a system failure.
 */
int repo_open(const char *path, struct repo **out, struct err *e);

/* repo_open_packs(path, out, e): as repo_open, and the catalogue may be missing. */
int repo_open_packs(const char *path, struct repo **out, struct err *e);

/*
 * repo_check_owner(repo, named, e):
 * Look whether somebody else than the user of this process could have put the repository there, or
 * could change it: its directory belongs to another user, group or others may write to it, or
 * ${named}, the path that it was opened by, is a symbolic link of a user who is neither this one
 * nor root. Return ERR_OK; ERR_DENIED with what it is; or a failure.
 */
int repo_check_owner(const struct repo *repo, const char *named, struct err *e);

/*
 * repo_scratch(repo, fd, e):
 * Open scratch/, the directory for temporary files of processes that may write nowhere else in the
 * repository, and make it if it is missing. Return ERR_OK and set ${fd}, owned by the caller; or a
 * failure.
 */
int repo_scratch(const struct repo *repo, int *fd, struct err *e);

/*
 * repo_paths(repo, queue, out):
 * Fill ${out}, which has room for REPO_PATHS, with what a confined process needs that reads the
 * repository: all of it, for reading, and what SQLite keeps beside the databases; with ${queue}
 * also the queue and scratch/ for writing. What SQLite keeps must be there, so some connection must
 * be open. Return how many there are; they live as long as ${repo}.
 */
#define REPO_PATHS 8
size_t repo_paths(const struct repo *repo, bool queue, struct sandbox_path *out);

/* repo_close(repo): close; ${repo} may be NULL. */
void repo_close(struct repo *repo);

/*
 * repo_lock(repo, fd, e):
 * Take the writer's lock without waiting; one writer at a time (snapshot, forget, gc). Return
 * ERR_OK and set ${fd}, whose closing (also by the process's end) gives the lock back; ERR_BUSY
 * when another process holds it; else a system failure.
 */
int repo_lock(const struct repo *repo, int *fd, struct err *e);

#endif
