/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Libraries that dlopen loads with RTLD_DEEPBIND: they look symbols up in themselves and in what
 * they need first, so their malloc is libc's own and no hook sees it. Their references are
 * exchanged for the hooks when dlopen has returned.
 *
 * For that dlopen has to return to us, and then the caller that the loader sees is memtrace, not
 * the program. The caller's RUNPATH and RPATH may decide which files are found, and what $ORIGIN
 * means. So it is only done where the caller makes no difference; every other call is passed on as
 * it came, and what such a library allocates is not seen.
 *
 * What the constructors of such a library allocate is not seen either.
 */
#ifndef MEMTRACE_PRELOAD_DEEPBIND_H
#define MEMTRACE_PRELOAD_DEEPBIND_H

#include <stdbool.h>

/* Says whether a call of dlopen from the instruction before `caller` is for deepbind_open(). */
bool deepbind_is_due(const char *path, int mode, const void *caller);

/* returns  as dlopen does */
void *deepbind_open(const char *path, int mode);

#endif
