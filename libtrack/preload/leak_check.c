/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process is scanned once at its end: by an exit handler that was registered first and so runs
 * last, or at _exit, whichever comes first. An abort is scanned before it is known whether the
 * program survives it, and the parent of a daemon before it is known whether there is one; a later
 * scan replaces that one.
 */
#include "libtrack/preload/leak_check.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/counter.h"
#include "common/leak_protocol.h"
#include "common/sys.h"
#include "libtrack/preload/deferred_blocks.h"
#include "libtrack/preload/foreign_blocks.h"
#include "libtrack/preload/leak_park.h"
#include "libtrack/preload/leak_read.h"
#include "libtrack/preload/leak_wishes.h"
#include "libtrack/preload/real.h"
#include "libtrack/preload/recorder.h"
#include "libtrack/preload/stack_bounds.h"
#include "libtrack/preload/thread.h"
#include "libtrack/preload/tracker.h"
#include "libtrack/preload/unwind.h"
#include "libtrack/preload/unwind_fast.h"

#define EXPORT __attribute__((visibility("default")))
#define WAIT_STEP_NS 10000000L
#define STALLED_NS 3000000000ull /* the collector's clock stands still */
#define MAPS_BYTES_FIRST (256u << 10)
#define RANGES_MAX 16384u

enum scan_moment {
	AT_EXIT,
	AT_ABORT,
	AT_DAEMON,       /* in the parent, which ends without telling, unless the fork has failed */
	ON_REQUEST,      /* of the program */
	ON_LAST_REQUEST, /* the same, and there is to be no scan at the end any more */
	ON_SIGNAL,       /* of somebody else: in a signal handler */
};

static struct {
	_Atomic uint32_t running; /* id of the thread that scans; 0: none */
	_Atomic uint32_t is_done; /* the scan at the end was made */
} check;

static struct image_slot *own_image(void)
{
	return &tracker.segment->images[tracker.image_index];
}

/* Everything that the collector is told, on pages of our own. */
struct preparation {
	struct leak_scan_area area;
	struct leak_park park;
	size_t maps_mapped_bytes;
	struct iovec remote[LEAK_SCAN_RANGES];
	uint32_t range_count;
	struct leak_scan_range ranges[RANGES_MAX];
};

static void add_range(struct preparation *preparation, const void *address, size_t size_bytes,
		      enum leak_scan_range_kind kind)
{
	if (preparation->range_count < RANGES_MAX)
		preparation->ranges[preparation->range_count++] = (struct leak_scan_range){
			.address = (uint64_t)address, .size_bytes = size_bytes, .kind = kind};
}

/* What tracker code has allocated may hold what belongs to the program: thread-specific data. */
static void add_foreign_block(void *context, void *block)
{
	if (real.malloc_usable_size)
		add_range(context, block, real.malloc_usable_size(block), LEAK_SCAN_ROOT);
}

extern char __bss_start[] __attribute__((visibility("hidden")));
extern char _end[] __attribute__((visibility("hidden")));

static void add_thread_block(void *context, const void *pages, size_t size_bytes)
{
	add_range(context, pages, size_bytes, LEAK_SCAN_OWN);
}

static void add_ranges(struct preparation *preparation)
{
	add_range(preparation, preparation, sizeof(*preparation), LEAK_SCAN_OWN);
	add_range(preparation, preparation->park.threads, preparation->park.mapped_bytes,
		  LEAK_SCAN_OWN);
	add_range(preparation, (const void *)preparation->area.maps, preparation->maps_mapped_bytes,
		  LEAK_SCAN_OWN);
	add_range(preparation, __bss_start, (size_t)(_end - __bss_start), LEAK_SCAN_OWN);
	add_range(preparation, bootstrap_pool, BOOTSTRAP_POOL_BYTES, LEAK_SCAN_ROOT);
	thread_each_block(add_thread_block, preparation);
	foreign_blocks_each(add_foreign_block, preparation);
}

/* Reads a whole file of /proc to pages of our own. returns NULL: it can't be had */
static char *read_maps(size_t *ret_bytes, size_t *ret_mapped_bytes)
{
	for (size_t capacity = MAPS_BYTES_FIRST; capacity <= LEAK_SCAN_MAPS_BYTES_MAX;
	     capacity *= 4) {
		char *text = sys_pages(capacity);
		int fd = sys_open("/proc/thread-self/maps", O_RDONLY);
		size_t used = 0;
		long count = fd >= 0 && text ? 1 : -1;
		while (count > 0 && used < capacity) {
			count = sys_read(fd, text + used, capacity - used);
			used += count > 0 ? (size_t)count : 0;
		}
		if (fd >= 0)
			sys_close(fd);
		if (count == 0) {
			*ret_bytes = used;
			*ret_mapped_bytes = capacity;
			return text;
		}
		if (text)
			sys_munmap(text, capacity);
		if (count < 0)
			break;
	}
	return NULL;
}

/* The collector's turn, until it is over or the collector is. returns whether it is over */
static bool attend(struct preparation *preparation, struct thread_block *block)
{
	struct image_slot *slot = own_image();
	uint64_t last_us = 0;
	uint64_t progress_ns = clock_monotonic_ns();
	for (;;) {
		uint32_t turn = atomic_load(&slot->scan_turn);
		if (turn == LEAK_SCAN_TURN_OVER)
			return true;
		if (turn == LEAK_SCAN_TURN_READ) {
			leak_read_serve(block->words, preparation->remote);
			atomic_store(&slot->scan_turn, LEAK_SCAN_TURN_GIVEN);
			sys_futex_wake(&slot->scan_turn);
			continue;
		}
		/* While it lives and runs, its clock advances. */
		uint64_t us = atomic_load_explicit(&tracker.segment->elapsed_us,
						   memory_order_relaxed);
		uint64_t now = clock_monotonic_ns();
		if (us != last_us)
			progress_ns = now;
		last_us = us;
		/* Nobody looks at a slot that was taken back. */
		if (!thread_may_go_on() || now - progress_ns > STALLED_NS ||
		    atomic_load(&slot->serial) != tracker.image_serial)
			return false;
		sys_futex_wait(&slot->scan_turn, turn, WAIT_STEP_NS);
	}
}

/* Whether no other thread runs while the process is scanned. */
static bool are_all_parked(const struct leak_park *park)
{
	bool is_all = park->is_complete;
	for (uint32_t i = 1; i < park->count; i++)
		is_all = is_all && park->threads[i].is_parked;
	return is_all;
}

/* returns  whether the process was scanned */
static bool ask_collector(struct preparation *preparation, struct thread_block *block,
			  enum scan_moment moment)
{
	struct image_slot *slot = own_image();
	atomic_store(&slot->scan_is_last, moment == AT_EXIT && are_all_parked(&preparation->park));
	atomic_store(&slot->scan_ring, block->ring_index);
	atomic_store(&slot->scan_area, (uint64_t)&preparation->area);
	atomic_store(&slot->scan_turn, LEAK_SCAN_TURN_ASKED);
	tracker_wake_collector();
	bool is_over = attend(preparation, block);
	atomic_store(&slot->scan_turn, LEAK_SCAN_TURN_NONE);
	return is_over && atomic_load(&slot->scan_lost) != LEAK_SCAN_NO_VERDICT;
}

/*
 * Blocks that the collector does not know of, or memory in the midst of glibc's heap that the
 * program has got from sbrk: what they hold is not lost.
 */
static bool has_strangers(void)
{
	return (real.is_glibc && atomic_load(&tracker.has_own_break)) ||
	       own_image()->parent_serial || atomic_load(&own_image()->skipped_events) > 0 ||
	       atomic_load(&tracker.has_paused);
}

/* returns  whether the process was scanned */
static bool scan_parked(struct preparation *preparation, struct thread_block *block,
			enum scan_moment moment)
{
	struct leak_scan_area *area = &preparation->area;
	size_t maps_bytes = 0;
	size_t mapped_bytes = 0;
	char *maps = read_maps(&maps_bytes, &mapped_bytes);
	area->image_serial = atomic_load(&own_image()->serial);
	area->maps = (uint64_t)maps;
	area->maps_bytes = maps_bytes;
	preparation->maps_mapped_bytes = mapped_bytes;
	add_ranges(preparation);
	area->threads = (uint64_t)preparation->park.threads;
	area->thread_count = preparation->park.count;
	area->ranges = (uint64_t)preparation->ranges;
	area->range_count = preparation->range_count;
	area->pthread_stack_place = stack_bounds_place();
	struct leak_wishes wishes = leak_wishes_known();
	area->suppressions = (uint64_t)wishes.suppressions;
	area->suppressions_bytes = wishes.suppressions_bytes;
	area->flags = (real.is_glibc ? LEAK_SCAN_AREA_GLIBC : 0u) |
		      (has_strangers() ? LEAK_SCAN_AREA_STRANGERS : 0u) |
		      (moment == ON_REQUEST || moment == ON_SIGNAL ? LEAK_SCAN_AREA_REQUESTED
								   : 0u) |
		      (wishes.is_turned_off ? LEAK_SCAN_AREA_TURNED_OFF : 0u) |
		      (maps && preparation->park.is_complete ? 0u : LEAK_SCAN_AREA_UNREADABLE);
	bool is_scanned = ask_collector(preparation, block, moment);
	if (maps)
		sys_munmap(maps, mapped_bytes);
	return is_scanned;
}

static bool is_wanted(void)
{
	return tracker_records() && tracker.segment->session_flags & SESSION_LEAK_CHECK &&
	       !atomic_load(&tracker.is_filtered) &&
	       (uint32_t)sys_call6(SYS_getpid, 0, 0, 0, 0, 0, 0) == tracker.pid;
}

/* No handler sees the signal of an abort: nothing of the program goes on. */
static bool is_abort_final(void)
{
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} action;
	if (sys_failed(sys_call6(SYS_rt_sigaction, SIGABRT, 0, (long)&action, 8, 0, 0)))
		return false;
	return action.handler == (void *)SIG_DFL || action.handler == (void *)SIG_IGN;
}

static bool scan(enum scan_moment moment, const void *context, uintptr_t stack_pointer)
{
	uint64_t mask = sys_block_signals();
	struct preparation *preparation = sys_pages(sizeof(*preparation));
	struct thread_block *block = preparation ? thread_enter() : NULL;
	bool is_made = false;
	if (block && leak_park_begin(&preparation->park, context, stack_pointer)) {
		bool is_scanned = scan_parked(preparation, block, moment);
		if (is_scanned && atomic_load(&own_image()->scan_is_last))
			deferred_blocks_end();
		leak_park_end(&preparation->park, moment == AT_EXIT || moment == AT_DAEMON ||
							  (moment == AT_ABORT && is_abort_final()));
		is_made = true;
	}
	if (block)
		thread_leave(block);
	if (preparation)
		sys_munmap(preparation, sizeof(*preparation));
	sys_set_signal_mask(mask);
	return is_made;
}

/* One thread scans at a time; another one that wants to end the process waits for it. */
static bool take_turn(void)
{
	uint32_t own = (uint32_t)sys_call6(SYS_gettid, 0, 0, 0, 0, 0, 0);
	for (;;) {
		uint32_t running = 0;
		if (atomic_compare_exchange_strong(&check.running, &running, own))
			return true;
		if (running == own)
			return false; /* a signal handler that interrupted the scan's end */
		sys_futex_wait(&check.running, running, WAIT_STEP_NS);
	}
}

/* context  of the code to go on with, after a signal; NULL: the caller's, at `stack_pointer` */
static bool check_leaks(enum scan_moment moment, const void *context, uintptr_t stack_pointer)
{
	bool is_made = false;
	if (!is_wanted() || !take_turn())
		return false;
	int saved_errno = errno;
	if (!atomic_load(&check.is_done)) {
		if (moment == AT_EXIT || moment == ON_LAST_REQUEST)
			atomic_store(&check.is_done, 1);
		if (moment != ON_SIGNAL)
			leak_wishes_ask();
		is_made = scan(moment, context, stack_pointer);
	}
	errno = saved_errno;
	atomic_store(&check.running, 0);
	sys_futex_wake_all(&check.running);
	return is_made;
}

/* The caller's stack, from where the registers are saved that the caller expects to find again. */
/* Behind the call that gets it, so that the frame stays: else the compiler jumps there. */
#define KEEP_FRAME() __asm__ volatile("" ::: "memory")
#define CALLERS_STACK() ((uintptr_t)__builtin_frame_address(0) - LEAK_PARK_SAVED_BYTES)

/* Code of this many bytes from a function's address on is the function's: exit is a short one. */
#define EXIT_CODE_BYTES 96u
/* The frame of our own exit has the caller's registers within this many bytes of its end. */
#define EXIT_FRAME_BYTES 256u

#ifdef MEMTRACE_HAS_FAST_UNWINDER
static bool is_in(uintptr_t address, uintptr_t function)
{
	return function && address - function < EXIT_CODE_BYTES;
}

/*
 * Where the stack of whoever called exit or quick_exit ends. The frames of these functions, in
 * which exit handlers are called, hold nothing of the program's, but have holes with what was
 * there before: the last frame of main, with its pointers. Registers that the caller keeps are in
 * the frame of our own exit, if it was called that way, behind padding, where the dynamic linker
 * may have saved anything when it bound the call; where main has returned there are none.
 *
 * returns  `here` if exit is not found on the stack
 */
static uintptr_t stack_below_exit(const struct unwind_start *start, uintptr_t here)
{
	struct thread_block *block = thread_enter();
	uintptr_t end = here;
	uint64_t hash;
	if (!block)
		return here;
	unwind_forget(&block->unwind);
	stack_names_clear(&block->names);
	(void)unwind_fast(&block->unwind, start, &block->names, &hash);
	const struct memo_frame *memo = block->unwind.memo;
	for (uint32_t i = block->unwind.depth; i-- > 1 && end == here;)
		if (is_in(memo[i].address, (uintptr_t)real.exit) ||
		    is_in(memo[i].address, (uintptr_t)real.quick_exit))
			end = memo[i - 1].slot + sizeof(uintptr_t);
	if (end != here && thread_self.exit_stack - end < EXIT_FRAME_BYTES)
		end = thread_self.exit_stack;
	unwind_forget(&block->unwind);
	stack_names_clear(&block->names);
	thread_leave(block);
	return end;
}
#else
static uintptr_t stack_below_exit(const struct unwind_start *start, uintptr_t here)
{
	(void)start;
	return here;
}
#endif

__attribute__((noinline)) static void check_at_exit(void *unused)
{
	(void)unused;
	__builtin_unwind_init();
	struct unwind_start start = UNWIND_START();
	if (is_wanted())
		(void)check_leaks(AT_EXIT, NULL, stack_below_exit(&start, CALLERS_STACK()));
	KEEP_FRAME();
}

EXPORT _Noreturn void exit(int status)
{
	__builtin_unwind_init();
	thread_self.exit_stack = CALLERS_STACK();
	if (!real.exit)
		real_find();
	real.exit(status);
	for (;;)
		__builtin_trap();
}

EXPORT _Noreturn void quick_exit(int status)
{
	__builtin_unwind_init();
	thread_self.exit_stack = CALLERS_STACK();
	if (!real.quick_exit)
		real_find();
	real.quick_exit(status);
	for (;;)
		__builtin_trap();
}

extern int __cxa_atexit(void (*function)(void *), void *argument, void *library);
extern int __cxa_at_quick_exit(void (*function)(void *), void *library);

void leak_check_start(void)
{
	if (!(tracker.segment->session_flags & SESSION_LEAK_CHECK))
		return;
	/* No memory: then the process ends without a scan, which the reader sees. */
	(void)!__cxa_atexit(check_at_exit, NULL, NULL);
	(void)!__cxa_at_quick_exit(check_at_exit, NULL);
	atomic_store(&tracker.awaits_threads, 1);
	leak_park_install();
}

void leak_check_threads_begin(void)
{
	atomic_store(&tracker.awaits_threads, 0);
	leak_park_install();
}

__attribute__((noinline)) int leak_check_now(bool is_final)
{
	__builtin_unwind_init();
	if (!tracker_records())
		return -1;
	bool is_made = check_leaks(is_final ? ON_LAST_REQUEST : ON_REQUEST, NULL, CALLERS_STACK());
	KEEP_FRAME();
	uint32_t lost = is_made ? atomic_load(&own_image()->scan_lost) : LEAK_SCAN_NO_VERDICT;
	return lost == LEAK_SCAN_NO_VERDICT ? -1 : lost > 0;
}

__attribute__((noinline)) void leak_check_serve_request(const void *context)
{
	__builtin_unwind_init();
	struct image_slot *slot = own_image();
	uint32_t wanted = atomic_load(&slot->scan_wanted);
	if (wanted == atomic_load(&slot->scan_done))
		return;
	(void)check_leaks(ON_SIGNAL, context, CALLERS_STACK());
	atomic_store(&slot->scan_done, wanted);
	sys_futex_wake_all(&slot->scan_done);
}

void leak_check_ignore(const void *address)
{
	struct thread_block *block = address && tracker_records() ? thread_enter() : NULL;
	if (!block)
		return;
	recorder_note_ignore(block, address);
	thread_leave(block);
}

void leak_check_disable(void)
{
	thread_self.ignoring++;
}

void leak_check_enable(void)
{
	if (thread_self.ignoring > 0)
		thread_self.ignoring--;
}

/*
 * libc's daemon ends the parent inside of libc, where nobody is told: what is called after the fork
 * comes last.
 */
EXPORT int daemon(int keeps_directory, int keeps_files)
{
	__builtin_unwind_init();
	if (!real.daemon)
		real_find();
	thread_self.daemon_stack = CALLERS_STACK();
	int failure = real.daemon(keeps_directory, keeps_files);
	thread_self.daemon_stack = 0;
	return failure;
}

void leak_check_after_fork(void)
{
	if (thread_self.daemon_stack && tracker_records())
		(void)check_leaks(AT_DAEMON, NULL, thread_self.daemon_stack);
}

void leak_check_enter_child(void)
{
	atomic_store(&check.running, 0);
	atomic_store(&check.is_done, 0);
	leak_park_reset();
}

EXPORT _Noreturn void _exit(int status)
{
	__builtin_unwind_init();
	if (tracker_records())
		(void)check_leaks(AT_EXIT, NULL, CALLERS_STACK());
	if (real._exit)
		real._exit(status);
	for (;;)
		(void)sys_call6(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

EXPORT _Noreturn void _Exit(int status)
{
	__builtin_unwind_init();
	if (tracker_records())
		(void)check_leaks(AT_EXIT, NULL, CALLERS_STACK());
	if (real._Exit)
		real._Exit(status);
	for (;;)
		(void)sys_call6(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

EXPORT _Noreturn void abort(void)
{
	__builtin_unwind_init();
	if (tracker_records())
		(void)check_leaks(AT_ABORT, NULL, CALLERS_STACK());
	if (!real.abort)
		real_find();
	real.abort();
	for (;;)
		__builtin_trap();
}

/*
 * assert, which calls abort inside of libc. Other calls of that kind are made when libc has found
 * memory corrupt: there is no scan then.
 */
EXPORT _Noreturn void __assert_fail(const char *assertion, const char *file, unsigned line,
				    const char *function)
{
	__builtin_unwind_init();
	if (tracker_records())
		(void)check_leaks(AT_ABORT, NULL, CALLERS_STACK());
	if (!real.__assert_fail)
		real_find();
	real.__assert_fail(assertion, file, line, function);
	for (;;)
		__builtin_trap();
}

EXPORT _Noreturn void __assert_perror_fail(int error_number, const char *file, unsigned line,
					   const char *function)
{
	__builtin_unwind_init();
	if (tracker_records())
		(void)check_leaks(AT_ABORT, NULL, CALLERS_STACK());
	if (!real.__assert_perror_fail)
		real_find();
	real.__assert_perror_fail(error_number, file, line, function);
	for (;;)
		__builtin_trap();
}
