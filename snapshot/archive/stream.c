/*
 * Decompressing a file as it is read: the contracts are in stream.h. Blocks are large and a
 * multiple of tar's 512 bytes, so that libarchive hands them on without copying.
 */
#include "snapshot/archive/stream.h"

#include "catalog/base/file.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum stream_kind { STREAM_PLAIN, STREAM_GZIP, STREAM_OTHER };

struct stream {
	int fd;                /* not owned */
	enum stream_kind kind; /* what the first bytes say */
	uint64_t off;          /* where the next block of the file is */
	size_t got;            /* bytes in the block of the file */
	bool fresh;            /* that block, read to find out the kind, is still to be used */
	bool end;              /* the file has no more */
	z_stream z;            /* STREAM_GZIP: the decompressor */
	bool z_open;           /* z is to be ended */
	bool between;          /* STREAM_GZIP: behind a whole gzip member */
	bool padded;           /* STREAM_GZIP: zeros follow the last member */
	struct archive *other; /* STREAM_OTHER: the decompressor */
	struct err fault;      /* STREAM_OTHER: why a read failed below libarchive */
	const uint8_t *block;  /* STREAM_OTHER: what is left of the last block it handed on */
	size_t left;           /* bytes of that */
	uint8_t in[STREAM_BLOCK];
};

/* Read the next block of the file; at its end got is 0. */
static int
stream_fill(struct stream *s, struct err *e)
{
	int rc;

	if (s->fresh) {
		s->fresh = false;
		return ERR_OK;
	}
	rc = file_read_some(s->fd, s->in, STREAM_BLOCK, s->off, &s->got, "the archive", e);
	if (rc != ERR_OK)
		return rc;
	s->off += s->got;
	s->end = s->got == 0;
	return ERR_OK;
}

static int
stream_truncated(const struct stream *s, struct err *e)
{
	return err_set(e, ERR_TRUNCATED,
	    "the archive is truncated: it ends at byte %llu, inside compressed data",
	    (unsigned long long)s->off);
}

/* ---- gzip ---- */

static int
gzip_open(struct stream *s, struct err *e)
{
	if (inflateInit2(&s->z, 15 + 16) != Z_OK)
		return err_nomem(e);
	s->z_open = true;
	return ERR_OK;
}

/* Behind a member there is another one, or zeros (tapes) up to the end. */
static int
gzip_between(struct stream *s, struct err *e)
{
	while (s->z.avail_in > 0 && *s->z.next_in == 0) {
		s->z.next_in++;
		s->z.avail_in--;
		s->padded = true;
	}
	if (s->z.avail_in == 0)
		return ERR_OK;
	if (s->padded || *s->z.next_in != 0x1f)
		return err_set(e, ERR_FORMAT,
		    "the archive is damaged: something that is not gzip follows at byte %llu",
		    (unsigned long long)(s->off - s->z.avail_in));
	s->between = false;
	return inflateReset(&s->z) == Z_OK ? ERR_OK : err_nomem(e);
}

static int
gzip_inflate(struct stream *s, struct err *e)
{
	switch (inflate(&s->z, Z_NO_FLUSH)) {
	case Z_STREAM_END:
		s->between = true;
		return ERR_OK;
	case Z_OK:
	case Z_BUF_ERROR:
		return ERR_OK;
	case Z_MEM_ERROR:
		return err_nomem(e);
	default:
		return err_set(e, ERR_FORMAT, "the archive is damaged near byte %llu: gzip says %s",
		    (unsigned long long)(s->off - s->z.avail_in),
		    s->z.msg != NULL ? s->z.msg : "invalid data");
	}
}

static int
gzip_read(struct stream *s, uint8_t *out, size_t *len, struct err *e)
{
	int rc = ERR_OK;

	s->z.next_out = out;
	s->z.avail_out = STREAM_BLOCK;
	while (rc == ERR_OK && s->z.avail_out > 0) {
		if (s->z.avail_in == 0) {
			rc = stream_fill(s, e);
			if (rc == ERR_OK && s->end && s->between)
				break;
			if (rc == ERR_OK && s->end)
				rc = stream_truncated(s, e);
			s->z.next_in = s->in;
			s->z.avail_in = (uInt)s->got;
		}
		if (rc == ERR_OK)
			rc = s->between ? gzip_between(s, e) : gzip_inflate(s, e);
	}
	if (rc != ERR_OK)
		return rc;
	*len = STREAM_BLOCK - s->z.avail_out;
	return *len > 0 ? ERR_OK : ERR_END;
}

/* ---- zstd and xz ---- */

static la_ssize_t
other_input(struct archive *a, void *arg, const void **data)
{
	struct stream *s = arg;

	(void)a;
	if (stream_fill(s, &s->fault) != ERR_OK)
		return -1;
	*data = s->in;
	return (la_ssize_t)s->got;
}

static int
other_fault(struct stream *s, struct err *e)
{
	const char *text = archive_error_string(s->other);

	if (s->fault.code != ERR_OK)
		return err_set(e, s->fault.code, "%s", s->fault.text);
	if (s->end)
		return stream_truncated(s, e);
	return err_set(e, ERR_FORMAT, "the archive is damaged near byte %llu: %s",
	    (unsigned long long)s->off, text != NULL ? text : "it cannot be decompressed");
}

static int
other_open(struct stream *s, struct err *e)
{
	struct archive_entry *entry;

	s->other = archive_read_new();
	if (s->other == NULL)
		return err_nomem(e);
	if (archive_read_support_filter_zstd(s->other) != ARCHIVE_OK ||
	    archive_read_support_filter_xz(s->other) != ARCHIVE_OK ||
	    archive_read_support_format_raw(s->other) != ARCHIVE_OK)
		return err_set(e, ERR_FORMAT, "the archive's compression is not known here: %s",
		    archive_error_string(s->other));
	if (archive_read_open(s->other, s, NULL, other_input, NULL) != ARCHIVE_OK ||
	    archive_read_next_header(s->other, &entry) != ARCHIVE_OK)
		return other_fault(s, e);
	return ERR_OK;
}

/* Have libarchive decompress more, when nothing is left of what it did before. */
static int
other_fill(struct stream *s, struct err *e)
{
	const void *block = NULL;
	la_int64_t off;
	int rc = ARCHIVE_OK;

	while (rc == ARCHIVE_OK && s->left == 0)
		rc = archive_read_data_block(s->other, &block, &s->left, &off);
	if (rc == ARCHIVE_EOF)
		return ERR_END;
	if (rc != ARCHIVE_OK)
		return other_fault(s, e);
	s->block = block != NULL ? block : s->block;
	return ERR_OK;
}

static int
other_read(struct stream *s, uint8_t *out, size_t *len, struct err *e)
{
	int rc = other_fill(s, e);

	if (rc != ERR_OK)
		return rc;
	*len = s->left < STREAM_BLOCK ? s->left : STREAM_BLOCK;
	memcpy(out, s->block, *len);
	s->block += *len;
	s->left -= *len;
	return ERR_OK;
}

/* ---- all kinds ---- */

static enum stream_kind
stream_kind_of(const uint8_t *p, size_t len)
{
	if (len >= 2 && memcmp(p, "\x1f\x8b", 2) == 0)
		return STREAM_GZIP;
	if (len >= 4 && memcmp(p, "\x28\xb5\x2f\xfd", 4) == 0)
		return STREAM_OTHER;
	if (len >= 6 && memcmp(p, "\xfd\x37zXZ", 6) == 0)
		return STREAM_OTHER;
	return STREAM_PLAIN;
}

static int
plain_read(struct stream *s, uint8_t *out, size_t *len, struct err *e)
{
	int rc = stream_fill(s, e);

	if (rc != ERR_OK)
		return rc;
	memcpy(out, s->in, s->got);
	*len = s->got;
	return s->end ? ERR_END : ERR_OK;
}

int
stream_open(int fd, struct stream **out, struct err *e)
{
	struct stream *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return err_nomem(e);
	s->fd = fd;
	rc = stream_fill(s, e);
	if (rc == ERR_OK && s->end)
		rc = err_set(e, ERR_TRUNCATED, "the archive is empty");
	if (rc != ERR_OK)
		goto fail;
	s->fresh = true;
	s->kind = stream_kind_of(s->in, s->got);
	if (s->kind == STREAM_GZIP)
		rc = gzip_open(s, e);
	else if (s->kind == STREAM_OTHER)
		rc = other_open(s, e);
	if (rc != ERR_OK)
		goto fail;
	*out = s;
	return ERR_OK;
fail:
	stream_close(s);
	return rc;
}

void
stream_close(struct stream *s)
{
	if (s == NULL)
		return;
	if (s->z_open)
		inflateEnd(&s->z);
	archive_read_free(s->other);
	free(s);
}

int
stream_read(struct stream *s, uint8_t out[STREAM_BLOCK], size_t *len, struct err *e)
{
	if (s->kind == STREAM_GZIP)
		return gzip_read(s, out, len, e);
	if (s->kind == STREAM_OTHER)
		return other_read(s, out, len, e);
	return plain_read(s, out, len, e);
}

uint64_t
stream_position(const struct stream *s)
{
	return s->off;
}
