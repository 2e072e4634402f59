/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The cross-check: every stack trace against a plain walk and against libunwind. For the tests. */
#ifndef MEMTRACE_PRELOAD_STACK_CHECK_H
#define MEMTRACE_PRELOAD_STACK_CHECK_H

#include "libtrack/preload/thread.h"
#include "libtrack/preload/unwind.h"

/*
 * Compares the trace that was just captured with a walk without memo and with libunwind's steps.
 * Differences are counted in the image's slot, and the first few are printed to standard error.
 *
 * remembered  hash of the trace that it was taken for without a walk (trace_memo.h); 0: it was
 *             walked, and is the previous one of block->names
 */
void stack_check(struct thread_block *block, const struct unwind_start *start, uint64_t remembered);

#endif
