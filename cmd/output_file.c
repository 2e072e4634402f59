/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmd/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_special_file(const char *path)
{
	struct stat target;
	return stat(path, &target) == 0 && !S_ISREG(target.st_mode);
}

static mode_t umask_of_process(void)
{
	mode_t mask = umask(0);
	(void)umask(mask);
	return mask;
}

/* Whether the file can be put in its place. returns 0 or an errno */
static int try_place(const char *path)
{
	char directory[PATH_MAX] = ".";
	const char *slash = strrchr(path, '/');
	struct stat target;
	if (stat(path, &target) == 0 && S_ISDIR(target.st_mode))
		return EISDIR;
	if (is_special_file(path))
		return access(path, W_OK) == 0 ? 0 : errno;
	if (slash && (size_t)(slash - path) >= sizeof(directory))
		return ENAMETOOLONG;
	if (slash)
		(void)snprintf(directory, sizeof(directory), "%.*s",
			       slash > path ? (int)(slash - path) : 1, path);
	return access(directory, W_OK | X_OK) == 0 ? 0 : errno;
}

enum mt_status output_file_check(const char *path, bool overwrites, struct mt_error *error)
{
	if (!overwrites && !is_special_file(path) && access(path, F_OK) == 0)
		return mt_error_set(error, MT_ERR_IO, "%s exists: use -f to overwrite it", path);
	int problem = try_place(path);
	return problem ? mt_error_set_errno(error, problem, "cannot write %s", path) : MT_OK;
}

enum mt_status output_file_open(struct output_file *file, const char *path, bool overwrites,
				struct mt_error *error)
{
	*file = (struct output_file){.path = path, .is_special = is_special_file(path)};
	enum mt_status status = output_file_check(path, overwrites, error);
	if (status != MT_OK)
		return status;
	if (asprintf(&file->draft, file->is_special ? "%s" : "%s.XXXXXX", path) < 0) {
		file->draft = NULL;
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory");
	}
	int fd = file->is_special ? open(file->draft, O_WRONLY | O_CLOEXEC)
				  : mkostemp(file->draft, O_CLOEXEC);
	file->stream = fd < 0 ? NULL : fdopen(fd, "w");
	if (file->stream)
		return MT_OK;
	status = mt_error_set_errno(error, errno, "cannot write %s", path);
	free(file->draft);
	file->draft = NULL;
	return status;
}

enum mt_status output_file_close(struct output_file *file, enum mt_status status,
				 struct mt_error *error)
{
	if (!file->is_special) /* at worst the file stays private */
		(void)fchmod(fileno(file->stream), 0666 & ~umask_of_process());
	if (fclose(file->stream) != 0 && status == MT_OK)
		status = mt_error_set_errno(error, errno, "cannot write %s", file->path);
	if (status == MT_OK && !file->is_special && rename(file->draft, file->path) != 0)
		status = mt_error_set_errno(error, errno, "cannot write %s", file->path);
	if (status != MT_OK && !file->is_special)
		(void)unlink(file->draft); /* what was begun */
	free(file->draft);
	file->draft = NULL;
	return status;
}
