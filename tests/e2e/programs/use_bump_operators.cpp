/* SPDX-License-Identifier: LGPL-2.1-or-later */
struct Pair {
	long first, second;
};

static Pair *volatile pairs[1000];

int main()
{
	for (auto &pair : pairs)
		pair = new Pair;
	for (int i = 0; i < 1000; i += 3)
		delete pairs[i];
	return 0;
}
