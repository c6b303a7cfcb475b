/*
 * Reading dictionaries: whatever the file, nothing crashes; one that is accepted compresses and
 * decompresses. The first byte of an input says what the rest is: 'r' a file as it is, 'c' a file
 * whose checksum is made right first, 'd' the bytes of a dictionary.
 */
#include "catalog/base/digest.h"
#include "snapshot/store/codec.h"
#include "snapshot/store/dictionary.h"

#define FUZZ_FILE "000000/0000000000000001.dict"
#include "tests/fuzz/packsdir.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Make the checksum at the end of the file right. */
static void
fuzz_correct(struct buf *file)
{
	size_t len = file->len - DIGEST_FULL;

	if (file->len > DIGEST_FULL)
		fuzz_require(digest_whole(file->data, len, file->data + len) == ERR_OK);
}

/* Compress with ${d} and get the same back. */
static void
fuzz_use(const struct dictionary *d)
{
	static const char document[] = "{\"id\":1,\"name\":\"a document\",\"tags\":[1,2,3]}";
	struct codec_packer *p = codec_packer_create(d);
	struct codec_unpacker *u = codec_unpacker_create();
	struct buf packed = {0}, raw = {0};
	const char *why;

	if (p != NULL && codec_pack(p, document, sizeof(document), &packed, NULL) == ERR_OK) {
		fuzz_require(codec_unpack(u, d, packed.data, packed.len, sizeof(document), &raw,
				 &why) == ERR_OK);
		fuzz_require(
		    raw.len == sizeof(document) && memcmp(raw.data, document, raw.len) == 0);
		fuzz_require(codec_unpack(u, NULL, packed.data, packed.len, sizeof(document), &raw,
				 &why) == ERR_CORRUPT);
	}
	codec_packer_free(p);
	codec_unpacker_free(u);
	buf_finish(&packed);
	buf_finish(&raw);
}

static void
fuzz_bytes(const uint8_t *bytes, size_t len)
{
	struct dictionary *d;

	if (dictionary_create(FUZZ_ID, bytes, len, &d, NULL) != ERR_OK)
		return;
	fuzz_require(dictionary_memory(d) >= len);
	fuzz_use(d);
	dictionary_free(d);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf file = {0}, bytes = {0};
	struct err e = {0};
	uint64_t table_id;
	int rc;

	if (size == 0)
		return 0;
	if (data[0] == 'd') {
		fuzz_bytes(data + 1, size - 1);
		return 0;
	}
	fuzz_setup();
	fuzz_require(buf_append(&file, data + 1, size - 1) == ERR_OK);
	if (data[0] == 'c')
		fuzz_correct(&file);
	fuzz_write(file.data, file.len);
	rc = dictionary_load(fuzz_packsfd, FUZZ_ID, &table_id, &bytes, &e);
	fuzz_require(rc == ERR_OK || rc == ERR_CORRUPT || rc == ERR_VERSION);
	if (rc == ERR_OK)
		fuzz_bytes(bytes.data, bytes.len);
	buf_finish(&file);
	buf_finish(&bytes);
	return 0;
}
