/* Outcomes and their texts: the contracts are in err.h. */
#include "catalog/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#undef err_set
#undef err_system
#undef err_nomem

/* Make ${text} one printable line: it may carry bytes from archives, file names or servers. */
static void
err_clean(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p != '\0'; p++)
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
}

static void err_format(char *out, size_t size, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

static void
err_format(char *out, size_t size, const char *fmt, va_list ap)
{
	int n = vsnprintf(out, size, fmt, ap);
	if (n < 0)
		out[0] = '\0';
	else if ((size_t)n >= size && size > 4)
		memcpy(out + size - 4, "...", 4);
}

int
err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	if (e == NULL)
		return code;
	e->code = code;
	va_start(ap, fmt);
	err_format(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	err_clean(e->text);
	return code;
}

void
err_prefix(struct err *e, const char *fmt, ...)
{
	char head[ERR_TEXT_MAX];
	char tail[ERR_TEXT_MAX];
	va_list ap;

	if (e == NULL)
		return;
	va_start(ap, fmt);
	err_format(head, sizeof(head), fmt, ap);
	va_end(ap);
	memcpy(tail, e->text, sizeof(tail));
	err_set(e, e->code, "%s: %s", head, tail);
}

static int
err_from_errno(int errnum)
{
	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return ERR_NOSPACE;
	case EACCES:
	case EPERM:
		return ERR_DENIED;
	case EROFS:
		return ERR_READONLY;
	case ENOMEM:
		return ERR_NOMEM;
	case ENOENT:
	case ENOTDIR:
		return ERR_ABSENT;
	case EEXIST:
		return ERR_EXISTS;
	case EINTR:
		return ERR_INTR;
	default:
		return ERR_IO;
	}
}

int
err_system(struct err *e, int errnum, const char *fmt, ...)
{
	char head[ERR_TEXT_MAX];
	char room[128];
	int code = err_from_errno(errnum);
	va_list ap;

	if (e == NULL)
		return code;
	va_start(ap, fmt);
	err_format(head, sizeof(head), fmt, ap);
	va_end(ap);
	return err_set(e, code, "%s: %s", head, strerror_r(errnum, room, sizeof(room)));
}

int
err_nomem(struct err *e)
{
	return err_set(e, ERR_NOMEM, "out of memory");
}

void
err_clear(struct err *e)
{
	if (e == NULL)
		return;
	e->code = ERR_OK;
	e->text[0] = '\0';
}

const char *
err_str(int code)
{
	switch ((enum err_code)code) {
	case ERR_OK:
		return "done";
	case ERR_END:
		return "no more items";
	case ERR_ABSENT:
		return "not there";
	case ERR_NOMEM:
		return "out of memory";
	case ERR_IO:
		return "input or output failed";
	case ERR_NOSPACE:
		return "no space left";
	case ERR_CORRUPT:
		return "stored data is damaged";
	case ERR_FORMAT:
		return "malformed input";
	case ERR_LIMIT:
		return "over a limit";
	case ERR_ARG:
		return "invalid argument";
	case ERR_EXISTS:
		return "already exists";
	case ERR_BUSY:
		return "in use by another process";
	case ERR_VERSION:
		return "made by a newer thinkback";
	case ERR_NOTREPO:
		return "not a repository";
	case ERR_ORDER:
		return "older than what the repository holds";
	case ERR_KEY:
		return "primary key missing or illegal";
	case ERR_DENIED:
		return "permission denied";
	case ERR_READONLY:
		return "read-only";
	case ERR_WRONG_STATE:
		return "not possible in this state";
	case ERR_TRUNCATED:
		return "input is truncated";
	case ERR_INTR:
		return "interrupted";
	case ERR_STALE:
		return "forgotten meanwhile";
	case ERR_BUG:
		return "internal error";
	}
	return "unknown error";
}
