/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/log_follower.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/sys.h"
#include "reader/block_feed.h"
#include "reader/event_handover.h"
#include "reader/log_reader.h"

#define LOWEST_PRIORITY 19
#define WAIT_NS 999999999
#define HANDED_BYTES_MAX (32u << 20) /* of events, while the thread is behind */

struct log_follower {
	struct loaded_log_options options;
	int log_fd;
	struct event_handover *handover;
	pthread_t thread;
	bool was_started;
	bool has_thread;
	_Atomic uint64_t end_bytes; /* of what there is to read */
	_Atomic bool is_stopped;
	_Atomic uint32_t bell; /* futex: changed after one of these */
	/* The thread's, until it has ended. */
	struct loaded_log log;
	bool has_log; /* it is there, and good as far as it goes */
};

/* What the replay of one image keeps for its live blocks and its stack traces. */
static uint64_t image_bytes(const struct replay_image *image)
{
	uint64_t bytes = image->trie.node_count * sizeof(*image->trie.nodes) +
			 image->costs.count * sizeof(*image->costs.items) +
			 image->lifetimes.histogram_count * sizeof(*image->lifetimes.histograms) +
			 image->class_count *
				 (sizeof(*image->classes) + sizeof(*image->state.classes));
	for (uint32_t i = 0; i < image->class_count; i++)
		bytes += image->classes[i].capacity *
			 (sizeof(struct replay_block) + sizeof(uint32_t));
	return bytes;
}

static bool is_large(const struct replay *replay)
{
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < replay->image_count; i++)
		bytes += image_bytes(replay->images[i]);
	return bytes > LOG_FOLLOWER_BYTES_MAX;
}

/*
 * Takes in what the feed has got.
 *
 * ret_goes_on  cleared when the follower is to stay where it is
 * returns      false: the log can't be used
 */
static bool take_blocks(struct log_follower *follower, struct block_feed *feed, bool *ret_goes_on)
{
	struct mt_error error;
	while (!atomic_load(&follower->is_stopped)) {
		struct block_feed_item *item = block_feed_next(feed);
		if (item->result != 1)
			return item->result == 0 && item->error.status == MT_OK;
		if (loaded_log_take(&follower->log, item, &error) != MT_OK)
			return false;
		if (item->block.kind == LOG_BLOCK_COMMIT && is_large(&follower->log.replay)) {
			event_handover_stop(follower->handover);
			*ret_goes_on = false;
			return true;
		}
	}
	return true;
}

static uint64_t spacing_events(const struct loaded_log *log)
{
	return log->checkpoints ? checkpoints_spacing(log->checkpoints) : UINT64_MAX;
}

/* returns  false: the log can't be used */
static bool follow(struct log_follower *follower, struct block_feed *feed)
{
	uint64_t taken_bytes = 0;
	bool goes_on = true;
	for (;;) {
		uint32_t bell = atomic_load(&follower->bell);
		if (atomic_load(&follower->is_stopped))
			return true;
		uint64_t end_bytes = atomic_load(&follower->end_bytes);
		if (goes_on && end_bytes > taken_bytes) {
			block_feed_extend(feed, end_bytes);
			if (!take_blocks(follower, feed, &goes_on))
				return false;
			taken_bytes = end_bytes;
			event_handover_follow(follower->handover, end_bytes,
					      spacing_events(&follower->log));
		} else {
			sys_futex_wait(&follower->bell, bell, WAIT_NS);
		}
	}
}

static void read_log(struct log_follower *follower, const char *path)
{
	struct log_reader reader;
	struct block_feed feed;
	struct mt_error error;
	if (log_reader_open(&reader, path, &error) != MT_OK)
		return;
	if (loaded_log_begin(&follower->log, &follower->options, follower->handover, &reader, &feed,
			     &error) == MT_OK) {
		follower->has_log = follow(follower, &feed);
		block_feed_close(&feed);
		if (!follower->has_log)
			loaded_log_release(&follower->log);
	}
	log_reader_close(&reader);
}

static void *run(void *context)
{
	struct log_follower *follower = context;
	char path[64];
	/* On Linux, of this thread alone; else it is as it was, which is no error. */
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), LOWEST_PRIORITY);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", follower->log_fd);
	read_log(follower, path);
	if (!follower->has_log)
		event_handover_refuse(follower->handover);
	return NULL;
}

/* A program's signals are none of the thread's business. */
static bool start(struct log_follower *follower)
{
	uint64_t mask = sys_block_signals();
	bool is_started = pthread_create(&follower->thread, NULL, run, follower) == 0;
	sys_set_signal_mask(mask);
	return is_started;
}

struct log_follower *log_follower_new(const struct loaded_log_options *options, bool is_fed)
{
	struct log_follower *follower = calloc(1, sizeof(*follower));
	if (!follower)
		return NULL;
	follower->options = *options;
	follower->handover = event_handover_new(&(struct event_handover_options){
		.bytes_max = HANDED_BYTES_MAX,
		.checkpoint_events = options->checkpoint_events,
		.from_start = is_fed,
	});
	if (follower->handover)
		return follower;
	free(follower);
	return NULL;
}

static void ring(struct log_follower *follower)
{
	atomic_fetch_add(&follower->bell, 1);
	sys_futex_wake(&follower->bell);
}

void log_follower_tell(struct log_follower *follower, int log_fd, const struct recording *recording,
		       uint64_t event_count, uint64_t end_bytes)
{
	if (!follower->was_started) {
		follower->was_started = true;
		follower->log_fd = log_fd;
		follower->has_thread = start(follower);
		if (!follower->has_thread)
			event_handover_refuse(follower->handover);
	}
	if (recording)
		event_handover_commit(follower->handover, recording, event_count, end_bytes);
	atomic_store(&follower->end_bytes, end_bytes);
	ring(follower);
}

struct decoded_events *log_follower_encoding(struct log_follower *follower)
{
	return event_handover_encoding(follower->handover);
}

void log_follower_encoded(struct log_follower *follower, const struct recorded_image *image)
{
	event_handover_encoded(follower->handover, image);
}

static void end_thread(struct log_follower *follower)
{
	atomic_store(&follower->is_stopped, true);
	if (!follower->has_thread)
		return;
	ring(follower);
	(void)pthread_join(follower->thread, NULL); /* it is ours, and ends */
	follower->has_thread = false;
}

bool log_follower_end(struct log_follower *follower, const char *path, struct loaded_log *ret_log)
{
	end_thread(follower);
	if (!follower->was_started)
		read_log(follower, path); /* all of it is the rest */
	bool has_log = follower->has_log;
	if (has_log)
		*ret_log = follower->log;
	follower->has_log = false;
	return has_log;
}

void log_follower_free(struct log_follower *follower)
{
	if (!follower)
		return;
	end_thread(follower);
	if (follower->has_log)
		loaded_log_release(&follower->log);
	event_handover_free(follower->handover);
	free(follower);
}
