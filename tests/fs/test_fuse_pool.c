/* Views that threads share while there is no catalogue to open another one with. */
#include "fs/fuse_internal.h"
#include "tests/support/tree.h"

#include <stdio.h>
#include <unistd.h>

/* A pool over a tree, and a thread that takes a view. */
struct fixture {
	struct tree *t;
	struct fuse_fs fs;
	pthread_t thread;
	atomic_bool taken;
	struct fuse_slot *slot; /* what the thread took */
	int rc;                 /* what it was told */
};

static void
start(struct fixture *f, void **state)
{
	*f = (struct fixture){.t = *state};
	f->fs.repo = f->t->repo;
	f->fs.store = f->t->store;
	fuse_pool_init(&f->fs);
}

static void
hide_catalogue(const struct fixture *f)
{
	char from[4096], to[4096];

	snprintf(from, sizeof(from), "%s/catalog.db", f->t->repo->path);
	snprintf(to, sizeof(to), "%s/gone", f->t->repo->path);
	assert_int_equal(rename(from, to), 0);
}

static void *
take(void *arg)
{
	struct fixture *f = arg;
	struct err e = {0};

	f->rc = fuse_pool_take(&f->fs, &f->slot, &e);
	atomic_store(&f->taken, true);
	return NULL;
}

static void
fuse_pool_take__one_for_each_that_works(void **state)
{
	struct fixture f;
	struct fuse_slot *a, *b, *again;

	start(&f, state);
	assert_err(fuse_pool_take(&f.fs, &a, &f.t->e), ERR_OK, &f.t->e);
	assert_err(fuse_pool_take(&f.fs, &b, &f.t->e), ERR_OK, &f.t->e);
	assert_ptr_not_equal(a, b);
	fuse_pool_give(&f.fs, a);
	assert_err(fuse_pool_take(&f.fs, &again, &f.t->e), ERR_OK, &f.t->e);
	assert_ptr_equal(again, a);
	fuse_pool_give(&f.fs, again);
	fuse_pool_give(&f.fs, b);
	fuse_pool_destroy(&f.fs);
}

static void
fuse_pool_take__without_a_catalogue(void **state)
{
	struct fixture f;
	struct fuse_slot *a;

	start(&f, state);
	assert_err(fuse_pool_take(&f.fs, &a, &f.t->e), ERR_OK, &f.t->e);
	hide_catalogue(&f);
	/* The one there is goes from hand to hand. */
	assert_int_equal(pthread_create(&f.thread, NULL, take, &f), 0);
	usleep(50000);
	assert_false(atomic_load(&f.taken));
	fuse_pool_give(&f.fs, a);
	assert_int_equal(pthread_join(f.thread, NULL), 0);
	assert_int_equal(f.rc, ERR_OK);
	assert_ptr_equal(f.slot, a);
	fuse_pool_give(&f.fs, f.slot);
	/* Where there is none to come, nothing is waited for. */
	fuse_pool_finish(&f.fs);
	assert_err(fuse_pool_take(&f.fs, &a, &f.t->e), ERR_ABSENT, &f.t->e);
	fuse_pool_destroy(&f.fs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TREE_TEST(fuse_pool_take__one_for_each_that_works),
	    TREE_TEST(fuse_pool_take__without_a_catalogue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
