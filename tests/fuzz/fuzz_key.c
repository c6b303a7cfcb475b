/* Store keys: decoding any bytes ends, and what is valid is exactly what encoding its items gives.
 */
#include "catalog/base/err.h"
#include "catalog/key.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(int truth)
{
	if (!truth)
		abort();
}

static int
put(struct key *k, int *depth, const struct key_item *item)
{
	switch (item->type) {
	case KEY_STRING:
		return key_put_string(k, *depth, item->bytes, item->len);
	case KEY_NUMBER:
		return key_put_number(k, *depth, item->number);
	case KEY_BOOL:
		return key_put_bool(k, *depth, item->truth);
	case KEY_BINARY:
		return key_put_binary(k, *depth, item->bytes, item->len);
	case KEY_TIME:
		return key_put_time(k, *depth, item->number);
	case KEY_ARRAY_BEGIN:
		return key_array_begin(k, depth);
	case KEY_ARRAY_END:
		return key_array_end(k, depth);
	}
	return ERR_BUG;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct key k = {0}, again = {0};
	struct key_walk walk = {0};
	struct key_item item;
	int depth = 0, steps = 0, rc;

	if (size > KEY_MAX)
		return 0;
	memcpy(k.bytes, data, size);
	k.len = (uint8_t)size;
	while ((rc = key_next(&k, &walk, &item)) == ERR_OK) {
		check(walk.pos <= k.len && ++steps <= 2 * KEY_MAX);
		check(put(&again, &depth, &item) == ERR_OK);
	}
	check(rc == ERR_END || rc == ERR_CORRUPT);
	check(key_valid(&k) == (rc == ERR_END && steps > 0));
	if (rc == ERR_END)
		check(depth == 0 && key_compare(&k, &again) == 0);
	return 0;
}
