/*
 * The repository: a directory with catalog.db, queue.db, packs/ and lock. A struct repo is
 * read-only after repo_open and may be used by any number of threads; a lock belongs to the
 * process.
 */
#ifndef THINKBACK_CATALOG_REPO_H
#define THINKBACK_CATALOG_REPO_H

#include "catalog/base/err.h"

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
