/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls that change what the tracker may do in the process: seccomp, after which a system call can
 * be deadly, and clone with the thread-local storage of the thread that calls it.
 *
 * The functions have variable arguments; here they have as many as there can be, which is the same
 * for the caller: all are of one word.
 */
#include <errno.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "libtrack/preload/real.h"
#include "libtrack/preload/recorder.h"
#include "libtrack/preload/thread.h"
#include "libtrack/preload/tracker.h"

#define EXPORT __attribute__((visibility("default")))

/* Before the call, since afterwards it would be too late. If it fails, nothing is lost but speed.
 */
static void filter_comes(bool is_strict)
{
	int saved_errno = errno;
	if (tracker_records()) {
		if (is_strict)
			thread_prepare_strict();
		else if (!atomic_load(&tracker.is_filtered))
			thread_prepare_filter();
		atomic_store(&tracker.is_filtered, 1);
	}
	errno = saved_errno;
}

EXPORT int hooked_prctl(int option, unsigned long a, unsigned long b, unsigned long c,
			unsigned long d) __asm__("prctl");

int hooked_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	if (!real.prctl)
		real_find();
	if (option == PR_SET_SECCOMP)
		filter_comes(a == SECCOMP_MODE_STRICT);
	int result = real.prctl(option, a, b, c, d);
	if (result == 0 && option == PR_SET_NAME)
		recorder_name_thread(tracker_thread_id(), (const char *)a);
	return result;
}

EXPORT long hooked_syscall(long number, long a, long b, long c, long d, long e,
			   long f) __asm__("syscall");

long hooked_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	if (!real.syscall)
		real_find();
	if (number == SYS_seccomp)
		filter_comes(a == SECCOMP_SET_MODE_STRICT);
	else if (number == SYS_prctl && a == PR_SET_SECCOMP)
		filter_comes(b == SECCOMP_MODE_STRICT);
	return real.syscall(number, a, b, c, d, e, f);
}

EXPORT int hooked_clone(int (*function)(void *), void *stack, int flags, void *argument,
			void *parent_id, void *tls, void *child_id) __asm__("clone");

int hooked_clone(int (*function)(void *), void *stack, int flags, void *argument, void *parent_id,
		 void *tls, void *child_id)
{
	if (!real.clone)
		real_find();
	if ((flags & CLONE_VM) && !(flags & (CLONE_SETTLS | CLONE_VFORK)))
		atomic_store(&tracker.shares_tls, 1);
	return real.clone(function, stack, flags, argument, parent_id, tls, child_id);
}
