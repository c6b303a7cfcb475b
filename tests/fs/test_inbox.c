/*
 * The inbox without FUSE: each test makes the calls that a program's requests lead to, in the order
 * in which the kernel was seen to send them, and counts what is in the queue afterwards.
 */
#include "tests/support/table.h"

#include "fs/inbox.h"
#include "fs/inode.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DOC "{\"id\":1,\"name\":\"one\"}\n"
#define DOC2 "{\"id\":1,\"name\":\"a longer one than before\"}\n"
#define NAME "=1.json"

struct fixture {
	char *dir;
	struct repo *repo;
	struct inbox *inbox;
	uint64_t table; /* inode number of shop.orders */
	uint64_t other; /* inode number of shop.coupons */
	struct err e;
};

static uint64_t
table_ino(int64_t id)
{
	return inode_pack((struct inode){.kind = INODE_TABLE, .a = id});
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = test_dir();
	f->repo = test_repo(f->dir);
	f->table = table_ino(test_table(f->repo, "shop", "orders", "id", "{}"));
	f->other = table_ino(test_table(f->repo, "shop", "coupons", "code", "{}"));
	assert_err(inbox_create(f->repo, NULL, &f->inbox, &f->e), ERR_OK, &f->e);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	inbox_free(f->inbox);
	repo_close(f->repo);
	test_dir_remove(f->dir);
	free(f);
	return 0;
}

/* ---- requests ---- */

static struct inbox_file *
create(struct fixture *f, const char *name)
{
	struct inbox_file *file = NULL;
	struct view_attr attr;

	assert_err(inbox_make(f->inbox, f->table, name, true, &file, &attr, &f->e), ERR_OK, &f->e);
	assert_int_equal(attr.size, 0);
	assert_true(attr.writable);
	return file;
}

static struct inbox_file *
open_ino(struct fixture *f, uint64_t ino, bool truncate)
{
	struct inbox_file *file = NULL;

	assert_err(inbox_open(f->inbox, ino, truncate, &file, &f->e), ERR_OK, &f->e);
	return file;
}

static void
put(struct fixture *f, struct inbox_file *file, uint64_t off, const char *text)
{
	assert_err(inbox_write(file, off, text, strlen(text), &f->e), ERR_OK, &f->e);
}

static void
flush(struct fixture *f, struct inbox_file *file)
{
	assert_err(inbox_flush(file, &f->e), ERR_OK, &f->e);
}

/* CREATE WRITE FLUSH RELEASE. */
static void
copy(struct fixture *f, const char *name, const char *text)
{
	struct inbox_file *file = create(f, name);

	put(f, file, 0, text);
	flush(f, file);
	inbox_release(file);
}

static void
rename_to(struct fixture *f, const char *from, const char *to)
{
	assert_err(
	    inbox_rename(f->inbox, f->table, from, f->table, to, false, &f->e), ERR_OK, &f->e);
}

/* ---- what came of it ---- */

/* The only restore in these states. */
static struct queue_restore
only(struct fixture *f, unsigned states)
{
	struct queue_filter filter = {.states = states};
	struct queue *q = NULL;
	struct queue_restore r = {0};

	assert_int_equal(test_count(f->repo, states), 1);
	assert_err(queue_open(f->repo, false, &q, &f->e), ERR_OK, &f->e);
	assert_err(queue_next(q, &filter, 0, &r, &f->e), ERR_OK, &f->e);
	queue_close(q);
	return r;
}

/* Exactly one restore is there at all: pending, of that name, with these bytes. */
static int64_t
queued(struct fixture *f, const char *name, const char *payload)
{
	struct queue_restore r = only(f, QUEUE_ANY);
	struct buf bytes = {0};

	assert_int_equal(r.state, QUEUE_PENDING);
	assert_string_equal(r.database, "shop");
	assert_string_equal(r.table, "orders");
	assert_string_equal(r.name, name);
	assert_int_equal(r.bytes, strlen(payload));
	test_payload(f->repo, r.id, &bytes);
	assert_text(bytes.data, bytes.len, payload);
	buf_finish(&bytes);
	return r.id;
}

static void
nothing_queued(struct fixture *f)
{
	assert_int_equal(test_count(f->repo, QUEUE_ANY), 0);
}

static unsigned
listed(struct fixture *f, uint64_t parent)
{
	struct inbox_entry entry = {0};
	unsigned n = 0;

	while (inbox_list(f->inbox, parent, entry.attr.ino, &entry) == ERR_OK)
		n++;
	return n;
}

/* What a worker does with the only restore that waits. */
static void
carry_out(struct fixture *f, int64_t id)
{
	struct queue *q = NULL;
	struct queue_restore r;
	size_t got;

	assert_err(queue_open(f->repo, true, &q, &f->e), ERR_OK, &f->e);
	assert_err(queue_claim(q, "w", 1, 60000, &r, 1, &got, &f->e), ERR_OK, &f->e);
	assert_int_equal(got, 1);
	assert_int_equal(r.id, id);
	assert_err(queue_done(q, r.id, "w", 2, &f->e), ERR_OK, &f->e);
	queue_close(q);
}

static uint64_t
queued_ino(int64_t id)
{
	return inode_pack((struct inode){.kind = INODE_QUEUED, .a = id});
}

/* ---- one test for each program ---- */

static void
shell__redirect(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file = create(f, NAME);

	flush(f, file);
	nothing_queued(f);
	put(f, file, 0, DOC);
	nothing_queued(f);
	flush(f, file);
	inbox_release(file);
	queued(f, NAME, DOC);
	assert_int_equal(listed(f, f->table), 0);
}

static void
shell__append(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file;
	int64_t id;

	copy(f, NAME, DOC);
	id = queued(f, NAME, DOC);
	file = open_ino(f, queued_ino(id), false);
	flush(f, file);
	put(f, file, strlen(DOC), "{\"id\":2}\n");
	flush(f, file);
	inbox_release(file);
	assert_int_equal(queued(f, NAME, DOC "{\"id\":2}\n"), id);
}

static void
touch__makes_no_restore(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file = create(f, NAME);
	struct view_attr attr;

	flush(f, file);
	flush(f, file);
	inbox_release(file);
	nothing_queued(f);
	assert_err(inbox_lookup(f->inbox, f->table, NAME, &attr), ERR_OK, NULL);
	assert_int_equal(attr.size, 0);
}

static void
cp__new(void **state)
{
	struct fixture *f = *state;

	copy(f, NAME, DOC);
	queued(f, NAME, DOC);
}

static void
cp__over_pending(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file;
	int64_t id;

	copy(f, NAME, DOC2);
	id = queued(f, NAME, DOC2);
	file = open_ino(f, queued_ino(id), true);
	put(f, file, 0, DOC);
	flush(f, file);
	inbox_release(file);
	assert_int_equal(queued(f, NAME, DOC), id);
}

static void
cp__over_one_that_is_done(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file;
	int64_t id;

	copy(f, NAME, DOC2);
	id = queued(f, NAME, DOC2);
	carry_out(f, id);
	/* The kernel has looked the name up while it was pending. */
	file = open_ino(f, queued_ino(id), true);
	put(f, file, 0, DOC);
	flush(f, file);
	inbox_release(file);
	assert_int_equal(only(f, QUEUE_DONE).id, id);
	assert_int_equal(only(f, QUEUE_PENDING).bytes, strlen(DOC));
	assert_err(inbox_open(f->inbox, queued_ino(id), false, &file, &f->e), ERR_READONLY, &f->e);
}

static void
mv__within_the_directory(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file = create(f, ".tmpAbCdEf");
	struct view_attr attr;

	flush(f, file);
	inbox_release(file);
	assert_err(inbox_lookup(f->inbox, f->table, ".tmpAbCdEf", &attr), ERR_OK, NULL);
	file = open_ino(f, attr.ino, true);
	put(f, file, 0, DOC);
	flush(f, file);
	inbox_release(file);
	nothing_queued(f);
	assert_err(inbox_rename(f->inbox, f->table, ".tmpAbCdEf", f->table, NAME, true, &f->e),
	    ERR_OK, &f->e);
	queued(f, NAME, DOC);
	assert_int_equal(listed(f, f->table), 0);
}

static void
rsync__temporary_name(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file = create(f, "." NAME ".Ab12Cd");
	struct view_attr attr;

	put(f, file, 0, DOC);
	flush(f, file);
	inbox_release(file);
	assert_err(inbox_lookup(f->inbox, f->table, "." NAME ".Ab12Cd", &attr), ERR_OK, NULL);
	assert_int_equal(attr.size, strlen(DOC));
	file = open_ino(f, attr.ino, false);
	flush(f, file);
	inbox_release(file);
	nothing_queued(f);
	rename_to(f, "." NAME ".Ab12Cd", NAME);
	queued(f, NAME, DOC);
	assert_err(inbox_lookup(f->inbox, f->table, NAME, &attr), ERR_ABSENT, NULL);
}

static void
rsync__update_of_pending(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *basis, *file;
	char piece[100];
	size_t got;
	int64_t id;

	copy(f, NAME, DOC2);
	id = queued(f, NAME, DOC2);
	file = create(f, "." NAME ".Ab12Cd");
	basis = open_ino(f, queued_ino(id), false);
	assert_err(inbox_read(basis, 0, piece, sizeof(piece), &got, &f->e), ERR_OK, &f->e);
	assert_text(piece, got, DOC2);
	put(f, file, 0, DOC);
	flush(f, file);
	inbox_release(file);
	rename_to(f, "." NAME ".Ab12Cd", NAME);
	flush(f, basis);
	inbox_release(basis);
	assert_int_equal(queued(f, NAME, DOC), id);
}

static void
rsync__inplace(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file;
	int64_t id;

	copy(f, NAME, DOC2);
	id = queued(f, NAME, DOC2);
	file = open_ino(f, queued_ino(id), false);
	put(f, file, 0, DOC);
	assert_err(inbox_truncate(file, strlen(DOC), &f->e), ERR_OK, &f->e);
	flush(f, file);
	inbox_release(file);
	assert_int_equal(queued(f, NAME, DOC), id);
}

static void
rsync__delay_updates(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file = NULL;
	struct view_attr dir, attr;

	assert_err(inbox_mkdir(f->inbox, f->table, ".~tmp~", &dir, &f->e), ERR_OK, &f->e);
	assert_int_equal(dir.type, VIEW_DIRECTORY);
	assert_err(inbox_make(f->inbox, dir.ino, NAME, true, &file, &attr, &f->e), ERR_OK, &f->e);
	put(f, file, 0, DOC);
	flush(f, file);
	inbox_release(file);
	nothing_queued(f);
	assert_int_equal(listed(f, dir.ino), 1);
	assert_err(inbox_rmdir(f->inbox, f->table, ".~tmp~", &f->e), ERR_WRONG_STATE, &f->e);
	assert_err(
	    inbox_rename(f->inbox, dir.ino, NAME, f->table, NAME, false, &f->e), ERR_OK, &f->e);
	assert_err(inbox_rmdir(f->inbox, f->table, ".~tmp~", &f->e), ERR_OK, &f->e);
	queued(f, NAME, DOC);
	assert_int_equal(listed(f, f->table), 0);
}

static void
sed__in_place(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file;
	int64_t id;

	copy(f, NAME, DOC2);
	id = queued(f, NAME, DOC2);
	file = create(f, "sedAb12Cd");
	put(f, file, 0, DOC);
	flush(f, file);
	inbox_release(file);
	rename_to(f, "sedAb12Cd", NAME);
	assert_int_equal(queued(f, NAME, DOC), id);
}

static void
vim__in_place(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *swap, *file;
	int64_t id;

	copy(f, NAME, DOC2);
	id = queued(f, NAME, DOC2);
	swap = create(f, "." NAME ".swp");
	put(f, swap, 0, "b0VIM");
	file = open_ino(f, queued_ino(id), false);
	assert_err(inbox_truncate(file, 0, &f->e), ERR_OK, &f->e);
	put(f, file, 0, DOC);
	assert_err(inbox_sync(file, &f->e), ERR_OK, &f->e);
	flush(f, file);
	inbox_release(file);
	flush(f, swap);
	inbox_release(swap);
	assert_err(inbox_unlink(f->inbox, f->table, "." NAME ".swp", &f->e), ERR_OK, &f->e);
	assert_int_equal(queued(f, NAME, DOC), id);
	assert_int_equal(listed(f, f->table), 0);
}

static void
editor__keeps_the_old_file_aside(void **state)
{
	struct fixture *f = *state;
	struct queue_restore r;

	copy(f, NAME, DOC2);
	rename_to(f, NAME, NAME "~");
	assert_int_equal(test_count(f->repo, QUEUE_PENDING), 0);
	copy(f, NAME, DOC);
	assert_err(inbox_unlink(f->inbox, f->table, NAME "~", &f->e), ERR_OK, &f->e);
	r = only(f, QUEUE_PENDING);
	assert_string_equal(r.name, NAME);
	assert_int_equal(r.bytes, strlen(DOC));
}

static void
editor__gives_up_and_puts_the_old_file_back(void **state)
{
	struct fixture *f = *state;
	struct buf bytes = {0};

	copy(f, NAME, DOC2);
	rename_to(f, NAME, NAME "~");
	rename_to(f, NAME "~", NAME);
	test_payload(f->repo, only(f, QUEUE_PENDING).id, &bytes);
	assert_text(bytes.data, bytes.len, DOC2);
	buf_finish(&bytes);
}

static void
tar__unlinks_first(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file;

	copy(f, NAME, DOC2);
	assert_err(inbox_unlink(f->inbox, f->table, NAME, &f->e), ERR_OK, &f->e);
	assert_int_equal(test_count(f->repo, QUEUE_PENDING), 0);
	file = create(f, NAME);
	put(f, file, 0, DOC);
	flush(f, file);
	inbox_release(file);
	assert_int_equal(only(f, QUEUE_PENDING).bytes, strlen(DOC));
	only(f, QUEUE_CANCELLED);
}

static void
dd__fsync_then_close(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file = create(f, NAME);

	flush(f, file);
	put(f, file, 0, DOC);
	assert_err(inbox_sync(file, &f->e), ERR_OK, &f->e);
	carry_out(f, queued(f, NAME, DOC));
	flush(f, file);
	inbox_release(file);
	assert_int_equal(test_count(f->repo, QUEUE_ANY), 1);
}

static void
dd__sync_after_each_write(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file = create(f, NAME);

	for (size_t i = 0; i < strlen(DOC); i++) {
		assert_err(inbox_write(file, i, &DOC[i], 1, &f->e), ERR_OK, &f->e);
		assert_err(inbox_sync(file, &f->e), ERR_OK, &f->e);
	}
	flush(f, file);
	inbox_release(file);
	queued(f, NAME, DOC);
	/* What stays bad is told at the close. */
	file = create(f, "=2.json");
	put(f, file, 0, "{");
	assert_err(inbox_sync(file, &f->e), ERR_OK, &f->e);
	assert_err(inbox_flush(file, &f->e), ERR_FORMAT, &f->e);
	inbox_release(file);
	assert_int_equal(test_count(f->repo, QUEUE_FAILED), 1);
}

/* ---- what else can happen ---- */

static void
flush__again_after_another_write(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file = create(f, NAME);
	char piece[100];
	size_t got;
	int64_t id;

	put(f, file, 0, DOC);
	flush(f, file);
	id = queued(f, NAME, DOC);
	assert_err(inbox_read(file, 0, piece, sizeof(piece), &got, &f->e), ERR_OK, &f->e);
	assert_text(piece, got, DOC);
	assert_err(inbox_truncate(file, 0, &f->e), ERR_OK, &f->e);
	flush(f, file);
	queued(f, NAME, DOC);
	put(f, file, 0, DOC2);
	flush(f, file);
	inbox_release(file);
	assert_int_equal(queued(f, NAME, DOC2), id);
}

static void
flush__of_a_reader_queues_nothing(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *writer = create(f, NAME), *reader;
	struct view_attr attr;

	put(f, writer, 0, "{\"id\":1,");
	assert_err(inbox_lookup(f->inbox, f->table, NAME, &attr), ERR_OK, NULL);
	reader = open_ino(f, attr.ino, false);
	flush(f, reader);
	inbox_release(reader);
	nothing_queued(f);
	put(f, writer, 8, "\"a\":2}");
	flush(f, writer);
	inbox_release(writer);
	queued(f, NAME, "{\"id\":1,\"a\":2}");
}

static void
flush__of_a_reader_gets_no_refusal(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *writer = create(f, NAME), *reader;
	struct view_attr attr;

	assert_err(inbox_lookup(f->inbox, f->table, NAME, &attr), ERR_OK, NULL);
	reader = open_ino(f, attr.ino, false);
	put(f, writer, 0, "{\"id\":1,");
	assert_err(inbox_flush(writer, &f->e), ERR_FORMAT, &f->e);
	flush(f, reader);
	inbox_release(writer);
	flush(f, reader);
	inbox_release(reader);
	assert_int_equal(test_count(f->repo, QUEUE_ANY), 1);
}

/* A process that is not this one, and is no thread of it. */
#define OTHER 1

static void
close__by_one_who_inherited_the_file(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file = create(f, NAME);

	/* { echo '{"id":1,'; echo '"a":2}'; } >=1.json */
	inbox_opened_by(file, getpid());
	put(f, file, 0, "{\"id\":1,");
	assert_err(inbox_close(file, OTHER, &f->e), ERR_OK, &f->e);
	nothing_queued(f);
	put(f, file, 8, "\"a\":2}");
	assert_err(inbox_close(file, OTHER, &f->e), ERR_OK, &f->e);
	queued(f, NAME, "{\"id\":1,\"a\":2}");
	assert_err(inbox_close(file, getpid(), &f->e), ERR_OK, &f->e);
	inbox_release(file);
	queued(f, NAME, "{\"id\":1,\"a\":2}");
}

static void
close__of_what_is_never_completed(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file = create(f, NAME);

	inbox_opened_by(file, getpid());
	put(f, file, 0, "{\"id\":1,");
	assert_err(inbox_close(file, OTHER, &f->e), ERR_OK, &f->e);
	nothing_queued(f);
	/* The one who opened it hears of it ... */
	assert_err(inbox_close(file, getpid(), &f->e), ERR_FORMAT, &f->e);
	inbox_release(file);
	assert_int_equal(only(f, QUEUE_ANY).state, QUEUE_FAILED);
	/* ... and if it never closes the file, it is refused in the end all the same. */
	file = create(f, "=2.json");
	inbox_opened_by(file, getpid());
	put(f, file, 0, "{\"id\":1,");
	assert_err(inbox_close(file, OTHER, &f->e), ERR_OK, &f->e);
	inbox_release(file);
	assert_int_equal(test_count(f->repo, QUEUE_FAILED), 2);
	assert_int_equal(listed(f, f->table), 0);
}

static void *
close_here(void *arg)
{
	return inbox_close(arg, gettid(), NULL) == ERR_FORMAT ? arg : NULL;
}

static void
close__by_another_thread(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file = create(f, NAME);
	void *result = NULL;
	pthread_t thread;

	inbox_opened_by(file, getpid());
	put(f, file, 0, "{\"id\":1,");
	assert_int_equal(pthread_create(&thread, NULL, close_here, file), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_ptr_equal(result, file);
	inbox_release(file);
	assert_int_equal(test_count(f->repo, QUEUE_FAILED), 1);
}

static void
open__without_write_leaves_pending_alone(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file;
	struct queue_restore before, after;
	int64_t id;

	copy(f, NAME, DOC);
	id = queued(f, NAME, DOC);
	before = test_restore(f->repo, id);
	file = open_ino(f, queued_ino(id), false);
	flush(f, file);
	inbox_release(file);
	/* Truncated and closed: an empty file is no restore, and the one before still holds. */
	file = open_ino(f, queued_ino(id), true);
	flush(f, file);
	inbox_release(file);
	after = test_restore(f->repo, id);
	assert_int_equal(before.updated, after.updated);
	queued(f, NAME, DOC);
}

static void
open__twice_is_one_file(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *a, *b;
	struct view_attr attr;
	int64_t id;

	copy(f, NAME, DOC);
	id = queued(f, NAME, DOC);
	a = open_ino(f, queued_ino(id), false);
	b = open_ino(f, queued_ino(id), false);
	put(f, a, strlen(DOC), "{\"id\":2}\n");
	put(f, b, strlen(DOC) + 9, "{\"id\":3}\n");
	/* The size that a next append goes by is the file's, not yet the queue's. */
	assert_err(inbox_attr(f->inbox, queued_ino(id), &attr), ERR_OK, NULL);
	assert_int_equal(attr.size, strlen(DOC) + 18);
	assert_int_equal(attr.ino, queued_ino(id));
	flush(f, a);
	flush(f, b);
	inbox_release(a);
	inbox_release(b);
	assert_err(inbox_attr(f->inbox, queued_ino(id), &attr), ERR_ABSENT, NULL);
	assert_int_equal(queued(f, NAME, DOC "{\"id\":2}\n{\"id\":3}\n"), id);
}

static void
write__to_a_replaced_file_goes_nowhere(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *old = create(f, NAME), *file;

	put(f, old, 0, DOC2);
	flush(f, old);
	file = create(f, "sedAb12Cd");
	put(f, file, 0, DOC);
	flush(f, file);
	inbox_release(file);
	rename_to(f, "sedAb12Cd", NAME);
	put(f, old, 0, "{\"id\":1,\"name\":\"never\"}");
	flush(f, old);
	inbox_release(old);
	queued(f, NAME, DOC);
}

static void
unlink__while_it_is_written(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file = create(f, NAME);

	put(f, file, 0, DOC);
	assert_err(inbox_unlink(f->inbox, f->table, NAME, &f->e), ERR_OK, &f->e);
	flush(f, file);
	inbox_release(file);
	nothing_queued(f);
	assert_err(inbox_unlink(f->inbox, f->table, NAME, &f->e), ERR_ABSENT, &f->e);
}

static void
unlink__of_what_a_worker_has(void **state)
{
	struct fixture *f = *state;
	struct queue_restore r;
	struct queue *q = NULL;
	size_t got;

	copy(f, NAME, DOC);
	assert_err(queue_open(f->repo, true, &q, &f->e), ERR_OK, &f->e);
	assert_err(queue_claim(q, "w", 1, INT64_MAX / 2, &r, 1, &got, &f->e), ERR_OK, &f->e);
	queue_close(q);
	assert_err(inbox_unlink(f->inbox, f->table, NAME, &f->e), ERR_BUSY, &f->e);
	assert_err(inbox_rename(f->inbox, f->table, NAME, f->table, "b.json", false, &f->e),
	    ERR_BUSY, &f->e);
	assert_int_equal(only(f, QUEUE_RUNNING).id, r.id);
}

static void
rename__of_pending(void **state)
{
	struct fixture *f = *state;
	struct queue_restore r;
	struct buf bytes = {0};

	copy(f, NAME, DOC);
	rename_to(f, NAME, "=2.json");
	r = only(f, QUEUE_PENDING);
	assert_string_equal(r.name, "=2.json");
	test_payload(f->repo, r.id, &bytes);
	assert_text(bytes.data, bytes.len, DOC);
	buf_finish(&bytes);
	assert_err(inbox_rename(f->inbox, f->table, NAME, f->table, "x.json", false, &f->e),
	    ERR_ABSENT, &f->e);
}

static void
rename__noreplace(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file;

	copy(f, NAME, DOC);
	file = create(f, "a.tmp");
	put(f, file, 0, DOC2);
	inbox_release(file);
	assert_err(inbox_rename(f->inbox, f->table, "a.tmp", f->table, NAME, true, &f->e),
	    ERR_EXISTS, &f->e);
	queued(f, NAME, DOC);
	assert_int_equal(listed(f, f->table), 1);
	inbox_release(create(f, "b.tmp"));
	assert_err(inbox_rename(f->inbox, f->table, "a.tmp", f->table, "b.tmp", true, &f->e),
	    ERR_EXISTS, &f->e);
	assert_int_equal(listed(f, f->table), 2);
}

static void
rename__before_close(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file = create(f, "a.tmp");

	put(f, file, 0, DOC);
	flush(f, file);
	rename_to(f, "a.tmp", NAME);
	queued(f, NAME, DOC);
	flush(f, file);
	inbox_release(file);
	queued(f, NAME, DOC);
}

static void
rename__over_pending_that_is_open(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *open, *over;
	struct queue_restore r;
	struct view_attr attr;
	int64_t id;

	copy(f, "a.json", DOC);
	id = queued(f, "a.json", DOC);
	open = open_ino(f, queued_ino(id), false);
	copy(f, "b.json", DOC2);
	over = open_ino(f, queued_ino(id + 1), false);
	rename_to(f, "a.json", "b.json");
	put(f, open, 0, "{\"id\":9,\"name\":\"onx\"}\n\n");
	/* The one who has it open goes on with it under its new name; it keeps its number. */
	r = only(f, QUEUE_PENDING);
	assert_int_equal(r.id, id);
	assert_int_equal(only(f, QUEUE_CANCELLED).id, id + 1);
	assert_int_equal(r.bytes, strlen(DOC));
	assert_err(inbox_attr(f->inbox, queued_ino(r.id), &attr), ERR_OK, NULL);
	assert_int_equal(attr.size, strlen(DOC) + 1);
	flush(f, open);
	inbox_release(open);
	r = only(f, QUEUE_PENDING);
	assert_string_equal(r.name, "b.json");
	assert_int_equal(r.bytes, strlen(DOC) + 1);
	/* Who has the one open in whose place it came writes into nothing. */
	put(f, over, 0, DOC2);
	flush(f, over);
	inbox_release(over);
	assert_int_equal(only(f, QUEUE_PENDING).bytes, strlen(DOC) + 1);
}

static void
names__of_shards_are_the_trees(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file = NULL;
	struct view_attr attr;

	assert_err(inbox_make(f->inbox, f->table, "shard-07", false, &file, &attr, &f->e),
	    ERR_READONLY, &f->e);
	copy(f, "shard-07.json", DOC);
	queued(f, "shard-07.json", DOC);
}

static void
places__where_nothing_can_be_made(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file = NULL;
	struct view_attr attr;
	char name[NAME_MAX_BYTES + 2];
	uint64_t date = inode_pack((struct inode){.kind = INODE_DATE, .a = 1, .b = 0});
	uint64_t gone = table_ino(99);

	assert_err(
	    inbox_make(f->inbox, date, NAME, true, &file, &attr, &f->e), ERR_READONLY, &f->e);
	assert_err(inbox_make(f->inbox, gone, NAME, true, &file, &attr, &f->e), ERR_ABSENT, &f->e);
	memset(name, 'a', sizeof(name));
	name[NAME_MAX_BYTES + 1] = '\0';
	assert_err(
	    inbox_make(f->inbox, f->table, name, true, &file, &attr, &f->e), ERR_LIMIT, &f->e);
	assert_err(inbox_mkdir(f->inbox, f->table, "dir", &attr, &f->e), ERR_READONLY, &f->e);
	assert_err(inbox_mkdir(f->inbox, date, ".dir", &attr, &f->e), ERR_READONLY, &f->e);
	assert_err(inbox_unlink(f->inbox, f->table, ".restore", &f->e), ERR_READONLY, &f->e);
	assert_err(inbox_rmdir(f->inbox, f->table, "shard-00", &f->e), ERR_READONLY, &f->e);
	assert_err(inbox_unlink(f->inbox, date, NAME, &f->e), ERR_READONLY, &f->e);
	copy(f, ".a", DOC);
	assert_err(
	    inbox_rename(f->inbox, f->table, ".a", f->other, NAME, false, &f->e), ERR_ARG, &f->e);
	assert_err(
	    inbox_rename(f->inbox, f->table, ".a", date, NAME, false, &f->e), ERR_READONLY, &f->e);
	nothing_queued(f);
}

static void
make__exclusive(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file = NULL;
	struct view_attr attr;

	copy(f, NAME, DOC);
	assert_err(
	    inbox_make(f->inbox, f->table, NAME, true, &file, &attr, &f->e), ERR_EXISTS, &f->e);
	inbox_release(create(f, "a.tmp"));
	assert_err(
	    inbox_make(f->inbox, f->table, "a.tmp", true, &file, &attr, &f->e), ERR_EXISTS, &f->e);
	assert_err(inbox_make(f->inbox, f->table, NAME, false, &file, &attr, &f->e), ERR_OK, &f->e);
	assert_int_equal(attr.size, 0);
	put(f, file, 0, DOC2);
	flush(f, file);
	inbox_release(file);
	queued(f, NAME, DOC2);
}

static void
truncate__by_path(void **state)
{
	struct fixture *f = *state;
	int64_t id;

	copy(f, NAME, "{\"id\":1}{\"id\":2}");
	id = queued(f, NAME, "{\"id\":1}{\"id\":2}");
	assert_err(inbox_truncate_path(f->inbox, queued_ino(id), 8, &f->e), ERR_OK, &f->e);
	assert_int_equal(queued(f, NAME, "{\"id\":1}"), id);
	assert_err(inbox_truncate_path(f->inbox, queued_ino(id), 0, &f->e), ERR_OK, &f->e);
	queued(f, NAME, "{\"id\":1}");
}

/* ---- refusals ---- */

/* Copying ${text} in is answered with ${want}; the reason has ${words}, and the bytes are kept. */
static void
refused(struct fixture *f, const char *name, const char *text, int want, const char *words)
{
	unsigned before = test_count(f->repo, QUEUE_ANY);
	struct inbox_file *file = create(f, name);
	struct queue_filter filter = {.database = "shop", .table = "orders", .states = QUEUE_ANY};
	struct queue_restore r = {0};
	struct buf bytes = {0};
	struct queue *q = NULL;

	put(f, file, 0, text);
	assert_err(inbox_flush(file, &f->e), want, &f->e);
	assert_non_null(strstr(f->e.text, words));
	/* The same content: the same answer, and not stored twice. */
	assert_err(inbox_flush(file, &f->e), want, &f->e);
	inbox_release(file);
	assert_int_equal(test_count(f->repo, QUEUE_ANY), before + 1);
	assert_err(queue_open(f->repo, false, &q, &f->e), ERR_OK, &f->e);
	assert_err(queue_find(q, &filter, name, &r, &f->e), ERR_OK, &f->e);
	queue_close(q);
	assert_int_equal(r.state, QUEUE_FAILED);
	assert_int_equal(r.documents, 0);
	test_payload(f->repo, r.id, &bytes);
	assert_text(bytes.data, bytes.len, text);
	buf_clear(&bytes);
	test_reason(f->repo, r.id, &bytes);
	assert_non_null(strstr(buf_str(&bytes), words));
	buf_finish(&bytes);
	assert_int_equal(listed(f, f->table), 0);
}

static void
refused__contents(void **state)
{
	struct fixture *f = *state;

	refused(f, "a.json", "{\"id\":1", ERR_FORMAT, "line 1");
	refused(f, "b.json", "{\"id\":1}\n{\"id\":2}\n{\"id\" 3}\n", ERR_FORMAT, "line 3");
	refused(f, "c.json", "{\"name\":1}", ERR_KEY, "id");
	refused(f, "d.json", "{\"id\":null}", ERR_KEY, "line 1");
	refused(f, "e.json", "[1,2]", ERR_FORMAT, "object");
	refused(f, "f.json", " \n", ERR_FORMAT, "no document");
}

static void
refused__does_not_displace_a_good_one(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file;
	struct buf bytes = {0};
	int64_t id;

	copy(f, NAME, DOC);
	id = queued(f, NAME, DOC);
	file = open_ino(f, queued_ino(id), true);
	put(f, file, 0, "{\"id\":");
	assert_err(inbox_flush(file, &f->e), ERR_FORMAT, &f->e);
	test_payload(f->repo, only(f, QUEUE_PENDING).id, &bytes);
	assert_text(bytes.data, bytes.len, DOC);
	buf_finish(&bytes);
	/* And when it has been put right, it does. */
	assert_err(inbox_truncate(file, 0, &f->e), ERR_OK, &f->e);
	put(f, file, 0, DOC2);
	flush(f, file);
	inbox_release(file);
	assert_int_equal(only(f, QUEUE_PENDING).id, id);
	assert_int_equal(test_restore(f->repo, id).bytes, strlen(DOC2));
	only(f, QUEUE_FAILED);
}

static void
refused__at_rename(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file = create(f, "." NAME ".Ab12Cd");

	put(f, file, 0, "{\"id\":1,}");
	flush(f, file);
	inbox_release(file);
	assert_err(
	    inbox_rename(f->inbox, f->table, "." NAME ".Ab12Cd", f->table, NAME, false, &f->e),
	    ERR_FORMAT, &f->e);
	assert_string_equal(only(f, QUEUE_ANY).name, NAME);
	assert_int_equal(only(f, QUEUE_FAILED).bytes, 9);
	assert_int_equal(listed(f, f->table), 0);
}

static void
refused__the_key_is_the_tables_own(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file = NULL;
	struct view_attr attr;

	assert_err(
	    inbox_make(f->inbox, f->other, "x.json", true, &file, &attr, &f->e), ERR_OK, &f->e);
	put(f, file, 0, DOC);
	assert_err(inbox_flush(file, &f->e), ERR_KEY, &f->e);
	assert_non_null(strstr(f->e.text, "code"));
	inbox_release(file);
}

/* ---- sizes and numbers ---- */

static void
bytes__grow_out_of_memory_and_back(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file = create(f, NAME);
	struct view_attr attr;
	struct buf want = {0}, got = {0};

	/* Written from the back, with holes: zeros, which are replaced bit by bit. */
	for (unsigned i = 40000; i-- > 0;) {
		char line[32];
		int n = snprintf(line, sizeof(line), "{\"id\":%07u}\n", 1000000 + i);
		assert_err(
		    inbox_write(file, (uint64_t)i * 15, line, (size_t)n, &f->e), ERR_OK, &f->e);
	}
	for (unsigned i = 0; i < 40000; i++)
		assert_int_equal(buf_printf(&want, "{\"id\":%07u}\n", 1000000 + i), ERR_OK);
	assert_true(want.len > 2 * INBOX_MEMORY);
	assert_err(inbox_file_attr(file, &attr), ERR_OK, NULL);
	assert_int_equal(attr.size, want.len);
	flush(f, file);
	inbox_release(file);
	assert_int_equal(only(f, QUEUE_PENDING).documents, 40000);
	test_payload(f->repo, only(f, QUEUE_PENDING).id, &got);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.data, want.data, want.len);
	/* The payload of a pending one comes back through a file, too. */
	file = open_ino(f, queued_ino(only(f, QUEUE_PENDING).id), false);
	assert_err(inbox_truncate(file, 15, &f->e), ERR_OK, &f->e);
	assert_err(inbox_truncate(file, 17, &f->e), ERR_OK, &f->e);
	assert_err(inbox_write(file, 15, "\n\n", 2, &f->e), ERR_OK, &f->e);
	flush(f, file);
	inbox_release(file);
	queued(f, NAME, "{\"id\":1000000}\n\n\n");
	buf_finish(&want);
	buf_finish(&got);
}

static void
bytes__holes_are_zeros(void **state)
{
	static const char zeros[8];
	struct fixture *f = *state;
	struct inbox_file *file = create(f, "a.tmp");
	char got[16];
	size_t n;

	/* Cut and lengthened, within memory and then in a file. */
	for (uint64_t base = 0; base <= 2 * INBOX_MEMORY; base += 2 * INBOX_MEMORY) {
		put(f, file, base, "abcdefghij");
		assert_err(inbox_truncate(file, base + 2, &f->e), ERR_OK, &f->e);
		assert_err(inbox_truncate(file, base + 6, &f->e), ERR_OK, &f->e);
		put(f, file, base + 10, "k");
		assert_err(inbox_read(file, base, got, sizeof(got), &n, &f->e), ERR_OK, &f->e);
		assert_int_equal(n, 11);
		assert_memory_equal(got, "ab", 2);
		assert_memory_equal(got + 2, zeros, 8);
		assert_int_equal(got[10], 'k');
	}
	inbox_release(file);
}

static void
bytes__over_the_limit(void **state)
{
	struct fixture *f = *state;
	struct inbox_file *file = create(f, NAME);
	struct view_attr attr;

	assert_err(inbox_write(file, INBOX_FILE_MAX, "x", 1, &f->e), ERR_LIMIT, &f->e);
	assert_err(inbox_write(file, UINT64_MAX, "x", 1, &f->e), ERR_LIMIT, &f->e);
	assert_err(inbox_truncate(file, INBOX_FILE_MAX + 1, &f->e), ERR_LIMIT, &f->e);
	assert_err(inbox_file_attr(file, &attr), ERR_OK, NULL);
	assert_int_equal(attr.size, 0);
	inbox_release(file);
}

static void
files__the_oldest_closed_ones_go(void **state)
{
	static struct inbox_file *open[INBOX_FILES];
	struct fixture *f = *state;
	struct inbox_file *file = NULL;
	struct view_attr attr;
	char name[32];

	for (unsigned i = 0; i < INBOX_FILES; i++) {
		snprintf(name, sizeof(name), ".%u", i);
		open[i] = create(f, name);
	}
	assert_err(
	    inbox_make(f->inbox, f->table, "more", true, &file, &attr, &f->e), ERR_NOSPACE, &f->e);
	inbox_release(open[7]);
	inbox_release(open[3]);
	inbox_release(open[11]);
	inbox_release(create(f, "more"));
	assert_err(inbox_lookup(f->inbox, f->table, ".7", &attr), ERR_ABSENT, NULL);
	assert_err(inbox_lookup(f->inbox, f->table, ".3", &attr), ERR_OK, NULL);
	assert_err(inbox_lookup(f->inbox, f->table, ".11", &attr), ERR_OK, NULL);
	assert_err(inbox_lookup(f->inbox, f->table, "more", &attr), ERR_OK, NULL);
	for (unsigned i = 0; i < INBOX_FILES; i++)
		if (i != 3 && i != 7 && i != 11)
			inbox_release(open[i]);
}

/* ---- threads ---- */

#define THREADS 8
#define ROUNDS 20

struct writer {
	struct fixture *f;
	unsigned number;
	pthread_t thread;
};

static void *
write_many(void *arg)
{
	struct writer *w = arg;
	struct inbox *b = w->f->inbox;

	for (unsigned i = 0; i < ROUNDS; i++) {
		char name[32], temp[64], doc[64];
		struct inbox_file *file = NULL;
		struct inbox_entry entry = {0};
		struct view_attr attr;
		snprintf(name, sizeof(name), "=%u%03u.json", w->number + 1, i);
		snprintf(temp, sizeof(temp), ".%s.Ab12Cd", name);
		snprintf(doc, sizeof(doc), "{\"id\":%u%03u}", w->number + 1, i);
		if (inbox_make(b, w->f->table, i % 2 ? name : temp, true, &file, &attr, NULL) !=
			ERR_OK ||
		    inbox_write(file, 0, doc, strlen(doc), NULL) != ERR_OK ||
		    inbox_flush(file, NULL) != ERR_OK)
			return NULL;
		inbox_release(file);
		if (i % 2 == 0 &&
		    inbox_rename(b, w->f->table, temp, w->f->table, name, false, NULL) != ERR_OK)
			return NULL;
		while (inbox_list(b, w->f->table, entry.attr.ino, &entry) == ERR_OK)
			inbox_attr(b, entry.attr.ino, &attr);
		/* All threads write this one. */
		if (inbox_make(b, w->f->table, "=0.json", false, &file, &attr, NULL) != ERR_OK ||
		    inbox_write(file, 0, "{\"id\":0}", 8, NULL) != ERR_OK ||
		    inbox_flush(file, NULL) != ERR_OK)
			return NULL;
		inbox_release(file);
	}
	return w;
}

static void
threads__each_file_once(void **state)
{
	struct fixture *f = *state;
	struct writer writers[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		writers[i] = (struct writer){.f = f, .number = i};
		assert_int_equal(
		    pthread_create(&writers[i].thread, NULL, write_many, &writers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		void *result = NULL;
		assert_int_equal(pthread_join(writers[i].thread, &result), 0);
		assert_ptr_equal(result, &writers[i]);
	}
	assert_int_equal(test_count(f->repo, QUEUE_PENDING), THREADS * ROUNDS + 1);
	assert_int_equal(test_count(f->repo, QUEUE_ANY), THREADS * ROUNDS + 1);
	assert_int_equal(listed(f, f->table), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(shell__redirect),
	    TEST(shell__append),
	    TEST(touch__makes_no_restore),
	    TEST(cp__new),
	    TEST(cp__over_pending),
	    TEST(cp__over_one_that_is_done),
	    TEST(mv__within_the_directory),
	    TEST(rsync__temporary_name),
	    TEST(rsync__update_of_pending),
	    TEST(rsync__inplace),
	    TEST(rsync__delay_updates),
	    TEST(sed__in_place),
	    TEST(vim__in_place),
	    TEST(editor__keeps_the_old_file_aside),
	    TEST(editor__gives_up_and_puts_the_old_file_back),
	    TEST(tar__unlinks_first),
	    TEST(dd__fsync_then_close),
	    TEST(dd__sync_after_each_write),
	    TEST(flush__again_after_another_write),
	    TEST(flush__of_a_reader_queues_nothing),
	    TEST(flush__of_a_reader_gets_no_refusal),
	    TEST(close__by_one_who_inherited_the_file),
	    TEST(close__of_what_is_never_completed),
	    TEST(close__by_another_thread),
	    TEST(open__without_write_leaves_pending_alone),
	    TEST(open__twice_is_one_file),
	    TEST(write__to_a_replaced_file_goes_nowhere),
	    TEST(unlink__while_it_is_written),
	    TEST(unlink__of_what_a_worker_has),
	    TEST(rename__of_pending),
	    TEST(rename__noreplace),
	    TEST(rename__before_close),
	    TEST(rename__over_pending_that_is_open),
	    TEST(names__of_shards_are_the_trees),
	    TEST(places__where_nothing_can_be_made),
	    TEST(make__exclusive),
	    TEST(truncate__by_path),
	    TEST(refused__contents),
	    TEST(refused__does_not_displace_a_good_one),
	    TEST(refused__at_rename),
	    TEST(refused__the_key_is_the_tables_own),
	    TEST(bytes__grow_out_of_memory_and_back),
	    TEST(bytes__holes_are_zeros),
	    TEST(bytes__over_the_limit),
	    TEST(files__the_oldest_closed_ones_go),
	    TEST(threads__each_file_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
