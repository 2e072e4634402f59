/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a program that knows LeakSanitizer says of leak checks: by functions that it defines, and
 * that LeakSanitizer's runtime calls where it is linked in.
 *
 * A library of the program's, or an executable that exports them, is asked through the loader. Most
 * executables don't export them: their own table of symbols says where they are.
 */
#ifndef MEMTRACE_PRELOAD_LEAK_WISHES_H
#define MEMTRACE_PRELOAD_LEAK_WISHES_H

#include <stdbool.h>
#include <stddef.h>

struct leak_wishes {
	const char *suppressions; /* [suppressions_bytes] the program's; NULL: none */
	size_t suppressions_bytes;
	bool is_turned_off; /* no leak of this process counts */
};

/*
 * Asks the program. Its functions run: to be called where the program could call something itself,
 * and not in a signal handler.
 */
void leak_wishes_ask(void);

/* What it said when it was asked last. */
struct leak_wishes leak_wishes_known(void);

#endif
