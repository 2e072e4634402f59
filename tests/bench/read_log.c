/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Times the reading of a log: decoding alone, and the whole replay, whether the log is finished or
 * not. Prints events, seconds, CPU seconds, events per second (of time, of CPU), and the largest
 * resident memory.
 *
 *   read_log decode|replay LOG
 *   read_log finish LOG                 without names, so that the log grows by the replay's
 * results read_log window LOG FROM_US TO_US   what opening the log takes is told apart
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "common/log/event_coder.h"
#include "reader/finish.h"
#include "reader/loaded_log.h"
#include "reader/log_reader.h"
#include "reader/log_window.h"

#define IMAGES 4096u

static double clock_seconds(clockid_t clock)
{
	struct timespec now;
	(void)clock_gettime(clock, &now); /* both clocks exist */
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Decodes the events of all images one after the other. returns their number */
static uint64_t decode(const char *path)
{
	static struct event_state states[IMAGES];
	static struct stack_trie tries[IMAGES];
	struct log_reader reader;
	struct log_block block;
	struct byte_reader payload;
	struct decoded_events events = {0};
	struct mt_error error = {0};
	uint64_t count = 0;
	enum mt_status status = log_reader_open(&reader, path, &error);
	while (status == MT_OK && log_reader_next(&reader, &block, NULL, &error) == 1) {
		if (block.kind != LOG_BLOCK_EVENTS || block.image >= IMAGES)
			continue;
		if (log_reader_payload(&reader, &block, &payload, &error) != 1)
			break;
		if (!tries[block.image].nodes && !stack_trie_init(&tries[block.image]))
			break;
		status = event_decode(&states[block.image], &tries[block.image], payload.at,
				      byte_reader_left(&payload), &events, &error);
		count += events.count;
	}
	if (status != MT_OK)
		(void)fprintf(stderr, "read_log: %s\n", error.message);
	return count;
}

static uint64_t replay(const char *path)
{
	struct loaded_log log;
	struct mt_error error = {0};
	const struct loaded_log_options options = {.ignores_profile = true};
	if (loaded_log_read(&log, path, &options, &error) != MT_OK) {
		(void)fprintf(stderr, "read_log: %s\n", error.message);
		return 0;
	}
	uint64_t count = log.replay.event_count;
	uint64_t live_blocks = 0;
	for (uint32_t i = 0; i < log.replay.image_count; i++)
		live_blocks += log.replay.images[i]->totals.live_blocks;
	(void)printf("live blocks at the end %llu, peak %llu bytes\n",
		     (unsigned long long)live_blocks, (unsigned long long)log.replay.peak_bytes);
	loaded_log_release(&log);
	return count;
}

static uint64_t finish(const char *path)
{
	const struct finish_options options = {.has_no_symbols = true};
	struct finish_result result;
	struct mt_error error = {0};
	if (finish_log(path, &options, &result, &error) == MT_OK)
		return result.totals.allocations + result.totals.deallocations;
	(void)fprintf(stderr, "read_log: %s\n", error.message);
	return 0;
}

static uint64_t read_window(char **arguments)
{
	struct loaded_log log;
	struct log_window window;
	struct mt_error error = {0};
	double began = clock_seconds(CLOCK_MONOTONIC);
	if (loaded_log_read(&log, arguments[2], NULL, &error) != MT_OK) {
		(void)fprintf(stderr, "read_log: %s\n", error.message);
		return 0;
	}
	(void)printf("opened in %.3f s, %zu checkpoints\n", clock_seconds(CLOCK_MONOTONIC) - began,
		     log.place_count);
	began = clock_seconds(CLOCK_MONOTONIC);
	if (log_window_read(&window, &log, strtoull(arguments[3], NULL, 10),
			    strtoull(arguments[4], NULL, 10), &error) != MT_OK) {
		(void)fprintf(stderr, "read_log: %s\n", error.message);
		return 0;
	}
	uint64_t live_blocks = 0;
	uint64_t allocations = 0;
	for (size_t i = 0; i < window.cost_count; i++) {
		live_blocks += window.costs[i].live_blocks;
		allocations += window.costs[i].allocations;
	}
	uint64_t count = window.replayed_events;
	(void)printf("answered in %.3f s: %llu allocations, %llu blocks live at the end\n",
		     clock_seconds(CLOCK_MONOTONIC) - began, (unsigned long long)allocations,
		     (unsigned long long)live_blocks);
	log_window_release(&window);
	loaded_log_release(&log);
	return count;
}

static uint64_t run(char **arguments, int argument_count)
{
	const char *mode = arguments[1];
	if (argument_count == 5)
		return read_window(arguments);
	if (strcmp(mode, "decode") == 0)
		return decode(arguments[2]);
	return strcmp(mode, "finish") == 0 ? finish(arguments[2]) : replay(arguments[2]);
}

int main(int argument_count, char **arguments)
{
	struct rusage usage;
	if (argument_count != 3 && argument_count != 5) {
		(void)fputs("usage: read_log decode|replay|finish LOG\n"
			    "       read_log window LOG FROM_US TO_US\n",
			    stderr);
		return 2;
	}
	double began = clock_seconds(CLOCK_MONOTONIC);
	double cpu_began = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
	uint64_t count = run(arguments, argument_count);
	double elapsed = clock_seconds(CLOCK_MONOTONIC) - began;
	double cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_began;
	(void)getrusage(RUSAGE_SELF, &usage); /* of ourselves: cannot fail */
	(void)printf("%s: %llu events, %.2f s, %.2f s of CPU, %.1f M events/s, %.1f M a core, "
		     "%ld MiB\n",
		     arguments[1], (unsigned long long)count, elapsed, cpu,
		     (double)count / elapsed / 1e6, (double)count / cpu / 1e6,
		     usage.ru_maxrss / 1024);
	return count ? 0 : 1;
}
