/*
 * Documents: their attributes, their names, their bytes and their listings. A document's inode
 * number is where it is stored, so its bytes come from the store alone; which dates show it is the
 * catalogue's to say.
 */
#include "fs/view_internal.h"

#include "catalog/packs.h"

#include <stdlib.h>
#include <string.h>

#define DOCUMENT_PAGE 256  /* versions read at a time for a listing */
#define DOCUMENT_SEARCH 32 /* versions read at a time for a name that was cut */

/* Attributes of a version; ${t} must be the table's dates as they were when it was read, or before:
 * then a snapshot that ended it in between is not counted as showing it. */
static int
view_document_attr_of(struct view *v, const struct view_table *t,
    const struct versions_version *version, struct view_attr *out, struct err *e)
{
	struct inode in = {INODE_DOCUMENT, version->pack_id, version->ordinal};
	uint64_t dates = view_cache_between(t, version->born, version->died);
	struct view_attr attr;
	int64_t date;
	int rc = view_cache_pack(v, version->pack_id, &date, e);

	if (rc == ERR_ABSENT)
		return err_set(
		    e, ERR_CORRUPT, "the catalogue has no pack %lld", (long long)version->pack_id);
	if (rc != ERR_OK)
		return rc;
	if (view_attr_make(&in, VIEW_FILE, date, &attr) != ERR_OK)
		return err_set(e, ERR_CORRUPT, "the catalogue places a document in pack %lld",
		    (long long)version->pack_id);
	attr.size = (uint64_t)version->size + 1;
	attr.nlink = dates == 0 ? 1 : dates > UINT32_MAX ? UINT32_MAX : (uint32_t)dates;
	attr.steady = true;
	*out = attr;
	return ERR_OK;
}

/* Whether the catalogue still has a version: gc lets go of it there before it takes it out of its
 * pack. ERR_ABSENT (no text): it has not. */
static int
view_document_known(
    struct view *v, int64_t table_id, const struct versions_version *version, struct err *e)
{
	struct versions_version now;
	int rc = versions_born(v->catalog, table_id, &version->key, version->born, &now, e);

	if (rc == ERR_OK && (now.pack_id != version->pack_id || now.ordinal != version->ordinal))
		rc = ERR_ABSENT;
	return rc;
}

/*
 * Whether the pack holds what the catalogue says of a version: else a name would lead to another
 * document's bytes, or the size would not be that of what is read. A pack that cannot be looked at
 * is no reason to refuse: reading from it tells. Return ERR_OK; ERR_CORRUPT; ERR_ABSENT (no text)
 * when the version has just been forgotten; or a failure.
 */
static int
view_document_check(
    struct view *v, int64_t table_id, const struct versions_version *version, struct err *e)
{
	struct pack_entry entry = {
	    .key = version->key, .ordinal = version->ordinal, .size = version->size};
	struct err unread = {0};
	int rc;

	memcpy(entry.digest, version->digest, sizeof(entry.digest));
	rc = store_matches(v->store, (uint64_t)version->pack_id, &entry, &unread);
	if (rc != ERR_ABSENT)
		return rc == ERR_NOMEM ? err_nomem(e) : ERR_OK;
	rc = view_document_known(v, table_id, version, e);
	if (rc != ERR_OK)
		return rc;
	return err_set(e, ERR_CORRUPT,
	    "the catalogue and pack %016llx disagree about document %lu; thinkback rebuild "
	    "makes the catalogue again",
	    (unsigned long long)version->pack_id, (unsigned long)version->ordinal);
}

int
view_document_attr(struct view *v, const struct inode *in, struct view_attr *out, struct err *e)
{
	struct versions_version version;
	const struct view_table *t;
	struct pack_entry entry;
	uint64_t snapshot_id;
	uint64_t table_id;
	int64_t date;
	int rc;

	/* A number of a pack that has gone is no damage, so the catalogue is asked first. */
	rc = view_cache_pack(v, in->a, &date, e);
	if (rc == ERR_OK) {
		rc = store_entry(
		    v->store, (uint64_t)in->a, in->b, &entry, &snapshot_id, &table_id, e);
		rc = view_document_gone(v, in->a, rc, e);
	}
	if (rc == ERR_OK)
		rc = view_cache_table(v, (int64_t)table_id, &t, e);
	if (rc == ERR_OK)
		rc = versions_born(
		    v->catalog, (int64_t)table_id, &entry.key, (int64_t)snapshot_id, &version, e);
	if (rc != ERR_OK)
		return rc;
	if (version.pack_id != in->a || version.ordinal != in->b || version.lost ||
	    view_cache_between(t, version.born, version.died) == 0)
		return ERR_ABSENT;
	rc = view_document_check(v, (int64_t)table_id, &version, e);
	if (rc != ERR_OK)
		return rc;
	return view_document_attr_of(v, t, &version, out, e);
}

int
view_document_gone(struct view *v, int64_t pack_id, int rc, struct err *e)
{
	struct packs_pack p;
	struct err other = {0};
	int now;

	if (rc != ERR_CORRUPT)
		return rc;
	now = packs_get(v->catalog, pack_id, &p, &other);
	if (now == ERR_OK)
		return rc;
	return now == ERR_ABSENT ? ERR_ABSENT : err_set(e, now, "%s", other.text);
}

int
view_document_end(
    uint64_t off, size_t room, size_t before, size_t size, struct buf *out, struct err *e)
{
	if (off <= size && out->len - before < room && buf_putc(out, '\n') != ERR_OK) {
		out->len = before;
		return err_nomem(e);
	}
	return ERR_OK;
}

int
view_document_read(struct view *v, const struct inode *in, uint64_t off, size_t room,
    struct buf *out, struct err *e)
{
	size_t before = out->len;
	size_t size;
	int rc;

	if (off > UINT32_MAX || room == 0)
		return ERR_OK;
	rc = store_read(v->store, (uint64_t)in->a, in->b, (size_t)off, room, out, &size, e);
	if (rc != ERR_OK)
		return view_document_gone(v, in->a, rc, e);
	return view_document_end(off, room, before, size, out, e);
}

/* Whether ${key} lies in the shard. */
static bool
view_document_inside(const struct view_range *r, const struct key *key)
{
	return key_compare(key, &r->lower) >= 0 &&
	       (r->upper.len == 0 || key_compare(key, &r->upper) < 0);
}

/* Set ${out} to the first key behind all that begin with ${prefix}; len 0 when there is none. */
static void
view_document_behind(const struct key *prefix, struct key *out)
{
	*out = *prefix;
	while (out->len > 0) {
		if (++out->bytes[out->len - 1] != 0)
			return;
		out->len--;
	}
}

static int
view_document_name(const struct versions_version *version, char out[NAME_ROOM], struct err *e)
{
	int rc = name_of_key(&version->key, out);

	if (rc == ERR_CORRUPT)
		return err_set(e, rc, "the catalogue has a document without a key");
	return rc == ERR_OK ? ERR_OK : err_nomem(e);
}

/* Look for a cut name among the keys of ${r} that begin with ${prefix}. */
static int
view_document_search(struct view *v, const struct view_range *r, const struct key *prefix,
    const char *name, struct versions_version *out, struct err *e)
{
	struct versions_version page[DOCUMENT_SEARCH];
	struct key after = key_compare(prefix, &r->lower) > 0 ? *prefix : r->lower;
	bool inclusive = true;
	struct key upper;
	size_t got;
	int rc;

	view_document_behind(prefix, &upper);
	if (upper.len == 0 || (r->upper.len != 0 && key_compare(&r->upper, &upper) < 0))
		upper = r->upper;
	do {
		rc = versions_page(v->catalog, r->table_id, r->snapshot_id, &after, inclusive,
		    &upper, page, DOCUMENT_SEARCH, &got, e);
		if (rc != ERR_OK)
			return rc;
		for (size_t i = 0; i < got; i++) {
			char other[NAME_ROOM];
			rc = view_document_name(&page[i], other, e);
			if (rc != ERR_OK)
				return rc;
			if (strcmp(name, other) == 0) {
				*out = page[i];
				return ERR_OK;
			}
		}
		if (got > 0)
			after = page[got - 1].key;
		inclusive = false;
	} while (got == DOCUMENT_SEARCH);
	return ERR_ABSENT;
}

int
view_document_lookup(
    struct view *v, const struct inode *dir, const char *name, struct view_attr *out, struct err *e)
{
	struct versions_version version;
	const struct view_table *t;
	struct view_range r;
	struct key key;
	bool cut;
	int rc;

	rc = name_to_key(name, &key, &cut);
	if (rc == ERR_NOMEM)
		return err_nomem(e);
	if (rc == ERR_OK)
		rc = view_cache_range(v, dir->a, dir->b, &r, e);
	if (rc == ERR_OK)
		rc = view_cache_table(v, r.table_id, &t, e);
	if (rc != ERR_OK)
		return rc;
	if (cut)
		rc = view_document_search(v, &r, &key, name, &version, e);
	else if (!view_document_inside(&r, &key))
		rc = ERR_ABSENT;
	else
		rc = versions_find(v->catalog, r.table_id, r.snapshot_id, &key, &version, e);
	if (rc == ERR_OK)
		rc = view_document_check(v, r.table_id, &version, e);
	if (rc != ERR_OK)
		return rc;
	return view_document_attr_of(v, t, &version, out, e);
}

/* The key of the document that has ${cookie}, to go on behind it. */
static int
view_document_key(
    struct view *v, const struct view_range *r, uint64_t cookie, struct key *out, struct err *e)
{
	struct pack_entry entry;
	uint64_t snapshot_id;
	uint64_t table_id;
	struct inode in;
	int rc;

	if (!inode_unpack(cookie, &in) || in.kind != INODE_DOCUMENT)
		return err_set(e, ERR_ARG, "no place in this directory");
	rc = store_entry(v->store, (uint64_t)in.a, in.b, &entry, &snapshot_id, &table_id, e);
	if (rc == ERR_ABSENT || (rc == ERR_OK && table_id != (uint64_t)r->table_id))
		return err_set(e, ERR_ARG, "no place in this directory");
	if (rc == ERR_OK)
		*out = entry.key;
	return rc;
}

static int
view_document_forgotten(struct err *e)
{
	return err_set(e, ERR_STALE, "the snapshot was forgotten while it was being listed");
}

/* Whether the snapshot is still there: if not, a page of it may be short without any error. */
static int
view_document_still(struct view *v, const struct view_range *r, struct err *e)
{
	struct snapshots_snapshot s;
	int rc = snapshots_get(v->catalog, r->snapshot_id, &s, e);

	return rc == ERR_ABSENT ? view_document_forgotten(e) : rc;
}

/* Read the page behind d->at. */
static int
view_document_page(struct view *v, struct view_dir *d, const struct view_range *r, struct err *e)
{
	struct inode json = {INODE_TABLE_JSON, d->dir.a, d->dir.b};
	bool start = d->at == 0 || d->at == inode_pack(json);
	struct key after = r->lower;
	size_t got;
	int rc = ERR_OK;

	if (d->page == NULL)
		d->page = reallocarray(NULL, DOCUMENT_PAGE, sizeof(*d->page));
	if (d->page == NULL)
		return err_nomem(e);
	if (!start && d->page_next > 0)
		after = d->page[d->page_next - 1].key;
	else if (!start)
		rc = view_document_key(v, r, d->at, &after, e);
	d->page_len = d->page_next = 0;
	if (rc == ERR_OK)
		rc = versions_page(v->catalog, r->table_id, r->snapshot_id, &after, start,
		    &r->upper, d->page, DOCUMENT_PAGE, &got, e);
	/* Also when something was not found: the place that the listing had is in a pack. */
	if (rc == ERR_OK || rc == ERR_ARG || rc == ERR_CORRUPT) {
		int still = view_document_still(v, r, e);
		rc = still != ERR_OK ? still : rc;
	}
	if (rc != ERR_OK)
		return rc;
	d->page_len = got;
	d->page_last = got < DOCUMENT_PAGE;
	d->page_stamp = v->stamp;
	return ERR_OK;
}

/* The range and the dates that a listing needs; ${look}: look for changes first. */
static int
view_document_place(struct view *v, const struct view_dir *d, bool look, struct view_range *r,
    const struct view_table **t, struct err *e)
{
	int rc = look ? view_cache_refresh(v, e) : ERR_OK;

	if (rc == ERR_OK)
		rc = view_cache_range(v, d->dir.a, d->dir.b, r, e);
	if (rc == ERR_OK)
		rc = view_cache_table(v, r->table_id, t, e);
	return rc == ERR_ABSENT ? view_document_forgotten(e) : rc;
}

int
view_document_next(struct view *v, struct view_dir *d, struct view_entry *out, struct err *e)
{
	bool turn = d->page_next == d->page_len; /* the page is used up */
	const struct versions_version *version;
	const struct view_table *t;
	struct view_range r;
	int rc;

	if (turn && d->page_last)
		return ERR_END;
	rc = view_document_place(v, d, turn || d->fresh != v, &r, &t, e);
	/* With another snapshot there are other links: the page's versions may have died in it. */
	if (rc == ERR_OK && (turn || d->page_stamp != v->stamp))
		rc = view_document_page(v, d, &r, e);
	if (rc != ERR_OK)
		return rc;
	d->fresh = v;
	if (d->page_next == d->page_len)
		return ERR_END;
	version = &d->page[d->page_next];
	rc = view_document_name(version, out->name, e);
	if (rc == ERR_OK)
		rc = view_document_attr_of(v, t, version, &out->attr, e);
	if (rc != ERR_OK)
		return rc;
	/* One such row must not hide the others. */
	rc = view_document_check(v, r.table_id, version, e);
	if (rc != ERR_OK && rc != ERR_CORRUPT)
		return rc == ERR_ABSENT ? view_document_forgotten(e) : rc;
	out->damaged = rc == ERR_CORRUPT;
	err_clear(e);
	d->page_next++;
	return ERR_OK;
}

bool
view_document_back(struct view_dir *d)
{
	struct inode before = {INODE_DOCUMENT, 0, 0};

	if (d->page_next < 2)
		return false;
	before.a = d->page[d->page_next - 2].pack_id;
	before.b = d->page[d->page_next - 2].ordinal;
	if (inode_pack(before) != d->at)
		return false;
	d->page_next--;
	return true;
}
