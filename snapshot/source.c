/*
 * Sources: finding out what is at a path, and handing calls on to its kind. The contracts are in
 * source.h.
 */
#include "snapshot/source_internal.h"

#include "catalog/base/date.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOURCE_DATE_TEXT 19u /* bytes of YYYY-MM-DDTHH:MM:SS */
#define SOURCE_SHORT 160u    /* bytes of a name in an error's text */

/* ---- what the kinds share ---- */

int
source_date_add(struct source *s, int64_t date, struct err *e)
{
	size_t at = s->n_dates;
	int64_t *dates;

	while (at > 0 && s->dates[at - 1] > date)
		at--;
	if (at > 0 && s->dates[at - 1] == date)
		return ERR_OK;
	dates = realloc(s->dates, (s->n_dates + 1) * sizeof(*dates));
	if (dates == NULL)
		return err_nomem(e);
	memmove(dates + at + 1, dates + at, (s->n_dates - at) * sizeof(*dates));
	dates[at] = date;
	s->dates = dates;
	s->n_dates++;
	return ERR_OK;
}

int
source_dated(struct source *s, const char *name, struct err *e)
{
	size_t len = strlen(name);
	int64_t date;

	if (len < SOURCE_DATE_TEXT ||
	    date_from_local(name + len - SOURCE_DATE_TEXT, SOURCE_DATE_TEXT, &date) != ERR_OK)
		return ERR_OK;
	return source_date_add(s, date, e);
}

/* Write ${name}, its beginning left out when it is long. */
static const char *
source_short(const char *name, char out[SOURCE_SHORT])
{
	size_t len = strlen(name);

	if (len < SOURCE_SHORT)
		snprintf(out, SOURCE_SHORT, "%s", name);
	else
		snprintf(out, SOURCE_SHORT, "...%s", name + len - (SOURCE_SHORT - 4));
	return out;
}

void
source_blame(const char *label, const char *file, struct err *e)
{
	char text[SOURCE_SHORT];

	if (file != NULL && file[0] != '\0')
		err_prefix(e, "%s", source_short(file, text));
	err_prefix(e, "%s", source_short(label, text));
}

void
source_gone(struct err *e)
{
	if (e->code == ERR_ABSENT)
		e->code = ERR_IO;
}

int
source_csv(struct err *e)
{
	return err_set(e, ERR_FORMAT,
	    "csv exports cannot be used, as every value in them is a string: export as json");
}

/* ---- opening ---- */

/* The base name of what ${path} leads to: a link named "latest" says less than its target. */
static char *
source_base_name(const char *path)
{
	char *real = realpath(path, NULL);
	const char *whole = real != NULL ? real : path;
	const char *slash = strrchr(whole, '/');
	char *name = strdup(slash != NULL && slash[1] != '\0' ? slash + 1 : whole);

	free(real);
	return name;
}

static int
source_open_directory(int fd, char *label, struct source **out, struct err *e)
{
	int rc;

	if (faccessat(fd, "catalog.db", F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		err_set(e, ERR_FORMAT,
		    "this is a thinkback repository, not something to take snapshots of");
		source_blame(label, NULL, e);
		return ERR_FORMAT;
	}
	rc = tree_open(fd, label, out, e);
	if (rc == ERR_ABSENT)
		rc = export_open(fd, label, out, e);
	if (rc == ERR_ABSENT) {
		rc = err_set(e, ERR_FORMAT,
		    "neither an export directory (DB/TABLE.json with DB/TABLE.info) nor a tree as "
		    "a mount shows it (DB/TABLE/shard-NN/DATE)");
		source_blame(label, NULL, e);
	}
	return rc;
}

static int
source_open_fd(int fd, char *label, struct source **out, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_system(e, errno, "cannot look at %s", label);
	if (S_ISDIR(st.st_mode))
		return source_open_directory(fd, label, out, e);
	if (S_ISREG(st.st_mode))
		return archive_open(fd, (uint64_t)st.st_size, label, out, e);
	err_set(e, ERR_FORMAT, "neither a file nor a directory");
	source_blame(label, NULL, e);
	return ERR_FORMAT;
}

/* Nothing can be read before source_start. */
static void
source_unstarted(struct source *s)
{
	err_set(&s->fault, ERR_BUG, "%s: source_start has to be called first", s->label);
}

int
source_open(const char *path, struct source **out, struct err *e)
{
	struct err local;
	struct source *s;
	char text[SOURCE_SHORT];
	char *label;
	int fd, rc;

	if (e == NULL)
		e = &local;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_system(e, errno, "cannot open %s", source_short(path, text));
	label = source_base_name(path);
	rc = label != NULL ? source_open_fd(fd, label, &s, e) : err_nomem(e);
	if (rc != ERR_OK) {
		free(label);
		close(fd);
		return rc;
	}
	source_unstarted(s);
	*out = s;
	return ERR_OK;
}

void
source_set_stop(struct source *s, const volatile sig_atomic_t *stop)
{
	s->stop = stop;
}

bool
source_is_server(const char *text)
{
	return strstr(text, "://") != NULL;
}

int
source_open_server(
    const char *address, const struct source_server *server, struct source **out, struct err *e)
{
	struct err local;
	struct source *s;
	int rc;

	if (e == NULL)
		e = &local;
	rc = live_open(address, server, &s, e);
	if (rc != ERR_OK)
		return rc;
	rc = source_date_add(s, date_now() / 1000, e);
	if (rc != ERR_OK) {
		source_close(s);
		return rc;
	}
	source_unstarted(s);
	*out = s;
	return ERR_OK;
}

void
source_close(struct source *s)
{
	char *label;

	if (s == NULL)
		return;
	label = s->label;
	s->functions->close(s);
	free(label);
}

/* ---- what it is ---- */

enum source_kind
source_kind_of(const struct source *s)
{
	return s->kind;
}

const char *
source_label(const struct source *s)
{
	return s->label;
}

size_t
source_runs(const struct source *s)
{
	return s->n_dates > 0 ? s->n_dates : 1;
}

struct source_run
source_run(const struct source *s, size_t i)
{
	if (i >= s->n_dates)
		return (struct source_run){0};
	return (struct source_run){.date = s->dates[i], .dated = true};
}

/* ---- reading ---- */

int
source_tables(struct source *s, size_t i,
    int (*found)(void *arg, const char *database, const char *table), void *arg, struct err *e)
{
	struct err local;
	int rc;

	if (i >= source_runs(s))
		return err_set(e, ERR_ARG, "%s has no run %zu", s->label, i);
	rc = s->functions->tables(s, i, found, arg, e != NULL ? e : &local);
	source_unstarted(s);
	return rc;
}

int
source_start(struct source *s, size_t i, struct err *e)
{
	struct err local;
	int rc;

	if (i >= source_runs(s))
		return err_set(e, ERR_ARG, "%s has no run %zu", s->label, i);
	if (e == NULL)
		e = &local;
	rc = s->functions->start(s, i, e);
	if (rc == ERR_OK)
		err_clear(&s->fault);
	else
		s->fault = *e;
	return rc;
}

int
source_next(struct source *s, struct source_item *out, struct err *e)
{
	struct err local;
	int rc;

	if (s->fault.code != ERR_OK)
		return err_set(e, s->fault.code, "%s", s->fault.text);
	if (e == NULL)
		e = &local;
	rc = s->functions->next(s, out, e);
	if (rc < 0)
		s->fault = *e;
	return rc;
}

void
source_skip_table(struct source *s)
{
	s->functions->skip_table(s);
}

void
source_progress(const struct source *s, uint64_t *done, uint64_t *total)
{
	s->functions->progress(s, done, total);
}

const struct buf *
source_record(const struct source *s)
{
	const struct buf *record = s->functions->record != NULL ? s->functions->record(s) : NULL;

	return record != NULL && record->len > 0 ? record : NULL;
}
