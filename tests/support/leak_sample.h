/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A profile with leaks, made up by a test. A call that fails aborts the test. */
#ifndef MEMTRACE_TESTS_SUPPORT_LEAK_SAMPLE_H
#define MEMTRACE_TESTS_SUPPORT_LEAK_SAMPLE_H

#include "reader/leak_list.h"

#define LEAK_SAMPLE_NODES 64

struct sample_frame {
	const char *function;
	const char *file; /* may be NULL */
	uint32_t line;
	const char *module; /* NULL: /bin/prog */
};

struct leak_sample {
	struct loaded_log log;
	struct profile profile;
	struct log_image images[4];
	struct profile_frame frames[LEAK_SAMPLE_NODES];
	struct profile_node nodes[LEAK_SAMPLE_NODES];
	struct profile_mark marks[LEAK_SAMPLE_NODES];
};

/* One process, number 100, that was scanned at its end and exited with 0. */
void leak_sample_init(struct leak_sample *sample);
void leak_sample_release(struct leak_sample *sample);

/* The node of a stack trace: `frames`, innermost first, ended by one without a function. */
uint32_t leak_sample_stack(struct leak_sample *sample, const struct sample_frame *frames);

/* Blocks of the first process, allocated by malloc at that stack trace. */
void leak_sample_mark(struct leak_sample *sample, uint32_t node, enum leak_kind kind,
		      uint64_t bytes, uint64_t blocks);

#endif
