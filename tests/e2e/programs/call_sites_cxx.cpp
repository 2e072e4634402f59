// SPDX-License-Identifier: LGPL-2.1-or-later
// The same in C++: a method, a template and a lambda. Keep the lines.
#include <cstddef>
#include <vector>

static void *volatile kept;

template <typename T> struct box {
	T value;
	__attribute__((noinline)) T fill(std::size_t size)
	{
		kept = new char[size]; // line 12
		return value + 1;
	}
};

namespace shop {
__attribute__((noinline)) static int sell(int price)
{
	box<int> one{price};
	return one.fill(7373) * 2; // line 21
}
} // namespace shop

int main(int count, char **)
{
	auto buy = [](int price) { return shop::sell(price) + 1; }; // line 27
	return buy(count) > 1000; // line 28
}
