/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Captures the stack trace of an allocator call.
 *
 * The seam between hooks and unwinders: a hook says where its caller stands (struct unwind_start),
 * the session says which unwinder is used, and what comes back are return addresses, leaf first,
 * the first being that of the call to the allocator.
 */
#ifndef MEMTRACE_PRELOAD_UNWIND_H
#define MEMTRACE_PRELOAD_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/segment.h"

struct unwind_start {
	uintptr_t pc; /* return address into the caller of the hook */
	uintptr_t sp; /* the caller's stack pointer after the hook returns */
	uintptr_t fp; /* the caller's frame pointer register */
};

/* A return address as it lies on a stack: aarch64 signs it where the code was built so. */
static inline uintptr_t unwind_return_address(uintptr_t word)
{
#if defined(__aarch64__)
	/* XPACLRI takes the signature off x30; a hint, so older processors do nothing. */
	register uintptr_t link __asm__("x30") = word;
	__asm__("hint 7" : "+r"(link));
	return link;
#else
	return word;
#endif
}

/*
 * The caller of the function that this stands in, which must have a frame pointer
 * (x86-64: [fp] = caller's fp, [fp + 8] = return address, then the caller's frame;
 * aarch64: the same record, though not at the top of the frame).
 */
#define UNWIND_START()                                                                             \
	((struct unwind_start){                                                                    \
		.pc = unwind_return_address(((uintptr_t *)__builtin_frame_address(0))[1]),         \
		.sp = (uintptr_t)__builtin_frame_address(0) + 16,                                  \
		.fp = ((uintptr_t *)__builtin_frame_address(0))[0],                                \
	})

/*
 * Loads what a session's unwinder needs, libunwind for example.
 * returns  false if it is not to be had: traces have one frame then
 */
bool unwind_prepare(enum unwinder_kind unwinder, bool cross_checks);

/*
 * Captures with libunwind's cached fast trace, or along frame pointers, as was prepared.
 *
 * frames            [LIMIT_FRAMES] filled leaf first, with RING_FRAME_* flags
 * ret_is_truncated  frames further out exist and are missing
 * returns           number of frames, at least 1
 */
size_t unwind_capture(const struct unwind_start *start, uint64_t *frames, bool *ret_is_truncated);

/* The same by libunwind's unw_step, for the cross-check. returns 0 if libunwind can't tell */
size_t unwind_by_steps(const struct unwind_start *start, uint64_t *frames, size_t capacity);

#endif
