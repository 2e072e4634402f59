/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How functions fail: a status, and for people one line of text in a fixed buffer.
 *
 * A function that can fail returns `enum mt_status`. It writes `struct mt_error` once, at the
 * deepest place that knows what went wrong; callers pass it on untouched. Reporting an error
 * never allocates, so running out of memory can be reported too. Libraries never print: cmd/
 * shows the text and chooses the exit status.
 */
#ifndef MEMTRACE_COMMON_STATUS_H
#define MEMTRACE_COMMON_STATUS_H

#include <stdint.h>

enum mt_status {
	MT_OK = 0,
	MT_ERR_IO = -1,        /* the system refused: see system_errno */
	MT_ERR_NO_MEMORY = -2, /* an allocation of our own failed */
	MT_ERR_NOT_A_LOG = -3, /* the file does not start as a log does */
	MT_ERR_VERSION = -4,   /* a log of a version that this reader does not know */
	MT_ERR_TRUNCATED = -5, /* bytes end before the value does */
	MT_ERR_CORRUPT = -6,   /* bytes that no writer produces */
	MT_ERR_LIMIT = -7,     /* a count or length above its maximum in common/format.h */
	MT_ERR_USAGE = -8,     /* the caller asked for something that does not exist */
};

struct mt_error {
	enum mt_status status;
	int system_errno;      /* 0 unless status is MT_ERR_IO */
	uint64_t offset_bytes; /* place in the file, where that is known */
	char message[256];
};

#define MT_MUST_CHECK __attribute__((warn_unused_result))

/* Fills `error` (may be NULL) and returns `status`, so that a caller can `return` the call. */
enum mt_status mt_error_set(struct mt_error *error, enum mt_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same with the text of `system_errno` appended: "cannot open x: No such file". */
enum mt_status mt_error_set_errno(struct mt_error *error, int system_errno, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
