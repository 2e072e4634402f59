/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The handler stays installed after the first scan: a thread that did not take its signal in time
 * takes it some day. It calls the handler that was there before for signals that are not ours.
 */
#include "libtrack/preload/leak_park.h"

#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <ucontext.h>

#include "common/counter.h"
#include "common/sys.h"
#include "libtrack/preload/leak_check.h"
#include "libtrack/preload/real.h"
#include "libtrack/preload/stack_bounds.h"
#include "libtrack/preload/thread.h"
#include "libtrack/preload/tracker.h"

#define PARK_SIGNAL LEAK_SCAN_SIGNAL
#define PARK_LIMIT_NS 1000000000ull
#define HOLD_NS 1000000000ull
#define WAIT_STEP_NS 10000000L
#define SPARE_THREADS 64u
#define LISTING_BYTES 4096u
#define RED_ZONE_BYTES 128u /* x86-64 */

#define KERNEL_SA_RESTORER 0x04000000ul

struct kernel_action {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

static struct {
	_Atomic(struct leak_park *) park; /* NULL: no scan is on */
	_Atomic uint32_t taken;           /* entries of park->threads */
	_Atomic uint32_t parked;          /* futex: threads that are parked in this round */
	_Atomic uint32_t round;           /* futex: they wait for it to change */
	_Atomic uint32_t describing;      /* threads that may be writing to park->threads */
	_Atomic uint64_t held_until_ns;   /* after a scan: they go on then */
	struct kernel_action previous;
} parking;

#if defined(__x86_64__)
/* As unwinders and debuggers know it. */
__asm__(".pushsection .text\n"
	".type memtrace_restore_signal,@function\n"
	"memtrace_restore_signal:\n"
	"	movq $15, %rax\n"
	"	syscall\n"
	".size memtrace_restore_signal, .-memtrace_restore_signal\n"
	".popsection\n");
void memtrace_restore_signal(void) __attribute__((visibility("hidden")));
#endif

static uint32_t own_thread_id(void)
{
	return (uint32_t)sys_call6(SYS_gettid, 0, 0, 0, 0, 0, 0);
}

#if defined(__x86_64__)
/* Vectors of the interrupted code, as far as they are in use: XSAVE's standard format. */
static void copy_vectors(struct leak_scan_thread *thread, const ucontext_t *context)
{
	const char *state = (const char *)context->uc_mcontext.fpregs;
	const uint64_t sse = 2;
	const uint64_t avx = 4;
	uint32_t magic = 0;
	uint64_t in_use = sse;
	if (!state)
		return;
	memcpy(&magic, state + 464, sizeof(magic));
	if (magic == 0x46505853) /* FP_XSTATE_MAGIC1 */
		memcpy(&in_use, state + 512, sizeof(in_use));
	if (in_use & sse) {
		memcpy(thread->registers + thread->register_count, state + 160, 256);
		thread->register_count += 32;
	}
	if (magic == 0x46505853 && in_use & avx) {
		memcpy(thread->registers + thread->register_count, state + 576, 256);
		thread->register_count += 32;
	}
}
#endif

#if defined(__aarch64__)
/* The vectors, which the kernel puts among the records behind the general registers. */
static void copy_vectors(struct leak_scan_thread *thread, const ucontext_t *context)
{
	const char *record = (const char *)context->uc_mcontext.__reserved;
	const char *end = record + sizeof(context->uc_mcontext.__reserved);
	while ((size_t)(end - record) >= sizeof(struct fpsimd_context)) {
		const struct fpsimd_context *vectors = (const struct fpsimd_context *)record;
		if (vectors->head.magic == FPSIMD_MAGIC) {
			memcpy(thread->registers + thread->register_count, vectors->vregs,
			       sizeof(vectors->vregs));
			thread->register_count += 2 * 32;
			return;
		}
		if (vectors->head.size == 0)
			return;
		record += vectors->head.size;
	}
}
#endif

#if defined(__x86_64__)
/*
 * Code of libc that is in a system call, or is about to make it again: at that instruction or right
 * behind it. Its functions keep nothing below the stack pointer there; what is there are words of
 * earlier calls.
 */
static bool is_in_system_call(uintptr_t code)
{
	struct dl_find_object libc;
	static const unsigned char instruction[] = {0x0f, 0x05};
	if (!real.exit || _dl_find_object((void *)real.exit, &libc) != 0)
		return false;
	uintptr_t start = (uintptr_t)libc.dlfo_map_start;
	uintptr_t end = (uintptr_t)libc.dlfo_map_end;
	if (code < start + sizeof(instruction) || code + sizeof(instruction) > end)
		return false;
	return memcmp((const void *)code, instruction, sizeof(instruction)) == 0 ||
	       memcmp((const void *)(code - sizeof(instruction)), instruction,
		      sizeof(instruction)) == 0;
}
#endif

static void copy_registers(struct leak_scan_thread *thread, const ucontext_t *context)
{
	const mcontext_t *machine = &context->uc_mcontext;
#if defined(__x86_64__)
	static const int general[] = {REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12,
				      REG_R13, REG_R14, REG_R15, REG_RDI, REG_RSI,
				      REG_RBP, REG_RBX, REG_RDX, REG_RAX, REG_RCX};
	for (size_t i = 0; i < sizeof(general) / sizeof(general[0]); i++)
		thread->registers[thread->register_count++] = (uint64_t)machine->gregs[general[i]];
	thread->stack_pointer = (uint64_t)machine->gregs[REG_RSP];
	if (!is_in_system_call((uintptr_t)machine->gregs[REG_RIP]))
		thread->stack_pointer -= RED_ZONE_BYTES;
	copy_vectors(thread, context);
#else
	for (size_t i = 0; i < 31; i++)
		thread->registers[thread->register_count++] = machine->regs[i];
	thread->stack_pointer = machine->sp;
	copy_vectors(thread, context);
#endif
}

static void describe_stack(struct leak_scan_thread *thread)
{
	stack_t alternate = {0};
	struct stack_bounds whole;
	thread->thread_pointer = (uint64_t)pthread_self();
	if (stack_bounds_whole(&whole)) {
		thread->stack_low = whole.low;
		thread->stack_high = whole.high;
	}
	if (!sys_failed(sys_call6(SYS_sigaltstack, 0, (long)&alternate, 0, 0, 0, 0)) &&
	    !(alternate.ss_flags & SS_DISABLE)) {
		thread->alternate_low = (uint64_t)alternate.ss_sp;
		thread->alternate_high = thread->alternate_low + alternate.ss_size;
	}
}

static void await_release(uint32_t round)
{
	atomic_fetch_add(&parking.parked, 1);
	sys_futex_wake_all(&parking.parked);
	while (atomic_load(&parking.round) == round)
		sys_futex_wait(&parking.round, round, WAIT_STEP_NS);
	while (clock_monotonic_ns() < atomic_load(&parking.held_until_ns))
		sys_futex_wait(&parking.round, round + 1, WAIT_STEP_NS);
}

/* context  of the code that the signal interrupted; NULL: the calling code, at `stack_pointer` */
static void park(const ucontext_t *context, uintptr_t stack_pointer)
{
	uint32_t round = atomic_load(&parking.round);
	atomic_fetch_add(&parking.describing, 1);
	struct leak_park *all = atomic_load(&parking.park);
	uint32_t index = all ? atomic_fetch_add(&parking.taken, 1) : UINT32_MAX;
	bool has_place = all && index < all->capacity;
	if (has_place) {
		struct leak_scan_thread *thread = &all->threads[index];
		thread->thread_id = own_thread_id();
		thread->stack_pointer = stack_pointer;
		if (context)
			copy_registers(thread, context);
		describe_stack(thread);
		thread->is_parked = 1;
	}
	atomic_fetch_sub(&parking.describing, 1);
	if (has_place)
		await_release(round);
}

static void handle_signal(int number, siginfo_t *info, void *context)
{
	bool is_ours = info->si_code == SI_QUEUE && info->si_value.sival_ptr == &parking;
	bool is_request = info->si_code == SI_QUEUE &&
			  info->si_value.sival_ptr == LEAK_SCAN_REQUEST_VALUE;
	if (!is_ours && !is_request) {
		if (parking.previous.handler != (void *)SIG_DFL &&
		    parking.previous.handler != (void *)SIG_IGN)
			parking.previous.handler(number, info, context);
		return;
	}
	if (thread_self.activity != THREAD_OUTSIDE || thread_self.is_moving)
		thread_self.park_wanted = 1;
	else if (is_request)
		leak_check_serve_request(context);
	else
		park(context, 0);
}

static bool install_handler(void)
{
	struct kernel_action action = {
		.handler = handle_signal,
		.flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART,
		.mask = UINT64_MAX,
	};
	struct kernel_action previous;
#if defined(__x86_64__)
	action.flags |= KERNEL_SA_RESTORER;
	action.restorer = memtrace_restore_signal;
#endif
	if (sys_failed(sys_call6(SYS_rt_sigaction, PARK_SIGNAL, (long)&action, (long)&previous, 8,
				 0, 0)))
		return false;
	/* glibc installs its own with the first thread: then it has come between. */
	if (previous.handler != handle_signal)
		parking.previous = previous;
	return true;
}

__attribute__((noinline)) static void park_here(void)
{
	/* The caller's registers are on the stack now, above where this frame ends. */
	__builtin_unwind_init();
	park(NULL, (uintptr_t)__builtin_frame_address(0) - LEAK_PARK_SAVED_BYTES);
	/* Something is left to do here: the frame must stay, so this must not become a jump. */
	__asm__ volatile("" ::: "memory");
}

void leak_park_deferred(void)
{
	thread_self.park_wanted = 0;
	uint64_t mask = sys_block_signals();
	park_here();
	leak_check_serve_request(NULL);
	sys_set_signal_mask(mask);
}

void leak_park_install(void)
{
	(void)install_handler(); /* else there are no scans on request */
}

static struct leak_scan_thread *find_thread(const struct leak_park *all, uint32_t thread_id)
{
	uint32_t count = atomic_load(&parking.taken);
	for (uint32_t i = 0; i < count && i < all->capacity; i++)
		if (all->threads[i].thread_id == thread_id)
			return &all->threads[i];
	return NULL;
}

/* Threads that were asked to park. */
struct asked {
	uint32_t *thread_ids; /* [mask + 1] hash table; 0: free */
	uint32_t mask;
	uint32_t count;
};

/* returns  false: it was in already, or there is no room */
static bool asked_add(struct asked *asked, uint32_t thread_id)
{
	uint32_t slot = thread_id * 0x9e3779b1u & asked->mask;
	while (asked->thread_ids[slot]) {
		if (asked->thread_ids[slot] == thread_id)
			return false;
		slot = (slot + 1) & asked->mask;
	}
	if (asked->count * 2 > asked->mask)
		return false;
	asked->thread_ids[slot] = thread_id;
	asked->count++;
	return true;
}

static void ask(uint32_t thread_id)
{
	siginfo_t info;
	memset(&info, 0, sizeof(info));
	info.si_signo = PARK_SIGNAL;
	info.si_code = SI_QUEUE;
	info.si_pid = (pid_t)tracker.pid;
	info.si_value.sival_ptr = &parking;
	/* It may be gone by now. */
	(void)sys_call6(SYS_rt_tgsigqueueinfo, (long)tracker.pid, (long)thread_id, PARK_SIGNAL,
			(long)&info, 0, 0);
}

typedef void thread_function(void *context, uint32_t thread_id);

/* Calls `visit` for each thread but the calling one. returns false: the list can't be read */
static bool list_threads(thread_function *visit, void *context)
{
	_Alignas(8) char entries[LISTING_BYTES / 4];
	uint32_t own = own_thread_id();
	int fd = sys_open("/proc/self/task", O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return false;
	long count;
	while ((count = sys_call6(SYS_getdents64, fd, (long)entries, sizeof(entries), 0, 0, 0)) >
	       0) {
		for (long at = 0; at < count;) {
			const struct dirent64 *entry = (const void *)(entries + at);
			uint32_t thread_id = 0;
			for (const char *digit = entry->d_name; *digit >= '0' && *digit <= '9';
			     digit++)
				thread_id = thread_id * 10 + (uint32_t)(*digit - '0');
			if (thread_id && thread_id != own)
				visit(context, thread_id);
			at += entry->d_reclen;
		}
	}
	sys_close(fd);
	return count == 0;
}

/* A thread that has ended but is still listed: the first of a process, until the last one ends. */
static bool is_zombie(uint32_t thread_id)
{
	char path[40] = "/proc/self/task/";
	char text[256];
	char digits[11];
	size_t used = strlen(path);
	size_t digit_count = 0;
	for (uint32_t rest = thread_id; rest > 0; rest /= 10)
		digits[digit_count++] = (char)('0' + rest % 10);
	while (digit_count > 0)
		path[used++] = digits[--digit_count];
	memcpy(path + used, "/stat", 6);
	int fd = sys_open(path, O_RDONLY);
	if (fd < 0)
		return true;
	long count = sys_read(fd, text, sizeof(text) - 1);
	sys_close(fd);
	text[count > 0 ? count : 0] = '\0';
	const char *end = strrchr(text, ')');
	return end && end[1] == ' ' && (end[2] == 'Z' || end[2] == 'X');
}

struct listing {
	struct leak_park *park;
	struct asked *asked;
	uint32_t new_count;
	uint32_t missing_count; /* listed, alive, and not parked */
	bool looks_closely;
	bool notes_missing;
};

static void visit_thread(void *context, uint32_t thread_id)
{
	struct listing *listing = context;
	if (asked_add(listing->asked, thread_id)) {
		ask(thread_id);
		listing->new_count++;
	}
	const struct leak_scan_thread *thread = find_thread(listing->park, thread_id);
	if (thread && thread->is_parked)
		return;
	if (listing->looks_closely && is_zombie(thread_id))
		return;
	listing->missing_count++;
	if (!listing->notes_missing)
		return;
	uint32_t index = atomic_fetch_add(&parking.taken, 1);
	if (index < listing->park->capacity)
		listing->park->threads[index].thread_id = thread_id;
}

static bool park_others(struct leak_park *all, struct asked *asked)
{
	uint64_t deadline = clock_monotonic_ns() + PARK_LIMIT_NS;
	for (int pass = 0;; pass++) {
		bool is_last = clock_monotonic_ns() > deadline;
		struct listing listing = {
			.park = all,
			.asked = asked,
			.looks_closely = pass > 1,
			.notes_missing = is_last,
		};
		uint32_t parked = atomic_load(&parking.parked);
		if (!list_threads(visit_thread, &listing))
			return false;
		if (is_last || (listing.new_count == 0 && listing.missing_count == 0))
			return true;
		if (parked < asked->count && atomic_load(&parking.parked) == parked)
			sys_futex_wait(&parking.parked, parked, WAIT_STEP_NS);
	}
}

static void count_thread(void *context, uint32_t thread_id)
{
	(void)thread_id;
	++*(uint32_t *)context;
}

static bool map_threads(struct leak_park *all, uint32_t others, struct asked *asked)
{
	uint32_t table = 64;
	all->capacity = 2 * others + SPARE_THREADS;
	while (table < all->capacity * 4)
		table *= 2;
	size_t threads_bytes = all->capacity * sizeof(*all->threads);
	all->mapped_bytes = threads_bytes + table * sizeof(*asked->thread_ids);
	all->threads = sys_pages(all->mapped_bytes);
	if (!all->threads)
		return false;
	asked->thread_ids = (uint32_t *)(void *)((char *)all->threads + threads_bytes);
	asked->mask = table - 1;
	return true;
}

bool leak_park_begin(struct leak_park *all, const void *context, uintptr_t stack_pointer)
{
	struct asked asked = {0};
	uint32_t others = 0;
	*all = (struct leak_park){0};
	all->is_complete = list_threads(count_thread, &others);
	if (!map_threads(all, others, &asked))
		return false;
	struct leak_scan_thread *own = &all->threads[0];
	own->thread_id = own_thread_id();
	own->stack_pointer = stack_pointer;
	own->is_parked = 1;
	if (context)
		copy_registers(own, context);
	describe_stack(own);
	atomic_store(&parking.taken, 1);
	atomic_store(&parking.parked, 0);
	if (others > 0) {
		all->is_complete = all->is_complete && install_handler();
		atomic_store(&parking.park, all);
		if (all->is_complete)
			all->is_complete = park_others(all, &asked);
	}
	uint32_t taken = atomic_load(&parking.taken);
	all->count = taken < all->capacity ? taken : all->capacity;
	return true;
}

void leak_park_end(struct leak_park *all, bool is_over)
{
	atomic_store(&parking.held_until_ns, is_over ? clock_monotonic_ns() + HOLD_NS : 0);
	atomic_store(&parking.park, NULL);
	atomic_fetch_add(&parking.round, 1);
	sys_futex_wake_all(&parking.round);
	/* A thread that is late finds no scan, but one may be at it just now. */
	uint64_t deadline = clock_monotonic_ns() + PARK_LIMIT_NS;
	while (atomic_load(&parking.describing) > 0 && clock_monotonic_ns() < deadline)
		(void)sys_call6(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
	if (atomic_load(&parking.describing) == 0)
		sys_munmap(all->threads, all->mapped_bytes);
}

void leak_park_reset(void)
{
	atomic_store(&parking.park, NULL);
	atomic_store(&parking.describing, 0);
	atomic_store(&parking.held_until_ns, 0);
}
