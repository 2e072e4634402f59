/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program that knows LeakSanitizer: it has suppressions of its own, and may turn checks off.
 * leak_wishes ACTION...: known (loses 100 bytes that it suppresses), unknown (loses 50 others), off
 * (no check is wanted), rest (long enough for the collector to look at the executable), child
 * (becomes the program that follows, in a child).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int is_off;
static void *volatile sink;

const char *__lsan_default_suppressions(void);
int __lsan_is_turned_off(void);

const char *__lsan_default_suppressions(void)
{
	return "# of the program\n"
	       "leak:lose_known\n"
	       "leak:\n"
	       "race:something_else\n"
	       "leak:never_called\n"
	       "leak:lose_definite\n";
}

int __lsan_is_turned_off(void)
{
	return is_off;
}

__attribute__((noinline)) static void lose_known(void)
{
	sink = memset(malloc(100), 0, 100);
	sink = NULL;
}

__attribute__((noinline)) static void lose_unknown(void)
{
	sink = memset(malloc(50), 0, 50);
	sink = NULL;
}

__attribute__((noinline)) static void clear_stack(void)
{
	volatile char bytes[8192];
	memset((char *)bytes, 0, sizeof(bytes));
}

int main(int count, char **arguments)
{
	for (int i = 1; i < count; i++) {
		if (strcmp(arguments[i], "known") == 0)
			lose_known();
		if (strcmp(arguments[i], "unknown") == 0)
			lose_unknown();
		if (strcmp(arguments[i], "off") == 0)
			is_off = 1;
		if (strcmp(arguments[i], "rest") == 0)
			(void)usleep(300000);
		if (strcmp(arguments[i], "child") == 0) {
			int status;
			if (fork() == 0)
				execv(arguments[i + 1], arguments + i + 1);
			(void)wait(&status);
			break;
		}
	}
	clear_stack();
	return 0;
}
