// SPDX-License-Identifier: LGPL-2.1-or-later
// Throws, catches and allocates on the way: plugin_host.c.
#include <cstdlib>
#include <stdexcept>

static void *volatile last_kept;

__attribute__((noinline, noclone, noipa)) static int throws(int depth)
{
	last_kept = malloc(6501);
	if (depth == 0)
		throw std::runtime_error("from a plugin");
	return throws(depth - 1) + 1;
}

extern "C" int plugin_run()
{
	int caught = 0;
	for (int i = 0; i < 20; i++) {
		try {
			throws(i);
		} catch (const std::exception &) {
			caught++;
		}
	}
	return caught;
}
