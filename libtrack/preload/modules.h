/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ELF objects that return addresses lie in.
 *
 * A module is announced when the first stack trace that runs through it is defined: found with
 * _dl_find_object, which takes no lock, so that an allocation inside dlopen, dl_iterate_phdr or a
 * constructor can't deadlock with us. After dlclose, and whenever an address turns out to lie in
 * another object than the known one, the modules that are gone are announced as unloaded and the
 * names of all stack traces become void (tracker.generation).
 */
#ifndef MEMTRACE_PRELOAD_MODULES_H
#define MEMTRACE_PRELOAD_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libtrack/preload/thread.h"

/*
 * Announces the modules of `frames` that are not known yet, in the ring of `block`.
 * returns  false if a module was unloaded: names made before are void now
 */
bool modules_announce(struct thread_block *block, const uint64_t *frames, size_t frame_count);

/* Looks which of the known modules are gone, after a dlclose. */
void modules_check_unloaded(struct thread_block *block);

/* Forgets what was announced: a fork's child announces anew. */
void modules_reset(void);

#endif
