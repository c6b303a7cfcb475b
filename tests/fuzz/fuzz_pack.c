/*
 * Reading packs: whatever the file, nothing crashes, and what is handed out is consistent. The
 * first byte of an input says what the rest is:
 *
 *   'r'  a file as it is
 *   'c'  a file whose checksums are made right first, so that what stands behind them is reached
 *   'b'  a recipe: totals, then decoded frames and index blocks, of which a file is built
 *   'l'  the same of a pack that was repaired, and a byte of totals more: how many lines are lost
 */
#include "snapshot/store/frame.h"
#include "tests/support/forge.h"

#define FUZZ_FILE "000000/0000000000000001.pack"
#include "tests/fuzz/packsdir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_FRAMES 64    /* frames that are read */
#define FUZZ_LINES 100000 /* lines that are read */

/* ---- making files ---- */

/* Put the digest of ${len} bytes at ${off} to ${to}, as far as that is in the file. */
static void
fuzz_digest(struct buf *file, uint64_t off, uint64_t len, uint8_t *to)
{
	struct digest *d = digest_create();

	if (off <= file->len && len <= file->len - off)
		fuzz_require(pack_format_digest(d, file->data + off, (size_t)len, to) == ERR_OK);
	digest_free(d);
}

/* Make number, magics and checksums of a file right; lengths are as the footer has them. */
static void
fuzz_correct(struct buf *file)
{
	uint64_t header_len, body_len, frames, blocks;
	uint8_t *foot;

	if (file->len < PACK_FORMAT_HEADER + DIGEST_FULL + PACK_FORMAT_FOOTER)
		return;
	foot = file->data + file->len - PACK_FORMAT_FOOTER;
	header_len = bytes_get64(foot + 56);
	body_len = bytes_get64(foot + 64);
	frames = bytes_get64(foot + 40) * PACK_FORMAT_FRAME_ENTRY;
	blocks = bytes_get64(foot + 48) * PACK_FORMAT_BLOCK_ENTRY;
	memcpy(file->data, PACK_FORMAT_MAGIC, PACK_FORMAT_MAGIC_LEN);
	memcpy(foot + 368, PACK_FORMAT_END_MAGIC, PACK_FORMAT_MAGIC_LEN);
	bytes_put64(file->data + 16, FUZZ_ID);
	bytes_put64(foot, FUZZ_ID);
	if (header_len >= DIGEST_FULL && header_len <= file->len - PACK_FORMAT_FOOTER) {
		uint8_t *to = file->data + header_len - DIGEST_FULL;
		fuzz_digest(file, 0, header_len - DIGEST_FULL, to);
		memcpy(foot + 208, to, DIGEST_FULL);
	}
	fuzz_digest(file, header_len, body_len, foot + 240);
	fuzz_digest(file, header_len + body_len, frames, foot + 272);
	fuzz_digest(file, header_len + body_len + frames, blocks, foot + 304);
	fuzz_digest(file, file->len - PACK_FORMAT_FOOTER, 336, foot + 336);
}

/* Build a file: 12 bytes of totals, then pieces of kind, first, lines, length (u16), contents. */
static void
fuzz_build(const uint8_t *data, size_t size, bool lossy, struct buf *file)
{
	struct forge f = {.meta = {.pack_id = FUZZ_ID, .shards = 1, .lossy = lossy}};

	if (size < 13)
		return;
	f.footer.documents = bytes_get16(data);
	f.footer.deletions = bytes_get16(data + 2);
	f.footer.raw_bytes = bytes_get32(data + 4);
	f.footer.ordinals = bytes_get32(data + 8);
	if (lossy)
		f.footer.lost = data[12];
	data += lossy ? 13 : 12;
	size -= lossy ? 13 : 12;
	while (size >= 7) {
		uint16_t first = bytes_get16(data + 1), lines = bytes_get16(data + 3);
		size_t len = bytes_get16(data + 5);
		len = len < size - 7 ? len : size - 7;
		if (data[0] % 2 == 0)
			forge_frame(&f, first, data + 7, len);
		else
			forge_block(&f, first, lines, data + 7, len);
		data += 7 + len;
		size -= 7 + len;
	}
	forge_finish(&f, file);
}

/* ---- reading them ---- */

/* Every document of a decoded frame lies in it, behind the one before. */
static void
fuzz_frame(const struct buf *frame, uint32_t first)
{
	const uint8_t *from = frame->data, *end = frame->data + frame->len, *data;
	uint32_t count = bytes_get32(frame->data + 4);
	size_t len;

	for (uint32_t i = 0; i < count; i++) {
		int rc =
		    pack_frame_document(frame->data, frame->len, first, first + i, &data, &len);
		fuzz_require(rc == ERR_OK || rc == ERR_ABSENT);
		if (rc != ERR_OK)
			continue;
		fuzz_require(data >= from && len >= 2 && len <= (size_t)(end - data));
		from = data + len;
	}
	fuzz_require(count == 0 || from == end || from == frame->data);
	fuzz_require(pack_frame_document(
			 frame->data, frame->len, first, first + count, &data, &len) == ERR_ABSENT);
}

static void
fuzz_frames(const struct pack *p, struct pack_reader *r)
{
	struct buf frame = {0};
	uint32_t first;

	for (uint64_t i = 0; i < pack_count(p)->frames && i < FUZZ_FRAMES; i++)
		if (pack_frame_read(p, r, NULL, i, &frame, &first, NULL) == ERR_OK)
			fuzz_frame(&frame, first);
	buf_finish(&frame);
}

/* Walk through the index. Return the outcome; sets ${lines}. */
static int
fuzz_walk(const struct pack *p, struct pack_reader *r, uint64_t *lines)
{
	struct pack_walk walk = {0};
	struct pack_entry entry, last = {0};
	uint64_t next = 0, frame;
	int rc;

	for (*lines = 0; *lines < FUZZ_LINES; ++*lines) {
		rc = pack_entry_next(p, r, &walk, &entry, NULL);
		if (rc != ERR_OK)
			return rc;
		fuzz_require(entry.key.len > 0 && entry.key.len <= KEY_MAX);
		fuzz_require(key_compare(&last.key, &entry.key) < 0);
		last = entry;
		if (entry.deleted)
			continue;
		fuzz_require(entry.ordinal >= next && entry.size >= 2);
		next = (uint64_t)entry.ordinal + 1;
		fuzz_require(!entry.lost || pack_describe(p)->lossy);
		pack_frame_of(p, entry.ordinal, &frame);
	}
	return ERR_OK;
}

/* In a pack that was verified every line is found by its ordinal too. */
static void
fuzz_look_up(const struct pack *p, struct pack_reader *r)
{
	struct pack_reader *other = pack_reader_create();
	struct pack_walk walk = {0};
	struct pack_entry entry, found;
	unsigned n = 0;

	while (n++ < 1000 && pack_entry_next(p, r, &walk, &entry, NULL) == ERR_OK) {
		if (entry.deleted)
			continue;
		if (entry.lost) {
			fuzz_require(
			    pack_entry_of(p, other, entry.ordinal, &found, NULL) == ERR_ABSENT);
			continue;
		}
		fuzz_require(pack_entry_of(p, other, entry.ordinal, &found, NULL) == ERR_OK);
		fuzz_require(key_compare(&entry.key, &found.key) == 0);
		fuzz_require(entry.size == found.size);
	}
	pack_reader_free(other);
}

static void
fuzz_read(void)
{
	struct pack_reader *r = pack_reader_create();
	struct pack *p;
	struct err e = {0};
	uint64_t lines;
	int rc = pack_open(fuzz_packsfd, FUZZ_ID, &p, &e);

	if (rc == ERR_OK) {
		fuzz_frames(p, r);
		rc = fuzz_walk(p, r, &lines);
		if (pack_verify(p, &e) == ERR_OK) {
			const struct pack_totals *sum = pack_count(p);
			fuzz_require(rc == ERR_OK ||
				     (rc == ERR_END &&
					 lines == sum->documents + sum->deletions + sum->lost));
			fuzz_look_up(p, r);
		}
		pack_close(p);
	} else {
		fuzz_require(rc == ERR_CORRUPT || rc == ERR_VERSION);
		fuzz_require(e.code == rc && e.text[0] != '\0');
	}
	pack_reader_free(r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf file = {0};

	if (size == 0)
		return 0;
	fuzz_setup();
	if (data[0] == 'b' || data[0] == 'l') {
		fuzz_build(data + 1, size - 1, data[0] == 'l', &file);
	} else {
		fuzz_require(buf_append(&file, data + 1, size - 1) == ERR_OK);
		if (data[0] == 'c')
			fuzz_correct(&file);
	}
	fuzz_write(file.data, file.len);
	fuzz_read();
	buf_finish(&file);
	return 0;
}
