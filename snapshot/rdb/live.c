/*
 * A server as a source: its tables one after the other, each in ranges of its keys (ranges.h) or,
 * for a consistent read, through a changefeed (feed.h). What fails is tried again. The contracts
 * are in snapshot/source.h.
 */
#include "snapshot/source_internal.h"

#include "snapshot/rdb/cut.h"
#include "snapshot/rdb/describe.h"
#include "snapshot/rdb/feed.h"
#include "snapshot/rdb/ranges.h"
#include "snapshot/rdb/record.h"
#include "snapshot/rdb/response.h"
#include "snapshot/rdb/scan.h"
#include "snapshot/rdb/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIVE_CONNECT 20000 /* ms */
#define LIVE_IDLE 120000   /* ms */
#define LIVE_RETRY 500     /* ms */
#define LIVE_TRIES 7       /* without a document between them; half a minute and more in all */
#define LIVE_SHARE 5000    /* a table with fewer documents a client is read over one connection */
#define LIVE_RANGES 4      /* ranges a client: one that is done early takes another */
#define LIVE_RESTARTS 5    /* of a feed */
#define LIVE_QUEUE 100000  /* changes that a server keeps for a feed at first: its own default */

/* What comes next of a table. */
enum live_step {
	LIVE_INFO,     /* its configuration */
	LIVE_TABLE,    /* its beginning */
	LIVE_DOCUMENTS /* documents, then its end */
};

struct live_table {
	char database[TABLES_NAME];
	char name[TABLES_NAME];
};

struct live {
	struct source base;
	struct source_server server; /* with its defaults filled in */
	struct connection_options connect;
	char *user;                /* whom to log in as, owned */
	struct ranges *ranges;     /* the connections, owned */
	struct connection *c;      /* the first of them; NULL while there is none */
	struct live_table *tables; /* owned */
	size_t n, cap;             /* tables in use, allocated */
	size_t at;                 /* the table being read */
	enum live_step step;       /* what comes next of it */
	struct describe table;     /* its configuration */
	struct record record;      /* what the server has besides */
	bool reading;              /* its ranges */
	struct scan *feed;         /* its feed; NULL when it is to be asked for */
	bool again;                /* it may be another table of that name since a feed was begun */
	unsigned restarts;         /* of the feed */
	uint64_t queue;            /* changes that the server is to keep for it */
	uint64_t before;           /* documents read when the table began */
	struct buf query;          /* the question at hand */
	struct buf answer;         /* a list of names */
	char file[2 * TABLES_NAME]; /* "DB.TABLE", for messages */
	unsigned tries;             /* since the last document */
	int64_t started;            /* ms, when the first document was asked for */
	uint64_t done, total;       /* documents read, and the server's estimate of all */
};

static struct live *
live_of(struct source *s)
{
	return (struct live *)s;
}

static struct query_table
live_table_at(const struct live *l, size_t i)
{
	return (struct query_table){l->tables[i].database, l->tables[i].name};
}

/* ---- connections ---- */

static void
live_close_feed(struct live *l)
{
	scan_close(l->feed);
	l->feed = NULL;
}

static int
live_connect(struct live *l, struct err *e)
{
	if (l->c != NULL && connection_usable(l->c))
		return ERR_OK;
	live_close_feed(l);
	l->c = NULL;
	return ranges_connection(l->ranges, &l->c, e);
}

/* Wait until the table at hand can be read, or for ${ms}: whichever is sooner. */
static int
live_wait(struct live *l, int64_t ms, struct err *e)
{
	struct query_table t = live_table_at(l, l->at);
	struct response r;
	uint64_t token;
	int rc = ERR_IO;

	buf_clear(&l->query);
	if (l->c != NULL && query_wait(&l->query, &t, (unsigned)(ms + 999) / 1000) == ERR_OK)
		rc = connection_start(l->c, &l->query, &token, e);
	if (rc == ERR_OK)
		rc = connection_receive(l->c, token, &l->answer, e);
	if (rc == ERR_OK)
		rc = response_read(l->answer.data, l->answer.len, &r, e);
	if (rc == ERR_OK)
		rc = response_check(&r, e);
	if (rc == ERR_OK || rc == ERR_INTR || rc == ERR_NOMEM)
		return rc;
	return wait_pause(ms, l->server.stop, e);
}

/* A feed is lost, and all that came of it: begin the table again. */
static int
live_restart(struct live *l, int rc, struct err *e)
{
	if (l->restarts == LIVE_RESTARTS) {
		struct err why = *e;
		return err_set(e, ERR_LIMIT, "%s; a consistent read was begun %d times in vain",
		    why.text, LIVE_RESTARTS + 1);
	}
	log_line(l->server.log, LOG_WARNING, "%s: %s; reading it from the start", l->file, e->text);
	live_close_feed(l);
	l->done = l->before;
	l->step = LIVE_TABLE;
	l->again = true;
	l->tries = l->restarts++;
	return rc;
}

/*
 * After a failure: get ready to try the same again. Return ERR_OK when it is worth it, else why it
 * is not, with its text. What fails while ranges are read has been tried again there.
 */
static int
live_recover(struct live *l, int rc, struct err *e)
{
	struct err more = {0};
	int64_t ms;

	if ((rc != ERR_IO && rc != ERR_BUSY) || l->tries == LIVE_TRIES || l->reading)
		return rc;
	if (l->feed == NULL)
		log_line(l->server.log, LOG_WARNING, "%s: %s; trying again", l->file, e->text);
	else if (live_restart(l, rc, e) != rc)
		return e->code;
	if (l->c != NULL && !connection_usable(l->c)) {
		l->c = NULL;
		ranges_drop(l->ranges);
	}
	ms = l->server.retry_ms << l->tries++;
	rc = rc == ERR_BUSY ? live_wait(l, ms, &more) : wait_pause(ms, l->server.stop, &more);
	if (rc != ERR_OK)
		*e = more;
	return rc;
}

/* ---- the list of tables ---- */

/* Ask for a list of names; it lies in l->answer. */
static int
live_names(struct live *l, struct member_span *out, struct err *e)
{
	struct response r;
	uint64_t token;
	int rc = connection_start(l->c, &l->query, &token, e);

	if (rc == ERR_OK)
		rc = connection_receive(l->c, token, &l->answer, e);
	if (rc == ERR_OK)
		rc = response_read(l->answer.data, l->answer.len, &r, e);
	if (rc == ERR_OK)
		rc = response_check(&r, e);
	if (rc == ERR_OK && response_first(&r, out) != ERR_OK)
		rc = err_set(e, ERR_FORMAT, "the server's list of names is none");
	return rc;
}

/* Read the JSON string ${value} as a name. */
static int
live_name(const struct member_span *value, char out[TABLES_NAME], struct err *e)
{
	if (value->len < 3 || value->data[0] != '"' ||
	    !tables_name_valid((const char *)value->data + 1, value->len - 2))
		return err_set(e, ERR_FORMAT, "the server names something %.*s",
		    (int)(value->len < 100 ? value->len : 100), (const char *)value->data);
	memcpy(out, value->data + 1, value->len - 2);
	out[value->len - 2] = '\0';
	return ERR_OK;
}

static int
live_add_table(struct live *l, const char *database, const struct member_span *value, struct err *e)
{
	struct live_table *t;
	int rc;

	if (l->n == SOURCE_TABLES_MAX)
		return err_set(
		    e, ERR_LIMIT, "the server has more than %u tables", SOURCE_TABLES_MAX);
	if (l->n == l->cap) {
		size_t cap = l->cap > 0 ? l->cap * 2 : 16;
		t = realloc(l->tables, cap * sizeof(*t));
		if (t == NULL)
			return err_nomem(e);
		l->tables = t;
		l->cap = cap;
	}
	t = &l->tables[l->n];
	memcpy(t->database, database, strlen(database) + 1);
	rc = live_name(value, t->name, e);
	if (rc == ERR_OK && tables_match(l->server.only, l->server.n_only, t->database, t->name))
		l->n++;
	return rc;
}

/* Whether a table of ${database} may be wanted. */
static bool
live_wants(const struct live *l, const char *database)
{
	size_t len = strlen(database);

	for (size_t i = 0; i < l->server.n_only; i++) {
		const char *only = l->server.only[i];
		if (strncmp(only, database, len) == 0 && (only[len] == '\0' || only[len] == '.'))
			return true;
	}
	return l->server.n_only == 0;
}

static int
live_list_database(struct live *l, const char *database, struct err *e)
{
	struct member_walk walk = {0};
	struct member_span list, value;
	int rc;

	buf_clear(&l->query);
	if (query_tables(&l->query, database) != ERR_OK)
		return err_nomem(e);
	rc = live_names(l, &list, e);
	if (rc == ERR_ABSENT)
		return ERR_OK;
	while (rc == ERR_OK && (rc = member_element(list.data, list.len, &walk, &value)) == ERR_OK)
		rc = live_add_table(l, database, &value, e);
	if (rc == ERR_FORMAT && walk.pos == 0)
		return err_set(e, rc, "the server's list of tables is none");
	return rc == ERR_END ? ERR_OK : rc;
}

/* Make the list of all tables that are wanted; the server's own database is not among them. */
static int
live_list(struct live *l, struct err *e)
{
	struct buf databases = {0};
	struct member_walk walk = {0};
	struct member_span list, value;
	char name[TABLES_NAME];
	int rc = live_connect(l, e);

	l->n = 0;
	buf_clear(&l->query);
	if (rc == ERR_OK && query_databases(&l->query) != ERR_OK)
		rc = err_nomem(e);
	if (rc == ERR_OK)
		rc = live_names(l, &list, e);
	if (rc == ERR_OK && buf_append(&databases, list.data, list.len) != ERR_OK)
		rc = err_nomem(e);
	while (rc == ERR_OK &&
	       (rc = member_element(databases.data, databases.len, &walk, &value)) == ERR_OK) {
		rc = live_name(&value, name, e);
		if (rc == ERR_OK && strcmp(name, "rethinkdb") != 0 && live_wants(l, name))
			rc = live_list_database(l, name, e);
	}
	buf_finish(&databases);
	return rc == ERR_END ? ERR_OK : rc;
}

/* ---- reading ---- */

static int
live_tables(struct source *s, size_t i,
    int (*found)(void *arg, const char *database, const char *table), void *arg, struct err *e)
{
	struct live *l = live_of(s);
	int rc = live_list(l, e);

	(void)i;
	for (size_t t = 0; t < l->n && rc == ERR_OK; t++)
		rc = found(arg, l->tables[t].database, l->tables[t].name);
	return rc;
}

/* Add up what the server thinks that its tables hold. What a table lacks is told when it is read.
 */
static int
live_estimate(struct live *l, struct err *e)
{
	l->total = 0;
	for (size_t i = 0; i < l->n; i++) {
		struct query_table t = live_table_at(l, i);
		int rc = describe_info(l->c, &t, &l->table, e);
		if (rc == ERR_OK)
			l->total += l->table.documents;
		else if (rc == ERR_INTR || rc == ERR_NOMEM || !connection_usable(l->c))
			return rc;
	}
	return ERR_OK;
}

static int
live_start(struct source *s, size_t i, struct err *e)
{
	struct live *l = live_of(s);
	int rc;

	(void)i;
	live_close_feed(l);
	ranges_end(l->ranges);
	l->reading = false;
	l->at = 0;
	l->step = LIVE_INFO;
	l->tries = 0;
	l->done = 0;
	l->started = 0;
	rc = live_list(l, e);
	if (rc == ERR_OK)
		rc = live_estimate(l, e);
	if (rc == ERR_OK && l->server.record)
		rc = record_read(l->c, l->user, l->server.log, &l->record, e);
	return rc;
}

/* Find out where to cut the table at hand. Return the number of cuts, 0 for a table in one. */
static size_t
live_cuts(struct live *l, const struct query_table *t, struct key *out)
{
	struct query_scan what = {.table = *t,
	    .primary_key = (const char *)l->table.primary_key.data,
	    .outdated = l->server.read_outdated};
	unsigned clients = l->server.clients;
	size_t n = (size_t)clients * LIVE_RANGES, got = 0;

	if (clients == 1 || l->server.key != NULL ||
	    l->table.documents < (uint64_t)clients * LIVE_SHARE)
		return 0;
	if (l->server.cuts != NULL)
		got = l->server.cuts(
		    l->server.cuts_arg, t->database, t->name, l->table.documents, n - 1, out);
	got = cut_check(out, got);
	return got > 0 ? got : cut_ask(l->c, &what, n, out, NULL);
}

/* Begin to read the table at hand in ranges. */
static int
live_begin_ranges(struct live *l, const struct query_table *t, struct err *e)
{
	struct ranges_table what = {.table = *t,
	    .name = l->file,
	    .primary_key = (const char *)l->table.primary_key.data,
	    .id = l->table.id,
	    .outdated = l->server.read_outdated,
	    .only = l->server.key,
	    .batch = l->server.max_rate};
	struct key *cuts = calloc((size_t)l->server.clients * LIVE_RANGES, sizeof(*cuts));
	int rc;

	if (cuts == NULL)
		return err_nomem(e);
	what.cuts = cuts;
	what.n_cuts = live_cuts(l, t, cuts);
	/* The rate holds for all: let each be ahead by its share alone. */
	if (what.n_cuts > 0 && what.batch > 0)
		what.batch = (what.batch + l->server.clients - 1) / l->server.clients;
	rc = ranges_begin(l->ranges, &what, e);
	free(cuts);
	l->reading = rc == ERR_OK;
	return rc;
}

/* The next document of the table's ranges. */
static int
live_range_document(
    struct live *l, const struct query_table *t, struct source_item *out, struct err *e)
{
	struct member_span document;
	int rc = ERR_OK;

	if (!l->reading) {
		rc = live_connect(l, e);
		if (rc == ERR_OK)
			rc = live_begin_ranges(l, t, e);
	}
	l->c = NULL;
	if (rc == ERR_OK)
		rc = ranges_next(l->ranges, &document, e);
	if (rc != ERR_OK)
		return rc;
	out->event = SOURCE_DOCUMENT;
	out->data = document.data;
	out->len = document.len;
	return ERR_OK;
}

/* A table that was dropped and made anew since its feed was lost is not the one described. */
static int
live_same_table(struct live *l, const struct query_table *t, struct err *e)
{
	int rc;

	if (!l->again)
		return ERR_OK;
	rc = describe_same(l->c, t, l->table.id, e);
	l->again = rc != ERR_OK;
	return rc;
}

static int
live_begin_feed(struct live *l, const struct query_table *t, struct err *e)
{
	int rc = live_connect(l, e);

	if (rc == ERR_OK)
		rc = live_same_table(l, t, e);
	buf_clear(&l->query);
	if (rc == ERR_OK && query_feed(&l->query, t, l->queue, l->server.max_rate) != ERR_OK)
		rc = err_nomem(e);
	return rc == ERR_OK ? scan_open(l->c, &l->query, &l->feed, e) : rc;
}

/* The next word of the table's feed about a document; ERR_END when it has caught up. */
static int
live_feed_document(
    struct live *l, const struct query_table *t, struct source_item *out, struct err *e)
{
	struct member_span element, document;
	enum feed_word word = FEED_STATE;
	int rc = l->feed == NULL ? live_begin_feed(l, t, e) : ERR_OK;

	while (rc == ERR_OK && word == FEED_STATE) {
		rc = scan_next(l->feed, &element, e);
		if (rc == ERR_END)
			return err_set(e, ERR_IO, "the server ended the feed too early");
		if (rc == ERR_OK)
			rc = feed_read(&element, &word, &document, e);
		if (rc == ERR_LIMIT) {
			/* The server is to keep more; only now, as it costs it memory. */
			l->queue *= 2;
			return ERR_BUSY;
		}
	}
	if (rc != ERR_OK)
		return rc;
	if (word == FEED_READY)
		return ERR_END;
	out->event = word == FEED_DELETION ? SOURCE_DELETION : SOURCE_DOCUMENT;
	out->data = document.data;
	out->len = document.len;
	return ERR_OK;
}

/* Keep to the rate that is set. */
static int
live_pace(const struct live *l, struct err *e)
{
	double due;
	int64_t ahead;

	if (l->server.max_rate == 0)
		return ERR_OK;
	due = (double)l->done * 1000 / (double)l->server.max_rate;
	ahead = l->started + (int64_t)due - wait_now();
	return ahead > 5 ? wait_pause(ahead, l->server.stop, e) : ERR_OK;
}

static void
live_leave(struct live *l)
{
	live_close_feed(l);
	ranges_end(l->ranges);
	l->reading = false;
	l->at++;
	l->step = LIVE_INFO;
	l->tries = 0;
}

static int
live_document(struct live *l, const struct query_table *t, struct source_item *out, struct err *e)
{
	int rc;

	if (l->started == 0)
		l->started = wait_now();
	rc = l->server.consistent ? live_feed_document(l, t, out, e)
				  : live_range_document(l, t, out, e);
	if (rc == ERR_END) {
		out->event = SOURCE_TABLE_END;
		live_leave(l);
		return ERR_OK;
	}
	if (rc != ERR_OK)
		return rc;
	l->tries = 0;
	l->done++;
	return live_pace(l, e);
}

/* The next item of the table at hand. */
static int
live_item(struct live *l, struct source_item *out, struct err *e)
{
	struct query_table t = live_table_at(l, l->at);
	bool admin = strcmp(l->user, "admin") == 0;
	int rc;

	*out = (struct source_item){
	    .database = t.database, .table = t.name, .file = l->file, .line = 1, .column = 1};
	switch (l->step) {
	case LIVE_INFO:
		snprintf(l->file, sizeof(l->file), "%s.%s", t.database, t.name);
		rc = live_connect(l, e);
		if (rc == ERR_OK)
			rc = describe_table(l->c, &t, admin, l->server.log, &l->table, e);
		if (rc == ERR_OK &&
		    record_describe(&l->record, t.database, t.name, &l->table.json) != ERR_OK)
			rc = err_nomem(e);
		if (rc != ERR_OK)
			return rc;
		out->event = SOURCE_INFO;
		out->data = l->table.json.data;
		out->len = l->table.json.len;
		l->step = LIVE_TABLE;
		l->again = false;
		l->restarts = 0;
		l->queue = LIVE_QUEUE;
		return ERR_OK;
	case LIVE_TABLE:
		out->event = SOURCE_TABLE;
		out->latest = l->server.consistent;
		l->before = l->done;
		l->step = LIVE_DOCUMENTS;
		return ERR_OK;
	case LIVE_DOCUMENTS:
		return live_document(l, &t, out, e);
	}
	return ERR_OK;
}

/* Nothing helps any more: the table is bad, or, without a server, what is left of the run. */
static int
live_give_up(struct live *l, int rc, struct source_item *out, struct err *e)
{
	if (rc == ERR_INTR || rc == ERR_NOMEM)
		return rc;
	if (rc == ERR_IO && !ranges_usable(l->ranges)) {
		struct err why = *e;
		return err_set(e, ERR_TRUNCATED,
		    "%s; the tables before %s are whole, the others are not taken", why.text,
		    l->file);
	}
	out->event = SOURCE_TABLE_BAD;
	live_leave(l);
	return ERR_OK;
}

static int
live_next(struct source *s, struct source_item *out, struct err *e)
{
	struct live *l = live_of(s);

	while (l->at < l->n) {
		int rc = live_item(l, out, e);
		if (rc == ERR_OK)
			return ERR_OK;
		rc = live_recover(l, rc, e);
		if (rc != ERR_OK)
			return live_give_up(l, rc, out, e);
	}
	return ERR_END;
}

static void
live_skip_table(struct source *s)
{
	struct live *l = live_of(s);

	if (l->at < l->n && l->step == LIVE_DOCUMENTS)
		live_leave(l);
}

static void
live_progress(const struct source *s, uint64_t *done, uint64_t *total)
{
	const struct live *l = (const struct live *)s;

	*done = l->done;
	*total = l->done > l->total ? l->done : l->total;
}

static const struct buf *
live_record(const struct source *s)
{
	return &((const struct live *)s)->record.json;
}

/* ---- opening and closing ---- */

static void
live_close(struct source *s)
{
	struct live *l = live_of(s);

	live_close_feed(l);
	ranges_free(l->ranges);
	describe_finish(&l->table);
	record_finish(&l->record);
	buf_finish(&l->query);
	buf_finish(&l->answer);
	free(l->tables);
	free(l->user);
	free(l->base.dates);
	free(l);
}

/* Fill in what the options leave open. */
static int
live_set_up(struct live *l, const char *address, const struct source_server *server, struct err *e)
{
	struct connection_options *o = &l->connect;
	int rc = address_parse(address, &o->address, e);

	if (rc == ERR_OK)
		rc = address_login(&o->address, server->user, &l->user, e);
	if (rc != ERR_OK)
		return rc;
	l->server = *server;
	l->server.clients = server->clients > 0 ? server->clients : 1;
	l->server.connect_ms = server->connect_ms > 0 ? server->connect_ms : LIVE_CONNECT;
	l->server.idle_ms = server->idle_ms > 0 ? server->idle_ms : LIVE_IDLE;
	l->server.retry_ms = server->retry_ms > 0 ? server->retry_ms : LIVE_RETRY;
	o->user = l->user;
	o->password = server->password;
	o->password_len = server->password_len;
	o->tls = (struct tls_files){server->tls_ca, server->tls_cert, server->tls_key};
	o->connect_ms = l->server.connect_ms;
	o->idle_ms = l->server.idle_ms;
	o->stop = server->stop;
	rc = tls_check(&o->tls, e);
	if (rc != ERR_OK)
		return rc;
	return ranges_create(&(struct ranges_options){.connect = o,
				 .clients = l->server.clients,
				 .retry_ms = l->server.retry_ms,
				 .log = server->log},
	    &l->ranges, e);
}

int
live_open(
    const char *address, const struct source_server *server, struct source **out, struct err *e)
{
	static const struct source_functions functions = {.close = live_close,
	    .tables = live_tables,
	    .start = live_start,
	    .next = live_next,
	    .skip_table = live_skip_table,
	    .progress = live_progress,
	    .record = live_record};
	struct live *l = calloc(1, sizeof(*l));
	int rc;

	if (l == NULL)
		return err_nomem(e);
	l->base.functions = &functions;
	l->base.kind = SOURCE_LIVE;
	rc = live_set_up(l, address, server, e);
	if (rc == ERR_OK)
		rc = live_connect(l, e);
	if (rc == ERR_OK &&
	    asprintf(&l->base.label, "rethinkdb://%s", l->connect.address.name) < 0) {
		l->base.label = NULL;
		rc = err_nomem(e);
	}
	if (rc != ERR_OK) {
		live_close(&l->base);
		return rc;
	}
	*out = &l->base;
	return ERR_OK;
}
