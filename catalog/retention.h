/*
 * Which snapshots of a table a policy keeps, and why. The rules are restic's: going from the newest
 * to the oldest, each rule keeps the newest snapshot of every period (hour, day, ISO week, month,
 * year; "last": every snapshot is one) until it has kept as many as it may; a rule with something
 * left at the end keeps the oldest one too. Periods are those of the calendar in UTC. Pure; any
 * thread.
 */
#ifndef THINKBACK_CATALOG_RETENTION_H
#define THINKBACK_CATALOG_RETENTION_H

#include "catalog/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum retention_rule {
	RETENTION_LAST,
	RETENTION_HOURLY,
	RETENTION_DAILY,
	RETENTION_WEEKLY,
	RETENTION_MONTHLY,
	RETENTION_YEARLY,
	RETENTION_RULES /* how many there are */
};

#define RETENTION_UNLIMITED UINT64_MAX

/* Bits of struct retention_item.reasons, above the two bits of each rule (see retention.c). */
#define RETENTION_GAP (1u << 26)    /* it alone tells of a loss: never forgotten */
#define RETENTION_WHOLE (1u << 27)  /* it is the newest that has lost nothing: never forgotten */
#define RETENTION_PINNED (1u << 28) /* it is pinned */
#define RETENTION_TAG (1u << 29)    /* it has a tag of the policy */
#define RETENTION_WITHIN (1u << 30) /* it is as young as the policy says */
#define RETENTION_NEWEST (1u << 31) /* it is the table's newest: that is never forgotten */

/* A length of time by the calendar. */
struct retention_span {
	unsigned years, months, days, hours; /* 0 each: none */
};

struct retention_policy {
	uint64_t keep[RETENTION_RULES]; /* 0: the rule is not used */
	struct retention_span within;   /* before the date of the newest snapshot */
	bool tags;                      /* keep what is tagged: see struct retention_item */
};

/* A snapshot to be judged. */
struct retention_item {
	int64_t date;     /* seconds, UTC */
	bool pinned;      /* keep it in any case */
	bool tagged;      /* it has one of the tags that the policy keeps */
	bool lost;        /* damage has taken documents from it */
	bool gap;         /* what later ones show depends on what it says of a loss */
	uint32_t reasons; /* out: why it is kept, 0: it is not */
};

/* retention_any(p): whether the policy has any rule. */
bool retention_any(const struct retention_policy *p);

/*
 * retention_apply(p, items, n):
 * Judge the ${n} snapshots of one table, which must be sorted by date, oldest first: set reasons of
 * each. The newest one is always kept, and so are the newest that has lost nothing and those with a
 * gap.
 */
void retention_apply(const struct retention_policy *p, struct retention_item *items, size_t n);

/*
 * retention_reason(reasons, i):
 * The ${i}th reason, from 0, as a static text ("daily snapshot"); NULL behind the last one.
 */
const char *retention_reason(uint32_t reasons, size_t i);

/*
 * retention_span_parse(text, out):
 * Read a length as "1y6m", "2w", "36h", "10d": numbers with y, m, w, d or h behind them, each
 * letter at most once. Return ERR_OK and set ${out}; ERR_FORMAT when it is something else or
 * nothing; ERR_LIMIT when a number is over 10000.
 */
int retention_span_parse(const char *text, struct retention_span *out);

/*
 * retention_span_before(date, span):
 * The date, in seconds, that lies ${span} before ${date}; a day that its month does not have is
 * carried over into the next one, as mktime(3) does.
 */
int64_t retention_span_before(int64_t date, const struct retention_span *span);

#endif
