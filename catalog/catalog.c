/* The catalogue as a whole: the contracts are in catalog.h. */
#include "catalog/catalog.h"

#include "catalog/catalog_internal.h"
#include "catalog/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CATALOG_FILE "catalog.db"

/* ---- opening ---- */

int
catalog_create(const char *dir, struct err *e)
{
	char *path;
	int rc;

	if (asprintf(&path, "%s/" CATALOG_FILE, dir) < 0)
		return err_nomem(e);
	rc = db_create(path, schema_catalog(), e);
	free(path);
	return rc;
}

int
catalog_open(const struct repo *repo, enum catalog_mode mode, struct catalog **out, struct err *e)
{
	struct catalog *c = calloc(1, sizeof(*c));
	char *path;
	int rc;

	if (c == NULL)
		return err_nomem(e);
	if (asprintf(&path, "%s/" CATALOG_FILE, repo->path) < 0) {
		free(c);
		return err_nomem(e);
	}
	rc = db_open(path, schema_catalog(), mode == CATALOG_WRITE, &c->db, e);
	free(path);
	if (rc != ERR_OK) {
		free(c);
		return rc;
	}
	*out = c;
	return ERR_OK;
}

void
catalog_close(struct catalog *c)
{
	if (c == NULL)
		return;
	db_close(c->db);
	free(c);
}

/* ---- transactions ---- */

/*
 * Whether a commit has to be on disk is known only when it is made, and SQLite wants to know before
 * the transaction begins. So all are made under NORMAL, which appends to the write-ahead log and
 * does not wait, and a durable one syncs the log afterwards.
 */
int
catalog_begin(struct catalog *c, struct err *e)
{
	return db_begin(c->db, false, e);
}

int
catalog_commit(struct catalog *c, bool durable, struct err *e)
{
	int rc = db_commit(c->db, e);

	return rc == ERR_OK && durable ? db_sync(c->db, e) : rc;
}

void
catalog_rollback(struct catalog *c)
{
	db_rollback(c->db);
}

int
catalog_generation(struct catalog *c, uint64_t *out, struct err *e)
{
	return db_generation(c->db, out, e);
}

int
catalog_replaced(struct catalog *c, bool *out, struct err *e)
{
	return db_moved(c->db, out, e);
}

bool
catalog_is_early(int code)
{
	return code == ERR_ABSENT || code == ERR_READONLY || code == ERR_DENIED;
}

int
catalog_follow(const struct repo *repo, struct catalog **c, bool *changed, struct err *e)
{
	struct catalog *fresh;
	bool replaced;
	int rc = catalog_replaced(*c, &replaced, e);

	*changed = false;
	if (rc != ERR_OK || !replaced)
		return rc;
	rc = catalog_open(repo, CATALOG_READ, &fresh, e);
	if (catalog_is_early(rc))
		return err_set(e, ERR_BUSY, "the catalogue is being made again");
	if (rc != ERR_OK)
		return rc;
	catalog_close(*c);
	*c = fresh;
	*changed = true;
	return ERR_OK;
}

/* ---- what the other files share ---- */

void
catalog_bind_key(struct db_query *q, int at, const struct key *key)
{
	db_bind_bytes(q, at, key->bytes, key->len);
}

bool
catalog_key(const struct db_query *q, int col, size_t min, struct key *out)
{
	const uint8_t *p;
	size_t n;

	if (!db_bytes(q, col, KEY_MAX, &p, &n) || n < min)
		return false;
	out->len = (uint8_t)n;
	if (n > 0)
		memcpy(out->bytes, p, n);
	return true;
}

int
catalog_need(int64_t changes, struct err *e, const char *fmt, ...)
{
	struct err text = {0};
	va_list ap;

	if (changes != 0)
		return ERR_OK;
	va_start(ap, fmt);
	vsnprintf(text.text, sizeof(text.text), fmt, ap);
	va_end(ap);
	return err_set(e, ERR_WRONG_STATE, "%s", text.text);
}

/* ---- checking ---- */

/* A problem search: SQL whose rows are problems, one text each. */
struct catalog_search {
	struct catalog *c;                            /* where */
	void (*problem)(void *arg, const char *text); /* whom to tell */
	void *arg;                                    /* handed to it */
	uint64_t found;                               /* problems so far */
};

/* integrity_check looks at pages, order, indexes and the types and checks of every row. */
static const char INTEGRITY_SQL[] = "SELECT integrity_check FROM pragma_integrity_check"
				    " WHERE integrity_check <> 'ok'";

static const char FOREIGN_KEYS_SQL[] = "SELECT 'row ' || coalesce(rowid, '?') || ' of ' || "
				       "\"table\" || ' names a row of ' || parent ||"
				       " ' that is not there' FROM pragma_foreign_key_check";

/* The links that are no foreign keys, and what is true of every version alone. */
static const char VERSIONS_SQL[] =
    "SELECT 'version ' || hex(key) || ' of table ' || table_id || ', born in snapshot ' || born ||"
    " ', has values out of range or is in a pack that its table does not have'"
    " FROM versions v"
    " WHERE length(key) NOT BETWEEN 1 AND 128 OR length(digest) <> 16 OR born < 1 OR died <= born"
    "  OR ordinal NOT BETWEEN 0 AND 4294967295 OR size NOT BETWEEN 0 AND 4294967295"
    "  OR NOT EXISTS (SELECT 1 FROM packs p WHERE p.id = v.pack_id AND p.table_id = v.table_id)";

/* In one walk through the primary key: a version must not begin before the one before it ends. */
static const char OVERLAP_SQL[] =
    "SELECT 'versions of ' || hex(key) || ' in table ' || table_id || ' overlap at snapshot ' || "
    "born"
    " FROM (SELECT table_id, key, born,"
    "   lag(died) OVER (PARTITION BY table_id, key ORDER BY born) AS ended FROM versions)"
    " WHERE ended > born";

static const char SHARDS_SQL[] =
    "SELECT 'snapshot ' || s.id || ' should have ' || s.shards || ' shards and '"
    " || s.documents || ' documents, and its shards have others'"
    " FROM snapshots s WHERE s.complete = 1 AND s.forgotten = 0 AND (s.shards < 1"
    "  OR s.shards <> (SELECT count(*) FROM shards h WHERE h.snapshot_id = s.id"
    "   AND h.number < s.shards)"
    "  OR s.documents <> (SELECT coalesce(sum(h.documents), 0) FROM shards h"
    "   WHERE h.snapshot_id = s.id)"
    "  OR s.primary_key IS NULL OR s.config IS NULL)";

static int
catalog_search(struct catalog_search *s, const char *sql, struct err *e)
{
	struct db_query *q = db_query(s->c->db, sql);
	struct err line;
	const uint8_t *p;
	size_t n;
	int rc;

	while ((rc = db_step(q, e)) == ERR_OK) {
		if (db_bytes(q, 0, ERR_TEXT_MAX, &p, &n))
			err_set(&line, ERR_CORRUPT, "%.*s", (int)n, (const char *)p);
		else
			err_set(&line, ERR_CORRUPT, "a problem without a text");
		s->problem(s->arg, line.text);
		s->found++;
	}
	db_reset(q);
	return rc == ERR_END ? ERR_OK : rc;
}

int
catalog_check(
    struct catalog *c, void (*problem)(void *arg, const char *text), void *arg, struct err *e)
{
	static const char *const searches[] = {
	    INTEGRITY_SQL, FOREIGN_KEYS_SQL, VERSIONS_SQL, OVERLAP_SQL, SHARDS_SQL};
	struct catalog_search s = {.c = c, .problem = problem, .arg = arg};

	for (size_t i = 0; i < sizeof(searches) / sizeof(searches[0]); i++) {
		struct err why = {0};
		int rc = catalog_search(&s, searches[i], &why);
		/* Damage that stops a search is a problem itself; what it did not reach may still
		 * be found by the next one. */
		if (rc == ERR_CORRUPT) {
			problem(arg, why.text);
			s.found++;
		} else if (rc != ERR_OK) {
			return err_set(e, rc, "%s", why.text);
		}
	}
	if (s.found > 0)
		return db_damaged(c->db, e, "%llu problems found", (unsigned long long)s.found);
	return ERR_OK;
}
