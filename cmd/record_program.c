/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmd/record_program.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cmd/command.h"
#include "common/executable.h"
#include "libtrack/collector/module_files.h"
#include "libtrack/collector/segment_file.h"
#include "reader/finish.h"
#include "reader/name_cache.h"
#include "reporters/text.h"

static const char *advice_for(enum executable_kind kind)
{
	switch (kind) {
	case EXECUTABLE_STATIC:
		return "link it dynamically to trace it";
	case EXECUTABLE_SET_ID:
		return "run it as its owner, or a copy without these rights";
	case EXECUTABLE_OTHER_ARCHITECTURE:
		return "use memtrace built for that architecture";
	case EXECUTABLE_OTHER_LIBC:
		return "only programs linked with glibc can be traced";
	case EXECUTABLE_SANITIZER:
		return "build it without -fsanitize";
	case EXECUTABLE_TRACEABLE:
	case EXECUTABLE_UNREADABLE:
		break;
	}
	return "";
}

int record_find_program(const char *name, char *path, size_t capacity)
{
	int failure = executable_find(name, getenv("PATH"), path, capacity);
	if (failure == ENOENT) {
		print_error("%s: not found", name);
		return EXIT_NOT_FOUND;
	}
	if (failure) {
		print_error("%s: not executable", name);
		return EXIT_NOT_EXECUTABLE;
	}
	enum executable_kind kind = executable_classify(path);
	if (kind == EXECUTABLE_TRACEABLE || kind == EXECUTABLE_UNREADABLE)
		return 0;
	print_error("%s: cannot be traced: %s; %s", path, executable_reason(kind),
		    advice_for(kind));
	return EXIT_NOT_EXECUTABLE;
}

#define PROGRESS_STEP_S 1
#define LAUNCHER_LIMIT_MS 50

static void describe(const struct finish_result *finished, const char *log_path, char *text,
		     size_t capacity)
{
	char peak[TEXT_FIGURE_BYTES];
	char count[TEXT_FIGURE_BYTES];
	char leaked[TEXT_FIGURE_BYTES];
	int length = snprintf(text, capacity, "%s: peak %s, %s allocations, %s never freed%s",
			      log_path, text_of_bytes(finished->totals.peak_bytes, peak),
			      text_of_count(finished->totals.allocations, count),
			      text_of_bytes(finished->totals.live_bytes, leaked),
			      finished->is_complete ? "" : " (incomplete: see 'memtrace summary')");
	if (finished->symbols.missing > 0 && length > 0 && (size_t)length < capacity)
		(void)snprintf(text + length, capacity - (size_t)length,
			       "; %llu names are missing: run 'memtrace symbolize'",
			       (unsigned long long)finished->symbols.missing);
}

/* Where names are looked up: in the collector's process. */
struct lookup_place {
	struct module_files *module_files;
	int control_fd;
	time_t told_s; /* when it was last told how far it is; at first, when it began */
};

static int find_file(void *context, const char *path, const uint8_t *build_id,
		     size_t build_id_bytes)
{
	const struct lookup_place *place = context;
	return find_module_file(place->module_files, path, build_id, build_id_bytes);
}

/* Tells the launcher how far it is, once a second. */
static void tell_progress(void *context, uint64_t done, uint64_t total)
{
	struct lookup_place *place = context;
	struct collector_news news = {.event = LOG_PROGRESS};
	time_t now_s = time(NULL);
	if (now_s - place->told_s < PROGRESS_STEP_S)
		return;
	place->told_s = now_s;
	(void)snprintf(news.text, sizeof(news.text), "looking up names: %.0f %%",
		       percent_of(done, total));
	/* Nobody waits, or has not read the one before: then it is not needed. */
	(void)send(place->control_fd, &news, sizeof(news), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Whether the launcher is still there, to complete the names if need be. */
static bool is_awaited(int control_fd)
{
	struct pollfd control = {.fd = control_fd};
	return poll(&control, 1, 0) == 0;
}

/*
 * Finishes the log. The blocks of the segment's file are still taken then, as nobody should wait
 * for the kernel to free them; but if the disk is too full for that, they are given back first.
 */
static enum mt_status finish(const char *log_path, struct finish_options *options,
			     const struct collector_result *result, struct finish_result *finished,
			     struct mt_error *error)
{
	enum mt_status status = finish_log(log_path, options, finished, error);
	if (status != MT_ERR_IO)
		return status;
	segment_file_release(result->segment, false); /* nothing in it is needed */
	options->follower = NULL;
	return finish_log(log_path, options, finished, error);
}

/* The launcher can do the same, at the price of reading the log once instead of twice. */
static bool may_leave_unfinished(const struct launch_options *options,
				 const struct collector_result *result, int control_fd)
{
	return options->finishes_log && result->was_traced && !result->is_cut &&
	       is_awaited(control_fd) && module_files_are_in_place(result->module_files);
}

/*
 * To free its memory takes this process milliseconds, for which the kernel may let the launcher
 * wait: on one processor with it, as who was told of something last, while others are idle. So the
 * launcher goes first, and ends, if that does not take long.
 */
static void await_launcher(int control_fd)
{
	struct pollfd control = {.fd = control_fd};
	(void)poll(&control, 1, LAUNCHER_LIMIT_MS); /* until its end is closed, or no longer */
}

static void send_finished(const struct collector_result *result, const struct collector_news *news,
			  int control_fd)
{
	(void)flock(result->log_fd, LOCK_UN); /* the launcher may read before this process ends */
	(void)send(control_fd, news, sizeof(*news), MSG_NOSIGNAL); /* nobody waits: fine */
	(void)close(result->log_fd); /* all of it is written; its file system may be wanted away */
	await_launcher(control_fd);
}

/* The log is replayed while it grows, so that its end need not be waited for. */
static void follow_log(void *context, int log_fd, const struct recording *recording,
		       uint64_t event_count, uint64_t end_bytes)
{
	log_follower_tell(context, log_fd, recording, event_count, end_bytes);
}

/* In the collector's process: its descriptors of the program's modules are at hand. */
static void finish_recording(void *context, const struct launch_options *launch_options,
			     const char *log_path, const struct collector_result *result,
			     int control_fd)
{
	struct collector_news news = {
		.event = LOG_FINISHED,
		.failed_allocations = result->failed_allocations,
	};
	struct lookup_place place = {
		.module_files = result->module_files,
		.control_fd = control_fd,
		.told_s = time(NULL),
	};
	struct finish_options options = {
		.is_recorder = true,
		.has_no_symbols = launch_options->no_symbols,
		.follower = context,
		.symbolize.limit_ms = SYMBOLS_LIMIT_MS,
		.symbolize.only_leaks = is_awaited(control_fd) ? launch_options->only_leak_symbols
							       : 0,
		.symbolize.find_file = find_file,
		.symbolize.progress = tell_progress,
		.symbolize.context = &place,
	};
	struct finish_result finished;
	struct mt_error error;
	if (result->is_discarded)
		return;
	if (may_leave_unfinished(launch_options, result, control_fd)) {
		news.is_unfinished = true;
		send_finished(result, &news, control_fd);
		return;
	}
	options.symbolize.cache_fd = launch_options->no_symbols ? -1 : name_cache_open_directory();
	options.symbolize.has_cache = options.symbolize.cache_fd >= 0;
	if (result->is_cut)
		(void)snprintf(news.text, sizeof(news.text), "recording ended early: %s",
			       result->message);
	else if (!result->was_traced)
		(void)snprintf(news.text, sizeof(news.text), "%s: the program was not traced",
			       log_path);
	else if (finish(log_path, &options, result, &finished, &error) == MT_OK)
		describe(&finished, log_path, news.text, sizeof(news.text));
	else
		(void)snprintf(news.text, sizeof(news.text), "%s is not finished: %s", log_path,
			       error.message);
	send_finished(result, &news, control_fd);
}

/* The collector died: the log and its segment are put together here. */
static void finish_for_collector(const struct launch_options *launch_options,
				 const struct launch_result *result, char *text, size_t capacity)
{
	struct finish_options options = {
		.has_no_symbols = launch_options->no_symbols,
		.symbolize.limit_ms = SYMBOLS_LIMIT_MS,
		.symbolize.only_leaks = launch_options->only_leak_symbols,
		.ending = {true, result->wait_status, result->max_rss_bytes},
	};
	struct finish_result finished;
	struct mt_error error;
	if (finish_log(result->log_path, &options, &finished, &error) == MT_OK)
		describe(&finished, result->log_path, text, capacity);
	else
		(void)snprintf(text, capacity, "the collector ended early: %s", error.message);
}

static void describe_news(const struct launch_options *launch_options,
			  const struct launch_result *result, char *text, size_t capacity)
{
	switch (result->news.event) {
	case RECORDING_GOES_ON:
		(void)snprintf(text, capacity,
			       "%.400s: recording goes on, %u process%s still run%s",
			       result->log_path, result->news.process_count,
			       result->news.process_count == 1 ? "" : "es",
			       result->news.process_count == 1 ? "s" : "");
		break;
	case LOG_FINISHED:
		(void)snprintf(text, capacity, "%s", result->news.text);
		break;
	case RECORDING_LOST:
	case RECORDING_OVER:
	case LOG_PROGRESS: /* what comes after it is missing */
		finish_for_collector(launch_options, result, text, capacity);
		break;
	}
}

void record_program(const struct launch_options *options, struct launch_result *ret_result,
		    char *closing, size_t capacity)
{
	/* Who asked for less than the whole log finishes it, too, or it is soon done. Without
	 * memory for a follower the log is replayed at the end. */
	bool is_followed = !options->only_unfreed && !options->finishes_log;
	struct log_follower *follower = is_followed ? log_follower_new(&finish_replay_options, true)
						    : NULL;
	struct log_watcher watcher = {.context = follower, .grown = follow_log};
	const struct recorder_work work = {
		.context = follower,
		.watcher = follower ? &watcher : NULL,
		.finish = finish_recording,
	};
	if (follower)
		watcher.copier = log_follower_copier(follower);
	launch(options, &work, ret_result);
	log_follower_free(follower); /* the collector has its own copy */
	*closing = '\0';
	if (ret_result->was_recorded)
		describe_news(options, ret_result, closing, capacity);
}
