/* The documents of a query's answer: the contracts are in scan.h. */
#include "snapshot/rdb/scan.h"

#include "snapshot/rdb/response.h"

#include <stdlib.h>
#include <string.h>

struct scan {
	struct connection *c;
	uint64_t token;
	struct buf part;         /* the answer at hand */
	struct buf coming;       /* the next one, while it is received */
	struct member_span list; /* of documents, in part; data is NULL before the first part */
	struct member_walk walk; /* through list */
	struct member_span last; /* the document handed out last, in part */
	bool more;               /* another part has been asked for */
};

int
scan_open(struct connection *c, const struct buf *query, struct scan **out, struct err *e)
{
	struct scan *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return err_nomem(e);
	s->c = c;
	s->more = true;
	rc = connection_start(c, query, &s->token, e);
	if (rc != ERR_OK) {
		free(s);
		return rc;
	}
	*out = s;
	return ERR_OK;
}

void
scan_close(struct scan *s)
{
	if (s == NULL)
		return;
	if (s->more && connection_usable(s->c))
		connection_stop(s->c, s->token, NULL);
	buf_finish(&s->part);
	buf_finish(&s->coming);
	free(s);
}

/*
 * Take the documents of the part that has come. A result that is one array counts as its elements:
 * that is how a sequence comes that is not lazy. A part may be empty; the one before it stays then,
 * as the document handed out last lies in it.
 */
static void
scan_take(struct scan *s, const struct response *r)
{
	struct member_span list = r->results, only;
	struct buf swap = s->part;

	if (r->type == RESPONSE_ATOM && response_first(r, &only) == ERR_OK && only.data[0] == '[')
		list = only;
	if (list.len == 2)
		return;
	s->part = s->coming;
	s->coming = swap;
	s->list = list;
	s->walk = (struct member_walk){0};
	s->last = (struct member_span){0};
}

/* A part has come: ask for the one behind it at once. */
static int
scan_part(struct scan *s, struct err *e)
{
	struct response r;
	int rc;

	s->more = false;
	rc = response_read(s->coming.data, s->coming.len, &r, e);
	if (rc == ERR_OK)
		rc = response_check(&r, e);
	if (rc == ERR_OK && r.type == RESPONSE_PARTIAL) {
		rc = connection_more(s->c, s->token, e);
		s->more = rc == ERR_OK;
	}
	if (rc == ERR_OK)
		scan_take(s, &r);
	return rc;
}

/* The next part; ${here} is false when it is not to be waited for and has not come. */
static int
scan_receive(struct scan *s, bool wait, bool *here, struct err *e)
{
	uint64_t token = s->token;
	int rc;

	*here = true;
	if (wait) {
		rc = connection_receive(s->c, s->token, &s->coming, e);
	} else {
		do {
			rc = connection_try(s->c, &token, &s->coming, e);
		} while (rc == ERR_OK && token != 0 && token != s->token);
		*here = token != 0;
	}
	return rc == ERR_OK && *here ? scan_part(s, e) : rc;
}

static int
scan_step(struct scan *s, bool wait, struct member_span *out, struct err *e)
{
	bool here;

	for (;;) {
		int rc = s->list.data == NULL
			     ? ERR_END
			     : member_element(s->list.data, s->list.len, &s->walk, out);
		if (rc == ERR_OK)
			s->last = *out;
		if (rc == ERR_FORMAT)
			return err_set(e, rc, "the server's answer is no list of documents");
		if (rc != ERR_END)
			return rc;
		if (!s->more)
			return ERR_END;
		rc = scan_receive(s, wait, &here, e);
		if (rc != ERR_OK)
			return rc;
		if (!here) {
			*out = (struct member_span){0};
			return ERR_OK;
		}
	}
}

int
scan_next(struct scan *s, struct member_span *out, struct err *e)
{
	return scan_step(s, true, out, e);
}

int
scan_try(struct scan *s, struct member_span *out, struct err *e)
{
	return scan_step(s, false, out, e);
}

int
scan_last(const struct scan *s, const char *field, struct buf *out)
{
	struct member_span key;

	if (s->last.data == NULL)
		return ERR_OK;
	if (member_find(s->last.data, s->last.len, field, strlen(field), &key) != ERR_OK)
		return ERR_FORMAT;
	buf_clear(out);
	return buf_append(out, key.data, key.len);
}
