/*
 * Tests of catalog/base/sandbox.c and of what a repository lets confined processes do, each in a
 * child. Where the kernel lacks a means, what it would keep away must still work.
 * Promises: 8, 9, 10.
 */
#include "tests/catalog/fixture.h"

#include "catalog/base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a child is to find. */
struct child {
	struct fixture *f;
	struct queue *queue;
	struct sandbox sandbox;
	struct sandbox_path paths[REPO_PATHS + 1];
	unsigned walls;
};

/* Run ${body} in a confined child; it returns 0, or the line of what is wrong. */
static void
in_child(struct fixture *f, struct sandbox sandbox, int (*body)(struct child *c))
{
	struct child c = {.f = f, .sandbox = sandbox};
	int status;
	pid_t pid;

	catalog_close(f->c);
	f->c = NULL;
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct catalog *catalog;
		if (catalog_open(f->repo, CATALOG_READ, &catalog, NULL) != ERR_OK ||
		    queue_open(f->repo, true, &c.queue, NULL) != ERR_OK)
			_exit(254);
		c.sandbox.paths = c.paths;
		c.sandbox.n_paths = repo_paths(f->repo, true, c.paths);
		if (sandbox_enter(&c.sandbox, &c.walls, NULL) != ERR_OK)
			_exit(253);
		_exit(body(&c) & 0xff);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define NEED(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond))                                                                       \
			return __LINE__;                                                           \
	} while (0)

/* Whether opening ${path} of the repository gave what the walls let through. */
static bool
opens(const struct child *c, const char *path, int flags, bool allowed)
{
	int fd = openat(c->f->repo->dirfd, path, flags | O_CLOEXEC, 0600);
	int failed = errno;

	if (fd >= 0)
		close(fd);
	if (allowed || (c->walls & SANDBOX_FILES) == 0)
		return fd >= 0;
	return fd < 0 && failed == EACCES;
}

static int
body_files(struct child *c)
{
	uint64_t generation;

	NEED(opens(c, "packs/new", O_WRONLY | O_CREAT, false));
	NEED(opens(c, "new", O_WRONLY | O_CREAT, false));
	NEED(opens(c, "catalog.db", O_RDWR, false));
	NEED(opens(c, "catalog.db", O_RDONLY, true));
	NEED(opens(c, "lock", O_RDWR, false));
	NEED(opens(c, "queue.db", O_RDWR, true));
	NEED(opens(c, "queue.db-wal", O_RDWR, true));
	NEED(opens(c, "scratch/new", O_RDWR | O_CREAT, true));
	NEED(unlinkat(c->f->repo->dirfd, "scratch/new", 0) == 0);
	NEED(opens(c, "scratch", O_TMPFILE | O_RDWR, true));
	NEED(queue_generation(c->queue, &generation, NULL) == ERR_OK);
	if ((c->walls & SANDBOX_FILES) != 0) {
		NEED(unlinkat(c->f->repo->dirfd, "lock", 0) != 0 && errno == EACCES);
		NEED(renameat(c->f->repo->dirfd, "lock", c->f->repo->dirfd, "packs/lock") != 0);
	}
	return 0;
}

static void
sandbox__leaves_the_queue_and_scratch(void **state)
{
	struct fixture *f = *state;
	int fd;

	assert_err(repo_scratch(f->repo, &fd, &f->e), ERR_OK, &f->e);
	close(fd);
	in_child(f, (struct sandbox){.read_all = true}, body_files);
}

/* Ends the payload at once. */
static int
no_bytes(void *arg, uint64_t off, void *out, size_t room, size_t *got, struct err *e)
{
	(void)arg;
	(void)off;
	(void)out;
	(void)room;
	(void)e;
	*got = 0;
	return ERR_OK;
}

/* What was replaced is written over, with documents so long that SQLite wants files for less. */
static int
body_long_documents(struct child *c)
{
	static char document[1 << 20];
	struct queue_request req = {.database = "shop",
	    .table = "orders",
	    .name = "a.json",
	    .documents = 1,
	    .read = no_bytes};
	struct key key = {0};
	struct queue_replaced r = {.key = &key, .document = document, .len = sizeof(document)};
	int64_t id;

	memset(document, 'x', sizeof(document));
	NEED(key_put_number(&key, 0, 1) == ERR_OK);
	NEED(queue_put(c->queue, &req, 1, &id, NULL) == ERR_OK);
	NEED(queue_remember(c->queue, id, "rethinkdb://h", &r, 1, NULL) == ERR_OK);
	r.len /= 2;
	NEED(queue_remember(c->queue, id, "rethinkdb://h", &r, 1, NULL) == ERR_OK);
	r.document = NULL;
	NEED(queue_remember(c->queue, id, "rethinkdb://h", &r, 1, NULL) == ERR_OK);
	return 0;
}

static void
sandbox__the_queue_needs_no_other_files(void **state)
{
	in_child(*state, (struct sandbox){.read_all = true}, body_long_documents);
}

static int
body_reading(struct child *c)
{
	int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

	/* A sanitizer needs to read. */
	if (TEST_SANITIZED || (c->walls & SANDBOX_FILES) == 0)
		return fd >= 0 ? 0 : __LINE__;
	NEED(fd < 0 && errno == EACCES);
	return 0;
}

static void
sandbox__reads_only_what_is_named(void **state)
{
	in_child(*state, (struct sandbox){0}, body_reading);
}

/* A call of the kernel's that is refused as the filter does it. */
static bool
refused(const struct child *c, int result)
{
	return (c->walls & SANDBOX_CALLS) == 0 || (result < 0 && errno == EPERM);
}

static int
body_calls(struct child *c)
{
	char program[] = "/bin/true";
	char *argv[] = {program, NULL};
	char *environment[] = {NULL};

	NEED(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	NEED((c->walls & SANDBOX_CALLS) == 0 || prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2);
	NEED(refused(c, execve(program, argv, environment)));
	NEED(refused(c, fchmod(c->f->repo->dirfd, 0777)));
	NEED(c->sandbox.network == (socket(AF_INET, SOCK_STREAM, 0) >= 0));
	NEED(c->sandbox.network || refused(c, socket(AF_UNIX, SOCK_STREAM, 0)));
	NEED(c->sandbox.network || c->sandbox.syslog == (socket(AF_UNIX, SOCK_DGRAM, 0) >= 0));
	NEED(c->sandbox.network || refused(c, socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
	return 0;
}

static void
sandbox__starts_nothing_and_connects_to_nothing(void **state)
{
	in_child(*state, (struct sandbox){0}, body_calls);
}

static void
sandbox__syslog_needs_one_kind_of_socket(void **state)
{
	in_child(*state, (struct sandbox){.syslog = true}, body_calls);
}

static void
sandbox__network_is_for_who_needs_it(void **state)
{
	in_child(*state, (struct sandbox){.read_all = true, .network = true}, body_calls);
}

static void
sandbox__memory_with_a_password_is_not_dumped(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit core;
		sandbox_guard_memory();
		_exit(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 &&
			      getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0
			  ? 0
			  : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
repo_check_owner__of_directories_that_others_can_change(void **state)
{
	struct fixture *f = *state;

	assert_err(repo_check_owner(f->repo, f->path, &f->e), ERR_OK, &f->e);
	assert_int_equal(chmod(f->path, 0770), 0);
	assert_err(repo_check_owner(f->repo, f->path, &f->e), ERR_DENIED, &f->e);
	assert_int_equal(chmod(f->path, 0702), 0);
	assert_err(repo_check_owner(f->repo, f->path, &f->e), ERR_DENIED, &f->e);
	assert_int_equal(chmod(f->path, 0755), 0);
	assert_err(repo_check_owner(f->repo, f->path, &f->e), ERR_OK, &f->e);
	if (geteuid() != 0)
		return;
	assert_int_equal(chown(f->path, 12345, 12345), 0);
	assert_err(repo_check_owner(f->repo, f->path, &f->e), ERR_DENIED, &f->e);
	assert_non_null(strstr(f->e.text, "12345"));
	assert_int_equal(chown(f->path, 0, 0), 0);
}

static void
repo_check_owner__of_links(void **state)
{
	struct fixture *f = *state;
	char link[600];

	snprintf(link, sizeof(link), "%s/link", f->dir);
	assert_int_equal(symlink(f->path, link), 0);
	assert_err(repo_check_owner(f->repo, link, &f->e), ERR_OK, &f->e);
	if (geteuid() != 0)
		return;
	assert_int_equal(lchown(link, 12345, 12345), 0);
	assert_err(repo_check_owner(f->repo, link, &f->e), ERR_DENIED, &f->e);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(sandbox__leaves_the_queue_and_scratch),
	    TEST(sandbox__the_queue_needs_no_other_files),
	    TEST(sandbox__reads_only_what_is_named),
	    TEST(sandbox__starts_nothing_and_connects_to_nothing),
	    TEST(sandbox__syslog_needs_one_kind_of_socket),
	    TEST(sandbox__network_is_for_who_needs_it),
	    TEST(sandbox__memory_with_a_password_is_not_dumped),
	    TEST(repo_check_owner__of_directories_that_others_can_change),
	    TEST(repo_check_owner__of_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
