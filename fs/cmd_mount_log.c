/* The system's log: the contracts are in cmd_mount_log.h. */
#include "fs/cmd_mount_log.h"

#include <syslog.h>

void
cmd_mount_log_open(void)
{
	openlog("thinkback", LOG_PID, LOG_DAEMON);
}

void
cmd_mount_log_write(int level, const char *text)
{
	static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO};

	syslog(priorities[level < 0 || level > 3 ? 3 : level], "%s", text);
}
