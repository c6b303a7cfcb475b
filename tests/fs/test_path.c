/* Paths without a mount. */
#include "tests/support/tree.h"

#include "fs/path.h"

#include <stdio.h>
#include <string.h>

static void
assert_at(struct tree *t, const char *path, uint64_t ino)
{
	struct view_attr attr;

	assert_err(path_find(t->view, path, &attr, &t->e), ERR_OK, &t->e);
	assert_true(attr.ino == ino);
}

static void
path_find__directories(void **state)
{
	struct tree *t = *state;
	uint64_t orders = inode_pack((struct inode){INODE_TABLE, t->orders, 0});

	assert_at(t, "", INODE_ROOT_NUMBER);
	assert_at(t, "/", INODE_ROOT_NUMBER);
	assert_at(t, ".", INODE_ROOT_NUMBER);
	assert_at(t, "../..", INODE_ROOT_NUMBER);
	assert_at(t, "shop/orders", orders);
	assert_at(t, "/shop/orders/", orders);
	assert_at(t, "//shop///orders//", orders);
	assert_at(t, "shop/./orders/.", orders);
	assert_at(t, "shop/coupons/../orders/shard-01/..", orders);
	assert_at(t, "shop/orders/.restore/failed/../..", orders);
	assert_at(t, "shop/orders/shard-01/" TREE_DAY1 "/../../../..", INODE_ROOT_NUMBER);
}

static void
path_find__follows_latest(void **state)
{
	struct tree *t = *state;
	struct inode day3 = {INODE_DATE, t->snapshots[2], 0};

	assert_at(t, "shop/orders/shard-00/latest", inode_pack(day3));
	assert_at(t, "shop/orders/shard-00/latest/", inode_pack(day3));
	assert_at(t, "shop/orders/shard-00/latest/=10.json", tree_ino(t, 10, 2));
	assert_at(t, "shop/orders/shard-00/latest/../latest/./=10.json", tree_ino(t, 10, 2));
	assert_at(t, "shop/orders/shard-00/" TREE_DAY1 "/=10.json", tree_ino(t, 10, 0));
	assert_at(t, "shop/orders/shard-01/latest/%.json", tree_ino(t, TREE_NUMBERS, 2));
}

static void
path_find__follows_so_many_links(void **state)
{
	struct tree *t = *state;
	char path[1000] = "shop/orders/shard-00";
	struct view_attr attr;

	for (int i = 0; i < PATH_LINKS; i++)
		strncat(path, "/latest/..", sizeof(path) - strlen(path) - 1);
	assert_at(t, path, inode_pack((struct inode){INODE_SHARD, t->orders, 0}));
	strncat(path, "/latest", sizeof(path) - strlen(path) - 1);
	assert_err(path_find(t->view, path, &attr, &t->e), ERR_LIMIT, &t->e);
	assert_non_null(strstr(t->e.text, "symbolic links"));
}

static void
path_find__names_what_is_missing(void **state)
{
	const struct {
		const char *path;
		const char *part;
	} cases[] = {
	    {"nowhere/orders/shard-00", "nowhere"},
	    {"shop/nothing", "nothing"},
	    {"shop/nothing/..", "nothing"},
	    {"shop/orders/shard-02/latest", "shard-02"},
	    {"shop/orders/shard-00/latest/=9999.json", "=9999.json"},
	    {"shop/orders/shard-00/latest/=10.json/more", "=10.json/more"},
	    {"unseen", "unseen"},
	};
	struct tree *t = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct view_attr attr = {.ino = 77};
		err_clear(&t->e);
		assert_err(path_find(t->view, cases[i].path, &attr, &t->e), ERR_ABSENT, &t->e);
		assert_non_null(strstr(t->e.text, cases[i].part));
		assert_int_equal(attr.ino, 77);
	}
}

static void
path_find__longest_names(void **state)
{
	struct tree *t = *state;
	struct view_attr attr;
	char path[5000];

	memset(path, 'x', sizeof(path));
	for (size_t len = 254; len < 258; len++) {
		path[len] = '\0';
		assert_err(path_find(t->view, path, &attr, &t->e), ERR_ABSENT, &t->e);
		path[len] = 'x';
	}
	path[sizeof(path) - 1] = '\0';
	assert_err(path_find(t->view, path, &attr, &t->e), ERR_ABSENT, &t->e);
	memset(path, '/', sizeof(path) - 1);
	assert_at(t, path, INODE_ROOT_NUMBER);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TREE_TEST(path_find__directories),
	    TREE_TEST(path_find__follows_latest),
	    TREE_TEST(path_find__follows_so_many_links),
	    TREE_TEST(path_find__names_what_is_missing),
	    TREE_TEST(path_find__longest_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
