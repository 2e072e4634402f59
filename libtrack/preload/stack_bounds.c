/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/stack_bounds.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/segment.h"
#include "common/sys.h"
#include "libtrack/preload/tracker.h"

/* The kernel keeps at least this much below the top of the stack free of mappings (mmap_base). */
#define STACK_GAP (128ul << 20)
#define PTHREAD_WORDS                                                                              \
	280u /* struct pthread has more than 2240 bytes in every glibc from 2.35 on                \
	      */
#define STACK_SIZE_MAX (1ul << 40)

extern void *__libc_stack_end;

/* As the limit was at first: a stack that has since been allowed to grow longer is foreign there.
 */
static uintptr_t main_stack_low(uintptr_t high)
{
	static _Atomic uintptr_t known_low;
	uintptr_t low = atomic_load_explicit(&known_low, memory_order_relaxed);
	struct rlimit limit;
	uintptr_t length = STACK_GAP;
	if (low)
		return low;
	if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	    limit.rlim_cur > length)
		length = limit.rlim_cur;
	low = length < high ? high - length : 1;
	atomic_store_explicit(&known_low, low, memory_order_relaxed);
	return low;
}

/* Base, size and guard of the stack that both `sp` and the thread pointer are in. */
static bool looks_right(const uintptr_t *words, uintptr_t sp, uintptr_t thread)
{
	uintptr_t base = words[0];
	uintptr_t size = words[1];
	uintptr_t guard = words[2];
	return base && size && size < STACK_SIZE_MAX && sp >= base && sp - base < size &&
	       thread >= base && thread - base < size && guard < size && guard % SEGMENT_PAGE == 0;
}

static _Atomic uint32_t known_place; /* + 1; the same in every thread */

/* returns  the word of struct pthread with the base, + 1; 0: there is none that looks right */
static uint32_t find_place(uintptr_t sp, uintptr_t thread)
{
	const uintptr_t *words = (const uintptr_t *)thread;
	uint32_t place = atomic_load_explicit(&known_place, memory_order_relaxed);
	if (place)
		return looks_right(words + place - 1, sp, thread) ? place : 0;
	for (uint32_t i = 0; i + 3 <= PTHREAD_WORDS && !place; i++)
		place = looks_right(words + i, sp, thread) ? i + 1 : 0;
	if (place)
		atomic_store_explicit(&known_place, place, memory_order_relaxed);
	return place;
}

static bool find_thread_stack(struct stack_bounds *bounds, uintptr_t sp, uintptr_t thread)
{
	const uintptr_t *words = (const uintptr_t *)thread;
	uint32_t place = find_place(sp, thread);
	if (!place)
		return false;
	bounds->low = words[place - 1] + words[place + 1];
	bounds->high = thread;
	return true;
}

bool stack_bounds_whole(struct stack_bounds *ret_whole)
{
	uintptr_t thread = (uintptr_t)pthread_self();
	const uintptr_t *words = (const uintptr_t *)thread;
	/* The stack pointer may be on another stack; the thread's own struct is always on its own.
	 */
	uint32_t place = find_place(thread, thread);
	if (!place)
		return false;
	ret_whole->low = words[place - 1] + words[place + 1];
	ret_whole->high = words[place - 1] + words[place];
	return true;
}

uint32_t stack_bounds_place(void)
{
	return atomic_load_explicit(&known_place, memory_order_relaxed);
}

void stack_bounds_init(struct stack_bounds *bounds)
{
	uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
	uintptr_t main_high = (uintptr_t)__libc_stack_end;
	uintptr_t main_low = main_stack_low(main_high);
	*bounds = (struct stack_bounds){0};
	if (sp >= main_low && sp < main_high)
		*bounds = (struct stack_bounds){.low = main_low, .high = main_high};
	else
		(void)find_thread_stack(bounds, sp, (uintptr_t)pthread_self()); /* else: foreign */
}

size_t stack_copy(uintptr_t sp, uint64_t *words)
{
	if (atomic_load_explicit(&tracker.is_filtered, memory_order_relaxed))
		return 0;
	uintptr_t first = sp & ~(uintptr_t)7;
	size_t wanted = STACK_COPY_WORDS * sizeof(*words);
	/* Page by page, so that what lies before an unreadable page is copied. */
	struct iovec remote[STACK_COPY_WORDS * 8 / SEGMENT_PAGE + 2];
	size_t count = 0;
	for (uintptr_t at = first; at < first + wanted; count++) {
		uintptr_t end = (at | (SEGMENT_PAGE - 1)) + 1;
		if (end > first + wanted)
			end = first + wanted;
		remote[count] = (struct iovec){.iov_base = (void *)at, .iov_len = end - at};
		at = end;
	}
	struct iovec local = {.iov_base = words, .iov_len = wanted};
	long pid = sys_call6(SYS_getpid, 0, 0, 0, 0, 0, 0);
	long copied = sys_call6(SYS_process_vm_readv, pid, (long)&local, 1, (long)remote,
				(long)count, 0);
	return copied > 0 ? (size_t)copied / 8 * 8 : 0;
}
