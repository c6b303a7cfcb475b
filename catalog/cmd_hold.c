/* The process that has the databases open: the contracts are in cmd_hold.h. */
#include "catalog/cmd_hold.h"

#include "catalog/catalog.h"
#include "catalog/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct cmd_hold {
	pid_t pid;
	int life; /* write end of a pipe: a byte has it close the databases, the end has it end */
};

#define HOLD_LOOK 250 /* ms between looks whether there is another catalogue */

/* Read a byte of ${fd}; whether there was one before the end. */
static bool
hold_wait(int fd)
{
	char byte;
	ssize_t n;

	while ((n = read(fd, &byte, 1)) < 0 && errno == EINTR)
		continue;
	return n == 1;
}

/* Have the catalogue open, the new one after a rebuild, until the parent says something or ends.
 * Return whether it said something. */
static bool
hold_keep(const struct repo *repo, struct catalog **catalog, int life)
{
	struct pollfd word = {.fd = life, .events = POLLIN};
	bool changed;

	while (poll(&word, 1, HOLD_LOOK) <= 0)
		catalog_follow(repo, catalog, &changed, NULL);
	return hold_wait(life);
}

/* The child. It says with a byte on ${ready} that both are open; what is wrong with one that cannot
 * be opened the parent finds out by itself. When that has crashed, files are left as in a crash: by
 * now another repository may be in that place. */
static void
hold_live(const struct repo *repo, int life, int ready)
{
	struct catalog *catalog = NULL;
	struct queue *queue = NULL;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (queue_open(repo, true, &queue, NULL) == ERR_OK &&
	    catalog_open(repo, CATALOG_READ, &catalog, NULL) == ERR_OK &&
	    write(ready, "", 1) == 1) {
		close(ready);
		if (hold_keep(repo, &catalog, life)) {
			catalog_close(catalog);
			queue_close(queue);
		}
	}
	_exit(0);
}

static void
hold_reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

/* The same opening once more, for the words of its failure. */
static int
hold_failed(const struct repo *repo, struct err *e)
{
	struct catalog *catalog = NULL;
	struct queue *queue = NULL;
	int rc = queue_open(repo, true, &queue, e);

	if (rc == ERR_OK)
		rc = catalog_open(repo, CATALOG_READ, &catalog, e);
	catalog_close(catalog);
	queue_close(queue);
	return rc != ERR_OK ? rc
			    : err_set(e, ERR_IO, "a process that opens the databases has ended");
}

int
cmd_hold_start(const struct repo *repo, struct cmd_hold **out, struct err *e)
{
	struct cmd_hold *h = malloc(sizeof(*h));
	int life[2] = {-1, -1}, ready[2] = {-1, -1};
	int rc = ERR_OK;

	if (h == NULL)
		return err_nomem(e);
	if (pipe2(life, O_CLOEXEC) != 0 || pipe2(ready, O_CLOEXEC) != 0)
		rc = err_system(e, errno, "cannot make a pipe");
	h->pid = rc == ERR_OK ? fork() : -1;
	if (rc == ERR_OK && h->pid < 0)
		rc = err_system(e, errno, "cannot start a process");
	if (h->pid == 0) {
		close(life[1]);
		close(ready[0]);
		hold_live(repo, life[0], ready[1]);
	}
	close(life[0]);
	close(ready[1]);
	if (rc == ERR_OK && !hold_wait(ready[0])) {
		hold_reap(h->pid);
		rc = hold_failed(repo, e);
	}
	close(ready[0]);
	h->life = life[1];
	if (rc == ERR_OK) {
		*out = h;
		return ERR_OK;
	}
	close(life[1]);
	free(h);
	return rc;
}

/* That process may be gone, which is to end no other. */
void
cmd_hold_end(struct cmd_hold *h)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, before;

	if (h == NULL)
		return;
	sigaction(SIGPIPE, &ignore, &before);
	while (write(h->life, "", 1) < 0 && errno == EINTR)
		continue;
	sigaction(SIGPIPE, &before, NULL);
	close(h->life);
	hold_reap(h->pid);
	free(h);
}
