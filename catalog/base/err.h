/*
 * Outcomes. Every function that can fail returns one of these codes, and, where there is something
 * to say, leaves one line of text in a caller-owned struct err.
 *
 * Zero is success, positive codes are expected answers, negative codes are failures. "Absent"
 * (looked, not there), "corrupt" (there, but damaged) and "failed" (could not look) are three
 * different answers everywhere. errno values are made from these codes in fs/errmap.c only.
 */
#ifndef THINKBACK_BASE_ERR_H
#define THINKBACK_BASE_ERR_H

#include <stdarg.h>

enum err_code {
	ERR_OK = 0,
	ERR_END = 1,    /* an iteration has no more items */
	ERR_ABSENT = 2, /* looked, and it is not there */

	ERR_NOMEM = -1,     /* out of memory */
	ERR_IO = -2,        /* a read or write failed; the text carries the system's reason */
	ERR_NOSPACE = -3,   /* disk full or quota exceeded */
	ERR_CORRUPT = -4,   /* stored data is damaged */
	ERR_FORMAT = -5,    /* input from outside is not what it should be */
	ERR_LIMIT = -6,     /* input is larger or deeper than a set limit */
	ERR_ARG = -7,       /* the caller or the user asked for something that makes no sense */
	ERR_EXISTS = -8,    /* it is there already */
	ERR_BUSY = -9,      /* another process holds it */
	ERR_VERSION = -10,  /* made by a newer thinkback */
	ERR_NOTREPO = -11,  /* the directory is not a repository */
	ERR_ORDER = -12,    /* older than what the repository already holds */
	ERR_KEY = -13,      /* a document's primary key is missing or not one that RethinkDB has */
	ERR_DENIED = -14,   /* the system refused: permission */
	ERR_READONLY = -15, /* read-only file system, repository or part of the tree */
	ERR_WRONG_STATE = -16, /* not in a state that allows this */
	ERR_TRUNCATED = -17,   /* input ends before it should */
	ERR_INTR = -18,        /* stopped by a signal */
	ERR_STALE = -19,       /* it was forgotten while it was in use */
	ERR_BUG = -20          /* an invariant does not hold */
};

#define ERR_TEXT_MAX 600 /* bytes of an error line, with its NUL */

/* Why something failed, for people. Owned by the caller; valid when zeroed. */
struct err {
	int code;                /* the code last set */
	char text[ERR_TEXT_MAX]; /* one line, no newline, control characters replaced */
};

/*
 * err_set(e, code, fmt, ...):
 * Put ${code} and a formatted line into ${e} (which may be NULL), replacing what was there. Control
 * characters in the result become '?', text that does not fit ends in "...". Return ${code}.
 */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * err_prefix(e, fmt, ...):
 * Put a formatted text and ": " before the line in ${e} (which may be NULL). The code stays.
 */
void err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * err_system(e, errnum, fmt, ...):
 * Put a formatted line, ": " and the system's text for ${errnum} into ${e} (which may be NULL).
 * Return the code that ${errnum} stands for: ERR_NOSPACE, ERR_DENIED, ERR_READONLY, ERR_NOMEM,
 * ERR_ABSENT (ENOENT, ENOTDIR), ERR_EXISTS, ERR_INTR, else ERR_IO.
 */
int err_system(struct err *e, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * err_nomem(e):
 * Put "out of memory" into ${e} (which may be NULL). Return ERR_NOMEM.
 */
int err_nomem(struct err *e);

/*
 * err_failure(code):
 * Return ${code}, which is of a failure, or ERR_BUG for ERR_OK. What makes failures passes through
 * it, so that compilers and analyzers see in every caller that a failure is no success.
 */
static inline int
err_failure(int code)
{
	return code != ERR_OK ? code : ERR_BUG;
}
#define err_set(...) err_failure(err_set(__VA_ARGS__))
#define err_system(...) err_failure(err_system(__VA_ARGS__))
#define err_nomem(e) err_failure(err_nomem(e))

/*
 * err_clear(e):
 * Forget what is in ${e} (which may be NULL).
 */
void err_clear(struct err *e);

/*
 * err_str(code):
 * Return a static sentence for ${code}; an unknown code gets "unknown error".
 */
const char *err_str(int code);

#endif
