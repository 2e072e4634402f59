/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unloaded modules and thread names.
 *
 * dlopen needs no hook: a module is announced when an address in it first shows up. dlclose calls
 * nothing that looks at its caller, so a frame of ours in between does no harm.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/prctl.h>

#include "common/sys.h"
#include "libtrack/preload/modules.h"
#include "libtrack/preload/real.h"
#include "libtrack/preload/recorder.h"
#include "libtrack/preload/tracker.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT int dlclose(void *library)
{
	if (!real.dlclose)
		real_find();
	int failure = real.dlclose(library);
	struct thread_block *block = failure == 0 && tracker_records() ? thread_enter() : NULL;
	if (block) {
		modules_check_unloaded(block);
		thread_leave(block);
	}
	return failure;
}

static void note_own_name(uint32_t thread_id, const char *name)
{
	struct thread_block *block = tracker_records() ? thread_enter() : NULL;
	if (!block)
		return;
	recorder_note_name(block, thread_id, name);
	thread_leave(block);
}

EXPORT int pthread_setname_np(pthread_t thread, const char *name)
{
	if (!real.pthread_setname_np)
		real_find();
	int failure = real.pthread_setname_np(thread, name);
	/* Another thread's id can't be told from its handle; its name is read from /proc then. */
	if (failure == 0 && thread == pthread_self())
		note_own_name(tracker_thread_id(), name);
	return failure;
}
