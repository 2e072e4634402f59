/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The public header in the oldest C++: a pool for a class. */
#include <memtrace/memtrace.h>
#include <new>

struct Point {
	int x, y;
	static void *operator new(std::size_t size);
	static void operator delete(void *block);
};

static char slots[16][sizeof(Point)];
static int used;

void *Point::operator new(std::size_t size)
{
	void *block = slots[used++];
	memtrace_pool_allocated(block, size);
	return block;
}

void Point::operator delete(void *block)
{
	memtrace_pool_released(block);
}

int main()
{
	delete new Point();
	return (new Point())->x;
}
