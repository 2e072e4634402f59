/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/support/recording_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			(void)fprintf(stderr, "recording_rig: %s failed\n", #condition);           \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static void save_decoders(void *context, uint64_t number)
{
	struct recording_rig *rig = context;
	drain_save_decoders(&rig->drain, number);
}

static void begin(struct recording_rig *rig, uint32_t chunk_count)
{
	struct mt_error error;
	REQUIRE(segment_file_create(&rig->segment, rig->builder.path, &error) == MT_OK);
	while (rig->segment.chunk_count < chunk_count)
		REQUIRE(segment_file_grow(&rig->segment, &error) == MT_OK);
	rig->segment.header->start_realtime_ns = LOG_BUILDER_START_NS;
	address_pages_init(&rig->pages, &rig->segment);
	rig->observer = (struct recording_observer){.context = rig, .committing = save_decoders};
	rig->recording = recording_new(&rig->builder.writer, &rig->observer, &rig->pages.source);
	REQUIRE(rig->recording);
	rig->drain = (struct drain){.segment = &rig->segment, .recording = rig->recording};
	recording_rig_commit(rig);
}

void recording_rig_init(struct recording_rig *rig, uint32_t chunk_count)
{
	memset(rig, 0, sizeof(*rig));
	log_builder_init(&rig->builder);
	begin(rig, chunk_count);
}

void recording_rig_init_unfreed(struct recording_rig *rig, uint32_t chunk_count)
{
	memset(rig, 0, sizeof(*rig));
	log_builder_init_unfreed(&rig->builder);
	begin(rig, chunk_count);
	recording_log_used_stacks(rig->recording);
}

void recording_rig_release(struct recording_rig *rig)
{
	recording_free(rig->recording);
	address_pages_release(&rig->pages);
	segment_file_release(&rig->segment, true);
	log_builder_remove(&rig->builder);
}

void recording_rig_publish(struct recording_rig *rig, uint32_t ring, uint32_t image_slot,
			   const struct ring_builder *built)
{
	struct ring_header *header = segment_file_ring(&rig->segment, ring);
	uint64_t *words = (uint64_t *)segment_file_words(&rig->segment, ring);
	uint64_t head = atomic_load(&header->head);
	REQUIRE(head + built->count - atomic_load(&header->tail) <= RING_WORDS);
	for (size_t i = 0; i < built->count; i++)
		words[(head + i) % RING_WORDS] = built->words[i];
	atomic_store(&header->owner, image_slot + 1);
	atomic_store(&header->head, head + built->count);
}

uint64_t recording_rig_round(struct recording_rig *rig, uint64_t now_us)
{
	struct mt_error error = {0};
	bool has_more = false;
	uint64_t taken = drain_rings(&rig->drain, now_us, &has_more);
	REQUIRE(recording_decode(rig->recording, false, &error) == MT_OK);
	if (has_more || drain_spool_used(&rig->drain) > rig->segment.spool_bytes / 2)
		recording_rig_commit(rig);
	drain_forget_committed(&rig->drain);
	return taken + has_more;
}

void recording_rig_commit(struct recording_rig *rig)
{
	struct mt_error error = {0};
	REQUIRE(recording_commit(rig->recording, &error) == MT_OK);
	drain_forget_committed(&rig->drain);
}

void recording_rig_finish(struct recording_rig *rig, uint32_t image_slot)
{
	struct mt_error error = {0};
	drain_finish_rings(&rig->drain, image_slot);
	REQUIRE(recording_decode(rig->recording, false, &error) == MT_OK);
	recording_rig_commit(rig);
}
