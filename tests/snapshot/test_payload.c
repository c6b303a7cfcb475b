/* Reading what somebody copied in. */
#include "tests/support/test.h"

#include "snapshot/json/canon.h"
#include "snapshot/json/jsonkey.h"
#include "snapshot/payload.h"

#include <stdlib.h>
#include <string.h>

/* Bytes to read, some at a time. */
struct bytes {
	const char *data;
	size_t len;
	size_t most;    /* bytes in one read, 0 for as many as there is room for */
	size_t fail_at; /* reads from there on fail, 0 for never */
};

/* What found has been given: "KEY DOCUMENT;" for each. */
struct found {
	struct buf text;
	int stop; /* what to answer to the second document */
	size_t documents;
};

static int
read_bytes(void *arg, uint64_t off, void *out, size_t room, size_t *got, struct err *e)
{
	struct bytes *b = arg;
	size_t n = off < b->len ? b->len - (size_t)off : 0;

	if (b->fail_at > 0 && off >= b->fail_at)
		return err_set(e, ERR_IO, "the disk is on fire");
	n = n < room ? n : room;
	n = b->most > 0 && n > b->most ? b->most : n;
	if (n > 0)
		memcpy(out, b->data + off, n);
	*got = n;
	return ERR_OK;
}

static int
found(void *arg, const struct key *key, const struct buf *document, struct err *e)
{
	struct found *f = arg;

	(void)e;
	assert_int_equal(jsonkey_write(key, &f->text), ERR_OK);
	assert_int_equal(buf_putc(&f->text, ' '), ERR_OK);
	assert_int_equal(buf_append(&f->text, document->data, document->len), ERR_OK);
	assert_int_equal(buf_putc(&f->text, ';'), ERR_OK);
	f->documents++;
	return f->documents == 2 ? f->stop : ERR_OK;
}

static void
assert_reads(const char *in, const char *want, uint64_t want_documents)
{
	for (size_t most = 0; most < 9; most++) {
		struct bytes b = {.data = in, .len = strlen(in), .most = most};
		struct payload_input input = {.read = read_bytes, .arg = &b};
		struct found f = {0};
		struct err e = {0};
		uint64_t documents = 99, checked = 99;
		assert_err(payload_read(&input, "id", found, &f, &documents, &e), ERR_OK, &e);
		assert_text(f.text.data, f.text.len, want);
		assert_int_equal(documents, want_documents);
		assert_err(payload_read(&input, "id", NULL, NULL, &checked, &e), ERR_OK, &e);
		assert_int_equal(checked, want_documents);
		buf_finish(&f.text);
	}
}

static void
assert_refused(const char *in, int code, const char *text)
{
	for (size_t most = 0; most < 9; most++) {
		struct bytes b = {.data = in, .len = strlen(in), .most = most};
		struct payload_input input = {.read = read_bytes, .arg = &b};
		struct err e = {0};
		uint64_t documents = 99;
		assert_err(payload_read(&input, "id", NULL, NULL, &documents, &e), code, &e);
		assert_string_equal(e.text, text);
		assert_int_equal(e.code, code);
		assert_int_equal(documents, 99);
		assert_int_equal(payload_read(&input, "id", NULL, NULL, &documents, NULL), code);
	}
}

static void
payload_read__all_forms(void **state)
{
	(void)state;
	assert_reads("{\"id\":1}", "1 {\"id\":1};", 1);
	assert_reads(
	    " {\"v\": 1.50, \"id\": \"a\\u0062\"}\n", "\"ab\" {\"id\":\"ab\",\"v\":1.5};", 1);
	assert_reads("[{\"id\": 1}, {\"id\": [true]}]", "1 {\"id\":1};[true] {\"id\":[true]};", 2);
	assert_reads("{\"id\": 1}\n{\"id\": 2}\n\n{\"id\": 3}",
	    "1 {\"id\":1};2 {\"id\":2};3 {\"id\":3};", 3);
	assert_reads("[\n{\"id\": 1},\n{\"id\": 2}\n]\n", "1 {\"id\":1};2 {\"id\":2};", 2);
	/* the same key twice is the caller's business */
	assert_reads("{\"id\":1}{\"id\":1}", "1 {\"id\":1};1 {\"id\":1};", 2);
}

static void
payload_read__refuses(void **state)
{
	(void)state;
	assert_refused("", ERR_FORMAT, "there is no document in it");
	assert_refused(" \n\t\r\n ", ERR_FORMAT, "there is no document in it");
	assert_refused("[]", ERR_FORMAT, "there is no document in it");
	assert_refused("1", ERR_FORMAT, "line 1, column 1: a document has to be an object");
	assert_refused(
	    " \n null\n", ERR_FORMAT, "line 2, column 2: a document has to be an object");
	assert_refused(
	    "[[{\"id\":1}]]", ERR_FORMAT, "line 1, column 2: a document has to be an object");
	assert_refused(
	    "[{\"id\":1},\n 7]", ERR_FORMAT, "line 2, column 2: a document has to be an object");
	assert_refused("{\"id\":1", ERR_FORMAT,
	    "line 1, column 1: the input ends before the document that starts here does");
	assert_refused(
	    "[{\"id\":1},", ERR_FORMAT, "line 1, column 11: the input ends before the array does");
	assert_refused("{\"id\":1},{\"id\":2}", ERR_FORMAT,
	    "line 1, column 9: expected a document, found ','");
}

/* Places are those of the whole input. */
static void
payload_read__tells_the_place(void **state)
{
	(void)state;
	assert_refused("{\"id\":1}\n  {\"id\":tru}", ERR_FORMAT,
	    "line 2, column 9: expected a value, found 't'");
	assert_refused("[{\"id\":1},\n  {\n\"id\":2,\n \"a\" 3}]", ERR_FORMAT,
	    "line 4, column 6: expected ':' after a key, found '3'");
	assert_refused("{\"id\":1,\n\"b\":1,\"a\":[],\"b\":2}", ERR_FORMAT,
	    "line 2, column 14: duplicate key \"b\"");
	assert_refused("{\"id\":1}\n   {\"key\":1}", ERR_KEY,
	    "line 2, column 4: the primary key \"id\" is missing");
	assert_refused("{\"id\":1}\n[{\"id\":1}]", ERR_FORMAT,
	    "line 2, column 1: a document has to be an object");
	assert_refused("{\"id\":\n\n{}}", ERR_KEY,
	    "line 1, column 1: the primary key is an object, which RethinkDB does not allow");
	assert_refused("{\"id\":null}", ERR_KEY,
	    "line 1, column 1: the primary key is null, which RethinkDB does not allow");
}

static void
payload_read__too_deep(void **state)
{
	struct buf in = {0};

	(void)state;
	assert_int_equal(buf_puts(&in, "{\"id\":1,\"a\":"), ERR_OK);
	for (unsigned i = 0; i < CANON_DEPTH_MAX; i++)
		assert_int_equal(buf_putc(&in, '['), ERR_OK);
	for (unsigned i = 0; i < CANON_DEPTH_MAX; i++)
		assert_int_equal(buf_putc(&in, ']'), ERR_OK);
	assert_int_equal(buf_putc(&in, '}'), ERR_OK);
	assert_refused(buf_str(&in), ERR_LIMIT,
	    "line 1, column 20012: nested more than 20000 deep, which is more than the server "
	    "takes");
	buf_finish(&in);
}

static void
payload_read__ends_when_told(void **state)
{
	static const char in[] = "{\"id\":1}{\"id\":2}{\"id\":3}";
	const int codes[] = {ERR_INTR, ERR_END, ERR_NOSPACE};

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		struct bytes b = {.data = in, .len = strlen(in)};
		struct payload_input input = {.read = read_bytes, .arg = &b};
		struct found f = {.stop = codes[i]};
		uint64_t documents = 99;
		struct err e = {0};
		assert_err(payload_read(&input, "id", found, &f, &documents, &e), codes[i], &e);
		assert_int_equal(f.documents, 2);
		assert_int_equal(documents, 99);
		buf_finish(&f.text);
	}
}

static void
payload_read__passes_read_failures_on(void **state)
{
	struct bytes b = {.data = "{\"id\":1} {\"id\"", .len = 14, .most = 5, .fail_at = 5};
	struct payload_input input = {.read = read_bytes, .arg = &b};
	uint64_t documents = 99;
	struct err e = {0};

	(void)state;
	assert_err(payload_read(&input, "id", NULL, NULL, &documents, &e), ERR_IO, &e);
	assert_string_equal(e.text, "the disk is on fire");
}

/* A document that is larger than what is read at once. */
static void
payload_read__large_document(void **state)
{
	const size_t large = 3000000;
	struct buf in = {0};
	struct found f = {0};
	struct err e = {0};
	uint64_t documents = 0;

	(void)state;
	assert_int_equal(buf_puts(&in, "[{\"id\":\"a\",\"v\":\""), ERR_OK);
	assert_int_equal(buf_reserve(&in, large), ERR_OK);
	memset(in.data + in.len, 'v', large);
	in.len += large;
	assert_int_equal(buf_puts(&in, "\"},{\"id\":\"b\"}]"), ERR_OK);
	{
		struct bytes b = {.data = (const char *)in.data, .len = in.len};
		struct payload_input input = {.read = read_bytes, .arg = &b};
		assert_err(payload_read(&input, "id", found, &f, &documents, &e), ERR_OK, &e);
	}
	assert_int_equal(documents, 2);
	assert_int_equal(
	    f.text.len, strlen("\"a\" {\"id\":\"a\",\"v\":\"\"};\"b\" {\"id\":\"b\"};") + large);
	buf_finish(&in);
	buf_finish(&f.text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(payload_read__all_forms),
	    cmocka_unit_test(payload_read__refuses),
	    cmocka_unit_test(payload_read__tells_the_place),
	    cmocka_unit_test(payload_read__too_deep),
	    cmocka_unit_test(payload_read__ends_when_told),
	    cmocka_unit_test(payload_read__passes_read_failures_on),
	    cmocka_unit_test(payload_read__large_document),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
