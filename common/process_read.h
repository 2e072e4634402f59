/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads a process's memory where some of it may not be readable: the tracker its own, for a leak
 * scan (common/leak_protocol.h), and the collector that of a process that lets it. */
#ifndef MEMTRACE_COMMON_PROCESS_READ_H
#define MEMTRACE_COMMON_PROCESS_READ_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#include "common/segment.h"
#include "common/sys.h"

/*
 * Reads ranges, one after the other, to `contents`; pages that can't be read are zeros there.
 *
 * thread_id  one of its threads: it has no memory any more when its first one has ended
 * ranges     [count] none of them empty; changed
 * returns    false: the system call is not to be had, or not for this process
 */
static inline bool process_read(long thread_id, struct iovec *ranges, size_t count, char *contents)
{
	size_t first = 0;
	size_t left = 0;
	for (size_t i = 0; i < count; i++)
		left += ranges[i].iov_len;
	while (left > 0) {
		struct iovec local = {.iov_base = contents, .iov_len = left};
		long done = sys_call6(SYS_process_vm_readv, thread_id, (long)&local, 1,
				      (long)(ranges + first), (long)(count - first), 0);
		if (sys_failed(done) && done != -EFAULT)
			return false;
		size_t used = done > 0 ? (size_t)done : 0;
		contents += used;
		left -= used;
		while (first < count && used >= ranges[first].iov_len)
			used -= ranges[first++].iov_len;
		if (first == count)
			break;
		ranges[first].iov_base = (char *)ranges[first].iov_base + used;
		ranges[first].iov_len -= used;
		/* A page that can't be read. */
		uintptr_t at = (uintptr_t)ranges[first].iov_base;
		size_t gap = SEGMENT_PAGE - at % SEGMENT_PAGE;
		gap = gap < ranges[first].iov_len ? gap : ranges[first].iov_len;
		memset(contents, 0, gap);
		contents += gap;
		left -= gap;
		ranges[first].iov_base = (void *)(at + gap);
		ranges[first].iov_len -= gap;
		if (ranges[first].iov_len == 0)
			first++;
	}
	return true;
}

#endif
