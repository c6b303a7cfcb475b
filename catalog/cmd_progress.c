/* The progress bar: the contracts are in cmd.h. */
#include "catalog/base/date.h"
#include "catalog/base/num.h"
#include "catalog/cmd.h"

#include <string.h>

#define PROGRESS_INTERVAL 100 /* ms between drawings */
#define PROGRESS_CELLS 24     /* columns of the bar */

void
cmd_progress_start(struct cmd_progress *p, const struct cmd_env *env, const char *label)
{
	*p = (struct cmd_progress){.on = env->err_tty && env->verbosity >= 0, .label = label};
	p->started = date_now();
}

/* Time left for people; the work done so far says how long the rest takes. */
static void
progress_left(char *out, size_t size, int64_t elapsed, double part)
{
	double seconds = part > 0 ? (double)elapsed / 1000 * (1 - part) / part : 0;
	unsigned long s = (unsigned long)(seconds + 0.5);

	if (part <= 0 || elapsed < 500)
		snprintf(out, size, "--:--");
	else if (s < 3600)
		snprintf(out, size, "%lu:%02lu left", s / 60, s % 60);
	else
		snprintf(out, size, "%lu:%02lu:%02lu left", s / 3600, s / 60 % 60, s % 60);
}

void
cmd_progress_show(
    struct cmd_progress *p, uint64_t done, uint64_t total, uint64_t items, const char *unit)
{
	int64_t now, elapsed;
	double part = total > 0 ? (double)done / (double)total : 0;
	char bar[PROGRESS_CELLS + 1], left[32], size[2][NUM_SIZE_TEXT];
	size_t cells;

	if (!p->on)
		return;
	now = date_now();
	if (now - p->drawn < PROGRESS_INTERVAL)
		return;
	p->drawn = now;
	elapsed = now > p->started ? now - p->started : 1;
	if (part > 1)
		part = 1;
	cells = (size_t)(part * PROGRESS_CELLS);
	memset(bar, '.', PROGRESS_CELLS);
	memset(bar, '#', cells);
	bar[PROGRESS_CELLS] = '\0';
	progress_left(left, sizeof(left), elapsed, part);
	fprintf(stderr, "\r\033[K%s [%s] %3.0f%%  ", p->label, bar, part * 100);
	if (!p->counted)
		fprintf(stderr, "%s of %s  ", num_size_text(done, size[0]),
		    num_size_text(total, size[1]));
	fprintf(stderr, "%llu %s, %.0f/s  %s", (unsigned long long)items, unit,
	    (double)items * 1000 / (double)elapsed, left);
	fflush(stderr);
}

void
cmd_progress_end(struct cmd_progress *p)
{
	if (p->on && p->drawn != 0)
		fputs("\r\033[K", stderr);
	p->on = false;
}

void
cmd_problem(const struct cmd_env *env, struct cmd_progress *p, const char *text)
{
	struct buf line = {0};

	cmd_progress_end(p);
	cmd_error(env, "%s", text);
	if (env->json && cmd_json_string(&line, text) == ERR_OK && buf_str(&line) != NULL)
		printf("{\"event\":\"problem\",\"text\":%s}\n", (const char *)line.data);
	buf_finish(&line);
}
