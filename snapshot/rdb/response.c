/* What a server answers: the contracts are in response.h. */
#include "snapshot/rdb/response.h"

#include <string.h>

#define RESPONSE_TEXT 300 /* bytes shown of a server's text: it may quote whole documents */

/* Types and kinds of errors, as ql2.proto numbers them. */
enum {
	TYPE_CLIENT_ERROR = 16,
	TYPE_COMPILE_ERROR = 17,
	TYPE_RUNTIME_ERROR = 18,
	KIND_INTERNAL = 1000000,
	KIND_RESOURCE = 2000000,
	KIND_NON_EXISTENCE = 3100000,
	KIND_FAILED = 4100000,
	KIND_INDETERMINATE = 4200000,
	KIND_PERMISSION = 6000000
};

/* Read a number of at most nine digits; 0 when it is something else. */
static unsigned
response_number(const struct member_span *s)
{
	unsigned n = 0;

	if (s->len > 9)
		return 0;
	for (size_t i = 0; i < s->len; i++) {
		if (s->data[i] < '0' || s->data[i] > '9')
			return 0;
		n = n * 10 + (unsigned)(s->data[i] - '0');
	}
	return n;
}

int
response_read(const void *data, size_t len, struct response *out, struct err *e)
{
	struct member_walk walk = {0};
	struct member_span name, value;
	struct response r = {0};
	int rc;

	while ((rc = member_next(data, len, &walk, &name, &value)) == ERR_OK) {
		uint8_t c = name.len == 3 ? name.data[1] : 0;
		if (c == 't')
			r.type = response_number(&value);
		else if (c == 'e')
			r.error = response_number(&value);
		else if (c == 'r' && value.data[0] == '[')
			r.results = value;
	}
	if (rc != ERR_END || r.type == 0 || r.results.data == NULL)
		return err_set(e, ERR_FORMAT, "the server's answer is not one of RethinkDB's");
	*out = r;
	return ERR_OK;
}

/* The server's words, in ${out}. */
static int
response_text(const struct response *r, struct buf *out)
{
	struct member_span value;
	struct member_walk walk = {0};

	if (member_element(r->results.data, r->results.len, &walk, &value) == ERR_OK)
		member_string(value.data, value.len, out);
	if (out->len == 0 && buf_puts(out, "no reason is given") != ERR_OK)
		return ERR_NOMEM;
	if (out->len > RESPONSE_TEXT)
		out->len = RESPONSE_TEXT;
	for (size_t i = 0; i < out->len; i++)
		if (out->data[i] == '\0')
			out->data[i] = '?';
	return buf_str(out) != NULL ? ERR_OK : ERR_NOMEM;
}

static int
response_runtime(unsigned kind, const char *text, struct err *e)
{
	bool gone = strstr(text, "does not exist") != NULL;

	/* Some terms let a missing permission out as an internal error. */
	if (strncmp(text, "Unexpected exception: ", 22) == 0 &&
	    strstr(text, "does not have the required") != NULL) {
		kind = KIND_PERMISSION;
		text += 22;
	}
	if (kind == KIND_PERMISSION)
		return err_set(e, ERR_DENIED,
		    "%s Grant it as admin with r.grant, or name another user with -u", text);
	if (gone || kind == KIND_NON_EXISTENCE)
		return err_set(e, ERR_ABSENT, "%s", text);
	if (kind == KIND_FAILED || kind == KIND_INDETERMINATE)
		return err_set(e, ERR_BUSY, "%s", text);
	if (kind == KIND_RESOURCE)
		return err_set(e, ERR_LIMIT, "the server is at a limit: %s", text);
	if (kind == KIND_INTERNAL)
		return err_set(e, ERR_IO, "the server failed: %s", text);
	return err_set(e, ERR_FORMAT, "the server says: %s", text);
}

int
response_check(const struct response *r, struct err *e)
{
	struct buf text = {0};
	const char *s;
	int rc;

	if (r->type >= RESPONSE_ATOM && r->type <= RESPONSE_PARTIAL)
		return ERR_OK;
	if (response_text(r, &text) != ERR_OK) {
		buf_finish(&text);
		return err_nomem(e);
	}
	s = (const char *)text.data;
	if (r->type == TYPE_RUNTIME_ERROR)
		rc = response_runtime(r->error, s, e);
	else if (r->type == TYPE_COMPILE_ERROR && strstr(s, "TermType") != NULL)
		rc = err_set(e, ERR_VERSION, "the server is too old: %s", s);
	else if (r->type == TYPE_CLIENT_ERROR || r->type == TYPE_COMPILE_ERROR)
		rc = err_set(e, ERR_FORMAT, "the server did not take a query: %s", s);
	else
		rc =
		    err_set(e, ERR_FORMAT, "the server's answer is of an unknown type %u", r->type);
	buf_finish(&text);
	return rc;
}

int
response_first(const struct response *r, struct member_span *out)
{
	struct member_walk walk = {0};
	struct member_span value;
	int rc = member_element(r->results.data, r->results.len, &walk, &value);

	if (rc == ERR_END || (rc == ERR_OK && value.len == 4 && memcmp(value.data, "null", 4) == 0))
		return ERR_ABSENT;
	if (rc == ERR_OK)
		*out = value;
	return rc;
}
