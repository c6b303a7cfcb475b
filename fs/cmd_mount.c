/*
 * thinkback mount: serve the tree. In the background a child does it, forked before anything is
 * open; the parent returns when a listing of the mountpoint has worked. Three processes are a
 * mount: the one that serves, confined; the keeper (cmd_mount_keeper.h); and the worker that it
 * starts.
 */
#include "catalog/base/num.h"
#include "fs/cmd.h"
#include "fs/cmd_mount_keeper.h"
#include "fs/cmd_mount_log.h"
#include "fs/fuse_mount.h"
#include "snapshot/target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <mntent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOUNT_TYPE "fuse.thinkback"

/* What the command line says, and what comes of it. */
struct mount {
	const struct cmd_env *env;
	char *mountpoint;           /* resolved */
	char *target;               /* of the worker, absolute or a URL; NULL: its default */
	char *password_file;        /* of the worker, absolute; NULL: none */
	char *tls_cert;             /* likewise */
	char *tls_client_cert;      /* likewise */
	char *tls_client_key;       /* likewise */
	enum queue_policy conflict; /* what restores do with documents that are on a server */
	struct buf pass;            /* options for libfuse and the kernel */
	bool readonly;
	bool no_worker;
	bool foreground;
	bool any_owner;
	uid_t uid;
	gid_t gid;
	mode_t umask;
	int ready_fd;  /* a newline is written there when the mount can be used; -1: none */
	int parent_fd; /* the same for our parent, in the background; -1: foreground */
	struct repo *repo;
	struct cmd_mount_keeper *keeper;
	struct log log;         /* goes to stderr, and to syslog once in the background */
	atomic_bool background; /* stderr is gone */
	atomic_bool ending;     /* requests are no longer answered */
	atomic_bool failed;     /* the first listing did not work, though they were */
	pthread_t ready;        /* looks whether the mount can be used */
	bool trying;            /* there is that thread */
};

/* ---- logging ---- */

static void
mount_log(void *arg, enum log_level level, const char *text)
{
	struct mount *m = arg;

	if (atomic_load(&m->background))
		cmd_mount_log_write((int)level, text);
	else
		log_line(&m->env->log, level, "%s", text);
}

/* ---- options ---- */

static bool
mount_keep(char **to, const char *text)
{
	free(*to);
	*to = strdup(text);
	return *to != NULL;
}

/* Keep a path or an address; a path becomes absolute, because the background has another one. */
static bool
mount_keep_path(char **to, const char *text)
{
	char here[PATH_MAX];
	char path[2 * PATH_MAX];

	if (text[0] == '/' || target_is_server(text) || getcwd(here, sizeof(here)) == NULL)
		return mount_keep(to, text);
	snprintf(path, sizeof(path), "%s/%s", here, text);
	return mount_keep(to, path);
}

/* Whether ${option} is "${name}=" and something; that is in ${value} then. */
static bool
mount_value(const char *option, const char *name, const char **value)
{
	size_t len = strlen(name);

	if (strncmp(option, name, len) != 0 || option[len] != '=')
		return false;
	*value = option + len + 1;
	return true;
}

/* Pass an option on. */
static bool
mount_pass(struct mount *m, const char *option)
{
	int rc = m->pass.len == 0 ? ERR_OK : buf_putc(&m->pass, ',');

	for (const char *p = option; rc == ERR_OK && *p != '\0'; p++) {
		if (*p == ',' || *p == '\\')
			rc = buf_putc(&m->pass, '\\');
		if (rc == ERR_OK)
			rc = buf_putc(&m->pass, (uint8_t)*p);
	}
	return rc == ERR_OK;
}

/* Octal digits of permissions. */
static bool
mount_octal(const char *text, mode_t *out)
{
	size_t len = strspn(text, "01234567");
	unsigned long n = strtoul(text, NULL, 8);

	if (len == 0 || len > 4 || text[len] != '\0' || n > 0777)
		return false;
	*out = (mode_t)n;
	return true;
}

/* One option of -o. Return -1 to go on, else the exit code. */
static int
mount_option(struct mount *m, const char *option)
{
	const char *value;
	uint64_t n;
	bool ok = true;

	if (option[0] == '\0' || strcmp(option, "worker") == 0)
		return -1;
	if (strcmp(option, "ro") == 0) {
		m->readonly = true;
	} else if (strcmp(option, "noworker") == 0) {
		m->no_worker = true;
	} else if (mount_value(option, "target", &value)) {
		ok = mount_keep_path(&m->target, value);
	} else if (mount_value(option, "password-file", &value)) {
		ok = mount_keep_path(&m->password_file, value);
	} else if (mount_value(option, "tls-cert", &value)) {
		ok = mount_keep_path(&m->tls_cert, value);
	} else if (mount_value(option, "tls-client-cert", &value)) {
		ok = mount_keep_path(&m->tls_client_cert, value);
	} else if (mount_value(option, "tls-client-key", &value)) {
		ok = mount_keep_path(&m->tls_client_key, value);
	} else if (mount_value(option, "conflict", &value)) {
		if (queue_policy_parse(value, &m->conflict) != ERR_OK)
			return cmd_usage(m->env, &cmd_mount,
			    "\"%s\" is no conflict policy: replace, keep or newer-loses", value);
	} else if (mount_value(option, "uid", &value)) {
		if (num_parse(value, UINT_MAX - 1, &n) != ERR_OK)
			return cmd_usage(m->env, &cmd_mount, "\"%s\" is no user's number", value);
		m->uid = (uid_t)n;
	} else if (mount_value(option, "gid", &value)) {
		if (num_parse(value, UINT_MAX - 1, &n) != ERR_OK)
			return cmd_usage(m->env, &cmd_mount, "\"%s\" is no group's number", value);
		m->gid = (gid_t)n;
	} else if (mount_value(option, "umask", &value)) {
		if (!mount_octal(value, &m->umask))
			return cmd_usage(m->env, &cmd_mount,
			    "\"%s\" is no umask: octal digits, 777 at most", value);
	} else if (strcmp(option, "any_owner") == 0) {
		m->any_owner = true;
	} else if (strchr(option, '@') != NULL && strstr(option, "://") != NULL) {
		/* libfuse would show all of it, with a password that may be there. */
		return cmd_usage(m->env, &cmd_mount, "the option %.*s is not known",
		    (int)strcspn(option, "=@:"), option);
	} else {
		ok = mount_pass(m, option);
	}
	if (!ok) {
		cmd_error(m->env, "out of memory");
		return CMD_FAILED;
	}
	return -1;
}

/* A list of options separated by commas, of which a backslash takes the meaning. */
static int
mount_options(struct mount *m, const char *list)
{
	char option[PATH_MAX] = "";
	size_t len = 0;

	for (const char *p = list;; p++) {
		int code;
		if (*p != ',' && *p != '\0') {
			if (*p == '\\' && p[1] != '\0')
				p++;
			if (len + 1 >= sizeof(option))
				return cmd_usage(m->env, &cmd_mount, "an option is too long");
			option[len++] = *p;
			continue;
		}
		option[len] = '\0';
		len = 0;
		code = mount_option(m, option);
		if (code >= 0 || *p == '\0')
			return code;
	}
}

/*
 * Whether the options about the worker's target make sense together: the worker would end with the
 * same words again and again, as long as the mount is there. Return -1 to go on, else the exit
 * code.
 */
static int
mount_check_target(const struct mount *m)
{
	struct target_server server = {
	    .tls_ca = m->tls_cert, .tls_cert = m->tls_client_cert, .tls_key = m->tls_client_key};
	struct target *target = NULL;
	struct err e = {0};
	int rc;

	if (m->target == NULL || !target_is_server(m->target)) {
		if (m->password_file == NULL && m->tls_cert == NULL && m->tls_client_cert == NULL &&
		    m->tls_client_key == NULL)
			return -1;
		return cmd_usage(m->env, &cmd_mount,
		    "a password and TLS are for servers: target=rethinkdb://HOST:PORT");
	}
	/* Without a worker nobody connects; with one, nothing is connected to yet. */
	if (m->readonly || m->no_worker)
		return -1;
	rc = target_open_server(m->target, &server, &target, &e);
	target_close(target);
	if (rc == ERR_ARG)
		return cmd_usage(m->env, &cmd_mount, "target: %s", e.text);
	return rc == ERR_OK ? -1 : cmd_fail(m->env, &e);
}

/* Read the command line. Return -1 to go on, else the exit code. */
static int
mount_arguments(struct mount *m, int argc, char **argv)
{
	static const struct option longs[] = {
	    {"ready-fd", required_argument, NULL, 'r'}, {NULL, 0, NULL, 0}};
	uint64_t fd;
	int code = -1;
	int c;

	opterr = 0;
	while (code < 0 && (c = getopt_long(argc, argv, "fo:", longs, NULL)) != -1) {
		if (c == 'f') {
			m->foreground = true;
		} else if (c == 'o') {
			code = mount_options(m, optarg);
		} else if (c == 'r') {
			if (num_parse(optarg, INT_MAX, &fd) != ERR_OK)
				return cmd_usage(
				    m->env, &cmd_mount, "\"%s\" is no file descriptor", optarg);
			/* The worker must not hold it open. */
			m->ready_fd = (int)fd;
			(void)fcntl(m->ready_fd, F_SETFD, FD_CLOEXEC);
		} else {
			/* The rest may be an address with a password. */
			const char *wrong = argv[optind > 1 ? optind - 1 : 1];
			return cmd_usage(m->env, &cmd_mount, "cannot understand %.*s",
			    (int)strcspn(wrong, "=:@"), wrong);
		}
	}
	if (code < 0 && argc - optind != 1)
		return cmd_usage(m->env, &cmd_mount, "name one directory to mount on");
	return code < 0 ? mount_check_target(m) : code;
}

/* ---- the mountpoint ---- */

/* Whether ${path} is ${directory} or in it; both resolved. */
static bool
mount_inside(const char *path, const char *directory)
{
	size_t len = strlen(directory);

	if (strcmp(directory, "/") == 0)
		return true;
	return strncmp(path, directory, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* Whether a repository is mounted on ${path}, which is resolved. */
static bool
mount_is_mounted(const char *path)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	const struct mntent *entry;
	bool found = false;

	while (mounts != NULL && !found && (entry = getmntent(mounts)) != NULL)
		found =
		    strcmp(entry->mnt_dir, path) == 0 && strcmp(entry->mnt_type, MOUNT_TYPE) == 0;
	if (mounts != NULL)
		endmntent(mounts);
	return found;
}

/* Resolve the mountpoint. Say what is wrong with it and return false. */
static bool
mount_resolve(struct mount *m, const char *path)
{
	struct stat st;
	bool found;

	m->mountpoint = realpath(path, NULL);
	found = m->mountpoint != NULL && stat(m->mountpoint, &st) == 0;
	if (!found && errno == ENOTCONN)
		cmd_error(m->env, "a mount that has died is on %s; take it down: fusermount3 -u %s",
		    path, path);
	else if (!found)
		cmd_error(m->env, "cannot mount on %s: %s", path, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		cmd_error(m->env, "cannot mount on %s: it is no directory", path);
	else if (mount_is_mounted(m->mountpoint))
		cmd_error(m->env, "a repository is mounted on %s already", path);
	else
		return true;
	return false;
}

/* Refuse to cover the repository: the mount would wait for itself for ever. */
static bool
mount_apart(const struct mount *m)
{
	char *repo = realpath(m->repo->path, NULL);
	const char *path = repo != NULL ? repo : m->repo->path;
	bool apart = false;

	if (mount_inside(m->mountpoint, path))
		cmd_error(m->env, "cannot mount on %s: it is in the repository", m->mountpoint);
	else if (mount_inside(path, m->mountpoint))
		cmd_error(m->env, "cannot mount on %s: the repository is in it", m->mountpoint);
	else
		apart = true;
	free(repo);
	return apart;
}

/* ---- serving ---- */

/* List the mountpoint, as whoever waits for the mount will. */
static int
mount_try(const struct mount *m)
{
	DIR *d = opendir(m->mountpoint);
	int failed = 0;

	if (d == NULL)
		return errno;
	errno = 0;
	while (readdir(d) != NULL)
		errno = 0;
	failed = errno;
	closedir(d);
	return failed;
}

/* Leave the terminal: from now on there is syslog. */
static void
mount_detach(struct mount *m)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	cmd_mount_log_open();
	atomic_store(&m->background, true);
	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	if (chdir("/") != 0)
		log_line(&m->log, LOG_WARNING, "cannot change to /: %s", strerror(errno));
}

/* Tell whoever waits. Nobody may: that is no failure. */
static void
mount_tell(int *fd)
{
	if (*fd < 0)
		return;
	while (write(*fd, "\n", 1) < 0 && errno == EINTR)
		continue;
	close(*fd);
	*fd = -1;
}

/* Runs beside the first requests. */
static void *
mount_ready(void *arg)
{
	struct mount *m = arg;
	int failed = mount_try(m);

	if (failed != 0 && atomic_load(&m->ending))
		return NULL;
	if (failed != 0) {
		atomic_store(&m->failed, true);
		log_line(&m->log, LOG_ERROR, "the mount on %s does not work: %s", m->mountpoint,
		    strerror(failed));
		kill(getpid(), SIGTERM);
		return NULL;
	}
	log_line(&m->log, LOG_DETAIL, "serving %s on %s", m->repo->path, m->mountpoint);
	if (m->parent_fd >= 0) {
		cmd_mount_keeper_detach(m->keeper);
		mount_detach(m);
	}
	mount_tell(&m->ready_fd);
	mount_tell(&m->parent_fd);
	return NULL;
}

/* In the keeper: whoever waits for the mount waits for the process that serves. */
static void
mount_keeper_forked(void *arg)
{
	struct mount *m = arg;

	if (m->ready_fd >= 0)
		close(m->ready_fd);
	if (m->parent_fd >= 0)
		close(m->parent_fd);
}

static void
mount_keeper_detach(void *arg)
{
	mount_detach(arg);
}

/* Serve what is mounted until its end. */
static int
mount_run(struct mount *m, struct fuse_mount *mount, struct err *e)
{
	sigset_t all, before;
	int failed;
	int rc = fuse_mount_confine(mount, e);

	if (rc == ERR_OK)
		rc = cmd_mount_keeper_work(m->keeper, e);
	if (rc != ERR_OK)
		return rc;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&m->ready, NULL, mount_ready, m);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed != 0)
		return err_system(e, failed, "cannot start a thread");
	m->trying = true;
	rc = fuse_mount_serve(mount, e);
	atomic_store(&m->ending, true);
	return rc;
}

/* Scratch files that left memory and packs that are open take a descriptor each. */
static void
mount_raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

/* Mount and serve, while the keeper runs. Return the exit code; sets ${there} to whether the mount
 * is to be taken down. */
static int
mount_serve_kept(struct mount *m, bool *there)
{
	struct fuse_mount_options options = {
	    .mountpoint = m->mountpoint,
	    .options = buf_str(&m->pass),
	    .readonly = m->readonly,
	    .conflict = m->conflict,
	    .uid = m->uid,
	    .gid = m->gid,
	    .umask = m->umask,
	    .syslog = !m->foreground,
	    .log = &m->log,
	};
	struct fuse_mount *mount;
	struct err e = {0};
	int rc;

	rc = fuse_mount_create(m->repo, &options, &mount, &e);
	if (rc == ERR_ARG)
		return cmd_usage(m->env, &cmd_mount, "%s", e.text);
	if (rc != ERR_OK)
		return cmd_fail(m->env, &e);
	rc = mount_run(m, mount, &e);
	*there = fuse_mount_free(mount);
	/* A signal may have come so early that its first request will never be answered: it ends
	 * with the connection. */
	if (m->trying)
		pthread_join(m->ready, NULL);
	if (rc != ERR_OK)
		log_line(&m->log, LOG_ERROR, "%s", e.text);
	return rc == ERR_OK && !atomic_load(&m->failed) ? CMD_DONE : CMD_FAILED;
}

/* Start the keeper, mount and serve. Return the exit code. */
static int
mount_serve(struct mount *m)
{
	struct cmd_mount_worker_options worker = {
	    .program = m->env->program,
	    .repo = m->repo->path,
	    .target = m->target,
	    .password_file = m->password_file,
	    .tls_cert = m->tls_cert,
	    .tls_client_cert = m->tls_client_cert,
	    .tls_client_key = m->tls_client_key,
	    .any_owner = m->any_owner,
	    .verbosity = m->env->verbosity,
	    .log = &m->log,
	};
	struct cmd_mount_keeper_options keeper = {
	    .repo = m->repo,
	    .mountpoint = m->mountpoint,
	    .worker = m->readonly || m->no_worker ? NULL : &worker,
	    .forked = mount_keeper_forked,
	    .detach = mount_keeper_detach,
	    .arg = m,
	    .log = &m->log,
	};
	struct err e = {0};
	bool there = false;
	int code;

	mount_raise_files();
	if (cmd_mount_keeper_start(&keeper, &m->keeper, &e) != ERR_OK)
		return cmd_fail(m->env, &e);
	/* The keeper may end before us. */
	signal(SIGPIPE, SIG_IGN);
	code = mount_serve_kept(m, &there);
	if (!cmd_mount_keeper_stop(m->keeper, there)) {
		log_line(&m->log, LOG_ERROR,
		    "cannot take the mount down; do it with: fusermount3 -u %s", m->mountpoint);
		code = CMD_FAILED;
	}
	return code;
}

/* The parent's part: wait until the child serves, or has failed and said why. */
static int
mount_wait(const struct mount *m, pid_t child, int fd)
{
	char byte;
	ssize_t n;
	int status;

	do {
		n = read(fd, &byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		return CMD_DONE;
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return CMD_FAILED;
	}
	if (WIFSIGNALED(status))
		cmd_error(m->env, "the mount was killed by signal %d", WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : CMD_FAILED;
}

/* Serve in a child, with a pipe on which it says that it does. */
static int
mount_background(struct mount *m)
{
	int fds[2];
	pid_t child;
	int code;

	if (pipe2(fds, O_CLOEXEC) != 0) {
		cmd_error(m->env, "cannot make a pipe: %s", strerror(errno));
		return CMD_FAILED;
	}
	child = fork();
	if (child < 0) {
		cmd_error(m->env, "cannot start a process: %s", strerror(errno));
		close(fds[0]);
		close(fds[1]);
		return CMD_FAILED;
	}
	if (child > 0) {
		close(fds[1]);
		code = mount_wait(m, child, fds[0]);
		close(fds[0]);
		return code;
	}
	close(fds[0]);
	setsid();
	m->parent_fd = fds[1];
	return mount_serve(m);
}

static int
cmd_mount_run(const struct cmd_env *env, int argc, char **argv)
{
	struct mount m = {.env = env,
	    .ready_fd = -1,
	    .parent_fd = -1,
	    .uid = getuid(),
	    .gid = getgid(),
	    .any_owner = env->any_owner,
	    .log = {mount_log, &m, env->log.most}};
	struct cmd_env told = *env;
	int code = mount_arguments(&m, argc, argv);

	told.any_owner = m.any_owner;
	if (code < 0 && cmd_open(&told, &cmd_mount, &m.repo, &code)) {
		if (!mount_resolve(&m, argv[optind]) || !mount_apart(&m))
			code = CMD_FAILED;
		else
			code = m.foreground ? mount_serve(&m) : mount_background(&m);
	}
	repo_close(m.repo);
	buf_finish(&m.pass);
	free(m.mountpoint);
	free(m.target);
	free(m.password_file);
	free(m.tls_cert);
	free(m.tls_client_cert);
	free(m.tls_client_key);
	return code;
}

const struct cmd cmd_mount = {
    .name = "mount",
    .synopsis = "[-f] [-o OPTIONS] MOUNTPOINT",
    .summary = "serve the repository as a file system",
    .help = "Mount the tree of databases, tables, shards, dates and documents, and return\n"
	    "when it can be used. A JSON file copied into a table's directory is queued to\n"
	    "be restored; a worker is started with the mount to carry that out. Unmount\n"
	    "with fusermount3 -u MOUNTPOINT or umount.\n"
	    "\n"
	    "  -f             stay in the foreground, messages on stderr\n"
	    "  -o OPTIONS     separated by commas:\n"
	    "                   ro           nothing can be copied in, no worker\n"
	    "                   noworker     only queue what is copied in\n"
	    "                   target=DIR   where the worker restores to, or\n"
	    "                   target=rethinkdb://[USER@]HOST[:PORT]\n"
	    "                   password-file=FILE, tls-cert=CAFILE,\n"
	    "                   tls-client-cert=FILE, tls-client-key=FILE\n"
	    "                                how to log in to that server\n"
	    "                   conflict=POLICY\n"
	    "                                for documents that are on the server: replace,\n"
	    "                                keep, or newer-loses\n"
	    "                   allow_other  other users may look, too\n"
	    "                   uid=N,gid=N  owner shown (default: who mounts)\n"
	    "                   umask=MODE   permissions not shown, octal (default: 0)\n"
	    "                   any_owner    as --any-owner\n"
	    "                 and what mount(8) and mount.fuse3(8) know\n"
	    "      --ready-fd N  write a newline to file descriptor N when it can be used\n",
    .run = cmd_mount_run,
};
