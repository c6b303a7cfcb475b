/*
 * Reading markers of forgotten snapshots: nothing crashes, and what is accepted makes sense. The
 * first byte of an input says what the rest is: 'c' a marker whose checksum is made right first,
 * another one a marker as it is.
 */
#include "catalog/base/digest.h"
#include "snapshot/store/marker.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Check what must hold. */
static void
fuzz_require(bool condition)
{
	if (!condition)
		abort();
}

/* Make the checksum at the end right. */
static void
fuzz_correct(uint8_t marker[MARKER_LEN])
{
	size_t len = MARKER_LEN - DIGEST_FULL;

	fuzz_require(digest_whole(marker, len, marker + len) == ERR_OK);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct marker m = {.snapshot_id = 1};
	const char *why = NULL;
	uint8_t *copy;
	int rc;

	if (size == 0)
		return 0;
	/* Exactly as large as the input, so that reading behind it is noticed. */
	copy = malloc(size > 1 ? size - 1 : 1);
	fuzz_require(copy != NULL);
	memcpy(copy, data + 1, size - 1);
	if (data[0] == 'c' && size - 1 == MARKER_LEN)
		fuzz_correct(copy);
	rc = marker_decode(copy, size - 1, &m, &why);
	fuzz_require(rc == ERR_OK || rc == ERR_CORRUPT || rc == ERR_VERSION);
	if (rc == ERR_OK)
		fuzz_require(size - 1 == MARKER_LEN && m.snapshot_id > 0 && m.table_id > 0 &&
			     m.table_id <= INT64_MAX);
	free(copy);
	return 0;
}
