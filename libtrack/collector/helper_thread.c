/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/collector/helper_thread.h"

#include <sched.h>

/* returns  false: it can't be had there */
static bool start_elsewhere(pthread_t *ret_thread, const cpu_set_t *allowed, void *(*work)(void *),
			    void *context)
{
	cpu_set_t others = *allowed;
	pthread_attr_t attributes;
	int here = sched_getcpu();
	if (here < 0 || here >= CPU_SETSIZE)
		return false;
	CPU_CLR((size_t)here, &others);
	if (CPU_COUNT(&others) == 0 || pthread_attr_init(&attributes) != 0)
		return false;
	bool is_started = pthread_attr_setaffinity_np(&attributes, sizeof(others), &others) == 0 &&
			  pthread_create(ret_thread, &attributes, work, context) == 0;
	(void)pthread_attr_destroy(&attributes); /* can't fail on Linux */
	return is_started;
}

bool helper_thread_start(pthread_t *ret_thread, void *(*work)(void *), void *context)
{
	cpu_set_t allowed;
	/* With more processors than the set can tell of the kernel's choice must do. */
	if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0 &&
	    start_elsewhere(ret_thread, &allowed, work, context)) {
		/* Else it stays there, which is no error. */
		(void)pthread_setaffinity_np(*ret_thread, sizeof(allowed), &allowed);
		return true;
	}
	return pthread_create(ret_thread, NULL, work, context) == 0;
}
