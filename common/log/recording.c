/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/log/recording.h"

#include <stdlib.h>
#include <string.h>

#include "common/log/recording_state.h"
#include "common/sys.h"

#define NO_MEMORY_TEXT "no memory to record with"

struct recording *recording_new(struct log_writer *writer,
				const struct recording_observer *observer,
				const struct block_map_pages *pages)
{
	/* Pages of its own: of its tables, which are large, little is ever touched. */
	struct recording *recording = sys_pages(sizeof(*recording));
	if (!recording)
		return NULL;
	recording->writer = writer;
	recording->observer = observer;
	recording->pages = pages;
	return recording;
}

static void image_free(struct recorded_image *image)
{
	if (!image)
		return;
	free(image->path);
	free(image->command);
	stack_trie_release(&image->trie);
	told_stacks_release(&image->told);
	module_map_release(&image->modules);
	free(image->thread_ids);
	buffer_release(&image->new_threads);
	event_batch_release(&image->batch);
	event_encoder_release(&image->encoder);
	mapping_batch_release(&image->mappings);
	free(image->ignored);
	free(image->numbered);
	free(image);
}

void recording_free(struct recording *recording)
{
	if (!recording)
		return;
	for (size_t i = 0; i < recording->image_slots; i++)
		image_free(recording->images[i]);
	for (uint32_t i = 0; i < recording->ring_end; i++) {
		if (recording->rings[i])
			free(recording->rings[i]->pieces);
		free(recording->rings[i]);
	}
	free(recording->images);
	buffer_release(&recording->scratch);
	sys_munmap(recording, sizeof(*recording));
}

struct recorded_image *recording_find_image(const struct recording *recording, uint64_t serial)
{
	/* From the newest: the living ones are at the end. */
	for (size_t i = recording->image_slots; i-- > 0;)
		if (recording->images[i]->serial == serial)
			return recording->images[i];
	return NULL;
}

struct recorded_image *recording_image(struct recording *recording, uint64_t serial)
{
	struct recorded_image *image = recording_find_image(recording, serial);
	if (image)
		return image;
	if (recording->image_slots == recording->image_capacity) {
		size_t capacity = recording->image_capacity ? recording->image_capacity * 2 : 16;
		struct recorded_image **grown = realloc(recording->images,
							capacity * sizeof(struct recorded_image *));
		if (!grown)
			return NULL;
		recording->images = grown;
		recording->image_capacity = capacity;
	}
	image = calloc(1, sizeof(*image));
	if (!image)
		return NULL;
	image->logs_used_stacks = recording->logs_used_stacks;
	if (!stack_trie_init(&image->trie) ||
	    (image->logs_used_stacks && !told_stacks_init(&image->told)) ||
	    !event_encoder_init(&image->encoder, recording->pages, serial)) {
		image_free(image);
		return NULL;
	}
	image->serial = serial;
	image->encoder.keeps_births = recording->keeps_births;
	image->stored_nodes = 1;
	recording->images[recording->image_slots++] = image;
	return image;
}

void recording_keep_births(struct recording *recording)
{
	recording->keeps_births = true;
}

void recording_log_used_stacks(struct recording *recording)
{
	recording->logs_used_stacks = true;
}

bool recording_fold_stacks(struct recording *recording, struct recorded_image *image)
{
	uint32_t *nodes = malloc((size_t)image->told.trie.node_count * sizeof(*nodes));
	if (!nodes || !told_stacks_fold(&image->told, nodes)) {
		free(nodes);
		return false;
	}
	for (uint32_t i = 0; i < recording->ring_end; i++) {
		struct ring_source *source = recording->rings[i];
		if (!source || source->image != image)
			continue;
		for (uint32_t s = 0; s < RING_SLOTS; s++)
			source->decoder.slots[s] = nodes[source->decoder.slots[s]];
	}
	for (uint32_t i = 0; i < image->numbered_count; i++)
		image->numbered[i].node = nodes[image->numbered[i].node];
	free(nodes);
	return true;
}

uint32_t recording_image_count(const struct recording *recording)
{
	return recording->image_count;
}

struct recorded_image *recording_next_image(const struct recording *recording,
					    const struct recorded_image *previous)
{
	size_t i = 0;
	while (previous && i < recording->image_slots && recording->images[i++] != previous)
		;
	return i < recording->image_slots ? recording->images[i] : NULL;
}

static struct ring_source *ring_source(struct recording *recording, uint32_t ring)
{
	if (!recording->rings[ring])
		recording->rings[ring] = calloc(1, sizeof(struct ring_source));
	if (recording->rings[ring] && ring >= recording->ring_end)
		recording->ring_end = ring + 1;
	return recording->rings[ring];
}

struct ring_decoder *recording_ring_decoder(struct recording *recording, uint32_t ring)
{
	struct ring_source *source = ring_source(recording, ring);
	return source ? &source->decoder : NULL;
}

void recording_copy_decoder(struct recording *recording, uint32_t ring, struct ring_decoder *copy)
{
	const struct ring_source *source = recording->rings[ring];
	*copy = source->decoder;
	if (!source->image || !source->image->logs_used_stacks)
		return;
	for (uint32_t i = 0; i < RING_SLOTS; i++)
		copy->slots[i] = told_stacks_find(&source->image->told, copy->slots[i]);
}

static void forget_owner(struct ring_source *source)
{
	source->image = NULL;
	source->decoder.image_serial = 0;
	source->decoder.key = 0;
	source->decoder.interval_bytes = 0;
	source->frontier = 0;
	memset(source->decoder.slots, 0, sizeof(source->decoder.slots));
	source->is_changed = true;
	source->is_broken = false;
}

/* Drops what is there and what is to come of a ring. */
static void give_up(struct ring_source *source)
{
	for (uint32_t i = 0; i < source->piece_count; i++)
		source->decoder.position = source->pieces[i].position +
					   source->pieces[i].word_count;
	source->piece_count = 0;
	source->at = 0;
	source->is_changed = true;
	source->is_broken = true;
}

/*
 * Finds the image whose words come next: the one that they name at their front, else, when a
 * recording is taken up again in the middle, the one that the decoder was saved with.
 */
static bool adopt_ring(struct recording *recording, struct ring_source *source, uint64_t serial)
{
	if (serial && serial != source->decoder.image_serial)
		forget_owner(source);
	else
		serial = source->decoder.image_serial;
	if (!serial)
		return true;
	source->image = recording_image(recording, serial);
	if (!source->image)
		return false;
	source->decoder.image_serial = serial;
	source->image->ring_count++;
	return true;
}

bool recording_add_piece(struct recording *recording, uint32_t ring, const uint64_t *words,
			 uint32_t word_count, uint64_t position)
{
	struct ring_source *source = ring_source(recording, ring);
	if (!source)
		return false;
	if (source->piece_count == source->piece_capacity) {
		uint32_t capacity = source->piece_capacity ? source->piece_capacity * 2 : 8;
		struct ring_piece *grown = realloc(source->pieces, capacity * sizeof(*grown));
		if (!grown)
			return false;
		source->pieces = grown;
		source->piece_capacity = capacity;
	}
	source->pieces[source->piece_count++] = (struct ring_piece){
		.words = words, .word_count = word_count, .position = position};
	if (source->is_broken) {
		give_up(source);
		return true;
	}
	if (source->image)
		return true;
	uint64_t serial = ring_first_serial(words, word_count);
	if (!adopt_ring(recording, source, serial == RING_NO_SERIAL ? 0 : serial))
		return false;
	if (!source->image && serial == RING_NO_SERIAL)
		give_up(source);
	return true;
}

void recording_set_frontier(struct recording *recording, uint32_t ring, uint64_t frontier)
{
	struct ring_source *source = ring_source(recording, ring);
	if (source && frontier > source->frontier)
		source->frontier = frontier;
}

uint64_t recording_uncommitted_events(const struct recording *recording)
{
	uint64_t count = 0;
	for (size_t i = 0; i < recording->image_slots; i++)
		count += recording->images[i]->batch.event_count +
			 recording->images[i]->mappings.count;
	return count;
}

uint64_t recording_decoded_position(const struct recording *recording, uint32_t ring)
{
	return recording->rings[ring] ? recording->rings[ring]->decoder.position : 0;
}

uint64_t recording_last_key(const struct recording *recording, uint32_t ring)
{
	const struct ring_source *source = recording->rings[ring];
	if (!source)
		return 0;
	uint64_t key = source->decoder.key;
	for (uint32_t i = source->piece_count; i-- > 0;) {
		const struct ring_piece *piece = &source->pieces[i];
		size_t at = i == 0 ? source->at : 0;
		uint64_t last = ring_last_key(piece->words + at, piece->word_count - at);
		if (last)
			return last;
	}
	return key;
}

uint64_t recording_committed_position(const struct recording *recording, uint32_t ring)
{
	return recording->rings[ring] ? recording->rings[ring]->committed_position : 0;
}

void recording_release_ring(struct recording *recording, uint32_t ring)
{
	struct ring_source *source = recording->rings[ring];
	if (!source)
		return;
	if (source->piece_count > 0)
		give_up(source);
	if (source->image)
		source->image->ring_count--;
	forget_owner(source);
}

bool recording_ring_changed(const struct recording *recording, uint32_t ring)
{
	return recording->rings[ring] && recording->rings[ring]->is_changed;
}

static uint64_t next_key(const struct ring_source *source)
{
	return ring_next_key(source->pieces[0].words + source->at, source->decoder.key);
}

static void sift_down(struct candidate *heap, size_t count, size_t at)
{
	for (;;) {
		size_t least = at;
		for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
			if (heap[child].key < heap[least].key)
				least = child;
		if (least == at)
			return;
		struct candidate other = heap[least];
		heap[least] = heap[at];
		heap[at] = other;
		at = least;
	}
}

static void drop_first_piece(struct ring_source *source)
{
	source->piece_count--;
	memmove(source->pieces, source->pieces + 1, source->piece_count * sizeof(*source->pieces));
	source->at = 0;
}

/* Runs one ring up to `bound`. */
static enum ring_decode_end run_ring(struct recording *recording, struct recorded_image *image,
				     struct ring_source *source, uint64_t bound)
{
	enum ring_decode_end end = RING_DECODE_EMPTY;
	source->is_changed = true;
	while (source->piece_count > 0 && end == RING_DECODE_EMPTY) {
		const struct ring_piece *piece = &source->pieces[0];
		end = ring_decoder_run(&source->decoder, recording, image, piece->words,
				       &source->at, piece->word_count, bound);
		if (end == RING_DECODE_EMPTY)
			drop_first_piece(source);
	}
	return end;
}

static uint64_t bound_of(const struct recording *recording, const struct recorded_image *image)
{
	uint64_t bound = RECORDING_NO_BOUND;
	for (uint32_t i = 0; i < recording->ring_end; i++) {
		const struct ring_source *source = recording->rings[i];
		if (source && source->image == image && source->frontier < bound)
			bound = source->frontier;
	}
	return bound;
}

static size_t gather(const struct recording *recording, const struct recorded_image *image,
		     struct candidate *heap)
{
	size_t count = 0;
	for (uint32_t i = 0; i < recording->ring_end; i++) {
		struct ring_source *source = recording->rings[i];
		if (source && source->image == image && source->piece_count > 0)
			heap[count++] = (struct candidate){.source = source,
							   .key = next_key(source)};
	}
	for (size_t i = count / 2; i-- > 0;)
		sift_down(heap, count, i);
	return count;
}

static enum mt_status decode_image(struct recording *recording, struct recorded_image *image,
				   bool takes_all, struct mt_error *error)
{
	struct candidate *heap = recording->heap;
	uint64_t bound = takes_all ? RECORDING_NO_BOUND : bound_of(recording, image);
	size_t count = gather(recording, image, heap);
	if (count > 0 && !event_batch_reserve(&image->batch, RECORDING_BATCH_EVENTS))
		return mt_error_set(error, MT_ERR_NO_MEMORY, NO_MEMORY_TEXT);
	while (count > 0 && heap[0].key <= bound) {
		/* The first ring may run until another one's turn comes. */
		uint64_t until = bound;
		for (size_t child = 1; child <= 2 && child < count; child++)
			until = heap[child].key < until ? heap[child].key : until;
		enum ring_decode_end end = run_ring(recording, image, heap[0].source, until);
		if (end == RING_DECODE_NO_MEMORY)
			return mt_error_set(error, MT_ERR_NO_MEMORY, NO_MEMORY_TEXT);
		if (end == RING_DECODE_BROKEN) {
			image->loss |= LOG_LOSS_NONSENSE;
			give_up(heap[0].source);
		}
		if (end == RING_DECODE_FULL) {
			enum mt_status status = recording_commit(recording, error);
			if (status != MT_OK)
				return status;
		}
		if (heap[0].source->piece_count == 0)
			heap[0] = heap[--count];
		else
			heap[0].key = next_key(heap[0].source);
		sift_down(heap, count, 0);
	}
	return MT_OK;
}

enum mt_status recording_decode(struct recording *recording, bool takes_all, struct mt_error *error)
{
	for (size_t i = 0; i < recording->image_slots; i++) {
		struct recorded_image *image = recording->images[i];
		if (image->ring_count == 0)
			continue;
		enum mt_status status = decode_image(recording, image, takes_all, error);
		if (status != MT_OK)
			return status;
	}
	return MT_OK;
}

static void write_threads(struct recording *recording, struct recorded_image *image)
{
	if (image->new_threads.size_bytes == 0 || !image->is_announced)
		return;
	struct log_block block = {
		.kind = LOG_BLOCK_THREAD,
		.image = image->index,
		.first_us = image->last_us,
		.last_us = image->last_us,
	};
	log_writer_add(recording->writer, &block, &image->new_threads);
	buffer_clear(&image->new_threads);
}

static void write_events(struct recording *recording, struct recorded_image *image)
{
	struct event_batch *batch = &image->batch;
	/* A mapping's stack trace may need nodes that no event has. */
	bool needs_nodes = (image->mappings.count > 0 || image->has_marks) &&
			   image->stored_nodes < image->trie.node_count;
	if (batch->event_count == 0 && !needs_nodes)
		return;
	recording_announce_image(recording, image);
	write_threads(recording, image);
	buffer_clear(&recording->scratch);
	const struct recording_observer *observer = recording->observer;
	const struct event_copier *copier = observer ? observer->copier : NULL;
	struct decoded_events *copy = copier ? copier->encoding(copier->context) : NULL;
	uint32_t count = event_encode(&image->encoder, batch, &image->trie, image->stored_nodes,
				      &recording->scratch, copy);
	if (copy)
		copier->encoded(copier->context, image);
	struct log_block block = {
		.kind = LOG_BLOCK_EVENTS,
		.image = image->index,
		.item_count = count,
		.first_us = count ? image->first_us : image->last_us,
		.last_us = image->last_us,
	};
	log_writer_add(recording->writer, &block, &recording->scratch);
	image->stored_nodes = image->trie.node_count;
	image->event_count += batch->event_count;
	recording->event_count += count;
	event_batch_clear(batch);
}

static void write_mappings(struct recording *recording, struct recorded_image *image)
{
	struct mapping_batch *batch = &image->mappings;
	if (batch->count == 0)
		return;
	recording_announce_image(recording, image);
	write_threads(recording, image);
	struct log_block block = {
		.kind = LOG_BLOCK_MAPPINGS,
		.image = image->index,
		.first_us = batch->first_us,
		.last_us = batch->last_us,
	};
	log_writer_add(recording->writer, &block, &batch->payload);
	mapping_batch_clear(batch);
}

static void write_slack(struct recording *recording, struct recorded_image *image, uint64_t now_us,
			const struct image_end *end)
{
	if (end->slack_measured == 0)
		return;
	buffer_clear(&recording->scratch);
	buffer_varint(&recording->scratch, end->slack_measured);
	buffer_varint(&recording->scratch, end->slack_requested_bytes);
	buffer_varint(&recording->scratch, end->slack_usable_bytes);
	recording_add_block(recording, image, LOG_BLOCK_SLACK, now_us);
}

/* Children that have said nothing yet, like those of a daemon's double fork, find no parent later.
 */
static void leave_children(struct recording *recording, const struct recorded_image *parent)
{
	for (size_t i = 0; i < recording->image_slots; i++) {
		struct recorded_image *image = recording->images[i];
		if (image->parent_serial == parent->serial && !image->is_announced)
			recording_take_after(image, parent);
	}
}

void recording_end_image(struct recording *recording, struct recorded_image *image, uint64_t now_us,
			 const struct image_end *end)
{
	recording_announce_image(recording, image);
	leave_children(recording, image);
	write_events(recording, image);
	write_mappings(recording, image);
	write_threads(recording, image);
	write_slack(recording, image, now_us, end);
	buffer_clear(&recording->scratch);
	buffer_varint(&recording->scratch, end->loss | image->loss);
	buffer_varint(&recording->scratch, end->skipped_events);
	if (end->has_stack_checks) {
		buffer_varint(&recording->scratch, end->checked_stacks);
		buffer_varint(&recording->scratch, end->differing_stacks);
		buffer_varint(&recording->scratch, end->guessed_stacks);
	}
	recording_add_block(recording, image, LOG_BLOCK_IMAGE_END, now_us);
	image->has_ended = true;
}

/* Frees the images that have ended; their rings are with others by now. */
static void drop_ended(struct recording *recording)
{
	size_t kept = 0;
	for (size_t i = 0; i < recording->image_slots; i++) {
		struct recorded_image *image = recording->images[i];
		if (image->has_ended && image->ring_count == 0)
			image_free(image);
		else
			recording->images[kept++] = image;
	}
	recording->image_slots = kept;
}

enum mt_status recording_commit(struct recording *recording, struct mt_error *error)
{
	for (size_t i = 0; i < recording->image_slots; i++) {
		write_events(recording, recording->images[i]);
		write_mappings(recording, recording->images[i]);
		write_threads(recording, recording->images[i]);
	}
	uint64_t number = recording->commit_count + 1;
	buffer_clear(&recording->scratch);
	buffer_varint(&recording->scratch, number);
	struct log_block block = {.kind = LOG_BLOCK_COMMIT, .image = LOG_NO_IMAGE};
	log_writer_add(recording->writer, &block, &recording->scratch);
	const struct recording_observer *observer = recording->observer;
	if (observer && observer->committing)
		observer->committing(observer->context, number);
	enum mt_status status = log_writer_flush(recording->writer, error);
	if (status != MT_OK)
		return status;
	recording->commit_count = number;
	for (uint32_t i = 0; i < recording->ring_end; i++) {
		if (recording->rings[i]) {
			recording->rings[i]->committed_position =
				recording->rings[i]->decoder.position;
			recording->rings[i]->is_changed = false;
		}
	}
	drop_ended(recording);
	if (observer && observer->committed)
		observer->committed(observer->context, recording->event_count);
	return MT_OK;
}

void recording_set_commits(struct recording *recording, uint64_t commit_count, uint32_t image_count)
{
	recording->commit_count = commit_count;
	recording->image_count = image_count;
}
