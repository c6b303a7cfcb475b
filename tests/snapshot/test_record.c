/* What a run of a server saves besides its tables: what is asked, where it goes, what is taken
 * back. */
#include "catalog/runs.h"
#include "snapshot/capture.h"
#include "snapshot/check.h"
#include "snapshot/store/runfile.h"
#include "tests/support/server.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DENIED                                                                                     \
	"{\"t\":18,\"e\":6000000,\"r\":[\"User `bk` does not have the required `read` "            \
	"permission.\"]}"
#define PERMISSIONS                                                                                \
	"[{\"id\":[\"bob\"],\"user\":\"bob\",\"permissions\":{\"read\":true}},"                    \
	"{\"id\":[\"bob\",\"1\"],\"user\":\"bob\",\"database\":\"d\",\"permissions\":{"            \
	"\"write\":false}},"                                                                       \
	"{\"id\":[\"eve\",\"1\",\"2\"],\"user\":\"eve\",\"database\":\"d\",\"table\":\"t\","       \
	"\"permissions\":{\"config\":true}},"                                                      \
	"{\"id\":[\"eve\",\"1\",\"3\"],\"user\":\"eve\",\"database\":\"d\",\"table\":\"tt\","      \
	"\"permissions\":{}},"                                                                     \
	"{\"id\":[\"eve\",\"4\"],\"user\":\"eve\",\"database\":\"dd\",\"permissions\":{}}]"
#define RECORD                                                                                     \
	"{\"cluster_config\":[{\"id\":\"heartbeat\"}],\"permissions\":["                           \
	"{\"permissions\":{\"read\":true},\"user\":\"bob\"},"                                      \
	"{\"database\":\"d\",\"permissions\":{\"write\":false},\"user\":\"bob\"},"                 \
	"{\"database\":\"d\",\"permissions\":{\"config\":true},\"table\":\"t\",\"user\":\"eve\"}," \
	"{\"database\":\"d\",\"permissions\":{},\"table\":\"tt\",\"user\":\"eve\"},"               \
	"{\"database\":\"dd\",\"permissions\":{},\"user\":\"eve\"}],"                              \
	"\"server\":{\"version\":\"2.4.4\"},\"users\":[{\"id\":\"bob\",\"password\":true}]}"
#define CONFIG                                                                                     \
	"{\"indexes\":[],\"permissions\":["                                                        \
	"{\"permissions\":{\"read\":true},\"user\":\"bob\"},"                                      \
	"{\"database\":\"d\",\"permissions\":{\"write\":false},\"user\":\"bob\"},"                 \
	"{\"database\":\"d\",\"permissions\":{\"config\":true},\"table\":\"t\",\"user\":\"eve\"}]" \
	","                                                                                        \
	"\"primary_key\":\"id\",\"server\":{\"version\":\"2.4.4\"}}"

/* A server with the table d.t, one document in it, and a repository. */
struct world {
	struct server server;
	char *dir;
	char path[512];
	struct repo *repo;
	struct log log;
	struct buf lines; /* what it told */
	bool denied;      /* system tables may not be seen */
	bool lost;        /* the connection ends when a system table is asked for */
	int64_t date;     /* of the last run */
};

static void
world_system(const struct world *w, const char *query, struct buf *out)
{
	if (w->lost)
		return;
	if (w->denied)
		buf_puts(out, DENIED);
	else if (strstr(query, "\"permissions\"") != NULL)
		buf_puts(out, "{\"t\":1,\"r\":[" PERMISSIONS "]}");
	else if (strstr(query, "\"users\"") != NULL)
		buf_puts(out, "{\"t\":1,\"r\":[[{\"password\":true,\"id\":\"bob\"}]]}");
	else if (strstr(query, "\"cluster_config\"") != NULL)
		buf_puts(out, "{\"t\":1,\"r\":[[{\"id\":\"heartbeat\"}]]}");
	else if (strstr(query, "\"db_config\"") != NULL)
		buf_puts(out, "{\"t\":1,\"r\":[{\"no\":\"list\"}]}");
	else
		buf_puts(out, "{\"t\":18,\"e\":4100000,\"r\":[\"Table `x` does not exist.\"]}");
}

static void
world_answer(void *arg, unsigned connection, unsigned n, const char *query, struct buf *out)
{
	struct world *w = arg;
	int term = atoi(query + 4);
	(void)connection;
	(void)n;

	if (term == 59)
		buf_puts(out, "{\"t\":1,\"r\":[[\"d\"]]}");
	else if (term == 62)
		buf_puts(out, "{\"t\":1,\"r\":[[\"t\"]]}");
	else if (term == 79)
		buf_puts(out, "{\"t\":1,\"r\":[{\"primary_key\":\"id\"}]}");
	else if (term == 51)
		world_system(w, query, out);
	else if (term == 41)
		buf_puts(out, "{\"t\":2,\"r\":[{\"id\":1}]}");
	else if (term == 139)
		buf_puts(out, "{\"t\":1,\"r\":[[]]}");
	else
		buf_puts(out, DENIED);
}

static void
world_log(void *arg, enum log_level level, const char *text)
{
	struct world *w = arg;

	if (level <= LOG_NOTICE && strstr(text, "write hook") == NULL)
		assert_int_equal(buf_printf(&w->lines, "%d %s\n", (int)level, text), ERR_OK);
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->dir = test_dir();
	snprintf(w->path, sizeof(w->path), "%s/repo", w->dir);
	assert_int_equal(repo_create(w->path, NULL), ERR_OK);
	assert_int_equal(repo_open(w->path, &w->repo, NULL), ERR_OK);
	w->log = (struct log){.line = world_log, .arg = w, .most = LOG_DETAIL};
	w->server.answer = world_answer;
	w->server.arg = w;
	server_start(&w->server);
	w->date = 1000;
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	server_stop(&w->server);
	server_finish(&w->server);
	repo_close(w->repo);
	test_dir_remove(w->dir);
	buf_finish(&w->lines);
	free(w);
	return 0;
}

/* Take a snapshot as ${user}, ${record} says whether with what the server has besides. */
static int
take(struct world *w, const char *user, bool record, struct err *e)
{
	struct source_server server = {.user = user,
	    .record = record,
	    .log = &w->log,
	    .connect_ms = 5000,
	    .idle_ms = 5000,
	    .retry_ms = 1};
	struct capture_options options = {.has_date = true, .date = ++w->date};
	struct capture_result result;
	struct source *source;
	struct capture *c;
	int rc;

	assert_err(source_open_server(w->server.address, &server, &source, e), ERR_OK, e);
	assert_err(capture_open(w->repo, NULL, &c, e), ERR_OK, e);
	rc = capture_run(c, source, 0, &options, &result, e);
	capture_close(c);
	source_close(source);
	return rc;
}

static void
problem(void *arg, const char *text)
{
	assert_int_equal(buf_printf(arg, "%s\n", text), ERR_OK);
}

/* What check finds. */
static void
check(struct world *w, const char *expected)
{
	struct buf problems = {0};
	struct check_options options = {.problem = problem, .arg = &problems};
	struct check_result result;

	assert_int_equal(check_run(w->repo, &options, &result, NULL),
	    expected[0] == '\0' ? ERR_OK : ERR_CORRUPT);
	assert_non_null(buf_str(&problems));
	assert_string_equal((const char *)problems.data, expected);
	buf_finish(&problems);
}

static void
run_file(const struct world *w, int n, char path[600])
{
	snprintf(path, 600, "%s/packs/000000/%016x.run", w->path, (unsigned)n);
}

static void
record__in_catalogue_and_packs(void **state)
{
	struct world *w = *state;
	struct runfile file = {0};
	struct buf text = {0};
	struct catalog *cat;
	struct err e = {0};

	assert_err(take(w, "admin", true, &e), ERR_OK, &e);
	assert_err(catalog_open(w->repo, CATALOG_READ, &cat, &e), ERR_OK, &e);
	assert_err(runs_record(cat, 1, &text, &e), ERR_OK, &e);
	assert_string_equal(buf_str(&text), RECORD);
	assert_err(runfile_load(w->repo->packsfd, 1, &file, &e), ERR_OK, &e);
	assert_string_equal(buf_str(&file.record), RECORD);
	assert_string_equal(buf_str(&file.source), w->server.address);
	assert_int_equal(file.date, 1001);
	buf_clear(&text);
	assert_err(snapshots_config(cat, 1, &text, &e), ERR_OK, &e);
	assert_string_equal(buf_str(&text), CONFIG);
	catalog_close(cat);
	check(w, "");
	assert_int_equal(w->lines.len, 0);
	server_stop(&w->server);
	/* The split points are not of this server, and nothing else of that table is asked for. */
	assert_non_null(buf_str(&w->server.asked));
	assert_null(strstr((const char *)w->server.asked.data, "51,[[41,[[15,[[14,[\"rethinkdb\"]],"
							       "\"_debug"));
	runfile_finish(&file);
	buf_finish(&text);
}

/* What the user may not see is left out, with one line; the snapshot is taken all the same. */
static void
record__without_permission(void **state)
{
	struct world *w = *state;
	struct buf text = {0}, want = {0};
	struct catalog *cat;
	struct err e = {0};

	w->denied = true;
	assert_err(take(w, "bk", true, &e), ERR_OK, &e);
	assert_err(catalog_open(w->repo, CATALOG_READ, &cat, &e), ERR_OK, &e);
	assert_err(runs_record(cat, 1, &text, &e), ERR_OK, &e);
	assert_string_equal(buf_str(&text), "{\"server\":{\"version\":\"2.4.4\"}}");
	buf_clear(&text);
	assert_err(snapshots_config(cat, 1, &text, &e), ERR_OK, &e);
	assert_string_equal(buf_str(&text),
	    "{\"indexes\":[],\"primary_key\":\"id\",\"server\":{\"version\":\"2.4.4\"}}");
	catalog_close(cat);
	assert_int_equal(
	    buf_printf(&want,
		"2 %s: users, permissions, db_config, server_config, cluster_config are "
		"not saved: user \"bk\" lacks the permission \"read\" on the database "
		"\"rethinkdb\"\n",
		w->server.address + strlen("rethinkdb://")),
	    ERR_OK);
	assert_string_equal(buf_str(&w->lines), buf_str(&want));
	server_stop(&w->server);
	assert_non_null(buf_str(&w->server.asked));
	assert_null(strstr((const char *)w->server.asked.data, "_debug_table_status"));
	buf_finish(&text);
	buf_finish(&want);
}

/* Comparing and verifying do not ask for it, and have none. */
static void
record__only_when_wanted(void **state)
{
	struct world *w = *state;
	struct catalog *cat;
	struct buf text = {0};
	struct err e = {0};

	assert_err(take(w, "admin", false, &e), ERR_OK, &e);
	assert_err(catalog_open(w->repo, CATALOG_READ, &cat, &e), ERR_OK, &e);
	assert_err(runs_record(cat, 1, &text, &e), ERR_ABSENT, NULL);
	catalog_close(cat);
	assert_int_equal(runfile_load(w->repo->packsfd, 1, &(struct runfile){0}, NULL), ERR_ABSENT);
	check(w, "");
	server_stop(&w->server);
	assert_non_null(buf_str(&w->server.asked));
	assert_null(strstr((const char *)w->server.asked.data, "[1,[51,"));
	buf_finish(&text);
}

static void
record__connection_lost(void **state)
{
	struct world *w = *state;
	struct err e = {0};

	w->lost = true;
	assert_err(take(w, "admin", true, &e), ERR_IO, &e);
	assert_int_equal(runfile_load(w->repo->packsfd, 1, &(struct runfile){0}, NULL), ERR_ABSENT);
	check(w, "");
}

/* A file that a crash left before its run became visible goes when the next writer comes. */
static void
record__taken_back(void **state)
{
	struct world *w = *state;
	struct runfile file = {.id = 1, .date = 5};
	struct catalog *cat;
	struct err e = {0};
	int64_t id = 0;

	assert_err(catalog_open(w->repo, CATALOG_WRITE, &cat, &e), ERR_OK, &e);
	assert_err(catalog_begin(cat, &e), ERR_OK, &e);
	assert_err(snapshots_run_begin(cat, 5, "x", 5, &id, &e), ERR_OK, &e);
	assert_int_equal(id, 1);
	assert_err(runs_record_put(cat, id, "{}", 2, &e), ERR_OK, &e);
	assert_err(catalog_commit(cat, true, &e), ERR_OK, &e);
	catalog_close(cat);
	assert_err(runfile_save(w->repo->packsfd, &file, &e), ERR_OK, &e);
	check(w, "");
	assert_err(take(w, "admin", true, &e), ERR_OK, &e);
	assert_int_equal(runfile_load(w->repo->packsfd, 1, &file, NULL), ERR_ABSENT);
	assert_err(runfile_load(w->repo->packsfd, 2, &file, &e), ERR_OK, &e);
	runfile_finish(&file);
	check(w, "");
}

/* A record that is there already, of a run that the catalogue has lost, is never touched. */
static void
record__never_replaced(void **state)
{
	struct world *w = *state;
	struct runfile file = {.id = 1, .date = 5};
	struct err e = {0};

	assert_err(runfile_save(w->repo->packsfd, &file, &e), ERR_OK, &e);
	assert_err(take(w, "admin", true, &e), ERR_EXISTS, &e);
	assert_non_null(strstr(e.text, "older copy"));
	assert_err(runfile_load(w->repo->packsfd, 1, &file, &e), ERR_OK, &e);
	assert_int_equal(file.date, 5);
	runfile_finish(&file);
	assert_err(take(w, "admin", true, &e), ERR_OK, &e);
	check(w, "");
}

static void
record__checked(void **state)
{
	struct world *w = *state;
	struct runfile file = {.id = 1, .date = 1001};
	struct err e = {0};
	struct buf bytes = {0};
	char path[600];

	assert_err(take(w, "admin", true, &e), ERR_OK, &e);
	run_file(w, 1, path);
	test_read_file(path, &bytes);
	bytes.data[bytes.len - 1] ^= 1;
	unlink(path);
	test_write_file(path, bytes.data, bytes.len);
	check(w, "run 0000000000000001 is damaged: its checksum is wrong; run: thinkback check\n");
	unlink(path);
	check(w, "run 0000000000000001 is missing; run: thinkback check\n");
	assert_err(runfile_save(w->repo->packsfd, &file, &e), ERR_OK, &e);
	check(w, "the record of run 1 in packs/ is not the one in catalog.db\n");
	buf_finish(&bytes);
}

#define RECORD_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    RECORD_TEST(record__in_catalogue_and_packs),
	    RECORD_TEST(record__without_permission),
	    RECORD_TEST(record__only_when_wanted),
	    RECORD_TEST(record__connection_lost),
	    RECORD_TEST(record__taken_back),
	    RECORD_TEST(record__never_replaced),
	    RECORD_TEST(record__checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
