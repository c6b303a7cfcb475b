/*
 * Open files. A document is held in the store, .table.json is kept as it was: so both can be read
 * to their end after the snapshot was forgotten and gc has taken its pack.
 */
#include "fs/view_internal.h"

#include <stdlib.h>

struct view_file {
	uint64_t ino;
	struct store_hold *hold; /* owned; NULL: text is the file */
	struct buf text;         /* of .table.json */
	int64_t date;            /* of the snapshot that text is of */
};

static int
view_file_hold(struct view *v, const struct inode *in, struct view_file *f, struct err *e)
{
	int rc = store_hold(v->store, (uint64_t)in->a, in->b, &f->hold, e);

	return view_document_gone(v, in->a, rc, e);
}

static int
view_file_keep(struct view *v, const struct inode *in, struct view_file *f, struct err *e)
{
	const struct buf *text;
	struct view_range r;
	int rc = view_cache_refresh(v, e);

	if (rc == ERR_OK)
		rc = view_cache_range(v, in->a, in->b, &r, e);
	if (rc == ERR_OK)
		rc = view_json_text(v, in->a, &text, e);
	if (rc != ERR_OK)
		return rc;
	f->date = r.date;
	return buf_append(&f->text, text->data, text->len) == ERR_OK ? ERR_OK : err_nomem(e);
}

int
view_file_open(struct view *v, uint64_t ino, struct view_file **out, struct err *e)
{
	struct view_file *f;
	struct inode in;
	int rc;

	*out = NULL;
	if (!inode_unpack(ino, &in))
		return ERR_ABSENT;
	if (in.kind != INODE_DOCUMENT && in.kind != INODE_TABLE_JSON)
		return ERR_OK;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return err_nomem(e);
	f->ino = ino;
	rc =
	    in.kind == INODE_DOCUMENT ? view_file_hold(v, &in, f, e) : view_file_keep(v, &in, f, e);
	if (rc == ERR_OK) {
		*out = f;
		return ERR_OK;
	}
	view_file_close(f);
	/* Damage is what reading says. */
	return rc == ERR_CORRUPT || rc == ERR_VERSION ? ERR_OK : rc;
}

void
view_file_close(struct view_file *f)
{
	if (f == NULL)
		return;
	store_drop(f->hold);
	buf_finish(&f->text);
	free(f);
}

int
view_file_read(struct view_file *f, uint64_t off, size_t room, struct buf *out, struct err *e)
{
	size_t before = out->len;
	size_t size;
	int rc;

	if (f->hold == NULL)
		return view_slice(&f->text, off, room, out, e);
	if (off > UINT32_MAX || room == 0)
		return ERR_OK;
	rc = store_hold_read(f->hold, (size_t)off, room, out, &size, e);
	return rc == ERR_OK ? view_document_end(off, room, before, size, out, e) : rc;
}

int
view_file_attr(struct view_file *f, struct view_attr *out)
{
	struct buf none = {0};
	struct inode in;
	size_t size = f->text.len;
	int rc;

	if (!inode_unpack(f->ino, &in))
		return ERR_CORRUPT;
	if (f->hold != NULL) {
		rc = store_hold_read(f->hold, 0, 0, &none, &size, NULL);
		if (rc != ERR_OK)
			return ERR_CORRUPT;
		size++;
	}
	rc = view_attr_make(
	    &in, VIEW_FILE, f->hold != NULL ? store_hold_date(f->hold) : f->date, out);
	out->size = size;
	return rc;
}
