/* Paths without a mount: the contract is in path.h. */
#include "fs/path.h"

#include <stdio.h>
#include <string.h>

/* A walk: what is still to go stands in ${rest} from ${pos} on. */
struct path_walk {
	struct buf rest;
	size_t pos;
	unsigned links;       /* symbolic links followed so far */
	struct view_attr dir; /* the directory that the last part was found in */
	struct view_attr at;  /* where the walk is */
};

/*
 * Take the next part off the rest, into ${out}. Return ERR_OK, ERR_END, or ERR_ABSENT for a part
 * that is longer than any name; ${out} then is its beginning.
 */
static int
path_part(struct path_walk *w, char out[NAME_ROOM])
{
	const char *p = (const char *)w->rest.data + w->pos;
	size_t slashes = strspn(p, "/");
	size_t len = strcspn(p + slashes, "/");

	w->pos += slashes + len;
	if (len == 0)
		return ERR_END;
	snprintf(out, NAME_ROOM, "%.*s", (int)(len < NAME_ROOM ? len : NAME_ROOM - 1), p + slashes);
	return len > NAME_MAX_BYTES ? ERR_ABSENT : ERR_OK;
}

/* Put the target of the link that the walk is at before the rest, and go back to its directory. */
static int
path_follow(struct view *v, struct path_walk *w, struct err *e)
{
	struct buf rest = {0};
	int rc;

	if (++w->links > PATH_LINKS)
		return err_set(e, ERR_LIMIT, "too many symbolic links");
	rc = view_link(v, w->at.ino, &rest, e);
	if (rc == ERR_OK && (buf_puts(&rest, (const char *)w->rest.data + w->pos) != ERR_OK ||
				buf_str(&rest) == NULL))
		rc = err_nomem(e);
	if (rc != ERR_OK) {
		buf_finish(&rest);
		return rc;
	}
	buf_finish(&w->rest);
	w->rest = rest;
	w->pos = 0;
	w->at = w->dir;
	return ERR_OK;
}

/* Go one part on. */
static int
path_step(struct view *v, struct path_walk *w, const char *part, struct err *e)
{
	struct view_attr next;
	uint64_t parent;
	int rc;

	if (w->at.type != VIEW_DIRECTORY)
		return ERR_ABSENT;
	if (strcmp(part, ".") == 0)
		return ERR_OK;
	if (strcmp(part, "..") == 0) {
		rc = view_parent(v, w->at.ino, &parent, e);
		if (rc == ERR_OK)
			rc = view_attr(v, parent, &next, e);
	} else {
		rc = view_lookup(v, w->at.ino, part, &next, e);
	}
	if (rc != ERR_OK)
		return rc;
	w->dir = w->at;
	w->at = next;
	return next.type == VIEW_LINK ? path_follow(v, w, e) : ERR_OK;
}

int
path_find(struct view *v, const char *path, struct view_attr *out, struct err *e)
{
	struct path_walk w = {0};
	char part[NAME_ROOM];
	int rc;

	if (buf_puts(&w.rest, path) != ERR_OK || buf_str(&w.rest) == NULL) {
		rc = err_nomem(e);
		goto done;
	}
	rc = view_attr(v, INODE_ROOT_NUMBER, &w.at, e);
	while (rc == ERR_OK && (rc = path_part(&w, part)) == ERR_OK)
		rc = path_step(v, &w, part, e);
	if (rc == ERR_ABSENT)
		rc = w.at.type == VIEW_DIRECTORY
			 ? err_set(e, ERR_ABSENT, "%s: there is no %s", path, part)
			 : err_set(
			       e, ERR_ABSENT, "%s: what is before %s is no directory", path, part);
	else if (rc != ERR_END)
		err_prefix(e, "%s", path);
done:
	buf_finish(&w.rest);
	if (rc != ERR_END)
		return rc;
	*out = w.at;
	return ERR_OK;
}
