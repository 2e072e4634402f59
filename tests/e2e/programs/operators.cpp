/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * operators ROUNDS [throw]: every form of operator new and delete, whoever provides them. Prints
 * what one round allocates and frees.
 */
#include <cstdio>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

struct alignas(128) Wide {
	char bytes[256];
};

static void *volatile left;
static bool throws; /* mimalloc, built as C, ends the program instead */

/* Through the library: its references to operator new are its own. */
static void use_library()
{
	std::string text(100, 'x'); /* +1 -1, 101 */
	left = &text;
	std::vector<long> numbers(10); /* +1 -1, 80 */
	left = numbers.data();
}

static void one_round()
{
	int *number = new int(3);                           /* +1, 4 */
	delete number;                                      /* -1 */
	delete[] new char[33];                              /* +1 -1, 33 */
	char *quiet = new (std::nothrow) char;              /* +1, 1 */
	operator delete(quiet, std::nothrow);               /* -1 */
	delete[] new (std::nothrow) short[5];               /* +1 -1, 10 */
	delete new Wide;                                    /* +1 -1, 256 */
	delete[] new Wide[2];                               /* +1 -1, 512 */
	operator delete(operator new(50), (std::size_t)50); /* +1 -1, 50 */
	use_library();                                      /* +2 -2, 181 */
	free(malloc(7));                                    /* +1 -1, 7 */
	if (throws) {
		try {
			left = new char[(std::size_t)1 << 62]; /* fails */
			std::puts("that much memory?");
		} catch (const std::bad_alloc &) {
		}
	}
	left = new char[77]; /* +1, 77 */
}

int main(int count, char **arguments)
{
	static char buffer[4096];
	long rounds = count > 1 ? std::atol(arguments[1]) : 0;
	throws = count > 2;
	std::setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	try {
		throw std::bad_alloc(); /* what exceptions need once is there */
	} catch (const std::bad_alloc &) {
	}
	for (long i = 0; i < rounds; i++)
		one_round();
	/* An exception is a block of 136 bytes. */
	std::puts(throws ? "operators 12 11 1267" : "operators 11 10 1131");
	return 0;
}
