/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Allocates before any constructor, in constructors, in exit handlers and in destructors. */
#include "keep.h"

static void before_everything(int argc, char **argv, char **envp)
{
	keep(5001, 3);
}

__attribute__((section(".preinit_array"), used)) static void (*early)(int, char **,
								      char **) = before_everything;

__attribute__((constructor(101))) static void first(void)
{
	keep(5003, 4);
}

__attribute__((destructor(101))) static void last(void)
{
	keep(5005, 5);
}

static void at_exit(void)
{
	keep(5007, 6);
}

int main(void)
{
	atexit(at_exit);
	at_quick_exit(at_exit);
	puts("main");
	return 3;
}
