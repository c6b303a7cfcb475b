/* Tests of catalog/repo.c: what a repository is, how it is made, and its lock. */
#include "tests/support/test.h"

#include "catalog/repo.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
	char *dir;      /* temporary directory */
	char path[512]; /* dir/repo */
	struct err e;   /* for the calls of a test */
};

static int
setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->dir = test_dir();
	snprintf(p->path, sizeof(p->path), "%s/repo", p->dir);
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	struct place *p = *state;

	test_dir_remove(p->dir);
	free(p);
	return 0;
}

static unsigned
mode_of(const struct place *p, const char *name)
{
	char path[600];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", p->path, name);
	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

/* The number of entries in a directory, -1 when there is none. */
static int
entries(const char *path)
{
	DIR *dir = opendir(path);
	int n = -2;

	if (dir == NULL)
		return -1;
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static void
repo_create__modes_whatever_the_umask(void **state)
{
	static const mode_t masks[] = {0, 022, 0777};
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		mode_t old = umask(masks[i]);
		int rc;
		snprintf(p->path, sizeof(p->path), "%s/repo%zu", p->dir, i);
		rc = repo_create(p->path, &p->e);
		umask(old);
		assert_err(rc, ERR_OK, &p->e);
		assert_int_equal(mode_of(p, ""), 0700);
		assert_int_equal(mode_of(p, "packs"), 0700);
		assert_int_equal(mode_of(p, "lock"), 0600);
		assert_int_equal(mode_of(p, "catalog.db"), 0600);
		assert_int_equal(mode_of(p, "queue.db"), 0600);
		/* Nothing is left of making it: no logs, no shared memory. */
		assert_int_equal(entries(p->path), 4);
	}
}

static void
repo_create__in_an_empty_directory(void **state)
{
	struct place *p = *state;

	assert_int_equal(mkdir(p->path, 0755), 0);
	assert_err(repo_create(p->path, &p->e), ERR_OK, &p->e);
	assert_int_equal(mode_of(p, ""), 0700);
}

static void
repo_create__never_over_something(void **state)
{
	struct place *p = *state;
	char file[600];

	assert_int_equal(mkdir(p->path, 0755), 0);
	snprintf(file, sizeof(file), "%s/precious", p->path);
	test_write_file(file, "x", 1);
	assert_err(repo_create(p->path, &p->e), ERR_EXISTS, &p->e);
	assert_non_null(strstr(p->e.text, "not empty"));
	assert_int_equal(entries(p->path), 1);
	assert_int_equal(mode_of(p, ""), 0755);
	assert_err(repo_create(file, &p->e), ERR_EXISTS, &p->e);
	snprintf(file, sizeof(file), "%s/no/where", p->dir);
	assert_err(repo_create(file, &p->e), ERR_ABSENT, &p->e);
	assert_int_equal(unlink(strcat(p->path, "/precious")), 0);
	p->path[strlen(p->path) - strlen("/precious")] = '\0';
	assert_err(repo_create(p->path, &p->e), ERR_OK, &p->e);
	assert_err(repo_create(p->path, &p->e), ERR_EXISTS, &p->e);
	assert_non_null(strstr(p->e.text, "repository already"));
	assert_int_equal(entries(p->path), 4);
}

/* No byte can be written: the limit on the size of files stands for a full disk. */
static void
repo_create__leaves_nothing_after_a_failure(void **state)
{
	struct place *p = *state;
	struct rlimit old, none;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	none = old;
	none.rlim_cur = 0;
	signal(SIGXFSZ, SIG_IGN);
	for (int existed = 0; existed < 2; existed++) {
		int rc;
		if (existed != 0)
			assert_int_equal(mkdir(p->path, 0700), 0);
		setrlimit(RLIMIT_FSIZE, &none);
		rc = repo_create(p->path, &p->e);
		setrlimit(RLIMIT_FSIZE, &old);
		assert_err(rc, ERR_NOSPACE, &p->e);
		assert_int_equal(entries(p->path), existed != 0 ? 0 : -1);
	}
	signal(SIGXFSZ, SIG_DFL);
	assert_err(repo_create(p->path, &p->e), ERR_OK, &p->e);
}

static void
repo_open__only_a_repository(void **state)
{
	struct place *p = *state;
	struct repo *repo = NULL;
	char part[600];

	assert_err(repo_open(p->path, &repo, &p->e), ERR_NOTREPO, &p->e);
	assert_non_null(strstr(p->e.text, "thinkback init"));
	assert_int_equal(mkdir(p->path, 0755), 0);
	assert_err(repo_open(p->path, &repo, &p->e), ERR_NOTREPO, &p->e);
	assert_non_null(strstr(p->e.text, "thinkback init"));
	snprintf(part, sizeof(part), "%s/packs", p->path);
	assert_int_equal(mkdir(part, 0755), 0);
	assert_err(repo_open(p->path, &repo, &p->e), ERR_NOTREPO, &p->e);
	assert_non_null(strstr(p->e.text, "catalog.db is missing"));
	assert_int_equal(rmdir(part), 0);
	snprintf(part, sizeof(part), "%s/catalog.db", p->path);
	test_write_file(part, "", 0);
	assert_err(repo_open(p->path, &repo, &p->e), ERR_NOTREPO, &p->e);
	assert_non_null(strstr(p->e.text, "packs is missing"));
	assert_err(repo_open(part, &repo, &p->e), ERR_NOTREPO, &p->e);
	assert_null(repo);
}

static void
repo_open__absolute_path_and_descriptors(void **state)
{
	struct place *p = *state;
	struct repo *repo = NULL;
	char link[600], *full;
	struct stat a, b;

	assert_err(repo_create(p->path, &p->e), ERR_OK, &p->e);
	snprintf(link, sizeof(link), "%s/link", p->dir);
	assert_int_equal(symlink("repo", link), 0);
	assert_err(repo_open(link, &repo, &p->e), ERR_OK, &p->e);
	full = realpath(p->path, NULL);
	assert_string_equal(repo->path, full);
	assert_int_equal(fstat(repo->dirfd, &a), 0);
	assert_int_equal(stat(p->path, &b), 0);
	assert_true(a.st_ino == b.st_ino);
	assert_int_equal(faccessat(repo->packsfd, "../catalog.db", F_OK, 0), 0);
	assert_true((fcntl(repo->packsfd, F_GETFD) & FD_CLOEXEC) != 0);
	free(full);
	repo_close(repo);
	repo_close(NULL);
}

static void
repo_lock__one_at_a_time(void **state)
{
	struct place *p = *state;
	struct repo *repo = NULL;
	int first = -1, second = -1;
	char pid[32];

	assert_err(repo_create(p->path, &p->e), ERR_OK, &p->e);
	assert_err(repo_open(p->path, &repo, &p->e), ERR_OK, &p->e);
	assert_err(repo_lock(repo, &first, &p->e), ERR_OK, &p->e);
	assert_err(repo_lock(repo, &second, &p->e), ERR_BUSY, &p->e);
	assert_int_equal(second, -1);
	snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
	assert_non_null(strstr(p->e.text, pid));
	close(first);
	assert_err(repo_lock(repo, &second, &p->e), ERR_OK, &p->e);
	close(second);
	repo_close(repo);
}

/* A process that holds the lock and is killed gives it back. */
static void
repo_lock__ends_with_its_process(void **state)
{
	struct place *p = *state;
	struct repo *repo = NULL;
	int ready[2], fd = -1, status;
	char byte;
	pid_t child;

	assert_err(repo_create(p->path, &p->e), ERR_OK, &p->e);
	assert_err(repo_open(p->path, &repo, &p->e), ERR_OK, &p->e);
	assert_int_equal(pipe(ready), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int mine;
		if (repo_lock(repo, &mine, NULL) != ERR_OK || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_err(repo_lock(repo, &fd, &p->e), ERR_BUSY, &p->e);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_err(repo_lock(repo, &fd, &p->e), ERR_OK, &p->e);
	close(fd);
	close(ready[0]);
	close(ready[1]);
	repo_close(repo);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(repo_create__modes_whatever_the_umask),
	    TEST(repo_create__in_an_empty_directory),
	    TEST(repo_create__never_over_something),
	    TEST(repo_create__leaves_nothing_after_a_failure),
	    TEST(repo_open__only_a_repository),
	    TEST(repo_open__absolute_path_and_descriptors),
	    TEST(repo_lock__one_at_a_time),
	    TEST(repo_lock__ends_with_its_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
