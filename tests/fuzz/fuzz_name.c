/*
 * File names: any bytes as a name give a key with exactly that name or none at all, and any bytes
 * that are a key have a name that leads back to it.
 */
#include "fs/name.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(int truth)
{
	if (!truth)
		abort();
}

static void
from_name(const uint8_t *data, size_t size)
{
	char name[400], again[NAME_ROOM];
	struct key k = {0};
	bool cut;

	if (size >= sizeof(name))
		return;
	memcpy(name, data, size);
	name[size] = '\0';
	name_is_scratch(name);
	if (name_to_key(name, &k, &cut) != ERR_OK || cut)
		return;
	check(key_valid(&k));
	check(name_of_key(&k, again) == ERR_OK);
	check(strcmp(name, again) == 0);
}

static void
from_key(const uint8_t *data, size_t size)
{
	struct key k = {0}, back = {0};
	char name[NAME_ROOM];
	bool cut;

	if (size > KEY_MAX)
		return;
	memcpy(k.bytes, data, size);
	k.len = (uint8_t)size;
	if (name_of_key(&k, name) != ERR_OK) {
		/* strings in arrays may be no UTF-8: no document has such a key */
		check(!key_valid(&k) || k.bytes[0] == 'A');
		return;
	}
	check(strlen(name) <= NAME_MAX_BYTES && strchr(name, '/') == NULL && name[0] != '.');
	check(!name_is_scratch(name));
	check(name_to_key(name, &back, &cut) == ERR_OK);
	if (cut)
		check(back.len > 0 && back.len <= k.len &&
		      memcmp(back.bytes, k.bytes, back.len) == 0);
	else
		check(key_compare(&back, &k) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	from_name(data, size);
	from_key(data, size);
	return 0;
}
