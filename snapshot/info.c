/* Configurations of tables: the contracts are in info.h. */
#include "snapshot/info.h"

#include "snapshot/archive/dir.h"
#include "snapshot/json/canon.h"
#include "snapshot/json/member.h"
#include "snapshot/source.h"

#include <string.h>

int
info_primary_key(const struct buf *json, struct buf *out, struct err *e)
{
	struct member_span value;
	int rc = member_find(json->data, json->len, "primary_key", 11, &value);

	if (rc == ERR_OK)
		rc = member_string(value.data, value.len, out);
	if (rc == ERR_NOMEM)
		return err_nomem(e);
	if (rc != ERR_OK || out->len == 0 || memchr(out->data, '\0', out->len) != NULL)
		return err_set(e, ERR_FORMAT, "it has no \"primary_key\" with a field's name");
	return buf_str(out) != NULL ? ERR_OK : err_nomem(e);
}

/* As a configuration, the bytes of a file. */
static int
info_parse(const struct buf *bytes, struct buf *out, struct err *e)
{
	struct canon *canon = canon_create();
	struct canon_where where;
	struct buf json = {0};
	int rc;

	if (canon == NULL)
		return err_nomem(e);
	rc = canon_value(canon, bytes->data, bytes->len, &json, &where, e);
	if (rc == ERR_FORMAT || rc == ERR_LIMIT)
		err_prefix(e, "line %llu, column %llu", (unsigned long long)where.line,
		    (unsigned long long)where.column);
	if (rc == ERR_OK)
		rc = info_primary_key(&json, out, e);
	buf_finish(&json);
	canon_free(canon);
	return rc;
}

int
info_read_key(int dirfd, const char *name, const char *path, struct buf *out, struct err *e)
{
	struct buf bytes = {0};
	int rc = dir_read(dirfd, name, path, SOURCE_INFO_MAX, &bytes, e);
	bool read = rc == ERR_OK;

	if (read)
		rc = info_parse(&bytes, out, e);
	buf_finish(&bytes);
	if (read && (rc == ERR_FORMAT || rc == ERR_LIMIT))
		err_prefix(e, "%s", path);
	return rc == ERR_LIMIT ? ERR_FORMAT : rc;
}
