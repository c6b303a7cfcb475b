/* Targets of any kind: the contracts are in target.h. */
#include "snapshot/target.h"

#include "snapshot/target_internal.h"

#include <string.h>

int
target_open(const char *uri, struct target **out, struct err *e)
{
	if (uri[0] == '\0')
		return err_set(e, ERR_ARG, "the target has no name");
	if (strstr(uri, "://") != NULL)
		return err_set(
		    e, ERR_ARG, "a target of this kind is not known: %s; name a directory", uri);
	return target_dir_open(uri, out, e);
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
