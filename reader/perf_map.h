/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /tmp/perf-PID.map: what a program that makes code as it runs (node --perf-basic-prof, Python with
 * -X perf, and others) says of it, for perf: a line "START SIZE NAME" in hexadecimal a function.
 *
 * The directory is everybody's and the file stays when its process is gone. So a file counts only
 * if it is the caller's or root's, regular, no link, not too large, and was last written to while
 * the process lived.
 */
#ifndef MEMTRACE_READER_PERF_MAP_H
#define MEMTRACE_READER_PERF_MAP_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PERF_MAP_BYTES_MAX (256u << 20)

/*
 * directory   "/tmp"
 * pid         as the process itself sees it
 * first_s     since 1970: when the process began ...
 * last_s      ... and when it ended
 * returns     a stream to be closed by the caller; NULL: there is no file that counts
 */
FILE *perf_map_open(const char *directory, uint32_t pid, int64_t first_s, int64_t last_s);

/*
 * Finds the functions that `addresses` [count], ascending, are in, and calls `found` for each; if
 * several lines cover an address the last one counts, so `found` is called with it last.
 */
void perf_map_read(FILE *map, const uint64_t *addresses, size_t count,
		   void (*found)(void *context, size_t index, const char *name), void *context);

/* A name taken to pieces; pointers are into the text, which is cut up. */
struct perf_name {
	const char *function;
	const char *file; /* "": not known */
	uint32_t line;    /* 0: not known */
};

/*
 * "py::work:/srv/a.py" is function work in /srv/a.py; "JS:*work /srv/a.js:12:5" is work in line 12
 * of /srv/a.js. Any other name is a function's.
 */
struct perf_name perf_name_parse(char *text);

#endif
