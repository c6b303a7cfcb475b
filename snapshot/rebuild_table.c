/*
 * One table: the lines of all its packs, sorted by key and among equal keys by snapshot, say when
 * each version was born and when it ended. Versions are written in the order of their primary key.
 *
 * How many documents a shard of a snapshot has: each version adds one to all snapshots from its
 * birth to its end, which is two changes of an array of differences; where a shard of a snapshot
 * ends, the sum up to that snapshot is taken. A binary indexed tree (Fenwick, "A new data structure
 * for cumulative frequency tables", 1994) makes both logarithmic.
 */
#include "snapshot/rebuild_internal.h"

#include "catalog/base/bytes.h"
#include "catalog/base/date.h"
#include "catalog/forgotten.h"
#include "catalog/versions.h"
#include "snapshot/sort.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LINE_LEN (4 + 1 + 8 + 4 + 4 + DIGEST_LEN) /* bytes of a line in the sorter */
#define LINE_DELETED 1u                           /* bits of its fifth byte */
#define LINE_LOST 2u
#define BOUND_LEN (4 + 4)        /* bytes of a bound in the sorter */
#define BOUNDS_BUDGET (4u << 20) /* bytes of memory for sorting bounds */

/* A snapshot of the table. */
struct table_snapshot {
	struct snapshots_snapshot row; /* what is written at the end */
	uint64_t found;                /* shards whose packs are there */
	int64_t first_pack;            /* the lowest number of its packs */
	uint64_t shard_documents;      /* documents before the shard being counted */
	uint64_t shard_bytes;          /* likewise their bytes */
	int64_t lost;                  /* difference to the snapshot before */
};

/*
 * What happened to the keys from lower on and before upper in a snapshot is not known. Or, in
 * returns: it was not, and is again.
 */
struct table_loss {
	size_t at;    /* place of the snapshot */
	size_t until; /* place of the one that has stored them anew; the number of all: none has */
	struct key lower, upper;
};

struct table_losses {
	struct table_loss *all; /* owned */
	size_t n, cap;
};

/* A line of a pack's index, with the place of its snapshot. */
struct table_line {
	size_t at;
	bool deleted;
	struct versions_version version; /* key, pack, ordinal, size, digest */
};

struct table {
	struct rebuild *r;
	const struct tables_table *t;
	struct table_snapshot *snapshots; /* owned; oldest first */
	size_t n, cap;                    /* that are complete; allocated */
	struct table_losses losses;       /* in the order of snapshots */
	struct table_losses returns;      /* of packs that were lost and are there again */
	bool collected;                   /* gc may have taken what one of these would show again */
	uint64_t *documents;              /* owned: tree of n + 2 */
	uint64_t *bytes;                  /* likewise */
	struct sort *lines;               /* of the packs */
	struct sort *bounds;              /* upper bounds of shards, but for the last ones */
	struct table_line open;           /* the version being followed, while has_open */
	bool has_open;
	size_t lost_from;  /* the key being followed is lost from here on; n: it is not */
	size_t lost_until; /* and not from here on, whatever comes */
	size_t seen;       /* losses before this place were looked at for that key */
};

/* ---- sums ---- */

static void
tree_add(uint64_t *tree, size_t n, size_t at, uint64_t by)
{
	for (size_t i = at + 1; i <= n; i += i & (~i + 1))
		tree[i] += by;
}

/* The sum of all that was added at ${at} or before it. */
static uint64_t
tree_sum(const uint64_t *tree, size_t at)
{
	uint64_t sum = 0;

	for (size_t i = at + 1; i > 0; i -= i & (~i + 1))
		sum += tree[i];
	return sum;
}

/* ---- snapshots ---- */

static int
table_add_snapshot(struct table *x, const struct remake_snapshot *s, struct err *e)
{
	if (x->n == x->cap) {
		size_t cap = x->cap > 0 ? x->cap * 2 : 64;
		struct table_snapshot *p = reallocarray(x->snapshots, cap, sizeof(*p));
		if (p == NULL)
			return err_nomem(e);
		x->snapshots = p;
		x->cap = cap;
	}
	x->snapshots[x->n++] =
	    (struct table_snapshot){.row = {.id = s->id,
					.table_id = x->t->id,
					.date = s->date,
					.shards = s->shards,
					.stored_bytes = s->stored_bytes,
					.complete = true,
					.forgotten = rebuild_is_forgotten(x->r, s->id)},
		.found = s->found,
		.first_pack = s->first_pack};
	return ERR_OK;
}

/*
 * The newest snapshots that are not whole, without a sign of damage: a run that was stopped. What
 * was complete or forgotten is none, and so is nothing before it.
 */
static int
table_drop_unfinished(struct table *x, struct err *e)
{
	char date[DATE_NAME];

	while (x->n > 0) {
		const struct table_snapshot *s = &x->snapshots[x->n - 1];
		bool complete;
		int rc;
		if (s->found == s->row.shards || s->row.forgotten ||
		    rebuild_is_damaged(x->r, s->row.id))
			return ERR_OK;
		rc = rebuild_was_complete(x->r, &s->row, &complete, e);
		if (rc != ERR_OK || complete)
			return rc;
		date_name(s->row.date, date);
		rebuild_problem(x->r,
		    "%s.%s of %s is unfinished and not shown: %" PRIu64 " of its %" PRIu64
		    " packs are there, and the next snapshot removes them",
		    x->t->database, x->t->name, date, s->found, s->row.shards);
		x->r->result->unfinished++;
		x->n--;
	}
	return ERR_OK;
}

static int
table_snapshots(struct table *x, struct err *e)
{
	struct remake_snapshot s = {0};
	int64_t newest = INT64_MIN;
	int rc;

	while ((rc = remake_snapshot_next(x->r->cat, x->t->id, s.id, &s, e)) == ERR_OK) {
		bool shown = !rebuild_is_forgotten(x->r, s.id);
		if (shown && newest != INT64_MIN && s.date <= newest)
			return err_set(e, ERR_CORRUPT,
			    "the packs contradict each other: the dates of %s.%s do not grow with "
			    "the numbers of its snapshots",
			    x->t->database, x->t->name);
		if (shown)
			newest = s.date;
		rc = table_add_snapshot(x, &s, e);
		if (rc != ERR_OK)
			return rc;
	}
	if (rc != ERR_END)
		return rc;
	rc = table_drop_unfinished(x, e);
	if (rc != ERR_OK)
		return rc;
	x->lost_from = x->n;
	x->documents = calloc(x->n + 2, sizeof(*x->documents));
	x->bytes = calloc(x->n + 2, sizeof(*x->bytes));
	return x->documents != NULL && x->bytes != NULL ? ERR_OK : err_nomem(e);
}

/* ---- what is lost ---- */

static int
losses_add(struct table_losses *l, const struct table_loss *loss, struct err *e)
{
	if (l->n == l->cap) {
		size_t cap = l->cap > 0 ? l->cap * 2 : 16;
		struct table_loss *p = reallocarray(l->all, cap, sizeof(*p));
		if (p == NULL)
			return err_nomem(e);
		l->all = p;
		l->cap = cap;
	}
	l->all[l->n++] = *loss;
	return ERR_OK;
}

static int
table_add_loss(struct table *x, size_t at, size_t until, const struct key *lower,
    const struct key *upper, struct err *e)
{
	return losses_add(&x->losses, &(struct table_loss){at, until, *lower, *upper}, e);
}

static int
table_add_return(
    struct table *x, size_t at, size_t until, const struct snapshots_shard *shard, struct err *e)
{
	int rc =
	    losses_add(&x->returns, &(struct table_loss){at, until, shard->lower, shard->upper}, e);

	if (rc == ERR_OK)
		rc = forgotten_any(x->r->old, x->t->id, e);
	x->collected = x->collected || rc == ERR_OK;
	return rc == ERR_ABSENT ? ERR_OK : rc;
}

/*
 * Set ${until} for what is lost of a shard of the snapshot at ${at}. When the catalogue before knew
 * of that, a later snapshot without losses was taken on top of it; then ${had} is the pack that it
 * has for the shard, else 0.
 */
static int
table_until(struct table *x, size_t at, uint64_t number, size_t *until, int64_t *had, struct err *e)
{
	struct snapshots_snapshot was;
	int rc = ERR_ABSENT;

	*had = 0;
	*until = x->n;
	if (x->r->old != NULL)
		rc = snapshots_shard_gap(x->r->old, x->snapshots[at].row.id, number, had, e);
	for (size_t i = at + 1; i < x->n && rc == ERR_OK; i++) {
		rc = snapshots_any(x->r->old, x->snapshots[i].row.id, &was, e);
		if (rc == ERR_OK && was.lost == 0) {
			*until = i;
			break;
		}
	}
	return rc == ERR_ABSENT ? ERR_OK : rc;
}

static bool
loss_covers(const struct table_loss *loss, const struct key *key)
{
	return key_compare(key, &loss->lower) >= 0 &&
	       (loss->upper.len == 0 || key_compare(key, &loss->upper) < 0);
}

/* The smallest key over ${key}. */
static struct key
key_after(const struct key *key)
{
	struct key k = *key;

	if (k.len < KEY_MAX)
		k.bytes[k.len++] = 0;
	return k;
}

/* What a shard of the snapshot at ${at} recorded is lost. */
static int
table_lose_shard(struct table *x, size_t at, const struct snapshots_shard *shard, struct err *e)
{
	char date[DATE_NAME];
	int64_t had;
	size_t until;
	int rc = table_until(x, at, shard->number, &until, &had, e);

	date_name(x->snapshots[at].row.date, date);
	rebuild_problem(x->r, "%s.%s of %s has lost what shard %" PRIu64 " recorded",
	    x->t->database, x->t->name, date, shard->number);
	return rc == ERR_OK ? table_add_loss(x, at, until, &shard->lower, &shard->upper, e) : rc;
}

/* Whether the packs that the snapshot lacks are those that gc has taken. */
static bool
table_collected(const struct table *x, const struct table_snapshot *s)
{
	return s->row.forgotten && !rebuild_may_be_blind(x->r, s->row.id);
}

/* Where a shard of the snapshot at ${at} begins; ERR_ABSENT when nothing tells. */
static int
table_shard_begin(struct table *x, size_t at, uint64_t number, struct key *out, struct err *e)
{
	int64_t snapshot_id = x->snapshots[at].row.id;
	const struct rebuild_damage *damage = rebuild_shard_damage(x->r, snapshot_id, number);
	struct snapshots_shard shard;
	int rc = ERR_OK;

	if (damage == NULL)
		rc = remake_shard_get(x->r->cat, snapshot_id, number, &shard, e);
	if (rc == ERR_OK)
		*out = damage != NULL ? damage->lower : shard.lower;
	return rc;
}

/*
 * Where a shard ends that begins at ${lower} and of which nothing can be read: where the next one
 * begins. When that is missing too, it has the keys of both, and this one goes as far as no key;
 * but when it may be one that gc has taken, this one goes as far as anything can tell.
 */
static int
table_missing_end(struct table *x, size_t at, uint64_t number, const struct key *lower,
    struct key *out, struct err *e)
{
	const struct table_snapshot *s = &x->snapshots[at];
	int rc = ERR_ABSENT;

	*out = (struct key){0};
	for (uint64_t i = number + 1; i < s->row.shards && rc == ERR_ABSENT; i++) {
		rc = table_shard_begin(x, at, i, out, e);
		if (rc == ERR_ABSENT && !table_collected(x, s)) {
			*out = lower->len > 0 ? *lower : key_after(lower);
			return ERR_OK;
		}
	}
	return rc == ERR_ABSENT ? ERR_OK : rc;
}

/*
 * Of shard ${number} of the snapshot at ${at} nothing can be read: it gets a row from ${lower} on,
 * with the number of another pack if its own is not there (snapshots_gap).
 */
static int
table_missing_shard(struct table *x, size_t at, uint64_t number, const struct key *lower,
    struct snapshots_shard *out, struct err *e)
{
	const struct table_snapshot *s = &x->snapshots[at];
	const struct rebuild_damage *damage = rebuild_shard_damage(x->r, s->row.id, number);
	int rc;

	*out =
	    (struct snapshots_shard){.number = number, .lower = *lower, .pack_id = s->first_pack};
	if (damage != NULL) {
		out->lower = damage->lower;
		out->pack_id = damage->pack_id;
	}
	rc = table_missing_end(x, at, number, &out->lower, &out->upper, e);
	if (rc == ERR_OK)
		rc = remake_shard(x->r->cat, s->row.id, out, e);
	return rc == ERR_OK ? table_lose_shard(x, at, out, e) : rc;
}

/* ---- reading packs ---- */

static int
table_add_line(
    struct table *x, size_t at, uint64_t pack_id, const struct pack_entry *entry, struct err *e)
{
	uint8_t raw[LINE_LEN];

	bytes_put32(raw, (uint32_t)at);
	raw[4] = (uint8_t)((entry->deleted ? LINE_DELETED : 0) | (entry->lost ? LINE_LOST : 0));
	bytes_put64(raw + 5, pack_id);
	bytes_put32(raw + 13, entry->ordinal);
	bytes_put32(raw + 17, entry->size);
	memcpy(raw + 21, entry->digest, DIGEST_LEN);
	return sort_add(x->lines, &entry->key, raw, sizeof(raw), e);
}

/*
 * Take in the lines of a pack; where index blocks are damaged, their range is lost until the
 * snapshot at ${until}, and ${whole} is false.
 */
static int
table_pack_lines(struct table *x, size_t at, size_t until, const struct pack *pack,
    const struct snapshots_shard *shard, bool *whole, struct err *e)
{
	uint64_t id = pack_describe(pack)->pack_id;
	struct key from = shard->lower;
	struct pack_walk walk = {0};
	struct pack_entry entry;
	struct err why = {0};
	bool lost = false;
	int rc;

	*whole = true;
	for (;;) {
		rc = pack_entry_next(pack, x->r->reader, &walk, &entry, &why);
		if (rc == ERR_CORRUPT) {
			if (!lost)
				rebuild_problem(x->r, "%s", why.text);
			lost = true;
			*whole = false;
			walk = (struct pack_walk){.block = walk.block + 1};
			continue;
		}
		if (rc == ERR_OK && lost && key_compare(&entry.key, &from) > 0)
			rc = table_add_loss(x, at, until, &from, &entry.key, e);
		if (rc == ERR_END && lost)
			rc = table_add_loss(x, at, until, &from, &shard->upper, e) == ERR_OK
				 ? ERR_END
				 : ERR_NOMEM;
		if (rc != ERR_OK)
			break;
		lost = false;
		from = key_after(&entry.key);
		rc = table_add_line(x, at, id, &entry, e);
		if (rc == ERR_OK)
			rc = rebuild_step(x->r, 0, e);
		if (rc != ERR_OK)
			return rc;
	}
	return rc == ERR_END ? ERR_OK : err_set(e, rc, "%s", why.text);
}

/*
 * Take in a pack. One that was lost, and is there again after snapshots were taken without it, goes
 * on being recorded as not whole: nothing else tells that documents ended in these.
 */
static int
table_pack(struct table *x, size_t at, const struct snapshots_shard *shard, struct err *e)
{
	struct pack *pack;
	size_t until;
	int64_t had;
	bool whole = true, back;
	int rc = pack_open(x->r->repo->packsfd, (uint64_t)shard->pack_id, &pack, e);

	/* It was there a moment ago. */
	if (rc != ERR_OK)
		return rc == ERR_ABSENT ? ERR_IO : rc;
	rc = table_until(x, at, shard->number, &until, &had, e);
	if (rc == ERR_OK)
		rc = table_pack_lines(x, at, until, pack, shard, &whole, e);
	back = whole && had != 0;
	if (rc == ERR_OK && back)
		rc = table_add_return(x, at, until, shard, e);
	back = back && (until < x->n || had == shard->pack_id || x->collected);
	if (rc == ERR_OK && (back || !whole))
		rc = remake_pack_unread(x->r->cat, shard->pack_id, e);
	pack_close(pack);
	return rc == ERR_OK ? rebuild_step(x->r, 1, e) : rc;
}

/* Where a shard ends is known when the keys pass its upper bound. */
static int
table_bound(struct table *x, size_t at, const struct snapshots_shard *shard, struct err *e)
{
	uint8_t raw[BOUND_LEN];

	if (shard->upper.len == 0)
		return ERR_OK;
	bytes_put32(raw, (uint32_t)at);
	bytes_put32(raw + 4, (uint32_t)shard->number);
	return sort_add(x->bounds, &shard->upper, raw, sizeof(raw), e);
}

/* Whether nothing of a shard can be read that should be there. */
static bool
table_is_missing(const struct table *x, const struct table_snapshot *s, uint64_t number)
{
	return !table_collected(x, s) || rebuild_shard_damage(x->r, s->row.id, number) != NULL;
}

static int
table_read_snapshot(struct table *x, size_t at, struct err *e)
{
	const struct table_snapshot *s = &x->snapshots[at];
	struct snapshots_shard shard = {0};
	int rc = ERR_OK;

	for (uint64_t i = 0; i < s->row.shards && rc == ERR_OK; i++) {
		struct key lower = shard.upper;
		rc = remake_shard_get(x->r->cat, s->row.id, i, &shard, e);
		if (rc == ERR_ABSENT && !table_is_missing(x, s, i)) {
			rc = ERR_OK;
			continue;
		}
		if (rc == ERR_ABSENT)
			rc = table_missing_shard(x, at, i, &lower, &shard, e);
		else if (rc == ERR_OK)
			rc = table_pack(x, at, &shard, e);
		if (rc == ERR_OK)
			rc = table_bound(x, at, &shard, e);
	}
	return rc;
}

static int
table_read(struct table *x, struct err *e)
{
	int rc = sort_create(x->r->repo->dirfd, 0, &x->lines, e);

	if (rc == ERR_OK)
		rc = sort_create(x->r->repo->dirfd, BOUNDS_BUDGET, &x->bounds, e);
	for (size_t i = 0; i < x->n && rc == ERR_OK; i++)
		rc = table_read_snapshot(x, i, e);
	if (rc == ERR_OK)
		rc = sort_finish(x->lines, e);
	return rc == ERR_OK ? sort_finish(x->bounds, e) : rc;
}

/* ---- versions ---- */

/* Count a version from the snapshot at ${from} on and before the one at ${to}. */
static void
table_count(struct table *x, const struct versions_version *v, size_t from, size_t to)
{
	if (v->lost) {
		x->snapshots[from].lost++;
		if (to < x->n)
			x->snapshots[to].lost--;
		return;
	}
	tree_add(x->documents, x->n + 1, from, 1);
	tree_add(x->documents, x->n + 1, to, UINT64_MAX);
	tree_add(x->bytes, x->n + 1, from, v->size);
	tree_add(x->bytes, x->n + 1, to, ~(uint64_t)v->size + 1);
}

/* The place of the first snapshot with a number of ${id} or more; n: there is none. */
static size_t
table_place(const struct table *x, int64_t id)
{
	size_t low = 0, high = x->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (x->snapshots[middle].row.id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * Move ${at}, where the version being followed ends by the lines, to where a snapshot does not have
 * it that was taken while a pack was lost that is there again: no line says so. The catalogue
 * before does, or had it end with the pack, or knew nothing of it.
 */
static int
table_returned(struct table *x, const struct table_loss *lost, size_t *at, struct err *e)
{
	const struct versions_version *v = &x->open.version;
	struct versions_version was;
	size_t end = lost->until;
	int rc = ERR_OK;

	if (x->open.at >= lost->until || !loss_covers(lost, &v->key))
		return ERR_OK;
	rc = versions_born(x->r->old, x->t->id, &v->key, x->snapshots[x->open.at].row.id, &was, e);
	if (rc == ERR_OK && was.died != x->snapshots[lost->at].row.id)
		end = table_place(x, was.died);
	if (end < *at)
		*at = end;
	return rc == ERR_ABSENT ? ERR_OK : rc;
}

/* The version being followed ends at the snapshot at ${at} at the latest; n: it is alive. */
static int
table_close(struct table *x, size_t at, struct err *e)
{
	struct versions_version *v = &x->open.version;
	size_t from = x->open.at;
	int rc = ERR_OK;

	for (size_t i = 0; i < x->returns.n && rc == ERR_OK; i++)
		rc = table_returned(x, &x->returns.all[i], &at, e);
	if (rc != ERR_OK)
		return rc;
	x->has_open = false;
	v->born = x->snapshots[from].row.id;
	v->died = at < x->n ? x->snapshots[at].row.id : VERSIONS_ALIVE;
	table_count(x, v, from, at);
	rc = versions_insert(x->r->cat, x->t->id, v, e);
	x->r->result->versions++;
	return rc == ERR_OK ? rebuild_step(x->r, 0, e) : rc;
}

/* The key being followed was lost up to the snapshot at ${at}. */
static void
table_found(struct table *x, size_t at)
{
	if (x->lost_from >= x->n)
		return;
	if (at > x->lost_until)
		at = x->lost_until;
	x->snapshots[x->lost_from].lost++;
	if (at < x->n)
		x->snapshots[at].lost--;
	x->lost_from = x->n;
}

/* What was lost before the snapshot at ${until} ends the version being followed. */
static int
table_lose(struct table *x, size_t until, struct err *e)
{
	int rc = ERR_OK;

	for (; x->seen < x->losses.n && x->losses.all[x->seen].at < until; x->seen++) {
		const struct table_loss *loss = &x->losses.all[x->seen];
		if (!x->has_open || loss->at <= x->open.at ||
		    !loss_covers(loss, &x->open.version.key))
			continue;
		x->lost_from = loss->at;
		x->lost_until = loss->until;
		rc = table_close(x, loss->at, e);
		if (rc != ERR_OK)
			return rc;
	}
	return ERR_OK;
}

static int
table_key_end(struct table *x, struct err *e)
{
	int rc = table_lose(x, x->n, e);

	if (rc == ERR_OK && x->has_open)
		rc = table_close(x, x->n, e);
	table_found(x, x->n);
	x->seen = 0;
	return rc;
}

static int
table_line(struct table *x, const struct table_line *line, struct err *e)
{
	struct snapshots_snapshot *s = &x->snapshots[line->at].row;
	int rc = table_lose(x, line->at, e);
	bool had = x->has_open;

	if (rc == ERR_OK && had)
		rc = table_close(x, line->at, e);
	if (rc != ERR_OK)
		return rc;
	table_found(x, line->at);
	if (line->deleted) {
		s->deleted++;
		return ERR_OK;
	}
	if (had)
		s->changed++;
	else
		s->added++;
	x->open = *line;
	x->has_open = true;
	return ERR_OK;
}

static void
table_line_get(const struct sort_item *item, struct table_line *out)
{
	const uint8_t *raw = item->data;

	*out = (struct table_line){.at = bytes_get32(raw), .deleted = (raw[4] & LINE_DELETED) != 0};
	out->version.key = item->key;
	out->version.pack_id = (int64_t)bytes_get64(raw + 5);
	out->version.ordinal = bytes_get32(raw + 13);
	out->version.size = bytes_get32(raw + 17);
	memcpy(out->version.digest, raw + 21, DIGEST_LEN);
	out->version.lost = (raw[4] & LINE_LOST) != 0;
}

/* ---- shards ---- */

/* All keys of a shard of the snapshot at ${at} have passed. */
static int
table_shard_end(struct table *x, size_t at, uint64_t number, struct err *e)
{
	struct table_snapshot *s = &x->snapshots[at];
	uint64_t documents = tree_sum(x->documents, at);
	uint64_t bytes = tree_sum(x->bytes, at);
	int rc = remake_shard_count(x->r->cat, s->row.id, number, documents - s->shard_documents,
	    bytes - s->shard_bytes, e);

	s->shard_documents = documents;
	s->shard_bytes = bytes;
	return rc;
}

/* The bounds in order: the next one is in ${item} while ${rc} is ERR_OK. */
struct table_bounds {
	struct sort_item item;
	int rc;
};

/* Close the shards that end at ${key} or before it; NULL: all. */
static int
table_pass_bounds(struct table *x, struct table_bounds *b, const struct key *key, struct err *e)
{
	while (b->rc == ERR_OK && (key == NULL || key_compare(&b->item.key, key) <= 0)) {
		int rc =
		    table_shard_end(x, bytes_get32(b->item.data), bytes_get32(b->item.data + 4), e);
		if (rc != ERR_OK)
			return rc;
		b->rc = sort_next(x->bounds, &b->item, e);
	}
	return b->rc == ERR_OK || b->rc == ERR_END ? ERR_OK : b->rc;
}

/* Go through all lines in the order of keys. */
static int
table_lines(struct table *x, struct err *e)
{
	struct table_bounds bounds;
	struct table_line line;
	struct sort_item item;
	struct key last = {0};
	int rc;

	bounds.rc = sort_next(x->bounds, &bounds.item, e);
	while ((rc = sort_next(x->lines, &item, e)) == ERR_OK) {
		table_line_get(&item, &line);
		if (key_compare(&last, &line.version.key) != 0) {
			rc = table_key_end(x, e);
			if (rc == ERR_OK)
				rc = table_pass_bounds(x, &bounds, &line.version.key, e);
			if (rc != ERR_OK)
				return rc;
			last = line.version.key;
		}
		rc = table_line(x, &line, e);
		if (rc != ERR_OK)
			return rc;
	}
	if (rc == ERR_END)
		rc = table_key_end(x, e);
	return rc == ERR_OK ? table_pass_bounds(x, &bounds, NULL, e) : rc;
}

/* ---- the end ---- */

/* Whether any of the losses lasts at the snapshot at ${at}. */
static bool
losses_span(const struct table_losses *l, size_t at)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->all[i].at <= at && at < l->all[i].until)
			return true;
	return false;
}

/* Whether the snapshot may lack documents of which nothing is known. */
static bool
table_may_lack(const struct table *x, size_t at)
{
	if (losses_span(&x->losses, at) || (x->collected && losses_span(&x->returns, at)))
		return true;
	for (size_t i = 0; i < x->r->n_blinds; i++)
		if (x->snapshots[at].row.id > x->r->blinds[i].before)
			return true;
	return false;
}

static int
table_describe(struct table *x, struct err *e)
{
	int64_t lost = 0;
	int rc = ERR_OK;

	for (size_t i = 0; i < x->n && rc == ERR_OK; i++) {
		struct table_snapshot *s = &x->snapshots[i];
		/* The last shard goes on to the end. */
		rc = table_shard_end(x, i, s->row.shards - 1, e);
		lost += s->lost;
		s->row.documents = tree_sum(x->documents, i);
		s->row.bytes = tree_sum(x->bytes, i);
		s->row.lost = lost > 0 ? (uint64_t)lost : table_may_lack(x, i) ? 1 : 0;
		if (rc == ERR_OK)
			rc = remake_describe(x->r->cat, &s->row, e);
		x->r->result->snapshots += !s->row.forgotten;
		x->r->result->damaged += !s->row.forgotten && s->row.lost > 0;
	}
	return rc;
}

int
rebuild_table(struct rebuild *r, const struct tables_table *t, struct err *e)
{
	struct table x = {.r = r, .t = t};
	int rc = table_snapshots(&x, e);

	if (rc == ERR_OK)
		rc = table_read(&x, e);
	if (rc == ERR_OK)
		rc = table_lines(&x, e);
	if (rc == ERR_OK)
		rc = table_describe(&x, e);
	sort_free(x.lines);
	sort_free(x.bounds);
	free(x.snapshots);
	free(x.losses.all);
	free(x.returns.all);
	free(x.documents);
	free(x.bytes);
	return rc;
}
