/* Looking up the addresses of a host: the contract is in resolve.h. */
#include "snapshot/rdb/resolve.h"

#include "snapshot/rdb/wait.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/*
 * One lookup. Two hold it, who waits and the thread that looks; the last one to let go frees it,
 * because the resolver's call can't be cut short.
 */
struct lookup {
	pthread_mutex_t lock;
	int holders;           /* under lock */
	int done;              /* eventfd, readable once the thread is through */
	int failed;            /* under lock: what getaddrinfo returned */
	int errnum;            /* under lock: errno of EAI_SYSTEM */
	struct addrinfo *list; /* under lock: owned */
	char *host, *port;     /* owned */
};

static const struct addrinfo resolve_hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};

static void
lookup_release(struct lookup *l)
{
	int holders;

	pthread_mutex_lock(&l->lock);
	holders = --l->holders;
	pthread_mutex_unlock(&l->lock);
	if (holders > 0)
		return;
	if (l->list != NULL)
		freeaddrinfo(l->list);
	if (l->done >= 0)
		close(l->done);
	pthread_mutex_destroy(&l->lock);
	free(l->host);
	free(l->port);
	free(l);
}

/* Make a lookup with one holder. */
static int
lookup_create(const char *host, const char *port, struct lookup **out, struct err *e)
{
	struct lookup *l = calloc(1, sizeof(*l));
	int rc = ERR_OK;

	if (l == NULL)
		return err_nomem(e);
	pthread_mutex_init(&l->lock, NULL);
	l->holders = 1;
	l->host = strdup(host);
	l->port = strdup(port);
	l->done = eventfd(0, EFD_CLOEXEC);
	if (l->done < 0)
		rc = err_system(e, errno, "cannot look up the host %s", host);
	else if (l->host == NULL || l->port == NULL)
		rc = err_nomem(e);
	if (rc == ERR_OK)
		*out = l;
	else
		lookup_release(l);
	return rc;
}

static void *
lookup_work(void *arg)
{
	struct lookup *l = arg;
	struct addrinfo *list = NULL;
	int failed = getaddrinfo(l->host, l->port, &resolve_hints, &list);
	int errnum = errno;

	pthread_mutex_lock(&l->lock);
	l->failed = failed;
	l->errnum = errnum;
	l->list = list;
	pthread_mutex_unlock(&l->lock);
	eventfd_write(l->done, 1);
	lookup_release(l);
	return NULL;
}

/* Let a thread look. It takes no signals: they are for the program's own threads. */
static int
lookup_start(struct lookup *l, struct err *e)
{
	pthread_t thread;
	sigset_t all, before;
	int failed;

	l->holders++;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&thread, NULL, lookup_work, l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed != 0) {
		l->holders--;
		return err_system(e, failed, "cannot look up the host %s", l->host);
	}
	pthread_detach(thread);
	return ERR_OK;
}

static int
resolve_failed(const char *host, int failed, int errnum, struct err *e)
{
	struct err why;

	if (failed == EAI_MEMORY)
		return err_nomem(e);
	if (failed != EAI_SYSTEM)
		return err_set(
		    e, ERR_IO, "cannot find the host %s: %s", host, gai_strerror(failed));
	err_system(&why, errnum, "cannot find the host %s", host);
	return err_set(e, ERR_IO, "%s", why.text);
}

/* Wait for the thread, and take what it found. */
static int
lookup_finish(struct lookup *l, int64_t deadline, const volatile sig_atomic_t *stop,
    struct addrinfo **list, struct err *e)
{
	int rc = wait_fd(l->done, POLLIN, deadline, stop, e);

	if (rc == ERR_BUSY)
		return err_set(e, ERR_IO,
		    "cannot find the host %s: the name servers did not answer in time", l->host);
	if (rc != ERR_OK)
		return rc;
	pthread_mutex_lock(&l->lock);
	if (l->failed != 0)
		rc = resolve_failed(l->host, l->failed, l->errnum, e);
	*list = l->list;
	l->list = NULL;
	pthread_mutex_unlock(&l->lock);
	return rc;
}

int
resolve_host(const char *host, const char *port, int64_t deadline,
    const volatile sig_atomic_t *stop, struct addrinfo **list, struct err *e)
{
	struct addrinfo numeric = resolve_hints;
	struct lookup *l = NULL;
	int rc;

	/* Numbers ask nobody, and need no thread. */
	numeric.ai_flags = AI_NUMERICHOST;
	rc = getaddrinfo(host, port, &numeric, list);
	if (rc == 0)
		return ERR_OK;
	if (rc != EAI_NONAME)
		return resolve_failed(host, rc, errno, e);
	rc = lookup_create(host, port, &l, e);
	if (rc != ERR_OK)
		return rc;
	rc = lookup_start(l, e);
	if (rc == ERR_OK)
		rc = lookup_finish(l, deadline, stop, list, e);
	lookup_release(l);
	return rc;
}
