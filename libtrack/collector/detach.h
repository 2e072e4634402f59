/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MEMTRACE_COLLECTOR_DETACH_H
#define MEMTRACE_COLLECTOR_DETACH_H

/*
 * Takes the calling process, a child of fork, out of the way: of the terminal and its signals, of
 * whoever waits for an end of a pipe that it has inherited, and of the kernel when memory is short.
 */
void detach(void);

#endif
