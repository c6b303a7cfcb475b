/* Dates: the contracts are in date.h. */
#include "catalog/base/date.h"

#include "catalog/base/err.h"
#include "catalog/base/num.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DATE_FIRST (-62135596800LL) /* 0001-01-01T00:00:00Z */
#define DATE_LAST 253402300799LL    /* 9999-12-31T23:59:59Z */

int
date_name(int64_t date, char out[DATE_NAME])
{
	time_t t = (time_t)date;
	struct tm tm;

	out[0] = '\0';
	if (date < DATE_FIRST || date > DATE_LAST || gmtime_r(&t, &tm) == NULL)
		return ERR_LIMIT;
	if (strftime(out, DATE_NAME, "%Y-%m-%dT%H-%M-%SZ", &tm) != DATE_NAME - 1)
		snprintf(out, DATE_NAME, "%04u-%02u-%02uT%02u-%02u-%02uZ",
		    (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
		    (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100,
		    (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
	return ERR_OK;
}

/* Read ${n} digits at ${p}. */
static bool
date_digits(const char *p, int n, int *out)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		v = v * 10 + (p[i] - '0');
	}
	*out = v;
	return true;
}

/* Read "YYYY-MM-DD" at ${p}. */
static bool
date_day(const char *p, struct tm *tm)
{
	if (!date_digits(p, 4, &tm->tm_year) || p[4] != '-' ||
	    !date_digits(p + 5, 2, &tm->tm_mon) || p[7] != '-' ||
	    !date_digits(p + 8, 2, &tm->tm_mday))
		return false;
	if (tm->tm_year < 1 || tm->tm_mon < 1 || tm->tm_mon > 12 || tm->tm_mday < 1 ||
	    tm->tm_mday > 31)
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon -= 1;
	return true;
}

/* Read "HH:MM:SS" at ${p}, with ${sep} between. */
static bool
date_time(const char *p, char sep, struct tm *tm)
{
	if (!date_digits(p, 2, &tm->tm_hour) || p[2] != sep ||
	    !date_digits(p + 3, 2, &tm->tm_min) || p[5] != sep ||
	    !date_digits(p + 6, 2, &tm->tm_sec))
		return false;
	return tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec < 60;
}

/* Turn ${tm} into seconds; refuse days that the month does not have (timegm would move them on). */
static int
date_make(struct tm *tm, bool utc, int64_t *out)
{
	int day = tm->tm_mday;
	time_t t;

	tm->tm_isdst = -1;
	t = utc ? timegm(tm) : mktime(tm);
	if (tm->tm_mday != day)
		return ERR_FORMAT;
	*out = (int64_t)t;
	return ERR_OK;
}

int
date_from_name(const char *name, size_t len, int64_t *out)
{
	struct tm tm = {0};

	if (len != DATE_NAME - 1 || name[19] != 'Z' || name[10] != 'T' || !date_day(name, &tm) ||
	    !date_time(name + 11, '-', &tm))
		return ERR_FORMAT;
	return date_make(&tm, true, out);
}

int
date_from_local(const char *text, size_t len, int64_t *out)
{
	struct tm tm = {0};

	if (len != 19 || text[10] != 'T' || !date_day(text, &tm) ||
	    (!date_time(text + 11, ':', &tm) && !date_time(text + 11, '-', &tm)))
		return ERR_FORMAT;
	return date_make(&tm, false, out);
}

int
date_parse(const char *text, int64_t *out)
{
	size_t len = strlen(text);
	struct tm tm = {0};
	uint64_t seconds;

	if (text[0] == '@') {
		if (num_parse(text + 1, (uint64_t)DATE_LAST, &seconds) != ERR_OK)
			return ERR_FORMAT;
		*out = (int64_t)seconds;
		return ERR_OK;
	}
	if (date_from_name(text, len, out) == ERR_OK)
		return ERR_OK;
	if (len < 10 || !date_day(text, &tm))
		return ERR_FORMAT;
	if (len == 10)
		return date_make(&tm, false, out);
	if (len < 19 || (text[10] != 'T' && text[10] != ' ') || !date_time(text + 11, ':', &tm))
		return ERR_FORMAT;
	if (len == 19)
		return date_make(&tm, false, out);
	if (len == 20 && text[19] == 'Z')
		return date_make(&tm, true, out);
	return ERR_FORMAT;
}

int64_t
date_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
