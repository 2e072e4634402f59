/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/leak_read.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "common/process_read.h"
#include "common/sys.h"

/*
 * The same as process_read of our own memory, where that system call is refused: some sandboxes
 * take it for one of a debugger's. returns  false: it can't be had either
 */
static bool read_mem_file(const struct leak_scan_request *request, char *contents)
{
	int fd = sys_open("/proc/thread-self/mem", O_RDONLY);
	if (fd < 0)
		return false;
	for (uint32_t i = 0; i < request->count; i++) {
		uint64_t address = request->ranges[i].address;
		size_t left = request->ranges[i].size_bytes;
		while (left > 0) {
			size_t count = sys_pread(fd, contents, left, address);
			if (count == 0) {
				/* A page that can't be read. */
				size_t gap = SEGMENT_PAGE - address % SEGMENT_PAGE;
				count = gap < left ? gap : left;
				memset(contents, 0, count);
			}
			contents += count;
			address += count;
			left -= count;
		}
	}
	sys_close(fd);
	return true;
}

/* returns  false: there is no way */
static bool read_memory(const struct leak_scan_request *request, struct iovec *remote,
			char *contents)
{
	size_t count = 0;
	for (uint32_t i = 0; i < request->count; i++)
		if (request->ranges[i].size_bytes > 0)
			remote[count++] = (struct iovec){(void *)request->ranges[i].address,
							 request->ranges[i].size_bytes};
	return process_read(sys_call6(SYS_gettid, 0, 0, 0, 0, 0, 0), remote, count, contents) ||
	       read_mem_file(request, contents);
}

static bool read_pagemap(const struct leak_scan_request *request, uint64_t *contents)
{
	int fd = sys_open("/proc/thread-self/pagemap", O_RDONLY);
	if (fd < 0)
		return false;
	size_t wanted = request->ranges[0].size_bytes;
	uint64_t offset = request->ranges[0].address / SEGMENT_PAGE * 8;
	size_t count = sys_pread(fd, contents, wanted, offset);
	sys_close(fd);
	return count == wanted;
}

void leak_read_serve(uint64_t *words, struct iovec *remote)
{
	struct leak_scan_request *request = (void *)words;
	uint64_t *contents = words + LEAK_SCAN_REQUEST_WORDS;
	uint64_t total = 0;
	bool is_good = request->count <= LEAK_SCAN_RANGES;
	for (uint32_t i = 0; is_good && i < request->count; i++) {
		uint64_t size_bytes = request->ranges[i].size_bytes;
		is_good = size_bytes % 8 == 0 && size_bytes <= LEAK_SCAN_CONTENT_WORDS * 8;
		total += size_bytes;
	}
	is_good = is_good && total <= LEAK_SCAN_CONTENT_WORDS * 8;
	if (is_good && request->kind == LEAK_SCAN_PAGEMAP)
		is_good = request->count == 1 && read_pagemap(request, contents);
	else if (is_good)
		is_good = read_memory(request, remote, (char *)contents);
	if (!is_good)
		request->count = UINT32_MAX;
}
