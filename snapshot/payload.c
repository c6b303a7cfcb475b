/* Reading what somebody copied in: the contracts are in payload.h. */
#include "snapshot/payload.h"

#include "snapshot/json/canon.h"
#include "snapshot/json/jsonkey.h"
#include "snapshot/json/split.h"

#include <stdlib.h>

#define PAYLOAD_WINDOW 262144u /* bytes read at once */
#define PAYLOAD_DOCUMENT_MAX                                                                       \
	((size_t)6 * CANON_SIZE_MAX) /* input bytes of a document: all of it may be \u escapes */

/* One call of payload_read. */
struct payload {
	const struct payload_input *in;
	const char *primary_key;
	int (*found)(void *arg, const struct key *key, const struct buf *document, struct err *e);
	void *arg;       /* for found */
	uint8_t *window; /* PAYLOAD_WINDOW bytes */
	struct split *split;
	struct canon *canon;
	struct buf document; /* the present one, canonical */
	uint64_t documents;  /* so far */
	struct err *e;
};

/* Put the place of a fault before its text; ${where} is counted from the document's start. */
static int
payload_at(const struct payload *p, const struct split_document *document,
    const struct canon_where *where, int code)
{
	uint64_t line = document->line + where->line - 1;
	uint64_t column = where->column + (where->line == 1 ? document->column - 1 : 0);

	err_prefix(
	    p->e, "line %llu, column %llu", (unsigned long long)line, (unsigned long long)column);
	return code;
}

static int
payload_document(struct payload *p, const struct split_document *document)
{
	struct canon_where where = {.line = 1, .column = 1};
	struct key key = {0};
	int rc;

	buf_clear(&p->document);
	rc = canon_value(p->canon, document->data, document->len, &p->document, &where, p->e);
	if (rc != ERR_OK)
		return payload_at(p, document, &where, rc);
	if (p->document.data[0] != '{')
		rc = err_set(p->e, ERR_FORMAT, "a document has to be an object");
	else
		rc = jsonkey_of(p->document.data, p->document.len, p->primary_key, &key, p->e);
	if (rc != ERR_OK)
		return payload_at(p, document, &where, rc);
	p->documents++;
	return p->found != NULL ? p->found(p->arg, &key, &p->document, p->e) : ERR_OK;
}

/* Deal with all documents that the bytes fed so far complete. */
static int
payload_feed(struct payload *p)
{
	struct split_document document;
	int rc;

	while ((rc = split_next(p->split, &document, p->e)) == ERR_OK) {
		rc = payload_document(p, &document);
		if (rc != ERR_OK)
			return rc;
	}
	return rc == ERR_END ? ERR_OK : rc;
}

static int
payload_end(struct payload *p)
{
	struct split_document document;
	int rc = split_finish(p->split, &document, p->e);

	if (rc == ERR_OK)
		return payload_document(p, &document);
	if (rc == ERR_TRUNCATED && p->e != NULL)
		p->e->code = ERR_FORMAT;
	if (rc != ERR_END)
		return rc == ERR_TRUNCATED ? ERR_FORMAT : rc;
	if (p->documents == 0)
		return err_set(p->e, ERR_FORMAT, "there is no document in it");
	return ERR_OK;
}

static int
payload_run(struct payload *p)
{
	uint64_t off = 0;
	size_t got;
	int rc;

	for (;;) {
		got = 0;
		rc = p->in->read(p->in->arg, off, p->window, PAYLOAD_WINDOW, &got, p->e);
		if (rc != ERR_OK)
			return rc;
		if (got == 0)
			return payload_end(p);
		split_feed(p->split, p->window, got);
		rc = payload_feed(p);
		if (rc != ERR_OK)
			return rc;
		off += got;
	}
}

int
payload_read(const struct payload_input *in, const char *primary_key,
    int (*found)(void *arg, const struct key *key, const struct buf *document, struct err *e),
    void *arg, uint64_t *documents, struct err *e)
{
	struct payload p = {
	    .in = in, .primary_key = primary_key, .found = found, .arg = arg, .e = e};
	int rc;

	p.window = malloc(PAYLOAD_WINDOW);
	p.split = split_create(PAYLOAD_DOCUMENT_MAX);
	p.canon = canon_create();
	if (p.window == NULL || p.split == NULL || p.canon == NULL)
		rc = err_nomem(e);
	else
		rc = payload_run(&p);
	if (rc == ERR_OK)
		*documents = p.documents;
	buf_finish(&p.document);
	canon_free(p.canon);
	split_free(p.split);
	free(p.window);
	return rc;
}
