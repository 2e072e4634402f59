/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One function for each entry of allocators.def: it calls the real one and records, as the hooks
 * of libc's names do. Compiled with frame pointers: UNWIND_START() reads the caller's registers.
 */
#include "libtrack/preload/allocators.h"

#include <dlfcn.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>

#include "libtrack/preload/leak_park.h"
#include "libtrack/preload/real.h"
#include "libtrack/preload/rebind.h"
#include "libtrack/preload/recorder.h"
#include "libtrack/preload/sampler.h"
#include "libtrack/preload/tracker.h"

/* Numbers of the entries. */
enum entry {
#define FAMILY(symbol)
#define ENTRY(name, ...) ENTRY_##name,
#define ALLOCATION ENTRY
#define RESIZE ENTRY
#define RELEASE ENTRY
#define OUTPUT ENTRY
#define OTHER ENTRY
#define NEW ENTRY
#define DELETE ENTRY
#include "libtrack/preload/allocators.def"
	ENTRY_COUNT
};
#undef FAMILY
#undef ALLOCATION
#undef RESIZE
#undef RELEASE
#undef OUTPUT
#undef OTHER
#undef NEW
#undef DELETE
#undef ENTRY

static uintptr_t originals[ENTRY_COUNT]; /* 0: there is none in the process */

#define REAL(name, result, parameters) ((result(*) parameters)originals[ENTRY_##name])

/*
 * Blocks of other allocators may be 16 bytes apart, and two of them in one of the places where
 * defer() of recorder.c puts down one.
 */
static void record_allocation(enum allocation_kind kind, bool is_move, const void *block,
			      size_t size_bytes, uint64_t interval_bytes,
			      const struct unwind_start *start)
{
	thread_self.is_elsewhere = 1;
	if (is_move)
		recorder_moved(block, size_bytes, interval_bytes, start);
	else
		recorder_allocated(kind, block, size_bytes, interval_bytes, start);
	thread_self.is_elsewhere = 0;
}

static void note_allocation(enum allocation_kind kind, const void *block, size_t size_bytes,
			    const struct unwind_start *start)
{
	uint64_t interval_bytes = 0;
	if (tracker_records() && sampler_takes(size_bytes, &interval_bytes))
		record_allocation(kind, false, block, size_bytes, interval_bytes, start);
}

static void note_release(const void *block)
{
	if (block && tracker_records())
		recorder_released(ALLOCATION_MALLOC, block);
}

/* To a leak scan neither block is live while it is moving. */
static bool resize_begins(const void *old)
{
	thread_self.is_moving = 1;
	return old && tracker_records() && recorder_move_begins(old);
}

static void note_resize(bool was_recorded, const void *old, const void *block, size_t size_bytes,
			const struct unwind_start *start)
{
	uint64_t interval_bytes = 0;
	if (!block) {
		if (was_recorded && size_bytes > 0)
			recorder_move_failed(old);
		return;
	}
	if (!sampler_takes(size_bytes, &interval_bytes))
		return;
	record_allocation(ALLOCATION_REALLOC, was_recorded, block, size_bytes, interval_bytes,
			  start);
}

/* returns  `block` */
static void *resize_ends(bool was_recorded, const void *old, void *block, size_t size_bytes,
			 const struct unwind_start *start)
{
	if (tracker_records())
		note_resize(was_recorded, old, block, size_bytes, start);
	thread_self.is_moving = 0;
	if (__builtin_expect(thread_self.park_wanted, 0))
		leak_park_deferred();
	return block;
}

static size_t wide_bytes(const unsigned short *text)
{
	size_t count = 0;
	while (text[count++])
		;
	return count * sizeof(*text);
}

#define FAMILY(symbol)
#define OTHER(name)

#define ALLOCATION(name, kind, parameters, arguments, size_bytes)                                  \
	static void *bound_##name parameters                                                       \
	{                                                                                          \
		struct unwind_start start = UNWIND_START();                                        \
		void *block = REAL(name, void *, parameters) arguments;                            \
		if (block)                                                                         \
			note_allocation(ALLOCATION_##kind, block, size_bytes, &start);             \
		return block;                                                                      \
	}

#define RESIZE(name, parameters, arguments, size_bytes)                                            \
	static void *bound_##name parameters                                                       \
	{                                                                                          \
		struct unwind_start start = UNWIND_START();                                        \
		bool was_recorded = resize_begins(old);                                            \
		void *block = REAL(name, void *, parameters) arguments;                            \
		return resize_ends(was_recorded, old, block, size_bytes, &start);                  \
	}

#define RELEASE(name, parameters, arguments)                                                       \
	static void bound_##name parameters                                                        \
	{                                                                                          \
		note_release(block);                                                               \
		REAL(name, void, parameters) arguments;                                            \
	}

#define OUTPUT(name)                                                                               \
	static int bound_##name(void **ret_block, size_t alignment, size_t size_bytes)             \
	{                                                                                          \
		struct unwind_start start = UNWIND_START();                                        \
		int failure = REAL(name, int, (void **, size_t, size_t))(ret_block, alignment,     \
									 size_bytes);              \
		if (failure == 0 && *ret_block)                                                    \
			note_allocation(ALLOCATION_ALIGNED, *ret_block, size_bytes, &start);       \
		return failure;                                                                    \
	}

/*
 * C++'s operators, of whichever library: some end up in malloc, aligned_alloc or free and are
 * recorded there, others don't, also within one library. The first call of each form of new
 * tells. A delete is recorded here, and passed over if it comes to a hook.
 */
static _Atomic uint8_t reaches_malloc[ENTRY_COUNT];

static void note_new(enum entry entry, enum allocation_kind kind, const void *block,
		     size_t size_bytes, const struct recorder_position *before,
		     const struct unwind_start *start)
{
	if (!tracker_records())
		return;
	if (recorder_has_seen(before, block))
		atomic_store_explicit(&reaches_malloc[entry], 1, memory_order_relaxed);
	else
		note_allocation(kind, block, size_bytes, start);
}

/* In two parts, so that the one that only jumps on leaves no frame in the stack trace. */
#define NEW(name, kind, parameters, arguments, size_bytes)                                         \
	static __attribute__((noinline)) void *recorded_##name parameters                          \
	{                                                                                          \
		struct unwind_start start = UNWIND_START();                                        \
		struct recorder_position before = recorder_position();                             \
		void *block = REAL(name, void *, parameters) arguments;                            \
		if (block)                                                                         \
			note_new(ENTRY_##name, ALLOCATION_##kind, block, size_bytes, &before,      \
				 &start);                                                          \
		return block;                                                                      \
	}                                                                                          \
	static void *bound_##name parameters                                                       \
	{                                                                                          \
		if (atomic_load_explicit(&reaches_malloc[ENTRY_##name], memory_order_relaxed))     \
			return REAL(name, void *, parameters) arguments;                           \
		return recorded_##name arguments;                                                  \
	}

#define DELETE(name, parameters, arguments)                                                        \
	static void bound_##name parameters                                                        \
	{                                                                                          \
		const void *outer = thread_self.releasing;                                         \
		note_release(block);                                                               \
		thread_self.releasing = block;                                                     \
		REAL(name, void, parameters) arguments;                                            \
		thread_self.releasing = outer;                                                     \
	}

#include "libtrack/preload/allocators.def"

#undef FAMILY
#undef ALLOCATION
#undef RESIZE
#undef RELEASE
#undef OUTPUT
#undef OTHER
#undef NEW
#undef DELETE
#undef ENTRY

/* Resizes in place; returns the size that the block has then, which may be any. */
#define XALLOCX(name)                                                                              \
	static size_t bound_##name(void *block, size_t size_bytes, size_t extra, int flags)        \
	{                                                                                          \
		struct unwind_start start = UNWIND_START();                                        \
		size_t result = REAL(name, size_t, (void *, size_t, size_t, int))(                 \
			block, size_bytes, extra, flags);                                          \
		/* The block stays the caller's, so both may be recorded afterwards. */            \
		if (result >= size_bytes)                                                          \
			(void)resize_ends(resize_begins(block), block, block, size_bytes, &start); \
		return result;                                                                     \
	}
XALLOCX(xallocx)
XALLOCX(je_xallocx)

/* A realloc that frees the block when it fails. */
static void *bound_mi_reallocf(void *old, size_t size_bytes)
{
	struct unwind_start start = UNWIND_START();
	bool was_recorded = resize_begins(old);
	void *block = REAL(mi_reallocf, void *, (void *, size_t))(old, size_bytes);
	/* Freed also where it failed: then it is as if the new size were 0. */
	return resize_ends(was_recorded, old, block, block ? size_bytes : 0, &start);
}

static void *bound_mi_heap_reallocf(void *heap, void *old, size_t size_bytes)
{
	struct unwind_start start = UNWIND_START();
	bool was_recorded = resize_begins(old);
	void *block = REAL(mi_heap_reallocf, void *, (void *, void *, size_t))(heap, old,
									       size_bytes);
	/* Freed also where it failed: then it is as if the new size were 0. */
	return resize_ends(was_recorded, old, block, block ? size_bytes : 0, &start);
}

/* They allocate unless they are given a buffer. */
static char *bound_mi_realpath(const char *path, char *buffer)
{
	struct unwind_start start = UNWIND_START();
	char *block = REAL(mi_realpath, char *, (const char *, char *))(path, buffer);
	if (block && !buffer)
		note_allocation(ALLOCATION_MALLOC, block, strlen(block) + 1, &start);
	return block;
}

static char *bound_mi_heap_realpath(void *heap, const char *path, char *buffer)
{
	struct unwind_start start = UNWIND_START();
	char *block = REAL(mi_heap_realpath, char *, (void *, const char *, char *))(heap, path,
										     buffer);
	if (block && !buffer)
		note_allocation(ALLOCATION_MALLOC, block, strlen(block) + 1, &start);
	return block;
}

/* Resizes the block that `at` points to. */
static int bound_mi_reallocarr(void *at, size_t count, size_t size_bytes)
{
	struct unwind_start start = UNWIND_START();
	void **block = at;
	void *old = block ? *block : NULL;
	bool was_recorded = resize_begins(old);
	int failure = REAL(mi_reallocarr, int, (void *, size_t, size_t))(at, count, size_bytes);
	(void)resize_ends(was_recorded, old, failure || !block ? NULL : *block,
			  count * size_bytes + (failure != 0), &start);
	return failure;
}

static bool release_one(const void *heap, const void *area, void *block, size_t size_bytes,
			void *context)
{
	(void)heap;
	(void)area;
	(void)size_bytes;
	(void)context;
	note_release(block);
	return true;
}

typedef bool block_visitor(const void *heap, const void *area, void *block, size_t size_bytes,
			   void *context);
static bool (*visit_blocks)(const void *heap, bool visits_blocks, block_visitor *visitor,
			    void *context); /* mi_heap_visit_blocks */

/* Frees all blocks of the heap. */
static void bound_mi_heap_destroy(void *heap)
{
	if (visit_blocks && tracker_records())
		(void)visit_blocks(heap, true, release_one, NULL);
	REAL(mi_heap_destroy, void, (void *))(heap);
}

/* By entry, then, once sorted, by name. */
static struct binding bindings[ENTRY_COUNT] = {
#define FAMILY(symbol)
#define ENTRY(entry, ...)                                                                          \
	[ENTRY_##entry] = {.name = #entry, .replacement = (uintptr_t)bound_##entry},
#define ALLOCATION ENTRY
#define RESIZE ENTRY
#define RELEASE ENTRY
#define OUTPUT ENTRY
#define OTHER ENTRY
#define NEW ENTRY
#define DELETE ENTRY
#include "libtrack/preload/allocators.def"
};
#undef FAMILY
#undef ALLOCATION
#undef RESIZE
#undef RELEASE
#undef OUTPUT
#undef OTHER
#undef NEW
#undef DELETE
#undef ENTRY

static _Atomic uint32_t is_binding; /* a lock that nobody waits for */
static bool is_bound;               /* the bindings are found, and sorted by name */

static const struct link_map *module_of(uintptr_t address)
{
	struct dl_find_object object;
	return _dl_find_object((void *)address, &object) == 0 ? object.dlfo_link_map : NULL;
}

static const struct link_map *program_module(void)
{
	return _r_debug.r_map;
}

/*
 * Finds the function that `name` means to the process. An executable that is not
 * position-independent may have a stub of its own stand for an imported function: the first
 * definition, by the order of the look-up, is then the stub.
 */
static void find(enum entry entry)
{
	struct binding *binding = &bindings[entry];
	uintptr_t first = (uintptr_t)dlsym(RTLD_DEFAULT, binding->name);
	uintptr_t next = (uintptr_t)dlsym(RTLD_NEXT, binding->name);
	binding->original = first;
	if (next && next != first && module_of(first) == program_module() &&
	    rebind_is_imported(program_module(), binding->name)) {
		binding->original = next;
		binding->alias = first;
	}
	originals[entry] = binding->original;
}

/* The C++ library's own operators end up in malloc. */
static bool is_of_cxx_library(const char *name)
{
	void *next = dlsym(RTLD_NEXT, name);
	const struct link_map *module = module_of(
		(uintptr_t)(next ? next : dlsym(RTLD_DEFAULT, name)));
	return module && module->l_name &&
	       (strstr(module->l_name, "libstdc++") || strstr(module->l_name, "libc++"));
}

/* dlsym makes a message, with the program's malloc, for each name that it doesn't find. */
static bool is_anywhere(const char *name)
{
	for (const struct link_map *module = program_module(); module; module = module->l_next)
		if (rebind_may_define(module, name))
			return true;
	return false;
}

static bool has(const char *name)
{
	if (!is_anywhere(name) || !dlsym(RTLD_DEFAULT, name))
		return false;
	return strncmp(name, "_Zn", 3) != 0 || !is_of_cxx_library(name);
}

static bool find_all(void)
{
	bool is_present = false;
	bool is_any_present = false;
#define FAMILY(symbol)                                                                             \
	is_present = has(#symbol);                                                                 \
	is_any_present |= is_present;
#define ENTRY(name, ...)                                                                           \
	if (is_present)                                                                            \
		find(ENTRY_##name);
#define ALLOCATION ENTRY
#define RESIZE ENTRY
#define RELEASE ENTRY
#define OUTPUT ENTRY
#define OTHER ENTRY
#define NEW ENTRY
#define DELETE ENTRY
#include "libtrack/preload/allocators.def"
	if (is_any_present && is_anywhere("mi_heap_visit_blocks"))
		visit_blocks = (bool (*)(const void *, bool, block_visitor *, void *))dlsym(
			RTLD_DEFAULT, "mi_heap_visit_blocks");
	/* The message of the failed look-ups must not reach the program. */
	real_clear_dlerror();
	return is_any_present;
}

static void sort_bindings(void)
{
	for (size_t i = 1; i < ENTRY_COUNT; i++) {
		struct binding moving = bindings[i];
		size_t at = i;
		for (; at > 0 && strcmp(bindings[at - 1].name, moving.name) > 0; at--)
			bindings[at] = bindings[at - 1];
		bindings[at] = moving;
	}
}

void allocators_bind(void)
{
	if (!find_all())
		return;
	sort_bindings();
	for (const struct link_map *module = program_module(); module; module = module->l_next)
		rebind_module(module, bindings, ENTRY_COUNT, true);
	is_bound = true;
}

void allocators_bind_module(const struct link_map *module)
{
	uint32_t unlocked = 0;
	if (!is_bound || !atomic_compare_exchange_strong(&is_binding, &unlocked, 1))
		return;
	rebind_module(module, bindings, ENTRY_COUNT, false);
	atomic_store_explicit(&is_binding, 0, memory_order_release);
}
