/* The keeper's process and the way to it: the contracts are in cmd_mount_keeper.h. */
#include "fs/cmd_mount_keeper.h"

#include "catalog/catalog.h"
#include "catalog/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEEPER_LOOK 100 /* ms between looks whether the catalogue has been replaced */

/* What the process that serves writes to the keeper, a byte each. The end of the pipe is its end.
 */
enum keeper_word {
	KEEPER_WORK = 'w',   /* start the worker */
	KEEPER_DETACH = 'd', /* leave the terminal */
	KEEPER_UNMOUNT = 'u' /* take the mount down */
};

struct cmd_mount_keeper {
	const struct log *log;
	pid_t pid;            /* of the keeper */
	int words;            /* write end of its pipe */
	pthread_t watch;      /* waits for its end */
	bool watched;         /* that thread runs */
	atomic_bool stopping; /* its end is asked for */
	int status;           /* of its end, as waitpid has it */
};

extern char **environ;

/* ---- in the keeper ---- */

/* What the keeper has. */
struct keeper {
	const struct cmd_mount_keeper_options *options;
	int words; /* read end of the pipe */
	struct catalog *catalog;
	struct queue *queue;
	struct cmd_mount_worker *worker;
};

/* As libfuse does it: the mount goes from the tree at once, and for good when nobody uses it. */
static bool
keeper_unmount(const struct keeper *k)
{
	const char *mountpoint = k->options->mountpoint;
	char program[] = "fusermount3", flags[] = "-uqz", end[] = "--";
	char *path = strdup(mountpoint);
	char *argv[] = {program, flags, end, path, NULL};
	pid_t pid;
	int status = -1;

	if (path == NULL || umount2(mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
		free(path);
		return path != NULL;
	}
	/* It has the rights that an ordinary user lacks. */
	if (posix_spawnp(&pid, program, NULL, NULL, argv, environ) == 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			continue;
	free(path);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Do what ${word} says. Whether it worked. */
static bool
keeper_obey(struct keeper *k, enum keeper_word word)
{
	const struct cmd_mount_keeper_options *o = k->options;
	struct err e = {0};

	switch (word) {
	case KEEPER_WORK:
		if (o->worker != NULL &&
		    cmd_mount_worker_start(o->worker, &k->worker, &e) != ERR_OK)
			log_line(
			    o->log, LOG_ERROR, "%s; what is copied in waits in the queue", e.text);
		return true;
	case KEEPER_DETACH:
		o->detach(o->arg);
		return true;
	case KEEPER_UNMOUNT:
		return keeper_unmount(k);
	}
	return true;
}

/* Go over to a catalogue that has taken the place of the one that is open (thinkback rebuild): the
 * other process can read it only while the files that SQLite keeps beside it are there. */
static void
keeper_follow(struct keeper *k)
{
	bool changed;

	if (k->catalog == NULL)
		catalog_open(k->options->repo, CATALOG_READ, &k->catalog, NULL);
	else
		catalog_follow(k->options->repo, &k->catalog, &changed, NULL);
}

/* The keeper's life. Return its exit status. */
static int
keeper_run(struct keeper *k)
{
	struct pollfd words = {.fd = k->words, .events = POLLIN};
	bool well = true;
	char word;
	ssize_t n = 1;

	while (n != 0) {
		keeper_follow(k);
		if (poll(&words, 1, KEEPER_LOOK) <= 0)
			continue;
		n = read(k->words, &word, 1);
		if (n == 1)
			well = keeper_obey(k, (enum keeper_word)word) && well;
		else if (n < 0 && errno != EINTR)
			break;
	}
	cmd_mount_worker_stop(k->worker);
	queue_close(k->queue);
	catalog_close(k->catalog);
	return well ? 0 : 1;
}

/*
 * The child: signals are for the process that serves. A database that cannot be opened is no
 * trouble of the keeper's, the other process will say so.
 */
static void
keeper_live(const struct cmd_mount_keeper_options *options, int words, int ready)
{
	struct keeper k = {.options = options, .words = words};
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	options->forked(options->arg);
	catalog_open(options->repo, CATALOG_READ, &k.catalog, NULL);
	queue_open(options->repo, false, &k.queue, NULL);
	if (write(ready, "", 1) != 1)
		_exit(1);
	close(ready);
	_exit(keeper_run(&k));
}

/* ---- in the process that serves ---- */

/* The keeper may be gone: SIGPIPE is ignored while a mount is there. */
static void
keeper_say(const struct cmd_mount_keeper *k, enum keeper_word word)
{
	const char byte = (char)word;

	while (write(k->words, &byte, 1) < 0 && errno == EINTR)
		continue;
}

static void
keeper_wait(struct cmd_mount_keeper *k)
{
	while (waitpid(k->pid, &k->status, 0) < 0 && errno == EINTR)
		continue;
}

static void *
keeper_watch(void *arg)
{
	struct cmd_mount_keeper *k = arg;

	keeper_wait(k);
	if (!atomic_load(&k->stopping))
		log_line(k->log, LOG_ERROR,
		    "the process that looks after the worker has ended: restores wait until the "
		    "repository is mounted again or a worker is started by hand");
	return NULL;
}

/* Fork; ${words} and ${ready} are pipes. Return ERR_OK in the parent when the child is ready. */
static int
keeper_fork(const struct cmd_mount_keeper_options *options, struct cmd_mount_keeper *k,
    int words[2], int ready[2], struct err *e)
{
	ssize_t n;
	char byte;

	k->pid = fork();
	if (k->pid < 0)
		return err_system(e, errno, "cannot start a process");
	if (k->pid == 0) {
		close(words[1]);
		close(ready[0]);
		keeper_live(options, words[0], ready[1]);
	}
	close(ready[1]);
	ready[1] = -1;
	while ((n = read(ready[0], &byte, 1)) < 0 && errno == EINTR)
		continue;
	if (n == 1)
		return ERR_OK;
	keeper_wait(k);
	return err_set(e, ERR_IO, "the process that is to look after the mount has ended");
}

static void
keeper_close(const int fds[2])
{
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

int
cmd_mount_keeper_start(
    const struct cmd_mount_keeper_options *options, struct cmd_mount_keeper **out, struct err *e)
{
	struct cmd_mount_keeper *k = calloc(1, sizeof(*k));
	int words[2] = {-1, -1}, ready[2] = {-1, -1};
	int rc = ERR_OK;

	if (k == NULL)
		return err_nomem(e);
	k->log = options->log;
	if (pipe2(words, O_CLOEXEC) != 0 || pipe2(ready, O_CLOEXEC) != 0)
		rc = err_system(e, errno, "cannot make a pipe");
	if (rc == ERR_OK)
		rc = keeper_fork(options, k, words, ready, e);
	if (rc == ERR_OK) {
		k->words = words[1];
		words[1] = -1;
		*out = k;
	} else {
		free(k);
	}
	keeper_close(words);
	keeper_close(ready);
	return rc;
}

int
cmd_mount_keeper_work(struct cmd_mount_keeper *k, struct err *e)
{
	sigset_t all, before;
	int failed;

	keeper_say(k, KEEPER_WORK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&k->watch, NULL, keeper_watch, k);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	k->watched = failed == 0;
	return k->watched ? ERR_OK : err_system(e, failed, "cannot start a thread");
}

void
cmd_mount_keeper_detach(struct cmd_mount_keeper *k)
{
	keeper_say(k, KEEPER_DETACH);
}

bool
cmd_mount_keeper_stop(struct cmd_mount_keeper *k, bool unmount)
{
	bool well;

	if (k == NULL)
		return true;
	atomic_store(&k->stopping, true);
	if (unmount)
		keeper_say(k, KEEPER_UNMOUNT);
	close(k->words);
	if (k->watched)
		pthread_join(k->watch, NULL);
	else
		keeper_wait(k);
	well = WIFEXITED(k->status) && WEXITSTATUS(k->status) == 0;
	free(k);
	return well || !unmount;
}
