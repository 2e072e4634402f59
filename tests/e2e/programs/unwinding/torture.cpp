// SPDX-License-Identifier: LGPL-2.1-or-later
// Exceptions: thrown through twenty frames, allocating wherever there is a place to.
#include <cstdio>
#include <cstdlib>
#include <pthread.h>
#include <stdexcept>

#define FUNCTION __attribute__((noinline, noclone, noipa)) static
#define NO_TAIL_CALL() __asm__ volatile("" ::: "memory")

static void *volatile last_kept;

FUNCTION void allocate(size_t size_bytes)
{
	last_kept = malloc(size_bytes);
	NO_TAIL_CALL();
}

struct guard {
	size_t size_bytes;
	__attribute__((noinline, noclone, noipa)) ~guard() { allocate(size_bytes); NO_TAIL_CALL(); }
};

FUNCTION void dive(int depth)
{
	guard here{6201};
	if (depth == 0)
		throw std::runtime_error("at the bottom");
	dive(depth - 1);
	NO_TAIL_CALL();
}

FUNCTION void passes_on(int depth)
{
	try {
		dive(depth);
	} catch (...) {
		allocate(6203);
		throw;
	}
}

FUNCTION void catches(int depth)
{
	try {
		passes_on(depth);
	} catch (const std::exception &exception) {
		allocate(6205);
	}
	allocate(6207);
	NO_TAIL_CALL();
}

FUNCTION void nested(int depth)
{
	try {
		throw depth;
	} catch (int number) {
		catches(number);
		allocate(6209);
	}
}

FUNCTION void *leaves(void *)
{
	guard here{6211};
	pthread_exit(nullptr);
}

FUNCTION void *is_cancelled(void *)
{
	guard here{6213};
	pthread_cancel(pthread_self());
	pthread_testcancel();
	return nullptr;
}

int main()
{
	for (int i = 0; i < 100; i++) {
		nested(19);
		catches(i % 20);
	}
	for (int i = 0; i < 5; i++) {
		pthread_t threads[2];
		pthread_create(&threads[0], nullptr, leaves, nullptr);
		pthread_create(&threads[1], nullptr, is_cancelled, nullptr);
		pthread_join(threads[0], nullptr);
		pthread_join(threads[1], nullptr);
	}
	puts("done");
}
