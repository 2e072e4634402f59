// SPDX-License-Identifier: LGPL-2.1-or-later
// Throws through deep stacks whose destructors allocate, and counts what it caught.
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

struct on_the_way {
	std::vector<int> numbers;
	explicit on_the_way(int depth) : numbers(static_cast<size_t>(depth) + 10, depth) {}
	~on_the_way() { std::string late(static_cast<size_t>(numbers.front()) + 40, 'x'); numbers.push_back(static_cast<int>(late.size())); }
};

__attribute__((noinline)) static int descend(int depth)
{
	on_the_way here(depth);
	if (depth == 0)
		throw std::runtime_error("the bottom, with a message long enough to be on the heap");
	return descend(depth - 1) + here.numbers.back();
}

int main()
{
	int caught = 0;
	for (int i = 0; i < 2000; i++) {
		try {
			descend(i % 60);
		} catch (const std::exception &exception) {
			caught += exception.what()[0] == 't';
		}
	}
	std::printf("%d\n", caught);
	return caught == 2000 ? 0 : 1;
}
