/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starts a program under a collector, stands in for it towards the shell, and ends as it ended.
 */
#ifndef MEMTRACE_CMD_LAUNCHER_H
#define MEMTRACE_CMD_LAUNCHER_H

#include <stdbool.h>
#include <sys/types.h>

#include "libtrack/collector/collector.h"

struct memory_limit;

struct launch_options {
	const char *program_path; /* file to execute */
	char *const *arguments;   /* [..] NULL-terminated, [0] is the name it was called by */
	const char *log_path;     /* NULL: memtrace.PROGRAM.PID.mtlog */
	bool overwrites;
	bool is_quiet;
	enum unwinder_kind unwinder;
	bool no_children;
	bool leak_check; /* see struct collector_options */
	bool no_scrub;
	bool only_unfreed;
	struct leak_interest interest;
	struct sampling_options sampling;
	bool no_symbols;
	/* Few will read the log: the collector need not finish it if the launcher can find all
	 * names itself, nor make it small. */
	bool finishes_log;
	uint32_t only_leak_symbols; /* names for a report on leaks of these kinds; 0: all names */
	unsigned tree_wait_s; /* how long to wait for processes that the program leaves behind */
	struct memory_limit *limit; /* filled in before the program starts; NULL: not wanted */
};

struct launch_result {
	int exit_status;   /* for the shell: the program's, 128 + signal, or EXIT_* of cmd/command.h
			    */
	bool was_recorded; /* the program was started, and there is a log at log_path */
	char log_path[4096];
	struct collector_news news; /* how the recording stands */
	pid_t program_pid;
	int wait_status;        /* the program's */
	uint64_t max_rss_bytes; /* the program's */
};

/* What is done in the collector's process, whose copy `context` is used. */
struct recorder_work {
	void *context;
	const struct log_watcher *watcher; /* as in struct collector_options */
	/*
	 * When the recording is over: finishes the log, unless that is left to the launcher, and
	 * ends by sending LOG_FINISHED through `control_fd`. The launcher's end of that stays open
	 * then until its process ends, which tells the collector that it may end as well.
	 */
	void (*finish)(void *context, const struct launch_options *options, const char *log_path,
		       const struct collector_result *result, int control_fd);
};

/* Runs a program to its end, and prints errors about what keeps it from being started. */
void launch(const struct launch_options *options, const struct recorder_work *work,
	    struct launch_result *ret_result);

#endif
