/* Packs for tests: see packs.h. */
#include "tests/support/packs.h"

#include "tests/support/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int
packs_setup(void **state)
{
	struct packs *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->dir = test_dir();
	p->fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(p->fd >= 0);
	*state = p;
	return 0;
}

int
packs_teardown(void **state)
{
	struct packs *p = *state;

	dictionary_free(p->dict);
	close(p->fd);
	test_dir_remove(p->dir);
	free(p);
	return 0;
}

uint64_t
packs_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

struct key
packs_key(uint32_t n)
{
	struct key key = {0};

	key.len = (uint8_t)snprintf((char *)key.bytes, KEY_MAX, "Sorder-%07" PRIu32, n);
	return key;
}

bool
packs_deleted(const struct packs_plan *plan, uint32_t n)
{
	return plan->deleted != 0 && n % plan->deleted == plan->deleted - 1;
}

uint32_t
packs_skipped(const struct packs_plan *plan, uint32_t n)
{
	return n % 10 == 0 && !packs_deleted(plan, n) ? plan->skipped : 0;
}

/* Most documents are small, some are as large as they may be. */
static size_t
packs_size(const struct packs_plan *plan, uint64_t *random)
{
	uint64_t r = packs_random(random);
	size_t most = r % 64 == 0 || plan->most < 2000 ? plan->most : 2000;

	return 2 + (size_t)(packs_random(random) % (most - 1));
}

void
packs_document(const struct packs_plan *plan, uint32_t n, struct buf *out)
{
	uint64_t random = (plan->id << 32 | n) * 0x9e3779b97f4a7c15u + 1;
	size_t size = packs_size(plan, &random);

	buf_clear(out);
	assert_int_equal(buf_printf(out, "{\"id\":\"order-%07" PRIu32 "\"", n), ERR_OK);
	while (out->len + 2 < size)
		assert_int_equal(buf_printf(out, ",\"customer\":%" PRIu64 ",\"state\":\"%s\"",
				     packs_random(&random) % 100000,
				     packs_random(&random) % 2 != 0 ? "paid" : "sent"),
		    ERR_OK);
	out->len = size < out->len ? size : out->len;
	out->data[out->len - 1] = '}';
}

void
packs_meta(const struct packs_plan *plan, struct pack_meta *meta)
{
	*meta = (struct pack_meta){.pack_id = plan->id,
	    .snapshot_id = 31,
	    .table_id = 32,
	    .database_id = 33,
	    .dictionary_id = plan->dict ? PACKS_DICTIONARY : 0,
	    .date = -5,
	    .shard = 2,
	    .shards = 3,
	    .lower = packs_key(0),
	    .upper = packs_key(9999999)};
	assert_int_equal(buf_puts(&meta->database, "shop"), ERR_OK);
	assert_int_equal(buf_puts(&meta->table, "orders"), ERR_OK);
	assert_int_equal(buf_puts(&meta->primary_key, "id"), ERR_OK);
	assert_int_equal(buf_puts(&meta->config, "{\"indexes\":[]}"), ERR_OK);
	assert_int_equal(buf_puts(&meta->source, "a test"), ERR_OK);
}

void
packs_dictionary(struct packs *p)
{
	struct packs_plan plan = {.id = 99, .most = 2000};
	struct buf document = {0}, samples = {0}, bytes = {0};
	size_t sizes[1000];
	struct err e = {0};

	for (uint32_t i = 0; i < 1000; i++) {
		packs_document(&plan, i, &document);
		sizes[i] = document.len;
		assert_int_equal(buf_append(&samples, document.data, document.len), ERR_OK);
	}
	assert_err(dictionary_train(samples.data, sizes, 1000, &bytes, &e), ERR_OK, &e);
	assert_err(
	    dictionary_save(p->fd, PACKS_DICTIONARY, 32, bytes.data, bytes.len, &e), ERR_OK, &e);
	assert_err(
	    dictionary_create(PACKS_DICTIONARY, bytes.data, bytes.len, &p->dict, &e), ERR_OK, &e);
	buf_finish(&document);
	buf_finish(&samples);
	buf_finish(&bytes);
}

static void
packs_write_line(struct pack_writer *w, const struct packs_plan *plan, uint32_t n,
    struct digest *digest, uint32_t *next)
{
	struct key key = packs_key(n);
	struct buf document = {0};
	uint8_t sum[DIGEST_LEN];
	struct err e = {0};
	uint32_t ordinal;

	if (packs_deleted(plan, n)) {
		assert_err(pack_writer_delete(w, &key, &e), ERR_OK, &e);
		return;
	}
	assert_err(pack_writer_skip(w, packs_skipped(plan, n), &e), ERR_OK, &e);
	*next += packs_skipped(plan, n);
	packs_document(plan, n, &document);
	assert_int_equal(digest_document(digest, document.data, document.len, sum), ERR_OK);
	assert_err(
	    pack_writer_put(w, &key, document.data, document.len, sum, &ordinal, &e), ERR_OK, &e);
	assert_int_equal(ordinal, (*next)++);
	buf_finish(&document);
}

void
packs_write(const struct packs *p, const struct packs_plan *plan, struct pack_totals *totals)
{
	struct digest *digest = digest_create();
	struct pack_writer *w = NULL;
	struct pack_meta meta;
	uint32_t next = 0;
	struct err e = {0};

	packs_meta(plan, &meta);
	assert_err(
	    pack_writer_create(p->fd, &meta, plan->dict ? p->dict : NULL, &w, &e), ERR_OK, &e);
	for (uint32_t n = 0; n < plan->lines; n++)
		packs_write_line(w, plan, n, digest, &next);
	assert_err(pack_writer_commit(w, totals, &e), ERR_OK, &e);
	pack_meta_finish(&meta);
	digest_free(digest);
}

const char *
packs_path(const struct packs *p, uint64_t id, const char *suffix, char out[4096])
{
	snprintf(out, 4096, "%s/%06" PRIx64 "/%016" PRIx64 ".%s", p->dir, id >> 10, id, suffix);
	return out;
}

static unsigned
packs_count(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	char below[4096];
	unsigned n = 0;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
		n += 1 + packs_count(below);
	}
	closedir(dir);
	return n;
}

unsigned
packs_files(const struct packs *p)
{
	return packs_count(p->dir);
}

/* ---- reading a pack of a known plan ---- */

int
reading_open(struct reading *r, const struct packs *p, const struct packs_plan *plan, bool damaged)
{
	struct err e = {0};
	int rc;

	*r = (struct reading){.p = p, .plan = plan, .damaged = damaged};
	rc = pack_open(p->fd, plan->id, &r->pack, &e);
	if (rc != ERR_OK) {
		assert_true(e.text[0] != '\0');
		return rc;
	}
	r->reader = pack_reader_create();
	r->digest = digest_create();
	assert_non_null(r->reader);
	return ERR_OK;
}

void
reading_close(struct reading *r)
{
	pack_close(r->pack);
	pack_reader_free(r->reader);
	digest_free(r->digest);
	buf_finish(&r->frame);
	buf_finish(&r->document);
}

/* Whether a call went well. A damaged pack may say so, and nothing else may go wrong. */
static bool
reading_ok(struct reading *r, int rc, const struct err *e)
{
	if (r->damaged && rc == ERR_CORRUPT) {
		assert_non_null(strstr(e->text, "is damaged"));
		assert_non_null(strstr(e->text, "run: thinkback check"));
		r->refused++;
		return false;
	}
	assert_err(rc, ERR_OK, e);
	return true;
}

/* Compare an index line with line ${n} of the plan. */
static void
reading_compare_line(
    struct reading *r, uint32_t n, uint32_t ordinal, const struct pack_entry *entry)
{
	struct key key = packs_key(n);
	uint8_t sum[DIGEST_LEN];

	assert_int_equal(key_compare(&entry->key, &key), 0);
	assert_int_equal(entry->deleted, packs_deleted(r->plan, n));
	if (entry->deleted) {
		assert_int_equal(entry->ordinal, 0);
		assert_int_equal(entry->size, 0);
		return;
	}
	packs_document(r->plan, n, &r->document);
	assert_int_equal(
	    digest_document(r->digest, r->document.data, r->document.len, sum), ERR_OK);
	assert_int_equal(entry->ordinal, ordinal);
	assert_int_equal(entry->size, r->document.len);
	assert_memory_equal(entry->digest, sum, DIGEST_LEN);
}

/* Have frame ${number} in hands; return whether it could be read. */
static bool
reading_frame(struct reading *r, uint64_t number)
{
	const struct dictionary *dict = r->plan->dict ? r->p->dict : NULL;
	struct err e = {0};

	if (r->has_frame && r->number == number)
		return true;
	r->number = number;
	r->has_frame = reading_ok(
	    r, pack_frame_read(r->pack, r->reader, dict, number, &r->frame, &r->first, &e), &e);
	return r->has_frame;
}

/* Read document ${ordinal}, which is line ${n} of the plan, through its frame. */
static void
reading_compare_document(struct reading *r, uint32_t n, uint32_t ordinal)
{
	const uint8_t *data;
	uint64_t number;
	size_t size;

	assert_int_equal(pack_frame_of(r->pack, ordinal, &number), ERR_OK);
	if (!reading_frame(r, number))
		return;
	assert_int_equal(
	    pack_frame_document(r->frame.data, r->frame.len, r->first, ordinal, &data, &size),
	    ERR_OK);
	packs_document(r->plan, n, &r->document);
	assert_int_equal(size, r->document.len);
	assert_memory_equal(data, r->document.data, size);
}

void
reading_compare(struct reading *r)
{
	struct pack_walk walk = {0};
	struct pack_entry entry;
	uint32_t ordinal = 0;
	struct err e = {0};

	for (uint32_t n = 0; n < r->plan->lines; n++) {
		if (!reading_ok(r, pack_entry_next(r->pack, r->reader, &walk, &entry, &e), &e))
			break;
		ordinal += packs_skipped(r->plan, n);
		reading_compare_line(r, n, ordinal, &entry);
		ordinal += !entry.deleted;
	}
	ordinal = 0;
	for (uint32_t n = 0; n < r->plan->lines; n++) {
		if (packs_deleted(r->plan, n))
			continue;
		ordinal += packs_skipped(r->plan, n);
		if (reading_ok(r, pack_entry_of(r->pack, r->reader, ordinal, &entry, &e), &e))
			reading_compare_line(r, n, ordinal, &entry);
		reading_compare_document(r, n, ordinal);
		ordinal++;
	}
}
