/*
 * Watches the catalogue. The kernel may believe for a day what it was told of documents and dates;
 * when a snapshot has come or gone it is told to forget all names at once (FUSE_NOTIFY_INC_EPOCH,
 * linux/fuse.h 7.44), and asks again as they are used. libfuse knows this message only since 3.18,
 * so it is written to the device as it is. A kernel that does not know it refuses the first one,
 * and then nothing is believed for longer than a second. On the way it lets go of packs that gc has
 * removed.
 */
#include "fs/fuse_internal.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define WATCH_INTERVAL 500000000L /* ns between two looks */
#define WATCH_INC_EPOCH 8         /* FUSE_NOTIFY_INC_EPOCH */

struct fuse_watch {
	struct fuse_fs *fs;
	struct fuse_session *session;
	struct view *view; /* the thread's own */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake; /* stop was set */
	bool stop;           /* under the lock */
};

/* The kernel's struct fuse_out_header. */
struct fuse_watch_message {
	uint32_t len;
	int32_t code;
	uint64_t unique; /* 0: no reply but a message */
};

/* Tell the kernel to forget all names. Whether it understood. */
static bool
fuse_watch_forget(struct fuse_watch *w)
{
	struct fuse_watch_message message = {
	    .len = sizeof(message),
	    .code = WATCH_INC_EPOCH,
	};

	return write(fuse_session_fd(w->session), &message, sizeof(message)) ==
	       (ssize_t)sizeof(message);
}

/* Wait for the next look. Whether to go on. */
static bool
fuse_watch_wait(struct fuse_watch *w)
{
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += WATCH_INTERVAL;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&w->lock);
	if (!w->stop)
		pthread_cond_timedwait(&w->wake, &w->lock, &until);
	stop = w->stop;
	pthread_mutex_unlock(&w->lock);
	return !stop;
}

static void *
fuse_watch_run(void *arg)
{
	struct fuse_watch *w = arg;
	uint64_t seen = 0;
	/* Known from the start: with the names of directories the kernel forgets all that is below
	 * them, the bytes of files too, so it is told only when there is a reason. */
	bool known = view_generation(w->view, &seen, NULL) == ERR_OK;

	atomic_store(&w->fs->epochs, fuse_watch_forget(w));
	while (fuse_watch_wait(w)) {
		uint64_t now;
		store_sweep(w->fs->store);
		/* What cannot be looked at may have changed. */
		if (view_generation(w->view, &now, NULL) != ERR_OK) {
			known = false;
			continue;
		}
		if (atomic_load(&w->fs->epochs) && (!known || now != seen) && !fuse_watch_forget(w))
			atomic_store(&w->fs->epochs, false);
		seen = now;
		known = true;
	}
	return NULL;
}

/* Start the thread with all signals blocked: they are for the thread that serves. */
static int
fuse_watch_spawn(struct fuse_watch *w, struct err *e)
{
	sigset_t all, before;
	int failed;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&w->thread, NULL, fuse_watch_run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return failed == 0 ? ERR_OK : err_system(e, failed, "cannot start a thread");
}

int
fuse_watch_start(
    struct fuse_fs *fs, struct fuse_session *session, struct fuse_watch **out, struct err *e)
{
	struct fuse_watch *w = calloc(1, sizeof(*w));
	pthread_condattr_t monotonic;
	int rc;

	if (w == NULL)
		return err_nomem(e);
	w->fs = fs;
	w->session = session;
	rc = view_create(fs->repo, fs->store, &w->view, e);
	if (rc != ERR_OK) {
		free(w);
		return rc;
	}
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	rc = fuse_watch_spawn(w, e);
	if (rc != ERR_OK) {
		view_free(w->view);
		pthread_cond_destroy(&w->wake);
		pthread_mutex_destroy(&w->lock);
		free(w);
		return rc;
	}
	*out = w;
	return ERR_OK;
}

void
fuse_watch_stop(struct fuse_watch *w)
{
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	view_free(w->view);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
