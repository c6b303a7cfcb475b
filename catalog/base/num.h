/* Checked parsing of numbers from command lines and files, and sizes for people. Pure; any thread.
 */
#ifndef THINKBACK_BASE_NUM_H
#define THINKBACK_BASE_NUM_H

#include <stddef.h>
#include <stdint.h>

#define NUM_SIZE_TEXT 24 /* room for what num_size_text writes */

/*
 * num_parse(text, max, out):
 * Read a decimal number, digits only, that is the whole of ${text}. Return ERR_OK and set ${out};
 * ERR_FORMAT when it is no number; ERR_LIMIT when it is over ${max}. ${out} is untouched on
 * failure.
 */
int num_parse(const char *text, uint64_t max, uint64_t *out);

/*
 * num_size_text(bytes, out):
 * Write ${bytes} for people ("640 B", "3.2 MiB") into ${out}, NUL-terminated. Return ${out}.
 */
const char *num_size_text(uint64_t bytes, char out[NUM_SIZE_TEXT]);

#endif
