/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/collector/drain.h"

#include <stdlib.h>
#include <string.h>

#include "common/counter.h"
#include "common/sys.h"

/*
 * A thread sets `busy`, reads its stamp, and publishes; a group that is not published when we look
 * has a stamp above the one we read before we looked, unless `busy` was set. The margin covers the
 * time that the store to `busy` may linger in the other processor's store buffer.
 */
#define STAMP_MARGIN (1u << 16)
#define ASIDE_WORDS 1024u
#define STUCK_US 200000u /* a thread that is stopped in the middle of a group: go on without it */

/* Traced processes map the header too: what is computed with is ours, and theirs is a copy. */
static void move_spool_head(struct drain *drain, uint64_t bytes)
{
	drain->spool_head += bytes;
	atomic_store_explicit(&drain->segment->header->spool_head, drain->spool_head,
			      memory_order_release);
}

/* Leaves out what is left up to the spool's end. `to_end` bytes of it are free. */
static void skip_to_end(struct drain *drain, uint64_t to_end)
{
	uint64_t at = drain->spool_head % drain->segment->spool_bytes;
	if (to_end >= sizeof(struct spool_piece)) {
		struct spool_piece *skip = (struct spool_piece *)(void *)(drain->segment->spool +
									  at);
		*skip = (struct spool_piece){.ring = SPOOL_SKIP};
	}
	move_spool_head(drain, to_end);
}

/*
 * Room for a piece of `word_count` words in one stretch.
 * returns  NULL if the spool is too full
 */
static struct spool_piece *spool_reserve(struct drain *drain, uint32_t word_count)
{
	uint64_t spool_bytes = drain->segment->spool_bytes;
	uint64_t size_bytes = sizeof(struct spool_piece) + (uint64_t)word_count * 8;
	uint64_t at = drain->spool_head % spool_bytes;
	uint64_t to_end = spool_bytes - at;
	uint64_t skipped = to_end < size_bytes ? to_end : 0;
	if (spool_bytes - drain_spool_used(drain) < size_bytes + skipped)
		return NULL;
	if (skipped)
		skip_to_end(drain, skipped);
	at = drain->spool_head % spool_bytes;
	return (struct spool_piece *)(void *)(drain->segment->spool + at);
}

static void copy_words(uint64_t *destination, const uint64_t *ring_words, uint64_t position,
		       uint32_t count)
{
	uint32_t at = (uint32_t)(position % RING_WORDS);
	uint32_t first = RING_WORDS - at < count ? RING_WORDS - at : count;
	memcpy(destination, ring_words + at, (size_t)first * 8);
	memcpy(destination + first, ring_words, (size_t)(count - first) * 8);
}

/* Words that a ring may still have in the spool: its share of three quarters, so that newcomers
 * find room too. */
static uint64_t share_left(const struct drain *drain, uint32_t index, uint64_t tail)
{
	uint64_t words = drain->segment->spool_bytes / 8 / 4 * 3;
	uint64_t share = words / (drain->ring_count ? drain->ring_count : 1);
	uint64_t used = tail - recording_committed_position(drain->recording, index);
	return used < share ? share - used : 0;
}

/*
 * How much of a ring to take if no more than `limit` words may be: whole groups (from one stamp to
 * the next), else whole records.
 *
 * must     take the first group even if it is longer
 */
static uint32_t whole_groups(const uint64_t *words, uint64_t tail, uint32_t count, uint64_t limit,
			     bool must)
{
	uint32_t groups = 0;
	uint32_t records = 0;
	for (uint64_t at = 0; at < count;) {
		uint64_t word = words[(tail + at) % RING_WORDS];
		size_t length = ring_record_words(word);
		bool begins_group = at > 0 && (word & RING_TYPE_MASK) == RING_STAMP;
		if (length == 0 || length > count - at)
			return count; /* nonsense: the decoder will say so */
		if (at > limit && (records || !must))
			break;
		if (at > limit && begins_group)
			return (uint32_t)at;
		if (at <= limit)
			records = (uint32_t)at;
		if (at <= limit && begins_group)
			groups = (uint32_t)at;
		at += length;
	}
	if (records == 0 && must)
		return count;
	return groups ? groups : records;
}

/* The words up to `tail` are kept elsewhere: whoever waits for room in the ring goes on. */
static void give_room(struct ring_header *ring, uint64_t tail)
{
	atomic_store_explicit(&ring->tail, tail, memory_order_seq_cst);
	if (atomic_load_explicit(&ring->waiting, memory_order_seq_cst)) {
		atomic_fetch_add_explicit(&ring->drained, 1, memory_order_relaxed);
		sys_futex_wake(&ring->drained);
	}
}

static bool begins_group(const uint64_t *words, uint64_t position)
{
	return (words[position % RING_WORDS] & RING_TYPE_MASK) == RING_STAMP;
}

/* How much to take aside: whole groups, of at most `limit` words, but for the first. */
static uint32_t groups_aside(const uint64_t *words, uint64_t tail, uint32_t count, uint64_t limit)
{
	uint32_t groups = 0;
	for (uint64_t at = 0; at < count;) {
		size_t length = ring_record_words(words[(tail + at) % RING_WORDS]);
		if (at > 0 && begins_group(words, tail + at)) {
			if (at > limit)
				return groups ? groups : (uint32_t)at;
			groups = (uint32_t)at;
		}
		if (length == 0 || length > count - at)
			return count; /* nonsense: the decoder will say so */
		at += length;
	}
	return groups && count > limit ? groups : count;
}

/*
 * Takes words without the spool. They stay in the ring too, for whoever reads the segment after a
 * crash: its tail moves when the log holds them.
 */
static int64_t take_aside(struct drain *drain, uint32_t index, uint64_t head)
{
	uint64_t tail = drain->tails[index];
	const uint64_t *ring_words = segment_file_words(drain->segment, index);
	uint32_t count = groups_aside(ring_words, tail, (uint32_t)(head - tail), ASIDE_WORDS);
	uint64_t *words = malloc((size_t)count * sizeof(*words));
	if (!words)
		return -1;
	copy_words(words, ring_words, tail, count);
	if (!recording_add_piece(drain->recording, index, words, count, tail)) {
		free(words);
		return -1;
	}
	drain->aside[index] = words;
	drain->tails[index] = tail + count;
	return count;
}

/* Gives up the words that a ring has aside when the log holds them. */
static void settle_aside(struct drain *drain, uint32_t index, struct ring_header *ring)
{
	if (!drain->aside[index] ||
	    recording_committed_position(drain->recording, index) < drain->tails[index])
		return;
	free(drain->aside[index]);
	drain->aside[index] = NULL;
	give_room(ring, drain->tails[index]);
}

/* Takes what one ring holds, or a part. returns words taken, -1 if the spool has no room */
static int64_t drain_ring(struct drain *drain, uint32_t index, struct ring_header *ring,
			  bool *ret_is_rest)
{
	const uint64_t *ring_words = segment_file_words(drain->segment, index);
	settle_aside(drain, index, ring);
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
	uint64_t tail = drain->tails[index];
	if (head == tail)
		return 0;
	if (head - tail > RING_WORDS)
		return 0; /* scribbled over: the ring is given up when its process ends */
	if (drain->aside[index])
		return -1;
	uint32_t count = (uint32_t)(head - tail);
	uint64_t share = share_left(drain, index, tail);
	bool has_none = tail == recording_committed_position(drain->recording, index);
	if (count > share) {
		count = whole_groups(ring_words, tail, count, share, has_none);
		*ret_is_rest = tail + count != head;
	}
	struct spool_piece *piece = count ? spool_reserve(drain, count) : NULL;
	if (!piece) {
		int64_t taken = has_none ? take_aside(drain, index, head) : -1;
		*ret_is_rest = drain->tails[index] != head;
		return taken;
	}
	uint64_t *words = (uint64_t *)(piece + 1);
	*piece = (struct spool_piece){.position = tail, .ring = index, .word_count = count};
	copy_words(words, ring_words, tail, count);
	if (!recording_add_piece(drain->recording, index, words, count, tail))
		return -1;
	move_spool_head(drain, sizeof(*piece) + (uint64_t)count * 8);
	drain->tails[index] = tail + count;
	give_room(ring, tail + count);
	return count;
}

/* What the ring will publish after this look has a stamp above the result. */
static uint64_t frontier_of(struct drain *drain, uint32_t index, const struct ring_header *ring,
			    uint64_t stamp, uint64_t now_us)
{
	if (!atomic_load_explicit(&ring->busy, memory_order_acquire)) {
		drain->stuck_since_us[index] = 0;
		return stamp;
	}
	if (drain->stuck_since_us[index] == 0)
		drain->stuck_since_us[index] = now_us + 1;
	return now_us > drain->stuck_since_us[index] + STUCK_US ? stamp : 0;
}

/*
 * Up to where a ring can be decoded of which a part was taken: to the group before the next one. If
 * that has no stamp of its own, it goes by the last one's, and nobody's who has the same or an
 * earlier one rests on it.
 */
static uint64_t frontier_of_rest(const struct drain *drain, uint32_t index)
{
	uint64_t word = segment_file_words(drain->segment, index)[drain->tails[index] % RING_WORDS];
	if ((word & RING_TYPE_MASK) == RING_STAMP)
		return word >> 4 ? (word >> 4) - 1 : 0;
	return recording_last_key(drain->recording, index);
}

static uint32_t count_rings(const struct drain *drain)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < drain->segment->chunk_count * SEGMENT_CHUNK_RINGS; i++)
		count += atomic_load_explicit(&segment_file_ring(drain->segment, i)->owner,
					      memory_order_relaxed) != 0;
	return count;
}

uint64_t drain_rings(struct drain *drain, uint64_t now_us, bool *ret_has_more)
{
	uint64_t stamp = counter_read(true, drain->uses_clock_stamps);
	uint64_t taken = 0;
	stamp = stamp > STAMP_MARGIN ? stamp - STAMP_MARGIN : 0;
	*ret_has_more = false;
	drain->ring_count = count_rings(drain);
	for (uint32_t i = 0; i < drain->segment->chunk_count * SEGMENT_CHUNK_RINGS; i++) {
		struct ring_header *ring = segment_file_ring(drain->segment, i);
		if (!atomic_load_explicit(&ring->owner, memory_order_acquire))
			continue;
		/* In this order: stamp, busy, head. */
		uint64_t frontier = frontier_of(drain, i, ring, stamp, now_us);
		bool is_rest = false;
		int64_t count = drain_ring(drain, i, ring, &is_rest);
		if (count > 0)
			taken += (uint64_t)count;
		if (count < 0 || is_rest) {
			*ret_has_more = true;
			frontier = frontier_of_rest(drain, i);
		}
		/* A commit lets go of it. */
		*ret_has_more = *ret_has_more || drain->aside[i];
		recording_set_frontier(drain->recording, i, frontier);
	}
	return taken;
}

void drain_forget_committed(struct drain *drain)
{
	uint64_t spool_bytes = drain->segment->spool_bytes;
	uint64_t tail = drain->spool_tail;
	while (tail != drain->spool_head) {
		uint64_t at = tail % spool_bytes;
		uint64_t to_end = spool_bytes - at;
		const struct spool_piece *piece = (const void *)(drain->segment->spool + at);
		if (to_end < sizeof(*piece) || piece->ring == SPOOL_SKIP) {
			tail += to_end;
			continue;
		}
		if (recording_committed_position(drain->recording, piece->ring) <
		    piece->position + piece->word_count)
			break;
		tail += sizeof(*piece) + (uint64_t)piece->word_count * 8;
	}
	/* It begins anew where it has memory already, instead of going through all of it. */
	if (tail == drain->spool_head && tail % spool_bytes) {
		skip_to_end(drain, spool_bytes - tail % spool_bytes);
		tail = drain->spool_head;
	}
	drain->spool_tail = tail;
	atomic_store_explicit(&drain->segment->header->spool_tail, tail, memory_order_release);
}

uint64_t drain_spool_used(const struct drain *drain)
{
	return drain->spool_head - drain->spool_tail;
}

static void save(struct ring_snapshot *snapshot, struct recording *recording, uint32_t ring,
		 uint64_t number)
{
	/* Void while it is written: a kill in between leaves the other one. */
	atomic_store_explicit(&snapshot->commit, UINT64_MAX, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	recording_copy_decoder(recording, ring, &snapshot->decoder);
	atomic_thread_fence(memory_order_seq_cst);
	atomic_store_explicit(&snapshot->commit, number, memory_order_release);
}

void drain_save_decoders(struct drain *drain, uint64_t number)
{
	for (uint32_t i = 0; i < drain->segment->chunk_count * SEGMENT_CHUNK_RINGS; i++) {
		if (!recording_ring_changed(drain->recording, i))
			continue;
		struct ring_snapshot *first = segment_file_snapshot(drain->segment, i, 0);
		struct ring_snapshot *second = segment_file_snapshot(drain->segment, i, 1);
		/* The older of the two; 0, none, is older than all, UINT64_MAX, void, is
		 * overwritten too. */
		struct ring_snapshot *older = first->commit + 1 <= second->commit + 1 ? first
										      : second;
		save(older, drain->recording, i, number);
	}
}

void drain_finish_rings(struct drain *drain, uint32_t image_slot)
{
	for (uint32_t i = 0; i < drain->segment->chunk_count * SEGMENT_CHUNK_RINGS; i++)
		if (atomic_load(&segment_file_ring(drain->segment, i)->owner) == image_slot + 1)
			recording_set_frontier(drain->recording, i, RECORDING_NO_BOUND);
}

void drain_release_rings(struct drain *drain, uint32_t image_slot)
{
	for (uint32_t i = 0; i < drain->segment->chunk_count * SEGMENT_CHUNK_RINGS; i++) {
		struct ring_header *ring = segment_file_ring(drain->segment, i);
		if (atomic_load(&ring->owner) != image_slot + 1)
			continue;
		recording_release_ring(drain->recording, i);
		free(drain->aside[i]);
		drain->aside[i] = NULL;
		drain->stuck_since_us[i] = 0;
		/* As we have it: the next owner goes on from there, whatever this one did to it. */
		atomic_store(&ring->head, drain->tails[i]);
		atomic_store(&ring->tail, drain->tails[i]);
		atomic_store(&ring->owner, 0);
	}
}
