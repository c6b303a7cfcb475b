/*
 * errno values of error codes: the contracts are in errmap.h. Texts that users see are the
 * system's, so each code gets the errno whose text comes nearest to what happened.
 */
#include "fs/errmap.h"

#include "catalog/base/err.h"

#include <errno.h>

int
errmap_errno(int code)
{
	switch ((enum err_code)code) {
	case ERR_OK:
	case ERR_END:
		return 0;
	case ERR_ABSENT:
		return ENOENT;
	case ERR_NOMEM:
		return ENOMEM;
	case ERR_NOSPACE:
		return ENOSPC;
	case ERR_FORMAT: /* bad JSON: "Invalid argument" at close or rename */
	case ERR_KEY:
	case ERR_ARG:
		return EINVAL;
	case ERR_LIMIT:
		return EFBIG;
	case ERR_EXISTS:
		return EEXIST;
	case ERR_BUSY:
		return EBUSY;
	case ERR_DENIED:
		return EACCES;
	case ERR_READONLY:
		return EROFS;
	case ERR_INTR:
		return EINTR;
	case ERR_WRONG_STATE: /* a restore that a worker has taken, a directory in use */
		return EBUSY;
	case ERR_STALE: /* a listing that cannot go on: ENOENT would end it as if it were whole */
		return ESTALE;
	case ERR_IO:
	case ERR_CORRUPT:
	case ERR_VERSION:
	case ERR_NOTREPO:
	case ERR_ORDER:
	case ERR_TRUNCATED:
	case ERR_BUG:
		return EIO;
	}
	return EIO;
}

int
errmap_answer(enum errmap_answer answer)
{
	switch (answer) {
	case ERRMAP_NOT_PERMITTED:
		return EPERM;
	case ERRMAP_INVALID:
		return EINVAL;
	case ERRMAP_READONLY:
		return EROFS;
	case ERRMAP_CROSS:
		return EXDEV;
	case ERRMAP_NOT_DIRECTORY:
		return ENOTDIR;
	case ERRMAP_IS_DIRECTORY:
		return EISDIR;
	case ERRMAP_NOT_EMPTY:
		return ENOTEMPTY;
	case ERRMAP_ABSENT:
		return ENOENT;
	case ERRMAP_NAME_TOO_LONG:
		return ENAMETOOLONG;
	case ERRMAP_NOT_NEEDED:
		return ENOSYS;
	}
	return EIO;
}
