/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two variables that make a program traced: ENV_PRELOAD and ENV_SESSION.
 *
 * The program itself is not to see them (it may print, count or compare its environment), so they
 * are taken out of `environ` at the start and put back for the programs that it starts.
 */
#ifndef MEMTRACE_PRELOAD_ENVIRONMENT_H
#define MEMTRACE_PRELOAD_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Finds the session and this library's path in `variables` (a NULL-terminated environment; NULL:
 * /proc/self/environ is read) and copies them to the tracker.
 * returns  false if there is no session, or a value is too long
 */
bool environment_find_session(char *const *variables);

/* Takes our variables out of `variables`, in place. */
void environment_hide(char **variables);

/* Room for the environment of a program to be started. */
struct environment_space {
	char *short_list[1024];
	char preload[4096 + 1024];
	char session[4096 + 32];
	char **mapped; /* for a longer list: pages of our own */
	size_t mapped_bytes;
};

/*
 * The environment `variables` with our variables in it, ours first in LD_PRELOAD.
 *
 * space    holds the result; environment_release it if the program was not started after all
 * returns  `variables` itself if they are there already or if there is no room
 */
char *const *environment_for_child(char *const *variables, struct environment_space *space);

/* The same without our variables: for a program that ld.so would only complain to. */
char *const *environment_without(char *const *variables, struct environment_space *space);

void environment_release(struct environment_space *space);

#endif
