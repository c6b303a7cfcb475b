/*
 * Writes the corpus of fuzz_pack and fuzz_dictionary: seed_packs CORPUS, with the directories pack
 * and dictionary in CORPUS. To be linked like a fuzz target without its replay.c; needed again when
 * the format changes.
 */
#include "snapshot/store/dictionary.h"
#include "tests/support/forge.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Two documents and a deletion, as index lines and as a frame. */
static const uint8_t seed_frame[] = {
    0, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, '{', '}', '[', '1', ']'};
/* The frame without its first document. */
static const uint8_t seed_gap[] = {0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, '[', '1', ']'};
static const uint8_t seed_block[] = {1, 0, 2, 'S', 'a', 0, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
    12, 13, 14, 15, 2, 1, 1, 'b', 1, 1, 1, 'c', 0, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
    14, 15};

static const char *seed_corpus; /* where files go */

static void
seed_require(bool condition)
{
	if (!condition) {
		perror("seed_packs");
		exit(1);
	}
}

/* Write a file of the corpus: ${kind} and the bytes. */
static void
seed_write(const char *name, char kind, const void *data, size_t len)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", seed_corpus, name);
	f = fopen(path, "wb");
	seed_require(f != NULL && fputc(kind, f) == kind && fwrite(data, 1, len, f) == len &&
		     fclose(f) == 0);
}

/* Read packs/000000/0000000000000001.${suffix} of the temporary directory and take it away. */
static void
seed_take(int packsfd, const char *suffix, struct buf *out)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "000000/0000000000000001.%s", suffix);
	fd = openat(packsfd, path, O_RDONLY);
	buf_clear(out);
	seed_require(fd >= 0 && buf_reserve(out, 1 << 20) == ERR_OK);
	n = read(fd, out->data, 1 << 20);
	seed_require(n > 0);
	out->len = (size_t)n;
	close(fd);
	unlinkat(packsfd, path, 0);
}

/* A pack of ${lines} lines, one in ${deleted} a deletion, with ${skip} ordinals left out. */
static void
seed_pack(int packsfd, unsigned lines, unsigned deleted, unsigned skip, struct buf *out)
{
	struct pack_meta meta = {.pack_id = 1, .snapshot_id = 2, .table_id = 3, .shards = 1};
	struct digest *digest = digest_create();
	struct pack_writer *w;
	struct pack_totals totals;
	uint8_t sum[DIGEST_LEN];
	uint32_t ordinal;

	seed_require(buf_puts(&meta.database, "shop") == ERR_OK &&
		     buf_puts(&meta.config, "{}") == ERR_OK &&
		     pack_writer_create(packsfd, &meta, NULL, &w, NULL) == ERR_OK);
	for (unsigned i = 0; i < lines; i++) {
		char text[64];
		struct key key = {0};
		size_t len = (size_t)snprintf(text, sizeof(text), "{\"id\":%u}", i);
		key.len = (uint8_t)snprintf((char *)key.bytes, KEY_MAX, "S%04u", i);
		seed_require(digest_document(digest, text, len, sum) == ERR_OK);
		if (i % deleted == deleted - 1)
			seed_require(pack_writer_delete(w, &key, NULL) == ERR_OK);
		else
			seed_require(
			    pack_writer_skip(w, skip, NULL) == ERR_OK &&
			    pack_writer_put(w, &key, text, len, sum, &ordinal, NULL) == ERR_OK);
	}
	seed_require(pack_writer_commit(w, &totals, NULL) == ERR_OK);
	pack_meta_finish(&meta);
	digest_free(digest);
	seed_take(packsfd, "pack", out);
}

/* Written packs, whole and hurt. */
static void
seed_files(int packsfd)
{
	struct buf file = {0};

	seed_pack(packsfd, 0, 1, 0, &file);
	seed_write("pack/empty", 'r', file.data, file.len);
	seed_write("pack/empty-corrected", 'c', file.data, file.len);
	seed_pack(packsfd, 8, 100, 0, &file);
	seed_write("pack/documents", 'r', file.data, file.len);
	seed_write("pack/documents-cut-off", 'r', file.data, file.len - 1);
	seed_write("pack/documents-header-only", 'r', file.data, 200);
	file.data[8] = 2;
	seed_write("pack/newer-version", 'r', file.data, file.len);
	file.data[8] = 1;
	bytes_put32(file.data + 88, UINT32_MAX);
	seed_write("pack/huge-config", 'c', file.data, file.len);
	seed_pack(packsfd, 8, 100, 0, &file);
	bytes_put64(file.data + file.len - PACK_FORMAT_FOOTER + 40, UINT64_MAX / 16);
	seed_write("pack/huge-frame-table", 'c', file.data, file.len);
	seed_pack(packsfd, 20, 1, 0, &file);
	seed_write("pack/deletions", 'c', file.data, file.len);
	seed_pack(packsfd, 40, 3, 0, &file);
	seed_write("pack/documents-and-deletions", 'c', file.data, file.len);
	seed_pack(packsfd, 12, 100, 3, &file);
	seed_write("pack/short-gaps", 'c', file.data, file.len);
	seed_pack(packsfd, 4, 100, 100000, &file);
	seed_write("pack/long-gaps", 'c', file.data, file.len);
	buf_finish(&file);
}

/* Append a piece of a recipe. */
static void
seed_piece(struct buf *out, bool block, uint16_t lines, const uint8_t *raw, size_t len)
{
	uint8_t head[7] = {block};

	bytes_put16(head + 3, lines);
	bytes_put16(head + 5, (uint16_t)len);
	seed_require(
	    buf_append(out, head, sizeof(head)) == ERR_OK && buf_append(out, raw, len) == ERR_OK);
}

/* A recipe with the byte ${at} of frame (or block) set to ${byte}. */
static void
seed_recipe(const char *name, bool block, size_t at, uint8_t byte)
{
	uint8_t totals[12] = {2, 0, 1, 0, 5, 0, 0, 0, 2};
	uint8_t frame[sizeof(seed_frame)], lines[sizeof(seed_block)];
	struct buf out = {0};

	memcpy(frame, seed_frame, sizeof(frame));
	memcpy(lines, seed_block, sizeof(lines));
	*(block ? lines + at : frame + at) = byte;
	seed_require(buf_append(&out, totals, sizeof(totals)) == ERR_OK);
	seed_piece(&out, false, 0, frame, sizeof(frame));
	seed_piece(&out, true, 3, lines, sizeof(lines));
	seed_write(name, 'b', out.data, out.len);
	buf_finish(&out);
}

/* A recipe of a repaired pack whose first line is lost, as its totals say or ${lost} of them. */
static void
seed_recipe_lost(const char *name, uint8_t lost, const uint8_t *frame, size_t len)
{
	const uint8_t totals[13] = {1, 0, 1, 0, 3, 0, 0, 0, 2, 0, 0, 0, lost};
	uint8_t lines[sizeof(seed_block)];
	struct buf out = {0};

	memcpy(lines, seed_block, sizeof(lines));
	lines[0] = 3;
	seed_require(buf_append(&out, totals, sizeof(totals)) == ERR_OK);
	seed_piece(&out, false, 0, frame, len);
	seed_piece(&out, true, 3, lines, sizeof(lines));
	seed_write(name, 'l', out.data, out.len);
	buf_finish(&out);
}

static void
seed_recipes(void)
{
	seed_recipe("pack/recipe", false, 0, 0);
	seed_recipe("pack/recipe-frame-first", false, 0, 9);
	seed_recipe("pack/recipe-frame-count-0", false, 4, 0);
	seed_recipe("pack/recipe-frame-count-many", false, 7, 255);
	seed_recipe("pack/recipe-frame-size-huge", false, 11, 255);
	seed_recipe("pack/recipe-frame-absent", false, 12, 0);
	seed_recipe("pack/recipe-line-kind", true, 0, 7);
	seed_recipe("pack/recipe-line-shared", true, 24, 200);
	seed_recipe("pack/recipe-line-rest", true, 2, 255);
	seed_recipe("pack/recipe-line-gap", true, 5, 255);
	seed_recipe("pack/recipe-line-order", true, 26, 'a');
	seed_recipe("pack/recipe-line-lost", true, 0, 3);
	seed_recipe_lost("pack/recipe-lost", 1, seed_gap, sizeof(seed_gap));
	seed_recipe_lost("pack/recipe-lost-none", 0, seed_gap, sizeof(seed_gap));
	seed_recipe_lost("pack/recipe-lost-many", 255, seed_gap, sizeof(seed_gap));
	seed_recipe_lost("pack/recipe-lost-stored", 1, seed_frame, sizeof(seed_frame));
}

/* Train on made-up documents; ${out} is the file, ${raw} the dictionary alone. */
static void
seed_dictionary(int packsfd, struct buf *raw, struct buf *out)
{
	enum { N = 6000 };
	static size_t sizes[N];
	struct buf samples = {0};

	for (unsigned i = 0; i < N; i++) {
		size_t before = samples.len;
		seed_require(buf_printf(&samples,
				 "{\"id\":%u,\"name\":\"name %u\",\"state\":\"%s\",\"n\":%u}", i,
				 i * 7919 % 1000, i % 3 != 0 ? "sent" : "paid",
				 i * 104729 % 9973) == ERR_OK);
		sizes[i] = samples.len - before;
	}
	seed_require(dictionary_train(samples.data, sizes, N, raw, NULL) == ERR_OK &&
		     dictionary_save(packsfd, 1, 3, raw->data, raw->len, NULL) == ERR_OK);
	seed_take(packsfd, "dict", out);
	buf_finish(&samples);
}

static void
seed_dictionaries(int packsfd)
{
	struct buf raw = {0}, file = {0};

	seed_dictionary(packsfd, &raw, &file);
	seed_write("dictionary/whole", 'r', file.data, file.len);
	seed_write("dictionary/whole-corrected", 'c', file.data, file.len);
	seed_write("dictionary/cut-off", 'r', file.data, 60);
	seed_write("dictionary/bytes", 'd', raw.data, raw.len);
	seed_write("dictionary/bytes-head-only", 'd', raw.data, 200);
	seed_write("dictionary/nothing", 'r', "", 0);
	bytes_put32(file.data + 32, UINT32_MAX);
	seed_write("dictionary/huge-length", 'c', file.data, file.len);
	bytes_put32(file.data + 8, 2);
	seed_write("dictionary/newer-version", 'c', file.data, file.len);
	memset(raw.data + 8, 0xff, 64);
	seed_write("dictionary/bytes-tables-bad", 'd', raw.data, raw.len);
	buf_finish(&raw);
	buf_finish(&file);
}

int
main(int argc, char **argv)
{
	char dir[] = "/tmp/thinkback-seed-XXXXXX";
	int packsfd;

	if (argc != 2) {
		fprintf(stderr, "usage: seed_packs CORPUS\n");
		return 2;
	}
	seed_corpus = argv[1];
	seed_require(mkdtemp(dir) != NULL);
	packsfd = open(dir, O_RDONLY | O_DIRECTORY);
	seed_require(packsfd >= 0);
	seed_files(packsfd);
	seed_recipes();
	seed_dictionaries(packsfd);
	unlinkat(packsfd, "000000", AT_REMOVEDIR);
	rmdir(dir);
	return 0;
}
