/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/stack_names.h"

#include <string.h>

void stack_names_clear(struct stack_names *names)
{
	memset(names->slot_hash, 0, sizeof(names->slot_hash));
	names->depth = 0;
}

struct stack_name stack_names_name(struct stack_names *names, const uint64_t *frames,
				   size_t frame_count, bool is_truncated)
{
	/* frame(n), outermost first, with the marker in front of a truncated trace. */
	size_t depth = frame_count + (is_truncated ? 1 : 0);
	size_t kept = 0;
	if (is_truncated) {
		if (names->depth > 0 && names->previous[0] == RING_FRAME_TRUNCATED)
			kept = 1;
		else
			names->previous[0] = RING_FRAME_TRUNCATED;
	}
	size_t marker = is_truncated ? 1 : 0;
	if (kept == marker)
		while (kept < depth && kept < names->depth &&
		       names->previous[kept] == frames[frame_count - 1 - (kept - marker)])
			kept++;
	uint64_t hash = kept ? names->prefix_hash[kept - 1] : stack_names_seed;
	for (size_t n = kept; n < depth; n++) {
		if (n >= marker)
			names->previous[n] = frames[frame_count - 1 - (n - marker)];
		hash = stack_names_mix(hash, names->previous[n]);
		names->prefix_hash[n] = hash;
	}
	names->depth = (uint32_t)depth;
	return stack_names_find(names, hash | (hash == 0), (uint32_t)kept);
}
