/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/block_feed.h"

#include <stdlib.h>

#include "common/format.h"
#include "common/sys.h"

/* To read less takes less than to start a thread, and to wait for it. */
#define THREAD_BYTES_MIN (64u << 10)

static enum mt_status no_memory(struct mt_error *error)
{
	return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to read the log");
}

/* Events of a finished log, or of a process that wasn't asked for, needn't even be unpacked. */
static bool is_needless(const struct block_feed *feed, const struct log_block *block)
{
	const struct block_feed_options *options = &feed->options;
	switch (block->kind) {
	case LOG_BLOCK_INDEX:
		return true;
	case LOG_BLOCK_EVENTS:
		return options->skips_events || block->first_us > options->until_us ||
		       (options->pid && block->image < feed->image_count &&
			feed->images[block->image] &&
			feed->images[block->image]->pid != options->pid);
	case LOG_BLOCK_REPLAY:
		return options->skips_descriptions || block->item_count > 0;
	case LOG_BLOCK_IMAGE:
	case LOG_BLOCK_IMAGE_END:
	case LOG_BLOCK_COMMIT:
		return false;
	}
	return options->skips_descriptions;
}

static bool reserve_image(struct block_feed *feed)
{
	if (feed->image_count < feed->image_capacity)
		return true;
	uint32_t capacity = feed->image_capacity * 2 + 16;
	struct replay_image **grown = realloc(feed->images,
					      capacity * sizeof(struct replay_image *));
	if (!grown)
		return false;
	feed->images = grown;
	feed->image_capacity = capacity;
	return true;
}

/* An IMAGE block: its events can come from now on. */
static enum mt_status begin_image(struct block_feed *feed, struct block_feed_item *item,
				  struct mt_error *error)
{
	struct byte_reader payload = item->payload;
	if (item->block.image != feed->image_count || feed->image_count >= LIMIT_IMAGES)
		return mt_error_set(error, MT_ERR_CORRUPT, "processes are not in order");
	(void)byte_reader_varint(&payload); /* the serial number */
	uint64_t pid = byte_reader_varint(&payload);
	item->image = reserve_image(feed) ? replay_image_new((uint32_t)pid) : NULL;
	if (!item->image)
		return no_memory(error);
	item->image->state.has_slots = feed->options.has_slots;
	feed->images[feed->image_count++] = item->image;
	return MT_OK;
}

static enum mt_status decode(struct block_feed *feed, struct block_feed_item *item,
			     const struct byte_reader *payload, struct mt_error *error)
{
	uint32_t index = item->block.image;
	if (index >= feed->image_count || !feed->images[index])
		return mt_error_set(error, MT_ERR_CORRUPT, "events of a process that isn't there");
	struct replay_image *image = feed->images[index];
	enum mt_status status = event_decode(&image->state, &image->trie, payload->at,
					     byte_reader_left(payload), &item->events, error);
	feed->event_count += status == MT_OK ? item->events.count : 0;
	return status;
}

/* The events of the blocks that are being read are handed over. */
static bool is_handed(const struct block_feed *feed)
{
	return feed->options.handover && event_handover_is_on(feed->options.handover);
}

static enum mt_status take_events(struct block_feed *feed, struct block_feed_item *item,
				  struct mt_error *error)
{
	uint32_t index = item->block.image;
	if (index >= feed->image_count || !feed->images[index])
		return mt_error_set(error, MT_ERR_CORRUPT, "events of a process that isn't there");
	enum mt_status status = event_handover_take(
		feed->options.handover, index, item->block.item_count, &feed->images[index]->trie,
		&item->events, error);
	feed->event_count += status == MT_OK ? item->events.count : 0;
	return status;
}

static enum mt_status take_payload(struct block_feed *feed, struct block_feed_item *item,
				   const struct byte_reader *payload, struct mt_error *error)
{
	if (item->block.kind == LOG_BLOCK_EVENTS)
		return decode(feed, item, payload, error);
	buffer_clear(&item->bytes);
	buffer_append(&item->bytes, payload->at, byte_reader_left(payload));
	if (item->bytes.failed)
		return no_memory(error);
	item->payload = byte_reader_over(item->bytes.bytes, item->bytes.size_bytes);
	if (item->block.kind == LOG_BLOCK_IMAGE)
		return begin_image(feed, item, error);
	if (item->block.kind == LOG_BLOCK_IMAGE_END && item->block.image < feed->image_count)
		feed->images[item->block.image] = NULL;
	return MT_OK;
}

/* A checkpoint at the commit that ends at `end_offset`. returns NULL: there is none */
static struct checkpoint *make_checkpoint(struct block_feed *feed, uint64_t end_offset)
{
	const struct checkpoints *checkpoints = feed->options.checkpoints;
	struct checkpoint *checkpoint = NULL;
	uint64_t distance = feed->event_count - feed->checkpoint_events;
	if (distance < checkpoints_spacing(checkpoints))
		return NULL;
	struct checkpoint_source *sources = calloc((size_t)feed->image_count + 1, sizeof(*sources));
	if (!sources)
		return NULL;
	for (uint32_t i = 0; i < feed->image_count; i++)
		if (feed->images[i])
			sources[i] = (struct checkpoint_source){
				.state = &feed->images[i]->state,
				.node_count = feed->images[i]->trie.node_count,
			};
	if (checkpoint_is_worth_it(sources, feed->image_count,
				   checkpoints->has_no_budget ? UINT64_MAX : distance)) {
		feed->checkpoint_events = feed->event_count; /* not again at once if it can't be */
		checkpoint = checkpoint_new(sources, feed->image_count, end_offset);
	}
	free(sources);
	return checkpoint;
}

static void add_checkpoint(struct block_feed *feed, struct block_feed_item *item)
{
	if (!feed->options.checkpoints || item->block.kind != LOG_BLOCK_COMMIT)
		return;
	/* The decoders' states are not kept up where nothing is decoded. */
	item->checkpoint = is_handed(feed) ? event_handover_checkpoint(feed->options.handover,
								       item->end_offset)
					   : make_checkpoint(feed, item->end_offset);
	if (item->checkpoint)
		feed->checkpoint_events = feed->event_count;
}

/* The events of a block, or what else its payload says, as far as it is needed. */
static enum mt_status get_payload(struct block_feed *feed, struct block_feed_item *item)
{
	struct byte_reader payload;
	struct log_reader *reader = feed->reader;
	if (item->block.kind == LOG_BLOCK_EVENTS && is_handed(feed))
		return take_events(feed, item, &reader->damage);
	item->result = log_reader_payload(reader, &item->block, &payload, &item->error);
	return item->result == 1 ? take_payload(feed, item, &payload, &reader->damage) : MT_OK;
}

/* returns  false: what is handed over can't be used */
static bool reach(struct block_feed *feed, struct block_feed_item *item)
{
	if (!feed->options.handover ||
	    event_handover_reach(feed->options.handover, feed->reader->offset_bytes, feed->images,
				 feed->image_count, &item->error) == MT_OK)
		return true;
	item->result = item->error.status;
	return false;
}

static void produce(struct block_feed *feed, struct block_feed_item *item)
{
	struct log_reader *reader = feed->reader;
	item->error = (struct mt_error){0};
	item->result = 0;
	item->image = NULL;
	item->checkpoint = NULL;
	if (reader->offset_bytes >= feed->options.end_offset || !reach(feed, item))
		return;
	item->result = log_reader_next(reader, &item->block, NULL, &item->error);
	item->end_offset = reader->offset_bytes;
	item->is_left_out = item->result == 1 && is_needless(feed, &item->block);
	if (item->result == 1 && !item->is_left_out) {
		enum mt_status status = get_payload(feed, item);
		if (status == MT_ERR_NO_MEMORY) {
			item->result = status;
			item->error = reader->damage;
		} else if (status != MT_OK) {
			item->result = 0;
		}
	}
	if (item->result == 0)
		item->error = reader->damage;
	if (item->result == 1)
		add_checkpoint(feed, item);
}

static void *run(void *context)
{
	struct block_feed *feed = context;
	bool goes_on = true;
	while (goes_on) {
		struct block_feed_item *item = &feed->items[feed->head % BLOCK_FEED_ITEMS];
		produce(feed, item);
		(void)pthread_mutex_lock(&feed->mutex); /* the mutex is ours and good */
		goes_on = item->result == 1;
		feed->head++;
		(void)pthread_cond_signal(&feed->changed);
		while (!feed->is_stopped && feed->head - feed->tail == BLOCK_FEED_ITEMS)
			(void)pthread_cond_wait(&feed->changed, &feed->mutex);
		goes_on &= !feed->is_stopped;
		(void)pthread_mutex_unlock(&feed->mutex);
	}
	return NULL;
}

/* A program's signals are none of the thread's business. */
static bool start(struct block_feed *feed)
{
	uint64_t mask = sys_block_signals();
	bool is_started = pthread_create(&feed->thread, NULL, run, feed) == 0;
	sys_set_signal_mask(mask);
	return is_started;
}

bool block_feed_open(struct block_feed *feed, struct log_reader *reader,
		     const struct block_feed_options *options, struct replay_image **images,
		     uint32_t image_count)
{
	*feed = (struct block_feed){.reader = reader,
				    .options = *options,
				    .mutex = PTHREAD_MUTEX_INITIALIZER,
				    .changed = PTHREAD_COND_INITIALIZER};
	for (uint32_t i = 0; i < image_count; i++) {
		if (!reserve_image(feed)) {
			free(feed->images);
			return false;
		}
		feed->images[feed->image_count++] = images[i]->has_ended ? NULL : images[i];
	}
	/* Without events there is little to do ahead. */
	feed->has_thread = !options->skips_events && !options->has_no_thread &&
			   reader->size_bytes >= reader->offset_bytes + THREAD_BYTES_MIN &&
			   start(feed);
	return true;
}

/* What the caller did not take of an item. */
static void drop_item(struct block_feed_item *item)
{
	replay_image_free(item->image);
	checkpoint_free(item->checkpoint);
	item->image = NULL;
	item->checkpoint = NULL;
}

struct block_feed_item *block_feed_next(struct block_feed *feed)
{
	struct block_feed_item *item = &feed->items[feed->tail % BLOCK_FEED_ITEMS];
	if (!feed->has_thread) {
		drop_item(item);
		produce(feed, item);
		return item;
	}
	(void)pthread_mutex_lock(&feed->mutex); /* the mutex is ours and good */
	if (feed->has_item) {
		drop_item(item);
		feed->tail++;
		(void)pthread_cond_signal(&feed->changed);
	}
	while (feed->head == feed->tail)
		(void)pthread_cond_wait(&feed->changed, &feed->mutex);
	feed->has_item = true;
	item = &feed->items[feed->tail % BLOCK_FEED_ITEMS];
	(void)pthread_mutex_unlock(&feed->mutex);
	return item;
}

void block_feed_extend(struct block_feed *feed, uint64_t end_offset)
{
	feed->options.end_offset = end_offset;
	feed->reader->size_bytes = end_offset;
}

void block_feed_close(struct block_feed *feed)
{
	if (feed->has_thread) {
		(void)pthread_mutex_lock(&feed->mutex); /* the mutex is ours and good */
		feed->is_stopped = true;
		(void)pthread_cond_signal(&feed->changed);
		(void)pthread_mutex_unlock(&feed->mutex);
		(void)pthread_join(feed->thread, NULL); /* it is ours, and ends */
	}
	for (uint32_t i = 0; i < BLOCK_FEED_ITEMS; i++) {
		struct block_feed_item *item = &feed->items[i];
		drop_item(item);
		decoded_events_release(&item->events);
		buffer_release(&item->bytes);
	}
	free(feed->images);
	feed->images = NULL;
}
