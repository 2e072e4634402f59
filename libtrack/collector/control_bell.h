/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rings the segment's doorbell when something comes through the socket to the launcher, or its
 * other end is closed. The collector sleeps at the doorbell for a tick at a time, and would see
 * it up to a tick later: of a run of some milliseconds that is most.
 *
 * The kernel sends SIGIO (O_ASYNC). Where it doesn't, the tick must do.
 */
#ifndef MEMTRACE_COLLECTOR_CONTROL_BELL_H
#define MEMTRACE_COLLECTOR_CONTROL_BELL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* One at a time in a process, for the rest of its life or until it is taken down. */
void control_bell_hang(int control_fd, _Atomic uint32_t *doorbell);
void control_bell_take_down(int control_fd);

/* Whether it has rung and not been answered. */
bool control_bell_rings(void);
void control_bell_answer(void);

#endif
