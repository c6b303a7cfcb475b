/*
 * The ledger's file: the contracts are in ledgerfile.h. It is (thinkback-pack(5)):
 *
 *   header of 88 bytes | dates, 16 bytes each | tags, 9 bytes and the tag each | SHA-256 of all
 */
#include "snapshot/store/ledgerfile.h"

#include "catalog/base/bytes.h"
#include "snapshot/store/packfile.h"
#include "snapshot/store/seal.h"

#include <string.h>

#define LEDGERFILE_HEADER 88u /* bytes of the file's header */
#define LEDGERFILE_DATE 16u   /* bytes of a date */
#define LEDGERFILE_TAG_AT 9u  /* bytes before a tag */

static const struct seal_kind ledgerfile_kind = {"TBLEDG\r\n", 1};

/* Where the fields of the header are. */
enum {
	FIELD_ID = 16,
	FIELD_LAST = 24,  /* LEDGERFILE_NUMBERS times u64 */
	FIELD_DATES = 72, /* u64: bytes of the dates */
	FIELD_TAGS = 80   /* u64: bytes of the tags */
};

void
ledgerfile_finish(struct ledgerfile *l)
{
	buf_finish(&l->dates);
	buf_finish(&l->tags);
	*l = (struct ledgerfile){0};
}

/* ---- what is in it ---- */

int
ledgerfile_date_add(struct ledgerfile *l, int64_t table_id, int64_t date)
{
	uint8_t raw[LEDGERFILE_DATE];

	bytes_put64(raw, (uint64_t)table_id);
	bytes_put64(raw + 8, (uint64_t)date);
	return buf_append(&l->dates, raw, sizeof(raw));
}

int
ledgerfile_tag_add(struct ledgerfile *l, int64_t snapshot_id, const char *tag)
{
	uint8_t raw[LEDGERFILE_TAG_AT + LEDGERFILE_TAG];
	size_t len = strlen(tag);

	bytes_put64(raw, (uint64_t)snapshot_id);
	raw[8] = (uint8_t)len;
	memcpy(raw + LEDGERFILE_TAG_AT, tag, len);
	return buf_append(&l->tags, raw, LEDGERFILE_TAG_AT + len);
}

bool
ledgerfile_date_next(const struct ledgerfile *l, size_t *at, int64_t *table_id, int64_t *date)
{
	if (*at >= l->dates.len)
		return false;
	*table_id = (int64_t)bytes_get64(l->dates.data + *at);
	*date = (int64_t)bytes_get64(l->dates.data + *at + 8);
	*at += LEDGERFILE_DATE;
	return true;
}

bool
ledgerfile_tag_next(
    const struct ledgerfile *l, size_t *at, int64_t *snapshot_id, char tag[LEDGERFILE_TAG])
{
	const uint8_t *p;

	if (*at >= l->tags.len)
		return false;
	p = l->tags.data + *at;
	*snapshot_id = (int64_t)bytes_get64(p);
	memcpy(tag, p + LEDGERFILE_TAG_AT, p[8]);
	tag[p[8]] = '\0';
	*at += LEDGERFILE_TAG_AT + p[8];
	return true;
}

/* ---- judging ---- */

static bool
ledgerfile_number_fits(uint64_t number, uint64_t least)
{
	return number >= least && number < INT64_MAX;
}

static bool
ledgerfile_last_fits(const uint8_t *p)
{
	for (size_t i = 0; i < LEDGERFILE_NUMBERS; i++) {
		uint64_t last = bytes_get64(p + FIELD_LAST + 8 * i);
		bool file = i == LEDGERFILE_PACKS || i == LEDGERFILE_DICTIONARIES;
		if (!ledgerfile_number_fits(last, 0) || (file && last > PACKFILE_ID_MAX))
			return false;
	}
	return true;
}

static bool
ledgerfile_dates_fit(const uint8_t *p, size_t len)
{
	for (size_t at = 0; at < len; at += LEDGERFILE_DATE)
		if (len - at < LEDGERFILE_DATE || !ledgerfile_number_fits(bytes_get64(p + at), 1))
			return false;
	return true;
}

static bool
ledgerfile_tags_fit(const uint8_t *p, size_t len)
{
	while (len > 0) {
		size_t n;
		if (len <= LEDGERFILE_TAG_AT || !ledgerfile_number_fits(bytes_get64(p), 1))
			return false;
		n = p[8];
		if (n == 0 || n >= LEDGERFILE_TAG || n > len - LEDGERFILE_TAG_AT ||
		    memchr(p + LEDGERFILE_TAG_AT, '\0', n) != NULL)
			return false;
		p += LEDGERFILE_TAG_AT + n;
		len -= LEDGERFILE_TAG_AT + n;
	}
	return true;
}

int
ledgerfile_check(const uint8_t *data, size_t len, const char **why)
{
	uint64_t dates, tags;
	int rc = seal_check(&ledgerfile_kind, data, len, why);

	if (rc != ERR_OK)
		return rc;
	*why = "its header does not fit it";
	if (len < LEDGERFILE_HEADER + SEAL_END)
		return ERR_CORRUPT;
	len -= SEAL_END;
	dates = bytes_get64(data + FIELD_DATES);
	tags = bytes_get64(data + FIELD_TAGS);
	if (bytes_get64(data + FIELD_ID) != LEDGERFILE_ID || !ledgerfile_last_fits(data) ||
	    dates > len || tags > len || LEDGERFILE_HEADER + dates + tags != len)
		return ERR_CORRUPT;
	*why = "its dates or tags make no sense";
	data += LEDGERFILE_HEADER;
	if (!ledgerfile_dates_fit(data, dates) || !ledgerfile_tags_fit(data + dates, tags))
		return ERR_CORRUPT;
	return ERR_OK;
}

/* ---- the file ---- */

/* Put header, dates, tags and digest together in ${out}. */
static int
ledgerfile_encode(const struct ledgerfile *l, struct buf *out)
{
	uint8_t header[LEDGERFILE_HEADER] = {0};

	seal_begin(&ledgerfile_kind, header);
	bytes_put64(header + FIELD_ID, LEDGERFILE_ID);
	for (size_t i = 0; i < LEDGERFILE_NUMBERS; i++)
		bytes_put64(header + FIELD_LAST + 8 * i, (uint64_t)l->last[i]);
	bytes_put64(header + FIELD_DATES, l->dates.len);
	bytes_put64(header + FIELD_TAGS, l->tags.len);
	if (buf_append(out, header, sizeof(header)) != ERR_OK ||
	    buf_append(out, l->dates.data, l->dates.len) != ERR_OK ||
	    buf_append(out, l->tags.data, l->tags.len) != ERR_OK)
		return ERR_NOMEM;
	return seal_end(out);
}

int
ledgerfile_save(int packsfd, const struct ledgerfile *l, struct err *e)
{
	struct buf file = {0};
	int rc = ledgerfile_encode(l, &file);

	if (rc != ERR_OK)
		err_nomem(e);
	else if (file.len > LEDGERFILE_MAX)
		rc = err_set(e, ERR_LIMIT, "the ledger would have over %u bytes", LEDGERFILE_MAX);
	else
		rc = packfile_save(packsfd, PACKFILE_LEDGER, LEDGERFILE_ID, file.data, file.len,
		    packfile_stage, e);
	buf_finish(&file);
	return rc == ERR_OK ? packfile_replace(packsfd, PACKFILE_LEDGER, LEDGERFILE_ID, e) : rc;
}

static int
ledgerfile_check_file(const struct buf *file, uint64_t id, const char **why)
{
	(void)id;
	return ledgerfile_check(file->data, file->len, why);
}

int
ledgerfile_load(int packsfd, struct ledgerfile *out, struct err *e)
{
	static const struct packfile_whole whole = {.least = LEDGERFILE_HEADER + SEAL_END,
	    .most = LEDGERFILE_MAX,
	    .check = ledgerfile_check_file};
	struct buf file = {0};
	int rc;

	ledgerfile_finish(out);
	rc = packfile_load(packsfd, PACKFILE_LEDGER, LEDGERFILE_ID, &whole, &file, e);
	if (rc == ERR_OK) {
		const uint8_t *p = file.data;
		size_t dates = bytes_get64(p + FIELD_DATES), tags = bytes_get64(p + FIELD_TAGS);
		for (size_t i = 0; i < LEDGERFILE_NUMBERS; i++)
			out->last[i] = (int64_t)bytes_get64(p + FIELD_LAST + 8 * i);
		p += LEDGERFILE_HEADER;
		if (buf_append(&out->dates, p, dates) != ERR_OK ||
		    buf_append(&out->tags, p + dates, tags) != ERR_OK) {
			ledgerfile_finish(out);
			rc = err_nomem(e);
		}
	}
	buf_finish(&file);
	return rc;
}
