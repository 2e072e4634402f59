/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames of many shapes, and stacks that are like the one before in all but one place. */
#include <alloca.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "allocate.h"

#define ROUNDS 50

/* Callers whose frames have one size: what is further in lies at the same addresses. */
FUNCTION void shared(size_t size_bytes)
{
	char room[48];
	__asm__ volatile("" ::"r"(room) : "memory");
	allocate(size_bytes);
	NO_TAIL_CALL();
}

FUNCTION void equal_p(size_t size_bytes)
{
	shared(size_bytes);
	NO_TAIL_CALL();
}

FUNCTION void equal_q(size_t size_bytes)
{
	shared(size_bytes);
	NO_TAIL_CALL();
}

/* Twenty frames that are the same, and the outermost isn't. */
FUNCTION void tower(int height, size_t size_bytes)
{
	if (height == 0)
		shared(size_bytes);
	else
		tower(height - 1, size_bytes);
	NO_TAIL_CALL();
}

FUNCTION void outermost_a(size_t size_bytes)
{
	tower(20, size_bytes);
	NO_TAIL_CALL();
}

FUNCTION void outermost_b(size_t size_bytes)
{
	tower(20, size_bytes);
	NO_TAIL_CALL();
}

/* An array that is never written: there are the return addresses of the stack before. */
FUNCTION void uninitialised(size_t size_bytes)
{
	void *stale[96];
	__asm__ volatile("" ::"r"(stale));
	allocate(size_bytes);
	NO_TAIL_CALL();
}

/* All ways of one depth: bit i says who is called i frames further in. */
FUNCTION void way_odd(unsigned bits, int depth, size_t size_bytes);

FUNCTION void way_even(unsigned bits, int depth, size_t size_bytes)
{
	if (depth == 0)
		allocate(size_bytes);
	else if (bits & 1)
		way_odd(bits >> 1, depth - 1, size_bytes);
	else
		way_even(bits >> 1, depth - 1, size_bytes);
	NO_TAIL_CALL();
}

FUNCTION void way_odd(unsigned bits, int depth, size_t size_bytes)
{
	if (depth == 0)
		allocate(size_bytes);
	else if (bits & 1)
		way_odd(bits >> 1, depth - 1, size_bytes);
	else
		way_even(bits >> 1, depth - 1, size_bytes);
	NO_TAIL_CALL();
}

static jmp_buf place;

FUNCTION void jump_out(int height)
{
	if (height == 0) {
		allocate(6017);
		longjmp(place, 1);
	}
	jump_out(height - 1);
	NO_TAIL_CALL();
}

FUNCTION void jumps(void)
{
	for (volatile int i = 0; i < ROUNDS; i++)
		if (setjmp(place) == 0)
			jump_out(i % 3);
		else
			allocate(6019);
}

FUNCTION void variable(size_t count, size_t size_bytes)
{
	char array[count];
	char *more = alloca(count / 2);
	memset(array, 1, count);
	memset(more, 1, count / 2);
	__asm__ volatile("" ::"r"(array), "r"(more) : "memory");
	allocate(size_bytes);
	NO_TAIL_CALL();
}

FUNCTION void aligned(size_t count, size_t size_bytes)
{
	_Alignas(64) char block[128];
	__asm__ volatile("" ::"r"(block) : "memory");
	allocate(size_bytes);
	NO_TAIL_CALL();
}

/* Realigned, with variable length: gcc finds its arguments through a register of their own. */
FUNCTION void aligned_variable(size_t count, size_t size_bytes)
{
	_Alignas(64) char block[128];
	char array[count];
	memset(array, 1, count);
	__asm__ volatile("" ::"r"(block), "r"(array) : "memory");
	allocate(size_bytes);
	NO_TAIL_CALL();
}

FUNCTION void many_arguments(long a, long b, long c, long d, long e, long f, long g,
			     size_t size_bytes)
{
	allocate(size_bytes);
	NO_TAIL_CALL();
}

FUNCTION void huge(size_t size_bytes)
{
	char array[200 << 10];
	__asm__ volatile("" ::"r"(array) : "memory");
	allocate(size_bytes);
	NO_TAIL_CALL();
}

/* Needs registers that it must save; rbp among them where it is no frame pointer. */
FUNCTION void huge_and_busy(size_t size_bytes, const long *numbers)
{
	char array[900 << 10];
	long a = numbers[0], b = numbers[1], c = numbers[2], d = numbers[3], e = numbers[4],
	     f = numbers[5];
	__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e) : "r"(array) : "memory");
	allocate(size_bytes);
	__asm__ volatile("" ::"r"(a), "r"(b), "r"(c), "r"(d), "r"(e) : "memory");
}

FUNCTION void equal_frames(void)
{
	equal_p(6001);
	equal_q(6003);
	NO_TAIL_CALL();
}

FUNCTION void other_ends(void)
{
	outermost_a(6005);
	outermost_b(6007);
	NO_TAIL_CALL();
}

FUNCTION void shapes(size_t i)
{
	static const long numbers[6] = {1, 2, 3, 4, 5, 6};
	variable(100 + i * 8, 6021);
	aligned(i, 6023);
	aligned_variable(60 + i * 24, 6025);
	many_arguments(1, 2, 3, 4, 5, 6, 7, 6027);
	huge(6029);
	huge_and_busy(6031, numbers);
	NO_TAIL_CALL();
}

int main(void)
{
	for (size_t i = 0; i < ROUNDS; i++) {
		equal_frames();
		other_ends();
		uninitialised(6009);
		for (unsigned bits = 0; bits < 32; bits++)
			way_even(bits, 5, 7000 + bits);
		shapes(i);
	}
	jumps();
	puts("done");
	return 0;
}
