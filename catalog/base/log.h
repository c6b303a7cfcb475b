/*
 * The log sink. Libraries never print: they hand a line to the sink that the program gave them. A
 * NULL or zeroed sink swallows everything. log_line may be called from any thread when the sink's
 * own function may.
 */
#ifndef THINKBACK_BASE_LOG_H
#define THINKBACK_BASE_LOG_H

enum log_level {
	LOG_ERROR = 0,   /* something failed */
	LOG_WARNING = 1, /* worth a look, work goes on */
	LOG_NOTICE = 2,  /* what a user wants to know by default */
	LOG_DETAIL = 3   /* shown with -v */
};

struct log {
	void (*line)(void *arg, enum log_level level, const char *text); /* NULL: swallow */
	void *arg;                                                       /* handed to line */
	enum log_level most; /* higher levels are dropped */
};

/*
 * log_line(log, level, fmt, ...):
 * Hand a formatted line (no newline) of ${level} to ${log}, which may be NULL. Control characters
 * become '?'.
 */
void log_line(const struct log *log, enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
