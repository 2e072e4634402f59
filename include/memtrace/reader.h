/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libmemtrace-reader: reads what `memtrace run` has recorded.
 *
 * A log is opened whole; what it says can then be asked for in any order. Nothing is written, and
 * nothing is printed. Everything that a call hands out belongs to the log (or window) and lives
 * until it is closed. Different logs may be used by different threads at the same time; one log by
 * one thread at a time.
 *
 *	struct memtrace_error error;
 *	struct memtrace_log *log = memtrace_log_open("prog.mtlog", NULL, &error);
 *	if (!log)
 *		errx(1, "%s", error.message);
 *	for (size_t i = 0; i < memtrace_row_count(log); i++) {
 *		struct memtrace_row row = {.struct_bytes = sizeof(row)};
 *		memtrace_row(log, i, &row);
 *		...
 *	}
 *	memtrace_log_close(log);
 *
 * Structs that are filled in begin with their size, which the caller sets: later versions append
 * fields, and fill in those that the caller knows. Sizes are in bytes, times in microseconds since
 * the recording began. In a sampled recording figures are what the samples stand for.
 */
#ifndef MEMTRACE_READER_PUBLIC_H
#define MEMTRACE_READER_PUBLIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MEMTRACE_PUBLIC __attribute__((visibility("default")))
#else
#define MEMTRACE_PUBLIC
#endif

struct memtrace_log;
struct memtrace_window;

enum memtrace_status {
	MEMTRACE_OK = 0,
	MEMTRACE_ERROR_FILE = 1,   /* it cannot be read */
	MEMTRACE_ERROR_FORMAT = 2, /* it is no log, is damaged, or of a later version */
	MEMTRACE_ERROR_MEMORY = 3,
	MEMTRACE_ERROR_ARGUMENT = 4 /* no such process; a window that ends before it begins */
};

struct memtrace_error {
	enum memtrace_status status;
	char message[256];
};

struct memtrace_options {
	size_t struct_bytes;
	uint64_t pid;              /* of this process only; 0: of all */
	uint32_t temporary_window; /* a block is temporary if its thread frees it within its next
				      so many allocations; 0: 1 */
};

/*
 * Opens a log, whether it is finished, still being recorded, or cut off: then what is there is
 * used, and memtrace_log_info tells what is missing.
 *
 * options  NULL: none
 * error    NULL, or filled in on failure
 * returns  NULL: failure
 */
MEMTRACE_PUBLIC struct memtrace_log *memtrace_log_open(const char *path,
						       const struct memtrace_options *options,
						       struct memtrace_error *error);
MEMTRACE_PUBLIC void memtrace_log_close(struct memtrace_log *log);

struct memtrace_info {
	size_t struct_bytes;
	const char *command;
	const char *host;
	const char *version;           /* of memtrace, when it recorded */
	const char *mode;              /* "exact", "sampled" or "mixed" */
	const char *incomplete_reason; /* NULL: the log is complete */
	uint64_t start_ns;             /* since 1970 */
	uint64_t end_us;
	uint64_t event_count;
	bool has_names; /* false: functions are module+0xoffset */
};

MEMTRACE_PUBLIC void memtrace_log_info(const struct memtrace_log *log,
				       struct memtrace_info *ret_info);

struct memtrace_totals {
	size_t struct_bytes;
	uint64_t allocations;
	uint64_t deallocations;
	uint64_t reallocations; /* counted in both of the above too */
	uint64_t allocated_bytes;
	uint64_t temporary_allocations; /* not known in a sampled recording: 0 */
	uint64_t live_allocations;      /* never freed */
	uint64_t live_bytes;
	uint64_t peak_bytes; /* largest sum of live bytes at one time */
	uint64_t peak_us;
	uint64_t anomalies; /* events that did not fit together */
};

/* Of all processes together, or of the one that was asked for. */
MEMTRACE_PUBLIC void memtrace_log_totals(const struct memtrace_log *log,
					 struct memtrace_totals *ret_totals);

/* Process images: a process from its fork or exec up to its next exec or its end. */
struct memtrace_process {
	size_t struct_bytes;
	uint64_t pid;
	uint64_t parent_pid;
	const char *path;
	const char *command;
	uint64_t start_us;
	uint64_t end_us; /* of those that have not ended: of the recording */
	bool has_ended;
	size_t thread_count;
	uint64_t peak_bytes; /* its own */
	uint64_t live_bytes;
};

MEMTRACE_PUBLIC size_t memtrace_process_count(const struct memtrace_log *log);
MEMTRACE_PUBLIC bool memtrace_process(const struct memtrace_log *log, size_t process,
				      struct memtrace_process *ret_process);

/* The name of a thread of a process, "" if it has none; NULL: there is no such thread. */
MEMTRACE_PUBLIC const char *memtrace_thread_name(const struct memtrace_log *log, size_t process,
						 size_t thread);

/*
 * Nodes of the call tree. Node 0 is the root of all; any other is a frame that was called from its
 * parent, whose number is smaller. Inlined functions are frames of their own.
 */
struct memtrace_node {
	size_t struct_bytes;
	size_t parent;
	const char *function; /* "module+0xoffset" where there is no name */
	const char *file;     /* "": not known */
	uint32_t line;        /* 0: not known */
	const char *module;   /* path of the ELF file; "": none */
	bool is_inlined;      /* into its parent */
	bool is_guessed;      /* found without an unwind table */
	bool is_cut;          /* no frame: stands for those further out that were not recorded */
};

MEMTRACE_PUBLIC size_t memtrace_node_count(const struct memtrace_log *log);
MEMTRACE_PUBLIC bool memtrace_node(const struct memtrace_log *log, size_t node,
				   struct memtrace_node *ret_node);

/*
 * Rows: what one stack trace has cost, in one thread, by one kind of function. The sums over all
 * rows are the totals; those over the rows of a node and of all below it are the node's.
 */
struct memtrace_row {
	size_t struct_bytes;
	size_t node; /* of the innermost frame */
	size_t process;
	size_t thread;    /* of the process */
	const char *kind; /* "malloc", "calloc", "realloc", "aligned", "mmap", "brk", "pool" */
	uint64_t allocations;
	uint64_t allocated_bytes;
	uint64_t temporary_allocations;
	uint64_t peak_blocks; /* live at the peak */
	uint64_t peak_bytes;
	uint64_t live_blocks; /* never freed */
	uint64_t live_bytes;
};

MEMTRACE_PUBLIC size_t memtrace_row_count(const struct memtrace_log *log);
MEMTRACE_PUBLIC bool memtrace_row(const struct memtrace_log *log, size_t row,
				  struct memtrace_row *ret_row);

/*
 * How long a row's blocks lived that were freed: ret_counts[0] is of those that were freed at the
 * time they were made, as far as the clock tells, which moves about every millisecond;
 * ret_counts[b] is of those that lived for [2^(b-1), 2^b) microseconds, and the last bucket of all
 * that lived longer.
 *
 * ret_counts  [count]
 * returns     false: not known, the log was finished by an older memtrace; or there is no such row
 */
MEMTRACE_PUBLIC bool memtrace_row_lifetimes(const struct memtrace_log *log, size_t row,
					    uint64_t *ret_counts, size_t count);

/* The heap over time, of all processes together. */
struct memtrace_point {
	size_t struct_bytes;
	uint64_t time_us;
	uint64_t live_bytes; /* then */
	uint64_t max_bytes;  /* largest since the point before */
};

MEMTRACE_PUBLIC size_t memtrace_point_count(const struct memtrace_log *log);
MEMTRACE_PUBLIC bool memtrace_point(const struct memtrace_log *log, size_t point,
				    struct memtrace_point *ret_point);

/*
 * A window: from from_us up to and with to_us. An instant is the window of which only the end
 * counts. The log is read again, from the last checkpoint before the window.
 *
 * to_us    UINT64_MAX: to the end of the recording
 * returns  NULL: failure
 */
MEMTRACE_PUBLIC struct memtrace_window *memtrace_window_open(const struct memtrace_log *log,
							     uint64_t from_us, uint64_t to_us,
							     struct memtrace_error *error);
MEMTRACE_PUBLIC void memtrace_window_close(struct memtrace_window *window);

struct memtrace_window_row {
	size_t struct_bytes;
	uint64_t allocations; /* in the window */
	uint64_t allocated_bytes;
	uint64_t surviving_blocks; /* of these, live at its end */
	uint64_t surviving_bytes;
	uint64_t live_blocks; /* live at its end, whenever allocated */
	uint64_t live_bytes;
};

/* Of a row of the log: memtrace_row tells whose. */
MEMTRACE_PUBLIC bool memtrace_window_row(const struct memtrace_window *window, size_t row,
					 struct memtrace_window_row *ret_row);

#ifdef __cplusplus
}
#endif

#endif
