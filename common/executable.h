/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Can a program be traced? Told from its file, before it is started, by launcher and tracker alike.
 *
 * No heap, no stdio, no errno, no cancellation point: the tracker asks this inside exec.
 */
#ifndef MEMTRACE_COMMON_EXECUTABLE_H
#define MEMTRACE_COMMON_EXECUTABLE_H

#include <stdbool.h>
#include <stddef.h>

enum executable_kind {
	EXECUTABLE_TRACEABLE,
	EXECUTABLE_UNREADABLE, /* can't be looked at: may be traceable */
	EXECUTABLE_STATIC,     /* no dynamic loader, so nothing is preloaded */
	EXECUTABLE_SET_ID,     /* gains privileges: the loader ignores LD_PRELOAD */
	EXECUTABLE_OTHER_ARCHITECTURE,
	EXECUTABLE_OTHER_LIBC, /* its loader is not glibc's: musl, for example */
	EXECUTABLE_SANITIZER,  /* an Address-, Leak-, Memory- or ThreadSanitizer build */
};

/*
 * path  of the file as exec would take it; the interpreter of a script is followed
 */
enum executable_kind executable_classify(const char *path);

/* A reason in words, for people and for the log: "statically linked". */
const char *executable_reason(enum executable_kind kind);

/*
 * Finds the file that execvp would run.
 *
 * search       value of PATH; NULL: the system's default
 * ret_path     [capacity] set when found
 * returns      0; ENOENT: no such file; EACCES: there, but not executable
 */
int executable_find(const char *name, const char *search, char *ret_path, size_t capacity);

#endif
