/*
 * The reader of the benchmark, the same for every file system: readall DIRECTORY [LIST]. Opens,
 * reads to the end and closes each file of the directory whose name ends in .json and does not
 * begin with a dot, in the order in which it is listed; or the files that LIST names, one a line,
 * without listing. Prints the number of files, their bytes, and a sum over all bytes that does not
 * depend on the order of the files.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct total {
	uint64_t files;
	uint64_t bytes;
	uint64_t sum;
};

static int
fail(const char *what)
{
	perror(what);
	return -1;
}

static int
read_one(int dir, const char *name, struct total *t)
{
	static unsigned char data[65536];
	uint64_t hash = 14695981039346656037u;
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd < 0)
		return fail(name);
	/* As cat does: until nothing more comes. */
	while ((n = read(fd, data, sizeof(data))) > 0) {
		t->bytes += (uint64_t)n;
		for (ssize_t i = 0; i + 8 <= n; i += 8) {
			uint64_t w;
			memcpy(&w, data + i, sizeof(w));
			hash = (hash ^ w) * 1099511628211u;
		}
	}
	if (n < 0 || close(fd) != 0)
		return fail(name);
	t->files++;
	t->sum += hash;
	return 0;
}

static int
read_listed(int dir, struct total *t)
{
	DIR *d = fdopendir(dir);
	struct dirent *entry;

	if (d == NULL)
		return fail("fdopendir");
	while ((entry = readdir(d)) != NULL) {
		size_t len = strlen(entry->d_name);
		if (entry->d_name[0] == '.' || len < 5 ||
		    strcmp(entry->d_name + len - 5, ".json") != 0)
			continue;
		if (read_one(dir, entry->d_name, t) != 0)
			return -1;
	}
	return closedir(d);
}

static int
read_list(int dir, const char *path, struct total *t)
{
	FILE *list = fopen(path, "re");
	char name[4096];

	if (list == NULL)
		return fail(path);
	while (fgets(name, sizeof(name), list) != NULL) {
		name[strcspn(name, "\n")] = '\0';
		if (read_one(dir, name, t) != 0)
			return -1;
	}
	return fclose(list);
}

int
main(int argc, char **argv)
{
	struct total t = {0};
	int dir;

	if (argc != 2 && argc != 3) {
		fprintf(stderr, "readall: DIRECTORY [LIST]\n");
		return 2;
	}
	dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return fail(argv[1]) != 0;
	if ((argc == 3 ? read_list(dir, argv[2], &t) : read_listed(dir, &t)) != 0)
		return 1;
	printf(
	    "%" PRIu64 " files, %" PRIu64 " bytes, sum %016" PRIx64 "\n", t.files, t.bytes, t.sum);
	return 0;
}
