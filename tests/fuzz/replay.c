/* Runs a fuzz target over the files and directories named on the command line, as a test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned replayed; /* inputs run so far */

static int
replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	/* As a fuzzer does, hand over a pointer even where there is nothing. */
	uint8_t *data = malloc(0);
	size_t len = 0, n;
	uint8_t part[65536];

	if (f == NULL) {
		perror(path);
		return 1;
	}
	while ((n = fread(part, 1, sizeof(part), f)) > 0) {
		uint8_t *more = realloc(data, len + n);
		if (more == NULL)
			abort();
		data = more;
		memcpy(data + len, part, n);
		len += n;
	}
	fclose(f);
	LLVMFuzzerTestOneInput(data, len);
	free(data);
	replayed++;
	return 0;
}

static int
replay_directory(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *entry;
	int failed = 0;

	if (d == NULL) {
		perror(path);
		return 1;
	}
	while ((entry = readdir(d)) != NULL) {
		char name[4096];
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		failed |= replay_file(name);
	}
	closedir(d);
	return failed;
}

int
main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;
		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			failed |= replay_directory(argv[i]);
		else
			failed |= replay_file(argv[i]);
	}
	printf("%u inputs replayed\n", replayed);
	return failed != 0 || replayed == 0;
}
