/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads that help the one that starts them, at the same time.
 *
 * Linux often starts a thread on the processor of the one that starts it, though another is idle,
 * and moves neither for the next few milliseconds. What they share is over by then.
 */
#ifndef MEMTRACE_COLLECTOR_HELPER_THREAD_H
#define MEMTRACE_COLLECTOR_HELPER_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/*
 * Starts a thread on another processor than the caller's, if there is one; from there it may move
 * to any that the caller may run on.
 *
 * returns  false: it can't be had
 */
bool helper_thread_start(pthread_t *ret_thread, void *(*work)(void *), void *context);

#endif
