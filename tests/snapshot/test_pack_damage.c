/* Packs that are damaged, or that lie with correct checksums: nothing wrong is ever handed out.
 * Promises: 4. */
#include "snapshot/store/pack.h"

#include "snapshot/store/frame.h"
#include "snapshot/store/pack_format.h"
#include "tests/support/forge.h"
#include "tests/support/packs.h"
#include "tests/support/test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

/* ---- damage ---- */

/* What is left of a damaged pack must be right, and verifying must notice. */
static void
damage_check(const struct packs *p, const struct packs_plan *plan)
{
	struct reading r;
	struct err e = {0};
	int rc = reading_open(&r, p, plan, true);

	if (rc != ERR_OK) {
		assert_int_equal(rc, ERR_CORRUPT);
		return;
	}
	reading_compare(&r);
	assert_int_equal(pack_verify(r.pack, &e), ERR_CORRUPT);
	assert_non_null(strstr(e.text, "pack 0000000000000012 is damaged: "));
	reading_close(&r);
}

static void
damage_every_byte(struct packs *p, const struct packs_plan *plan, uint8_t flip)
{
	struct pack_totals totals;
	struct buf file = {0};
	char path[4096];
	int fd;

	packs_write(p, plan, &totals);
	test_read_file(packs_path(p, plan->id, "pack", path), &file);
	fd = open(path, O_WRONLY);
	for (size_t i = 0; i < file.len; i++) {
		uint8_t byte = file.data[i] ^ flip;
		assert_int_equal(pwrite(fd, &byte, 1, (off_t)i), 1);
		damage_check(p, plan);
		assert_int_equal(pwrite(fd, &file.data[i], 1, (off_t)i), 1);
	}
	close(fd);
	buf_finish(&file);
}

static void
pack_damage__every_byte_inverted(void **state)
{
	damage_every_byte(
	    *state, &(struct packs_plan){.id = 0x12, .lines = 12, .most = 70, .deleted = 5}, 0xff);
}

static void
pack_damage__one_bit_of_every_byte(void **state)
{
	damage_every_byte(
	    *state, &(struct packs_plan){.id = 0x12, .lines = 12, .most = 70, .deleted = 5}, 0x01);
}

static void
pack_damage__every_byte_with_dictionary(void **state)
{
	packs_dictionary(*state);
	damage_every_byte(*state,
	    &(struct packs_plan){.id = 0x12, .lines = 40, .most = 200, .deleted = 5, .dict = true},
	    0x10);
}

static void
pack_damage__every_length(void **state)
{
	const struct packs_plan plan = {.id = 0x12, .lines = 12, .most = 70, .deleted = 5};
	struct packs *p = *state;
	struct pack_totals totals;
	struct pack *pack = NULL;
	struct err e = {0};
	char path[4096];

	packs_write(p, &plan, &totals);
	packs_path(p, plan.id, "pack", path);
	for (off_t len = (off_t)totals.bytes + 1; len >= 0; len--) {
		if (len == (off_t)totals.bytes)
			continue;
		assert_int_equal(truncate(path, len), 0);
		assert_int_equal(pack_open(p->fd, plan.id, &pack, &e), ERR_CORRUPT);
		assert_non_null(strstr(e.text, "cut off"));
	}
	assert_null(pack);
}

/* The file shrinks while it is open. */
static void
pack_damage__cut_off_in_use(void **state)
{
	const struct packs_plan plan = {.id = 0x12, .lines = 12, .most = 70};
	struct packs *p = *state;
	struct pack_totals totals;
	struct reading r;
	char path[4096];
	struct err e = {0};

	packs_write(p, &plan, &totals);
	assert_int_equal(reading_open(&r, p, &plan, true), ERR_OK);
	assert_int_equal(truncate(packs_path(p, plan.id, "pack", path), 300), 0);
	reading_compare(&r);
	assert_true(r.refused > 12);
	assert_int_equal(pack_verify(r.pack, &e), ERR_CORRUPT);
	reading_close(&r);
}

/* ---- lies with correct checksums ---- */

/* Write the forged pack and open it. */
static int
forged_open(const struct packs *p, struct forge *f, struct reading *r)
{
	static const struct packs_plan plan = {.id = 3};
	struct buf file = {0};
	char path[4096];
	int rc;

	forge_finish(f, &file);
	mkdirat(p->fd, "000000", 0700);
	unlink(packs_path(p, 3, "pack", path));
	test_write_file(path, file.data, file.len);
	buf_finish(&file);
	rc = reading_open(r, p, &plan, true);
	assert_true(rc == ERR_OK || rc == ERR_CORRUPT || rc == ERR_VERSION);
	return rc;
}

static const struct pack_meta forged_meta = {.pack_id = 3, .shards = 1};

/* Two documents, {} and [1], as a frame and as index lines. */
static const uint8_t honest_frame[] = {
    7, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, '{', '}', '[', '1', ']'};
static const uint8_t honest_block[] = {1, 0, 2, 'S', 'a', 7, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    11, 12, 13, 14, 15, 1, 1, 1, 'b', 0, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static const struct pack_footer honest_footer = {.documents = 2, .raw_bytes = 5, .ordinals = 9};

static void
pack_forged__honest(void **state)
{
	struct forge f = {.meta = forged_meta, .footer = honest_footer};
	struct pack_entry entry;
	struct reading r;
	struct err e = {0};
	uint32_t first;

	forge_frame(&f, 7, honest_frame, sizeof(honest_frame));
	forge_block(&f, 0, 2, honest_block, sizeof(honest_block));
	assert_int_equal(forged_open(*state, &f, &r), ERR_OK);
	assert_err(pack_verify(r.pack, &e), ERR_OK, &e);
	assert_err(pack_frame_read(r.pack, r.reader, NULL, 0, &r.frame, &first, &e), ERR_OK, &e);
	assert_err(pack_entry_of(r.pack, r.reader, 8, &entry, &e), ERR_OK, &e);
	assert_int_equal(entry.size, 3);
	assert_text(entry.key.bytes, entry.key.len, "Sb");
	assert_int_equal(pack_frame_read(r.pack, r.reader, NULL, 1, &r.frame, &first, &e), ERR_ARG);
	reading_close(&r);
}

/* A document that is lost, in a pack whose header says that it was repaired. */
static void
pack_forged__lost_line(void **state)
{
	struct forge f = {.meta = forged_meta,
	    .footer = {.documents = 1, .raw_bytes = 3, .ordinals = 9, .lost = 1}};
	uint8_t lines[sizeof(honest_block)];
	struct pack_walk walk = {0};
	struct pack_entry entry;
	struct reading r;
	struct err e = {0};

	memcpy(lines, honest_block, sizeof(lines));
	lines[0] = 3;
	f.meta.lossy = true;
	forge_frame(&f, 7, honest_frame, sizeof(honest_frame));
	forge_block(&f, 0, 2, lines, sizeof(lines));
	assert_int_equal(forged_open(*state, &f, &r), ERR_OK);
	assert_err(pack_entry_next(r.pack, r.reader, &walk, &entry, &e), ERR_OK, &e);
	assert_true(entry.lost && entry.ordinal == 7);
	assert_int_equal(pack_entry_of(r.pack, r.reader, 7, &entry, NULL), ERR_ABSENT);
	assert_err(pack_entry_of(r.pack, r.reader, 8, &entry, &e), ERR_OK, &e);
	assert_err(pack_verify(r.pack, &e), ERR_OK, &e);
	reading_close(&r);
}

/* A frame that decodes to ${len} bytes at ${raw} must be refused as long as it is number 7. */
static void
forged_frame(struct packs *p, const void *raw, size_t len, const char *why)
{
	struct forge f = {.meta = forged_meta, .footer = honest_footer};
	struct reading r;
	struct err e = {0};
	uint32_t first = 99;

	forge_frame(&f, 7, raw, len);
	forge_block(&f, 0, 2, honest_block, sizeof(honest_block));
	assert_int_equal(forged_open(p, &f, &r), ERR_OK);
	assert_int_equal(
	    pack_frame_read(r.pack, r.reader, NULL, 0, &r.frame, &first, &e), ERR_CORRUPT);
	assert_int_equal(first, 99);
	assert_int_equal(r.frame.len, 0);
	if (strstr(e.text, why) == NULL)
		fail_msg("%s", e.text);
	assert_non_null(strstr(e.text, "pack 0000000000000003 is damaged: frame 0: "));
	reading_close(&r);
}

static void
pack_forged__frames(void **state)
{
	uint8_t raw[sizeof(honest_frame)];

	forged_frame(*state, honest_frame, 7, "too short");
	forged_frame(*state, honest_frame, 15, "too short for its sizes");
	forged_frame(*state, honest_frame, sizeof(honest_frame) - 1, "length differ");
	for (size_t i = 0; i < 16; i++) {
		static const char *const why[] = {"begins with another", "more documents than",
		    "a size that none can have", "length differ"};
		memcpy(raw, honest_frame, sizeof(raw));
		raw[i] ^= 0x80;
		forged_frame(*state, raw, sizeof(raw),
		    i < 4 ? why[0] : (i < 8 ? why[1] : (i % 4 == 3 ? why[2] : why[3])));
	}
	/* No ordinals; one more than there is room for. */
	memcpy(raw, honest_frame, sizeof(raw));
	raw[4] = 0;
	forged_frame(*state, raw, 8, "more documents than");
	raw[4] = 3;
	raw[16] = raw[17] = raw[18] = raw[19] = 0;
	forged_frame(*state, raw, 21, "more documents than");
	/* A byte behind the last document. */
	memcpy(raw, honest_frame, sizeof(raw));
	raw[12] = 2;
	forged_frame(*state, raw, sizeof(raw), "length differ");
	/* A document of one byte. */
	memcpy(raw, honest_frame, sizeof(raw));
	raw[8] = 1;
	forged_frame(*state, raw, sizeof(raw) - 1, "a size that none can have");
}

/* An index block of ${entries} lines that decodes to ${len} bytes at ${raw} must be refused. */
static void
forged_block(struct packs *p, uint32_t entries, const void *raw, size_t len, const char *why)
{
	struct forge f = {.meta = forged_meta, .footer = honest_footer};
	struct pack_walk walk = {0};
	struct pack_entry entry;
	struct reading r;
	struct err e = {0};
	int rc;

	f.footer.documents = entries;
	f.footer.raw_bytes = entries * 2 + 1;
	forge_frame(&f, 7, honest_frame, sizeof(honest_frame));
	forge_block(&f, 0, entries, raw, len);
	assert_int_equal(forged_open(p, &f, &r), ERR_OK);
	while ((rc = pack_entry_next(r.pack, r.reader, &walk, &entry, &e)) == ERR_OK)
		assert_true(entry.ordinal == 7 || entry.ordinal == 8);
	assert_int_equal(rc, ERR_CORRUPT);
	if (strstr(e.text, why) == NULL)
		fail_msg("%s", e.text);
	assert_int_equal(pack_verify(r.pack, &e), ERR_CORRUPT);
	assert_int_equal(pack_entry_of(r.pack, r.reader, 6, &entry, NULL) == ERR_OK, 0);
	reading_close(&r);
}

/* As forged_block, of the honest block with the byte at ${at} replaced. */
static void
forged_byte(struct packs *p, size_t at, uint8_t byte, const char *why)
{
	uint8_t raw[sizeof(honest_block)];

	memcpy(raw, honest_block, sizeof(raw));
	raw[at] = byte;
	forged_block(p, 2, raw, sizeof(raw), why);
}

static void
pack_forged__blocks(void **state)
{
	enum { SECOND = 23 }; /* where the second line begins */

	for (size_t len = 8; len < sizeof(honest_block); len++)
		forged_block(*state, 2, honest_block, len, "ends within a ");
	forged_block(*state, 1, honest_block, sizeof(honest_block), "behind its last line");
	forged_block(*state, 3, honest_block, sizeof(honest_block), "ends within a line");
	forged_byte(*state, 0, 4, "no known kind");
	forged_byte(*state, 0, 0, "no known kind");
	forged_byte(*state, 0, 3, "a document is lost in it, which its header does not say");
	forged_byte(*state, 1, 1, "a key is malformed");
	forged_byte(*state, 2, 0, "a key is malformed");
	forged_byte(*state, 2, 200, "a key is malformed");
	forged_byte(*state, 2, 100, "ends within a key");
	forged_byte(*state, SECOND + 1, 3, "a key is malformed");
	forged_byte(*state, SECOND + 3, 'a', "not in order");
	forged_byte(*state, SECOND + 3, 'A', "not in order");
	forged_byte(*state, 5, 8, "an ordinal is too large");
	forged_byte(*state, SECOND + 4, 1, "an ordinal is too large");
	forged_byte(*state, 6, 0, "a size that none can have");
	forged_byte(*state, 6, 1, "a size that none can have");
}

/* The honest block, its second line with that gap and size. */
static void
forged_line(struct packs *p, uint64_t gap, uint64_t size, const char *why)
{
	uint8_t raw[80] = {0};
	size_t n = 27; /* the first line, and kind and key of the second */

	memcpy(raw, honest_block, n);
	n += bytes_put_varint(raw + n, gap);
	n += bytes_put_varint(raw + n, size);
	forged_block(p, 2, raw, n + DIGEST_LEN, why);
}

static void
pack_forged__huge_numbers_in_lines(void **state)
{
	/* Some of them would make the ordinal wrap around to one before. */
	const uint64_t huge[] = {UINT32_MAX - 8, UINT32_MAX, (uint64_t)UINT32_MAX + 1, UINT64_MAX,
	    UINT64_MAX - 1, UINT64_MAX - 8};

	for (size_t i = 0; i < sizeof(huge) / sizeof(huge[0]); i++) {
		forged_line(*state, huge[i], 3, "an ordinal is too large");
		forged_line(*state, 0, huge[i], "a size that none can have");
	}
}

/* Two blocks of one line each, the second with ${key} and first ordinal ${first}. */
static int
forged_blocks(struct packs *p, char key, uint32_t first)
{
	struct forge f = {.meta = forged_meta, .footer = honest_footer};
	uint8_t second[23] = {1, 0, 2, 'S', 'b', 0, 3};
	struct pack_walk walk = {0};
	struct pack_entry entry;
	struct reading r;
	int rc;

	second[4] = (uint8_t)key;
	second[5] = (uint8_t)(8 - first);
	forge_frame(&f, 7, honest_frame, sizeof(honest_frame));
	forge_block(&f, 0, 1, honest_block, 23);
	forge_block(&f, first, 1, second, sizeof(second));
	rc = forged_open(p, &f, &r);
	if (rc != ERR_OK)
		return rc;
	while ((rc = pack_entry_next(r.pack, r.reader, &walk, &entry, NULL)) == ERR_OK)
		;
	if (rc == ERR_END)
		assert_int_equal(entry.ordinal, 8);
	assert_int_equal(pack_verify(r.pack, NULL), rc == ERR_END ? ERR_OK : rc);
	reading_close(&r);
	return rc;
}

static void
pack_forged__order_of_blocks(void **state)
{
	assert_int_equal(forged_blocks(*state, 'b', 8), ERR_END);
	assert_int_equal(forged_blocks(*state, 'a', 8), ERR_CORRUPT);
	assert_int_equal(forged_blocks(*state, 'A', 8), ERR_CORRUPT);
	assert_int_equal(forged_blocks(*state, 'b', 7), ERR_CORRUPT);
}

/* Let ${change} falsify totals or tables of the honest pack. Return what opening says, and if that
 * is nothing what verifying says; sets ${opened}. */
static int
forged_tables(struct packs *p, void (*change)(struct forge *f), bool *opened)
{
	struct forge f = {.meta = forged_meta, .footer = honest_footer};
	struct reading r;
	int rc;

	forge_frame(&f, 7, honest_frame, sizeof(honest_frame));
	forge_block(&f, 0, 2, honest_block, sizeof(honest_block));
	change(&f);
	rc = forged_open(p, &f, &r);
	*opened = rc == ERR_OK;
	if (rc == ERR_OK) {
		rc = pack_verify(r.pack, NULL);
		reading_close(&r);
	}
	return rc;
}

static void
lie_documents(struct forge *f)
{
	f->footer.documents = 3;
}
static void
lie_documents_fewer(struct forge *f)
{
	f->footer.documents = 1;
	f->footer.deletions = 1;
}
static void
lie_deletions(struct forge *f)
{
	f->footer.deletions = UINT64_MAX;
}
static void
lie_raw_bytes(struct forge *f)
{
	f->footer.raw_bytes = 6;
}
static void
lie_raw_bytes_huge(struct forge *f)
{
	f->footer.raw_bytes = UINT64_MAX;
}
static void
lie_ordinals(struct forge *f)
{
	f->footer.ordinals = 7;
}
static void
lie_ordinals_huge(struct forge *f)
{
	f->footer.ordinals = (uint64_t)UINT32_MAX + 1;
}
static void
lie_frame_offset(struct forge *f)
{
	f->frames.data[0]++;
}
static void
lie_frame_before(struct forge *f)
{
	bytes_put64(f->frames.data, UINT64_MAX - 100);
}
static void
lie_frame_length(struct forge *f)
{
	bytes_put32(f->frames.data + 8, UINT32_MAX);
}
static void
lie_frame_empty(struct forge *f)
{
	bytes_put32(f->frames.data + 8, 0);
}
static void
lie_frame_first(struct forge *f)
{
	bytes_put32(f->frames.data + 12, 9);
}
static void
lie_frame_late(struct forge *f)
{
	bytes_put32(f->frames.data + 12, 8);
	f->footer.ordinals = 10;
}
static void
lie_block_raw(struct forge *f)
{
	bytes_put32(f->blocks.data + 12, PACK_BLOCK_MAX + 1);
}
static void
lie_block_raw_more(struct forge *f)
{
	bytes_put32(f->blocks.data + 12, sizeof(honest_block) + 1);
}
static void
lie_block_first(struct forge *f)
{
	f->footer.ordinals = 20;
	bytes_put32(f->blocks.data + 16, 1);
}
static void
lie_block_entries(struct forge *f)
{
	bytes_put32(f->blocks.data + 20, 1);
}
static void
lie_block_overlap(struct forge *f)
{
	bytes_put64(f->blocks.data, 0);
}
static void
lie_frame_order(struct forge *f)
{
	f->footer.ordinals = 20;
	forge_frame(f, 7, honest_frame, sizeof(honest_frame));
}
static void
lie_extra_bytes(struct forge *f)
{
	assert_int_equal(buf_putc(&f->body, 0), ERR_OK);
}
static void
lie_shards(struct forge *f)
{
	f->meta.shards = 0;
}

static void
pack_forged__tables(void **state)
{
	void (*const lies[])(struct forge * f) = {lie_documents, lie_deletions, lie_raw_bytes_huge,
	    lie_ordinals, lie_ordinals_huge, lie_frame_before, lie_frame_length, lie_frame_empty,
	    lie_frame_first, lie_frame_order, lie_block_raw, lie_block_first, lie_block_entries,
	    lie_shards};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		bool opened;
		int rc = forged_tables(*state, lies[i], &opened);
		if (rc != ERR_CORRUPT || opened)
			fail_msg("lie %zu: %s", i, err_str(rc));
	}
}

/* What only the index or the whole body tells. */
static void
pack_forged__found_by_verifying(void **state)
{
	void (*const lies[])(struct forge * f) = {lie_documents_fewer, lie_raw_bytes,
	    lie_frame_late, lie_frame_offset, lie_block_raw_more, lie_block_overlap,
	    lie_extra_bytes};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		bool opened;
		int rc = forged_tables(*state, lies[i], &opened);
		if (rc != ERR_CORRUPT || !opened)
			fail_msg("lie %zu: %s", i, err_str(rc));
	}
}

/* A block that is honest but for its length. */
static void
pack_forged__block_too_long(void **state)
{
	enum { LINES = 16000 };
	struct forge f = {.meta = forged_meta};
	struct buf raw = {0};
	struct reading r;

	for (unsigned i = 0; i < LINES; i++) {
		const uint8_t line[] = {2, 0, 2, (uint8_t)(i >> 8), (uint8_t)i};
		assert_int_equal(buf_append(&raw, line, sizeof(line)), ERR_OK);
	}
	assert_true(raw.len > PACK_BLOCK_MAX);
	f.footer.deletions = LINES;
	forge_block(&f, 0, LINES, raw.data, raw.len);
	assert_int_equal(forged_open(*state, &f, &r), ERR_CORRUPT);
	buf_finish(&raw);
}

/* A frame larger than all documents of the pack. */
static void
pack_forged__frame_too_long(void **state)
{
	static uint8_t raw[FRAME_HEAD + FRAME_SIZE_LEN * FRAME_COUNT_MAX + 6] = {7, 0, 0, 0, 1};

	bytes_put32(raw + FRAME_HEAD, sizeof(raw) - FRAME_HEAD - FRAME_SIZE_LEN);
	forged_frame(*state, raw, sizeof(raw), "larger than it may be");
}

/* The bytes of ${zstd} instead of the honest frame, which they decode to. */
static void
forged_zstd(struct packs *p, const void *zstd, size_t len, const char *why)
{
	struct forge f = {.meta = forged_meta, .footer = honest_footer};
	struct reading r;
	struct err e = {0};
	uint32_t first;

	forge_frame(&f, 7, honest_frame, sizeof(honest_frame));
	buf_clear(&f.body);
	assert_int_equal(buf_append(&f.body, zstd, len), ERR_OK);
	bytes_put32(f.frames.data + 8, (uint32_t)len);
	forge_block(&f, 0, 2, honest_block, sizeof(honest_block));
	assert_int_equal(forged_open(p, &f, &r), ERR_OK);
	assert_int_equal(
	    pack_frame_read(r.pack, r.reader, NULL, 0, &r.frame, &first, &e), ERR_CORRUPT);
	if (strstr(e.text, why) == NULL)
		fail_msg("%s", e.text);
	reading_close(&r);
}

static void
pack_forged__zstd_without_checksum(void **state)
{
	uint8_t zstd[200];
	size_t len = ZSTD_compress(zstd, sizeof(zstd), honest_frame, sizeof(honest_frame), 3);

	assert_false(ZSTD_isError(len));
	forged_zstd(*state, zstd, len, "it has no checksum");
}

/* A skippable frame behind it, which zstd would pass over. */
static void
pack_forged__zstd_with_more_behind(void **state)
{
	static const uint8_t skippable[] = {0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 'x', 'y'};
	struct codec_packer *packer = codec_packer_create(NULL);
	struct buf zstd = {0};

	assert_int_equal(
	    codec_pack(packer, honest_frame, sizeof(honest_frame), &zstd, NULL), ERR_OK);
	assert_int_equal(buf_append(&zstd, skippable, sizeof(skippable)), ERR_OK);
	forged_zstd(*state, zstd.data, zstd.len, "does not end where it should");
	codec_packer_free(packer);
	buf_finish(&zstd);
}

/* A frame of few bytes that claims to be of 128 MiB is refused before memory is taken. */
static void
pack_forged__claimed_size(void **state)
{
	/* Magic; single segment, checksum, 4 bytes of size; size; an empty last block; checksum. */
	uint8_t bomb[] = {0x28, 0xb5, 0x2f, 0xfd, 0xa4, 0, 0, 0, 8, 1, 0, 0, 0, 0, 0, 0};
	struct forge f = {.meta = forged_meta, .footer = honest_footer};
	struct reading r;
	struct err e = {0};
	uint32_t first;

	f.footer.raw_bytes = 2ull * FRAME_DOCUMENT_MAX;
	forge_frame(&f, 7, honest_frame, sizeof(honest_frame));
	buf_clear(&f.body);
	assert_int_equal(buf_append(&f.body, bomb, sizeof(bomb)), ERR_OK);
	bytes_put32(f.frames.data + 8, sizeof(bomb));
	forge_block(&f, 0, 2, honest_block, sizeof(honest_block));
	assert_int_equal(forged_open(*state, &f, &r), ERR_OK);
	assert_int_equal(
	    pack_frame_read(r.pack, r.reader, NULL, 0, &r.frame, &first, &e), ERR_CORRUPT);
	assert_non_null(strstr(e.text, "so few bytes"));
	assert_int_equal(r.frame.cap, 0);
	reading_close(&r);
}

/* ---- headers and footers with correct checksums ---- */

/* Make a pack without documents whose header has ${texts} bytes of a name, let ${change} falsify
 * header and footer, and open it. */
static int
forged_ends(struct packs *p, size_t texts, void (*change)(uint8_t *head, uint8_t *foot))
{
	struct forge f = {.meta = forged_meta};
	struct digest *d = digest_create();
	struct buf file = {0};
	struct pack *pack;
	char path[4096];
	uint8_t *foot, *sum;
	int rc;

	for (size_t i = 0; i < texts; i++)
		assert_int_equal(buf_putc(&f.meta.database, 'x'), ERR_OK);
	forge_finish(&f, &file);
	foot = file.data + file.len - PACK_FORMAT_FOOTER;
	sum = foot - DIGEST_FULL; /* the body and the tables are empty */
	change(file.data, foot);
	assert_int_equal(pack_format_digest(d, file.data, (size_t)(sum - file.data), sum), ERR_OK);
	memcpy(foot + 208, sum, DIGEST_FULL);
	assert_int_equal(pack_format_digest(d, foot, 336, foot + 336), ERR_OK);
	mkdirat(p->fd, "000000", 0700);
	unlink(packs_path(p, 3, "pack", path));
	test_write_file(path, file.data, file.len);
	rc = pack_open(p->fd, 3, &pack, NULL);
	if (rc == ERR_OK)
		pack_close(pack);
	buf_finish(&f.meta.database);
	digest_free(d);
	buf_finish(&file);
	return rc;
}

static void
ends_honest(uint8_t *head, uint8_t *foot)
{
	(void)head;
	(void)foot;
}
static void
ends_flag_optional(uint8_t *head, uint8_t *foot)
{
	(void)foot;
	head[15] = 0x80;
}
static void
ends_flag_required(uint8_t *head, uint8_t *foot)
{
	(void)foot;
	head[13] = 0x80;
}
static void
ends_lower_too_long(uint8_t *head, uint8_t *foot)
{
	(void)foot;
	bytes_put32(head + 72, 200);
	bytes_put32(head + 76, 0);
}
static void
ends_upper_too_long(uint8_t *head, uint8_t *foot)
{
	(void)head;
	bytes_put32(foot + 72, KEY_MAX + 1);
}
static void
ends_table_id(uint8_t *head, uint8_t *foot)
{
	(void)foot;
	bytes_put64(head + 32, UINT64_MAX);
}
static void
ends_header_id(uint8_t *head, uint8_t *foot)
{
	(void)foot;
	head[16] = 4;
}
static void
ends_footer_id(uint8_t *head, uint8_t *foot)
{
	(void)head;
	foot[0] = 4;
}
static void
ends_version_0(uint8_t *head, uint8_t *foot)
{
	(void)foot;
	head[8] = 0;
}

static void
pack_forged__ends(void **state)
{
	assert_int_equal(forged_ends(*state, 200, ends_honest), ERR_OK);
	assert_int_equal(forged_ends(*state, 200, ends_flag_optional), ERR_OK);
	assert_int_equal(forged_ends(*state, 200, ends_flag_required), ERR_VERSION);
	assert_int_equal(forged_ends(*state, 200, ends_lower_too_long), ERR_CORRUPT);
	assert_int_equal(forged_ends(*state, PACK_NAME_MAX + 1, ends_honest), ERR_CORRUPT);
	assert_int_equal(forged_ends(*state, 0, ends_upper_too_long), ERR_CORRUPT);
	assert_int_equal(forged_ends(*state, 0, ends_table_id), ERR_CORRUPT);
	assert_int_equal(forged_ends(*state, 0, ends_header_id), ERR_CORRUPT);
	assert_int_equal(forged_ends(*state, 0, ends_footer_id), ERR_CORRUPT);
	assert_int_equal(forged_ends(*state, 0, ends_version_0), ERR_CORRUPT);
}

/* Make the digests of the header right, in both places, and that of the footer. */
static void
newer_digests(struct buf *file)
{
	uint8_t *foot = file->data + file->len - PACK_FORMAT_FOOTER;
	size_t len = (size_t)bytes_get64(foot + 56) - DIGEST_FULL;

	assert_int_equal(digest_whole(file->data, len, file->data + len), ERR_OK);
	memcpy(foot + 208, file->data + len, DIGEST_FULL);
	assert_int_equal(digest_whole(foot, 336, foot + 336), ERR_OK);
}

/* What is newer is not damaged, and what is damaged is not newer. */
static void
pack_open__newer(void **state)
{
	const struct packs_plan plan = {.id = 0x12};
	struct packs *p = *state;
	struct pack_totals totals;
	struct pack *pack;
	struct buf file = {0};
	struct err e = {0};
	char path[4096];

	packs_write(p, &plan, &totals);
	test_read_file(packs_path(p, plan.id, "pack", path), &file);
	file.data[8] = 2;
	test_write_file(path, file.data, file.len);
	assert_int_equal(pack_open(p->fd, plan.id, &pack, &e), ERR_CORRUPT);
	assert_non_null(strstr(e.text, "the checksum of its header is wrong"));
	newer_digests(&file);
	test_write_file(path, file.data, file.len);
	assert_int_equal(pack_open(p->fd, plan.id, &pack, &e), ERR_VERSION);
	assert_string_equal(e.text, "pack 0000000000000012 cannot be read: its format is newer; "
				    "use a newer thinkback");
	file.data[8] = 1;
	file.data[13] = 1;
	newer_digests(&file);
	test_write_file(path, file.data, file.len);
	assert_int_equal(pack_open(p->fd, plan.id, &pack, &e), ERR_VERSION);
	/* A later version may have another footer. */
	file.data[file.len - 1] ^= 1;
	test_write_file(path, file.data, file.len);
	assert_int_equal(pack_open(p->fd, plan.id, &pack, &e), ERR_VERSION);
	buf_finish(&file);
}

static void
pack_frame_read__wrong_dictionary(void **state)
{
	const struct packs_plan with = {.id = 1, .lines = 1, .most = 100, .dict = true};
	const struct packs_plan without = {.id = 2, .lines = 1, .most = 100};
	struct packs *p = *state;
	struct pack_totals totals;
	struct reading r;
	struct err e = {0};
	uint32_t first;

	packs_dictionary(p);
	packs_write(p, &with, &totals);
	packs_write(p, &without, &totals);
	assert_int_equal(reading_open(&r, p, &with, false), ERR_OK);
	assert_int_equal(pack_frame_read(r.pack, r.reader, NULL, 0, &r.frame, &first, &e), ERR_ARG);
	reading_close(&r);
	assert_int_equal(reading_open(&r, p, &without, false), ERR_OK);
	assert_int_equal(
	    pack_frame_read(r.pack, r.reader, p->dict, 0, &r.frame, &first, &e), ERR_ARG);
	reading_close(&r);
}

#define PACK_TEST(f) cmocka_unit_test_setup_teardown(f, packs_setup, packs_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    PACK_TEST(pack_damage__every_byte_inverted),
	    PACK_TEST(pack_damage__one_bit_of_every_byte),
	    PACK_TEST(pack_damage__every_byte_with_dictionary),
	    PACK_TEST(pack_damage__every_length),
	    PACK_TEST(pack_damage__cut_off_in_use),
	    PACK_TEST(pack_forged__honest),
	    PACK_TEST(pack_forged__lost_line),
	    PACK_TEST(pack_forged__frames),
	    PACK_TEST(pack_forged__blocks),
	    PACK_TEST(pack_forged__huge_numbers_in_lines),
	    PACK_TEST(pack_forged__order_of_blocks),
	    PACK_TEST(pack_forged__tables),
	    PACK_TEST(pack_forged__found_by_verifying),
	    PACK_TEST(pack_forged__block_too_long),
	    PACK_TEST(pack_forged__frame_too_long),
	    PACK_TEST(pack_forged__zstd_without_checksum),
	    PACK_TEST(pack_forged__zstd_with_more_behind),
	    PACK_TEST(pack_forged__claimed_size),
	    PACK_TEST(pack_open__newer),
	    PACK_TEST(pack_forged__ends),
	    PACK_TEST(pack_frame_read__wrong_dictionary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
