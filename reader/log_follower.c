/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/log_follower.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "common/sys.h"
#include "reader/block_feed.h"
#include "reader/event_handover.h"
#include "reader/log_reader.h"

#define LOWEST_PRIORITY 19
#define WAIT_NS 999999999
#define MEASURED_EVENTS (32u << 10)  /* between two looks at what is kept */
#define HANDED_BYTES_MAX (32u << 20) /* of events, while the thread is behind */

/* How long the thread may take to end: to read what it has read takes about as long. */
#define END_NS 20000000u
#define END_NS_PER_BYTE 100u

enum thread_state {
	THREAD_RUNS,
	THREAD_HAS_ENDED,
	THREAD_IS_LEFT, /* nobody waits for it: the follower is its own */
};

struct log_follower {
	struct loaded_log_options options;
	int log_fd;
	struct event_handover *handover;
	pthread_t thread;
	bool was_started;
	bool has_thread;
	_Atomic uint64_t end_bytes;   /* of what there is to read */
	_Atomic uint64_t taken_bytes; /* of it that was read */
	_Atomic bool is_stopped;
	_Atomic uint32_t bell;  /* futex: changed after one of these */
	_Atomic uint32_t state; /* futex: enum thread_state */
	/* The thread's, until it has ended. */
	struct loaded_log log;
	uint64_t measured_events; /* when is_large looked last */
	bool has_log;             /* it is there, and good as far as it goes */
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

/* What is kept has become too much. To look at every process at every commit would take long. */
static bool is_large(struct log_follower *follower)
{
	const struct replay *replay = &follower->log.replay;
	uint64_t bytes = 0;
	if (replay->event_count < follower->measured_events + MEASURED_EVENTS)
		return false;
	follower->measured_events = replay->event_count;
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
		if (item->block.kind == LOG_BLOCK_COMMIT && is_large(follower)) {
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
	bool goes_on = true;
	for (;;) {
		uint32_t bell = atomic_load(&follower->bell);
		if (atomic_load(&follower->is_stopped))
			return true;
		uint64_t end_bytes = atomic_load(&follower->end_bytes);
		if (goes_on && end_bytes > follower->taken_bytes) {
			block_feed_extend(feed, end_bytes);
			if (!take_blocks(follower, feed, &goes_on))
				return false;
			follower->taken_bytes = end_bytes;
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

static void free_follower(struct log_follower *follower)
{
	if (follower->has_log)
		loaded_log_release(&follower->log);
	event_handover_free(follower->handover);
	free(follower);
}

/* Ends the thread's part, or the other side's. returns false: the other part has ended already */
static bool leave(struct log_follower *follower, enum thread_state state)
{
	uint32_t runs = THREAD_RUNS;
	return atomic_compare_exchange_strong(&follower->state, &runs, state);
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
	if (leave(follower, THREAD_HAS_ENDED))
		sys_futex_wake(&follower->state);
	else
		free_follower(follower);
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

struct event_copier log_follower_copier(struct log_follower *follower)
{
	return event_handover_copier(follower->handover);
}

static uint64_t now_ns(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* there is one on Linux */
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void stop(struct log_follower *follower)
{
	atomic_store(&follower->is_stopped, true);
	if (follower->has_thread)
		ring(follower);
}

static void join(struct log_follower *follower)
{
	(void)pthread_join(follower->thread, NULL); /* it is ours, and ends */
	follower->has_thread = false;
}

/* On a busy machine a thread of the lowest priority may take long to end. returns false: it does */
static bool end_thread(struct log_follower *follower)
{
	uint64_t end_ns = now_ns() + END_NS + follower->taken_bytes * END_NS_PER_BYTE;
	stop(follower);
	if (!follower->has_thread)
		return true;
	while (follower->state == THREAD_RUNS) {
		uint64_t left_ns = end_ns - now_ns();
		if ((int64_t)left_ns <= 0)
			return false;
		sys_futex_wait(&follower->state, THREAD_RUNS,
			       left_ns < WAIT_NS ? (long)left_ns : WAIT_NS);
	}
	join(follower);
	return true;
}

bool log_follower_end(struct log_follower *follower, const char *path, struct loaded_log *ret_log)
{
	if (!end_thread(follower))
		return false;
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
	stop(follower);
	pthread_t thread = follower->thread;
	if (follower->has_thread && leave(follower, THREAD_IS_LEFT)) {
		(void)pthread_detach(thread); /* it is ours, and not joined */
		return;
	}
	if (follower->has_thread)
		join(follower);
	free_follower(follower);
}
