/* Single inodes of the tree: attributes, names, bytes, links, parents; damage. */
#include "tests/support/tree.h"

#include "catalog/base/date.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- helpers ---- */

static uint64_t
date_ino(const struct tree *t, unsigned day, unsigned shard)
{
	return inode_pack((struct inode){INODE_DATE, t->snapshots[day], shard});
}

static struct view_attr
attr_of(struct tree *t, uint64_t ino)
{
	struct view_attr attr = {0};

	assert_err(view_attr(t->view, ino, &attr, &t->e), ERR_OK, &t->e);
	assert_true(attr.ino == ino);
	return attr;
}

static struct view_attr
attr_at(struct tree *t, const char *path)
{
	return attr_of(t, tree_find(t, path));
}

static void
assert_absent(struct tree *t, const char *directory, const char *name)
{
	struct view_attr attr = {.ino = 77};
	uint64_t parent = tree_find(t, directory);

	err_clear(&t->e);
	assert_err(view_lookup(t->view, parent, name, &attr, &t->e), ERR_ABSENT, &t->e);
	assert_int_equal(attr.ino, 77);
	assert_string_equal(t->e.text, "");
}

static void
assert_same_attr(const struct view_attr *a, const struct view_attr *b)
{
	assert_true(a->ino == b->ino);
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->writable, b->writable);
	assert_int_equal(a->size, b->size);
	assert_int_equal(a->nlink, b->nlink);
	assert_int_equal(a->mtime, b->mtime);
	assert_int_equal(a->steady, b->steady);
}

/* The file name of a document. */
static void
name_of(unsigned n, char out[NAME_ROOM])
{
	struct key key = tree_key(n);

	assert_int_equal(name_of_key(&key, out), ERR_OK);
}

/* Days, of the first ${days}, that show the version of ${day}. */
static unsigned
links_of(unsigned n, unsigned day, unsigned days)
{
	unsigned links = 0;

	for (unsigned other = 0; other < days; other++)
		links += tree_version(n, other) == tree_version(n, day) &&
			 tree_born(n, other) == tree_born(n, day);
	return links;
}

static void
read_all(struct tree *t, uint64_t ino, struct buf *out)
{
	buf_clear(out);
	assert_err(view_read(t->view, ino, 0, 1 << 20, out, &t->e), ERR_OK, &t->e);
}

/* ---- directories ---- */

static void
view_attr__directories(void **state)
{
	struct tree *t = *state;
	const char *paths[] = {"", "shop", "shop/orders", "shop/orders/shard-01",
	    "shop/orders/.restore", "shop/orders/.restore/failed"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct view_attr attr = attr_at(t, paths[i]);
		assert_int_equal(attr.type, VIEW_DIRECTORY);
		assert_int_equal(attr.mtime, tree_date(2));
		assert_int_equal(attr.nlink, 1);
		assert_false(attr.steady);
		assert_int_equal(attr.writable, i == 2);
	}
	assert_int_equal(attr_of(t, INODE_ROOT_NUMBER).ino, 1);
}

static void
view_attr__date_directories(void **state)
{
	struct tree *t = *state;

	for (unsigned day = 0; day < 3; day++) {
		char path[100], name[DATE_NAME];
		struct view_attr attr;
		date_name(tree_date(day), name);
		snprintf(path, sizeof(path), "shop/orders/shard-01/%s", name);
		attr = attr_at(t, path);
		assert_true(attr.ino == date_ino(t, day, 1));
		assert_int_equal(attr.type, VIEW_DIRECTORY);
		assert_int_equal(attr.mtime, tree_date(day));
		assert_true(attr.steady);
		assert_false(attr.writable);
	}
}

static void
view_lookup__shards_of_each_date(void **state)
{
	struct tree *t = *state;
	struct buf link = {0};

	/* The second snapshot alone has two shards. */
	assert_int_equal(attr_at(t, "shop/coupons/shard-00").mtime, tree_date(2));
	assert_int_equal(attr_at(t, "shop/coupons/shard-01").mtime, tree_date(1));
	tree_find(t, "shop/coupons/shard-00/" TREE_DAY1);
	tree_find(t, "shop/coupons/shard-01/" TREE_DAY2);
	assert_absent(t, "shop/coupons/shard-01", TREE_DAY1);
	assert_absent(t, "shop/coupons/shard-01", TREE_DAY3);
	assert_err(view_link(t->view, tree_find(t, "shop/coupons/shard-01/latest"), &link, &t->e),
	    ERR_OK, &t->e);
	assert_text(link.data, link.len, TREE_DAY2);
	buf_finish(&link);
}

static void
view_lookup__nothing_that_is_not_there(void **state)
{
	const struct {
		const char *directory;
		const char *name;
	} cases[] = {
	    {"", "unseen"}, /* it has no snapshot */
	    {"", "Shop"},
	    {"", ".restore"},
	    {"", "latest"},
	    {"shop", "order"},
	    {"shop", ".restore"},
	    {"shop/orders", "shard-02"},
	    {"shop/orders", "shard-99"},
	    {"shop/orders", "shard-0"},
	    {"shop/orders", "shard-000"},
	    {"shop/orders", "shard-0a"},
	    {"shop/orders", "shard-"},
	    {"shop/orders", "=1.json"},
	    {"shop/orders", ".table.json"},
	    {"shop/coupons", "shard-02"},
	    {"shop/orders/shard-00", "2026-11-18T03-00-01Z"},
	    {"shop/orders/shard-00", "2026-11-18T03:00:00Z"},
	    {"shop/orders/shard-00", TREE_DAY4},
	    {"shop/orders/shard-00", "Latest"},
	    {"shop/orders/.restore", "running"},
	    {"shop/orders/.restore", "cancelled"},
	    {"shop/orders/.restore/done", "=1.json"},
	    {"shop/orders/shard-00/" TREE_DAY1, "=2.json"},   /* it comes on day 2 */
	    {"shop/orders/shard-00/" TREE_DAY3, "=16.json"},  /* it goes on day 3 */
	    {"shop/orders/shard-00/" TREE_DAY1, "=331.json"}, /* of the other shard */
	    {"shop/orders/shard-01/" TREE_DAY1, "=330.json"},
	    {"shop/orders/shard-00/" TREE_DAY1, "10.json"},
	    {"shop/orders/shard-00/" TREE_DAY1, "=10"},
	    {"shop/orders/shard-00/" TREE_DAY1, "=010.json"},
	    {"shop/orders/shard-00/" TREE_DAY1, "=10.0.json"},
	    {"shop/orders/shard-00/" TREE_DAY1, "=1e1.json"},
	    {"shop/orders/shard-00/" TREE_DAY1, ".json"},
	    {"shop/orders/shard-00/" TREE_DAY1, "latest"},
	    {"shop/orders/shard-01/" TREE_DAY1, "%2ehidden.json"},
	    {"shop/orders/shard-01/" TREE_DAY1, ".hidden.json"},
	};
	struct tree *t = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_absent(t, cases[i].directory, cases[i].name);
}

static void
view_lookup__only_directories_hold_names(void **state)
{
	const char *files[] = {"shop/orders/shard-00/latest",
	    "shop/orders/shard-00/" TREE_DAY1 "/=10.json",
	    "shop/orders/shard-00/" TREE_DAY1 "/.table.json"};
	struct tree *t = *state;
	struct view_dir *d = NULL;
	struct view_attr attr;
	uint64_t parent;

	for (size_t i = 0; i < 3; i++) {
		uint64_t ino = tree_find(t, files[i]);
		assert_err(view_lookup(t->view, ino, "x", &attr, &t->e), ERR_ARG, &t->e);
		assert_err(view_parent(t->view, ino, &parent, &t->e), ERR_ARG, &t->e);
		assert_err(view_dir_open(t->view, ino, &d, &t->e), ERR_ARG, &t->e);
	}
	assert_null(d);
}

static void
view_attr__numbers_that_are_no_inodes(void **state)
{
	struct tree *t = *state;
	const struct inode none[] = {{INODE_DATABASE, 99, 0}, {INODE_DATABASE, 2, 0},
	    {INODE_TABLE, 99, 0}, {INODE_SHARD, t->orders, 2}, {INODE_SHARD, 99, 0},
	    {INODE_LATEST, t->orders, 2}, {INODE_DATE, 999, 0}, {INODE_DATE, t->snapshots[0], 2},
	    {INODE_TABLE_JSON, 999, 0}, {INODE_TABLE_JSON, t->snapshots[0], 2},
	    {INODE_DOCUMENT, 999, 0}, {INODE_DOCUMENT, t->packs[0][0], 99999},
	    {INODE_RESTORE, 99, 0}, {INODE_RESTORE_STATE, t->orders, 2},
	    {INODE_RESTORE_STATE, t->orders, 0}, {INODE_QUEUED, 1, 0}, {INODE_QUEUED_ERROR, 1, 0},
	    {INODE_SCRATCH, 1, 0}, {INODE_SCRATCH_DIR, 1, 0}};
	struct view_attr attr;

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		uint64_t ino = inode_pack(none[i]);
		assert_int_not_equal(ino, 0);
		assert_err(view_attr(t->view, ino, &attr, &t->e), ERR_ABSENT, &t->e);
	}
	assert_err(view_attr(t->view, 0, &attr, &t->e), ERR_ABSENT, &t->e);
	assert_err(view_attr(t->view, UINT64_MAX, &attr, &t->e), ERR_ABSENT, &t->e);
	assert_err(view_lookup(t->view, 2, "x", &attr, &t->e), ERR_ABSENT, &t->e);
}

static void
view_parent__leads_to_the_root(void **state)
{
	struct tree *t = *state;
	const struct {
		const char *path;
		const char *parent;
	} cases[] = {
	    {"", ""},
	    {"shop", ""},
	    {"shop/orders", "shop"},
	    {"shop/orders/shard-01", "shop/orders"},
	    {"shop/orders/shard-01/" TREE_DAY2, "shop/orders/shard-01"},
	    {"shop/orders/.restore", "shop/orders"},
	    {"shop/orders/.restore/done", "shop/orders/.restore"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t parent;
		assert_err(view_parent(t->view, tree_find(t, cases[i].path), &parent, &t->e),
		    ERR_OK, &t->e);
		assert_true(parent == tree_find(t, cases[i].parent));
	}
}

static void
view_link__latest(void **state)
{
	struct tree *t = *state;
	uint64_t ino = tree_find(t, "shop/orders/shard-00/latest");
	struct view_attr attr = attr_of(t, ino);
	struct buf out = {0};

	assert_int_equal(attr.type, VIEW_LINK);
	assert_int_equal(attr.size, strlen(TREE_DAY3));
	assert_int_equal(attr.mtime, tree_date(2));
	assert_false(attr.steady);
	assert_err(view_link(t->view, ino, &out, &t->e), ERR_OK, &t->e);
	assert_text(out.data, out.len, TREE_DAY3);
	assert_err(view_link(t->view, INODE_ROOT_NUMBER, &out, &t->e), ERR_ARG, &t->e);
	assert_err(view_read(t->view, ino, 0, 10, &out, &t->e), ERR_ARG, &t->e);
	buf_finish(&out);
}

/* ---- documents ---- */

/* Everything about one document at one date. */
static void
check_document(struct tree *t, unsigned n, unsigned day)
{
	struct view_attr found, attr;
	struct buf want = {0}, got = {0};
	char name[NAME_ROOM];
	uint64_t parent = date_ino(t, day, n >= TREE_CUT);

	name_of(n, name);
	if (tree_version(n, day) == 0) {
		assert_err(view_lookup(t->view, parent, name, &found, &t->e), ERR_ABSENT, &t->e);
		return;
	}
	tree_document(n, tree_version(n, day), &want);
	assert_int_equal(buf_putc(&want, '\n'), ERR_OK);
	assert_err(view_lookup(t->view, parent, name, &found, &t->e), ERR_OK, &t->e);
	assert_int_equal(found.type, VIEW_FILE);
	assert_false(found.writable);
	assert_true(found.steady);
	assert_int_equal(found.size, want.len);
	assert_true(found.ino == tree_ino(t, n, day));
	assert_int_equal(found.nlink, links_of(n, day, 3));
	assert_int_equal(found.mtime, tree_date(tree_born(n, day)));
	attr = attr_of(t, found.ino);
	assert_same_attr(&found, &attr);
	read_all(t, found.ino, &got);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.data, want.data, want.len);
	buf_finish(&want);
	buf_finish(&got);
}

static void
view_lookup__every_document_of_every_date(void **state)
{
	struct tree *t = *state;

	for (unsigned day = 0; day < 3; day++)
		for (unsigned n = 0; n < TREE_ALL; n++)
			check_document(t, n, day);
}

static void
view_lookup__names_that_were_cut(void **state)
{
	struct tree *t = *state;
	char one[NAME_ROOM], two[NAME_ROOM];
	struct view_attr attr;
	uint64_t parent = date_ino(t, 2, 1);
	size_t len;

	name_of(TREE_NUMBERS + 2, one);
	name_of(TREE_NUMBERS + 3, two);
	len = strlen(one);
	assert_true(len <= NAME_MAX_BYTES && strstr(one, "%~") != NULL);
	assert_string_not_equal(one, two);
	assert_err(view_lookup(t->view, parent, one, &attr, &t->e), ERR_OK, &t->e);
	assert_true(attr.ino == tree_ino(t, TREE_NUMBERS + 2, 2));
	assert_err(view_lookup(t->view, parent, two, &attr, &t->e), ERR_OK, &t->e);
	assert_true(attr.ino == tree_ino(t, TREE_NUMBERS + 3, 2));
	/* Another digest is another name, in the other shard there is none. */
	assert_err(view_lookup(t->view, date_ino(t, 2, 0), one, &attr, &t->e), ERR_ABSENT, &t->e);
	one[len - 6] = one[len - 6] == '0' ? '1' : '0';
	assert_err(view_lookup(t->view, parent, one, &attr, &t->e), ERR_ABSENT, &t->e);
}

static void
view_read__any_part(void **state)
{
	struct tree *t = *state;
	uint64_t ino = tree_ino(t, 17, 0);
	struct buf want = {0}, got = {0};

	read_all(t, ino, &want);
	assert_true(want.len > 100 && want.data[want.len - 1] == '\n');
	for (size_t off = 0; off <= want.len + 2; off++) {
		for (size_t room = 0; room <= want.len + 2; room += 1 + room / 8) {
			size_t left = off < want.len ? want.len - off : 0;
			size_t len = left < room ? left : room;
			buf_clear(&got);
			assert_int_equal(buf_puts(&got, "before"), ERR_OK);
			assert_err(view_read(t->view, ino, off, room, &got, &t->e), ERR_OK, &t->e);
			assert_int_equal(got.len, 6 + len);
			assert_memory_equal(got.data, "before", 6);
			assert_true(len == 0 || memcmp(got.data + 6, want.data + off, len) == 0);
		}
	}
	buf_clear(&got);
	assert_err(view_read(t->view, ino, UINT64_MAX, 10, &got, &t->e), ERR_OK, &t->e);
	assert_err(view_read(t->view, ino, INT64_MAX, 10, &got, &t->e), ERR_OK, &t->e);
	assert_int_equal(got.len, 0);
	buf_finish(&want);
	buf_finish(&got);
}

static void
view_read__only_files_have_bytes(void **state)
{
	struct tree *t = *state;
	struct buf got = {0};

	assert_err(view_read(t->view, INODE_ROOT_NUMBER, 0, 10, &got, &t->e), ERR_ARG, &t->e);
	assert_err(view_read(t->view, date_ino(t, 0, 0), 0, 10, &got, &t->e), ERR_ARG, &t->e);
	assert_err(view_read(t->view, 2, 0, 10, &got, &t->e), ERR_ABSENT, &t->e);
	assert_int_equal(got.len, 0);
	buf_finish(&got);
}

/* ---- .table.json ---- */

static const char DAY2_JSON[] =
    "{\"primary_key\":\"id\","
    "\"shards\":[{\"documents\":%u,\"lower\":null,\"upper\":\"%s\"},"
    "{\"documents\":%u,\"lower\":\"%s\",\"upper\":null}],"
    "\"snapshot\":{\"bytes\":%zu,\"date\":\"" TREE_DAY2 "\",\"documents\":%u,"
    "\"source\":\"a \\\"test\\\"\"},\"zone\":\"eu\"}\n";

/* The hex digits of a key. */
static void
hex_of(const struct key *k, char out[2 * KEY_MAX + 1])
{
	for (size_t i = 0; i < k->len; i++)
		snprintf(out + 2 * i, 3, "%02x", k->bytes[i]);
}

static void
view_read__table_json(void **state)
{
	struct tree *t = *state;
	struct key cut = tree_key(TREE_CUT);
	struct buf got = {0}, document = {0};
	char hex[2 * KEY_MAX + 1], want[2000];
	unsigned documents[2] = {0, 0};
	size_t bytes = 0;

	for (unsigned n = 0; n < TREE_ALL; n++) {
		if (tree_version(n, 1) == 0)
			continue;
		tree_document(n, tree_version(n, 1), &document);
		bytes += document.len;
		documents[n >= TREE_CUT]++;
	}
	hex_of(&cut, hex);
	snprintf(want, sizeof(want), DAY2_JSON, documents[0], hex, documents[1], hex, bytes,
	    documents[0] + documents[1]);
	for (unsigned shard = 0; shard < 2; shard++) {
		struct view_attr attr;
		assert_err(view_lookup(t->view, date_ino(t, 1, shard), ".table.json", &attr, &t->e),
		    ERR_OK, &t->e);
		read_all(t, attr.ino, &got);
		assert_text(got.data, got.len, want);
		assert_int_equal(attr.size, got.len);
		assert_int_equal(attr.mtime, tree_date(1));
		assert_int_equal(attr.type, VIEW_FILE);
		assert_int_equal(attr.nlink, 1);
		assert_true(attr.steady);
		/* A part of it, after another snapshot's. */
		(void)attr_of(t, inode_pack((struct inode){INODE_TABLE_JSON, t->snapshots[0], 0}));
		buf_clear(&got);
		assert_err(view_read(t->view, attr.ino, 10, 7, &got, &t->e), ERR_OK, &t->e);
		assert_int_equal(got.len, 7);
		assert_memory_equal(got.data, want + 10, 7);
	}
	buf_finish(&got);
	buf_finish(&document);
}

/* ---- changes ---- */

static void
view__a_new_snapshot(void **state)
{
	struct tree *t = *state;
	uint64_t before, same, after;
	struct view_attr attr;
	struct buf link = {0};

	assert_err(view_generation(t->view, &before, &t->e), ERR_OK, &t->e);
	assert_int_equal(attr_of(t, tree_ino(t, 17, 2)).nlink, 3);
	assert_int_equal(attr_of(t, tree_ino(t, 3, 2)).nlink, 1);
	assert_absent(t, "shop/orders/shard-00", TREE_DAY4);
	assert_err(view_generation(t->view, &same, &t->e), ERR_OK, &t->e);
	assert_true(before == same);

	tree_next_day(t);
	assert_err(view_generation(t->view, &after, &t->e), ERR_OK, &t->e);
	assert_true(before != after);
	assert_int_equal(attr_of(t, tree_ino(t, 17, 2)).nlink, 4);
	assert_int_equal(attr_of(t, tree_ino(t, 3, 2)).nlink, 1); /* it changed again */
	assert_err(
	    view_lookup(t->view, date_ino(t, 3, 0), "=17.json", &attr, &t->e), ERR_OK, &t->e);
	assert_true(attr.ino == tree_ino(t, 17, 0));
	assert_int_equal(attr.nlink, 4);
	assert_err(view_link(t->view, tree_find(t, "shop/orders/shard-00/latest"), &link, &t->e),
	    ERR_OK, &t->e);
	assert_text(link.data, link.len, TREE_DAY4);
	assert_int_equal(attr_at(t, "shop").mtime, tree_date(3));
	buf_finish(&link);
}

static void
view_space__is_the_sum_of_packs(void **state)
{
	struct tree *t = *state;
	uint64_t bytes, sum = 0;

	for (unsigned day = 0; day < 3; day++) {
		for (unsigned shard = 0; shard < 2; shard++) {
			char path[100];
			struct stat st;
			snprintf(path, sizeof(path), "000000/%016llx.pack",
			    (unsigned long long)t->packs[day][shard]);
			assert_int_equal(fstatat(t->repo->packsfd, path, &st, 0), 0);
			sum += (uint64_t)st.st_size;
		}
	}
	assert_err(view_space(t->view, &bytes, &t->e), ERR_OK, &t->e);
	assert_int_equal(bytes, sum);
}

/* ---- damage ---- */

/* Read all documents of a day; how many are damaged, the rest has to be right. */
static unsigned
count_damaged(struct tree *t, unsigned day, unsigned shard)
{
	struct buf want = {0}, got = {0};
	unsigned damaged = 0;

	for (unsigned n = shard ? TREE_CUT : 0; n < (shard ? TREE_ALL : TREE_CUT); n++) {
		int rc;
		if (tree_version(n, day) == 0)
			continue;
		buf_clear(&got);
		rc = view_read(t->view, tree_ino(t, n, day), 0, 10000, &got, &t->e);
		if (rc == ERR_CORRUPT) {
			assert_int_equal(got.len, 0);
			damaged++;
			continue;
		}
		assert_err(rc, ERR_OK, &t->e);
		tree_document(n, tree_version(n, day), &want);
		assert_int_equal(got.len, want.len + 1);
		assert_memory_equal(got.data, want.data, want.len);
	}
	buf_finish(&want);
	buf_finish(&got);
	return damaged;
}

/* Turn a bit in the middle of a part of a pack, the parts being twentieths of it. */
static void
flip(const struct tree *t, int64_t pack, unsigned part)
{
	char path[100];
	uint8_t byte;
	struct stat st;
	off_t off;
	int fd;

	snprintf(path, sizeof(path), "000000/%016llx.pack", (unsigned long long)pack);
	fd = openat(t->repo->packsfd, path, O_RDWR);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	off = st.st_size * part / 20 + st.st_size / 40;
	assert_int_equal(pread(fd, &byte, 1, off), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, off), 1);
	close(fd);
}

/* Forget what is in memory. */
static void
reopen(struct tree *t)
{
	view_free(t->view);
	store_free(t->store);
	assert_err(store_create(t->repo->packsfd, NULL, &t->store, &t->e), ERR_OK, &t->e);
	assert_err(view_create(t->repo, t->store, &t->view, &t->e), ERR_OK, &t->e);
}

static void
view_read__damage_is_never_wrong_bytes(void **state)
{
	struct tree *t = *state;
	struct view_attr attr;
	unsigned some = 0;

	for (unsigned part = 0; part < 20; part++) {
		unsigned damaged;
		flip(t, t->packs[0][0], part);
		reopen(t);
		damaged = count_damaged(t, 0, 0);
		some += damaged > 0 && damaged < 300;
		/* What lies elsewhere is not touched by it, and names need only the catalogue. */
		assert_int_equal(count_damaged(t, 0, 1), 0);
		assert_err(view_lookup(t->view, date_ino(t, 0, 0), "=17.json", &attr, &t->e),
		    ERR_OK, &t->e);
		flip(t, t->packs[0][0], part);
	}
	assert_true(some > 0);
	reopen(t);
	assert_int_equal(count_damaged(t, 0, 0), 0);
}

static void
view_read__a_pack_that_is_gone(void **state)
{
	struct tree *t = *state;
	struct view_attr attr;
	struct buf got = {0};
	char path[100];

	snprintf(path, sizeof(path), "000000/%016llx.pack", (unsigned long long)t->packs[0][0]);
	assert_int_equal(unlinkat(t->repo->packsfd, path, 0), 0);
	assert_err(
	    view_lookup(t->view, date_ino(t, 0, 0), "=17.json", &attr, &t->e), ERR_OK, &t->e);
	assert_err(view_read(t->view, attr.ino, 0, 10, &got, &t->e), ERR_CORRUPT, &t->e);
	assert_err(view_attr(t->view, attr.ino, &attr, &t->e), ERR_CORRUPT, &t->e);
	assert_int_equal(got.len, 0);
	buf_finish(&got);
}

static void
view_create__a_damaged_catalogue(void **state)
{
	struct tree *t = *state;
	struct view *v = NULL;
	int fd;

	view_free(t->view);
	t->view = NULL;
	catalog_close(t->c);
	t->c = NULL;
	fd = openat(t->repo->dirfd, "catalog.db", O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "this is no database", 19, 0), 19);
	close(fd);
	assert_err(view_create(t->repo, t->store, &v, &t->e), ERR_CORRUPT, &t->e);
	assert_null(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TREE_TEST(view_attr__directories),
	    TREE_TEST(view_attr__date_directories),
	    TREE_TEST(view_attr__numbers_that_are_no_inodes),
	    TREE_TEST(view_lookup__shards_of_each_date),
	    TREE_TEST(view_lookup__nothing_that_is_not_there),
	    TREE_TEST(view_lookup__only_directories_hold_names),
	    TREE_TEST(view_lookup__every_document_of_every_date),
	    TREE_TEST(view_lookup__names_that_were_cut),
	    TREE_TEST(view_parent__leads_to_the_root),
	    TREE_TEST(view_link__latest),
	    TREE_TEST(view_read__any_part),
	    TREE_TEST(view_read__only_files_have_bytes),
	    TREE_TEST(view_read__table_json),
	    TREE_TEST(view_read__damage_is_never_wrong_bytes),
	    TREE_TEST(view_read__a_pack_that_is_gone),
	    TREE_TEST(view__a_new_snapshot),
	    TREE_TEST(view_space__is_the_sum_of_packs),
	    TREE_TEST(view_create__a_damaged_catalogue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
