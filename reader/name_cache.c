/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/name_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "common/format.h"

#define VERSION 1u
#define HEADER_BYTES 24u
#define BUILD_ID_BYTES_MIN 8u /* shorter ones may be somebody's joke */
#define FILE_BYTES_MAX ((size_t)16 << 20)
#define FILES_MAX 400u
#define FILES_BYTES_MAX ((uint64_t)128 << 20)
#define USE_STEP_S (24 * 60 * 60) /* a use is noted when the last one is so long ago */

static const char magic[8] = "MTNAMES";
static const char suffix[] = ".names";

/* ---- the directory ---------------------------------------------------------------------- */

static bool is_own(int fd, bool is_directory)
{
	struct stat status;
	return fstat(fd, &status) == 0 && status.st_uid == geteuid() &&
	       (status.st_mode & (S_IWGRP | S_IWOTH)) == 0 &&
	       (is_directory ? S_ISDIR(status.st_mode) : S_ISREG(status.st_mode));
}

/* Opens a directory of one's own below another. returns -1: there is none, nor can it be made */
static int open_below(int parent_fd, const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(parent_fd, name, flags);
	if (fd < 0 && errno == ENOENT && mkdirat(parent_fd, name, 0700) == 0)
		fd = openat(parent_fd, name, flags);
	if (fd < 0 || is_own(fd, true))
		return fd;
	(void)close(fd); /* nothing was written */
	return -1;
}

/* The same for a path. In what is somebody else's, as with sudo, nothing is made. */
static int open_own(const char *path, const char *below)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_good = fd >= 0 && is_own(fd, true);
	int found = is_good && below ? open_below(fd, below) : -1;
	if (is_good && !below)
		return fd;
	if (fd >= 0)
		(void)close(fd); /* nothing was written */
	return found;
}

int name_cache_open_directory(void)
{
	char path[PATH_MAX];
	const char *chosen = getenv(ENV_NAME_CACHE);
	const char *cache_home = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");
	if (chosen && *chosen != '/')
		return -1;
	if (chosen) {
		(void)mkdir(chosen, 0700); /* it may be there */
		return open_own(chosen, NULL);
	}
	if (cache_home && *cache_home == '/')
		return open_own(cache_home, "memtrace");
	if (!home || *home != '/' ||
	    snprintf(path, sizeof(path), "%s/.cache", home) >= (int)sizeof(path))
		return -1;
	int home_cache = open_own(home, ".cache");
	if (home_cache < 0)
		return -1;
	int fd = open_below(home_cache, "memtrace");
	(void)close(home_cache); /* nothing was written */
	return fd;
}

/* ---- reading ---------------------------------------------------------------------------- */

static bool read_all(int fd, uint8_t *bytes, size_t size_bytes)
{
	for (size_t done = 0; done < size_bytes;) {
		ssize_t count = pread(fd, bytes + done, size_bytes - done, (off_t)done);
		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return false;
		done += (size_t)count;
	}
	return true;
}

static bool is_good(const struct name_cache *cache, const uint8_t *bytes, size_t size_bytes)
{
	return memcmp(bytes, magic, sizeof(magic)) == 0 && get_u32(bytes + 8) == VERSION &&
	       get_u64(bytes + 16) == cache->stamp &&
	       get_u32(bytes + 12) == (uint32_t)crc32_z(0, bytes + 16, size_bytes - 16);
}

static bool decode(struct name_cache *cache, const uint8_t *bytes, size_t size_bytes)
{
	struct symbols found;
	struct mt_error error;
	struct byte_reader payload = byte_reader_over(bytes + HEADER_BYTES,
						      size_bytes - HEADER_BYTES);
	if (!symbols_init(&found))
		return false;
	if (symbols_decode(&found, &payload, &error) == MT_OK && found.object_count == 1) {
		symbols_release(&cache->symbols);
		cache->symbols = found;
		return true;
	}
	symbols_release(&found);
	return false;
}

/* Takes the file's names, if it is one of this object and stamp. */
static void read_file(struct name_cache *cache, int fd)
{
	struct stat status;
	if (!is_own(fd, false) || fstat(fd, &status) != 0 || status.st_size <= HEADER_BYTES ||
	    (uint64_t)status.st_size > FILE_BYTES_MAX)
		return;
	size_t size_bytes = (size_t)status.st_size;
	uint8_t *bytes = malloc(size_bytes);
	if (bytes && read_all(fd, bytes, size_bytes) && is_good(cache, bytes, size_bytes) &&
	    decode(cache, bytes, size_bytes) && time(NULL) - status.st_mtime > USE_STEP_S)
		(void)futimens(fd, NULL); /* else it is removed too early */
	free(bytes);
}

bool name_cache_open(struct name_cache *cache, int directory_fd, const uint8_t *build_id,
		     size_t build_id_bytes, uint64_t stamp)
{
	*cache = (struct name_cache){.directory_fd = directory_fd, .stamp = stamp};
	if (build_id_bytes < BUILD_ID_BYTES_MIN || build_id_bytes > LIMIT_BUILD_ID_BYTES ||
	    build_id_bytes * 2 + sizeof(suffix) > sizeof(cache->file_name))
		return false;
	for (size_t i = 0; i < build_id_bytes; i++)
		(void)snprintf(cache->file_name + i * 2, 3, "%02x", build_id[i]); /* fits */
	memcpy(cache->file_name + build_id_bytes * 2, suffix, sizeof(suffix));
	if (!symbols_init(&cache->symbols))
		return false;
	if (symbols_object(&cache->symbols, "-", NULL, 0) != 0) {
		symbols_release(&cache->symbols);
		return false;
	}
	int fd = openat(directory_fd, cache->file_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		read_file(cache, fd);
		(void)close(fd); /* nothing was written */
	}
	return true;
}

void name_cache_release(struct name_cache *cache)
{
	symbols_release(&cache->symbols);
}

/* ---- writing ---------------------------------------------------------------------------- */

struct kept_file {
	char *name;
	uint64_t size_bytes;
	int64_t used_s;
};

static int by_use(const void *left, const void *right)
{
	const struct kept_file *a = left;
	const struct kept_file *b = right;
	return (a->used_s > b->used_s) - (a->used_s < b->used_s);
}

/* Notes the files of the cache, and of writers that were killed. returns their number */
static size_t list_files(DIR *directory, struct kept_file *files, size_t capacity)
{
	size_t count = 0;
	struct dirent *entry;
	while (count < capacity && (entry = readdir(directory))) {
		struct stat status;
		if (!strstr(entry->d_name, suffix) ||
		    fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		files[count].name = strdup(entry->d_name);
		if (!files[count].name)
			break;
		files[count].size_bytes = (uint64_t)status.st_size;
		files[count++].used_s = status.st_mtime;
	}
	return count;
}

/* Removes what was not used for longest, until the rest is few and small enough. */
static void trim(int directory_fd)
{
	static const size_t capacity = FILES_MAX * 4;
	int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	struct kept_file *files = directory ? calloc(capacity, sizeof(*files)) : NULL;
	size_t count = files ? list_files(directory, files, capacity) : 0;
	uint64_t size_bytes = 0;
	for (size_t i = 0; i < count; i++)
		size_bytes += files[i].size_bytes;
	if (count > 0)
		qsort(files, count, sizeof(*files), by_use);
	for (size_t i = 0; i < count; i++) {
		if (count - i > FILES_MAX || size_bytes > FILES_BYTES_MAX)
			(void)unlinkat(directory_fd, files[i].name, 0); /* or another run did */
		size_bytes -= size_bytes < files[i].size_bytes ? size_bytes : files[i].size_bytes;
		free(files[i].name);
	}
	free(files);
	if (directory)
		(void)closedir(directory); /* was only read */
	else if (fd >= 0)
		(void)close(fd);
}

static bool write_all(int fd, const uint8_t *bytes, size_t size_bytes)
{
	for (size_t done = 0; done < size_bytes;) {
		ssize_t count = write(fd, bytes + done, size_bytes - done);
		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return false;
		done += (size_t)count;
	}
	return true;
}

static void write_file(const struct name_cache *cache, const struct buffer *file)
{
	char draft[sizeof(cache->file_name) + 32];
	(void)snprintf(draft, sizeof(draft), "%s.%d", cache->file_name, (int)getpid()); /* fits */
	int fd = openat(cache->directory_fd, draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST) /* left by a process of the same number */
		(void)unlinkat(cache->directory_fd, draft, 0);
	if (fd < 0)
		return;
	bool is_written = write_all(fd, file->bytes, file->size_bytes);
	is_written &= close(fd) == 0;
	if (!is_written ||
	    renameat(cache->directory_fd, draft, cache->directory_fd, cache->file_name) != 0)
		(void)unlinkat(cache->directory_fd, draft, 0);
}

void name_cache_save(struct name_cache *cache)
{
	struct buffer file = {0};
	uint8_t header[HEADER_BYTES] = {0};
	buffer_append(&file, header, sizeof(header));
	symbols_encode(&cache->symbols, &file);
	if (!file.failed && file.size_bytes <= FILE_BYTES_MAX) {
		memcpy(file.bytes, magic, sizeof(magic));
		put_u32(file.bytes + 8, VERSION);
		put_u64(file.bytes + 16, cache->stamp);
		put_u32(file.bytes + 12,
			(uint32_t)crc32_z(0, file.bytes + 16, file.size_bytes - 16));
		write_file(cache, &file);
		trim(cache->directory_fd);
	}
	buffer_release(&file);
}
