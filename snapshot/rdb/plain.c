/* TCP sockets as streams: the contracts are in plain.h and transport.h. */
#include "snapshot/rdb/plain.h"

#include "snapshot/rdb/resolve.h"
#include "snapshot/rdb/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PLAIN_PATIENCE 30000 /* ms, until the owner sets another */

struct plain {
	struct transport base;
	int fd; /* non-blocking */
};

/* ---- a stream ---- */

/* Wait for ${events}, in the stream's patience. */
static int
plain_wait(const struct plain *p, short events, struct err *e)
{
	int64_t deadline = wait_now() + p->base.patience;
	int rc = wait_fd(p->fd, events, deadline, p->base.stop, e);

	if (rc == ERR_BUSY)
		return err_set(e, ERR_IO, "no answer for %lld seconds",
		    (long long)(p->base.patience + 999) / 1000);
	return rc;
}

/* A connection that broke is one and the same to callers, whatever the system calls it. */
static int
plain_broke(int errnum, struct err *e)
{
	struct err why;

	err_system(&why, errnum, "the connection broke");
	return err_set(e, ERR_IO, "%s", why.text);
}

static int
plain_read(struct transport *t, void *out, size_t room, size_t *got, struct err *e)
{
	const struct plain *p = (const struct plain *)t;

	for (;;) {
		ssize_t n = recv(p->fd, out, room, 0);
		int rc;
		if (n >= 0) {
			*got = (size_t)n;
			return ERR_OK;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			return plain_broke(errno, e);
		if (p->base.nowait)
			return ERR_BUSY;
		rc = plain_wait(p, POLLIN, e);
		if (rc != ERR_OK)
			return rc;
	}
}

static int
plain_write(struct transport *t, const void *data, size_t len, struct err *e)
{
	const struct plain *p = (const struct plain *)t;
	const uint8_t *from = data;

	while (len > 0) {
		ssize_t n = send(p->fd, from, len, MSG_NOSIGNAL);
		int rc;
		if (n >= 0) {
			from += n;
			len -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			return plain_broke(errno, e);
		rc = plain_wait(p, POLLOUT, e);
		if (rc != ERR_OK)
			return rc;
	}
	return ERR_OK;
}

static void
plain_close(struct transport *t)
{
	struct plain *p = (struct plain *)t;

	close(p->fd);
	free(p);
}

static int
plain_fd(const struct transport *t)
{
	return ((const struct plain *)t)->fd;
}

/* Make a stream of a connected socket, which it takes over when it succeeds. */
static int
plain_adopt(int fd, struct transport **out, struct err *e)
{
	static const struct transport_functions functions = {
	    plain_read, plain_write, plain_close, plain_fd};
	struct plain *p = calloc(1, sizeof(*p));
	int flags = fcntl(fd, F_GETFL);

	if (p == NULL)
		return err_nomem(e);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
		free(p);
		return err_system(e, errno, "cannot set up the connection");
	}
	p->base = (struct transport){.functions = &functions, .patience = PLAIN_PATIENCE};
	p->fd = fd;
	*out = (struct transport *)p;
	return ERR_OK;
}

/* ---- connecting ---- */

/* Connect to one address before ${deadline}. Return ERR_OK and set ${out}, or the reason. */
static int
plain_try(const struct addrinfo *a, int64_t deadline, const volatile sig_atomic_t *stop, int *out,
    struct err *e)
{
	int one = 1, failed = 0, rc = ERR_OK;
	socklen_t len = sizeof(failed);
	int fd =
	    socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);

	if (fd < 0)
		return err_system(e, errno, "cannot make a socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	if (connect(fd, a->ai_addr, a->ai_addrlen) != 0)
		failed = errno;
	if (failed == EINPROGRESS) {
		rc = wait_fd(fd, POLLOUT, deadline, stop, e);
		if (rc == ERR_OK && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) != 0)
			failed = errno;
		if (rc == ERR_BUSY)
			failed = ETIMEDOUT;
	}
	if (rc != ERR_INTR && failed != 0)
		rc = err_system(e, failed, "cannot connect");
	if (rc == ERR_OK)
		*out = fd;
	else
		close(fd);
	return rc;
}

/* Try the addresses of ${list} in turn; the time that is left is shared out among them. */
static int
plain_try_all(const struct addrinfo *list, int64_t deadline, const volatile sig_atomic_t *stop,
    int *fd, struct err *e)
{
	int64_t n = 0;
	int rc = err_set(e, ERR_IO, "cannot connect: the host has no address");

	for (const struct addrinfo *a = list; a != NULL; a = a->ai_next)
		n++;
	for (const struct addrinfo *a = list; a != NULL; a = a->ai_next, n--) {
		int64_t now = wait_now();
		rc = plain_try(a, now + (deadline - now) / n, stop, fd, e);
		if (rc == ERR_OK || rc == ERR_INTR)
			return rc;
	}
	return rc;
}

int
plain_connect(const struct address *address, int64_t patience, const volatile sig_atomic_t *stop,
    struct transport **out, struct err *e)
{
	int64_t deadline = wait_now() + patience;
	struct addrinfo *list = NULL;
	struct err why = {0};
	int fd = -1;
	int rc = resolve_host(address->host, address->port, deadline, stop, &list, e);

	if (rc != ERR_OK)
		return rc;
	rc = plain_try_all(list, deadline, stop, &fd, &why);
	freeaddrinfo(list);
	if (rc == ERR_INTR)
		return err_set(e, rc, "%s", why.text);
	if (rc != ERR_OK)
		return err_set(e, ERR_IO,
		    "%s: %s; is the server running, and is this its driver port", address->name,
		    why.text);
	rc = plain_adopt(fd, out, e);
	if (rc != ERR_OK)
		close(fd);
	else
		(*out)->stop = stop;
	return rc;
}
