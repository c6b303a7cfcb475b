/* The date of a snapshot that is of now: the contract is in capture_internal.h. */
#include "catalog/base/date.h"
#include "snapshot/capture_internal.h"
#include "snapshot/rdb/wait.h"

#define DATE_WAIT 2 /* seconds that the clock may be behind the newest snapshot */

int
capture_date_now(struct capture *c, const volatile sig_atomic_t *stop, int64_t *date, struct err *e)
{
	int64_t newest;
	int rc = snapshots_newest_date(c->cat, &newest, e);

	if (rc != ERR_OK && rc != ERR_ABSENT)
		return rc;
	for (;;) {
		int64_t now = date_now();
		*date = now / 1000;
		if (rc == ERR_ABSENT || *date > newest || *date + DATE_WAIT < newest)
			return ERR_OK;
		if (wait_pause((newest + 1) * 1000 - now, stop, e) != ERR_OK)
			return ERR_INTR;
	}
}
