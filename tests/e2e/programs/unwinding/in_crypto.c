/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signals interrupt libcrypto's assembly anywhere; their handler allocates. */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "allocate.h"

#define STRIKES 200

static volatile int strikes;

FUNCTION void strike(int number)
{
	if (strikes++ < STRIKES)
		allocate(6401);
	NO_TAIL_CALL();
}

FUNCTION void digest(unsigned char *(*sha)(const unsigned char *, size_t, unsigned char *))
{
	static unsigned char bytes[1 << 16];
	unsigned char result[64];
	last_kept = sha(bytes, sizeof(bytes), result);
	NO_TAIL_CALL();
}

int main(void)
{
	void *library = dlopen("libcrypto.so.3", RTLD_NOW);
	struct itimerval often = {.it_interval = {.tv_usec = 200}, .it_value = {.tv_usec = 200}};
	static const char *const names[] = {"SHA1", "SHA256", "SHA512"};
	if (!library)
		return 77;
	signal(SIGPROF, strike);
	void *functions[3];
	for (int i = 0; i < 3; i++)
		if (!(functions[i] = dlsym(library, names[i])))
			return 77;
	digest(functions[0]); /* sets up what it needs */
	setitimer(ITIMER_PROF, &often, NULL);
	for (int i = 0; strikes < STRIKES; i++)
		digest(functions[i % 3]);
	memset(&often, 0, sizeof(often));
	setitimer(ITIMER_PROF, &often, NULL);
	puts("done");
	return 0;
}
