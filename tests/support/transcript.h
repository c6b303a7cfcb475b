/* What a source hands out, as text: for tests that compare it with what they want. */
#ifndef THINKBACK_TESTS_TRANSCRIPT_H
#define THINKBACK_TESTS_TRANSCRIPT_H

#include "catalog/base/buf.h"
#include "catalog/base/err.h"
#include "snapshot/source.h"

#include <stddef.h>

/*
 * transcript(s, run, out, e):
 * Read run ${run} from its first item to its last and put a line for each into ${out}:
 *
 *	info DB.TABLE FILE JSON
 *	table DB.TABLE FILE
 *	LINE:COLUMN JSON
 *	end DB.TABLE
 *	bad DB.TABLE CODE
 *
 * Fails the test when items stand where they may not. Return what source_next returned last; the
 * text of the last bad table, or of what ended the run, is in ${e}.
 */
int transcript(struct source *s, size_t run, struct buf *out, struct err *e);

/*
 * transcript_of(path, want, code, text):
 * Open what is at ${path}, and fail the test unless its first run reads as ${want} (NULL: whatever)
 * and ends with ${code} (ERR_END, or a failure, of source_open too), and every string of the
 * NULL-terminated ${text} (may be NULL) is in the error's text.
 */
void transcript_of(const char *path, const char *want, int code, const char *const *text);

#endif
