/* The target directory: the layout, merging by key, what is refused, and crashes. */
#include "tests/support/test.h"

#include "snapshot/target.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONFIG "{\"primary_key\":\"id\"}"

struct fixture {
	char *dir;
	char path[512]; /* of the target */
	int dirfd;
	struct target *target;
	struct target_table table;
	struct err e;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = test_dir();
	f->dirfd = open(f->dir, O_RDONLY | O_DIRECTORY);
	assert_true(f->dirfd >= 0);
	snprintf(f->path, sizeof(f->path), "%s/target", f->dir);
	assert_err(target_open(f->path, &f->target, &f->e), ERR_OK, &f->e);
	f->table = (struct target_table){.database = "shop",
	    .table = "orders",
	    .primary_key = "id",
	    .config = CONFIG,
	    .config_len = strlen(CONFIG)};
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	target_close(f->target);
	close(f->dirfd);
	test_dir_remove(f->dir);
	free(f);
	return 0;
}

static void
add(struct fixture *f, struct sort *s, unsigned id, const char *text)
{
	struct key key = {0};
	char doc[256];

	snprintf(doc, sizeof(doc), "{\"id\":%u,\"v\":\"%s\"}", id, text);
	assert_int_equal(key_put_number(&key, 0, id), ERR_OK);
	assert_err(sort_add(s, &key, doc, strlen(doc), &f->e), ERR_OK, &f->e);
}

/* Apply documents given as "ID TEXT ID TEXT ...", in that order. */
static int
apply(struct fixture *f, const char *documents)
{
	struct sort *s = NULL;
	unsigned id;
	char text[64];
	int n, rc;

	assert_err(sort_create(f->dirfd, 0, &s, &f->e), ERR_OK, &f->e);
	for (; sscanf(documents, "%u %63s%n", &id, text, &n) == 2; documents += n)
		add(f, s, id, text);
	rc = target_apply(f->target, &f->table, s, &f->e);
	sort_free(s);
	return rc;
}

static const char *
path_of(struct fixture *f, const char *name)
{
	static char path[1024];

	snprintf(path, sizeof(path), "%s/shop/%s", f->path, name);
	return path;
}

static void
holds(struct fixture *f, const char *name, const char *want)
{
	struct buf got = {0};

	test_read_file(path_of(f, name), &got);
	assert_text(got.data, got.len, want);
	buf_finish(&got);
}

static void
write_text(struct fixture *f, const char *name, const char *text)
{
	char dir[600];

	snprintf(dir, sizeof(dir), "%s/shop", f->path);
	mkdir(dir, 0700);
	test_write_file(path_of(f, name), text, strlen(text));
}

/* The number of files in DIR/shop; 0 when there is no such directory. */
static unsigned
files(struct fixture *f)
{
	DIR *d = opendir(path_of(f, "."));
	unsigned n = 0;

	if (d == NULL)
		return 0;
	for (struct dirent *entry; (entry = readdir(d)) != NULL;)
		n += entry->d_name[0] != '.' || entry->d_name[1] == 't';
	closedir(d);
	return n;
}

/* ---- what is written ---- */

static void
apply__new_table(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_err(apply(f, "2 two 10 ten 1 one"), ERR_OK, &f->e);
	holds(f, "orders.json",
	    "[\n{\"id\":1,\"v\":\"one\"},\n{\"id\":2,\"v\":\"two\"},\n{\"id\":10,\"v\":\"ten\"}\n]"
	    "\n");
	holds(f, "orders.info", CONFIG "\n");
	assert_int_equal(files(f), 2);
	assert_int_equal(stat(path_of(f, "orders.json"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(path_of(f, "."), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

static void
apply__no_documents(void **state)
{
	struct fixture *f = *state;

	assert_err(apply(f, ""), ERR_OK, &f->e);
	holds(f, "orders.json", "[\n]\n");
	assert_err(apply(f, "1 one"), ERR_OK, &f->e);
	holds(f, "orders.json", "[\n{\"id\":1,\"v\":\"one\"}\n]\n");
}

static void
apply__merges_with_an_export(void **state)
{
	struct fixture *f = *state;

	/* As rethinkdb export writes it, in any order, and with a key twice. */
	write_text(f, "orders.json",
	    "[\n{\"id\": 7, \"v\": \"\\u00e9\"},\n{\"v\": \"x\", \"id\": 3},\n{\"id\": 5},\n"
	    "{\"id\": 7, \"v\": \"last\"}\n]\n");
	assert_err(apply(f, "4 new 3 early 3 late"), ERR_OK, &f->e);
	holds(f, "orders.json",
	    "[\n{\"id\":3,\"v\":\"late\"},\n{\"id\":4,\"v\":\"new\"},\n{\"id\":5},\n"
	    "{\"id\":7,\"v\":\"last\"}\n]\n");
}

static void
apply__twice_gives_the_same(void **state)
{
	struct fixture *f = *state;
	struct stat before, after;

	assert_err(apply(f, "1 a 2 b 1 c"), ERR_OK, &f->e);
	assert_int_equal(stat(path_of(f, "orders.info"), &before), 0);
	assert_err(apply(f, "1 a 2 b 1 c"), ERR_OK, &f->e);
	holds(f, "orders.json", "[\n{\"id\":1,\"v\":\"c\"},\n{\"id\":2,\"v\":\"b\"}\n]\n");
	assert_int_equal(stat(path_of(f, "orders.info"), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

static void
apply__info_that_differs_is_replaced(void **state)
{
	struct fixture *f = *state;

	write_text(f, "orders.info", "{\"primary_key\": \"id\", \"indexes\": []}\n");
	assert_err(apply(f, "1 a"), ERR_OK, &f->e);
	holds(f, "orders.info", CONFIG "\n");
}

/* Neither merging nor writing all anew may read documents by a field that is not their key. */
static void
apply__another_key_field_is_refused(void **state)
{
	static const char there[] = "[{\"no\":1,\"id\":1},{\"no\":2,\"id\":1}]";
	struct fixture *f = *state;

	write_text(f, "orders.json", there);
	write_text(f, "orders.info", "{\"primary_key\":\"no\"}\n");
	for (int exact = 0; exact < 2; exact++) {
		f->table.exact = exact;
		assert_err(apply(f, "1 a"), ERR_ARG, &f->e);
		assert_non_null(strstr(f->e.text, "the key field of shop.orders is \"no\" in "));
		holds(f, "orders.json", there);
		holds(f, "orders.info", "{\"primary_key\":\"no\"}\n");
	}
}

static void
apply__damaged_info_is_refused(void **state)
{
	static const char *const bad[] = {"", "{\"primary_key\":\"id\"", "{}",
	    "{\"primary_key\":\"\"}", "[1]", "{\"primary_key\":1}"};
	struct fixture *f = *state;

	write_text(f, "orders.json", "[{\"id\":7}]");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_text(f, "orders.info", bad[i]);
		assert_err(apply(f, "1 a"), ERR_FORMAT, &f->e);
		assert_non_null(strstr(f->e.text, "cannot add to shop.orders: "));
		assert_non_null(strstr(f->e.text, "shop/orders.info: "));
		holds(f, "orders.json", "[{\"id\":7}]");
		holds(f, "orders.info", bad[i]);
	}
}

static void
apply__many_in_little_memory(void **state)
{
	struct fixture *f = *state;
	struct sort *s = NULL;
	struct buf got = {0};
	const char *at;

	for (unsigned round = 0; round < 2; round++) {
		assert_err(sort_create(f->dirfd, 65536, &s, &f->e), ERR_OK, &f->e);
		/* Odd numbers first, from the end; then even ones, and some again. */
		for (unsigned i = 0; i < 50000; i++)
			add(f, s, 100000 - 2 * i - round, round == 0 ? "even" : "odd");
		if (round == 1)
			add(f, s, 2, "again");
		assert_err(target_apply(f->target, &f->table, s, &f->e), ERR_OK, &f->e);
		sort_free(s);
	}
	test_read_file(path_of(f, "orders.json"), &got);
	at = buf_str(&got);
	assert_memory_equal(at, "[\n", 2);
	at += 2;
	for (unsigned i = 1; i <= 100000; i++) {
		char want[64];
		int n = snprintf(want, sizeof(want), "{\"id\":%u,\"v\":\"%s\"}%s\n", i,
		    i == 2  ? "again"
		    : i % 2 ? "odd"
			    : "even",
		    i < 100000 ? "," : "");
		if (strncmp(at, want, (size_t)n) != 0)
			fail_msg("document %u: %.60s", i, at);
		at += n;
	}
	assert_string_equal(at, "]\n");
	buf_finish(&got);
}

/* ---- what is refused ---- */

static void
foreign(struct fixture *f, const char *text, const char *words)
{
	write_text(f, "orders.json", text);
	assert_err(apply(f, "1 a"), ERR_FORMAT, &f->e);
	assert_non_null(strstr(f->e.text, "target/shop/orders.json"));
	assert_non_null(strstr(f->e.text, words));
	holds(f, "orders.json", text);
	assert_int_equal(files(f), 1);
}

static void
apply__broken_file(void **state)
{
	struct fixture *f = *state;

	foreign(f, "", "no document");
	foreign(f, "[\n{\"id\":1},\n{\"id\":2", "line 3");
	foreign(f, "[\n{\"id\":1},\n{\"other\":2}\n]\n", "line 3");
	foreign(f, "[\n{\"id\":1} {\"id\":2}\n]\n", "line 2");
	foreign(f, "PK\003\004 something else", "line 1");
}

static void
apply__file_that_is_none(void **state)
{
	struct fixture *f = *state;
	char path[600];

	write_text(f, "elsewhere", "[\n{\"id\":9}\n]\n");
	assert_int_equal(symlink("elsewhere", path_of(f, "orders.json")), 0);
	assert_err(apply(f, "1 a"), ERR_FORMAT, &f->e);
	holds(f, "elsewhere", "[\n{\"id\":9}\n]\n");
	assert_int_equal(unlink(path_of(f, "orders.json")), 0);
	assert_int_equal(mkfifo(path_of(f, "orders.json"), 0600), 0);
	assert_err(apply(f, "1 a"), ERR_FORMAT, &f->e);
	assert_int_equal(unlink(path_of(f, "orders.json")), 0);
	assert_int_equal(mkdir(path_of(f, "orders.json"), 0700), 0);
	assert_err(apply(f, "1 a"), ERR_FORMAT, &f->e);
	/* Nor a directory that leads out of the target. */
	f->table.database = "away";
	snprintf(path, sizeof(path), "%s/away", f->path);
	assert_int_equal(symlink("/tmp", path), 0);
	assert_err(apply(f, "1 a"), ERR_FORMAT, &f->e);
	assert_int_equal(unlink(path), 0);
	test_write_file(path, "x", 1);
	assert_err(apply(f, "1 a"), ERR_FORMAT, &f->e);
}

static void
apply__names(void **state)
{
	struct fixture *f = *state;
	char longest[254];

	f->table.database = "..";
	assert_err(apply(f, "1 a"), ERR_ARG, &f->e);
	f->table.database = "shop";
	f->table.table = "../orders";
	assert_err(apply(f, "1 a"), ERR_ARG, &f->e);
	memset(longest, 'a', sizeof(longest));
	longest[251] = '\0';
	f->table.table = longest;
	assert_err(apply(f, "1 a"), ERR_ARG, &f->e);
	longest[250] = '\0';
	assert_err(apply(f, "1 a"), ERR_OK, &f->e);
}

static void
apply__another_worker(void **state)
{
	struct fixture *f = *state;
	int fd = open(f->path, O_RDONLY | O_DIRECTORY);

	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_err(apply(f, "1 a"), ERR_BUSY, &f->e);
	assert_int_equal(files(f), 0);
	close(fd);
	assert_err(apply(f, "1 a"), ERR_OK, &f->e);
}

static void
open__kinds(void **state)
{
	struct fixture *f = *state;
	struct target *t = NULL;
	char path[600];

	assert_err(target_open("rethinkdb://localhost", &t, &f->e), ERR_ARG, &f->e);
	assert_err(target_open("", &t, &f->e), ERR_ARG, &f->e);
	snprintf(path, sizeof(path), "%s/file", f->dir);
	test_write_file(path, "x", 1);
	assert_err(target_open(path, &t, &f->e), ERR_ARG, &f->e);
	assert_null(t);
}

/* ---- giving up and crashing ---- */

struct steps {
	int left;  /* steps until it happens */
	bool kill; /* what happens: the process dies; else ERR_INTR */
};

static int
step(void *arg, struct err *e)
{
	struct steps *s = arg;

	if (s->left-- > 0)
		return ERR_OK;
	if (s->kill)
		raise(SIGKILL);
	return err_set(e, ERR_INTR, "told to stop");
}

static void
apply__gives_up_at_any_step(void **state)
{
	struct fixture *f = *state;
	struct steps s = {0};
	int rc = ERR_INTR;

	f->table.step = step;
	f->table.arg = &s;
	for (int n = 0; rc != ERR_OK; n++) {
		s.left = n;
		rc = apply(f, "1 a 2 b");
		assert_true(n < 100);
		assert_int_equal(files(f), rc == ERR_OK ? 2 : 0);
		assert_int_equal(access(path_of(f, "."), F_OK), rc == ERR_OK ? 0 : -1);
	}
	rc = ERR_INTR;
	for (int n = 0; rc != ERR_OK; n++) {
		s.left = n;
		rc = apply(f, "3 c");
		if (rc != ERR_OK)
			holds(f, "orders.json",
			    "[\n{\"id\":1,\"v\":\"a\"},\n{\"id\":2,\"v\":\"b\"}\n]\n");
		assert_int_equal(files(f), 2);
	}
	holds(f, "orders.json",
	    "[\n{\"id\":1,\"v\":\"a\"},\n{\"id\":2,\"v\":\"b\"},\n{\"id\":3,\"v\":\"c\"}\n]\n");
}

/* Apply in a process of its own, killed after ${n} steps. Return whether it came to its end. */
static bool
apply_killed(struct fixture *f, int n)
{
	struct steps s = {.left = n, .kill = true};
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct target *own = NULL;
		if (target_open(f->path, &own, NULL) != ERR_OK)
			_exit(1);
		f->target = own;
		f->table.step = step;
		f->table.arg = &s;
		_exit(apply(f, "1 new 3 new") == ERR_OK ? 0 : 2);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return false;
	assert_int_equal(WEXITSTATUS(status), 0);
	return true;
}

static void
apply__killed_at_any_step(void **state)
{
	struct fixture *f = *state;
	bool through = false;

	assert_err(apply(f, "1 a 2 b"), ERR_OK, &f->e);
	for (int n = 0; !through; n++) {
		assert_true(n < 100);
		through = apply_killed(f, n);
		if (!through)
			holds(f, "orders.json",
			    "[\n{\"id\":1,\"v\":\"a\"},\n{\"id\":2,\"v\":\"b\"}\n]\n");
	}
	holds(f, "orders.json",
	    "[\n{\"id\":1,\"v\":\"new\"},\n{\"id\":2,\"v\":\"b\"},\n{\"id\":3,\"v\":\"new\"}\n]\n");
	assert_int_equal(files(f), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(apply__new_table),
	    TEST(apply__no_documents),
	    TEST(apply__merges_with_an_export),
	    TEST(apply__twice_gives_the_same),
	    TEST(apply__info_that_differs_is_replaced),
	    TEST(apply__another_key_field_is_refused),
	    TEST(apply__damaged_info_is_refused),
	    TEST(apply__many_in_little_memory),
	    TEST(apply__broken_file),
	    TEST(apply__file_that_is_none),
	    TEST(apply__names),
	    TEST(apply__another_worker),
	    TEST(open__kinds),
	    TEST(apply__gives_up_at_any_step),
	    TEST(apply__killed_at_any_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
