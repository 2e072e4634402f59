/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a hook's caller to the name of its stack trace: unwinder, modules, names. */
#ifndef MEMTRACE_PRELOAD_STACK_CAPTURE_H
#define MEMTRACE_PRELOAD_STACK_CAPTURE_H

#include "libtrack/preload/thread.h"
#include "libtrack/preload/unwind.h"

/*
 * Captures and names the stack trace of a hook's caller. Modules that it runs through are announced
 * in the ring; a new name is for the caller to define, from block->names.
 */
struct stack_name stack_capture(struct thread_block *block, const struct unwind_start *start);

/*
 * The same for a trace that may have a number (deferred_blocks.h), which does as well.
 *
 * ret_name  set if there is none
 * returns   the number; 0: it has none yet
 */
uint32_t stack_capture_number(struct thread_block *block, const struct unwind_start *start,
			      struct stack_name *ret_name);

/* The trace that was captured last, with this name, has a number now. */
void stack_capture_numbered(struct thread_block *block, struct stack_name name, uint32_t number);

/* In a fork's child, whose threads' blocks are gone. */
void stack_capture_enter_child(void);

#endif
