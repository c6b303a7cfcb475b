/*
 * Reading ledgers: nothing crashes, and what is accepted can be walked through to its end. The
 * first byte of an input says what the rest is: 'c' a ledger whose checksum is made right first,
 * another one a ledger as it is.
 */
#include "catalog/base/digest.h"
#include "snapshot/store/ledgerfile.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 88 /* bytes before the dates */

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
fuzz_correct(uint8_t *ledger, size_t len)
{
	fuzz_require(digest_whole(ledger, len, ledger + len) == ERR_OK);
}

/* Go through a ledger that was accepted, of ${len} bytes without the checksum. */
static void
fuzz_walk(const uint8_t *ledger, size_t len)
{
	struct ledgerfile l = {0};
	char tag[LEDGERFILE_TAG];
	size_t at = 0, dates = 0;
	int64_t id, date;

	for (size_t i = 8; i-- > 0;)
		dates = dates << 8 | ledger[72 + i];
	fuzz_require(buf_append(&l.dates, ledger + HEADER, dates) == ERR_OK &&
		     buf_append(&l.tags, ledger + HEADER + dates, len - HEADER - dates) == ERR_OK);
	while (ledgerfile_date_next(&l, &at, &id, &date))
		fuzz_require(id > 0 && at <= l.dates.len);
	at = 0;
	while (ledgerfile_tag_next(&l, &at, &id, tag))
		fuzz_require(id > 0 && strlen(tag) > 0 && at <= l.tags.len);
	ledgerfile_finish(&l);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *why = NULL;
	uint8_t *copy;
	size_t len;
	int rc;

	if (size == 0)
		return 0;
	len = size - 1;
	/* Exactly as large as the input, so that reading behind it is noticed. */
	copy = malloc(len > 0 ? len : 1);
	fuzz_require(copy != NULL);
	memcpy(copy, data + 1, len);
	if (data[0] == 'c' && len > DIGEST_FULL)
		fuzz_correct(copy, len - DIGEST_FULL);
	rc = ledgerfile_check(copy, len, &why);
	fuzz_require(rc == ERR_OK || rc == ERR_CORRUPT || rc == ERR_VERSION);
	if (rc == ERR_OK)
		fuzz_walk(copy, len - DIGEST_FULL);
	free(copy);
	return 0;
}
