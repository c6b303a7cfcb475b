/* A repository made by hand: see tree.h. */
#include "tests/support/tree.h"

#include "catalog/packs.h"
#include "catalog/snapshots.h"
#include "catalog/tables.h"
#include "catalog/versions.h"
#include "tests/support/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLASHES "////////////////////////////////////////"

/* "shards" is replaced in .table.json, "zone" sorts behind what is added. */
static const char CONFIG[] = "{\"primary_key\":\"id\",\"shards\":[{}],\"zone\":\"eu\"}";

/* The string keys of the documents behind the numbers: bytewise order. */
static const char *const ODD[TREE_ODD] = {
    "", ".hidden", SLASHES SLASHES SLASHES "0", SLASHES SLASHES SLASHES "1", "1", "\xc3\xa9"};

int64_t
tree_date(unsigned day)
{
	return 1794970800 + 86400 * (int64_t)day;
}

struct key
tree_key(unsigned n)
{
	struct key k = {0};
	int rc;

	if (n < TREE_NUMBERS)
		rc = key_put_number(&k, 0, n);
	else
		rc = key_put_string(&k, 0, ODD[n - TREE_NUMBERS], strlen(ODD[n - TREE_NUMBERS]));
	assert_int_equal(rc, ERR_OK);
	return k;
}

unsigned
tree_version(unsigned n, unsigned day)
{
	if (n % 20 == 2)
		return day >= 1; /* comes on the second day */
	if (n % 15 == 1)
		return day < 2; /* goes on the third */
	if (n % 10 == 0)
		return day >= 1 ? 2 : 1; /* changes on the second */
	if (n % 70 == 3)
		return day == 1 ? 0 : day + 1; /* goes, comes back as another, changes */
	return 1;
}

unsigned
tree_born(unsigned n, unsigned day)
{
	while (day > 0 && tree_version(n, day - 1) == tree_version(n, day))
		day--;
	return day;
}

void
tree_document(unsigned n, unsigned version, struct buf *out)
{
	buf_clear(out);
	assert_int_equal(buf_printf(out, "{\"id\":%u,\"text\":\"%.*s\",\"v\":%u}", n,
			     (int)(n * 7 % 120), SLASHES SLASHES SLASHES, version),
	    ERR_OK);
}

/* ---- building ---- */

/* One shard of a snapshot of orders that is being built. */
struct building {
	struct tree *t;
	unsigned day;
	unsigned first; /* documents from here ... */
	unsigned end;   /* ... to here */
	struct pack_writer *writer;
	struct snapshots_shard shard;
};

static void
building_meta(const struct building *b, struct pack_meta *meta)
{
	meta->pack_id = (uint64_t)b->shard.pack_id;
	meta->snapshot_id = (uint64_t)b->t->snapshots[b->day];
	meta->table_id = (uint64_t)b->t->orders;
	meta->database_id = 1;
	meta->date = tree_date(b->day);
	meta->shard = b->shard.number;
	meta->shards = 2;
	meta->lower = b->shard.lower;
	meta->upper = b->shard.upper;
	assert_int_equal(buf_puts(&meta->database, "shop"), ERR_OK);
	assert_int_equal(buf_puts(&meta->table, "orders"), ERR_OK);
	assert_int_equal(buf_puts(&meta->primary_key, "id"), ERR_OK);
	assert_int_equal(buf_puts(&meta->config, CONFIG), ERR_OK);
	assert_int_equal(buf_puts(&meta->source, "a test"), ERR_OK);
}

/* A version that is new on this day. */
static void
building_put(struct building *b, unsigned n, struct buf *document)
{
	struct tree *t = b->t;
	struct versions_version v = {.key = tree_key(n),
	    .born = t->snapshots[b->day],
	    .died = VERSIONS_ALIVE,
	    .pack_id = b->shard.pack_id};
	struct digest *digest = digest_create();

	tree_document(n, tree_version(n, b->day), document);
	v.size = (uint32_t)document->len;
	assert_int_equal(digest_document(digest, document->data, document->len, v.digest), ERR_OK);
	digest_free(digest);
	assert_err(pack_writer_put(b->writer, &v.key, document->data, document->len, v.digest,
		       &v.ordinal, &t->e),
	    ERR_OK, &t->e);
	assert_err(versions_insert(t->c, t->orders, &v, &t->e), ERR_OK, &t->e);
	t->ordinals[b->day][n] = v.ordinal;
}

/* Write what one document did on this day. */
static void
building_document(struct building *b, unsigned n, struct buf *document)
{
	unsigned before = b->day > 0 ? tree_version(n, b->day - 1) : 0;
	unsigned now = tree_version(n, b->day);
	struct key key = tree_key(n);
	struct tree *t = b->t;

	if (now != 0) {
		b->shard.documents++;
		tree_document(n, now, document);
		b->shard.bytes += document->len;
	}
	if (before == now)
		return;
	if (before != 0)
		assert_err(versions_close(t->c, t->orders, &key,
			       t->snapshots[tree_born(n, b->day - 1)], t->snapshots[b->day], &t->e),
		    ERR_OK, &t->e);
	if (now != 0)
		building_put(b, n, document);
	else
		assert_err(pack_writer_delete(b->writer, &key, &t->e), ERR_OK, &t->e);
}

static void
building_run(struct building *b)
{
	struct pack_meta meta = {0};
	struct pack_totals totals;
	struct buf document = {0};
	struct tree *t = b->t;

	assert_err(packs_begin(t->c, t->orders, t->snapshots[b->day], b->shard.number, 0,
		       &b->shard.pack_id, &t->e),
	    ERR_OK, &t->e);
	t->packs[b->day][b->shard.number] = b->shard.pack_id;
	building_meta(b, &meta);
	assert_err(
	    pack_writer_create(t->repo->packsfd, &meta, NULL, &b->writer, &t->e), ERR_OK, &t->e);
	for (unsigned n = b->first; n < b->end; n++)
		building_document(b, n, &document);
	assert_err(pack_writer_commit(b->writer, &totals, &t->e), ERR_OK, &t->e);
	assert_err(packs_describe(t->c,
		       &(struct packs_pack){.id = b->shard.pack_id,
			   .documents = totals.documents,
			   .deletions = totals.deletions,
			   .bytes = totals.bytes},
		       &t->e),
	    ERR_OK, &t->e);
	assert_err(
	    snapshots_shard_put(t->c, t->snapshots[b->day], &b->shard, &t->e), ERR_OK, &t->e);
	pack_meta_finish(&meta);
	buf_finish(&document);
}

/* Begin a snapshot in a run of its own. */
static int64_t
tree_begin(struct tree *t, int64_t table_id, unsigned day)
{
	int64_t run, id;

	assert_err(
	    snapshots_run_begin(t->c, tree_date(day), "a \"test\"", 1, &run, &t->e), ERR_OK, &t->e);
	assert_err(snapshots_begin(t->c, table_id, run, tree_date(day), &id, &t->e), ERR_OK, &t->e);
	return id;
}

static void
tree_complete(struct tree *t, const struct snapshots_snapshot *s)
{
	assert_err(snapshots_describe(t->c, s, "id", CONFIG, strlen(CONFIG), &t->e), ERR_OK, &t->e);
	assert_err(catalog_commit(t->c, false, &t->e), ERR_OK, &t->e);
	assert_err(snapshots_complete(t->c, &s->id, 1, &t->e), ERR_OK, &t->e);
}

/* Take the snapshot of orders of a day. */
static void
tree_take(struct tree *t, unsigned day)
{
	struct snapshots_snapshot s = {.shards = 2};
	struct key cut = tree_key(TREE_CUT);

	assert_err(catalog_begin(t->c, &t->e), ERR_OK, &t->e);
	s.id = t->snapshots[day] = tree_begin(t, t->orders, day);
	for (unsigned shard = 0; shard < 2; shard++) {
		struct building b = {.t = t, .day = day, .shard.number = shard};
		b.first = shard == 0 ? 0 : TREE_CUT;
		b.end = shard == 0 ? TREE_CUT : TREE_ALL;
		if (shard == 0)
			b.shard.upper = cut;
		else
			b.shard.lower = cut;
		building_run(&b);
		s.documents += b.shard.documents;
		s.bytes += b.shard.bytes;
	}
	tree_complete(t, &s);
}

/* Take a snapshot of coupons: nothing in it, and no packs. */
static void
tree_take_coupons(struct tree *t, unsigned day, unsigned shards)
{
	struct snapshots_snapshot s = {.shards = shards};
	struct key cut = tree_key(5);

	assert_err(catalog_begin(t->c, &t->e), ERR_OK, &t->e);
	s.id = tree_begin(t, t->coupons, day);
	for (unsigned i = 0; i < shards; i++) {
		struct snapshots_shard shard = {.number = i};
		assert_err(packs_begin(t->c, t->coupons, s.id, i, 0, &shard.pack_id, &t->e), ERR_OK,
		    &t->e);
		if (i > 0)
			shard.lower = cut;
		if (i + 1 < shards)
			shard.upper = cut;
		assert_err(snapshots_shard_put(t->c, s.id, &shard, &t->e), ERR_OK, &t->e);
	}
	tree_complete(t, &s);
}

void
tree_next_day(struct tree *t)
{
	tree_take(t, 3);
}

static int64_t
tree_intern(struct tree *t, const char *database, const char *table)
{
	struct tables_table out;

	assert_err(catalog_begin(t->c, &t->e), ERR_OK, &t->e);
	assert_err(tables_intern(t->c, database, table, &out, &t->e), ERR_OK, &t->e);
	assert_err(catalog_commit(t->c, false, &t->e), ERR_OK, &t->e);
	return out.id;
}

int
tree_setup(void **state)
{
	struct tree *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->dir = test_dir();
	t->repo = test_repo(t->dir);
	assert_err(catalog_open(t->repo, CATALOG_WRITE, &t->c, &t->e), ERR_OK, &t->e);
	t->orders = tree_intern(t, "shop", "orders");
	t->coupons = tree_intern(t, "shop", "coupons");
	tree_intern(t, "unseen", "nothing");
	for (unsigned day = 0; day < 3; day++)
		tree_take(t, day);
	tree_take_coupons(t, 0, 1);
	tree_take_coupons(t, 1, 2);
	tree_take_coupons(t, 2, 1);
	assert_err(store_create(t->repo->packsfd, NULL, &t->store, &t->e), ERR_OK, &t->e);
	assert_err(view_create(t->repo, t->store, &t->view, &t->e), ERR_OK, &t->e);
	*state = t;
	return 0;
}

int
tree_teardown(void **state)
{
	struct tree *t = *state;

	view_free(t->view);
	store_free(t->store);
	catalog_close(t->c);
	repo_close(t->repo);
	test_dir_remove(t->dir);
	free(t);
	return 0;
}

/* ---- looking ---- */

uint64_t
tree_ino(const struct tree *t, unsigned n, unsigned day)
{
	unsigned born = tree_born(n, day);

	assert_true(tree_version(n, day) != 0);
	return inode_pack(
	    (struct inode){INODE_DOCUMENT, t->packs[born][n >= TREE_CUT], t->ordinals[born][n]});
}

uint64_t
tree_find(struct tree *t, const char *path)
{
	uint64_t ino = INODE_ROOT_NUMBER;
	struct view_attr attr;
	char name[NAME_ROOM];

	while (*path != '\0') {
		size_t len = strcspn(path, "/");
		snprintf(name, sizeof(name), "%.*s", (int)len, path);
		assert_err(view_lookup(t->view, ino, name, &attr, &t->e), ERR_OK, &t->e);
		ino = attr.ino;
		path += path[len] == '/' ? len + 1 : len;
	}
	return ino;
}
