/* The worker's loop: the contract is in worker.h. */
#include "snapshot/worker.h"

#include "catalog/base/date.h"
#include "catalog/base/sandbox.h"
#include "snapshot/worker_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#define WORKER_POLL 250  /* ms between looks at the queue */
#define WORKER_LOOK 1000 /* ms until the queue is asked though it has not changed */
#define WORKER_STEPS 256 /* steps between looks at the clock */

/* ---- stopping and waiting ---- */

/* Wait up to ${ms}; notice that the parent has gone, or that a signal has come. */
static void
worker_wait(struct worker *w, int ms)
{
	struct pollfd p = {.fd = w->options->parent_fd, .events = POLLIN};
	char byte;

	if (poll(&p, p.fd >= 0 ? 1 : 0, ms) <= 0 || p.revents == 0)
		return;
	if ((p.revents & POLLIN) == 0 || read(p.fd, &byte, 1) <= 0)
		w->orphan = true;
}

bool
worker_stopping(const struct worker *w)
{
	return w->orphan || (w->options->stop != NULL && *w->options->stop != 0);
}

int
worker_hold(void *arg, struct err *e)
{
	struct worker *w = arg;
	int64_t now = date_now();
	size_t open = 0, held = 0;
	int rc;

	for (size_t i = 0; i < w->n; i++)
		open += w->fate[i] == WORKER_OPEN;
	rc = queue_renew(
	    w->queue, w->owner, w->batch[0].id, w->batch[w->n - 1].id, now, w->lease, &held, e);
	if (rc != ERR_OK)
		return rc;
	w->renewed = now;
	w->lost = w->lost || held < open;
	return w->lost ? err_set(e, ERR_WRONG_STATE,
			     "the lease had run out, and another worker has taken it")
		       : ERR_OK;
}

int
worker_renew(struct worker *w, struct err *e)
{
	int64_t now = date_now();

	if (now - w->renewed < w->lease / 4 && now >= w->renewed)
		return ERR_OK;
	return worker_hold(w, e);
}

int
worker_step(void *arg, struct err *e)
{
	struct worker *w = arg;

	if (w->steps-- > 0)
		return ERR_OK;
	w->steps = WORKER_STEPS;
	worker_wait(w, 0);
	if (worker_stopping(w))
		return err_set(e, ERR_INTR, "the worker was told to stop");
	return worker_renew(w, e);
}

/* ---- the loop ---- */

/* Wait until another connection has changed the queue, or it is time to ask all the same. */
static int
worker_idle(struct worker *w, uint64_t seen, struct err *e)
{
	uint64_t generation = seen;
	int rc = ERR_OK;

	for (int ms = 0; ms < WORKER_LOOK && rc == ERR_OK && generation == seen;
	     ms += WORKER_POLL) {
		worker_wait(w, WORKER_POLL);
		if (worker_stopping(w))
			return ERR_OK;
		rc = queue_generation(w->queue, &generation, e);
	}
	return rc;
}

/* Carry out one batch. Sets ${idle} when there was none. */
static int
worker_turn(struct worker *w, bool *idle, struct err *e)
{
	int rc =
	    queue_claim(w->queue, w->owner, date_now(), w->lease, w->batch, WORKER_BATCH, &w->n, e);

	*idle = rc == ERR_OK && w->n == 0;
	return rc == ERR_OK && !*idle ? worker_batch_run(w, e) : rc;
}

static int
worker_loop(struct worker *w, struct err *e)
{
	uint64_t generation;
	bool idle;
	int rc;

	worker_wait(w, 0);
	while (!worker_stopping(w)) {
		rc = queue_generation(w->queue, &generation, e);
		if (rc == ERR_OK)
			rc = worker_turn(w, &idle, e);
		if (rc == ERR_OK && idle && w->options->once)
			return ERR_OK;
		if (rc == ERR_OK && idle)
			rc = worker_idle(w, generation, e);
		/* A full disk or a long transaction of somebody else's: it can become better. */
		if ((rc == ERR_BUSY || rc == ERR_NOSPACE) && !w->options->once) {
			log_line(w->options->log, LOG_WARNING, "%s; trying again", e->text);
			worker_wait(w, WORKER_LOOK);
			rc = ERR_OK;
		}
		if (rc != ERR_OK)
			return rc;
	}
	return ERR_OK;
}

/* A name that no other worker has: host, process, and a random number. */
static int
worker_name(struct worker *w, struct err *e)
{
	char host[64] = "";
	uint32_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return err_system(e, errno, "cannot get a random number");
	if (gethostname(host, sizeof(host) - 1) != 0)
		host[0] = '\0';
	snprintf(w->owner, sizeof(w->owner), "%s:%ld:%08lx", host, (long)getpid(),
	    (unsigned long)random);
	return ERR_OK;
}

static int
worker_open_target(struct worker *w, const char *target, struct err *e)
{
	struct target_server server = {0};

	if (!target_is_server(target))
		return target_open(target, &w->target, e);
	if (w->options->server != NULL)
		server = *w->options->server;
	server.stop = w->options->stop;
	server.log = w->options->log;
	return target_open_server(target, &server, &w->target, e);
}

/*
 * Leave the worker the queue, temporary files and the target: no pack can be written, and the
 * catalogue, opened behind the wall, only read. Names of servers and certificates are read when
 * there is a connection to make, so reading stays free.
 */
static int
worker_confine(const struct worker *w, const char *target, struct err *e)
{
	struct sandbox_path paths[REPO_PATHS + 1];
	struct sandbox sandbox = {
	    .paths = paths, .read_all = true, .network = target_is_server(target)};
	unsigned walls;
	int rc;

	sandbox.n_paths = repo_paths(w->repo, true, paths);
	if (!sandbox.network)
		paths[sandbox.n_paths++] =
		    (struct sandbox_path){AT_FDCWD, target, SANDBOX_WRITE | SANDBOX_MAKE};
	rc = sandbox_enter(&sandbox, &walls, e);
	if (rc == ERR_OK && (walls & SANDBOX_FILES) == 0)
		log_line(w->options->log, LOG_DETAIL,
		    "this kernel has no Landlock: the worker can write what its user can");
	if (rc == ERR_OK && (walls & SANDBOX_CALLS) == 0)
		log_line(w->options->log, LOG_DETAIL,
		    "this kernel filters no system calls: the worker can start programs");
	return rc;
}

static int
worker_open(struct worker *w, struct err *e)
{
	const char *target = w->options->target;
	struct buf path = {0};
	int rc = worker_name(w, e);

	if (rc == ERR_OK && target == NULL) {
		if (buf_printf(&path, "%s/restores", w->repo->path) != ERR_OK ||
		    buf_str(&path) == NULL)
			rc = err_nomem(e);
		target = (const char *)path.data;
	}
	if (rc == ERR_OK)
		rc = worker_open_target(w, target, e);
	if (rc == ERR_OK)
		rc = queue_open(w->repo, true, &w->queue, e);
	if (rc == ERR_OK)
		rc = repo_scratch(w->repo, &w->scratch, e);
	if (rc == ERR_OK && w->options->confine)
		rc = worker_confine(w, target, e);
	if (rc == ERR_OK)
		rc = catalog_open(w->repo, CATALOG_READ, &w->catalog, e);
	buf_finish(&path);
	return rc;
}

int
worker_run(const struct repo *repo, const struct worker_options *options,
    struct worker_result *result, struct err *e)
{
	struct worker_result unwanted;
	struct worker *w = calloc(1, sizeof(*w));
	struct err why = {0};
	int rc;

	if (result == NULL)
		result = &unwanted;
	*result = (struct worker_result){0};
	if (w == NULL)
		return err_nomem(e);
	w->repo = repo;
	w->scratch = -1;
	w->options = options;
	w->result = result;
	w->lease = options->lease > 0 ? options->lease : WORKER_LEASE;
	rc = worker_open(w, &why);
	if (rc == ERR_OK)
		rc = worker_loop(w, &why);
	if (rc != ERR_OK)
		rc = err_set(e, rc, "%s", why.text[0] != '\0' ? why.text : err_str(rc));
	target_close(w->target);
	if (w->scratch >= 0)
		close(w->scratch);
	queue_close(w->queue);
	catalog_close(w->catalog);
	free(w);
	return rc;
}
