/* Asking a server one thing: the contract is in ask.h. */
#include "snapshot/rdb/ask.h"

#include "snapshot/rdb/response.h"

int
ask_first(struct connection *c, const struct buf *query, struct buf *answer,
    struct member_span *out, struct err *e)
{
	struct response r;
	uint64_t token;
	int rc = connection_start(c, query, &token, e);

	if (rc == ERR_OK)
		rc = connection_receive(c, token, answer, e);
	if (rc == ERR_OK)
		rc = response_read(answer->data, answer->len, &r, e);
	if (rc == ERR_OK)
		rc = response_check(&r, e);
	if (rc != ERR_OK)
		return rc;
	*out = (struct member_span){0};
	rc = response_first(&r, out);
	if (rc == ERR_FORMAT)
		return err_set(e, rc, "the server's answer is not one of RethinkDB's");
	return ERR_OK;
}
