/*
 * A file system that does nothing: nullfs [-o OPTIONS] -f MOUNTPOINT DIRECTORY. Serves the files of
 * one directory out of memory, with ordinary opens and libfuse's defaults, in one thread: what FUSE
 * itself costs when whoever answers has nothing to do. Nothing below a time limit is forgotten:
 * names and attributes hold for ever.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOREVER 1e9
#define FIRST 2 /* inode number of the first file; 1 is the root */

struct file {
	char *name;
	char *data;
	size_t size;
};

/* Sorted by name. */
static struct file *files;
static size_t n_files;

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

static void
attributes(fuse_ino_t ino, struct stat *out)
{
	*out = (struct stat){.st_ino = ino, .st_nlink = 1, .st_mode = S_IFDIR | 0555};
	if (ino >= FIRST) {
		out->st_mode = S_IFREG | 0444;
		out->st_size = (off_t)files[ino - FIRST].size;
		out->st_blocks = (out->st_size + 511) / 512;
	}
}

static void
entry(fuse_ino_t ino, struct fuse_entry_param *out)
{
	*out = (struct fuse_entry_param){
	    .ino = ino, .generation = 1, .attr_timeout = FOREVER, .entry_timeout = FOREVER};
	attributes(ino, &out->attr);
}

static void
null_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct file wanted = {.name = (char *)(uintptr_t)name};
	struct fuse_entry_param param;
	const struct file *found = NULL;

	if (parent == FUSE_ROOT_ID)
		found = bsearch(&wanted, files, n_files, sizeof(wanted), by_name);
	if (found == NULL) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	entry((fuse_ino_t)(found - files) + FIRST, &param);
	fuse_reply_entry(req, &param);
}

static void
null_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	attributes(ino, &st);
	fuse_reply_attr(req, &st, FOREVER);
}

static void
null_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fuse_reply_open(req, fi);
}

static void
null_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	const struct file *f = &files[ino - FIRST];
	size_t at = (size_t)off < f->size ? (size_t)off : f->size;

	(void)fi;
	fuse_reply_buf(req, f->data + at, f->size - at < size ? f->size - at : size);
}

static void
null_list(fuse_req_t req, size_t size, off_t off, int plus)
{
	char *out = malloc(size);
	size_t used = 0, need;

	for (size_t i = (size_t)off; out != NULL && i < n_files; i++) {
		struct fuse_entry_param param;
		entry((fuse_ino_t)i + FIRST, &param);
		need = plus != 0 ? fuse_add_direntry_plus(req, out + used, size - used,
				       files[i].name, &param, (off_t)i + 1)
				 : fuse_add_direntry(req, out + used, size - used, files[i].name,
				       &param.attr, (off_t)i + 1);
		if (need > size - used)
			break;
		used += need;
	}
	if (out != NULL)
		fuse_reply_buf(req, out, used);
	else
		fuse_reply_err(req, ENOMEM);
	free(out);
}

static void
null_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	null_list(req, size, off, 0);
}

static void
null_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	null_list(req, size, off, 1);
}

/* Read one file of ${dir} whole. Whether it went well. */
static int
load_file(int dir, const char *name, struct file *f)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int good = fd >= 0 && fstat(fd, &st) == 0;

	if (good) {
		f->name = strdup(name);
		f->size = (size_t)st.st_size;
		f->data = malloc(f->size + 1);
		good = f->name != NULL && f->data != NULL &&
		       read(fd, f->data, f->size) == (ssize_t)f->size;
	}
	if (fd >= 0)
		close(fd);
	return good;
}

static int
load(const char *path)
{
	DIR *d = opendir(path);
	size_t room = 0;
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if (n_files == room) {
			room = room > 0 ? room * 2 : 1024;
			files = realloc(files, room * sizeof(*files));
			if (files == NULL)
				return -1;
		}
		if (!load_file(dirfd(d), e->d_name, &files[n_files]))
			return -1;
		n_files++;
	}
	if (d == NULL || closedir(d) != 0)
		return -1;
	qsort(files, n_files, sizeof(*files), by_name);
	return 0;
}

static const struct fuse_lowlevel_ops operations = {
    .lookup = null_lookup,
    .getattr = null_getattr,
    .open = null_open,
    .read = null_read,
    .readdir = null_readdir,
    .readdirplus = null_readdirplus,
};

int
main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(argc - 1, argv);
	struct fuse_cmdline_opts opts = {0};
	struct fuse_session *session;
	int rc = 1;

	if (argc < 3 || load(argv[argc - 1]) != 0 || fuse_parse_cmdline(&args, &opts) != 0 ||
	    opts.mountpoint == NULL) {
		fprintf(stderr, "nullfs: [-o OPTIONS] -f MOUNTPOINT DIRECTORY\n");
		return 2;
	}
	session = fuse_session_new(&args, &operations, sizeof(operations), NULL);
	if (session != NULL && fuse_set_signal_handlers(session) == 0 &&
	    fuse_session_mount(session, opts.mountpoint) == 0) {
		rc = fuse_session_loop(session) != 0;
		fuse_session_unmount(session);
	}
	fuse_session_destroy(session);
	fuse_opt_free_args(&args);
	free(opts.mountpoint);
	return rc;
}
