/* How thinkback queue shows restores: the contracts are in cmd_queue_print.h. */
#include "snapshot/cmd_queue_print.h"

#include "catalog/base/buf.h"
#include "catalog/base/date.h"
#include "catalog/base/num.h"
#include "catalog/cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define CMD_QUEUE_TIME 32 /* room for a time's text */

/* Put a JSON string for the time, or null for none, into ${out}. */
static const char *
cmd_queue_time_json(int64_t ms, char out[CMD_QUEUE_TIME])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	size_t n;

	if (ms <= 0 || gmtime_r(&seconds, &tm) == NULL)
		return "null";
	n = strftime(out, CMD_QUEUE_TIME, "\"%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, CMD_QUEUE_TIME - n, ".%03dZ\"", (int)(ms % 1000));
	return out;
}

/* Put how long ago ${ms} was into ${out}: "12s", "5m", "3h", "8d". */
static const char *
cmd_queue_age(int64_t ms, char out[CMD_QUEUE_TIME])
{
	int64_t s = (date_now() - ms) / 1000;

	if (s < 0)
		s = 0;
	if (s < 120)
		snprintf(out, CMD_QUEUE_TIME, "%" PRId64 "s", s);
	else if (s < 7200)
		snprintf(out, CMD_QUEUE_TIME, "%" PRId64 "m", s / 60);
	else if (s < 172800)
		snprintf(out, CMD_QUEUE_TIME, "%" PRId64 "h", s / 3600);
	else
		snprintf(out, CMD_QUEUE_TIME, "%" PRId64 "d", s / 86400);
	return out;
}

/* File names may hold anything but '/': keep a terminal safe from them. */
static const char *
cmd_queue_clean(const char *name, char out[QUEUE_NAME])
{
	size_t n = 0;

	for (; name[n] != '\0' && n + 1 < QUEUE_NAME; n++)
		out[n] = (unsigned char)name[n] < 0x20 || name[n] == 0x7f ? '?' : name[n];
	out[n] = '\0';
	return out;
}

int
cmd_queue_json(const struct queue_restore *r, const char *error, struct err *e)
{
	char created[CMD_QUEUE_TIME], updated[CMD_QUEUE_TIME], not_before[CMD_QUEUE_TIME],
	    lease[CMD_QUEUE_TIME], undone[CMD_QUEUE_TIME];
	struct buf name = {0}, owner = {0}, why = {0}, target = {0};
	int rc = cmd_json_string(&name, r->name);

	if (rc == ERR_OK)
		rc = r->owner[0] != '\0' ? cmd_json_string(&owner, r->owner)
					 : buf_puts(&owner, "null");
	if (rc == ERR_OK)
		rc = error[0] != '\0' ? cmd_json_string(&why, error) : buf_puts(&why, "null");
	if (rc == ERR_OK)
		rc = r->target[0] != '\0' ? cmd_json_string(&target, r->target)
					  : buf_puts(&target, "null");
	if (rc == ERR_OK && (buf_str(&name) == NULL || buf_str(&owner) == NULL ||
				buf_str(&why) == NULL || buf_str(&target) == NULL))
		rc = ERR_NOMEM;
	/* Names of databases and tables are [A-Za-z0-9_-]+: nothing in them needs escaping. */
	if (rc == ERR_OK)
		printf("{\"id\":%" PRId64 ",\"state\":\"%s\",\"database\":\"%s\",\"table\":\"%s\","
		       "\"name\":%s,\"documents\":%" PRIu64 ",\"bytes\":%" PRIu64
		       ",\"attempts\":%" PRIu64 ",\"created\":%s,\"updated\":%s,\"not_before\":%s,"
		       "\"lease_until\":%s,\"owner\":%s,\"conflict\":%s%s%s,\"target\":%s,"
		       "\"undone\":%s,\"error\":%s}\n",
		    r->id, queue_state_name(r->state), r->database, r->table,
		    (const char *)name.data, r->documents, r->bytes, r->attempts,
		    cmd_queue_time_json(r->created, created),
		    cmd_queue_time_json(r->updated, updated),
		    cmd_queue_time_json(r->not_before, not_before),
		    cmd_queue_time_json(r->lease_until, lease), (const char *)owner.data,
		    r->policy != QUEUE_POLICY_NONE ? "\"" : "null", queue_policy_name(r->policy),
		    r->policy != QUEUE_POLICY_NONE ? "\"" : "", (const char *)target.data,
		    cmd_queue_time_json(r->undone, undone), (const char *)why.data);
	buf_finish(&name);
	buf_finish(&owner);
	buf_finish(&why);
	buf_finish(&target);
	return rc == ERR_OK ? ERR_OK : err_nomem(e);
}

/* The bytes that printf has to pad ${text} to, so that it is ${width} characters wide. */
static int
cmd_queue_width(const char *text, int width)
{
	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) == 0x80;
	return width;
}

void
cmd_queue_row(const struct queue_restore *r, const char *error, bool first)
{
	char table[2 * TABLES_NAME], clean[QUEUE_NAME], size[NUM_SIZE_TEXT], age[CMD_QUEUE_TIME];
	const char *name = cmd_queue_clean(r->name, clean);

	if (first)
		printf("%6s  %-9s  %-24s  %-32s %10s %10s %6s  %s\n", "ID", "STATE", "TABLE",
		    "NAME", "DOCUMENTS", "SIZE", "AGE", "REASON");
	snprintf(table, sizeof(table), "%s.%s", r->database, r->table);
	printf("%6" PRId64 "  %-9s  %-24s  %-*s %10" PRIu64 " %10s %6s  %s\n", r->id,
	    queue_state_name(r->state), table, cmd_queue_width(name, 32), name, r->documents,
	    num_size_text(r->bytes, size), cmd_queue_age(r->created, age),
	    error[0] != '\0' ? error
	    : r->undone != 0 ? "undone"
			     : "-");
}

void
cmd_queue_details(const struct queue_restore *r, const char *error)
{
	char name[QUEUE_NAME], size[NUM_SIZE_TEXT], created[CMD_QUEUE_TIME],
	    updated[CMD_QUEUE_TIME];

	printf("restore    %" PRId64 "\n"
	       "state      %s\n"
	       "table      %s.%s\n"
	       "name       %s\n"
	       "documents  %" PRIu64 "\n"
	       "size       %s\n"
	       "attempts   %" PRIu64 "\n"
	       "created    %s ago\n"
	       "changed    %s ago\n",
	    r->id, queue_state_name(r->state), r->database, r->table,
	    cmd_queue_clean(r->name, name), r->documents, num_size_text(r->bytes, size),
	    r->attempts, cmd_queue_age(r->created, created), cmd_queue_age(r->updated, updated));
	if (r->owner[0] != '\0')
		printf("worker     %s\n", r->owner);
	if (r->policy != QUEUE_POLICY_NONE)
		printf("conflict   %s\n", queue_policy_name(r->policy));
	if (r->target[0] != '\0')
		printf("server     %s\n", r->target);
	if (r->undone != 0)
		printf("undone     %s ago\n", cmd_queue_age(r->undone, updated));
	if (error[0] != '\0')
		printf("reason     %s\n", error);
}
