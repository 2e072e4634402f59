// SPDX-License-Identifier: LGPL-2.1-or-later
// Pointers into blocks that C++ code makes: leak_cases_cxx CASE. The sizes of the blocks tell them
// apart; std::string is the old, shared one.
#define _GLIBCXX_USE_CXX11_ABI 0
#include <sys/resource.h>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

struct First {
	virtual ~First() {}
	long first;
};

struct Second {
	virtual ~Second() {}
	virtual void work() {}
	long second;
};

struct Both : First, Second {
	~Both() override {}
	void work() override {}
	char rest[7000];
};

struct Counted {
	~Counted() { count++; }
	static long count;
	char bytes[100];
};
long Counted::count;

static Second *volatile base;
static Counted *volatile array;
static std::string *volatile shared;
static char *volatile sized;
static char *volatile plain;

struct Owner {
	std::vector<char *> blocks;
	~Owner()
	{
		for (char *block : blocks)
			delete[] block;
	}
};
static Owner owner;

__attribute__((noinline)) static void clear_stack()
{
	volatile char bytes[16384];
	memset(const_cast<char *>(bytes), 0, sizeof(bytes));
}

__attribute__((noinline)) static void fill()
{
	base = new Both;               // multiple inheritance
	array = new Counted[71];       // 8 + 7100 bytes
	static std::string text(7150, 'x'); // 24 + 7150 + 1, or a little more
	shared = &text;
	uint64_t *length = static_cast<uint64_t *>(malloc(7200));
	*length = 7192;
	sized = reinterpret_cast<char *>(length + 1);
	plain = static_cast<char *>(malloc(7300)) + 40;
	memset(plain - 40, 0, 7300);
}

/* Nobody catches: std::terminate calls abort. */
__attribute__((noinline)) static void terminate()
{
	struct rlimit none = {};
	(void)setrlimit(RLIMIT_CORE, &none);
	plain = static_cast<char *>(malloc(7424));
	plain = nullptr;
	clear_stack();
	throw 1;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "terminate") == 0)
		terminate();
	if (argc > 1 && strcmp(argv[1], "destructors") == 0)
		owner.blocks.push_back(new char[7801]);
	else
		fill();
	clear_stack();
	if (argc > 1 && strcmp(argv[1], "leave") == 0)
		quick_exit(0); // no destructors: the shared string is there
	return 0;
}
