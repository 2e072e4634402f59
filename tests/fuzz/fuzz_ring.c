/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: words of rings, as a program that writes over them may leave them, through the
 * recording into a log. Whatever they say, the log that comes out must be a good one.
 *
 * The first eight bytes are lengths of pieces in words, used in turn; the rest is the words. Pieces
 * go to three rings in turn, and every fourth is followed by a commit.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/log/recording.h"
#include "reader/profile.h"
#include "tests/support/log_builder.h"

#define RINGS 3u
#define LENGTHS 8u

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void record(struct recording *recording, const uint8_t *lengths, const uint64_t *words,
		   size_t word_count)
{
	struct mt_error error = {0};
	uint64_t positions[RINGS] = {0};
	size_t at = 0;
	for (uint32_t piece = 0; at < word_count; piece++) {
		size_t length = lengths[piece % LENGTHS] + 1u;
		uint32_t ring = piece % RINGS;
		if (length > word_count - at)
			length = word_count - at;
		require(recording_add_piece(recording, ring, words + at, (uint32_t)length,
					    positions[ring]));
		positions[ring] += length;
		recording_set_frontier(recording, ring, piece * 16);
		require(recording_decode(recording, false, &error) == MT_OK);
		if (piece % 4 == 3)
			require(recording_commit(recording, &error) == MT_OK);
		at += length;
	}
	require(recording_decode(recording, true, &error) == MT_OK);
	require(recording_commit(recording, &error) == MT_OK);
	for (uint32_t ring = 0; ring < RINGS; ring++) {
		recording_release_ring(recording, ring);
		require(recording_decoded_position(recording, ring) == positions[ring]);
	}
}

static void end_images(struct recording *recording)
{
	struct mt_error error = {0};
	struct recorded_image *image = NULL;
	while ((image = recording_next_image(recording, image)))
		recording_end_image(recording, image, image->last_us,
				    &(struct image_end){.has_stack_checks = true});
	require(recording_commit(recording, &error) == MT_OK);
}

static void read_back(const char *path)
{
	struct loaded_log log;
	struct profile *profile = NULL;
	struct mt_error error = {0};
	require(loaded_log_read(&log, path, NULL, &error) == MT_OK);
	require(log.damage.status == MT_OK);
	if (profile_new(&log, &profile, &error) == MT_OK)
		profile_free(profile);
	loaded_log_release(&log);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
	struct log_builder builder;
	if (size_bytes < LENGTHS + 8)
		return 0;
	size_t word_count = (size_bytes - LENGTHS) / 8;
	uint64_t *words = malloc(word_count * sizeof(*words));
	require(words);
	memcpy(words, bytes + LENGTHS, word_count * sizeof(*words));
	log_builder_init(&builder);
	struct recording *recording = recording_new(&builder.writer, NULL, &builder.pages);
	require(recording);
	record(recording, bytes, words, word_count);
	end_images(recording);
	recording_free(recording);
	free(words);
	log_builder_close(&builder);
	read_back(builder.path);
	log_builder_remove(&builder);
	return 0;
}
