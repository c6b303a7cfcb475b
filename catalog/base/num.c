/* Numbers: the contracts are in num.h. */
#include "catalog/base/num.h"

#include "catalog/base/bytes.h"
#include "catalog/base/err.h"

#include <stdio.h>

int
num_parse(const char *text, uint64_t max, uint64_t *out)
{
	const char *p = text;
	uint64_t v = 0;

	if (*p < '0' || *p > '9')
		return ERR_FORMAT;
	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t tens;
		if (!bytes_mul(v, 10, &tens) || !bytes_add(tens, (uint64_t)(*p - '0'), &v))
			return ERR_LIMIT;
	}
	if (*p != '\0')
		return ERR_FORMAT;
	if (v > max)
		return ERR_LIMIT;
	*out = v;
	return ERR_OK;
}

const char *
num_size_text(uint64_t bytes, char out[NUM_SIZE_TEXT])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double v = (double)bytes;
	size_t u = 0;

	while (v >= 1024 && u + 1 < sizeof(units) / sizeof(units[0])) {
		v /= 1024;
		u++;
	}
	if (u == 0)
		snprintf(out, NUM_SIZE_TEXT, "%llu B", (unsigned long long)bytes);
	else
		snprintf(out, NUM_SIZE_TEXT, "%.1f %s", v, units[u]);
	return out;
}
