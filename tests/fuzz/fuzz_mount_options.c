/*
 * The options of a mount, as mount(8) and fstab hand them over: whatever they are, it is a usage
 * error, or comes to the repository, which is not there. The first byte chooses how they come.
 */
#include "fs/cmd.h"

#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	const struct cmd_env env = {.repo = "/nonexistent", .program = "thinkback"};
	char name[] = "mount", flag[] = "-o", long_flag[] = "--ready-fd", place[] = "/nonexistent";
	char *argv[] = {name, flag, NULL, place, NULL};
	char *text;
	int code;

	if (size == 0)
		return 0;
	/* Sanitizers write to the descriptor, not to the stream. */
	if (nowhere == NULL && (nowhere = fopen("/dev/null", "w")) != NULL)
		stderr = nowhere;
	text = malloc(size);
	if (text == NULL)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	argv[2] = text;
	/* Of descriptors only those that cannot be: this process has use for its own. */
	if (data[0] % 16 == 1 && strspn(text, "0123456789") < strlen(text))
		argv[1] = long_flag;
	optind = 0;
	code = cmd_mount.run(&env, 4, argv);
	if (code != CMD_USAGE && code != CMD_FAILED)
		abort();
	free(text);
	return 0;
}
