/*
 * A packs/ directory in memory with one file of number FUZZ_ID in it, for the targets that read
 * such a file. The target defines FUZZ_FILE, its name, before it includes this.
 */
#ifndef THINKBACK_TESTS_FUZZ_PACKSDIR_H
#define THINKBACK_TESTS_FUZZ_PACKSDIR_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FUZZ_ID 1 /* number of the file */

static char fuzz_dir[] = "/dev/shm/thinkback-fuzz-XXXXXX"; /* packs/ */
static int fuzz_packsfd = -1;                              /* of fuzz_dir */

static const char fuzz_file[] = FUZZ_FILE;

/* Check what must hold. */
static void
fuzz_require(bool condition)
{
	if (!condition)
		abort();
}

static void
fuzz_clean(void)
{
	unlinkat(fuzz_packsfd, fuzz_file, 0);
	unlinkat(fuzz_packsfd, "000000", AT_REMOVEDIR);
	rmdir(fuzz_dir);
}

static void
fuzz_setup(void)
{
	if (fuzz_packsfd >= 0)
		return;
	if (mkdtemp(fuzz_dir) == NULL) {
		snprintf(fuzz_dir, sizeof(fuzz_dir), "/tmp/thinkback-fuzz-XXXXXX");
		fuzz_require(mkdtemp(fuzz_dir) != NULL);
	}
	fuzz_packsfd = open(fuzz_dir, O_RDONLY | O_DIRECTORY);
	fuzz_require(fuzz_packsfd >= 0 && mkdirat(fuzz_packsfd, "000000", 0700) == 0);
	atexit(fuzz_clean);
}

static void
fuzz_write(const uint8_t *data, size_t size)
{
	int fd;

	unlinkat(fuzz_packsfd, fuzz_file, 0);
	fd = openat(fuzz_packsfd, fuzz_file, O_WRONLY | O_CREAT | O_EXCL, 0600);
	fuzz_require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
}

#endif
