/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tracker's part of a leak scan: when one is made, and what the collector is given to see.
 * Protocol and division of labour: common/leak_protocol.h.
 */
#ifndef MEMTRACE_PRELOAD_LEAK_CHECK_H
#define MEMTRACE_PRELOAD_LEAK_CHECK_H

#include <stdbool.h>
#include <stdint.h>

/* Sees to it that this process is scanned at its end, if the session wants that. */
void leak_check_start(void);

/* A fork's child is to be scanned too. */
void leak_check_enter_child(void);

#endif
