/* Comparing a snapshot with a source: the contract is in compare.h. */
#include "snapshot/compare.h"

#include "catalog/base/digest.h"
#include "snapshot/documents.h"
#include "snapshot/json/canon.h"
#include "snapshot/json/jsonkey.h"
#include "snapshot/sort.h"

#include <string.h>

/* One comparison in progress. */
struct compare {
	const struct compare_options *options;
	struct source *source;
	const char *database, *table; /* what they are called in the source */
	struct canon *canon;
	struct digest *digest;
	struct sort *sort;    /* digests of the source's documents, by key */
	struct buf canonical; /* the document at hand */
	uint64_t documents;   /* read so far */
	struct compare_result result;
};

/* Take the key and the digest of a document of the source. */
static int
compare_take(struct compare *c, const struct source_item *item, struct err *e)
{
	uint8_t digest[DIGEST_LEN];
	struct key key;
	int rc;

	buf_clear(&c->canonical);
	rc = canon_value(c->canon, item->data, item->len, &c->canonical, NULL, e);
	if (rc == ERR_OK)
		rc = jsonkey_of(
		    c->canonical.data, c->canonical.len, c->options->primary_key, &key, e);
	if (rc != ERR_OK)
		return rc;
	if (c->options->only != NULL && key_compare(&key, c->options->only) != 0)
		return ERR_OK;
	if (digest_document(c->digest, c->canonical.data, c->canonical.len, digest) != ERR_OK)
		return err_nomem(e);
	return sort_add(c->sort, &key, digest, sizeof(digest), e);
}

static int
compare_document(struct compare *c, const struct source_item *item, struct err *e)
{
	int rc = compare_take(c, item, e);

	if (rc == ERR_FORMAT || rc == ERR_KEY || rc == ERR_LIMIT)
		err_prefix(e, "%s: line %llu", item->file, (unsigned long long)item->line);
	c->documents++;
	if (rc == ERR_OK && c->options->progress != NULL)
		c->options->progress(c->options->arg, c->documents);
	return rc;
}

/* Read the table to its end; others that the source has are passed over. */
static int
compare_read(struct compare *c, struct err *e)
{
	struct source_item item;
	bool ours = false;
	int rc = source_start(c->source, 0, e);

	while (rc == ERR_OK && (rc = source_next(c->source, &item, e)) == ERR_OK) {
		if (c->options->stop != NULL && *c->options->stop != 0)
			return err_set(e, ERR_INTR, "interrupted");
		ours = strcmp(item.database, c->database) == 0 && strcmp(item.table, c->table) == 0;
		if (ours && item.event == SOURCE_TABLE_BAD)
			return e != NULL && e->code < 0 ? e->code : ERR_FORMAT;
		if (ours && item.event == SOURCE_TABLE_END)
			return ERR_OK;
		if (ours && item.event == SOURCE_DOCUMENT)
			rc = compare_document(c, &item, e);
		if (!ours && item.event == SOURCE_TABLE)
			source_skip_table(c->source);
	}
	return rc == ERR_END
		   ? err_set(e, ERR_ABSENT, "there is no table %s.%s", c->database, c->table)
		   : rc;
}

static int
compare_count(struct compare *c, enum compare_state state, const struct key *key, struct err *e)
{
	c->result.count[state]++;
	if (state == COMPARE_SAME || c->options->found == NULL)
		return ERR_OK;
	return c->options->found(c->options->arg, state, key, e);
}

/* Go through both in the order of keys. */
static int
compare_merge(struct compare *c, struct documents *d, struct err *e)
{
	const struct versions_version *v = NULL;
	struct sort_item item;
	int mine = documents_skim(d, &v, e), theirs = sort_next(c->sort, &item, e);

	while (mine == ERR_OK || theirs == ERR_OK) {
		int order = mine != ERR_OK     ? 1
			    : theirs != ERR_OK ? -1
					       : key_compare(&v->key, &item.key);
		enum compare_state state = order < 0 ? COMPARE_MISSING : COMPARE_EXTRA;
		int rc;
		if (mine < 0 || theirs < 0)
			break;
		if (order == 0)
			state = memcmp(v->digest, item.data, DIGEST_LEN) == 0 ? COMPARE_SAME
									      : COMPARE_CHANGED;
		rc = compare_count(c, state, order <= 0 ? &v->key : &item.key, e);
		if (rc != ERR_OK)
			return rc;
		if (order <= 0)
			mine = documents_skim(d, &v, e);
		if (order >= 0)
			theirs = sort_next(c->sort, &item, e);
	}
	if (mine != ERR_END)
		return mine;
	return theirs == ERR_END ? ERR_OK : theirs;
}

static int
compare_all(struct compare *c, struct err *e)
{
	const struct compare_options *o = c->options;
	struct documents *d;
	int rc = compare_read(c, e);

	if (rc == ERR_OK)
		rc = sort_finish(c->sort, e);
	if (rc == ERR_OK)
		rc = documents_open(o->cat, NULL, o->snapshot, &d, e);
	if (rc != ERR_OK)
		return rc;
	if (o->only != NULL)
		documents_only(d, o->only);
	rc = compare_merge(c, d, e);
	documents_close(d);
	return rc;
}

int
compare_run(struct source *source, const char *database, const char *table,
    const struct compare_options *options, struct compare_result *result, struct err *e)
{
	struct compare c = {
	    .options = options, .source = source, .database = database, .table = table};
	int rc = sort_create(options->repo->dirfd, 0, &c.sort, e);

	c.canon = canon_create();
	c.digest = digest_create();
	if (rc == ERR_OK && (c.canon == NULL || c.digest == NULL))
		rc = err_nomem(e);
	if (rc == ERR_OK)
		rc = compare_all(&c, e);
	if (rc == ERR_OK)
		*result = c.result;
	sort_free(c.sort);
	canon_free(c.canon);
	digest_free(c.digest);
	buf_finish(&c.canonical);
	return rc;
}
