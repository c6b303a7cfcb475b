/*
 * What the files of the canonicaliser share. canon.c walks a document; canon_string.c,
 * canon_number.c and canon_double.c do its scalars; canon_order.c puts members in order that did
 * not come so.
 */
#ifndef THINKBACK_JSON_CANON_INTERNAL_H
#define THINKBACK_JSON_CANON_INTERNAL_H

#include "snapshot/json/canon.h"

#include <stdbool.h>

#define CANON_POWER_MIN (-292) /* the first power of ten in canon_powers */
#define CANON_POWER_MAX 324    /* the last one */
#define CANON_SLACK 64         /* bytes of room that the output always has beyond the input left */

/* A member of an open object, or of one that has to be reordered. */
struct canon_member {
	size_t in;    /* where its key is in the input */
	uint32_t at;  /* where its key is in the output, from the document's start */
	uint32_t len; /* bytes of key, colon and value; known once the member is complete */
};

/* An object of the output; in the order in which they start there. */
struct canon_object {
	uint32_t at;    /* its opening bracket, from the document's start */
	uint32_t end;   /* behind its closing bracket */
	uint32_t first; /* its members in kept, sorted */
	uint32_t count; /* 0: its members are in order as they are */
};

/* An open object or array. */
struct canon_frame {
	uint32_t object; /* its entry in objects, when it is one */
	uint32_t member; /* its first member in members */
	bool array;      /* an array: the other fields mean nothing */
	bool sorted;     /* each key so far is greater than the one before it */
};

/* Arrays of the structures above in buffers, so that their memory serves the next document. */
struct canon {
	struct buf frames;  /* struct canon_frame: what is open */
	struct buf members; /* struct canon_member: the members of the objects that are open */
	struct buf objects; /* struct canon_object */
	struct buf kept;    /* struct canon_member: the members of objects to be reordered */
	struct buf scratch; /* for sorting and reordering */
};

/* One call of canon_value. */
struct canon_pass {
	struct canon *c;
	const uint8_t *start; /* the input */
	const uint8_t *p;     /* its next byte */
	const uint8_t *end;   /* behind it */
	struct buf *out;      /* has room for what is left of the input and CANON_SLACK */
	size_t base;          /* where the document starts in out */
	const uint8_t *bad;   /* where it went wrong */
	struct err *e;        /* may be NULL */
};

/* A number as it is written: 0.DIGITS does not matter, its value is digits * 10^exponent. */
struct canon_decimal {
	uint64_t digits;  /* the first 19 significant digits at most */
	int64_t exponent; /* of ten */
	bool negative;    /* a minus sign */
	bool integer;     /* neither fraction nor exponent */
	bool cut;         /* there are more digits, not all zero */
};

/* What is wrong with an escape. */
enum canon_escape {
	CANON_ESCAPE_CUT,  /* the input ends in it */
	CANON_ESCAPE_LONE, /* half of a surrogate pair without the other */
	CANON_ESCAPE_BAD   /* no escape of JSON */
};

/* The table of canon_powers.c; entry k - CANON_POWER_MIN is 10^k. */
extern const uint64_t canon_powers[CANON_POWER_MAX - CANON_POWER_MIN + 1][2];

/*
 * canon_fail(pass, at, code, fmt, ...):
 * Remember the place ${at} and set the error. Return ${code}.
 */
int canon_fail(struct canon_pass *pass, const uint8_t *at, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* canon_expected(pass, what): fail at the next byte: expected ${what}, found that byte. */
int canon_expected(struct canon_pass *pass, const char *what);

/* canon_string(pass): write the string whose opening quote is next. Returns as canon_value. */
int canon_string(struct canon_pass *pass);

/* canon_token(pass): write the number that is next. Returns as canon_value. */
int canon_token(struct canon_pass *pass);

/*
 * canon_unescape(p, end, out, used):
 * Decode the escape whose backslash is at ${p} into UTF-8. Return the number of bytes (1 to 4) and
 * set ${used} to the length of the escape; or 0, with ${used} set to an enum canon_escape.
 */
size_t canon_unescape(const uint8_t *p, const uint8_t *end, uint8_t out[4], size_t *used);

/*
 * canon_character(p, end):
 * The length of the UTF-8 character at ${p}, 0 when there is no valid one.
 */
size_t canon_character(const uint8_t *p, const uint8_t *end);

/*
 * canon_name_compare(a, b):
 * Compare two canonical JSON strings, from their opening quotes on, by their decoded bytes.
 */
int canon_name_compare(const uint8_t *a, const uint8_t *b);

/*
 * canon_scan(p, end, out):
 * Read the JSON number at ${p}. Return its length, or 0 when there is none.
 */
size_t canon_scan(const uint8_t *p, const uint8_t *end, struct canon_decimal *out);

/*
 * canon_double_read(d, text, len, out):
 * The double nearest to the number ${d} that canon_scan has read from the ${len} bytes at ${text}.
 * Return false when it is beyond the largest double.
 */
bool canon_double_read(const struct canon_decimal *d, const uint8_t *text, size_t len, double *out);

/*
 * canon_double_shortest(number, out):
 * The fewest digits that read back as the positive finite ${number}, and of these the nearest.
 */
void canon_double_shortest(double number, struct canon_decimal *out);

/* canon_order_start(c): forget the document before. */
void canon_order_start(struct canon *c);

/*
 * canon_order_close(pass, frame):
 * The object of ${frame} has been written whole, and its keys did not come in order: find the
 * order and keep it for canon_order_finish. Return ERR_OK, ERR_FORMAT for a key that occurs twice,
 * or ERR_NOMEM.
 */
int canon_order_close(struct canon_pass *pass, const struct canon_frame *frame);

/*
 * canon_order_duplicate(pass, member):
 * Fail because the key of ${member} occurs twice.
 */
int canon_order_duplicate(struct canon_pass *pass, const struct canon_member *member);

/*
 * canon_order_finish(pass):
 * Write the document again with all members in order. Return ERR_OK or ERR_NOMEM.
 */
int canon_order_finish(struct canon_pass *pass);

#endif
