/*
 * Dump archives. An input is the bytes of an archive, or, when it begins with "TAR:", a recipe for
 * one, so that a fuzzer need not find out tar's checksums. A recipe is a row of entries:
 *
 *   type (1 byte), length of the path (1), path, length of the contents (2, little-endian),
 * contents
 *
 * What must hold: items stand where source.h lets them stand, names are valid, reading twice gives
 * the same, what ended a run keeps it ended, and source_tables finds the tables that source_next
 * hands out.
 */
#include "snapshot/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a pass through the source was like. */
struct pass {
	uint64_t hash;   /* of all items */
	uint64_t tables; /* SOURCE_TABLE items, and bad tables before theirs */
	int end;         /* how it ended */
};

static uint64_t
mix(uint64_t hash, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ p[i]) * 1099511628211u;
	return hash;
}

/* Check one item; ${inside} says whether documents are being read. */
static void
check(const struct source_item *item, bool *inside)
{
	REQUIRE(tables_name_valid(item->database, strlen(item->database)));
	REQUIRE(tables_name_valid(item->table, strlen(item->table)));
	REQUIRE(item->file != NULL && item->file[0] != '\0');
	switch (item->event) {
	case SOURCE_INFO:
		REQUIRE(!*inside && item->len <= SOURCE_INFO_MAX);
		break;
	case SOURCE_TABLE:
		REQUIRE(!*inside);
		*inside = true;
		break;
	case SOURCE_DELETION:
		abort();
	case SOURCE_DOCUMENT:
		REQUIRE(*inside && item->len > 0 && item->line > 0 && item->column > 0);
		break;
	case SOURCE_TABLE_END:
		REQUIRE(*inside);
		*inside = false;
		break;
	case SOURCE_TABLE_BAD:
		*inside = false;
		break;
	}
}

static struct pass
read_all(struct source *s)
{
	struct pass p = {.hash = 14695981039346656037u};
	struct source_item item;
	struct err e = {0};
	bool inside = false;

	p.end = source_start(s, 0, &e);
	while (p.end == ERR_OK && (p.end = source_next(s, &item, &e)) == ERR_OK) {
		check(&item, &inside);
		REQUIRE(item.event != SOURCE_TABLE_BAD || (e.code < 0 && e.text[0] != '\0'));
		p.tables += item.event == SOURCE_TABLE;
		p.hash = mix(p.hash, &item.event, sizeof(item.event));
		p.hash = mix(p.hash, item.database, strlen(item.database));
		p.hash = mix(p.hash, item.table, strlen(item.table));
		p.hash = mix(p.hash, item.data, item.len);
	}
	REQUIRE(p.end != ERR_END || !inside);
	if (p.end < 0)
		REQUIRE(e.text[0] != '\0' && source_next(s, &item, &e) == p.end);
	return p;
}

/* Read on after skipping: some tables are skipped at once, some after a document. */
static void
read_some(struct source *s)
{
	struct source_item item;
	unsigned n = 0;
	int rc = source_start(s, 0, NULL);

	while (rc == ERR_OK && (rc = source_next(s, &item, NULL)) == ERR_OK)
		if (n++ % 3 == 1)
			source_skip_table(s);
}

static int
count_table(void *arg, const char *database, const char *table)
{
	REQUIRE(tables_name_valid(database, strlen(database)));
	REQUIRE(tables_name_valid(table, strlen(table)));
	++*(uint64_t *)arg;
	return ERR_OK;
}

static void
put_header(uint8_t h[512], uint8_t type, const uint8_t *path, size_t path_len, size_t len)
{
	unsigned sum = 8 * ' ';

	memset(h, 0, 512);
	memcpy(h, path, path_len < 100 ? path_len : 100);
	memcpy(h + 100, "0000644", 8);
	snprintf((char *)h + 124, 12, "%011zo", len);
	h[156] = type;
	if (type == '1' || type == '2')
		memcpy(h + 157, "target", 6);
	memcpy(h + 257, "ustar\00000", 8);
	for (unsigned i = 0; i < 512; i++)
		sum += h[i];
	snprintf((char *)h + 148, 8, "%06o", sum);
}

/* Write the archive that a recipe stands for. */
static void
cook(int fd, const uint8_t *p, size_t left)
{
	uint8_t block[512];

	while (left >= 4) {
		size_t path_len = p[1], len;
		const uint8_t *path = p + 2;
		if (path_len + 4 > left)
			break;
		len = path[path_len] | (size_t)path[path_len + 1] << 8;
		left -= path_len + 4;
		put_header(block, p[0], path, path_len, len);
		REQUIRE(write(fd, block, 512) == 512);
		p = path + path_len + 2;
		if (len > left)
			return; /* cut off */
		REQUIRE(write(fd, p, len) == (ssize_t)len);
		memset(block, 0, sizeof(block));
		REQUIRE(write(fd, block, (512 - len % 512) % 512) >= 0);
		p += len;
		left -= len;
	}
	memset(block, 0, sizeof(block));
	REQUIRE(write(fd, block, 512) == 512 && write(fd, block, 512) == 512);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);
	struct source *s = NULL;
	struct err e = {0};
	uint64_t tables = 0;
	char path[64];
	int rc;

	REQUIRE(fd >= 0);
	if (size >= 4 && memcmp(data, "TAR:", 4) == 0)
		cook(fd, data + 4, size - 4);
	else
		REQUIRE(write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	rc = source_open(path, &s, &e);
	REQUIRE(rc == ERR_OK || (rc < 0 && e.code == rc && e.text[0] != '\0'));
	if (rc == ERR_OK) {
		struct pass first = read_all(s), second = read_all(s);
		REQUIRE(first.hash == second.hash && first.end == second.end);
		rc = source_tables(s, 0, count_table, &tables, &e);
		REQUIRE(rc == ERR_OK || first.end != ERR_END);
		REQUIRE(rc != ERR_OK || tables >= first.tables);
		read_some(s);
		source_close(s);
	}
	close(fd);
	return 0;
}
