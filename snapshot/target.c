/* Targets of any kind: the contracts are in target.h. */
#include "snapshot/target.h"

#include "snapshot/rdb/address.h"
#include "snapshot/target_internal.h"

#include <string.h>

int
target_open(const char *uri, struct target **out, struct err *e)
{
	char shown[ADDRESS_SHOWN];

	if (uri[0] == '\0')
		return err_set(e, ERR_ARG, "the target has no name");
	if (target_is_server(uri))
		return err_set(e, ERR_ARG,
		    "a target of this kind is not known: %s; name a directory",
		    address_shown(uri, shown));
	return target_dir_open(uri, out, e);
}

int
target_open_server(
    const char *uri, const struct target_server *server, struct target **out, struct err *e)
{
	return target_live_open(uri, server, out, e);
}

bool
target_is_server(const char *text)
{
	return strstr(text, "://") != NULL;
}

bool
target_single(const struct target *t)
{
	return t->kind->single;
}

void
target_close(struct target *t)
{
	if (t != NULL)
		t->kind->close(t);
}

int
target_apply(
    struct target *t, const struct target_table *table, struct sort *documents, struct err *e)
{
	return t->kind->apply(t, table, documents, e);
}

int
target_undo(struct target *t, const struct target_table *table, struct target_undo *items, size_t n,
    bool force, struct err *e)
{
	if (t->kind->undo == NULL)
		return err_set(e, ERR_ARG,
		    "only restores into servers can be undone; of a directory "
		    "the export before it is not kept");
	return t->kind->undo(t, table, items, n, force, e);
}
