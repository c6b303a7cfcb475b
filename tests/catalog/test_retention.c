/* Which snapshots a policy keeps: rules, periods of the calendar, spans of time. */
#include "tests/support/test.h"

#include "catalog/base/date.h"
#include "catalog/retention.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 40 /* snapshots of a case */

/* Read dates as "2026-11-18T03", blanks between; "!" behind one: pinned, "#": tagged, "-": lost,
 * "?": with a gap. */
static size_t
read_dates(const char *text, struct retention_item items[MOST])
{
	size_t n = 0;

	while (*text != '\0') {
		char name[DATE_NAME];
		assert_true(n < MOST);
		items[n] = (struct retention_item){0};
		snprintf(name, sizeof(name), "%.13s-00-00Z", text);
		assert_int_equal(date_from_name(name, strlen(name), &items[n].date), ERR_OK);
		for (text += 13; *text != ' ' && *text != '\0'; text++) {
			items[n].pinned = items[n].pinned || *text == '!';
			items[n].tagged = items[n].tagged || *text == '#';
			items[n].lost = items[n].lost || *text == '-';
			items[n].gap = items[n].gap || *text == '?';
		}
		text += strspn(text, " ");
		n++;
	}
	return n;
}

/* What is kept, oldest first, with the reasons. */
static void
kept(const struct retention_policy *p, const char *dates, struct buf *out)
{
	struct retention_item items[MOST];
	size_t n = read_dates(dates, items);

	retention_apply(p, items, n);
	buf_clear(out);
	for (size_t i = 0; i < n; i++) {
		const char *reason;
		char name[DATE_NAME];
		date_name(items[i].date, name);
		if (items[i].reasons != 0)
			buf_printf(out, "%.13s", name);
		for (size_t k = 0; (reason = retention_reason(items[i].reasons, k)) != NULL; k++)
			buf_printf(out, "%c%s", k > 0 ? ',' : ':', reason);
		if (items[i].reasons != 0)
			buf_putc(out, '\n');
	}
}

static void
retention_apply__rules(void **state)
{
	static const struct {
		const char *what;
		struct retention_policy policy;
		const char *dates;
		const char *want;
	} cases[] = {
	    {"nothing to judge", {.keep = {[RETENTION_DAILY] = 3}}, "", ""},
	    {"last", {.keep = {[RETENTION_LAST] = 2}}, "2026-11-18T03 2026-11-19T03 2026-11-20T03",
		"2026-11-19T03:last snapshot\n2026-11-20T03:last snapshot\n"},
	    {"the newest of those that have lost nothing", {.keep = {[RETENTION_LAST] = 2}},
		"2026-11-16T03 2026-11-17T03 2026-11-18T03- 2026-11-19T03- 2026-11-20T03-",
		"2026-11-17T03:newest without losses\n2026-11-19T03:last snapshot\n"
		"2026-11-20T03:last snapshot\n"},
	    {"which is kept anyway", {.keep = {[RETENTION_LAST] = 1}},
		"2026-11-17T03 2026-11-18T03- 2026-11-19T03", "2026-11-19T03:last snapshot\n"},
	    {"what tells of a lost pack", {.keep = {[RETENTION_LAST] = 1}},
		"2026-11-17T03?- 2026-11-18T03- 2026-11-19T03 2026-11-20T03?-",
		"2026-11-17T03:tells of a lost pack\n2026-11-19T03:newest without losses\n"
		"2026-11-20T03:last snapshot,tells of a lost pack\n"},
	    {"all have lost something", {.keep = {[RETENTION_LAST] = 1}},
		"2026-11-18T03- 2026-11-19T03-", "2026-11-19T03:last snapshot\n"},
	    {"hours: the newest of each", {.keep = {[RETENTION_HOURLY] = 2}},
		"2026-11-18T01 2026-11-18T03 2026-11-18T04",
		"2026-11-18T03:hourly snapshot\n2026-11-18T04:hourly snapshot\n"},
	    {"days: the newest of each, and the oldest fills up", {.keep = {[RETENTION_DAILY] = 3}},
		"2026-11-18T01 2026-11-18T03 2026-11-19T05 2026-11-19T06",
		"2026-11-18T01:oldest daily snapshot\n2026-11-18T03:daily snapshot\n"
		"2026-11-19T06:daily snapshot\n"},
	    {"days without snapshots do not count", {.keep = {[RETENTION_DAILY] = 2}},
		"2025-01-01T00 2025-06-01T00 2026-11-19T06",
		"2025-06-01T00:daily snapshot\n2026-11-19T06:daily snapshot\n"},
	    {"the day before and after a leap day", {.keep = {[RETENTION_DAILY] = 9}},
		"2024-02-28T23 2024-02-29T00 2024-02-29T23 2024-03-01T00 2100-02-28T00 "
		"2100-03-01T00",
		"2024-02-28T23:daily snapshot\n2024-02-29T23:daily snapshot\n"
		"2024-03-01T00:daily snapshot\n2100-02-28T00:daily snapshot\n"
		"2100-03-01T00:daily snapshot\n"},
	    {"the same day of the year in another year", {.keep = {[RETENTION_DAILY] = 2}},
		"2025-11-18T03 2026-11-18T03",
		"2025-11-18T03:daily snapshot\n2026-11-18T03:daily snapshot\n"},
	    {"weeks begin on Monday", {.keep = {[RETENTION_WEEKLY] = 2}},
		"2026-11-14T03 2026-11-15T23 2026-11-16T00 2026-11-22T23",
		"2026-11-15T23:weekly snapshot\n2026-11-22T23:weekly snapshot\n"},
	    /* 2020 has 53 weeks; the last one has three days of 2021. */
	    {"a week across the end of a year", {.keep = {[RETENTION_WEEKLY] = 2}},
		"2020-12-27T00 2020-12-28T00 2020-12-31T00 2021-01-03T00 2021-01-04T00",
		"2021-01-03T00:weekly snapshot\n2021-01-04T00:weekly snapshot\n"},
	    /* 30 December 2024 is in the first week of 2025. */
	    {"a week that belongs to the next year", {.keep = {[RETENTION_WEEKLY] = 2}},
		"2024-12-29T00 2024-12-30T00 2025-01-05T00",
		"2024-12-29T00:weekly snapshot\n2025-01-05T00:weekly snapshot\n"},
	    {"months", {.keep = {[RETENTION_MONTHLY] = 2}},
		"2025-11-30T00 2026-10-01T00 2026-10-31T23 2026-11-01T00",
		"2026-10-31T23:monthly snapshot\n2026-11-01T00:monthly snapshot\n"},
	    {"years", {.keep = {[RETENTION_YEARLY] = 2}},
		"2024-12-31T23 2025-01-01T00 2025-12-31T23 2026-01-01T00",
		"2025-12-31T23:yearly snapshot\n2026-01-01T00:yearly snapshot\n"},
	    {"unlimited", {.keep = {[RETENTION_YEARLY] = RETENTION_UNLIMITED}},
		"2020-01-01T00 2021-01-01T00 2026-01-01T00",
		"2020-01-01T00:yearly snapshot\n2021-01-01T00:yearly snapshot\n"
		"2026-01-01T00:yearly snapshot\n"},
	    {"rules add up",
		{.keep = {[RETENTION_LAST] = 1, [RETENTION_DAILY] = 2, [RETENTION_MONTHLY] = 2}},
		"2026-10-02T03 2026-10-03T03 2026-11-19T03 2026-11-20T03 2026-11-20T15",
		"2026-10-03T03:monthly snapshot\n2026-11-19T03:daily snapshot\n"
		"2026-11-20T15:last snapshot,daily snapshot,monthly snapshot\n"},
	    {"the newest is never forgotten", {.tags = true}, "2026-11-18T03# 2026-11-19T03",
		"2026-11-18T03:tagged\n2026-11-19T03:newest of its table\n"},
	    {"tags that nobody asked for", {.keep = {[RETENTION_LAST] = 1}},
		"2026-11-18T03# 2026-11-19T03", "2026-11-19T03:last snapshot\n"},
	    {"pinned", {.keep = {[RETENTION_LAST] = 1}},
		"2026-11-17T03! 2026-11-18T03 2026-11-19T03",
		"2026-11-17T03:pinned\n2026-11-19T03:last snapshot\n"},
	    {"equal dates are one period", {.keep = {[RETENTION_DAILY] = 1, [RETENTION_LAST] = 2}},
		"2026-11-18T03 2026-11-18T03 2026-11-18T03",
		"2026-11-18T03:last snapshot\n2026-11-18T03:last snapshot,daily snapshot\n"},
	    {"before 1970", {.keep = {[RETENTION_DAILY] = 2}},
		"1969-12-30T23 1969-12-31T00 1969-12-31T23 1970-01-01T00",
		"1969-12-31T23:daily snapshot\n1970-01-01T00:daily snapshot\n"},
	    {"within, from the newest", {.within = {.days = 2}},
		"2026-11-17T03 2026-11-18T03 2026-11-18T04 2026-11-20T03",
		"2026-11-18T04:within the span\n2026-11-20T03:within the span\n"},
	    {"within a leap year", {.within = {.years = 1}},
		"2023-02-28T00 2023-03-01T00 2023-03-01T01 2024-02-29T00",
		"2023-03-01T01:within the span\n2024-02-29T00:within the span\n"},
	    {"within hours", {.within = {.hours = 36}}, "2026-11-18T15 2026-11-18T16 2026-11-20T03",
		"2026-11-18T16:within the span\n2026-11-20T03:within the span\n"},
	};
	struct buf got = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		kept(&cases[i].policy, cases[i].dates, &got);
		print_message("%s\n", cases[i].what);
		assert_text(got.data, got.len, cases[i].want);
	}
	buf_finish(&got);
}

/* Periods are those of UTC, whatever the zone, also in the hour that a zone has twice or lacks. */
static void
retention_apply__no_time_zone(void **state)
{
	static const char *const zones[] = {"UTC", "Europe/Berlin", "America/Los_Angeles",
	    "<+14>-14", "<-12>12", "CET-1CEST,M3.5.0,M10.5.0/3"};
	static const char dates[] =
	    "2026-03-28T23 2026-03-29T00 2026-03-29T01 2026-03-29T02 2026-10-24T23 2026-10-25T00 "
	    "2026-10-25T01 2026-10-25T02 2026-10-25T23 2026-10-26T00";
	const struct retention_policy policy = {
	    .keep = {[RETENTION_HOURLY] = 3, [RETENTION_DAILY] = 9}, .within = {.days = 1}};
	struct buf first = {0}, got = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		assert_int_equal(setenv("TZ", zones[i], 1), 0);
		kept(&policy, dates, i == 0 ? &first : &got);
		if (i > 0) {
			assert_int_equal(got.len, first.len);
			assert_memory_equal(got.data, first.data, got.len);
		}
	}
	unsetenv("TZ");
	assert_true(first.len > 100);
	buf_finish(&first);
	buf_finish(&got);
}

/* However it is asked, something is kept, and a larger number keeps no less. */
static void
retention_apply__larger_keeps_more(void **state)
{
	struct retention_item items[MOST];
	size_t before[RETENTION_RULES] = {0};

	(void)state;
	for (uint64_t n = 1; n < 60; n++) {
		for (size_t rule = 0; rule < RETENTION_RULES; rule++) {
			struct retention_policy p = {0};
			size_t got = 0;
			p.keep[rule] = n;
			for (size_t i = 0; i < MOST; i++)
				items[i] = (struct retention_item){
				    .date = (int64_t)i * 86400 * 11 + (int64_t)(i * i) * 3000};
			retention_apply(&p, items, MOST);
			for (size_t i = 0; i < MOST; i++)
				got += items[i].reasons != 0;
			assert_true(items[MOST - 1].reasons != 0);
			assert_true(got >= before[rule] && got <= n);
			before[rule] = got;
		}
	}
	assert_int_equal(before[RETENTION_LAST], MOST);
}

static void
retention_any__needs_a_rule(void **state)
{
	struct retention_policy p = {0};

	(void)state;
	assert_false(retention_any(&p));
	p.keep[RETENTION_YEARLY] = 1;
	assert_true(retention_any(&p));
	p = (struct retention_policy){.within = {.hours = 1}};
	assert_true(retention_any(&p));
	p = (struct retention_policy){.tags = true};
	assert_true(retention_any(&p));
}

static void
retention_span_parse__lengths(void **state)
{
	static const struct {
		const char *text;
		int rc;
		struct retention_span want;
	} cases[] = {
	    {"1y", ERR_OK, {1, 0, 0, 0}},
	    {"2y6m3d4h", ERR_OK, {2, 6, 3, 4}},
	    {"2w", ERR_OK, {0, 0, 14, 0}},
	    {"1w1d", ERR_OK, {0, 0, 8, 0}},
	    {"36h", ERR_OK, {0, 0, 0, 36}},
	    {"4h3d", ERR_OK, {0, 0, 3, 4}},
	    {"10000d", ERR_OK, {0, 0, 10000, 0}},
	    {"10001d", ERR_LIMIT, {0, 0, 0, 0}},
	    {"99999999999999999999d", ERR_LIMIT, {0, 0, 0, 0}},
	    {"", ERR_FORMAT, {0, 0, 0, 0}},
	    {"0d", ERR_FORMAT, {0, 0, 0, 0}},
	    {"5", ERR_FORMAT, {0, 0, 0, 0}},
	    {"d", ERR_FORMAT, {0, 0, 0, 0}},
	    {"-1d", ERR_FORMAT, {0, 0, 0, 0}},
	    {"1d ", ERR_FORMAT, {0, 0, 0, 0}},
	    {"1d2d", ERR_FORMAT, {0, 0, 0, 0}},
	    {"1s", ERR_FORMAT, {0, 0, 0, 0}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct retention_span got = {0};
		assert_int_equal(retention_span_parse(cases[i].text, &got), cases[i].rc);
		assert_memory_equal(&got, &cases[i].want, sizeof(got));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(retention_apply__rules),
	    cmocka_unit_test(retention_apply__no_time_zone),
	    cmocka_unit_test(retention_apply__larger_keeps_more),
	    cmocka_unit_test(retention_any__needs_a_rule),
	    cmocka_unit_test(retention_span_parse__lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
