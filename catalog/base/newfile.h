/*
 * A file that gets its name when it is whole and on disk. Until then it is beside its place, as
 * PATH.part-PROCESS or, when there is something of that name, PATH.part-PROCESS-NUMBER: nobody else
 * writes to it. Any thread.
 */
#ifndef THINKBACK_BASE_NEWFILE_H
#define THINKBACK_BASE_NEWFILE_H

#include "catalog/base/err.h"

#include <stdbool.h>

/* Filled by newfile_open. */
struct newfile {
	int fd;           /* to write to, owned; -1: none */
	const char *path; /* its name in the end, not owned */
	char *temp;       /* its name until then, owned; NULL: it has none any more */
};

/*
 * newfile_open(f, path, e):
 * Make an empty file of mode 0600, whatever the umask. ${path} must live as long as ${f}. Return
 * ERR_OK and fill ${f}, to be closed with newfile_close; or a failure.
 */
int newfile_open(struct newfile *f, const char *path, struct err *e);

/*
 * newfile_place(f, replace, e):
 * Have the file on disk, give it its name, and have that on disk, too. Something else of the name
 * is replaced if ${replace}, and never otherwise; only on a file system with neither links nor
 * renames that replace nothing a name that appears in that very moment is not seen. Return ERR_OK;
 * ERR_EXISTS when there is something else of that name; else a failure.
 */
int newfile_place(struct newfile *f, bool replace, struct err *e);

/* newfile_close(f): close it; unless it has got its name, it is gone. ${f} may be zeroed. */
void newfile_close(struct newfile *f);

#endif
