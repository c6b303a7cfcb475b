/* The worker that a mount starts: the contracts are in cmd_mount_worker.h. */
#include "fs/cmd_mount_worker.h"

#include "catalog/base/date.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKER_PIPE_FD 3      /* where the worker finds its end of the pipe */
#define WORKER_PATIENCE 10000 /* ms from the end of the mount to SIGTERM, and again to SIGKILL */
#define WORKER_WAIT_MAX 60000 /* ms, the longest wait before it is started again */
#define WORKER_ARGUMENTS 20   /* with the NULL behind them */
#define WORKER_LINE 1000      /* bytes of a line that is passed on */

struct cmd_mount_worker {
	struct cmd_mount_worker_options options;
	pthread_t thread;
	int life[2];      /* the pipe: the worker reads [0], the mount holds [1] */
	int stop_pipe[2]; /* written to when the thread is to end */
	pid_t pid;        /* of the running process */
	int said;         /* read end of its stdout and stderr */
	char line[WORKER_LINE];
	size_t line_len; /* bytes of an unfinished line */
};

extern char **environ;

static void
worker_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Fill the worker's arguments: ${argv} has room for WORKER_ARGUMENTS. */
static void
worker_arguments(const struct cmd_mount_worker_options *o, const char **argv)
{
	size_t n = 0;

	argv[n++] = o->program;
	if (o->verbosity != 0)
		argv[n++] = o->verbosity < 0 ? "-q" : "-v";
	if (o->any_owner)
		argv[n++] = "--any-owner";
	argv[n++] = "-r";
	argv[n++] = o->repo;
	argv[n++] = "worker";
	argv[n++] = "--parent-fd=3";
	if (o->target != NULL) {
		argv[n++] = "--target";
		argv[n++] = o->target;
	}
	if (o->password_file != NULL) {
		argv[n++] = "--password-file";
		argv[n++] = o->password_file;
	}
	if (o->tls_cert != NULL) {
		argv[n++] = "--tls-cert";
		argv[n++] = o->tls_cert;
	}
	if (o->tls_client_cert != NULL) {
		argv[n++] = "--tls-client-cert";
		argv[n++] = o->tls_client_cert;
	}
	if (o->tls_client_key != NULL) {
		argv[n++] = "--tls-client-key";
		argv[n++] = o->tls_client_key;
	}
	argv[n] = NULL;
}

/* Start the program with ${said} as what it says, and no signal blocked. 0 or an errno. */
static int
worker_spawn_with(struct cmd_mount_worker *w, int said, const posix_spawnattr_t *attr)
{
	posix_spawn_file_actions_t actions;
	const char *argv[WORKER_ARGUMENTS];
	char **vector;
	int failed = posix_spawn_file_actions_init(&actions);

	if (failed != 0)
		return failed;
	worker_arguments(&w->options, argv);
	/* posix_spawn promises not to write to the strings. */
	memcpy(&vector, &(const char **){argv}, sizeof(vector));
	failed = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (failed == 0)
		failed = posix_spawn_file_actions_adddup2(&actions, said, 1);
	if (failed == 0)
		failed = posix_spawn_file_actions_adddup2(&actions, said, 2);
	if (failed == 0)
		failed = posix_spawn_file_actions_adddup2(&actions, w->life[0], WORKER_PIPE_FD);
	if (failed == 0)
		failed = posix_spawn(&w->pid, "/proc/self/exe", &actions, attr, vector, environ);
	posix_spawn_file_actions_destroy(&actions);
	return failed;
}

static int
worker_spawn(struct cmd_mount_worker *w)
{
	posix_spawnattr_t attr;
	sigset_t none;
	int fds[2];
	int failed;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return errno;
	failed = posix_spawnattr_init(&attr);
	if (failed == 0) {
		sigemptyset(&none);
		posix_spawnattr_setsigmask(&attr, &none);
		posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
		failed = worker_spawn_with(w, fds[1], &attr);
		posix_spawnattr_destroy(&attr);
	}
	close(fds[1]);
	if (failed != 0)
		close(fds[0]);
	else
		w->said = fds[0];
	return failed;
}

/* Pass the unfinished line on, without the program's own name before it. */
static void
worker_say(struct cmd_mount_worker *w)
{
	const char *prefix = "thinkback: ";
	const char *text = w->line;

	w->line[w->line_len] = '\0';
	w->line_len = 0;
	if (strncmp(text, prefix, strlen(prefix)) == 0)
		text += strlen(prefix);
	log_line(w->options.log, LOG_NOTICE, "worker: %s", text);
}

static void
worker_hear(struct cmd_mount_worker *w, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] != '\n')
			w->line[w->line_len++] = data[i];
		if (data[i] == '\n' || w->line_len == sizeof(w->line) - 1)
			worker_say(w);
	}
}

/* Be patient with a worker whose mount has ended at ${since}, to a point. */
static void
worker_urge(const struct cmd_mount_worker *w, int64_t since, int *sent)
{
	int64_t waited = date_now() - since;

	if (waited > 2L * WORKER_PATIENCE && *sent != SIGKILL)
		kill(w->pid, *sent = SIGKILL);
	else if (waited > WORKER_PATIENCE && *sent == 0)
		kill(w->pid, *sent = SIGTERM);
}

/*
 * Pass on what the worker says until it has ended. Return whether the mount has ended too. Its end
 * is the end of its output: the process may live on for a moment, for waitpid.
 */
static bool
worker_follow(struct cmd_mount_worker *w)
{
	struct pollfd fds[2] = {{w->said, POLLIN, 0}, {w->stop_pipe[0], POLLIN, 0}};
	bool stop = false;
	int64_t since = 0;
	int sent = 0;
	char data[4096];

	for (;;) {
		ssize_t n;
		int ready = poll(fds, stop ? 1 : 2, stop ? 200 : -1);
		if (!stop && ready > 0 && fds[1].revents != 0) {
			stop = true;
			since = date_now();
			worker_close(&w->life[1]);
		}
		if (stop)
			worker_urge(w, since, &sent);
		if (ready <= 0 || fds[0].revents == 0)
			continue;
		n = read(w->said, data, sizeof(data));
		if (n == 0 || (n < 0 && errno != EINTR))
			break;
		worker_hear(w, data, n > 0 ? (size_t)n : 0);
	}
	if (w->line_len > 0)
		worker_say(w);
	worker_close(&w->said);
	return stop;
}

/* Wait ${ms} or until the mount ends; whether it has. */
static bool
worker_pause(struct cmd_mount_worker *w, int ms)
{
	struct pollfd fd = {w->stop_pipe[0], POLLIN, 0};

	return poll(&fd, 1, ms) > 0;
}

/* Say how the worker ended. */
static void
worker_ended(struct cmd_mount_worker *w, int wait_ms)
{
	int status = 0;

	while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (wait_ms == 0)
		return;
	if (WIFSIGNALED(status))
		log_line(w->options.log, LOG_WARNING,
		    "the worker was killed by signal %d; starting another in %d s",
		    WTERMSIG(status), wait_ms / 1000);
	else
		log_line(w->options.log, LOG_WARNING,
		    "the worker ended with status %d; starting another in %d s",
		    WEXITSTATUS(status), wait_ms / 1000);
}

static void *
worker_run(void *arg)
{
	struct cmd_mount_worker *w = arg;
	int wait_ms = 1000;
	bool stop = false;

	/* The first one has been started. */
	while (!stop) {
		int64_t started = date_now();
		int failed;
		stop = worker_follow(w);
		if (date_now() - started > WORKER_WAIT_MAX)
			wait_ms = 1000;
		worker_ended(w, stop ? 0 : wait_ms);
		while (!stop && !(stop = worker_pause(w, wait_ms))) {
			wait_ms = wait_ms < WORKER_WAIT_MAX / 2 ? wait_ms * 2 : WORKER_WAIT_MAX;
			failed = worker_spawn(w);
			if (failed == 0)
				break;
			log_line(w->options.log, LOG_ERROR, "cannot start a worker: %s",
			    strerror(failed));
		}
	}
	return NULL;
}

static void
worker_free(struct cmd_mount_worker *w)
{
	worker_close(&w->life[0]);
	worker_close(&w->life[1]);
	worker_close(&w->stop_pipe[0]);
	worker_close(&w->stop_pipe[1]);
	worker_close(&w->said);
	free(w);
}

/* Start the thread with all signals blocked: they are for the thread that serves. */
static int
worker_thread(struct cmd_mount_worker *w)
{
	sigset_t all, before;
	int failed;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&w->thread, NULL, worker_run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return failed;
}

int
cmd_mount_worker_start(
    const struct cmd_mount_worker_options *options, struct cmd_mount_worker **out, struct err *e)
{
	struct cmd_mount_worker *w = calloc(1, sizeof(*w));
	int failed = 0;

	if (w == NULL)
		return err_nomem(e);
	w->options = *options;
	w->said = w->life[0] = w->life[1] = w->stop_pipe[0] = w->stop_pipe[1] = -1;
	if (pipe2(w->life, O_CLOEXEC) != 0 || pipe2(w->stop_pipe, O_CLOEXEC) != 0)
		failed = errno;
	if (failed == 0)
		failed = worker_spawn(w);
	if (failed == 0) {
		failed = worker_thread(w);
		if (failed == 0) {
			*out = w;
			return ERR_OK;
		}
		worker_close(&w->life[1]);
		worker_ended(w, 0);
	}
	worker_free(w);
	return err_system(e, failed, "cannot start the worker");
}

void
cmd_mount_worker_stop(struct cmd_mount_worker *w)
{
	if (w == NULL)
		return;
	worker_close(&w->stop_pipe[1]);
	pthread_join(w->thread, NULL);
	worker_free(w);
}
