/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stack for memtrace itself. The limit on stacks (ulimit -s) is inherited by the recorded program
 * and is meant for it; launcher, collector and reports need more than a small one.
 */
#ifndef MEMTRACE_CMD_MAIN_STACK_H
#define MEMTRACE_CMD_MAIN_STACK_H

typedef int main_function(int argument_count, char **arguments);

/*
 * Calls `function`, on a stack of its own if the limit is below what is usual; the limit stays as
 * it is. Threads get as large a stack. A single thread goes on, so signals find what they would.
 *
 * returns  what `function` returns
 */
int main_stack_call(main_function *function, int argument_count, char **arguments);

#endif
