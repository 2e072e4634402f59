/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes and ends blocks. */
#include <stdlib.h>

void *make_block(void)
{
	return malloc(5165);
}

void end_block(void *block)
{
	free(block);
}
