/*
 * The system's log, for a mount in the background. A file of its own because <syslog.h> and
 * catalog/base/log.h have names in common. Any thread.
 */
#ifndef THINKBACK_FS_CMD_MOUNT_LOG_H
#define THINKBACK_FS_CMD_MOUNT_LOG_H

/* cmd_mount_log_open(): write to syslog as "thinkback[PID]" from now on. */
void cmd_mount_log_open(void);

/* cmd_mount_log_write(level, text): log a line of that enum log_level. */
void cmd_mount_log_write(int level, const char *text);

#endif
