/*
 * Files of runs: the contracts are in runfile.h. Such a file is (thinkback-pack(5)):
 *
 *   header of 48 bytes | the source's text | the record | SHA-256 of all before
 */
#include "snapshot/store/runfile.h"

#include "catalog/base/bytes.h"
#include "snapshot/store/codec.h"
#include "snapshot/store/packfile.h"
#include "snapshot/store/seal.h"

#include <string.h>

#define RUNFILE_HEADER 48u /* bytes of the file's header */

static const struct seal_kind runfile_kind = {"TBRUN\0\r\n", 1};

/* Where the fields of the header are. */
enum {
	FIELD_ID = 16,
	FIELD_DATE = 24,
	FIELD_SOURCE = 32, /* u32: length */
	FIELD_RECORD = 36, /* u32: length; the rest of the header is 0 */
};

void
runfile_finish(struct runfile *r)
{
	buf_finish(&r->source);
	buf_finish(&r->record);
	*r = (struct runfile){0};
}

/* ---- writing ---- */

/* Put header, texts and digest together in ${out}. */
static int
runfile_encode(const struct runfile *r, struct buf *out)
{
	uint8_t header[RUNFILE_HEADER] = {0};

	seal_begin(&runfile_kind, header);
	bytes_put64(header + FIELD_ID, r->id);
	bytes_put64(header + FIELD_DATE, (uint64_t)r->date);
	bytes_put32(header + FIELD_SOURCE, (uint32_t)r->source.len);
	bytes_put32(header + FIELD_RECORD, (uint32_t)r->record.len);
	if (buf_append(out, header, sizeof(header)) != ERR_OK ||
	    buf_append(out, r->source.data, r->source.len) != ERR_OK ||
	    buf_append(out, r->record.data, r->record.len) != ERR_OK)
		return ERR_NOMEM;
	return seal_end(out);
}

int
runfile_save(int packsfd, const struct runfile *r, struct err *e)
{
	struct buf file = {0};
	int rc;

	if (r->source.len > RUNFILE_SOURCE_MAX)
		return err_set(e, ERR_LIMIT, "the name of the source is too long");
	if (r->record.len > RUNFILE_RECORD_MAX)
		return err_set(
		    e, ERR_LIMIT, "the record of the server is over %u bytes", RUNFILE_RECORD_MAX);
	rc = runfile_encode(r, &file);
	if (rc != ERR_OK)
		err_nomem(e);
	else
		rc = packfile_save(
		    packsfd, PACKFILE_RUN, r->id, file.data, file.len, packfile_commit, e);
	buf_finish(&file);
	return rc;
}

/* ---- reading ---- */

/* Judge the bytes of a whole file, of at least header and digest. */
static int
runfile_check(const struct buf *file, uint64_t id, const char **why)
{
	const uint8_t *p = file->data;
	size_t len = file->len - SEAL_END;
	int rc = seal_check(&runfile_kind, p, file->len, why);

	if (rc != ERR_OK)
		return rc;
	*why = "its header does not fit it";
	if (bytes_get64(p + FIELD_ID) != id || bytes_get32(p + FIELD_SOURCE) > RUNFILE_SOURCE_MAX ||
	    (uint64_t)bytes_get32(p + FIELD_SOURCE) + bytes_get32(p + FIELD_RECORD) !=
		len - RUNFILE_HEADER)
		return ERR_CORRUPT;
	return ERR_OK;
}

int
runfile_load(int packsfd, uint64_t id, struct runfile *out, struct err *e)
{
	static const struct packfile_whole whole = {.least = RUNFILE_HEADER + SEAL_END,
	    .most = RUNFILE_HEADER + RUNFILE_SOURCE_MAX + RUNFILE_RECORD_MAX + SEAL_END,
	    .check = runfile_check};
	struct buf file = {0};
	const uint8_t *p;
	int rc;

	runfile_finish(out);
	rc = packfile_load(packsfd, PACKFILE_RUN, id, &whole, &file, e);
	if (rc == ERR_OK) {
		size_t source = bytes_get32(file.data + FIELD_SOURCE);
		p = file.data + RUNFILE_HEADER;
		out->id = id;
		out->date = (int64_t)bytes_get64(file.data + FIELD_DATE);
		if (buf_append(&out->source, p, source) != ERR_OK ||
		    buf_append(&out->record, p + source,
			file.len - RUNFILE_HEADER - DIGEST_FULL - source) != ERR_OK) {
			runfile_finish(out);
			rc = err_nomem(e);
		}
	}
	buf_finish(&file);
	return rc;
}

int
runfile_remove(int packsfd, uint64_t id, struct err *e)
{
	return packfile_remove(packsfd, PACKFILE_RUN, id, e);
}

/* The caller of runfile_list, who wants to see this kind alone. */
struct runfile_listing {
	int (*found)(void *arg, uint64_t id);
	void *arg;
};

static int
runfile_listed(void *arg, enum packfile_kind kind, uint64_t id)
{
	const struct runfile_listing *l = arg;

	return kind == PACKFILE_RUN ? l->found(l->arg, id) : ERR_OK;
}

int
runfile_list(int packsfd, int (*found)(void *arg, uint64_t id), void *arg, struct err *e)
{
	struct runfile_listing l = {found, arg};

	return packfile_list(packsfd, runfile_listed, &l, e);
}
