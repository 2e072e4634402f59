/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The collector: the process that turns what traced processes publish into a log.
 *
 * It sits in its own session beside the launcher, knows the processes of the tree by pidfds, and
 * ends after the last of them. Log and segment are made before there is a process for it, so that
 * the program can start while it gets ready. With the launcher it talks through one SOCK_SEQPACKET
 * pair:
 *
 *   collector -> launcher   collector_ready: recording can start, or why it can't
 *   collector -> launcher   collector_news: what becomes of the log
 *   launcher -> collector   collector_ended: the program's start and its end; the launcher's end
 *                           without them means that it was killed: recording goes on
 */
#ifndef MEMTRACE_COLLECTOR_COLLECTOR_H
#define MEMTRACE_COLLECTOR_COLLECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/log/recording.h"
#include "common/segment.h"
#include "common/status.h"
#include "libtrack/collector/leak_scan.h"
#include "libtrack/collector/sampling_control.h"

struct module_files;
struct segment_file;

/*
 * Who looks at the log while it grows, in the collector's process and thread. Told now and then
 * that the log, which is open as `log_fd`, has so many events, and whole commits up to `end_bytes`,
 * if it has become so much longer that this is worth while.
 */
struct log_watcher {
	void *context;
	void (*grown)(void *context, int log_fd, const struct recording *recording,
		      uint64_t event_count, uint64_t end_bytes);
	struct event_copier copier;
};

struct collector_options {
	const char *log_path;
	bool overwrites; /* an existing log */
	enum unwinder_kind unwinder;
	bool no_children;
	bool leak_check;   /* scan every process for leaks when it ends; with exact sampling only */
	bool scrub;        /* with leak_check: zero blocks before they are freed */
	bool only_unfreed; /* with leak_check: of what is freed again the log need not know */
	struct leak_interest interest; /* in what scans at the end of a process find */
	bool is_hasty;                 /* the log may be larger than need be: nobody keeps it */
	struct sampling_options sampling;
	const struct log_watcher *watcher; /* NULL: nobody */
	const char *const *arguments;      /* [argument_count] of the program, for the log */
	size_t argument_count;
	pid_t program_pid;
};

struct collector_ready {
	enum mt_status status; /* MT_OK, else `message` says why */
	char message[256];
	char log_path[4096]; /* absolute */
};

enum program_event {
	PROGRAM_STARTED = 1,
	PROGRAM_NOT_STARTED = 2, /* it could not be executed: no log is left */
	PROGRAM_ENDED = 3,
	TREE_ENDS = 4, /* what the program has left behind is to be killed, as its pid 1 does */
};

struct collector_ended {
	enum program_event event;
	int wait_status;        /* as waitpid gives it */
	uint64_t max_rss_bytes; /* of the program alone; 0: not known */
};

enum recording_event {
	RECORDING_LOST = 0,    /* never sent: what the launcher takes for granted without news */
	RECORDING_GOES_ON = 1, /* the program ended, others of its tree run */
	RECORDING_OVER = 2,    /* the tree has ended; the log is being finished */
	LOG_FINISHED = 3,      /* `text` is for the closing line; or it is as it was recorded */
	LOG_PROGRESS = 4,      /* finishing takes long: `text` says how far it is */
};

struct collector_news {
	enum recording_event event;
	uint32_t process_count;      /* that go on */
	uint64_t failed_allocations; /* calls for which there was no memory */
	bool is_unfinished;          /* LOG_FINISHED: finishing the log is left to the launcher */
	char text[512];
};

/* How a recording went, for whoever finishes the log. */
struct collector_result {
	bool is_discarded; /* the program was not started, and no log is left */
	bool was_traced;   /* at least one process took part */
	uint64_t failed_allocations;
	bool is_cut; /* writing failed: the log ends early, `message` says why */
	char message[256];
	int log_fd; /* open and locked; -1 if discarded */
	/* The collector's; they live until the process ends. The segment's file is removed, and its
	 * blocks are given back when it is released, or the process ends, which takes milliseconds.
	 * NULL: discarded */
	struct segment_file *segment;
	struct module_files *module_files;
};

struct collector;

/*
 * Makes the log and the segment. The process ignores SIGXFSZ.
 *
 * options  in use for as long as the collector
 * error    MT_ERR_IO: no room, no right to write, there is a log of that name; nothing is left then
 */
enum mt_status collector_open(struct collector **ret_collector,
			      const struct collector_options *options,
			      struct mt_error *error) MT_MUST_CHECK;

/*
 * Tells what a traced process opens, where the collector is run by process `pid`.
 *
 * pid      0: there is no such process yet
 * returns  false if it needs to be known
 */
bool collector_session(const struct collector *collector, pid_t pid, char *session,
		       size_t capacity);

/* Leaves it to a child of fork, which runs it; in the parent. */
void collector_leave(struct collector *collector);

/* Gives it up before anybody has run it: nothing is left. */
void collector_discard(struct collector *collector);

/*
 * Collects until the tree has ended. Called in a process of its own, whose descriptors, signals
 * and session it changes.
 *
 * control_fd  the pair's end, owned
 * returns     MT_OK unless recording could not even start; then the launcher was told why, which
 *             discards the collector when the program is no more
 */
enum mt_status collector_run(struct collector *collector, int control_fd,
			     struct collector_result *ret_result,
			     struct mt_error *error) MT_MUST_CHECK;

#endif
