/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the collector of a leak scan asks for of this process's memory (common/leak_protocol.h). */
#ifndef MEMTRACE_PRELOAD_LEAK_READ_H
#define MEMTRACE_PRELOAD_LEAK_READ_H

#include <stdint.h>
#include <sys/uio.h>

#include "common/leak_protocol.h"

/*
 * Does what is asked for; if it can't be done, or the request makes no sense, its `count` says so.
 *
 * words   [RING_WORDS] the request, and behind it the place for the contents
 * remote  [LEAK_SCAN_RANGES] room to work in
 */
void leak_read_serve(uint64_t *words, struct iovec *remote);

#endif
