/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two unwinders: libunwind's cached fast trace, and a walk along frame pointers.
 *
 * libunwind is loaded with dlopen(RTLD_LOCAL), never linked: as a dependency of a preloaded
 * library it would take over the whole program's `_Unwind_*` and `backtrace`.
 */
#include "libtrack/preload/unwind.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "common/format.h"
#include "libtrack/preload/thread.h"

/* Our own frames that libunwind sees above the hook's caller. */
#define OWN_FRAMES_MAX 8

static int (*_Atomic libunwind_backtrace)(void **, int);
static _Atomic uint32_t follows_frame_pointers;
extern void *__libc_stack_end;

#ifdef __aarch64__
#define LIBUNWIND_NAME(name) "_ULaarch64_" name
#else
#define LIBUNWIND_NAME(name) "_ULx86_64_" name
#endif
#define LIBUNWIND_CACHE_PER_THREAD 2 /* unw_caching_policy_t of libunwind.h */

/* What the cross-check takes from libunwind: see libunwind.h for the calls. */
static struct {
	int (*get_context)(void *);
	int (*init_local)(void *, void *);
	int (*step)(void *);
	int (*get_register)(void *, int, uintptr_t *);
} steps;
#define LIBUNWIND_REGISTER_IP 16   /* UNW_X86_64_RIP */
#define LIBUNWIND_CURSOR_WORDS 127 /* UNW_TDEP_CURSOR_LEN */

static bool prepare_libunwind(bool for_steps)
{
	void *library = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return false;
	void *set_caching = dlsym(library, LIBUNWIND_NAME("set_caching_policy"));
	void *space = dlsym(library, LIBUNWIND_NAME("local_addr_space"));
	if (set_caching && space)
		(void)((int (*)(void *, int))set_caching)(*(void **)space,
							  LIBUNWIND_CACHE_PER_THREAD);
	if (for_steps) {
		*(void **)&steps.init_local = dlsym(library, LIBUNWIND_NAME("init_local"));
		*(void **)&steps.get_register = dlsym(library, LIBUNWIND_NAME("get_reg"));
		*(void **)&steps.step = dlsym(library, LIBUNWIND_NAME("step"));
		*(void **)&steps.get_context = dlsym(library, "_Ux86_64_getcontext");
		return steps.init_local && steps.get_register && steps.step && steps.get_context;
	}
	void *backtrace = dlsym(library, "unw_backtrace");
	if (!backtrace)
		return false;
	atomic_store(&libunwind_backtrace, (int (*)(void **, int))backtrace);
	return true;
}

bool unwind_prepare(enum unwinder_kind unwinder, bool cross_checks)
{
	if (cross_checks && !prepare_libunwind(true))
		return false;
	switch (unwinder) {
	case UNWINDER_LIBUNWIND:
		return prepare_libunwind(false);
	case UNWINDER_FRAME_POINTER:
		atomic_store(&follows_frame_pointers, 1);
		return true;
	case UNWINDER_FAST:
		return true;
	}
	return false;
}

size_t unwind_by_steps(const struct unwind_start *start, uint64_t *frames, size_t capacity)
{
	/* libunwind's context is the kernel's ucontext. */
	uint64_t cursor[LIBUNWIND_CURSOR_WORDS + 1];
	uint64_t context[128];
	size_t count = 0;
	if (!steps.step || steps.get_context(context) != 0 || steps.init_local(cursor, context) < 0)
		return 0;
	for (size_t own = 0; count < capacity && own < 64;) {
		uintptr_t address = 0;
		if (steps.get_register(cursor, LIBUNWIND_REGISTER_IP, &address) < 0)
			break;
		if (count > 0 || address == start->pc)
			frames[count++] = address;
		else
			own++;
		if (address == 0 || steps.step(cursor) <= 0)
			break;
	}
	while (count > 1 && frames[count - 1] < SEGMENT_PAGE)
		count--;
	return count;
}

/*
 * The end of the stack that `sp` is in: main thread's from libc, another thread's from its thread
 * pointer, which glibc puts just above the stack. 0 when it is neither (a coroutine, a signal
 * stack): nothing beyond the first frame is read then.
 */
static uintptr_t stack_end(uintptr_t sp)
{
	uintptr_t main_end = (uintptr_t)__libc_stack_end;
	uintptr_t thread_end = (uintptr_t)pthread_self();
	if (sp < main_end && main_end - sp < (64u << 20))
		return main_end;
	if (sp < thread_end && thread_end - sp < (1u << 30))
		return thread_end;
	return 0;
}

static size_t walk_frame_pointers(const struct unwind_start *start, uint64_t *frames,
				  bool *ret_is_truncated)
{
	uintptr_t low = start->sp;
	uintptr_t end = stack_end(low);
	uintptr_t fp = start->fp;
	size_t count = 0;
	frames[count++] = start->pc;
	while (fp >= low && fp + 16 <= end && fp % sizeof(uintptr_t) == 0) {
		uintptr_t pc = unwind_return_address(((const uintptr_t *)fp)[1]);
		if (pc < SEGMENT_PAGE)
			break;
		if (count == LIMIT_FRAMES) {
			*ret_is_truncated = true;
			break;
		}
		frames[count++] = pc;
		low = fp + 16;
		fp = *(const uintptr_t *)fp;
	}
	return count;
}

static size_t walk_with_libunwind(int (*backtrace)(void **, int), const struct unwind_start *start,
				  uint64_t *frames, bool *ret_is_truncated)
{
	/* The frames are gathered in place: void * and uint64_t have one size and layout. */
	static_assert(sizeof(void *) == sizeof(uint64_t), "64-bit only");
	int saved_errno = errno;
	int found = backtrace((void **)(void *)frames, LIMIT_FRAMES);
	errno = saved_errno;
	int own = 0;
	while (own < found && own < OWN_FRAMES_MAX && frames[own] != start->pc)
		own++;
	if (own == found || own == OWN_FRAMES_MAX) {
		frames[0] = start->pc;
		return 1;
	}
	*ret_is_truncated = found == LIMIT_FRAMES;
	size_t count = (size_t)(found - own);
	for (size_t i = 0; i < count; i++)
		frames[i] = frames[i + (size_t)own];
	while (count > 1 && frames[count - 1] < SEGMENT_PAGE)
		count--;
	return count;
}

size_t unwind_capture(const struct unwind_start *start, uint64_t *frames, bool *ret_is_truncated)
{
	int (*backtrace)(void **, int) = atomic_load_explicit(&libunwind_backtrace,
							      memory_order_relaxed);
	*ret_is_truncated = false;
	if (backtrace) {
		thread_self.activity = THREAD_FOREIGN;
		size_t count = walk_with_libunwind(backtrace, start, frames, ret_is_truncated);
		thread_self.activity = THREAD_RECORDING;
		return count;
	}
	if (atomic_load_explicit(&follows_frame_pointers, memory_order_relaxed))
		return walk_frame_pointers(start, frames, ret_is_truncated);
	frames[0] = start->pc;
	return 1;
}
