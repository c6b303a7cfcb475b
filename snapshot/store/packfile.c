/*
 * Pack, dictionary and run files on disk: the contracts are in packfile.h.
 *
 * A file is written as packs/.tmp-ID.pack. Order of durability: write, sync the file, rename, sync
 * the subdirectory, sync packs/ itself. packs/ is synced each time and not only when this process
 * made the subdirectory: the one that did may have crashed before its own sync.
 */
#include "snapshot/store/packfile.h"

#include "catalog/base/file.h"
#include "snapshot/store/codec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PACKFILE_BUFFER 131072 /* bytes gathered before they are written */
#define PACKFILE_NAME 40       /* room for any of the names below, with its NUL */
#define PACKFILE_SUBDIR 6      /* hex digits of a subdirectory's name */
#define PACKFILE_DIGITS 16     /* hex digits of a file's name */
#define PACKFILE_SHIFT 10      /* bits of a number that its subdirectory does not show */
#define PACKFILE_TEMP ".tmp-"  /* how the names of unfinished files begin */

static const char *const packfile_suffix[] = {[PACKFILE_PACK] = "pack",
    [PACKFILE_DICTIONARY] = "dict",
    [PACKFILE_RUN] = "run",
    [PACKFILE_MARKER] = "gone",
    [PACKFILE_LEDGER] = "ledger"};

/* A file's names, all below packs/. */
struct packfile_names {
	char subdir[PACKFILE_NAME]; /* "000000" */
	char file[PACKFILE_NAME];   /* "0000000000000012.pack", in the subdirectory */
	char path[PACKFILE_NAME];   /* the two together */
	char temp[PACKFILE_NAME];   /* ".tmp-0000000000000012.pack" */
};

struct packfile_writer {
	int packsfd;                 /* not owned */
	int fd;                      /* the unfinished file */
	struct packfile_names names; /* of the file */
	char what[PACKFILE_WHAT];    /* for error texts */
	uint64_t size;               /* bytes appended */
	struct buf pending;          /* bytes not written yet */
};

struct packfile {
	int fd;                  /* the file */
	uint64_t length;         /* bytes, when it was opened */
	enum packfile_kind kind; /* for error texts */
	uint64_t id;             /* likewise */
};

bool
packfile_id_valid(uint64_t id)
{
	return id >= 1 && id <= PACKFILE_ID_MAX;
}

const char *
packfile_what(enum packfile_kind kind, uint64_t id, char out[PACKFILE_WHAT])
{
	static const char *const names[] = {[PACKFILE_PACK] = "pack",
	    [PACKFILE_DICTIONARY] = "dictionary",
	    [PACKFILE_RUN] = "run",
	    [PACKFILE_MARKER] = "marker",
	    [PACKFILE_LEDGER] = "ledger"};

	snprintf(out, PACKFILE_WHAT, "%s %016" PRIx64, names[kind], id);
	return out;
}

int
packfile_damaged(enum packfile_kind kind, uint64_t id, struct err *e, const char *fmt, ...)
{
	char what[PACKFILE_WHAT];
	char how[ERR_TEXT_MAX / 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(how, sizeof(how), fmt, ap);
	va_end(ap);
	return err_set(e, ERR_CORRUPT, "%s is damaged: %s; run: thinkback check",
	    packfile_what(kind, id, what), how);
}

static int
packfile_names_make(enum packfile_kind kind, uint64_t id, struct packfile_names *out, struct err *e)
{
	char what[PACKFILE_WHAT];
	const char *suffix = packfile_suffix[kind];

	if (!packfile_id_valid(id))
		return err_set(
		    e, ERR_ARG, "no file can be named %s", packfile_what(kind, id, what));
	snprintf(out->subdir, PACKFILE_NAME, "%06" PRIx64, id >> PACKFILE_SHIFT);
	snprintf(out->file, PACKFILE_NAME, "%016" PRIx64 ".%s", id, suffix);
	snprintf(out->path, PACKFILE_NAME, "%06" PRIx64 "/%016" PRIx64 ".%s", id >> PACKFILE_SHIFT,
	    id, suffix);
	snprintf(out->temp, PACKFILE_NAME, PACKFILE_TEMP "%016" PRIx64 ".%s", id, suffix);
	return ERR_OK;
}

/* ---- writing ---- */

static void
packfile_writer_free(struct packfile_writer *w)
{
	if (w->fd >= 0)
		close(w->fd);
	buf_finish(&w->pending);
	free(w);
}

static int
packfile_temp(struct packfile_writer *w, struct err *e)
{
	int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;

	w->fd = openat(w->packsfd, w->names.temp, flags, 0600);
	if (w->fd < 0 && errno == EEXIST && unlinkat(w->packsfd, w->names.temp, 0) == 0)
		w->fd = openat(w->packsfd, w->names.temp, flags, 0600);
	if (w->fd < 0)
		return err_system(e, errno, "cannot make the file of %s", w->what);
	if (fchmod(w->fd, 0600) != 0) {
		int rc = err_system(e, errno, "cannot set the mode of %s", w->what);
		unlinkat(w->packsfd, w->names.temp, 0);
		return rc;
	}
	return ERR_OK;
}

int
packfile_create(
    int packsfd, enum packfile_kind kind, uint64_t id, struct packfile_writer **out, struct err *e)
{
	struct packfile_writer *w = calloc(1, sizeof(*w));
	int rc;

	if (w == NULL)
		return err_nomem(e);
	w->packsfd = packsfd;
	w->fd = -1;
	packfile_what(kind, id, w->what);
	rc = packfile_names_make(kind, id, &w->names, e);
	if (rc == ERR_OK && buf_reserve(&w->pending, PACKFILE_BUFFER) != ERR_OK)
		rc = err_nomem(e);
	if (rc == ERR_OK)
		rc = packfile_temp(w, e);
	if (rc != ERR_OK) {
		packfile_writer_free(w);
		return rc;
	}
	*out = w;
	return ERR_OK;
}

static int
packfile_flush(struct packfile_writer *w, struct err *e)
{
	int rc = file_write(w->fd, w->pending.data, w->pending.len, w->what, e);

	buf_clear(&w->pending);
	return rc;
}

int
packfile_append(struct packfile_writer *w, const void *data, size_t len, struct err *e)
{
	int rc = ERR_OK;

	if (len > PACKFILE_BUFFER - w->pending.len)
		rc = packfile_flush(w, e);
	if (rc == ERR_OK && len > PACKFILE_BUFFER)
		rc = file_write(w->fd, data, len, w->what, e);
	else if (rc == ERR_OK && buf_append(&w->pending, data, len) != ERR_OK)
		rc = err_nomem(e);
	if (rc == ERR_OK)
		w->size += len;
	return rc;
}

uint64_t
packfile_size(const struct packfile_writer *w)
{
	return w->size;
}

/* Open the subdirectory ${name}, making it if need be; sets ${fd}, and ${made} when it is new. */
static int
packfile_subdir(int packsfd, const char *name, int *fd, bool *made, struct err *e)
{
	int rc;

	*made = mkdirat(packsfd, name, 0700) == 0;
	if (!*made && errno != EEXIST)
		return err_system(e, errno, "cannot make the directory packs/%s", name);
	if (*made && fchmodat(packsfd, name, 0700, 0) != 0)
		rc = err_system(e, errno, "cannot set the mode of packs/%s", name);
	else if ((*fd = openat(packsfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0)
		rc = err_system(e, errno, "cannot open the directory packs/%s", name);
	else
		return ERR_OK;
	if (*made)
		unlinkat(packsfd, name, AT_REMOVEDIR);
	return rc;
}

/* Move the file to its name in ${subfd} unless there is one already. */
static int
packfile_rename(const struct packfile_writer *w, int subfd, struct err *e)
{
	int rc;

	if (renameat2(w->packsfd, w->names.temp, subfd, w->names.file, RENAME_NOREPLACE) == 0)
		return ERR_OK;
	/* Some file systems cannot rename without replacing; a link never replaces. */
	if (errno == EINVAL || errno == ENOSYS || errno == ENOTSUP) {
		if (linkat(w->packsfd, w->names.temp, subfd, w->names.file, 0) == 0) {
			unlinkat(w->packsfd, w->names.temp, 0);
			return ERR_OK;
		}
	}
	if (errno == EEXIST)
		return err_set(e, ERR_EXISTS, "%s exists already", w->what);
	rc = err_system(e, errno, "cannot name %s", w->what);
	/* The file was there a moment ago: that it is gone is not "looked, and it is not there". */
	return rc == ERR_ABSENT ? err_set(e, ERR_IO, "%s", e != NULL ? e->text : "") : rc;
}

/* Name the finished file and make the name durable, or leave no trace of it. */
static int
packfile_place(const struct packfile_writer *w, struct err *e)
{
	bool made;
	int subfd = -1;
	int rc = packfile_subdir(w->packsfd, w->names.subdir, &subfd, &made, e);

	if (rc != ERR_OK)
		return rc;
	rc = packfile_rename(w, subfd, e);
	if (rc == ERR_OK) {
		rc = file_sync(subfd, w->names.subdir, e);
		if (rc == ERR_OK)
			rc = file_sync(w->packsfd, "the directory packs", e);
		if (rc != ERR_OK)
			unlinkat(subfd, w->names.file, 0);
	}
	close(subfd);
	if (rc != ERR_OK && made)
		unlinkat(w->packsfd, w->names.subdir, AT_REMOVEDIR);
	return rc;
}

int
packfile_commit(struct packfile_writer *w, struct err *e)
{
	int rc = packfile_flush(w, e);

	if (rc == ERR_OK)
		rc = file_sync(w->fd, w->what, e);
	if (rc == ERR_OK)
		rc = packfile_place(w, e);
	if (rc != ERR_OK)
		unlinkat(w->packsfd, w->names.temp, 0);
	packfile_writer_free(w);
	return rc;
}

int
packfile_stage(struct packfile_writer *w, struct err *e)
{
	int rc = packfile_flush(w, e);

	if (rc == ERR_OK)
		rc = file_sync(w->fd, w->what, e);
	if (rc == ERR_OK)
		rc = file_sync(w->packsfd, "the directory packs", e);
	if (rc != ERR_OK)
		unlinkat(w->packsfd, w->names.temp, 0);
	packfile_writer_free(w);
	return rc;
}

bool
packfile_staged(int packsfd, enum packfile_kind kind, uint64_t id)
{
	struct packfile_names names;

	return packfile_names_make(kind, id, &names, NULL) == ERR_OK &&
	       faccessat(packsfd, names.temp, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int
packfile_replace(int packsfd, enum packfile_kind kind, uint64_t id, struct err *e)
{
	struct packfile_names names;
	char what[PACKFILE_WHAT];
	bool made;
	int subfd;
	int rc = packfile_names_make(kind, id, &names, e);

	if (rc != ERR_OK)
		return rc;
	packfile_what(kind, id, what);
	rc = packfile_subdir(packsfd, names.subdir, &subfd, &made, e);
	if (rc != ERR_OK)
		return rc;
	if (renameat(packsfd, names.temp, subfd, names.file) != 0 && errno != ENOENT)
		rc = err_system(e, errno, "cannot replace %s", what);
	if (rc == ERR_OK)
		rc = file_sync(subfd, names.subdir, e);
	if (rc == ERR_OK)
		rc = file_sync(packsfd, "the directory packs", e);
	close(subfd);
	return rc;
}

void
packfile_abort(struct packfile_writer *w)
{
	if (w == NULL)
		return;
	unlinkat(w->packsfd, w->names.temp, 0);
	packfile_writer_free(w);
}

int
packfile_save(int packsfd, enum packfile_kind kind, uint64_t id, const void *data, size_t len,
    int (*place)(struct packfile_writer *w, struct err *e), struct err *e)
{
	struct packfile_writer *w;
	int rc = packfile_create(packsfd, kind, id, &w, e);

	if (rc != ERR_OK)
		return rc;
	rc = packfile_append(w, data, len, e);
	if (rc == ERR_OK)
		return place(w, e);
	packfile_abort(w);
	return rc;
}

/* ---- reading ---- */

int
packfile_open(
    int packsfd, enum packfile_kind kind, uint64_t id, struct packfile **out, struct err *e)
{
	struct packfile_names names;
	char what[PACKFILE_WHAT];
	struct packfile *f;
	struct stat st;
	int fd;
	int rc = packfile_names_make(kind, id, &names, e);

	if (rc != ERR_OK)
		return rc;
	packfile_what(kind, id, what);
	/* Whoever put a FIFO there must not make us wait. */
	fd = openat(packsfd, names.path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(e, ERR_ABSENT, "%s is missing; run: thinkback check", what);
	if (fd < 0)
		return err_system(e, errno, "cannot open %s", what);
	f = malloc(sizeof(*f));
	if (f == NULL)
		rc = err_nomem(e);
	else if (fstat(fd, &st) != 0)
		rc = err_system(e, errno, "cannot look at %s", what);
	else if (!S_ISREG(st.st_mode))
		rc = packfile_damaged(kind, id, e, "it is not a regular file");
	if (rc != ERR_OK) {
		free(f);
		close(fd);
		return rc;
	}
	*f = (struct packfile){.fd = fd, .length = (uint64_t)st.st_size, .kind = kind, .id = id};
	*out = f;
	return ERR_OK;
}

void
packfile_close(struct packfile *f)
{
	if (f == NULL)
		return;
	close(f->fd);
	free(f);
}

uint64_t
packfile_length(const struct packfile *f)
{
	return f->length;
}

bool
packfile_is_unlinked(const struct packfile *f)
{
	struct stat st;

	return fstat(f->fd, &st) == 0 && st.st_nlink == 0;
}

int
packfile_read(const struct packfile *f, uint64_t off, void *data, size_t len, struct err *e)
{
	char what[PACKFILE_WHAT];
	int rc;

	if (off > f->length || len > f->length - off)
		return packfile_damaged(f->kind, f->id, e, "it is cut off");
	rc = file_read_at(f->fd, data, len, off, packfile_what(f->kind, f->id, what), e);
	if (rc == ERR_TRUNCATED)
		return packfile_damaged(f->kind, f->id, e, "it was cut off while in use");
	return rc;
}

static int
packfile_load_open(const struct packfile *f, enum packfile_kind kind, uint64_t id,
    const struct packfile_whole *whole, struct buf *out, struct err *e)
{
	uint64_t len = packfile_length(f);
	char what[PACKFILE_WHAT];
	const char *why;
	int rc;

	if (len < whole->least)
		return packfile_damaged(kind, id, e, "it is cut off");
	if (len > whole->most)
		return packfile_damaged(kind, id, e, "it is too long");
	if (codec_room(out, (size_t)len) != ERR_OK)
		return err_nomem(e);
	rc = packfile_read(f, 0, out->data, (size_t)len, e);
	if (rc != ERR_OK)
		return rc;
	out->len = (size_t)len;
	rc = whole->check(out, id, &why);
	if (rc == ERR_CORRUPT)
		return packfile_damaged(kind, id, e, "%s", why);
	if (rc == ERR_VERSION)
		return err_set(e, rc,
		    "%s cannot be read: its format is newer; use a newer thinkback",
		    packfile_what(kind, id, what));
	return rc == ERR_OK ? ERR_OK : err_nomem(e);
}

int
packfile_load(int packsfd, enum packfile_kind kind, uint64_t id, const struct packfile_whole *whole,
    struct buf *out, struct err *e)
{
	struct packfile *f;
	int rc = packfile_open(packsfd, kind, id, &f, e);

	if (rc != ERR_OK)
		return rc;
	rc = packfile_load_open(f, kind, id, whole, out, e);
	packfile_close(f);
	return rc;
}

/* ---- the directory ---- */

int
packfile_remove(int packsfd, enum packfile_kind kind, uint64_t id, struct err *e)
{
	struct packfile_names names;
	char what[PACKFILE_WHAT];
	int subfd;
	int rc = packfile_names_make(kind, id, &names, e);

	if (rc != ERR_OK)
		return rc;
	packfile_what(kind, id, what);
	if (unlinkat(packsfd, names.temp, 0) != 0 && errno != ENOENT)
		return err_system(e, errno, "cannot remove the unfinished file of %s", what);
	subfd = openat(packsfd, names.subdir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	/* What is gone may have been removed by somebody who did not come to sync that. */
	if (subfd < 0 && errno == ENOENT)
		return file_sync(packsfd, "the directory packs", e);
	if (subfd < 0)
		return err_system(e, errno, "cannot open the directory packs/%s", names.subdir);
	if (unlinkat(subfd, names.file, 0) != 0 && errno != ENOENT)
		rc = err_system(e, errno, "cannot remove %s", what);
	else
		rc = file_sync(subfd, names.subdir, e);
	close(subfd);
	return rc;
}

/* Start reading the directory ${name} in ${dirfd}; NULL with errno set when that fails. */
static DIR *
packfile_dir(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir;
	int saved;

	if (fd < 0)
		return NULL;
	dir = fdopendir(fd);
	if (dir == NULL) {
		saved = errno;
		close(fd);
		errno = saved;
	}
	return dir;
}

/* The next entry of ${dir}; ERR_END after the last. */
static int
packfile_dir_next(DIR *dir, const char *what, const char **name, struct err *e)
{
	const struct dirent *entry;

	errno = 0;
	entry = readdir(dir);
	if (entry == NULL && errno != 0)
		return err_system(e, errno, "cannot list the directory %s", what);
	if (entry == NULL)
		return ERR_END;
	*name = entry->d_name;
	return ERR_OK;
}

int
packfile_clean(int packsfd, struct err *e)
{
	DIR *dir = packfile_dir(packsfd, ".");
	const char *name = "";
	int rc;

	if (dir == NULL)
		return err_system(e, errno, "cannot open the directory packs");
	while ((rc = packfile_dir_next(dir, "packs", &name, e)) == ERR_OK) {
		if (strncmp(name, PACKFILE_TEMP, strlen(PACKFILE_TEMP)) != 0)
			continue;
		if (unlinkat(packsfd, name, 0) != 0 && errno != ENOENT && errno != EISDIR) {
			rc = err_system(e, errno, "cannot remove packs/%s", name);
			break;
		}
	}
	closedir(dir);
	return rc == ERR_END ? ERR_OK : rc;
}

/* Read ${n} lower-case hex digits. */
static bool
packfile_hex(const char *text, size_t n, uint64_t *out)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++) {
		char c = text[i];
		if (c >= '0' && c <= '9')
			v = v << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*out = v;
	return true;
}

/* Whether ${name} is that of a file that belongs into the subdirectory number ${subdir}. */
static bool
packfile_is_file(const char *name, uint64_t subdir, enum packfile_kind *kind, uint64_t *id)
{
	if (!packfile_hex(name, PACKFILE_DIGITS, id) || name[PACKFILE_DIGITS] != '.')
		return false;
	for (*kind = PACKFILE_PACK; *kind <= PACKFILE_LEDGER; ++*kind)
		if (strcmp(name + PACKFILE_DIGITS + 1, packfile_suffix[*kind]) == 0)
			return packfile_id_valid(*id) && *id >> PACKFILE_SHIFT == subdir;
	return false;
}

static int
packfile_list_subdir(DIR *dir, const char *what, uint64_t subdir,
    int (*found)(void *arg, enum packfile_kind kind, uint64_t id), void *arg, struct err *e)
{
	const char *name = "";
	enum packfile_kind kind;
	uint64_t id;
	int rc;

	while ((rc = packfile_dir_next(dir, what, &name, e)) == ERR_OK) {
		if (!packfile_is_file(name, subdir, &kind, &id))
			continue;
		rc = found(arg, kind, id);
		if (rc != ERR_OK)
			return rc;
	}
	return rc == ERR_END ? ERR_OK : rc;
}

int
packfile_list(int packsfd, int (*found)(void *arg, enum packfile_kind kind, uint64_t id), void *arg,
    struct err *e)
{
	DIR *dir = packfile_dir(packsfd, "."), *sub;
	const char *name = "";
	uint64_t subdir;
	int rc;

	if (dir == NULL)
		return err_system(e, errno, "cannot open the directory packs");
	while ((rc = packfile_dir_next(dir, "packs", &name, e)) == ERR_OK) {
		if (strlen(name) != PACKFILE_SUBDIR ||
		    !packfile_hex(name, PACKFILE_SUBDIR, &subdir))
			continue;
		sub = packfile_dir(packsfd, name);
		if (sub == NULL && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
			continue;
		rc = sub == NULL ? err_system(e, errno, "cannot open the directory packs/%s", name)
				 : packfile_list_subdir(sub, name, subdir, found, arg, e);
		if (sub != NULL)
			closedir(sub);
		if (rc != ERR_OK) {
			closedir(dir);
			return rc;
		}
	}
	closedir(dir);
	return rc == ERR_END ? ERR_OK : rc;
}
