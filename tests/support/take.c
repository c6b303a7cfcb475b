/* Taking snapshots: the contract is in take.h. */
#include "tests/support/take.h"

#include "tests/support/test.h"

#include "snapshot/capture.h"

void
take_export(const struct repo *repo, const char *dir, int64_t date, uint64_t tables)
{
	struct capture_options options = {.has_date = true, .date = date};
	struct capture_result result;
	struct source *source;
	struct capture *c;
	struct err e = {0};

	assert_err(capture_open(repo, NULL, &c, &e), ERR_OK, &e);
	assert_err(source_open(dir, &source, &e), ERR_OK, &e);
	assert_err(capture_run(c, source, 0, &options, &result, &e), ERR_OK, &e);
	source_close(source);
	capture_close(c);
	assert_int_equal(result.tables, tables);
}
