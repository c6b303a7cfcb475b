/* Turning a complete scratch file into a restore. */
#include "fs/inbox_internal.h"
#include "snapshot/payload.h"

#include <string.h>

static int
inbox_settle_piece(void *arg, uint64_t off, void *out, size_t room, size_t *got, struct err *e)
{
	return inbox_bytes_read(arg, off, out, room, got, e);
}

static bool
inbox_settle_refused(int rc)
{
	return rc == ERR_FORMAT || rc == ERR_KEY || rc == ERR_LIMIT;
}

/* Check all documents in ${bytes}. The text of ${e} says which one is wrong, and where. */
static int
inbox_settle_check(
    struct inbox_bytes *bytes, struct buf *primary_key, uint64_t *documents, struct err *e)
{
	struct payload_input in = {.read = inbox_settle_piece, .arg = bytes};
	const char *field = buf_str(primary_key);

	if (field == NULL)
		return err_nomem(e);
	return payload_read(&in, field, NULL, NULL, documents, e);
}

/* The queue shows ${n} from now on as ${name}; nobody else's node may pass for that restore. */
static void
inbox_settle_node(struct inbox *b, struct inbox_node *n, const struct inbox_directory *dir,
    const char *name, int64_t restore)
{
	struct inbox_node *other;

	pthread_mutex_lock(&b->map_lock);
	other = inbox_node_find(b, dir->ino, name);
	if (other != NULL && other != n)
		inbox_node_drop(b, other);
	other = restore != 0 ? inbox_node_by_restore(b, restore) : NULL;
	if (other != NULL && other != n)
		inbox_node_drop(b, other);
	if (n->place != INBOX_DROPPED)
		n->place = INBOX_QUEUED;
	n->parent = dir->ino;
	memmove(n->name, name, strlen(name) + 1);
	if (restore != 0)
		n->restore = restore;
	pthread_mutex_unlock(&b->map_lock);
}

static void
inbox_settle_report(struct inbox *b, const struct inbox_table *table, const char *name, int64_t id,
    uint64_t documents, const struct err *why)
{
	if (why->code != ERR_OK)
		log_line(b->log, LOG_WARNING, "refused %s.%s %s as restore %lld: %s",
		    table->database, table->table, name, (long long)id, why->text);
	else
		log_line(b->log, LOG_DETAIL, "queued %s.%s %s as restore %lld, documents: %llu",
		    table->database, table->table, name, (long long)id,
		    (unsigned long long)documents);
}

int
inbox_settle(struct inbox *b, struct inbox_node *n, const struct inbox_directory *dir,
    const char *name, bool patient, struct err *e)
{
	struct buf primary_key = {0};
	struct inbox_table table;
	struct err why = {0};
	uint64_t documents = 0;
	int64_t id;
	int rc;

	rc = inbox_queue_table(b, dir->table_id, &table, &primary_key, e);
	if (rc != ERR_OK)
		goto out;
	rc = inbox_settle_check(&n->bytes, &primary_key, &documents, &why);
	if (rc != ERR_OK && !inbox_settle_refused(rc)) {
		err_set(e, rc, "%s", why.text);
		goto out;
	}
	why.code = rc;
	if (rc != ERR_OK && patient) {
		rc = ERR_OK;
		goto out;
	}
	rc = inbox_queue_put(b, &table, name, &n->bytes, why.code == ERR_OK ? documents : 0,
	    why.code == ERR_OK ? NULL : why.text, &id, e);
	if (rc != ERR_OK)
		goto out;
	n->settled = n->version;
	n->verdict = why;
	inbox_settle_node(b, n, dir, name, why.code == ERR_OK ? id : 0);
	inbox_settle_report(b, &table, name, id, documents, &why);
	rc = why.code == ERR_OK ? ERR_OK : err_set(e, why.code, "%s", why.text);
out:
	buf_finish(&primary_key);
	return rc;
}
