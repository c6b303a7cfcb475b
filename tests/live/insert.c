/*
 * How fast a server takes documents: insert HOST:PORT DB TABLE FILE BATCH CONNECTIONS FLIGHT. All
 * queries are made before the clock starts; then every connection keeps FLIGHT of them with the
 * server until none is left, and at last the table is synced. FILE has a canonical document a line.
 * Prints one line of JSON. The user is THINKBACK_TEST_USER with THINKBACK_TEST_PASSWORD.
 */
#include "snapshot/json/member.h"
#include "snapshot/rdb/alter.h"
#include "snapshot/rdb/ask.h"
#include "snapshot/rdb/response.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONNECTIONS_MAX 64

/* The queries, and who takes which. */
struct insert {
	struct connection_options connect;
	struct query_table table;
	struct buf *queries; /* owned */
	size_t n;
	size_t next; /* under lock */
	size_t flight;
	pthread_mutex_t lock;
	pthread_barrier_t connected; /* by all threads */
};

static void
die(const char *what, const struct err *e)
{
	fprintf(stderr, "insert: %s: %s\n", what, e->text);
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Read the documents and make the queries. Return the number of documents. */
static size_t
read_queries(struct insert *in, const char *path, size_t batch)
{
	const struct alter_write write = {.ignore_hook = true};
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t cap = 0, documents = 0;
	ssize_t len;
	int rc = ERR_OK;

	if (f == NULL)
		die(path, &(struct err){.text = "cannot be opened"});
	for (; rc == ERR_OK && (len = getline(&line, &cap, f)) > 0; documents++) {
		bool first = documents % batch == 0;
		if (first) {
			in->queries = realloc(in->queries, (in->n + 1) * sizeof(*in->queries));
			if (in->queries == NULL)
				abort();
			in->queries[in->n] = (struct buf){0};
			rc = alter_insert_begin(&in->queries[in->n++], &in->table);
		}
		if (rc == ERR_OK)
			rc = alter_insert_put(&in->queries[in->n - 1], first, line,
			    (size_t)len - (line[len - 1] == '\n'));
		if (rc == ERR_OK && documents % batch == batch - 1)
			rc = alter_insert_end(&in->queries[in->n - 1], &write);
	}
	if (rc == ERR_OK && documents % batch != 0)
		rc = alter_insert_end(&in->queries[in->n - 1], &write);
	if (rc != ERR_OK)
		abort();
	free(line);
	fclose(f);
	return documents;
}

/* The next query; NULL behind the last. */
static const struct buf *
take(struct insert *in)
{
	const struct buf *query = NULL;

	pthread_mutex_lock(&in->lock);
	if (in->next < in->n)
		query = &in->queries[in->next++];
	pthread_mutex_unlock(&in->lock);
	return query;
}

/* Every document of a batch has to be taken. */
static void
judge(const struct buf *answer)
{
	struct response r;
	struct member_span object, errors;
	struct err e = {0};

	if (response_read(answer->data, answer->len, &r, &e) != ERR_OK ||
	    response_check(&r, &e) != ERR_OK)
		die("a batch", &e);
	if (response_first(&r, &object) != ERR_OK ||
	    member_find(object.data, object.len, "errors", 6, &errors) != ERR_OK ||
	    errors.data[0] != '0')
		die("a batch", &(struct err){.text = "documents were refused"});
}

static void *
work(void *arg)
{
	struct insert *in = arg;
	struct connection *c;
	struct buf answer = {0};
	struct err e = {0};
	const struct buf *query;
	size_t flying = 0;
	uint64_t token;

	if (connection_open(&in->connect, &c, &e) != ERR_OK)
		die("connecting", &e);
	pthread_barrier_wait(&in->connected);
	do {
		while (flying < in->flight && (query = take(in)) != NULL) {
			if (connection_start(c, query, &token, &e) != ERR_OK)
				die("sending", &e);
			flying++;
		}
		if (flying == 0)
			break;
		if (connection_receive_any(c, &token, &answer, &e) != ERR_OK)
			die("receiving", &e);
		judge(&answer);
		flying--;
	} while (true);
	connection_close(c);
	buf_finish(&answer);
	return NULL;
}

static void
sync_table(const struct insert *in)
{
	struct connection *c;
	struct buf query = {0}, answer = {0};
	struct member_span out;
	struct err e = {0};

	if (connection_open(&in->connect, &c, &e) != ERR_OK ||
	    alter_sync(&query, &in->table) != ERR_OK ||
	    ask_first(c, &query, &answer, &out, &e) != ERR_OK)
		die("syncing", &e);
	connection_close(c);
	buf_finish(&query);
	buf_finish(&answer);
}

static void
run(struct insert *in, unsigned connections, double *load, double *sync)
{
	pthread_t threads[CONNECTIONS_MAX];
	double start, loaded;

	pthread_mutex_init(&in->lock, NULL);
	pthread_barrier_init(&in->connected, NULL, connections + 1);
	for (unsigned i = 0; i < connections; i++)
		if (pthread_create(&threads[i], NULL, work, in) != 0)
			abort();
	pthread_barrier_wait(&in->connected);
	start = now();
	for (unsigned i = 0; i < connections; i++)
		pthread_join(threads[i], NULL);
	loaded = now();
	sync_table(in);
	*load = loaded - start;
	*sync = now() - loaded;
}

int
main(int argc, char **argv)
{
	const char *user = getenv("THINKBACK_TEST_USER"),
		   *password = getenv("THINKBACK_TEST_PASSWORD");
	struct insert in = {0};
	struct err e = {0};
	char url[256];
	size_t documents, batch;
	unsigned connections;
	double load, sync;

	if (argc != 8) {
		fprintf(stderr, "usage: insert HOST:PORT DB TABLE FILE BATCH CONNECTIONS FLIGHT\n");
		return 2;
	}
	snprintf(url, sizeof(url), "rethinkdb://%s", argv[1]);
	if (address_parse(url, &in.connect.address, &e) != ERR_OK)
		die(argv[1], &e);
	in.connect.user = user != NULL ? user : "admin";
	in.connect.password = password;
	in.connect.password_len = password != NULL ? strlen(password) : 0;
	in.connect.connect_ms = 20000;
	in.connect.idle_ms = 600000;
	in.table = (struct query_table){argv[2], argv[3]};
	batch = strtoul(argv[5], NULL, 10);
	connections = (unsigned)strtoul(argv[6], NULL, 10);
	in.flight = strtoul(argv[7], NULL, 10);
	if (batch == 0 || in.flight == 0 || connections == 0 || connections > CONNECTIONS_MAX)
		die("usage", &(struct err){.text = "a number is out of range"});
	documents = read_queries(&in, argv[4], batch);
	run(&in, connections, &load, &sync);
	printf("{\"documents\":%zu,\"batch\":%zu,\"connections\":%u,\"flight\":%zu,\"queries\":%zu,"
	       "\"load\":%.4f,\"sync\":%.4f}\n",
	    documents, batch, connections, in.flight, in.n, load, sync);
	for (size_t i = 0; i < in.n; i++)
		buf_finish(&in.queries[i]);
	free(in.queries);
	return 0;
}
