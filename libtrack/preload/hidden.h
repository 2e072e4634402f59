/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HIDDEN marks variables that the tracker's files share. The compiler's -fvisibility=hidden covers
 * definitions only; told at the declaration, it addresses them directly and not through the table
 * of global offsets.
 */
#ifndef MEMTRACE_PRELOAD_HIDDEN_H
#define MEMTRACE_PRELOAD_HIDDEN_H

#define HIDDEN __attribute__((visibility("hidden")))

#endif
