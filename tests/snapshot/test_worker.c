/* The worker: done and failed, waiting for the target, leases, and processes that are killed. */
#include "tests/support/table.h"

#include "catalog/base/date.h"
#include "snapshot/worker.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STOP_MS 10000 /* more than a stop takes on any machine, less than what is waited for */
#define CONFIG "{\"name\":\"orders\",\"primary_key\":\"id\"}"

struct fixture {
	char *dir;
	char target[512];
	struct repo *repo;
	struct worker_options options;
	struct worker_result result;
	struct err e;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = test_dir();
	f->repo = test_repo(f->dir);
	test_table(f->repo, "shop", "orders", "no", "{\"old\":1}");
	test_table(f->repo, "shop", "orders", "id", CONFIG);
	test_table(f->repo, "shop", "coupons", "code", "{\"primary_key\":\"code\"}");
	snprintf(f->target, sizeof(f->target), "%s/target", f->dir);
	f->options = (struct worker_options){.target = f->target, .once = true, .parent_fd = -1};
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	repo_close(f->repo);
	test_dir_remove(f->dir);
	free(f);
	return 0;
}

static void
run(struct fixture *f)
{
	assert_err(worker_run(f->repo, &f->options, &f->result, &f->e), ERR_OK, &f->e);
}

static void
holds(struct fixture *f, const char *name, const char *want)
{
	struct buf got = {0};
	char path[1024];

	snprintf(path, sizeof(path), "%s/shop/%s", f->target, name);
	test_read_file(path, &got);
	assert_text(got.data, got.len, want);
	buf_finish(&got);
}

static void
reason(struct fixture *f, int64_t id, const char *words)
{
	struct buf text = {0};

	test_reason(f->repo, id, &text);
	if (strstr(buf_str(&text), words) == NULL)
		fail_msg("no \"%s\" in: %s", words, (const char *)text.data);
	buf_finish(&text);
}

static void
pause_ms(int ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

/* Keep workers out of the target; close the result to let them in. */
static int
lock_target(struct fixture *f)
{
	int fd;

	mkdir(f->target, 0700);
	fd = open(f->target, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	return fd;
}

/* ---- carrying out ---- */

static void
run__nothing_to_do(void **state)
{
	struct fixture *f = *state;

	run(f);
	assert_int_equal(f->result.done, 0);
	assert_int_equal(f->result.failed, 0);
}

static void
run__two_tables(void **state)
{
	struct fixture *f = *state;
	int64_t a = test_put(f->repo, "orders", "a.json", "{\"id\": 2, \"v\": 1.0}", 1);
	int64_t b = test_put(f->repo, "coupons", "b.json", "{\"code\":\"X\"}\n{\"code\":\"A\"}", 2);
	int64_t c = test_put(f->repo, "orders", "c.json", "[{\"id\":1}]", 1);

	run(f);
	assert_int_equal(f->result.done, 3);
	assert_int_equal(test_restore(f->repo, a).state, QUEUE_DONE);
	assert_int_equal(test_restore(f->repo, b).state, QUEUE_DONE);
	assert_int_equal(test_restore(f->repo, c).state, QUEUE_DONE);
	assert_int_equal(test_restore(f->repo, a).attempts, 1);
	holds(f, "orders.json", "[\n{\"id\":1},\n{\"id\":2,\"v\":1}\n]\n");
	holds(f, "orders.info", CONFIG "\n");
	holds(f, "coupons.json", "[\n{\"code\":\"A\"},\n{\"code\":\"X\"}\n]\n");
}

static void
run__the_later_restore_wins(void **state)
{
	struct fixture *f = *state;

	test_put(f->repo, "orders", "a.json", "{\"id\":1,\"v\":\"first\"}", 1);
	test_put(f->repo, "orders", "b.json", "{\"id\":1,\"v\":\"second\"}", 1);
	run(f);
	holds(f, "orders.json", "[\n{\"id\":1,\"v\":\"second\"}\n]\n");
	test_put(f->repo, "orders", "a.json", "{\"id\":1,\"v\":\"third\"}", 1);
	run(f);
	holds(f, "orders.json", "[\n{\"id\":1,\"v\":\"third\"}\n]\n");
}

static void
run__more_than_a_batch(void **state)
{
	struct fixture *f = *state;
	struct buf want = {0};

	buf_puts(&want, "[\n");
	for (unsigned i = 0; i < 300; i++) {
		char name[32], doc[32];
		snprintf(name, sizeof(name), "=%u.json", i);
		snprintf(doc, sizeof(doc), "{\"id\":%u}", i);
		test_put(f->repo, "orders", name, doc, 1);
		buf_printf(&want, "%s%s\n", doc, i < 299 ? "," : "");
	}
	buf_puts(&want, "]\n");
	run(f);
	assert_int_equal(f->result.done, 300);
	assert_int_equal(test_count(f->repo, QUEUE_DONE), 300);
	holds(f, "orders.json", buf_str(&want));
	buf_finish(&want);
}

static void
run__default_target(void **state)
{
	struct fixture *f = *state;

	f->options.target = NULL;
	test_put(f->repo, "orders", "a.json", "{\"id\":1}", 1);
	run(f);
	snprintf(f->target, sizeof(f->target), "%s/repo/restores", f->dir);
	holds(f, "orders.json", "[\n{\"id\":1}\n]\n");
}

/* ---- failing ---- */

static void
run__unknown_table(void **state)
{
	struct fixture *f = *state;
	int64_t bad = test_put(f->repo, "nothing", "a.json", "{\"id\":1}", 1);
	int64_t good = test_put(f->repo, "orders", "b.json", "{\"id\":1}", 1);

	run(f);
	assert_int_equal(f->result.done, 1);
	assert_int_equal(f->result.failed, 1);
	assert_int_equal(test_restore(f->repo, bad).state, QUEUE_FAILED);
	assert_int_equal(test_restore(f->repo, good).state, QUEUE_DONE);
	reason(f, bad, "shop.nothing");
}

static void
run__bad_payload_fails_alone(void **state)
{
	struct fixture *f = *state;
	int64_t a = test_put(f->repo, "orders", "a.json", "{\"id\":1}", 1);
	int64_t b = test_put(f->repo, "orders", "b.json", "{\"id\":7}\n{\"id\":2,}", 1);
	int64_t c = test_put(f->repo, "orders", "c.json", "{\"code\":\"other table's\"}", 1);
	int64_t d = test_put(f->repo, "orders", "d.json", "{\"id\":4}", 1);

	run(f);
	assert_int_equal(f->result.done, 2);
	assert_int_equal(f->result.failed, 2);
	assert_int_equal(test_restore(f->repo, a).state, QUEUE_DONE);
	assert_int_equal(test_restore(f->repo, b).state, QUEUE_FAILED);
	assert_int_equal(test_restore(f->repo, c).state, QUEUE_FAILED);
	assert_int_equal(test_restore(f->repo, d).state, QUEUE_DONE);
	reason(f, b, "line 2");
	reason(f, c, "id");
	/* Nothing of a bad one, not even its good documents. */
	holds(f, "orders.json", "[\n{\"id\":1},\n{\"id\":4}\n]\n");
}

static void
run__target_that_cannot_be_merged(void **state)
{
	struct fixture *f = *state;
	char path[600];
	int64_t ids[3];

	mkdir(f->target, 0700);
	snprintf(path, sizeof(path), "%s/shop", f->target);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/shop/orders.json", f->target);
	test_write_file(path, "not json", 8);
	for (unsigned i = 0; i < 3; i++)
		ids[i] = test_put(f->repo, "orders", "a.json", "{\"id\":1}", 1);
	run(f);
	assert_int_equal(f->result.failed, 3);
	for (unsigned i = 0; i < 3; i++)
		reason(f, ids[i], "shop/orders.json");
	holds(f, "orders.json", "not json");
	/* Put right and retried. */
	unlink(path);
	for (unsigned i = 0; i < 3; i++) {
		struct queue *q = NULL;
		assert_err(queue_open(f->repo, true, &q, &f->e), ERR_OK, &f->e);
		assert_err(
		    queue_retry(q, ids[i], QUEUE_POLICY_NONE, date_now(), &f->e), ERR_OK, &f->e);
		queue_close(q);
	}
	run(f);
	assert_int_equal(f->result.done, 3);
	holds(f, "orders.json", "[\n{\"id\":1}\n]\n");
}

/* The table was made again with another key field since the target got its documents. */
static void
run__target_with_another_key_fails_for_good(void **state)
{
	struct fixture *f = *state;
	int64_t id;

	test_put(f->repo, "orders", "a.json", "{\"id\":1,\"no\":5}", 1);
	run(f);
	test_table(f->repo, "shop", "orders", "no", "{\"primary_key\":\"no\"}");
	id = test_put(f->repo, "orders", "b.json", "{\"id\":2,\"no\":5}", 1);
	run(f);
	assert_int_equal(f->result.failed, 1);
	assert_int_equal(test_restore(f->repo, id).state, QUEUE_FAILED);
	reason(f, id, "the key field of shop.orders is \"id\" in ");
	holds(f, "orders.json", "[\n{\"id\":1,\"no\":5}\n]\n");
	holds(f, "orders.info", CONFIG "\n");
}

static void
run__busy_target_puts_off(void **state)
{
	struct fixture *f = *state;
	int64_t id = test_put(f->repo, "orders", "a.json", "{\"id\":1}", 1);
	int64_t other = test_put(f->repo, "orders", "b.json", "{\"id\":2}", 1);
	int fd = lock_target(f);
	struct queue_restore r;

	run(f);
	assert_int_equal(f->result.done, 0);
	assert_int_equal(f->result.failed, 0);
	assert_int_equal(f->result.put_off, 2);
	r = test_restore(f->repo, id);
	assert_int_equal(r.state, QUEUE_PENDING);
	assert_int_equal(r.attempts, 1);
	assert_in_range(r.not_before - r.updated, 900, 1000);
	reason(f, id, "another worker");
	assert_int_equal(test_restore(f->repo, other).state, QUEUE_PENDING);
	/* Not before its time; after the second try it waits twice as long. */
	run(f);
	assert_int_equal(test_restore(f->repo, id).attempts, 1);
	pause_ms((int)(r.not_before - date_now() + 1100));
	run(f);
	r = test_restore(f->repo, id);
	assert_int_equal(r.attempts, 2);
	assert_in_range(r.not_before - r.updated, 1900, 2000);
	close(fd);
	pause_ms((int)(r.not_before - date_now() + 1100));
	run(f);
	assert_int_equal(f->result.done, 2);
	holds(f, "orders.json", "[\n{\"id\":1},\n{\"id\":2}\n]\n");
}

static void
run__no_target_at_all(void **state)
{
	struct fixture *f = *state;
	int64_t id = test_put(f->repo, "orders", "a.json", "{\"id\":1}", 1);

	test_write_file(f->target, "x", 1);
	assert_true(worker_run(f->repo, &f->options, &f->result, &f->e) < 0);
	assert_non_null(strstr(f->e.text, f->target));
	assert_int_equal(test_restore(f->repo, id).state, QUEUE_PENDING);
	assert_int_equal(test_restore(f->repo, id).attempts, 0);
}

/* ---- processes ---- */

static volatile sig_atomic_t stop;

static void
on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* A worker in a process of its own, which SIGTERM stops. */
static pid_t
start(struct fixture *f)
{
	struct sigaction action = {.sa_handler = on_signal};
	pid_t pid = fork();

	if (pid == 0) {
		sigaction(SIGTERM, &action, NULL);
		f->options.stop = &stop;
		_exit(worker_run(f->repo, &f->options, NULL, NULL) == ERR_OK ? 0 : 1);
	}
	assert_true(pid > 0);
	return pid;
}

/* Tell it to stop, and see that it does within a second or so. */
static void
stop_now(pid_t pid)
{
	int64_t began = date_now();
	int status;

	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_in_range(date_now() - began, 0, STOP_MS);
}

static void
kill_now(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void
killed__before_it_applied(void **state)
{
	struct fixture *f = *state;
	int64_t id = test_put(f->repo, "orders", "a.json", "{\"id\":1}", 1);
	int fd = lock_target(f);
	pid_t pid;

	f->options.lease = 400;
	pid = start(f);
	for (int i = 0; test_restore(f->repo, id).state != QUEUE_RUNNING; i++) {
		assert_true(i < 500);
		pause_ms(10);
	}
	kill_now(pid);
	close(fd);
	/* It still counts as held ... */
	run(f);
	assert_int_equal(f->result.done, 0);
	assert_int_equal(test_restore(f->repo, id).state, QUEUE_RUNNING);
	/* ... until the lease has run out. */
	pause_ms(450);
	run(f);
	assert_int_equal(f->result.done, 1);
	assert_int_equal(test_restore(f->repo, id).attempts, 2);
	holds(f, "orders.json", "[\n{\"id\":1}\n]\n");
}

/* One that was asleep for longer than its lease must not write over what has been done since. */
static void
paused__until_a_newer_one_was_done(void **state)
{
	struct fixture *f = *state;
	int64_t id = test_put(f->repo, "orders", "a.json", "{\"id\":1,\"v\":\"old\"}", 1);
	int fd = lock_target(f), status;
	pid_t pid;

	f->options.lease = 400;
	pid = start(f);
	for (int i = 0; test_restore(f->repo, id).state != QUEUE_RUNNING; i++) {
		assert_true(i < 500);
		pause_ms(10);
	}
	assert_int_equal(kill(pid, SIGSTOP), 0);
	pause_ms(450);
	/* The worker has inherited the lock. */
	assert_int_equal(flock(fd, LOCK_UN), 0);
	close(fd);
	run(f);
	assert_int_equal(f->result.done, 1);
	test_put(f->repo, "orders", "b.json", "{\"id\":1,\"v\":\"new\"}", 1);
	run(f);
	assert_int_equal(f->result.done, 1);
	assert_int_equal(kill(pid, SIGCONT), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	holds(f, "orders.json", "[\n{\"id\":1,\"v\":\"new\"}\n]\n");
	assert_int_equal(test_count(f->repo, QUEUE_DONE), 2);
}

static void
killed__while_it_reports(void **state)
{
	struct fixture *f = *state;
	struct buf want = {0};
	char path[600];
	unsigned before;
	pid_t pid;

	buf_puts(&want, "[\n");
	for (unsigned i = 0; i < 200; i++) {
		char name[32], doc[32];
		snprintf(name, sizeof(name), "=%u.json", i);
		snprintf(doc, sizeof(doc), "{\"id\":%u}", i);
		test_put(f->repo, "orders", name, doc, 1);
		buf_printf(&want, "%s%s\n", doc, i < 199 ? "," : "");
	}
	buf_puts(&want, "]\n");
	f->options.lease = 400;
	snprintf(path, sizeof(path), "%s/shop/orders.json", f->target);
	pid = start(f);
	for (int i = 0; access(path, F_OK) != 0; i++) {
		assert_true(i < 10000);
		pause_ms(1);
	}
	kill_now(pid);
	before = test_count(f->repo, QUEUE_DONE);
	assert_int_equal(test_count(f->repo, QUEUE_DONE | QUEUE_RUNNING), 200);
	pause_ms(450);
	run(f);
	assert_int_equal(f->result.done, 200 - before);
	assert_int_equal(test_count(f->repo, QUEUE_DONE), 200);
	holds(f, "orders.json", buf_str(&want));
	buf_finish(&want);
}

/* ---- stopping ---- */

struct background {
	struct fixture *f;
	int rc;
	pthread_t thread;
};

static void *
work(void *arg)
{
	struct background *b = arg;

	b->rc = worker_run(b->f->repo, &b->f->options, &b->f->result, NULL);
	return NULL;
}

static void
wait_for(struct fixture *f, int64_t id, enum queue_state state)
{
	for (int i = 0; test_restore(f->repo, id).state != state; i++) {
		assert_true(i < 3000);
		pause_ms(10);
	}
}

static void
stop__by_signal(void **state)
{
	struct fixture *f = *state;
	pid_t pid;

	f->options.once = false;
	pid = start(f);
	/* It sees what comes in while it is idle. */
	wait_for(f, test_put(f->repo, "orders", "a.json", "{\"id\":1}", 1), QUEUE_DONE);
	pause_ms(600);
	wait_for(f, test_put(f->repo, "orders", "b.json", "{\"id\":2}", 1), QUEUE_DONE);
	stop_now(pid);
}

static void
stop__when_the_parent_has_gone(void **state)
{
	struct fixture *f = *state;
	struct background b = {.f = f};
	int ends[2];
	int64_t began;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	f->options.once = false;
	f->options.parent_fd = ends[0];
	assert_int_equal(pthread_create(&b.thread, NULL, work, &b), 0);
	wait_for(f, test_put(f->repo, "orders", "a.json", "{\"id\":1}", 1), QUEUE_DONE);
	began = date_now();
	close(ends[1]);
	assert_int_equal(pthread_join(b.thread, NULL), 0);
	assert_int_equal(b.rc, ERR_OK);
	assert_in_range(date_now() - began, 0, 150);
	close(ends[0]);
}

static void
stop__before_the_first_claim(void **state)
{
	struct fixture *f = *state;
	volatile sig_atomic_t already = 1;
	int64_t id = test_put(f->repo, "orders", "a.json", "{\"id\":1}", 1);

	f->options.stop = &already;
	run(f);
	assert_int_equal(test_restore(f->repo, id).attempts, 0);
	assert_int_equal(test_restore(f->repo, id).state, QUEUE_PENDING);
}

static void
stop__gives_back_what_it_holds(void **state)
{
	struct fixture *f = *state;
	int64_t id = test_put(f->repo, "orders", "a.json", "{\"id\":1}", 1);
	int fd = lock_target(f);
	bool at_once = false;

	f->options.once = false;
	/* On a busy machine it may have put the restore off before the stop reached it. */
	for (int i = 0; i < 4 && !at_once; i++) {
		pid_t pid = start(f);
		wait_for(f, id, QUEUE_RUNNING);
		stop_now(pid);
		assert_int_equal(test_restore(f->repo, id).state, QUEUE_PENDING);
		/* The next worker need not wait for anything. */
		at_once = test_restore(f->repo, id).not_before <= date_now();
	}
	assert_true(at_once);
	close(fd);
}

static void
workers__two_at_a_time(void **state)
{
	struct fixture *f = *state;
	pid_t pids[2];

	for (unsigned i = 0; i < 100; i++) {
		char name[32], doc[32];
		snprintf(name, sizeof(name), "=%u.json", i);
		snprintf(doc, sizeof(doc), "{\"id\":%u}", i);
		test_put(f->repo, i % 2 ? "orders" : "coupons", name,
		    i % 2 ? doc : "{\"code\":\"A\"}", 1);
	}
	for (unsigned i = 0; i < 2; i++)
		pids[i] = start(f);
	for (unsigned i = 0; i < 2; i++) {
		int status;
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	/* One may have had to wait for the other: then it has put its batch off. */
	for (int i = 0; test_count(f->repo, QUEUE_DONE) < 100; i++) {
		assert_true(i < 40);
		pause_ms(250);
		run(f);
	}
	assert_int_equal(test_count(f->repo, QUEUE_ANY), 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(run__nothing_to_do),
	    TEST(run__two_tables),
	    TEST(run__the_later_restore_wins),
	    TEST(run__more_than_a_batch),
	    TEST(run__default_target),
	    TEST(run__unknown_table),
	    TEST(run__bad_payload_fails_alone),
	    TEST(run__target_that_cannot_be_merged),
	    TEST(run__target_with_another_key_fails_for_good),
	    TEST(run__busy_target_puts_off),
	    TEST(run__no_target_at_all),
	    TEST(killed__before_it_applied),
	    TEST(paused__until_a_newer_one_was_done),
	    TEST(killed__while_it_reports),
	    TEST(stop__by_signal),
	    TEST(stop__when_the_parent_has_gone),
	    TEST(stop__before_the_first_claim),
	    TEST(stop__gives_back_what_it_holds),
	    TEST(workers__two_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
