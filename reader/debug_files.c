/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libdwfl can look for files too, but only where it likes: it knows no sysroot, and its standard
 * callbacks ask the servers of DEBUGINFOD_URLS without being told to. So the places are here, and
 * libdwfl is only the client of those servers.
 */
#include "reader/debug_files.h"

#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "common/format.h"

#define DEFAULT_DIRECTORIES "/usr/lib/debug"
#define VDSO_BYTES_MAX (64u << 10)

static bool copy_directories(struct debug_files *files, const char *list)
{
	size_t count = 1;
	for (const char *at = list; *at; at++)
		count += *at == ':';
	files->directories = calloc(count, sizeof(*files->directories));
	if (!files->directories)
		return false;
	for (const char *at = list; at;) {
		size_t length = strcspn(at, ":");
		if (length > 0) {
			char *directory = strndup(at, length);
			if (!directory)
				return false;
			files->directories[files->directory_count++] = directory;
		}
		at = at[length] ? at + length + 1 : NULL;
	}
	return true;
}

bool debug_files_init(struct debug_files *files, const struct symbolizer_object *object,
		      const struct symbolizer_options *options)
{
	*files = (struct debug_files){.uses_debuginfod = options->uses_debuginfod};
	files->path = strdup(object->path);
	if (!files->path)
		goto out;
	if (options->sysroot && *options->sysroot && !(files->sysroot = strdup(options->sysroot)))
		goto out;
	if (object->build_id_bytes > 0 && object->build_id_bytes <= LIMIT_BUILD_ID_BYTES) {
		files->build_id = malloc(object->build_id_bytes);
		if (!files->build_id)
			goto out;
		memcpy(files->build_id, object->build_id, object->build_id_bytes);
		files->build_id_bytes = object->build_id_bytes;
	}
	if (copy_directories(files,
			     options->debug_path ? options->debug_path : DEFAULT_DIRECTORIES))
		return true;
out:
	debug_files_release(files);
	return false;
}

void debug_files_release(struct debug_files *files)
{
	for (size_t i = 0; i < files->directory_count; i++)
		free(files->directories[i]);
	free(files->directories);
	free(files->build_id);
	free(files->sysroot);
	free(files->path);
	*files = (struct debug_files){0};
}

/* What was mapped may be a device or a pipe: such a thing is neither waited for nor read. */
static int open_regular(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	if (fd >= 0 && (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))) {
		(void)close(fd); /* nothing was written */
		return -1;
	}
	return fd;
}

__attribute__((format(printf, 1, 2))) static int open_formatted(const char *format, ...)
{
	char path[PATH_MAX];
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(path, sizeof(path), format, arguments);
	va_end(arguments);
	return length > 0 && (size_t)length < sizeof(path) ? open_regular(path) : -1;
}

static bool is_same_file(int fd, int other_fd)
{
	struct stat status;
	struct stat other;
	return other_fd >= 0 && fstat(fd, &status) == 0 && fstat(other_fd, &other) == 0 &&
	       status.st_dev == other.st_dev && status.st_ino == other.st_ino;
}

static bool has_crc(int fd, uint32_t crc)
{
	unsigned char bytes[32u << 10];
	unsigned long sum = crc32(0, NULL, 0);
	off_t at = 0;
	for (;;) {
		ssize_t count = pread(fd, bytes, sizeof(bytes), at);
		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return count == 0 && sum == crc;
		sum = crc32(sum, bytes, (unsigned)count);
		at += count;
	}
}

static bool has_build_id(Elf *elf, const uint8_t *build_id, size_t build_id_bytes)
{
	const void *found;
	ssize_t found_bytes = dwelf_elf_gnu_build_id(elf, &found);
	return found_bytes > 0 && (size_t)found_bytes == build_id_bytes &&
	       memcmp(found, build_id, build_id_bytes) == 0;
}

static bool is_wanted(int fd, const struct debug_link *link)
{
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	bool is_right = elf && elf_kind(elf) == ELF_K_ELF;
	if (is_right && link->build_id_bytes > 0)
		is_right = has_build_id(elf, link->build_id, link->build_id_bytes);
	else if (is_right && link->name)
		is_right = has_crc(fd, link->crc);
	(void)elf_end(elf); /* only counts references */
	return is_right;
}

/* Gives `fd` back if it is the wanted file. Otherwise closes it and returns -1. */
static int keep_wanted(int fd, const struct debug_link *link)
{
	if (fd < 0 || is_wanted(fd, link))
		return fd;
	(void)close(fd); /* nothing was written */
	return -1;
}

/* Tries a path below the sysroot, then the path as it is. */
static int open_wanted(const struct debug_files *files, const char *directory, const char *name,
		       const struct debug_link *link)
{
	int fd = -1;
	if (files->sysroot && directory[0] == '/')
		fd = keep_wanted(open_formatted("%s%s/%s", files->sysroot, directory, name), link);
	if (fd < 0)
		fd = keep_wanted(open_formatted("%s/%s", directory, name), link);
	return fd;
}

/* By build-id in the directories of debug files: xx/yyyy and `suffix`. */
static int open_by_build_id(const struct debug_files *files, const struct debug_link *link,
			    const char *suffix)
{
	char name[sizeof("/.build-id/") + (size_t)LIMIT_BUILD_ID_BYTES * 2 + 16];
	int fd = -1;
	if (link->build_id_bytes < 2 || link->build_id_bytes > LIMIT_BUILD_ID_BYTES)
		return -1;
	int length = snprintf(name, sizeof(name), ".build-id/%02x/", link->build_id[0]);
	for (size_t i = 1; i < link->build_id_bytes; i++)
		length += snprintf(name + length, sizeof(name) - (size_t)length, "%02x",
				   link->build_id[i]);
	(void)snprintf(name + length, sizeof(name) - (size_t)length, "%s", suffix); /* fits */
	for (size_t i = 0; i < files->directory_count && fd < 0; i++)
		fd = open_wanted(files, files->directories[i], name, link);
	return fd;
}

/*
 * Asks the debuginfod servers. libdwfl loads their client library only when it is there, so it
 * needs no dependency of ours; all it wants for it is a module with a build-id.
 */
static int ask_servers(const struct debug_files *files, const struct debug_link *link,
		       bool wants_object)
{
	char nowhere[] = "";
	char *no_path = nowhere; /* the directories were searched already */
	const Dwfl_Callbacks callbacks = {
		.find_elf = dwfl_build_id_find_elf,
		.find_debuginfo = dwfl_standard_find_debuginfo,
		.debuginfo_path = &no_path,
	};
	if (!files->uses_debuginfod || link->build_id_bytes == 0)
		return -1;
	int fd = -1;
	char *name = NULL;
	Elf *elf = NULL;
	Dwfl *dwfl = dwfl_begin(&callbacks);
	Dwfl_Module *module = dwfl ? dwfl_report_module(dwfl, "object", 0, 1) : NULL;
	bool is_known = module && dwfl_module_report_build_id(module, link->build_id,
							      link->build_id_bytes, 0) == 0;
	if (is_known && wants_object)
		fd = dwfl_build_id_find_elf(module, NULL, NULL, 0, &name, &elf);
	else if (is_known)
		fd = dwfl_standard_find_debuginfo(module, NULL, NULL, 0, NULL, NULL, 0, &name);
	(void)elf_end(elf); /* only counts references */
	free(name);
	dwfl_end(dwfl);
	return keep_wanted(fd, link);
}

static bool is_vdso(const char *path)
{
	return strcmp(path, "[vdso]") == 0 || strncmp(path, "linux-vdso", 10) == 0 ||
	       strncmp(path, "linux-gate", 10) == 0;
}

/*
 * The kernel's own object has no file. This process has it mapped too, and its build-id tells
 * whether it is the one that was recorded.
 */
static int open_vdso(void)
{
	const char *image = (const char *)getauxval(AT_SYSINFO_EHDR);
	if (!image)
		return -1;
	Elf64_Ehdr header; /* on a 32-bit machine its class is refused below */
	memcpy(&header, image, sizeof(header));
	uint64_t size_bytes = header.e_shoff + (uint64_t)header.e_shnum * header.e_shentsize;
	if (header.e_ident[EI_CLASS] != ELFCLASS64 || size_bytes > VDSO_BYTES_MAX)
		return -1;
	int fd = memfd_create("vdso", MFD_CLOEXEC);
	if (fd >= 0 && write(fd, image, size_bytes) != (ssize_t)size_bytes) {
		(void)close(fd); /* a copy that is thrown away */
		return -1;
	}
	return fd;
}

/* A descriptor to close. It shares its offset with the original, but libelf reads by position. */
static int copy_of(int fd)
{
	return fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
}

/* Takes the candidate `fd`, unless it is the wrong file, which is noted. */
static int consider(int fd, const struct debug_link *wanted, bool *ret_is_stale)
{
	int kept = keep_wanted(fd, wanted);
	*ret_is_stale |= fd >= 0 && kept < 0;
	return kept;
}

int debug_files_open_object(const struct debug_files *files, int kept_fd, bool *ret_is_stale)
{
	struct debug_link wanted = {
		.build_id = files->build_id,
		.build_id_bytes = files->build_id_bytes,
	};
	*ret_is_stale = false;
	if (is_vdso(files->path))
		return consider(open_vdso(), &wanted, ret_is_stale);
	int fd = -1;
	if (files->sysroot)
		fd = consider(open_formatted("%s/%s", files->sysroot, files->path), &wanted,
			      ret_is_stale);
	if (fd < 0)
		fd = consider(copy_of(kept_fd), &wanted, ret_is_stale);
	if (fd < 0)
		fd = consider(open_regular(files->path), &wanted, ret_is_stale);
	if (fd < 0)
		fd = open_by_build_id(files, &wanted, "");
	if (fd < 0)
		fd = ask_servers(files, &wanted, true);
	return fd;
}

/* Path of the file behind a descriptor, without links. returns false if it has none (any more) */
static bool path_of(int fd, char *ret_path)
{
	char link[sizeof("/proc/self/fd/") + 12];
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd); /* fits */
	ssize_t length = fd >= 0 ? readlink(link, ret_path, PATH_MAX - 1) : -1;
	if (length <= 0)
		return false;
	ret_path[length] = '\0';
	return ret_path[0] == '/';
}

/* Cuts a path down to its directory. returns false if it has none */
static bool cut_to_directory(char *path)
{
	char *slash = strrchr(path, '/');
	if (!slash)
		return false;
	*slash = '\0';
	return true;
}

/* A path without its first directory: "/usr/lib", "/lib", "", and then NULL. */
static const char *shorter(const char *path)
{
	const char *next = path[0] ? strchr(path + 1, '/') : NULL;
	return next || !path[0] ? next : "";
}

/*
 * A debug file by name, for an object in `directory`: there, in its .debug, and below the
 * directories of debug files, where a leading part of the path may be missing (/usr/lib as /lib).
 */
static int open_linked(const struct debug_files *files, const char *directory, int object_fd,
		       const struct debug_link *link)
{
	static const char *const beside[] = {"", "/.debug"};
	char place[PATH_MAX];
	int fd = -1;
	for (size_t i = 0; i < 2 && fd < 0; i++) {
		int length = snprintf(place, sizeof(place), "%s%s", directory, beside[i]);
		if (length >= 0 && (size_t)length < sizeof(place))
			fd = open_wanted(files, place, link->name, link);
		if (fd >= 0 && is_same_file(fd, object_fd)) {
			(void)close(fd); /* a link that names the object itself */
			fd = -1;
		}
	}
	for (size_t i = 0; i < files->directory_count && fd < 0; i++) {
		for (const char *tail = directory; tail && fd < 0; tail = shorter(tail)) {
			int length = snprintf(place, sizeof(place), "%s%s", files->directories[i],
					      tail);
			if (length >= 0 && (size_t)length < sizeof(place))
				fd = open_wanted(files, place, link->name, link);
		}
	}
	return fd;
}

int debug_files_open_debug(const struct debug_files *files, int object_fd,
			   const struct debug_link *link)
{
	char directory[PATH_MAX];
	int fd = open_by_build_id(files, link, ".debug");
	if (link->name && !strchr(link->name, '/')) {
		if (fd < 0 &&
		    snprintf(directory, sizeof(directory), "%s", files->path) < PATH_MAX &&
		    cut_to_directory(directory))
			fd = open_linked(files, directory, object_fd, link);
		if (fd < 0 && path_of(object_fd, directory) && cut_to_directory(directory))
			fd = open_linked(files, directory, object_fd, link);
	}
	return fd >= 0 ? fd : ask_servers(files, link, false);
}

int debug_files_open_alternate(const struct debug_files *files, int user_fd,
			       const struct debug_link *link)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(link->name, '/');
	const char *base = slash ? slash + 1 : link->name;
	int fd = open_by_build_id(files, link, ".debug");
	if (fd < 0 && link->name[0] == '/')
		fd = open_wanted(files, "/", link->name + 1, link);
	if (fd < 0 && path_of(user_fd, directory) && cut_to_directory(directory))
		fd = open_wanted(files, directory, link->name, link);
	for (size_t i = 0; i < files->directory_count && fd < 0; i++) {
		int length = snprintf(directory, sizeof(directory), "%s/.dwz",
				      files->directories[i]);
		if (length >= 0 && (size_t)length < sizeof(directory))
			fd = open_wanted(files, directory, base, link);
	}
	return fd >= 0 ? fd : ask_servers(files, link, false);
}

int debug_files_open_dwo(const struct debug_files *files, const char *directory, const char *name)
{
	static const struct debug_link any = {0};
	char beside[PATH_MAX];
	const char *slash = strrchr(name, '/');
	int fd = -1;
	if (name[0] == '/')
		fd = open_wanted(files, "/", name + 1, &any);
	else if (directory)
		fd = open_wanted(files, directory, name, &any);
	if (fd < 0 && snprintf(beside, sizeof(beside), "%s", files->path) < PATH_MAX &&
	    cut_to_directory(beside))
		fd = open_wanted(files, beside, slash ? slash + 1 : name, &any);
	return fd;
}

int debug_files_open_package(const struct debug_files *files, int user_fd)
{
	static const struct debug_link any = {0};
	char path[PATH_MAX];
	int fd = -1;
	if (files->sysroot)
		fd = keep_wanted(open_formatted("%s/%s.dwp", files->sysroot, files->path), &any);
	if (fd < 0)
		fd = keep_wanted(open_formatted("%s.dwp", files->path), &any);
	if (fd < 0 && path_of(user_fd, path))
		fd = keep_wanted(open_formatted("%s.dwp", path), &any);
	return fd;
}
