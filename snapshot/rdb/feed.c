/* The elements of a changefeed: the contract is in feed.h. */
#include "snapshot/rdb/feed.h"

#include <stdbool.h>
#include <string.h>

#define FEED_TEXT 300 /* bytes shown of the server's text */

/* The members that tell what an element is; data is NULL for one that it has not. */
struct feed_members {
	struct member_span before, after, state, error;
};

static bool
feed_is(const struct member_span *s, const char *json)
{
	return s->len == strlen(json) && memcmp(s->data, json, s->len) == 0;
}

static int
feed_members(const struct member_span *element, struct feed_members *out, struct err *e)
{
	struct member_walk walk = {0};
	struct member_span name, value;
	int rc;

	*out = (struct feed_members){0};
	while ((rc = member_next(element->data, element->len, &walk, &name, &value)) == ERR_OK) {
		if (feed_is(&name, "\"old_val\""))
			out->before = value;
		else if (feed_is(&name, "\"new_val\""))
			out->after = value;
		else if (feed_is(&name, "\"state\""))
			out->state = value;
		else if (feed_is(&name, "\"error\""))
			out->error = value;
	}
	return rc == ERR_END ? ERR_OK
			     : err_set(e, ERR_FORMAT,
				   "the server's feed has an element that is "
				   "no object");
}

/* The server has dropped changes; its own words tell how many. */
static int
feed_overflow(const struct member_span *error, struct err *e)
{
	struct buf text = {0};
	int rc = member_string(error->data, error->len, &text);

	if (rc == ERR_NOMEM) {
		buf_finish(&text);
		return err_nomem(e);
	}
	rc = err_set(e, ERR_LIMIT, "changes came faster than they were read: %.*s",
	    (int)(text.len < FEED_TEXT ? text.len : FEED_TEXT),
	    text.len > 0 ? (const char *)text.data : "");
	buf_finish(&text);
	return rc;
}

/* Whether ${value} is there and something. */
static bool
feed_given(const struct member_span *value)
{
	return value->data != NULL && !feed_is(value, "null");
}

int
feed_read(const struct member_span *element, enum feed_word *word, struct member_span *document,
    struct err *e)
{
	struct feed_members m;
	int rc = feed_members(element, &m, e);

	*document = (struct member_span){0};
	if (rc != ERR_OK)
		return rc;
	if (feed_given(&m.after)) {
		*word = FEED_DOCUMENT;
		*document = m.after;
	} else if (feed_given(&m.before)) {
		*word = FEED_DELETION;
		*document = m.before;
	} else if (m.state.data != NULL) {
		*word = feed_is(&m.state, "\"ready\"") ? FEED_READY : FEED_STATE;
	} else if (m.error.data != NULL) {
		return feed_overflow(&m.error, e);
	} else {
		return err_set(e, ERR_FORMAT, "the server's feed says what is not known");
	}
	return ERR_OK;
}
