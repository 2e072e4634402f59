/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The environment of a traced process.
 *
 * LD_PRELOAD names libmemtrace.so first, and ENV_SESSION is the absolute path of the segment.
 * The tracker takes both out of the environment that the program sees and puts them back
 * when the program starts another one.
 */
#ifndef MEMTRACE_COMMON_ENV_H
#define MEMTRACE_COMMON_ENV_H

#define ENV_SESSION "MEMTRACE_SESSION"
#define ENV_PRELOAD "LD_PRELOAD"

/* Set for `memtrace run` by tests: each stack trace is compared with other unwinders'. */
#define ENV_CROSS_CHECK "MEMTRACE_CROSS_CHECK"

#define TRACKER_FILE_NAME "libmemtrace.so"

#endif
