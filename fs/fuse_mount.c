/* The session: the contracts are in fuse_mount.h. */
#include "fs/fuse_mount.h"
#include "fs/fuse_internal.h"

#include "catalog/base/sandbox.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The kernel checks modes; what has no place here is off unless asked for; no auto_unmount: who
 * uses a mount that died must get errors, not the empty directory below it. */
#define MOUNT_OPTIONS "subtype=thinkback,default_permissions,nosuid,nodev,noexec,noatime"

struct fuse_mount {
	struct fuse_fs fs;
	struct fuse_session *session; /* NULL until it is made */
	struct fuse_watch *watch;     /* NULL while nobody serves */
	bool signals;                 /* the handlers are set */
	bool mounted;                 /* it is to be unmounted at the end */
	const char *mountpoint;       /* not owned */
	bool syslog;                  /* the log needs a socket */
};

/* libfuse says what is wrong to one function for the whole process. While a session is being made
 * its last words are kept as the reason, afterwards they go to the log. */
static struct {
	const struct log *log;   /* NULL: keep */
	char text[ERR_TEXT_MAX]; /* last words kept */
} fuse_mount_said;

static void fuse_mount_say(enum fuse_log_level level, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void
fuse_mount_say(enum fuse_log_level level, const char *fmt, va_list ap)
{
	const char *prefix = "fuse: ";
	char line[ERR_TEXT_MAX];
	const char *text = line;

	vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	if (strncmp(text, prefix, strlen(prefix)) == 0)
		text += strlen(prefix);
	if (fuse_mount_said.log == NULL)
		snprintf(fuse_mount_said.text, sizeof(fuse_mount_said.text), "%s", text);
	else
		log_line(fuse_mount_said.log, level <= FUSE_LOG_ERR ? LOG_ERROR : LOG_WARNING, "%s",
		    text);
}

/* The reason that libfuse gave, or ${otherwise}. */
static const char *
fuse_mount_reason(const char *otherwise)
{
	return fuse_mount_said.text[0] != '\0' ? fuse_mount_said.text : otherwise;
}

/* Put the options together: ours, the repository as what is mounted, the user's, which come last
 * and so win. */
static int
fuse_mount_args(const struct repo *repo, const struct fuse_mount_options *options,
    struct fuse_args *args, struct err *e)
{
	char *joined = NULL;
	struct buf source = {0};
	int rc = ERR_OK;

	if (buf_printf(&source, "fsname=%s", repo->path) != ERR_OK || buf_str(&source) == NULL ||
	    fuse_opt_add_opt(&joined, MOUNT_OPTIONS) != 0 ||
	    fuse_opt_add_opt_escaped(&joined, buf_str(&source)) != 0 ||
	    (options->readonly && fuse_opt_add_opt(&joined, "ro") != 0) ||
	    (options->options != NULL && options->options[0] != '\0' &&
		fuse_opt_add_opt(&joined, options->options) != 0) ||
	    fuse_opt_add_arg(args, "thinkback") != 0 || fuse_opt_add_arg(args, "-o") != 0 ||
	    fuse_opt_add_arg(args, joined) != 0)
		rc = err_nomem(e);
	free(joined);
	buf_finish(&source);
	return rc;
}

/* A shell that starts a program in the background lets it ignore SIGINT, and libfuse leaves a
 * signal that is ignored alone. Whoever sends one to a mount wants it to end. (SIGHUP is nohup's.)
 */
static bool
fuse_mount_handle_signals(struct fuse_session *session)
{
	struct sigaction usual = {.sa_handler = SIG_DFL};

	sigemptyset(&usual.sa_mask);
	sigaction(SIGINT, &usual, NULL);
	sigaction(SIGTERM, &usual, NULL);
	return fuse_set_signal_handlers(session) == 0;
}

/* Make the session, with handlers of signals before there is anything to unmount. */
static int
fuse_mount_session(struct fuse_mount *m, const struct repo *repo,
    const struct fuse_mount_options *options, struct err *e)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int rc = fuse_mount_args(repo, options, &args, e);

	fuse_mount_said.log = NULL;
	fuse_mount_said.text[0] = '\0';
	fuse_set_log_func(fuse_mount_say);
	if (rc != ERR_OK)
		goto done;
	m->session = fuse_session_new(&args, fuse_ops_table(), sizeof(*fuse_ops_table()), &m->fs);
	if (m->session == NULL) {
		rc = err_set(e, ERR_ARG, "%s", fuse_mount_reason("cannot start a FUSE session"));
		goto done;
	}
	m->signals = fuse_mount_handle_signals(m->session);
	if (!m->signals) {
		rc = err_set(e, ERR_IO, "cannot set signal handlers");
		goto done;
	}
	m->mounted = fuse_session_mount(m->session, options->mountpoint) == 0;
	if (!m->mounted)
		rc = err_set(e, ERR_IO, "cannot mount on %s: %s", options->mountpoint,
		    fuse_mount_reason("is FUSE available?"));
	fuse_mount_said.log = options->log;
done:
	fuse_opt_free_args(&args);
	return rc;
}

/* Open what requests need; a repository that cannot be read is to be known before the mount. */
static int
fuse_mount_open(struct fuse_fs *fs, const struct fuse_mount_options *options, struct err *e)
{
	struct fuse_slot *slot;
	struct store_options store = {.slow = fuse_serve_slow};
	int rc = store_create(fs->repo->packsfd, &store, &fs->store, e);

	if (rc == ERR_OK && !options->readonly)
		rc = inbox_create(fs->repo, options->log, &fs->inbox, e);
	if (rc == ERR_OK && fs->inbox != NULL)
		inbox_set_policy(fs->inbox, options->conflict);
	if (rc == ERR_OK)
		rc = fuse_pool_take(fs, &slot, e);
	if (rc == ERR_OK)
		fuse_pool_give(fs, slot);
	return rc;
}

int
fuse_mount_create(const struct repo *repo, const struct fuse_mount_options *options,
    struct fuse_mount **out, struct err *e)
{
	struct fuse_mount *m = calloc(1, sizeof(*m));
	int rc;

	if (m == NULL)
		return err_nomem(e);
	m->fs.repo = repo;
	m->fs.log = options->log;
	m->fs.uid = options->uid;
	m->fs.gid = options->gid;
	m->fs.umask = options->umask;
	m->mountpoint = options->mountpoint;
	m->syslog = options->syslog;
	atomic_init(&m->fs.epochs, false);
	atomic_init(&m->fs.no_open, false);
	fuse_pool_init(&m->fs);
	rc = fuse_mount_open(&m->fs, options, e);
	if (rc == ERR_OK)
		rc = fuse_mount_session(m, repo, options, e);
	if (rc != ERR_OK) {
		fuse_mount_free(m);
		return rc;
	}
	*out = m;
	return ERR_OK;
}

/* Say what the kernel has no means for. */
static void
fuse_mount_tell_walls(const struct fuse_mount *m, unsigned walls)
{
	if ((walls & SANDBOX_FILES) == 0)
		log_line(m->fs.log, LOG_DETAIL,
		    "this kernel has no Landlock: the mount can open what its user can");
	if ((walls & SANDBOX_CALLS) == 0)
		log_line(m->fs.log, LOG_DETAIL,
		    "this kernel filters no system calls: the mount can use the network");
}

/*
 * The catalogue is closed before and opened again behind the wall, where it opens for reading only.
 * The thread library loads a part of itself when it ends a thread, as libfuse does: that must be
 * there before files can no longer be opened.
 */
int
fuse_mount_confine(struct fuse_mount *m, struct err *e)
{
	struct sandbox_path paths[REPO_PATHS + 2];
	size_t n = repo_paths(m->fs.repo, m->fs.inbox != NULL, paths);
	struct sandbox sandbox = {.paths = paths, .syslog = m->syslog};
	struct fuse_slot *slot;
	unsigned walls;
	int rc;

	paths[n++] = (struct sandbox_path){AT_FDCWD, m->mountpoint, SANDBOX_READ};
	paths[n++] = (struct sandbox_path){AT_FDCWD, "/dev/null", SANDBOX_READ | SANDBOX_WRITE};
	sandbox.n_paths = n;
	(void)dlopen("libgcc_s.so.1", RTLD_NOW);
	tzset();
	fuse_pool_finish(&m->fs);
	rc = sandbox_enter(&sandbox, &walls, e);
	if (rc == ERR_OK)
		rc = fuse_pool_take(&m->fs, &slot, e);
	if (rc != ERR_OK)
		return rc;
	fuse_pool_give(&m->fs, slot);
	fuse_mount_tell_walls(m, walls);
	return ERR_OK;
}

int
fuse_mount_serve(struct fuse_mount *m, struct err *e)
{
	int rc = fuse_watch_start(&m->fs, m->session, &m->watch, e);

	if (rc != ERR_OK)
		return rc;
	rc = fuse_serve(m->session, e);
	fuse_watch_stop(m->watch);
	m->watch = NULL;
	if (rc != ERR_OK)
		m->mounted = false;
	return rc;
}

/* The kernel reports a device whose mount has gone as in error. */
static bool
fuse_mount_is_there(const struct fuse_mount *m)
{
	struct pollfd device = {.fd = m->mounted ? fuse_session_fd(m->session) : -1};

	return m->mounted && !(poll(&device, 1, 0) == 1 && (device.revents & POLLERR) != 0);
}

/*
 * Have libfuse forget the mount without taking it down, which a confined process cannot. It takes
 * down none whose device is in error: so the device is closed, which ends the connection, and a
 * pipe that nobody reads takes its place.
 */
static void
fuse_mount_forget(const struct fuse_mount *m)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		return;
	close(fds[0]);
	if (dup2(fds[1], fuse_session_fd(m->session)) >= 0)
		fuse_session_unmount(m->session);
	close(fds[1]);
}

bool
fuse_mount_free(struct fuse_mount *m)
{
	bool there;

	if (m == NULL)
		return false;
	fuse_watch_stop(m->watch);
	there = fuse_mount_is_there(m);
	if (m->mounted)
		fuse_mount_forget(m);
	if (m->signals)
		fuse_remove_signal_handlers(m->session);
	if (m->session != NULL)
		fuse_session_destroy(m->session);
	fuse_dir_finish(&m->fs);
	fuse_file_finish(&m->fs);
	inbox_free(m->fs.inbox);
	fuse_pool_destroy(&m->fs);
	store_free(m->fs.store);
	free(m);
	return there;
}
