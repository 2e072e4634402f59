/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/collector/collector.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/env.h"
#include "common/log/recording.h"
#include "common/log/recording_state.h"
#include "common/sys.h"
#include "libtrack/collector/address_pages.h"
#include "libtrack/collector/control_bell.h"
#include "libtrack/collector/deferred_file.h"
#include "libtrack/collector/detach.h"
#include "libtrack/collector/drain.h"
#include "libtrack/collector/leak_scans.h"
#include "libtrack/collector/module_files.h"
#include "libtrack/collector/process_table.h"
#include "libtrack/collector/segment_file.h"

#define TICK_NS 1000000L
#define IDLE_TICK_NS 4000000L
#define IDLE_AFTER_TICKS 200
#define SPARSE_TICKS 32u /* with few events, so many make up the time since the newest process */
#define SPARSE_TICK_MAX_NS 8000000L
/* The same where only the stacks of what is not freed come through the rings: ages, roughly. */
#define UNFREED_TICKS 10u
#define UNFREED_TICK_MAX_NS 30000000L
#define COMMIT_INTERVAL_US 2000000u /* what is decoded waits no longer than this for the log */
#define SAMPLE_INTERVAL_US 10000u
#define SAMPLES_AIM 4000u /* a long run is sampled less often: about this many rows */
#define PROCESS_INTERVAL_US 1000u
#define SPARE_RINGS 8u
#define PENDING_EVENT_BYTES 2u  /* of an event that is not in the log yet: more than most take */
#define FINISHED_NODE_BYTES 24u /* that a stack node adds to the log's end: sums, names */
#define GROWN_EVENTS 65536u     /* in a log that is worth looking at again */
#define LEFTOVERS_US 200000u    /* processes that outlive the program by less are waited for */

struct collector {
	const struct collector_options *options;
	int control_fd;
	int log_fd;
	struct segment_file segment;
	struct log_writer writer;
	struct recording *recording;
	struct recording_observer observer;
	struct address_pages pages;
	struct drain drain;
	struct process_table processes;
	struct sampling_control sampling;
	struct deferred_file deferred;
	struct leak_scans leak_scans;
	struct module_files *module_files;
	bool launcher_left;
	bool program_ended; /* or the launcher, without telling */
	bool has_status;
	bool had_image; /* the program, or some of it, was traced */
	struct collector_ended ended;
	char *new_path; /* where the log is until it takes the place of an older one; else NULL */
	bool told_leftovers;
	uint64_t ended_us; /* when the program ended */
	uint64_t now_us;
	uint64_t last_commit_us;
	uint64_t last_sample_us;
	uint64_t last_process_us;
	uint64_t last_image_us; /* when the newest process was taken up */
	uint32_t quiet_ticks;
	uint32_t loss;        /* enum log_loss */
	uint64_t told_events; /* of the log, when it was last said that it has grown */
	uint64_t failed_allocations;
};

static void advance_clock(struct collector *collector)
{
	collector->now_us = segment_advance_clock(collector->segment.header);
}

/* An older log may be replaced unless somebody is writing it. */
static enum mt_status check_older_log(const char *path, struct mt_error *error)
{
	struct stat status;
	enum mt_status result = MT_OK;
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT
			       ? MT_OK
			       : mt_error_set_errno(error, errno, "cannot overwrite %s", path);
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
		result = mt_error_set(error, MT_ERR_IO, "%s is not a regular file", path);
	else if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		result = mt_error_set(error, MT_ERR_IO, "%s is being written by another memtrace",
				      path);
	(void)close(fd);
	return result;
}

/*
 * A log that replaces an older one is written beside it, and takes its place when the program has
 * started: until then anything may go wrong.
 */
static enum mt_status open_log(struct collector *collector, struct mt_error *error)
{
	const char *path = collector->options->log_path;
	if (collector->options->overwrites && access(path, F_OK) == 0) {
		enum mt_status status = check_older_log(path, error);
		if (status != MT_OK)
			return status;
		if (asprintf(&collector->new_path, "%s.new", path) < 0)
			return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory");
		(void)unlink(collector->new_path); /* left by a run that was killed */
		path = collector->new_path;
	}
	collector->log_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (collector->log_fd < 0 && errno == EEXIST)
		return mt_error_set(error, MT_ERR_IO, "%s exists: use -f to overwrite it", path);
	if (collector->log_fd < 0)
		return mt_error_set_errno(error, errno, "cannot write %s", path);
	if (flock(collector->log_fd, LOCK_EX | LOCK_NB) != 0)
		return mt_error_set_errno(error, errno, "cannot lock %s", path);
	return log_writer_init(&collector->writer, collector->log_fd, error);
}

static void take_place_of_older_log(struct collector *collector)
{
	if (!collector->new_path)
		return;
	if (rename(collector->new_path, collector->options->log_path) == 0) {
		free(collector->new_path);
		collector->new_path = NULL;
	}
}

static bool clock_source_is_tsc(void)
{
#if defined(__x86_64__)
	char name[32] = "";
	int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource",
		      O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t count = read(fd, name, sizeof(name) - 1);
	(void)close(fd);
	/* kvm-clock is the counter too, with the hypervisor's scale: one for all processors. */
	return count > 0 && (strncmp(name, "tsc", 3) == 0 || strncmp(name, "kvm-clock", 9) == 0 ||
			     strncmp(name, "hyperv", 6) == 0);
#else
	return true;
#endif
}

static void write_run(struct collector *collector)
{
	const struct collector_options *options = collector->options;
	const struct segment_header *header = collector->segment.header;
	char host[HOST_NAME_MAX + 1] = "";
	char directory[PATH_MAX] = "";
	struct buffer fields = {0};
	struct buffer command = {0};
	(void)gethostname(host, sizeof(host) - 1); /* unknown: empty */
	(void)!getcwd(directory, sizeof(directory));
	for (size_t i = 0; i < options->argument_count; i++)
		buffer_append(&command, options->arguments[i], strlen(options->arguments[i]) + 1);
	if (command.size_bytes > LIMIT_STRING_BYTES)
		command.size_bytes = LIMIT_STRING_BYTES;
	buffer_varint(&fields, header->start_realtime_ns);
	buffer_varint(&fields, (uint64_t)options->program_pid);
	buffer_varint(&fields, (uint64_t)sysconf(_SC_PAGESIZE));
	buffer_varint(&fields, (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
	buffer_varint(&fields, header->unwinder);
	buffer_string(&fields, command.bytes, command.size_bytes);
	buffer_string(&fields, host, strlen(host));
	buffer_string(&fields, directory, strlen(directory));
	buffer_string(&fields, MEMTRACE_VERSION, strlen(MEMTRACE_VERSION));
	if (options->only_unfreed)
		buffer_varint(&fields, 1);
	struct log_block block = {.kind = LOG_BLOCK_RUN, .image = LOG_NO_IMAGE};
	log_writer_add(&collector->writer, &block, &fields);
	buffer_release(&command);
	buffer_release(&fields);
}

static void save_decoders(void *context, uint64_t number)
{
	struct collector *collector = context;
	drain_save_decoders(&collector->drain, number);
}

static void tell_grown(void *context, uint64_t event_count)
{
	struct collector *collector = context;
	if (event_count - collector->told_events < GROWN_EVENTS)
		return;
	collector->told_events = event_count;
	collector->options->watcher->grown(collector->options->watcher->context, collector->log_fd,
					   collector->recording, event_count,
					   log_writer_size(&collector->writer));
}

static void name_thread(void *context, struct recorded_image *image, uint32_t index,
			uint32_t thread_id)
{
	struct collector *collector = context;
	char path[64];
	char name[32];
	(void)snprintf(path, sizeof(path), "/proc/%u/task/%u/comm", image->proc_pid,
		       process_ids_thread(&collector->processes.ids, image->proc_pid,
					  image->own_pid, thread_id));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	ssize_t count = read(fd, name, sizeof(name) - 1);
	(void)close(fd);
	if (count <= 1)
		return;
	name[count - 1] = '\0'; /* in place of the newline */
	recording_name_thread(image, index, name, collector->now_us);
}

/* Deleted, replaced or out of sight by the time its names are looked up: the file is kept open. */
static void keep_module(void *context, struct recorded_image *image,
			const struct module_details *module)
{
	struct collector *collector = context;
	module_files_keep(collector->module_files, image->proc_pid, module->path, module->build_id,
			  module->build_id_bytes);
}

static bool wants_cross_check(void)
{
#if defined(__x86_64__)
	return getenv(ENV_CROSS_CHECK) != NULL;
#else
	return false;
#endif
}

static enum mt_status set_up(struct collector *collector, struct mt_error *error)
{
	struct segment_header *header = collector->segment.header;
	enum mt_status status = segment_file_reopen(&collector->segment, error);
	if (status != MT_OK)
		return status;
	header->unwinder = collector->options->unwinder;
	header->session_flags = (clock_source_is_tsc() ? 0u : SESSION_CLOCK_STAMPS) |
				(collector->options->no_children ? SESSION_NO_CHILDREN : 0u) |
				(collector->options->leak_check ? SESSION_LEAK_CHECK : 0u) |
				(collector->options->scrub ? SESSION_SCRUB : 0u) |
				(wants_cross_check() ? SESSION_CROSS_CHECK : 0u);
	sampling_control_init(&collector->sampling, &collector->options->sampling, header);
	(void)pthread_mutex_lock(&header->collector_alive); /* nobody else ever locks it */
	collector->observer = (struct recording_observer){
		.context = collector,
		.committing = save_decoders,
		.committed = collector->options->watcher ? tell_grown : NULL,
		.copier = collector->options->watcher ? &collector->options->watcher->copier : NULL,
		.thread_started = name_thread,
		.module_loaded = keep_module,
	};
	address_pages_init(&collector->pages, &collector->segment);
	collector->recording = recording_new(&collector->writer, &collector->observer,
					     &collector->pages.source);
	collector->module_files = module_files_new();
	if (!collector->recording || !collector->module_files)
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to record with");
	collector->drain.segment = &collector->segment;
	collector->drain.recording = collector->recording;
	collector->drain.uses_clock_stamps = header->session_flags & SESSION_CLOCK_STAMPS;
	collector->processes.segment = &collector->segment;
	collector->processes.recording = collector->recording;
	if (collector->options->only_unfreed)
		deferred_file_create(&collector->deferred, header);
	collector->leak_scans = (struct leak_scans){
		.segment = &collector->segment,
		.deferred = &collector->deferred,
		.recording = collector->recording,
		.processes = &collector->processes,
		.interest = collector->options->interest,
	};
	collector->writer.is_hasty = collector->options->is_hasty;
	if (collector->deferred.header)
		recording_log_used_stacks(collector->recording);
	if (collector->options->leak_check)
		recording_keep_births(collector->recording);
	write_run(collector);
	return recording_commit(collector->recording, error);
}

/* Lets traced processes begin. */
static void announce(struct collector *collector)
{
	struct segment_header *header = collector->segment.header;
	atomic_store(&header->is_ready, 1);
	sys_futex_wake_all(&header->is_ready);
}

static void tell_launcher(const struct collector *collector, const struct mt_error *error)
{
	struct collector_ready ready = {.status = error->status};
	(void)snprintf(ready.message, sizeof(ready.message), "%s", error->message);
	if (error->status == MT_OK) {
		char *path = realpath(collector->options->log_path, NULL);
		(void)snprintf(ready.log_path, sizeof(ready.log_path), "%s",
			       path ? path : collector->options->log_path);
		free(path);
	}
	(void)send(collector->control_fd, &ready, sizeof(ready),
		   MSG_NOSIGNAL); /* gone: seen soon */
}

static void add_rings(struct collector *collector)
{
	struct segment_header *header = collector->segment.header;
	uint32_t free_count = 0;
	uint32_t first = (collector->segment.chunk_count - 1) * SEGMENT_CHUNK_RINGS;
	for (uint32_t i = 0; i < SEGMENT_CHUNK_RINGS; i++)
		free_count += !atomic_load(
			&segment_file_ring(&collector->segment, first + i)->owner);
	bool is_wanted = atomic_exchange(&header->chunk_wanted, 0);
	if (free_count >= SPARE_RINGS && !is_wanted)
		return;
	struct mt_error error;
	if (segment_file_grow(&collector->segment, &error) == MT_OK)
		sys_futex_wake_all(&header->chunk_count);
}

/* returns  whether there was something to read */
static bool read_message(struct collector *collector)
{
	if (collector->launcher_left)
		return false;
	struct collector_ended news;
	ssize_t count = recv(collector->control_fd, &news, sizeof(news), MSG_DONTWAIT);
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	collector->launcher_left = count != (ssize_t)sizeof(news);
	if (collector->program_ended) {
		if (!collector->launcher_left && news.event == TREE_ENDS)
			process_table_kill(&collector->processes);
		return true;
	}
	if (count == (ssize_t)sizeof(news) && news.event == PROGRAM_STARTED) {
		take_place_of_older_log(collector);
		return true;
	}
	collector->program_ended = true;
	collector->ended_us = collector->now_us;
	collector->has_status = count == (ssize_t)sizeof(news);
	collector->ended = news;
	return true;
}

static void read_control(struct collector *collector)
{
	control_bell_answer();
	while (read_message(collector))
		;
}

static void send_news(const struct collector *collector, enum recording_event event, size_t count)
{
	struct collector_news news = {.event = event, .process_count = (uint32_t)count};
	(void)send(collector->control_fd, &news, sizeof(news),
		   MSG_NOSIGNAL); /* gone: nobody waits */
}

/* The launcher does not wait for processes that the program left behind. */
static void tell_of_leftovers(struct collector *collector)
{
	size_t count = 0;
	if (!collector->program_ended || collector->told_leftovers ||
	    collector->now_us - collector->ended_us < LEFTOVERS_US)
		return;
	/* The last look at them may be long ago, on a busy machine. */
	(void)process_table_find_dead(&collector->processes, collector->now_us);
	for (size_t i = 0; i < collector->processes.count; i++)
		count += !collector->processes.images[i].is_dead;
	if (count == 0)
		return;
	collector->told_leftovers = true;
	send_news(collector, RECORDING_GOES_ON, count);
}

/* returns  enum log_loss of enum image_flags */
static uint32_t log_loss_of(uint32_t flags)
{
	return (flags & IMAGE_LOST_BACK_PRESSURE ? LOG_LOSS_BACK_PRESSURE : 0u) |
	       (flags & IMAGE_LOST_NO_MEMORY ? LOG_LOSS_NO_MEMORY : 0u) |
	       (flags & IMAGE_LOST_NO_ROOM ? LOG_LOSS_NO_ROOM : 0u);
}

/* Ends the images whose process is gone: all that they published is decoded first. */
static enum mt_status end_dead_images(struct collector *collector, struct mt_error *error)
{
	struct process_table *table = &collector->processes;
	bool has_more = false;
	if (!process_table_find_dead(table, collector->now_us))
		return MT_OK;
	/* A child on its way is still to take after its parent. */
	for (size_t i = 0; i < table->count; i++)
		table->images[i].is_silent = table->images[i].is_dead &&
					     process_table_may_forget(table, &table->images[i],
								      collector->now_us);
	(void)drain_rings(&collector->drain, collector->now_us, &has_more);
	if (has_more)
		return MT_OK; /* the spool is full: in the next round */
	/* Who has written to a ring must be known before it is decoded. */
	if (!process_table_find_new(table, collector->now_us))
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to record with");
	for (size_t i = 0; i < table->count; i++)
		if (table->images[i].is_silent)
			drain_finish_rings(&collector->drain, table->images[i].slot);
	enum mt_status status = recording_decode(collector->recording, false, error);
	bool is_any_over = false;
	for (size_t i = 0; i < table->count && status == MT_OK; i++) {
		struct watched_image *watched = &table->images[i];
		if (!watched->is_silent || watched->has_ended)
			continue;
		watched->has_ended = true;
		const struct image_slot *slot = &collector->segment.header->images[watched->slot];
		uint32_t flags = atomic_load(&slot->flags);
		collector->failed_allocations += atomic_load(&slot->failed_allocations);
		const struct image_end end = {
			.loss = log_loss_of(flags),
			.skipped_events = atomic_load(&slot->skipped_events),
			.has_stack_checks = collector->segment.header->session_flags &
					    SESSION_CROSS_CHECK,
			.checked_stacks = atomic_load(&slot->checked_stacks),
			.differing_stacks = atomic_load(&slot->differing_stacks),
			.guessed_stacks = atomic_load(&slot->guessed_stacks),
			.slack_measured = atomic_load(&slot->slack_measured),
			.slack_requested_bytes = atomic_load(&slot->slack_requested_bytes),
			.slack_usable_bytes = atomic_load(&slot->slack_usable_bytes),
		};
		collector->loss |= end.loss;
		if (!atomic_load(&slot->defers_no_more))
			status = deferred_file_collect(&collector->deferred, collector->recording,
						       watched->image, error);
		if (status == MT_OK)
			status = leak_scans_log_left(&collector->leak_scans, watched->serial,
						     watched->image, error);
		if (status != MT_OK)
			break;
		recording_end_image(collector->recording, watched->image, collector->now_us, &end);
		is_any_over = true;
	}
	if (status == MT_OK && is_any_over)
		status = recording_commit(collector->recording, error);
	/* Somebody waits for the log, and nobody for the memory of the last image. */
	bool keeps_memory = collector->program_ended && table->count == 1;
	for (size_t i = table->count; i-- > 0 && status == MT_OK;) {
		const struct watched_image *watched = &table->images[i];
		if (!watched->is_silent)
			continue;
		if (!keeps_memory) {
			drain_release_rings(&collector->drain, watched->slot);
			address_pages_give_back(&collector->pages, watched->serial);
			deferred_file_give_back(&collector->deferred, watched->serial);
		}
		process_table_forget(table, i);
	}
	return status;
}

/* What the log would be if it ended here: events wait in batches, finishing adds sums and names. */
static uint64_t finished_log_bytes(const struct collector *collector)
{
	uint64_t bytes = log_writer_size(&collector->writer) +
			 PENDING_EVENT_BYTES * recording_uncommitted_events(collector->recording);
	const struct recorded_image *image = NULL;
	while ((image = recording_next_image(collector->recording, image)))
		bytes += FINISHED_NODE_BYTES * image->trie.node_count;
	return bytes;
}

static enum mt_status commit_if_due(struct collector *collector, bool must, struct mt_error *error)
{
	uint64_t events = recording_uncommitted_events(collector->recording);
	bool is_late = collector->now_us - collector->last_commit_us > COMMIT_INTERVAL_US;
	bool is_spool_full = drain_spool_used(&collector->drain) >
			     collector->segment.spool_bytes / 2;
	if (!must && !is_spool_full && !(is_late && events > 0))
		return MT_OK;
	/* A block of its own is for more than the few rows of one commit. */
	if (process_table_has_old_samples(&collector->processes, collector->now_us))
		process_table_write_samples(&collector->processes, &collector->writer);
	enum mt_status status = recording_commit(collector->recording, error);
	collector->last_commit_us = collector->now_us;
	return status;
}

static void sample_if_due(struct collector *collector)
{
	uint64_t interval = collector->now_us / SAMPLES_AIM;
	interval = interval < SAMPLE_INTERVAL_US ? SAMPLE_INTERVAL_US : interval;
	/* Often at first: many programs live for some milliseconds only. */
	if (collector->now_us < 100000 && interval > collector->now_us / 8)
		interval = collector->now_us / 8;
	if (collector->now_us - collector->last_sample_us < interval)
		return;
	process_table_sample(&collector->processes, collector->now_us);
	collector->last_sample_us = collector->now_us;
}

/* One round. returns words taken, through ret_taken */
static enum mt_status run_round(struct collector *collector, uint64_t *ret_taken,
				struct mt_error *error)
{
	bool has_more = false;
	advance_clock(collector);
	add_rings(collector);
	*ret_taken = drain_rings(&collector->drain, collector->now_us, &has_more);
	/* After the rings, so that who has written to one is known. */
	uint64_t taken_up = collector->processes.taken_count;
	if (!process_table_find_new(&collector->processes, collector->now_us))
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to record with");
	if (collector->processes.taken_count != taken_up)
		collector->last_image_us = collector->now_us;
	collector->had_image = collector->had_image || collector->processes.count > 0;
	enum mt_status status = recording_decode(collector->recording, false, error);
	if (status == MT_OK)
		status = commit_if_due(collector, has_more, error);
	drain_forget_committed(&collector->drain);
	sampling_control_limit_log(&collector->sampling, finished_log_bytes(collector));
	sampling_control_limit_overhead(&collector->sampling, &collector->processes,
					collector->now_us);
	if (status == MT_OK)
		status = leak_scans_step(&collector->leak_scans, collector->now_us, error);
	advance_clock(collector); /* what is drained from now on may be of later than the round */
	*ret_taken += has_more;
	bool is_due = collector->now_us - collector->last_process_us >= PROCESS_INTERVAL_US;
	if (status != MT_OK || (!is_due && !control_bell_rings()))
		return status;
	collector->last_process_us = collector->now_us;
	sample_if_due(collector);
	read_control(collector);
	tell_of_leftovers(collector);
	return end_dead_images(collector, error);
}

static bool is_over(const struct collector *collector)
{
	if (!collector->program_ended)
		return false;
	if (collector->has_status && collector->ended.event == PROGRAM_NOT_STARTED)
		return true;
	return collector->processes.count == 0 &&
	       atomic_load(&collector->segment.header->image_serial) ==
		       collector->processes.last_serial;
}

/*
 * Where little comes through the rings, times are good to a small part of the time since the last
 * program was started; a program that allocates beside a collector that wakes up all the time has
 * half a processor the less where two of them share a core.
 */
static long sparse_tick_ns(const struct collector *collector, uint32_t ticks, long max_ns)
{
	uint64_t age_us = collector->now_us - collector->last_image_us;
	long tick_ns = (long)(age_us * 1000 / ticks);
	if (tick_ns < TICK_NS)
		return TICK_NS;
	return tick_ns < max_ns ? tick_ns : max_ns;
}

static long tick_ns(const struct collector *collector)
{
	if (collector->processes.count == 0)
		return IDLE_TICK_NS; /* the first one rings the doorbell */
	/* Little comes through the rings. */
	if (collector->deferred.header)
		return sparse_tick_ns(collector, UNFREED_TICKS, UNFREED_TICK_MAX_NS);
	if (atomic_load_explicit(&collector->segment.header->interval_bytes, memory_order_relaxed))
		return sparse_tick_ns(collector, SPARSE_TICKS, SPARSE_TICK_MAX_NS);
	return collector->quiet_ticks > IDLE_AFTER_TICKS ? IDLE_TICK_NS : TICK_NS;
}

static void sleep_a_tick(struct collector *collector, uint64_t taken)
{
	struct segment_header *header = collector->segment.header;
	uint32_t doorbell = atomic_load(&header->doorbell);
	collector->quiet_ticks = taken ? 0 : collector->quiet_ticks + 1;
	if (taken > RING_WORDS / 8 || control_bell_rings())
		return; /* busy: no sleep */
	atomic_store(&header->collector_sleeping, 1);
	sys_futex_wait(&header->doorbell, doorbell, tick_ns(collector));
	atomic_store(&header->collector_sleeping, 0);
}

static void write_end(struct collector *collector)
{
	struct buffer fields = {0};
	const struct collector_ended *ended = &collector->ended;
	int status = ended->wait_status;
	buffer_varint(&fields, collector->has_status);
	buffer_varint(&fields, collector->has_status && WIFEXITED(status)
				       ? (uint64_t)WEXITSTATUS(status)
				       : 0);
	buffer_varint(&fields, collector->has_status && WIFSIGNALED(status)
				       ? (uint64_t)WTERMSIG(status)
				       : 0);
	buffer_varint(&fields, collector->loss);
	buffer_varint(&fields, collector->processes.peak_rss_bytes);
	buffer_varint(&fields, collector->has_status ? ended->max_rss_bytes : 0);
	struct log_block block = {
		.kind = LOG_BLOCK_END,
		.image = LOG_NO_IMAGE,
		.first_us = collector->now_us,
		.last_us = collector->now_us,
	};
	log_writer_add(&collector->writer, &block, &fields);
	buffer_release(&fields);
}

/* The end of a log that could not be written on: room for it is made by dropping the segment. */
static enum mt_status finish_cut(struct collector *collector, struct mt_error *error)
{
	struct log_block commit = {.kind = LOG_BLOCK_COMMIT, .image = LOG_NO_IMAGE};
	struct buffer number = {0};
	segment_file_release(&collector->segment, true);
	if (log_writer_retry(&collector->writer, error) != MT_OK)
		error->status = MT_OK; /* then the log ends with the commit before */
	write_end(collector);
	buffer_varint(&number, collector->recording->commit_count + 1);
	log_writer_add(&collector->writer, &commit, &number);
	buffer_release(&number);
	return log_writer_flush(&collector->writer, error);
}

static enum mt_status finish(struct collector *collector, struct mt_error *error)
{
	process_table_write_samples(&collector->processes, &collector->writer);
	write_end(collector);
	return recording_commit(collector->recording, error);
}

/* Waits for word of how the program ended, when there is nothing left to record. */
static void await_end(struct collector *collector)
{
	while (!collector->program_ended) {
		struct pollfd entry = {.fd = collector->control_fd, .events = POLLIN};
		(void)poll(&entry, 1, -1); /* interrupted: once more */
		read_control(collector);
	}
	advance_clock(collector);
}

static enum mt_status collect(struct collector *collector, struct mt_error *error)
{
	enum mt_status status = MT_OK;
	while (status == MT_OK && !is_over(collector)) {
		uint64_t taken = 0;
		status = run_round(collector, &taken, error);
		if (status == MT_OK && !is_over(collector))
			sleep_a_tick(collector, taken);
	}
	collector->loss |= log_loss_of(atomic_load(&collector->segment.header->lost_images));
	if (status == MT_OK &&
	    !(collector->has_status && collector->ended.event == PROGRAM_NOT_STARTED))
		status = finish(collector, error);
	return status;
}

/* What is left of a recording that failed: the log up to there, the program unhurt. */
static void end_early(struct collector *collector, const struct mt_error *error,
		      struct collector_result *result)
{
	struct mt_error ignored;
	atomic_store(&collector->segment.header->stopped, 1);
	collector->loss |= LOG_LOSS_WRITE;
	result->is_cut = true;
	(void)snprintf(result->message, sizeof(result->message), "%s", error->message);
	leak_scans_release(&collector->leak_scans);
	await_end(collector);
	process_table_release(&collector->processes);
	if (finish_cut(collector, &ignored) != MT_OK)
		return; /* a log without an end reads as cut off, which it is */
}

/* What this recording has made; never an older log. */
static void remove_log(const struct collector *collector)
{
	if (collector->log_fd >= 0)
		(void)unlink(collector->new_path ? collector->new_path
						 : collector->options->log_path);
}

static void release(struct collector *collector, bool removes_log)
{
	if (removes_log) {
		remove_log(collector);
		(void)close(collector->log_fd);
	}
	leak_scans_release(&collector->leak_scans);
	process_table_release(&collector->processes);
	/* The process ends soon, all at once. */
	if (collector->options->is_hasty && !removes_log)
		return;
	recording_free(collector->recording);
	log_writer_release(&collector->writer);
	address_pages_release(&collector->pages);
	deferred_file_release(&collector->deferred);
	if (removes_log)
		segment_file_release(&collector->segment, true);
	free(collector->new_path);
}

/* Collects until the tree has ended, and gives up all but what finishing the log needs. */
static void record(struct collector *collector, struct mt_error *failure,
		   struct collector_result *result)
{
	process_ids_init(&collector->processes.ids);
	control_bell_hang(collector->control_fd, &collector->segment.header->doorbell);
	enum mt_status status = collect(collector, failure);
	control_bell_take_down(collector->control_fd);
	if (status != MT_OK) {
		/* What looks like a want of memory may be one of room for the segment. */
		bool is_segment = failure->status == MT_ERR_NO_MEMORY &&
				  collector->pages.failure.status != MT_OK;
		end_early(collector, is_segment ? &collector->pages.failure : failure, result);
	}
	if (collector->told_leftovers) /* else nobody has done anything but wait for the log */
		send_news(collector, RECORDING_OVER, 0);
	result->is_discarded = collector->has_status &&
			       collector->ended.event == PROGRAM_NOT_STARTED;
	result->was_traced = collector->had_image;
	result->failed_allocations = collector->failed_allocations;
	result->module_files = collector->module_files;
	if (!result->is_discarded) {
		take_place_of_older_log(collector);
		result->log_fd = collector->log_fd;
		result->segment = &collector->segment;
		segment_file_remove(&collector->segment);
	}
	release(collector, result->is_discarded);
}

enum mt_status collector_open(struct collector **ret_collector,
			      const struct collector_options *options, struct mt_error *error)
{
	long page_bytes = sysconf(_SC_PAGESIZE);
	if (page_bytes != SEGMENT_PAGE)
		return mt_error_set(error, MT_ERR_LIMIT,
				    "the kernel's pages have %ld bytes: only %u is supported",
				    page_bytes, SEGMENT_PAGE);
	/* Pages of its own, for the rest of the process: most of its tables are never touched. */
	struct collector *collector = sys_pages(sizeof(*collector));
	if (!collector)
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to record with");
	collector->options = options;
	collector->log_fd = -1;
	collector->segment.fd = -1;
	collector->deferred.fd = -1;
	(void)signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error like any other */
	enum mt_status status = open_log(collector, error);
	if (status == MT_OK)
		status = segment_file_create(&collector->segment, options->log_path, error);
	*ret_collector = status == MT_OK ? collector : NULL;
	if (status == MT_OK) {
		collector->segment.header->launcher_pid = (uint32_t)getpid();
		collector->segment.header->program_pid = (uint32_t)options->program_pid;
		segment_file_close(&collector->segment);
	} else {
		collector_discard(collector);
	}
	return status;
}

bool collector_session(const struct collector *collector, pid_t pid, char *session, size_t capacity)
{
	const struct segment_file *segment = &collector->segment;
	if (segment->is_memory) {
		(void)snprintf(session, capacity, "/proc/%d/fd/%d", (int)pid, segment->fd);
		return pid != 0;
	}
	char *path = realpath(segment->path, NULL);
	(void)snprintf(session, capacity, "%s", path ? path : segment->path);
	free(path);
	return true;
}

void collector_leave(struct collector *collector)
{
	if (collector->log_fd >= 0)
		(void)close(collector->log_fd);
	log_writer_release(&collector->writer);
	segment_file_release(&collector->segment, false);
	free(collector->new_path);
	sys_munmap(collector, sizeof(*collector));
}

void collector_discard(struct collector *collector)
{
	remove_log(collector);
	segment_file_remove(&collector->segment);
	collector_leave(collector);
}

enum mt_status collector_run(struct collector *collector, int control_fd,
			     struct collector_result *ret_result, struct mt_error *error)
{
	struct mt_error failure = {0};
	*ret_result = (struct collector_result){.log_fd = -1};
	collector->control_fd = control_fd;
	detach();
	enum mt_status status = set_up(collector, &failure);
	if (status != MT_OK) {
		if (error)
			*error = failure;
		tell_launcher(collector, &failure);
	} else {
		announce(collector);
		tell_launcher(collector, &failure);
		record(collector, &failure, ret_result);
	}
	return status;
}
