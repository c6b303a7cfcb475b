/* The documents of a file, block by block: the contracts are in rows.h. */
#include "snapshot/archive/rows.h"

#include "snapshot/source.h"

int
rows_begin(struct rows *r, bool ndjson, rows_block *block, void *arg, struct err *e)
{
	struct split *split = r->split;

	if (split == NULL)
		split = split_create(SOURCE_DOCUMENT_MAX);
	if (split == NULL)
		return err_nomem(e);
	split_reset(split);
	*r = (struct rows){.split = split, .block = block, .arg = arg, .may_be_empty = ndjson};
	return ERR_OK;
}

static bool
rows_blank(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != ' ' && p[i] != '\t' && p[i] != '\n' && p[i] != '\r')
			return false;
	return true;
}

static int
rows_end(struct rows *r, struct split_document *out, struct err *e)
{
	if (!r->seen && !r->may_be_empty)
		return err_set(e, ERR_TRUNCATED,
		    "line 1, column 1: the file is empty: an empty table would be []");
	r->ended = true;
	return split_finish(r->split, out, e);
}

static int
rows_step(struct rows *r, struct split_document *out, struct err *e)
{
	const void *data;
	size_t len;
	int rc;

	for (;;) {
		if (r->fed) {
			rc = split_next(r->split, out, e);
			if (rc != ERR_END)
				return rc;
			r->fed = false;
		}
		rc = r->block(r->arg, &data, &len, e);
		if (rc == ERR_END)
			return rows_end(r, out, e);
		r->broken = rc != ERR_OK;
		if (r->broken)
			return rc;
		r->seen = r->seen || !rows_blank(data, len);
		split_feed(r->split, data, len);
		r->fed = true;
	}
}

int
rows_next(struct rows *r, struct split_document *out, struct err *e)
{
	int rc = r->ended ? ERR_END : rows_step(r, out, e);

	if (rc != ERR_NOMEM)
		return rc;
	r->broken = true;
	return err_nomem(e);
}

void
rows_finish(struct rows *r)
{
	split_free(r->split);
	*r = (struct rows){0};
}
