/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

static void *volatile left;

static __attribute__((noinline)) void second_library(void)
{
	left = malloc(3001);
}

void leave_block(void)
{
	second_library();
	left = NULL;
}
