/* Numbers: from JSON text to the server's form of it, mostly without making a double. */
#include "snapshot/json/canon_internal.h"

#include <math.h>
#include <string.h>

#define NUMBER_DIGITS 19   /* significant digits that a uint64_t always holds */
#define NUMBER_VERBATIM 15 /* significant digits that every double keeps */
#define NUMBER_SAFE_DIGITS                                                                         \
	UINT64_C(1000000000000000)           /* decimals under this stay different as doubles */
#define NUMBER_SAFE_EXPONENT 280             /* and with exponents up to this, none is subnormal */
#define NUMBER_FIXED_MAX 21                  /* up to 10^21 RapidJSON writes no exponent */
#define NUMBER_FIXED_MIN (-6)                /* nor down to 10^-6 */
#define NUMBER_PLAIN_MAX ((uint64_t)1 << 53) /* integers up to this are written plain */
#define NUMBER_EXPONENT_MAX 1000000000       /* exponents are read up to this */

static bool
canon_is_digit(const uint8_t *p, const uint8_t *end)
{
	return p < end && *p >= '0' && *p <= '9';
}

/* Read digits into ${d}. ${fraction}: each one read lowers the exponent. */
static const uint8_t *
canon_scan_digits(
    const uint8_t *p, const uint8_t *end, int *count, bool fraction, struct canon_decimal *d)
{
	for (; canon_is_digit(p, end); p++) {
		if (*count < NUMBER_DIGITS) {
			d->digits = d->digits * 10 + (uint64_t)(*p - '0');
			*count += d->digits != 0;
			d->exponent -= fraction;
		} else {
			d->cut |= *p != '0';
			d->exponent += !fraction;
		}
	}
	return p;
}

/* Read the exponent behind 'e'. Return NULL when there is none. */
static const uint8_t *
canon_scan_exponent(const uint8_t *p, const uint8_t *end, struct canon_decimal *d)
{
	bool negative = p < end && *p == '-';
	int64_t exponent = 0;

	if (p < end && (*p == '-' || *p == '+'))
		p++;
	if (!canon_is_digit(p, end))
		return NULL;
	for (; canon_is_digit(p, end); p++)
		if (exponent < NUMBER_EXPONENT_MAX)
			exponent = exponent * 10 + (*p - '0');
	d->exponent += negative ? -exponent : exponent;
	return p;
}

size_t
canon_scan(const uint8_t *p, const uint8_t *end, struct canon_decimal *out)
{
	const uint8_t *start = p;
	int count = 0;

	*out = (struct canon_decimal){.integer = true};
	if (p < end && *p == '-') {
		out->negative = true;
		p++;
	}
	if (!canon_is_digit(p, end))
		return 0;
	if (*p == '0')
		p++;
	else
		p = canon_scan_digits(p, end, &count, false, out);
	if (p < end && *p == '.') {
		out->integer = false;
		if (!canon_is_digit(++p, end))
			return 0;
		p = canon_scan_digits(p, end, &count, true, out);
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		out->integer = false;
		p = canon_scan_exponent(p + 1, end, out);
	}
	return p != NULL ? (size_t)(p - start) : 0;
}

/* Take the zeros off the end of the digits. */
static void
canon_strip(struct canon_decimal *d)
{
	while (d->digits != 0 && d->digits % 10 == 0) {
		d->digits /= 10;
		d->exponent++;
	}
}

/* Write the digits of ${v}. Return how many. */
static size_t
canon_put_digits(uint64_t v, char *out)
{
	char text[NUMBER_DIGITS + 1];
	size_t at = sizeof(text);

	do {
		text[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	memcpy(out, text + at, sizeof(text) - at);
	return sizeof(text) - at;
}

/* Write the exponent of the form with one. */
static size_t
canon_put_exponent(int exponent, char *out)
{
	size_t n = 0;

	out[n++] = 'e';
	if (exponent < 0)
		out[n++] = '-';
	return n + canon_put_digits((uint64_t)(exponent < 0 ? -exponent : exponent), out + n);
}

/* Write ${n} digits at ${out} that stand for digits * 10^k as RapidJSON's Prettify does. */
static size_t
canon_prettify(char *out, size_t n, int k)
{
	int point = (int)n + k; /* digits before the decimal point */
	size_t zeros;

	if (k >= 0 && point <= NUMBER_FIXED_MAX) {
		memset(out + n, '0', (size_t)k);
		memcpy(out + n + k, ".0", 2);
		return n + (size_t)k + 2;
	}
	if (point > 0 && point <= NUMBER_FIXED_MAX) {
		memmove(out + point + 1, out + point, n - (size_t)point);
		out[point] = '.';
		return n + 1;
	}
	if (point > NUMBER_FIXED_MIN && point <= 0) {
		zeros = (size_t)-point;
		memmove(out + 2 + zeros, out, n);
		memcpy(out, "0.", 2);
		memset(out + 2, '0', zeros);
		return n + 2 + zeros;
	}
	if (n > 1) {
		memmove(out + 2, out + 1, n - 1);
		out[1] = '.';
		n++;
	}
	return n + canon_put_exponent(point - 1, out + n);
}

/* Write a number that is not 0, digits without zeros at the end, at most 17 of them. */
static size_t
canon_layout(const struct canon_decimal *d, char *out)
{
	size_t sign = d->negative ? 1 : 0;
	size_t n;
	int k = (int)d->exponent;

	out[0] = '-';
	n = canon_put_digits(d->digits, out + sign);
	if (k >= 0 && (int)n + k <= 16) {
		uint64_t v = d->digits;
		for (int i = 0; i < k; i++)
			v *= 10;
		if (v <= NUMBER_PLAIN_MAX)
			return sign + canon_put_digits(v, out + sign);
	}
	return sign + canon_prettify(out + sign, n, k);
}

/* Write 0, or -0.0. */
static size_t
canon_zero(bool negative, char *out)
{
	memcpy(out, negative ? "-0.0" : "0", negative ? 4 : 1);
	return negative ? 4 : 1;
}

size_t
canon_number(double number, char out[CANON_NUMBER_MAX])
{
	struct canon_decimal d;
	size_t n;

	if (number == 0) {
		n = canon_zero(signbit(number) != 0, out);
	} else {
		canon_double_shortest(fabs(number), &d);
		canon_strip(&d);
		d.negative = number < 0;
		n = canon_layout(&d, out);
	}
	out[n] = '\0';
	return n;
}

/* Whether the digits are few enough that they are the shortest ones of their double for sure. */
static bool
canon_is_short(const struct canon_decimal *d)
{
	return !d->cut && d->digits < NUMBER_SAFE_DIGITS && d->exponent > -NUMBER_SAFE_EXPONENT &&
	       d->exponent < NUMBER_SAFE_EXPONENT;
}

/*
 * The length of a number at ${p} that is canonical as it is: at most 15 digits, the first not 0,
 * the last behind a point neither. Or 0 when it may be another: that costs nothing but time.
 */
static size_t
canon_verbatim(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *start = p, *first, *point = NULL;

	p += *p == '-';
	first = p;
	if (p == end || *p < '1' || *p > '9')
		return 0;
	while (canon_is_digit(p, end))
		p++;
	if (p < end && *p == '.') {
		point = p++;
		while (canon_is_digit(p, end))
			p++;
		if (p[-1] == '0' || p[-1] == '.')
			return 0;
	}
	if (p - first - (point != NULL) > NUMBER_VERBATIM || (p < end && (*p | 0x20) == 'e'))
		return 0;
	return (size_t)(p - start);
}

int
canon_token(struct canon_pass *pass)
{
	const uint8_t *text = pass->p;
	char *out = (char *)pass->out->data + pass->out->len;
	struct canon_decimal d;
	size_t len = canon_verbatim(text, pass->end), room;
	double number;

	if (len > 0) {
		memcpy(out, text, len);
		pass->out->len += len;
		pass->p += len;
		return ERR_OK;
	}
	len = canon_scan(text, pass->end, &d);
	if (len == 0)
		return canon_fail(pass, text, ERR_FORMAT, "a malformed number");
	pass->p += len;
	canon_strip(&d);
	if (d.digits == 0) {
		pass->out->len += canon_zero(d.negative && !d.integer, out);
	} else if (canon_is_short(&d)) {
		pass->out->len += canon_layout(&d, out);
	} else {
		if (!canon_double_read(&d, text, len, &number))
			return canon_fail(pass, text, ERR_FORMAT,
			    "a number that is beyond the largest double, 1.8e308");
		pass->out->len += canon_number(number, out);
	}
	room = (size_t)(pass->end - pass->p) + CANON_SLACK;
	if (pass->out->cap - pass->out->len < room && buf_reserve(pass->out, room) != ERR_OK)
		return err_nomem(pass->e);
	return ERR_OK;
}
