/*
 * Restoring into a server: tables are made with their configuration, loaded over several
 * connections, indexed, compared with the snapshot and, where a write would not do, mended. The
 * contracts are in restore_internal.h.
 */
#include "snapshot/json/jsonkey.h"
#include "snapshot/rdb/ask.h"
#include "snapshot/rdb/describe.h"
#include "snapshot/rdb/wait.h"
#include "snapshot/restore_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIVE_CONNECT 20000       /* ms */
#define LIVE_IDLE 600000         /* ms: making a table and syncing one can take long */
#define LIVE_RETRY 500           /* ms */
#define LIVE_TRIES 6             /* for a question that a server cannot answer yet */
#define LIVE_WAIT 60             /* seconds for a new table to be ready */
#define LIVE_MEND_MAX (1u << 20) /* documents that are written a second time */
#define LIVE_AWAY 100            /* of these, how many are deleted at a time */
#define LIVE_AWAY_BYTES (4u << 20)
#define LIVE_AWAY_IDLE 60000 /* ms: no interrupt ends this wait */

struct live {
	struct connection_options connect;
	char *user; /* owned */
	int64_t retry_ms;
	const struct log *log;
	struct connection *c; /* owned; NULL while there is none */
	bool modern;          /* the server is one of 2.4 or later: it has write hooks */
	struct buf query, answer;
	char table[2 * TABLES_NAME]; /* "DB.TABLE", for only */
	const char *only;            /* what a comparison reads */
};

/* ---- asking ---- */

static int
live_connected(struct live *l, struct err *e)
{
	int rc;

	if (l->c != NULL && connection_usable(l->c))
		return ERR_OK;
	connection_close(l->c);
	l->c = NULL;
	rc = connection_open(&l->connect, &l->c, e);
	if (rc == ERR_OK)
		l->modern = connection_modern(l->c);
	return rc;
}

/* Ask what has been put together in l->query. ${made} is what putting it together returned. */
static int
live_ask(struct live *l, int made, struct member_span *out, struct err *e)
{
	struct member_span none;
	int rc = made == ERR_OK ? live_connected(l, e) : err_nomem(e);

	return rc == ERR_OK ? ask_first(l->c, &l->query, &l->answer, out != NULL ? out : &none, e)
			    : rc;
}

/* The same, and again while replicas are not available or the connection breaks. */
static int
live_ask_patiently(struct live *l, int made, struct member_span *out, struct err *e)
{
	int rc = live_ask(l, made, out, e);

	for (int tries = 0; tries < LIVE_TRIES; tries++) {
		bool lost = rc == ERR_IO && (l->c == NULL || !connection_usable(l->c));
		if (!lost && rc != ERR_BUSY)
			break;
		log_line(l->log, LOG_WARNING, "%s; trying again", e->text);
		rc = wait_pause(l->retry_ms << tries, l->connect.stop, e);
		if (rc == ERR_OK)
			rc = live_ask(l, made, out, e);
	}
	return rc;
}

struct buf *
restore_live_query(struct restore *r)
{
	struct live *l = r->own;

	buf_clear(&l->query);
	return &l->query;
}

int
restore_live_ask(struct restore *r, int made, bool again, struct member_span *out, struct err *e)
{
	struct live *l = r->own;

	return again ? live_ask_patiently(l, made, out, e) : live_ask(l, made, out, e);
}

static struct query_table
live_name(const struct restore_job *job)
{
	return (struct query_table){job->table.database, job->table.name};
}

/* ---- looking ---- */

static int
live_look(struct restore *r, struct restore_job *job, struct err *e)
{
	struct live *l = r->own;
	struct query_table t = live_name(job);
	struct describe now = {0};
	int rc;

	if (strcmp(t.database, "rethinkdb") == 0)
		return err_set(e, ERR_ARG,
		    "the database \"rethinkdb\" is the server's own; --into takes another name");
	rc = live_connected(l, e);
	if (rc == ERR_OK)
		rc = describe_info(l->c, &t, &now, e);
	if (rc == ERR_ABSENT)
		return ERR_OK;
	if (rc != ERR_OK)
		return rc;
	job->table.exists = true;
	rc = restore_same_key(job, &now.primary_key, e);
	describe_finish(&now);
	return rc;
}

static int
live_open(struct restore *r, const struct restore_job *job, struct source **out, struct err *e)
{
	struct live *l = r->own;
	struct source_server server = r->options->server;

	snprintf(l->table, sizeof(l->table), "%s.%s", job->table.database, job->table.name);
	l->only = l->table;
	server.only = &l->only;
	server.n_only = 1;
	server.key = r->options->only;
	server.stop = r->options->stop;
	server.log = r->options->log;
	return source_open_server(r->target, &server, out, e);
}

/* ---- making a table ---- */

static uint64_t
live_count(const struct member_span *list)
{
	struct member_walk walk = {0};
	struct member_span value;
	uint64_t n = 0;

	while (member_element(list->data, list->len, &walk, &value) == ERR_OK)
		n++;
	return n;
}

/* As many shards and replicas as the snapshot knows of; a dump tells the number of shards alone. */
static void
live_shape(const struct restore_job *job, struct alter_table *out)
{
	const struct buf *config = &job->config;
	struct member_span list, shard, value;
	struct member_walk walk = {0};

	if (member_find(config->data, config->len, "replicas", 8, &list) == ERR_OK) {
		while (member_element(list.data, list.len, &walk, &shard) == ERR_OK) {
			uint64_t n = 0;
			if (member_find(shard.data, shard.len, "replicas", 8, &value) == ERR_OK)
				n = live_count(&value);
			out->replicas = n > out->replicas ? n : out->replicas;
			out->shards++;
		}
	} else if (member_find(config->data, config->len, "doc_count_estimates", 19, &list) ==
		   ERR_OK) {
		out->shards = live_count(&list);
	}
	if (out->shards > SNAPSHOTS_SHARDS)
		out->shards = SNAPSHOTS_SHARDS;
}

/* Whether the member ${name} of the configuration is the JSON ${text}. */
static bool
live_config_is(const struct restore_job *job, const char *name, const char *text)
{
	struct member_span value;

	return member_find(job->config.data, job->config.len, name, strlen(name), &value) ==
		   ERR_OK &&
	       value.len == strlen(text) && memcmp(value.data, text, value.len) == 0;
}

static int
live_make_database(struct live *l, const char *name, struct err *e)
{
	struct member_walk walk = {0};
	struct member_span list, value;
	size_t len = strlen(name);
	int rc;

	buf_clear(&l->query);
	rc = live_ask_patiently(l, query_databases(&l->query), &list, e);
	if (rc != ERR_OK)
		return rc;
	while (list.data != NULL && member_element(list.data, list.len, &walk, &value) == ERR_OK)
		if (value.len == len + 2 && memcmp(value.data + 1, name, len) == 0)
			return ERR_OK;
	buf_clear(&l->query);
	return live_ask(l, alter_database(&l->query, name), NULL, e);
}

/* A connection that is lost leaves open whether the table was made: then it is looked for. */
static int
live_create(struct live *l, const struct alter_table *t, struct err *e)
{
	struct describe now = {0};
	int rc;

	buf_clear(&l->query);
	rc = live_ask(l, alter_create(&l->query, t), NULL, e);
	if (rc != ERR_IO || live_connected(l, e) != ERR_OK)
		return rc;
	rc = describe_info(l->c, &t->table, &now, e);
	describe_finish(&now);
	if (rc != ERR_ABSENT)
		return rc;
	buf_clear(&l->query);
	return live_ask(l, alter_create(&l->query, t), NULL, e);
}

/* Make the table, with fewer replicas and shards if this cluster does not do what the other did. */
static int
live_make_table(struct restore *r, struct restore_job *job, struct alter_table *t, struct err *e)
{
	struct live *l = r->own;
	const struct log *log = r->options->log;
	int rc = live_create(l, t, e);

	if ((rc == ERR_BUSY || rc == ERR_FORMAT) && t->replicas > 1) {
		log_line(log, LOG_WARNING,
		    "%s.%s: %" PRIu64 " replicas cannot be had here, one is made: %s",
		    job->table.database, job->table.name, t->replicas, e->text);
		t->replicas = 0;
		rc = live_create(l, t, e);
	}
	if ((rc == ERR_BUSY || rc == ERR_FORMAT) && t->shards > 1) {
		log_line(log, LOG_WARNING,
		    "%s.%s: %" PRIu64 " shards cannot be had here, one is made: %s",
		    job->table.database, job->table.name, t->shards, e->text);
		t->shards = 0;
		rc = live_create(l, t, e);
	}
	return rc;
}

/* Set what cannot be said when a table is made. Doing without it is no reason to fail. */
static int
live_configure(struct restore *r, const struct restore_job *job, struct err *e)
{
	static const char *const names[] = {"write_acks", "flush_interval"};
	struct live *l = r->own;
	struct query_table t = live_name(job);
	struct member_span value;
	struct buf json = {0};
	int rc = buf_putc(&json, '{');

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && rc == ERR_OK; i++)
		if (member_find(job->config.data, job->config.len, names[i], strlen(names[i]),
			&value) == ERR_OK)
			rc = buf_printf(&json, "%s\"%s\":%.*s", json.len > 1 ? "," : "", names[i],
			    (int)value.len, (const char *)value.data);
	if (rc == ERR_OK)
		rc = buf_putc(&json, '}');
	if (rc == ERR_OK && json.len > 2) {
		buf_clear(&l->query);
		rc = live_ask_patiently(l, alter_config(&l->query, &t, &json), NULL, e);
	}
	buf_finish(&json);
	if (rc == ERR_OK || rc == ERR_NOMEM || rc == ERR_INTR || !connection_usable(l->c))
		return rc;
	log_line(r->options->log, LOG_WARNING, "%s.%s: its %s is not set: %s", t.database, t.name,
	    "write_acks", e->text);
	return ERR_OK;
}

/* Make what is not there. Sets ${sharded} when documents will have to be spread. */
static int
live_make(struct restore *r, struct restore_job *job, bool *sharded, struct err *e)
{
	struct live *l = r->own;
	struct alter_table t = {.table = live_name(job),
	    .primary_key = (const char *)job->primary_key.data,
	    .durability = live_config_is(job, "durability", "\"soft\"")   ? "soft"
			  : live_config_is(job, "durability", "\"hard\"") ? "hard"
									  : NULL};
	int rc = live_make_database(l, job->table.database, e);

	live_shape(job, &t);
	if (rc == ERR_OK)
		rc = live_make_table(r, job, &t, e);
	if (rc == ERR_OK && l->modern)
		rc = live_configure(r, job, e);
	*sharded = t.shards > 1 && l->modern;
	if (rc != ERR_OK || !l->modern)
		return rc;
	buf_clear(&l->query);
	return live_ask_patiently(l, alter_wait(&l->query, &t.table, LIVE_WAIT), NULL, e);
}

/* ---- loading ---- */

static int
live_load_open(struct restore *r, const struct restore_job *job,
    const struct connection_options *connect, unsigned clients, struct restore_load **out,
    struct err *e)
{
	struct live *l = r->own;
	struct restore_load_options o = {.connect = connect,
	    .clients = clients,
	    .table = live_name(job),
	    .write = {r->options->hard, l->modern},
	    .retry_ms = l->retry_ms,
	    .log = r->options->log};

	return restore_load_open(&o, out, e);
}

/* How deep arrays and objects are nested in a canonical document; 0 when that cannot be much. */
static unsigned
live_depth(const struct buf *document)
{
	unsigned depth = 0, deepest = 0;
	bool string = false;

	/* Most documents are too short to be nested too deep. */
	if (document->len < 2 * (size_t)RESTORE_DEPTH_MAX)
		return 0;
	for (size_t i = 0; i < document->len; i++) {
		uint8_t c = document->data[i];
		if (string && c == '\\')
			i++;
		else if (c == '"')
			string = !string;
		else if (!string && (c == '{' || c == '['))
			deepest = ++depth > deepest ? depth : deepest;
		else if (!string && (c == '}' || c == ']'))
			depth--;
	}
	return deepest;
}

static void
live_refuse(struct restore *r, struct restore_job *job, const struct key *key)
{
	struct buf text = {0};
	const char *name = NULL;

	if (jsonkey_write(key, &text) == ERR_OK)
		name = buf_str(&text);
	log_line(r->options->log, LOG_ERROR,
	    "%s.%s: document %s is nested deeper than %d and left out: it could end the server",
	    job->table.database, job->table.name, name != NULL ? name : "?", RESTORE_DEPTH_MAX);
	job->table.refused++;
	buf_finish(&text);
}

static int
live_send(struct restore *r, struct restore_job *job, struct restore_load *load,
    struct documents *d, struct err *e)
{
	const struct versions_version *version;
	const struct buf *bytes;
	int rc = restore_stopped(r, e);

	if (rc == ERR_OK)
		rc = documents_next(d, &version, &bytes, e);
	if (rc != ERR_OK)
		return rc;
	if (live_depth(bytes) > RESTORE_DEPTH_MAX) {
		live_refuse(r, job, &version->key);
		return ERR_OK;
	}
	job->table.written++;
	return restore_load_put(load, bytes->data, bytes->len, e);
}

static unsigned
live_clients(const struct restore *r)
{
	return r->options->clients > 0 ? r->options->clients : RESTORE_CLIENTS;
}

static int
live_load(struct restore *r, struct restore_job *job, struct err *e)
{
	struct live *l = r->own;
	struct restore_load *load = NULL;
	struct documents *d;
	int64_t start = wait_now();
	int rc = restore_documents(r, job, &d, e);

	if (rc != ERR_OK)
		return rc;
	rc = live_load_open(r, job, &l->connect, live_clients(r), &load, e);
	while (rc == ERR_OK && (rc = live_send(r, job, load, d, e)) == ERR_OK)
		if (job->table.written % 64 == 0)
			restore_show(r, "loading", job, job->table.written, job->table.documents);
	documents_close(d);
	if (rc == ERR_END)
		rc = restore_load_finish(load, e);
	restore_load_close(load);
	job->table.load_ms = wait_now() - start;
	return rc;
}

/* ---- verifying ---- */

/*
 * What the first comparison has found that a write does not mend.
 *
 * A document that was written and is another all the same was equal to the server, which then keeps
 * the old bytes: -0.0 and 0, one time in two time zones. It has to go before it can come. What
 * takes its place is read first, and a group is as small as what may be lost when all goes wrong.
 */
struct live_mending {
	struct restore *r;
	struct restore_job *job;
	struct restore_load *extras; /* deletes what is not in the snapshot; NULL: none so far */
	struct buf again;            /* struct key: documents to be written again */
	struct connection_options steady; /* no interrupt leaves documents deleted */
	struct restore_load *away, *back; /* over a steady connection each; NULL: none so far */
	struct key keys[LIVE_AWAY];       /* of the group */
	size_t lens[LIVE_AWAY];           /* of their documents */
	size_t n;
	struct buf documents; /* of the group, one behind the other */
	struct buf key;       /* JSON of the one at hand */
};

static int
live_delete(struct live_mending *m, struct restore_load *load, const struct key *key, struct err *e)
{
	buf_clear(&m->key);
	if (jsonkey_write(key, &m->key) != ERR_OK)
		return err_nomem(e);
	return restore_load_delete(load, &m->key, e);
}

/* Delete documents that are not in the snapshot, if that is wanted; note those that are others. */
static int
live_found(void *arg, enum compare_state state, const struct key *key, struct err *e)
{
	struct live_mending *m = arg;
	struct live *l = m->r->own;
	int rc = ERR_OK;

	if (state == COMPARE_CHANGED && m->again.len < LIVE_MEND_MAX * sizeof(*key))
		return buf_append(&m->again, key, sizeof(*key)) == ERR_OK ? ERR_OK : err_nomem(e);
	if (state != COMPARE_EXTRA || !m->r->options->exact)
		return ERR_OK;
	if (m->extras == NULL)
		rc = live_load_open(m->r, m->job, &l->connect, live_clients(m->r), &m->extras, e);
	if (rc == ERR_OK)
		rc = live_delete(m, m->extras, key, e);
	m->job->table.deleted++;
	return rc;
}

/* Write the group's documents. */
static int
live_back(struct live_mending *m, struct err *e)
{
	const uint8_t *at = m->documents.data;
	int rc = ERR_OK;

	for (size_t i = 0; i < m->n && rc == ERR_OK; at += m->lens[i++])
		rc = restore_load_put(m->back, at, m->lens[i], e);
	return rc == ERR_OK ? restore_load_finish(m->back, e) : rc;
}

/* Delete the group's documents and write them; also when it is not known which were deleted. */
static int
live_group(struct live_mending *m, struct err *e)
{
	struct err other = {0};
	int rc = ERR_OK, back;

	if (m->n == 0)
		return ERR_OK;
	if (m->away == NULL)
		rc = live_load_open(m->r, m->job, &m->steady, 1, &m->away, e);
	if (rc == ERR_OK && m->back == NULL)
		rc = live_load_open(m->r, m->job, &m->steady, 1, &m->back, e);
	if (rc != ERR_OK)
		return rc;
	for (size_t i = 0; i < m->n && rc == ERR_OK; i++)
		rc = live_delete(m, m->away, &m->keys[i], e);
	if (rc == ERR_OK)
		rc = restore_load_finish(m->away, e);
	back = live_back(m, rc == ERR_OK ? e : &other);
	m->n = 0;
	buf_clear(&m->documents);
	return rc == ERR_OK ? back : rc;
}

/* Put a document into the group, unless it was refused: what the server has in its place stays. */
static int
live_again(struct live_mending *m, const struct key *key, struct err *e)
{
	const struct versions_version *version;
	const struct buf *bytes;
	struct documents *d;
	int rc = documents_open(m->r->cat, m->r->store, &m->job->table.item->snapshot, &d, e);

	if (rc != ERR_OK)
		return rc;
	documents_only(d, key);
	rc = documents_next(d, &version, &bytes, e);
	if (rc == ERR_OK && live_depth(bytes) <= RESTORE_DEPTH_MAX) {
		m->keys[m->n] = *key;
		m->lens[m->n++] = bytes->len;
		if (buf_append(&m->documents, bytes->data, bytes->len) != ERR_OK)
			rc = err_nomem(e);
	}
	documents_close(d);
	return rc == ERR_END ? ERR_OK : rc;
}

static int
live_mend(struct live_mending *m, struct err *e)
{
	int rc = m->extras != NULL ? restore_load_finish(m->extras, e) : ERR_OK;

	for (size_t at = 0; at < m->again.len && rc == ERR_OK; at += sizeof(struct key)) {
		struct key key;
		memcpy(&key, m->again.data + at, sizeof(key));
		rc = restore_stopped(m->r, e);
		if (rc == ERR_OK)
			rc = live_again(m, &key, e);
		if (rc == ERR_OK && (m->n == LIVE_AWAY || m->documents.len >= LIVE_AWAY_BYTES))
			rc = live_group(m, e);
	}
	return rc == ERR_OK ? live_group(m, e) : rc;
}

static void
live_mending_finish(struct live_mending *m)
{
	restore_load_close(m->extras);
	restore_load_close(m->away);
	restore_load_close(m->back);
	buf_finish(&m->again);
	buf_finish(&m->documents);
	buf_finish(&m->key);
}

static int
live_verify(struct restore *r, struct restore_job *job, struct err *e)
{
	const struct live *l = r->own;
	struct live_mending m = {.r = r, .job = job, .steady = l->connect};
	int rc = restore_compare(r, job, "verifying", live_found, &m, e);

	m.steady.stop = NULL;
	if (m.steady.idle_ms > LIVE_AWAY_IDLE)
		m.steady.idle_ms = LIVE_AWAY_IDLE;
	if (rc == ERR_OK)
		rc = live_mend(&m, e);
	if (rc == ERR_OK && (m.extras != NULL || m.back != NULL))
		rc = restore_compare(r, job, "verifying", NULL, NULL, e);
	live_mending_finish(&m);
	return rc == ERR_OK ? restore_verdict(job, r->options->exact, e) : rc;
}

/* ---- a table ---- */

/* Indexes, then the write hook; a document alone leaves those of a table that was there. */
static int
live_furnish(struct restore *r, struct restore_job *job, struct err *e)
{
	struct live *l = r->own;
	struct restore_index x = {r, job, live_name(job), l->modern};
	int rc = ERR_OK;

	if (job->table.exists && r->options->only != NULL)
		return ERR_OK;
	if (!r->options->no_indexes)
		rc = restore_index_build(&x, e);
	return rc == ERR_OK ? restore_index_hook(&x, e) : rc;
}

static int
live_table(struct restore *r, struct restore_job *job, struct err *e)
{
	struct live *l = r->own;
	struct query_table t = live_name(job);
	bool sharded = false;
	int rc = job->table.exists ? live_connected(l, e) : live_make(r, job, &sharded, e);

	if (rc == ERR_OK)
		rc = live_load(r, job, e);
	if (rc == ERR_OK && sharded) {
		buf_clear(&l->query);
		rc = live_ask_patiently(l, alter_rebalance(&l->query, &t), NULL, e);
		buf_clear(&l->query);
		if (rc == ERR_OK)
			rc = live_ask_patiently(l, alter_wait(&l->query, &t, LIVE_WAIT), NULL, e);
	}
	if (rc == ERR_OK)
		rc = live_furnish(r, job, e);
	if (rc == ERR_OK)
		rc = live_verify(r, job, e);
	if (!r->options->hard && (rc == ERR_OK || rc == ERR_LIMIT)) {
		struct err why = {0};
		int synced;
		buf_clear(&l->query);
		synced = live_ask_patiently(l, alter_sync(&l->query, &t), NULL, &why);
		if (synced != ERR_OK)
			rc = err_set(e, synced, "not yet on disk: %s", why.text);
	}
	return rc;
}

/* ---- opening and closing ---- */

static void
live_close(struct restore *r)
{
	struct live *l = r->own;

	connection_close(l->c);
	buf_finish(&l->query);
	buf_finish(&l->answer);
	free(l->user);
	free(l);
}

/* Fill in what the options leave open. */
static int
live_set_up(struct live *l, const struct restore *r, struct err *e)
{
	const struct source_server *server = &r->options->server;
	struct connection_options *o = &l->connect;
	int rc = address_parse(r->target, &o->address, e);

	if (rc == ERR_OK)
		rc = address_login(&o->address, server->user, &l->user, e);
	if (rc != ERR_OK)
		return rc;
	l->retry_ms = server->retry_ms > 0 ? server->retry_ms : LIVE_RETRY;
	l->log = r->options->log;
	o->user = l->user;
	o->password = server->password;
	o->password_len = server->password_len;
	o->tls = (struct tls_files){server->tls_ca, server->tls_cert, server->tls_key};
	o->connect_ms = server->connect_ms > 0 ? server->connect_ms : LIVE_CONNECT;
	o->idle_ms = server->idle_ms > 0 ? server->idle_ms : LIVE_IDLE;
	o->stop = r->options->stop;
	return tls_check(&o->tls, e);
}

int
restore_live_open(struct restore *r, struct err *e)
{
	static const struct restore_kind kind = {live_look, live_open, live_table, live_close};
	struct live *l = calloc(1, sizeof(*l));
	int rc;

	if (l == NULL)
		return err_nomem(e);
	r->own = l;
	r->kind = &kind;
	rc = live_set_up(l, r, e);
	return rc == ERR_OK ? live_connected(l, e) : rc;
}
