/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unloaded modules and thread names.
 *
 * A module is announced when an address in it first shows up, so nothing is to be done when it is
 * loaded. dlclose calls nothing that looks at its caller, so a frame of ours in between does no
 * harm.
 */
#include <dlfcn.h>
#include <pthread.h>

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

/*
 * The id of a thread that is alive, as its owner vouches for by using the handle: the clock of
 * its processor time is named by it (a negative number, the id's complement shifted by 3).
 */
static uint32_t thread_id_of(pthread_t thread)
{
	clockid_t clock;
	if (pthread_equal(thread, pthread_self()))
		return tracker_thread_id();
	return pthread_getcpuclockid(thread, &clock) == 0 ? (uint32_t) ~(clock >> 3) : 0;
}

EXPORT int pthread_setname_np(pthread_t thread, const char *name)
{
	if (!real.pthread_setname_np)
		real_find();
	/* Before: it may end as soon as it has its name. */
	uint32_t thread_id = thread_id_of(thread);
	int failure = real.pthread_setname_np(thread, name);
	if (failure == 0 && thread_id)
		recorder_name_thread(thread_id, name);
	return failure;
}
