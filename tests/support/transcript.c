/* What a source hands out, as text: see transcript.h. */
#include "tests/support/transcript.h"

#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

/* What may come next. */
struct reading {
	char table[2 * TABLES_NAME]; /* "DB.TABLE" whose documents are being read; "": none */
};

static void
check_item(struct reading *r, const struct source_item *item, const char *name)
{
	bool inside = r->table[0] != '\0';

	assert_true(tables_name_valid(item->database, strlen(item->database)));
	assert_true(tables_name_valid(item->table, strlen(item->table)));
	assert_non_null(item->file);
	switch (item->event) {
	case SOURCE_INFO:
		assert_false(inside);
		assert_true(item->len <= SOURCE_INFO_MAX);
		break;
	case SOURCE_TABLE:
		assert_false(inside);
		snprintf(r->table, sizeof(r->table), "%s", name);
		break;
	case SOURCE_DELETION:
		fail_msg("a deletion, of what was asked for document by document");
		break;
	case SOURCE_DOCUMENT:
		assert_string_equal(r->table, name);
		assert_true(item->line > 0 && item->column > 0);
		break;
	case SOURCE_TABLE_END:
		assert_string_equal(r->table, name);
		r->table[0] = '\0';
		break;
	case SOURCE_TABLE_BAD:
		assert_true(!inside || strcmp(r->table, name) == 0);
		r->table[0] = '\0';
		break;
	}
}

static void
put_item(struct buf *out, const struct source_item *item, const char *name, const struct err *e)
{
	int rc = ERR_OK;

	switch (item->event) {
	case SOURCE_INFO:
		rc = buf_printf(out, "info %s %s %.*s\n", name, item->file, (int)item->len,
		    (const char *)item->data);
		break;
	case SOURCE_TABLE:
		rc = buf_printf(out, "table %s %s\n", name, item->file);
		break;
	case SOURCE_DELETION:
	case SOURCE_DOCUMENT:
		rc = buf_printf(out, "%llu:%llu ", (unsigned long long)item->line,
		    (unsigned long long)item->column);
		if (rc == ERR_OK)
			rc = buf_append(out, item->data, item->len);
		if (rc == ERR_OK)
			rc = buf_putc(out, '\n');
		break;
	case SOURCE_TABLE_END:
		rc = buf_printf(out, "end %s\n", name);
		break;
	case SOURCE_TABLE_BAD:
		assert_true(e->code < 0 && e->text[0] != '\0');
		rc = buf_printf(out, "bad %s %s\n", name, err_str(e->code));
		break;
	}
	assert_int_equal(rc, ERR_OK);
}

int
transcript(struct source *s, size_t run, struct buf *out, struct err *e)
{
	struct reading reading = {0};
	struct source_item item;
	struct err now = {0};
	char name[2 * TABLES_NAME];
	int rc = source_start(s, run, &now);

	*e = now;
	while (rc == ERR_OK && (rc = source_next(s, &item, &now)) == ERR_OK) {
		snprintf(name, sizeof(name), "%s.%s", item.database, item.table);
		check_item(&reading, &item, name);
		put_item(out, &item, name, &now);
		if (item.event == SOURCE_TABLE_BAD)
			*e = now;
	}
	if (rc < 0) {
		struct err again = {0};
		*e = now;
		assert_int_equal(now.code, rc);
		/* A run that broke off stays so. */
		assert_int_equal(source_next(s, &item, &again), rc);
		assert_string_equal(again.text, now.text);
	}
	return rc;
}

void
transcript_of(const char *path, const char *want, int code, const char *const *text)
{
	struct source *s = NULL;
	struct buf out = {0};
	struct err e = {0};
	int rc = source_open(path, &s, &e);

	if (rc == ERR_OK)
		rc = transcript(s, 0, &out, &e);
	assert_err(rc, code, &e);
	if (want != NULL)
		assert_text(out.data, out.len, want);
	for (size_t i = 0; text != NULL && text[i] != NULL; i++) {
		if (strstr(e.text, text[i]) != NULL)
			continue;
		print_error("\"%s\" is not in: %s\n", text[i], e.text);
		fail();
	}
	source_close(s);
	buf_finish(&out);
}
