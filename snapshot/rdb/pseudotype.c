/* Times and binary data as a server stores them: the contracts are in pseudotype.h. */
#include "snapshot/rdb/pseudotype.h"

#include "snapshot/json/canon.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Members are sorted, so both kinds begin with their type. */
static const char pseudotype_binary[] = "{\"$reql_type$\":\"BINARY\",\"data\":\"";
static const char pseudotype_time[] = "{\"$reql_type$\":\"TIME\",\"epoch_time\":";
static const char pseudotype_zone[] = ",\"timezone\":\"";

/* Whether ${text} stands at ${at}, and if so the position behind it. */
static bool
pseudotype_at(const uint8_t *data, size_t len, size_t at, const char *text, size_t *behind)
{
	size_t n = strlen(text);

	if (len - at < n || memcmp(data + at, text, n) != 0)
		return false;
	*behind = at + n;
	return true;
}

/* Append the base64 at ${*at} without blanks (which are escapes) and padding, up to its quote. */
static int
pseudotype_data(const uint8_t *data, size_t len, size_t *at, struct buf *out)
{
	int rc = ERR_OK;

	while (rc == ERR_OK && *at < len && data[*at] != '"') {
		uint8_t c = data[*at];
		*at += c == '\\' && *at + 1 < len ? 2 : 1;
		if (c != '\\' && c != ' ' && c != '=')
			rc = buf_putc(out, c);
	}
	return rc;
}

/* Append the number at ${*at}, rounded to thousandths. */
static int
pseudotype_seconds(const uint8_t *data, size_t len, size_t *at, struct buf *out)
{
	char text[64], *end = NULL;
	size_t n = 0;
	double seconds;

	while (
	    *at + n < len && n < sizeof(text) - 1 && data[*at + n] != ',' && data[*at + n] != '}') {
		text[n] = (char)data[*at + n];
		n++;
	}
	text[n] = '\0';
	seconds = strtod(text, &end);
	if (n == 0 || *end != '\0' || !isfinite(seconds))
		return ERR_OK;
	*at += n;
	canon_number(round(seconds * 1000) / 1000 + 0.0, text);
	return buf_puts(out, text);
}

/* Append the time zone at ${*at}, up to its quote, as +HH:MM. */
static int
pseudotype_offset(const uint8_t *data, size_t len, size_t *at, struct buf *out)
{
	size_t from = *at;
	int rc = ERR_OK, digits = 0;

	while (*at < len && data[*at] != '"')
		(*at)++;
	if (*at - from == 1 && data[from] == 'Z')
		return buf_puts(out, "+00:00");
	for (; from < *at && rc == ERR_OK; from++) {
		if (data[from] == ':')
			continue;
		if (digits == 2 && (rc = buf_putc(out, ':')) != ERR_OK)
			return rc;
		digits += data[from] >= '0' && data[from] <= '9';
		rc = buf_putc(out, data[from]);
	}
	return rc == ERR_OK && digits == 2 ? buf_puts(out, ":00") : rc;
}

/* Copy what stands from ${from} to before ${to}. */
static int
pseudotype_copy(const uint8_t *data, size_t from, size_t to, struct buf *out)
{
	return buf_append(out, data + from, to - from);
}

/* The object that begins at ${*at}: deal with its beginning if it is a pseudotype. */
static int
pseudotype_object(const uint8_t *data, size_t len, size_t *at, struct buf *out)
{
	size_t from = *at, behind;
	int rc;

	if (pseudotype_at(data, len, from, pseudotype_binary, &behind)) {
		*at = behind;
		rc = pseudotype_copy(data, from, behind, out);
		if (rc == ERR_OK)
			rc = pseudotype_data(data, len, at, out);
	} else if (pseudotype_at(data, len, from, pseudotype_time, &behind)) {
		*at = behind;
		rc = pseudotype_copy(data, from, behind, out);
		if (rc == ERR_OK)
			rc = pseudotype_seconds(data, len, at, out);
		from = *at;
		if (rc != ERR_OK || !pseudotype_at(data, len, from, pseudotype_zone, &behind))
			return rc;
		*at = behind;
		rc = pseudotype_copy(data, from, behind, out);
		if (rc == ERR_OK)
			rc = pseudotype_offset(data, len, at, out);
	} else {
		(*at)++;
		return buf_putc(out, '{');
	}
	/* The quote that ends the string. */
	return rc == ERR_OK && *at < len ? buf_putc(out, data[(*at)++]) : rc;
}

int
pseudotype_normal(const void *document, size_t len, struct buf *out)
{
	const uint8_t *data = document;
	bool string = false;
	size_t at = 0, from = 0;
	int rc = ERR_OK;

	while (at < len && rc == ERR_OK) {
		if (data[at] == '{' && !string) {
			rc = pseudotype_copy(data, from, at, out);
			if (rc == ERR_OK)
				rc = pseudotype_object(data, len, &at, out);
			from = at;
		} else if (data[at] == '\\' && string && at + 1 < len) {
			at += 2;
		} else {
			string = (data[at] == '"') != string;
			at++;
		}
	}
	return rc == ERR_OK ? pseudotype_copy(data, from, at, out) : rc;
}
