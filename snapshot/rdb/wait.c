/* Waiting with an end: the contracts are in wait.h. */
#include "snapshot/rdb/wait.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#define WAIT_SLICE 100 /* ms between two looks at the stop flag */

int64_t
wait_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static bool
wait_stopped(const volatile sig_atomic_t *stop)
{
	return stop != NULL && *stop != 0;
}

/* The time to sleep before the next look, up to ${deadline}. */
static int
wait_slice(int64_t deadline)
{
	int64_t left = deadline - wait_now();

	return left <= 0 ? 0 : left < WAIT_SLICE ? (int)left : WAIT_SLICE;
}

int
wait_pause(int64_t ms, const volatile sig_atomic_t *stop, struct err *e)
{
	int64_t deadline = wait_now() + ms;
	int slice;

	while (!wait_stopped(stop) && (slice = wait_slice(deadline)) > 0)
		poll(NULL, 0, slice);
	return wait_stopped(stop) ? err_set(e, ERR_INTR, "interrupted") : ERR_OK;
}

int
wait_fd(int fd, short events, int64_t deadline, const volatile sig_atomic_t *stop, struct err *e)
{
	struct pollfd p = {.fd = fd, .events = events};

	return wait_any(&p, 1, deadline, stop, e);
}

int
wait_any(struct pollfd *fds, size_t count, int64_t deadline, const volatile sig_atomic_t *stop,
    struct err *e)
{
	for (;;) {
		int slice = wait_slice(deadline);
		int n = poll(fds, count, slice);
		if (n > 0)
			return ERR_OK;
		if (wait_stopped(stop))
			return err_set(e, ERR_INTR, "interrupted");
		if (n < 0 && errno != EINTR)
			return err_system(e, errno, "cannot wait for the network");
		if (slice == 0)
			return ERR_BUSY;
	}
}
