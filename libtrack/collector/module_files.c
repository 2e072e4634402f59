/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/collector/module_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/format.h"

#define FILES_MAX 2048u
#define SPARE_DESCRIPTORS 256u /* for everything else that the collector opens */

struct module_file {
	char *path;
	uint8_t build_id[LIMIT_BUILD_ID_BYTES];
	size_t build_id_bytes;
	int fd;
};

struct module_files {
	struct module_file items[FILES_MAX];
	size_t count;
	size_t limit;
};

struct module_files *module_files_new(void)
{
	struct module_files *files = calloc(1, sizeof(*files));
	struct rlimit descriptors;
	if (!files || getrlimit(RLIMIT_NOFILE, &descriptors) != 0)
		return files;
	descriptors.rlim_cur = descriptors.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &descriptors); /* up to the hard limit: always allowed */
	files->limit = descriptors.rlim_cur > SPARE_DESCRIPTORS
			       ? descriptors.rlim_cur - SPARE_DESCRIPTORS
			       : 0;
	if (files->limit > FILES_MAX)
		files->limit = FILES_MAX;
	return files;
}

static struct module_file *find(struct module_files *files, const char *path,
				const uint8_t *build_id, size_t build_id_bytes)
{
	for (size_t i = 0; i < files->count; i++) {
		struct module_file *file = &files->items[i];
		if (file->build_id_bytes == build_id_bytes &&
		    memcmp(file->build_id, build_id, build_id_bytes) == 0 &&
		    strcmp(file->path, path) == 0)
			return file;
	}
	return NULL;
}

void module_files_keep(struct module_files *files, uint32_t pid, const char *path,
		       const uint8_t *build_id, size_t build_id_bytes)
{
	char rooted[4096 + 32];
	if (path[0] != '/' || build_id_bytes > LIMIT_BUILD_ID_BYTES ||
	    files->count >= files->limit || find(files, path, build_id, build_id_bytes))
		return;
	/* As the process sees it: it may have another root. */
	(void)snprintf(rooted, sizeof(rooted), "/proc/%u/root%s", pid, path);
	int fd = open(rooted, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *copy = fd < 0 ? NULL : strdup(path);
	if (!copy) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	struct module_file *file = &files->items[files->count++];
	*file = (struct module_file){.path = copy, .build_id_bytes = build_id_bytes, .fd = fd};
	memcpy(file->build_id, build_id, build_id_bytes);
}

bool module_files_are_in_place(const struct module_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		struct stat kept;
		struct stat found;
		if (fstat(files->items[i].fd, &kept) != 0 ||
		    stat(files->items[i].path, &found) != 0 || kept.st_dev != found.st_dev ||
		    kept.st_ino != found.st_ino)
			return false;
	}
	return true;
}

int find_module_file(void *context, const char *path, const uint8_t *build_id,
		     size_t build_id_bytes)
{
	const struct module_file *file = find(context, path, build_id, build_id_bytes);
	return file ? file->fd : -1;
}
