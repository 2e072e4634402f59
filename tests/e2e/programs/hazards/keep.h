/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the hazards' programs share: blocks of a size that nobody else uses, kept to the end. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *volatile kept;

/* Inlined: each place has its own stack trace. */
static inline __attribute__((always_inline)) void keep(size_t size_bytes, int count)
{
	while (count-- > 0)
		kept = malloc(size_bytes);
}
