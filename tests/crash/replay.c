/*
 * What a power cut leaves of a directory: a copy of it from before, and the records that shim.c
 * made of the calls that changed it since, become the directory as a disk may hold it when the
 * power fails behind the n-th of them.
 *
 *	replay list LOG				a line "N CALL PATH" for each record
 *	replay make BASE LOG OUT N RULE SEED	make the directory OUT
 *
 * What a sync has returned for is there: a file's bytes when the file was synced, a name in a
 * directory when the directory was. Of the rest RULE keeps: lost, nothing; names, names alone (an
 * empty file has its new name); bytes, bytes alone; random, some of the writes, torn at sectors,
 * and in each directory the first few changes of names, by SEED. A rename is done whole or not at
 * all. What was not yet synced when a sync failed is lost for good, whatever a later sync says.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512    /* bytes that a disk writes whole */
#define NAME_LEN 256  /* of a file, with its NUL */
#define PATH_LEN 4096 /* of a path, likewise */

/* A name in a directory. */
struct entry {
	char name[NAME_LEN];
	struct node *node;
};

struct entries {
	struct entry *at;
	size_t n;
};

/* A change of a file's bytes: a write, or a new length when there are no data. */
struct change {
	const uint8_t *data;
	size_t len;
	uint64_t off;
	bool synced, failed;
};

/* A file or directory. */
struct node {
	bool dir;
	struct entries base; /* names at the start */
	struct entries live; /* as the processes see them */
	uint8_t *data;       /* bytes at the start */
	size_t len;
	struct change *changes; /* since then */
	size_t n_changes;
	size_t kept; /* random: how many of its changes of names that are not synced stay */
};

/* A change of names: ${node} appears as ${to} and its name ${from} goes; either may be missing. */
struct naming {
	struct node *node;
	struct node *from_dir, *to_dir; /* NULL: none */
	char from[NAME_LEN], to[NAME_LEN];
	bool from_synced, to_synced;
};

static struct node *root;
static struct naming *namings;
static size_t n_namings;

enum rule { RULE_LOST, RULE_NAMES, RULE_BYTES, RULE_RANDOM };

static uint64_t seed;

static _Noreturn void
die(const char *what, const char *which)
{
	fprintf(stderr, "replay: %s: %s: %s\n", which, what, strerror(errno));
	exit(2);
}

static void *
grow(void *at, size_t n, size_t size)
{
	void *p = realloc(at, (n + 1) * size);

	if (p == NULL)
		die("memory", "no");
	memset((char *)p + n * size, 0, size);
	return p;
}

/* xorshift64*: G. Marsaglia, S. Vigna. */
static uint64_t
chance(uint64_t most)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (seed * 0x2545f4914f6cdd1du >> 33) % most;
}

/* ---- names ---- */

static struct entry *
entry_find(const struct entries *in, const char *name)
{
	for (size_t i = 0; i < in->n; i++)
		if (strcmp(in->at[i].name, name) == 0)
			return &in->at[i];
	return NULL;
}

static void
entry_set(struct entries *in, const char *name, struct node *node)
{
	struct entry *e = entry_find(in, name);

	if (e == NULL) {
		in->at = grow(in->at, in->n, sizeof(*in->at));
		e = &in->at[in->n++];
		snprintf(e->name, sizeof(e->name), "%s", name);
	}
	e->node = node;
}

/* Take ${name} away, if it is that of ${node}. */
static void
entry_clear(struct entries *in, const char *name, const struct node *node)
{
	struct entry *e = entry_find(in, name);

	if (e != NULL && e->node == node)
		*e = in->at[--in->n];
}

/* The directory that ${path} is in, as the processes see it, and the last part of it. */
static struct node *
parent_of(const char *path, const char **name)
{
	struct node *dir = root;
	const char *slash;

	while (dir != NULL && (slash = strchr(path, '/')) != NULL) {
		char part[NAME_LEN];
		const struct entry *e;
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		e = entry_find(&dir->live, part);
		dir = e != NULL ? e->node : NULL;
		path = slash + 1;
	}
	*name = path;
	return dir;
}

static struct node *
node_of(const char *path)
{
	const char *name;
	struct node *dir = parent_of(path, &name);
	const struct entry *e = dir != NULL ? entry_find(&dir->live, name) : NULL;

	return path[0] == '\0' ? root : e != NULL ? e->node : NULL;
}

/* ---- the start ---- */

static void
load_file(struct node *node, const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;

	if (f == NULL || fstat(fileno(f), &st) != 0)
		die("open", path);
	node->len = (size_t)st.st_size;
	node->data = malloc(node->len + 1);
	if (node->data == NULL || fread(node->data, 1, node->len, f) != node->len)
		die("read", path);
	fclose(f);
}

static struct node *
load(const char *path)
{
	struct node *node = grow(NULL, 0, sizeof(*node));
	DIR *dir = opendir(path);
	const struct dirent *entry;

	if (dir == NULL && errno != ENOTDIR)
		die("open", path);
	if (dir == NULL) {
		load_file(node, path);
		return node;
	}
	node->dir = true;
	while ((entry = readdir(dir)) != NULL) {
		char inner[PATH_LEN];
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
		entry_set(&node->base, entry->d_name, load(inner));
	}
	closedir(dir);
	for (size_t i = 0; i < node->base.n; i++)
		entry_set(&node->live, node->base.at[i].name, node->base.at[i].node);
	return node;
}

/* ---- records ---- */

/* Note a change of names and make it. Each of the two paths may be NULL. */
static void
rename_node(struct node *node, const char *from, const char *to)
{
	struct naming *m;
	const char *name;

	namings = grow(namings, n_namings, sizeof(*namings));
	m = &namings[n_namings++];
	m->node = node;
	if (from != NULL && (m->from_dir = parent_of(from, &name)) != NULL) {
		snprintf(m->from, sizeof(m->from), "%s", name);
		entry_clear(&m->from_dir->live, name, node);
	}
	if (to != NULL && (m->to_dir = parent_of(to, &name)) != NULL) {
		snprintf(m->to, sizeof(m->to), "%s", name);
		entry_set(&m->to_dir->live, name, node);
	}
}

static void
change_node(struct node *node, const uint8_t *data, size_t len, uint64_t off)
{
	node->changes = grow(node->changes, node->n_changes, sizeof(*node->changes));
	node->changes[node->n_changes++] = (struct change){.data = data, .len = len, .off = off};
}

static void
sync_node(const struct node *node, bool failed)
{
	for (size_t i = 0; i < node->n_changes; i++) {
		struct change *c = &node->changes[i];
		if (failed && !c->synced)
			c->failed = true;
		else if (!c->failed)
			c->synced = true;
	}
	for (size_t i = 0; node->dir && !failed && i < n_namings; i++) {
		struct naming *m = &namings[i];
		m->from_synced = m->from_synced || m->from_dir == node;
		m->to_synced = m->to_synced || m->to_dir == node;
	}
}

static void
apply(
    const char *op, const char *path, const char *to, const uint8_t *data, size_t len, uint64_t off)
{
	size_t path_len = strlen(path);
	struct node *node = node_of(path);

	/* Shared memory is no data: it is made again from the log. */
	if (path_len > 4 && strcmp(path + path_len - 4, "-shm") == 0)
		return;
	if (strcmp(op, "create") == 0 || strcmp(op, "mkdir") == 0) {
		node = grow(NULL, 0, sizeof(*node));
		node->dir = op[0] == 'm';
		rename_node(node, NULL, path);
	} else if (node == NULL) {
		/* A file that has no name any more cannot come back. */
		return;
	} else if (strcmp(op, "write") == 0) {
		change_node(node, data, len, off);
	} else if (strcmp(op, "truncate") == 0) {
		change_node(node, NULL, 0, off);
	} else if (strcmp(op, "sync") == 0 || strcmp(op, "fail") == 0) {
		sync_node(node, op[0] == 'f');
	} else if (strcmp(op, "rename") == 0) {
		rename_node(node, path, to);
	} else if (strcmp(op, "link") == 0) {
		rename_node(node, NULL, to);
	} else if (strcmp(op, "unlink") == 0) {
		rename_node(node, path, NULL);
	}
}

/* Go through the first ${n} records; with ${print}, write a line for each. */
static void
records(const char *log, uint64_t n, bool print)
{
	struct node file = {0};
	size_t at = 0;

	load_file(&file, log);
	for (uint64_t i = 1; i <= n && at < file.len; i++) {
		char line[2 * PATH_LEN], op[16], *path, *to;
		unsigned long long off, len;
		const char *end = memchr(file.data + at, '\n', file.len - at);
		int skip = 0;

		if (end == NULL)
			die("a record is cut off", log);
		snprintf(line, sizeof(line), "%.*s", (int)(end - (char *)file.data - (long)at),
		    (char *)file.data + at);
		if (sscanf(line, "%15s %llu %llu %n", op, &off, &len, &skip) != 3 || skip == 0)
			die("not a record", line);
		at = (size_t)(end - (char *)file.data) + 1;
		path = line + skip;
		to = strchr(path, '\t');
		if (to != NULL)
			*to++ = '\0';
		if (len > file.len - at)
			die("a record is cut off", log);
		if (print)
			printf("%llu %s %s\n", (unsigned long long)i, op, path);
		else
			apply(op, path, to, file.data + at, (size_t)len, off);
		at += (size_t)len;
	}
}

/* ---- the end ---- */

/* Whether the change of names ${m}, the so many-th of its directories that is not synced, stays. */
static bool
naming_stays(struct naming *m, enum rule rule)
{
	bool stays = m->from_synced || m->to_synced || rule == RULE_NAMES;
	struct node *dirs[2] = {m->from_dir, m->to_dir};

	for (int i = 0; !stays && rule == RULE_RANDOM && i < 2; i++) {
		if (dirs[i] == NULL || dirs[i]->kept == 0)
			continue;
		dirs[i]->kept--;
		stays = true;
	}
	return stays;
}

static void
name_all(enum rule rule)
{
	for (size_t i = 0; rule == RULE_RANDOM && i < n_namings; i++) {
		struct naming *m = &namings[i];
		if (m->from_dir != NULL)
			m->from_dir->kept = chance(8);
		if (m->to_dir != NULL)
			m->to_dir->kept = chance(8);
	}
	for (size_t i = 0; i < n_namings; i++) {
		struct naming *m = &namings[i];
		if (!naming_stays(m, rule)) {
			/* Nor do those behind it in the same directories. */
			if (m->from_dir != NULL)
				m->from_dir->kept = 0;
			if (m->to_dir != NULL)
				m->to_dir->kept = 0;
			continue;
		}
		if (m->from_dir != NULL)
			entry_clear(&m->from_dir->base, m->from, m->node);
		if (m->to_dir != NULL)
			entry_set(&m->to_dir->base, m->to, m->node);
	}
}

static void
node_resize(struct node *node, size_t len)
{
	if (len > node->len) {
		node->data = realloc(node->data, len);
		if (node->data == NULL)
			die("memory", "no");
		memset(node->data + node->len, 0, len - node->len);
	}
	node->len = len;
}

static void
node_change(struct node *node, const struct change *c, enum rule rule)
{
	size_t len = c->len;

	if (!c->synced) {
		if (c->failed || rule == RULE_LOST || rule == RULE_NAMES)
			return;
		if (rule == RULE_RANDOM && chance(2) == 0)
			return;
		if (rule == RULE_RANDOM && len > SECTOR && chance(4) == 0)
			len = (size_t)chance(len / SECTOR + 1) * SECTOR;
	}
	if (c->data == NULL) {
		node_resize(node, (size_t)c->off);
		return;
	}
	if (c->off + len > node->len)
		node_resize(node, (size_t)c->off + len);
	if (len > 0)
		memcpy(node->data + c->off, c->data, len);
}

static void
store(struct node *node, const char *path, enum rule rule)
{
	FILE *f;

	if (node->dir) {
		if (mkdir(path, 0700) != 0)
			die("mkdir", path);
		for (size_t i = 0; i < node->base.n; i++) {
			char inner[PATH_LEN];
			snprintf(inner, sizeof(inner), "%s/%s", path, node->base.at[i].name);
			store(node->base.at[i].node, inner, rule);
		}
		return;
	}
	for (size_t i = 0; i < node->n_changes; i++)
		node_change(node, &node->changes[i], rule);
	f = fopen(path, "wb");
	if (f == NULL || fwrite(node->data, 1, node->len, f) != node->len || fclose(f) != 0)
		die("write", path);
}

static int
make(char **args)
{
	static const char *const rules[] = {"lost", "names", "bytes", "random"};

	for (int rule = 0; rule < 4; rule++) {
		if (strcmp(args[4], rules[rule]) != 0)
			continue;
		seed = strtoull(args[5], NULL, 10) * 0x9e3779b97f4a7c15u + 1;
		root = load(args[0]);
		records(args[1], strtoull(args[3], NULL, 10), false);
		name_all((enum rule)rule);
		store(root, args[2], (enum rule)rule);
		return 0;
	}
	errno = EINVAL;
	die("no rule", args[4]);
}

int
main(int argc, char **argv)
{
	umask(0077);
	if (argc == 3 && strcmp(argv[1], "list") == 0) {
		records(argv[2], UINT64_MAX, true);
		return 0;
	}
	if (argc == 8 && strcmp(argv[1], "make") == 0)
		return make(argv + 2);
	fprintf(stderr, "usage: replay list LOG | make BASE LOG OUT N RULE SEED\n");
	return 2;
}
