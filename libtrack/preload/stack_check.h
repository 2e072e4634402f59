/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The cross-check: every stack trace against a plain walk and against libunwind. For the tests. */
#ifndef MEMTRACE_PRELOAD_STACK_CHECK_H
#define MEMTRACE_PRELOAD_STACK_CHECK_H

#include "libtrack/preload/thread.h"
#include "libtrack/preload/unwind.h"

/*
 * Compares the trace that was just captured and given this name in block->names with a walk without
 * memo and with libunwind's steps. Differences are counted in the image's slot, and the first few
 * are printed to standard error.
 */
void stack_check(struct thread_block *block, const struct unwind_start *start,
		 struct stack_name name);

#endif
