/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/log_draft.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum mt_status log_draft_open(struct log_draft *draft, const char *path, struct mt_error *error)
{
	*draft = (struct log_draft){.fd = -1};
	draft->target = realpath(path, NULL);
	if (!draft->target)
		return mt_error_set_errno(error, errno, "cannot find %s", path);
	if (asprintf(&draft->path, "%s.XXXXXX", draft->target) < 0) {
		draft->path = NULL;
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to write the log");
	}
	draft->fd = mkostemp(draft->path, O_CLOEXEC);
	if (draft->fd < 0)
		return mt_error_set_errno(error, errno, "cannot write beside %s", path);
	return MT_OK;
}

enum mt_status log_draft_commit(struct log_draft *draft, struct mt_error *error)
{
	struct stat old;
	if (stat(draft->target, &old) == 0) {
		/* At worst the file is ours and stays private. */
		(void)!fchown(draft->fd, old.st_uid, old.st_gid);
		(void)fchmod(draft->fd, old.st_mode & 07777);
	}
	/* The old log is gone with the rename: the new one has to be there even after a crash. */
	if (fsync(draft->fd) != 0 || rename(draft->path, draft->target) != 0)
		return mt_error_set_errno(error, errno, "cannot replace %s", draft->target);
	free(draft->path);
	draft->path = NULL;
	return MT_OK;
}

void log_draft_close(struct log_draft *draft)
{
	if (draft->fd >= 0) {
		(void)close(draft->fd); /* what was to be kept is on the disk */
		if (draft->path)
			(void)unlink(draft->path);
	}
	free(draft->path);
	free(draft->target);
	*draft = (struct log_draft){.fd = -1};
}
