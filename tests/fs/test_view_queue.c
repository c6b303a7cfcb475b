/* Restores in the tree: pending ones in their table, all of them below .restore. */
#include "tests/support/table.h"
#include "tests/support/tree.h"

#include "catalog/base/date.h"
#include "catalog/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OWNER "a test"
#define DOC "{\"id\":1}\n"

/* ---- helpers ---- */

static struct queue *
open_queue(struct tree *t)
{
	struct queue *q = NULL;

	assert_err(queue_open(t->repo, true, &q, &t->e), ERR_OK, &t->e);
	return q;
}

/* Let a worker take all that waits. */
static void
claim(struct tree *t)
{
	struct queue_restore taken[16];
	struct queue *q = open_queue(t);
	size_t got;

	assert_err(queue_claim(q, OWNER, date_now(), 60000, taken, 16, &got, &t->e), ERR_OK, &t->e);
	assert_true(got > 0);
	queue_close(q);
}

static void
finish(struct tree *t, int64_t id, const char *reason)
{
	struct queue *q = open_queue(t);

	if (reason == NULL)
		assert_err(queue_done(q, id, OWNER, date_now(), &t->e), ERR_OK, &t->e);
	else
		assert_err(queue_fail(q, id, OWNER, reason, date_now(), &t->e), ERR_OK, &t->e);
	queue_close(q);
}

static uint64_t
queued_ino(int64_t id)
{
	return inode_pack((struct inode){INODE_QUEUED, id, 0});
}

static uint64_t
error_ino(int64_t id)
{
	return inode_pack((struct inode){INODE_QUEUED_ERROR, id, 0});
}

/* All names of a directory, with a blank behind each; from each cookie on the rest is the same. */
static void
assert_names(struct tree *t, const char *path, const char *want)
{
	uint64_t ino = tree_find(t, path), cookie = 0;
	char got[2000] = "";
	struct view_entry entry, again;
	struct view_dir *d, *fresh;
	int rc;

	assert_err(view_dir_open(t->view, ino, &d, &t->e), ERR_OK, &t->e);
	while ((rc = view_dir_next(t->view, d, &entry, &t->e)) == ERR_OK) {
		strncat(got, entry.name, sizeof(got) - strlen(got) - 1);
		strncat(got, " ", sizeof(got) - strlen(got) - 1);
		assert_err(view_dir_open(t->view, ino, &fresh, &t->e), ERR_OK, &t->e);
		assert_err(view_dir_seek(t->view, fresh, cookie, &t->e), ERR_OK, &t->e);
		assert_err(view_dir_next(t->view, fresh, &again, &t->e), ERR_OK, &t->e);
		assert_string_equal(again.name, entry.name);
		assert_true(again.attr.ino == entry.attr.ino);
		view_dir_close(fresh);
		cookie = entry.next;
	}
	assert_err(rc, ERR_END, &t->e);
	assert_string_equal(got, want);
	view_dir_close(d);
}

static struct view_attr
assert_file(struct tree *t, const char *path, uint64_t ino, const char *want)
{
	struct view_attr attr = {0};
	struct buf got = {0};

	assert_true(tree_find(t, path) == ino);
	assert_err(view_attr(t->view, ino, &attr, &t->e), ERR_OK, &t->e);
	assert_int_equal(attr.type, VIEW_FILE);
	assert_int_equal(attr.size, strlen(want));
	assert_int_equal(attr.nlink, 1);
	assert_false(attr.steady);
	assert_err(view_read(t->view, ino, 0, 4096, &got, &t->e), ERR_OK, &t->e);
	assert_text(got.data, got.len, want);
	buf_clear(&got);
	assert_err(view_read(t->view, ino, 3, 4, &got, &t->e), ERR_OK, &t->e);
	assert_int_equal(got.len, 4);
	assert_memory_equal(got.data, want + 3, 4);
	assert_err(view_read(t->view, ino, attr.size, 4, &got, &t->e), ERR_OK, &t->e);
	assert_int_equal(got.len, 4);
	buf_finish(&got);
	return attr;
}

static void
assert_absent(struct tree *t, const char *directory, const char *name)
{
	struct view_attr attr;

	assert_err(
	    view_lookup(t->view, tree_find(t, directory), name, &attr, &t->e), ERR_ABSENT, &t->e);
}

/* ---- tests ---- */

static void
view_queue__a_pending_restore(void **state)
{
	struct tree *t = *state;
	int64_t id = test_put(t->repo, "orders", "=1.json", DOC, 1);
	int64_t now = date_now() / 1000;
	struct view_attr attr;

	attr = assert_file(t, "shop/orders/=1.json", queued_ino(id), DOC);
	assert_true(attr.writable);
	assert_true(attr.mtime >= now - 60 && attr.mtime <= now + 1);
	attr = assert_file(t, "shop/orders/.restore/pending/=1.json", queued_ino(id), DOC);
	assert_names(t, "shop/orders", "shard-00 shard-01 =1.json ");
	assert_names(t, "shop/orders/.restore/pending", "=1.json ");
	assert_names(t, "shop/orders/.restore/done", "");
	assert_names(t, "shop/coupons", "shard-00 shard-01 ");
	assert_absent(t, "shop/coupons", "=1.json");
	assert_absent(t, "shop/orders/.restore/failed", "=1.json");
	assert_absent(t, "shop/orders/.restore/pending", "=1.json.error");
}

static void
view_queue__from_pending_to_done(void **state)
{
	struct tree *t = *state;
	int64_t id = test_put(t->repo, "orders", "=1.json", DOC, 1);

	claim(t);
	assert_true(assert_file(t, "shop/orders/=1.json", queued_ino(id), DOC).writable);
	assert_names(t, "shop/orders/.restore/pending", "=1.json ");
	finish(t, id, NULL);
	assert_names(t, "shop/orders", "shard-00 shard-01 ");
	assert_absent(t, "shop/orders", "=1.json");
	assert_names(t, "shop/orders/.restore/pending", "");
	assert_names(t, "shop/orders/.restore/done", "=1.json ");
	assert_false(
	    assert_file(t, "shop/orders/.restore/done/=1.json", queued_ino(id), DOC).writable);
}

static void
view_queue__a_failed_one_with_its_reason(void **state)
{
	struct tree *t = *state;
	int64_t id = test_put(t->repo, "orders", "=1.json", DOC, 1);
	int64_t other = test_put(t->repo, "orders", "=2.json", DOC, 1);

	claim(t);
	finish(t, id, "the target is full");
	finish(t, other, "no such table");
	assert_names(
	    t, "shop/orders/.restore/failed", "=1.json =1.json.error =2.json =2.json.error ");
	assert_file(t, "shop/orders/.restore/failed/=1.json", queued_ino(id), DOC);
	assert_file(
	    t, "shop/orders/.restore/failed/=1.json.error", error_ino(id), "the target is full\n");
	assert_file(
	    t, "shop/orders/.restore/failed/=2.json.error", error_ino(other), "no such table\n");
	assert_absent(t, "shop/orders/.restore/failed", "=3.json.error");
	assert_absent(t, "shop/orders/.restore/failed", ".error");
	assert_absent(t, "shop/orders/.restore/done", "=1.json.error");
}

/* The newest of a name is the one that is seen. */
static void
view_queue__one_file_a_name(void **state)
{
	struct tree *t = *state;
	int64_t ids[3];

	for (int i = 0; i < 3; i++) {
		ids[i] = test_put(t->repo, "orders", "same.json", DOC, 1);
		test_put(t->repo, "orders", i == 0 ? "a.json" : "z.json", DOC, 1);
	}
	assert_file(t, "shop/orders/same.json", queued_ino(ids[2]), DOC);
	assert_names(t, "shop/orders", "shard-00 shard-01 a.json same.json z.json ");
	claim(t);
	for (int i = 0; i < 3; i++)
		finish(t, ids[i], i == 1 ? "second" : "another");
	assert_names(t, "shop/orders/.restore/failed", "same.json same.json.error ");
	assert_file(
	    t, "shop/orders/.restore/failed/same.json.error", error_ino(ids[2]), "another\n");
}

static void
view_queue__a_cancelled_one_is_not_shown(void **state)
{
	struct tree *t = *state;
	int64_t id = test_put(t->repo, "orders", "=1.json", DOC, 1);
	struct queue *q = open_queue(t);
	struct view_attr attr;
	struct buf got = {0};

	assert_err(view_attr(t->view, queued_ino(id), &attr, &t->e), ERR_OK, &t->e);
	assert_err(queue_cancel(q, id, date_now(), &t->e), ERR_OK, &t->e);
	assert_absent(t, "shop/orders", "=1.json");
	assert_names(t, "shop/orders/.restore/pending", "");
	assert_err(view_attr(t->view, queued_ino(id), &attr, &t->e), ERR_ABSENT, &t->e);
	assert_err(view_read(t->view, queued_ino(id), 0, 9, &got, &t->e), ERR_ABSENT, &t->e);
	assert_err(view_attr(t->view, error_ino(id), &attr, &t->e), ERR_ABSENT, &t->e);
	queue_close(q);
	buf_finish(&got);
}

static void
view_queue__names_with_no_room_for_a_suffix(void **state)
{
	struct tree *t = *state;
	char name[2][NAME_ROOM], path[400], want[800];
	int64_t id[2];

	for (int i = 0; i < 2; i++) {
		size_t len = i == 0 ? 249 : 250;
		memset(name[i], 'a', len);
		memcpy(name[i] + len - 5, ".json", 6);
		id[i] = test_put(t->repo, "orders", name[i], DOC, 1);
	}
	claim(t);
	finish(t, id[0], "it fits");
	finish(t, id[1], "it fits not");
	snprintf(want, sizeof(want), "%s %s.error %s restore-%lld.json.error ", name[0], name[0],
	    name[1], (long long)id[1]);
	assert_names(t, "shop/orders/.restore/failed", want);
	snprintf(path, sizeof(path), "shop/orders/.restore/failed/%s.error", name[0]);
	assert_file(t, path, error_ino(id[0]), "it fits\n");
	snprintf(path, sizeof(path), "shop/orders/.restore/failed/restore-%lld.json.error",
	    (long long)id[1]);
	assert_file(t, path, error_ino(id[1]), "it fits not\n");
	/* By number only where there is no other way, in its own table, in one spelling. */
	snprintf(path, sizeof(path), "restore-%lld.json.error", (long long)id[0]);
	assert_absent(t, "shop/orders/.restore/failed", path);
	snprintf(path, sizeof(path), "restore-%lld.json.error", (long long)id[1]);
	assert_absent(t, "shop/coupons/.restore/failed", path);
	snprintf(path, sizeof(path), "restore-0%lld.json.error", (long long)id[1]);
	assert_absent(t, "shop/orders/.restore/failed", path);
	assert_absent(t, "shop/orders/.restore/failed", "restore-99999999999999999999.json.error");
	assert_absent(t, "shop/orders/.restore/failed", "restore-.json.error");
}

static void
view_queue__changes_are_seen_at_once(void **state)
{
	struct tree *t = *state;

	assert_names(t, "shop/orders", "shard-00 shard-01 ");
	for (int i = 0; i < 3; i++) {
		char name[20];
		snprintf(name, sizeof(name), "%d.json", i);
		test_put(t->repo, "orders", name, DOC, 1);
		tree_find(t, i == 0 ? "shop/orders/0.json" : "shop/orders/1.json");
	}
	assert_names(t, "shop/orders", "shard-00 shard-01 0.json 1.json 2.json ");
}

/* A number that was given out for a table that a rebuild does not find again. */
static void
view_queue__of_a_table_that_has_gone(void **state)
{
	struct tree *t = *state;
	uint64_t ino = inode_pack((struct inode){INODE_RESTORE_STATE, 999, QUEUE_FAILED});
	struct view_attr attr;

	assert_err(view_lookup(t->view, ino, "a.json", &attr, &t->e), ERR_ABSENT, &t->e);
	assert_err(view_lookup(t->view, ino, "7.json.error", &attr, &t->e), ERR_ABSENT, &t->e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TREE_TEST(view_queue__a_pending_restore),
	    TREE_TEST(view_queue__from_pending_to_done),
	    TREE_TEST(view_queue__a_failed_one_with_its_reason),
	    TREE_TEST(view_queue__one_file_a_name),
	    TREE_TEST(view_queue__a_cancelled_one_is_not_shown),
	    TREE_TEST(view_queue__names_with_no_room_for_a_suffix),
	    TREE_TEST(view_queue__changes_are_seen_at_once),
	    TREE_TEST(view_queue__of_a_table_that_has_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
