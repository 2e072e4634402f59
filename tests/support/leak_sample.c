/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/support/leak_sample.h"

#include <stdlib.h>
#include <string.h>

static uint32_t text_of(struct leak_sample *sample, const char *text)
{
	uint32_t number = text ? string_table_add(&sample->profile.strings, text, strlen(text)) : 0;
	if (number == STRING_NONE)
		abort();
	return number;
}

void leak_sample_init(struct leak_sample *sample)
{
	*sample = (struct leak_sample){0};
	sample->images[0] = (struct log_image){
		.pid = 100,
		.path = (char *)"/bin/prog",
		.has_ended = true,
		.has_leak_marks = true,
		.end_us = 5000000,
	};
	sample->log.info = (struct log_info){
		.images = sample->images,
		.image_count = 1,
		.has_end = true,
		.has_status = true,
		.end_us = 5000000,
		.run = {.program_pid = 100, .command = (char *)"prog <arg> \"x\""},
	};
	sample->log.replay.was_exact = true;
	sample->profile.log = &sample->log;
	sample->profile.frames = sample->frames;
	sample->profile.nodes = sample->nodes;
	sample->profile.marks = sample->marks;
	sample->profile.node_count = 1;
	if (!string_table_init(&sample->profile.strings))
		abort();
}

void leak_sample_release(struct leak_sample *sample)
{
	string_table_release(&sample->profile.strings);
}

uint32_t leak_sample_stack(struct leak_sample *sample, const struct sample_frame *frames)
{
	size_t count = 0;
	uint32_t parent = 0;
	while (frames[count].function)
		count++;
	for (size_t i = count; i-- > 0;) {
		uint32_t index = sample->profile.node_count++;
		if (index >= LEAK_SAMPLE_NODES)
			abort();
		sample->profile.frame_count = index + 1;
		sample->frames[index] = (struct profile_frame){
			.function = text_of(sample, frames[i].function),
			.file = text_of(sample, frames[i].file),
			.line = frames[i].line,
			.module = text_of(sample,
					  frames[i].module ? frames[i].module : "/bin/prog"),
		};
		sample->nodes[index] = (struct profile_node){parent, index};
		parent = index;
	}
	return parent;
}

void leak_sample_mark(struct leak_sample *sample, uint32_t node, enum leak_kind kind,
		      uint64_t bytes, uint64_t blocks)
{
	if (sample->profile.mark_count >= LEAK_SAMPLE_NODES)
		abort();
	sample->marks[sample->profile.mark_count++] = (struct profile_mark){
		.node = node,
		.leak_kind = kind,
		.bytes = bytes,
		.blocks = blocks,
		.oldest_us = kind == LEAK_UNCLASSIFIED ? 0 : 1000000,
		.newest_us = kind == LEAK_UNCLASSIFIED ? 0 : 2000000,
		.scan_us = kind == LEAK_UNCLASSIFIED ? 0 : 4500000,
	};
}
