/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/tracker.h"

#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/leak_protocol.h"
#include "common/sys.h"
#include "libtrack/preload/allocators.h"
#include "libtrack/preload/deferred_blocks.h"
#include "libtrack/preload/environment.h"
#include "libtrack/preload/leak_check.h"
#include "libtrack/preload/modules.h"
#include "libtrack/preload/patience.h"
#include "libtrack/preload/real.h"
#include "libtrack/preload/scrub.h"
#include "libtrack/preload/thread.h"
#include "libtrack/preload/unwind.h"

struct tracker tracker;
struct tracker_identity tracker_identity;

uint32_t tracker_thread_id(void)
{
	/* libc writes the thread's id into a mutex that checks its owner. */
	pthread_mutex_t mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
	if (pthread_mutex_lock(&mutex) != 0)
		return 0;
	uint32_t id = (uint32_t)mutex.__data.__owner;
	(void)pthread_mutex_unlock(&mutex); /* just locked by us */
	return id;
}

void tracker_wake_collector(void)
{
	struct segment_header *segment = tracker.segment;
	atomic_fetch_add_explicit(&segment->doorbell, 1, memory_order_release);
	/* Who is not woken looks by himself, some milliseconds later. */
	if (atomic_load_explicit(&segment->collector_sleeping, memory_order_relaxed) &&
	    !atomic_load_explicit(&tracker.is_filtered, memory_order_relaxed))
		sys_futex_wake(&segment->doorbell);
}

static bool claim_free_image(uint64_t parent_serial)
{
	struct segment_header *segment = tracker.segment;
	for (uint32_t i = 0; i < SEGMENT_IMAGES; i++) {
		struct image_slot *slot = &segment->images[i];
		uint32_t free_pid = 0;
		if (atomic_load_explicit(&slot->pid, memory_order_relaxed) != 0 ||
		    !atomic_compare_exchange_strong(&slot->pid, &free_pid, tracker.pid))
			continue;
		tracker.image_index = i;
		atomic_store(&slot->flags, 0);
		atomic_store(&slot->parent_serial, parent_serial);
		atomic_store(&slot->forks_started, 0);
		atomic_store(&slot->forks_joined, 0);
		atomic_store(&slot->ended, 0);
		atomic_store(&slot->skipped_events, 0);
		atomic_store(&slot->tracker_bytes, 0);
		atomic_store(&slot->shared_bytes, 0);
		atomic_store(&slot->checked_stacks, 0);
		atomic_store(&slot->differing_stacks, 0);
		atomic_store(&slot->guessed_stacks, 0);
		atomic_store(&slot->overhead_ticks, 0);
		atomic_store(&slot->scan_turn, 0);
		atomic_store(&slot->scan_lost, LEAK_SCAN_NO_VERDICT);
		atomic_store(&slot->scan_wanted, 0);
		atomic_store(&slot->scan_done, 0);
		atomic_store(&slot->defers_no_more, 0);
		atomic_store(&slot->pid_namespace, tracker.pid_namespace);
		atomic_store(&slot->watched_pid, 0);
		atomic_store(&slot->failed_allocations, 0);
		atomic_store(&slot->slack_measured, 0);
		atomic_store(&slot->slack_requested_bytes, 0);
		atomic_store(&slot->slack_usable_bytes, 0);
		tracker.image_serial = atomic_fetch_add(&segment->image_serial, 1) + 1;
		atomic_store_explicit(&slot->serial, tracker.image_serial, memory_order_release);
		tracker_wake_collector();
		return true;
	}
	return false;
}

/*
 * Takes a slot for this process image. The collector gives back those of processes that have
 * ended; if it is slow to, it is waited for.
 */
static bool claim_image(uint64_t parent_serial)
{
	struct segment_header *segment = tracker.segment;
	struct patience patience = {0};
	enum patience_end end = PATIENCE_LEFT;
	while (!claim_free_image(parent_serial)) {
		if (!atomic_load(&tracker.is_filtered))
			end = patience_ask(&patience, PATIENCE_ROOM_STEPS);
		if (end != PATIENCE_LEFT || atomic_load(&tracker.is_filtered)) {
			atomic_fetch_or(&segment->lost_images, end == PATIENCE_STALLED
								       ? IMAGE_LOST_BACK_PRESSURE
								       : IMAGE_LOST_NO_ROOM);
			return false;
		}
		/* A sleep: nobody tells of a slot that is free. */
		tracker_wake_collector();
		sys_futex_wait(&segment->chunk_count,
			       atomic_load_explicit(&segment->chunk_count, memory_order_relaxed),
			       PATIENCE_STEP_NS);
	}
	return true;
}

/*
 * A page that is zero in every fork's child, whichever way it was forked (Linux 4.14). Where it is
 * not to be had, fork handlers alone must do.
 */
static const uint32_t *mark_alive(void)
{
	static const uint32_t always = 1;
	static uint32_t *page; /* it keeps what it is in children */
	if (!page) {
		page = sys_pages(SEGMENT_PAGE);
		if (!page || sys_failed(sys_call6(SYS_madvise, (long)page, SEGMENT_PAGE,
						  MADV_WIPEONFORK, 0, 0, 0)))
			return &always;
	}
	*page = 1;
	return page;
}

/* A fork's child may be in another namespace than its parent: unshare, setns. */
static void find_pid_namespace(void)
{
	struct stat status;
	if (atomic_load(&tracker.is_filtered))
		return;
	if (!sys_failed(sys_call6(SYS_newfstatat, AT_FDCWD, (long)"/proc/self/ns/pid",
				  (long)&status, 0, 0, 0)))
		tracker.pid_namespace = status.st_ino;
}

static struct segment_header *map_segment(const char *path)
{
	int fd = sys_open(path, O_RDWR);
	if (fd < 0)
		return NULL;
	uint64_t size_bytes = SEGMENT_HEADER_BYTES + SEGMENT_CHUNK_TRACKER_BYTES;
	struct segment_header *segment = sys_mmap(size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
						  fd, 0);
	sys_close(fd);
	if (!segment)
		return NULL;
	/* Little of it is touched in a short run: no pages read ahead. A wish only. */
	(void)sys_call6(SYS_madvise, (long)segment, (long)size_bytes, MADV_RANDOM, 0, 0, 0);
	if (memcmp(segment->magic, SEGMENT_MAGIC, sizeof(segment->magic)) != 0 ||
	    segment->version != SEGMENT_VERSION || segment->header_bytes != SEGMENT_HEADER_BYTES ||
	    segment->ring_words != RING_WORDS) {
		sys_munmap(segment, size_bytes);
		return NULL;
	}
	tracker.chunks[0] = (char *)segment + SEGMENT_HEADER_BYTES;
	return segment;
}

static size_t read_file(const char *path, char *bytes, size_t capacity)
{
	int fd = sys_open(path, O_RDONLY);
	if (fd < 0)
		return 0;
	long count = sys_read(fd, bytes, capacity);
	sys_close(fd);
	return count > 0 ? (size_t)count : 0;
}

static uint64_t parse_number(const char *text)
{
	uint64_t number = 0;
	for (; *text >= '0' && *text <= '9'; text++)
		number = number * 10 + (uint64_t)(*text - '0');
	return number;
}

/* Field `index` of /proc/PID/stat, counted from 1; the name, field 2, may hold anything. */
static const char *stat_field(const char *stat, int index)
{
	const char *at = strrchr(stat, ')');
	for (int field = 2; at && field < index; field++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	return at ? at : "";
}

static void identify(void)
{
	struct tracker_identity *identity = &tracker_identity;
	char stat[1024];
	size_t used = read_file("/proc/self/stat", stat, sizeof(stat) - 1);
	stat[used] = '\0';
	identity->pid = tracker.pid;
	identity->parent_pid = parse_number(stat_field(stat, 4));
	identity->start_ticks = parse_number(stat_field(stat, 22));
	identity->command_bytes = read_file("/proc/self/cmdline", identity->command,
					    sizeof(identity->command));
	long length = sys_call6(SYS_readlinkat, AT_FDCWD, (long)"/proc/self/exe",
				(long)identity->path, sizeof(identity->path) - 1, 0, 0);
	identity->path[length > 0 ? length : 0] = '\0';
}

static struct image_slot *own_image(void)
{
	return &tracker.segment->images[tracker.image_index];
}

static void before_fork(void)
{
	if (tracker_records())
		atomic_fetch_add(&own_image()->forks_started, 1);
}

static void after_fork_in_child(void)
{
	if (tracker_records())
		tracker_enter_child(tracker_thread_id());
}

void tracker_enter_child(uint32_t pid)
{
	struct image_slot *parent = own_image();
	uint64_t parent_serial = tracker.image_serial;
	if (!pid && atomic_load(&tracker.is_filtered)) {
		atomic_store(&tracker.state, TRACKER_STOPPED);
		return;
	}
	tracker.pid = pid ? pid : (uint32_t)sys_call6(SYS_getpid, 0, 0, 0, 0, 0, 0);
	find_pid_namespace();
	bool is_recorded = !(tracker.segment->session_flags & SESSION_NO_CHILDREN) &&
			   claim_image(parent_serial);
	atomic_fetch_add(&parent->forks_joined, 1);
	if (!is_recorded) {
		atomic_store(&tracker.state, TRACKER_STOPPED);
		return;
	}
	modules_reset();
	deferred_blocks_enter_child();
	atomic_store(&tracker.stamping, 0);
	thread_start_process(true);
	tracker.alive = mark_alive();
	leak_check_enter_child();
}

#define EXIT_WITHOUT_LAUNCHER 125 /* as the launcher's own */

/*
 * The collector may have been started after this process, and need some more time. If it can't
 * begin, the launcher kills the program; which ends by itself if the launcher was killed before.
 */
static bool await_collector(void)
{
	struct segment_header *segment = tracker.segment;
	struct patience patience = {0};
	while (!atomic_load(&segment->is_ready)) {
		bool is_program = sys_call6(SYS_getpid, 0, 0, 0, 0, 0, 0) ==
				  (long)segment->program_pid;
		if (is_program &&
		    sys_call6(SYS_getppid, 0, 0, 0, 0, 0, 0) != (long)segment->launcher_pid)
			(void)sys_call6(SYS_exit_group, EXIT_WITHOUT_LAUNCHER, 0, 0, 0, 0, 0);
		if (!is_program && patience_ask(&patience, UINT32_MAX) != PATIENCE_LEFT) {
			atomic_fetch_or(&segment->lost_images, IMAGE_LOST_BACK_PRESSURE);
			return false;
		}
		sys_futex_wait(&segment->is_ready, 0, PATIENCE_STEP_NS);
	}
	return !atomic_load(&segment->stopped);
}

static bool start(void)
{
	if (!environment_find_session(environ))
		return false;
	tracker.segment = map_segment(tracker.session);
	if (!tracker.segment || !await_collector())
		return false;
	tracker.marks_blocks = tracker.segment->session_flags & SESSION_MAY_SAMPLE;
	tracker.measures_overhead = tracker.segment->session_flags & SESSION_MEASURE_OVERHEAD;
	tracker.alive = mark_alive();
	tracker.pid = (uint32_t)sys_call6(SYS_getpid, 0, 0, 0, 0, 0, 0);
	find_pid_namespace();
	identify();
	if (tracker.segment->session_flags & SESSION_SCRUB) {
		scrub_start();
		atomic_store(&tracker.scrubs, 1);
	}
	deferred_blocks_start();
	return claim_image(0);
}

void tracker_start(void)
{
	static _Atomic uint32_t has_begun;
	if (atomic_exchange(&has_begun, 1))
		return;
	atomic_store(&tracker.state, TRACKER_STARTING);
	uint32_t activity = thread_self.activity;
	thread_self.activity = THREAD_FOREIGN;
	bool is_started = start();
	if (is_started) {
		thread_start_process(false);
		leak_check_start();
		(void)pthread_atfork(before_fork, leak_check_after_fork,
				     after_fork_in_child); /* else: the alive page */
	}
	thread_self.activity = activity;
	atomic_store(&tracker.state, is_started ? TRACKER_RECORDING : TRACKER_STOPPED);
}

void tracker_stop(uint32_t loss)
{
	if (loss)
		atomic_fetch_or(&own_image()->flags, loss);
	atomic_store(&tracker.state, TRACKER_STOPPED);
}

/* Runs when the loader has initialised libc: from here on dlopen is possible. */
__attribute__((constructor)) static void construct(void)
{
	real_find();
	tracker_start();
	environment_hide(environ);
	if (!tracker_records())
		return;
	thread_self.activity = THREAD_FOREIGN;
	/* Else traces have one frame. */
	(void)unwind_prepare((enum unwinder_kind)tracker.segment->unwinder,
			     tracker.segment->session_flags & SESSION_CROSS_CHECK);
	allocators_bind();
	thread_self.activity = THREAD_OUTSIDE;
	/* The program appears in the log even if it never allocates. */
	struct thread_block *block = thread_enter();
	if (block)
		thread_leave(block);
}
