/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looks up the names of all addresses that a log's costs need, in several processes.
 *
 * libdw is not to be used by threads, and a damaged file may well crash it: each object's addresses
 * are looked up in a child process, which sends back what it found. What a child that dies, or that
 * runs out of time, has not sent stays without a name.
 */
#ifndef MEMTRACE_READER_SYMBOLIZE_LOG_H
#define MEMTRACE_READER_SYMBOLIZE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"
#include "reader/loaded_log.h"
#include "reader/symbolizer.h"

struct symbolize_options {
	struct symbolizer_options symbolizer;
	uint64_t limit_ms;   /* 0: none */
	uint32_t only_leaks; /* only addresses of leaked_stacks.h, of these kinds; 0: all */
	bool improves; /* look up again what is not known with file and line; what is better counts
			*/
	int cache_fd;  /* see name_cache_open_directory; used if has_cache, borrowed */
	bool has_cache;
	/* A descriptor of a module's file, -1: there is none. NULL: files are opened by path */
	int (*find_file)(void *context, const char *path, const uint8_t *build_id,
			 size_t build_id_bytes);
	/* Called now and then with the parts that are done. NULL: nobody wants to know */
	void (*progress)(void *context, uint64_t done, uint64_t total);
	/* Called before a file is asked for on the servers of debuginfod. NULL: nobody wants to
	 * know */
	void (*fetching)(void *context, const char *path);
	void *context;
};

struct symbolize_result {
	uint64_t addresses; /* that were wanted */
	uint64_t missing;   /* for which there was no time */
	uint64_t changed;   /* whose name is new or better */
	uint32_t stale;     /* number of an object whose file is another build; SYMBOL_NONE: none */
};

/*
 * Fills log->symbols, which are kept as far as they go: only addresses without an entry are
 * looked up, or, to improve them, those of objects that were not fully known.
 *
 * returns  MT_ERR_NO_MEMORY, MT_ERR_IO: no process could be started
 */
enum mt_status symbolize_log(struct loaded_log *log, const struct symbolize_options *options,
			     struct symbolize_result *ret_result,
			     struct mt_error *error) MT_MUST_CHECK;

#endif
