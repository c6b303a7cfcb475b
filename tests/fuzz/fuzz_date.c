/* Dates as users, trees and archives write them: each that is taken has one name, which is its. */
#include "catalog/base/date.h"
#include "catalog/base/err.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(int truth)
{
	if (!truth)
		abort();
}

/* A date that was read can be named, unless it is out of the years that have names. */
static void
named(int64_t date)
{
	char name[DATE_NAME];
	int64_t again;
	int rc = date_name(date, name);

	check(rc == ERR_OK || (rc == ERR_LIMIT && name[0] == '\0'));
	if (rc == ERR_OK)
		check(date_from_name(name, strlen(name), &again) == ERR_OK && again == date);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[128], name[DATE_NAME];
	int64_t date;

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (date_parse(text, &date) == ERR_OK)
		named(date);
	/* These two do not need a NUL behind the text. */
	if (date_from_local((const char *)data, size, &date) == ERR_OK)
		named(date);
	if (date_from_name((const char *)data, size, &date) == ERR_OK) {
		check(date_name(date, name) == ERR_OK);
		check(strlen(name) == size && memcmp(name, data, size) == 0);
	}
	return 0;
}
