/* The log sink: the contract is in log.h. */
#include "catalog/base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#define LOG_LINE_MAX 1024

void
log_line(const struct log *log, enum log_level level, const char *fmt, ...)
{
	char text[LOG_LINE_MAX];
	va_list ap;

	if (log == NULL || log->line == NULL || level > log->most)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* One line, and none that a terminal obeys: it may carry names from outside. */
	for (unsigned char *p = (unsigned char *)text; *p != '\0'; p++)
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
	log->line(log->arg, level, text);
}
