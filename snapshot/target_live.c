/*
 * A live server as a target. Documents are dealt with in groups: what is there is read; it is
 * decided whether to replace it; what is replaced is written down durably; then it is replaced by
 * compare-and-set, with hard durability, and read back. A crash between any two of these leaves a
 * restore that can be carried out again. The contracts are in target.h.
 */
#include "snapshot/target_internal.h"

#include "snapshot/rdb/describe.h"
#include "snapshot/rdb/response.h"
#include "snapshot/rdb/swap.h"

#include <stdlib.h>
#include <string.h>

#define LIVE_CONNECT 20000    /* ms */
#define LIVE_IDLE 120000      /* ms */
#define LIVE_GROUP (4u << 20) /* bytes of documents in a group, unless it is one document */
#define LIVE_TRIES 8          /* looks at a document that others change all the time */

struct target_live {
	struct target base;
	char *user; /* whom to log in as, owned */
	const struct log *log;
	bool deep; /* as in struct target_server */
	struct connection_options connect;
	struct connection *c; /* owned; NULL while there is none */
};

/* A table that is being written. */
struct live_batch {
	struct target_live *live;
	const struct target_table *table;
	struct swap swap;
	struct swap_item *items; /* SWAP_ITEMS, owned */
	size_t n;
	size_t bytes;         /* of the documents in the group */
	bool undo;            /* put back, do not restore */
	bool force;           /* put back over whatever is there */
	const uint8_t *marks; /* of the documents that a restore has written, DIGEST_LEN each */
	uint64_t kept;        /* documents that were left alone */
	uint64_t failed;      /* documents that could not be restored */
	struct err why;       /* of the first of them */
};

static struct target_live *
live_of(struct target *t)
{
	return (struct target_live *)t;
}

/* ---- the connection and the table ---- */

/* Nothing that a server says of the login is the fault of a restore: it can wait. */
static int
live_connect(struct target_live *l, struct err *e)
{
	int rc;

	if (l->c != NULL && connection_usable(l->c))
		return ERR_OK;
	connection_close(l->c);
	l->c = NULL;
	rc = connection_open(&l->connect, &l->c, e);
	if (rc == ERR_OK || rc == ERR_INTR || rc == ERR_NOMEM)
		return rc;
	if (e != NULL)
		e->code = ERR_BUSY;
	return ERR_BUSY;
}

/* What a failure on the connection means for the restore. */
static int
live_meaning(const struct live_batch *b, int rc, struct err *e)
{
	int code = rc;

	if (!connection_usable(b->live->c) && rc != ERR_INTR && rc != ERR_NOMEM)
		code = ERR_BUSY;
	else if (rc == ERR_ABSENT || rc == ERR_DENIED || rc == ERR_VERSION || rc == ERR_FORMAT)
		code = ERR_ARG;
	else if (rc == ERR_IO)
		code = ERR_BUSY;
	if (e != NULL)
		e->code = code;
	return code;
}

/* Ask the query for its one result, of no length for null; ${answer} holds it. */
static int
live_ask(struct live_batch *b, const struct buf *query, struct buf *answer, struct member_span *out,
    struct err *e)
{
	struct response r;
	uint64_t token;
	int rc = connection_start(b->live->c, query, &token, e);

	if (rc == ERR_OK)
		rc = connection_receive(b->live->c, token, answer, e);
	if (rc == ERR_OK)
		rc = response_read(answer->data, answer->len, &r, e);
	if (rc == ERR_OK)
		rc = response_check(&r, e);
	if (rc != ERR_OK)
		return rc;
	*out = (struct member_span){0};
	rc = response_first(&r, out);
	return rc == ERR_ABSENT ? ERR_OK : rc;
}

/*
 * A user who may not pass by a write hook: only a table that has none can be written exactly. The
 * row of table_config tells, to those who may read it.
 */
static int
live_without_hook(struct live_batch *b, const char *id, struct err *e)
{
	struct buf query = {0}, answer = {0};
	struct member_span row, hook;
	struct err unseen = {0};
	bool none = false;
	int rc = query_system(&query, "table_config", id);

	if (rc != ERR_OK)
		rc = err_nomem(e);
	else if (live_ask(b, &query, &answer, &row, &unseen) == ERR_OK)
		none = row.len > 0 &&
		       member_find(row.data, row.len, "write_hook", 10, &hook) == ERR_OK &&
		       hook.len == 4 && memcmp(hook.data, "null", 4) == 0;
	buf_finish(&query);
	buf_finish(&answer);
	if (rc != ERR_OK || none)
		return rc;
	if (!connection_usable(b->live->c))
		return err_set(e, ERR_IO, "%s", unseen.text);
	return err_set(e, ERR_DENIED,
	    "user \"%s\" may not pass by write hooks, nor see that %s.%s has none: grant it the "
	    "config "
	    "permission on that table",
	    b->live->user, b->table->database, b->table->table);
}

/* Find out whether to pass by a write hook, and whether that is allowed. */
static int
live_hook(struct live_batch *b, const char *id, struct err *e)
{
	struct buf query = {0}, answer = {0};
	struct member_span hook;
	int rc;

	b->swap.ignore_hook = connection_modern(b->live->c);
	if (!b->swap.ignore_hook)
		return ERR_OK;
	rc = query_hook(&query, &b->swap.table) == ERR_OK ? ERR_OK : err_nomem(e);
	if (rc == ERR_OK)
		rc = live_ask(b, &query, &answer, &hook, e);
	buf_finish(&query);
	buf_finish(&answer);
	if (rc == ERR_DENIED) {
		b->swap.ignore_hook = false;
		return live_without_hook(b, id, e);
	}
	return rc;
}

/* Look at the table: its key field has to be the one of the documents. */
static int
live_table(struct live_batch *b, struct err *e)
{
	struct describe d = {0};
	int rc = live_connect(b->live, e);

	b->swap.c = b->live->c;
	if (rc == ERR_OK)
		rc = describe_info(b->live->c, &b->swap.table, &d, e);
	if (rc == ERR_OK && strcmp((const char *)d.primary_key.data, b->table->primary_key) != 0)
		rc = err_set(e, ERR_ARG,
		    "the key field of %s.%s is \"%s\" on the server and \"%s\" in the repository",
		    b->table->database, b->table->table, (const char *)d.primary_key.data,
		    b->table->primary_key);
	if (rc == ERR_OK)
		rc = live_hook(b, d.id, e);
	describe_finish(&d);
	return rc;
}

/* Begin with a table; a connection that was lost since it was used last is made again. */
static int
live_begin(struct live_batch *b, struct err *e)
{
	bool used = b->live->c != NULL;
	struct err why = {0};
	int rc;

	b->swap = (struct swap){.table = {b->table->database, b->table->table},
	    .deep = b->live->deep,
	    .step = b->table->step,
	    .arg = b->table->arg};
	b->items = calloc(SWAP_ITEMS, sizeof(*b->items));
	if (b->items == NULL)
		return err_nomem(e);
	rc = live_table(b, &why);
	if (rc == ERR_IO && used && !connection_usable(b->live->c)) {
		err_clear(&why);
		rc = live_table(b, &why);
	}
	if (rc == ERR_OK)
		return ERR_OK;
	if (b->live->c != NULL)
		rc = live_meaning(b, rc, NULL);
	return err_set(e, rc, "%s", why.text[0] != '\0' ? why.text : err_str(rc));
}

static void
live_end(struct live_batch *b)
{
	for (size_t i = 0; b->items != NULL && i < SWAP_ITEMS; i++)
		swap_item_finish(&b->items[i]);
	free(b->items);
}

/* ---- deciding ---- */

static int
live_fail(struct swap_item *item, int code, const char *text)
{
	item->state = SWAP_FAILED;
	err_set(&item->why, code, "%s", text);
	return ERR_OK;
}

/* Whether what is there is the document that has the mark ${written}. */
static int
live_is(const struct swap_item *item, const uint8_t written[DIGEST_LEN], bool *is, struct err *e)
{
	uint8_t mark[DIGEST_LEN];

	*is = false;
	if (item->found.len == 0)
		return ERR_OK;
	if (swap_mark(item->found.data, item->found.len, mark) != ERR_OK)
		return err_nomem(e);
	*is = memcmp(mark, written, sizeof(mark)) == 0;
	return ERR_OK;
}

/* Whether what is there is what is wanted. */
static int
live_is_wanted(const struct swap_item *item, bool *is, struct err *e)
{
	uint8_t mark[DIGEST_LEN];

	*is = item->found.len == 0 && item->want.len == 0;
	if (item->want.len == 0)
		return ERR_OK;
	if (swap_mark(item->want.data, item->want.len, mark) != ERR_OK)
		return err_nomem(e);
	return live_is(item, mark, is, e);
}

/* The policy newer-loses: what is there has to be what the newest snapshot has. */
static int
live_newer_loses(const struct live_batch *b, struct swap_item *item, struct err *e)
{
	uint8_t saved[DIGEST_LEN], there[DIGEST_LEN];
	struct digest *d;
	int rc = b->table->memory->version(b->table->memory->arg, &item->key, saved, e);

	if (rc == ERR_ABSENT)
		return item->found.len == 0
			   ? ERR_OK
			   : live_fail(item, ERR_ARG,
				 "not restored: the server has a document that the newest snapshot "
				 "has not (conflict policy newer-loses)");
	if (rc != ERR_OK)
		return rc;
	if (item->found.len == 0)
		return live_fail(item, ERR_ARG,
		    "not restored: it was deleted on the server since the newest snapshot "
		    "(conflict policy newer-loses)");
	d = digest_create();
	rc = d == NULL ? ERR_NOMEM : digest_document(d, item->found.data, item->found.len, there);
	digest_free(d);
	if (rc != ERR_OK)
		return err_nomem(e);
	if (memcmp(saved, there, sizeof(saved)) != 0)
		return live_fail(item, ERR_ARG,
		    "not restored: it has changed on the server since the newest snapshot "
		    "(conflict policy newer-loses)");
	return ERR_OK;
}

/* Decide about a document to be restored, given what is there. */
static int
live_decide_restore(struct live_batch *b, struct swap_item *item, struct err *e)
{
	bool same, passing = swap_passing(item->found.data, item->found.len);
	int rc = live_is_wanted(item, &same, e);

	if (rc != ERR_OK)
		return rc;
	item->state = same ? SWAP_DONE : SWAP_WRITE;
	/* What this restore left behind when it was interrupted is its own. */
	if (same || passing)
		return ERR_OK;
	if (b->table->policy == QUEUE_KEEP && item->found.len > 0) {
		item->state = SWAP_DONE;
		b->kept++;
		return ERR_OK;
	}
	return b->table->policy == QUEUE_NEWER_LOSES ? live_newer_loses(b, item, e) : ERR_OK;
}

/* Decide about a document to be put back; ${written} is the mark of what the restore wrote. */
static int
live_decide_undo(const struct live_batch *b, struct swap_item *item,
    const uint8_t written[DIGEST_LEN], struct err *e)
{
	bool same, ours = false;
	int rc = live_is_wanted(item, &same, e);

	if (rc == ERR_OK && !same)
		rc = live_is(item, written, &ours, e);
	if (rc != ERR_OK)
		return rc;
	if (same) {
		item->state = SWAP_DONE;
		return ERR_OK;
	}
	item->state = SWAP_WRITE;
	if (ours || b->force || swap_passing(item->found.data, item->found.len))
		return ERR_OK;
	return live_fail(item, ERR_WRONG_STATE,
	    item->found.len > 0 ? "it was changed on the server since it was restored"
				: "it was deleted on the server since it was restored");
}

/* ---- writing down ---- */

/*
 * Write down what is going to be replaced. What an earlier attempt of this restore has written is
 * not what the restore replaces: what is known from then stays.
 */
static int
live_remember(struct live_batch *b, struct err *e)
{
	const struct target_memory *m = b->table->memory;
	struct queue_replaced r[SWAP_ITEMS];
	size_t n = 0;
	int rc = ERR_OK;

	for (size_t i = 0; i < b->n && rc == ERR_OK; i++) {
		struct swap_item *item = &b->items[i];
		uint8_t before[DIGEST_LEN];
		bool ours = false;
		if (item->state != SWAP_WRITE)
			continue;
		r[n] = (struct queue_replaced){.key = &item->key,
		    .document = item->found.len > 0 ? item->found.data : NULL,
		    .len = item->found.len};
		if (swap_mark(item->want.data, item->want.len, r[n].written) != ERR_OK)
			return err_nomem(e);
		rc = m->recall(m->arg, &item->key, before, e);
		if (rc == ERR_OK)
			rc = live_is(item, before, &ours, e);
		else if (rc == ERR_ABSENT)
			rc = ERR_OK;
		if (rc == ERR_OK && (ours || swap_passing(item->found.data, item->found.len)))
			rc = m->rewrite(m->arg, &item->key, r[n].written, e);
		else if (rc == ERR_OK)
			n++;
	}
	return rc == ERR_OK && n > 0 ? m->remember(m->arg, r, n, e) : rc;
}

/* ---- a group ---- */

/* Decide about all items that were read. Sets ${write} when something is to be written. */
static int
live_decide(struct live_batch *b, bool *write, struct err *e)
{
	int rc = ERR_OK;

	*write = false;
	for (size_t i = 0; i < b->n && rc == ERR_OK; i++) {
		struct swap_item *item = &b->items[i];
		if (item->state != SWAP_READ)
			continue;
		rc = b->undo ? live_decide_undo(b, item, b->marks + i * DIGEST_LEN, e)
			     : live_decide_restore(b, item, e);
		*write = *write || item->state == SWAP_WRITE;
	}
	return rc;
}

/* Read, decide, write down and replace, again and again for those that change in between. */
static int
live_swap(struct live_batch *b, struct err *e)
{
	bool write = true;
	int rc = ERR_OK;

	for (unsigned tries = 0; rc == ERR_OK && write && tries < LIVE_TRIES; tries++) {
		rc = swap_read(&b->swap, b->items, b->n, e);
		if (rc != ERR_OK)
			return live_meaning(b, rc, e);
		rc = live_decide(b, &write, e);
		/* Whoever comes in between now changes what was read, and is not written over. */
		if (rc == ERR_OK && write && b->table->hold != NULL)
			rc = b->table->hold(b->table->arg, e);
		if (rc == ERR_OK && write && !b->undo)
			rc = live_remember(b, e);
		if (rc != ERR_OK || !write)
			return rc;
		rc = swap_write(&b->swap, b->items, b->n, e);
		if (rc != ERR_OK)
			return live_meaning(b, rc, e);
	}
	for (size_t i = 0; i < b->n; i++)
		if (b->items[i].state == SWAP_READ)
			return err_set(e, ERR_BUSY,
			    "a document is being changed all the time by somebody else");
	return rc;
}

/* Restore the group, and count what failed. */
static int
live_group(struct live_batch *b, struct err *e)
{
	int rc = live_swap(b, e);

	for (size_t i = 0; i < b->n && rc == ERR_OK; i++) {
		if (b->items[i].state != SWAP_FAILED)
			continue;
		if (b->failed++ == 0)
			b->why = b->items[i].why;
	}
	b->n = 0;
	b->bytes = 0;
	return rc;
}

/* Put a document into the group; of equal keys, which come one after the other, the last counts. */
static int
live_take(struct live_batch *b, const struct sort_item *document, struct err *e)
{
	bool same = b->n > 0 && key_compare(&b->items[b->n - 1].key, &document->key) == 0;
	struct swap_item *item;
	int rc = ERR_OK;

	if (!same) {
		if (b->n == SWAP_ITEMS || (b->n > 0 && b->bytes + document->len > LIVE_GROUP))
			rc = live_group(b, e);
		if (rc != ERR_OK)
			return rc;
		b->n++;
	}
	item = &b->items[b->n - 1];
	item->key = document->key;
	item->state = SWAP_READ;
	buf_clear(&item->want);
	b->bytes += document->len;
	return buf_append(&item->want, document->data, document->len) == ERR_OK ? ERR_OK
										: err_nomem(e);
}

static int
live_apply(
    struct target *t, const struct target_table *table, struct sort *documents, struct err *e)
{
	struct live_batch b = {.live = live_of(t), .table = table};
	uint64_t all = sort_count(documents);
	struct sort_item item;
	int rc = live_begin(&b, e);

	if (rc == ERR_OK)
		rc = sort_finish(documents, e);
	while (rc == ERR_OK && (rc = sort_next(documents, &item, e)) == ERR_OK)
		rc = live_take(&b, &item, e);
	if (rc == ERR_END)
		rc = live_group(&b, e);
	live_end(&b);
	if (rc == ERR_OK && b.kept > 0)
		log_line(b.live->log, LOG_NOTICE,
		    "%s.%s: %llu of %llu documents were on the server and are kept as they are",
		    table->database, table->table, (unsigned long long)b.kept,
		    (unsigned long long)all);
	if (rc != ERR_OK || b.failed == 0)
		return rc;
	if (all == 1)
		return err_set(e, ERR_ARG, "%s", b.why.text);
	return err_set(e, ERR_ARG, "%llu of %llu documents: the first: %s",
	    (unsigned long long)b.failed, (unsigned long long)all, b.why.text);
}

/* ---- undoing ---- */

static int
live_undo_items(struct live_batch *b, struct target_undo *items, struct err *e)
{
	int rc = ERR_OK;

	for (size_t i = 0; i < b->n && rc == ERR_OK; i++) {
		b->items[i].key = items[i].key;
		b->items[i].state = SWAP_READ;
		if (items[i].document != NULL &&
		    buf_append(&b->items[i].want, items[i].document, items[i].len) != ERR_OK)
			rc = err_nomem(e);
	}
	if (rc == ERR_OK)
		rc = live_swap(b, e);
	for (size_t i = 0; i < b->n && rc == ERR_OK; i++) {
		err_clear(&items[i].why);
		if (b->items[i].state == SWAP_FAILED)
			items[i].why = b->items[i].why;
	}
	return rc;
}

static int
live_undo(struct target *t, const struct target_table *table, struct target_undo *items, size_t n,
    bool force, struct err *e)
{
	uint8_t marks[SWAP_ITEMS * DIGEST_LEN];
	struct live_batch b = {
	    .live = live_of(t), .table = table, .undo = true, .force = force, .marks = marks};
	int rc;

	_Static_assert(TARGET_UNDO <= SWAP_ITEMS, "documents put back fit into a group");
	if (n > TARGET_UNDO)
		return err_set(e, ERR_BUG, "too many documents to be put back at a time");
	rc = live_begin(&b, e);
	b.n = n;
	for (size_t i = 0; i < n; i++)
		memcpy(marks + i * DIGEST_LEN, items[i].written, DIGEST_LEN);
	if (rc == ERR_OK)
		rc = live_undo_items(&b, items, e);
	live_end(&b);
	return rc;
}

/* ---- opening and closing ---- */

static void
live_close(struct target *t)
{
	struct target_live *l = live_of(t);

	connection_close(l->c);
	free(l->user);
	free(l);
}

static const struct target_kind target_live_kind = {
    .apply = live_apply, .undo = live_undo, .close = live_close, .single = true};

static int
live_set_up(
    struct target_live *l, const char *uri, const struct target_server *server, struct err *e)
{
	struct connection_options *o = &l->connect;
	int rc = address_parse(uri, &o->address, e);

	if (rc == ERR_OK)
		rc = address_login(&o->address, server->user, &l->user, e);
	if (rc != ERR_OK)
		return rc;
	l->log = server->log;
	l->deep = server->deep;
	o->user = l->user;
	o->password = server->password;
	o->password_len = server->password_len;
	o->tls = (struct tls_files){server->tls_ca, server->tls_cert, server->tls_key};
	o->connect_ms = server->connect_ms > 0 ? server->connect_ms : LIVE_CONNECT;
	o->idle_ms = server->idle_ms > 0 ? server->idle_ms : LIVE_IDLE;
	o->stop = server->stop;
	return tls_check(&o->tls, e);
}

int
target_live_open(
    const char *uri, const struct target_server *server, struct target **out, struct err *e)
{
	struct target_live *l = calloc(1, sizeof(*l));
	int rc;

	if (l == NULL)
		return err_nomem(e);
	l->base.kind = &target_live_kind;
	rc = live_set_up(l, uri, server, e);
	if (rc != ERR_OK) {
		live_close(&l->base);
		return rc;
	}
	*out = &l->base;
	return ERR_OK;
}
