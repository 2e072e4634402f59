/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tracker's part of a leak scan: when one is made, and what the collector is given to see.
 * Protocol and division of labour: common/leak_protocol.h.
 */
#ifndef MEMTRACE_PRELOAD_LEAK_CHECK_H
#define MEMTRACE_PRELOAD_LEAK_CHECK_H

#include <stdbool.h>
#include <stdint.h>

/* Sees to it that this process is scanned at its end, if the session wants that. */
void leak_check_start(void);

/*
 * Scans now, while the program goes on afterwards.
 *
 * is_final  there is to be no scan at the end any more
 * returns   1: blocks are definitely lost; 0: none is; -1: there was no scan, or no verdict
 */
int leak_check_now(bool is_final);

/* The block at `address`, and what only it leads to, is no leak. NULL does nothing. */
void leak_check_ignore(const void *address);

/* What the calling thread allocates is no leak, until leak_check_enable. They nest. */
void leak_check_disable(void);
void leak_check_enable(void);

/*
 * Does what somebody else has asked for, in a signal handler: the code that `context` (a
 * ucontext_t) is of goes on afterwards; NULL: the calling code.
 */
void leak_check_serve_request(const void *context);

/* The first thread beside the main one is being made: glibc has taken the signal for requests. */
void leak_check_threads_begin(void);

/* The calling thread has forked, or has failed to: scans if that was for a daemon. */
void leak_check_after_fork(void);

/* A fork's child is to be scanned too. */
void leak_check_enter_child(void);

#endif
