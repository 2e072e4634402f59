/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/collector/control_bell.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

/* What the signal handler knows. */
static struct {
	_Atomic uint32_t *_Atomic doorbell;
	_Atomic bool rings;
} bell;

/* A sleep at the doorbell ends early; one that is about to begin finds another number. */
static void ring(int number)
{
	(void)number;
	_Atomic uint32_t *doorbell = atomic_load(&bell.doorbell);
	atomic_store(&bell.rings, true);
	if (doorbell)
		atomic_fetch_add(doorbell, 1);
}

void control_bell_hang(int control_fd, _Atomic uint32_t *doorbell)
{
	/* What can be restarted is: only the doorbell's sleep ends. */
	struct sigaction action = {.sa_handler = ring, .sa_flags = SA_RESTART};
	atomic_store(&bell.doorbell, doorbell);
	atomic_store(&bell.rings, true);       /* what came before is to be read as well */
	(void)sigaction(SIGIO, &action, NULL); /* a valid signal */
	int flags = fcntl(control_fd, F_GETFL);
	if (flags >= 0 && fcntl(control_fd, F_SETOWN, getpid()) == 0)
		(void)fcntl(control_fd, F_SETFL, flags | O_ASYNC); /* else: the tick */
}

void control_bell_take_down(int control_fd)
{
	int flags = fcntl(control_fd, F_GETFL);
	(void)signal(SIGIO, SIG_IGN); /* one may be on its way */
	if (flags >= 0)
		(void)fcntl(control_fd, F_SETFL, flags & ~O_ASYNC); /* as it could be set */
	atomic_store(&bell.doorbell, NULL);
}

bool control_bell_rings(void)
{
	return atomic_load(&bell.rings);
}

void control_bell_answer(void)
{
	atomic_store(&bell.rings, false);
}
