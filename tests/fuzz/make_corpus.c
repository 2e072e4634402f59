/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes the seeds of the corpus: make_corpus DIRECTORY. Run by hand when the format grows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reader/finish.h"
#include "tests/support/log_builder.h"

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
	log_builder_image_end(builder, child, 3000);
	log_builder_end(builder, 4000, 0);
}

int main(int count, char **arguments)
{
	struct log_builder builder;
	struct finish_options options = {0};
	struct finish_result result;
	struct mt_error error;
	if (count != 2)
		return 2;
	log_builder_init(&builder);
	fill(&builder);
	log_builder_close(&builder);
	copy(builder.path, arguments[1], "raw.mtlog");
	if (finish_log(builder.path, &options, &result, &error) != MT_OK)
		return 1;
	copy(builder.path, arguments[1], "finished.mtlog");
	log_builder_remove(&builder);
	return 0;
}
