/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sizes on the command line: 4096, 512k, 1.5G. k, M and G, of either case, are powers of 1024. */
#ifndef MEMTRACE_COMMON_SIZE_H
#define MEMTRACE_COMMON_SIZE_H

#include <stdbool.h>
#include <stdint.h>

/* returns  false: not a size, or beyond 2^53 bytes */
bool size_parse(const char *text, uint64_t *ret_bytes);

#endif
