/* The only place where errno values are made of error codes. Pure; any thread. */
#ifndef THINKBACK_FS_ERRMAP_H
#define THINKBACK_FS_ERRMAP_H

/* What a file system answers that is no outcome of the libraries. */
enum errmap_answer {
	ERRMAP_NOT_PERMITTED, /* EPERM: links, devices: nothing that exists here */
	ERRMAP_INVALID,       /* EINVAL: a flag that has no meaning here */
	ERRMAP_READONLY,      /* EROFS: a write anywhere but in the inbox */
	ERRMAP_CROSS,         /* EXDEV: a rename out of a table's inbox; mv copies then */
	ERRMAP_NOT_DIRECTORY, /* ENOTDIR */
	ERRMAP_IS_DIRECTORY,  /* EISDIR */
	ERRMAP_NOT_EMPTY,     /* ENOTEMPTY: rmdir */
	ERRMAP_ABSENT,        /* ENOENT */
	ERRMAP_NAME_TOO_LONG, /* ENAMETOOLONG */
	ERRMAP_NOT_NEEDED     /* ENOSYS: a request that the kernel need not send again */
};

/*
 * errmap_errno(code):
 * The errno for ${code}; 0 for ERR_OK and ERR_END; only ERR_ABSENT is ENOENT. A code that is none
 * is EIO.
 */
int errmap_errno(int code);

/* errmap_answer(answer): the errno for ${answer}. */
int errmap_answer(enum errmap_answer answer);

#endif
