/*
 * Reading the files of runs: whatever the file, nothing crashes; one that is accepted is written
 * again as the same bytes. The first byte of an input says what the rest is: 'r' a file as it is,
 * 'c' a file whose checksum is made right first.
 */
#include "catalog/base/digest.h"
#include "snapshot/store/runfile.h"

#define FUZZ_FILE "000000/0000000000000001.run"
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

/* Save what was loaded and load it once more. */
static void
fuzz_again(const struct runfile *r)
{
	struct runfile again = {0};

	fuzz_require(runfile_remove(fuzz_packsfd, FUZZ_ID, NULL) == ERR_OK &&
		     runfile_save(fuzz_packsfd, r, NULL) == ERR_OK &&
		     runfile_load(fuzz_packsfd, FUZZ_ID, &again, NULL) == ERR_OK);
	fuzz_require(again.date == r->date && again.source.len == r->source.len &&
		     again.record.len == r->record.len);
	fuzz_require(
	    r->record.len == 0 || memcmp(again.record.data, r->record.data, r->record.len) == 0);
	runfile_finish(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct runfile r = {0};
	struct buf file = {0};
	struct err e = {0};
	int rc;

	if (size == 0)
		return 0;
	fuzz_setup();
	fuzz_require(buf_append(&file, data + 1, size - 1) == ERR_OK);
	if (data[0] == 'c')
		fuzz_correct(&file);
	fuzz_write(file.data, file.len);
	rc = runfile_load(fuzz_packsfd, FUZZ_ID, &r, &e);
	fuzz_require(rc == ERR_OK || rc == ERR_CORRUPT || rc == ERR_VERSION);
	if (rc == ERR_OK)
		fuzz_again(&r);
	runfile_finish(&r);
	buf_finish(&file);
	return 0;
}
