/* The repository's directory and its lock: the contracts are in repo.h. */
#include "catalog/repo.h"

#include "catalog/base/file.h"
#include "catalog/catalog.h"
#include "catalog/queue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPO_CATALOG "catalog.db"
#define REPO_QUEUE "queue.db"
#define REPO_PACKS "packs"
#define REPO_LOCK "lock"
#define REPO_SCRATCH "scratch"

/* ---- creating ---- */

static bool
repo_has(int dirfd, const char *name)
{
	struct stat st;

	return fstatat(dirfd, name, &st, 0) == 0;
}

/* ERR_OK when the directory has nothing in it. */
static int
repo_check_empty(int dirfd, const char *path, struct err *e)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	int rc = ERR_OK;

	if (dir == NULL) {
		rc = err_system(e, errno, "cannot list %s", path);
		if (fd >= 0)
			close(fd);
		return rc;
	}
	errno = 0;
	while (rc == ERR_OK && (entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		rc = repo_has(dirfd, REPO_CATALOG)
			 ? err_set(e, ERR_EXISTS, "%s is a repository already", path)
			 : err_set(e, ERR_EXISTS, "%s is not empty", path);
	}
	if (rc == ERR_OK && errno != 0)
		rc = err_system(e, errno, "cannot list %s", path);
	closedir(dir);
	return rc;
}

/* Make the directory, or take an empty one; ${made} tells which. Modes are set whatever the umask.
 */
static int
repo_make_directory(const char *path, bool *made, int *dirfd, struct err *e)
{
	int rc = ERR_OK;
	int fd;

	*made = mkdir(path, 0700) == 0;
	if (!*made && errno != EEXIST)
		return err_system(e, errno, "cannot make %s", path);
	if (*made && chmod(path, 0700) != 0)
		rc = err_system(e, errno, "cannot set the mode of %s", path);
	fd = rc == ERR_OK ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (rc == ERR_OK && fd < 0)
		rc = errno == ENOTDIR ? err_set(e, ERR_EXISTS, "%s is not a directory", path)
				      : err_system(e, errno, "cannot open %s", path);
	if (rc == ERR_OK && !*made)
		rc = repo_check_empty(fd, path, e);
	if (rc == ERR_OK && !*made && fchmod(fd, 0700) != 0)
		rc = err_system(e, errno, "cannot set the mode of %s", path);
	if (rc != ERR_OK) {
		if (fd >= 0)
			close(fd);
		if (*made)
			rmdir(path);
		return rc;
	}
	*dirfd = fd;
	return ERR_OK;
}

static int
repo_make_packs(int dirfd, const char *path, struct err *e)
{
	if (mkdirat(dirfd, REPO_PACKS, 0700) != 0 || fchmodat(dirfd, REPO_PACKS, 0700, 0) != 0)
		return err_system(e, errno, "cannot make %s/" REPO_PACKS, path);
	return ERR_OK;
}

static int
repo_open_lock(int dirfd, const char *path, int *fd, struct err *e)
{
	*fd = openat(dirfd, REPO_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*fd < 0)
		return err_system(e, errno, "cannot open %s/" REPO_LOCK, path);
	return ERR_OK;
}

static int
repo_make_lock(int dirfd, const char *path, struct err *e)
{
	int fd;
	int rc = repo_open_lock(dirfd, path, &fd, e);

	if (rc != ERR_OK)
		return rc;
	if (fchmod(fd, 0600) != 0)
		rc = err_system(e, errno, "cannot set the mode of %s/" REPO_LOCK, path);
	close(fd);
	return rc;
}

/* The catalogue is made last: a directory without one is no repository. */
static int
repo_fill(int dirfd, const char *path, struct err *e)
{
	int rc = repo_make_packs(dirfd, path, e);

	if (rc == ERR_OK)
		rc = repo_make_lock(dirfd, path, e);
	if (rc == ERR_OK)
		rc = queue_create(path, e);
	if (rc == ERR_OK)
		rc = catalog_create(path, e);
	if (rc == ERR_OK)
		rc = file_sync(dirfd, path, e);
	return rc == ERR_OK ? file_sync_parent(path, e) : rc;
}

static void
repo_unmake(int dirfd, const char *path, bool made)
{
	static const char *const files[] = {"catalog.db", "catalog.db-wal", "catalog.db-shm",
	    "queue.db", "queue.db-wal", "queue.db-shm", REPO_LOCK};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlinkat(dirfd, files[i], 0);
	unlinkat(dirfd, REPO_PACKS, AT_REMOVEDIR);
	if (made)
		rmdir(path);
}

int
repo_create(const char *path, struct err *e)
{
	char *full;
	bool made = false;
	int dirfd = -1;
	int rc = repo_make_directory(path, &made, &dirfd, e);

	if (rc != ERR_OK)
		return rc;
	full = realpath(path, NULL);
	rc = full != NULL ? repo_fill(dirfd, full, e)
			  : err_system(e, errno, "cannot resolve %s", path);
	if (rc != ERR_OK)
		repo_unmake(dirfd, path, made);
	free(full);
	close(dirfd);
	return rc;
}

/* ---- opening ---- */

static int
repo_open_failed(const char *path, int errnum, struct err *e)
{
	if (errnum == ENOENT)
		return err_set(e, ERR_NOTREPO,
		    "there is no repository %s; make one with: thinkback init %s", path, path);
	if (errnum == ENOTDIR)
		return err_set(e, ERR_NOTREPO, "%s is not a directory", path);
	return err_system(e, errnum, "cannot open %s", path);
}

/* Open packs/ and see that there is a catalogue, unless that is not ${needed}. */
static int
repo_open_inside(struct repo *repo, const char *path, bool needed, struct err *e)
{
	bool catalog = repo_has(repo->dirfd, REPO_CATALOG);

	repo->packsfd = openat(repo->dirfd, REPO_PACKS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (repo->packsfd < 0 && errno != ENOENT && errno != ENOTDIR)
		return err_system(e, errno, "cannot open %s/" REPO_PACKS, path);
	if (repo->packsfd < 0 && !catalog)
		return err_set(e, ERR_NOTREPO,
		    "%s is not a thinkback repository; make one with: thinkback init %s", path,
		    path);
	if (repo->packsfd < 0 || (needed && !catalog))
		return err_set(e, ERR_NOTREPO,
		    "%s is not a whole thinkback repository: %s is missing%s", path,
		    catalog ? REPO_PACKS : REPO_CATALOG,
		    catalog ? "" : "; make it again with: thinkback rebuild");
	return ERR_OK;
}

static int
repo_open_any(const char *path, bool catalog_needed, struct repo **out, struct err *e)
{
	struct repo *repo = malloc(sizeof(*repo));
	int rc;

	if (repo == NULL)
		return err_nomem(e);
	*repo = (struct repo){.dirfd = -1, .packsfd = -1};
	repo->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (repo->dirfd < 0)
		rc = repo_open_failed(path, errno, e);
	else
		rc = repo_open_inside(repo, path, catalog_needed, e);
	if (rc == ERR_OK) {
		repo->path = realpath(path, NULL);
		if (repo->path == NULL)
			rc = err_system(e, errno, "cannot resolve %s", path);
	}
	if (rc != ERR_OK) {
		repo_close(repo);
		return rc;
	}
	*out = repo;
	return ERR_OK;
}

int
repo_open(const char *path, struct repo **out, struct err *e)
{
	return repo_open_any(path, true, out, e);
}

int
repo_open_packs(const char *path, struct repo **out, struct err *e)
{
	return repo_open_any(path, false, out, e);
}

/* Whether ${path} is a link that somebody else could let lead elsewhere. */
static bool
repo_is_foreign_link(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && st.st_uid != 0 &&
	       st.st_uid != geteuid();
}

int
repo_check_owner(const struct repo *repo, const char *named, struct err *e)
{
	struct stat st;

	if (fstat(repo->dirfd, &st) != 0)
		return err_system(e, errno, "cannot look at %s", repo->path);
	if (st.st_uid != geteuid())
		return err_set(e, ERR_DENIED, "%s belongs to the user with number %lu, not to %lu",
		    repo->path, (unsigned long)st.st_uid, (unsigned long)geteuid());
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return err_set(e, ERR_DENIED, "%s can be written to by other users", repo->path);
	if (repo_is_foreign_link(named))
		return err_set(e, ERR_DENIED, "%s is a link made by another user", named);
	return ERR_OK;
}

int
repo_scratch(const struct repo *repo, int *fd, struct err *e)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;

	*fd = openat(repo->dirfd, REPO_SCRATCH, flags);
	if (*fd < 0 && errno == ENOENT) {
		if (mkdirat(repo->dirfd, REPO_SCRATCH, 0700) != 0 && errno != EEXIST)
			return err_system(e, errno, "cannot make %s/" REPO_SCRATCH, repo->path);
		*fd = openat(repo->dirfd, REPO_SCRATCH, flags);
	}
	if (*fd < 0)
		return err_system(e, errno, "cannot open %s/" REPO_SCRATCH, repo->path);
	return ERR_OK;
}

size_t
repo_paths(const struct repo *repo, bool queue, struct sandbox_path *out)
{
	const unsigned write = SANDBOX_READ | SANDBOX_WRITE;
	const unsigned work = queue ? write : SANDBOX_READ;
	const struct sandbox_path paths[REPO_PATHS] = {
	    {repo->dirfd, ".", SANDBOX_READ},
	    /* These may be links to another disk. */
	    {repo->dirfd, REPO_PACKS, SANDBOX_READ},
	    {repo->dirfd, REPO_CATALOG, SANDBOX_READ},
	    {repo->dirfd, REPO_CATALOG "-shm", write},
	    {repo->dirfd, REPO_QUEUE, work},
	    {repo->dirfd, REPO_QUEUE "-wal", work},
	    {repo->dirfd, REPO_QUEUE "-shm", write},
	    {repo->dirfd, REPO_SCRATCH, work | (queue ? SANDBOX_MAKE : 0u)},
	};

	memcpy(out, paths, sizeof(paths));
	return REPO_PATHS;
}

void
repo_close(struct repo *repo)
{
	if (repo == NULL)
		return;
	if (repo->packsfd >= 0)
		close(repo->packsfd);
	if (repo->dirfd >= 0)
		close(repo->dirfd);
	free(repo->path);
	free(repo);
}

/* ---- the lock ---- */

/* Somebody holds the lock; the file has its process number, for the text alone. */
static int
repo_lock_busy(const struct repo *repo, int fd, struct err *e)
{
	char text[24] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	long pid = n > 0 ? strtol(text, NULL, 10) : 0;

	if (pid > 0)
		return err_set(e, ERR_BUSY,
		    "%s is being written to by another thinkback (process %ld); try again when it "
		    "has ended",
		    repo->path, pid);
	return err_set(e, ERR_BUSY,
	    "%s is being written to by another thinkback; try again when it has ended", repo->path);
}

/* Who holds the lock is only information: a failure to write it down does not matter. */
static void
repo_lock_sign(int fd)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	if (n > 0 && ftruncate(fd, 0) == 0)
		file_write_at(fd, text, (size_t)n, 0, REPO_LOCK, NULL);
}

/*
 * A lock of the open file (not of the process, as plain record locks): it conflicts within one
 * process too, is not lost when some other descriptor of the file is closed, and ends with the
 * process however that ends.
 */
int
repo_lock(const struct repo *repo, int *fd, struct err *e)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int lockfd;
	int rc = repo_open_lock(repo->dirfd, repo->path, &lockfd, e);

	if (rc != ERR_OK)
		return rc;
	if (fcntl(lockfd, F_OFD_SETLK, &lock) != 0) {
		rc = errno == EAGAIN || errno == EACCES
			 ? repo_lock_busy(repo, lockfd, e)
			 : err_system(e, errno, "cannot lock %s/" REPO_LOCK, repo->path);
		close(lockfd);
		return rc;
	}
	repo_lock_sign(lockfd);
	*fd = lockfd;
	return ERR_OK;
}
