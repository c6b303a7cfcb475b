/* The only place where errno values are made of error codes. Pure; any thread. */
#ifndef THINKBACK_FS_ERRMAP_H
#define THINKBACK_FS_ERRMAP_H

/* errmap_errno(code): the errno for ${code}; 0 for ERR_OK and ERR_END; only ERR_ABSENT is ENOENT.
 */
int errmap_errno(int code);

#endif
