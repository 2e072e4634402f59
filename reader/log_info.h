/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a log says besides its events: the run, the process images and their modules and threads,
 * children that were not traced, resident memory, and the end.
 */
#ifndef MEMTRACE_READER_LOG_INFO_H
#define MEMTRACE_READER_LOG_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/codec.h"
#include "common/log/leak_marks.h"
#include "common/log/log_block.h"
#include "common/status.h"

struct log_run {
	uint64_t start_realtime_ns;
	uint32_t program_pid;
	uint64_t page_bytes;
	uint64_t memory_bytes; /* of the machine */
	uint32_t unwinder;
	char *command; /* arguments joined by spaces, quoted where they need it */
	char *host;
	char *directory;
	char *version;     /* of the recorder */
	bool only_unfreed; /* blocks that were freed are in it by chance only */
};

struct log_module {
	uint32_t index; /* in its image, from 1 */
	uint32_t tracker_id;
	uint64_t start; /* addresses in the process */
	uint64_t end;
	uint64_t bias; /* address in the process minus address in the file */
	bool is_unloaded;
	char *path;
	uint8_t *build_id; /* [build_id_bytes] */
	size_t build_id_bytes;
};

struct log_thread {
	uint32_t id; /* in its own pid namespace */
	uint64_t start_us;
	char name[16];
};

enum image_origin { IMAGE_EXEC, IMAGE_FORK };

struct log_image {
	uint64_t serial;  /* by age: a log may tell of a younger image first */
	uint32_t pid;     /* as the recorder saw it */
	uint32_t own_pid; /* as the process saw it */
	uint32_t parent_pid;
	enum image_origin origin;
	uint32_t parent; /* index of the forked image, LOG_NO_IMAGE */
	uint64_t start_us;
	uint64_t end_us;
	bool has_ended;
	uint32_t loss; /* enum log_loss */
	uint32_t skipped_events;
	bool has_stack_checks; /* the unwinder was cross-checked: stack traces looked at ... */
	uint64_t checked_stacks;
	uint64_t differing_stacks; /* ... on which another one did not agree ... */
	uint64_t guessed_stacks;   /* ... and which are marked as guessed in part */
	uint64_t slack_measured;   /* allocations whose usable size was taken: they stand for ... */
	uint64_t slack_requested_bytes; /* ... some that asked for so much ... */
	uint64_t slack_usable_bytes;    /* ... and got this */
	bool was_paused; /* by the program: what was allocated meanwhile is not known */
	char *path;
	char *command;   /* arguments joined, as the run's */
	char *arguments; /* [arguments_bytes] each ended by a NUL */
	size_t arguments_bytes;
	struct log_module *modules; /* [module_count] by index - 1 */
	uint32_t module_count;
	struct log_thread *threads; /* [thread_count] */
	uint32_t thread_count;
	uint32_t thread_capacity;
	bool has_leak_marks; /* a leak scan was made; this is the last one's */
	struct leak_marks leak_marks;
};

struct log_untraced {
	uint32_t image; /* that started it */
	uint32_t pid;
	uint64_t time_us;
	char *path;
	char *reason;
};

/* What a program wanted to have noted. */
struct log_marker {
	uint32_t image;
	uint32_t thread; /* index in the image */
	uint32_t kind;   /* enum ring_marker */
	uint64_t time_us;
	char *text;
};

/* Resident memory of the tree at one instant. */
struct log_sample {
	uint64_t time_us;
	uint64_t rss_bytes; /* with the tracker's share */
	uint64_t tracker_bytes;
};

struct log_info {
	bool has_run;
	struct log_run run;
	struct log_image *images; /* [image_count] */
	uint32_t image_count;
	uint32_t image_capacity;
	struct log_untraced *untraced; /* [untraced_count] */
	size_t untraced_count;
	struct log_marker *markers; /* [marker_count] */
	size_t marker_count;
	size_t marker_capacity;
	struct log_sample *samples; /* [sample_count] */
	size_t sample_count;
	size_t sample_capacity;
	uint64_t commit_count;
	bool has_end;
	bool has_status; /* it is known how the program ended */
	int exit_status;
	int exit_signal;
	uint32_t loss;           /* enum log_loss */
	uint64_t end_us;         /* of the recording; without an end, of the last block */
	uint64_t peak_rss_bytes; /* of the tree, as sampled, and of the program, as the kernel
				    counted */
	uint64_t program_max_rss_bytes;
};

/*
 * Takes in a block.
 *
 * returns  1: it was one of these; 0: it is of another kind; MT_ERR_CORRUPT, MT_ERR_LIMIT,
 *          MT_ERR_NO_MEMORY
 */
int log_info_add(struct log_info *info, const struct log_block *block, struct byte_reader *payload,
		 struct mt_error *error) MT_MUST_CHECK;

void log_info_release(struct log_info *info);

#endif
