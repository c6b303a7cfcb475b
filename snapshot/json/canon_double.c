/*
 * Doubles and decimal digits, with the 128-bit powers of ten of canon_powers.c.
 *
 * Reading multiplies the digits with the power and looks whether the error that the power's last
 * bit may have could change the rounding; only then, and for the rims of the range, strtod decides.
 * Printing is Raffaello Giulietti's Schubfach ("The Schubfach way to render doubles", 2021): the
 * interval of all numbers that round to the double is scaled by a power of ten so that it holds one
 * or a few integers, and the shortest and nearest of these is taken.
 */
#include "snapshot/json/canon_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOUBLE_BITS 52        /* stored bits of the significand */
#define DOUBLE_BIAS 1075      /* of the exponent when the significand is an integer */
#define DOUBLE_EXPONENTS 2047 /* the exponent field of infinity */
#define DOUBLE_DIGITS 800     /* digits that decide about any double's rounding, and some */

/* ${a} * ${b} to 128 bits. */
static void
canon_multiply(uint64_t a, uint64_t b, uint64_t *high, uint64_t *low)
{
	uint64_t a0 = a & UINT32_MAX, a1 = a >> 32;
	uint64_t b0 = b & UINT32_MAX, b1 = b >> 32;
	uint64_t low0 = a0 * b0;
	uint64_t middle = a1 * b0 + (low0 >> 32);
	uint64_t middle0 = (middle & UINT32_MAX) + a0 * b1;

	*high = a1 * b1 + (middle >> 32) + (middle0 >> 32);
	*low = middle0 << 32 | (low0 & UINT32_MAX);
}

/* floor(log2(10^k)) for the powers of the table. */
static int
canon_log2_power(int k)
{
	return (int)((int64_t)k * 1741647 >> 19);
}

/* The upper 128 bits of ${factor} times the 128-bit power 10^${k}. */
static void
canon_scale(uint64_t factor, int k, uint64_t *high, uint64_t *low)
{
	const uint64_t *power = canon_powers[k - CANON_POWER_MIN];
	uint64_t carry, unused;

	canon_multiply(factor, power[1], &carry, &unused);
	canon_multiply(factor, power[0], high, low);
	*low += carry;
	*high += *low < carry;
}

/*
 * Read the usual case: return false when it is too near to the rim of the range, or to the middle
 * between two doubles, to be sure. The product is at most one unit of ${low} too large.
 */
static bool
canon_double_quick(const struct canon_decimal *d, double *out)
{
	int shift, exponent;
	uint64_t high, low, significand, rest, half;

	if (d->cut || d->exponent < CANON_POWER_MIN || d->exponent > CANON_POWER_MAX)
		return false;
	shift = __builtin_clzll(d->digits);
	canon_scale(d->digits << shift, (int)d->exponent, &high, &low);
	exponent = canon_log2_power((int)d->exponent) + 1 - shift;
	shift = (int)(high >> 63) + 10;
	/* The shift is 10 or 11; it is the exponent that is looked at below. */
	/* cppcheck-suppress shiftTooManyBits */
	rest = high & (((uint64_t)1 << shift) - 1);
	/* cppcheck-suppress shiftTooManyBits */
	half = (uint64_t)1 << (shift - 1);
	if (rest == half && low == 0)
		return false;
	/* cppcheck-suppress shiftTooManyBits */
	significand = (high >> shift) + (rest >= half);
	exponent += shift + DOUBLE_BIAS;
	if (significand >> (DOUBLE_BITS + 1) != 0) {
		significand >>= 1;
		exponent++;
	}
	if (exponent < 1 || exponent >= DOUBLE_EXPONENTS)
		return false;
	significand = (significand & (((uint64_t)1 << DOUBLE_BITS) - 1)) | (uint64_t)exponent
									       << DOUBLE_BITS;
	memcpy(out, &significand, sizeof(*out));
	return true;
}

/*
 * Read any number with strtod, which is exact. It gets digits and an exponent without a decimal
 * point, so that the process's locale has no say.
 */
static double
canon_double_slow(const struct canon_decimal *d, const uint8_t *text, size_t len)
{
	char digits[DOUBLE_DIGITS + 32];
	int64_t exponent = d->exponent;
	size_t n = 0;
	int kept = 0; /* significant digits, as many as d->digits has */

	for (uint64_t v = d->digits; v != 0; v /= 10)
		kept++;
	for (size_t i = 0; i < len && text[i] != 'e' && text[i] != 'E'; i++) {
		if (text[i] < '0' || text[i] > '9' || (n == 0 && text[i] == '0'))
			continue;
		if (n < DOUBLE_DIGITS)
			digits[n++] = (char)text[i];
		else if (text[i] != '0')
			digits[DOUBLE_DIGITS - 1] = '1';
	}
	exponent += kept - (int64_t)n;
	if (exponent > 400)
		return HUGE_VAL;
	if (exponent < -DOUBLE_DIGITS - 400)
		return 0;
	snprintf(digits + n, sizeof(digits) - n, "e%d", (int)exponent);
	return strtod(digits, NULL);
}

bool
canon_double_read(const struct canon_decimal *d, const uint8_t *text, size_t len, double *out)
{
	double number = 0;

	if (d->digits != 0 && !canon_double_quick(d, &number))
		number = canon_double_slow(d, text, len);
	*out = d->negative ? -number : number;
	return isfinite(number);
}

/* ${factor} * 10^${k} rounded to an integer that is odd unless it is exact. */
static uint64_t
canon_round_odd(uint64_t factor, int k)
{
	uint64_t high, low;

	canon_scale(factor, k, &high, &low);
	return high | (low > 1);
}

/* Take the shortest of the decimals between ${lower} and ${upper}, all in quarters of 10^k. */
static void
canon_choose(uint64_t lower, uint64_t value, uint64_t upper, int k, struct canon_decimal *out)
{
	uint64_t floor = value / 4, tens = value / 40, middle = 4 * floor + 2;
	bool below, above;

	*out = (struct canon_decimal){.exponent = k};
	if (floor >= 10) {
		below = lower <= 40 * tens;
		above = 40 * tens + 40 <= upper;
		if (below != above) {
			out->digits = tens + above;
			out->exponent = k + 1;
			return;
		}
	}
	below = lower <= 4 * floor;
	above = 4 * floor + 4 <= upper;
	if (below == above)
		above = value > middle || (value == middle && (floor & 1) != 0);
	out->digits = floor + above;
}

void
canon_double_shortest(double number, struct canon_decimal *out)
{
	const uint64_t hidden = (uint64_t)1 << DOUBLE_BITS;
	uint64_t bits, significand, lower, upper;
	int exponent, k, shift;
	bool closer, odd;

	memcpy(&bits, &number, sizeof(bits));
	significand = bits & (hidden - 1);
	exponent = (int)(bits >> DOUBLE_BITS & DOUBLE_EXPONENTS);
	/* Under a power of two the neighbours are half as far apart as above it. */
	closer = significand == 0 && exponent > 1;
	significand |= exponent > 0 ? hidden : 0;
	exponent = (exponent > 0 ? exponent : 1) - DOUBLE_BIAS;
	odd = (significand & 1) != 0;
	/* floor(log10(2^exponent)), or of 3/4 of that: the width of the interval. */
	/* Compilers for POSIX systems shift with the sign. */
	/* cppcheck-suppress shiftNegativeLHS */
	k = (exponent * 1262611 - (closer ? 524031 : 0)) >> 22;
	shift = exponent + canon_log2_power(-k) + 1;
	lower = canon_round_odd((4 * significand - 2 + closer) << shift, -k);
	upper = canon_round_odd((4 * significand + 2) << shift, -k);
	canon_choose(
	    lower + odd, canon_round_odd((4 * significand) << shift, -k), upper - odd, k, out);
}
