/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes the seeds of the corpus: make_corpus DIRECTORY, which has a directory log and a directory
 * ring. Run by hand when the format grows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reader/finish.h"
#include "tests/support/log_builder.h"
#include "tests/support/ring_builder.h"

static void copy(const char *from, const char *directory, const char *name)
{
	char path[4096];
	char bytes[1 << 16];
	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	FILE *in = fopen(from, "rb");
	FILE *out = fopen(path, "wb");
	if (!in || !out)
		abort();
	size_t count = fread(bytes, 1, sizeof(bytes), in);
	if (fwrite(bytes, 1, count, out) != count)
		abort();
	(void)fclose(in);
	if (fclose(out) != 0)
		abort();
}

static void fill(struct log_builder *builder)
{
	uint32_t image = log_builder_image(builder, 100, -1);
	uint32_t child = log_builder_image(builder, 101, 0);
	log_builder_module(builder, image, "/bin/prog");
	log_builder_thread(builder, image, 0, "main");
	uint32_t stack = log_builder_stack(builder, image, (const uint64_t[]){0x10, 0x20, 0});
	for (uint64_t i = 0; i < 20; i++) {
		log_builder_event(
			builder, image,
			&(struct builder_event){.operation = (enum event_operation)(i % 5),
						.kind = (enum allocation_kind)(i % 3),
						.thread = (uint32_t)(i % 2),
						.time_us = i * 100,
						.address = 0x1000 + i % 4 * 16,
						.size_bytes = i * 7,
						.stack = stack,
						.interval_bytes = i / 10 * 512});
		if (i % 7 == 6)
			log_builder_commit(builder);
	}
	log_builder_event(builder, child, &(struct builder_event){.address = 16, .time_us = 2000});
	log_builder_commit(builder);
	log_builder_slack(builder, child, 2, 1000, 1300);
	log_builder_image_end(builder, child, 3000);
	log_builder_end(builder, 4000, 0);
}

/* One ring's words with every record in them, in a piece of its own for each ring. */
static void fill_ring(struct ring_builder *ring, uint64_t serial)
{
	static const uint64_t frames[] = {0x401000, 0x402000 | RING_FRAME_GUESSED, 0x900000, 0};
	static const uint64_t more[] = {0x403000 | RING_FRAME_EXACT, 0};
	ring_builder_stamp(ring, 1);
	ring_builder_epoch(ring, 10);
	if (serial == 1)
		ring_builder_image(ring, serial, 100, "/bin/prog", "prog");
	ring_builder_thread(ring, serial, serial == 2, 100);
	ring_builder_module(ring, 0, 0x400000, 0x500000, "");
	ring_builder_module(ring, 1, 0x900000, 0x910000, "/lib/x.so");
	ring_builder_stack(ring, 1, 0, frames);
	ring_builder_event(ring, RING_ALLOCATE, 1, 0x1000, 24);
	ring_builder_stack(ring, 2, 1, more);
	ring_builder_stamp(ring, 2);
	ring_builder_event(ring, RING_ALLOCATE, 2, 0x1003, 25);
	ring_builder_event(ring, RING_MOVE_BEGIN, 0, 0x1000, 0);
	ring_builder_event(ring, RING_MOVE_FAILED, 0, 0x1000, 0);
	ring_builder_epoch(ring, 20);
	ring_builder_event(ring, RING_MOVE_BEGIN, 0, 0x1003, 0);
	ring_builder_event(ring, RING_MOVE_END, 1, 0x2000, 26);
	ring_builder_interval(ring, 512);
	ring_builder_event(ring, RING_ALLOCATE, 1, 0x3000, 24);
	ring_builder_stamp(ring, 3);
	ring_builder_unload(ring, 1);
	ring_builder_name(ring, 100, "worker");
	ring_builder_untraced(ring, 101, "/bin/static", "statically linked");
	ring_builder_event(ring, RING_RELEASE, 0, 0x2000, 0);
	ring_builder_event(ring, RING_RELEASE, 0, 0x7000, 0);
}

static void write_ring(const char *directory)
{
	struct ring_builder ring = {0};
	char path[4096];
	uint8_t lengths[8];
	for (uint64_t i = 0; i < 3; i++) {
		size_t begin = ring.count;
		fill_ring(&ring, i + 1);
		memset(lengths + i, (int)(ring.count - begin - 1), sizeof(lengths) - (size_t)i);
	}
	(void)snprintf(path, sizeof(path), "%s/ring/records", directory);
	FILE *out = fopen(path, "wb");
	if (!out || fwrite(lengths, 1, sizeof(lengths), out) != sizeof(lengths) ||
	    fwrite(ring.words, 8, ring.count, out) != ring.count || fclose(out) != 0)
		abort();
	ring_builder_release(&ring);
}

int main(int count, char **arguments)
{
	struct log_builder builder;
	struct finish_options options = {.checkpoint_events = 1};
	struct finish_result result;
	struct mt_error error;
	if (count != 2)
		return 2;
	log_builder_init(&builder);
	fill(&builder);
	log_builder_close(&builder);
	copy(builder.path, arguments[1], "log/raw.mtlog");
	if (finish_log(builder.path, &options, &result, &error) != MT_OK)
		return 1;
	copy(builder.path, arguments[1], "log/finished.mtlog");
	log_builder_remove(&builder);
	write_ring(arguments[1]);
	return 0;
}
