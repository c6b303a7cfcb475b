/*
 * Dictionaries: the contracts are in dictionary.h. A dictionary's file is (thinkback-pack(5)):
 *
 *   header of 48 bytes | the dictionary's bytes | SHA-256 of all before
 */
#include "snapshot/store/dictionary.h"

#include "catalog/base/bytes.h"
#include "snapshot/store/codec.h"
#include "snapshot/store/dictionary_internal.h"
#include "snapshot/store/packfile.h"
#include "snapshot/store/seal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define ZDICT_STATIC_LINKING_ONLY /* for ZDICT_trainFromBuffer_fastCover */
#include <zdict.h>
#include <zstd_errors.h>

#define DICTIONARY_HEADER 48u        /* bytes of the file's header */
#define DICTIONARY_FILE_MAX 1048576u /* bytes of a dictionary in a file */
#define DICTIONARY_SAMPLES 100u      /* fewer documents teach nothing */
#define DICTIONARY_LEARN_MIN 262144u /* nor do fewer bytes */
#define DICTIONARY_SHARE 50u         /* of the samples' bytes, one in so many */

static const struct seal_kind dictionary_kind = {"TBDICT\r\n", 1};

/*
 * How samples are searched (zdict.h): segments of k bytes, counted by the d bytes at each place, in
 * a table of 2^f. Left to itself, ZDICT_trainFromBuffer tries several k of fixed ones, from 50 to
 * 2000, at four times the cost of one, on three quarters of the samples. Small documents compress
 * best with segments near 256 bytes, larger and more various ones with 512 and more.
 */
#define DICTIONARY_SEGMENT 448u
#define DICTIONARY_MATCH 8u
#define DICTIONARY_TABLE_LOG 20u

_Static_assert(DICTIONARY_MAX <= DICTIONARY_FILE_MAX, "what is trained can be stored");

/* Where the fields of the header are. */
enum {
	FIELD_VERSION = 8,
	FIELD_FLAGS = 12,
	FIELD_ID = 16,
	FIELD_TABLE = 24,
	FIELD_LEN = 32, /* u32; the rest of the header is 0 */
};

struct dictionary {
	uint64_t id;       /* in the repository */
	uint32_t zstd_id;  /* in zstd's frames */
	struct buf bytes;  /* raw */
	ZSTD_DDict *ddict; /* owned */
};

/* ---- training ---- */

/* The bytes of all samples, and the size of a dictionary for so many; 0 when they are too few. */
static size_t
train_size(const size_t *sizes, size_t n)
{
	uint64_t total = 0;
	uint64_t size;

	for (size_t i = 0; i < n; i++)
		if (!bytes_add(total, sizes[i], &total))
			return 0;
	if (n < DICTIONARY_SAMPLES || n > UINT_MAX || total < DICTIONARY_LEARN_MIN)
		return 0;
	size = total / DICTIONARY_SHARE;
	return size < DICTIONARY_MAX ? (size_t)size : DICTIONARY_MAX;
}

int
dictionary_train(const void *samples, const size_t *sizes, size_t n, struct buf *out, struct err *e)
{
	const ZDICT_fastCover_params_t how = {
	    .k = DICTIONARY_SEGMENT, .d = DICTIONARY_MATCH, .f = DICTIONARY_TABLE_LOG, .accel = 1};
	size_t size = train_size(sizes, n);
	size_t got;

	if (size == 0)
		return ERR_ABSENT;
	if (buf_reserve(out, size) != ERR_OK)
		return err_nomem(e);
	got = ZDICT_trainFromBuffer_fastCover(
	    out->data + out->len, size, samples, sizes, (unsigned)n, how);
	/* Samples that have nothing in common are no failure: there is nothing to learn. */
	if (ZDICT_isError(got) || ZDICT_getDictID(out->data + out->len, got) == 0)
		return ERR_ABSENT;
	out->len += got;
	return ERR_OK;
}

/* ---- use ---- */

/*
 * Whether zstd can load these bytes as a dictionary with tables and a number of its own. Return
 * ERR_OK, ERR_CORRUPT or ERR_NOMEM.
 */
static int
dictionary_check(const void *bytes, size_t len)
{
	size_t head;

	if (len > DICTIONARY_FILE_MAX || ZDICT_getDictID(bytes, len) == 0)
		return ERR_CORRUPT;
	head = ZDICT_getDictHeaderSize(bytes, len);
	if (!ZDICT_isError(head))
		return ERR_OK;
	return ZSTD_getErrorCode(head) == ZSTD_error_memory_allocation ? ERR_NOMEM : ERR_CORRUPT;
}

int
dictionary_create(
    uint64_t id, const void *bytes, size_t len, struct dictionary **out, struct err *e)
{
	struct dictionary *d;
	int rc = dictionary_check(bytes, len);

	if (rc == ERR_CORRUPT)
		return packfile_damaged(PACKFILE_DICTIONARY, id, e, "it is no zstd dictionary");
	if (rc != ERR_OK)
		return err_nomem(e);
	d = calloc(1, sizeof(*d));
	if (d == NULL || buf_append(&d->bytes, bytes, len) != ERR_OK) {
		dictionary_free(d);
		return err_nomem(e);
	}
	d->id = id;
	d->zstd_id = ZDICT_getDictID(bytes, len);
	d->ddict = ZSTD_createDDict(bytes, len);
	if (d->ddict == NULL) {
		dictionary_free(d);
		return err_nomem(e);
	}
	*out = d;
	return ERR_OK;
}

void
dictionary_free(struct dictionary *d)
{
	if (d == NULL)
		return;
	ZSTD_freeDDict(d->ddict);
	buf_finish(&d->bytes);
	free(d);
}

uint64_t
dictionary_id(const struct dictionary *d)
{
	return d != NULL ? d->id : 0;
}

size_t
dictionary_memory(const struct dictionary *d)
{
	return sizeof(*d) + d->bytes.cap + ZSTD_sizeof_DDict(d->ddict);
}

const struct buf *
dictionary_bytes(const struct dictionary *d)
{
	return &d->bytes;
}

const ZSTD_DDict *
dictionary_ddict(const struct dictionary *d)
{
	return d->ddict;
}

uint32_t
dictionary_zstd_id(const struct dictionary *d)
{
	return d != NULL ? d->zstd_id : 0;
}

/* ---- files ---- */

/* Put header, bytes and digest together in ${out}. */
static int
file_encode(uint64_t id, uint64_t table_id, const void *bytes, size_t len, struct buf *out)
{
	uint8_t header[DICTIONARY_HEADER] = {0};

	seal_begin(&dictionary_kind, header);
	bytes_put64(header + FIELD_ID, id);
	bytes_put64(header + FIELD_TABLE, table_id);
	bytes_put32(header + FIELD_LEN, (uint32_t)len);
	if (buf_append(out, header, sizeof(header)) != ERR_OK ||
	    buf_append(out, bytes, len) != ERR_OK)
		return ERR_NOMEM;
	return seal_end(out);
}

/* Write the dictionary's file and hand it to ${place}. */
static int
file_write_dictionary(int packsfd, uint64_t id, uint64_t table_id, const void *bytes, size_t len,
    int (*place)(struct packfile_writer *w, struct err *e), struct err *e)
{
	struct buf file = {0};
	int rc = dictionary_check(bytes, len);

	if (rc == ERR_CORRUPT)
		return err_set(e, ERR_ARG, "these bytes are no zstd dictionary");
	if (rc != ERR_OK)
		return err_nomem(e);
	rc = file_encode(id, table_id, bytes, len, &file);
	if (rc != ERR_OK)
		err_nomem(e);
	else
		rc = packfile_save(packsfd, PACKFILE_DICTIONARY, id, file.data, file.len, place, e);
	buf_finish(&file);
	return rc;
}

int
dictionary_save(
    int packsfd, uint64_t id, uint64_t table_id, const void *bytes, size_t len, struct err *e)
{
	return file_write_dictionary(packsfd, id, table_id, bytes, len, packfile_commit, e);
}

int
dictionary_replace(
    int packsfd, uint64_t id, uint64_t table_id, const void *bytes, size_t len, struct err *e)
{
	int rc = file_write_dictionary(packsfd, id, table_id, bytes, len, packfile_stage, e);

	return rc == ERR_OK ? packfile_replace(packsfd, PACKFILE_DICTIONARY, id, e) : rc;
}

/* Judge the bytes of a whole file, of at least header and digest. */
static int
file_check(const struct buf *file, uint64_t id, const char **why)
{
	const uint8_t *p = file->data;
	int rc = seal_check(&dictionary_kind, p, file->len, why);

	if (rc != ERR_OK)
		return rc;
	*why = "its header does not fit it";
	if (bytes_get64(p + FIELD_ID) != id || bytes_get64(p + FIELD_TABLE) > INT64_MAX ||
	    bytes_get32(p + FIELD_LEN) != file->len - DICTIONARY_HEADER - SEAL_END)
		return ERR_CORRUPT;
	return ERR_OK;
}

int
dictionary_load(int packsfd, uint64_t id, uint64_t *table_id, struct buf *out, struct err *e)
{
	static const struct packfile_whole whole = {.least = DICTIONARY_HEADER + SEAL_END,
	    .most = DICTIONARY_HEADER + DICTIONARY_FILE_MAX + SEAL_END,
	    .check = file_check};
	struct buf file = {0};
	int rc = packfile_load(packsfd, PACKFILE_DICTIONARY, id, &whole, &file, e);

	if (rc == ERR_OK && buf_append(out, file.data + DICTIONARY_HEADER,
				file.len - DICTIONARY_HEADER - SEAL_END) != ERR_OK)
		rc = err_nomem(e);
	if (rc == ERR_OK && table_id != NULL)
		*table_id = bytes_get64(file.data + FIELD_TABLE);
	buf_finish(&file);
	return rc;
}

int
dictionary_remove(int packsfd, uint64_t id, struct err *e)
{
	return packfile_remove(packsfd, PACKFILE_DICTIONARY, id, e);
}
