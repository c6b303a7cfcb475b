/*
 * Putting a catalogue in the place of another: the contracts are in remake.h.
 *
 * What belongs to a database of SQLite is three files. A write-ahead log that stayed beside a
 * database that is not its own would be played into it, so the log of the old one is merged first
 * and taken away before the new file comes. In every state in between, catalog.db is the old one,
 * whole; the last step is one rename.
 */
#include "catalog/remake.h"

#include "catalog/base/date.h"
#include "catalog/base/file.h"
#include "catalog/catalog_internal.h"
#include "catalog/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define REMAKE_DIR ".rebuild"
#define REMAKE_FILE "catalog.db"
#define REMAKE_KEPT 80 /* room for the name of the old one, with its NUL */

static const char *const REMAKE_TAILS[] = {"-wal", "-shm", "-journal"};

static void
remake_remove(const struct repo *repo)
{
	char name[REMAKE_KEPT];

	unlinkat(repo->dirfd, REMAKE_DIR "/" REMAKE_FILE, 0);
	for (size_t i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), REMAKE_DIR "/" REMAKE_FILE "%s", REMAKE_TAILS[i]);
		unlinkat(repo->dirfd, name, 0);
	}
	unlinkat(repo->dirfd, REMAKE_DIR, AT_REMOVEDIR);
}

int
remake_create(const struct repo *repo, struct catalog **out, struct err *e)
{
	struct repo place = {.dirfd = -1, .packsfd = -1};
	struct catalog *c = NULL;
	int rc = ERR_OK;

	remake_remove(repo);
	if (asprintf(&place.path, "%s/" REMAKE_DIR, repo->path) < 0)
		return err_nomem(e);
	if (mkdirat(repo->dirfd, REMAKE_DIR, 0700) != 0)
		rc = err_system(e, errno, "cannot make %s", place.path);
	if (rc == ERR_OK)
		rc = catalog_create(place.path, e);
	if (rc == ERR_OK)
		rc = catalog_open(&place, CATALOG_WRITE, &c, e);
	if (rc == ERR_OK)
		rc = db_without_foreign_keys(c->db, e);
	free(place.path);
	if (rc != ERR_OK) {
		remake_abort(repo, c);
		return rc;
	}
	*out = c;
	return ERR_OK;
}

void
remake_abort(const struct repo *repo, struct catalog *c)
{
	catalog_close(c);
	remake_remove(repo);
}

/* The new catalogue is one file when it is closed; have it on disk. */
static int
remake_sync(const struct repo *repo, struct err *e)
{
	struct stat st;
	int fd, rc;

	if (fstatat(repo->dirfd, REMAKE_DIR "/" REMAKE_FILE "-wal", &st, 0) == 0 && st.st_size > 0)
		return err_set(e, ERR_IO, "the log of the new catalogue could not be merged");
	fd = openat(repo->dirfd, REMAKE_DIR "/" REMAKE_FILE, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_system(e, errno, "cannot open the new catalogue");
	rc = file_sync(fd, "the new catalogue", e);
	close(fd);
	return rc;
}

/* Move what belongs to the old catalogue away, under the name ${kept} and its tails. */
static int
remake_keep(const struct repo *repo, const char *kept, struct err *e)
{
	for (size_t i = 0; i < 3; i++) {
		char from[REMAKE_KEPT], to[REMAKE_KEPT];
		snprintf(from, sizeof(from), REMAKE_FILE "%s", REMAKE_TAILS[i]);
		snprintf(to, sizeof(to), "%s%s", kept, REMAKE_TAILS[i]);
		if (renameat(repo->dirfd, from, repo->dirfd, to) != 0 && errno != ENOENT)
			return err_system(e, errno, "cannot move %s/%s", repo->path, from);
	}
	if (linkat(repo->dirfd, REMAKE_FILE, repo->dirfd, kept, 0) != 0)
		return err_system(e, errno, "cannot keep the old catalogue as %s", kept);
	return ERR_OK;
}

/* A name for the old catalogue that nothing has. */
static void
remake_name(const struct repo *repo, char *out, size_t room)
{
	char date[DATE_NAME];
	struct stat st;
	unsigned n = 0;

	date_name(date_now() / 1000, date);
	do {
		if (n == 0)
			snprintf(out, room, REMAKE_FILE ".before-rebuild-%s", date);
		else
			snprintf(out, room, REMAKE_FILE ".before-rebuild-%s.%u", date, n);
		n++;
	} while (fstatat(repo->dirfd, out, &st, AT_SYMLINK_NOFOLLOW) == 0);
}

/* Merge the log of the old catalogue, whatever it is a catalogue of. */
static int
remake_settle(const struct repo *repo, struct err *e)
{
	char *path;
	int rc;

	if (asprintf(&path, "%s/" REMAKE_FILE, repo->path) < 0)
		return err_nomem(e);
	rc = db_merge_log(path, e);
	free(path);
	return rc == ERR_BUSY ? rc : ERR_OK;
}

static int
remake_swap(const struct repo *repo, char *kept, size_t room, struct err *e)
{
	struct stat st;
	bool old = fstatat(repo->dirfd, REMAKE_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0;
	int rc = ERR_OK;

	remake_name(repo, kept, room);
	if (old)
		rc = remake_settle(repo, e);
	if (rc == ERR_OK && old)
		rc = remake_keep(repo, kept, e);
	if (rc == ERR_OK && !old)
		for (size_t i = 0; i < 3; i++) {
			char name[REMAKE_KEPT];
			snprintf(name, sizeof(name), REMAKE_FILE "%s", REMAKE_TAILS[i]);
			unlinkat(repo->dirfd, name, 0);
		}
	if (rc == ERR_OK)
		rc = file_sync(repo->dirfd, repo->path, e);
	if (rc == ERR_OK &&
	    renameat(repo->dirfd, REMAKE_DIR "/" REMAKE_FILE, repo->dirfd, REMAKE_FILE) != 0)
		rc = err_system(e, errno, "cannot put the new catalogue in its place");
	if (rc == ERR_OK)
		rc = file_sync(repo->dirfd, repo->path, e);
	if (!old)
		kept[0] = '\0';
	return rc;
}

int
remake_place(const struct repo *repo, struct catalog *c, char *kept, size_t room, struct err *e)
{
	int rc;

	catalog_close(c);
	rc = remake_sync(repo, e);
	if (rc == ERR_OK)
		rc = remake_swap(repo, kept, room, e);
	remake_remove(repo);
	return rc;
}
