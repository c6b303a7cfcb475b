/* Which snapshots are kept: the contracts are in retention.h. */
#include "catalog/retention.h"

#include "catalog/base/err.h"

#include <string.h>
#include <time.h>

#define RETENTION_SPAN_MAX 10000u /* of each number in a span */

/* The bits of a rule: it keeps the snapshot as the newest of a period; as the oldest of all. */
#define RETENTION_KEEPS(rule) (1u << (2 * (unsigned)(rule)))
#define RETENTION_OLDEST(rule) (2u << (2 * (unsigned)(rule)))

bool
retention_any(const struct retention_policy *p)
{
	const struct retention_span *w = &p->within;

	for (size_t i = 0; i < RETENTION_RULES; i++)
		if (p->keep[i] != 0)
			return true;
	return p->tags || w->years != 0 || w->months != 0 || w->days != 0 || w->hours != 0;
}

/* A number for the ISO week of ${tm}. */
static int64_t
retention_week(const struct tm *tm)
{
	struct tm thursday = *tm;
	time_t t;

	/* Weeks begin on Monday and belong to the year that their Thursday is in (ISO 8601). */
	thursday.tm_mday += 3 - (tm->tm_wday + 6) % 7;
	t = timegm(&thursday);
	gmtime_r(&t, &thursday);
	return (int64_t)thursday.tm_year * 100 + thursday.tm_yday / 7;
}

/* A number that is the same for all dates of one period of the rule. */
static int64_t
retention_period(enum retention_rule rule, int64_t date, size_t number)
{
	time_t t = (time_t)date;
	struct tm tm = {0};

	gmtime_r(&t, &tm);
	switch (rule) {
	case RETENTION_LAST:
		return (int64_t)number;
	case RETENTION_HOURLY:
		return ((int64_t)tm.tm_year * 366 + tm.tm_yday) * 24 + tm.tm_hour;
	case RETENTION_DAILY:
		return (int64_t)tm.tm_year * 366 + tm.tm_yday;
	case RETENTION_WEEKLY:
		return retention_week(&tm);
	case RETENTION_MONTHLY:
		return (int64_t)tm.tm_year * 12 + tm.tm_mon;
	case RETENTION_YEARLY:
		return tm.tm_year;
	case RETENTION_RULES:
		break;
	}
	return 0;
}

/* Let one rule go through all snapshots. */
static void
retention_rule_apply(
    enum retention_rule rule, uint64_t left, struct retention_item *items, size_t n)
{
	int64_t last = 0;

	for (size_t i = n; i > 0 && left > 0; i--) {
		int64_t period = retention_period(rule, items[i - 1].date, i);
		bool same = i < n && period == last;
		if (same && i > 1)
			continue;
		items[i - 1].reasons |= same ? RETENTION_OLDEST(rule) : RETENTION_KEEPS(rule);
		last = period;
		if (left != RETENTION_UNLIMITED)
			left--;
	}
}

int64_t
retention_span_before(int64_t date, const struct retention_span *span)
{
	time_t t = (time_t)date;
	struct tm tm = {0};

	gmtime_r(&t, &tm);
	tm.tm_year -= (int)span->years;
	tm.tm_mon -= (int)span->months;
	tm.tm_mday -= (int)span->days;
	tm.tm_hour -= (int)span->hours;
	return (int64_t)timegm(&tm);
}

void
retention_apply(const struct retention_policy *p, struct retention_item *items, size_t n)
{
	static const struct retention_span none;
	int64_t young;

	if (n == 0)
		return;
	young = retention_span_before(items[n - 1].date, &p->within);
	for (size_t i = 0; i < n; i++) {
		items[i].reasons = items[i].pinned ? RETENTION_PINNED : 0;
		if (items[i].gap)
			items[i].reasons |= RETENTION_GAP;
		if (p->tags && items[i].tagged)
			items[i].reasons |= RETENTION_TAG;
		if (memcmp(&p->within, &none, sizeof(none)) != 0 && items[i].date > young)
			items[i].reasons |= RETENTION_WITHIN;
	}
	for (size_t rule = 0; rule < RETENTION_RULES; rule++)
		retention_rule_apply((enum retention_rule)rule, p->keep[rule], items, n);
	if (items[n - 1].reasons == 0)
		items[n - 1].reasons = RETENTION_NEWEST;
	for (size_t i = n; i > 0; i--)
		if (!items[i - 1].lost) {
			if (items[i - 1].reasons == 0)
				items[i - 1].reasons = RETENTION_WHOLE;
			break;
		}
}

const char *
retention_reason(uint32_t reasons, size_t i)
{
	static const struct {
		uint32_t bits; /* all of them */
		const char *text;
	} texts[] = {
	    {RETENTION_PINNED, "pinned"},
	    {RETENTION_TAG, "tagged"},
	    {RETENTION_WITHIN, "within the span"},
	    {RETENTION_KEEPS(RETENTION_LAST), "last snapshot"},
	    {RETENTION_KEEPS(RETENTION_HOURLY), "hourly snapshot"},
	    {RETENTION_OLDEST(RETENTION_HOURLY), "oldest hourly snapshot"},
	    {RETENTION_KEEPS(RETENTION_DAILY), "daily snapshot"},
	    {RETENTION_OLDEST(RETENTION_DAILY), "oldest daily snapshot"},
	    {RETENTION_KEEPS(RETENTION_WEEKLY), "weekly snapshot"},
	    {RETENTION_OLDEST(RETENTION_WEEKLY), "oldest weekly snapshot"},
	    {RETENTION_KEEPS(RETENTION_MONTHLY), "monthly snapshot"},
	    {RETENTION_OLDEST(RETENTION_MONTHLY), "oldest monthly snapshot"},
	    {RETENTION_KEEPS(RETENTION_YEARLY), "yearly snapshot"},
	    {RETENTION_OLDEST(RETENTION_YEARLY), "oldest yearly snapshot"},
	    {RETENTION_NEWEST, "newest of its table"},
	    {RETENTION_WHOLE, "newest without losses"},
	    {RETENTION_GAP, "tells of a lost pack"},
	};

	for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++)
		if ((reasons & texts[k].bits) != 0 && i-- == 0)
			return texts[k].text;
	return NULL;
}

/* The member of ${out} that a letter is for; NULL for another letter. */
static unsigned *
retention_unit(struct retention_span *out, char letter)
{
	switch (letter) {
	case 'y':
		return &out->years;
	case 'm':
		return &out->months;
	case 'w':
	case 'd':
		return &out->days;
	case 'h':
		return &out->hours;
	default:
		return NULL;
	}
}

int
retention_span_parse(const char *text, struct retention_span *out)
{
	static const char letters[] = "ymwdh";
	struct retention_span span = {0};
	bool seen[sizeof(letters)] = {false};
	bool any = false;

	while (*text != '\0') {
		const char *letter;
		unsigned *unit;
		unsigned n = 0;
		if (*text < '0' || *text > '9')
			return ERR_FORMAT;
		for (; *text >= '0' && *text <= '9'; text++)
			if ((n = n * 10 + (unsigned)(*text - '0')) > RETENTION_SPAN_MAX)
				return ERR_LIMIT;
		unit = retention_unit(&span, *text);
		letter = *text != '\0' ? strchr(letters, *text) : NULL;
		if (unit == NULL || letter == NULL || seen[letter - letters])
			return ERR_FORMAT;
		seen[letter - letters] = true;
		*unit += *text == 'w' ? 7 * n : n;
		any = any || n > 0;
		text++;
	}
	if (!any)
		return ERR_FORMAT;
	*out = span;
	return ERR_OK;
}
