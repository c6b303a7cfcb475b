/*
 * The threads that answer requests: the contract is in fuse_internal.h.
 *
 * libfuse's own loop lets all its threads wait for the device at once, and the kernel wakes them by
 * turns: a single reader is sent round all threads and CPUs, which costs three times what answering
 * does. Here one thread, the leader, waits for requests and answers them. It gives the lead to
 * another before what may take long (fuse_serve_slow), and when requests have come in faster than
 * it answers them. So one reader has one thread, and many readers as many as there are CPUs.
 */
#include "fs/fuse_internal.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SERVE_THREADS 10u /* at most; over the CPUs only while some wait for a disk */
#define SERVE_BUSY 32u    /* requests found waiting, one after the other, that call for help */
#define SERVE_LOOK 250    /* ms after which the lead is taken from who is still at one request */

struct fuse_serve_thread {
	struct fuse_serve *serve;
	pthread_t thread;
	struct fuse_buf buf; /* the request; its memory is libfuse's to make and ours to free */
	atomic_uint turns;   /* requests that it has begun (odd) and ended (even) while it led */
	unsigned waiting;    /* requests in a row behind which others waited; the thread's own */
};

/* What the threads of a session share. */
struct fuse_serve {
	struct fuse_session *session;
	int fd;        /* the device, not owned */
	int ended_fd;  /* owned: an event when it has ended */
	unsigned cpus; /* that the threads may use */

	/* Who has the lead. It is taken with the lock held, and let go of, or taken away, without.
	 */
	_Atomic(struct fuse_serve_thread *) leader;

	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t free;  /* nobody has the lead, or it has ended */
	bool ended;           /* no more requests are read */
	int failed;           /* -errno of what ended it; 0: unmounted, or told to */
	unsigned idle;        /* threads that wait for the lead */
	unsigned n;           /* of threads */
	struct fuse_serve_thread threads[SERVE_THREADS];
};

/* The thread that this is; NULL: none that answers requests. */
static _Thread_local struct fuse_serve_thread *fuse_serve_self;

static void *fuse_serve_run(void *arg);

/* Start one more thread, all signals blocked: they are for the thread that waits for the end. */
static int
fuse_serve_spawn(struct fuse_serve *s)
{
	struct fuse_serve_thread *t = &s->threads[s->n];
	sigset_t all, before;
	int failed;

	t->serve = s;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&t->thread, NULL, fuse_serve_run, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed == 0)
		s->n++;
	return failed;
}

/* Let another thread lead than ${t}, if that does; ${most}: with no new thread over that many. When
 * none can be had, the lead goes to the first that is done. */
static void
fuse_serve_give(struct fuse_serve *s, struct fuse_serve_thread *t, unsigned most)
{
	if (!atomic_compare_exchange_strong(&s->leader, &t, NULL))
		return;
	pthread_mutex_lock(&s->lock);
	if (s->idle > 0)
		pthread_cond_signal(&s->free);
	else if (s->n < most && !s->ended)
		(void)fuse_serve_spawn(s);
	pthread_mutex_unlock(&s->lock);
}

void
fuse_serve_slow(void)
{
	if (fuse_serve_self != NULL)
		fuse_serve_give(fuse_serve_self->serve, fuse_serve_self, SERVE_THREADS);
}

/* Whether requests have been waiting for some time, and there is a CPU for one more thread. */
static bool
fuse_serve_busy(struct fuse_serve *s, struct fuse_serve_thread *t)
{
	struct pollfd more = {.fd = s->fd, .events = POLLIN};
	bool busy;

	if (s->cpus < 2)
		return false;
	if (poll(&more, 1, 0) != 1) {
		t->waiting = 0;
		return false;
	}
	if (++t->waiting < SERVE_BUSY)
		return false;
	t->waiting = 0;
	pthread_mutex_lock(&s->lock);
	busy = s->n - s->idle < s->cpus;
	pthread_mutex_unlock(&s->lock);
	return busy;
}

/* Tell all that it has ended. */
static void
fuse_serve_end(struct fuse_serve *s, int failed)
{
	pthread_mutex_lock(&s->lock);
	if (!s->ended)
		s->failed = failed;
	s->ended = true;
	pthread_cond_broadcast(&s->free);
	pthread_mutex_unlock(&s->lock);
	eventfd_write(s->ended_fd, 1);
}

/* Wait for the lead. Whether it was had: if not, it has ended. */
static bool
fuse_serve_take(struct fuse_serve *s, struct fuse_serve_thread *t)
{
	bool had;

	pthread_mutex_lock(&s->lock);
	s->idle++;
	while (atomic_load(&s->leader) != NULL && !s->ended)
		pthread_cond_wait(&s->free, &s->lock);
	s->idle--;
	had = !s->ended;
	if (had)
		atomic_store(&s->leader, t);
	pthread_mutex_unlock(&s->lock);
	return had;
}

/* Read the next request: its length; 0 or -errno: there will be no more. Only here may a thread be
 * cancelled. */
static int
fuse_serve_read(struct fuse_serve_thread *t)
{
	int got;

	do {
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
		got = fuse_session_receive_buf(t->serve->session, &t->buf);
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	} while (got == -EINTR);
	return got;
}

/* Read requests and answer them as long as it has the lead. Whether there may be more. */
static bool
fuse_serve_lead(struct fuse_serve *s, struct fuse_serve_thread *t)
{
	while (atomic_load(&s->leader) == t) {
		int got = fuse_serve_read(t);
		if (got <= 0) {
			fuse_serve_end(s, got);
			return false;
		}
		atomic_fetch_add(&t->turns, 1);
		if (fuse_serve_busy(s, t))
			fuse_serve_give(s, t, s->cpus);
		fuse_session_process_buf(s->session, &t->buf);
		atomic_fetch_add(&t->turns, 1);
	}
	return true;
}

static void *
fuse_serve_run(void *arg)
{
	struct fuse_serve_thread *t = arg;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	fuse_serve_self = t;
	while (fuse_serve_take(t->serve, t) && fuse_serve_lead(t->serve, t))
		continue;
	return NULL;
}

/*
 * Wait until it has ended or a signal has told the session to end. Whatever a request waits for,
 * the others must not: a leader that is still at the same one at the next look loses the lead.
 */
static void
fuse_serve_wait(struct fuse_serve *s)
{
	struct timespec look = {.tv_nsec = SERVE_LOOK * 1000000L};
	struct pollfd ended = {.fd = s->ended_fd, .events = POLLIN};
	sigset_t all, before;
	struct fuse_serve_thread *last = NULL;
	unsigned last_turns = 0;

	/* Signals come while it waits and at no other moment, so that none is missed. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (!fuse_session_exited(s->session) && ppoll(&ended, 1, &look, &before) <= 0) {
		struct fuse_serve_thread *leader = atomic_load(&s->leader);
		unsigned turns = leader != NULL ? atomic_load(&leader->turns) : 0;
		if (turns % 2 != 0 && turns == last_turns && leader == last)
			fuse_serve_give(s, leader, SERVE_THREADS);
		last = leader;
		last_turns = turns;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Have all threads end: the leader is woken, others finish what they have in hands. */
static void
fuse_serve_finish(struct fuse_serve *s)
{
	unsigned n;

	fuse_serve_end(s, 0);
	/* Once it has ended no thread is added. */
	pthread_mutex_lock(&s->lock);
	n = s->n;
	pthread_mutex_unlock(&s->lock);
	for (unsigned i = 0; i < n; i++)
		pthread_cancel(s->threads[i].thread);
	for (unsigned i = 0; i < n; i++) {
		pthread_join(s->threads[i].thread, NULL);
		free(s->threads[i].buf.mem);
	}
	fuse_session_reset(s->session);
}

/* The CPUs that this process may use. */
static unsigned
fuse_serve_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	return (unsigned)CPU_COUNT(&set) < SERVE_THREADS ? (unsigned)CPU_COUNT(&set)
							 : SERVE_THREADS;
}

int
fuse_serve(struct fuse_session *session, struct err *e)
{
	struct fuse_serve s = {
	    .session = session, .fd = fuse_session_fd(session), .cpus = fuse_serve_cpus()};
	int failed;

	s.ended_fd = eventfd(0, EFD_CLOEXEC);
	if (s.ended_fd < 0)
		return err_system(e, errno, "cannot make an event");
	pthread_mutex_init(&s.lock, NULL);
	pthread_cond_init(&s.free, NULL);
	pthread_mutex_lock(&s.lock);
	failed = fuse_serve_spawn(&s);
	pthread_mutex_unlock(&s.lock);
	if (failed == 0) {
		fuse_serve_wait(&s);
		fuse_serve_finish(&s);
	}
	pthread_cond_destroy(&s.free);
	pthread_mutex_destroy(&s.lock);
	close(s.ended_fd);
	if (failed != 0)
		return err_system(e, failed, "cannot start a thread");
	return s.failed == 0 ? ERR_OK : err_system(e, -s.failed, "the mount has failed");
}
