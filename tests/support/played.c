/* A stream that plays a server: see played.h. */
#include "tests/support/played.h"

#include "catalog/base/bytes.h"
#include "snapshot/json/canon.h"
#include "snapshot/json/member.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

static int
played_read(struct transport *t, void *out, size_t room, size_t *got, struct err *e)
{
	struct played *p = (struct played *)t;
	size_t n = p->says.len - p->said;

	if (n == 0 && p->breaks)
		return err_set(e, ERR_IO, "the connection broke");
	n = n < room ? n : room;
	n = p->piece > 0 && n > p->piece ? p->piece : n;
	if (n > 0)
		memcpy(out, p->says.data + p->said, n);
	p->said += n;
	*got = n;
	return ERR_OK;
}

static int
played_write(struct transport *t, const void *data, size_t len, struct err *e)
{
	struct played *p = (struct played *)t;

	return buf_append(&p->told, data, len) == ERR_OK ? ERR_OK : err_nomem(e);
}

static void
played_close(struct transport *t)
{
	(void)t;
}

static int
played_fd(const struct transport *t)
{
	(void)t;
	return -1;
}

void
played_start(struct played *p)
{
	static const struct transport_functions functions = {
	    played_read, played_write, played_close, played_fd};

	*p = (struct played){.base = {.functions = &functions}};
}

void
played_finish(struct played *p)
{
	buf_finish(&p->says);
	buf_finish(&p->expects);
	buf_finish(&p->told);
}

void
played_say(struct played *p, const char *text)
{
	assert_int_equal(buf_append(&p->says, text, strlen(text) + 1), ERR_OK);
}

void
played_frame(struct played *p, uint64_t token, const char *json)
{
	uint8_t head[12];

	bytes_put64(head, token);
	bytes_put32(head + 8, (uint32_t)strlen(json));
	assert_int_equal(buf_append(&p->says, head, sizeof(head)), ERR_OK);
	assert_int_equal(buf_puts(&p->says, json), ERR_OK);
}

static void
played_line(struct played *p, const struct buf *line)
{
	struct member_span dir, hex;
	struct buf *out;

	assert_int_equal(member_find(line->data, line->len, "dir", 3, &dir), ERR_OK);
	assert_int_equal(member_find(line->data, line->len, "hex", 3, &hex), ERR_OK);
	out = dir.data[1] == 'S' ? &p->says : &p->expects;
	for (size_t i = 1; i + 2 < hex.len; i += 2) {
		char digits[3] = {(char)hex.data[i], (char)hex.data[i + 1], '\0'};
		unsigned byte;
		assert_int_equal(sscanf(digits, "%2x", &byte), 1);
		assert_int_equal(buf_putc(out, (uint8_t)byte), ERR_OK);
	}
}

void
played_load(struct played *p, const char *name)
{
	struct buf file = {0}, line = {0};
	struct canon *canon = canon_create();
	char path[128];
	size_t at = 0;

	snprintf(path, sizeof(path), "captures/%s", name);
	test_read_file(test_data(path), &file);
	while (at < file.len) {
		const uint8_t *from = file.data + at;
		const uint8_t *end = memchr(from, '\n', file.len - at);
		size_t len = end != NULL ? (size_t)(end - from) : file.len - at;
		buf_clear(&line);
		assert_int_equal(canon_value(canon, from, len, &line, NULL, NULL), ERR_OK);
		played_line(p, &line);
		at += len + 1;
	}
	canon_free(canon);
	buf_finish(&file);
	buf_finish(&line);
}
