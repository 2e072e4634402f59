// SPDX-License-Identifier: LGPL-2.1-or-later
// Threads whose destructors allocate and free: thread_local objects, keys, in all of libc's rounds.
#include <pthread.h>
#include <thread>
#include <vector>
#include "keep.h"

static pthread_key_t key;

struct Local {
	char *text = (char *)malloc(5021);
	~Local()
	{
		free(text);
		keep(5023, 1);
	}
};
static thread_local Local local;

static void key_ends(void *value)
{
	long round = (long)value;
	keep(5025, 1);
	free(malloc(5027));
	if (round < 4)
		pthread_setspecific(key, (void *)(round + 1));
}

int main()
{
	pthread_key_create(&key, key_ends);
	for (int rounds = 0; rounds < 10; rounds++) {
		std::vector<std::thread> threads;
		for (int i = 0; i < 5; i++)
			threads.emplace_back([] {
				local.text[0] = 'x';
				pthread_setspecific(key, (void *)1);
				keep(5029, 1);
			});
		for (auto &thread : threads)
			thread.join();
	}
	puts("joined");
	_exit(5);
}
